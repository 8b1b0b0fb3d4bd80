//! One inode: `struct btrfs_inode_item`.

use crate::filesystem::bytes::{array, le32, le64};
use crate::model::{DeviceNumber, Fault, FileKind, Timestamp};

/// `BTRFS_INODE_NODATASUM`: the data have no checksums.
const NO_CHECKSUMS: u64 = 1;
/// Bits of the minor number in what the kernel stores.
const MINOR_BITS: u32 = 20;

/// What an inode says.
#[derive(Clone, Copy, Debug)]
pub struct Inode {
    /// What it is.
    pub kind: FileKind,
    /// `st_mode & 07777`.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Hard links.
    pub links: u32,
    /// Last change of the bytes.
    pub mtime: Timestamp,
    /// Last change of the inode.
    pub ctime: Timestamp,
    /// The number of a device node.
    pub device: Option<DeviceNumber>,
    /// Whether its data have checksums.
    pub has_checksums: bool,
}

impl Inode {
    /// Reads an item.
    pub fn parse(item: &[u8]) -> Result<Self, Fault> {
        let mode = le32(item, 52)?;
        let kind = FileKind::from_mode(mode)
            .ok_or_else(|| Fault::damaged(format!("mode {mode:o} is of no kind")))?;
        let permissions = u16::try_from(mode & 0o7777);
        let size = le64(item, 16)?;
        if i64::try_from(size).is_err() {
            return Err(Fault::damaged(format!("a size of {size} bytes")));
        }
        let number = le64(item, 56)?;
        let is_device = matches!(kind, FileKind::CharacterDevice | FileKind::BlockDevice);
        Ok(Self {
            kind,
            mode: permissions.map_err(|_| Fault::damaged("a mode of more than 12 bits"))?,
            uid: le32(item, 44)?,
            gid: le32(item, 48)?,
            size,
            links: le32(item, 40)?,
            mtime: timestamp(item, 136)?,
            ctime: timestamp(item, 124)?,
            device: if is_device { Some(device(number)?) } else { None },
            has_checksums: le64(item, 64)? & NO_CHECKSUMS == 0,
        })
    }
}

fn device(number: u64) -> Result<DeviceNumber, Fault> {
    let number = u32::try_from(number)
        .map_err(|_| Fault::damaged(format!("the device number {number:#x}")))?;
    Ok(DeviceNumber { major: number >> MINOR_BITS, minor: number & ((1 << MINOR_BITS) - 1) })
}

fn timestamp(item: &[u8], at: usize) -> Result<Timestamp, Fault> {
    let seconds = i64::from_le_bytes(array(item, at)?);
    let nanoseconds = le32(item, at.saturating_add(8))?;
    if nanoseconds > 999_999_999 {
        return Err(Fault::damaged(format!("a time with {nanoseconds} nanoseconds")));
    }
    Ok(Timestamp { seconds, nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read() {
        let mut item = vec![0; 160];
        item[52..56].copy_from_slice(&0o060_640_u32.to_le_bytes());
        item[56..64].copy_from_slice(&(259_u64 << 20 | 200_000).to_le_bytes());
        item[136..144].copy_from_slice(&(-5_i64).to_le_bytes());
        item[144] = 7;
        let inode = Inode::parse(&item).unwrap();
        assert_eq!((inode.kind, inode.mode), (FileKind::BlockDevice, 0o640));
        assert_eq!(inode.device.unwrap().to_string(), "259:200000");
        assert_eq!(inode.mtime, Timestamp { seconds: -5, nanoseconds: 7 });
        assert!(Inode::parse(&item[..159]).is_ok() && Inode::parse(&item[..140]).is_err());
        item[147] = 0x40;
        assert!(Inode::parse(&item).is_err());
    }
}
