//! One inode: 128 bytes that every ext2 has, and what later ones put behind them.
//!
//! Follows `Documentation/filesystems/ext4/inodes.rst`.

use super::checksum::crc32c;
use super::superblock::{Superblock, incompat, ro_compat};
use crate::filesystem::bytes::{array, le16, le32, slice};
use crate::model::{DeviceNumber, Fault, FileKind, Timestamp};

/// Bytes of the part that all have.
const CLASSIC_SIZE: usize = 128;
/// `i_flags`.
pub const FLAGS: usize = 0x20;
/// Where `i_block` lies.
pub const BLOCK_AREA: usize = 0x28;
/// Bytes of `i_block`: block pointers, an extent tree's root, a short target, inline bytes.
pub const BLOCK_AREA_LENGTH: usize = 60;
/// What Linux makes of `i_extra_isize` 0: the space of the fields that it knows.
const DEFAULT_EXTRA: usize = 32;

/// `i_flags`.
pub mod flags {
    /// Contents encrypted by fscrypt.
    pub const ENCRYPT: u32 = 0x800;
    /// `i_blocks` counts blocks.
    pub const HUGE_FILE: u32 = 0x4_0000;
    /// The directory has a hash index.
    pub const INDEX: u32 = 0x1000;
    /// Mapped by extents.
    pub const EXTENTS: u32 = 0x8_0000;
    /// Holds the value of an extended attribute.
    pub const EA_INODE: u32 = 0x20_0000;
    /// The bytes lie in the inode.
    pub const INLINE_DATA: u32 = 0x1000_0000;
    /// Names are compared without case.
    pub const CASEFOLD: u32 = 0x4000_0000;
}

/// What an inode says.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Its number.
    pub number: u32,
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
    pub links: u16,
    /// See [`flags`].
    pub flags: u32,
    /// The block of extended attributes; 0 where there is none.
    pub xattr_block: u64,
    /// Whether blocks are allocated to it besides the one of its extended attributes.
    pub has_blocks: bool,
    /// Last change of the bytes.
    pub mtime: Timestamp,
    /// Last change of the inode.
    pub ctime: Timestamp,
    /// What the checksums of its blocks begin with; `None` where there are none.
    pub checksum_seed: Option<u32>,
    raw: Box<[u8]>,
    /// Where extended attributes may begin in `raw`.
    xattrs_at: Option<usize>,
}

impl Inode {
    /// Reads the bytes of inode `number`: exactly as many as the superblock says.
    pub fn parse(number: u32, raw: &[u8], superblock: &Superblock) -> Result<Self, Fault> {
        let is_used = le16(raw, 0)? != 0 || le16(raw, 0x1a)? != 0;
        if let Some(seed) = superblock.checksum_seed.filter(|_| is_used) {
            verify(raw, extra_size(raw)?.unwrap_or(0), block_seed(number, raw, seed)?)?;
        }
        Self::parse_changed(number, raw, superblock)
    }

