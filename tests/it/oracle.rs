//! What the oracle tests of file systems share: images and their loop mounts, a tree that has what
//! readers get wrong, and the comparison of every attribute of every entry.

use blake3::Hasher;
use driftcheck::block::BlockDevice;
use driftcheck::filesystem::{Filesystem, Node};
use driftcheck::model::{Fault, FileKind};
use rustix::fs as unix;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A part of a file as a device.
#[derive(Debug)]
pub struct Image {
    file: File,
    start: u64,
    length: u64,
}

impl Image {
    /// The part of a file from `start` to `end`.
    pub fn part(path: &Path, start: u64, end: u64) -> Self {
        Self { file: File::open(path).unwrap(), start, length: end - start }
    }

    /// The whole file.
    pub fn open(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let length = file.metadata().unwrap().len();
        Self { file, start: 0, length }
    }
}

impl BlockDevice for Image {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        if offset + buffer.len() as u64 > self.length {
            return Err(Fault::damaged(format!("{} bytes at {offset}", buffer.len())));
        }
        self.file
            .read_exact_at(buffer, self.start + offset)
            .map_err(|error| Fault::unreadable("image", error))
    }
}

pub fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).env("LC_ALL", "C").output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} {arguments:?}: {said}"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Why images of `kind`, as `mount -t` names it, cannot be made by `program` and mounted here; `None`
/// where they can.
pub fn cannot_mount(program: &str, kind: &str) -> Option<String> {
    static LACK: OnceLock<Option<String>> = OnceLock::new();
    let lack = LACK.get_or_init(|| try_powers(tempfile::tempdir().unwrap().path()).err()).clone();
    lack.or_else(|| run(program, &["-V"]).err().map(|_| format!("there is no {program}"))).or_else(
        || {
            let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
            let is_known = known.lines().any(|line| line.trim_start() == kind);
            (!is_known && run("modprobe", &["-q", kind]).is_err())
                .then(|| format!("the kernel has no {kind}"))
        },
    )
}

/// Does all that the tests' trees and mounts need: containers withhold some of it even from root.
fn try_powers(folder: &Path) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("loop mounts need root".to_owned());
    }
    let file = folder.join("file");
    File::create(&file).and_then(|image| image.set_len(1 << 20)).unwrap();
    for (name, value) in [("trusted.driftcheck", "1"), ("user.driftcheck", "1")] {
        unix::lsetxattr(&file, name, value.as_bytes(), unix::XattrFlags::empty())
            .map_err(|error| format!("{name} cannot be set here: {error}"))?;
    }
    let mode = unix::Mode::from_raw_mode(0o600);
    let (kind, device) = (unix::FileType::BlockDevice, unix::makedev(259, 200_000));
    unix::mknodat(unix::CWD, folder.join("block"), kind, mode, device)
        .map_err(|error| format!("devices cannot be made here: {error}"))?;
    run("mkfs.ext4", &["-q", "-F", text(&file)])?;
    Mount::new("ext4", &file, &folder.join("mount"), "ro").map(drop)
}

/// A loop mount, undone when it goes.
pub struct Mount(pub PathBuf);

