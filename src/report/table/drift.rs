//! `compare` and `check` for a person: the answer in a line, then findings by who caused them,
//! then counts of what is accounted for, then what could not be read.

use super::{Page, WIDE, severity_cell};
use crate::model::{
    Disposition, DriftReport, Finding, JudgedChange, ManifestSummary, Outcome, Subject, TreePath,
};
use crate::report::story::{self, Story};
use crate::report::{Verbosity, View, format};
use anstyle::AnsiColor;
use comfy_table::Cell;
use std::collections::HashSet;
use std::io::{self, Write};

/// Subjects of one finding that are shown before "and N more": a finding is to be read at a glance.
const SUBJECTS_SHOWN: usize = 5;
/// Rows of counts and of gaps that are shown before "and N more".
const ROWS_SHOWN: usize = 12;

/// Writes the report.
pub(in crate::report) fn write(
    report: &DriftReport,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let story = Story::new(report);
    if view.verbosity == Verbosity::Quiet {
        return writeln!(out, "{}", story.headline());
    }
    let mut page = Page { view, out };
    let color = match report.outcome {
        Outcome::Clean => AnsiColor::Green,
        Outcome::Drift => AnsiColor::Red,
        Outcome::Incomplete => AnsiColor::Yellow,
    };
    page.heading(&story.headline(), Some(color))?;
    page.blank()?;
    sides(&mut page, report)?;
    for group in &story.groups {
        page.blank()?;
        let count = format::count(group.findings.len(), "finding");
        page.heading(&format!("{}: {count}", group.heading), None)?;
        let rows = group.findings.iter().map(|finding| finding_row(&story, finding, view));
        let rows = rows.collect();
        page.list(rows)?;
    }
    unnamed(&mut page, report)?;
    allowed(&mut page, &story)?;
    folded(&mut page, &story)?;
    listed(&mut page, report)?;
    gaps(&mut page, report)?;
    omissions(&mut page, report)?;
    notes(&mut page, &story)
}

fn sides(page: &mut Page<'_>, report: &DriftReport) -> io::Result<()> {
    let row = |side: &str, summary: &ManifestSummary| {
        vec![
            Cell::new(side),
            Cell::new(format::escaped(&summary.name)),
            Cell::new(summary.id.short()),
            Cell::new(format::moment(&summary.scanned_at)),
            Cell::new(format!("{} entries", format::number(summary.entries))),
        ]
    };
    page.grid(vec![row("baseline", &report.baseline), row("current", &report.current)], &[4])
}

/// A finding of one subject is said by its title; what changed is repeated only where everything
/// is asked for. One of several subjects names them.
fn finding_row(story: &Story<'_>, finding: &Finding, view: &View) -> Vec<Cell> {
    let verbose = view.verbosity == Verbosity::Verbose;
    let mut lines = vec![format::escaped(&finding.title)];
    match finding.subjects.as_slice() {
        [only] if !verbose => {
            let package = story.change_of(only).and_then(|judged| judged.package.as_ref());
            if let Some(package) = package {
                lines.push(format!("package {}", format::escaped(&package.to_string())));
            }
        }
        // The title names the directory and counts what is below it.
        [Subject::Path(top), rest @ ..] if !verbose && rest.iter().all(|one| below(one, top)) => {}
        subjects => lines.extend(subject_lines(subjects, story.teller(finding), verbose)),
    }
    let causes = story::causes(&finding.causes);
    let wide = view.width >= WIDE;
    if !wide && !finding.causes.is_empty() {
        lines.push(format!("by {causes}"));
    }
    lines.extend(story.allowed(finding));
    if verbose {
        let evidence = finding.causes.iter().flat_map(|cause| &cause.evidence);
        lines.extend(evidence.map(|evidence| format!("seen in {}", story::evidence(evidence))));
    }
    let id = Cell::new(format::escaped(&finding.id));
    let mut row = vec![severity_cell(finding.severity), id, Cell::new(lines.join("\n"))];
    if wide {
        row.push(Cell::new(if finding.causes.is_empty() { String::new() } else { causes }));
    }
    row
}

