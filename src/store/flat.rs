//! Chosen manifests as one flat SQLite file for free-hand SQL: a row an entry.
//!
//! The file is for looking at, not a store: nothing reads it back. It is written beside its place
//! and appears there whole.

use super::records::{certainty_word, json, subjects_json};
use super::walk::each_entry;
use super::{Store, StoreError, StoreErrorKind};
use crate::model::path::Escaped;
use crate::model::{
    Content, ContentDigest, DirectoryContent, Entry, Manifest, ManifestId, Timestamp, TreePath,
    TreeSource, Xattr,
};
use rusqlite::{Connection, Statement, params};
use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const SCHEMA: &str = "
CREATE TABLE manifests (manifest TEXT PRIMARY KEY, name TEXT, target TEXT, scanned_at TEXT,
    scanner TEXT, entries INTEGER, bytes INTEGER);
CREATE TABLE entries (manifest TEXT, path BLOB, path_text TEXT, kind TEXT, mode TEXT,
    uid INTEGER, gid INTEGER, size INTEGER, digest TEXT, target TEXT, device TEXT,
    mtime TEXT, ctime TEXT, links INTEGER, xattrs TEXT, children TEXT,
    PRIMARY KEY (manifest, path)) WITHOUT ROWID;
CREATE TABLE packages (manifest TEXT, manager TEXT, name TEXT, architecture TEXT, instance TEXT,
    version TEXT, state TEXT, installed_at TEXT, origin TEXT, purl TEXT, evidence TEXT,
    details TEXT);
CREATE TABLE facts (manifest TEXT, scope TEXT, key TEXT, attributes TEXT, evidence TEXT);
CREATE TABLE events (manifest TEXT, time TEXT, time_certainty TEXT, until TEXT, actor TEXT,
    detail TEXT, action TEXT, subjects TEXT, forgeable INTEGER, source TEXT, line INTEGER,
    text TEXT);
CREATE TABLE gaps (manifest TEXT, path TEXT, stage TEXT, reason TEXT);
CREATE TABLE omissions (manifest TEXT, path TEXT, reason TEXT);
CREATE TABLE hard_links (manifest TEXT, link_group INTEGER, path TEXT);
CREATE VIEW duplicates AS SELECT manifest, digest, size, count(*) AS copies FROM entries
    WHERE digest IS NOT NULL GROUP BY manifest, digest HAVING copies > 1;
";

impl Store {
    /// Writes these manifests to a new file at `path`; one that is there is not overwritten.
    pub fn export_flat(&self, manifests: &[ManifestId], path: &Path) -> Result<(), StoreError> {
        let place = |error: StoreError| error.within(path.display());
        if path.symlink_metadata().is_ok() {
            return Err(place(StoreError::new(StoreErrorKind::InUse, "there is a file already")));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{}.partial", std::process::id()));
        let partial = Path::new(&partial);
        let written = self.write_flat(manifests, partial).and_then(|()| {
            // A link instead of a rename: it fails where somebody else was faster.
            std::fs::hard_link(partial, path)
                .map_err(|error| StoreError::io("putting the file in its place", error))
        });
        // What is left over after a failure is of no use.
        let _ = std::fs::remove_file(partial);
        written.map_err(place)
    }

    fn write_flat(&self, manifests: &[ManifestId], path: &Path) -> Result<(), StoreError> {
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| StoreError::io("making the file", error))?;
        let mut connection = Connection::open(path)?;
        // It is made anew or not at all: no journal is needed.
        connection.execute_batch("PRAGMA journal_mode = off; PRAGMA synchronous = off")?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(SCHEMA)?;
        for id in manifests {
            let manifest = self.manifest(id)?;
            write_records(&transaction, &manifest)?;
            write_entries(&transaction, &manifest, self)?;
        }
        transaction.commit()?;
        connection.close().map_err(|(_, error)| StoreError::from(error))
    }
}

