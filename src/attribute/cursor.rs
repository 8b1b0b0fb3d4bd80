//! Looking up paths in stored trees, cheaply where they come in order.
//!
//! The directories on the way to the last path stay open, so that a sorted list of paths fetches
//! each directory once.

use super::root::Root;
use crate::model::path::Name;
use crate::model::{
    Content, DirectoryContent, Entry, Fault, ShippedEntry, ShippedTree, Side, Tree, TreePath,
    TreeSource,
};
use std::sync::Arc;

/// Links that are followed on the way to one path: as many as Linux follows.
const MAX_LINKS: usize = 40;

/// A directory that a cursor can go down.
pub trait Level: Sized {
    /// What it lists.
    type Entry: Clone;

    /// The entry of that name.
    fn find(&self, name: &[u8]) -> Option<&Self::Entry>;

    /// The entry as if root owned the top directory.
    fn seen_as(entry: Self::Entry, root: Root) -> Self::Entry;

    /// The directory that the entry names; `None` where it is none or was not read.
    fn below(entry: &Self::Entry, source: &dyn TreeSource) -> Result<Option<Arc<Self>>, Fault>;
}

impl Level for Tree {
    type Entry = Entry;

    fn seen_as(entry: Entry, root: Root) -> Entry {
        root.entry(entry)
    }

    fn find(&self, name: &[u8]) -> Option<&Entry> {
        self.get(name)
    }

    fn below(entry: &Entry, source: &dyn TreeSource) -> Result<Option<Arc<Self>>, Fault> {
        match &entry.content {
            Content::Directory(DirectoryContent::Read { exact, .. }) => {
                source.tree(exact).map(Some)
            }
            _ => Ok(None),
        }
    }
}

impl Level for ShippedTree {
    type Entry = ShippedEntry;

    fn seen_as(entry: ShippedEntry, _root: Root) -> ShippedEntry {
        entry
    }

    fn find(&self, name: &[u8]) -> Option<&ShippedEntry> {
        self.get(name)
    }

    fn below(entry: &ShippedEntry, source: &dyn TreeSource) -> Result<Option<Arc<Self>>, Fault> {
        entry.below.as_ref().map(|id| source.shipped(id)).transpose()
    }
}

/// Looks up paths. A directory that is missing or damaged is recorded once and reads as empty.
pub struct Cursor<'a, T> {
    source: &'a dyn TreeSource,
    owner: Root,
    root: Option<Arc<T>>,
    /// Names and directories on the way to the last path.
    open: Vec<(Name, Option<Arc<T>>)>,
    /// What could not be fetched.
    pub faults: Vec<(TreePath, Fault)>,
}

impl<'a> Cursor<'a, Tree> {
    /// Over what is.
    #[must_use]
    pub fn tree(side: &Side<'a>) -> Self {
        Self::new(side, Tree::below(&side.manifest.header.root, side.source))
    }
}

impl<'a> Cursor<'a, ShippedTree> {
    /// Over what packages say should be.
    #[must_use]
    pub fn shipped(side: &Side<'a>) -> Self {
        let root = side.manifest.header.shipped.as_ref();
        Self::new(side, root.map(|id| side.source.shipped(id)).transpose())
    }
}

impl<'a, T: Level> Cursor<'a, T> {
    fn new(side: &Side<'a>, root: Result<Option<Arc<T>>, Fault>) -> Self {
        let (root, faults) = match root {
            Ok(root) => (root, Vec::new()),
            Err(fault) => (None, vec![(TreePath::root(), fault)]),
        };
        let owner = Root::of(&side.manifest.header);
        Self { source: side.source, owner, root, open: Vec::new(), faults }
    }

    /// Where directories come from.
    pub fn source(&self) -> &'a dyn TreeSource {
        self.source
    }

    /// The entry at that path with root's owner as [`Root`] says, no link followed; `None` for the
    /// root, which has no entry.
    pub fn get(&mut self, path: &TreePath) -> Option<T::Entry> {
        let names: Vec<&[u8]> = path.names().collect();
        let (last, parents) = names.split_last()?;
        let shared = self
            .open
            .iter()
            .zip(parents)
            .take_while(|((open, _), name)| open.as_bytes() == **name)
            .count();
        self.open.truncate(shared);
        for name in parents.get(shared..).unwrap_or_default() {
            let name = Name::new(name)?;
            let entry = self.top().and_then(|level| level.find(name.as_bytes()).cloned());
            let below = match entry.map(|entry| T::below(&entry, self.source)).transpose() {
                Ok(below) => below.flatten(),
                Err(fault) => {
                    let mut at = TreePath::root();
                    self.open.iter().for_each(|(name, _)| at.push(name));
                    self.faults.push((at.join(&name), fault));
                    None
                }
            };
            self.open.push((name, below));
        }
        let entry = self.top().and_then(|level| level.find(last).cloned())?;
        Some(T::seen_as(entry, self.owner))
    }

    fn top(&self) -> Option<&Arc<T>> {
        match self.open.last() {
            Some((_, level)) => level.as_ref(),
            None => self.root.as_ref(),
        }
    }
}

impl Cursor<'_, Tree> {
    /// Where a path leads when the links among its directories are followed, the last name kept
    /// as it is: `/lib/x` becomes `/usr/lib/x` where `/lib` is a link. `None` for a circle.
    pub fn real(&mut self, path: &TreePath) -> Option<TreePath> {
        let mut rest: Vec<Name> = path.names().filter_map(Name::new).collect();
        rest.reverse();
        let mut at = TreePath::root();
        let mut links = 0;
        while let Some(name) = rest.pop() {
            let next = at.join(&name);
            if rest.is_empty() {
                return Some(next);
            }
            match self.get(&next).map(|entry| entry.content) {
                Some(Content::Symlink { target }) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return None;
                    }
                    let target = absolute(&at, &target);
                    rest.extend(
                        target.names().filter_map(Name::new).collect::<Vec<_>>().into_iter().rev(),
                    );
                    at = TreePath::root();
                }
                _ => at = next,
            }
        }
        Some(at)
    }
}

/// A link's target as a path from the top, `..` taken by name.
#[must_use]
pub(super) fn absolute(directory: &TreePath, target: &[u8]) -> TreePath {
    if target.first() == Some(&b'/') {
        return TreePath::parse(target);
    }
    TreePath::parse([directory.as_bytes(), b"/", target].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::World;

    #[test]
    fn paths_are_found_in_any_order() {
        let mut world = World::new();
        world.file("/usr/lib/x", "1").symlink("/lib", "usr/lib").file("/etc/a/b", "2");
        world.symlink("/etc/loop", "../etc/loop");
        let (manifest, trees) = world.build();
        let mut cursor = Cursor::tree(&Side { manifest: &manifest, source: &trees });
        let mut check = |path: &str, expected: bool| {
            assert_eq!(cursor.get(&TreePath::parse(path)).is_some(), expected, "{path}");
        };
        check("/etc/a/b", true);
        check("/etc/a", true);
        check("/usr/lib/x", true);
        check("/usr/lib/x/y", false);
        check("/lib/x", false);
        check("/etc/a/c", false);
        let mut real = |path: &str, expected: Option<&str>| {
            let found = cursor.real(&TreePath::parse(path)).map(|path| path.to_string());
            assert_eq!(found.as_deref(), expected, "{path}");
        };
        real("/lib/x", Some("/usr/lib/x"));
        real("/etc/a/b", Some("/etc/a/b"));
        real("/lib", Some("/lib"));
        real("/etc/loop/x", None);
    }
}
