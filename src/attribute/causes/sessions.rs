//! Logins, and what they were used for: a person's shell, or the connection of a tool.

use super::index::{Known, Window};
use super::moment::Moments;
use crate::model::{CauseKind, EventSubject, Evidence, Timestamp, TreePath};

/// Tasks further apart than this are of two runs, in seconds.
const PAUSE: i64 = 300;
/// A tool's connection outlives its last task by this (`ControlPersist` is a minute).
const LINGER: i64 = 60;
/// What a run's last task is given at least, in seconds.
const BRIEF: i64 = 10;

/// Terraform's provisioner that runs commands.
const REMOTE_EXEC: &str = "remote-exec";
/// Packer's.
const SHELL: &str = "shell";

/// What a session was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// As far as known, a person's shell.
    Person,
    /// A tool's connection, with what of it is the cause's detail.
    Tool(CauseKind, &'static str),
}

/// One login.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who logged in.
    pub user: String,
    /// User, address and key, as the event has it.
    pub detail: String,
    /// `ssh-session`, or `human` for a console.
    pub kind: CauseKind,
    /// From when to when; up to the last event where no end was seen.
    pub window: Window,
    /// Whether its end was seen.
    pub is_closed: bool,
    /// After this nothing was done in it, where that is known: a tool keeps its connection open for
    /// a while after its last task.
    pub idle_from: Option<i64>,
    /// What for.
    pub used_for: Use,
    /// Whether somebody sat at it: it had a terminal (`wtmp` tells only of such), ran sudo or su,
    /// or its user's history was written in its time.
    pub is_interactive: bool,
    /// Other users that it became by sudo or su.
    pub became: Vec<String>,
    /// The line that opened it, and what shows its use.
    pub evidence: Vec<Evidence>,
}

impl Session {
    /// Whether commands of this user's shell may have been typed in it.
    pub fn is_of(&self, user: &str) -> bool {
        self.user == user || self.became.iter().any(|other| other == user)
    }
}

/// The session that something at this time most likely belongs to: the shortest, one in which
/// something was done then before one that merely was open.
pub fn session_at(sessions: &[Session], at: Timestamp) -> Option<&Session> {
    let open = sessions.iter().filter(|session| session.window.contains(at));
    open.min_by_key(|session| {
        let is_idle = session.idle_from.is_some_and(|from| at.seconds > from);
        (is_idle, session.window.length())
    })
}

/// The provisioner in whose session a user ran a command by sudo, with what of it ran commands; a
/// provisioner that logs in as such a user does all its work so.
pub fn provisioner_at<'a>(
    sessions: &'a [Session],
    user: &str,
    at: Timestamp,
) -> Option<(&'a Session, CauseKind, &'static str)> {
    let open = sessions.iter().filter(|one| one.is_of(user) && one.window.contains(at));
    let session = open.min_by_key(|session| session.window.length())?;
    match session.used_for {
        Use::Tool(CauseKind::Terraform, _) => Some((session, CauseKind::Terraform, REMOTE_EXEC)),
        Use::Tool(CauseKind::Packer, _) => Some((session, CauseKind::Packer, SHELL)),
        _ => None,
    }
}

