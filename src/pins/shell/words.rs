//! Words after expansion: what a shell would hand to the command, with the raw range of each.
//!
//! A variable that is known is replaced by its value; one that is not becomes [`UNKNOWN`] within
//! the word. A word made of one variable that holds several words is split, and each part is
//! reported where it stands in the value.

use crate::pins::environment::{Constant, Environment, MAX_VALUE};
use crate::pins::input::Origin;
use crate::pins::platform;
use crate::pins::span::{Fragment, FragmentBuilder, UNKNOWN};
use std::ops::Range;
use std::sync::Arc;
use tree_sitter::Node;

/// Nested expansions deeper than this (`${A:-${B:-…}}`) are unknown.
const MAX_DEPTH: usize = 24;

/// One word can split or multiply into no more words than this.
const MAX_WORDS: usize = 4096;

/// What stands in the place of a version that is looked up when the command runs.
const NEWEST: &str = "latest";

/// What stands in the place of a checksum that is fetched when the command runs.
const FETCHED: &str = "fetched";

/// A word.
#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    /// Its text with the map to the raw file.
    pub(super) fragment: Fragment,
    /// Where it is reported, if not where its text came from.
    pub(super) site: Option<Range<usize>>,
    /// Where a value in it came from.
    pub(super) origin: Option<Origin>,
    /// Whether any part of it was quoted (a quoted `>` is no redirect).
    pub(super) quoted: bool,
    /// Commands of `$(…)` and `` `…` `` in it, not judged yet.
    pub(super) substitutions: Vec<Fragment>,
    /// The commands of `<(…)`, if that is what it is.
    pub(super) process: Option<Fragment>,
}

impl Word {
    /// A word of plain text.
    pub(super) fn plain(fragment: Fragment) -> Self {
        Self { fragment, ..Self::default() }
    }

    /// Its text.
    pub(super) fn text(&self) -> &str {
        self.fragment.text()
    }

    /// Its raw bytes.
    pub(super) fn range(&self) -> Range<usize> {
        self.site.clone().unwrap_or_else(|| self.fragment.raw_whole())
    }

    /// The raw bytes of a part of its text.
    pub(super) fn part(&self, range: Range<usize>) -> Range<usize> {
        self.site.clone().unwrap_or_else(|| self.fragment.raw_range(range))
    }

    /// A part of it as a word.
    pub(super) fn slice(&self, range: Range<usize>) -> Self {
        Self {
            fragment: self.fragment.slice(range),
            site: self.site.clone(),
            origin: self.origin.clone(),
            quoted: self.quoted,
            substitutions: Vec::new(),
            process: None,
        }
    }

    /// The part behind a prefix.
    pub(super) fn strip_prefix(&self, prefix: &str) -> Option<Self> {
        let rest = self.text().strip_prefix(prefix)?.len();
        let end = self.text().len();
        Some(self.slice(end.saturating_sub(rest)..end))
    }

    /// The parts before and behind the first `separator`.
    pub(super) fn split_once(&self, separator: char) -> Option<(Self, Self)> {
        let at = self.text().find(separator)?;
        let behind = at.saturating_add(separator.len_utf8());
        Some((self.slice(0..at), self.slice(behind..self.text().len())))
    }

    /// Whether any part of it comes from outside.
    pub(super) fn is_unknown(&self) -> bool {
        self.text().contains(UNKNOWN)
    }
}

/// Expands nodes of one tree.
pub(super) struct Expander<'a> {
    /// The text that the tree was made of.
    pub(super) fragment: &'a Fragment,
    /// What names stand for.
    pub(super) environment: &'a Environment,
    /// The file that is being read.
    pub(super) file: &'a Arc<str>,
}

