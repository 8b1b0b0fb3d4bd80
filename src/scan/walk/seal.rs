//! The end of a directory: its tree is encoded and kept, or taken over from the previous scan.

use super::Walk;
use super::pending::{Delivery, Pending};
use crate::model::encoding::encode_tree;
use crate::model::{Content, ContentId, DirectoryContent, ExactId, Name, Tree};
use crate::scan::trust::{Contradiction, Record};
use std::sync::atomic::Ordering;

impl Walk<'_> {
    /// A directory whose parts are all there: its tree is encoded and kept, or taken over.
    pub(super) fn seal(&self, pending: &Pending) -> Delivery {
        let mut building = std::mem::take(&mut *pending.building());
        let xattrs = building.own_xattrs.take();
        let mut tree = Tree { entries: std::mem::take(&mut building.entries) };
        if let Some(record) = building.taken_over.take() {
            let all_same = building
                .delivered
                .iter()
                .all(|(_, delivery)| delivery.as_ref().is_some_and(|d| d.is_unchanged));
            if all_same {
                self.relied.store(true, Ordering::Relaxed);
                let content =
                    DirectoryContent::Read { content: record.content, exact: record.exact };
                self.collected().trusted.push(&record);
                return Delivery { content, xattrs, is_unchanged: true };
            }
            match self.patched(&record, building.delivered) {
                Some(patched) => tree = patched,
                // The store lost it: nothing of the previous scan can be relied on.
                None => {
                    self.collected().contradiction.get_or_insert(Contradiction { fact: None });
                }
            }
        }
        if !building.gone.is_empty() {
            tree.entries.retain(|entry| {
                entry.name.as_ref().is_none_or(|name| !building.gone.contains(name))
            });
        }
        let encoded = encode_tree(&tree);
        let (content, exact) = (encoded.content, encoded.exact);
        (self.keep.tree)(encoded);
        if building.is_sampled
            && building.previous.is_some_and(|expected| self.contradicts(&expected, &tree))
        {
            let contradiction = Contradiction::at(&pending.path());
            self.collected().contradiction.get_or_insert(contradiction);
        }
        self.remember(pending, building.seen, &building.speaking, (content, exact));
        let is_unchanged = building.previous == Some(exact);
        Delivery { content: DirectoryContent::Read { content, exact }, xattrs, is_unchanged }
    }

    /// The tree of the previous scan with what its directories are now.
    fn patched(&self, record: &Record, delivered: Vec<(Name, Option<Delivery>)>) -> Option<Tree> {
        let source = self.options.previous.as_ref()?.source;
        let mut tree = Tree::clone(&*source.tree(&record.exact).ok()?);
        for (name, delivery) in delivered {
            let place =
                tree.entries.binary_search_by(|entry| entry.name.as_ref().cmp(&Some(&name)));
            let entry = tree.entries.get_mut(place.ok()?)?;
            let delivery = delivery?;
            entry.content = Content::Directory(delivery.content);
            if delivery.xattrs.is_some() {
                entry.xattrs = delivery.xattrs;
            }
        }
        self.relied.store(true, Ordering::Relaxed);
        Some(tree)
    }

    /// Whether files have other bytes than the previous scan saw, under the same times.
    fn contradicts(&self, expected: &ExactId, tree: &Tree) -> bool {
        let previous = self.options.previous.as_ref();
        let Some(Ok(old)) = previous.map(|previous| previous.source.tree(expected)) else {
            return false;
        };
        tree.entries.iter().any(|entry| {
            let old = entry.name.as_ref().and_then(|name| old.get(name.as_bytes()));
            old.is_some_and(|old| {
                (old.mtime, old.ctime) == (entry.mtime, entry.ctime)
                    && matches!((&old.content, &entry.content), (
                        Content::File { size: old_size, digest: Some(old) },
                        Content::File { size, digest: Some(new) },
                    ) if old_size == size && old != new)
            })
        })
    }

    fn remember(
        &self,
        pending: &Pending,
        (fingerprint, inodes): ([u8; 16], Vec<u64>),
        speaking: &[usize],
        (content, exact): (ContentId, ExactId),
    ) {
        if !pending.is_partial.load(Ordering::Relaxed) {
            let mut speaking: Vec<u32> =
                speaking.iter().filter_map(|slot| u32::try_from(*slot).ok()).collect();
            speaking.sort_unstable();
            let inode = pending.inode;
            let record = Record { inode, fingerprint, content, exact, inodes, speaking };
            self.collected().trusted.push(&record);
        }
    }
}
