//! Gaps, omissions, groups of hard links.

use super::column::{Bytes, path, wrong};
use super::{Record, named_by_encoding};
use crate::model::{Gap, HardLinks, Omission, Stage, TreePath};
use crate::store::escape::unescape;
use rusqlite::{Row, Statement, params};

impl Record for Gap {
    const TABLE: &'static str = "gaps";
    const INSERT: &'static str = "INSERT INTO gaps VALUES (?, ?, ?, ?, ?)";
    const COLUMNS: &'static str = "path, stage, reason";

    fn insert(&self, to: &mut Statement<'_>, set: i64, position: i64) -> rusqlite::Result<usize> {
        let path = Bytes(self.path.as_bytes());
        to.execute(params![set, position, path, self.stage.as_str(), self.reason])
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let stage: String = row.get(1)?;
        let stage = Stage::parse(&stage).ok_or_else(|| wrong(1, format!("stage {stage}")))?;
        Ok(Self { path: path(row, 0)?, stage, reason: row.get(2)? })
    }

    named_by_encoding!();
}

impl Record for Omission {
    const TABLE: &'static str = "omissions";
    const INSERT: &'static str = "INSERT INTO omissions VALUES (?, ?, ?, ?)";
    const COLUMNS: &'static str = "path, reason";

    fn insert(&self, to: &mut Statement<'_>, set: i64, position: i64) -> rusqlite::Result<usize> {
        to.execute(params![set, position, Bytes(self.path.as_bytes()), self.reason])
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { path: path(row, 0)?, reason: row.get(1)? })
    }

    named_by_encoding!();
}

/// One row a group: a JSON list of escaped paths.
impl Record for HardLinks {
    const TABLE: &'static str = "hard_links";
    const INSERT: &'static str = "INSERT INTO hard_links VALUES (?, ?, ?)";
    const COLUMNS: &'static str = "paths";

    fn insert(&self, to: &mut Statement<'_>, set: i64, position: i64) -> rusqlite::Result<usize> {
        let paths: Vec<String> = self.iter().map(ToString::to_string).collect();
        let paths = serde_json::to_string(&paths).unwrap_or_default();
        to.execute(params![set, position, paths])
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let paths: String = row.get(0)?;
        let paths: Vec<String> = serde_json::from_str(&paths).map_err(|error| wrong(0, error))?;
        let path = |text: &String| {
            let bytes = unescape(text).map_err(|at| wrong(0, format!("path at offset {at}")))?;
            Ok(TreePath::parse(bytes))
        };
        paths.iter().map(path).collect()
    }

    named_by_encoding!();
}
