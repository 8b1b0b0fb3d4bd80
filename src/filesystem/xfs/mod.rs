//! XFS, versions 4 and 5, as the kernel would show it mounted read-only; nothing is written.
//!
//! Follows `fs/xfs/libxfs` of Linux. Where metadata has checksums they are verified, with the
//! block's own number and owner; what fails is a fault of that part. Refused as a whole: features
//! that are not known, versions before 4. Refused by the node: bytes in the realtime section. Not
//! looked at: free space and inode trees (an inode is where its number says), reverse mappings,
//! quota. A log that was not replayed is replayed in memory; where it cannot be, the root's listing
//! has the fault that says so. Directories of `ascii-ci` are read with names as they were written.
//!
//! | file | what it reads |
//! |---|---|
//! | [`superblock`] | the superblock, features, where numbers lie |
//! | [`volume`] | blocks, inodes |
//! | [`checksum`] | checksums and headers of version 5 |
//! | [`log`] | the log, replayed in memory |
//! | [`inode`] | one inode |
//! | [`fork`] | which blocks a fork has |
//! | [`mod@file`] | bytes of files and links |
//! | [`directory`], [`lookup`] | names, and one name by its hash |
//! | [`xattr`], [`acl`] | extended attributes |

mod acl;
mod checksum;
mod directory;
mod file;
mod fork;
mod inode;
mod log;
mod lookup;
mod superblock;
mod volume;
mod xattr;

use super::{DirectoryEntry, Filesystem, Listing, Metadata, Node};
use crate::block::BlockDevice;
use crate::model::{Fault, FileKind, Name, Xattr};
use inode::{Format, Inode};
use std::any::Any;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use superblock::incompat;
use volume::Volume;

/// A listing lies in memory as a whole; 100 bytes a name keep this below 256 MiB.
const MAX_ENTRIES: usize = 2 << 20;

/// An XFS file system.
#[derive(Debug)]
pub struct Xfs {
    volume: Volume,
    /// What the log or a wanted repair says of the whole; faults of the root's listing.
    faults: Vec<Fault>,
}

/// The directory that listed a node. A directory lies in one other only, so that no hostile one
/// can be entered in a circle.
struct ListedIn(u64);

impl Xfs {
    /// Whether the device begins as one of ours: the magic number alone.
    #[must_use]
    pub fn probe(device: &dyn BlockDevice) -> bool {
        Volume::probe(device)
    }

    /// Reads the superblock and, where it was not unmounted, the log.
    pub fn open(device: Arc<dyn BlockDevice>) -> Result<Self, Fault> {
        let volume = Volume::open(Arc::clone(&device))?;
        let log::Changes { sectors, mut faults } = log::changes(&volume);
        let volume = match sectors.is_empty() {
            true => volume,
            false => Volume::open(Arc::new(log::Patched::new(device, sectors)))?,
        };
        if volume.superblock.incompat & incompat::NEEDS_REPAIR != 0 {
            faults.push(Fault::damaged("it is marked to be repaired before it is used again"));
        }
        let root = volume.inode(volume.superblock.root)?;
        if root.kind != FileKind::Directory {
            return Err(Fault::damaged(format!("the root is a {}", root.kind)));
        }
        Ok(Self { volume, faults })
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

    fn inode_of(&self, node: &Node, kind: FileKind) -> Result<Inode, Fault> {
        let inode = self.volume.inode(node.number)?;
        if inode.kind != kind {
            return Err(Fault::damaged(format!("inode {} is a {}", inode.number, inode.kind)));
        }
        Ok(inode)
    }

    /// What `read` makes of a node's inode, a fault with its number.
    fn with<T>(
        &self,
        node: &Node,
        read: impl FnOnce(&Inode) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let inode = self.volume.inode(node.number)?;
        read(&inode).map_err(|fault| fault.within(format_args!("inode {}", inode.number)))
    }
}

/// Whether a directory says itself that it lies where it was listed.
fn check_parent(node: &Node, parent: Option<u64>) -> Result<(), Fault> {
    let listed = node.state.as_ref().and_then(|state| state.downcast_ref::<ListedIn>());
    match (listed, parent) {
        (Some(ListedIn(listed)), Some(parent)) if *listed != parent => {
            Err(Fault::damaged(format!(
                "inode {}: it lies in directory {parent} and is listed in {listed}",
                node.number
            )))
        }
        (Some(_), None) => {
            Err(Fault::damaged(format!("inode {}: a directory without `..`", node.number)))
        }
        _ => Ok(()),
    }
}

impl Filesystem for Xfs {
    fn type_name(&self) -> &str {
        "xfs"
    }

