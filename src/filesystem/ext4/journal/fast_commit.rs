//! Fast commits: small changes (a name, an inode, a range of blocks) behind the log, since the
//! last full transaction.
//!
//! Follows `fs/ext4/fast_commit.h` and `Documentation/filesystems/ext4/journal.rst`: records of tag
//! and length, from a head with the number of the transaction to a tail with a checksum. A commit
//! without a whole tail never happened.

use super::log::Log;
use crate::filesystem::bytes::{array, le16, le32, slice};
use crate::filesystem::ext4::checksum::crc32c;
use crate::filesystem::ext4::extents;
use crate::model::{Fault, FaultKind};

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
/// What is kept of all commits together, in bytes: 16 times what mke2fs makes room for.
const MAX_BYTES: usize = 16 << 20;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An inode as it is now, without `i_block` and what lies behind its fields.
    Inode {
        /// Its number.
        number: u32,
        /// Its bytes.
        raw: Box<[u8]>,
    },
    /// Blocks of a file lie elsewhere, or are a hole.
    Range {
        /// Whose.
        inode: u32,
        /// The first of them in the file.
        logical: u64,
        /// How many.
        blocks: u64,
        /// The first of them on the device; `None` for a hole and for what was never written.
        first: Option<u64>,
    },
    /// A name in a directory came or went.
    Name {
        /// The directory.
        directory: u32,
        /// What it names.
        inode: u32,
        /// The name.
        name: Box<[u8]>,
        /// How.
        event: Event,
    },
}

/// What happened to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// With the inode.
    Created,
    /// To an inode that was there.
    Linked,
    /// It is gone.
    Unlinked,
}

/// What is read so far.
#[derive(Default)]
struct Found {
    crc: u32,
    /// Steps since the last whole commit.
    pending: Vec<Step>,
    steps: Vec<Step>,
    bytes: usize,
}

/// The changes of all whole commits after the transaction before `sequence`, in their order, and
/// what could not be read.
pub fn steps(log: &Log<'_>, sequence: u32) -> (Vec<Step>, Option<Fault>) {
    if !log.has_fast_commits {
        return (Vec::new(), None);
    }
    let mut found = Found::default();
    let mut fault = None;
    for (index, position) in log.fast_positions().enumerate() {
        match log.read(position) {
            Ok(block) => match read(&block, sequence, index == 0, &mut found) {
                Ok(true) => continue,
                // Behind the last whole commit lies what was there before.
                Ok(false) => {}
                Err(one) => fault = Some(one).filter(|one| one.kind != FaultKind::Damaged),
            },
            Err(one) => fault = Some(one),
        }
        break;
    }
    (found.steps, fault)
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
                found.steps.append(&mut found.pending);
            }
            HEAD if le32(value, 4)? != sequence => return Ok(false),
            HEAD if le32(value, 0)? != 0 => {
                let features = le32(value, 0)?;
                return Err(Fault::unsupported(format!("with the features {features:#x}")));
            }
            HEAD | PADDING => found.crc = crc32c(found.crc, whole),
            _ => {
                let Some(step) = step(tag, value)? else { return Ok(false) };
                found.crc = crc32c(found.crc, whole);
                found.bytes = found.bytes.saturating_add(length).saturating_add(size_of::<Step>());
                if found.bytes > MAX_BYTES {
                    return Err(Fault::limit(format!("more than {MAX_BYTES} bytes of them")));
                }
                found.pending.push(step);
            }
        }
        at = at.saturating_add(HEADER_LENGTH).saturating_add(length);
    }
    Ok(true)
}

/// `None` for a tag that nobody knows.
fn step(tag: u16, value: &[u8]) -> Result<Option<Step>, Fault> {
    let number = le32(value, 0)?;
    let event = match tag {
        INODE => {
            let raw = value.get(4..).unwrap_or_default().into();
            return Ok(Some(Step::Inode { number, raw }));
        }
        ADD_RANGE => {
            let (logical, blocks, first) = extents::range(&array::<12>(value, 4)?)?;
            return Ok(Some(Step::Range { inode: number, logical, blocks, first }));
        }
        DELETE_RANGE => {
            let (logical, blocks) = (le32(value, 4)?.into(), le32(value, 8)?.into());
            return Ok(Some(Step::Range { inode: number, logical, blocks, first: None }));
        }
        CREATE => Event::Created,
        LINK => Event::Linked,
        UNLINK => Event::Unlinked,
        _ => return Ok(None),
    };
    let name = value.get(8..).unwrap_or_default().into();
    Ok(Some(Step::Name { directory: number, inode: le32(value, 4)?, name, event }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(tag: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap();
        [&tag.to_le_bytes()[..], &length.to_le_bytes(), value].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// A commit of transaction 7 with the right checksum.
    fn commit(records: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = record(HEAD, &words(&[0, 7]));
        bytes.extend(records.concat());
        let tail = [record(TAIL, &[0; 8])[..HEADER_LENGTH].to_vec(), words(&[7])].concat();
        bytes.extend(&tail);
        let crc = crc32c(0, &bytes);
        bytes.extend(crc.to_le_bytes());
        bytes
    }

    fn check(block: &[u8], expected: &[Step], goes_on: bool) {
        let mut found = Found::default();
        let result = read(block, 7, true, &mut found);
        assert_eq!(found.steps, expected);
        assert_eq!(result.unwrap_or(false), goes_on);
    }

    #[test]
    fn whole_commits_count() {
        let name = [words(&[2, 12]), b"name".to_vec()].concat();
        let extent = [words(&[12, 5]), vec![3, 0, 0, 0], words(&[100])].concat();
        let steps = [
            Step::Inode { number: 12, raw: vec![1, 2].into() },
            Step::Name { directory: 2, inode: 12, name: (*b"name").into(), event: Event::Linked },
            Step::Range { inode: 12, logical: 5, blocks: 3, first: Some(100) },
            Step::Range { inode: 12, logical: 9, blocks: 2, first: None },
        ];
        let inode = [words(&[12]), vec![1, 2]].concat();
        let first = commit(&[record(INODE, &inode), record(LINK, &name)]);
        let removed = record(DELETE_RANGE, &words(&[12, 9, 2]));
        let second = commit(&[record(ADD_RANGE, &extent), removed]);
        check(&[first.clone(), second.clone()].concat(), &steps, true);
        let cut = second.len() - 5;
        check(&[&first[..], &second[..cut]].concat(), &steps[..2], false);
        let mut damaged = second;
        damaged[30] ^= 1;
        check(&[first.clone(), damaged].concat(), &steps[..2], false);
        check(&record(HEAD, &words(&[0, 6])), &[], false);
        check(&record(INODE, &inode), &[], false);
        let mut found = Found::default();
        let fault = read(&record(HEAD, &words(&[4, 7])), 7, true, &mut found).unwrap_err();
        assert_eq!(fault.to_string(), "with the features 0x4");
    }
}
