//! Folding the changes of files into the changes of their packages.

use super::aside::set_aside;
use super::generated::{Half, maker};
use super::packages::Packages;
use super::root::Root;
use super::verify::{Verdict, bytes, verify};
use super::whole;
use crate::model::{
    Change, ChangeKind, Content, Disposition, Entry, Expectation, Gap, JudgedChange, PackageKey,
    ShippedSource, Side, Stage, Subject, TreePath, TreeSource,
};
use std::collections::HashMap;

/// All changes, in the order in which they came: explained, or drift with the package that owns
/// the path and a note on the case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collapsed {
    /// Dispositions are [`Disposition::Explained`] and [`Disposition::Drift`] only.
    pub changes: Vec<JudgedChange>,
    /// Parts of the stored trees that were missing or damaged on the way.
    pub gaps: Vec<Gap>,
}

/// Folds what can be verified. Both sides have their packages and facts loaded where they differ.
#[must_use]
pub fn collapse(changes: Vec<Change>, before: &Side<'_>, after: &Side<'_>) -> Collapsed {
    let packages = Packages::new(&changes, before, after);
    let mut work = Work {
        before: Half::new(before),
        after: Half::new(after),
        sources: (before.source, after.source),
        packages,
    };
    let mut judged: Vec<JudgedChange> =
        changes.into_iter().map(|change| work.judge(change)).collect();
    place(&mut judged, before, after);
    let roots = (Root::of(&before.manifest.header), Root::of(&after.manifest.header));
    whole::copies(&mut judged, roots);
    whole::directories(&mut judged, roots);
    whole::facts(&mut judged, before, after);
    whole::carried(&mut judged, before, after);
    whole::tell_packages(&mut judged, &work.packages);
    Collapsed { changes: judged, gaps: work.gaps() }
}

/// Names the files that facts stand in; of one that moved, the new.
fn place(changes: &mut [JudgedChange], before: &Side<'_>, after: &Side<'_>) {
    let facts = before.manifest.records.facts.iter().chain(&after.manifest.records.facts);
    let files: HashMap<(&str, &str), &TreePath> = facts
        .filter_map(|fact| Some(((&*fact.scope, &*fact.key), fact.evidence.as_ref()?)))
        .collect();
    for judged in changes {
        if let Subject::Fact { scope, key } = &judged.change.subject {
            judged.file = files.get(&(scope, key)).map(|file| (*file).clone());
        }
    }
}

/// What is known of a path's place in a package.
#[derive(Clone, Debug, Default)]
struct Case {
    explained: bool,
    package: Option<PackageKey>,
    note: Option<String>,
}

impl Case {
    fn drift(package: &PackageKey, note: &str) -> Self {
        Self { explained: false, package: Some(package.clone()), note: Some(note.to_owned()) }
    }

    fn explained(package: &PackageKey, note: &str) -> Self {
        Self { explained: true, ..Self::drift(package, note) }
    }
}

struct Work<'a> {
    before: Half<'a>,
    after: Half<'a>,
    sources: (&'a dyn TreeSource, &'a dyn TreeSource),
    packages: Packages,
}

type Claims = Vec<(PackageKey, Expectation)>;

