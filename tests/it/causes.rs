//! Who caused what on two hosts, against what their makers say they did.

use super::vm_drift::{Hosts, Kept, hosts};
use crate::support;
use driftcheck::attribute::{Collapsed, causes, collapse};
use driftcheck::compare::{Side, compare};
use driftcheck::filesystem::memory::MemoryFilesystem;
use driftcheck::model::{
    CauseKind, Confidence, Disposition, Event, EventSubject, EventTime, JudgedChange, Subject,
    TimeCertainty, Timestamp, TreePath,
};
use driftcheck::policy::{Policies, judge};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What the report would hold: the judged changes and the sentences on the whole.
fn attributed(hosts: &Hosts, events: &[Event]) -> (Vec<JudgedChange>, Vec<String>) {
    let before = Side { manifest: &hosts.golden, source: &hosts.kept };
    let after = Side { manifest: &hosts.current, source: &hosts.kept };
    let comparison = compare(&before, &after).unwrap();
    let Collapsed { mut changes, .. } = collapse(comparison.changes, &before, &after);
    let notes = causes(&mut changes, events, &before, &after);
    let now = hosts.current.header.scanned_at;
    (judge(changes, &Policies::shipped().unwrap(), now).changes, notes)
}

/// One row of the file: causes that are equally right, and what they caused.
struct Expected {
    kinds: Vec<String>,
    subjects: Vec<String>,
}

