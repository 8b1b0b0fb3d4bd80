//! The local times of logs, converted by the zone that the target has.
//!
//! The zone is what `/etc/localtime` leads to, a TZif file (RFC 8536); the C library takes UTC
//! where there is none. A log that was written before the zone was changed is read wrongly by
//! this; times are evidence and never keys.

use crate::filesystem::Filesystem;
use crate::filesystem::resolve::read_file;
use crate::model::{EventTime, TimeCertainty, Timestamp, TreePath};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// The largest compiled zones have four kilobytes.
const MAX_SIZE: u64 = 256 * 1024;

/// Zones differ by whole quarters of an hour, in seconds.
const QUARTER: i64 = 900;

/// Between the zones furthest apart (UTC-12 and UTC+14), in seconds.
const WIDEST: i64 = 26 * 3600;

/// A log is written within this after the time of its last line, in seconds. A file that was copied
/// at any time looks like one of another zone once in ninety.
const PROMPT: u64 = 5;

/// The zone of a target.
#[derive(Clone, Debug)]
pub struct Zone {
    zone: TimeZone,
    certainty: TimeCertainty,
}

impl Zone {
    /// UTC, and certain of it.
    #[must_use]
    pub fn utc() -> Self {
        Self { zone: TimeZone::UTC, certainty: TimeCertainty::Exact }
    }

    /// The target's own.
    #[must_use]
    pub fn read(filesystem: &dyn Filesystem) -> Self {
        let path = TreePath::parse("/etc/localtime");
        match read_file(filesystem, &path, MAX_SIZE) {
            Ok(Some(bytes)) => match TimeZone::tzif("local", &bytes) {
                Ok(zone) => Self { zone, certainty: TimeCertainty::LocalTime },
                Err(_) => Self { zone: TimeZone::UTC, certainty: TimeCertainty::Guessed },
            },
            Ok(None) => Self { zone: TimeZone::UTC, certainty: TimeCertainty::LocalTime },
            Err(_) => Self { zone: TimeZone::UTC, certainty: TimeCertainty::Guessed },
        }
    }

    /// A local time; of an hour that occurs twice the first.
    #[must_use]
    pub fn time(&self, local: DateTime) -> Option<EventTime> {
        let moment = self.zone.to_ambiguous_timestamp(local).compatible().ok()?;
        Some(EventTime { at: stamp(moment), certainty: self.certainty })
    }

    /// `2026-11-23 01:58:31`, as most logs write it; a fraction after `.` or `,` may follow, and
    /// `T` may stand between.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<EventTime> {
        self.time(civil(text)?)
    }

    /// The zone that a log was written in, as its last line and the time at which the file was
    /// written show: a host whose zone was changed later kept the lines. Where the two agree, or
    /// differ by what no zone does (the file was copied), it is this zone.
    #[must_use]
    pub fn of_log(&self, last: DateTime, written: Timestamp) -> Self {
        let fixed = || {
            let moment = self.zone.to_ambiguous_timestamp(last).compatible().ok()?;
            let ahead = written.seconds.checked_sub(moment.as_second())?;
            let quarters = ahead.checked_add(QUARTER / 2)?.div_euclid(QUARTER);
            let shift = quarters.checked_mul(QUARTER)?;
            if shift == 0 || shift.abs() > WIDEST || ahead.abs_diff(shift) > PROMPT {
                return None;
            }
            let own = i64::from(self.zone.to_offset(moment).seconds());
            let offset = i32::try_from(own.checked_sub(shift)?).ok()?;
            Some(TimeZone::fixed(Offset::from_seconds(offset).ok()?))
        };
        match fixed() {
            Some(zone) => Self { zone, certainty: self.certainty },
            None => self.clone(),
        }
    }

    /// Whether a local time occurs twice, when summer ends.
    #[must_use]
    pub fn is_twice(&self, local: DateTime) -> bool {
        self.zone.to_ambiguous_timestamp(local).is_ambiguous()
    }

    /// The calendar year of a moment, here.
    #[must_use]
    pub fn year(&self, moment: Timestamp) -> Option<i16> {
        let moment = jiff::Timestamp::from_second(moment.seconds).ok()?;
        Some(self.zone.to_datetime(moment).year())
    }
}

