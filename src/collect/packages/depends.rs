//! Which installed packages need which: as databases record it, versions left out, of each
//! dependency the first choice that is installed.

use super::relations::choices;
use crate::model::Package;
use std::collections::{BTreeSet, HashMap};

/// What each package of a list needs, by index.
#[derive(Debug)]
pub struct Dependencies(Vec<BTreeSet<usize>>);

impl Dependencies {
    /// Of packages in their order.
    #[must_use]
    pub fn of<'a>(packages: impl Iterator<Item = &'a Package>) -> Self {
        let packages: Vec<&Package> = packages.collect();
        let names = Names::new(&packages);
        let needs = packages.iter().enumerate().map(|(index, one)| names.needs(index, one));
        Self(needs.collect())
    }

    /// What the package of that index needs.
    pub fn needs(&self, index: usize) -> impl Iterator<Item = usize> {
        self.0.get(index).into_iter().flatten().copied()
    }
}

/// Packages by manager and name, those that provide it last.
struct Names<'a> {
    by_name: HashMap<(&'a str, String), Vec<usize>>,
    by_evidence: HashMap<&'a [u8], usize>,
    instances: Vec<Option<&'a str>>,
}

impl<'a> Names<'a> {
    fn new(packages: &[&'a Package]) -> Self {
        let mut by_name = HashMap::<_, Vec<usize>>::new();
        let mut by_evidence = HashMap::new();
        for (index, package) in packages.iter().enumerate() {
            let key = &package.key;
            by_name.entry((key.manager.as_str(), key.name.clone())).or_default().push(index);
            by_evidence.insert(package.evidence.as_bytes(), index);
        }
        for (index, package) in packages.iter().enumerate() {
            let provides = package.details.get("provides").map_or("", String::as_str);
            for name in choices(&package.key.manager, provides).flatten() {
                by_name.entry((package.key.manager.as_str(), name)).or_default().push(index);
            }
        }
        let instances = packages.iter().map(|one| one.key.instance.as_deref()).collect();
        Self { by_name, by_evidence, instances }
    }

    /// What a package needs, of each dependency the first choice that is installed.
    fn needs(&self, index: usize, package: &Package) -> BTreeSet<usize> {
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
