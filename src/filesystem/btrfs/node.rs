//! One block of a tree: keys in order, each with an item (leaves) or with the block below it.
//!
//! Follows `Documentation/filesystems/btrfs` and the on-disk format of the btrfs project. A block
//! is verified once, when it is read; whoever holds a [`TreeNode`] may trust its bounds. Keys of
//! one block ascend strictly, and a block below lies between two keys of the one above, so that no
//! block can be met twice in one walk of a tree: cycles are not possible.

use super::checksum::Checksum;
use crate::filesystem::bytes::{byte, le32, le64, slice, to_usize};
use crate::model::Fault;
use std::sync::Arc;

/// Bytes of the header.
pub const HEADER: usize = 101;
/// Bytes of a key on disk.
pub const KEY: usize = 17;
/// A key, where the item's bytes begin behind the header, and how many they are.
const ITEM: usize = 25;
/// A key, a block and its generation.
const POINTER: usize = 33;
/// `BTRFS_MAX_LEVEL`: levels are 0 to 7.
const MAX_LEVEL: u8 = 7;

/// What orders items in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// An inode, a tree, or what else the tree is of.
    pub object: u64,
    /// What the item is, see [`kind`].
    pub kind: u8,
    /// Depends on the kind.
    pub offset: u64,
}

/// The kinds of items that are read.
pub mod kind {
    /// `struct btrfs_inode_item`.
    pub const INODE_ITEM: u8 = 1;
    /// Name of an inode in a directory, by the directory.
    pub const INODE_REF: u8 = 12;
    /// The same, by the hash of directory and name: where there are too many for one item.
    pub const INODE_EXTREF: u8 = 13;
    /// An extended attribute, by the hash of its name.
    pub const XATTR_ITEM: u8 = 24;
    /// In a log: the first of the names of a directory that the log has all of.
    pub const DIR_LOG_INDEX: u8 = 72;
    /// A name of a directory, by its hash.
    pub const DIR_ITEM: u8 = 84;
    /// A name of a directory, by when it was made.
    pub const DIR_INDEX: u8 = 96;
    /// A part of a file, by its offset.
    pub const EXTENT_DATA: u8 = 108;
    /// Checksums of data, by logical address.
    pub const EXTENT_CSUM: u8 = 128;
    /// A tree.
    pub const ROOT_ITEM: u8 = 132;
    /// Which subvolume a subvolume lies in.
    pub const ROOT_BACKREF: u8 = 144;
    /// Which subvolumes lie in a subvolume.
    pub const ROOT_REF: u8 = 156;
    /// Where logical addresses lie on devices.
    pub const CHUNK_ITEM: u8 = 228;
}

impl Key {
    /// The key of these three.
    pub const fn new(object: u64, kind: u8, offset: u64) -> Self {
        Self { object, kind, offset }
    }

    /// The key before this one.
    pub fn before(self) -> Option<Self> {
        let Self { object, kind, offset } = self;
        if let Some(offset) = offset.checked_sub(1) {
            return Some(Self { offset, ..self });
        }
        if let Some(kind) = kind.checked_sub(1) {
            return Some(Self { object, kind, offset: u64::MAX });
        }
        Some(Self { object: object.checked_sub(1)?, kind: u8::MAX, offset: u64::MAX })
    }

    /// Reads one.
    pub fn parse(bytes: &[u8], at: usize) -> Result<Self, Fault> {
        let raw = slice(bytes, at, KEY)?;
        Ok(Self { object: le64(raw, 0)?, kind: byte(raw, 8)?, offset: le64(raw, 9)? })
    }
}

/// Where a block lies, and what whoever names it knows of it.
#[derive(Clone, Copy, Debug)]
pub struct Pointer {
    /// Logical address.
    pub logical: u64,
    /// Distance from the leaves.
    pub level: u8,
    /// Transaction that wrote it.
    pub generation: u64,
    /// Its first key, where that is known.
    pub first: Option<Key>,
    /// All of its keys are lower, where that is known.
    pub bound: Option<Key>,
}

/// What all blocks of a file system share.
#[derive(Clone, Copy, Debug)]
pub struct NodeFormat {
    /// Bytes of a block.
    pub size: usize,
    /// How checksums are computed.
    pub checksum: Checksum,
    /// The UUID that is in every block.
    pub fsid: [u8; 16],
}

/// A verified block.
#[derive(Clone, Debug)]
pub struct TreeNode {
    bytes: Arc<[u8]>,
    count: usize,
    /// Distance from the leaves.
    pub level: u8,
}

impl TreeNode {
    /// Verifies the bytes of the block at a logical address.
    pub fn verify(bytes: &[u8], logical: u64, format: &NodeFormat) -> Result<(), Fault> {
        let body = bytes.get(32..).unwrap_or_default();
        format.checksum.verify(slice(bytes, 0, 32)?, body)?;
        if slice(bytes, 32, 16)? != format.fsid {
            return Err(Fault::damaged("it is of another file system"));
        }
        let address = le64(bytes, 0x30)?;
        if address != logical {
            return Err(Fault::damaged(format!("it says that it is the block {address}")));
        }
        let level = byte(bytes, 0x64)?;
        let count = to_usize(le32(bytes, 0x60)?)?;
        let entry = if level == 0 { ITEM } else { POINTER };
        let room = bytes.len().saturating_sub(HEADER).checked_div(entry).unwrap_or(0);
        if level > MAX_LEVEL || count > room || (level > 0 && count == 0) {
            return Err(Fault::damaged(format!("{count} entries on level {level}")));
        }
        let mut last = None;
        for index in 0..count {
            let at = HEADER.saturating_add(index.saturating_mul(entry));
            let key = Key::parse(bytes, at)?;
            if last.is_some_and(|last| key <= last) {
                return Err(Fault::damaged(format!("its key {index} is not above the last")));
            }
            last = Some(key);
            if level == 0 {
                item_bytes(bytes, at)?;
            }
        }
        Ok(())
    }

