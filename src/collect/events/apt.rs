//! apt's history (`/var/log/apt/history.log`, apt's `pkgmanager.cc`): one stanza a transaction,
//! times in local time. The command line and who asked for it are kept in the event's detail, so
//! that attribution can name who ran it.

use super::clock::settle;
use super::log::{each_line, rotated, tell_dropped, zone_of};
use super::zone::{Zone, civil};
use super::{At, Sink, package};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{CauseKind, Event, EventSubject, Records, Stage, TreePath};

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-apt",
    version: 2,
    summary: "transactions of apt, with who asked for them",
    wanted: &[],
    collect,
};

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, 0);
    let logs = rotated(&mut reader, "/var/log/apt", "history.log");
    let zone = Zone::read(reader.filesystem);
    let mut sink = Sink::default();
    if logs.is_empty() {
        for log in rotated(&mut reader, "/var/log/apt", "term.log") {
            let mut open = Terminal::default();
            each_line(&mut reader, &log, |number, line| {
                let at = At { path: &log.path, line: Some(number) };
                open.take(at, line, &zone).into_iter().for_each(|event| sink.push(event));
            });
        }
    }
    let mut upgrades = Sink::default();
    for log in rotated(&mut reader, "/var/log/unattended-upgrades", "unattended-upgrades.log") {
        let zone = zone_of(&mut reader, &log, &zone, |line| civil(line.split_once(" INFO ")?.0));
        each_line(&mut reader, &log, |number, line| {
            let at = At { path: &log.path, line: Some(number) };
            unattended(at, line, &zone, &mut upgrades);
        });
    }
    reader.records.events.extend(upgrades.into_events());
    for log in logs {
        let mut open = Stanza::default();
        let mut done = Vec::new();
        each_line(&mut reader, &log, |number, line| {
            if line.trim().is_empty() {
                done.extend(std::mem::take(&mut open).event(&log.path, &zone));
            } else {
                open.take(number, line);
            }
            for event in done.drain(..) {
                sink.push(event);
            }
        });
        if let Some(event) = open.event(&log.path, &zone) {
            sink.push(event);
        }
    }
    tell_dropped(&mut reader, &TreePath::parse("/var/log/apt/history.log"), sink.dropped);
    let mut events = sink.into_events();
    settle(&mut reader, &mut events);
    reader.records.events.extend(events);
}

/// `DATE TIME,MS INFO Packages that will be upgraded: a b`, until `… INFO All upgrades installed`.
fn unattended(at: At<'_>, line: &str, zone: &Zone, sink: &mut Sink) {
    let Some((time, message)) = line.split_once(" INFO ") else { return };
    let Some(time) = zone.parse(time) else { return };
    if let Some(names) = message.strip_prefix("Packages that will be upgraded: ") {
        let actor = CauseKind::UnattendedUpgrades;
        let mut event = at.event(actor, "run", "unattended-upgrade", line);
        (event.time, event.until) = (Some(time), Some(time));
        event.subjects = names.split_whitespace().map(|name| package("dpkg", name, None)).collect();
        if !event.subjects.is_empty() {
            sink.push(event);
        }
    } else if message.contains("upgrades installed") || message.starts_with("Packages that were") {
        let own = |event: &Event| event.actor == CauseKind::UnattendedUpgrades;
        if let Some(event) = sink.last_mut(own).filter(|event| event.time <= Some(time)) {
            event.until = Some(time);
        }
    }
}

/// What dpkg told the terminal, where the history is gone (`Log started: …`, `Setting up jq
/// (1.6-2) …`, `Log ended: …`).
#[derive(Debug, Default)]
struct Terminal {
    open: Option<Event>,
}

impl Terminal {
    fn take(&mut self, at: At<'_>, line: &str, zone: &Zone) -> Option<Event> {
        if let Some(time) = line.strip_prefix("Log started: ") {
            let mut event = at.event(CauseKind::PackageManager, "install", "apt", line);
            event.time = zone.parse(time);
            self.open = Some(event);
        } else if let Some(time) = line.strip_prefix("Log ended: ") {
            let mut event = self.open.take()?;
            event.until = zone.parse(time);
            return (!event.subjects.is_empty()).then_some(event);
        }
        let (is_gone, rest) = match line.strip_prefix("Setting up ") {
            Some(rest) => (false, rest),
            None => (true, line.strip_prefix("Removing ")?),
        };
        let (name, rest) = rest.split_once(" (")?;
        let version = rest.split(')').next().filter(|_| !is_gone);
        let event = self.open.as_mut()?;
        event.subjects.push(package("dpkg", name, version));
        None
    }
}

/// The fields of one transaction.
#[derive(Debug, Default)]
struct Stanza {
    line: Option<u64>,
    start: String,
    end: String,
    command: String,
    requested_by: String,
    error: String,
    /// The field's name, and the packages after it.
    actions: Vec<(String, Vec<EventSubject>)>,
}

impl Stanza {
    fn take(&mut self, number: u64, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        let value = value.trim();
        self.line.get_or_insert(number);
        match name {
            "Start-Date" => value.clone_into(&mut self.start),
            "End-Date" => value.clone_into(&mut self.end),
            "Commandline" => value.clone_into(&mut self.command),
            "Requested-By" => value.clone_into(&mut self.requested_by),
            "Error" => value.clone_into(&mut self.error),
            "Install" | "Upgrade" | "Downgrade" | "Remove" | "Purge" | "Reinstall" => {
                self.actions.push((name.to_ascii_lowercase(), packages(name, value)));
            }
            _ => {}
        }
    }

