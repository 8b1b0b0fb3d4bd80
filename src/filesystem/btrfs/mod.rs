//! btrfs, read as the kernel would show it mounted read-only; nothing is written.
//!
//! Follows the on-disk format as the btrfs project documents it. Checksums of trees and of data
//! are verified, and another copy (DUP, RAID1) is read where one is damaged. Refused as a whole:
//! chunks that are spread over devices (RAID0, RAID10, RAID5, RAID6) or lie on another one only,
//! zoned devices, extent tree v2, the RAID stripe tree. Logs of what was fsynced after the last
//! transaction are replayed in memory; what could not be is a fault of the root's listing. Subvolumes and snapshots are directories;
//! which of them is the root is chosen by [`Filesystem::subvolume`], and is the default one else.
//!
//! | file | what it reads |
//! |---|---|
//! | [`superblock`], [`chunk`] | the superblock; where logical addresses lie |
//! | [`checksum`], [`xxhash`], [`blake2`] | the four checksums |
//! | [`volume`] | blocks and data, verified |
//! | [`node`], [`tree`] | one block; searches |
//! | [`subvolume`] | the tree of trees |
//! | [`replay`] | the logs |
//! | [`inode`], [`directory`] | inodes; names and extended attributes |
//! | [`extent`], [`mod@file`] | bytes of files and links |
//! | [`compression`], [`lzo`] | compressed extents |

mod blake2;
mod checksum;
mod chunk;
mod compression;
mod directory;
mod extent;
mod file;
mod inode;
pub(super) mod lzo;
mod node;
mod replay;
mod subvolume;
mod superblock;
mod tree;
mod volume;
mod xxhash;

use super::cache::Cache;
use super::{DirectoryEntry, Filesystem, Listing, Metadata, Node, SubvolumeName};
use crate::block::BlockDevice;
use crate::model::path::Escaped;
use crate::model::{Fault, FileKind, Name, Xattr};
use directory::Entry;
use file::Reader;
use inode::Inode;
use node::{Key, kind};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use subvolume::Subvolume;
use superblock::Superblock;
use volume::Volume;

/// `BTRFS_FIRST_FREE_OBJECTID`: the top directory of every subvolume.
const ROOT: u64 = 256;
/// `BTRFS_EMPTY_SUBVOL_DIR_OBJECTID`: what is shown where a subvolume is not.
const EMPTY: u64 = 2;
/// A listing lies in memory as a whole; 100 bytes a name keep this below 256 MiB.
const MAX_ENTRIES: usize = 2 << 20;
/// All extended attributes of one inode together.
const MAX_VALUES: usize = 16 << 20;

/// A btrfs file system.
#[derive(Debug)]
pub struct Btrfs {
    volume: Volume,
    unpacked: Cache,
    root: Subvolume,
    /// Tells file systems apart.
    id: u64,
    /// Faults of the root's listing.
    faults: Vec<Fault>,
}

/// Where a node lies: what its number does not say.
#[derive(Debug)]
struct Place {
    subvolume: Subvolume,
    /// The directory that listed it. A directory lies in one other only, so that no hostile one
    /// can be entered in a circle.
    listed_in: u64,
    /// The subvolume that is not there.
    absent: Option<u64>,
}

impl Btrfs {
    /// Whether the device begins as one of ours: the magic number alone.
    #[must_use]
    pub fn probe(device: &dyn BlockDevice) -> bool {
        superblock::OFFSETS.into_iter().any(|offset| {
            let mut bytes = vec![0; superblock::LENGTH];
            device.read_at(offset, &mut bytes).is_ok() && Superblock::is_one(&bytes)
        })
    }

    /// Opens what is mounted where no subvolume is named.
    pub fn open(device: Arc<dyn BlockDevice>) -> Result<Self, Fault> {
        let mut volume = Volume::open(device)?;
        let mut faults = Vec::new();
        match subvolume::checksums(&volume) {
            Ok(root) => volume.checksums = root,
            Err(fault) => faults.push(fault.within("data are not verified")),
        }
        faults.extend(replay::all_logs(&mut volume));
        let root = subvolume::open_first(&volume, subvolume::default(&volume)?)?;
        let (halves, _) = volume.superblock.uuid.as_chunks::<8>();
        let id = halves.iter().fold(0, |id, half| id ^ u64::from_le_bytes(*half));
        let filesystem = Self { volume, unpacked: file::cache(), root, id, faults };
        let kind = filesystem.inode(&filesystem.root())?.1.kind;
        if kind != FileKind::Directory {
            return Err(Fault::damaged(format!("the root is a {kind}")));
        }
        Ok(filesystem)
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

    /// The number of the subvolume that is the root.
    #[must_use]
    pub const fn root_subvolume(&self) -> u64 {
        self.root.id
    }

    /// The inode of a node that is no absent subvolume.
    fn inode<'a>(&self, node: &'a Node) -> Result<(&'a Place, Inode), Fault> {
        let place = place(node)?;
        let key = Key::new(node.number, kind::INODE_ITEM, 0);
        let found = tree::get(&self.volume, &place.subvolume.tree, key, Inode::parse);
        let inode = found
            .and_then(|inode| inode.ok_or_else(|| Fault::damaged("it is not in its tree")))
            .map_err(|fault| within(node, place, fault))?;
        Ok((place, inode))
    }

