//! ext2, ext3 and ext4, read as the kernel would show them after it had replayed the journal and
//! mounted them read-only; nothing is written, the journal is replayed in memory.
//!
//! Follows the kernel's `Documentation/filesystems/ext4`. Refused as a whole: external journal
//! devices, compression and `dirdata`, which no current kernel mounts either. Refused by the node:
//! what fscrypt encrypts. Not looked at: bitmaps, quota, backups of the superblock. Orphans need
//! nothing done: a deleted one is in no directory, a truncated one has its new size already.
//!
//! | file | what it reads |
//! |---|---|
//! | [`superblock`] | the superblock, features |
//! | [`volume`] | blocks after replay, group descriptors, inode tables |
//! | [`journal`] | JBD2: which blocks are newer in the journal, and what fast commits say |
//! | [`changes`] | what fast commits change |
//! | [`inode`] | one inode |
//! | [`map`], [`extents`] | which blocks a file has |
//! | [`mod@file`] | bytes of files and links |
//! | [`directory`], [`htree`] | names, and one name by its hash |
//! | [`xattr`], [`acl`] | extended attributes |

mod acl;
mod changes;
mod checksum;
mod directory;
mod extents;
mod file;
mod htree;
mod inode;
mod journal;
mod map;
mod superblock;
mod volume;
mod xattr;

use super::{DirectoryEntry, Filesystem, Listing, Metadata, Node};
use crate::block::BlockDevice;
use crate::model::{Fault, FileKind, Name, Xattr};
use changes::{Changes, MAX_INODES};
use inode::Inode;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use superblock::Superblock;
use volume::Volume;

const ROOT: u32 = 2;
/// A listing lies in memory as a whole; 100 bytes a name keep this below 256 MiB.
const MAX_ENTRIES: usize = 2 << 20;

/// An ext2, ext3 or ext4 file system.
#[derive(Debug)]
pub struct Ext4 {
    volume: Volume,
    /// What of the journal could not be replayed; faults of the root's listing.
    faults: Vec<Fault>,
}

/// The directory that listed a node. A directory lies in one other only, so that no hostile one
/// can be entered in a circle.
struct ListedIn(u32);

impl Ext4 {
    /// Whether the device begins as one of ours: the magic number alone.
    #[must_use]
    pub fn probe(device: &dyn BlockDevice) -> bool {
        let mut bytes = [0; superblock::LENGTH];
        device.read_at(superblock::OFFSET, &mut bytes).is_ok() && Superblock::is_one(&bytes)
    }

    /// Reads the superblock and, where it was not unmounted, the journal.
    pub fn open(device: Arc<dyn BlockDevice>) -> Result<Self, Fault> {
        let volume = Volume::open(device)?;
        let replay = journal::replay(&volume);
        let volume = match replay.overlay.is_empty() {
            true => volume,
            false => volume.with_overlay(replay.overlay)?,
        };
        let (changes, fault) = Changes::of(&volume, replay.steps, MAX_INODES);
        let volume = volume.with_changes(changes);
        let root = volume.inode(ROOT.into())?;
        if root.kind != FileKind::Directory {
            return Err(Fault::damaged(format!("the root is a {}", root.kind)));
        }
        Ok(Self { volume, faults: replay.faults.into_iter().chain(fault).collect() })
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

    fn inode(&self, node: &Node) -> Result<Inode, Fault> {
        let inode = self.volume.inode(node.number)?;
        if inode.number != ROOT && inode.number < self.volume.superblock.first_inode {
            return Err(Fault::damaged(format!("inode {} is no file", inode.number)));
        }
        Ok(inode)
    }

    fn file(&self, node: &Node) -> Result<Inode, Fault> {
        let inode = self.inode(node)?;
        if inode.kind != FileKind::File {
            return Err(Fault::damaged(format!("inode {} is a {}", inode.number, inode.kind)));
        }
        Ok(inode)
    }

    fn directory(&self, node: &Node) -> Result<Inode, Fault> {
        let inode = self.inode(node)?;
        if inode.kind != FileKind::Directory {
            return Err(Fault::damaged(format!("inode {} is a {}", inode.number, inode.kind)));
        }
        Ok(inode)
    }
}

/// Whether a directory says itself that it lies where it was listed.
fn check_parent(node: &Node, inode: &Inode, parent: Option<u32>) -> Result<(), Fault> {
    let listed = node.state.as_ref().and_then(|state| state.downcast_ref::<ListedIn>());
    match (listed, parent) {
        (Some(ListedIn(listed)), Some(parent)) if *listed != parent => {
            Err(Fault::damaged(format!(
                "inode {}: it lies in directory {parent} and is listed in {listed}",
                inode.number
            )))
        }
        (Some(_), None) => {
            Err(Fault::damaged(format!("inode {}: a directory without `..`", inode.number)))
        }
        _ => Ok(()),
    }
}

impl Filesystem for Ext4 {
    fn type_name(&self) -> &str {
        self.volume.superblock.type_name()
    }

