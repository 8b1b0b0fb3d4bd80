//! Gentoo's package database, `var/db/pkg/CATEGORY/NAME-VERSION/`: one small file for each variable,
//! and `CONTENTS` (portage's `dbapi/vartree.py`, PMS for versions).

use super::hex::decode_array;
use super::place::Places;
use super::purl::{Parts, purl};
use super::{installed, text};
use crate::collect::reader::{Reader, below};
use crate::collect::{Collector, View};
use crate::model::{
    Claim, Expectation, FileKind, Package, Records, ShippedDigest, ShippedSource, Stage, TreePath,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads the portage database.
pub static COLLECTOR: Collector = Collector {
    name: "portage",
    version: 1,
    summary: "Gentoo packages, their slots, files, digests and link targets",
    wanted: &[],
    collect,
};

const DATABASE: &str = "/var/db/pkg";

/// Of one file; the `CONTENTS` of the kernel's sources have some 10 MB.
const MAX_SIZE: u64 = 64 * 1024 * 1024;

/// Variables that are kept, with the words of reports.
const DETAILS: [(&str, &str); 7] = [
    ("SLOT", "slot"),
    ("USE", "use"),
    ("LICENSE", "licence"),
    ("HOMEPAGE", "homepage"),
    ("RDEPEND", "depends"),
    ("BUILD_TIME", "built-at"),
    ("CHOST", "host"),
];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let mut places = Places::new(view.filesystem);
    let database = TreePath::parse(DATABASE);
    let mut found: BTreeMap<String, Vec<(Package, TreePath)>> = BTreeMap::new();
    for (category, _) in reader.list_directories(&database) {
        let category_path = database.join(&category);
        for (name, _) in reader.list_directories(&category_path) {
            // An install that was broken off.
            if name.as_bytes().starts_with(b"-MERGING-") {
                reader.gap(&category_path.join(&name), "an installation that did not finish");
                continue;
            }
            let path = category_path.join(&name);
            let Some((plain, version)) = split_version(name.as_bytes()) else {
                reader.gap(&path, "a name without a version");
                continue;
            };
            let name = format!("{}/{}", text(category.as_bytes()), text(plain));
            let package = package(&mut reader, &path, name, text(version));
            found.entry(package.key.name.clone()).or_default().push((package, path));
        }
    }
    for mut group in found.into_values() {
        let has_copies = group.len() > 1;
        for (package, path) in &mut group {
            if has_copies {
                // Slots are what tells versions apart that may be there together.
                package.key.instance = package.details.get("slot").cloned();
            }
            claim(package, path, &mut places, &mut reader);
        }
        reader.records.packages.extend(group.into_iter().map(|(package, _)| package));
    }
}

fn package(
    reader: &mut Reader<'_>,
    directory: &TreePath,
    name: String,
    version: String,
) -> Package {
    let mut package = installed("portage", name, version, directory);
    for (file, word) in DETAILS {
        if let Some(value) = reader.file(&below(directory, file)) {
            let value = text(value.trim_ascii());
            if !value.is_empty() {
                package.details.insert(word.to_owned(), value);
            }
        }
    }
    let repository = reader.file(&below(directory, "repository"));
    package.origin = repository.map(|value| text(value.trim_ascii()));
    let (category, plain) = package.key.name.split_once('/').unwrap_or_default();
    let parts = Parts {
        namespace: Some(category),
        name: plain,
        version: Some(&package.version),
        ..Parts::default()
    };
    package.purl = purl("ebuild", parts);
    package
}

/// `NAME-VERSION[-rN]`: the version starts at the last hyphen before a digit, and may itself end in
/// a revision.
#[must_use]
pub fn split_version(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_start = |at: &usize| {
        let after = at.saturating_add(1);
        name.get(*at) == Some(&b'-') && name.get(after).is_some_and(u8::is_ascii_digit)
    };
    let at = (1..name.len()).rev().find(is_start)?;
    Some((name.get(..at)?, name.get(at.saturating_add(1)..)?))
}

fn claim(
    package: &Package,
    directory: &TreePath,
    places: &mut Places<'_>,
    reader: &mut Reader<'_>,
) {
    let path = below(directory, "CONTENTS");
    let Some(contents) = reader.file(&path) else { return };
    let key = Arc::new(package.key.clone());
    let mut damaged = None;
    for (index, line) in contents.split(|b| *b == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let Some((packed, expectation)) = read_line(line) else {
            damaged.get_or_insert(index.saturating_add(1));
            continue;
        };
        let place = match expectation.kind {
            Some(FileKind::Directory) => places.directory(packed),
            _ => places.entry(packed),
        };
        if let Some(path) = place.filter(|path| !path.is_root()) {
            reader.records.claims.push(Claim { path, package: Arc::clone(&key), expectation });
        }
    }
    if let Some(line) = damaged {
        reader.gap(&path, format!("line {line}: no kind and path"));
    }
}

