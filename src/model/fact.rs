//! Statements about a system that are compared by meaning, beside the files they live in.

use super::TreePath;
use std::collections::BTreeMap;

/// One statement: in `scope`, the thing called `key` has these attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The table it belongs to: `users`, `groups`, `os-release`, `sysctl`, `units`, …
    pub scope: String,
    /// Unique within the scope; bytes that are not text are escaped as [`super::path::escape`] does.
    pub key: String,
    /// Attribute names to values, as reports show them; never a secret.
    pub attributes: BTreeMap<String, String>,
    /// The file that says so.
    pub evidence: Option<TreePath>,
}
