//! The blocks of the file system as they are after journal replay, and the inodes in them.

use super::changes::Changes;
use super::checksum::crc32c;
use super::inode::Inode;
use super::superblock::{self, Superblock, incompat, ro_compat};
use crate::block::BlockDevice;
use crate::filesystem::bytes::{le16, le32, slice, to_usize};
use crate::filesystem::cache::Cache;
use crate::model::Fault;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Metadata is read in pieces of at least this length: neighbours are wanted next, and a device
/// call costs more than a few blocks more.
const PIECE_LENGTH: usize = 16 << 10;

/// Blocks that the journal has newer than their place.
pub type Overlay = BTreeMap<u64, JournalBlock>;

/// Where the newer block lies.
#[derive(Clone, Copy, Debug)]
pub struct JournalBlock {
    /// The block of the file system, inside of the journal.
    pub block: u64,
    /// Its first four bytes are the journal's magic number and were replaced by zeros.
    pub escaped: bool,
}

/// A device with what its superblock says and what its journal changes.
pub struct Volume {
    device: Arc<dyn BlockDevice>,
    /// The superblock.
    pub superblock: Superblock,
    overlay: Overlay,
    /// What fast commits change after all that.
    pub changes: Changes,
    cache: Cache,
    blocks_per_piece: u64,
}

/// One block, kept alive by the piece that it lies in.
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
            .field("overlay", &self.overlay.len())
            .finish_non_exhaustive()
    }
}

impl Volume {
    /// The volume as it lies on the device, no journal replayed.
    pub fn open(device: Arc<dyn BlockDevice>) -> Result<Self, Fault> {
        let mut bytes = [0; superblock::LENGTH];
        device.read_at(superblock::OFFSET, &mut bytes)?;
        Ok(Self::new(device, Superblock::parse(&bytes)?, Overlay::new()))
    }

    fn new(device: Arc<dyn BlockDevice>, superblock: Superblock, overlay: Overlay) -> Self {
        let block = superblock.block_length();
        let blocks_per_piece = PIECE_LENGTH.checked_div(block).unwrap_or(0).max(1);
        Self {
            device,
            cache: Cache::new(block.saturating_mul(blocks_per_piece)),
            superblock,
            overlay,
            changes: Changes::default(),
            blocks_per_piece: blocks_per_piece as u64,
        }
    }

    /// The same volume with its journal replayed; the superblock may be among what changes.
    pub fn with_overlay(self, overlay: Overlay) -> Result<Self, Fault> {
        let replayed = Self::new(self.device, self.superblock, overlay);
        let mut bytes = [0; superblock::LENGTH];
        replayed.read_bytes(superblock::OFFSET, &mut bytes)?;
        let superblock = Superblock::parse(&bytes)?;
        if superblock.block_size != replayed.superblock.block_size {
            return Err(Fault::damaged("the journal changes the block size"));
        }
        Ok(Self::new(replayed.device, superblock, replayed.overlay))
    }

    /// The same volume with what fast commits change.
    pub fn with_changes(self, changes: Changes) -> Self {
        Self { changes, ..self }
    }

    /// Bytes that are there: what the device has of what the superblock promises. No file can
    /// have more of its own.
    pub fn capacity(&self) -> u64 {
        let promised = self.superblock.blocks.saturating_mul(self.superblock.block_size.into());
        promised.min(self.device.length())
    }

    /// Whether several files may have the same block.
    pub fn shares_blocks(&self) -> bool {
        self.superblock.ro_compat & ro_compat::SHARED_BLOCKS != 0
    }

