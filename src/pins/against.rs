//! Build files and a golden image held against each other: pins that the image contradicts, pins of
//! what it does not have, and packages that it has and no build file accounts for.

use super::fix::known::{Packages, is_installed, manager_of, name_of};
use super::input::{Input, Remark};
use super::report::PinReport;
use super::requirements::Requirements;
use super::span::UNKNOWN;
use super::strength::Strength;
use crate::model::{Fact, Package};
use std::collections::{BTreeMap, BTreeSet};

/// The rule family of what a build file says and the image denies.
const RULE: &str = "pins/golden-image";

/// The packages, by index, that the package of an index needs.
pub type Needs<'a> = &'a dyn Fn(usize) -> Vec<usize>;

/// What is known of the packages that no build file names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Against {
    /// The manifest's name.
    pub label: String,
    /// Its packages.
    pub installed: usize,
    /// Those that a build file names.
    pub declared: usize,
    /// Those that come along with one that is named.
    pub needed: usize,
    /// Those that the base has in the same version; `None` where no base is given.
    pub base: Option<usize>,
    /// Of the rest those that a package manager was asked for, not only as a dependency of another
    /// one, as far as it records that.
    pub asked_for: usize,
    /// The rest: by no build file, no dependency and no base.
    pub undeclared: Vec<Undeclared>,
}

/// A package that nothing accounts for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Undeclared {
    /// Who installed it.
    pub manager: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version that the base has, where that is another one.
    pub base: Option<String>,
}

/// Holds a report against the packages of a manifest. What the files say and the image denies
/// becomes findings of the report.
#[must_use]
pub fn hold(
    report: &mut PinReport,
    label: &str,
    (packages, facts): (&[Package], &[Fact]),
    needs: Needs<'_>,
    base: Option<&[Package]>,
    requirements: &Requirements,
) -> Against {
    let image = Packages::new(label, packages, facts);
    let managers: BTreeSet<&str> =
        packages.iter().map(|package| package.key.manager.as_str()).collect();
    let mut remarks = Vec::new();
    let mut declared: BTreeSet<(&str, String)> = BTreeSet::new();
    for judged in &report.inputs {
        let input = &judged.input;
        let Some(manager) = manager_of(input.ecosystem) else { continue };
        if image.refuses(input).is_some() || input.subject.contains([UNKNOWN, '…']) {
            continue;
        }
        let name = match manager {
            "dpkg" => input.subject.split(':').next().unwrap_or_default(),
            _ => &input.subject,
        };
        declared.insert((manager, name_of(manager, name)));
        let named = matches!(input.rule, "pins/os-package" | "pins/lang-package" | "pins/fake-pin");
        if named
            && managers.contains(manager)
            && let Some(message) = contradiction(input, &image, label)
        {
            remarks.push(Remark::of(input, RULE, message));
        }
    }
    report.remark(remarks, requirements);
    account(label, packages, needs, base, &declared)
}

/// What the image says against an input.
fn contradiction(input: &Input, image: &Packages, label: &str) -> Option<String> {
    let subject = &input.subject;
    let version = match image.version(input) {
        Ok(version) => version,
        Err(reason) => {
            let missing = reason.contains("has no package");
            return missing
                .then(|| format!("`{subject}` is declared here, and {label} does not have it"));
        }
    };
    let requested = input.requested.trim_start_matches(['=', ' ']);
    let pattern = requested.strip_suffix('*');
    let holds = match (input.strength, pattern) {
        (_, Some(start)) => version.starts_with(start),
        (Strength::Exact | Strength::Content, None) => same(requested, &version),
        _ => return None,
    };
    (!holds).then(|| format!("`{subject}` is {requested} here, and {label} has {version}"))
}

/// One version: an epoch, a release and a leading `v` may be left out by who writes a pin.
fn same(requested: &str, version: &str) -> bool {
    let bare = |text: &str| text.trim_start_matches('v').to_owned();
    let (requested, version) = (bare(requested), bare(version));
    let no_epoch = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
    requested.is_empty()
        || requested == version
        || requested == no_epoch
        || no_epoch.strip_prefix(&requested).is_some_and(|rest| rest.starts_with('-'))
}

