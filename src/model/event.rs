//! What a log or another leaving in the target says was done, and when.

use super::{CauseKind, PackageKey, Timestamp, TreePath};

/// How far a time in a log can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeCertainty {
    /// Written with an offset or in UTC.
    Exact,
    /// Written in local time and converted by the zone that the target had when it was scanned.
    LocalTime,
    /// The year or the zone had to be guessed.
    Guessed,
}

/// When something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime {
    /// In UTC.
    pub at: Timestamp,
    /// How sure that is.
    pub certainty: TimeCertainty,
}

/// What an event was done to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventSubject {
    /// A path named in the evidence.
    Path(TreePath),
    /// Everything at and below a path named in the evidence.
    Below(TreePath),
    /// A package, with the version after the event where it is recorded.
    Package {
        /// Which one; architecture and instance only where recorded.
        key: PackageKey,
        /// After the event; `None` after a removal or where not recorded.
        version: Option<String>,
    },
    /// A fact by scope and key (`users`, `deploy`).
    Fact {
        /// The scope.
        scope: String,
        /// The key.
        key: String,
    },
    /// A file whose bytes the evidence carries: at this path, with this BLAKE3 digest.
    Content {
        /// Where it was to be written.
        path: TreePath,
        /// What was to be written.
        digest: super::ContentDigest,
    },
}

/// One thing that happened, as a leaving of it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The file that says so.
    pub source: TreePath,
    /// Line (from 1) or record number in it.
    pub line: Option<u64>,
    /// When it happened or began.
    pub time: Option<EventTime>,
    /// When it ended, for what lasts: a transaction, a session, a run.
    pub until: Option<EventTime>,
    /// Who or what acted.
    pub actor: CauseKind,
    /// Module, task, command or user, as [`super::Cause::detail`] shows it.
    pub detail: String,
    /// What was done, one word: `install`, `upgrade`, `remove`, `write`, `run`, `session`, …
    pub action: String,
    /// What it was done to, as far as the evidence names it.
    pub subjects: Vec<EventSubject>,
    /// Whether anyone on the host could have written this line (syslog by `logger`, a file in
    /// `/tmp`, a user's history): such an event never makes more than a weak cause by name alone.
    pub forgeable: bool,
    /// The line itself, secrets redacted, at most [`Event::TEXT_LIMIT`] bytes.
    pub text: String,
}

impl Event {
    /// Bound of [`Event::text`]: enough to recognise the line, too little to fill a store.
    pub const TEXT_LIMIT: usize = 512;
}
