//! The superblock: 1024 bytes at offset 1024, from which everything else is found.
//!
//! Follows `Documentation/filesystems/ext4/super.rst` and `fs/ext4/ext4.h` of Linux. Refuses
//! features that would make what follows mean something else; read-only-compatible features that
//! are not known do not matter, because nothing is written.

use super::checksum::crc32c;
use crate::filesystem::bytes::{array, byte, le16, le32};
use crate::model::Fault;

/// Where it lies on the device.
pub const OFFSET: u64 = 1024;
/// How long it is.
pub const LENGTH: usize = 1024;

const MAGIC: u16 = 0xef53;
const ROOT_BLOCK_SIZE: u32 = 1024;
/// 64 KiB is the largest block that the format knows.
const MAX_LOG_BLOCK_SIZE: u32 = 6;
const SMALLEST_INODE: u16 = 128;
const SMALL_DESCRIPTOR: u16 = 32;

/// `s_feature_compat`.
pub mod compat {
    /// A journal.
    pub const HAS_JOURNAL: u32 = 0x4;
}

/// `s_feature_incompat`.
pub mod incompat {
    /// The journal holds what is not yet in its place.
    pub const RECOVER: u32 = 0x4;
    /// This is the journal of another file system.
    pub const JOURNAL_DEVICE: u32 = 0x8;
    /// Group descriptors lie beside their groups.
    pub const META_BG: u32 = 0x10;
    /// Files may be mapped by extents.
    pub const EXTENTS: u32 = 0x40;
    /// Block numbers have 64 bits.
    pub const BITS_64: u32 = 0x80;
    /// Values of extended attributes may have inodes of their own.
    pub const EA_INODE: u32 = 0x400;
    /// The checksum seed stands in the superblock.
    pub const CSUM_SEED: u32 = 0x2000;
    /// Directories may be larger than 2 GiB.
    pub const LARGE_DIR: u32 = 0x4000;

    /// What is read; the names of the others, where they have one.
    pub const SUPPORTED: u32 = 0x2
        | RECOVER
        | META_BG
        | EXTENTS
        | BITS_64
        | 0x100
        | 0x200
        | EA_INODE
        | CSUM_SEED
        | LARGE_DIR
        | 0x8000
        | 0x1_0000
        | 0x2_0000;
    /// Names for the message that refuses them.
    pub const REFUSED: &[(u32, &str)] = &[(0x1, "compression"), (0x1000, "dirdata")];
}

/// `s_feature_ro_compat`.
pub mod ro_compat {
    /// Backups of the superblock in groups that are powers of 3, 5 and 7 only.
    pub const SPARSE_SUPER: u32 = 0x1;
    /// `i_blocks` has 48 bits and may count blocks.
    pub const HUGE_FILE: u32 = 0x8;
    /// Several files may share a block (Android).
    pub const SHARED_BLOCKS: u32 = 0x4000;
    /// Blocks are allocated in clusters.
    pub const BIGALLOC: u32 = 0x200;
    /// All metadata has CRC32c checksums.
    pub const METADATA_CSUM: u32 = 0x400;
    /// What only ext4 writes; with one of them it is no ext2 or ext3.
    pub const EXT4_ONLY: u32 = HUGE_FILE | 0x10 | 0x20 | 0x40 | BIGALLOC | METADATA_CSUM;
}

/// What the superblock says, checked as far as one block can be.
#[derive(Clone, Debug)]
pub struct Superblock {
    /// How many inodes there are; the first is number 1.
    pub inodes: u32,
    /// How many blocks.
    pub blocks: u64,
    /// Bytes of a block, a power of two from 1024 to 65536.
    pub block_size: u32,
    /// Bytes that are allocated together, at least a block.
    pub cluster_size: u32,
    /// The block that group 0 begins with: 1 for 1 KiB blocks, else 0.
    pub first_data_block: u32,
    /// Blocks of a group.
    pub blocks_per_group: u32,
    /// Inodes of a group.
    pub inodes_per_group: u32,
    /// The first inode that is not the file system's own.
    pub first_inode: u32,
    /// Bytes of an inode on disk.
    pub inode_size: u16,
    /// Bytes of a group descriptor.
    pub descriptor_size: u16,
    /// See [`compat`].
    pub compat: u32,
    /// See [`incompat`].
    pub incompat: u32,
    /// See [`ro_compat`].
    pub ro_compat: u32,
    /// The file system's UUID, as `blkid` shows it.
    pub uuid: [u8; 16],
    /// The label, without the zeros at its end.
    pub label: Vec<u8>,
    /// The inode of the journal, 0 where it lies on another device.
    pub journal_inode: u32,
    /// The first group of descriptors that `meta_bg` moved.
    pub first_meta_group: u32,
    /// The two groups with backups under `sparse_super2`; `None` without it.
    pub backup_groups: Option<[u32; 2]>,
    /// What all metadata checksums begin with; `None` where there are none.
    pub checksum_seed: Option<u32>,
    /// What hashes of names begin with; zeros for the hash's own beginning.
    pub hash_seed: [u32; 4],
    /// Whether those hashes take bytes as unsigned.
    pub unsigned_hash: bool,
}

