//! Directories: runs of entries whose inodes lie in one metadata block.

use super::volume::Volume;
use crate::filesystem::bytes::{array, le16, le32};
use crate::model::Fault;

/// A run has at most as many entries.
const MAX_RUN: u32 = 256;
/// The size of a directory counts `.` and `..` with so many bytes, which are not stored.
const UNSTORED: u64 = 3;
/// A listing lies in memory as a whole; 100 bytes a name keep this below 256 MiB.
const MAX_ENTRIES: usize = 2 << 20;

/// One name.
#[derive(Debug)]
pub struct Entry {
    /// Raw.
    pub name: Vec<u8>,
    /// The reference of its inode.
    pub reference: u64,
}

/// Reads a directory, up to the first damage, which is returned beside the entries.
pub fn read(volume: &Volume, (start, at): (u32, u16), size: u64) -> (Vec<Entry>, Option<Fault>) {
    let mut entries = Vec::new();
    let fault = read_into(volume, (start, at), size, &mut entries).err();
    (entries, fault)
}

fn read_into(
    volume: &Volume,
    (start, at): (u32, u16),
    size: u64,
    entries: &mut Vec<Entry>,
) -> Result<(), Fault> {
    let mut left = size.saturating_sub(UNSTORED);
    if left == 0 {
        return Ok(());
    }
    let short = || Fault::damaged(format!("a directory of {size} bytes ends in an entry"));
    let table = volume.superblock.directory_table;
    let mut cursor = volume.cursor(table, u64::from(start) << 16 | u64::from(at))?;
    while left > 0 {
        left = left.checked_sub(12).ok_or_else(short)?;
        let header = cursor.take(12)?;
        let count = le32(&header, 0)?.saturating_add(1);
        if count > MAX_RUN {
            return Err(Fault::damaged(format!("a run of {count} entries")));
        }
        let block = u64::from(le32(&header, 4)?) << 16;
        for _ in 0..count {
            let entry: [u8; 8] = array(&cursor.take(8)?, 0)?;
            let length = usize::from(le16(&entry, 6)?).saturating_add(1);
            left = left.checked_sub(8_u64.saturating_add(length as u64)).ok_or_else(short)?;
            if length > 256 {
                return Err(Fault::damaged(format!("a name of {length} bytes")));
            }
            let name = cursor.take(length)?;
            if entries.len() >= MAX_ENTRIES {
                return Err(Fault::limit(format!("only {MAX_ENTRIES} names were read")));
            }
            entries.push(Entry { name, reference: block | u64::from(le16(&entry, 0)?) });
        }
    }
    Ok(())
}
