//! What all targets share: the input as a device, and a walk that reads all there is.
//!
//! The invariant of every reader: whatever the bytes are, reading ends, in bounded memory and
//! without a panic.

use driftcheck::block::BlockDevice;
use driftcheck::filesystem::{Filesystem, Node};
use driftcheck::model::{Fault, FileKind};
use std::path::{Path, PathBuf};

/// As many entries are visited: a small input can name one inode many times.
const MAX_ENTRIES: usize = 2000;
/// As many bytes of one file are read, for the same reason.
const MAX_FILE: u64 = 1 << 20;
const MAX_DEPTH: usize = 64;
/// As many pieces of 64 KiB are read of a device.
const MAX_PIECES: usize = 40;
/// A device of at least this length, zeros behind the input: an image's tail is rarely needed.
const MIN_LENGTH: u64 = 4 << 20;

/// The input as a device.
#[derive(Debug)]
pub struct Input(Vec<u8>);

impl Input {
    /// Copies the input.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl BlockDevice for Input {
    fn length(&self) -> u64 {
        MIN_LENGTH.max(self.0.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.length()) {
            return Err(Fault::damaged(format!("beyond the end: {offset}")));
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(start..).unwrap_or_default();
        let (there, behind) = buffer.split_at_mut(rest.len().min(buffer.len()));
        there.copy_from_slice(&rest[..there.len()]);
        behind.fill(0);
        Ok(())
    }
}

/// The input as a file, for readers that begin with a path; taken away when it goes.
#[derive(Debug)]
pub struct OnDisk(PathBuf);

impl OnDisk {
    /// Writes the input, in memory where the system has a place for that.
    ///
    /// # Panics
    /// Where nothing can be written.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let path = folder.join(format!("fuzzed-{}", std::process::id()));
        std::fs::write(&path, bytes).expect("a temporary file");
        Self(path)
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Reads a device in pieces, up to a limit, and its end.
///
/// # Panics
/// Where a range of data is not where it should be.
pub fn read_device(device: &dyn BlockDevice) {
    let mut buffer = vec![0; 64 << 10];
    let mut at = 0;
    for _ in 0..MAX_PIECES {
        let Ok(Some(range)) = device.next_data(at) else { break };
        assert!(range.start >= at && range.start < range.end && range.end <= device.length());
        let count = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let count = count.min(buffer.len());
        let _ = device.read_at(range.start, &mut buffer[..count]);
        at = range.start + count as u64;
    }
    let _ = device.read_at(device.length().saturating_sub(1000), &mut buffer[..1000]);
}

/// Reads everything, as a scan does, up to the limits above.
pub fn walk(filesystem: &dyn Filesystem) {
    let mut entries = 0;
    visit(filesystem, &filesystem.root(), 0, &mut entries);
}

fn visit(filesystem: &dyn Filesystem, node: &Node, depth: usize, entries: &mut usize) {
    *entries += 1;
    if *entries > MAX_ENTRIES || depth > MAX_DEPTH {
        return;
    }
    let _ = filesystem.xattrs(node);
    let Ok(metadata) = filesystem.metadata(node) else { return };
    match metadata.kind {
        FileKind::File => {
            let _ = read(filesystem, node);
        }
        FileKind::Symlink => {
            let _ = filesystem.read_link(node);
        }
        FileKind::Directory => {
            let Ok(listing) = filesystem.read_directory(node) else { return };
            if let Some(last) = listing.entries.last() {
                let _ = filesystem.lookup(node, last.name.as_bytes());
            }
            for entry in listing.entries {
                visit(filesystem, &entry.node, depth + 1, entries);
            }
        }
        _ => {}
    }
}

fn read(filesystem: &dyn Filesystem, node: &Node) -> Result<(), Fault> {
    let node = filesystem.open(node)?;
    let mut buffer = vec![0; 64 << 10];
    let (mut at, mut left) = (0, MAX_FILE);
    while let Some(range) = filesystem.next_data(&node, at)? {
        assert!(range.start >= at && range.end > range.start, "{range:?} after {at}");
        at = range.start;
        while at < range.end {
            let count = filesystem.read_at(&node, at, &mut buffer)? as u64;
            if count == 0 || count > left {
                return Ok(());
            }
            (at, left) = (at + count, left - count);
        }
    }
    Ok(())
}
