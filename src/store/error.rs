//! Why the store said no: each kind has another remedy.

use crate::model::Fault;
use rusqlite::ErrorCode;
use std::error::Error;
use std::fmt;
use std::io;

/// What kind of no it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// No store at that place, or nothing in it by that name.
    NotFound,
    /// The word fits several manifests or baselines.
    Ambiguous,
    /// A newer driftcheck made it.
    Newer,
    /// It contradicts its own format.
    Damaged,
    /// A file, but not a store of ours.
    NotOurs,
    /// It may be read only.
    ReadOnly,
    /// The disk, or the quota, is full.
    Full,
    /// Another process held it for longer than we wait.
    Busy,
    /// The manifest that a scan relied on is gone: scan again, in full.
    Outdated,
    /// Something still needs it.
    InUse,
    /// Anything else.
    Other,
}

/// A refusal of the store. `Display` does not print the source; whoever shows a chain walks it.
#[derive(Debug)]
pub struct StoreError {
    /// Which remedy applies.
    pub kind: StoreErrorKind,
    /// What was tried, and what was found.
    pub detail: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// A refusal without a deeper reason.
    #[must_use]
    pub fn new(kind: StoreErrorKind, detail: impl fmt::Display) -> Self {
        Self { kind, detail: detail.to_string(), source: None }
    }

    /// The system refused.
    #[must_use]
    pub fn io(what: impl fmt::Display, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => StoreErrorKind::NotFound,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                StoreErrorKind::ReadOnly
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
            _ => StoreErrorKind::Other,
        };
        Self { kind, detail: what.to_string(), source: Some(Box::new(source)) }
    }

    /// The refusal as readers of trees know it.
    #[must_use]
    pub fn into_fault(self) -> Fault {
        let detail = match self.source() {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        };
        match self.kind {
            StoreErrorKind::Damaged | StoreErrorKind::NotFound => Fault::damaged(detail),
            _ => Fault::unreadable("the store", io::Error::other(detail)),
        }
    }

    /// The same refusal with its place put before it.
    #[must_use]
    pub fn within(mut self, place: impl fmt::Display) -> Self {
        self.detail = format!("{place}: {}", self.detail);
        self
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as Sql;
        let (kind, detail) = match &error {
            Sql::SqliteFailure(failure, _) => of_code(failure.code),
            Sql::FromSqlConversionFailure(..)
            | Sql::IntegralValueOutOfRange(..)
            | Sql::InvalidColumnType(..)
            | Sql::Utf8Error(..) => (StoreErrorKind::Damaged, "a row that cannot be right"),
            Sql::QueryReturnedNoRows => (StoreErrorKind::Damaged, "a row is missing"),
            _ => (StoreErrorKind::Other, "SQLite failed"),
        };
        Self { kind, detail: detail.into(), source: Some(Box::new(error)) }
    }
}

/// What a result code of SQLite means to a person.
fn of_code(code: ErrorCode) -> (StoreErrorKind, &'static str) {
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            (StoreErrorKind::Busy, "another process is using the store")
        }
        ErrorCode::DatabaseCorrupt => (StoreErrorKind::Damaged, "the store is damaged"),
        ErrorCode::NotADatabase => (StoreErrorKind::NotOurs, "not a SQLite file"),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            (StoreErrorKind::ReadOnly, "the store can only be read")
        }
        ErrorCode::DiskFull => (StoreErrorKind::Full, "no space left for the store"),
        ErrorCode::CannotOpen => (StoreErrorKind::Other, "the store cannot be opened"),
        ErrorCode::SystemIoFailure => (StoreErrorKind::Other, "the disk of the store failed"),
        _ => (StoreErrorKind::Other, "SQLite failed"),
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let detail = fault.chain();
        Self { kind: StoreErrorKind::Damaged, detail, source: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_sqlite_become_kinds() {
        let check = |code, expected| {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            assert_eq!(StoreError::from(error).kind, expected);
        };
        check(rusqlite::ffi::SQLITE_FULL, StoreErrorKind::Full);
        check(rusqlite::ffi::SQLITE_BUSY, StoreErrorKind::Busy);
        check(rusqlite::ffi::SQLITE_CORRUPT, StoreErrorKind::Damaged);
        check(rusqlite::ffi::SQLITE_NOTADB, StoreErrorKind::NotOurs);
        check(rusqlite::ffi::SQLITE_READONLY, StoreErrorKind::ReadOnly);
    }
}
