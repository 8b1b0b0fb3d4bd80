//! Damaged and hostile ext4: whatever the bytes are, reading ends, in bounded memory, without a
//! panic, and what could not be read is said.

use super::hostile::{Bytes, Walk};
use super::mutations::{self, Sees};
use super::oracle::run;
use driftcheck::filesystem::ext4::Ext4;
use std::fmt::Write;
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
    let filesystem = Ext4::open(Arc::new(Bytes(original.clone()))).unwrap();
    assert_eq!(Walk::all(&filesystem).counts(), (129, 0));
    mutations::check(&original, 400, Sees::Cuts, |device| Ext4::open(device), |_, _| false);
}

#[test]
fn a_directory_in_itself_is_not_entered() {
    let folder = TempDir::new().unwrap();
    let arguments = ["-t", "ext4", "-b", "1024", "-O", "metadata_csum,^has_journal"];
    if image(folder.path(), &arguments).is_none() {
        return;
    }
    let file = folder.path().join("image");
    for (count, link) in [(1, "ln /a /a/b/again"), (2, "ln <2> /again")] {
        run("debugfs", &["-w", "-R", link, file.to_str().unwrap()]).unwrap();
        let filesystem = Ext4::open(Arc::new(Bytes(fs::read(&file).unwrap()))).unwrap();
        assert_eq!(Walk::all(&filesystem).counts(), (130, count));
    }
}

#[test]
fn a_root_that_lost_its_names_is_no_empty_tree() {
    for damage in ["zap_block -f <2> 0", "set_inode_field <2> size 0", "clri <2>"] {
        let folder = TempDir::new().unwrap();
        let arguments = ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^has_journal"];
        if image(folder.path(), &arguments).is_none() {
            return;
        }
        let file = folder.path().join("image");
        run("debugfs", &["-w", "-R", damage, file.to_str().unwrap()]).unwrap();
        if let Ok(filesystem) = Ext4::open(Arc::new(Bytes(fs::read(&file).unwrap()))) {
            let found = Walk::all(&filesystem);
            assert!(found.faults > 0, "{damage}: {found:?}");
            assert!(found.entries < 129, "{damage}: {found:?}");
        }
    }
}

#[test]
fn mutations_of_ext4() {
    if mutations::are_done_elsewhere("ext4_hostile::mutations_of_ext4") {
        return;
    }
    check(&["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^has_journal"]);
}

#[test]
fn mutations_of_ext4_with_checksums() {
    if mutations::are_done_elsewhere("ext4_hostile::mutations_of_ext4_with_checksums") {
        return;
    }
    check(&["-t", "ext4", "-b", "2048", "-O", "metadata_csum,inline_data,^has_journal"]);
}

#[test]
fn mutations_of_ext2() {
    if mutations::are_done_elsewhere("ext4_hostile::mutations_of_ext2") {
        return;
    }
    check(&["-t", "ext2", "-b", "1024"]);
}

/// Each directory names the next one twice: read to the end, that would be 2^30 of them.
#[test]
fn a_directory_that_is_listed_twice_is_entered_once() {
    let folder = TempDir::new().unwrap();
    let arguments = ["-t", "ext4", "-b", "1024", "-O", "metadata_csum,^has_journal"];
    if image(folder.path(), &arguments).is_none() {
        return;
    }
    let file = folder.path().join("image");
    let (mut script, mut path) = (String::new(), String::new());
    for _ in 0..30 {
        let _ = writeln!(script, "mkdir {path}/d\nln {path}/d {path}/again");
        path.push_str("/d");
    }
    let requests = folder.path().join("requests");
    fs::write(&requests, script).unwrap();
    let (requests, file) = (requests.to_str().unwrap(), file.to_str().unwrap());
    run("debugfs", &["-w", "-f", requests, file]).unwrap();
    let filesystem = Ext4::open(Arc::new(Bytes(fs::read(file).unwrap()))).unwrap();
    assert_eq!(Walk::all(&filesystem).counts(), (129 + 30, 30));
}
