//! Text to syntax tree by a tree-sitter grammar: tolerant of errors, bounded in work.
//!
//! The bound counts steps of the parser and not time, so that a loaded machine gives the same answer
//! as an idle one.

use std::cell::Cell;
use std::ops::ControlFlow;
use tree_sitter::{Language, ParseOptions, ParseState, Parser, Tree};

/// How often the parser may report progress, which it does after every hundred operations: about ten
/// microseconds of time and five kilobytes of tree. A text that needs more is given up; honest ones
/// of a megabyte need less.
const MAX_PROGRESS: usize = 18_000;

/// What the lexer is given at once.
const CHUNK: usize = 4096;

/// How often it may read each byte again, and what a short text may cost: behind an error some tokens
/// are looked for up to the end of a line, at every word of it.
const MAX_REREAD: usize = 24;
const MIN_READ: usize = 8 * 1024 * 1024;

/// A parser of a language; `None` where the grammar is not of the parser's own version.
pub(super) fn parser(language: &Language) -> Option<Parser> {
    let mut parser = Parser::new();
    parser.set_language(language).ok()?;
    Some(parser)
}

/// The tree of a text; `None` where it took too much work. The bytes are ASCII: the grammars'
/// scanners hand code points to C's character classes, which may read far outside of their tables.
pub(super) fn parse(parser: &mut Parser, ascii: &[u8]) -> Option<Tree> {
    let unread = Cell::new(ascii.len().saturating_mul(MAX_REREAD).saturating_add(MIN_READ));
    let mut left = MAX_PROGRESS;
    let mut read = |offset: usize, _| {
        let rest = ascii.get(offset..).unwrap_or_default();
        let chunk = rest.get(..CHUNK).unwrap_or(rest);
        unread.set(unread.get().saturating_sub(chunk.len()));
        if unread.get() == 0 { &[] } else { chunk }
    };
    let mut progress = |_: &ParseState| match left.checked_sub(1).filter(|_| unread.get() > 0) {
        None => ControlFlow::Break(()),
        Some(rest) => {
            left = rest;
            ControlFlow::Continue(())
        }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let tree = parser.parse_with_options(&mut read, None, Some(options));
    let tree = tree.filter(|_| unread.get() > 0);
    if tree.is_none() {
        parser.reset();
    }
    tree
}
