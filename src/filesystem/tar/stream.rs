//! The bytes of an archive in order, and where they can be read again at any offset.
//!
//! What is not compressed is read in place. What is compressed is unpacked once, into a file
//! without a name in the folder for temporary files, whose zeros take no space: then both are the
//! same to what stands above, offsets into a device.

use super::decompress::{Compression, UnpackLimits, Unpacker};
use super::header::BLOCK;
use crate::block::BlockDevice;
use crate::model::Fault;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// As much is read ahead for headers; file contents are skipped without being read.
const READ_AHEAD: usize = 16 * 1024;

/// Unpacked bytes are handled in such pieces.
const PIECE: usize = 128 * 1024;

/// A file as a device.
#[derive(Debug)]
pub(super) struct FileDevice {
    file: File,
    length: u64,
}

impl FileDevice {
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let place = path.display();
        let unreadable = |error| Fault::unreadable(&place, error);
        // Opening a pipe would wait for somebody who writes.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(Fault::unsupported(format!("{place} is no regular file")));
        }
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        Ok(Self { file, length })
    }
}

impl BlockDevice for FileDevice {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        self.file.read_exact_at(buffer, offset).map_err(|error| {
            let what = format!("{} bytes at {offset} of {}", buffer.len(), self.length);
            match error.kind() {
                io::ErrorKind::UnexpectedEof => Fault::damaged(format!("{what}: beyond the end")),
                _ => Fault::unreadable(what, error),
            }
        })
    }
}

/// The bytes of an archive in order.
pub(super) struct Stream {
    position: u64,
    source: Source,
}

enum Source {
    InPlace { device: Arc<dyn BlockDevice>, ahead: Vec<u8>, ahead_start: u64 },
    Unpacking { unpacker: Unpacker, spill: Spill, piece: Vec<u8> },
}

impl Stream {
    /// Begins at the start of `device`.
    pub(super) fn new(device: Arc<dyn BlockDevice>, limits: UnpackLimits) -> Result<Self, Fault> {
        let mut start = [0; BLOCK];
        let length = usize::try_from(device.length()).unwrap_or(usize::MAX).min(start.len());
        let start = start.get_mut(..length).unwrap_or_default();
        device.read_at(0, start)?;
        let compression = Compression::recognise(start)?;
        let source = match Unpacker::new(Arc::clone(&device), compression, limits)? {
            Some(unpacker) => {
                Source::Unpacking { unpacker, spill: Spill::new()?, piece: vec![0; PIECE] }
            }
            None => Source::InPlace { device, ahead: Vec::new(), ahead_start: 0 },
        };
        Ok(Self { position: 0, source })
    }

    /// Where the next byte stands.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Fills the buffer; fewer bytes than it holds only at the end.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let count = match &mut self.source {
            Source::InPlace { device, ahead, ahead_start } => {
                read_in_place(device.as_ref(), ahead, ahead_start, self.position, buffer)?
            }
            Source::Unpacking { unpacker, spill, .. } => {
                let count = unpacker.fill(buffer)?;
                spill.write(self.position, buffer.get(..count).unwrap_or_default())?;
                count
            }
        };
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }

    /// Goes on at `target`, or at the end where it lies beyond; says whether it was reached.
    pub(super) fn skip_to(&mut self, target: u64) -> Result<bool, Fault> {
        match &mut self.source {
            Source::InPlace { device, .. } => {
                self.position = target.min(device.length()).max(self.position);
            }
            Source::Unpacking { unpacker, spill, piece } => {
                while self.position < target {
                    let rest = target.saturating_sub(self.position);
                    let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(piece.len());
                    let part = piece.get_mut(..wanted).unwrap_or_default();
                    let count = unpacker.fill(part)?;
                    spill.write(self.position, part.get(..count).unwrap_or_default())?;
                    self.position = self.position.saturating_add(count as u64);
                    if count < wanted {
                        break;
                    }
                }
            }
        }
        Ok(self.position >= target)
    }

    /// Reads all that is left, so that the checksums of compressed data are verified.
    pub(super) fn drain(&mut self) -> Result<(), Fault> {
        match self.source {
            Source::InPlace { .. } => Ok(()),
            Source::Unpacking { .. } => self.skip_to(u64::MAX).map(drop),
        }
    }

    /// Where all bytes that were passed can be read again, at the same offsets.
    pub(super) fn into_device(self) -> Result<Arc<dyn BlockDevice>, Fault> {
        match self.source {
            Source::InPlace { device, .. } => Ok(device),
            Source::Unpacking { spill, .. } => Ok(Arc::new(spill.finish(self.position)?)),
        }
    }
}

