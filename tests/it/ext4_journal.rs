//! Journals that were cut off: ours replayed in memory against the kernel's recovery of a copy.

use super::ext4_oracle::make_image;
use super::oracle::{Exactness, Image, Mount, cannot_mount, compare, fill_directories, run, text};
use crate::support;
use driftcheck::filesystem::ext4::Ext4;
use driftcheck::filesystem::resolve::read_node;
use driftcheck::filesystem::{Filesystem, Node};
use driftcheck::model::{FileKind, TreePath};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Changes a mounted tree so that the log has blocks in it, revoked ones, and blocks that begin
/// with the journal's own magic number.
fn disturb(top: &Path) {
    fill_directories(top, 700);
    sync(top);
    fs::remove_dir_all(top.join("deep")).unwrap();
    fs::remove_dir_all(top.join("odd")).unwrap();
    sync(top);
    let magic: Vec<u8> = [0xc0, 0x3b, 0x39, 0x98, 0, 0, 0, 1].repeat(4096);
    for index in 0..40 {
        fs::write(top.join(format!("magic-{index}")), &magic).unwrap();
    }
    sync(top);
    for index in 0..350 {
        fs::rename(
            top.join(format!("many/name-{:06}", index * 2 + 1)),
            top.join(format!("many/renamed-{index}")),
        )
        .ok();
    }
    File::options().write(true).open(top.join("magic-3")).unwrap().set_len(5000).unwrap();
    sync(top);
}

/// Frees blocks of a directory and fills all that is free with data, which the log must not
/// cover with the directory again.
fn reuse_freed_blocks(top: &Path) {
    let gone = top.join("gone");
    fs::create_dir(&gone).unwrap();
    for index in 0..1500 {
        fs::write(gone.join(format!("a-rather-long-name-{index}")), []).unwrap();
    }
    sync(top);
    fs::remove_dir_all(&gone).unwrap();
    sync(top);
    for index in 0.. {
        if fs::write(top.join(format!("data-{index}")), vec![b'd'; 200_000]).is_err() {
            break;
        }
    }
    sync(top);
}

fn sync(top: &Path) {
    rustix::fs::syncfs(File::open(top).unwrap()).unwrap();
}

/// Copies an image while it is mounted, which is what a power cut leaves.
fn cut_off(image: &Path, copy: &str) -> PathBuf {
    let copy = image.with_file_name(copy);
    run("cp", &["--sparse=always", text(image), text(&copy)]).unwrap();
    copy
}

fn check(disturb: fn(&Path), options: &str, arguments: &[&str]) {
    if let Some(reason) = cannot_mount("mkfs.ext4", "ext4") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let image = make_image(folder.path(), 24, arguments);
    let at = folder.path().join("mount");
    let copies = {
        let mount = Mount::new("ext4", &image, &at, &format!("rw,commit=1000,{options}")).unwrap();
        disturb(&mount.0);
        ["ours", "theirs"].map(|name| cut_off(&image, name))
    };
    let [ours, theirs] = copies;
    let said = run("dumpe2fs", &["-h", text(&ours)]).unwrap();
    assert!(said.contains("needs_recovery"), "{said}");
    let ours = Ext4::open(Arc::new(Image::open(&ours))).unwrap();
    // A loop device of a read-only mount cannot be written, and recovery writes.
    drop(Mount::new("ext4", &theirs, &at, "rw").unwrap());
    let _mount = Mount::new("ext4", &theirs, &at, "ro").unwrap();
    let count = compare(&ours, &ours.root(), &at, Exactness::Same);
    assert!(count > 60, "{count} entries");
}

#[test]
fn a_log_with_checksums_of_version_3() {
    check(disturb, "data=ordered", &["mkfs.ext4", "-b", "4096"]);
}

#[test]
fn a_log_with_data_in_it() {
    check(disturb, "data=journal", &["mkfs.ext4", "-b", "1024", "-O", "^64bit,inline_data"]);
}

#[test]
fn a_log_with_checksums_of_version_1() {
    let features = "^metadata_csum,^64bit";
    check(disturb, "data=journal,journal_checksum", &["mkfs.ext4", "-b", "4096", "-O", features]);
}

