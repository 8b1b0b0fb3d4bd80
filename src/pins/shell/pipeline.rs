//! Pipelines and redirects: where a command's output goes and where its input comes from.

use super::call::{Feed, Output, command_name};
use super::interpret::{Interpreter, MAX_COMMAND};
use super::words::Word;
use super::wrappers;
use crate::pins::environment::MachineFile;
use crate::pins::repository::file_name;
use crate::pins::span::{Fragment, FragmentBuilder};
use std::sync::Arc;
use tree_sitter::Node;

/// Commands of one pipeline: each is asked what all behind it do.
const MAX_STAGES: usize = 200;

/// One command of a pipeline with its redirects.
struct Stage<'t> {
    node: Node<'t>,
    redirects: Vec<Node<'t>>,
}

/// What the redirects of a stage say.
#[derive(Default)]
struct Redirects<'t> {
    /// Standard output goes to this file.
    file: Option<Word>,
    append: bool,
    feed: Option<Feed>,
    /// Words behind a redirect that belong to the command.
    words: Vec<Word>,
    /// Statements that a heredoc's line has behind it.
    trailing: Vec<Node<'t>>,
}

impl Interpreter<'_, '_> {
    pub(super) fn pipeline(&mut self, node: Node<'_>, output: &Output, depth: usize) {
        let mut stages = Vec::new();
        for statement in before_last(node) {
            self.statement(statement, &Output::Terminal, depth);
        }
        collect(node, Vec::new(), &mut stages, 0);
        if stages.len() > MAX_STAGES {
            let at = self.fragment.raw_range(node.byte_range()).start;
            let reason = format!("a pipeline of more than {MAX_STAGES} commands was not judged");
            self.audit.gap(reason, Some(at));
            return;
        }
        let mut names: Vec<Option<Vec<Word>>> = Vec::new();
        for stage in &stages {
            if stage.node.named_child_count() > MAX_COMMAND {
                let at = self.fragment.raw_range(stage.node.byte_range()).start;
                let reason =
                    format!("a command of more than {MAX_COMMAND} words: the rest was not judged");
                self.audit.gap(reason, Some(at));
            }
            names.push(self.words_of(stage.node));
        }
        for pair in names.windows(2) {
            if let [Some(program), Some(filter)] = pair {
                self.verify_by_filter(program, filter);
            }
        }
        let mut feed = Feed::Nothing;
        let mut trailing = Vec::new();
        for (index, stage) in stages.iter().enumerate() {
            let redirects = self.redirects(stage);
            let later = names.get(index.saturating_add(1)..).unwrap_or_default();
            let stage_output = match &redirects.file {
                Some(file) => Output::Saved(file.text().to_owned()),
                None => self.consumer(later, stages.len() > index.saturating_add(1), output),
            };
            let input = redirects.feed.clone().unwrap_or(feed);
            feed = match names.get(index).cloned().flatten() {
                Some(mut words) => {
                    if words.first().is_some_and(|word| word.text() == "test") {
                        let text = self.fragment.get(stage.node.byte_range()).to_owned();
                        self.verify_by_test(&text);
                    }
                    words.extend(redirects.words.iter().cloned());
                    self.assignments_before(stage.node);
                    self.call(words, input, &stage_output)
                }
                None => {
                    self.statement(stage.node, &stage_output, depth);
                    Feed::Unknown
                }
            };
            if let Some(file) = &redirects.file {
                self.written(file, &feed, redirects.append);
            }
            trailing.extend(redirects.trailing);
        }
        for statement in trailing {
            self.statement(statement, output, depth);
        }
    }

