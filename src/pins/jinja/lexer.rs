//! Words of an expression.

use std::ops::Range;

/// Longer expressions were not written by people.
const MAX_TOKENS: usize = 2000;

/// A word and where it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub range: Range<usize>,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Number,
    /// The range is what stands between the quotes.
    String,
    /// One character, or `==`, `!=`, `<=`, `>=`, `//`, `**`.
    Symbol,
}

/// The words of a range of a text; `None` where it is no expression.
pub(super) fn tokens(text: &str, range: Range<usize>) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let mut at = range.start;
    let end = range.end;
    while at < end {
        let rest = text.get(at..end)?;
        let first = rest.chars().next()?;
        let length = first.len_utf8();
        let token = if first.is_whitespace() {
            at = at.saturating_add(length);
            continue;
        } else if first.is_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            Token { kind: Kind::Name, range: at..at.saturating_add(length.unwrap_or(rest.len())) }
        } else if first.is_ascii_digit() {
            let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_');
            Token { kind: Kind::Number, range: at..at.saturating_add(length.unwrap_or(rest.len())) }
        } else if first == '\'' || first == '"' {
            let body = rest.get(1..)?;
            let close = closing(body, first)?;
            let start = at.saturating_add(1);
            let stop = start.saturating_add(close);
            found.push(Token { kind: Kind::String, range: start..stop });
            at = stop.saturating_add(1);
            continue;
        } else {
            let pair =
                rest.get(..2).filter(|pair| ["==", "!=", "<=", ">=", "//", "**"].contains(pair));
            Token {
                kind: Kind::Symbol,
                range: at..at.saturating_add(pair.map_or(length, str::len)),
            }
        };
        at = token.range.end;
        found.push(token);
        if found.len() > MAX_TOKENS {
            return None;
        }
    }
    // `{{- x -}}`: the dashes of whitespace control.
    let dash =
        |token: &Token| token.kind == Kind::Symbol && text.get(token.range.clone()) == Some("-");
    if found.first().is_some_and(dash) {
        found.remove(0);
    }
    if found.last().is_some_and(dash) {
        found.pop();
    }
    Some(found)
}

fn closing(body: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in body.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return Some(at);
        }
    }
    None
}