/// All logins of the events, each once although several logs tell it.
pub fn sessions(events: &[Known<'_>], moments: &mut Moments<'_>) -> Vec<Session> {
    let last = events.iter().filter_map(|known| known.window).map(|window| window.end).max();
    let mut found: Vec<Session> = Vec::new();
    for known in events.iter().filter(|known| known.event.action == "session") {
        let Some(time) = known.event.time else { continue };
        let start = time.at.seconds;
        let detail = known.event.detail.as_str();
        // Another log of the same login; one log tells each login once.
        let is_known = |one: &Session| {
            one.evidence.first().is_some_and(|line| line.path != known.event.source)
                && (one.detail.starts_with(detail) || detail.starts_with(&one.detail))
                && one.window.start.abs_diff(start) <= 1
                && known
                    .event
                    .until
                    .is_none_or(|until| one.window.end.abs_diff(until.at.seconds) <= 2)
        };
        let has_terminal =
            known.event.source.file_name().is_some_and(|name| name.starts_with(b"wtmp"));
        if let Some(other) = found.iter_mut().find(|one| is_known(one)) {
            other.is_interactive |= has_terminal;
            continue;
        }
        let end = known.event.until.map(|until| until.at.seconds);
        // No tolerance: one session often begins in the second after another ended.
        let window = Window { start, end: end.or(last).unwrap_or(start) };
        found.push(Session {
            user: known.event.detail.split(' ').next().unwrap_or_default().to_owned(),
            detail: known.event.detail.clone(),
            kind: known.event.actor,
            window,
            is_closed: end.is_some(),
            idle_from: None,
            used_for: Use::Person,
            is_interactive: has_terminal,
            became: Vec::new(),
            evidence: vec![known.evidence()],
        });
    }
    channels(&mut found);
    persons(&mut found, events, moments);
    last_logins(&mut found, events, last);
    found.sort_by_key(|session| session.window);
    ansible(&mut found, events);
    provisioners(&mut found, events, moments);
    found
}

/// A connection may have many terminals, one after the other (Ansible asks for one a task, a person's
/// `ControlMaster` for one a window): `wtmp` tells each as a login, sshd only the connection. They
/// are the connection's.
fn channels(sessions: &mut Vec<Session>) {
    let is_terminal = |one: &Session| {
        let line = one.evidence.first();
        let name = line.and_then(|line| line.path.file_name());
        name.is_some_and(|name| name.starts_with(b"wtmp"))
    };
    let (terminals, mut connections): (Vec<Session>, Vec<Session>) =
        std::mem::take(sessions).into_iter().partition(is_terminal);
    for terminal in terminals {
        let own = connections.iter_mut().filter(|one| {
            let is_same = one.detail == terminal.detail
                || one
                    .detail
                    .strip_prefix(&terminal.detail)
                    .is_some_and(|rest| rest.starts_with(' '));
            is_same
                && one.window.start <= terminal.window.start
                && terminal.window.end <= one.window.end.saturating_add(2)
        });
        // Of several the one that was opened last.
        match own.max_by_key(|one| one.window.start) {
            Some(connection) => connection.is_interactive = true,
            None => sessions.push(terminal),
        }
    }
    sessions.append(&mut connections);
}

/// `lastlog` knows a login that other logs do not have any more; where they do, they say more.
fn last_logins(sessions: &mut Vec<Session>, events: &[Known<'_>], last: Option<i64>) {
    for known in events.iter().filter(|known| known.event.action == "last-login") {
        let Some(time) = known.event.time else { continue };
        let start = time.at.seconds;
        let user = known.event.detail.split(' ').next().unwrap_or_default();
        let is_told = |one: &Session| one.user == user && one.window.start.abs_diff(start) <= 2;
        if !sessions.iter().any(is_told) {
            sessions.push(Session {
                user: user.to_owned(),
                detail: known.event.detail.clone(),
                kind: known.event.actor,
                window: Window { start, end: last.unwrap_or(start) },
                is_closed: false,
                idle_from: None,
                used_for: Use::Person,
                is_interactive: true,
                became: Vec::new(),
                evidence: vec![known.evidence()],
            });
        }
    }
}

/// What shows that somebody sat at a session, and as whom.
fn persons(sessions: &mut [Session], events: &[Known<'_>], moments: &mut Moments<'_>) {
    for known in events.iter().filter(|known| known.event.actor == CauseKind::Human) {
        let event = known.event;
        let mut changed = |path: &TreePath| {
            let own = moments.path(path).filter(|moment| moment.is_own);
            own.map(|moment| moment.at)
        };
        let at: Vec<Timestamp> = match (event.action.as_str(), event.time) {
            ("sudo" | "su" | "doas" | "type", Some(time)) => vec![time.at],
            ("history", _) => changed(&event.source).into_iter().collect(),
            // When a line without a time was typed, what it names tells.
            ("type", None) => {
                let paths = event.subjects.iter().filter_map(|subject| match subject {
                    EventSubject::Path(path) => Some(path),
                    _ => None,
                });
                paths.filter_map(&mut changed).collect()
            }
            _ => continue,
        };
        for session in sessions.iter_mut() {
            if session.is_of(&event.detail) && at.iter().any(|at| session.window.contains(*at)) {
                session.is_interactive = true;
                for subject in &event.subjects {
                    if let EventSubject::Fact { scope, key } = subject
                        && scope == "su"
                        && !session.is_of(key)
                    {
                        session.became.push(key.clone());
                    }
                }
            }
        }
    }
}

/// The session that was opened last before a run's first task is the run's own.
fn ansible(sessions: &mut [Session], events: &[Known<'_>]) {
    let mut tasks: Vec<&Known<'_>> = events
        .iter()
        .filter(|known| known.event.actor == CauseKind::Ansible && known.event.action == "task")
        .collect();
    tasks.sort_by_key(|known| known.event.time);
    let mut last: Option<i64> = None;
    let mut own: Option<usize> = None;
    for task in tasks {
        let Some(at) = task.event.time.map(|time| time.at) else { continue };
        let is_new_run = last.is_none_or(|last| at.seconds.saturating_sub(last) > PAUSE);
        let fits = |session: &Session| session.window.contains(at);
        let is_over = own.and_then(|own| sessions.get(own)).is_none_or(|session| !fits(session));
        if is_new_run || is_over {
            own = sessions.iter().rposition(|session| {
                fits(session)
                    && matches!(session.used_for, Use::Person | Use::Tool(CauseKind::Ansible, _))
            });
        }
        last = Some(at.seconds);
        let Some(session) = own.and_then(|own| sessions.get_mut(own)) else { continue };
        let lingering = session.window.end.saturating_sub(LINGER);
        session.idle_from = Some(lingering.max(at.seconds.saturating_add(BRIEF)));
        if session.used_for == Use::Person {
            session.used_for = Use::Tool(CauseKind::Ansible, "connection");
            session.evidence.push(task.evidence());
        }
    }
    // A connection that was never seen closed did not last for ever.
    for session in sessions.iter_mut().filter(|session| !session.is_closed) {
        if session.used_for == Use::Tool(CauseKind::Ansible, "connection") {
            let inside = |known: &&Known<'_>| {
                known.event.actor == CauseKind::Ansible
                    && known.event.time.is_some_and(|time| session.window.contains(time.at))
            };
            let last = events.iter().filter(inside).filter_map(|known| known.event.time).max();
            if let Some(last) = last {
                session.window.end = last.at.seconds.saturating_add(LINGER);
            }
        }
    }
}

/// A script that a provisioner left was written in its session: the shortest that fits, and those
/// of the same peer that ended with it.
fn provisioners(sessions: &mut [Session], events: &[Known<'_>], moments: &mut Moments<'_>) {
    for known in events.iter().filter(|known| known.event.action == "leave") {
        let (kind, detail, other) = match known.event.actor {
            CauseKind::Terraform => (CauseKind::Terraform, REMOTE_EXEC, "file"),
            CauseKind::Packer => (CauseKind::Packer, SHELL, "file"),
            _ => continue,
        };
        let Some(EventSubject::Path(path)) = known.event.subjects.first() else { continue };
        let at: Option<Timestamp> = moments.path(path).filter(|m| m.is_own).map(|m| m.at);
        let Some(at) = at else { continue };
        let fits = |session: &Session| {
            session.window.contains(at)
                && session.is_closed
                && !matches!(session.used_for, Use::Tool(CauseKind::Ansible, _))
        };
        let shortest = sessions
            .iter()
            .enumerate()
            .filter(|(_, session)| fits(session))
            .min_by_key(|(_, session)| session.window.length())
            .map(|(number, session)| (number, session.clone()));
        let Some((number, shortest)) = shortest else { continue };
        for (other_number, session) in sessions.iter_mut().enumerate() {
            let is_own = other_number == number;
            let ends_alike = session.window.end.abs_diff(shortest.window.end) <= 5;
            if is_own || (fits(session) && session.detail == shortest.detail && ends_alike) {
                session.used_for = Use::Tool(kind, if is_own { detail } else { other });
                session.evidence.push(known.evidence());
            }
        }
    }
}
