//! Packages of npm, yarn and pnpm as installed: `node_modules/NAME/package.json` wherever it lies,
//! scoped names too, and the folders that Debian keeps its own in.
//!
//! A package.json elsewhere is a project's, or a part of a package's, and no installed package,
//! unless a `node_modules` links to its folder (workspaces, `npm link`, `file:`): then it is
//! installed there. pnpm's links into its own store name packages that lie there and count once.
//! Where npm left `.package-lock.json`, the origin and digest of what was installed are taken from
//! it. No file lists are recorded by npm, so nothing is claimed.
//! <https://docs.npmjs.com/cli/configuring-npm/package-json>

use super::copies::{Copy, tell_apart};
use super::purl::{Parts, purl};
use super::{installed, text};
use crate::collect::facts::repositories::without_secrets;
use crate::collect::reader::{Reader, below};
use crate::collect::{Collector, View};
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::{FileKind, Package, Records, Stage, TreePath};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// Reads `node_modules`.
pub static COLLECTOR: Collector = Collector {
    name: "npm",
    version: 2,
    summary: "npm packages in node_modules, nested, scoped, linked and global",
    wanted: &["package.json", ".package-lock.json", NODE_MODULES],
    collect,
};

const NODE_MODULES: &str = "node_modules";

/// Folders that are linked to, of all `node_modules` together; the largest workspaces have some
/// thousand packages.
const MAX_LINKS: usize = 100_000;

/// A hidden lock file of a large project has some MB.
const MAX_SIZE: u64 = 64 * 1024 * 1024;

/// The system's own places.
const ORDINARY: [&str; 6] = [
    "/usr/lib/node_modules",
    "/usr/lib64/node_modules",
    "/usr/local/lib/node_modules",
    "/usr/share/nodejs",
    "/usr/lib/nodejs",
    "/usr/share/node_modules",
];

/// Where Debian puts packages: without a `node_modules` around them.
const DEBIAN: [&str; 2] = ["/usr/share/nodejs", "/usr/lib/nodejs"];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let mut locks = Locks::default();
    let ordinary = ORDINARY.map(TreePath::parse);
    let debian = DEBIAN.map(TreePath::parse);
    let mut copies = Vec::new();
    let found = view.found.iter().filter_map(|path| {
        let (place, name) = installed_at(path, &debian)?;
        Some(Installed { place, name: name.to_vec(), file: path.clone(), is_linked: false })
    });
    let linked = linked(&mut reader, view.found, &debian);
    for Installed { place, name, file, is_linked } in found.chain(linked) {
        let Some(bytes) = reader.file(&file) else { continue };
        let read = match serde_json::from_slice::<Map<String, Value>>(&bytes) {
            Ok(fields) => fields,
            Err(error) => {
                reader.gap(&file, error);
                continue;
            }
        };
        let mut package = package(&read, &name, &file);
        if is_linked {
            package.details.insert("linked".to_owned(), "yes".to_owned());
        }
        locks.apply(&mut reader, &place, &name, &mut package);
        let is_ordinary = ordinary.contains(&place);
        copies.push(Copy { package, place, is_ordinary });
    }
    tell_apart(&mut copies);
    reader.records.packages.extend(copies.into_iter().map(|copy| copy.package));
}

/// Where a package was met.
struct Installed {
    /// The `node_modules` that it is in, or linked into.
    place: TreePath,
    /// What it is called there, with its scope.
    name: Vec<u8>,
    /// Its package.json.
    file: TreePath,
    is_linked: bool,
}

/// Folders outside of any `node_modules` that one links to, each once: by the first link to it.
fn linked(reader: &mut Reader<'_>, found: &[TreePath], debian: &[TreePath]) -> Vec<Installed> {
    let mut linked = Vec::new();
    let mut taken = HashSet::new();
    let is_place = |path: &&TreePath| path.file_name() == Some(NODE_MODULES.as_bytes());
    for place in found.iter().filter(is_place) {
        for link in links(reader, place) {
            if linked.len() >= MAX_LINKS {
                reader.gap(place, format!("more than {MAX_LINKS} links to folders"));
                return linked;
            }
            let target = resolve(reader.filesystem, &link, LastLink::Follow);
            let Some(target) = reader.keep(&link, target) else { continue };
            let file = below(&target.path, "package.json");
            if installed_at(&file, debian).is_none() && taken.insert(file.clone()) {
                let from = place.as_bytes().len().saturating_add(1);
                let name = link.as_bytes().get(from..).unwrap_or_default().to_vec();
                linked.push(Installed { place: place.clone(), name, file, is_linked: true });
            }
        }
    }
    linked
}

