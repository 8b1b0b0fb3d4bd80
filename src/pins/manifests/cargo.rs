//! Carrier: `Cargo.toml` with `Cargo.lock`.

use super::locks::{self, Lock};
use super::versions::Dialect;
use super::{Declared, find_lock, git, is_named, relative};
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::classify;
use crate::pins::repository::SourceFile;
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{self, Node};

/// Manifests of Rust.
pub const CARRIER: Carrier = Carrier {
    name: "cargo",
    summary: "Cargo.toml with Cargo.lock",
    recognises: |path, _| is_named(path, &["Cargo.toml"]),
    read,
};

/// Tables of dependencies.
const TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    for document in yaml::toml(&file.fragment()).report(audit) {
        let package = document.get("package").and_then(|package| package.get("name"));
        let own = package.and_then(Node::text);
        let lock = find_lock(audit, &["Cargo.lock"], |above, _, bytes| {
            let beside = relative(audit, above).is_empty();
            locks::cargo(bytes, own.filter(|_| !beside))
        });
        let lock = lock.as_ref();
        for name in TABLES {
            table(document.get(name), lock, audit);
        }
        for (_, target) in document.get("target").map(Node::pairs).unwrap_or_default() {
            for name in TABLES {
                table(target.get(name), lock, audit);
            }
        }
        table(document.get("workspace").and_then(|own| own.get("dependencies")), lock, audit);
    }
}

fn table(table: Option<&Node>, lock: Option<&Lock>, audit: &mut Audit<'_>) {
    for (name, value) in table.map(Node::pairs).unwrap_or_default() {
        let Some(name) = value.get("package").or(Some(name)).and_then(Node::text) else { continue };
        if value.get("path").is_some() || value.get("workspace").is_some() {
            continue;
        }
        if let Some(url) = value.get("git") {
            let reference = value.any(&["rev", "tag", "branch"]);
            let word = reference.and_then(Node::text).unwrap_or_default();
            let branch = value.get("branch").is_some();
            let word = if branch { format!("refs/heads/{word}") } else { word.to_owned() };
            let at = reference.unwrap_or(url);
            let at = at.fragment().map_or(at.range(), crate::pins::Fragment::raw_whole);
            let held = lock.filter(|lock| lock.entries(name).is_some());
            git(audit, url.text().unwrap_or_default(), &word, at, held);
            continue;
        }
        let Some(version) = value.get("version").unwrap_or(value).fragment() else { continue };
        let word = version.text();
        // A bare version is a caret range, however many numbers it has.
        let strength = match classify::version(Ecosystem::Cargo, word) {
            Strength::Exact if !word.trim_start().starts_with('=') => Strength::Range,
            strength => strength,
        };
        // An optional dependency that nothing turns on may be missing from the lock.
        let optional = value.get("optional").and_then(Node::truth) == Some(true);
        let lock = lock.filter(|lock| !optional || lock.entries(name).is_some());
        Declared::new(Ecosystem::Cargo, Dialect::Cargo, name, word, version.raw_whole())
            .held(strength)
            .form(version, "={version}")
            .push(lock, audit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    const MANIFEST: &str = "[package]\nname = \"own\"\n[dependencies]\na = \"1.2.3\"\nb = { version = \"=2.0.1\", features = [] }\nc = { path = \"../c\" }\nd = { git = \"https://e.org/d\", branch = \"main\" }\n[target.'cfg(unix)'.dev-dependencies]\ne = \"0.3\"\n";

    #[test]
    fn manifests() {
        check_files(
            &CARRIER,
            &[("x/Cargo.toml", MANIFEST)],
            &[
                "cargo a range @1.2.3",
                "cargo b exact @=2.0.1",
                "git https://e.org/d none @main",
                "cargo e range @0.3",
            ],
        );
        let package = |name: &str, version: &str| {
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"x\"\nchecksum = \"y\"\n"
            )
        };
        let lock = format!(
            "[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n{}{}{}{}",
            package("a", "1.9.0"),
            package("b", "2.0.1"),
            package("d", "0.1.0"),
            package("e", "0.4.0")
        );
        check_files(
            &CARRIER,
            &[("x/Cargo.toml", MANIFEST), ("Cargo.lock", &lock)],
            &[
                "cargo a content @1.2.3",
                "cargo b content @=2.0.1",
                "git https://e.org/d content @main",
                "cargo e range @0.3",
            ],
        );
    }
}
