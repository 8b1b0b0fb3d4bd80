//! Statements about a system that are compared by meaning: one file for each topic.
//!
//! Parsing is by pure functions over the bytes of a configuration file; nothing here knows whether a
//! value is good. Secrets (passwords in URLs) are left out before anything is recorded.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod ini;
pub mod repositories;
pub mod system;
pub mod updates;

use crate::model::{Fact, TreePath};

/// A fact of some attributes; empty values are left out.
#[must_use]
pub fn fact<'a>(
    scope: &str,
    key: impl Into<String>,
    attributes: impl IntoIterator<Item = (&'a str, String)>,
    evidence: &TreePath,
) -> Fact {
    let attributes = attributes.into_iter().filter(|(_, value)| !value.is_empty());
    Fact {
        scope: scope.to_owned(),
        key: key.into(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value)).collect(),
        evidence: Some(evidence.clone()),
    }
}
