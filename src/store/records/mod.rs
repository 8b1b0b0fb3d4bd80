//! Sets of records as rows: one table a kind, each set stored once under its id.

mod column;
mod events;
mod packages;
mod paths;

pub(super) use column::{json, timestamp};
pub(super) use events::{certainty_word, parse_certainty, subjects_json};

use super::{Store, StoreError, StoreErrorKind};
use crate::model::encoding::set_id;
use crate::model::{Event, Fact, Gap, HardLinks, Omission, Package, SetId};
use rusqlite::{Connection, OptionalExtension, Row, Statement, params};

/// The tables of all kinds of records.
pub(super) const TABLES: [&str; 6] =
    ["packages", "facts", "events", "gaps", "omissions", "hard_links"];

/// A kind of record that has a table.
pub(super) trait Record: Sized {
    /// The table's name, which is the kind in `sets`.
    const TABLE: &'static str;
    /// Adds a row; the first two parameters are the set's number and the position.
    const INSERT: &'static str;
    /// The columns in the order that [`Record::read`] expects.
    const COLUMNS: &'static str;

    /// Binds and runs [`Record::INSERT`].
    fn insert(&self, to: &mut Statement<'_>, set: i64, position: i64) -> rusqlite::Result<usize>;

    /// Reads a row.
    fn read(row: &Row<'_>) -> rusqlite::Result<Self>;

    /// The id of a set, by the canonical encoding.
    fn id(records: &[Self]) -> SetId;
}

/// Stores a set under its id, unless it is there.
pub(super) fn write<R: Record>(
    connection: &Connection,
    id: &SetId,
    records: &[R],
) -> Result<(), StoreError> {
    if number::<R>(connection, id)?.is_some() {
        return Ok(());
    }
    if R::id(records) != *id {
        let detail = format!("the {} are not those that the manifest names", R::TABLE);
        return Err(StoreError::new(StoreErrorKind::Other, detail));
    }
    let count = i64::try_from(records.len()).unwrap_or(i64::MAX);
    connection
        .prepare_cached("INSERT INTO sets (kind, id, rows) VALUES (?, ?, ?)")?
        .execute(params![R::TABLE, id.as_bytes(), count])?;
    let set = connection.last_insert_rowid();
    let mut statement = connection.prepare(R::INSERT)?;
    for (position, record) in (0_i64..).zip(records) {
        record.insert(&mut statement, set, position)?;
    }
    Ok(())
}

fn number<R: Record>(connection: &Connection, id: &SetId) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT number FROM sets WHERE kind = ? AND id = ?")?
        .query_row(params![R::TABLE, id.as_bytes()], |row| row.get(0))
        .optional()?)
}

/// All records of a set, in its order.
pub(super) fn read<R: Record>(connection: &Connection, id: &SetId) -> Result<Vec<R>, StoreError> {
    let Some(set) = number::<R>(connection, id)? else {
        let detail = format!("the set of {} {} is missing", R::TABLE, id.short());
        return Err(StoreError::new(StoreErrorKind::Damaged, detail));
    };
    let place = |error: rusqlite::Error| {
        StoreError::from(error).within(format_args!("{} {}", R::TABLE, id.short()))
    };
    let (columns, table) = (R::COLUMNS, R::TABLE);
    let query = format!("SELECT {columns} FROM {table} WHERE set_number = ? ORDER BY position");
    let mut statement = connection.prepare_cached(&query)?;
    let rows = statement.query_map([set], R::read)?;
    rows.collect::<Result<_, _>>().map_err(place)
}

impl Store {
    /// The packages of a set.
    pub fn packages(&self, id: &SetId) -> Result<Vec<Package>, StoreError> {
        read(&self.lock(), id)
    }

    /// The facts of a set.
    pub fn facts(&self, id: &SetId) -> Result<Vec<Fact>, StoreError> {
        read(&self.lock(), id)
    }

    /// The events of a set.
    pub fn events(&self, id: &SetId) -> Result<Vec<Event>, StoreError> {
        read(&self.lock(), id)
    }

    /// The gaps of a set.
    pub fn gaps(&self, id: &SetId) -> Result<Vec<Gap>, StoreError> {
        read(&self.lock(), id)
    }

    /// The omissions of a set.
    pub fn omissions(&self, id: &SetId) -> Result<Vec<Omission>, StoreError> {
        read(&self.lock(), id)
    }

    /// The groups of hard links of a set.
    pub fn hard_links(&self, id: &SetId) -> Result<Vec<HardLinks>, StoreError> {
        read(&self.lock(), id)
    }
}

/// Every kind names its sets by the canonical encoding.
macro_rules! named_by_encoding {
    () => {
        fn id(records: &[Self]) -> $crate::model::SetId {
            $crate::store::records::encoded_id(records)
        }
    };
}
use named_by_encoding;

fn encoded_id<R: crate::model::encoding::Canonical>(records: &[R]) -> SetId {
    set_id(records)
}
