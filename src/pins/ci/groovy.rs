//! The words of a Groovy text, as far as a Jenkinsfile wants them: names, strings with their map,
//! marks. Comments are passed over. Nothing is evaluated but strings whose interpolated names are
//! known to the caller.

use crate::pins::span::{Fragment, FragmentBuilder};
use std::ops::Range;

/// A word.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A name or a number.
    Name(String),
    /// What stands between the quotes, and whether `$` means something in it.
    Text { inside: Range<usize>, interpolated: bool },
    /// Anything else, one character.
    Mark(char),
}

impl Token {
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(&self.kind, Kind::Name(own) if own == name)
    }

    pub(super) fn is_mark(&self, mark: char) -> bool {
        matches!(self.kind, Kind::Mark(own) if own == mark)
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text { .. })
    }
}

/// More words than this were not written by people.
const MAX_TOKENS: usize = 200_000;

/// Takes a text apart.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0_usize;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if found.len() >= MAX_TOKENS {
            break;
        }
        let Some(first) = rest.chars().next() else { break };
        let (kind, length) = if first.is_whitespace() {
            (None, first.len_utf8())
        } else if rest.starts_with("//") || rest.starts_with('#') && at == 0 {
            (None, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (None, rest.find("*/").map_or(rest.len(), |end| end.saturating_add(2)))
        } else if matches!(first, '"' | '\'') {
            let (inside, length) = string(rest, first);
            let inside = at.saturating_add(inside.start)..at.saturating_add(inside.end);
            (Some(Kind::Text { inside, interpolated: first == '"' }), length)
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (Some(Kind::Name(rest.get(..end).unwrap_or_default().to_owned())), end)
        } else {
            (Some(Kind::Mark(first)), first.len_utf8())
        };
        let end = at.saturating_add(length.max(1));
        if let Some(kind) = kind {
            found.push(Token { kind });
        }
        at = end;
    }
    found
}

/// The inside of a string at the start of a text, and its whole length. One that is not closed ends
/// with its line.
fn string(text: &str, quote: char) -> (Range<usize>, usize) {
    let triple: String = std::iter::repeat_n(quote, 3).collect();
    let close =
        if text.starts_with(&triple) { triple.as_str() } else { triple.get(..1).unwrap_or("'") };
    let start = close.len();
    let mut at = start;
    let mut escaped = false;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(character) = rest.chars().next() else { break };
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if rest.starts_with(close) {
            return (start..at, at.saturating_add(close.len()));
        } else if character == '\n' && close.len() == 1 {
            return (start..at, at);
        }
        at = at.saturating_add(character.len_utf8());
    }
    (start..text.len().max(start), text.len())
}

/// A string's value with its map: escapes taken off, `$name` and `${name}` looked up with `known`.
pub(super) fn value(
    source: &Fragment,
    inside: Range<usize>,
    interpolated: bool,
    known: &dyn Fn(&str) -> Option<String>,
) -> Fragment {
    let text = source.get(inside.clone());
    let absolute = |offset: usize| inside.start.saturating_add(offset);
    let mut builder = FragmentBuilder::default();
    let (mut done, mut at) = (0_usize, 0_usize);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(skip) = rest.find(['\\', '$']) else { break };
        at = at.saturating_add(skip);
        let rest = text.get(at..).unwrap_or_default();
        let next = rest.chars().nth(1);
        if rest.starts_with('\\') {
            let Some(code) = next else { break };
            let end = at.saturating_add(1).saturating_add(code.len_utf8());
            let decoded = match code {
                'n' => "\n",
                't' => "\t",
                'r' => "\r",
                '\n' => "",
                '\\' | '\'' | '"' | '$' => text.get(at.saturating_add(1)..end).unwrap_or_default(),
                // Groovy refuses others; what was meant is the character itself.
                _ => text.get(at..end).unwrap_or_default(),
            };
            builder.append_range(source, absolute(done)..absolute(at));
            builder.replaced(decoded, source.raw_range(absolute(at)..absolute(end)));
            at = end;
            done = end;
            continue;
        }
        let name_end = |from: usize| {
            let name = text.get(from..).unwrap_or_default();
            let length = name.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
            from.saturating_add(length.unwrap_or(name.len()))
        };
        let (name, end) = match next.filter(|_| interpolated) {
            Some('{') => {
                let body = at.saturating_add(2);
                let length = text.get(body..).and_then(|rest| rest.find('}'));
                let Some(length) = length else { break };
                let close = body.saturating_add(length);
                (text.get(body..close).unwrap_or_default(), close.saturating_add(1))
            }
            Some(c) if c.is_alphabetic() || c == '_' => {
                let from = at.saturating_add(1);
                let end = name_end(from);
                (text.get(from..end).unwrap_or_default(), end)
            }
            _ => {
                at = at.saturating_add(1);
                continue;
            }
        };
        builder.append_range(source, absolute(done)..absolute(at));
        let raw = source.raw_range(absolute(at)..absolute(end));
        let bare = name.trim().trim_start_matches("env.").trim_start_matches("params.");
        match known(bare) {
            Some(value) => builder.replaced(&value, raw),
            None => builder.unknown(raw),
        }
        at = end;
        done = end;
    }
    builder.append_range(source, absolute(done)..inside.end);
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::span::UNKNOWN;

    #[test]
    fn strings_keep_their_place() {
        let check = |text: &str, expected: &str| {
            let token = tokens(text).into_iter().find(Token::is_text).unwrap();
            let Kind::Text { inside, interpolated } = token.kind else { panic!("{text}") };
            let source = Fragment::verbatim(text, 0);
            let known = |name: &str| (name == "V").then(|| "1.0".to_owned());
            let found = value(&source, inside, interpolated, &known);
            assert_eq!(found.text().replace(UNKNOWN, "?"), expected, "{text}");
        };
        check("sh 'a $b'", "a $b");
        check("sh \"a ${V} $V ${x.y} \\$z\"", "a 1.0 1.0 ? $z");
        check("sh '''a\n  'b' \\\\\n'''", "a\n  'b' \\\n");
        check("// 'x'\n/* 'y' */ sh \"\"\"q\"\"\"", "q");
        check("sh 'open\nnext", "open");
    }
}
