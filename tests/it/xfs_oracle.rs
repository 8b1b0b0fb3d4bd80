//! Our reader of XFS against the kernel: images made by mkfs.xfs and filled through a loop mount,
//! every attribute of every entry compared. Kernels without version 4 leave it to a tree that
//! mkfs.xfs copies by itself.

use super::oracle::{
    Exactness, Image, Mount, cannot_mount, compare, fill, fill_directories, run, text,
};
use driftcheck::filesystem::resolve::{LastLink, resolve};
use driftcheck::filesystem::xfs::Xfs;
use driftcheck::filesystem::{Filesystem, recognise};
use driftcheck::model::TreePath;
use rustix::fs as unix;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A sparse file with a file system on it. mkfs.xfs wants 300 MB at least.
pub fn make_image(folder: &Path, arguments: &[&str]) -> PathBuf {
    let image = folder.join("image");
    File::create(&image).unwrap().set_len(320 << 20).unwrap();
    run("mkfs.xfs", &[&["-q", "-f"], arguments, &[text(&image)]].concat()).unwrap();
    image
}

/// What XFS keeps in other ways as it grows: attributes in leaves, trees and blocks of their own,
/// extents in trees, shared blocks.
pub fn grow(top: &Path) {
    let path = top.join("attributes");
    fs::write(&path, b"").unwrap();
    let set = |path: &Path, name: &str, value: &[u8]| {
        unix::lsetxattr(path, name, value, unix::XattrFlags::empty()).unwrap();
    };
    for index in 0..400 {
        set(&path, &format!("user.some-attribute-{index}"), &vec![b'v'; index % 90]);
    }
    set(&path, "user.largest", &[b'l'; 65_536]);
    set(&path, "trusted.large", &[b't'; 20_000]);
    set(&top.join("link-255"), "trusted.many", &[b'm'; 5000]);
    symlink("s/".repeat(511), top.join("link-1022")).unwrap();
    let copy = File::create(top.join("shared")).unwrap();
    let original = File::open(top.join("file-9")).unwrap();
    let _ = unix::ioctl_ficlone(&copy, &original);
    copy.write_all_at(b"changed", 5000).unwrap();
}

/// Fills an image and compares it with the kernel's mount of it.
fn check(names: usize, arguments: &[&str]) {
    if let Some(reason) = cannot_mount("mkfs.xfs", "xfs") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = make_image(folder.path(), arguments);
    let at = folder.path().join("mount");
    match Mount::new("xfs", &image, &at, "rw") {
        Ok(mount) => {
            fill(&mount.0, names, true);
            grow(&mount.0);
        }
        Err(reason) => {
            println!("skipped: {arguments:?}: {reason}");
            return;
        }
    }
    let _mount = Mount::new("xfs", &image, &at, "ro").unwrap();
    let ours = Xfs::open(Arc::new(Image::open(&image))).unwrap();
    let count = compare(&ours, &ours.root(), &at, Exactness::Same);
    assert!(count > 100 + names * 6 / 7, "{count} entries");
}

#[test]
fn xfs_as_mkfs_makes_it() {
    check(20_000, &[]);
}

#[test]
fn xfs_with_1k_blocks_and_large_counts() {
    check(2000, &["-b", "size=1024", "-i", "nrext64=1,sparse=1", "-m", "bigtime=1,reflink=1"]);
}

#[test]
fn xfs_of_old() {
    let meta = "bigtime=0,reflink=0,finobt=0,inobtcount=0";
    check(2000, &["-m", meta, "-i", "sparse=0,size=2048", "-n", "size=16384"]);
}

#[test]
fn xfs_with_large_sectors_and_directories() {
    check(300, &["-s", "size=4096", "-b", "size=4096", "-n", "size=65536", "-m", "rmapbt=1"]);
}

#[test]
fn xfs_with_64k_blocks() {
    check(300, &["-b", "size=65536", "-i", "size=1024"]);
}

#[test]
fn xfs_of_version_4_mounted() {
    check(300, &["-m", "crc=0", "-i", "size=256"]);
}

