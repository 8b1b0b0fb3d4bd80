//! Subvolumes: trees of files in the tree of trees, which lie in each other as directories do.
//!
//! Each lies in one other at most (its first `ROOT_BACKREF`), and is entered from there only, so
//! that no hostile tree of trees can be walked in a circle or by many ways: a walk begins in one that
//! does not lie in itself. Where a snapshot has
//! the name of a subvolume that lies elsewhere, the kernel shows an empty directory.

use super::directory;
use super::node::{Key, Pointer, kind};
use super::tree::{self, Tree};
use super::volume::Volume;
use crate::filesystem::bytes::{byte, le16, le32, le64, slice};
use crate::model::Fault;
use std::ops::ControlFlow;

/// `BTRFS_FS_TREE_OBJECTID`: the top level, which lies in no other.
pub const TOP: u64 = 5;
/// The first and the last number of a subvolume besides the top level.
const NUMBERS: (u64, u64) = (256, 0_u64.wrapping_sub(256));
/// Subvolumes in each other; a path to more is longer than `PATH_MAX`.
const MAX_DEPTH: usize = 2048;
/// `BTRFS_CSUM_TREE_OBJECTID`.
const CHECKSUM_TREE: u64 = 7;

/// A tree of files.
#[derive(Clone, Debug)]
pub struct Subvolume {
    /// Its number, as `subvolid=` names it.
    pub id: u64,
    /// Its tree.
    pub tree: Tree,
}

/// Reads a `struct btrfs_root_item`.
fn parse_root(item: &[u8]) -> Result<Pointer, Fault> {
    if le32(item, 216)? == 0 {
        return Err(Fault::damaged("it was deleted"));
    }
    parse_pointer(item)
}

/// Where the tree of a `struct btrfs_root_item` lies.
pub fn parse_pointer(item: &[u8]) -> Result<Pointer, Fault> {
    Ok(Pointer {
        logical: le64(item, 176)?,
        level: byte(item, 238)?,
        generation: le64(item, 160)?,
        first: None,
        bound: None,
    })
}

/// The tree of that number; `None` where there is none.
fn root(volume: &Volume, id: u64) -> Result<Option<Pointer>, Fault> {
    let key = Key::new(id, kind::ROOT_ITEM, u64::MAX);
    let roots = &volume.superblock.root;
    match tree::floor(volume, roots, key)? {
        Some(found) if (found.object, found.kind) == (id, kind::ROOT_ITEM) => {
            tree::get(volume, roots, found, parse_root)
        }
        _ => Ok(None),
    }
}

/// The tree of the checksums of data.
pub fn checksums(volume: &Volume) -> Result<Option<Tree>, Fault> {
    let found = root(volume, CHECKSUM_TREE);
    found.map(|root| root.map(Tree::from)).map_err(|fault| fault.within("checksum tree"))
}

/// Opens a subvolume by its number.
pub fn open(volume: &Volume, id: u64) -> Result<Subvolume, Fault> {
    let place = |fault: Fault| fault.within(format_args!("subvolume {id}"));
    if id != TOP && !(NUMBERS.0..=NUMBERS.1).contains(&id) {
        return Err(place(Fault::damaged("no number of a subvolume")));
    }
    if let Some(tree) = volume.replayed.get(&id) {
        return Ok(Subvolume { id, tree: tree.clone() });
    }
    let root = root(volume, id).map_err(place)?;
    let root = root.ok_or_else(|| place(Fault::damaged("there is none")))?;
    Ok(Subvolume { id, tree: root.into() })
}

/// The subvolume that is mounted where none is named.
pub fn default(volume: &Volume) -> Result<u64, Fault> {
    let directory = volume.superblock.root_directory;
    let key = |offset| Key::new(directory, kind::DIR_ITEM, offset);
    let mut found = None;
    tree::scan(volume, &volume.superblock.root, key(0), key(u64::MAX), &mut |_, item| {
        let entries = directory::entries(item).unwrap_or_default();
        if let Some(entry) = entries.iter().find(|entry| entry.name == b"default") {
            found = Some(entry.location.object);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
    .map_err(|fault| fault.within("default subvolume"))?;
    Ok(found.unwrap_or(TOP))
}

/// Whether a subvolume lies in that directory of another under that name.
pub fn lies_in(
    volume: &Volume,
    child: u64,
    (parent, directory): (u64, u64),
    name: &[u8],
) -> Result<bool, Fault> {
    let roots = &volume.superblock.root;
    let key = Key::new(parent, kind::ROOT_REF, child);
    let named = tree::get(volume, roots, key, |item| {
        let length = usize::from(le16(item, 16)?);
        Ok(le64(item, 0)? == directory && slice(item, 18, length)? == name)
    })?;
    if named != Some(true) || child == TOP {
        return Ok(false);
    }
    match self::parent(volume, child)? {
        Some(found) if found == parent => Ok(true),
        _ => Err(Fault::damaged(format!("subvolume {child} does not say that it lies here"))),
    }
}

/// The subvolume that one lies in.
fn parent(volume: &Volume, child: u64) -> Result<Option<u64>, Fault> {
    let key = |offset| Key::new(child, kind::ROOT_BACKREF, offset);
    let mut first = None;
    tree::scan(volume, &volume.superblock.root, key(0), key(u64::MAX), &mut |found, _| {
        first = Some(found.offset);
        ControlFlow::Break(())
    })?;
    Ok(first)
}

/// Opens a subvolume that a walk begins in: one that does not lie in itself.
pub fn open_first(volume: &Volume, id: u64) -> Result<Subvolume, Fault> {
    let mut at = id;
    for _ in 0..MAX_DEPTH {
        match parent(volume, at)? {
            None => return open(volume, id),
            Some(_) if at == TOP => break,
            Some(parent) => at = parent,
        }
    }
    Err(Fault::damaged(format!("subvolume {id} lies in itself")))
}
