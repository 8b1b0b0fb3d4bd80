//! Which packages changed their files between the two sides, and in which direction.

use crate::collect::packages::version;
use crate::model::{Attribute, AttributeValue, Change, ChangeKind, PackageKey, Subject};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The packages whose files may rightly differ.
#[derive(Debug, Default)]
pub(super) struct Packages(BTreeMap<PackageKey, Step>);

/// What happened to a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Installed,
    Removed,
    Upgraded,
    Downgraded,
    /// Another version, and nobody knows which is the newer.
    Replaced,
    /// The same version in another state: unpacked, removed but for its configuration.
    Reconfigured,
}

impl Step {
    /// In a word.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Removed => "removed",
            Self::Upgraded => "upgraded",
            Self::Downgraded => "downgraded",
            Self::Replaced => "replaced",
            Self::Reconfigured => "changed its state",
        }
    }
}

impl Packages {
    /// Reads the package changes among all changes.
    pub(super) fn new(changes: &[Change]) -> Self {
        let steps = changes.iter().filter_map(|change| match &change.subject {
            Subject::Package(key) => Some((key.clone(), step(key, change)?)),
            _ => None,
        });
        Self(steps.collect())
    }

    /// What happened to that package; `None` where nothing did that touches its files.
    pub(super) fn step(&self, key: &PackageKey) -> Option<Step> {
        self.0.get(key).copied()
    }

    /// The changed package of that manager and name, and of that architecture where one is given.
    pub(super) fn named(
        &self,
        manager: &str,
        name: &[u8],
        arch: Option<&[u8]>,
    ) -> Option<&PackageKey> {
        self.0.keys().find(|key| {
            key.manager == manager
                && key.name.as_bytes() == name
                && arch.is_none_or(|arch| {
                    key.architecture.as_deref().is_some_and(|own| own.as_bytes() == arch)
                })
        })
    }
}

/// Being put on hold touches no file, and neither does what only the database knows.
fn step(key: &PackageKey, change: &Change) -> Option<Step> {
    match change.kind {
        ChangeKind::Added => Some(Step::Installed),
        ChangeKind::Removed => Some(Step::Removed),
        ChangeKind::Modified => {
            if let Some(version) = change.attribute("version") {
                return Some(direction(key, version));
            }
            let state = change.attribute("state")?;
            let word = |side: &Option<AttributeValue>| match side {
                Some(AttributeValue::Text(text)) => text.rsplit(' ').next().map(str::to_owned),
                _ => None,
            };
            (word(&state.before) != word(&state.after)).then_some(Step::Reconfigured)
        }
    }
}

fn direction(key: &PackageKey, attribute: &Attribute) -> Step {
    let (Some(AttributeValue::Text(before)), Some(AttributeValue::Text(after))) =
        (&attribute.before, &attribute.after)
    else {
        return Step::Replaced;
    };
    match version::order(&key.manager, before, after) {
        Some(Ordering::Less) => Step::Upgraded,
        Some(Ordering::Greater) => Step::Downgraded,
        // Versions that are written differently and count as the same.
        Some(Ordering::Equal) | None => Step::Replaced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::key;

    fn check(name: &str, before: &str, after: &str, expected: Option<Step>) {
        let side = |text: &str| (!text.is_empty()).then(|| AttributeValue::Text(text.to_owned()));
        let kind = match (before, after) {
            ("", _) => ChangeKind::Added,
            (_, "") => ChangeKind::Removed,
            _ => ChangeKind::Modified,
        };
        let attribute =
            Attribute { name: name.to_owned(), before: side(before), after: side(after) };
        let subject = Subject::Package(key("a"));
        let packages = Packages::new(&[Change { subject, kind, attributes: vec![attribute] }]);
        assert_eq!(packages.step(&key("a")), expected, "{name} {before} {after}");
    }

    #[test]
    fn steps() {
        check("version", "", "1", Some(Step::Installed));
        check("version", "1", "", Some(Step::Removed));
        check("version", "1.9", "1.10", Some(Step::Upgraded));
        check("version", "1:1", "2", Some(Step::Downgraded));
        check("version", "1.0", "1.00", Some(Step::Replaced));
        check("state", "installed", "hold installed", None);
        check("state", "installed", "config-files", Some(Step::Reconfigured));
    }
}