impl Mount {
    /// `kind` as `mount -t` names it.
    pub fn new(kind: &str, image: &Path, at: &Path, options: &str) -> Result<Self, String> {
        fs::create_dir_all(at).unwrap();
        let options = format!("loop,{options}");
        run("mount", &["-t", kind, "-o", &options, text(image), text(at)])?;
        Ok(Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = run("umount", &[text(&self.0)]);
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
fn set_times(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = unix::Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = unix::Timestamps { last_access: time, last_modification: time };
    unix::utimensat(unix::CWD, path, &times, unix::AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    let outcome = unix::lsetxattr(path, name, value, unix::XattrFlags::empty());
    assert!(outcome.is_ok(), "{}: {name}: {outcome:?}", path.display());
}

/// An access control list in the kernel's form: owner, user 1000, group, mask, others.
fn acl() -> Vec<u8> {
    let none = u32::MAX;
    let entries = [(1, 6, none), (2, 4, 1000), (4, 4, none), (8, 7, 123_456), (16, 7, none)];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries.into_iter().chain([(32, 0, none)]) {
        bytes.extend(u16::to_le_bytes(tag));
        bytes.extend(u16::to_le_bytes(permissions));
        bytes.extend(u32::to_le_bytes(id));
    }
    bytes
}

/// What a tree can have that a reader gets wrong.
pub fn fill(top: &Path, names: usize, large_xattrs: bool) {
    for (index, length) in [0, 1, 59, 60, 61, 130, 1000, 4095, 4096, 70_000].into_iter().enumerate()
    {
        let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
        fs::write(top.join(format!("file-{index}")), bytes).unwrap();
    }
    fill_sparse(top);
    fill_special(top);
    fill_directories(top, names);
    fill_xattrs(top, large_xattrs);
    let times =
        [("file-0", 0, 1), ("file-1", -1_262_304_000, 5), ("file-2", 4_102_444_800, 999_999_999)];
    for (name, seconds, nanoseconds) in times {
        set_times(&top.join(name), seconds, nanoseconds);
    }
    set_times(&top.join("file-3"), 7_258_118_400, 123_456_789);
    std::os::unix::fs::lchown(top.join("file-4"), Some(123_456), Some(4_000_000_000)).unwrap();
    fs::set_permissions(top.join("file-5"), fs::Permissions::from_mode(0o6755)).unwrap();
    fs::set_permissions(top.join("deep"), fs::Permissions::from_mode(0o1777)).unwrap();
}

fn fill_sparse(top: &Path) {
    let sparse = File::create(top.join("sparse")).unwrap();
    sparse.set_len(4 << 30).unwrap();
    // Below each kind of pointer block, and before the end.
    for offset in [5000, 100_000, 20 << 20, (1 << 30) + 7, (4 << 30) - 3] {
        sparse.write_all_at(b"abc", offset).unwrap();
    }
    let holes = File::create(top.join("holes")).unwrap();
    for index in 0..1500_u64 {
        holes.write_all_at(&[1], index * 8192).unwrap();
    }
    let allocated = File::create(top.join("allocated")).unwrap();
    // Block maps have no unwritten extents.
    if unix::fallocate(&allocated, unix::FallocateFlags::empty(), 0, 300_000).is_ok() {
        allocated.write_all_at(b"written", 100_000).unwrap();
    }
    File::create(top.join("only-hole")).unwrap().set_len(1 << 20).unwrap();
}

fn fill_special(top: &Path) {
    let node = |name: &str, kind, device| {
        let mode = unix::Mode::from_raw_mode(0o640);
        unix::mknodat(unix::CWD, top.join(name), kind, mode, device).unwrap();
    };
    node("fifo", unix::FileType::Fifo, 0);
    node("socket", unix::FileType::Socket, 0);
    node("null", unix::FileType::CharacterDevice, unix::makedev(1, 3));
    node("block", unix::FileType::BlockDevice, unix::makedev(259, 200_000));
    node("zero", unix::FileType::CharacterDevice, unix::makedev(0, 0));
    for length in [1, 59, 60, 61, 255, 1000] {
        let target = format!("{}x", "a/".repeat(length / 2));
        std::os::unix::fs::symlink(&target[..length], top.join(format!("link-{length}"))).unwrap();
    }
    fs::hard_link(top.join("file-6"), top.join("hard-1")).unwrap();
    fs::hard_link(top.join("file-6"), top.join("hard-2")).unwrap();
}

pub fn fill_directories(top: &Path, names: usize) {
    let many = top.join("many");
    fs::create_dir(&many).unwrap();
    for index in 0..names {
        fs::write(many.join(format!("name-{index:06}")), []).unwrap();
    }
    // Entries that were there once.
    for index in (0..names).step_by(7) {
        fs::remove_file(many.join(format!("name-{index:06}"))).unwrap();
    }
    let mut deep = top.join("deep");
    for level in 0..60 {
        deep.push(format!("{level}"));
    }
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("bottom"), b"reached").unwrap();
    let odd = top.join("odd");
    fs::create_dir(&odd).unwrap();
    for name in [b"\xff\xfe\x80".as_slice(), b" ", b"a\nb", &[b'n'; 255], "grün".as_bytes()] {
        fs::write(odd.join(OsStr::from_bytes(name)), name).unwrap();
    }
    for index in 0..6 {
        fs::create_dir(top.join(format!("few-{index}"))).unwrap();
        for name in 0..index {
            fs::create_dir(top.join(format!("few-{index}/sub-{name}"))).unwrap();
        }
    }
}

fn fill_xattrs(top: &Path, large: bool) {
    let path = |name: &str| top.join(name);
    set_xattr(&path("file-7"), "user.small", b"value");
    set_xattr(&path("file-7"), "user.empty", b"");
    set_xattr(&path("file-7"), "trusted.one", b"\0\xff");
    set_xattr(&path("file-8"), "user.large", &[b'v'; 700]);
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    set_xattr(&path("file-9"), "security.capability", &capability);
    set_xattr(&path("file-9"), "system.posix_acl_access", &acl());
    set_xattr(&path("deep"), "system.posix_acl_default", &acl());
    set_xattr(&path("link-1000"), "trusted.on-link", b"yes");
    set_xattr(&path("link-59"), "trusted.on-link", &[b'l'; 300]);
    set_xattr(&path("null"), "trusted.on-device", b"yes");
    if large {
        set_xattr(&path("holes"), "user.3k", &[b'3'; 3000]);
        set_xattr(&path("few-1"), "security.selinux", b"system_u:object_r:etc_t:s0\0");
    }
}

/// Which attributes a reference has exactly.
#[derive(Clone, Copy, PartialEq)]
pub enum Exactness {
    /// A mount of the same image.
    Same,
    /// A mount of the same image, of a format that has no time of the inode's change.
    SameButChangeTime,
    /// A mount that replayed a log at this time, in nanoseconds: what it removed on the way has got that
    /// time, and sizes of directories count names.
    Replayed(i64),
    /// The tree that mke2fs copied: other inodes, sizes of directories and times.
    Copied,
}

/// Compares everything below a node with what lies at `path`; returns how many entries.
pub fn compare(ours: &dyn Filesystem, node: &Node, path: &Path, exactness: Exactness) -> usize {
    let metadata = ours.metadata(node).unwrap();
    let theirs = fs::symlink_metadata(path).unwrap();
    let place = path.display();
    let kind = FileKind::from_mode(theirs.mode()).unwrap();
    assert_eq!(metadata.kind, kind, "{place}");
    assert_eq!(u32::from(metadata.mode), theirs.mode() & 0o7777, "{place}: mode");
    assert_eq!((metadata.uid, metadata.gid), (theirs.uid(), theirs.gid()), "{place}: owner");
    let device = metadata.device.map(|device| (device.major, device.minor));
    let is_device = matches!(kind, FileKind::CharacterDevice | FileKind::BlockDevice);
    let rdev = theirs.rdev();
    assert_eq!(device, is_device.then(|| (unix::major(rdev), unix::minor(rdev))), "{place}");
    if exactness != Exactness::Copied {
        let is_set = |time: (i64, i64)| {
            let time = time.0 * 1_000_000_000 + time.1;
            matches!(exactness, Exactness::Replayed(at) if time >= at)
        };
        let expected = (theirs.mtime(), theirs.mtime_nsec());
        if !is_set(expected) {
            let mtime = (metadata.mtime.seconds, i64::from(metadata.mtime.nanoseconds));
            assert_eq!(mtime, expected, "{place}: mtime");
        }
        let expected = (theirs.ctime(), theirs.ctime_nsec());
        if !is_set(expected) {
            let ctime = metadata.ctime.map(|time| (time.seconds, i64::from(time.nanoseconds)));
            let has_one = exactness != Exactness::SameButChangeTime;
            assert_eq!(ctime, has_one.then_some(expected), "{place}: ctime");
        }
        assert_eq!(u64::from(metadata.links), theirs.nlink(), "{place}: links");
        assert_eq!(metadata.inode.1, theirs.ino(), "{place}: inode");
    }
    let counts = matches!(exactness, Exactness::Copied | Exactness::Replayed(_));
    if !counts || matches!(kind, FileKind::File | FileKind::Symlink) {
        assert_eq!(metadata.size, theirs.size(), "{place}: size");
    }
    let mut xattrs = our_xattrs(ours, node);
    if exactness == Exactness::Copied {
        xattrs.retain(|(name, _)| name != MADE_BY_MKFS_XFS);
    }
    assert_eq!(xattrs, their_xattrs(path), "{place}: xattrs");
    match kind {
        FileKind::File => compare_bytes(ours, node, path),
        FileKind::Symlink => {
            let target = OsString::from_vec(ours.read_link(node).unwrap());
            assert_eq!(target, fs::read_link(path).unwrap(), "{place}: target");
        }
        FileKind::Directory => return 1 + compare_directory(ours, node, path, exactness),
        _ => {}
    }
    1
}

/// What newer releases of mkfs.xfs set on the root.
pub const MADE_BY_MKFS_XFS: &[u8] = b"trusted.xfs:autofsck";

fn compare_directory(
    ours: &dyn Filesystem,
    node: &Node,
    path: &Path,
    exactness: Exactness,
) -> usize {
    let listing = ours.read_directory(node).unwrap();
    assert!(listing.faults.is_empty(), "{}: {:?}", path.display(), listing.faults);
    let found: BTreeMap<Vec<u8>, Node> =
        listing.entries.into_iter().map(|e| (e.name.as_bytes().to_vec(), e.node)).collect();
    let mut expected: Vec<Vec<u8>> =
        fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_vec()).collect();
    expected.sort();
    let mut names: Vec<Vec<u8>> = found.keys().cloned().collect();
    if exactness == Exactness::Copied {
        names.retain(|name| name != b"lost+found");
    }
    assert_eq!(names, expected, "{}", path.display());
    for name in names.iter().step_by(names.len() / 50 + 1) {
        let looked_up = ours.lookup(node, name).unwrap().unwrap();
        assert_eq!(looked_up.number, found[name].number);
    }
    assert!(ours.lookup(node, b"not there").unwrap().is_none());
    let below = |name: &Vec<u8>| {
        compare(ours, &found[name], &path.join(OsStr::from_bytes(name)), exactness)
    };
    names.iter().map(below).sum()
}

fn our_xattrs(ours: &dyn Filesystem, node: &Node) -> Vec<(Vec<u8>, Vec<u8>)> {
    let found = ours.xattrs(node).unwrap();
    found.into_iter().map(|x| (x.name.into_vec(), x.value.into_vec())).collect()
}

fn their_xattrs(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0; 65_536];
    let length = unix::llistxattr(path, &mut names[..]).unwrap();
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut found: Vec<_> = names
        .map(|name| {
            let mut value = vec![0; 65_536];
            let length = unix::lgetxattr(path, OsStr::from_bytes(name), &mut value[..]).unwrap();
            value.truncate(length);
            (name.to_vec(), value)
        })
        .collect();
    found.sort();
    // XFS shows an ACL a second time, as it stores it; no reader of ours does.
    for (shown, stored) in [("access", "FILE"), ("default", "DEFAULT")] {
        let shown = format!("system.posix_acl_{shown}").into_bytes();
        if found.iter().any(|(name, _)| *name == shown) {
            let stored = format!("trusted.SGI_ACL_{stored}").into_bytes();
            found.retain(|(name, _)| *name != stored);
        }
    }
    found
}

/// The bytes of a file by ranges that may have any, and those ranges.
fn digest(
    size: u64,
    mut next: impl FnMut(u64) -> Option<(u64, u64)>,
    mut read: impl FnMut(u64, &mut [u8]),
) -> String {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 100_001];
    let mut at = 0;
    while let Some((start, end)) = next(at) {
        let mut from = start;
        while from < end {
            let length = usize::try_from((end - from).min(buffer.len() as u64)).unwrap();
            read(from, &mut buffer[..length]);
            // Zeros count no more than a hole, so that ranges may differ.
            for (index, byte) in buffer[..length].iter().enumerate().filter(|(_, b)| **b != 0) {
                hasher.update(&(from + index as u64).to_le_bytes()).update(&[*byte]);
            }
            from += length as u64;
        }
        at = end;
        assert!(at <= size);
    }
    hasher.finalize().to_string()
}

