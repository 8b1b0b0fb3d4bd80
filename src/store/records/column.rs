//! Columns of more than one SQLite type: bytes that are mostly text, times, maps.

use crate::model::{Fault, Timestamp, TreePath};
use rusqlite::types::{FromSqlError, ToSqlOutput, Type, ValueRef};
use rusqlite::{Row, ToSql};
use std::collections::BTreeMap;

/// Bytes from a target: text where they are UTF-8, so that people can read them, else a blob.
pub(in crate::store) struct Bytes<'a>(pub(in crate::store) &'a [u8]);

impl ToSql for Bytes<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match std::str::from_utf8(self.0) {
            Ok(_) => ValueRef::Text(self.0),
            Err(_) => ValueRef::Blob(self.0),
        }))
    }
}

/// What cannot be right in a column.
pub(super) fn wrong(column: usize, detail: impl std::fmt::Display) -> rusqlite::Error {
    let fault = Fault::damaged(detail);
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(fault))
}

/// A path that [`Bytes`] wrote.
pub(in crate::store) fn path(row: &Row<'_>, column: usize) -> rusqlite::Result<TreePath> {
    optional_path(row, column)?.ok_or_else(|| wrong(column, "no path"))
}

/// Likewise, or NULL.
pub(super) fn optional_path(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<TreePath>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Ok(Some(TreePath::parse(bytes))),
        other => {
            let error = Box::new(FromSqlError::InvalidType);
            Err(rusqlite::Error::FromSqlConversionFailure(column, other.data_type(), error))
        }
    }
}

/// Two columns: seconds, nanoseconds.
pub(in crate::store) fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp { seconds: row.get(column)?, nanoseconds: row.get(column + 1)? })
}

/// Likewise, both NULL where there is none.
pub(super) fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => timestamp(row, column).map(Some),
    }
}

/// Attributes as a JSON object.
pub(in crate::store) fn json(map: &BTreeMap<String, String>) -> String {
    // Text to text always serialises.
    serde_json::to_string(map).unwrap_or_default()
}

/// The way back.
pub(super) fn map(row: &Row<'_>, column: usize) -> rusqlite::Result<BTreeMap<String, String>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| wrong(column, error))
}
