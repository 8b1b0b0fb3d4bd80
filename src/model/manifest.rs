//! A manifest: everything that a scan recorded of a target.

use super::{Entry, ManifestId, Records, SetId, ShippedId, Timestamp, TreePath, TreeSource};

/// A part that was left out on purpose, visibly: a pseudo file system, a network mount, the
/// store itself. Unlike a gap it does not make an answer incomplete.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Omission {
    /// Where.
    pub path: TreePath,
    /// Why, with the file system's type where that is the reason.
    pub reason: String,
}

/// The ids of a manifest's sets of records: equal ids, equal sets, nothing to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sections {
    /// [`super::Package`]s.
    pub packages: SetId,
    /// [`super::Fact`]s.
    pub facts: SetId,
    /// [`super::Event`]s.
    pub events: SetId,
    /// [`super::Gap`]s.
    pub gaps: SetId,
    /// [`Omission`]s.
    pub omissions: SetId,
    /// Groups of hard-linked paths.
    pub hard_links: SetId,
}

/// What a manifest is about, with the ids of all that it holds; [`Manifest::id`] is made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The target's name: a host's name, an image's file name without its ending, or what the
    /// person chose.
    pub name: String,
    /// What was scanned, as it was asked for (`host:`, `dir:/mnt/image`, `disk:golden.qcow2`).
    pub target: String,
    /// When the scan began.
    pub scanned_at: Timestamp,
    /// The program that did it, with its version.
    pub scanner: String,
    /// The top directory's own metadata and ids.
    pub root: Entry,
    /// How many entries, the root included.
    pub entries: u64,
    /// How many bytes its files have in all.
    pub bytes: u64,
    /// What packages say their files should be.
    pub shipped: Option<ShippedId>,
    /// The sets of records.
    pub sections: Sections,
    /// What the medium cannot carry, so that it is never compared, sorted: attribute names of the
    /// contract (`mode`, `uid`, `gid`, `xattr:NAME`), `xattr` for all of that family, and
    /// `kind:KIND` for entries of a kind ([`super::FileKind::as_str`]).
    pub not_carried: Vec<String>,
}

/// Hard-linked paths of one inode, sorted; at least two.
pub type HardLinks = Vec<TreePath>;

/// A header with its records in memory. Trees stay where their [`super::TreeSource`] has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What it is about.
    pub header: Header,
    /// What was recorded; `claims` is empty here, the shipped tree has them.
    pub records: Records,
    /// Groups of hard links, sorted by their first path.
    pub hard_links: Vec<HardLinks>,
}

impl Manifest {
    /// The id: BLAKE3 of the header's canonical encoding, which holds the ids of all the rest.
    #[must_use]
    pub fn id(&self) -> ManifestId {
        self.header.id()
    }
}

/// One of two manifests that are compared. Sections with equal ids on both sides may be left
/// empty.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// What was recorded.
    pub manifest: &'a Manifest,
    /// Where its trees are.
    pub source: &'a dyn TreeSource,
}
