//! A cache of bounded size that many threads use at once: tables and inflated clusters by the
//! image that they are of and their offset in it.
//!
//! Two generations per shard instead of a list in order of use: what is read is put into the young
//! one, and when that is full it becomes the old one. What is used at least once per generation
//! stays; nothing is moved one by one, and the lock of a shard is held for one look-up.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

/// Which image of a chain, and the offset in its file.
pub(crate) type Key = (u32, u64);

/// More than the threads that read one image.
const SHARDS: usize = 16;

/// Values by [`Key`], at most about `limit` bytes of them.
pub(crate) struct Cache<V: ?Sized> {
    shards: Vec<Mutex<Shard<V>>>,
    hasher: RandomState,
}

struct Shard<V: ?Sized> {
    young: HashMap<Key, (Arc<V>, usize)>,
    old: HashMap<Key, (Arc<V>, usize)>,
    young_bytes: usize,
    generation_limit: usize,
}

impl<V: ?Sized> Shard<V> {
    fn insert(&mut self, key: Key, value: Arc<V>, bytes: usize) {
        if self.young.insert(key, (value, bytes)).is_none() {
            self.young_bytes = self.young_bytes.saturating_add(bytes);
        }
        if self.young_bytes > self.generation_limit {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

impl<V: ?Sized> Cache<V> {
    /// A cache that holds about `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let shard = || Shard {
            young: HashMap::new(),
            old: HashMap::new(),
            young_bytes: 0,
            generation_limit: limit / SHARDS / 2,
        };
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(),
            hasher: RandomState::new(),
        }
    }

    fn shard(&self, key: Key) -> Option<&Mutex<Shard<V>>> {
        let hash = self.hasher.hash_one(key).checked_rem(self.shards.len() as u64)?;
        usize::try_from(hash).ok().and_then(|index| self.shards.get(index))
    }

    /// What is remembered.
    pub(crate) fn get(&self, key: Key) -> Option<Arc<V>> {
        let mut shard = self.shard(key)?.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((value, _)) = shard.young.get(&key) {
            return Some(Arc::clone(value));
        }
        let (value, bytes) = shard.old.remove(&key)?;
        shard.insert(key, Arc::clone(&value), bytes);
        Some(value)
    }

    /// Remembers a value of that many bytes.
    pub(crate) fn put(&self, key: Key, value: &Arc<V>, bytes: usize) {
        let Some(shard) = self.shard(key) else { return };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.insert(key, Arc::clone(value), bytes);
    }
}

impl<V: ?Sized> std::fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cache")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_and_stays_small() {
        let cache: Cache<[u8]> = Cache::new(SHARDS * 2 * 100);
        let value: Arc<[u8]> = Arc::from(vec![1; 10]);
        for offset in 0..100_000 {
            cache.put((0, offset), &value, 10);
            assert!(cache.get((0, offset)).is_some());
        }
        let held = (0..100_000).filter(|offset| cache.get((0, *offset)).is_some()).count();
        assert!((1..=SHARDS * 3 * 11).contains(&held), "{held}");
        assert!(cache.get((1, 99_999)).is_none());
    }
}