/// Links of a `node_modules` and of its scopes, but for those that say that they lead into one.
fn links(reader: &mut Reader<'_>, place: &TreePath) -> Vec<TreePath> {
    let mut links = Vec::new();
    let mut entries: Vec<_> =
        reader.list(place).into_iter().map(|(name, node)| (place.join(&name), node)).collect();
    while let Some((path, node)) = entries.pop() {
        let kind = reader.filesystem.metadata(&node).map(|metadata| Some(metadata.kind));
        let is_scope = path.file_name().is_some_and(|name| name.first() == Some(&b'@'));
        match reader.keep(&path, kind) {
            Some(FileKind::Directory) if is_scope && path.parent().as_ref() == Some(place) => {
                let inside = reader.list(&path).into_iter();
                entries.extend(inside.map(|(name, node)| (path.join(&name), node)));
            }
            Some(FileKind::Symlink) => {
                let target = reader.filesystem.read_link(&node).map(Some);
                let Some(target) = reader.keep(&path, target) else { continue };
                let mut above = target.split(|b| *b == b'/').rev();
                let into = [above.next(), above.next(), above.next()];
                // As `../.pnpm/NAME@VERSION/node_modules/NAME`, which saves looking there.
                if !into.contains(&Some(NODE_MODULES.as_bytes())) {
                    links.push(path);
                }
            }
            _ => {}
        }
    }
    links.sort();
    links
}

/// The `node_modules` and the name below it (with its scope) of an installed package's
/// package.json.
fn installed_at<'a>(path: &'a TreePath, debian: &[TreePath]) -> Option<(TreePath, &'a [u8])> {
    if path.file_name() != Some(b"package.json") {
        return None;
    }
    let folder = path.parent()?;
    let mut place = folder.parent()?;
    if folder.file_name().is_some_and(|name| name.first() == Some(&b'@')) {
        return None;
    }
    if place.file_name().is_some_and(|name| name.first() == Some(&b'@')) {
        place = place.parent()?;
    }
    let is_place = place.file_name() == Some(b"node_modules") || debian.contains(&place);
    let whole = path.as_bytes();
    let from = place.as_bytes().len().checked_add(1)?;
    let name = whole.get(from..)?.strip_suffix(b"/package.json")?;
    (is_place && !name.is_empty()).then_some((place, name))
}

fn package(fields: &Map<String, Value>, folder: &[u8], path: &TreePath) -> Package {
    let field = |name: &str| {
        let value = fields.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
        value.map(|value| text(value.as_bytes()))
    };
    // The folder's name is what `require` finds; the package says what it is.
    let name = field("name").unwrap_or_else(|| text(folder));
    let version = field("version").unwrap_or_default();
    let mut package = installed("npm", name, version, path);
    let details = &mut package.details;
    if package.key.name.as_bytes() != folder {
        details.insert("alias".to_owned(), text(folder));
    }
    let licence = field("license").or_else(|| {
        let old = fields.get("license").and_then(|licence| licence.get("type"));
        old.and_then(Value::as_str).map(|word| text(word.as_bytes()))
    });
    let mut keep = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            details.insert(word.to_owned(), value);
        }
    };
    keep("licence", licence);
    keep("homepage", field("homepage"));
    // Written into package.json by npm before version 7.
    keep("integrity", field("_integrity"));
    keep("depends", depends(fields));
    package.origin = field("_resolved").map(|url| without_secrets(&url));
    let (namespace, name) = match package.key.name.split_once('/') {
        Some((scope, name)) => (Some(scope), name),
        None => (None, package.key.name.as_str()),
    };
    let version = Some(package.version.as_str());
    package.purl = purl("npm", Parts { namespace, name, version, qualifiers: &[] });
    package
}

