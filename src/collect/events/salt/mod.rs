//! Salt: the minion's log, the returns of jobs that it caches, and its backups of files.
//!
//! The log's lines are `salt.state`'s: `Executing state FUN for [NAME]`, what changed, `Completed
//! state [NAME] at time …`. Returns lie in `/var/cache/salt/minion/minion_jobs/JID/return.p`
//! (MessagePack, where `cache_jobs` is set), backups in `file_backup/` with the path and
//! `_%a_%b_%d_%H:%M:%S_%f_%Y` after it (`salt.utils.files.backup_minion`).

use super::log::{at_path, each_line, rotated, tell_dropped};
use super::zone::Zone;
use super::{At, Sink, below, command, fact, package, path, unit};
use crate::collect::reader::{self, Reader};
use crate::collect::{Collector, View};
use crate::model::{CauseKind, Event, EventSubject, EventTime, Fault, Records, Stage, TreePath};

mod msgpack;

use msgpack::Value;

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-salt",
    version: 1,
    summary: "states that Salt applied, from the minion's log, jobs and backups",
    wanted: &[],
    collect,
};

/// A return of a highstate of thousands of states.
const MAX_RETURN: u64 = 32 << 20;

/// Jobs, and directories of backups, that are read.
const MAX_JOBS: usize = 2000;

const CACHES: [&str; 2] = ["/var/cache/salt/minion", "/opt/saltstack/salt/var/cache/salt/minion"];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, MAX_RETURN);
    let zone = Zone::read(reader.filesystem);
    let mut sink = Sink::default();
    for log in rotated(&mut reader, "/var/log/salt", "minion") {
        let mut state = State::default();
        each_line(&mut reader, &log, |number, line| {
            let at = At { path: &log.path, line: Some(number) };
            state.take(at, line, &zone).into_iter().for_each(|event| sink.push(event));
        });
    }
    for cache in CACHES {
        let cache = TreePath::parse(cache);
        let jobs = reader::below(&cache, "minion_jobs");
        for (name, _) in reader.list_directories(&jobs).into_iter().rev().take(MAX_JOBS) {
            let file = reader::below(&jobs.join(&name), "return.p");
            let Some(bytes) = reader.file(&file) else { continue };
            if let Err(fault) = job(&file, &bytes, &name.to_string(), &zone, &mut sink) {
                reader.gap(&file, fault.chain());
            }
        }
        backups(&mut reader, &reader::below(&cache, "file_backup"), &zone, &mut sink);
    }
    tell_dropped(&mut reader, &TreePath::parse("/var/log/salt/minion"), sink.dropped);
    reader.records.events.extend(sink.into_events());
}

/// The state that is being executed.
#[derive(Debug, Default)]
struct State {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    function: String,
    name: String,
    line: u64,
    text: String,
    time: EventTime,
    has_changed: bool,
}

/// What states say that found nothing to do.
const UNCHANGED: [&str; 9] = [
    "in the correct state",
    "already",
    "No changes",
    "no changes",
    "is present and up to date",
    "would be",
    "will be",
    "Loading fresh modules",
    "not necessary",
];

impl State {
    /// `2026-11-23 01:00:05,123 [salt.state :300 ][INFO ][1234] MESSAGE`.
    fn take(&mut self, at: At<'_>, line: &str, zone: &Zone) -> Option<Event> {
        let stamp = line.get(..23).and_then(|time| zone.parse(time));
        let Some(time) = stamp else {
            // Differences and changes go over several lines.
            return None;
        };
        let rest = line.get(23..)?;
        if !rest.contains("[salt.state") {
            return None;
        }
        let message = rest.splitn(4, ']').nth(3).or(rest.splitn(3, ']').nth(2))?.trim();
        if let Some(rest) = message.strip_prefix("Executing state ") {
            let (function, name) = rest.split_once(" for [")?;
            self.open = Some(Open {
                function: function.to_owned(),
                name: name.trim_end_matches(']').to_owned(),
                line: at.line.unwrap_or(0),
                text: message.to_owned(),
                time,
                has_changed: false,
            });
            return None;
        }
        if message.starts_with("Completed state [") {
            let open = self.open.take().filter(|open| open.has_changed)?;
            let here = At { line: Some(open.line), ..at };
            let detail = format!("{}: {}", open.function, open.name);
            let mut event = here.event(CauseKind::Salt, "resource", &detail, &open.text);
            (event.time, event.until) = (Some(open.time), Some(time));
            event.subjects = subjects(&open.function, &open.name, &Value::Nil);
            return Some(event);
        }
        let open = self.open.as_mut()?;
        let is_info = rest.contains("[INFO");
        let is_telling = !message.starts_with("Running state [");
        open.has_changed |=
            is_info && is_telling && !UNCHANGED.iter().any(|one| message.contains(one));
        None
    }
}

