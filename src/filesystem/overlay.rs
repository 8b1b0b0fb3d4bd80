//! Layers on top of each other as one tree: container images and overlayfs.
//!
//! Specification: OCI image layer filesystem changeset ("Whiteouts": `.wh.NAME` takes a name of
//! the layers below away, `.wh..wh..opq` all names of its directory) and Linux
//! `filesystems/overlayfs.rst` (character device 0:0, `overlay.opaque`, `overlay.whiteout`).
//! Whiteouts act on layers below only, wherever they stand among the names of their own.
//!
//! A directory in several layers has the names of all of them and the metadata of the uppermost
//! that describes it; one that a layer only implies, because its archive has members below it but
//! not the directory itself, describes nothing and follows a link that a layer below has in its
//! place. Everything else is replaced by the uppermost.
//!
//! The merged names are made once and kept in memory, so that hard links across layers, link counts
//! and lookups are right and cheap. Meant for archives and images: a live directory as a layer
//! would keep a descriptor open for each of its folders.

use super::index::{IMPLIED_DIRECTORY, Index, Inode, InodeNumber, ROOT, Shape};
use super::tar::{OpenedTar, UnresolvedLink};
use super::{Carries, DirectoryEntry, Filesystem, Listing, Metadata, Node};
use crate::model::{DeviceNumber, Fault, FileKind, Gap, Name, Stage, TreePath, Xattr};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// What begins the names of OCI (and aufs) whiteouts.
const WHITEOUT: &[u8] = b".wh.";

/// The name that makes its directory opaque.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Namespaces of what overlayfs itself writes; no part of the tree.
const OVERLAY_XATTRS: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// One layer.
#[derive(Debug)]
pub struct Layer {
    /// Its tree, whiteouts and all.
    pub filesystem: Arc<dyn Filesystem>,
    /// Directories (numbers of their nodes) that it says nothing about.
    pub implied: BTreeSet<u64>,
    /// Hard links to files of layers below.
    pub links: Vec<UnresolvedLink>,
}

impl From<OpenedTar> for Layer {
    /// The archive's gaps are the caller's to keep.
    fn from(opened: OpenedTar) -> Self {
        let implied = opened.filesystem.implied_directories();
        Self { filesystem: Arc::new(opened.filesystem), implied, links: opened.links }
    }
}

/// Where an inode comes from.
#[derive(Clone, Debug)]
struct Origin {
    layer: usize,
    node: Node,
}

/// Layers as one tree.
#[derive(Debug)]
pub struct OverlayFilesystem {
    layers: Vec<Arc<dyn Filesystem>>,
    /// [`None`]: a directory that no layer describes.
    index: Index<Option<Origin>>,
}

impl OverlayFilesystem {
    /// Merges the layers, the lowest first. What could not be read of their directories comes back
    /// beside the tree.
    #[must_use]
    pub fn merge(layers: &[Layer]) -> (Self, Vec<Gap>) {
        let filesystems = layers.iter().map(|layer| Arc::clone(&layer.filesystem)).collect();
        let mut merge = Merge { index: Index::new(None), gaps: Vec::new() };
        for (number, layer) in layers.iter().enumerate() {
            merge.apply(number, layer);
        }
        merge.index.count_links();
        (Self { layers: filesystems, index: merge.index }, merge.gaps)
    }

    /// The layer of a node and its node there; [`None`] for an implied directory.
    fn origin(&self, node: &Node) -> Result<Option<(&dyn Filesystem, Node)>, Fault> {
        let Some(origin) = &self.index.of(node)?.value else { return Ok(None) };
        let layer = self.layers.get(origin.layer).map(AsRef::as_ref);
        let layer = layer.ok_or_else(|| Fault::damaged(format!("no layer {}", origin.layer)))?;
        let opened = node.state.as_ref().and_then(|state| state.downcast_ref::<Node>());
        Ok(Some((layer, opened.unwrap_or(&origin.node).clone())))
    }

    fn described(&self, node: &Node) -> Result<(&dyn Filesystem, Node), Fault> {
        let origin = self.origin(node)?;
        origin.ok_or_else(|| Fault::damaged("a directory that no layer describes"))
    }
}

/// The tree so far.
struct Merge {
    index: Index<Option<Origin>>,
    gaps: Vec<Gap>,
}

/// A directory of a layer and what it goes into.
struct Pair {
    upper: Node,
    merged: InodeNumber,
    path: TreePath,
}

/// What is the same for all entries of one layer.
struct Context<'a> {
    number: usize,
    layer: &'a Layer,
    /// Inodes with several names, by what tells them apart in their layer.
    linked: HashMap<(u64, u64), InodeNumber>,
}

impl Merge {
    fn gap(&mut self, path: &TreePath, stage: Stage, fault: &Fault) {
        self.gaps.push(Gap { path: path.clone(), stage, reason: fault.chain() });
    }

