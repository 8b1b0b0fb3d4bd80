//! Which blocks a file has, by its extent tree.
//!
//! Follows `Documentation/filesystems/ext4/ifork.rst`. Every node must begin with the logical
//! block that its parent promised and be one level deeper, so that no tree has a cycle and no
//! node has two parents.

use super::checksum::crc32c;
use super::inode::Inode;
use super::volume::Volume;
use crate::filesystem::bytes::{le16, le32, slice};
use crate::filesystem::runs::Run;
use crate::model::Fault;

const MAGIC: u16 = 0xf30a;
/// `EXT4_MAX_EXTENT_DEPTH`.
const MAX_DEPTH: u16 = 5;
/// Header and entries have the same length.
const ENTRY_LENGTH: usize = 12;
/// Logical blocks are numbers of 32 bits.
const END: u64 = 1 << 32;
/// Lengths above it mean allocated and never written.
const MAX_WRITTEN: u16 = 32768;

/// A node, as far as one block tells.
struct Node {
    depth: u16,
    entries: Vec<Entry>,
}

/// A child, or a run of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    logical: u64,
    /// 0 for a child.
    blocks: u64,
    is_written: bool,
    physical: u64,
}

/// Consecutive runs from `from` on: as many as one leaf knows, at least one.
pub fn runs(volume: &Volume, inode: &Inode, from: u64) -> Result<Vec<Run>, Fault> {
    if from >= END {
        return Ok(vec![Run::hole(u64::MAX.saturating_sub(from))]);
    }
    let mut node = parse(inode.block_area()?, None)?;
    let mut end = END;
    while node.depth > 0 {
        let next = node.entries.partition_point(|entry| entry.logical <= from);
        if let Some(entry) = node.entries.get(next) {
            end = entry.logical;
        }
        let Some(child) = next.checked_sub(1).and_then(|index| node.entries.get(index)) else {
            return Ok(vec![Run::hole(end.saturating_sub(from))]);
        };
        let place = || format!("extents in block {}", child.physical);
        let block = volume.block(child.physical)?;
        if let Some(seed) = inode.checksum_seed {
            verify(&block, seed).map_err(|fault| fault.within(place()))?;
        }
        node = parse(&block, Some((node.depth.saturating_sub(1), child.logical)))
            .map_err(|fault| fault.within(place()))?;
    }
    let runs = leaf_runs(&node.entries, from, end);
    for run in &runs {
        if let Some(first) = run.first {
            volume.check_blocks(first, run.blocks)?;
        }
    }
    Ok(runs)
}

/// The runs from `from` to `end`, holes between extents included.
fn leaf_runs(extents: &[Entry], from: u64, end: u64) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = from;
    let done =
        extents.partition_point(|extent| extent.logical.saturating_add(extent.blocks) <= from);
    for extent in extents.iter().skip(done) {
        if at < extent.logical {
            runs.push(Run::hole(extent.logical.saturating_sub(at)));
            at = extent.logical;
        }
        let skipped = at.saturating_sub(extent.logical);
        let blocks = extent.blocks.saturating_sub(skipped);
        let first = extent.is_written.then(|| extent.physical.saturating_add(skipped));
        runs.push(Run { first, blocks });
        at = at.saturating_add(blocks);
    }
    if at < end {
        runs.push(Run::hole(end.saturating_sub(at)));
    }
    runs
}

/// Reads a node; `expected` is the depth and the first logical block that the parent promised.
fn parse(bytes: &[u8], expected: Option<(u16, u64)>) -> Result<Node, Fault> {
    let magic = le16(bytes, 0)?;
    if magic != MAGIC {
        return Err(Fault::damaged(format!("an extent tree with the magic number {magic:#x}")));
    }
    let (count, depth) = (usize::from(le16(bytes, 2)?), le16(bytes, 6)?);
    let (promised, first) = expected.unzip();
    if depth > MAX_DEPTH || promised.is_some_and(|promised| promised != depth) {
        return Err(Fault::damaged(format!("an extent tree's node of depth {depth}")));
    }
    let bytes_of_entries = slice(bytes, ENTRY_LENGTH, count.saturating_mul(ENTRY_LENGTH))?;
    let parse_one = if depth > 0 { parse_index } else { parse_extent };
    let entries: Vec<Entry> =
        bytes_of_entries.chunks_exact(ENTRY_LENGTH).map(parse_one).collect::<Result<_, _>>()?;
    if (depth > 0 || expected.is_some()) && entries.is_empty() {
        return Err(Fault::damaged("an empty node in an extent tree"));
    }
    if first.is_some() && entries.first().map(|entry| entry.logical) != first {
        return Err(Fault::damaged("an extent tree's node that is not its parent's"));
    }
    let mut end = 0;
    for entry in &entries {
        if entry.logical < end {
            return Err(Fault::damaged("extents that overlap"));
        }
        end = entry.logical.saturating_add(entry.blocks.max(1));
    }
    if end > END {
        return Err(Fault::damaged("an extent beyond the largest file"));
    }
    Ok(Node { depth, entries })
}

