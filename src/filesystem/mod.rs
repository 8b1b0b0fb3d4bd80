//! Read-only trees of files, whatever they lie on: one trait, one walker and one set of parsers
//! above it.
//!
//! Nothing here writes, runs or follows a link out of a tree. A file system that is damaged in one
//! place is read in all others: faults are per node.

#![warn(clippy::indexing_slicing)]
// Tests count as they like.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod btrfs;
mod bytes;
mod cache;
pub mod directory;
pub mod erofs;
pub mod ext4;
pub mod fat;
mod index;
pub mod iso9660;
pub mod memory;
pub mod mounts;
pub mod overlay;
pub mod recognise;
pub mod resolve;
mod runs;
pub mod squashfs;
pub mod tar;
mod unpack;
mod xattrs;
pub mod xfs;

use crate::model::{DeviceNumber, Fault, FileKind, Name, Timestamp, Xattr};
use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A handle to one file, directory, link or device of a [`Filesystem`]: what inode numbers are on
/// disk. Only the file system that made it can read it. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    /// Means something to the file system that made it: an inode number, an index, an offset.
    pub number: u64,
    /// State that a number cannot hold (an open directory and a name in it, the file system of a
    /// mounted part), again only for the file system that made it.
    pub state: Option<Arc<dyn Any + Send + Sync>>,
}

impl Node {
    /// A node that its number says all about.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self { number, state: None }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.number)
    }
}

/// What `stat` would say of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The kind.
    pub kind: FileKind,
    /// `st_mode & 07777`.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of a file, length of a link's target; of other kinds as the medium says.
    pub size: u64,
    /// Last change of the bytes.
    pub mtime: Timestamp,
    /// Last change of the inode; `None` where the medium has none.
    pub ctime: Option<Timestamp>,
    /// Hard links.
    pub links: u32,
    /// Which device a device node stands for.
    pub device: Option<DeviceNumber>,
    /// What tells inodes apart: (file system, inode number). Equal for two paths exactly when they
    /// are hard links of one inode.
    pub inode: (u64, u64),
}

/// One name of a directory.
#[derive(Clone, Debug)]
pub struct DirectoryEntry {
    /// The name.
    pub name: Name,
    /// What it names.
    pub node: Node,
}

/// What a directory lists, as far as it could be read.
#[derive(Debug, Default)]
pub struct Listing {
    /// In the order of the medium, without `.` and `..`.
    pub entries: Vec<DirectoryEntry>,
    /// Parts that were damaged; whoever lists makes gaps of them.
    pub faults: Vec<Fault>,
}

impl Listing {
    /// Refuses directories that are listed again, and the root, which is in no directory: what an
    /// honest medium never has, and what a hostile one makes walks endless with. For media whose
    /// nodes have one number each.
    fn refuse_repeats(&mut self, root: u64, is_directory: impl Fn(&Node) -> bool) {
        let mut below = HashSet::from([root]);
        let faults = &mut self.faults;
        self.entries.retain(|entry| {
            let is_again = !below.insert(entry.node.number) && is_directory(&entry.node);
            if is_again {
                let fault = format!("{}: the directory is listed twice", entry.name);
                faults.push(Fault::damaged(fault));
            }
            !is_again
        });
    }
}

/// Which kinds of entries a medium can carry; each carries all that the one before it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kinds {
    /// Regular files and directories (FAT).
    Files,
    /// All but sockets (tar).
    NoSockets,
    /// All.
    All,
}

impl Kinds {
    /// The kinds that are not carried.
    #[must_use]
    pub const fn missing(self) -> &'static [FileKind] {
        match self {
            Self::All => &[],
            Self::NoSockets => &[FileKind::Socket],
            Self::Files => &[
                FileKind::BlockDevice,
                FileKind::CharacterDevice,
                FileKind::Fifo,
                FileKind::Socket,
                FileKind::Symlink,
            ],
        }
    }
}

/// What a medium can carry, so that what it cannot is never reported as drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carries {
    /// Permission bits.
    pub mode: bool,
    /// Owner and group.
    pub owner: bool,
    /// Extended attributes.
    pub xattrs: bool,
    /// POSIX ACLs, which are kept apart from other attributes by squashfs and tar.
    pub acls: bool,
    /// Kinds of entries.
    pub kinds: Kinds,
}

impl Carries {
    /// A POSIX file system.
    pub const ALL: Self =
        Self { mode: true, owner: true, xattrs: true, acls: true, kinds: Kinds::All };

    /// What both carry.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            mode: self.mode && other.mode,
            owner: self.owner && other.owner,
            xattrs: self.xattrs && other.xattrs,
            acls: self.acls && other.acls,
            kinds: self.kinds.min(other.kinds),
        }
    }
}

/// How a subvolume is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubvolumeName<'a> {
    /// `subvol=`: a path from the top level, whichever subvolume is the default.
    Path(&'a [u8]),
    /// `subvolid=`: its number; 0 is the top level, as 5 is.
    Id(u64),
}

/// A read-only tree of files, by node and never by path from the root, read by many threads.
pub trait Filesystem: Send + Sync + fmt::Debug {
    /// Its type, as `mount -t` says it (`ext4`, `xfs`, `vfat`), or `directory`, `tar`, `memory`.
    fn type_name(&self) -> &str;

    /// What it can carry.
    fn carries(&self) -> Carries {
        Carries::ALL
    }

    /// The top directory.
    fn root(&self) -> Node;

    /// Metadata of the node itself, no link followed.
    fn metadata(&self, node: &Node) -> Result<Metadata, Fault>;

    /// Lists a directory.
    fn read_directory(&self, node: &Node) -> Result<Listing, Fault>;

    /// The node of that name in a directory; `None` where there is none. Media with an index do
    /// better than this default, which lists.
    fn lookup(&self, directory: &Node, name: &[u8]) -> Result<Option<Node>, Fault> {
        let listing = self.read_directory(directory)?;
        Ok(listing.entries.into_iter().find(|e| e.name.as_bytes() == name).map(|e| e.node))
    }

    /// A node that stays readable while it is held, for a directory or a regular file that is
    /// about to be read: live systems open it here, once. Never blocks and never opens anything
    /// else.
    fn open(&self, node: &Node) -> Result<Node, Fault> {
        Ok(node.clone())
    }

    /// Reads a regular file's bytes from `offset`: as many as fit and are there, 0 at the end.
    fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault>;

    /// The next range of a file at or after `offset` that may hold anything but zeros; `None`
    /// where only a hole follows to the end of the file.
    fn next_data(&self, node: &Node, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        let size = self.metadata(node)?.size;
        Ok((offset < size).then_some(offset..size))
    }

    /// The target of a symbolic link, raw.
    fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault>;

    /// Extended attributes, sorted by name, as the kernel shows them to root; ACLs in the form of
    /// `system.posix_acl_access` (version 2).
    fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>, Fault>;

    /// The top directory of a subvolume, of file systems that have any.
    fn subvolume(&self, _name: SubvolumeName<'_>) -> Result<Node, Fault> {
        Err(Fault::unsupported(format!("{} has no subvolumes", self.type_name())))
    }

    /// Why a directory is not to be entered (a pseudo or network file system is mounted there, a
    /// second bind of what is visited elsewhere); `None` for all others.
    fn left_out(&self, _directory: &Node) -> Option<String> {
        None
    }
}
