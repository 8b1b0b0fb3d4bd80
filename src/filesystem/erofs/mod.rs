//! EROFS, as Android, composefs and container runtimes pack their images.
//!
//! Follows the kernel's `fs/erofs/erofs_fs.h` and `Documentation/filesystems/erofs.rst`: plain,
//! inline, chunked and compressed files (LZ4, MicroLZMA, DEFLATE, Zstandard) with shared extents,
//! inline ends and ends in the packed inode; short and long inodes; attributes shared and with long
//! prefixes. Named and not read: 48-bit addresses, metadata boxes, data on further devices. There is
//! no time of the inode's last change. Not looked at: the checksum of the superblock.
//!
//! The tree cannot be made to loop: a directory is entered only where its own `..` says that it
//! lies, and once from there.

mod directory;
mod index;
mod inode;
mod lz4;
mod map;
mod superblock;
mod volume;
mod xattr;

use super::bytes::to_usize;
use super::{DirectoryEntry, Filesystem, Listing, Metadata, Node};
use crate::block::BlockDevice;
use crate::model::{Fault, FileKind, Name, Xattr};
use inode::Inode;
use map::Map;
use std::any::Any;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use superblock::Superblock;
use volume::Volume;

/// `PATH_MAX`: no link has a longer target.
const MAX_TARGET: u64 = 4096;
/// A listing lies in memory as a whole; 100 bytes a name keep this below 256 MiB.
const MAX_ENTRIES: usize = 2 << 20;
/// Damaged blocks of one directory that are told one by one.
const MAX_FAULTS: usize = 100;

/// An EROFS file system.
#[derive(Debug)]
pub struct Erofs {
    volume: Volume,
    /// The ends of files.
    packed: Result<Map, Fault>,
    /// Long prefixes of attributes' names.
    prefixes: Result<Vec<xattr::Prefix>, Fault>,
}

/// The number of the directory that listed a node.
struct ListedIn(u64);

impl Erofs {
    /// Whether the device begins as one of ours: the magic number alone.
    #[must_use]
    pub fn probe(device: &dyn BlockDevice) -> bool {
        let mut raw = [0; superblock::LENGTH];
        device.read_at(superblock::OFFSET, &mut raw).is_ok() && Superblock::is_one(&raw)
    }

    /// Reads the superblock and the root's inode.
    pub fn open(device: Arc<dyn BlockDevice>) -> Result<Self, Fault> {
        let volume = Volume::open(device)?;
        let root = Inode::read(&volume, volume.superblock.root)?;
        if root.kind != FileKind::Directory {
            return Err(Fault::damaged(format!("the root is a {}", root.kind)));
        }
        let packed = match volume.superblock.packed {
            0 => Err(Fault::damaged("there is no inode of the ends of files")),
            number => Inode::read(&volume, number).and_then(|inode| map::read(&volume, &inode)),
        };
        let mut erofs = Self { volume, packed, prefixes: Ok(Vec::new()) };
        erofs.prefixes = xattr::prefixes(&erofs);
        Ok(erofs)
    }

    /// The UUID, as `blkid` and `fstab` name it.
    #[must_use]
    pub const fn uuid(&self) -> [u8; 16] {
        self.volume.superblock.uuid
    }

    /// The label; empty where there is none.
    #[must_use]
    pub fn label(&self) -> &[u8] {
        &self.volume.superblock.label
    }

    /// Bytes of the inode of all ends; the caller has bounded how many.
    fn packed(&self, at: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let map = self.packed.as_ref().map_err(Clone::clone)?;
        let none = Fault::damaged("an end of a file in an end of a file");
        let mut bytes = vec![0; length];
        let count = map.read_at(&self.volume, Err(&none), at, &mut bytes)?;
        if count < length {
            return Err(Fault::damaged(format!("{length} bytes at {at} of the ends of files")));
        }
        Ok(bytes)
    }

    fn inode(&self, node: &Node) -> Result<Inode, Fault> {
        Inode::read(&self.volume, node.number)
    }

    /// Where the bytes of a file lie: as it was opened, else read anew.
    fn map(&self, node: &Node) -> Result<Arc<Map>, Fault> {
        let state = node.state.as_ref().map(Arc::clone);
        if let Some(Ok(map)) = state.map(Arc::downcast::<Map>) {
            return Ok(map);
        }
        let inode = self.inode(node)?;
        if inode.kind != FileKind::File {
            return Err(Fault::damaged(format!("inode {} is a {}", inode.number, inode.kind)));
        }
        self.map_of(&inode).map(Arc::new)
    }

    fn map_of(&self, inode: &Inode) -> Result<Map, Fault> {
        map::read(&self.volume, inode)
            .map_err(|fault| fault.within(format_args!("inode {}", inode.number)))
    }

