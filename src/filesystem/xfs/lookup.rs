//! One name by its hash, so that a path through a large directory reads a few blocks of it.
//!
//! Whatever contradicts itself here is left to a scan of all names.

use super::checksum::{self, INDEX};
use super::directory::{self, INDEX_ENTRY, INDEX_START, Names};
use super::inode::Inode;
use super::volume::{Block, Volume};
use crate::filesystem::bytes::{be16, be32, slice, to_usize};
use crate::model::Fault;

/// Index in one block and one block of many, and nodes above them; version 4, then 5.
const LEAVES: [u16; 4] = [0xd2f1, 0xd2ff, 0x3df1, 0x3dff];
const NODES: [u16; 2] = [0xfebe, 0x3ebe];
/// `XFS_DA_NODE_MAXDEPTH`.
const MAX_DEPTH: usize = 5;
/// Leaves in a row that hold one hash; with more a scan costs the same.
const MAX_LEAVES: usize = 8;

/// What names are hashed to (`xfs_da_hashname`).
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0_u32, |hash, byte| hash.rotate_left(7) ^ u32::from(*byte))
}

/// The inode of that name; `None` where the index says that there is none.
pub fn find(volume: &Volume, inode: &Inode, name: &[u8]) -> Result<Option<u64>, Fault> {
    let superblock = &volume.superblock;
    let wanted = hash(name);
    let (block, number) = directory::block_at(volume, inode, 0)?;
    let first = Names::open(superblock, inode, &block, number)?;
    if let Some(index) = first.index {
        for address in addresses(index, wanted)?.0 {
            let at = to_usize(u64::from(address).saturating_mul(8))?;
            if let Some(entry) = first.entry(at)?.filter(|entry| entry.name == name) {
                return Ok(Some(entry.inode));
            }
        }
        return Ok(None);
    }
    let size = superblock.directory_size();
    for address in addresses_in_tree(volume, inode, wanted)? {
        let offset = u64::from(address).saturating_mul(8);
        let within = offset.checked_rem(size).unwrap_or(0);
        let start = offset.saturating_sub(within);
        let (block, number) = directory::block_at(volume, inode, start >> superblock.block_log)?;
        let names = Names::open(superblock, inode, &block, number)?;
        if let Some(entry) = names.entry(to_usize(within)?)?.filter(|entry| entry.name == name) {
            return Ok(Some(entry.inode));
        }
    }
    Ok(None)
}

/// Addresses of a hash in a sorted index, in units of 8 bytes, and whether more may follow.
fn addresses(index: &[u8], wanted: u32) -> Result<(Vec<u32>, bool), Fault> {
    let (entries, _) = index.as_chunks::<INDEX_ENTRY>();
    let hash_of = |entry: &[u8; INDEX_ENTRY]| be32(entry, 0).unwrap_or(u32::MAX);
    let first = entries.partition_point(|entry| hash_of(entry) < wanted);
    let mut found = Vec::new();
    for entry in entries.iter().skip(first) {
        if hash_of(entry) != wanted {
            return Ok((found, false));
        }
        // 0 was removed.
        found.extend(Some(be32(entry, 4)?).filter(|address| *address != 0));
    }
    Ok((found, true))
}

/// Goes down the tree of nodes to the first leaf that may have the hash, and on from there.
fn addresses_in_tree(volume: &Volume, inode: &Inode, wanted: u32) -> Result<Vec<u32>, Fault> {
    let mut logical = INDEX_START >> volume.superblock.block_log;
    for _ in 0..=MAX_DEPTH {
        let here = IndexBlock::read(volume, inode, logical)?;
        if here.is_leaf {
            return addresses_in_leaves(volume, inode, here, wanted);
        }
        let (children, _) = here.entries()?.as_chunks::<INDEX_ENTRY>();
        let last_hash = |child: &[u8; INDEX_ENTRY]| be32(child, 0).unwrap_or(u32::MAX);
        let Some(child) = children.iter().find(|child| last_hash(child) >= wanted) else {
            return Ok(Vec::new());
        };
        logical = be32(child, 4)?.into();
    }
    Err(Fault::damaged("an index without leaves"))
}

fn addresses_in_leaves(
    volume: &Volume,
    inode: &Inode,
    mut leaf: IndexBlock,
    wanted: u32,
) -> Result<Vec<u32>, Fault> {
    let mut found = Vec::new();
    for _ in 0..MAX_LEAVES {
        let (here, may_follow) = addresses(leaf.entries()?, wanted)?;
        found.extend(here);
        let next = be32(&leaf.block, 0)?;
        if !may_follow || next == 0 {
            return Ok(found);
        }
        leaf = IndexBlock::read(volume, inode, next.into())?;
        if !leaf.is_leaf {
            return Err(Fault::damaged("a leaf is followed by none"));
        }
    }
    Err(Fault::limit("a hash in many leaves"))
}

/// A block of the index, verified.
struct IndexBlock {
    block: Block,
    is_leaf: bool,
    has_checksums: bool,
}

impl IndexBlock {
    fn read(volume: &Volume, inode: &Inode, logical: u64) -> Result<Self, Fault> {
        let (block, number) = directory::block_at(volume, inode, logical)?;
        let magic = be16(&block, 8)?;
        let is_leaf = LEAVES.contains(&magic);
        if !is_leaf && !NODES.contains(&magic) {
            return Err(Fault::damaged(format!("an index with the magic number {magic:#x}")));
        }
        checksum::verify_block(&volume.superblock, INDEX, &block, number, inode.number)?;
        Ok(Self { block, is_leaf, has_checksums: volume.superblock.has_checksums })
    }

    /// Hashes, each with an address or a child.
    fn entries(&self) -> Result<&[u8], Fault> {
        let (count_at, header) = if self.has_checksums { (56, 64) } else { (12, 16) };
        let count = usize::from(be16(&self.block, count_at)?);
        slice(&self.block, header, count.saturating_mul(INDEX_ENTRY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_kernel() {
        // From the index of a directory that Linux wrote (xfs_db: `print lhdr lents`).
        let check = |name: &[u8], expected: u32| assert_eq!(hash(name), expected);
        check(b".", 0x2e);
        check(b"..", 0x172e);
    }

    #[test]
    fn equal_hashes_lie_together() {
        let words: [u32; 10] = [1, 10, 5, 20, 5, 0, 5, 40, 9, 50];
        let index: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let check = |wanted: u32, expected: (&[u32], bool)| {
            let (found, more) = addresses(&index, wanted).unwrap();
            assert_eq!((found.as_slice(), more), expected);
        };
        check(5, (&[20, 40], false));
        check(9, (&[50], true));
        check(6, (&[], false));
        check(10, (&[], true));
    }
}