fn expected(name: &str) -> Vec<Expected> {
    let file = support::fixture(&format!("vm/{name}.causes.json")).unwrap();
    let file: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let list = |value: &Value| -> Vec<String> {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    let rows = file["causes"].as_array().unwrap().iter().map(|row| {
        let mut kinds = list(&row["any_of"]);
        kinds.push(row["cause"].as_str().unwrap().to_owned());
        let mut subjects = list(&row["paths"]);
        subjects.extend(list(&row["packages"]).iter().map(|name| format!("package {name}")));
        subjects.extend(list(&row["users"]).iter().map(|name| format!("users/{name}")));
        for fact in list(&row["facts"]) {
            subjects.extend(fact.strip_suffix(" is on hold").map(|name| format!("package {name}")));
        }
        Expected { kinds, subjects }
    });
    rows.collect()
}

fn name(change: &JudgedChange) -> String {
    match &change.change.subject {
        Subject::Package(key) => format!("package {}", key.name),
        subject => subject.to_string(),
    }
}

fn fits(subject: &str, name: &str) -> bool {
    match subject.strip_suffix('/') {
        Some(top) => name == top || name.starts_with(subject),
        None => name == subject,
    }
}

fn shown(change: &JudgedChange) -> String {
    let causes = change
        .causes
        .iter()
        .map(|cause| format!("{} {} ({})", cause.confidence.as_str(), cause.kind, cause.detail));
    let causes: Vec<String> = causes.collect();
    format!("{} {}: {}", change.disposition.as_str(), name(change), causes.join("; "))
}

/// With all events, and with the journal in the place of syslog's files.
fn check(host: &str) {
    let Some(hosts) = hosts(host) else { return };
    let events = &hosts.current.records.events;
    check_events(host, &hosts, events);
    let is_syslog = |event: &&Event| {
        let source = event.source.to_string();
        ["syslog", "user.log", "auth.log", "wtmp"]
            .iter()
            .any(|name| source == format!("/var/log/{name}"))
    };
    let tasks = |start: &str| {
        let is_task =
            |event: &&Event| event.action == "task" && event.source.to_string().starts_with(start);
        events.iter().filter(is_task).count()
    };
    assert_eq!(tasks("/var/log/journal/"), tasks("/var/log/syslog"));
    let journal: Vec<Event> = events.iter().filter(|event| !is_syslog(event)).cloned().collect();
    check_events(host, &hosts, &journal);
}

fn check_events(host: &str, hosts: &Hosts, events: &[Event]) {
    let (changes, notes) = attributed(hosts, events);
    for change in changes.iter().filter(|one| one.disposition != Disposition::Explained) {
        println!("{}", shown(change));
    }
    println!("{notes:#?}");
    let rows = expected(host);
    let mut wrong = Vec::new();
    for row in &rows {
        for subject in &row.subjects {
            let mut own = changes.iter().filter(|one| fits(subject, &name(one))).peekable();
            if own.peek().is_none() {
                wrong.push(format!("no change: {subject}"));
            }
            for change in own {
                let first = change.causes.iter().take(2).map(|cause| cause.kind.as_str());
                if !first.into_iter().any(|kind| row.kinds.iter().any(|one| one == kind)) {
                    wrong.push(format!("not {:?}: {}", row.kinds, shown(change)));
                }
            }
        }
    }
    // Nothing strong that its makers do not say.
    let mut right: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for row in &rows {
        for (number, change) in changes.iter().enumerate() {
            if row.subjects.iter().any(|subject| fits(subject, &name(change))) {
                right.entry(number).or_default().extend(row.kinds.iter().map(String::as_str));
            }
        }
    }
    for (number, kinds) in right {
        let strong = changes[number].causes.iter().filter(|one| one.confidence > Confidence::Weak);
        for cause in strong {
            if !kinds.contains(&cause.kind.as_str()) {
                wrong.push(format!("{} is too strong: {}", cause.kind, shown(&changes[number])));
            }
        }
    }
    let unknown: Vec<String> = changes
        .iter()
        .filter(|one| one.disposition == Disposition::Drift && one.causes.is_empty())
        .map(name)
        .collect();
    assert_eq!(wrong, [""; 0]);
    assert!(unknown.len() <= 5, "{unknown:?}");
    assert!(notes.iter().any(|note| note.starts_with("attribution horizon: logs tell of ")));
}

#[test]
fn a_customised_host() {
    check("web-01");
}

#[test]
fn an_upgraded_host() {
    check("web-02");
}

#[test]
fn forged_and_deleted_logs() {
    let Some(hosts) = hosts("web-01") else { return };
    let path = TreePath::parse("/etc/ld.so.cache");
    let mut events = hosts.current.records.events.clone();
    let last = events.iter().filter_map(|event| event.time).max().unwrap();
    let line = |detail: &str, path: &TreePath, time: EventTime| Event {
        source: TreePath::parse("/var/log/syslog"),
        line: Some(1),
        time: Some(time),
        until: None,
        actor: CauseKind::Ansible,
        detail: detail.into(),
        action: "task".into(),
        subjects: vec![EventSubject::Path(path.clone())],
        forgeable: true,
        text: "a line by logger".into(),
    };
    let later = EventTime { certainty: TimeCertainty::Exact, ..last };
    let touched = TreePath::parse("/usr/local/bin/editor");
    events.push(line(
        "forged",
        &touched,
        EventTime { at: Timestamp::from_seconds(later.at.seconds + 3600), ..later },
    ));
    let (changes, _) = attributed(&hosts, &events);
    let forged = changes.iter().flat_map(|one| &one.causes).filter(|one| one.detail == "forged");
    let forged: Vec<Confidence> = forged.map(|one| one.confidence).collect();
    assert!(forged.iter().all(|one| *one == Confidence::Weak), "{forged:?} {path}");

    let (changes, notes) = attributed(&hosts, &[]);
    assert!(changes.iter().all(|one| one.causes.is_empty()));
    assert!(notes.iter().any(|note| note.contains("no log tells what was done")), "{notes:?}");
}

/// A tree with the files of a fixture folder in it.
fn leavings(tree: &mut MemoryFilesystem, folder: &str) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    for entry in walkdir::WalkDir::new(&top) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(&top).unwrap().to_str().unwrap();
            tree.file(&format!("/{path}"), fs::read(entry.path()).unwrap());
        }
    }
}

