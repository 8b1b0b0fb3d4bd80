//! What packages say that their files should be: a tree of its own beside the tree of what is.
//!
//! It is a Merkle tree over the same paths, so that the owner of a changed path is found by
//! walking down both trees together, and an unchanged package costs nothing in a second manifest.

use super::{FileKind, Name, PackageKey, ShippedId, TreePath};
use std::sync::Arc;

/// A digest that a package database records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShippedDigest {
    /// dpkg, pacman; an integrity hint, never proof.
    Md5([u8; 16]),
    /// apk, old rpm.
    Sha1([u8; 20]),
    /// rpm, Python RECORD, pacman.
    Sha256([u8; 32]),
    /// rpm where the distribution chose so.
    Sha512([u8; 64]),
}

/// Where a shipped file's expectation comes from, which decides what a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShippedSource {
    /// Part of the package: a difference is tampering or damage.
    File,
    /// A configuration file (dpkg conffile, rpm `%config`): a difference is an edit.
    Configuration,
    /// Owned but not shipped (rpm `%ghost`): any bytes will do.
    Ghost,
}

/// What a package expects of one path. `None` means that its database does not say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expectation {
    /// What a difference would mean.
    pub source: ShippedSource,
    /// Nothing is amiss where it is not there (rpm `%missingok`).
    pub may_be_missing: bool,
    /// The kind.
    pub kind: Option<FileKind>,
    /// Of the bytes.
    pub digest: Option<ShippedDigest>,
    /// Length in bytes.
    pub size: Option<u64>,
    /// Permission bits, `st_mode & 07777`.
    pub mode: Option<u16>,
    /// Owner by name or decimal number.
    pub user: Option<String>,
    /// Group by name or decimal number.
    pub group: Option<String>,
    /// Of a symbolic link: raw bytes.
    pub target: Option<Vec<u8>>,
    /// File capabilities in `cap_to_text` form (`cap_net_raw=ep`), empty for none.
    pub capabilities: Option<String>,
}

impl Expectation {
    /// A path that a package owns without saying more.
    #[must_use]
    pub const fn owned(source: ShippedSource) -> Self {
        Self {
            source,
            may_be_missing: false,
            kind: None,
            digest: None,
            size: None,
            mode: None,
            user: None,
            group: None,
            target: None,
            capabilities: None,
        }
    }
}

/// One package's word on one path, as a collector hands it in. The path is where the file lies in
/// this target: aliases (usr-merge), diversions and relocations are already applied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Where.
    pub path: TreePath,
    /// Who says so; shared, for a package claims thousands of paths.
    pub package: Arc<PackageKey>,
    /// What.
    pub expectation: Expectation,
}

/// One name in a directory of shipped files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShippedEntry {
    /// The name.
    pub name: Name,
    /// Whose it is and what each expects; empty for a directory that only lies on the way.
    pub claims: Vec<(PackageKey, Expectation)>,
    /// What packages ship below it.
    pub below: Option<ShippedId>,
}

/// A directory of shipped files, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ShippedTree {
    /// Sorted by the bytes of the names, each once.
    pub entries: Vec<ShippedEntry>,
}

impl ShippedTree {
    /// The entry of that name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&ShippedEntry> {
        let found = self.entries.binary_search_by(|entry| entry.name.as_bytes().cmp(name));
        found.ok().and_then(|index| self.entries.get(index))
    }
}

impl ShippedDigest {
    /// The algorithm follows from the length: 16, 20, 32 or 64 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        match bytes.len() {
            16 => bytes.try_into().ok().map(Self::Md5),
            20 => bytes.try_into().ok().map(Self::Sha1),
            32 => bytes.try_into().ok().map(Self::Sha256),
            64 => bytes.try_into().ok().map(Self::Sha512),
            _ => None,
        }
    }
}

/// The digests that package databases ask for, of one file's bytes: computed once per content and
/// remembered. `None` means not computed, never "differs".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlternateDigests {
    /// MD5.
    pub md5: Option<[u8; 16]>,
    /// SHA-1.
    pub sha1: Option<[u8; 20]>,
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// SHA-512.
    pub sha512: Option<[u8; 64]>,
}

impl AlternateDigests {
    /// Whether the bytes are those that were shipped; `None` where that digest was not computed.
    #[must_use]
    pub fn matches(&self, shipped: &ShippedDigest) -> Option<bool> {
        match shipped {
            ShippedDigest::Md5(digest) => self.md5.map(|own| own == *digest),
            ShippedDigest::Sha1(digest) => self.sha1.map(|own| own == *digest),
            ShippedDigest::Sha256(digest) => self.sha256.map(|own| own == *digest),
            ShippedDigest::Sha512(digest) => self.sha512.map(|own| own == *digest),
        }
    }
}
