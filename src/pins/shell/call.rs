//! One command with its arguments: who it is for, and what it writes.

use super::interpret::Interpreter;
use super::text::{echoed, printed, replaced, space_joined, unquoted};
use super::words::{Word, fields, said_by_server};
use super::{fetch, managers, wrappers};
use crate::pins::audit::InputId;
use crate::pins::environment::{Constant, MachineFile};
use crate::pins::input::Origin;
use crate::pins::repository;
use crate::pins::span::{Fragment, UNKNOWN};
use std::sync::Arc;

/// Where a command's output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// To the log: nobody uses it.
    Terminal,
    /// Into a variable, an argument or a filter.
    Captured,
    /// Into a file.
    Saved(String),
    /// Into a program that runs it; its name.
    Executed(String),
    /// Into a program that unpacks, imports or installs it.
    Used,
}

/// What a command reads, and what it leaves for the next one.
#[derive(Clone, Debug)]
pub(super) enum Feed {
    /// Nothing.
    Nothing,
    /// Something that nobody here knows.
    Unknown,
    /// This text.
    Text(Fragment),
    /// A file that was fetched.
    Download(InputId),
    /// A file of the repository.
    File(String),
    /// The output of these commands, not judged yet.
    Commands(Fragment),
    /// What a program wrote that verified a signature.
    Verified,
}

/// The name of the program, without its path and its version suffix (`pip3.11`, `python3`).
pub(super) fn command_name(words: &[Word]) -> String {
    let Some(first) = words.first() else { return String::new() };
    let name = wrappers::base(first.text());
    for versioned in ["pip", "python", "gem", "php", "node", "ruby", "perl", "pypy", "easy_install"]
    {
        if let Some(rest) = name.strip_prefix(versioned)
            && rest.trim_start_matches('-').chars().all(|c| c.is_ascii_digit() || c == '.')
        {
            return versioned.to_owned();
        }
    }
    name
}

/// Whether a command writes its words to its output.
fn says(name: &str) -> bool {
    matches!(name, "echo" | "printf")
}

/// Commands within commands (`sudo`, `docker run`, `sh -c`): each has a copy of the words.
const MAX_CALLS: usize = 24;

impl Interpreter<'_, '_> {
    /// Runs one command and says what it writes to its standard output.
    pub(super) fn call(&mut self, words: Vec<Word>, feed: Feed, output: &Output) -> Feed {
        if self.state.calls >= MAX_CALLS || !self.audit.spend(words.len()) {
            return Feed::Unknown;
        }
        self.state.calls = self.state.calls.saturating_add(1);
        let answer = self.call_unwrapped(words, feed, output);
        self.state.calls = self.state.calls.saturating_sub(1);
        answer
    }

    fn call_unwrapped(&mut self, mut words: Vec<Word>, feed: Feed, output: &Output) -> Feed {
        wrappers::strip(&mut words);
        let mut name = command_name(&words);
        let runs_words = matches!(
            name.as_str(),
            "eval"
                | "source"
                | "."
                | "sh"
                | "bash"
                | "dash"
                | "ash"
                | "ksh"
                | "zsh"
                | "fish"
                | "su"
                | "runuser"
                | "python"
                | "perl"
                | "ruby"
                | "node"
                | "php"
                | "iex"
        );
        let runs_what_is_said = matches!(output, Output::Executed(_)) && says(&name);
        for word in &words {
            if runs_words || runs_what_is_said {
                self.run_remembered(word, &name, output);
            }
            let inner = if runs_words { Output::Executed(name.clone()) } else { Output::Captured };
            self.substitutions(word, &inner);
            if let Some(process) = &word.process {
                let inner = if runs_words { inner } else { Output::Used };
                self.run_in_subshell(process, &inner);
            }
        }
        let feed = match feed {
            Feed::Commands(commands) => {
                let runs = runs_words && words.len() <= 2;
                let inner = if runs { Output::Executed(name.clone()) } else { Output::Used };
                self.run_in_subshell(&commands, &inner);
                Feed::Unknown
            }
            other => other,
        };
        if name == "xargs" || name == "parallel" {
            return self.xargs(words, &feed, output);
        }
        if let Some(at) = words.iter().position(|word| !word.substitutions.is_empty())
            && managers::is_known(&name)
            && let Some(path) = words.get(at).and_then(|word| self.list_of(word))
        {
            words.remove(at);
            self.call_with_list(&words, &path, output);
            return Feed::Unknown;
        }
        if self.call_function(&name, words.get(1..).unwrap_or_default(), output) {
            return Feed::Unknown;
        }
        if name == "python" && words.get(1).is_some_and(|word| word.text() == "-m") {
            let module = words.get(2).map(|word| word.text().to_owned()).unwrap_or_default();
            if ["pip", "pipx", "uv", "poetry", "pipenv", "easy_install"].contains(&module.as_str())
            {
                words.drain(..2);
                name = module;
            }
        }
        if name == "busybox" && words.len() > 1 {
            words.remove(0);
            name = command_name(&words);
        }
        self.dispatch(&name, &words, &feed, output)
    }

