//! Inodes and the names that lead to them: what archives and overlays of layers are indexed in.
//!
//! Paths of an archive are followed as they would be inside of the tree that it unpacks to: links
//! on the way lead where they point within it and nowhere else, directories that nothing names are
//! made up. The same name once more replaces what was there, as unpacking would.

use super::{DirectoryEntry, Listing, Metadata, Node};
use crate::model::{Fault, FaultKind, FileKind, Name, TreePath};
use std::collections::BTreeMap;

/// As many links as Linux follows in one path (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// Longer paths than this name nothing that anyone has unpacked; each of their components may cost
/// a directory.
const MAX_PATH: usize = 16 * 1024;

/// Links with longer targets Linux does not follow (`PATH_MAX`).
const MAX_FOLLOWED: usize = 4096;

/// Bytes of links' targets that are followed for one index in all. A million files below
/// `/lib -> usr/lib` take seven million; links made to be slow would take any number.
const MAX_LINK_STEPS: usize = 50_000_000;

/// Memory that one index may take. A tree of a million files takes about a quarter of it.
pub(super) const MAX_INDEX_BYTES: usize = 1 << 30;

/// What an inode costs beside its names, about.
const INODE_BYTES: usize = 240;

/// The number of an inode in an [`Index`].
pub(super) type InodeNumber = usize;

/// The top directory's.
pub(super) const ROOT: InodeNumber = 0;

/// What an inode is, as far as the index needs to know.
#[derive(Debug)]
pub(super) enum Shape {
    /// With its names.
    Directory(BTreeMap<Name, InodeNumber>),
    /// With its target.
    Symlink(Box<[u8]>),
    /// All others.
    Other,
}

impl Shape {
    /// A directory with nothing in it.
    pub(super) const fn empty_directory() -> Self {
        Self::Directory(BTreeMap::new())
    }
}

/// One inode with what its owner keeps of it.
#[derive(Debug)]
pub(super) struct Inode<T> {
    pub(super) shape: Shape,
    /// Names that lead here; of directories as ext4 counts (2 and one for each below it).
    pub(super) links: u32,
    /// A directory that only paths below it speak of.
    pub(super) is_implied: bool,
    pub(super) value: T,
}

impl<T> Inode<T> {
    /// One that something names.
    pub(super) const fn new(shape: Shape, value: T) -> Self {
        Self { shape, links: 0, is_implied: false, value }
    }
}

/// All inodes of a tree; number 0 is the root.
#[derive(Debug)]
pub(super) struct Index<T> {
    inodes: Vec<Inode<T>>,
    cost: usize,
    link_steps: usize,
}

impl<T: Clone> Index<T> {
    /// Nothing but an implied root.
    pub(super) fn new(root: T) -> Self {
        let root = Inode { is_implied: true, ..Inode::new(Shape::empty_directory(), root) };
        Self { inodes: vec![root], cost: 0, link_steps: 0 }
    }

    /// The inode that a node of this index's file system stands for.
    pub(super) fn of(&self, node: &Node) -> Result<&Inode<T>, Fault> {
        let number = usize::try_from(node.number).ok();
        let inode = number.and_then(|number| self.inodes.get(number));
        inode.ok_or_else(|| Fault::damaged(format!("no inode {}", node.number)))
    }

    /// Whether an inode is a symbolic link.
    pub(super) fn is_symlink(&self, number: InodeNumber) -> bool {
        matches!(self.inodes.get(number), Some(Inode { shape: Shape::Symlink(_), .. }))
    }

    /// Directories that only paths below them speak of.
    pub(super) fn implied(&self) -> impl Iterator<Item = InodeNumber> {
        let numbered = self.inodes.iter().enumerate();
        numbered.filter(|(_, inode)| inode.is_implied).map(|(number, _)| number)
    }

