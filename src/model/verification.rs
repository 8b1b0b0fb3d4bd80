//! What is there against what was shipped: the result of `show --packages --verify`.

use super::{Attribute, PackageKey, ShippedSource, TreePath};

/// One claim that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// Where.
    pub path: TreePath,
    /// Whose word is broken.
    pub package: PackageKey,
    /// What that means.
    pub source: ShippedSource,
    /// Nothing lies there.
    pub is_missing: bool,
    /// What differs, `before` as it was shipped: `kind digest size target mode user group
    /// capabilities`. Digests are texts like `md5:…`. Empty where it is missing.
    pub attributes: Vec<Attribute>,
}

/// A claim of which the bytes could not be compared; all else of it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    /// Where.
    pub path: TreePath,
    /// Who says what should be there.
    pub package: PackageKey,
    /// Why nobody can say.
    pub reason: &'static str,
}

/// Everything that packages claim, compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// How many claims were looked at.
    pub claims: u64,
    /// How many digests were compared.
    pub digests: u64,
    /// What differs, by path.
    pub deviations: Vec<Deviation>,
    /// What could not be compared although a digest is recorded, by path.
    pub unverified: Vec<Unverified>,
    /// Directories with claims below them that were not read, with the reason.
    pub unread: Vec<(TreePath, String)>,
}