impl Work<'_> {
    fn judge(&mut self, change: Change) -> JudgedChange {
        let case = match &change.subject {
            Subject::Path(path) if !path.is_root() => self.path(path, change.kind),
            _ => Case::default(),
        };
        let disposition = if case.explained { Disposition::Explained } else { Disposition::Drift };
        let (package, note) = (case.package, case.note);
        JudgedChange { disposition, package, note, ..JudgedChange::new(change) }
    }

    fn path(&mut self, path: &TreePath, kind: ChangeKind) -> Case {
        let old_claims = self.before.shipped.get(path).map(|one| one.claims).unwrap_or_default();
        let new_claims = self.after.shipped.get(path).map(|one| one.claims).unwrap_or_default();
        let before = self.before.tree.get(path);
        let after = self.after.tree.get(path);
        let case = match (&before, &after) {
            (_, Some(entry)) if !new_claims.is_empty() => {
                self.present(path, entry, before.as_ref(), &old_claims, &new_claims)
            }
            (_, Some(_)) if !old_claims.is_empty() => orphan(&old_claims, &self.packages),
            (Some(_), None) if !(old_claims.is_empty() && new_claims.is_empty()) => {
                gone(&old_claims, &new_claims, &self.packages)
            }
            _ => Case::default(),
        };
        // Python's bytecode is listed by its package, without a digest.
        if case.package.is_some() && (case.explained || !is_bytecode(path)) {
            return case;
        }
        let made = self.made(path, kind, before.as_ref(), after.as_ref());
        if made.explained || case.package.is_none() { made } else { case }
    }

    /// What is there now and belongs to a package: the best of its owners' verdicts.
    fn present(
        &mut self,
        path: &TreePath,
        entry: &Entry,
        before: Option<&Entry>,
        old: &Claims,
        new: &Claims,
    ) -> Case {
        let mut best: Option<Case> = None;
        for (key, expectation) in new {
            let placed = self.as_its_place(key, expectation, entry);
            let expectation = placed.as_ref().unwrap_or(expectation);
            let mut verdict = verify(entry, before, expectation, self.sources.1);
            if verdict == Verdict::Link {
                verdict = self.leads_home(path, entry);
            }
            if expectation.digest.is_none() && is_own_record(path) {
                verdict = Verdict::Matches;
            }
            let case = if self.packages.step(key).is_some() {
                match &verdict {
                    Verdict::Matches => Case::explained(key, "as its package ships it"),
                    Verdict::Differs(why) | Verdict::Unverified(why) => Case::drift(key, why),
                    Verdict::Link => Case::drift(key, "a link that its package does not record"),
                }
            } else {
                let earlier = old.iter().find(|(owner, _)| owner == key).map(|(_, one)| one);
                self.unchanged_owner(key, &verdict, entry, before, earlier)
            };
            let better = |known: &Case| !known.explained && case.explained;
            if best.as_ref().is_none_or(better) {
                best = Some(case);
            }
        }
        best.unwrap_or_default()
    }

    /// pip, npm and their like record no owner: in a place of somebody's own (a virtual environment
    /// in a home) what they install is that one's, and as writable by the group as the place is.
    fn as_its_place(
        &mut self,
        key: &PackageKey,
        expectation: &Expectation,
        entry: &Entry,
    ) -> Option<Expectation> {
        let place = key.instance.as_deref().filter(|place| place.starts_with('/'))?;
        let place = self.after.tree.get(&TreePath::parse(place))?;
        if place.uid == 0 || expectation.user.is_some() || expectation.group.is_some() {
            return None;
        }
        let is_shared = place.mode & 0o020 != 0 && entry.mode & 0o6002 == 0;
        let is_own = (entry.uid, entry.gid) == (place.uid, place.gid);
        Some(Expectation {
            user: Some(place.uid.to_string()),
            group: Some(place.gid.to_string()),
            mode: expectation.mode.or((is_shared && is_own).then_some(entry.mode)),
            ..expectation.clone()
        })
    }

    /// A file of a package that did not change did, so it stands out.
    fn unchanged_owner(
        &self,
        key: &PackageKey,
        verdict: &Verdict,
        entry: &Entry,
        before: Option<&Entry>,
        earlier: Option<&Expectation>,
    ) -> Case {
        let was = before.zip(earlier).map(|(old, one)| bytes(old, one, self.sources.0));
        let was_dirty = matches!(was, Some(Verdict::Differs(_)));
        let is_directory = matches!(entry.content, Content::Directory(_));
        let same_bytes = before.is_some_and(|before| before.content == entry.content);
        let note = match verdict {
            _ if is_directory || same_bytes => {
                return Case { package: Some(key.clone()), ..Case::default() };
            }
            Verdict::Matches if before.is_none() => "back: its package ships it",
            Verdict::Matches if was_dirty => "back to the package's default",
            Verdict::Matches => "its bytes are what its package ships",
            Verdict::Differs(why) if was_dirty => {
                return Case::drift(key, &format!("{why}, and was not in the baseline"));
            }
            Verdict::Differs(why) | Verdict::Unverified(why) => why,
            Verdict::Link => "a link that its package does not record",
        };
        Case::drift(key, note)
    }

    /// A link of unrecorded target is taken for the package's where it leads to what any package
    /// ships, or to nothing in a place that packages alone fill.
    fn leads_home(&mut self, path: &TreePath, entry: &Entry) -> Verdict {
        let Content::Symlink { target } = &entry.content else { return Verdict::Link };
        let Some(parent) = path.parent() else { return Verdict::Link };
        let target = super::cursor::absolute(&parent, target);
        let is_nothing = is_packaged_place(&target) && self.after.tree.get(&target).is_none();
        if is_nothing || self.after.is_owned(&target) { Verdict::Matches } else { Verdict::Link }
    }

    /// What no package lists: made by the scripts of one that changed, or nobody's.
    fn made(
        &mut self,
        path: &TreePath,
        kind: ChangeKind,
        before: Option<&Entry>,
        after: Option<&Entry>,
    ) -> Case {
        let found = match (after, before) {
            (Some(entry), was) => {
                let halves = (&mut self.before, &mut self.after);
                let aside = was.is_none().then(|| set_aside(path, entry, halves, &self.packages));
                aside.flatten().or_else(|| maker(path, entry, &mut self.after, &self.packages))
            }
            (None, Some(entry)) => maker(path, entry, &mut self.before, &self.packages),
            (None, None) => None,
        };
        match found {
            Some((key, note)) => Case::explained(&key, note),
            None if kind == ChangeKind::Added && is_packaged_place(path) => {
                Case { note: Some("no package owns it".into()), ..Case::default() }
            }
            None => Case::default(),
        }
    }

    fn gaps(self) -> Vec<Gap> {
        let Half { tree: one, shipped: two, .. } = self.before;
        let Half { tree: three, shipped: four, .. } = self.after;
        let faults = [one.faults, two.faults, three.faults, four.faults].into_iter().flatten();
        let mut gaps: Vec<Gap> = faults
            .map(|(path, fault)| Gap {
                path,
                stage: Stage::Packages,
                reason: fault.within("stored tree").chain(),
            })
            .collect();
        gaps.sort();
        gaps.dedup();
        gaps
    }
}

