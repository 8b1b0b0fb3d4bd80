//! What the machine itself starts: cron's jobs, at's, anacron's, and systemd's units that run and
//! end (most of them by a timer, or at boot). Each is a time in which something ran; of cron's the
//! command is told too.
//!
//! There are many of these and each says little, so they are kept apart from other events, and
//! fewer of them.

use super::Message;
use crate::collect::events::{Sink, command};
use crate::model::{CauseKind, Event, EventTime};
use std::collections::{BTreeMap, VecDeque};

/// Programs whose messages are read here.
pub const TAGS: [&str; 8] =
    ["CRON", "cron", "CROND", "crond", "anacron", "atd", "systemd", "/USR/SBIN/CRON"];

/// The action of an event that tells of such a job.
pub const JOB: &str = "job";

/// Jobs of one log that are kept, the newest: weeks of an ordinary host.
const MAX_JOBS: usize = 2000;

/// Jobs that run at one time; a log without ends has no end.
const MAX_OPEN: usize = 1024;

/// A unit that did not say that it is done when it has ended: longer than this it was a service and
/// no job, in seconds.
const LONGEST_SIMPLE: i64 = 600;

/// Jobs whose end was not seen yet, and those that ended.
#[derive(Debug, Default)]
pub struct Jobs {
    open: BTreeMap<String, Open>,
    done: VecDeque<Event>,
}

#[derive(Debug)]
struct Open {
    event: Event,
    /// It said that it had started, and may be a service that lasts.
    is_started: bool,
}

impl Jobs {
    /// Whether a message may be read here; an empty one is one that was not read yet.
    pub fn is_of_interest(tag: &str, message: &str) -> bool {
        if !TAGS.contains(&tag) {
            return false;
        }
        tag != "systemd"
            || message.is_empty()
            || ["Starting ", "Started ", "Finished ", "Failed to start "]
                .iter()
                .any(|start| message.starts_with(start))
            || END.iter().any(|end| message.ends_with(end))
    }

    /// One message.
    pub fn take(&mut self, message: Message<'_>) {
        match message.tag {
            "systemd" if message.pid == "1" => self.unit(message),
            "systemd" => {}
            "anacron" => self.anacron(message),
            "atd" => self.at(message),
            _ => self.cron(message),
        }
    }

