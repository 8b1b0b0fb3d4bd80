//! Puppet: the report of the last run, and the agent's log.
//!
//! A report's `resource_statuses` say of each resource whether it changed and when (Puppet's
//! report format 4 and up); the log says `/Stage[main]/CLASS/TYPE[TITLE]/PARAMETER (notice): …`.

use super::cloud_init::config::{get, is_deep, scalar, text_of};
use super::log::{each_line, rotated, tell_dropped};
use super::zone::offset;
use super::{At, Sink, below, fact, package, path, unit};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{CauseKind, Event, EventSubject, EventTime, Fault, Records, Stage, TreePath};
use saphyr::{LoadableYamlNode, Yaml};

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-puppet",
    version: 1,
    summary: "resources that Puppet changed, from its last report and its log",
    wanted: &[],
    collect,
};

/// Reports of thousands of resources have some megabytes.
const MAX_REPORT: u64 = 32 << 20;

const STATES: [&str; 4] = [
    "/opt/puppetlabs/puppet/cache/state/last_run_report.yaml",
    "/var/lib/puppet/state/last_run_report.yaml",
    "/var/cache/puppet/state/last_run_report.yaml",
    "/opt/puppetlabs/puppet/public/last_run_report.yaml",
];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, MAX_REPORT);
    let mut sink = Sink::default();
    for state in STATES {
        let path = TreePath::parse(state);
        let Some(bytes) = reader.file(&path) else { continue };
        if let Err(fault) = report(&path, &String::from_utf8_lossy(&bytes), &mut sink) {
            reader.gap(&path, fault.chain());
        }
    }
    for directory in ["/var/log/puppetlabs/puppet", "/var/log/puppet"] {
        for name in ["puppet.log", "puppet-agent.log", "agent.log"] {
            for log in rotated(&mut reader, directory, name) {
                each_line(&mut reader, &log, |number, line| {
                    let at = At { path: &log.path, line: Some(number) };
                    sink_line(at, line, &mut sink);
                });
            }
        }
    }
    tell_dropped(&mut reader, &TreePath::parse("/var/log/puppetlabs"), sink.dropped);
    reader.records.events.extend(sink.into_events());
}

/// The resources that changed in the last run.
fn report(source: &TreePath, text: &str, sink: &mut Sink) -> Result<(), Fault> {
    if is_deep(text) {
        return Err(Fault::limit("nested deeper than is read"));
    }
    let documents =
        Yaml::load_from_str(text).map_err(|error| Fault::damaged(format!("YAML: {error}")))?;
    let Some(statuses) = documents.first().and_then(|top| get(top, "resource_statuses")) else {
        return Ok(());
    };
    let statuses = match statuses {
        Yaml::Tagged(_, inner) => inner.as_ref(),
        other => other,
    };
    let Yaml::Mapping(statuses) = statuses else { return Ok(()) };
    for (name, status) in statuses {
        let Some(name) = scalar(name) else { continue };
        if text_of(status, "changed").as_deref() != Some("true") {
            continue;
        }
        let Some(subjects) = resource(&name) else { continue };
        let line = text.lines().position(|line| line.contains(&name));
        let line =
            line.and_then(|line| u64::try_from(line).ok()).map(|line| line.saturating_add(1));
        let manifest = text_of(status, "file").unwrap_or_default();
        let row = text_of(status, "line").unwrap_or_default();
        let time = text_of(status, "time");
        let told = format!(
            "{name}: changed: true, time: {}, {manifest}:{row}",
            time.as_deref().unwrap_or("-")
        );
        let mut event =
            At { path: source, line }.event(CauseKind::Puppet, "resource", &name, &told);
        event.time = time.and_then(|time| offset(&time.replacen(' ', "T", 1)));
        let seconds = text_of(status, "evaluation_time").and_then(|time| time.parse::<f64>().ok());
        event.until = event.time.map(|time| later(time, seconds.unwrap_or(0.0)));
        event.subjects = subjects;
        sink.push(event);
    }
    Ok(())
}

/// That many seconds later, an hour at most.
fn later(mut time: EventTime, seconds: f64) -> EventTime {
    let mut whole = 0_i64;
    while whole < 3600 && f64::from(i32::try_from(whole).unwrap_or(i32::MAX)) < seconds {
        whole = whole.saturating_add(1);
    }
    time.at.seconds = time.at.seconds.saturating_add(whole);
    time
}

