//! Names in directories: in the inode where they are few, else in blocks.
//!
//! Follows `fs/xfs/libxfs/xfs_da_format.h`. Blocks of names lie below 32 GiB of the directory's
//! address space and may have holes between them, the hash index above; reading the blocks of
//! names lists every directory.

use super::checksum::{self, NAMES};
use super::file;
use super::fork::Mapped;
use super::inode::{self, Format, Inode};
use super::superblock::Superblock;
use super::volume::{Block, Volume};
use crate::filesystem::bytes::{be16, be32, be64, byte, slice, to_usize};
use crate::filesystem::runs::Blocks;
use crate::model::Fault;
use std::ops::{ControlFlow, Range};

/// Where the address space of names ends and that of the index begins.
pub const INDEX_START: u64 = 32 << 30;

/// Directory in one block, with its index at the end: `XD2B`, `XDB3`.
const MAGIC_ONE_4: u32 = 0x5844_3242;
const MAGIC_ONE_5: u32 = 0x5844_4233;
/// One block of several: `XD2D`, `XDD3`.
const MAGIC_MANY_4: u32 = 0x5844_3244;
const MAGIC_MANY_5: u32 = 0x5844_4433;
const HEADER_4: usize = 16;
const HEADER_5: usize = 64;
/// Count and stale count at the end of a directory in one block.
const TAIL_LENGTH: usize = 8;
/// A hash and an address.
pub const INDEX_ENTRY: usize = 8;
/// What unused space begins with.
const UNUSED: u16 = 0xffff;

/// As many faults of one directory are told; with more it is no directory.
pub const MAX_FAULTS: usize = 1000;

/// What the reader does with an entry: inode number and name; `..` is among them.
pub type Visit<'a> = dyn FnMut(u64, &[u8]) -> ControlFlow<()> + 'a;

/// Hands every entry to `visit` until it breaks; what could not be read is added to `faults`.
pub fn visit(
    volume: &Volume,
    inode: &Inode,
    visit: &mut Visit<'_>,
    faults: &mut Vec<Fault>,
) -> Result<(), Fault> {
    if inode.data.format == Format::Local {
        let bytes = inode::local(&inode.data, inode.size)?;
        visit_short(bytes, volume.superblock.has_kinds, visit)
            .map(drop)
            .map_err(|fault| fault.within("names in the inode"))
    } else {
        visit_blocks(volume, inode, visit, faults)
    }
}

