//! Directory records, their dates and names.

use crate::filesystem::bytes::{byte, le32, slice};
use crate::model::{Fault, Timestamp};

/// Bytes of a record before its name.
const FIXED: usize = 33;

/// Bits of a record's flags.
pub mod flags {
    /// It names a directory.
    pub const DIRECTORY: u8 = 2;
    /// It is a companion of another file, which Linux does not show.
    pub const ASSOCIATED: u8 = 4;
    /// The file goes on in the next record.
    pub const GOES_ON: u8 = 0x80;
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The first block of its bytes.
    pub block: u32,
    /// Bytes.
    pub size: u32,
    /// Last change.
    pub time: Timestamp,
    /// See [`flags`].
    pub flags: u8,
    /// Whether its bytes are interleaved with others.
    pub is_interleaved: bool,
    /// As it is stored; a byte 0 is the directory itself, 1 the one above.
    pub name: &'a [u8],
    /// What Rock Ridge stands in.
    pub system_use: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the record that the bytes are.
    pub fn parse(raw: &'a [u8]) -> Result<Self, Fault> {
        let name_length = usize::from(byte(raw, 32)?);
        let name = slice(raw, FIXED, name_length)?;
        // The name is padded to an even place.
        let end = FIXED.saturating_add(name_length).next_multiple_of(2);
        Ok(Self {
            block: le32(raw, 2)?.saturating_add(byte(raw, 1)?.into()),
            size: le32(raw, 10)?,
            time: date(slice(raw, 18, 7)?)?,
            flags: byte(raw, 25)?,
            is_interleaved: byte(raw, 26)? != 0,
            name,
            system_use: raw.get(end..).unwrap_or_default(),
        })
    }
}

/// Seven bytes: the year from 1900, month, day, hour, minute, second and the zone in quarters of an
/// hour. What is no date becomes 1970, as in Linux.
pub fn date(raw: &[u8]) -> Result<Timestamp, Fault> {
    let field = |at: usize| byte(raw, at).map(i64::from);
    let (year, month, day) = (field(0)?.saturating_add(1900), field(1)?, field(2)?);
    let zone = i64::from(i8::from_le_bytes([byte(raw, 6)?]));
    if year < 1970 || !(1..=12).contains(&month) {
        return Ok(Timestamp::default());
    }
    let of_day = [field(3)?.saturating_mul(3600), field(4)?.saturating_mul(60), field(5)?];
    let days = days_to(year, month).saturating_add(day).saturating_sub(1);
    let zone = if (-52..=52).contains(&zone) { zone.saturating_mul(900) } else { 0 };
    let seconds = days.saturating_mul(86_400).saturating_add(of_day.into_iter().sum());
    Ok(Timestamp::from_seconds(seconds.saturating_sub(zone)))
}

/// Days from 1970 to the first of a month; years from 1900 to 2155.
fn days_to(year: i64, month: i64) -> i64 {
    const BEFORE: [i64; 13] = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_days = |year: i64| (year / 4).saturating_sub(year / 100).saturating_add(year / 400);
    let counted = if month > 2 { year } else { year.saturating_sub(1) };
    let leaps = leap_days(counted).saturating_sub(leap_days(1969));
    let before = usize::try_from(month).ok().and_then(|month| BEFORE.get(month).copied());
    year.saturating_sub(1970)
        .saturating_mul(365)
        .saturating_add(leaps)
        .saturating_add(before.unwrap_or(0))
}

/// A name without Rock Ridge or Joliet, as Linux shows it: in lower case, without version 1.
pub fn plain_name(raw: &[u8]) -> Vec<u8> {
    let name = raw.strip_suffix(b".;1").or_else(|| raw.strip_suffix(b";1")).unwrap_or(raw);
    let shown = |byte: &u8| match byte {
        b';' | b'/' => b'.',
        other => other.to_ascii_lowercase(),
    };
    name.iter().take_while(|byte| **byte != 0).map(shown).collect()
}

/// A Joliet name: UTF-16 with the higher byte first, without version 1 and periods at its end.
pub fn joliet_name(raw: &[u8]) -> Vec<u8> {
    let (pairs, _) = raw.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    let name = String::from_utf16_lossy(&units);
    let name = name.strip_suffix(";1").unwrap_or(&name);
    let shown = name.trim_end_matches('.');
    if shown.is_empty() { name.into() } else { shown.replace('/', ".").into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_linux_does() {
        let check = |raw: &[u8], expected: &str| {
            assert_eq!(String::from_utf8(plain_name(raw)).unwrap(), expected);
        };
        check(b"README.TXT;1", "readme.txt");
        check(b"NOEXT.;1", "noext");
        check(b"A.B;2", "a.b.2");
        check(b"DIR", "dir");
        assert_eq!(joliet_name(b"\0G\0r\0\xfc\0.\0;\x001"), "Grü".as_bytes());
    }

    #[test]
    fn dates_have_zones() {
        let check = |raw: [u8; 7], expected: &str| {
            assert_eq!(date(&raw).unwrap().to_string(), expected);
        };
        check([70, 1, 1, 0, 0, 0, 0], "1970-01-01T00:00:00Z");
        check([124, 2, 29, 12, 30, 5, 8], "2024-02-29T10:30:05Z");
        check([124, 3, 1, 0, 0, 0, 0xfc], "2024-03-01T01:00:00Z");
        check([200, 3, 1, 0, 0, 0, 0], "2100-03-01T00:00:00Z");
        check([124, 0, 1, 0, 0, 0, 0], "1970-01-01T00:00:00Z");
    }
}
