//! The one shell engine: what a command installs or fetches, whatever wraps it.
//!
//! It works on a [`Fragment`], so that every carrier (a Dockerfile's `RUN`, a script, `runcmd`,
//! `user_data`, a CI step) gets the same verdict with the span of the offending word in its own
//! raw file. A carrier lays [`super::span::UNKNOWN`] over what it cannot resolve; template
//! expressions (`{{ }}`, `${{ }}`, `{% %}`) that are still in the text are taken for unknown.
//!
//! ```text
//! audit -> interpret (statements, constants) -> words (expansion, spans)
//!       -> pipeline (who reads what) -> call (wrappers, dispatch)
//!       -> managers (table.rs) -> install, install_languages, python
//!       -> fetch (downloads, checksums), vcs, containers, sources
//! ```
//!
//! Syntax is bash's, which is near enough to every POSIX shell; what does not parse loses only
//! itself. It never runs anything: a command substitution is unknown, both branches count.

mod call;
mod containers;
mod fetch;
mod go;
mod install;
mod install_languages;
mod interpret;
mod managers;
mod options;
mod package;
mod parse;
mod pipeline;
mod powershell;
mod python;
mod sources;
mod table;
mod text;
mod valued;
mod vcs;
mod words;
mod wrappers;

use super::audit::{Audit, InputId};
use super::environment::Environment;
use super::input::Origin;
use super::span::{Fragment, FragmentBuilder};
use call::{Feed, Output};
pub(super) use containers::{manifest, normal as image_name};
use interpret::{Interpreter, State};
pub(super) use python::split_requirement;
use std::ops::Range;
use std::sync::Arc;
use tree_sitter::Node;
use words::{Expander, Word};

/// The language that the command is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// sh, bash, dash, ash, ksh, zsh as far as it is alike.
    #[default]
    Posix,
    /// Windows PowerShell and pwsh.
    PowerShell,
    /// cmd.exe.
    Cmd,
}

/// What the carrier knows about the place of a command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// The language.
    pub dialect: Dialect,
}

/// Words that join commands.
const OPERATORS: &[&str] = &["&&", "||", ";", "|", ">"];

/// Longer texts are not parsed; the carrier's file is bounded, but decoded layers (gzip) are not.
const MAX_TEXT: usize = 3 * 1024 * 1024;

/// Audits the commands of `fragment`, whose raw ranges count in [`Audit::file`].
///
/// Constants that the commands set stay in the environment: hand in a copy
/// ([`Environment::constants_only`]) or put them back ([`Environment::restore_constants`]) where
/// each command has a shell of its own.
pub fn audit(
    fragment: &Fragment,
    environment: &mut Environment,
    audit: &mut Audit<'_>,
    context: Context,
) {
    if fragment.text().len() > MAX_TEXT {
        audit.gap(format!("a command of more than {MAX_TEXT} bytes was not judged"), None);
        return;
    }
    let mut state = State::new();
    match context.dialect {
        Dialect::Posix => {
            interpret::run(fragment, environment, audit, &mut state, &Output::Terminal);
        }
        Dialect::PowerShell | Dialect::Cmd => {
            let file = Arc::clone(&audit.file().path);
            let mut shell = Interpreter { fragment, environment, audit, state: &mut state, file };
            shell.powershell_script(fragment);
        }
    }
}

/// Audits a command given as its words, without a shell between (a `RUN ["…"]`, a `runcmd` list, an
/// Ansible `argv`): nothing is expanded.
pub fn audit_words(words: &[Fragment], environment: &mut Environment, audit: &mut Audit<'_>) {
    if words.iter().skip(1).any(|word| OPERATORS.contains(&word.text())) {
        // Nothing but a shell reads these: judged as it was meant.
        let context = Context::default();
        return self::audit(&text::command_line(words), environment, audit, context);
    }
    let mut state = State::new();
    let whole = Fragment::default();
    let file = Arc::clone(&audit.file().path);
    let mut shell = Interpreter { fragment: &whole, environment, audit, state: &mut state, file };
    let words: Vec<Word> = words
        .iter()
        .map(|fragment| Word { quoted: true, ..Word::plain(fragment.clone()) })
        .collect();
    shell.call(words, Feed::Nothing, &Output::Terminal);
}

/// A word after expansion, for carriers that expand words of their own (`FROM ${BASE}`).
#[derive(Clone, Debug, Default)]
pub struct Expanded {
    /// Its text with its map.
    pub fragment: Fragment,
    /// The raw range that it is reported at.
    pub range: Range<usize>,
    /// Where a value in it came from.
    pub origin: Option<Origin>,
}

impl Expanded {
    /// A word that nothing is expanded in.
    #[must_use]
    pub fn plain(fragment: Fragment) -> Self {
        Self { range: fragment.raw_whole(), fragment, origin: None }
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.fragment.text()
    }

