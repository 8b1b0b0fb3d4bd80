//! Packages and facts.

use super::column::{Bytes, json, map, optional_path, optional_time, path};
use super::{Record, named_by_encoding};
use crate::model::{Fact, Package, PackageKey};
use rusqlite::{Row, Statement, params};

impl Record for Package {
    const TABLE: &'static str = "packages";
    const INSERT: &'static str =
        "INSERT INTO packages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const COLUMNS: &'static str = "manager, name, architecture, instance, version, state, \
        installed_at, installed_at_nanoseconds, origin, purl, evidence, details";

    fn insert(&self, to: &mut Statement<'_>, set: i64, position: i64) -> rusqlite::Result<usize> {
        to.execute(params![
            set,
            position,
            self.key.manager,
            self.key.name,
            self.key.architecture,
            self.key.instance,
            self.version,
            self.state,
            self.installed_at.map(|time| time.seconds),
            self.installed_at.map(|time| time.nanoseconds),
            self.origin,
            self.purl,
            Bytes(self.evidence.as_bytes()),
            json(&self.details)
        ])
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: PackageKey {
                manager: row.get(0)?,
                name: row.get(1)?,
                architecture: row.get(2)?,
                instance: row.get(3)?,
            },
            version: row.get(4)?,
            state: row.get(5)?,
            installed_at: optional_time(row, 6)?,
            origin: row.get(8)?,
            purl: row.get(9)?,
            evidence: path(row, 10)?,
            details: map(row, 11)?,
        })
    }

    named_by_encoding!();
}

impl Record for Fact {
    const TABLE: &'static str = "facts";
    const INSERT: &'static str = "INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?)";
    const COLUMNS: &'static str = "scope, key, attributes, evidence";

    fn insert(&self, to: &mut Statement<'_>, set: i64, position: i64) -> rusqlite::Result<usize> {
        let evidence = self.evidence.as_ref().map(|path| Bytes(path.as_bytes()));
        to.execute(params![set, position, self.scope, self.key, json(&self.attributes), evidence])
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            scope: row.get(0)?,
            key: row.get(1)?,
            attributes: map(row, 2)?,
            evidence: optional_path(row, 3)?,
        })
    }

    named_by_encoding!();
}
