//! Agents of clouds and hypervisors: Amazon's SSM agent, Azure's Linux agent, QEMU's guest agent's
//! own log. What they say in syslog and the journal is read in [`super::syslog::agents`].
//!
//! The contract has no word of their own. What an agent sets up because the instance's metadata
//! says so (users, keys, extensions, startup scripts) is told as `cloud-init`, the word for the
//! cloud's own configuration of an instance; what somebody ran or opened through an agent from
//! outside is told as `ssh-session`, the word for a remote session. The detail names the agent.
//!
//! `amazon-ssm-agent.log` is written in local time, `waagent.log` in UTC. The scripts that agents
//! ran lie below their own directories; what a script names is believed where the time agrees.

use super::leavings::scripts;
use super::log::{Log, each_line, rotated, select, tell_dropped};
use super::syslog::agents::qemu;
use super::zone::{Zone, epoch};
use super::{At, Sink, below, command, path};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{CauseKind, Event, EventSubject, EventTime, Records, Stage, TreePath};
use std::collections::BTreeMap;

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-agents",
    version: 1,
    summary: "sessions, commands and extensions of cloud agents (SSM, waagent, qemu-ga)",
    wanted: &["_script.sh"],
    collect,
};

/// Documents and sessions that are open at one time; a log without ends has no end.
const MAX_OPEN: usize = 1024;

/// Runs of Azure's script extensions that are looked at, the newest; each has a number.
const MAX_RUNS: usize = 200;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, 0);
    let zone = Zone::read(reader.filesystem);
    let mut sink = Sink::default();
    let mut ssm = Ssm::default();
    for log in rotated(&mut reader, "/var/log/amazon/ssm", "amazon-ssm-agent.log") {
        lines(&mut reader, &log, |at, line| ssm.take(at, line, &zone, &mut sink));
    }
    ssm.finish(&mut sink);
    for script in view.found {
        if script.is_at_or_below(&TreePath::parse("/var/lib/amazon/ssm")) {
            scripts(&mut reader, script, CauseKind::SshSession, SSM, &mut sink);
        }
    }
    for log in rotated(&mut reader, "/var/log", "waagent.log") {
        lines(&mut reader, &log, |at, line| sink_all(&mut sink, waagent(at, line)));
    }
    for (directory, actor, detail) in AZURE_SCRIPTS {
        let runs = reader.list_directories(&TreePath::parse(directory));
        for (run, _) in runs.into_iter().rev().take(MAX_RUNS) {
            let folder = TreePath::parse(directory).join(&run).to_string();
            // Output is kept beside the scripts.
            let is_script = |name: &[u8]| !matches!(name, b"stdout" | b"stderr");
            for log in select(&mut reader, &folder, is_script) {
                scripts(&mut reader, &log.path, actor, detail, &mut sink);
            }
        }
    }
    for (directory, name) in [("/var/log", "qemu-ga.log"), ("/var/log/qemu-ga", "qemu-ga.log")] {
        for log in rotated(&mut reader, directory, name) {
            lines(&mut reader, &log, |at, line| sink_all(&mut sink, qemu_line(at, line)));
        }
    }
    tell_dropped(&mut reader, &TreePath::parse("/var/log/amazon/ssm"), sink.dropped);
    reader.records.events.extend(sink.into_events());
}

fn lines(reader: &mut Reader<'_>, log: &Log, mut take: impl FnMut(At<'_>, &str)) {
    each_line(reader, log, |number, line| take(At { path: &log.path, line: Some(number) }, line));
}

fn sink_all(sink: &mut Sink, event: Option<Event>) {
    event.into_iter().for_each(|event| sink.push(event));
}

const SSM: &str = "amazon-ssm-agent: Run Command";

/// Where Azure's extensions keep the scripts that they ran, one folder a run.
const AZURE_SCRIPTS: [(&str, CauseKind, &str); 2] = [
    ("/var/lib/waagent/custom-script/download", CauseKind::CloudInit, "waagent: CustomScript"),
    ("/var/lib/waagent/run-command/download", CauseKind::SshSession, "waagent: Run Command"),
];

/// Sessions and documents that SSM's workers have open, by their names.
#[derive(Debug, Default)]
struct Ssm {
    open: BTreeMap<String, Event>,
}

