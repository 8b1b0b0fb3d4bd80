//! The walk: every directory listed, every entry looked at, every file read, in parallel, finished
//! from the leaves up.
//!
//! A directory is a task; its files go in batches that other threads may take. Nobody waits: the
//! thread that finishes the last part of a directory encodes it and hands its ids to the parent.

use super::bytes;
use super::trust::{Contradiction, Record, Trust, fingerprint};
use super::{Keep, Options, Progress};
use crate::collect::Collector;
use crate::filesystem::{Filesystem, Metadata, Node};
use crate::model::encoding::encode_tree;
use crate::model::{
    Content, ContentId, DirectoryContent, Entry, ExactId, Fault, FileKind, Gap, HardLinks, Name,
    Omission, Stage, Timestamp, Tree, TreePath, Xattr,
};
use rayon::Scope;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
    pub(super) records: Vec<Record>,
    pub(super) relied_on_previous: bool,
    pub(super) contradiction: Option<Contradiction>,
}

/// The names that collectors want to hear of.
pub(super) struct Wanted {
    exact: HashMap<&'static [u8], Vec<usize>>,
    prefixes: Vec<(&'static [u8], usize)>,
    suffixes: Vec<(&'static [u8], usize)>,
    count: usize,
}

impl Wanted {
    pub(super) fn new(collectors: &[&Collector]) -> Self {
        let mut wanted = Self {
            exact: HashMap::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            count: collectors.len(),
        };
        for (index, collector) in collectors.iter().enumerate() {
            for pattern in collector.wanted {
                if let Some(suffix) = pattern.strip_prefix('*') {
                    wanted.suffixes.push((suffix.as_bytes(), index));
                } else if let Some(prefix) = pattern.strip_suffix('*') {
                    wanted.prefixes.push((prefix.as_bytes(), index));
                } else {
                    wanted.exact.entry(pattern.as_bytes()).or_default().push(index);
                }
            }
        }
        wanted
    }

    /// Calls `found` with the index of each collector that wants this name, once each.
    fn each(&self, name: &[u8], mut found: impl FnMut(usize)) {
        let exact = self.exact.get(name).into_iter().flatten().copied();
        let prefix = self.prefixes.iter().filter(|(p, _)| name.starts_with(p)).map(|(_, i)| *i);
        let suffix = self.suffixes.iter().filter(|(s, _)| name.ends_with(s)).map(|(_, i)| *i);
        let mut indices: Vec<usize> = exact.chain(prefix).chain(suffix).collect();
        indices.sort_unstable();
        indices.dedup();
        indices.into_iter().for_each(&mut found);
    }
}

/// What all threads share.
struct Walk<'a> {
    filesystem: &'a dyn Filesystem,
    options: &'a Options<'a>,
    keep: &'a Keep<'a>,
    wanted: &'a Wanted,
    trust: Option<Trust<'a>>,
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
    records: Vec<Record>,
    contradiction: Option<Contradiction>,
    root: Option<Delivery>,
}

/// What a directory's task tells its parent.
#[derive(Clone)]
struct Delivery {
    content: DirectoryContent,
    /// `None` where they were known before, or could not be read.
    xattrs: Option<Vec<Xattr>>,
    /// Whether it is what the previous scan saw, to the exact id.
    is_unchanged: bool,
}

/// A directory that is being read.
struct Pending {
    parent: Option<(Arc<Pending>, usize)>,
    name: Option<Name>,
    inode: (u64, u64),
    /// Parts that are not finished: batches of files, directories, and the listing itself.
    remaining: AtomicUsize,
    has_gap: AtomicBool,
    /// Whether its own extended attributes are not known from its parent's tree.
    needs_xattrs: bool,
    building: Mutex<Building>,
}

#[derive(Default)]
struct Building {
    entries: Vec<Entry>,
    own_xattrs: Option<Vec<Xattr>>,
    /// Fingerprint and inodes of what was listed.
    seen: ([u8; 16], Vec<u64>),
    /// The record of the previous scan, where its tree is taken over but for these directories.
    taken_over: Option<Record>,
    /// Names of directories of a tree that is taken over, with what they delivered.
    delivered: Vec<(Name, Option<Delivery>)>,
    /// What the previous scan saw, where all is read again.
    previous: Option<ExactId>,
    /// Read although it could be trusted: must come out as before.
    is_sampled: bool,
}

impl Pending {
    fn path(&self) -> TreePath {
        let mut names = Vec::new();
        let mut here = Some(self);
        while let Some(pending) = here {
            names.extend(pending.name.as_ref());
            here = pending.parent.as_ref().map(|(parent, _)| parent.as_ref());
        }
        let mut path = TreePath::root();
        for name in names.into_iter().rev() {
            path.push(name);
        }
        path
    }

