//! Approved manifests by name, and which of them a target is compared with.

use super::manifests::exists;
use super::records::timestamp;
use super::{Store, StoreError, StoreErrorKind};
use crate::model::encoding::Writer;
use crate::model::{Baseline, ManifestId};
use globset::Glob;
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str =
    "name, manifest, applies_to, set_at, set_at_nanoseconds, note, checksum FROM baselines";

/// Tells a flipped bit in a row that nothing else names.
pub(super) fn checksum(baseline: &Baseline) -> u32 {
    let mut out = Writer::default();
    out.bytes(baseline.name.as_bytes());
    out.fixed(baseline.manifest.as_bytes());
    out.list(&baseline.applies_to, |out, glob| out.bytes(glob.as_bytes()));
    out.signed(baseline.set_at.seconds);
    out.number(baseline.set_at.nanoseconds.into());
    out.option(baseline.note.as_ref(), |out, note| out.bytes(note.as_bytes()));
    crc32c::crc32c(&out.0)
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Baseline, u32)> {
    let applies_to: String = row.get(2)?;
    let baseline = Baseline {
        name: row.get(0)?,
        manifest: ManifestId(row.get(1)?),
        applies_to: serde_json::from_str(&applies_to).unwrap_or_default(),
        set_at: timestamp(row, 3)?,
        note: row.get(5)?,
    };
    Ok((baseline, row.get(6)?))
}

/// All rows with their checksums, not looked at.
pub(super) fn read_all(connection: &Connection) -> Result<Vec<(Baseline, u32)>, StoreError> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} ORDER BY name"))?;
    Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
}

fn checked((baseline, sum): (Baseline, u32)) -> Result<Baseline, StoreError> {
    if sum == checksum(&baseline) {
        return Ok(baseline);
    }
    let detail = format!("baseline {:?}: its checksum does not match", baseline.name);
    Err(StoreError::new(StoreErrorKind::Damaged, detail))
}

impl Store {
    /// Sets a baseline, in place of the one of the same name. Its manifest must be there and its
    /// patterns must be globs.
    pub fn set_baseline(&self, baseline: &Baseline) -> Result<(), StoreError> {
        for pattern in &baseline.applies_to {
            Glob::new(pattern).map_err(|error| {
                StoreError::new(StoreErrorKind::Other, format!("pattern {pattern:?}: {error}"))
            })?;
        }
        let connection = self.lock();
        if !exists(&connection, &baseline.manifest)? {
            let detail = format!("there is no manifest {}", baseline.manifest.short());
            return Err(StoreError::new(StoreErrorKind::NotFound, detail));
        }
        connection.execute(
            "INSERT OR REPLACE INTO baselines VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                baseline.name,
                baseline.manifest.as_bytes(),
                serde_json::to_string(&baseline.applies_to).unwrap_or_default(),
                baseline.set_at.seconds,
                baseline.set_at.nanoseconds,
                baseline.note,
                checksum(baseline)
            ],
        )?;
        Ok(())
    }

    /// All baselines, by name.
    pub fn baselines(&self) -> Result<Vec<Baseline>, StoreError> {
        read_all(&self.lock())?.into_iter().map(checked).collect()
    }

    /// The baseline of that name.
    pub fn baseline(&self, name: &str) -> Result<Option<Baseline>, StoreError> {
        let connection = self.lock();
        let found = connection
            .prepare_cached(&format!("SELECT {COLUMNS} WHERE name = ?"))?
            .query_row([name], read)
            .optional()?;
        found.map(checked).transpose()
    }

    /// Takes the name away; the manifest stays. Whether there was one.
    pub fn remove_baseline(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.lock().execute("DELETE FROM baselines WHERE name = ?", [name])? > 0)
    }

    /// The baseline of a target: the one that has its name, else the one whose patterns fit it.
    /// Several that fit are a refusal.
    pub fn baseline_for(&self, target_name: &str) -> Result<Option<Baseline>, StoreError> {
        if let Some(own) = self.baseline(target_name)? {
            return Ok(Some(own));
        }
        let fits = |pattern: &String| {
            Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(target_name))
        };
        let mut fitting = self.baselines()?;
        fitting.retain(|baseline| baseline.applies_to.iter().any(fits));
        if fitting.len() > 1 {
            let names: Vec<&str> = fitting.iter().map(|one| one.name.as_str()).collect();
            let detail = format!("{target_name:?} has several baselines: {}", names.join(", "));
            return Err(StoreError::new(StoreErrorKind::Ambiguous, detail));
        }
        Ok(fitting.pop())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::model::testing::World;
    use crate::store::testing::{manifest, place};

    #[test]
    fn own_name_goes_before_patterns_and_two_patterns_are_a_question() {
        let place = place();
        let store = &place.store;
        let (made, spool) = manifest(&World::new(), "golden", 1);
        let manifest = store.commit(&made, &spool, &[], None).unwrap();
        let set = |name: &str, patterns: &[&str]| {
            store.set_baseline(&Baseline {
                name: name.into(),
                manifest,
                applies_to: patterns.iter().map(ToString::to_string).collect(),
                set_at: Timestamp::from_seconds(-5),
                note: Some("why".into()),
            })
        };
        set("golden", &["web-*", "api"]).unwrap();
        set("other", &["*-01"]).unwrap();
        set("db", &[]).unwrap();
        assert_eq!(set("bad", &["[z"]).unwrap_err().kind, StoreErrorKind::Other);
        let check = |target: &str, expected: Result<Option<&str>, StoreErrorKind>| {
            let found = store.baseline_for(target).map(|found| found.map(|one| one.name));
            let expected = expected.map(|name| name.map(str::to_owned));
            assert_eq!(found.map_err(|error| error.kind), expected, "{target}");
        };
        check("db", Ok(Some("db")));
        check("web-02", Ok(Some("golden")));
        check("api", Ok(Some("golden")));
        check("web-01", Err(StoreErrorKind::Ambiguous));
        check("nothing", Ok(None));
        assert_eq!(store.baselines().unwrap().len(), 3);
        assert!(store.remove_baseline("other").unwrap());
        assert!(!store.remove_baseline("other").unwrap());
        check("web-01", Ok(Some("golden")));
    }
}