/// The states of one job that changed something.
fn job(
    source: &TreePath,
    bytes: &[u8],
    jid: &str,
    zone: &Zone,
    sink: &mut Sink,
) -> Result<(), Fault> {
    let document = msgpack::parse(bytes)?;
    let result = document.get("return").unwrap_or(&document);
    let day = match (jid.get(..4), jid.get(4..6), jid.get(6..8)) {
        (Some(year), Some(month), Some(day)) => format!("{year}-{month}-{day}"),
        _ => String::new(),
    };
    for (key, state) in result.entries() {
        let changes = state.get("changes").unwrap_or(&Value::Nil);
        if changes.entries().is_empty() {
            continue;
        }
        // `file_|-motd_|-/etc/motd_|-managed`: module, id, name, function.
        let parts: Vec<&str> = key.text().unwrap_or_default().split("_|-").collect();
        let [module, id, name, function] = parts.as_slice() else { continue };
        let name = state.get("name").and_then(Value::text).unwrap_or(name);
        let function = format!("{module}.{function}");
        let comment = state.get("comment").and_then(Value::text).unwrap_or_default();
        let clock = state.get("start_time").and_then(Value::text).unwrap_or_default();
        let detail = format!("{function}: {name}");
        let text = format!("job {jid}: {function} {id}: {comment}");
        let at = At { path: source, line: None };
        let mut event = at.event(CauseKind::Salt, "resource", &detail, &text);
        event.time = zone.parse(&format!("{day} {clock}"));
        let lasted = match state.get("duration") {
            Some(Value::Float(duration)) => *duration,
            Some(Value::Integer(duration)) => f64::from(i32::try_from(*duration).unwrap_or(0)),
            _ => 0.0,
        };
        event.until = event.time.map(|time| later(time, lasted));
        event.subjects = subjects(&function, name, changes);
        sink.push(event);
    }
    Ok(())
}

/// That many milliseconds later, rounded up to seconds, an hour at most.
fn later(mut time: EventTime, milliseconds: f64) -> EventTime {
    let mut seconds = 0_i32;
    while seconds < 3600 && f64::from(seconds) * 1000.0 < milliseconds {
        seconds = seconds.saturating_add(1);
    }
    time.at.seconds = time.at.seconds.saturating_add(i64::from(seconds));
    time
}

/// Backups mirror the paths of what they are of.
fn backups(reader: &mut Reader<'_>, top: &TreePath, zone: &Zone, sink: &mut Sink) {
    for copy in reader.list_below(std::slice::from_ref(top), MAX_JOBS) {
        let Some((original, time)) = backup(top, &copy) else { continue };
        if at_path(reader, &copy).is_none() {
            continue;
        }
        let text = format!("a backup of {original} as Salt's backup: minion names it");
        let at = At { path: &copy, line: None };
        let mut event = at.event(CauseKind::Salt, "resource", "file backup", &text);
        event.time = zone.parse(&time);
        event.subjects = vec![EventSubject::Path(original), EventSubject::Path(copy.clone())];
        sink.push(event);
    }
}

/// `…/file_backup/etc/motd_Mon_Nov_23_01:00:05_123456_2026` into `/etc/motd` and its local time.
fn backup(top: &TreePath, copy: &TreePath) -> Option<(TreePath, String)> {
    let text = copy.as_plain_str()?.strip_prefix(top.as_plain_str()?)?;
    let mut parts = text.rsplitn(7, '_');
    let (year, _micro, clock) = (parts.next()?, parts.next()?, parts.next()?);
    let (day, month, _weekday, original) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
            .iter()
            .position(|name| *name == month)?
            .checked_add(1)?;
    Some((TreePath::parse(original), format!("{year}-{month:02}-{day:0>2} {clock}")))
}

