//! `driftcheck.drift/1`: the answer of `compare` and `check`, with every difference exactly once.
//!
//! `ndjson` is the same in pieces: a first line of type `report` with all but the lists, then one
//! line for each `change`, `finding`, `gap`, `omission` and `note`.

use super::parts::{Attributes, Cause, Gap, Omission, PackageKey, Side, Subject};
use super::{document, line};
use crate::model::{self, ChangeKind, Disposition, DriftReport, Severity};
use crate::report::View;
use serde::Serialize;
use std::io::{self, Write};

const SCHEMA: &str = "driftcheck.drift/1";

#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    baseline: Side<'a>,
    current: Side<'a>,
    outcome: &'static str,
    summary: Summary,
}

#[derive(Serialize)]
struct Drift<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    changes: Vec<Change<'a>>,
    findings: Vec<Finding<'a>>,
    gaps: Vec<Gap<'a>>,
    omissions: Vec<Omission<'a>>,
    notes: &'a [String],
}

#[derive(Default, Serialize)]
struct Summary {
    changes: usize,
    subjects: Subjects,
    dispositions: Dispositions,
    /// Drift that no cause was found for: the number to drive to zero.
    unexplained: usize,
    findings: usize,
    severities: Severities,
    gaps: usize,
    omissions: usize,
}

#[derive(Default, Serialize)]
struct Subjects {
    path: Kinds,
    package: Kinds,
    fact: Kinds,
}

#[derive(Default, Serialize)]
struct Kinds {
    added: usize,
    removed: usize,
    modified: usize,
}

#[derive(Default, Serialize)]
struct Dispositions {
    drift: usize,
    explained: usize,
    expected: usize,
    accepted: usize,
}

#[derive(Default, Serialize)]
struct Severities {
    critical: usize,
    high: usize,
    medium: usize,
    low: usize,
    info: usize,
}

impl Summary {
    fn new(report: &DriftReport) -> Self {
        let mut summary = Self {
            changes: report.changes.len(),
            findings: report.findings.len(),
            gaps: report.gaps.len(),
            omissions: report.omissions.len(),
            ..Self::default()
        };
        for judged in &report.changes {
            let kinds = match judged.change.subject {
                model::Subject::Path(_) => &mut summary.subjects.path,
                model::Subject::Package(_) => &mut summary.subjects.package,
                model::Subject::Fact { .. } => &mut summary.subjects.fact,
            };
            *match judged.change.kind {
                ChangeKind::Added => &mut kinds.added,
                ChangeKind::Removed => &mut kinds.removed,
                ChangeKind::Modified => &mut kinds.modified,
            } += 1;
            *match judged.disposition {
                Disposition::Drift => &mut summary.dispositions.drift,
                Disposition::Explained => &mut summary.dispositions.explained,
                Disposition::Expected => &mut summary.dispositions.expected,
                Disposition::Accepted => &mut summary.dispositions.accepted,
            } += 1;
            if judged.disposition == Disposition::Drift && judged.causes.is_empty() {
                summary.unexplained += 1;
            }
        }
        for finding in &report.findings {
            *match finding.severity {
                Severity::Critical => &mut summary.severities.critical,
                Severity::High => &mut summary.severities.high,
                Severity::Medium => &mut summary.severities.medium,
                Severity::Low => &mut summary.severities.low,
                Severity::Info => &mut summary.severities.info,
            } += 1;
        }
        summary
    }
}

#[derive(Serialize)]
struct Change<'a> {
    subject: Subject<'a>,
    change: &'static str,
    attributes: Attributes<'a>,
    disposition: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<PackageKey<'a>>,
    causes: Vec<Cause<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_by: Vec<BuildLine<'a>>,
}

/// A line of a build file that let a package drift.
#[derive(Serialize)]
struct BuildLine<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    text: &'a str,
    requested: &'a str,
    strength: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    through: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
}

/// The lines that are about one of the subjects.
fn allowed_by<'a>(report: &'a DriftReport, subjects: &[model::Subject]) -> Vec<BuildLine<'a>> {
    let about = |line: &&model::BuildLine| {
        subjects.iter().any(|subject| match subject {
            model::Subject::Package(key) => *key == line.package,
            _ => false,
        })
    };
    let lines = report.build_lines.iter().filter(about);
    lines
        .map(|line| BuildLine {
            file: &line.file,
            line: line.line,
            column: line.column,
            text: &line.text,
            requested: &line.requested,
            strength: line.strength,
            through: line.through.as_deref(),
            pin: line.pin.as_deref(),
            from: line.from.as_deref(),
        })
        .collect()
}

