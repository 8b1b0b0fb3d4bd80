//! Sequences of changes to a mounted file system, the same each time, with what was changed written
//! out now and then: what logs are made of.

use super::btrfs_oracle::words;
use super::hostile::Numbers;
use super::oracle::{run, text};
use rustix::fs::{
    CWD, FallocateFlags, RenameFlags, XattrFlags, fallocate, lremovexattr, lsetxattr, renameat_with,
};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

/// One of few paths, so that they meet.
pub fn pick(numbers: &mut Numbers, top: &Path) -> PathBuf {
    let directory = ["a", "b", "a/c", "sub"][numbers.below(4)];
    top.join(directory).join(format!("name-{}", numbers.below(14)))
}

/// A sequence by its number; xorshift stays at 0.
pub fn numbers(seed: u64) -> Numbers {
    Numbers((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Writes everything out and lets go: what fails is not there to be done.
pub fn synchronise(path: &Path) {
    if let Ok(file) = File::open(path) {
        file.sync_all().unwrap();
    }
}

/// Kinds of changes.
pub const KINDS: [usize; 18] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17];

/// One change of one of these kinds.
pub fn change(top: &Path, numbers: &mut Numbers, kinds: &[usize]) {
    let (path, other) = (pick(numbers, top), pick(numbers, top));
    let at = [0, 100, 4096, 10_000, 131_072][numbers.below(5)];
    let writable = || OpenOptions::new().read(true).write(true).open(&path);
    match kinds[numbers.below(kinds.len())] {
        0 => drop(fs::write(&path, words(usize::try_from(at).unwrap()))),
        1 | 2 => {
            if let Ok(file) = writable() {
                file.write_all_at(&words(9000), at).unwrap();
            }
        }
        3 => {
            if let Ok(file) = writable() {
                file.set_len(at).unwrap();
            }
        }
        4 => drop(fs::remove_file(&path)),
        5 => drop(fs::rename(&path, &other)),
        6 => drop(renameat_with(CWD, &path, CWD, &other, RenameFlags::EXCHANGE)),
        7 => drop(fs::hard_link(&path, &other)),
        8 => {
            for index in 0..60 {
                let name = format!("{}-{index}", "long".repeat(30));
                let _ = fs::hard_link(&path, top.join("a").join(name));
            }
        }
        9 => drop(lsetxattr(&path, "user.after", &words(500), XattrFlags::empty())),
        10 => drop(lremovexattr(&path, "user.before")),
        11 => drop(symlink("target/of/it", &path)),
        12 => drop(fs::create_dir(&path)),
        13 => {
            if let Ok(file) = writable() {
                fallocate(&file, FallocateFlags::KEEP_SIZE, at, 50_000).unwrap();
            }
        }
        14 => {
            if let Ok(file) = writable() {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                fallocate(&file, flags, at, 8192).unwrap();
            }
        }
        15 => {
            if let (Ok(from), Ok(to)) = (File::open(&path), File::create(&other)) {
                let _ = rustix::fs::ioctl_ficlone(&to, &from);
            }
        }
        16 => {
            let _ = run("chmod", &["4711", text(&path)]);
        }
        _ => drop(fs::remove_dir(&path)),
    }
    match numbers.below(6) {
        0 => {}
        1 => synchronise(&top.join(["a", "b", "a/c", "sub"][numbers.below(4)])),
        2 | 3 => synchronise(&other),
        _ => synchronise(&path),
    }
}

/// How many sequences of changes are tried: each takes seconds.
pub fn sequences() -> u64 {
    if std::env::var_os("DRIFTCHECK_HEAVY").is_some() { 100 } else { 4 }
}