/// What a state's function and name stand for; of packages the changes name all.
fn subjects(function: &str, name: &str, changes: &Value) -> Vec<EventSubject> {
    let mut found: Vec<EventSubject> = path(name).into_iter().collect();
    let (module, verb) = function.split_once('.').unwrap_or((function, ""));
    let mut add = |subject: Option<EventSubject>| found.extend(subject);
    match module {
        "file" | "archive" | "git" | "virtualenv" | "svn" | "hg" => {
            let deep = matches!(
                verb,
                "recurse"
                    | "directory"
                    | "absent"
                    | "extracted"
                    | "latest"
                    | "cloned"
                    | "managed"
                    | "detached"
            );
            if deep && (module != "file" || verb != "managed") {
                add(below(name));
            }
            for (key, _) in changes.entries() {
                add(key.text().and_then(path));
            }
        }
        "pkg" | "pip" | "npm" | "gem" => {
            let managers: &[&str] = match module {
                "pip" => &["pypi"],
                "npm" => &["npm"],
                "gem" => &["gem"],
                _ => &["dpkg", "rpm", "apk", "pacman"],
            };
            let changed = changes.entries().iter().filter_map(|(key, _)| key.text());
            for name in changed.chain([name]) {
                managers.iter().for_each(|by| add(Some(package(by, name, None))));
            }
        }
        "user" | "group" => {
            add(Some(fact(if module == "user" { "users" } else { "groups" }, name)));
            if module == "user" {
                add(below(&format!("/home/{name}")));
            }
            for file in ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"] {
                add(path(&format!("/etc/{file}")));
                add(path(&format!("/etc/{file}-")));
            }
        }
        "service" => add(Some(unit(name))),
        "cron" => {
            add(path("/var/spool/cron/crontabs/root"));
            add(path("/var/spool/cron/root"));
            add(below("/var/spool/cron"));
        }
        "cmd" => found.extend(command::subjects(name, "", "/root")),
        module => {
            let places: &[&str] = match module {
                "sysctl" => &["/etc/sysctl.conf", "/etc/sysctl.d/99-salt.conf"],
                "host" => &["/etc/hosts"],
                "mount" => &["/etc/fstab"],
                "timezone" => &["/etc/localtime", "/etc/timezone"],
                "locale" => &["/etc/default/locale", "/etc/locale.conf", "/etc/locale.gen"],
                "network" => &["/etc/hostname", "/etc/network/interfaces"],
                "ssh_auth" => &["/root/.ssh/authorized_keys"],
                "ssh_known_hosts" => &["/root/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"],
                "kmod" => &["/etc/modules", "/etc/modules-load.d/salt_managed.conf"],
                "grains" => &["/etc/salt/grains"],
                "selinux" => &["/etc/selinux/config"],
                _ => &[],
            };
            places.iter().for_each(|place| found.extend(path(place)));
            match module {
                "pkgrepo" => {
                    for place in
                        ["/etc/apt/sources.list.d", "/etc/yum.repos.d", "/etc/apt/keyrings"]
                    {
                        found.extend(below(place));
                    }
                }
                "alternatives" => found.extend(path(&format!("/etc/alternatives/{name}"))),
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_the_log() {
        let path = TreePath::parse("/var/log/salt/minion");
        let mut state = State::default();
        let line = |clock: &str, level: &str, text: &str| {
            format!("2026-11-23 01:00:{clock} [salt.state       :2069][{level}][1234] {text}")
        };
        let lines = [
            line("05,001", "INFO    ", "Running state [/etc/motd] at time 01:00:05.001"),
            line("05,002", "INFO    ", "Executing state file.managed for [/etc/motd]"),
            line("05,100", "INFO    ", "File changed:"),
            "--- ".into(),
            "+++ ".into(),
            line(
                "05,200",
                "INFO    ",
                "Completed state [/etc/motd] at time 01:00:05.2 (duration_in_ms=198)",
            ),
            line("06,000", "INFO    ", "Executing state pkg.installed for [htop]"),
            line("06,100", "INFO    ", "All specified packages are already installed"),
            line("06,200", "INFO    ", "Completed state [htop] at time 01:00:06.2"),
            line("07,000", "INFO    ", "Executing state cmd.run for [touch /srv/x]"),
            line("07,100", "INFO    ", "{'pid': 1, 'retcode': 0}"),
            line("09,000", "INFO    ", "Completed state [touch /srv/x] at time 01:00:09"),
        ];
        let shown: Vec<String> = lines
            .iter()
            .filter_map(|line| state.take(At { path: &path, line: Some(1) }, line, &Zone::utc()))
            .map(|event| {
                format!("{} {} {}", event.detail, event.subjects.len(), event.until.unwrap().at)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "file.managed: /etc/motd 1 2026-11-23T01:00:05.2Z",
                "cmd.run: touch /srv/x 1 2026-11-23T01:00:09Z",
            ]
        );
    }

    #[test]
    fn jobs_and_backups() {
        fn text(out: &mut Vec<u8>, text: &str) {
            out.push(0xd9);
            out.push(u8::try_from(text.len()).unwrap());
            out.extend(text.as_bytes());
        }
        let mut bytes = vec![0x81];
        text(&mut bytes, "return");
        bytes.push(0x82);
        for (key, changes) in [
            ("file_|-motd_|-/etc/motd_|-managed", true),
            ("file_|-issue_|-/etc/issue_|-managed", false),
        ] {
            text(&mut bytes, key);
            bytes.push(0x83);
            text(&mut bytes, "changes");
            bytes.push(if changes { 0x81 } else { 0x80 });
            if changes {
                text(&mut bytes, "diff");
                text(&mut bytes, "x");
            }
            text(&mut bytes, "start_time");
            text(&mut bytes, "01:00:05.5");
            text(&mut bytes, "duration");
            bytes.extend([0xcd, 0x05, 0xdc]);
        }
        let mut sink = Sink::default();
        let path = TreePath::parse("/r");
        job(&path, &bytes, "20261123010004123456", &Zone::utc(), &mut sink).unwrap();
        let events = sink.into_events();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].detail, "file.managed: /etc/motd");
        assert_eq!(events[0].until.unwrap().at.to_string(), "2026-11-23T01:00:07.5Z");
        assert!(job(&path, b"\xc1", "", &Zone::utc(), &mut Sink::default()).is_err());
        let top = TreePath::parse("/var/cache/salt/minion/file_backup");
        let copy = TreePath::parse(
            "/var/cache/salt/minion/file_backup/etc/my_motd_Mon_Nov_23_01:00:05_123456_2026",
        );
        let (original, time) = backup(&top, &copy).unwrap();
        assert_eq!(format!("{original} {time}"), "/etc/my_motd 2026-11-23 01:00:05");
        assert_eq!(backup(&top, &TreePath::parse("/other")), None);
    }
}
