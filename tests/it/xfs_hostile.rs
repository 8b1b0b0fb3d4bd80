//! Damaged and hostile XFS: whatever the bytes are, reading ends, in bounded memory, without a
//! panic, and what could not be read is said.

use super::hostile::{Bytes, Walk, used_blocks};
use super::mutations::{self, Sees};
use super::oracle::{Mount, cannot_mount, run, text};
use super::xfs_oracle::{copied_image, grow};
use driftcheck::filesystem::xfs::Xfs;
use driftcheck::filesystem::{Filesystem, Node};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// The least that mkfs.xfs makes when it is told that nobody will use it.
const SMALL: [&str; 3] = ["--unsupported", "-d", "size=16m"];

/// Directories of every form, links of both, a file of a few blocks.
fn plant(top: &Path) {
    for (name, count) in [("few", 2), ("block", 12), ("leaf", 60), ("node", 220)] {
        fs::create_dir_all(top.join(name)).unwrap();
        for index in 0..count {
            fs::write(top.join(format!("{name}/name-number-{index}")), [1; 40]).unwrap();
        }
    }
    fs::create_dir_all(top.join("few/a/b")).unwrap();
    fs::write(top.join("large"), [2; 100_000]).unwrap();
    symlink("x".repeat(1000), top.join("long-link")).unwrap();
    symlink("few/a", top.join("link")).unwrap();
}

/// Mutates an image again and again; `seal` makes checksums right after it.
fn check(original: &[u8], count: usize, seal: impl Fn(&mut [u8]) -> bool) {
    let open = |device: Arc<Bytes>| {
        let filesystem = Xfs::open(device)?;
        for name in [b"node".as_slice(), b"leaf", b"block"] {
            if let Ok(Some(directory)) = filesystem.lookup(&filesystem.root(), name) {
                let _ = filesystem.lookup(&directory, b"name-number-7");
            }
        }
        Ok(filesystem)
    };
    let whole = Walk::all(&open(Arc::new(Bytes(original.to_vec()))).unwrap());
    assert!(whole.entries > 300 && whole.faults == 0, "{whole:?}");
    mutations::check(original, count, Sees::Cuts, open, |_, bytes| seal(bytes));
}

