//! Extended attributes: in the inode where they are few, else in leaves of a tree, large values
//! in blocks of their own.
//!
//! Follows `fs/xfs/libxfs/xfs_da_format.h`. Shown are those that the kernel shows to root, but an
//! access control list only in the system's form and not as the `trusted` attribute that it is
//! stored as; parent pointers and what was never completed are the file system's own.

use super::acl;
use super::checksum::{self, INDEX};
use super::file;
use super::fork::Mapped;
use super::inode::{Format, Inode};
use super::volume::Volume;
use crate::filesystem::bytes::{be16, be32, byte, slice, to_usize};
use crate::model::{Fault, Xattr};
use std::collections::HashSet;

/// Version 4, then 5.
const LEAF_MAGIC: [u16; 2] = [0xfbee, 0x3bee];
const NODE_MAGIC: [u16; 2] = [0xfebe, 0x3ebe];
/// `XFS_DA_NODE_MAXDEPTH`.
const MAX_DEPTH: usize = 5;
/// `XATTR_SIZE_MAX`.
const MAX_VALUE: u32 = 64 << 10;
/// All values of one inode together.
const MAX_VALUES: usize = 16 << 20;
/// Leaves of one inode; 64 MiB of the usual blocks.
const MAX_LEAVES: usize = 16 << 10;
const SHORT_HEADER: usize = 4;
const LEAF_ENTRY: usize = 8;

/// Flags of an entry.
mod flags {
    pub const LOCAL: u8 = 0x1;
    pub const ROOT: u8 = 0x2;
    pub const SECURE: u8 = 0x4;
    /// Parent pointers, and entries that were being written.
    pub const HIDDEN: u8 = 0x8 | 0x80;
}

/// An entry, its value still where it lies.
#[derive(Debug, PartialEq, Eq)]
struct Stored<'a> {
    flags: u8,
    name: &'a [u8],
    value: Value<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum Value<'a> {
    Here(&'a [u8]),
    Blocks { first: u32, length: u32 },
}

/// All that the kernel shows, sorted by name.
pub fn all(volume: &Volume, inode: &Inode) -> Result<Vec<Xattr>, Fault> {
    let Some(fork) = &inode.attributes else { return Ok(Vec::new()) };
    let mapped = Mapped { volume, inode, fork };
    let mut shown = Shown { mapped: &mapped, room: MAX_VALUES, found: Vec::new() };
    match fork.format {
        Format::Local => {
            for stored in parse_short(&fork.bytes)? {
                shown.add(&stored)?;
            }
        }
        Format::Extents if fork.extents == 0 => {}
        Format::Extents | Format::Btree => shown.add_leaves()?,
        Format::Device => return Err(Fault::damaged("extended attributes in a device's number")),
    }
    let mut found = shown.found;
    found.sort();
    found.dedup_by(|later, first| later.name == first.name);
    Ok(found)
}

/// What is gathered.
struct Shown<'a> {
    mapped: &'a Mapped<'a>,
    room: usize,
    found: Vec<Xattr>,
}

impl Shown<'_> {
    /// Goes down to the first leaf and on from leaf to leaf.
    fn add_leaves(&mut self) -> Result<(), Fault> {
        let mut logical = 0;
        let mut seen = HashSet::new();
        let mut depth = 0_usize;
        loop {
            if !seen.insert(logical) || seen.len() > MAX_LEAVES {
                return Err(Fault::damaged(format!("leaf {logical} comes again, or too many do")));
            }
            let number = file::physical(self.mapped, logical.into())?;
            let block = self.mapped.volume.block(number)?;
            let place = || format!("block {number} of extended attributes");
            let superblock = &self.mapped.volume.superblock;
            checksum::verify_block(superblock, INDEX, &block, number, self.mapped.inode.number)
                .map_err(|fault| fault.within(place()))?;
            let magic = be16(&block, 8)?;
            let version_5 = superblock.has_checksums;
            if NODE_MAGIC.contains(&magic) && depth < MAX_DEPTH {
                depth = depth.saturating_add(1);
                logical = be32(&block, if version_5 { 68 } else { 20 })?;
                continue;
            }
            if !LEAF_MAGIC.contains(&magic) {
                return Err(Fault::damaged(format!("the magic number {magic:#x}")).within(place()));
            }
            // A leaf is followed by leaves only.
            depth = MAX_DEPTH;
            for stored in parse_leaf(&block, version_5).map_err(|fault| fault.within(place()))? {
                self.add(&stored)?;
            }
            logical = be32(&block, 0)?;
            if logical == 0 {
                return Ok(());
            }
        }
    }

    fn add(&mut self, stored: &Stored<'_>) -> Result<(), Fault> {
        if stored.flags & flags::HIDDEN != 0 {
            return Ok(());
        }
        let length = match stored.value {
            Value::Here(bytes) => bytes.len(),
            Value::Blocks { length, .. } => to_usize(length)?,
        };
        self.room = self.room.checked_sub(length).ok_or_else(|| {
            Fault::limit(format!("extended attributes of more than {MAX_VALUES} bytes"))
        })?;
        let value = match stored.value {
            Value::Here(bytes) => bytes.to_vec(),
            Value::Blocks { first, .. } => {
                file::remote(self.mapped, first.into(), length, file::Remote::Value)?
            }
        };
        let prefix: &[u8] = match stored.flags & (flags::ROOT | flags::SECURE) {
            0 => b"user.",
            flags::ROOT => b"trusted.",
            flags::SECURE => b"security.",
            both => return Err(Fault::damaged(format!("an attribute of namespaces {both:#x}"))),
        };
        let list = acl::NAMES.iter().find(|(name, _)| *name == stored.name);
        if let Some((_, shown_as)) = list.filter(|_| stored.flags & flags::ROOT != 0) {
            self.push(shown_as.as_bytes().to_vec(), acl::shown(&value)?);
            return Ok(());
        }
        self.push([prefix, stored.name].concat(), value);
        Ok(())
    }

    fn push(&mut self, name: Vec<u8>, value: Vec<u8>) {
        self.found.push(Xattr { name: name.into(), value: value.into() });
    }
}

