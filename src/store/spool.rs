//! What a scan has made and not yet committed: in memory, then in a nameless temporary file.
//!
//! Filled by many threads; each compresses what it brings before it takes the lock.

use super::blob::{pack, pack_list, unpack_bytes};
use super::caches::merge;
use super::chunks::{chunk_id, split};
use super::trees::{Recent, Shelf, assemble, missing, text_of, text_value};
use crate::model::encoding::{EncodedTree, decode_shipped, decode_tree};
use crate::model::{
    AlternateDigests, ContentDigest, ExactId, Fault, ShippedId, ShippedTree, Text, Tree, TreeSource,
};
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes kept in memory; more goes to the file.
const MEMORY: usize = 2 * 1024 * 1024;

/// A text larger than this is not remembered.
const TEXT_LIMIT: usize = 4 * 1024 * 1024;

/// Trees, digests and texts on their way to the store; itself a place to read them from.
#[derive(Default)]
pub struct Spool {
    inner: Mutex<Inner>,
    recent: Recent,
    fallback: Option<Arc<dyn TreeSource>>,
}

#[derive(Default)]
struct Inner {
    values: HashMap<(Shelf, [u8; 32]), Place>,
    alternates: BTreeMap<ContentDigest, AlternateDigests>,
    in_memory: usize,
    /// Where the file could not be written, as many bytes stay before it is tried again.
    patience: usize,
    file: Option<(Arc<File>, u64)>,
}

enum Place {
    Memory(Box<[u8]>),
    File { offset: u64, length: usize },
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("values", &self.lock().values.len()).finish_non_exhaustive()
    }
}

impl Spool {
    /// An empty one that knows nothing else.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one that looks into `fallback` (the store) for what it does not have.
    #[must_use]
    pub fn over(fallback: Arc<dyn TreeSource>) -> Self {
        Self { fallback: Some(fallback), ..Self::default() }
    }

    /// Takes a finished directory.
    pub fn add_tree(&self, tree: &EncodedTree) {
        let id = *tree.exact.as_bytes();
        if self.has(Shelf::Trees, &id) {
            return;
        }
        let Some(parts) = split(&tree.bytes) else {
            self.put(Shelf::Trees, id, || pack(&tree.bytes));
            return;
        };
        let mut chunks = Vec::with_capacity(parts.len());
        for part in parts {
            let chunk = chunk_id(part);
            self.put(Shelf::Chunks, chunk, || pack(part));
            chunks.push(chunk);
        }
        self.put(Shelf::Trees, id, || pack_list(&chunks));
    }

    /// Takes the encoding of a directory of shipped files.
    pub fn add_shipped(&self, id: ShippedId, bytes: &[u8]) {
        self.put(Shelf::Shipped, *id.as_bytes(), || pack(bytes));
    }

    /// Takes digests to be remembered with what is known already.
    pub fn add_alternates(&self, content: ContentDigest, digests: AlternateDigests) {
        let mut inner = self.lock();
        let known = inner.alternates.entry(content).or_default();
        *known = merge(known, &digests);
    }

    /// Takes the bytes of a text file that are worth showing later; beyond 4 MB they are not
    /// remembered.
    pub fn add_text(&self, content: ContentDigest, bytes: &[u8]) {
        if bytes.len() <= TEXT_LIMIT {
            self.put(Shelf::Texts, *content.as_bytes(), || pack(bytes));
        }
    }

    /// Takes what is kept of a text file, which may have parts hidden.
    pub fn add_kept(&self, content: ContentDigest, text: &Text) {
        self.put(Shelf::Texts, *content.as_bytes(), || pack(&text_value(&content, text)));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, shelf: Shelf, id: &[u8; 32]) -> bool {
        self.lock().values.contains_key(&(shelf, *id))
    }

    fn put(&self, shelf: Shelf, id: [u8; 32], make: impl FnOnce() -> Vec<u8>) {
        if self.has(shelf, &id) {
            return;
        }
        let value = make().into_boxed_slice();
        let mut inner = self.lock();
        inner.in_memory += value.len();
        if let Some(Place::Memory(same)) = inner.values.insert((shelf, id), Place::Memory(value)) {
            inner.in_memory -= same.len();
        }
        if inner.in_memory > MEMORY.max(inner.patience) {
            inner.spill();
        }
    }

    /// The ids on one shelf, sorted: the order in which a table takes them fastest.
    pub(super) fn ids(&self, shelf: Shelf) -> Vec<[u8; 32]> {
        let inner = self.lock();
        let own = inner.values.keys().filter(|(on, _)| *on == shelf);
        let mut ids: Vec<[u8; 32]> = own.map(|(_, id)| *id).collect();
        ids.sort_unstable();
        ids
    }

    /// A value in its stored form.
    pub(super) fn stored(&self, shelf: Shelf, id: &[u8; 32]) -> Result<Option<Vec<u8>>, Fault> {
        let inner = self.lock();
        let (file, offset, length) = match (inner.values.get(&(shelf, *id)), &inner.file) {
            (None, _) => return Ok(None),
            (Some(Place::Memory(value)), _) => return Ok(Some(value.to_vec())),
            (Some(Place::File { offset, length }), Some((file, _))) => {
                (Arc::clone(file), *offset, *length)
            }
            (Some(Place::File { .. }), None) => return Err(missing(shelf, id)),
        };
        drop(inner);
        let mut value = vec![0; length];
        file.read_exact_at(&mut value, offset)
            .map_err(|error| Fault::unreadable("the temporary file of the scan", error))?;
        Ok(Some(value))
    }