    /// What [`super::Filesystem::read_directory`] answers.
    pub(super) fn listing(&self, node: &Node) -> Result<Listing, Fault> {
        let names = self.names(usize::try_from(node.number).unwrap_or(usize::MAX))?.iter();
        let entries = names.map(|(name, number)| DirectoryEntry {
            name: name.clone(),
            node: Node::new(*number as u64),
        });
        Ok(Listing { entries: entries.collect(), faults: Vec::new() })
    }

    /// What [`super::Filesystem::lookup`] answers.
    pub(super) fn lookup(&self, directory: &Node, name: &[u8]) -> Result<Option<Node>, Fault> {
        let names = self.names(usize::try_from(directory.number).unwrap_or(usize::MAX))?;
        Ok(names.get(name).map(|number| Node::new(*number as u64)))
    }

    /// What [`super::Filesystem::read_link`] answers.
    pub(super) fn link_target(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        match &self.of(node)?.shape {
            Shape::Symlink(target) => Ok(target.to_vec()),
            _ => Err(Fault::damaged(format!("inode {} is no symbolic link", node.number))),
        }
    }

    /// The names of a directory; a fault for all others.
    pub(super) fn names(&self, number: InodeNumber) -> Result<&BTreeMap<Name, InodeNumber>, Fault> {
        match self.inodes.get(number).map(|inode| &inode.shape) {
            Some(Shape::Directory(names)) => Ok(names),
            _ => Err(Fault::damaged(format!("inode {number} is no directory"))),
        }
    }

    fn names_mut(&mut self, number: InodeNumber) -> Option<&mut BTreeMap<Name, InodeNumber>> {
        match self.inodes.get_mut(number).map(|inode| &mut inode.shape) {
            Some(Shape::Directory(names)) => Some(names),
            _ => None,
        }
    }

    /// Replaces what is kept of a directory, whose names stay.
    pub(super) fn set_directory(&mut self, number: InodeNumber, value: T) {
        if let Some(inode) = self.inodes.get_mut(number) {
            inode.value = value;
            inode.is_implied = false;
        }
    }

    /// Changes what is kept of an inode.
    pub(super) fn change(&mut self, number: InodeNumber, change: impl FnOnce(&mut T)) {
        if let Some(inode) = self.inodes.get_mut(number) {
            change(&mut inode.value);
        }
    }

