//! Lockfiles: which versions they hold, whether by their bytes, and for which constraints they
//! were made. A lock that does not parse holds nothing and is as good as absent.

use super::outline;
use crate::pins::span::Fragment;
use crate::pins::yaml::{self, Node};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A lockfile.
#[derive(Debug, Default)]
pub(super) struct Lock {
    /// Its name.
    pub(super) file: &'static str,
    /// It is there and cannot be read here (binary).
    pub(super) opaque: bool,
    entries: BTreeMap<String, Vec<Entry>>,
    /// The constraints that it was made for, where it writes them down.
    asked: BTreeMap<String, Vec<String>>,
}

/// A version in a lock.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) version: String,
    /// With a digest of its bytes, or a commit.
    pub(super) hashed: bool,
}

impl Lock {
    fn new(file: &'static str) -> Self {
        Self { file, ..Self::default() }
    }

    /// A lock that is there and cannot be read.
    pub(super) fn opaque(file: &'static str) -> Self {
        Self { file, opaque: true, ..Self::default() }
    }

    fn add(&mut self, name: &str, version: &str, hashed: bool) {
        let entry = Entry { version: version.to_owned(), hashed };
        self.entries.entry(name.to_owned()).or_default().push(entry);
    }

    fn ask(&mut self, name: &str, constraint: &str) {
        self.asked.entry(name.to_owned()).or_default().push(constraint.to_owned());
    }

    /// The versions of a name.
    pub(super) fn entries(&self, name: &str) -> Option<&[Entry]> {
        self.entries.get(name).map(Vec::as_slice)
    }

    /// Whether the lock says that it was made for this constraint.
    pub(super) fn asked(&self, name: &str, constraint: &str) -> bool {
        self.asked.get(name).is_some_and(|own| own.iter().any(|own| own == constraint))
    }

    /// Whether it holds anything.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.opaque
    }
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

/// `package-lock.json`, `npm-shrinkwrap.json`, for the workspace at `own`; `None` where the lock
/// does not know that workspace.
pub(super) fn package_lock(file: &'static str, bytes: &[u8], own: &str) -> Option<Lock> {
    let document: Value = serde_json::from_slice(bytes).ok()?;
    let mut lock = Lock::new(file);
    let Some(packages) = document.get("packages").and_then(Value::as_object) else {
        // The first format knows no workspaces.
        let known = document.get("dependencies")?.as_object().filter(|_| own.is_empty())?;
        for (name, entry) in known {
            lock.add(name, text(entry.get("version")), entry.get("integrity").is_some());
        }
        return Some(lock);
    };
    let root = packages.get(own)?;
    for section in ["dependencies", "devDependencies", "optionalDependencies"] {
        for (name, spec) in root.get(section).and_then(Value::as_object).into_iter().flatten() {
            lock.ask(name, spec.as_str().unwrap_or_default());
        }
    }
    let inner = if own.is_empty() { String::new() } else { format!("{own}/") };
    for prefix in ["node_modules/".to_owned(), format!("{inner}node_modules/")] {
        for (path, entry) in packages {
            let Some(name) = path.strip_prefix(&prefix) else { continue };
            if name.contains("/node_modules/") {
                continue;
            }
            // What lies nearer is what counts.
            lock.entries.remove(name);
            let linked = entry.get("link").and_then(Value::as_bool).unwrap_or(false);
            let resolved = text(entry.get("resolved"));
            let hashed = linked || entry.get("integrity").is_some() || resolved.starts_with("git");
            lock.add(name, text(entry.get("version")), hashed);
        }
    }
    Some(lock)
}

/// `yarn.lock` in either format.
pub(super) fn yarn(bytes: &[u8]) -> Option<Lock> {
    let content = std::str::from_utf8(bytes).ok()?;
    let mut lock = Lock::new("yarn.lock");
    let mut current: Vec<(String, String)> = Vec::new();
    let mut hashed: BTreeMap<String, bool> = BTreeMap::new();
    outline::lines(content, &mut |above, key, value| {
        if above.is_empty() {
            let words = key.split(',').map(|word| word.trim().trim_matches('"'));
            current = words.filter_map(descriptor).collect();
        } else if above.len() == 1 && key == "version" {
            for (name, spec) in &current {
                lock.ask(name, spec);
            }
            if let Some((name, _)) = current.first() {
                lock.add(name, value, false);
            }
        } else if above.len() == 1 && ["integrity", "checksum"].contains(&key) {
            for (name, _) in &current {
                hashed.insert(name.clone(), true);
            }
        }
    });
    for (name, entries) in &mut lock.entries {
        let hashed = hashed.get(name).copied().unwrap_or(false);
        entries.iter_mut().for_each(|entry| entry.hashed = hashed);
    }
    (!lock.is_empty()).then_some(lock)
}

