//! Transactions of the log: descriptor blocks with a tag for each block of data behind them,
//! blocks of revoked numbers, and a commit block that makes them count.

use super::MAGIC;
use super::log::{Checksums, Log};
use crate::filesystem::bytes::{be16, be32, be64, byte, to_usize};
use crate::filesystem::ext4::checksum::crc32_be;
use crate::model::Fault;

const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const REVOKE: u32 = 5;
const HEADER_LENGTH: usize = 12;
/// Revoked blocks are kept in memory; a journal of 1 GiB has fewer.
const MAX_REVOKED: usize = 2 << 20;
/// Where a commit block has its checksum.
const COMMIT_CHECKSUM: usize = 16;
/// Bytes of a commit block that mean something.
const COMMIT_LENGTH: usize = 60;
const REVOKE_HEADER: usize = 16;
const TAIL_LENGTH: usize = 4;
const UUID_LENGTH: usize = 16;

/// `JBD2_FLAG_ESCAPE`, `_SAME_UUID`, `_LAST_TAG`.
const ESCAPED: u32 = 1;
const SAME_UUID: u32 = 2;
const LAST: u32 = 8;

/// A block of data in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Which block of the file system it is.
    pub block: u64,
    /// Where it lies in the log.
    pub position: u32,
    /// Its first four bytes were replaced by zeros.
    pub escaped: bool,
    /// As [`Log::data_checksum`] computes it; `None` where there is none.
    pub checksum: Option<u32>,
}

/// What one commit made count.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Its number.
    pub sequence: u32,
    /// Blocks of data, in their order.
    pub tags: Vec<Tag>,
    /// Blocks that were freed.
    pub revoked: Vec<u64>,
}

/// What the log holds.
#[derive(Debug)]
pub struct Scan {
    /// Committed transactions, in their order.
    pub transactions: Vec<Transaction>,
    /// The number that the next would have had.
    pub next_sequence: u32,
    /// Why later ones, which there may have been, do not count.
    pub fault: Option<Fault>,
}

/// Reads the log from its start to where it ends.
pub fn scan(log: &Log<'_>) -> Result<Scan, Fault> {
    let mut found = Scan { transactions: Vec::new(), next_sequence: log.sequence, fault: None };
    let mut open = Transaction { sequence: log.sequence, ..Transaction::default() };
    let mut crc = u32::MAX;
    // A block of this transaction that was written over or is damaged, and its commit's time
    // will tell which.
    let mut doubtful = false;
    let mut last_time = 0;
    let mut revoked_count = 0_usize;
    let mut position = log.start;
    let mut left = log.capacity();
    while let Some(rest) = left.checked_sub(1) {
        left = rest;
        let block = log.read(position)?;
        let (magic, kind, sequence) = (be32(&block, 0)?, be32(&block, 4)?, be32(&block, 8)?);
        if magic != MAGIC || sequence != open.sequence {
            break;
        }
        position = log.next(position);
        match kind {
            DESCRIPTOR => {
                doubtful |= !log.verifies(&block, block.len().saturating_sub(TAIL_LENGTH));
                if log.checksums == Checksums::Version1 {
                    crc = crc32_be(crc, &block);
                }
                for mut tag in tags(&block, log)? {
                    tag.position = position;
                    if log.checksums == Checksums::Version1 {
                        crc = crc32_be(crc, &log.read(position)?);
                    }
                    position = log.next(position);
                    let Some(rest) = left.checked_sub(1) else { break };
                    left = rest;
                    open.tags.push(tag);
                }
            }
            REVOKE => {
                doubtful |= !log.verifies(&block, block.len().saturating_sub(TAIL_LENGTH));
                let mut blocks = revoked(&block, log)?;
                revoked_count = revoked_count.saturating_add(blocks.len());
                if revoked_count > MAX_REVOKED {
                    return Err(Fault::limit(format!("more than {MAX_REVOKED} revoked blocks")));
                }
                open.revoked.append(&mut blocks);
            }
            COMMIT => {
                let time = be64(&block, 48)?;
                // Some sum up their fields only.
                doubtful |= !log.verifies(&block, COMMIT_CHECKSUM)
                    && !log
                        .verifies(block.get(..COMMIT_LENGTH).unwrap_or_default(), COMMIT_CHECKSUM);
                if doubtful || !sum_is_right(log, &block, crc)? {
                    // Older than the one before it: an earlier round of the log, so this is its end.
                    let is_stale = doubtful && time < last_time;
                    found.fault = (!is_stale && !log.async_commit).then(|| {
                        let sequence = open.sequence;
                        Fault::damaged(format!(
                            "transaction {sequence} is damaged; it and what followed are missing"
                        ))
                    });
                    break;
                }
                last_time = time;
                crc = u32::MAX;
                let next = open.sequence.wrapping_add(1);
                let empty = Transaction { sequence: next, ..Transaction::default() };
                found.next_sequence = next;
                found.transactions.push(std::mem::replace(&mut open, empty));
            }
            _ => break,
        }
    }
    Ok(found)
}

