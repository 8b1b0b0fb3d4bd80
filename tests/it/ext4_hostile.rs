//! Damaged and hostile ext4: whatever the bytes are, reading ends, in bounded memory, without a
//! panic, and what could not be read is said.

use super::hostile::{Bytes, Numbers, Walk, mutate, used_blocks, walk};
use super::oracle::run;
use driftcheck::filesystem::Filesystem;
use driftcheck::filesystem::ext4::Ext4;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A small image with some of everything that needs no root; `None` without mke2fs.
fn image(folder: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let tree = folder.join("tree");
    fs::create_dir_all(tree.join("a/b/c")).unwrap();
    for index in 0..120 {
        fs::write(tree.join(format!("a/some-file-with-a-name-{index}")), [1; 40]).unwrap();
    }
    fs::write(tree.join("large"), [2; 100_000]).unwrap();
    File::create(tree.join("sparse")).unwrap().set_len(1 << 30).unwrap();
    std::os::unix::fs::symlink("x".repeat(200), tree.join("long-link")).unwrap();
    std::os::unix::fs::symlink("a/b", tree.join("link")).unwrap();
    rustix::fs::setxattr(tree.join("large"), "user.x", &[3; 300], rustix::fs::XattrFlags::empty())
        .ok();
    let file = folder.join("image");
    File::create(&file).unwrap().set_len(1 << 20).unwrap();
    let (tree, file) = (tree.to_str().unwrap(), file.to_str().unwrap());
    let all = [&["-q", "-F", "-N", "256", "-d", tree], arguments, &[file]].concat();
    match run("mke2fs", &all) {
        Ok(_) => Some(fs::read(file).unwrap()),
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

fn check(arguments: &[&str]) {
    let folder = TempDir::new().unwrap();
    let Some(original) = image(folder.path(), arguments) else { return };
    let mut whole = Walk::default();
    let filesystem = Ext4::open(Arc::new(Bytes(original.clone()))).unwrap();
    walk(&filesystem, &filesystem.root(), 0, &mut whole);
    assert_eq!(whole, Walk { entries: 129, faults: 0 });
    let used = used_blocks(&original);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..400 {
        let mut bytes = original.clone();
        mutate(&mut bytes, &used, &mut numbers);
        if let Ok(filesystem) = Ext4::open(Arc::new(Bytes(bytes))) {
            walk(&filesystem, &filesystem.root(), 0, &mut Walk::default());
        }
    }
}

#[test]
fn a_directory_in_itself_is_not_entered() {
    let folder = TempDir::new().unwrap();
    let arguments = ["-t", "ext4", "-b", "1024", "-O", "metadata_csum,^has_journal"];
    if image(folder.path(), &arguments).is_none() {
        return;
    }
    let file = folder.path().join("image");
    run("debugfs", &["-w", "-R", "ln /a /a/b/again", file.to_str().unwrap()]).unwrap();
    let filesystem = Ext4::open(Arc::new(Bytes(fs::read(file).unwrap()))).unwrap();
    let mut found = Walk::default();
    walk(&filesystem, &filesystem.root(), 0, &mut found);
    assert_eq!(found, Walk { entries: 130, faults: 1 });
}

#[test]
fn mutations_of_ext4() {
    check(&["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^has_journal"]);
}

#[test]
fn mutations_of_ext4_with_checksums() {
    check(&["-t", "ext4", "-b", "2048", "-O", "metadata_csum,inline_data,^has_journal"]);
}

#[test]
fn mutations_of_ext2() {
    check(&["-t", "ext2", "-b", "1024"]);
}
