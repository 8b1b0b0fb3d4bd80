//! Who was logged in: sshd, login, su and sudo in the authentication log.

use super::Message;
use super::jobs::Jobs;
use crate::collect::events::{Sink, command, fact, path};
use crate::model::{CauseKind, Event, EventSubject};
use std::collections::BTreeMap;

/// Programs whose messages are read here. `sshd-session` is OpenSSH's name from 9.8 on.
pub const TAGS: [&str; 9] = [
    "sshd",
    "sshd-session",
    "login",
    "su",
    "sudo",
    "doas",
    "pkexec",
    "sftp-server",
    "internal-sftp",
];

/// Sessions that are open at one time; a log without ends has no end.
const MAX_OPEN: usize = 4096;

/// Sessions whose end was not seen yet, by process.
#[derive(Debug, Default)]
pub struct Sessions {
    open: BTreeMap<String, Event>,
    /// Who speaks sftp, by process.
    transfers: BTreeMap<String, String>,
    /// What the machine itself runs.
    pub jobs: Jobs,
}

impl Sessions {
    /// One message.
    pub fn take(&mut self, message: Message<'_>, sink: &mut Sink) {
        match message.tag {
            "sudo" => run(message, sink),
            "doas" => doas(message, sink),
            "pkexec" => pkexec(message, sink),
            "sftp-server" | "internal-sftp" => self.transfer(message, sink),
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
            if let Some((to, rest)) = rest.split_once(") ") {
                let user = rest.split_whitespace().next().unwrap_or_default();
                let mut event = event(message, CauseKind::Human, "su", user);
                // Whose shell it became: attribution looks for what was typed there.
                event.subjects = vec![fact("su", to)];
                sink.push(event);
            }
        }
    }

