//! Container image references: `[registry[:port]/]path[:tag][@digest]`, as the distribution
//! specification's reference grammar reads them.

use super::classify::is_unknown;
use super::span::UNKNOWN;
use super::strength::Strength;

/// A reference taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRef<'a> {
    /// Registry and path without tag and digest.
    pub name: &'a str,
    /// Behind the last colon of the last path component.
    pub tag: Option<&'a str>,
    /// Behind the `@`, algorithm included.
    pub digest: Option<&'a str>,
}

impl<'a> ImageRef<'a> {
    /// Takes a reference apart. Never fails: what is no reference has a name only.
    #[must_use]
    pub fn parse(word: &'a str) -> Self {
        let word = word.trim();
        let word = ["docker://", "docker-image://", "oci://"]
            .iter()
            .find_map(|scheme| word.strip_prefix(scheme))
            .unwrap_or(word);
        let (rest, digest) = match word.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (word, None),
        };
        let after_slash = rest.rfind('/').map_or(0, |slash| slash.saturating_add(1));
        let last = rest.get(after_slash..).unwrap_or_default();
        match last.split_once(':') {
            Some((_, tag)) => {
                let end = rest.len().saturating_sub(tag.len().saturating_add(1));
                Self { name: rest.get(..end).unwrap_or_default(), tag: Some(tag), digest }
            }
            None => Self { name: rest, tag: None, digest },
        }
    }

    /// How firmly it holds.
    #[must_use]
    pub fn strength(&self) -> Strength {
        match (self.digest, self.tag) {
            (Some(digest), _) => digest_strength(digest),
            (None, Some(tag)) => tag_strength(tag),
            (None, None) if is_unknown(self.name) && self.name.ends_with(UNKNOWN) => {
                // The variable may bring its own tag or digest along.
                Strength::Unknown
            }
            // Names are written small: this one stands for what somebody fills in.
            (None, None) if self.is_placeholder() => Strength::Unknown,
            (None, None) => Strength::None,
        }
    }

    /// `BASEIMAGE`, `REPLACE_ME`: capitals throughout, which no repository's name has.
    fn is_placeholder(&self) -> bool {
        let letters = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        self.name.len() > 1
            && self.name.bytes().all(|byte| letters(byte) || byte.is_ascii_digit())
            && self.name.bytes().any(|byte| byte.is_ascii_uppercase())
    }

    /// Tag and digest as they are written, without the leading `:` and with the `@`.
    #[must_use]
    pub fn requested(&self) -> String {
        match (self.tag, self.digest) {
            (Some(tag), Some(digest)) => format!("{tag}@{digest}"),
            (Some(tag), None) => tag.to_owned(),
            (None, Some(digest)) => format!("@{digest}"),
            (None, None) => String::new(),
        }
    }
}

/// `sha256:` and 64 hexadecimal digits (or sha512 and 128); anything shorter, and what names no
/// algorithm (`@v1`), is refused by every registry and pins nothing.
fn digest_strength(digest: &str) -> Strength {
    if is_unknown(digest) {
        return Strength::Unknown;
    }
    let Some((algorithm, value)) = digest.split_once(':') else { return Strength::None };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Strength::Unknown,
    };
    let whole = value.len() == length && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if whole { Strength::Content } else { Strength::None }
}

/// How firmly a tag alone holds: `latest` not at all; one with a full version (three numbers) or a
/// date is exact until someone moves it; everything else moves on purpose.
#[must_use]
pub fn tag_strength(tag: &str) -> Strength {
    let lower = tag.to_ascii_lowercase();
    if lower.is_empty() || lower == "latest" {
        return Strength::None;
    }
    if is_unknown(tag) {
        return Strength::Unknown;
    }
    if lower == "latest" || lower.starts_with("latest-") || lower.ends_with("-latest") {
        return Strength::Floating;
    }
    let exact = lower.split(['-', '_', '+']).any(|part| {
        let part = part.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let numbers =
            part.split('.').filter(|number| number.starts_with(|c: char| c.is_ascii_digit()));
        let date = part.len() >= 8 && part.bytes().take(8).all(|byte| byte.is_ascii_digit());
        numbers.count() >= 3 || date || is_java_update(part)
    });
    let commit = lower.split(['-', '_', '+', '.']).any(is_commit);
    if exact || commit || has_dashed_date(&lower) { Strength::Exact } else { Strength::Floating }
}

/// A commit's hash, abbreviated or whole: images are tagged with what they were built from.
fn is_commit(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    (7..=40).contains(&part.len())
        && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        && digits > 0
        && digits < part.len()
}

/// `8u292`, as Java counted its releases until 8.
fn is_java_update(part: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    part.split_once('u').is_some_and(|(major, update)| number(major) && number(update))
}

/// `2021-07-15` among the parts of a tag.
fn has_dashed_date(tag: &str) -> bool {
    let parts: Vec<&str> = tag.split(['-', '_']).collect();
    let number = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    parts.windows(3).any(|window| match window {
        [year, month, day] => number(year, 4) && number(month, 2) && number(day, 2),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let check = |word: &str, name: &str, expected: Strength| {
            let image = ImageRef::parse(word);
            assert_eq!((image.name, image.strength()), (name, expected), "{word}");
        };
        check("debian", "debian", Strength::None);
        check("debian:latest", "debian", Strength::None);
        check("debian:12", "debian", Strength::Floating);
        check("debian:sid", "debian", Strength::Floating);
        check("python:3.12.1-slim", "python", Strength::Exact);
        check("debian:bookworm-20240101", "debian", Strength::Exact);
        check("localhost:5000/a/b", "localhost:5000/a/b", Strength::None);
        check("localhost:5000/a/b:1.2.3", "localhost:5000/a/b", Strength::Exact);
        check(&format!("debian@{digest}"), "debian", Strength::Content);
        check(&format!("debian:12@{digest}"), "debian", Strength::Content);
        check("debian@sha256:abc", "debian", Strength::None);
        check("debian:12@v1", "debian", Strength::None);
        check("debian@sha256", "debian", Strength::None);
        check("openjdk:8u292-oracle", "openjdk", Strength::Exact);
        check("a/b:alpine-2021-07-15", "a/b", Strength::Exact);
        check("a/b:1-2-3", "a/b", Strength::Floating);
        check("a/b:b4dd11e16ae4", "a/b", Strength::Exact);
        check("a/b:main-0a1b2c3", "a/b", Strength::Exact);
        check("a/b:deadbeef", "a/b", Strength::Floating);
        check("debian:\u{10fffe}", "debian", Strength::Unknown);
        check("\u{10fffe}", "\u{10fffe}", Strength::Unknown);
        check("BASE_IMAGE", "BASE_IMAGE", Strength::Unknown);
        check("REGISTRY.LOCAL/debian", "REGISTRY.LOCAL/debian", Strength::None);
        check("\u{10fffe}/debian", "\u{10fffe}/debian", Strength::None);
    }
}
