//! By the transaction of a package manager that left this version, and by who ran it.

use super::index::{Index, Known, is_package};
use super::outer::outer;
use super::sessions::{Use, session_at};
use super::{Attributor, Case, Found};
use crate::model::{
    AttributeValue, Cause, CauseKind, ChangeKind, Confidence, EventSubject, Evidence, PackageKey,
    Subject, TreePath,
};

/// The row of the table.
pub static ATTRIBUTOR: Attributor = Attributor {
    name: "transaction",
    summary: "a package manager's log has the transaction that left this version",
    last_resort: false,
    attribute,
};

/// Another row: packages that were put on hold.
pub static HOLD: Attributor = Attributor {
    name: "hold",
    summary: "the package was put on hold when its database was written last",
    last_resort: false,
    attribute: hold,
};

fn attribute(index: &Index<'_>, case: &Case<'_>) -> Vec<Found> {
    let Subject::Package(key) = &case.change.change.subject else { return Vec::new() };
    let Some(known) = of(index, case, key) else { return Vec::new() };
    vec![Found { cause: outer(index, &known), agrees: true }]
}

/// The last transaction that left the package as it is; of two logs of one, that with more to say.
pub fn of<'a>(index: &Index<'a>, case: &Case<'_>, key: &PackageKey) -> Option<Known<'a>> {
    let change = &case.change.change;
    // dpkg keeps the version of what it removed as long as its configuration is there.
    let is_gone = change.attribute("state").is_some_and(|state| {
        matches!(&state.after, Some(AttributeValue::Text(state))
            if matches!(state.as_str(), "config-files" | "not-installed"))
    });
    let version = change.attribute("version").and_then(|one| one.after.as_ref());
    let version = match version {
        Some(AttributeValue::Text(version)) => Some(version.as_str()),
        _ => None,
    };
    let version = version.filter(|_| !is_gone);
    if change.kind == ChangeKind::Modified && version.is_none() && !is_gone {
        return None;
    }
    let fits = |known: &Known<'_>| {
        let is_log =
            matches!(known.event.actor, CauseKind::PackageManager | CauseKind::UnattendedUpgrades);
        is_log
            && known.event.subjects.iter().any(|subject| {
                let EventSubject::Package { version: own, .. } = subject else { return false };
                is_package(subject, key) && own.as_deref() == version
            })
    };
    let known = index.naming_package(key).into_iter().filter(fits);
    // dpkg's own log knows no command, so a tie within a run goes to the other.
    known.max_by_key(|known| {
        let minute = known.event.time.map(|time| time.at.seconds.div_euclid(120));
        let is_log = matches!(known.event.detail.as_str(), "dpkg" | "dnf" | "zypp" | "yum");
        (minute, !is_log)
    })
}

fn hold(index: &Index<'_>, case: &Case<'_>) -> Vec<Found> {
    let Subject::Package(key) = &case.change.change.subject else { return Vec::new() };
    let state = case.change.change.attribute("state");
    let is_held = |value: Option<&AttributeValue>| matches!(value, Some(AttributeValue::Text(state)) if state.starts_with("hold "));
    let Some(state) = state else { return Vec::new() };
    if is_held(state.after.as_ref()) == is_held(state.before.as_ref()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for known in index.naming_package(key) {
        if known.event.text.contains("hold") || known.event.detail == "dpkg_selections" {
            let agrees = known.agrees(case.moment);
            let confidence = if agrees { Confidence::Strong } else { Confidence::Weak };
            let cause = Cause { confidence, ..index.told(&known) };
            found.push(Found { cause, agrees });
        }
    }
    let Some(moment) = case.moment.filter(|_| found.iter().all(|one| !one.agrees)) else {
        return found;
    };
    // Written after the last transaction had ended: no package manager's run did it.
    let in_a_run =
        index.lasting.iter().filter_map(|number| index.events.get(*number)).any(|known| {
            matches!(known.event.actor, CauseKind::PackageManager | CauseKind::UnattendedUpgrades)
                && known.agrees(Some(moment))
        });
    let Some(session) = session_at(&index.sessions, moment.at).filter(|_| !in_a_run) else {
        return found;
    };
    let database = Evidence {
        path: TreePath::parse("/var/lib/dpkg/status"),
        line: None,
        time: Some(moment.at),
        text: format!(
            "the package database was written last in this session; {} is on hold",
            key.name
        ),
    };
    let (kind, detail) = match session.used_for {
        Use::Tool(kind, detail) => (kind, detail.to_owned()),
        Use::Person => (CauseKind::Human, session.user.clone()),
    };
    let confidence = if session.is_closed { Confidence::Strong } else { Confidence::Weak };
    let evidence = [session.evidence.clone(), vec![database]].concat();
    found.push(Found { cause: Cause { kind, detail, confidence, evidence }, agrees: true });
    found
}