impl Expander<'_> {
    /// The range of an expansion. Within quotes the grammar's `$` begins with the blanks before it.
    fn own(&self, node: Node<'_>) -> Range<usize> {
        let range = node.byte_range();
        let text = self.fragment.get(range.clone());
        let bare = text.trim_start();
        let expansion = ["simple_expansion", "expansion", "command_substitution"]
            .iter()
            .chain(&["arithmetic_expansion"])
            .any(|kind| node.kind() == *kind);
        if expansion && bare.starts_with(['$', '`']) {
            range.end.saturating_sub(bare.len())..range.end
        } else {
            range
        }
    }

    /// The words that a node becomes.
    pub(super) fn words(&self, node: Node<'_>) -> Vec<Word> {
        if let Some(words) = self.listed(node) {
            return words;
        }
        let mut parts = Parts::default();
        self.append(node, &mut parts, 0, false);
        braces(parts.finish())
    }

    /// The words of nodes without a blank between them.
    pub(super) fn glued(&self, nodes: &[Node<'_>]) -> Vec<Word> {
        let [node] = nodes else {
            let mut parts = Parts::default();
            for node in nodes {
                self.append(*node, &mut parts, 0, false);
            }
            let nothing = nodes.is_empty();
            return (!nothing).then(|| parts.finish()).into_iter().collect();
        };
        self.words(*node)
    }

    /// One word, without splitting: the value of an assignment, a redirect's target.
    pub(super) fn word(&self, node: Node<'_>) -> Word {
        let mut parts = Parts::default();
        self.append(node, &mut parts, 0, false);
        parts.finish()
    }

    /// A heredoc's body, expanded unless its delimiter is quoted.
    pub(super) fn heredoc(&self, body: Node<'_>, quoted: bool) -> Fragment {
        let mut parts = Parts::default();
        if quoted {
            parts.builder.append_range(self.fragment, body.byte_range());
        } else {
            self.append_children(body, &mut parts, body.byte_range(), 0, true);
        }
        parts.builder.finish()
    }

    /// A word that is one variable holding several words, or all elements of an array.
    fn listed(&self, node: Node<'_>) -> Option<Vec<Word>> {
        let inner = match node.kind() {
            "string" if node.named_child_count() == 1 => {
                let child = node.named_child(0)?;
                let whole = self.own(child).len().saturating_add(2);
                (self.is_all_elements(child) && node.byte_range().len() == whole)
                    .then_some(child)?
            }
            "simple_expansion" | "expansion" => node,
            _ => return None,
        };
        let name = self.plain_name(inner)?;
        let constant = self.environment.get(&name)?;
        let quoted = node.kind() == "string";
        let mut words = Vec::new();
        for value in &constant.values {
            let pieces = if quoted {
                std::iter::once(0..value.text().len()).collect()
            } else {
                fields(value.text())
            };
            for piece in pieces.into_iter().take(MAX_WORDS) {
                words.push(self.element(constant, value, piece, node));
            }
        }
        if let [only] = words.as_mut_slice()
            && !constant.element
        {
            // One word from one variable is reported where the variable is used.
            only.site = Some(self.fragment.raw_range(self.own(node)));
        }
        (!words.is_empty()).then_some(words)
    }

    fn element(
        &self,
        constant: &Constant,
        value: &Fragment,
        piece: Range<usize>,
        node: Node<'_>,
    ) -> Word {
        let use_site = || self.fragment.raw_range(self.own(node));
        let same_file = constant.file == *self.file;
        let site = (!same_file || value.raw_whole().is_empty()).then(use_site);
        Word {
            fragment: value.slice(piece),
            site,
            origin: Some(constant.origin.clone()),
            ..Word::default()
        }
    }

    /// The name of `$A`, `${A}`, `${A[@]}`, `$@`; nothing with an operator.
    fn plain_name(&self, node: Node<'_>) -> Option<String> {
        let text = self.fragment.get(self.own(node));
        let name = text.strip_prefix('$')?;
        let name = name.strip_prefix('{').and_then(|n| n.strip_suffix('}')).unwrap_or(name);
        let name = name.strip_suffix("[@]").or_else(|| name.strip_suffix("[*]")).unwrap_or(name);
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (name == "@" || name == "*" || (plain && !name.is_empty())).then(|| name.to_owned())
    }

    fn is_all_elements(&self, node: Node<'_>) -> bool {
        let text = self.fragment.get(self.own(node));
        text == "$@" || text.ends_with("[@]}")
    }

    fn append(&self, node: Node<'_>, parts: &mut Parts, depth: usize, in_string: bool) {
        if depth > MAX_DEPTH || parts.builder.text().len() > MAX_VALUE {
            parts.builder.unknown(self.fragment.raw_range(node.byte_range()));
            return;
        }
        let range = self.own(node);
        parts.builder.append_range(self.fragment, node.start_byte()..range.start);
        match node.kind() {
            "raw_string" => {
                parts.quoted = true;
                let inner = range.start.saturating_add(1)..range.end.saturating_sub(1);
                parts.builder.append_range(self.fragment, inner);
            }
            "string" | "translated_string" => {
                parts.quoted = true;
                let text = self.fragment.get(range.clone());
                let open = text.find('"').map_or(0, |at| at.saturating_add(1));
                let close = usize::from(text.len() > open && text.ends_with('"'));
                let inner = range.start.saturating_add(open)
                    ..range.end.saturating_sub(close).max(range.start);
                self.append_children(node, parts, inner, depth, true);
            }
            "ansi_c_string" => {
                parts.quoted = true;
                let inner = range.start.saturating_add(2)..range.end.saturating_sub(1);
                self.append_escaped(inner, parts, Escapes::AnsiC);
            }
            "simple_expansion" | "expansion" => self.append_variable(node, parts, depth),
            "command_substitution" => {
                parts.substitutions.push(self.inside(node));
                if platform::is_fact(self.inside(node).text()) {
                    parts.builder.replaced(platform::FACT, self.fragment.raw_range(range));
                } else if parts.builder.text().contains("://") && newest(self.inside(node).text()) {
                    parts.builder.replaced(NEWEST, self.fragment.raw_range(range));
                } else if let Some(text) = self.literal_echo(node) {
                    parts.builder.replaced(&text, self.fragment.raw_range(range));
                } else {
                    parts.builder.unknown(self.fragment.raw_range(range));
                }
            }
            "process_substitution" => {
                parts.process = Some(self.inside(node));
                parts.builder.unknown(self.fragment.raw_range(range));
            }
            "arithmetic_expansion" | "brace_expression" => {
                parts.builder.unknown(self.fragment.raw_range(range));
            }
            "concatenation" | "command_name" | "array" => {
                self.append_children(node, parts, range, depth, in_string);
            }
            _ => self.append_escaped(
                range,
                parts,
                if in_string { Escapes::DoubleQuotes } else { Escapes::Unquoted },
            ),
        }
    }

    /// Children and the text between them: the grammar leaves blanks and line ends to no node.
    fn append_children(
        &self,
        node: Node<'_>,
        parts: &mut Parts,
        inner: Range<usize>,
        depth: usize,
        in_string: bool,
    ) {
        let escapes = if in_string { Escapes::DoubleQuotes } else { Escapes::Unquoted };
        let mut cursor = node.walk();
        let mut done = inner.start;
        for child in node.named_children(&mut cursor) {
            let range = child.byte_range();
            if range.start < done || range.end > inner.end || range.is_empty() {
                continue;
            }
            self.append_escaped(done..range.start, parts, escapes);
            self.append(child, parts, depth.saturating_add(1), in_string);
            done = range.end;
        }
        self.append_escaped(done..inner.end, parts, escapes);
    }

    fn append_escaped(&self, range: Range<usize>, parts: &mut Parts, escapes: Escapes) {
        let text = self.fragment.get(range.clone());
        let mut done = 0_usize;
        let mut at = 0_usize;
        while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
            let start = at.saturating_add(found);
            let Some(next) = text.get(start.saturating_add(1)..).and_then(|t| t.chars().next())
            else {
                break;
            };
            let end = start.saturating_add(1).saturating_add(next.len_utf8());
            if let Some(replacement) = escapes.replace(next) {
                let from = range.start;
                parts.builder.append_range(
                    self.fragment,
                    from.saturating_add(done)..from.saturating_add(start),
                );
                let raw =
                    self.fragment.raw_range(from.saturating_add(start)..from.saturating_add(end));
                parts.builder.replaced(&replacement, raw);
                done = end;
            }
            at = end;
        }
        parts.builder.append_range(self.fragment, range.start.saturating_add(done)..range.end);
    }

    fn append_variable(&self, node: Node<'_>, parts: &mut Parts, depth: usize) {
        let raw = self.fragment.raw_range(self.own(node));
        let variable = Variable::read(self.fragment, node);
        let constant = variable
            .name
            .as_deref()
            .filter(|_| !variable.odd)
            .and_then(|n| self.environment.get(n));
        match (constant, variable.operator.as_str()) {
            (Some(constant), "" | ":-" | "-" | ":=" | "=" | ":?" | "?")
                if !self.is_fact(constant, &variable) =>
            {
                self.append_constant(constant, parts, &raw);
            }
            (None, ":-" | "-" | ":=" | "=") if variable.name.is_some() && !variable.odd => {
                let mut value = Parts::default();
                for operand in variable.operands {
                    self.append(operand, &mut value, depth.saturating_add(1), false);
                }
                let text = value.builder.text().to_owned();
                let name = variable.name.unwrap_or_default();
                parts.origin.get_or_insert_with(|| Origin {
                    name: format!("the default of ${name}"),
                    place: None,
                    overridable: true,
                });
                parts.builder.replaced(&text, raw);
            }
            // However it is cut, it stays one.
            (Some(constant), _)
                if constant.texts().eq([platform::FACT]) || self.is_fact(constant, &variable) =>
            {
                parts.builder.replaced(platform::FACT, raw);
            }
            (Some(constant), operator @ ("/" | "//")) => {
                let value = constant.values.first().map(Fragment::text).unwrap_or_default();
                let text = self.fragment.get(self.own(node));
                match substituted(value, operator, text) {
                    Some(text) if !value.contains(UNKNOWN) => {
                        parts.origin.get_or_insert_with(|| constant.origin.clone());
                        parts.builder.replaced(&text, raw);
                    }
                    _ => parts.builder.unknown(raw),
                }
            }
            (None, "") if variable.name.as_deref().is_some_and(platform::is_variable) => {
                parts.builder.replaced(platform::FACT, raw);
            }
            (Some(constant), operator @ ("#" | "##" | "%" | "%%")) => {
                let pattern: String = variable
                    .operands
                    .iter()
                    .map(|operand| self.fragment.get(operand.byte_range()))
                    .collect();
                let value = constant.values.first().map(Fragment::text).unwrap_or_default();
                match trimmed(value, operator, &pattern) {
                    Some(text) if !value.contains(UNKNOWN) => {
                        parts.origin.get_or_insert_with(|| constant.origin.clone());
                        parts.builder.replaced(text, raw);
                    }
                    _ => parts.builder.unknown(raw),
                }
            }
            _ => parts.builder.unknown(raw),
        }
    }

    /// Whether a value that nobody knows is one of the platform, by the variable's name.
    fn is_fact(&self, constant: &Constant, variable: &Variable<'_>) -> bool {
        let unknown =
            constant.texts().all(|text| !text.is_empty() && text.chars().all(|c| c == UNKNOWN));
        unknown && variable.name.as_deref().is_some_and(platform::is_variable)
    }

    fn append_constant(&self, constant: &Constant, parts: &mut Parts, raw: &Range<usize>) {
        parts.origin.get_or_insert_with(|| constant.origin.clone());
        for (index, value) in constant.values.iter().enumerate() {
            if index > 0 {
                parts.builder.replaced(" ", raw.clone());
            }
            parts.builder.replaced(value.text(), raw.clone());
            if constant.element && constant.file == *self.file && !value.raw_whole().is_empty() {
                parts.site.get_or_insert_with(|| value.raw_whole());
            }
        }
    }

    /// The commands between the brackets of a substitution.
    fn inside(&self, node: Node<'_>) -> Fragment {
        let range = self.own(node);
        let text = self.fragment.get(range.clone());
        let open = if text.starts_with('`') { 1 } else { 2 };
        let close = usize::from(text.len() > open);
        self.fragment.slice(
            range.start.saturating_add(open)..range.end.saturating_sub(close).max(range.start),
        )
    }

    /// `$(echo text)`, `$(which program)` with nothing but plain text.
    fn literal_echo(&self, node: Node<'_>) -> Option<String> {
        let inside = self.inside(node);
        let text = inside.text().trim();
        let rest = ["echo ", "which ", "command -v ", "type -p "]
            .iter()
            .find_map(|program| text.strip_prefix(program))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || " ._-+:=/~".contains(c);
        rest.chars().all(plain).then(|| rest.trim().to_owned())
    }
}

