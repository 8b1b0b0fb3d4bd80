//! The log: whether it holds changes that are not in their places yet.
//!
//! Follows `fs/xfs/xfs_log_recover.c`: every sector of the log begins with the number of the round
//! in which it was written, so that the head is found by halving; the last record before it tells
//! where the tail was. A log whose last record says that the file system was unmounted, or whose
//! head and tail meet, has nothing to replay. Replay is not done: what a dirty log holds is said.

use super::superblock::Superblock;
use super::volume::Volume;
use crate::filesystem::bytes::{array, be32, be64, byte, to_usize};
use crate::model::Fault;

/// The log is addressed by these.
const SECTOR: usize = 512;
const MAGIC: u32 = 0xfeed_babe;
/// A record with its headers is shorter (256 KiB); several may have been cut off.
const MAX_BACK: u64 = (4 << 20) / 512;
/// Sectors read at once on the way back.
const STEP: u64 = 128;
/// Data that one header sector covers.
const COVERED: u32 = 32 << 10;
/// In the flags of an operation: the file system was unmounted.
const UNMOUNTED: u8 = 0x20;
const FLAGS_AT: usize = 9;

/// What the tree may lack, as faults of the top directory; empty where the log is clean.
pub fn faults(volume: &Volume) -> Vec<Fault> {
    let fault = if volume.superblock.log_start == 0 {
        Fault::unsupported(
            "the log lies on another device; the tree may lack what that log still holds",
        )
    } else {
        match is_clean(volume) {
            Ok(true) => return Vec::new(),
            Ok(false) => Fault::unsupported(
                "the log holds changes that are not in their places yet, because the file system \
                 was not unmounted; the tree may lag behind by them and contradict itself \
                 (mounting and unmounting it once replays them)",
            ),
            Err(fault) => fault
                .within("the log cannot be read; the tree may lack changes that it still holds"),
        }
    };
    vec![fault]
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
    let wrap = |sector: u64| sector.checked_rem(log.sectors).unwrap_or(0);
    let data = at.saturating_add(record.header_sectors);
    let is_last = wrap(data.saturating_add(record.data_sectors)) == head;
    if !is_last || record.operations != 1 {
        return Ok(false);
    }
    let operation = log.read(wrap(data), 1)?;
    Ok(byte(&operation, FLAGS_AT)? & UNMOUNTED != 0)
}

/// The header of a record (`xlog_rec_header`).
#[derive(Debug, PartialEq, Eq)]
struct Record {
    header_sectors: u64,
    data_sectors: u64,
    operations: u32,
    /// The sector of the oldest change that is not in its place.
    tail: u64,
}

impl Record {
    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let version = be32(bytes, 8)?;
        let data = be32(bytes, 12)?;
        let size = if version & 2 != 0 { be32(bytes, 320)? } else { 0 };
        let tail = u32::from_be_bytes(array(&be64(bytes, 24)?.to_be_bytes(), 4)?);
        Ok(Self {
            header_sectors: size.div_ceil(COVERED).max(1).into(),
            data_sectors: u64::from(data).div_ceil(SECTOR as u64),
            operations: be32(bytes, 40)?,
            tail: tail.into(),
        })
    }
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
