//! What a rescan may take over from the scan before it.
//!
//! For every directory that was read without a gap, a scan leaves a record: its inode, a
//! fingerprint of everything that `stat` says of its entries, the inode of each entry, and the ids
//! of its tree. A rescan that meets the same fingerprint takes the tree over; one that does not
//! takes over the entries that have not changed. Change times cannot be set by a user, but by
//! whoever sets the clock or writes to the disk below: so a random few of the trusted directories
//! are read anyway, and one contradiction ends all trust.
//!
//! The records of one target are one blob, opaque to the store: a count, then fixed-size rows
//! sorted by inode, then the inode lists that the rows point to, each followed by the numbers of the
//! entries that say what they were built from.

use crate::filesystem::Metadata;
use crate::model::{ContentId, ExactId, Fact, Name, Timestamp, TreePath, TreeSource};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Length of a fingerprint, and of what names a state of this format: records made by another
/// are not used.
const FINGERPRINT: usize = 16;

/// First bytes of the blob; changed with the format, and whenever the walk would tell other
/// entries to speak of their build.
const MAGIC: &[u8; 8] = b"dctrust2";

/// Device, inode, fingerprint, content id, exact id, offset and count of the inode list, count of
/// the numbers behind it.
const ROW: usize = 8 + 8 + FINGERPRINT + 32 + 32 + 4 + 4 + 4;

/// Times younger than this before the scan's start may belong to a change that the same tick of
/// the clock hides (FAT counts in 2 s).
const RACY_SECONDS: i64 = 2;

/// One in so many trusted directories is read anyway.
const SAMPLE_ONE_IN: u64 = 128;

/// As many bytes are read anyway at most, so that a rescan stays as cheap as its promise.
const SAMPLE_BYTES: u64 = 16 * 1024 * 1024;

/// What an earlier scan of the same target left.
#[derive(Clone, Copy)]
pub struct Previous<'a> {
    /// What the walk left.
    pub cache: &'a [u8],
    /// What the collectors left.
    pub memo: &'a [u8],
    /// Where its trees are.
    pub source: &'a dyn TreeSource,
}

/// What was known of one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// File system and inode number.
    pub inode: (u64, u64),
    /// All zeros where it may not be trusted as a whole.
    pub fingerprint: [u8; FINGERPRINT],
    /// Of its tree.
    pub content: ContentId,
    /// Of its tree.
    pub exact: ExactId,
    /// Of each entry, in the order of names; 0 where the entry may not be trusted.
    pub inodes: Vec<u64>,
    /// Numbers of the entries that say what they were built from
    /// ([`crate::collect::BUILD_INFO`]), in order.
    pub speaking: Vec<u32>,
}

impl Record {
    /// Whether the directory is as it was.
    pub(super) fn is_same(&self, fingerprint: &[u8; FINGERPRINT]) -> bool {
        self.fingerprint == *fingerprint && self.fingerprint != [0; FINGERPRINT]
    }
}

/// The blob, looked into without unpacking it.
pub(super) struct Trust<'a> {
    rows: &'a [u8],
    lists: &'a [u8],
    sampled: AtomicU64,
    seed: u64,
}

