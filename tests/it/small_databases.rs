//! The Alpine and Arch fixtures: real databases, one entry of which is damaged.

use crate::support;
use driftcheck::collect::packages::{apk, pacman};
use driftcheck::collect::{COLLECTORS, Collector, View};
use driftcheck::filesystem::directory::DirectoryFilesystem;
use driftcheck::filesystem::memory::MemoryFilesystem;
use driftcheck::model::{Expectation, FileKind, Package, Records, ShippedSource};

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

/// What is recorded against what the files say, read line by line and nothing more.
fn same(mut seen: Vec<String>, mut expected: Vec<String>) {
    seen.sort_unstable();
    expected.sort_unstable();
    let differing = seen.iter().zip(&expected).find(|(seen, expected)| seen != expected);
    assert_eq!(differing, None);
    assert_eq!(seen.len(), expected.len());
}

fn listed(records: &Records) -> Vec<String> {
    let row = |one: &Package| {
        let architecture = one.key.architecture.as_deref().unwrap_or_default();
        format!("{} {} {architecture}", one.key.name, one.version)
    };
    records.packages.iter().map(row).collect()
}

fn owned(records: &Records) -> Vec<String> {
    records.claims.iter().map(|claim| format!("{} {}", claim.package.name, claim.path)).collect()
}

#[test]
fn alpine_line_by_line() {
    let Some(records) = collected("apk", &apk::COLLECTOR) else { return };
    let folder = support::fixture("apk").unwrap();
    let text = std::fs::read_to_string(folder.join("lib/apk/db/installed")).unwrap();
    let (mut packages, mut paths) = (Vec::new(), Vec::new());
    for stanza in text.split("\n\n").filter(|stanza| !stanza.trim().is_empty()) {
        let field = |letter: &str| stanza.lines().find_map(|line| line.strip_prefix(letter));
        let name = field("P:").unwrap();
        packages.push(format!("{name} {} {}", field("V:").unwrap(), field("A:").unwrap()));
        let mut directory = "";
        for line in stanza.lines() {
            match line.split_once(':') {
                Some(("F", path)) => {
                    directory = path;
                    if !path.is_empty() {
                        paths.push(format!("{name} /{path}"));
                    }
                }
                Some(("R", file)) if directory.is_empty() => paths.push(format!("{name} /{file}")),
                Some(("R", file)) => paths.push(format!("{name} /{directory}/{file}")),
                _ => {}
            }
        }
    }
    same(listed(&records), packages);
    same(owned(&records), paths);
}

#[test]
fn arch_line_by_line() {
    let Some(records) = collected("pacman", &pacman::COLLECTOR) else { return };
    let folder = support::fixture("pacman").unwrap().join("var/lib/pacman/local");
    let section = |text: &str, name: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| *line != name).skip(1);
        lines.take_while(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    let (mut packages, mut paths) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap().path();
        let Ok(desc) = std::fs::read_to_string(entry.join("desc")) else { continue };
        let first = |name: &str| section(&desc, name).first().cloned();
        // The damaged one has no name.
        let (Some(name), Some(version)) = (first("%NAME%"), first("%VERSION%")) else { continue };
        packages.push(format!("{name} {version} {}", first("%ARCH%").unwrap_or_default()));
        let files = std::fs::read_to_string(entry.join("files")).unwrap_or_default();
        let files = section(&files, "%FILES%");
        paths.extend(files.iter().map(|path| format!("{name} /{}", path.trim_end_matches('/'))));
    }
    same(listed(&records), packages);
    same(owned(&records), paths);
}

#[test]
fn damaged_databases_do_no_harm() {
    let apk = "P:a\nV:1\nF:etc\nM:0:0:755\nR:x\na:0:0:777\nZ:Q11Q7hNe8QpDS531guqCdrXBzoA/o=\n\n";
    let dpkg = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\
        Conffiles:\n /etc/x d41d8cd98f00b204e9800998ecf8427e obsolete\n\n";
    let list = "/.\n/etc\n/etc/x\n/usr\n/usr/../x\n";
    // A fixed sequence of places and values: the same every time.
    let mut state = 0x1234_5678_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        usize::try_from(state).unwrap()
    };
    for _ in 0..200 {
        let mut damage = |text: &str| {
            let mut bytes = text.repeat(3).into_bytes();
            for _ in 0..next() % 12 {
                let at = next() % bytes.len();
                bytes[at] = next().to_le_bytes()[0];
            }
            bytes
        };
        let mut tree = MemoryFilesystem::new();
        tree.file("/lib/apk/db/installed", damage(apk))
            .file("/var/lib/dpkg/status", damage(dpkg))
            .file("/var/lib/dpkg/info/a.list", damage(list))
            .file("/var/lib/dpkg/info/a.md5sums", damage("d41d8cd98f00b204e9800998ecf8427e  x\n"))
            .file("/var/lib/dpkg/diversions", damage("/a\n/b\n:\n"))
            .file("/var/lib/dpkg/statoverride", damage("root root 755 /x\n"))
            .file("/var/lib/dpkg/alternatives/x", damage("auto\n/x\n\n/y\n1\n\n"))
            .file("/var/lib/pacman/local/a-1/desc", damage("%NAME%\na\n\n%VERSION%\n1\n\n"))
            .file("/var/lib/pacman/local/a-1/files", damage("%FILES%\nusr/\n\n"))
            .file("/var/db/pkg/a/b-1/CONTENTS", damage("obj /x 0 1\nsym /a -> b 2\n"))
            .file("/usr/lib/opkg/status", damage(dpkg))
            .file("/etc/apt/apt.conf.d/a", damage("A { B \"c\"; };\n"))
            .file("/etc/apt/sources.list", damage("deb [a=b] http://x y z\n"));
        let view = View { filesystem: &tree, found: &[] };
        for collector in COLLECTORS {
            (collector.collect)(&view, &mut Records::default());
        }
    }
}