fn compare_bytes(ours: &dyn Filesystem, node: &Node, path: &Path) {
    let place = path.display();
    let node = ours.open(node).unwrap();
    let size = ours.metadata(&node).unwrap().size;
    let file = File::open(path).unwrap();
    let read_ours = |offset: u64, buffer: &mut [u8]| {
        assert_eq!(ours.read_at(&node, offset, buffer).unwrap(), buffer.len(), "{place}");
    };
    let by_ours = digest(
        size,
        |at| ours.next_data(&node, at).unwrap().map(|range| (range.start, range.end)),
        read_ours,
    );
    let by_kernel = digest(
        size,
        |at| {
            let start = unix::seek(&file, unix::SeekFrom::Data(at)).ok().filter(|_| at < size)?;
            Some((start, unix::seek(&file, unix::SeekFrom::Hole(start)).unwrap().min(size)))
        },
        |offset, buffer| file.read_exact_at(buffer, offset).unwrap(),
    );
    assert_eq!(by_ours, by_kernel, "{place}: bytes");
    if size < 32 << 20 {
        let mut whole = vec![0xaa; usize::try_from(size).unwrap() + 10];
        assert_eq!(ours.read_at(&node, 0, &mut whole).unwrap() as u64, size, "{place}");
        whole.truncate(usize::try_from(size).unwrap());
        assert_eq!(blake3::hash(&whole), blake3::hash(&fs::read(path).unwrap()), "{place}");
    }
    assert_eq!(ours.read_at(&node, size, &mut [0; 10]).unwrap(), 0, "{place}: behind the end");
}
