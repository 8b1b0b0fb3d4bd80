//! What logs and other leavings say was done to a machine: events, so that causes can be named
//! later from two stored manifests without the machine.
//!
//! Each source is one file with one row: pure parsers over lines or bytes, and a thin reader.
//! Rotated and compressed logs are streamed line by line ([`log`]), so that memory is bounded
//! whatever their size. A line is quoted with secrets taken out and cut ([`redact`]). Local times
//! are converted by the target's own zone ([`zone`]). Nothing is believed here: an event that
//! anyone could have written is marked so, and it is for attribution to weigh it.

#![warn(clippy::indexing_slicing)]

pub mod agents;
pub mod apk;
pub mod apt;
pub mod chef;
mod clock;
pub mod cloud_init;
pub mod command;
mod dnf5;
pub mod dpkg;
pub mod history;
pub mod journal;
pub mod leavings;
pub mod log;
pub mod logins;
pub mod markers;
pub mod pacman;
pub mod puppet;
pub mod python;
pub mod redact;
pub mod rpm;
pub mod salt;
pub mod syslog;
pub mod zone;

use crate::model::{CauseKind, Event, EventSubject, EventTime, PackageKey, TreePath};
use std::collections::VecDeque;

/// Events of one source that are kept, the newest: years of an ordinary host. They are
/// held several times over while a manifest is put together; measured, a scan with 500 MB of syslog
/// peaks at 90 MB with 20,000 and is to stay below 80.
const MAX_EVENTS: usize = 15_000;

/// How far back the line of a command stands from that of its failure, in events.
const RECENT: usize = 32;

/// Subjects of one event; a transaction of a release upgrade has some thousands.
const MAX_SUBJECTS: usize = 10_000;

/// The newest events of a source.
#[derive(Debug, Default)]
pub struct Sink {
    events: VecDeque<Event>,
    /// How many older ones were let go.
    pub dropped: u64,
}

impl Sink {
    /// Adds one; the oldest goes where there are too many.
    pub fn push(&mut self, mut event: Event) {
        event.subjects.truncate(MAX_SUBJECTS);
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.events.push_back(event);
    }

    /// Adds one of many that say little: no other goes for it.
    pub fn push_spare(&mut self, event: Event) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        }
    }

    /// The last one that was added, for what ends later than it begins.
    pub fn last_mut(&mut self, fits: impl Fn(&Event) -> bool) -> Option<&mut Event> {
        self.events.iter_mut().rev().find(|event| fits(event))
    }

    /// One of the last few that were added.
    pub fn recent_mut(&mut self, fits: impl Fn(&Event) -> bool) -> Option<&mut Event> {
        self.events.iter_mut().rev().take(RECENT).find(|event| fits(event))
    }

    /// All of them, to be mended.
    pub fn events_mut(&mut self) -> impl Iterator<Item = &mut Event> {
        self.events.iter_mut()
    }

    /// All of them.
    #[must_use]
    pub fn into_events(self) -> Vec<Event> {
        self.events.into()
    }
}

/// Where a line stands.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The file.
    pub path: &'a TreePath,
    /// Line from 1.
    pub line: Option<u64>,
}

impl At<'_> {
    /// An event that this line tells: nothing done to anything yet, not forgeable.
    #[must_use]
    pub fn event(&self, actor: CauseKind, action: &str, detail: &str, text: &str) -> Event {
        Event {
            source: self.path.clone(),
            line: self.line,
            time: None,
            until: None,
            actor,
            detail: redact::quote(detail),
            action: action.to_owned(),
            subjects: Vec::new(),
            forgeable: false,
            text: redact::quote(text),
        }
    }
}

/// Sets the time; for chains of one event.
#[must_use]
pub fn at(mut event: Event, time: Option<EventTime>, until: Option<EventTime>) -> Event {
    event.time = time;
    event.until = until;
    event
}

/// A package as an event's subject. Names of logs come as `name`, `name:arch`.
#[must_use]
pub fn package(manager: &str, name: &str, version: Option<&str>) -> EventSubject {
    let (name, architecture) = match name.split_once(':') {
        Some((name, architecture)) => (name, Some(architecture.to_owned())),
        None => (name, None),
    };
    let key =
        PackageKey { manager: manager.into(), name: name.into(), architecture, instance: None };
    EventSubject::Package { key, version: version.map(str::to_owned) }
}

/// A user or group as an event's subject.
#[must_use]
pub fn fact(scope: &str, key: &str) -> EventSubject {
    EventSubject::Fact { scope: scope.into(), key: key.into() }
}

/// A path as an event's subject; `None` for what is no absolute path.
#[must_use]
pub fn path(text: &str) -> Option<EventSubject> {
    text.starts_with('/').then(|| EventSubject::Path(TreePath::parse(text)))
}

/// Everything below a path as an event's subject.
#[must_use]
pub fn below(text: &str) -> Option<EventSubject> {
    text.starts_with('/').then(|| EventSubject::Below(TreePath::parse(text)))
}

/// A systemd unit as an event's subject; a name without a suffix is a service.
#[must_use]
pub fn unit(name: &str) -> EventSubject {
    let kinds = [".service", ".socket", ".timer", ".mount", ".target", ".path", ".slice", ".swap"];
    let has_suffix = kinds.iter().any(|kind| name.ends_with(kind));
    fact("units", &if has_suffix { name.to_owned() } else { format!("{name}.service") })
}