fn below(subject: &Subject, top: &TreePath) -> bool {
    matches!(subject, Subject::Path(path) if path.is_at_or_below(top))
}

fn subject_lines(
    subjects: &[Subject],
    told: impl Fn(&Subject) -> Option<String>,
    verbose: bool,
) -> Vec<String> {
    let shown = if verbose { usize::MAX } else { SUBJECTS_SHOWN };
    let mut lines: Vec<String> = subjects
        .iter()
        .take(shown)
        .map(|subject| {
            let name = story::subject(subject);
            match told(subject) {
                Some(what) => format!("{name}: {what}"),
                None => name,
            }
        })
        .collect();
    if let Some(more) = subjects.len().checked_sub(shown).filter(|more| *more > 0) {
        lines.push(format!("and {} more (-v lists them)", format::length(more)));
    }
    lines
}

fn change_row(judged: &JudgedChange) -> Vec<Cell> {
    let subject = story::subject(&judged.change.subject);
    let mut text = format!("{subject}\n{}", story::what_happened(judged));
    if !judged.causes.is_empty() {
        text.push_str(&format!("\nby {}", story::causes(&judged.causes)));
    }
    if let Some(rule) = &judged.rule {
        text.push_str(&format!("\nrule {}", format::escaped(rule)));
    }
    vec![Cell::new(judged.disposition.as_str()), Cell::new(text)]
}

/// Drift that no finding names, if the policy left any: it must be seen all the same.
fn unnamed(page: &mut Page<'_>, report: &DriftReport) -> io::Result<()> {
    let named: HashSet<_> = report.findings.iter().flat_map(|finding| &finding.subjects).collect();
    let rows: Vec<_> = report
        .changes
        .iter()
        .filter(|judged| judged.disposition == Disposition::Drift)
        .filter(|judged| !named.contains(&judged.change.subject))
        .map(change_row)
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    page.blank()?;
    page.heading(&format!("In no finding: {}", format::count(rows.len(), "change")), None)?;
    page.list(rows)
}

/// Build files that let packages drift which no finding names.
fn allowed(page: &mut Page<'_>, story: &Story<'_>) -> io::Result<()> {
    let lines = story.allowed_elsewhere();
    if lines.is_empty() {
        return Ok(());
    }
    page.blank()?;
    page.heading(&format!("In the build files: {}", format::count(lines.len(), "line")), None)?;
    page.list(lines.into_iter().map(|line| vec![Cell::new(line)]).collect())
}

fn folded(page: &mut Page<'_>, story: &Story<'_>) -> io::Result<()> {
    let folded = story.folded();
    let total: usize = folded.iter().map(|row| row.count).sum();
    if total == 0 {
        return Ok(());
    }
    page.blank()?;
    let hint = if page.view.all { "" } else { " (--all lists them)" };
    let count = format::count(total, "change");
    page.heading(&format!("Accounted for: {count}{hint}"), None)?;
    let shown = if page.view.verbosity == Verbosity::Verbose { usize::MAX } else { ROWS_SHOWN };
    let mut rows: Vec<_> = folded
        .iter()
        .take(shown)
        .map(|row| {
            vec![
                Cell::new(format::length(row.count)),
                Cell::new(row.disposition.as_str()),
                Cell::new(&row.reason),
            ]
        })
        .collect();
    if folded.len() > shown {
        let rest = folded.iter().skip(shown);
        let (reasons, changes) = rest.fold((0, 0), |(n, sum), row| (n + 1, sum + row.count));
        let more = format!("for {} more", format::count(reasons, "reason"));
        rows.push(vec![Cell::new(format::length(changes)), Cell::new(""), Cell::new(more)]);
    }
    page.grid(rows, &[0])
}

/// Every change (`-v`), or those that are no finding (`--all`).
fn listed(page: &mut Page<'_>, report: &DriftReport) -> io::Result<()> {
    let every = page.view.verbosity == Verbosity::Verbose;
    if !every && !page.view.all {
        return Ok(());
    }
    let rows: Vec<_> = report
        .changes
        .iter()
        .filter(|judged| every || judged.disposition != Disposition::Drift)
        .map(change_row)
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    page.blank()?;
    let what = if every { "Every change" } else { "Accounted for, one by one" };
    page.heading(&format!("{what}: {}", format::length(rows.len())), None)?;
    page.list(rows)
}

