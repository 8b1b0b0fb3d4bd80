//! What an rpm header says: the package, and its files.
//!
//! Meanings of flags as `rpm --verify` has them (`lib/verify.c`): what the package asks not to be
//! verified, and what verification leaves out for links and directories, is not expected.

use super::header::{Header, tag};
use crate::collect::openpgp;
use crate::collect::os_release::OsRelease;
use crate::collect::packages::hex;
use crate::collect::packages::purl::{Parts, purl};
use crate::collect::packages::text;
use crate::model::{
    Expectation, Fault, FileKind, Package, PackageKey, ShippedDigest, ShippedSource, Timestamp,
    TreePath,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;

/// The pseudo packages in which rpm keeps the keys it trusts.
const PUBLIC_KEY: &str = "gpg-pubkey";

/// Flags of files (`rpmfileAttrs`).
const CONFIG: u32 = 1;
const MISSING_OK: u32 = 1 << 3;
const GHOST: u32 = 1 << 6;

/// What is to be verified (`rpmVerifyAttrs`).
const VERIFY_DIGEST: u32 = 1;
const VERIFY_SIZE: u32 = 1 << 1;
const VERIFY_LINK: u32 = 1 << 2;
const VERIFY_USER: u32 = 1 << 3;
const VERIFY_GROUP: u32 = 1 << 4;
const VERIFY_MODE: u32 = 1 << 6;
const VERIFY_CAPABILITIES: u32 = 1 << 8;

/// Flags of dependencies (`rpmsenseFlags`).
const LESS: u32 = 1 << 1;
const GREATER: u32 = 1 << 2;
const EQUAL: u32 = 1 << 3;
const RPMLIB: u32 = 1 << 24;

/// One file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord<'a> {
    /// As it was installed.
    pub path: Vec<u8>,
    /// `st_mode`, with the kind.
    pub mode: u16,
    /// Hexadecimal; empty for what has no bytes of its own.
    pub digest: &'a [u8],
    /// In bytes, as packed.
    pub size: Option<u64>,
    /// Owner by name.
    pub user: &'a [u8],
    /// Group by name.
    pub group: &'a [u8],
    /// Of a link; empty for all others.
    pub link: &'a [u8],
    /// File capabilities as text; empty for none.
    pub capabilities: &'a [u8],
    flags: u32,
    verify: u32,
    state: u8,
}

/// The package of a header.
pub fn package(
    header: &Header<'_>,
    system: &OsRelease,
    evidence: &TreePath,
) -> Result<Package, Fault> {
    let field = |tag| header.string(tag).filter(|value| !value.is_empty()).map(text);
    let name = field(tag::NAME).ok_or_else(|| Fault::damaged("a header without a name"))?;
    let (Some(version), Some(release)) = (field(tag::VERSION), field(tag::RELEASE)) else {
        return Err(Fault::damaged(format!("{name}: no version and release")));
    };
    let architecture = field(tag::ARCH);
    let epoch = header.u32s(tag::EPOCH).first().copied();
    let epoch_text = epoch.map(|epoch| epoch.to_string());
    let bare_version = format!("{version}-{release}");
    let version = match &epoch_text {
        Some(epoch) => format!("{epoch}:{bare_version}"),
        None => bare_version.clone(),
    };
    let is_key = name == PUBLIC_KEY;
    let purl = purl(
        "rpm",
        Parts {
            namespace: system.fields.get("ID").map(String::as_str),
            name: &name,
            version: Some(&bare_version),
            qualifiers: &[
                ("arch", architecture.as_deref()),
                ("epoch", epoch_text.as_deref()),
                ("distro", system.distro().as_deref()),
            ],
        },
    );
    let installed_at = header.u32s(tag::INSTALL_TIME).first().copied();
    Ok(Package {
        key: PackageKey {
            manager: "rpm".to_owned(),
            name,
            architecture,
            // Every key is a package of its own; its version is its id.
            instance: is_key.then(|| bare_version.clone()),
        },
        version,
        state: "installed".to_owned(),
        installed_at: installed_at.map(|seconds| Timestamp::from_seconds(seconds.into())),
        origin: field(tag::VENDOR),
        purl: if is_key { String::new() } else { purl },
        evidence: evidence.clone(),
        details: details(header, is_key),
    })
}