    fn dispatch(&mut self, name: &str, words: &[Word], feed: &Feed, output: &Output) -> Feed {
        match name {
            "echo" => return Feed::Text(said_by_server(words, echoed(words))),
            "printf" => return Feed::Text(said_by_server(words, printed(words))),
            "cat" => return self.cat(words, feed),
            "grep" | "egrep" | "fgrep" | "sort" | "head" | "tail" | "uniq" => {
                return self.filter(words, feed);
            }
            "tee" => return self.tee(words, feed),
            ":" | "true" | "false" | "test" | "[" | "exit" | "return" | "mkdir" | "rm" | "set" => {}
            "read" | "mapfile" | "readarray" => {
                for word in words.iter().skip(1).filter(|w| !w.text().starts_with('-')) {
                    self.environment.unset(word.text());
                }
            }
            "shift" => self.shift(words.get(1)),
            "cd" => self.change_directory(words),
            "eval" => {
                let text = space_joined(words.get(1..).unwrap_or_default());
                self.run_nested(&text, output);
            }
            "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh" => self.shell(words, feed, output),
            "su" | "runuser" => self.su(words, feed, output),
            "source" | "." => {
                if let Some(file) = words.get(1) {
                    self.run_file(file, true);
                }
            }
            "trap" => {
                if let Some(script) = words.get(1) {
                    self.run_nested(&script.fragment.clone(), output);
                }
            }
            "ssh" | "vagrant" => self.remote(words),
            "find" => self.find_exec(words, output),
            "pwsh" | "powershell" => self.powershell(words, feed),
            "cp" | "mv" | "install" | "ln" => self.moved(words),
            "curl" | "wget" | "aria2c" | "axel" => return fetch::call(self, name, words, output),
            "sha256sum" | "sha512sum" | "sha384sum" | "sha1sum" | "md5sum" | "shasum" | "b2sum"
            | "gpg" | "gpg2" | "gpgv" | "cosign" | "minisign" | "openssl" | "signify" => {
                if self.verify(name, words, feed) {
                    return Feed::Verified;
                }
            }
            "docker" | "podman" | "nerdctl" | "buildah" | "crictl" | "ctr" | "skopeo"
            | "kubectl" | "oc" | "docker-compose" => self.containers(name, words, output),
            "rpm" | "dpkg" => {
                for word in words.iter().skip(1).filter(|w| super::package::is_url(w.text())) {
                    super::install::by_url(self, word);
                }
            }
            "aws" | "gsutil" | "gcloud" => fetch::object_store(self, words, output),
            "git" => self.git(words),
            "hg" => self.mercurial(words),
            "svn" => self.subversion(words),
            "sed" | "perl" | "awk" => self.snapshot_in(words),
            _ if managers::is_known(name) => self.manager(name, words),
            _ if name.to_ascii_lowercase().contains("download") => fetch::helper(self, words),
            _ => self.program(words),
        }
        Feed::Unknown
    }

