//! The walk down both trees.
//!
//! It keeps its own stack, so that a tree may be as deep as it likes, and goes in the order of
//! [`TreePath`]: changes come out sorted. Directories are fetched only where content ids differ,
//! or where only one side has them.

use super::attributes::{Skipped, alike, difference, one_sided};
use super::{Comparison, Side};
use crate::model::{
    Change, ChangeKind, Content, DirectoryContent, Entry, Fault, Gap, Manifest, Stage, Subject,
    Tree, TreePath, TreeSource,
};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// More differing paths than this are refused: identical directories are stored once, so a few
/// kilobytes of a hostile store could unfold into more paths than any memory holds. The largest
/// real trees have some ten million entries.
const MAX_CHANGES: usize = 20_000_000;

/// Walks both trees and appends their differences.
pub(super) fn compare(
    before: &Side<'_>,
    after: &Side<'_>,
    out: &mut Comparison,
) -> Result<(), Fault> {
    let (old, new) = (&before.manifest.header, &after.manifest.header);
    let mut walk = Walk {
        before: Half::new(before),
        after: Half::new(after),
        skipped: super::not_carried(old, new),
        path: TreePath::root(),
        stack: Vec::new(),
        passed_over: BTreeMap::new(),
        out,
        limit: MAX_CHANGES,
    };
    let gaps = walk.out.gaps.len();
    walk.pair(Some(&old.root), Some(&new.root))?;
    if walk.stack.is_empty() && walk.out.gaps.len() > gaps {
        let lost = walk.out.gaps.pop();
        return Err(Fault::damaged(lost.map_or_else(String::new, |gap| gap.reason)).within("/"));
    }
    walk.run()?;
    for (path, why) in walk.passed_over {
        walk.out.notes.push(format!("{path}: {why}, not compared"));
    }
    Ok(())
}

/// What the walk knows of one side besides its tree.
struct Half<'a> {
    source: &'a dyn TreeSource,
    /// What its medium does not carry.
    not_carried: BTreeSet<String>,
    lacks_kinds: bool,
    /// Paths of which it is not known what lies there.
    unknown: BTreeSet<&'a TreePath>,
    /// Directories that may hold more than was listed.
    in_part: BTreeSet<&'a TreePath>,
    /// Paths that were left out on purpose.
    left_out: BTreeSet<&'a TreePath>,
}

impl<'a> Half<'a> {
    fn new(side: &Side<'a>) -> Self {
        let Manifest { header, records, .. } = side.manifest;
        let gaps = |stages: &[Stage]| -> BTreeSet<&'a TreePath> {
            let found = records.gaps.iter().filter(|gap| stages.contains(&gap.stage));
            found.map(|gap| &gap.path).collect()
        };
        // A gap of the whole image (a partition that nobody mounts) says nothing about `/`.
        let mut in_part = gaps(&[Stage::Image, Stage::List]);
        in_part.retain(|path| !path.is_root());
        Self {
            source: side.source,
            lacks_kinds: header.not_carried.iter().any(|name| name.starts_with("kind:")),
            not_carried: header.not_carried.iter().cloned().collect(),
            unknown: gaps(&[Stage::Image, Stage::List, Stage::Metadata]),
            in_part,
            left_out: records.omissions.iter().map(|omission| &omission.path).collect(),
        }
    }

    /// Whether the medium has no entries of that kind. One note tells of them all.
    fn cannot_have(&self, entry: &Entry) -> bool {
        // Most media have all kinds: no name is made for each entry.
        self.lacks_kinds && self.not_carried.contains(&format!("kind:{}", entry.content.kind()))
    }

    /// Why it cannot be said that this side does not have the path; `None` where it can.
    fn excuse(&self, path: &TreePath, parent_listed_in_part: bool) -> Option<&'static str> {
        if self.left_out.contains(path) {
            Some("left out on one side")
        } else if parent_listed_in_part || self.unknown.contains(path) {
            Some("not read on one side")
        } else {
            None
        }
    }
}

