//! The logs of subvolumes, replayed in memory: what was fsynced after the last transaction.
//!
//! A log is a tree of items of its subvolume: the inodes that were fsynced, what had to be known with
//! them, and the ranges of directories' names that it has all of, so that what is missing there was
//! removed. Mounting merges it into the subvolume's tree, in the three passes that `fs/btrfs/tree-log.c`
//! of Linux makes; here the same changes lie beside the tree, in [`Changes`]. Times are those of the
//! log: where Linux removes names while it replays, it writes the time of the mount instead.

mod changes;
mod extents;
mod names;

pub use changes::Changes;

use super::directory;
use super::node::{Key, kind};
use super::subvolume;
use super::tree::{self, Tree};
use super::volume::{CHECKSUMS, Volume};
use crate::filesystem::bytes::{le32, le64};
use crate::model::{Fault, FileKind};
use std::collections::BTreeSet;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

/// `BTRFS_TREE_LOG_OBJECTID`.
const LOG: u64 = 0_u64.wrapping_sub(6);
/// Items that are looked at and changed in one replay. A log holds what was written within a
/// transaction, which is half a minute.
const MAX_STEPS: u32 = 4_000_000;

/// Replays the logs of all subvolumes; returns what could not be.
pub fn all_logs(volume: &mut Volume) -> Vec<Fault> {
    let Some(logs) = volume.superblock.log_root.clone() else { return Vec::new() };
    let unseen = |volume: &Volume, fault: Fault| {
        let generation = volume.superblock.generation;
        fault.within(format_args!(
            "the log was not replayed, and what was fsynced after transaction {generation} is not seen"
        ))
    };
    let mut found = Vec::new();
    let key = |id| Key::new(LOG, kind::ROOT_ITEM, id);
    let scanned = tree::scan(volume, &logs, key(0), key(u64::MAX), &mut |key, item| {
        found.push((key.offset, subvolume::parse_pointer(item)));
        ControlFlow::Continue(())
    });
    let mut faults: Vec<Fault> =
        scanned.err().into_iter().map(|fault| unseen(volume, fault)).collect();
    for (id, log) in found {
        let replayed = log.and_then(|log| {
            // A subvolume that was deleted meanwhile has no use for its log.
            let Ok(found) = subvolume::open(volume, id) else { return Ok(None) };
            let log = log.into();
            let tree = Replay::new(volume, &log, found.tree).run()?;
            Ok(Some((tree, checksums(volume, &log)?)))
        });
        match replayed {
            Ok(None) => {}
            Ok(Some((tree, checksums))) => {
                volume.replayed.insert(id, tree);
                if let Some(tree) = &mut volume.checksums {
                    let known = Arc::make_mut(tree.changes.get_or_insert_default());
                    for (key, item) in checksums {
                        known.put(key, item);
                    }
                }
            }
            Err(fault) => {
                let fault = fault.within(format_args!("subvolume {id}"));
                faults.push(unseen(volume, fault));
            }
        }
    }
    faults
}

