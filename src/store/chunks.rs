//! Large directories in parts, so that one changed entry costs one part and not the whole.
//!
//! Where a part ends is decided by a hash of the entry's name alone: an entry that comes, goes or
//! changes moves no other boundary. The parts put one after the other are the canonical bytes.

use super::blob::ChunkId;
use crate::model::encoding::entry_ends;

/// Encoded directories below this stay whole: some 100 entries.
const SPLIT_FROM: usize = 8 * 1024;

/// One in so many names ends a part.
const MEAN_ENTRIES: u8 = 64;

/// A part of more bytes ends anyway: names can be chosen so that none would.
const MAX_BYTES: usize = 256 * 1024;

/// The parts of an encoded directory; `None` where it is kept whole.
pub(super) fn split(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    if bytes.len() < SPLIT_FROM {
        return None;
    }
    // What does not parse is not ours to judge: it is kept whole.
    let ends = entry_ends(bytes).ok()?;
    let mut parts = Vec::new();
    let mut start = 0;
    for (end, name) in ends {
        let first = blake3::hash(name.as_bytes()).as_bytes()[0];
        if first.is_multiple_of(MEAN_ENTRIES) || end - start >= MAX_BYTES {
            parts.push(bytes.get(start..end)?);
            start = end;
        }
    }
    if start < bytes.len() {
        parts.push(bytes.get(start..)?);
    }
    (parts.len() > 1).then_some(parts)
}

/// The id of a part.
pub(super) fn chunk_id(bytes: &[u8]) -> ChunkId {
    *blake3::hash(bytes).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::encoding::encode_tree;
    use crate::model::{Content, ContentDigest, Entry, Name, Timestamp, Tree};
    use std::collections::BTreeSet;

    fn tree(count: u32, size: impl Fn(u32) -> u64) -> Vec<u8> {
        let entry = |number: u32| Entry {
            name: Name::new(format!("name-{number:06}").as_bytes()),
            content: Content::File {
                size: size(number),
                digest: Some(ContentDigest::of(&number.to_le_bytes())),
            },
            mode: 0o644,
            uid: 0,
            gid: 0,
            xattrs: Some(vec![]),
            mtime: Timestamp::default(),
            ctime: None,
            links: 1,
        };
        encode_tree(&Tree { entries: (0..count).map(entry).collect() }).bytes
    }

    #[test]
    fn parts_make_the_whole_again() {
        assert_eq!(split(&tree(50, |_| 1)), None);
        let whole = tree(10_000, |_| 1);
        let parts = split(&whole).unwrap();
        assert_eq!(parts.concat(), whole);
        assert!((100..250).contains(&parts.len()), "{}", parts.len());
    }

    #[test]
    fn one_change_touches_one_part() {
        let (before, after) = (tree(10_000, |_| 1), tree(10_000, |n| 1 + u64::from(n == 5000)));
        let before: BTreeSet<&[u8]> = split(&before).unwrap().into_iter().collect();
        let after: BTreeSet<&[u8]> = split(&after).unwrap().into_iter().collect();
        assert_eq!(after.difference(&before).count(), 1);
    }
}