/// `2026-11-23 01:00:05 +0000 /Stage[main]/Motd/File[/etc/motd]/content (notice): content changed …`
fn sink_line(at: At<'_>, line: &str, sink: &mut Sink) {
    let Some((head, rest)) = line.split_once(" /Stage[") else { return };
    let Some((place, message)) = rest.split_once("): ") else { return };
    let mut parts = head.split_whitespace();
    let (Some(date), Some(clock), Some(zone)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let zone = match zone.get(..3).zip(zone.get(3..5)) {
        Some((hours, minutes)) if !zone.contains(':') => format!("{hours}:{minutes}"),
        _ => zone.to_owned(),
    };
    let time = offset(&format!("{date}T{clock}{zone}"));
    let place = place.rsplit_once(" (").map_or(place, |(place, _)| place);
    if let Some(mut event) = changed(at, place, message, line) {
        event.time = time;
        sink.push(event);
    }
}

/// What a message about a resource's parameter says.
#[must_use]
pub fn changed(at: At<'_>, place: &str, message: &str, line: &str) -> Option<Event> {
    let says = ["changed", "created", "defined", "ensure", "executed", "removed", "mode", "owner"];
    if !says.iter().any(|word| message.contains(word)) || message.starts_with("could not") {
        return None;
    }
    // `main]/Motd/File[/etc/motd]/content`: the last resource with its title.
    let end = place.rfind(']')?;
    let inner = place.get(..end)?;
    let mut depth = 0_usize;
    let start = inner.char_indices().rev().find(|(_, c)| {
        match c {
            ']' => depth = depth.saturating_add(1),
            '[' if depth == 0 => return true,
            '[' => depth = depth.saturating_sub(1),
            _ => {}
        }
        false
    })?;
    let kind = inner.get(..start.0)?.rsplit('/').next()?;
    let title = inner.get(start.0.saturating_add(1)..)?;
    let name = format!("{kind}[{title}]");
    let mut event = at.event(CauseKind::Puppet, "resource", &name, line);
    event.subjects = resource(&name)?;
    Some(event)
}

/// What a resource stands for.
fn resource(name: &str) -> Option<Vec<EventSubject>> {
    let (kind, title) = name.strip_suffix(']')?.split_once('[')?;
    let mut found: Vec<EventSubject> = path(title).into_iter().collect();
    match kind {
        "User" => {
            found.push(fact("users", title));
            found.extend(below(&format!("/home/{title}")));
            for file in ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"] {
                found.extend(path(&format!("/etc/{file}")));
                found.extend(path(&format!("/etc/{file}-")));
            }
        }
        "Group" => found.push(fact("groups", title)),
        "Service" => found.push(unit(title)),
        "Package" => {
            found.extend(["dpkg", "rpm", "apk", "pacman"].map(|by| package(by, title, None)));
        }
        "Cron" => found.extend(path("/var/spool/cron/crontabs/root")),
        "Host" => found.extend(path("/etc/hosts")),
        "Mount" => found.extend(path("/etc/fstab")),
        "Exec" => found.extend(super::command::subjects(title, "", "/root")),
        "Ssh_authorized_key" => found.extend(path("/root/.ssh/authorized_keys")),
        _ => {}
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_and_a_log() {
        let path = TreePath::parse("/r");
        let mut sink = Sink::default();
        let text = "--- !ruby/object:Puppet::Transaction::Report\nhost: web\nresource_statuses:\n  \
            File[/etc/motd]: !ruby/object:Puppet::Resource::Status\n    title: \"/etc/motd\"\n    \
            file: \"/etc/puppet/site.pp\"\n    line: 3\n    changed: true\n    \
            evaluation_time: 1.5\n    time: '2026-11-23T01:00:05.123456+00:00'\n  \
            File[/etc/hosts]: !ruby/object:Puppet::Resource::Status\n    changed: false\n";
        report(&path, text, &mut sink).unwrap();
        let line = "2026-11-23 01:00:09 +0000 /Stage[main]/Ntp/File[/etc/ntp.conf]/content (notice): content changed 'a' to 'b'";
        sink_line(At { path: &path, line: None }, line, &mut sink);
        let shown: Vec<String> = sink
            .into_events()
            .iter()
            .map(|event| {
                let until = event.until.map_or(String::new(), |time| time.at.to_string());
                format!(
                    "{} {} {until} {}",
                    event.detail,
                    event.time.unwrap().at,
                    event.subjects.len()
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "File[/etc/motd] 2026-11-23T01:00:05.123456Z 2026-11-23T01:00:07.123456Z 1",
                "File[/etc/ntp.conf] 2026-11-23T01:00:09Z  1",
            ]
        );
    }
}
