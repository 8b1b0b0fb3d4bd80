//! Machine images by name or id: AMIs, images of clouds, families, boxes. The one place that says
//! how firmly such a word holds.

use super::classify::is_unknown;
use super::strength::Strength;

/// Prefixes of identifiers that a cloud gives to one image for ever.
const IDS: &[&str] = &["ami-", "omi-", "img-", "m-", "ocid1.image.", "r006-", "r010-", "r014-"];

/// The strength of an image's name or identifier.
#[must_use]
pub fn strength(word: &str) -> Strength {
    let word = word.trim();
    let lower = word.to_ascii_lowercase();
    let last = lower.rsplit('/').next().unwrap_or_default();
    if lower.is_empty() || last == "latest" || lower.starts_with("resolve:ssm:") {
        return ssm_strength(&lower);
    }
    if lower.contains("/family/") || lower.starts_with("family/") {
        return if is_unknown(last) { Strength::Unknown } else { Strength::Floating };
    }
    if lower.contains("/versions/latest") || lower.contains("/version/latest") {
        return Strength::None;
    }
    let identifier = IDS.iter().any(|prefix| {
        last.strip_prefix(prefix).is_some_and(|rest| {
            rest.len() >= 8 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        })
    });
    let number = last.len() >= 5 && last.bytes().all(|byte| byte.is_ascii_digit());
    if identifier || number || is_uuid(last) || has_date(last) {
        return Strength::Content;
    }
    if is_unknown(word) {
        return Strength::Unknown;
    }
    if lower.contains("latest") {
        return Strength::None;
    }
    if lower.contains("/versions/") && !last.contains(['*', '?']) {
        return Strength::Content;
    }
    if has_release(last) && !last.contains(['*', '?']) {
        return Strength::Exact;
    }
    Strength::Floating
}

/// The name of a template or a family, which is given to a newer one at any time.
#[must_use]
pub fn template_strength(word: &str) -> Strength {
    match strength(word) {
        held @ (Strength::Unknown | Strength::None) => held,
        _ => Strength::Floating,
    }
}

/// A reference to a parameter: `resolve:ssm:NAME:VERSION` holds that version.
fn ssm_strength(lower: &str) -> Strength {
    let version = lower.strip_prefix("resolve:ssm:").and_then(|rest| rest.split_once(':'));
    match version {
        Some((_, version)) if version.bytes().all(|b| b.is_ascii_digit()) => Strength::Exact,
        _ => Strength::None,
    }
}

/// The name of a parameter that a provider keeps pointed at its newest image.
#[must_use]
pub fn parameter_strength(name: &str) -> Strength {
    let lower = name.to_ascii_lowercase();
    if lower.contains("latest") || lower.contains("/current/") || lower.contains("recommended") {
        return Strength::None;
    }
    if is_unknown(name) { Strength::Unknown } else { Strength::Floating }
}

/// The strength of a marketplace or gallery version (`latest`, `22.04.202401010`).
#[must_use]
pub fn version_strength(version: &str) -> Strength {
    let lower = version.trim().to_ascii_lowercase();
    if lower.is_empty() || lower == "latest" || lower == "recent" {
        return Strength::None;
    }
    if is_unknown(version) {
        return Strength::Unknown;
    }
    if lower.contains(['*', '>', '<', '~', '^']) { Strength::Range } else { Strength::Content }
}

/// The strength of a name that a filter asks for, wildcards included.
#[must_use]
pub fn filter_strength(name: &str) -> Strength {
    if name.contains(['*', '?']) || name.starts_with('^') || name.ends_with('$') {
        return Strength::Floating;
    }
    match strength(name) {
        Strength::Unknown => Strength::Unknown,
        _ => Strength::Exact,
    }
}

/// Whether a name only says an image of a distribution's release: no date and no full version.
fn has_release(name: &str) -> bool {
    name.split(['-', '_']).any(|part| {
        let part = part.trim_start_matches('v');
        let numbers: Vec<&str> = part.split('.').collect();
        numbers.len() >= 3
            && numbers.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// Eight digits that are a date (`20240110`), or a date with dashes (`2024-01-10`).
fn has_date(name: &str) -> bool {
    let packed = name.split(|c: char| !c.is_ascii_digit()).any(|run| {
        run.len() >= 8 && run.get(..2).is_some_and(|century| century == "20" || century == "19")
    });
    let dashed = name.as_bytes().windows(10).any(|w| {
        w.starts_with(b"20")
            && w.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    });
    (packed || dashed) && !name.contains(['*', '?'])
}

fn is_uuid(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12]
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |word: &str, expected: Strength| assert_eq!(strength(word), expected, "{word}");
        check("ami-0123456789abcdef0", Strength::Content);
        check("debian-cloud/debian-12", Strength::Floating);
        check("debian-cloud/debian-12-bookworm-v20240110", Strength::Content);
        check("projects/debian-cloud/global/images/family/debian-12", Strength::Floating);
        check("ubuntu-22-04-x64", Strength::Floating);
        check("12345678", Strength::Content);
        check("8c3cd338-6ff8-11e4-83a1-5254004d77d3", Strength::Content);
        check("resolve:ssm:/aws/service/ami/latest", Strength::None);
        check("resolve:ssm:/my/ami:3", Strength::Exact);
        check("base-1.2.3", Strength::Exact);
        check("\u{10fffe}", Strength::Unknown);
        check("ubuntu-20*", Strength::Floating);
        check("talos-v1.6.0-amd64", Strength::Exact);
    }

    #[test]
    fn versions_and_filters() {
        assert_eq!(version_strength("latest"), Strength::None);
        assert_eq!(version_strength("22.04.202401010"), Strength::Content);
        assert_eq!(filter_strength("ubuntu/images/*-22.04-*"), Strength::Floating);
        assert_eq!(filter_strength("ubuntu-22.04-20240101"), Strength::Exact);
        assert_eq!(parameter_strength("/aws/service/eks/recommended/image_id"), Strength::None);
    }
}
