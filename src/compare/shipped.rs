//! Packages of the same version whose files are said to be others: built again, or installed from
//! somewhere else.
//!
//! The two trees of shipped files are walked together, only where their ids differ. Digests that
//! both sides record are compared; what only one of them records is no other content. Times of
//! installation are not compared: two hosts of one image need not share them.

use super::Comparison;
use crate::model::{
    Attribute, AttributeValue, Change, ChangeKind, ContentDigest, Expectation, Gap, PackageKey,
    ShippedDigest, ShippedEntry, ShippedId, ShippedSource, Side, Stage, Subject, TreePath,
};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The lines that say which file should be what, before and after.
#[derive(Default)]
struct Lines {
    before: String,
    after: String,
}

/// Adds a change of `content` for each such package; packages come first among the changes.
pub(super) fn contents(before: &Side<'_>, after: &Side<'_>, out: &mut Comparison) {
    let (old, new) = (before.manifest.header.shipped, after.manifest.header.shipped);
    let (Some(old), Some(new)) = (old, new) else { return };
    let mut found: BTreeMap<PackageKey, Lines> = BTreeMap::new();
    let mut pending = vec![(TreePath::root(), old, new)];
    while let Some((path, old, new)) = pending.pop() {
        if old != new {
            directory(&path, (before, old), (after, new), &mut found, &mut pending, out);
        }
    }
    for (key, lines) in found {
        add(Subject::Package(key), &lines, out);
    }
    out.changes.sort_by(|a, b| a.subject.cmp(&b.subject));
}

fn directory(
    path: &TreePath,
    (before, old): (&Side<'_>, ShippedId),
    (after, new): (&Side<'_>, ShippedId),
    found: &mut BTreeMap<PackageKey, Lines>,
    pending: &mut Vec<(TreePath, ShippedId, ShippedId)>,
    out: &mut Comparison,
) {
    let (old, new) = match (before.source.shipped(&old), after.source.shipped(&new)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(fault), _) | (_, Err(fault)) => {
            let reason = fault.within("stored tree").chain();
            out.gaps.push(Gap { path: path.clone(), stage: Stage::Packages, reason });
            return;
        }
    };
    for entry in &old.entries {
        let Some(now) = new.get(entry.name.as_bytes()) else { continue };
        let here = path.join(&entry.name);
        for (key, digests) in differing(entry, now) {
            let lines = found.entry(key.clone()).or_default();
            // Writing to a `String` cannot fail.
            let _ = writeln!(lines.before, "{here}\t{:?}", digests.0);
            let _ = writeln!(lines.after, "{here}\t{:?}", digests.1);
        }
        if let (Some(old), Some(new)) = (entry.below, now.below) {
            pending.push((here, old, new));
        }
    }
}

/// Packages that say something else of a file than they did, with both digests.
fn differing<'a>(
    old: &'a ShippedEntry,
    new: &'a ShippedEntry,
) -> impl Iterator<Item = (&'a PackageKey, (ShippedDigest, ShippedDigest))> {
    let digest = |one: &Expectation| one.digest.filter(|_| one.source != ShippedSource::Ghost);
    old.claims.iter().filter_map(move |(key, expectation)| {
        // A package may name one file twice, with other bytes (Python's `RECORD` does).
        let mut own = new.claims.iter().filter(|(owner, _)| owner == key).map(|(_, now)| now);
        let first = own.next()?;
        let old = digest(expectation)?;
        if std::iter::once(first).chain(own).any(|now| digest(now) == Some(old)) {
            return None;
        }
        let digests = (old, digest(first)?);
        let same_kind = std::mem::discriminant(&digests.0) == std::mem::discriminant(&digests.1);
        (same_kind && digests.0 != digests.1).then_some((key, digests))
    })
}

/// Of a package that is another version, or only on one side, other files are no news.
fn add(subject: Subject, lines: &Lines, out: &mut Comparison) {
    let digest =
        |lines: &str| Some(AttributeValue::Digest(Some(ContentDigest::of(lines.as_bytes()))));
    let attribute = Attribute {
        name: "content".to_owned(),
        before: digest(&lines.before),
        after: digest(&lines.after),
    };
    match out.changes.iter_mut().find(|change| change.subject == subject) {
        Some(change) if change.kind != ChangeKind::Modified => {}
        Some(change) if change.attribute("version").is_some() => {}
        Some(change) => change.attributes.push(attribute),
        None => out.changes.push(Change {
            subject,
            kind: ChangeKind::Modified,
            attributes: vec![attribute],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::World;

    fn check(before: &World, after: &World, expected: &[&str]) {
        let ((old, old_trees), (new, new_trees)) = (before.build(), after.build());
        let old = Side { manifest: &old, source: &old_trees };
        let new = Side { manifest: &new, source: &new_trees };
        let found = crate::compare::compare(&old, &new).unwrap();
        let row = |change: &Change| {
            let names: Vec<&str> = change.attributes.iter().map(|a| a.name.as_str()).collect();
            format!("{} {}", change.subject, names.join(" "))
        };
        let packages = found.changes.iter().filter(|c| matches!(c.subject, Subject::Package(_)));
        assert_eq!(packages.map(row).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_file_that_its_package_names_twice() {
        let key = |name: &str| PackageKey {
            manager: "pypi".into(),
            name: name.into(),
            architecture: None,
            instance: None,
        };
        let says = |bytes: &str| Expectation {
            digest: Some(ShippedDigest::Sha256([bytes.as_bytes()[0]; 32])),
            ..Expectation::owned(ShippedSource::File)
        };
        let entry = |claims: &[&str]| ShippedEntry {
            name: crate::model::Name::new(b"tool").unwrap(),
            claims: claims.iter().map(|bytes| (key("a"), says(bytes))).collect(),
            below: None,
        };
        let check = |old: &[&str], new: &[&str], expected: usize| {
            assert_eq!(differing(&entry(old), &entry(new)).count(), expected, "{old:?} {new:?}");
        };
        check(&["1", "2"], &["1", "2"], 0);
        check(&["1", "2"], &["2", "1"], 0);
        check(&["1", "2"], &["1", "3"], 1);
    }

    fn world(version: &str, bytes: &str) -> World {
        let mut world = World::new();
        world.install("a", version, &[("/usr/bin/a", bytes), ("/usr/bin/x", "same")]);
        world.install("b", "1", &[("/usr/bin/b", "b")]);
        world
    }

    #[test]
    fn the_same_version_with_other_bytes() {
        check(&world("1", "one"), &world("1", "one"), &[]);
        check(&world("1", "one"), &world("1", "two"), &["a:amd64 (dpkg) content"]);
        check(&world("1", "one"), &world("2", "two"), &["a:amd64 (dpkg) version"]);
        let mut silent = world("1", "one");
        silent.records.claims.retain(|claim| claim.path.to_string() != "/usr/bin/a");
        silent.claim("a", "/usr/bin/a", None, ShippedSource::File);
        check(&world("1", "one"), &silent, &[]);
    }
}
