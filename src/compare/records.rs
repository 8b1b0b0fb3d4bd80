//! Packages and facts, by their keys.
//!
//! A side that could not read a database and has nothing of it does not know what was in it: its
//! packages and facts are then not compared, which is told. A database that was damaged in part
//! is compared as far as it was read; the gap makes the answer incomplete.

use super::Comparison;
use crate::model::{
    Attribute, AttributeValue, Change, ChangeKind, Fact, Gap, Package, Records, Stage, Subject,
    TreePath,
};
use std::collections::{BTreeMap, BTreeSet};

/// The named attributes of one record.
type Values = Vec<(String, String)>;

pub(super) fn packages(before: &Records, after: &Records, out: &mut Comparison) {
    let subject = |package: &Package| Subject::Package(package.key.clone());
    let values = |package: &Package| -> Values {
        let architecture =
            package.key.architecture.iter().map(|name| ("architecture".into(), name.clone()));
        [("version".to_owned(), package.version.clone())]
            .into_iter()
            .chain(architecture)
            .chain([("state".to_owned(), package.state.clone())])
            .collect()
    };
    let collect = |records: &Records| {
        let row = |one: &Package| (subject(one), (values(one), Some(one.evidence.clone())));
        records.packages.iter().map(row).collect()
    };
    differ(collect(before), collect(after), (before, after), Stage::Packages, out);
}

/// Facts that are made of what a file's metadata say: the scope, the attribute (all of them where
/// none is named), and what of an entry they need.
const OF_METADATA: [(&str, Option<&str>, &str); 4] = [
    ("cron", Some("executable"), "mode"),
    ("set-id", Some("gid"), "gid"),
    ("set-id", Some("uid"), "uid"),
    // Without modes nobody knows of any.
    ("set-id", None, "mode"),
];

