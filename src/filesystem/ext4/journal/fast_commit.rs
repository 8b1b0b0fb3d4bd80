//! Fast commits: small changes (a name, an inode, a range of blocks) behind the log, since the
//! last full transaction.
//!
//! Follows `fs/ext4/fast_commit.c`. They are read as far as needed to say whether there are any
//! and which inodes they change; they are not replayed.

use super::log::Log;
use crate::filesystem::bytes::{le16, le32, slice};
use crate::filesystem::ext4::checksum::crc32c;
use crate::model::Fault;
use std::collections::BTreeSet;

/// Tag and length before each value.
const HEADER_LENGTH: usize = 4;
const ADD_RANGE: u16 = 1;
const DELETE_RANGE: u16 = 2;
const CREATE: u16 = 3;
const LINK: u16 = 4;
const UNLINK: u16 = 5;
const INODE: u16 = 6;
const PADDING: u16 = 7;
const TAIL: u16 = 8;
const HEAD: u16 = 9;
/// As many inodes are named in the message.
const MAX_NAMED: usize = 20;

/// What is read so far.
#[derive(Debug, Default)]
struct Found {
    crc: u32,
    /// Inodes since the last whole commit.
    pending: BTreeSet<u32>,
    /// Inodes of whole commits.
    inodes: BTreeSet<u32>,
    commits: usize,
}

/// The fault that says what is missing; `None` where there are no fast commits after the
/// transaction before `sequence`.
pub fn fault(log: &Log<'_>, sequence: u32) -> Option<Fault> {
    if !log.has_fast_commits {
        return None;
    }
    let mut found = Found::default();
    for (index, position) in log.fast_positions().enumerate() {
        match log.read(position).and_then(|block| read(&block, sequence, index == 0, &mut found)) {
            Ok(true) => {}
            Ok(false) | Err(_) => break,
        }
    }
    if found.commits == 0 {
        return None;
    }
    let named: Vec<String> = found.inodes.iter().take(MAX_NAMED).map(u32::to_string).collect();
    Some(Fault::unsupported(format!(
        "the journal's {} fast commits are not replayed: the last changes to {} inodes ({}{}) are \
         missing",
        found.commits,
        found.inodes.len(),
        named.join(", "),
        if found.inodes.len() > MAX_NAMED { ", …" } else { "" }
    )))
}

/// Reads one block; whether there may be another.
fn read(block: &[u8], sequence: u32, is_first: bool, found: &mut Found) -> Result<bool, Fault> {
    let mut at = 0_usize;
    let mut begins = is_first;
    while at.saturating_add(HEADER_LENGTH) <= block.len() {
        let (tag, length) = (le16(block, at)?, usize::from(le16(block, at.saturating_add(2))?));
        let value = slice(block, at.saturating_add(HEADER_LENGTH), length)?;
        let whole = slice(block, at, HEADER_LENGTH.saturating_add(length))?;
        if begins && (tag != HEAD || le32(value, 4)? != sequence) {
            return Ok(false);
        }
        begins = false;
        match tag {
            TAIL => {
                let crc = crc32c(found.crc, slice(block, at, HEADER_LENGTH + 4)?);
                if le32(value, 0)? != sequence || le32(value, 4)? != crc {
                    return Ok(false);
                }
                found.crc = 0;
                found.commits = found.commits.saturating_add(1);
                found.inodes.append(&mut found.pending);
            }
            HEAD if le32(value, 4)? != sequence => return Ok(false),
            ADD_RANGE | DELETE_RANGE | INODE | CREATE | LINK | UNLINK | PADDING | HEAD => {
                found.crc = crc32c(found.crc, whole);
                if matches!(tag, ADD_RANGE | DELETE_RANGE | INODE | CREATE | LINK | UNLINK) {
                    found.pending.insert(le32(value, 0)?);
                }
                if matches!(tag, CREATE | LINK | UNLINK) {
                    found.pending.insert(le32(value, 4)?);
                }
            }
            _ => return Ok(false),
        }
        at = at.saturating_add(HEADER_LENGTH).saturating_add(length);
    }
    Ok(true)
}
