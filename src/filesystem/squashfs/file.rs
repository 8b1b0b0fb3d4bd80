//! The bytes of files: blocks after each other, and an end that shares a fragment with others.

use super::inode::{FileData, Inode, blocks};
use super::volume::{Cursor, Volume, stored_length};
use crate::filesystem::bytes::{le32, slice, to_usize};
use crate::model::Fault;
use std::ops::Range;
use std::sync::Arc;

/// An opened file: where each block lies, and its size on the device; 0 for a hole.
#[derive(Debug)]
pub struct Map {
    size: u64,
    block_size: u64,
    blocks: Vec<(u64, u32)>,
    fragment: Option<(u32, u32)>,
}

/// Reads the list of blocks that follows an inode.
pub fn map(
    volume: &Volume,
    inode: &Inode,
    data: &FileData,
    cursor: &mut Cursor<'_>,
) -> Result<Map, Fault> {
    let count = blocks(&volume.superblock, inode.size, data)?;
    let mut found = Vec::new();
    let mut at = data.start;
    for _ in 0..count {
        let size = le32(&cursor.take(4)?, 0)?;
        found.push((at, size));
        at = at.saturating_add(stored_length(size).into());
        if at > volume.superblock.bytes_used {
            return Err(Fault::damaged(format!("its blocks reach to {at}, beyond the end")));
        }
    }
    Ok(Map {
        size: inode.size,
        block_size: volume.superblock.block_size.into(),
        blocks: found,
        fragment: data.fragment,
    })
}

/// An unpacked block with where the bytes of the file begin in it.
type Part = (Arc<[u8]>, usize);

impl Map {
    /// Reads as much as fits and is there.
    pub fn read_at(&self, volume: &Volume, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let rest = self.size.saturating_sub(offset);
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let mut wanted = buffer.get_mut(..length).unwrap_or_default();
        let mut at = offset;
        while !wanted.is_empty() {
            let index = at.checked_div(self.block_size).unwrap_or(0);
            let start = index.saturating_mul(self.block_size);
            let there = self.size.saturating_sub(start).min(self.block_size);
            let skip = to_usize(at.saturating_sub(start))?;
            let count = to_usize(there)?.saturating_sub(skip).min(wanted.len());
            let (part, after) = wanted.split_at_mut_checked(count).unwrap_or_default();
            match self.block(volume, to_usize(index)?, there)? {
                Some((block, from)) => {
                    let from = from.saturating_add(skip);
                    part.copy_from_slice(slice(&block, from, count)?);
                }
                None => part.fill(0),
            }
            at = at.saturating_add(count as u64);
            wanted = after;
        }
        Ok(length)
    }

    /// The block of that index with where its bytes begin; `None` for a hole.
    fn block(&self, volume: &Volume, index: usize, length: u64) -> Result<Option<Part>, Fault> {
        let damaged = |there: usize| {
            Fault::damaged(format!("block {index} has {there} bytes instead of {length}"))
        };
        if let Some((at, size)) = self.blocks.get(index).copied() {
            if stored_length(size) == 0 {
                return Ok(None);
            }
            let block = volume.data(at, size)?;
            if block.len() as u64 != length {
                return Err(damaged(block.len()));
            }
            return Ok(Some((block, 0)));
        }
        let (fragment, from) = self.fragment.ok_or_else(|| damaged(0))?;
        let (at, size) = volume.fragment(fragment)?;
        let block = volume.data(at, size)?;
        if u64::from(from).saturating_add(length) > block.len() as u64 {
            return Err(damaged(block.len()));
        }
        Ok(Some((block, to_usize(from)?)))
    }

    /// The next range that is no hole.
    pub fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        if offset >= self.size {
            return Ok(None);
        }
        let from = to_usize(offset.checked_div(self.block_size).unwrap_or(0))?;
        let is_data = |(_, size): &(u64, u32)| stored_length(*size) != 0;
        let rest = self.blocks.get(from..).unwrap_or_default();
        let start = match rest.iter().position(is_data) {
            Some(skipped) => from.saturating_add(skipped),
            None if self.fragment.is_some() => self.blocks.len().max(from),
            None => return Ok(None),
        };
        let rest = self.blocks.get(start..).unwrap_or_default();
        let bytes = |block: usize| (block as u64).saturating_mul(self.block_size);
        let end = match rest.iter().position(|block| !is_data(block)) {
            Some(length) => bytes(start.saturating_add(length)),
            None if self.fragment.is_some() => self.size,
            None => bytes(self.blocks.len()),
        };
        let start = bytes(start).max(offset);
        Ok(Some(start..end.min(self.size)).filter(|range| !range.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_passed_over() {
        let map = |sizes: &[u32], size: u64, fragment: Option<(u32, u32)>| Map {
            size,
            block_size: 10,
            blocks: sizes.iter().map(|size| (0, *size)).collect(),
            fragment,
        };
        let check = |map: &Map, offset: u64, expected: Option<Range<u64>>| {
            assert_eq!(map.next_data(offset).unwrap(), expected, "{map:?} {offset}");
        };
        let plain = map(&[0, 5, 5, 0, 5], 45, None);
        check(&plain, 0, Some(10..30));
        check(&plain, 15, Some(15..30));
        check(&plain, 30, Some(40..45));
        check(&plain, 45, None);
        let tail = map(&[0, 0], 25, Some((0, 0)));
        check(&tail, 3, Some(20..25));
        check(&tail, 22, Some(22..25));
        check(&map(&[0, 0, 0], 25, None), 0, None);
    }
}
