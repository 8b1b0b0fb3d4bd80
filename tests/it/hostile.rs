//! What the tests of hostile file systems share: bytes as a device, a walk that reads all there is,
//! and mutations that are the same in every run.

use driftcheck::block::BlockDevice;
use driftcheck::filesystem::{Filesystem, Node};
use driftcheck::model::{Fault, FileKind};

/// Bytes as a device.
#[derive(Debug)]
pub struct Bytes(pub Vec<u8>);

impl BlockDevice for Bytes {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = start.checked_add(buffer.len()).and_then(|end| self.0.get(start..end));
        let bytes = bytes.ok_or_else(|| Fault::damaged(format!("beyond the end: {offset}")))?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// What a walk met.
#[derive(Debug, Default)]
pub struct Walk {
    pub entries: usize,
    pub faults: usize,
    /// Of all that was read.
    seen: blake3::Hasher,
}

impl Walk {
    /// Everything below the root.
    pub fn all(filesystem: &dyn Filesystem) -> Self {
        let mut found = Self::default();
        walk(filesystem, &filesystem.root(), 0, &mut found);
        found
    }

    /// How many entries there were, and how many parts could not be read.
    pub const fn counts(&self) -> (usize, usize) {
        (self.entries, self.faults)
    }

    /// What was seen, to compare it with what another walk saw.
    pub fn seen(&self) -> blake3::Hash {
        self.seen.finalize()
    }

    fn note<T: std::fmt::Debug>(&mut self, outcome: Result<T, Fault>) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.seen.update(format!("{value:?};").as_bytes());
                Some(value)
            }
            Err(_) => {
                self.faults += 1;
                None
            }
        }
    }
}

/// Reads all there is, as a scan does, and counts.
pub fn walk(filesystem: &dyn Filesystem, node: &Node, depth: usize, found: &mut Walk) {
    // The fattest tree that a mutation can make of these images stays below it.
    assert!(depth < 200 && found.entries < 100_000, "a walk without an end");
    found.entries += 1;
    let Some(metadata) = found.note(filesystem.metadata(node)) else { return };
    found.note(filesystem.xattrs(node));
    match metadata.kind {
        FileKind::File => {
            let outcome = read(filesystem, node, &mut found.seen);
            found.note(outcome);
        }
        FileKind::Symlink => _ = found.note(filesystem.read_link(node)),
        FileKind::Directory => match filesystem.read_directory(node) {
            Ok(listing) => {
                found.faults += listing.faults.len();
                for entry in listing.entries {
                    found.seen.update(entry.name.as_bytes());
                    walk(filesystem, &entry.node, depth + 1, found);
                }
            }
            Err(_) => found.faults += 1,
        },
        _ => {}
    }
}

fn read(filesystem: &dyn Filesystem, node: &Node, seen: &mut blake3::Hasher) -> Result<(), Fault> {
    let node = filesystem.open(node)?;
    let mut buffer = vec![0; 65_536];
    let mut at = 0;
    while let Some(range) = filesystem.next_data(&node, at)? {
        assert!(range.start >= at && range.end > range.start, "{range:?} at {at}");
        at = range.start;
        while at < range.end {
            let count = filesystem.read_at(&node, at, &mut buffer)?;
            assert!(count > 0);
            seen.update(&at.to_le_bytes()).update(&buffer[..count]);
            at += count as u64;
        }
    }
    Ok(())
}

/// A sequence of numbers that is the same in every run (xorshift64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

/// Blocks of 1 KiB that are not all zeros: mostly what is in use.
pub fn used_blocks(bytes: &[u8]) -> Vec<usize> {
    let is_used = |block: &usize| bytes[block * 1024..][..1024].iter().any(|byte| *byte != 0);
    (0..bytes.len() / 1024).filter(is_used).collect()
}

/// What was done to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Its end is missing.
    Cut,
    /// Bytes are others.
    Changed,
}

pub fn mutate(bytes: &mut Vec<u8>, used: &[usize], numbers: &mut Numbers) -> Damage {
    let block = used[numbers.below(used.len())] * 1024;
    match numbers.below(8) {
        0 => {
            bytes.truncate(numbers.below(bytes.len()));
            return Damage::Cut;
        }
        1 => {
            let other = used[numbers.below(used.len())] * 1024;
            let (first, second) = (block.min(other), block.max(other));
            if first != second {
                let (before, after) = bytes.split_at_mut(second);
                before[first..][..1024].swap_with_slice(&mut after[..1024]);
            }
        }
        2 => bytes[block..][..1024].fill(0),
        3 => {
            let other = used[numbers.below(used.len())] * 1024;
            bytes.copy_within(other..other + 1024, block);
        }
        _ => {
            for _ in 0..=numbers.below(12) {
                let set: Vec<usize> = (block..block + 1024).filter(|at| bytes[*at] != 0).collect();
                let Some(at) = set.get(numbers.below(set.len().max(1))) else { break };
                bytes[*at] = [0, 1, 2, 0x0b, 0x7f, 0x80, 0xfe, 0xff][numbers.below(8)];
            }
        }
    }
    Damage::Changed
}
