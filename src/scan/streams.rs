//! BLAKE3 and MD5 of many files, as many of them at a time as there are lanes.
//!
//! A lane reads its file in pieces; when it ends, the next file takes its place, so that the lanes
//! stay full whatever the files' lengths are.

use super::bytes::{Block, Hasher};
use crate::filesystem::{Filesystem, Node};
use crate::machine::md5::{self, LANES, State};
use crate::model::{ContentDigest, Fault};

/// A whole number of blocks; all lanes' stay in the second-level cache. Measured: 64 KiB take a quarter
/// longer.
const PIECE: usize = 16 * 1024;

/// A file to be read: open, with what the asker knows it by.
pub(super) struct Job<K> {
    pub(super) key: K,
    pub(super) node: Node,
    pub(super) size: u64,
}

/// What reading a file to its end, or to the size it should have, gave.
pub(super) struct Digests {
    /// Bytes that there were.
    pub(super) count: u64,
    pub(super) blake3: ContentDigest,
    pub(super) md5: [u8; 16],
}

/// Who names the files and takes what they gave.
pub(super) trait Work {
    type Key;

    /// The next file; `None` where there is no more.
    fn next(&mut self) -> Option<Job<Self::Key>>;

    /// The bytes of a file, piece by piece; the first may be empty.
    fn piece(&mut self, _key: &mut Self::Key, _offset: u64, _bytes: &[u8]) {}

    /// A file that was read, or why it was not.
    fn done(&mut self, job: Job<Self::Key>, result: Result<Digests, Fault>);
}

/// Reads all files that there are.
pub(super) fn read_all<W: Work>(filesystem: &dyn Filesystem, work: &mut W) {
    let mut streams: [Option<Stream<W::Key>>; LANES] = [const { None }; LANES];
    let mut states = [State::START; LANES];
    loop {
        for (slot, state) in streams.iter_mut().zip(&mut states) {
            advance(slot, state, filesystem, work);
        }
        // A lane without a file goes along with another's bytes.
        let Some(any) = streams.iter().flatten().next().map(Stream::rest) else { return };
        let parts = streams.each_ref().map(|slot| slot.as_ref().map_or(any, Stream::rest));
        let count = md5::update(&mut states, parts);
        for stream in streams.iter_mut().flatten() {
            stream.at = stream.at.saturating_add(count);
        }
    }
}

/// Sees to it that the lane has bytes, of its file or of the next one; no file where there is none.
fn advance<W: Work>(
    slot: &mut Option<Stream<W::Key>>,
    state: &mut State,
    filesystem: &dyn Filesystem,
    work: &mut W,
) {
    loop {
        match slot.take() {
            Some(stream) if stream.at < stream.buffer.len() => {
                *slot = Some(stream);
                return;
            }
            Some(stream) if stream.has_ended => {
                let (job, count, blake3) = (stream.job, stream.offset, stream.hasher.finish());
                work.done(job, Ok(Digests { count, blake3, md5: state.digest() }));
            }
            Some(mut stream) => match stream.refill(filesystem, work) {
                Ok(()) => *slot = Some(stream),
                Err(fault) => work.done(stream.job, Err(fault)),
            },
            None => {
                let Some(job) = work.next() else { return };
                *state = State::START;
                *slot = Some(Stream::new(job));
            }
        }
    }
}

struct Stream<K> {
    job: Job<K>,
    offset: u64,
    hasher: Hasher,
    /// Whole blocks; with the padding behind the last of them.
    buffer: Vec<u8>,
    at: usize,
    has_ended: bool,
}

