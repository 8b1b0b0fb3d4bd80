//! What fast commits change, kept beside the volume: inodes, ranges of blocks and names.
//!
//! Follows the replay of `fs/ext4/fast_commit.c`, with two differences: there names are added with
//! the time of the replay, here the times of directories are those that the commits have; and there
//! a file that grew out of its inode loses what was committed, as its blocks come before its inode.

use super::inode::{self, BLOCK_AREA, BLOCK_AREA_LENGTH, flags};
use super::journal::{Event, Step};
use super::volume::Volume;
use crate::filesystem::bytes::{le16, le32, slice};
use crate::filesystem::runs::Run;
use crate::model::Fault;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

/// Inodes that are kept, in bytes: many times what a journal of the usual size can change.
pub const MAX_INODES: usize = 64 << 20;
/// `i_links_count`.
const LINKS: usize = 0x1a;
/// `i_generation`: what lies behind `i_block` begins with it.
const GENERATION: usize = BLOCK_AREA + BLOCK_AREA_LENGTH;
/// The header of an empty extent tree in an inode: magic, no entries of four, depth 0.
const NO_EXTENTS: [u8; 12] = [0x0a, 0xf3, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0];

/// All of them; empty for most volumes.
#[derive(Debug, Default)]
pub struct Changes {
    inodes: HashMap<u32, Box<[u8]>>,
    /// By the first block in the file; the numbers of blocks and the first on the device.
    ranges: HashMap<u32, BTreeMap<u64, (u64, Option<u64>)>>,
    names: HashMap<u32, BTreeMap<Box<[u8]>, Name>>,
    /// Directories that the commits made, with the one that each lies in.
    made: HashMap<u32, u32>,
    /// Bytes of inodes that may still be kept; `None` where they were not enough.
    room: Option<usize>,
}

/// One name of a directory.
#[derive(Clone, Copy, Debug, Default)]
struct Name {
    /// The stored entry with this number is gone.
    removed: Option<u32>,
    /// It stands there now, unless a stored one is left.
    added: Option<u32>,
}

impl Changes {
    /// Takes the steps in their order, and says where they change inodes of more than `most` bytes.
    /// What cannot be applied to a damaged inode is not.
    pub fn of(volume: &Volume, steps: Vec<Step>, most: usize) -> (Self, Option<Fault>) {
        let mut changes = Self { room: Some(most), ..Self::default() };
        for step in steps {
            match step {
                Step::Inode { number, raw } => changes.inode(volume, number, &raw),
                Step::Range { inode, logical, blocks, first } => {
                    changes.range(inode, logical, blocks, first);
                }
                Step::Name { directory, inode, name, event } => {
                    changes.name(volume, (directory, inode), name, event);
                }
            }
        }
        let fault = changes.room.is_none().then(|| {
            let what = "the journal's fast commits change inodes of more than";
            Fault::limit(format!("{what} {most} bytes: only the first are replayed"))
        });
        (changes, fault)
    }

    /// The bytes of an inode that was changed.
    pub fn raw(&self, number: u32) -> Option<&[u8]> {
        self.inodes.get(&number).map(AsRef::as_ref)
    }

    /// Whether the stored names of a directory are not all.
    pub fn has_names(&self, directory: u32) -> bool {
        self.names.contains_key(&directory) || self.made.contains_key(&directory)
    }

    /// For a directory that the commits made, the one that it lies in.
    pub fn parent_of_made(&self, directory: u32) -> Option<u32> {
        self.made.get(&directory).copied()
    }