/// A directory that is being gone through; a side that has none is an empty list.
struct Frame {
    before: Option<Arc<Tree>>,
    after: Option<Arc<Tree>>,
    before_next: usize,
    after_next: usize,
    /// The side has the directory, but could list only a part of it.
    before_in_part: bool,
    after_in_part: bool,
}

struct Walk<'a, 'o> {
    before: Half<'a>,
    after: Half<'a>,
    skipped: BTreeSet<String>,
    /// Of the directory on top of the stack.
    path: TreePath,
    stack: Vec<Frame>,
    /// What was not compared, in order.
    passed_over: BTreeMap<TreePath, &'static str>,
    out: &'o mut Comparison,
    limit: usize,
}

impl Walk<'_, '_> {
    fn run(&mut self) -> Result<(), Fault> {
        while let Some(frame) = self.stack.last_mut() {
            let in_part = (frame.before_in_part, frame.after_in_part);
            let trees = (frame.before.clone(), frame.after.clone());
            let (before, after) =
                (entry(&trees.0, frame.before_next), entry(&trees.1, frame.after_next));
            let (before, after) = first_by_name(before, after);
            frame.before_next += usize::from(before.is_some());
            frame.after_next += usize::from(after.is_some());
            let Some(name) = before.or(after).and_then(|entry| entry.name.as_ref()) else {
                self.stack.pop();
                self.path = self.path.parent().unwrap_or_else(TreePath::root);
                continue;
            };
            if let (Some(before), Some(after)) = (before, after)
                && alike(before, after)
            {
                continue;
            }
            let depth = self.stack.len();
            self.path.push(name);
            let excuse = match (before, after) {
                (None, _) => self.before.excuse(&self.path, in_part.0),
                (_, None) => self.after.excuse(&self.path, in_part.1),
                _ => None,
            };
            // What stands in its place, if anything does, is the medium's makeshift.
            let is_lost = before.is_some_and(|entry| self.after.cannot_have(entry))
                || after.is_some_and(|entry| self.before.cannot_have(entry));
            if let Some(why) = excuse {
                self.passed_over.insert(self.path.clone(), why);
            } else if !is_lost {
                self.pair(before, after)?;
            }
            if self.stack.len() == depth {
                self.path = self.path.parent().unwrap_or_else(TreePath::root);
            }
        }
        Ok(())
    }

    /// Compares what lies at the current path, and pushes a frame where its directories are to be
    /// gone through.
    fn pair(&mut self, before: Option<&Entry>, after: Option<&Entry>) -> Result<(), Fault> {
        let (kind, attributes) = match (before, after) {
            (Some(before), Some(after)) => {
                (ChangeKind::Modified, difference(before, after, Skipped(&self.skipped)))
            }
            (None, Some(after)) => {
                (ChangeKind::Added, one_sided(after, Skipped(&self.after.not_carried), true))
            }
            (Some(before), None) => {
                (ChangeKind::Removed, one_sided(before, Skipped(&self.before.not_carried), false))
            }
            (None, None) => return Ok(()),
        };
        if kind != ChangeKind::Modified || !attributes.is_empty() {
            if self.out.changes.len() >= self.limit {
                return Err(Fault::limit(format!("more than {} differences", self.limit)));
            }
            let subject = Subject::Path(self.path.clone());
            self.out.changes.push(Change { subject, kind, attributes });
        }
        self.descend(before, after);
        Ok(())
    }

