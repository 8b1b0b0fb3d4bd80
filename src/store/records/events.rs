//! Events, their subjects as JSON.

use super::column::{Bytes, optional_time, path, wrong};
use super::{Record, named_by_encoding};
use crate::model::{
    CauseKind, ContentDigest, Event, EventSubject, EventTime, PackageKey, TimeCertainty, TreePath,
};
use crate::store::escape::unescape;
use rusqlite::{Row, Statement, params};
use serde::{Deserialize, Serialize};

/// A subject as people read it in the table; paths are escaped.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SubjectForm {
    Path(String),
    Below(String),
    Package {
        manager: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        architecture: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        instance: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        version: Option<String>,
    },
    Fact {
        scope: String,
        key: String,
    },
    Content {
        path: String,
        digest: String,
    },
}

impl From<&EventSubject> for SubjectForm {
    fn from(subject: &EventSubject) -> Self {
        match subject {
            EventSubject::Path(path) => Self::Path(path.to_string()),
            EventSubject::Below(path) => Self::Below(path.to_string()),
            EventSubject::Package { key, version } => Self::Package {
                manager: key.manager.clone(),
                name: key.name.clone(),
                architecture: key.architecture.clone(),
                instance: key.instance.clone(),
                version: version.clone(),
            },
            EventSubject::Fact { scope, key } => {
                Self::Fact { scope: scope.clone(), key: key.clone() }
            }
            EventSubject::Content { path, digest } => {
                Self::Content { path: path.to_string(), digest: digest.to_string() }
            }
        }
    }
}

impl SubjectForm {
    fn read(self) -> Option<EventSubject> {
        let path = |text: String| Some(TreePath::parse(unescape(&text).ok()?));
        Some(match self {
            Self::Path(text) => EventSubject::Path(path(text)?),
            Self::Below(text) => EventSubject::Below(path(text)?),
            Self::Package { manager, name, architecture, instance, version } => {
                let key = PackageKey { manager, name, architecture, instance };
                EventSubject::Package { key, version }
            }
            Self::Fact { scope, key } => EventSubject::Fact { scope, key },
            Self::Content { path: text, digest } => EventSubject::Content {
                path: path(text)?,
                digest: ContentDigest::from_hex(&digest)?,
            },
        })
    }
}

/// Subjects as a JSON list.
pub(in crate::store) fn subjects_json(subjects: &[EventSubject]) -> String {
    let forms: Vec<SubjectForm> = subjects.iter().map(SubjectForm::from).collect();
    serde_json::to_string(&forms).unwrap_or_default()
}

/// The way back; the refusal says why.
pub(in crate::store) fn subjects_from_json(text: &str) -> Result<Vec<EventSubject>, String> {
    let forms: Vec<SubjectForm> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let read = |form: SubjectForm| form.read().ok_or_else(|| "a subject that is none".to_owned());
    forms.into_iter().map(read).collect()
}

/// The word for how far a time can be trusted.
pub(in crate::store) const fn certainty_word(certainty: TimeCertainty) -> &'static str {
    match certainty {
        TimeCertainty::Exact => "exact",
        TimeCertainty::LocalTime => "local-time",
        TimeCertainty::Guessed => "guessed",
    }
}

/// Reads [`certainty_word`].
pub(in crate::store) fn parse_certainty(word: &str) -> Option<TimeCertainty> {
    use TimeCertainty::{Exact, Guessed, LocalTime};
    [Exact, LocalTime, Guessed].into_iter().find(|one| certainty_word(*one) == word)
}

/// Three columns: seconds, nanoseconds, certainty.
fn event_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<EventTime>> {
    let Some(at) = optional_time(row, column)? else { return Ok(None) };
    let word: String = row.get(column + 2)?;
    let certainty =
        parse_certainty(&word).ok_or_else(|| wrong(column + 2, format!("certainty {word}")))?;
    Ok(Some(EventTime { at, certainty }))
}

impl Record for Event {
    const TABLE: &'static str = "events";
    const INSERT: &'static str =
        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    const COLUMNS: &'static str = "source, line, time, time_nanoseconds, time_certainty, \
        until, until_nanoseconds, until_certainty, actor, detail, action, subjects, forgeable, text";

    fn insert(&self, to: &mut Statement<'_>, set: i64, position: i64) -> rusqlite::Result<usize> {
        to.execute(params![
            set,
            position,
            Bytes(self.source.as_bytes()),
            self.line.map(u64::cast_signed),
            self.time.map(|time| time.at.seconds),
            self.time.map(|time| time.at.nanoseconds),
            self.time.map(|time| certainty_word(time.certainty)),
            self.until.map(|time| time.at.seconds),
            self.until.map(|time| time.at.nanoseconds),
            self.until.map(|time| certainty_word(time.certainty)),
            self.actor.as_str(),
            self.detail,
            self.action,
            subjects_json(&self.subjects),
            self.forgeable,
            self.text
        ])
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let actor: String = row.get(8)?;
        let subjects: String = row.get(11)?;
        Ok(Self {
            source: path(row, 0)?,
            line: row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned),
            time: event_time(row, 2)?,
            until: event_time(row, 5)?,
            actor: CauseKind::parse(&actor).ok_or_else(|| wrong(8, format!("actor {actor}")))?,
            detail: row.get(9)?,
            action: row.get(10)?,
            subjects: subjects_from_json(&subjects).map_err(|error| wrong(11, error))?,
            forgeable: row.get(12)?,
            text: row.get(13)?,
        })
    }

    named_by_encoding!();
}