    /// Hands a stored entry on, unless it is gone.
    pub fn pass(
        &self,
        directory: u32,
        (number, name): (u32, &[u8]),
        visit: &mut dyn FnMut(u32, &[u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let change = self.names.get(&directory).and_then(|names| names.get(name));
        match change {
            Some(change) if change.removed == Some(number) => ControlFlow::Continue(()),
            // It is told with what was added.
            Some(Name { added: Some(_), .. }) => ControlFlow::Continue(()),
            _ => visit(number, name),
        }
    }

    /// Hands on what was added to a directory.
    pub fn added(
        &self,
        directory: u32,
        visit: &mut dyn FnMut(u32, &[u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for (name, change) in self.names.get(&directory).into_iter().flatten() {
            if let Some(number) = change.added {
                visit(number, name)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether blocks of a file lie elsewhere than its inode says.
    pub fn has_ranges(&self, inode: u32) -> bool {
        self.ranges.contains_key(&inode)
    }

    /// The runs of a file from `from` on, where `stored` tells those that are not changed.
    pub fn runs(
        &self,
        inode: u32,
        from: u64,
        stored: impl FnOnce() -> Result<Vec<Run>, Fault>,
    ) -> Result<Vec<Run>, Fault> {
        let Some(ranges) = self.ranges.get(&inode) else { return stored() };
        if let Some((start, (blocks, first))) = ranges.range(..=from).next_back() {
            let skipped = from.saturating_sub(*start);
            if skipped < *blocks {
                let first = first.map(|first| first.saturating_add(skipped));
                return Ok(vec![Run { first, blocks: blocks.saturating_sub(skipped) }]);
            }
        }
        let mut runs = stored()?;
        if let Some((next, _)) = ranges.range(from..).next() {
            let mut left = next.saturating_sub(from);
            runs.retain_mut(|run| {
                run.blocks = run.blocks.min(left);
                left = left.saturating_sub(run.blocks);
                run.blocks > 0
            });
        }
        Ok(runs)
    }

    /// What lies in `i_block` stays, but for inline bytes; so does what the new bytes are too
    /// short for.
    fn inode(&mut self, volume: &Volume, number: u32, new: &[u8]) {
        let Some(raw) = self.bytes_of(volume, number) else { return };
        let is_inline = le32(new, inode::FLAGS).is_ok_and(|own| own & flags::INLINE_DATA != 0);
        for (at, byte) in new.iter().enumerate() {
            if (is_inline || !(BLOCK_AREA..GENERATION).contains(&at))
                && let Some(place) = raw.get_mut(at)
            {
                *place = *byte;
            }
        }
        let has_extents = le32(raw, inode::FLAGS).is_ok_and(|own| own & flags::EXTENTS != 0);
        let is_tree = slice(raw, BLOCK_AREA, 2).is_ok_and(|magic| NO_EXTENTS.starts_with(magic));
        if has_extents && !is_tree {
            let area = raw.get_mut(BLOCK_AREA..GENERATION).unwrap_or_default();
            area.fill(0);
            area.iter_mut().zip(NO_EXTENTS).for_each(|(place, byte)| *place = byte);
        }
    }

    fn range(&mut self, inode: u32, logical: u64, blocks: u64, first: Option<u64>) {
        if blocks == 0 {
            return;
        }
        let end = logical.saturating_add(blocks);
        let ranges = self.ranges.entry(inode).or_default();
        let before = ranges.range(..logical).next_back().map(|(start, own)| (*start, *own));
        let mut rest = Vec::new();
        if let Some((start, (count, own))) = before {
            ranges.insert(start, (count.min(logical.saturating_sub(start)), own));
            rest.push((start, (count, own)));
        }
        while let Some((start, own)) =
            ranges.range(logical..end).next().map(|(at, own)| (*at, *own))
        {
            ranges.remove(&start);
            rest.push((start, own));
        }
        // What reaches beyond the new one stays there.
        for (start, (count, own)) in rest {
            let skipped = end.saturating_sub(start);
            if skipped < count {
                let own = own.map(|own| own.saturating_add(skipped));
                ranges.insert(end, (count.saturating_sub(skipped), own));
            }
        }
        ranges.insert(logical, (blocks, first));
    }

    fn name(
        &mut self,
        volume: &Volume,
        (directory, inode): (u32, u32),
        name: Box<[u8]>,
        event: Event,
    ) {
        let Some(raw) = self.bytes_of(volume, inode) else { return };
        let Ok(links @ 1..) = le16(raw, LINKS) else { return };
        let is_directory = le16(raw, 0).is_ok_and(|mode| mode & 0xf000 == 0x4000);
        let links = match event {
            Event::Created => 1,
            Event::Linked => links.saturating_add(1),
            Event::Unlinked => links.saturating_sub(1),
        };
        raw.iter_mut().skip(LINKS).zip(links.to_le_bytes()).for_each(|(place, byte)| *place = byte);
        if event == Event::Created && is_directory {
            self.made.insert(inode, directory);
            self.names.remove(&inode);
        }
        let own = self.names.entry(directory).or_default().entry(name).or_default();
        match (event, own.added) {
            (Event::Created | Event::Linked, _) => own.added = Some(inode),
            (Event::Unlinked, Some(added)) if added == inode => own.added = None,
            (Event::Unlinked, Some(_)) => {}
            (Event::Unlinked, None) => own.removed = Some(inode),
        }
    }

    /// The bytes of an inode as they are so far.
    fn bytes_of(&mut self, volume: &Volume, number: u32) -> Option<&mut Box<[u8]>> {
        match self.inodes.entry(number) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(place) => {
                let (block, range) = volume.inode_place(number).ok()?;
                self.room = self.room.and_then(|room| room.checked_sub(range.len()));
                self.room?;
                Some(place.insert(block.get(range)?.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::MemoryDevice;
    use std::sync::Arc;

    #[test]
    fn inodes_are_kept_up_to_a_limit() {
        let mut bytes = vec![0; 16 << 10];
        let fields = [(0, 16), (4, 16), (0x14, 1), (0x20, 8192), (0x28, 16), (0x4c, 1)];
        for (at, value) in fields.into_iter().chain([(0x58, 128), (0x38, 0xef53)]) {
            bytes[1024 + at..][..4].copy_from_slice(&u32::to_le_bytes(value));
        }
        // Where the table of inodes lies.
        bytes[2048 + 8] = 5;
        let volume = Volume::open(Arc::new(MemoryDevice::new(bytes))).unwrap();
        let step = |number| Step::Inode { number, raw: [1; 4].into() };
        let check = |most: usize, kept: usize, is_told: bool| {
            let steps = [12, 13, 12, 14].map(step).into();
            let (changes, fault) = Changes::of(&volume, steps, most);
            assert_eq!((changes.inodes.len(), fault.is_some()), (kept, is_told), "{most}");
        };
        check(3 * 128, 3, false);
        check(3 * 128 - 1, 2, true);
        check(0, 0, true);
    }

    #[test]
    fn later_ranges_cover_earlier_ones() {
        let mut changes = Changes::default();
        changes.range(12, 10, 10, Some(100));
        changes.range(12, 12, 3, None);
        changes.range(12, 18, 4, Some(500));
        changes.range(12, 30, 1, Some(7));
        let check = |from: u64, expected: &[(Option<u64>, u64)]| {
            let stored = || Ok(vec![Run { first: Some(9000), blocks: 3 }, Run::hole(100)]);
            let found = changes.runs(12, from, stored).unwrap();
            let found: Vec<_> = found.iter().map(|run| (run.first, run.blocks)).collect();
            assert_eq!(found, expected, "{from}");
        };
        check(0, &[(Some(9000), 3), (None, 7)]);
        check(9, &[(Some(9000), 1)]);
        check(10, &[(Some(100), 2)]);
        check(13, &[(None, 2)]);
        check(15, &[(Some(105), 3)]);
        check(21, &[(Some(503), 1)]);
        check(22, &[(Some(9000), 3), (None, 5)]);
        check(40, &[(Some(9000), 3), (None, 100)]);
    }
}