    fn building(&self) -> std::sync::MutexGuard<'_, Building> {
        self.building.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parents are let go one after the other: a chain of a hundred thousand directories must not be
/// dropped by recursion.
impl Drop for Pending {
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some((parent, _)) = next {
            next = Arc::into_inner(parent).and_then(|mut parent| parent.parent.take());
        }
    }
}

/// A file of a batch: its slot, and what is needed to read it.
struct Unread {
    slot: usize,
    node: Node,
    metadata: Metadata,
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
    walk.finish(metadata)
}

impl Pending {
    fn new(
        parent: Option<(Arc<Self>, usize)>,
        name: Option<Name>,
        inode: (u64, u64),
        needs_xattrs: bool,
    ) -> Self {
        Self {
            parent,
            name,
            inode,
            remaining: AtomicUsize::new(1),
            has_gap: AtomicBool::new(false),
            needs_xattrs,
            building: Mutex::default(),
        }
    }
}

impl<'a> Walk<'a> {
    fn collected(&self) -> std::sync::MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gap(&self, pending: &Pending, name: Option<&Name>, stage: Stage, fault: &Fault) {
        pending.has_gap.store(true, Ordering::Relaxed);
        let mut path = pending.path();
        if let Some(name) = name {
            path.push(name);
        }
        self.collected().gaps.push(Gap { path, stage, reason: fault.chain() });
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
                self.gap(&pending, None, Stage::List, &fault);
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
            self.wanted.each(name.as_bytes(), |index| {
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
                let known = record.and_then(|record| self.known_tree(&record));
                self.read_entries(scope, pending, nodes, stats, known.as_ref());
            }
        }
    }

    /// The tree of the previous scan with the inodes of its entries.
    fn known_tree(&self, record: &Record) -> Option<(Arc<Tree>, Vec<u64>)> {
        let previous = self.options.previous.as_ref()?;
        let tree = previous.source.tree(&record.exact).ok()?;
        (tree.entries.len() == record.inodes.len()).then(|| (tree, record.inodes.clone()))
    }

