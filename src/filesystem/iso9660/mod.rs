//! ISO 9660, as installation media and cloud-init's seeds are written.
//!
//! Follows ECMA-119, SUSP and RRIP 1.12 and Microsoft's Joliet. Of several trees the one is read
//! that Linux mounts: that of Rock Ridge, else that of Joliet, else the plain one with its names in
//! lower case. Relocated directories are shown where they belong. Only the first session is read,
//! and boot images of El Torito are no part of the tree. Named and not read: zisofs, interleaved
//! files. Without Rock Ridge there are no owners and modes, which [`Iso9660::carries`] says.
//!
//! The tree cannot be made to loop: a directory is entered only where its own `..` says that it
//! lies, and once from there.

mod record;
mod rock;

use super::bytes::{byte, le16, slice, to_usize};
use super::{Carries, DirectoryEntry, Filesystem, Kinds, Listing, Metadata, Node};
use crate::block::{BlockDevice, read_vec};
use crate::model::{DeviceNumber, Fault, FileKind, Name, Timestamp, Xattr};
use record::{Record, flags};
use rock::Rock;
use std::collections::HashSet;
use std::sync::Arc;

/// Volume descriptors begin at sector 16.
const DESCRIPTORS: u64 = 16;
const SECTOR: usize = 2048;
/// Descriptors that are looked at; media have three to five.
const MAX_DESCRIPTORS: u64 = 64;
/// A directory lies in memory as a whole; this holds half a million files.
const MAX_DIRECTORY: u32 = 64 << 20;
/// Areas in which the entries of one record go on.
const MAX_CONTINUATIONS: usize = 32;
/// Damaged records of one directory that are told one by one.
const MAX_FAULTS: usize = 100;
/// The number of the root's node; others have the offset of their record.
const ROOT: u64 = 0;

/// Which names a tree has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// Rock Ridge, with so many bytes before its entries.
    Rock {
        skip: usize,
    },
    Joliet,
    Plain,
}

/// An ISO 9660 file system.
#[derive(Debug)]
pub struct Iso9660 {
    device: Arc<dyn BlockDevice>,
    block_size: u64,
    names: Names,
    root: Arc<Entry>,
    label: Vec<u8>,
}

/// A part of a file's bytes.
#[derive(Clone, Copy, Debug)]
struct Extent {
    block: u32,
    size: u32,
}

/// What a record says of what it names.
#[derive(Clone, Debug)]
struct Entry {
    kind: FileKind,
    mode: u16,
    owner: (u32, u32),
    links: u32,
    mtime: Timestamp,
    ctime: Option<Timestamp>,
    device: Option<DeviceNumber>,
    target: Vec<u8>,
    extents: Vec<Extent>,
    /// The first block of the directory that lists it.
    parent: u32,
    /// Why its bytes cannot be read.
    refused: Option<&'static str>,
}

impl Entry {
    fn size(&self) -> u64 {
        if self.kind == FileKind::Symlink {
            return self.target.len() as u64;
        }
        self.extents.iter().map(|extent| u64::from(extent.size)).sum()
    }

    fn block(&self) -> u32 {
        self.extents.first().map_or(0, |extent| extent.block)
    }
}

impl Iso9660 {
    /// Whether the device has a volume descriptor where it should be.
    #[must_use]
    pub fn probe(device: &dyn BlockDevice) -> bool {
        let mut raw = [0; 6];
        device.read_at(DESCRIPTORS.saturating_mul(SECTOR as u64), &mut raw).is_ok()
            && raw.ends_with(b"CD001")
    }

