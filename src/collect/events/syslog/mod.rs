//! Syslog in files: `syslog`, `messages`, `auth.log`, `secure`, `user.log`, written as RFC 3164
//! (no year, no zone), as RFC 5424, or as rsyslog does today (RFC 3339 time, then as RFC 3164).
//!
//! Any process may write a line with any tag, so what is read here is forgeable; the parsers of
//! messages are shared with the journal, which knows better who wrote.

pub mod accounts;
pub mod agents;
pub mod ansible;
pub mod jobs;
pub mod sessions;
mod shifts;

use super::log::{Log, each_line, rotated, tell_dropped, zone_of};
use super::zone::{Zone, civil, offset};
use super::{At, Sink, puppet};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{CauseKind, EventTime, Records, Stage, TimeCertainty, Timestamp, TreePath};
use jiff::civil::{Date, DateTime};
use jobs::Jobs;
use sessions::Sessions;
use shifts::Shifts;

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-syslog",
    version: 2,
    summary: "Ansible's tasks, sessions, sudo and accounts in syslog's files",
    wanted: &[],
    collect,
};

const LOGS: [&str; 5] = ["syslog", "messages", "user.log", "auth.log", "secure"];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, 0);
    let zone = Zone::read(reader.filesystem);
    for name in LOGS {
        let mut sink = Sink::default();
        let mut sessions = Sessions::default();
        for log in rotated(&mut reader, "/var/log", name) {
            // Lines with an offset need no zone.
            let zone = zone_of(&mut reader, &log, &zone, |line| {
                let line = Line::parse(line)?;
                let year = zone.year(log.mtime)?;
                date(line.time, year)
                    .filter(|_| !line.time.starts_with(|c: char| c.is_ascii_digit()))
            });
            let (mut silence, mut shifts) = (Silence::default(), Shifts::default());
            let read = |text: &str| without_year(text, &zone, log.mtime);
            let is_twice = |text: &str| {
                let date = zone.year(log.mtime).and_then(|year| date(text, year));
                date.is_some_and(|date| zone.is_twice(date))
            };
            each_line(&mut reader, &log, |number, text| {
                let at = At { path: &log.path, line: Some(number) };
                let parsed = Line::parse(text);
                if let Some(line) = &parsed {
                    shifts.take(number, line, read, is_twice);
                    silence.take(at, line, || line.when(&zone, &log), &mut sink);
                }
                if let Some(line) = parsed
                    && is_of_interest(line.tag, line.message)
                    && let Some(time) = line.when(&zone, &log)
                {
                    let message = Message {
                        at,
                        time,
                        tag: line.tag,
                        pid: line.pid,
                        text: line.message,
                        forgeable: true,
                    };
                    message.take(&mut sessions, &mut sink);
                }
            });
            if !shifts.is_empty() {
                let own = sessions.events_mut().chain(sink.events_mut());
                own.filter(|event| event.source == log.path).for_each(|one| shifts.settle(one));
            }
        }
        sessions.finish(&mut sink);
        let path = TreePath::parse(format!("/var/log/{name}"));
        tell_dropped(&mut reader, &path, sink.dropped);
        reader.records.events.extend(sink.into_events());
    }
}

/// The action of an event that tells how long a log had nothing to say.
pub const SILENCE: &str = "silence";

/// A running machine writes something every hour (its timers alone do); what is silent for longer
/// than this was off, or its log was cut, in seconds.
const LONG_SILENCE: i64 = 12 * 3600;

/// Follows the times of a log's lines, hour by hour.
#[derive(Debug, Default)]
struct Silence {
    /// The first characters of the last line's time, down to the hour.
    hour: String,
    last: Option<EventTime>,
}

impl Silence {
    /// `2026-11-23T00`, `Nov 23 00`.
    fn take(
        &mut self,
        at: At<'_>,
        line: &Line<'_>,
        when: impl Fn() -> Option<EventTime>,
        sink: &mut Sink,
    ) {
        let is_date = line.time.starts_with(|c: char| c.is_ascii_digit());
        let hour = line.time.get(..if is_date { 13 } else { 9 }).unwrap_or(line.time);
        if hour == self.hour {
            return;
        }
        hour.clone_into(&mut self.hour);
        let Some(now) = when() else { return };
        let last = self.last.replace(now);
        // Times of one hour differ by less than an hour: what is left out here is too short.
        let Some(last) = last else { return };
        let lasted = now.at.seconds.saturating_sub(last.at.seconds);
        // The kernel and the log's own daemon speak first after a start.
        let is_start =
            matches!(line.tag, "kernel" | "rsyslogd" | "systemd" | "syslogd" | "syslog-ng");
        if lasted > LONG_SILENCE && !is_start {
            let text = format!(
                "nothing is written for {} hours before this line",
                lasted.div_euclid(3600)
            );
            let mut event = at.event(CauseKind::Human, SILENCE, line.tag, &text);
            (event.time, event.until) = (Some(last), Some(now));
            event.forgeable = true;
            sink.push(event);
        }
    }
}