    fn root(&self) -> Node {
        Node::new(ROOT.into())
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
            ctime: Some(inode.ctime),
            links: inode.links.into(),
            device: inode.device()?,
            inode: (u64::from_le_bytes(*first) ^ u64::from_le_bytes(*second), node.number),
        })
    }

    fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
        let inode = self.directory(node)?;
        let mut listing = Listing::default();
        let mut damaged = Vec::new();
        let mut parent = None;
        let mut is_full = false;
        let state: Arc<ListedIn> = Arc::new(ListedIn(inode.number));
        let mut add = |number: u32, name: &[u8]| {
            match name {
                b"." => {}
                b".." => parent = parent.or(Some(number)),
                _ => match Name::new(name) {
                    Some(name) => {
                        let state: Arc<dyn std::any::Any + Send + Sync> = Arc::clone(&state) as _;
                        let node = Node { number: number.into(), state: Some(state) };
                        listing.entries.push(DirectoryEntry { name, node });
                    }
                    None => damaged.push(Fault::damaged(format!(
                        "inode {number} has the name \"{}\"",
                        crate::model::path::Escaped(name)
                    ))),
                },
            }
            is_full = listing.entries.len() >= MAX_ENTRIES || damaged.len() > directory::MAX_FAULTS;
            if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        directory::visit(&self.volume, &inode, &mut add, &mut listing.faults)?;
        check_parent(node, &inode, parent)?;
        listing.faults.append(&mut damaged);
        listing.refuse_repeats(ROOT.into(), |node| {
            self.inode(node).is_ok_and(|inode| inode.kind == FileKind::Directory)
        });
        if is_full {
            listing
                .faults
                .push(Fault::limit(format!("only {} names were read", listing.entries.len())));
        }
        if inode.number == ROOT {
            // Else a root that lost its blocks would be an empty tree.
            if parent != Some(ROOT) {
                listing.faults.push(Fault::damaged("the root does not say that it is the root"));
            }
            listing.faults.extend_from_slice(&self.faults);
        }
        Ok(listing)
    }

    fn lookup(&self, directory: &Node, name: &[u8]) -> Result<Option<Node>, Fault> {
        let inode = self.directory(directory)?;
        if Name::new(name).is_none() {
            return Ok(None);
        }
        let listed_here = |number: u32| Node {
            number: number.into(),
            state: Some(Arc::new(ListedIn(inode.number))),
        };
        if let Some(number) = htree::find(&self.volume, &inode, name) {
            return Ok(Some(listed_here(number)));
        }
        let mut found = None;
        let mut faults = Vec::new();
        let mut compare = |number: u32, other: &[u8]| {
            if other == name {
                found = Some(number);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        directory::visit(&self.volume, &inode, &mut compare, &mut faults)?;
        match (found, faults.into_iter().next()) {
            (Some(number), _) => Ok(Some(listed_here(number))),
            // It may stand in the part that could not be read.
            (None, Some(fault)) => Err(fault),
            (None, None) => Ok(None),
        }
    }

    fn open(&self, node: &Node) -> Result<Node, Fault> {
        let inode = self.inode(node)?;
        if inode.kind == FileKind::File {
            file::check_blocks(&self.volume, &inode)?;
        }
        Ok(node.clone())
    }

    fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let inode = self.file(node)?;
        file::read_at(&self.volume, &inode, offset, buffer)
            .map_err(|fault| fault.within(format_args!("inode {}", inode.number)))
    }

    fn next_data(&self, node: &Node, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        let inode = self.file(node)?;
        file::next_data(&self.volume, &inode, offset)
            .map_err(|fault| fault.within(format_args!("inode {}", inode.number)))
    }

    fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        let inode = self.inode(node)?;
        file::target(&self.volume, &inode)
            .map_err(|fault| fault.within(format_args!("inode {}", inode.number)))
    }

    fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>, Fault> {
        let inode = self.inode(node)?;
        xattr::all(&self.volume, &inode)
            .map_err(|fault| fault.within(format_args!("inode {}", inode.number)))
    }
}
