//! Arch's order: `[epoch:]version[-release]`, vercmp(8) and `lib/libalpm/version.c`.
//!
//! Of the same descent as rpm's, without tilde and caret, and with a say for separators.

use super::deb::{compare_numbers, split_digits};
use std::cmp::Ordering;

/// As `vercmp` decides. A release that only one of them has is not compared.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let (epoch_a, version_a, release_a) = split(a);
    let (epoch_b, version_b, release_b) = split(b);
    compare_part(epoch_a.as_bytes(), epoch_b.as_bytes())
        .then_with(|| compare_part(version_a.as_bytes(), version_b.as_bytes()))
        .then_with(|| match (release_a, release_b) {
            (Some(a), Some(b)) => compare_part(a.as_bytes(), b.as_bytes()),
            _ => Ordering::Equal,
        })
}

fn split(text: &str) -> (&str, &str, Option<&str>) {
    let (epoch, rest) = match text.split_once(':') {
        Some(("", rest)) => ("0", rest),
        Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => (epoch, rest),
        _ => ("0", text),
    };
    match rest.rsplit_once('-') {
        Some((version, release)) => (epoch, version, Some(release)),
        None => (epoch, rest, None),
    }
}

fn compare_part<'a>(mut a: &'a [u8], mut b: &'a [u8]) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    while !a.is_empty() && !b.is_empty() {
        let (separators_a, rest_a) = split_while(a, |byte| !byte.is_ascii_alphanumeric());
        let (separators_b, rest_b) = split_while(b, |byte| !byte.is_ascii_alphanumeric());
        (a, b) = (rest_a, rest_b);
        let (Some(first), Some(_)) = (a.first(), b.first()) else { break };
        if separators_a.len() != separators_b.len() {
            return separators_a.len().cmp(&separators_b.len());
        }
        let is_number = first.is_ascii_digit();
        let split = |bytes: &'a [u8]| match is_number {
            true => split_digits(bytes),
            false => split_while(bytes, u8::is_ascii_alphabetic),
        };
        let (segment_a, rest_a) = split(a);
        let (segment_b, rest_b) = split(b);
        if segment_b.is_empty() {
            return if is_number { Ordering::Greater } else { Ordering::Less };
        }
        let order = match is_number {
            true => compare_numbers(segment_a, segment_b),
            false => segment_a.cmp(segment_b),
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    // What goes on with letters is older than what ends there (1.0rc < 1.0), and what goes on with
    // anything else is newer.
    let is_letter = |bytes: &[u8]| bytes.first().is_some_and(u8::is_ascii_alphabetic);
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) if is_letter(b) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, _) if is_letter(a) => Ordering::Less,
        (false, _) => Ordering::Greater,
    }
}

fn split_while(bytes: &[u8], belongs: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !belongs(byte)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::super::testing::both_ways;
    use super::*;

    #[test]
    fn order_of_the_manual() {
        let check = both_ways(compare);
        // vercmp(8): 1.0a < 1.0b < 1.0beta < 1.0p < 1.0pre < 1.0rc < 1.0 < 1.0.a < 1.0.1
        let sorted =
            ["1.0a", "1.0b", "1.0beta", "1.0p", "1.0pre", "1.0rc", "1.0", "1.0.a", "1.0.1"];
        for pair in sorted.windows(2) {
            check(pair[0], Ordering::Less, pair[1]);
        }
        check("1", Ordering::Less, "1.0");
        check("1.5-1", Ordering::Equal, "1.5");
        check("1.5-1", Ordering::Less, "1.5-2");
        check("1:1.0", Ordering::Greater, "3.6");
        check("1.0..1", Ordering::Greater, "1.0.1");
        check("2.0", Ordering::Equal, "2_0");
    }
}