/// Names in the inode: two counts, the parent, and entries without padding.
fn visit_short(
    bytes: &[u8],
    has_kinds: bool,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, Fault> {
    let count = byte(bytes, 0)?;
    let is_wide = byte(bytes, 1)? != 0;
    let number_at = |at: usize| {
        if is_wide { be64(bytes, at) } else { be32(bytes, at).map(u64::from) }
    };
    let width = if is_wide { 8 } else { 4 };
    if visit(number_at(2)?, b"..").is_break() {
        return Ok(ControlFlow::Break(()));
    }
    let mut at = 2_usize.saturating_add(width);
    for _ in 0..count {
        let length = usize::from(byte(bytes, at)?);
        let name = slice(bytes, at.saturating_add(3), length)?;
        at = at.saturating_add(3).saturating_add(length).saturating_add(has_kinds.into());
        if visit(number_at(at)?, name).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        at = at.saturating_add(width);
    }
    Ok(ControlFlow::Continue(()))
}

fn visit_blocks(
    volume: &Volume,
    inode: &Inode,
    visit: &mut Visit<'_>,
    faults: &mut Vec<Fault>,
) -> Result<(), Fault> {
    let superblock = &volume.superblock;
    let mapped = Mapped { volume, inode, fork: &inode.data };
    let size = u64::from(superblock.block_size);
    let end = INDEX_START.checked_div(size).unwrap_or(0);
    let together = 1_usize << superblock.directory_log;
    let mut left = volume.capacity().checked_div(size).unwrap_or(0);
    let mut numbers: Vec<u64> = Vec::new();
    let mut next = 0;
    let mut at = 0;
    while at < end {
        for run in mapped.runs(at)? {
            let after = at.saturating_add(run.blocks);
            let blocks = at..after.min(end);
            at = after;
            let Some(first) = run.first else { continue };
            for (logical, number) in blocks.zip(first..) {
                left = left.checked_sub(1).ok_or_else(|| {
                    Fault::damaged("a directory of more blocks than the file system has")
                })?;
                let begins = logical.trailing_zeros() >= superblock.directory_log.into();
                if !numbers.is_empty() && (begins || logical != next) {
                    faults.push(Fault::damaged(format!("a hole at directory block {next}")));
                    numbers.clear();
                }
                if !begins && numbers.is_empty() {
                    faults.push(Fault::damaged(format!("a hole before directory block {logical}")));
                    continue;
                }
                numbers.push(number);
                next = logical.saturating_add(1);
                if numbers.len() == together {
                    let outcome = volume.joined(&numbers).and_then(|block| {
                        visit_block(volume, inode, &block, number_of(&numbers), visit)
                    });
                    numbers.clear();
                    match outcome {
                        Ok(ControlFlow::Continue(())) => {}
                        Ok(ControlFlow::Break(())) => return Ok(()),
                        Err(fault) => {
                            faults.push(fault.within(format_args!("directory block {logical}")));
                        }
                    }
                }
                if faults.len() > MAX_FAULTS {
                    return Ok(());
                }
            }
            if at >= end {
                break;
            }
        }
    }
    if !numbers.is_empty() {
        faults.push(Fault::damaged(format!("a hole at directory block {next}")));
    }
    Ok(())
}

fn number_of(numbers: &[u64]) -> u64 {
    numbers.first().copied().unwrap_or_default()
}

/// The directory block that begins at block `logical` of the data fork, and its first number.
pub fn block_at(volume: &Volume, inode: &Inode, logical: u64) -> Result<(Block, u64), Fault> {
    let mapped = Mapped { volume, inode, fork: &inode.data };
    let end = logical.saturating_add(1 << volume.superblock.directory_log);
    let numbers: Vec<u64> =
        (logical..end).map(|logical| file::physical(&mapped, logical)).collect::<Result<_, _>>()?;
    Ok((volume.joined(&numbers)?, number_of(&numbers)))
}

fn visit_block(
    volume: &Volume,
    inode: &Inode,
    block: &[u8],
    number: u64,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, Fault> {
    let names = Names::open(&volume.superblock, inode, block, number)?;
    let mut at = names.range.start;
    while at < names.range.end {
        if let Some(entry) = names.entry(at)?
            && visit(entry.inode, entry.name).is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        at = at.saturating_add(names.length(at)?);
    }
    Ok(ControlFlow::Continue(()))
}

/// A block of names, verified.
pub struct Names<'a> {
    block: &'a [u8],
    range: Range<usize>,
    has_kinds: bool,
    /// The index of a directory in one block: hashes and addresses.
    pub index: Option<&'a [u8]>,
}

/// One name.
pub struct Entry<'a> {
    /// What it names.
    pub inode: u64,
    /// The name.
    pub name: &'a [u8],
}

impl<'a> Names<'a> {
    /// Verifies a block that begins with block `number` of the device.
    pub fn open(
        superblock: &Superblock,
        inode: &Inode,
        block: &'a [u8],
        number: u64,
    ) -> Result<Self, Fault> {
        let magic = be32(block, 0)?;
        let (header, is_one) = match (superblock.has_checksums, magic) {
            (false, MAGIC_ONE_4) => (HEADER_4, true),
            (false, MAGIC_MANY_4) => (HEADER_4, false),
            (true, MAGIC_ONE_5) => (HEADER_5, true),
            (true, MAGIC_MANY_5) => (HEADER_5, false),
            _ => return Err(Fault::damaged(format!("the magic number {magic:#x}"))),
        };
        checksum::verify_block(superblock, NAMES, block, number, inode.number)?;
        let mut range = header..block.len();
        let mut index = None;
        if is_one {
            let tail = block.len().saturating_sub(TAIL_LENGTH);
            let length = to_usize(be32(block, tail)?)?.saturating_mul(INDEX_ENTRY);
            let start = tail.checked_sub(length).filter(|start| *start >= header);
            let start =
                start.ok_or_else(|| Fault::damaged(format!("an index of {length} bytes")))?;
            index = Some(slice(block, start, length)?);
            range.end = start;
        }
        Ok(Self { block, range, has_kinds: superblock.has_kinds, index })
    }

