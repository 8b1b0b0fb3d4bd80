//! Text to syntax tree by a tree-sitter grammar: tolerant of errors, bounded in time.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use tree_sitter::{Language, ParseOptions, ParseState, Parser, Tree};

/// A text that takes longer is given up: honest ones parse at megabytes a second.
const MAX_TIME: Duration = Duration::from_millis(900);

/// A parser of a language; `None` where the grammar is not of the parser's own version.
pub(super) fn parser(language: &Language) -> Option<Parser> {
    let mut parser = Parser::new();
    parser.set_language(language).ok()?;
    Some(parser)
}

/// The tree of a text; `None` where it took too long. The bytes are ASCII: the grammars' scanners
/// hand code points to C's character classes, which may read far outside of their tables.
pub(super) fn parse(parser: &mut Parser, ascii: &[u8]) -> Option<Tree> {
    let started = Instant::now();
    let mut read = |offset: usize, _| ascii.get(offset..).unwrap_or_default();
    let mut progress = |_: &ParseState| match started.elapsed() > MAX_TIME {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let tree = parser.parse_with_options(&mut read, None, Some(options));
    if tree.is_none() {
        parser.reset();
    }
    tree
}
