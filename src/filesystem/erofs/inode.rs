//! Inodes: 32 bytes, or 64 with wide owners and a time of their own.

use super::volume::Volume;
use crate::filesystem::bytes::{le16, le32, le64};
use crate::model::{DeviceNumber, Fault, FileKind, Timestamp};

/// How a file's bytes are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Blocks after each other.
    Plain,
    /// The same, with the end behind the inode.
    Inline,
    /// Compressed; entries of 8 bytes.
    Full,
    /// Compressed; packed entries.
    Compact,
    /// Chunks that may lie anywhere.
    Chunks,
}

/// What an inode says.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Its number: its place in units of 32 bytes.
    pub number: u64,
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
    /// Of its bytes.
    pub layout: Layout,
    /// The first block, the device's number or the format of chunks.
    pub value: u32,
    /// Where its extended attributes begin on the device, and how many bytes they have.
    pub xattrs: (u64, u64),
}

impl Inode {
    /// Reads inode `number`.
    pub fn read(volume: &Volume, number: u64) -> Result<Self, Fault> {
        let place = number
            .checked_mul(32)
            .and_then(|offset| volume.superblock.inodes.checked_add(offset))
            .ok_or_else(|| Fault::damaged(format!("inode {number}")))?;
        Self::at(volume, number, place)
            .map_err(|fault| fault.within(format_args!("inode {number}")))
    }

    fn at(volume: &Volume, number: u64, place: u64) -> Result<Self, Fault> {
        let mut raw = volume.metadata(place, 32)?;
        let format = le16(&raw, 0)?;
        let is_extended = format & 1 == 1;
        if is_extended {
            raw = volume.metadata(place, 64)?;
        }
        let mode = le16(&raw, 4)?;
        let kind = FileKind::from_mode(mode.into())
            .ok_or_else(|| Fault::damaged(format!("mode {mode:o} is of no kind")))?;
        let layout = match (format >> 1) & 7 {
            0 => Layout::Plain,
            1 => Layout::Full,
            2 => Layout::Inline,
            3 => Layout::Compact,
            4 => Layout::Chunks,
            other => return Err(Fault::unsupported(format!("the layout {other}"))),
        };
        let length = if is_extended { 64 } else { 32 };
        let xattr_length = match u64::from(le16(&raw, 2)?) {
            0 => 0,
            count => 12_u64.saturating_add(count.saturating_sub(1).saturating_mul(4)),
        };
        let (size, links, uid, gid, mtime);
        if is_extended {
            (size, links) = (le64(&raw, 8)?, le32(&raw, 44)?);
            (uid, gid) = (le32(&raw, 24)?, le32(&raw, 28)?);
            mtime = Timestamp {
                seconds: i64::from_le_bytes(crate::filesystem::bytes::array(&raw, 32)?),
                nanoseconds: le32(&raw, 40)?,
            };
            if mtime.nanoseconds > 999_999_999 {
                return Err(Fault::damaged(format!("{} nanoseconds", mtime.nanoseconds)));
            }
        } else {
            (size, links) = (le32(&raw, 8)?.into(), le16(&raw, 6)?.into());
            (uid, gid) = (le16(&raw, 24)?.into(), le16(&raw, 26)?.into());
            mtime = volume.superblock.built;
        }
        if size > i64::MAX.unsigned_abs() {
            return Err(Fault::damaged(format!("a size of {size} bytes")));
        }
        Ok(Self {
            number,
            kind,
            mode: mode & 0o7777,
            uid,
            gid,
            size,
            links,
            mtime,
            layout,
            value: le32(&raw, 16)?,
            xattrs: (place.saturating_add(length), xattr_length),
        })
    }

    /// What lies behind the inode and its attributes.
    pub const fn behind(&self) -> u64 {
        self.xattrs.0.saturating_add(self.xattrs.1)
    }

    /// The number of a device node.
    pub fn device(&self) -> Option<DeviceNumber> {
        let is_device = matches!(self.kind, FileKind::CharacterDevice | FileKind::BlockDevice);
        is_device.then_some(DeviceNumber {
            major: (self.value >> 8) & 0xfff,
            minor: (self.value & 0xff) | ((self.value >> 12) & 0xf_ff00),
        })
    }
}
