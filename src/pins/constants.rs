//! Names and their constants, cheap to copy: each command may run in a shell of its own, and a file
//! may have thousands of both.
//!
//! What was there before stands in a shared map, what was set since in a small one over it; when that
//! has grown, both become a new shared map. A copy costs no more than the small map, a name that is
//! set a sixty-fourth of all names.

use super::environment::Constant;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Names in the small map.
const MAX_OWN: usize = 64;

/// Constants by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Constants {
    shared: Arc<BTreeMap<Arc<str>, Arc<Constant>>>,
    /// Nothing stands for a name that was taken away.
    own: BTreeMap<Arc<str>, Option<Arc<Constant>>>,
    count: usize,
}

impl Constants {
    /// How many names have a constant.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// What a name stands for.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Constant>> {
        match self.own.get(name) {
            Some(own) => own.as_ref(),
            None => self.shared.get(name),
        }
    }

    /// Gives a name a constant.
    pub(super) fn insert(&mut self, name: &str, constant: Arc<Constant>) {
        if self.get(name).is_none() {
            self.count = self.count.saturating_add(1);
        }
        self.own.insert(Arc::from(name), Some(constant));
        self.settle();
    }

    /// Takes a name away.
    pub(super) fn remove(&mut self, name: &str) {
        if self.get(name).is_some() {
            self.count = self.count.saturating_sub(1);
            self.own.insert(Arc::from(name), None);
            self.settle();
        }
    }

    /// All names and their constants, sorted.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Constant>)> {
        let names: BTreeSet<&str> =
            self.shared.keys().chain(self.own.keys()).map(AsRef::as_ref).collect();
        names.into_iter().filter_map(|name| Some((name, self.get(name)?)))
    }

    /// The names that may stand for something else here than they do in `other`.
    pub(super) fn changed(&self, other: &Self) -> Vec<Arc<str>> {
        let mut names: BTreeSet<&Arc<str>> = self.own.keys().chain(other.own.keys()).collect();
        if !Arc::ptr_eq(&self.shared, &other.shared) {
            names.extend(self.shared.keys().chain(other.shared.keys()));
        }
        names.into_iter().cloned().collect()
    }

    fn settle(&mut self) {
        if self.own.len() <= MAX_OWN {
            return;
        }
        let shared = Arc::make_mut(&mut self.shared);
        for (name, constant) in std::mem::take(&mut self.own) {
            match constant {
                Some(constant) => shared.insert(name, constant),
                None => shared.remove(&name),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::input::Origin;

    #[test]
    fn copies_go_their_own_ways() {
        let constant = |name: &str| {
            let origin = Origin { name: name.to_owned(), place: None, overridable: false };
            Arc::new(Constant::unknown(origin, &Arc::from("f")))
        };
        let said = |constants: &Constants| -> Vec<String> {
            constants.iter().map(|(name, own)| format!("{name}={}", own.origin.name)).collect()
        };
        let mut one = Constants::default();
        for number in 0..200 {
            one.insert(&format!("n{number:03}"), constant("a"));
        }
        let mut other = one.clone();
        other.insert("n005", constant("b"));
        other.insert("x", constant("b"));
        other.remove("n007");
        other.remove("missing");
        assert_eq!((one.len(), other.len()), (200, 200));
        assert_eq!(said(&one).len(), 200);
        let own = said(&other);
        assert_eq!((own.len(), own[5].as_str(), own[199].as_str()), (200, "n005=b", "x=b"));
        assert!(other.get("n007").is_none() && one.get("n007").is_some());
        let changed: Vec<Arc<str>> = other.changed(&one);
        assert!(changed.len() < 64 && changed.iter().any(|name| &**name == "n007"));
    }
}
