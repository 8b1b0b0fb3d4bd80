//! The order of RubyGems: segments of digits or letters, letters before digits, a hyphen for `.pre.`,
//! trailing zeros without meaning. <https://docs.ruby-lang.org/en/master/Gem/Version.html>

use super::deb::compare_numbers;
use std::cmp::Ordering;

/// How two versions of a gem stand; `None` where one of them is no version.
#[must_use]
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (segments(a)?, segments(b)?);
    let length = a.len().max(b.len());
    let at = |of: &[String], index: usize| of.get(index).cloned().unwrap_or_else(|| "0".to_owned());
    let orders = (0..length).map(|index| compare_segments(&at(&a, index), &at(&b, index)));
    Some(orders.fold(Ordering::Equal, Ordering::then))
}

fn compare_segments(a: &str, b: &str) -> Ordering {
    match (is_number(a), is_number(b)) {
        (true, true) => compare_numbers(a.as_bytes(), b.as_bytes()),
        (false, false) => a.cmp(b),
        (is_number, _) => {
            if is_number {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
    }
}

fn is_number(segment: &str) -> bool {
    segment.starts_with(|c: char| c.is_ascii_digit())
}

fn segments(version: &str) -> Option<Vec<String>> {
    let version = version.trim().replace('-', ".pre.");
    if !version.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut segments: Vec<String> = Vec::new();
    let mut last = None;
    for c in version.chars() {
        let kind = (c.is_ascii_digit(), c.is_ascii_alphabetic());
        match (kind, segments.last_mut()) {
            ((false, false), _) => {}
            (_, Some(segment)) if last == Some(kind) => segment.push(c),
            _ => segments.push(c.to_string()),
        }
        last = Some(kind);
    }
    // Zeros at the end of the release, and at the end of all.
    let letters = segments.iter().position(|segment| !is_number(segment));
    let pre = segments.split_off(letters.unwrap_or(segments.len()));
    let trimmed = |mut part: Vec<String>| {
        while part.last().is_some_and(|last| last.bytes().all(|b| b == b'0')) {
            part.pop();
        }
        part
    };
    Some([trimmed(segments), trimmed(pre)].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_rubygems() {
        let check = |a: &str, expected: Ordering, b: &str| {
            assert_eq!(compare(a, b), Some(expected), "{a} {b}");
            assert_eq!(compare(b, a), Some(expected.reverse()), "{b} {a}");
        };
        check("1.9", Ordering::Less, "1.10");
        check("1.0.0.rc1", Ordering::Less, "1.0.0");
        check("1.0.0.beta2", Ordering::Less, "1.0.0.rc1");
        check("1.0.0-1", Ordering::Less, "1.0.0");
        check("1.0", Ordering::Equal, "1.0.0");
        check("6.1.7.1", Ordering::Greater, "6.1.7");
        check("1.0.a10", Ordering::Greater, "1.0.a9");
        assert_eq!(compare("x", "1"), None);
    }
}
