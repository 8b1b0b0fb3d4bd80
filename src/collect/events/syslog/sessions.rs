//! Who was logged in: sshd, login, su and sudo in the authentication log.

use super::Message;
use crate::collect::events::{Sink, command};
use crate::model::{CauseKind, Event};
use std::collections::BTreeMap;

/// Programs whose messages are read here. `sshd-session` is OpenSSH's name from 9.8 on.
pub const TAGS: [&str; 6] = ["sshd", "sshd-session", "login", "su", "sudo", "doas"];

/// Sessions that are open at one time; a log without ends has no end.
const MAX_OPEN: usize = 4096;

/// Sessions whose end was not seen yet, by process.
#[derive(Debug, Default)]
pub struct Sessions {
    open: BTreeMap<String, Event>,
}

impl Sessions {
    /// One message.
    pub fn take(&mut self, message: Message<'_>, sink: &mut Sink) {
        match message.tag {
            "sudo" => run(message, sink),
            "doas" => doas(message, sink),
            _ => self.session(message, sink),
        }
    }

    fn session(&mut self, message: Message<'_>, sink: &mut Sink) {
        let text = message.text;
        if let Some(rest) = text.strip_prefix("Accepted ") {
            // `METHOD for USER from ADDRESS port N ssh2: KEY FINGERPRINT`
            let after = |word: &str| {
                let rest = rest.split_once(&format!(" {word} "))?.1;
                rest.split_whitespace().next()
            };
            let user = after("for").unwrap_or_default();
            let from = after("from").unwrap_or_default();
            let key = rest.split_whitespace().find(|word| word.starts_with("SHA256:"));
            let key = key.map(|key| format!(" with {key}")).unwrap_or_default();
            let detail = format!("{user} from {from}{key}");
            self.begin(message, CauseKind::SshSession, &detail, sink);
        } else if text.contains(":session): session opened for user ") && message.tag == "login" {
            let user = user_of(text, "session opened for user ");
            self.begin(message, CauseKind::Human, &format!("{user} on the console"), sink);
        } else if text.contains(":session): session closed for user ")
            || text.starts_with("Disconnected from user ")
        {
            if let Some(mut event) = self.open.remove(message.pid) {
                event.until = Some(message.time);
                sink.push(event);
            }
        } else if let Some(rest) = text.strip_prefix("(to ") {
            // `(to root) anna on pts/0`
            if let Some((_, rest)) = rest.split_once(") ") {
                let user = rest.split_whitespace().next().unwrap_or_default();
                let mut event = event(message, CauseKind::Human, "su", user);
                event.time = Some(message.time);
                sink.push(event);
            }
        }
    }

    fn begin(&mut self, message: Message<'_>, actor: CauseKind, detail: &str, sink: &mut Sink) {
        let event = event(message, actor, "session", detail);
        if message.pid.is_empty() || self.open.len() >= MAX_OPEN {
            sink.push(event);
        } else if let Some(lost) = self.open.insert(message.pid.to_owned(), event) {
            sink.push(lost);
        }
    }

    /// Those that are still open.
    pub fn finish(self, sink: &mut Sink) {
        for event in self.open.into_values() {
            sink.push(event);
        }
    }
}

fn event(message: Message<'_>, actor: CauseKind, action: &str, detail: &str) -> Event {
    let text = format!("{}[{}]: {}", message.tag, message.pid, message.text);
    let mut event = message.at.event(actor, action, detail, &text);
    event.time = Some(message.time);
    event.forgeable = message.forgeable;
    event
}

/// `USER(uid=0)` or `USER` after a phrase.
fn user_of<'a>(text: &'a str, phrase: &str) -> &'a str {
    let rest = text.split_once(phrase).map(|(_, rest)| rest).unwrap_or_default();
    rest.split([' ', '(']).next().unwrap_or_default()
}