/// Who accounts for each package.
fn account(
    label: &str,
    packages: &[Package],
    needs: Needs<'_>,
    base: Option<&[Package]>,
    declared: &BTreeSet<(&str, String)>,
) -> Against {
    let installed = || packages.iter().enumerate().filter(|(_, one)| is_installed(one));
    let name = |package: &Package| name_of(&package.key.manager, &package.key.name);
    let named: BTreeSet<usize> = installed()
        .filter(|(_, one)| declared.contains(&(one.key.manager.as_str(), name(one))))
        .map(|(index, _)| index)
        .collect();
    let mut reached = named.clone();
    let mut open: Vec<usize> = named.iter().copied().collect();
    while let Some(index) = open.pop() {
        open.extend(needs(index).into_iter().filter(|needed| reached.insert(*needed)));
    }
    let mut known: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
    for package in base.into_iter().flatten() {
        let key = (package.key.manager.as_str(), name(package));
        known.entry(key).or_default().push(&package.version);
    }
    let mut against = Against {
        label: label.to_owned(),
        installed: installed().count(),
        declared: named.len(),
        needed: reached.len().saturating_sub(named.len()),
        base: base.map(|_| 0),
        ..Against::default()
    };
    for (index, package) in installed() {
        if reached.contains(&index) {
            continue;
        }
        let versions = known.get(&(package.key.manager.as_str(), name(package)));
        if versions.is_some_and(|versions| versions.contains(&package.version.as_str())) {
            against.base = against.base.map(|count| count.saturating_add(1));
            continue;
        }
        if package.details.get("automatic").is_none_or(|word| word != "yes") {
            against.asked_for = against.asked_for.saturating_add(1);
        }
        against.undeclared.push(Undeclared {
            manager: package.key.manager.clone(),
            name: package.key.name.clone(),
            version: package.version.clone(),
            base: versions.and_then(|versions| versions.first()).map(|text| (*text).to_owned()),
        });
    }
    against.undeclared.sort();
    against.undeclared.dedup();
    against
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PackageKey, TreePath};
    use crate::pins::{AuditOptions, audit_paths};

    fn package(name: &str, version: &str) -> Package {
        Package {
            key: PackageKey {
                manager: "dpkg".to_owned(),
                name: name.to_owned(),
                architecture: Some("amd64".to_owned()),
                instance: None,
            },
            version: version.to_owned(),
            state: "installed".to_owned(),
            installed_at: None,
            origin: None,
            purl: String::new(),
            evidence: TreePath::parse("/x"),
            details: BTreeMap::new(),
        }
    }

    #[test]
    fn versions_that_are_one() {
        let check = |one: &str, other: &str, expected: bool| assert_eq!(same(one, other), expected);
        check("1.6-2", "1.6-2", true);
        check("1.20.1", "1:1.20.1-14.el9", true);
        check("1.20.1-14.el9", "1:1.20.1-14.el9", true);
        check("1.2", "1.20-1", false);
        check("v1.2.3", "1.2.3", true);
    }

    #[test]
    fn both_ways() {
        let root = tempfile::tempdir().unwrap();
        let text = "apt-get install -y jq=1.5-1 nginx=1.22.1-9 'curl=7.*' gone vim\n";
        std::fs::write(root.path().join("x.sh"), text).unwrap();
        let requirements = Requirements::shipped().unwrap();
        let options =
            AuditOptions { requirements: requirements.clone(), ..AuditOptions::default() };
        let mut report = audit_paths(&[root.path().to_path_buf()], &options);
        let golden = [
            package("jq", "1.6-2"),
            package("libjq1", "1.6-2"),
            package("nginx", "1.22.1-9"),
            package("curl", "8.0-1"),
            package("vim", "9"),
            package("base-files", "12.4"),
            package("htop", "3"),
            package("tzdata", "2024b"),
        ];
        let base = [package("base-files", "12.4"), package("tzdata", "2024a")];
        let needs = |index: usize| if index == 0 { vec![1] } else { Vec::new() };
        let both = (&golden[..], &[][..]);
        let against = hold(&mut report, "golden", both, &needs, Some(&base), &requirements);
        let found: Vec<&str> = report
            .findings
            .iter()
            .filter(|finding| finding.rule == RULE)
            .map(|finding| finding.message.as_str())
            .collect();
        assert_eq!(
            found,
            [
                "`jq` is 1.5-1 here, and golden has 1.6-2",
                "`curl` is 7.* here, and golden has 8.0-1",
                "`gone` is declared here, and golden does not have it",
            ]
        );
        let names: Vec<&str> = against.undeclared.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["htop", "tzdata"]);
        assert_eq!((against.declared, against.needed, against.base), (4, 1, Some(1)));
        assert_eq!(against.undeclared[1].base.as_deref(), Some("2024a"));
    }
}
