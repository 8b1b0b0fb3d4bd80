//! The blocks of the device, and the inodes in them.

use super::inode::Inode;
use super::superblock::Superblock;
use crate::block::BlockDevice;
use crate::filesystem::bytes::{slice, to_usize};
use crate::filesystem::cache::Cache;
use crate::model::Fault;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Metadata is read in pieces of at least this length: inodes lie in chunks of 64, and a device
/// call costs more than a few blocks more.
const PIECE_LENGTH: usize = 16 << 10;

/// A device with what its superblock says.
pub struct Volume {
    device: Arc<dyn BlockDevice>,
    /// The superblock.
    pub superblock: Superblock,
    cache: Cache,
    blocks_per_piece: u64,
}

/// One block or several in a row, kept alive by the piece that they lie in.
pub struct Block {
    piece: Arc<[u8]>,
    start: usize,
    length: usize,
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        slice(&self.piece, self.start, self.length).unwrap_or_default()
    }
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume")
            .field("device", &self.device)
            .field("superblock", &self.superblock)
            .finish_non_exhaustive()
    }
}

impl Volume {
    /// Reads the superblock.
    pub fn open(device: Arc<dyn BlockDevice>) -> Result<Self, Fault> {
        let mut bytes = vec![0; 512];
        device.read_at(0, &mut bytes)?;
        if Superblock::is_one(&bytes) {
            bytes = vec![0; Superblock::sector_length(&bytes)?];
            device.read_at(0, &mut bytes)?;
        }
        let superblock = Superblock::parse(&bytes)?;
        let block = to_usize(superblock.block_size)?;
        let blocks_per_piece = PIECE_LENGTH.checked_div(block).unwrap_or(0).max(1);
        Ok(Self {
            device,
            cache: Cache::new(block.saturating_mul(blocks_per_piece)),
            superblock,
            blocks_per_piece: blocks_per_piece as u64,
        })
    }

    /// Whether the device begins with the magic number.
    pub fn probe(device: &dyn BlockDevice) -> bool {
        let mut bytes = [0; 4];
        device.read_at(0, &mut bytes).is_ok() && Superblock::is_one(&bytes)
    }

    /// Bytes that are there: what the device has of what the superblock promises.
    pub fn capacity(&self) -> u64 {
        let promised = self.superblock.blocks.saturating_mul(self.superblock.block_size.into());
        promised.min(self.device.length())
    }

    /// Fills the buffer from a byte of the device on, past the cache.
    pub fn read_bytes(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        self.device.read_at(offset, buffer)
    }

    /// A block of metadata by its number on the device, through the cache.
    pub fn block(&self, number: u64) -> Result<Block, Fault> {
        let length = to_usize(self.superblock.block_size)?;
        let within = number.checked_rem(self.blocks_per_piece).unwrap_or(0);
        let first = number.saturating_sub(within);
        let start = to_usize(within)?.saturating_mul(length);
        if let Some(piece) = self.cache.get(first)
            && start < piece.len()
        {
            return Ok(Block { piece, start, length });
        }
        match self.read_blocks(first, self.blocks_per_piece) {
            Ok(piece) => {
                self.cache.put(first, Arc::clone(&piece));
                Ok(Block { piece, start, length })
            }
            // A neighbour that cannot be read is not this block's fault.
            Err(_) => Ok(Block { piece: self.read_blocks(number, 1)?, start: 0, length }),
        }
    }

    /// Blocks that lie anywhere, as one.
    pub fn joined(&self, numbers: &[u64]) -> Result<Block, Fault> {
        if let [number] = numbers {
            return self.block(*number);
        }
        let blocks: Vec<Block> =
            numbers.iter().map(|number| self.block(*number)).collect::<Result<_, _>>()?;
        let bytes: Vec<u8> = blocks.iter().flat_map(|block| block.iter().copied()).collect();
        Ok(Block { length: bytes.len(), piece: bytes.into(), start: 0 })
    }

    fn read_blocks(&self, first: u64, count: u64) -> Result<Arc<[u8]>, Fault> {
        let size = u64::from(self.superblock.block_size);
        let count = count.min(self.superblock.blocks.saturating_sub(first));
        let mut bytes = vec![0; to_usize(count.saturating_mul(size))?];
        self.read_bytes(first.saturating_mul(size), &mut bytes)?;
        Ok(bytes.into())
    }

    /// Reads inode `number`, which its own arithmetic places.
    pub fn inode(&self, number: u64) -> Result<Inode, Fault> {
        let read = || {
            let (block, at) = self.superblock.inode_place(number)?;
            let block = self.block(block)?;
            let raw = slice(&block, to_usize(at)?, self.superblock.inode_size.into())?;
            Inode::parse(number, raw, &self.superblock)
        };
        read().map_err(|fault| fault.within(format_args!("inode {number}")))
    }
}
