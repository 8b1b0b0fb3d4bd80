//! The map of a scalar: which raw bytes each decoded byte came from.
//!
//! The parser has decoded the value; here the value and the raw text are walked side by side, so
//! that escapes, folds, stripped indentation and chomped ends get their raw bytes (YAML 1.2.2,
//! chapters 7.3 and 8.1). Where the two do not meet, the whole scalar stands for the whole value:
//! the text is right and its place is coarser.

use crate::pins::span::{Fragment, FragmentBuilder};
use saphyr_parser::ScalarStyle;
use std::ops::Range;

/// The value of a scalar with its map into `text`, where it stands at `range` (quotes included;
/// of a block scalar the first content line's first character to its end).
pub(super) fn decode(text: &str, range: Range<usize>, style: ScalarStyle, value: &str) -> Fragment {
    if text.get(range.clone()) == Some(value) {
        return Fragment::verbatim(value, range.start);
    }
    let found = match style {
        ScalarStyle::Plain => flow(text, range.clone(), style, value),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            let inner = range.start.saturating_add(1)..range.end.saturating_sub(1);
            flow(text, inner, style, value)
        }
        ScalarStyle::Literal | ScalarStyle::Folded => block(text, range.start, style, value),
    };
    found.unwrap_or_else(|| Fragment::opaque(value, range))
}

/// Where a scalar begins behind its anchor and tag, which the parser counts in: as [`decode`] wants
/// it.
pub(super) fn behind_properties(text: &str, range: Range<usize>, style: ScalarStyle) -> usize {
    let rest = |at: usize| text.get(at..range.end).unwrap_or_default();
    let mut at = range.start;
    // An anchor, a tag and blank lines or comments between: a few rounds.
    for _ in 0..16 {
        let tail = rest(at);
        let length = if tail.starts_with(['&', '!']) {
            tail.find(char::is_whitespace).unwrap_or(tail.len())
        } else if tail.starts_with('#') {
            tail.find('\n').unwrap_or(tail.len())
        } else {
            tail.len().saturating_sub(tail.trim_start().len())
        };
        if length == 0 {
            break;
        }
        at = at.saturating_add(length);
    }
    if !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
        return at;
    }
    // Behind the header, to the first line that is not blank.
    while let Some(feed) = rest(at).find('\n') {
        at = at.saturating_add(feed).saturating_add(1);
        let line = rest(at).split('\n').next().unwrap_or_default();
        if !line.trim().is_empty() {
            return at
                .saturating_add(line.len().saturating_sub(line.trim_start_matches(' ').len()));
        }
    }
    at
}

/// Where a quoted scalar ends: the parser counts blanks and a comment behind it in.
pub(super) fn closing(text: &str, range: Range<usize>, style: ScalarStyle) -> usize {
    let quote = match style {
        ScalarStyle::SingleQuoted => b'\'',
        ScalarStyle::DoubleQuoted => b'"',
        _ => return range.end,
    };
    let raw = text.get(range.clone()).unwrap_or_default().as_bytes();
    let mut at = 1_usize;
    while let Some(byte) = raw.get(at) {
        let next = raw.get(at.saturating_add(1));
        let escaped = quote == b'"' && *byte == b'\\'
            || quote == b'\'' && *byte == quote && next == Some(&quote);
        if *byte == quote && !escaped {
            return range.start.saturating_add(at).saturating_add(1);
        }
        at = at.saturating_add(if escaped { 2 } else { 1 });
    }
    range.end
}

/// How many bytes the line break at the start of `text` has.
fn line_break(text: &str) -> usize {
    if text.starts_with("\r\n") { 2 } else { usize::from(text.starts_with(['\n', '\r'])) }
}

