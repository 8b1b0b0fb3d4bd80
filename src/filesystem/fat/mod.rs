//! FAT12, FAT16 and FAT32 with long names (`vfat`), as Linux mounts them read-only.
//!
//! Follows Microsoft's "FAT: General Overview of On-Disk Format" 1.03 and the long names of
//! Windows 95. A volume has no owners, modes or attributes: what a mount with default options shows
//! is given, and [`Fat::carries`] says that none of it is the medium's. Times are those of the
//! writer's clock, taken as UTC, to two seconds. Not looked at: the dirty bit, `FSInfo`, the second
//! table, access and creation times. exFAT is another format.
//!
//! The tree cannot be made to loop: a directory is entered only where its own `..` says that it
//! lies, and once from there.

mod boot;
mod directory;
mod names;
mod table;

use super::bytes::to_usize;
use super::{Carries, DirectoryEntry, Filesystem, Kinds, Listing, Metadata, Node};
use crate::block::BlockDevice;
use crate::model::{Fault, FileKind, Name, Timestamp};
use boot::{Geometry, Root, Width};
use directory::{ENTRY, Entries, Entry};
use std::collections::HashSet;
use std::sync::Arc;
use table::{Run, Table};

/// As long may a directory be (Linux's `FAT_MAX_DIR_SIZE`): 65,536 entries.
const MAX_DIRECTORY: u32 = 2 << 20;
/// The number of the root's node; others have the offset of their entry on the device.
const ROOT: u64 = 0;

/// A FAT file system.
#[derive(Debug)]
pub struct Fat {
    device: Arc<dyn BlockDevice>,
    geometry: Geometry,
    table: Table,
    label: Vec<u8>,
}

/// What a node is: its entry, with the first cluster of the directory that has it (0 for the
/// root).
#[derive(Debug)]
struct Listed {
    entry: Entry,
    parent: u32,
    /// Of an opened file.
    runs: Option<Vec<Run>>,
}

impl Fat {
    /// Whether the device begins as one of ours.
    #[must_use]
    pub fn probe(device: &dyn BlockDevice) -> bool {
        let mut raw = [0; boot::LENGTH];
        device.read_at(0, &mut raw).is_ok() && Geometry::parse(&raw).is_ok()
    }

    /// Reads the boot sector.
    pub fn open(device: Arc<dyn BlockDevice>) -> Result<Self, Fault> {
        let mut raw = [0; boot::LENGTH];
        device.read_at(0, &mut raw)?;
        let geometry = Geometry::parse(&raw)?;
        let label = geometry.label.clone();
        let mut fat = Self { device, geometry, table: Table::new(), label };
        // The root's own entry is what tools change; a root that cannot be read is told when it
        // is listed.
        if let Ok((entries, _)) = fat.entries(None)
            && let Some(label) = entries.label
        {
            fat.label = label;
        }
        Ok(fat)
    }

