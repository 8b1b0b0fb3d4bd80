//! squashfs 4.0, as live media, snaps and appliances are packed.
//!
//! Follows the kernel's `Documentation/filesystems/squashfs.rst` and its `squashfs_fs.h`. Blocks
//! are compressed with gzip, xz, lzma, lzo, lz4 or zstd. Versions before 4.0 are refused, which no current kernel mounts either. There is no UUID,
//! no label and no time of the inode's last change. Not looked at: the export table, which only
//! NFS needs, and the indices of directories.
//!
//! The tree cannot be made to loop: a directory is entered only where it says itself that it lies,
//! and each number has one directory.

mod directory;
mod file;
mod inode;
mod superblock;
mod volume;
mod xattr;

use super::{Carries, DirectoryEntry, Filesystem, Listing, Metadata, Node};
use crate::block::BlockDevice;
use crate::model::{Fault, FileKind, Name, Xattr};
use file::Map;
use inode::{Body, Inode};
use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use superblock::Superblock;
use volume::Volume;

/// A squashfs file system.
#[derive(Debug)]
pub struct Squashfs {
    volume: Volume,
    /// The inode of each directory's number, as they were met.
    directories: Mutex<HashMap<u32, u64>>,
}

/// The number of the directory that listed a node.
struct ListedIn(u32);

impl Squashfs {
    /// Whether the device begins as one of ours: the magic number alone.
    #[must_use]
    pub fn probe(device: &dyn BlockDevice) -> bool {
        let mut raw = [0; superblock::LENGTH];
        device.read_at(0, &mut raw).is_ok() && Superblock::is_one(&raw)
    }

    /// Reads the superblock and the root's inode.
    pub fn open(device: Arc<dyn BlockDevice>) -> Result<Self, Fault> {
        let volume = Volume::open(device)?;
        let (root, _) = inode::read(&volume, volume.superblock.root)?;
        if root.kind != FileKind::Directory {
            return Err(Fault::damaged(format!("the root is a {}", root.kind)));
        }
        Ok(Self { volume, directories: Mutex::default() })
    }

    fn inode(&self, node: &Node) -> Result<Inode, Fault> {
        inode::read(&self.volume, node.number).map(|(inode, _)| inode)
    }

    /// Where the bytes of a file lie: as it was opened, else read anew.
    fn map(&self, node: &Node) -> Result<Arc<Map>, Fault> {
        let state = node.state.as_ref().map(Arc::clone);
        if let Some(Ok(map)) = state.map(Arc::downcast::<Map>) {
            return Ok(map);
        }
        let (inode, mut cursor) = inode::read(&self.volume, node.number)?;
        let Body::File(data) = &inode.body else {
            return Err(Fault::damaged(format!("inode {} is a {}", inode.number, inode.kind)));
        };
        file::map(&self.volume, &inode, data, &mut cursor)
            .map(Arc::new)
            .map_err(|fault| fault.within(format_args!("inode {}", inode.number)))
    }

    /// A directory lies in one other, and its number is its own.
    fn check_place(&self, node: &Node, number: u32, parent: u32) -> Result<(), Fault> {
        let listed = node.state.as_ref().and_then(|state| state.downcast_ref::<ListedIn>());
        if let Some(ListedIn(listed)) = listed
            && *listed != parent
        {
            return Err(Fault::damaged(format!(
                "inode {number}: it lies in directory {parent} and is listed in {listed}"
            )));
        }
        let mut known = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *known.entry(number).or_insert(node.number);
        if first != node.number {
            return Err(Fault::damaged(format!("two directories have the number {number}")));
        }
        Ok(())
    }
}

impl Filesystem for Squashfs {
    fn type_name(&self) -> &str {
        "squashfs"
    }

    fn carries(&self) -> Carries {
        // The format has numbers for the names of user, trusted and security alone.
        Carries { xattrs: self.volume.superblock.has_xattrs, acls: false, ..Carries::ALL }
    }

    fn root(&self) -> Node {
        Node::new(self.volume.superblock.root)
    }

    fn metadata(&self, node: &Node) -> Result<Metadata, Fault> {
        let inode = self.inode(node)?;
        let device = match inode.body {
            Body::Device(number) => Some(number),
            _ => None,
        };
        Ok(Metadata {
            kind: inode.kind,
            mode: inode.mode,
            uid: self.volume.id(inode.owner.0)?,
            gid: self.volume.id(inode.owner.1)?,
            size: inode.size,
            mtime: inode.mtime,
            ctime: None,
            links: inode.links,
            device,
            inode: (self.volume.superblock.inode_table, inode.number.into()),
        })
    }

    fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
        let inode = self.inode(node)?;
        let Body::Directory { start, at, parent } = inode.body else {
            return Err(Fault::damaged(format!("inode {} is a {}", inode.number, inode.kind)));
        };
        self.check_place(node, inode.number, parent)?;
        let (entries, fault) = directory::read(&self.volume, (start, at), inode.size);
        let mut listing = Listing { entries: Vec::new(), faults: fault.into_iter().collect() };
        let mut names = HashSet::new();
        let state: Arc<dyn Any + Send + Sync> = Arc::new(ListedIn(inode.number));
        for entry in entries {
            match Name::new(&entry.name).filter(|name| names.insert(name.clone())) {
                Some(name) => listing.entries.push(DirectoryEntry {
                    name,
                    node: Node { number: entry.reference, state: Some(Arc::clone(&state)) },
                }),
                None => listing.faults.push(Fault::damaged(format!(
                    "an entry with the name \"{}\", which is none or is there twice",
                    crate::model::path::Escaped(&entry.name)
                ))),
            }
        }
        listing.refuse_repeats(self.volume.superblock.root, |node| self.is_directory(node));
        Ok(listing)
    }

    fn open(&self, node: &Node) -> Result<Node, Fault> {
        if self.inode(node)?.kind != FileKind::File {
            return Ok(node.clone());
        }
        Ok(Node { number: node.number, state: Some(self.map(node)?) })
    }

    fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.map(node)?.read_at(&self.volume, offset, buffer)
    }

    fn next_data(&self, node: &Node, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        self.map(node)?.next_data(offset)
    }

    fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        let inode = self.inode(node)?;
        match inode.body {
            Body::Symlink(target) => Ok(target),
            _ => Err(Fault::damaged(format!("inode {} is a {}", inode.number, inode.kind))),
        }
    }

    fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>, Fault> {
        let inode = self.inode(node)?;
        let Some(index) = inode.xattrs else { return Ok(Vec::new()) };
        xattr::all(&self.volume, index)
            .map_err(|fault| fault.within(format_args!("inode {}", inode.number)))
    }
}

impl Squashfs {
    fn is_directory(&self, node: &Node) -> bool {
        self.inode(node).is_ok_and(|inode| inode.kind == FileKind::Directory)
    }
}
