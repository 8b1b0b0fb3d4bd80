//! Packages where one side is a bill of materials: by package URL, and nothing else.
//!
//! A bill names a package by type, name, architecture and version; where a copy of it lies and in
//! what state it is, the bill does not say, so neither is compared. Versions of one name that both
//! sides have are the same; where each side has one left, that is a change of version. A type of
//! which a bill lists nothing was perhaps not looked for: it is told and not compared, and so are
//! types that no scan reads.

use super::{Comparison, Side};
use crate::collect::packages::purl::Coordinates;
use crate::model::package::REMNANT;
use crate::model::{
    Attribute, AttributeValue, Change, ChangeKind, Header, Package, PackageKey, Subject,
};
use std::collections::{BTreeMap, BTreeSet};

/// Types of package URLs that scans read on every system: of these a scan that lists none knows
/// that there are none.
const SCANNED: [&str; 8] = ["alpm", "apk", "deb", "ebuild", "npm", "opkg", "pypi", "rpm"];

/// rpm keeps the keys that it trusts as packages; only some bills list them.
const PUBLIC_KEY: &str = "gpg-pubkey";

/// Whether a manifest was made of a bill: it has no files that could be compared.
pub(super) fn is_bill(header: &Header) -> bool {
    header.not_carried.iter().any(|name| name == "files")
}

/// Compares the packages alone.
pub(super) fn compare(before: &Side<'_>, after: &Side<'_>, out: &mut Comparison) {
    let (old, new) = (List::new(before), List::new(after));
    let new_is_bill = new.is_bill;
    let kinds: BTreeSet<&str> = old.kinds().chain(new.kinds()).collect();
    for kind in kinds {
        let silent = [(&old, &new), (&new, &old)].into_iter().find(|(one, _)| !one.knows(kind));
        if let Some((silent, other)) = silent {
            let whose = if silent.is_bill { "the bill of materials" } else { "the scan" };
            let count = other.named.iter().filter(|(named, _)| named.kind == kind).count();
            out.notes
                .push(format!("{kind}: {whose} lists none of its {count} packages, not compared"));
            continue;
        }
        // Where somebody leaves the architecture out, it tells nothing apart.
        let by_architecture = old.has_architectures(kind) && new.has_architectures(kind);
        let mut gone = old.versions(kind, by_architecture);
        for (name, versions) in new.versions(kind, by_architecture) {
            differ(gone.remove(&name).unwrap_or_default(), versions, new_is_bill, out);
        }
        for versions in gone.into_values() {
            differ(versions, Versions::new(), new_is_bill, out);
        }
    }
    for (list, side) in [(&old, "before"), (&new, "after")] {
        if list.unnamed > 0 {
            let count = list.unnamed;
            out.notes.push(format!("{count} packages {side} have no package URL, not compared"));
        }
    }
    out.changes.sort_by(|a, b| a.subject.cmp(&b.subject));
}

/// The packages of one name by their versions.
type Versions<'a> = BTreeMap<&'a str, &'a Package>;

/// What one side lists.
struct List<'a> {
    is_bill: bool,
    named: Vec<(Coordinates, &'a Package)>,
    unnamed: usize,
}

impl<'a> List<'a> {
    fn new(side: &Side<'a>) -> Self {
        let mut list = Self { is_bill: is_bill(&side.manifest.header), named: vec![], unnamed: 0 };
        for package in &side.manifest.records.packages {
            if package.state.ends_with(REMNANT) || package.key.name == PUBLIC_KEY {
                continue;
            }
            match Coordinates::parse(&package.purl) {
                Some(named) => list.named.push((named, package)),
                None => list.unnamed = list.unnamed.saturating_add(1),
            }
        }
        list
    }

    fn kinds(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|(named, _)| named.kind.as_str())
    }

    /// Whether what is not in the list is not there.
    fn knows(&self, kind: &str) -> bool {
        self.kinds().any(|own| own == kind) || (!self.is_bill && SCANNED.contains(&kind))
    }

    fn has_architectures(&self, kind: &str) -> bool {
        let mut own = self.named.iter().filter(|(named, _)| named.kind == kind);
        own.all(|(named, _)| named.architecture.is_some())
    }

    fn versions(
        &self,
        kind: &str,
        by_architecture: bool,
    ) -> BTreeMap<(&str, Option<&str>), Versions<'a>> {
        let mut all = BTreeMap::<_, Versions<'a>>::new();
        for (named, package) in self.named.iter().filter(|(named, _)| named.kind == kind) {
            let architecture = named.architecture.as_deref().filter(|_| by_architecture);
            let versions = all.entry((named.name.as_str(), architecture)).or_default();
            versions.entry(package.version.as_str()).or_insert(package);
        }
        all
    }
}

