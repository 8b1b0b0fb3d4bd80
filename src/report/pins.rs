//! What `pins` hands to a reporter, and what its formats share.

use super::format;
use super::sheet::{Excepted, Fix, Place, Region, Row, Rule, Sheet};
use crate::model::Severity;
use crate::pins::against::Against;
use crate::pins::fix::Fixing;
use crate::pins::fix::word::Replacement;
use crate::pins::{LineIndex, PinFinding, PinReport, rules};
use std::fmt::Write;
use std::sync::Arc;

/// Reads a build file once more, by its path as the report shows it, to quote a line of it.
pub type Sources<'a> = &'a dyn Fn(&str) -> Option<Arc<[u8]>>;

/// A finished audit with what is needed to show it.
#[derive(Clone, Copy)]
pub struct Pins<'a> {
    /// The audit.
    pub report: &'a PinReport,
    /// Where its files are read; a file that is gone is shown without its line.
    pub sources: Sources<'a>,
    /// Whether everything that is taken from outside is listed, pinned or not (`--inventory`).
    pub inventory: bool,
    /// What a golden image has that the files do not account for, where that was asked for.
    pub against: Option<&'a Against>,
    /// What can be pinned and what is left alone, where that was asked for.
    pub fixing: Option<&'a Fixing>,
    /// Whether the pins are written already, so that the report is of the files as they are now.
    pub is_fixed: bool,
}

impl Pins<'_> {
    /// The edits that would settle a finding.
    pub(super) fn edits(&self, finding: &PinFinding) -> Option<&[Replacement]> {
        let fixing = self.fixing.filter(|_| !self.is_fixed)?;
        let fixed = fixing.fixed.iter().find(|one| one.fingerprint == finding.fingerprint)?;
        Some(&fixed.edits)
    }
}

/// The answer in one sentence.
pub(super) fn headline(report: &PinReport) -> String {
    let files = format::count(report.files_read, "file");
    let mut gaps = match report.suppressed.len() {
        0 => String::new(),
        excepted => format!(", {} excepted", format::count(excepted, "finding")),
    };
    if !report.accepted.is_empty() {
        let _ =
            write!(gaps, ", {} accepted before", format::count(report.accepted.len(), "finding"));
    }
    if !report.gaps.is_empty() {
        let _ = write!(gaps, ", {} not read", format::count(report.gaps.len(), "part"));
    }
    if report.findings.is_empty() {
        let inputs = format::count(report.inputs.len(), "input");
        return format!("pins: nothing to hold more firmly in {files} ({inputs}{gaps})");
    }
    let severities: Vec<String> = Severity::ALL
        .into_iter()
        .rev()
        .filter_map(|severity| {
            let count = report.findings.iter().filter(|f| f.severity == severity).count();
            (count > 0).then(|| format!("{} {severity}", format::length(count)))
        })
        .collect();
    let findings = format::count(report.findings.len(), "finding");
    format!("pins: {findings} ({}) in {files}{gaps}", severities.join(", "))
}

/// `file:12`, `file` where the gap has no line.
pub(super) fn gap_place(gap: &crate::pins::PinGap) -> String {
    let file = format::escaped(&gap.file);
    gap.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}"))
}

/// The rules that the report's findings name, in the table's order.
pub(super) fn rules_of(report: &PinReport) -> Vec<&'static rules::RuleFamily> {
    rules::RULES
        .iter()
        .filter(|rule| report.findings.iter().any(|finding| finding.rule == rule.id))
        .collect()
}

/// The audit as rows; places are files of the repository.
pub(super) fn sheet(pins: &Pins<'_>) -> Sheet {
    let report = pins.report;
    let rule = |rule: &rules::RuleFamily| Rule {
        id: rule.id.to_owned(),
        summary: rule.summary.to_owned(),
        help: format!("{}\n\n{}", rule.why, rule.fix),
    };
    Sheet {
        kind: "pins",
        headline: headline(report),
        rules: rules_of(report).into_iter().map(rule).collect(),
        rows: report.findings.iter().map(|finding| row(finding, pins)).collect(),
        excepted: report
            .suppressed
            .iter()
            .map(|one| Excepted {
                row: row(&one.finding, pins),
                reason: format::escaped(&one.reason),
                in_source: one.in_source,
            })
            .collect(),
        gaps: report
            .gaps
            .iter()
            .map(|gap| (gap_place(gap), format::escaped(&gap.reason)))
            .collect(),
    }
}

fn row(finding: &PinFinding, pins: &Pins<'_>) -> Row {
    let (from, to) = finding.byte_range;
    let region = Region {
        start_line: finding.start.line,
        start_column: finding.start.column,
        end_line: finding.end.line,
        end_column: finding.end.column,
        byte_offset: from,
        byte_length: to.saturating_sub(from),
    };
    Row {
        rule: finding.rule.to_owned(),
        severity: finding.severity,
        title: format::escaped(&finding.message),
        details: finding.fix.iter().map(|fix| format::escaped(fix)).collect(),
        places: vec![Place::File { path: finding.file.as_bytes().to_vec(), region: Some(region) }],
        fingerprint: finding.fingerprint.clone(),
        fix: edit(finding, pins),
    }
}

/// The edit of a finding: the pin that is known, or its form where nothing is left to fill in.
fn edit(finding: &PinFinding, pins: &Pins<'_>) -> Option<Fix> {
    let form = finding.form.as_ref().filter(|form| !form.template.contains('{'));
    let own = form.map(|form| Replacement {
        start_byte: form.start_byte,
        end_byte: form.end_byte,
        text: form.template.clone(),
    });
    let edits = match pins.edits(finding) {
        Some(edits) => edits.to_vec(),
        None => vec![own?],
    };
    let bytes = (pins.sources)(&finding.file)?;
    let index = LineIndex::new(&bytes);
    let replacements = edits.into_iter().map(|edit| {
        let start = index.position(&bytes, edit.start_byte);
        let end = index.position(&bytes, edit.end_byte);
        let region = Region {
            start_line: start.line,
            start_column: start.column,
            end_line: end.line,
            end_column: end.column,
            byte_offset: edit.start_byte,
            byte_length: edit.end_byte.saturating_sub(edit.start_byte),
        };
        (region, edit.text)
    });
    Some(Fix {
        description: format!("pin {}", format::escaped(&finding.subject)),
        path: finding.file.as_bytes().to_vec(),
        replacements: replacements.collect(),
    })
}
