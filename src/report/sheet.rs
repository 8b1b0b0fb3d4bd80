//! A finished report as plain rows: what SARIF, JUnit and workflow annotations have in common.
//!
//! Texts in a sheet are already escaped for terminals (see [`crate::model::path::escape`]); each
//! format adds its own escaping on top.

use super::format;
use super::story::{self, Story};
use crate::model::{DriftReport, Severity, Subject};

/// A report as rows.
pub(super) struct Sheet {
    /// What was done: `drift` or `pins`.
    pub(super) kind: &'static str,
    /// The answer in one sentence.
    pub(super) headline: String,
    /// Every rule that a row names, sorted by id, each once.
    pub(super) rules: Vec<Rule>,
    /// Findings, in the report's order.
    pub(super) rows: Vec<Row>,
    /// Findings that someone excepted: shown by formats that have a place for them.
    pub(super) excepted: Vec<Excepted>,
    /// What could not be read: place and reason.
    pub(super) gaps: Vec<(String, String)>,
}

/// A rule as the formats describe it.
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) summary: String,
    /// Why it matters and what to do; empty where the rule has no page.
    pub(super) help: String,
}

/// One finding.
pub(super) struct Row {
    pub(super) rule: String,
    pub(super) severity: Severity,
    /// One line.
    pub(super) title: String,
    /// More lines.
    pub(super) details: Vec<String>,
    pub(super) places: Vec<Place>,
    /// Stable over runs.
    pub(super) fingerprint: String,
    pub(super) fix: Option<Fix>,
}

/// A finding that is excepted.
pub(super) struct Excepted {
    pub(super) row: Row,
    /// Why.
    pub(super) reason: String,
    /// Whether a comment beside it says so; else a policy does.
    pub(super) in_source: bool,
}

/// Where a finding is.
pub(super) enum Place {
    /// A file: its path in raw bytes, and the part of it that is meant.
    File { path: Vec<u8>, region: Option<Region> },
    /// Something that is no file: a package, a fact.
    Named { name: String, kind: &'static str },
}

/// A part of a text file; lines and columns from 1, columns in characters, the end exclusive.
#[derive(Clone, Copy)]
pub(super) struct Region {
    pub(super) start_line: usize,
    pub(super) start_column: usize,
    pub(super) end_line: usize,
    pub(super) end_column: usize,
    pub(super) byte_offset: usize,
    pub(super) byte_length: usize,
}

/// An edit that settles the finding.
pub(super) struct Fix {
    pub(super) description: String,
    pub(super) path: Vec<u8>,
    /// What is replaced, and by what.
    pub(super) replacements: Vec<(Region, String)>,
}

impl Sheet {
    /// Findings of a comparison; places are paths inside the target.
    pub(super) fn of_drift(report: &DriftReport) -> Self {
        let story = Story::new(report);
        let rows: Vec<Row> = report
            .findings
            .iter()
            .map(|finding| {
                let told = story.teller(finding);
                let mut details: Vec<String> = finding
                    .subjects
                    .iter()
                    .map(|subject| {
                        let name = story::subject(subject);
                        match told(subject) {
                            Some(what) => format!("{name}: {what}"),
                            None => name,
                        }
                    })
                    .collect();
                details.push(format!("cause: {}", story::causes(&finding.causes)));
                Row {
                    rule: format::escaped(&finding.rule),
                    severity: finding.severity,
                    title: format::escaped(&finding.title),
                    details,
                    places: finding.subjects.iter().map(place).collect(),
                    fingerprint: finding.fingerprint.clone(),
                    fix: None,
                }
            })
            .collect();
        let mut ids: Vec<&String> = rows.iter().map(|row| &row.rule).collect();
        ids.sort();
        ids.dedup();
        let rules = ids
            .into_iter()
            .map(|id| Rule { id: id.clone(), summary: id.clone(), help: String::new() })
            .collect();
        let gaps = report.gaps.iter();
        Self {
            kind: "drift",
            headline: story.headline(),
            rules,
            rows,
            excepted: Vec::new(),
            gaps: gaps
                .map(|gap| {
                    let reason = format!("{}: {}", gap.stage, format::escaped(&gap.reason));
                    (gap.path.to_string(), reason)
                })
                .collect(),
        }
    }
}

fn place(subject: &Subject) -> Place {
    match subject {
        Subject::Path(path) => Place::File { path: path.as_bytes().to_vec(), region: None },
        Subject::Package(_) => Place::Named { name: story::subject(subject), kind: "package" },
        Subject::Fact { .. } => Place::Named { name: story::subject(subject), kind: "fact" },
    }
}
