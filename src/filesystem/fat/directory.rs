//! The entries of a directory: 32 bytes each, long names in entries before the one that they name.
//!
//! As Linux reads them: an entry whose first byte is 0 is free and does not end the directory;
//! a long name with the wrong checksum or order is passed over for the short one.

use super::names;
use crate::filesystem::bytes::{byte, le16, le32, slice};
use crate::model::{Fault, Timestamp};

/// Bytes of an entry.
pub const ENTRY: usize = 32;
/// 255 UTF-16 units, 13 in each entry.
const MAX_SLOTS: u8 = 20;
const UNITS_PER_SLOT: usize = 13;

/// Bits of `DIR_Attr`.
mod attribute {
    pub(super) const READ_ONLY: u8 = 1;
    pub(super) const VOLUME: u8 = 8;
    pub(super) const DIRECTORY: u8 = 0x10;
    /// Marks a part of a long name.
    pub(super) const LONG_NAME: u8 = 0xf;
}

/// What an entry says of what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// UTF-8.
    pub name: Vec<u8>,
    /// Where the entry of 32 bytes lies in the directory.
    pub at: usize,
    /// A directory, or a file.
    pub is_directory: bool,
    /// The read-only bit.
    pub is_read_only: bool,
    /// The first cluster; 0 where there is none.
    pub cluster: u32,
    /// Bytes; 0 for directories.
    pub size: u32,
    /// Last change, to two seconds.
    pub mtime: Timestamp,
}

/// What a directory has in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Without `.` and `..`.
    pub entries: Vec<Entry>,
    /// The first cluster that `..` names: 0 for the root. `None` without such an entry.
    pub parent: Option<u32>,
    /// The volume's label, which stands in the root.
    pub label: Option<Vec<u8>>,
}

/// A long name that is being put together, from its end to its start.
struct LongName {
    units: Vec<u16>,
    checksum: u8,
    /// How many entries are still to come.
    left: u8,
}

/// Reads a whole directory; `high` says whether first clusters have 32 bits.
pub fn parse(bytes: &[u8], high: bool) -> Result<Entries, Fault> {
    let mut found = Entries::default();
    let mut long: Option<LongName> = None;
    for (index, raw) in bytes.chunks_exact(ENTRY).enumerate() {
        let first = byte(raw, 0)?;
        let attributes = byte(raw, 11)?;
        if matches!(first, 0 | 0xe5) {
            long = None;
        } else if attributes & 0x3f == attribute::LONG_NAME {
            long = add_slot(long.take(), raw)?;
        } else if attributes & attribute::VOLUME != 0 {
            let label = slice(raw, 0, 11)?.trim_ascii_end();
            found.label = found.label.or_else(|| Some(label.to_vec()));
            long = None;
        } else {
            let short = slice(raw, 0, 11)?;
            let low = u32::from(le16(raw, 26)?);
            let cluster = if high { u32::from(le16(raw, 20)?) << 16 | low } else { low };
            match short {
                b".          " => {}
                b"..         " => found.parent = found.parent.or(Some(cluster)),
                _ => found.entries.push(Entry {
                    name: name(long.take(), short, byte(raw, 12)?),
                    at: index.saturating_mul(ENTRY),
                    is_directory: attributes & attribute::DIRECTORY != 0,
                    is_read_only: attributes & attribute::READ_ONLY != 0,
                    cluster,
                    size: le32(raw, 28)?,
                    mtime: timestamp(le16(raw, 24)?, le16(raw, 22)?),
                }),
            }
            long = None;
        }
    }
    Ok(found)
}

fn name(long: Option<LongName>, short: &[u8], case: u8) -> Vec<u8> {
    long.filter(|long| long.left == 0 && long.checksum == names::checksum(short))
        .map(|long| names::long(&long.units))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| names::short(short, case))
}

/// Takes one more part of a long name; `None` where it is no part of this one.
fn add_slot(long: Option<LongName>, raw: &[u8]) -> Result<Option<LongName>, Fault> {
    let order = byte(raw, 0)?;
    let checksum = byte(raw, 13)?;
    let slot = order & 0x3f;
    if slot == 0 || slot > MAX_SLOTS {
        return Ok(None);
    }
    let mut long = if order & 0x40 != 0 {
        let units = vec![0; usize::from(slot).saturating_mul(UNITS_PER_SLOT)];
        LongName { units, checksum, left: slot }
    } else {
        match long {
            Some(long) if long.left == slot && long.checksum == checksum => long,
            _ => return Ok(None),
        }
    };
    long.left = slot.saturating_sub(1);
    let start = usize::from(long.left).saturating_mul(UNITS_PER_SLOT);
    let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain([28, 30]);
    for (unit, at) in long.units.iter_mut().skip(start).zip(places) {
        *unit = le16(raw, at)?;
    }
    Ok(Some(long))
}

