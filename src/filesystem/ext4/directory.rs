//! Names in directories: blocks of entries, one after the other.
//!
//! Follows `Documentation/filesystems/ext4/directory.rst`. The blocks of a hash index are made to
//! look like empty ones or like `.` and `..`, so that reading all blocks in order lists every
//! directory, indexed or not.

use super::checksum::crc32c;
use super::file;
use super::inode::{Inode, flags};
use super::map;
use super::volume::Volume;
use crate::filesystem::bytes::{byte, le16, le32, slice};
use crate::model::Fault;
use std::ops::ControlFlow;

/// Bytes of an entry before its name.
const HEADER: usize = 8;
/// The entry at the end of a block that holds its checksum: no inode, no name, this type.
const TAIL_LENGTH: usize = 12;
const TAIL_TYPE: u8 = 0xde;
/// Where inline entries begin: behind the number of the parent.
const INLINE_START: usize = 4;

/// As many faults of one directory are told; with more it is no directory.
pub const MAX_FAULTS: usize = 1000;

/// What a block's reader does with an entry: inode number and name.
pub type Visit<'a> = dyn FnMut(u32, &[u8]) -> ControlFlow<()> + 'a;

/// Hands every entry, `.` and `..` included, to `visit` until it breaks; what could not be read
/// is added to `faults`.
pub fn visit(
    volume: &Volume,
    inode: &Inode,
    visit: &mut Visit<'_>,
    faults: &mut Vec<Fault>,
) -> Result<(), Fault> {
    file::refuse_encrypted(inode)?;
    let (changes, own) = (&volume.changes, inode.number);
    if changes.raw(own).is_none() && !changes.has_names(own) {
        return visit_stored(volume, inode, visit, faults);
    }
    let mut flow = ControlFlow::Continue(());
    if let Some(parent) = changes.parent_of_made(own) {
        let links = [(own, b".".as_slice()), (parent, b"..")];
        flow = links.into_iter().try_for_each(|(number, name)| visit(number, name));
    } else {
        // Its new bytes may count blocks that only memory had.
        let stored = volume.stored_inode(own)?;
        let mut pass = |number: u32, name: &[u8]| {
            flow = changes.pass(own, (number, name), visit);
            flow
        };
        visit_stored(volume, &stored, &mut pass, faults)?;
    }
    if flow.is_continue() {
        let _ = changes.added(own, visit);
    }
    Ok(())
}

fn visit_stored(
    volume: &Volume,
    inode: &Inode,
    visit: &mut Visit<'_>,
    faults: &mut Vec<Fault>,
) -> Result<(), Fault> {
    if inode.has(flags::INLINE_DATA) {
        return visit_inline(inode, visit, faults);
    }
    let size = u64::from(volume.superblock.block_size);
    let end = inode.size.div_ceil(size);
    let mut left = volume.capacity().checked_div(size).unwrap_or(0);
    let mut at = 0;
    while at < end && faults.len() <= MAX_FAULTS {
        for run in map::runs(volume, inode, at)? {
            let blocks = run.blocks.min(end.saturating_sub(at));
            let Some(first) = run.first else {
                faults.push(Fault::damaged(format!("a hole of {blocks} blocks in a directory")));
                at = at.saturating_add(blocks);
                continue;
            };
            for number in first..first.saturating_add(blocks) {
                left = left.checked_sub(1).ok_or_else(|| {
                    Fault::damaged("a directory of more blocks than the file system has")
                })?;
                let outcome =
                    volume.block(number).and_then(|block| visit_checked(inode, at, &block, visit));
                match outcome {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(ControlFlow::Break(())) => return Ok(()),
                    Err(fault) => {
                        if faults.len() > MAX_FAULTS {
                            return Ok(());
                        }
                        faults.push(fault.within(format_args!("directory block {number}")));
                    }
                }
                at = at.saturating_add(1);
            }
            if at >= end || faults.len() > MAX_FAULTS {
                break;
            }
        }
    }
    Ok(())
}

