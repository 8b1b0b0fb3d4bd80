//! Extended attributes: behind the inode, or in a table that inodes share.

use super::Erofs;
use super::inode::Inode;
use super::superblock::incompat;
use crate::filesystem::bytes::{byte, le16, le32, slice, to_usize};
use crate::model::{Fault, Xattr};

const HEADER: usize = 12;
/// Bytes of an entry before its name.
const ENTRY: usize = 4;
/// In a name's index: it is one of the long prefixes.
const LONG_PREFIX: u8 = 0x80;
/// Values of one inode; shared ones may be named many times.
const MAX_BYTES: usize = 4 << 20;

/// A name's prefix that the image has many times: an index, and what follows it.
#[derive(Debug)]
pub struct Prefix {
    index: u8,
    infix: Vec<u8>,
}

/// Reads the table of long prefixes.
pub fn prefixes(erofs: &Erofs) -> Result<Vec<Prefix>, Fault> {
    let superblock = &erofs.volume.superblock;
    let (count, mut at) = superblock.prefixes;
    let mut found = Vec::new();
    let is_packed = superblock.has(incompat::FRAGMENTS) && superblock.packed != 0;
    for _ in 0..count {
        let read = |at: u64, length: usize| {
            if is_packed {
                return erofs.packed(at, length);
            }
            erofs.volume.metadata(at, length)
        };
        let length = usize::from(le16(&read(at, 2)?, 0)?);
        let raw = read(at.saturating_add(2), length)?;
        let infix = raw.get(1..).unwrap_or_default().to_vec();
        found.push(Prefix { index: byte(&raw, 0)?, infix });
        at = at.saturating_add(length as u64).saturating_add(2).next_multiple_of(4);
    }
    Ok(found)
}

/// All that are shown, sorted by name.
pub fn all(erofs: &Erofs, inode: &Inode) -> Result<Vec<Xattr>, Fault> {
    let (at, length) = inode.xattrs;
    if length == 0 {
        return Ok(Vec::new());
    }
    let body = erofs.volume.metadata(at, to_usize(length)?)?;
    let mut found = Vec::new();
    let mut room = MAX_BYTES;
    let shared = usize::from(byte(&body, 4)?);
    for index in 0..shared {
        let id = le32(&body, HEADER.saturating_add(index.saturating_mul(4)))?;
        let at =
            erofs.volume.superblock.shared_xattrs.saturating_add(u64::from(id).saturating_mul(4));
        let entry = erofs.volume.metadata(at, ENTRY)?;
        let raw = erofs.volume.metadata(at, lengths(&entry)?.1)?;
        show(erofs, &raw, &mut room, &mut found)?;
    }
    let mut at = HEADER.saturating_add(shared.saturating_mul(4));
    while let Some(rest) = body.get(at..).filter(|rest| rest.len() >= ENTRY) {
        let (name, length) = lengths(rest)?;
        // What is left of an area is zeros.
        if name == 0 && length == ENTRY && byte(rest, 1)? == 0 {
            break;
        }
        show(erofs, slice(rest, 0, length)?, &mut room, &mut found)?;
        at = at.saturating_add(length.next_multiple_of(4));
    }
    found.sort();
    found.dedup_by(|later, first| later.name == first.name);
    Ok(found)
}

/// The length of an entry's name, and that of the whole.
fn lengths(entry: &[u8]) -> Result<(usize, usize), Fault> {
    let name = usize::from(byte(entry, 0)?);
    let value = usize::from(le16(entry, 2)?);
    Ok((name, ENTRY.saturating_add(name).saturating_add(value)))
}

fn show(erofs: &Erofs, raw: &[u8], room: &mut usize, found: &mut Vec<Xattr>) -> Result<(), Fault> {
    let (name_length, length) = lengths(raw)?;
    *room = room
        .checked_sub(length)
        .ok_or_else(|| Fault::limit(format!("attributes of more than {MAX_BYTES} bytes")))?;
    let index = byte(raw, 1)?;
    let (index, infix) = match index & LONG_PREFIX {
        0 => (index, [].as_slice()),
        _ => {
            let prefixes = erofs.prefixes.as_ref().map_err(Clone::clone)?;
            let prefix = prefixes
                .get(usize::from(index & !LONG_PREFIX))
                .ok_or_else(|| Fault::damaged(format!("the prefix {index:#x} of an attribute")))?;
            (prefix.index, prefix.infix.as_slice())
        }
    };
    let prefix = match index {
        1 => "user.",
        2 => "system.posix_acl_access",
        3 => "system.posix_acl_default",
        4 => "trusted.",
        6 => "security.",
        // As in Linux, which does not show what it does not know.
        _ => return Ok(()),
    };
    let end = ENTRY.saturating_add(name_length);
    let name = [prefix.as_bytes(), infix, slice(raw, ENTRY, name_length)?].concat();
    let value = raw.get(end..).unwrap_or_default();
    found.push(Xattr { name: name.into(), value: value.into() });
    Ok(())
}
