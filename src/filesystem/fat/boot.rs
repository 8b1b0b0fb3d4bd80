//! The boot sector: where the tables, the root directory and the clusters lie.
//!
//! Follows Microsoft's "FAT: General Overview of On-Disk Format" 1.03; where implementations differ,
//! Linux is followed. Backups of the sector and `FSInfo` are not looked at.

use crate::filesystem::bytes::{array, byte, le16, le32, slice};
use crate::model::Fault;

/// Bytes that are read of it.
pub const LENGTH: usize = 512;
/// The first cluster that holds anything.
pub const FIRST_CLUSTER: u32 = 2;
/// With more clusters than this, entries have 16 bits (Linux's `MAX_FAT12`).
const MAX_FAT12: u64 = 0xff4;
/// With more than this a table that is not FAT32's cannot be (Linux's `MAX_FAT16`).
const MAX_FAT16: u64 = 0xfff4;
/// Entries have 28 bits.
const MAX_FAT32: u64 = 0x0fff_fff6;

/// Width of a table's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 12 bits.
    Twelve,
    /// 16 bits.
    Sixteen,
    /// 32 bits, of which 28 count.
    ThirtyTwo,
}

/// Where the root directory lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// FAT12 and FAT16: an area of its own, offset and length in bytes.
    Area(u64, usize),
    /// FAT32: a chain of clusters.
    Cluster(u32),
}

/// What the boot sector says; all offsets in bytes.
#[derive(Clone, Debug)]
pub struct Geometry {
    /// Of the table's entries.
    pub width: Width,
    /// Bytes of a cluster.
    pub cluster_size: u32,
    /// How many clusters there are.
    pub clusters: u32,
    /// Where the table in use lies.
    pub table: u64,
    /// Bytes of one table.
    pub table_length: u64,
    /// Where cluster 2 lies.
    pub data: u64,
    /// The root directory.
    pub root: Root,
    /// The volume serial number; `None` where there is no extended boot signature.
    pub serial: Option<u32>,
    /// The label, without padding.
    pub label: Vec<u8>,
}

impl Geometry {
    /// Reads the first sector.
    pub fn parse(raw: &[u8]) -> Result<Self, Fault> {
        let sector = u64::from(le16(raw, 11)?);
        let per_cluster = u64::from(byte(raw, 13)?);
        let reserved = u64::from(le16(raw, 14)?);
        let tables = u64::from(byte(raw, 16)?);
        let root_entries = u64::from(le16(raw, 17)?);
        let table_16 = u64::from(le16(raw, 22)?);
        let table_32 = u64::from(le32(raw, 36)?);
        let media = byte(raw, 21)?;
        let fits = matches!(sector, 512 | 1024 | 2048 | 4096)
            && per_cluster.is_power_of_two()
            && reserved > 0
            && tables > 0
            && (media >= 0xf8 || media == 0xf0);
        if !fits {
            return Err(Fault::damaged(format!(
                "a boot sector with sectors of {sector} bytes, {per_cluster} per cluster, \
                 {reserved} reserved, {tables} tables, medium {media:#x}"
            )));
        }
        let total = match le16(raw, 19)? {
            0 => u64::from(le32(raw, 32)?),
            small => u64::from(small),
        };
        let is_32 = table_16 == 0;
        let table_sectors = if is_32 { table_32 } else { table_16 };
        // All factors have at most 32 bits, and sums of few products cannot overflow 64.
        let root_length = root_entries.saturating_mul(32);
        let root_at = reserved.saturating_add(tables.saturating_mul(table_sectors));
        let data = root_at.saturating_add(root_length.div_ceil(sector));
        let data_sectors = total.checked_sub(data).ok_or_else(|| {
            Fault::damaged(format!("{total} sectors, of which the clusters begin at {data}"))
        })?;
        let by_space = data_sectors.checked_div(per_cluster).unwrap_or(0);
        let width = match (is_32, by_space) {
            (true, _) => Width::ThirtyTwo,
            (false, ..=MAX_FAT12) => Width::Twelve,
            (false, _) => Width::Sixteen,
        };
        let table_length = table_sectors.saturating_mul(sector);
        let (entries, most) = match width {
            Width::Twelve => (table_length.saturating_mul(2) / 3, MAX_FAT12),
            Width::Sixteen => (table_length / 2, MAX_FAT16),
            Width::ThirtyTwo => (table_length / 4, MAX_FAT32),
        };
        let clusters = by_space.min(entries.saturating_sub(FIRST_CLUSTER.into()));
        if clusters > most {
            return Err(Fault::damaged(format!("{clusters} clusters, and {most} can be named")));
        }
        let root = match is_32 {
            true => Root::Cluster(le32(raw, 44)?),
            false => Root::Area(
                root_at.saturating_mul(sector),
                usize::from(le16(raw, 17)?).saturating_mul(32),
            ),
        };
        let active = if is_32 { active_table(raw, tables)? } else { 0 };
        let (serial, label) = names(raw, if is_32 { 64 } else { 36 })?;
        Ok(Self {
            width,
            cluster_size: u32::try_from(per_cluster.saturating_mul(sector)).unwrap_or(u32::MAX),
            clusters: u32::try_from(clusters)
                .map_err(|_| Fault::damaged(format!("{clusters} clusters")))?,
            table: reserved
                .saturating_add(active.saturating_mul(table_sectors))
                .saturating_mul(sector),
            table_length,
            data: data.saturating_mul(sector),
            root,
            serial,
            label,
        })
    }

