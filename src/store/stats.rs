//! How much there is of what.

use super::{Store, StoreError};
use std::collections::BTreeMap;

/// Every table that holds something of a manifest, in the order of lists.
const TABLES: [&str; 16] = [
    "manifests",
    "baselines",
    "trees",
    "chunks",
    "shipped",
    "texts",
    "alternate_digests",
    "sets",
    "packages",
    "facts",
    "events",
    "gaps",
    "omissions",
    "hard_links",
    "caches",
    "cache_blobs",
];

/// Sizes of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Length of the file, what is in the write-ahead log included.
    pub bytes: u64,
    /// Of these, free pages that the next commits use again.
    pub free_bytes: u64,
    /// Of these, what makes the next scan faster.
    pub cache_bytes: u64,
    /// Of these, trees with their parts and what packages ship.
    pub tree_bytes: u64,
    /// Of these, texts that are kept to be shown as differences.
    pub text_bytes: u64,
    /// Bytes of the files that the manifests describe, each manifest counted.
    pub described_bytes: u64,
    /// Entries that the manifests describe, each manifest counted.
    pub described_entries: u64,
    /// Rows by table.
    pub rows: BTreeMap<&'static str, u64>,
}

impl Store {
    /// How much there is of what.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let connection = self.lock();
        let number = |query: &str| -> Result<u64, StoreError> {
            let found: i64 = connection.query_row(query, [], |row| row.get(0))?;
            Ok(found.cast_unsigned())
        };
        let page_size = number("PRAGMA page_size")?;
        let mut stats = Stats {
            bytes: number("PRAGMA page_count")?.saturating_mul(page_size),
            free_bytes: number("PRAGMA freelist_count")?.saturating_mul(page_size),
            cache_bytes: number("SELECT coalesce(sum(length(data)), 0) FROM cache_blobs")?,
            text_bytes: number("SELECT coalesce(sum(length(data)), 0) FROM texts")?,
            ..Stats::default()
        };
        for table in ["trees", "chunks", "shipped"] {
            let query = format!("SELECT coalesce(sum(length(data)), 0) FROM {table}");
            stats.tree_bytes = stats.tree_bytes.saturating_add(number(&query)?);
        }
        for table in TABLES {
            stats.rows.insert(table, number(&format!("SELECT count(*) FROM {table}"))?);
        }
        let mut statement = connection.prepare("SELECT entries, bytes FROM manifests")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (entries, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
            stats.described_entries =
                stats.described_entries.saturating_add(entries.cast_unsigned());
            stats.described_bytes = stats.described_bytes.saturating_add(bytes.cast_unsigned());
        }
        Ok(stats)
    }
}
