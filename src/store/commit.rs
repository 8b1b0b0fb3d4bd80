//! One transaction makes a manifest: all that it names first, its own row and the caches last.

use super::caches::{write_alternates, write_cache};
use super::manifests::{exists, write_header};
use super::trees::{Shelf, missing};
use super::{CacheEntry, Spool, Store, StoreError, StoreErrorKind, records};
use crate::model::{Content, DirectoryContent, Manifest, ManifestId};
use rusqlite::{Connection, TransactionBehavior};

impl Store {
    /// Stores a manifest with its trees and what makes the next scan faster: all of it or nothing.
    ///
    /// `relied_on` is the manifest whose trees the scan took over without handing them in again;
    /// where it is gone meanwhile the answer is [`StoreErrorKind::Outdated`], and a full scan is
    /// the remedy. The spool stays as it is, so that its trees can still be read.
    pub fn commit(
        &self,
        manifest: &Manifest,
        spool: &Spool,
        caches: &[CacheEntry<'_>],
        relied_on: Option<ManifestId>,
    ) -> Result<ManifestId, StoreError> {
        let place = |error: StoreError| error.within("storing the manifest");
        let mut connection = self.lock();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| place(error.into()))?;
        if let Some(id) = relied_on
            && !exists(&transaction, &id)?
        {
            let detail = format!("manifest {}, which the scan relied on, is gone", id.short());
            return Err(StoreError::new(StoreErrorKind::Outdated, detail));
        }
        write_all(&transaction, manifest, spool, caches).map_err(place)?;
        transaction.commit().map_err(|error| place(error.into()))?;
        Ok(manifest.id())
    }
}