    /// Fills the buffer from a byte of the file system on, past the cache.
    pub fn read_bytes(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        self.device.read_at(offset, buffer)?;
        if self.overlay.is_empty() || buffer.is_empty() {
            return Ok(());
        }
        let size = u64::from(self.superblock.block_size);
        let end = offset.saturating_add(buffer.len() as u64);
        let first = offset.checked_div(size).unwrap_or(0);
        for (block, newer) in self.overlay.range(first..end.div_ceil(size)) {
            // The part of the buffer that this block covers.
            let block_start = block.saturating_mul(size);
            let from = block_start.max(offset);
            let to = block_start.saturating_add(size).min(end);
            let within = from.saturating_sub(block_start);
            let at = to_usize(from.saturating_sub(offset))?;
            let length = to_usize(to.saturating_sub(from))?;
            let part = at.checked_add(length).and_then(|part_end| buffer.get_mut(at..part_end));
            let Some(part) = part else { continue };
            self.device.read_at(newer.block.saturating_mul(size).saturating_add(within), part)?;
            if newer.escaped {
                let magic = super::journal::MAGIC.to_be_bytes();
                let skipped = to_usize(within)?;
                for (byte, restored) in part.iter_mut().zip(magic.iter().skip(skipped)) {
                    *byte = *restored;
                }
            }
        }
        Ok(())
    }

