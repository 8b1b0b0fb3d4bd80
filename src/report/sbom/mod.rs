//! Software bills of materials: the packages of one manifest for other tools to read.
//!
//! Always all installed packages, whatever part of the manifest was asked for. Every id is made
//! from the manifest's own, so that the same manifest gives the same document. Licences are passed
//! on as text: databases do not write SPDX expressions, and guessing one would be a claim.

pub(in crate::report) mod cyclonedx;
pub(in crate::report) mod spdx;

use crate::collect::packages::relations::choices;
use crate::model::{Fact, Manifest, ManifestId, Package};
use std::collections::{BTreeSet, HashMap};

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
            if package.state.ends_with("config-files") {
                continue;
            }
            let mut id = format!("{}/{}", package.key.manager, package.key);
            if !taken.insert(id.clone()) {
                id = format!("{id} {}", package.version);
                taken.insert(id.clone());
            }
            packages.push(Listed { package, id, needs: BTreeSet::new() });
        }
        let names = Names::new(&packages);
        let needs: Vec<BTreeSet<usize>> =
            packages.iter().enumerate().map(|(index, one)| names.needs(index, one)).collect();
        for (listed, needs) in packages.iter_mut().zip(needs) {
            listed.needs = needs;
        }
        Self { packages, system: system(&manifest.records.facts) }
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

/// Packages by manager and name, those that provide it last.
struct Names<'a> {
    by_name: HashMap<(&'a str, String), Vec<usize>>,
    by_evidence: HashMap<&'a [u8], usize>,
    instances: Vec<Option<&'a str>>,
}

impl<'a> Names<'a> {
    fn new(packages: &[Listed<'a>]) -> Self {
        let mut by_name = HashMap::<_, Vec<usize>>::new();
        let mut by_evidence = HashMap::new();
        for (index, listed) in packages.iter().enumerate() {
            let key = &listed.package.key;
            by_name.entry((key.manager.as_str(), key.name.clone())).or_default().push(index);
            by_evidence.insert(listed.package.evidence.as_bytes(), index);
        }
        for (index, listed) in packages.iter().enumerate() {
            let package = listed.package;
            let provides = package.details.get("provides").map_or("", String::as_str);
            for name in choices(&package.key.manager, provides).flatten() {
                by_name.entry((package.key.manager.as_str(), name)).or_default().push(index);
            }
        }
        let instances = packages.iter().map(|one| one.package.key.instance.as_deref()).collect();
        Self { by_name, by_evidence, instances }
    }

    /// What a package needs, of each dependency the first choice that is installed.
    fn needs(&self, index: usize, listed: &Listed<'_>) -> BTreeSet<usize> {
        let package = listed.package;
        let manager = package.key.manager.as_str();
        // Where the database was resolved while it was read, that is the better answer.
        let written = ["pre-depends", "depends"].map(|word| package.details.get(word));
        let fields = match package.details.get("needs") {
            Some(needs) => [None, Some(needs)],
            None => written,
        };
        let choices = fields.into_iter().flatten().flat_map(|field| choices(manager, field));
        let find = |name: &String| match manager {
            "npm" => self.required(package, name),
            _ => self.installed(package, name),
        };
        let found = choices.filter_map(|choices| choices.iter().find_map(find));
        found.filter(|needed| *needed != index).collect()
    }

    /// In the same place, else in the ordinary one.
    fn installed(&self, package: &Package, name: &str) -> Option<usize> {
        let manager = package.key.manager.as_str();
        let found = self.by_name.get(&(manager, name.to_owned()))?;
        let own = package.key.instance.as_deref();
        let at = |place: Option<&str>| {
            let instance = |index: &usize| self.instances.get(*index).copied().flatten();
            found.iter().copied().find(|index| instance(index) == place)
        };
        at(own).or_else(|| at(None))
    }

    /// As `require` finds it: in the `node_modules` of each directory upwards.
    fn required(&self, package: &Package, name: &str) -> Option<usize> {
        let mut above = package.evidence.parent();
        while let Some(directory) = above {
            let inside = format!("/node_modules/{name}/package.json");
            let bare = if directory.is_root() { &[] } else { directory.as_bytes() };
            let path = [bare, inside.as_bytes()].concat();
            if let Some(found) = self.by_evidence.get(path.as_slice()) {
                return Some(*found);
            }
            above = directory.parent();
        }
        None
    }
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
