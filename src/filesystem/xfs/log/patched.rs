//! The device as it is after replay: sectors of the log's making laid over its own.

use crate::block::BlockDevice;
use crate::model::Fault;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Sectors are of 512 bytes here, whatever the device has.
pub const SECTOR: usize = 512;
/// 64 MiB of them, with their places.
const MAX_SECTORS: usize = 128 << 10;

/// Newer sectors by their number.
#[derive(Debug, Default)]
pub struct Sectors(BTreeMap<u64, Box<[u8]>>);

impl Sectors {
    /// Whether nothing is newer.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lays bytes over sectors from `first` on; the bytes are whole sectors.
    pub fn put(&mut self, first: u64, bytes: &[u8]) -> Result<(), Fault> {
        for (sector, number) in bytes.chunks_exact(SECTOR).zip(first..) {
            self.0.insert(number, sector.into());
        }
        if self.0.len() > MAX_SECTORS {
            return Err(Fault::limit(format!("more than {MAX_SECTORS} newer sectors")));
        }
        Ok(())
    }

    /// Lays what is newer over bytes that were read at `offset`.
    pub fn lay_over(&self, offset: u64, bytes: &mut [u8]) {
        const SIZE: u64 = SECTOR as u64;
        let end = offset.saturating_add(bytes.len() as u64);
        for (number, sector) in self.0.range(offset / SIZE..end.div_ceil(SIZE)) {
            let place = number.saturating_mul(SIZE);
            let (from, to) = (place.max(offset), place.saturating_add(SIZE).min(end));
            let within = |base: u64| {
                let index =
                    |at: u64| usize::try_from(at.saturating_sub(base)).unwrap_or(usize::MAX);
                index(from)..index(to)
            };
            if let (Some(out), Some(newer)) =
                (bytes.get_mut(within(offset)), sector.get(within(place)))
            {
                out.copy_from_slice(newer);
            }
        }
    }
}

/// A device with newer sectors.
pub struct Patched {
    device: Arc<dyn BlockDevice>,
    sectors: Sectors,
}

impl Patched {
    /// Lays the sectors over the device.
    pub fn new(device: Arc<dyn BlockDevice>, sectors: Sectors) -> Self {
        Self { device, sectors }
    }
}

impl fmt::Debug for Patched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Patched({:?}, {} sectors)", self.device, self.sectors.0.len())
    }
}

impl BlockDevice for Patched {
    fn length(&self) -> u64 {
        self.device.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        self.device.read_at(offset, buffer)?;
        self.sectors.lay_over(offset, buffer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::MemoryDevice;

    #[test]
    fn newer_sectors_cover_older_ones() {
        let mut sectors = Sectors::default();
        sectors.put(1, &[1; 1024]).unwrap();
        sectors.put(2, &[2; 512]).unwrap();
        let device = Patched::new(Arc::new(MemoryDevice::new(vec![0; 2048])), sectors);
        let check = |offset: u64, length: usize, expected: &[(u8, usize)]| {
            let mut bytes = vec![9; length];
            device.read_at(offset, &mut bytes).unwrap();
            let expected: Vec<u8> =
                expected.iter().flat_map(|(byte, count)| vec![*byte; *count]).collect();
            assert_eq!(bytes, expected, "{length} bytes at {offset}");
        };
        check(0, 2048, &[(0, 512), (1, 512), (2, 512), (0, 512)]);
        check(1000, 100, &[(1, 24), (2, 76)]);
        check(500, 12, &[(0, 12)]);
        check(512, 512, &[(1, 512)]);
    }
}