fn write_entries(
    to: &Connection,
    manifest: &Manifest,
    source: &dyn TreeSource,
) -> Result<(), StoreError> {
    let id = manifest.id().to_string();
    let mut insert =
        to.prepare("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    each_entry(&manifest.header, source, |path, entry| write_entry(&mut insert, &id, path, entry))
}

fn write_entry(
    insert: &mut Statement<'_>,
    manifest: &str,
    path: &TreePath,
    entry: &Entry,
) -> Result<(), StoreError> {
    let (mut size, mut digest, mut target, mut device, mut children) =
        (None, None, None, None, None);
    match &entry.content {
        Content::File { size: length, digest: of } => {
            size = Some(length.cast_signed());
            digest = of.as_ref().map(ContentDigest::to_string);
        }
        Content::Directory(state) => {
            children = Some(match state {
                DirectoryContent::Read { .. } => "read",
                DirectoryContent::Unread => "unread",
                DirectoryContent::LeftOut => "left-out",
            });
        }
        Content::Symlink { target: to } => target = Some(Escaped(to).to_string()),
        Content::CharacterDevice(number) | Content::BlockDevice(number) => {
            device = Some(number.to_string());
        }
        Content::Fifo | Content::Socket => {}
    }
    insert.execute(params![
        manifest,
        path.as_bytes(),
        path.to_string(),
        entry.content.kind().as_str(),
        format!("{:04o}", entry.mode),
        entry.uid,
        entry.gid,
        size,
        digest,
        target,
        device,
        entry.mtime.to_string(),
        entry.ctime.map(|time| time.to_string()),
        entry.links,
        entry.xattrs.as_deref().map(xattrs_json),
        children
    ])?;
    Ok(())
}

fn xattrs_json(xattrs: &[Xattr]) -> String {
    let map: BTreeMap<String, String> = xattrs
        .iter()
        .map(|xattr| (Escaped(&xattr.name).to_string(), Escaped(&xattr.value).to_string()))
        .collect();
    serde_json::to_string(&map).unwrap_or_default()
}

fn write_records(to: &Connection, manifest: &Manifest) -> Result<(), StoreError> {
    let (id, header) = (manifest.id().to_string(), &manifest.header);
    let word = |time: Timestamp| time.to_string();
    to.execute(
        "INSERT INTO manifests VALUES (?, ?, ?, ?, ?, ?, ?)",
        params![
            id,
            header.name,
            header.target,
            word(header.scanned_at),
            header.scanner,
            header.entries.cast_signed(),
            header.bytes.cast_signed()
        ],
    )?;
    let mut insert =
        to.prepare("INSERT INTO packages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    for one in &manifest.records.packages {
        insert.execute(params![
            id,
            one.key.manager,
            one.key.name,
            one.key.architecture,
            one.key.instance,
            one.version,
            one.state,
            one.installed_at.map(word),
            one.origin,
            one.purl,
            one.evidence.to_string(),
            json(&one.details)
        ])?;
    }
    let mut insert = to.prepare("INSERT INTO facts VALUES (?, ?, ?, ?, ?)")?;
    for one in &manifest.records.facts {
        let evidence = one.evidence.as_ref().map(TreePath::to_string);
        insert.execute(params![id, one.scope, one.key, json(&one.attributes), evidence])?;
    }
    write_events(to, manifest, &id)?;
    write_paths(to, manifest, &id)
}

fn write_events(to: &Connection, manifest: &Manifest, id: &str) -> Result<(), StoreError> {
    let word = |time: Timestamp| time.to_string();
    let mut insert =
        to.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    for one in &manifest.records.events {
        insert.execute(params![
            id,
            one.time.map(|time| word(time.at)),
            one.time.map(|time| certainty_word(time.certainty)),
            one.until.map(|time| word(time.at)),
            one.actor.as_str(),
            one.detail,
            one.action,
            subjects_json(&one.subjects),
            one.forgeable,
            one.source.to_string(),
            one.line.map(u64::cast_signed),
            one.text
        ])?;
    }
    Ok(())
}

fn write_paths(to: &Connection, manifest: &Manifest, id: &str) -> Result<(), StoreError> {
    let mut insert = to.prepare("INSERT INTO gaps VALUES (?, ?, ?, ?)")?;
    for one in &manifest.records.gaps {
        insert.execute(params![id, one.path.to_string(), one.stage.as_str(), one.reason])?;
    }
    let mut insert = to.prepare("INSERT INTO omissions VALUES (?, ?, ?)")?;
    for one in &manifest.records.omissions {
        insert.execute(params![id, one.path.to_string(), one.reason])?;
    }
    let mut insert = to.prepare("INSERT INTO hard_links VALUES (?, ?, ?)")?;
    for (group, paths) in (1_i64..).zip(&manifest.hard_links) {
        for path in paths {
            insert.execute(params![id, group, path.to_string()])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{manifest, place, world};

    #[test]
    fn entries_are_rows() {
        let place = place();
        let (made, spool) = manifest(&world(), "web-01", 1);
        let id = place.store.commit(&made, &spool, &[], None).unwrap();
        let path = place.store.path().with_file_name("flat.db");
        place.store.export_flat(&[id], &path).unwrap();
        let refused = place.store.export_flat(&[id], &path).unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::InUse);
        let flat = Connection::open(&path).unwrap();
        let check = |query: &str, expected: &str| {
            let query = format!("SELECT CAST(({query}) AS TEXT)");
            let found: String = flat.query_row(&query, [], |row| row.get(0)).unwrap();
            assert_eq!(found, expected, "{query}");
        };
        check("SELECT count(*) FROM entries", &made.header.entries.to_string());
        check("SELECT mode FROM entries WHERE path_text = '/etc/motd'", "0644");
        check("SELECT size FROM entries WHERE path = x'2f6574632f6d6f7464'", "5");
        check("SELECT target FROM entries WHERE kind = 'symlink'", "../proc/\\x1bmounts");
        check("SELECT version FROM packages WHERE name = 'jq'", "1.7");
        check("SELECT attributes ->> 'uid' FROM facts", "1000");
        check("SELECT count(*) FROM hard_links", "2");
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap())
                .unwrap()
                .filter(|entry| {
                    entry.as_ref().unwrap().path().to_string_lossy().contains("partial")
                })
                .count(),
            0
        );
    }
}