    /// The same of bytes that have no checksum of their own.
    pub fn parse_changed(number: u32, raw: &[u8], superblock: &Superblock) -> Result<Self, Fault> {
        let extra = extra_size(raw)?;
        let flags = le32(raw, FLAGS)?;
        let mode = le16(raw, 0)?;
        let links = le16(raw, 0x1a)?;
        if mode == 0 && links == 0 {
            return Err(Fault::damaged("it is not in use"));
        }
        let checksum_seed =
            superblock.checksum_seed.map(|seed| block_seed(number, raw, seed)).transpose()?;
        if links == 0 {
            return Err(Fault::damaged("it was deleted"));
        }
        let kind = FileKind::from_mode(mode.into())
            .ok_or_else(|| Fault::damaged(format!("mode {mode:o} is of no kind")))?;
        let high = |low_at, high_at| {
            Ok::<_, Fault>(u32::from(le16(raw, high_at)?) << 16 | u32::from(le16(raw, low_at)?))
        };
        let xattr_high = if superblock.has(incompat::BITS_64) { le16(raw, 0x76)? } else { 0 };
        let xattr_block = u64::from(xattr_high) << 32 | u64::from(le32(raw, 0x68)?);
        let usable = match extra {
            Some(0) => DEFAULT_EXTRA,
            Some(extra) => extra,
            None => 0,
        };
        Ok(Self {
            number,
            kind,
            mode: mode & 0o7777,
            uid: high(2, 0x78)?,
            gid: high(0x18, 0x7a)?,
            size: size(raw, kind, superblock)?,
            links,
            flags,
            xattr_block,
            has_blocks: has_blocks(raw, flags, xattr_block != 0, superblock)?,
            mtime: timestamp(raw, 0x10, 0x88, usable)?,
            ctime: timestamp(raw, 0xc, 0x84, usable)?,
            checksum_seed,
            raw: raw.into(),
            xattrs_at: extra
                .filter(|extra| *extra > 0)
                .map(|extra| CLASSIC_SIZE.saturating_add(extra)),
        })
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// `i_block`, 60 bytes.
    pub fn block_area(&self) -> Result<&[u8], Fault> {
        slice(&self.raw, BLOCK_AREA, BLOCK_AREA_LENGTH)
    }

    /// What lies behind the fields: extended attributes, where there are any.
    pub fn xattr_area(&self) -> &[u8] {
        self.xattrs_at.and_then(|at| self.raw.get(at..)).unwrap_or_default()
    }

    /// The number of a device node: the 16 bits of old, else the 32 bits of today.
    pub fn device(&self) -> Result<Option<DeviceNumber>, Fault> {
        if !matches!(self.kind, FileKind::CharacterDevice | FileKind::BlockDevice) {
            return Ok(None);
        }
        let old = le32(&self.raw, BLOCK_AREA)?;
        if old != 0 {
            return Ok(Some(DeviceNumber { major: (old >> 8) & 0xff, minor: old & 0xff }));
        }
        let new = le32(&self.raw, BLOCK_AREA + 4)?;
        let minor = (new & 0xff) | ((new >> 12) & 0xf_ff00);
        Ok(Some(DeviceNumber { major: (new >> 8) & 0xfff, minor }))
    }
}

/// `i_extra_isize`; `None` where inodes have no room for it.
fn extra_size(raw: &[u8]) -> Result<Option<usize>, Fault> {
    if raw.len() <= CLASSIC_SIZE {
        return Ok(None);
    }
    let extra = usize::from(le16(raw, CLASSIC_SIZE)?);
    if extra % 4 != 0 || CLASSIC_SIZE.saturating_add(extra) > raw.len() {
        return Err(Fault::damaged(format!("extra fields of {extra} bytes")));
    }
    Ok(Some(extra))
}

/// What the checksums of an inode and of its blocks begin with.
fn block_seed(number: u32, raw: &[u8], seed: u32) -> Result<u32, Fault> {
    let seed = crc32c(seed, &number.to_le_bytes());
    Ok(crc32c(seed, slice(raw, 0x64, 4)?))
}

/// Verifies the inode's checksum.
fn verify(raw: &[u8], extra: usize, seed: u32) -> Result<(), Fault> {
    let mut computed = crc32c(seed, slice(raw, 0, 0x7c)?);
    computed = crc32c(computed, &[0; 2]);
    computed = crc32c(computed, slice(raw, 0x7e, CLASSIC_SIZE - 0x7e)?);
    let mut stored = u32::from(le16(raw, 0x7c)?);
    let mut mask = 0xffff;
    if let Some(rest) = raw.get(CLASSIC_SIZE..).filter(|rest| !rest.is_empty()) {
        if extra >= 4 {
            stored |= u32::from(le16(raw, 0x82)?) << 16;
            mask = u32::MAX;
            computed = crc32c(computed, slice(rest, 0, 2)?);
            computed = crc32c(computed, &[0; 2]);
            computed = crc32c(computed, rest.get(4..).unwrap_or_default());
        } else {
            computed = crc32c(computed, rest);
        }
    }
    if computed & mask != stored {
        return Err(Fault::damaged(format!(
            "its checksum is {stored:#x}, its bytes have {:#x}",
            computed & mask
        )));
    }
    Ok(())
}

fn size(raw: &[u8], kind: FileKind, superblock: &Superblock) -> Result<u64, Fault> {
    let low = u64::from(le32(raw, 4)?);
    // In directories of old the high half was an ACL's block.
    if kind == FileKind::File || superblock.has(incompat::LARGE_DIR) {
        let size = u64::from(le32(raw, 0x6c)?) << 32 | low;
        // Logical blocks have 32 bits.
        if size > u64::from(superblock.block_size) << 32 {
            return Err(Fault::damaged(format!("a size of {size} bytes")));
        }
        return Ok(size);
    }
    Ok(low)
}

fn has_blocks(
    raw: &[u8],
    flags: u32,
    has_xattr_block: bool,
    superblock: &Superblock,
) -> Result<bool, Fault> {
    let mut count = u64::from(le32(raw, 0x1c)?);
    let mut unit = 512;
    if superblock.ro_compat & ro_compat::HUGE_FILE != 0 {
        count |= u64::from(le16(raw, 0x74)?) << 32;
        if flags & flags::HUGE_FILE != 0 {
            unit = superblock.block_size;
        }
    }
    let of_xattrs = if has_xattr_block { superblock.cluster_size.checked_div(unit) } else { None };
    Ok(count > u64::from(of_xattrs.unwrap_or(0)))
}

/// Seconds with a sign, and, where there is room, two more bits above them and 30 of nanoseconds.
fn timestamp(
    raw: &[u8],
    at: usize,
    extra_at: usize,
    extra_size: usize,
) -> Result<Timestamp, Fault> {
    let seconds = i64::from(i32::from_le_bytes(array(raw, at)?));
    let end = CLASSIC_SIZE.saturating_add(extra_size);
    if extra_at.saturating_add(4) > end {
        return Ok(Timestamp::from_seconds(seconds));
    }
    let extra = le32(raw, extra_at)?;
    let nanoseconds = extra >> 2;
    if nanoseconds > 999_999_999 {
        return Err(Fault::damaged(format!("a time with {nanoseconds} nanoseconds")));
    }
    Ok(Timestamp { seconds: seconds.saturating_add(i64::from(extra & 3) << 32), nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_reach_from_1901_to_2446() {
        let check = |seconds: u32, extra: u32, extra_size: usize, expected: &str| {
            let mut raw = [0; 256];
            raw[0x10..0x14].copy_from_slice(&seconds.to_le_bytes());
            raw[0x88..0x8c].copy_from_slice(&extra.to_le_bytes());
            let time = timestamp(&raw, 0x10, 0x88, extra_size).unwrap();
            assert_eq!(time.to_string(), expected);
        };
        check(0x8000_0000, 0, 32, "1901-12-13T20:45:52Z");
        check(0x8000_0000, 1, 32, "2038-01-19T03:14:08Z");
        check(0x7fff_ffff, 3, 32, "2446-05-10T22:38:55Z");
        check(0, 4, 32, "1970-01-01T00:00:00.000000001Z");
        check(0x8000_0000, 1, 8, "1901-12-13T20:45:52Z");
    }
}