    fn apply(&mut self, number: usize, layer: &Layer) {
        let mut context = Context { number, layer, linked: HashMap::new() };
        let root = layer.filesystem.root();
        if !layer.implied.contains(&root.number) {
            let origin = Origin { layer: number, node: root.clone() };
            self.index.set_directory(ROOT, Some(origin));
        }
        let mut pending = vec![Pair { upper: root, merged: ROOT, path: TreePath::root() }];
        while let Some(pair) = pending.pop() {
            if let Err(fault) = self.directory(&mut context, &pair, &mut pending) {
                self.gap(&pair.path, Stage::List, &fault);
            }
        }
        for link in &layer.links {
            if let Err(fault) = self.link(link) {
                self.gap(&link.path, Stage::Metadata, &fault);
            }
        }
    }

    /// Merges one directory of a layer: first its whiteouts, then its names.
    fn directory(
        &mut self,
        context: &mut Context<'_>,
        pair: &Pair,
        pending: &mut Vec<Pair>,
    ) -> Result<(), Fault> {
        let filesystem = context.layer.filesystem.as_ref();
        let opened = filesystem.open(&pair.upper)?;
        let listing = filesystem.read_directory(&opened)?;
        for fault in &listing.faults {
            self.gap(&pair.path, Stage::List, fault);
        }
        let is_opaque = listing.entries.iter().any(|entry| entry.name.as_bytes() == OPAQUE);
        if is_opaque || self.has_opaque_mark(filesystem, &opened, &pair.path) {
            self.index.clear(pair.merged);
        }
        let mut added = Vec::with_capacity(listing.entries.len());
        for entry in listing.entries {
            match entry.name.as_bytes().strip_prefix(WHITEOUT) {
                // `.wh..wh.` begins the names of aufs's own files.
                Some(rest) if rest.starts_with(WHITEOUT) => {}
                Some(hidden) => self.index.remove(pair.merged, hidden),
                None => added.push(entry),
            }
        }
        for entry in added {
            let path = pair.path.join(&entry.name);
            match self.entry(context, pair.merged, &path, &entry) {
                Ok(Some(merged)) => pending.push(Pair { upper: entry.node, merged, path }),
                Ok(None) => {}
                Err(fault) => self.gap(&path, Stage::Metadata, &fault),
            }
        }
        Ok(())
    }

    fn has_opaque_mark(
        &mut self,
        filesystem: &dyn Filesystem,
        directory: &Node,
        path: &TreePath,
    ) -> bool {
        // Where attributes cannot be read the walk tells it.
        let mut is_opaque = false;
        for xattr in filesystem.xattrs(directory).unwrap_or_default() {
            match overlay_name(&xattr) {
                Some(b"opaque") => is_opaque = *xattr.value == *b"y",
                Some(b"redirect") => {
                    let fault = Fault::unsupported("a renamed directory of overlayfs (redirect)");
                    self.gap(path, Stage::Image, &fault);
                }
                _ => {}
            }
        }
        is_opaque
    }

    /// Adds one name of a layer; for a directory, what its own names go into.
    fn entry(
        &mut self,
        context: &mut Context<'_>,
        directory: InodeNumber,
        path: &TreePath,
        entry: &DirectoryEntry,
    ) -> Result<Option<InodeNumber>, Fault> {
        let filesystem = context.layer.filesystem.as_ref();
        let origin = Origin { layer: context.number, node: entry.node.clone() };
        let Ok(metadata) = filesystem.metadata(&entry.node) else {
            // Whoever reads it is told why.
            let inode = Inode::new(Shape::Other, Some(origin));
            self.index.insert(directory, &entry.name, inode)?;
            return Ok(None);
        };
        if metadata.kind == FileKind::Directory {
            let is_implied = context.layer.implied.contains(&entry.node.number);
            return self
                .merge_directory(directory, path, &entry.name, origin, is_implied)
                .map(Some);
        }
        if self.is_overlayfs_whiteout(filesystem, &entry.node, &metadata, path) {
            self.index.remove(directory, entry.name.as_bytes());
            return Ok(None);
        }
        if let Some(number) = context.linked.get(&metadata.inode).filter(|_| metadata.links > 1) {
            self.index.link(directory, &entry.name, *number)?;
            return Ok(None);
        }
        let shape = match metadata.kind {
            FileKind::Symlink => Shape::Symlink(filesystem.read_link(&entry.node)?.into()),
            _ => Shape::Other,
        };
        let number = self.index.insert(directory, &entry.name, Inode::new(shape, Some(origin)))?;
        if metadata.links > 1 {
            context.linked.insert(metadata.inode, number);
        }
        Ok(None)
    }