/// `${NAME OPERATOR operands}` taken apart.
struct Variable<'t> {
    name: Option<String>,
    operator: String,
    operands: Vec<Node<'t>>,
    /// Indirection, length, an index: nothing that is resolved here.
    odd: bool,
}

impl<'t> Variable<'t> {
    fn read(fragment: &Fragment, node: Node<'t>) -> Self {
        let mut variable =
            Self { name: None, operator: String::new(), operands: Vec::new(), odd: false };
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            let text = fragment.get(child.byte_range());
            match child.kind() {
                "variable_name" | "special_variable_name" if variable.name.is_none() => {
                    variable.odd |= !variable.operator.is_empty();
                    variable.name = Some(text.to_owned());
                }
                "subscript" if variable.name.is_none() => {
                    let (name, index) = text.split_once('[').unwrap_or((text, ""));
                    variable.odd |= !["@]", "*]"].contains(&index);
                    variable.name = Some(name.to_owned());
                }
                "${" | "$" | "}" => {}
                _ if child.is_named() => variable.operands.push(child),
                operator if variable.operator.is_empty() => {
                    operator.clone_into(&mut variable.operator);
                }
                _ => {}
            }
        }
        variable
    }
}

/// `${V#pattern}` and its kin, for patterns without wildcards and for the two that everybody
/// uses: everything up to or from one literal text.
fn trimmed<'v>(value: &'v str, operator: &str, pattern: &str) -> Option<&'v str> {
    let literal = |p: &str| !p.contains(['*', '?', '[', '$', '\\', '`', '"', '\'']);
    if literal(pattern) {
        return Some(match operator {
            "#" | "##" => value.strip_prefix(pattern).unwrap_or(value),
            _ => value.strip_suffix(pattern).unwrap_or(value),
        });
    }
    let (before, after) = (pattern.strip_suffix('*'), pattern.strip_prefix('*'));
    let cut = |at: Option<usize>| at.and_then(|at| value.get(..at)).unwrap_or(value);
    let skip = |at: Option<usize>, length: usize| {
        at.and_then(|at| value.get(at.saturating_add(length)..)).unwrap_or(value)
    };
    match operator {
        "%" => before.filter(|p| literal(p)).map(|p| cut(value.rfind(p))),
        "%%" => before.filter(|p| literal(p)).map(|p| cut(value.find(p))),
        "#" => after.filter(|p| literal(p)).map(|p| skip(value.find(p), p.len())),
        _ => after.filter(|p| literal(p)).map(|p| skip(value.rfind(p), p.len())),
    }
}

