//! Who caused what on two hosts, against what their makers say they did.

use super::vm_drift::{Hosts, Kept, hosts};
use crate::support;
use driftcheck::attribute::{Collapsed, causes, collapse};
use driftcheck::compare::{Side, compare};
use driftcheck::filesystem::memory::MemoryFilesystem;
use driftcheck::model::{
    CauseKind, Confidence, Disposition, Event, EventSubject, EventTime, JudgedChange, Subject,
    TimeCertainty, Timestamp, TreePath, words,
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
    let attribution = causes(&mut changes, events, &before, &after);
    let now = hosts.current.header.scanned_at;
    let changes = judge(changes, &Policies::shipped().unwrap(), now).changes;
    let notes = attribution.notes(&changes, &before, &after);
    (changes, notes)
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
    // The horizon counts what the report counts.
    let count = format!(", {} without a known cause", words::count(unknown.len(), "change"));
    let is_horizon = |note: &&String| note.starts_with("attribution horizon: logs tell of ");
    let horizon = notes.iter().find(is_horizon).unwrap();
    assert!(horizon.ends_with(&count), "{horizon} {count}");
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
    // A copy that was rotated: what lay beside it.
    before.file("/etc/rotated", "one").file("/etc/rotated.0", "two");
    after.file("/etc/rotated", "three").file("/etc/rotated.0", "one");
    for path in ["/etc/rotated", "/etc/rotated.0"] {
        before.change(path, |one| one.mtime = day(-9, 0));
        after.change(path, |one| (one.mtime, one.ctime) = (day(-9, 0), Some(day(1, 2))));
    }
    after.change("/etc/rotated", |one| one.mtime = day(1, 2));
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

/// A host in memory before and after, and what is found of it.
struct Lab {
    before: MemoryFilesystem,
    after: MemoryFilesystem,
}

/// 2026-11-23T00:00:00Z, and so many seconds later.
fn second(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_795_392_000 + seconds)
}

impl Lab {
    fn new() -> Self {
        Self { before: MemoryFilesystem::new(), after: MemoryFilesystem::new() }
    }

    /// A file that has other bytes since that second.
    fn file(&mut self, path: &str, seconds: i64) -> &mut Self {
        self.before.file(path, "old");
        self.after.file(path, "new");
        self.after.change(path, |one| one.ctime = Some(second(seconds)));
        self
    }

    fn log(&mut self, path: &str, lines: &[String]) -> &mut Self {
        self.after.file(path, format!("{}\n", lines.join("\n")));
        self
    }

    fn changes(&self) -> (Vec<JudgedChange>, Vec<String>) {
        let kept = Kept::default();
        let golden = kept.scan(&self.before, "golden", None);
        let current = kept.scan(&self.after, "web", Some(&golden.header));
        let hosts = Hosts { kept, golden, current };
        attributed(&hosts, &hosts.current.records.events)
    }

    /// `KIND DETAIL CONFIDENCE` of one subject, all of them.
    fn check(&self, subject: &str, expected: &[&str]) {
        let (changes, _) = self.changes();
        let Some(change) = changes.iter().find(|one| name(one) == subject) else {
            panic!("no change of {subject}")
        };
        let causes = change
            .causes
            .iter()
            .map(|one| format!("{} {} {}", one.kind, one.detail, one.confidence.as_str()));
        assert_eq!(causes.collect::<Vec<_>>(), expected, "{subject}");
    }
}

fn stamp(seconds: i64) -> String {
    second(seconds).to_string()
}