impl<'a> Trust<'a> {
    /// `None` where the blob is of another format or damaged.
    pub(super) fn new(cache: &'a [u8], seed: u64) -> Option<Self> {
        let rest = cache.strip_prefix(MAGIC)?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*count)).ok()?.checked_mul(ROW)?;
        let (rows, lists) = rest.split_at_checked(length)?;
        Some(Self { rows, lists, sampled: AtomicU64::new(0), seed })
    }

    /// What is known of the directory with this inode.
    pub(super) fn get(&self, inode: (u64, u64)) -> Option<Record> {
        let (mut low, mut high) = (0, self.rows.len() / ROW);
        while low < high {
            let middle = low.midpoint(high);
            let record = self.row(middle)?;
            match record.inode.cmp(&inode) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return self.with_list(middle, record),
            }
        }
        None
    }

    fn bytes<const N: usize>(&self, row: usize, at: usize) -> Option<[u8; N]> {
        let start = row.checked_mul(ROW)?.checked_add(at)?;
        self.rows.get(start..start.checked_add(N)?)?.try_into().ok()
    }

    fn row(&self, row: usize) -> Option<Record> {
        Some(Record {
            inode: (
                u64::from_le_bytes(self.bytes(row, 0)?),
                u64::from_le_bytes(self.bytes(row, 8)?),
            ),
            fingerprint: self.bytes(row, 16)?,
            content: ContentId(self.bytes(row, 32)?),
            exact: ExactId(self.bytes(row, 64)?),
            inodes: Vec::new(),
            speaking: Vec::new(),
        })
    }

    fn with_list(&self, row: usize, mut record: Record) -> Option<Record> {
        let offset = usize::try_from(u32::from_le_bytes(self.bytes(row, 96)?)).ok()?;
        let count = usize::try_from(u32::from_le_bytes(self.bytes(row, 100)?)).ok()?;
        let speaking = usize::try_from(u32::from_le_bytes(self.bytes(row, 104)?)).ok()?;
        let numbers = offset.checked_add(count.checked_mul(8)?)?;
        let end = numbers.checked_add(speaking.checked_mul(4)?)?;
        let (inodes, _) = self.lists.get(offset..numbers)?.as_chunks();
        record.inodes = inodes.iter().copied().map(u64::from_le_bytes).collect();
        let (numbers, _) = self.lists.get(numbers..end)?.as_chunks();
        record.speaking = numbers.iter().copied().map(u32::from_le_bytes).collect();
        Some(record)
    }

    /// Whether a directory with so many bytes of files is read although it could be trusted.
    pub(super) fn is_sampled(&self, inode: (u64, u64), bytes: u64) -> bool {
        let mut key = self.seed.to_le_bytes().to_vec();
        key.extend(inode.1.to_le_bytes());
        let drawn = blake3::hash(&key);
        let number = drawn.as_bytes().first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        number.is_multiple_of(SAMPLE_ONE_IN)
            && self.sampled.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes)
                <= SAMPLE_BYTES
    }
}

/// The records of a scan that is under way, each as short as it will be in the blob.
#[derive(Default)]
pub(super) struct Records {
    rows: Vec<PackedRow>,
    lists: Vec<u8>,
}

/// A row but for its offset, and where its lists are.
struct PackedRow {
    inode: (u64, u64),
    fingerprint: [u8; FINGERPRINT],
    content: ContentId,
    exact: ExactId,
    offset: usize,
    inodes: u32,
    speaking: u32,
}

impl PackedRow {
    /// Of the lists, in bytes.
    fn length(&self) -> usize {
        8 * self.inodes as usize + 4 * self.speaking as usize
    }
}

impl Records {
    /// Takes one in; one with more entries than a list can have is forgotten.
    pub(super) fn push(&mut self, record: &Record) {
        let Record { inode, fingerprint, content, exact, inodes, speaking } = record;
        let counts = (u32::try_from(inodes.len()), u32::try_from(speaking.len()));
        let (Ok(inode_count), Ok(speaking_count)) = counts else { return };
        self.rows.push(PackedRow {
            inode: *inode,
            fingerprint: *fingerprint,
            content: *content,
            exact: *exact,
            offset: self.lists.len(),
            inodes: inode_count,
            speaking: speaking_count,
        });
        self.lists.extend(inodes.iter().flat_map(|inode| inode.to_le_bytes()));
        self.lists.extend(speaking.iter().flat_map(|number| number.to_le_bytes()));
    }

    /// The blob; the same records give the same bytes, in whatever order they came.
    pub(super) fn pack(mut self) -> Vec<u8> {
        self.rows.sort_unstable_by_key(|row| row.inode);
        self.rows.dedup_by_key(|row| row.inode);
        let Ok(count) = u32::try_from(self.rows.len()) else { return Vec::new() };
        let lists: usize = self.rows.iter().map(PackedRow::length).sum();
        if u32::try_from(lists).is_err() {
            // Beyond 4 GiB of inode numbers: nothing is remembered, the next scan reads all.
            return Vec::new();
        }
        let mut out = Vec::with_capacity(MAGIC.len() + 4 + self.rows.len() * ROW + lists);
        out.extend_from_slice(MAGIC);
        out.extend(count.to_le_bytes());
        let mut offset = 0_u32;
        for row in &self.rows {
            out.extend(row.inode.0.to_le_bytes());
            out.extend(row.inode.1.to_le_bytes());
            out.extend(row.fingerprint);
            out.extend(row.content.as_bytes());
            out.extend(row.exact.as_bytes());
            out.extend(offset.to_le_bytes());
            out.extend(row.inodes.to_le_bytes());
            out.extend(row.speaking.to_le_bytes());
            offset = offset.saturating_add(u32::try_from(row.length()).unwrap_or(u32::MAX));
        }
        for row in &self.rows {
            let end = row.offset.saturating_add(row.length());
            out.extend_from_slice(self.lists.get(row.offset..end).unwrap_or_default());
        }
        out
    }
}

