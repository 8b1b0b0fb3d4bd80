//! When a change happened last, as the tree says it: the inode's change time, which no program
//! can set, or the next best.

use crate::attribute::cursor::Cursor;
use crate::model::{Change, Fact, Package, PackageKey, Side, Subject, Timestamp, Tree, TreePath};
use std::collections::HashMap;

/// A time with what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// An inode change time; else a modification time, which anyone may set.
    pub is_certain: bool,
    /// Of the path itself; else of the directory that it is gone from.
    pub is_own: bool,
}

/// Looks up times in a tree.
pub struct Moments<'a> {
    tree: Cursor<'a, Tree>,
    evidence: HashMap<(&'a str, &'a str), &'a TreePath>,
    /// Files that tell of one package only: they were written when it was installed.
    packages: HashMap<&'a PackageKey, &'a TreePath>,
}

impl<'a> Moments<'a> {
    /// Over the current side.
    pub fn new(after: &Side<'a>) -> Self {
        let path = |fact: &'a Fact| {
            let path = fact.evidence.as_ref()?;
            Some(((fact.scope.as_str(), fact.key.as_str()), path))
        };
        let evidence = after.manifest.records.facts.iter().filter_map(path).collect();
        let packages = &after.manifest.records.packages;
        let mut told: HashMap<&TreePath, usize> = HashMap::new();
        for package in packages {
            let count = told.entry(&package.evidence).or_default();
            *count = count.saturating_add(1);
        }
        let is_own = |one: &&Package| told.get(&one.evidence) == Some(&1);
        let packages = packages.iter().filter(is_own).map(|one| (&one.key, &one.evidence));
        Self { tree: Cursor::tree(after), evidence, packages: packages.collect() }
    }

    /// Where a path of the evidence lies in the tree, links among its directories followed.
    pub fn real(&mut self, path: &TreePath) -> TreePath {
        self.tree.real(path).unwrap_or_else(|| path.clone())
    }

    /// Of one change.
    pub fn of(&mut self, change: &Change, after: &Side<'_>) -> Option<Moment> {
        match &change.subject {
            Subject::Path(path) if path.is_root() => {
                let root = &after.manifest.header.root;
                Some(moment(root.ctime, root.mtime, true))
            }
            Subject::Path(path) => self.path(path),
            Subject::Package(key) => match key.manager.as_str() {
                "dpkg" => self.path(&TreePath::parse("/var/lib/dpkg/status")),
                _ => {
                    let file = *self.packages.get(key)?;
                    self.path(file)
                }
            },
            Subject::Fact { scope, key } => {
                let path = *self.evidence.get(&(scope.as_str(), key.as_str()))?;
                self.path(path)
            }
        }
    }

    /// Of what lies at a path; of what is gone, of the nearest directory that is still there.
    pub fn path(&mut self, path: &TreePath) -> Option<Moment> {
        if let Some(entry) = self.tree.get(path) {
            return Some(moment(entry.ctime, entry.mtime, true));
        }
        let mut above = path.parent();
        while let Some(directory) = above {
            if let Some(entry) = self.tree.get(&directory) {
                return Some(moment(entry.ctime, entry.mtime, false));
            }
            above = directory.parent();
        }
        None
    }
}

fn moment(ctime: Option<Timestamp>, mtime: Timestamp, is_own: bool) -> Moment {
    Moment { at: ctime.unwrap_or(mtime), is_certain: ctime.is_some(), is_own }
}
