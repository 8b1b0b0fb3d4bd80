//! The device by logical addresses: blocks of trees and sectors of data, each verified and, where
//! one copy is damaged, read from the next.

use super::chunk::Chunks;
use super::node::{Key, NodeFormat, Pointer, TreeNode, kind};
use super::superblock::Superblock;
use super::tree::{self, Tree};
use crate::block::BlockDevice;
use crate::filesystem::bytes::to_usize;
use crate::filesystem::cache::Cache;
use crate::model::Fault;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// `BTRFS_EXTENT_CSUM_OBJECTID`.
pub const CHECKSUMS: u64 = 0_u64.wrapping_sub(10);
/// What is in the chunk tree besides devices.
const CHUNK_TREE: u64 = 256;

/// A device with what its superblock and its chunks say.
pub struct Volume {
    device: Arc<dyn BlockDevice>,
    /// The superblock.
    pub superblock: Superblock,
    chunks: Chunks,
    nodes: Cache,
    /// The tree of the checksums of data, where it was found.
    pub checksums: Option<Tree>,
    /// Subvolumes whose logs were replayed, by number.
    pub replayed: BTreeMap<u64, Tree>,
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume")
            .field("device", &self.device)
            .field("superblock", &self.superblock)
            .finish_non_exhaustive()
    }
}

impl Volume {
    /// Reads superblock and chunks.
    pub fn open(device: Arc<dyn BlockDevice>) -> Result<Self, Fault> {
        let superblock = Superblock::read(device.as_ref())?;
        let own = superblock.device;
        let several = |fault: Fault| match superblock.devices {
            1 => fault,
            count => fault.within(format_args!("a file system of {count} devices")),
        };
        let chunks = Chunks::of_superblock(&superblock.system_chunks, own).map_err(several)?;
        let nodes = Cache::new(superblock.format.size);
        let (checksums, replayed) = (None, BTreeMap::new());
        let mut volume = Self { device, superblock, chunks, nodes, checksums, replayed };
        let mut found = Vec::new();
        let from = Key::new(CHUNK_TREE, kind::CHUNK_ITEM, 0);
        let to = Key::new(CHUNK_TREE, kind::CHUNK_ITEM, u64::MAX);
        let root = &volume.superblock.chunk_root;
        tree::scan(&volume, root, from, to, &mut |key, item| {
            found.push((key, item.to_vec()));
            ControlFlow::Continue(())
        })
        .map_err(|fault| fault.within("chunk tree"))?;
        let devices = volume.superblock.devices;
        for (key, item) in found {
            volume.chunks.add(key, &item, own).map_err(|fault| match devices {
                1 => fault,
                count => fault.within(format_args!("a file system of {count} devices")),
            })?;
        }
        Ok(volume)
    }

    /// Bytes of the device.
    pub fn capacity(&self) -> u64 {
        self.device.length()
    }

    /// The block of a tree, verified, from whichever copy is whole.
    pub fn node(&self, pointer: &Pointer) -> Result<TreeNode, Fault> {
        if let Some(bytes) = self.nodes.get(pointer.logical)
            && let Ok(node) = TreeNode::new(bytes, pointer)
        {
            return Ok(node);
        }
        let format: &NodeFormat = &self.superblock.format;
        let place = |fault: Fault| fault.within(format_args!("block {}", pointer.logical));
        let mut outcome = Err(Fault::damaged("a chunk without copies"));
        for start in self.chunks.copies(pointer.logical, format.size)? {
            outcome = self.read_node(start, pointer);
            if outcome.is_ok() {
                break;
            }
        }
        outcome.map_err(place)
    }

    fn read_node(&self, start: u64, pointer: &Pointer) -> Result<TreeNode, Fault> {
        let mut bytes = vec![0; self.superblock.format.size];
        self.device.read_at(start, &mut bytes)?;
        TreeNode::verify(&bytes, pointer.logical, &self.superblock.format)?;
        let bytes: Arc<[u8]> = bytes.into();
        let node = TreeNode::new(Arc::clone(&bytes), pointer)?;
        self.nodes.put(pointer.logical, bytes);
        Ok(node)
    }