    fn of(word: Word) -> Self {
        Self { range: word.range(), fragment: word.fragment, origin: word.origin }
    }

    fn word(&self) -> Word {
        let own = self.fragment.raw_whole() == self.range;
        Word {
            site: (!own).then(|| self.range.clone()),
            origin: self.origin.clone(),
            ..Word::plain(self.fragment.clone())
        }
    }
}

/// The words of a text, quotes taken off and variables resolved.
#[must_use]
pub fn expand(fragment: &Fragment, environment: &Environment, file: &Arc<str>) -> Vec<Expanded> {
    let masked = parse::readable(fragment);
    let fragment = masked.as_ref().unwrap_or(fragment);
    let plain = !fragment.text().contains(['$', '"', '\'', '\\', '`']);
    if plain {
        let ranges = words::fields(fragment.text()).into_iter().take(interpret::MAX_COMMAND);
        return ranges.map(|range| Expanded::plain(fragment.slice(range))).collect();
    }
    let Some(tree) = parse::parse(fragment.text()) else { return Vec::new() };
    let expander = Expander { fragment, environment, file };
    let mut found = Vec::new();
    leaves(tree.root_node(), &expander, &mut found, 0);
    found
}

/// A text as one value: quotes taken off and variables resolved, never split.
#[must_use]
pub fn expand_value(fragment: &Fragment, environment: &Environment, file: &Arc<str>) -> Expanded {
    let text = fragment.text();
    if !text.contains(['$', '"', '\'', '\\', '`', '{']) {
        return Expanded::plain(fragment.clone());
    }
    let parts = expand(fragment, environment, file);
    let range = fragment.raw_whole();
    let origin = parts.iter().find_map(|part| part.origin.clone());
    match parts.as_slice() {
        [only] => Expanded { range, ..only.clone() },
        parts => {
            let mut builder = FragmentBuilder::default();
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    builder.replaced(" ", part.range.start..part.range.start);
                }
                builder.append(&part.fragment);
            }
            Expanded { fragment: builder.finish(), range, origin }
        }
    }
}

/// The words of a tree that was made of a text that is no command.
fn leaves(node: Node<'_>, expander: &Expander<'_>, found: &mut Vec<Expanded>, depth: usize) {
    match node.kind() {
        "word"
        | "string"
        | "raw_string"
        | "concatenation"
        | "number"
        | "simple_expansion"
        | "expansion"
        | "ansi_c_string"
        | "command_substitution" => {
            found.extend(expander.words(node).into_iter().map(Expanded::of));
        }
        _ if depth < 20 => {
            let mut cursor = node.walk();
            let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
            for child in children.into_iter().take(interpret::MAX_COMMAND) {
                leaves(child, expander, found, depth.saturating_add(1));
            }
        }
        _ => {}
    }
}

/// Says that the machine has a file of this text: a repository file, apt preferences or a version
/// lock count for what is installed from here on.
pub fn file_written(
    path: &str,
    text: &Fragment,
    environment: &mut Environment,
    audit: &mut Audit<'_>,
) {
    let mut state = State::new();
    let whole = Fragment::default();
    let file = Arc::clone(&audit.file().path);
    let mut shell = Interpreter { fragment: &whole, environment, audit, state: &mut state, file };
    shell.file_written(path, text);
}

/// Hands in a package repository by its address or its line.
pub fn repository(word: &Expanded, environment: &mut Environment, audit: &mut Audit<'_>) {
    let mut state = State::new();
    let whole = Fragment::default();
    let file = Arc::clone(&audit.file().path);
    let mut shell = Interpreter { fragment: &whole, environment, audit, state: &mut state, file };
    sources::repository_word(&mut shell, &word.word());
}

/// Reads the requirements file (pip's) that the audit is at.
pub fn requirements(environment: &mut Environment, audit: &mut Audit<'_>) {
    python::read_requirements(audit, environment, false, 0);
}

/// Hands in one Python requirement (PEP 508, a URL, a version control source).
pub fn requirement(word: &Expanded, environment: &mut Environment, audit: &mut Audit<'_>) {
    let mut state = State::new();
    let whole = Fragment::default();
    let file = Arc::clone(&audit.file().path);
    let mut shell = Interpreter { fragment: &whole, environment, audit, state: &mut state, file };
    python::requirement(&mut shell, &word.word(), false);
}

/// Hands in a container image.
pub fn image(word: &Expanded, environment: &mut Environment, audit: &mut Audit<'_>) -> InputId {
    let mut state = State::new();
    let whole = Fragment::default();
    let file = Arc::clone(&audit.file().path);
    let mut shell = Interpreter { fragment: &whole, environment, audit, state: &mut state, file };
    shell.image(&word.word())
}
