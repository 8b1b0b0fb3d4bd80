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
    version: 1,
    summary: "commands that people typed, from the histories of their shells",
    wanted: &[
        ".bash_history",
        ".zsh_history",
        ".histfile",
        ".ash_history",
        ".sh_history",
        "fish_history",
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
        let mut state = State { time: None, directory: home.clone() };
        each_line(&mut reader, &log, |number, line| {
            let at = At { path, line: Some(number) };
            if let Some(event) = state.take(at, line, &user, &home) {
                sink.push(event);
            }
        });
        let mut own = At { path, line: None }.event(
            CauseKind::Human,
            "history",
            &user,
            "the history that an interactive shell wrote when it ended",
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

/// What a history says on the way.
struct State {
    /// Of the next command.
    time: Option<EventTime>,
    /// Followed by `cd`; a second shell's commands may stand between, so this is a guess.
    directory: String,
}

impl State {
    fn take(&mut self, at: At<'_>, line: &str, user: &str, home: &str) -> Option<Event> {
        if let Some(time) = line.strip_prefix('#').and_then(|text| epoch(text.trim())) {
            self.time = Some(time);
            return None;
        }
        let (time, text) = match line.strip_prefix(": ").and_then(|rest| rest.split_once(';')) {
            // zsh: `: EPOCH:SECONDS;COMMAND`
            Some((head, text)) => (head.split(':').next().and_then(epoch), text),
            None => (None, line.strip_prefix("- cmd: ").unwrap_or(line)),
        };
        let time = time.or(self.time.take());
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
        let subjects = command::subjects(text, &self.directory, home);
        if subjects.is_empty() {
            return None;
        }
        let mut event = at.event(CauseKind::Human, "type", user, text);
        event.time = time;
        event.subjects = subjects;
        event.forgeable = true;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_with_and_without_times() {
        let path = TreePath::parse("/home/anna/.bash_history");
        let (user, home) = owner("root:x:0:0:r:/root:/b\nanna:x:1:1:a:/home/anna:/b\n", &path);
        assert_eq!((user.as_str(), home.as_str()), ("anna", "/home/anna"));
        let mut state = State { time: None, directory: home.clone() };
        let lines =
            ["#1700000000", "sudo rm /etc/x", "ls", "cd /srv", "touch y", ": 1700000001:0;touch z"];
        let shown: Vec<String> = lines
            .iter()
            .filter_map(|line| state.take(At { path: &path, line: None }, line, &user, &home))
            .map(|event| {
                let time = event.time.map_or(0, |time| time.at.seconds);
                let EventSubject::Path(path) = &event.subjects[0] else { return String::new() };
                format!("{} {path} {time}", event.detail)
            })
            .collect();
        assert_eq!(shown, ["anna /etc/x 1700000000", "anna /srv/y 0", "anna /srv/z 1700000001"]);
    }
}
