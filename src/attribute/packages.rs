//! Which packages changed their files between the two sides, and in which direction.

use super::replaced;
use crate::collect::packages::version;
use crate::model::package::REMNANT;
use crate::model::{
    Attribute, AttributeValue, Change, ChangeKind, Direction, PackageKey, Side, Subject,
};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The packages whose files may rightly differ.
#[derive(Debug, Default)]
pub(super) struct Packages {
    steps: BTreeMap<PackageKey, Direction>,
    /// What went and what came in its place, both ways.
    partners: BTreeMap<PackageKey, PackageKey>,
}

impl Packages {
    /// Reads the package changes among all changes.
    pub(super) fn new(changes: &[Change], before: &Side<'_>, after: &Side<'_>) -> Self {
        let steps = changes.iter().filter_map(|change| match &change.subject {
            Subject::Package(key) => Some((key.clone(), step(key, change)?)),
            _ => None,
        });
        let mut steps: BTreeMap<PackageKey, Direction> = steps.collect();
        let partners = replaced::partners(&steps, before, after);
        for gone in partners.keys() {
            if let Some(step) = steps.get_mut(gone).filter(|step| **step == Direction::Removed) {
                *step = Direction::Replaced;
            }
        }
        Self { steps, partners }
    }

    /// What happened to that package; `None` where nothing did that touches its files.
    pub(super) fn step(&self, key: &PackageKey) -> Option<Direction> {
        self.steps.get(key).copied()
    }

    /// What happened in words, with the other package where one took its place.
    pub(super) fn told(&self, key: &PackageKey) -> Option<String> {
        let step = self.step(key)?;
        Some(match (step, self.partners.get(key)) {
            (Direction::Replaced, Some(by)) => format!("replaced by {by}"),
            (Direction::Installed, Some(gone)) => format!("installed in place of {gone}"),
            _ => step.as_str().to_owned(),
        })
    }

    /// The changed package of that manager and name, and of that architecture where one is given.
    pub(super) fn named(
        &self,
        manager: &str,
        name: &[u8],
        arch: Option<&[u8]>,
    ) -> Option<&PackageKey> {
        self.steps.keys().find(|key| {
            key.manager == manager
                && key.name.as_bytes() == name
                && arch.is_none_or(|arch| {
                    key.architecture.as_deref().is_some_and(|own| own.as_bytes() == arch)
                })
        })
    }
}

/// Being put on hold touches no file, and neither does what only the database knows.
fn step(key: &PackageKey, change: &Change) -> Option<Direction> {
    match change.kind {
        ChangeKind::Added => Some(Direction::Installed),
        ChangeKind::Removed => Some(Direction::Removed),
        ChangeKind::Modified => {
            let states = change.attribute("state").map(|one| (word(&one.before), word(&one.after)));
            match states {
                Some((_, Some(REMNANT))) => return Some(Direction::Removed),
                Some((Some(REMNANT), _)) => return Some(Direction::Installed),
                _ => {}
            }
            if let Some(version) = change.attribute("version") {
                return Some(direction(key, version));
            }
            if change.attribute("content").is_some() {
                return Some(Direction::Reinstalled);
            }
            states.filter(|(before, after)| before != after).map(|_| Direction::Reconfigured)
        }
    }
}

/// A state without a hold.
fn word(side: &Option<AttributeValue>) -> Option<&str> {
    match side {
        Some(AttributeValue::Text(text)) => text.rsplit(' ').next(),
        _ => None,
    }
}

fn direction(key: &PackageKey, attribute: &Attribute) -> Direction {
    let (Some(AttributeValue::Text(before)), Some(AttributeValue::Text(after))) =
        (&attribute.before, &attribute.after)
    else {
        return Direction::Replaced;
    };
    match version::order(&key.manager, before, after) {
        Some(Ordering::Less) => Direction::Upgraded,
        Some(Ordering::Greater) => Direction::Downgraded,
        // Versions that are written differently and count as the same.
        Some(Ordering::Equal) | None => Direction::Replaced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{World, key};

    fn check(name: &str, before: &str, after: &str, expected: Option<Direction>) {
        let side = |text: &str| (!text.is_empty()).then(|| AttributeValue::Text(text.to_owned()));
        let kind = match (before, after) {
            ("", _) => ChangeKind::Added,
            (_, "") => ChangeKind::Removed,
            _ => ChangeKind::Modified,
        };
        let attribute =
            Attribute { name: name.to_owned(), before: side(before), after: side(after) };
        let subject = Subject::Package(key("a"));
        let (manifest, source) = World::new().build();
        let side = Side { manifest: &manifest, source: &source };
        let changes = [Change { subject, kind, attributes: vec![attribute] }];
        let packages = Packages::new(&changes, &side, &side);
        assert_eq!(packages.step(&key("a")), expected, "{name} {before} {after}");
    }

    #[test]
    fn steps() {
        check("version", "", "1", Some(Direction::Installed));
        check("version", "1", "", Some(Direction::Removed));
        check("version", "1.9", "1.10", Some(Direction::Upgraded));
        check("version", "1:1", "2", Some(Direction::Downgraded));
        check("version", "1.0", "1.00", Some(Direction::Replaced));
        check("content", "one", "two", Some(Direction::Reinstalled));
        check("state", "installed", "hold installed", None);
        check("state", "installed", "unpacked", Some(Direction::Reconfigured));
        check("state", "installed", "deinstall config-files", Some(Direction::Removed));
        check("state", "config-files", "installed", Some(Direction::Installed));
    }
}
