//! Text to syntax tree, by tree-sitter's bash grammar: tolerant of errors, bounded in time.

use crate::pins::span::{Fragment, FragmentBuilder};
use crate::pins::syntax;
use std::borrow::Cow;
use std::cell::RefCell;
use tree_sitter::{Parser, Tree};

thread_local! {
    static PARSER: RefCell<Option<Parser>> =
        RefCell::new(syntax::parser(&tree_sitter_bash::LANGUAGE.into()));
}

/// Brackets, and blocks (`if`, `for`), that are open at once. Each is a level of the tree, and no
/// person comes near.
const MAX_OPEN: usize = 20_000;

/// Bars and backticks, of which the parser weighs two readings and needs kilobytes for each: in one
/// line, and in all.
const MAX_BARS_IN_LINE: usize = 1000;
const MAX_BARS: usize = 20_000;

/// Whether a text opens more brackets or blocks than a tree should have levels, or has more bars
/// than anyone writes, whatever is quoted.
fn is_too_deep(text: &str) -> bool {
    let mut blocks = 0_usize;
    let deep = text.lines().any(|line| {
        let word = line.trim_start().split([' ', '\t', ';']).next().unwrap_or_default();
        match word {
            "if" | "for" | "while" | "until" | "case" | "select" => {
                blocks = blocks.saturating_add(1);
            }
            "fi" | "done" | "esac" => blocks = blocks.saturating_sub(1),
            _ => {}
        }
        blocks > MAX_OPEN
    });
    if deep {
        return true;
    }
    let (mut open, mut line, mut bars) = (0_usize, 0_usize, 0_usize);
    text.bytes().any(|byte| {
        match byte {
            b'(' | b'{' | b'[' => open = open.saturating_add(1),
            b')' | b'}' | b']' => open = open.saturating_sub(1),
            b'|' | b'`' => {
                line = line.saturating_add(1);
                bars = bars.saturating_add(1);
            }
            b'\n' => line = 0,
            _ => {}
        }
        open > MAX_OPEN || line > MAX_BARS_IN_LINE || bars > MAX_BARS
    })
}

/// The tree of a text; `None` where it took too long, or nests too deep.
pub(super) fn parse(text: &str) -> Option<Tree> {
    if is_too_deep(text) {
        return None;
    }
    PARSER.with_borrow_mut(|parser| syntax::parse(parser.as_mut()?, &ascii(text)))
}

/// Where a quote opens that nothing closes: all behind it is its text, as a shell has it.
pub(super) fn unclosed_quote(tree: &Tree, text: &str) -> Option<usize> {
    let quote = |at: usize| text.get(at..).is_some_and(|rest| rest.starts_with(['"', '\'']));
    let mut cursor = tree.walk();
    // The end of the text is in the last node of each level.
    while cursor.node().has_error() {
        let parent = cursor.node();
        let rest = text.get(parent.start_byte()..).unwrap_or_default();
        let blanks = rest.len().saturating_sub(rest.trim_start().len());
        let start = parent.start_byte().saturating_add(blanks);
        if parent.is_error() && quote(start) {
            let behind = text.get(parent.end_byte()..).unwrap_or_default();
            return behind.trim().is_empty().then_some(start);
        }
        if !cursor.goto_last_child() {
            return None;
        }
        let last = cursor.node();
        if last.is_missing() && last.kind() == "\"" {
            return quote(parent.start_byte()).then(|| parent.start_byte());
        }
    }
    None
}

/// The text with every byte that is not ASCII replaced by a dot, which is a word's character and no
/// name's: offsets stay.
fn ascii(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text.as_bytes());
    }
    Cow::Owned(text.bytes().map(|byte| if byte.is_ascii() { byte } else { b'.' }).collect())
}

/// What the parser is given: templates taken out, and variables within words written so that the
/// grammar reads them. `None` where the fragment can stay as it is.
pub(super) fn readable(fragment: &Fragment) -> Option<Fragment> {
    let masked = without_templates(fragment);
    let braced = with_braces(masked.as_ref().unwrap_or(fragment));
    braced.or(masked)
}

/// `$A/$B/x` as `$A/${B}/x`: behind another part of a word, and with more of the word behind it,
/// the grammar takes the `$` for a part of its own.
fn with_braces(fragment: &Fragment) -> Option<Fragment> {
    let text = fragment.text();
    let bytes = text.as_bytes();
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_/.:@=,+~%-".contains(byte);
    let before = |at: usize| at.checked_sub(1).and_then(|at| bytes.get(at));
    let mut builder = FragmentBuilder::default();
    let mut done = 0_usize;
    for (at, _) in text.match_indices('$') {
        let start = at.saturating_add(1);
        let rest = text.get(start..).unwrap_or_default();
        let length = if rest.starts_with(|c: char| c.is_ascii_digit()) {
            1
        } else {
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
        };
        let end = start.saturating_add(length);
        let more = bytes.get(end).is_some_and(|byte| in_word(byte) || *byte == b'$');
        let behind = |byte: &u8| in_word(byte) || b"}\"')`".contains(byte);
        if length == 0 || !more || !before(at).is_some_and(behind) {
            continue;
        }
        builder.append_range(fragment, done..start);
        builder.replaced("{", fragment.raw_range(at..start));
        builder.append_range(fragment, start..end);
        let raw = fragment.raw_range(end.saturating_sub(1)..end).end;
        builder.replaced("}", raw..raw);
        done = end;
    }
    if done == 0 {
        return None;
    }
    builder.append_range(fragment, done..text.len());
    Some(builder.finish())
}