fn details(header: &Header<'_>, is_key: bool) -> BTreeMap<String, String> {
    let mut details = BTreeMap::new();
    let mut add = |word: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            details.insert(word.to_owned(), value);
        }
    };
    for (tag, word) in [
        (tag::VENDOR, "vendor"),
        (tag::LICENSE, "licence"),
        (tag::PACKAGER, "packager"),
        (tag::URL, "homepage"),
        (tag::MODULARITY_LABEL, "modularity"),
    ] {
        add(word, header.string(tag).map(text));
    }
    // Of what has none some versions of rpm write that.
    add("source", header.string(tag::SOURCE_RPM).filter(|name| *name != b"(none)").map(text));
    if is_key {
        add("kind", Some("public key".to_owned()));
        add("summary", header.string(tag::SUMMARY).map(text));
    }
    let signatures = [tag::RSA_HEADER, tag::DSA_HEADER, tag::SIG_PGP, tag::SIG_GPG];
    let signer = |tag| header.bytes(tag).and_then(openpgp::signer);
    // rpm 6 keeps them as base64, one for each key.
    let newer = || {
        let all = header.strings(tag::OPENPGP).into_iter();
        all.filter_map(|text| STANDARD.decode(text).ok()).find_map(|bytes| openpgp::signer(&bytes))
    };
    add("signature", signatures.into_iter().find_map(signer).or_else(newer));
    add("depends", Some(requires(header)));
    let names: Vec<String> = header.strings(tag::OBSOLETE_NAME).into_iter().map(text).collect();
    add("replaces", Some(names.join(", ")));
    details
}

/// `name`, or `name >= version`, once each, without what rpm asks of itself.
fn requires(header: &Header<'_>) -> String {
    let names = header.strings(tag::REQUIRE_NAME);
    let versions = header.strings(tag::REQUIRE_VERSION);
    let flags = header.u32s(tag::REQUIRE_FLAGS);
    let mut all = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let flags = flags.get(index).copied().unwrap_or_default();
        if flags & RPMLIB != 0 || name.starts_with(b"rpmlib(") {
            continue;
        }
        let sense = [(LESS, "<"), (GREATER, ">"), (EQUAL, "=")];
        let sense: String =
            sense.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, sign)| *sign).collect();
        let version = versions.get(index).copied().unwrap_or_default();
        all.push(if sense.is_empty() || version.is_empty() {
            text(name)
        } else {
            format!("{} {sense} {}", text(name), text(version))
        });
    }
    all.sort_unstable();
    all.dedup();
    all.join(", ")
}

/// The files of a header. Lists of unequal length mean damage: then nothing can be said of which
/// digest belongs to which path.
pub fn files<'a>(header: &Header<'a>) -> Result<Vec<FileRecord<'a>>, Fault> {
    let paths = paths(header)?;
    let count = paths.len();
    let columns = Columns {
        modes: header.u16s(tag::FILE_MODES),
        digests: header.strings(tag::FILE_DIGESTS),
        sizes: sizes(header),
        users: header.strings(tag::FILE_USER_NAME),
        groups: header.strings(tag::FILE_GROUP_NAME),
        links: header.strings(tag::FILE_LINK_TOS),
        capabilities: header.strings(tag::FILE_CAPS),
        flags: header.u32s(tag::FILE_FLAGS),
        verify: header.u32s(tag::FILE_VERIFY_FLAGS),
        states: header.bytes(tag::FILE_STATES).unwrap_or_default(),
    };
    columns.check(count)?;
    let row = |(index, path)| FileRecord {
        path,
        mode: columns.modes.get(index).copied().unwrap_or_default(),
        digest: columns.digests.get(index).copied().unwrap_or_default(),
        size: columns.sizes.get(index).copied(),
        user: columns.users.get(index).copied().unwrap_or_default(),
        group: columns.groups.get(index).copied().unwrap_or_default(),
        link: columns.links.get(index).copied().unwrap_or_default(),
        capabilities: columns.capabilities.get(index).copied().unwrap_or_default(),
        flags: columns.flags.get(index).copied().unwrap_or_default(),
        verify: columns.verify.get(index).copied().unwrap_or(u32::MAX),
        state: columns.states.get(index).copied().unwrap_or_default(),
    };
    Ok(paths.into_iter().enumerate().map(row).collect())
}

/// The arrays that run beside the paths.
struct Columns<'a> {
    modes: Vec<u16>,
    digests: Vec<&'a [u8]>,
    sizes: Vec<u64>,
    users: Vec<&'a [u8]>,
    groups: Vec<&'a [u8]>,
    links: Vec<&'a [u8]>,
    capabilities: Vec<&'a [u8]>,
    flags: Vec<u32>,
    verify: Vec<u32>,
    states: &'a [u8],
}

