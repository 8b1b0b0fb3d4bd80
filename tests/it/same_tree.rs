//! One tree on every medium: the same content id wherever the medium can carry all that the tree
//! has, and no change but a note where it cannot.

use super::containers::Builder;
use super::oracle::{MADE_BY_MKFS_XFS, Mount, cannot_mount, fill, run, text};
use driftcheck::collect::COLLECTORS;
use driftcheck::compare::{Side, compare};
use driftcheck::model::{
    Change, Content, ContentId, DirectoryContent, Manifest, Records, Timestamp,
};
use driftcheck::scan::{Keep, Options, Verify, scan};
use driftcheck::store::Spool;
use driftcheck::targets::{OpenOptions, TargetSpec, open};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tempfile::TempDir;

/// Opens and scans as the program does; nothing may be left unread.
fn read(spec: &str) -> (Manifest, Spool) {
    let spec = TargetSpec::parse(OsStr::new(spec)).unwrap();
    let target = open(&spec, &OpenOptions::default()).unwrap_or_else(|f| panic!("{}", f.chain()));
    assert!(target.gaps.is_empty(), "{spec}: {:?}", target.gaps);
    let spool = Spool::new();
    let scanned = {
        let keep = Keep {
            tree: &|tree| spool.add_tree(&tree),
            shipped: &|id, bytes| spool.add_shipped(id, &bytes),
            alternates: &|content, digests| spool.add_alternates(content, digests),
            texts: None,
            source: &spool,
        };
        let options = Options {
            name: target.name.clone(),
            target: target.spec.clone(),
            scanned_at: Timestamp::from_seconds(0),
            previous: None,
            reference: None,
            verify: Verify::Changed,
            collectors: COLLECTORS,
            // An image's own facts are none of the tree's.
            records: Records::default(),
            leave_out: &[],
            progress: &|_| {},
        };
        scan(target.filesystem.as_ref(), options, &keep)
    };
    let gaps = &scanned.manifest.records.gaps;
    assert!(gaps.is_empty(), "{spec}: {gaps:?}");
    (scanned.manifest, spool)
}

fn content_id(manifest: &Manifest) -> ContentId {
    match manifest.header.root.content {
        Content::Directory(DirectoryContent::Read { content, .. }) => content,
        ref other => panic!("{other:?}"),
    }
}

fn shown(change: &Change) -> String {
    let names: Vec<&str> = change.attributes.iter().map(|a| a.name.as_str()).collect();
    format!("{} {}: {}", change.kind.as_str(), change.subject, names.join(" "))
}

/// What a compare of the tree with a medium says.
struct Medium<'a> {
    manifest: Manifest,
    spool: Spool,
    tree: &'a (Manifest, Spool),
}

impl<'a> Medium<'a> {
    fn read(tree: &'a (Manifest, Spool), spec: &str) -> Self {
        let (manifest, spool) = read(spec);
        Self { manifest, spool, tree }
    }

    /// No change in either direction, and these notes.
    fn differs_by_notes(&self, expected: &[&str]) {
        let ours = Side { manifest: &self.tree.0, source: &self.tree.1 };
        let theirs = Side { manifest: &self.manifest, source: &self.spool };
        for (before, after) in [(&ours, &theirs), (&theirs, &ours)] {
            let found = compare(before, after).unwrap();
            let name = &self.manifest.header.target;
            let changes: Vec<String> = found.changes.iter().map(shown).collect();
            assert!(changes.is_empty(), "{name}: {changes:#?}");
            assert!(found.gaps.is_empty(), "{name}: {:?}", found.gaps);
            let lost: Vec<&str> = found
                .notes
                .iter()
                .map(|note| note.split_once(": not carried by one of the media").unwrap().0)
                .collect();
            assert_eq!(lost, expected, "{name}");
        }
    }

    fn is_the_same(&self) {
        let name = &self.manifest.header.target;
        self.differs_by_notes(&[]);
        assert_eq!(content_id(&self.manifest), content_id(&self.tree.0), "{name}");
        assert_eq!(self.manifest.hard_links, self.tree.0.hard_links, "{name}");
    }
}

const ACLS: [&str; 2] = ["xattr:system.posix_acl_access", "xattr:system.posix_acl_default"];
const SOCKETS: &str = "entries of the kind socket";