    fn event(self, path: &TreePath, zone: &Zone) -> Option<Event> {
        if self.actions.is_empty() {
            return None;
        }
        let names: Vec<&str> = self.actions.iter().map(|(name, _)| name.as_str()).collect();
        let action = names.join("+");
        let by = match self.requested_by.as_str() {
            "" => String::new(),
            by => format!(" (requested by {by})"),
        };
        let actor = match is_unattended(&self.command) {
            true => CauseKind::UnattendedUpgrades,
            false => CauseKind::PackageManager,
        };
        let detail = if self.command.is_empty() { "apt".into() } else { self.command.clone() };
        let at = At { path, line: self.line };
        let text = format!("Start-Date: {} Commandline: {}{by}", self.start, detail);
        let mut event = at.event(actor, &action, &format!("{detail}{by}"), &text);
        event.time = zone.parse(&self.start);
        event.until = zone.parse(&self.end);
        event.subjects = self.actions.into_iter().flat_map(|(_, packages)| packages).collect();
        Some(event)
    }
}

/// Whether that command line is the unattended upgrade's.
fn is_unattended(command: &str) -> bool {
    let program = command.split_whitespace().find(|word| !word.contains("python"));
    program.is_some_and(|program| program.ends_with("/unattended-upgrade"))
}

/// `a:amd64 (1), b:amd64 (1, 2), c:all (3, automatic)`: the version after it.
fn packages(action: &str, value: &str) -> Vec<EventSubject> {
    let gone = matches!(action, "Remove" | "Purge");
    let parts = value.split("), ").filter_map(|part| {
        let (name, versions) = part.split_once(" (")?;
        let versions = versions.trim_end_matches(')').split(", ");
        let version = versions.filter(|version| *version != "automatic").last();
        Some(package("dpkg", name.trim(), version.filter(|_| !gone)))
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_is_a_transaction() {
        let mut stanza = Stanza::default();
        for (number, line) in [
            "Start-Date: 2026-11-23  01:59:23",
            "Commandline: apt-get install htop",
            "Requested-By: anna (1000)",
            "Install: libnl:amd64 (3.7-1, automatic), htop:amd64 (3.2)",
            "Upgrade: tzdata:all (2025b, 2026f)",
            "Remove: old:amd64 (1)",
            "End-Date: 2026-11-23  01:59:25",
        ]
        .into_iter()
        .enumerate()
        {
            stanza.take(u64::try_from(number).unwrap() + 1, line);
        }
        let event = stanza.event(&TreePath::parse("/l"), &Zone::utc()).unwrap();
        assert_eq!(event.action, "install+upgrade+remove");
        assert_eq!(event.detail, "apt-get install htop (requested by anna (1000))");
        assert_eq!(event.time.unwrap().at.to_string(), "2026-11-23T01:59:23Z");
        assert_eq!(event.until.unwrap().at.to_string(), "2026-11-23T01:59:25Z");
        let shown: Vec<String> = event
            .subjects
            .iter()
            .map(|subject| match subject {
                EventSubject::Package { key, version } => format!("{key} {version:?}"),
                _ => String::new(),
            })
            .collect();
        let expected = [
            "libnl:amd64 Some(\"3.7-1\")",
            "htop:amd64 Some(\"3.2\")",
            "tzdata:all Some(\"2026f\")",
            "old:amd64 None",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn other_logs_of_apt() {
        let path = TreePath::parse("/l");
        let at = At { path: &path, line: Some(1) };
        let mut sink = Sink::default();
        for line in [
            "2026-11-23 06:00:01,123 INFO Starting unattended upgrades script",
            "2026-11-23 06:00:09,123 INFO Packages that will be upgraded: libssl3 openssl",
            "2026-11-23 06:00:30,123 INFO All upgrades installed",
        ] {
            unattended(at, line, &Zone::utc(), &mut sink);
        }
        let mut terminal = Terminal::default();
        for line in [
            "Log started: 2026-11-23  01:59:23",
            "Unpacking htop (3.2.2-2) ...",
            "Setting up htop (3.2.2-2) ...",
            "Removing old:amd64 (1) ...",
            "Log ended: 2026-11-23  01:59:25",
        ] {
            terminal.take(at, line, &Zone::utc()).into_iter().for_each(|event| sink.push(event));
        }
        let shown: Vec<String> = sink
            .into_events()
            .iter()
            .map(|event| {
                let until = event.until.unwrap().at;
                format!("{} {} {} {until}", event.actor, event.detail, event.subjects.len())
            })
            .collect();
        assert_eq!(
            shown,
            [
                "unattended-upgrades unattended-upgrade 2 2026-11-23T06:00:30.123Z",
                "package-manager apt 2 2026-11-23T01:59:25Z",
            ]
        );
    }

    #[test]
    fn unattended_upgrades_are_known_by_their_program() {
        assert!(is_unattended("/usr/bin/unattended-upgrade"));
        assert!(is_unattended("/usr/bin/python3 /usr/bin/unattended-upgrade -v"));
        assert!(!is_unattended("apt-get install unattended-upgrades"));
        assert!(Stanza::default().event(&TreePath::root(), &Zone::utc()).is_none());
    }
}
