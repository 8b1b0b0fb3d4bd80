//! Headers as rows, and how people name manifests.

use super::records::{self, timestamp};
use super::{Store, StoreError, StoreErrorKind};
use crate::model::encoding::{decode_tree, encode_tree};
use crate::model::{
    Entry, Header, Manifest, ManifestId, Name, Records, Sections, SetId, ShippedId, Timestamp, Tree,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Under which name the top directory's entry is encoded, which has none.
const ROOT: &[u8] = b"root";

/// Fewer digits of an id than this are taken for a name.
const PREFIX_MIN: usize = 4;

/// So many candidates are named in a refusal.
const SHOWN: usize = 10;

/// One line of a list of manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The manifest.
    pub id: ManifestId,
    /// The target's name.
    pub name: String,
    /// What was scanned.
    pub target: String,
    /// When.
    pub scanned_at: Timestamp,
    /// Entries in its tree.
    pub entries: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// Packages.
    pub packages: u64,
    /// What could not be read.
    pub gaps: u64,
    /// The baselines that name it.
    pub baselines: Vec<String>,
}

impl Store {
    /// Sees one state of the store from here on, whatever others commit, until it is closed; each
    /// look-up is cheaper by the locks that it need not take. For handles that only read.
    pub fn hold(&self) -> Result<(), StoreError> {
        Ok(self.lock().execute_batch("BEGIN")?)
    }

    /// The header of a manifest.
    pub fn header(&self, id: &ManifestId) -> Result<Header, StoreError> {
        read_header(&self.lock(), id)
    }

    /// A manifest with all its records.
    pub fn manifest(&self, id: &ManifestId) -> Result<Manifest, StoreError> {
        let connection = self.lock();
        let header = read_header(&connection, id)?;
        let sections = header.sections;
        let records = Records {
            packages: records::read(&connection, &sections.packages)?,
            facts: records::read(&connection, &sections.facts)?,
            events: records::read(&connection, &sections.events)?,
            gaps: records::read(&connection, &sections.gaps)?,
            omissions: records::read(&connection, &sections.omissions)?,
            claims: Vec::new(),
        };
        let hard_links = records::read(&connection, &sections.hard_links)?;
        Ok(Manifest { header, records, hard_links })
    }

    /// The newest manifest of that target name.
    pub fn latest(&self, name: &str) -> Result<Option<ManifestId>, StoreError> {
        nth(&self.lock(), name, 0)
    }

