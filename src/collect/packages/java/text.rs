//! The small texts by which a Java archive says what it is: the manifest, `pom.properties`, and its
//! own name.
//!
//! <https://docs.oracle.com/en/java/javase/21/docs/specs/jar/jar.html#jar-manifest>

use crate::collect::packages::text;
use std::collections::BTreeMap;

/// The main section of a manifest, names in lower case; lines that begin with a space go on.
#[must_use]
pub fn manifest(bytes: &[u8]) -> BTreeMap<String, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    // A line ends in CR LF, LF, or CR.
    let lines = bytes.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines = lines.flat_map(|line| line.split(|b| *b == b'\r'));
    for line in lines {
        if line.is_empty() {
            if fields.is_empty() {
                continue;
            }
            break;
        }
        match (line.strip_prefix(b" "), fields.last_mut()) {
            (Some(more), Some((_, value))) => value.extend_from_slice(more),
            (Some(_), None) => {}
            (None, _) => {
                if let Some(colon) = line.iter().position(|b| *b == b':') {
                    let (name, value) = line.split_at(colon);
                    let value = value.get(1..).unwrap_or_default();
                    fields.push((name.to_ascii_lowercase(), value.to_vec()));
                }
            }
        }
    }
    let pairs =
        fields.iter().map(|(name, value)| (text(name.trim_ascii()), text(value.trim_ascii())));
    pairs.filter(|(_, value)| !value.is_empty()).collect()
}

/// What Maven calls a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coordinates {
    /// As `org.apache.commons`.
    pub group: String,
    /// As `commons-io`.
    pub artifact: String,
    /// As `2.11.0`.
    pub version: String,
}

/// Reads a `pom.properties`; `None` where something is missing or was never filled in.
#[must_use]
pub fn pom_properties(bytes: &[u8]) -> Option<Coordinates> {
    let mut read = Coordinates::default();
    for line in bytes.split(|b| matches!(b, b'\n' | b'\r')).map(<[u8]>::trim_ascii) {
        let Some(sign) = line.iter().position(|b| matches!(b, b'=' | b':')) else { continue };
        let (name, value) = line.split_at(sign);
        let value = text(value.get(1..).unwrap_or_default().trim_ascii());
        match name.trim_ascii() {
            b"groupId" => read.group = value,
            b"artifactId" => read.artifact = value,
            b"version" => read.version = value,
            _ => {}
        }
    }
    let all = [&read.group, &read.artifact, &read.version];
    let is_filled = all.iter().all(|value| !value.is_empty() && !value.contains("${"));
    is_filled.then_some(read)
}

/// Name and version of a file called `NAME-VERSION`: the version begins after the first hyphen that
/// a digit follows (or `v` and a digit), as Maven and its likes name what they put out.
#[must_use]
pub fn split_name(stem: &str) -> (&str, Option<&str>) {
    let is_start = |(at, _): &(usize, char)| {
        let after = stem.get(at.saturating_add(1)..).unwrap_or_default();
        let after = after.strip_prefix('v').unwrap_or(after);
        after.starts_with(|c: char| c.is_ascii_digit())
    };
    let hyphens = stem.char_indices().filter(|(_, c)| *c == '-' || *c == '_');
    match hyphens.filter(|(at, _)| *at > 0).find(is_start) {
        Some((at, _)) => {
            let (name, version) = stem.split_at(at);
            (name, version.get(1..).filter(|version| !version.is_empty()))
        }
        None => (stem, None),
    }
}

/// The group of a file in a repository laid out as Maven lays it out
/// (`…/repository/GROUP/PARTS/ARTIFACT/VERSION/ARTIFACT-VERSION.jar`), with artifact and version.
#[must_use]
pub fn from_layout(names: &[&[u8]]) -> Option<Coordinates> {
    /// The folders that such repositories are known by: of Maven, of Debian, of Gradle's plugins.
    const TOPS: [&[u8]; 3] = [b"repository", b"maven-repo", b"libraries"];
    let [before @ .., artifact, version, file] = names else { return None };
    let stem = file.get(..file.iter().rposition(|b| *b == b'.')?)?;
    let rest = stem.strip_prefix(*artifact)?.strip_prefix(b"-")?.strip_prefix(*version)?;
    let top = before.iter().rposition(|name| TOPS.contains(name))?;
    let group: Vec<String> =
        before.get(top.checked_add(1)?..)?.iter().map(|part| text(part)).collect();
    let is_plain = rest.is_empty() || rest.first() == Some(&b'-');
    (is_plain && !group.is_empty()).then(|| Coordinates {
        group: group.join("."),
        artifact: text(artifact),
        version: text(version),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests() {
        let seen = manifest(
            b"Manifest-Version: 1.0\r\nImplementation-Title: A long\r\n  title\r\nBundle-Version:2\r\n\
              Empty: \r\n\r\nName: x\r\nBundle-Version: 3\r\n",
        );
        let expected = [
            ("bundle-version", "2"),
            ("implementation-title", "A long title"),
            ("manifest-version", "1.0"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(seen, BTreeMap::from(expected));
        assert_eq!(manifest(b" x\r\r\nno colon\n"), BTreeMap::new());
    }

    #[test]
    fn properties() {
        let check = |text: &str, expected: Option<(&str, &str, &str)>| {
            let seen = pom_properties(text.as_bytes());
            let seen =
                seen.as_ref().map(|c| (c.group.as_str(), c.artifact.as_str(), c.version.as_str()));
            assert_eq!(seen, expected, "{text}");
        };
        check(
            "#Generated\r\nversion=1.2\r\ngroupId = a.b\r\nartifactId:c\r\n",
            Some(("a.b", "c", "1.2")),
        );
        check("version=${v}\ngroupId=a\nartifactId=c\n", None);
        check("groupId=a\n", None);
    }

    #[test]
    fn names_of_files() {
        let check = |stem: &str, name: &str, version: Option<&str>| {
            assert_eq!(split_name(stem), (name, version), "{stem}");
        };
        check("commons-io-2.11.0", "commons-io", Some("2.11.0"));
        check("guava-31.1-jre", "guava", Some("31.1-jre"));
        check("servlet_2.5", "servlet", Some("2.5"));
        check("tool-v1", "tool", Some("v1"));
        check("jul-to-slf4j", "jul-to-slf4j", None);
        check("-1", "-1", None);
    }

    #[test]
    fn repositories() {
        let check = |path: &str, expected: Option<(&str, &str, &str)>| {
            let names: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
            let seen = from_layout(&names);
            let seen =
                seen.as_ref().map(|c| (c.group.as_str(), c.artifact.as_str(), c.version.as_str()));
            assert_eq!(seen, expected, "{path}");
        };
        let m2 = "root/.m2/repository";
        check(&format!("{m2}/org/x/lib/1.0/lib-1.0.jar"), Some(("org.x", "lib", "1.0")));
        check(&format!("{m2}/x/lib/1.0/lib-1.0-sources.jar"), Some(("x", "lib", "1.0")));
        check(&format!("{m2}/lib/1.0/lib-1.0.jar"), None);
        check(&format!("{m2}/org/x/lib/1.0/other-1.0.jar"), None);
        check("opt/org/x/lib/1.0/lib-1.0.jar", None);
    }
}
