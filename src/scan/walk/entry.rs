//! What `stat` says of a file as an entry of its directory.

use crate::filesystem::Metadata;
use crate::model::{Content, DirectoryContent, Entry, FileKind, Name, Timestamp, Tree};
use std::sync::Arc;

/// Stands for the root where even that cannot be looked at.
pub(super) const UNKNOWN: Metadata = Metadata {
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

pub(super) fn unread_directory() -> Content {
    Content::Directory(DirectoryContent::Unread)
}

pub(super) fn stat_entry(metadata: &Metadata, content: Content) -> Entry {
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

pub(super) fn plain_entry(name: &Name, metadata: &Metadata, content: Content) -> Entry {
    Entry { name: Some(name.clone()), ..stat_entry(metadata, content) }
}

/// What the previous scan saw of a directory.
pub(super) struct Known {
    pub(super) tree: Arc<Tree>,
    /// Of each entry; 0 where the entry may not be trusted.
    pub(super) inodes: Vec<u64>,
    /// Numbers of the entries that say what they were built from, in order.
    pub(super) speaking: Vec<u32>,
}

impl Known {
    /// The entry of the previous scan, if nothing that `stat` says of it has changed, and whether it
    /// says what it was built from.
    pub(super) fn entry(&self, name: &Name, metadata: &Metadata) -> Option<(&Entry, bool)> {
        let entries = &self.tree.entries;
        let index = entries.binary_search_by(|entry| entry.name.as_ref().cmp(&Some(name))).ok()?;
        let (entry, inode) = (entries.get(index)?, *self.inodes.get(index)?);
        let same_stat = entry.content.kind() == metadata.kind
            && entry.mode == metadata.mode
            && (entry.uid, entry.gid) == (metadata.uid, metadata.gid)
            && (entry.mtime, entry.ctime) == (metadata.mtime, metadata.ctime)
            && entry.links == metadata.links;
        let same_content = match &entry.content {
            Content::File { size, digest } => *size == metadata.size && digest.is_some(),
            _ => true,
        };
        let is_same = inode != 0
            && inode == metadata.inode.1
            && same_stat
            && same_content
            && entry.xattrs.is_some();
        let number = u32::try_from(index).ok()?;
        is_same.then(|| (entry, self.speaking.binary_search(&number).is_ok()))
    }
}
