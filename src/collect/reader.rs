//! Reading for collectors: what lies at a path, and a gap for what cannot be read.
//!
//! What is absent is simply not there, and no gap.

use super::View;
use crate::filesystem::resolve::{LastLink, read_file, read_node, resolve};
use crate::filesystem::{Filesystem, Node};
use crate::model::{Fault, FileKind, Name, Records, Stage, TreePath};
use std::fmt;

/// Reads files and directories of one target for one collector.
pub struct Reader<'a> {
    /// The target's tree.
    pub filesystem: &'a dyn Filesystem,
    /// What is recorded.
    pub records: &'a mut Records,
    /// Of the gaps.
    stage: Stage,
    /// Of one file, in bytes.
    limit: u64,
}

impl<'a> Reader<'a> {
    /// For a collector whose files have at most `limit` bytes each.
    #[must_use]
    pub fn new(view: &View<'a>, records: &'a mut Records, stage: Stage, limit: u64) -> Self {
        Self { filesystem: view.filesystem, records, stage, limit }
    }

    /// Records that something could not be read.
    pub fn gap(&mut self, path: &TreePath, reason: impl fmt::Display) {
        self.records.gap(path, self.stage, reason);
    }

    /// The value of a result; of a fault, a gap.
    pub fn keep<T>(&mut self, path: &TreePath, result: Result<Option<T>, Fault>) -> Option<T> {
        result.unwrap_or_else(|fault| {
            self.gap(path, fault.chain());
            None
        })
    }

    /// The bytes of the file that a path leads to.
    pub fn file(&mut self, path: &TreePath) -> Option<Vec<u8>> {
        let result = read_file(self.filesystem, path, self.limit);
        self.keep(path, result)
    }

    /// The bytes of a file that was listed; `None` for what is no regular file.
    pub fn node(&mut self, path: &TreePath, node: &Node) -> Option<Vec<u8>> {
        let result = read_node(self.filesystem, node, self.limit);
        self.keep(path, result)
    }

    /// The directory that a path leads to.
    pub fn directory(&mut self, path: &TreePath) -> Option<Node> {
        let is_directory = |node: &Node| -> Result<bool, Fault> {
            Ok(self.filesystem.metadata(node)?.kind == FileKind::Directory)
        };
        let find = || match resolve(self.filesystem, path, LastLink::Follow)? {
            Some(found) if is_directory(&found.node)? => Ok(Some(found.node)),
            _ => Ok(None),
        };
        let result = find();
        self.keep(path, result)
    }

    /// Names and nodes of a directory, sorted by name; empty where there is none.
    pub fn list(&mut self, path: &TreePath) -> Vec<(Name, Node)> {
        let Some(node) = self.directory(path) else { return Vec::new() };
        let listing = self.filesystem.read_directory(&node).map(Some);
        let Some(listing) = self.keep(path, listing) else { return Vec::new() };
        for fault in &listing.faults {
            self.gap(path, fault.chain());
        }
        let mut entries: Vec<_> =
            listing.entries.into_iter().map(|entry| (entry.name, entry.node)).collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries
    }

    /// Likewise, only what is a directory itself, and no link to one.
    pub fn list_directories(&mut self, path: &TreePath) -> Vec<(Name, Node)> {
        let mut entries = self.list(path);
        entries.retain(|(_, node)| {
            let metadata = self.filesystem.metadata(node);
            metadata.is_ok_and(|metadata| metadata.kind == FileKind::Directory)
        });
        entries
    }

    /// All paths below some directories that are no directories, of at most `limit` directories;
    /// links are not followed.
    pub fn list_below(&mut self, tops: &[TreePath], limit: usize) -> Vec<TreePath> {
        let mut found = Vec::new();
        let mut open = tops.to_vec();
        for _ in 0..limit {
            let Some(directory) = open.pop() else { break };
            for (name, node) in self.list(&directory) {
                let metadata = self.filesystem.metadata(&node);
                let is_directory = metadata.is_ok_and(|it| it.kind == FileKind::Directory);
                let list = if is_directory { &mut open } else { &mut found };
                list.push(directory.join(&name));
            }
        }
        found
    }
}

/// A name in a directory, for names that are written in our own code.
#[must_use]
pub fn below(directory: &TreePath, name: &str) -> TreePath {
    TreePath::parse([directory.as_bytes(), b"/", name.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn what_is_absent_is_no_gap() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/d/b", "2").directory("/d/a").symlink("/d/c", "a").symlink("/loop", "loop");
        let mut records = Records::default();
        let view = View { filesystem: &tree, found: &[] };
        let mut reader = Reader::new(&view, &mut records, Stage::Facts, 1);
        let names = |entries: Vec<(Name, Node)>| {
            entries.into_iter().map(|(name, _)| name.to_string()).collect::<String>()
        };
        let directory = TreePath::parse("/d");
        assert_eq!(names(reader.list(&directory)), "abc");
        assert_eq!(names(reader.list_directories(&directory)), "a");
        assert_eq!(reader.file(&below(&directory, "b")), Some(b"2".to_vec()));
        assert_eq!(reader.file(&TreePath::parse("/none")), None);
        assert!(reader.list(&TreePath::parse("/d/b")).is_empty());
        assert!(reader.records.gaps.is_empty());
        assert_eq!(reader.file(&TreePath::parse("/loop")), None);
        assert_eq!(reader.records.gaps.len(), 1);
    }
}
