//! Blocks: metadata of up to 8 KiB behind a header of two bytes, and data of up to 1 MiB; and the
//! tables that lead through lists of metadata blocks.

use super::superblock::{self, NONE, Superblock};
use crate::block::BlockDevice;
use crate::block::cache::Cache;
use crate::filesystem::bytes::{array, le32, le64, slice, to_usize};
use crate::filesystem::unpack::unpack;
use crate::model::Fault;
use std::sync::Arc;

/// Most bytes of a metadata block.
const METADATA: usize = 8192;
/// Metadata that is kept unpacked: inodes of about 300,000 files.
const METADATA_CACHE: usize = 16 << 20;
/// Data that is kept unpacked: at least one block of 1 MiB for each of 16 shards in 2 generations.
const DATA_CACHE: usize = 48 << 20;
/// In a block's size: it is stored as it is.
const STORED: u32 = 1 << 24;

/// A metadata block that was unpacked, and where the next one lies.
#[derive(Debug)]
struct Metadata {
    bytes: Vec<u8>,
    next: u64,
}

/// A device with its superblock.
#[derive(Debug)]
pub struct Volume {
    device: Arc<dyn BlockDevice>,
    /// The superblock.
    pub superblock: Superblock,
    metadata: Cache<Metadata>,
    data: Cache<[u8]>,
}

/// Reads on through metadata blocks.
#[derive(Debug)]
pub struct Cursor<'a> {
    volume: &'a Volume,
    block: Arc<Metadata>,
    at: usize,
}

impl Cursor<'_> {
    /// The next bytes.
    pub fn take(&mut self, length: usize) -> Result<Vec<u8>, Fault> {
        // Grows by what is there, not by what is promised.
        let mut taken = Vec::new();
        while taken.len() < length {
            if self.at >= self.block.bytes.len() {
                self.block = self.volume.metadata(self.block.next)?;
                self.at = 0;
            }
            let rest = self.block.bytes.get(self.at..).unwrap_or_default();
            let part = rest.get(..length.saturating_sub(taken.len())).unwrap_or(rest);
            taken.extend_from_slice(part);
            self.at = self.at.saturating_add(part.len());
        }
        Ok(taken)
    }

    /// The next bytes, as many as an array has.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        array(&self.take(N)?, 0)
    }

    /// The next 32 bits.
    pub fn le32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.array()?))
    }
}

impl Volume {
    /// Reads the superblock.
    pub fn open(device: Arc<dyn BlockDevice>) -> Result<Self, Fault> {
        let mut raw = [0; superblock::LENGTH];
        device.read_at(0, &mut raw)?;
        let superblock = Superblock::parse(&raw)?;
        Ok(Self {
            device,
            superblock,
            metadata: Cache::new(METADATA_CACHE),
            data: Cache::new(DATA_CACHE),
        })
    }

    fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, Fault> {
        crate::block::read_vec(self.device.as_ref(), at, length)
    }

    fn metadata(&self, at: u64) -> Result<Arc<Metadata>, Fault> {
        if let Some(block) = self.metadata.get((0, at)) {
            return Ok(block);
        }
        let place = || format!("the metadata block at {at}");
        let header = self.read(at, 2).map_err(|fault| fault.within(place()))?;
        let header = u16::from_le_bytes(array(&header, 0)?);
        let length = usize::from(header & 0x7fff);
        if length == 0 || length > METADATA {
            return Err(Fault::damaged(format!("{} has {length} bytes", place())));
        }
        let start = at.saturating_add(2);
        let stored = self.read(start, length).map_err(|fault| fault.within(place()))?;
        let bytes = if header & 0x8000 != 0 {
            stored
        } else {
            let mut bytes = vec![0; METADATA];
            let count = unpack(self.superblock.codec, &stored, &mut bytes)
                .map_err(|fault| fault.within(place()))?;
            bytes.truncate(count);
            bytes
        };
        if bytes.is_empty() {
            return Err(Fault::damaged(format!("{} is empty", place())));
        }
        let block = Arc::new(Metadata { bytes, next: start.saturating_add(length as u64) });
        self.metadata.put((0, at), &block, METADATA);
        Ok(block)
    }

    /// Begins to read at a reference: the block's place from `table` on in its upper bits, and the
    /// place in it in the lower 16.
    pub fn cursor(&self, table: u64, reference: u64) -> Result<Cursor<'_>, Fault> {
        let start = table.checked_add(reference >> 16);
        let start = start.ok_or_else(|| Fault::damaged(format!("the reference {reference:#x}")))?;
        let block = self.metadata(start)?;
        let at = to_usize(reference & 0xffff)?;
        if at >= block.bytes.len() {
            return Err(Fault::damaged(format!(
                "byte {at} of the metadata block at {start}, which has {}",
                block.bytes.len()
            )));
        }
        Ok(Cursor { volume: self, block, at })
    }

    /// An entry of a table that a list of block addresses leads to; `size` divides 8 KiB.
    pub fn entry(
        &self,
        list: u64,
        (index, count): (u32, u32),
        size: u32,
    ) -> Result<Vec<u8>, Fault> {
        if index >= count || list == NONE {
            return Err(Fault::damaged(format!("entry {index} of a table of {count}")));
        }
        let per_block = 8192_u32.checked_div(size).unwrap_or(1).max(1);
        let block = u64::from(index.checked_div(per_block).unwrap_or(0));
        let place = list.saturating_add(block.saturating_mul(8));
        let start = le64(&self.read(place, 8)?, 0)?;
        let within = index.checked_rem(per_block).unwrap_or(0).saturating_mul(size);
        let block = self.metadata(start)?;
        Ok(slice(&block.bytes, to_usize(within)?, to_usize(size)?)?.to_vec())
    }

    /// The number of a user or group.
    pub fn id(&self, index: u16) -> Result<u32, Fault> {
        let count = (index.into(), self.superblock.ids.into());
        le32(&self.entry(self.superblock.id_table, count, 4)?, 0)
    }

    /// Where a fragment lies, and its size as [`Volume::data`] takes it.
    pub fn fragment(&self, index: u32) -> Result<(u64, u32), Fault> {
        let count = (index, self.superblock.fragments);
        let raw = self.entry(self.superblock.fragment_table, count, 16)?;
        Ok((le64(&raw, 0)?, le32(&raw, 8)?))
    }

    /// Bytes that fields of the superblock and tables are made of.
    pub fn raw(&self, at: u64, length: usize) -> Result<Vec<u8>, Fault> {
        self.read(at, length)
    }

    /// A data block or fragment; `size` is that on the device, with the bit for what is stored as
    /// it is.
    pub fn data(&self, at: u64, size: u32) -> Result<Arc<[u8]>, Fault> {
        if let Some(block) = self.data.get((size, at)) {
            return Ok(block);
        }
        let length = size & !STORED;
        if length > self.superblock.block_size {
            return Err(Fault::damaged(format!("a block of {length} bytes at {at}")));
        }
        let stored = self.read(at, to_usize(length)?)?;
        let bytes = if size & STORED != 0 {
            stored
        } else {
            let mut bytes = vec![0; to_usize(self.superblock.block_size)?];
            let count = unpack(self.superblock.codec, &stored, &mut bytes)
                .map_err(|fault| fault.within(format_args!("the block at {at}")))?;
            bytes.truncate(count);
            bytes
        };
        let block: Arc<[u8]> = bytes.into();
        self.data.put((size, at), &block, block.len());
        Ok(block)
    }
}

/// Bytes of a data block on the device.
pub const fn stored_length(size: u32) -> u32 {
    size & !STORED
}