    fn descend(&mut self, before: Option<&Entry>, after: Option<&Entry>) {
        let (old, new) = (directory(before), directory(after));
        if let (
            Some(DirectoryContent::Read { content: one, .. }),
            Some(DirectoryContent::Read { content: other, .. }),
        ) = (old, new)
            && one == other
        {
            return;
        }
        for content in [old, new].into_iter().flatten() {
            let why = match content {
                DirectoryContent::Read { .. } => continue,
                DirectoryContent::Unread => "not read on one side",
                DirectoryContent::LeftOut => "left out on one side",
            };
            // Where neither side entered it there is nothing that one of them might have seen.
            if old != new {
                self.passed_over.insert(self.path.clone(), why);
            }
            return;
        }
        let fetch = |half: &Half<'_>, content| match content {
            Some(DirectoryContent::Read { exact, .. }) => half.source.tree(&exact).map(Some),
            _ => Ok(None),
        };
        match (fetch(&self.before, old), fetch(&self.after, new)) {
            (Ok(None), Ok(None)) => {}
            (Ok(before), Ok(after)) => self.stack.push(Frame {
                before_in_part: before.is_some() && self.before.in_part.contains(&self.path),
                after_in_part: after.is_some() && self.after.in_part.contains(&self.path),
                before,
                after,
                before_next: 0,
                after_next: 0,
            }),
            (before, after) => {
                for fault in [before.err(), after.err()].into_iter().flatten() {
                    self.out.gaps.push(Gap {
                        path: self.path.clone(),
                        stage: Stage::List,
                        reason: fault.within("stored tree").chain(),
                    });
                }
            }
        }
    }
}

fn directory(entry: Option<&Entry>) -> Option<DirectoryContent> {
    match entry?.content {
        Content::Directory(content) => Some(content),
        _ => None,
    }
}

fn entry(tree: &Option<Arc<Tree>>, index: usize) -> Option<&Entry> {
    tree.as_ref().and_then(|tree| tree.entries.get(index))
}

