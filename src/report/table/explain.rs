//! `explain SUBJECT` for a person: everything that a report knows of one subject, with the chain
//! of evidence quoted line by line.

use super::Page;
use crate::model::{Cause, DriftReport, Evidence, JudgedChange, Subject, TextDiff};
use crate::report::{View, format, story};
use comfy_table::Cell;
use std::io::{self, Write};

/// Writes what is known of `subject`; false, and nothing written, where the report has no change
/// of it.
pub fn explain(
    report: &DriftReport,
    subject: &Subject,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let Some(judged) = report.changes.iter().find(|one| one.change.subject == *subject) else {
        return Ok(false);
    };
    let mut page = Page { view, out };
    page.heading(&story::subject(subject), None)?;
    page.grid(facts(report, judged), &[])?;
    page.blank()?;
    attributes(&mut page, judged)?;
    page.blank()?;
    let path = match subject {
        Subject::Path(path) => Some(path),
        _ => judged.file.as_ref(),
    };
    if let Some(diff) = report.diffs.iter().find(|diff| Some(&diff.path) == path) {
        content(&mut page, diff)?;
    }
    if judged.causes.is_empty() {
        page.paragraph("Cause: unknown. Nothing that was recorded names it.", 0)?;
    }
    for cause in &judged.causes {
        chain(&mut page, cause)?;
    }
    // How far the evidence reaches, and where it contradicts itself, belongs to every answer.
    let about = ["attribution horizon", "contradiction"];
    let mut notes = report
        .notes
        .iter()
        .filter(|note| about.iter().any(|word| note.starts_with(word)))
        .peekable();
    if notes.peek().is_some() {
        page.blank()?;
    }
    for note in notes {
        page.paragraph(&format::escaped(note), 0)?;
    }
    Ok(true)
}

fn facts(report: &DriftReport, judged: &JudgedChange) -> Vec<Vec<Cell>> {
    let mut rows = vec![("verdict", judged.disposition.as_str().to_owned())];
    if let Some(rule) = &judged.rule {
        rows.push(("rule", format::escaped(rule)));
    }
    if let Some(file) = &judged.file {
        rows.push(("file", file.to_string()));
    }
    if let Some(note) = &judged.note {
        rows.push(("remark", format::escaped(note)));
    }
    if let Some(package) = &judged.package {
        let manager = format::escaped(&package.manager);
        rows.push(("package", format!("{} ({manager})", format::escaped(&package.to_string()))));
    }
    let naming = report.findings.iter().filter(|one| one.subjects.contains(&judged.change.subject));
    for finding in naming {
        let title = format::escaped(&finding.title);
        rows.push(("finding", format!("{} {}: {title}", finding.id, finding.severity)));
    }
    rows.into_iter().map(|(name, value)| vec![Cell::new(name), Cell::new(value)]).collect()
}

/// Both sides of every attribute, digests in full.
fn attributes(page: &mut Page<'_>, judged: &JudgedChange) -> io::Result<()> {
    let change = &judged.change;
    let rows = change.attributes.iter().map(|attribute| {
        let side = |side: &Option<_>| {
            side.as_ref().map_or_else(String::new, |value| format::full(&attribute.name, value))
        };
        vec![
            Cell::new(format::escaped(&attribute.name)),
            Cell::new(side(&attribute.before)),
            Cell::new(side(&attribute.after)),
        ]
    });
    let rows = rows.collect();
    let heading = change.kind.as_str().to_uppercase();
    page.table(Some(&[&heading, "BEFORE", "AFTER"]), rows, &[], None)
}

/// The lines that differ, as a unified diff.
fn content(page: &mut Page<'_>, diff: &TextDiff) -> io::Result<()> {
    page.heading("Content", None)?;
    if let Some(note) = &diff.note {
        page.paragraph(&format!("({})", format::escaped(note)), 2)?;
    }
    for (kind, line) in &diff.lines {
        writeln!(page.out, "  {}", format::text_line(*kind, line))?;
    }
    page.blank()
}

fn chain(page: &mut Page<'_>, cause: &Cause) -> io::Result<()> {
    let text = story::causes(std::slice::from_ref(cause));
    page.heading(&format!("Cause: {text}"), None)?;
    for (number, evidence) in cause.evidence.iter().enumerate() {
        // Several logs often have one line.
        let mut earlier = cause.evidence.iter().take(number);
        let is_known =
            evidence.line.is_some() && earlier.any(|one| message(one) == message(evidence));
        let text = match is_known {
            true => story::place(evidence) + ": the same line",
            false => story::evidence(evidence),
        };
        page.paragraph(&text, 2)?;
    }
    Ok(())
}

/// A log's line as it was written, whether or not the log tells the process (`sudo[685]:`).
fn message(evidence: &Evidence) -> (&str, &str) {
    let (tag, text) = evidence.text.split_once("]:").unwrap_or(("", &evidence.text));
    (tag.split('[').next().unwrap_or_default(), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TreePath;
    use crate::report::testing::{self, golden};

    #[test]
    fn the_whole_chain_of_one_path() {
        let report = testing::drift();
        let check = |path: &[u8]| {
            let subject = Subject::Path(TreePath::parse(path));
            let mut out = Vec::new();
            let view = View { width: 80, ..View::PLAIN };
            assert!(explain(&report, &subject, &view, &mut out).unwrap());
            String::from_utf8(out).unwrap()
        };
        let all =
            [check(b"/etc/ssh/sshd_config"), check(b"/usr/bin/ping"), check(testing::HOSTILE)];
        assert!(!all.concat().contains('\x1b'));
        golden("explain-80.txt", &all.join("\n"));
        let other = Subject::Path(TreePath::parse("/unchanged"));
        assert!(!explain(&report, &other, &View::PLAIN, &mut Vec::new()).unwrap());
    }
}