fn change<'a>(report: &'a DriftReport, judged: &'a model::JudgedChange) -> Change<'a> {
    let subject = std::slice::from_ref(&judged.change.subject);
    Change { allowed_by: allowed_by(report, subject), ..Change::from(judged) }
}

fn finding<'a>(report: &'a DriftReport, finding: &'a model::Finding) -> Finding<'a> {
    Finding { allowed_by: allowed_by(report, &finding.subjects), ..Finding::from(finding) }
}

impl<'a> From<&'a model::JudgedChange> for Change<'a> {
    fn from(judged: &'a model::JudgedChange) -> Self {
        Self {
            subject: (&judged.change.subject).into(),
            change: judged.change.kind.as_str(),
            attributes: Attributes(&judged.change.attributes),
            disposition: judged.disposition.as_str(),
            package: judged.package.as_ref().map(Into::into),
            causes: judged.causes.iter().map(Into::into).collect(),
            rule: judged.rule.as_deref(),
            direction: judged.direction.map(model::Direction::as_str),
            note: judged.note.as_deref(),
            file: judged.file.as_ref().map(ToString::to_string),
            allowed_by: Vec::new(),
        }
    }
}

#[derive(Serialize)]
struct Finding<'a> {
    id: &'a str,
    rule: &'a str,
    severity: &'static str,
    title: &'a str,
    subjects: Vec<Subject<'a>>,
    causes: Vec<Cause<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_by: Vec<BuildLine<'a>>,
    fingerprint: &'a str,
}

impl<'a> From<&'a model::Finding> for Finding<'a> {
    fn from(finding: &'a model::Finding) -> Self {
        Self {
            id: &finding.id,
            rule: &finding.rule,
            severity: finding.severity.as_str(),
            title: &finding.title,
            subjects: finding.subjects.iter().map(Into::into).collect(),
            causes: finding.causes.iter().map(Into::into).collect(),
            allowed_by: Vec::new(),
            fingerprint: &finding.fingerprint,
        }
    }
}

#[derive(Serialize)]
struct Note<'a> {
    text: &'a str,
}

fn head(report: &DriftReport) -> Head<'_> {
    Head {
        schema: SCHEMA,
        baseline: (&report.baseline).into(),
        current: (&report.current).into(),
        outcome: report.outcome.as_str(),
        summary: Summary::new(report),
    }
}

/// `json`.
pub(in crate::report) fn write(
    report: &DriftReport,
    _: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let drift = Drift {
        head: head(report),
        changes: report.changes.iter().map(|judged| change(report, judged)).collect(),
        findings: report.findings.iter().map(|one| finding(report, one)).collect(),
        gaps: report.gaps.iter().map(Into::into).collect(),
        omissions: report.omissions.iter().map(Into::into).collect(),
        notes: &report.notes,
    };
    document(&drift, out)
}

/// `ndjson`.
pub(in crate::report) fn write_lines(
    report: &DriftReport,
    _: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    line("report", &head(report), out)?;
    for judged in &report.changes {
        line("change", &change(report, judged), out)?;
    }
    for one in &report.findings {
        line("finding", &finding(report, one), out)?;
    }
    for gap in &report.gaps {
        line("gap", &Gap::from(gap), out)?;
    }
    for omission in &report.omissions {
        line("omission", &Omission::from(omission), out)?;
    }
    for text in &report.notes {
        line("note", &Note { text }, out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json::schema;
    use crate::report::testing::{self, golden, render};

    #[test]
    fn the_document_is_as_the_contract_says() {
        let text = render(write, &testing::drift());
        schema::check("drift-1.json", &text);
        golden("drift.json", &text);
    }

    #[test]
    fn lines_hold_the_same() {
        let text = render(write_lines, &testing::drift());
        let report = testing::drift();
        let count = |kind: &str| {
            let mark = format!("{{\"type\":\"{kind}\"");
            text.lines().filter(|line| line.starts_with(&mark)).count()
        };
        assert_eq!(count("report"), 1);
        assert_eq!(count("change"), report.changes.len());
        assert_eq!(count("finding"), report.findings.len());
        assert_eq!(count("gap"), report.gaps.len());
        golden("drift.ndjson", &text);
    }

    #[test]
    fn a_clean_report_is_valid_too() {
        schema::check("drift-1.json", &render(write, &testing::clean()));
    }
}