/// A line that names a path which was not touched then says nothing of it, whoever it names.
#[test]
fn forged_lines_are_weak() {
    let mut lab = Lab::new();
    lab.file("/etc/a", 40_000).file("/etc/b", 40_000).file("/etc/c", 40_000).file("/etc/d", 40_000);
    let at = stamp(100);
    lab.log(
        "/var/log/syslog",
        &[
            format!("{at} web ansible-copy: Invoked with dest=/etc/a content=x"),
            format!("{at} web sudo: anna : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/vi /etc/b"),
            format!(
                "{at} web puppet-user[7]: (/Stage[main]/X/File[/etc/c]/content) content changed"
            ),
            format!("{at} web qemu-ga[7]: info: guest-exec called: \"/bin/touch /etc/d\""),
        ],
    );
    lab.after.file("/tmp/terraform_12345.sh", "#!/bin/sh\ntouch /etc/a /etc/b\n");
    let (changes, _) = lab.changes();
    for path in ["/etc/a", "/etc/b", "/etc/c", "/etc/d"] {
        let change = changes.iter().find(|one| name(one) == path).unwrap();
        assert!(!change.causes.is_empty(), "{path}");
        let is_weak = |cause: &driftcheck::model::Cause| cause.confidence == Confidence::Weak;
        assert!(change.causes.iter().all(is_weak), "{}", shown(change));
    }
}

/// Logs that are gone leave changes unknown; the report says how far they reach.
#[test]
fn without_logs_nothing_is_known() {
    let mut lab = Lab::new();
    lab.file("/etc/a", 40_000);
    let task = |path: &str| format!("{} web ansible-copy: Invoked with dest={path}", stamp(40_000));
    lab.log("/var/log/syslog", &[task("/etc/a")]);
    lab.check("/etc/a", &["ansible copy strong"]);
    // Truncated: the file is there and tells of something later only.
    lab.before.file("/var/log/syslog", "x".repeat(500));
    lab.log(
        "/var/log/syslog",
        &[format!("{} web ansible-copy: Invoked with dest=/x", stamp(90_000))],
    );
    lab.check("/etc/a", &[]);
    let (changes, notes) = lab.changes();
    let horizon = "attribution horizon: logs tell of 2026-11-24T01:00:00Z to 2026-11-24T01:00:00Z; \
                   2 changes older than that, 0 changes newer, 2 changes without a known cause";
    assert!(notes.iter().any(|note| note == horizon), "{notes:#?}");
    assert!(notes.iter().any(|note| note.starts_with("contradiction: 1 log removed or shorter")));
    assert!(changes.iter().any(|one| one.disposition == Disposition::Drift));
}

/// The key of a cloud-config may write in several places; which it wrote, its log or the time says.
#[test]
fn what_a_module_may_write_is_no_proof() {
    let mut lab = Lab::new();
    lab.file("/etc/hosts", 40_000).file("/etc/motd", 5);
    let config =
        "#cloud-config\nmanage_etc_hosts: true\nwrite_files:\n- {path: /etc/motd, content: new}\n";
    lab.log("/var/lib/cloud/instances/i-1/cloud-config.txt", &[config.to_owned()]);
    let line = |seconds: i64, verb: &str, module: &str| {
        let time = stamp(seconds).replace('T', " ").replace('Z', ",000");
        format!("{time} - handlers.py[DEBUG]: {verb}: init-network/config-{module}: x")
    };
    lab.log(
        "/var/log/cloud-init.log",
        &[
            line(3, "start", "update_etc_hosts"),
            line(4, "finish", "update_etc_hosts"),
            line(5, "start", "write-files"),
            line(6, "finish", "write-files"),
        ],
    );
    lab.check("/etc/hosts", &["cloud-init update_etc_hosts weak"]);
    lab.check("/etc/motd", &["cloud-init write_files proof"]);
}

/// Ansible keeps its connection open for a while: what a person does then is the person's.
#[test]
fn an_idle_connection_did_nothing() {
    let mut lab = Lab::new();
    lab.file("/etc/a", 150);
    let line = |seconds: i64, text: &str| format!("{} web {text}", stamp(seconds));
    let opened = |pid: u32, user: &str| {
        format!(
            "sshd[{pid}]: Accepted publickey for {user} from 10.0.0.1 port 5 ssh2: ED25519 SHA256:k{pid}"
        )
    };
    let closed = |pid: u32, user: &str| {
        format!("sshd[{pid}]: pam_unix(sshd:session): session closed for user {user}")
    };
    lab.log(
        "/var/log/auth.log",
        &[
            line(90, &opened(1, "deploy")),
            line(120, &opened(2, "anna")),
            line(160, &closed(1, "deploy")),
            line(400, &closed(2, "anna")),
        ],
    );
    lab.log("/var/log/syslog", &[line(95, "ansible-copy: Invoked with dest=/etc/x")]);
    lab.check("/etc/a", &["ssh-session anna from 10.0.0.1 with SHA256:k2 weak"]);
}

