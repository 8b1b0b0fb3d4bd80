//! The events of a host, ready to be asked: by path, package, fact and time.

use super::moment::{Moment, Moments};
use super::sessions::{Session, Use, provisioner_at, sessions};
use crate::collect::events::syslog::jobs::JOB;
use crate::model::{
    Cause, CauseKind, Confidence, ContentDigest, Event, EventSubject, Evidence, PackageKey,
    TimeCertainty, Timestamp, TreePath,
};
use std::collections::{HashMap, HashSet};

/// How long a task may last of which only the begin is known, in seconds.
const LONGEST_TASK: i64 = 600;
/// A command that a person typed: editors stay open.
const LONGEST_COMMAND: i64 = 900;
/// A command of cloud-init outside of a module.
const LONGEST_STEP: i64 = 5;
/// A job of cron's whose end is not told: most are done at once.
const LONGEST_JOB: i64 = 60;
/// Clocks of logs and of file systems agree to within this.
const TOLERANCE: i64 = 2;

/// When something ran, in seconds since 1970, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// From.
    pub start: i64,
    /// To.
    pub end: i64,
}

impl Window {
    /// Whether a moment lies in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        (self.start..=self.end).contains(&at.seconds)
    }

    /// Seconds that a moment lies before or after it, its tolerance not counted.
    pub fn misses(&self, at: Timestamp) -> i64 {
        let start = self.start.saturating_add(TOLERANCE);
        let end = self.end.saturating_sub(TOLERANCE);
        start.saturating_sub(at.seconds).max(at.seconds.saturating_sub(end)).max(0)
    }

    /// Its length.
    pub fn length(&self) -> i64 {
        self.end.saturating_sub(self.start)
    }
}

/// An event with when it ran.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The event.
    pub event: &'a Event,
    /// As far as known, with tolerance.
    pub window: Option<Window>,
}

impl Known<'_> {
    /// The line, to be quoted.
    pub fn evidence(&self) -> Evidence {
        evidence(self.event)
    }

    /// Whether the moment lies in its time.
    pub fn agrees(&self, moment: Option<Moment>) -> bool {
        moment.is_some_and(|moment| self.window.is_some_and(|window| window.contains(moment.at)))
    }
}

/// An event's line, to be quoted.
pub fn evidence(event: &Event) -> Evidence {
    Evidence {
        path: event.source.clone(),
        line: event.line,
        time: event.time.map(|time| time.at),
        text: event.text.clone(),
    }
}

/// All of them.
#[derive(Default)]
pub struct Index<'a> {
    /// Those that the baseline does not have, by their numbers.
    pub events: Vec<Known<'a>>,
    by_path: HashMap<TreePath, Vec<usize>>,
    below: HashMap<TreePath, Vec<usize>>,
    directly_below: HashMap<TreePath, Vec<usize>>,
    contents: HashMap<TreePath, Vec<(ContentDigest, usize)>>,
    packages: HashMap<(String, String), Vec<usize>>,
    facts: HashMap<(String, String), Vec<usize>>,
    /// Events that lasted, for joins by time only.
    pub lasting: Vec<usize>,
    /// Logins.
    pub sessions: Vec<Session>,
}

impl<'a> Index<'a> {
    /// What the baseline knew already caused no change since.
    pub fn new(events: &'a [Event], baseline: &[Event], moments: &mut Moments<'_>) -> Self {
        let old: HashSet<(&TreePath, Option<u64>, &str)> =
            baseline.iter().map(|event| (&event.source, event.line, event.text.as_str())).collect();
        let is_new =
            |event: &&Event| !old.contains(&(&event.source, event.line, event.text.as_str()));
        let events: Vec<&Event> = events.iter().filter(is_new).collect();
        let tasks =
            starts(&events, |event| event.actor == CauseKind::Ansible && event.action == "task");
        let modules: Vec<(i64, i64)> = events
            .iter()
            .filter(|event| event.actor == CauseKind::CloudInit && event.action == "module")
            .filter_map(|event| Some((event.time?.at.seconds, event.until?.at.seconds)))
            .collect();
        let mut typed: HashMap<(&TreePath, &str), Vec<i64>> = HashMap::new();
        for event in events.iter().filter(|event| is_typed(event)) {
            let own = typed.entry((&event.source, event.detail.as_str())).or_default();
            own.extend(event.time.map(|time| time.at.seconds));
        }
        typed.values_mut().for_each(|times| times.sort_unstable());
        let logins = logins_of_jobs(&events);
        let mut index = Self::default();
        for event in &events {
            let window = match event.action.as_str() {
                JOB if event.until.is_none() => job(event, &logins),
                _ => window(event, &tasks, &modules, &typed),
            };
            index.add(Known { event, window }, moments);
        }
        index.sessions = sessions(&index.events, moments);
        index.end_with_connection();
        index
    }

