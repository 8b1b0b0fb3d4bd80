//! Our reader of FAT against the tree that mtools copied into images of mkfs.vfat, and against
//! mutations of those. Kernels without vfat are common where this runs; mtools needs no root.

use super::mutations::{self, Sees};
use super::oracle::{Image, run, text};
use driftcheck::filesystem::fat::Fat;
use driftcheck::filesystem::{Filesystem, Node};
use driftcheck::model::FileKind;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

fn fill(top: &Path, many: usize) {
    fs::create_dir_all(top.join("EFI/Boot/deep/deeper/Deepest Folder")).unwrap();
    let names = [
        "lower.txt",
        "UPPER.TXT",
        "lower.TXT",
        "UPPER.txt",
        "Mixed.Txt",
        "noext",
        "NOEXT2",
        "a.b.c",
        ".hidden",
        "grün.txt",
        "日本語の名前",
        "😀",
        "a name with spaces and +,;=[]",
        "thirteen-char",
        "twenty-six-characters-long",
    ];
    for (index, name) in names.into_iter().enumerate() {
        let bytes: Vec<u8> = (0..=250).cycle().take(index * 777).collect();
        fs::write(top.join(name), bytes).unwrap();
    }
    fs::write(top.join("n".repeat(255)), b"long").unwrap();
    fs::write(top.join("EFI/Boot/deep/deeper/Deepest Folder/x"), vec![7; 70_000]).unwrap();
    fs::create_dir(top.join("many")).unwrap();
    for index in 0..many {
        fs::write(top.join(format!("many/a file of number {index}")), [1]).unwrap();
    }
    for (name, seconds) in
        [("lower.txt", 951_782_399), ("noext", 4_102_444_800), ("NOEXT2", 315_532_800)]
    {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        File::options().write(true).open(top.join(name)).unwrap().set_modified(time).unwrap();
    }
}

/// An image that holds the tree; `None`, with the reason printed, where the tools are missing.
fn image(folder: &Path, kilobytes: u64, many: usize, arguments: &[&str]) -> Option<PathBuf> {
    let tree = folder.join("tree");
    fs::create_dir(&tree).unwrap();
    fill(&tree, many);
    let image = folder.join("image");
    File::create(&image).unwrap().set_len(kilobytes << 10).unwrap();
    let mcopy = |from: &[&str], to: &str| {
        let always = ["LC_ALL=C.UTF-8", "TZ=UTC", "mcopy", "-s", "-m", "-i", text(&image)];
        run("env", &[always.as_slice(), from, &[to]].concat())
    };
    let make = || -> Result<(), String> {
        run(
            "mkfs.vfat",
            &[&["-n", "A LABEL", "-i", "1234abcd"], arguments, &[text(&image)]].concat(),
        )?;
        // Files in pieces: every second one makes room.
        let filler = folder.join("filler");
        fs::write(&filler, vec![3; 5000]).unwrap();
        for index in 0..20 {
            mcopy(&[text(&filler)], &format!("::filler{index}"))?;
        }
        for index in (0..20).step_by(2) {
            run("mdel", &["-i", text(&image), &format!("::filler{index}")])?;
        }
        let mut names: Vec<PathBuf> =
            fs::read_dir(&tree).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let names: Vec<&str> = names.iter().map(|path| text(path)).collect();
        mcopy(&names, "::")?;
        for index in (1..20).step_by(2) {
            run("mdel", &["-i", text(&image), &format!("::filler{index}")])?;
        }
        Ok(())
    };
    match make() {
        Ok(()) => Some(image),
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

fn compare(ours: &Fat, node: &Node, path: &Path) -> usize {
    let metadata = ours.metadata(node).unwrap();
    let theirs = fs::metadata(path).unwrap();
    let place = path.display();
    assert_eq!(metadata.kind, FileKind::from_mode(theirs.mode()).unwrap(), "{place}");
    assert_eq!((metadata.mode, metadata.uid, metadata.gid), (0o755, 0, 0), "{place}");
    if metadata.kind == FileKind::File {
        assert_eq!(metadata.size, theirs.size(), "{place}");
        assert_eq!(metadata.mtime.seconds, theirs.mtime() & !1, "{place}: mtime");
        let expected = fs::read(path).unwrap();
        let opened = ours.open(node).unwrap();
        for node in [node, &opened] {
            let mut bytes = vec![0xaa; expected.len() + 9];
            assert_eq!(ours.read_at(node, 0, &mut bytes).unwrap(), expected.len(), "{place}");
            assert_eq!(bytes[..expected.len()], expected, "{place}");
        }
        for at in (0..expected.len()).step_by(1999) {
            let mut bytes = [0; 3000];
            let count = ours.read_at(&opened, at as u64, &mut bytes).unwrap();
            assert_eq!(bytes[..count], expected[at..(at + 3000).min(expected.len())], "{place}");
        }
        return 1;
    }
    let listing = ours.read_directory(node).unwrap();
    assert!(listing.faults.is_empty(), "{place}: {:?}", listing.faults);
    let found: BTreeMap<String, Node> = listing
        .entries
        .into_iter()
        .map(|e| (String::from_utf8(e.name.as_bytes().to_vec()).unwrap(), e.node))
        .collect();
    let mut expected: Vec<String> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    expected.sort();
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), expected, "{place}");
    1 + found.iter().map(|(name, node)| compare(ours, node, &path.join(name))).sum::<usize>()
}

fn check(kilobytes: u64, many: usize, arguments: &[&str]) {
    let folder = TempDir::new().unwrap();
    let Some(image) = image(folder.path(), kilobytes, many, arguments) else { return };
    let ours = Fat::open(Arc::new(Image::open(&image))).unwrap();
    assert_eq!(ours.uuid().as_deref(), Some("1234-ABCD"));
    assert_eq!(ours.label(), b"A LABEL");
    let count = compare(&ours, &ours.root(), &folder.path().join("tree"));
    assert_eq!(count, 24 + many);
}

#[test]
fn fat12() {
    check(1440, 60, &["-F", "12"]);
}

#[test]
fn fat16() {
    check(16 << 10, 400, &["-F", "16", "-s", "1"]);
}

#[test]
fn fat32() {
    check(40 << 10, 400, &["-F", "32", "-s", "1"]);
}

#[test]
fn fat32_with_large_sectors() {
    check(40 << 10, 20, &["-F", "32", "-S", "4096", "-s", "1"]);
}

#[test]
fn mutations_of_fat() {
    if mutations::are_done_elsewhere("fat::mutations_of_fat") {
        return;
    }
    for arguments in [["-F", "12"], ["-F", "16"], ["-F", "32"]] {
        let folder = TempDir::new().unwrap();
        let Some(image) = image(folder.path(), 1440, 20, &arguments) else { return };
        let original = fs::read(image).unwrap();
        mutations::check(&original, 300, Sees::Cuts, |device| Fat::open(device), |_, _| false);
    }
}
