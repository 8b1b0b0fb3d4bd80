//! The walk: every directory listed, every entry looked at, every file read, in parallel, finished
//! from the leaves up.
//!
//! A directory is a task; its files go in batches that other threads may take. Nobody waits: the
//! thread that finishes the last part of a directory encodes it and hands its ids to the parent.

mod entry;
mod files;
mod pending;
mod seal;
mod together;
mod wanted;

pub(super) use wanted::Wanted;

use super::beside::{self, Algorithm};
use super::trust::{Contradiction, Record, Records, Trust, fingerprint};
use super::{Keep, Options, Progress, Verify};
use crate::filesystem::{Filesystem, Metadata, Node};
use crate::model::{
    AlternateDigests, Content, ContentDigest, DeviceNumber, DirectoryContent, Entry, Fault,
    FileKind, Gap, HardLinks, Name, Omission, Stage, TreePath, Xattr,
};
use entry::{Known, UNKNOWN, plain_entry, stat_entry, unread_directory};
use files::Unread;
use pending::{Delivery, Pending};
use rayon::Scope;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use together::Queues;

/// Files that one task reads: enough to be worth a task, few enough to be shared out.
const BATCH: usize = 32;

/// What a walk brings back besides the trees.
pub(super) struct Walked {
    pub(super) root: Entry,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) gaps: Vec<Gap>,
    pub(super) omissions: Vec<Omission>,
    pub(super) hard_links: Vec<HardLinks>,
    /// For each collector the paths that it wanted, sorted.
    pub(super) found: Vec<Vec<TreePath>>,
    /// For the next scan.
    pub(super) trusted: Records,
    pub(super) relied_on_previous: bool,
    pub(super) contradiction: Option<Contradiction>,
    /// Digests that packages may ask for, of files that were read.
    pub(super) alternates: HashMap<ContentDigest, AlternateDigests>,
}

/// What all threads share.
struct Walk<'a> {
    filesystem: &'a dyn Filesystem,
    options: &'a Options<'a>,
    keep: &'a Keep<'a>,
    wanted: &'a Wanted,
    trust: Option<Trust<'a>>,
    /// What to digest files with beside BLAKE3.
    algorithm: Option<Algorithm>,
    /// Files that wait for others to be read beside.
    waiting: Mutex<Queues>,
    progress: Progress,
    relied: AtomicBool,
    /// Bytes of all files, read or taken over.
    total: AtomicU64,
    collected: Mutex<Collected>,
}

#[derive(Default)]
struct Collected {
    gaps: Vec<Gap>,
    omissions: Vec<Omission>,
    links: HashMap<(u64, u64), Vec<TreePath>>,
    found: Vec<Vec<TreePath>>,
    /// Listed, and removed before they could be read.
    gone: HashSet<TreePath>,
    trusted: Records,
    contradiction: Option<Contradiction>,
    alternates: HashMap<ContentDigest, AlternateDigests>,
    root: Option<Delivery>,
}

/// Walks the whole tree.
pub(super) fn walk(
    filesystem: &dyn Filesystem,
    options: &Options<'_>,
    wanted: &Wanted,
    keep: &Keep<'_>,
) -> Walked {
    let seed =
        u64::from(options.scanned_at.nanoseconds) ^ options.scanned_at.seconds.cast_unsigned();
    let walk = Walk {
        filesystem,
        options,
        keep,
        wanted,
        trust: options.previous.and_then(|previous| Trust::new(previous.cache, seed)),
        algorithm: match options.verify {
            Verify::All => beside::asked_for(filesystem),
            Verify::Changed => None,
        },
        waiting: Mutex::default(),
        progress: Progress::new(),
        relied: AtomicBool::new(false),
        total: AtomicU64::new(0),
        collected: Mutex::new(Collected {
            found: vec![Vec::new(); wanted.count],
            ..Collected::default()
        }),
    };
    let node = filesystem.root();
    let metadata = filesystem.metadata(&node);
    let inode = metadata.as_ref().map_or((0, 0), |metadata| metadata.inode);
    let root = Arc::new(Pending::new(None, None, inode, true));
    rayon::scope(|scope| walk.directory(scope, &node, root));
    walk.read_rest();
    walk.finish(metadata)
}

impl<'a> Walk<'a> {
    fn collected(&self) -> std::sync::MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gap(&self, pending: &Pending, name: Option<&Name>, stage: Stage, fault: &Fault) {
        pending.is_partial.store(true, Ordering::Relaxed);
        let mut path = pending.path();
        if let Some(name) = name {
            path.push(name);
        }
        self.collected().gaps.push(Gap { path, stage, reason: fault.chain() });
    }

