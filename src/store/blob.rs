//! How bytes lie in the store: a format byte, a checksum, then the bytes, compressed where that
//! helps.
//!
//! The checksum (CRC-32C over the format and the payload) is tested on each read: it costs next to
//! nothing and finds what the decompressor would not notice. Digests are recomputed by `verify`.

use crate::model::Fault;
use std::cell::RefCell;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
const LIST: u8 = 2;

/// Format and checksum.
const HEAD: usize = 5;

/// The level at which writing is not slower than hashing.
const LEVEL: i32 = 3;

/// Bytes of one value at most: a directory of millions of entries is kept in parts, what packages
/// ship in one directory stays far below it. A value that promises more is damaged.
const LIMIT: usize = 1 << 30;

/// Names a part of a large directory: BLAKE3 of its bytes.
pub(super) type ChunkId = [u8; 32];

/// What lay in the store.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unpacked {
    /// The value itself.
    Bytes(Vec<u8>),
    /// The parts that make the value when put one after the other.
    List(Vec<ChunkId>),
}

thread_local! {
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> =
        RefCell::new(zstd::bulk::Compressor::new(LEVEL).ok());
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
        RefCell::new(zstd::bulk::Decompressor::new().ok());
}

fn with_head(format: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + payload.len());
    out.push(format);
    out.extend_from_slice(&checksum(format, payload).to_le_bytes());
    out.extend_from_slice(payload);
    out
}

fn checksum(format: u8, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[format]), payload)
}

/// The stored form of a value.
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    let compressed = COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.as_mut().and_then(|compressor| compressor.compress(bytes).ok())
    });
    match compressed {
        Some(compressed) if compressed.len() < bytes.len() => with_head(ZSTD, &compressed),
        _ => with_head(PLAIN, bytes),
    }
}

/// The stored form of a value that is kept in parts.
pub(super) fn pack_list(chunks: &[ChunkId]) -> Vec<u8> {
    with_head(LIST, chunks.as_flattened())
}

/// Reads what [`pack`] or [`pack_list`] made.
pub(super) fn unpack(stored: &[u8]) -> Result<Unpacked, Fault> {
    let [format, a, b, c, d, payload @ ..] = stored else {
        return Err(Fault::damaged(format!("a stored value of {} bytes", stored.len())));
    };
    if checksum(*format, payload) != u32::from_le_bytes([*a, *b, *c, *d]) {
        return Err(Fault::damaged("its checksum does not match"));
    }
    match *format {
        PLAIN => Ok(Unpacked::Bytes(payload.to_vec())),
        ZSTD => decompress(payload).map(Unpacked::Bytes),
        LIST => match payload.as_chunks() {
            (chunks, []) => Ok(Unpacked::List(chunks.to_vec())),
            _ => Err(Fault::damaged("a list of parts that is cut off")),
        },
        other => Err(Fault::unsupported(format!("stored value of format {other}"))),
    }
}

/// Like [`unpack`], for values that are never kept in parts.
pub(super) fn unpack_bytes(stored: &[u8]) -> Result<Vec<u8>, Fault> {
    match unpack(stored)? {
        Unpacked::Bytes(bytes) => Ok(bytes),
        Unpacked::List(_) => Err(Fault::damaged("a list where a value should be")),
    }
}

fn decompress(payload: &[u8]) -> Result<Vec<u8>, Fault> {
    let size = zstd::zstd_safe::get_frame_content_size(payload).ok().flatten();
    let size = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= LIMIT);
    let size = size.ok_or_else(|| Fault::damaged("a compressed value without a sane length"))?;
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor =
            decompressor.as_mut().ok_or_else(|| Fault::limit("no memory to decompress"))?;
        decompressor
            .decompress(payload, size)
            .map_err(|error| Fault::damaged(format!("it does not decompress: {error}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let check = |bytes: &[u8]| assert_eq!(unpack_bytes(&pack(bytes)).unwrap(), bytes);
        check(b"");
        check(b"x");
        check(&[7; 100_000]);
        let list = vec![[1; 32], [2; 32]];
        assert_eq!(unpack(&pack_list(&list)).unwrap(), Unpacked::List(list));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        for stored in [pack(&[7; 1000]), pack(b"short"), pack_list(&[[3; 32]])] {
            for bit in 0..stored.len() * 8 {
                let mut flipped = stored.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(unpack(&flipped).is_err(), "bit {bit}");
            }
            for cut in 0..stored.len() {
                assert!(unpack(&stored[..cut]).is_err(), "cut at {cut}");
            }
        }
    }
}