/// Told before the time is read, so that millions of other lines cost little.
pub fn is_of_interest(tag: &str, message: &str) -> bool {
    tag.starts_with("ansible-")
        // Python's own tag: `python3.11`, RHEL's `platform-python`.
        || (tag.contains("python") && message.starts_with("ansible-"))
        || sessions::TAGS.contains(&tag)
        || accounts::TAGS.contains(&tag)
        || agents::TAGS.contains(&tag)
        || PUPPET.contains(&tag)
        || Jobs::is_of_interest(tag, message)
}

/// The tags of its agent and of `puppet apply`, with the names that older versions have.
const PUPPET: [&str; 4] = ["puppet-agent", "puppet-user", "puppet-apply", "puppet"];

/// A message of whatever log, with its header read.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Where it stands.
    pub at: At<'a>,
    /// When it was written.
    pub time: EventTime,
    /// The program's name as it says it.
    pub tag: &'a str,
    /// Its process.
    pub pid: &'a str,
    /// What it says.
    pub text: &'a str,
    /// Whether any process may have written it.
    pub forgeable: bool,
}

impl Message<'_> {
    /// Hands it to the parser that knows it.
    pub fn take(self, sessions: &mut Sessions, sink: &mut Sink) {
        if sessions::TAGS.contains(&self.tag) {
            sessions.take(self, sink);
        } else if accounts::TAGS.contains(&self.tag) {
            accounts::take(self, sink);
        } else if agents::TAGS.contains(&self.tag) {
            agents::take(self, sink);
        } else if jobs::TAGS.contains(&self.tag) {
            sessions.jobs.take(self);
        } else if PUPPET.contains(&self.tag) {
            let Some((place, message)) =
                self.text.strip_prefix('(').and_then(|text| text.split_once(") "))
            else {
                return;
            };
            if let Some(mut event) = puppet::changed(self.at, place, message, self.text) {
                event.time = Some(self.time);
                event.forgeable = self.forgeable;
                sink.push(event);
            }
        } else {
            ansible::take(self, sink);
        }
    }
}

/// The parts of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line<'a> {
    time: &'a str,
    tag: &'a str,
    pid: &'a str,
    message: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        if line.starts_with('<') {
            return Self::rfc5424(line);
        }
        let is_date = line.starts_with(|c: char| c.is_ascii_digit());
        // `Nov 23 00:58:20 ` has 16 characters, the day padded with a space.
        let end = if is_date { line.find(' ')? } else { 15 };
        let (time, rest) = (line.get(..end)?, line.get(end..)?.strip_prefix(' ')?);
        let (_host, rest) = rest.split_once(' ')?;
        let (head, message) = rest.split_once(": ").unwrap_or((rest, ""));
        let (tag, pid) = match head.split_once('[') {
            Some((tag, pid)) => (tag, pid.trim_end_matches(']')),
            None => (head, ""),
        };
        (!tag.contains(' ')).then_some(Self { time, tag, pid, message })
    }

    /// `<34>1 TIME HOST APP PROCID MSGID SD MESSAGE`.
    fn rfc5424(line: &'a str) -> Option<Self> {
        let (_, rest) = line.split_once('>')?;
        let Some(rest) = rest.strip_prefix("1 ") else { return Self::parse(rest) };
        let mut parts = rest.splitn(6, ' ');
        let (time, _host, tag) = (parts.next()?, parts.next()?, parts.next()?);
        let (pid, _id, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let message = match rest.strip_prefix("- ") {
            Some(message) => message,
            None => rest.find("] ").and_then(|end| rest.get(end.saturating_add(2)..))?,
        };
        let message = message.trim_start_matches('\u{feff}');
        Some(Self { time, tag, pid: if pid == "-" { "" } else { pid }, message })
    }

    fn when(&self, zone: &Zone, log: &Log) -> Option<EventTime> {
        if self.time.starts_with(|c: char| c.is_ascii_digit()) {
            return offset(self.time).or_else(|| civil(self.time).and_then(|time| zone.time(time)));
        }
        without_year(self.time, zone, log.mtime)
    }
}