    /// Reads the volume descriptors and the root's own record.
    pub fn open(device: Arc<dyn BlockDevice>) -> Result<Self, Fault> {
        let (mut primary, mut joliet) = (None, None);
        for number in 0..MAX_DESCRIPTORS {
            let at = DESCRIPTORS.saturating_add(number).saturating_mul(SECTOR as u64);
            let raw = read_vec(device.as_ref(), at, SECTOR)?;
            if slice(&raw, 1, 5)? != b"CD001" {
                break;
            }
            match byte(&raw, 0)? {
                1 if primary.is_none() => primary = Some(raw),
                2 if matches!(slice(&raw, 88, 3)?, b"%/@" | b"%/C" | b"%/E") => joliet = Some(raw),
                255 => break,
                _ => {}
            }
        }
        let primary = primary.ok_or_else(|| Fault::damaged("no primary volume descriptor"))?;
        let mut iso = Self::of_descriptor(Arc::clone(&device), &primary, Names::Plain)?;
        let own = iso.own_record(iso.root.block());
        if let Ok((_, rock)) = &own
            && (rock.skip.is_some() || rock.mode.is_some())
        {
            iso.names = Names::Rock { skip: rock.skip.unwrap_or(0) };
            iso.root = Arc::new(own?.0);
        } else if let Some(joliet) = joliet {
            let label = std::mem::take(&mut iso.label);
            iso = Self { label, ..Self::of_descriptor(device, &joliet, Names::Joliet)? };
        }
        Ok(iso)
    }

    fn of_descriptor(
        device: Arc<dyn BlockDevice>,
        raw: &[u8],
        names: Names,
    ) -> Result<Self, Fault> {
        let block_size = u64::from(le16(raw, 128)?);
        if !matches!(block_size, 512 | 1024 | 2048) {
            return Err(Fault::damaged(format!("blocks of {block_size} bytes")));
        }
        let record = Record::parse(slice(raw, 156, 34)?)?;
        let root = entry(&record, &Rock::default(), record.block);
        if root.kind != FileKind::Directory {
            return Err(Fault::damaged("the root is a file"));
        }
        let label = slice(raw, 40, 32)?.trim_ascii_end().to_vec();
        Ok(Self { device, block_size, names, root: Arc::new(root), label })
    }

    /// The label of the primary volume; empty where there is none.
    #[must_use]
    pub fn label(&self) -> &[u8] {
        &self.label
    }

    fn offset(&self, block: u32) -> u64 {
        u64::from(block).saturating_mul(self.block_size)
    }

    /// What Rock Ridge says in a record, where the tree has it.
    fn rock(&self, record: &Record<'_>, skip: usize) -> Result<Rock, Fault> {
        let mut rock = Rock::default();
        rock.add(record.system_use.get(skip..).unwrap_or_default())?;
        for _ in 0..MAX_CONTINUATIONS {
            let Some((block, at, length)) = rock.continuation else { return Ok(rock) };
            if to_usize(length)? > SECTOR {
                return Err(Fault::damaged(format!("an area of {length} bytes goes on")));
            }
            let start = self.offset(block).saturating_add(at.into());
            rock.add(&read_vec(self.device.as_ref(), start, to_usize(length)?)?)?;
        }
        Err(Fault::limit(format!("a record goes on more than {MAX_CONTINUATIONS} times")))
    }

    fn rock_of(&self, record: &Record<'_>) -> Result<Rock, Fault> {
        match self.names {
            Names::Rock { skip } => self.rock(record, skip),
            Names::Joliet | Names::Plain => Ok(Rock::default()),
        }
    }

    /// The record of a directory in itself.
    fn own_record(&self, block: u32) -> Result<(Entry, Rock), Fault> {
        let raw = read_vec(self.device.as_ref(), self.offset(block), SECTOR)?;
        let record = Record::parse(slice(&raw, 0, byte(&raw, 0)?.into())?)?;
        if record.name != [0] || record.flags & flags::DIRECTORY == 0 {
            return Err(Fault::damaged(format!("no directory at block {block}")));
        }
        let rock = match self.names {
            Names::Rock { .. } => self.rock_of(&record)?,
            // Whether it is Rock Ridge shows here.
            _ => self.rock(&record, 0)?,
        };
        rock.check()?;
        let mut entry = entry(&record, &rock, block);
        entry.extents = vec![Extent { block, size: record.size }];
        Ok((entry, rock))
    }

    fn entry<'a>(&'a self, node: &'a Node) -> Result<&'a Entry, Fault> {
        if node.number == ROOT {
            return Ok(self.root.as_ref());
        }
        let state = node.state.as_ref().and_then(|state| state.downcast_ref::<Entry>());
        state.ok_or_else(|| Fault::damaged(format!("no record at {}", node.number)))
    }