fn read_in_place(
    device: &dyn BlockDevice,
    ahead: &mut Vec<u8>,
    ahead_start: &mut u64,
    position: u64,
    buffer: &mut [u8],
) -> Result<usize, Fault> {
    let rest = usize::try_from(device.length().saturating_sub(position)).unwrap_or(usize::MAX);
    let count = buffer.len().min(rest);
    let buffer = buffer.get_mut(..count).unwrap_or_default();
    if count > READ_AHEAD {
        device.read_at(position, buffer)?;
        return Ok(count);
    }
    let known = |ahead: &[u8], start: u64| {
        let from = usize::try_from(position.checked_sub(start)?).ok()?;
        let part = ahead.get(from..from.checked_add(count)?)?;
        Some(part.to_vec())
    };
    let part = match known(ahead, *ahead_start) {
        Some(part) => part,
        None => {
            ahead.clear();
            ahead.resize(READ_AHEAD.min(rest), 0);
            *ahead_start = position;
            device.read_at(position, ahead).inspect_err(|_| ahead.clear())?;
            ahead.get(..count).unwrap_or_default().to_vec()
        }
    };
    buffer.copy_from_slice(&part);
    Ok(count)
}

/// A file that nobody else can name, for unpacked bytes.
struct Spill {
    file: File,
}

impl Spill {
    fn new() -> Result<Self, Fault> {
        let folder = std::env::temp_dir();
        let place = format!("a temporary file in {}", folder.display());
        let file = unnamed_file(&folder).map_err(|error| Fault::unreadable(place, error))?;
        Ok(Self { file })
    }

    /// Zeros are left out: what was never written reads as zeros.
    fn write(&self, position: u64, bytes: &[u8]) -> Result<(), Fault> {
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        self.file
            .write_all_at(bytes, position)
            .map_err(|error| Fault::unreadable("writing unpacked bytes to a temporary file", error))
    }

    fn finish(self, length: u64) -> Result<FileDevice, Fault> {
        self.file.set_len(length).map_err(|error| Fault::unreadable("a temporary file", error))?;
        Ok(FileDevice { file: self.file, length })
    }
}

/// Opens a new file without a name; on file systems that have none such, one whose name is taken
/// away at once.
fn unnamed_file(folder: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
        return Ok(file.into());
    }
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("driftcheck-{}-{number}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may fail loudly")]
pub(in crate::filesystem) mod tests {
    use super::*;

    /// Bytes as a device.
    #[derive(Debug)]
    pub(in crate::filesystem) struct Bytes(pub(in crate::filesystem) Vec<u8>);

    impl BlockDevice for Bytes {
        fn length(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
            let start = usize::try_from(offset).unwrap();
            let part = self.0.get(start..start + buffer.len());
            buffer.copy_from_slice(part.ok_or_else(|| Fault::damaged("beyond the end"))?);
            Ok(())
        }
    }

    /// Reads 700 bytes, skips to `target`, reads 700 more, then looks at all again.
    fn check(device: Vec<u8>, bytes: &[u8], target: usize) {
        let mut stream = Stream::new(Arc::new(Bytes(device)), UnpackLimits::default()).unwrap();
        let mut buffer = [0; 700];
        for start in [0, target] {
            assert!(stream.skip_to(start as u64).unwrap());
            let expected = &bytes[start..bytes.len().min(start + 700)];
            assert_eq!(stream.fill(&mut buffer).unwrap(), expected.len());
            assert_eq!(&buffer[..expected.len()], expected);
        }
        stream.drain().unwrap();
        let device = stream.into_device().unwrap();
        let mut all = vec![1; bytes.len()];
        device.read_at(0, &mut all).unwrap();
        assert!(all == bytes);
        assert!(device.read_at(1, &mut all).is_err());
    }

    #[test]
    fn both_sources_give_the_same() {
        let mut bytes: Vec<u8> = (0..600_000_u32).map(|i| i.to_le_bytes()[1]).collect();
        bytes[200_000..500_000].fill(0);
        for target in [700, 20_000, 300_000, 599_800] {
            check(bytes.clone(), &bytes, target);
            check(zstd::encode_all(bytes.as_slice(), 1).unwrap(), &bytes, target);
        }
    }
}