    /// Where a cluster lies; a fault for what is none.
    pub fn offset(&self, cluster: u32) -> Result<u64, Fault> {
        match cluster.checked_sub(FIRST_CLUSTER) {
            Some(index) if index < self.clusters => Ok(self
                .data
                .saturating_add(u64::from(index).saturating_mul(self.cluster_size.into()))),
            _ => Err(Fault::damaged(format!("cluster {cluster} of {}", self.clusters))),
        }
    }
}

/// Which table is in use where they are not kept alike.
fn active_table(raw: &[u8], tables: u64) -> Result<u64, Fault> {
    let flags = le16(raw, 40)?;
    if flags & 0x80 == 0 {
        return Ok(0);
    }
    let active = u64::from(flags & 0xf);
    if active >= tables {
        return Err(Fault::damaged(format!("table {active} is in use, of {tables}")));
    }
    Ok(active)
}

fn names(raw: &[u8], at: usize) -> Result<(Option<u32>, Vec<u8>), Fault> {
    let field = |offset: usize| at.saturating_add(offset);
    // 0x28 has a serial number only.
    match byte(raw, field(2))? {
        0x29 => {
            let label = slice(raw, field(7), 11)?.trim_ascii_end();
            let label = if label == b"NO NAME" { Vec::new() } else { label.to_vec() };
            Ok((Some(u32::from_le_bytes(array(raw, field(3))?)), label))
        }
        0x28 => Ok((Some(u32::from_le_bytes(array(raw, field(3))?)), Vec::new())),
        _ => Ok((None, Vec::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A floppy of 1.44 MB, as mkfs makes it.
    fn floppy() -> Vec<u8> {
        let mut raw = vec![0; LENGTH];
        raw[11..24].copy_from_slice(&[0, 2, 1, 1, 0, 2, 0xe0, 0, 0x40, 0x0b, 0xf0, 9, 0]);
        raw[38..54].copy_from_slice(b"\x29\x78\x56\x34\x12FLOPPY     ");
        raw
    }

    #[test]
    fn a_floppy_has_12_bits() {
        let found = Geometry::parse(&floppy()).unwrap();
        assert_eq!(found.width, Width::Twelve);
        assert_eq!((found.clusters, found.cluster_size, found.data), (2847, 512, 33 * 512));
        assert_eq!(found.root, Root::Area(19 * 512, 224 * 32));
        assert_eq!((found.serial, found.label.as_slice()), (Some(0x1234_5678), &b"FLOPPY"[..]));
        assert_eq!(found.offset(2).unwrap(), 33 * 512);
        for cluster in [0, 1, 2849, u32::MAX] {
            assert!(found.offset(cluster).is_err(), "{cluster}");
        }
    }

    #[test]
    fn contradictions_are_damage() {
        let check = |at: usize, value: u8| {
            let mut raw = floppy();
            raw[at] = value;
            assert!(Geometry::parse(&raw).is_err(), "{at}: {value}");
        };
        check(12, 3);
        check(13, 3);
        check(14, 0);
        check(16, 0);
        check(21, 1);
        check(23, 0x7f);
    }
}
