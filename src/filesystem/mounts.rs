//! Several file systems as one tree, as mounting them makes it.
//!
//! A mounted part takes the place of one name in one directory; what the part below has under that
//! name is hidden, as it is on a running system. What a medium can carry is said of the root's.

use super::resolve::{LastLink, resolve};
use super::{Carries, DirectoryEntry, Filesystem, Listing, Metadata, Node};
use crate::model::{Fault, FileKind, TreePath, Xattr};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// As many parts as a tree may have; no system mounts more of one disk.
const MAX_PARTS: usize = 250;

/// What a mount says of a medium that has no rights of its own (`uid=`, `fmask=`, … of vfat).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Whose everything is.
    pub uid: u32,
    /// Likewise.
    pub gid: u32,
    /// Bits of the mode that regular files do not have.
    pub file_mask: u16,
    /// Bits of the mode that directories do not have.
    pub directory_mask: u16,
}

impl Default for Rights {
    /// As root mounts it who says nothing.
    fn default() -> Self {
        Self { uid: 0, gid: 0, file_mask: 0o022, directory_mask: 0o022 }
    }
}

impl Rights {
    fn apply(self, metadata: &mut Metadata) {
        let mask = match metadata.kind {
            FileKind::Directory => self.directory_mask,
            _ => self.file_mask,
        };
        // What is read-only on the medium stays so.
        let full = if metadata.mode & 0o200 == 0 { 0o555 } else { 0o777 };
        metadata.mode = full & !mask;
        (metadata.uid, metadata.gid) = (self.uid, self.gid);
    }
}

#[derive(Debug)]
struct Part {
    filesystem: Arc<dyn Filesystem>,
    root: Node,
    /// Where the medium has none.
    rights: Option<Rights>,
    /// Whether something is mounted in it.
    has_points: bool,
}

/// A directory of a part (by its part and what tells inodes apart there) and a name in it.
type Point = (usize, (u64, u64), Vec<u8>);

/// A tree of mounted file systems.
#[derive(Debug)]
pub struct Mounts {
    parts: Vec<Part>,
    /// Which part lies there.
    points: HashMap<Point, usize>,
}

/// What a node of ours holds.
struct Inner {
    part: usize,
    node: Node,
}

impl Mounts {
    /// A tree whose root is the root of a file system.
    #[must_use]
    pub fn new(filesystem: Arc<dyn Filesystem>) -> Self {
        let root = filesystem.root();
        Self::rooted_at(filesystem, root)
    }

    /// A tree whose root is a directory of a file system: a subvolume.
    #[must_use]
    pub fn rooted_at(filesystem: Arc<dyn Filesystem>, root: Node) -> Self {
        let part = Part { filesystem, root, rights: None, has_points: false };
        Self { parts: vec![part], points: HashMap::new() }
    }

    /// Mounts a directory of a file system (mostly its root) at a path of the tree as it is so
    /// far. The path must lead to a directory, over links as it may. The rights are given to a
    /// medium that carries none.
    pub fn mount(
        &mut self,
        path: &TreePath,
        filesystem: Arc<dyn Filesystem>,
        root: Node,
        rights: Rights,
    ) -> Result<(), Fault> {
        if self.parts.len() >= MAX_PARTS {
            return Err(Fault::limit(format!("more than {MAX_PARTS} mounted file systems")));
        }
        let missing = || Fault::damaged(format!("{path}: no directory to mount at"));
        let found = resolve(self, path, LastLink::Follow)?.ok_or_else(missing)?;
        if self.metadata(&found.node)?.kind != FileKind::Directory {
            return Err(missing());
        }
        let (Some(parent), Some(name)) = (found.path.parent(), found.path.file_name()) else {
            return Err(Fault::unsupported("a second file system at /"));
        };
        let parent = resolve(self, &parent, LastLink::Follow)?.ok_or_else(missing)?.node;
        let (index, inner) = self.inner(&parent)?;
        let part = self.parts.get_mut(index).ok_or_else(missing)?;
        let inode = part.filesystem.metadata(&inner)?.inode;
        part.has_points = true;
        self.points.insert((index, inode, name.to_vec()), self.parts.len());
        let carries = filesystem.carries();
        let rights = (!carries.mode && !carries.owner).then_some(rights);
        self.parts.push(Part { filesystem, root, rights, has_points: false });
        Ok(())
    }

    fn wrap(part: usize, node: Node) -> Node {
        let number = node.number;
        Node { number, state: Some(Arc::new(Inner { part, node })) }
    }

    fn inner(&self, node: &Node) -> Result<(usize, Node), Fault> {
        let inner = node.state.as_ref().and_then(|state| state.downcast_ref::<Inner>());
        let inner = inner.ok_or_else(|| Fault::damaged("a node of another tree"))?;
        Ok((inner.part, inner.node.clone()))
    }

    fn part(&self, index: usize) -> Result<&Part, Fault> {
        self.parts.get(index).ok_or_else(|| Fault::damaged(format!("no part {index}")))
    }

    /// The part of a node, and its own node there.
    fn split(&self, node: &Node) -> Result<(usize, &Part, Node), Fault> {
        let (index, inner) = self.inner(node)?;
        Ok((index, self.part(index)?, inner))
    }

    /// What is mounted under a name of that directory.
    fn mounted(&self, index: usize, inode: (u64, u64), name: &[u8]) -> Option<Node> {
        let part = *self.points.get(&(index, inode, name.to_vec()))?;
        self.parts.get(part).map(|found| Self::wrap(part, found.root.clone()))
    }
}

impl Filesystem for Mounts {
    fn type_name(&self) -> &str {
        self.parts.first().map_or("none", |part| part.filesystem.type_name())
    }