    /// The volume serial number, as `blkid` and `fstab` write it; `None` where there is none.
    #[must_use]
    pub fn uuid(&self) -> Option<String> {
        let serial = self.geometry.serial?;
        Some(format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff))
    }

    /// The label in the OEM code page; empty where there is none.
    #[must_use]
    pub fn label(&self) -> &[u8] {
        &self.label
    }

    fn listed<'a>(&self, node: &'a Node) -> Result<Option<&'a Listed>, Fault> {
        if node.number == ROOT {
            return Ok(None);
        }
        let state = node.state.as_ref().and_then(|state| state.downcast_ref::<Listed>());
        state.map(Some).ok_or_else(|| Fault::damaged(format!("no entry at {}", node.number)))
    }

    fn file<'a>(&self, node: &'a Node) -> Result<&'a Listed, Fault> {
        match self.listed(node)? {
            Some(listed) if !listed.entry.is_directory => Ok(listed),
            _ => Err(Fault::damaged("it is a directory")),
        }
    }

    /// The bytes of a directory with where they lie on the device, and what of it is damaged.
    fn directory_runs(&self, cluster: u32) -> (Vec<(u64, usize)>, Option<Fault>) {
        let size = self.geometry.cluster_size;
        let most = MAX_DIRECTORY.checked_div(size).unwrap_or(0).max(1);
        let (runs, mut fault) =
            self.table.chain(self.device.as_ref(), &self.geometry, cluster, most.saturating_add(1));
        let mut seen = HashSet::new();
        let mut places = Vec::new();
        for cluster in runs.iter().flat_map(|run| run.first..run.first.saturating_add(run.count)) {
            if !seen.insert(cluster) {
                fault = Some(Fault::damaged(format!("its clusters come back to {cluster}")));
                break;
            }
            if seen.len() > to_usize(most).unwrap_or(0) {
                fault = Some(Fault::limit(format!("a directory of over {MAX_DIRECTORY} bytes")));
                break;
            }
            match (self.geometry.offset(cluster), to_usize(size)) {
                (Ok(offset), Ok(length)) => places.push((offset, length)),
                (Err(damage), _) | (_, Err(damage)) => fault = fault.or(Some(damage)),
            }
        }
        (places, fault)
    }

    /// What a directory has in it (`None`: the root), with the places that it lies at.
    fn entries(&self, of: Option<&Listed>) -> Result<(Entries, Extent), Fault> {
        let (places, fault) = match (of, self.geometry.root) {
            (Some(listed), _) => self.directory_runs(listed.entry.cluster),
            (None, Root::Cluster(cluster)) => self.directory_runs(cluster),
            (None, Root::Area(offset, length)) => (vec![(offset, length)], None),
        };
        let mut faults: Vec<Fault> = fault.into_iter().collect();
        let mut bytes = Vec::new();
        let mut read = Vec::new();
        for (offset, length) in places {
            let start = bytes.len();
            bytes.resize(start.saturating_add(length), 0);
            let part = bytes.get_mut(start..).unwrap_or_default();
            if let Err(fault) = self.device.read_at(offset, part) {
                part.fill(0);
                faults.push(fault);
            }
            read.push((start, offset));
        }
        let entries = directory::parse(&bytes, self.geometry.width == Width::ThirtyTwo)?;
        Ok((entries, Extent { places: read, faults }))
    }

    /// A directory's own `..` must name the one that lists it.
    fn check_parent(&self, listed: &Listed, entries: &Entries) -> Result<(), Fault> {
        let is_root = |cluster: u32| cluster == 0 || self.geometry.root == Root::Cluster(cluster);
        match entries.parent {
            Some(parent) if parent == listed.parent => Ok(()),
            Some(parent) if is_root(parent) && listed.parent == 0 => Ok(()),
            Some(parent) => Err(Fault::damaged(format!(
                "the directory at cluster {} says that it lies in {parent}, and is listed in {}",
                listed.entry.cluster, listed.parent
            ))),
            None => Err(Fault::damaged(format!(
                "the directory at cluster {} has no `..`",
                listed.entry.cluster
            ))),
        }
    }

    /// The runs of a file, all that its size needs.
    fn runs(&self, entry: &Entry) -> Result<Vec<Run>, Fault> {
        let wanted = entry.size.div_ceil(self.geometry.cluster_size.max(1));
        if wanted == 0 {
            return Ok(Vec::new());
        }
        if wanted > self.geometry.clusters {
            return Err(Fault::damaged(format!(
                "{} bytes in {} clusters",
                entry.size, self.geometry.clusters
            )));
        }
        let (runs, fault) =
            self.table.chain(self.device.as_ref(), &self.geometry, entry.cluster, wanted);
        let there = runs.last().map_or(0, |run| run.before.saturating_add(run.count));
        match fault {
            Some(fault) => Err(fault),
            None if there < wanted => Err(Fault::damaged(format!(
                "{there} clusters, and its size of {} bytes needs {wanted}",
                entry.size
            ))),
            None => Ok(runs),
        }
    }
}

/// Where parts of a directory lie, as (offset in it, offset on the device), and its damage.
struct Extent {
    places: Vec<(usize, u64)>,
    faults: Vec<Fault>,
}

impl Extent {
    /// Where an entry lies on the device.
    fn on_device(&self, at: usize) -> u64 {
        let index = self.places.partition_point(|(start, _)| *start <= at).saturating_sub(1);
        let (start, offset) = self.places.get(index).copied().unwrap_or_default();
        offset.saturating_add(at.saturating_sub(start) as u64)
    }
}

impl Filesystem for Fat {
    fn type_name(&self) -> &str {
        "vfat"
    }

    fn carries(&self) -> Carries {
        Carries { mode: false, owner: false, xattrs: false, acls: false, kinds: Kinds::Files }
    }

