//! Carrier: `package.json` with the lock of npm, Yarn, pnpm or Bun. Peer dependencies are somebody
//! else's to install and are passed over.

use super::locks::{self, Lock};
use super::versions::Dialect;
use super::{Declared, find_lock, git, is_named, relative};
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::classify;
use crate::pins::input::{Credit, Input};
use crate::pins::repository::SourceFile;
use crate::pins::span::Fragment;
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{self, Node};

/// Manifests of JavaScript.
pub const CARRIER: Carrier = Carrier {
    name: "package-json",
    summary: "package.json with package-lock.json, yarn.lock, pnpm-lock.yaml or bun.lock",
    recognises: |path, _| is_named(path, &["package.json"]),
    read,
};

const LOCKS: &[&str] = &[
    "npm-shrinkwrap.json",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "bun.lockb",
];

/// Specifications of what lies in this repository.
const LOCAL: &[&str] = &["file:", "link:", "workspace:", "portal:", ".", "/", "~/", "catalog:"];

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let documents = yaml::json(&file.fragment()).report(audit);
    let lock = lock(audit);
    for document in documents {
        for section in ["dependencies", "devDependencies", "optionalDependencies"] {
            for (name, spec) in document.get(section).map(Node::pairs).unwrap_or_default() {
                if let (Some(name), Some(spec)) = (name.text(), spec.fragment()) {
                    dependency(name, spec, lock.as_ref(), audit);
                }
            }
        }
        if let Some(manager) = document.get("packageManager").and_then(Node::fragment) {
            package_manager(manager, audit);
        }
        for (name, version) in document.get("volta").map(Node::pairs).unwrap_or_default() {
            if let (Some(name), Some(version)) = (name.text(), version.fragment())
                && name != "extends"
            {
                let strength = crate::pins::steps::tool_version(version.text());
                let place = audit.place(version.raw_whole());
                let input = Input::new(Ecosystem::Tool, name, strength, place);
                audit.push(input.requesting(version.text()));
            }
        }
    }
}

fn lock(audit: &Audit<'_>) -> Option<Lock> {
    find_lock(audit, LOCKS, |above, name, bytes| {
        let own = relative(audit, above);
        match name {
            "yarn.lock" => {
                // It does not say whose it is: above, only a workspace's root has one.
                let root = if above.is_empty() { String::new() } else { format!("{above}/") };
                let manifest = audit.repository().read(&format!("{root}package.json"));
                let workspaces = manifest.is_some_and(|bytes| {
                    String::from_utf8_lossy(&bytes).contains("\"workspaces\"")
                });
                (own.is_empty() || workspaces).then(|| locks::yarn(bytes)).flatten()
            }
            "pnpm-lock.yaml" => locks::pnpm(bytes, &own),
            "bun.lock" => locks::bun(bytes, &own),
            "bun.lockb" => own.is_empty().then(|| Lock::opaque("bun.lockb")),
            name => locks::package_lock(name, bytes, &own),
        }
    })
}

