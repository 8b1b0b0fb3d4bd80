//! pacman's log (`/var/log/pacman.log`): `[TIME] [ALPM] installed NAME (VERSION)`, after the
//! command line that `[PACMAN] Running '…'` says.

use super::log::{each_line, rotated, tell_dropped};
use super::zone::{Zone, offset};
use super::{At, Sink, package};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{CauseKind, Event, EventTime, Records, Stage, TreePath};

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-pacman",
    version: 1,
    summary: "transactions of pacman",
    wanted: &[],
    collect,
};

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, 0);
    let zone = Zone::read(reader.filesystem);
    let mut sink = Sink::default();
    for log in rotated(&mut reader, "/var/log", "pacman.log") {
        let mut state = State::default();
        each_line(&mut reader, &log, |number, line| {
            let done = state.take(At { path: &log.path, line: Some(number) }, line, &zone);
            done.into_iter().for_each(|event| sink.push(event));
        });
        state.open.into_iter().for_each(|event| sink.push(event));
    }
    tell_dropped(&mut reader, &TreePath::parse("/var/log/pacman.log"), sink.dropped);
    reader.records.events.extend(sink.into_events());
}

#[derive(Default)]
struct State {
    command: String,
    open: Option<Event>,
}

impl State {
    /// One line; the transaction that it ends.
    fn take(&mut self, at: At<'_>, line: &str, zone: &Zone) -> Option<Event> {
        let (time, rest) = line.strip_prefix('[')?.split_once("] [")?;
        let (program, message) = rest.split_once("] ")?;
        if program == "PACMAN" {
            if let Some(command) = message.strip_prefix("Running '") {
                command.trim_end_matches('\'').clone_into(&mut self.command);
            }
            return None;
        }
        let time = when(time, zone)?;
        if message == "transaction completed" {
            let mut event = self.open.take()?;
            event.until = Some(time);
            return Some(event);
        }
        let (action, rest) = message.split_once(' ')?;
        let action = match action {
            "installed" => "install",
            "upgraded" => "upgrade",
            "downgraded" => "downgrade",
            "reinstalled" => "reinstall",
            "removed" => "remove",
            _ => return None,
        };
        let (name, version) = rest.trim_end_matches(')').split_once(" (")?;
        let version = version.rsplit("-> ").next().filter(|_| action != "remove");
        let subject = package("pacman", name, version);
        let event = self.open.get_or_insert_with(|| {
            let detail = if self.command.is_empty() { "pacman" } else { &self.command };
            let mut event = at.event(CauseKind::PackageManager, action, detail, line);
            event.time = Some(time);
            event
        });
        event.until = Some(time);
        event.subjects.push(subject);
        None
    }
}

/// `2026-11-23T01:00:05+0000`, or an older log's local `2026-11-23 01:00`.
fn when(text: &str, zone: &Zone) -> Option<EventTime> {
    let cut = text.len().checked_sub(2)?;
    match (text.get(..cut), text.get(cut..)) {
        (Some(head), Some(tail)) if text.contains('T') => offset(&format!("{head}:{tail}")),
        _ => zone.parse(&format!("{text}:00")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction() {
        let path = TreePath::parse("/var/log/pacman.log");
        let mut state = State::default();
        let lines = [
            "[2026-11-23T01:00:04+0000] [PACMAN] Running 'pacman -S htop'",
            "[2026-11-23T01:00:05+0000] [ALPM] transaction started",
            "[2026-11-23T01:00:05+0000] [ALPM] installed htop (3.2.2-1)",
            "[2026-11-23T01:00:06+0000] [ALPM] upgraded x (1-1 -> 2-1)",
            "[2026-11-23T01:00:06+0000] [ALPM] transaction completed",
        ];
        let at = At { path: &path, line: None };
        let zone = Zone::utc();
        let done: Vec<Event> =
            lines.iter().filter_map(|line| state.take(at, line, &zone)).collect();
        let [event] = done.as_slice() else { panic!("one transaction") };
        let expected =
            [package("pacman", "htop", Some("3.2.2-1")), package("pacman", "x", Some("2-1"))];
        assert_eq!(
            (event.detail.as_str(), event.subjects.as_slice()),
            ("pacman -S htop", &expected[..])
        );
        assert_eq!(event.until.unwrap().at.to_string(), "2026-11-23T01:00:06Z");
        assert_eq!(when("2026-11-23 01:00", &zone).unwrap().at.to_string(), "2026-11-23T01:00:00Z");
    }
}
