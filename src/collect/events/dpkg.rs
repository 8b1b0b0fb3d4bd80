//! dpkg's log (`/var/log/dpkg.log`, dpkg(1) "--log"): a run from its `startup` line on, times in
//! local time. It knows no command line, so apt's history is the better witness where both speak.

use super::clock::settle;
use super::log::{each_line, rotated, tell_dropped};
use super::zone::Zone;
use super::{At, Sink, package};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{CauseKind, Records, Stage, TreePath};

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-dpkg",
    version: 1,
    summary: "what dpkg did, from its log",
    wanted: &[],
    collect,
};

/// Two lines further apart than this are of two runs, in seconds.
const MAX_PAUSE: i64 = 120;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, 0);
    let logs = rotated(&mut reader, "/var/log", "dpkg.log");
    if logs.is_empty() {
        return;
    }
    let zone = Zone::read(reader.filesystem);
    let mut sink = Sink::default();
    for log in logs {
        each_line(&mut reader, &log, |number, line| {
            take(At { path: &log.path, line: Some(number) }, line, &zone, &mut sink);
        });
    }
    tell_dropped(&mut reader, &TreePath::parse("/var/log/dpkg.log"), sink.dropped);
    let mut events = sink.into_events();
    settle(&mut reader, &mut events);
    reader.records.events.extend(events);
}

/// `DATE TIME ACTION PACKAGE:ARCH OLD NEW`; states and triggers are passed over but for the time.
fn take(at: At<'_>, line: &str, zone: &Zone, sink: &mut Sink) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [date, clock, action, rest @ ..] = words.as_slice() else { return };
    let changes = matches!(*action, "install" | "upgrade" | "remove" | "purge");
    if !changes && !matches!(*action, "status" | "configure" | "startup" | "trigproc") {
        return;
    }
    let Some(time) = zone.parse(&format!("{date} {clock}")) else { return };
    let (subject, action) = match rest {
        [name, old, new, ..] if changes => {
            let is_gone = matches!(*action, "remove" | "purge") || *new == "<none>";
            let is_new = *action == "upgrade" && *old == "<none>";
            let action = if is_new { "install" } else { action };
            (Some(package("dpkg", name, (!is_gone).then_some(*new))), action)
        }
        _ => (None, *action),
    };
    let near = |event: &crate::model::Event| {
        let last = event.until.or(event.time);
        last.is_some_and(|last| time.at.seconds.saturating_sub(last.at.seconds) <= MAX_PAUSE)
    };
    match (sink.last_mut(|_| true).filter(|event| near(event)), subject) {
        (Some(event), subject) => {
            event.until = Some(time);
            if let Some(subject) = subject {
                if !event.action.split('+').any(|one| one == action) {
                    event.action = format!("{}+{action}", event.action);
                }
                if !event.subjects.contains(&subject) {
                    event.subjects.push(subject);
                }
            }
        }
        (None, Some(subject)) => {
            let mut event = at.event(CauseKind::PackageManager, action, "dpkg", line);
            event.time = Some(time);
            event.subjects = vec![subject];
            sink.push(event);
        }
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventSubject;

    fn name(subject: &EventSubject) -> Option<&str> {
        match subject {
            EventSubject::Package { key, .. } => Some(&key.name),
            _ => None,
        }
    }

    #[test]
    fn lines_become_runs() {
        let mut sink = Sink::default();
        let path = TreePath::parse("/var/log/dpkg.log");
        for line in [
            "2026-11-23 01:59:24 startup archives unpack",
            "2026-11-23 01:59:24 install htop:amd64 <none> 3.2.2-2",
            "2026-11-23 01:59:24 status half-installed htop:amd64 3.2.2-2",
            "2026-11-23 01:59:25 upgrade sudo:amd64 1 2",
            "2026-11-23 01:59:26 status installed sudo:amd64 2",
            "2026-11-23 03:00:00 remove htop:amd64 3.2.2-2 <none>",
            "damaged",
        ] {
            take(At { path: &path, line: None }, line, &Zone::utc(), &mut sink);
        }
        let shown: Vec<String> = sink
            .into_events()
            .iter()
            .map(|event| {
                let names: Vec<&str> = event.subjects.iter().filter_map(name).collect();
                let until = event.until.map(|time| time.at.to_string()).unwrap_or_default();
                format!("{} {} {until}", event.action, names.join(","))
            })
            .collect();
        assert_eq!(shown, ["install+upgrade htop,sudo 2026-11-23T01:59:26Z", "remove htop "]);
    }
}