    fn merge_directory(
        &mut self,
        directory: InodeNumber,
        path: &TreePath,
        name: &Name,
        origin: Origin,
        is_implied: bool,
    ) -> Result<InodeNumber, Fault> {
        let below = self.index.names(directory)?.get(name).copied();
        if let Some(below) = below {
            if self.index.names(below).is_ok() {
                if !is_implied {
                    self.index.set_directory(below, Some(origin));
                }
                return Ok(below);
            }
            if is_implied && self.index.is_symlink(below) {
                return self.index.make_directory(path, &None);
            }
        }
        let value = (!is_implied).then_some(origin);
        let inode = Inode { is_implied, ..Inode::new(Shape::empty_directory(), value) };
        self.index.insert(directory, name, inode)
    }

    fn is_overlayfs_whiteout(
        &mut self,
        filesystem: &dyn Filesystem,
        node: &Node,
        metadata: &Metadata,
        path: &TreePath,
    ) -> bool {
        match metadata.kind {
            FileKind::CharacterDevice => {
                metadata.device == Some(DeviceNumber { major: 0, minor: 0 })
            }
            FileKind::File => {
                let mut is_whiteout = false;
                for xattr in filesystem.xattrs(node).unwrap_or_default() {
                    match overlay_name(&xattr) {
                        Some(b"whiteout") => is_whiteout = metadata.size == 0,
                        Some(b"metacopy") => {
                            let fault = Fault::unsupported(
                                "metadata without bytes of overlayfs (metacopy)",
                            );
                            self.gap(path, Stage::Content, &fault);
                        }
                        _ => {}
                    }
                }
                is_whiteout
            }
            _ => false,
        }
    }

    fn link(&mut self, link: &UnresolvedLink) -> Result<(), Fault> {
        let number = self.index.find(&link.target)?.ok_or_else(|| {
            Fault::damaged(format!("a hard link to {}, which is in no layer below", link.target))
        })?;
        let (Some(parent), Some(name)) =
            (link.path.parent(), link.path.file_name().and_then(Name::new))
        else {
            return Err(Fault::damaged("a hard link in the place of the root"));
        };
        if self.index.names(number).is_ok() {
            return Err(Fault::damaged(format!("a hard link to the directory {}", link.target)));
        }
        let directory = self.index.make_directory(&parent, &None)?;
        self.index.link(directory, &name, number)
    }
}

/// The part of the name after overlayfs's namespaces; `None` for attributes of the tree itself.
fn overlay_name(xattr: &Xattr) -> Option<&[u8]> {
    OVERLAY_XATTRS.iter().find_map(|prefix| xattr.name.strip_prefix(*prefix))
}

impl Filesystem for OverlayFilesystem {
    fn type_name(&self) -> &str {
        "overlay"
    }

    fn carries(&self) -> Carries {
        self.layers.iter().map(|layer| layer.carries()).fold(Carries::ALL, Carries::and)
    }

    fn root(&self) -> Node {
        Node::new(0)
    }

    fn metadata(&self, node: &Node) -> Result<Metadata, Fault> {
        let metadata = match self.origin(node)? {
            Some((layer, inner)) => layer.metadata(&inner)?,
            None => IMPLIED_DIRECTORY,
        };
        self.index.complete(node, metadata)
    }

    fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
        self.index.listing(node)
    }

    fn lookup(&self, directory: &Node, name: &[u8]) -> Result<Option<Node>, Fault> {
        self.index.lookup(directory, name)
    }

    fn open(&self, node: &Node) -> Result<Node, Fault> {
        let Some((layer, inner)) = self.origin(node)? else { return Ok(node.clone()) };
        Ok(Node { number: node.number, state: Some(Arc::new(layer.open(&inner)?)) })
    }

    fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let (layer, inner) = self.described(node)?;
        layer.read_at(&inner, offset, buffer)
    }

    fn next_data(&self, node: &Node, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        let (layer, inner) = self.described(node)?;
        layer.next_data(&inner, offset)
    }

    fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        self.index.link_target(node)
    }

    fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>, Fault> {
        let Some((layer, inner)) = self.origin(node)? else { return Ok(Vec::new()) };
        let mut xattrs = layer.xattrs(&inner)?;
        xattrs.retain(|xattr| overlay_name(xattr).is_none());
        Ok(xattrs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;
    use crate::filesystem::resolve::{LastLink, read_file, resolve};

    fn layer(filesystem: MemoryFilesystem) -> Layer {
        Layer { filesystem: Arc::new(filesystem), implied: BTreeSet::new(), links: Vec::new() }
    }

    fn memory(build: impl FnOnce(&mut MemoryFilesystem)) -> MemoryFilesystem {
        let mut filesystem = MemoryFilesystem::new();
        build(&mut filesystem);
        filesystem
    }

    /// All files as `path=bytes`, and empty directories.
    fn show(filesystem: &dyn Filesystem) -> Vec<String> {
        let mut shown = Vec::new();
        let mut pending = vec![(TreePath::root(), filesystem.root())];
        while let Some((path, node)) = pending.pop() {
            match filesystem.metadata(&node).unwrap().kind {
                FileKind::Directory => {
                    let entries = filesystem.read_directory(&node).unwrap().entries;
                    if entries.is_empty() {
                        shown.push(format!("{path}/"));
                    }
                    pending.extend(entries.into_iter().map(|e| (path.join(&e.name), e.node)));
                }
                FileKind::Symlink => shown.push(format!("{path}@")),
                _ => {
                    let bytes = read_file(filesystem, &path, 100).unwrap().unwrap();
                    shown.push(format!("{path}={}", String::from_utf8_lossy(&bytes)));
                }
            }
        }
        shown.sort();
        shown
    }

    fn check(layers: &[Layer], expected: &[&str]) -> OverlayFilesystem {
        let (overlay, gaps) = OverlayFilesystem::merge(layers);
        assert_eq!(show(&overlay), expected);
        assert!(gaps.is_empty(), "{gaps:?}");
        overlay
    }

    fn lower() -> Layer {
        layer(memory(|fs| {
            fs.file("/a/one", "1").file("/a/two", "2").file("/b", "b").symlink("/bin", "a");
        }))
    }

    #[test]
    fn whiteouts_hide_what_is_below() {
        let upper = memory(|fs| {
            fs.file("/a/.wh.one", "").file("/.wh.b", "").file("/a/.wh..wh.plnk", "");
        });
        check(&[lower(), layer(upper)], &["/a/two=2", "/bin@"]);
        let upper = memory(|fs| {
            fs.device("/a/one", 0, 0).file("/b", "").xattr("/b", "trusted.overlay.whiteout", b"");
        });
        check(&[lower(), layer(upper)], &["/a/two=2", "/bin@"]);
    }

    #[test]
    fn opaque_directories_keep_their_own() {
        let upper = memory(|fs| {
            fs.file("/a/.wh..wh..opq", "").file("/a/three", "3").file("/a/.wh.three", "");
        });
        check(&[lower(), layer(upper)], &["/a/three=3", "/b=b", "/bin@"]);
        let upper = memory(|fs| {
            fs.directory("/a").xattr("/a", "trusted.overlay.opaque", b"y");
        });
        let overlay = check(&[lower(), layer(upper)], &["/a/", "/b=b", "/bin@"]);
        let a = overlay.lookup(&overlay.root(), b"a").unwrap().unwrap();
        assert!(overlay.xattrs(&a).unwrap().is_empty());
    }

    #[test]
    fn kinds_replace_each_other_and_metadata_is_the_uppers() {
        let upper = memory(|fs| {
            fs.file("/a", "now a file").file("/b/x", "now a directory");
        });
        check(&[lower(), layer(upper)], &["/a=now a file", "/b/x=now a directory", "/bin@"]);
        let upper = memory(|fs| {
            fs.directory("/a").change("/a", |metadata| metadata.mode = 0o700);
        });
        let overlay = check(&[lower(), layer(upper)], &["/a/one=1", "/a/two=2", "/b=b", "/bin@"]);
        let a = overlay.lookup(&overlay.root(), b"a").unwrap().unwrap();
        assert_eq!(overlay.metadata(&a).unwrap().mode, 0o700);
    }

    #[test]
    fn implied_directories_say_nothing() {
        let upper = memory(|fs| {
            fs.file("/bin/three", "3").change("/bin", |metadata| metadata.mode = 0o700);
        });
        let bin = resolve(&upper, &TreePath::parse("/bin"), LastLink::Keep).unwrap().unwrap();
        let implied = [0, bin.node.number].into();
        let upper = Layer { implied, ..layer(upper) };
        let expected = ["/a/one=1", "/a/three=3", "/a/two=2", "/b=b", "/bin@"];
        let overlay = check(&[lower(), upper], &expected);
        let a = overlay.lookup(&overlay.root(), b"a").unwrap().unwrap();
        assert_eq!(overlay.metadata(&a).unwrap().mode, 0o755);
    }

    #[test]
    fn hard_links_cross_layers() {
        let link = |path: &str, target: &str| UnresolvedLink {
            path: TreePath::parse(path),
            target: TreePath::parse(target),
        };
        let upper = Layer {
            links: vec![link("/c/b", "/b"), link("/d", "/nowhere"), link("/e", "/a")],
            ..layer(MemoryFilesystem::new())
        };
        let top = layer(memory(|fs| {
            fs.file("/b", "new");
        }));
        let (overlay, gaps) = OverlayFilesystem::merge(&[lower(), upper, top]);
        assert_eq!(show(&overlay), ["/a/one=1", "/a/two=2", "/b=new", "/bin@", "/c/b=b"]);
        assert_eq!(gaps.len(), 2);
    }
}
