//! The superblock: 128 bytes at 1024.

use crate::filesystem::bytes::{array, byte, le16, le32, le64, slice};
use crate::model::{Fault, Timestamp};

/// Where it lies.
pub const OFFSET: u64 = 1024;
/// Bytes of it.
pub const LENGTH: usize = 128;
const MAGIC: u32 = 0xe0f5_e1e2;

/// `feature_incompat`; several bits have two meanings that came with the same release.
pub mod incompat {
    /// Compressed data ends where its blocks end.
    pub const ZERO_PADDING: u32 = 1;
    /// Parts of files lie in the inode of all ends.
    pub const FRAGMENTS: u32 = 0x20;
    /// All that this reader knows.
    pub const KNOWN: u32 = 0x7f;
}

/// What the superblock says.
#[derive(Clone, Debug)]
pub struct Superblock {
    /// Bits of a block's size, 9 to 16.
    pub block_bits: u8,
    /// See [`incompat`].
    pub incompat: u32,
    /// Where inodes are counted from, in bytes.
    pub inodes: u64,
    /// Where shared attributes are counted from, in bytes.
    pub shared_xattrs: u64,
    /// The root's number.
    pub root: u64,
    /// The number of the inode of all ends; 0 where there is none.
    pub packed: u64,
    /// How many long prefixes of attributes there are, and where.
    pub prefixes: (u8, u64),
    /// What short inodes have as their time.
    pub built: Timestamp,
    /// As `blkid` reads it.
    pub uuid: [u8; 16],
    /// Without padding.
    pub label: Vec<u8>,
}

impl Superblock {
    /// Whether the bytes begin as those of EROFS.
    pub fn is_one(raw: &[u8]) -> bool {
        le32(raw, 0).is_ok_and(|magic| magic == MAGIC)
    }

    /// Reads it.
    pub fn parse(raw: &[u8]) -> Result<Self, Fault> {
        if !Self::is_one(raw) {
            return Err(Fault::damaged("no EROFS"));
        }
        let block_bits = byte(raw, 12)?;
        if !(9..=16).contains(&block_bits) {
            return Err(Fault::damaged(format!("blocks of {block_bits} bits")));
        }
        let incompat = le32(raw, 80)?;
        let unknown = incompat & !incompat::KNOWN;
        if unknown != 0 || byte(raw, 90)? != 0 {
            return Err(Fault::unsupported(format!("EROFS with the features {unknown:#x}")));
        }
        let nanoseconds = le32(raw, 32)?;
        let seconds = i64::try_from(le64(raw, 24)?);
        let built = seconds
            .ok()
            .filter(|_| nanoseconds < 1_000_000_000)
            .map(|seconds| Timestamp { seconds, nanoseconds })
            .ok_or_else(|| Fault::damaged("the time at which it was built"))?;
        let label = slice(raw, 64, 16)?.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Self {
            block_bits,
            incompat,
            inodes: u64::from(le32(raw, 40)?) << block_bits,
            shared_xattrs: u64::from(le32(raw, 44)?) << block_bits,
            root: le16(raw, 14)?.into(),
            packed: le64(raw, 96)?,
            prefixes: (byte(raw, 91)?, u64::from(le32(raw, 92)?) << 2),
            built,
            uuid: array(raw, 48)?,
            label: label.to_vec(),
        })
    }

    /// Whether a feature is set.
    pub const fn has(&self, feature: u32) -> bool {
        self.incompat & feature != 0
    }

    /// Bytes of a block.
    pub const fn block_size(&self) -> u64 {
        1 << self.block_bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_named() {
        let mut raw = vec![0; LENGTH];
        raw[..4].copy_from_slice(&MAGIC.to_le_bytes());
        (raw[12], raw[14], raw[40]) = (12, 36, 2);
        raw[64..68].copy_from_slice(b"name");
        let found = Superblock::parse(&raw).unwrap();
        assert_eq!((found.root, found.inodes, found.label.as_slice()), (36, 8192, &b"name"[..]));
        let check = |at: usize, value: u8, expected: &str| {
            let mut raw = raw.clone();
            raw[at] = value;
            assert_eq!(Superblock::parse(&raw).unwrap_err().to_string(), expected);
        };
        check(12, 30, "blocks of 30 bits");
        check(81, 1, "EROFS with the features 0x100");
        check(0, 0, "no EROFS");
    }
}
