//! The device with its superblock, metadata and unpacked blocks in caches.

use super::superblock::{self, Superblock};
use crate::block::BlockDevice;
use crate::block::cache::Cache;
use crate::filesystem::bytes::{slice, to_usize};
use crate::model::Fault;
use std::sync::Arc;

/// Metadata is read and kept in pieces of as many bytes.
const PIECE: u64 = 16 << 10;
/// Metadata that is kept: inodes and names of about 200,000 files.
const METADATA_CACHE: usize = 16 << 20;
/// Unpacked extents that are kept.
const DATA_CACHE: usize = 48 << 20;

/// A device with its superblock.
#[derive(Debug)]
pub struct Volume {
    device: Arc<dyn BlockDevice>,
    /// The superblock.
    pub superblock: Superblock,
    pieces: Cache<[u8]>,
    /// Unpacked extents by (length, place).
    pub unpacked: Cache<[u8]>,
}

impl Volume {
    /// Reads the superblock.
    pub fn open(device: Arc<dyn BlockDevice>) -> Result<Self, Fault> {
        let mut raw = [0; superblock::LENGTH];
        device.read_at(superblock::OFFSET, &mut raw)?;
        let superblock = Superblock::parse(&raw)?;
        Ok(Self {
            device,
            superblock,
            pieces: Cache::new(METADATA_CACHE),
            unpacked: Cache::new(DATA_CACHE),
        })
    }

    /// Bytes of the device.
    pub fn length(&self) -> u64 {
        self.device.length()
    }

    /// Fills a buffer with bytes of files.
    pub fn read(&self, at: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        self.device.read_at(at, buffer)
    }

    /// Bytes of files; the caller has bounded how many.
    pub fn bytes(&self, at: u64, length: usize) -> Result<Vec<u8>, Fault> {
        crate::block::read_vec(self.device.as_ref(), at, length)
    }

    /// Bytes of metadata; the caller has bounded how many.
    pub fn metadata(&self, at: u64, length: usize) -> Result<Vec<u8>, Fault> {
        crate::block::check_range(self.length(), at, length)?;
        let mut bytes = Vec::with_capacity(length);
        let mut next = at;
        while bytes.len() < length {
            let piece = self.piece(next / PIECE)?;
            let skip = to_usize(next % PIECE)?;
            let count =
                length.saturating_sub(bytes.len()).min(piece.len().saturating_sub(skip).max(1));
            bytes.extend_from_slice(slice(&piece, skip, count)?);
            next = next.saturating_add(count as u64);
        }
        Ok(bytes)
    }

    fn piece(&self, number: u64) -> Result<Arc<[u8]>, Fault> {
        if let Some(piece) = self.pieces.get((0, number)) {
            return Ok(piece);
        }
        let start = number.saturating_mul(PIECE);
        let mut bytes = vec![0; to_usize(self.length().saturating_sub(start).min(PIECE))?];
        self.device.read_at(start, &mut bytes)?;
        let piece: Arc<[u8]> = bytes.into();
        self.pieces.put((0, number), &piece, piece.len());
        Ok(piece)
    }
}