impl Superblock {
    /// Whether these bytes claim to be one of ours, and nothing more.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        le16(bytes, 0x38).is_ok_and(|magic| magic == MAGIC)
    }

    /// Reads the 1024 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        if !Self::is_one(bytes) {
            return Err(Fault::damaged("no ext2/3/4 superblock: the magic number is missing"));
        }
        let revision = le32(bytes, 0x4c)?;
        let feature = |at| if revision == 0 { Ok(0) } else { le32(bytes, at) };
        let (compat, incompat, ro_compat) = (feature(0x5c)?, feature(0x60)?, feature(0x64)?);
        refuse_unknown(incompat)?;
        let has = |bit| incompat & bit != 0;
        let log_block_size = le32(bytes, 0x18)?;
        if log_block_size > MAX_LOG_BLOCK_SIZE {
            return Err(Fault::damaged(format!("superblock: blocks of 2^(10+{log_block_size})")));
        }
        let block_size = ROOT_BLOCK_SIZE << log_block_size;
        let high = if has(incompat::BITS_64) { le32(bytes, 0x150)? } else { 0 };
        let uuid = array(bytes, 0x68)?;
        let label: [u8; 16] = array(bytes, 0x78)?;
        let superblock = Self {
            inodes: le32(bytes, 0)?,
            blocks: u64::from(high) << 32 | u64::from(le32(bytes, 4)?),
            block_size,
            cluster_size: cluster_size(bytes, block_size, ro_compat)?,
            first_data_block: le32(bytes, 0x14)?,
            blocks_per_group: le32(bytes, 0x20)?,
            inodes_per_group: le32(bytes, 0x28)?,
            first_inode: if revision == 0 { 11 } else { le32(bytes, 0x54)? },
            inode_size: if revision == 0 { SMALLEST_INODE } else { le16(bytes, 0x58)? },
            descriptor_size: if has(incompat::BITS_64) {
                le16(bytes, 0xfe)?
            } else {
                SMALL_DESCRIPTOR
            },
            compat,
            incompat,
            ro_compat,
            uuid,
            label: label.split(|b| *b == 0).next().unwrap_or_default().to_vec(),
            journal_inode: le32(bytes, 0xe0)?,
            first_meta_group: le32(bytes, 0x104)?,
            backup_groups: (compat & 0x200 != 0)
                .then(|| Ok::<_, Fault>([le32(bytes, 0x24c)?, le32(bytes, 0x250)?]))
                .transpose()?,
            checksum_seed: checksum_seed(bytes, incompat, ro_compat, &uuid)?,
            hash_seed: [
                le32(bytes, 0xec)?,
                le32(bytes, 0xf0)?,
                le32(bytes, 0xf4)?,
                le32(bytes, 0xf8)?,
            ],
            unsigned_hash: le32(bytes, 0x160)? & 2 != 0,
        };
        superblock.check()?;
        Ok(superblock)
    }

    fn check(&self) -> Result<(), Fault> {
        let inode_size = u32::from(self.inode_size);
        let broken = if !inode_size.is_power_of_two()
            || self.inode_size < SMALLEST_INODE
            || inode_size > self.block_size
        {
            format!("inodes of {inode_size} bytes")
        } else if !self.descriptor_size.is_power_of_two()
            || self.descriptor_size < SMALL_DESCRIPTOR
            || u32::from(self.descriptor_size) > self.block_size
        {
            format!("group descriptors of {} bytes", self.descriptor_size)
        } else if self.blocks_per_group == 0 || self.inodes_per_group == 0 {
            "groups of nothing".to_owned()
        } else if self.blocks <= u64::from(self.first_data_block) {
            format!("{} blocks, the first of them {}", self.blocks, self.first_data_block)
        } else {
            return Ok(());
        };
        Err(Fault::damaged(format!("superblock: {broken}")))
    }

    /// Whether an incompatible feature is set.
    #[must_use]
    pub const fn has(&self, incompatible: u32) -> bool {
        self.incompat & incompatible != 0
    }

    /// Whether it has a journal of its own or on another device.
    #[must_use]
    pub const fn has_journal(&self) -> bool {
        self.compat & compat::HAS_JOURNAL != 0
    }

    /// `ext2`, `ext3` or `ext4`, told apart as `blkid` does.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        let beyond_ext3 = self.incompat & !0x16;
        if beyond_ext3 != 0 || self.ro_compat & ro_compat::EXT4_ONLY != 0 {
            "ext4"
        } else if self.has_journal() {
            "ext3"
        } else {
            "ext2"
        }
    }

    /// Bytes of a block as a length in memory.
    #[must_use]
    pub fn block_length(&self) -> usize {
        usize::try_from(self.block_size).unwrap_or(usize::MAX)
    }
}

