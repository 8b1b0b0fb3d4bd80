//! Checksums and the headers by which metadata of version 5 describes itself.
//!
//! A block that lies where another belongs has a right checksum, but not the right number or
//! owner; both are looked at.

use super::superblock::Superblock;
use crate::filesystem::bytes::{array, be64, slice};
use crate::model::Fault;

/// Where the header of a kind of block has its fields.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    crc: usize,
    /// In sectors of 512 bytes.
    place: usize,
    uuid: usize,
    owner: usize,
}

/// Blocks of a btree (`xfs_btree_block_lhdr`).
pub const BTREE: Header = Header { crc: 64, place: 24, uuid: 40, owner: 56 };
/// Blocks of names (`xfs_dir3_blk_hdr`).
pub const NAMES: Header = Header { crc: 4, place: 8, uuid: 24, owner: 40 };
/// Hash indexes of directories and attributes (`xfs_da3_blkinfo`).
pub const INDEX: Header = Header { crc: 12, place: 16, uuid: 32, owner: 48 };
/// Targets of links and values of attributes (`xfs_dsymlink_hdr`, `xfs_attr3_rmt_hdr`).
pub const REMOTE: Header = Header { crc: 12, place: 40, uuid: 16, owner: 32 };

/// Verifies the CRC-32C that stands at `at`, little endian, over the bytes with zeros there.
pub fn verify(bytes: &[u8], at: usize) -> Result<(), Fault> {
    let stored = u32::from_le_bytes(array(bytes, at)?);
    let computed = crc32c::crc32c(slice(bytes, 0, at)?);
    let computed = crc32c::crc32c_append(computed, &[0; 4]);
    let rest = bytes.get(at.saturating_add(4)..).unwrap_or_default();
    let computed = crc32c::crc32c_append(computed, rest);
    if stored == computed {
        return Ok(());
    }
    Err(Fault::damaged(format!("its checksum is {stored:#x}, its bytes have {computed:#x}")))
}

/// Verifies that a block, which begins with block `number` of the device, is whole, lies where it
/// belongs, and belongs to inode `owner`. Version 4 has nothing to verify.
pub fn verify_block(
    superblock: &Superblock,
    header: Header,
    bytes: &[u8],
    number: u64,
    owner: u64,
) -> Result<(), Fault> {
    if !superblock.has_checksums {
        return Ok(());
    }
    verify(bytes, header.crc)?;
    let place = number.saturating_mul(u64::from(superblock.block_size) / 512);
    let (said_place, said_owner) = (be64(bytes, header.place)?, be64(bytes, header.owner)?);
    if array::<16>(bytes, header.uuid)? != superblock.meta_uuid {
        return Err(Fault::damaged("it is of another file system"));
    }
    if said_place != place || said_owner != owner {
        return Err(Fault::damaged(format!(
            "it belongs to sector {said_place} and inode {said_owner}, \
             not to sector {place} and inode {owner}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_itself_counts_as_zeros() {
        let mut bytes = b"12345\0\0\0\0".to_vec();
        let crc = crc32c::crc32c(&bytes);
        bytes[5..].copy_from_slice(&crc.to_le_bytes());
        assert!(verify(&bytes, 5).is_ok());
        bytes[0] = b'2';
        assert!(verify(&bytes, 5).is_err());
        assert!(verify(&bytes, 6).is_err());
    }
}
