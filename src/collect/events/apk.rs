//! apk's log (`/var/log/apk.log`, apk-tools 2.14 and later): ``Running `apk add jq` at DATE TIME``
//! and what became of it, in local time.

use super::log::{each_line, rotated, tell_dropped};
use super::zone::Zone;
use super::{At, Sink, package};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{CauseKind, Event, Records, Stage, TreePath};

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-apk",
    version: 1,
    summary: "transactions of apk",
    wanted: &[],
    collect,
};

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, 0);
    let zone = Zone::read(reader.filesystem);
    let mut sink = Sink::default();
    for log in rotated(&mut reader, "/var/log", "apk.log") {
        let mut open: Option<Event> = None;
        each_line(&mut reader, &log, |number, line| {
            let at = At { path: &log.path, line: Some(number) };
            if let Some(event) = begin(at, line, &zone) {
                open.replace(event).into_iter().for_each(|event| finish(event, &mut sink));
            } else if let Some(event) = &mut open {
                item(line, event);
            }
        });
        open.into_iter().for_each(|event| finish(event, &mut sink));
    }
    tell_dropped(&mut reader, &TreePath::parse("/var/log/apk.log"), sink.dropped);
    reader.records.events.extend(sink.into_events());
}

/// A run that changed nothing is no event.
fn finish(event: Event, sink: &mut Sink) {
    if !event.subjects.is_empty() {
        sink.push(event);
    }
}

fn begin(at: At<'_>, line: &str, zone: &Zone) -> Option<Event> {
    let rest = line.strip_prefix("Running ")?;
    let (command, time) = rest.rsplit_once(" at ")?;
    let command = command.trim_matches(['`', '\'', '"']);
    let mut event = at.event(CauseKind::PackageManager, "", command, line);
    event.time = Some(zone.parse(time)?);
    Some(event)
}

/// `(1/2) Installing jq (1.7-r0)`, `(2/2) Upgrading x (1-r0 -> 2-r0)`, `(1/1) Purging y (1-r0)`.
fn item(line: &str, event: &mut Event) {
    let Some((_, rest)) = line.strip_prefix('(').and_then(|line| line.split_once(") ")) else {
        return;
    };
    let mut words = rest.splitn(3, ' ');
    let (Some(verb), Some(name), Some(versions)) = (words.next(), words.next(), words.next())
    else {
        return;
    };
    let action = match verb {
        "Installing" => "install",
        "Upgrading" | "Replacing" => "upgrade",
        "Downgrading" => "downgrade",
        "Re-installing" | "Reinstalling" => "reinstall",
        "Purging" | "Removing" => "remove",
        _ => return,
    };
    let version = versions.trim_matches(['(', ')']).rsplit(" -> ").next();
    event.subjects.push(package("apk", name, version.filter(|_| action != "remove")));
    if !event.action.split('+').any(|one| one == action) {
        let plus = if event.action.is_empty() { "" } else { "+" };
        event.action = format!("{}{plus}{action}", event.action);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;
    use crate::model::EventSubject;

    #[test]
    fn runs_with_their_packages() {
        let mut tree = MemoryFilesystem::new();
        tree.file(
            "/var/log/apk.log",
            "Running `apk add jq` at 2026-11-23 01:00:05\n\
             (1/2) Installing oniguruma (6.9.9-r0)\n(2/2) Upgrading jq (1.6-r0 -> 1.7-r0)\n\
             Executing busybox-1.36.1-r29.trigger\nOK: 10 MiB in 20 packages\n\n\
             Running `apk update` at 2026-11-23 02:00:00\nOK: 5 distinct packages\n\
             Running `apk del htop` at 2026-11-23 03:00:00\n(1/1) Purging htop (3.3.0-r0)\n",
        );
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        let shown: Vec<String> = records
            .events
            .iter()
            .map(|event| {
                let subjects: Vec<String> = event
                    .subjects
                    .iter()
                    .map(|subject| match subject {
                        EventSubject::Package { key, version } => {
                            format!("{key}={}", version.as_deref().unwrap_or("-"))
                        }
                        _ => String::new(),
                    })
                    .collect();
                let time = event.time.unwrap().at;
                format!("{time} {} {}: {}", event.detail, event.action, subjects.join(" "))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "2026-11-23T01:00:05Z apk add jq install+upgrade: oniguruma=6.9.9-r0 jq=1.7-r0",
                "2026-11-23T03:00:00Z apk del htop remove: htop=-",
            ]
        );
    }
}
