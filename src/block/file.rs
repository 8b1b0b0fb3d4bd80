//! A file of this host as a device: a raw image, the file below a container, a block device.
//!
//! Only regular files and block devices are opened, and opening never blocks. What the file system
//! below knows to be a hole is skipped by [`BlockDevice::next_data`].

use super::{BlockDevice, check_range};
use crate::model::Fault;
use rustix::fs::{FileType, Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// An open file or block device.
#[derive(Debug)]
pub struct FileDevice {
    file: File,
    path: PathBuf,
    length: u64,
    identity: (u64, u64),
}

impl FileDevice {
    /// Opens a regular file or a block device for reading.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let unreadable = |errno: Errno| Fault::unreadable(path.display(), errno.into());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let descriptor = rustix::fs::open(path, flags, Mode::empty()).map_err(unreadable)?;
        let stat = rustix::fs::fstat(&descriptor).map_err(unreadable)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let length = match kind {
            FileType::RegularFile => u64::try_from(stat.st_size).unwrap_or(0),
            FileType::BlockDevice => {
                rustix::fs::seek(&descriptor, SeekFrom::End(0)).map_err(unreadable)?
            }
            _ => {
                return Err(Fault::unsupported(format!(
                    "{}: neither a regular file nor a block device",
                    path.display()
                )));
            }
        };
        Ok(Self {
            file: File::from(descriptor),
            path: path.to_owned(),
            length,
            identity: (stat.st_dev, stat.st_ino),
        })
    }

    /// Where it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode number: equal for two names of one file.
    #[must_use]
    pub const fn identity(&self) -> (u64, u64) {
        self.identity
    }
}

impl BlockDevice for FileDevice {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        check_range(self.length, offset, buffer.len())
            .map_err(|fault| fault.within(self.path.display()))?;
        self.file.read_exact_at(buffer, offset).map_err(|error| {
            Fault::unreadable(
                format!("{}: {} bytes at {offset}", self.path.display(), buffer.len()),
                error,
            )
        })
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        if offset >= self.length {
            return Ok(None);
        }
        // The position that `lseek` moves is used by nobody: all reads name their offset.
        let start = match rustix::fs::seek(&self.file, SeekFrom::Data(offset)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(None),
            Err(_) => return Ok(Some(offset..self.length)),
        };
        if start >= self.length {
            return Ok(None);
        }
        let end = rustix::fs::seek(&self.file, SeekFrom::Hole(start)).unwrap_or(self.length);
        Ok(Some(start..if end > start { end.min(self.length) } else { self.length }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_holes_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let file = File::create(&path).unwrap();
        file.set_len(1 << 20).unwrap();
        file.write_all_at(&[7; 4096], 512 << 10).unwrap();
        let device = FileDevice::open(&path).unwrap();
        assert_eq!(device.length(), 1 << 20);
        let data = device.next_data(0).unwrap().unwrap();
        assert!(data.start <= 512 << 10 && data.end >= (512 << 10) + 4096);
        assert_eq!(device.next_data(1 << 20).unwrap(), None);
        let mut buffer = [0; 2];
        device.read_at((512 << 10) - 1, &mut buffer).unwrap();
        assert_eq!(buffer, [0, 7]);
        assert!(device.read_at((1 << 20) - 1, &mut buffer).is_err());
    }

    #[test]
    fn only_files_and_block_devices_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let fault = FileDevice::open(folder.path()).unwrap_err();
        assert!(fault.detail.ends_with("neither a regular file nor a block device"), "{fault}");
        assert!(FileDevice::open(&folder.path().join("none")).unwrap_err().is_not_found());
    }
}
