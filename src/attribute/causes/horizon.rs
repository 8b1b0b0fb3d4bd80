//! What is said of the evidence as a whole: how far it reaches, and where it contradicts itself.

use super::index::Index;
use super::moment::Moment;
use crate::attribute::cursor::Cursor;
use crate::collect::events::syslog::SILENCE;
use crate::model::words;
use crate::model::{
    Attribute, AttributeValue, CauseKind, ChangeKind, ContentDigest, Disposition, FileKind,
    JudgedChange, PackageKey, Side, Subject, Timestamp, TreePath,
};
use std::collections::HashSet;

/// Logs end when a machine is imaged or read; what changed this much later nobody tells of, in
/// seconds.
const LATE: i64 = 300;

/// Names in one sentence.
const MAX_NAMES: usize = 3;

/// The sentences.
pub fn notes(
    changes: &[JudgedChange],
    moments: &[Option<Moment>],
    index: &Index<'_>,
    before: &Side<'_>,
    after: &Side<'_>,
) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(horizon(changes, moments, index));
    notes.extend(late(changes, moments, index));
    notes.extend(silent(changes, moments, index));
    notes.extend(backdated(changes, before, after));
    let packages = changes.iter().filter(|one| {
        let is_package = matches!(&one.change.subject, Subject::Package(key)
            if matches!(key.manager.as_str(), "dpkg" | "rpm" | "pacman" | "apk"));
        is_package && one.causes.is_empty()
    });
    let has_logs = index.events.iter().any(|known| known.event.actor == CauseKind::PackageManager);
    let tail = if has_logs { "" } else { ", and there is no such log" };
    notes.extend(tell(packages, "changed package", |count, names| {
        format!("contradiction: {count} in no log of a package manager{tail} ({names})")
    }));
    let cut = changes.iter().filter(|one| is_cut_log(one));
    notes.extend(tell(cut, "log", |count, names| {
        format!("contradiction: {count} removed or shorter than before ({names})")
    }));
    notes
}

fn tell<'a>(
    changes: impl Iterator<Item = &'a JudgedChange>,
    noun: &str,
    sentence: impl Fn(&str, &str) -> String,
) -> Option<String> {
    let names: Vec<String> = changes.map(|one| one.change.subject.to_string()).collect();
    if names.is_empty() {
        return None;
    }
    let mut shown = names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MAX_NAMES {
        shown.push_str(", …");
    }
    Some(sentence(&words::count(names.len(), noun), &shown))
}

fn horizon(
    changes: &[JudgedChange],
    moments: &[Option<Moment>],
    index: &Index<'_>,
) -> Option<String> {
    let unknown = words::count(changes.iter().filter(|one| is_unknown(one)).count(), "change");
    // What a person's or a provisioner's own files say reaches no further than logs do.
    let times =
        index.events.iter().filter(|known| !known.event.forgeable || known.event.line.is_some());
    let times: Vec<Timestamp> =
        times.filter_map(|known| known.event.time).map(|time| time.at).collect();
    let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
        return Some(format!(
            "attribution horizon: no log tells what was done; {unknown} without a known cause"
        ));
    };
    let whole = |time: &Timestamp| Timestamp::from_seconds(time.seconds);
    let count = |fits: &dyn Fn(Timestamp) -> bool| {
        let drift = changes.iter().zip(moments).filter(|(one, moment)| {
            one.disposition == Disposition::Drift && moment.is_some_and(|moment| fits(moment.at))
        });
        words::count(drift.count(), "change")
    };
    let older = count(&|at| at.seconds < first.seconds.saturating_sub(2));
    let newer = count(&|at| at.seconds > last.seconds.saturating_add(60));
    Some(format!(
        "attribution horizon: logs tell of {} to {}; {older} older than that, {newer} newer, {unknown} without a known cause",
        whole(first),
        whole(last)
    ))
}

/// Unexplained changes after all logs had ended: the last lines may have been taken away.
fn late(changes: &[JudgedChange], moments: &[Option<Moment>], index: &Index<'_>) -> Option<String> {
    let last =
        index.events.iter().filter_map(|known| known.event.until.or(known.event.time)).max()?;
    let end = last.at.seconds.saturating_add(LATE);
    let late = changes.iter().zip(moments).filter(|(one, moment)| {
        is_unknown(one) && moment.is_some_and(|m| m.is_own && m.at.seconds > end)
    });
    tell(late.map(|(one, _)| one), "unexplained change", |count, names| {
        format!(
            "contradiction: {count} later than all logs, which end at {} ({names})",
            Timestamp::from_seconds(last.at.seconds)
        )
    })
}