/// An image of version 4 with attributes of every form; `None` without the tools.
fn image_4(folder: &Path) -> Option<Vec<u8>> {
    let tree = folder.join("tree");
    plant(&tree);
    let version = ["-m", "crc=0", "-b", "size=512", "-n", "size=4096"];
    let image = copied_image(folder, &tree, &[&SMALL[..], &version].concat());
    let set = |image: &Path| {
        let attributes = (0..40).map(|index| format!("attr_set -u -v 30 attribute-{index}"));
        let more = ["attr_set -r -v 9000 large".to_owned(), "path /few".to_owned()];
        let last = "attr_set -s -v 20 short".to_owned();
        let commands: Vec<String> = ["path /large".to_owned()]
            .into_iter()
            .chain(attributes)
            .chain(more)
            .chain([last])
            .flat_map(|command| ["-c".to_owned(), command])
            .collect();
        let mut all: Vec<&str> = vec!["-x"];
        all.extend(commands.iter().map(String::as_str));
        all.push(text(image));
        run("xfs_db", &all)
    };
    match image.and_then(|image| set(&image).map(|_| image)) {
        Ok(image) => {
            let mut bytes = fs::read(image).unwrap();
            bytes.truncate(16 << 20);
            Some(bytes)
        }
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

#[test]
fn mutations_of_version_4() {
    if mutations::are_done_elsewhere("xfs_hostile::mutations_of_version_4") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let Some(original) = image_4(folder.path()) else { return };
    let filesystem = Xfs::open(Arc::new(Bytes(original.clone()))).unwrap();
    let node = |name: &[u8]| filesystem.lookup(&filesystem.root(), name).unwrap().unwrap();
    let count = |node: &Node| filesystem.xattrs(node).unwrap().len();
    assert_eq!((count(&node(b"large")), count(&node(b"few"))), (41, 1));
    check(&original, 200, |_| false);
}

#[test]
fn mutations_of_version_5_with_right_checksums() {
    if mutations::are_done_elsewhere("xfs_hostile::mutations_of_version_5_with_right_checksums") {
        return;
    }
    if let Some(reason) = cannot_mount("mkfs.xfs", "xfs") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = folder.path().join("image");
    File::create(&image).unwrap().set_len(20 << 20).unwrap();
    let own = ["--unsupported", "-q", "-f", "-d", "size=20m", "-b", "size=1024"];
    run("mkfs.xfs", &[&own, &["-n", "size=4096", text(&image)][..]].concat()).unwrap();
    {
        let mount = Mount::new("xfs", &image, &folder.path().join("mount"), "rw").unwrap();
        plant(&mount.0);
        fs::write(mount.0.join("file-9"), [3; 70_000]).unwrap();
        symlink("y".repeat(255), mount.0.join("link-255")).unwrap();
        grow(&mount.0);
        let shredded = File::create(mount.0.join("shredded")).unwrap();
        for index in (0..200_u64).rev() {
            shredded.write_all_at(&[4], index * 8192).unwrap();
        }
    }
    let mut original = fs::read(&image).unwrap();
    // What lies behind the last block in use is not needed.
    let used = used_blocks(&original).last().map_or(0, |block| (block + 1) * 1024);
    original.truncate(used.max(1 << 20));
    check(&original, 150, seal);
}

/// Writes right checksums into everything that looks as if it had one.
fn seal(bytes: &mut [u8]) -> bool {
    for block in bytes.chunks_exact_mut(1024) {
        let crc = match (&block[..4], &block[8..10]) {
            (b"XFSB", _) => Some((224, 512)),
            (b"BMA3", _) => Some((64, 1024)),
            (b"XSLM" | b"XARM", _) | (_, [0x3b, 0xee] | [0x3e, 0xbe]) => Some((12, 1024)),
            _ => None,
        };
        if let Some((at, length)) = crc {
            seal_one(&mut block[..length], at);
        }
        for inode in block.chunks_exact_mut(512).filter(|inode| inode.starts_with(b"IN")) {
            seal_one(inode, 100);
        }
    }
    // Blocks of directories are of 4 KiB, wherever they begin.
    for at in (0..bytes.len().saturating_sub(4095)).step_by(1024) {
        let block = &mut bytes[at..at + 4096];
        if matches!(&block[..4], b"XDB3" | b"XDD3") {
            seal_one(block, 4);
        } else if matches!(&block[8..10], [0x3d, 0xf1 | 0xff]) {
            seal_one(block, 12);
        }
    }
    true
}

fn seal_one(bytes: &mut [u8], at: usize) {
    bytes[at..at + 4].fill(0);
    let crc = crc32c::crc32c(bytes);
    bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn a_directory_in_another_is_not_entered() {
    let folder = TempDir::new().unwrap();
    let Some(mut bytes) = image_4(folder.path()) else { return };
    let filesystem = Xfs::open(Arc::new(Bytes(bytes.clone()))).unwrap();
    let find =
        |directory: &Node, name: &[u8]| filesystem.lookup(directory, name).unwrap().unwrap().number;
    let few = find(&filesystem.root(), b"few");
    let file = u32::try_from(find(&Node::new(few), b"name-number-1")).unwrap();
    // The name of a file in the inode of its directory, made to name that directory.
    let entry = [b"name-number-1".as_slice(), &[1], &file.to_be_bytes()].concat();
    let at = bytes.windows(entry.len()).position(|window| window == entry).unwrap();
    let number = at + entry.len() - 4;
    bytes[number..number + 4].copy_from_slice(&u32::try_from(few).unwrap().to_be_bytes());
    let filesystem = Xfs::open(Arc::new(Bytes(bytes))).unwrap();
    assert_eq!(Walk::all(&filesystem).faults, 1);
}
