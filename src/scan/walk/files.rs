//! The files of a directory: read, digested, and asked what they were built from.

use super::Walk;
use super::entry::stat_entry;
use super::pending::Pending;
use crate::collect::packages::executables;
use crate::collect::texts;
use crate::filesystem::{Metadata, Node};
use crate::model::{Content, ContentDigest, Entry, Fault, Name, Stage, TreePath, Xattr};
use crate::scan::beside::{self, Algorithm};
use crate::scan::bytes::{self, Digested};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A file of a batch: its slot, and what is needed to read it.
pub(super) struct Unread {
    pub(super) slot: usize,
    pub(super) node: Node,
    pub(super) metadata: Metadata,
}

/// A file that is open, with all but its bytes.
pub(super) struct Opened {
    pub(super) node: Node,
    pub(super) metadata: Metadata,
    xattrs: Option<Vec<Xattr>>,
    /// Its path, where its text is to be kept.
    pub(super) text: Option<TreePath>,
}

/// What reading a file gave.
pub(super) struct ReadFile {
    metadata: Metadata,
    digest: Option<ContentDigest>,
    xattrs: Option<Vec<Xattr>>,
    /// Whether it says what it was built from.
    is_speaking: bool,
}

impl Walk<'_> {
    /// Reads a batch of files.
    pub(super) fn files(&self, pending: &Arc<Pending>, batch: Vec<Unread>) {
        let batch = if pending.may_be_shipped && self.algorithm == Some(Algorithm::Md5) {
            let is_made_here = |unread: &Unread| {
                pending.name_of(unread.slot).is_some_and(|name| beside::is_made_here(&name))
            };
            let (alone, together) = batch.into_iter().partition(is_made_here);
            self.put_off(pending, together);
            alone
        } else {
            batch
        };
        let directory = self.keep.texts.map(|_| pending.path());
        let file = |unread| self.file(pending, directory.as_ref(), unread);
        let done = batch.iter().map(file).collect();
        self.hand_in(pending, done);
    }

    /// What files are goes into their directory.
    pub(super) fn hand_in(&self, pending: &Pending, done: Vec<(usize, ReadFile)>) {
        let mut speaking = Vec::new();
        let mut building = pending.building();
        for (slot, read) in done {
            self.progress.bytes.fetch_add(read.metadata.size, Ordering::Relaxed);
            let ReadFile { metadata, digest, xattrs, is_speaking } = read;
            if let Some(entry) = building.entries.get_mut(slot) {
                let name = entry.name.take();
                if is_speaking {
                    speaking.extend(name.clone());
                }
                *entry = Entry {
                    name,
                    xattrs,
                    ..stat_entry(&metadata, Content::File { size: metadata.size, digest })
                };
            }
            if is_speaking {
                building.speaking.push(slot);
            }
        }
        drop(building);
        speaking.iter().for_each(|name| self.note_speaking(pending, name));
    }

    /// The path of a file whose text is to be kept.
    fn wanted_text(
        &self,
        pending: &Pending,
        slot: usize,
        directory: &TreePath,
        metadata: &Metadata,
    ) -> Option<TreePath> {
        if metadata.size == 0 || metadata.size > texts::MAX_TEXT {
            return None;
        }
        let path = directory.join(&pending.name_of(slot)?);
        self.keep.texts.is_some_and(|texts| (texts.wanted)(&path)).then_some(path)
    }

    /// Reads one file.
    fn file(
        &self,
        pending: &Pending,
        directory: Option<&TreePath>,
        unread: &Unread,
    ) -> (usize, ReadFile) {
        let read = match self.open(pending, directory, unread) {
            Ok(opened) => self.read(pending, unread.slot, opened),
            Err(read) => *read,
        };
        (unread.slot, read)
    }

    /// Opens a file and asks for all but its bytes; where it cannot be opened that is all there is.
    pub(super) fn open(
        &self,
        pending: &Pending,
        directory: Option<&TreePath>,
        unread: &Unread,
    ) -> Result<Opened, Box<ReadFile>> {
        let Unread { slot, node, metadata } = unread;
        let text = directory.and_then(|path| self.wanted_text(pending, *slot, path, metadata));
        match self.filesystem.open(node) {
            Ok(node) => {
                let fault = |fault: &Fault| {
                    self.gap(pending, pending.name_of(*slot).as_ref(), Stage::Xattrs, fault);
                };
                let xattrs = self.filesystem.xattrs(&node).inspect_err(fault).ok();
                Ok(Opened { node, metadata: *metadata, xattrs, text })
            }
            Err(fault) => {
                match pending.name_of(*slot) {
                    Some(name) => self.fault(pending, &name, node, Stage::Content, &fault),
                    None => self.gap(pending, None, Stage::Content, &fault),
                }
                let xattrs = self.filesystem.xattrs(node).ok();
                Err(Box::new(ReadFile {
                    metadata: *metadata,
                    digest: None,
                    xattrs,
                    is_speaking: false,
                }))
            }
        }
    }

    /// Reads an open file by itself.
    pub(super) fn read(&self, pending: &Pending, slot: usize, opened: Opened) -> ReadFile {
        let mut copy = Vec::new();
        let copied = opened.text.as_ref().map(|_| &mut copy);
        let (node, metadata) = (&opened.node, opened.metadata);
        let algorithm = self.algorithm.filter(|_| pending.may_be_shipped);
        match bytes::digest(self.filesystem, node, metadata, copied, algorithm) {
            Ok(digested) => self.digested(opened, &digested, &copy),
            Err(fault) => {
                self.gap(pending, pending.name_of(slot).as_ref(), Stage::Content, &fault);
                let Opened { metadata, xattrs, .. } = opened;
                ReadFile { metadata, digest: None, xattrs, is_speaking: false }
            }
        }
    }

    /// What is to be done with a file's bytes when they are known.
    pub(super) fn digested(&self, opened: Opened, digested: &Digested, copy: &[u8]) -> ReadFile {
        let Digested { metadata, digest, alternates, is_executable } = *digested;
        if let Some(alternates) = alternates {
            self.collected().alternates.insert(digest, alternates);
        }
        if let (Some(path), Some(texts)) = (opened.text, &self.keep.texts)
            && let Some(kept) = texts::keep(&path, copy)
        {
            (texts.take)(digest, &kept);
        }
        let is_speaking = is_executable
            && executables::says_something(self.filesystem, &opened.node, metadata.size);
        ReadFile { metadata, digest: Some(digest), xattrs: opened.xattrs, is_speaking }
    }

    /// What spoke of its build does so still.
    pub(super) fn take_over_speaking(&self, pending: &Pending, stats: &[(Name, Metadata)]) {
        let mut building = pending.building();
        let known = building.taken_over.as_ref().map(|record| record.speaking.clone());
        building.speaking =
            known.into_iter().flatten().filter_map(|slot| usize::try_from(slot).ok()).collect();
        let names: Vec<Name> =
            building.speaking.iter().filter_map(|slot| Some(stats.get(*slot)?.0.clone())).collect();
        drop(building);
        names.iter().for_each(|name| self.note_speaking(pending, name));
    }

    /// Tells the collectors that want it of a file that says what it was built from.
    pub(super) fn note_speaking(&self, pending: &Pending, name: &Name) {
        for index in &self.wanted.build_info {
            let path = pending.path().join(name);
            if let Some(found) = self.collected().found.get_mut(*index) {
                found.push(path);
            }
        }
    }
}
