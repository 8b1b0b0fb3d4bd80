//! The superblock: the first sector of the device, from which everything else is found.
//!
//! Follows `xfs_sb` in `fs/xfs/libxfs/xfs_format.h` of Linux and chapter 14 of the "XFS Algorithms
//! & Data Structures" book. Refuses incompatible features that are not known; read-only-compatible
//! features do not matter, because nothing is written.

use super::checksum;
use crate::filesystem::bytes::{array, be16, be32, be64, byte, slice};
use crate::model::Fault;

/// The largest sector.
pub const MAX_LENGTH: usize = 32 << 10;
/// Fields of every version lie in it.
const MIN_LENGTH: usize = 512;
const MAGIC: u32 = 0x5846_5342;
const CRC_AT: usize = 224;

/// `sb_versionnum` of version 4.
mod version {
    /// The number in the low bits.
    pub const NUMBER: u16 = 0xf;
    /// The log has records of version 2.
    pub const DIRECTORY_2: u16 = 0x2000;
    /// Names are compared without case (ASCII).
    pub const ASCII_CI: u16 = 0x4000;
    /// `sb_features2` counts.
    pub const MORE: u16 = 0x8000;
    /// In `sb_features2`: directories tell the kind of each entry.
    pub const FTYPE: u32 = 0x200;
}

/// `sb_features_incompat` of version 5.
pub mod incompat {
    /// Directories tell the kind of each entry.
    pub const FTYPE: u32 = 0x1;
    /// Blocks bear another UUID than the file system.
    pub const META_UUID: u32 = 0x4;
    /// Times are nanoseconds since 1901.
    pub const BIGTIME: u32 = 0x8;
    /// `xfs_repair` must run before the next mount.
    pub const NEEDS_REPAIR: u32 = 0x10;

    /// What is read: those above, sparse inode chunks, 64-bit counts of extents, exchanged
    /// ranges, parent pointers, a tree of metadata, zones and gaps between them.
    pub const SUPPORTED: u32 = 0x7ff;
}

/// What the superblock says, checked as far as one sector can be.
#[derive(Clone, Debug)]
pub struct Superblock {
    /// Bytes of a block, a power of two from 512 to 65536.
    pub block_size: u32,
    /// Its logarithm.
    pub block_log: u8,
    /// Blocks of the data device.
    pub blocks: u64,
    /// As `blkid` and `fstab` name it.
    pub uuid: [u8; 16],
    /// What blocks of metadata bear.
    pub meta_uuid: [u8; 16],
    /// The label, without the zeros at its end.
    pub label: Vec<u8>,
    /// Block (as files count them, see `Geometry`) of the log; 0: on another device.
    pub log_start: u64,
    /// Blocks of the log.
    pub log_blocks: u32,
    /// Inode of the top directory.
    pub root: u64,
    /// Blocks of an allocation group; the last may have fewer.
    pub group_blocks: u32,
    /// Allocation groups.
    pub groups: u32,
    /// Low bits of a block number that count inside of its group.
    pub group_log: u8,
    /// Bytes of an inode, a power of two from 256 to 2048.
    pub inode_size: u16,
    /// Low bits of an inode number that count inside of its block.
    pub inodes_log: u8,
    /// Logarithm of the blocks of a directory block.
    pub directory_log: u8,
    /// Version 5: metadata describes itself and has checksums.
    pub has_checksums: bool,
    /// Directories tell the kind of each entry.
    pub has_kinds: bool,
    /// Names are hashed without case.
    pub folds_case: bool,
    /// See [`incompat`]; 0 in version 4.
    pub incompat: u32,
}

impl Superblock {
    /// Whether these bytes claim to be one of ours, and nothing more.
    pub fn is_one(bytes: &[u8]) -> bool {
        be32(bytes, 0).is_ok_and(|magic| magic == MAGIC)
    }

