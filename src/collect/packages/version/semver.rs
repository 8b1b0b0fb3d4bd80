//! Semantic versioning 2.0 (npm, cargo, Go modules), and the looser versions that are found beside
//! it: any number of components, with or without a `v` in front.

use super::deb::compare_numbers;
use std::cmp::Ordering;

/// Build metadata (`+…`) has no say. `None` where one of them does not start with a number.
#[must_use]
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (core_a, pre_a) = split(a)?;
    let (core_b, pre_b) = split(b)?;
    let order = compare_core(core_a, core_b);
    Some(order.then_with(|| match (pre_a, pre_b) {
        (Some(a), Some(b)) => compare_pre(a, b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }))
}

fn split(version: &str) -> Option<(&str, Option<&str>)> {
    let version = version.trim();
    let version = version.strip_prefix('v').unwrap_or(version);
    let version = version.split('+').next().unwrap_or_default();
    let (core, pre) = match version.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (version, None),
    };
    core.starts_with(|c: char| c.is_ascii_digit()).then_some((core, pre))
}

/// Missing components are zeros.
fn compare_core(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (part_a, part_b) = (a.next(), b.next());
        if part_a.is_none() && part_b.is_none() {
            return Ordering::Equal;
        }
        let order = compare_identifiers(part_a.unwrap_or("0"), part_b.unwrap_or("0"));
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn compare_pre(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (Some(part_a), Some(part_b)) = (a.next(), b.next()) else {
            // Both ended together: the match below sees the end of one of them first.
            return Ordering::Equal;
        };
        match (compare_identifiers(part_a, part_b), a.clone().next(), b.clone().next()) {
            (Ordering::Equal, Some(_), None) => return Ordering::Greater,
            (Ordering::Equal, None, Some(_)) => return Ordering::Less,
            (Ordering::Equal, ..) => {}
            (unequal, ..) => return unequal,
        }
    }
}

/// Numbers by value, and before words.
fn compare_identifiers(a: &str, b: &str) -> Ordering {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match (is_number(a), is_number(b)) {
        (true, true) => compare_numbers(a.as_bytes(), b.as_bytes()),
        (false, false) => a.cmp(b),
        (a, b) => b.cmp(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_the_specification() {
        let check = |a: &str, expected: Option<Ordering>, b: &str| {
            assert_eq!(compare(a, b), expected, "{a} {b}");
            assert_eq!(compare(b, a), expected.map(Ordering::reverse), "{b} {a}");
        };
        let sorted = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2.0",
            "1.10.0",
            "2.0.0",
        ];
        for pair in sorted.windows(2) {
            check(pair[0], Some(Ordering::Less), pair[1]);
        }
        check("v1.2.3", Some(Ordering::Equal), "1.2.3+build.5");
        check("1.2", Some(Ordering::Equal), "1.2.0");
        check("1.2.3.4", Some(Ordering::Greater), "1.2.3");
        check("(devel)", None, "1.0.0");
    }
}
