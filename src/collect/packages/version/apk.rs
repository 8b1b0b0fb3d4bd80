//! Alpine's order: `digits{.digits}[letter]{_suffix[digits]}[~hash][-rN]`, apk-package(5) and
//! `src/version.c` of apk-tools.

use super::deb::{compare_numbers, split_digits};
use std::cmp::Ordering;

/// Suffixes in their order; what has none stands between the two halves.
const BEFORE: [&str; 4] = ["alpha", "beta", "pre", "rc"];
const AFTER: [&str; 5] = ["cvs", "svn", "git", "hg", "p"];

/// As apk decides. What is no valid version is compared as far as it is one.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Tokens::new(a), Tokens::new(b));
    loop {
        let (token_a, token_b) = (a.next(), b.next());
        match compare_tokens(&token_a, &token_b) {
            Ordering::Equal if token_a == Token::End => return Ordering::Equal,
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// The first number, or one after a dot.
    Number {
        digits: &'a [u8],
        is_first: bool,
    },
    Letter(u8),
    /// Its place in the order, and the number that follows.
    Suffix(i8, &'a [u8]),
    Hash(&'a [u8]),
    Revision(&'a [u8]),
    End,
}

impl Token<'_> {
    /// What kinds go on is newer than what ends, but for suffixes that come before a release.
    fn rank(&self) -> u8 {
        match self {
            Self::Suffix(place, _) if *place < 0 => 0,
            Self::End => 1,
            Self::Revision(_) => 2,
            Self::Hash(_) => 3,
            Self::Suffix(..) => 4,
            Self::Letter(_) => 5,
            Self::Number { .. } => 6,
        }
    }
}

fn compare_tokens(a: &Token<'_>, b: &Token<'_>) -> Ordering {
    match (a, b) {
        (Token::Number { digits: a, is_first }, Token::Number { digits: b, .. }) => {
            // A zero in front makes a number after a dot a fraction: 1.05 is older than 1.1.
            let is_fraction = |digits: &[u8]| digits.len() > 1 && digits.starts_with(b"0");
            if !is_first && (is_fraction(a) || is_fraction(b)) {
                a.cmp(b)
            } else {
                compare_numbers(a, b)
            }
        }
        (Token::Letter(a), Token::Letter(b)) => a.cmp(b),
        (Token::Suffix(a, number_a), Token::Suffix(b, number_b)) => {
            a.cmp(b).then_with(|| compare_numbers(number_a, number_b))
        }
        (Token::Hash(a), Token::Hash(b)) => a.cmp(b),
        (Token::Revision(a), Token::Revision(b)) => compare_numbers(a, b),
        (a, b) => a.rank().cmp(&b.rank()),
    }
}

struct Tokens<'a> {
    rest: &'a [u8],
    is_first: bool,
}

impl<'a> Tokens<'a> {
    fn new(version: &'a str) -> Self {
        Self { rest: version.as_bytes(), is_first: true }
    }

    fn next(&mut self) -> Token<'a> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        let Some((&byte, after)) = self.rest.split_first() else { return Token::End };
        if is_first && byte.is_ascii_digit() {
            return Token::Number { digits: self.digits(self.rest), is_first };
        }
        match byte {
            b'.' if after.first().is_some_and(u8::is_ascii_digit) => {
                Token::Number { digits: self.digits(after), is_first }
            }
            b'a'..=b'z' => {
                self.rest = after;
                Token::Letter(byte)
            }
            b'_' => self.suffix(after),
            b'~' => {
                let end = after.iter().position(|b| !b.is_ascii_hexdigit());
                let (hash, rest) = after.split_at(end.unwrap_or(after.len()));
                self.rest = rest;
                Token::Hash(hash)
            }
            b'-' if after.first() == Some(&b'r') => {
                Token::Revision(self.digits(after.get(1..).unwrap_or_default()))
            }
            _ => self.end(),
        }
    }

    /// The digits that a text starts with; goes on after them.
    fn digits(&mut self, from: &'a [u8]) -> &'a [u8] {
        let (digits, rest) = split_digits(from);
        self.rest = rest;
        digits
    }

    fn suffix(&mut self, after: &'a [u8]) -> Token<'a> {
        let end = after.iter().position(|b| !b.is_ascii_lowercase()).unwrap_or(after.len());
        let (word, rest) = after.split_at(end);
        let place = |list: &[&str]| list.iter().position(|known| known.as_bytes() == word);
        let before = place(&BEFORE).and_then(|index| i8::try_from(index).ok());
        let after = place(&AFTER).and_then(|index| i8::try_from(index).ok());
        let place = match (before, after) {
            (Some(index), _) => index.saturating_sub(4),
            (None, Some(index)) => index.saturating_add(1),
            (None, None) => return self.end(),
        };
        Token::Suffix(place, self.digits(rest))
    }

    fn end(&mut self) -> Token<'a> {
        self.rest = b"";
        Token::End
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_the_format() {
        let check = |a: &str, expected: Ordering, b: &str| {
            assert_eq!(compare(a, b), expected, "{a} {b}");
            assert_eq!(compare(b, a), expected.reverse(), "{b} {a}");
        };
        let sorted = [
            "1.0_alpha",
            "1.0_alpha2",
            "1.0_beta",
            "1.0_pre1",
            "1.0_rc1",
            "1.0",
            "1.0-r1",
            "1.0-r10",
            "1.0_git20200101",
            "1.0_p1",
            "1.0a",
            "1.0.1",
            "1.05",
            "1.1",
            "1.10",
            "10",
        ];
        for pair in sorted.windows(2) {
            check(pair[0], Ordering::Less, pair[1]);
        }
        check("1.2.3-r0", Ordering::Equal, "1.2.3-r0");
        check("7.83.1-r2", Ordering::Less, "7.83.1-r3");
        check("", Ordering::Less, "1");
    }
}
