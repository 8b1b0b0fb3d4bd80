//! The store: manifests, their trees, baselines and caches in one SQLite file.
//!
//! Goal: a manifest is there whole or not at all, whatever ends the process; what is equal is
//! stored once; anyone can look with `sqlite3` while a scan runs. Trees are compressed blobs under
//! their exact id ([`blob`], [`chunks`]); records are plain tables, one set stored once however
//! many manifests have it, with views for people (`manifest`, `baseline`, `manifest_packages`, …).
//! A row per entry was not taken: it costs 55 MB for each further manifest of 300,000 entries
//! where this costs what differs. [`Store::export_flat`] writes such rows on demand.
//!
//! Refused: a newer schema, a damaged file and a file of someone else, all left untouched. The
//! store judges nothing and compares nothing. The schema is the list in [`open`]: append-only.

mod baselines;
mod blob;
mod caches;
mod chunks;
mod commit;
mod error;
mod escape;
mod flat;
mod gc;
mod manifests;
mod open;
mod records;
mod spool;
mod stats;
#[cfg(test)]
mod testing;
mod text;
mod trees;
mod verify;
mod walk;

pub use caches::{CacheEntry, Cached, Keep};
pub use error::{StoreError, StoreErrorKind};
pub use gc::Collected;
pub use manifests::Summary;
pub use open::Access;
pub use spool::Spool;
pub use stats::Stats;
pub use text::{export_text, import_text};
pub use verify::{Damage, Verified};

use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An open store. Shared by threads; each call is short, and trees are decoded outside of the
/// lock.
pub struct Store {
    connection: Mutex<Connection>,
    path: PathBuf,
    recent: trees::Recent,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Where the file lies.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves at worst an open transaction, which its guard rolled back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
