//! The superblock, and which of its copies counts.
//!
//! Features that change what is read are refused where they are not known; those that only change
//! what a writer must do are passed over.

use super::checksum::{Checksum, FIELD};
use super::node::{NodeFormat, Pointer};
use super::tree::Tree;
use crate::block::BlockDevice;
use crate::filesystem::bytes::{array, byte, le16, le32, le64, slice, to_usize};
use crate::model::Fault;

/// Bytes of a superblock.
pub const LENGTH: usize = 4096;
/// Where copies lie, as far as the device reaches.
pub const OFFSETS: [u64; 3] = [64 << 10, 64 << 20, 256 << 30];
const MAGIC: &[u8; 8] = b"_BHRfS_M";
/// Bytes for the chunks that the chunk tree lies in.
const SYSTEM_CHUNKS: usize = 2048;
/// The largest block of a tree, and the largest sector (`BTRFS_MAX_METADATA_BLOCKSIZE`).
const MAX_SIZE: u32 = 64 << 10;

/// `incompat_flags` that are known: mixed references, default subvolume, mixed groups, lzo, zstd,
/// large blocks, extended references, RAID5/6, skinny references, no holes, metadata UUID,
/// RAID1C3/4, simple quotas.
const KNOWN_INCOMPAT: u64 = 0x1_0fff;
const METADATA_UUID: u64 = 0x400;
const UNKNOWN_NAMES: [(u64, &str); 3] =
    [(0x1000, "zoned"), (0x2000, "extent tree v2"), (0x4000, "RAID stripe tree")];

/// What the superblock says.
#[derive(Clone, Debug)]
pub struct Superblock {
    /// As `blkid` and `fstab` name it.
    pub uuid: [u8; 16],
    /// Empty where there is none.
    pub label: Vec<u8>,
    /// The last transaction.
    pub generation: u64,
    /// The tree of trees.
    pub root: Tree,
    /// The tree of chunks.
    pub chunk_root: Tree,
    /// The tree of the logs of what was fsynced after the last transaction.
    pub log_root: Option<Tree>,
    /// The directory in the tree of trees that names the default subvolume.
    pub root_directory: u64,
    /// Devices that the file system has.
    pub devices: u64,
    /// Which of them this is.
    pub device: u64,
    /// Bytes of the unit of data.
    pub sector: usize,
    /// What blocks of trees have in common.
    pub format: NodeFormat,
    /// Chunks that the chunk tree lies in, still packed.
    pub system_chunks: Vec<u8>,
}

impl Superblock {
    /// Whether the bytes begin as one: the magic number alone.
    pub fn is_one(bytes: &[u8]) -> bool {
        slice(bytes, 0x40, MAGIC.len()).is_ok_and(|magic| magic == MAGIC)
    }

    /// The first copy, or, where that is damaged, the newest of the others.
    pub fn read(device: &dyn BlockDevice) -> Result<Self, Fault> {
        let copy = |offset: u64| -> Result<Self, Fault> {
            let mut bytes = vec![0; LENGTH];
            device.read_at(offset, &mut bytes)?;
            Self::parse(&bytes, offset).map_err(|fault| fault.within("superblock"))
        };
        let [first, others @ ..] = OFFSETS;
        copy(first).or_else(|fault| {
            let copies = others.into_iter().filter_map(|offset| copy(offset).ok());
            copies.max_by_key(|copy| copy.generation).ok_or(fault)
        })
    }

