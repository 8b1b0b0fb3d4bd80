//! A range of a device: a partition, an extent of an image.

use super::{BlockDevice, check_range};
use crate::model::Fault;
use std::ops::Range;
use std::sync::Arc;

/// `length` bytes of another device from `start` on.
#[derive(Clone, Debug)]
pub struct Slice {
    device: Arc<dyn BlockDevice>,
    start: u64,
    length: u64,
}

impl Slice {
    /// Refuses a range that is not whole inside of the device.
    pub fn new(device: Arc<dyn BlockDevice>, start: u64, length: u64) -> Result<Self, Fault> {
        match start.checked_add(length) {
            Some(end) if end <= device.length() => Ok(Self { device, start, length }),
            _ => Err(Fault::damaged(format!(
                "{length} bytes at {start} lie beyond the end of the device ({} bytes)",
                device.length()
            ))),
        }
    }
}

impl BlockDevice for Slice {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        check_range(self.length, offset, buffer.len())?;
        self.device.read_at(self.start.saturating_add(offset), buffer)
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        if offset >= self.length {
            return Ok(None);
        }
        let found = self.device.next_data(self.start.saturating_add(offset))?;
        Ok(found.and_then(|range| {
            let from = range.start.saturating_sub(self.start).max(offset);
            let to = range.end.saturating_sub(self.start).min(self.length);
            (from < to).then_some(from..to)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryDevice;
    use super::*;

    #[test]
    fn a_slice_stays_inside() {
        let device: Arc<dyn BlockDevice> = Arc::new(MemoryDevice::new((0..=99).collect()));
        let slice = Slice::new(Arc::clone(&device), 10, 5).unwrap();
        let mut buffer = [0; 3];
        slice.read_at(2, &mut buffer).unwrap();
        assert_eq!(buffer, [12, 13, 14]);
        assert!(slice.read_at(3, &mut buffer).is_err());
        assert_eq!(slice.next_data(1).unwrap(), Some(1..5));
        assert_eq!(slice.next_data(5).unwrap(), None);
        assert!(Slice::new(Arc::clone(&device), 96, 5).is_err());
        assert!(Slice::new(device, u64::MAX, 5).is_err());
    }
}
