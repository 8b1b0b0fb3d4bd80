//! Cuts a body into its items (`name = …`, `keyword … { … }`) before anything parses them, so that
//! one broken item costs only itself.
//!
//! It knows brackets, quotes with `${ }` in them, comments and heredocs, and nothing else. One
//! pass, no recursion.

use std::ops::Range;

/// How often the search may start again behind an item that never closes; each time costs a pass
/// over the rest.
const MAX_RESTARTS: usize = 50;

/// An item of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub range: Range<usize>,
    /// Inside of the braces, if it is a block.
    pub body: Option<Range<usize>>,
    /// Whether all brackets were closed.
    pub closed: bool,
}

/// The items of a part of a text.
pub(super) fn items(text: &str, range: Range<usize>) -> Vec<Item> {
    let bytes = text.as_bytes().get(..range.end).unwrap_or_default();
    let mut found = Vec::new();
    let mut at = range.start;
    let mut restarts = 0_usize;
    while at < bytes.len() {
        at = skip_blank(bytes, at);
        if at >= bytes.len() {
            break;
        }
        let mut item = item(bytes, at);
        if !item.closed {
            restarts = restarts.saturating_add(1);
            if restarts <= MAX_RESTARTS
                && let Some(next) = next_header(text, at, item.range.end)
            {
                item.range.end = next;
                item.body = item.body.map(|body| body.start.min(next)..next);
            }
        }
        at = item.range.end.max(at.saturating_add(1));
        found.push(item);
    }
    found
}

/// Behind blanks and comments.
fn skip_blank(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at.saturating_add(1));
        match (byte, next) {
            (b'#', _) | (b'/', Some(b'/')) => at = line_end(bytes, at),
            (b'/', Some(b'*')) => at = comment_end(bytes, at),
            _ if byte.is_ascii_whitespace() => at = at.saturating_add(1),
            _ => break,
        }
    }
    at
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |n| at.saturating_add(n))
}

fn comment_end(bytes: &[u8], at: usize) -> usize {
    let inside = at.saturating_add(2);
    let rest = bytes.get(inside..).unwrap_or_default();
    rest.windows(2)
        .position(|pair| pair == b"*/")
        .map_or(bytes.len(), |n| inside.saturating_add(n).saturating_add(2))
}

/// What is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Bracket,
    Quote,
    Template,
}

fn item(bytes: &[u8], start: usize) -> Item {
    let mut stack: Vec<Open> = Vec::new();
    let mut at = start;
    let mut assigned = false;
    let mut body_start = None;
    let mut body = None;
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at.saturating_add(1)).copied();
        if stack.last() == Some(&Open::Quote) {
            match (byte, next) {
                (b'\\', _) => at = at.saturating_add(1),
                (b'"', _) => {
                    stack.pop();
                }
                (b'$' | b'%', Some(b'{')) => {
                    stack.push(Open::Template);
                    at = at.saturating_add(1);
                }
                (b'$', Some(b'$')) | (b'%', Some(b'%'))
                    if bytes.get(at.saturating_add(2)) == Some(&b'{') =>
                {
                    at = at.saturating_add(2);
                }
                _ => {}
            }
            at = at.saturating_add(1);
            continue;
        }
        match (byte, next) {
            (b'"', _) => stack.push(Open::Quote),
            (b'{' | b'[' | b'(', _) => {
                if stack.is_empty() && *byte == b'{' && !assigned && body_start.is_none() {
                    body_start = Some(at.saturating_add(1));
                }
                stack.push(Open::Bracket);
            }
            (b'}' | b']' | b')', _) => {
                if stack.pop().is_none() {
                    // A closing bracket that nothing opened: an item of its own.
                    let end = if at == start { at.saturating_add(1) } else { at };
                    return Item { range: start..end, body, closed: true };
                }
                if stack.is_empty() && body.is_none() {
                    body = body_start.map(|from| from..at);
                }
            }
            (b'#', _) | (b'/', Some(b'/')) => {
                at = line_end(bytes, at);
                continue;
            }
            (b'/', Some(b'*')) => {
                at = comment_end(bytes, at);
                continue;
            }
            (b'<', Some(b'<')) => {
                if let Some(end) = heredoc_end(bytes, at) {
                    at = end;
                    continue;
                }
            }
            (b'=', _) => assigned |= stack.is_empty(),
            (b'\r', Some(b'\n')) | (b'\n', _) if stack.is_empty() => {
                return Item { range: start..at, body, closed: true };
            }
            _ => {}
        }
        at = at.saturating_add(1);
    }
    let closed = stack.is_empty();
    let body = body.or_else(|| body_start.map(|from| from..bytes.len()));
    Item { range: start..bytes.len(), body, closed }
}