    /// Bytes of what lies at `at`, a name or unused space.
    fn length(&self, at: usize) -> Result<usize, Fault> {
        let length = if be16(self.block, at)? == UNUSED {
            usize::from(be16(self.block, at.saturating_add(2))?)
        } else {
            // Number, length, name, kind, and where it begins, to a multiple of 8.
            let name = usize::from(byte(self.block, at.saturating_add(8))?);
            name.saturating_add(11).saturating_add(self.has_kinds.into()).next_multiple_of(8)
        };
        let end = at.saturating_add(length);
        if length == 0 || length % 8 != 0 || end > self.range.end {
            return Err(Fault::damaged(format!("an entry of {length} bytes at {at}")));
        }
        Ok(length)
    }

    /// The name at `at`; `None` for unused space.
    pub fn entry(&self, at: usize) -> Result<Option<Entry<'a>>, Fault> {
        if !self.range.contains(&at) {
            return Err(Fault::damaged(format!("an entry at {at}")));
        }
        let length = self.length(at)?;
        // Everything ends with where it begins.
        let tag = be16(self.block, at.saturating_add(length).saturating_sub(2))?;
        if usize::from(tag) != at {
            return Err(Fault::damaged(format!("an entry at {at} with the tag {tag}")));
        }
        if be16(self.block, at)? == UNUSED {
            return Ok(None);
        }
        let name_length = usize::from(byte(self.block, at.saturating_add(8))?);
        let name = slice(self.block, at.saturating_add(9), name_length)?;
        Ok(Some(Entry { inode: be64(self.block, at)?, name }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(visit_all: impl FnOnce(&mut Visit<'_>) -> bool) -> (Vec<(u64, Vec<u8>)>, bool) {
        let mut found = Vec::new();
        let is_damaged = visit_all(&mut |inode, name| {
            found.push((inode, name.to_vec()));
            ControlFlow::Continue(())
        });
        (found, is_damaged)
    }

    #[test]
    fn names_in_the_inode() {
        let check = |bytes: &[u8], has_kinds: bool, expected: &[(u64, &[u8])], damaged: bool| {
            let found = collect(|visit| visit_short(bytes, has_kinds, visit).is_err());
            let expected = expected.iter().map(|(i, n)| (*i, n.to_vec())).collect();
            assert_eq!(found, (expected, damaged));
        };
        let narrow = b"\x02\0\0\0\0\x80\x02\0\x60ab\x01\0\0\0\x83\x01\0\x70c\x02\0\0\0\x84";
        let expected: [(u64, &[u8]); 3] = [(128, b".."), (131, b"ab"), (132, b"c")];
        check(narrow, true, &expected, false);
        check(&narrow[..24], true, &expected[..2], true);
        let wide = b"\x01\x01\0\0\0\x01\0\0\0\x80\x02\0\x60ab\0\0\0\x01\0\0\0\x83";
        check(wide, false, &[(0x1_0000_0080, b".."), (0x1_0000_0083, b"ab")], false);
        check(b"\x01\0\0\0", true, &[], true);
    }

    #[test]
    fn names_in_a_block_bear_their_place() {
        let mut block = vec![0; 64];
        block[16..32].copy_from_slice(b"\0\0\0\0\0\0\0\x83\x02ab\x01\0\0\0\x10");
        block[32..48].copy_from_slice(b"\xff\xff\0\x10\0\0\0\0\0\0\0\0\0\0\0\x20");
        block[48..64].copy_from_slice(b"\0\0\0\0\0\0\0\x84\x01c\x01\0\0\0\0\x30");
        let check = |at: usize, expected: Option<Option<&[u8]>>| {
            let names = Names { block: &block, range: 16..64, has_kinds: true, index: None };
            let found = names.entry(at).ok().map(|entry| entry.map(|entry| entry.name));
            assert_eq!(found, expected, "{at}");
        };
        check(16, Some(Some(b"ab")));
        check(32, Some(None));
        check(48, Some(Some(b"c")));
        check(8, None);
        check(40, None);
        check(64, None);
    }
}
