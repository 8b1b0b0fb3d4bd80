//! Inodes: seven kinds, each short and long.

use super::superblock::Superblock;
use super::volume::{Cursor, Volume};
use crate::filesystem::bytes::{le16, le32, le64, to_usize};
use crate::model::{DeviceNumber, Fault, FileKind, Timestamp};

/// `PATH_MAX`: no link has a longer target.
const MAX_TARGET: u32 = 4096;
/// Blocks of one file: 512 GiB with blocks of the usual size.
const MAX_BLOCKS: u64 = 4 << 20;
/// An index that leads nowhere.
const NONE: u32 = u32::MAX;

/// Where a file's bytes lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileData {
    /// The first block.
    pub start: u64,
    /// Which fragment has the end, and where in it.
    pub fragment: Option<(u32, u32)>,
}

/// What only some kinds have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A regular file.
    File(FileData),
    /// A directory: its block, the place in it, and the number of its own directory.
    Directory { start: u32, at: u16, parent: u32 },
    /// A symbolic link.
    Symlink(Vec<u8>),
    /// A device.
    Device(DeviceNumber),
    /// A named pipe or a socket.
    Other,
}

/// What an inode says.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Its number, counted from 1.
    pub number: u32,
    /// What it is.
    pub kind: FileKind,
    /// `st_mode & 07777`.
    pub mode: u16,
    /// Indices of owner and group.
    pub owner: (u16, u16),
    /// Last change of the bytes.
    pub mtime: Timestamp,
    /// Hard links.
    pub links: u32,
    /// Bytes.
    pub size: u64,
    /// Index of its extended attributes.
    pub xattrs: Option<u32>,
    /// The rest.
    pub body: Body,
}

/// Reads the inode at a reference, and returns where its list of blocks follows.
pub fn read(volume: &Volume, reference: u64) -> Result<(Inode, Cursor<'_>), Fault> {
    let mut cursor = volume.cursor(volume.superblock.inode_table, reference)?;
    let common = cursor.take(16)?;
    let kind = le16(&common, 0)?;
    let is_long = (8..=14).contains(&kind);
    let short = if is_long { kind.saturating_sub(7) } else { kind };
    let mut inode = Inode {
        number: le32(&common, 12)?,
        kind: FileKind::File,
        mode: le16(&common, 2)? & 0o7777,
        owner: (le16(&common, 4)?, le16(&common, 6)?),
        mtime: Timestamp::from_seconds(le32(&common, 8)?.into()),
        links: 1,
        size: 0,
        xattrs: None,
        body: Body::Other,
    };
    match short {
        1 => directory(&mut inode, &mut cursor, is_long)?,
        2 => file(&mut inode, &mut cursor, is_long)?,
        3..=7 => others(&mut inode, &mut cursor, short, is_long)?,
        _ => return Err(Fault::damaged(format!("an inode of type {kind}"))),
    }
    Ok((inode, cursor))
}

fn directory(inode: &mut Inode, cursor: &mut Cursor<'_>, is_long: bool) -> Result<(), Fault> {
    inode.kind = FileKind::Directory;
    let (start, at, parent);
    if is_long {
        let raw = cursor.take(24)?;
        inode.links = le32(&raw, 0)?;
        inode.size = le32(&raw, 4)?.into();
        (start, parent, at) = (le32(&raw, 8)?, le32(&raw, 12)?, le16(&raw, 18)?);
        inode.xattrs = index(le32(&raw, 20)?);
    } else {
        let raw = cursor.take(16)?;
        (start, at, parent) = (le32(&raw, 0)?, le16(&raw, 10)?, le32(&raw, 12)?);
        inode.links = le32(&raw, 4)?;
        inode.size = le16(&raw, 8)?.into();
    }
    inode.body = Body::Directory { start, at, parent };
    Ok(())
}

fn file(inode: &mut Inode, cursor: &mut Cursor<'_>, is_long: bool) -> Result<(), Fault> {
    let (start, fragment, at);
    if is_long {
        let raw = cursor.take(40)?;
        (start, inode.size) = (le64(&raw, 0)?, le64(&raw, 8)?);
        inode.links = le32(&raw, 24)?;
        (fragment, at) = (le32(&raw, 28)?, le32(&raw, 32)?);
        inode.xattrs = index(le32(&raw, 36)?);
    } else {
        let raw = cursor.take(16)?;
        start = le32(&raw, 0)?.into();
        (fragment, at) = (le32(&raw, 4)?, le32(&raw, 8)?);
        inode.size = le32(&raw, 12)?.into();
    }
    let fragment = index(fragment).map(|fragment| (fragment, at));
    inode.body = Body::File(FileData { start, fragment });
    Ok(())
}

fn others(
    inode: &mut Inode,
    cursor: &mut Cursor<'_>,
    kind: u16,
    is_long: bool,
) -> Result<(), Fault> {
    inode.links = cursor.le32()?;
    match kind {
        3 => {
            let length = cursor.le32()?;
            if length > MAX_TARGET {
                return Err(Fault::damaged(format!("a target of {length} bytes")));
            }
            inode.kind = FileKind::Symlink;
            inode.size = length.into();
            inode.body = Body::Symlink(cursor.take(to_usize(length)?)?);
        }
        4 | 5 => {
            let number = cursor.le32()?;
            inode.kind = if kind == 4 { FileKind::BlockDevice } else { FileKind::CharacterDevice };
            inode.body = Body::Device(DeviceNumber {
                major: (number >> 8) & 0xfff,
                minor: (number & 0xff) | ((number >> 12) & 0xf_ff00),
            });
        }
        6 => inode.kind = FileKind::Fifo,
        _ => inode.kind = FileKind::Socket,
    }
    if is_long {
        inode.xattrs = index(cursor.le32()?);
    }
    Ok(())
}

fn index(stored: u32) -> Option<u32> {
    Some(stored).filter(|stored| *stored != NONE)
}

/// How many blocks of its own a file has.
pub fn blocks(superblock: &Superblock, size: u64, data: &FileData) -> Result<u64, Fault> {
    let block = u64::from(superblock.block_size);
    let count = match data.fragment {
        Some(_) => size.checked_div(block).unwrap_or(0),
        None => size.div_ceil(block),
    };
    if count > MAX_BLOCKS {
        return Err(Fault::limit(format!("{count} blocks of one file, more than {MAX_BLOCKS}")));
    }
    Ok(count)
}
