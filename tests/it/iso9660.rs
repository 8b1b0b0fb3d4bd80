//! Our reader of ISO 9660 against the tree that genisoimage and xorriso wrote, and against
//! mutations. Kernels without isofs are common where this runs.

use super::mutations::{self, Sees};
use super::oracle::{Image, run, text};
use driftcheck::filesystem::iso9660::Iso9660;
use driftcheck::filesystem::{Filesystem, Node};
use driftcheck::model::FileKind;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

fn tree(folder: &Path) -> PathBuf {
    let tree = folder.join("tree");
    // Deeper than the eight levels that ISO 9660 allows.
    fs::create_dir_all(tree.join("a/b/c/d/e/f/g/h/i/j")).unwrap();
    fs::write(tree.join("a/b/c/d/e/f/g/h/i/j/bottom"), b"reached").unwrap();
    for length in [0, 1, 2047, 2048, 2049, 100_000] {
        let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
        fs::write(tree.join(format!("File of {length}.txt")), bytes).unwrap();
    }
    fs::write(tree.join("n".repeat(100)), b"long").unwrap();
    fs::create_dir(tree.join("many")).unwrap();
    for index in 0..200 {
        fs::write(tree.join(format!("many/some-file-with-a-name-{index}")), [1]).unwrap();
    }
    fs::set_permissions(tree.join("many"), fs::Permissions::from_mode(0o1750)).unwrap();
    for (name, target) in [("up", "../x/./y"), ("root", "/etc/passwd")] {
        std::os::unix::fs::symlink(target, tree.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("directory/".repeat(8), tree.join("long-link")).unwrap();
    tree
}

/// Compares with the tree that was written; `has_rock` says whether modes and links are there.
fn compare(ours: &Iso9660, node: &Node, path: &Path, has_rock: bool) -> usize {
    let metadata = ours.metadata(node).unwrap();
    let theirs = fs::symlink_metadata(path).unwrap();
    let place = path.display();
    assert_eq!(metadata.kind, FileKind::from_mode(theirs.mode()).unwrap(), "{place}");
    assert_eq!(metadata.mtime.seconds, theirs.mtime(), "{place}: mtime");
    if has_rock {
        assert_eq!(u32::from(metadata.mode), theirs.mode() & 0o7777, "{place}: mode");
        assert_eq!((metadata.uid, metadata.gid), (theirs.uid(), theirs.gid()), "{place}");
    }
    match metadata.kind {
        FileKind::File => {
            let expected = fs::read(path).unwrap();
            assert_eq!(metadata.size, expected.len() as u64, "{place}");
            let mut bytes = vec![0xaa; expected.len() + 9];
            assert_eq!(ours.read_at(node, 0, &mut bytes).unwrap(), expected.len(), "{place}");
            assert_eq!(bytes[..expected.len()], expected, "{place}");
            1
        }
        FileKind::Symlink => {
            // A slash at the end is no component, and is not kept.
            let target = fs::read_link(path).unwrap().into_os_string().into_vec();
            let target = target.strip_suffix(b"/").unwrap_or(&target);
            let found = ours.read_link(node).unwrap();
            assert_eq!(found.strip_suffix(b"/").unwrap_or(&found), target, "{place}");
            1
        }
        _ => {
            let listing = ours.read_directory(node).unwrap();
            assert!(listing.faults.is_empty(), "{place}: {:?}", listing.faults);
            let found: BTreeMap<Vec<u8>, Node> = listing
                .entries
                .into_iter()
                .map(|e| (e.name.as_bytes().to_vec(), e.node))
                .filter(|(name, _)| name != b"rr_moved")
                .collect();
            let mut expected: Vec<Vec<u8>> = fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap())
                .filter(|entry| has_rock || !entry.file_type().unwrap().is_symlink())
                .map(|entry| entry.file_name().into_vec())
                .collect();
            expected.sort();
            assert_eq!(found.keys().cloned().collect::<Vec<_>>(), expected, "{place}");
            let below = |(name, node): (&Vec<u8>, &Node)| {
                compare(ours, node, &path.join(std::ffi::OsStr::from_bytes(name)), has_rock)
            };
            1 + found.iter().map(below).sum::<usize>()
        }
    }
}

fn check(program: &[&str], options: &[&str], has_rock: bool) {
    let folder = TempDir::new().unwrap();
    let tree = tree(folder.path());
    let image = folder.path().join("image");
    if !has_rock {
        fs::remove_dir_all(tree.join("a")).unwrap();
        fs::remove_file(tree.join("n".repeat(100))).unwrap();
    }
    let (name, first) = program.split_first().unwrap();
    let common = ["-quiet", "-V", "A LABEL", "-o", text(&image)];
    let all = [first, &common, options, &[text(&tree)]].concat();
    if let Err(reason) = run(name, &all) {
        println!("skipped: {reason}");
        return;
    }
    let ours = Iso9660::open(Arc::new(Image::open(&image))).unwrap();
    assert_eq!(ours.label(), b"A LABEL");
    assert_eq!(ours.carries().mode, has_rock);
    let count = compare(&ours, &ours.root(), &tree, has_rock);
    assert_eq!(count, if has_rock { 223 } else { 208 });
}

#[test]
fn iso9660_with_rock_ridge() {
    check(&["genisoimage"], &["-R"], true);
    check(&["genisoimage"], &["-R", "-J"], true);
    check(&["xorriso", "-as", "mkisofs"], &["-R"], true);
}

#[test]
fn iso9660_with_joliet() {
    check(&["genisoimage"], &["-J", "-input-charset", "utf-8"], false);
}

#[test]
fn mutations_of_iso9660() {
    if mutations::are_done_elsewhere("iso9660::mutations_of_iso9660") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let tree = tree(folder.path());
    let image = folder.path().join("image");
    if let Err(reason) = run("genisoimage", &["-quiet", "-R", "-o", text(&image), text(&tree)]) {
        println!("skipped: {reason}");
        return;
    }
    let original = fs::read(image).unwrap();
    mutations::check(&original, 300, Sees::Cuts, |device| Iso9660::open(device), |_, _| false);
}
