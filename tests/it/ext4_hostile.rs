//! Damaged and hostile ext4: whatever the bytes are, reading ends, in bounded memory, without a
//! panic, and what could not be read is said.

use super::ext4_oracle::run;
use driftcheck::block::BlockDevice;
use driftcheck::filesystem::ext4::Ext4;
use driftcheck::filesystem::{Filesystem, Node};
use driftcheck::model::{Fault, FileKind};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Bytes as a device.
#[derive(Debug)]
struct Bytes(Vec<u8>);

impl BlockDevice for Bytes {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = start.checked_add(buffer.len()).and_then(|end| self.0.get(start..end));
        let bytes = bytes.ok_or_else(|| Fault::damaged(format!("beyond the end: {offset}")))?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// What a walk met.
#[derive(Debug, Default, PartialEq, Eq)]
struct Walk {
    entries: usize,
    faults: usize,
}

/// Reads all there is, as a scan does, and counts.
fn walk(filesystem: &Ext4, node: &Node, depth: usize, walk_: &mut Walk) {
    // The fattest tree that a mutation can make of these images stays below it.
    assert!(depth < 200 && walk_.entries < 100_000, "a walk without an end");
    walk_.entries += 1;
    let Ok(metadata) = filesystem.metadata(node) else {
        walk_.faults += 1;
        return;
    };
    let mut note = |failed: bool| walk_.faults += usize::from(failed);
    note(filesystem.xattrs(node).is_err());
    match metadata.kind {
        FileKind::File => note(read(filesystem, node).is_err()),
        FileKind::Symlink => note(filesystem.read_link(node).is_err()),
        FileKind::Directory => match filesystem.read_directory(node) {
            Ok(listing) => {
                walk_.faults += listing.faults.len();
                for entry in listing.entries {
                    walk(filesystem, &entry.node, depth + 1, walk_);
                }
            }
            Err(_) => note(true),
        },
        _ => {}
    }
}

fn read(filesystem: &Ext4, node: &Node) -> Result<(), Fault> {
    let node = filesystem.open(node)?;
    let mut buffer = vec![0; 65_536];
    let mut at = 0;
    while let Some(range) = filesystem.next_data(&node, at)? {
        assert!(range.start >= at && range.end > range.start, "{range:?} at {at}");
        at = range.start;
        while at < range.end {
            let count = filesystem.read_at(&node, at, &mut buffer)?;
            assert!(count > 0);
            at += count as u64;
        }
    }
    Ok(())
}

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

/// A sequence of numbers that is the same in every run (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

/// Blocks of 1 KiB that are not all zeros: mostly what is in use.
fn used_blocks(bytes: &[u8]) -> Vec<usize> {
    let is_used = |block: &usize| bytes[block * 1024..][..1024].iter().any(|byte| *byte != 0);
    (0..bytes.len() / 1024).filter(is_used).collect()
}

fn mutate(bytes: &mut Vec<u8>, used: &[usize], numbers: &mut Numbers) {
    let block = used[numbers.below(used.len())] * 1024;
    match numbers.below(8) {
        0 => bytes.truncate(numbers.below(bytes.len())),
        1 => {
            let other = used[numbers.below(used.len())] * 1024;
            let (first, second) = (block.min(other), block.max(other));
            if first != second {
                let (before, after) = bytes.split_at_mut(second);
                before[first..][..1024].swap_with_slice(&mut after[..1024]);
            }
        }
        2 => bytes[block..][..1024].fill(0),
        3 => {
            let other = used[numbers.below(used.len())] * 1024;
            bytes.copy_within(other..other + 1024, block);
        }
        _ => {
            for _ in 0..=numbers.below(12) {
                let set: Vec<usize> = (block..block + 1024).filter(|at| bytes[*at] != 0).collect();
                let Some(at) = set.get(numbers.below(set.len().max(1))) else { break };
                bytes[*at] = [0, 1, 2, 0x0b, 0x7f, 0x80, 0xfe, 0xff][numbers.below(8)];
            }
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