    /// The words of a plain command; `None` for anything else.
    fn words_of(&self, node: Node<'_>) -> Option<Vec<Word>> {
        if node.kind() != "command" {
            return None;
        }
        let expander = self.expander();
        let mut cursor = node.walk();
        let mut words = Vec::new();
        // A part of a word that the grammar made a word of its own: behind and before backticks.
        let mut glued: Vec<Node<'_>> = Vec::new();
        // A lone `-` before a redirect is a word that the grammar gives no name.
        let named = |child: &Node<'_>| child.is_named() || child.kind() == "-";
        for child in node.children(&mut cursor).filter(named).take(MAX_COMMAND) {
            let apart = glued.last().is_none_or(|last| last.end_byte() != child.start_byte());
            if apart {
                words.extend(expander.glued(&glued));
                glued.clear();
            }
            match child.kind() {
                "variable_assignment" | "file_redirect" | "herestring_redirect" | "comment" => {}
                "command_name" => glued.push(child.named_child(0).unwrap_or(child)),
                _ => glued.push(child),
            }
        }
        words.extend(expander.glued(&glued));
        words.retain(|word| word.quoted || !word.text().is_empty());
        Some(words)
    }

    /// Commands in the values of `NAME=value command`.
    fn assignments_before(&mut self, node: Node<'_>) {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        for child in children {
            if child.kind() == "variable_assignment"
                && let Some(value) = child.named_child(1)
            {
                let word = self.expander().word(value);
                self.substitutions(&word, &Output::Captured);
            }
        }
    }

    fn redirects<'t>(&mut self, stage: &Stage<'t>) -> Redirects<'t> {
        let mut found = Redirects::default();
        let own = stage.node;
        let mut cursor = own.walk();
        let mut nodes: Vec<Node<'t>> = stage.redirects.clone();
        if own.kind() == "command" {
            nodes.extend(
                own.named_children(&mut cursor).filter(|c| c.kind().ends_with("_redirect")),
            );
        }
        for node in nodes {
            match node.kind() {
                "file_redirect" => self.file_redirect(node, &mut found),
                "herestring_redirect" => {
                    let mut cursor = node.walk();
                    if let Some(value) = node.named_children(&mut cursor).last() {
                        let word = self.expander().word(value);
                        found.feed = Some(match word.substitutions.as_slice() {
                            [commands] => Feed::Commands(commands.clone()),
                            _ => Feed::Text(word.fragment),
                        });
                    }
                }
                "heredoc_redirect" => self.heredoc_redirect(node, &mut found),
                _ => {}
            }
        }
        found
    }

    fn file_redirect<'t>(&mut self, node: Node<'t>, found: &mut Redirects<'t>) {
        let mut cursor = node.walk();
        let children: Vec<Node<'t>> = node.children(&mut cursor).collect();
        let descriptor = children.iter().find(|c| c.kind() == "file_descriptor");
        let number = descriptor.map_or("", |d| self.fragment.get(d.byte_range()));
        let operator = children.iter().find(|c| !c.is_named()).map_or("", |c| c.kind());
        let expander = self.expander();
        let words: Vec<Vec<Word>> = children
            .iter()
            .filter(|c| c.is_named() && c.kind() != "file_descriptor")
            .map(|child| expander.words(*child))
            .collect();
        let mut words = words.into_iter();
        let target = words.next().unwrap_or_default().into_iter().next();
        match operator {
            ">" | ">>" | ">|" | "&>" | "&>>" if number.is_empty() || number == "1" => {
                found.append = operator.ends_with(">>");
                self.state.glued = target
                    .as_ref()
                    .filter(|word| word.text().starts_with('='))
                    .map(|_| self.fragment.raw_range(node.byte_range()).start);
                found.file = target;
            }
            "<" => {
                if let Some(target) = target {
                    found.feed = Some(match target.process {
                        Some(commands) => Feed::Commands(commands),
                        None => self.read_machine(target.text()),
                    });
                }
            }
            _ => {}
        }
        found.words.extend(words.flatten());
    }

    fn heredoc_redirect<'t>(&mut self, node: Node<'t>, found: &mut Redirects<'t>) {
        let mut cursor = node.walk();
        let children: Vec<Node<'t>> = node.children(&mut cursor).collect();
        let mut quoted = false;
        let mut strip = false;
        let mut arguments = true;
        found.feed.get_or_insert(Feed::Text(Fragment::default()));
        for child in children {
            match child.kind() {
                "<<" => {}
                "<<-" => strip = true,
                "heredoc_start" => {
                    quoted = self.fragment.get(child.byte_range()).contains(['\'', '"', '\\']);
                }
                "heredoc_body" => {
                    let text = self.expander().heredoc(child, quoted);
                    let text = if strip { without_tabs(&text) } else { text };
                    found.feed = Some(Feed::Text(text));
                }
                "file_redirect" => self.file_redirect(child, found),
                "heredoc_end" | "pipeline" => {}
                "&&" | "||" | ";" => arguments = false,
                _ if child.is_named() && arguments => {
                    found.words.extend(self.expander().words(child));
                }
                _ if child.is_named() => found.trailing.push(child),
                _ => {}
            }
        }
    }

    /// What becomes of a stage's output, by the commands behind it in the pipe.
    fn consumer(&self, later: &[Option<Vec<Word>>], piped: bool, output: &Output) -> Output {
        for words in later {
            let Some(words) = words else { return Output::Used };
            let mut words = words.clone();
            wrappers::strip(&mut words);
            let name = command_name(&words);
            match name.as_str() {
                _ if reads_program_from_stdin(&name, &words) => return Output::Executed(name),
                "source" | "." => return Output::Executed(name),
                "tee" => {
                    let file = words.iter().skip(1).find(|word| !word.text().starts_with('-'));
                    return Output::Saved(file.map_or_else(String::new, |f| f.text().to_owned()));
                }
                "grep" | "egrep" | "jq" | "yq" | "awk" | "gawk" | "sed" | "cut" | "head"
                | "tail" | "wc" | "sort" | "uniq" | "tr" | "xargs" | "read" | "column" | "less"
                | "more" | "python" | "perl" | "ruby" | "node" | "php" | "cat" | "rev"
                | "xmllint" | "pv" | "sha256sum" | "sha512sum" | "md5sum" | "shasum" | "echo"
                | "pup" | "htmlq" => {}
                _ => return Output::Used,
            }
        }
        if piped && matches!(output, Output::Terminal) { Output::Captured } else { output.clone() }
    }

    /// A file of the machine as a command's input.
    pub(super) fn read_machine(&self, name: &str) -> Feed {
        match self.machine_file(name) {
            Some(MachineFile::Text(text, file)) if file == self.file => {
                Feed::Text(Fragment::clone(&text))
            }
            Some(MachineFile::Downloaded(id)) => Feed::Download(id),
            Some(MachineFile::Repository(path)) => Feed::File(path),
            Some(MachineFile::Verified) => Feed::Verified,
            _ => Feed::Unknown,
        }
    }

    /// What lies in the machine under a name: by full path, below a copied directory, or by the
    /// last name alone where only one file has it.
    pub(super) fn machine_file(&self, name: &str) -> Option<MachineFile> {
        let machine = &self.environment.machine;
        let bare = name.strip_prefix("./").unwrap_or(name);
        let whole = match &machine.directory {
            Some(directory) if !bare.starts_with('/') => {
                format!("{}/{bare}", directory.trim_end_matches('/'))
            }
            _ => bare.to_owned(),
        };
        let files = &machine.files;
        if let Some(found) = files.get(&whole).or_else(|| files.get(bare)) {
            return Some(found.clone());
        }
        let mut below = files.iter().filter_map(|(directory, file)| {
            let rest =
                whole.strip_prefix(directory.as_str()).filter(|_| directory.ends_with('/'))?;
            let MachineFile::Repository(path) = file else { return None };
            let path = format!("{path}{rest}");
            self.audit.repository().exists(&path).then_some(path)
        });
        if let Some(path) = below.next_back() {
            return Some(MachineFile::Repository(path));
        }
        let last = file_name(bare);
        let mut same = files.iter().filter(|(path, _)| file_name(path) == last && !last.is_empty());
        match (same.next(), same.next()) {
            (Some((_, only)), None) => Some(only.clone()),
            _ => None,
        }
    }

    /// Whether a word runs into a redirect that was meant as its version.
    pub(super) fn glued(&self, word: &Word) -> bool {
        self.state.glued.is_some_and(|at| at == word.range().end)
    }

    /// Remembers what was written to a file.
    fn written(&mut self, file: &Word, feed: &Feed, append: bool) {
        let name = file.text();
        if name.starts_with("/dev/") {
            return;
        }
        if let Feed::Text(text) = feed {
            let mut builder = FragmentBuilder::default();
            if append && let Feed::Text(old) = self.read_machine(name) {
                builder.append(&old);
                if !old.text().ends_with('\n') {
                    builder.replaced("\n", old.raw_whole());
                }
            }
            builder.append(text);
            let whole = builder.finish();
            self.file_written(name, text);
            let entry = MachineFile::Text(Arc::new(whole), Arc::clone(&self.file));
            self.environment.machine.files.insert(name.to_owned(), entry);
        }
    }
}