#[test]
fn a_log_without_checksums_and_block_maps() {
    check(disturb, "data=journal", &["mkfs.ext3", "-b", "1024", "-J", "size=4"]);
}

#[test]
fn a_log_with_revoked_blocks() {
    check(reuse_freed_blocks, "data=ordered", &["mkfs.ext4", "-b", "1024", "-N", "2048"]);
}

/// A log that `debugfs` wrote, with the checksums that no kernel makes any more.
fn check_version_2(features: &str) {
    if let Some(reason) = cannot_mount("mkfs.ext4", "ext4") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let arguments = ["mkfs.ext4", "-b", "1024", "-O", features];
    let image = make_image(folder.path(), 8, &arguments);
    let [old, new, script] = ["old", "new", "script"].map(|name| folder.path().join(name));
    fs::write(&old, [b'o'; 20_000]).unwrap();
    fs::write(&new, [0xc0, 0x3b, 0x39, 0x98].repeat(5120)).unwrap();
    let debugfs = |request: &str| run("debugfs", &["-w", "-R", request, text(&image)]).unwrap();
    debugfs(&format!("write {} file", text(&old)));
    let blocks = debugfs("blocks /file").split_whitespace().collect::<Vec<_>>().join(",");
    fs::write(&script, format!("jo -c -v 2\njw -b {blocks} {}\njc\n", text(&new))).unwrap();
    run("debugfs", &["-w", "-f", text(&script), text(&image)]).unwrap();
    let ours = Ext4::open(Arc::new(Image::open(&image))).unwrap();
    let root = ours.read_directory(&ours.root()).unwrap();
    assert!(root.faults.is_empty(), "{:?}", root.faults);
    let node = ours.lookup(&ours.root(), b"file").unwrap().unwrap();
    let found = read_node(&ours, &node, 1 << 20).unwrap().unwrap();
    assert_eq!(found, fs::read(&new).unwrap()[..20_000]);
    drop(Mount::new("ext4", &image, &folder.path().join("mount"), "rw").unwrap());
    let recovered = Ext4::open(Arc::new(Image::open(&image))).unwrap();
    assert_eq!(read_node(&recovered, &node, 1 << 20).unwrap().unwrap(), found);
}

#[test]
fn a_log_with_checksums_of_version_2() {
    check_version_2("metadata_csum,64bit");
    check_version_2("metadata_csum,^64bit");
}

/// A loop device, detached when it goes.
struct Loop(String);

impl Loop {
    fn new(file: &Path) -> Self {
        Self(run("losetup", &["--find", "--show", text(file)]).unwrap().trim().to_owned())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = run("losetup", &["--detach", &self.0]);
    }
}

