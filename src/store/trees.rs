//! Trees, from the spool or from the tables: where their bytes lie, and how they come back.

use super::blob::{ChunkId, Unpacked, unpack, unpack_bytes};
use super::{Store, StoreError};
use crate::model::encoding::{decode_shipped, decode_tree};
use crate::model::{
    AlternateDigests, ContentDigest, ExactId, Fault, ShippedId, ShippedTree, Text, Tree, TreeSource,
};
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A table of blobs by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Shelf {
    /// Directories.
    Trees,
    /// Parts of large directories.
    Chunks,
    /// Directories of shipped files.
    Shipped,
    /// Text files.
    Texts,
}

impl Shelf {
    /// All of them, parts before what is made of them.
    pub(super) const ALL: [Self; 4] = [Self::Chunks, Self::Trees, Self::Shipped, Self::Texts];

    /// The table's name.
    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Trees => "trees",
            Self::Chunks => "chunks",
            Self::Shipped => "shipped",
            Self::Texts => "texts",
        }
    }

    const fn select(self) -> &'static str {
        match self {
            Self::Trees => "SELECT data FROM trees WHERE id = ?",
            Self::Chunks => "SELECT data FROM chunks WHERE id = ?",
            Self::Shipped => "SELECT data FROM shipped WHERE id = ?",
            Self::Texts => "SELECT data FROM texts WHERE id = ?",
        }
    }
}

/// How a text begins that is not the file's own bytes, because something in it is hidden. No text
/// that is kept whole has a NUL.
const REDACTED_TAG: &[u8] = b"\0redacted text 1\n";

/// A text as it lies in the store, before it is packed.
pub(super) fn text_value(content: &ContentDigest, text: &Text) -> Vec<u8> {
    match text.is_redacted {
        // The digest of the file cannot be computed any more, so it is written down.
        true => [REDACTED_TAG, content.as_bytes(), text.text.as_bytes()].concat(),
        false => text.text.clone().into_bytes(),
    }
}

/// Of which file's bytes a text with hidden parts says to be.
pub(super) fn redacted_digest(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.strip_prefix(REDACTED_TAG)?.first_chunk().copied()
}

/// Reads what [`text_value`] made.
pub(super) fn text_of(bytes: &[u8]) -> Result<Text, Fault> {
    let (own, is_redacted) = match bytes.strip_prefix(REDACTED_TAG) {
        Some(own) => (own.get(32..).unwrap_or_default(), true),
        None => (bytes, false),
    };
    let text = std::str::from_utf8(own).map_err(Fault::damaged)?;
    Ok(Text { text: text.to_owned(), is_redacted })
}

/// Reads a stored value.
pub(super) fn fetch(
    connection: &Connection,
    shelf: Shelf,
    id: &[u8; 32],
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = connection.prepare_cached(shelf.select())?;
    Ok(statement.query_row([id], |row| row.get(0)).optional()?)
}

/// The canonical bytes of a stored directory.
pub(super) fn assemble(
    stored: &[u8],
    mut part: impl FnMut(&ChunkId) -> Result<Vec<u8>, Fault>,
) -> Result<Vec<u8>, Fault> {
    match unpack(stored)? {
        Unpacked::Bytes(bytes) => Ok(bytes),
        Unpacked::List(chunks) => {
            let mut bytes = Vec::new();
            for chunk in &chunks {
                bytes.extend(unpack_bytes(&part(chunk)?)?);
            }
            Ok(bytes)
        }
    }
}

/// The fault of a value that should be there.
pub(super) fn missing(shelf: Shelf, id: &[u8; 32]) -> Fault {
    Fault::damaged(format!("{} has no {}", shelf.table(), blake3::Hash::from_bytes(*id)))
}

/// Directories decoded lately. Two generations: when the young one is full it becomes the old
/// one, and what is still asked for moves back.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<ExactId, Arc<Tree>>,
    old: HashMap<ExactId, Arc<Tree>>,
    entries: usize,
}

impl Recent {
    /// Entries of one generation: a few MB.
    const ENTRIES: usize = 10_000;

    pub(super) fn get(&self, id: &ExactId) -> Option<Arc<Tree>> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = recent.young.get(id) {
            return Some(Arc::clone(tree));
        }
        let tree = recent.old.remove(id)?;
        recent.add(*id, &tree);
        Some(tree)
    }

    pub(super) fn add(&self, id: ExactId, tree: &Arc<Tree>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(id, tree);
    }
}

impl Generations {
    fn add(&mut self, id: ExactId, tree: &Arc<Tree>) {
        self.entries += tree.entries.len().max(1);
        self.young.insert(id, Arc::clone(tree));
        if self.entries > Recent::ENTRIES {
            self.old = std::mem::take(&mut self.young);
            self.entries = 0;
        }
    }
}

impl Store {
    /// The canonical bytes of a directory, as stored.
    pub(super) fn tree_bytes(&self, id: &ExactId) -> Result<Vec<u8>, Fault> {
        let stored = self.fetch(Shelf::Trees, id.as_bytes())?;
        assemble(&stored, |chunk| self.fetch(Shelf::Chunks, chunk))
    }

    fn fetch(&self, shelf: Shelf, id: &[u8; 32]) -> Result<Vec<u8>, Fault> {
        let found = fetch(&self.lock(), shelf, id).map_err(StoreError::into_fault)?;
        found.ok_or_else(|| missing(shelf, id))
    }

    /// The bytes of a text file that a scan kept, by their digest.
    pub fn text_bytes(&self, content: &ContentDigest) -> Result<Option<Vec<u8>>, StoreError> {
        let stored = fetch(&self.lock(), Shelf::Texts, content.as_bytes())?;
        stored.map(|stored| unpack_bytes(&stored)).transpose().map_err(StoreError::from)
    }
}

impl TreeSource for Store {
    fn tree(&self, id: &ExactId) -> Result<Arc<Tree>, Fault> {
        if let Some(tree) = self.recent.get(id) {
            return Ok(tree);
        }
        let place = |fault: Fault| fault.within(format_args!("tree {}", id.short()));
        let bytes = self.tree_bytes(id).map_err(place)?;
        let tree = Arc::new(decode_tree(&bytes).map_err(place)?);
        self.recent.add(*id, &tree);
        Ok(tree)
    }

    fn shipped(&self, id: &ShippedId) -> Result<Arc<ShippedTree>, Fault> {
        let place = |fault: Fault| fault.within(format_args!("shipped tree {}", id.short()));
        let stored = self.fetch(Shelf::Shipped, id.as_bytes()).map_err(place)?;
        let tree = unpack_bytes(&stored).and_then(|bytes| decode_shipped(&bytes)).map_err(place)?;
        Ok(Arc::new(tree))
    }

    fn text(&self, content: &ContentDigest) -> Result<Option<Text>, Fault> {
        let found = self.text_bytes(content).map_err(StoreError::into_fault)?;
        found.map(|bytes| text_of(&bytes)).transpose()
    }

    fn alternate_digests(&self, content: &ContentDigest) -> Result<AlternateDigests, Fault> {
        let found = super::caches::alternates(&self.lock(), content);
        Ok(found.map_err(StoreError::into_fault)?.unwrap_or_default())
    }
}
