//! Logs of XFS that were cut off: ours replayed in memory against the kernel's recovery of the same
//! image.

use super::hostile::{Bytes, Walk, used_blocks};
use super::mutations::{self, Sees};
use super::oracle::{Exactness, Image, Mount, cannot_mount, compare, fill, run, text};
use super::xfs_oracle::{grow, make_image};
use driftcheck::filesystem::Filesystem;
use driftcheck::filesystem::xfs::Xfs;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Changes of every kind after what is in its place already.
fn disturb(top: &Path) {
    for index in 0..400 {
        let from = top.join(format!("many/name-{:06}", index * 7 + 1));
        fs::rename(from, top.join(format!("many/renamed-{index}"))).unwrap();
    }
    for index in 0..200 {
        fs::remove_file(top.join(format!("many/name-{:06}", index * 7 + 2))).unwrap();
    }
    fs::remove_dir_all(top.join("deep")).unwrap();
    fs::create_dir(top.join("new")).unwrap();
    for index in 0..700 {
        fs::write(top.join(format!("new/a-rather-long-name-{index}")), vec![7; index]).unwrap();
    }
    let holes = File::options().write(true).open(top.join("holes")).unwrap();
    for index in 0..900_u64 {
        holes.write_all_at(&[2], index * 16_384 + 4096).unwrap();
    }
    holes.set_len(9_000_000).unwrap();
    fs::remove_file(top.join("file-9")).unwrap();
    let name = "user.some-attribute-7";
    rustix::fs::lremovexattr(top.join("attributes"), name).unwrap();
    std::os::unix::fs::symlink("t/".repeat(400), top.join("new/long-link")).unwrap();
    run("mknod", &[text(&top.join("new/device")), "c", "10", "200"]).unwrap();
}

/// Makes an image whose log is not in its places: what was done is in the log alone, and the file
/// system is shut down. `None` where that cannot be had here.
fn dirty_image(folder: &Path, arguments: &[&str], change: fn(&Path)) -> Option<PathBuf> {
    if let Some(reason) = cannot_mount("mkfs.xfs", "xfs").or_else(|| cannot_mount("xfs_io", "xfs"))
    {
        println!("skipped: {reason}");
        return None;
    }
    let image = make_image(folder, arguments);
    let at = folder.join("filling");
    match Mount::new("xfs", &image, &at, "rw") {
        Ok(mount) => {
            fill(&mount.0, 3000, true);
            grow(&mount.0);
        }
        Err(reason) => {
            println!("skipped: {arguments:?}: {reason}");
            return None;
        }
    }
    let mount = Mount::new("xfs", &image, &at, "rw").unwrap();
    change(&mount.0);
    // Data are written, the log is, and then nothing more.
    run("sync", &["-f", text(&mount.0)]).unwrap();
    change_more(&mount.0);
    run("xfs_io", &["-x", "-c", "shutdown -f", text(&mount.0)]).unwrap();
    drop(mount);
    Some(image)
}

/// Changes without data, which a shutdown would lose.
fn change_more(top: &Path) {
    fs::create_dir(top.join("last")).unwrap();
    for index in 0..50 {
        std::os::unix::fs::symlink("x", top.join(format!("last/link-{index}"))).unwrap();
    }
    fs::rename(top.join("last/link-7"), top.join("odd/link-7")).unwrap();
}

fn check(arguments: &[&str]) {
    let folder = TempDir::new().unwrap();
    let Some(image) = dirty_image(folder.path(), arguments, disturb) else { return };
    let ours = Xfs::open(Arc::new(Image::open(&image))).unwrap();
    let faults = ours.read_directory(&ours.root()).unwrap().faults;
    assert!(faults.is_empty(), "{faults:?}");
    assert!(ours.lookup(&ours.root(), b"last").unwrap().is_some());
    // The kernel replays a copy.
    let copy = folder.path().join("copy");
    run("cp", &["--sparse=always", text(&image), text(&copy)]).unwrap();
    let at = folder.path().join("replayed");
    let _mount = Mount::new("xfs", &copy, &at, "rw").unwrap();
    let count = compare(&ours, &ours.root(), &at, Exactness::Same);
    assert!(count > 3000, "{count} entries");
}

