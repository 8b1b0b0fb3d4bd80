//! A file's bytes by position, for formats that are read here and there and not from end to end.

use crate::filesystem::resolve::{LastLink, resolve};
use crate::filesystem::{Filesystem, Node};
use crate::model::{Fault, FileKind, TreePath};

/// A regular file that stays open while it is looked into.
#[derive(Debug)]
pub struct Bytes<'a> {
    filesystem: &'a dyn Filesystem,
    node: Node,
    size: u64,
}

impl<'a> Bytes<'a> {
    /// Of a node that was opened, with the size that its metadata gave.
    #[must_use]
    pub fn new(filesystem: &'a dyn Filesystem, node: Node, size: u64) -> Self {
        Self { filesystem, node, size }
    }

    /// Of the file at a path; `None` where no regular file lies there, or only a link to one.
    pub fn open(filesystem: &'a dyn Filesystem, path: &TreePath) -> Result<Option<Self>, Fault> {
        let Some(found) = resolve(filesystem, path, LastLink::Keep)? else { return Ok(None) };
        if filesystem.metadata(&found.node)?.kind != FileKind::File {
            return Ok(None);
        }
        let node = filesystem.open(&found.node)?;
        let metadata = filesystem.metadata(&node)?;
        let is_file = metadata.kind == FileKind::File;
        Ok(is_file.then(|| Self::new(filesystem, node, metadata.size)))
    }

    /// In bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Fills as much of the buffer as there is from that offset on; how much that was.
    pub fn fill(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let mut length = 0;
        while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
            let Some(at) = offset.checked_add(length as u64) else { break };
            let count = self.filesystem.read_at(&self.node, at, rest)?;
            if count == 0 {
                break;
            }
            length = length.saturating_add(count);
        }
        Ok(length)
    }

    /// At most `length` bytes, fewer only where the file ends before.
    pub fn up_to(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let length = length.min(self.size.saturating_sub(offset));
        let length = usize::try_from(length).map_err(Fault::limit)?;
        let mut bytes = vec![0; length];
        let count = self.fill(offset, &mut bytes)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Exactly that many bytes.
    pub fn exactly(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let bytes = self.up_to(offset, length)?;
        if bytes.len() as u64 == length {
            return Ok(bytes);
        }
        let size = self.size;
        Err(Fault::damaged(format!("{length} bytes at {offset} of a file of {size}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn parts_of_a_file() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/f", "0123456789").symlink("/l", "f").directory("/d");
        let open = |path: &str| Bytes::open(&tree, &TreePath::parse(path)).unwrap();
        let file = open("/f").unwrap();
        let check = |offset, length, expected: &str, is_whole: bool| {
            assert_eq!(file.up_to(offset, length).unwrap(), expected.as_bytes());
            assert_eq!(file.exactly(offset, length).is_ok(), is_whole, "{offset} {length}");
        };
        check(0, 3, "012", true);
        check(8, 2, "89", true);
        check(8, 3, "89", false);
        check(20, 1, "", false);
        check(u64::MAX, u64::MAX, "", false);
        assert!(open("/l").is_none() && open("/d").is_none() && open("/none").is_none());
    }
}