/// The changes of one name. The scan's own key is the one that a person can look up.
fn differ<'a>(
    mut old: Versions<'a>,
    mut new: Versions<'a>,
    new_is_bill: bool,
    out: &mut Comparison,
) {
    let same: Vec<&str> = old.keys().filter(|key| new.contains_key(*key)).copied().collect();
    for version in &same {
        old.remove(version);
        new.remove(version);
    }
    if let ([before], [after]) = (
        old.values().copied().collect::<Vec<_>>().as_slice(),
        new.values().copied().collect::<Vec<_>>().as_slice(),
    ) {
        let key = if new_is_bill { &before.key } else { &after.key };
        let version = attribute("version", Some(&before.version), Some(&after.version));
        keep(key, ChangeKind::Modified, vec![version], out);
        return;
    }
    for package in old.into_values() {
        let architecture = package.key.architecture.as_ref();
        let architecture = architecture.map(|name| attribute("architecture", Some(name), None));
        let version = attribute("version", Some(&package.version), None);
        let attributes = [version].into_iter().chain(architecture).collect();
        keep(&package.key, ChangeKind::Removed, attributes, out);
    }
    for package in new.into_values() {
        let architecture = package.key.architecture.as_ref();
        let architecture = architecture.map(|name| attribute("architecture", None, Some(name)));
        let version = attribute("version", None, Some(&package.version));
        let attributes = [version].into_iter().chain(architecture).collect();
        keep(&package.key, ChangeKind::Added, attributes, out);
    }
}

fn keep(key: &PackageKey, kind: ChangeKind, attributes: Vec<Attribute>, out: &mut Comparison) {
    out.changes.push(Change { subject: Subject::Package(key.clone()), kind, attributes });
}

fn attribute(name: &str, before: Option<&String>, after: Option<&String>) -> Attribute {
    let text = |side: Option<&String>| side.cloned().map(AttributeValue::Text);
    Attribute { name: name.to_owned(), before: text(before), after: text(after) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::World;

    /// Packages by URL; the first side is a bill.
    fn check(bill: &[&str], scan: &[&str], expected: &[&str], notes: &[&str]) {
        let world = |purls: &[&str]| {
            let mut world = World::new();
            for purl in purls {
                let named = Coordinates::parse(purl).unwrap();
                let version = named.version.unwrap();
                world.install(&named.name, &version, &[]);
                let package = world.records.packages.last_mut().unwrap();
                package.key.architecture = named.architecture;
                package.key.instance = Some(version);
                package.purl = (*purl).to_owned();
            }
            world
        };
        let ((old, old_trees), (new, new_trees)) = (world(bill).build(), world(scan).build());
        let mut old = old;
        old.header.not_carried = vec!["facts".to_owned(), "files".to_owned()];
        let old = Side { manifest: &old, source: &old_trees };
        let mut out = Comparison::default();
        compare(&old, &Side { manifest: &new, source: &new_trees }, &mut out);
        let row = |change: &Change| {
            let Subject::Package(key) = &change.subject else { return String::new() };
            let version = change.attribute("version").unwrap();
            let text = |side: &Option<AttributeValue>| match side {
                Some(AttributeValue::Text(text)) => text.clone(),
                _ => "-".to_owned(),
            };
            format!("{} {} {}", key.name, text(&version.before), text(&version.after))
        };
        assert_eq!(out.changes.iter().map(row).collect::<Vec<_>>(), expected);
        assert_eq!(out.notes, notes);
    }

    #[test]
    fn packages_are_matched_by_their_urls() {
        let a = "pkg:deb/debian/a@1%3A2-3?arch=amd64&distro=debian-12";
        check(&[a], &["pkg:deb/debian/a@1:2-3?upstream=b&arch=amd64"], &[], &[]);
        check(&[a], &["pkg:deb/debian/a@2-3?epoch=1&arch=amd64"], &[], &[]);
        check(&[a], &["pkg:deb/ubuntu/a@1:2-4?arch=amd64"], &["a 1:2-3 1:2-4"], &[]);
        check(&[a], &["pkg:deb/debian/a@1:2-3?arch=i386"], &["a 1:2-3 -", "a - 1:2-3"], &[]);
        check(&[a], &["pkg:deb/debian/a@1:2-3"], &[], &[]);
        check(&["pkg:rpm/rhel/a@1-2?epoch=0"], &["pkg:rpm/rhel/a@1-2"], &[], &[]);
        check(
            &["pkg:npm/x@1", "pkg:npm/x@2", "pkg:npm/%40s/y@1"],
            &["pkg:npm/x@2", "pkg:npm/x@3", "pkg:npm/z@1"],
            &["@s/y 1 -", "x 1 3", "z - 1"],
            &[],
        );
    }

    #[test]
    fn what_a_list_does_not_speak_of_is_told() {
        check(
            &["pkg:deb/debian/a@1", "pkg:github/x/y@1"],
            &["pkg:deb/debian/a@1", "pkg:pypi/b@1", "pkg:pypi/c@1"],
            &[],
            &[
                "github: the scan lists none of its 1 packages, not compared",
                "pypi: the bill of materials lists none of its 2 packages, not compared",
            ],
        );
        check(&["pkg:deb/debian/a@1", "pkg:npm/x@1"], &["pkg:deb/debian/a@1"], &["x 1 -"], &[]);
    }
}
