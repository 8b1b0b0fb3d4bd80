//! Parts of files that were logged take the place of what was there.

use super::{Replay, set};
use crate::filesystem::btrfs::node::{Key, kind};
use crate::filesystem::btrfs::tree;
use crate::filesystem::bytes::{byte, le64};
use crate::model::Fault;
use std::ops::Range;

/// Where the fields of a `struct btrfs_file_extent_item` lie.
const FULL: usize = 8;
const KIND: usize = 20;
const SKIP: usize = 37;
const LENGTH: usize = 45;
/// The kind of an extent that lies in its item.
const INLINE: u8 = 0;

/// Where a part of a file ends.
fn end(start: u64, item: &[u8]) -> Result<u64, Fault> {
    let at = if byte(item, KIND)? == INLINE { FULL } else { LENGTH };
    Ok(start.saturating_add(le64(item, at)?))
}

impl Replay<'_> {
    /// The first byte behind a place that is of another sector.
    fn sector_end(&self, at: u64) -> u64 {
        at.checked_next_multiple_of(self.volume.superblock.sector as u64).unwrap_or(u64::MAX)
    }

    /// A part of a file that was logged.
    pub(super) fn logged_extent(&mut self, key: Key, item: &[u8]) -> Result<(), Fault> {
        let inode = Key::new(key.object, kind::INODE_ITEM, 0);
        if self.item(inode)?.is_none() {
            return Err(Fault::damaged(format!(
                "bytes of inode {}, which is not there",
                key.object
            )));
        }
        self.remove_extents(key.object, key.offset..end(key.offset, item)?)?;
        self.put(key, item.to_vec())
    }

    /// Takes whole sectors from a file; what lies on both sides of a range is cut.
    pub(super) fn remove_extents(&mut self, inode: u64, range: Range<u64>) -> Result<(), Fault> {
        let range = self.sector_end(range.start)..self.sector_end(range.end);
        if range.is_empty() {
            return Ok(());
        }
        let key = |offset| Key::new(inode, kind::EXTENT_DATA, offset);
        self.step()?;
        let before = tree::floor(self.volume, &self.tree, key(range.start))?;
        let before =
            before.filter(|found| (found.object, found.kind) == (inode, kind::EXTENT_DATA));
        let first = before.map_or(range.start, |found| found.offset);
        for (found, item) in
            self.of_inode(inode, kind::EXTENT_DATA, first..=range.end.saturating_sub(1))?
        {
            let start = found.offset;
            let end = end(start, &item)?;
            if end <= range.start {
                continue;
            }
            let is_inline = byte(&item, KIND)? == INLINE;
            if start < range.start && !is_inline {
                let mut left = item.clone();
                set(&mut left, LENGTH, range.start.saturating_sub(start).to_le_bytes())?;
                self.put(found, left)?;
            } else {
                self.remove(found)?;
            }
            if end > range.end && !is_inline {
                let mut right = item;
                let cut = range.end.saturating_sub(start);
                let skip = le64(&right, SKIP)?.saturating_add(cut);
                set(&mut right, SKIP, skip.to_le_bytes())?;
                set(&mut right, LENGTH, end.saturating_sub(range.end).to_le_bytes())?;
                self.put(key(range.end), right)?;
            }
        }
        Ok(())
    }
}