/// `USER : TTY=pts/0 ; PWD=/home/x ; USER=root ; COMMAND=/usr/bin/apt install y` (sudoers(5)).
fn run(message: Message<'_>, sink: &mut Sink) {
    let Some((user, rest)) = message.text.split_once(" : ") else { return };
    let Some((settings, line)) = rest.split_once("COMMAND=") else { return };
    if settings.contains("command not allowed") || settings.contains("incorrect password") {
        return;
    }
    let directory = settings.split_once("PWD=").map(|(_, rest)| rest).unwrap_or_default();
    let directory = directory.split(" ;").next().unwrap_or_default();
    let user = user.trim();
    // Ansible's `become` prints this word before its module runs.
    let actor =
        if line.contains("BECOME-SUCCESS-") { CauseKind::Ansible } else { CauseKind::Human };
    let detail = if actor == CauseKind::Ansible { "become" } else { user };
    let mut event = event(message, actor, "sudo", detail);
    // sudo joins the words without quotes, so `sh -c` has its script in all that follows.
    let script = line.split_once(" -c ").filter(|(shell, _)| !shell.contains(' '));
    event.subjects = match script {
        Some((_, script)) => command::subjects(script, directory, "/root"),
        None => command::subjects(line, directory, "/root"),
    };
    sink.push(event);
}

/// OpenDoas: `USER ran command CMD as root from /dir`.
fn doas(message: Message<'_>, sink: &mut Sink) {
    let Some((user, rest)) = message.text.split_once(" ran command ") else { return };
    let (line, place) = rest.rsplit_once(" as ").unwrap_or((rest, ""));
    let directory = place.split_once(" from ").map(|(_, dir)| dir).unwrap_or_default();
    let mut event = event(message, CauseKind::Human, "doas", user);
    event.subjects = command::subjects(line, directory, "/root");
    sink.push(event);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::events::At;
    use crate::model::{EventTime, TimeCertainty, Timestamp, TreePath};

    fn check(lines: &[(&str, &str, &str)], expected: &[&str]) {
        let (mut sessions, mut sink) = (Sessions::default(), Sink::default());
        let path = TreePath::parse("/var/log/auth.log");
        for (second, (tag, pid, text)) in lines.iter().enumerate() {
            let at = Timestamp::from_seconds(i64::try_from(second).unwrap());
            let time = EventTime { at, certainty: TimeCertainty::Exact };
            let at = At { path: &path, line: None };
            let message = Message { at, time, tag, pid, text, forgeable: true };
            sessions.take(message, &mut sink);
        }
        sessions.finish(&mut sink);
        let shown = sink.into_events().into_iter().map(|event| {
            let until = event.until.map_or(-1, |until| until.at.seconds);
            let count = event.subjects.len();
            format!("{} {} {} until {until}, {count}", event.actor, event.action, event.detail)
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn sessions_have_ends() {
        let accepted = "Accepted publickey for root from 10.0.2.2 port 5 ssh2: ED25519 SHA256:8U";
        check(
            &[
                ("sshd", "1", accepted),
                ("sshd", "2", "Accepted password for anna from ::1 port 5 ssh2"),
                ("sshd", "1", "pam_unix(sshd:session): session opened for user root(uid=0)"),
                ("sshd", "1", "pam_unix(sshd:session): session closed for user root"),
                ("sshd", "3", "Failed password for root from 10.0.2.2 port 1 ssh2"),
            ],
            &[
                "ssh-session session root from 10.0.2.2 with SHA256:8U until 3, 0",
                "ssh-session session anna from ::1 until -1, 0",
            ],
        );
    }

    #[test]
    fn commands_of_sudo() {
        check(
            &[
                ("sudo", "", "anna : TTY=pts/0 ; PWD=/etc ; USER=root ; COMMAND=/usr/bin/rm x"),
                (
                    "sudo",
                    "",
                    "anna : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh -c echo a > /etc/y",
                ),
                ("sudo", "", "bob : command not allowed ; TTY=pts/0 ; PWD=/ ; COMMAND=/bin/sh"),
                (
                    "sudo",
                    "",
                    "d : PWD=/ ; USER=root ; COMMAND=/bin/sh -c echo BECOME-SUCCESS-x ; python3",
                ),
                ("su", "9", "(to root) anna on pts/0"),
            ],
            &[
                "human sudo anna until -1, 2",
                "human sudo anna until -1, 1",
                "ansible sudo become until -1, 0",
                "human su anna until -1, 0",
            ],
        );
    }
}
