//! The log of a VHDX that was not closed: which writes of metadata have to be made up for.

use super::super::bytes::Fields;
use super::super::{BlockDevice, read_vec};
use super::checksum_fits;
use crate::model::Fault;

/// Logs and their entries are made of sectors of this size.
pub(super) const SECTOR: usize = 4096;
/// Hyper-V and QEMU make logs of 1 MiB.
const MAX_LOG_BYTES: u32 = 64 << 20;
/// In one entry; as many as fit into a log of 1 MiB have less.
const MAX_DESCRIPTORS: u32 = 65_536;

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// A sector's bytes.
    Data { offset: u64, bytes: Box<[u8]> },
    /// So many zeros.
    Zeros { offset: u64, length: u64 },
}

/// An entry that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogEntry {
    sequence: u64,
    start: usize,
    length: usize,
    /// Where the sequence of entries that this one ends has begun.
    tail: usize,
    /// The file was that long when it was written.
    pub(super) flushed_length: u64,
    pub(super) writes: Vec<Write>,
}

/// The entries of the active sequence, in the order in which they were written.
pub(super) fn read(
    file: &dyn BlockDevice,
    offset: u64,
    length: u32,
    guid: [u8; 16],
) -> Result<Vec<LogEntry>, Fault> {
    if length > MAX_LOG_BYTES {
        return Err(Fault::limit(format!("a VHDX log of {length} bytes")));
    }
    let log = read_vec(file, offset, usize::try_from(length).unwrap_or(usize::MAX))
        .map_err(|fault| fault.within("VHDX log"))?;
    active_sequence(&log, guid)
        .ok_or_else(|| Fault::damaged("VHDX: it was not closed and its log has no whole entry"))
}

/// Finds the sequence with the highest number: entries that follow each other with rising numbers,
/// from the one that the last of them names as its tail.
fn active_sequence(log: &[u8], guid: [u8; 16]) -> Option<Vec<LogEntry>> {
    let mut best: Option<Vec<LogEntry>> = None;
    let newest = |entries: &Vec<LogEntry>| entries.last().map(|entry| entry.sequence);
    let mut start = 0_usize;
    while start < log.len() {
        let mut chain = sequence_from(log, start, guid);
        let steps = chain.iter().map(|entry| entry.length).fold(0, usize::saturating_add);
        let tail = chain.last().map(|last| last.tail);
        if let Some(first) = chain.iter().position(|entry| Some(entry.start) == tail) {
            chain.drain(..first);
            if best.as_ref().and_then(newest) < newest(&chain) {
                best = Some(chain);
            }
        }
        start = start.saturating_add(steps.max(SECTOR));
    }
    best
}

fn sequence_from(log: &[u8], start: usize, guid: [u8; 16]) -> Vec<LogEntry> {
    let mut found: Vec<LogEntry> = Vec::new();
    let mut at = start;
    let mut used = 0_usize;
    while used < log.len() {
        let Ok(entry) = parse_entry(log, at, guid) else { break };
        let expected = found.last().map(|last| last.sequence.wrapping_add(1));
        if expected.is_some_and(|sequence| sequence != entry.sequence) {
            break;
        }
        used = used.saturating_add(entry.length);
        at = at.saturating_add(entry.length);
        at = at.checked_rem(log.len()).unwrap_or(0);
        found.push(entry);
    }
    found
}

/// `count` bytes of the ring.
fn ring(log: &[u8], at: usize, count: usize) -> Vec<u8> {
    log.iter().cycle().skip(at).take(count).copied().collect()
}

fn parse_entry(log: &[u8], at: usize, guid: [u8; 16]) -> Result<LogEntry, Fault> {
    let damaged = |what: &str| Fault::damaged(format!("VHDX log entry at {at}: {what}"));
    let head = ring(log, at, 64);
    let fields = Fields::new("VHDX log entry", &head);
    if fields.slice(0, 4)? != b"loge" || fields.array::<16>(32)? != guid {
        return Err(damaged("none"));
    }
    let length = usize::try_from(fields.u32_le(8)?).unwrap_or(usize::MAX);
    if length == 0 || length > log.len() || !length.is_multiple_of(SECTOR) {
        return Err(damaged("its length"));
    }
    let entry = ring(log, at, length);
    if !checksum_fits(&entry, 4)? {
        return Err(damaged("its checksum"));
    }
    let fields = Fields::new("VHDX log entry", &entry);
    let sequence = fields.u64_le(16)?;
    let count = fields.u32_le(24)?;
    if count > MAX_DESCRIPTORS {
        return Err(damaged("too many descriptors"));
    }
    let count = usize::try_from(count).unwrap_or(0);
    // Data sectors begin after the sectors with descriptors.
    let descriptors = count.saturating_mul(32).saturating_add(64);
    let mut data_at = descriptors.next_multiple_of(SECTOR);
    let mut writes = Vec::new();
    for at in (64_usize..).step_by(32).take(count) {
        let descriptor = Fields::new("VHDX log descriptor", fields.slice(at, 32)?);
        if descriptor.u64_le(24)? != sequence {
            return Err(damaged("a descriptor of another entry"));
        }
        let offset = descriptor.u64_le(16)?;
        match descriptor.slice(0, 4)? {
            b"zero" => writes.push(Write::Zeros { offset, length: descriptor.u64_le(8)? }),
            b"desc" => {
                let sector = Fields::new("VHDX log data", fields.slice(data_at, SECTOR)?);
                let halves = (u64::from(sector.u32_le(4)?) << 32) | u64::from(sector.u32_le(4092)?);
                if sector.slice(0, 4)? != b"data" || halves != sequence {
                    return Err(damaged("a data sector of another entry"));
                }
                // The first 8 and the last 4 bytes made room for the marks.
                let bytes =
                    [descriptor.slice(8, 8)?, sector.slice(8, 4084)?, descriptor.slice(4, 4)?];
                writes.push(Write::Data { offset, bytes: bytes.concat().into() });
                data_at = data_at.saturating_add(SECTOR);
            }
            _ => return Err(damaged("an unknown descriptor")),
        }
    }
    let tail = usize::try_from(fields.u32_le(12)?).unwrap_or(usize::MAX);
    Ok(LogEntry { sequence, start: at, length, tail, flushed_length: fields.u64_le(48)?, writes })
}
