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

/// The entry of the previous scan, if nothing that `stat` says of it has changed.
pub(super) fn trusted_entry<'t>(
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