    /// Hands out all digests to be remembered.
    pub(super) fn each_alternates<E>(
        &self,
        mut take: impl FnMut(&ContentDigest, &AlternateDigests) -> Result<(), E>,
    ) -> Result<(), E> {
        self.lock().alternates.iter().try_for_each(|(content, digests)| take(content, digests))
    }

    fn need(&self, shelf: Shelf, id: &[u8; 32]) -> Result<Vec<u8>, Fault> {
        self.stored(shelf, id)?.ok_or_else(|| missing(shelf, id))
    }
}

impl Inner {
    /// Moves all values to the file. Where that cannot be, they stay in memory.
    fn spill(&mut self) {
        let (file, mut end) = match self.file.take() {
            Some(open) => open,
            None => match nameless_file() {
                Ok(file) => (Arc::new(file), 0),
                Err(_) => {
                    self.patience = self.in_memory.saturating_mul(2);
                    return;
                }
            },
        };
        // One write for all: most values are short.
        let mut together = Vec::with_capacity(self.in_memory);
        for place in self.values.values() {
            if let Place::Memory(value) = place {
                together.extend_from_slice(value);
            }
        }
        if file.write_all_at(&together, end).is_ok() {
            for place in self.values.values_mut() {
                let Place::Memory(value) = place else { continue };
                let length = value.len();
                *place = Place::File { offset: end, length };
                end += length as u64;
            }
            self.in_memory = 0;
        } else {
            self.patience = self.in_memory.saturating_mul(2);
        }
        self.file = Some((file, end));
    }
}

/// A file in the folder for temporary files that has no name and goes with the process.
fn nameless_file() -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(std::env::temp_dir(), flags, Mode::RUSR | Mode::WUSR)?;
    Ok(file.into())
}

impl TreeSource for Spool {
    fn tree(&self, id: &ExactId) -> Result<Arc<Tree>, Fault> {
        if let Some(tree) = self.recent.get(id) {
            return Ok(tree);
        }
        let Some(stored) = self.stored(Shelf::Trees, id.as_bytes())? else {
            return match &self.fallback {
                Some(fallback) => fallback.tree(id),
                None => Err(missing(Shelf::Trees, id.as_bytes())),
            };
        };
        let bytes = assemble(&stored, |chunk| self.need(Shelf::Chunks, chunk))?;
        let tree = Arc::new(decode_tree(&bytes)?);
        self.recent.add(*id, &tree);
        Ok(tree)
    }

    fn shipped(&self, id: &ShippedId) -> Result<Arc<ShippedTree>, Fault> {
        match (self.stored(Shelf::Shipped, id.as_bytes())?, &self.fallback) {
            (Some(stored), _) => Ok(Arc::new(decode_shipped(&unpack_bytes(&stored)?)?)),
            (None, Some(fallback)) => fallback.shipped(id),
            (None, None) => Err(missing(Shelf::Shipped, id.as_bytes())),
        }
    }

    fn alternate_digests(&self, content: &ContentDigest) -> Result<AlternateDigests, Fault> {
        let own = self.lock().alternates.get(content).copied();
        match (&self.fallback, own) {
            (Some(fallback), own) => {
                Ok(merge(&fallback.alternate_digests(content)?, &own.unwrap_or_default()))
            }
            (None, own) => Ok(own.unwrap_or_default()),
        }
    }

    fn text(&self, content: &ContentDigest) -> Result<Option<Text>, Fault> {
        match (self.stored(Shelf::Texts, content.as_bytes())?, &self.fallback) {
            (Some(stored), _) => text_of(&unpack_bytes(&stored)?).map(Some),
            (None, Some(fallback)) => fallback.text(content),
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that do not compress.
    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    #[test]
    fn spills_and_finds_again() {
        let spool = Spool::new();
        let count = 40;
        for seed in 0..count {
            let bytes = noise(seed, 1 << 20);
            spool.add_text(ContentDigest::of(&bytes), &bytes);
        }
        assert!(spool.lock().in_memory < MEMORY);
        assert!(spool.lock().file.is_some());
        for seed in 0..count {
            let bytes = noise(seed, 1 << 20);
            let id = ContentDigest::of(&bytes);
            let stored = spool.need(Shelf::Texts, id.as_bytes()).unwrap();
            assert!(unpack_bytes(&stored).unwrap() == bytes);
        }
    }

    #[test]
    fn digests_add_up() {
        let spool = Spool::new();
        let content = ContentDigest::of(b"x");
        let md5 = AlternateDigests { md5: Some([1; 16]), ..Default::default() };
        let sha1 = AlternateDigests { sha1: Some([2; 20]), ..Default::default() };
        spool.add_alternates(content, md5);
        spool.add_alternates(content, sha1);
        let both = AlternateDigests { md5: Some([1; 16]), ..sha1 };
        assert_eq!(spool.alternate_digests(&content).unwrap(), both);
    }
}
