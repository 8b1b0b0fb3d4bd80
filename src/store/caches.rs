//! What makes the next scan faster: opaque blobs by kind and key, and the digests that package
//! databases ask for by content digest. Nothing here is part of any manifest.

use super::blob::{pack, unpack_bytes};
use super::{Store, StoreError, StoreErrorKind};
use crate::model::encoding::Writer;
use crate::model::{AlternateDigests, ContentDigest, ManifestId};
use rusqlite::{Connection, OptionalExtension, params};

/// How long a cached blob is worth something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// As long as the manifest that it is committed with: it names trees.
    WithManifest,
    /// Always: it depends on nothing.
    Always,
}

/// A blob to be remembered; replaces the one of the same kind and key.
#[derive(Clone, Copy, Debug)]
pub struct CacheEntry<'a> {
    /// Who reads it.
    pub kind: &'a str,
    /// Of which target, file or whatever the reader asks for.
    pub key: &'a [u8],
    /// Opaque.
    pub data: &'a [u8],
    /// How long.
    pub keep: Keep,
}

/// A blob that was remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// Opaque.
    pub data: Vec<u8>,
    /// The manifest that it was committed with, for [`Keep::WithManifest`]: what `relied_on` of
    /// the next commit is.
    pub manifest: Option<ManifestId>,
}

impl Store {
    /// What is remembered of this kind under this key. A damaged one is none.
    pub fn cache(&self, kind: &str, key: &[u8]) -> Result<Option<Cached>, StoreError> {
        let found: Option<(Option<Vec<u8>>, Vec<u8>)> = self
            .lock()
            .prepare_cached(
                "SELECT manifest, data FROM caches JOIN cache_blobs ON id = blob
                 WHERE kind = ? AND key = ?",
            )?
            .query_row(params![kind, key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((manifest, stored)) = found else { return Ok(None) };
        let manifest = manifest.and_then(|id| ManifestId::from_bytes(&id));
        Ok(unpack_bytes(&stored).ok().map(|data| Cached { data, manifest }))
    }
}

/// Remembers a blob in the place of the one before; bytes that are there already are not written
/// again.
pub(super) fn write_cache(
    connection: &Connection,
    entry: &CacheEntry<'_>,
    manifest: &ManifestId,
) -> Result<(), StoreError> {
    let manifest = (entry.keep == Keep::WithManifest).then_some(manifest.as_bytes());
    let manifest = manifest.map(<[u8; 32]>::as_slice);
    let blob = *blake3::hash(entry.data).as_bytes();
    let sum = cache_checksum(entry.kind, entry.key, manifest, &blob);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO caches (kind, key, manifest, blob, checksum)
             VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![entry.kind, entry.key, manifest, blob, sum])?;
    // First, so that the pages of the old bytes take the new ones.
    drop_unnamed_blobs(connection)?;
    let is_there = connection
        .prepare_cached("SELECT 1 FROM cache_blobs WHERE id = ?")?
        .exists(params![blob])?;
    if !is_there {
        connection
            .prepare_cached("INSERT INTO cache_blobs (id, data) VALUES (?, ?)")?
            .execute(params![blob, pack(entry.data)])?;
    }
    Ok(())
}

/// Drops the bytes that no cache names any more.
pub(super) fn drop_unnamed_blobs(connection: &Connection) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM cache_blobs WHERE id NOT IN (SELECT blob FROM caches)")?
        .execute([])?;
    Ok(())
}

/// Of what stands beside a blob, which has its own.
pub(super) fn cache_checksum(kind: &str, key: &[u8], manifest: Option<&[u8]>, blob: &[u8]) -> u32 {
    let mut out = Writer::default();
    out.bytes(kind.as_bytes());
    out.bytes(key);
    out.option(manifest, Writer::bytes);
    out.bytes(blob);
    crc32c::crc32c(&out.0)
}

/// Tells a flipped bit in a row that nothing else names.
pub(super) fn checksum(content: &ContentDigest, digests: &AlternateDigests) -> u32 {
    let mut out = Writer::default();
    out.fixed(content.as_bytes());
    out.option(digests.md5, |out, digest| out.fixed(&digest));
    out.option(digests.sha1, |out, digest| out.fixed(&digest));
    out.option(digests.sha256, |out, digest| out.fixed(&digest));
    out.option(digests.sha512, |out, digest| out.fixed(&digest));
    crc32c::crc32c(&out.0)
}

/// What is remembered of these bytes.
pub(super) fn alternates(
    connection: &Connection,
    content: &ContentDigest,
) -> Result<Option<AlternateDigests>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT md5, sha1, sha256, sha512, checksum FROM alternate_digests WHERE content = ?",
        )?
        .query_row([content.as_bytes()], |row| {
            let digests = AlternateDigests {
                md5: row.get(0)?,
                sha1: row.get(1)?,
                sha256: row.get(2)?,
                sha512: row.get(3)?,
            };
            Ok((digests, row.get::<_, u32>(4)?))
        })
        .optional()?;
    match found {
        Some((digests, sum)) if sum != checksum(content, &digests) => {
            let detail = format!("digests of content {content}: the checksum does not match");
            Err(StoreError::new(StoreErrorKind::Damaged, detail))
        }
        found => Ok(found.map(|(digests, _)| digests)),
    }
}

/// Adds what is known now to what was known.
pub(super) fn write_alternates(
    connection: &Connection,
    content: &ContentDigest,
    new: &AlternateDigests,
) -> Result<(), StoreError> {
    // A damaged row is replaced: what is being written was computed from the bytes.
    let old = alternates(connection, content).ok().flatten().unwrap_or_default();
    let merged = merge(&old, new);
    if merged == old {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO alternate_digests VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(params![
            content.as_bytes(),
            merged.md5,
            merged.sha1,
            merged.sha256,
            merged.sha512,
            checksum(content, &merged)
        ])?;
    Ok(())
}

/// Both, the newer first.
pub(super) fn merge(old: &AlternateDigests, new: &AlternateDigests) -> AlternateDigests {
    AlternateDigests {
        md5: new.md5.or(old.md5),
        sha1: new.sha1.or(old.sha1),
        sha256: new.sha256.or(old.sha256),
        sha512: new.sha512.or(old.sha512),
    }
}
