//! What caused each change: the events of the current side joined with the changes.
//!
//! An attributor is one way of joining, one row in [`ATTRIBUTORS`]: by bytes (proof), by what the
//! evidence names, by the package transaction, by the time in which something ran. Each looks at
//! one change and says which causes it finds; what is found is merged, the strongest first, and
//! nothing is taken from another. A log line that anyone could have written is believed only
//! where the change's own time agrees with it. Where nothing is found, the cause is unknown and
//! stays so; [`notes`](horizon) say how far back the evidence reaches.

mod contents;
mod facts;
mod horizon;
mod index;
mod inherit;
mod merge;
mod moment;
mod named;
mod nearby;
mod outer;
mod sessions;
mod steps;
mod transactions;
mod windows;

use crate::model::{
    Cause, CauseKind, Confidence, Disposition, Event, Evidence, JudgedChange, PackageKey, Side,
    Subject, TreePath,
};
use index::Index;
use moment::{Moment, Moments};
use std::collections::HashMap;

/// One way to find the cause of a change.
pub struct Attributor {
    /// A word for it.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Whether it is asked only where no other found a cause that fits the time.
    pub last_resort: bool,
    /// Looks at one change.
    pub attribute: fn(&Index<'_>, &Case<'_>) -> Vec<Found>,
}

/// All of them, in the order in which they are asked.
pub static ATTRIBUTORS: &[&Attributor] = &[
    &contents::ATTRIBUTOR,
    &transactions::ATTRIBUTOR,
    &transactions::HOLD,
    &named::ATTRIBUTOR,
    &steps::ATTRIBUTOR,
    &nearby::ATTRIBUTOR,
    &windows::ATTRIBUTOR,
];

/// A change with what is known of when it happened.
pub struct Case<'a> {
    /// The change.
    pub change: &'a JudgedChange,
    /// When it happened last.
    pub moment: Option<Moment>,
}

/// A cause that was found, and whether the change's own time agrees with it.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is reported.
    pub cause: Cause,
    /// It is the last one that touched it.
    pub agrees: bool,
}

/// The evidence as it was joined with the changes, for what is said of it as a whole.
pub struct Attribution<'a> {
    index: Index<'a>,
    /// Of the changes, in their order.
    moments: Vec<Option<Moment>>,
}

impl Attribution<'_> {
    /// Sentences for the whole report: how far the evidence reaches, and what contradicts itself.
    /// `changes` are those that were attributed, in the same order, with what the policy says of
    /// them: it counts only what is drift.
    #[must_use]
    pub fn notes(
        &self,
        changes: &[JudgedChange],
        before: &Side<'_>,
        after: &Side<'_>,
    ) -> Vec<String> {
        if changes.is_empty() {
            return Vec::new();
        }
        horizon::notes(changes, &self.moments, &self.index, before, after)
    }
}

/// Names the causes of all changes. `events` are those of the current side.
pub fn causes<'a>(
    changes: &mut [JudgedChange],
    events: &'a [Event],
    before: &Side<'a>,
    after: &Side<'_>,
) -> Attribution<'a> {
    let mut moments = Moments::new(after);
    let index = Index::new(events, &before.manifest.records.events, &mut moments);
    let when: Vec<Option<Moment>> =
        changes.iter().map(|change| moments.of(&change.change, after)).collect();
    for (change, moment) in changes.iter_mut().zip(&when) {
        if change.disposition == Disposition::Explained {
            continue;
        }
        change.causes = attribute(&index, &Case { change, moment: *moment });
    }
    of_files(changes, &when, &index, before, after);
    prove(changes);
    inherit::inherit(changes, &when, &index, after);
    facts::inherit(changes, before, after);
    changes.iter_mut().for_each(|change| drop_idle_jobs(&mut change.causes));
    Attribution { index, moments: when }
}

/// Some job of the system always runs: beside anything else that is known, that one merely ran at
/// the time says nothing.
fn drop_idle_jobs(causes: &mut Vec<Cause>) {
    if causes.iter().any(|cause| cause.kind != CauseKind::SystemJob) {
        causes.retain(|cause| !cause.is_idle_job());
    }
}