pub(super) fn facts(
    before: &Records,
    after: &Records,
    not_carried: &BTreeSet<String>,
    out: &mut Comparison,
) {
    let subject = |fact: &Fact| Subject::Fact { scope: fact.scope.clone(), key: fact.key.clone() };
    let is_lost = |scope: &str, attribute: Option<&str>| {
        OF_METADATA.iter().any(|(of, name, needs)| {
            *of == scope && *name == attribute && not_carried.contains(*needs)
        })
    };
    let values = |fact: &Fact| -> Values {
        let kept = fact.attributes.iter().filter(|(name, _)| !is_lost(&fact.scope, Some(name)));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let collect = |records: &Records| {
        let row = |one: &Fact| (subject(one), (values(one), one.evidence.clone()));
        records.facts.iter().filter(|fact| !is_lost(&fact.scope, None)).map(row).collect()
    };
    differ(collect(before), collect(after), (before, after), Stage::Facts, out);
}

/// Records of one kind by subject, with the file that says so.
type Table = BTreeMap<Subject, (Values, Option<TreePath>)>;

fn differ(
    before: Table,
    mut after: Table,
    (old, new): (&Records, &Records),
    stage: Stage,
    out: &mut Comparison,
) {
    let unknown_before = unknown_sources(&old.gaps, &before, stage);
    let unknown_after = unknown_sources(&new.gaps, &after, stage);
    let mut passed_over = BTreeSet::new();
    let mut found: BTreeMap<Subject, Change> = BTreeMap::new();
    let mut keep = |subject: Subject, kind, attributes: Vec<Attribute>| {
        found.insert(subject.clone(), Change { subject, kind, attributes });
    };
    for (subject, (values, evidence)) in before {
        if let Some((now, _)) = after.remove(&subject) {
            let attributes = changed(&values, &now);
            if !attributes.is_empty() {
                keep(subject, ChangeKind::Modified, attributes);
            }
        } else if let Some(path) = evidence.filter(|path| unknown_after.contains(path)) {
            passed_over.insert(path);
        } else {
            keep(subject, ChangeKind::Removed, changed(&values, &Values::new()));
        }
    }
    for (subject, (values, evidence)) in after {
        if let Some(path) = evidence.filter(|path| unknown_before.contains(path)) {
            passed_over.insert(path);
        } else {
            keep(subject, ChangeKind::Added, changed(&Values::new(), &values));
        }
    }
    out.changes.extend(found.into_values());
    for path in passed_over {
        out.notes.push(format!("{stage} of {path}: not read on one side, not compared"));
    }
}

/// Files that were not read and of which the table has nothing.
fn unknown_sources(gaps: &[Gap], table: &Table, stage: Stage) -> BTreeSet<TreePath> {
    let mut unknown: BTreeSet<TreePath> =
        gaps.iter().filter(|gap| gap.stage == stage).map(|gap| gap.path.clone()).collect();
    if !unknown.is_empty() {
        for path in table.values().filter_map(|(_, evidence)| evidence.as_ref()) {
            unknown.remove(path);
        }
    }
    unknown
}

/// Attributes that differ, in the order of the new side, what only the old one has at the end.
fn changed(before: &Values, after: &Values) -> Vec<Attribute> {
    let value_in = |values: &Values, name: &str| {
        let found = values.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| AttributeValue::Text(value.clone()))
    };
    let gone = before.iter().filter(|(name, _)| !after.iter().any(|(known, _)| known == name));
    after
        .iter()
        .chain(gone)
        .map(|(name, _)| Attribute {
            name: name.clone(),
            before: value_in(before, name),
            after: value_in(after, name),
        })
        .filter(|attribute| attribute.before != attribute.after)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;

    fn check(before: &Records, after: &Records, expected: &[&str]) {
        let mut out = Comparison::default();
        packages(before, after, &mut out);
        facts(before, after, &BTreeSet::new(), &mut out);
        let shown: Vec<String> = out
            .changes
            .iter()
            .map(|change| {
                let names: Vec<&str> = change.attributes.iter().map(|a| a.name.as_str()).collect();
                format!("{} {} {}", change.kind.as_str(), change.subject, names.join(","))
            })
            .chain(out.notes)
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn packages_are_compared_by_key() {
        let before = Records {
            packages: vec![testing::package("a", "1"), testing::package("b", "1")],
            ..Records::default()
        };
        let after = Records {
            packages: vec![testing::package("b", "2"), testing::package("c", "1")],
            ..Records::default()
        };
        check(
            &before,
            &after,
            &[
                "removed a:amd64 (dpkg) version,architecture,state",
                "modified b:amd64 (dpkg) version",
                "added c:amd64 (dpkg) version,architecture,state",
            ],
        );
    }

    #[test]
    fn facts_are_compared_by_their_own_attributes() {
        let before = Records {
            facts: vec![testing::fact("users", "app", &[("uid", "5"), ("shell", "/x")])],
            ..Records::default()
        };
        let after = Records {
            facts: vec![
                testing::fact("users", "app", &[("home", "/h"), ("uid", "0")]),
                testing::fact("users", "new", &[]),
            ],
            ..Records::default()
        };
        check(&before, &after, &["modified users/app home,uid,shell", "added users/new "]);
    }

    #[test]
    fn facts_of_what_is_not_carried_are_not_compared() {
        let rights = [("gid", "5"), ("mode", "4755"), ("uid", "0")];
        let before = Records {
            facts: vec![
                testing::fact("cron", "daily/a", &[("executable", "yes")]),
                testing::fact("set-id", "/bin/su", &rights),
                testing::fact("users", "app", &[("uid", "5")]),
            ],
            ..Records::default()
        };
        let after = Records {
            facts: vec![
                testing::fact("cron", "daily/a", &[("executable", "no")]),
                testing::fact("set-id", "/bin/su", &[("gid", "0"), ("mode", "2755")]),
                testing::fact("users", "app", &[("uid", "0")]),
            ],
            ..Records::default()
        };
        let check = |lost: &[&str], expected: &[&str]| {
            let lost = lost.iter().map(ToString::to_string).collect();
            let mut out = Comparison::default();
            facts(&before, &after, &lost, &mut out);
            let shown = out.changes.iter().map(|change| {
                let names = change.attributes.iter().map(|a| a.name.as_str());
                format!("{} {}", change.subject, names.collect::<Vec<_>>().join(","))
            });
            assert_eq!(shown.collect::<Vec<_>>(), expected);
        };
        check(
            &["gid", "uid"],
            &["cron/daily/a executable", "set-id//bin/su mode", "users/app uid"],
        );
        check(&["gid", "mode", "uid"], &["users/app uid"]);
    }

    #[test]
    fn an_unread_database_is_not_an_empty_one() {
        let before = Records { packages: vec![testing::package("a", "1")], ..Records::default() };
        let mut after = Records::default();
        after.gap(&TreePath::parse("/var/lib/dpkg/status"), Stage::Packages, "denied");
        check(
            &before,
            &after,
            &["packages of /var/lib/dpkg/status: not read on one side, not compared"],
        );
    }
}
