//! A map of digests that the user gives: what a tag, a ref or a URL was when somebody looked.
//!
//! Three ways to write it, told apart by looking:
//!
//! * **lines**: `KEY VALUE [LABEL]`, `#` begins a comment. A pinned reference alone is both
//!   (`debian:12@sha256:…`), and so is a line of `sha256sum` whose name is a URL.
//! * **JSON**: an object of keys and values; a value may be an object with `sha` (or `commit`,
//!   `digest`, `sha256`, `value`) and `version` (or `tag`); objects in objects group keys, by
//!   name (`"actions/checkout": {"v4": "…"}`) or by topic (`"images": {"debian:12": "…"}`).
//! * **TOML**: the same as tables.
//!
//! Keys: `image:tag`, `owner/repo@ref`, a git URL and `@ref`, a URL, `ECOSYSTEM:NAME`
//! (`apt:jq`, `pip:requests`) or `NAME@VERSION` as it is written. Values: `sha256:…`, a commit, or
//! a version. The label is what the comment beside a commit says (`v4.2.2`); without it the old
//! ref stands there.

use crate::model::Fault;
use crate::pins::image::ImageRef;
use serde_json::Value;
use std::collections::BTreeMap;

/// Larger maps were not written by people.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Objects in objects.
const MAX_DEPTH: usize = 8;

/// What stands for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// A digest, a commit or a version.
    pub value: String,
    /// What people call it.
    pub label: Option<String>,
}

/// The map.
#[derive(Clone, Debug, Default)]
pub struct Digests {
    plain: BTreeMap<String, Entry>,
    images: BTreeMap<String, Entry>,
    refs: BTreeMap<String, Entry>,
}

impl Digests {
    /// Reads a map.
    ///
    /// # Errors
    /// Where it is no UTF-8, no valid JSON although it begins like it, or a line has no value.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > MAX_BYTES {
            return Err(Fault::unsupported(format!("more than {MAX_BYTES} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(Fault::damaged)?;
        let text = text.trim_start_matches('\u{feff}');
        let mut map = Self::default();
        if text.trim_start().starts_with('{') {
            let value: Value = serde_json::from_str(text).map_err(Fault::damaged)?;
            map.object("", &value, 0);
        } else if let Some(value) = toml::from_str::<Value>(text).ok().filter(has_keys) {
            map.object("", &value, 0);
        } else {
            for (index, line) in text.lines().enumerate() {
                map.line(line).map_err(|reason| {
                    Fault::damaged(format!("line {}: {reason}", index.saturating_add(1)))
                })?;
            }
        }
        Ok(map)
    }

    /// How many keys it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plain.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty()
    }

    /// By the key as it is written.
    #[must_use]
    pub fn plain(&self, key: &str) -> Option<&Entry> {
        self.plain.get(key)
    }

    /// Of a container image, however its registry is written.
    #[must_use]
    pub fn image(&self, reference: &str) -> Option<&Entry> {
        self.images.get(&image_key(reference))
    }

    /// Of a repository's address with `@ref`, or of an action; the part of a repository that an
    /// action lies in is left out where it has no entry of its own.
    #[must_use]
    pub fn reference(&self, address: &str) -> Option<&Entry> {
        let key = reference_key(address);
        if let Some(found) = self.refs.get(&key) {
            return Some(found);
        }
        let (path, reference) = key.rsplit_once('@')?;
        let mut parts = path.split('/');
        let repository = format!("{}/{}@{reference}", parts.next()?, parts.next()?);
        parts.next().and_then(|_| self.refs.get(&repository))
    }

    fn insert(&mut self, key: &str, value: &str, label: Option<&str>) {
        let key = key.trim();
        // `image@sha256:…` as a value: the digest is what counts.
        let value = value.trim();
        let value = value.rsplit_once('@').map_or(value, |(_, behind)| behind);
        if key.is_empty() || value.is_empty() {
            return;
        }
        let label = label.map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned);
        let entry = Entry { value: value.to_owned(), label };
        self.images.insert(image_key(key), entry.clone());
        self.refs.insert(reference_key(key), entry.clone());
        self.plain.insert(key.to_owned(), entry);
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (body, comment) = match line.split_once(" #") {
            Some((body, comment)) => (body.trim(), Some(comment.trim())),
            None => (line, None),
        };
        let quotes: &[char] = &['"', '\'', ','];
        let words = body.split_whitespace().filter(|word| !["=", "->", "=>", "|"].contains(word));
        let words: Vec<&str> = words.map(|word| word.trim_matches(quotes)).collect();
        match words.as_slice() {
            [only] => {
                let (name, value) =
                    only.rsplit_once('@').filter(|(_, v)| is_hash(v)).ok_or("no value")?;
                match comment.filter(|_| !value.contains(':')) {
                    Some(label) => self.insert(&format!("{name}@{label}"), value, Some(label)),
                    None => self.insert(name, value, None),
                }
            }
            [value, key] if is_hash(value) && !is_hash(key) => {
                self.insert(key.trim_start_matches('*'), value, comment);
            }
            [key, value] => self.insert(key.trim_end_matches(':'), value, comment),
            [key, value, label] => self.insert(key.trim_end_matches(':'), value, Some(label)),
            _ => return Err("more than a key, a value and a label".to_owned()),
        }
        Ok(())
    }

