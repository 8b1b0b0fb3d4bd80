//! Who ran a transaction of a package manager: a tool's module, or a person.

use super::index::{Index, Known};
use super::sessions::{Use, provisioner_at, session_at};
use crate::model::{
    Cause, CauseKind, Confidence, Event, EventSubject, EventTime, TimeCertainty, Timestamp,
};

/// The cause of a transaction, with the chain from the outside in.
pub fn outer(index: &Index<'_>, transaction: &Known<'_>) -> Cause {
    let cause = |kind, detail: &str, confidence, mut chain: Vec<_>| {
        chain.push(transaction.evidence());
        Cause { kind, detail: detail.to_owned(), confidence, evidence: chain }
    };
    let event = transaction.event;
    if event.actor == CauseKind::UnattendedUpgrades {
        return cause(event.actor, "unattended-upgrade", Confidence::Strong, Vec::new());
    }
    if let Some(time) = event.time {
        let at = time.at;
        if let Some((known, fit)) = tool(index, event, at)
            && fit >= Fit::Runs
        {
            let chain = vec![known.evidence()];
            return cause(known.event.actor, &known.event.detail, Confidence::Strong, chain);
        }
    }
    if is_cloud_inits(&event.detail) {
        let module = "package_update_upgrade_install";
        return cause(CauseKind::CloudInit, module, Confidence::Strong, Vec::new());
    }
    let Some(at) = event.time.map(|time| time.at) else {
        return cause(CauseKind::PackageManager, &event.detail, Confidence::Strong, Vec::new());
    };
    if let Some(known) = typed(index, event, at) {
        let Cause { kind, detail, evidence, .. } = index.told(&known);
        return cause(kind, &detail, Confidence::Strong, evidence);
    }
    if let Some(user) = event.detail.split_once("(requested by ").map(|(_, user)| user) {
        let user = user.split(' ').next().unwrap_or_default();
        if let Some((session, kind, detail)) = provisioner_at(&index.sessions, user, at) {
            return cause(kind, detail, Confidence::Strong, session.evidence.clone());
        }
        return cause(CauseKind::Human, user, Confidence::Strong, Vec::new());
    }
    if let Some(session) = session_at(&index.sessions, at) {
        let chain = session.evidence.clone();
        return match session.used_for {
            Use::Person => cause(CauseKind::Human, &session.detail, Confidence::Strong, chain),
            Use::Tool(kind @ CauseKind::Ansible, detail) => {
                cause(kind, detail, Confidence::Weak, chain)
            }
            Use::Tool(kind, detail) => cause(kind, detail, Confidence::Strong, chain),
        };
    }
    if let Some((known, Fit::Ran)) = tool(index, event, at)
        && known.event.actor != CauseKind::CloudInit
    {
        let chain = vec![known.evidence()];
        return cause(known.event.actor, &known.event.detail, Confidence::Weak, chain);
    }
    cause(CauseKind::PackageManager, &event.detail, Confidence::Strong, Vec::new())
}

/// How surely a module or task that ran at the time is what ran the transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It ran at the time; that is all.
    Ran,
    /// It may run anything, or has the whole transaction in its own exact time.
    Runs,
    /// It installs packages.
    Installs,
    /// It names a package of the transaction.
    Names,
}

/// Modules that install packages, by the names of cloud-init and Ansible.
const INSTALLERS: [&str; 10] = [
    "package_update_upgrade_install",
    "apt",
    "dnf",
    "dnf5",
    "yum",
    "package",
    "zypper",
    "apk",
    "pacman",
    "snap",
];

/// A task that was the last of its run is believed to have run a transaction for so long, in
/// seconds, where it does not name the package.
const NEAR: i64 = 60;

/// The tool's module or task in whose time the transaction began.
fn tool<'a>(index: &Index<'a>, event: &Event, at: Timestamp) -> Option<(Known<'a>, Fit)> {
    let tools = [
        CauseKind::CloudInit,
        CauseKind::Ansible,
        CauseKind::Chef,
        CauseKind::Puppet,
        CauseKind::Salt,
        CauseKind::UnattendedUpgrades,
    ];
    // Agents that log a resource when it is done name it after the transaction began.
    let done = |known: &Known<'_>| {
        let ended = event.until.unwrap_or(EventTime { at, certainty: TimeCertainty::Exact });
        known.event.time.is_some_and(|time| {
            (at.seconds..=ended.at.seconds.saturating_add(5)).contains(&time.at.seconds)
        }) && known.event.subjects.iter().any(|subject| shares(subject, event))
    };
    let running = index.events.iter().filter(|known| {
        let actions = ["module", "task", "run", "resource", "configure"];
        tools.contains(&known.event.actor)
            && actions.contains(&known.event.action.as_str())
            && (known.window.is_some_and(|window| window.contains(at)) || done(known))
    });
    let fit = |known: &Known<'_>| {
        if known.event.subjects.iter().any(|subject| shares(subject, event)) {
            return Fit::Names;
        }
        let start = known.event.time.map_or(i64::MIN, |time| time.at.seconds);
        let is_near = at.seconds.saturating_sub(start) <= NEAR;
        let persons = index.sessions.iter().any(|session| {
            session.used_for == Use::Person
                && session.window.contains(at)
                && session.window.start > start
        });
        let is_module = known.event.action == "module"
            && known
                .window
                .zip(event.until)
                .is_some_and(|(window, until)| window.contains(until.at));
        let is_likely = is_module || (is_near && !persons);
        match known.event.detail.as_str() {
            detail if INSTALLERS.contains(&detail) && is_likely => Fit::Installs,
            "command" | "shell" | "raw" | "script" if is_likely => Fit::Runs,
            _ if is_module => Fit::Runs,
            _ => Fit::Ran,
        }
    };
    let best = running.max_by_key(|known| (fit(known), known.event.time))?;
    Some((*best, fit(best)))
}

/// Whether a transaction has the package that a subject names.
fn shares(subject: &EventSubject, event: &Event) -> bool {
    let EventSubject::Package { key, .. } = subject else { return false };
    event.subjects.iter().any(|other| {
        matches!(other, EventSubject::Package { key: other, .. }
            if other.name == key.name && other.manager == key.manager)
    })
}

/// What a person typed then, or ran by sudo.
fn typed<'a>(index: &Index<'a>, transaction: &Event, at: Timestamp) -> Option<Known<'a>> {
    let typed = index.events.iter().filter(|known| {
        known.event.actor == CauseKind::Human
            && matches!(known.event.action.as_str(), "type" | "sudo" | "doas")
            && known.event.subjects.iter().any(|subject| shares(subject, transaction))
    });
    let fits = |known: &&Known<'_>| match known.window {
        Some(window) => window.contains(at),
        None => index.sessions.iter().any(|session| {
            session.used_for == Use::Person
                && session.is_of(&known.event.detail)
                && session.window.contains(at)
        }),
    };
    // Of a history without times, the line that has the most of it; marks and holds run nothing.
    let shared =
        |event: &Event| event.subjects.iter().filter(|one| shares(one, transaction)).count();
    typed.filter(fits).copied().max_by_key(|known| {
        let runs = !known.event.text.contains("apt-mark ");
        (known.event.time, runs, shared(known.event))
    })
}

/// cloud-init's `apt_get_command` with its default wrapper options (`distros/debian.py`).
fn is_cloud_inits(command: &str) -> bool {
    [
        "--option=Dpkg::Options::=--force-confold",
        "--option=Dpkg::options::=--force-unsafe-io",
        "--assume-yes",
    ]
    .iter()
    .all(|option| command.contains(option))
}
