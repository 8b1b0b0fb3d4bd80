//! OpenWrt's and Yocto's package database: `opkg/status` in the form of dpkg's, with flags of its
//! own, and `opkg/info/NAME.list` (a path a line, in newer versions with mode and link target after
//! tabs).

use super::deb822::{self, Stanza};
use super::place::Places;
use super::purl::{Parts, purl};
use super::{folded, installed, tell, text};
use crate::collect::reader::{Reader, below};
use crate::collect::{Collector, View};
use crate::model::{
    Claim, Expectation, FileKind, Package, Records, ShippedDigest, ShippedSource, Stage, Timestamp,
    TreePath,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Reads the opkg database.
pub static COLLECTOR: Collector = Collector {
    name: "opkg",
    version: 2,
    summary: "packages of OpenWrt and Yocto systems, their files and configuration files",
    wanted: &[],
    collect,
};

const DATABASES: [&str; 2] = ["/usr/lib/opkg", "/var/lib/opkg"];

/// These systems are small: their status files have some 100 KB.
const MAX_SIZE: u64 = 16 * 1024 * 1024;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let mut places = Places::new(view.filesystem);
    for database in DATABASES.map(TreePath::parse) {
        let path = below(&database, "status");
        let Some(status) = reader.file(&path) else { continue };
        let (stanzas, damages) = deb822::parse(&status);
        tell(&mut reader, &path, &damages);
        for stanza in &stanzas {
            match package(stanza, &path) {
                Some(package) if package.state.ends_with("not-installed") => {}
                Some(package) => {
                    let list = below(&below(&database, "info"), &list_name(stanza));
                    claim(&package, stanza, &list, &mut places, &mut reader);
                    reader.records.packages.push(package);
                }
                None => {
                    reader.gap(&path, format!("line {}: no name or version", stanza.line));
                }
            }
        }
    }
}

fn list_name(stanza: &Stanza<'_>) -> String {
    format!("{}.list", text(stanza.get("Package").unwrap_or_default()))
}

fn package(stanza: &Stanza<'_>, evidence: &TreePath) -> Option<Package> {
    let name = stanza.get("Package").map(text)?;
    let version = stanza.get("Version").map(text)?;
    let mut package = installed("opkg", name, version, evidence);
    package.key.architecture = stanza.get("Architecture").map(text);
    // `want flags state`, flags with commas between them.
    let status = text(stanza.get("Status").unwrap_or_default());
    let mut words = status.split_ascii_whitespace().skip(1);
    let flags = words.next().unwrap_or_default();
    let state = words.next().unwrap_or("unknown");
    let is_held = flags.split(',').any(|flag| flag == "hold");
    package.state = if is_held { format!("hold {state}") } else { state.to_owned() };
    let seconds = stanza.get("Installed-Time").map(text).and_then(|text| text.parse().ok());
    package.installed_at = seconds.map(Timestamp::from_seconds);
    for (field, word) in [
        ("Depends", "depends"),
        ("Provides", "provides"),
        ("Replaces", "replaces"),
        ("Source", "source"),
    ] {
        if let Some(value) = stanza.get(field) {
            package.details.insert(word.to_owned(), folded(value));
        }
    }
    if stanza.get("Auto-Installed") == Some(b"yes") {
        package.details.insert("automatic".to_owned(), "yes".to_owned());
    }
    let parts = Parts {
        name: &package.key.name,
        version: Some(&package.version),
        qualifiers: &[("arch", package.key.architecture.as_deref())],
        ..Parts::default()
    };
    package.purl = purl("opkg", parts);
    Some(package)
}

fn claim(
    package: &Package,
    stanza: &Stanza<'_>,
    list: &TreePath,
    places: &mut Places<'_>,
    reader: &mut Reader<'_>,
) {
    let Some(list) = reader.file(list) else { return };
    let conffiles = conffiles(stanza.get("Conffiles").unwrap_or_default());
    let key = Arc::new(package.key.clone());
    for line in list.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let mut parts = line.split(|b| *b == b'\t');
        let path = parts.next().unwrap_or_default();
        let mode = parts.next().and_then(|mode| std::str::from_utf8(mode).ok());
        let mode = mode.and_then(|mode| u32::from_str_radix(mode, 8).ok());
        let mut expectation = Expectation::owned(ShippedSource::File);
        expectation.kind = mode.and_then(FileKind::from_mode);
        let permissions = mode.and_then(|mode| u16::try_from(mode & 0o7777).ok());
        match expectation.kind {
            Some(FileKind::Symlink) => expectation.target = parts.next().map(<[u8]>::to_vec),
            Some(_) => expectation.mode = permissions,
            None => {}
        }
        if let Some(digest) = conffiles.get(path) {
            expectation.source = ShippedSource::Configuration;
            expectation.kind = Some(FileKind::File);
            expectation.digest = *digest;
        }
        if let Some(path) = places.entry(path) {
            reader.records.claims.push(Claim { path, package: Arc::clone(&key), expectation });
        }
    }
}

/// ` PATH DIGEST` a line, MD5 or SHA-256.
fn conffiles(value: &[u8]) -> HashMap<&[u8], Option<ShippedDigest>> {
    let line = |line: &'_ [u8]| -> Option<(usize, Option<ShippedDigest>)> {
        let blank = line.iter().rposition(u8::is_ascii_whitespace)?;
        let digest = super::hex::decode(line.get(blank..)?.trim_ascii());
        Some((blank, digest.and_then(|bytes| ShippedDigest::from_slice(&bytes))))
    };
    let lines = value.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    lines
        .filter_map(|text| {
            let (blank, digest) = line(text)?;
            Some((text.get(..blank)?.trim_ascii_end(), digest))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn an_openwrt_system() {
        let mut tree = MemoryFilesystem::new();
        tree.file(
            "/usr/lib/opkg/status",
            "Package: uhttpd\nVersion: 2023-1\nStatus: install hold,user installed\n\
             Architecture: mips\nDepends: libc, libubox\nInstalled-Time: 77\nConffiles:\n \
             /etc/config/uhttpd d41d8cd98f00b204e9800998ecf8427e\n\nPackage: gone\nVersion: 1\n\
             Status: deinstall user not-installed\n\nVersion: 1\n",
        )
        .file(
            "/usr/lib/opkg/info/uhttpd.list",
            "/etc/config/uhttpd\n/usr/sbin/uhttpd\t0100755\n/usr/sbin/u\t0120777\tuhttpd\n",
        );
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        let [package] = records.packages.as_slice() else { panic!() };
        assert_eq!(package.state, "hold installed");
        assert_eq!(package.installed_at, Some(Timestamp::from_seconds(77)));
        let claim = |claim: &Claim| {
            let e = &claim.expectation;
            format!("{} {:?} {:?} {:?}", claim.path, e.source, e.kind, e.mode)
        };
        assert_eq!(
            records.claims.iter().map(claim).collect::<Vec<_>>(),
            [
                "/etc/config/uhttpd Configuration Some(File) None",
                "/usr/sbin/uhttpd File Some(File) Some(493)",
                "/usr/sbin/u File Some(Symlink) None",
            ]
        );
        assert!(records.claims[0].expectation.digest.is_some());
        assert_eq!(records.gaps.len(), 1);
    }
}
