//! Our reader of btrfs against the kernel: images made by mkfs.btrfs and filled through a loop
//! mount, every attribute of every entry compared.

use super::oracle::{Exactness, Image, Mount, cannot_mount, compare, fill, run, text};
use driftcheck::filesystem::btrfs::Btrfs;
use driftcheck::filesystem::resolve::read_file;
use driftcheck::filesystem::{Filesystem, Node, SubvolumeName};
use driftcheck::model::{FileKind, TreePath};
use driftcheck::targets::disk::{DiskOptions, open_disk};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Why nothing can be compared here; `None` where it can.
pub(super) fn cannot() -> Option<String> {
    cannot_mount("mkfs.btrfs", "btrfs")
}

pub(super) fn make_image(folder: &Path, megabytes: u64, arguments: &[&str]) -> PathBuf {
    let image = folder.join("image");
    File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
    run("mkfs.btrfs", &[&["-q", "-f"], arguments, &[text(&image)]].concat()).unwrap();
    image
}

/// Bytes that compress, in a pattern that is nowhere the same.
pub(super) fn words(length: usize) -> Vec<u8> {
    let numbers = (0_u64..).flat_map(|n| format!("{:x} line {n}\n", n * n).into_bytes());
    numbers.take(length).collect()
}

/// What compression, clones and preallocation make of files.
fn fill_extents(top: &Path) {
    for (index, length) in [100, 1999, 3000, 5000, 131_072, 1_000_003].into_iter().enumerate() {
        fs::write(top.join(format!("words-{index}")), words(length)).unwrap();
    }
    let mut mixed = File::create_new(top.join("mixed")).unwrap();
    mixed.write_all(&words(400_000)).unwrap();
    mixed.sync_all().unwrap();
    // Into the middle of compressed extents, so that their parts are left.
    mixed.write_all_at(&[0xee; 5000], 100_000).unwrap();
    mixed.write_all_at(b"x", 300_001).unwrap();
    mixed.set_len(390_001).unwrap();
    mixed.sync_all().unwrap();
    mixed.set_len(500_000).unwrap();
    let clone = File::create(top.join("clone")).unwrap();
    rustix::fs::ioctl_ficlone(&clone, File::open(top.join("mixed")).unwrap()).unwrap();
    clone.write_all_at(b"own", 8192).unwrap();
    let inline = File::create(top.join("inline-and-hole")).unwrap();
    inline.write_all_at(b"inline", 0).unwrap();
    inline.sync_all().unwrap();
    inline.set_len(100_000).unwrap();
    let hashes: Vec<u8> =
        (0..20_000_u32).flat_map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect();
    fs::write(top.join("noise"), hashes).unwrap();
}

