//! Python's order: `[N!]N(.N)*[{a|b|rc}N][.postN][.devN][+local]`, PEP 440.

use super::deb::{compare_numbers, split_digits};
use std::cmp::Ordering;

/// As `packaging.version` orders two valid versions; `None` where one of them is none.
#[must_use]
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    let (a, b) = (Version::parse(&a)?, Version::parse(&b)?);
    let part = |a: &Option<&str>, b: &Option<&str>| compare_optional(*a, *b);
    Some(
        number(a.epoch, b.epoch)
            .then_with(|| compare_release(&a.release, &b.release))
            .then_with(|| compare_pre(&a, &b))
            .then_with(|| part(&a.post, &b.post))
            .then_with(|| match (a.dev, b.dev) {
                (Some(a), Some(b)) => number(a, b),
                (a, b) => b.is_some().cmp(&a.is_some()),
            })
            .then_with(|| compare_local(a.local, b.local)),
    )
}

#[derive(Debug)]
struct Version<'a> {
    epoch: &'a str,
    release: Vec<&'a str>,
    /// `a`, `b` or `c`, and its number.
    pre: Option<(u8, &'a str)>,
    post: Option<&'a str>,
    dev: Option<&'a str>,
    local: Option<&'a str>,
}

/// Spellings of the three kinds of pre-releases, longer ones first.
const PRE: [(&str, u8); 8] = [
    ("alpha", b'a'),
    ("beta", b'b'),
    ("preview", b'c'),
    ("pre", b'c'),
    ("rc", b'c'),
    ("a", b'a'),
    ("b", b'b'),
    ("c", b'c'),
];

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let (public, local) = match text.split_once('+') {
            Some((public, local)) => (public, Some(local)),
            None => (text, None),
        };
        let (epoch, mut rest) = public.split_once('!').unwrap_or(("0", public));
        let mut release = Vec::new();
        loop {
            let (digits, after) = digits(rest);
            if digits.is_empty() {
                return None;
            }
            release.push(digits);
            rest = after;
            match after.strip_prefix('.') {
                Some(next) if next.starts_with(|c: char| c.is_ascii_digit()) => rest = next,
                _ => break,
            }
        }
        let pre = PRE.iter().find_map(|(word, kind)| {
            let (number, after) = marked(rest, word)?;
            rest = after;
            Some((*kind, number))
        });
        let mut post = ["post", "rev", "r"].iter().find_map(|word| {
            let (number, after) = marked(rest, word)?;
            rest = after;
            Some(number)
        });
        if post.is_none()
            && let Some(after) = rest.strip_prefix('-')
            && after.starts_with(|c: char| c.is_ascii_digit())
        {
            let (number, after) = digits(after);
            post = Some(number);
            rest = after;
        }
        let dev = marked(rest, "dev").map(|(number, after)| {
            rest = after;
            number
        });
        rest.is_empty().then_some(Self { epoch, release, pre, post, dev, local })
    }
}

/// A word with a separator before it or not, and its number, which may be left out.
fn marked<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let separators = ['.', '-', '_'];
    let bare = text.strip_prefix(separators).unwrap_or(text);
    let after = bare.strip_prefix(word)?;
    let bare = after.strip_prefix(separators);
    match bare.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        Some(rest) => Some(digits(rest)),
        None => Some(digits(after)),
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(split_digits(text.as_bytes()).0.len())
}

fn number(a: &str, b: &str) -> Ordering {
    compare_numbers(a.as_bytes(), b.as_bytes())
}

/// Missing components are zeros.
fn compare_release(a: &[&str], b: &[&str]) -> Ordering {
    let at =
        |parts: &[&str], index: usize| parts.get(index).map_or("0".to_owned(), |p| (*p).to_owned());
    let orders = (0..a.len().max(b.len())).map(|index| number(&at(a, index), &at(b, index)));
    orders.into_iter().find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
}

/// A development release of a release comes before its pre-releases, these before the release.
fn compare_pre(a: &Version<'_>, b: &Version<'_>) -> Ordering {
    let rank = |version: &Version<'_>| match version.pre {
        Some((kind, _)) => kind,
        None if version.post.is_none() && version.dev.is_some() => 0,
        None => u8::MAX,
    };
    rank(a).cmp(&rank(b)).then_with(|| match (a.pre, b.pre) {
        (Some((_, a)), Some((_, b))) => number(a, b),
        _ => Ordering::Equal,
    })
}

fn compare_optional(a: Option<&str>, b: Option<&str>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => number(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// Numbers are newer than words, and what goes on is newer.
fn compare_local(a: Option<&str>, b: Option<&str>) -> Ordering {
    let (Some(a), Some(b)) = (a, b) else { return a.is_some().cmp(&b.is_some()) };
    let separators = ['.', '-', '_'];
    let (mut a, mut b) = (a.split(separators), b.split(separators));
    loop {
        let (a, b) = (a.next(), b.next());
        let (Some(a), Some(b)) = (a, b) else { return a.is_some().cmp(&b.is_some()) };
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let order = match (is_number(a), is_number(b)) {
            (true, true) => number(a, b),
            (false, false) => a.cmp(b),
            (a, b) => a.cmp(&b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_the_pep() {
        let check = |a: &str, expected: Option<Ordering>, b: &str| {
            assert_eq!(compare(a, b), expected, "{a} {b}");
            assert_eq!(compare(b, a), expected.map(Ordering::reverse), "{b} {a}");
        };
        let sorted = [
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+5",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.0.15",
            "1.1.dev1",
            "1!0.1",
        ];
        for pair in sorted.windows(2) {
            check(pair[0], Some(Ordering::Less), pair[1]);
        }
        check("1.0", Some(Ordering::Equal), "v1.0.0");
        check("1.0-1", Some(Ordering::Equal), "1.0.post1");
        check("1.0ALPHA1", Some(Ordering::Equal), "1.0a1");
        check("1.0c1", Some(Ordering::Equal), "1.0-rc.1");
        check("1.0", None, "french toast");
        check("", None, "1");
    }
}
