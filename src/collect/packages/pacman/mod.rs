//! Arch's package database, `var/lib/pacman/local`: a directory a package with `desc`, `files` and
//! a gzipped `mtree` (`lib/libalpm/be_local.c`).
//!
//! A package whose `desc` has no name or version is a gap; the others are read.

mod mtree;

use super::place::Places;
use super::purl::system_purl;
use super::{hex, text};
use crate::collect::os_release::{self, OsRelease};
use crate::collect::reader::{Reader, below};
use crate::collect::{Collector, View};
use crate::model::{
    Claim, Expectation, Fault, FileKind, Package, PackageKey, Records, ShippedDigest,
    ShippedSource, Stage, Timestamp, TreePath,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Reads the pacman database.
pub static COLLECTOR: Collector = Collector {
    name: "pacman",
    version: 2,
    summary: "Arch packages, their files, digests, owners and modes",
    wanted: &[],
    collect,
};

const DATABASE: &str = "/var/lib/pacman/local";

/// Of one file; the largest `files` have some 10 MB.
const MAX_SIZE: u64 = 64 * 1024 * 1024;

/// Sections of a `desc` or `files`: names to lines.
type Sections<'a> = BTreeMap<&'a [u8], Vec<&'a [u8]>>;

/// Splits `%NAME%` sections; an empty line ends one. Lines outside of any are passed over, as
/// pacman does.
#[must_use]
pub fn sections(bytes: &[u8]) -> Sections<'_> {
    let mut sections = Sections::new();
    let mut open = None;
    for line in bytes.split(|b| *b == b'\n') {
        let name = line.strip_prefix(b"%").and_then(|rest| rest.strip_suffix(b"%"));
        match (name, open) {
            _ if line.is_empty() => open = None,
            (Some(name), None) => {
                sections.entry(name).or_default();
                open = Some(name);
            }
            (_, Some(name)) => sections.entry(name).or_default().push(line),
            (None, None) => {}
        }
    }
    sections
}

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let database = TreePath::parse(DATABASE);
    let directories = reader.list_directories(&database);
    if directories.is_empty() {
        return;
    }
    let system = os_release::read(view.filesystem).unwrap_or_default();
    let mut places = Places::new(view.filesystem);
    for (name, _) in directories {
        let directory = database.join(&name);
        let desc_path = below(&directory, "desc");
        let Some(desc) = reader.file(&desc_path) else {
            reader.gap(&directory, "no desc");
            continue;
        };
        let desc = sections(&desc);
        match package(&desc, &system, &desc_path) {
            Ok(package) => {
                let expected = format!("{}-{}", package.key.name, package.version);
                if name.as_bytes() != expected.as_bytes() {
                    reader.gap(&desc_path, format!("says that it is {expected}"));
                }
                claim(&package.key, &desc, &directory, &mut places, &mut reader);
                reader.records.packages.push(package);
            }
            Err(fault) => reader.gap(&desc_path, fault.chain()),
        }
    }
}

fn package(desc: &Sections<'_>, system: &OsRelease, evidence: &TreePath) -> Result<Package, Fault> {
    let first = |name: &str| desc.get(name.as_bytes())?.first().map(|value| text(value));
    let all = |name: &str| {
        let values = desc.get(name.as_bytes())?;
        Some(values.iter().map(|value| text(value)).collect::<Vec<_>>().join(", "))
    };
    let name = first("NAME").ok_or_else(|| Fault::damaged("a package without a name"))?;
    let version = first("VERSION");
    let version = version.ok_or_else(|| Fault::damaged(format!("{name}: no version")))?;
    let architecture = first("ARCH");
    let mut details = BTreeMap::new();
    for (section, word) in [
        ("BASE", "source"),
        ("PACKAGER", "packager"),
        ("URL", "homepage"),
        ("LICENSE", "licence"),
        ("DEPENDS", "depends"),
        ("PROVIDES", "provides"),
        ("REPLACES", "replaces"),
        ("BUILDDATE", "built-at"),
        ("VALIDATION", "signature"),
    ] {
        if let Some(value) = all(section).filter(|value| !value.is_empty()) {
            details.insert(word.to_owned(), value);
        }
    }
    if first("REASON").as_deref() == Some("1") {
        details.insert("automatic".to_owned(), "yes".to_owned());
    }
    let installed_at = first("INSTALLDATE").and_then(|seconds| seconds.parse().ok());
    let purl = system_purl("alpm", (system, "arch"), &name, &version, architecture.as_deref());
    Ok(Package {
        key: PackageKey { manager: "pacman".to_owned(), name, architecture, instance: None },
        version,
        state: "installed".to_owned(),
        installed_at: installed_at.map(Timestamp::from_seconds),
        origin: None,
        purl,
        evidence: evidence.clone(),
        details,
    })
}

