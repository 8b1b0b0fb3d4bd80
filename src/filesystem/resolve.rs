//! By path: what collectors need of a tree. Links are followed inside of it and nowhere else.

use super::{Filesystem, Node};
use crate::model::{Fault, FileKind, Name, TreePath};

/// Read at once; a medium may claim any size.
const FIRST_BUFFER: usize = 4 * 1024 * 1024;

/// As many links as Linux follows in one path (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// Whether the last component is followed where it is a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLink {
    /// As `stat` does.
    Follow,
    /// As `lstat` does.
    Keep,
}

/// A node with the path that it has once all links on the way are resolved.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// No component of it (but the last, under [`LastLink::Keep`]) is a link.
    pub path: TreePath,
    /// What lies there.
    pub node: Node,
}

/// Finds `path` as a process with this tree as its root would; `None` where nothing lies there.
/// A loop of links is a fault.
pub fn resolve(
    filesystem: &dyn Filesystem,
    path: &TreePath,
    last: LastLink,
) -> Result<Option<Resolved>, Fault> {
    let mut pending: Vec<Vec<u8>> = path.names().map(<[u8]>::to_vec).collect();
    pending.reverse();
    let mut trail = vec![filesystem.root()];
    let mut reached = TreePath::root();
    let mut links = 0_usize;
    while let Some(part) = pending.pop() {
        if part.is_empty() || part == b"." {
            continue;
        }
        if part == b".." {
            reached = reached.parent().unwrap_or(reached);
            if trail.len() > 1 {
                trail.pop();
            }
            continue;
        }
        let (Some(directory), Some(name)) = (trail.last(), Name::new(&part)) else {
            return Ok(None);
        };
        if filesystem.metadata(directory)?.kind != FileKind::Directory {
            return Ok(None);
        }
        let Some(node) = filesystem.lookup(directory, &part)? else { return Ok(None) };
        let is_link = filesystem.metadata(&node)?.kind == FileKind::Symlink;
        if is_link && (last == LastLink::Follow || !pending.is_empty()) {
            links = links.saturating_add(1);
            if links > MAX_LINKS {
                return Err(Fault::damaged(format!("{path}: more than {MAX_LINKS} links")));
            }
            let target = filesystem.read_link(&node)?;
            if target.first() == Some(&b'/') {
                trail.truncate(1);
                reached = TreePath::root();
            }
            pending.extend(target.split(|b| *b == b'/').rev().map(<[u8]>::to_vec));
        } else {
            reached.push(&name);
            trail.push(node);
        }
    }
    Ok(trail.pop().map(|node| Resolved { path: reached, node }))
}

/// The bytes of the regular file that `path` leads to; `None` where nothing lies there or it is no
/// regular file. More than `limit` bytes is [`crate::model::FaultKind::LimitExceeded`].
pub fn read_file(
    filesystem: &dyn Filesystem,
    path: &TreePath,
    limit: u64,
) -> Result<Option<Vec<u8>>, Fault> {
    match resolve(filesystem, path, LastLink::Follow)? {
        Some(found) => {
            read_node(filesystem, &found.node, limit).map_err(|fault| fault.within(path))
        }
        None => Ok(None),
    }
}

/// The bytes of a node; `None` where it is no regular file.
pub fn read_node(
    filesystem: &dyn Filesystem,
    node: &Node,
    limit: u64,
) -> Result<Option<Vec<u8>>, Fault> {
    if filesystem.metadata(node)?.kind != FileKind::File {
        return Ok(None);
    }
    let node = filesystem.open(node)?;
    let metadata = filesystem.metadata(&node)?;
    if metadata.kind != FileKind::File {
        return Ok(None);
    }
    if metadata.size > limit {
        return Err(Fault::limit(format!(
            "{} bytes, more than the {limit} that are read",
            metadata.size
        )));
    }
    // One byte more than is expected shows the end without another buffer. It may grow while it is
    // read.
    let expected = usize::try_from(metadata.size.saturating_add(1)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; expected.min(FIRST_BUFFER)];
    let mut length = 0_usize;
    loop {
        let rest = bytes.get_mut(length..).unwrap_or_default();
        let count = filesystem.read_at(&node, length as u64, rest)?;
        length = length.saturating_add(count);
        if count == 0 {
            bytes.truncate(length);
            return Ok(Some(bytes));
        }
        if length as u64 > limit {
            return Err(Fault::limit(format!("more than the {limit} bytes that are read")));
        }
        if length >= bytes.len() {
            bytes.resize(length.saturating_add(length.max(FIRST_BUFFER)), 0);
        }
    }
}