    /// The last task of a run is over when its connection is.
    fn end_with_connection(&mut self) {
        for known in &mut self.events {
            if !is_open_task(known.event) {
                continue;
            }
            let (Some(time), Some(window)) = (known.event.time, known.window.as_mut()) else {
                continue;
            };
            let own = self.sessions.iter().filter(|session| {
                session.is_closed
                    && session.used_for == Use::Tool(CauseKind::Ansible, "connection")
                    && session.window.contains(time.at)
            });
            if let Some(end) = own.map(|session| session.window.end).max() {
                window.end = window.end.min(end.saturating_add(TOLERANCE));
            }
        }
    }

    fn add(&mut self, known: Known<'a>, moments: &mut Moments<'_>) {
        let number = self.events.len();
        for subject in &known.event.subjects {
            match subject {
                EventSubject::Path(path) => {
                    let path = moments.real(path);
                    if let Some(parent) = path.parent() {
                        self.directly_below.entry(parent).or_default().push(number);
                    }
                    self.by_path.entry(path).or_default().push(number);
                }
                EventSubject::Below(path) => {
                    self.below.entry(moments.real(path)).or_default().push(number);
                }
                EventSubject::Content { path, digest } => {
                    let path = moments.real(path);
                    self.contents.entry(path).or_default().push((*digest, number));
                }
                EventSubject::Package { key, .. } => {
                    let name = (key.manager.clone(), key.name.clone());
                    self.packages.entry(name).or_default().push(number);
                }
                EventSubject::Fact { scope, key } => {
                    self.facts.entry((scope.clone(), key.clone())).or_default().push(number);
                }
            }
        }
        let lasts = matches!(known.event.action.as_str(), "module" | "task" | "run-list" | JOB)
            || known.event.actor == CauseKind::PackageManager
            || known.event.actor == CauseKind::UnattendedUpgrades;
        if lasts && known.window.is_some() {
            self.lasting.push(number);
        }
        self.events.push(known);
    }

    /// The cause that an event is of, without a judgement on it: who did it, with what, and the
    /// lines that say so. What sudo logs in a provisioner's session is the provisioner's.
    pub fn told(&self, known: &Known<'_>) -> Cause {
        let event = known.event;
        let by_sudo = matches!(event.action.as_str(), "sudo" | "doas");
        let time = event.time.filter(|_| by_sudo && event.actor == CauseKind::Human);
        let tool = time.and_then(|time| provisioner_at(&self.sessions, &event.detail, time.at));
        let (kind, detail, mut evidence) = match tool {
            Some((session, kind, detail)) => (kind, detail, session.evidence.clone()),
            None => (event.actor, event.detail.as_str(), Vec::new()),
        };
        evidence.push(known.evidence());
        Cause { kind, detail: detail.to_owned(), confidence: Confidence::Weak, evidence }
    }

    fn get(&self, numbers: Option<&'_ Vec<usize>>) -> Vec<Known<'a>> {
        let numbers = numbers.map(Vec::as_slice).unwrap_or_default();
        numbers.iter().filter_map(|number| self.events.get(*number).copied()).collect()
    }

    /// Events that name the path itself.
    pub fn naming(&self, path: &TreePath) -> Vec<Known<'a>> {
        self.get(self.by_path.get(path))
    }

    /// Events that name all at and below a directory that the path lies in.
    pub fn naming_above(&self, path: &TreePath) -> Vec<Known<'a>> {
        let mut found = self.get(self.below.get(path));
        let mut above = path.parent();
        while let Some(directory) = above {
            found.extend(self.get(self.below.get(&directory)));
            above = directory.parent();
        }
        found
    }

    /// Events that name something in that directory.
    pub fn naming_in(&self, directory: &TreePath) -> Vec<Known<'a>> {
        self.get(self.directly_below.get(directory))
    }

    /// Events that carry bytes for the path.
    pub fn carrying(&self, path: &TreePath) -> Vec<(ContentDigest, Known<'a>)> {
        let numbers = self.contents.get(path).map(Vec::as_slice).unwrap_or_default();
        let known = numbers
            .iter()
            .filter_map(|(digest, number)| self.events.get(*number).map(|known| (*digest, *known)));
        known.collect()
    }

    /// Events that name the package; an architecture counts only where both sides say one.
    pub fn naming_package(&self, key: &PackageKey) -> Vec<Known<'a>> {
        let mut found = self.get(self.packages.get(&(key.manager.clone(), key.name.clone())));
        found.retain(|known| known.event.subjects.iter().any(|subject| is_package(subject, key)));
        found
    }

    /// Events that name the fact.
    pub fn naming_fact(&self, scope: &str, key: &str) -> Vec<Known<'a>> {
        self.get(self.facts.get(&(scope.to_owned(), key.to_owned())))
    }
}

