//! The files of a directory: read, digested, and asked what they were built from.

use super::Walk;
use super::entry::stat_entry;
use super::pending::Pending;
use crate::collect::packages::executables;
use crate::collect::texts;
use crate::filesystem::{Metadata, Node};
use crate::model::{Content, ContentDigest, Entry, Name, Stage, TreePath, Xattr};
use crate::scan::bytes::{self, Digested};
use std::sync::atomic::Ordering;

/// A file of a batch: its slot, and what is needed to read it.
pub(super) struct Unread {
    pub(super) slot: usize,
    pub(super) node: Node,
    pub(super) metadata: Metadata,
}

/// What reading a file gave.
struct ReadFile {
    metadata: Metadata,
    digest: Option<ContentDigest>,
    xattrs: Option<Vec<Xattr>>,
    /// Whether it says what it was built from.
    is_speaking: bool,
}

impl Walk<'_> {
    /// Reads a batch of files.
    pub(super) fn files(&self, pending: &Pending, batch: Vec<Unread>) {
        let mut done = Vec::with_capacity(batch.len());
        let directory = self.keep.texts.map(|_| pending.path());
        for Unread { slot, node, metadata } in batch {
            let text =
                directory.as_ref().and_then(|d| self.wanted_text(pending, slot, d, &metadata));
            done.push((slot, self.file(pending, slot, &node, metadata, text)));
            self.progress.bytes.fetch_add(metadata.size, Ordering::Relaxed);
        }
        let mut speaking = Vec::new();
        let mut building = pending.building();
        for (slot, read) in done {
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
        let name = pending.building().entries.get(slot).and_then(|entry| entry.name.clone())?;
        let path = directory.join(&name);
        self.keep.texts.is_some_and(|texts| (texts.wanted)(&path)).then_some(path)
    }

    fn file(
        &self,
        pending: &Pending,
        slot: usize,
        node: &Node,
        metadata: Metadata,
        text: Option<TreePath>,
    ) -> ReadFile {
        let unread = |xattrs| ReadFile { metadata, digest: None, xattrs, is_speaking: false };
        let name = || pending.building().entries.get(slot).and_then(|entry| entry.name.clone());
        let opened = match self.filesystem.open(node) {
            Ok(opened) => opened,
            Err(fault) => {
                match name() {
                    Some(name) => self.fault(pending, &name, node, Stage::Content, &fault),
                    None => self.gap(pending, None, Stage::Content, &fault),
                }
                return unread(self.filesystem.xattrs(node).ok());
            }
        };
        let xattrs = self
            .filesystem
            .xattrs(&opened)
            .inspect_err(|fault| self.gap(pending, name().as_ref(), Stage::Xattrs, fault))
            .ok();
        let mut copy = Vec::new();
        let copied = text.as_ref().map(|_| &mut copy);
        match bytes::digest(self.filesystem, &opened, metadata, copied) {
            Ok(Digested { metadata, digest, is_executable }) => {
                if let (Some(path), Some(texts)) = (text, &self.keep.texts)
                    && let Some(kept) = texts::keep(&path, &copy)
                {
                    (texts.take)(digest, &kept);
                }
                let is_speaking = is_executable
                    && executables::says_something(self.filesystem, &opened, metadata.size);
                ReadFile { metadata, digest: Some(digest), xattrs, is_speaking }
            }
            Err(fault) => {
                self.gap(pending, name().as_ref(), Stage::Content, &fault);
                unread(xattrs)
            }
        }
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