    /// Does something with a reader of an inode's bytes.
    fn with_file<T>(
        &self,
        node: &Node,
        wanted: FileKind,
        action: impl FnOnce(&Reader<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let (place, inode) = self.inode(node)?;
        if inode.kind != wanted {
            return Err(within(node, place, Fault::damaged(format!("it is a {}", inode.kind))));
        }
        let reader = Reader {
            volume: &self.volume,
            unpacked: &self.unpacked,
            tree: &place.subvolume.tree,
            number: node.number,
            inode: &inode,
        };
        action(&reader).map_err(|fault| within(node, place, fault))
    }

    /// The place of a directory that may be read: one that says itself where it was listed.
    fn directory<'a>(&self, node: &'a Node) -> Result<&'a Place, Fault> {
        let (place, inode) = self.inode(node)?;
        let damaged = |what: String| Err(within(node, place, Fault::damaged(what)));
        if inode.kind != FileKind::Directory {
            return damaged(format!("it is a {}", inode.kind));
        }
        let mut parent = None;
        let key = |offset| Key::new(node.number, kind::INODE_REF, offset);
        let (volume, tree) = (&self.volume, &place.subvolume.tree);
        tree::scan(volume, tree, key(0), key(u64::MAX), &mut |key, _| {
            parent = Some(key.offset);
            ControlFlow::Break(())
        })
        .map_err(|fault| within(node, place, fault))?;
        match parent {
            Some(parent) if parent == place.listed_in => Ok(place),
            Some(parent) => damaged(format!(
                "it lies in directory {parent} and is listed in {}",
                place.listed_in
            )),
            None => damaged("a directory that lies nowhere".to_owned()),
        }
    }

    /// The node that an entry of a directory names. `here` is the place of inodes listed there.
    fn named(&self, here: &Arc<Place>, entry: &Entry<'_>) -> Result<Node, Fault> {
        let Key { object, kind, .. } = entry.location;
        let id = here.subvolume.id;
        if kind == kind::INODE_ITEM && object > ROOT {
            return Ok(Node { number: object, state: Some(Arc::clone(here) as _) });
        }
        if kind != kind::ROOT_ITEM {
            return Err(Fault::damaged(format!(
                "\"{}\" names item {object} of type {kind}",
                Escaped(entry.name)
            )));
        }
        let place = (id, here.listed_in);
        let is_here = subvolume::lies_in(&self.volume, object, place, entry.name)?;
        if !is_here {
            let place = Place {
                subvolume: here.subvolume.clone(),
                listed_in: here.listed_in,
                absent: Some(object),
            };
            return Ok(Node { number: EMPTY, state: Some(Arc::new(place)) });
        }
        Ok(top(subvolume::open(&self.volume, object)?))
    }
}

/// The top directory of a subvolume.
fn top(subvolume: Subvolume) -> Node {
    let place = Place { subvolume, listed_in: ROOT, absent: None };
    Node { number: ROOT, state: Some(Arc::new(place)) }
}

fn place(node: &Node) -> Result<&Place, Fault> {
    let place = node.state.as_ref().and_then(|state| state.downcast_ref::<Place>());
    place.ok_or_else(|| Fault::damaged("a node of another file system"))
}

fn within(node: &Node, place: &Place, fault: Fault) -> Fault {
    fault.within(format_args!("inode {} of subvolume {}", node.number, place.subvolume.id))
}

impl Filesystem for Btrfs {
    fn type_name(&self) -> &str {
        "btrfs"
    }

    fn root(&self) -> Node {
        top(self.root.clone())
    }

    fn metadata(&self, node: &Node) -> Result<Metadata, Fault> {
        let place = place(node)?;
        let tree = self.id ^ place.subvolume.id;
        if let Some(absent) = place.absent {
            let directory = Node { number: place.listed_in, state: node.state.clone() };
            let (_, inode) = self.inode(&directory)?;
            return Ok(Metadata {
                kind: FileKind::Directory,
                mode: 0o755,
                uid: inode.uid,
                gid: inode.gid,
                size: 0,
                // The kernel makes it when it is looked at, and has no better moment either.
                mtime: inode.mtime,
                ctime: Some(inode.ctime),
                links: 1,
                device: None,
                inode: (tree ^ absent.rotate_left(32), EMPTY),
            });
        }
        let (_, inode) = self.inode(node)?;
        Ok(Metadata {
            kind: inode.kind,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            size: inode.size,
            mtime: inode.mtime,
            ctime: Some(inode.ctime),
            links: inode.links,
            device: inode.device,
            inode: (tree, node.number),
        })
    }

    fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
        let mut listing = Listing::default();
        if place(node)?.absent.is_some() {
            return Ok(listing);
        }
        let place = self.directory(node)?;
        let subvolume = place.subvolume.clone();
        let here =
            Arc::new(Place { subvolume: subvolume.clone(), listed_in: node.number, absent: None });
        let range = (
            Key::new(node.number, kind::DIR_INDEX, 0),
            Key::new(node.number, kind::DIR_INDEX, u64::MAX),
        );
        let mut damaged = Vec::new();
        let add = |entry: &Entry<'_>| {
            let name = Name::new(entry.name).ok_or_else(|| {
                Fault::damaged(format!("an entry has the name \"{}\"", Escaped(entry.name)))
            })?;
            Ok(DirectoryEntry { name, node: self.named(&here, entry)? })
        };
        let mut visit = |_: Key, item: &[u8]| {
            match directory::entries(item) {
                Ok(entries) => {
                    for entry in &entries {
                        match add(entry) {
                            Ok(entry) => listing.entries.push(entry),
                            Err(fault) => damaged.push(fault),
                        }
                    }
                }
                Err(fault) => damaged.push(fault),
            }
            let is_enough =
                listing.entries.len() >= MAX_ENTRIES || damaged.len() > tree::MAX_FAULTS;
            if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut faults = Vec::new();
        tree::scan_on(&self.volume, &subvolume.tree, range, &mut visit, &mut faults);
        faults.append(&mut damaged);
        listing.faults = faults.into_iter().map(|fault| within(node, place, fault)).collect();
        // Tops of subvolumes have one number; where they may be listed is known.
        listing.refuse_repeats(ROOT, |node| {
            let is_directory = |inode: Inode| inode.kind == FileKind::Directory;
            node.number > ROOT && self.inode(node).is_ok_and(|(_, inode)| is_directory(inode))
        });
        if listing.entries.len() >= MAX_ENTRIES {
            listing
                .faults
                .push(Fault::limit(format!("only {} names were read", listing.entries.len())));
        }
        if node.number == ROOT && subvolume.id == self.root.id {
            listing.faults.extend_from_slice(&self.faults);
        }
        Ok(listing)
    }

    fn lookup(&self, directory: &Node, name: &[u8]) -> Result<Option<Node>, Fault> {
        if place(directory)?.absent.is_some() {
            return Ok(None);
        }
        let place = self.directory(directory)?;
        let subvolume = place.subvolume.clone();
        let here = Arc::new(Place {
            subvolume: subvolume.clone(),
            listed_in: directory.number,
            absent: None,
        });
        let key = Key::new(directory.number, kind::DIR_ITEM, checksum::name_hash(name));
        let found = tree::get(&self.volume, &subvolume.tree, key, |item| {
            let entries = directory::entries(item)?;
            let entry = entries.iter().find(|entry| entry.name == name);
            entry.map(|entry| self.named(&here, entry)).transpose()
        });
        found.map(Option::flatten).map_err(|fault| within(directory, place, fault))
    }

    fn open(&self, node: &Node) -> Result<Node, Fault> {
        if place(node)?.absent.is_none() && self.inode(node)?.1.kind == FileKind::File {
            self.with_file(node, FileKind::File, file::check_growth)?;
        }
        Ok(node.clone())
    }

    fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.with_file(node, FileKind::File, |file| file.read_at(offset, buffer))
    }

    fn next_data(&self, node: &Node, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        self.with_file(node, FileKind::File, |file| file.next_data(offset))
    }

    fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        self.with_file(node, FileKind::Symlink, file::target)
    }

    fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>, Fault> {
        let place = place(node)?;
        let mut found = Vec::new();
        if place.absent.is_some() {
            return Ok(found);
        }
        let key = |offset| Key::new(node.number, kind::XATTR_ITEM, offset);
        let mut room = MAX_VALUES;
        let mut outcome = Ok(());
        let mut visit = |_: Key, item: &[u8]| {
            outcome = directory::entries(item).and_then(|entries| {
                for entry in entries {
                    let size = entry.name.len().saturating_add(entry.value.len());
                    room = room.checked_sub(size).ok_or_else(|| {
                        Fault::limit(format!("extended attributes of more than {MAX_VALUES} bytes"))
                    })?;
                    found.push(Xattr { name: entry.name.into(), value: entry.value.into() });
                }
                Ok(())
            });
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let tree = &place.subvolume.tree;
        tree::scan(&self.volume, tree, key(0), key(u64::MAX), &mut visit)
            .and(outcome)
            .map_err(|fault| within(node, place, fault))?;
        found.sort();
        Ok(found)
    }

    fn subvolume(&self, name: SubvolumeName<'_>) -> Result<Node, Fault> {
        let path = match name {
            SubvolumeName::Id(id) => {
                let id = if id == 0 { subvolume::TOP } else { id };
                return subvolume::open_first(&self.volume, id).map(top);
            }
            SubvolumeName::Path(path) => path,
        };
        let mut node = top(subvolume::open_first(&self.volume, subvolume::TOP)?);
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            node = self.lookup(&node, name)?.ok_or_else(|| {
                Fault::damaged(format!("there is no subvolume {}", Escaped(path)))
            })?;
        }
        if node.number != ROOT {
            return Err(Fault::damaged(format!("{} is no subvolume", Escaped(path))));
        }
        Ok(node)
    }
}
