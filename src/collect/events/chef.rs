//! Chef: the client's log (each resource that was updated) and the backups that mirror the paths
//! they are of.
//!
//! The lines are Chef Infra Client's: `[TIME] INFO: TYPE[NAME] created file PATH`; backups lie at
//! `/var/chef/backup/PATH.chef-YYYYMMDDHHMMSS.ffffff` (its `Chef::Util::Backup`).

use super::log::{at_path, each_line, rotated, tell_dropped};
use super::zone::{Zone, offset};
use super::{At, Sink, fact, package, path, unit};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{CauseKind, Event, EventSubject, EventTime, Records, Stage, TreePath};

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-chef",
    version: 1,
    summary: "resources that Chef updated, and its backups",
    wanted: &[],
    collect,
};

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, 0);
    let mut sink = Sink::default();
    for (directory, name) in [
        ("/var/log/chef", "client.log"),
        ("/var/log/cinc", "client.log"),
        ("/var/log", "chef-client.log"),
    ] {
        for log in rotated(&mut reader, directory, name) {
            let mut state = State::default();
            each_line(&mut reader, &log, |number, line| {
                let at = At { path: &log.path, line: Some(number) };
                if let Some(event) = state.take(at, line) {
                    sink.push(event);
                }
            });
        }
    }
    let zone = Zone::read(reader.filesystem);
    for path in backups(&mut reader) {
        let Some((original, time)) = backup(&path) else { continue };
        let text = format!("a backup of {original} as Chef names it");
        let mut event =
            At { path: &path, line: None }.event(CauseKind::Chef, "resource", "backup", &text);
        event.time = zone.parse(&time);
        event.subjects = vec![EventSubject::Path(original), EventSubject::Path(path.clone())];
        sink.push(event);
    }
    tell_dropped(&mut reader, &TreePath::parse("/var/log/chef"), sink.dropped);
    reader.records.events.extend(sink.into_events());
}

/// Directories of the backups' tree that are read; it mirrors the paths of managed files only.
const MAX_DIRECTORIES: usize = 5000;

fn backups(reader: &mut Reader<'_>) -> Vec<TreePath> {
    let tops =
        ["/var/chef/backup", "/var/lib/chef/backup", "/var/cinc/backup"].map(TreePath::parse);
    let mut found = reader.list_below(&tops, MAX_DIRECTORIES);
    let is_named = |name: &[u8]| name.windows(6).any(|part| part == b".chef-");
    found.retain(|path| path.file_name().is_some_and(is_named));
    found.retain(|path| at_path(reader, path).is_some());
    found
}

/// `…/backup/etc/motd.chef-20261123010005.123456` into `/etc/motd` and its local time.
fn backup(path: &TreePath) -> Option<(TreePath, String)> {
    let text = path.as_plain_str()?;
    let (_, rest) = text.split_once("/backup/")?;
    let (original, stamp) = rest.rsplit_once(".chef-")?;
    let digits = stamp.get(..14).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    let time = format!(
        "{}-{}-{} {}:{}:{}",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    );
    Some((TreePath::parse(original), time))
}

/// The resource that is being processed.
#[derive(Debug, Default)]
struct State {
    processing: Option<(String, EventTime)>,
}

impl State {
    fn take(&mut self, at: At<'_>, line: &str) -> Option<Event> {
        let (time, rest) = line.strip_prefix('[')?.split_once("] ")?;
        let message = rest.strip_prefix("INFO: ").or_else(|| rest.strip_prefix("WARN: "))?;
        let time = offset(time)?;
        if let Some(rest) = message.strip_prefix("Processing ") {
            self.processing = rest.split(" action ").next().map(|name| (name.to_owned(), time));
            return None;
        }
        let end = message.find(']')?;
        let resource = message.get(..end.saturating_add(1))?;
        let (kind, name) = resource.strip_suffix(']')?.split_once('[')?;
        let done = message.get(end.saturating_add(1)..)?.trim();
        let is_word =
            !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_word || !is_change(done) {
            return None;
        }
        let mut event = at.event(CauseKind::Chef, "resource", resource, line);
        let begun = self.processing.as_ref().filter(|(open, _)| open == resource);
        event.time = Some(begun.map_or(time, |(_, begun)| *begun));
        event.until = Some(time);
        event.subjects = subjects(kind, name, done);
        Some(event)
    }
}