impl Ssm {
    /// `2026-11-23 00:58:20 INFO [ssm-session-worker] [anna-0a1b] Session worker closed`; newer
    /// agents write a fraction of the second.
    fn take(&mut self, at: At<'_>, line: &str, zone: &Zone, sink: &mut Sink) {
        let (is_session, rest) = match line.split_once("[ssm-session-worker] [") {
            Some((_, rest)) => (true, rest),
            None => match line.split_once("[ssm-document-worker] [") {
                Some((_, rest)) => (false, rest),
                None => return,
            },
        };
        let Some((name, message)) = rest.split_once(']') else { return };
        let mut words = line.split(' ');
        let (Some(date), Some(clock)) = (words.next(), words.next()) else { return };
        let Some(time) = zone.parse(&format!("{date} {clock}")) else { return };
        if message.contains("worker closed") {
            if let Some(mut event) = self.open.remove(name) {
                event.until = Some(time);
                sink.push(event);
            }
            return;
        }
        if let Some(event) = self.open.get_mut(name) {
            event.until = Some(time);
        } else if self.open.len() < MAX_OPEN {
            let (action, detail) = match is_session {
                // Session Manager's shells are this user's.
                true => ("session", format!("ssm-user by amazon-ssm-agent as {name}")),
                false => ("task", SSM.to_owned()),
            };
            let mut event = at.event(CauseKind::SshSession, action, &detail, line);
            event.time = Some(time);
            self.open.insert(name.to_owned(), event);
        }
    }

    fn finish(self, sink: &mut Sink) {
        self.open.into_values().for_each(|event| sink.push(event));
    }
}

/// What Azure's agent says it does to an instance, by the words of its provisioning, and where.
const PROVISIONING: [(&str, &[&str]); 9] = [
    ("Create user account", &["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"]),
    ("Set user password", &["/etc/shadow", "/etc/shadow-"]),
    ("Set hostname", &["/etc/hostname"]),
    ("Publish hostname", &["/etc/hostname", "/etc/dhcp/dhclient.conf"]),
    ("Configure sudoer", &["/etc/sudoers.d/waagent"]),
    ("Configure sshd", &["/etc/ssh/sshd_config"]),
    ("Configured SSH client probing", &["/etc/ssh/sshd_config"]),
    ("SSH password-based authentication", &["/etc/ssh/sshd_config"]),
    ("Wrote /etc/fstab", &["/etc/fstab"]),
];

/// `2026-11-23T00:58:20.129375Z INFO Daemon Set hostname [web]`,
/// `… INFO ExtHandler [Microsoft.Azure.Extensions.CustomScript-2.1.10] Command: bin/run enable`.
/// Old agents write `2018/06/20 13:37:00.123456 INFO …`, in UTC too.
fn waagent(at: At<'_>, line: &str) -> Option<Event> {
    let (stamp, rest) = line.split_once(" INFO ").or_else(|| line.split_once(" WARNING "))?;
    let time: EventTime =
        super::zone::offset(stamp).or_else(|| Zone::utc().parse(&stamp.replacen('/', "-", 2)))?;
    let mut detail = "waagent: provisioning".to_owned();
    let mut subjects: Vec<EventSubject> = Vec::new();
    if let Some((_, extension)) = rest.split_once('[')
        && let Some((extension, message)) = extension.split_once("] ")
        && extension.contains('.')
        && extension.contains('-')
        && !extension.contains(' ')
    {
        let folder = format!("/var/lib/waagent/{extension}");
        let name = extension.rsplit_once('-').map_or(extension, |(name, _)| name);
        subjects.extend(below(&folder));
        subjects.extend(below(&format!("/var/log/azure/{name}")));
        let ran = ["Executing command: ", "Command: ", "Launch command with "];
        if let Some(line) = ran.iter().find_map(|start| message.strip_prefix(start)) {
            let line = line.split(" with environment variables").next().unwrap_or_default();
            subjects.extend(command::subjects(line, &folder, "/root"));
        }
        detail = format!("waagent: {name}");
    } else {
        let known = PROVISIONING.iter().filter(|(words, _)| rest.contains(words));
        subjects.extend(known.flat_map(|(_, places)| *places).filter_map(|place| path(place)));
    }
    if subjects.is_empty() {
        return None;
    }
    let mut event = at.event(CauseKind::CloudInit, "task", &detail, line);
    event.time = Some(time);
    event.subjects = subjects;
    Some(event)
}

