//! A committed manifest: the text form, the ids and the encoding stay what they are.

use driftcheck::filesystem::memory::MemoryFilesystem;
use driftcheck::model::{ManifestId, Records, Timestamp};
use driftcheck::scan::{Keep, Options, Verify, scan};
use driftcheck::store::{Spool, export_text, import_text};
use std::path::Path;

/// A small machine with something of everything that a tree can hold.
fn machine() -> MemoryFilesystem {
    let mut tree = MemoryFilesystem::new();
    tree.file("/etc/os-release", "ID=debian\nVERSION_ID=12\n")
        .file("/etc/motd", "hello\n")
        .file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        .file("/var/lib/dpkg/status", STATUS)
        .file("/var/lib/dpkg/info/hello.list", "/.\n/usr\n/usr/bin\n/usr/bin/hello\n")
        .file(
            "/var/lib/dpkg/info/hello.md5sums",
            "5d41402abc4b2a76b9719d911017c592  usr/bin/hello\n",
        )
        .file("/usr/bin/hello", "hello")
        .change("/usr/bin/hello", |metadata| metadata.mode = 0o4755)
        .xattr("/usr/bin/hello", "user.note", b"line\nbreak \xff")
        .symlink("/bin", "usr/bin")
        .device("/dev/null", 1, 3)
        .directory("/srv/empty")
        .file("/srv/odd\n name\u{202e}", "");
    tree
}

const STATUS: &str = "Package: hello\nStatus: install ok installed\nArchitecture: amd64\n\
    Version: 2.10-3\nMaintainer: Nobody <nobody@example.org>\nDescription: greets\n";

#[test]
fn the_committed_manifest_is_made_and_read_as_ever() {
    let spool = Spool::new();
    let keep = Keep {
        tree: &|tree| spool.add_tree(&tree),
        shipped: &|id, bytes| spool.add_shipped(id, &bytes),
        alternates: &|content, digests| spool.add_alternates(content, digests),
        texts: None,
        source: &spool,
    };
    let options = Options {
        name: "small".into(),
        target: "dir:/small".into(),
        scanned_at: Timestamp::from_seconds(1_700_000_000),
        previous: None,
        reference: None,
        verify: Verify::All,
        // One is enough: what others record of a machine is no matter of the format.
        collectors: &[&driftcheck::collect::packages::dpkg::COLLECTOR],
        records: Records::default(),
        leave_out: &[],
        progress: &|_| {},
    };
    let mut manifest = scan(&machine(), options, &keep).manifest;
    // The program's version is no part of the format.
    manifest.header.scanner = "driftcheck".into();
    let mut text = Vec::new();
    export_text(&manifest, &spool, &mut text).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots/manifests/small.manifest");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read(&path).unwrap();
    assert_eq!(String::from_utf8_lossy(&text), String::from_utf8_lossy(&committed));
    let imported = import_text(&mut committed.as_slice(), &Spool::new()).unwrap();
    assert_eq!(imported.id(), manifest.id());
    let id = "8dda1c73f0a6411fcde79075e21180c3f5b23717299eed40ffc9376383d21fc3";
    assert_eq!(Some(manifest.id()), ManifestId::from_hex(id), "{}", manifest.id());
}
