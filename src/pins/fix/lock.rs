//! Versions that a lockfile beside the build file has chosen already.

use super::known::name_of;
use crate::pins::input::Input;
use crate::pins::strength::Ecosystem;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A lockfile: whose versions it has, its name, and how a version is found in it.
struct Lock {
    ecosystem: Ecosystem,
    name: &'static str,
    versions: fn(&str, &str) -> BTreeSet<String>,
}

const LOCKS: &[Lock] = &[
    Lock { ecosystem: Ecosystem::Npm, name: "package-lock.json", versions: npm },
    Lock { ecosystem: Ecosystem::Npm, name: "npm-shrinkwrap.json", versions: npm },
    Lock { ecosystem: Ecosystem::Cargo, name: "Cargo.lock", versions: packages },
    Lock { ecosystem: Ecosystem::Pip, name: "poetry.lock", versions: packages },
    Lock { ecosystem: Ecosystem::Pip, name: "uv.lock", versions: packages },
    Lock { ecosystem: Ecosystem::Pip, name: "pdm.lock", versions: packages },
    Lock { ecosystem: Ecosystem::Pip, name: "Pipfile.lock", versions: pipfile },
    Lock { ecosystem: Ecosystem::Gem, name: "Gemfile.lock", versions: gemfile },
    Lock { ecosystem: Ecosystem::Composer, name: "composer.lock", versions: composer },
    Lock {
        ecosystem: Ecosystem::TerraformProvider,
        name: ".terraform.lock.hcl",
        versions: providers,
    },
    Lock { ecosystem: Ecosystem::Helm, name: "Chart.lock", versions: charts },
];

/// The version and the lockfile that has it, or why the lockfile does not say; `None` where there
/// is no lockfile.
pub(super) fn look_up(
    input: &Input,
    beside: &mut dyn FnMut(&str) -> Option<Arc<[u8]>>,
) -> Option<(Result<String, String>, String)> {
    let folder =
        input.place.file.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    for lock in LOCKS.iter().filter(|lock| lock.ecosystem == input.ecosystem) {
        let path = format!("{folder}{}", lock.name);
        let Some(bytes) = beside(&path) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let versions: Vec<String> = (lock.versions)(&text, &input.subject).into_iter().collect();
        let answer = match versions.as_slice() {
            [] => Err(format!("{} has no {}", lock.name, input.subject)),
            [only] => Ok(only.clone()),
            several => Err(format!(
                "{} has more than one version of {}: {}",
                lock.name,
                input.subject,
                several.join(", ")
            )),
        };
        return Some((answer, lock.name.to_owned()));
    }
    None
}

