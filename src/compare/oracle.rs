//! The walk against a compare of two flat maps, which cannot skip anything: the same changes.

use super::{Side, compare};
use crate::model::testing::World;
use crate::model::{Change, ChangeKind, Content, Entry, Subject, TreePath};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One thing that is put into or taken out of a tree.
#[derive(Clone, Debug)]
enum Edit {
    File(String, u8),
    Directory(String),
    Symlink(String, u8),
    Device(String, u32),
    Mode(String, u16),
    Owner(String, u32),
    Remove(String),
}

fn edit() -> impl Strategy<Value = Edit> {
    // Few names, so that the two sides meet; some that sort differently as text and by component.
    let name = prop_oneof![Just("a"), Just("a-b"), Just("b"), Just("é")];
    let path = prop::collection::vec(name, 1..5).prop_map(|names| format!("/{}", names.join("/")));
    (0..7_u8, path, 0..3_u8).prop_map(|(what, path, value)| match what {
        0 | 1 => Edit::File(path, value),
        2 => Edit::Directory(path),
        3 => Edit::Symlink(path, value),
        4 => Edit::Device(path, value.into()),
        5 => Edit::Mode(path, 0o700 + u16::from(value)),
        _ if value == 0 => Edit::Owner(path, 7),
        _ => Edit::Remove(path),
    })
}

fn apply(world: &mut World, edits: &[Edit]) {
    for edit in edits {
        let clear = |world: &mut World, path: &str| {
            world.remove(path);
        };
        match edit {
            Edit::File(path, value) => {
                clear(world, path);
                world.file(path, &"x".repeat(usize::from(*value)));
            }
            Edit::Directory(path) => {
                clear(world, path);
                world.directory(path);
            }
            Edit::Symlink(path, value) => {
                clear(world, path);
                world.symlink(path, &format!("t{value}"));
            }
            Edit::Device(path, value) => {
                clear(world, path);
                world.device(path, 1, *value);
            }
            Edit::Mode(path, mode) => {
                if world.entries().contains_key(&TreePath::parse(path)) {
                    world.change(path, |entry| entry.mode = *mode);
                }
            }
            Edit::Owner(path, uid) => {
                if world.entries().contains_key(&TreePath::parse(path)) {
                    world.change(path, |entry| entry.uid = *uid);
                }
            }
            Edit::Remove(path) => clear(world, path),
        }
    }
}

/// What can be said of an entry in one line each.
fn values(entry: &Entry) -> BTreeMap<&'static str, String> {
    let mut found = BTreeMap::from([
        ("kind", entry.content.kind().to_string()),
        ("mode", entry.mode.to_string()),
        ("uid", entry.uid.to_string()),
        ("gid", entry.gid.to_string()),
    ]);
    match &entry.content {
        Content::File { size, digest } => {
            found.insert("size", size.to_string());
            found.insert("digest", format!("{digest:?}"));
        }
        Content::Symlink { target } => drop(found.insert("target", format!("{target:?}"))),
        Content::CharacterDevice(device) => drop(found.insert("device", device.to_string())),
        _ => {}
    }
    found
}

type Line = (TreePath, ChangeKind, BTreeSet<String>);

fn naive(before: &World, after: &World) -> Vec<Line> {
    let paths: BTreeSet<&TreePath> =
        before.entries().keys().chain(after.entries().keys()).collect();
    let mut lines = Vec::new();
    for path in paths {
        let old = before.entries().get(path).map(values).unwrap_or_default();
        let new = after.entries().get(path).map(values).unwrap_or_default();
        let kind = match (old.is_empty(), new.is_empty()) {
            (true, _) => ChangeKind::Added,
            (_, true) => ChangeKind::Removed,
            _ => ChangeKind::Modified,
        };
        let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
        let differing: BTreeSet<String> = names
            .into_iter()
            .filter(|name| old.get(name) != new.get(name))
            .map(str::to_owned)
            .collect();
        if !differing.is_empty() {
            lines.push((path.clone(), kind, differing));
        }
    }
    lines
}

fn line(change: &Change) -> Line {
    let Subject::Path(path) = &change.subject else { panic!("{} is no path", change.subject) };
    (path.clone(), change.kind, change.attributes.iter().map(|one| one.name.clone()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_walk_finds_what_a_flat_compare_finds(
        shared in prop::collection::vec(edit(), 0..12),
        first in prop::collection::vec(edit(), 0..6),
        second in prop::collection::vec(edit(), 0..6),
    ) {
        let mut before = World::new();
        apply(&mut before, &shared);
        let mut after = before.clone();
        apply(&mut before, &first);
        apply(&mut after, &second);
        let (old, old_trees) = before.build();
        let (new, new_trees) = after.build();
        let found = compare(
            &Side { manifest: &old, source: &old_trees },
            &Side { manifest: &new, source: &new_trees },
        ).unwrap();
        let lines: Vec<Line> = found.changes.iter().map(line).collect();
        prop_assert_eq!(lines, naive(&before, &after));
        prop_assert!(found.gaps.is_empty() && found.notes.is_empty());
    }
}