    /// A block that was verified before, against what names it.
    pub fn new(bytes: Arc<[u8]>, pointer: &Pointer) -> Result<Self, Fault> {
        let node =
            Self { count: to_usize(le32(&bytes, 0x60)?)?, level: byte(&bytes, 0x64)?, bytes };
        let generation = le64(&node.bytes, 0x50)?;
        if generation != pointer.generation || node.level != pointer.level {
            return Err(Fault::damaged(format!(
                "generation {generation} and level {} where {} and {} are named",
                node.level, pointer.generation, pointer.level
            )));
        }
        let first = if node.count > 0 { Some(node.key(0)?) } else { None };
        let last = match node.count.checked_sub(1) {
            Some(last) => Some(node.key(last)?),
            None => None,
        };
        let begins = pointer.first.is_none() || pointer.first == first;
        let ends = pointer.bound.is_none_or(|bound| last.is_none_or(|last| last < bound));
        if !begins || !ends {
            return Err(Fault::damaged("its keys are not those that are named"));
        }
        Ok(node)
    }

    /// How many entries it has.
    pub const fn count(&self) -> usize {
        self.count
    }

    fn at(&self, index: usize) -> usize {
        let entry = if self.level == 0 { ITEM } else { POINTER };
        HEADER.saturating_add(index.saturating_mul(entry))
    }

    /// The key of an entry.
    pub fn key(&self, index: usize) -> Result<Key, Fault> {
        Key::parse(&self.bytes, self.at(index))
    }

    /// How many keys are lower than this one.
    pub fn lower(&self, key: Key) -> Result<usize, Fault> {
        let (mut from, mut to) = (0_usize, self.count);
        while from < to {
            let middle = from.midpoint(to);
            if self.key(middle)? < key {
                from = middle.saturating_add(1);
            } else {
                to = middle;
            }
        }
        Ok(from)
    }

    /// The last entry whose key is not above this one.
    pub fn floor(&self, key: Key) -> Result<Option<usize>, Fault> {
        let lower = self.lower(key)?;
        if lower < self.count && self.key(lower)? == key {
            return Ok(Some(lower));
        }
        Ok(lower.checked_sub(1))
    }

    /// The block below an entry; `bound` is that of this block.
    pub fn child(&self, index: usize, bound: Option<Key>) -> Result<Pointer, Fault> {
        let at = self.at(index).saturating_add(KEY);
        let next = index.saturating_add(1);
        Ok(Pointer {
            logical: le64(&self.bytes, at)?,
            level: self.level.saturating_sub(1),
            generation: le64(&self.bytes, at.saturating_add(8))?,
            first: Some(self.key(index)?),
            bound: if next < self.count { Some(self.key(next)?) } else { bound },
        })
    }

    /// The bytes of a leaf's item.
    pub fn item(&self, index: usize) -> Result<&[u8], Fault> {
        item_bytes(&self.bytes, self.at(index))
    }
}

/// The bytes of the item whose entry is at `at`.
fn item_bytes(bytes: &[u8], at: usize) -> Result<&[u8], Fault> {
    let field = at.saturating_add(KEY);
    let start = HEADER.saturating_add(to_usize(le32(bytes, field)?)?);
    slice(bytes, start, to_usize(le32(bytes, field.saturating_add(4))?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(keys: &[Key]) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        bytes[0x60] = u8::try_from(keys.len()).unwrap();
        for (index, key) in keys.iter().enumerate() {
            let at = HEADER + index * ITEM;
            bytes[at..at + 8].copy_from_slice(&key.object.to_le_bytes());
            bytes[at + 8] = key.kind;
            bytes[at + 9..at + 17].copy_from_slice(&key.offset.to_le_bytes());
            bytes[at + 17..at + 21].copy_from_slice(&3000_u32.to_le_bytes());
            bytes[at + 21] = u8::try_from(index).unwrap();
        }
        let sum = crc32c::crc32c(&bytes[32..]);
        bytes[..4].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    #[test]
    fn keys_are_found_and_must_ascend() {
        let format = NodeFormat { size: 4096, checksum: Checksum::Crc32c, fsid: [0; 16] };
        let keys = [Key::new(1, 1, 0), Key::new(1, 12, 9), Key::new(3, 1, 0)];
        let bytes = leaf(&keys);
        TreeNode::verify(&bytes, 0, &format).unwrap();
        let pointer = Pointer { logical: 0, level: 0, generation: 0, first: None, bound: None };
        let node = TreeNode::new(bytes.clone().into(), &pointer).unwrap();
        let check = |key: Key, floor: Option<usize>, lower: usize| {
            assert_eq!((node.floor(key).unwrap(), node.lower(key).unwrap()), (floor, lower));
        };
        check(Key::new(0, 255, 0), None, 0);
        check(keys[0], Some(0), 0);
        check(Key::new(1, 13, 0), Some(1), 2);
        check(Key::new(9, 0, 0), Some(2), 3);
        assert_eq!(node.item(2).unwrap(), [0, 0]);
        let bounded = Pointer { bound: Some(keys[2]), ..pointer };
        assert!(TreeNode::new(bytes.clone().into(), &bounded).is_err());
        assert!(TreeNode::verify(&bytes, 4096, &format).is_err());
        let descending = leaf(&[keys[1], keys[0]]);
        assert!(TreeNode::verify(&descending, 0, &format).is_err());
        let mut flipped = bytes;
        flipped[200] ^= 1;
        assert!(TreeNode::verify(&flipped, 0, &format).is_err());
    }
}
