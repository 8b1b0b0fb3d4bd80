//! What CI systems and orchestrators have in common: constants, images and lines of script that
//! run on one machine.

use super::audit::{Audit, InputId};
use super::environment::{Constant, Environment};
use super::input::{Input, Origin};
use super::shell::{self, Context, Dialect};
use super::span::{Fragment, FragmentBuilder, UNKNOWN};
use super::strength::{Ecosystem, Strength};
use super::yaml::{Kind, Node};
use std::ops::Range;
use std::sync::Arc;

/// Lists of lines within lists of lines (anchors): deeper ones are nobody's script.
const MAX_DEPTH: usize = 8;

/// One machine of a pipeline: a job, a service, a container.
pub(super) struct Stage<'s, 'a> {
    pub(super) audit: &'s mut Audit<'a>,
    pub(super) environment: Environment,
}

impl<'s, 'a> Stage<'s, 'a> {
    /// A machine on which nothing is known yet.
    pub(super) fn new(audit: &'s mut Audit<'a>) -> Self {
        Self { audit, environment: Environment::default() }
    }

    /// Names and values (`env`, `variables`): what the commands below see. A value may stand in a
    /// mapping's `value`. What is only declared (`NAME:`) comes from outside.
    pub(super) fn constants(&mut self, what: &str, map: Option<&Node>) {
        for (name, value) in map.map(Node::pairs).unwrap_or_default() {
            let value = value.any(&["value", "default"]).unwrap_or(value);
            let (Some(name), Some(fragment)) = (name.text(), value.fragment()) else { continue };
            self.constant(what, name, fragment);
        }
    }

    /// One name and its value.
    pub(super) fn constant(&mut self, what: &str, name: &str, value: &Fragment) {
        let place = Some(self.audit.place(value.raw_whole()));
        let origin = Origin { name: format!("{what} {name}"), place, overridable: false };
        let file = Arc::clone(&self.audit.file().path);
        let values = vec![value.clone()];
        self.environment.set(name, Constant { values, file, origin, element: false });
    }

    /// A container image, shell variables in it resolved.
    pub(super) fn image(&mut self, node: &Node) -> Option<InputId> {
        let fragment = node.fragment().filter(|image| !image.text().trim().is_empty())?;
        let file = Arc::clone(&self.audit.file().path);
        let word = shell::expand_value(fragment, &self.environment, &file);
        Some(shell::image(&word, &mut self.environment, self.audit))
    }

    /// Lines that one shell runs: one text, or a list of them.
    pub(super) fn script(&mut self, lines: &Node, dialect: Dialect) {
        let mut text = FragmentBuilder::default();
        append_lines(lines, &mut text, 0);
        self.run(&text.finish(), dialect);
    }

    /// A text that a shell of its own runs: what it sets ends with it, the machine stays.
    pub(super) fn run(&mut self, text: &Fragment, dialect: Dialect) {
        if text.text().trim().is_empty() {
            return;
        }
        let before = self.environment.constants_only();
        shell::audit(text, &mut self.environment, self.audit, Context { dialect });
        self.environment.restore_constants(&before);
        self.environment.functions.clear();
        self.environment.machine.directory = None;
    }

    /// `command` and `args` in their list form, run without a shell.
    pub(super) fn words(&mut self, words: &[Fragment]) {
        let before = self.environment.constants_only();
        shell::audit_words(words, &mut self.environment, self.audit);
        self.environment.restore_constants(&before);
    }

    /// An input that stands at a node.
    pub(super) fn input(
        &self,
        ecosystem: Ecosystem,
        subject: &str,
        strength: Strength,
        at: Range<usize>,
    ) -> Input {
        Input::new(ecosystem, &subject.replace(UNKNOWN, "…"), strength, self.audit.place(at))
    }
}

/// Lines of scripts and lists of them, each ended.
fn append_lines(node: &Node, text: &mut FragmentBuilder, depth: usize) {
    match node.kind() {
        Kind::Scalar { fragment, .. } => {
            text.append(fragment);
            let end = fragment.raw_whole().end;
            text.replaced("\n", end..end);
        }
        Kind::Sequence(items) if depth < MAX_DEPTH => {
            for item in items {
                append_lines(item, text, depth.saturating_add(1));
            }
        }
        Kind::Sequence(_) | Kind::Mapping(_) => {}
    }
}

/// The dialect of a shell by its name or command line; `None` for what is no shell (python, node).
pub(super) fn dialect_of(shell: &str) -> Option<Dialect> {
    let mut words = shell.split([' ', '\t', '/', '\\', '-', '_', '.']).filter(|w| !w.is_empty());
    words.find_map(|word| match word.to_ascii_lowercase().as_str() {
        "pwsh" | "powershell" => Some(Dialect::PowerShell),
        "cmd" => Some(Dialect::Cmd),
        "bash" | "sh" | "zsh" | "ash" | "dash" | "ksh" | "msys2" => Some(Dialect::Posix),
        _ => None,
    })
}