/// The checksums of data that a log brings with it.
fn checksums(volume: &Volume, log: &Tree) -> Result<Vec<(Key, Vec<u8>)>, Fault> {
    let key = |offset| Key::new(CHECKSUMS, kind::EXTENT_CSUM, offset);
    let mut found = Vec::new();
    let mut room = changes::MAX_BYTES;
    let mut has_room = true;
    tree::scan(volume, log, key(0), key(u64::MAX), &mut |key, item| {
        has_room = room.checked_sub(item.len()).map(|left| room = left).is_some();
        found.push((key, item.to_vec()));
        if has_room { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if has_room { Ok(found) } else { Err(Fault::limit("too many checksums in a log")) }
}

/// A log that is merged into its subvolume's tree.
struct Replay<'a> {
    volume: &'a Volume,
    log: &'a Tree,
    /// As it is so far.
    tree: Tree,
    /// Inodes whose links are to be counted.
    counted: BTreeSet<u64>,
    /// Files without a name that were fsynced: nobody sees them.
    nameless: BTreeSet<u64>,
    steps: u32,
}

/// Where the fields of a `struct btrfs_inode_item` lie.
mod field {
    pub(super) const GENERATION: usize = 0;
    pub(super) const SIZE: usize = 16;
    pub(super) const LINKS: usize = 40;
    pub(super) const MODE: usize = 52;
}

fn kind_of(inode: &[u8]) -> Result<Option<FileKind>, Fault> {
    Ok(FileKind::from_mode(le32(inode, field::MODE)?))
}

/// Writes a field of an item.
fn set<const N: usize>(item: &mut [u8], at: usize, bytes: [u8; N]) -> Result<(), Fault> {
    let place = item.get_mut(at..).and_then(|rest| rest.first_chunk_mut());
    *place.ok_or_else(|| Fault::damaged("an item that is too short"))? = bytes;
    Ok(())
}

impl<'a> Replay<'a> {
    fn new(volume: &'a Volume, log: &'a Tree, tree: Tree) -> Self {
        let (counted, nameless) = (BTreeSet::new(), BTreeSet::new());
        Self { volume, log, tree, counted, nameless, steps: 0 }
    }

    /// The tree as it is with the log.
    fn run(mut self) -> Result<Tree, Fault> {
        let all = (Key::new(0, 0, 0), Key::new(u64::MAX, u8::MAX, u64::MAX));
        let logged = self.items(self.log, all.0, all.1)?;
        let of_kind = |kind| logged.iter().filter(move |(key, _)| key.kind == kind);
        for (key, item) in of_kind(kind::INODE_ITEM) {
            self.inode(*key, item)?;
        }
        for (key, item) in of_kind(kind::DIR_INDEX) {
            if !self.nameless.contains(&key.object) {
                self.logged_name(*key, item)?;
            }
        }
        for (key, item) in &logged {
            match key.kind {
                _ if self.nameless.contains(&key.object) => {}
                kind::XATTR_ITEM => self.put(*key, item.clone())?,
                kind::INODE_REF | kind::INODE_EXTREF => self.logged_references(*key, item)?,
                kind::EXTENT_DATA => self.logged_extent(*key, item)?,
                _ => {}
            }
        }
        self.count_links()?;
        Ok(self.tree)
    }

    /// An inode that was logged, without what belongs to it.
    fn inode(&mut self, key: Key, item: &[u8]) -> Result<(), Fault> {
        if le32(item, field::LINKS)? == 0 {
            self.nameless.insert(key.object);
            return Ok(());
        }
        self.remove_missing_xattrs(key.object)?;
        let kind = kind_of(item)?;
        if kind == Some(FileKind::Directory) {
            self.remove_missing_names(key.object)?;
        }
        let before = self.item(key)?;
        let mut now = item.to_vec();
        if let Some(mut before) = before {
            let were_files = kind_of(&before)? == Some(FileKind::File);
            if le64(item, field::GENERATION)? == 0 {
                // Logged only so that it is there; its size counts where it has one.
                let size = le64(item, field::SIZE)?;
                if were_files && kind == Some(FileKind::File) && size != 0 {
                    set(&mut before, field::SIZE, size.to_le_bytes())?;
                }
                now = before;
            } else if kind == Some(FileKind::Directory) {
                let size = le64(&before, field::SIZE)?;
                set(&mut now, field::SIZE, size.to_le_bytes())?;
            }
        }
        if kind_of(&now)? == Some(FileKind::File) {
            self.remove_extents(key.object, le64(&now, field::SIZE)?..u64::MAX)?;
        }
        self.put(key, now)?;
        self.counted.insert(key.object);
        Ok(())
    }

    /// Removes the extended attributes that a logged inode had and has no more.
    fn remove_missing_xattrs(&mut self, inode: u64) -> Result<(), Fault> {
        for (key, item) in self.of_inode(inode, kind::XATTR_ITEM, 0..=u64::MAX)? {
            let logged = self.logged(key)?.unwrap_or_default();
            let logged = directory::entries(&logged)?;
            let entries = directory::entries(&item)?;
            let kept: Vec<&[u8]> = entries
                .iter()
                .filter(|entry| logged.iter().any(|logged| logged.name == entry.name))
                .map(|entry| entry.record)
                .collect();
            if kept.len() < entries.len() {
                let kept = kept.concat();
                self.put_or_remove(key, kept)?;
            }
        }
        Ok(())
    }

    /// Counts the names of inodes; those that have none any more are removed with what they hold.
    fn count_links(&mut self) -> Result<(), Fault> {
        while let Some(inode) = self.counted.pop_first() {
            let key = Key::new(inode, kind::INODE_ITEM, 0);
            let Some(mut item) = self.item(key)? else { continue };
            let links = self.references_of(inode)?.len();
            if links == 0 {
                if kind_of(&item)? == Some(FileKind::Directory) {
                    self.remove_names(inode, 0..=u64::MAX, false)?;
                }
                self.remove(key)?;
            } else {
                let links = u32::try_from(links).unwrap_or(u32::MAX);
                set(&mut item, field::LINKS, links.to_le_bytes())?;
                self.put(key, item)?;
            }
        }
        Ok(())
    }

    /// The item of a key of the tree as it is so far.
    fn item(&mut self, key: Key) -> Result<Option<Vec<u8>>, Fault> {
        self.step()?;
        tree::get(self.volume, &self.tree, key, |item| Ok(item.to_vec()))
    }

    /// The item of a key of the log.
    fn logged(&mut self, key: Key) -> Result<Option<Vec<u8>>, Fault> {
        self.step()?;
        tree::get(self.volume, self.log, key, |item| Ok(item.to_vec()))
    }

    /// All items of a tree from one key to another.
    fn items(&mut self, tree: &Tree, from: Key, to: Key) -> Result<Vec<(Key, Vec<u8>)>, Fault> {
        let mut found = Vec::new();
        let mut room = changes::MAX_BYTES;
        let mut outcome = Ok(());
        tree::scan(self.volume, tree, from, to, &mut |key, item| {
            outcome = self.step();
            match room.checked_sub(item.len()) {
                Some(left) => room = left,
                None => outcome = Err(Fault::limit("a log of too many bytes")),
            }
            found.push((key, item.to_vec()));
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        outcome.map(|()| found)
    }

    /// The items of one kind that an inode has.
    fn of_inode(
        &mut self,
        inode: u64,
        kind: u8,
        offsets: RangeInclusive<u64>,
    ) -> Result<Vec<(Key, Vec<u8>)>, Fault> {
        let key = |offset| Key::new(inode, kind, offset);
        let tree = self.tree.clone();
        self.items(&tree, key(*offsets.start()), key(*offsets.end()))
    }

    fn changes(&mut self) -> &mut Changes {
        Arc::make_mut(self.tree.changes.get_or_insert_default())
    }

    fn put(&mut self, key: Key, item: Vec<u8>) -> Result<(), Fault> {
        self.step()?;
        self.changes().put(key, item);
        self.changes().check()
    }

    fn remove(&mut self, key: Key) -> Result<(), Fault> {
        self.step()?;
        self.changes().remove(key);
        self.changes().check()
    }

    /// An item without bytes is none.
    fn put_or_remove(&mut self, key: Key, item: Vec<u8>) -> Result<(), Fault> {
        if item.is_empty() { self.remove(key) } else { self.put(key, item) }
    }

    fn step(&mut self) -> Result<(), Fault> {
        self.steps = self.steps.saturating_add(1);
        if self.steps > MAX_STEPS {
            return Err(Fault::limit(format!("a log with more than {MAX_STEPS} steps")));
        }
        Ok(())
    }
}
