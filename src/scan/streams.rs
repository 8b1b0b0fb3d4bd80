//! MD5 of many files, four of them at a time.
//!
//! A lane reads its file in pieces; when it ends, the next file takes its place, so that the lanes
//! stay full whatever the files' lengths are. BLAKE3 goes beside it and says whether the bytes are
//! still those that the walk saw.

use super::lanes::{self, LANES, State};
use crate::filesystem::resolve::{LastLink, resolve};
use crate::filesystem::{Filesystem, Node};
use crate::model::{ContentDigest, Fault, TreePath};

/// A whole number of blocks; four of them stay in the second-level cache.
const PIECE: usize = 64 * 1024;

/// A file whose MD5 is wanted.
pub(super) struct Job<'a> {
    pub(super) path: &'a TreePath,
    pub(super) size: u64,
    pub(super) content: &'a ContentDigest,
}

/// Hands the MD5 of each file that `next` names to `done`. A file that cannot be read, or has other
/// bytes than it had, is passed over.
pub(super) fn each_md5<'a>(
    filesystem: &dyn Filesystem,
    next: &mut dyn FnMut() -> Option<Job<'a>>,
    done: &mut dyn FnMut(&ContentDigest, [u8; 16]),
) {
    let mut directory = None;
    let mut streams: [Option<Stream<'a>>; LANES] = Default::default();
    let mut states = [State::START; LANES];
    loop {
        for (slot, state) in streams.iter_mut().zip(&mut states) {
            advance(slot, state, filesystem, &mut directory, next, done);
        }
        // A lane without a file goes along with another's bytes.
        let Some(any) = streams.iter().flatten().next().map(Stream::rest) else { return };
        let parts = streams.each_ref().map(|slot| slot.as_ref().map_or(any, Stream::rest));
        let count = lanes::update(&mut states, parts);
        for stream in streams.iter_mut().flatten() {
            stream.at = stream.at.saturating_add(count);
        }
    }
}

/// The directory opened last: files come in the order of their paths.
type Directory = Option<(TreePath, Node)>;

/// Sees to it that the lane has bytes, of its file or of the next one; no file where there is none.
fn advance<'a>(
    slot: &mut Option<Stream<'a>>,
    state: &mut State,
    filesystem: &dyn Filesystem,
    directory: &mut Directory,
    next: &mut dyn FnMut() -> Option<Job<'a>>,
    done: &mut dyn FnMut(&ContentDigest, [u8; 16]),
) {
    loop {
        match slot {
            Some(stream) if stream.at < stream.buffer.len() => return,
            Some(stream) if stream.has_ended => {
                if stream.blake3.finalize().as_bytes() == stream.job.content.as_bytes() {
                    done(stream.job.content, state.digest());
                }
                *slot = None;
            }
            Some(stream) => {
                if stream.refill(filesystem).is_err() {
                    *slot = None;
                }
            }
            None => {
                let Some(job) = next() else { return };
                *state = State::START;
                *slot = Stream::open(filesystem, job, directory).ok();
            }
        }
    }
}

struct Stream<'a> {
    job: Job<'a>,
    node: Node,
    offset: u64,
    blake3: Box<blake3::Hasher>,
    /// Whole blocks; with the padding behind the last of them.
    buffer: Vec<u8>,
    at: usize,
    has_ended: bool,
}

impl<'a> Stream<'a> {
    fn open(
        filesystem: &dyn Filesystem,
        job: Job<'a>,
        directory: &mut Directory,
    ) -> Result<Self, Fault> {
        let gone = || Fault::damaged("gone meanwhile");
        let (parent, name) = job.path.parent().zip(job.path.file_name()).ok_or_else(gone)?;
        if directory.as_ref().is_none_or(|(path, _)| *path != parent) {
            let found = resolve(filesystem, &parent, LastLink::Keep)?.ok_or_else(gone)?;
            *directory = Some((parent, filesystem.open(&found.node)?));
        }
        let (_, node) = directory.as_ref().ok_or_else(gone)?;
        let node = filesystem.open(&filesystem.lookup(node, name)?.ok_or_else(gone)?)?;
        Ok(Self {
            job,
            node,
            offset: 0,
            blake3: Box::new(blake3::Hasher::new()),
            buffer: Vec::new(),
            at: 0,
            has_ended: false,
        })
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Reads the next piece.
    fn refill(&mut self, filesystem: &dyn Filesystem) -> Result<(), Fault> {
        let left = self.job.size.saturating_sub(self.offset);
        let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        self.buffer.resize(wanted, 0);
        let mut filled = 0;
        while let Some(part) = self.buffer.get_mut(filled..).filter(|part| !part.is_empty()) {
            let count = filesystem.read_at(&self.node, self.offset, part)?;
            if count == 0 {
                break;
            }
            filled = filled.saturating_add(count);
            self.offset = self.offset.saturating_add(count as u64);
        }
        self.buffer.truncate(filled);
        self.blake3.update(&self.buffer);
        self.at = 0;
        if filled < wanted || self.offset == self.job.size {
            lanes::pad(&mut self.buffer, self.offset);
            self.has_ended = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;
    use md5::Digest;

    #[test]
    fn every_file_has_its_own_digest() {
        let mut filesystem = MemoryFilesystem::new();
        let sizes = [0, 1, 63, 64, 65, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 100, 7, 55, 56];
        let files: Vec<(TreePath, Vec<u8>)> = sizes
            .iter()
            .enumerate()
            .map(|(index, size)| {
                let path = TreePath::parse(format!("/{}/{index}", index / 5));
                let bytes = (0..*size).map(|at| (at * 7 + index).to_le_bytes()[0]).collect();
                (path, bytes)
            })
            .collect();
        for (path, bytes) in &files {
            filesystem.file(&path.to_string(), bytes);
        }
        let contents: Vec<ContentDigest> =
            files.iter().map(|(_, bytes)| ContentDigest::of(bytes)).collect();
        let other = ContentDigest::of(b"other bytes than there are");
        let missing = TreePath::parse("/1/missing");
        let mut jobs = files
            .iter()
            .zip(&contents)
            .map(|((path, bytes), content)| Job { path, size: bytes.len() as u64, content })
            .chain([
                Job { path: &missing, size: 1, content: &other },
                Job { path: &files[1].0, size: 1, content: &other },
                Job { path: &files[4].0, size: 9999, content: &other },
            ]);
        let mut seen = Vec::new();
        each_md5(&filesystem, &mut || jobs.next(), &mut |content, digest| {
            seen.push((*content, digest));
        });
        let digest = |bytes: &Vec<u8>| -> [u8; 16] { md5::Md5::digest(bytes).into() };
        let mut expected: Vec<_> =
            contents.iter().zip(&files).map(|(one, (_, bytes))| (*one, digest(bytes))).collect();
        expected.sort_unstable();
        seen.sort_unstable();
        assert_eq!(seen, expected);
    }
}
