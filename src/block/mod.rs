//! Byte-addressed storage: what a disk image is before anybody knows of file systems.
//!
//! A container of disks ([`qcow2`], [`vmdk`], …) and a part of a disk (a partition, a logical
//! volume) are the same thing to what stands above: a length, and bytes at an offset, read by many
//! threads at once. Nothing here follows a name out of the folder of the image that it was given,
//! writes, or trusts a number of the image: every offset is checked, every structure that can loop
//! is bounded.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::model::Fault;
use std::fmt;
use std::ops::Range;

/// Byte-addressed, read-only storage.
pub trait BlockDevice: Send + Sync + fmt::Debug {
    /// Length in bytes.
    fn length(&self) -> u64;

    /// Fills the whole buffer from `offset`; what was never written reads as zeros. Reading
    /// beyond the end is [`crate::model::FaultKind::Damaged`]: the structure that asked for it lies.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault>;

    /// The next range at or after `offset` that may hold anything but zeros; `None` where only
    /// zeros follow. A device that does not know says "all the rest".
    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        Ok((offset < self.length()).then(|| offset..self.length()))
    }
}
