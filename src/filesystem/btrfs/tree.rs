//! Searching trees: the last item not above a key, one item, and all items between two keys.

use super::node::{Key, Pointer, TreeNode};
use super::replay::Changes;
use super::volume::Volume;
use crate::model::Fault;
use std::ops::ControlFlow;
use std::sync::Arc;

/// As many faults of one search are told; with more there is nothing to read.
pub const MAX_FAULTS: usize = 1000;

/// What is done with an item.
pub type Visit<'a> = dyn FnMut(Key, &[u8]) -> ControlFlow<()> + 'a;

/// A tree: where it lies, and what the replay of its log made of it.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Its block above all others.
    pub root: Pointer,
    /// `None` where it is as it lies there.
    pub changes: Option<Arc<Changes>>,
}

impl From<Pointer> for Tree {
    fn from(root: Pointer) -> Self {
        Self { root, changes: None }
    }
}

/// The leaf with the last item that is not above the key, and the item's index in it.
fn find(volume: &Volume, root: &Pointer, key: Key) -> Result<Option<(TreeNode, usize)>, Fault> {
    let mut node = volume.node(root)?;
    let mut bound = root.bound;
    loop {
        let Some(index) = node.floor(key)? else { return Ok(None) };
        if node.level == 0 {
            return Ok(Some((node, index)));
        }
        // Levels fall by one each time, which the block below is verified to have.
        let child = node.child(index, bound)?;
        bound = child.bound;
        node = volume.node(&child)?;
    }
}

/// The last key that is not above this one.
pub fn floor(volume: &Volume, tree: &Tree, key: Key) -> Result<Option<Key>, Fault> {
    let changed = tree.changes.as_ref().and_then(|changes| changes.floor(key));
    let mut at = Some(key);
    while let Some(key) = at {
        let found = find(volume, &tree.root, key)?;
        let found = found.map(|(leaf, index)| leaf.key(index)).transpose()?;
        let is_removed =
            |key: Key| tree.changes.as_ref().is_some_and(|changes| changes.get(key) == Some(None));
        match found {
            Some(found) if Some(found) > changed && is_removed(found) => at = found.before(),
            found => return Ok(found.max(changed)),
        }
    }
    Ok(changed)
}

/// Reads the item of a key; `None` where there is none.
pub fn get<T>(
    volume: &Volume,
    tree: &Tree,
    key: Key,
    read: impl FnOnce(&[u8]) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    if let Some(changed) = tree.changes.as_ref().and_then(|changes| changes.get(key)) {
        return changed.map(read).transpose();
    }
    match find(volume, &tree.root, key)? {
        Some((leaf, index)) if leaf.key(index)? == key => read(leaf.item(index)?).map(Some),
        _ => Ok(None),
    }
}

/// Hands all items from one key to another to `visit`, in order, until it breaks.
pub fn scan(
    volume: &Volume,
    tree: &Tree,
    from: Key,
    to: Key,
    visit: &mut Visit<'_>,
) -> Result<(), Fault> {
    let mut faults = Vec::new();
    merge(&Search { volume, from, to, most: 1 }, tree, visit, &mut faults);
    faults.pop().map_or(Ok(()), Err)
}

/// Like [`scan`], but goes on behind what is damaged and adds it to the faults.
pub fn scan_on(
    volume: &Volume,
    tree: &Tree,
    (from, to): (Key, Key),
    visit: &mut Visit<'_>,
    faults: &mut Vec<Fault>,
) {
    merge(&Search { volume, from, to, most: MAX_FAULTS }, tree, visit, faults);
}

/// Visits what lies in the tree and what was changed in it, by their keys.
fn merge(search: &Search<'_>, tree: &Tree, visit: &mut Visit<'_>, faults: &mut Vec<Fault>) {
    let Some(changes) = &tree.changes else {
        let _ = visit_below(search, &tree.root, visit, faults);
        return;
    };
    let mut changed = changes.between(search.from, search.to).peekable();
    let flow = visit_below(
        search,
        &tree.root,
        &mut |key, item| {
            while let Some((at, item)) = changed.next_if(|(at, _)| *at < key) {
                item.map_or(ControlFlow::Continue(()), |item| visit(at, item))?;
            }
            match changed.next_if(|(at, _)| *at == key) {
                Some((_, None)) => ControlFlow::Continue(()),
                Some((_, Some(item))) => visit(key, item),
                None => visit(key, item),
            }
        },
        faults,
    );
    if flow.is_break() {
        return;
    }
    for (at, item) in changed {
        if item.is_some_and(|item| visit(at, item).is_break()) {
            return;
        }
    }
}

struct Search<'a> {
    volume: &'a Volume,
    from: Key,
    to: Key,
    /// The search ends with so many faults.
    most: usize,
}

/// Recurs at most as deep as a tree has levels, which are eight.
fn visit_below(
    search: &Search<'_>,
    pointer: &Pointer,
    visit: &mut Visit<'_>,
    faults: &mut Vec<Fault>,
) -> ControlFlow<()> {
    let told = |fault: Fault, faults: &mut Vec<Fault>| {
        faults.push(fault);
        if faults.len() >= search.most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let node = match search.volume.node(pointer) {
        Ok(node) => node,
        Err(fault) => return told(fault, faults),
    };
    let first = match node.level {
        0 => node.lower(search.from),
        _ => node.floor(search.from).map(Option::unwrap_or_default),
    };
    let first = match first {
        Ok(first) => first,
        Err(fault) => return told(fault, faults),
    };
    for index in first..node.count() {
        let entry = match node.key(index) {
            Ok(key) if key > search.to => break,
            Ok(key) => key,
            Err(fault) => return told(fault, faults),
        };
        match node.level {
            0 => match node.item(index) {
                Ok(item) => visit(entry, item)?,
                Err(fault) => told(fault, faults)?,
            },
            _ => match node.child(index, pointer.bound) {
                Ok(child) => visit_below(search, &child, visit, faults)?,
                Err(fault) => told(fault, faults)?,
            },
        }
    }
    ControlFlow::Continue(())
}
