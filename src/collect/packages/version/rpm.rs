//! rpm's order: `[epoch:]version[-release]`, rpm-version(7) and `rpmio/rpmvercmp.c`.

use super::deb::{compare_numbers, split_digits};
use std::cmp::Ordering;

/// As rpm orders two packages of one name (`rpmverCmp`): by epoch (none is 0), version, then
/// release, none before any.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Evr::parse(a), Evr::parse(b));
    compare_numbers(a.epoch.as_bytes(), b.epoch.as_bytes())
        .then_with(|| compare_part(a.version.as_bytes(), b.version.as_bytes()))
        .then_with(|| match (a.release, b.release) {
            (Some(a), Some(b)) => compare_part(a.as_bytes(), b.as_bytes()),
            (a, b) => a.is_some().cmp(&b.is_some()),
        })
}

struct Evr<'a> {
    epoch: &'a str,
    version: &'a str,
    release: Option<&'a str>,
}

impl<'a> Evr<'a> {
    fn parse(text: &'a str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => (epoch, rest),
            _ => ("", text),
        };
        match rest.rsplit_once('-') {
            Some((version, release)) => Self { epoch, version, release: Some(release) },
            None => Self { epoch, version: rest, release: None },
        }
    }
}

/// Versions without epoch and release: segments of digits or of letters, all else only separates;
/// `~` sorts before the end, `^` after the end and before all else.
#[must_use]
pub fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    while !a.is_empty() || !b.is_empty() {
        a = skip_separators(a);
        b = skip_separators(b);
        match (strip(a, b'~'), strip(b, b'~')) {
            (Some(rest_a), Some(rest_b)) => {
                (a, b) = (rest_a, rest_b);
                continue;
            }
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        match (strip(a, b'^'), strip(b, b'^')) {
            (Some(rest_a), Some(rest_b)) => {
                (a, b) = (rest_a, rest_b);
                continue;
            }
            (Some(_), None) if b.is_empty() => return Ordering::Greater,
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) if a.is_empty() => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        if a.is_empty() || b.is_empty() {
            break;
        }
        // The kind of the first decides what both are read as.
        let is_number = a.first().is_some_and(u8::is_ascii_digit);
        let split = if is_number { split_digits } else { split_letters };
        let (segment_a, rest_a) = split(a);
        let (segment_b, rest_b) = split(b);
        if segment_b.is_empty() {
            return if is_number { Ordering::Greater } else { Ordering::Less };
        }
        let order = if is_number {
            compare_numbers(segment_a, segment_b)
        } else {
            segment_a.cmp(segment_b)
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    a.is_empty().cmp(&b.is_empty()).reverse()
}

fn skip_separators(bytes: &[u8]) -> &[u8] {
    let counts = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'~' | b'^');
    let start = bytes.iter().position(counts).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}

fn strip(bytes: &[u8], mark: u8) -> Option<&[u8]> {
    bytes.strip_prefix(&[mark])
}

fn split_letters(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(bytes.len());
    bytes.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::super::testing::both_ways;
    use super::*;

    #[test]
    fn order_of_the_manual() {
        let check = both_ways(compare);
        check("1.0", Ordering::Equal, "1.0");
        check("1.0", Ordering::Less, "1.0.1");
        check("1.0~rc1", Ordering::Less, "1.0");
        check("1.0^git1", Ordering::Greater, "1.0");
        check("1.0^git1", Ordering::Less, "1.0.1");
        check("1.0^", Ordering::Less, "1.01");
        check("1.0~rc1^git1", Ordering::Greater, "1.0~rc1");
        check("2:1.0", Ordering::Greater, "1:9.0");
        check("0:1.0-1", Ordering::Equal, "1.0-1");
        check("1.0-1", Ordering::Less, "1.0-2");
        check("1.0", Ordering::Less, "1.0-2");
        check("1.0010", Ordering::Greater, "1.9");
        check("1.05", Ordering::Equal, "1.5");
        check("1.a", Ordering::Less, "1.1");
        check("xyz.4", Ordering::Equal, "xyz4");
        check("4.4-19.6.1", Ordering::Less, "4.4-19.10.1");
    }
}
