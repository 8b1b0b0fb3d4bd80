//! Runs the collectors, but for those whose records of the previous scan still hold.

use super::alternates::Verified;
use super::memo::{Memo, Memos, Recorder};
use super::walk::Walked;
use super::{Keep, Options, shipped};
use crate::collect::{Collector, View};
use crate::filesystem::Filesystem;
use crate::model::{Records, ShippedId, TreePath};
use rayon::prelude::*;

/// What all collectors recorded.
pub(super) struct Collected {
    pub(super) records: Records,
    pub(super) shipped: Option<ShippedId>,
    /// What the previous scan verified.
    pub(super) verified: Option<Verified>,
    /// For the next scan.
    pub(super) memos: Memos,
}

/// One collector's part.
struct Part {
    records: Records,
    memo: Option<Memo>,
}

/// Runs them in parallel; the result does not depend on the order in which they finish.
pub(super) fn collect(
    filesystem: &dyn Filesystem,
    walked: &Walked,
    options: &Options<'_>,
    keep: &Keep<'_>,
) -> Collected {
    let old = options.previous.map(|previous| Memos::unpack(previous.memo)).unwrap_or_default();
    let jobs: Vec<(&Collector, &[TreePath])> = options
        .collectors
        .iter()
        .enumerate()
        .map(|(index, collector)| {
            (*collector, walked.found.get(index).map_or(&[][..], Vec::as_slice))
        })
        .collect();
    let holding: Vec<Option<&Memo>> = jobs
        .par_iter()
        .map(|(collector, found)| {
            let memo = old.get(collector.name)?;
            memo.holds(collector, found, &walked.root, keep).then_some(memo)
        })
        .collect();
    // Claims of all collectors make one tree together: it holds only if every claimant's memo does
    // and none is new.
    let claims_hold = old
        .memos
        .iter()
        .filter(|memo| memo.has_claims)
        .all(|memo| holding.iter().flatten().any(|held| std::ptr::eq(*held, memo)));
    let mut parts: Vec<Part> = jobs
        .par_iter()
        .zip(&holding)
        .map(|((collector, found), memo)| match memo {
            Some(memo) if claims_hold || !memo.has_claims => {
                Part { records: memo.records.clone(), memo: Some((*memo).clone()) }
            }
            _ => run(filesystem, walked, collector, found, keep),
        })
        .collect();
    let has_new_claims = parts.iter().any(|part| !part.records.claims.is_empty());
    if has_new_claims && claims_hold {
        // A new claimant joins those whose claims were only remembered: these are needed again.
        parts = jobs
            .par_iter()
            .zip(parts)
            .map(|((collector, found), part)| {
                let is_remembered = part.records.claims.is_empty()
                    && part.memo.as_ref().is_some_and(|memo| memo.has_claims);
                if is_remembered { run(filesystem, walked, collector, found, keep) } else { part }
            })
            .collect();
    }
    let mut records = Records::default();
    let mut memos = Memos::default();
    for part in parts {
        records.extend(part.records);
        memos.memos.extend(part.memo);
    }
    let claims = std::mem::take(&mut records.claims);
    let shipped = if claims.is_empty() && claims_hold {
        old.shipped.filter(|_| memos.memos.iter().any(|memo| memo.has_claims))
    } else {
        shipped::build(claims, keep)
    };
    memos.shipped = shipped;
    Collected { records, shipped, verified: old.verified, memos }
}

fn run(
    filesystem: &dyn Filesystem,
    walked: &Walked,
    collector: &Collector,
    found: &[TreePath],
    keep: &Keep<'_>,
) -> Part {
    let recorder = Recorder::new(filesystem);
    let mut records = Records::default();
    (collector.collect)(&View { filesystem: &recorder, found }, &mut records);
    let touched = recorder.into_touched();
    let memo = Memo::new(collector, found, touched, &records, &walked.root, keep);
    Part { records, memo }
}