fn is_bytecode(path: &TreePath) -> bool {
    path.file_name().is_some_and(|name| name.ends_with(b".pyc"))
}

/// The list of a Python package's files, which cannot hold its own digest (PEP 376).
fn is_own_record(path: &TreePath) -> bool {
    let parent = path.parent();
    let folder = parent.as_ref().and_then(TreePath::file_name);
    path.file_name() == Some(b"RECORD") && folder.is_some_and(|name| name.ends_with(b".dist-info"))
}

/// Where nothing but packages puts files.
fn is_packaged_place(path: &TreePath) -> bool {
    let names: Vec<&[u8]> = path.names().take(2).collect();
    match names.as_slice() {
        [b"usr", second] => *second != b"local",
        [first, ..] => matches!(*first, b"bin" | b"sbin" | b"lib" | b"lib64" | b"boot"),
        [] => false,
    }
}

fn gone(old: &Claims, new: &Claims, packages: &Packages) -> Case {
    if let Some((key, expectation)) = new.first() {
        return Case::drift(
            key,
            match expectation.source {
                ShippedSource::Configuration => "a configuration file of its package",
                _ => "its package ships it",
            },
        );
    }
    match old.iter().find(|(key, _)| packages.step(key).is_some()) {
        Some((key, _)) => Case::explained(key, "its package does not ship it any more"),
        None => old
            .first()
            .map_or_else(Case::default, |(key, _)| Case::drift(key, "its package shipped it")),
    }
}

