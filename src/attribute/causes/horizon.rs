//! What is said of the evidence as a whole: how far it reaches, and where it contradicts itself.

use super::index::Index;
use super::moment::Moment;
use crate::model::{
    AttributeValue, CauseKind, ChangeKind, Disposition, FileKind, JudgedChange, Subject, Timestamp,
};

/// Names in one sentence.
const MAX_NAMES: usize = 3;

/// The sentences.
pub fn notes(
    changes: &[JudgedChange],
    moments: &[Option<Moment>],
    index: &Index<'_>,
) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(horizon(changes, moments, index));
    let packages = changes.iter().filter(|one| {
        let is_package = matches!(&one.change.subject, Subject::Package(key)
            if matches!(key.manager.as_str(), "dpkg" | "rpm" | "pacman" | "apk"));
        is_package && one.causes.is_empty()
    });
    let has_logs = index.events.iter().any(|known| known.event.actor == CauseKind::PackageManager);
    let tail = if has_logs { "" } else { ", and there is no such log" };
    notes.extend(tell(packages, |count, names| {
        format!("contradiction: {count} changed packages are in no log of a package manager{tail} ({names})")
    }));
    let cut = changes.iter().filter(|one| is_cut_log(one));
    notes.extend(tell(cut, |count, names| {
        format!("contradiction: {count} logs were removed or became shorter ({names})")
    }));
    notes
}

fn tell<'a>(
    changes: impl Iterator<Item = &'a JudgedChange>,
    sentence: impl Fn(usize, &str) -> String,
) -> Option<String> {
    let names: Vec<String> = changes.map(|one| one.change.subject.to_string()).collect();
    if names.is_empty() {
        return None;
    }
    let mut shown = names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MAX_NAMES {
        shown.push_str(", …");
    }
    Some(sentence(names.len(), &shown))
}

fn horizon(
    changes: &[JudgedChange],
    moments: &[Option<Moment>],
    index: &Index<'_>,
) -> Option<String> {
    let unknown = changes
        .iter()
        .filter(|one| one.causes.is_empty() && one.disposition == Disposition::Drift)
        .count();
    // What a person's or a provisioner's own files say reaches no further than logs do.
    let times =
        index.events.iter().filter(|known| !known.event.forgeable || known.event.line.is_some());
    let times: Vec<Timestamp> =
        times.filter_map(|known| known.event.time).map(|time| time.at).collect();
    let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else {
        return Some(format!(
            "attribution horizon: no log tells what was done; {unknown} changes have no known cause"
        ));
    };
    let whole = |time: &Timestamp| Timestamp::from_seconds(time.seconds);
    let count = |fits: &dyn Fn(Timestamp) -> bool| {
        let drift = changes.iter().zip(moments).filter(|(one, moment)| {
            one.disposition == Disposition::Drift && moment.is_some_and(|moment| fits(moment.at))
        });
        drift.count()
    };
    let older = count(&|at| at.seconds < first.seconds.saturating_sub(2));
    let newer = count(&|at| at.seconds > last.seconds.saturating_add(60));
    Some(format!(
        "attribution horizon: logs tell of {} to {}; {older} changes are older, {newer} newer, {unknown} have no known cause",
        whole(first),
        whole(last)
    ))
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