    /// `(root) CMD (/usr/local/bin/x)`; busybox: `USER root pid 12 cmd /x`. When it ended the login
    /// that cron makes for it tells: `pam_unix(cron:session): session opened for user root(uid=0)`.
    fn cron(&mut self, message: Message<'_>) {
        let text = message.text;
        let told = text
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(") CMD ("))
            .map(|(user, line)| (user, line.strip_suffix(')').unwrap_or(line)))
            .or_else(|| {
                let (user, rest) = text.strip_prefix("USER ")?.split_once(" pid ")?;
                Some((user, rest.split_once(" cmd ")?.1))
            });
        if let Some((user, line)) = told {
            let line = line.trim();
            let home = if user == "root" { "/root".to_owned() } else { format!("/home/{user}") };
            let mut event =
                event(message, CauseKind::SystemJob, &format!("cron as {user}: {line}"));
            event.subjects = command::subjects(line, &home, &home);
            self.push(event);
        } else if text.contains("(cron:session): session opened for user ") {
            let user = user_of(text, "session opened for user ");
            let event = event(message, CauseKind::SystemJob, &format!("cron as {user}"));
            self.begin(format!("cron {}", message.pid), event, false);
        } else if text.contains("(cron:session): session closed for user ") {
            self.end(&format!("cron {}", message.pid), message.time);
        }
    }

    /// `` Job `cron.daily' started ``, `` Job `cron.daily' terminated ``.
    fn anacron(&mut self, message: Message<'_>) {
        let Some((name, rest)) =
            message.text.strip_prefix("Job `").and_then(|rest| rest.split_once('\''))
        else {
            return;
        };
        let key = format!("anacron {name}");
        if rest.starts_with(" started") {
            self.begin(
                key,
                event(message, CauseKind::SystemJob, &format!("anacron: {name}")),
                false,
            );
        } else if rest.starts_with(" terminated") {
            self.end(&key, message.time);
        }
    }

    /// `Starting job 3 (a0000301c2b5f0) for user 'root' (0)`, then as cron.
    fn at(&mut self, message: Message<'_>) {
        let text = message.text;
        if let Some(rest) = text.strip_prefix("Starting job ") {
            let number = rest.split(' ').next().unwrap_or_default();
            let user = rest.split('\'').nth(1).unwrap_or_default();
            self.push(event(message, CauseKind::SystemJob, &format!("at as {user}: job {number}")));
        } else if text.contains("(atd:session): session opened for user ") {
            let user = user_of(text, "session opened for user ");
            let event = event(message, CauseKind::SystemJob, &format!("at as {user}"));
            self.begin(format!("at {}", message.pid), event, false);
        } else if text.contains("(atd:session): session closed for user ") {
            self.end(&format!("at {}", message.pid), message.time);
        }
    }

    /// `Starting x.service - What it is...`, `Finished x.service - What it is.`; before systemd 248
    /// without the name. What has no end of its own says `x.service: Deactivated successfully.`
    fn unit(&mut self, message: Message<'_>) {
        let text = message.text;
        let name = |rest: &str| {
            let rest = rest.trim_end_matches('.');
            rest.split_once(" - ").map_or(rest, |(name, _)| name).to_owned()
        };
        let is_service = |name: &str| match name.rsplit_once('.') {
            Some((_, kind)) => !matches!(
                kind,
                "target"
                    | "slice"
                    | "scope"
                    | "timer"
                    | "socket"
                    | "mount"
                    | "device"
                    | "path"
                    | "swap"
                    | "automount"
            ),
            None => true,
        };
        if let Some(rest) = text.strip_prefix("Starting ") {
            let name = name(rest);
            if is_service(&name) {
                let event = event(message, actor(&name), &name);
                self.begin(name, event, false);
            }
        } else if let Some(rest) = text.strip_prefix("Started ") {
            let name = name(rest);
            match self.open.get_mut(&name) {
                Some(open) => open.is_started = true,
                None if name.ends_with(".service") => {
                    let event = event(message, actor(&name), &name);
                    self.begin(name, event, true);
                }
                None => {}
            }
        } else if let Some(rest) = text.strip_prefix("Finished ") {
            self.end(&name(rest), message.time);
        } else if let Some(rest) = text.strip_prefix("Failed to start ") {
            self.end(&name(rest), message.time);
        } else if let Some(name) = END.iter().find_map(|end| text.strip_suffix(end))
            && self.open.get(name).is_some_and(|open| open.is_started)
        {
            self.end(name, message.time);
        }
    }

    fn begin(&mut self, key: String, event: Event, is_started: bool) {
        if self.open.len() < MAX_OPEN {
            self.open.insert(key, Open { event, is_started });
        }
    }

    fn end(&mut self, key: &str, time: EventTime) {
        let Some(Open { mut event, is_started }) = self.open.remove(key) else { return };
        let lasted = event.time.map_or(0, |from| time.at.seconds.saturating_sub(from.at.seconds));
        if !is_started || lasted <= LONGEST_SIMPLE {
            event.until = Some(time);
            self.push(event);
        }
    }

    fn push(&mut self, event: Event) {
        if self.done.len() >= MAX_JOBS {
            self.done.pop_front();
        }
        self.done.push_back(event);
    }

    /// What is not handed on yet.
    pub fn events_mut(&mut self) -> impl Iterator<Item = &mut Event> {
        let open = self.open.values_mut().map(|open| &mut open.event);
        open.chain(self.done.iter_mut())
    }

    /// Those that ended; of one that did not, nothing is known.
    pub fn finish(self, sink: &mut Sink) {
        self.done.into_iter().for_each(|event| sink.push_spare(event));
    }
}

/// How systemd says that a service has ended, after its name.
const END: [&str; 2] = [": Deactivated successfully.", ": Succeeded."];

fn event(message: Message<'_>, actor: CauseKind, detail: &str) -> Event {
    let text = format!("{}[{}]: {}", message.tag, message.pid, message.text);
    let mut event = message.at.event(actor, JOB, detail, &text);
    event.time = Some(message.time);
    event.forgeable = message.forgeable;
    event
}