    fn cat(&mut self, words: &[Word], feed: &Feed) -> Feed {
        let files: Vec<&Word> =
            words.iter().skip(1).filter(|word| !word.text().starts_with('-')).collect();
        match files.as_slice() {
            [] => feed.clone(),
            [one] => match self.read_machine(one.text()) {
                Feed::Unknown => self.repository_file(one.text()),
                known => known,
            },
            _ => Feed::Unknown,
        }
    }

    /// A filter by lines: what it lets through is at most what it reads.
    fn filter(&self, words: &[Word], feed: &Feed) -> Feed {
        let pattern = usize::from(words.first().is_some_and(|word| word.text().ends_with("grep")));
        let operands = words.iter().skip(1).filter(|word| !word.text().starts_with('-'));
        operands.skip(pattern).last().map_or_else(
            || feed.clone(),
            |file| match self.read_machine(file.text()) {
                Feed::Unknown => self.repository_file(file.text()),
                known => known,
            },
        )
    }

    /// A file of the repository by the name that a command gives it.
    fn repository_file(&self, name: &str) -> Feed {
        super::python::repository_path(self, name).map_or(Feed::Unknown, Feed::File)
    }

    /// `install $(cat packages.txt)`: the file that a word's text comes from, if it is one of the
    /// repository.
    fn list_of(&self, word: &Word) -> Option<String> {
        let [commands] = word.substitutions.as_slice() else { return None };
        let whole = word.text().chars().all(|c| c == UNKNOWN);
        let text = commands.text().trim();
        let mut parts = text.split_whitespace();
        let program = parts.next()?;
        let file = match program {
            "<" => parts.next()?,
            "cat" | "grep" | "egrep" | "sed" | "sort" => parts
                .take_while(|part| *part != "|")
                .filter(|part| !part.starts_with('-'))
                .last()?,
            _ => program.strip_prefix('<')?,
        };
        let file = file.trim_matches(['"', '\'']);
        (whole && !word.quoted).then(|| super::python::repository_path(self, file)).flatten()
    }

    /// Runs a command with the words of a file of the repository behind it; they are reported
    /// where they stand in that file.
    fn call_with_list(&mut self, words: &[Word], path: &str, output: &Output) {
        let (environment, state) = (&mut *self.environment, &mut *self.state);
        self.audit.follow(path, |audit| {
            let fragment = audit.file().fragment();
            let mut items = Vec::new();
            let mut at = 0_usize;
            for line in fragment.text().split_inclusive('\n') {
                let content = line.split('#').next().unwrap_or_default();
                for range in fields(content) {
                    let range = at.saturating_add(range.start)..at.saturating_add(range.end);
                    items.push(Word::plain(fragment.slice(range)));
                }
                at = at.saturating_add(line.len());
            }
            items.truncate(super::interpret::MAX_COMMAND);
            let all: Vec<Word> = words.iter().cloned().chain(items).collect();
            let file = Arc::clone(&audit.file().path);
            let mut inner = Interpreter { fragment: &fragment, environment, audit, state, file };
            inner.call(all, Feed::Nothing, output);
        });
    }

    fn tee(&mut self, words: &[Word], feed: &Feed) -> Feed {
        if let Feed::Text(text) = feed {
            for file in words.iter().skip(1).filter(|word| !word.text().starts_with('-')) {
                self.file_written(file.text(), text);
                let entry = MachineFile::Text(Arc::new(text.clone()), Arc::clone(&self.file));
                self.environment.machine.files.insert(file.text().to_owned(), entry);
            }
        }
        feed.clone()
    }

    fn change_directory(&mut self, words: &[Word]) {
        let Some(target) = words.get(1).map(Word::text) else { return };
        let machine = &mut self.environment.machine;
        machine.directory = if target.starts_with('/') {
            Some(target.to_owned())
        } else {
            machine.directory.as_ref().map(|own| format!("{}/{target}", own.trim_end_matches('/')))
        };
    }