/// `Nov 23 00:58:20` in that year.
fn date(text: &str, year: i16) -> Option<DateTime> {
    let month =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
            .iter()
            .position(|month| text.starts_with(month))?;
    let month = i8::try_from(month).ok()?.checked_add(1)?;
    let day: i8 = text.get(4..6)?.trim().parse().ok()?;
    let clock: jiff::civil::Time = text.get(7..15)?.parse().ok()?;
    Some(Date::new(year, month, day).ok()?.to_datetime(clock))
}

/// `Nov 23 00:58:20`: of the year that makes it the latest before the log was written last.
fn without_year(text: &str, zone: &Zone, written: Timestamp) -> Option<EventTime> {
    let year = zone.year(written)?;
    for year in [year, year.checked_sub(1)?] {
        let Some(time) = date(text, year).and_then(|date| zone.time(date)) else { continue };
        // A day of tolerance: clocks are set, and logs are copied.
        if time.at.seconds <= written.seconds.saturating_add(86_400) {
            let certainty = time.certainty.max(TimeCertainty::Guessed);
            return Some(EventTime { certainty, ..time });
        }
    }
    None
}

#[cfg(test)]
mod testing {
    use super::Message;
    use crate::collect::events::At;
    use crate::model::{EventTime, TimeCertainty, Timestamp, TreePath};

    /// Hands on messages of tag, process and text, one a second.
    pub(super) fn feed(lines: &[(&str, &str, &str)], mut take: impl FnMut(Message<'_>)) {
        let path = TreePath::parse("/var/log/syslog");
        for (second, (tag, pid, text)) in lines.iter().enumerate() {
            let at = Timestamp::from_seconds(i64::try_from(second).unwrap());
            let time = EventTime { at, certainty: TimeCertainty::Exact };
            let at = At { path: &path, line: None };
            take(Message { at, time, tag, pid, text, forgeable: true });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let found = Line::parse(line).map_or_else(String::new, |line| {
            format!("{}|{}|{}|{}", line.time, line.tag, line.pid, line.message)
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn three_formats() {
        check("Nov  3 00:58:20 web sshd[12]: hi: there", "Nov  3 00:58:20|sshd|12|hi: there");
        check(
            "2026-11-23T00:58:20.5+00:00 web sudo: anna : x",
            "2026-11-23T00:58:20.5+00:00|sudo||anna : x",
        );
        check("<34>1 2026-11-23T00:58:20Z web su 7 ID - hi", "2026-11-23T00:58:20Z|su|7|hi");
        check(
            "<34>1 2026-11-23T00:58:20Z web su - - [a b=\"c\"] hi",
            "2026-11-23T00:58:20Z|su||hi",
        );
        check("<34>Nov 23 00:58:20 web su: hi", "Nov 23 00:58:20|su||hi");
        check("nothing", "");
        check("", "");
    }

    #[test]
    fn a_long_silence_is_told_unless_the_machine_was_off() {
        let path = TreePath::parse("/var/log/syslog");
        let (mut silence, mut sink) = (Silence::default(), Sink::default());
        for line in [
            "2026-11-23T00:10:00Z web cron: a",
            "2026-11-23T00:50:00Z web cron: a",
            "2026-11-23T20:00:00Z web cron: a",
            "2026-11-24T20:00:00Z web kernel: Linux version",
        ] {
            let line = Line::parse(line).unwrap();
            silence.take(At { path: &path, line: None }, &line, || offset(line.time), &mut sink);
        }
        let shown: Vec<String> = sink.into_events().into_iter().map(|event| event.text).collect();
        assert_eq!(shown, ["nothing is written for 19 hours before this line"]);
    }

    #[test]
    fn the_year_is_the_latest_that_fits() {
        let check = |text: &str, written: i64, expected: Option<&str>| {
            let time = without_year(text, &Zone::utc(), Timestamp::from_seconds(written));
            assert_eq!(time.map(|time| time.at.to_string()).as_deref(), expected);
        };
        // 2026-01-02.
        check("Jan  2 03:04:05", 1_767_312_000, Some("2026-01-02T03:04:05Z"));
        check("Dec 31 23:59:59", 1_767_312_000, Some("2025-12-31T23:59:59Z"));
        check("Xyz 31 23:59:59", 1_767_312_000, None);
        check("Feb 31 23:59:59", 1_767_312_000, None);
    }
}
