//! SQLite databases of a target, read from its bytes: nothing is written next to them, and no
//! temporary file is made.
//!
//! A database in write-ahead mode is the file and what its `-wal` adds: the frames up to the last
//! commit are laid over the pages, as SQLite's own recovery does it
//! (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>). A rollback journal that was
//! left hot is not played back: such a database is read as it lies.

use crate::filesystem::Filesystem;
use crate::filesystem::resolve::read_file;
use crate::model::{Fault, TreePath};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

const WAL_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Both with the order of the checksums' bytes in the last bit.
const WAL_MAGIC: u32 = 0x377f_0682;

/// Opens the database at a path in memory, read-only; `None` where there is none.
pub fn open(
    filesystem: &dyn Filesystem,
    path: &TreePath,
    limit: u64,
) -> Result<Option<Connection>, Fault> {
    let Some(mut database) = read_file(filesystem, path, limit)? else { return Ok(None) };
    let log_path = TreePath::parse([path.as_bytes(), b"-wal"].concat());
    if let Some(log) = read_file(filesystem, &log_path, limit)? {
        apply_log(&mut database, &log, limit);
    }
    connect(&mut database).map(Some).map_err(|fault| fault.within(path))
}

/// A connection to a database that is complete in memory.
pub fn connect(database: &mut [u8]) -> Result<Connection, Fault> {
    if !database.starts_with(b"SQLite format 3\0") {
        return Err(Fault::damaged("no SQLite database"));
    }
    // In memory there is no log: the file says that it needs none.
    if let Some(versions) = database.get_mut(18..20) {
        versions.fill(1);
    }
    let open = || {
        let mut connection = Connection::open_in_memory()?;
        connection.deserialize_read_exact("main", &*database, database.len(), true)?;
        // What a schema brings along (views, triggers, functions) is not run.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| Fault::damaged(error))
}

/// Lays the committed frames of a log over the pages of the database.
fn apply_log(database: &mut Vec<u8>, log: &[u8], limit: u64) {
    let Some(frames) = committed(log) else { return };
    for (page, bytes) in frames.pages {
        let Some(start) = page.checked_sub(1).and_then(|index| index.checked_mul(bytes.len()))
        else {
            continue;
        };
        let Some(end) = start.checked_add(bytes.len()).filter(|end| *end as u64 <= limit) else {
            continue;
        };
        if database.len() < end {
            database.resize(end, 0);
        }
        if let Some(place) = database.get_mut(start..end) {
            place.copy_from_slice(bytes);
        }
    }
    database.truncate(frames.length);
}

struct Frames<'a> {
    pages: Vec<(usize, &'a [u8])>,
    /// Of the database after the last commit, in bytes.
    length: usize,
}

/// The frames up to the last commit whose salts and checksums are right; `None` without any.
fn committed(log: &[u8]) -> Option<Frames<'_>> {
    let number = |at: usize| {
        log.get(at..).and_then(<[u8]>::first_chunk).map(|chunk| u32::from_be_bytes(*chunk))
    };
    let magic = number(0)?;
    if magic & !1 != WAL_MAGIC {
        return None;
    }
    let is_big_endian = magic & 1 == 1;
    let page_size = usize::try_from(number(8)?).ok().filter(|size| *size >= 512)?;
    let salts = log.get(16..24)?;
    let mut sum = checksum((0, 0), log.get(..24)?, is_big_endian);
    if (number(24)?, number(28)?) != sum {
        return None;
    }
    let mut pages = Vec::new();
    let mut commit = None;
    let mut at = WAL_HEADER;
    loop {
        let content = at.checked_add(FRAME_HEADER)?;
        let end = content.checked_add(page_size)?;
        let (Some(header), Some(page)) = (log.get(at..content), log.get(content..end)) else {
            break;
        };
        sum = checksum(sum, header.get(..8)?, is_big_endian);
        sum = checksum(sum, page, is_big_endian);
        let is_valid = header.get(8..16) == Some(salts)
            && (number(at.checked_add(16)?)?, number(at.checked_add(20)?)?) == sum;
        if !is_valid {
            break;
        }
        pages.push((usize::try_from(number(at)?).ok()?, page));
        let size_after = usize::try_from(number(at.checked_add(4)?)?).ok()?;
        if size_after > 0 {
            commit = Some((pages.len(), size_after.checked_mul(page_size)?));
        }
        at = end;
    }
    let (count, length) = commit?;
    pages.truncate(count);
    Some(Frames { pages, length })
}

/// Fibonacci-weighted sums over pairs of 32-bit words.
fn checksum(mut sum: (u32, u32), bytes: &[u8], is_big_endian: bool) -> (u32, u32) {
    let decode = if is_big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
    let (words, _) = bytes.as_chunks::<4>();
    for pair in words.chunks_exact(2) {
        if let [first, second] = pair {
            sum.0 = sum.0.wrapping_add(decode(*first)).wrapping_add(sum.1);
            sum.1 = sum.1.wrapping_add(decode(*second)).wrapping_add(sum.0);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    /// A database of which the second row is in the log only, and a third in no commit.
    fn sample() -> (Vec<u8>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.execute_batch("create table t(x); insert into t values (1);").unwrap();
        connection.pragma_update(None, "wal_checkpoint", "truncate").unwrap();
        connection.execute_batch("insert into t values (2);").unwrap();
        let log = std::fs::read(folder.path().join("db-wal")).unwrap();
        (std::fs::read(&path).unwrap(), log)
    }

    fn count(database: &[u8], log: &[u8]) -> Option<i64> {
        let mut tree = MemoryFilesystem::new();
        tree.file("/db", database).file("/db-wal", log);
        let connection = open(&tree, &TreePath::parse("/db"), 1 << 20).ok()??;
        connection.query_row("select count(*) from t", [], |row| row.get(0)).ok()
    }

    #[test]
    fn the_log_is_part_of_the_database() {
        let (database, log) = sample();
        assert_eq!(count(&database, &log), Some(2));
        assert_eq!(count(&database, &[]), Some(1));
        let mut torn = log.clone();
        *torn.last_mut().unwrap() ^= 1;
        assert_eq!(count(&database, &torn), Some(1));
        assert_eq!(count(&database, &log[..log.len() - 1]), Some(1));
        let mut twice = log.clone();
        twice.extend_from_slice(&log[WAL_HEADER..]);
        assert_eq!(count(&database, &twice), Some(2));
    }

    #[test]
    fn damage_is_told() {
        assert_eq!(count(b"no database", &[]), None);
        let (mut database, _) = sample();
        database.truncate(600);
        assert_eq!(count(&database, &[]), None);
        let tree = MemoryFilesystem::new();
        assert!(open(&tree, &TreePath::parse("/db"), 1).unwrap().is_none());
    }
}