/// `USER(uid=0)` or `USER` after a phrase.
fn user_of<'a>(text: &'a str, phrase: &str) -> &'a str {
    let rest = text.split_once(phrase).map(|(_, rest)| rest).unwrap_or_default();
    rest.split([' ', '(']).next().unwrap_or_default()
}

/// Units of tools that have a word of their own.
fn actor(unit: &str) -> CauseKind {
    match unit.strip_suffix(".service").unwrap_or(unit) {
        "cloud-init"
        | "cloud-init-local"
        | "cloud-init-main"
        | "cloud-init-network"
        | "cloud-config"
        | "cloud-final"
        | "google-startup-scripts" => CauseKind::CloudInit,
        "apt-daily-upgrade"
        | "dnf-automatic"
        | "dnf-automatic-install"
        | "yum-cron"
        | "packagekit-offline-update"
        | "transactional-update" => CauseKind::UnattendedUpgrades,
        "ansible-pull" => CauseKind::Ansible,
        "chef-client" => CauseKind::Chef,
        _ => CauseKind::SystemJob,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::events::syslog::testing::feed;

    fn check(lines: &[(&str, &str, &str)], expected: &[&str]) {
        let (mut jobs, mut sink) = (Jobs::default(), Sink::default());
        feed(lines, |message| {
            assert!(Jobs::is_of_interest(message.tag, message.text), "{}", message.text);
            jobs.take(message);
        });
        jobs.finish(&mut sink);
        let shown = sink.into_events().into_iter().map(|event| {
            let second = |time: Option<EventTime>| time.map_or(-1, |time| time.at.seconds);
            let (from, to) = (second(event.time), second(event.until));
            format!("{} {} {from} {to} {}", event.actor, event.detail, event.subjects.len())
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn jobs_of_cron_at_and_anacron() {
        check(
            &[
                ("CRON", "7", "pam_unix(cron:session): session opened for user root(uid=0) by x"),
                ("CRON", "8", "(root) CMD (date > /srv/stamp)"),
                ("CRON", "7", "pam_unix(cron:session): session closed for user root"),
                ("crond", "9", "USER anna pid 12 cmd touch here"),
                ("anacron", "3", "Job `cron.daily' started"),
                ("anacron", "3", "Job `cron.daily' terminated"),
                ("atd", "5", "Starting job 1 (a00001) for user 'root' (0)"),
                ("CROND", "6", "(root) RELOAD (/etc/crontab)"),
            ],
            &[
                "system-job cron as root: date > /srv/stamp 1 -1 1",
                "system-job cron as root 0 2 0",
                "system-job cron as anna: touch here 3 -1 1",
                "system-job anacron: cron.daily 4 5 0",
                "system-job at as root: job 1 6 -1 0",
            ],
        );
    }

    #[test]
    fn units_that_run_and_end() {
        check(
            &[
                ("systemd", "1", "Starting certbot.service - Certbot..."),
                ("systemd", "1", "Starting Daily man-db regeneration..."),
                ("systemd", "1", "Finished Daily man-db regeneration."),
                ("systemd", "1", "certbot.service: Deactivated successfully."),
                ("systemd", "1", "Finished certbot.service - Certbot."),
                ("systemd", "1", "Starting ssh.service - OpenBSD Secure Shell server..."),
                ("systemd", "1", "Started ssh.service - OpenBSD Secure Shell server."),
                ("systemd", "1", "Started sync.service - Sync."),
                ("systemd", "1", "sync.service: Deactivated successfully."),
                ("systemd", "1", "Starting cloud-final.service - Execute cloud final..."),
                ("systemd", "1", "Failed to start cloud-final.service - Execute cloud final."),
                ("systemd", "900", "Starting dirmngr.service - Keys..."),
                ("systemd", "900", "Finished dirmngr.service - Keys."),
                ("systemd", "1", "Starting x.timer - T..."),
                ("systemd", "1", "Finished x.timer - T."),
            ],
            &[
                "system-job Daily man-db regeneration 1 2 0",
                "system-job certbot.service 0 4 0",
                "system-job sync.service 7 8 0",
                "cloud-init cloud-final.service 9 10 0",
            ],
        );
    }
}
