//! Software bills of materials: the packages of one manifest for other tools to read.
//!
//! Always all installed packages, whatever part of the manifest was asked for. Every id is made
//! from the manifest's own, so that the same manifest gives the same document. Licences are passed
//! on as text: databases do not write SPDX expressions, and guessing one would be a claim.

pub(in crate::report) mod cyclonedx;
pub(in crate::report) mod inputs;
pub(in crate::report) mod spdx;

use crate::collect::packages::depends::Dependencies;
use crate::model::package::REMNANT;
use crate::model::{Fact, Manifest, ManifestId, Package};
use std::collections::BTreeSet;

/// What both formats are made of.
struct Bill<'a> {
    packages: Vec<Listed<'a>>,
    system: Option<System<'a>>,
}

/// A package with an id of its own in the document.
struct Listed<'a> {
    package: &'a Package,
    id: String,
    /// Other listed packages, as indices.
    needs: BTreeSet<usize>,
}

/// From the target's os-release.
struct System<'a> {
    name: &'a str,
    version: Option<&'a str>,
    description: Option<&'a str>,
}

impl<'a> Bill<'a> {
    fn new(manifest: &'a Manifest) -> Self {
        let mut packages = Vec::new();
        let mut taken = BTreeSet::new();
        for package in &manifest.records.packages {
            // What is left of a removed package is no software.
            if package.state.ends_with(REMNANT) {
                continue;
            }
            let mut id = format!("{}/{}", package.key.manager, package.key);
            if !taken.insert(id.clone()) {
                id = format!("{id} {}", package.version);
                taken.insert(id.clone());
            }
            packages.push(Listed { package, id, needs: BTreeSet::new() });
        }
        let graph = Dependencies::of(packages.iter().map(|listed| listed.package));
        for (index, listed) in packages.iter_mut().enumerate() {
            listed.needs = graph.needs(index).collect();
        }
        Self { packages, system: system(&manifest.records.facts) }
    }
}

/// How many parts of the manifest could not be read, of which the bill knows nothing.
fn unread(manifest: &Manifest) -> Option<String> {
    match manifest.records.gaps.len() {
        0 => None,
        1 => Some("1 part could not be read: packages may be missing".to_owned()),
        count => Some(format!("{count} parts could not be read: packages may be missing")),
    }
}

fn system(facts: &[Fact]) -> Option<System<'_>> {
    let release = facts.iter().find(|fact| fact.scope == "os-release")?;
    let field = |name: &str| release.attributes.get(name).map(String::as_str);
    Some(System {
        name: field("ID").or(field("NAME"))?,
        version: field("VERSION_ID").or(field("BUILD_ID")),
        description: field("PRETTY_NAME"),
    })
}

/// A UUID of version 8 (RFC 9562) out of the manifest's id.
fn uuid(id: &ManifestId) -> String {
    let hex = id.to_string();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod testing {
    use crate::report::{Owners, Section, ShowReport, View, testing};
    use std::io::{self, Write};

    /// The document of the tests' manifest, which is the same each time.
    pub(super) fn written(
        write: fn(&ShowReport<'_>, &View, &mut dyn Write) -> io::Result<()>,
    ) -> serde_json::Value {
        let manifest = testing::manifest();
        let owners = Owners::default();
        let report =
            ShowReport { manifest: &manifest, section: Section::Packages, owners: &owners };
        let bytes = || {
            let mut out = Vec::new();
            write(&report, &View::PLAIN, &mut out).unwrap();
            out
        };
        assert_eq!(bytes(), bytes());
        serde_json::from_slice(&bytes()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_the_manifest() {
        let id = ManifestId([0xab; 32]);
        assert_eq!(uuid(&id), "abababab-abab-8bab-8bab-abababababab");
    }
}
