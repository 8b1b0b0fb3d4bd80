//! The log: whether it holds changes that are not in their places yet, and those changes.
//!
//! Follows `fs/xfs/xfs_log_recover.c`: every sector of the log begins with the number of the round
//! in which it was written, so that the head is found by halving; the last record before it tells
//! where the tail was. A log whose last record says that the file system was unmounted, or whose
//! head and tail meet, has nothing to replay. Else everything from tail to head is replayed in
//! memory; nothing is written. A log that cannot be replayed (another order of bytes, more than is
//! kept in memory, damage) is left alone as a whole, and what that means is said.
//!
//! | file | what it reads |
//! |---|---|
//! | [`record`] | records: checksums, data with their own first bytes |
//! | [`transaction`] | operations put together into what each transaction changed |
//! | [`replay`], [`inode`] | those changes as sectors |
//! | [`patched`] | the device with these sectors |

mod inode;
mod patched;
mod record;
mod replay;
mod transaction;

pub use patched::Patched;
pub use replay::Changes;

use super::superblock::Superblock;
use super::volume::Volume;
use crate::filesystem::bytes::{be32, byte, to_usize};
use crate::model::Fault;
use record::Record;
use transaction::Transactions;

/// The log is addressed by these.
const SECTOR: usize = 512;
const MAGIC: u32 = 0xfeed_babe;
/// A record with its headers is shorter (256 KiB); several may have been cut off.
const MAX_BACK: u64 = (4 << 20) / 512;
/// Sectors read at once on the way back.
const STEP: u64 = 128;
/// Buffers of the log that are written at once: as many records at its end may be torn.
const MAX_TORN: usize = 8;
/// These, of 256 KiB each.
const MAX_AT_ONCE: u64 = (2 << 20) / 512;
/// In the flags of an operation: the file system was unmounted.
const UNMOUNTED: u8 = 0x20;
const FLAGS_AT: usize = 9;

/// What the log holds that is not in its place; faults of the top directory where it could not be
/// had.
pub fn changes(volume: &Volume) -> Changes {
    let only = |fault| Changes { faults: vec![fault], ..Changes::default() };
    if volume.superblock.log_start == 0 {
        return only(Fault::unsupported(
            "the log lies on another device; the tree may lack what that log still holds",
        ));
    }
    match is_clean(volume) {
        Ok(true) => Changes::default(),
        Ok(false) => replay_all(volume).unwrap_or_else(|fault| {
            only(fault.within(
                "the log holds changes that are not in their places yet, because the file system \
                 was not unmounted, and could not be replayed; the tree may lag behind by them and \
                 contradict itself (mounting and unmounting it once replays them)",
            ))
        }),
        Err(fault) => only(
            fault.within("the log cannot be read; the tree may lack changes that it still holds"),
        ),
    }
}

/// The log's sectors.
struct Log<'a> {
    volume: &'a Volume,
    start: u64,
    sectors: u64,
}

impl<'a> Log<'a> {
    fn open(volume: &'a Volume) -> Result<Self, Fault> {
        let superblock: &Superblock = &volume.superblock;
        let blocks = u64::from(superblock.log_blocks);
        let first = superblock.device_block(superblock.log_start, blocks)?;
        let size = u64::from(superblock.block_size);
        let sectors = blocks.saturating_mul(u64::from(superblock.block_size / 512));
        if sectors < 2 {
            return Err(Fault::damaged(format!("a log of {sectors} sectors")));
        }
        Ok(Self { volume, start: first.saturating_mul(size), sectors })
    }