/// Reads a date and a time without a zone.
#[must_use]
pub fn civil(text: &str) -> Option<DateTime> {
    let text = text.trim().replacen(',', ".", 1);
    let mut parts = text.split([' ', 'T']).filter(|part| !part.is_empty());
    let (date, time) = (parts.next()?, parts.next()?);
    format!("{date}T{time}").parse().ok()
}

/// RFC 3339, with its own offset.
#[must_use]
pub fn offset(text: &str) -> Option<EventTime> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    Some(EventTime { at: stamp(moment), certainty: TimeCertainty::Exact })
}

/// Seconds since 1970, with a fraction or without.
#[must_use]
pub fn epoch(text: &str) -> Option<EventTime> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds = seconds.parse().ok()?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds = digits.parse().ok()?;
    let at = Timestamp { seconds, nanoseconds };
    Some(EventTime { at, certainty: TimeCertainty::Exact })
}

/// jiff's moment as ours.
#[must_use]
pub fn stamp(moment: jiff::Timestamp) -> Timestamp {
    let nanoseconds = moment.subsec_nanosecond();
    match u32::try_from(nanoseconds) {
        Ok(nanoseconds) => Timestamp { seconds: moment.as_second(), nanoseconds },
        // Before 1970 the fraction is negative.
        Err(_) => Timestamp {
            seconds: moment.as_second().saturating_sub(1),
            nanoseconds: u32::try_from(nanoseconds.saturating_add(1_000_000_000)).unwrap_or(0),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_logs() {
        let shown = |time: Option<EventTime>| time.map(|time| time.at.to_string());
        let check = |time: Option<EventTime>, expected: &str| {
            assert_eq!(shown(time).as_deref(), Some(expected));
        };
        let utc = Zone::utc();
        check(utc.parse("2026-11-23  01:58:31"), "2026-11-23T01:58:31Z");
        check(utc.parse("2026-11-23 00:58:04,170"), "2026-11-23T00:58:04.17Z");
        check(offset("2026-11-23T02:58:20.5+02:00"), "2026-11-23T00:58:20.5Z");
        check(epoch("1795395494.6465"), "2026-11-23T00:58:14.6465Z");
        check(epoch("5"), "1970-01-01T00:00:05Z");
        assert_eq!(shown(utc.parse("2026-11-23")), None);
        assert_eq!(shown(epoch("x")), None);
    }

    #[test]
    fn the_targets_zone() {
        // A version 1 file of one type: UTC+1, no transitions.
        let mut bytes = b"TZif\0".to_vec();
        bytes.extend([0; 15]);
        for count in [0_u32, 0, 0, 0, 1, 4] {
            bytes.extend(count.to_be_bytes());
        }
        bytes.extend(3600_i32.to_be_bytes());
        bytes.extend(b"\0\0CET\0");
        let mut tree = crate::filesystem::memory::MemoryFilesystem::new();
        tree.file("/usr/share/zoneinfo/X", &bytes);
        tree.symlink("/etc/localtime", "../usr/share/zoneinfo/X");
        let time = Zone::read(&tree).parse("2026-11-23 01:58:31").unwrap();
        assert_eq!(time.at.to_string(), "2026-11-23T00:58:31Z");
        assert_eq!(time.certainty, TimeCertainty::LocalTime);
        tree.file("/usr/share/zoneinfo/X", "damaged");
        let time = Zone::read(&tree).parse("2026-11-23 01:58:31").unwrap();
        assert_eq!(time.certainty, TimeCertainty::Guessed);
    }

    #[test]
    fn the_zone_that_a_log_was_written_in() {
        let at = |text: &str| offset(text).unwrap().at;
        let check = |written: &str, expected: &str| {
            let zone = Zone::utc().of_log(civil("2026-11-23 04:10:20").unwrap(), at(written));
            let time = zone.parse("2026-11-23 04:00:00").unwrap();
            assert_eq!(time.at, at(expected), "{written}");
        };
        check("2026-11-23T04:10:20.4Z", "2026-11-23T04:00:00Z");
        check("2026-11-23T09:10:21Z", "2026-11-23T09:00:00Z");
        check("2026-11-22T22:40:20Z", "2026-11-22T22:30:00Z");
        // Copied, at any time.
        check("2026-11-23T09:14:21Z", "2026-11-23T04:00:00Z");
        check("2027-11-23T04:10:20Z", "2026-11-23T04:00:00Z");
    }
}
