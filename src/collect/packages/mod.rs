//! Installed software: one file or folder for each package manager.
//!
//! Each reads a database as it lies on the disk, without the manager's own tools, and records
//! packages, and claims: what the package says its files should be, under the path where the file
//! lies in this tree. Which manager owns what is not reconciled here; two may claim one path.
//!
//! To add a manager: a file here with its `COLLECTOR`, its `mod` line, its row in
//! [`super::COLLECTORS`], and its order of versions in [`version::order`].

#![warn(clippy::indexing_slicing)]
// Tests count as they like.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod apk;
pub mod aside;
pub mod bill;
pub mod composer;
pub mod conda;
pub mod copies;
pub mod cpan;
pub mod deb822;
pub mod depends;
pub mod dotnet;
pub mod dpkg;
pub mod executables;
pub mod flatpak;
pub mod gem;
pub mod hex;
pub mod homebrew;
pub mod java;
pub mod json;
pub mod nix;
pub mod npm;
pub mod opkg;
pub mod pacman;
pub mod place;
pub mod portage;
pub mod purl;
pub mod python;
pub mod r;
pub mod relations;
pub mod rpm;
pub mod snap;
pub mod version;

use self::deb822::Damage;
use super::reader::Reader;
use crate::model::path::Escaped;
use crate::model::{Package, PackageKey, TreePath};
use std::collections::BTreeMap;

/// A value of a database as text: as it is where it is plain, escaped where it is not.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(plain) if !plain.chars().any(char::is_control) => plain.to_owned(),
        _ => Escaped(bytes).to_string(),
    }
}

/// Likewise for a value of several lines, which become one.
#[must_use]
pub fn folded(bytes: &[u8]) -> String {
    if bytes.contains(&b'\n') {
        let lines: Vec<String> =
            bytes.split(|b| *b == b'\n').map(|line| text(line.trim_ascii())).collect();
        lines.join(" ")
    } else {
        text(bytes)
    }
}

/// Makes gaps of damaged lines.
pub fn tell(reader: &mut Reader<'_>, path: &TreePath, damages: &[Damage]) {
    for damage in damages {
        reader.gap(path, format!("line {}: {}", damage.line, damage.reason));
    }
}

/// An installed package of which no more is known yet.
#[must_use]
pub fn installed(manager: &str, name: String, version: String, evidence: &TreePath) -> Package {
    Package {
        key: PackageKey { manager: manager.to_owned(), name, architecture: None, instance: None },
        version,
        state: "installed".to_owned(),
        installed_at: None,
        origin: None,
        purl: String::new(),
        evidence: evidence.clone(),
        details: BTreeMap::new(),
    }
}
