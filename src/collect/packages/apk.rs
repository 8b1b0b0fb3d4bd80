//! Alpine's package database, `lib/apk/db/installed`.
//!
//! The text form of apk-tools 2: a line is a letter, a colon and a value, an empty line ends a
//! package. apk-tools 3 keeps this form by default; its binary form is a gap. The database does not
//! say which entries are links: for those it records the SHA-1 of the target, so what lies on disk
//! is asked where the mode (0777) leaves it open.

use super::deb822::Damage;
use super::place::Places;
use super::purl::system_purl;
use super::{tell, text};

use crate::collect::os_release::{self, OsRelease};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::filesystem::Filesystem;
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::{
    Claim, Expectation, Fault, FileKind, Package, PackageKey, Records, ShippedDigest,
    ShippedSource, Stage, TreePath,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Reads the apk database.
pub static COLLECTOR: Collector = Collector {
    name: "apk",
    version: 2,
    summary: "Alpine packages, their files, digests, owners and modes",
    wanted: &[],
    collect,
};

/// Since Alpine 3.22 the first may be a link to the second.
const DATABASES: [&str; 2] = ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];

/// The database of a machine with 5,000 packages has 50 MB.
const MAX_SIZE: u64 = 512 * 1024 * 1024;

/// What apk leaves out of the database.
const DEFAULT_FILE: Access<'static> = Access { user: b"0", group: b"0", mode: 0o644 };
const DEFAULT_DIRECTORY: Access<'static> = Access { user: b"0", group: b"0", mode: 0o755 };

/// One package as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its first line, counted from 1.
    pub line: usize,
    /// Values of the letters that are not about files.
    pub fields: BTreeMap<u8, &'a [u8]>,
    /// Directories and files in their order.
    pub files: Vec<FileRecord<'a>>,
}

/// One path of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord<'a> {
    /// Without a leading slash.
    pub path: Vec<u8>,
    /// Whether it is a directory; else a file or a link.
    pub is_directory: bool,
    /// Owner and mode.
    pub access: Access<'a>,
    /// Of the bytes, or of a link's target.
    pub digest: Option<ShippedDigest>,
}

/// `UID:GID:MODE`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access<'a> {
    /// A number.
    pub user: &'a [u8],
    /// A number.
    pub group: &'a [u8],
    /// Permission bits.
    pub mode: u16,
}

/// Packages, and what is damaged between them.
type Parsed<'a> = (Vec<Record<'a>>, Vec<Damage>);

/// Reads the database: packages, and lines that could not be understood.
pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Fault> {
    if bytes.starts_with(b"ADB") {
        return Err(Fault::unsupported("a binary database of apk-tools 3"));
    }
    let mut records = Vec::new();
    let mut damages = Vec::new();
    let mut record = Record::default();
    let mut directory: &[u8] = b"";
    for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let number = index.saturating_add(1);
        if line.is_empty() {
            if !record.fields.is_empty() {
                records.push(std::mem::take(&mut record));
            }
            directory = b"";
            continue;
        }
        if record.fields.is_empty() {
            record.line = number;
        }
        let [letter, b':', value @ ..] = line else {
            if damages.len() < MAX_DAMAGES {
                damages.push(Damage { line: number, reason: "no letter and value".to_owned() });
            }
            continue;
        };
        if !record.line(*letter, value, &mut directory) && damages.len() < MAX_DAMAGES {
            let reason = format!("no value of {}", char::from(*letter));
            damages.push(Damage { line: number, reason });
        }
    }
    if !record.fields.is_empty() {
        records.push(record);
    }
    Ok((records, damages))
}

/// How many damaged lines are told one by one.
const MAX_DAMAGES: usize = 50;

impl<'a> Record<'a> {
    /// Takes a line in; `false` where it cannot be understood.
    fn line(&mut self, letter: u8, value: &'a [u8], directory: &mut &'a [u8]) -> bool {
        match letter {
            b'F' => {
                *directory = value;
                let access = DEFAULT_DIRECTORY;
                let path = value.to_vec();
                self.files.push(FileRecord { path, is_directory: true, access, digest: None });
            }
            b'R' => {
                let path = match *directory {
                    b"" => value.to_vec(),
                    directory => [directory, b"/", value].concat(),
                };
                let access = DEFAULT_FILE;
                self.files.push(FileRecord { path, is_directory: false, access, digest: None });
            }
            b'M' | b'a' => {
                let access = read_access(value);
                let last = self.files.last_mut();
                match (access, last.filter(|last| last.is_directory == (letter == b'M'))) {
                    (Some(access), Some(last)) => last.access = access,
                    _ => return false,
                }
            }
            b'Z' => match (read_digest(value), self.files.last_mut()) {
                (Some(digest), Some(last)) => last.digest = Some(digest),
                _ => return false,
            },
            _ => {
                self.fields.insert(letter, value);
            }
        }
        true
    }