    /// A block of metadata, through the cache.
    pub fn block(&self, number: u64) -> Result<Block, Fault> {
        self.check_blocks(number, 1)?;
        let length = self.superblock.block_length();
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

    fn read_blocks(&self, first: u64, count: u64) -> Result<Arc<[u8]>, Fault> {
        let size = u64::from(self.superblock.block_size);
        let count = count.min(self.superblock.blocks.saturating_sub(first));
        let mut bytes = vec![0; to_usize(count.saturating_mul(size))?];
        self.read_bytes(first.saturating_mul(size), &mut bytes)?;
        Ok(bytes.into())
    }

    /// Whether these blocks may belong to a file or a table.
    pub fn check_blocks(&self, first: u64, count: u64) -> Result<(), Fault> {
        let end = first.checked_add(count);
        if end.is_some_and(|end| end <= self.superblock.blocks) {
            return Ok(());
        }
        Err(Fault::damaged(format!(
            "block {first} and {count} on, of {} that there are",
            self.superblock.blocks
        )))
    }

    /// Reads inode `number`.
    pub fn inode(&self, number: u64) -> Result<Inode, Fault> {
        // Numbers of inodes have 32 bits; what has more is none of those that there are.
        let wanted = u32::try_from(number).unwrap_or(0);
        let inode = match self.changes.raw(wanted) {
            Some(raw) => Inode::parse_changed(wanted, raw, &self.superblock),
            None => self.stored_inode(wanted),
        };
        inode.map_err(|fault| fault.within(format_args!("inode {number}")))
    }

    /// Reads inode `number` as it was before all fast commits.
    pub fn stored_inode(&self, number: u32) -> Result<Inode, Fault> {
        let (block, range) = self.inode_place(number)?;
        Inode::parse(number, block.get(range).unwrap_or_default(), &self.superblock)
    }

    /// Where the bytes of inode `number` lie: a block and a range of it.
    pub fn inode_place(&self, number: u32) -> Result<(Block, Range<usize>), Fault> {
        let superblock = &self.superblock;
        let index = number.checked_sub(1).filter(|_| number <= superblock.inodes);
        let Some(index) = index.map(u64::from) else {
            return Err(Fault::damaged(format!("of {} that there are", superblock.inodes)));
        };
        let per_group = u64::from(superblock.inodes_per_group);
        let group = index.checked_div(per_group).unwrap_or(0);
        let size = u64::from(superblock.inode_size);
        let offset = index.checked_rem(per_group).unwrap_or(0).saturating_mul(size);
        let block_size = u64::from(superblock.block_size);
        let table = self.inode_table(group)?;
        let block =
            self.block(table.saturating_add(offset.checked_div(block_size).unwrap_or(0)))?;
        let within = to_usize(offset.checked_rem(block_size).unwrap_or(0))?;
        let length = usize::from(superblock.inode_size);
        slice(&block, within, length)?;
        Ok((block, within..within.saturating_add(length)))
    }

    /// The first block of a group's inode table.
    fn inode_table(&self, group: u64) -> Result<u64, Fault> {
        let superblock = &self.superblock;
        let size = u64::from(superblock.descriptor_size);
        let per_block = u64::from(superblock.block_size).checked_div(size).unwrap_or(1);
        let index = group.checked_div(per_block).unwrap_or(0);
        let block = self.block(self.descriptor_block(index, per_block))?;
        let within = group.checked_rem(per_block).unwrap_or(0).saturating_mul(size);
        let descriptor = slice(&block, to_usize(within)?, superblock.descriptor_size.into())?;
        let place = || format!("descriptor of group {group}");
        if let Some(seed) = superblock.checksum_seed {
            verify_descriptor(descriptor, group, seed).map_err(|fault| fault.within(place()))?;
        }
        let high = if descriptor.len() >= 64 { le32(descriptor, 0x28)? } else { 0 };
        let table = u64::from(high) << 32 | u64::from(le32(descriptor, 8)?);
        if table == 0 {
            return Err(Fault::damaged("no inode table").within(place()));
        }
        Ok(table)
    }

    /// Where block `index` of the group descriptors lies: together behind the superblock, or,
    /// under `meta_bg`, at the beginning of the groups that it describes.
    fn descriptor_block(&self, index: u64, per_block: u64) -> u64 {
        let superblock = &self.superblock;
        let own = if superblock.block_size == 1024 { 1 } else { 0 };
        let moved =
            superblock.has(incompat::META_BG) && index >= u64::from(superblock.first_meta_group);
        if !moved {
            return index.saturating_add(own).saturating_add(1);
        }
        let group = index.saturating_mul(per_block);
        let mut skipped = u64::from(has_backup(superblock, group));
        if own == 1 && index == 0 && superblock.first_data_block == 0 {
            // Under bigalloc block 0 belongs to group 0, and the superblock is block 1.
            skipped = skipped.saturating_add(1);
        }
        group
            .saturating_mul(superblock.blocks_per_group.into())
            .saturating_add(superblock.first_data_block.into())
            .saturating_add(skipped)
    }
}

/// Whether a group begins with the superblock or a backup of it.
fn has_backup(superblock: &Superblock, group: u64) -> bool {
    if group == 0 {
        return true;
    }
    if let Some(groups) = superblock.backup_groups {
        return groups.iter().any(|backup| u64::from(*backup) == group);
    }
    if group == 1 || superblock.ro_compat & ro_compat::SPARSE_SUPER == 0 {
        return true;
    }
    [3_u64, 5, 7].into_iter().any(|base| {
        let mut power = base;
        while power < group {
            power = power.saturating_mul(base);
        }
        power == group
    })
}

fn verify_descriptor(descriptor: &[u8], group: u64, seed: u32) -> Result<(), Fault> {
    let number = u32::try_from(group).unwrap_or(u32::MAX);
    let mut computed = crc32c(seed, &number.to_le_bytes());
    computed = crc32c(computed, slice(descriptor, 0, 0x1e)?);
    computed = crc32c(computed, &[0; 2]);
    computed = crc32c(computed, descriptor.get(0x20..).unwrap_or_default()) & 0xffff;
    let stored = le16(descriptor, 0x1e)?;
    if u32::from(stored) == computed {
        return Ok(());
    }
    Err(Fault::damaged(format!("its checksum is {stored:#x}, its bytes have {computed:#x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_lie_in_powers_of_3_5_and_7() {
        let mut bytes = vec![0; superblock::LENGTH];
        let fields = [(0, 16), (4, 64), (0x14, 1), (0x20, 8192), (0x28, 16), (0x4c, 1)];
        for (at, value) in fields.into_iter().chain([(0x58, 128), (0x64, 1), (0x38, 0xef53)]) {
            bytes[at..][..4].copy_from_slice(&u32::to_le_bytes(value));
        }
        let superblock = Superblock::parse(&bytes).unwrap();
        let groups: Vec<u64> = (0..130).filter(|group| has_backup(&superblock, *group)).collect();
        assert_eq!(groups, [0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125]);
    }
}
