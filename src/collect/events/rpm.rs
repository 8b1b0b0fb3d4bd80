//! Transactions of rpm's front ends: dnf's history (SQLite), zypp's history, and the logs that dnf
//! and yum wrote.

use super::dnf5;
use super::log::{each_line, rotated, tell_dropped};
use super::zone::{Zone, offset};
use super::{At, Sink, package};
use crate::collect::reader::Reader;
use crate::collect::sqlite;
use crate::collect::{Collector, View};
use crate::model::{
    CauseKind, Event, EventSubject, EventTime, Fault, Records, Stage, TimeCertainty, Timestamp,
    TreePath,
};
use rusqlite::Connection;

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-rpm",
    version: 2,
    summary: "transactions of dnf, yum and zypper",
    wanted: &[],
    collect,
};

/// dnf's of all versions: dnf 4, image-based systems, dnf 5.
const HISTORIES: [&str; 4] = [
    "/var/lib/dnf/history.sqlite",
    "/usr/lib/sysimage/dnf/history.sqlite",
    "/usr/lib/sysimage/libdnf5/transaction_history.sqlite",
    "/var/lib/libdnf5/transaction_history.sqlite",
];

/// A history of years has some megabytes.
const MAX_HISTORY: u64 = 256 << 20;

/// Two lines of a log further apart are of two runs, in seconds.
const MAX_PAUSE: i64 = 120;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, MAX_HISTORY);
    let mut sink = Sink::default();
    let passwd = reader.file(&TreePath::parse("/etc/passwd")).unwrap_or_default();
    let passwd = String::from_utf8_lossy(&passwd).into_owned();
    let by = |user: i64| requested_by(&passwd, user);
    for path in HISTORIES {
        let path = TreePath::parse(path);
        let opened = sqlite::open(reader.filesystem, &path, MAX_HISTORY);
        let Some(database) = reader.keep(&path, opened) else { continue };
        let told = match dnf5::is_dnf5(&database) {
            true => dnf5::history(&database, &path, by, &mut sink),
            false => history(&database, &path, by, &mut sink),
        };
        if let Err(error) = told {
            reader.gap(&path, Fault::damaged(error).chain());
        }
    }
    let zone = Zone::read(reader.filesystem);
    for log in rotated(&mut reader, "/var/log/zypp", "history") {
        let mut run = Run::default();
        each_line(&mut reader, &log, |number, line| {
            zypp(At { path: &log.path, line: Some(number) }, line, &zone, &mut run, &mut sink);
        });
    }
    for name in ["dnf.rpm.log", "yum.log"] {
        for log in rotated(&mut reader, "/var/log", name) {
            each_line(&mut reader, &log, |number, line| {
                front_end(At { path: &log.path, line: Some(number) }, line, &mut sink);
            });
        }
    }
    tell_dropped(&mut reader, &TreePath::parse("/var/lib/dnf"), sink.dropped);
    reader.records.events.extend(sink.into_events());
}

/// libdnf's `trans`, `trans_item` and `rpm`; an item's action is what became of it.
fn history(
    database: &Connection,
    path: &TreePath,
    user: impl Fn(i64) -> Option<String>,
    sink: &mut Sink,
) -> rusqlite::Result<()> {
    let mut items = database.prepare(
        "select r.name, r.epoch, r.version, r.release, r.arch, i.action \
         from trans_item i join rpm r on r.item_id = i.item_id where i.trans_id = ?1 limit 10000",
    )?;
    let mut transactions = database.prepare(
        "select id, dt_begin, dt_end, cmdline, user_id from trans order by id desc limit 20000",
    )?;
    let mut rows = transactions.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let (begin, end): (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
        let command: String = row.get::<_, Option<String>>(3)?.unwrap_or_default();
        let by: Option<i64> = row.get(4)?;
        let mut subjects: Vec<EventSubject> = Vec::new();
        let mut actions: Vec<&str> = Vec::new();
        let mut found = items.query([id])?;
        while let Some(item) = found.next()? {
            // 1 install, 2 downgrade, 6 upgrade, 8 remove, 9 reinstall (libdnf TransactionItemAction)
            let action = match item.get::<_, i64>(5)? {
                1 => "install",
                2 => "downgrade",
                5 | 8 => "remove",
                6 => "upgrade",
                9 => "reinstall",
                _ => continue,
            };
            if !actions.contains(&action) {
                actions.push(action);
            }
            let text =
                |column| item.get::<_, Option<String>>(column).map(Option::unwrap_or_default);
            let epoch: i64 = item.get::<_, Option<i64>>(1)?.unwrap_or(0);
            let version = version(epoch, &text(2)?, &text(3)?);
            let name = format!("{}:{}", text(0)?, text(4)?);
            subjects.push(package("rpm", &name, (action != "remove").then_some(&version)));
        }
        if subjects.is_empty() {
            continue;
        }
        let by = by.and_then(&user).unwrap_or_default();
        let detail = format!("dnf {command}{by}");
        let text = format!("transaction {id}: dnf {command}{by}");
        let line = u64::try_from(id).ok();
        let mut event =
            At { path, line }.event(CauseKind::PackageManager, &actions.join("+"), &detail, &text);
        (event.time, event.until) = (begin.map(exact), end.map(exact));
        event.subjects = subjects;
        sink.push(event);
    }
    Ok(())
}