/// A block scalar whose first content line starts, indentation stripped, at `start`.
fn block(text: &str, start: usize, style: ScalarStyle, value: &str) -> Option<Fragment> {
    let line = text.get(..start)?.rfind(['\n', '\r']).map_or(0, |at| at.saturating_add(1));
    let indent = start.saturating_sub(line);
    let mut builder = FragmentBuilder::default();
    let content = value.trim_start_matches('\n');
    let leading = value.len().saturating_sub(content.len());
    builder.replaced(value.get(..leading)?, start..start);
    let (mut rest, mut at) = (content, start);
    while !rest.is_empty() {
        let tail = text.get(at..)?;
        let length = tail.find(['\n', '\r']).unwrap_or(tail.len());
        let line = tail.get(..length)?;
        rest = rest.strip_prefix(line)?;
        builder.verbatim(line, at);
        if rest.is_empty() {
            break;
        }
        let end = at.saturating_add(length);
        let first = line_break(text.get(end..)?);
        at = skip_indentation(text, end, indent);
        let feeds = rest.len().saturating_sub(rest.trim_start_matches('\n').len());
        let folded = style == ScalarStyle::Folded && feeds == 0 && rest.starts_with(' ');
        let taken = if folded { 1 } else { feeds };
        if taken == 0 {
            return None;
        }
        let decoded = rest.get(..taken)?;
        let raw = end..end.saturating_add(first);
        if text.get(raw.clone()) == Some(decoded) {
            builder.verbatim(decoded, end);
        } else {
            builder.replaced(decoded, raw);
        }
        rest = rest.get(taken..)?;
    }
    Some(builder.finish())
}

/// From a line's end over blank lines to the first content of the next line.
fn skip_indentation(text: &str, end: usize, indent: usize) -> usize {
    let mut at = end;
    loop {
        let tail = text.get(at..).unwrap_or_default();
        let feed = line_break(tail);
        if feed == 0 {
            return at;
        }
        at = at.saturating_add(feed);
        let tail = text.get(at..).unwrap_or_default();
        let spaces = tail.bytes().take(indent).take_while(|byte| *byte == b' ').count();
        at = at.saturating_add(spaces);
    }
}

/// A plain or quoted scalar, quotes taken off.
fn flow(text: &str, range: Range<usize>, style: ScalarStyle, value: &str) -> Option<Fragment> {
    const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];
    let mut builder = FragmentBuilder::default();
    let (mut rest, mut at) = (value, range.start);
    while at < range.end {
        let tail = text.get(at..range.end)?;
        let blanks = tail.len().saturating_sub(tail.trim_start_matches(BLANK).len());
        let (decoded, raw) = if blanks > 0 {
            let run = tail.get(..blanks)?;
            if run.contains(['\n', '\r']) {
                let feeds = rest.len().saturating_sub(rest.trim_start_matches('\n').len());
                (if feeds == 0 { usize::from(rest.starts_with(' ')) } else { feeds }, blanks)
            } else {
                (blanks, blanks)
            }
        } else if style == ScalarStyle::SingleQuoted && tail.starts_with("''") {
            (1, 2)
        } else if style == ScalarStyle::DoubleQuoted && tail.starts_with('\\') {
            let raw = escape(tail);
            let continued = tail.get(1..)?.starts_with(['\n', '\r']);
            (if continued { 0 } else { rest.chars().next()?.len_utf8() }, raw)
        } else {
            let stop = |c: char| {
                BLANK.contains(&c)
                    || (c == '\'' && style == ScalarStyle::SingleQuoted)
                    || (c == '\\' && style == ScalarStyle::DoubleQuoted)
            };
            let length = tail.find(stop).filter(|at| *at > 0).unwrap_or(tail.len());
            (length, length)
        };
        let decoded = rest.get(..decoded)?;
        let whole = at..at.saturating_add(raw);
        if text.get(whole.clone()) == Some(decoded) {
            builder.verbatim(decoded, at);
        } else if decoded.len() == raw && !tail.starts_with('\\') && blanks == 0 {
            // Plain characters that are not the value's: the two have parted.
            return None;
        } else {
            builder.replaced(decoded, whole);
        }
        rest = rest.get(decoded.len()..)?;
        at = at.saturating_add(raw);
    }
    rest.is_empty().then(|| builder.finish())
}

/// The raw length of the escape at the start of a text.
fn escape(text: &str) -> usize {
    let Some(code) = text.chars().nth(1) else { return 1 };
    match code {
        'x' => 4,
        'u' => 6,
        'U' => 10,
        '\n' | '\r' => {
            let behind = text.get(1..).unwrap_or_default();
            let after = behind.get(line_break(behind)..).unwrap_or_default();
            let left = after.trim_start_matches([' ', '\t']);
            text.len().saturating_sub(left.len())
        }
        code => 1_usize.saturating_add(code.len_utf8()),
    }
}
