//! Archives against the tree that they were made of: what GNU tar and Python's `tarfile` write
//! reads as what the kernel shows.

use driftcheck::filesystem::directory::DirectoryFilesystem;
use driftcheck::filesystem::tar::{OpenedTar, TarOptions, open_tar};
use driftcheck::filesystem::{Carries, Filesystem, Node};
use driftcheck::model::{FileKind, TreePath};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// Runs a tool; `None` where it is missing or fails.
fn run(program: &str, arguments: &[&OsStr]) -> Option<()> {
    let output = Command::new(program).args(arguments).env("LC_ALL", "C").output().ok()?;
    if !output.status.success() {
        println!("{program}: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success().then_some(())
}

pub fn tool(program: &str, arguments: &[&str]) -> Option<()> {
    run(program, &arguments.iter().map(OsStr::new).collect::<Vec<_>>())
}

/// What a tar can hold, and whether attributes and devices could be made here.
pub struct Sample {
    pub folder: tempfile::TempDir,
    has_devices: bool,
}

impl Sample {
    /// `rich`: with what ustar cannot carry.
    pub fn new(rich: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let at = |name: &str| root.join(name);
        fs::create_dir_all(at("etc/deep/er")).unwrap();
        fs::write(at("etc/motd"), "hello\n").unwrap();
        fs::write(at("etc/empty"), "").unwrap();
        fs::write(at("etc/exactly"), vec![b'x'; 512]).unwrap();
        fs::write(at("big"), (0..300_000_u32).map(|i| i.to_le_bytes()[1]).collect::<Vec<_>>())
            .unwrap();
        fs::hard_link(at("etc/motd"), at("etc/deep/motd")).unwrap();
        symlink("../etc/motd", at("link")).unwrap();
        symlink("/nowhere", at("dangling")).unwrap();
        fs::set_permissions(at("big"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::set_permissions(at("etc/deep"), fs::Permissions::from_mode(0o1777)).unwrap();
        let long = "n".repeat(90);
        fs::create_dir_all(at(&long)).unwrap();
        fs::write(at(&format!("{long}/{}", "m".repeat(95))), "long\n").unwrap();
        if rich {
            fs::write(at(&"o".repeat(255)), "longer\n").unwrap();
            symlink("t".repeat(1000), at("long-link")).unwrap();
            let name = OsStr::from_bytes(b"not\xffutf8\n\\x");
            fs::write(root.join(name), "bytes\n").unwrap();
            let sparse = fs::File::create(at("sparse")).unwrap();
            sparse.set_len(5 << 20).unwrap();
            for piece in 0..60 {
                sparse.write_all_at(b"data", (piece * 80_000) + 70_000).unwrap();
            }
            fs::File::create(at("hole")).unwrap().set_len(1 << 20).unwrap();
        }
        let path = |name: &str| at(name).into_os_string().into_string().unwrap();
        let has_devices = tool("mknod", &[&path("console"), "c", "5", "1"]).is_some()
            && tool("mknod", &[&path("loop"), "b", "7", "300"]).is_some()
            && tool("chown", &["1234:99999", &path("etc/empty")]).is_some();
        tool("mkfifo", &[&path("pipe")]);
        tool("touch", &["-h", "-d", "1960-01-02T03:04:05.25Z", &path("etc/exactly")]);
        Self { folder, has_devices }
    }

    pub fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root")
    }

    /// Attributes, ACLs and capabilities, as far as they can be set here.
    pub fn with_xattrs(self) -> Option<Self> {
        let path = |name: &str| self.root().join(name).into_os_string().into_string().unwrap();
        tool("setfattr", &["-n", "user.note", "-v", "a=b\nc", &path("etc/motd")])?;
        tool("setfattr", &["-n", "user.100%=full", "-v", "0x00ff0a00", &path("etc")])?;
        tool("setfattr", &["-n", "user.empty", &path("etc")])?;
        tool("setfattr", &["-n", "trusted.t", "-v", "x", &path("big")])?;
        let capability = "0x0100000200040000000000000000000000000000";
        tool("setfattr", &["-n", "security.capability", "-v", capability, &path("etc/exactly")])?;
        tool("setfacl", &["-m", "u:4711:r--,g:12:rw-", &path("etc/empty")])?;
        tool("setfacl", &["-d", "-m", "u::rwx,u:4711:r-x", &path("etc/deep")])?;
        Some(self)
    }
}

/// One entry as text: what a content id is made of, and times to the unit that the format has.
fn describe(filesystem: &dyn Filesystem, node: &Node, unit: u32, carries: Carries) -> String {
    let metadata = filesystem.metadata(node).unwrap();
    let opened = match metadata.kind {
        FileKind::File => filesystem.open(node).unwrap(),
        _ => node.clone(),
    };
    let content = match metadata.kind {
        FileKind::Symlink => format!("{:?}", filesystem.read_link(node).unwrap()),
        FileKind::File => {
            let mut bytes = Vec::new();
            let mut buffer = vec![0; 77_777];
            loop {
                let count = filesystem.read_at(&opened, bytes.len() as u64, &mut buffer).unwrap();
                bytes.extend_from_slice(&buffer[..count]);
                if count == 0 {
                    break;
                }
            }
            check_ranges(filesystem, &opened, &bytes);
            format!("{} {}", metadata.size, blake3::hash(&bytes).to_hex())
        }
        _ => String::new(),
    };
    let xattrs = if carries.xattrs { filesystem.xattrs(node).unwrap() } else { Vec::new() };
    format!(
        "{} {:o} {}:{} {}.{} links {} device {:?} {content} {xattrs:?}",
        metadata.kind,
        metadata.mode,
        metadata.uid,
        metadata.gid,
        metadata.mtime.seconds,
        metadata.mtime.nanoseconds / unit,
        if metadata.kind == FileKind::Directory { 0 } else { metadata.links },
        metadata.device,
    )
}

/// Outside of the ranges that may hold data there are only zeros, and the walk over them ends.
fn check_ranges(filesystem: &dyn Filesystem, node: &Node, bytes: &[u8]) {
    let mut offset = 0;
    while let Some(range) = filesystem.next_data(node, offset).unwrap() {
        assert!(range.start >= offset && range.end > range.start);
        let hole = &bytes[usize::try_from(offset).unwrap()..usize::try_from(range.start).unwrap()];
        assert!(hole.iter().all(|b| *b == 0));
        offset = range.end;
    }
    assert!(bytes[usize::try_from(offset).unwrap()..].iter().all(|b| *b == 0));
}

/// All entries by path, and which paths share an inode.
pub fn describe_all(
    filesystem: &dyn Filesystem,
    unit: u32,
    carries: Carries,
) -> (BTreeMap<TreePath, String>, Vec<Vec<TreePath>>) {
    let mut entries = BTreeMap::new();
    let mut inodes: BTreeMap<(u64, u64), Vec<TreePath>> = BTreeMap::new();
    let mut pending = vec![(TreePath::root(), filesystem.root())];
    while let Some((path, node)) = pending.pop() {
        let metadata = filesystem.metadata(&node).unwrap();
        entries.insert(path.clone(), describe(filesystem, &node, unit, carries));
        if metadata.kind == FileKind::Directory {
            let opened = filesystem.open(&node).unwrap();
            let listing = filesystem.read_directory(&opened).unwrap();
            assert!(listing.faults.is_empty());
            for entry in listing.entries {
                let found = filesystem.lookup(&opened, entry.name.as_bytes()).unwrap();
                assert!(found.is_some());
                pending.push((path.join(&entry.name), entry.node));
            }
        } else if metadata.links > 1 {
            inodes.entry(metadata.inode).or_default().push(path);
        }
    }
    let mut groups: Vec<_> = inodes.into_values().collect();
    groups.iter_mut().for_each(|group| group.sort());
    groups.sort();
    (entries, groups)
}

fn open(path: &Path) -> OpenedTar {
    let opened = open_tar(path, &TarOptions::default()).unwrap();
    assert!(opened.gaps.is_empty(), "{:?}", opened.gaps);
    opened
}

/// The tree in `archive` is the tree at `root`.
fn check_equal(root: &Path, archive: &Path, unit: u32) {
    let opened = open(archive);
    let carries = opened.filesystem.carries();
    let directory = DirectoryFilesystem::open(root).unwrap();
    let expected = describe_all(&directory, unit, carries);
    let found = describe_all(&opened.filesystem, unit, carries);
    for (path, entry) in &expected.0 {
        assert_eq!(found.0.get(path), Some(entry), "{path} in {}", archive.display());
    }
    assert_eq!(found, expected, "{}", archive.display());
}

/// Archives `root` with the arguments and compares it plain and in every compression.
fn check_tar(sample: &Sample, arguments: &[&str], unit: u32) {
    let root = sample.root();
    let archive = sample.folder.path().join("archive.tar");
    let mut all: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    let tail = ["--one-file-system", "-C", root.to_str().unwrap(), "."];
    all.extend(["-c", "-f", archive.to_str().unwrap()].map(OsStr::new));
    all.extend(tail.map(OsStr::new));
    if run("tar", &all).is_none() {
        println!("skipped: tar {arguments:?} does not run here");
        return;
    }
    check_equal(&root, &archive, unit);
    for (program, ending) in [("gzip", "gz"), ("zstd", "zst"), ("xz", "xz"), ("bzip2", "bz2")] {
        let packed = sample.folder.path().join(format!("archive.tar.{ending}"));
        if tool(program, &["-k", "-f", archive.to_str().unwrap()]).is_none() {
            println!("skipped: no {program} here");
            continue;
        }
        // Its name must not be what tells.
        let odd = packed.with_extension("bin");
        fs::rename(&packed, &odd).unwrap();
        check_equal(&root, &odd, unit);
    }
}

/// ustar has whole seconds since 1970.
const SECONDS: u32 = u32::MAX;
pub const NANOSECONDS: u32 = 1;

#[test]
fn ustar_reads_as_the_tree() {
    let sample = Sample::new(false);
    tool("touch", &["-h", "-d", "@7", sample.root().join("etc/exactly").to_str().unwrap()]);
    check_tar(&sample, &["--format=ustar"], SECONDS);
}

#[test]
fn gnu_reads_as_the_tree() {
    let sample = Sample::new(true);
    if !sample.has_devices {
        println!("devices are left out: they cannot be made here");
    }
    check_tar(&sample, &["--format=gnu"], SECONDS);
    check_tar(&sample, &["--format=gnu", "--sparse"], SECONDS);
}

#[test]
fn pax_reads_as_the_tree() {
    let Some(sample) = Sample::new(true).with_xattrs() else {
        println!("skipped: extended attributes cannot be set here");
        return;
    };
    let xattrs = ["--format=pax", "--xattrs", "--acls"];
    check_tar(&sample, &xattrs, NANOSECONDS);
    for version in ["0.0", "0.1", "1.0"] {
        let sparse = format!("--sparse-version={version}");
        check_tar(&sample, &[&xattrs[..], &["--sparse", &sparse]].concat(), NANOSECONDS);
    }
}