    fn carries(&self) -> Carries {
        self.parts.first().map_or(Carries::ALL, |part| part.filesystem.carries())
    }

    fn root(&self) -> Node {
        self.parts.first().map_or(Node::new(0), |part| Self::wrap(0, part.root.clone()))
    }

    fn metadata(&self, node: &Node) -> Result<Metadata, Fault> {
        let (index, part, inner) = self.split(node)?;
        let mut metadata = part.filesystem.metadata(&inner)?;
        // Inodes of two parts are never hard links of each other.
        let (filesystem, inode) = metadata.inode;
        metadata.inode = (filesystem ^ (index as u64).rotate_right(8), inode);
        if let Some(rights) = part.rights {
            rights.apply(&mut metadata);
        }
        Ok(metadata)
    }

    fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
        let (index, part, inner) = self.split(node)?;
        let listing = part.filesystem.read_directory(&inner)?;
        let inode = match part.has_points {
            true => Some(part.filesystem.metadata(&inner)?.inode),
            false => None,
        };
        let wrap = |entry: DirectoryEntry| {
            let mounted = inode.and_then(|i| self.mounted(index, i, entry.name.as_bytes()));
            let node = mounted.unwrap_or_else(|| Self::wrap(index, entry.node));
            DirectoryEntry { name: entry.name, node }
        };
        let entries = listing.entries.into_iter().map(wrap).collect();
        Ok(Listing { entries, faults: listing.faults })
    }

    fn lookup(&self, directory: &Node, name: &[u8]) -> Result<Option<Node>, Fault> {
        let (index, part, inner) = self.split(directory)?;
        if part.has_points {
            let inode = part.filesystem.metadata(&inner)?.inode;
            if let Some(node) = self.mounted(index, inode, name) {
                return Ok(Some(node));
            }
        }
        let found = part.filesystem.lookup(&inner, name)?;
        Ok(found.map(|node| Self::wrap(index, node)))
    }

    fn open(&self, node: &Node) -> Result<Node, Fault> {
        let (index, part, inner) = self.split(node)?;
        Ok(Self::wrap(index, part.filesystem.open(&inner)?))
    }

    fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let (_, part, inner) = self.split(node)?;
        part.filesystem.read_at(&inner, offset, buffer)
    }

    fn next_data(&self, node: &Node, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        let (_, part, inner) = self.split(node)?;
        part.filesystem.next_data(&inner, offset)
    }

    fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        let (_, part, inner) = self.split(node)?;
        part.filesystem.read_link(&inner)
    }

    fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>, Fault> {
        let (_, part, inner) = self.split(node)?;
        part.filesystem.xattrs(&inner)
    }

    fn left_out(&self, directory: &Node) -> Option<String> {
        let (_, part, inner) = self.split(directory).ok()?;
        part.filesystem.left_out(&inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryFilesystem;
    use super::super::resolve::read_file;
    use super::*;

    fn tree(files: &[&str]) -> Arc<dyn Filesystem> {
        let mut tree = MemoryFilesystem::new();
        for file in files {
            tree.file(file, file);
        }
        tree.symlink("/link", "boot");
        Arc::new(tree)
    }

    #[test]
    fn parts_take_their_places() {
        let mut mounts = Mounts::new(tree(&["/etc/fstab", "/boot/hidden", "/usr/bin/ls"]));
        let boot = tree(&["/vmlinuz", "/efi/nothing"]);
        mounts
            .mount(&TreePath::parse("/link"), Arc::clone(&boot), boot.root(), Rights::default())
            .unwrap();
        let efi = tree(&["/EFI/shim"]);
        mounts
            .mount(&TreePath::parse("/boot/efi"), Arc::clone(&efi), efi.root(), Rights::default())
            .unwrap();
        let check = |path: &str, expected: Option<&str>| {
            let bytes = read_file(&mounts, &TreePath::parse(path), 100).unwrap();
            assert_eq!(bytes.as_deref(), expected.map(str::as_bytes), "{path}");
        };
        check("/etc/fstab", Some("/etc/fstab"));
        check("/boot/vmlinuz", Some("/vmlinuz"));
        check("/boot/hidden", None);
        check("/boot/efi/EFI/shim", Some("/EFI/shim"));
        check("/boot/efi/nothing", None);
        check("/usr/bin/ls", Some("/usr/bin/ls"));
        let root = mounts.root();
        let listing = mounts.read_directory(&root).unwrap();
        let boot_entry = listing.entries.iter().find(|e| e.name.as_bytes() == b"boot").unwrap();
        let names = mounts.read_directory(&boot_entry.node).unwrap().entries;
        assert!(names.iter().any(|entry| entry.name.as_bytes() == b"vmlinuz"));
        let inode = |node: &Node| mounts.metadata(node).unwrap().inode;
        assert_ne!(inode(&root), inode(&boot_entry.node));
        let rights = Rights { uid: 7, gid: 8, file_mask: 0o137, directory_mask: 0o077 };
        let check = |kind: FileKind, mode: u16, expected: u16| {
            let mut metadata = mounts.metadata(&root).unwrap();
            (metadata.kind, metadata.mode) = (kind, mode);
            rights.apply(&mut metadata);
            assert_eq!((metadata.mode, metadata.uid, metadata.gid), (expected, 7, 8));
        };
        check(FileKind::Directory, 0o755, 0o700);
        check(FileKind::File, 0o755, 0o640);
        check(FileKind::File, 0o555, 0o440);
        let missing = mounts.mount(
            &TreePath::parse("/none"),
            Arc::clone(&efi),
            efi.root(),
            Rights::default(),
        );
        assert!(missing.unwrap_err().detail.ends_with("no directory to mount at"));
    }
}