/// The value of a variable that is given what a look-up says: its name tells whether that is a
/// version.
pub(super) fn looked_up(name: &str, value: &Word) -> Option<Fragment> {
    let lower = name.to_ascii_lowercase();
    let version = ["ver", "tag", "release", "latest"].iter().any(|part| lower.contains(part));
    let sum = ["sum", "sha", "hash", "digest"].iter().any(|part| lower.contains(part));
    let [commands] = value.substitutions.as_slice() else { return None };
    let whole = value.text().trim_start_matches('v').chars().all(|c| c == UNKNOWN);
    let text = match (version, sum) {
        (true, _) => NEWEST,
        (false, true) => FETCHED,
        (false, false) if asks_for_newest(commands.text()) => NEWEST,
        (false, false) => return None,
    };
    (whole && newest(commands.text())).then(|| Fragment::opaque(text, value.fragment.raw_whole()))
}

/// What a command writes from its words, where a server says a part of it: not unknown, but no
/// checksum that anybody here wrote down.
pub(super) fn said_by_server(words: &[Word], text: Fragment) -> Fragment {
    let fetched = words.iter().flat_map(|word| &word.substitutions).any(|s| newest(s.text()));
    if !fetched {
        return text;
    }
    let known = text.text().replace(UNKNOWN, FETCHED);
    Fragment::opaque(&known, text.raw_whole())
}