/// A tree as mkfs.xfs wants it told (`-p`), of what lies below a folder.
fn prototype(folder: &Path, indent: usize, told: &mut String) {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    for path in names {
        let name = path.file_name().unwrap().to_str().unwrap();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let mode = metadata.permissions().mode();
        let flags = [(0o4000, 'u'), (0o2000, 'g')];
        let [user, group] = flags.map(|(bit, flag)| if mode & bit != 0 { flag } else { '-' });
        let rights = format!("{user}{group}{:03o} 7 123456", mode & 0o777);
        let pad = " ".repeat(indent);
        if metadata.is_dir() {
            *told += &format!("{pad}{name} d{rights}\n");
            prototype(&path, indent + 1, told);
            *told += &format!("{pad}$\n");
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            *told += &format!("{pad}{name} l{rights} {}\n", text(&target));
        } else {
            *told += &format!("{pad}{name} -{rights} {}\n", text(&path));
        }
    }
}

/// Has mkfs.xfs copy a tree; needs no root and no kernel.
pub fn copied_image(folder: &Path, tree: &Path, arguments: &[&str]) -> Result<PathBuf, String> {
    let mut told = "boot 0 0\nd--755 0 0\n".to_owned();
    prototype(tree, 0, &mut told);
    told += "$\n";
    let (prototype, image) = (folder.join("prototype"), folder.join("image"));
    fs::write(&prototype, told).unwrap();
    File::create(&image).unwrap().set_len(320 << 20).unwrap();
    let own = ["-q", "-f", "-p", text(&prototype)];
    run("mkfs.xfs", &[arguments, &own, &[text(&image)]].concat())?;
    Ok(image)
}

fn check_copy(longest_target: usize, arguments: &[&str]) {
    let folder = TempDir::new().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::set_permissions(&tree, fs::Permissions::from_mode(0o755)).unwrap();
    fill_directories(&tree, 3000);
    // Names that a prototype cannot tell.
    fs::remove_dir_all(tree.join("odd")).unwrap();
    for (index, length) in [0, 1, 100, 4096, 70_000].into_iter().enumerate() {
        fs::write(tree.join(format!("file-{index}")), vec![b'x'; length]).unwrap();
    }
    for length in [1, 60, 200, longest_target] {
        symlink("t".repeat(length), tree.join(format!("link-{length}"))).unwrap();
    }
    let image = match copied_image(folder.path(), &tree, arguments) {
        Ok(image) => image,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    if !rustix::process::geteuid().is_root() {
        println!("skipped: owners of the tree cannot be set without root");
        return;
    }
    own(&tree, true);
    let ours = Xfs::open(Arc::new(Image::open(&image))).unwrap();
    compare(&ours, &ours.root(), &tree, Exactness::Copied);
}

/// Gives everything below a folder to the owner that the prototype names.
fn own(path: &Path, is_top: bool) {
    if !is_top {
        std::os::unix::fs::lchown(path, Some(7), Some(123_456)).unwrap();
    }
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            own(&entry.unwrap().path(), false);
        }
    }
}

#[test]
fn xfs_of_version_4() {
    check_copy(1000, &["-m", "crc=0", "-n", "ftype=0"]);
}

#[test]
fn xfs_of_version_4_with_512_byte_blocks() {
    check_copy(1000, &["-m", "crc=0", "-n", "ftype=1,size=4096", "-b", "size=512"]);
}

#[test]
fn xfs_that_folds_case() {
    // mkfs.xfs forgets the header of a target that does not fit into the inode.
    check_copy(210, &["-n", "version=ci"]);
}

#[test]
fn links_labels_and_a_clean_log() {
    if let Some(reason) = cannot_mount("mkfs.xfs", "xfs") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = make_image(folder.path(), &["-L", "name-of-it"]);
    {
        let mount = Mount::new("xfs", &image, &folder.path().join("mount"), "rw").unwrap();
        fs::create_dir_all(mount.0.join("a/b")).unwrap();
        symlink("../a/b", mount.0.join("a/link")).unwrap();
    }
    let device = Image::open(&image);
    let identity = recognise::identify(&device).unwrap().unwrap();
    let ours = Xfs::open(Arc::new(device)).unwrap();
    assert_eq!(identity.label.as_deref(), Some(ours.label()));
    assert!(ours.read_directory(&ours.root()).unwrap().faults.is_empty());
    let found = resolve(&ours, &TreePath::parse("/a/link"), LastLink::Follow).unwrap().unwrap();
    assert_eq!(found.path.to_string(), "/a/b");
    assert_eq!((ours.label(), ours.type_name()), (b"name-of-it".as_slice(), "xfs"));
}