/// `NAME RANGE`, as package.json has them.
fn depends(fields: &Map<String, Value>) -> Option<String> {
    let needed = fields.get("dependencies")?.as_object()?;
    let one = |(name, range): (&String, &Value)| {
        text(format!("{name} {}", range.as_str().unwrap_or("*")).as_bytes())
    };
    let mut all: Vec<String> = needed.iter().map(one).collect();
    all.sort_unstable();
    (!all.is_empty()).then(|| all.join(", "))
}

/// What npm remembers of an installation, by the outermost `node_modules`.
#[derive(Debug, Default)]
struct Locks {
    read: HashMap<TreePath, Map<String, Value>>,
}

impl Locks {
    fn apply(
        &mut self,
        reader: &mut Reader<'_>,
        place: &TreePath,
        folder: &[u8],
        package: &mut Package,
    ) {
        // One lock for all that is nested, its keys from the project's folder on.
        let mut outermost = TreePath::root();
        for name in place.names() {
            outermost = TreePath::parse([outermost.as_bytes(), b"/", name].concat());
            if name == b"node_modules" {
                break;
            }
        }
        let Some(project) = outermost.parent() else { return };
        let lock = self.read.entry(outermost).or_insert_with_key(|top| read_lock(reader, top));
        if lock.is_empty() {
            return;
        }
        let inside = match project.is_root() {
            true => place.as_bytes(),
            false => place.as_bytes().strip_prefix(project.as_bytes()).unwrap_or_default(),
        };
        let inside = inside.strip_prefix(b"/").unwrap_or(inside);
        let key = [inside, b"/", folder].concat();
        let entry = std::str::from_utf8(&key).ok().and_then(|key| lock.get(key));
        let Some(entry) = entry.filter(|entry| {
            // Not of an older state of the folder.
            entry.get("version").and_then(Value::as_str) == Some(package.version.as_str())
        }) else {
            return;
        };
        let word = |name: &str| entry.get(name).and_then(Value::as_str);
        if let Some(resolved) = word("resolved") {
            package.origin = Some(without_secrets(resolved));
        }
        if let Some(integrity) = word("integrity") {
            package.details.insert("integrity".to_owned(), text(integrity.as_bytes()));
        }
        for flag in ["dev", "optional", "peer"] {
            if entry.get(flag) == Some(&Value::Bool(true)) {
                package.details.insert(flag.to_owned(), "yes".to_owned());
            }
        }
    }
}