    /// What a fault with an entry means: one that was removed since it was listed is not there, any
    /// other is a gap.
    fn fault(&self, pending: &Pending, name: &Name, node: &Node, stage: Stage, fault: &Fault) {
        let is_gone = || self.filesystem.metadata(node).is_err_and(|fault| fault.is_not_found());
        if fault.is_not_found() && is_gone() {
            // What the directory's record would vouch for is not what was listed.
            pending.is_partial.store(true, Ordering::Relaxed);
            if self.collected().gone.insert(pending.path().join(name)) {
                pending.building().gone.push(name.clone());
                self.progress.entries.fetch_sub(1, Ordering::Relaxed);
            }
        } else {
            self.gap(pending, Some(name), stage, fault);
        }
    }

    /// Reads one directory and starts what is below it.
    fn directory<'s>(&'s self, scope: &Scope<'s>, node: &Node, pending: Arc<Pending>) {
        if self.progress.is_due() {
            (self.options.progress)(&self.progress);
        }
        if let Some(reason) = self.filesystem.left_out(node) {
            self.collected().omissions.push(Omission { path: pending.path(), reason });
            let xattrs = self.filesystem.xattrs(node).ok();
            return self.deliver(pending, DirectoryContent::LeftOut, xattrs);
        }
        let listed = self.filesystem.open(node).and_then(|node| {
            let listing = self.filesystem.read_directory(&node)?;
            Ok((node, listing))
        });
        let (node, listing) = match listed {
            Ok(listed) => listed,
            Err(fault) => {
                match (&pending.parent, &pending.name) {
                    (Some((parent, _)), Some(name)) => {
                        pending.is_partial.store(true, Ordering::Relaxed);
                        self.fault(parent, name, node, Stage::List, &fault);
                    }
                    _ => self.gap(&pending, None, Stage::List, &fault),
                }
                let xattrs = self.filesystem.xattrs(node).ok();
                return self.deliver(pending, DirectoryContent::Unread, xattrs);
            }
        };
        for fault in &listing.faults {
            self.gap(&pending, None, Stage::List, fault);
        }
        let mut entries = Vec::with_capacity(listing.entries.len());
        for entry in listing.entries {
            match self.filesystem.metadata(&entry.node) {
                Ok(metadata) if !self.is_left_out(&pending, &entry.name, &metadata) => {
                    entries.push((entry.name, metadata, entry.node));
                }
                Ok(_) => {}
                // Gone between the two looks: it is not there.
                Err(fault) if fault.is_not_found() => {}
                Err(fault) => self.gap(&pending, Some(&entry.name), Stage::Metadata, &fault),
            }
        }
        entries.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        if let Some(repeated) = entries.windows(2).find(|pair| matches!(pair, [a, b] if a.0 == b.0))
        {
            let name = repeated.first().map(|entry| entry.0.clone());
            let fault = Fault::damaged("a directory lists this name twice");
            self.gap(&pending, name.as_ref(), Stage::List, &fault);
            entries.dedup_by(|later, earlier| later.0 == earlier.0);
        }
        self.progress.entries.fetch_add(entries.len() as u64, Ordering::Relaxed);
        self.note_names(&pending, &entries);
        self.entries(scope, &node, &pending, entries);
        self.part_done(&pending);
    }

    fn is_left_out(&self, pending: &Pending, name: &Name, metadata: &Metadata) -> bool {
        let left_out = self.options.leave_out.iter().find(|(inode, _)| *inode == metadata.inode);
        if let Some((_, reason)) = left_out {
            let omission = Omission { path: pending.path().join(name), reason: reason.clone() };
            self.collected().omissions.push(omission);
        }
        left_out.is_some()
    }

    /// Remembers names that collectors want and paths that share an inode.
    fn note_names(&self, pending: &Pending, entries: &[(Name, Metadata, Node)]) {
        let mut path = None;
        let mut at = |name: &Name| path.get_or_insert_with(|| pending.path()).join(name);
        for (name, metadata, _) in entries {
            self.wanted.each(name.as_bytes(), metadata, |index| {
                if let Some(found) = self.collected().found.get_mut(index) {
                    found.push(at(name));
                }
            });
            if metadata.links > 1 && metadata.kind != FileKind::Directory {
                self.collected().links.entry(metadata.inode).or_default().push(at(name));
            }
        }
    }

    /// Takes over what is known of the entries and starts reading what is not.
    fn entries<'s>(
        &'s self,
        scope: &Scope<'s>,
        node: &Node,
        pending: &Arc<Pending>,
        entries: Vec<(Name, Metadata, Node)>,
    ) {
        let bytes: u64 =
            entries.iter().filter(|e| e.1.kind == FileKind::File).map(|e| e.1.size).sum();
        self.total.fetch_add(bytes, Ordering::Relaxed);
        let (nodes, stats): (Vec<Node>, Vec<(Name, Metadata)>) =
            entries.into_iter().map(|(name, metadata, node)| (node, (name, metadata))).unzip();
        let seen = fingerprint(&stats, self.options.scanned_at);
        let record = self.trust.as_ref().and_then(|trust| trust.get(pending.inode));
        let is_same = record.as_ref().is_some_and(|record| record.is_same(&seen.0));
        let is_sampled = is_same
            && self.trust.as_ref().is_some_and(|trust| trust.is_sampled(pending.inode, bytes));
        let xattrs = if pending.needs_xattrs {
            let fault = |fault: &Fault| self.gap(pending, None, Stage::Xattrs, fault);
            self.filesystem.xattrs(node).inspect_err(fault).ok()
        } else {
            None
        };
        let mut building = pending.building();
        building.seen = seen;
        building.own_xattrs = xattrs;
        match record {
            Some(record) if is_same && !is_sampled => {
                building.taken_over = Some(record);
                drop(building);
                self.take_over(scope, pending, nodes, stats);
            }
            Some(record) if is_same => {
                building.previous = Some(record.exact);
                building.is_sampled = true;
                drop(building);
                self.read_entries(scope, pending, nodes, stats, None);
            }
            record => {
                building.previous = record.as_ref().map(|record| record.exact);
                drop(building);
                let known = record.and_then(|record| self.known_tree(record));
                self.read_entries(scope, pending, nodes, stats, known.as_ref());
            }
        }
    }

    /// What the previous scan saw of a directory that has changed since.
    fn known_tree(&self, record: Record) -> Option<Known> {
        let previous = self.options.previous.as_ref()?;
        let tree = previous.source.tree(&record.exact).ok()?;
        let Record { inodes, speaking, .. } = record;
        (tree.entries.len() == inodes.len()).then_some(Known { tree, inodes, speaking })
    }

    /// All entries are as they were; only what is below directories is to be seen.
    fn take_over<'s>(
        &'s self,
        scope: &Scope<'s>,
        pending: &Arc<Pending>,
        nodes: Vec<Node>,
        stats: Vec<(Name, Metadata)>,
    ) {
        self.take_over_speaking(pending, &stats);
        for (node, (name, metadata)) in nodes.into_iter().zip(stats) {
            if metadata.kind == FileKind::Directory {
                let mut building = pending.building();
                let slot = building.delivered.len();
                building.delivered.push((name.clone(), None));
                drop(building);
                let child =
                    Pending::new(Some((pending.clone(), slot)), Some(name), metadata.inode, false);
                self.spawn_directory(scope, node, child);
            }
        }
    }

    fn read_entries<'s>(
        &'s self,
        scope: &Scope<'s>,
        pending: &Arc<Pending>,
        nodes: Vec<Node>,
        stats: Vec<(Name, Metadata)>,
        known: Option<&Known>,
    ) {
        let mut speaking = Vec::new();
        let mut made = Vec::with_capacity(stats.len());
        let mut directories = Vec::new();
        let mut files = Vec::new();
        for (slot, (node, (name, metadata))) in nodes.into_iter().zip(stats).enumerate() {
            let trusted = known.and_then(|known| known.entry(&name, &metadata));
            if let Some((_, true)) = trusted {
                self.note_speaking(pending, &name);
                speaking.push(slot);
            }
            let trusted = trusted.map(|(entry, _)| entry);
            if metadata.kind == FileKind::Directory {
                let mut entry = plain_entry(&name, &metadata, unread_directory());
                entry.xattrs = trusted.and_then(|old| old.xattrs.clone());
                let parent = Some((pending.clone(), slot));
                let needs_xattrs = trusted.is_none();
                let child = Pending::new(parent, Some(name), metadata.inode, needs_xattrs);
                made.push(entry);
                directories.push((node, child));
            } else if let Some(old) = trusted {
                made.push(old.clone());
            } else if metadata.kind == FileKind::File {
                let content = Content::File { size: metadata.size, digest: None };
                made.push(plain_entry(&name, &metadata, content));
                files.push(Unread { slot, node, metadata });
            } else {
                made.push(self.special_entry(pending, &node, &name, &metadata));
            }
        }
        let mut building = pending.building();
        building.entries = made;
        building.speaking = speaking;
        drop(building);
        for (node, child) in directories {
            self.spawn_directory(scope, node, child);
        }
        while files.len() > BATCH {
            let batch = files.split_off(files.len() - BATCH);
            let pending = pending.clone();
            pending.remaining.fetch_add(1, Ordering::Relaxed);
            scope.spawn(move |_| {
                self.files(&pending, batch);
                self.part_done(&pending);
            });
        }
        self.files(pending, files);
    }

    fn spawn_directory<'s>(&'s self, scope: &Scope<'s>, node: Node, child: Pending) {
        if let Some((parent, _)) = &child.parent {
            parent.remaining.fetch_add(1, Ordering::Relaxed);
        }
        scope.spawn(move |scope| self.directory(scope, &node, Arc::new(child)));
    }

    /// Links, pipes, sockets and devices: nothing is opened.
    fn special_entry(
        &self,
        pending: &Pending,
        node: &Node,
        name: &Name,
        metadata: &Metadata,
    ) -> Entry {
        let device = metadata.device.unwrap_or(DeviceNumber { major: 0, minor: 0 });
        let content = match metadata.kind {
            FileKind::Fifo => Content::Fifo,
            FileKind::Socket => Content::Socket,
            FileKind::CharacterDevice => Content::CharacterDevice(device),
            FileKind::BlockDevice => Content::BlockDevice(device),
            FileKind::Symlink | FileKind::File | FileKind::Directory => Content::Symlink {
                target: self
                    .filesystem
                    .read_link(node)
                    .inspect_err(|fault| self.fault(pending, name, node, Stage::Content, fault))
                    .unwrap_or_default()
                    .into(),
            },
        };
        let mut entry = plain_entry(name, metadata, content);
        entry.xattrs = self
            .filesystem
            .xattrs(node)
            .inspect_err(|fault| self.fault(pending, name, node, Stage::Xattrs, fault))
            .ok();
        entry
    }

    /// One part of a directory is finished; the last one finishes the directory, and so on up.
    fn part_done(&self, pending: &Arc<Pending>) {
        if pending.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            let delivery = self.seal(pending);
            self.pass_up(pending.clone(), delivery);
        }
    }

    /// For a directory that was not listed.
    fn deliver(
        &self,
        pending: Arc<Pending>,
        content: DirectoryContent,
        xattrs: Option<Vec<Xattr>>,
    ) {
        self.pass_up(pending, Delivery { content, xattrs, is_unchanged: false });
    }

    /// Hands what a directory is to its parent, and finishes every parent that waited for it last.
    fn pass_up(&self, mut pending: Arc<Pending>, mut delivery: Delivery) {
        loop {
            let Some((parent, slot)) = pending.parent.clone() else {
                self.collected().root = Some(delivery);
                return;
            };
            if pending.is_partial.load(Ordering::Relaxed)
                && !matches!(delivery.content, DirectoryContent::Read { .. })
            {
                parent.is_partial.store(true, Ordering::Relaxed);
            }
            let mut building = parent.building();
            if building.taken_over.is_some() {
                if let Some(place) = building.delivered.get_mut(slot) {
                    place.1 = Some(delivery);
                }
            } else if let Some(entry) = building.entries.get_mut(slot) {
                entry.content = Content::Directory(delivery.content);
                if delivery.xattrs.is_some() {
                    entry.xattrs = delivery.xattrs;
                }
            }
            drop(building);
            drop(pending);
            if parent.remaining.fetch_sub(1, Ordering::AcqRel) != 1 {
                return;
            }
            delivery = self.seal(&parent);
            pending = parent;
        }
    }

    fn finish(self, metadata: Result<Metadata, Fault>) -> Walked {
        let mut collected = self.collected.into_inner().unwrap_or_else(PoisonError::into_inner);
        let delivery = collected.root.take();
        let content = delivery.as_ref().map_or(DirectoryContent::Unread, |d| d.content);
        let xattrs = delivery.and_then(|delivery| delivery.xattrs);
        let root = match metadata {
            Ok(metadata) => Entry { xattrs, ..stat_entry(&metadata, Content::Directory(content)) },
            Err(fault) => {
                let path = TreePath::root();
                collected.gaps.push(Gap { path, stage: Stage::Metadata, reason: fault.chain() });
                Entry { xattrs, ..stat_entry(&UNKNOWN, Content::Directory(content)) }
            }
        };
        let mut hard_links: Vec<HardLinks> = collected.links.into_values().collect();
        for paths in hard_links.iter_mut().chain(&mut collected.found) {
            paths.retain(|path| !collected.gone.contains(path));
        }
        hard_links.retain(|paths| paths.len() > 1);
        for paths in &mut hard_links {
            paths.sort_unstable();
        }
        hard_links.sort_unstable();
        for paths in &mut collected.found {
            paths.sort_unstable();
        }
        Walked {
            root,
            entries: self.progress.entries.into_inner() + 1,
            bytes: self.total.into_inner(),
            gaps: collected.gaps,
            omissions: collected.omissions,
            hard_links,
            found: collected.found,
            trusted: collected.trusted,
            relied_on_previous: self.relied.into_inner(),
            contradiction: collected.contradiction,
            alternates: collected.alternates,
        }
    }
}
