//! Records of the log: a header of a sector or several, then data whose sectors begin with the
//! number of the round instead of their own first bytes, which the header keeps.
//!
//! Follows `xlog_rec_header` in `fs/xfs/libxfs/xfs_log_format.h` and `xlog_recover_process` in
//! `fs/xfs/xfs_log_recover.c`. A record that is not whole (a sector of another round, a wrong
//! checksum) is torn: at the end of the log that is where the machine stopped.

use super::{Log, MAGIC, SECTOR};
use crate::filesystem::bytes::{array, be32, be64, slice, to_usize};
use crate::model::Fault;

/// Data that one header sector covers.
const COVERED: u32 = 32 << 10;
/// Sectors that one header sector covers.
const COVERED_SECTORS: usize = 64;
/// The largest buffer of the log (256 KiB); some are written with as much again for rounding.
const MAX_DATA: u32 = 1 << 20;
/// Of a header, what has a checksum: on 64-bit machines, and on 32-bit ones.
const HEADER_LENGTHS: [usize; 2] = [328, 324];
/// Of a further header sector likewise.
const FURTHER_LENGTH: usize = 4 + 4 * COVERED_SECTORS;
const CRC_AT: usize = 32;
/// Numbers are little endian, as on all machines of today but one.
const LITTLE_ENDIAN: u32 = 1;

/// The header of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub header_sectors: u64,
    pub data_sectors: u64,
    pub operations: u32,
    /// The sector of the oldest change that is not in its place.
    pub tail: u64,
    round: u32,
    length: u32,
    format: u32,
}

impl Record {
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let version = be32(bytes, 8)?;
        let length = be32(bytes, 12)?;
        let size = if version & 2 != 0 { be32(bytes, 320)? } else { 0 };
        if size > MAX_DATA {
            return Err(Fault::damaged(format!("a record of the log for {size} bytes")));
        }
        let tail = u32::from_be_bytes(array(&be64(bytes, 24)?.to_be_bytes(), 4)?);
        Ok(Self {
            header_sectors: size.div_ceil(COVERED).max(1).into(),
            data_sectors: u64::from(length).div_ceil(SECTOR as u64),
            operations: be32(bytes, 40)?,
            tail: tail.into(),
            round: be32(bytes, 4)?,
            length,
            format: be32(bytes, 300)?,
        })
    }

    /// Where the next one begins.
    pub fn next(&self, log: &Log<'_>, at: u64) -> u64 {
        log.wrap(at.saturating_add(self.header_sectors).saturating_add(self.data_sectors))
    }
}

/// Reads the record at a sector with its data as they were; `None` where it is torn.
pub fn read(log: &Log<'_>, at: u64) -> Result<Option<(Record, Vec<u8>)>, Fault> {
    let first = log.read(at, 1)?;
    if be32(&first, 0)? != MAGIC {
        return Ok(None);
    }
    let record = Record::parse(&first)?;
    if record.length > MAX_DATA {
        return Ok(None);
    }
    if record.format != LITTLE_ENDIAN {
        return Err(Fault::unsupported(format!("a log of the format {}", record.format)));
    }
    let header = log.read_around(at, record.header_sectors)?;
    let data_at = at.saturating_add(record.header_sectors);
    let mut data = log.read_around(log.wrap(data_at), record.data_sectors)?;
    let length = to_usize(record.length)?;
    if !has_its_round(log, &record, data_at, &data)? || !is_right(log, &header, &data, length)? {
        return Ok(None);
    }
    for (index, sector) in data.chunks_exact_mut(SECTOR).enumerate() {
        let (part, within) = (index / COVERED_SECTORS, index % COVERED_SECTORS);
        let table = part.saturating_mul(SECTOR).saturating_add(if part == 0 { 44 } else { 4 });
        let own = slice(&header, table.saturating_add(within.saturating_mul(4)), 4)?;
        for (to, from) in sector.iter_mut().zip(own) {
            *to = *from;
        }
    }
    data.truncate(length);
    Ok(Some((record, data)))
}

/// Whether all sectors of the data were written with their header; behind the end of the log a new
/// round begins.
fn has_its_round(log: &Log<'_>, record: &Record, data_at: u64, data: &[u8]) -> Result<bool, Fault> {
    for (sector, at) in data.chunks_exact(SECTOR).zip(data_at..) {
        let round = record.round.saturating_add(u32::from(at >= log.sectors));
        if be32(sector, 0)? != round {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the checksum is right, or there is none.
fn is_right(log: &Log<'_>, header: &[u8], data: &[u8], length: usize) -> Result<bool, Fault> {
    let stored = u32::from_le_bytes(array(header, CRC_AT)?);
    if !log.volume.superblock.has_checksums || stored == 0 {
        return Ok(true);
    }
    for header_length in HEADER_LENGTHS {
        let mut first = slice(header, 0, header_length)?.to_vec();
        if let Some(own) = first.get_mut(CRC_AT..CRC_AT.saturating_add(4)) {
            own.fill(0);
        }
        let mut sum = crc32c::crc32c(&first);
        for further in header.chunks_exact(SECTOR).skip(1) {
            sum = crc32c::crc32c_append(sum, slice(further, 0, FURTHER_LENGTH)?);
        }
        if crc32c::crc32c_append(sum, slice(data, 0, length)?) == stored {
            return Ok(true);
        }
    }
    Ok(false)
}