/// Still there and changed, though no package ships it any more.
fn orphan(old: &Claims, packages: &Packages) -> Case {
    let owner = old.iter().find(|(key, _)| packages.step(key).is_some()).or(old.first());
    owner.map_or_else(Case::default, |(key, _)| Case::drift(key, "orphan of a removed package"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::World;
    use crate::model::{Attribute, AttributeValue, FileKind};
    use std::collections::{BTreeMap, BTreeSet};

    /// Changes as a compare of the two worlds would list them, attributes only as far as needed.
    fn changes(before: &World, after: &World) -> Vec<Change> {
        let mut found = Vec::new();
        let packages = |world: &World| -> BTreeMap<PackageKey, String> {
            let all = world.records.packages.iter();
            all.map(|one| (one.key.clone(), one.version.clone())).collect()
        };
        let (old, new) = (packages(before), packages(after));
        let mut add = |subject,
                       old: Option<AttributeValue>,
                       new: Option<AttributeValue>,
                       name: &str,
                       more: Vec<Attribute>| {
            let kind = match (&old, &new) {
                (None, _) => ChangeKind::Added,
                (_, None) => ChangeKind::Removed,
                _ => ChangeKind::Modified,
            };
            let first = Attribute { name: name.to_owned(), before: old, after: new };
            let attributes = [vec![first], more].concat();
            found.push(Change { subject, kind, attributes });
        };
        let keys: BTreeSet<&PackageKey> = old.keys().chain(new.keys()).collect();
        for key in keys.into_iter().filter(|key| old.get(*key) != new.get(*key)) {
            let side = |all: &BTreeMap<PackageKey, String>| {
                all.get(key).cloned().map(AttributeValue::Text)
            };
            add(Subject::Package(key.clone()), side(&old), side(&new), "version", vec![]);
        }
        let paths: BTreeSet<&TreePath> =
            before.entries().keys().chain(after.entries().keys()).collect();
        for path in
            paths.into_iter().filter(|p| before.entries().get(*p) != after.entries().get(*p))
        {
            let kind = |world: &World| {
                world.entries().get(path).map(|entry| AttributeValue::Kind(entry.content.kind()))
            };
            add(Subject::Path(path.clone()), kind(before), kind(after), "kind", vec![]);
        }
        found
    }

    fn check(before: &World, after: &World, expected: &[&str]) {
        let list = changes(before, after);
        let ((old, old_trees), (new, new_trees)) = (before.build(), after.build());
        let old = Side { manifest: &old, source: &old_trees };
        let found = collapse(list, &old, &Side { manifest: &new, source: &new_trees });
        let shown: Vec<String> = found
            .changes
            .iter()
            .map(|one| {
                let owner = one.package.as_ref().map_or("-", |key| key.name.as_str());
                let note = one.note.as_deref().unwrap_or("-");
                format!("{} {} {owner}: {note}", one.disposition.as_str(), one.change.subject)
            })
            .collect();
        assert_eq!(shown, expected);
        assert!(found.gaps.is_empty());
    }

    fn base() -> World {
        let mut world = World::new();
        world.install("a", "1", &[("/usr/bin/a", "one"), ("/usr/share/a/x", "x")]);
        world.directory("/etc").symlink("/lib", "usr/lib");
        world
    }

    #[test]
    fn an_upgrade_is_one_change_and_its_residue() {
        let mut after = World::new();
        after.install("a", "2", &[("/usr/bin/a", "two"), ("/usr/share/a/y", "y")]);
        after.directory("/etc").symlink("/lib", "usr/lib");
        after.file("/usr/share/a/y", "tampered");
        check(
            &base(),
            &after,
            &[
                "drift a:amd64 (dpkg) -: upgraded, 1 of 3 of its changed paths does not match",
                "explained /usr/bin/a a: as its package ships it",
                "explained /usr/share/a/x a: its package does not ship it any more",
                "drift /usr/share/a/y a: not what its package ships",
            ],
        );
        after.file("/usr/share/a/y", "y").forget_digests();
        let list = changes(&base(), &after);
        let ((old, old_trees), (new, new_trees)) = (base().build(), after.build());
        let old = Side { manifest: &old, source: &old_trees };
        let found = collapse(list, &old, &Side { manifest: &new, source: &new_trees });
        let explained = |one: &&JudgedChange| one.disposition == Disposition::Explained;
        // What was removed needs no digest; nothing else is explained without one.
        assert_eq!(found.changes.iter().filter(explained).count(), 1);
    }

    #[test]
    fn a_dirty_file_of_an_unchanged_package_stands_out() {
        let mut after = base();
        after.file("/usr/bin/a", "tampered").remove("/usr/share/a/x").file("/usr/bin/new", "1");
        check(
            &base(),
            &after,
            &[
                "drift /usr/bin/a a: not what its package ships",
                "drift /usr/bin/new -: no package owns it",
                "drift /usr/share/a/x a: its package ships it",
            ],
        );
        let mut dirty = base();
        dirty.file("/usr/bin/a", "dirty");
        check(&dirty, &base(), &["drift /usr/bin/a a: back to the package's default"]);
        let mut dirtier = base();
        dirtier.file("/usr/bin/a", "dirtier");
        check(
            &dirty,
            &dirtier,
            &["drift /usr/bin/a a: not what its package ships, and was not in the baseline"],
        );
    }

    #[test]
    fn an_upgrade_with_one_file_edited_one_deleted_one_with_another_mode() {
        let files = |world: &mut World, version: &str, with: &str| {
            let name = |n: u8| format!("/usr/share/n/{n}");
            let names: Vec<String> = (0..5).map(name).collect();
            let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), with)).collect();
            world.install("n", version, &files);
        };
        let (mut before, mut after) = (World::new(), World::new());
        files(&mut before, "1.0", "old");
        files(&mut after, "1.1", "new");
        after.file("/usr/share/n/1", "mine").remove("/usr/share/n/2");
        after.change("/usr/share/n/3", |entry| entry.mode = 0o600);
        check(
            &before,
            &after,
            &[
                "drift n:amd64 (dpkg) -: upgraded, 3 of 5 of its changed paths do not match",
                "explained /usr/share/n/0 n: as its package ships it",
                "drift /usr/share/n/1 n: not what its package ships",
                "drift /usr/share/n/2 n: its package ships it",
                "drift /usr/share/n/3 n: another mode than before",
                "explained /usr/share/n/4 n: as its package ships it",
            ],
        );
    }

    #[test]
    fn what_scripts_make_is_traced_to_a_changed_package() {
        let before = base();
        let mut after = base();
        after.install(
            "d",
            "1",
            &[("/usr/lib/systemd/system/d.service", "u"), ("/etc/init.d/d", "i")],
        );
        after.install("d-data", "1", &[]);
        after
            .symlink("/etc/rc2.d/S01d", "../init.d/d")
            .symlink("/etc/rc2.d/S01a", "../../usr/bin/a");
        after.symlink(
            "/etc/systemd/system/multi-user.target.wants/d.service",
            "/lib/systemd/system/d.service",
        );
        after.symlink(
            "/etc/systemd/system/multi-user.target.wants/x.service",
            "/lib/systemd/system/d.service",
        );
        after.file("/var/lib/dpkg/info/d.postinst", "p").file("/var/lib/dpkg/info/a.postinst", "p");
        check(
            &before,
            &after,
            &[
                "drift d:amd64 (dpkg) -: installed, all 9 of its changed paths verified",
                "drift d-data:amd64 (dpkg) -: installed",
                "explained /etc/init.d d: holds only what packages made",
                "explained /etc/init.d/d d: as its package ships it",
                "drift /etc/rc2.d -: -",
                "drift /etc/rc2.d/S01a -: -",
                "explained /etc/rc2.d/S01d d: starts the package's service",
                "drift /etc/systemd -: -",
                "drift /etc/systemd/system -: -",
                "drift /etc/systemd/system/multi-user.target.wants -: -",
                "explained /etc/systemd/system/multi-user.target.wants/d.service d: enables the package's unit",
                "drift /etc/systemd/system/multi-user.target.wants/x.service -: -",
                "explained /usr/lib d: holds only what packages made",
                "explained /usr/lib/systemd d: holds only what packages made",
                "explained /usr/lib/systemd/system d: holds only what packages made",
                "explained /usr/lib/systemd/system/d.service d: as its package ships it",
                "drift /var -: -",
                "drift /var/lib -: -",
                "drift /var/lib/dpkg -: -",
                "drift /var/lib/dpkg/info -: -",
                "drift /var/lib/dpkg/info/a.postinst -: -",
                "explained /var/lib/dpkg/info/d.postinst d: the database's own record of the package",
            ],
        );
    }

    #[test]
    fn links_of_unrecorded_target_lead_to_what_is_shipped() {
        let mut after = base();
        after.install("l", "1", &[("/usr/lib/libl.so.1.2", "elf")]);
        after.symlink("/usr/lib/libl.so.1", "libl.so.1.2").symlink("/usr/lib/libl.so", "/tmp/x");
        after.claim("l", "/usr/lib/libl.so.1", None, ShippedSource::File);
        after.claim("l", "/usr/lib/libl.so", None, ShippedSource::File);
        let owned = Expectation {
            kind: Some(FileKind::Directory),
            ..Expectation::owned(ShippedSource::File)
        };
        after.claim_as("l", "/usr/lib", owned);
        check(
            &base(),
            &after,
            &[
                "drift l:amd64 (dpkg) -: installed, 1 of 4 of its changed paths does not match",
                "explained /usr/lib l: as its package ships it",
                "drift /usr/lib/libl.so l: a link that its package does not record",
                "explained /usr/lib/libl.so.1 l: as its package ships it",
                "explained /usr/lib/libl.so.1.2 l: as its package ships it",
            ],
        );
    }
}