#[test]
fn a_log_as_mkfs_makes_it() {
    check(&[]);
}

#[test]
fn a_log_of_small_blocks_and_large_counts() {
    check(&["-b", "size=1024", "-i", "nrext64=1", "-m", "bigtime=1", "-l", "su=65536"]);
}

#[test]
fn a_log_of_old() {
    let meta = "bigtime=0,reflink=0,finobt=0,inobtcount=0,rmapbt=0";
    check(&["-m", meta, "-i", "sparse=0,size=1024", "-n", "size=8192"]);
}

#[test]
fn a_log_with_reverse_mappings() {
    check(&["-m", "rmapbt=1", "-l", "size=64m"]);
}

#[test]
fn a_log_of_version_4() {
    check(&["-m", "crc=0"]);
}

/// Records of the log: offset, where its tail is, and its place in the order of all.
fn records(image: &[u8]) -> Vec<(usize, u32, u64)> {
    let number = |at: usize| u32::from_be_bytes(image[at..at + 4].try_into().unwrap());
    let offsets = (0..image.len() - 512).step_by(512);
    let headers = offsets.filter(|at| image[*at..].starts_with(&[0xfe, 0xed, 0xba, 0xbe]));
    let place = |at: usize| (u64::from(number(at + 16)) << 32) | u64::from(number(at + 20));
    let mut found: Vec<_> = headers.map(|at| (at, number(at + 28), place(at))).collect();
    found.sort_by_key(|(.., place)| *place);
    found
}

/// The last record may be torn, which is where the log ends; one before is damaged.
#[test]
fn a_log_that_is_damaged_is_not_replayed() {
    let folder = TempDir::new().unwrap();
    let arguments = ["--unsupported", "-d", "size=64m"];
    let Some(image) = dirty_image(folder.path(), &arguments, disturb) else { return };
    let original = fs::read(&image).unwrap();
    let found = records(&original);
    let (last, tail, _) = *found.last().unwrap();
    let first =
        found.iter().position(|(.., place)| *place & 0xffff_ffff == u64::from(tail)).unwrap();
    assert!(found.len() - first > 12, "{} records", found.len() - first);
    let check = |at: usize, expected: &str| {
        let mut bytes = original.clone();
        // Behind the header, and not the number of the round.
        bytes[at + 512 + 100] ^= 0x55;
        let ours = Xfs::open(Arc::new(Bytes(bytes))).unwrap();
        let faults = ours.read_directory(&ours.root()).unwrap().faults;
        let told: Vec<String> = faults.iter().map(driftcheck::model::Fault::chain).collect();
        assert!(told.join("; ").contains(expected), "{told:?}");
        assert_eq!(told.is_empty(), expected.is_empty(), "{told:?}");
    };
    check(found[first + 1].0, "is not whole");
    check(found[found.len() - 12].0, "is not whole");
    check(last, "");
}

#[test]
fn mutations_of_logs() {
    if mutations::are_done_elsewhere("xfs_log::mutations_of_logs") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let Some(image) = dirty_image(folder.path(), &["--unsupported", "-d", "size=64m"], |_| {})
    else {
        return;
    };
    let mut original = fs::read(&image).unwrap();
    let used = used_blocks(&original).last().map_or(0, |block| (block + 1) * 1024);
    original.truncate(used);
    let filesystem = Xfs::open(Arc::new(Bytes(original.clone()))).unwrap();
    assert_eq!(Walk::all(&filesystem).faults, 0);
    mutations::check(&original, 40, Sees::Cuts, |device| Xfs::open(device), |_, _| false);
}