/// The checksum of a whole transaction; right where there is none.
fn sum_is_right(log: &Log<'_>, commit: &[u8], computed: u32) -> Result<bool, Fault> {
    if log.checksums != Checksums::Version1 {
        return Ok(true);
    }
    let (kind, size, stored) = (byte(commit, 12)?, byte(commit, 13)?, be32(commit, 16)?);
    let absent = kind == 0 && size == 0 && stored == 0;
    Ok(absent || (kind == 1 && size == 4 && stored == computed))
}

/// The tags of a descriptor block, their positions not yet known.
fn tags(block: &[u8], log: &Log<'_>) -> Result<Vec<Tag>, Fault> {
    parse_tags(block, log.checksums, log.is_64_bit)
}

fn parse_tags(block: &[u8], checksums: Checksums, is_64_bit: bool) -> Result<Vec<Tag>, Fault> {
    let tail = match checksums {
        Checksums::Version2 | Checksums::Version3 => TAIL_LENGTH,
        Checksums::None | Checksums::Version1 => 0,
    };
    let length = match (checksums, is_64_bit) {
        (Checksums::Version3, _) => 16,
        (Checksums::Version2, true) => 14,
        (Checksums::Version2, false) => 10,
        (_, true) => 12,
        (_, false) => 8,
    };
    let end = block.len().saturating_sub(tail);
    let mut found = Vec::new();
    let mut at = HEADER_LENGTH;
    while at.saturating_add(length) <= end {
        let field = |offset: usize| at.saturating_add(offset);
        let low = be32(block, at)?;
        let high = if is_64_bit { be32(block, field(8))? } else { 0 };
        let (flags, checksum) = match checksums {
            Checksums::Version3 => (be32(block, field(4))?, Some(be32(block, field(12))?)),
            Checksums::Version2 => {
                (be16(block, field(6))?.into(), Some(be16(block, field(4))?.into()))
            }
            Checksums::None | Checksums::Version1 => (be16(block, field(6))?.into(), None),
        };
        found.push(Tag {
            block: u64::from(high) << 32 | u64::from(low),
            position: 0,
            escaped: flags & ESCAPED != 0,
            checksum,
        });
        at = field(length);
        if flags & SAME_UUID == 0 {
            at = at.saturating_add(UUID_LENGTH);
        }
        if flags & LAST != 0 {
            break;
        }
    }
    Ok(found)
}

/// The numbers in a block of revoked ones.
fn revoked(block: &[u8], log: &Log<'_>) -> Result<Vec<u64>, Fault> {
    let used = to_usize(be32(block, HEADER_LENGTH)?)?;
    let numbers = block
        .get(REVOKE_HEADER..used)
        .ok_or_else(|| Fault::damaged(format!("a block of {used} bytes of revoked numbers")))?;
    let length = if log.is_64_bit { 8 } else { 4 };
    let read = |bytes: &[u8]| {
        if log.is_64_bit { be64(bytes, 0) } else { be32(bytes, 0).map(u64::from) }
    };
    numbers.chunks_exact(length).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_all_versions() {
        let check = |checksums, is_64_bit, tags: &[u8], expected: &[(u64, bool, Option<u32>)]| {
            let mut block = vec![0; 128];
            block[HEADER_LENGTH..HEADER_LENGTH + tags.len()].copy_from_slice(tags);
            let found = parse_tags(&block, checksums, is_64_bit).unwrap();
            let found: Vec<_> =
                found.iter().map(|tag| (tag.block, tag.escaped, tag.checksum)).collect();
            assert_eq!(found, expected);
        };
        let uuid = [7_u8; 16];
        let first = [&[0, 0, 0, 5, 0, 0, 0, 1], uuid.as_slice()].concat();
        let old = [first.as_slice(), &[0, 0, 0, 6, 0, 0, 0, 10]].concat();
        check(Checksums::None, false, &old, &[(5, true, None), (6, false, None)]);
        check(
            Checksums::Version2,
            true,
            &[0, 0, 0, 5, 0xab, 0xcd, 0, 10, 0, 0, 0, 1, 0, 0],
            &[(1 << 32 | 5, false, Some(0xabcd))],
        );
        check(
            Checksums::Version3,
            false,
            &[0, 0, 0, 5, 0, 0, 0, 11, 0, 0, 0, 0, 1, 2, 3, 4],
            &[(5, true, Some(0x0102_0304))],
        );
    }
}
