//! Logs of btrfs: images taken while they were mounted, after something was fsynced. Ours, replayed
//! in memory, against the kernel's replay of the same image.

use super::btrfs_hostile::mutate;
use super::btrfs_oracle::{cannot, make_image, words};
use super::hostile::{Bytes, Numbers, Walk, used_blocks};
use super::mutations;
use super::oracle::{Exactness, Image, Mount, compare, run, text};
use super::sequences::{KINDS, change, numbers, pick, sequences, synchronise};
use driftcheck::filesystem::Filesystem;
use driftcheck::filesystem::btrfs::Btrfs;
use rustix::fs::{XattrFlags, lsetxattr};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

fn before(top: &Path, numbers: &mut Numbers) {
    for directory in ["a", "b", "a/c", "gone"] {
        fs::create_dir(top.join(directory)).unwrap();
    }
    run("btrfs", &["subvolume", "create", text(&top.join("sub"))]).unwrap();
    for _ in 0..40 {
        let path = pick(numbers, top);
        if path.is_dir() {
            continue;
        }
        let length = [0, 10, 1500, 5000, 40_000, 300_000][numbers.below(6)];
        fs::write(&path, words(length)).unwrap();
        lsetxattr(&path, "user.before", b"kept", XattrFlags::empty()).unwrap();
        let other = pick(numbers, top);
        let _ = fs::hard_link(&path, other);
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
        let mut numbers = numbers(seed);
        before(&mount.0, &mut numbers);
        run("btrfs", &["filesystem", "sync", text(&mount.0)]).unwrap();
        for _ in 0..20 + numbers.below(40) {
            change(&mount.0, &mut numbers, &KINDS);
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
    mutate(&original, 100);
}
