//! Continuation lines that stand further left than YAML 1.2 allows.
//!
//! The specification wants every line of a quoted scalar and of a flow collection indented deeper
//! than what it belongs to. libyaml, and so most programs that read these files, does not insist:
//!
//! ```yaml
//! os: [
//!   linux,
//! ]
//! when: "a
//! b"
//! ```
//!
//! Indentation means nothing within either, so blanks are put before such lines and the rest is
//! left as it is. Only tried on a file that cannot be read otherwise.

use crate::pins::span::{Fragment, FragmentBuilder};

/// Deeper than anything that is read.
const INDENT: &str =
    "                                                                                ";

/// More lines are not put right: with their blanks they would need much memory.
const MAX_LINES: usize = 20_000;

/// The fragment with its continuation lines indented; `None` where there are none, or
/// too many.
pub(super) fn continuations(source: &Fragment) -> Option<Fragment> {
    let mut scanner = Scanner { text: source.text(), at: 0, inside: Vec::new() };
    scanner.file();
    if scanner.inside.is_empty() || scanner.inside.len() > MAX_LINES {
        return None;
    }
    let mut builder = FragmentBuilder::default();
    let mut done = 0_usize;
    for start in scanner.inside {
        builder.append_range(source, done..start);
        let raw = source.raw_range(start..start).start;
        builder.replaced(INDENT, raw..raw);
        done = start;
    }
    builder.append_range(source, done..source.text().len());
    Some(builder.finish())
}

/// Walks over the text, from value to value.
struct Scanner<'t> {
    text: &'t str,
    at: usize,
    /// Where lines begin that stand within a quoted scalar or a flow collection.
    inside: Vec<usize>,
}