    fn root(&self) -> Node {
        Node::new(self.volume.superblock.root)
    }

    fn metadata(&self, node: &Node) -> Result<Metadata, Fault> {
        self.with(node, |inode| {
            let (halves, _) = self.volume.superblock.uuid.as_chunks::<8>();
            let own = halves.iter().fold(0, |own, half| own ^ u64::from_le_bytes(*half));
            Ok(Metadata {
                kind: inode.kind,
                mode: inode.mode,
                uid: inode.uid,
                gid: inode.gid,
                size: inode.size,
                mtime: inode.mtime,
                ctime: Some(inode.ctime),
                links: inode.links,
                device: inode.device()?,
                inode: (own, node.number),
            })
        })
    }

    fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
        let inode = self.inode_of(node, FileKind::Directory)?;
        let mut listing = Listing::default();
        let mut damaged = Vec::new();
        let mut parent = None;
        let mut is_full = false;
        let state: Arc<dyn Any + Send + Sync> = Arc::new(ListedIn(inode.number));
        let mut add = |number: u64, name: &[u8]| {
            match name {
                b"." => {}
                b".." => parent = parent.or(Some(number)),
                _ => match Name::new(name) {
                    Some(name) => {
                        let node = Node { number, state: Some(Arc::clone(&state)) };
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
        let outcome = directory::visit(&self.volume, &inode, &mut add, &mut listing.faults);
        check_parent(node, parent)?;
        // What was read before the fault is there all the same.
        listing.faults.extend(outcome.err());
        listing.faults.append(&mut damaged);
        listing.refuse_repeats(self.volume.superblock.root, |node| {
            self.inode_of(node, FileKind::Directory).is_ok()
        });
        if is_full {
            let count = listing.entries.len();
            listing.faults.push(Fault::limit(format!("only {count} names were read")));
        }
        if inode.number == self.volume.superblock.root {
            listing.faults.extend_from_slice(&self.faults);
        }
        Ok(listing)
    }

    fn lookup(&self, directory: &Node, name: &[u8]) -> Result<Option<Node>, Fault> {
        let inode = self.inode_of(directory, FileKind::Directory)?;
        if Name::new(name).is_none() {
            return Ok(None);
        }
        let listed_here =
            |number: u64| Node { number, state: Some(Arc::new(ListedIn(inode.number))) };
        let is_indexed = inode.data.format != Format::Local && !self.volume.superblock.folds_case;
        if is_indexed && let Ok(found) = lookup::find(&self.volume, &inode, name) {
            return Ok(found.map(listed_here));
        }
        let mut found = None;
        let mut faults = Vec::new();
        let mut compare = |number: u64, other: &[u8]| {
            if other == name {
                found = Some(number);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        let outcome = directory::visit(&self.volume, &inode, &mut compare, &mut faults);
        match (found, outcome.err().or_else(|| faults.into_iter().next())) {
            (Some(number), _) => Ok(Some(listed_here(number))),
            // It may stand in the part that could not be read.
            (None, Some(fault)) => Err(fault),
            (None, None) => Ok(None),
        }
    }

    fn open(&self, node: &Node) -> Result<Node, Fault> {
        self.with(node, |inode| {
            if inode.kind == FileKind::File {
                file::check_blocks(&self.volume, inode)?;
            }
            Ok(node.clone())
        })
    }

    fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let inode = self.inode_of(node, FileKind::File)?;
        file::read_at(&self.volume, &inode, offset, buffer)
            .map_err(|fault| fault.within(format_args!("inode {}", inode.number)))
    }

    fn next_data(&self, node: &Node, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        let inode = self.inode_of(node, FileKind::File)?;
        file::next_data(&self.volume, &inode, offset)
            .map_err(|fault| fault.within(format_args!("inode {}", inode.number)))
    }

    fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        self.with(node, |inode| file::target(&self.volume, inode))
    }

    fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>, Fault> {
        self.with(node, |inode| xattr::all(&self.volume, inode))
    }
}
