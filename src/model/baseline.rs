//! The approved manifest of a golden image, under a name.

use super::{ManifestId, Timestamp};

/// A name for an approved manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// How people refer to it: `baseline:NAME`.
    pub name: String,
    /// What was approved.
    pub manifest: ManifestId,
    /// Which targets it is the baseline of besides the one that has its name: glob patterns of
    /// target names.
    pub applies_to: Vec<String>,
    /// When it was approved.
    pub set_at: Timestamp,
    /// Why, as the person said.
    pub note: Option<String>,
}
