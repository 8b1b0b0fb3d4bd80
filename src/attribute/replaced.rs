//! Packages that went while others came in their place.
//!
//! A package that came stands in for one of the same manager that went where it says so
//! (`Replaces`, `Provides`, rpm's `Obsoletes`), else where it owns most of the paths that the
//! other owned.

use crate::collect::packages::relations::choices;
use crate::model::{
    Direction, Expectation, FileKind, Package, PackageKey, ShippedId, ShippedTree, Side, TreeSource,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Steps = BTreeMap<PackageKey, Direction>;

/// Pairs of what went and what came, under both names. Each package has at most one partner.
pub(super) fn partners(
    steps: &Steps,
    before: &Side<'_>,
    after: &Side<'_>,
) -> BTreeMap<PackageKey, PackageKey> {
    let of = |wanted: Direction| {
        let chosen = steps.iter().filter(move |(_, step)| **step == wanted);
        chosen.map(|(key, _)| key).collect::<BTreeSet<&PackageKey>>()
    };
    let (gone, come) = (of(Direction::Removed), of(Direction::Installed));
    let mut partners = BTreeMap::new();
    if gone.is_empty() || come.is_empty() {
        return partners;
    }
    let mut pair = |old: &PackageKey, new: &PackageKey| {
        if !partners.contains_key(old) && !partners.contains_key(new) {
            partners.insert(old.clone(), new.clone());
            partners.insert(new.clone(), old.clone());
        }
    };
    for package in after.manifest.records.packages.iter().filter(|one| come.contains(&one.key)) {
        let names = stands_for(package);
        let same =
            |old: &&&PackageKey| old.manager == package.key.manager && names.contains(&old.name);
        if let Some(old) = gone.iter().find(same) {
            pair(old, &package.key);
        }
    }
    let mut moved =
        Moved { gone: &gone, come: &come, owned: BTreeMap::new(), taken: BTreeMap::new() };
    // What cannot be fetched is told where the paths are looked up.
    let (old, new) = (before.manifest.header.shipped, after.manifest.header.shipped);
    let _ = old.map(|old| moved.walk(before.source, old, after.source, new));
    for ((old, new), count) in &moved.taken {
        let owned = moved.owned.get(old).copied().unwrap_or_default();
        if count.saturating_mul(2) > owned {
            pair(old, new);
        }
    }
    partners
}

/// Names that a package says it does the work of.
fn stands_for(package: &Package) -> BTreeSet<String> {
    let fields = ["replaces", "provides"].into_iter().filter_map(|word| package.details.get(word));
    fields.flat_map(|field| choices(&package.key.manager, field)).flatten().collect()
}

/// Counts files that changed hands.
struct Moved<'a> {
    gone: &'a BTreeSet<&'a PackageKey>,
    come: &'a BTreeSet<&'a PackageKey>,
    owned: BTreeMap<PackageKey, usize>,
    taken: BTreeMap<(PackageKey, PackageKey), usize>,
}

impl Moved<'_> {
    fn walk(
        &mut self,
        before: &dyn TreeSource,
        old: ShippedId,
        after: &dyn TreeSource,
        new: Option<ShippedId>,
    ) -> Result<(), crate::model::Fault> {
        let mut pending = vec![(old, new)];
        while let Some((old, new)) = pending.pop() {
            // What is owned alike on both sides is owned by nobody who went.
            if Some(old) == new {
                continue;
            }
            let old = before.shipped(&old)?;
            let new: Option<Arc<ShippedTree>> = new.map(|id| after.shipped(&id)).transpose()?;
            for entry in &old.entries {
                let now = new.as_ref().and_then(|tree| tree.get(entry.name.as_bytes()));
                let is_file = |one: &Expectation| one.kind != Some(FileKind::Directory);
                let owners = entry
                    .claims
                    .iter()
                    .filter(|(key, one)| self.gone.contains(key) && is_file(one));
                for (key, _) in owners {
                    let count = self.owned.entry(key.clone()).or_default();
                    *count = count.saturating_add(1);
                    let claims = now.map_or(&[][..], |now| &now.claims);
                    let taker = claims
                        .iter()
                        .find(|(new, _)| self.come.contains(new) && new.manager == key.manager);
                    if let Some((taker, _)) = taker {
                        let pair = (key.clone(), taker.clone());
                        let count = self.taken.entry(pair).or_default();
                        *count = count.saturating_add(1);
                    }
                }
                if let Some(below) = entry.below {
                    pending.push((below, now.and_then(|now| now.below)));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{World, key};

    fn check(before: &World, after: &World, expected: &[(&str, &str)]) {
        let ((old, old_trees), (new, new_trees)) = (before.build(), after.build());
        let names = |world: &World| -> BTreeSet<PackageKey> {
            world.records.packages.iter().map(|one| one.key.clone()).collect()
        };
        let (one, other) = (names(before), names(after));
        let gone = one.difference(&other).map(|key| (key.clone(), Direction::Removed));
        let come = other.difference(&one).map(|key| (key.clone(), Direction::Installed));
        let steps = gone.chain(come).collect();
        let old = Side { manifest: &old, source: &old_trees };
        let seen = partners(&steps, &old, &Side { manifest: &new, source: &new_trees });
        let both = |(a, b): &(&str, &str)| [(key(a), key(b)), (key(b), key(a))];
        assert_eq!(seen, expected.iter().flat_map(both).collect());
    }

    #[test]
    fn one_comes_in_place_of_another() {
        let files = [("/usr/bin/awk", "a"), ("/usr/bin/x", "x"), ("/usr/bin/y", "y")];
        let world = |name: &str, count: usize, says: (&str, &str)| {
            let mut world = World::new();
            world.install(name, "1", &files[..count]).install("other", "1", &[("/usr/o", "o")]);
            if let Some(one) = world.records.packages.first_mut() {
                one.details.insert(says.0.to_owned(), says.1.to_owned());
            }
            world
        };
        let mawk = world("mawk", 3, ("", ""));
        check(&mawk, &mawk, &[]);
        check(&mawk, &world("gawk", 0, ("replaces", "x, mawk (<< 2)")), &[("mawk", "gawk")]);
        check(&mawk, &world("gawk", 0, ("provides", "mawk:any (= 1)")), &[("mawk", "gawk")]);
        check(&mawk, &world("gawk", 0, ("provides", "mawkish")), &[]);
        check(&mawk, &world("gawk", 2, ("", "")), &[("mawk", "gawk")]);
        check(&mawk, &world("gawk", 1, ("", "")), &[]);
    }
}