/// Whether a subject is that package.
pub fn is_package(subject: &EventSubject, key: &PackageKey) -> bool {
    let EventSubject::Package { key: own, .. } = subject else { return false };
    let same_architecture = match (&own.architecture, &key.architecture) {
        (Some(own), Some(other)) => own == other || own == "all" || other == "all",
        _ => true,
    };
    own.manager == key.manager && own.name == key.name && same_architecture
}

fn starts(events: &[&Event], fits: impl Fn(&Event) -> bool) -> Vec<i64> {
    let mut starts: Vec<i64> = events
        .iter()
        .filter(|event| fits(event))
        .filter_map(|event| event.time.map(|time| time.at.seconds))
        .collect();
    starts.sort_unstable();
    starts
}

/// A task of Ansible's, of which only the begin is told.
pub fn is_open_task(event: &Event) -> bool {
    event.actor == CauseKind::Ansible && event.action == "task" && event.until.is_none()
}

/// Whether a person gave this command, one after the other.
fn is_typed(event: &Event) -> bool {
    event.actor == CauseKind::Human && matches!(event.action.as_str(), "type" | "sudo" | "doas")
}

/// The logins that cron and at make for their jobs, by what begins the details of both.
fn logins_of_jobs<'a>(events: &[&'a Event]) -> HashMap<&'a str, Vec<(i64, i64)>> {
    let mut logins: HashMap<&str, Vec<(i64, i64)>> = HashMap::new();
    for event in events.iter().filter(|event| event.action == JOB) {
        if let (Some(from), Some(to)) = (event.time, event.until) {
            let own = logins.entry(event.detail.as_str()).or_default();
            own.push((from.at.seconds, to.at.seconds));
        }
    }
    logins
}

/// When a job ran whose own line is its begin: as long as the login that was made for it.
fn job(event: &Event, logins: &HashMap<&str, Vec<(i64, i64)>>) -> Option<Window> {
    let start = event.time?.at.seconds;
    let who = event.detail.split(": ").next().unwrap_or_default();
    let own = logins.get(who).map(Vec::as_slice).unwrap_or_default();
    let login = own.iter().rfind(|(from, to)| (from.saturating_sub(1)..=*to).contains(&start));
    let end = login.map_or(start.saturating_add(LONGEST_JOB), |(_, to)| *to);
    Some(Window { start: start.saturating_sub(TOLERANCE), end: end.saturating_add(TOLERANCE) })
}

/// When an event ran, with tolerance; of what only the begin is known, up to what followed.
fn window(
    event: &Event,
    tasks: &[i64],
    modules: &[(i64, i64)],
    typed: &HashMap<(&TreePath, &str), Vec<i64>>,
) -> Option<Window> {
    let start = event.time?.at.seconds;
    let end = match event.until {
        Some(until) => until.at.seconds,
        None => match (event.actor, event.action.as_str()) {
            (CauseKind::Ansible, "task") => {
                let next = tasks.iter().find(|next| **next > start).copied();
                let longest = start.saturating_add(LONGEST_TASK);
                next.map_or(longest, |next| next.min(longest))
            }
            (CauseKind::CloudInit, "run") => {
                let module = modules.iter().find(|(from, to)| (*from..=*to).contains(&start));
                // A line of the log is one step; a script that an agent ran is many.
                let longest = if event.forgeable { LONGEST_TASK } else { LONGEST_STEP };
                module.map_or(start.saturating_add(longest), |(_, to)| *to)
            }
            (CauseKind::Human, "type" | "sudo" | "doas") => {
                let own = typed.get(&(&event.source, event.detail.as_str()));
                let next = own.and_then(|times| times.iter().find(|next| **next > start).copied());
                let longest = start.saturating_add(LONGEST_COMMAND);
                next.map_or(longest, |next| next.min(longest))
            }
            (CauseKind::Terraform | CauseKind::Packer | CauseKind::SshSession, "run")
            | (CauseKind::SshSession | CauseKind::CloudInit, "task") => {
                start.saturating_add(LONGEST_TASK)
            }
            _ => start.saturating_add(TOLERANCE),
        },
    };
    // Of a time whose zone or year was guessed, nothing can be said to the second.
    let more = match event.time?.certainty {
        TimeCertainty::Exact | TimeCertainty::LocalTime => TOLERANCE,
        TimeCertainty::Guessed => TOLERANCE.saturating_mul(2),
    };
    Some(Window { start: start.saturating_sub(more), end: end.saturating_add(more) })
}
