//! Our reader of EROFS against the kernel's mount of what mkfs.erofs made, and against mutations.

use super::hostile::{Bytes, Walk};
use super::mutations::{self, Sees};
use super::oracle::{Exactness, Image, Mount, cannot_mount, compare, fill, run, text};
use driftcheck::filesystem::Filesystem;
use driftcheck::filesystem::erofs::Erofs;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The tree of the oracle, and what packs well and badly.
fn tree(folder: &Path) -> PathBuf {
    let tree = folder.join("tree");
    fs::create_dir(&tree).unwrap();
    fill(&tree, 500, true);
    // Its zeros are read when the image is made.
    File::options().write(true).open(tree.join("sparse")).unwrap().set_len(3 << 20).unwrap();
    // mkfs.erofs before 1.6 fails on it.
    fs::remove_file(tree.join("odd").join("n".repeat(255))).unwrap();
    let text: String = (0..60_000_u32).map(|n| format!("{} ", n / 7 * 31)).collect();
    fs::write(tree.join("text"), &text).unwrap();
    fs::write(tree.join("text-again"), &text[10_000..]).unwrap();
    let mut state = 1_u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let bytes: Vec<u8> = (0..200_000).map(|_| noise()).collect();
    fs::write(tree.join("noise"), &bytes).unwrap();
    fs::create_dir(tree.join("ends")).unwrap();
    for index in 0..150 {
        let end = 10_000 + index * 331;
        fs::write(tree.join(format!("ends/{index}")), &text[index * 100..end]).unwrap();
    }
    let mixed = [text.as_bytes(), &bytes, text.as_bytes(), &bytes[..777]].concat();
    fs::write(tree.join("mixed"), mixed).unwrap();
    tree
}

fn check(options: &[&[&str]]) {
    if let Some(reason) = cannot_mount("mount", "erofs") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let tree = tree(folder.path());
    for (index, options) in options.iter().enumerate() {
        let image = folder.path().join(format!("image-{index}"));
        if let Err(reason) =
            run("mkfs.erofs", &[options, [text(&image), text(&tree)].as_slice()].concat())
        {
            println!("skipped: {reason}");
            continue;
        }
        let ours = Erofs::open(Arc::new(Image::open(&image))).unwrap();
        let at = folder.path().join("mount");
        println!("{options:?}");
        let count = match Mount::new("erofs", &image, &at, "ro") {
            Ok(_mount) => compare(&ours, &ours.root(), &at, Exactness::SameButChangeTime),
            Err(reason) => {
                println!("compared with the tree: {reason}");
                compare(&ours, &ours.root(), &tree, Exactness::Copied)
            }
        };
        assert!(count > 500, "{count} entries");
    }
}

#[test]
fn erofs_that_is_not_compressed() {
    check(&[&[], &["-Eforce-inode-compact", "-Enoinline_data"], &["--chunksize=4096"]]);
}

#[test]
fn erofs_with_lz4() {
    check(&[&["-zlz4"], &["-zlz4hc,9", "-C65536"], &["-zlz4hc", "-Elegacy-compress"]]);
}

#[test]
fn erofs_with_shared_parts() {
    check(&[&["-zlz4hc", "-Ededupe"]]);
}

#[test]
fn erofs_with_packed_ends() {
    check(&[
        &["-zlz4hc", "-Efragments", "-C16384"],
        &["-zlz4hc", "-Eztailpacking"],
        &["-zlz4", "-Eztailpacking", "-C65536"],
        &["-zlz4hc", "-Eztailpacking,legacy-compress"],
        &["-zlz4hc", "-Eztailpacking,fragments,dedupe"],
    ]);
}

/// mkfs.erofs from 1.7 on has them.
#[test]
fn erofs_with_other_compressors() {
    for name in ["-zlzma", "-zdeflate", "-zzstd"] {
        check(&[&[name], &[name, "-Eztailpacking,fragments,dedupe", "-C65536"]]);
    }
    check(&[&["-zlzma:lz4hc:deflate", "-C131072"], &["-zzstd", "-Eall-fragments", "-C1048576"]]);
}

#[test]
fn mutations_of_erofs() {
    if mutations::are_done_elsewhere("erofs::mutations_of_erofs") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("a/b/c")).unwrap();
    for index in 0..100 {
        fs::write(tree.join(format!("a/some-file-{index}")), vec![1; index * 100]).unwrap();
    }
    std::os::unix::fs::symlink("x".repeat(200), tree.join("link")).unwrap();
    for options in [
        ["-zlz4hc", "-Efragments"],
        ["--chunksize=4096", "-x1"],
        ["-zlzma", "-C16384"],
        ["-zdeflate", "-C32768"],
        ["-zzstd", "-C65536"],
    ] {
        let image = folder.path().join(options[1]);
        if let Err(reason) =
            run("mkfs.erofs", &[options.as_slice(), &[text(&image), text(&tree)]].concat())
        {
            println!("skipped: {reason}");
            continue;
        }
        let original = fs::read(image).unwrap();
        let filesystem = Erofs::open(Arc::new(Bytes(original.clone()))).unwrap();
        assert_eq!(Walk::all(&filesystem).counts(), (105, 0));
        mutations::check(&original, 150, Sees::Cuts, |device| Erofs::open(device), |_, _| false);
    }
}
