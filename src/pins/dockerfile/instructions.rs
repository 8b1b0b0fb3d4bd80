//! A Dockerfile as instructions: parser directives, continuations, comments within them, heredocs
//! (BuildKit's Dockerfile reference, frontend 1.x).
//!
//! The splitter never fails: a line that is no instruction is handed on with its first word, so
//! that whoever reads it says so, and the next line is an instruction again.

use crate::pins::span::{Fragment, FragmentBuilder};
use std::collections::BTreeMap;
use std::ops::Range;

/// A longer word is no heredoc's delimiter.
const MAX_DELIMITER: usize = 128;

/// One instruction.
#[derive(Clone, Debug)]
pub(super) struct Instruction {
    /// In upper case.
    pub(super) keyword: String,
    /// Raw offset of the keyword.
    pub(super) at: usize,
    /// What follows it on the logical line: continuations joined, comments in between left out.
    pub(super) body: Fragment,
    /// Heredocs, in the order of the line.
    pub(super) heredocs: Vec<Heredoc>,
}

/// A heredoc of an instruction.
#[derive(Clone, Debug)]
pub(super) struct Heredoc {
    /// Its lines.
    pub(super) body: Fragment,
    /// Its lines with the terminator, as a shell wants to read it.
    pub(super) whole: Fragment,
}

/// A file taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Parsed {
    /// The value of `# syntax=`.
    pub(super) syntax: Option<Fragment>,
    /// In the order of the file.
    pub(super) instructions: Vec<Instruction>,
}

/// Takes a file apart.
pub(super) fn parse(fragment: &Fragment) -> Parsed {
    let mut parsed = Parsed::default();
    let mut escape = '\\';
    let text = fragment.text();
    let lines = lines(text);
    let mut terminators: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, line) in lines.iter().enumerate() {
        let content = text.get(line.clone()).unwrap_or_default().trim_matches(['\t', '\n', '\r']);
        if !content.is_empty() && content.len() <= MAX_DELIMITER {
            terminators.entry(content).or_default().push(number);
        }
    }
    let mut index = 0_usize;
    // Directives stand before everything else, comments included.
    while let Some(line) = lines.get(index) {
        let content = text.get(line.clone()).unwrap_or_default();
        let Some((name, value)) = directive(content) else { break };
        let start = line.start.saturating_add(value.start);
        let value = start..line.start.saturating_add(value.end);
        match name.as_str() {
            "syntax" => parsed.syntax = Some(fragment.slice(value)),
            "escape" if fragment.get(value) == "`" => escape = '`',
            "escape" | "check" => {}
            _ => break,
        }
        index = index.saturating_add(1);
    }
    while index < lines.len() {
        index =
            instruction(fragment, &lines, &terminators, index, escape, &mut parsed.instructions);
    }
    parsed
}

/// `# name=value`: the name in lower case and where the value stands.
fn directive(line: &str) -> Option<(String, Range<usize>)> {
    let rest = line.trim_start_matches('\u{feff}').trim_start().strip_prefix('#')?;
    let (name, value) = rest.split_once('=')?;
    let name = name.trim();
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let end = line.trim_end().len();
    let start = line.len().saturating_sub(value.trim_start().len()).min(end);
    Some((name.to_ascii_lowercase(), start..end))
}

/// Heredocs of one instruction.
const MAX_HEREDOCS: usize = 64;

/// Reads the instruction that starts at a line; returns the line behind it.
fn instruction(
    fragment: &Fragment,
    lines: &[Range<usize>],
    terminators: &BTreeMap<&str, Vec<usize>>,
    first: usize,
    escape: char,
    found: &mut Vec<Instruction>,
) -> usize {
    let text = fragment.text();
    let content =
        |index: usize| lines.get(index).and_then(|line| text.get(line.clone())).unwrap_or_default();
    let mut index = first.saturating_add(1);
    let line = lines.get(first).cloned().unwrap_or_default();
    let start = content(first);
    let trimmed = start.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return index;
    }
    let lead = start.len().saturating_sub(start.trim_start().len());
    let at = line.start.saturating_add(lead);
    let mut builder = FragmentBuilder::default();
    let mut open = append(fragment, at..line.end, escape, &mut builder);
    while open && index < lines.len() {
        let next = content(index);
        let range = lines.get(index).cloned().unwrap_or_default();
        index = index.saturating_add(1);
        let skipped = next.trim().is_empty() || next.trim_start().starts_with('#');
        if !skipped {
            open = append(fragment, range, escape, &mut builder);
        }
    }
    let logical = builder.finish();
    let first_word: String = logical.text().chars().take_while(|c| !c.is_whitespace()).collect();
    let body = logical.slice(first_word.len()..logical.text().len());
    let keyword = first_word.to_ascii_uppercase();
    let inner = match keyword.as_str() {
        "ONBUILD" => {
            body.text().trim_start().split(' ').next().unwrap_or_default().to_ascii_uppercase()
        }
        _ => keyword.clone(),
    };
    let mut heredocs = Vec::new();
    if ["RUN", "COPY", "ADD"].contains(&inner.as_str()) {
        for (word, tabs) in heredoc_words(body.text()).into_iter().take(MAX_HEREDOCS) {
            let numbers = terminators.get(word.as_str()).map(Vec::as_slice).unwrap_or_default();
            let next = numbers.partition_point(|number| *number < index);
            let mut candidates = numbers.iter().skip(next).copied();
            let Some(end) = candidates.find(|end| tabs || !content(*end).starts_with('\t')) else {
                break;
            };
            let from = lines.get(index).map_or(0, |line| line.start);
            let to = lines.get(end).cloned().unwrap_or_default();
            heredocs.push(Heredoc {
                body: fragment.slice(from..to.start),
                whole: fragment.slice(from..to.end),
            });
            index = end.saturating_add(1);
        }
    }
    found.push(Instruction { keyword, at, body, heredocs });
    index
}

