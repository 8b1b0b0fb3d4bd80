//! What differs from a tree on disk.

use crate::filesystem::btrfs::node::Key;
use crate::model::Fault;
use std::collections::BTreeMap;

/// All items of one tree together. A log has to fit into what a machine writes in half a minute.
pub const MAX_BYTES: usize = 64 << 20;
/// A search steps over those that were removed one by one.
const MAX_ITEMS: usize = 200_000;

/// Items that are other ones than in the tree, or are not there any more.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    items: BTreeMap<Key, Option<Vec<u8>>>,
    bytes: usize,
}

impl Changes {
    /// The item of a key, if it was changed; within that `None` where it was removed.
    pub fn get(&self, key: Key) -> Option<Option<&[u8]>> {
        self.items.get(&key).map(Option::as_deref)
    }

    /// The last key that is not above this one and was not removed.
    pub fn floor(&self, key: Key) -> Option<Key> {
        let mut before = self.items.range(..=key).rev();
        before.find(|(_, item)| item.is_some()).map(|(key, _)| *key)
    }

    /// What was changed from one key to another, in order.
    pub fn between(&self, from: Key, to: Key) -> impl Iterator<Item = (Key, Option<&[u8]>)> {
        let range = (from <= to).then(|| self.items.range(from..=to));
        range.into_iter().flatten().map(|(key, item)| (*key, item.as_deref()))
    }

    /// An item that is new or another one.
    pub fn put(&mut self, key: Key, item: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(item.len());
        self.insert(key, Some(item));
    }

    /// An item that is gone.
    pub fn remove(&mut self, key: Key) {
        self.insert(key, None);
    }

    fn insert(&mut self, key: Key, item: Option<Vec<u8>>) {
        let before = self.items.insert(key, item).flatten();
        self.bytes = self.bytes.saturating_sub(before.map_or(0, |item| item.len()));
    }

    /// Whether there are no more than there may be.
    pub fn check(&self) -> Result<(), Fault> {
        if self.bytes > MAX_BYTES || self.items.len() > MAX_ITEMS {
            return Err(Fault::limit(format!(
                "a log with more than {MAX_ITEMS} items or {MAX_BYTES} bytes"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_is_not_found() {
        let key = |offset| Key::new(1, 1, offset);
        let mut changes = Changes::default();
        changes.put(key(1), vec![1]);
        changes.put(key(3), vec![3]);
        changes.remove(key(3));
        changes.put(key(5), vec![5; 9]);
        changes.put(key(5), vec![5]);
        assert_eq!((changes.floor(key(4)), changes.floor(key(0))), (Some(key(1)), None));
        assert_eq!((changes.get(key(3)), changes.get(key(4))), (Some(None), None));
        let found: Vec<_> = changes.between(key(2), key(9)).collect();
        assert_eq!(found, [(key(3), None), (key(5), Some([5].as_slice()))]);
        assert_eq!(changes.between(key(9), key(2)).count(), 0);
        assert_eq!(changes.bytes, 2);
    }
}
