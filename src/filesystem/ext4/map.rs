//! Which blocks a file has, by the pointers of ext2 and ext3, and the one face of both ways.
//!
//! Twelve pointers stand in the inode, then one to a block of pointers, one to a block of those,
//! and one to a block of those; 0 is a hole, at every level.

use super::extents;
use super::inode::{Inode, flags};
use super::volume::Volume;
use crate::filesystem::bytes::{le32, to_usize};
use crate::filesystem::runs::{Blocks, Run};
use crate::model::{Fault, FileKind};

const DIRECT: u64 = 12;
const POINTER_LENGTH: usize = 4;
/// The largest block of pointers that all are holes.
static HOLES: [u8; 64 << 10] = [0; 64 << 10];

/// Consecutive runs from logical block `from` on: as many as one leaf knows, at least one. The
/// last may reach beyond the end of the file.
pub fn runs(volume: &Volume, inode: &Inode, from: u64) -> Result<Vec<Run>, Fault> {
    let stored = || match inode.has(flags::EXTENTS) {
        true => extents::runs(volume, inode, from),
        false => pointer_runs(volume, inode, from),
    };
    // Of directories the blocks are stored as they were, and names are added to them.
    if inode.kind == FileKind::Directory || !volume.changes.has_ranges(inode.number) {
        return stored();
    }
    let runs = volume.changes.runs(inode.number, from, stored)?;
    for run in &runs {
        if let Some(first) = run.first {
            volume.check_blocks(first, run.blocks)?;
        }
    }
    Ok(runs)
}

/// A file's blocks by either map.
pub struct Mapped<'a> {
    /// What they lie on.
    pub volume: &'a Volume,
    /// Whose they are.
    pub inode: &'a Inode,
}

impl Blocks for Mapped<'_> {
    fn block_size(&self) -> u64 {
        self.volume.superblock.block_size.into()
    }

    fn runs(&self, from: u64) -> Result<Vec<Run>, Fault> {
        runs(self.volume, self.inode, from)
    }

    fn read_bytes(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        self.volume.read_bytes(offset, buffer)
    }
}

fn pointer_runs(volume: &Volume, inode: &Inode, from: u64) -> Result<Vec<Run>, Fault> {
    let area = inode.block_area()?;
    if from < DIRECT {
        let direct = area.get(..to_usize(DIRECT)?.saturating_mul(POINTER_LENGTH));
        return collect(volume, direct.unwrap_or_default(), from);
    }
    let per_block = u64::from(volume.superblock.block_size / 4);
    let mut start = DIRECT;
    let mut span = per_block;
    for level in 0..3_u32 {
        let offset = from.saturating_sub(start);
        if offset < span {
            let at = to_usize(DIRECT)?.saturating_add(to_usize(level)?);
            let top = le32(area, at.saturating_mul(POINTER_LENGTH))?;
            return descend(volume, top, offset, span, per_block);
        }
        start = start.saturating_add(span);
        span = span.saturating_mul(per_block);
    }
    Ok(vec![Run::hole(u64::MAX.saturating_sub(from))])
}

/// Goes down from a pointer whose subtree covers `span` blocks to the leaf that knows `offset`.
fn descend(
    volume: &Volume,
    mut pointer: u32,
    mut offset: u64,
    mut span: u64,
    per_block: u64,
) -> Result<Vec<Run>, Fault> {
    loop {
        if pointer == 0 {
            return Ok(vec![Run::hole(span.saturating_sub(offset))]);
        }
        let block = volume.block(pointer.into())?;
        span = span.checked_div(per_block).unwrap_or(0).max(1);
        if span == 1 {
            return collect(volume, &block, offset);
        }
        let index = to_usize(offset.checked_div(span).unwrap_or(0))?;
        pointer = le32(&block, index.saturating_mul(POINTER_LENGTH))?;
        offset = offset.checked_rem(span).unwrap_or(0);
    }
}

/// Pointers from index `from` on, neighbours joined.
fn collect(volume: &Volume, pointers: &[u8], from: u64) -> Result<Vec<Run>, Fault> {
    let skipped = to_usize(from)?.saturating_mul(POINTER_LENGTH);
    let pointers = pointers.get(skipped..).unwrap_or_default();
    // One comparison instead of thousands: a hostile tree can be made of such blocks.
    if HOLES.get(..pointers.len()) == Some(pointers) {
        let count = pointers.len() / POINTER_LENGTH;
        return Ok(vec![Run::hole(count as u64)]);
    }
    let mut runs: Vec<Run> = Vec::new();
    for bytes in pointers.chunks_exact(POINTER_LENGTH) {
        let pointer = u64::from(le32(bytes, 0)?);
        let first = (pointer != 0).then_some(pointer);
        if let Some(block) = first {
            volume.check_blocks(block, 1)?;
        }
        match runs.last_mut() {
            Some(last) if last.first.map(|block| block.saturating_add(last.blocks)) == first => {
                last.blocks = last.blocks.saturating_add(1);
            }
            _ => runs.push(Run { first, blocks: 1 }),
        }
    }
    Ok(runs)
}