/// Of the next entries of both sides those with the first name: one, or both.
fn first_by_name<'a>(
    before: Option<&'a Entry>,
    after: Option<&'a Entry>,
) -> (Option<&'a Entry>, Option<&'a Entry>) {
    let (Some(old), Some(new)) = (before, after) else { return (before, after) };
    match old.name.cmp(&new.name) {
        Ordering::Less => (before, None),
        Ordering::Equal => (before, after),
        Ordering::Greater => (None, after),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Comparison, Side, compare};
    use crate::model::testing::World;
    use crate::model::{DirectoryContent, Omission, Stage, Subject, TreePath};

    fn show(comparison: &Comparison) -> Vec<String> {
        let gaps = comparison.gaps.iter().map(|gap| format!("gap {} {}", gap.path, gap.stage));
        let changes = comparison.changes.iter().map(|change| {
            let names: Vec<&str> = change.attributes.iter().map(|a| a.name.as_str()).collect();
            assert!(matches!(change.subject, Subject::Path(_)));
            let kind = change.kind.as_str();
            format!("{kind} {} {}", change.subject, names.join(" "))
        });
        changes.chain(gaps).chain(comparison.notes.clone()).collect()
    }

    fn check(before: &World, after: &World, expected: &[&str]) {
        let (old, old_trees) = before.build();
        let (new, new_trees) = after.build();
        let old = Side { manifest: &old, source: &old_trees };
        let new = Side { manifest: &new, source: &new_trees };
        assert_eq!(show(&compare(&old, &new).unwrap()), expected);
    }

    fn world() -> World {
        let mut world = World::new();
        world.file("/etc/motd", "hello").file("/etc/crontab", "x").symlink("/bin", "usr/bin");
        world
    }

    #[test]
    fn equal_trees_have_no_changes() {
        check(&world(), &world(), &[]);
        let mut touched = world();
        touched.change("/etc/motd", |entry| entry.links = 9);
        check(&world(), &touched, &[]);
    }

    #[test]
    fn every_path_once_with_all_attributes() {
        let mut after = world();
        after
            .file("/etc/a/b/c", "1")
            .remove("/etc/motd")
            .change("/etc/crontab", |e| e.mode = 0o666);
        after.remove("/bin").file("/bin/sh", "#!").change("/", |entry| entry.mode = 0o700);
        check(
            &world(),
            &after,
            &[
                "modified / mode",
                "modified /bin kind mode target",
                "added /bin/sh kind mode uid gid size digest",
                "added /etc/a kind mode uid gid",
                "added /etc/a/b kind mode uid gid",
                "added /etc/a/b/c kind mode uid gid size digest",
                "modified /etc/crontab mode",
                "removed /etc/motd kind mode uid gid size digest",
            ],
        );
    }

    #[test]
    fn nothing_is_concluded_below_what_was_not_read() {
        let mut after = world();
        after.close("/etc", DirectoryContent::Unread);
        check(&world(), &after, &["/etc: not read on one side, not compared"]);
        after.close("/etc", DirectoryContent::LeftOut).change("/etc", |entry| entry.uid = 1);
        check(&world(), &after, &["modified /etc uid", "/etc: left out on one side, not compared"]);
        check(&after, &after, &[]);
    }

    #[test]
    fn what_is_missing_for_a_reason_is_not_removed() {
        let mut after = world();
        after.remove("/etc/motd").remove("/etc/crontab").file("/etc/new", "");
        after.records.gap(&TreePath::parse("/etc/motd"), Stage::Metadata, "denied");
        let path = TreePath::parse("/etc/crontab");
        after.records.omissions.push(Omission { path, reason: "the store".into() });
        check(
            &world(),
            &after,
            &[
                "added /etc/new kind mode uid gid size digest",
                "/etc/crontab: left out on one side, not compared",
                "/etc/motd: not read on one side, not compared",
            ],
        );
        let mut partly = world();
        partly.remove("/etc/motd").file("/etc/new", "");
        partly.records.gap(&TreePath::parse("/etc"), Stage::List, "block 7 damaged");
        check(
            &world(),
            &partly,
            &[
                "added /etc/new kind mode uid gid size digest",
                "/etc/motd: not read on one side, not compared",
            ],
        );
    }

    #[test]
    fn a_lost_directory_is_a_gap_and_not_the_end() {
        let mut after = world();
        after.file("/etc/motd", "bye").file("/usr/x", "1");
        let (old, old_trees) = world().build();
        let (new, mut new_trees) = after.build();
        new_trees.lose(&new, "/etc");
        let old = Side { manifest: &old, source: &old_trees };
        let side = Side { manifest: &new, source: &new_trees };
        let expected = [
            "added /usr kind mode uid gid",
            "added /usr/x kind mode uid gid size digest",
            "gap /etc list",
        ];
        assert_eq!(show(&compare(&old, &side).unwrap()), expected);
        new_trees.lose(&new, "/");
        assert!(compare(&old, &Side { manifest: &new, source: &new_trees }).is_err());
    }

    #[test]
    fn what_a_medium_does_not_carry_is_not_compared() {
        let mut tar = world();
        tar.not_carried = vec!["gid".into(), "uid".into()];
        tar.change("/etc/motd", |entry| entry.uid = 1000).file("/new", "1");
        check(
            &world(),
            &tar,
            &[
                "added /new kind mode size digest",
                "gid: not carried by one of the media, not compared",
                "uid: not carried by one of the media, not compared",
            ],
        );
    }

    #[test]
    fn kinds_that_a_medium_does_not_have_are_not_missing() {
        let mut disk = world();
        disk.symlink("/etc/link", "motd").file("/etc/more", "1");
        let mut fat = world();
        fat.remove("/bin");
        fat.not_carried = vec!["kind:symlink".into()];
        let note = "entries of the kind symlink: not carried by one of the media, not compared";
        let (removed, added) = (
            "removed /etc/more kind mode uid gid size digest",
            "added /etc/more kind mode uid gid size digest",
        );
        check(&disk, &fat, &[removed, note]);
        check(&fat, &disk, &[added, note]);
    }

    #[test]
    fn equal_sets_need_not_be_loaded() {
        let mut world = world();
        world.install("a", "1", &[]);
        let (old, trees) = world.build();
        let mut new = old.clone();
        new.records.packages.clear();
        let old = Side { manifest: &old, source: &trees };
        let found = compare(&old, &Side { manifest: &new, source: &trees }).unwrap();
        assert_eq!(found, Comparison::default());
    }

    #[test]
    fn depth_costs_no_stack() {
        let mut deep = World::new();
        deep.file(&"/d".repeat(3_000), "1");
        let (old, old_trees) = World::new().build();
        let (new, new_trees) = deep.build();
        let old = Side { manifest: &old, source: &old_trees };
        let found = compare(&old, &Side { manifest: &new, source: &new_trees }).unwrap();
        assert_eq!(found.changes.len(), 3_000);
    }
}
