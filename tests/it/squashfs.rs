//! Our reader of squashfs against the kernel's mount of what mksquashfs made, and against
//! mutations.

use super::hostile::{Bytes, Walk};
use super::mutations::{self, Sees};
use super::oracle::{Exactness, Image, Mount, cannot_mount, compare, fill, run, text};
use driftcheck::filesystem::Filesystem;
use driftcheck::filesystem::squashfs::Squashfs;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// The tree of the oracle; ACLs are left away, which mksquashfs does not store.
fn tree(folder: &Path) -> std::path::PathBuf {
    let tree = folder.join("tree");
    fs::create_dir(&tree).unwrap();
    fill(&tree, 700, true);
    // Its zeros are read when the image is made.
    File::options().write(true).open(tree.join("sparse")).unwrap().set_len(3 << 20).unwrap();
    for (name, acl) in [("file-9", "access"), ("deep", "default")] {
        let acl = format!("system.posix_acl_{acl}");
        rustix::fs::removexattr(tree.join(name), acl).unwrap();
    }
    // A long tail and a block that does not shrink.
    let mut state = 1_u32;
    let noise = (0..300_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    fs::write(tree.join("noise"), noise.collect::<Vec<u8>>()).unwrap();
    tree
}

fn check(options: &[&[&str]]) {
    if let Some(reason) = cannot_mount("mount", "squashfs") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let tree = tree(folder.path());
    for (index, options) in options.iter().enumerate() {
        let image = folder.path().join(format!("image-{index}"));
        let always = [text(&tree), text(&image), "-quiet", "-no-progress"];
        if let Err(reason) = run("mksquashfs", &[always.as_slice(), options].concat()) {
            println!("skipped: {reason}");
            continue;
        }
        let ours = Squashfs::open(Arc::new(Image::open(&image))).unwrap();
        let at = folder.path().join("mount");
        let count = match Mount::new("squashfs", &image, &at, "ro") {
            Ok(_mount) => compare(&ours, &ours.root(), &at, Exactness::SameButChangeTime),
            Err(reason) => {
                println!("compared with the tree, {options:?}: {reason}");
                compare(&ours, &ours.root(), &tree, Exactness::Copied)
            }
        };
        assert!(count > 700, "{count} entries");
    }
}

#[test]
fn squashfs_with_gzip() {
    check(&[&["-comp", "gzip", "-b", "4096"]]);
}

#[test]
fn squashfs_with_all_compressors() {
    check(&[
        &["-comp", "xz", "-b", "1M"],
        &["-comp", "zstd"],
        &["-comp", "lzo"],
        &["-comp", "lz4", "-Xhc"],
        &["-comp", "lzma"],
    ]);
}

#[test]
fn squashfs_that_is_laid_out_otherwise() {
    check(&[
        &["-noI", "-noD", "-noF", "-noX"],
        &["-no-fragments", "-no-exports", "-no-duplicates"],
        &["-always-use-fragments", "-no-sparse", "-b", "128K"],
    ]);
}

#[test]
fn mutations_of_squashfs() {
    if mutations::are_done_elsewhere("squashfs::mutations_of_squashfs") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("a/b/c")).unwrap();
    for index in 0..300 {
        fs::write(tree.join(format!("a/some-file-{index}")), vec![1; index * 10]).unwrap();
    }
    File::create(tree.join("sparse")).unwrap().set_len(1 << 26).unwrap();
    std::os::unix::fs::symlink("x".repeat(200), tree.join("link")).unwrap();
    for options in [["-comp", "gzip", "-noI"], ["-comp", "zstd", "-quiet"]] {
        let image = folder.path().join(options[1]);
        let always = [text(&tree), text(&image), "-quiet", "-no-progress"];
        if let Err(reason) = run("mksquashfs", &[always.as_slice(), &options].concat()) {
            println!("skipped: {reason}");
            return;
        }
        let original = fs::read(image).unwrap();
        let filesystem = Squashfs::open(Arc::new(Bytes(original.clone()))).unwrap();
        assert_eq!(Walk::all(&filesystem).counts(), (306, 0));
        mutations::check(&original, 150, Sees::Cuts, |device| Squashfs::open(device), |_, _| false);
    }
}