/// The fingerprint of a directory's entries, sorted by name, and the inodes that go with it.
pub(super) fn fingerprint(
    entries: &[(Name, Metadata)],
    scanned_at: Timestamp,
) -> ([u8; FINGERPRINT], Vec<u64>) {
    let limit = scanned_at.seconds.saturating_sub(RACY_SECONDS);
    let mut hasher = blake3::Hasher::new();
    let mut line = Vec::with_capacity(128);
    let mut inodes = Vec::with_capacity(entries.len());
    let mut is_racy = false;
    for (name, metadata) in entries {
        let changed = metadata.ctime.unwrap_or(metadata.mtime);
        let entry_is_racy = changed.seconds >= limit || metadata.ctime.is_none();
        is_racy |= entry_is_racy;
        inodes.push(if entry_is_racy { 0 } else { metadata.inode.1 });
        line.clear();
        line.extend((name.as_bytes().len() as u64).to_le_bytes());
        line.extend_from_slice(name.as_bytes());
        line.push(metadata.kind as u8);
        line.extend(metadata.mode.to_le_bytes());
        line.extend(metadata.uid.to_le_bytes());
        line.extend(metadata.gid.to_le_bytes());
        line.extend(metadata.links.to_le_bytes());
        line.extend(metadata.size.to_le_bytes());
        for time in [metadata.mtime, changed] {
            line.extend(time.seconds.to_le_bytes());
            line.extend(time.nanoseconds.to_le_bytes());
        }
        let device = metadata.device.map_or((0, 0), |device| (device.major, device.minor));
        line.extend(device.0.to_le_bytes());
        line.extend(device.1.to_le_bytes());
        line.extend(metadata.inode.0.to_le_bytes());
        line.extend(metadata.inode.1.to_le_bytes());
        hasher.update(&line);
    }
    let mut fingerprint = [0; FINGERPRINT];
    if !is_racy {
        hasher.finalize_xof().fill(&mut fingerprint);
    }
    (fingerprint, inodes)
}

/// What a sample found: bytes that changed while all times stayed.
#[derive(Clone, Debug)]
pub(super) struct Contradiction {
    /// For the manifest.
    pub fact: Option<Fact>,
}

impl Contradiction {
    /// In this directory.
    pub(super) fn at(path: &TreePath) -> Self {
        let what = "entries changed while their inodes, sizes and times stayed";
        let fact = Fact {
            scope: "integrity".to_owned(),
            key: path.to_string(),
            attributes: BTreeMap::from([("times".to_owned(), what.to_owned())]),
            evidence: Some(path.clone()),
        };
        Self { fact: Some(fact) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let record = |number: u64| Record {
            inode: (1, number),
            fingerprint: [7; FINGERPRINT],
            content: ContentId([1; 32]),
            exact: ExactId([2; 32]),
            inodes: (0..number).collect(),
            speaking: (0..number).step_by(2).map(|n| u32::try_from(n).unwrap()).collect(),
        };
        let mut records = Records::default();
        [5, 1, 3].iter().for_each(|number| records.push(&record(*number)));
        let blob = records.pack();
        let trust = Trust::new(&blob, 0).unwrap();
        for number in 0..7 {
            let expected = [1, 3, 5].contains(&number).then(|| record(number));
            assert_eq!(trust.get((1, number)), expected);
        }
        for cut in 0..blob.len() {
            if let Some(trust) = Trust::new(&blob[..cut], 0) {
                assert_ne!(trust.get((1, 5)), Some(record(5)));
            }
        }
    }
}