/// Name and constraint of `a@^1`, `@a/b@npm:^1`, `a@workspace:.`.
fn descriptor(word: &str) -> Option<(String, String)> {
    let at = word.get(1..)?.find('@')?.saturating_add(1);
    let (name, spec) = word.split_at_checked(at)?;
    let spec = spec.trim_start_matches('@');
    Some((name.to_owned(), spec.strip_prefix("npm:").unwrap_or(spec).to_owned()))
}

/// `pnpm-lock.yaml` for the project at `own`; `None` where the lock does not know it.
pub(super) fn pnpm(bytes: &[u8], own: &str) -> Option<Lock> {
    let content = std::str::from_utf8(bytes).ok()?;
    let own = if own.is_empty() { "." } else { own };
    let mut lock = Lock::new("pnpm-lock.yaml");
    let mut known = own == "." && !content.contains("\nimporters:");
    let sections = ["dependencies", "devDependencies", "optionalDependencies"];
    outline::lines(content, &mut |above, key, value| {
        let inner = match above {
            ["importers", project, rest @ ..] if *project == own => rest,
            ["importers"] => {
                known |= key == own;
                return;
            }
            ["importers", ..] => return,
            rest if own == "." && known => rest,
            _ => return,
        };
        // A version may carry its peers in brackets, or be a link.
        let version = value.split(['(', '_']).next().unwrap_or_default();
        match inner {
            ["specifiers"] => lock.ask(key, value),
            [section] if sections.contains(section) && !value.is_empty() => {
                lock.add(key, version, true);
            }
            [section, name] if sections.contains(section) => match key {
                "specifier" => lock.ask(name, value),
                "version" => lock.add(name, version, true),
                _ => {}
            },
            _ => {}
        }
    });
    known.then_some(lock)
}

/// `bun.lock` for the workspace at `own`.
pub(super) fn bun(bytes: &[u8], own: &str) -> Option<Lock> {
    let document = yaml::json(&Fragment::of_file(bytes)).documents.into_iter().next()?;
    let mut lock = Lock::new("bun.lock");
    let workspace = document.get("workspaces")?.get(own)?;
    for section in ["dependencies", "devDependencies", "optionalDependencies"] {
        for (name, spec) in workspace.get(section).map(Node::pairs).unwrap_or_default() {
            lock.ask(name.text()?, spec.text().unwrap_or_default());
        }
    }
    for (key, entry) in document.get("packages").map(Node::pairs).unwrap_or_default() {
        let (Some(key), Some(first)) = (key.text(), entry.items().first().and_then(Node::text))
        else {
            continue;
        };
        let version = descriptor(first).map(|(_, version)| version).unwrap_or_default();
        lock.add(key, &version, true);
    }
    Some(lock)
}

/// Python names are compared in lower case with `-` for every run of `-`, `_` and `.`.
pub(super) fn python_name(name: &str) -> String {
    let mut normal = String::new();
    for character in name.trim().chars() {
        if matches!(character, '-' | '_' | '.') {
            if !normal.ends_with('-') {
                normal.push('-');
            }
        } else {
            normal.push(character.to_ascii_lowercase());
        }
    }
    normal
}

/// A list of packages, a package at a time: the whole as one document takes fifty times its size.
/// What stands before and behind them comes with the first and the last. `None` where any of it is
/// damaged, or no package is in it.
fn each_part(bytes: &[u8], mut read: impl FnMut(&toml::Table)) -> Option<()> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut part = String::new();
    let mut any = false;
    for line in text.split_inclusive('\n') {
        let bare = line.trim();
        if ["[[package]]", "[[packages]]"].contains(&bare) {
            read(&toml::from_str(&part).ok()?);
            part.clear();
            any = true;
        }
        if !bare.is_empty() && !bare.starts_with('#') {
            part.push_str(line);
        }
    }
    read(&toml::from_str(&part).ok()?);
    any.then_some(())
}

