//! PowerShell and cmd, as far as commands that install or fetch go: statements are split at line
//! ends, `;`, `|`, `&&` and braces; words may be quoted; a backtick continues a line.

use super::call::{Feed, Output};
use super::fetch;
use super::interpret::Interpreter;
use super::options::{Arguments, Dashes};
use super::words::Word;
use crate::pins::span::{Fragment, FragmentBuilder};

const WEB_VALUED: &[&str] = &[
    "-Uri",
    "-OutFile",
    "-Method",
    "-Headers",
    "-Body",
    "-UserAgent",
    "-Proxy",
    "-TimeoutSec",
    "-Source",
    "-Destination",
    "-ContentType",
];

impl Interpreter<'_, '_> {
    /// `pwsh -Command "…"`, `powershell -File x.ps1`.
    pub(super) fn powershell(&mut self, words: &[Word], feed: &Feed) {
        let mut rest = words.iter().skip(1);
        while let Some(word) = rest.next() {
            let lower = word.text().to_ascii_lowercase();
            if ["-command", "-c", "/c", "/command"].contains(&lower.as_str()) {
                let script = super::text::space_joined(&rest.cloned().collect::<Vec<_>>());
                self.powershell_script(&script);
                return;
            }
            if [
                "-executionpolicy",
                "-ep",
                "-inputformat",
                "-outputformat",
                "-version",
                "-file",
                "-windowstyle",
                "-encodedcommand",
            ]
            .contains(&lower.as_str())
            {
                rest.next();
            } else if !lower.starts_with('-') {
                let mut all = vec![word.clone()];
                all.extend(rest.cloned());
                let script = super::text::space_joined(&all);
                self.powershell_script(&script);
                return;
            }
        }
        if let Feed::Text(text) = feed {
            self.powershell_script(&text.clone());
        }
    }

    /// A PowerShell text.
    pub(super) fn powershell_script(&mut self, script: &Fragment) {
        if !self.audit.spend(script.text().len()) {
            return;
        }
        statements(script, &mut |statement| {
            let executed = statement.iter().any(|words| {
                words.first().is_some_and(|w| {
                    ["iex", "invoke-expression"].contains(&w.text().to_ascii_lowercase().as_str())
                })
            });
            for words in statement {
                self.powershell_command(words, executed);
            }
        });
    }

    fn powershell_command(&mut self, mut words: Vec<Word>, executed: bool) {
        while words.first().is_some_and(|word| ["&", ".", "return"].contains(&word.text())) {
            words.remove(0);
        }
        // `$x = command`, `$ProgressPreference = 'SilentlyContinue'`.
        if words.get(1).is_some_and(|word| word.text() == "=") {
            if let (Some(name), [value]) = (
                words.first().and_then(|w| w.text().strip_prefix('$')),
                words.get(2..).unwrap_or_default(),
            ) {
                let (name, value) = (name.to_owned(), value.clone());
                self.set_plain(&name, &value);
                return;
            }
            words.drain(..2);
        }
        self.web_client(&words, executed);
        let Some(first) = words.first() else { return };
        let name = first.text().to_ascii_lowercase();
        if ["iex", "invoke-expression"].contains(&name.as_str()) {
            words.remove(0);
            self.powershell_command(words, true);
            return;
        }
        let web = ["invoke-webrequest", "iwr", "invoke-restmethod", "irm", "start-bitstransfer"];
        let posix = ["curl", "wget"].contains(&name.as_str())
            && words.iter().any(|w| {
                w.text().to_ascii_lowercase().starts_with("-o") || w.text().starts_with("-f")
            });
        if web.contains(&name.as_str()) || (["curl", "wget"].contains(&name.as_str()) && !posix) {
            self.web_request(&words, executed);
            return;
        }
        if words.len() > 1 {
            self.call(words, Feed::Nothing, &Output::Terminal);
        }
    }

    fn web_request(&mut self, words: &[Word], executed: bool) {
        let arguments =
            Arguments::parse(words.get(1..).unwrap_or_default(), WEB_VALUED, Dashes::Whole);
        let file = arguments.value(&["-OutFile", "-Destination"]).map(|w| w.text().to_owned());
        let url = arguments.value(&["-Uri", "-Source"]).or(arguments.operands.first()).cloned();
        let destination = match file {
            _ if executed => Output::Executed("Invoke-Expression".to_owned()),
            Some(file) => Output::Saved(file),
            None => Output::Captured,
        };
        if let Some(url) = url.filter(|url| url.text().contains("://") || url.is_unknown()) {
            fetch::download(self, &url, &destination);
        }
    }