/// Fills an image and compares it with the kernel's mount of it.
fn check(names: usize, options: &str, arguments: &[&str]) {
    if let Some(reason) = cannot() {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = make_image(folder.path(), 256, arguments);
    let at = folder.path().join("mount");
    {
        let mount = Mount::new("btrfs", &image, &at, options).unwrap();
        fill(&mount.0, names, true);
        fill_extents(&mount.0);
    }
    let _mount = Mount::new("btrfs", &image, &at, "ro").unwrap();
    let ours = Btrfs::open(Arc::new(Image::open(&image))).unwrap();
    let count = compare(&ours, &ours.root(), &at, Exactness::Same);
    assert!(count > 100 + names * 6 / 7, "{count} entries");
}

#[test]
fn btrfs_as_mkfs_makes_it() {
    check(20_000, "rw", &[]);
}

#[test]
fn btrfs_with_zlib() {
    check(300, "rw,compress-force=zlib", &["-m", "single", "-O", "^no-holes"]);
}

#[test]
fn btrfs_with_lzo_and_one_copy() {
    check(300, "rw,compress-force=lzo", &["-m", "single", "-n", "65536"]);
}

#[test]
fn btrfs_with_zstd_and_small_blocks() {
    check(2000, "rw,compress=zstd", &["-d", "dup", "-n", "4096", "--csum", "xxhash"]);
}

#[test]
fn btrfs_mixed_with_sha256() {
    check(300, "rw,max_inline=0", &["-M", "--csum", "sha256"]);
}

#[test]
fn btrfs_without_checksums_of_data() {
    check(300, "rw,nodatacow", &["--csum", "blake2", "-O", "^extref,^skinny-metadata"]);
}

/// Makes subvolumes, a snapshot of those and a default that is not the top level.
fn subvolumes(top: &Path) -> u64 {
    let make = |name: &str| run("btrfs", &["subvolume", "create", text(&top.join(name))]).unwrap();
    make("@");
    make("@/var");
    make("@home");
    fill(&top.join("@"), 10, false);
    fs::write(top.join("@/var/log"), b"inner").unwrap();
    fs::write(top.join("@home/user"), b"home").unwrap();
    let (from, to) = (top.join("@"), top.join("snapshot"));
    run("btrfs", &["subvolume", "snapshot", "-r", text(&from), text(&to)]).unwrap();
    fs::write(top.join("@/later"), b"not in the snapshot").unwrap();
    let shown = run("btrfs", &["inspect-internal", "rootid", text(&from)]).unwrap();
    let id = shown.trim();
    run("btrfs", &["subvolume", "set-default", id, text(top)]).unwrap();
    id.parse().unwrap()
}

#[test]
fn subvolumes_are_directories_and_roots() {
    if let Some(reason) = cannot() {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = make_image(folder.path(), 128, &["-L", "name-of-it"]);
    let at = folder.path().join("mount");
    let id = subvolumes(&Mount::new("btrfs", &image, &at, "rw").unwrap().0);
    let ours = Btrfs::open(Arc::new(Image::open(&image))).unwrap();
    assert_eq!((ours.root_subvolume(), ours.label()), (id, b"name-of-it".as_slice()));
    {
        let _mount = Mount::new("btrfs", &image, &at, "ro").unwrap();
        compare(&ours, &ours.root(), &at, Exactness::Same);
    }
    let by_id = ours.subvolume(SubvolumeName::Id(id)).unwrap();
    let by_path = ours.subvolume(SubvolumeName::Path(b"/@")).unwrap();
    let inode = |node: &Node| ours.metadata(node).unwrap().inode;
    assert_eq!((inode(&by_id), inode(&by_path)), (inode(&ours.root()), inode(&ours.root())));
    for path in ["@home", "@/var"] {
        let _mount = Mount::new("btrfs", &image, &at, &format!("ro,subvol={path}")).unwrap();
        let node = ours.subvolume(SubvolumeName::Path(path.as_bytes())).unwrap();
        assert_eq!(compare(&ours, &node, &at, Exactness::Same), 2);
        assert_ne!(inode(&node), inode(&by_id));
    }
    let top = ours.subvolume(SubvolumeName::Id(0)).unwrap();
    let snapshot = ours.lookup(&top, b"snapshot").unwrap().unwrap();
    assert!(ours.lookup(&snapshot, b"later").unwrap().is_none());
    assert!(ours.lookup(&snapshot, b"file-9").unwrap().is_some());
    // A snapshot has no subvolumes of what it was taken of.
    let absent = ours.lookup(&snapshot, b"var").unwrap().unwrap();
    assert_eq!(ours.metadata(&absent).unwrap().kind, FileKind::Directory);
    assert!(ours.read_directory(&absent).unwrap().entries.is_empty());
    assert!(ours.subvolume(SubvolumeName::Path(b"@/deep")).is_err());
    assert!(ours.subvolume(SubvolumeName::Id(9999)).is_err());
}

/// Whichever subvolume is the default: the root, one that is none, the top level, an older root.
#[test]
fn fstab_names_subvolumes_from_the_top_level() {
    if let Some(reason) = cannot() {
        println!("skipped: {reason}");
        return;
    }
    for default in ["@", "@home", ".", "@older"] {
        check_system(default);
    }
}

fn check_system(default: &str) {
    let folder = TempDir::new().unwrap();
    let image = make_image(folder.path(), 128, &["-L", "sys"]);
    {
        let at = folder.path().join("mount");
        let mount = Mount::new("btrfs", &image, &at, "rw").unwrap();
        let top = &mount.0;
        for name in ["@", "@home", "@log"] {
            run("btrfs", &["subvolume", "create", text(&top.join(name))]).unwrap();
            fs::write(top.join(name).join("name"), name).unwrap();
        }
        let id = |name: &str| {
            run("btrfs", &["inspect-internal", "rootid", text(&top.join(name))]).unwrap()
        };
        fs::create_dir_all(top.join("@/etc")).unwrap();
        fs::create_dir_all(top.join("@/home")).unwrap();
        fs::create_dir_all(top.join("@/var/log")).unwrap();
        fs::write(top.join("@/etc/os-release"), "ID=one\n").unwrap();
        let fstab = format!(
            "LABEL=sys / btrfs subvol=@ 0 0\nLABEL=sys /home btrfs subvol=/@home 0 0\n\
             LABEL=sys /var/log btrfs ro,subvolid={} 0 0\n",
            id("@log").trim()
        );
        fs::write(top.join("@/etc/fstab"), fstab).unwrap();
        let older = [text(&top.join("@")), text(&top.join("@older"))].map(str::to_owned);
        run("btrfs", &["subvolume", "snapshot", &older[0], &older[1]]).unwrap();
        fs::write(top.join("@older/name"), "@older").unwrap();
        run("btrfs", &["subvolume", "set-default", id(default).trim(), text(top)]).unwrap();
    }
    let target = open_disk(&image, &DiskOptions::default()).unwrap();
    assert!(target.gaps.is_empty(), "{:?}", target.gaps);
    for (path, expected) in [("/name", "@"), ("/home/name", "@home"), ("/var/log/name", "@log")] {
        let bytes = read_file(target.filesystem.as_ref(), &TreePath::parse(path), 100).unwrap();
        assert_eq!(bytes.as_deref(), Some(expected.as_bytes()), "{path}");
    }
}

#[test]
fn a_damaged_copy_is_read_from_the_other() {
    if let Some(reason) = cannot() {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = make_image(folder.path(), 256, &["-m", "dup", "-d", "dup"]);
    let at = folder.path().join("mount");
    {
        let mount = Mount::new("btrfs", &image, &at, "rw").unwrap();
        fs::write(mount.0.join("file"), [b'%'; 20_000]).unwrap();
    }
    // The first of the two places where the data lie.
    let file = File::options().read(true).write(true).open(&image).unwrap();
    let mut sector = [0; 4096];
    let length = file.metadata().unwrap().len();
    let place = (0..length / 4096)
        .find(|index| {
            file.read_exact_at(&mut sector, index * 4096).unwrap();
            sector == [b'%'; 4096]
        })
        .unwrap();
    let read = || {
        let ours = Btrfs::open(Arc::new(Image::open(&image))).unwrap();
        let node = ours.lookup(&ours.root(), b"file").unwrap().unwrap();
        let mut bytes = vec![0; 20_000];
        ours.read_at(&node, 0, &mut bytes).map(|_| bytes)
    };
    file.write_all_at(b"damage", place * 4096 + 50).unwrap();
    assert_eq!(read().unwrap(), [b'%'; 20_000]);
    for index in place..length / 4096 {
        file.read_exact_at(&mut sector, index * 4096).unwrap();
        if sector == [b'%'; 4096] {
            file.write_all_at(b"damage", index * 4096).unwrap();
        }
    }
    assert!(read().unwrap_err().to_string().contains("do not have their checksum"));
}