/// Whether the words after a resource say that something changed.
fn is_change(done: &str) -> bool {
    let changes = [
        "created",
        "updated",
        "changed",
        "installed",
        "upgraded",
        "removed",
        "deleted",
        "enabled",
        "disabled",
        "ran successfully",
        "added",
        "owner",
        "mode",
        "group",
        "set",
        "mounted",
        "extracted",
        "linked",
        "purged",
        "masked",
        "modified",
        "checked out",
        "cloned",
    ];
    let first = done.split(' ').next().unwrap_or_default();
    changes.iter().any(|word| done.starts_with(word)) && first != "not"
}

fn subjects(kind: &str, name: &str, done: &str) -> Vec<EventSubject> {
    let mut found: Vec<EventSubject> = path(name).into_iter().collect();
    // `created file /etc/motd`: the path where the name is another.
    let named = done.split_whitespace().filter(|word| word.starts_with('/')).filter_map(path);
    found.extend(named.filter(|one| !found.contains(one)).collect::<Vec<_>>());
    match kind {
        "user" | "linux_user" => {
            found.push(fact("users", name));
            found.extend(super::below(&format!("/home/{name}")));
            for file in ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"] {
                found.extend(path(&format!("/etc/{file}")));
                found.extend(path(&format!("/etc/{file}-")));
            }
        }
        "group" => found.push(fact("groups", name)),
        "service" | "systemd_unit" => found.push(unit(name)),
        "cron" => found.extend(path("/var/spool/cron/crontabs/root")),
        "cron_d" => found.extend(path(&format!("/etc/cron.d/{name}"))),
        "sysctl" => found.extend(path(&format!("/etc/sysctl.d/99-chef-{name}.conf"))),
        "hostname" => found.extend(path("/etc/hostname")),
        "remote_directory" | "git" | "archive_file" => found.extend(super::below(name)),
        "execute" | "bash" | "script" => {
            found.extend(super::command::subjects(name, "", "/root"));
        }
        kind if kind.ends_with("package") => {
            for one in name.split(", ") {
                found.extend(["dpkg", "rpm", "apk", "pacman"].map(|by| package(by, one, None)));
            }
        }
        _ => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_and_backups() {
        let path = TreePath::parse("/var/log/chef/client.log");
        let mut state = State::default();
        let lines = [
            "[2026-11-23T01:00:04+00:00] INFO: Processing template[motd] action create (base::default line 5)",
            "[2026-11-23T01:00:05+00:00] INFO: template[motd] updated file contents /etc/motd",
            "[2026-11-23T01:00:06+00:00] INFO: template[motd] not queuing delayed action",
            "[2026-11-23T01:00:07+00:00] INFO: Chef Infra Client Run complete in 3.2 seconds",
            "[2026-11-23T01:00:08+00:00] INFO: apt_package[htop] installed htop at 3.2.2-2",
            "damaged",
        ];
        let shown: Vec<String> = lines
            .iter()
            .filter_map(|line| state.take(At { path: &path, line: None }, line))
            .map(|event| {
                format!("{} {} {}", event.detail, event.subjects.len(), event.time.unwrap().at)
            })
            .collect();
        assert_eq!(
            shown,
            ["template[motd] 1 2026-11-23T01:00:04Z", "apt_package[htop] 4 2026-11-23T01:00:08Z"]
        );
        let found =
            backup(&TreePath::parse("/var/chef/backup/etc/motd.chef-20261123010005.123456"));
        let (original, time) = found.unwrap();
        assert_eq!(format!("{original} {time}"), "/etc/motd 2026-11-23 01:00:05");
        assert_eq!(backup(&TreePath::parse("/var/chef/backup/etc/motd.chef-2026")), None);
    }
}