/// A date and a time of day as they were on the clock of the writer, taken as UTC: the volume does
/// not say of what zone. Months and days out of range are read as Linux does.
fn timestamp(date: u16, time: u16) -> Timestamp {
    /// Days before each month of a common year; months that are none have 0.
    const BEFORE: [i64; 16] = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 0, 0, 0];
    /// From 1970 to 1980.
    const DAYS_TO_1980: i64 = 3652;
    /// Counted from 1980; the one multiple of four that is no leap year.
    const YEAR_2100: i64 = 120;
    let (date, time) = (i64::from(date), i64::from(time));
    let year = date >> 9;
    let month = ((date >> 5) & 0xf).max(1);
    let day = (date & 0x1f).max(1).saturating_sub(1);
    let is_leap = year & 3 == 0 && year != YEAR_2100;
    let leap_days = (year.saturating_add(3) / 4)
        .saturating_sub(i64::from(year > YEAR_2100))
        .saturating_add(i64::from(is_leap && month > 2));
    let before = usize::try_from(month).ok().and_then(|month| BEFORE.get(month).copied());
    let days = [year.saturating_mul(365), leap_days, before.unwrap_or(0), day, DAYS_TO_1980]
        .into_iter()
        .sum::<i64>();
    let of_day = [
        ((time & 0x1f) << 1),
        ((time >> 5) & 0x3f).saturating_mul(60),
        (time >> 11).saturating_mul(3600),
    ]
    .into_iter()
    .sum::<i64>();
    Timestamp::from_seconds(days.saturating_mul(86_400).saturating_add(of_day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_the_clock() {
        let check = |(year, month, day): (u16, u16, u16), time: u16, expected: &str| {
            let date = (year - 1980) << 9 | month << 5 | day;
            assert_eq!(timestamp(date, time).to_string(), expected);
        };
        check((1980, 1, 1), 0, "1980-01-01T00:00:00Z");
        check((2024, 2, 29), 23 << 11 | 59 << 5 | 29, "2024-02-29T23:59:58Z");
        check((2024, 3, 1), 0, "2024-03-01T00:00:00Z");
        check((2100, 3, 1), 0, "2100-03-01T00:00:00Z");
        check((2107, 12, 31), 0, "2107-12-31T00:00:00Z");
        check((1980, 0, 0), 0, "1980-01-01T00:00:00Z");
    }

    fn short_entry(name: &[u8; 11], attributes: u8, case: u8) -> Vec<u8> {
        let mut raw = vec![0; ENTRY];
        raw[..11].copy_from_slice(name);
        (raw[11], raw[12]) = (attributes, case);
        raw[20..22].copy_from_slice(&[1, 0]);
        raw[26..28].copy_from_slice(&[9, 0]);
        raw
    }

    fn slot(order: u8, text: &str, checksum: u8) -> Vec<u8> {
        let mut raw = vec![0xff; ENTRY];
        (raw[0], raw[11], raw[12], raw[13]) = (order, attribute::LONG_NAME, 0, checksum);
        raw[26..28].fill(0);
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain([28, 30]);
        for (unit, at) in text.encode_utf16().chain([0]).zip(places) {
            raw[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        raw
    }

    #[test]
    fn names_are_long_or_short() {
        let sum = names::checksum(b"LONGNA~1TXT");
        let check = |parts: &[Vec<u8>], expected: &[&str]| {
            let found = parse(&parts.concat(), true).unwrap();
            let names: Vec<_> =
                found.entries.iter().map(|e| String::from_utf8_lossy(&e.name)).collect();
            assert_eq!(names, expected);
            assert!(found.entries.iter().all(|e| e.cluster == 0x1_0009));
        };
        let short = short_entry(b"LONGNA~1TXT", 0x20, 0);
        let (second, first) = (slot(0x42, "é.txt", sum), slot(1, "long name, gr", sum));
        check(&[second.clone(), first.clone(), short.clone()], &["long name, gré.txt"]);
        check(&[first.clone(), short.clone()], &["LONGNA~1.TXT"]);
        check(&[second.clone(), short.clone()], &["LONGNA~1.TXT"]);
        check(&[second, slot(1, "long name, gr", 1), short.clone()], &["LONGNA~1.TXT"]);
        check(&[slot(0x41, "a", 3), short], &["LONGNA~1.TXT"]);
        check(&[short_entry(b"EFI        ", 0x10, 8)], &["efi"]);
        check(&[short_entry(b"VOLUME     ", 8, 0), vec![0; 32], vec![0xe5; 32]], &[]);
    }
}