    /// `(New-Object Net.WebClient).DownloadString('https://…')`, `.DownloadFile(url, file)`.
    fn web_client(&mut self, words: &[Word], executed: bool) {
        for word in words {
            let text = word.text();
            let lower = text.to_ascii_lowercase();
            let call = ["downloadstring(", "downloadfile("]
                .iter()
                .find_map(|name| lower.find(name).map(|at| at.saturating_add(name.len())));
            let Some(from) = call else { continue };
            let rest = text.get(from..).unwrap_or_default();
            let skip = rest.len().saturating_sub(rest.trim_start_matches(['\'', '"', ' ']).len());
            let start = from.saturating_add(skip);
            let tail = text.get(start..).unwrap_or_default();
            let end = start.saturating_add(tail.find(['\'', '"', ')', ',']).unwrap_or(tail.len()));
            let url = word.slice(start..end);
            let runs = executed
                || words.iter().any(|w| {
                    ["iex", "invoke-expression"].contains(&w.text().to_ascii_lowercase().as_str())
                });
            let destination = if runs {
                Output::Executed("Invoke-Expression".to_owned())
            } else if lower.contains("downloadfile(") {
                Output::Saved(String::new())
            } else {
                Output::Used
            };
            if url.text().contains("://") {
                fetch::download(self, &url, &destination);
            }
        }
    }
}

/// Words of one pipeline; nobody writes longer ones, and each needs much more memory than its text.
const MAX_WORDS: usize = 20_000;

/// A longer name of a variable is none.
const MAX_NAME: usize = 256;

/// Hands out the pipelines, one by one: commands of words.
fn statements(script: &Fragment, visit: &mut dyn FnMut(Vec<Vec<Word>>)) {
    let text = script.text();
    let mut pipeline = Vec::new();
    let mut count = 0_usize;
    let mut command: Vec<Word> = Vec::new();
    let mut builder = FragmentBuilder::default();
    let mut quote = None;
    let mut round = 0_usize;
    let mut quoted = false;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let end = at.saturating_add(character.len_utf8());
        match (quote, character) {
            (None, '`') | (Some('"'), '`') => {
                if let Some((next, following)) = characters.next()
                    && following != '\n'
                {
                    builder.append_range(script, next..next.saturating_add(following.len_utf8()));
                }
            }
            (None | Some('"'), '$') if environment_variable(text, at) > 0 => {
                let length = environment_variable(text, at);
                let end = at.saturating_add(length);
                while characters.next_if(|(next, _)| *next < end).is_some() {}
                builder.unknown(script.raw_range(at..end));
            }
            (Some(open), c) if c == open => {
                if round > 0 {
                    builder.append_range(script, at..end);
                }
                quote = None;
            }
            (Some(_), _) => builder.append_range(script, at..end),
            (None, '\'' | '"') => {
                if round > 0 {
                    builder.append_range(script, at..end);
                }
                quote = Some(character);
                quoted = true;
            }
            (None, '(') => {
                round = round.saturating_add(1);
                builder.append_range(script, at..end);
            }
            (None, ')') => {
                round = round.saturating_sub(1);
                builder.append_range(script, at..end);
            }
            (None, '#') if builder.text().is_empty() => {
                while characters.next_if(|(_, c)| *c != '\n').is_some() {}
            }
            (None, c) if round == 0 && (c.is_whitespace() || ";|{}&".contains(c)) => {
                flush(&mut builder, &mut command, &mut quoted);
                match c {
                    '|' => {
                        pipeline.push(std::mem::take(&mut command));
                        count = count.saturating_add(1);
                    }
                    ';' | '\n' | '{' | '}' | '&' => {
                        pipeline.push(std::mem::take(&mut command));
                        visit(std::mem::take(&mut pipeline));
                        count = 0;
                    }
                    _ => count = count.saturating_add(1),
                }
                if count > MAX_WORDS {
                    command.clear();
                    pipeline.clear();
                }
            }
            (None, _) => builder.append_range(script, at..end),
        }
    }
    flush(&mut builder, &mut command, &mut quoted);
    pipeline.push(command);
    visit(pipeline);
}

/// The length of `$env:NAME` or `${env:NAME}`, of any case, that stands there; else nothing.
fn environment_variable(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let starts = |prefix: &str| {
        rest.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if starts("${env:") {
        let near = rest.bytes().take(MAX_NAME).position(|byte| byte == b'}');
        return near.map_or(0, |close| close.saturating_add(1));
    }
    if !starts("$env:") {
        return 0;
    }
    let name = rest.get("$env:".len()..).unwrap_or_default();
    let length = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
    "$env:".len().saturating_add(length)
}

fn flush(builder: &mut FragmentBuilder, command: &mut Vec<Word>, quoted: &mut bool) {
    let fragment = std::mem::take(builder).finish();
    if !fragment.text().is_empty() {
        let mut word = Word::plain(fragment);
        word.quoted = std::mem::take(quoted);
        command.push(word);
    }
}