    /// All entries are as they were; only what is below directories is to be seen.
    fn take_over<'s>(
        &'s self,
        scope: &Scope<'s>,
        pending: &Arc<Pending>,
        nodes: Vec<Node>,
        stats: Vec<(Name, Metadata)>,
    ) {
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
        known: Option<&(Arc<Tree>, Vec<u64>)>,
    ) {
        let mut made = Vec::with_capacity(stats.len());
        let mut directories = Vec::new();
        let mut files = Vec::new();
        for (slot, (node, (name, metadata))) in nodes.into_iter().zip(stats).enumerate() {
            let trusted = known.and_then(|known| trusted_entry(known, &name, &metadata));
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
        pending.building().entries = made;
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
        let device = metadata.device.unwrap_or(crate::model::DeviceNumber { major: 0, minor: 0 });
        let content = match metadata.kind {
            FileKind::Fifo => Content::Fifo,
            FileKind::Socket => Content::Socket,
            FileKind::CharacterDevice => Content::CharacterDevice(device),
            FileKind::BlockDevice => Content::BlockDevice(device),
            FileKind::Symlink | FileKind::File | FileKind::Directory => Content::Symlink {
                target: self
                    .filesystem
                    .read_link(node)
                    .inspect_err(|fault| self.gap(pending, Some(name), Stage::Content, fault))
                    .unwrap_or_default()
                    .into(),
            },
        };
        let mut entry = plain_entry(name, metadata, content);
        entry.xattrs = self.xattrs(pending, node, name);
        entry
    }

    fn xattrs(&self, pending: &Pending, node: &Node, name: &Name) -> Option<Vec<Xattr>> {
        self.filesystem
            .xattrs(node)
            .inspect_err(|fault| self.gap(pending, Some(name), Stage::Xattrs, fault))
            .ok()
    }

    /// Reads a batch of files.
    fn files(&self, pending: &Pending, batch: Vec<Unread>) {
        let mut done = Vec::with_capacity(batch.len());
        for Unread { slot, node, metadata } in batch {
            done.push((slot, self.file(pending, slot, &node, metadata)));
            self.progress.bytes.fetch_add(metadata.size, Ordering::Relaxed);
        }
        let mut building = pending.building();
        for (slot, (metadata, digest, xattrs)) in done {
            if let Some(entry) = building.entries.get_mut(slot) {
                let name = entry.name.take();
                *entry = Entry {
                    name,
                    xattrs,
                    ..stat_entry(&metadata, Content::File { size: metadata.size, digest })
                };
            }
        }
    }

    fn file(
        &self,
        pending: &Pending,
        slot: usize,
        node: &Node,
        metadata: Metadata,
    ) -> (Metadata, Option<crate::model::ContentDigest>, Option<Vec<Xattr>>) {
        let name = || pending.building().entries.get(slot).and_then(|entry| entry.name.clone());
        let opened = match self.filesystem.open(node) {
            Ok(opened) => opened,
            Err(fault) => {
                self.gap(pending, name().as_ref(), Stage::Content, &fault);
                return (metadata, None, self.filesystem.xattrs(node).ok());
            }
        };
        let xattrs = self
            .filesystem
            .xattrs(&opened)
            .inspect_err(|fault| self.gap(pending, name().as_ref(), Stage::Xattrs, fault))
            .ok();
        match bytes::digest(self.filesystem, &opened, metadata) {
            Ok((metadata, digest)) => (metadata, Some(digest), xattrs),
            Err(fault) => {
                self.gap(pending, name().as_ref(), Stage::Content, &fault);
                (metadata, None, xattrs)
            }
        }
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
            if pending.has_gap.load(Ordering::Relaxed)
                && !matches!(delivery.content, DirectoryContent::Read { .. })
            {
                parent.has_gap.store(true, Ordering::Relaxed);
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

    /// A directory whose parts are all there: its tree is encoded and kept, or taken over.
    fn seal(&self, pending: &Pending) -> Delivery {
        let mut building = std::mem::take(&mut *pending.building());
        let xattrs = building.own_xattrs.take();
        let mut tree = Tree { entries: std::mem::take(&mut building.entries) };
        if let Some(record) = building.taken_over.take() {
            let all_same = building
                .delivered
                .iter()
                .all(|(_, delivery)| delivery.as_ref().is_some_and(|d| d.is_unchanged));
            if all_same {
                self.relied.store(true, Ordering::Relaxed);
                let content =
                    DirectoryContent::Read { content: record.content, exact: record.exact };
                self.collected().records.push(record);
                return Delivery { content, xattrs, is_unchanged: true };
            }
            match self.patched(&record, building.delivered) {
                Some(patched) => tree = patched,
                // The store lost it: nothing of the previous scan can be relied on.
                None => {
                    self.collected().contradiction.get_or_insert(Contradiction { fact: None });
                }
            }
        }
        let encoded = encode_tree(&tree);
        let (content, exact) = (encoded.content, encoded.exact);
        (self.keep.tree)(encoded);
        if building.is_sampled
            && building.previous.is_some_and(|expected| self.contradicts(&expected, &tree))
        {
            let contradiction = Contradiction::at(&pending.path());
            self.collected().contradiction.get_or_insert(contradiction);
        }
        self.remember(pending, building.seen, content, exact);
        let is_unchanged = building.previous == Some(exact);
        Delivery { content: DirectoryContent::Read { content, exact }, xattrs, is_unchanged }
    }

    /// The tree of the previous scan with what its directories are now.
    fn patched(&self, record: &Record, delivered: Vec<(Name, Option<Delivery>)>) -> Option<Tree> {
        let source = self.options.previous.as_ref()?.source;
        let mut tree = Tree::clone(&*source.tree(&record.exact).ok()?);
        for (name, delivery) in delivered {
            let place =
                tree.entries.binary_search_by(|entry| entry.name.as_ref().cmp(&Some(&name)));
            let entry = tree.entries.get_mut(place.ok()?)?;
            let delivery = delivery?;
            entry.content = Content::Directory(delivery.content);
            if delivery.xattrs.is_some() {
                entry.xattrs = delivery.xattrs;
            }
        }
        self.relied.store(true, Ordering::Relaxed);
        Some(tree)
    }

    /// Whether files have other bytes than the previous scan saw, under the same times.
    fn contradicts(&self, expected: &ExactId, tree: &Tree) -> bool {
        let previous = self.options.previous.as_ref();
        let Some(Ok(old)) = previous.map(|previous| previous.source.tree(expected)) else {
            return false;
        };
        tree.entries.iter().any(|entry| {
            let old = entry.name.as_ref().and_then(|name| old.get(name.as_bytes()));
            old.is_some_and(|old| {
                (old.mtime, old.ctime) == (entry.mtime, entry.ctime)
                    && matches!((&old.content, &entry.content), (
                        Content::File { size: old_size, digest: Some(old) },
                        Content::File { size, digest: Some(new) },
                    ) if old_size == size && old != new)
            })
        })
    }

    fn remember(
        &self,
        pending: &Pending,
        (fingerprint, inodes): ([u8; 16], Vec<u64>),
        content: ContentId,
        exact: ExactId,
    ) {
        if !pending.has_gap.load(Ordering::Relaxed) {
            let record = Record { inode: pending.inode, fingerprint, content, exact, inodes };
            self.collected().records.push(record);
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
            records: collected.records,
            relied_on_previous: self.relied.into_inner(),
            contradiction: collected.contradiction,
        }
    }
}

/// Stands for the root where even that cannot be looked at.
const UNKNOWN: Metadata = Metadata {
    kind: FileKind::Directory,
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: Timestamp::from_seconds(0),
    ctime: None,
    links: 1,
    device: None,
    inode: (0, 0),
};

fn unread_directory() -> Content {
    Content::Directory(DirectoryContent::Unread)
}

fn stat_entry(metadata: &Metadata, content: Content) -> Entry {
    Entry {
        name: None,
        content,
        mode: metadata.mode,
        uid: metadata.uid,
        gid: metadata.gid,
        xattrs: None,
        mtime: metadata.mtime,
        ctime: metadata.ctime,
        links: metadata.links,
    }
}

fn plain_entry(name: &Name, metadata: &Metadata, content: Content) -> Entry {
    Entry { name: Some(name.clone()), ..stat_entry(metadata, content) }
}

/// The entry of the previous scan, if nothing that `stat` says of it has changed.
fn trusted_entry<'t>(
    (tree, inodes): &'t (Arc<Tree>, Vec<u64>),
    name: &Name,
    metadata: &Metadata,
) -> Option<&'t Entry> {
    let index = tree.entries.binary_search_by(|entry| entry.name.as_ref().cmp(&Some(name))).ok()?;
    let (entry, inode) = (tree.entries.get(index)?, *inodes.get(index)?);
    let same_stat = entry.content.kind() == metadata.kind
        && entry.mode == metadata.mode
        && (entry.uid, entry.gid) == (metadata.uid, metadata.gid)
        && (entry.mtime, entry.ctime) == (metadata.mtime, metadata.ctime)
        && entry.links == metadata.links;
    let same_content = match &entry.content {
        Content::File { size, digest } => *size == metadata.size && digest.is_some(),
        _ => true,
    };
    (inode != 0 && inode == metadata.inode.1 && same_stat && same_content && entry.xattrs.is_some())
        .then_some(entry)
}