    /// Sectors from `at` on; the caller bounds the count.
    fn read(&self, at: u64, count: u64) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; to_usize(count)?.saturating_mul(SECTOR)];
        let offset = at.saturating_mul(SECTOR as u64);
        self.volume.read_bytes(self.start.saturating_add(offset), &mut bytes)?;
        Ok(bytes)
    }

    /// A sector by its number, which may lie behind the end.
    fn wrap(&self, sector: u64) -> u64 {
        sector.checked_rem(self.sectors).unwrap_or(0)
    }

    /// Sectors that may go on at the beginning.
    fn read_around(&self, at: u64, count: u64) -> Result<Vec<u8>, Fault> {
        let first = count.min(self.sectors.saturating_sub(at));
        let mut bytes = self.read(at, first)?;
        bytes.extend(self.read(0, count.saturating_sub(first).min(at))?);
        if to_usize(count)?.saturating_mul(SECTOR) != bytes.len() {
            return Err(Fault::damaged(format!(
                "a record of {count} sectors, longer than the log"
            )));
        }
        Ok(bytes)
    }

    /// The round in which a sector was written.
    fn round(&self, at: u64) -> Result<u32, Fault> {
        let bytes = self.read(at, 1)?;
        let first = be32(&bytes, 0)?;
        if first == MAGIC { be32(&bytes, 4) } else { Ok(first) }
    }

    /// The first sector of the round before the last one; 0 where all are of one round.
    fn head(&self) -> Result<u64, Fault> {
        let last = self.round(self.sectors.saturating_sub(1))?;
        if self.round(0)? == last {
            return Ok(0);
        }
        // `low` is of the newer round, `high` of the older.
        let (mut low, mut high) = (0, self.sectors.saturating_sub(1));
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            if self.round(middle)? == last {
                high = middle;
            } else {
                low = middle;
            }
        }
        Ok(high)
    }

    /// The head, or before it the first sector that the last writes left out, which is of the round
    /// before: they were made at once and ended in any order.
    fn whole_head(&self, head: u64) -> Result<u64, Fault> {
        let first = head.saturating_sub(MAX_AT_ONCE);
        let Some(before) = head.checked_sub(1) else { return Ok(head) };
        let wanted = self.round(before)?;
        let bytes = self.read(first, head.saturating_sub(first))?;
        for (sector, at) in bytes.chunks_exact(SECTOR).zip(first..) {
            let own = be32(sector, 0)?;
            let round = if own == MAGIC { be32(sector, 4)? } else { own };
            if round.checked_add(1) == Some(wanted) {
                return Ok(at);
            }
        }
        Ok(head)
    }

    /// Whether from a record that is not whole to the head there is no more than is written at once.
    /// Otherwise it was whole once, and is damaged.
    fn is_torn_end(&self, at: u64, head: u64) -> Result<bool, Fault> {
        let count = match head.checked_sub(at) {
            Some(count) => count,
            None => self.sectors.saturating_sub(at).saturating_add(head),
        };
        // Headers lie between the buffers.
        if count > MAX_AT_ONCE.saturating_mul(2) {
            return Ok(false);
        }
        let bytes = self.read_around(at, count)?;
        let sectors = bytes.chunks_exact(SECTOR);
        let headers = sectors.filter(|sector| be32(sector, 0).is_ok_and(|magic| magic == MAGIC));
        Ok(headers.count() <= MAX_TORN)
    }

    /// The last record that begins before `head`: where, and its header.
    fn last_record(&self, head: u64) -> Result<(u64, Vec<u8>), Fault> {
        let mut end = if head == 0 { self.sectors } else { head };
        let mut left = MAX_BACK.min(self.sectors);
        while left > 0 {
            let count = end.min(STEP).min(left);
            let first = end.saturating_sub(count);
            let bytes = self.read(first, count)?;
            let (sectors, _) = bytes.as_chunks::<SECTOR>();
            let is_header = |sector: &[u8; SECTOR]| be32(sector, 0).is_ok_and(|x| x == MAGIC);
            if let Some(index) = sectors.iter().rposition(is_header)
                && let Some(sector) = sectors.get(index)
            {
                return Ok((first.saturating_add(index as u64), sector.to_vec()));
            }
            left = left.saturating_sub(count);
            end = if first == 0 { self.sectors } else { first };
        }
        Err(Fault::damaged("no record lies before its head"))
    }
}

/// What came of reading the log from its tail on.
enum Outcome {
    Whole(Transactions),
    /// A record is not whole; the one before it, if there is any.
    Torn {
        at: u64,
        before: Option<u64>,
    },
}

/// Replays the log, without the records at its end that are not whole.
fn replay_all(volume: &Volume) -> Result<Changes, Fault> {
    let log = Log::open(volume)?;
    let end = log.head()?;
    let mut head = log.whole_head(end)?;
    let (mut last, _) = log.last_record(head)?;
    for _ in 0..=MAX_TORN {
        match gather(&log, last, head)? {
            Outcome::Whole(found) => return replay::replay(volume, &found.committed),
            Outcome::Torn { at, .. } if !log.is_torn_end(at, end)? => {
                return Err(Fault::damaged(format!("the record at its sector {at} is not whole")));
            }
            Outcome::Torn { at, before: Some(before) } => (head, last) = (at, before),
            // The tail of the one that is torn is not to be trusted either.
            Outcome::Torn { at, before: None } if at == last => {
                head = at;
                last = log.last_record(head)?.0;
            }
            Outcome::Torn { at, before: None } => {
                return Err(Fault::damaged(format!("no record lies at its tail, sector {at}")));
            }
        }
    }
    Err(Fault::damaged("its last records are torn"))
}