/// Behind the closing word of the heredoc that begins here; `None` where none begins.
fn heredoc_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut word = at.saturating_add(2);
    if bytes.get(word) == Some(&b'-') {
        word = word.saturating_add(1);
    }
    let rest = bytes.get(word..)?;
    let length =
        rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_' || **b == b'-').count();
    let name = rest.get(..length).filter(|name| !name.is_empty())?;
    let behind = rest.get(length..)?;
    let blank = behind.iter().take_while(|b| b" \t\r".contains(b)).count();
    if behind.get(blank).is_some_and(|byte| *byte != b'\n') {
        return None;
    }
    let mut line = word.saturating_add(length).saturating_add(blank);
    while line < bytes.len() {
        let start = line.saturating_add(1);
        line = line_end(bytes, start);
        let text = bytes.get(start..line)?;
        let blank = text.len().saturating_sub(text.trim_ascii_start().len());
        let trimmed = text.get(blank..)?;
        if let Some(behind) = trimmed.strip_prefix(name)
            && behind.first().is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_' && *b != b'-')
        {
            return Some(start.saturating_add(blank).saturating_add(name.len()));
        }
    }
    Some(bytes.len())
}

/// The next line within the item that looks like the header of a block at the left margin.
fn next_header(text: &str, start: usize, end: usize) -> Option<usize> {
    let mut at = start;
    for line in text.get(start..end)?.split_inclusive('\n') {
        let header = line.trim_end();
        let word = header.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).next()?;
        let rest = header.get(word.len()..)?;
        let labels = rest.strip_suffix('{').map(str::trim);
        let quoted =
            labels.is_some_and(|l| l.is_empty() || (l.starts_with('"') && l.ends_with('"')));
        if at > start && !word.is_empty() && quoted {
            return Some(at);
        }
        at = at.saturating_add(line.len());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &[&str]) {
        let found = items(input, 0..input.len());
        let texts: Vec<&str> = found.iter().map(|item| &input[item.range.clone()]).collect();
        assert_eq!(texts, expected, "{input}");
    }

    #[test]
    fn items_are_cut() {
        check("a = 1\n# c\nb = [\n 2 ]\n", &["a = 1", "b = [\n 2 ]"]);
        check("x \"y\" {\n a = \"}\"\n}\nz = 2", &["x \"y\" {\n a = \"}\"\n}", "z = 2"]);
        check("a = \"${b(\"}\")}\"\nc = 1", &["a = \"${b(\"}\")}\"", "c = 1"]);
        check("a = <<-E\n  {\n  E\nc = 1", &["a = <<-E\n  {\n  E", "c = 1"]);
        check("/* x */ a = 1 // {\nb = 2", &["a = 1 // {", "b = 2"]);
        check("} a = 1", &["}", "a = 1"]);
        check("a = 1\r\nb {\r\n}\r\n", &["a = 1", "b {\r\n}"]);
    }

    #[test]
    fn an_item_that_never_closes_ends_before_the_next_header() {
        check("x \"y\" {\n a = [\n}\nz \"k\" {\n}\n", &["x \"y\" {\n a = [\n}\n", "z \"k\" {\n}"]);
    }
}
