//! A live directory tree: this host's root, or any folder of it.
//!
//! Everything is done relative to open directories and never through a path from the top, so that
//! depth is not limited by `PATH_MAX` and a tree that is moved meanwhile is not mixed up with
//! another. No link is followed; only directories and regular files are opened, without blocking,
//! and without touching access times where the system allows it. What is mounted below the top is
//! judged by [`mountinfo`].

mod mountinfo;

use super::xattrs::drop_stored_acls;
use super::{DirectoryEntry, Filesystem, Listing, Metadata, Node};
use crate::model::{DeviceNumber, Fault, FileKind, Name, Timestamp, Xattr};
use mountinfo::MountTable;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, SeekFrom, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Directory records are read this many bytes at a time.
const LIST_BUFFER: usize = 32 * 1024;

/// Largest list of names or value of one extended attribute that Linux allows
/// (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const XATTR_MAX: usize = 64 * 1024;

/// A folder of the running system, read as a file system.
#[derive(Debug)]
pub struct DirectoryFilesystem {
    root: Arc<OwnedFd>,
    path: PathBuf,
    mounts: Mutex<MountTable>,
}

/// What a node of this file system stands for.
enum Place {
    /// Open: stays what it is while it is held.
    Open {
        fd: Arc<OwnedFd>,
        /// A descriptor has one place in its listing, so it is listed once; later listings open
        /// the directory again.
        listed: AtomicBool,
    },
    /// A name in an open directory.
    Named { directory: Arc<OwnedFd>, name: Name, mount_root: AtomicBool },
}

fn fault(what: &str, errno: Errno) -> Fault {
    Fault::unreadable(what, errno.into())
}

impl DirectoryFilesystem {
    /// Opens the folder at a path of this host; links on the way to it are followed, as a person
    /// who names it expects.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let named = |error| Fault::unreadable(path.display(), error);
        let path = std::fs::canonicalize(path).map_err(named)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&path, flags, Mode::empty()).map_err(|e| named(e.into()))?;
        let mounts = Mutex::new(MountTable::read(&path));
        Ok(Self { root: Arc::new(root), path, mounts })
    }

    /// Where it lies on this host, all links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn place<'n>(&self, node: &'n Node) -> Result<&'n Place, Fault> {
        let state = node.state.as_ref().and_then(|state| state.downcast_ref::<Place>());
        state.ok_or_else(|| Fault::damaged("a node of another file system"))
    }

    fn statx(&self, node: &Node) -> Result<Statx, Fault> {
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
        let result = match self.place(node)? {
            Place::Open { fd, .. } => rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, wanted),
            Place::Named { directory, name, mount_root } => {
                let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
                let result = rustix::fs::statx(directory, name.as_bytes(), flags, wanted);
                if let Ok(found) = &result {
                    let is_root = found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
                    mount_root.store(is_root, Ordering::Relaxed);
                }
                result
            }
        };
        result.map_err(|errno| fault("statx", errno))
    }

    /// The descriptor of a node that is to be read, opened if it is not.
    fn descriptor(&self, node: &Node) -> Result<Arc<OwnedFd>, Fault> {
        match self.place(node)? {
            Place::Open { fd, .. } => Ok(fd.clone()),
            Place::Named { directory, name, .. } => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let open =
                    |flags| rustix::fs::openat(directory, name.as_bytes(), flags, Mode::empty());
                // Only the owner and root may leave access times alone; others are told EPERM.
                let opened = match open(flags | OFlags::NOATIME) {
                    Err(Errno::PERM) => open(flags),
                    other => other,
                };
                opened.map(Arc::new).map_err(|errno| fault("open", errno))
            }
        }
    }

    /// A path that leads to a node, for the calls that take no directory descriptor.
    fn proc_path(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        Ok(match self.place(node)? {
            Place::Open { fd, .. } => format!("/proc/self/fd/{}", fd.as_raw_fd()).into_bytes(),
            Place::Named { directory, name, .. } => {
                let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
                path.extend_from_slice(name.as_bytes());
                path
            }
        })
    }
}

impl Filesystem for DirectoryFilesystem {
    fn type_name(&self) -> &str {
        "directory"
    }

    fn root(&self) -> Node {
        open_node(self.root.clone(), true)
    }