/// Reads from the tail, as the record at `last` has it, up to the head.
fn gather(log: &Log<'_>, last: u64, head: u64) -> Result<Outcome, Fault> {
    let mut at = Record::parse(&log.read(last, 1)?)?.tail;
    let mut found = Transactions::default();
    let mut before = None;
    let mut left = log.sectors;
    while at != head {
        if at >= log.sectors {
            return Err(Fault::damaged(format!("a tail at sector {at} of {}", log.sectors)));
        }
        let Some((record, data)) = record::read(log, at)? else {
            return Ok(Outcome::Torn { at, before });
        };
        found.take(&data, record.operations)?;
        before = Some(at);
        let length = record.header_sectors.saturating_add(record.data_sectors);
        left = left
            .checked_sub(length)
            .ok_or_else(|| Fault::damaged("its records go round more than once"))?;
        at = record.next(log, at);
    }
    Ok(Outcome::Whole(found))
}

/// Whether nothing is left to replay.
fn is_clean(volume: &Volume) -> Result<bool, Fault> {
    let log = Log::open(volume)?;
    if log.round(0)? == 0 {
        // Nothing was ever written.
        return Ok(true);
    }
    let head = log.head()?;
    let (at, bytes) = log.last_record(head)?;
    let record = Record::parse(&bytes)?;
    if record.tail == head {
        return Ok(true);
    }
    let data = at.saturating_add(record.header_sectors);
    let is_last = log.wrap(data.saturating_add(record.data_sectors)) == head;
    if !is_last || record.operations != 1 {
        return Ok(false);
    }
    let operation = log.read(log.wrap(data), 1)?;
    Ok(byte(&operation, FLAGS_AT)? & UNMOUNTED != 0)
}

#[cfg(test)]
mod tests {
    use super::super::superblock;
    use super::*;
    use crate::block::MemoryDevice;
    use std::sync::Arc;

    /// The round of a sector; where a record begins: data bytes, tail and flags of its operation.
    type Sector = (u32, Option<(u32, u32, u8)>);

    /// Makes a log of 8 sectors: 4096 bytes at block 10.
    fn check(sectors: [Sector; 8], expected: Option<bool>) {
        let mut bytes = superblock::tests::bytes();
        bytes[48..56].copy_from_slice(&10_u64.to_be_bytes());
        bytes[96..100].copy_from_slice(&1_u32.to_be_bytes());
        bytes.resize(11 * 4096, 0);
        for (index, (round, record)) in sectors.into_iter().enumerate() {
            let at = 10 * 4096 + index * SECTOR;
            let mut put = |offset: usize, value: u32| {
                bytes[at + offset..][..4].copy_from_slice(&value.to_be_bytes());
            };
            put(0, round);
            if let Some((length, tail, flags)) = record {
                for (offset, value) in
                    [(0, MAGIC), (4, round), (8, 2), (12, length), (28, tail), (40, 1), (320, 512)]
                {
                    put(offset, value);
                }
                let operation = 10 * 4096 + (index + 1) % 8 * SECTOR;
                bytes[operation + FLAGS_AT] = flags;
            }
        }
        let volume = Volume::open(Arc::new(MemoryDevice::new(bytes))).unwrap();
        assert_eq!(is_clean(&volume).ok(), expected, "{sectors:?}");
    }

    #[test]
    fn the_last_record_decides() {
        let none = (0, None);
        let one = (1, None);
        // Never written; unmounted; a change at its end; head and tail meet.
        check([none; 8], Some(true));
        let unmounted = (1, Some((512, 0, UNMOUNTED)));
        check([unmounted, one, none, none, none, none, none, none], Some(true));
        let change = (1, Some((512, 0, 0)));
        check([unmounted, one, change, one, none, none, none, none], Some(false));
        let met = (1, Some((512, 4, 0)));
        check([unmounted, one, met, one, none, none, none, none], Some(true));
        // The log goes round: the last record lies before the head, which lies at the beginning.
        let last = (1, Some((512, 2, UNMOUNTED)));
        check([unmounted, one, change, one, change, one, last, one], Some(true));
        let second = (2, Some((512, 6, 0)));
        check([second, (2, None), change, one, change, one, change, one], Some(false));
        // Cut off behind the record of the unmount.
        let torn = (1, Some((1024, 0, UNMOUNTED)));
        check([torn, one, none, none, none, none, none, none], Some(false));
        check([one, one, none, none, none, none, none, none], None);
    }
}