fn write_all(
    connection: &Connection,
    manifest: &Manifest,
    spool: &Spool,
    caches: &[CacheEntry<'_>],
) -> Result<(), StoreError> {
    for shelf in Shelf::ALL {
        write_shelf(connection, spool, shelf)?;
    }
    spool.each_alternates(|content, digests| write_alternates(connection, content, digests))?;
    let (sections, own) = (&manifest.header.sections, &manifest.records);
    records::write(connection, &sections.packages, &own.packages)?;
    records::write(connection, &sections.facts, &own.facts)?;
    records::write(connection, &sections.events, &own.events)?;
    records::write(connection, &sections.gaps, &own.gaps)?;
    records::write(connection, &sections.omissions, &own.omissions)?;
    records::write(connection, &sections.hard_links, &manifest.hard_links)?;
    refuse_without_trees(connection, manifest)?;
    write_header(connection, &manifest.header)?;
    let id = manifest.id();
    for entry in caches {
        write_cache(connection, entry, &id)?;
    }
    Ok(())
}

fn write_shelf(connection: &Connection, spool: &Spool, shelf: Shelf) -> Result<(), StoreError> {
    let table = shelf.table();
    let mut statement =
        connection.prepare(&format!("INSERT OR IGNORE INTO {table} (id, data) VALUES (?, ?)"))?;
    for id in spool.ids(shelf) {
        let stored = spool.stored(shelf, &id)?.ok_or_else(|| missing(shelf, &id))?;
        statement.execute((id, stored))?;
    }
    Ok(())
}

/// A manifest whose top is not there was not handed in whole.
fn refuse_without_trees(connection: &Connection, manifest: &Manifest) -> Result<(), StoreError> {
    let is_there = |shelf: Shelf, id: &[u8; 32]| -> Result<(), StoreError> {
        let query = format!("SELECT 1 FROM {} WHERE id = ?", shelf.table());
        match connection.prepare(&query)?.exists([id])? {
            true => Ok(()),
            false => {
                let mut refusal = StoreError::from(missing(shelf, id));
                refusal.kind = StoreErrorKind::Outdated;
                Err(refusal)
            }
        }
    };
    if let Content::Directory(DirectoryContent::Read { exact, .. }) = &manifest.header.root.content
    {
        is_there(Shelf::Trees, exact.as_bytes())?;
    }
    manifest.header.shipped.map_or(Ok(()), |id| is_there(Shelf::Shipped, id.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::World;
    use crate::model::{ContentDigest, TreeSource};
    use crate::store::testing::{manifest, place, world};
    use crate::store::{Access, Keep};

    fn exact(manifest: &Manifest) -> crate::model::ExactId {
        match manifest.header.root.content {
            Content::Directory(DirectoryContent::Read { exact, .. }) => exact,
            _ => panic!("a root that was read"),
        }
    }

    #[test]
    fn everything_comes_back() {
        let place = place();
        let (made, spool) = manifest(&world(), "web-01", 5);
        spool.add_text(ContentDigest::of(b"hello"), b"hello");
        let id = place.store.commit(&made, &spool, &[], None).unwrap();
        let again = Store::open(place.store.path(), Access::Read).unwrap();
        assert_eq!(again.manifest(&id).unwrap(), made);
        assert_eq!(again.header(&id).unwrap().id(), id);
        let root = again.tree(&exact(&made)).unwrap();
        assert_eq!(root, spool.tree(&exact(&made)).unwrap());
        let usr = match &root.get(b"usr").unwrap().content {
            Content::Directory(DirectoryContent::Read { exact, .. }) => again.tree(exact).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(usr.entries.len(), 3);
        let shipped = again.shipped(&made.header.shipped.unwrap()).unwrap();
        assert_eq!(shipped.entries.len(), 1);
        let hello = ContentDigest::of(b"hello");
        assert!(again.alternate_digests(&hello).unwrap().md5.is_some());
        assert_eq!(again.text_bytes(&hello).unwrap().unwrap(), b"hello");
    }

    #[test]
    fn an_unchanged_tree_adds_no_rows_but_its_own() {
        let place = place();
        let rows = |table: &str| -> i64 {
            let query = format!("SELECT count(*) FROM {table}");
            place.store.lock().query_row(&query, [], |row| row.get(0)).unwrap()
        };
        let tables = ["trees", "chunks", "shipped", "sets", "packages", "events", "facts"];
        for (second, manifests) in [(1, 1), (2, 2)] {
            let (made, spool) = manifest(&world(), "web-01", second);
            place.store.commit(&made, &spool, &[], None).unwrap();
            assert_eq!(rows("manifests"), manifests);
            assert_eq!(tables.map(rows), [9, rows("chunks"), 6, 6, 1, 1, 1]);
        }
    }

    #[test]
    fn refuses_what_is_not_whole_and_leaves_nothing() {
        let place = place();
        let check = |made: &Manifest, spool: &Spool, relied_on, expected| {
            let refused = place.store.commit(made, spool, &[], relied_on).unwrap_err();
            assert_eq!(refused.kind, expected, "{refused}");
            assert_eq!(place.store.list().unwrap(), []);
            let sets: i64 = place
                .store
                .lock()
                .query_row("SELECT count(*) FROM sets", [], |row| row.get(0))
                .unwrap();
            assert_eq!(sets, 0);
        };
        let (made, spool) = manifest(&world(), "web-01", 1);
        check(&made, &Spool::new(), None, StoreErrorKind::Outdated);
        check(&made, &spool, Some(ManifestId([1; 32])), StoreErrorKind::Outdated);
        let mut lying = made.clone();
        lying.records.packages.clear();
        check(&lying, &spool, None, StoreErrorKind::Other);
    }

    #[test]
    fn caches_are_replaced_and_name_their_manifest() {
        let place = place();
        let (made, spool) = manifest(&World::new(), "web-01", 1);
        let entry = |data, keep| CacheEntry { kind: "trust", key: b"web-01", data, keep };
        let commit = |entry| place.store.commit(&made, &spool, &[entry], None).unwrap();
        let id = commit(entry(b"one", Keep::WithManifest));
        let found = place.store.cache("trust", b"web-01").unwrap().unwrap();
        assert_eq!((found.data.as_slice(), found.manifest), (b"one".as_slice(), Some(id)));
        commit(entry(b"two", Keep::Always));
        let found = place.store.cache("trust", b"web-01").unwrap().unwrap();
        assert_eq!((found.data.as_slice(), found.manifest), (b"two".as_slice(), None));
        assert_eq!(place.store.cache("trust", b"web-02").unwrap(), None);
    }
}