fn cluster_size(bytes: &[u8], block_size: u32, ro_features: u32) -> Result<u32, Fault> {
    if ro_features & ro_compat::BIGALLOC == 0 {
        return Ok(block_size);
    }
    let log = le32(bytes, 0x1c)?;
    let size = ROOT_BLOCK_SIZE.checked_shl(log).filter(|size| *size >= block_size);
    size.ok_or_else(|| Fault::damaged(format!("superblock: clusters of 2^(10+{log})")))
}

fn refuse_unknown(features: u32) -> Result<(), Fault> {
    if features & incompat::JOURNAL_DEVICE != 0 {
        return Err(Fault::unsupported("this is the external journal of another ext4"));
    }
    let unknown = features & !incompat::SUPPORTED;
    if unknown == 0 {
        return Ok(());
    }
    let known = incompat::REFUSED.iter().filter(|(bit, _)| unknown & bit != 0);
    let names: Vec<&str> = known.map(|(_, name)| *name).collect();
    Err(Fault::unsupported(format!("ext4 features {unknown:#x} {}", names.join(" "))))
}

/// Verifies the superblock's own checksum and finds the seed of all others.
fn checksum_seed(
    bytes: &[u8],
    features: u32,
    ro_features: u32,
    uuid: &[u8],
) -> Result<Option<u32>, Fault> {
    if ro_features & ro_compat::METADATA_CSUM == 0 {
        return Ok(None);
    }
    let kind = byte(bytes, 0x175)?;
    if kind != 1 {
        return Err(Fault::unsupported(format!("ext4 checksums of type {kind}")));
    }
    let stored = le32(bytes, 0x3fc)?;
    let computed = crc32c(u32::MAX, bytes.get(..0x3fc).unwrap_or_default());
    if stored != computed {
        return Err(Fault::damaged(format!(
            "superblock: its checksum is {stored:#010x}, its bytes have {computed:#010x}"
        )));
    }
    if features & incompat::CSUM_SEED != 0 {
        return le32(bytes, 0x270).map(Some);
    }
    Ok(Some(crc32c(u32::MAX, uuid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A superblock as an ext2 of 64 blocks of 1 KiB has it, changed at one place.
    fn sample(at: usize, value: u32) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH];
        let fields = [(0, 16), (4, 64), (0x14, 1), (0x20, 8192), (0x28, 16), (0x4c, 1)];
        for (at, value) in fields.into_iter().chain([(0x54, 11), (0x58, 128), (at, value)]) {
            bytes[at..][..4].copy_from_slice(&u32::to_le_bytes(value));
        }
        bytes[0x38..0x3a].copy_from_slice(&MAGIC.to_le_bytes());
        bytes
    }

    #[test]
    fn absurd_ones_are_refused() {
        let check = |at: usize, value: u32, expected: &str| {
            let outcome = Superblock::parse(&sample(at, value));
            let said = outcome.map_or_else(|fault| fault.to_string(), |s| s.type_name().to_owned());
            assert_eq!(said, expected);
        };
        check(0x78, 0, "ext2");
        check(0x5c, 4, "ext3");
        check(0x60, 0x42, "ext4");
        check(0x18, 7, "superblock: blocks of 2^(10+7)");
        check(0x20, 0, "superblock: groups of nothing");
        check(0x58, 100, "superblock: inodes of 100 bytes");
        check(0x60, 0x1001, "ext4 features 0x1001 compression dirdata");
        check(0x60, 0x8, "this is the external journal of another ext4");
        check(4, 1, "superblock: 1 blocks, the first of them 1");
        check(0x64, 0x400, "ext4 checksums of type 0");
    }

    #[test]
    fn short_bytes_are_damage() {
        for length in [0, 0x38, 0x3a, 0x100, 0x3ff] {
            assert!(Superblock::parse(&sample(0x64, 0x400)[..length]).is_err(), "{length}");
        }
    }
}
