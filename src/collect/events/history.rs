//! Histories of interactive shells: what a person typed. Anyone may write their own, so a command
//! there is a weak witness until a time agrees with it.

use super::log::{at_path, each_line};
use super::zone::epoch;
use super::{At, Sink, command};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{CauseKind, Event, EventSubject, EventTime, Records, Stage, TreePath};

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-shell-history",
    version: 2,
    summary: "commands that people typed, from the histories of their shells",
    wanted: &[
        ".bash_history",
        ".zsh_history",
        ".histfile",
        ".ash_history",
        ".sh_history",
        ".ksh_history",
        ".mksh_history",
        ".history",
        "fish_history",
        ".viminfo",
    ],
    collect,
};

/// `/etc/passwd` of a host with many users.
const MAX_PASSWD: u64 = 16 << 20;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, MAX_PASSWD);
    if view.found.is_empty() {
        return;
    }
    let passwd = reader.file(&TreePath::parse("/etc/passwd")).unwrap_or_default();
    for path in view.found {
        let Some(log) = at_path(&mut reader, path) else { continue };
        let (user, home) = owner(&String::from_utf8_lossy(&passwd), path);
        let mut sink = Sink::default();
        let mut state = State::new(path, &home);
        each_line(&mut reader, &log, |number, line| {
            let typed = state.take(number, line);
            let event = typed.and_then(|typed| state.event(path, &typed, &user, &home));
            event.into_iter().for_each(|event| sink.push(event));
        });
        let last = state.finish().and_then(|typed| state.event(path, &typed, &user, &home));
        last.into_iter().for_each(|event| sink.push(event));
        let mut own = At { path, line: None }.event(
            CauseKind::Human,
            "history",
            &user,
            "the history that an interactive shell (or an editor) wrote when it ended",
        );
        own.subjects = vec![EventSubject::Path(path.clone())];
        own.forgeable = true;
        own.time = Some(EventTime { at: log.mtime, certainty: crate::model::TimeCertainty::Exact });
        sink.push(own);
        super::log::tell_dropped(&mut reader, path, sink.dropped);
        reader.records.events.extend(sink.into_events());
    }
}

/// The user whose home is nearest above a path, with that home.
fn owner(passwd: &str, path: &TreePath) -> (String, String) {
    let mut best: Option<(&str, &str)> = None;
    for line in passwd.lines() {
        let mut fields = line.split(':');
        let (Some(name), Some(home)) = (fields.next(), fields.nth(4)) else { continue };
        let fits = home.len() > 1 && path.is_at_or_below(&TreePath::parse(home));
        if fits && best.is_none_or(|(_, known)| known.len() < home.len()) {
            best = Some((name, home));
        }
    }
    match best {
        Some((name, home)) => (name.to_owned(), home.to_owned()),
        None => {
            let home = path.parent().unwrap_or(TreePath::root());
            let name = home.file_name().map(String::from_utf8_lossy).unwrap_or_default();
            (name.into_owned(), home.to_string())
        }
    }
}

/// Lines of one command at most; a here-document that never ends is one no longer.
const MAX_COMMAND_LINES: usize = 500;

/// How a shell writes its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// A command a line, after `#EPOCH` where times are kept; tcsh writes `#+EPOCH`. zsh's
    /// `: EPOCH:SECONDS;COMMAND` is told by its own look.
    Lines,
    /// fish's `- cmd: …` and `  when: EPOCH`.
    Fish,
    /// vim's own file: `> PATH` of what was edited, below its heading of file marks.
    Viminfo,
}

/// A command that was typed.
#[derive(Debug)]
struct Typed {
    line: u64,
    time: Option<EventTime>,
    text: String,
    lines: usize,
}

/// What a history says on the way.
struct State {
    format: Format,
    /// Of the next command.
    time: Option<EventTime>,
    /// A command that may go on.
    open: Option<Typed>,
    /// Followed by `cd`; a second shell's commands may stand between, so this is a guess.
    directory: String,
}

