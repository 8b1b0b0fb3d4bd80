//! What `show` hands to a reporter: one manifest and the part of it that is asked for.

use crate::model::{
    Content, DirectoryContent, Entry, Fact, Fault, Manifest, TreePath, TreeSource, Verification,
};
use std::collections::BTreeMap;

/// A part of a manifest.
#[derive(Clone, Copy, Debug)]
pub enum Section<'a> {
    /// What it is about, and how much of everything it holds.
    Overview,
    /// Installed software.
    Packages,
    /// Entries of the tree, as [`list_files`] makes them.
    Files(&'a [FileRow]),
    /// Statements about the system.
    Facts,
    /// What was done to it.
    Events,
    /// What could not be read, and what was left out on purpose.
    Gaps,
    /// What differs from what packages shipped.
    Verification(&'a Verification),
}

/// A part of a manifest with what is needed to show it.
#[derive(Clone, Copy, Debug)]
pub struct ShowReport<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// Which part.
    pub section: Section<'a>,
    /// Names of owners.
    pub owners: &'a Owners,
}

/// One line of a file listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Where.
    pub path: TreePath,
    /// What.
    pub entry: Entry,
}

/// Names of users and groups as the target's own files give them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Owners {
    /// From numbers and names, as a target's `passwd` and `group` pair them.
    #[must_use]
    pub fn new(users: BTreeMap<u32, String>, groups: BTreeMap<u32, String>) -> Self {
        Self { users, groups }
    }

    /// From the facts of the scopes `users` (attribute `uid`) and `groups` (attribute `gid`); of
    /// several names for one number the first fact's counts.
    #[must_use]
    pub fn from_facts(facts: &[Fact]) -> Self {
        let mut owners = Self::default();
        for fact in facts {
            let (attribute, names) = match fact.scope.as_str() {
                "users" => ("uid", &mut owners.users),
                "groups" => ("gid", &mut owners.groups),
                _ => continue,
            };
            if let Some(id) = fact.attributes.get(attribute).and_then(|id| id.parse().ok()) {
                names.entry(id).or_insert_with(|| fact.key.clone());
            }
        }
        owners
    }

    /// The user's name, where there is one.
    #[must_use]
    pub fn user(&self, uid: u32) -> Option<&str> {
        self.users.get(&uid).map(String::as_str)
    }

    /// The group's name, where there is one.
    #[must_use]
    pub fn group(&self, gid: u32) -> Option<&str> {
        self.groups.get(&gid).map(String::as_str)
    }
}

/// Everything at and below `top`, each directory before what it holds, names in byte order; empty
/// where there is no such path. A directory that the source cannot give is a fault beside its
/// path, and the rest is still listed.
#[must_use]
pub fn list_files(
    manifest: &Manifest,
    source: &dyn TreeSource,
    top: &TreePath,
) -> (Vec<FileRow>, Vec<(TreePath, Fault)>) {
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    let mut path = TreePath::root();
    let mut start = Some(manifest.header.root.clone());
    for name in top.names() {
        let Some(entry) = start.take() else { break };
        match children(&entry, source) {
            Ok(entries) => {
                start = entries
                    .into_iter()
                    .find(|entry| entry.name.as_ref().is_some_and(|n| n.as_bytes() == name));
            }
            Err(fault) => faults.push((path.clone(), fault)),
        }
        if let Some(name) = start.as_ref().and_then(|entry| entry.name.as_ref()) {
            path.push(name);
        }
    }
    let mut waiting: Vec<FileRow> =
        start.into_iter().map(|entry| FileRow { path: path.clone(), entry }).collect();
    while let Some(row) = waiting.pop() {
        match children(&row.entry, source) {
            Ok(entries) => waiting.extend(entries.into_iter().rev().filter_map(|entry| {
                let path = row.path.join(entry.name.as_ref()?);
                Some(FileRow { path, entry })
            })),
            Err(fault) => faults.push((row.path.clone(), fault)),
        }
        rows.push(row);
    }
    (rows, faults)
}

fn children(entry: &Entry, source: &dyn TreeSource) -> Result<Vec<Entry>, Fault> {
    match &entry.content {
        Content::Directory(DirectoryContent::Read { exact, .. }) => {
            Ok(source.tree(exact)?.entries.clone())
        }
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn files_are_listed_from_any_directory_down() {
        let (manifest, source) = testing::tree();
        let check = |top: &str, expected: &[&str]| {
            let (rows, faults) = list_files(&manifest, &source, &TreePath::parse(top));
            let paths: Vec<String> = rows.iter().map(|row| row.path.to_string()).collect();
            assert_eq!(paths, expected, "{top}");
            assert!(faults.is_empty());
        };
        check("/", &["/", "/a", "/a/b", "/a/b/file", "/z"]);
        check("/a/b", &["/a/b", "/a/b/file"]);
        check("/z", &["/z"]);
        check("/nowhere/else", &[]);
        check("/z/below-a-file", &[]);
    }

    #[test]
    fn owners_are_named_by_the_targets_own_files() {
        let owners = Owners::from_facts(&testing::manifest().records.facts);
        assert_eq!(owners.user(1000), Some("deploy"));
        assert_eq!(owners.user(4), None);
    }
}