/// The packages of a part.
fn packages(part: &toml::Table) -> &[toml::Value] {
    let listed = part.get("package").or_else(|| part.get("packages"));
    listed.and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// `uv.lock`, `poetry.lock`, `pdm.lock`, `pylock.toml`: lists of packages.
pub(super) fn python(file: &'static str, bytes: &[u8]) -> Option<Lock> {
    let mut found = Vec::new();
    // Older locks of Poetry and PDM list the digests apart.
    let mut apart = BTreeSet::new();
    each_part(bytes, |part| {
        let files = part.get("metadata").and_then(|metadata| metadata.get("files"));
        apart.extend(
            files.and_then(toml::Value::as_table).into_iter().flatten().map(|f| f.0.clone()),
        );
        for package in packages(part) {
            let of = |key: &str| package.get(key).and_then(toml::Value::as_str).unwrap_or_default();
            let listed = ["files", "wheels", "sdist", "archive", "vcs"]
                .iter()
                .any(|key| package.get(*key).is_some());
            let git = package.get("source").is_some_and(|source| source.get("git").is_some());
            found.push((of("name").to_owned(), of("version").to_owned(), listed || git));
        }
    })?;
    let mut lock = Lock::new(file);
    for (name, version, hashed) in found {
        lock.add(&python_name(&name), &version, hashed || apart.contains(&name));
    }
    Some(lock)
}

/// `Pipfile.lock`.
pub(super) fn pipfile(bytes: &[u8]) -> Option<Lock> {
    let document: Value = serde_json::from_slice(bytes).ok()?;
    let mut lock = Lock::new("Pipfile.lock");
    for (section, packages) in document.as_object()? {
        for (name, entry) in packages.as_object().into_iter().flatten() {
            if section == "_meta" {
                continue;
            }
            let hashed = entry.get("hashes").is_some() || entry.get("ref").is_some();
            let version = text(entry.get("version")).trim_start_matches('=');
            lock.add(&python_name(name), version, hashed);
        }
    }
    Some(lock)
}

/// `Cargo.lock` where it knows the package `own` (any where none is asked for).
pub(super) fn cargo(bytes: &[u8], own: Option<&str>) -> Option<Lock> {
    let mut lock = Lock::new("Cargo.lock");
    let mut known = own.is_none();
    each_part(bytes, |part| {
        for package in packages(part) {
            let of = |key: &str| package.get(key).and_then(toml::Value::as_str).unwrap_or_default();
            let source = of("source");
            known |= source.is_empty() && own == Some(of("name"));
            let hashed =
                source.is_empty() || source.starts_with("git+") || !of("checksum").is_empty();
            lock.add(of("name"), of("version"), hashed);
        }
    })?;
    known.then_some(lock)
}

/// `Gemfile.lock`.
pub(super) fn gemfile(file: &'static str, bytes: &[u8]) -> Option<Lock> {
    let content = std::str::from_utf8(bytes).ok()?;
    let mut lock = Lock::new(file);
    let mut section = "";
    let mut sums: Vec<String> = Vec::new();
    for line in content.lines() {
        if !line.starts_with(' ') {
            section = line.trim();
            continue;
        }
        let body = line.trim();
        let indent = line.len().saturating_sub(line.trim_start().len());
        let (name, rest) = body.split_once(" (").unwrap_or((body.trim_end_matches('!'), ""));
        let inside = rest.split(')').next().unwrap_or_default();
        match section {
            "GEM" | "GIT" | "PATH" | "PLUGIN SOURCE" if indent == 4 => {
                // A platform stands behind the version.
                let version = inside.split('-').next().unwrap_or_default();
                lock.add(name, version, section == "GIT");
            }
            "DEPENDENCIES" => lock.ask(name, inside),
            "CHECKSUMS" if rest.contains("sha256=") => sums.push(name.to_owned()),
            _ => {}
        }
    }
    for name in sums {
        for entry in lock.entries.get_mut(&name).into_iter().flatten() {
            entry.hashed = true;
        }
    }
    (!lock.is_empty()).then_some(lock)
}

/// `composer.lock`.
pub(super) fn composer(bytes: &[u8]) -> Option<Lock> {
    let document: Value = serde_json::from_slice(bytes).ok()?;
    let mut lock = Lock::new("composer.lock");
    for section in ["packages", "packages-dev"] {
        for package in document.get(section).and_then(Value::as_array).into_iter().flatten() {
            let reference = |key: &str| text(package.get(key).and_then(|own| own.get("reference")));
            let hashed = [reference("dist"), reference("source")]
                .iter()
                .any(|reference| crate::pins::classify::is_full_hash(reference));
            let name = text(package.get("name")).to_ascii_lowercase();
            lock.add(&name, text(package.get("version")), hashed);
        }
    }
    Some(lock)
}

/// `go.sum`.
pub(super) fn go_sum(bytes: &[u8]) -> Option<Lock> {
    let content = std::str::from_utf8(bytes).ok()?;
    let mut lock = Lock::new("go.sum");
    for line in content.lines() {
        let mut words = line.split_whitespace();
        if let (Some(module), Some(version)) = (words.next(), words.next()) {
            lock.add(module, version.trim_end_matches("/go.mod"), true);
        }
    }
    Some(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lock: Option<Lock>, expected: &[&str]) {
        let lock = lock.unwrap();
        let found: Vec<String> = lock
            .entries
            .iter()
            .flat_map(|(name, entries)| {
                entries
                    .iter()
                    .map(move |entry| format!("{name} {} {}", entry.version, entry.hashed))
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn javascript() {
        let npm = br#"{"lockfileVersion": 3, "packages": {"": {"dependencies": {"a": "^1"}}, "node_modules/a": {"version": "1.2.3", "integrity": "sha512-x"}, "node_modules/b/node_modules/a": {"version": "0.1.0"}, "p": {"dependencies": {}}, "p/node_modules/a": {"version": "2.0.0"}}}"#;
        check(package_lock("package-lock.json", npm, ""), &["a 1.2.3 true"]);
        check(package_lock("package-lock.json", npm, "p"), &["a 2.0.0 false"]);
        assert!(package_lock("package-lock.json", npm, "q").is_none());
        let yarn_one = b"# yarn lockfile v1\n\na@^1, a@~1.2:\n  version \"1.2.3\"\n  integrity sha512-x\n  dependencies:\n    b \"^1\"\n\n\"@c/d@^1\":\n  version \"1.0.0\"\n";
        check(yarn(yarn_one), &["@c/d 1.0.0 false", "a 1.2.3 true"]);
        assert!(yarn(yarn_one).unwrap().asked("a", "~1.2"));
        let berry = b"__metadata:\n  version: 8\n\n\"a@npm:^1\":\n  version: 1.2.3\n  resolution: \"a@npm:1.2.3\"\n  checksum: 10c0/x\n";
        check(yarn(berry), &["a 1.2.3 true"]);
        let pnpm_nine = b"lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      a:\n        specifier: ^1\n        version: 1.2.3(b@1)\n\n  p:\n    devDependencies:\n      '@c/d':\n        specifier: ^2\n        version: 2.0.0\n\npackages:\n\n  a@1.2.3:\n    resolution: {integrity: sha512-x}\n";
        check(pnpm(pnpm_nine, ""), &["a 1.2.3 true"]);
        check(pnpm(pnpm_nine, "p"), &["@c/d 2.0.0 true"]);
        assert!(pnpm(pnpm_nine, "q").is_none());
        let pnpm_five =
            b"lockfileVersion: 5.4\n\nspecifiers:\n  a: ^1\n\ndependencies:\n  a: 1.2.3\n";
        check(pnpm(pnpm_five, ""), &["a 1.2.3 true"]);
        let bun_text = br#"{"lockfileVersion": 1, "workspaces": {"": {"dependencies": {"a": "^1",},},}, "packages": {"a": ["a@1.2.3", "", {}, "sha512-x"],},}"#;
        check(bun(bun_text, ""), &["a 1.2.3 true"]);
    }

    #[test]
    fn others() {
        check(
            python(
                "uv.lock",
                b"[[package]]\nname = \"a_b\"\nversion = \"1.0\"\nwheels = [{hash = \"x\"}]\n",
            ),
            &["a-b 1.0 true"],
        );
        check(
            python(
                "poetry.lock",
                b"# by hand\n\n[[package]]\nname = \"a\"\nversion = \"1.0\"\n\n[package.dependencies]\nb = \"*\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0\"\n\n[metadata.files]\na = []\n",
            ),
            &["a 1.0 true", "b 2.0 false"],
        );
        check(
            python(
                "pylock.toml",
                b"lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\nversion = \"1.0\"\n[[packages.wheels]]\nname = \"x\"\n",
            ),
            &["a 1.0 true"],
        );
        check(
            pipfile(
                br#"{"_meta": {"hash": {}}, "default": {"a": {"version": "==1.0", "hashes": []}}}"#,
            ),
            &["a 1.0 true"],
        );
        check(
            cargo(b"[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\nchecksum = \"y\"\n", Some("own")),
            &["a 1.0.0 true", "own 0.1.0 true"],
        );
        check(
            gemfile("Gemfile.lock", b"GEM\n  remote: x\n  specs:\n    a (1.0.0)\n      b (~> 1)\n    b (1.2.0-x86_64-linux)\n\nDEPENDENCIES\n  a (~> 1.0)\n\nCHECKSUMS\n  a (1.0.0) sha256=x\n"),
            &["a 1.0.0 true", "b 1.2.0 false"],
        );
        check(
            composer(br#"{"packages": [{"name": "A/b", "version": "v1.0", "dist": {"reference": "0123456789012345678901234567890123456789"}}]}"#),
            &["a/b v1.0 true"],
        );
        check(
            go_sum(b"e.org/a v1.0.0 h1:x\ne.org/b v1.1.0/go.mod h1:y\n"),
            &["e.org/a v1.0.0 true", "e.org/b v1.1.0 true"],
        );
    }
}
