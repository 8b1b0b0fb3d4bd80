//! Configuration files that an upgrade set aside: the package's own version beside an edited one,
//! and the edited one beside the package's own. Both are accounted for only by their bytes.

use super::generated::Half;
use super::packages::Packages;
use super::verify::{Verdict, verify};
use crate::collect::packages::aside::{Version, beside};
use crate::model::{Entry, Expectation, FileKind, Name, PackageKey, ShippedSource, TreePath};

/// The package that changed and what it did, of a file that is new.
pub(super) fn set_aside(
    path: &TreePath,
    entry: &Entry,
    (before, after): (&mut Half<'_>, &mut Half<'_>),
    packages: &Packages,
) -> Option<(PackageKey, &'static str)> {
    if entry.content.kind() != FileKind::File {
        return None;
    }
    let (name, version) = beside(path.file_name()?)?;
    let base = path.parent()?.join(&Name::new(name)?);
    let base = after.tree.real(&base)?;
    match version {
        Version::Shipped => {
            let claims = after.shipped.get(&base)?.claims;
            let source = after.tree.source();
            let known = after.tree.get(&base);
            let fits = |(key, expectation): &(PackageKey, Expectation)| {
                // What expects nothing of its bytes would fit anything.
                expectation.digest.is_some()
                    && expectation.source != ShippedSource::Ghost
                    && packages.step(key).is_some()
                    && verify(entry, known.as_ref(), expectation, source) == Verdict::Matches
            };
            let (key, _) = claims.into_iter().find(fits)?;
            Some((key, "the package's own version of a file that was edited"))
        }
        Version::Saved => {
            let was = before.tree.get(&base)?;
            let rights = |one: &Entry| (one.mode, one.uid, one.gid);
            let is_same = was.content == entry.content && rights(&was) == rights(entry);
            let owner = is_same.then(|| {
                after
                    .changed_owner(&base, packages)
                    .or_else(|| before.changed_owner(&base, packages))
            });
            Some((owner.flatten()?, "what lay there before the package's own version"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::World;
    use crate::model::{Attribute, AttributeValue, Change, ChangeKind, Side, Subject};

    #[test]
    fn by_their_bytes_alone() {
        let (mut before, mut after) = (World::new(), World::new());
        before.install("a", "1", &[("/etc/a", "one"), ("/etc/b", "one")]);
        after.install("a", "2", &[("/etc/a", "two"), ("/etc/b", "two")]);
        before.file("/etc/b", "mine");
        after.file("/etc/a", "mine").file("/etc/a.rpmnew", "two").file("/etc/b.rpmnew", "other");
        after.file("/etc/b.rpmsave", "mine").file("/etc/a.rpmsave", "other");
        let ((old, old_trees), (new, new_trees)) = (before.build(), after.build());
        let old = Side { manifest: &old, source: &old_trees };
        let new = Side { manifest: &new, source: &new_trees };
        let version = |text: &str| Some(AttributeValue::Text(text.to_owned()));
        let upgrade = Change {
            subject: Subject::Package(new.manifest.records.packages[0].key.clone()),
            kind: ChangeKind::Modified,
            attributes: vec![Attribute {
                name: "version".to_owned(),
                before: version("1"),
                after: version("2"),
            }],
        };
        let packages = Packages::new(&[upgrade], &old, &new);
        let (mut old, mut new) = (Half::new(&old), Half::new(&new));
        let mut check = |path: &str, expected: bool| {
            let path = TreePath::parse(path);
            let entry = new.tree.get(&path).unwrap();
            let found = set_aside(&path, &entry, (&mut old, &mut new), &packages);
            assert_eq!(found.is_some(), expected, "{path}");
        };
        check("/etc/a.rpmnew", true);
        check("/etc/b.rpmnew", false);
        check("/etc/b.rpmsave", true);
        check("/etc/a.rpmsave", false);
        check("/etc/a", false);
    }
}
