//! Opening: what is this file, may it be used, which schema does it have.
//!
//! The first 100 bytes are looked at before SQLite is (<https://www.sqlite.org/fileformat2.html>,
//! 1.3): a file that is not ours is not so much as locked.

use super::trees::Recent;
use super::{Store, StoreError, StoreErrorKind};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// `PRAGMA application_id`: "drft".
const APPLICATION_ID: u32 = 0x6472_6674;

/// Applied in order, each once; the number of those applied is `PRAGMA user_version`. Only ever
/// appended to.
const MIGRATIONS: &[&str] = &[include_str!("migrations/1.sql")];

/// How long another process may hold the store: two first scans of large hosts at once.
const PATIENCE: Duration = Duration::from_secs(120);

/// Larger pages than SQLite's own 4 KB: most directories then fit a page. Measured on a compare of
/// 100 changed paths: 16 KiB saves a tenth of the time of 8 KiB, and 32 KiB nothing more.
const PAGE_SIZE: u32 = 16 * 1024;

/// Where the header has what we ask of it.
const HEADER: usize = 100;

/// What the store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To look: nothing is made or migrated, read-only media will do.
    Read,
    /// To add: made where there is none, migrated where it is older.
    Write,
}

impl Store {
    /// Opens the store in this file.
    pub fn open(path: &Path, access: Access) -> Result<Self, StoreError> {
        let opened = match access {
            Access::Read => open_to_read(path),
            Access::Write => open_to_write(path),
        };
        let connection = opened.map_err(|error| error.within(path.display()))?;
        Ok(Self {
            connection: Mutex::new(connection),
            path: path.to_owned(),
            recent: Recent::default(),
        })
    }
}

fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    if peek(path)? == Found::Nothing {
        return Err(StoreError::new(StoreErrorKind::NotFound, "the store is empty"));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).map_err(StoreError::from);
    let connection = match opened.and_then(|connection| check_schema(connection, Access::Read)) {
        Err(error) if is_read_only_medium(path, &error) => {
            let connection = Connection::open_with_flags(
                immutable_uri(path),
                flags | OpenFlags::SQLITE_OPEN_URI,
            )?;
            check_schema(connection, Access::Read)?
        }
        other => other?,
    };
    Ok(connection)
}

fn open_to_write(path: &Path) -> Result<Connection, StoreError> {
    create(path)?;
    peek(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    if connection.is_readonly("main")? {
        return Err(StoreError::new(StoreErrorKind::ReadOnly, "the store can only be read"));
    }
    let connection = check_schema(connection, Access::Write)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

/// Makes the file and the folders above it where there is none, for the owner's eyes only.
fn create(path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(|error| StoreError::io("making its folder", error))?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(StoreError::io("making the store", error))
        }
        _ => Ok(()),
    }
}

/// What lies in a file, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Store,
}

fn peek(path: &Path) -> Result<Found, StoreError> {
    let file = File::open(path).map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::NotFound => "there is no store",
            _ => "opening the store",
        };
        let missing = error.kind() == io::ErrorKind::NotFound;
        let mut refusal = StoreError::io(what, error);
        if !missing {
            refusal.kind = StoreErrorKind::Other;
        }
        refusal
    })?;
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    if !is_file {
        return Err(StoreError::new(StoreErrorKind::NotOurs, "not a file"));
    }
    let mut header = Vec::new();
    file.take(HEADER as u64)
        .read_to_end(&mut header)
        .map_err(|error| StoreError::io("reading the store", error))?;
    judge_header(&header)
}

/// Pure: what the first 100 bytes of a file say.
fn judge_header(header: &[u8]) -> Result<Found, StoreError> {
    if header.is_empty() {
        return Ok(Found::Nothing);
    }
    let number = |at: usize| {
        let bytes = header.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes))
    };
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(StoreError::new(StoreErrorKind::NotOurs, "not a SQLite file"));
    }
    match number(68) {
        Some(APPLICATION_ID) => {}
        Some(other) => {
            let detail = format!("a SQLite file of another program (application id {other:#x})");
            return Err(StoreError::new(StoreErrorKind::NotOurs, detail));
        }
        None => return Err(StoreError::new(StoreErrorKind::Damaged, "cut off in its header")),
    }
    refuse_newer(number(60).unwrap_or_default())?;
    Ok(Found::Store)
}

fn refuse_newer(version: u32) -> Result<(), StoreError> {
    if usize::try_from(version).is_ok_and(|version| version <= MIGRATIONS.len()) {
        return Ok(());
    }
    let known = MIGRATIONS.len();
    let detail = format!("made by a newer driftcheck: schema {version}, this one knows {known}");
    Err(StoreError::new(StoreErrorKind::Newer, detail))
}

fn version(connection: &Connection) -> Result<u32, StoreError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