    fn object(&mut self, above: &str, value: &Value, depth: usize) {
        let Some(object) = value.as_object().filter(|_| depth < MAX_DEPTH) else { return };
        for (key, value) in object {
            match value {
                Value::String(text) => self.nested(above, key, text, None),
                Value::Object(inner) => {
                    let field = |names: &[&str]| {
                        names.iter().find_map(|name| inner.get(*name).and_then(Value::as_str))
                    };
                    let text = field(&["sha", "commit", "digest", "sha256", "value", "hash"]);
                    match text {
                        Some(text) => {
                            let label = field(&["version", "tag", "label", "comment"]);
                            self.nested(above, key, text, label);
                        }
                        None => self.object(key, value, depth.saturating_add(1)),
                    }
                }
                _ => {}
            }
        }
    }

    /// A key within an object: by itself, and as the ref or tag of the object's own key.
    fn nested(&mut self, above: &str, key: &str, value: &str, label: Option<&str>) {
        self.insert(key, value, label);
        if !above.is_empty() {
            self.insert(&format!("{above}@{key}"), value, label);
            self.insert(&format!("{above}:{key}"), value, label);
        }
    }
}

fn has_keys(value: &Value) -> bool {
    value.as_object().is_some_and(|object| !object.is_empty())
}

/// A digest or a commit.
fn is_hash(word: &str) -> bool {
    let bare = word.split_once(':').map_or(word, |(_, bare)| bare);
    matches!(bare.len(), 40 | 64 | 96 | 128) && bare.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `docker.io/library/debian` and `debian` are one image, and no tag is `latest`.
fn image_key(reference: &str) -> String {
    let image = ImageRef::parse(reference);
    let mut name = image.name;
    for host in ["index.docker.io/", "registry-1.docker.io/", "docker.io/"] {
        name = name.strip_prefix(host).unwrap_or(name);
    }
    let name = name.strip_prefix("library/").unwrap_or(name);
    format!("{name}:{}", image.tag.unwrap_or("latest"))
}

/// `git::https://github.com/Owner/Repo.git//sub?ref=v1` and `owner/repo@v1` are one.
fn reference_key(address: &str) -> String {
    let text = address.trim();
    let text =
        ["git::", "git+", "github:"].iter().fold(text, |t, p| t.strip_prefix(p).unwrap_or(t));
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let text = match text.split_once('@') {
        // `git@host:path`: who logs in is no part of the address.
        Some((user, rest)) if !user.contains('/') && rest.contains(['/', ':']) => rest,
        _ => text,
    };
    let text = text.replace("?ref=", "@");
    let (path, reference) = text.rsplit_once('@').unwrap_or((&text, ""));
    let path = path.split("//").next().unwrap_or(path).trim_end_matches('/');
    let path = path.trim_end_matches(".git").to_ascii_lowercase();
    let path = match path.split_once(':') {
        Some((host, rest)) if host.contains('.') => format!("{host}/{rest}"),
        _ => path,
    };
    let path = path.strip_prefix("github.com/").unwrap_or(&path);
    format!("{path}@{reference}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "11bd71901bbe5b1630ceea73d97a2d6c4d5a8d3a";
    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn every_way_to_write_it() {
        let check = |text: &str| {
            let text = text.replace("SHA", SHA).replace("DIGEST", DIGEST);
            let map = Digests::parse(text.as_bytes()).unwrap();
            let action = map.reference("actions/checkout@v4").unwrap();
            assert_eq!((action.value.as_str(), action.label.as_deref()), (SHA, Some("v4.2.2")));
            assert_eq!(map.image("docker.io/library/debian:12").unwrap().value, DIGEST, "{text}");
        };
        check("# a comment\nactions/checkout@v4 SHA v4.2.2\n\ndebian:12@DIGEST\n");
        check("actions/checkout@v4 = SHA # v4.2.2\r\ndebian:12: debian@DIGEST\r\n");
        check("DIGEST  debian:12\nactions/checkout@v4 -> SHA v4.2.2");
        check(
            "{\"actions/checkout@v4\": {\"sha\": \"SHA\", \"version\": \"v4.2.2\"}, \"debian:12\": \"DIGEST\"}",
        );
        check(
            "{\"actions/checkout\": {\"v4\": {\"sha\": \"SHA\", \"tag\": \"v4.2.2\"}}, \"images\": {\"debian:12\": \"DIGEST\"}}",
        );
        check(
            "[images]\n\"library/debian:12\" = \"DIGEST\"\n[actions.\"actions/checkout@v4\"]\nsha = \"SHA\"\nversion = \"v4.2.2\"\n",
        );
        let pinned = Digests::parse(format!("actions/checkout@{SHA} # v4").as_bytes()).unwrap();
        assert_eq!(pinned.reference("actions/checkout@v4").unwrap().label.as_deref(), Some("v4"));
    }

    #[test]
    fn addresses_of_one_repository() {
        let check = |address: &str, expected: &str| assert_eq!(reference_key(address), expected);
        check("Owner/Repo@v1", "owner/repo@v1");
        check("https://github.com/owner/repo.git@v1", "owner/repo@v1");
        check("git::https://github.com/owner/repo.git//modules/x?ref=v1", "owner/repo@v1");
        check("git@github.com:owner/repo.git@v1", "owner/repo@v1");
        check("git+ssh://git@example.org/a/b@main", "example.org/a/b@main");
        let map = Digests::parse(format!("github/codeql-action@v3 {SHA}").as_bytes()).unwrap();
        assert!(map.reference("github/codeql-action/init@v3").is_some());
        assert!(map.reference("github/codeql-action@v2").is_none());
    }

    #[test]
    fn what_is_no_map() {
        for text in ["debian:12\n", "{\"a\": ", "a b c d\n"] {
            assert!(Digests::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Digests::parse(b"# nothing\n").unwrap().is_empty());
    }
}
