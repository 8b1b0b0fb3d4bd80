//! The superblock: 96 bytes at the start.

use crate::filesystem::bytes::{le16, le32, le64};
use crate::filesystem::unpack::Codec;
use crate::model::Fault;

/// Bytes of it.
pub const LENGTH: usize = 96;
const MAGIC: &[u8] = b"hsqs";
/// The format allows blocks from 4 KiB to 1 MiB.
const BLOCK_LOGS: std::ops::RangeInclusive<u16> = 12..=20;
/// Among the flags: whoever made it was told to leave extended attributes away.
const NO_XATTRS: u16 = 1 << 9;
/// Where a table is said to lie that there is none of.
pub const NONE: u64 = u64::MAX;

/// What the superblock says.
#[derive(Clone, Debug)]
pub struct Superblock {
    /// Of data blocks and fragments.
    pub block_size: u32,
    /// How blocks are compressed.
    pub codec: Codec,
    /// Where the root's inode lies.
    pub root: u64,
    /// Bytes in use.
    pub bytes_used: u64,
    /// How many fragments, and users and groups there are.
    pub fragments: u32,
    /// Users and groups.
    pub ids: u16,
    /// Where tables lie; [`NONE`] where there is none.
    pub id_table: u64,
    /// Whether extended attributes were stored where files had any.
    pub has_xattrs: bool,
    /// Extended attributes.
    pub xattr_table: u64,
    /// Inodes.
    pub inode_table: u64,
    /// Directories.
    pub directory_table: u64,
    /// Fragments.
    pub fragment_table: u64,
}

impl Superblock {
    /// Whether the bytes begin as those of squashfs.
    pub fn is_one(raw: &[u8]) -> bool {
        raw.starts_with(MAGIC)
    }

    /// Reads it.
    pub fn parse(raw: &[u8]) -> Result<Self, Fault> {
        if !Self::is_one(raw) {
            return Err(Fault::damaged("no squashfs"));
        }
        let version = (le16(raw, 28)?, le16(raw, 30)?);
        if version != (4, 0) {
            let (major, minor) = version;
            return Err(Fault::unsupported(format!("squashfs {major}.{minor}")));
        }
        let (block_size, log) = (le32(raw, 12)?, le16(raw, 22)?);
        if !BLOCK_LOGS.contains(&log) || block_size != 1 << log {
            return Err(Fault::damaged(format!("blocks of {block_size} bytes, {log} bits")));
        }
        let codec = match le16(raw, 20)? {
            1 => Codec::Zlib,
            2 => Codec::Lzma,
            3 => Codec::Lzo,
            4 => Codec::Xz,
            5 => Codec::Lz4,
            6 => Codec::Zstd,
            other => return Err(Fault::unsupported(format!("squashfs with compressor {other}"))),
        };
        Ok(Self {
            block_size,
            codec,
            root: le64(raw, 32)?,
            bytes_used: le64(raw, 40)?,
            fragments: le32(raw, 16)?,
            ids: le16(raw, 26)?,
            id_table: le64(raw, 48)?,
            has_xattrs: le16(raw, 24)? & NO_XATTRS == 0,
            xattr_table: le64(raw, 56)?,
            inode_table: le64(raw, 64)?,
            directory_table: le64(raw, 72)?,
            fragment_table: le64(raw, 80)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_named() {
        let mut raw = vec![0; LENGTH];
        raw[..4].copy_from_slice(MAGIC);
        raw[12..16].copy_from_slice(&(1_u32 << 17).to_le_bytes());
        (raw[20], raw[22], raw[28]) = (4, 17, 4);
        assert_eq!(Superblock::parse(&raw).unwrap().codec, Codec::Xz);
        let check = |at: usize, value: u8, expected: &str| {
            let mut raw = raw.clone();
            raw[at] = value;
            assert_eq!(Superblock::parse(&raw).unwrap_err().to_string(), expected);
        };
        check(28, 3, "squashfs 3.0");
        check(20, 9, "squashfs with compressor 9");
        check(22, 21, "blocks of 131072 bytes, 21 bits");
        check(0, 0, "no squashfs");
    }
}
