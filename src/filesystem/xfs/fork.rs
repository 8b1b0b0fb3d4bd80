//! Which blocks a fork has: extents in the inode, or a tree of them.
//!
//! Follows `xfs_bmbt_rec` and `xfs_bmdr_block` in `fs/xfs/libxfs/xfs_format.h`. Every node must be
//! one level below its parent and hold only what the parent's keys promise, so that no tree has a
//! cycle and no part of a fork has two places.

use super::checksum::{self, BTREE};
use super::inode::{Fork, Format, Inode};
use super::volume::Volume;
use crate::filesystem::bytes::{be16, be32, be64, slice, to_usize};
use crate::filesystem::runs::{Blocks, Run};
use crate::model::Fault;

/// `BMAP` of version 4, `BMA3` of version 5.
const MAGIC_4: u32 = 0x424d_4150;
const MAGIC_5: u32 = 0x424d_4133;
const HEADER_4: usize = 24;
const HEADER_5: usize = 72;
/// The header in the inode: a level and a count.
const ROOT_HEADER: usize = 4;
const RECORD_LENGTH: usize = 16;
/// `XFS_BM_MAXLEVELS` stays below it.
const MAX_LEVEL: u16 = 16;
/// Offsets in a fork have 54 bits.
const END: u64 = 1 << 54;

/// Consecutive blocks of a fork, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    logical: u64,
    /// As files count blocks.
    block: u64,
    count: u64,
    is_written: bool,
}

/// A fork's blocks and the device.
pub struct Mapped<'a> {
    /// What they lie on.
    pub volume: &'a Volume,
    /// Whose they are.
    pub inode: &'a Inode,
    /// Which of its forks.
    pub fork: &'a Fork,
}

impl Blocks for Mapped<'_> {
    fn block_size(&self) -> u64 {
        self.volume.superblock.block_size.into()
    }

    /// Runs of blocks of the device; unwritten extents are holes.
    fn runs(&self, from: u64) -> Result<Vec<Run>, Fault> {
        if from >= END {
            return Ok(vec![Run::hole(u64::MAX.saturating_sub(from))]);
        }
        let (extents, end) = match self.fork.format {
            Format::Extents => {
                let length = to_usize(self.fork.extents)?.saturating_mul(RECORD_LENGTH);
                (parse_extents(slice(&self.fork.bytes, 0, length)?, 0, END)?, END)
            }
            Format::Btree => match self.leaf(from)? {
                Leaf::Extents(extents, end) => (extents, end),
                Leaf::Hole(end) => return Ok(vec![Run::hole(end.saturating_sub(from).max(1))]),
            },
            other => return Err(Fault::damaged(format!("a map of blocks of format {other:?}"))),
        };
        self.placed(&extents, from, end)
    }

    fn read_bytes(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        self.volume.read_bytes(offset, buffer)
    }
}

/// What the tree knows of a block.
enum Leaf {
    /// The extents of its leaf, and where the next begins.
    Extents(Vec<Extent>, u64),
    /// Before all extents; where they begin.
    Hole(u64),
}

impl Mapped<'_> {
    /// Goes down from the root in the inode to the leaf that knows block `from`.
    fn leaf(&self, from: u64) -> Result<Leaf, Fault> {
        let root = &self.fork.bytes;
        let mut level = be16(root, 0)?;
        if level == 0 || level > MAX_LEVEL {
            return Err(Fault::damaged(format!("a tree of {level} levels")));
        }
        let mut child = child(root, ROOT_HEADER, be16(root, 2)?, from, (0, END))?;
        while let Child::Block { number, start, end } = child {
            let number = self.volume.superblock.device_block(number, 1)?;
            level = level.saturating_sub(1);
            let place = || format!("tree of extents in block {number}");
            let block = self.volume.block(number)?;
            let (header, count) =
                self.node(&block, number, level).map_err(|fault| fault.within(place()))?;
            if level == 0 {
                let length = usize::from(count).saturating_mul(RECORD_LENGTH);
                let extents = slice(&block, header, length)
                    .and_then(|records| parse_extents(records, start, end))
                    .map_err(|fault| fault.within(place()))?;
                return Ok(Leaf::Extents(extents, end));
            }
            child = self::child(&block, header, count, from, (start, end))
                .map_err(|fault| fault.within(place()))?;
        }
        match child {
            Child::Hole { end } => Ok(Leaf::Hole(end)),
            Child::Block { .. } => Err(Fault::damaged("a tree without leaves")),
        }
    }

    /// Checks a block of the tree; the length of its header and the count of what follows.
    fn node(&self, block: &[u8], number: u64, level: u16) -> Result<(usize, u16), Fault> {
        let superblock = &self.volume.superblock;
        let (magic, header) =
            if superblock.has_checksums { (MAGIC_5, HEADER_5) } else { (MAGIC_4, HEADER_4) };
        let (found, said) = (be32(block, 0)?, be16(block, 4)?);
        if found != magic || said != level {
            return Err(Fault::damaged(format!("the magic number {found:#x}, level {said}")));
        }
        checksum::verify_block(superblock, BTREE, block, number, self.inode.number)?;
        Ok((header, be16(block, 6)?))
    }

    /// The runs from `from` to `end`, holes between extents included.
    fn placed(&self, extents: &[Extent], from: u64, end: u64) -> Result<Vec<Run>, Fault> {
        let mut runs = Vec::new();
        let mut at = from;
        let done =
            extents.partition_point(|extent| extent.logical.saturating_add(extent.count) <= from);
        for extent in extents.iter().skip(done) {
            if at < extent.logical {
                runs.push(Run::hole(extent.logical.saturating_sub(at)));
                at = extent.logical;
            }
            let skipped = at.saturating_sub(extent.logical);
            let blocks = extent.count.saturating_sub(skipped);
            let first = self.volume.superblock.device_block(extent.block, extent.count)?;
            let first = extent.is_written.then(|| first.saturating_add(skipped));
            runs.push(Run { first, blocks });
            at = at.saturating_add(blocks);
        }
        if at < end {
            runs.push(Run::hole(end.saturating_sub(at)));
        }
        Ok(runs)
    }
}