fn check_schema(mut connection: Connection, access: Access) -> Result<Connection, StoreError> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    let found = version(&connection)?;
    refuse_newer(found)?;
    let is_current = usize::try_from(found).is_ok_and(|found| found == MIGRATIONS.len());
    match access {
        Access::Read if is_current => {}
        Access::Read => {
            let detail = format!("an older schema ({found}): the next scan brings it up to date");
            return Err(StoreError::new(StoreErrorKind::ReadOnly, detail));
        }
        Access::Write if is_current => use_wal(&connection)?,
        Access::Write => {
            migrate(&mut connection)?;
            use_wal(&connection)?;
        }
    }
    Ok(connection)
}

/// Brings the schema up to date in one exclusive transaction; two processes at once both win.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    connection.pragma_update(None, "page_size", PAGE_SIZE)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    // The other process may have been faster.
    let applied = version(&transaction)?;
    refuse_newer(applied)?;
    if applied == 0 {
        let objects: u32 =
            transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if objects > 0 {
            return Err(StoreError::new(StoreErrorKind::NotOurs, "tables of another program"));
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    let skip = usize::try_from(applied).unwrap_or(usize::MAX);
    for migration in MIGRATIONS.iter().skip(skip) {
        transaction.execute_batch(migration)?;
    }
    let current = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    transaction.pragma_update(None, "user_version", current)?;
    transaction.commit()?;
    Ok(())
}

/// Readers go on while a scan is committed. Changing the mode needs the store for a moment, and
/// SQLite does not always wait for that by itself.
fn use_wal(connection: &Connection) -> Result<(), StoreError> {
    const TRIES: u32 = 200;
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    for attempt in 0.. {
        let changed: rusqlite::Result<String> =
            connection.query_row("PRAGMA journal_mode = wal", [], |row| row.get(0));
        match changed.map_err(StoreError::from) {
            // Where there can be no shared memory (some network file systems) it stays as it is:
            // slower, but as safe.
            Ok(_) => break,
            Err(error) if error.kind == StoreErrorKind::Busy && attempt < TRIES => {
                std::thread::sleep(Duration::from_millis(25));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether opening failed because nothing can be written beside the file. With pages in a
/// write-ahead log, the file alone would be an older state: then it stays refused.
fn is_read_only_medium(path: &Path, error: &StoreError) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let pending = std::fs::metadata(log).is_ok_and(|metadata| metadata.len() > 0);
    let refused = error.kind == StoreErrorKind::ReadOnly
        || error.kind == StoreErrorKind::Other && error.detail.contains("cannot be opened");
    refused && !pending
}

/// A URI filename (<https://www.sqlite.org/uri.html>) with `immutable=1`.
fn immutable_uri(path: &Path) -> String {
    use std::fmt::Write;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri.push_str("?immutable=1");
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn kind(path: &Path, access: Access) -> StoreErrorKind {
        Store::open(path, access).unwrap_err().kind
    }

    #[test]
    fn is_made_on_first_write_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/store.db");
        assert_eq!(kind(&path, Access::Read), StoreErrorKind::NotFound);
        assert!(!path.exists());
        drop(Store::open(&path, Access::Write).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let parent = fs::metadata(path.parent().unwrap()).unwrap();
        assert_eq!(parent.permissions().mode() & 0o777, 0o700);
        Store::open(&path, Access::Read).unwrap();
        Store::open(&path, Access::Write).unwrap();
    }

    #[test]
    fn foreign_newer_and_damaged_files_stay_untouched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let check = |bytes: &[u8], expected| {
            fs::write(&path, bytes).unwrap();
            assert_eq!(kind(&path, Access::Read), expected);
            assert_eq!(kind(&path, Access::Write), expected);
            assert_eq!(fs::read(&path).unwrap(), bytes);
        };
        check(b"a letter to somebody", StoreErrorKind::NotOurs);
        check(b"SQLite format 3\0 cut", StoreErrorKind::Damaged);
        let other = folder.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
        check(&fs::read(&other).unwrap(), StoreErrorKind::NotOurs);
        let own = folder.path().join("own.db");
        drop(Store::open(&own, Access::Write).unwrap());
        let connection = Connection::open(&own).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        check(&fs::read(&own).unwrap(), StoreErrorKind::Newer);
    }

    #[test]
    fn an_empty_file_becomes_a_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        fs::write(&path, b"").unwrap();
        assert_eq!(kind(&path, Access::Read), StoreErrorKind::NotFound);
        Store::open(&path, Access::Write).unwrap();
    }

    #[test]
    fn names_are_escaped_in_uris() {
        assert_eq!(immutable_uri(Path::new("/a b?#%")), "file:/a%20b%3F%23%25?immutable=1");
    }
}