fn read_lock(reader: &mut Reader<'_>, modules: &TreePath) -> Map<String, Value> {
    let path = below(modules, ".package-lock.json");
    let Some(bytes) = reader.file(&path) else { return Map::new() };
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(mut lock) => match lock.get_mut("packages").map(Value::take) {
            Some(Value::Object(packages)) => packages,
            _ => Map::new(),
        },
        Err(error) => {
            reader.gap(&path, error);
            Map::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn which_files_are_packages() {
        let debian = DEBIAN.map(TreePath::parse);
        let check = |path: &str, expected: Option<(&str, &str)>| {
            let path = TreePath::parse(path);
            let seen =
                installed_at(&path, &debian).map(|(place, name)| (place.to_string(), text(name)));
            let seen = seen.as_ref().map(|(place, name)| (place.as_str(), name.as_str()));
            assert_eq!(seen, expected, "{path}");
        };
        check("/a/node_modules/b/package.json", Some(("/a/node_modules", "b")));
        check("/node_modules/@s/b/package.json", Some(("/node_modules", "@s/b")));
        check("/usr/share/nodejs/b/package.json", Some(("/usr/share/nodejs", "b")));
        check("/a/node_modules/b/dist/package.json", None);
        check("/a/package.json", None);
        check("/a/node_modules/package.json", None);
        check("/a/node_modules/@s/package.json", None);
        check("/package.json", None);
    }

    #[test]
    fn links_to_folders() {
        let mut tree = MemoryFilesystem::new();
        let named = |name: &str| format!("{{\"name\": \"{name}\", \"version\": \"1.0.0\"}}");
        let stored = "/w/node_modules/.pnpm/c@1/node_modules/c/package.json";
        tree.file("/w/packages/a/package.json", named("@s/a"))
            .file("/w/packages/b/package.json", named("b"))
            .file("/w/packages/unused/package.json", named("unused"))
            .file(stored, named("c"))
            .symlink("/w/node_modules/@s/a", "../../packages/a")
            .symlink("/w/node_modules/b", "/w/packages/b")
            .symlink("/w/node_modules/again", "../packages/b")
            .symlink("/w/node_modules/c", ".pnpm/c@1/node_modules/c")
            .symlink("/w/node_modules/gone", "../packages/gone")
            .symlink("/w/node_modules/loop", "loop")
            .symlink("/w/node_modules/up", "../../../..");
        let found = ["/w/node_modules", "/w/node_modules/.pnpm/c@1/node_modules", stored];
        let mut records = Records::default();
        let found = found.map(TreePath::parse);
        collect(&View { filesystem: &tree, found: &found }, &mut records);
        let package = |p: &Package| format!("{} {} {:?}", p.key, p.evidence, p.details);
        assert_eq!(
            records.packages.iter().map(package).collect::<Vec<_>>(),
            [
                "@s/a [/w/node_modules] /w/packages/a/package.json {\"linked\": \"yes\"}",
                "b [/w/node_modules] /w/packages/b/package.json \
                 {\"alias\": \"again\", \"linked\": \"yes\"}",
                &format!("c [/w/node_modules/.pnpm/c@1/node_modules] {stored} {{}}"),
            ]
        );
        assert_eq!(records.gaps.len(), 1, "{:?}", records.gaps);
    }

    #[test]
    fn nested_scoped_and_global() {
        let files = [
            (
                "/srv/a/node_modules/b/package.json",
                r#"{"name": "b", "version": "1.0.0", "license": "MIT", "dependencies": {"c": "^1"}}"#,
            ),
            (
                "/srv/a/node_modules/b/node_modules/c/package.json",
                r#"{"name": "c", "version": "1.2.3", "license": {"type": "ISC"}}"#,
            ),
            ("/srv/a/node_modules/@s/d/package.json", r#"{"name": "@s/d", "version": "2.0.0"}"#),
            ("/usr/lib/node_modules/npm/package.json", r#"{"name": "npm", "version": "10.0.0"}"#),
            ("/usr/lib/node_modules/odd/package.json", "{"),
            ("/usr/lib/node_modules/alias/package.json", r#"{"name": "real", "version": 7}"#),
        ];
        let mut tree = MemoryFilesystem::new();
        for (path, bytes) in files {
            tree.file(path, bytes);
        }
        tree.file(
            "/srv/a/node_modules/.package-lock.json",
            r#"{"packages": {
                "node_modules/b/node_modules/c": {"version": "1.2.3", "dev": true,
                    "resolved": "https://u:p@registry.example.org/c.tgz", "integrity": "sha512-x"},
                "node_modules/b": {"version": "0.9.0", "resolved": "https://old"}}}"#,
        );
        let found: Vec<TreePath> = files.iter().map(|(path, _)| TreePath::parse(path)).collect();
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &found }, &mut records);
        let package = |p: &Package| format!("{} {} {:?}", p.key, p.purl, p.origin);
        assert_eq!(
            records.packages.iter().map(package).collect::<Vec<_>>(),
            [
                "real pkg:npm/real None",
                "npm pkg:npm/npm@10.0.0 None",
                "@s/d [/srv/a/node_modules] pkg:npm/%40s/d@2.0.0 None",
                "b [/srv/a/node_modules] pkg:npm/b@1.0.0 None",
                "c [/srv/a/node_modules/b/node_modules] pkg:npm/c@1.2.3 \
                 Some(\"https://registry.example.org/c.tgz\")",
            ]
        );
        assert_eq!(records.packages[4].details["licence"], "ISC");
        assert_eq!(records.packages[3].details["depends"], "c ^1");
        assert_eq!(records.gaps.len(), 1);
    }
}