/// The user who had logged in, as apt's history says it; nobody for -1, which dnf writes where
/// no login led to it.
fn requested_by(passwd: &str, user: i64) -> Option<String> {
    let is_login = (0..4_294_967_295).contains(&user);
    let number = user.to_string();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id == number).then_some(name)
    });
    is_login.then(|| format!(" (requested by {} ({user}))", name.unwrap_or(&number)))
}

fn exact(seconds: i64) -> EventTime {
    EventTime { at: Timestamp::from_seconds(seconds), certainty: TimeCertainty::Exact }
}

fn version(epoch: i64, version: &str, release: &str) -> String {
    match epoch {
        0 => format!("{version}-{release}"),
        epoch => format!("{epoch}:{version}-{release}"),
    }
}

/// `DATE|install|NAME|VERSION-RELEASE|ARCH|USER@HOST|REPO|SUM|`, `DATE|command|USER@HOST|WORDS|`.
fn zypp(at: At<'_>, line: &str, zone: &Zone, run: &mut Run, sink: &mut Sink) {
    if line.starts_with('#') {
        return;
    }
    let fields: Vec<&str> = line.split('|').map(str::trim).collect();
    let [date, action, rest @ ..] = fields.as_slice() else { return };
    match (*action, rest) {
        ("command", [_, words, ..]) => {
            run.command = super::python::strings(&format!("[{words}]")).join(" ");
            run.is_new = true;
        }
        ("install" | "remove", [name, version, arch, by, ..]) => {
            let Some(time) = zone.parse(date) else { return };
            let subject = package(
                "rpm",
                &format!("{name}:{arch}"),
                (*action == "install").then_some(*version),
            );
            let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
            let detail = match run.command.as_str() {
                "" => "zypp",
                command => command,
            };
            let text = format!("{line}{by}");
            let is_new = std::mem::take(&mut run.is_new);
            let told = Told { time, action, detail, line: &text, subject };
            join(at, told, is_new, sink);
        }
        _ => {}
    }
}

/// What zypper was told last.
#[derive(Debug, Default)]
struct Run {
    command: String,
    /// Nothing of it was done yet.
    is_new: bool,
}

/// A package that a line tells of.
struct Told<'a> {
    time: EventTime,
    action: &'a str,
    detail: &'a str,
    line: &'a str,
    subject: EventSubject,
}

/// Adds to the run that the last line belongs to, or begins one: after a new command, or a pause.
fn join(at: At<'_>, told: Told<'_>, is_new: bool, sink: &mut Sink) {
    let Told { time, action, detail, line, subject } = told;
    let near = |event: &&mut Event| {
        let last = event.until.or(event.time);
        event.source == *at.path
            && last.is_some_and(|last| {
                time.at.seconds.abs_diff(last.at.seconds) <= MAX_PAUSE.unsigned_abs()
            })
    };
    if let Some(event) = sink.last_mut(|_| true).filter(near).filter(|_| !is_new) {
        event.until = Some(time);
        if !event.action.split('+').any(|one| one == action) {
            event.action = format!("{}+{action}", event.action);
        }
        event.subjects.push(subject);
        return;
    }
    let mut event = at.event(CauseKind::PackageManager, action, detail, line);
    event.time = Some(time);
    event.subjects = vec![subject];
    sink.push(event);
}