/// One record of `wtmp` (utmp(5), 384 bytes): a login, or the end of what has that terminal.
fn terminal(kind: u8, line: &str, user: &str, host: &str, seconds: i64) -> Vec<u8> {
    let mut record = vec![0; 384];
    record[0] = kind;
    record[4] = 9;
    for (at, text) in [(8, line), (44, user), (76, host)] {
        record[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    let time = u32::try_from(second(seconds).seconds).unwrap();
    record[340..344].copy_from_slice(&time.to_le_bytes());
    record
}

/// Ansible asks for a terminal a task, which `wtmp` tells as a login each: they are the connection's.
/// A person who comes after the last task is no part of it, however long they stay.
#[test]
fn terminals_of_one_connection_are_no_logins() {
    let mut lab = Lab::new();
    lab.file("/etc/a", 97).file("/etc/b", 300);
    let line = |seconds: i64, text: &str| format!("{} web {text}", stamp(seconds));
    let login = |pid: u32, verb: &str| match verb {
        "opened" => format!("sshd[{pid}]: Accepted publickey for ops from 10.0.0.1 port 5 ssh2"),
        _ => format!("sshd[{pid}]: pam_unix(sshd:session): session closed for user ops"),
    };
    lab.log(
        "/var/log/auth.log",
        &[
            line(90, &login(1, "opened")),
            line(120, &login(2, "opened")),
            line(165, &login(1, "closed")),
            line(1000, &login(2, "closed")),
        ],
    );
    lab.log("/var/log/syslog", &[line(95, "ansible-copy: Invoked with dest=/etc/x")]);
    let records = [
        terminal(7, "pts/0", "ops", "10.0.0.1", 96),
        terminal(8, "pts/0", "", "", 98),
        terminal(7, "pts/0", "ops", "10.0.0.1", 120),
        terminal(8, "pts/0", "", "", 1000),
    ];
    lab.after.file("/var/log/wtmp", records.concat());
    lab.check("/etc/a", &["ansible copy weak"]);
    lab.check("/etc/b", &["ssh-session ops from 10.0.0.1 weak", "human ops weak"]);
}

/// Cron's jobs and systemd's units are named where nothing else ran, and last where something did.
#[test]
fn jobs_of_the_system() {
    let mut lab = Lab::new();
    lab.file("/srv/a", 61).file("/srv/b", 61).file("/etc/c", 130).file("/etc/d", 400);
    let line = |seconds: i64, text: &str| format!("{} web {text}", stamp(seconds));
    lab.log(
        "/var/log/syslog",
        &[
            line(60, "CRON[8]: (root) CMD (date > /srv/b)"),
            line(120, "systemd[1]: Starting renew.service - Renew certificates..."),
            line(140, "systemd[1]: Finished renew.service - Renew certificates."),
            line(400, "systemd[1]: Starting sweep.service - Sweep..."),
            line(401, "systemd[1]: Finished sweep.service - Sweep."),
        ],
    );
    let opened = "sshd[2]: Accepted password for anna from 10.0.0.1 port 5 ssh2";
    let closed = "sshd[2]: pam_unix(sshd:session): session closed for user anna";
    let cron = "pam_unix(cron:session): session";
    lab.log(
        "/var/log/auth.log",
        &[
            line(60, &format!("CRON[7]: {cron} opened for user root(uid=0) by (uid=0)")),
            line(61, &format!("CRON[7]: {cron} closed for user root")),
            line(300, opened),
            line(500, closed),
        ],
    );
    lab.check("/srv/a", &["system-job cron as root: date > /srv/b weak"]);
    lab.check("/srv/b", &["system-job cron as root: date > /srv/b strong"]);
    lab.check("/etc/c", &["system-job renew.service weak"]);
    lab.check("/etc/d", &["ssh-session anna from 10.0.0.1 weak"]);
}

/// A package that is removed with its configuration kept has the transaction that removed it.
#[test]
fn a_removed_package_keeps_its_version() {
    let mut lab = Lab::new();
    let status = |state: &str| {
        format!(
            "Package: jq\nStatus: {state}\nVersion: 1.6-2\nArchitecture: amd64\nMaintainer: x\nDescription: x\n\n"
        )
    };
    lab.before.file("/var/lib/dpkg/status", status("install ok installed"));
    lab.after.file("/var/lib/dpkg/status", status("deinstall ok config-files"));
    lab.log(
        "/var/log/apt/history.log",
        &[
            String::new(),
            "Start-Date: 2026-11-23  00:01:00".into(),
            "Commandline: apt-get remove jq".into(),
            "Requested-By: anna (1000)".into(),
            "Remove: jq:amd64 (1.6-2)".into(),
            "End-Date: 2026-11-23  00:01:01".into(),
        ],
    );
    lab.check("package jq", &["human anna strong"]);
}

/// What changed while a transaction ran is not its short successor's, which began a moment later.
#[test]
fn what_ran_goes_before_what_was_about_to() {
    let mut lab = Lab::new();
    lab.file("/etc/aliases.db", 69).file("/etc/later", 70).file("/etc/soon-after", 72);
    let mut log = Vec::new();
    for (from, to, command) in [("00", "09", "install postfix"), ("10", "10", "remove nano")] {
        log.extend([
            String::new(),
            format!("Start-Date: 2026-11-23  00:01:{from}"),
            format!("Commandline: apt-get {command}"),
            format!("Install: jq{from}:amd64 (1.6-2)"),
            format!("End-Date: 2026-11-23  00:01:{to}"),
        ]);
    }
    lab.log("/var/log/apt/history.log", &log);
    lab.check("/etc/aliases.db", &["package-manager apt-get install postfix weak"]);
    lab.check("/etc/later", &["package-manager apt-get remove nano weak"]);
    lab.check("/etc/soon-after", &["package-manager apt-get remove nano weak"]);
}

/// A copy of what a package ships, made by something else at another time, is that one's.
#[test]
fn a_copy_of_a_packages_file_is_its_makers() {
    let mut lab = Lab::new();
    let text = "a file that is shipped";
    let md5 = "7eb6d9c3a5554f1ffec386762b680764";
    lab.after
        .file("/var/lib/dpkg/status", "Package: jq\nStatus: install ok installed\nVersion: 1.6-2\nArchitecture: amd64\nMaintainer: x\nDescription: x\n\n")
        .file("/var/lib/dpkg/info/jq.list", "/.\n/usr\n/usr/share\n/usr/share/jq\n")
        .file("/var/lib/dpkg/info/jq.md5sums", format!("{md5}  usr/share/jq\n"))
        .file("/usr/share/jq", text)
        .file("/srv/copy", text);
    lab.before.file("/var/lib/dpkg/status", "");
    for (path, seconds) in [("/usr/share/jq", 60), ("/srv/copy", 5000)] {
        lab.after.change(path, |one| one.ctime = Some(second(seconds)));
    }
    lab.log(
        "/var/log/apt/history.log",
        &[
            String::new(),
            "Start-Date: 2026-11-23  00:01:00".into(),
            "Commandline: apt-get install jq".into(),
            "Install: jq:amd64 (1.6-2)".into(),
            "End-Date: 2026-11-23  00:01:01".into(),
        ],
    );
    lab.log(
        "/var/log/syslog",
        &[format!("{} web ansible-copy: Invoked with dest=/srv/copy", stamp(5000))],
    );
    let (changes, _) = lab.changes();
    let copy = changes.iter().find(|one| name(one) == "/srv/copy").unwrap();
    assert_eq!(copy.disposition, Disposition::Explained, "{}", shown(copy));
    lab.check("/srv/copy", &["ansible copy strong", "package-manager apt-get install jq weak"]);
}

/// What cloud agents ran from outside, and what they set up, is told by the nearest word.
#[test]
fn cloud_agents() {
    let mut lab = Lab::new();
    lab.file("/etc/ssm", 101).file("/etc/hostname", 11).file("/etc/ext", 31);
    let folder = "/var/lib/amazon/ssm/i-0a/document/orchestration/7f-1/awsrunShellScript/0.awsrunShellScript";
    let script = format!("{folder}/_script.sh");
    lab.after.file(&script, "#!/bin/bash\necho x > /etc/ssm\n");
    lab.after.change(&script, |one| one.mtime = second(100));
    lab.log("/var/log/waagent.log", &[format!("{} INFO Daemon Set hostname [web]", stamp(10))]);
    let script = "/var/lib/waagent/custom-script/download/0/script.sh";
    lab.after.file(script, "echo x > /etc/ext\n");
    lab.after.change(script, |one| one.mtime = second(30));
    lab.check("/etc/ssm", &["ssh-session amazon-ssm-agent: Run Command strong"]);
    lab.check("/etc/hostname", &["cloud-init waagent: provisioning strong"]);
    lab.check("/etc/ext", &["cloud-init waagent: CustomScript strong"]);
}

/// Of several causes of one file, that which quotes the fact's name comes first.
#[test]
fn a_fact_has_the_cause_that_names_it() {
    let mut lab = Lab::new();
    lab.before.file("/etc/fstab", "");
    lab.after.file("/etc/fstab", "/dev/vdb /data ext4 defaults 0 2\nnas:/x /mnt/nfs nfs ro 0 0\n");
    lab.after.change("/etc/fstab", |one| one.ctime = Some(second(100)));
    let config = "#cloud-config\nmounts:\n- [/dev/vdb, /data]\n";
    lab.log("/var/lib/cloud/instances/i-1/cloud-config.txt", &[config.to_owned()]);
    let task = "ansible-mount: Invoked with path=/mnt/nfs src=nas:/x fstype=nfs state=present";
    lab.log("/var/log/syslog", &[format!("{} web {task}", stamp(100))]);
    let first = |key: &str| {
        let (changes, _) = lab.changes();
        let change = changes.iter().find(|one| name(one) == format!("fstab/{key}")).unwrap();
        assert_eq!(change.causes.len(), 2, "{}", shown(change));
        change.causes[0].kind
    };
    assert_eq!(first("/data"), CauseKind::CloudInit);
    assert_eq!(first("/mnt/nfs"), CauseKind::Ansible);
}

/// A provisioner that logs in as an ordinary user does its work by sudo: that is no person's.
#[test]
fn sudo_in_a_provisioners_session() {
    let mut lab = Lab::new();
    lab.file("/etc/moved", 102).file("/etc/own", 302);
    lab.after.file("/tmp/terraform_77.sh", "");
    lab.after.change("/tmp/terraform_77.sh", |one| one.ctime = Some(second(110)));
    let line = |seconds: i64, text: &str| format!("{} web {text}", stamp(seconds));
    let sudo = "sudo:   ops : TTY=pts/0 ; PWD=/home/ops ; USER=root ; COMMAND=/usr/bin/mv";
    let accepted = "Accepted publickey for ops from 10.0.0.1 port 5 ssh2: ED25519 SHA256:K";
    let closed = "pam_unix(sshd:session): session closed for user ops";
    lab.log(
        "/var/log/auth.log",
        &[
            line(100, &format!("sshd[7]: {accepted}")),
            line(102, &format!("{sudo} /tmp/x /etc/moved")),
            line(112, &format!("sshd[7]: {closed}")),
            line(300, &format!("sshd[8]: {accepted}")),
            line(302, &format!("{sudo} /tmp/x /etc/own")),
            line(320, &format!("sshd[8]: {closed}")),
        ],
    );
    lab.check("/etc/moved", &["terraform remote-exec strong"]);
    lab.check("/etc/own", &["human ops strong"]);
}

/// What `pip` brought is in no package manager's log: it has the causes of its own files, and hands
/// them to what it lists.
#[test]
fn a_virtual_environment_has_its_makers_cause() {
    let mut lab = Lab::new();
    let site = "/opt/venv/lib/python3.11/site-packages";
    let info = format!("{site}/six-1.16.0.dist-info");
    let digest = "LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564";
    for (path, text) in [
        (format!("{info}/METADATA"), "Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n".into()),
        (format!("{info}/RECORD"), format!("six.py,sha256={digest},3\n")),
        (format!("{site}/six.py"), "foo".to_owned()),
    ] {
        lab.after.file(&path, text);
        lab.after.change(&path, |one| one.ctime = Some(second(100)));
    }
    // In somebody's home the files are that one's.
    for path in [site, &info, &format!("{info}/METADATA"), &format!("{site}/six.py")] {
        lab.after.change(path, |one| (one.uid, one.gid) = (1000, 1000));
    }
    let task = "ansible-pip: Invoked with name=['six'] virtualenv=/opt/venv state=present";
    lab.log("/var/log/syslog", &[format!("{} web {task}", stamp(99))]);
    lab.check(&format!("{info}/METADATA"), &["ansible pip strong"]);
    lab.check("package six", &["ansible pip strong"]);
    lab.check(&format!("{site}/six.py"), &["ansible pip strong"]);
    let (changes, _) = lab.changes();
    let file = changes.iter().find(|one| name(one) == format!("{site}/six.py")).unwrap();
    assert_eq!(file.disposition, Disposition::Explained, "{}", shown(file));
}

/// An account that a history without times names was made in its user's session, whatever else ran.
#[test]
fn an_account_is_its_sessions() {
    let mut lab = Lab::new();
    let account = "eve:x:1001:1001::/home/eve:/bin/sh\n";
    lab.before.file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
    lab.after
        .file("/etc/passwd", format!("root:x:0:0:root:/root:/bin/bash\n{account}"))
        .file("/root/.bash_history", "useradd -m eve\n");
    lab.after.change("/etc/passwd", |one| one.ctime = Some(second(9000)));
    let line = |seconds: i64, text: &str| format!("{} web {text}", stamp(seconds));
    lab.log(
        "/var/log/auth.log",
        &[
            line(100, "sshd[7]: Accepted password for root from 10.0.0.1 port 5 ssh2"),
            line(110, "useradd[9]: new user: name=eve, UID=1001, GID=1001, home=/home/eve"),
            line(120, "sshd[7]: pam_unix(sshd:session): session closed for user root"),
        ],
    );
    lab.log(
        "/var/log/syslog",
        &[
            line(105, "systemd[1]: Starting sweep.service - Sweep..."),
            line(115, "systemd[1]: Finished sweep.service - Sweep."),
        ],
    );
    lab.check("users/eve", &["human root weak"]);
}

/// Where nothing tells of terminals, a history's lines tell by what they name which session was a
/// person's; what else changed in it is then perhaps that one's.
#[test]
fn a_history_tells_whose_session_it_was() {
    let mut lab = Lab::new();
    lab.file("/etc/named", 105).file("/etc/unnamed", 110).file("/etc/later", 310);
    lab.after.file("/root/.bash_history", "vi /etc/named\n./install\n");
    lab.after.change("/root/.bash_history", |one| one.ctime = Some(second(9000)));
    let line = |seconds: i64, text: &str| format!("{} web {text}", stamp(seconds));
    let accepted = "Accepted publickey for root from 10.0.0.1 port 5 ssh2: ED25519 SHA256:K";
    let closed = "pam_unix(sshd:session): session closed for user root";
    let sessions = [(7, 100, 120), (8, 300, 320)].map(|(pid, from, to)| {
        [
            line(from, &format!("sshd[{pid}]: {accepted}")),
            line(to, &format!("sshd[{pid}]: {closed}")),
        ]
    });
    lab.log("/var/log/auth.log", sessions.as_flattened());
    let session = "ssh-session root from 10.0.0.1 with SHA256:K weak";
    lab.check("/etc/named", &["human root strong"]);
    lab.check("/etc/unnamed", &[session, "human root weak"]);
    lab.check("/etc/later", &[session]);
}
