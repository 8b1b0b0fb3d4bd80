//! Several causes of one change into one list.

use super::Found;
use crate::model::{Cause, CauseKind, Confidence};
use std::collections::HashMap;

/// Causes of one change that are told.
const MAX_CAUSES: usize = 6;
/// Quoted lines of one cause.
const MAX_EVIDENCE: usize = 6;

/// Merges what is the same, drops what a stronger one of the same kind tells better, and sorts:
/// the strongest first, and of equally strong ones what agrees with the change's own time.
pub fn merge(found: Vec<Found>) -> Vec<Cause> {
    let mut merged: Vec<Found> = Vec::new();
    for one in found {
        let same = |known: &&mut Found| {
            known.cause.kind == one.cause.kind && known.cause.detail == one.cause.detail
        };
        let Some(known) = merged.iter_mut().find(same) else {
            merged.push(one);
            continue;
        };
        known.agrees |= one.agrees;
        let stronger = one.cause.confidence > known.cause.confidence;
        known.cause.confidence = known.cause.confidence.max(one.cause.confidence);
        let (first, second) = match stronger {
            true => (one.cause.evidence, std::mem::take(&mut known.cause.evidence)),
            false => (std::mem::take(&mut known.cause.evidence), one.cause.evidence),
        };
        known.cause.evidence = first;
        for line in second {
            if !known.cause.evidence.contains(&line) {
                known.cause.evidence.push(line);
            }
        }
    }
    let mut best: HashMap<CauseKind, (Confidence, bool)> = HashMap::new();
    for one in &merged {
        let rank = (one.cause.confidence, one.agrees);
        let known = best.entry(one.cause.kind).or_insert(rank);
        *known = (*known).max(rank);
    }
    merged
        .retain(|one| best.get(&one.cause.kind).is_none_or(|best| best.0 == one.cause.confidence));
    merged.sort_by_key(|one| {
        (
            std::cmp::Reverse(one.cause.confidence),
            !one.agrees,
            // Of one kind the first that was found; of several the one with more to say.
            best.get(&one.cause.kind).map(|_| one.cause.kind),
        )
    });
    // Each kind once before any kind twice, among equals.
    let mut seen: Vec<CauseKind> = Vec::new();
    let mut again = Vec::new();
    let mut list = Vec::new();
    for one in merged {
        if seen.contains(&one.cause.kind) {
            again.push(one);
        } else {
            seen.push(one.cause.kind);
            list.push(one);
        }
    }
    list.extend(again);
    list.sort_by_key(|one| std::cmp::Reverse(one.cause.confidence));
    list.truncate(MAX_CAUSES);
    let causes = list.into_iter().map(|one| {
        let mut cause = one.cause;
        cause.evidence.truncate(MAX_EVIDENCE);
        cause
    });
    causes.collect()
}