fn claim(
    key: &PackageKey,
    desc: &Sections<'_>,
    directory: &TreePath,
    places: &mut Places<'_>,
    reader: &mut Reader<'_>,
) {
    let files_path = below(directory, "files");
    let files = reader.file(&files_path).unwrap_or_default();
    let files = sections(&files);
    let entries = entries(directory, reader);
    // Old databases have the backups in `desc`.
    let backups = [&files, desc].into_iter().filter_map(|part| part.get(b"BACKUP".as_slice()));
    let backups: HashMap<&[u8], Option<[u8; 16]>> =
        backups.flatten().map(|line| read_backup(line)).collect();
    let key = Arc::new(key.clone());
    for path in files.get(b"FILES".as_slice()).into_iter().flatten() {
        let (bare, is_directory) = match path.strip_suffix(b"/") {
            Some(bare) => (bare, true),
            None => (*path, false),
        };
        let backup = backups.get(bare);
        let expectation = expectation(entries.get(bare), backup, is_directory);
        let place = if is_directory { places.directory(bare) } else { places.entry(bare) };
        if let Some(path) = place.filter(|path| !path.is_root()) {
            reader.records.claims.push(Claim { path, package: Arc::clone(&key), expectation });
        }
    }
}

fn entries(directory: &TreePath, reader: &mut Reader<'_>) -> HashMap<Vec<u8>, mtree::Entry> {
    let path = below(directory, "mtree");
    let Some(packed) = reader.file(&path) else { return HashMap::new() };
    let unpacked = mtree::unpack(&packed).map(Some);
    let Some(unpacked) = reader.keep(&path, unpacked) else { return HashMap::new() };
    let (entries, damaged) = mtree::parse(&unpacked);
    if let Some(line) = damaged {
        reader.gap(&path, format!("line {line}: a value that cannot be read"));
    }
    entries
}

/// `PATH`, a tab, and the MD5 of what was shipped.
fn read_backup(line: &[u8]) -> (&[u8], Option<[u8; 16]>) {
    let mut parts = line.splitn(2, |b| *b == b'\t');
    let path = parts.next().unwrap_or_default();
    (path, parts.next().and_then(hex::decode_array))
}

fn expectation(
    entry: Option<&mtree::Entry>,
    backup: Option<&Option<[u8; 16]>>,
    is_directory: bool,
) -> Expectation {
    let mut expectation = Expectation::owned(match backup {
        Some(_) => ShippedSource::Configuration,
        None => ShippedSource::File,
    });
    if is_directory {
        expectation.kind = Some(FileKind::Directory);
    }
    if let Some(entry) = entry {
        expectation.kind = entry.kind;
        expectation.user = entry.uid.map(|uid| uid.to_string());
        expectation.group = entry.gid.map(|gid| gid.to_string());
        match entry.kind {
            Some(FileKind::Symlink) => expectation.target.clone_from(&entry.link),
            kind => {
                expectation.mode = entry.mode;
                expectation.size = entry.size.filter(|_| kind == Some(FileKind::File));
                let sha256 = entry.sha256.map(ShippedDigest::Sha256);
                expectation.digest = sha256.or(entry.md5.map(ShippedDigest::Md5));
            }
        }
    }
    if expectation.digest.is_none() {
        expectation.digest = backup.copied().flatten().map(ShippedDigest::Md5);
    }
    expectation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    #[test]
    fn a_database_with_a_damaged_package() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let text = "#mtree\n/set type=file uid=0 gid=0 mode=644\n./usr type=dir mode=755\n\
            ./usr/l mode=777 type=link link=a\n./usr/a size=4\n";
        encoder.write_all(text.as_bytes()).unwrap();
        let mtree = encoder.finish().unwrap();
        let mut tree = MemoryFilesystem::new();
        tree.file(
            "/var/lib/pacman/local/a-1:2-3/desc",
            "%NAME%\na\n\n%VERSION%\n1:2-3\n\n%REASON%\n1\n\n%DEPENDS%\nb\nc>1\n\n\
             %INSTALLDATE%\n9\n",
        )
        .file(
            "/var/lib/pacman/local/a-1:2-3/files",
            "%FILES%\nusr/\nusr/a\nusr/l\netc/c\n\n%BACKUP%\netc/c\td41d8cd98f00b204e9800998ecf8427e\n",
        )
        .file("/var/lib/pacman/local/a-1:2-3/mtree", mtree)
        .file("/var/lib/pacman/local/bad-1-1/desc", "%NME%\nbad\n\n%VER.6-1\n")
        .file("/var/lib/pacman/local/ALPM_DB_VERSION", "9\n");
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        let [package] = records.packages.as_slice() else { panic!() };
        assert_eq!(package.purl, "pkg:alpm/arch/a@1:2-3");
        assert_eq!(package.details["depends"], "b, c>1");
        assert_eq!(package.installed_at, Some(Timestamp::from_seconds(9)));
        let claim = |claim: &Claim| {
            let e = &claim.expectation;
            format!("{} {:?} {:?} {:?} {:?}", claim.path, e.source, e.kind, e.mode, e.size)
        };
        assert_eq!(
            records.claims.iter().map(claim).collect::<Vec<_>>(),
            [
                "/usr File Some(Directory) Some(493) None",
                "/usr/a File Some(File) Some(420) Some(4)",
                "/usr/l File Some(Symlink) None None",
                "/etc/c Configuration None None None",
            ]
        );
        assert!(records.claims[3].expectation.digest.is_some());
        let gaps: Vec<String> = records.gaps.iter().map(|gap| gap.path.to_string()).collect();
        assert_eq!(gaps, ["/var/lib/pacman/local/bad-1-1/desc"]);
    }
}
