//! Statements: what runs, in which order, with which constants.
//!
//! This is no shell: both branches of every `if` count, a loop over a literal list is run once for
//! each word that its body uses, a loop over anything else once with an unknown word. Functions
//! are run where they are called; those that nobody calls are read once with unknown arguments.

use super::call::{Feed, Output};
use super::parse;
use super::words::{Expander, Word};
use crate::pins::audit::Audit;
use crate::pins::environment::{Constant, Environment};
use crate::pins::input::Origin;
use crate::pins::span::{Fragment, FragmentBuilder};
use std::collections::BTreeSet;
use std::sync::Arc;
use tree_sitter::Node;

/// Statements of one audit, repetitions of loops and functions included.
const MAX_STEPS: usize = 60_000;

/// Scripts in scripts, functions in functions.
const MAX_NESTING: usize = 12;

/// What running a text costs besides its length, and what a statement does: for [`Audit::spend`].
const RUN_COST: usize = 500;
const STATEMENT_COST: usize = 100;

/// The same for a value of an assignment.
const VALUE_COST: usize = 20;

/// Commands with more words than this are cut off.
pub(super) const MAX_COMMAND: usize = 20_000;

/// Syntax trees deeper than this are cut off: the walk is recursive.
const MAX_TREE_DEPTH: usize = 150;

/// A literal list longer than this is run for its first words only.
const MAX_LOOP: usize = 512;

/// What is counted over all nested runs of one audit.
#[derive(Debug)]
pub(super) struct State {
    steps: usize,
    pub(super) nesting: usize,
    /// Statements within statements, over all nested texts: the walk is recursive.
    depth: usize,
    /// Commands that run commands (`sudo`, `docker run`), one within the other.
    pub(super) calls: usize,
    calling: Vec<String>,
    called: BTreeSet<String>,
    complained: bool,
    /// Where a redirect stands that looks like a version (`pip install x>=1`): raw offset.
    pub(super) glued: Option<usize>,
}

impl State {
    pub(super) fn new() -> Self {
        let (calling, called) = (Vec::new(), BTreeSet::new());
        Self {
            steps: MAX_STEPS,
            nesting: 0,
            depth: 0,
            calls: 0,
            calling,
            called,
            complained: false,
            glued: None,
        }
    }
}

/// Runs one text.
pub(super) struct Interpreter<'e, 'a> {
    pub(super) fragment: &'e Fragment,
    pub(super) environment: &'e mut Environment,
    pub(super) audit: &'e mut Audit<'a>,
    pub(super) state: &'e mut State,
    pub(super) file: Arc<str>,
}

/// Runs a text whose output goes to `output`.
pub(super) fn run(
    fragment: &Fragment,
    environment: &mut Environment,
    audit: &mut Audit<'_>,
    state: &mut State,
    output: &Output,
) {
    if state.nesting >= MAX_NESTING || fragment.text().trim().is_empty() {
        return;
    }
    let masked = parse::readable(fragment);
    let fragment = masked.as_ref().unwrap_or(fragment);
    if !audit.spend(fragment.text().len().saturating_add(RUN_COST)) {
        return;
    }
    let Some(tree) = parse::parse(fragment.text()) else {
        let at = fragment.raw_whole().start;
        audit.gap("a script nests too deep or takes too long to parse", Some(at));
        return;
    };
    let open = parse::unclosed_quote(&tree, fragment.text());
    if let Some(at) = open {
        let at = fragment.raw_range(at..at).start;
        audit.gap("a quote that opens here is never closed", Some(at));
    }
    state.nesting = state.nesting.saturating_add(1);
    let file = Arc::clone(&audit.file().path);
    let mut interpreter = Interpreter { fragment, environment, audit, state, file };
    interpreter.statement(tree.root_node(), output, 0);
    // What stands on the lines behind is judged as if it had been closed.
    let rest = open.and_then(|open| fragment.text().get(open..)?.find('\n')?.checked_add(open));
    if let Some(rest) = rest {
        let rest = fragment.slice(rest..fragment.text().len());
        interpreter.run_nested(&rest, output);
    }
    interpreter.state.nesting = interpreter.state.nesting.saturating_sub(1);
    if interpreter.state.nesting == 0 {
        interpreter.uncalled_functions();
    }
}

