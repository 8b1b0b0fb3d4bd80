//! Extended attributes: lists that inodes share, with values that lists share.

use super::superblock::NONE;
use super::volume::Volume;
use crate::filesystem::bytes::{array, le16, le32, le64, to_usize};
use crate::model::{Fault, Xattr};

/// In an entry's type: its value lies elsewhere.
const ELSEWHERE: u16 = 0x100;
/// Linux's `XATTR_SIZE_MAX`.
const MAX_VALUE: u32 = 64 << 10;
/// Names and values of one inode; Linux lists at most 64 KiB of names.
const MAX_BYTES: u64 = 4 << 20;

/// The attributes of an index, sorted by name.
pub fn all(volume: &Volume, index: u32) -> Result<Vec<Xattr>, Fault> {
    let table = volume.superblock.xattr_table;
    if table == NONE {
        return Err(Fault::damaged("extended attributes, and no table of them"));
    }
    let header = volume.raw(table, 16)?;
    let (values, count) = (le64(&header, 0)?, le32(&header, 8)?);
    let list = volume.entry(table.saturating_add(16), (index, count), 16)?;
    let mut cursor = volume.cursor(values, le64(&list, 0)?)?;
    let mut left = MAX_BYTES;
    let mut found = Vec::new();
    for _ in 0..le32(&list, 8)? {
        let entry: [u8; 4] = cursor.array()?;
        let (kind, length) = (le16(&entry, 0)?, le16(&entry, 2)?);
        let name = cursor.take(length.into())?;
        let size = cursor.le32()?;
        let value = if kind & ELSEWHERE != 0 {
            if size != 8 {
                return Err(Fault::damaged(format!("a reference of {size} bytes to a value")));
            }
            let place = u64::from_le_bytes(array(&cursor.take(8)?, 0)?);
            let mut cursor = volume.cursor(values, place)?;
            let size = check_size(cursor.le32()?)?;
            cursor.take(size)?
        } else {
            cursor.take(check_size(size)?)?
        };
        let cost = (name.len() as u64).saturating_add(value.len() as u64).saturating_add(1);
        left = left.checked_sub(cost).ok_or_else(|| {
            Fault::limit(format!("extended attributes of more than {MAX_BYTES} bytes"))
        })?;
        let prefix = match kind & 0xff {
            0 => "user.",
            1 => "trusted.",
            2 => "security.",
            // As in Linux, which does not show what it does not know.
            _ => continue,
        };
        let name = [prefix.as_bytes(), &name].concat();
        found.push(Xattr { name: name.into(), value: value.into() });
    }
    found.sort();
    found.dedup_by(|later, first| later.name == first.name);
    Ok(found)
}

fn check_size(size: u32) -> Result<usize, Fault> {
    if size > MAX_VALUE {
        return Err(Fault::damaged(format!("a value of {size} bytes")));
    }
    to_usize(size)
}