/// A longer expression is none: its end belongs to something else.
const MAX_TEMPLATE: usize = 2000;

/// The same fragment with template expressions taken out: `{{ … }}` and `${{ … }}` become
/// unknown, `{% … %}` and `%{ … }` become a blank, so that what stands around them is read as the
/// command that it will be.
fn without_templates(fragment: &Fragment) -> Option<Fragment> {
    let text = fragment.text();
    if !text.contains("{{") && !text.contains("{%") && !text.contains("%{") && !text.contains("<%")
    {
        return None;
    }
    let mut builder = FragmentBuilder::default();
    let mut done = 0_usize;
    let mut at = 0_usize;
    while let Some(rest) = text.get(at..) {
        let Some((skip, open)) = next_template(rest) else { break };
        let start = at.saturating_add(skip);
        let close = match open {
            "${{" | "{{" => "}}",
            "{%" => "%}",
            "<%" => "%>",
            _ => "}",
        };
        let body = start.saturating_add(open.len());
        let line = text.get(body..).unwrap_or_default();
        let line = line.get(..line.floor_char_boundary(MAX_TEMPLATE)).unwrap_or_default();
        let line = line.split('\n').next().unwrap_or_default();
        let Some(length) = line.find(close) else {
            at = body;
            continue;
        };
        let end = body.saturating_add(length).saturating_add(close.len());
        builder.append_range(fragment, done..start);
        let raw = fragment.raw_range(start..end);
        let value = open.ends_with("{{") || (open == "<%" && line.starts_with('='));
        if value {
            builder.unknown(raw);
        } else {
            builder.replaced(" ", raw);
        }
        done = end;
        at = end;
    }
    builder.append_range(fragment, done..text.len());
    Some(builder.finish())
}

/// The next opening of a template expression and its offset.
fn next_template(text: &str) -> Option<(usize, &'static str)> {
    let openings = text.match_indices(['$', '{', '%', '<']).map(|(at, _)| at);
    openings.into_iter().find_map(|at| {
        let rest = text.get(at..)?;
        let open =
            ["${{", "{{", "{%", "%{", "<%"].into_iter().find(|open| rest.starts_with(open))?;
        // `${x%{y}}` and date formats are no templates: a Terraform directive has a keyword.
        let after = rest.get(2..)?.trim_start_matches(['~', ' ']);
        let keywords = ["if ", "else", "endif", "for ", "endfor"];
        let template = open != "%{" || keywords.iter().any(|word| after.starts_with(word));
        template.then_some((at, open))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_points_do_not_reach_the_scanner() {
        assert!(parse("echo {\u{10fffe}..{\u{1f600}}").is_some());
    }

    #[test]
    fn quotes_that_stay_open() {
        let check = |text: &str, expected: Option<&str>| {
            let found = unclosed_quote(&parse(text).unwrap(), text);
            assert_eq!(found.map(|at| &text[at..]), expected, "{text}");
        };
        check("a b\necho \"x\npip y\n", Some("\"x\npip y\n"));
        check("a b\necho 'x\npip y\n", Some("'x\npip y\n"));
        check("echo it's\npip y\n", Some("'s\npip y\n"));
        check("a \"b $c\" \"$d e\nf\n", Some("\"$d e\nf\n"));
        check("a \"b\nc\" 'd\n'\n", None);
        check("if a; then\nb \"c\"\n", None);
        check("a $(b \"c\"\n", None);
    }

    #[test]
    fn levels() {
        let check = |unit: &str, expected: bool| {
            assert_eq!(is_too_deep(&unit.repeat(MAX_OPEN + 1)), expected, "{unit}");
        };
        check("if a\n", true);
        check("(", true);
        check("if a; then b\nfi\n", false);
        check("echo if (a)\n", false);
    }

    #[test]
    fn templates_leave_the_rest_in_place() {
        let check = |input: &str, expected: &str| {
            let fragment = Fragment::verbatim(input, 0);
            let masked = without_templates(&fragment).unwrap_or(fragment);
            assert_eq!(masked.text().replace(crate::pins::span::UNKNOWN, "?"), expected);
            let at = masked.text().find("curl").unwrap();
            assert_eq!(masked.raw_range(at..at + 4).start, input.find("curl").unwrap());
        };
        check("apt install {{ a }} curl={{b}}", "apt install ? curl=?");
        check("x ${{ matrix.a }} curl", "x ? curl");
        check("{% if x %}curl{% endif %}", " curl ");
        check("%{ if x ~}\ncurl\n%{ endif ~}", " \ncurl\n ");
        check("date +%{x} curl", "date +%{x} curl");
        check("a {{ b\ncurl }}", "a {{ b\ncurl }}");
    }
}