    /// Bytes of the sector that it fills, of its own first 512 bytes.
    pub fn sector_length(bytes: &[u8]) -> Result<usize, Fault> {
        let length = usize::from(be16(bytes, 102)?);
        if !length.is_power_of_two() || !(MIN_LENGTH..=MAX_LENGTH).contains(&length) {
            return Err(Fault::damaged(format!("superblock: sectors of {length} bytes")));
        }
        Ok(length)
    }

    /// Reads the sector.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        if !Self::is_one(bytes) {
            return Err(Fault::damaged("no XFS superblock: the magic number is missing"));
        }
        let flags = be16(bytes, 100)?;
        let number = flags & version::NUMBER;
        if !matches!(number, 4 | 5) || flags & version::DIRECTORY_2 == 0 {
            return Err(Fault::unsupported(format!("XFS of version {number} ({flags:#x})")));
        }
        let has_checksums = number == 5;
        let incompat = if has_checksums { be32(bytes, 216)? } else { 0 };
        let unknown = incompat & !incompat::SUPPORTED;
        if unknown != 0 {
            return Err(Fault::unsupported(format!("XFS with the features {unknown:#x}")));
        }
        if has_checksums {
            checksum::verify(bytes, CRC_AT).map_err(|fault| fault.within("superblock"))?;
        }
        let features2 = match flags & version::MORE {
            0 => 0,
            // Some kernels wrote it eight bytes too far.
            _ => be32(bytes, 200)? | be32(bytes, 204)?,
        };
        let uuid = array(bytes, 32)?;
        let has = |bit| incompat & bit != 0;
        let label = slice(bytes, 108, 12)?;
        let label_length = label.iter().position(|byte| *byte == 0).unwrap_or(label.len());
        let superblock = Self {
            block_size: be32(bytes, 4)?,
            block_log: byte(bytes, 120)?,
            blocks: be64(bytes, 8)?,
            uuid,
            meta_uuid: if has(incompat::META_UUID) { array(bytes, 248)? } else { uuid },
            label: label.get(..label_length).unwrap_or_default().to_vec(),
            log_start: be64(bytes, 48)?,
            log_blocks: be32(bytes, 96)?,
            root: be64(bytes, 56)?,
            group_blocks: be32(bytes, 84)?,
            groups: be32(bytes, 88)?,
            group_log: byte(bytes, 124)?,
            inode_size: be16(bytes, 104)?,
            inodes_log: byte(bytes, 123)?,
            directory_log: byte(bytes, 192)?,
            has_checksums,
            has_kinds: has(incompat::FTYPE) || (!has_checksums && features2 & version::FTYPE != 0),
            folds_case: flags & version::ASCII_CI != 0,
            incompat,
        };
        superblock.check(byte(bytes, 126)?)?;
        Ok(superblock)
    }

    /// Whether the numbers fit each other.
    fn check(&self, in_progress: u8) -> Result<(), Fault> {
        let damaged = |detail: String| Err(Fault::damaged(detail).within("superblock"));
        let (block, inode) = (self.block_size, self.inode_size);
        if !(9..=16).contains(&self.block_log) || block != 1 << self.block_log {
            return damaged(format!("blocks of {block} bytes, 2^{}", self.block_log));
        }
        let per_block = block.checked_div(inode.into()).unwrap_or(0);
        if !inode.is_power_of_two()
            || !(256..=2048).contains(&inode)
            || self.inodes_log > 8
            || per_block != 1 << self.inodes_log
        {
            return damaged(format!("inodes of {inode} bytes, 2^{} a block", self.inodes_log));
        }
        if self.block_log.saturating_add(self.directory_log) > 16 {
            return damaged(format!("directory blocks of 2^{} blocks", self.directory_log));
        }
        let whole = u64::from(self.groups).saturating_mul(self.group_blocks.into());
        let fits = self.group_log < 32
            && u64::from(self.group_blocks) <= 1 << self.group_log
            && self.blocks <= whole
            && whole.saturating_sub(self.blocks) < self.group_blocks.into();
        if !fits {
            let (groups, blocks) = (self.groups, self.group_blocks);
            return damaged(format!("{} blocks in {groups} groups of {blocks}", self.blocks));
        }
        if in_progress != 0 {
            return damaged("mkfs.xfs did not finish it".to_owned());
        }
        Ok(())
    }

    /// A block as files count them (group and block in it) as a block of the device; the blocks
    /// from there on must lie in one group.
    pub fn device_block(&self, block: u64, count: u64) -> Result<u64, Fault> {
        let group = block.checked_shr(self.group_log.into()).unwrap_or(0);
        let within = block & (1_u64 << self.group_log).saturating_sub(1);
        let first = group.saturating_mul(self.group_blocks.into());
        let of_group = self.blocks.saturating_sub(first).min(self.group_blocks.into());
        if within.checked_add(count).is_none_or(|end| end > of_group) {
            return Err(Fault::damaged(format!(
                "block {within} of group {group} and {count} on, of {of_group} that there are"
            )));
        }
        Ok(first.saturating_add(within))
    }

    /// Where an inode lies: a block of the device and a byte in it.
    pub fn inode_place(&self, number: u64) -> Result<(u64, u64), Fault> {
        let block =
            self.device_block(number.checked_shr(self.inodes_log.into()).unwrap_or(0), 1)?;
        let index = number & (1_u64 << self.inodes_log).saturating_sub(1);
        Ok((block, index.saturating_mul(self.inode_size.into())))
    }

    /// Bytes of a directory block.
    pub const fn directory_size(&self) -> u64 {
        (self.block_size as u64) << self.directory_log
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A superblock of version 4: 1000 blocks of 4096 bytes in groups of 600, inodes of 512.
    pub(in super::super) fn bytes() -> Vec<u8> {
        let mut bytes = vec![0; 512];
        let mut put = |at: usize, value: u64, length: usize| {
            bytes[at..at + length].copy_from_slice(&value.to_be_bytes()[8 - length..]);
        };
        for (at, value, length) in [
            (0, MAGIC.into(), 4),
            (4, 4096, 4),
            (8, 1000, 8),
            (56, 64, 8),
            (84, 600, 4),
            (88, 2, 4),
            (100, 0xa004, 2),
            (102, 512, 2),
            (104, 512, 2),
            (120, 12, 1),
            (123, 3, 1),
            (124, 10, 1),
            (200, 0x200, 4),
        ] {
            put(at, value, length);
        }
        bytes
    }

    #[test]
    fn numbers_must_fit_each_other() {
        let check = |at: usize, value: &[u8], expected: &str| {
            let mut bytes = bytes();
            bytes[at..at + value.len()].copy_from_slice(value);
            let fault = Superblock::parse(&bytes).err().map(|fault| fault.to_string());
            assert_eq!(fault.unwrap_or_default(), expected);
        };
        check(0, b"X", "");
        check(0, b"Y", "no XFS superblock: the magic number is missing");
        check(101, &[3], "XFS of version 3 (0xa003)");
        check(120, &[13], "superblock: blocks of 4096 bytes, 2^13");
        check(123, &[4], "superblock: inodes of 512 bytes, 2^4 a block");
        check(192, &[5], "superblock: directory blocks of 2^5 blocks");
        check(91, &[3], "superblock: 1000 blocks in 3 groups of 600");
        check(126, &[1], "superblock: mkfs.xfs did not finish it");
        check(101, &[5], "superblock: its checksum is 0x0, its bytes have 0xcb11ed89");
    }

    #[test]
    fn places_are_arithmetic() {
        let superblock = Superblock::parse(&bytes()).unwrap();
        assert!(superblock.has_kinds && !superblock.has_checksums && !superblock.folds_case);
        let check = |block: u64, count: u64, expected: Option<u64>| {
            assert_eq!(superblock.device_block(block, count).ok(), expected, "{block}");
        };
        check(599, 1, Some(599));
        check(599, 2, None);
        check(1024, 400, Some(600));
        check(1024, 401, None);
        check(2048, 1, None);
        check(u64::MAX, u64::MAX, None);
        assert_eq!(superblock.inode_place(1024 * 8 + 67).unwrap(), (608, 3 * 512));
    }
}