/// Both tools replace `/etc/motd` at 01:00:05 and nothing else; somebody edits `/etc/issue` later.
fn check_tool(folder: &str, kind: CauseKind, detail: &str) {
    let kept = Kept::default();
    let mut before = MemoryFilesystem::new();
    before.file("/etc/motd", "old").file("/etc/issue", "old");
    let golden = kept.scan(&before, "golden", None);
    let mut after = MemoryFilesystem::new();
    after.file("/etc/motd", "new").file("/etc/issue", "new");
    leavings(&mut after, folder);
    // 2026-11-23T01:00:05Z, and an hour later.
    for (path, seconds) in [("/etc/motd", 1_795_395_605), ("/etc/issue", 1_795_399_205)] {
        after.change(path, |one| one.ctime = Some(Timestamp::from_seconds(seconds)));
    }
    let current = kept.scan(&after, "web", Some(&golden.header));
    let hosts = Hosts { kept, golden, current };
    assert_eq!(hosts.current.records.gaps, []);
    let (changes, _) = attributed(&hosts, &hosts.current.records.events);
    let causes = |path: &str| {
        let change = changes.iter().find(|one| name(one) == path).unwrap();
        let causes = change.causes.iter().map(|one| (one.kind, one.detail.clone(), one.confidence));
        causes.collect::<Vec<_>>()
    };
    assert_eq!(causes("/etc/motd").first(), Some(&(kind, detail.to_owned(), Confidence::Strong)));
    assert_eq!(causes("/etc/issue"), []);
}

#[test]
fn chef_puppet_and_salt() {
    check_tool("chef", CauseKind::Chef, "template[/etc/motd]");
    check_tool("puppet", CauseKind::Puppet, "File[/etc/motd]");
    check_tool("salt", CauseKind::Salt, "file.managed: /etc/motd");
}

/// What the logs do not say, or say against the tree.
#[test]
fn contradictions_are_stated() {
    let kept = Kept::default();
    let day =
        |day: i64, hour: i64| Timestamp::from_seconds(1_795_392_000 + day * 86_400 + hour * 3600);
    let mut before = MemoryFilesystem::new();
    let mut after = MemoryFilesystem::new();
    for path in ["/etc/backdated", "/etc/silent", "/etc/late"] {
        before.file(path, "old");
        before.change(path, |one| one.mtime = day(-9, 0));
        after.file(path, "new");
    }
    let golden = kept.scan(&before, "golden", None);
    // One day of silence in the middle.
    let line = |time: Timestamp| format!("{time} web cron[1]: (root) CMD (true)\n");
    let task = |time: Timestamp| format!("{time} web ansible-copy: Invoked with dest=/etc/x\n");
    let times = [day(0, 0), day(0, 1), day(1, 1), day(1, 2)];
    let log: String = times.map(line).into_iter().chain([task(day(1, 3))]).collect();
    after.file("/var/log/syslog", log);
    for (path, mtime, ctime) in [
        ("/etc/backdated", day(-9, 0), day(1, 2)),
        ("/etc/silent", day(0, 12), day(0, 12)),
        ("/etc/late", day(3, 0), day(3, 0)),
    ] {
        after.change(path, |one| (one.mtime, one.ctime) = (mtime, Some(ctime)));
    }
    let current = kept.scan(&after, "web", Some(&golden.header));
    let hosts = Hosts { kept, golden, current };
    let (_, notes) = attributed(&hosts, &hosts.current.records.events);
    let check = |words: &str, path: &str| {
        let told = notes.iter().any(|note| note.contains(words) && note.contains(path));
        assert!(told, "{words} {path}: {notes:#?}");
    };
    check("later than all logs", "(/etc/late)");
    check("says nothing from 2026-11-23T01:00:00Z to 2026-11-24T01:00:00Z", "(/etc/silent)");
    check("no later time of modification", "(/etc/backdated)");
}