    /// What a record of a directory leads to, with its name; `None` for what is not shown.
    fn shown(&self, record: &Record<'_>, parent: u32) -> Result<Option<(Vec<u8>, Entry)>, Fault> {
        if record.flags & flags::ASSOCIATED != 0 {
            return Ok(None);
        }
        let mut rock = self.rock_of(record)?;
        if rock.is_relocated {
            return Ok(None);
        }
        rock.check()?;
        let name = match (self.names, rock.name.take()) {
            (Names::Joliet, _) => record::joliet_name(record.name),
            (_, Some(name)) => name,
            (_, None) => record::plain_name(record.name),
        };
        let entry = match rock.child {
            Some(block) => Entry { parent, ..self.own_record(block)?.0 },
            None => entry(record, &rock, parent),
        };
        Ok(Some((name, entry)))
    }

    /// The whole of a directory's bytes.
    fn directory_bytes(&self, entry: &Entry) -> Result<Vec<u8>, Fault> {
        let extent = entry.extents.first().copied();
        let extent = extent.filter(|_| entry.kind == FileKind::Directory);
        let extent = extent.ok_or_else(|| Fault::damaged(format!("it is a {}", entry.kind)))?;
        if extent.size > MAX_DIRECTORY {
            return Err(Fault::limit(format!("a directory of over {MAX_DIRECTORY} bytes")));
        }
        read_vec(self.device.as_ref(), self.offset(extent.block), to_usize(extent.size)?)
    }
}

/// What a record and its Rock Ridge entries say together.
fn entry(record: &Record<'_>, rock: &Rock, parent: u32) -> Entry {
    let is_directory = record.flags & flags::DIRECTORY != 0;
    let by_flag = if is_directory { FileKind::Directory } else { FileKind::File };
    // Linux's modes where there are none.
    let (kind, mode) = rock.mode.unwrap_or((by_flag, 0o555));
    let is_device = matches!(kind, FileKind::CharacterDevice | FileKind::BlockDevice);
    let refused = match () {
        () if rock.is_zisofs => Some("its bytes are compressed by zisofs"),
        () if record.is_interleaved => Some("its bytes are interleaved with others"),
        () => None,
    };
    let has_bytes = matches!(kind, FileKind::File | FileKind::Directory);
    let extent = Extent { block: record.block, size: record.size };
    Entry {
        // A directory by one name and a file by the other is what can be listed.
        kind: if is_directory { FileKind::Directory } else { kind },
        mode,
        owner: rock.owner,
        links: rock.links.max(1),
        mtime: rock.times.0.unwrap_or(record.time),
        ctime: rock.times.1,
        device: is_device.then(|| rock.device_number()).flatten(),
        target: rock.target.clone().map(rock::Target::into_bytes).unwrap_or_default(),
        extents: if has_bytes || is_directory { vec![extent] } else { Vec::new() },
        parent,
        refused,
    }
}

/// The records of a directory with where they lie in it; none crosses a sector.
fn records(bytes: &[u8]) -> Vec<(usize, Result<Record<'_>, Fault>)> {
    let mut found = Vec::new();
    for (number, sector) in bytes.chunks(SECTOR).enumerate() {
        let mut at = 0_usize;
        while let Some(length) = sector.get(at).copied().filter(|length| *length != 0) {
            let record = slice(sector, at, length.into()).and_then(Record::parse);
            let is_damaged = record.is_err();
            found.push((number.saturating_mul(SECTOR).saturating_add(at), record));
            if is_damaged {
                break;
            }
            at = at.saturating_add(length.into());
        }
    }
    found
}

impl Filesystem for Iso9660 {
    fn type_name(&self) -> &str {
        "iso9660"
    }

    fn carries(&self) -> Carries {
        let has_rock = matches!(self.names, Names::Rock { .. });
        let kinds = if has_rock { Kinds::All } else { Kinds::Files };
        Carries { mode: has_rock, owner: has_rock, xattrs: false, acls: false, kinds }
    }

