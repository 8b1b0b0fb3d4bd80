//! Logs of btrfs: images taken while they were mounted, after something was fsynced. Ours, replayed
//! in memory, against the kernel's replay of the same image.

use super::btrfs_hostile::{SUPERBLOCK, seal};
use super::btrfs_oracle::{cannot, make_image, words};
use super::hostile::{Bytes, Walk, used_blocks};
use super::mutations::{self, Sees};
use super::oracle::{Exactness, Image, Mount, compare, run, text};
use driftcheck::filesystem::Filesystem;
use driftcheck::filesystem::btrfs::Btrfs;
use rustix::fs::{
    CWD, FallocateFlags, RenameFlags, XattrFlags, fallocate, lremovexattr, lsetxattr, renameat_with,
};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// A sequence that is the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn path(&mut self, top: &Path) -> PathBuf {
        let directory = ["a", "b", "a/c", "sub"][self.below(4)];
        top.join(directory).join(format!("name-{}", self.below(14)))
    }
}

/// Writes everything out and lets go: what fails is not there to be done.
fn synchronise(path: &Path) {
    if let Ok(file) = File::open(path) {
        file.sync_all().unwrap();
    }
}

fn before(top: &Path, numbers: &mut Numbers) {
    for directory in ["a", "b", "a/c", "gone"] {
        fs::create_dir(top.join(directory)).unwrap();
    }
    run("btrfs", &["subvolume", "create", text(&top.join("sub"))]).unwrap();
    for _ in 0..40 {
        let path = numbers.path(top);
        if path.is_dir() {
            continue;
        }
        let length = [0, 10, 1500, 5000, 40_000, 300_000][numbers.below(6)];
        fs::write(&path, words(length)).unwrap();
        lsetxattr(&path, "user.before", b"kept", XattrFlags::empty()).unwrap();
        let other = numbers.path(top);
        let _ = fs::hard_link(&path, other);
    }
}

/// One change of whatever kind.
fn change(top: &Path, numbers: &mut Numbers) {
    let (path, other) = (numbers.path(top), numbers.path(top));
    let at = [0, 100, 4096, 10_000, 131_072][numbers.below(5)];
    let writable = || OpenOptions::new().read(true).write(true).open(&path);
    match numbers.below(18) {
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

/// Whether the superblock of an image names a log.
fn has_log(image: &Path) -> bool {
    let mut bytes = [0; 8];
    File::open(image).unwrap().read_exact_at(&mut bytes, (64 << 10) + 0x60).unwrap();
    bytes != [0; 8]
}

fn copy(from: &Path, to: &Path) {
    run("cp", &["--sparse=always", text(from), text(to)]).unwrap();
}

/// Compares ours with the kernel's replay; says whether there was anything to be replayed.
fn check(seed: u64, options: &str, arguments: &[&str]) -> bool {
    let folder = TempDir::new().unwrap();
    let image = make_image(folder.path(), 128, arguments);
    let (taken, replayed) = (folder.path().join("taken"), folder.path().join("replayed"));
    let at = folder.path().join("mount");
    {
        let options = format!("rw,commit=300{options}");
        let mount = Mount::new("btrfs", &image, &at, &options).unwrap();
        let mut numbers = Numbers(seed);
        before(&mount.0, &mut numbers);
        run("btrfs", &["filesystem", "sync", text(&mount.0)]).unwrap();
        for _ in 0..20 + numbers.below(40) {
            change(&mount.0, &mut numbers);
        }
        copy(&image, &taken);
    }
    let had_log = has_log(&taken);
    copy(&taken, &replayed);
    let ours = Btrfs::open(Arc::new(Image::open(&taken))).unwrap();
    // The clock of files goes on with each tick of the kernel's, at most ten milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    std::thread::sleep(std::time::Duration::from_millis(20));
    let _mount = Mount::new("btrfs", &replayed, &at, "rw").unwrap();
    let exactness = Exactness::Replayed(i64::try_from(now).unwrap());
    assert!(compare(&ours, &ours.root(), &at, exactness) > 4, "seed {seed}");
    had_log
}

fn check_all(seeds: std::ops::Range<u64>, options: &str, arguments: &[&str]) {
    if let Some(reason) = cannot() {
        println!("skipped: {reason}");
        return;
    }
    let logs = seeds.filter(|seed| check(*seed, options, arguments)).count();
    assert!(logs > 0, "nothing was in a log");
}

#[test]
fn logs_of_anything() {
    check_all(0..sequences(), "", &[]);
}

#[test]
fn logs_of_compressed_files_in_small_blocks() {
    let arguments = ["-n", "4096", "-O", "^no-holes"];
    check_all(10_000..10_000 + sequences(), ",compress-force=zstd", &arguments);
}

/// How many sequences of changes are tried: each takes seconds.
fn sequences() -> u64 {
    if std::env::var_os("DRIFTCHECK_HEAVY").is_some() { 100 } else { 4 }
}

#[test]
fn mutations_of_btrfs_logs() {
    if mutations::are_done_elsewhere("btrfs_log::mutations_of_btrfs_logs") {
        return;
    }
    if let Some(reason) = cannot() {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = make_image(folder.path(), 64, &["-M", "-n", "4096"]);
    let taken = folder.path().join("taken");
    {
        let at = folder.path().join("mount");
        let mount = Mount::new("btrfs", &image, &at, "rw,commit=300").unwrap();
        let file = |name: &str| mount.0.join(name);
        for index in 0..60 {
            fs::write(file(&format!("name-{index}")), words(100 * index)).unwrap();
        }
        run("btrfs", &["filesystem", "sync", text(&mount.0)]).unwrap();
        // Whenever the kernel writes out everything, the log is empty again.
        for round in 0..5 {
            let renamed = file(&format!("renamed-{round}"));
            fs::rename(file(&format!("name-{}", 50 + round)), &renamed).unwrap();
            fs::remove_file(file(&format!("name-{}", 40 + round))).unwrap();
            fs::hard_link(file("name-9"), file(&format!("link-{round}"))).unwrap();
            fs::write(file("name-20"), words(7000 + round)).unwrap();
            lsetxattr(file("name-21"), "user.after", &[7; 9][round..], XattrFlags::empty())
                .unwrap();
            for path in [renamed, file("name-9"), file("name-20"), file("name-21"), file("")] {
                synchronise(&path);
            }
            copy(&image, &taken);
            if has_log(&taken) {
                break;
            }
        }
    }
    assert!(has_log(&taken));
    let mut original = fs::read(&taken).unwrap();
    let used = used_blocks(&original).last().map_or(0, |block| (block + 1) * 1024);
    original.truncate(used.next_multiple_of(4096));
    let filesystem = Btrfs::open(Arc::new(Bytes(original.clone()))).unwrap();
    assert_eq!(Walk::all(&filesystem).counts(), (61, 0));
    let uuid = original[SUPERBLOCK + 32..][..16].to_vec();
    mutations::check(
        &original,
        100,
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
