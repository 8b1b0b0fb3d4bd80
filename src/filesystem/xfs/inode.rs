//! One inode: its fields, and the two forks behind them (data, extended attributes).
//!
//! Follows `xfs_dinode` in `fs/xfs/libxfs/xfs_format.h`. That the magic number is there, that the
//! mode is of a kind, and in version 5 the checksum and the number of its own tell an inode from
//! what else may lie where the arithmetic points: holes of sparse chunks, free inodes, data.

use super::checksum;
use super::superblock::{Superblock, incompat};
use crate::filesystem::bytes::{array, be16, be32, be64, byte, slice, to_usize};
use crate::model::{DeviceNumber, Fault, FileKind, Timestamp};

const MAGIC: u16 = 0x494e;
const CRC_AT: usize = 100;
/// Where forks begin in versions 1 and 2, and in version 3.
const FIELDS_2: usize = 100;
const FIELDS_3: usize = 176;
/// Sizes are signed in the kernel.
const MAX_SIZE: u64 = i64::MAX.unsigned_abs();
/// Seconds from the beginning of `bigtime` to 1970.
const BIGTIME_OFFSET: i64 = 1 << 31;

/// `di_flags`.
const REALTIME: u16 = 0x1;
/// `di_flags2`.
mod flags2 {
    pub const REFLINK: u64 = 0x2;
    pub const BIGTIME: u64 = 0x8;
    pub const LARGE_COUNTS: u64 = 0x10;
}

/// How a fork says what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The number of a device.
    Device,
    /// The bytes themselves.
    Local,
    /// A list of extents.
    Extents,
    /// The root of a tree of extents.
    Btree,
}

/// One of the two forks.
#[derive(Clone, Debug)]
pub struct Fork {
    /// How to read it.
    pub format: Format,
    /// How many extents there are.
    pub extents: u64,
    /// Its part of the inode.
    pub bytes: Box<[u8]>,
}

/// What an inode says.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Its number.
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
    /// Last change of the inode.
    pub ctime: Timestamp,
    /// Its blocks may be those of other files too.
    pub shares_blocks: bool,
    /// Its bytes lie on the realtime device.
    pub is_realtime: bool,
    /// What it holds.
    pub data: Fork,
    /// Its extended attributes, where it has any.
    pub attributes: Option<Fork>,
}

impl Inode {
    /// Reads the bytes of inode `number`: exactly as many as the superblock says.
    pub fn parse(number: u64, raw: &[u8], superblock: &Superblock) -> Result<Self, Fault> {
        let (magic, version) = (be16(raw, 0)?, byte(raw, 4)?);
        if magic != MAGIC {
            return Err(Fault::damaged("no inode lies there"));
        }
        let fields = match (version, superblock.has_checksums) {
            (1 | 2, false) => FIELDS_2,
            (3, true) => FIELDS_3,
            _ => return Err(Fault::damaged(format!("it is of version {version}"))),
        };
        if superblock.has_checksums {
            verify(number, raw, superblock)?;
        }
        let mode = be16(raw, 2)?;
        if mode == 0 {
            return Err(Fault::damaged("it is not in use"));
        }
        let kind = FileKind::from_mode(mode.into())
            .ok_or_else(|| Fault::damaged(format!("mode {mode:o} is of no kind")))?;
        let links = if version == 1 { be16(raw, 6)?.into() } else { be32(raw, 16)? };
        if links == 0 {
            return Err(Fault::damaged("it was deleted"));
        }
        let size = be64(raw, 56)?;
        if size > MAX_SIZE {
            return Err(Fault::damaged(format!("a size of {size} bytes")));
        }
        let flags2 = if version == 3 { be64(raw, 120)? } else { 0 };
        let has_bigtime =
            flags2 & flags2::BIGTIME != 0 && superblock.incompat & incompat::BIGTIME != 0;
        let (data, attributes) =
            forks(raw, fields, flags2).map_err(|fault| fault.within("forks"))?;
        Ok(Self {
            number,
            kind,
            mode: mode & 0o7777,
            uid: be32(raw, 8)?,
            gid: be32(raw, 12)?,
            size,
            links,
            mtime: timestamp(array(raw, 40)?, has_bigtime)?,
            ctime: timestamp(array(raw, 48)?, has_bigtime)?,
            shares_blocks: flags2 & flags2::REFLINK != 0,
            is_realtime: be16(raw, 90)? & REALTIME != 0 && kind == FileKind::File,
            data,
            attributes,
        })
    }

