//! The Alpine and Arch fixtures: real databases, one entry of which is damaged.

use crate::support;
use driftcheck::collect::packages::{apk, pacman};
use driftcheck::collect::{Collector, View};
use driftcheck::filesystem::directory::DirectoryFilesystem;
use driftcheck::model::{Expectation, FileKind, Records, ShippedSource};

fn collected(fixture: &str, collector: &Collector) -> Option<Records> {
    let path = support::fixture(fixture)?;
    let filesystem = DirectoryFilesystem::open(&path).unwrap();
    let mut records = Records::default();
    (collector.collect)(&View { filesystem: &filesystem, found: &[] }, &mut records);
    Some(records)
}

fn expectation<'a>(records: &'a Records, path: &str) -> &'a Expectation {
    let claim = records.claims.iter().find(|claim| claim.path.to_string() == path);
    &claim.unwrap_or_else(|| panic!("{path} is not claimed")).expectation
}

#[test]
fn alpine() {
    let Some(records) = collected("apk", &apk::COLLECTOR) else { return };
    assert_eq!(records.packages.len(), 14);
    assert_eq!(records.gaps, []);
    let musl = records.packages.iter().find(|package| package.key.name == "musl").unwrap();
    assert_eq!(musl.version, "1.2.3-r0");
    assert_eq!(musl.details["source"], "musl");
    let shadow = expectation(&records, "/etc/shadow");
    assert_eq!((shadow.mode, shadow.group.as_deref()), (Some(0o640), Some("42")));
    assert_eq!(shadow.source, ShippedSource::Configuration);
    // 142 directories and 105 files, less the root directories.
    let directory = |e: &Expectation| e.kind == Some(FileKind::Directory);
    let files = records.claims.iter().filter(|claim| !directory(&claim.expectation)).count();
    assert_eq!(files, 105);
}

#[test]
fn arch() {
    let Some(records) = collected("pacman", &pacman::COLLECTOR) else { return };
    let mut names: Vec<&str> =
        records.packages.iter().map(|package| package.key.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["emacs", "fuzzy", "gmp", "madeup", "tree-sitter"]);
    let gaps: Vec<String> = records.gaps.iter().map(|gap| gap.path.to_string()).collect();
    assert_eq!(gaps, ["/var/lib/pacman/local/corrupt-0.2.1-3/desc"]);
    let library = expectation(&records, "/usr/lib/libgmp.so.10.4.1");
    assert_eq!((library.mode, library.size), (Some(0o755), Some(663_224)));
    assert!(library.digest.is_some());
    let link = expectation(&records, "/usr/lib/libgmp.so");
    assert_eq!(link.target.as_deref(), Some(b"libgmp.so.10.4.1".as_slice()));
    let configuration = expectation(&records, "/etc/fuzzy.conf");
    assert_eq!(configuration.source, ShippedSource::Configuration);
}
