//! Fast commits of ext4: images taken while they were mounted, after something was fsynced. Ours,
//! replayed in memory, against the kernel's replay of the same image.

use super::btrfs_oracle::words;
use super::ext4_oracle::make_image;
use super::hostile::{Bytes, Numbers, Walk};
use super::mutations::{self, Sees};
use super::oracle::{Exactness, Image, Mount, cannot_mount, compare, run, text};
use super::sequences::{change, numbers, pick, sequences, synchronise};
use driftcheck::filesystem::Filesystem;
use driftcheck::filesystem::ext4::Ext4;
use driftcheck::filesystem::resolve::{LastLink, read_node, resolve};
use driftcheck::model::TreePath;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// What does not need a full commit: no attributes, no exchange, no punched hole.
const KINDS: [usize; 13] = [0, 1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 16, 17];

fn before(top: &Path, numbers: &mut Numbers) {
    for directory in ["a", "b", "a/c", "sub", "gone"] {
        fs::create_dir(top.join(directory)).unwrap();
    }
    for _ in 0..40 {
        let path = pick(numbers, top);
        if !path.is_dir() {
            let length = [0, 10, 1500, 5000, 40_000, 300_000][numbers.below(6)];
            fs::write(&path, words(length)).unwrap();
            let _ = fs::hard_link(&path, pick(numbers, top));
        }
    }
}

/// Makes an image, changes it and takes it away from under the mount.
fn take(folder: &Path, seed: u64, changes: usize, arguments: &[&str]) {
    let image = make_image(folder, 64, arguments);
    let mount = Mount::new("ext4", &image, &folder.join("mount"), "rw,commit=1000").unwrap();
    let mut numbers = numbers(seed);
    before(&mount.0, &mut numbers);
    rustix::fs::syncfs(fs::File::open(&mount.0).unwrap()).unwrap();
    for _ in 0..changes {
        change(&mount.0, &mut numbers, &KINDS);
    }
    let last = mount.0.join("a/last");
    fs::write(&last, "last").unwrap();
    synchronise(&last);
    run("cp", &["--sparse=always", text(&image), text(&folder.join("taken"))]).unwrap();
}

/// Whether the file that was written last is there: if no full commit came, by a fast one.
fn check(seed: u64, arguments: &[&str]) {
    let folder = TempDir::new().unwrap();
    let (taken, replayed) = (folder.path().join("taken"), folder.path().join("replayed"));
    take(folder.path(), seed, 20, arguments);
    run("cp", &["--sparse=always", text(&taken), text(&replayed)]).unwrap();
    let ours = Ext4::open(Arc::new(Image::open(&taken))).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    std::thread::sleep(Duration::from_millis(20));
    let at = folder.path().join("mount");
    let _mount = Mount::new("ext4", &replayed, &at, "rw").unwrap();
    assert!(at.join("a/last").exists());
    let exactness = Exactness::Replayed(i64::try_from(now).unwrap());
    assert!(compare(&ours, &ours.root(), &at, exactness) > 4, "seed {seed}");
}

fn check_all(seeds: std::ops::Range<u64>, arguments: &[&str]) {
    if let Some(reason) = cannot_mount("mkfs.ext4", "ext4") {
        println!("skipped: {reason}");
        return;
    }
    for seed in seeds {
        println!("seed {seed}");
        check(seed, arguments);
    }
}

/// What only a fast commit has is there, and the kernel without replay does not have it.
#[test]
fn a_fast_commit_is_replayed() {
    if let Some(reason) = cannot_mount("mkfs.ext4", "ext4") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    take(folder.path(), 0, 0, &["mkfs.ext4", "-O", "fast_commit"]);
    let taken = folder.path().join("taken");
    let ours = Ext4::open(Arc::new(Image::open(&taken))).unwrap();
    let found = resolve(&ours, &TreePath::parse("/a/last"), LastLink::Keep).unwrap().unwrap();
    assert_eq!(read_node(&ours, &found.node, 100).unwrap().unwrap(), b"last");
    let mount = Mount::new("ext4", &taken, &folder.path().join("mount"), "ro,noload").unwrap();
    assert!(mount.0.join("a").exists() && !mount.0.join("a/last").exists());
}

#[test]
fn fast_commits_of_anything() {
    check_all(0..sequences(), &["mkfs.ext4", "-O", "fast_commit"]);
}

#[test]
fn fast_commits_in_small_blocks_and_inodes() {
    let features = "fast_commit,^64bit";
    let seeds = 20_000..20_000 + sequences();
    check_all(seeds, &["mkfs.ext4", "-b", "1024", "-O", features]);
}

#[test]
fn mutations_of_fast_commits() {
    if mutations::are_done_elsewhere("ext4_fast_commits::mutations_of_fast_commits") {
        return;
    }
    if let Some(reason) = cannot_mount("mkfs.ext4", "ext4") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    take(folder.path(), 3, 20, &["mkfs.ext4", "-b", "1024", "-O", "fast_commit,^metadata_csum"]);
    let original = fs::read(folder.path().join("taken")).unwrap();
    let filesystem = Ext4::open(Arc::new(Bytes(original.clone()))).unwrap();
    assert_eq!(Walk::all(&filesystem).counts().1, 0);
    mutations::check(&original, 100, Sees::Cuts, |device| Ext4::open(device), |_, _| false);
    let head = original.chunks(1024).position(|block| block.starts_with(&HEAD)).unwrap() * 1024;
    let length = seal(&mut original.clone()[head..]);
    assert!(length > 100, "{length} bytes of records");
    let mut numbers = Numbers(7);
    for _ in 0..100 {
        let mut bytes = original.clone();
        for _ in 0..3 {
            bytes[head + numbers.below(length)] = u8::try_from(numbers.below(256)).unwrap();
        }
        seal(&mut bytes[head..]);
        if let Ok(filesystem) = Ext4::open(Arc::new(Bytes(bytes))) {
            Walk::all(&filesystem);
        }
    }
}

/// Tag, length and features of the record that a fast commit begins with.
const HEAD: [u8; 8] = [9, 0, 8, 0, 0, 0, 0, 0];

/// Gives the records the checksums that they would have; returns how many bytes they are.
fn seal(records: &mut [u8]) -> usize {
    let (mut at, mut crc) = (0, 0);
    while at + 4 < records.len() {
        let number = |at: usize| u16::from_le_bytes([records[at], records[at + 1]]);
        let (tag, end) = (number(at), at + 4 + usize::from(number(at + 2)));
        match tag {
            8 if at + 12 <= records.len() => {
                let sum = !crc32c::crc32c_append(!crc, &records[at..at + 8]);
                records[at + 8..at + 12].copy_from_slice(&sum.to_le_bytes());
                crc = 0;
            }
            1..=9 if end <= records.len() => crc = !crc32c::crc32c_append(!crc, &records[at..end]),
            _ => break,
        }
        at = end;
    }
    at.min(records.len())
}
