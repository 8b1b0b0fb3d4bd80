//! Words of a manifest: strings, numbers, names, variables and symbols with their places.

use std::ops::Range;

/// Longer manifests were not written by people.
const MAX_TOKENS: usize = 300_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub range: Range<usize>,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, maybe with `::` in it, a type (`File`), a number, a version that nobody quoted.
    Name,
    /// `$name`.
    Variable,
    /// The range is what stands between the quotes.
    Single,
    /// Between double quotes, or the text of an interpolated heredoc.
    Double,
    /// One character, or `=>`, `+>`, `->`, `~>`, `==`, `!=`, `<|`, `|>`, `+=`, `>=`, `<=`.
    Symbol,
}

/// The words of a text. What is no word is passed over.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let mut heredocs: Vec<(String, bool)> = Vec::new();
    let mut at = 0_usize;
    while let Some(rest) = text.get(at..)
        && let Some(first) = rest.chars().next()
        && found.len() < MAX_TOKENS
    {
        let length = first.len_utf8();
        let word = |kind: Kind, length: usize| Token { kind, range: at..at.saturating_add(length) };
        if first == '\n' && !heredocs.is_empty() {
            at = at.saturating_add(1);
            for (tag, raw) in heredocs.drain(..) {
                let (body, next) = heredoc(text, at, &tag);
                let kind = if raw { Kind::Single } else { Kind::Double };
                // The body takes the place of its mark.
                if let Some(mark) = found
                    .iter_mut()
                    .rev()
                    .find(|t| t.kind == Kind::Symbol && text.get(t.range.clone()) == Some("@("))
                {
                    *mark = Token { kind, range: body };
                }
                at = next;
            }
            continue;
        }
        if first.is_whitespace() {
            at = at.saturating_add(length);
        } else if first == '#' {
            at = at.saturating_add(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            at = at.saturating_add(rest.find("*/").map_or(rest.len(), |end| end.saturating_add(2)));
        } else if rest.starts_with("@(") {
            let end = rest.find(')').unwrap_or(rest.len());
            let inner = rest.get(2..end).unwrap_or_default();
            let raw = !inner.contains('"');
            let tag = inner.split(['/', ':']).next().unwrap_or_default();
            heredocs.push((tag.trim().trim_matches('"').to_owned(), raw));
            found.push(word(Kind::Symbol, 2));
            at = at.saturating_add(end).saturating_add(1);
        } else if first == '\'' || first == '"' {
            let end = closing(rest, first);
            let start = at.saturating_add(1);
            let kind = if first == '"' { Kind::Double } else { Kind::Single };
            found.push(Token { kind, range: start..at.saturating_add(end) });
            at = at.saturating_add(end).saturating_add(1);
        } else if first == '$' {
            let end = name_length(rest.get(1..).unwrap_or_default(), false);
            found.push(word(Kind::Variable, end.saturating_add(1)));
            at = at.saturating_add(end).saturating_add(1);
        } else if first.is_alphanumeric() || first == '_' || rest.starts_with("::") {
            let end = name_length(rest, true);
            found.push(word(Kind::Name, end));
            at = at.saturating_add(end);
        } else if first == '/' && regex_may_begin(&found, text) {
            let end = rest.get(1..).and_then(|rest| rest.find(['/', '\n']));
            at = at.saturating_add(end.map_or(1, |end| end.saturating_add(2)));
        } else {
            let pair = rest.get(..2).filter(|pair| {
                ["=>", "+>", "->", "~>", "==", "!=", "<|", "|>", "+=", ">=", "<="].contains(pair)
            });
            let length = pair.map_or(length, str::len);
            found.push(word(Kind::Symbol, length));
            at = at.saturating_add(length);
        }
    }
    found
}

/// A name: `::` within it belongs to it, a single `:` ends it.
/// Dots and dashes (`1.2-3`) belong to bare words only.
fn name_length(text: &str, bare: bool) -> usize {
    let mut at = 0_usize;
    while let Some(rest) = text.get(at..) {
        if rest.starts_with("::") {
            at = at.saturating_add(2);
            continue;
        }
        match rest.chars().next() {
            Some(c) if c.is_alphanumeric() || c == '_' => at = at.saturating_add(c.len_utf8()),
            Some('.' | '-')
                if bare
                    && rest.chars().nth(1).is_some_and(char::is_alphanumeric)
                    && !rest.starts_with("->") =>
            {
                at = at.saturating_add(1);
            }
            _ => break,
        }
    }
    at.max(usize::from(bare))
}

/// A regular expression stands where a value may begin.
fn regex_may_begin(found: &[Token], text: &str) -> bool {
    found.last().is_none_or(|last| {
        last.kind == Kind::Symbol
            && !text.get(last.range.clone()).is_some_and(|s| [")", "]", "}"].contains(&s))
    })
}

/// How far the quote is that closes a string.
fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return at;
        }
    }
    text.len()
}

/// The body of a heredoc that begins at an offset, and where the text goes on.
fn heredoc(text: &str, from: usize, tag: &str) -> (Range<usize>, usize) {
    let mut at = from;
    for line in text.get(from..).unwrap_or_default().split_inclusive('\n') {
        let content = line.trim().trim_start_matches('|').trim_start().trim_start_matches('-');
        if content.trim() == tag {
            return (from..at, at.saturating_add(line.len()).saturating_sub(1));
        }
        at = at.saturating_add(line.len());
    }
    (from..text.len(), text.len())
}
