//! The orders of R, of Perl and of conda, each some numbers between dots with a rule of its own.
//!
//! <https://stat.ethz.ch/R-manual/R-devel/library/base/html/numeric_version.html>,
//! <https://perldoc.perl.org/version>

use super::deb::compare_numbers;
use super::pep440;
use std::cmp::Ordering;

/// R: numbers between dots or hyphens, all the same; what goes on is the later one.
#[must_use]
pub fn compare_r(a: &str, b: &str) -> Option<Ordering> {
    let numbers = |version: &str| -> Option<Vec<String>> {
        let parts = version.trim().split(['.', '-']);
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        parts.map(|part| Some(part).filter(is_number).map(str::to_owned)).collect()
    };
    let (a, b) = (numbers(a)?, numbers(b)?);
    let orders = a.iter().zip(&b).map(|(a, b)| compare_numbers(a.as_bytes(), b.as_bytes()));
    Some(orders.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len())))
}

/// Perl: a `v` or two dots make numbers between dots, anything else is one decimal number, of which
/// each three digits behind the point are one number.
#[must_use]
pub fn compare_perl(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (perl(a)?, perl(b)?);
    let at = |of: &[String], index: usize| of.get(index).cloned().unwrap_or_default();
    let orders = (0..a.len().max(b.len())).map(|index| {
        let (a, b) = (at(&a, index), at(&b, index));
        compare_numbers(a.as_bytes(), b.as_bytes())
    });
    Some(orders.fold(Ordering::Equal, Ordering::then))
}

fn perl(version: &str) -> Option<Vec<String>> {
    let version = version.trim().replace('_', "");
    let bare = version.strip_prefix('v').unwrap_or(&version);
    let is_dotted = bare.len() < version.len() || bare.matches('.').count() > 1;
    let is_plain = bare.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !is_plain || !bare.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if is_dotted {
        return Some(bare.split('.').map(str::to_owned).collect());
    }
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    let groups = fraction.as_bytes().chunks(3).map(|group| {
        let digits = String::from_utf8_lossy(group);
        format!("{digits:0<3}")
    });
    Some(std::iter::once(whole.to_owned()).chain(groups).collect())
}

/// conda, as `VERSION-BUILD`: the version much as Python's, then the number that ends the build.
#[must_use]
pub fn compare_conda(a: &str, b: &str) -> Option<Ordering> {
    let split = |whole: &str| -> (String, Option<u64>) {
        let (version, build) = whole.split_once('-').unwrap_or((whole, ""));
        let number = build.rsplit('_').next().and_then(|number| number.parse().ok());
        (version.to_owned(), number)
    };
    let ((a, build_a), (b, build_b)) = (split(a), split(b));
    Some(pep440::compare(&a, &b)?.then(build_a.cmp(&build_b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Order = fn(&str, &str) -> Option<Ordering>;

    #[test]
    fn each_rule() {
        let check = |order: Order, a: &str, expected: Ordering, b: &str| {
            assert_eq!(order(a, b), Some(expected), "{a} {b}");
            assert_eq!(order(b, a), Some(expected.reverse()), "{b} {a}");
        };
        check(compare_r, "1.0-9", Ordering::Less, "1.0-10");
        check(compare_r, "1.0-1", Ordering::Equal, "1.0.1");
        check(compare_r, "1.0", Ordering::Less, "1.0-0");
        check(compare_perl, "1.1", Ordering::Greater, "1.02");
        check(compare_perl, "1.002003", Ordering::Equal, "v1.2.3");
        check(compare_perl, "1.2.10", Ordering::Greater, "1.2.9");
        check(compare_perl, "0.05_01", Ordering::Greater, "0.05");
        check(compare_conda, "1.9-py311_0", Ordering::Less, "1.10-py311_0");
        check(compare_conda, "1.2.13-hd590300_4", Ordering::Less, "1.2.13-hd590300_5");
        assert_eq!(compare_r("1.x", "1"), None);
        assert_eq!(compare_perl("undef", "1"), None);
    }
}
