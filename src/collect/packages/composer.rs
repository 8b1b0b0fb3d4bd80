//! PHP packages as Composer installed them: `composer/installed.json` in a project's `vendor`.
//!
//! Composer 1 wrote a list of packages, Composer 2 an object with that list and what of it is for
//! development only. `installed.php` says the same to PHP and is not read.
//! <https://getcomposer.org/doc/04-schema.md>

use super::copies::{Copy, tell_apart};
use super::json::{needs, word, words};
use super::purl::{Parts, purl};
use super::{installed, text};
use crate::collect::facts::repositories::without_secrets;
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{Fault, Package, Records, Stage, TreePath};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Reads what Composer installed.
pub static COLLECTOR: Collector = Collector {
    name: "composer",
    version: 1,
    summary: "PHP packages that Composer installed",
    wanted: &["installed.json"],
    collect,
};

/// Of a project with a thousand packages: some MB.
const MAX_SIZE: u64 = 32 * 1024 * 1024;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let mut copies = Vec::new();
    for path in view.found {
        let Some(folder) = path.parent() else { continue };
        if folder.file_name() != Some(b"composer") {
            continue;
        }
        let Some(place) = folder.parent() else { continue };
        let Some(bytes) = reader.file(path) else { continue };
        let Some(packages) = reader.keep(path, parse(&bytes, path).map(Some)) else { continue };
        let copy = |package| Copy { package, place: place.clone(), is_ordinary: false };
        copies.extend(packages.into_iter().map(copy));
    }
    tell_apart(&mut copies);
    reader.records.packages.extend(copies.into_iter().map(|copy| copy.package));
}

/// All packages of either form; one without a name is left out.
fn parse(bytes: &[u8], path: &TreePath) -> Result<Vec<Package>, Fault> {
    let value: Value = serde_json::from_slice(bytes).map_err(Fault::damaged)?;
    let (list, development) = match &value {
        Value::Array(list) => (list, None),
        Value::Object(object) => match object.get("packages") {
            Some(Value::Array(list)) => (list, object.get("dev-package-names")),
            _ => return Err(Fault::damaged("no list of packages")),
        },
        _ => return Err(Fault::damaged("neither a list nor an object")),
    };
    let development: HashSet<&str> = development
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut packages = Vec::with_capacity(list.len());
    for fields in list.iter().filter_map(Value::as_object) {
        let Some(mut package) = package(fields, path) else { continue };
        if development.contains(package.key.name.as_str()) {
            package.details.insert("dev".to_owned(), "yes".to_owned());
        }
        packages.push(package);
    }
    Ok(packages)
}

fn package(fields: &Map<String, Value>, path: &TreePath) -> Option<Package> {
    let name = word(fields, "name")?;
    let version = word(fields, "version").unwrap_or_default();
    let mut package = installed("composer", name, version, path);
    let part = |whole: &str, name: &str| word(fields.get(whole)?.as_object()?, name);
    // What `installation-source` names is what was fetched; the other is where it also lies.
    let fetched = match word(fields, "installation-source").as_deref() {
        Some("source") => "source",
        _ => "dist",
    };
    package.origin =
        part(fetched, "url").or(part("source", "url")).map(|url| without_secrets(&url));
    let revision = part(fetched, "reference").or(part("source", "reference"));
    let shasum = part("dist", "shasum").map(|digits| format!("sha1-{digits}"));
    let mut keep = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            package.details.insert(word.to_owned(), value);
        }
    };
    keep("integrity", shasum);
    keep("licence", fields.get("license").and_then(words));
    keep("homepage", word(fields, "homepage"));
    keep("type", word(fields, "type").filter(|kind| kind != "library"));
    keep("depends", fields.get("require").and_then(needs));
    keep("revision", revision.clone());
    // A branch says nothing without the commit.
    let is_branch = package.version.starts_with("dev-") || package.version.ends_with("-dev");
    let location = match (part("source", "url"), part("source", "type"), revision) {
        (Some(url), Some(kind), Some(revision)) if is_branch => {
            Some(format!("{}+{}@{}", text(kind.as_bytes()), without_secrets(&url), revision))
        }
        _ => None,
    };
    let lower = package.key.name.to_ascii_lowercase();
    let (namespace, name) = match lower.split_once('/') {
        Some((vendor, name)) => (Some(vendor), name),
        None => (None, lower.as_str()),
    };
    let version = Some(package.version.as_str());
    let qualifiers = &[("vcs_url", location.as_deref())];
    package.purl = purl("composer", Parts { namespace, name, version, qualifiers });
    Some(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &[&str]) {
        let seen = match parse(json.as_bytes(), &TreePath::root()) {
            Ok(packages) => {
                packages.iter().map(|p| format!("{} {}", p.purl, p.details.len())).collect()
            }
            Err(fault) => vec![fault.detail],
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn both_forms() {
        check(
            r#"[{"name": "Monolog/monolog", "version": "1.25.3", "license": ["MIT"],
                "require": {"psr/log": "~1.0", "php": ">=5.3.0"}}]"#,
            &["pkg:composer/monolog/monolog@1.25.3 2"],
        );
        check(
            r#"{"packages": [
                {"name": "a/b", "version": "v2.0", "type": "composer-plugin"},
                {"name": "a/c", "version": "dev-main",
                 "source": {"type": "git", "url": "https://u:p@example.org/c.git", "reference": "1f2e"}},
                {"version": "1"}, 7],
              "dev": true, "dev-package-names": ["a/b"]}"#,
            &[
                "pkg:composer/a/b@v2.0 2",
                "pkg:composer/a/c@dev-main?vcs_url=git%2Bhttps:%2F%2Fexample.org%2Fc.git%401f2e 1",
            ],
        );
        check("{}", &["no list of packages"]);
        check("7", &["neither a list nor an object"]);
    }

    #[test]
    fn places_tell_projects_apart() {
        use crate::filesystem::memory::MemoryFilesystem;
        let (one, two) =
            ("/srv/a/vendor/composer/installed.json", "/srv/b/vendor/composer/installed.json");
        let other = "/srv/b/installed.json";
        let mut tree = MemoryFilesystem::new();
        tree.file(one, r#"[{"name": "a/b", "version": "1"}]"#).file(two, "[").file(other, "[");
        let found = [one, two, other].map(TreePath::parse);
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &found }, &mut records);
        assert_eq!(records.packages[0].key.to_string(), "a/b [/srv/a/vendor]");
        assert_eq!(records.gaps.len(), 1);
    }
}
