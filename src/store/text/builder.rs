//! Trees out of sorted paths: a directory is encoded as soon as a path beyond it comes.

use crate::model::encoding::{encode_shipped, encode_tree};
use crate::model::{
    Content, DirectoryContent, Entry, Expectation, Name, PackageKey, ShippedEntry, ShippedId,
    ShippedTree, Tree, TreePath,
};
use crate::store::Spool;

/// Directories still open: those on the way to the last path.
pub(super) struct TreeBuilder<'a> {
    spool: &'a Spool,
    open: Vec<(TreePath, Entry, Tree)>,
    root: Option<Entry>,
    /// How many were added.
    pub(super) entries: u64,
}

impl<'a> TreeBuilder<'a> {
    pub(super) fn new(spool: &'a Spool) -> Self {
        Self { spool, open: Vec::new(), root: None, entries: 0 }
    }

    /// Adds the entry at a path; ids of directories are computed here.
    pub(super) fn add(&mut self, path: TreePath, mut entry: Entry) -> Result<(), String> {
        self.entries += 1;
        let Some(parent) = path.parent() else {
            if self.entries > 1 {
                return Err("the root must be the first entry".into());
            }
            self.place(path, entry);
            return Ok(());
        };
        while self.open.last().is_some_and(|(top, ..)| *top != parent) {
            self.close();
        }
        let Some((_, _, tree)) = self.open.last() else {
            return Err("its directory does not stand before it".into());
        };
        entry.name = path.file_name().and_then(Name::new);
        if tree.entries.last().is_some_and(|last| last.name >= entry.name) {
            return Err("not in the order of paths".into());
        }
        self.place(path, entry);
        Ok(())
    }

    fn place(&mut self, path: TreePath, entry: Entry) {
        match entry.content {
            Content::Directory(DirectoryContent::Read { .. }) => {
                self.open.push((path, entry, Tree::default()));
            }
            _ => self.hand_up(entry),
        }
    }

    fn hand_up(&mut self, entry: Entry) {
        match self.open.last_mut() {
            Some((_, _, tree)) => tree.entries.push(entry),
            None => self.root = Some(entry),
        }
    }

    fn close(&mut self) {
        let Some((_, mut entry, tree)) = self.open.pop() else { return };
        let encoded = encode_tree(&tree);
        let (content, exact) = (encoded.content, encoded.exact);
        entry.content = Content::Directory(DirectoryContent::Read { content, exact });
        self.spool.add_tree(&encoded);
        self.hand_up(entry);
    }

    /// The root's entry, once all are added.
    pub(super) fn finish(mut self) -> Result<Entry, String> {
        while !self.open.is_empty() {
            self.close();
        }
        self.root.ok_or_else(|| "there are no entries".into())
    }
}

/// Likewise for what packages ship; directories on the way need no line.
pub(super) struct ShippedBuilder<'a> {
    spool: &'a Spool,
    open: Vec<(TreePath, ShippedTree)>,
}

impl<'a> ShippedBuilder<'a> {
    pub(super) fn new(spool: &'a Spool) -> Self {
        Self { spool, open: vec![(TreePath::root(), ShippedTree::default())] }
    }

    /// Adds a package's word on a path, or a name that nobody claims.
    pub(super) fn add(
        &mut self,
        path: &TreePath,
        claim: Option<(PackageKey, Expectation)>,
    ) -> Result<(), String> {
        let parent = path.parent().ok_or("nothing can be shipped at the root")?;
        while self.open.len() > 1
            && self.open.last().is_some_and(|(top, _)| !parent.is_at_or_below(top))
        {
            self.close();
        }
        let depth = self.open.len() - 1;
        for name in parent.names().skip(depth) {
            let name = Name::new(name).ok_or("a name that no directory can hold")?;
            let Some((top, _)) = self.open.last() else { break };
            let below = top.join(&name);
            self.entry(name)?;
            self.open.push((below, ShippedTree::default()));
        }
        let name = path.file_name().and_then(Name::new);
        let entry = self.entry(name.ok_or("a name that no directory can hold")?)?;
        entry.claims.extend(claim);
        Ok(())
    }

    /// The entry of that name in the innermost open directory: the last one, or a new one.
    fn entry(&mut self, name: Name) -> Result<&mut ShippedEntry, String> {
        let (_, tree) = self.open.last_mut().ok_or("no directory is open")?;
        match tree.entries.last().map(|last| last.name.cmp(&name)) {
            Some(std::cmp::Ordering::Greater) => return Err("not in the order of paths".into()),
            Some(std::cmp::Ordering::Equal)
                if tree.entries.last().is_some_and(|last| last.below.is_none()) => {}
            Some(std::cmp::Ordering::Equal) => return Err("not in the order of paths".into()),
            _ => tree.entries.push(ShippedEntry { name, claims: Vec::new(), below: None }),
        }
        tree.entries.last_mut().ok_or_else(|| "no entry".into())
    }

    fn close(&mut self) -> Option<ShippedId> {
        let (_, tree) = self.open.pop()?;
        let (id, bytes) = encode_shipped(&tree);
        self.spool.add_shipped(id, &bytes);
        let (_, parent) = self.open.last_mut()?;
        parent.entries.last_mut()?.below = Some(id);
        None
    }

    /// The id of the whole.
    pub(super) fn finish(mut self) -> Option<ShippedId> {
        while self.open.len() > 1 {
            self.close();
        }
        let (_, tree) = self.open.pop()?;
        let (id, bytes) = encode_shipped(&tree);
        self.spool.add_shipped(id, &bytes);
        Some(id)
    }
}