    /// Counts memory that the caller keeps with an inode.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Fault> {
        self.cost = self.cost.saturating_add(bytes);
        if self.cost <= MAX_INDEX_BYTES {
            return Ok(());
        }
        Err(Fault::limit(format!("its index takes more than {MAX_INDEX_BYTES} bytes of memory")))
    }

    /// Adds an inode that no name leads to yet.
    fn add(&mut self, inode: Inode<T>) -> Result<InodeNumber, Fault> {
        self.charge(INODE_BYTES)?;
        let number = self.inodes.len();
        self.inodes.push(inode);
        Ok(number)
    }

    /// Makes `name` lead to a new inode, whatever it led to before.
    pub(super) fn insert(
        &mut self,
        directory: InodeNumber,
        name: &Name,
        inode: Inode<T>,
    ) -> Result<InodeNumber, Fault> {
        let number = self.add(inode)?;
        self.link(directory, name, number)?;
        Ok(number)
    }

    /// Makes `name` lead to an inode that is there.
    pub(super) fn link(
        &mut self,
        directory: InodeNumber,
        name: &Name,
        number: InodeNumber,
    ) -> Result<(), Fault> {
        self.charge(name.as_bytes().len().saturating_add(40))?;
        let names = self
            .names_mut(directory)
            .ok_or_else(|| Fault::damaged(format!("inode {directory} is no directory")))?;
        names.insert(name.clone(), number);
        Ok(())
    }

    /// Takes a name away.
    pub(super) fn remove(&mut self, directory: InodeNumber, name: &[u8]) {
        if let Some(names) = self.names_mut(directory) {
            names.remove(name);
        }
    }

    /// Takes all names of a directory away.
    pub(super) fn clear(&mut self, directory: InodeNumber) {
        if let Some(names) = self.names_mut(directory) {
            names.clear();
        }
    }

    /// What lies at a path, links on the way followed and one at the end kept.
    pub(super) fn find(&mut self, path: &TreePath) -> Result<Option<InodeNumber>, Fault> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(Some(ROOT));
        };
        match self.walk(&parent) {
            Ok(walk) if walk.missing.is_empty() => Ok(self.names(walk.reached)?.get(name).copied()),
            Err(fault) if fault.kind == FaultKind::LimitExceeded => Err(fault),
            // Something on the way is missing or no directory: nothing lies there.
            _ => Ok(None),
        }
    }

    /// The directory at a path, links followed; what is missing is made, with `implied` as what is
    /// known of it.
    pub(super) fn make_directory(
        &mut self,
        path: &TreePath,
        implied: &T,
    ) -> Result<InodeNumber, Fault> {
        let walk = self.walk(path)?;
        let mut reached = walk.reached;
        for name in &walk.missing {
            let inode =
                Inode { is_implied: true, ..Inode::new(Shape::empty_directory(), implied.clone()) };
            reached = self.insert(reached, name, inode)?;
        }
        Ok(reached)
    }

    /// Goes down as far as there are directories.
    fn walk(&mut self, path: &TreePath) -> Result<Walk, Fault> {
        if path.as_bytes().len() > MAX_PATH {
            return Err(Fault::damaged(format!("a path of more than {MAX_PATH} bytes")));
        }
        let mut pending: Vec<Vec<u8>> = path.names().map(<[u8]>::to_vec).collect();
        pending.reverse();
        let mut trail = vec![ROOT];
        let mut missing: Vec<Name> = Vec::new();
        let mut links = 0_usize;
        while let Some(part) = pending.pop() {
            if part == b".." {
                if missing.pop().is_none() && trail.len() > 1 {
                    trail.pop();
                }
                continue;
            }
            let Some(name) = Name::new(&part) else { continue };
            let directory = trail.last().copied().unwrap_or(ROOT);
            let known = match missing.is_empty() {
                true => self.names(directory)?.get(&name).copied(),
                false => None,
            };
            let Some(number) = known else {
                missing.push(name);
                continue;
            };
            match self.inodes.get(number).map(|inode| &inode.shape) {
                Some(Shape::Directory(_)) => trail.push(number),
                Some(Shape::Symlink(target)) => {
                    links = links.saturating_add(1);
                    if links > MAX_LINKS || target.len() > MAX_FOLLOWED {
                        return Err(Fault::damaged(format!(
                            "more than {MAX_LINKS} links, or one of more than {MAX_FOLLOWED} bytes"
                        )));
                    }
                    self.link_steps = self.link_steps.saturating_add(target.len());
                    if self.link_steps > MAX_LINK_STEPS {
                        return Err(Fault::limit(format!(
                            "paths lead through more than {MAX_LINK_STEPS} bytes of links"
                        )));
                    }
                    if target.first() == Some(&b'/') {
                        trail.truncate(1);
                    }
                    pending.extend(target.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
                }
                _ => {
                    return Err(Fault::damaged(format!("{name}, above it, is no directory")));
                }
            }
        }
        Ok(Walk { reached: trail.pop().unwrap_or(ROOT), missing })
    }

    /// Counts the names that lead to each inode, once all are there.
    pub(super) fn count_links(&mut self) {
        let mut links = vec![0_u32; self.inodes.len()];
        let mut pending = vec![ROOT];
        while let Some(number) = pending.pop() {
            let Some(Shape::Directory(names)) = self.inodes.get(number).map(|inode| &inode.shape)
            else {
                continue;
            };
            let mut own = 2_u32;
            for child in names.values().copied() {
                match self.inodes.get(child).map(|inode| &inode.shape) {
                    Some(Shape::Directory(_)) => {
                        own = own.saturating_add(1);
                        pending.push(child);
                    }
                    _ => {
                        if let Some(count) = links.get_mut(child) {
                            *count = count.saturating_add(1);
                        }
                    }
                }
            }
            if let Some(count) = links.get_mut(number) {
                *count = own;
            }
        }
        for (inode, count) in self.inodes.iter_mut().zip(links) {
            inode.links = count;
        }
    }

    /// The metadata of an inode with what only the index knows.
    pub(super) fn complete(&self, node: &Node, metadata: Metadata) -> Result<Metadata, Fault> {
        let links = self.of(node)?.links;
        Ok(Metadata { links, inode: (0, node.number), ..metadata })
    }
}

