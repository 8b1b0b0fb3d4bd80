//! Extended attributes: behind the fields of the inode, in one block, and, where they are large,
//! in inodes of their own.
//!
//! Follows `Documentation/filesystems/ext4/attributes.rst`. Shown are those that the kernel shows
//! to root; `system.data` (inline bytes) and fscrypt's context are the file system's own.

use super::acl;
use super::checksum::crc32c;
use super::file;
use super::inode::{Inode, flags};
use super::superblock::incompat;
use super::volume::Volume;
use crate::filesystem::bytes::{byte, le16, le32, slice, to_usize};
use crate::model::{Fault, Xattr};

const MAGIC: u32 = 0xea02_0000;
/// Where entries begin in the inode's area.
const BODY_HEADER: usize = 4;
/// Where entries begin in a block.
const BLOCK_HEADER: usize = 32;
const ENTRY_HEADER: usize = 16;
/// All values of one inode together; the kernel hands out 64 KiB of each at most.
const MAX_VALUES: usize = 16 << 20;

const INDEX_ACCESS_ACL: u8 = 2;
const INDEX_DEFAULT_ACL: u8 = 3;
const INDEX_SYSTEM: u8 = 7;

/// What the name begins with; `None` for what the kernel does not show.
const fn prefix(index: u8) -> Option<&'static str> {
    Some(match index {
        1 => "user.",
        INDEX_ACCESS_ACL => "system.posix_acl_access",
        INDEX_DEFAULT_ACL => "system.posix_acl_default",
        4 => "trusted.",
        6 => "security.",
        10 => "gnu.",
        _ => return None,
    })
}

/// An entry, its value still where it lies.
struct Stored<'a> {
    index: u8,
    name: &'a [u8],
    value: Value<'a>,
}

enum Value<'a> {
    Here(&'a [u8]),
    Inode { number: u32, size: u32 },
}

/// All that the kernel shows, sorted by name.
pub fn all(volume: &Volume, inode: &Inode) -> Result<Vec<Xattr>, Fault> {
    let mut found = Vec::new();
    let mut room = MAX_VALUES;
    for stored in body(inode)? {
        show(volume, &stored, &mut room, &mut found)?;
    }
    if inode.xattr_block != 0 {
        let place = || format!("block {} of extended attributes", inode.xattr_block);
        let block = volume.block(inode.xattr_block)?;
        verify(volume, inode.xattr_block, &block).map_err(|fault| fault.within(place()))?;
        let entries = parse(&block, BLOCK_HEADER, 0).map_err(|fault| fault.within(place()))?;
        for stored in entries {
            show(volume, &stored, &mut room, &mut found)?;
        }
    }
    found.sort();
    found.dedup_by(|later, first| later.name == first.name);
    Ok(found)
}

/// The rest of inline bytes; empty where there are none.
pub fn inline_data(inode: &Inode) -> Result<&[u8], Fault> {
    let found = body(inode)?.into_iter().find(|x| x.index == INDEX_SYSTEM && x.name == b"data");
    match found.map(|stored| stored.value) {
        Some(Value::Here(bytes)) => Ok(bytes),
        Some(Value::Inode { .. }) => Err(Fault::damaged("inline bytes in another inode")),
        None => Ok(&[]),
    }
}

fn body(inode: &Inode) -> Result<Vec<Stored<'_>>, Fault> {
    let area = inode.xattr_area();
    if le32(area, 0).is_ok_and(|magic| magic == MAGIC) {
        return parse(area, BODY_HEADER, BODY_HEADER)
            .map_err(|fault| fault.within("extended attributes in the inode"));
    }
    Ok(Vec::new())
}