    fn field(&self, letter: u8) -> Option<String> {
        self.fields.get(&letter).filter(|value| !value.is_empty()).map(|value| text(value))
    }
}

/// Further parts (the digest of extended attributes) may follow.
fn read_access(value: &[u8]) -> Option<Access<'_>> {
    let mut parts = value.split(|b| *b == b':');
    let (user, group, mode) = (parts.next()?, parts.next()?, parts.next()?);
    let mode = u16::from_str_radix(std::str::from_utf8(mode).ok()?, 8).ok()?;
    Some(Access { user, group, mode: mode & 0o7777 })
}

/// `Q1` and SHA-1, or `Q2` and SHA-256, in base64.
fn read_digest(value: &[u8]) -> Option<ShippedDigest> {
    let (kind, digits) = value.split_at_checked(2)?;
    let digest = ShippedDigest::from_slice(&STANDARD.decode(digits).ok()?)?;
    match (kind, &digest) {
        (b"Q1", ShippedDigest::Sha1(_)) | (b"Q2", ShippedDigest::Sha256(_)) => Some(digest),
        _ => None,
    }
}

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let mut seen = HashSet::new();
    for path in DATABASES.map(TreePath::parse) {
        let found = resolve(view.filesystem, &path, LastLink::Follow);
        let Some(found) = reader.keep(&path, found) else { continue };
        if !seen.insert(found.path.clone()) {
            continue;
        }
        let Some(bytes) = reader.node(&found.path, &found.node) else { continue };
        let parsed = parse(&bytes).map(Some);
        let Some((packages, damages)) = reader.keep(&path, parsed) else { continue };
        tell(&mut reader, &path, &damages);
        let world = reader.file(&TreePath::parse("/etc/apk/world"));
        let system = os_release::read(view.filesystem).unwrap_or_default();
        let mut places = Places::new(view.filesystem);
        for record in &packages {
            match package(record, &system, world.as_deref(), &path) {
                Ok(package) => {
                    let key = Arc::new(package.key.clone());
                    claim(&key, record, &mut places, view.filesystem, reader.records);
                    reader.records.packages.push(package);
                }
                Err(fault) => {
                    reader.gap(&path, format!("line {}: {}", record.line, fault.chain()));
                }
            }
        }
    }
}

fn package(
    record: &Record<'_>,
    system: &OsRelease,
    world: Option<&[u8]>,
    evidence: &TreePath,
) -> Result<Package, Fault> {
    let name = record.field(b'P').ok_or_else(|| Fault::damaged("a package without a name"))?;
    let version = record.field(b'V');
    let version = version.ok_or_else(|| Fault::damaged(format!("{name}: no version")))?;
    let architecture = record.field(b'A');
    let mut details = BTreeMap::new();
    for (letter, word) in [
        (b'o', "source"),
        (b'm', "maintainer"),
        (b'L', "licence"),
        (b'U', "homepage"),
        (b'D', "depends"),
        (b'p', "provides"),
        (b'r', "replaces"),
        (b'c', "commit"),
        (b't', "built-at"),
        (b'f', "error"),
        (b's', "repository-tag"),
    ] {
        if let Some(value) = record.field(letter) {
            details.insert(word.to_owned(), value);
        }
    }
    if world.is_some_and(|world| !is_asked_for(world, name.as_bytes())) {
        details.insert("automatic".to_owned(), "yes".to_owned());
    }
    let purl = system_purl("apk", (system, "alpine"), &name, &version, architecture.as_deref());
    Ok(Package {
        key: PackageKey { manager: "apk".to_owned(), name, architecture, instance: None },
        version,
        state: "installed".to_owned(),
        installed_at: None,
        origin: None,
        purl,
        evidence: evidence.clone(),
        details,
    })
}

/// Whether a name stands in `world`, with or without a version and a repository.
fn is_asked_for(world: &[u8], name: &[u8]) -> bool {
    let is_end = |byte: &u8| matches!(byte, b'@' | b'<' | b'>' | b'=' | b'~');
    let mut words = world.split(u8::is_ascii_whitespace);
    words.any(|word| word.split(is_end).next() == Some(name))
}

fn claim(
    key: &Arc<PackageKey>,
    record: &Record<'_>,
    places: &mut Places<'_>,
    filesystem: &dyn Filesystem,
    records: &mut Records,
) {
    for file in &record.files {
        let mut expectation = Expectation::owned(source(file));
        expectation.user = Some(text(file.access.user));
        expectation.group = Some(text(file.access.group));
        expectation.mode = Some(file.access.mode);
        let place = if file.is_directory {
            expectation.kind = Some(FileKind::Directory);
            places.directory(&file.path)
        } else {
            expectation.kind = Some(FileKind::File);
            expectation.digest = file.digest;
            places.entry(&file.path)
        };
        let Some(path) = place.filter(|path| !path.is_root()) else { continue };
        if !file.is_directory && file.access.mode == 0o777 {
            open_kind(&mut expectation, link_target(filesystem, &path));
        }
        records.claims.push(Claim { path, package: Arc::clone(key), expectation });
    }
}