impl Columns<'_> {
    /// Each is as long as the paths, or absent.
    fn check(&self, count: usize) -> Result<(), Fault> {
        let lengths = [
            ("modes", self.modes.len()),
            ("digests", self.digests.len()),
            ("sizes", self.sizes.len()),
            ("owners", self.users.len()),
            ("groups", self.groups.len()),
            ("link targets", self.links.len()),
            ("capabilities", self.capabilities.len()),
            ("flags", self.flags.len()),
            ("verify flags", self.verify.len()),
            ("states", self.states.len()),
        ];
        match lengths.iter().find(|(_, length)| *length != 0 && *length != count) {
            Some((name, length)) => {
                Err(Fault::damaged(format!("{length} {name} for {count} files")))
            }
            None => Ok(()),
        }
    }
}

fn sizes(header: &Header<'_>) -> Vec<u64> {
    let long = header.u64s(tag::LONG_FILE_SIZES);
    if long.is_empty() {
        header.u32s(tag::FILE_SIZES).into_iter().map(u64::from).collect()
    } else {
        long
    }
}

fn paths(header: &Header<'_>) -> Result<Vec<Vec<u8>>, Fault> {
    let names = header.strings(tag::BASE_NAMES);
    if names.is_empty() {
        // Packages of the last century.
        let paths = header.strings(tag::OLD_FILE_NAMES);
        return Ok(paths.into_iter().map(<[u8]>::to_vec).collect());
    }
    let directories = header.strings(tag::DIR_NAMES);
    let indexes = header.u32s(tag::DIR_INDEXES);
    if indexes.len() != names.len() {
        let reason = format!("{} directory numbers for {} files", indexes.len(), names.len());
        return Err(Fault::damaged(reason));
    }
    let join = |(name, index): (&&[u8], &u32)| {
        let directory = usize::try_from(*index).ok().and_then(|index| directories.get(index));
        let directory = directory
            .ok_or_else(|| Fault::damaged(format!("directory {index} of {}", directories.len())))?;
        Ok([directory, *name].concat())
    };
    names.iter().zip(&indexes).map(join).collect()
}