fn visit_inline(
    inode: &Inode,
    visit: &mut Visit<'_>,
    faults: &mut Vec<Fault>,
) -> Result<(), Fault> {
    let (first, rest) = file::inline_parts(inode)?;
    if visit(le32(first, 0)?, b"..").is_break() {
        return Ok(());
    }
    for part in [first.get(INLINE_START..).unwrap_or_default(), rest] {
        match visit_block(part, visit) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => return Ok(()),
            Err(fault) => faults.push(fault),
        }
    }
    Ok(())
}

/// Verifies the block's checksum, where it has one, before it is read.
pub fn visit_checked(
    inode: &Inode,
    index: u64,
    block: &[u8],
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, Fault> {
    let of_index = inode.has(flags::INDEX)
        && (index == 0 || (le32(block, 0)? == 0 && entry_length(block, 0)? == block.len()));
    if let (Some(seed), false) = (inode.checksum_seed, of_index) {
        verify(block, seed)?;
    }
    visit_block(block, visit)
}

fn verify(block: &[u8], seed: u32) -> Result<(), Fault> {
    let at = block.len().saturating_sub(TAIL_LENGTH);
    let is_tail = le32(block, at)? == 0
        && usize::from(le16(block, at.saturating_add(4))?) == TAIL_LENGTH
        && byte(block, at.saturating_add(7))? == TAIL_TYPE;
    if !is_tail {
        return Ok(());
    }
    let stored = le32(block, at.saturating_add(HEADER))?;
    let computed = crc32c(seed, slice(block, 0, at)?);
    if stored == computed {
        return Ok(());
    }
    Err(Fault::damaged(format!("its checksum is {stored:#x}, its bytes have {computed:#x}")))
}

/// `rec_len`; blocks of 64 KiB write their own length as 65535 or 0.
fn entry_length(block: &[u8], at: usize) -> Result<usize, Fault> {
    let length = le16(block, at.saturating_add(4))?;
    if block.len() == 1 << 16 && matches!(length, 0 | u16::MAX) {
        return Ok(block.len());
    }
    Ok(length.into())
}

fn visit_block(block: &[u8], visit: &mut Visit<'_>) -> Result<ControlFlow<()>, Fault> {
    let mut at = 0;
    while at < block.len() {
        let inode = le32(block, at)?;
        let length = entry_length(block, at)?;
        let name_length = usize::from(byte(block, at.saturating_add(6))?);
        let end = at.saturating_add(length);
        let shortest = HEADER.saturating_add(name_length);
        if length < shortest || length % 4 != 0 || end > block.len() {
            return Err(Fault::damaged(format!(
                "an entry of {length} bytes at {at} with a name of {name_length}"
            )));
        }
        if inode != 0 {
            let name = slice(block, at.saturating_add(HEADER), name_length)?;
            if visit(inode, name).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        at = end;
    }
    Ok(ControlFlow::Continue(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_until_they_contradict() {
        let check = |block: &[u8], expected: &[(u32, &[u8])], is_damaged: bool| {
            let mut found = Vec::new();
            let outcome = visit_block(block, &mut |inode, name| {
                found.push((inode, name.to_vec()));
                ControlFlow::Continue(())
            });
            let expected: Vec<_> = expected.iter().map(|(i, n)| (*i, n.to_vec())).collect();
            assert_eq!((found, outcome.is_err()), (expected, is_damaged));
        };
        let block = b"\x0c\0\0\0\x0c\0\x02\x01ab\0\0\x0d\0\0\0\x0c\0\x01\x02c\0\0\0";
        check(block, &[(12, b"ab"), (13, b"c")], false);
        check(&block[..20], &[(12, b"ab")], true);
        check(b"\x0c\0\0\0\0\0\0\0", &[], true);
        check(b"\x0c\0\0\0\x08\0\x04\x01", &[], true);
        check(b"\x0c\0\0", &[], true);
    }
}
