//! Everything recomputed: whatever does not match its digest is named, and the rest is still
//! looked at.

use super::baselines::checksum as baseline_checksum;
use super::blob::unpack_bytes;
use super::caches::{alternates, cache_checksum};
use super::chunks::chunk_id;
use super::manifests::{exists, read_header};
use super::records::{self, Record};
use super::trees::{Shelf, assemble, fetch, missing, redacted_digest};
use super::{Store, StoreError};
use crate::model::encoding::{decode_shipped, decode_tree, encode_tree};
use crate::model::{
    Content, ContentDigest, ContentId, DirectoryContent, Event, ExactId, Fact, Fault, Gap,
    HardLinks, ManifestId, Omission, Package, SetId, ShippedId,
};
use rusqlite::Connection;
use std::collections::{BTreeMap, HashMap, HashSet};

/// One thing that is not as it was stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// The table, or `file`.
    pub place: String,
    /// The id or the name of what is damaged; empty for the file as a whole.
    pub id: String,
    /// What does not match.
    pub reason: String,
}

/// What was looked at, and what is damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Rows that were recomputed, by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// In order of place and id; empty where all is well.
    pub damages: Vec<Damage>,
}

impl Store {
    /// Recomputes every digest. An error means that it could not be done; damage is not an error.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        let connection = self.lock();
        // One state of the store, whatever is committed meanwhile.
        let transaction = connection.unchecked_transaction()?;
        let mut check = Check::new(&transaction);
        check.pages();
        check.table("chunks", Check::chunk);
        check.table("trees", Check::tree);
        check.table("shipped", Check::shipped);
        check.table("texts", Check::text);
        check.children();
        check.table("alternate_digests", Check::alternate);
        check.sets();
        check.table("manifests", Check::manifest);
        check.baselines();
        check.caches();
        let mut verified = Verified { rows: check.rows, damages: check.damages };
        verified.damages.sort();
        verified.damages.dedup();
        Ok(verified)
    }
}

struct Check<'a> {
    connection: &'a Connection,
    rows: BTreeMap<&'static str, u64>,
    damages: Vec<Damage>,
    /// Content ids of the directories that are well.
    contents: HashMap<[u8; 32], ContentId>,
    /// Who names which directory by which content id.
    children: Vec<([u8; 32], [u8; 32], ContentId)>,
    shipped: HashSet<[u8; 32]>,
    below: Vec<([u8; 32], [u8; 32])>,
}

fn differs<T: PartialEq>(found: &T, expected: &T) -> Result<(), Fault> {
    if found == expected { Ok(()) } else { Err(Fault::damaged("it does not have this digest")) }
}

fn hex(id: [u8; 32]) -> String {
    blake3::Hash::from_bytes(id).to_hex().to_string()
}

impl<'a> Check<'a> {
    fn new(connection: &'a Connection) -> Self {
        Self {
            connection,
            rows: BTreeMap::new(),
            damages: Vec::new(),
            contents: HashMap::new(),
            children: Vec::new(),
            shipped: HashSet::new(),
            below: Vec::new(),
        }
    }

    fn damage(&mut self, place: &str, id: &str, fault: &Fault) {
        let (place, id) = (place.to_owned(), id.to_string());
        self.damages.push(Damage { place, id, reason: fault.chain() });
    }

    /// What SQLite itself can tell of its pages and indexes.
    fn pages(&mut self) {
        let lines = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare("PRAGMA integrity_check")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        match lines() {
            Ok(lines) => {
                for line in lines.iter().filter(|line| *line != "ok") {
                    self.damage("file", "", &Fault::damaged(line));
                }
            }
            Err(error) => self.failed("file", error),
        }
    }

    fn failed(&mut self, place: &str, error: rusqlite::Error) {
        self.damage(place, "", &StoreError::from(error).into_fault());
    }