/// apk keeps edits below `/etc`, but for start scripts and its own keys (its default protected
/// paths).
fn source(file: &FileRecord<'_>) -> ShippedSource {
    let path = file.path.as_slice();
    let is_configuration = !file.is_directory
        && path.starts_with(b"etc/")
        && !path.starts_with(b"etc/init.d/")
        && !path.starts_with(b"etc/apk/");
    if is_configuration { ShippedSource::Configuration } else { ShippedSource::File }
}

/// A mode of 0777 is nearly always a link's, whose digest is of its target.
fn open_kind(expectation: &mut Expectation, target: Option<Vec<u8>>) {
    match target {
        Some(target) => {
            expectation.kind = Some(FileKind::Symlink);
            expectation.mode = None;
            let digest: [u8; 20] = Sha1::digest(&target).into();
            if expectation.digest == Some(ShippedDigest::Sha1(digest)) {
                expectation.digest = None;
                expectation.target = Some(target);
            }
        }
        None => {
            expectation.kind = None;
            expectation.mode = None;
        }
    }
}

fn link_target(filesystem: &dyn Filesystem, path: &TreePath) -> Option<Vec<u8>> {
    let found = resolve(filesystem, path, LastLink::Keep).ok()??;
    let is_link = filesystem.metadata(&found.node).ok()?.kind == FileKind::Symlink;
    is_link.then(|| filesystem.read_link(&found.node).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    const DATABASE: &str = "P:base\nV:3.2.0-r22\nA:x86_64\nD:so:x>=1 b\nF:\nF:etc\nR:fstab\n\
        Z:Q11Q7hNe8QpDS531guqCdrXBzoA/o=\nR:mtab\na:0:0:777\n\
        Z:Q1kiljhXXH1LlQroHsEJIkPZg2eiw=\nR:shadow\na:0:42:640\nF:root\nM:0:0:700\n\n\
        V:1\n\nP:b\nV:2\nbroken\nZ:Q1x\n";

    #[test]
    fn a_database() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/lib/apk/db/installed", DATABASE)
            .file("/etc/apk/world", "base>3\nother\n")
            .symlink("/etc/mtab", "/proc/mounts")
            .file("/etc/os-release", "ID=alpine\nVERSION_ID=3.16.2\n")
            .symlink("/usr/lib", "../lib");
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        let package =
            |p: &Package| format!("{} {} {:?}", p.key, p.purl, p.details.get("automatic"));
        assert_eq!(
            records.packages.iter().map(package).collect::<Vec<_>>(),
            [
                "base:x86_64 pkg:apk/alpine/base@3.2.0-r22?arch=x86_64&distro=alpine-3.16.2 None",
                "b pkg:apk/alpine/b@2?distro=alpine-3.16.2 Some(\"yes\")",
            ]
        );
        let claim = |claim: &Claim| {
            let e = &claim.expectation;
            let mode = e.mode.map_or("-".to_owned(), |mode| format!("{mode:o}"));
            let target = e.target.as_ref().map(|target| text(target)).unwrap_or_default();
            let kind = e.kind.map_or("?", FileKind::as_str);
            let group = e.group.as_deref().unwrap_or_default();
            format!("{} {kind} {mode} {group} {} {target}", claim.path, e.digest.is_some())
        };
        assert_eq!(
            records.claims.iter().map(claim).collect::<Vec<_>>(),
            [
                "/etc directory 755 0 false ",
                "/etc/fstab file 644 0 true ",
                "/etc/mtab symlink - 0 false /proc/mounts",
                "/etc/shadow file 640 42 false ",
                "/root directory 700 0 false ",
            ]
        );
        let gaps: Vec<&str> = records.gaps.iter().map(|gap| gap.reason.as_str()).collect();
        assert_eq!(
            gaps,
            [
                "line 21: no letter and value",
                "line 22: no value of Z",
                "line 17: a package without a name"
            ]
        );
    }

    #[test]
    fn the_binary_form_is_unsupported() {
        assert!(parse(b"ADB.schema").is_err());
        assert!(parse(b"").unwrap().0.is_empty());
    }

    #[test]
    fn digests() {
        let check = |input: &[u8], expected: bool| {
            assert_eq!(read_digest(input).is_some(), expected);
        };
        check(b"Q11Q7hNe8QpDS531guqCdrXBzoA/o=", true);
        check(b"Q21Q7hNe8QpDS531guqCdrXBzoA/o=", false);
        check(b"Q1", false);
        check(b"", false);
    }
}
