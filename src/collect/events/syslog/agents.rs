//! What agents of clouds and hypervisors say in syslog and the journal: Google's guest agent and
//! its startup scripts, QEMU's guest agent. Which of the contract's words they get is said in
//! [`crate::collect::events::agents`].

use super::Message;
use crate::collect::events::{At, Sink, below, command, fact, path};
use crate::model::{CauseKind, Event, EventSubject};

/// Programs whose messages are read here, with the names that older versions have.
pub const TAGS: [&str; 8] = [
    "google_guest_agent",
    "google_guest_agent_manager",
    "GCEGuestAgent",
    "google-accounts",
    "google_metadata_script_runner",
    "GCEMetadataScripts",
    "startup-script",
    "qemu-ga",
];

const STARTUP: &str = "google-guest-agent: startup-script";

/// One message.
pub fn take(message: Message<'_>, sink: &mut Sink) {
    let event = match message.tag {
        "qemu-ga" => qemu(message.at, message.text),
        "google_metadata_script_runner" | "GCEMetadataScripts" | "startup-script" => {
            return startup(message, sink);
        }
        _ => account(message),
    };
    if let Some(mut event) = event {
        event.time = Some(message.time);
        event.forgeable = message.forgeable;
        sink.push(event);
    }
}

/// From `Starting startup scripts` to `Finished running startup scripts`.
fn startup(message: Message<'_>, sink: &mut Sink) {
    let text = message.text;
    if text.contains("Starting startup scripts") || text.contains("Found startup-script") {
        let is_open = |event: &Event| event.detail == STARTUP && event.until.is_none();
        if sink.last_mut(is_open).is_none() {
            let mut event = message.at.event(CauseKind::CloudInit, "module", STARTUP, text);
            event.time = Some(message.time);
            event.forgeable = message.forgeable;
            sink.push(event);
        }
    } else if text.contains("Finished running startup scripts")
        && let Some(open) = sink.last_mut(|event| event.detail == STARTUP && event.until.is_none())
    {
        open.until = Some(message.time);
    }
}

/// `Creating user anna.`, `Updating keys for user anna.`, `Adding existing user anna to group x.`
fn account(message: Message<'_>) -> Option<Event> {
    let text = message.text;
    let deeds = ["Creating user ", "Updating keys for user ", "Removing user ", "existing user "];
    let (_, rest) = deeds.iter().find_map(|deed| text.split_once(deed))?;
    let user = rest.split([' ', ',']).next()?.trim_end_matches('.');
    if user.is_empty() || user.contains('/') {
        return None;
    }
    let detail = "google-guest-agent: accounts";
    let mut event = message.at.event(CauseKind::CloudInit, "task", detail, text);
    event.subjects = vec![fact("users", user), fact("groups", user)];
    event.subjects.extend(below(&format!("/home/{user}")));
    for file in ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"] {
        event.subjects.extend(path(&format!("/etc/{file}")));
        event.subjects.extend(path(&format!("/etc/{file}-")));
    }
    event.subjects.extend(below("/etc/sudoers.d/google_sudoers"));
    Some(event)
}

/// What QEMU's guest agent logs of commands that change something (`slog` in `qga/commands*.c`):
/// `info: guest-exec called: "…"`, `guest-file-open called, filepath: /x, mode: w`.
pub fn qemu(at: At<'_>, text: &str) -> Option<Event> {
    let text = text.strip_prefix("info: ").unwrap_or(text);
    let (name, rest) = text.split_once(" called")?;
    let subjects: Vec<EventSubject> = match name {
        "guest-exec" => {
            let line = rest.trim_start_matches(": ").trim_matches('"');
            let script = line.split_once(" -c ").filter(|(shell, _)| !shell.contains(' '));
            match script {
                Some((_, script)) => command::subjects(script, "/", "/root"),
                None => command::subjects(line, "/", "/root"),
            }
        }
        "guest-file-open" => {
            let (_, rest) = rest.split_once("filepath: ")?;
            let (file, mode) = rest.rsplit_once(", mode: ")?;
            path(file).filter(|_| mode.contains(['w', 'a', '+'])).into_iter().collect()
        }
        "guest-set-user-password" => {
            ["/etc/shadow", "/etc/shadow-"].iter().filter_map(|file| path(file)).collect()
        }
        _ => return None,
    };
    if subjects.is_empty() && name != "guest-exec" {
        return None;
    }
    let detail = format!("qemu-guest-agent: {name}");
    let mut event = at.event(CauseKind::SshSession, "task", &detail, text);
    event.subjects = subjects;
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventTime, TimeCertainty, Timestamp, TreePath};

    fn check(lines: &[(&str, &str)], expected: &[&str]) {
        let mut sink = Sink::default();
        let path = TreePath::parse("/var/log/syslog");
        for (second, (tag, text)) in lines.iter().enumerate() {
            let at = Timestamp::from_seconds(i64::try_from(second).unwrap());
            let time = EventTime { at, certainty: TimeCertainty::Exact };
            let at = At { path: &path, line: None };
            take(Message { at, time, tag, pid: "1", text, forgeable: true }, &mut sink);
        }
        let shown = sink.into_events().into_iter().map(|event| {
            let subjects: Vec<String> = event
                .subjects
                .iter()
                .take(3)
                .map(|subject| match subject {
                    EventSubject::Path(path) => path.to_string(),
                    EventSubject::Below(path) => format!("{path}/"),
                    EventSubject::Fact { scope, key } => format!("{scope}:{key}"),
                    _ => String::new(),
                })
                .collect();
            let until = event.until.map(|time| time.at.seconds);
            format!("{} {} {until:?} {}", event.actor, event.detail, subjects.join(" "))
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn google_and_qemu() {
        check(
            &[
                ("google_metadata_script_runner", "Starting startup scripts (version 2023)."),
                ("google_metadata_script_runner", "Found startup-script in metadata."),
                ("google_metadata_script_runner", "startup-script: hello"),
                ("google_metadata_script_runner", "Finished running startup scripts."),
                ("google_guest_agent", "Creating user anna."),
                ("google_guest_agent", "GCE Agent Started (version 2023)"),
            ],
            &[
                "cloud-init google-guest-agent: startup-script Some(3) ",
                "cloud-init google-guest-agent: accounts None users:anna groups:anna /home/anna/",
            ],
        );
        check(
            &[
                ("qemu-ga", "info: guest-exec called: \"/bin/sh -c echo x > /etc/x\""),
                ("qemu-ga", "info: guest-file-open called, filepath: /etc/y, mode: w+"),
                ("qemu-ga", "info: guest-file-open called, filepath: /etc/y, mode: r"),
                ("qemu-ga", "info: guest-ping called"),
            ],
            &[
                "ssh-session qemu-guest-agent: guest-exec None /etc/x",
                "ssh-session qemu-guest-agent: guest-file-open None /etc/y",
            ],
        );
    }
}