    /// All manifests, by name, the newest of each first.
    pub fn list(&self) -> Result<Vec<Summary>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT m.id, m.name, m.target, m.scanned_at, m.scanned_at_nanoseconds, m.entries,
                m.bytes, p.rows, g.rows,
                (SELECT json_group_array(b.name) FROM baselines b WHERE b.manifest = m.id)
             FROM manifests m
             LEFT JOIN sets p ON p.kind = 'packages' AND p.id = m.packages
             LEFT JOIN sets g ON g.kind = 'gaps' AND g.id = m.gaps
             ORDER BY m.name, m.scanned_at DESC, m.scanned_at_nanoseconds DESC, m.number DESC",
        )?;
        let count = |row: &Row<'_>, column: usize| {
            let count: Option<i64> = row.get(column)?;
            Ok::<_, rusqlite::Error>(count.unwrap_or_default().cast_unsigned())
        };
        let rows = statement.query_map([], |row| {
            let baselines: String = row.get(9)?;
            Ok(Summary {
                id: ManifestId(row.get(0)?),
                name: row.get(1)?,
                target: row.get(2)?,
                scanned_at: timestamp(row, 3)?,
                entries: count(row, 5)?,
                bytes: count(row, 6)?,
                packages: count(row, 7)?,
                gaps: count(row, 8)?,
                baselines: serde_json::from_str(&baselines).unwrap_or_default(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The manifest that a person means: `web-01` (its newest), `web-01@2` (the second newest),
    /// `baseline:golden`, or the first digits of an id.
    pub fn resolve(&self, text: &str) -> Result<ManifestId, StoreError> {
        if let Some(name) = text.strip_prefix("baseline:") {
            return match self.baseline(name)? {
                Some(baseline) => Ok(baseline.manifest),
                None => {
                    let detail = format!("there is no baseline {name:?}");
                    Err(StoreError::new(StoreErrorKind::NotFound, detail))
                }
            };
        }
        let connection = self.lock();
        if let Some(id) = nth(&connection, text, 0)? {
            return Ok(id);
        }
        if let Some((name, count)) = text.rsplit_once('@')
            && let Ok(count) = count.parse::<u32>()
            && let Some(skip) = count.checked_sub(1)
            && nth(&connection, name, 0)?.is_some()
        {
            return nth(&connection, name, skip)?.ok_or_else(|| {
                let detail = format!("{name:?} has fewer than {count} manifests");
                StoreError::new(StoreErrorKind::NotFound, detail)
            });
        }
        by_prefix(&connection, text)?.map_or_else(|| Err(unknown(&connection, text)), Ok)
    }
}

fn nth(connection: &Connection, name: &str, skip: u32) -> Result<Option<ManifestId>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT id FROM manifests WHERE name = ?
             ORDER BY scanned_at DESC, scanned_at_nanoseconds DESC, number DESC LIMIT 1 OFFSET ?",
        )?
        .query_row(params![name, skip], |row| row.get(0).map(ManifestId))
        .optional()?)
}

fn by_prefix(connection: &Connection, text: &str) -> Result<Option<ManifestId>, StoreError> {
    let digits = text.to_ascii_lowercase();
    let is_prefix = (PREFIX_MIN..=64).contains(&digits.len())
        && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_prefix {
        return Ok(None);
    }
    let mut statement = connection
        .prepare("SELECT id, name FROM manifests WHERE lower(hex(id)) GLOB ? || '*' ORDER BY id")?;
    let found: Vec<(ManifestId, String)> = statement
        .query_map([&digits], |row| Ok((ManifestId(row.get(0)?), row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    match found.as_slice() {
        [] => Ok(None),
        [(id, _)] => Ok(Some(*id)),
        several => {
            let list: Vec<String> = several
                .iter()
                .take(SHOWN)
                .map(|(id, name)| format!("{} ({name})", id.short()))
                .collect();
            let detail = format!("{text} fits {} manifests: {}", several.len(), list.join(", "));
            Err(StoreError::new(StoreErrorKind::Ambiguous, detail))
        }
    }
}

/// The refusal of a name that nothing has, with those that there are.
fn unknown(connection: &Connection, text: &str) -> StoreError {
    let names = || -> rusqlite::Result<Vec<String>> {
        let mut statement =
            connection.prepare("SELECT DISTINCT name FROM manifests ORDER BY name LIMIT 11")?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    let names = names().unwrap_or_default();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let detail = if shown.is_empty() {
        format!("there is no manifest {text:?}: the store has none yet")
    } else {
        format!("there is no manifest {text:?}; there are {}{more}", shown.join(", "))
    };
    StoreError::new(StoreErrorKind::NotFound, detail)
}

/// Adds the row of a manifest, unless it is there.
pub(super) fn write_header(connection: &Connection, header: &Header) -> Result<(), StoreError> {
    let root = Entry { name: Name::new(ROOT), ..header.root.clone() };
    let sections = &header.sections;
    connection.execute(
        "INSERT OR IGNORE INTO manifests (id, name, target, scanned_at, scanned_at_nanoseconds,
            scanner, root, entries, bytes, shipped, packages, facts, events, gaps, omissions,
            hard_links, not_carried)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            header.id().as_bytes(),
            header.name,
            header.target,
            header.scanned_at.seconds,
            header.scanned_at.nanoseconds,
            header.scanner,
            encode_tree(&Tree { entries: vec![root] }).bytes,
            header.entries.cast_signed(),
            header.bytes.cast_signed(),
            header.shipped.as_ref().map(ShippedId::as_bytes),
            sections.packages.as_bytes(),
            sections.facts.as_bytes(),
            sections.events.as_bytes(),
            sections.gaps.as_bytes(),
            sections.omissions.as_bytes(),
            sections.hard_links.as_bytes(),
            serde_json::to_string(&header.not_carried).unwrap_or_default()
        ],
    )?;
    Ok(())
}

/// Whether a manifest is there.
pub(super) fn exists(connection: &Connection, id: &ManifestId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM manifests WHERE id = ?")?
        .exists([id.as_bytes()])?)
}

/// Reads the row of a manifest.
pub(super) fn read_header(connection: &Connection, id: &ManifestId) -> Result<Header, StoreError> {
    let damaged = |what: &str| {
        let detail = format!("manifest {}: {what}", id.short());
        StoreError::new(StoreErrorKind::Damaged, detail)
    };
    let found = connection
        .prepare_cached(
            "SELECT name, target, scanned_at, scanned_at_nanoseconds, scanner, root, entries,
                bytes, shipped, packages, facts, events, gaps, omissions, hard_links, not_carried
             FROM manifests WHERE id = ?",
        )?
        .query_row([id.as_bytes()], |row| {
            let set = |column: usize| row.get(column).map(SetId);
            let root: Vec<u8> = row.get(5)?;
            let not_carried: String = row.get(15)?;
            let header = |root| -> rusqlite::Result<Header> {
                Ok(Header {
                    name: row.get(0)?,
                    target: row.get(1)?,
                    scanned_at: timestamp(row, 2)?,
                    scanner: row.get(4)?,
                    root,
                    entries: row.get::<_, i64>(6)?.cast_unsigned(),
                    bytes: row.get::<_, i64>(7)?.cast_unsigned(),
                    shipped: row.get::<_, Option<[u8; 32]>>(8)?.map(ShippedId),
                    sections: Sections {
                        packages: set(9)?,
                        facts: set(10)?,
                        events: set(11)?,
                        gaps: set(12)?,
                        omissions: set(13)?,
                        hard_links: set(14)?,
                    },
                    not_carried: Vec::new(),
                })
            };
            let root = decode_tree(&root).ok().and_then(|mut tree| tree.entries.pop());
            let header = root.map(|root| header(Entry { name: None, ..root })).transpose()?;
            Ok((header, not_carried))
        })
        .optional()?;
    let Some((header, not_carried)) = found else {
        let detail = format!("there is no manifest {}", id.short());
        return Err(StoreError::new(StoreErrorKind::NotFound, detail));
    };
    let header = header.ok_or_else(|| damaged("its root cannot be read"))?;
    let not_carried = serde_json::from_str(&not_carried);
    Ok(Header { not_carried: not_carried.map_err(|_| damaged("not_carried"))?, ..header })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Baseline;
    use crate::model::testing::World;
    use crate::store::testing::{manifest, place};

    #[test]
    fn people_name_manifests() {
        let place = place();
        let store = &place.store;
        let commit = |name: &str, seconds| {
            let (made, spool) = manifest(&World::new(), name, seconds);
            store.commit(&made, &spool, &[], None).unwrap()
        };
        assert_eq!(store.resolve("x").unwrap_err().kind, StoreErrorKind::NotFound);
        let (first, second) = (commit("web-01", 1), commit("web-01", 2));
        let other = commit("db@2", 1);
        store
            .set_baseline(&Baseline {
                name: "golden".into(),
                manifest: first,
                applies_to: vec![],
                set_at: Timestamp::default(),
                note: None,
            })
            .unwrap();
        let check = |text: &str, expected| {
            assert_eq!(store.resolve(text).map_err(|error| error.kind), expected, "{text}");
        };
        check("web-01", Ok(second));
        check("web-01@1", Ok(second));
        check("web-01@2", Ok(first));
        check("web-01@3", Err(StoreErrorKind::NotFound));
        check("web-01@0", Err(StoreErrorKind::NotFound));
        check("db@2", Ok(other));
        check("baseline:golden", Ok(first));
        check("baseline:web-01", Err(StoreErrorKind::NotFound));
        check(&first.to_string(), Ok(first));
        check(&first.short().to_uppercase(), Ok(first));
        check(&first.to_string()[..3], Err(StoreErrorKind::NotFound));
        let list = store.list().unwrap();
        assert_eq!(list.iter().map(|one| one.id).collect::<Vec<_>>(), [other, second, first]);
        assert_eq!(list[2].baselines, ["golden"]);
        assert_eq!(store.latest("web-01").unwrap(), Some(second));
    }

    #[test]
    fn an_ambiguous_prefix_lists_its_candidates() {
        let place = place();
        let copy = |first: u8| {
            let mut id = [0xab; 32];
            id[31] = first;
            place
                .store
                .lock()
                .execute(
                    "INSERT INTO manifests (id, name, target, scanned_at, scanned_at_nanoseconds,
                        scanner, root, entries, bytes, packages, facts, events, gaps, omissions,
                        hard_links, not_carried)
                     VALUES (?, 'twin', '', 0, 0, '', x'', 0, 0, x'', x'', x'', x'', x'', x'', '')",
                    [id],
                )
                .unwrap();
        };
        copy(1);
        copy(2);
        let refused = place.store.resolve("abab").unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Ambiguous);
        assert_eq!(
            refused.to_string(),
            "abab fits 2 manifests: abababababab (twin), abababababab (twin)"
        );
    }
}