/// Flattens pipelines, redirected statements and the pipes behind heredocs.
fn collect<'t>(
    node: Node<'t>,
    redirects: Vec<Node<'t>>,
    stages: &mut Vec<Stage<'t>>,
    depth: usize,
) {
    if depth > 40 {
        return;
    }
    let depth = depth.saturating_add(1);
    let mut cursor = node.walk();
    match node.kind() {
        "pipeline" => {
            for child in node.named_children(&mut cursor) {
                collect(child, Vec::new(), stages, depth);
            }
            if let Some(last) = stages.last_mut() {
                last.redirects.extend(redirects);
            }
        }
        "redirected_statement" => {
            let children: Vec<Node<'t>> = node.named_children(&mut cursor).collect();
            let (own, bodies): (Vec<_>, Vec<_>) =
                children.into_iter().partition(|child| child.kind().ends_with("_redirect"));
            let mut piped = Vec::new();
            for redirect in own.iter().filter(|r| r.kind() == "heredoc_redirect") {
                let mut cursor = redirect.walk();
                piped.extend(
                    redirect.named_children(&mut cursor).filter(|c| c.kind() == "pipeline"),
                );
            }
            let all: Vec<Node<'t>> = redirects.into_iter().chain(own).collect();
            match bodies.as_slice() {
                [] => {}
                [body] => collect(*body, all, stages, depth),
                [first, ..] => collect(*first, all, stages, depth),
            }
            for pipeline in piped {
                collect(pipeline, Vec::new(), stages, depth);
            }
        }
        // What stands before the last of them was run already.
        "list" if !redirects.is_empty() => {
            if let Some(last) = node.named_children(&mut cursor).last() {
                collect(last, redirects, stages, depth);
            }
        }
        _ => stages.push(Stage { node, redirects }),
    }
}

