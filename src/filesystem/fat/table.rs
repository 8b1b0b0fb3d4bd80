//! The file allocation table: which clusters follow each other.

use super::boot::{FIRST_CLUSTER, Geometry, Width};
use crate::block::BlockDevice;
use crate::block::cache::Cache;
use crate::filesystem::bytes::{le16, le32, to_usize};
use crate::model::Fault;
use std::sync::Arc;

/// Tables are read in pieces of as many bytes: entries of 12, 16 and 32 bits all end with them.
const PIECE: u64 = 12 << 10;
/// All pieces that are kept: the table of a volume of 16 GiB with clusters of 4 KiB.
const CACHE_BYTES: usize = 16 << 20;
/// As many runs has a file of 2 GiB of which no two clusters of 512 bytes are neighbours.
const MAX_RUNS: usize = 4 << 20;

/// Neighbouring clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many clusters of the chain come before it.
    pub before: u32,
    /// Its first cluster.
    pub first: u32,
    /// How many there are.
    pub count: u32,
}

/// The table, by pieces.
#[derive(Debug)]
pub struct Table {
    cache: Cache<[u8]>,
}

/// A piece that is at hand, so that neighbours cost no look-up.
type AtHand = Option<(u64, Arc<[u8]>)>;

impl Table {
    /// Nothing is read yet.
    pub fn new() -> Self {
        Self { cache: Cache::new(CACHE_BYTES) }
    }

    fn piece(
        &self,
        device: &dyn BlockDevice,
        geometry: &Geometry,
        number: u64,
    ) -> Result<Arc<[u8]>, Fault> {
        if let Some(piece) = self.cache.get((0, number)) {
            return Ok(piece);
        }
        let start = number.saturating_mul(PIECE);
        let length = geometry.table_length.saturating_sub(start).min(PIECE);
        let mut bytes = vec![0; to_usize(length)?];
        device.read_at(geometry.table.saturating_add(start), &mut bytes)?;
        let piece: Arc<[u8]> = bytes.into();
        self.cache.put((0, number), &piece, piece.len());
        Ok(piece)
    }

    /// What follows a cluster; `None` at the end of the chain.
    fn next(
        &self,
        (device, geometry): (&dyn BlockDevice, &Geometry),
        cluster: u32,
        at_hand: &mut AtHand,
    ) -> Result<Option<u32>, Fault> {
        let at = match geometry.width {
            Width::Twelve => u64::from(cluster).saturating_mul(3) / 2,
            Width::Sixteen => u64::from(cluster).saturating_mul(2),
            Width::ThirtyTwo => u64::from(cluster).saturating_mul(4),
        };
        let number = at / PIECE;
        let piece = match at_hand {
            Some((held, piece)) if *held == number => &*piece,
            _ => &at_hand.insert((number, self.piece(device, geometry, number)?)).1,
        };
        let within = to_usize(at % PIECE)?;
        let (value, end) = match geometry.width {
            Width::Twelve => {
                let pair = le16(piece, within)?;
                let value = if cluster & 1 == 1 { pair >> 4 } else { pair & 0xfff };
                (u32::from(value), 0xff8)
            }
            Width::Sixteen => (u32::from(le16(piece, within)?), 0xfff8),
            Width::ThirtyTwo => (le32(piece, within)? & 0x0fff_ffff, 0x0fff_fff8),
        };
        if value >= end {
            return Ok(None);
        }
        if value < FIRST_CLUSTER || value.saturating_sub(FIRST_CLUSTER) >= geometry.clusters {
            return Err(Fault::damaged(format!("cluster {cluster} is followed by {value:#x}")));
        }
        Ok(Some(value))
    }

    /// The runs of a chain from `first` on, of at most `most` clusters, and why it could not be
    /// followed further. Ends whatever the table says: a chain that comes back to itself is cut at
    /// `most`.
    pub fn chain(
        &self,
        device: &dyn BlockDevice,
        geometry: &Geometry,
        first: u32,
        most: u32,
    ) -> (Vec<Run>, Option<Fault>) {
        let mut runs: Vec<Run> = Vec::new();
        let mut at_hand = None;
        if let Err(fault) = geometry.offset(first) {
            return (runs, Some(fault));
        }
        let mut cluster = first;
        for before in 0..most {
            let is_full = runs.len() >= MAX_RUNS;
            match runs.last_mut() {
                Some(run) if run.first.checked_add(run.count) == Some(cluster) => {
                    run.count = run.count.saturating_add(1);
                }
                _ if is_full => {
                    let fault = Fault::limit(format!("more than {MAX_RUNS} runs of clusters"));
                    return (runs, Some(fault));
                }
                _ => runs.push(Run { before, first: cluster, count: 1 }),
            }
            match self.next((device, geometry), cluster, &mut at_hand) {
                Ok(Some(next)) => cluster = next,
                Ok(None) => break,
                // Nothing of it is wanted any more.
                Err(_) if before.saturating_add(1) == most => break,
                Err(fault) => return (runs, Some(fault)),
            }
        }
        (runs, None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::boot::Root;
    use super::*;
    use crate::block::MemoryDevice;

    fn check(width: Width, table: &[u8], first: u32, expected: &[(u32, u32)], fault: &str) {
        let geometry = Geometry {
            width,
            cluster_size: 512,
            clusters: 6,
            table: 0,
            table_length: table.len() as u64,
            data: 0,
            root: Root::Cluster(2),
            serial: None,
            label: Vec::new(),
        };
        let device = MemoryDevice::new(table.to_vec());
        let (runs, found) = Table::new().chain(&device, &geometry, first, 6);
        let runs: Vec<(u32, u32)> = runs.iter().map(|run| (run.first, run.count)).collect();
        assert_eq!(runs, expected);
        assert_eq!(found.map(|fault| fault.to_string()).unwrap_or_default(), fault);
    }

    #[test]
    fn chains_are_followed() {
        let words =
            |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
        let table = words(&[0, 0, 3, 5, 0xffff, 6, 0xffff, 0]);
        check(Width::Sixteen, &table, 2, &[(2, 2), (5, 2)], "");
        check(Width::Sixteen, &table, 4, &[(4, 1)], "");
        check(Width::Sixteen, &table, 7, &[(7, 1)], "cluster 7 is followed by 0x0");
        check(Width::Sixteen, &table, 8, &[], "cluster 8 of 6");
        let table = [0xf0, 0xff, 0xff, 0x03, 0xf0, 0xff, 0, 0, 0, 0, 0, 0];
        check(Width::Twelve, &table, 2, &[(2, 2)], "");
        let dwords = [0, 0, 0xf000_0003_u32, 0x0fff_ffff, 0, 0, 0, 0];
        let table: Vec<u8> = dwords.iter().flat_map(|v| v.to_le_bytes()).collect();
        check(Width::ThirtyTwo, &table, 2, &[(2, 2)], "");
    }

    #[test]
    fn circles_end() {
        let table: Vec<u8> =
            [0_u16, 0, 4, 0, 2, 0, 0, 0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let expected = [(2, 1), (4, 1), (2, 1), (4, 1), (2, 1), (4, 1)];
        check(Width::Sixteen, &table, 2, &expected, "");
    }
}