    fn read_map(&self, map: &Map, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        map.read_at(&self.volume, self.packed.as_ref(), offset, buffer)
    }

    /// Calls `visit` with each number and name of a directory, until it says that it is enough.
    fn visit(
        &self,
        inode: &Inode,
        faults: &mut Vec<Fault>,
        mut visit: impl FnMut(u64, &[u8]) -> bool,
    ) -> Result<(), Fault> {
        let map = self.map_of(inode)?;
        let size = self.volume.superblock.block_size();
        let mut at = 0;
        while at < inode.size && faults.len() < MAX_FAULTS {
            let mut block = vec![0; to_usize(inode.size.saturating_sub(at).min(size))?];
            let read = self.read_map(&map, at, &mut block);
            match read.and_then(|_| directory::parse(&block)) {
                Ok(entries) => {
                    for (number, name) in entries {
                        if !visit(number, name) {
                            return Ok(());
                        }
                    }
                }
                Err(fault) => faults.push(fault.within(format_args!("inode {}", inode.number))),
            }
            at = at.saturating_add(size);
        }
        Ok(())
    }

    fn is_directory(&self, node: &Node) -> bool {
        self.inode(node).is_ok_and(|inode| inode.kind == FileKind::Directory)
    }
}

impl Filesystem for Erofs {
    fn type_name(&self) -> &str {
        "erofs"
    }

    fn root(&self) -> Node {
        Node::new(self.volume.superblock.root)
    }

    fn metadata(&self, node: &Node) -> Result<Metadata, Fault> {
        let inode = self.inode(node)?;
        let [first, second, ..] = self.volume.superblock.uuid.as_chunks::<8>().0 else {
            return Err(Fault::damaged("a UUID of no 16 bytes"));
        };
        Ok(Metadata {
            kind: inode.kind,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            size: inode.size,
            mtime: inode.mtime,
            ctime: None,
            links: inode.links,
            device: inode.device(),
            inode: (u64::from_le_bytes(*first) ^ u64::from_le_bytes(*second), inode.number),
        })
    }

    fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
        let inode = self.inode(node)?;
        if inode.kind != FileKind::Directory {
            return Err(Fault::damaged(format!("inode {} is a {}", inode.number, inode.kind)));
        }
        let state: Arc<dyn Any + Send + Sync> = Arc::new(ListedIn(inode.number));
        let mut listing = Listing::default();
        let mut parent = None;
        let mut names = HashSet::new();
        let mut odd = Vec::new();
        let entries = &mut listing.entries;
        self.visit(&inode, &mut listing.faults, |number, name| {
            match name {
                b"." => {}
                b".." => parent = parent.or(Some(number)),
                _ => match Name::new(name).filter(|name| names.insert(name.clone())) {
                    Some(name) => entries.push(DirectoryEntry {
                        name,
                        node: Node { number, state: Some(Arc::clone(&state)) },
                    }),
                    None => odd.push(Fault::damaged(format!(
                        "inode {number} has the name \"{}\", which is none or is there twice",
                        crate::model::path::Escaped(name)
                    ))),
                },
            }
            entries.len() < MAX_ENTRIES && odd.len() < MAX_FAULTS
        })?;
        let listed = node.state.as_ref().and_then(|state| state.downcast_ref::<ListedIn>());
        if let Some(ListedIn(listed)) = listed
            && parent != Some(*listed)
        {
            return Err(Fault::damaged(format!(
                "inode {}: it lies in directory {parent:?} and is listed in {listed}",
                inode.number
            )));
        }
        listing.faults.append(&mut odd);
        if listing.entries.len() >= MAX_ENTRIES {
            listing.faults.push(Fault::limit(format!("only {MAX_ENTRIES} names were read")));
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
        self.read_map(self.map(node)?.as_ref(), offset, buffer)
            .map_err(|fault| fault.within(format_args!("inode {}", node.number)))
    }

    fn next_data(&self, node: &Node, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        self.map(node)?.next_data(offset)
    }

    fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        let inode = self.inode(node)?;
        if inode.kind != FileKind::Symlink || inode.size > MAX_TARGET {
            return Err(Fault::damaged(format!(
                "inode {}, a {} of {} bytes, is no link",
                inode.number, inode.kind, inode.size
            )));
        }
        let mut target = vec![0; to_usize(inode.size)?];
        let count = self.read_map(&self.map_of(&inode)?, 0, &mut target)?;
        target.truncate(count);
        Ok(target)
    }

    fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>, Fault> {
        let inode = self.inode(node)?;
        xattr::all(self, &inode)
            .map_err(|fault| fault.within(format_args!("inode {}", inode.number)))
    }
}