impl<K> Stream<K> {
    fn new(job: Job<K>) -> Self {
        let (hasher, buffer) = (Hasher::Nothing, Vec::new());
        Self { job, offset: 0, hasher, buffer, at: 0, has_ended: false }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Reads the next piece.
    fn refill<W: Work<Key = K>>(
        &mut self,
        filesystem: &dyn Filesystem,
        work: &mut W,
    ) -> Result<(), Fault> {
        let begin = self.offset;
        let left = self.job.size.saturating_sub(self.offset);
        let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        self.buffer.resize(wanted, 0);
        let mut filled = 0;
        while let Some(part) = self.buffer.get_mut(filled..).filter(|part| !part.is_empty()) {
            let count = filesystem.read_at(&self.job.node, self.offset, part)?;
            if count == 0 {
                break;
            }
            filled = filled.saturating_add(count);
            self.offset = self.offset.saturating_add(count as u64);
        }
        self.buffer.truncate(filled);
        self.at = 0;
        self.has_ended = filled < wanted || self.offset == self.job.size;
        work.piece(&mut self.job.key, begin, &self.buffer);
        let bytes = &self.buffer;
        self.hasher.update(if self.has_ended { Block::Last(bytes) } else { Block::More(bytes) });
        if self.has_ended {
            md5::pad(&mut self.buffer, self.offset);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;
    use crate::filesystem::resolve::{LastLink, resolve};
    use crate::model::TreePath;
    use ::md5::Digest;
    use std::collections::BTreeMap;

    /// What became of each file, by its number.
    struct Files<'a> {
        filesystem: &'a MemoryFilesystem,
        waiting: Vec<(usize, TreePath, u64)>,
        seen: BTreeMap<usize, Vec<u8>>,
        done: Vec<(usize, u64, ContentDigest, [u8; 16])>,
    }

    impl Work for Files<'_> {
        type Key = usize;

        fn next(&mut self) -> Option<Job<usize>> {
            let (key, path, size) = self.waiting.pop()?;
            let found = resolve(self.filesystem, &path, LastLink::Keep).unwrap().unwrap();
            Some(Job { key, node: self.filesystem.open(&found.node).unwrap(), size })
        }

        fn piece(&mut self, key: &mut usize, offset: u64, bytes: &[u8]) {
            let seen = self.seen.entry(*key).or_default();
            assert_eq!(seen.len() as u64, offset);
            seen.extend_from_slice(bytes);
        }

        fn done(&mut self, job: Job<usize>, result: Result<Digests, Fault>) {
            let Digests { count, blake3, md5 } = result.unwrap();
            self.done.push((job.key, count, blake3, md5));
        }
    }

    #[test]
    fn every_file_has_its_own_digests() {
        let sizes = [0, 1, 63, 64, 65, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 100, 7, 55, 56];
        let mut filesystem = MemoryFilesystem::new();
        let mut files = Vec::new();
        for (index, size) in sizes.into_iter().enumerate() {
            let path = format!("/{}/{index}", index / 5);
            let bytes: Vec<u8> = (0..size).map(|at| (at * 7 + index).to_le_bytes()[0]).collect();
            filesystem.file(&path, &bytes);
            files.push((index, TreePath::parse(path), bytes));
        }
        let mut waiting: Vec<(usize, TreePath, u64)> = files
            .iter()
            .map(|(index, path, bytes)| (*index, path.clone(), bytes.len() as u64))
            .collect();
        // One that is shorter than it should be.
        waiting.push((99, files[4].1.clone(), 9999));
        let mut work =
            Files { filesystem: &filesystem, waiting, seen: BTreeMap::new(), done: Vec::new() };
        read_all(&filesystem, &mut work);
        let whole =
            files.iter().map(|(index, _, bytes)| (*index, bytes)).chain([(99, &files[4].2)]);
        let expected: Vec<_> = whole
            .clone()
            .map(|(index, bytes)| {
                let md5: [u8; 16] = ::md5::Md5::digest(bytes).into();
                (index, bytes.len() as u64, ContentDigest::of(bytes), md5)
            })
            .collect();
        work.done.sort_unstable();
        assert_eq!(work.done, expected);
        let seen: BTreeMap<_, _> = whole.map(|(index, bytes)| (index, bytes.clone())).collect();
        assert_eq!(work.seen, seen);
    }
}