/// The grammar lets a redirect take the whole of `a && b > file`; it is of the last command, and
/// what stands before that one is a statement of its own.
fn before_last(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    let body = node.named_children(&mut cursor).find(|child| !child.kind().ends_with("_redirect"));
    let Some(list) = body.filter(|b| node.kind() == "redirected_statement" && b.kind() == "list")
    else {
        return Vec::new();
    };
    let mut cursor = list.walk();
    let mut statements: Vec<Node<'_>> = list.named_children(&mut cursor).collect();
    statements.pop();
    statements
}

/// Whether a command runs what it reads from its standard input.
fn reads_program_from_stdin(name: &str, words: &[Word]) -> bool {
    let mut arguments = words.iter().skip(1).map(Word::text);
    match name {
        "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh" | "fish" | "busybox" => {
            let first = arguments.next();
            first.is_none_or(|word| {
                word.starts_with('-') && !word.ends_with('c') || word == "/dev/stdin"
            })
        }
        "python" | "perl" | "ruby" | "node" | "php" | "pwsh" | "powershell" | "lua" | "Rscript"
        | "tclsh" | "iex" | "Invoke-Expression" => {
            arguments
                .all(|word| word == "-" || word == "/dev/stdin" || word == "-u" || word == "--")
                || words.get(1).is_some_and(|word| word.text() == "-")
        }
        "source" | "." => true,
        _ => false,
    }
}

fn without_tabs(fragment: &Fragment) -> Fragment {
    let mut builder = FragmentBuilder::default();
    let mut at = 0_usize;
    for line in fragment.text().split_inclusive('\n') {
        let stripped = line.trim_start_matches('\t').len();
        let end = at.saturating_add(line.len());
        builder.append_range(fragment, end.saturating_sub(stripped)..end);
        at = end;
    }
    builder.finish()
}
