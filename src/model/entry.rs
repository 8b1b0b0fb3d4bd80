//! One entry of a directory, as it is recorded and compared.

use super::{ContentDigest, ContentId, ExactId, Name, Timestamp};
use std::fmt;

/// The seven kinds that POSIX knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe; never opened.
    Fifo,
    /// A socket; never opened.
    Socket,
    /// A character device; never opened.
    CharacterDevice,
    /// A block device; never opened.
    BlockDevice,
}

impl FileKind {
    /// Reads the file type bits of `st_mode` (`S_IFMT`, octal 170000).
    #[must_use]
    pub const fn from_mode(mode: u32) -> Option<Self> {
        Some(match mode & 0o170_000 {
            0o100_000 => Self::File,
            0o040_000 => Self::Directory,
            0o120_000 => Self::Symlink,
            0o010_000 => Self::Fifo,
            0o140_000 => Self::Socket,
            0o020_000 => Self::CharacterDevice,
            0o060_000 => Self::BlockDevice,
            _ => return None,
        })
    }

    /// The word in reports: `file`, `directory`, `symlink`, `fifo`, `socket`,
    /// `character-device`, `block-device`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::CharacterDevice => "character-device",
            Self::BlockDevice => "block-device",
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The device that a device node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber {
    /// Driver.
    pub major: u32,
    /// Unit of the driver.
    pub minor: u32,
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// One extended attribute: the full name with its namespace (`security.capability`) and the raw
/// value as the kernel hands it out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xattr {
    /// Namespace and name, bytes.
    pub name: Box<[u8]>,
    /// Raw value.
    pub value: Box<[u8]>,
}

/// What is known of a directory's children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryContent {
    /// All were listed; the two ids name them.
    Read {
        /// For comparing.
        content: ContentId,
        /// For fetching.
        exact: ExactId,
    },
    /// It could not be listed; a gap says why. Nothing may be concluded about what is below.
    Unread,
    /// On purpose not entered (another file system that is no part of the image, …); an
    /// omission says why.
    LeftOut,
}

/// What an entry is, with what only this kind has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
        /// Of its bytes; `None` where they could not be read (a gap says why).
        digest: Option<ContentDigest>,
    },
    /// A directory.
    Directory(DirectoryContent),
    /// A symbolic link.
    Symlink {
        /// Where it points: raw bytes, not resolved.
        target: Box<[u8]>,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharacterDevice(DeviceNumber),
    /// A block device.
    BlockDevice(DeviceNumber),
}

impl Content {
    /// The kind alone.
    #[must_use]
    pub const fn kind(&self) -> FileKind {
        match self {
            Self::File { .. } => FileKind::File,
            Self::Directory(_) => FileKind::Directory,
            Self::Symlink { .. } => FileKind::Symlink,
            Self::Fifo => FileKind::Fifo,
            Self::Socket => FileKind::Socket,
            Self::CharacterDevice(_) => FileKind::CharacterDevice,
            Self::BlockDevice(_) => FileKind::BlockDevice,
        }
    }
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name; the root of a manifest has [`None`].
    pub name: Option<Name>,
    /// What it is.
    pub content: Content,
    /// Permission bits with setuid, setgid and sticky: `st_mode & 07777`.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Sorted by name. `None` where they could not be read (a gap says why).
    pub xattrs: Option<Vec<Xattr>>,
    /// Last change of the bytes.
    pub mtime: Timestamp,
    /// Last change of the inode; `None` where the medium has none (tar, squashfs, FAT).
    pub ctime: Option<Timestamp>,
    /// Hard links to the inode.
    pub links: u32,
}