    fn metadata(&self, node: &Node) -> Result<Metadata, Fault> {
        let found = self.statx(node)?;
        let kind = FileKind::from_mode(found.stx_mode.into())
            .ok_or_else(|| Fault::damaged(format!("file type in mode {:o}", found.stx_mode)))?;
        let time = |time: rustix::fs::StatxTimestamp| Timestamp {
            seconds: time.tv_sec,
            nanoseconds: time.tv_nsec,
        };
        let is_device = matches!(kind, FileKind::CharacterDevice | FileKind::BlockDevice);
        Ok(Metadata {
            kind,
            mode: found.stx_mode & 0o7777,
            uid: found.stx_uid,
            gid: found.stx_gid,
            size: found.stx_size,
            mtime: time(found.stx_mtime),
            ctime: Some(time(found.stx_ctime)),
            links: found.stx_nlink,
            device: is_device.then_some(DeviceNumber {
                major: found.stx_rdev_major,
                minor: found.stx_rdev_minor,
            }),
            inode: inode(&found),
        })
    }

    fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
        let mut fd = self.descriptor(node)?;
        if let Place::Open { listed, .. } = self.place(node)?
            && listed.swap(true, Ordering::Relaxed)
        {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let again = rustix::fs::openat(&fd, c".", flags, Mode::empty());
            fd = Arc::new(again.map_err(|errno| fault("open", errno))?);
        }
        let mut buffer = vec![MaybeUninit::uninit(); LIST_BUFFER];
        let mut records = RawDir::new(&fd, &mut buffer);
        let mut listing = Listing::default();
        while let Some(record) = records.next() {
            let record = record.map_err(|errno| fault("getdents", errno))?;
            let bytes = record.file_name().to_bytes();
            if matches!(bytes, b"." | b"..") {
                continue;
            }
            let Some(name) = Name::new(bytes) else {
                listing.faults.push(Fault::damaged("a name that no directory can hold"));
                continue;
            };
            let place = Place::Named {
                directory: fd.clone(),
                name: name.clone(),
                mount_root: AtomicBool::new(false),
            };
            let node = Node { number: 0, state: Some(Arc::new(place)) };
            listing.entries.push(DirectoryEntry { name, node });
        }
        Ok(listing)
    }

    fn lookup(&self, directory: &Node, name: &[u8]) -> Result<Option<Node>, Fault> {
        let Some(name) = Name::new(name) else { return Ok(None) };
        let directory = self.descriptor(directory)?;
        let place = Place::Named { directory, name, mount_root: AtomicBool::new(false) };
        let node = Node { number: 0, state: Some(Arc::new(place)) };
        match self.statx(&node) {
            Ok(_) => Ok(Some(node)),
            Err(fault) if fault.is_not_found() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn open(&self, node: &Node) -> Result<Node, Fault> {
        match self.place(node)? {
            Place::Open { .. } => Ok(node.clone()),
            Place::Named { .. } => Ok(open_node(self.descriptor(node)?, false)),
        }
    }

    fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let fd = self.descriptor(node)?;
        loop {
            match rustix::io::pread(&fd, &mut *buffer, offset) {
                Err(Errno::INTR) => {}
                other => return other.map_err(|errno| fault("read", errno)),
            }
        }
    }

    fn next_data(&self, node: &Node, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        let fd = self.descriptor(node)?;
        let start = match rustix::fs::seek(&fd, SeekFrom::Data(offset)) {
            Ok(start) => start,
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => return Ok(None),
            // A file system that does not know its holes.
            Err(_) => {
                let size = self.metadata(node)?.size;
                return Ok((offset < size).then_some(offset..size));
            }
        };
        let end = rustix::fs::seek(&fd, SeekFrom::Hole(start));
        Ok(Some(start..end.map_err(|errno| fault("seek to a hole", errno))?))
    }

    fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        let Place::Named { directory, name, .. } = self.place(node)? else {
            return Err(Fault::damaged("an open node is no link"));
        };
        rustix::fs::readlinkat(directory, name.as_bytes(), Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(|errno| fault("readlink", errno))
    }

    fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>, Fault> {
        let (path, links) = match self.place(node)? {
            Place::Open { fd, .. } => {
                // Almost every file has none: that is answered without another look at the path.
                if matches!(rustix::fs::flistxattr_query(fd), Ok(0) | Err(Errno::NOTSUP)) {
                    return Ok(Vec::new());
                }
                (self.proc_path(node)?, Links::Follow)
            }
            Place::Named { .. } => (self.proc_path(node)?, Links::Keep),
        };
        read_xattrs(&path, links)
    }

    fn left_out(&self, directory: &Node) -> Option<String> {
        match self.place(directory).ok()? {
            Place::Named { mount_root, .. } if mount_root.load(Ordering::Relaxed) => {
                let id = self.statx(directory).ok()?.stx_mnt_id;
                let mut mounts = self.mounts.lock().ok()?;
                mounts.reason_to_leave_out(id, &self.path)
            }
            _ => None,
        }
    }
}