/// Appends a line without its end; whether it goes on in the next one.
fn append(
    fragment: &Fragment,
    range: Range<usize>,
    escape: char,
    builder: &mut FragmentBuilder,
) -> bool {
    let line = fragment.get(range.clone());
    let content = line.trim_end();
    let continued = content.ends_with(escape);
    let kept = if continued {
        content.len().saturating_sub(escape.len_utf8())
    } else {
        line.trim_end_matches(['\n', '\r']).len()
    };
    builder.append_range(fragment, range.start..range.start.saturating_add(kept));
    continued
}

/// The ranges of the lines, their ends included.
fn lines(text: &str) -> Vec<Range<usize>> {
    let mut at = 0_usize;
    text.split_inclusive('\n')
        .map(|line| {
            let start = at;
            at = at.saturating_add(line.len());
            start..at
        })
        .collect()
}

/// The delimiters of the heredocs that a line opens, and whether leading tabs are stripped.
fn heredoc_words(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut at = 0_usize;
    while let Some(next) = text.get(at..).and_then(|rest| rest.find("<<")) {
        let start = at.saturating_add(next).saturating_add(2);
        let rest = text.get(start..).unwrap_or_default();
        at = start;
        if rest.starts_with('<') {
            at = start.saturating_add(1);
            continue;
        }
        let tabs = rest.starts_with('-');
        let rest =
            rest.strip_prefix('-').unwrap_or(rest).trim_start_matches([' ', '\'', '"', '\\']);
        let word: String =
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c)).collect();
        if word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            found.push((word, tabs));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &[(&str, &str)]) {
        let parsed = parse(&Fragment::verbatim(input, 0));
        let found: Vec<(&str, &str)> =
            parsed.instructions.iter().map(|i| (i.keyword.as_str(), i.body.text())).collect();
        assert_eq!(found, expected, "{input}");
    }

    #[test]
    fn lines_become_instructions() {
        check(
            "from x\n\n# c\nRUN a \\\n  # in between\n\n  b\nCMD c",
            &[("FROM", " x"), ("RUN", " a   b"), ("CMD", " c")],
        );
        check(
            "# escape=`\nRUN a `\n b\r\nRUN c\\\nRUN d",
            &[("RUN", " a  b"), ("RUN", " c\\"), ("RUN", " d")],
        );
        check("RUN a \\", &[("RUN", " a ")]);
        check("F\\\nROM x", &[("FROM", " x")]);
    }

    #[test]
    fn heredocs_belong_to_their_instruction() {
        let parsed = parse(&Fragment::verbatim(
            "RUN <<A cat <<-'B'\none\nA\n\ttwo\n\tB\nCOPY <<C /x\nthree\nC\nRUN echo $((1<<2)) <<<x\nFROM y",
            0,
        ));
        let bodies: Vec<&str> =
            parsed.instructions.iter().flat_map(|i| &i.heredocs).map(|h| h.body.text()).collect();
        assert_eq!(bodies, ["one\n", "\ttwo\n", "three\n"]);
        assert_eq!(parsed.instructions.len(), 4);
    }

    #[test]
    fn the_syntax_directive_is_found() {
        let parsed = parse(&Fragment::verbatim("# syntax=docker/dockerfile:1\nFROM x", 0));
        assert_eq!(parsed.syntax.map(|s| s.raw_whole()), Some(9..28));
        let parsed = parse(&Fragment::verbatim("# a comment\n# syntax=x\nFROM x", 0));
        assert!(parsed.syntax.is_none());
    }
}