/// `dir PATH`, `obj PATH MD5 MTIME`, `sym PATH -> TARGET MTIME`, `fif PATH`, `dev PATH`; paths may
/// hold blanks.
fn read_line(line: &[u8]) -> Option<(&[u8], Expectation)> {
    let (kind, rest) = line.split_at_checked(3)?;
    let rest = rest.strip_prefix(b" ")?;
    let mut expectation = Expectation::owned(ShippedSource::File);
    let path = match kind {
        b"dir" => {
            expectation.kind = Some(FileKind::Directory);
            rest
        }
        b"obj" => {
            let (rest, _mtime) = split_last(rest)?;
            let (path, digest) = split_last(rest)?;
            expectation.kind = Some(FileKind::File);
            expectation.digest = decode_array(digest).map(ShippedDigest::Md5);
            path
        }
        b"sym" => {
            let (rest, _mtime) = split_last(rest)?;
            let arrow = rest.windows(4).position(|part| part == b" -> ")?;
            expectation.kind = Some(FileKind::Symlink);
            expectation.target = Some(rest.get(arrow.checked_add(4)?..)?.to_vec());
            rest.get(..arrow)?
        }
        b"fif" => {
            expectation.kind = Some(FileKind::Fifo);
            rest
        }
        b"dev" => rest,
        _ => return None,
    };
    // Edits below /etc are kept by its configuration protection.
    if path.starts_with(b"/etc/") && expectation.kind == Some(FileKind::File) {
        expectation.source = ShippedSource::Configuration;
    }
    path.starts_with(b"/").then_some((path, expectation))
}

fn split_last(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = line.iter().rposition(|b| *b == b' ')?;
    Some((line.get(..blank)?, line.get(blank.checked_add(1)?..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn versions_are_split_off() {
        let check = |name: &str, expected: Option<(&str, &str)>| {
            let seen = split_version(name.as_bytes()).map(|(a, b)| (text(a), text(b)));
            assert_eq!(seen, expected.map(|(a, b)| (a.to_owned(), b.to_owned())), "{name}");
        };
        check("bash-5.1_p16-r2", Some(("bash", "5.1_p16-r2")));
        check("gtk+-3.24.35", Some(("gtk+", "3.24.35")));
        check("x-1", Some(("x", "1")));
        check("nothing", None);
    }

    #[test]
    fn a_database() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/var/db/pkg/dev-lang/python-3.11.1/SLOT", "3.11\n")
            .file("/var/db/pkg/dev-lang/python-3.12.0/SLOT", "3.12\n")
            .file("/var/db/pkg/app-shells/bash-5.2/repository", "gentoo\n")
            .file(
                "/var/db/pkg/app-shells/bash-5.2/CONTENTS",
                "dir /etc/bash\nobj /etc/bash/a b d41d8cd98f00b204e9800998ecf8427e 16\n\
                 sym /bin/rbash -> bash 16\nwhat\n",
            )
            .directory("/var/db/pkg/app-shells/-MERGING-zsh-5");
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        let package = |p: &Package| format!("{} {} {:?}", p.key, p.purl, p.origin);
        assert_eq!(
            records.packages.iter().map(package).collect::<Vec<_>>(),
            [
                "app-shells/bash pkg:ebuild/app-shells/bash@5.2 Some(\"gentoo\")",
                "dev-lang/python [3.11] pkg:ebuild/dev-lang/python@3.11.1 None",
                "dev-lang/python [3.12] pkg:ebuild/dev-lang/python@3.12.0 None",
            ]
        );
        let claim = |claim: &Claim| {
            let e = &claim.expectation;
            let target = e.target.as_deref().map(text).unwrap_or_default();
            format!("{} {:?} {:?} {target}", claim.path, e.source, e.kind)
        };
        assert_eq!(
            records.claims.iter().map(claim).collect::<Vec<_>>(),
            [
                "/etc/bash File Some(Directory) ",
                "/etc/bash/a b Configuration Some(File) ",
                "/bin/rbash File Some(Symlink) bash",
            ]
        );
        assert_eq!(records.gaps.len(), 2);
    }
}
