//! Damaged and hostile btrfs: whatever the bytes are, reading ends, in bounded memory, without a
//! panic. Checksums of blocks are made right again, so that damage goes deeper than to them.

use super::hostile::{Bytes, Walk, used_blocks};
use super::mutations::{self, Sees};
use super::oracle::{Image, run};
use driftcheck::filesystem::Filesystem;
use driftcheck::filesystem::btrfs::Btrfs;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const NODE: usize = 4096;
pub(super) const SUPERBLOCK: usize = 64 << 10;

/// A small image with some of everything that needs no root; `None` without mkfs.btrfs.
fn image(folder: &Path) -> Option<Vec<u8>> {
    let tree = folder.join("tree");
    fs::create_dir_all(tree.join("a/b/c")).unwrap();
    for index in 0..120 {
        fs::write(tree.join(format!("a/some-file-with-a-name-{index}")), [1; 40]).unwrap();
    }
    fs::write(tree.join("large"), [2; 100_000]).unwrap();
    File::create(tree.join("sparse")).unwrap().set_len(1 << 20).unwrap();
    std::os::unix::fs::symlink("x".repeat(200), tree.join("long-link")).unwrap();
    let file = folder.join("image");
    File::create(&file).unwrap().set_len(32 << 20).unwrap();
    let (tree, file) = (tree.to_str().unwrap(), file.to_str().unwrap());
    match run("mkfs.btrfs", &["-q", "-f", "-M", "-n", "4096", "-r", tree, file]) {
        Ok(_) => {
            // What is used lies at the beginning.
            let mut bytes = fs::read(file).unwrap();
            let last = used_blocks(&bytes).pop().unwrap() + 1;
            bytes.truncate((last * 1024).next_multiple_of(NODE));
            Some(bytes)
        }
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

/// Makes the checksums right of the superblock and of what looks as a block of a tree.
pub(super) fn seal(bytes: &mut [u8], uuid: &[u8]) {
    for (index, block) in bytes.chunks_exact_mut(NODE).enumerate() {
        if index * NODE == SUPERBLOCK || block[32..48] == *uuid {
            let sum = crc32c::crc32c(&block[32..]);
            block[..4].copy_from_slice(&sum.to_le_bytes());
        }
    }
}

#[test]
fn mutations_of_btrfs() {
    if mutations::are_done_elsewhere("btrfs_hostile::mutations_of_btrfs") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let Some(original) = image(folder.path()) else { return };
    let filesystem = Btrfs::open(Arc::new(Bytes(original.clone()))).unwrap();
    assert_eq!(Walk::all(&filesystem).counts(), (127, 0));
    mutate(&original, 300);
}

/// Mutations of an image, most of them with right checksums.
pub fn mutate(original: &[u8], count: usize) {
    let uuid = original[SUPERBLOCK + 32..][..16].to_vec();
    mutations::check(
        original,
        count,
        Sees::All,
        |device| Btrfs::open(device),
        |round, bytes| {
            let is_sealed = round % 4 != 0;
            if is_sealed {
                seal(bytes, &uuid);
            }
            is_sealed
        },
    );
}

#[test]
fn devices_that_hold_only_a_part_are_refused() {
    let check = |profile: &str, expected: &str| {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (first, second) = (path("first"), path("second"));
        for name in [&first, &second] {
            File::create(name).unwrap().set_len(200 << 20).unwrap();
        }
        let arguments = ["-q", "-f", "-m", "raid1", "-d", profile, &first, &second];
        if let Err(reason) = run("mkfs.btrfs", &arguments) {
            println!("skipped: {reason}");
            return;
        }
        for name in [&first, &second] {
            let shown = match Btrfs::open(Arc::new(Image::open(Path::new(name)))) {
                Ok(filesystem) => {
                    let listing = filesystem.read_directory(&filesystem.root()).unwrap();
                    format!("{} entries, {} faults", listing.entries.len(), listing.faults.len())
                }
                Err(fault) => fault.to_string(),
            };
            assert!(shown.ends_with(expected), "{profile}: {shown}");
        }
    };
    check("raid1", "0 entries, 0 faults");
    check("raid0", "RAID0 over 2 devices");
}