    fn root(&self) -> Node {
        Node::new(ROOT)
    }

    fn metadata(&self, node: &Node) -> Result<Metadata, Fault> {
        let listed = self.listed(node)?;
        let is_directory = listed.is_none_or(|listed| listed.entry.is_directory);
        let is_read_only = listed.is_some_and(|listed| listed.entry.is_read_only);
        Ok(Metadata {
            kind: if is_directory { FileKind::Directory } else { FileKind::File },
            // Linux takes the read-only bit of a directory for an icon's.
            mode: if is_read_only && !is_directory { 0o555 } else { 0o755 },
            uid: 0,
            gid: 0,
            size: listed.filter(|_| !is_directory).map_or(0, |listed| u64::from(listed.entry.size)),
            mtime: listed.map_or(Timestamp::default(), |listed| listed.entry.mtime),
            ctime: None,
            links: 1,
            device: None,
            inode: (u64::from(self.geometry.serial.unwrap_or(0)), node.number),
        })
    }

    fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
        let listed = self.listed(node)?;
        if listed.is_some_and(|listed| !listed.entry.is_directory) {
            return Err(Fault::damaged("it is a file"));
        }
        let (entries, read) = self.entries(listed)?;
        if let Some(listed) = listed {
            self.check_parent(listed, &entries)?;
        }
        let parent = listed.map_or(0, |listed| listed.entry.cluster);
        let mut listing = Listing::default();
        let mut below = HashSet::new();
        for entry in entries.entries {
            let Some(name) = Name::new(&entry.name) else {
                listing.faults.push(Fault::damaged(format!(
                    "an entry with the name \"{}\"",
                    crate::model::path::Escaped(&entry.name)
                )));
                continue;
            };
            if entry.is_directory && !below.insert(entry.cluster) {
                listing.faults.push(Fault::damaged(format!(
                    "{name}: the directory at cluster {} is listed twice",
                    entry.cluster
                )));
                continue;
            }
            let number = read.on_device(entry.at);
            let state = Arc::new(Listed { entry, parent, runs: None });
            listing
                .entries
                .push(DirectoryEntry { name, node: Node { number, state: Some(state) } });
        }
        listing.faults.extend(read.faults);
        Ok(listing)
    }

    fn open(&self, node: &Node) -> Result<Node, Fault> {
        match self.listed(node)? {
            Some(listed) if !listed.entry.is_directory => {
                let runs = Some(self.runs(&listed.entry)?);
                let listed = Listed { entry: listed.entry.clone(), parent: listed.parent, runs };
                Ok(Node { number: node.number, state: Some(Arc::new(listed)) })
            }
            _ => Ok(node.clone()),
        }
    }

    fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let listed = self.file(node)?;
        let rest = u64::from(listed.entry.size).saturating_sub(offset);
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let mut wanted = buffer.get_mut(..length).unwrap_or_default();
        let own;
        let runs = match &listed.runs {
            Some(runs) => runs,
            None => {
                own = self.runs(&listed.entry)?;
                &own
            }
        };
        let size = u64::from(self.geometry.cluster_size);
        let start = |run: &Run| u64::from(run.before).saturating_mul(size);
        let first = runs.partition_point(|run| start(run) <= offset).saturating_sub(1);
        let mut at = offset;
        for run in runs.iter().skip(first) {
            let skip = at.saturating_sub(start(run));
            let there = u64::from(run.count).saturating_mul(size).saturating_sub(skip);
            let count = usize::try_from(there).unwrap_or(usize::MAX).min(wanted.len());
            let (part, after) = wanted.split_at_mut_checked(count).unwrap_or_default();
            let place = self.geometry.offset(run.first)?.saturating_add(skip);
            self.device.read_at(place, part)?;
            at = at.saturating_add(count as u64);
            wanted = after;
            if wanted.is_empty() {
                break;
            }
        }
        Ok(length)
    }

    fn read_link(&self, _node: &Node) -> Result<Vec<u8>, Fault> {
        Err(Fault::damaged("FAT has no symbolic links"))
    }

    fn xattrs(&self, _node: &Node) -> Result<Vec<crate::model::Xattr>, Fault> {
        Ok(Vec::new())
    }
}

/// An entry of a directory is never split between clusters.
const _: () = assert!(512 % ENTRY == 0);