impl Interpreter<'_, '_> {
    pub(super) fn expander(&self) -> Expander<'_> {
        Expander { fragment: self.fragment, environment: self.environment, file: &self.file }
    }

    /// Runs another text in the same shell.
    pub(super) fn run_nested(&mut self, fragment: &Fragment, output: &Output) {
        run(fragment, self.environment, self.audit, self.state, output);
    }

    /// Runs another text in a shell of its own: what it sets does not come back.
    pub(super) fn run_in_subshell(&mut self, fragment: &Fragment, output: &Output) {
        let before = self.environment.constants_only();
        self.run_nested(fragment, output);
        self.environment.restore_constants(&before);
    }

    pub(super) fn statement(&mut self, node: Node<'_>, output: &Output, depth: usize) {
        let Some(left) =
            self.state.steps.checked_sub(1).filter(|_| self.state.depth < MAX_TREE_DEPTH)
        else {
            if !self.state.complained {
                self.state.complained = true;
                let at = self.fragment.raw_range(node.byte_range()).start;
                self.audit
                    .gap("a script is too large or too deep: the rest was not judged", Some(at));
            }
            return;
        };
        self.state.steps = left;
        if !self.audit.spend(STATEMENT_COST) {
            return;
        }
        self.state.depth = self.state.depth.saturating_add(1);
        self.one_statement(node, output, depth.saturating_add(1));
        self.state.depth = self.state.depth.saturating_sub(1);
    }

    fn one_statement(&mut self, node: Node<'_>, output: &Output, depth: usize) {
        match node.kind() {
            "command" | "pipeline" | "redirected_statement" => self.pipeline(node, output, depth),
            "subshell" => {
                let before = self.environment.constants_only();
                self.children(node, output, depth);
                self.environment.restore_constants(&before);
            }
            "variable_assignment" => self.assign(node),
            "declaration_command" => self.declare(node),
            "unset_command" => self.unset(node),
            "function_definition" => self.define(node),
            "for_statement" => self.repeat(node, output, depth),
            "if_statement" | "case_statement" => self.branch(node, output, depth),
            "test_command" => self.test(node),
            "ERROR" => self.broken(node, output, depth),
            _ => self.children(node, output, depth),
        }
    }

    fn children(&mut self, node: Node<'_>, output: &Output, depth: usize) {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        for child in children {
            self.statement(child, output, depth);
        }
    }

    /// A part that does not parse: statements in it are statements, words in a row are a command.
    fn broken(&mut self, node: Node<'_>, output: &Output, depth: usize) {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
        let mut row: Vec<Node<'_>> = Vec::new();
        for child in children {
            let word = matches!(
                child.kind(),
                "word"
                    | "string"
                    | "raw_string"
                    | "concatenation"
                    | "number"
                    | "command_name"
                    | "simple_expansion"
                    | "expansion"
            );
            if word {
                let same_line = row.last().is_none_or(|last| {
                    let gap = self.fragment.get(last.end_byte()..child.start_byte());
                    !gap.replace("\\\n", "").contains('\n')
                });
                if !same_line {
                    self.words_as_command(&row, output);
                    row.clear();
                }
                row.push(child);
                continue;
            }
            self.words_as_command(&row, output);
            row.clear();
            if child.is_named() {
                self.statement(child, output, depth);
            }
        }
        self.words_as_command(&row, output);
    }

    fn words_as_command(&mut self, row: &[Node<'_>], output: &Output) {
        let expander = self.expander();
        let words: Vec<Word> = row.iter().flat_map(|node| expander.words(*node)).collect();
        if words.len() > 1 {
            self.call(words, Feed::Nothing, output);
        }
    }

    fn assign(&mut self, node: Node<'_>) {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
        let Some(target) = children.first() else { return };
        let name = self.fragment.get(target.byte_range()).to_owned();
        let append = children.iter().any(|child| child.kind() == "+=");
        let value = children.iter().skip(1).rfind(|child| child.is_named());
        let expander = self.expander();
        let mut words = match value {
            None => vec![Word::default()],
            Some(value) if value.kind() == "array" => {
                let mut cursor = value.walk();
                let items: Vec<Node<'_>> = value.named_children(&mut cursor).collect();
                items.into_iter().flat_map(|item| expander.words(item)).collect()
            }
            Some(value) => vec![expander.word(*value)],
        };
        let whole = self.fragment.raw_range(node.byte_range());
        for word in &words {
            self.substitutions(word, &Output::Captured);
            self.remember_sum(&name, word);
            self.remember_commands(&name, word);
        }
        // A value that grows line by line is copied with each.
        let old = self.environment.get(&name).filter(|_| append);
        let length: usize = words.iter().map(|word| word.text().len()).sum();
        let length = old.map_or(0, |old| old.texts().map(str::len).sum()).saturating_add(length);
        let old = old.map_or(0, |old| old.values.len());
        let values = words.len().saturating_add(old).saturating_mul(VALUE_COST);
        if !self.audit.spend(values.saturating_add(length / 16)) {
            return;
        }
        let overridable = words.iter().filter_map(|w| w.origin.as_ref()).any(|o| o.overridable);
        if name.contains('[') {
            let base = name.split('[').next().unwrap_or_default();
            self.environment.unset(base);
            return;
        }
        if let [word] = words.as_mut_slice()
            && let Some(value) = super::words::looked_up(&name, word)
        {
            word.fragment = value;
        }
        let mut values: Vec<Fragment> = words.into_iter().map(|word| word.fragment).collect();
        if append && let Some(old) = self.environment.get(&name) {
            values = joined(&old.values, values, value.is_some_and(|v| v.kind() == "array"));
        }
        let place = Some(self.audit.place(whole));
        let origin = Origin { name: format!("${name}"), place, overridable };
        let file = Arc::clone(&self.file);
        self.environment.set(&name, Constant { values, file, origin, element: false });
    }

    fn declare(&mut self, node: Node<'_>) {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        for child in children {
            if child.kind() == "variable_assignment" {
                self.assign(child);
            }
        }
    }

    fn unset(&mut self, node: Node<'_>) {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        for child in children {
            let name = self.fragment.get(child.byte_range()).to_owned();
            self.environment.unset(&name);
        }
    }

    fn define(&mut self, node: Node<'_>) {
        let name = node.child_by_field_name("name");
        let body = node.child_by_field_name("body");
        if let (Some(name), Some(body)) = (name, body) {
            let name = self.fragment.get(name.byte_range()).to_owned();
            let body = self.fragment.slice(body.byte_range());
            self.environment.functions.insert(name, (body, Arc::clone(&self.file)));
        }
    }

    /// Runs a function of this file with its arguments; false where there is none of that name.
    pub(super) fn call_function(
        &mut self,
        name: &str,
        arguments: &[Word],
        output: &Output,
    ) -> bool {
        let Some((body, file)) = self.environment.functions.get(name) else { return false };
        if *file != self.file || self.state.calling.iter().any(|open| open == name) {
            return *file == self.file;
        }
        let body = body.clone();
        self.state.called.insert(name.to_owned());
        self.state.calling.push(name.to_owned());
        let before = self.environment.constants_only();
        self.bind(arguments);
        self.run_nested(&body, output);
        for position in 0..=arguments.len() {
            self.environment.unset(&position.to_string());
        }
        self.environment.unset("@");
        self.environment.unset("*");
        for name in ["@", "*", "1", "2", "3"] {
            if let Some(outer) = before.get(name) {
                self.environment.set(name, outer.clone());
            }
        }
        self.state.calling.pop();
        true
    }

    /// Gives positional parameters their values.
    pub(super) fn bind(&mut self, arguments: &[Word]) {
        let file = Arc::clone(&self.file);
        let constant = |values: Vec<Fragment>, name: String, word: Option<&Word>| {
            let outer = word.and_then(|word| word.origin.clone());
            let origin = outer.unwrap_or(Origin { name, place: None, overridable: false });
            Constant { values, file: Arc::clone(&file), origin, element: true }
        };
        let all: Vec<Fragment> = arguments.iter().map(|word| word.fragment.clone()).collect();
        for (index, word) in arguments.iter().enumerate().take(32) {
            let name = index.saturating_add(1).to_string();
            let value =
                constant(vec![word.fragment.clone()], format!("the argument ${name}"), Some(word));
            self.environment.set(&name, value);
        }
        for name in ["@", "*"] {
            let value = constant(all.clone(), "the arguments".to_owned(), arguments.first());
            self.environment.set(name, value);
        }
    }

    /// `shift`, `shift 2`: the arguments that are left move to the front.
    pub(super) fn shift(&mut self, count: Option<&Word>) {
        let Some(all) = self.environment.get("@").cloned() else { return };
        for position in 1..=all.values.len() {
            self.environment.unset(&position.to_string());
        }
        let count = count.map_or(Some(1), |word| word.text().parse::<usize>().ok());
        let left = count.map(|count| all.values.get(count..).unwrap_or_default().to_vec());
        for name in ["@", "*"] {
            match &left {
                Some(left) => {
                    let values = left.clone();
                    self.environment.set(name, Constant { values, ..all.clone() });
                }
                None => self.environment.unset(name),
            }
        }
        for (index, value) in left.unwrap_or_default().into_iter().enumerate().take(32) {
            let name = index.saturating_add(1).to_string();
            self.environment.set(&name, Constant { values: vec![value], ..all.clone() });
        }
    }

    /// Functions that nobody called are read once, their arguments unknown.
    fn uncalled_functions(&mut self) {
        for _ in 0..MAX_NESTING {
            let known = &self.environment.functions;
            let next = known
                .iter()
                .find(|(name, (_, file))| *file == self.file && !self.state.called.contains(*name));
            let Some((name, (body, _))) =
                next.map(|(name, function)| (name.clone(), function.clone()))
            else {
                break;
            };
            self.state.called.insert(name.clone());
            self.state.calling.push(name);
            self.state.nesting = self.state.nesting.saturating_add(1);
            self.run_nested(&body, &Output::Terminal);
            self.state.nesting = self.state.nesting.saturating_sub(1);
            self.state.calling.pop();
        }
    }

    fn repeat(&mut self, node: Node<'_>, output: &Output, depth: usize) {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        let Some(variable) = children.first() else { return };
        let name = self.fragment.get(variable.byte_range()).to_owned();
        let body = children.iter().find(|child| child.kind() == "do_group");
        let items: Vec<Node<'_>> = children
            .iter()
            .skip(1)
            .copied()
            .filter(|c| !matches!(c.kind(), "do_group" | "comment" | "compound_statement"))
            .collect();
        let expander = self.expander();
        let mut words: Vec<Word> = items.iter().flat_map(|item| expander.words(*item)).collect();
        for word in &words {
            self.substitutions(word, &Output::Captured);
        }
        if words.iter().any(|word| !word.quoted && word.text().contains(['*', '?'])) {
            // Files of this machine, whatever they are.
            words.clear();
        }
        let Some(body) = body.or(children.last()) else { return };
        let text = self.fragment.get(body.byte_range());
        let used = text.contains(&format!("${name}")) || text.contains(&format!("${{{name}"));
        if !used {
            words.truncate(1);
        }
        words.truncate(MAX_LOOP);
        if words.is_empty() {
            self.environment.unset(&name);
            self.statement(*body, output, depth);
            return;
        }
        for word in words {
            let place = self.audit.place(word.range());
            let origin = word.origin.clone().unwrap_or(Origin {
                name: format!("the loop over ${name}"),
                place: Some(place),
                overridable: false,
            });
            let file = Arc::clone(&self.file);
            let values = vec![word.fragment];
            self.environment.set(&name, Constant { values, file, origin, element: true });
            self.statement(*body, output, depth);
        }
    }

    /// Every branch starts from the constants before it; what they disagree on is unknown after.
    fn branch(&mut self, node: Node<'_>, output: &Output, depth: usize) {
        let before = self.environment.constants_only();
        let mut joined: Option<Environment> = None;
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        let mut exhaustive = false;
        for child in children {
            if matches!(child.kind(), "elif_clause" | "else_clause" | "case_item") {
                if let Some(others) = &joined {
                    self.environment.merge_branch(others);
                }
                joined = Some(self.environment.constants_only());
                self.environment.restore_constants(&before);
                exhaustive |= child.kind() == "else_clause";
            }
            if child.kind() == "case_item" {
                self.case_item(child, output, depth);
            } else if node.kind() != "case_statement" {
                self.statement(child, output, depth);
            }
        }
        if let Some(others) = &joined {
            self.environment.merge_branch(others);
        }
        if !exhaustive {
            self.environment.merge_branch(&before);
        }
    }

    fn case_item(&mut self, node: Node<'_>, output: &Output, depth: usize) {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
        let body = children.iter().position(|child| child.kind() == ")");
        for child in children.iter().skip(body.unwrap_or(0)) {
            if child.is_named() {
                self.statement(*child, output, depth);
            }
        }
    }

    /// `[ "$(sha256sum f | cut …)" = "…" ]` verifies; commands in a test run.
    fn test(&mut self, node: Node<'_>) {
        let text = self.fragment.get(node.byte_range()).to_owned();
        self.verify_by_test(&text);
        self.substitutions_below(node, 0);
    }

    fn substitutions_below(&mut self, node: Node<'_>, depth: usize) {
        if depth > MAX_TREE_DEPTH {
            return;
        }
        if node.kind() == "command_substitution" {
            let word = self.expander().word(node);
            self.substitutions(&word, &Output::Captured);
            return;
        }
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        for child in children {
            self.substitutions_below(child, depth.saturating_add(1));
        }
    }

    /// Runs the commands in a word's `$(…)`.
    pub(super) fn substitutions(&mut self, word: &Word, output: &Output) {
        for fragment in &word.substitutions {
            self.run_in_subshell(fragment, output);
        }
    }
}

/// An old value with more behind it: elements of an array, or text.
fn joined(old: &[Fragment], new: Vec<Fragment>, array: bool) -> Vec<Fragment> {
    if array || old.len() > 1 {
        return old.iter().cloned().chain(new).collect();
    }
    let mut builder = FragmentBuilder::default();
    for part in old.iter().chain(&new) {
        builder.append(part);
    }
    vec![builder.finish()]
}
