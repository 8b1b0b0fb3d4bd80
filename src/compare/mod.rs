//! Two manifests become a list of changes.
//!
//! The two Merkle trees are walked together and only where their content ids differ, so that a
//! compare costs what drifted and not what exists. Every differing path is one change with every
//! attribute that differs; what was added or removed lists all that lies below it, each path once.
//! Times, link counts and the sizes of directories are no drift.
//!
//! Unknown is not absent: below a directory that one side could not list or left out nothing is
//! concluded, a digest that was not read differs from nothing, and what a medium cannot carry is
//! not compared. Each such case is told, as a gap or a note. Nothing is judged here.

mod attributes;
mod bills;
#[cfg(test)]
mod oracle;
mod records;
mod shipped;
mod text;
mod tree;

pub use crate::model::Side;
use crate::model::{Change, Fault, Gap, Header};
use std::collections::BTreeSet;
pub use text::text_diff;

/// All differences, and what could not be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Packages by key, facts by scope and key, then paths in the order of [`crate::model::TreePath`].
    pub changes: Vec<Change>,
    /// Parts of the stored trees that were missing or damaged. The gaps of the manifests
    /// themselves are not repeated here.
    pub gaps: Vec<Gap>,
    /// What was not compared and why, in sentences.
    pub notes: Vec<String>,
}

/// Compares two manifests. Fails only where no answer would be worth anything: the top directory
/// of a side is not there, or there are more differences than anybody could hold.
pub fn compare(before: &Side<'_>, after: &Side<'_>) -> Result<Comparison, Fault> {
    let mut comparison = Comparison::default();
    for name in not_carried(&before.manifest.header, &after.manifest.header) {
        let what = match name.strip_prefix("kind:") {
            Some(kind) => format!("entries of the kind {kind}"),
            None => name,
        };
        comparison.notes.push(format!("{what}: not carried by one of the media, not compared"));
    }
    let (old, new) = (before.manifest, after.manifest);
    if bills::is_bill(&old.header) || bills::is_bill(&new.header) {
        if old.header.sections.packages != new.header.sections.packages {
            bills::compare(before, after, &mut comparison);
        }
        return Ok(comparison);
    }
    // Equal ids, equal sets: one of them may be loaded and the other not.
    if old.header.sections.packages != new.header.sections.packages {
        records::packages(&old.records, &new.records, &mut comparison);
    }
    shipped::contents(before, after, &mut comparison);
    if old.header.sections.facts != new.header.sections.facts {
        let lost = not_carried(&old.header, &new.header);
        records::facts(&old.records, &new.records, &lost, &mut comparison);
    }
    tree::compare(before, after, &mut comparison)?;
    Ok(comparison)
}

/// What either medium cannot carry.
fn not_carried(before: &Header, after: &Header) -> BTreeSet<String> {
    before.not_carried.iter().chain(&after.not_carried).cloned().collect()
}