    /// The number of a device node: 14 bits of the driver, 18 of the unit (`sysv_encode_dev`).
    pub fn device(&self) -> Result<Option<DeviceNumber>, Fault> {
        if !matches!(self.kind, FileKind::CharacterDevice | FileKind::BlockDevice) {
            return Ok(None);
        }
        if self.data.format != Format::Device {
            return Err(Fault::damaged("a device node without a device"));
        }
        let number = be32(&self.data.bytes, 0)?;
        Ok(Some(DeviceNumber { major: number >> 18, minor: number & 0x3_ffff }))
    }
}

fn verify(number: u64, raw: &[u8], superblock: &Superblock) -> Result<(), Fault> {
    checksum::verify(raw, CRC_AT)?;
    let said = be64(raw, 152)?;
    if said != number {
        return Err(Fault::damaged(format!("it says that it is inode {said}")));
    }
    if array::<16>(raw, 160)? != superblock.meta_uuid {
        return Err(Fault::damaged("it is of another file system"));
    }
    Ok(())
}

fn forks(raw: &[u8], fields: usize, flags2: u64) -> Result<(Fork, Option<Fork>), Fault> {
    let (data_count, attribute_count) = if flags2 & flags2::LARGE_COUNTS != 0 {
        (be64(raw, 24)?, be32(raw, 76)?)
    } else {
        (be32(raw, 76)?.into(), be16(raw, 80)?.into())
    };
    let area = raw.get(fields..).unwrap_or_default();
    let split = usize::from(byte(raw, 82)?).saturating_mul(8);
    let data_length = if split == 0 { area.len() } else { split };
    let data = Fork {
        format: format(byte(raw, 5)?)?,
        extents: data_count,
        bytes: slice(area, 0, data_length)?.into(),
    };
    if split == 0 {
        return Ok((data, None));
    }
    let attributes = Fork {
        format: format(byte(raw, 83)?)?,
        extents: attribute_count.into(),
        bytes: area.get(split..).unwrap_or_default().into(),
    };
    Ok((data, Some(attributes)))
}

fn format(number: u8) -> Result<Format, Fault> {
    Ok(match number {
        0 => Format::Device,
        1 => Format::Local,
        2 => Format::Extents,
        3 => Format::Btree,
        _ => return Err(Fault::damaged(format!("the format {number}"))),
    })
}

/// Seconds and nanoseconds of 32 bits each, or one count of nanoseconds since 1901.
fn timestamp(bytes: [u8; 8], has_bigtime: bool) -> Result<Timestamp, Fault> {
    if has_bigtime {
        let count = u64::from_be_bytes(bytes);
        let seconds = i64::try_from(count / 1_000_000_000).unwrap_or(i64::MAX);
        let nanoseconds = u32::try_from(count % 1_000_000_000).unwrap_or(0);
        return Ok(Timestamp { seconds: seconds.saturating_sub(BIGTIME_OFFSET), nanoseconds });
    }
    let (seconds, nanoseconds) = (array(&bytes, 0)?, be32(&bytes, 4)?);
    if nanoseconds > 999_999_999 {
        return Err(Fault::damaged(format!("a time with {nanoseconds} nanoseconds")));
    }
    Ok(Timestamp { seconds: i32::from_be_bytes(seconds).into(), nanoseconds })
}

/// The length of bytes that a local fork holds, checked against its room.
pub fn local(fork: &Fork, size: u64) -> Result<&[u8], Fault> {
    slice(&fork.bytes, 0, to_usize(size)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_reach_from_1901_to_2486() {
        let check = |count: u64, has_bigtime: bool, expected: &str| {
            let time = timestamp(count.to_be_bytes(), has_bigtime).unwrap();
            assert_eq!(time.to_string(), expected);
        };
        check(0, true, "1901-12-13T20:45:52Z");
        check(u64::MAX, true, "2486-07-02T20:20:25.709551615Z");
        check((1 << 31) * 1_000_000_000 + 1, true, "1970-01-01T00:00:00.000000001Z");
        check(0x8000_0000_0000_0001, false, "1901-12-13T20:45:52.000000001Z");
        check(0x7fff_ffff_0000_0000, false, "2038-01-19T03:14:07Z");
        assert!(timestamp([0xff; 8], false).is_err());
    }
}