fn gaps(page: &mut Page<'_>, report: &DriftReport) -> io::Result<()> {
    if report.gaps.is_empty() {
        return Ok(());
    }
    page.blank()?;
    let count = format::count(report.gaps.len(), "part");
    page.heading(&format!("Could not be read: {count}"), Some(AnsiColor::Yellow))?;
    let shown = if page.view.verbosity == Verbosity::Verbose { usize::MAX } else { ROWS_SHOWN };
    let mut rows: Vec<_> = report
        .gaps
        .iter()
        .take(shown)
        .map(|gap| {
            vec![
                Cell::new(gap.stage.as_str()),
                Cell::new(format!("{}\n{}", gap.path, format::escaped(&gap.reason))),
            ]
        })
        .collect();
    if let Some(more) = report.gaps.len().checked_sub(shown).filter(|more| *more > 0) {
        let text = format!("and {} more (-v lists them)", format::length(more));
        rows.push(vec![Cell::new(""), Cell::new(text)]);
    }
    page.list(rows)
}

fn omissions(page: &mut Page<'_>, report: &DriftReport) -> io::Result<()> {
    if report.omissions.is_empty() {
        return Ok(());
    }
    page.blank()?;
    let count = format::count(report.omissions.len(), "part");
    if page.view.verbosity < Verbosity::Verbose {
        return page.paragraph(&format!("Left out on purpose: {count} (-v lists them)"), 0);
    }
    page.heading(&format!("Left out on purpose: {count}"), None)?;
    let rows = report.omissions.iter().map(|omission| {
        vec![Cell::new(omission.path.to_string()), Cell::new(format::escaped(&omission.reason))]
    });
    let rows = rows.collect();
    page.list(rows)
}

fn notes(page: &mut Page<'_>, story: &Story<'_>) -> io::Result<()> {
    let unexplained = story.unexplained();
    if unexplained == 0 && story.report.notes.is_empty() {
        return Ok(());
    }
    page.blank()?;
    if unexplained > 0 {
        let verb = if unexplained == 1 { "has" } else { "have" };
        let count = format::count(unexplained, "change");
        page.paragraph(&format!("note: {count} {verb} no known cause"), 0)?;
    }
    for note in &story.report.notes {
        page.paragraph(&format!("note: {}", format::escaped(note)), 0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{self, golden, render_as};

    fn at(width: u16) -> View {
        View { width, ..View::PLAIN }
    }

    #[test]
    fn narrow_and_wide() {
        golden("drift-80.txt", &render_as(write, &testing::drift(), at(80)));
        golden("drift-160.txt", &render_as(write, &testing::drift(), at(160)));
        golden("clean-80.txt", &render_as(write, &testing::clean(), at(80)));
        let verbose = View { verbosity: Verbosity::Verbose, ..at(100) };
        golden("drift-verbose.txt", &render_as(write, &testing::drift(), verbose));
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        for width in [40, 80, 119, 120, 160, 300] {
            for verbosity in [Verbosity::Normal, Verbosity::Verbose] {
                let view = View { verbosity, all: true, ..at(width) };
                let text = render_as(write, &testing::drift(), view);
                let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
                assert!(widest <= usize::from(width), "{widest} of {width}");
            }
        }
    }

    #[test]
    fn quiet_is_one_line() {
        let quiet = View { verbosity: Verbosity::Quiet, ..at(80) };
        assert_eq!(render_as(write, &testing::drift(), quiet).lines().count(), 1);
    }

    #[test]
    fn colours_only_when_asked() {
        let check = |color, expected| {
            let text = render_as(write, &testing::drift(), View { color, ..at(80) });
            assert_eq!(text.contains('\x1b'), expected);
        };
        check(false, false);
        check(true, true);
    }
}