/// Changes in a time for which a log that is written all day says nothing.
fn silent(changes: &[JudgedChange], moments: &[Option<Moment>], index: &Index<'_>) -> Vec<String> {
    let silences = index.events.iter().filter(|known| known.event.action == SILENCE);
    let told = silences.filter_map(|known| {
        let (from, to) = (known.event.time?.at, known.event.until?.at);
        let within = changes.iter().zip(moments).filter(|(one, moment)| {
            one.disposition == Disposition::Drift
                && moment.is_some_and(|m| m.is_own && m.at > from && m.at < to)
        });
        tell(within.map(|(one, _)| one), "change", |count, names| {
            format!(
                "contradiction: {} says nothing from {} to {}, with {count} in that time ({names})",
                known.event.source,
                Timestamp::from_seconds(from.seconds),
                Timestamp::from_seconds(to.seconds)
            )
        })
    });
    told.take(MAX_NAMES).collect()
}

/// Files with other bytes that were not modified later, as they say: their times were set back.
/// What a package manager unpacked bears the times of its archive, and is none of these.
fn backdated(changes: &[JudgedChange], before: &Side<'_>, after: &Side<'_>) -> Option<String> {
    let packages: HashSet<&PackageKey> = changes
        .iter()
        .filter_map(|one| match &one.change.subject {
            Subject::Package(key) => Some(key),
            _ => None,
        })
        .collect();
    // What lay beside it before and was given its name keeps its time: copies that are rotated.
    let digest = |one: &JudgedChange, side: fn(&Attribute) -> Option<&AttributeValue>| match one
        .change
        .attribute("digest")
        .and_then(side)
    {
        Some(AttributeValue::Digest(digest)) => *digest,
        _ => None,
    };
    let beside = |one: &JudgedChange, digest: Option<ContentDigest>| match &one.change.subject {
        Subject::Path(path) => path.parent().zip(digest),
        _ => None,
    };
    let earlier: HashSet<(TreePath, ContentDigest)> = changes
        .iter()
        .filter_map(|one| beside(one, digest(one, |digest| digest.before.as_ref())))
        .collect();
    let is_rotated = |one: &JudgedChange| {
        let now = beside(one, digest(one, |digest| digest.after.as_ref()));
        now.is_some_and(|now| earlier.contains(&now))
    };
    let (mut old, mut new) = (Cursor::tree(before), Cursor::tree(after));
    let found: Vec<&JudgedChange> = changes
        .iter()
        .filter(|one| {
            let Subject::Path(path) = &one.change.subject else { return false };
            let is_candidate = one.change.kind == ChangeKind::Modified
                && one.disposition != Disposition::Explained
                && one.change.attribute("digest").is_some()
                && one.package.as_ref().is_none_or(|key| !packages.contains(key));
            if !is_candidate || is_rotated(one) {
                return false;
            }
            let (Some(old), Some(new)) = (old.get(path), new.get(path)) else { return false };
            new.mtime <= old.mtime
                && new.ctime.is_some_and(|c| c.seconds > new.mtime.seconds.saturating_add(2))
        })
        .collect();
    tell(found.into_iter(), "file", |count, names| {
        format!(
            "contradiction: {count} with other bytes and no later time of modification: it was set back ({names})"
        )
    })
}

fn is_unknown(one: &JudgedChange) -> bool {
    one.causes.is_empty() && one.disposition == Disposition::Drift
}

fn is_cut_log(one: &JudgedChange) -> bool {
    let Subject::Path(path) = &one.change.subject else { return false };
    if !path.as_bytes().starts_with(b"/var/log/") {
        return false;
    }
    let size = |side: Option<&AttributeValue>| match side {
        Some(AttributeValue::Number(size)) => Some(*size),
        _ => None,
    };
    let Some(attribute) = one.change.attribute("size") else { return false };
    let (before, after) = (size(attribute.before.as_ref()), size(attribute.after.as_ref()));
    let is_file = one
        .change
        .attribute("kind")
        .is_none_or(|kind| kind.before == Some(AttributeValue::Kind(FileKind::File)));
    is_file
        && match one.change.kind {
            ChangeKind::Removed => before.is_some_and(|size| size > 0),
            ChangeKind::Modified => before.zip(after).is_some_and(|(before, after)| after < before),
            ChangeKind::Added => false,
        }
}