fn dependency(name: &str, spec: &Fragment, lock: Option<&Lock>, audit: &mut Audit<'_>) {
    let text = spec.text().trim();
    let at = spec.raw_whole();
    if LOCAL.iter().any(|scheme| text.starts_with(scheme)) {
        return;
    }
    let hosted = ["github:", "gitlab:", "bitbucket:", "gist:"].iter().any(|h| text.starts_with(h));
    let bare = text.split('#').next().unwrap_or_default();
    let short =
        bare.split('/').count() == 2 && !bare.starts_with('@') && !bare.contains([':', ' ']);
    if hosted
        || short
        || text.starts_with("git")
        || text.contains(".git#")
        || text.ends_with(".git")
    {
        let reference = text.split_once('#').map_or("", |(_, reference)| reference);
        if let Some(range) = reference.strip_prefix("semver:") {
            let strength = classify::version(Ecosystem::Npm, range);
            Declared::new(Ecosystem::Npm, Dialect::Npm, name, range, at)
                .held(strength)
                .push(lock, audit);
        } else {
            let held = lock.filter(|lock| lock.entries(name).is_some() || lock.opaque);
            git(audit, bare, reference, at, held);
        }
        return;
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        let place = audit.place(at);
        let mut input = Input::new(Ecosystem::Download, text, classify::url(text), place);
        if let Some(entry) = lock.and_then(|lock| lock.entries(name)?.first().cloned())
            && entry.hashed
        {
            let why = format!("{} holds its bytes", lock.map(|lock| lock.file).unwrap_or_default());
            input.credit = Some(Credit { strength: Strength::Content, why });
        }
        audit.push(input);
        return;
    }
    // An alias: the package's own name and range stand behind it.
    let (subject, range) = match text.strip_prefix("npm:") {
        Some(alias) => match alias.get(1..).and_then(|rest| rest.find('@')) {
            Some(found) => alias.split_at_checked(found.saturating_add(1)).unwrap_or((alias, "")),
            None => (alias, ""),
        },
        None => (name, text),
    };
    let range = range.trim_start_matches('@');
    let at =
        if at.is_empty() { at.start.saturating_sub(1)..at.start.saturating_add(1) } else { at };
    let declared = Declared::new(Ecosystem::Npm, Dialect::Npm, subject, range, at);
    if subject == name {
        declared.form(spec, "{version}").push(lock, audit);
    } else {
        // The lock knows it by its alias.
        let known =
            lock.filter(|lock| lock.entries(name).is_none() || lock.entries(subject).is_some());
        let held =
            if lock.is_some() && known.is_none() { Strength::Exact } else { declared.strength };
        declared.held(held).push(known, audit);
    }
}

/// `pnpm@9.1.0+sha512.…`.
fn package_manager(manager: &Fragment, audit: &mut Audit<'_>) {
    let Some((name, version)) = manager.text().split_once('@') else { return };
    let strength = match version.split_once("+sha") {
        Some((_, hash)) if hash.len() > 40 => Strength::Content,
        _ => crate::pins::steps::tool_version(version.split('+').next().unwrap_or_default()),
    };
    let place = audit.place(manager.raw_whole());
    audit.push(Input::new(Ecosystem::Tool, name, strength, place).requesting(version));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    const MANIFEST: &str = "{\n\t\"dependencies\": {\"a\": \"^1.2\", \"b\": \"2.0.1\", \"c\": \"*\", \"own\": \"workspace:*\", \"d\": \"e/d#main\"},\n\t\"peerDependencies\": {\"p\": \">=1\"},\n\t\"packageManager\": \"pnpm@9.1.0\"\n}\n";

    #[test]
    fn without_a_lock() {
        check_files(
            &CARRIER,
            &[("package.json", MANIFEST)],
            &[
                "npm a range @^1.2",
                "npm b exact @2.0.1",
                "npm c none @*",
                "git e/d none @e/d#main",
                "tool pnpm exact @9.1.0",
            ]
            .map(|line| {
                if line.starts_with("tool") { "tool pnpm exact @pnpm@9.1.0" } else { line }
            }),
        );
    }

    #[test]
    fn with_a_lock() {
        let lock = r#"{"lockfileVersion": 3, "packages": {"": {"dependencies": {"a": "^1.2"}}, "node_modules/a": {"version": "1.3.0", "integrity": "x"}, "node_modules/b": {"version": "2.0.0", "integrity": "x"}, "node_modules/d": {"version": "1.0.0", "resolved": "git+ssh://e/d#0"}}}"#;
        check_files(
            &CARRIER,
            &[("package.json", MANIFEST), ("package-lock.json", lock)],
            &[
                "npm a content @^1.2",
                "npm b range @2.0.1",
                "npm c none @*",
                "git e/d content @e/d#main",
                "tool pnpm exact @pnpm@9.1.0",
            ],
        );
    }

    #[test]
    fn workspaces_have_their_lock_above() {
        let lock = "lockfileVersion: '9.0'\n\nimporters:\n\n  packages/x:\n    dependencies:\n      a:\n        specifier: ^1\n        version: 1.2.3\n";
        check_files(
            &CARRIER,
            &[
                ("packages/x/package.json", "{\"dependencies\": {\"a\": \"^1\"}}"),
                ("pnpm-lock.yaml", lock),
            ],
            &["npm a content @^1"],
        );
        check_files(
            &CARRIER,
            &[
                ("other/package.json", "{\"dependencies\": {\"a\": \"^1\"}}"),
                ("pnpm-lock.yaml", lock),
            ],
            &["npm a range @^1"],
        );
    }
}
