//! What is decided by looking at all changes together: copies, directories, facts, and what is
//! said of each package.

use super::packages::Packages;
use super::root::Root;
use crate::model::{
    AttributeValue, Change, ChangeKind, ContentDigest, Disposition, FileKind, JudgedChange,
    PackageKey, Side, Subject, TreePath,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Plain files that scripts copied from what their package ships, told by their bytes.
pub(super) fn copies(judged: &mut [JudgedChange], roots: (Root, Root)) {
    let mut originals: HashMap<ContentDigest, (TreePath, PackageKey)> = HashMap::new();
    for one in judged.iter().filter(|one| one.disposition == Disposition::Explained) {
        if let (Some(digest), Subject::Path(path), Some(key)) =
            (digest(&one.change), &one.change.subject, &one.package)
        {
            originals.entry(digest).or_insert_with(|| (path.clone(), key.clone()));
        }
    }
    for one in judged.iter_mut() {
        if one.disposition != Disposition::Drift
            || one.package.is_some()
            || one.change.kind != ChangeKind::Added
            || !is_plain(&one.change, FileKind::File, 0o7133, roots)
        {
            continue;
        }
        if let Some((path, key)) = digest(&one.change).and_then(|digest| originals.get(&digest)) {
            one.disposition = Disposition::Explained;
            one.package = Some(key.clone());
            one.note = Some(format!("a copy of {path}"));
        }
    }
}

/// The digest of what lies there now, if it is a file with anything in it.
fn digest(change: &Change) -> Option<ContentDigest> {
    let after = |name: &str| change.attribute(name).and_then(|one| one.after.as_ref());
    match (after("size"), after("digest")) {
        (Some(AttributeValue::Number(0)), _) => None,
        (_, Some(AttributeValue::Digest(digest))) => *digest,
        _ => None,
    }
}

/// Directories that nobody lists and that came or went with nothing but explained paths below.
pub(super) fn directories(judged: &mut [JudgedChange], roots: (Root, Root)) {
    struct Below {
        explained: bool,
        package: Option<PackageKey>,
    }
    let mut below: HashMap<TreePath, Below> = HashMap::new();
    // From the end: what is below a directory comes after it.
    for one in judged.iter_mut().rev() {
        let Subject::Path(path) = &one.change.subject else { continue };
        let own = below.remove(path);
        if let Some(own) = own
            && one.disposition == Disposition::Drift
            && own.explained
            && one.change.kind != ChangeKind::Modified
            && is_plain(&one.change, FileKind::Directory, 0o6022, roots)
        {
            one.disposition = Disposition::Explained;
            one.package = own.package;
            one.note = Some("holds only what packages made".into());
        }
        let Some(parent) = path.parent() else { continue };
        let explained = one.disposition == Disposition::Explained;
        let entry = below.entry(parent).or_insert(Below { explained: true, package: None });
        entry.explained &= explained;
        if explained {
            entry.package.clone_from(&one.package);
        }
    }
}

/// Of root's, of that kind, and without any of these bits.
fn is_plain(change: &Change, kind: FileKind, bits: u16, roots: (Root, Root)) -> bool {
    let side = |name: &str| {
        let attribute = change.attribute(name)?;
        attribute.after.as_ref().or(attribute.before.as_ref())
    };
    matches!(side("kind"), Some(AttributeValue::Kind(own)) if *own == kind)
        && !matches!(side("mode"), Some(AttributeValue::Mode(mode)) if mode & bits != 0)
        && change.attribute("uid").is_none_or(|uid| match (&uid.before, &uid.after) {
            (_, Some(AttributeValue::Number(uid))) => is_root(*uid, roots.1),
            (Some(AttributeValue::Number(uid)), None) => is_root(*uid, roots.0),
            _ => false,
        })
}

fn is_root(uid: u64, root: Root) -> bool {
    u32::try_from(uid).is_ok_and(|uid| root.uid(uid) == 0)
}

/// Packages of languages, which others may ship: what a program was built from comes and goes with
/// the program's package, and so do the libraries of a Java archive or a distribution of Python.
const CARRIED: [&str; 10] =
    ["cargo", "composer", "cpan", "cran", "gem", "golang", "maven", "npm", "nuget", "pypi"];

/// Packages that were found in files of another package are explained with these.
pub(super) fn carried(judged: &mut [JudgedChange], before: &Side<'_>, after: &Side<'_>) {
    let explained = explained_paths(judged);
    if explained.is_empty() {
        return;
    }
    let mut evidence: HashMap<&PackageKey, BTreeSet<&TreePath>> = HashMap::new();
    for package in before.manifest.records.packages.iter().chain(&after.manifest.records.packages) {
        if CARRIED.contains(&package.key.manager.as_str()) {
            evidence.entry(&package.key).or_default().insert(&package.evidence);
        }
    }
    for one in judged.iter_mut().filter(|one| one.disposition == Disposition::Drift) {
        let Subject::Package(key) = &one.change.subject else { continue };
        let Some(paths) = evidence.get(key) else { continue };
        let owners = paths.iter().map(|path| explained.get(*path).filter(|owner| *owner != key));
        let Some(owners) = owners.collect::<Option<Vec<&PackageKey>>>() else { continue };
        if let Some(owner) = owners.first() {
            one.disposition = Disposition::Explained;
            one.package = Some((*owner).clone());
        }
    }
}

/// The owners of paths that are explained.
fn explained_paths(judged: &[JudgedChange]) -> BTreeMap<TreePath, PackageKey> {
    let mut explained = BTreeMap::new();
    for one in judged {
        if let (Subject::Path(path), Disposition::Explained, Some(key)) =
            (&one.change.subject, one.disposition, &one.package)
        {
            explained.insert(path.clone(), key.clone());
        }
    }
    explained
}

/// Facts whose file is explained are explained with it.
pub(super) fn facts(judged: &mut [JudgedChange], before: &Side<'_>, after: &Side<'_>) {
    let explained = explained_paths(judged);
    let mut evidence: HashMap<(&str, &str), BTreeSet<&TreePath>> = HashMap::new();
    for fact in before.manifest.records.facts.iter().chain(&after.manifest.records.facts) {
        if let Some(path) = &fact.evidence {
            evidence.entry((&fact.scope, &fact.key)).or_default().insert(path);
        }
    }
    for one in judged.iter_mut() {
        let Subject::Fact { scope, key } = &one.change.subject else { continue };
        let Some(paths) = evidence.get(&(scope.as_str(), key.as_str())) else { continue };
        if let Some(owner) = paths.iter().find_map(|path| explained.get(*path)) {
            one.disposition = Disposition::Explained;
            one.package = Some(owner.clone());
            one.note = Some("read from a file that its package explains".into());
        }
    }
}

/// Says of each changed package what happened and how many of its changed files match it.
pub(super) fn tell_packages(judged: &mut [JudgedChange], packages: &Packages) {
    let mut counts: HashMap<PackageKey, (usize, usize)> = HashMap::new();
    for one in judged.iter() {
        if let (Subject::Path(_), Some(key)) = (&one.change.subject, &one.package) {
            let (explained, all) = counts.entry(key.clone()).or_default();
            *explained =
                explained.saturating_add(usize::from(one.disposition == Disposition::Explained));
            *all = all.saturating_add(1);
        }
    }
    for one in judged.iter_mut() {
        let Subject::Package(key) = &one.change.subject else { continue };
        one.direction = packages.step(key);
        let Some(step) = packages.told(key) else { continue };
        let (explained, all) = counts.get(key).copied().unwrap_or_default();
        one.note = Some(match all.saturating_sub(explained) {
            0 if all == 0 => step,
            0 => format!("{step}, all {all} of its changed paths verified"),
            1 => format!("{step}, 1 of {all} of its changed paths does not match"),
            rest => format!("{step}, {rest} of {all} of its changed paths do not match"),
        });
    }
}
