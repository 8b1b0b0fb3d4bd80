//! The GUID partition table. Specification: UEFI 2.10, chapter 5.

use super::super::bytes::{Fields, guid_text};
use super::super::{BlockDevice, read_vec};
use super::{Partition, Table, TableKind};
use crate::model::Fault;

const HEADER_BYTES: usize = 92;
/// 128 entries of 128 bytes are usual; more than this are hostile.
const MAX_TABLE_BYTES: u64 = 1 << 20;
/// Names are 36 UTF-16 code units.
const NAME_BYTES: usize = 72;

#[derive(Clone, Copy, Debug)]
struct Header {
    table_at: u64,
    entries: u32,
    entry_bytes: u32,
    table_crc: u32,
}

fn parse_header(sector: &[u8], own_lba: u64) -> Result<Header, Fault> {
    let fields = Fields::new("GPT header", sector);
    if fields.slice(0, 8)? != b"EFI PART" {
        return Err(Fault::damaged(format!("GPT: no header at sector {own_lba}")));
    }
    let length = usize::try_from(fields.u32_le(12)?).unwrap_or(usize::MAX);
    if length < HEADER_BYTES {
        return Err(Fault::damaged(format!("GPT: a header of {length} bytes")));
    }
    let mut header = fields.slice(0, length)?.to_vec();
    header.get_mut(16..20).unwrap_or_default().fill(0);
    if crc32(&header) != fields.u32_le(16)? {
        return Err(Fault::damaged(format!("GPT: the header at sector {own_lba} has a wrong CRC")));
    }
    if fields.u64_le(24)? != own_lba {
        return Err(Fault::damaged(format!(
            "GPT: the header at sector {own_lba} says that it is at {}",
            fields.u64_le(24)?
        )));
    }
    Ok(Header {
        table_at: fields.u64_le(72)?,
        entries: fields.u32_le(80)?,
        entry_bytes: fields.u32_le(84)?,
        table_crc: fields.u32_le(88)?,
    })
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn parse_entries(table: &[u8], entry_bytes: usize, sector: u64) -> Result<Vec<Partition>, Fault> {
    let mut found = Vec::new();
    for (entry, number) in table.chunks_exact(entry_bytes).zip(1_u32..) {
        let fields = Fields::new("GPT entry", entry);
        let kind = fields.array::<16>(0)?;
        if kind == [0; 16] {
            continue;
        }
        let (first, last) = (fields.u64_le(32)?, fields.u64_le(40)?);
        let bytes = |sectors: u64| sectors.checked_mul(sector);
        let length = last.checked_sub(first).and_then(|n| n.checked_add(1)).and_then(bytes);
        let (Some(offset), Some(length)) = (bytes(first), length) else {
            return Err(Fault::damaged(format!("partition {number}: sectors {first} to {last}")));
        };
        let units: Vec<u16> = fields
            .slice(56, NAME_BYTES)?
            .as_chunks::<2>()
            .0
            .iter()
            .map(|unit| u16::from_le_bytes(*unit))
            .take_while(|unit| *unit != 0)
            .collect();
        found.push(Partition {
            number,
            offset,
            length,
            kind: guid_text(kind),
            uuid: Some(guid_text(fields.array(16)?)),
            name: Some(String::from_utf16_lossy(&units)).filter(|name| !name.is_empty()),
        });
    }
    Ok(found)
}

fn read_at(device: &dyn BlockDevice, lba: u64, sector: u64) -> Result<Vec<Partition>, Fault> {
    let far = || Fault::damaged(format!("GPT: sector {lba}"));
    let size = usize::try_from(sector).unwrap_or(512);
    let header = read_vec(device, lba.checked_mul(sector).ok_or_else(far)?, size)?;
    let header = parse_header(&header, lba)?;
    let entry_bytes = usize::try_from(header.entry_bytes).unwrap_or(usize::MAX);
    let bytes = u64::from(header.entries).saturating_mul(u64::from(header.entry_bytes));
    if entry_bytes < 128 || bytes > MAX_TABLE_BYTES {
        return Err(Fault::damaged(format!(
            "GPT: {} entries of {entry_bytes} bytes",
            header.entries
        )));
    }
    let start = header.table_at.checked_mul(sector).ok_or_else(far)?;
    let table = read_vec(device, start, usize::try_from(bytes).unwrap_or(usize::MAX))?;
    if crc32(&table) != header.table_crc {
        return Err(Fault::damaged(format!(
            "GPT: the table of the header at sector {lba} has a wrong CRC"
        )));
    }
    parse_entries(&table, entry_bytes, sector)
}

/// Whether a header's mark is where one would be, for sectors of this size.
pub(super) fn is_there(device: &dyn BlockDevice, sector: u64) -> bool {
    let at_end = device.length().checked_sub(sector).map(|end| (end / 512).saturating_mul(512));
    [Some(sector), at_end]
        .into_iter()
        .flatten()
        .any(|at| read_vec(device, at, 8).is_ok_and(|mark| mark == b"EFI PART"))
}

/// Reads the table by its first header, or by the backup at the end where that is damaged.
pub(super) fn read(device: &dyn BlockDevice, sector: u64) -> Result<Table, Fault> {
    let last = device.length().checked_div(sector).and_then(|sectors| sectors.checked_sub(1));
    match read_at(device, 1, sector) {
        Ok(found) => Ok((TableKind::Gpt, found, Vec::new())),
        Err(fault) => match last.map(|last| read_at(device, last, sector)) {
            Some(Ok(found)) => {
                let note = format!("the partitions are those of the backup table ({fault})");
                Ok((TableKind::Gpt, found, vec![note]))
            }
            _ => Err(fault),
        },
    }
}
