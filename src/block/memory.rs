//! A device in memory: for tests, and for small devices that were unpacked.

use super::{BlockDevice, check_range};
use crate::model::Fault;

/// Bytes as a device.
#[derive(Clone)]
pub struct MemoryDevice {
    bytes: Vec<u8>,
}

impl MemoryDevice {
    /// A device of just these bytes.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }
}

impl std::fmt::Debug for MemoryDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryDevice({} bytes)", self.bytes.len())
    }
}

impl BlockDevice for MemoryDevice {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        check_range(self.length(), offset, buffer.len())?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buffer.len());
        if let Some(bytes) = self.bytes.get(start..end) {
            buffer.copy_from_slice(bytes);
        }
        Ok(())
    }
}