    /// Reads the bytes that lie at an offset of the device.
    pub fn parse(bytes: &[u8], offset: u64) -> Result<Self, Fault> {
        if !Self::is_one(bytes) {
            return Err(Fault::damaged("no magic number of btrfs"));
        }
        let checksum = Checksum::from_number(le16(bytes, 0xc4)?)?;
        let body = slice(bytes, FIELD, LENGTH.saturating_sub(FIELD))?;
        checksum.verify(slice(bytes, 0, FIELD)?, body)?;
        if le64(bytes, 0x30)? != offset {
            return Err(Fault::damaged("it belongs elsewhere"));
        }
        let incompat = le64(bytes, 0xbc)?;
        check_features(incompat)?;
        let (sector, node) = (le32(bytes, 0x90)?, le32(bytes, 0x94)?);
        let is_size = |size: u32| size.is_power_of_two() && (512..=MAX_SIZE).contains(&size);
        if !is_size(sector) || !is_size(node) || node < sector || node < 4096 {
            return Err(Fault::damaged(format!("sectors of {sector}, blocks of {node} bytes")));
        }
        let uuid = array(bytes, 0x20)?;
        let fsid = if incompat & METADATA_UUID != 0 { array(bytes, 0x23b)? } else { uuid };
        let generation = le64(bytes, 0x48)?;
        let pointer = |at: usize, level_at: usize, generation: u64| -> Result<Pointer, Fault> {
            let (logical, level) = (le64(bytes, at)?, byte(bytes, level_at)?);
            Ok(Pointer { logical, level, generation, first: None, bound: None })
        };
        // Written in the transaction that did not come to its end.
        let log_root = pointer(0x60, 0xc8, generation.saturating_add(1))?;
        let system_length = to_usize(le32(bytes, 0xa0)?)?;
        if system_length > SYSTEM_CHUNKS {
            return Err(Fault::damaged(format!("system chunks of {system_length} bytes")));
        }
        let label = slice(bytes, 0x12b, 256)?.split(|b| *b == 0).next().unwrap_or_default();
        Ok(Self {
            uuid,
            label: label.to_vec(),
            generation,
            root: pointer(0x50, 0xc6, generation)?.into(),
            chunk_root: pointer(0x58, 0xc7, le64(bytes, 0xa4)?)?.into(),
            log_root: (log_root.logical != 0).then(|| log_root.into()),
            root_directory: le64(bytes, 0x80)?,
            devices: le64(bytes, 0x88)?,
            device: le64(bytes, 0xc9)?,
            sector: to_usize(sector)?,
            format: NodeFormat { size: to_usize(node)?, checksum, fsid },
            system_chunks: slice(bytes, 0x32b, system_length)?.to_vec(),
        })
    }
}

fn check_features(incompat: u64) -> Result<(), Fault> {
    let unknown = incompat & !KNOWN_INCOMPAT;
    if unknown == 0 {
        return Ok(());
    }
    let names: Vec<&str> =
        UNKNOWN_NAMES.iter().filter(|(flag, _)| unknown & flag != 0).map(|(_, n)| *n).collect();
    Err(Fault::unsupported(match names.is_empty() {
        true => format!("features {unknown:#x}"),
        false => format!("features {unknown:#x} ({})", names.join(", ")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::MemoryDevice;

    fn image(offset: u64, generation: u8, incompat: u16) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH];
        bytes[0x30..0x38].copy_from_slice(&offset.to_le_bytes());
        bytes[0x40..0x48].copy_from_slice(MAGIC);
        bytes[0x48] = generation;
        bytes[0x90..0x94].copy_from_slice(&4096_u32.to_le_bytes());
        bytes[0x94..0x98].copy_from_slice(&16_384_u32.to_le_bytes());
        bytes[0xbc..0xbe].copy_from_slice(&incompat.to_le_bytes());
        bytes[0x12b..0x12f].copy_from_slice(b"root");
        let sum = crc32c::crc32c(&bytes[FIELD..]);
        bytes[..4].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    #[test]
    fn features_and_places_are_checked() {
        let check = |bytes: &[u8], offset: u64, expected: &str| {
            let shown = match Superblock::parse(bytes, offset) {
                Ok(found) => String::from_utf8(found.label).unwrap(),
                Err(fault) => fault.to_string(),
            };
            assert_eq!(shown, expected);
        };
        check(&image(65_536, 1, 0x3ff), 65_536, "root");
        check(&image(65_536, 1, 0x1000), 65_536, "features 0x1000 (zoned)");
        check(&image(65_536, 1, 0), 1 << 26, "it belongs elsewhere");
        check(&[0; LENGTH], 65_536, "no magic number of btrfs");
        let mut flipped = image(65_536, 1, 0);
        flipped[0x50] = 1;
        check(&flipped, 65_536, "its bytes do not have its checksum");
    }

    #[test]
    fn a_copy_stands_in() {
        let mut bytes = vec![0; (64 << 20) + LENGTH];
        bytes[64 << 20..].copy_from_slice(&image(64 << 20, 7, 0));
        assert_eq!(Superblock::read(&MemoryDevice::new(bytes)).unwrap().generation, 7);
    }
}