/// What tells the inode at a path of this host apart, as [`Metadata::inode`] does; `None` where
/// nothing lies there.
#[must_use]
pub fn inode_of(path: &Path) -> Option<(u64, u64)> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::statx(rustix::fs::CWD, path, flags, StatxFlags::INO).ok().map(|s| inode(&s))
}

fn inode(found: &Statx) -> (u64, u64) {
    (u64::from(found.stx_dev_major) << 32 | u64::from(found.stx_dev_minor), found.stx_ino)
}

fn open_node(fd: Arc<OwnedFd>, listed: bool) -> Node {
    let place = Place::Open { fd, listed: AtomicBool::new(listed) };
    Node { number: 0, state: Some(Arc::new(place)) }
}

/// Whether the last component of a path may be a link: `/proc/self/fd/N` itself always is one.
#[derive(Clone, Copy)]
enum Links {
    Follow,
    Keep,
}

/// Reads all attributes of what a path leads to.
fn read_xattrs(path: &[u8], links: Links) -> Result<Vec<Xattr>, Fault> {
    let list = |names: &mut [u8]| match links {
        Links::Follow => rustix::fs::listxattr(path, names),
        Links::Keep => rustix::fs::llistxattr(path, names),
    };
    let mut small = [0_u8; 512];
    let mut large = Vec::new();
    let names = match list(&mut small) {
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(Errno::RANGE) => {
            large.resize(XATTR_MAX, 0);
            list(&mut large).map(|length| large.get(..length))
        }
        other => other.map(|length| small.get(..length)),
    };
    // The kernel ends each name by NUL.
    let names = names.map_err(|errno| fault("listxattr", errno))?.unwrap_or_default();
    let mut xattrs = Vec::new();
    for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0_u8; XATTR_MAX];
        let length = match links {
            Links::Follow => rustix::fs::getxattr(path, name, &mut value),
            Links::Keep => rustix::fs::lgetxattr(path, name, &mut value),
        };
        match length {
            Ok(length) => {
                value.truncate(length);
                xattrs.push(Xattr { name: name.into(), value: value.into() });
            }
            // Taken away between the two calls.
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(fault("getxattr", errno)),
        }
    }
    xattrs.sort();
    drop_stored_acls(&mut xattrs);
    Ok(xattrs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::resolve::{LastLink, read_file, resolve};
    use crate::model::TreePath;
    use std::os::unix::fs::symlink;

    #[test]
    fn reads_what_lies_there_and_follows_nothing_out() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("root");
        std::fs::create_dir_all(top.join("etc")).unwrap();
        std::fs::write(top.join("etc/motd"), "hello").unwrap();
        std::fs::write(folder.path().join("secret"), "outside").unwrap();
        symlink("/etc/motd", top.join("absolute")).unwrap();
        symlink("../../secret", top.join("etc/escape")).unwrap();
        symlink("loop", top.join("loop")).unwrap();
        let filesystem = DirectoryFilesystem::open(&top).unwrap();
        let read = |path: &str| read_file(&filesystem, &TreePath::parse(path), 100);
        assert_eq!(read("/etc/motd").unwrap().unwrap(), b"hello");
        assert_eq!(read("/absolute").unwrap().unwrap(), b"hello");
        assert_eq!(read("/etc/escape").unwrap(), None);
        assert!(read("/loop").is_err());
        let link = resolve(&filesystem, &TreePath::parse("/etc/escape"), LastLink::Keep);
        assert_eq!(filesystem.read_link(&link.unwrap().unwrap().node).unwrap(), b"../../secret");
    }

    #[test]
    fn a_directory_is_listed_as_often_as_asked() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..2000 {
            std::fs::write(folder.path().join(format!("file-{number:04}")), "").unwrap();
        }
        let filesystem = DirectoryFilesystem::open(folder.path()).unwrap();
        let root = filesystem.root();
        for _ in 0..2 {
            assert_eq!(filesystem.read_directory(&root).unwrap().entries.len(), 2000);
        }
    }

    #[test]
    fn holes_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(folder.path().join("sparse")).unwrap();
        file.set_len(1 << 32).unwrap();
        let filesystem = DirectoryFilesystem::open(folder.path()).unwrap();
        let node = filesystem.lookup(&filesystem.root(), b"sparse").unwrap().unwrap();
        let node = filesystem.open(&node).unwrap();
        assert_eq!(filesystem.next_data(&node, 0).unwrap(), None);
    }
}