    /// OpenSSH's sftp-server at its level INFO: `open "/etc/x" flags WRITE,CREATE mode 0644`.
    fn transfer(&mut self, message: Message<'_>, sink: &mut Sink) {
        let text = message.text;
        if let Some(rest) = text.strip_prefix("session opened for local user ") {
            if let Some((user, from)) = rest.split_once(" from ")
                && self.transfers.len() < MAX_OPEN
            {
                let from = from.trim_matches(['[', ']']);
                self.transfers.insert(message.pid.to_owned(), format!("{user} from {from}"));
            }
            return;
        }
        if text.starts_with("session closed for local user ") {
            self.transfers.remove(message.pid);
            return;
        }
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let writes = match verb {
            "open" => rest.contains("WRITE") || rest.contains("CREATE"),
            "remove" | "mkdir" | "rmdir" | "rename" | "posix-rename" | "symlink" | "link"
            | "hardlink" | "set" | "setstat" | "fsetstat" | "lsetstat" => true,
            _ => false,
        };
        if !writes {
            return;
        }
        let detail = self.transfers.get(message.pid).map_or("sftp", String::as_str);
        let mut event = event(message, CauseKind::SshSession, "transfer", detail);
        event.subjects = rest.split('"').skip(1).step_by(2).filter_map(path).collect();
        if !event.subjects.is_empty() {
            sink.push(event);
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

    /// What is not handed on yet.
    pub fn events_mut(&mut self) -> impl Iterator<Item = &mut Event> {
        self.open.values_mut().chain(self.jobs.events_mut())
    }

    /// Those that are still open.
    pub fn finish(self, sink: &mut Sink) {
        self.jobs.finish(sink);
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
    let to = settings.split_once("USER=").map(|(_, rest)| rest).unwrap_or("root");
    let to = to.split(" ;").next().unwrap_or_default();
    event.subjects = ran(line, directory, &home_of(to));
    event.subjects.push(fact("su", to));
    sink.push(event);
}

/// Where homes are by custom.
fn home_of(user: &str) -> String {
    if user == "root" { "/root".to_owned() } else { format!("/home/{user}") }
}

/// A command whose words were joined without quotes: what looks like an operator is part of a
/// word, but for the script of `sh -c`, which is all that follows.
fn ran(line: &str, directory: &str, home: &str) -> Vec<EventSubject> {
    let script = line.split_once(" -c ").filter(|(shell, _)| !shell.contains(' '));
    match script {
        Some((_, script)) => command::subjects(script, directory, home),
        None => {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            command::of_words(&words, directory, home)
        }
    }
}

/// OpenDoas: `USER ran command CMD as root from /dir`.
fn doas(message: Message<'_>, sink: &mut Sink) {
    let Some((user, rest)) = message.text.split_once(" ran command ") else { return };
    let (line, place) = rest.rsplit_once(" as ").unwrap_or((rest, ""));
    let directory = place.split_once(" from ").map(|(_, dir)| dir).unwrap_or_default();
    let mut event = event(message, CauseKind::Human, "doas", user);
    event.subjects = ran(line, directory, "/root");
    sink.push(event);
}

/// polkit's: `USER: Executing command [USER=root] [TTY=…] [CWD=/dir] [COMMAND=/bin/x y]`.
fn pkexec(message: Message<'_>, sink: &mut Sink) {
    let Some((user, rest)) = message.text.split_once(": Executing command ") else { return };
    let field = |name: &str| {
        let rest = rest.split_once(&format!("[{name}="))?.1;
        rest.split(']').next()
    };
    let Some(line) = field("COMMAND") else { return };
    let mut event = event(message, CauseKind::Human, "sudo", user);
    event.subjects = ran(line, field("CWD").unwrap_or_default(), "/root");
    sink.push(event);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::events::syslog::testing::feed;

    fn check(lines: &[(&str, &str, &str)], expected: &[&str]) {
        let (mut sessions, mut sink) = (Sessions::default(), Sink::default());
        feed(lines, |message| sessions.take(message, &mut sink));
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
                "human sudo anna until -1, 3",
                "human sudo anna until -1, 2",
                "ansible sudo become until -1, 1",
                "human su anna until -1, 1",
            ],
        );
    }

    #[test]
    fn words_that_sudo_joined() {
        let check = |line: &str, expected: &str| {
            let mut found = ran(line, "/etc", "/root").into_iter().filter_map(|one| match one {
                EventSubject::Path(path) => Some(path.to_string()),
                _ => None,
            });
            assert_eq!(found.next_back().unwrap_or_default(), expected, "{line}");
        };
        check(
            "/usr/bin/sed -i s/^#Port 22;/Port 2222;/ /etc/ssh/sshd_config",
            "/etc/ssh/sshd_config",
        );
        check("/usr/bin/tee -a hosts", "/etc/hosts");
        check("/usr/bin/vim hosts", "/etc/hosts");
        check("sudoedit /etc/fstab", "/etc/fstab");
        check("/bin/bash -c echo a > /etc/x; true", "/etc/x");
        check("/usr/bin/install -m 0644 a.conf /etc/a.d/", "/etc/a.d/a.conf");
        check("/usr/bin/cat /etc/shadow", "");
    }

    #[test]
    fn files_that_came_by_sftp() {
        check(
            &[
                ("sftp-server", "7", "session opened for local user root from [10.0.2.2]"),
                (
                    "sftp-server",
                    "7",
                    "open \"/etc/app.conf\" flags WRITE,CREATE,TRUNCATE mode 0644",
                ),
                ("sftp-server", "7", "open \"/etc/passwd\" flags READ mode 0666"),
                ("sftp-server", "7", "rename old \"/etc/a\" new \"/etc/b\""),
                (
                    "pkexec",
                    "8",
                    "anna: Executing command [USER=root] [TTY=x] [CWD=/etc] [COMMAND=/bin/rm x]",
                ),
            ],
            &[
                "ssh-session transfer root from 10.0.2.2 until -1, 1",
                "ssh-session transfer root from 10.0.2.2 until -1, 2",
                "human sudo anna until -1, 2",
            ],
        );
    }
}