    fn root(&self) -> Node {
        Node::new(ROOT)
    }

    fn metadata(&self, node: &Node) -> Result<Metadata, Fault> {
        let entry = self.entry(node)?;
        Ok(Metadata {
            kind: entry.kind,
            mode: entry.mode,
            uid: entry.owner.0,
            gid: entry.owner.1,
            size: entry.size(),
            mtime: entry.mtime,
            ctime: entry.ctime,
            links: entry.links,
            device: entry.device,
            inode: (self.root.block().into(), node.number),
        })
    }

    fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
        let directory = self.entry(node)?;
        let block = directory.block();
        let bytes = self.directory_bytes(directory)?;
        let mut listing = Listing::default();
        let mut parent = None;
        let mut names = HashSet::new();
        let mut below = HashSet::from([self.root.block()]);
        // A file of several parts, until its last.
        let mut parts: Vec<Extent> = Vec::new();
        for (at, record) in records(&bytes) {
            if listing.faults.len() >= MAX_FAULTS {
                break;
            }
            let place = self.offset(block).saturating_add(at as u64);
            let within = |fault: Fault| fault.within(format_args!("the record at {place}"));
            let record = match record {
                Ok(record) => record,
                Err(fault) => {
                    listing.faults.push(within(fault));
                    continue;
                }
            };
            match record.name {
                [0] => continue,
                [1] => {
                    let moved = self.rock_of(&record).map_err(within)?.parent;
                    parent = Some(moved.unwrap_or(record.block));
                    continue;
                }
                _ => {}
            }
            if record.flags & flags::GOES_ON != 0 {
                parts.push(Extent { block: record.block, size: record.size });
                continue;
            }
            let (raw, mut entry) = match self.shown(&record, block) {
                Ok(Some(shown)) => shown,
                Ok(None) => continue,
                Err(fault) => {
                    listing.faults.push(within(fault));
                    continue;
                }
            };
            if !parts.is_empty() {
                parts.append(&mut entry.extents);
                entry.extents = std::mem::take(&mut parts);
            }
            let is_again = entry.kind == FileKind::Directory && !below.insert(entry.block());
            match Name::new(&raw).filter(|name| !is_again && names.insert(name.clone())) {
                Some(name) => listing.entries.push(DirectoryEntry {
                    name,
                    node: Node { number: place, state: Some(Arc::new(entry)) },
                }),
                None => listing.faults.push(within(Fault::damaged(format!(
                    "\"{}\" is no name, or it is listed twice",
                    crate::model::path::Escaped(&raw)
                )))),
            }
        }
        if node.number != ROOT && parent != Some(directory.parent) {
            return Err(Fault::damaged(format!(
                "the directory at block {block} lies in {parent:?} and is listed in {}",
                directory.parent
            )));
        }
        Ok(listing)
    }

    fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let entry = self.entry(node)?;
        if entry.kind != FileKind::File {
            return Err(Fault::damaged(format!("it is a {}", entry.kind)));
        }
        if let Some(reason) = entry.refused {
            return Err(Fault::unsupported(reason));
        }
        let mut start = 0_u64;
        let mut done = 0_usize;
        for extent in &entry.extents {
            let end = start.saturating_add(extent.size.into());
            let at = offset.saturating_add(done as u64);
            if at >= start && at < end {
                let rest = buffer.get_mut(done..).unwrap_or_default();
                let there = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
                let count = there.min(rest.len());
                let part = rest.get_mut(..count).unwrap_or_default();
                let within = at.saturating_sub(start);
                self.device.read_at(self.offset(extent.block).saturating_add(within), part)?;
                done = done.saturating_add(part.len());
            }
            start = end;
        }
        Ok(done)
    }

    fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        let entry = self.entry(node)?;
        if entry.kind != FileKind::Symlink {
            return Err(Fault::damaged(format!("it is a {}", entry.kind)));
        }
        Ok(entry.target.clone())
    }

    fn xattrs(&self, _node: &Node) -> Result<Vec<Xattr>, Fault> {
        Ok(Vec::new())
    }
}