/// What no package manager's log tells of (a virtual environment's own packages, modules that a
/// program brings with it) has the causes of the file that says it is there.
fn of_files(
    changes: &mut [JudgedChange],
    when: &[Option<Moment>],
    index: &Index<'_>,
    before: &Side<'_>,
    after: &Side<'_>,
) {
    let is_open =
        |one: &JudgedChange| one.disposition != Disposition::Explained && one.causes.is_empty();
    let packages = before.manifest.records.packages.iter().chain(&after.manifest.records.packages);
    let files: HashMap<&PackageKey, &TreePath> =
        packages.map(|package| (&package.key, &package.evidence)).collect();
    let wanted: HashMap<&TreePath, Vec<usize>> =
        changes.iter().enumerate().fold(HashMap::new(), |mut wanted, (number, change)| {
            if let Subject::Package(key) = &change.change.subject
                && is_open(change)
                && let Some(file) = files.get(key)
            {
                wanted.entry(*file).or_insert_with(Vec::new).push(number);
            }
            wanted
        });
    let mut found: Vec<(usize, Vec<Cause>)> = Vec::new();
    for (change, moment) in changes.iter().zip(when) {
        let Subject::Path(path) = &change.change.subject else { continue };
        let Some(numbers) = wanted.get(path) else { continue };
        let causes = match change.causes.is_empty() {
            true => attribute(index, &Case { change, moment: *moment }),
            false => change.causes.clone(),
        };
        found.extend(numbers.iter().map(|number| (*number, causes.clone())));
    }
    for (number, causes) in found {
        if let Some(change) = changes.get_mut(number) {
            change.causes = causes;
        }
    }
}

fn attribute(index: &Index<'_>, case: &Case<'_>) -> Vec<Cause> {
    let mut found: Vec<Found> = Vec::new();
    for attributor in ATTRIBUTORS {
        let is_settled =
            found.iter().any(|one| one.agrees && one.cause.confidence > Confidence::Weak);
        if attributor.last_resort && is_settled {
            continue;
        }
        let is_first = found.is_empty();
        let more = (attributor.attribute)(index, case);
        // Where something is named, what merely ran at the time is a guess beside it.
        found.extend(more.into_iter().map(|mut one| {
            if attributor.last_resort && !is_first {
                one.cause.confidence = Confidence::Weak;
            }
            one
        }));
    }
    doubt(case, &mut found);
    merge::merge(found)
}

/// The file that a fact stands in changes with every other fact in it: where a history without times
/// and something else both name the fact, nobody knows which of them made it what it is.
fn doubt(case: &Case<'_>, found: &mut [Found]) {
    if !matches!(case.change.change.subject, Subject::Fact { .. })
        || found
            .iter()
            .all(|one| matches!(one.cause.kind, CauseKind::Human | CauseKind::SshSession))
    {
        return;
    }
    let is_history = |one: &Found| {
        let first = one.cause.evidence.first();
        one.cause.kind == CauseKind::Human && first.is_some_and(|line| line.time.is_none())
    };
    for one in found.iter_mut().filter(|one| is_history(one)) {
        one.cause.confidence = Confidence::Weak;
    }
}

/// A transaction is proved by what it left: files whose bytes are those that the package's version
/// in the log ships.
fn prove(changes: &mut [JudgedChange]) {
    let mut verified: HashMap<PackageKey, usize> = HashMap::new();
    for change in changes.iter() {
        let is_verified = change.disposition == Disposition::Explained
            && matches!(change.change.subject, Subject::Path(_))
            && change.change.attribute("digest").is_some_and(|digest| digest.after.is_some());
        if let Some(key) = change.package.as_ref().filter(|_| is_verified) {
            let count = verified.entry(key.clone()).or_default();
            *count = count.saturating_add(1);
        }
    }
    for change in changes.iter_mut() {
        let Subject::Package(key) = &change.change.subject else { continue };
        let (Some(count), Some(cause)) = (verified.get(key), change.causes.first_mut()) else {
            continue;
        };
        // The last line of the chain is the log's own, which names this version.
        let Some(log) = cause.evidence.last().cloned() else { continue };
        let is_log = log.path.as_bytes().starts_with(b"/var/log/apt/")
            || log.path.as_bytes().starts_with(b"/var/log/dpkg.log");
        if cause.confidence == Confidence::Strong && is_log {
            cause.confidence = Confidence::Proof;
            cause.evidence.push(Evidence {
                text: format!(
                    "{count} files have the bytes that this version of {} ships",
                    key.name
                ),
                line: None,
                ..log
            });
        }
    }
}