/// `2026-11-23T01:00:05+0000 SUBDEBUG Installed: htop-3.2.2-2.el9.x86_64`; yum's begins with a date
/// without a year, which says too little here and is passed over.
fn front_end(at: At<'_>, line: &str, sink: &mut Sink) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [time, _level, action, name, ..] = words.as_slice() else { return };
    let action = match *action {
        "Installed:" => "install",
        "Upgrade:" | "Updated:" => "upgrade",
        "Erase:" | "Erased:" | "Removed:" => "remove",
        "Reinstall:" | "Reinstalled:" => "reinstall",
        "Downgrade:" => "downgrade",
        _ => return,
    };
    // `+0000` as RFC 3339 wants it.
    let cut = time.len().saturating_sub(2);
    let time = match (time.get(..cut), time.get(cut..)) {
        (Some(head), Some(tail)) if !head.ends_with(':') => offset(&format!("{head}:{tail}")),
        _ => offset(time),
    };
    let Some((time, (name, version))) = time.zip(nevra(name)) else { return };
    let subject = package("rpm", &name, (action != "remove").then_some(version.as_str()));
    join(at, Told { time, action, detail: "dnf", line, subject }, false, sink);
}

/// `name-[epoch:]version-release.arch` into `name:arch` and the version.
fn nevra(text: &str) -> Option<(String, String)> {
    let (rest, arch) = text.rsplit_once('.')?;
    let (rest, release) = rest.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    let version = version.strip_prefix("0:").unwrap_or(version);
    Some((format!("{name}:{arch}"), format!("{version}-{release}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sink: Sink) -> Vec<String> {
        let show = |event: &Event| {
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
            let time = event.time.map_or(0, |time| time.at.seconds);
            format!("{time} {} {}: {}", event.detail, event.action, subjects.join(" "))
        };
        sink.into_events().iter().map(show).collect()
    }

    #[test]
    fn dnf_keeps_a_database() {
        let database = Connection::open_in_memory().unwrap();
        database
            .execute_batch(
                "create table trans(id integer primary key, dt_begin, dt_end, cmdline, user_id);
                 create table trans_item(trans_id, item_id, action);
                 create table rpm(item_id, name, epoch, version, release, arch);
                 insert into trans values (1, 100, 110, 'install htop', 1000);
                 insert into rpm values (1, 'htop', 0, '3.2', '1.el9', 'x86_64');
                 insert into rpm values (2, 'bind', 32, '9', '1', 'x86_64');
                 insert into trans_item values (1, 1, 1), (1, 2, 8);",
            )
            .unwrap();
        let mut sink = Sink::default();
        let by = |user| requested_by("anna:x:1000:1000::/:/", user);
        history(&database, &TreePath::parse("/h"), by, &mut sink).unwrap();
        assert_eq!(
            shown(sink),
            [
                "100 dnf install htop (requested by anna (1000)) install+remove: htop:x86_64=3.2-1.el9 bind:x86_64=-"
            ]
        );
    }

    #[test]
    fn histories_in_lines() {
        let path = TreePath::parse("/var/log/zypp/history");
        let (mut sink, mut run) = (Sink::default(), Run::default());
        for line in [
            "# 2026-11-23 01:00:00 htop installed ok",
            "1970-01-01 00:01:00|command|root@web|'zypper' 'in' 'htop'|",
            "1970-01-01 00:01:05|install|htop|3.2-1.1|x86_64|root@web|repo|abc|",
            "1970-01-01 00:01:06|remove |old|1-1|noarch|root@web|",
            "1970-01-01 00:01:10|command|root@web|'zypper' 'up' 'htop'|",
            "1970-01-01 00:01:11|install|htop|3.3-1.1|x86_64|root@web|repo|abc|",
        ] {
            zypp(At { path: &path, line: None }, line, &Zone::utc(), &mut run, &mut sink);
        }
        assert_eq!(
            shown(sink),
            [
                "65 zypper in htop install+remove: htop:x86_64=3.2-1.1 old:noarch=-",
                "71 zypper up htop install: htop:x86_64=3.3-1.1",
            ]
        );
        let mut sink = Sink::default();
        let line = "1970-01-01T00:01:05+0000 SUBDEBUG Installed: htop-3.2-2.el9.x86_64";
        front_end(At { path: &path, line: None }, line, &mut sink);
        front_end(At { path: &path, line: None }, "1970-01-01T00:01:05+0000 INFO x", &mut sink);
        assert_eq!(shown(sink), ["65 dnf install: htop:x86_64=3.2-2.el9"]);
    }
}