impl Scanner<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn blanks(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t')) {
            self.next();
        }
    }

    fn skip_line(&mut self) {
        while self.byte().is_some_and(|byte| byte != b'\n') {
            self.next();
        }
    }

    fn file(&mut self) {
        while self.byte().is_some() {
            let start = self.at;
            self.blanks();
            self.value(self.at.saturating_sub(start));
            self.skip_line();
            self.next();
        }
    }

    /// What stands at the scanner on a line that is indented by `indent`.
    fn value(&mut self, indent: usize) {
        loop {
            self.blanks();
            match self.byte() {
                Some(b'"' | b'\'') => self.quoted(),
                Some(b'[' | b'{') => self.flow(),
                Some(b'|' | b'>') => return self.block(indent),
                Some(b'#' | b'\n') | None => return,
                Some(b'-' | b'?') if self.is_marker() => {
                    self.next();
                    continue;
                }
                Some(b'&' | b'!' | b'*') => {
                    while self.byte().is_some_and(|byte| !byte.is_ascii_whitespace()) {
                        self.next();
                    }
                    continue;
                }
                Some(_) => {}
            }
            // Behind a plain or quoted key.
            while self.byte().is_some_and(|byte| byte != b'\n') {
                let colon = self.byte() == Some(b':');
                if self.byte() == Some(b'#') && self.behind_blank() {
                    return;
                }
                self.next();
                if colon && matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r') | None) {
                    break;
                }
            }
            if matches!(self.byte(), Some(b'\n' | b'\r') | None) {
                return;
            }
        }
    }

    fn is_marker(&self) -> bool {
        let behind = self.text.as_bytes().get(self.at.saturating_add(1));
        behind.is_none_or(u8::is_ascii_whitespace)
    }

    fn behind_blank(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.text.as_bytes().get(at));
        before.is_none_or(u8::is_ascii_whitespace)
    }

    /// A line ends within something.
    fn line_within(&mut self) {
        self.next();
        if self.at < self.text.len() {
            self.inside.push(self.at);
        }
    }

    fn quoted(&mut self) {
        let quote = self.byte();
        self.next();
        while let Some(byte) = self.byte() {
            match byte {
                b'\\' if quote == Some(b'"') => {
                    self.next();
                    if self.byte() != Some(b'\n') {
                        self.next();
                    }
                }
                b'\n' => self.line_within(),
                _ if Some(byte) == quote => {
                    self.next();
                    // `''` is a quote within single quotes.
                    if quote != Some(b'\'') || self.byte() != quote {
                        return;
                    }
                    self.next();
                }
                _ => self.next(),
            }
        }
    }

    fn flow(&mut self) {
        let mut depth = 0_usize;
        let mut fresh = true;
        while let Some(byte) = self.byte() {
            match byte {
                b'"' | b'\'' if fresh => {
                    self.quoted();
                    fresh = false;
                    continue;
                }
                b'[' | b'{' => depth = depth.saturating_add(1),
                b']' | b'}' => depth = depth.saturating_sub(1),
                b'#' if self.behind_blank() => {
                    self.skip_line();
                    continue;
                }
                b'\n' => {
                    self.line_within();
                    continue;
                }
                _ => {}
            }
            fresh = matches!(byte, b'[' | b'{' | b',' | b':')
                || fresh && byte.is_ascii_whitespace()
                || byte == b' ' && self.text.get(..self.at).is_some_and(|b| b.ends_with(':'));
            self.next();
            if depth == 0 {
                return;
            }
        }
    }

    /// A block scalar: lines that are indented deeper, and blank ones.
    fn block(&mut self, indent: usize) {
        self.skip_line();
        while self.byte() == Some(b'\n') {
            let rest = self.text.get(self.at.saturating_add(1)..).unwrap_or_default();
            let line = rest.split('\n').next().unwrap_or_default();
            let own = line.len().saturating_sub(line.trim_start_matches(' ').len());
            if line.trim().is_empty() && !rest.is_empty() || own > indent {
                self.next();
                self.skip_line();
            } else {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::yaml;

    #[test]
    fn continuation_lines_are_found() {
        let check = |text: &str, expected: &[&str]| {
            let mut scanner = Scanner { text, at: 0, inside: Vec::new() };
            scanner.file();
            let lines: Vec<&str> = scanner
                .inside
                .iter()
                .map(|at| text.get(*at..).unwrap().lines().next().unwrap())
                .collect();
            assert_eq!(lines, expected, "{text}");
        };
        check("a: [\n b,\n]\nc: d\n", &[" b,", "]"]);
        check("a: {x: 'y\n z'}\n", &[" z'}"]);
        check("- k: \"v\nw\"\n- |\n  [\n  x\n- y\n", &["w\""]);
        check("a: don't [\nb: c\n", &[]);
        check("# [\na: b # {\nc: &x !t [ # '\nd]\n", &["d]"]);
        check("\"k\": 'it''s\nx'\n", &["x'"]);
        check("\"a\\\"b\": [it's,\nx]\n", &["x]"]);
        check("a: |\n\n [\nb: \"\\\nx\"\n", &["x\""]);
    }

    #[test]
    fn such_files_are_read_with_their_places() {
        let check = |text: &str, path: &[&str], expected: &str| {
            let stream = yaml::parse(&Fragment::verbatim(text, 0));
            assert!(stream.faults.is_empty(), "{:?}", stream.faults);
            let node = path.iter().try_fold(&stream.documents[0], |node, key| node.get(key));
            let node = node.unwrap();
            assert_eq!(node.text(), Some(expected));
            let word = expected.split(' ').next_back().unwrap();
            let range = node.range();
            assert!(text.get(range).unwrap().contains(word));
        };
        check("on:\n  os: [\n    a,\n  ]\n  k: v\n", &["on", "k"], "v");
        check("a:\n  b:\n    k: \"one\n  two\"\n    c: d\n", &["a", "b", "k"], "one two");
        check("a:\n  - \"x\n    y\"\n  -\n    \"z\n  w\"\nk: v\n", &["k"], "v");
    }
}