    /// Fills the buffer with data from a logical address on: whole sectors are read in place, what
    /// is cut off at either end in a sector of its own. `verified` where the file has checksums.
    pub fn read_data(&self, logical: u64, buffer: &mut [u8], verified: bool) -> Result<(), Fault> {
        let sector = self.superblock.sector;
        let mut rest = buffer;
        let mut at = logical;
        while !rest.is_empty() {
            let skip = to_usize(at.checked_rem(sector as u64).unwrap_or(0))?;
            let whole = rest.len().saturating_sub(rest.len().checked_rem(sector).unwrap_or(0));
            let length = if skip == 0 && whole > 0 {
                let (part, _) = rest.split_at_mut_checked(whole).unwrap_or_default();
                self.read_sectors(at, part, verified)?;
                whole
            } else {
                let mut one = vec![0; sector];
                self.read_sectors(at.saturating_sub(skip as u64), &mut one, verified)?;
                let from = one.get(skip..).unwrap_or_default();
                let length = from.len().min(rest.len());
                for (to, from) in rest.iter_mut().zip(from) {
                    *to = *from;
                }
                length
            };
            rest = rest.get_mut(length..).unwrap_or_default();
            at = at.saturating_add(length as u64);
        }
        Ok(())
    }

    fn read_sectors(&self, at: u64, part: &mut [u8], verified: bool) -> Result<(), Fault> {
        let mut outcome = Err(Fault::damaged("a chunk without copies"));
        for start in self.chunks.copies(at, part.len())? {
            outcome = self.device.read_at(start, part);
            if outcome.is_ok() {
                break;
            }
        }
        outcome?;
        let Some(tree) = self.checksums.as_ref().filter(|_| verified) else { return Ok(()) };
        let checksum = self.superblock.format.checksum;
        let sector = self.superblock.sector;
        for (index, stored) in self.stored_checksums(tree, at, part.len())? {
            let from = index.saturating_mul(sector);
            let Some(bytes) = part.get_mut(from..from.saturating_add(sector)) else { continue };
            if !checksum.fits(&stored, bytes) {
                self.read_another(at.saturating_add(from as u64), bytes, &stored)?;
            }
        }
        Ok(())
    }

    /// A sector whose first copy is damaged.
    fn read_another(&self, at: u64, bytes: &mut [u8], stored: &[u8]) -> Result<(), Fault> {
        for start in self.chunks.copies(at, bytes.len())? {
            let is_read = self.device.read_at(start, bytes).is_ok();
            if is_read && self.superblock.format.checksum.fits(stored, bytes) {
                return Ok(());
            }
        }
        Err(Fault::damaged(format!("data at the logical address {at} do not have their checksum")))
    }

    /// Checksums of the sectors of a range, with their index in it; those that are not stored are
    /// left out.
    fn stored_checksums(
        &self,
        tree: &Tree,
        logical: u64,
        length: usize,
    ) -> Result<Vec<(usize, Vec<u8>)>, Fault> {
        let sector = self.superblock.sector as u64;
        let size = self.superblock.format.checksum.length();
        let end = logical.saturating_add(length as u64);
        let key = |offset| Key::new(CHECKSUMS, kind::EXTENT_CSUM, offset);
        let before = tree::floor(self, tree, key(logical))?;
        let from = before.filter(|found| found.kind == kind::EXTENT_CSUM).unwrap_or(key(logical));
        let mut found = Vec::new();
        tree::scan(self, tree, from, key(end.saturating_sub(1)), &mut |key, item| {
            // Only the part of the item that covers the range.
            let skipped = logical.saturating_sub(key.offset).checked_div(sector).unwrap_or(0);
            let first = key.offset.saturating_add(skipped.saturating_mul(sector));
            let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).saturating_mul(size);
            let sums = item.get(skipped..).unwrap_or_default().chunks_exact(size);
            let mut at = first;
            for sum in sums {
                if at >= end {
                    break;
                }
                let index = at.saturating_sub(logical).checked_div(sector).unwrap_or(0);
                found.push((usize::try_from(index).unwrap_or(usize::MAX), sum.to_vec()));
                at = at.saturating_add(sector);
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }
}