impl FileRecord<'_> {
    /// What the package expects of the path; `None` for what was not installed (left out
    /// documentation and languages, files that another package replaced).
    #[must_use]
    pub fn expectation(&self) -> Option<Expectation> {
        if self.state != 0 {
            return None;
        }
        let kind = FileKind::from_mode(self.mode.into());
        let is_ghost = self.flags & GHOST != 0;
        let mut expectation = Expectation::owned(if is_ghost {
            ShippedSource::Ghost
        } else if self.flags & CONFIG != 0 {
            ShippedSource::Configuration
        } else {
            ShippedSource::File
        });
        expectation.may_be_missing = self.flags & MISSING_OK != 0;
        let verified = |flag| self.verify & flag != 0;
        let name = |name: &[u8]| (!name.is_empty()).then(|| text(name));
        expectation.kind = kind.filter(|_| !is_ghost);
        expectation.user = name(self.user).filter(|_| verified(VERIFY_USER));
        expectation.group = name(self.group).filter(|_| verified(VERIFY_GROUP));
        if kind != Some(FileKind::Symlink) && kind.is_some() && verified(VERIFY_MODE) {
            expectation.mode = Some(self.mode & 0o7777);
        }
        if kind == Some(FileKind::File) {
            if !is_ghost && verified(VERIFY_DIGEST) {
                let digest = hex::decode(self.digest);
                expectation.digest = digest.and_then(|bytes| ShippedDigest::from_slice(&bytes));
            }
            expectation.size = self.size.filter(|_| !is_ghost && verified(VERIFY_SIZE));
            if verified(VERIFY_CAPABILITIES) {
                expectation.capabilities = Some(text(self.capabilities.trim_ascii()));
            }
        }
        if kind == Some(FileKind::Symlink) && !is_ghost && verified(VERIFY_LINK) {
            expectation.target = Some(self.link.to_vec()).filter(|target| !target.is_empty());
        }
        Some(expectation)
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::testing::{Tag, blob};
    use super::*;

    const BASE: &[Tag<'_>] =
        &[(tag::NAME, 6, 1, b"a\0"), (tag::VERSION, 6, 1, b"1\0"), (tag::RELEASE, 6, 1, b"2\0")];

    fn check(more: &[Tag<'_>], expected: &str) {
        let blob = blob(&[BASE, more].concat());
        let header = Header::parse(&blob).unwrap();
        let fields = [("ID", "rhel"), ("VERSION_ID", "9")];
        let fields = fields.map(|(k, v)| (k.to_owned(), v.to_owned()));
        let system = OsRelease { fields: fields.into(), evidence: None };
        let package = package(&header, &system, &TreePath::root()).unwrap();
        let depends = package.details.get("depends").map_or("", String::as_str);
        assert_eq!(
            format!("{} {} {} {depends}", package.key, package.version, package.purl),
            expected
        );
    }

    #[test]
    fn packages() {
        check(
            &[(tag::ARCH, 6, 1, b"noarch\0"), (tag::EPOCH, 4, 1, &[0, 0, 0, 3])],
            "a:noarch 3:1-2 pkg:rpm/rhel/a@1-2?arch=noarch&distro=rhel-9&epoch=3 ",
        );
        check(
            &[
                (tag::REQUIRE_NAME, 8, 3, b"c\0b\0rpmlib(X)\0"),
                (tag::REQUIRE_VERSION, 8, 3, b"1.0\0\0\x001\0"),
                (tag::REQUIRE_FLAGS, 4, 3, &[0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 8]),
            ],
            "a 1-2 pkg:rpm/rhel/a@1-2?distro=rhel-9 b, c >= 1.0",
        );
        // An OpenPGP signature of version 3, as rpm 6 has it.
        let signed = [(tag::OPENPGP, 8, 2, &b"junk\0iBEDBQAAAAAA3q2+7wECAwQBCA==\0"[..])];
        let signed = blob(&[BASE, &signed].concat());
        let details = details(&Header::parse(&signed).unwrap(), false);
        assert_eq!(details.get("signature").map(String::as_str), Some("deadbeef01020304"));
        check(&[(tag::NAME, 6, 1, b"gpg-pubkey\0")], "gpg-pubkey [1-2] 1-2  ");
        let nameless = blob(&BASE[1..]);
        let header = Header::parse(&nameless).unwrap();
        assert!(package(&header, &OsRelease::default(), &TreePath::root()).is_err());
    }

    fn file(mode: u16, flags: u32, verify: u32) -> FileRecord<'static> {
        FileRecord {
            path: b"/x".to_vec(),
            mode,
            digest: b"d41d8cd98f00b204e9800998ecf8427e",
            size: Some(7),
            user: b"root",
            group: b"adm",
            link: b"target",
            capabilities: b"cap_net_raw=ep",
            flags,
            verify,
            state: 0,
        }
    }

    #[test]
    fn expectations() {
        let check = |file: FileRecord<'_>, expected: &str| {
            let e = file.expectation().unwrap();
            let seen = [
                Some(format!("{:?}", e.source)),
                e.mode.map(|mode| format!("{mode:o}")),
                e.user,
                e.group,
                e.digest.map(|_| "digest".to_owned()),
                e.size.map(|size| size.to_string()),
                e.target.map(|target| text(&target)),
                e.capabilities,
            ];
            let seen: Vec<String> = seen.into_iter().flatten().collect();
            assert_eq!(seen.join(" "), expected);
        };
        check(file(0o104_755, 0, !0), "File 4755 root adm digest 7 cap_net_raw=ep");
        check(file(0o100_644, CONFIG, !0), "Configuration 644 root adm digest 7 cap_net_raw=ep");
        check(file(0o100_644, GHOST | CONFIG, !0), "Ghost 644 root adm cap_net_raw=ep");
        check(file(0o100_644, 0, VERIFY_MODE), "File 644");
        check(file(0o040_755, 0, !0), "File 755 root adm");
        check(file(0o120_777, 0, !0), "File root adm target");
        let not_installed = FileRecord { state: 2, ..file(0o100_644, 0, !0) };
        assert_eq!(not_installed.expectation(), None);
    }

    #[test]
    fn unequal_lists_are_damage() {
        let check = |more: &[Tag<'_>], expected: Option<usize>| {
            let blob = blob(&[BASE, more].concat());
            let header = Header::parse(&blob).unwrap();
            assert_eq!(files(&header).ok().map(|files| files.len()), expected);
        };
        let names: Tag<'_> = (tag::BASE_NAMES, 8, 1, b"x\0");
        let directories: Tag<'_> = (tag::DIR_NAMES, 8, 1, b"/usr/\0");
        check(&[], Some(0));
        check(&[names, directories, (tag::DIR_INDEXES, 4, 1, &[0; 4])], Some(1));
        check(&[names, directories, (tag::DIR_INDEXES, 4, 1, &[1; 4])], None);
        check(&[names, directories], None);
        let modes: Tag<'_> = (tag::FILE_MODES, 3, 2, &[0; 4]);
        check(&[names, directories, (tag::DIR_INDEXES, 4, 1, &[0; 4]), modes], None);
        check(&[(tag::OLD_FILE_NAMES, 8, 1, b"/a\0")], Some(1));
    }
}