/// Reads entries from `at` on; values lie at offsets from `base`.
fn parse(bytes: &[u8], mut at: usize, base: usize) -> Result<Vec<Stored<'_>>, Fault> {
    let mut found = Vec::new();
    while le32(bytes, at)? != 0 {
        let name_length = usize::from(byte(bytes, at)?);
        let field = |offset: usize| at.saturating_add(offset);
        let name = slice(bytes, field(ENTRY_HEADER), name_length)?;
        let (number, size) = (le32(bytes, field(4))?, le32(bytes, field(8))?);
        let value = if number != 0 {
            Value::Inode { number, size }
        } else if size == 0 {
            Value::Here(&[])
        } else {
            let start = base.saturating_add(usize::from(le16(bytes, field(2))?));
            Value::Here(slice(bytes, start, to_usize(size)?)?)
        };
        found.push(Stored { index: byte(bytes, field(1))?, name, value });
        let length = ENTRY_HEADER.saturating_add(name_length).next_multiple_of(4);
        at = at.saturating_add(length);
    }
    Ok(found)
}

fn verify(volume: &Volume, number: u64, block: &[u8]) -> Result<(), Fault> {
    let (magic, blocks) = (le32(block, 0)?, le32(block, 8)?);
    if magic != MAGIC || blocks != 1 {
        return Err(Fault::damaged(format!("the magic number {magic:#x}, {blocks} blocks")));
    }
    let Some(seed) = volume.superblock.checksum_seed else { return Ok(()) };
    let stored = le32(block, 0x10)?;
    let mut computed = crc32c(seed, &number.to_le_bytes());
    computed = crc32c(computed, slice(block, 0, 0x10)?);
    computed = crc32c(computed, &[0; 4]);
    computed = crc32c(computed, block.get(0x14..).unwrap_or_default());
    if stored == computed {
        return Ok(());
    }
    Err(Fault::damaged(format!("its checksum is {stored:#x}, its bytes have {computed:#x}")))
}

fn show(
    volume: &Volume,
    stored: &Stored<'_>,
    room: &mut usize,
    found: &mut Vec<Xattr>,
) -> Result<(), Fault> {
    let Some(prefix) = prefix(stored.index) else { return Ok(()) };
    let name = [prefix.as_bytes(), stored.name].concat();
    let size = match &stored.value {
        Value::Here(bytes) => bytes.len(),
        Value::Inode { size, .. } => to_usize(*size)?,
    };
    *room = room.checked_sub(size).ok_or_else(|| {
        Fault::limit(format!("extended attributes of more than {MAX_VALUES} bytes"))
    })?;
    let mut value = match stored.value {
        Value::Here(bytes) => bytes.to_vec(),
        Value::Inode { number, .. } => of_inode(volume, number, size)?,
    };
    if matches!(stored.index, INDEX_ACCESS_ACL | INDEX_DEFAULT_ACL) {
        value = acl::shown(&value)?;
    }
    found.push(Xattr { name: name.into(), value: value.into() });
    Ok(())
}

/// A value that has an inode of its own.
fn of_inode(volume: &Volume, number: u32, size: usize) -> Result<Vec<u8>, Fault> {
    let inode = volume.inode(number.into())?;
    let fits = volume.superblock.has(incompat::EA_INODE)
        && inode.has(flags::EA_INODE)
        && inode.size == size as u64;
    if !fits {
        return Err(Fault::damaged(format!(
            "inode {number} holds no extended attribute of {size} bytes"
        )));
    }
    let mut value = vec![0; size];
    file::read_at(volume, &inode, 0, &mut value)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_with_their_values() {
        let mut area = MAGIC.to_le_bytes().to_vec();
        area.extend_from_slice(&[3, 1, 24, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        area.extend_from_slice(b"foo\0\0\0\0\0hi");
        let found = parse(&area, BODY_HEADER, BODY_HEADER).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].index, found[0].name), (1, b"foo".as_slice()));
        assert!(matches!(found[0].value, Value::Here(b"hi")));
        for length in BODY_HEADER..area.len() {
            assert!(parse(&area[..length], BODY_HEADER, BODY_HEADER).is_err(), "{length}");
        }
    }
}
