//! A tree in memory: a fake for tests of everything that stands above file systems, and what
//! archives are unpacked into.

use super::{DirectoryEntry, Filesystem, Listing, Metadata, Node};
use crate::model::{DeviceNumber, Fault, FileKind, Name, Timestamp, TreePath, Xattr};
use std::collections::BTreeMap;

/// A tree that is built by path and read as a [`Filesystem`].
#[derive(Debug)]
pub struct MemoryFilesystem {
    nodes: Vec<MemoryNode>,
}

#[derive(Debug)]
struct MemoryNode {
    metadata: Metadata,
    bytes: Vec<u8>,
    children: BTreeMap<Name, usize>,
    xattrs: Vec<Xattr>,
}

impl Default for MemoryFilesystem {
    fn default() -> Self {
        Self { nodes: vec![MemoryNode::new(0, FileKind::Directory, 0o755, Vec::new())] }
    }
}

impl MemoryNode {
    fn new(number: usize, kind: FileKind, mode: u16, bytes: Vec<u8>) -> Self {
        let metadata = Metadata {
            kind,
            mode,
            uid: 0,
            gid: 0,
            size: bytes.len() as u64,
            mtime: Timestamp::default(),
            ctime: None,
            links: 1,
            device: None,
            inode: (0, number as u64),
        };
        Self { metadata, bytes, children: BTreeMap::new(), xattrs: Vec::new() }
    }
}

impl MemoryFilesystem {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file there, mode 0644, its directories made as needed.
    pub fn file(&mut self, path: &str, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.put(path, FileKind::File, 0o644, bytes.as_ref());
        self
    }

    /// Puts a directory there, mode 0755.
    pub fn directory(&mut self, path: &str) -> &mut Self {
        self.put(path, FileKind::Directory, 0o755, &[]);
        self
    }

    /// Puts a symbolic link there.
    pub fn symlink(&mut self, path: &str, target: impl AsRef<[u8]>) -> &mut Self {
        self.put(path, FileKind::Symlink, 0o777, target.as_ref());
        self
    }

    /// Puts a character device there.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) -> &mut Self {
        self.put(path, FileKind::CharacterDevice, 0o600, &[]);
        self.change(path, |metadata| metadata.device = Some(DeviceNumber { major, minor }))
    }

    /// Changes the metadata of what lies there.
    pub fn change(&mut self, path: &str, change: impl FnOnce(&mut Metadata)) -> &mut Self {
        let index = self.find(path);
        if let Some(node) = self.nodes.get_mut(index) {
            change(&mut node.metadata);
        }
        self
    }

    /// Gives what lies there an extended attribute.
    pub fn xattr(&mut self, path: &str, name: &str, value: &[u8]) -> &mut Self {
        let index = self.find(path);
        if let Some(node) = self.nodes.get_mut(index) {
            node.xattrs.push(Xattr { name: name.as_bytes().into(), value: value.into() });
            node.xattrs.sort();
        }
        self
    }

    /// Takes away what lies there.
    pub fn remove(&mut self, path: &str) -> &mut Self {
        let path = TreePath::parse(path);
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
            let index = self.find(&parent.to_string());
            if let Some(node) = self.nodes.get_mut(index) {
                node.children.remove(name);
            }
        }
        self
    }

    /// The index of what lies there; the root's where nothing does.
    fn find(&self, path: &str) -> usize {
        let mut index = 0;
        for name in TreePath::parse(path).names() {
            match self.nodes.get(index).and_then(|node| node.children.get(name)) {
                Some(child) => index = *child,
                None => return 0,
            }
        }
        index
    }

    fn put(&mut self, path: &str, kind: FileKind, mode: u16, bytes: &[u8]) {
        let path = TreePath::parse(path);
        let mut index = 0;
        let mut names = path.names().filter_map(Name::new).peekable();
        while let Some(name) = names.next() {
            let known = self.nodes.get(index).and_then(|node| node.children.get(&name)).copied();
            let is_last = names.peek().is_none();
            if let (Some(child), false) = (known, is_last) {
                index = child;
                continue;
            }
            let child = self.nodes.len();
            let node = if is_last {
                MemoryNode::new(child, kind, mode, bytes.to_vec())
            } else {
                MemoryNode::new(child, FileKind::Directory, 0o755, Vec::new())
            };
            self.nodes.push(node);
            if let Some(parent) = self.nodes.get_mut(index) {
                parent.children.insert(name, child);
            }
            index = child;
        }
    }

    fn node(&self, node: &Node) -> Result<&MemoryNode, Fault> {
        let index = usize::try_from(node.number).ok();
        index
            .and_then(|index| self.nodes.get(index))
            .ok_or_else(|| Fault::damaged(format!("no node {}", node.number)))
    }
}

impl Filesystem for MemoryFilesystem {
    fn type_name(&self) -> &str {
        "memory"
    }

    fn root(&self) -> Node {
        Node::new(0)
    }

    fn metadata(&self, node: &Node) -> Result<Metadata, Fault> {
        Ok(self.node(node)?.metadata)
    }

    fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
        let entry = |(name, index): (&Name, &usize)| DirectoryEntry {
            name: name.clone(),
            node: Node::new(*index as u64),
        };
        let entries = self.node(node)?.children.iter().map(entry).collect();
        Ok(Listing { entries, faults: Vec::new() })
    }

    fn lookup(&self, directory: &Node, name: &[u8]) -> Result<Option<Node>, Fault> {
        let child = self.node(directory)?.children.get(name);
        Ok(child.map(|index| Node::new(*index as u64)))
    }

    fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let bytes = &self.node(node)?.bytes;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = bytes.get(start..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        Ok(self.node(node)?.bytes.clone())
    }

    fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>, Fault> {
        Ok(self.node(node)?.xattrs.clone())
    }
}
