//! The bytes of files, of links' targets and of directories: from runs of blocks, or from the
//! inode itself.

use super::inode::{BLOCK_AREA_LENGTH, Inode, flags};
use super::map::Mapped;
use super::volume::Volume;
use super::xattr;
use crate::filesystem::bytes::to_usize;
use crate::filesystem::runs;
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
    let wanted = runs::clipped(inode.size, offset, buffer);
    if inode.has(flags::INLINE_DATA) {
        let bytes = inline(inode)?;
        let skip = to_usize(offset.min(bytes.len() as u64))?;
        // What the inode has no room for was never written.
        wanted.fill(0);
        for (to, from) in wanted.iter_mut().zip(bytes.iter().skip(skip)) {
            *to = *from;
        }
        return Ok(wanted.len());
    }
    runs::read(&Mapped { volume, inode }, offset, wanted)?;
    Ok(wanted.len())
}

/// The next range at or after `offset` that has blocks of its own.
pub fn next_data(volume: &Volume, inode: &Inode, offset: u64) -> Result<Option<Range<u64>>, Fault> {
    refuse_encrypted(inode)?;
    if inode.has(flags::INLINE_DATA) {
        let end = inode.size.min(inline(inode)?.len() as u64);
        return Ok(Some(offset..end).filter(|range| !range.is_empty()));
    }
    runs::next_data(&Mapped { volume, inode }, inode.size, offset)
}

/// A file's blocks are its own: more of them than the device has is a tree that names one block
/// many times, and would be read for days.
pub fn check_blocks(volume: &Volume, inode: &Inode) -> Result<(), Fault> {
    if inode.has(flags::INLINE_DATA) || volume.shares_blocks() {
        return Ok(());
    }
    runs::check_mapped(&Mapped { volume, inode }, inode.size, volume.capacity())
        .map_err(|fault| fault.within(format_args!("inode {}", inode.number)))
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