    /// Looks at each row of a table by its id; a row that cannot be read ends that table only.
    fn table(&mut self, table: &'static str, look: fn(&mut Self, &[u8; 32]) -> Result<(), Fault>) {
        let column = if table == "alternate_digests" { "content" } else { "id" };
        let ids = || -> rusqlite::Result<Vec<Vec<u8>>> {
            let mut statement =
                self.connection.prepare(&format!("SELECT {column} FROM {table}"))?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        let ids = match ids() {
            Ok(ids) => ids,
            Err(error) => return self.failed(table, error),
        };
        self.rows.insert(table, ids.len() as u64);
        for id in ids {
            let Some(id) = id.first_chunk::<32>().filter(|_| id.len() == 32) else {
                self.damage(table, "", &Fault::damaged(format!("an id of {} bytes", id.len())));
                continue;
            };
            if let Err(fault) = look(self, id) {
                self.damage(table, &hex(*id), &fault);
            }
        }
    }

    fn get(&self, shelf: Shelf, id: &[u8; 32]) -> Result<Vec<u8>, Fault> {
        let found = fetch(self.connection, shelf, id).map_err(StoreError::into_fault)?;
        found.ok_or_else(|| missing(shelf, id))
    }

    fn chunk(&mut self, id: &[u8; 32]) -> Result<(), Fault> {
        differs(&chunk_id(&unpack_bytes(&self.get(Shelf::Chunks, id)?)?), id)
    }

    fn text(&mut self, id: &[u8; 32]) -> Result<(), Fault> {
        let bytes = unpack_bytes(&self.get(Shelf::Texts, id)?)?;
        // Where something is hidden nobody can compute the digest: it says whose text it is, and
        // its checksum was tested.
        let digest = redacted_digest(&bytes).unwrap_or_else(|| ContentDigest::of(&bytes).0);
        differs(&digest, id)
    }

    fn tree(&mut self, id: &[u8; 32]) -> Result<(), Fault> {
        let stored = self.get(Shelf::Trees, id)?;
        let bytes = assemble(&stored, |chunk| self.get(Shelf::Chunks, chunk))?;
        differs(&ExactId::of(&bytes).0, id)?;
        let tree = decode_tree(&bytes)?;
        self.contents.insert(*id, encode_tree(&tree).content);
        for entry in &tree.entries {
            if let Content::Directory(DirectoryContent::Read { content, exact }) = &entry.content {
                self.children.push((*id, exact.0, *content));
            }
        }
        Ok(())
    }

    fn shipped(&mut self, id: &[u8; 32]) -> Result<(), Fault> {
        let bytes = unpack_bytes(&self.get(Shelf::Shipped, id)?)?;
        differs(&ShippedId::of(&bytes).0, id)?;
        let tree = decode_shipped(&bytes)?;
        self.shipped.insert(*id);
        self.below.extend(tree.entries.iter().filter_map(|entry| Some((*id, entry.below?.0))));
        Ok(())
    }

    /// Whether directories are there under both ids that others name them by.
    fn children(&mut self) {
        for (parent, child, content) in std::mem::take(&mut self.children) {
            if let Err(fault) = self.names_tree(&child, content) {
                self.damage("trees", &hex(parent), &fault);
            }
        }
        for (parent, child) in std::mem::take(&mut self.below) {
            if !self.shipped.contains(&child) {
                let fault = missing(Shelf::Shipped, &child);
                self.damage("shipped", &hex(parent), &fault);
            }
        }
    }

    fn names_tree(&self, exact: &[u8; 32], content: ContentId) -> Result<(), Fault> {
        match self.contents.get(exact) {
            Some(found) if *found == content => Ok(()),
            Some(found) => {
                let (found, named) = (found.short(), content.short());
                let fault = format!("its content id is {found} and not {named}");
                Err(Fault::damaged(fault).within(ExactId(*exact)))
            }
            None => Err(missing(Shelf::Trees, exact)),
        }
    }

    fn alternate(&mut self, id: &[u8; 32]) -> Result<(), Fault> {
        alternates(self.connection, &ContentDigest(*id)).map_err(StoreError::into_fault).map(drop)
    }

    fn sets(&mut self) {
        type Row = (i64, String, [u8; 32], i64);
        let sets = || -> rusqlite::Result<Vec<Row>> {
            let mut statement =
                self.connection.prepare("SELECT number, kind, id, rows FROM sets")?;
            let row =
                |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            statement.query_map([], row)?.collect()
        };
        let sets = match sets() {
            Ok(sets) => sets,
            Err(error) => return self.failed("sets", error),
        };
        self.rows.insert("sets", sets.len() as u64);
        for (number, kind, id, rows) in sets {
            let id = SetId(id);
            let found = match kind.as_str() {
                "packages" => self.set::<Package>(number, &id, rows),
                "facts" => self.set::<Fact>(number, &id, rows),
                "events" => self.set::<Event>(number, &id, rows),
                "gaps" => self.set::<Gap>(number, &id, rows),
                "omissions" => self.set::<Omission>(number, &id, rows),
                "hard_links" => self.set::<HardLinks>(number, &id, rows),
                other => Err(Fault::damaged(format!("a set of {other:?}"))),
            };
            if let Err(fault) = found {
                self.damage("sets", &id.to_string(), &fault);
            }
        }
        for table in records::TABLES {
            let query = format!(
                "SELECT count(*) FROM {table} WHERE set_number NOT IN
                    (SELECT number FROM sets WHERE kind = '{table}')"
            );
            match self.connection.query_row(&query, [], |row| row.get::<_, i64>(0)) {
                Ok(0) => {}
                Ok(count) => {
                    self.damage(table, "", &Fault::damaged(format!("{count} rows of no set")));
                }
                Err(error) => self.failed(table, error),
            }
        }
    }

    fn set<R: Record>(&self, number: i64, id: &SetId, rows: i64) -> Result<(), Fault> {
        let found = records::read::<R>(self.connection, id).map_err(StoreError::into_fault)?;
        differs(&R::id(&found), id)?;
        let query = format!(
            "SELECT count(*), coalesce(max(position) + 1, 0) FROM {} WHERE set_number = ?",
            R::TABLE
        );
        let counted: (i64, i64) = self
            .connection
            .query_row(&query, [number], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|error| StoreError::from(error).into_fault())?;
        if counted == (rows, rows) {
            return Ok(());
        }
        Err(Fault::damaged(format!(
            "{rows} rows expected, found {} up to {}",
            counted.0, counted.1
        )))
    }

    fn manifest(&mut self, id: &[u8; 32]) -> Result<(), Fault> {
        let id = ManifestId(*id);
        let header = read_header(self.connection, &id).map_err(StoreError::into_fault)?;
        differs(&header.id(), &id)?;
        if let Content::Directory(DirectoryContent::Read { content, exact }) = &header.root.content
        {
            self.names_tree(&exact.0, *content)?;
        }
        if let Some(shipped) = header.shipped.filter(|id| !self.shipped.contains(&id.0)) {
            return Err(missing(Shelf::Shipped, &shipped.0));
        }
        let sections = &header.sections;
        for (kind, set) in records::TABLES.into_iter().zip([
            sections.packages,
            sections.facts,
            sections.events,
            sections.gaps,
            sections.omissions,
            sections.hard_links,
        ]) {
            let there = self
                .connection
                .prepare_cached("SELECT 1 FROM sets WHERE kind = ? AND id = ?")
                .and_then(|mut statement| statement.exists((kind, set.as_bytes())))
                .map_err(|error| StoreError::from(error).into_fault())?;
            if !there {
                return Err(Fault::damaged(format!("its {kind} {} are missing", set.short())));
            }
        }
        Ok(())
    }

    fn baselines(&mut self) {
        let rows = match super::baselines::read_all(self.connection) {
            Ok(rows) => rows,
            Err(error) => return self.damage("baselines", "", &error.into_fault()),
        };
        self.rows.insert("baselines", rows.len() as u64);
        for (baseline, sum) in rows {
            if sum != baseline_checksum(&baseline) {
                let fault = Fault::damaged("its checksum does not match");
                self.damage("baselines", &baseline.name, &fault);
            } else if !exists(self.connection, &baseline.manifest).unwrap_or(false) {
                let fault = Fault::damaged(format!("no manifest {}", baseline.manifest.short()));
                self.damage("baselines", &baseline.name, &fault);
            }
        }
    }

    fn caches(&mut self) {
        let rows = || -> rusqlite::Result<Vec<(String, bool)>> {
            let mut statement = self.connection.prepare(
                "SELECT kind, key, manifest, blob, checksum, data
                     FROM caches LEFT JOIN cache_blobs ON id = blob",
            )?;
            let row = |row: &rusqlite::Row<'_>| {
                let kind: String = row.get(0)?;
                let key: Vec<u8> = row.get(1)?;
                let manifest: Option<Vec<u8>> = row.get(2)?;
                let blob: Vec<u8> = row.get(3)?;
                let data: Option<Vec<u8>> = row.get(5)?;
                let data = data.and_then(|data| unpack_bytes(&data).ok());
                let is_whole = data.is_some_and(|data| *blake3::hash(&data).as_bytes() == *blob);
                let sum = cache_checksum(&kind, &key, manifest.as_deref(), &blob);
                Ok((kind, is_whole && sum == row.get::<_, u32>(4)?))
            };
            statement.query_map([], row)?.collect()
        };
        match rows() {
            Ok(rows) => {
                self.rows.insert("caches", rows.len() as u64);
                for (kind, _) in rows.iter().filter(|(_, well)| !well) {
                    self.damage("caches", kind, &Fault::damaged("its checksum does not match"));
                }
            }
            Err(error) => self.failed("caches", error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Text;
    use crate::model::{Baseline, Timestamp};
    use crate::store::testing::{Place, manifest, place, world};
    use crate::store::{CacheEntry, Keep};

    fn filled() -> Place {
        let place = place();
        let (made, spool) = manifest(&world(), "web-01", 1);
        spool.add_text(ContentDigest::of(b"hello"), b"hello");
        let hidden = Text { text: "p=[redacted]".into(), is_redacted: true };
        spool.add_kept(ContentDigest::of(b"p=x"), &hidden);
        let cache = CacheEntry { kind: "t", key: b"k", data: b"d", keep: Keep::WithManifest };
        let id = place.store.commit(&made, &spool, &[cache], None).unwrap();
        let baseline = Baseline {
            name: "golden".into(),
            manifest: id,
            applies_to: vec!["web-*".into()],
            set_at: Timestamp::default(),
            note: None,
        };
        place.store.set_baseline(&baseline).unwrap();
        place
    }

    #[test]
    fn a_whole_store_is_whole() {
        let verified = filled().store.verify().unwrap();
        assert_eq!(verified.damages, []);
        assert_eq!((verified.rows["trees"], verified.rows["sets"]), (9, 6));
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        let check = |change: &str, place_of: &str| {
            let place = filled();
            let changed = place.store.lock().execute(change, []).unwrap();
            assert!(changed > 0, "{change}");
            let damages = place.store.verify().unwrap().damages;
            let places: Vec<&str> = damages.iter().map(|damage| damage.place.as_str()).collect();
            assert!(places.contains(&place_of), "{change}: {damages:?}");
        };
        let one = "rowid = (SELECT min(rowid) FROM";
        for table in ["trees", "chunks", "shipped", "texts"] {
            let flip = "data = CAST(substr(data, 1, 9) || x'ff' || substr(data, 11) AS BLOB)";
            check(&format!("UPDATE {table} SET {flip}"), table);
            check(
                &format!(
                    "UPDATE {table} SET id = zeroblob(32) WHERE id = (SELECT min(id) FROM {table})"
                ),
                table,
            );
        }
        check("DELETE FROM chunks", "trees");
        check("DELETE FROM shipped WHERE id = (SELECT max(id) FROM shipped)", "shipped");
        check("UPDATE alternate_digests SET md5 = zeroblob(16)", "alternate_digests");
        check("UPDATE packages SET version = '1.8'", "sets");
        check("UPDATE events SET forgeable = 0", "sets");
        check("UPDATE facts SET position = 7", "sets");
        check("DELETE FROM gaps", "sets");
        check("UPDATE omissions SET set_number = 99", "omissions");
        check("UPDATE hard_links SET paths = '[\"/a\"]'", "sets");
        check("DELETE FROM sets WHERE kind = 'events'", "manifests");
        check(
            &format!("UPDATE manifests SET entries = entries + 1 WHERE {one} manifests)"),
            "manifests",
        );
        check("UPDATE manifests SET name = 'web-02'", "manifests");
        check("UPDATE baselines SET name = 'other'", "baselines");
        check("UPDATE caches SET key = x'00'", "caches");
        check("UPDATE cache_blobs SET data = x'0001020304'", "caches");
    }
}
