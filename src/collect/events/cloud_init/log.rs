//! `/var/log/cloud-init.log`: what each module wrote and ran. Its times are UTC (`log.py` sets
//! `gmtime`).

use super::Window;
use crate::collect::events::command;
use crate::collect::events::zone::Zone;
use crate::collect::events::{At, Sink, path, redact};
use crate::model::{CauseKind, Event, EventSubject, EventTime};
use std::collections::BTreeMap;

/// Reads the lines of a log in order.
#[derive(Debug, Default)]
pub struct Parser {
    /// The module that runs, and since when.
    module: Option<(String, EventTime)>,
    stage: String,
    /// Outside of modules: what the last telling line was about.
    context: Option<String>,
    /// When modules ran last.
    pub windows: BTreeMap<String, Window>,
}

impl Parser {
    /// One line.
    pub fn take(&mut self, at: At<'_>, line: &str, sink: &mut Sink) {
        if let Some(command) = line.strip_prefix("Command: ") {
            failed(command, sink);
            return;
        }
        let Some((time, rest)) = line.split_once(" - ") else { return };
        let Some((origin, message)) = rest.split_once(": ") else { return };
        let Some(program) = origin.strip_suffix(']').and_then(|o| o.split_once('[')) else {
            return;
        };
        match program.0 {
            "handlers.py" | "events.py" => self.report(at, time, message, line, sink),
            // The lines that write are logged by `util.py`, and by whoever wrote from 24.1 on.
            program => {
                if let Some(module) =
                    program.strip_prefix("cc_").and_then(|p| p.strip_suffix(".py"))
                {
                    self.context = Some(module.to_owned());
                }
                self.deed(at, time, message, line, sink);
            }
        }
    }

    /// `start: STAGE/config-MODULE: …`, `finish: STAGE/config-MODULE: SUCCESS: …`.
    fn report(&mut self, at: At<'_>, time: &str, message: &str, line: &str, sink: &mut Sink) {
        let Some((verb, rest)) = message.split_once(": ") else { return };
        let name = rest.split(':').next().unwrap_or_default();
        let (stage, part) = name.split_once('/').unwrap_or((name, ""));
        let Some(time) = Zone::utc().parse(time) else { return };
        stage.clone_into(&mut self.stage);
        self.context = None;
        let Some(module) = part.strip_prefix("config-").map(|name| name.replace('-', "_")) else {
            return;
        };
        match verb {
            "start" => self.module = Some((module, time)),
            "finish" => {
                let start = self.module.take().filter(|(open, _)| *open == module);
                let start = start.map_or(time, |(_, start)| start);
                let mut event = at.event(CauseKind::CloudInit, "module", &module, line);
                (event.time, event.until) = (Some(start), Some(time));
                sink.push(event);
                self.windows.insert(module, (start, time));
            }
            _ => {}
        }
    }

    fn deed(&mut self, at: At<'_>, time: &str, message: &str, line: &str, sink: &mut Sink) {
        let Some((action, subjects)) = deed(message) else { return };
        let subjects: Vec<EventSubject> = subjects.into_iter().filter(is_lasting).collect();
        if subjects.is_empty() {
            return;
        }
        let module = match (&self.module, &self.context) {
            (Some((module, _)), _) => module.clone(),
            (None, _) if subjects.iter().any(is_network) => "network".into(),
            (None, Some(context)) => context.clone(),
            (None, None) if self.stage.is_empty() => "init".into(),
            (None, None) => self.stage.clone(),
        };
        let mut event = at.event(CauseKind::CloudInit, action, &module, line);
        event.time = Zone::utc().parse(time);
        event.subjects = subjects;
        sink.push(event);
    }
}

/// `Command: ['update-locale', 'LANG=x']`, as the text of the error that follows a command which
/// failed (`subp.py`): whether it had changed anything by then is not said.
fn failed(command: &str, sink: &mut Sink) {
    let command = redact::quote(command.trim_end());
    let is_it = |event: &Event| event.action == "run" && event.text.contains(&command);
    if !command.is_empty()
        && let Some(event) = sink.recent_mut(is_it)
    {
        event.forgeable = true;
    }
}

/// What one message says was done.
fn deed(message: &str) -> Option<(&'static str, Vec<EventSubject>)> {
    if let Some(rest) = message.strip_prefix("Writing to ") {
        let end = rest.rfind(" - ").unwrap_or(rest.len());
        return Some(("write", path(rest.get(..end)?).into_iter().collect()));
    }
    if let Some(rest) = message.strip_prefix("Atomically writing to file ") {
        let end = rest.find(" (via ").unwrap_or(rest.len());
        return Some(("write", path(rest.get(..end)?).into_iter().collect()));
    }
    if let Some(rest) = message.strip_prefix("Creating symbolic link from ") {
        let link = rest.split("' => '").next()?.trim_start_matches('\'');
        return Some(("link", path(link).into_iter().collect()));
    }
    if let Some(rest) = message.strip_prefix("Changing the ownership of ") {
        let end = rest.rfind(" to ")?;
        return Some(("own", path(rest.get(..end)?).into_iter().collect()));
    }
    if let Some(rest) = message.strip_prefix("Attempting to remove ") {
        return Some(("remove", path(rest).into_iter().collect()));
    }
    let command = message.strip_prefix("Running command ").or_else(|| {
        message.strip_prefix("Running hidden command to protect sensitive input/output logstring: ")
    })?;
    Some(("run", command::of_words(&vector(command), "/", "/root")))
}

