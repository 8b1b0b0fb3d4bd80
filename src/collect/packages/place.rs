//! Where the paths of package lists lie in this tree.
//!
//! A list names a path as it was packed. In the tree any directory on the way may be a link: on a
//! merged-/usr system `/bin/ls` of a list is `/usr/bin/ls` on disk. Every directory is looked up
//! once, so that hundreds of thousands of lines cost a hash lookup each.

use crate::filesystem::resolve::{LastLink, resolve};
use crate::filesystem::{Filesystem, Node};
use crate::model::{FileKind, Name, TreePath};
use std::collections::HashMap;

/// `PATH_MAX` of Linux: no package can have shipped a longer path.
pub const MAX_PATH: usize = 4096;

/// Directories kept open at a time. Lists go from neighbour to neighbour, and a live system has
/// only so many descriptors.
const MAX_OPEN: usize = 64;

/// Looks up directories, once each.
#[derive(Debug)]
pub struct Places<'a> {
    filesystem: &'a dyn Filesystem,
    /// By the path as packed, without a leading slash.
    directories: HashMap<Vec<u8>, Place>,
    /// By the path in the tree; never the root.
    open: HashMap<TreePath, Node>,
    root: Place,
    /// The directory part asked for last, as packed, and where it lies: lists go from neighbour
    /// to neighbour.
    last: (Vec<u8>, TreePath),
}

#[derive(Clone, Debug)]
struct Place {
    /// Free of links.
    path: TreePath,
    /// Whether a directory lies there.
    exists: bool,
}

impl<'a> Places<'a> {
    /// Nothing looked up yet.
    #[must_use]
    pub fn new(filesystem: &'a dyn Filesystem) -> Self {
        let root = Place { path: TreePath::root(), exists: true };
        let last = (Vec::new(), TreePath::root());
        Self { filesystem, directories: HashMap::new(), open: HashMap::new(), root, last }
    }

    /// Where a packed path lies: links in its directory part are followed, its last name is kept.
    /// `None` for the root itself and for paths longer than [`MAX_PATH`].
    pub fn entry(&mut self, packed: &[u8]) -> Option<TreePath> {
        let (raw_directory, name) = split(packed);
        if packed.len() <= MAX_PATH
            && raw_directory == self.last.0.as_slice()
            && let Some(name) = Name::new(name)
        {
            return Some(self.last.1.join(&name));
        }
        let packed = normal(packed)?;
        let (directory, name) = split(&packed);
        let name = Name::new(name)?;
        let place = self.place(directory).path.clone();
        let joined = place.join(&name);
        if directory.len() == raw_directory.len() {
            self.last = (directory.to_vec(), place);
        }
        Some(joined)
    }

    /// Where a packed path lies that is known to be a directory: a link to one is followed too.
    pub fn directory(&mut self, packed: &[u8]) -> Option<TreePath> {
        let packed = normal(packed)?;
        Some(self.place(&packed).path.clone())
    }

    fn place(&mut self, packed: &[u8]) -> &Place {
        // From the longest part that is known, one name at a time.
        let mut known = packed;
        let mut unknown = Vec::new();
        while !known.is_empty() && !self.directories.contains_key(known) {
            unknown.push(known.len());
            known = split(known).0;
        }
        while let Some(length) = unknown.pop() {
            let whole = packed.get(..length).unwrap_or_default();
            let (parent, name) = split(whole);
            let parent = self.directories.get(parent).unwrap_or(&self.root).clone();
            let place = self.below(parent, name);
            self.directories.insert(whole.to_vec(), place);
        }
        self.directories.get(packed).unwrap_or(&self.root)
    }

