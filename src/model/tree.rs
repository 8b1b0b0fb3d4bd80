//! A directory as a value, and where directories are fetched from.

use super::{AlternateDigests, ContentDigest, Entry, ExactId, Fault, ShippedId, ShippedTree, Text};
use std::sync::Arc;

/// What one directory holds: entries sorted by the bytes of their names, each name once.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tree {
    /// Sorted by name.
    pub entries: Vec<Entry>,
}

impl Tree {
    /// The entry of that name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Entry> {
        let key = |entry: &Entry| entry.name.as_ref().map(|n| n.as_bytes().cmp(name));
        let found =
            self.entries.binary_search_by(|entry| key(entry).unwrap_or(std::cmp::Ordering::Less));
        found.ok().and_then(|index| self.entries.get(index))
    }
}

/// Trees by id, from memory or from a store: compare fetches only where ids differ.
pub trait TreeSource: Send + Sync {
    /// The directory with this id. A missing or damaged one is [`super::FaultKind::Damaged`].
    fn tree(&self, id: &ExactId) -> Result<Arc<Tree>, Fault>;

    /// The directory of shipped files with this id, likewise.
    fn shipped(&self, id: &ShippedId) -> Result<Arc<ShippedTree>, Fault>;

    /// What is remembered of these bytes; empty where nothing is.
    fn alternate_digests(&self, content: &ContentDigest) -> Result<AlternateDigests, Fault>;

    /// What was kept of a text file with these bytes; `None` where nothing was.
    fn text(&self, content: &ContentDigest) -> Result<Option<Text>, Fault> {
        let _ = content;
        Ok(None)
    }
}
