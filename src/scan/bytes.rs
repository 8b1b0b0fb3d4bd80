//! A file's bytes, read once and digested, while the file may change under our hands.

use super::beside::{Algorithm, Beside};
use crate::collect::packages::executables;
use crate::filesystem::{Filesystem, Metadata, Node};
use crate::model::{AlternateDigests, ContentDigest, Fault};
use std::cell::RefCell;

/// Measured: between 64 KiB and 1 MiB the size makes no difference.
const BUFFER: usize = 64 * 1024;

/// Below this, asking for holes costs more than reading them.
const SPARSE_FROM: u64 = 1024 * 1024;

/// A file that changes as often as this while it is read is given up.
const ATTEMPTS: usize = 3;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

/// Of a file that is copied on the way: one byte more than what is kept shows that it has grown.
const COPY: usize = 64 * 1024 + 1;

/// What reading a file once gives.
pub(super) struct Digested {
    /// That belong to the bytes.
    pub(super) metadata: Metadata,
    pub(super) digest: ContentDigest,
    /// What was asked for beside it.
    pub(super) alternates: Option<AlternateDigests>,
    /// Whether it begins like an executable.
    pub(super) is_executable: bool,
}

/// Reads the whole of an open regular file whose metadata were taken before. Small
/// files' bytes are copied where they are asked for.
pub(super) fn digest(
    filesystem: &dyn Filesystem,
    node: &Node,
    mut before: Metadata,
    mut copy: Option<&mut Vec<u8>>,
    algorithm: Option<Algorithm>,
) -> Result<Digested, Fault> {
    for _ in 0..ATTEMPTS {
        let mut hasher = Hasher::Nothing;
        let mut beside = Beside::new(algorithm);
        let mut is_executable = false;
        if let Some(copy) = &mut copy {
            copy.clear();
        }
        let read = each_block(filesystem, node, before.size, &mut |block| {
            if let Some(copy) = &mut copy {
                copy_up_to_limit(copy, block.bytes());
            }
            if matches!(hasher, Hasher::Nothing) {
                is_executable = executables::is_executable(block.bytes());
            }
            beside.update(block.bytes());
            hasher.update(block);
        });
        let after = filesystem.metadata(node)?;
        let same = is_unchanged(&before, &after);
        match read {
            Ok(count) if same && count == before.size => {
                let (digest, alternates) = (hasher.finish(), beside.finish());
                return Ok(Digested { metadata: after, digest, alternates, is_executable });
            }
            Ok(count) if same => {
                return Err(Fault::damaged(format!(
                    "{count} bytes where {} should be",
                    after.size
                )));
            }
            Err(fault) if same => return Err(fault),
            _ => before = after,
        }
    }
    Err(Fault::limit(format!("changed each of the {ATTEMPTS} times that it was read")))
}

/// Copies the bytes of a file that come next, as far as they are kept.
pub(super) fn copy_up_to_limit(copy: &mut Vec<u8>, bytes: &[u8]) {
    let room = COPY.saturating_sub(copy.len()).min(bytes.len());
    copy.extend_from_slice(bytes.get(..room).unwrap_or_default());
}

/// Whether nothing was written to a file between two looks at it.
pub(super) fn is_unchanged(before: &Metadata, after: &Metadata) -> bool {
    let stamp =
        |metadata: &Metadata| (metadata.inode, metadata.size, metadata.mtime, metadata.ctime);
    stamp(before) == stamp(after)
}

/// BLAKE3 of a file; small ones, which are most, are digested in one go.
pub(super) enum Hasher {
    Nothing,
    Whole(ContentDigest),
    Stream(Box<blake3::Hasher>),
}

impl Hasher {
    pub(super) fn update(&mut self, block: Block<'_>) {
        if let (Self::Nothing, Block::Last(bytes)) = (&*self, &block) {
            *self = Self::Whole(ContentDigest::of(bytes));
            return;
        }
        if !matches!(self, Self::Stream(_)) {
            *self = Self::Stream(Box::new(blake3::Hasher::new()));
        }
        if let Self::Stream(hasher) = self {
            hasher.update(block.bytes());
        }
    }

