//! Taking away: one manifest, and whatever nothing names any more.

use super::caches::drop_unnamed_blobs;
use super::manifests::{exists, read_header};
use super::trees::{Shelf, assemble, fetch, missing};
use super::{Store, StoreError, StoreErrorKind};
use crate::model::encoding::{decode_shipped, decode_tree};
use crate::model::{Content, ContentDigest, DirectoryContent, Fault, ManifestId};
use rusqlite::{Connection, TransactionBehavior};
use std::collections::{BTreeMap, HashSet};

/// What was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Directories, parts of them, directories of shipped files, texts, remembered digests, sets
    /// of records and caches: rows by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// Length of the file before.
    pub bytes_before: u64,
    /// And after.
    pub bytes_after: u64,
}

/// All that a manifest, by whatever way, names.
#[derive(Default)]
struct Live {
    shelves: BTreeMap<Shelf, HashSet<[u8; 32]>>,
    contents: HashSet<[u8; 32]>,
    sets: HashSet<(&'static str, [u8; 32])>,
}

impl Store {
    /// Forgets a manifest and the caches that rest on it. One that a baseline names is refused
    /// ([`StoreErrorKind::InUse`]). Its trees stay until [`Store::gc`].
    pub fn remove_manifest(&self, id: &ManifestId) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if !exists(&transaction, id)? {
            let detail = format!("there is no manifest {}", id.short());
            return Err(StoreError::new(StoreErrorKind::NotFound, detail));
        }
        let names: Vec<String> = transaction
            .prepare("SELECT name FROM baselines WHERE manifest = ? ORDER BY name")?
            .query_map([id.as_bytes()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        if !names.is_empty() {
            let detail = format!("manifest {} is the baseline {}", id.short(), names.join(", "));
            return Err(StoreError::new(StoreErrorKind::InUse, detail));
        }
        transaction.execute("DELETE FROM caches WHERE manifest = ?", [id.as_bytes()])?;
        transaction.execute("DELETE FROM manifests WHERE id = ?", [id.as_bytes()])?;
        transaction.commit()?;
        Ok(())
    }

    /// Drops what no manifest names and gives its space back to the file system. Where a tree is
    /// damaged nothing is dropped: what it named cannot be known.
    pub fn gc(&self) -> Result<Collected, StoreError> {
        let length = || std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        let mut connection = self.lock();
        checkpoint(&connection)?;
        let bytes_before = length();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let live = mark(&transaction)
            .map_err(|error| error.within("nothing was dropped; verify tells more"))?;
        let rows = sweep(&transaction, &live)?;
        transaction.commit()?;
        // Needs as much space again for a moment; where there is none the pages are used again.
        connection.execute_batch("VACUUM")?;
        checkpoint(&connection)?;
        Ok(Collected { rows, bytes_before, bytes_after: length() })
    }
}

/// Moves the write-ahead log into the file, as far as readers allow.
fn checkpoint(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

fn mark(connection: &Connection) -> Result<Live, StoreError> {
    let mut live = Live::default();
    let ids: Vec<[u8; 32]> = connection
        .prepare("SELECT id FROM manifests")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let (mut trees, mut shipped) = (Vec::new(), Vec::new());
    for id in ids {
        let header = read_header(connection, &ManifestId(id))?;
        live.see(&header.root.content, &mut trees);
        shipped.extend(header.shipped.map(|id| id.0));
        let sections = header.sections;
        live.sets.extend([
            ("packages", sections.packages.0),
            ("facts", sections.facts.0),
            ("events", sections.events.0),
            ("gaps", sections.gaps.0),
            ("omissions", sections.omissions.0),
            ("hard_links", sections.hard_links.0),
        ]);
    }
    let get = |shelf, id: &[u8; 32]| -> Result<Vec<u8>, Fault> {
        let found = fetch(connection, shelf, id).map_err(StoreError::into_fault)?;
        found.ok_or_else(|| missing(shelf, id))
    };
    while let Some(id) = trees.pop() {
        if !live.add(Shelf::Trees, id) {
            continue;
        }
        let bytes = assemble(&get(Shelf::Trees, &id)?, |chunk| {
            live.add(Shelf::Chunks, *chunk);
            get(Shelf::Chunks, chunk)
        })?;
        for entry in decode_tree(&bytes)?.entries {
            live.see(&entry.content, &mut trees);
        }
    }
    while let Some(id) = shipped.pop() {
        if !live.add(Shelf::Shipped, id) {
            continue;
        }
        let tree = decode_shipped(&super::blob::unpack_bytes(&get(Shelf::Shipped, &id)?)?)?;
        shipped.extend(tree.entries.iter().filter_map(|entry| entry.below).map(|id| id.0));
    }
    // Texts are named by what the files of live trees hold.
    let contents = live.contents.clone();
    live.shelves.insert(Shelf::Texts, contents);
    Ok(live)
}

impl Live {
    fn add(&mut self, shelf: Shelf, id: [u8; 32]) -> bool {
        self.shelves.entry(shelf).or_default().insert(id)
    }

    fn see(&mut self, content: &Content, trees: &mut Vec<[u8; 32]>) {
        match content {
            Content::Directory(DirectoryContent::Read { exact, .. }) => trees.push(exact.0),
            Content::File { digest: Some(ContentDigest(digest)), .. } => {
                self.contents.insert(*digest);
            }
            _ => {}
        }
    }
}

fn sweep(connection: &Connection, live: &Live) -> Result<BTreeMap<&'static str, u64>, StoreError> {
    let mut dropped = BTreeMap::new();
    let none = HashSet::new();
    for shelf in Shelf::ALL {
        let keep = live.shelves.get(&shelf).unwrap_or(&none);
        dropped.insert(shelf.table(), delete_others(connection, shelf.table(), "id", keep)?);
    }
    let table = "alternate_digests";
    dropped.insert(table, delete_others(connection, table, "content", &live.contents)?);
    let sets: Vec<(i64, String, [u8; 32])> = connection
        .prepare("SELECT number, kind, id FROM sets")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut count = 0;
    for (number, kind, id) in sets {
        if live.sets.iter().any(|(live, named)| *live == kind && *named == id) {
            continue;
        }
        if let Some(table) = super::records::TABLES.into_iter().find(|table| *table == kind) {
            connection.execute(&format!("DELETE FROM {table} WHERE set_number = ?"), [number])?;
        }
        connection.execute("DELETE FROM sets WHERE number = ?", [number])?;
        count += 1;
    }
    dropped.insert("sets", count);
    let caches = connection.execute(
        "DELETE FROM caches WHERE manifest IS NOT NULL
             AND manifest NOT IN (SELECT id FROM manifests)",
        [],
    )?;
    drop_unnamed_blobs(connection)?;
    dropped.insert("caches", caches as u64);
    Ok(dropped)
}

fn delete_others(
    connection: &Connection,
    table: &str,
    column: &str,
    keep: &HashSet<[u8; 32]>,
) -> Result<u64, StoreError> {
    let mut dead: Vec<[u8; 32]> = connection
        .prepare(&format!("SELECT {column} FROM {table}"))?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    dead.retain(|id| !keep.contains(id));
    let mut delete = connection.prepare(&format!("DELETE FROM {table} WHERE {column} = ?"))?;
    for id in &dead {
        delete.execute([id])?;
    }
    Ok(dead.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Baseline, Timestamp};
    use crate::store::testing::{manifest, place, world};
    use crate::store::{CacheEntry, Keep};

    #[test]
    fn drops_what_nothing_names_and_keeps_the_rest() {
        let place = place();
        let store = &place.store;
        let (old, spool) = manifest(&world(), "web-01", 1);
        spool.add_text(ContentDigest::of(b"changed"), b"changed");
        let cache = CacheEntry { kind: "t", key: b"k", data: b"d", keep: Keep::WithManifest };
        let old = store.commit(&old, &spool, &[cache], None).unwrap();
        let mut changed = world();
        changed.file("/etc/motd", "changed").install("htop", "3", &[("/usr/bin/htop", "htop")]);
        let (new, spool) = manifest(&changed, "web-01", 2);
        let new = store.commit(&new, &spool, &[], None).unwrap();
        let before = store.manifest(&new).unwrap();

        let nothing = store.gc().unwrap();
        assert_eq!(nothing.rows.values().sum::<u64>(), 0, "{nothing:?}");
        assert!(store.text_bytes(&ContentDigest::of(b"changed")).unwrap().is_some());

        let set = |manifest| {
            let (name, set_at) = ("golden".into(), Timestamp::default());
            let baseline = Baseline { name, manifest, applies_to: vec![], set_at, note: None };
            store.set_baseline(&baseline).unwrap();
        };
        set(old);
        assert_eq!(store.remove_manifest(&old).unwrap_err().kind, StoreErrorKind::InUse);
        set(new);
        store.remove_manifest(&old).unwrap();
        assert_eq!(store.remove_manifest(&old).unwrap_err().kind, StoreErrorKind::NotFound);
        assert_eq!(store.cache("t", b"k").unwrap(), None);
        let dropped = store.gc().unwrap();
        // The root, /etc, /usr and /usr/bin; the packages; the digests of "hello".
        assert_eq!(dropped.rows["trees"], 4);
        assert_eq!(dropped.rows["sets"], 1);
        assert_eq!(dropped.rows["alternate_digests"], 1);
        assert_eq!(store.manifest(&new).unwrap(), before);
        assert!(store.verify().unwrap().damages.is_empty());
    }

    #[test]
    fn an_empty_store_gives_its_space_back() {
        let place = place();
        let (made, spool) = manifest(&world(), "web-01", 1);
        let id = place.store.commit(&made, &spool, &[], None).unwrap();
        place.store.remove_manifest(&id).unwrap();
        let collected = place.store.gc().unwrap();
        assert!(collected.bytes_after < collected.bytes_before, "{collected:?}");
        assert_eq!(place.store.stats().unwrap().rows["trees"], 0);
    }
}