/// `1795395500.123456: info: guest-exec called: "/bin/sh -c true"`.
fn qemu_line(at: At<'_>, line: &str) -> Option<Event> {
    let (stamp, rest) = line.split_once(": ")?;
    let mut event = qemu(at, rest)?;
    event.time = Some(epoch(stamp)?);
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn shown(event: &Event) -> String {
        let second = |time: Option<EventTime>| match time {
            Some(time) => (time.at.seconds - 1_795_392_000).to_string(),
            None => "-".into(),
        };
        let subjects: Vec<String> = event.subjects.iter().map(subject).collect();
        let (from, to) = (second(event.time), second(event.until));
        let words = [event.actor.as_str(), &event.action, &event.detail, &from, &to];
        format!("{}: {}", words.join(" "), subjects.join(" "))
    }

    fn subject(subject: &EventSubject) -> String {
        match subject {
            EventSubject::Path(path) => path.to_string(),
            EventSubject::Below(path) => format!("{path}/"),
            EventSubject::Fact { scope, key } => format!("{scope}:{key}"),
            EventSubject::Package { key, .. } => key.name.clone(),
            EventSubject::Content { .. } => String::new(),
        }
    }

    fn at(path: &TreePath) -> At<'_> {
        At { path, line: None }
    }

    #[test]
    fn sessions_and_documents_of_ssm() {
        let path = TreePath::parse("/var/log/amazon/ssm/amazon-ssm-agent.log");
        let (mut ssm, mut sink) = (Ssm::default(), Sink::default());
        for line in [
            "2026-11-23 00:00:10 INFO [ssm-session-worker] [anna-0a] document: anna-0a worker started",
            "2026-11-23 00:00:11.1234 INFO [ssm-document-worker] [7f-1] document: 7f-1 worker started",
            "2026-11-23 00:00:12 INFO [ssm-document-worker] [7f-1] [DataBackend] sending reply",
            "2026-11-23 00:01:40 INFO [ssm-session-worker] [anna-0a] Session worker closed",
            "2026-11-23 00:01:41 INFO [ssm-agent-worker] [MessageService] nothing",
            "damaged [ssm-session-worker] [x] y",
        ] {
            ssm.take(at(&path), line, &Zone::utc(), &mut sink);
        }
        ssm.finish(&mut sink);
        let all: Vec<String> = sink.into_events().iter().map(shown).collect();
        assert_eq!(
            all,
            [
                "ssh-session session ssm-user by amazon-ssm-agent as anna-0a 10 100: ",
                "ssh-session task amazon-ssm-agent: Run Command 11 12: ",
            ]
        );
    }

    #[test]
    fn provisioning_and_extensions_of_azure() {
        let path = TreePath::parse("/var/log/waagent.log");
        let check = |line: &str, expected: &str| {
            let event = waagent(at(&path), line);
            assert_eq!(event.as_ref().map(shown).unwrap_or_default(), expected, "{line}");
        };
        check(
            "2026-11-23T00:00:10.123456Z INFO Daemon Set hostname [web]",
            "cloud-init task waagent: provisioning 10 -: /etc/hostname",
        );
        check(
            "2026/11/23 00:00:10.123456 INFO Configure sudoer",
            "cloud-init task waagent: provisioning 10 -: /etc/sudoers.d/waagent",
        );
        check(
            "2026-11-23T00:00:10Z INFO ExtHandler [Microsoft.Azure.X-2.1.10] Command: touch /srv/x",
            "cloud-init task waagent: Microsoft.Azure.X 10 -: /var/lib/waagent/Microsoft.Azure.X-2.1.10/ \
             /var/log/azure/Microsoft.Azure.X/ /srv/x",
        );
        check("2026-11-23T00:00:10Z INFO ExtHandler Wire server endpoint:168.63.129.16", "");
        check("x INFO y", "");
    }

    #[test]
    fn commands_by_the_hypervisor() {
        let path = TreePath::parse("/var/log/qemu-ga.log");
        let line = "1795392010.5: info: guest-exec called: \"/usr/bin/touch /srv/x\"";
        let event = qemu_line(at(&path), line).unwrap();
        assert_eq!(shown(&event), "ssh-session task qemu-guest-agent: guest-exec 10 -: /srv/x");
        assert_eq!(
            event.time.unwrap().at,
            Timestamp { seconds: 1_795_392_010, nanoseconds: 500_000_000 }
        );
        assert!(qemu_line(at(&path), "1795392010.5: debug: guest-ping called").is_none());
    }
}
