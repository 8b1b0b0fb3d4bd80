//! One tool, two versions: pins that contradict each other across files.
//!
//! Only what builds or customises machines is held against each other, and only what is the same
//! thing: one ecosystem, one name, one distribution as far as the files say. Manifests of projects
//! (`package.json`, `requirements.txt`) have their own versions with good reason, and so have
//! examples and tests.

use super::fix::distribution::Distribution;
use super::input::{Input, Remark};
use super::span::UNKNOWN;
use super::strength::{Category, Ecosystem, Strength};
use std::collections::BTreeMap;

/// The rule family.
pub(super) const RULE: &str = "pins/consistency";

/// Carriers whose files build or customise machines.
const BUILDERS: &[&str] = &[
    "ansible",
    "azure-pipelines",
    "bitbucket-pipelines",
    "chef",
    "circleci",
    "cloud-init",
    "devcontainer",
    "dockerfile",
    "github-actions",
    "gitlab-ci",
    "jenkins",
    "makefile",
    "packer",
    "packer-json",
    "powershell",
    "puppet",
    "salt",
    "shell",
    "terraform",
    "tool-versions",
    "vagrantfile",
];

/// Folders of files that are there to differ.
const APART: &[&str] = &["test", "spec", "fixture", "example", "sample", "snapshot", "demo", "doc"];

/// Inputs with their versions, by ecosystem, name and distribution.
type Groups<'a> = BTreeMap<(Ecosystem, String, String), Vec<(&'a Input, String)>>;

/// The pins that another file contradicts.
pub(super) fn remarks(inputs: &[Input]) -> Vec<Remark> {
    let mut groups: Groups<'_> = BTreeMap::new();
    for input in inputs {
        if let Some(version) = version(input) {
            let system =
                input.built.as_deref().and_then(|built| Distribution::of_image(&built.base));
            let system = match input.ecosystem.category() {
                Category::OsPackage => system.map(|system| system.to_string()).unwrap_or_default(),
                _ => String::new(),
            };
            let key = (input.ecosystem, input.subject.to_ascii_lowercase(), system);
            groups.entry(key).or_default().push((input, version));
        }
    }
    let mut remarks = Vec::new();
    for mut group in groups.into_values() {
        group.sort_by(|a, b| a.0.place.cmp(&b.0.place));
        let mut files: BTreeMap<&str, Vec<&Input>> = BTreeMap::new();
        for (input, version) in &group {
            let known = files.entry(version).or_default();
            if known.iter().all(|other| other.place.file != input.place.file) {
                known.push(input);
            }
        }
        // Most files first; of equally many the one that stands first.
        let most = files.iter().max_by(|a, b| {
            let first = |inputs: &[&Input]| inputs.first().map(|input| input.place.clone());
            a.1.len().cmp(&b.1.len()).then_with(|| first(b.1).cmp(&first(a.1)))
        });
        let Some((usual, holders)) = most else { continue };
        for (version, inputs) in files.iter().filter(|(version, _)| *version != usual) {
            for input in inputs {
                let other = holders.iter().find(|other| other.place.file != input.place.file);
                let Some(other) = other else { continue };
                let place = &other.place;
                let message = format!(
                    "`{}` is pinned to {version} here and to {usual} at {}:{}",
                    input.subject, place.file, place.start.line
                );
                remarks.push(Remark::of(input, RULE, message));
            }
        }
    }
    remarks
}

/// The one version that an input is pinned to, if it is to be held against others.
fn version(input: &Input) -> Option<String> {
    let apart =
        |folder: &str| APART.iter().any(|word| folder.trim_start_matches('_').starts_with(word));
    let mut folders = input.place.file.rsplit('/').skip(1);
    if !BUILDERS.contains(&input.carrier)
        || folders.any(|folder| apart(&folder.to_ascii_lowercase()))
        || input.strength < Strength::Exact
        || input.strength == Strength::Unknown
        || input.requested.contains([UNKNOWN, '…'])
        || input.subject.contains([UNKNOWN, '…'])
    {
        return None;
    }
    match input.ecosystem {
        // Two digests of one tag.
        Ecosystem::Image => {
            let (tag, digest) = input.requested.split_once('@')?;
            (!tag.is_empty()).then(|| digest.to_owned())
        }
        Ecosystem::Snap | Ecosystem::Brew | Ecosystem::Repository => None,
        other => match other.category() {
            Category::OsPackage | Category::LangPackage | Category::Tool | Category::Plugin => {
                let version = input.requested.trim_start_matches(['=', ' ', 'v', 'V']).trim();
                version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
            }
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::{AuditOptions, Requirements, audit_paths};
    use std::fs;

    fn check(files: &[(&str, &str)], expected: &[(&str, &str)]) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let requirements = Requirements::shipped().unwrap();
        let options = AuditOptions { requirements, ..AuditOptions::default() };
        let report = audit_paths(&[root.path().to_path_buf()], &options);
        let found: Vec<(&str, &str)> = report
            .findings
            .iter()
            .filter(|finding| finding.rule == RULE)
            .map(|finding| (finding.file.rsplit('/').next().unwrap(), finding.message.as_str()))
            .collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((file, message), (own, words)) in found.iter().zip(expected) {
            assert!(file == own && message.contains(words), "{found:?}");
        }
    }

    #[test]
    fn one_tool_in_two_files() {
        let three = [
            ("a.sh", "pip install ansible==9.1.0\n"),
            ("b.sh", "pip install ansible==8.7.0\n"),
            ("c/Dockerfile", "FROM scratch\nRUN pip install ansible==9.1.0\n"),
        ];
        check(&three, &[("b.sh", "pinned to 8.7.0 here and to 9.1.0 at ")]);
        check(&three[..1], &[]);
        check(&[three[0], three[2]], &[]);
        check(&[three[0], ("tests/b.sh", three[1].1)], &[]);
        check(&[three[0], ("b.sh", "pip install 'ansible>=8'\n")], &[]);
        check(&[("a.sh", "pip install a==1.0\npip install a==2.0\n")], &[]);
        let deb = |from: &str, version: &str| {
            format!("FROM {from}\nRUN apt-get install -y jq={version}\n")
        };
        let (old, new) = (deb("debian:11", "1.5"), deb("debian:12", "1.6"));
        check(&[("a/Dockerfile", &old), ("b/Dockerfile", &new)], &[]);
        let newer = deb("debian:12", "1.7");
        check(
            &[("a/Dockerfile", &newer), ("b/Dockerfile", &new)],
            &[("Dockerfile", "1.6 here and to 1.7")],
        );
    }
}