/// The tree of the oracles. Holes of a file are read as zeros where an archive is made.
fn plant(top: &Path) {
    fs::create_dir(top).unwrap();
    fill(top, 300, true);
    File::options().write(true).open(top.join("sparse")).unwrap().set_len(3 << 20).unwrap();
    // mkfs.erofs before 1.6 fails on it.
    fs::rename(top.join("odd").join("n".repeat(255)), top.join("odd").join("n".repeat(250)))
        .unwrap();
}

/// Copies a tree into a new file system and gives it back unmounted.
fn copy_into(kind: &str, make: &[&str], tree: &Path, image: &Path) {
    File::create(image).unwrap().set_len(320 << 20).unwrap();
    let (program, arguments) = make.split_first().unwrap();
    run(program, &[arguments, &[text(image)]].concat()).unwrap();
    let at = image.with_extension("mount");
    let mount = Mount::new(kind, image, &at, "rw").unwrap();
    let _ = fs::remove_dir(mount.0.join("lost+found"));
    let _ = rustix::fs::removexattr(&mount.0, MADE_BY_MKFS_XFS);
    // It keeps quiet about attributes that the file system refuses.
    run("cp", &["-a", "--sparse=auto", &format!("{}/.", text(tree)), text(&mount.0)]).unwrap();
}

#[test]
fn file_systems_have_the_content_id_of_the_tree() {
    if let Some(reason) = cannot_mount("mount", "ext4") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let top = folder.path().join("tree");
    plant(&top);
    let tree = read(&format!("dir:{}", text(&top)));
    for (kind, make) in [
        ("ext4", ["mkfs.ext4", "-q", "-F", "-b", "4096"].as_slice()),
        ("ext4", &["mkfs.ext4", "-q", "-F", "-b", "1024", "-O", "inline_data,ea_inode"]),
        ("xfs", &["mkfs.xfs", "-q", "-f"]),
        ("btrfs", &["mkfs.btrfs", "-q", "-f"]),
    ] {
        if let Some(reason) = cannot_mount(make[0], kind) {
            println!("skipped: {reason}");
            continue;
        }
        let image = folder.path().join("image");
        copy_into(kind, make, &top, &image);
        Medium::read(&tree, &format!("disk:{}", text(&image))).is_the_same();
        let at = folder.path().join("again");
        let mount = Mount::new(kind, &image, &at, "ro").unwrap();
        Medium::read(&tree, &format!("dir:{}", text(&mount.0))).is_the_same();
    }
    let image = folder.path().join("erofs");
    match run("mkfs.erofs", &["-zlz4hc", text(&image), text(&top)]) {
        Ok(_) => Medium::read(&tree, &format!("disk:{}", text(&image))).is_the_same(),
        Err(reason) => println!("skipped: {reason}"),
    }
    let image = folder.path().join("squashfs");
    let squash = |options: &[&str]| {
        let always = [text(&top), text(&image), "-quiet", "-no-progress", "-noappend"];
        run("mksquashfs", &[always.as_slice(), options].concat())
    };
    match squash(&[]) {
        Ok(_) => {
            let spec = format!("disk:{}", text(&image));
            Medium::read(&tree, &spec).differs_by_notes(&ACLS);
            squash(&["-no-xattrs"]).unwrap();
            Medium::read(&tree, &spec).differs_by_notes(&["xattr"]);
        }
        Err(reason) => println!("skipped: {reason}"),
    }
}

