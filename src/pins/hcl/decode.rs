//! Literal text of strings and heredocs, decoded with its map to the raw bytes.

use crate::pins::span::{Fragment, FragmentBuilder};

/// Decodes `raw`, which stands at `offset`: `$${` and `%%{` everywhere, backslashes in quotes.
pub(super) fn literal(raw: &str, offset: usize, quoted: bool, builder: &mut FragmentBuilder) {
    let mut done = 0_usize;
    let mut at = 0_usize;
    while let Some(rest) = raw.get(at..) {
        let next = rest.find(|c: char| matches!(c, '$' | '%') || (c == '\\' && quoted));
        let Some(skip) = next else { break };
        at = at.saturating_add(skip);
        let rest = raw.get(at..).unwrap_or_default();
        let (decoded, length) = match rest.as_bytes() {
            [b'$', b'$', b'{', ..] => (Some('$'), 2),
            [b'%', b'%', b'{', ..] => (Some('%'), 2),
            [b'\\', ..] => escape(rest),
            _ => (None, 1),
        };
        let end = at.saturating_add(length);
        if let Some(character) = decoded {
            builder.verbatim(raw.get(done..at).unwrap_or_default(), offset.saturating_add(done));
            let range = offset.saturating_add(at)..offset.saturating_add(end);
            builder.replaced(character.encode_utf8(&mut [0; 4]), range);
            done = end;
        }
        at = end;
    }
    builder.verbatim(raw.get(done..).unwrap_or_default(), offset.saturating_add(done));
}

/// The character of an escape and how many bytes it takes.
fn escape(rest: &str) -> (Option<char>, usize) {
    let hex = |length: usize| {
        let end = length.saturating_add(2);
        let digits = rest.get(2..end)?;
        Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, end))
    };
    match rest.as_bytes().get(1) {
        Some(b'n') => (Some('\n'), 2),
        Some(b'r') => (Some('\r'), 2),
        Some(b't') => (Some('\t'), 2),
        Some(b'"') => (Some('"'), 2),
        Some(b'\\') => (Some('\\'), 2),
        Some(b'u') => hex(4).map_or((None, 1), |(c, length)| (Some(c), length)),
        Some(b'U') => hex(8).map_or((None, 1), |(c, length)| (Some(c), length)),
        _ => (None, 1),
    }
}

/// The literal parts of a heredoc, in order, expressions between them.
pub(super) enum Piece<'t> {
    /// Raw text and its offset.
    Text(&'t str, usize),
    /// An expression or directive.
    Other,
}

/// The blanks that `<<-` takes off every line.
pub(super) fn indentation(pieces: &[Piece<'_>]) -> usize {
    let mut least: Option<usize> = None;
    let mut at_start = true;
    for piece in pieces {
        let Piece::Text(raw, _) = piece else {
            if at_start {
                least = Some(0);
            }
            at_start = false;
            continue;
        };
        let last = raw.split_inclusive('\n').count().saturating_sub(1);
        for (index, line) in raw.split_inclusive('\n').enumerate() {
            let blank = line.len().saturating_sub(line.trim_start_matches([' ', '\t']).len());
            let empty = line.trim().is_empty() && (index < last || line.ends_with('\n'));
            if at_start && !empty {
                least = Some(least.map_or(blank, |least| least.min(blank)));
            }
            at_start = line.ends_with('\n');
        }
    }
    least.unwrap_or(0)
}

/// A literal part of a heredoc without the first `indent` blanks of each of its lines.
pub(super) fn dedented(raw: &str, offset: usize, indent: usize, at_start: bool) -> Fragment {
    let mut builder = FragmentBuilder::default();
    let mut at = offset;
    let mut start = at_start;
    for line in raw.split_inclusive('\n') {
        let blank = line.len().saturating_sub(line.trim_start_matches([' ', '\t']).len());
        let skip = if start { blank.min(indent) } else { 0 };
        let text = line.get(skip..).unwrap_or_default();
        literal(text, at.saturating_add(skip), false, &mut builder);
        at = at.saturating_add(line.len());
        start = line.ends_with('\n');
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_in_place() {
        let check = |raw: &str, quoted: bool, expected: &str, word: &str| {
            let mut builder = FragmentBuilder::default();
            literal(raw, 10, quoted, &mut builder);
            let fragment = builder.finish();
            assert_eq!(fragment.text(), expected, "{raw}");
            let at = expected.find(word).unwrap();
            let range = fragment.raw_range(at..at + word.len());
            assert_eq!(range.start, 10 + raw.find(word).unwrap(), "{raw}");
        };
        check(r#"a \"b\" curl"#, true, "a \"b\" curl", "curl");
        check(r"a\n\tcurl", true, "a\n\tcurl", "curl");
        check(r"é\u00e9 curl", true, "éé curl", "curl");
        check("$${x} curl", true, "${x} curl", "curl");
        check(r"a\n curl 100% $x", false, r"a\n curl 100% $x", "curl");
    }

    #[test]
    fn indentation_is_taken_off() {
        let raw = "    a\n\n      b\n    c\n";
        let pieces = [Piece::Text(raw, 7)];
        assert_eq!(indentation(&pieces), 4);
        let fragment = dedented(raw, 7, 4, true);
        assert_eq!(fragment.text(), "a\n\n  b\nc\n");
        let at = fragment.text().find('c').unwrap();
        assert_eq!(fragment.raw_range(at..at + 1).start, 7 + raw.find('c').unwrap());
    }
}