/// A tool's version as installers of tools read it: a part of one means the newest that begins so.
pub(super) fn tool_version(word: &str) -> Strength {
    let word = word.trim();
    let bare = word.trim_start_matches(['v', '=']);
    if super::classify::is_unknown(word) {
        return super::classify::version(Ecosystem::Tool, word);
    }
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let partial = bare.starts_with(|c: char| c.is_ascii_digit())
        && bare.split('.').all(number)
        && bare.split('.').count() < 3
        && bare.len() < 8;
    let named = word.to_ascii_lowercase();
    if word.starts_with("lts") || named.ends_with("stable") || named == "node" {
        Strength::Floating
    } else if partial
        || named.ends_with("-dev")
        || named.starts_with("pypy") && partial_behind(bare)
    {
        Strength::Range
    } else {
        super::classify::version(Ecosystem::Tool, word)
    }
}

/// `pypy3.10`, `graalpy-24`: an implementation and a part of a version.
fn partial_behind(word: &str) -> bool {
    let digits = word.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.split(['.', '-']).count() < 3
}

/// The inputs that a carrier finds by the first of some files, in that file and in those it follows,
/// each once, in the order of places: `ecosystem subject strength @word`. Gaps are failures.
#[cfg(test)]
#[track_caller]
pub(super) fn inputs_of(
    carrier: &'static super::carrier::Carrier,
    files: &[(&str, &str)],
) -> Vec<String> {
    let (path, text) = files[0];
    assert!((carrier.recognises)(path, text.as_bytes()), "{path} is not recognised:\n{text}");
    let all = files.iter().map(|(path, text)| (*path, text.as_bytes()));
    let repository = super::repository::Repository::of_files(all);
    let source = super::repository::SourceFile::new(path, text.as_bytes());
    let collected = super::walk::audit_source(&source, carrier, &repository);
    assert!(collected.gaps.is_empty(), "{:?}", collected.gaps);
    let shown = collected.inputs.iter().map(|input| {
        let file = files.iter().find(|(path, _)| *path == &*input.place.file);
        let word = file.and_then(|(_, text)| text.get(input.place.range())).unwrap_or("?");
        let shown = format!("{} {} {} @{word}", input.ecosystem, input.subject, input.held());
        (input.place.file.to_string(), input.place.start_byte, shown)
    });
    let found: std::collections::BTreeSet<(String, usize, String)> = shown.collect();
    found.into_iter().map(|(_, _, shown)| shown).collect()
}

/// What a carrier says of the first of some files, in the order of the places: `ecosystem subject
/// strength @word`, remarks behind `!`, gaps behind `gap:`.
#[cfg(test)]
#[track_caller]
pub(super) fn check_files(
    carrier: &'static super::carrier::Carrier,
    files: &[(&str, &str)],
    expected: &[&str],
) {
    let (path, text) = files[0];
    let found = super::carrier::carrier_of(path, text.as_bytes()).map(|found| found.name);
    assert_eq!(found, Some(carrier.name), "{path}");
    let all = files.iter().map(|(path, text)| (*path, text.as_bytes()));
    let repository = super::repository::Repository::of_files(all);
    let source = super::repository::SourceFile::new(path, text.as_bytes());
    let collected = super::walk::audit_source(&source, carrier, &repository);
    let word = |place: &super::input::Place| {
        let file = files.iter().find(|(path, _)| *path == &*place.file).unwrap_or(&files[0]);
        file.1.get(place.range()).unwrap_or("?").to_owned()
    };
    let mut lines: Vec<(usize, String)> = Vec::new();
    for input in &collected.inputs {
        let (ecosystem, subject, held) = (input.ecosystem, &input.subject, input.held());
        let line = format!("{ecosystem} {subject} {held} @{}", word(&input.place));
        lines.push((input.place.start_byte, line));
    }
    for remark in &collected.remarks {
        let line = format!("! {} {} @{}", remark.rule, remark.message, word(&remark.place));
        lines.push((remark.place.start_byte, line));
    }
    lines.sort();
    let gaps = collected.gaps.iter().map(|gap| format!("gap: {}", gap.reason));
    let found: Vec<String> = lines.into_iter().map(|(_, line)| line).chain(gaps).collect();
    assert_eq!(found, expected, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_tools() {
        let check =
            |word: &str, expected: Strength| assert_eq!(tool_version(word), expected, "{word}");
        check("20", Strength::Range);
        check("3.12", Strength::Range);
        check("3.12.1", Strength::Exact);
        check("v1.2.3", Strength::Exact);
        check("20.x", Strength::Range);
        check("lts/*", Strength::Floating);
        check("oldstable", Strength::Floating);
        check("latest", Strength::None);
        check("3.13-dev", Strength::Range);
        check("pypy3.10", Strength::Range);
        check(">=18", Strength::Range);
        check("\u{10fffe}", Strength::Unknown);
    }

    #[test]
    fn shells() {
        assert_eq!(dialect_of("bash -el {0}"), Some(Dialect::Posix));
        assert_eq!(dialect_of("/bin/sh"), Some(Dialect::Posix));
        assert_eq!(dialect_of("pwsh"), Some(Dialect::PowerShell));
        assert_eq!(dialect_of("powershell.exe"), Some(Dialect::PowerShell));
        assert_eq!(dialect_of("python"), None);
    }
}