/// Entries in the inode: length of all, count, then lengths, flags, name and value of each.
fn parse_short(bytes: &[u8]) -> Result<Vec<Stored<'_>>, Fault> {
    let bytes = slice(bytes, 0, be16(bytes, 0)?.into())?;
    let count = byte(bytes, 2)?;
    let mut at = SHORT_HEADER;
    let mut found = Vec::new();
    for _ in 0..count {
        let name_length = usize::from(byte(bytes, at)?);
        let value_length = usize::from(byte(bytes, at.saturating_add(1))?);
        let flags = byte(bytes, at.saturating_add(2))?;
        let name_at = at.saturating_add(3);
        let value_at = name_at.saturating_add(name_length);
        let name = slice(bytes, name_at, name_length)?;
        let value = Value::Here(slice(bytes, value_at, value_length)?);
        found.push(Stored { flags, name, value });
        at = value_at.saturating_add(value_length);
    }
    Ok(found)
}

/// Entries of a leaf: a table of hashes, places and flags; names and values behind it.
fn parse_leaf(block: &[u8], version_5: bool) -> Result<Vec<Stored<'_>>, Fault> {
    let (count_at, table) = if version_5 { (56, 80) } else { (12, 32) };
    let count = usize::from(be16(block, count_at)?);
    let entries = slice(block, table, count.saturating_mul(LEAF_ENTRY))?;
    entries
        .chunks_exact(LEAF_ENTRY)
        .map(|entry| {
            let (at, flags) = (usize::from(be16(entry, 4)?), byte(entry, 6)?);
            let field = |offset: usize| at.saturating_add(offset);
            if flags & flags::LOCAL != 0 {
                let value_length = usize::from(be16(block, at)?);
                let name_length = usize::from(byte(block, field(2))?);
                let name = slice(block, field(3), name_length)?;
                let value = slice(block, field(3).saturating_add(name_length), value_length)?;
                return Ok(Stored { flags, name, value: Value::Here(value) });
            }
            let (first, length) = (be32(block, at)?, be32(block, field(4))?);
            let name = slice(block, field(9), byte(block, field(8))?.into())?;
            if length > MAX_VALUE {
                return Err(Fault::damaged(format!("an attribute of {length} bytes")));
            }
            Ok(Stored { flags, name, value: Value::Blocks { first, length } })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_in_the_inode() {
        let bytes = b"\0\x11\x02\0\x03\x02\0foohi\x01\0\x04x\0\0\0";
        let found = parse_short(bytes).unwrap();
        let stored = |flags, name, value| Stored { flags, name, value: Value::Here(value) };
        assert_eq!(found[0], stored(0, b"foo", b"hi"));
        assert_eq!(found[1], stored(4, b"x", b""));
        for length in 0..16 {
            assert!(parse_short(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn entries_in_a_leaf() {
        let mut block = vec![0; 80];
        block[13] = 2;
        block[32..40].copy_from_slice(&[0, 0, 0, 9, 0, 48, 1, 0]);
        block[40..48].copy_from_slice(&[0, 0, 0, 9, 0, 60, 2, 0]);
        block[48..56].copy_from_slice(b"\0\x02\x03foohi");
        block[60..70].copy_from_slice(b"\0\0\0\x07\0\0\x10\0\x01x");
        let found = parse_leaf(&block, false).unwrap();
        assert_eq!(found[0], Stored { flags: 1, name: b"foo", value: Value::Here(b"hi") });
        let value = Value::Blocks { first: 7, length: 4096 };
        assert_eq!(found[1], Stored { flags: 2, name: b"x", value });
        block[64] = 1;
        assert!(parse_leaf(&block, false).is_err());
    }
}
