//! Gentoo's order: `digits{.digits}[letter]{_suffix[digits]}[-rN]`, Package Manager Specification 8,
//! section 3.3 <https://projects.gentoo.org/pms/8/pms.html#version-comparison>.

use super::deb::{compare_numbers, split_digits};
use std::cmp::Ordering;

/// As the specification compares; `None` where one is no valid version.
#[must_use]
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Version::parse(a)?, Version::parse(b)?);
    let order = compare_numbers(a.first, b.first);
    let order = order.then_with(|| compare_rest(&a.rest, &b.rest));
    let order = order.then_with(|| a.letter.cmp(&b.letter));
    let order = order.then_with(|| compare_suffixes(&a.suffixes, &b.suffixes));
    Some(order.then_with(|| compare_numbers(a.revision, b.revision)))
}

struct Version<'a> {
    first: &'a [u8],
    /// After dots.
    rest: Vec<&'a [u8]>,
    letter: Option<u8>,
    suffixes: Vec<(Suffix, &'a [u8])>,
    revision: &'a [u8],
}

/// In their order; what has none stands before [`Suffix::Patch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Suffix {
    Alpha,
    Beta,
    Pre,
    Candidate,
    Patch,
}

impl Suffix {
    const ALL: [(&'static [u8], Self); 5] = [
        (b"_alpha", Self::Alpha),
        (b"_beta", Self::Beta),
        (b"_pre", Self::Pre),
        (b"_rc", Self::Candidate),
        (b"_p", Self::Patch),
    ];
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (first, mut left) = split_digits(text.as_bytes());
        let mut rest = Vec::new();
        while let Some(after) = left.strip_prefix(b".") {
            let (digits, after) = split_digits(after);
            if digits.is_empty() {
                return None;
            }
            rest.push(digits);
            left = after;
        }
        let letter = left.first().copied().filter(u8::is_ascii_lowercase);
        left = left.get(usize::from(letter.is_some())..)?;
        let mut suffixes = Vec::new();
        while left.starts_with(b"_") {
            let found = Suffix::ALL.iter().find_map(|(word, suffix)| {
                let (digits, after) = split_digits(left.strip_prefix(*word)?);
                Some((*suffix, digits, after))
            });
            let (suffix, digits, after) = found?;
            suffixes.push((suffix, digits));
            left = after;
        }
        let (revision, left) = match left.strip_prefix(b"-r") {
            Some(after) => split_digits(after),
            None => (b"".as_slice(), left),
        };
        let is_whole = !first.is_empty() && left.is_empty();
        is_whole.then_some(Self { first, rest, letter, suffixes, revision })
    }
}

/// A zero in front makes a fraction of a number: 1.05 is older than 1.1, and 1.10 is 1.1 to it.
fn compare_rest(a: &[&[u8]], b: &[&[u8]]) -> Ordering {
    let one = |(a, b): (&&[u8], &&[u8])| {
        if a.starts_with(b"0") || b.starts_with(b"0") {
            without_end(a).cmp(without_end(b))
        } else {
            compare_numbers(a, b)
        }
    };
    let unequal = a.iter().zip(b).map(one).find(|order| order.is_ne());
    unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn without_end(digits: &[u8]) -> &[u8] {
    let end = digits.iter().rposition(|digit| *digit != b'0');
    digits.get(..end.map_or(0, |at| at.saturating_add(1))).unwrap_or_default()
}

fn compare_suffixes(a: &[(Suffix, &[u8])], b: &[(Suffix, &[u8])]) -> Ordering {
    let mut at = 0_usize;
    loop {
        // Where one ends, a patch is newer than nothing and all others are older.
        let unequal = match (a.get(at), b.get(at)) {
            (None, None) => return Ordering::Equal,
            (Some((a, number_a)), Some((b, number_b))) => {
                a.cmp(b).then_with(|| compare_numbers(number_a, number_b))
            }
            (Some((more, _)), None) if *more == Suffix::Patch => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (None, Some((more, _))) if *more == Suffix::Patch => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
        };
        if unequal.is_ne() {
            return unequal;
        }
        at = at.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_specification_has_it() {
        let check = |a: &str, expected: Ordering, b: &str| {
            assert_eq!(compare(a, b), Some(expected), "{a} {b}");
            assert_eq!(compare(b, a), Some(expected.reverse()), "{b} {a}");
        };
        use Ordering::{Equal, Greater, Less};
        check("1.2.3", Less, "1.10");
        check("1.05", Less, "1.1");
        check("1.010", Equal, "1.01");
        check("1.0", Less, "1.0.0");
        check("10", Greater, "9.9");
        check("010", Equal, "10");
        check("1.2b", Greater, "1.2a");
        check("1.2a", Greater, "1.2");
        check("1_alpha2", Less, "1_beta1");
        check("1_rc9", Less, "1");
        check("1_p0", Greater, "1");
        check("1_p", Equal, "1_p0");
        check("1_alpha", Less, "1_alpha_p1");
        check("1_alpha_pre2", Less, "1_alpha");
        check("1-r1", Greater, "1");
        check("1-r0", Equal, "1");
        check("1.22.1-r2", Less, "1.22.1-r10");
        for odd in ["", "a", "1.", "1_x", "1-1", "1b2", "1.2-r1x"] {
            assert_eq!(compare(odd, "1"), None, "{odd}");
        }
    }
}