    /// `bash -c TEXT`, `bash FILE`, `… | bash`.
    fn shell(&mut self, words: &[Word], feed: &Feed, output: &Output) {
        let mut arguments = words.iter().enumerate().skip(1);
        let mut text = false;
        while let Some((index, word)) = arguments.next() {
            match word.text() {
                "-o" | "+o" | "-O" | "+O" | "--rcfile" | "--init-file" => {
                    arguments.next();
                }
                "-s" | "-" | "/dev/stdin" => break,
                "--" => {}
                option if option.starts_with("--") => {}
                option if option.starts_with(['-', '+']) && option.len() > 1 => {
                    text |= option.starts_with('-') && option.contains('c');
                    if option.ends_with('o') {
                        arguments.next();
                    }
                }
                _ if text => {
                    let before = self.environment.constants_only();
                    // What follows the script is $0, $1, …
                    if let Some(arguments) = words.get(index.saturating_add(2)..) {
                        self.bind(arguments);
                    }
                    self.run_nested(&unquoted(&word.fragment), output);
                    self.environment.restore_constants(&before);
                    return;
                }
                _ => {
                    if word.process.is_none() {
                        self.run_file(word, false);
                    }
                    return;
                }
            }
        }
        match feed {
            Feed::Text(text) => self.run_in_subshell(text, output),
            Feed::Download(id) => self.executed(*id, "run by a shell"),
            Feed::File(path) => self.follow(path, false),
            _ => {}
        }
    }

    fn su(&mut self, words: &[Word], feed: &Feed, output: &Output) {
        let mut rest = words.iter().skip(1);
        while let Some(word) = rest.next() {
            let text = word.text();
            if text == "-c" || text == "--command" || text == "-lc" {
                if let Some(script) = rest.next() {
                    self.run_in_subshell(&unquoted(&script.fragment), output);
                }
                return;
            }
            if let Some(script) = word.strip_prefix("--command=") {
                self.run_in_subshell(&script.fragment, output);
                return;
            }
            if text == "--" {
                let command: Vec<Word> = rest.cloned().collect();
                self.call(command, feed.clone(), output);
                return;
            }
        }
        if let Feed::Text(text) = feed {
            self.run_in_subshell(text, output);
        }
    }

    /// `ssh host 'command'`, `vagrant ssh -c 'command'`: another machine, the same verdict.
    fn remote(&mut self, words: &[Word]) {
        let script = words.iter().position(|word| word.text() == "-c").map_or_else(
            || words.iter().skip(2).rfind(|word| word.text().contains(' ')),
            |at| words.get(at.saturating_add(1)),
        );
        if let Some(script) = script {
            self.run_in_subshell(&script.fragment.clone(), &Output::Terminal);
        }
    }

    fn find_exec(&mut self, words: &[Word], output: &Output) {
        let from = words.iter().position(|word| ["-exec", "-execdir"].contains(&word.text()));
        if let Some(from) = from {
            let command: Vec<Word> = words
                .iter()
                .skip(from.saturating_add(1))
                .take_while(|word| ![";", "+"].contains(&word.text()))
                .cloned()
                .collect();
            self.call(command, Feed::Nothing, output);
        }
    }

