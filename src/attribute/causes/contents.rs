//! By bytes: the evidence carries what the file holds.

use super::index::Index;
use super::{Attributor, Case, Found};
use crate::model::{AttributeValue, Cause, Confidence, Evidence, Subject};

/// The row of the table.
pub static ATTRIBUTOR: Attributor = Attributor {
    name: "content",
    summary: "the evidence carries the very bytes that lie there",
    last_resort: false,
    attribute,
};

fn attribute(index: &Index<'_>, case: &Case<'_>) -> Vec<Found> {
    let Subject::Path(path) = &case.change.change.subject else { return Vec::new() };
    let now = case.change.change.attribute("digest").and_then(|one| one.after.as_ref());
    let Some(AttributeValue::Digest(Some(now))) = now else { return Vec::new() };
    let carrying = index.carrying(path).into_iter().filter(|(digest, _)| digest == now);
    let found = carrying.map(|(digest, known)| {
        let compared = Evidence {
            path: path.clone(),
            line: None,
            time: case.moment.map(|moment| moment.at),
            text: format!(
                "its bytes are those that {} has (BLAKE3 {})",
                known.event.source,
                digest.short()
            ),
        };
        Found {
            cause: Cause {
                kind: known.event.actor,
                detail: known.event.detail.clone(),
                confidence: Confidence::Proof,
                evidence: vec![known.evidence(), compared],
            },
            agrees: true,
        }
    });
    found.collect()
}
