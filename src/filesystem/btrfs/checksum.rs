//! The four checksums that btrfs knows, over blocks of trees, superblocks and sectors of data.

use super::blake2::blake2b_256;
use super::xxhash::xxh64;
use crate::model::Fault;
use sha2::{Digest, Sha256};

/// As many bytes are kept for any checksum in a block's header.
pub const FIELD: usize = 32;

/// How checksums are computed; `csum_type` of the superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// CRC-32C.
    Crc32c,
    /// XXH64 with the seed 0.
    XxHash,
    /// SHA-256.
    Sha256,
    /// BLAKE2b with 256 bits.
    Blake2b,
}

impl Checksum {
    /// By the number in the superblock.
    pub fn from_number(number: u16) -> Result<Self, Fault> {
        Ok(match number {
            0 => Self::Crc32c,
            1 => Self::XxHash,
            2 => Self::Sha256,
            3 => Self::Blake2b,
            _ => return Err(Fault::unsupported(format!("checksums of type {number}"))),
        })
    }

    /// Bytes of one.
    pub const fn length(self) -> usize {
        match self {
            Self::Crc32c => 4,
            Self::XxHash => 8,
            Self::Sha256 | Self::Blake2b => FIELD,
        }
    }

    /// Computes it; behind its length are zeros.
    pub fn compute(self, bytes: &[u8]) -> [u8; FIELD] {
        let mut field = [0; FIELD];
        let mut put = |sum: &[u8]| {
            for (to, from) in field.iter_mut().zip(sum) {
                *to = *from;
            }
        };
        match self {
            Self::Crc32c => put(&crc32c::crc32c(bytes).to_le_bytes()),
            Self::XxHash => put(&xxh64(bytes).to_le_bytes()),
            Self::Sha256 => put(&Sha256::digest(bytes)),
            Self::Blake2b => put(&blake2b_256(bytes)),
        }
        field
    }

    /// Whether the bytes have the stored checksum, of which only the length of ours counts.
    pub fn fits(self, stored: &[u8], bytes: &[u8]) -> bool {
        let computed = self.compute(bytes);
        stored.get(..self.length()).is_some_and(|stored| computed.starts_with(stored))
    }

    /// Like [`Self::fits`], as a fault.
    pub fn verify(self, stored: &[u8], bytes: &[u8]) -> Result<(), Fault> {
        match self.fits(stored, bytes) {
            true => Ok(()),
            false => Err(Fault::damaged("its bytes do not have its checksum")),
        }
    }
}

/// What orders the names of a directory.
pub fn name_hash(name: &[u8]) -> u64 {
    // The CRC begins with !1 and is not inverted at its end.
    u64::from(!crc32c::crc32c_append(1, name))
}

/// What orders the references of an inode that have items of their own.
pub fn reference_hash(directory: u64, name: &[u8]) -> u64 {
    let [a, b, c, d, ..] = directory.to_le_bytes();
    u64::from(!crc32c::crc32c_append(!u32::from_le_bytes([a, b, c, d]), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // What mkfs.btrfs writes as the key of the name "default".
        assert_eq!(name_hash(b"default"), 0x8dbf_c2d2);
        let check = |kind: Checksum, expected: &[u8]| {
            assert_eq!(kind.compute(b"123456789")[..4], *expected);
            assert!(kind.fits(&kind.compute(b"x"), b"x") && !kind.fits(&[1; 32], b"x"));
        };
        check(Checksum::Crc32c, &0xe306_9283_u32.to_le_bytes());
        check(Checksum::Sha256, &[0x15, 0xe2, 0xb0, 0xd3]);
        assert!(Checksum::from_number(4).is_err());
    }
}
