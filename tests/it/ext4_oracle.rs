//! Our reader of ext2/3/4 against the kernel: images made by mke2fs and filled through a loop
//! mount, every attribute of every entry compared.

use super::oracle::{Exactness, Image, Mount, cannot_mount, compare, fill, run, text};
use driftcheck::filesystem::Filesystem;
use driftcheck::filesystem::ext4::Ext4;
use driftcheck::filesystem::resolve::{LastLink, resolve};
use driftcheck::model::{FaultKind, FileKind, TreePath};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

pub fn make_image(folder: &Path, megabytes: u64, arguments: &[&str]) -> PathBuf {
    let image = folder.join("image");
    File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
    let (program, rest) = arguments.split_first().unwrap();
    let all: Vec<&str> = ["-q", "-F"].into_iter().chain(rest.iter().copied()).collect();
    run(program, &[all.as_slice(), &[text(&image)]].concat()).unwrap();
    image
}
/// Fills an image and compares it with the kernel's mount of it.
fn check(names: usize, megabytes: u64, large_xattrs: bool, arguments: &[&str]) {
    if let Some(reason) = cannot_mount("mkfs.ext4", "ext4") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = make_image(folder.path(), megabytes, arguments);
    let at = folder.path().join("mount");
    {
        let mount = Mount::new("ext4", &image, &at, "rw,user_xattr,acl").unwrap();
        fill(&mount.0, names, large_xattrs);
    }
    let _mount = Mount::new("ext4", &image, &at, "ro").unwrap();
    let ours = Ext4::open(Arc::new(Image::open(&image))).unwrap();
    let count = compare(&ours, &ours.root(), &at, Exactness::Same);
    assert!(count > 100 + names * 6 / 7, "{count} entries");
}

#[test]
fn ext4_as_mkfs_makes_it() {
    check(20_000, 96, true, &["mkfs.ext4", "-b", "4096", "-N", "24000"]);
}

#[test]
fn ext4_with_inline_data_and_attribute_inodes() {
    check(
        300,
        48,
        true,
        &["mkfs.ext4", "-b", "4096", "-I", "512", "-O", "inline_data,ea_inode,large_dir"],
    );
}

#[test]
fn ext4_with_1k_blocks_and_meta_bg() {
    check(2000, 96, false, &["mkfs.ext4", "-b", "1024", "-O", "meta_bg,^resize_inode,inline_data"]);
}

#[test]
fn ext4_with_block_maps_and_no_checksums() {
    check(2000, 64, false, &["mkfs.ext4", "-b", "2048", "-O", "^extents,^metadata_csum,^64bit"]);
}

#[test]
fn ext4_with_bigalloc() {
    check(
        300,
        256,
        true,
        &["mkfs.ext4", "-b", "4096", "-O", "bigalloc,sparse_super2,^has_journal"],
    );
}

#[test]
fn ext3_with_small_blocks() {
    check(2000, 64, false, &["mkfs.ext3", "-b", "1024", "-I", "256"]);
}

#[test]
fn ext2_without_an_index() {
    check(2000, 64, true, &["mkfs.ext2", "-b", "4096", "-I", "256", "-O", "^dir_index"]);
}

/// Has mke2fs copy a tree, for features that the kernel here may not mount.
fn check_copy(arguments: &[&str]) {
    if let Some(reason) = cannot_mount("mkfs.ext4", "ext4") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fill(&tree, 1000, true);
    // mke2fs leaves sockets out.
    fs::remove_file(tree.join("socket")).unwrap();
    let all = [arguments, &["-d", text(&tree)]].concat();
    let image = make_image(folder.path(), 192, &all);
    let ours = Ext4::open(Arc::new(Image::open(&image))).unwrap();
    compare(&ours, &ours.root(), &tree, Exactness::Copied);
}

#[test]
fn ext4_with_64k_blocks() {
    check_copy(&["mkfs.ext4", "-b", "65536", "-O", "^has_journal"]);
}

#[test]
fn ext4_with_case_folding_and_a_seed() {
    check_copy(&["mkfs.ext4", "-b", "4096", "-O", "casefold,metadata_csum_seed,verity"]);
}

#[test]
fn encrypted_nodes_are_named() {
    if let Some(reason) = cannot_mount("mkfs.ext4", "ext4") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = make_image(folder.path(), 16, &["mkfs.ext4", "-b", "4096", "-O", "encrypt"]);
    let at = folder.path().join("mount");
    match Mount::new("ext4", &image, &at, "rw,test_dummy_encryption") {
        Ok(mount) => {
            fs::create_dir(mount.0.join("secret")).unwrap();
            fs::write(mount.0.join("secret/file"), b"plain").unwrap();
        }
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    }
    let ours = Ext4::open(Arc::new(Image::open(&image))).unwrap();
    let node = ours.lookup(&ours.root(), b"secret").unwrap().unwrap();
    assert_eq!(ours.metadata(&node).unwrap().kind, FileKind::Directory);
    let fault = ours.read_directory(&node).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsupported);
    assert!(fault.to_string().contains("fscrypt"), "{fault}");
    assert!(ours.xattrs(&node).unwrap().is_empty());
}

#[test]
fn lookups_go_by_path() {
    if let Some(reason) = cannot_mount("mkfs.ext4", "ext4") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = make_image(folder.path(), 16, &["mkfs.ext4", "-L", "name-of-it"]);
    {
        let mount = Mount::new("ext4", &image, &folder.path().join("mount"), "rw").unwrap();
        fs::create_dir_all(mount.0.join("a/b")).unwrap();
        std::os::unix::fs::symlink("../a/b", mount.0.join("a/link")).unwrap();
    }
    let ours = Ext4::open(Arc::new(Image::open(&image))).unwrap();
    let found = resolve(&ours, &TreePath::parse("/a/link"), LastLink::Follow).unwrap().unwrap();
    assert_eq!(found.path.to_string(), "/a/b");
    assert_eq!(ours.label(), b"name-of-it");
    assert_eq!(ours.type_name(), "ext4");
}
