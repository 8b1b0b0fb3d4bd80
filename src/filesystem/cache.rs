//! A bounded cache of metadata: inode tables, directories, extent and pointer blocks.
//!
//! Split into shards with a lock each, so that many threads seldom meet. The oldest goes first:
//! walks go forward, and what is used again is used again soon.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

const SHARDS: usize = 16;
/// All shards together. Inode tables of 60,000 files fit, which is a whole server.
const MAX_BYTES: usize = 32 << 20;

/// Pieces by their number, all of about the same length.
#[derive(Debug)]
pub struct Cache {
    shards: [Mutex<Shard>; SHARDS],
    pieces_per_shard: usize,
}

#[derive(Debug, Default)]
struct Shard {
    pieces: HashMap<u64, Arc<[u8]>>,
    order: VecDeque<u64>,
}

impl Cache {
    /// Room for as many pieces of this length as the limit allows.
    pub fn new(piece_length: usize) -> Self {
        let pieces = MAX_BYTES.checked_div(piece_length).unwrap_or(0);
        Self { shards: Default::default(), pieces_per_shard: (pieces / SHARDS).max(1) }
    }

    fn shard(&self, number: u64) -> Option<&Mutex<Shard>> {
        let index = usize::try_from(number.checked_rem(SHARDS as u64)?).ok()?;
        self.shards.get(index)
    }

    /// The piece of that number, if it is still there.
    pub fn get(&self, number: u64) -> Option<Arc<[u8]>> {
        let shard = self.shard(number)?.lock().unwrap_or_else(PoisonError::into_inner);
        shard.pieces.get(&number).cloned()
    }

    /// Keeps a piece, and drops the oldest where there is no room.
    pub fn put(&self, number: u64, piece: Arc<[u8]>) {
        let Some(shard) = self.shard(number) else { return };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.pieces.insert(number, piece).is_some() {
            return;
        }
        shard.order.push_back(number);
        if shard.order.len() > self.pieces_per_shard
            && let Some(oldest) = shard.order.pop_front()
        {
            shard.pieces.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_bounded() {
        let cache = Cache::new(MAX_BYTES / SHARDS / 2);
        for number in 0..1000 {
            cache.put(number, Arc::from([1, 2, 3]));
        }
        let kept = (0..1000).filter(|number| cache.get(*number).is_some()).count();
        assert_eq!(kept, 2 * SHARDS);
        assert!(cache.get(999).is_some() && cache.get(0).is_none());
    }
}