    /// A directory that cannot be looked up keeps its packed name: the scan itself records why it
    /// cannot be read.
    fn below(&mut self, parent: Place, name: &[u8]) -> Place {
        let Some(name) = Name::new(name) else { return parent };
        let path = parent.path.join(&name);
        let missing = |path| Place { path, exists: false };
        let Some(directory) = parent.exists.then(|| self.open(&parent.path)).flatten() else {
            return missing(path);
        };
        let Ok(Some(node)) = self.filesystem.lookup(&directory, name.as_bytes()) else {
            return missing(path);
        };
        match self.kind(&node) {
            Some(FileKind::Directory) => Place { path, exists: true },
            Some(FileKind::Symlink) => {
                let found = resolve(self.filesystem, &path, LastLink::Follow).ok().flatten();
                match found.filter(|found| self.kind(&found.node) == Some(FileKind::Directory)) {
                    Some(found) => Place { path: found.path, exists: true },
                    None => missing(path),
                }
            }
            _ => missing(path),
        }
    }

    fn kind(&self, node: &Node) -> Option<FileKind> {
        self.filesystem.metadata(node).ok().map(|metadata| metadata.kind)
    }

    /// The open directory at a path free of links.
    fn open(&mut self, path: &TreePath) -> Option<Node> {
        let mut above = path.clone();
        let mut missing = Vec::new();
        let mut node = loop {
            if above.is_root() {
                break self.filesystem.root();
            }
            if let Some(node) = self.open.get(&above) {
                break node.clone();
            }
            let parent = above.parent()?;
            missing.push(above);
            above = parent;
        };
        while let Some(path) = missing.pop() {
            let named = self.filesystem.lookup(&node, path.file_name()?).ok()??;
            node = self.filesystem.open(&named).ok()?;
            if self.open.len() >= MAX_OPEN {
                self.open.clear();
            }
            self.open.insert(path, node.clone());
        }
        Some(node)
    }
}

/// The directory part and the last name, both without slashes around them.
fn split(packed: &[u8]) -> (&[u8], &[u8]) {
    match packed.iter().rposition(|b| *b == b'/') {
        Some(slash) => {
            let (directory, name) = packed.split_at(slash);
            (directory, name.get(1..).unwrap_or_default())
        }
        None => (&[], packed),
    }
}

/// Without a leading `/` or `./` and without `.`, `..` and empty names; borrowed where nothing has
/// to be taken out, which is always but for a damaged list.
fn normal(packed: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
    if packed.len() > MAX_PATH {
        return None;
    }
    let start = packed.strip_prefix(b".").filter(|rest| rest.first() == Some(&b'/'));
    let start = start.unwrap_or(packed);
    let bare = start.strip_prefix(b"/").unwrap_or(start);
    let odd = |part: &[u8]| part.is_empty() || part == b"." || part == b"..";
    if bare.is_empty() || bare == b"." || !bare.split(|b| *b == b'/').any(odd) {
        let bare = if bare == b"." { &[] } else { bare };
        return Some(bare.into());
    }
    let path = TreePath::parse(bare);
    let bytes = path.as_bytes();
    Some(bytes.strip_prefix(b"/").unwrap_or(bytes).to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn links_in_the_directory_part_are_followed() {
        let mut filesystem = MemoryFilesystem::new();
        filesystem
            .file("/usr/bin/ls", "")
            .directory("/usr/lib")
            .symlink("/bin", "usr/bin")
            .symlink("/lib", "/usr/lib")
            .symlink("/usr/bin/sh", "dash")
            .symlink("/loop", "loop")
            .symlink("/file", "usr/bin/ls");
        let mut places = Places::new(&filesystem);
        let mut check = |input: &str, expected: &str| {
            assert_eq!(places.entry(input.as_bytes()).unwrap().to_string(), expected, "{input}");
        };
        check("/bin/ls", "/usr/bin/ls");
        check("bin/sh", "/usr/bin/sh");
        check("./lib/a/b", "/usr/lib/a/b");
        check("/lib", "/lib");
        check("/loop/x", "/loop/x");
        check("/file/x", "/file/x");
        check("/gone/./deep//x/../y", "/gone/deep/y");
        assert_eq!(places.directory(b"/lib").unwrap().to_string(), "/usr/lib");
        assert_eq!(places.directory(b"/.").unwrap().to_string(), "/");
        assert_eq!(places.entry(b"/."), None);
        assert_eq!(places.entry(&[b'a'; MAX_PATH + 1]), None);
    }
}