/// How far a path could be followed.
struct Walk {
    reached: InodeNumber,
    missing: Vec<Name>,
}

/// Metadata of a directory that nothing describes: root's, mode 0755, without a time.
pub(super) const IMPLIED_DIRECTORY: Metadata = Metadata {
    kind: FileKind::Directory,
    mode: 0o755,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: crate::model::Timestamp { seconds: 0, nanoseconds: 0 },
    ctime: None,
    links: 2,
    device: None,
    inode: (0, 0),
};

#[cfg(test)]
mod tests {
    use super::*;

    fn put(index: &mut Index<u8>, path: &str, shape: Shape, value: u8) -> Result<(), Fault> {
        let path = TreePath::parse(path);
        let directory = index.make_directory(&path.parent().unwrap(), &0)?;
        let name = Name::new(path.file_name().unwrap()).unwrap();
        index.insert(directory, &name, Inode::new(shape, value)).map(drop)
    }

    fn symlink(target: &str) -> Shape {
        Shape::Symlink(target.as_bytes().into())
    }

    #[test]
    fn links_on_the_way_stay_inside() {
        let mut index = Index::new(0);
        put(&mut index, "/bin", symlink("usr/bin"), 1).unwrap();
        put(&mut index, "/bin/sh", Shape::Other, 2).unwrap();
        put(&mut index, "/out", symlink("/../../usr/../usr"), 3).unwrap();
        put(&mut index, "/out/x", Shape::Other, 4).unwrap();
        let mut check = |path: &str, expected: Option<u8>| {
            let number = index.find(&TreePath::parse(path)).unwrap();
            let value = number.and_then(|n| index.inodes.get(n)).map(|inode| inode.value);
            assert_eq!(value, expected, "{path}");
        };
        check("/usr/bin/sh", Some(2));
        check("/bin/sh", Some(2));
        check("/bin", Some(1));
        check("/usr/x", Some(4));
        check("/usr", Some(0));
        check("/usr/y", None);
        check("/bin/sh/y", None);
    }

    #[test]
    fn loops_and_files_in_the_way_are_faults() {
        let mut index = Index::new(0);
        put(&mut index, "/a", symlink("b"), 1).unwrap();
        put(&mut index, "/b", symlink("a"), 1).unwrap();
        assert!(put(&mut index, "/a/x", Shape::Other, 1).is_err());
        put(&mut index, "/f", Shape::Other, 1).unwrap();
        assert!(put(&mut index, "/f/x", Shape::Other, 1).is_err());
        assert!(put(&mut index, &"/a".repeat(40_000), Shape::Other, 1).is_err());
    }

    #[test]
    fn names_are_counted() {
        let mut index = Index::new(0);
        put(&mut index, "/d/a", Shape::Other, 1).unwrap();
        let mut find = |path| index.find(&TreePath::parse(path)).unwrap();
        let (d, a) = (find("/d"), find("/d/a"));
        index.link(ROOT, &Name::new(b"b").unwrap(), a.unwrap()).unwrap();
        index.count_links();
        let links = |number: Option<usize>| index.inodes.get(number.unwrap()).unwrap().links;
        assert_eq!((links(Some(ROOT)), links(d), links(a)), (3, 2, 2));
    }
}
