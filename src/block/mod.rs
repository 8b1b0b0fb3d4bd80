//! Byte-addressed storage: what a disk image is before anybody knows of file systems.
//!
//! A container of disks ([`qcow2`], [`vmdk`], …) and a part of a disk (a partition, a logical
//! volume) are the same thing to what stands above: a length, and bytes at an offset, read by many
//! threads at once. Nothing here follows a name out of the folder of the image that it was given,
//! writes, or trusts a number of the image: every offset is checked, every structure that can loop
//! is bounded.
//!
//! Two doors: [`open_image`] makes a device of a file, whatever container it is, and [`volumes()`]
//! finds what lies on a device: partitions, logical volumes, or the device itself.
//!
//! A container is a map from its own offsets to places in files ([`mapped`]); reading, skipping
//! what is zero and falling through to a parent are written once, there. Tables and inflated
//! clusters are remembered in caches of bounded size ([`cache`]) that a whole backing chain shares.

#![warn(clippy::indexing_slicing)]
// Tests count as they like.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod beside;
pub mod bytes;
pub(crate) mod cache;
mod concat;
mod file;
mod image;
mod inflate;
mod lvm;
mod mapped;
mod members;
mod memory;
mod partitions;
mod qcow2;
mod recognise;
mod slice;
#[cfg(test)]
mod testing;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;
mod volumes;

pub use beside::Beside;
pub use file::FileDevice;
pub use image::{Image, OpenOptions, open_image};
pub use memory::MemoryDevice;
pub use partitions::{Partition, TableKind};
pub use qcow2::Snapshot;
pub use recognise::{ImageFormat, recognise};
pub use slice::Slice;
pub use volumes::{Volume, VolumeSource, Volumes, volumes};

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

/// Refuses a read that leaves a device of this length.
pub(crate) fn check_range(length: u64, offset: u64, count: usize) -> Result<(), Fault> {
    match offset.checked_add(count as u64) {
        Some(end) if end <= length => Ok(()),
        _ => Err(Fault::damaged(format!(
            "{count} bytes at {offset} lie beyond the end of the device ({length} bytes)"
        ))),
    }
}

/// Reads `count` bytes at `offset` into a buffer of its own; the caller has bounded `count`.
pub(crate) fn read_vec(
    device: &dyn BlockDevice,
    offset: u64,
    count: usize,
) -> Result<Vec<u8>, Fault> {
    check_range(device.length(), offset, count)?;
    let mut bytes = vec![0; count];
    device.read_at(offset, &mut bytes)?;
    Ok(bytes)
}
