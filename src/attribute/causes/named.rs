//! By name: the evidence says what was touched.
//!
//! A line that only the actor can have written is believed unless the path was last changed before
//! it. A line that anyone can write is believed where the change's own time lies in its window, or
//! where a backup that the same task made stands beside the file.

use super::index::{Index, Known};
use super::sessions::Use;
use super::{Attributor, Case, Found};
use crate::collect::events::syslog::accounts::STEP;
use crate::collect::events::syslog::jobs::JOB;
use crate::model::{Cause, CauseKind, Confidence, Evidence, Subject, TreePath};

/// The row of the table.
pub static ATTRIBUTOR: Attributor = Attributor {
    name: "named",
    summary: "a log or another leaving names what was touched",
    last_resort: false,
    attribute,
};

/// How an event names a subject.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Itself,
    Above,
}

fn attribute(index: &Index<'_>, case: &Case<'_>) -> Vec<Found> {
    let mut named: Vec<(By, Known<'_>)> = Vec::new();
    match &case.change.change.subject {
        Subject::Path(path) => {
            named.extend(index.naming(path).into_iter().map(|known| (By::Itself, known)));
            named.extend(index.naming_above(path).into_iter().map(|known| (By::Above, known)));
            if let Some(unit) = unit(path) {
                let units = index.naming_fact("units", &unit);
                // Which of its links a command made or took away, the time says.
                named.extend(units.into_iter().map(|known| (By::Above, known)));
            }
        }
        Subject::Fact { scope, key } => {
            // What is told of a user by another name: logins, id ranges.
            let scope = match scope.as_str() {
                "logins" | "subuid" | "subgid" => "users",
                scope => scope,
            };
            let known = index.naming_fact(scope, key);
            named.extend(known.into_iter().map(|known| (By::Itself, known)));
        }
        // A package has its transaction; this is for where its log is gone.
        Subject::Package(key) => {
            if super::transactions::of(index, case, key).is_none() {
                let known = index.naming_package(key).into_iter();
                named.extend(known.map(|known| (By::Itself, known)));
            }
        }
    }
    let told = named.iter().filter(|(_, known)| {
        !matches!(known.event.action.as_str(), STEP | "module" | "backup")
            && !matches!(
                known.event.actor,
                CauseKind::PackageManager | CauseKind::UnattendedUpgrades
            )
    });
    let mut found: Vec<Found> =
        told.map(|(by, known)| grade(index, case, *by, known, &named)).collect();
    if found.iter().all(|one| one.cause.kind != CauseKind::Ansible) {
        found.extend(backups(case, &named));
    }
    found
}

fn grade(
    index: &Index<'_>,
    case: &Case<'_>,
    by: By,
    known: &Known<'_>,
    named: &[(By, Known<'_>)],
) -> Found {
    let Cause { kind, detail, mut evidence, .. } = index.told(known);
    let mut agrees = known.agrees(case.moment);
    if known.event.actor == CauseKind::Human
        && matches!(known.event.action.as_str(), "type" | "history")
        && (known.event.action == "history" || known.event.time.is_none())
        && let Some(line) = typed_in(index, case, &known.event.detail)
    {
        agrees = true;
        evidence.push(line);
    }
    let is_certain = case.moment.is_some_and(|moment| moment.is_certain);
    let backup = named.iter().find(|(_, other)| {
        other.event.action == "backup"
            && other.event.actor == known.event.actor
            && known.event.action == "task"
            && other
                .event
                .time
                .zip(known.window)
                .is_some_and(|(time, window)| window.contains(time.at))
    });
    let is_later = match (case.moment, known.window) {
        // Changed last before the line says that it was.
        (Some(moment), Some(window)) => moment.at.seconds < window.start,
        _ => false,
    };
    // A task that found nothing to change logs the same line, a job that comes again too.
    let is_task = matches!(known.event.action.as_str(), "task" | JOB);
    let confidence = if agrees && is_certain {
        Confidence::Strong
    } else if let Some((_, backup)) = backup {
        evidence.push(backup.evidence());
        Confidence::Strong
    } else if known.event.forgeable || is_later || by == By::Above || is_task {
        Confidence::Weak
    } else {
        Confidence::Strong
    };
    if agrees
        && let (Some(moment), Subject::Path(path)) = (case.moment, &case.change.change.subject)
    {
        evidence.push(Evidence {
            path: path.clone(),
            line: None,
            time: Some(moment.at),
            text: match (moment.is_own, moment.is_certain) {
                (true, true) => "changed at this time (ctime)".into(),
                (true, false) => "modified at this time (mtime, which can be set)".into(),
                (false, _) => "its directory changed at this time".into(),
            },
        });
    }
    Found { cause: Cause { kind, detail, confidence, evidence }, agrees }
}

/// The session of that user in which the change happened, where it was a person's.
fn typed_in(index: &Index<'_>, case: &Case<'_>, user: &str) -> Option<Evidence> {
    let moment = case.moment?;
    let session = index.sessions.iter().find(|session| {
        session.used_for == Use::Person && session.is_of(user) && session.window.contains(moment.at)
    })?;
    session.evidence.first().cloned()
}

/// A backup that no task's line is left of.
fn backups(case: &Case<'_>, named: &[(By, Known<'_>)]) -> Vec<Found> {
    let backups = named.iter().filter(|(_, known)| known.event.action == "backup");
    let found = backups.map(|(_, known)| {
        let agrees = known.agrees(case.moment);
        Found {
            cause: Cause {
                kind: known.event.actor,
                detail: known.event.detail.clone(),
                confidence: if agrees { Confidence::Strong } else { Confidence::Weak },
                evidence: vec![known.evidence()],
            },
            agrees,
        }
    });
    found.collect()
}

/// The unit that a link in a `.wants` or `.requires` directory enables, whose drop-in it is, that
/// one directly in `/etc/systemd/system` masks or names, or whose link of a runlevel it is.
fn unit(path: &TreePath) -> Option<String> {
    let names: Vec<&[u8]> = path.names().collect();
    let text = |name: &[u8]| std::str::from_utf8(name).ok().map(str::to_owned);
    match names.as_slice() {
        [b"etc", b"systemd", b"system" | b"user", folder, name]
            if folder.ends_with(b".wants") || folder.ends_with(b".requires") =>
        {
            text(name)
        }
        [b"etc", b"systemd", b"system" | b"system.control" | b"user", folder, _] => {
            folder.strip_suffix(b".d").and_then(text)
        }
        [b"etc", b"systemd", b"system" | b"user", name] => {
            text(name.strip_suffix(b".d").unwrap_or(name))
        }
        // `/etc/rc2.d/S01nginx`: sequence, then the name.
        [b"etc", level, link] if level.starts_with(b"rc") && level.ends_with(b".d") => {
            let name = link.strip_prefix(b"S").or(link.strip_prefix(b"K"))?.get(2..)?;
            Some(format!("{}.service", text(name)?))
        }
        _ => None,
    }
}
