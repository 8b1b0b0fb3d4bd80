//! One HTML file that holds everything it needs: to be attached, archived and opened offline.
//!
//! The template escapes every value by itself (minijinja chooses HTML by the template's name), and
//! a content security policy forbids the page to fetch anything. All changes are in it; the
//! filter is a few lines of script, and without script the page is simply complete.

use super::story::{self, Story};
use super::{View, format};
use crate::model::{DriftReport, LineKind, ManifestSummary, TextDiff};
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;
use std::io::{self, BufWriter, Write};

const NAME: &str = "drift.html";
const TEMPLATE: &str = include_str!("drift.html");

#[derive(Serialize)]
struct Page {
    headline: String,
    outcome: &'static str,
    sides: [Side; 2],
    allowed: Vec<String>,
    groups: Vec<Group>,
    folded: Vec<Folded>,
    folded_total: String,
    changes: Vec<Change>,
    changes_total: String,
    diffs: Vec<Diff>,
    gaps: Vec<[String; 3]>,
    omissions: Vec<[String; 2]>,
    notes: Vec<String>,
    version: &'static str,
}

#[derive(Serialize)]
struct Side {
    title: &'static str,
    name: String,
    target: String,
    id: String,
    scanned_at: String,
    entries: String,
}

#[derive(Serialize)]
struct Group {
    heading: String,
    count: String,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    id: String,
    severity: &'static str,
    title: String,
    rule: String,
    subjects: Vec<[String; 2]>,
    allowed: Vec<String>,
    causes: Vec<Cause>,
}

#[derive(Serialize)]
struct Cause {
    kind: &'static str,
    detail: String,
    confidence: &'static str,
    evidence: Vec<String>,
}

#[derive(Serialize)]
struct Folded {
    count: String,
    disposition: &'static str,
    reason: String,
}

#[derive(Serialize)]
struct Diff {
    path: String,
    note: String,
    /// A class for the style sheet, and the line.
    lines: Vec<[String; 2]>,
}

#[derive(Serialize)]
struct Change {
    disposition: &'static str,
    subject: String,
    what: String,
    causes: String,
    rule: String,
}

/// Writes a comparison. The view does not matter: the reader filters in the page.
pub(super) fn drift(report: &DriftReport, _: &View, out: &mut dyn Write) -> io::Result<()> {
    let mut environment = Environment::new();
    environment.add_template(NAME, TEMPLATE).map_err(io::Error::other)?;
    let template = environment.get_template(NAME).map_err(io::Error::other)?;
    let page = minijinja::Value::from(Serde(page(report)));
    let mut out = BufWriter::new(out);
    template.render_captured_to(page, &mut out).map_err(io::Error::other)?;
    out.flush()
}

fn page(report: &DriftReport) -> Page {
    let story = Story::new(report);
    let folded = story.folded();
    Page {
        headline: story.headline(),
        outcome: report.outcome.as_str(),
        sides: [side("baseline", &report.baseline), side("current", &report.current)],
        allowed: story.allowed_elsewhere(),
        groups: story
            .groups
            .iter()
            .map(|group| Group {
                heading: group.heading.clone(),
                count: format::count(group.findings.len(), "finding"),
                findings: group.findings.iter().map(|f| finding(&story, f)).collect(),
            })
            .collect(),
        folded_total: format::count(folded.iter().map(|row| row.count).sum(), "change"),
        folded: folded
            .into_iter()
            .map(|row| Folded {
                count: format::length(row.count),
                disposition: row.disposition.as_str(),
                reason: row.reason,
            })
            .collect(),
        changes_total: format::count(report.changes.len(), "change"),
        changes: report
            .changes
            .iter()
            .map(|judged| Change {
                disposition: judged.disposition.as_str(),
                subject: story::subject(&judged.change.subject),
                what: story::what_happened(judged),
                causes: story::causes(&judged.causes),
                rule: judged.rule.as_deref().map(format::escaped).unwrap_or_default(),
            })
            .collect(),
        diffs: report.diffs.iter().map(diff).collect(),
        gaps: report
            .gaps
            .iter()
            .map(|gap| [gap.stage.to_string(), gap.path.to_string(), format::escaped(&gap.reason)])
            .collect(),
        omissions: report
            .omissions
            .iter()
            .map(|omission| [omission.path.to_string(), format::escaped(&omission.reason)])
            .collect(),
        notes: report.notes.iter().map(|note| format::escaped(note)).collect(),
        version: env!("CARGO_PKG_VERSION"),
    }
}

fn diff(diff: &TextDiff) -> Diff {
    let lines = diff.lines.iter().map(|(kind, line)| {
        let class = match kind {
            LineKind::Place => "at",
            LineKind::Context => "same",
            LineKind::Removed => "out",
            LineKind::Added => "in",
        };
        [class.to_owned(), format::text_line(*kind, line)]
    });
    Diff {
        path: diff.path.to_string(),
        note: diff.note.as_deref().map(format::escaped).unwrap_or_default(),
        lines: lines.collect(),
    }
}

fn side(title: &'static str, summary: &ManifestSummary) -> Side {
    Side {
        title,
        name: format::escaped(&summary.name),
        target: format::escaped(&summary.target),
        id: summary.id.to_string(),
        scanned_at: format::moment(&summary.scanned_at),
        entries: format::number(summary.entries),
    }
}

fn finding(story: &Story<'_>, finding: &crate::model::Finding) -> Finding {
    let told = story.teller(finding);
    Finding {
        id: format::escaped(&finding.id),
        severity: finding.severity.as_str(),
        title: format::escaped(&finding.title),
        rule: format::escaped(&finding.rule),
        subjects: finding
            .subjects
            .iter()
            .map(|subject| [story::subject(subject), told(subject).unwrap_or_default()])
            .collect(),
        allowed: story.allowed(finding),
        causes: finding
            .causes
            .iter()
            .map(|cause| Cause {
                kind: cause.kind.as_str(),
                detail: format::escaped(&cause.detail),
                confidence: cause.confidence.as_str(),
                evidence: cause.evidence.iter().map(story::evidence).collect(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{self, golden, render};

    #[test]
    fn the_page_is_complete_and_inert() {
        let text = render(drift, &testing::drift());
        golden("drift.html", &text);
        assert!(!text.contains("<script>alert"), "a file name became markup");
        assert_eq!(text.matches("<script>").count(), 1);
        for outside in ["src=", "http:", "https:", "@import", "url("] {
            assert!(!text.contains(outside), "{outside}");
        }
    }
}
