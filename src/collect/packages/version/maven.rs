//! The order of Maven: numbers and words between dots, hyphens and changes from one to the other,
//! and some words that mean less, or nothing.
//! <https://maven.apache.org/pom.html#version-order-specification>

use super::deb::compare_numbers;
use std::cmp::Ordering;

/// How two versions stand; `None` where one is empty.
#[must_use]
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (tokens(a)?, tokens(b)?);
    let length = a.len().max(b.len());
    let orders = (0..length).map(|index| match (a.get(index), b.get(index)) {
        (Some(a), Some(b)) => compare_tokens(a, b),
        (Some(a), None) => compare_tokens(a, &a.nothing()),
        (None, Some(b)) => compare_tokens(&b.nothing(), b),
        (None, None) => Ordering::Equal,
    });
    Some(orders.fold(Ordering::Equal, Ordering::then))
}

/// A number or a word, with what stands before it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    is_after_dot: bool,
    is_number: bool,
    text: String,
}

impl Token {
    /// What stands in for it on the side that has no such token.
    fn nothing(&self) -> Self {
        let text = if self.is_number { "0" } else { "" };
        Self { text: text.to_owned(), ..self.clone() }
    }

    fn is_nothing(&self) -> bool {
        match self.is_number {
            true => self.text.bytes().all(|b| b == b'0'),
            false => matches!(self.text.as_str(), "" | "final" | "ga" | "release"),
        }
    }

    /// Among words: those that are known come first.
    fn rank(&self) -> usize {
        const WORDS: [&str; 5] = ["alpha", "beta", "milestone", "rc", "snapshot"];
        match self.text.as_str() {
            _ if self.is_nothing() => WORDS.len(),
            "cr" => 3,
            "sp" => WORDS.len().saturating_add(1),
            word => {
                let known = WORDS.iter().position(|known| *known == word);
                known.unwrap_or(WORDS.len().saturating_add(2))
            }
        }
    }
}

fn compare_tokens(a: &Token, b: &Token) -> Ordering {
    match (a.is_number, b.is_number) {
        (true, true) => {
            let dots = a.is_after_dot.cmp(&b.is_after_dot);
            dots.then_with(|| compare_numbers(a.text.as_bytes(), b.text.as_bytes()))
        }
        (false, false) => {
            let unknown =
                |token: &Token| if token.rank() > 6 { token.text.clone() } else { String::new() };
            a.rank().cmp(&b.rank()).then_with(|| unknown(a).cmp(&unknown(b)))
        }
        (is_number, _) => {
            if is_number {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
    }
}

fn tokens(version: &str) -> Option<Vec<Token>> {
    let version = version.trim().to_ascii_lowercase();
    if version.is_empty() {
        return None;
    }
    let mut tokens = vec![Token { is_after_dot: false, is_number: true, text: String::new() }];
    let mut is_started = false;
    for c in version.chars() {
        let is_separator = matches!(c, '.' | '-' | '_');
        let is_number = c.is_ascii_digit();
        match tokens.last_mut() {
            Some(last) if !is_separator && (!is_started || last.is_number == is_number) => {
                last.is_number = is_number;
                last.text.push(c);
                is_started = true;
            }
            Some(last) => {
                // One letter before a number is short for a word.
                if is_number && is_started && !is_separator {
                    last.text = match last.text.as_str() {
                        "a" => "alpha".to_owned(),
                        "b" => "beta".to_owned(),
                        "m" => "milestone".to_owned(),
                        other => other.to_owned(),
                    };
                }
                let text = if is_separator { String::new() } else { c.to_string() };
                is_started = !is_separator;
                tokens.push(Token {
                    is_after_dot: c == '.',
                    is_number: is_number || is_separator,
                    text,
                });
            }
            None => {}
        }
    }
    Some(trimmed(tokens))
}

/// Without what means nothing at the end, and before each hyphen.
fn trimmed(tokens: Vec<Token>) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::new();
    let drop_nothing = |out: &mut Vec<Token>| {
        while out.len() > 1 && out.last().is_some_and(Token::is_nothing) {
            out.pop();
        }
    };
    for token in tokens {
        if !token.is_after_dot {
            drop_nothing(&mut out);
        }
        out.push(token);
    }
    drop_nothing(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_the_specification() {
        let check = |a: &str, expected: Ordering, b: &str| {
            assert_eq!(compare(a, b), Some(expected), "{a} {b}");
            assert_eq!(compare(b, a), Some(expected.reverse()), "{b} {a}");
        };
        check("1", Ordering::Less, "1.1");
        check("1.9", Ordering::Less, "1.10");
        check("1", Ordering::Equal, "1.0.0");
        check("1.ga", Ordering::Equal, "1-final");
        check("1-snapshot", Ordering::Less, "1");
        check("1", Ordering::Less, "1-sp");
        check("1-sp", Ordering::Less, "1-jre");
        check("1-alpha2", Ordering::Less, "1-alpha-10");
        check("1-a1", Ordering::Equal, "1-alpha-1");
        check("1.0-RC1", Ordering::Less, "1.0.Final");
        check("1-foo2", Ordering::Less, "1-1");
        check("1-1", Ordering::Less, "1.1");
        check("5.3.0.RELEASE", Ordering::Less, "5.3.1.RELEASE");
        check("31.1-jre", Ordering::Less, "32.0.0-jre");
        assert_eq!(compare("", "1"), None);
    }
}