/// Where the way down leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Child {
    /// The block that knows the part from `start` to `end`.
    Block { number: u64, start: u64, end: u64 },
    /// Nothing lies before `end`.
    Hole { end: u64 },
}

/// The child of a node that knows block `from`; keys and pointers share the room behind the
/// header by halves. `promised` is the part that the node knows.
fn child(
    node: &[u8],
    header: usize,
    count: u16,
    from: u64,
    promised: (u64, u64),
) -> Result<Child, Fault> {
    let room = node.len().saturating_sub(header).checked_div(RECORD_LENGTH).unwrap_or(0);
    let count = usize::from(count);
    if count > room {
        return Err(Fault::damaged(format!("{count} children in a node for {room}")));
    }
    let (mut low, mut end) = promised;
    let mut found = None;
    let half = RECORD_LENGTH / 2;
    for index in 0..count {
        let key = be64(node, header.saturating_add(index.saturating_mul(half)))?;
        if key < low || key >= promised.1 {
            return Err(Fault::damaged(format!("the key {key} in a node of {promised:?}")));
        }
        low = key.saturating_add(1);
        if key > from {
            end = key;
            break;
        }
        found = Some((index, key));
    }
    let Some((index, start)) = found else { return Ok(Child::Hole { end }) };
    let pointers = header.saturating_add(room.saturating_mul(half));
    let number = be64(node, pointers.saturating_add(index.saturating_mul(half)))?;
    Ok(Child::Block { number, start, end })
}

/// Records of the part from `start` to `end`, in order and without overlaps.
fn parse_extents(bytes: &[u8], start: u64, end: u64) -> Result<Vec<Extent>, Fault> {
    let mut low = start;
    let mut extents = Vec::with_capacity(bytes.len() / RECORD_LENGTH);
    for record in bytes.chunks_exact(RECORD_LENGTH) {
        let extent = parse_extent(be64(record, 0)?, be64(record, 8)?);
        let after = extent.logical.saturating_add(extent.count);
        if extent.count == 0 || extent.logical < low || after > end {
            return Err(Fault::damaged(format!(
                "{} blocks at {}, between {low} and {end}",
                extent.count, extent.logical
            )));
        }
        low = after;
        extents.push(extent);
    }
    Ok(extents)
}

/// From the top: 1 bit unwritten, 54 of the offset, 52 of the block, 21 of the count.
const fn parse_extent(high: u64, low: u64) -> Extent {
    Extent {
        is_written: high >> 63 == 0,
        logical: (high >> 9) & (END - 1),
        block: (high & 0x1ff) << 43 | low >> 21,
        count: low & 0x1f_ffff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_packed() {
        let extent = parse_extent(1 << 63 | 5 << 9 | 1, 7 << 21 | 3);
        let expected = Extent { logical: 5, block: 1 << 43 | 7, count: 3, is_written: false };
        assert_eq!(extent, expected);
    }

    #[test]
    fn records_must_be_in_order() {
        let check = |records: &[(u64, u64)], start: u64, is_damaged: bool| {
            let bytes: Vec<u8> = records
                .iter()
                .flat_map(|(logical, count)| [logical << 9, 9 << 21 | count])
                .flat_map(u64::to_be_bytes)
                .collect();
            assert_eq!(parse_extents(&bytes, start, 100).is_err(), is_damaged, "{records:?}");
        };
        check(&[(0, 2), (2, 3), (50, 50)], 0, false);
        check(&[(0, 2), (1, 3)], 0, true);
        check(&[(0, 2)], 1, true);
        check(&[(99, 2)], 0, true);
        check(&[(5, 0)], 0, true);
    }

    #[test]
    fn the_way_down_stays_in_its_part() {
        // Two children in a node for three: keys 10 and 20, pointers 100 and 200.
        let words: [u64; 6] = [10, 20, 0, 100, 200, 0];
        let node: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let check = |count: u16, from: u64, promised: (u64, u64), expected: Option<Child>| {
            assert_eq!(child(&node, 0, count, from, promised).ok(), expected, "{from}");
        };
        check(2, 9, (0, 90), Some(Child::Hole { end: 10 }));
        check(2, 10, (0, 90), Some(Child::Block { number: 100, start: 10, end: 20 }));
        check(2, 80, (10, 90), Some(Child::Block { number: 200, start: 20, end: 90 }));
        check(2, 15, (11, 90), None);
        check(2, 80, (0, 20), None);
        check(3, 80, (0, 90), None);
        check(4, 80, (0, 90), None);
        check(0, 80, (0, 90), Some(Child::Hole { end: 90 }));
    }
}