/// One extent: its first block in the file, how many, and the first on the device where it was
/// written.
pub fn range(bytes: &[u8; ENTRY_LENGTH]) -> Result<(u64, u64, Option<u64>), Fault> {
    let Entry { logical, blocks, is_written, physical } = parse_extent(bytes)?;
    Ok((logical, blocks, is_written.then_some(physical)))
}

fn parse_index(bytes: &[u8]) -> Result<Entry, Fault> {
    let physical = u64::from(le16(bytes, 8)?) << 32 | u64::from(le32(bytes, 4)?);
    Ok(Entry { logical: le32(bytes, 0)?.into(), blocks: 0, is_written: false, physical })
}

fn parse_extent(bytes: &[u8]) -> Result<Entry, Fault> {
    let length = le16(bytes, 4)?;
    let is_written = length <= MAX_WRITTEN;
    let blocks = if is_written { length } else { length.saturating_sub(MAX_WRITTEN) };
    if blocks == 0 {
        return Err(Fault::damaged("an extent of no blocks"));
    }
    let physical = u64::from(le16(bytes, 6)?) << 32 | u64::from(le32(bytes, 8)?);
    if physical == 0 {
        return Err(Fault::damaged("an extent that begins with block 0"));
    }
    Ok(Entry { logical: le32(bytes, 0)?.into(), blocks: blocks.into(), is_written, physical })
}

/// The checksum stands behind the room for entries.
fn verify(bytes: &[u8], seed: u32) -> Result<(), Fault> {
    let room = usize::from(le16(bytes, 4)?).saturating_add(1);
    let tail = room.saturating_mul(ENTRY_LENGTH);
    let stored = le32(bytes, tail)?;
    let computed = crc32c(seed, slice(bytes, 0, tail)?);
    if stored == computed {
        return Ok(());
    }
    Err(Fault::damaged(format!("its checksum is {stored:#x}, its bytes have {computed:#x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(depth: u16, entries: &[[u16; 6]]) -> Vec<u8> {
        let count = u16::try_from(entries.len()).unwrap();
        let words = [MAGIC, count, count, depth, 0, 0];
        words.iter().chain(entries.iter().flatten()).flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn leaves_are_read_with_their_holes() {
        let check = |from: u64, expected: &[(Option<u64>, u64)]| {
            // Blocks 2 to 4 at 100, 5 allocated only, 9 at 2^32.
            let bytes =
                node(0, &[[2, 0, 3, 0, 100, 0], [5, 0, 32769, 0, 200, 0], [9, 0, 1, 1, 0, 0]]);
            let found = leaf_runs(&parse(&bytes, None).unwrap().entries, from, 20);
            let found: Vec<_> = found.iter().map(|run| (run.first, run.blocks)).collect();
            assert_eq!(found, expected, "{from}");
        };
        check(
            0,
            &[(None, 2), (Some(100), 3), (None, 1), (None, 3), (Some(1 << 32), 1), (None, 10)],
        );
        check(4, &[(Some(102), 1), (None, 1), (None, 3), (Some(1 << 32), 1), (None, 10)]);
        check(12, &[(None, 8)]);
    }

    #[test]
    fn contradictions_are_damage() {
        let check = |bytes: &[u8], promised: Option<(u16, u64)>, expected: &str| {
            let fault = parse(bytes, promised).err().map(|fault| fault.to_string());
            assert_eq!(fault.unwrap_or_default(), expected);
        };
        let leaf = node(0, &[[2, 0, 3, 0, 100, 0]]);
        check(&leaf, Some((0, 2)), "");
        check(&leaf, Some((0, 3)), "an extent tree's node that is not its parent's");
        check(&leaf, Some((1, 2)), "an extent tree's node of depth 0");
        check(&node(6, &[]), None, "an extent tree's node of depth 6");
        check(&node(1, &[]), None, "an empty node in an extent tree");
        check(&node(0, &[[2, 0, 0, 0, 100, 0]]), None, "an extent of no blocks");
        check(
            &node(0, &[[2, 0, 3, 0, 100, 0], [4, 0, 3, 0, 200, 0]]),
            None,
            "extents that overlap",
        );
        check(&leaf[..20], None, "12 bytes at 12 of a structure of 20");
        check(&[0; 60], None, "an extent tree with the magic number 0x0");
    }
}