impl State {
    fn new(path: &TreePath, home: &str) -> Self {
        let format = match path.file_name() {
            Some(b"fish_history") => Format::Fish,
            Some(b".viminfo") => Format::Viminfo,
            _ => Format::Lines,
        };
        Self { format, time: None, open: None, directory: home.to_owned() }
    }

    /// One line; the command that it completes.
    fn take(&mut self, number: u64, line: &str) -> Option<Typed> {
        match self.format {
            Format::Lines => self.shell(number, line),
            Format::Fish => self.fish(number, line),
            Format::Viminfo => {
                let file = line.strip_prefix("> ")?;
                let text = format!("vim {}", file.replace(' ', "\\ "));
                Some(Typed { line: number, time: None, text, lines: 1 })
            }
        }
    }

    fn shell(&mut self, number: u64, line: &str) -> Option<Typed> {
        let stamp = line.strip_prefix('#').map(|rest| rest.strip_prefix('+').unwrap_or(rest));
        if let Some(time) = stamp.and_then(|text| epoch(text.trim())) {
            self.time = Some(time);
            return self.open.take();
        }
        // zsh: `: EPOCH:SECONDS;COMMAND`
        let extended = line.strip_prefix(": ").and_then(|rest| {
            let (head, text) = rest.split_once(';')?;
            Some((epoch(head.split(':').next()?)?, text))
        });
        let mut typed = match (self.open.take(), extended) {
            (Some(mut open), None) => {
                open.text.push('\n');
                open.text.push_str(line);
                open.lines = open.lines.saturating_add(1);
                open
            }
            // What was open is given up: the next command has begun.
            (_, Some((time, text))) => {
                Typed { line: number, time: Some(time), text: text.to_owned(), lines: 1 }
            }
            (None, None) => {
                Typed { line: number, time: self.time.take(), text: line.to_owned(), lines: 1 }
            }
        };
        if typed.lines < MAX_COMMAND_LINES && is_open(&typed.text) {
            self.open = Some(typed);
            return None;
        }
        typed.lines = 0;
        Some(typed)
    }

    fn fish(&mut self, number: u64, line: &str) -> Option<Typed> {
        if let Some(text) = line.strip_prefix("- cmd: ") {
            let text = text.replace("\\\\", "\u{0}").replace("\\n", "\n").replace('\u{0}', "\\");
            let next = Typed { line: number, time: None, text, lines: 1 };
            return self.open.replace(next);
        }
        let time = line.trim_start().strip_prefix("when: ").and_then(|text| epoch(text.trim()))?;
        let mut typed = self.open.take()?;
        typed.time = Some(time);
        Some(typed)
    }

    /// What was still open at the end.
    fn finish(&mut self) -> Option<Typed> {
        self.open.take()
    }

    fn event(&mut self, path: &TreePath, typed: &Typed, user: &str, home: &str) -> Option<Event> {
        let text = typed.text.as_str();
        let subjects = command::subjects(text, &self.directory, home);
        for words in command::split(text) {
            if let [program, directory, ..] = words.as_slice()
                && program == "cd"
            {
                self.directory = match directory.as_str() {
                    whole if whole.starts_with('/') => whole.to_owned(),
                    "~" => home.to_owned(),
                    part => format!("{}/{part}", self.directory),
                };
            }
        }
        if subjects.is_empty() {
            return None;
        }
        let at = At { path, line: Some(typed.line) };
        let mut event = at.event(CauseKind::Human, "type", user, text);
        event.time = typed.time;
        event.subjects = subjects;
        event.forgeable = true;
        Some(event)
    }
}

