//! A zone that was changed while a log in local time was written: the lines before it are of
//! another zone than those after it.
//!
//! syslog's daemons take the zone when they start. Where the times of two neighbouring lines differ
//! by what only zones differ by, and the line is the daemon's own or nothing else lies between, what
//! stands before is moved as a whole.

use super::Line;
use crate::model::{Event, EventTime};

/// Zones differ by whole quarters of an hour, in seconds.
const QUARTER: i64 = 900;

/// Between the zones furthest apart (UTC-12 and UTC+14), in seconds.
const WIDEST: i64 = 26 * 3600;

/// A daemon is started again within this, and a busy log has a line so often, in seconds.
const PROMPT: i64 = 5;

/// Changes of the zone in one log; an attacker's has no end.
const MAX_SHIFTS: usize = 16;

/// Follows the times of one log's lines, hour by hour.
#[derive(Debug, Default)]
pub struct Shifts {
    /// The time and the tag of the last line.
    last: (String, String),
    found: Vec<Shift>,
}

/// One change of the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shift {
    /// The first line after it.
    line: u64,
    /// By how much times before it are to be moved, in seconds.
    by: i64,
    /// Of the line before it, as it was read.
    before: i64,
}

impl Shifts {
    /// One line. `when` reads a time as the zone of the log's end has it; `is_twice` says whether
    /// its hour occurs twice when summer ends.
    pub fn take(
        &mut self,
        number: u64,
        line: &Line<'_>,
        when: impl Fn(&str) -> Option<EventTime>,
        is_twice: impl Fn(&str) -> bool,
    ) {
        // RFC 3339 has its own offset.
        if line.time.starts_with(|c: char| c.is_ascii_digit()) {
            return;
        }
        let (time, tag) = &self.last;
        if !time.is_empty()
            && time.get(..9) != line.time.get(..9)
            && self.found.len() < MAX_SHIFTS
            && let (Some(last), Some(now)) = (when(time), when(line.time))
        {
            let is_daemons = [tag.as_str(), line.tag].iter().any(|tag| DAEMONS.contains(tag));
            let (before, after) = (last.at.seconds, now.at.seconds);
            if let Some(by) = shift(after.saturating_sub(before), is_daemons)
                && !is_twice(line.time)
            {
                self.found.push(Shift { line: number, by, before });
            }
        }
        line.time.clone_into(&mut self.last.0);
        line.tag.clone_into(&mut self.last.1);
    }

    /// Moves what an event of this log was read as.
    pub fn settle(&self, event: &mut Event) {
        let Some(line) = event.line else { return };
        let (time, until) = (event.time, event.until);
        for shift in self.found.iter().filter(|shift| line < shift.line) {
            move_by(&mut event.time, shift.by);
            // The end stands on a later line: is it before the change, too?
            let is_before = time.zip(until).is_some_and(|(time, until)| {
                (time.at.seconds..=shift.before).contains(&until.at.seconds)
            });
            if is_before {
                move_by(&mut event.until, shift.by);
            }
        }
    }

    /// Whether there is anything to move.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// Who stops and starts when a zone is changed, or changes it.
const DAEMONS: [&str; 6] =
    ["rsyslogd", "syslogd", "syslog-ng", "systemd-timedated", "dbus-daemon", "systemd-journald"];

/// The difference of zones in the difference of two lines' times.
fn shift(difference: i64, is_daemons: bool) -> Option<i64> {
    let by = difference.saturating_add(PROMPT).div_euclid(QUARTER).saturating_mul(QUARTER);
    let rest = difference.saturating_sub(by);
    let is_prompt = rest.abs() <= PROMPT;
    // Time that passes is no change of zone, unless the daemon says that none did pass; time never
    // runs back by itself, but clocks are set.
    let is_told = if by > 0 { is_prompt && is_daemons } else { is_prompt || is_daemons };
    (by != 0 && by.abs() <= WIDEST && is_told).then_some(by)
}

fn move_by(time: &mut Option<EventTime>, seconds: i64) {
    if let Some(time) = time {
        time.at.seconds = time.at.seconds.saturating_add(seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Zone, without_year};
    use super::*;
    use crate::collect::events::At;
    use crate::model::{CauseKind, Timestamp, TreePath};

    /// What the first line's event is moved by, one that ended on the second line.
    fn check(lines: &[&str], expected: (i64, i64)) {
        let when =
            |text: &str| without_year(text, &Zone::utc(), Timestamp::from_seconds(1_795_478_400));
        let path = TreePath::parse("/var/log/syslog");
        let mut shifts = Shifts::default();
        for (number, text) in (1..).zip(lines) {
            shifts.take(number, &Line::parse(text).unwrap(), when, |_| false);
        }
        let at = At { path: &path, line: Some(1) };
        let mut event = at.event(CauseKind::Human, "session", "x", "x");
        event.time = when(lines[0].get(..15).unwrap());
        event.until = when(lines[1].get(..15).unwrap());
        let (time, until) = (event.time.unwrap().at.seconds, event.until.unwrap().at.seconds);
        shifts.settle(&mut event);
        let moved = event.time.unwrap().at.seconds - time;
        assert_eq!((moved, event.until.unwrap().at.seconds - until), expected, "{lines:?}");
    }

    #[test]
    fn zones_change_within_a_log() {
        check(
            &[
                "Nov 23 10:00:00 web sshd[1]: a",
                "Nov 23 10:20:00 web sshd[1]: b",
                "Nov 23 10:20:30 web rsyslogd: exiting on signal 15.",
                "Nov 23 15:50:31 web rsyslogd: start",
                "Nov 23 15:51:00 web sshd[1]: c",
            ],
            (19800, 19800),
        );
        check(
            &[
                "Nov 23 10:00:00 web sshd[1]: a",
                "Nov 23 05:30:02 web sshd[1]: b",
                "Nov 23 05:40:02 web sshd[1]: c",
            ],
            (-16200, 0),
        );
        // Nothing was written for some hours; the clock was set back by some minutes.
        check(&["Nov 23 10:00:00 web a: a", "Nov 23 15:00:01 web a: b"], (0, 0));
        check(&["Nov 23 10:00:00 web a: a", "Nov 23 09:52:01 web a: b"], (0, 0));
    }
}