fn strings<'v>(values: impl Iterator<Item = Option<&'v Value>>) -> BTreeSet<String> {
    values.flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What lies directly in `node_modules`.
fn npm(text: &str, name: &str) -> BTreeSet<String> {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    let key = format!("node_modules/{name}");
    let version = |table: &str, key: &str| {
        document.get(table).and_then(|table| table.get(key)).and_then(|one| one.get("version"))
    };
    strings(std::iter::once(version("packages", &key).or_else(|| version("dependencies", name))))
}

/// `[[package]]` with `name` and `version`.
fn packages(text: &str, name: &str) -> BTreeSet<String> {
    let document: Value = toml::from_str(text).unwrap_or_default();
    let all = document.get("package").and_then(Value::as_array).into_iter().flatten();
    let same = all.filter(|one| {
        let own = one.get("name").and_then(Value::as_str).unwrap_or_default();
        name_of("pypi", own) == name_of("pypi", name)
    });
    strings(same.map(|one| one.get("version")))
}

fn pipfile(text: &str, name: &str) -> BTreeSet<String> {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    let tables = ["default", "develop"].into_iter().filter_map(|table| document.get(table));
    let found = tables.filter_map(Value::as_object).flatten();
    let same = found.filter(|(own, _)| name_of("pypi", own) == name_of("pypi", name));
    let versions = strings(same.map(|(_, one)| one.get("version")));
    versions.iter().map(|version| version.trim_start_matches('=').to_owned()).collect()
}

fn composer(text: &str, name: &str) -> BTreeSet<String> {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    let tables = ["packages", "packages-dev"].into_iter().filter_map(|table| document.get(table));
    let same = tables.filter_map(Value::as_array).flatten().filter(|one| {
        one.get("name").and_then(Value::as_str).is_some_and(|own| own.eq_ignore_ascii_case(name))
    });
    strings(same.map(|one| one.get("version")))
}

/// `    name (1.2.3)` or `(1.2.3-x86_64-linux)` below `specs:`; requirements stand deeper.
fn gemfile(text: &str, name: &str) -> BTreeSet<String> {
    let own = text.lines().filter_map(|line| line.strip_prefix("    "));
    let own = own.filter_map(|line| line.strip_prefix(name)?.strip_prefix(" ("));
    let versions = own.filter_map(|rest| rest.split([')', '-']).next());
    versions
        .filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

/// `provider "registry.terraform.io/hashicorp/aws" {` and `version = "5.1.0"` below it.
fn providers(text: &str, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        let quoted = line.split('"').nth(1).unwrap_or_default();
        if line.starts_with("provider ") {
            let bare = quoted.split_once('/').map_or(quoted, |(_, bare)| bare);
            inside =
                quoted == name || bare == name || bare.strip_prefix("hashicorp/") == Some(name);
        } else if inside && line.trim_start().starts_with("version ") {
            found.insert(quoted.to_owned());
        }
    }
    found
}

/// `- name: x` with `version: 1.2.3` in the same entry.
fn charts(text: &str, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in text.split("\n- ").skip(1) {
        let field = |key: &str| {
            let mut lines = entry.lines().map(str::trim_start);
            lines
                .find_map(|line| line.strip_prefix(key))
                .map(|value| value.trim().trim_matches(['"', '\'']))
        };
        if field("name:") == Some(name) {
            found.extend(field("version:").map(str::to_owned));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lockfile_knows_its_versions() {
        let check = |file: &str, text: &str, name: &str, expected: &[&str]| {
            let lock = LOCKS.iter().find(|lock| lock.name == file).unwrap();
            let found: Vec<String> = (lock.versions)(text, name).into_iter().collect();
            assert_eq!(found, expected, "{file}");
        };
        check(
            "package-lock.json",
            "{\"packages\":{\"\":{},\"node_modules/a\":{\"version\":\"1.2.3\"},\"node_modules/b/node_modules/a\":{\"version\":\"2.0.0\"}}}",
            "a",
            &["1.2.3"],
        );
        check(
            "Cargo.lock",
            "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n[[package]]\nname = \"a\"\nversion = \"2.0.0\"\n",
            "a",
            &["1.0.0", "2.0.0"],
        );
        check(
            "poetry.lock",
            "[[package]]\nname = \"foo-bar\"\nversion = \"1.0\"\n",
            "Foo_Bar",
            &["1.0"],
        );
        check("Pipfile.lock", "{\"default\":{\"a\":{\"version\":\"==1.0\"}}}", "a", &["1.0"]);
        check(
            "Gemfile.lock",
            "GEM\n  specs:\n    rails (7.1.0)\n      rack (>= 2)\n    rack (3.0.1)\n",
            "rack",
            &["3.0.1"],
        );
        check(
            "composer.lock",
            "{\"packages\":[{\"name\":\"a/b\",\"version\":\"v1\"}]}",
            "a/b",
            &["v1"],
        );
        check(
            ".terraform.lock.hcl",
            "provider \"registry.terraform.io/hashicorp/aws\" {\n  version     = \"5.1.0\"\n  constraints = \"~> 5.0\"\n}\n",
            "hashicorp/aws",
            &["5.1.0"],
        );
        check(
            "Chart.lock",
            "dependencies:\n- name: redis\n  repository: https://e.org\n  version: 18.1.0\n",
            "redis",
            &["18.1.0"],
        );
    }
}