fn faults_of_root(image: &Path) -> Vec<String> {
    let ours = Ext4::open(Arc::new(Image::open(image))).unwrap();
    let listing = ours.read_directory(&ours.root()).unwrap();
    listing.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn an_external_journal_that_is_needed_is_named() {
    if let Some(reason) = cannot_mount("mkfs.ext4", "ext4") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let log = make_image(folder.path(), 8, &["mke2fs", "-b", "4096", "-O", "journal_dev"]);
    let log = {
        let moved = log.with_file_name("log");
        fs::rename(log, &moved).unwrap();
        moved
    };
    let fault = Ext4::open(Arc::new(Image::open(&log))).unwrap_err();
    assert_eq!(fault.to_string(), "this is the external journal of another ext4");
    let device = Loop::new(&log);
    let journal = format!("device={}", device.0);
    let image = make_image(folder.path(), 16, &["mkfs.ext4", "-b", "4096", "-J", &journal]);
    assert!(faults_of_root(&image).is_empty());
    let copy = {
        let at = folder.path().join("mount");
        let options = format!("rw,journal_path={}", device.0);
        let mount = Mount::new("ext4", &image, &at, &options).unwrap();
        fs::write(mount.0.join("file"), b"bytes").unwrap();
        sync(&mount.0);
        cut_off(&image, "copy")
    };
    assert_eq!(
        faults_of_root(&copy),
        ["the journal holds changes that could not be replayed, the tree is shown without them: \
          it lies on another device"]
    );
}

/// Where the partitions of a GPT with sectors of 512 bytes begin and end.
fn partitions(raw: &Path) -> Vec<(u64, u64)> {
    let mut table = vec![0; 128 * 128];
    File::open(raw).unwrap().read_exact_at(&mut table, 1024).unwrap();
    let number = |entry: &[u8], at: usize| u64::from_le_bytes(entry[at..][..8].try_into().unwrap());
    let used = table.chunks(128).filter(|entry| entry[..16] != [0; 16]);
    used.map(|entry| (number(entry, 32) * 512, (number(entry, 40) + 1) * 512)).collect()
}

/// Opens the root of one of the fixture's images; `None` where it or `qemu-img` is missing.
pub(super) fn fixture(folder: &Path, name: &str) -> Option<Ext4> {
    let image = support::fixture(&format!("vm/{name}.qcow2"))?;
    let raw = folder.join(name);
    if let Err(reason) = run("qemu-img", &["convert", "-O", "raw", text(&image), text(&raw)]) {
        println!("skipped: {reason}");
        return None;
    }
    let mut parts = partitions(&raw).into_iter().map(|(start, end)| Image::part(&raw, start, end));
    let root = parts.find(|part| Ext4::probe(part)).unwrap();
    Some(Ext4::open(Arc::new(root)).unwrap())
}

/// A tree as the truth writes its entries, by path.
fn entries(ours: &Ext4, node: &Node, path: &TreePath, found: &mut BTreeMap<String, Value>) {
    let listing = ours.read_directory(node).unwrap();
    assert!(listing.faults.is_empty(), "{path}: {:?}", listing.faults);
    for entry in listing.entries {
        let path = path.join(&entry.name);
        let metadata = ours.metadata(&entry.node).unwrap();
        let mut value = json!({
            "kind": metadata.kind.as_str(),
            "mode": format!("0o{:o}", metadata.mode),
            "uid": metadata.uid,
            "gid": metadata.gid,
        });
        match metadata.kind {
            FileKind::File => {
                let bytes = read_node(ours, &entry.node, 1 << 30).unwrap().unwrap();
                value["size"] = metadata.size.into();
                value["sha256"] = hex(&Sha256::digest(&bytes)).into();
            }
            FileKind::Symlink => {
                value["target"] =
                    String::from_utf8(ours.read_link(&entry.node).unwrap()).unwrap().into();
            }
            _ => {}
        }
        for xattr in ours.xattrs(&entry.node).unwrap() {
            value["xattrs"][String::from_utf8_lossy(&xattr.name).as_ref()] =
                hex(&xattr.value).into();
        }
        if metadata.kind == FileKind::Directory {
            entries(ours, &entry.node, &path, found);
        }
        found.insert(path.to_string(), value);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn the_fixtures_differ_as_their_truth_says() {
    let folder = TempDir::new().unwrap();
    let tree = |name: &str| {
        let ours = fixture(folder.path(), name)?;
        let mut found = BTreeMap::new();
        entries(&ours, &ours.root(), &TreePath::root(), &mut found);
        fs::remove_file(folder.path().join(name)).unwrap();
        Some(found)
    };
    let Some(golden) = tree("golden") else { return };
    for name in ["web-01", "web-02"] {
        let Some(current) = tree(name) else { return };
        let truth = fs::read(support::fixture(&format!("vm/{name}.truth.json")).unwrap()).unwrap();
        let truth: Value = serde_json::from_slice(&truth).unwrap();
        let expected: BTreeMap<&str, (&Value, &Value)> = truth["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| (c["path"].as_str().unwrap(), (&c["before"], &c["after"])))
            .collect();
        let paths = golden.keys().chain(current.keys());
        let get = |tree: &'_ BTreeMap<String, Value>, path: &str| tree.get(path).cloned();
        let mut found = BTreeMap::new();
        for path in paths {
            let (before, after) = (get(&golden, path), get(&current, path));
            if before != after {
                let values = (before.unwrap_or(Value::Null), after.unwrap_or(Value::Null));
                found.insert(path.as_str(), values);
            }
        }
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (path, (before, after)) in &found {
            assert_eq!((before, after), expected[path], "{name}: {path}");
        }
        let counted = |field: &str| truth[field].as_u64().unwrap();
        assert_eq!(golden.len() as u64, counted("entries_before"), "{name}");
        assert_eq!(current.len() as u64, counted("entries_after"), "{name}");
    }
}