    pub(super) fn finish(self) -> ContentDigest {
        match self {
            Self::Nothing => ContentDigest::of(&[]),
            Self::Whole(digest) => digest,
            Self::Stream(hasher) => ContentDigest(*hasher.finalize().as_bytes()),
        }
    }
}

/// A piece of a file, in order.
#[derive(Clone, Copy)]
pub(super) enum Block<'a> {
    /// More follows.
    More(&'a [u8]),
    /// The end of the file.
    Last(&'a [u8]),
}

impl Block<'_> {
    /// The bytes, in either case.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::More(bytes) | Self::Last(bytes) => bytes,
        }
    }
}

/// Hands out the bytes of an open file in order, holes as zeros without reading them. Returns how
/// many there were, at most `size`.
pub(super) fn each_block(
    filesystem: &dyn Filesystem,
    node: &Node,
    size: u64,
    take: &mut dyn FnMut(Block<'_>),
) -> Result<u64, Fault> {
    SCRATCH.with_borrow_mut(|buffer| {
        let mut offset = 0;
        // Up to where the bytes are known to be no hole.
        let mut data_end = if size < SPARSE_FROM { size } else { 0 };
        while offset < size {
            if offset >= data_end {
                let data = filesystem.next_data(node, offset)?.unwrap_or(size..size);
                let hole_end = data.start.clamp(offset, size);
                if hole_end > offset {
                    zeros(hole_end - offset, hole_end == size, take);
                    offset = hole_end;
                }
                // A range that gives nothing would be asked for forever.
                data_end = data.end.max(offset.saturating_add(1)).min(size);
                continue;
            }
            let wanted = usize::try_from(data_end - offset).unwrap_or(BUFFER).min(BUFFER);
            let part = buffer.get_mut(..wanted).unwrap_or_default();
            let count = filesystem.read_at(node, offset, part)?;
            if count == 0 {
                break;
            }
            offset += count as u64;
            let bytes = part.get(..count).unwrap_or_default();
            take(if offset == size { Block::Last(bytes) } else { Block::More(bytes) });
        }
        Ok(offset)
    })
}

fn zeros(mut count: u64, is_end: bool, take: &mut dyn FnMut(Block<'_>)) {
    static ZEROS: [u8; BUFFER] = [0; BUFFER];
    while count > 0 {
        let length = usize::try_from(count).unwrap_or(BUFFER).min(BUFFER);
        count -= length as u64;
        let bytes = ZEROS.get(..length).unwrap_or_default();
        take(if is_end && count == 0 { Block::Last(bytes) } else { Block::More(bytes) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::directory::DirectoryFilesystem;
    use std::os::unix::fs::FileExt;

    /// A file of `size` bytes with a few bytes written at each offset.
    fn check(size: u64, writes: &[u64]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(size).unwrap();
        for offset in writes {
            file.write_all_at(b"data", *offset).unwrap();
        }
        let filesystem = DirectoryFilesystem::open(folder.path()).unwrap();
        let node = filesystem.lookup(&filesystem.root(), b"file").unwrap().unwrap();
        let metadata = filesystem.metadata(&node).unwrap();
        let node = filesystem.open(&node).unwrap();
        let Digested { digest, .. } = digest(&filesystem, &node, metadata, None, None).unwrap();
        assert_eq!(digest, ContentDigest::of(&std::fs::read(&path).unwrap()), "{size} {writes:?}");
    }

    #[test]
    fn dense_and_sparse_files_have_the_digest_of_their_bytes() {
        check(0, &[]);
        check(4, &[0]);
        check(BUFFER as u64, &[0]);
        check(BUFFER as u64 + 1, &[100]);
        check(3 << 20, &[]);
        check(5 << 20, &[0, 1 << 20, (5 << 20) - 4]);
        check(5 << 20, &[(2 << 20) + 17]);
    }
}
