//! Certificates that were added to or taken from those that a distribution trusts:
//! update-ca-certificates(8), update-ca-trust(8), trust(1).
//!
//! Scope `trust-anchors`: the SHA-256 of an added certificate is the key, as
//! `openssl x509 -fingerprint -sha256` shows it but without colons. Scope `distrusted`: what was
//! put on a blocklist, likewise, or deselected, by its name.

use super::{Sheet, decode};
use crate::collect::{Collector, View};
use crate::filesystem::Node;
use crate::model::{FileKind, Name, Records, TreePath};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Reads added certificates.
pub static COLLECTOR: Collector = Collector {
    name: "trust",
    version: 1,
    summary: "certificates that were added to those trusted, or taken from them",
    wanted: &[],
    collect,
};

/// Debian and Alpine, Red Hat, SUSE, Arch.
const ANCHORS: [&str; 5] = [
    "/usr/local/share/ca-certificates",
    "/etc/pki/ca-trust/source/anchors",
    "/etc/pki/trust/anchors",
    "/etc/ca-certificates/trust-source/anchors",
    "/usr/share/pki/ca-trust-source/anchors",
];
const BLOCKLISTS: [&str; 5] = [
    "/etc/pki/ca-trust/source/blocklist",
    "/etc/pki/ca-trust/source/blacklist",
    "/etc/pki/trust/blocklist",
    "/etc/pki/trust/blacklist",
    "/etc/ca-certificates/trust-source/blocklist",
];

/// Directories below these; update-ca-certificates goes down all of them.
const MAX_DIRECTORIES: usize = 256;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    for (scope, directories) in [("trust-anchors", &ANCHORS), ("distrusted", &BLOCKLISTS)] {
        for directory in directories {
            certificates(&mut sheet, scope, &TreePath::parse(directory));
        }
    }
    if let Some((path, text)) = sheet.file("/etc/ca-certificates.conf") {
        for name in text.lines().filter_map(|line| line.trim().strip_prefix('!')) {
            sheet.add("distrusted", name, &path, &[]);
        }
    }
}

fn certificates(sheet: &mut Sheet<'_>, scope: &'static str, top: &TreePath) {
    let mut pending = vec![top.clone()];
    let mut visited = 0_usize;
    while let Some(directory) = pending.pop() {
        visited = visited.saturating_add(1);
        if visited > MAX_DIRECTORIES {
            sheet.reader.gap(top, format!("more than {MAX_DIRECTORIES} directories"));
            return;
        }
        let entries: Vec<(Name, Node)> = sheet.reader.list(&directory);
        for (name, node) in entries {
            let path = directory.join(&name);
            let kind = sheet.reader.filesystem.metadata(&node).map(|metadata| Some(metadata.kind));
            match sheet.reader.keep(&path, kind) {
                Some(FileKind::Directory) => pending.push(path),
                Some(FileKind::File | FileKind::Symlink) => {
                    let Some(bytes) = sheet.reader.file(&path) else { continue };
                    for print in fingerprints(&bytes) {
                        let file = path.to_string();
                        sheet.add(scope, &print, &path, &[("file", &file)]);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Of all certificates in a file, PEM (RFC 7468) or DER.
#[must_use]
pub fn fingerprints(bytes: &[u8]) -> Vec<String> {
    let print = |der: &[u8]| -> String {
        Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    // An ASN.1 sequence with a length of two bytes.
    if bytes.starts_with(&[0x30, 0x82]) {
        return vec![print(bytes)];
    }
    let text = decode(bytes);
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines().map(str::trim) {
        match line {
            "-----BEGIN CERTIFICATE-----" | "-----BEGIN X509 CERTIFICATE-----" => {
                open = Some(String::new());
            }
            _ if line.starts_with("-----END") => {
                let der = open.take().and_then(|body| STANDARD.decode(body).ok());
                found.extend(der.map(|der| print(&der)));
            }
            _ => {
                if let Some(body) = &mut open {
                    body.push_str(line);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn certificates_by_fingerprint() {
        let pem = "junk\n-----BEGIN CERTIFICATE-----\nMIIA\nAQI=\n-----END CERTIFICATE-----\n\
                   -----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let der = [0x30, 0x82, 0x00, 0x01, 0x02];
        assert_eq!(fingerprints(pem.as_bytes()), fingerprints(&der));
        let mut tree = MemoryFilesystem::new();
        tree.file("/usr/local/share/ca-certificates/sub/own.crt", pem)
            .file("/etc/ca-certificates.conf", "mozilla/A.crt\n!mozilla/B.crt\n");
        let print = &fingerprints(&der)[0];
        let own = "/usr/local/share/ca-certificates/sub/own.crt";
        check(
            &COLLECTOR,
            &tree,
            &[
                &format!("trust-anchors/{print} file={own} @{own}"),
                "distrusted/mozilla/B.crt @/etc/ca-certificates.conf",
            ],
            &[],
        );
    }
}