#[test]
fn archives_have_the_content_id_of_the_tree() {
    if let Some(reason) = cannot_mount("mount", "ext4") {
        println!("skipped: {reason}");
        return;
    }
    let folder = TempDir::new().unwrap();
    let top = folder.path().join("tree");
    plant(&top);
    let archive = folder.path().join("archive.tar");
    let spec = format!("tar:{}", text(&archive));
    let tar = |options: &[&str]| {
        let always = ["-C", text(&top), "-cf", text(&archive), "--sparse"];
        run("tar", &[&always[..], options, &["."]].concat()).unwrap();
    };
    let with_socket = read(&format!("dir:{}", text(&top)));
    let everything = ["--format=pax", "--xattrs", "--xattrs-include=*", "--acls"];
    tar(&everything);
    Medium::read(&with_socket, &spec).differs_by_notes(&[SOCKETS]);
    fs::remove_file(top.join("socket")).unwrap();
    let tree = read(&format!("dir:{}", text(&top)));
    // Of the root's own times nothing is compared.
    tar(&everything);
    let packed = Medium::read(&tree, &spec);
    packed.differs_by_notes(&[SOCKETS]);
    assert_eq!(content_id(&packed.manifest), content_id(&tree.0));
    assert_eq!(packed.manifest.hard_links, tree.0.hard_links);

    // In a layer it says that something is not there.
    fs::remove_file(top.join("zero")).unwrap();
    tar(&everything);
    let tree = read(&format!("dir:{}", text(&top)));
    let layout = Builder::new(folder.path().join("layout"));
    let bytes = fs::read(&archive).unwrap();
    let layer = layout.blob("application/vnd.oci.image.layer.v1.tar", &bytes);
    let diff_id = layer["digest"].as_str().unwrap().to_owned();
    layout.index(&[layout.image("amd64", &[(layer, diff_id)])]);
    let image = Medium::read(&tree, &format!("oci:{}", text(&folder.path().join("layout"))));
    image.differs_by_notes(&[SOCKETS]);
    assert_eq!(content_id(&image.manifest), content_id(&tree.0));

    for (options, lost) in [
        (["--format=gnu", "--no-xattrs"], [SOCKETS, "xattr"].as_slice()),
        (["--format=pax", "--no-xattrs"], &[SOCKETS, "xattr"]),
        (["--xattrs", "--xattrs-exclude=system.*"], &[SOCKETS, ACLS[0], ACLS[1]]),
    ] {
        tar(&options);
        Medium::read(&tree, &spec).differs_by_notes(lost);
    }
}

/// What FAT and ISO 9660 lose, in a tree whose names they can hold.
#[test]
fn what_a_medium_loses_is_no_drift() {
    let folder = TempDir::new().unwrap();
    let top = folder.path().join("tree");
    fs::create_dir_all(top.join("etc/cron.daily")).unwrap();
    fs::create_dir_all(top.join("usr/bin")).unwrap();
    for (name, mode) in [("etc/os-release", 0o644), ("etc/cron.daily/job", 0o700)] {
        fs::write(top.join(name), format!("ID={name}\n")).unwrap();
        fs::set_permissions(top.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::write(top.join("usr/bin/su"), [7; 5000]).unwrap();
    fs::set_permissions(top.join("usr/bin/su"), fs::Permissions::from_mode(0o4755)).unwrap();
    let files = [text(&top.join("etc")), text(&top.join("usr"))].map(str::to_owned);
    let fat = folder.path().join("fat");
    let copied = run("mkfs.vfat", &["-C", text(&fat), "4096"])
        .and_then(|_| run("mcopy", &["-s", "-i", text(&fat), &files[0], &files[1], "::/"]));
    symlink("usr/bin", top.join("bin")).unwrap();
    run("mkfifo", &[text(&top.join("etc/pipe"))]).unwrap();
    let tree = read(&format!("dir:{}", text(&top)));
    let lost_kinds = ["block-device", "character-device", "fifo", "socket", "symlink"]
        .map(|kind| format!("entries of the kind {kind}"));
    let lost: Vec<&str> = ["gid"]
        .into_iter()
        .chain(lost_kinds.iter().map(String::as_str))
        .chain(["mode", "uid", "xattr"])
        .collect();
    match copied {
        Ok(_) => Medium::read(&tree, &format!("disk:{}", text(&fat))).differs_by_notes(&lost),
        Err(reason) => println!("skipped: {reason}"),
    }
    let iso = folder.path().join("iso");
    let make = |options: &[&str]| {
        let always = ["-quiet", "-o", text(&iso)];
        run("genisoimage", &[&always[..], options, &[text(&top)]].concat())
    };
    for (options, lost) in [(["-R", "-quiet"], &["xattr"][..]), (["-J", "-quiet"], &lost)] {
        match make(&options) {
            Ok(_) => Medium::read(&tree, &format!("disk:{}", text(&iso))).differs_by_notes(lost),
            Err(reason) => println!("skipped: {reason}"),
        }
    }
}