/// Whether a word is nothing but what a server says that the newest is.
pub(super) fn is_looked_up(word: &Word) -> bool {
    let [commands] = word.substitutions.as_slice() else { return false };
    word.text().chars().all(|c| c == UNKNOWN)
        && newest(commands.text())
        && asks_for_newest(commands.text())
}

/// Whether a word is what git finds newest in a clone: `$(git describe --tags)`,
/// `$(git tag | tail -1)`.
pub(super) fn is_newest_tag(word: &Word) -> bool {
    let [commands] = word.substitutions.as_slice() else { return false };
    let words: Vec<&str> = commands.text().split_whitespace().collect();
    let git = matches!(words.as_slice(), ["git", ..]);
    let bounded = ["--before", "--until", "--contains", "--points-at"];
    git && ["describe", "tag", "rev-list", "for-each-ref", "ls-remote"]
        .iter()
        .any(|name| words.iter().take(4).any(|word| word == name))
        && !bounded.iter().any(|option| commands.text().contains(option))
}

/// Whether the address itself says that it tells the newest: `releases/latest`, `stable.txt`.
fn asks_for_newest(commands: &str) -> bool {
    let bare = |word: &str| word.trim_matches(['"', '\'']).to_ascii_lowercase();
    commands.split_whitespace().map(bare).filter(|word| word.contains("://")).any(|url| {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        last.contains("latest") || ["stable", "stable.txt", "tags"].contains(&last)
    })
}