    /// `xargs [options] command`: the words of the input become arguments.
    fn xargs(&mut self, mut words: Vec<Word>, feed: &Feed, output: &Output) -> Feed {
        let mut replace = None;
        words.remove(0);
        while let Some(first) = words.first().map(|word| word.text().to_owned()) {
            if !first.starts_with('-') {
                break;
            }
            words.remove(0);
            if let Some(inline) = first.strip_prefix("-I").filter(|rest| !rest.is_empty()) {
                replace = Some(inline.to_owned());
            } else if ["-n", "-P", "-L", "-s", "-d", "-E", "-a", "-I", "-j"]
                .contains(&first.as_str())
                && !words.is_empty()
            {
                let value = words.remove(0);
                if first == "-a"
                    && let Some(path) = super::python::repository_path(self, value.text())
                {
                    self.call_with_list(&words, &path, output);
                    return Feed::Unknown;
                }
                if first == "-I" {
                    replace = Some(value.text().to_owned());
                }
            }
        }
        let at = words.first().map(Word::range).unwrap_or_default();
        if let (Feed::File(path), None) = (feed, &replace) {
            self.call_with_list(&words, path, output);
            return Feed::Unknown;
        }
        let items: Vec<Word> = match self.text_of(feed) {
            Some(text) => {
                let ranges = fields(text.text());
                ranges.into_iter().map(|range| Word::plain(text.slice(range))).collect()
            }
            None => {
                let unknown = Fragment::opaque(UNKNOWN.encode_utf8(&mut [0; 4]), at);
                vec![Word::plain(unknown)]
            }
        };
        match replace {
            None => {
                words.extend(items);
                self.call(words, Feed::Nothing, output);
            }
            Some(mark) => {
                for item in items.iter().take(512) {
                    let filled = words.iter().map(|word| replaced(word, &mark, item)).collect();
                    self.call(filled, Feed::Nothing, output);
                }
            }
        }
        Feed::Unknown
    }

    /// The text that a command reads, where it is known and counts in this file.
    pub(super) fn text_of(&self, feed: &Feed) -> Option<Fragment> {
        match feed {
            Feed::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// A file as a command: `./install.sh`, `/tmp/x.sh`.
    fn program(&mut self, words: &[Word]) {
        let Some(first) = words.first() else { return };
        if first.text().contains('/') {
            self.run_file(first, false);
        }
        self.snapshot_in(words);
    }

    /// Runs a file of the machine: fetched, written here, or copied from the repository.
    pub(super) fn run_file(&mut self, file: &Word, same_shell: bool) {
        let name = file.text().to_owned();
        match self.machine_file(&name) {
            Some(MachineFile::Downloaded(id)) => self.executed(id, "run without a check"),
            Some(MachineFile::Text(text, origin)) if origin == self.file => {
                if same_shell {
                    self.run_nested(&text, &Output::Terminal);
                } else {
                    self.run_in_subshell(&text, &Output::Terminal);
                }
            }
            Some(MachineFile::Repository(path)) => self.follow(&path, same_shell),
            Some(MachineFile::Text(..) | MachineFile::Verified) => {}
            None if same_shell && !name.contains(UNKNOWN) => {
                let reference = name.trim_start_matches("./");
                if let Some(path) = repository::resolve(&self.file, reference) {
                    self.follow(&path, same_shell);
                }
            }
            None => {}
        }
    }

    /// Reads a script of the repository in this environment.
    fn follow(&mut self, path: &str, same_shell: bool) {
        if self.state.nesting >= 8 {
            return;
        }
        let before = self.environment.constants_only();
        let outer_functions = std::mem::take(&mut self.environment.functions);
        let (environment, state) = (&mut *self.environment, &mut *self.state);
        self.audit.follow(path, |audit| {
            let fragment = audit.file().fragment();
            if !fragment.text().contains('\0') {
                super::interpret::run(&fragment, environment, audit, state, &Output::Terminal);
            }
        });
        self.environment.functions.extend(outer_functions);
        if !same_shell {
            self.environment.restore_constants(&before);
        }
    }

    /// A copied file is what it was before; a downloaded one stays downloaded.
    fn moved(&mut self, words: &[Word]) {
        let operands: Vec<&Word> =
            words.iter().skip(1).filter(|word| !word.text().starts_with('-')).collect();
        if let [from, to] = operands.as_slice() {
            let found = self.machine_file(from.text());
            if let Some(found) = found {
                self.environment.machine.files.insert(to.text().to_owned(), found);
            }
        }
    }

    /// Sets a name to a plain value.
    pub(super) fn set_plain(&mut self, name: &str, value: &Word) {
        let place = Some(self.audit.place(value.range()));
        let origin = Origin { name: format!("${name}"), place, overridable: false };
        let file = Arc::clone(&self.file);
        let values = vec![value.fragment.clone()];
        self.environment.set(name, Constant { values, file, origin, element: false });
    }
}