/// Whether a shell would wait for more: an open quote, here-document, block, or operator.
fn is_open(text: &str) -> bool {
    let last = text.lines().last().unwrap_or_default().trim_end();
    if last.ends_with('\\') || last.ends_with("&&") || last.ends_with('|') {
        return true;
    }
    let mut lines = text.lines();
    if let Some(delimiter) = lines.next().and_then(command::opened_document) {
        return !lines.any(|line| line.trim_start_matches('\t') == delimiter);
    }
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None | Some('"'), '\\') => drop(chars.next()),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '#') => break,
            _ => {}
        }
    }
    if quote.is_some() {
        return true;
    }
    let count = |words: &[&str]| {
        let all = text.split(|c: char| c.is_whitespace() || c == ';');
        all.filter(|word| words.contains(word)).count()
    };
    count(&["do"]) > count(&["done"]) || count(&["then"]) > count(&["fi"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_with_and_without_times() {
        let path = TreePath::parse("/home/anna/.bash_history");
        let (user, home) = owner("root:x:0:0:r:/root:/b\nanna:x:1:1:a:/home/anna:/b\n", &path);
        assert_eq!((user.as_str(), home.as_str()), ("anna", "/home/anna"));
        let shown = read(
            &path,
            &home,
            &user,
            &[
                "#1700000000",
                "sudo rm /etc/x",
                "ls",
                "cd /srv",
                "touch y",
                ": 1700000001:0;touch z",
            ],
        );
        assert_eq!(shown, ["anna /etc/x 1700000000", "anna /srv/y 0", "anna /srv/z 1700000001"]);
    }

    /// `USER PATH SECONDS` of the first path of each command.
    fn read(path: &TreePath, home: &str, user: &str, lines: &[&str]) -> Vec<String> {
        let mut state = State::new(path, home);
        let mut typed: Vec<Typed> = Vec::new();
        let mut events = Vec::new();
        for line in lines {
            typed.extend(state.take(1, line));
            for one in typed.drain(..) {
                events.extend(state.event(path, &one, user, home));
            }
        }
        typed.extend(state.finish());
        for one in typed {
            events.extend(state.event(path, &one, user, home));
        }
        let shown = events.iter().map(|event| {
            let time = event.time.map_or(0, |time| time.at.seconds);
            let EventSubject::Path(path) = &event.subjects[0] else { return String::new() };
            format!("{} {path} {time}", event.detail)
        });
        shown.collect()
    }

    #[test]
    fn formats_of_other_shells() {
        let check = |name: &str, lines: &[&str], expected: &[&str]| {
            let path = TreePath::parse(format!("/home/anna/{name}"));
            assert_eq!(read(&path, "/home/anna", "a", lines), expected, "{name}");
        };
        check(
            ".bash_history",
            &[
                "#1700000000",
                "cat > /etc/x <<EOF",
                "rm /etc/y",
                "EOF",
                "#1700000009",
                "touch /etc/z",
            ],
            &["a /etc/x 1700000000", "a /etc/z 1700000009"],
        );
        check(".bash_history", &["cat > /etc/x <<EOF", "rm /etc/y"], &["a /etc/x 0"]);
        check(
            ".bash_history",
            &["for f in a; do", "touch /$f", "done", "touch /b"],
            &["a /a 0", "a /b 0"],
        );
        check(
            ".zsh_history",
            &[": 1700000001:0;echo 'a\\", "b' > /etc/x", ": 1700000002:5;touch /etc/y"],
            &["a /etc/x 1700000001", "a /etc/y 1700000002"],
        );
        check(
            ".zsh_history",
            &[": 1700000001:0;touch \\", "/etc/x", ": 1700000002:5;touch /etc/y"],
            &["a /etc/x 1700000001", "a /etc/y 1700000002"],
        );
        check(
            "fish_history",
            &[
                "- cmd: sudo touch /etc/x",
                "  when: 1700000003",
                "  paths:",
                "    - /etc/x",
                "- cmd: cd /srv\\ntouch y",
                "  when: 1700000004",
                "- cmd: touch /z",
            ],
            &["a /etc/x 1700000003", "a /srv/y 1700000004", "a /z 0"],
        );
        check(".history", &["#+1700000005", "touch /etc/x"], &["a /etc/x 1700000005"]);
        check(
            ".viminfo",
            &["# History of marks:", "> /etc/hosts", "\t*\t1700000000\t0"],
            &["a /etc/hosts 0"],
        );
    }
}
