//! The bytes of files, of links' targets and of directories: from runs of blocks, or from the
//! inode itself.

use super::inode::{BLOCK_AREA_LENGTH, Inode, flags};
use super::map;
use super::volume::Volume;
use super::xattr;
use crate::filesystem::bytes::to_usize;
use crate::model::{Fault, FileKind};
use std::ops::Range;

/// `PATH_MAX`: no link has a longer target.
const MAX_TARGET: u64 = 4096;

/// Reads from a byte of the file on: as much as fits and is there.
pub fn read_at(
    volume: &Volume,
    inode: &Inode,
    offset: u64,
    buffer: &mut [u8],
) -> Result<usize, Fault> {
    refuse_encrypted(inode)?;
    let rest = inode.size.saturating_sub(offset);
    let length = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
    let wanted = buffer.get_mut(..length).unwrap_or_default();
    if inode.has(flags::INLINE_DATA) {
        let bytes = inline(inode)?;
        let skip = to_usize(offset.min(bytes.len() as u64))?;
        // What the inode has no room for was never written.
        wanted.fill(0);
        for (to, from) in wanted.iter_mut().zip(bytes.iter().skip(skip)) {
            *to = *from;
        }
        return Ok(length);
    }
    let mut done = 0;
    while done < length {
        let at = offset.saturating_add(done as u64);
        let rest = wanted.get_mut(done..).unwrap_or_default();
        let read = read_leaf(volume, inode, at, rest)?;
        done = done.saturating_add(read);
    }
    Ok(length)
}

/// Reads what one leaf of the map knows, at least one byte.
fn read_leaf(
    volume: &Volume,
    inode: &Inode,
    offset: u64,
    buffer: &mut [u8],
) -> Result<usize, Fault> {
    let size = u64::from(volume.superblock.block_size);
    let block = offset.checked_div(size).unwrap_or(0);
    // Only the first run is entered in its middle.
    let mut skip = offset.checked_rem(size).unwrap_or(0);
    let mut rest: &mut [u8] = buffer;
    let mut done = 0_usize;
    for run in map::runs(volume, inode, block)? {
        let bytes = run.blocks.saturating_mul(size).saturating_sub(skip);
        let length = usize::try_from(bytes).unwrap_or(usize::MAX).min(rest.len());
        let (part, after) = rest.split_at_mut_checked(length).unwrap_or_default();
        match run.first {
            Some(first) => {
                volume.read_bytes(first.saturating_mul(size).saturating_add(skip), part)?;
            }
            None => part.fill(0),
        }
        done = done.saturating_add(length);
        skip = 0;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    if done == 0 {
        return Err(Fault::damaged("a map of blocks that leads nowhere"));
    }
    Ok(done)
}

/// The next range at or after `offset` that has blocks of its own.
pub fn next_data(volume: &Volume, inode: &Inode, offset: u64) -> Result<Option<Range<u64>>, Fault> {
    refuse_encrypted(inode)?;
    if offset >= inode.size {
        return Ok(None);
    }
    if inode.has(flags::INLINE_DATA) {
        let end = inode.size.min(inline(inode)?.len() as u64);
        return Ok(Some(offset..end).filter(|range| !range.is_empty()));
    }
    let size = u64::from(volume.superblock.block_size);
    let mut at = offset.checked_div(size).unwrap_or(0);
    let end = inode.size.div_ceil(size);
    let mut found: Option<Range<u64>> = None;
    while at < end {
        for run in map::runs(volume, inode, at)? {
            let next = at.saturating_add(run.blocks);
            match (&mut found, run.first) {
                (None, Some(_)) => found = Some(at..next),
                (Some(range), Some(_)) => range.end = next,
                (Some(_), None) => return Ok(found.map(|range| clip(&range, size, offset, inode))),
                (None, None) => {}
            }
            at = next;
        }
        // One leaf's worth is enough: the caller asks again where it ends.
        if found.is_some() {
            break;
        }
    }
    Ok(found.map(|range| clip(&range, size, offset, inode)).filter(|range| !range.is_empty()))
}

/// A range of blocks as bytes of the file.
fn clip(blocks: &Range<u64>, size: u64, offset: u64, inode: &Inode) -> Range<u64> {
    let start = blocks.start.saturating_mul(size).max(offset);
    start..blocks.end.saturating_mul(size).min(inode.size).max(start)
}

/// A file's blocks are its own: more of them than the device has is a tree that names one block
/// many times, and would be read for days.
pub fn check_blocks(volume: &Volume, inode: &Inode) -> Result<(), Fault> {
    let capacity = volume.capacity();
    if inode.size <= capacity || inode.has(flags::INLINE_DATA) || volume.shares_blocks() {
        return Ok(());
    }
    let mut mapped = 0_u64;
    let mut at = 0;
    while let Some(range) = next_data(volume, inode, at)? {
        mapped = mapped.saturating_add(range.end.saturating_sub(range.start));
        if mapped > capacity {
            return Err(Fault::damaged(format!(
                "inode {}: more blocks than the file system has",
                inode.number
            )));
        }
        at = range.end;
    }
    Ok(())
}

/// The target of a symbolic link: in the inode where it is short, else in a block.
pub fn target(volume: &Volume, inode: &Inode) -> Result<Vec<u8>, Fault> {
    refuse_encrypted(inode)?;
    if inode.kind != FileKind::Symlink {
        return Err(Fault::damaged("it is no symbolic link"));
    }
    if inode.size > MAX_TARGET {
        return Err(Fault::damaged(format!("a target of {} bytes", inode.size)));
    }
    let length = to_usize(inode.size)?;
    let mapped = inode.has(flags::EXTENTS | flags::INLINE_DATA) || inode.has_blocks;
    if !mapped && length < BLOCK_AREA_LENGTH {
        return Ok(inode.block_area()?.get(..length).unwrap_or_default().to_vec());
    }
    let mut bytes = vec![0; length];
    read_at(volume, inode, 0, &mut bytes)?;
    Ok(bytes)
}

/// What lies in the inode: 60 bytes, and the rest as the extended attribute `system.data`.
fn inline(inode: &Inode) -> Result<Vec<u8>, Fault> {
    let (first, rest) = inline_parts(inode)?;
    Ok([first, rest].concat())
}

/// The two places of inline bytes.
pub fn inline_parts(inode: &Inode) -> Result<(&[u8], &[u8]), Fault> {
    Ok((inode.block_area()?, xattr::inline_data(inode)?))
}

/// Contents and names under fscrypt are noise without the key.
pub fn refuse_encrypted(inode: &Inode) -> Result<(), Fault> {
    if inode.has(flags::ENCRYPT) {
        return Err(Fault::unsupported(format!(
            "inode {}: encrypted by fscrypt; its key is not in the image",
            inode.number
        )));
    }
    Ok(())
}