/// Whether commands ask a server what is newest.
fn newest(commands: &str) -> bool {
    let words: Vec<&str> = commands.split_whitespace().filter(|word| *word != "sudo").collect();
    let bare = |word: &&str| word.trim_matches(['"', '\'']).to_owned();
    let urls: Vec<String> =
        words.iter().map(bare).filter(|word| word.contains("://") || word.contains('$')).collect();
    let inside = |word: &String| word.contains("://") && super::fetch::is_inside(word);
    let distant = !urls.is_empty() && !urls.iter().any(inside);
    match words.as_slice() {
        ["curl" | "wget", ..] => distant,
        ["git", "ls-remote", ..] | ["npm", "view" | "show" | "info", ..] => true,
        [first, ..] => first.contains("latest") && !first.contains(['/', '=']),
        [] => false,
    }
}

/// `${V/pattern/text}` and `${V//pattern/text}`, for patterns without wildcards.
fn substituted(value: &str, operator: &str, expansion: &str) -> Option<String> {
    let (_, rest) = expansion.strip_suffix('}')?.split_once(operator)?;
    let (pattern, text) = rest.split_once('/').unwrap_or((rest, ""));
    let literal = |p: &str| !p.contains(['*', '?', '[', '$', '\\', '`', '"', '\'']);
    if pattern.is_empty() || pattern.starts_with(['#', '%']) || !literal(pattern) || !literal(text)
    {
        return None;
    }
    Some(match operator {
        "//" => value.replace(pattern, text),
        _ => value.replacen(pattern, text, 1),
    })
}

/// Which backslashes mean something.
#[derive(Clone, Copy)]
enum Escapes {
    Unquoted,
    DoubleQuotes,
    AnsiC,
}

impl Escapes {
    fn replace(self, next: char) -> Option<String> {
        match (self, next) {
            (Self::Unquoted | Self::DoubleQuotes, '\n') => Some(String::new()),
            (Self::Unquoted, other) => Some(other.to_string()),
            (Self::DoubleQuotes, '"' | '\\' | '$' | '`') => Some(next.to_string()),
            (Self::DoubleQuotes, _) => None,
            (Self::AnsiC, 'n') => Some("\n".to_owned()),
            (Self::AnsiC, 't') => Some("\t".to_owned()),
            (Self::AnsiC, '\\' | '\'' | '"') => Some(next.to_string()),
            (Self::AnsiC, _) => None,
        }
    }
}

#[derive(Default)]
struct Parts {
    builder: FragmentBuilder,
    origin: Option<Origin>,
    site: Option<Range<usize>>,
    quoted: bool,
    substitutions: Vec<Fragment>,
    process: Option<Fragment>,
}

impl Parts {
    fn finish(self) -> Word {
        Word {
            fragment: self.builder.finish(),
            site: self.site,
            origin: self.origin,
            quoted: self.quoted,
            substitutions: self.substitutions,
            process: self.process,
        }
    }
}

/// The ranges of the blank-separated words of a text.
pub(super) fn fields(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    for (offset, character) in text.char_indices() {
        match (character.is_whitespace(), start) {
            (false, None) => start = Some(offset),
            (true, Some(from)) => {
                found.push(from..offset);
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        found.push(from..text.len());
    }
    found
}

/// `lib{a,b}=1` becomes two words; only one group, without nesting.
fn braces(word: Word) -> Vec<Word> {
    let text = word.text();
    let group = text.find('{').zip(text.find('}')).filter(|(open, close)| open < close);
    let Some((open, close)) = group.filter(|_| !word.quoted) else { return vec![word] };
    let inner = text.get(open.saturating_add(1)..close).unwrap_or_default();
    if !inner.contains(',')
        || inner.contains('{')
        || text.get(..open).is_some_and(|t| t.ends_with('$'))
    {
        return vec![word];
    }
    let mut words = Vec::new();
    let mut from = open.saturating_add(1);
    for item in inner.split(',').take(MAX_WORDS) {
        let to = from.saturating_add(item.len());
        let mut builder = FragmentBuilder::default();
        builder.append_range(&word.fragment, 0..open);
        builder.append_range(&word.fragment, from..to);
        builder.append_range(&word.fragment, close.saturating_add(1)..text.len());
        let site = Some(word.part(from..to));
        words.push(Word { fragment: builder.finish(), site, ..word.clone() });
        from = to.saturating_add(1);
    }
    words
}