/// A Python list or tuple of strings, as `repr` writes it; a bare text is one shell word list.
fn vector(text: &str) -> Vec<String> {
    if !text.starts_with(['[', '(']) {
        let end = text.find(" with allowed return codes").unwrap_or(text.len());
        return command::split(text.get(..end).unwrap_or_default())
            .into_iter()
            .next()
            .unwrap_or_default();
    }
    crate::collect::events::python::strings(text)
}

/// State of the run that is gone after it says nothing of changes.
fn is_lasting(subject: &EventSubject) -> bool {
    match subject {
        EventSubject::Path(path) | EventSubject::Below(path) => {
            !path.as_bytes().starts_with(b"/run/") && !path.as_bytes().starts_with(b"/proc/")
        }
        _ => true,
    }
}

/// Files that describe the network.
fn is_network(subject: &EventSubject) -> bool {
    let EventSubject::Path(path) = subject else { return false };
    let path = path.to_string();
    let places = [
        "/etc/network/",
        "/etc/netplan/",
        "/etc/sysconfig/network",
        "/etc/NetworkManager/",
        "/etc/systemd/network/",
        "/etc/resolv.conf",
        "/etc/netctl/",
        "/etc/wpa_supplicant/",
    ];
    places.iter().any(|place| path.starts_with(place))
        || (path.starts_with("/etc/udev/rules.d/") && path.contains("-net"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TreePath;

    fn check(lines: &[&str], expected: &[&str]) {
        let (mut parser, mut sink) = (Parser::default(), Sink::default());
        let path = TreePath::parse("/var/log/cloud-init.log");
        for line in lines {
            parser.take(At { path: &path, line: None }, line, &mut sink);
        }
        let shown = sink.into_events().into_iter().map(|event| {
            let subjects: Vec<String> = event
                .subjects
                .iter()
                .map(|subject| match subject {
                    EventSubject::Path(path) => path.to_string(),
                    EventSubject::Below(path) => format!("{path}/"),
                    EventSubject::Package { key, .. } => key.to_string(),
                    EventSubject::Fact { scope, key } => format!("{scope}:{key}"),
                    EventSubject::Content { path, .. } => format!("{path}="),
                })
                .collect();
            let failed = if event.forgeable { " (failed)" } else { "" };
            format!("{}{failed} {} {}", event.action, event.detail, subjects.join(" "))
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn modules_and_their_deeds() {
        let line =
            |origin: &str, text: &str| format!("2026-11-23 00:58:06,869 - {origin}[DEBUG]: {text}");
        let lines = [
            line("handlers.py", "start: init-local/check-cache: attempting to read"),
            line("cc_set_hostname.py", "Setting the hostname to web (web)"),
            line("util.py", "Writing to /etc/hostname - wb: [644] 7 bytes"),
            line("util.py", "Writing to /etc/netplan/50-cloud-init.yaml - wb: [600] 7 bytes"),
            line("util.py", "Writing to /run/x - wb: [600] 7 bytes"),
            line("handlers.py", "start: init-network/config-users-groups: running"),
            line(
                "subp.py",
                "Running hidden command to protect sensitive input/output logstring: \
                 ['useradd', 'deploy', '--shell', '/bin/bash', '-m']",
            ),
            line("handlers.py", "finish: init-network/config-users-groups: SUCCESS: ran"),
            line("util.py", "Creating symbolic link from '/etc/localtime' => '/usr/x'"),
            line(
                "subp.py",
                "Running command ['apt-get', '--quiet', 'install', 'jq'] with allowed return \
                 codes [0] (shell=False, capture=False)",
            ),
        ];
        let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        lines.push("Command: ['apt-get', '--quiet', 'install', 'jq']");
        check(
            &lines,
            &[
                "write set_hostname /etc/hostname",
                "write network /etc/netplan/50-cloud-init.yaml",
                "run users_groups users:deploy groups:deploy /home/deploy/ /var/mail/deploy \
                 /var/spool/mail/deploy /etc/passwd /etc/passwd- \
                 /etc/shadow /etc/shadow- /etc/group /etc/group- /etc/gshadow /etc/gshadow- \
                 /etc/subuid /etc/subuid- /etc/subgid /etc/subgid-",
                "module users_groups ",
                "link init-network /etc/localtime",
                "run (failed) init-network jq",
            ],
        );
        check(&["damaged", " - x: y", "a - util.py[DEBUG]: Writing to relative - wb"], &[]);
    }
}
