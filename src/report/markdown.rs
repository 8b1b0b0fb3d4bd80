//! GitHub flavoured Markdown, for pull requests, tickets and job summaries.
//!
//! Names from a target stand in code spans, sentences have every character escaped that could
//! begin markup (CommonMark lets a backslash stand before any ASCII punctuation), and `@` and `#`
//! are parted from what follows, so that a file name mentions nobody.

use super::pins::{self, Pins};
use super::story::{self, Group, Story};
use super::{Verbosity, View, format};
use crate::model::{Disposition, DriftReport, Finding, ManifestSummary, Subject, TextDiff};
use crate::pins::UNKNOWN;
use std::io::{self, Write};

/// Subjects of one finding that are shown before "and N more".
const SUBJECTS_SHOWN: usize = 10;

/// Writes a comparison.
pub(super) fn drift(report: &DriftReport, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let story = Story::new(report);
    writeln!(out, "# {}", text(&story.headline()))?;
    if view.verbosity == Verbosity::Quiet {
        return Ok(());
    }
    writeln!(out, "\n| | name | target | id | scanned | entries |")?;
    writeln!(out, "|---|---|---|---|---|--:|")?;
    side(out, "baseline", &report.baseline)?;
    side(out, "current", &report.current)?;
    for group in &story.groups {
        findings(out, &story, group, view)?;
    }
    allowed(out, &story)?;
    folded(out, &story)?;
    if view.all || view.verbosity == Verbosity::Verbose {
        listed(out, report, view)?;
    }
    contents(out, report, view)?;
    if !report.gaps.is_empty() {
        writeln!(out, "\n## Could not be read: {}", format::count(report.gaps.len(), "part"))?;
        writeln!(out, "\n| path | stage | reason |\n|---|---|---|")?;
        for gap in &report.gaps {
            let path = code(&gap.path.to_string());
            writeln!(out, "| {path} | {} | {} |", gap.stage, text(&format::escaped(&gap.reason)))?;
        }
    }
    if !report.omissions.is_empty() {
        let count = format::count(report.omissions.len(), "part");
        writeln!(out, "\n## Left out on purpose: {count}\n")?;
        for omission in &report.omissions {
            let path = code(&omission.path.to_string());
            writeln!(out, "- {path}: {}", text(&format::escaped(&omission.reason)))?;
        }
    }
    if !report.notes.is_empty() {
        writeln!(out, "\n## Notes\n")?;
        for note in &report.notes {
            writeln!(out, "- {}", text(&format::escaped(note)))?;
        }
    }
    Ok(())
}

fn side(out: &mut dyn Write, title: &str, summary: &ManifestSummary) -> io::Result<()> {
    writeln!(
        out,
        "| {title} | {} | {} | `{}` | {} | {} |",
        code(&format::escaped(&summary.name)),
        code(&format::escaped(&summary.target)),
        summary.id.short(),
        format::moment(&summary.scanned_at),
        format::number(summary.entries),
    )
}

fn findings(
    out: &mut dyn Write,
    story: &Story<'_>,
    group: &Group<'_>,
    view: &View,
) -> io::Result<()> {
    let count = format::count(group.findings.len(), "finding");
    writeln!(out, "\n## {}: {count}", group.heading)?;
    writeln!(out, "\n| severity | finding | what changed | cause |\n|---|---|---|---|")?;
    for finding in &group.findings {
        let title = text(&format::escaped(&finding.title));
        let mut changed = changed(story, finding, view);
        for line in story.allowed(finding) {
            changed.push_str(&format!("<br>{}", text(&line)));
        }
        let causes = text(&story::causes(&finding.causes));
        writeln!(out, "| {} | {title} | {changed} | {causes} |", finding.severity)?;
    }
    Ok(())
}

fn changed(story: &Story<'_>, finding: &Finding, view: &View) -> String {
    let shown = if view.verbosity == Verbosity::Verbose { usize::MAX } else { SUBJECTS_SHOWN };
    let told = story.teller(finding);
    let mut lines: Vec<String> = finding
        .subjects
        .iter()
        .take(shown)
        .map(|subject| {
            let name = code(&story::subject(subject));
            match told(subject) {
                Some(what) => format!("{name}: {}", text(&what)),
                None => name,
            }
        })
        .collect();
    if let Some(more) = finding.subjects.len().checked_sub(shown).filter(|more| *more > 0) {
        lines.push(format!("and {} more", format::length(more)));
    }
    lines.join("<br>")
}

/// Build files that let packages drift which no finding names.
fn allowed(out: &mut dyn Write, story: &Story<'_>) -> io::Result<()> {
    let lines = story.allowed_elsewhere();
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## In the build files: {}\n", format::count(lines.len(), "line"))?;
    lines.iter().try_for_each(|line| writeln!(out, "- {}", text(line)))
}

fn folded(out: &mut dyn Write, story: &Story<'_>) -> io::Result<()> {
    let folded = story.folded();
    if folded.is_empty() {
        return Ok(());
    }
    let total: usize = folded.iter().map(|row| row.count).sum();
    writeln!(out, "\n## Accounted for: {}", format::count(total, "change"))?;
    writeln!(out, "\n| changes | | because of |\n|--:|---|---|")?;
    for row in folded {
        let count = format::length(row.count);
        writeln!(out, "| {count} | {} | {} |", row.disposition.as_str(), text(&row.reason))?;
    }
    Ok(())
}

fn listed(out: &mut dyn Write, report: &DriftReport, view: &View) -> io::Result<()> {
    let every = view.verbosity == Verbosity::Verbose;
    let shown =
        |judged: &&crate::model::JudgedChange| every || judged.disposition != Disposition::Drift;
    writeln!(out, "\n<details><summary>Changes, one by one</summary>\n")?;
    writeln!(out, "| disposition | subject | what changed | cause |\n|---|---|---|---|")?;
    for judged in report.changes.iter().filter(shown) {
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            judged.disposition.as_str(),
            code(&story::subject(&judged.change.subject)),
            text(&story::what_happened(judged)),
            text(&story::causes(&judged.causes)),
        )?;
    }
    writeln!(out, "\n</details>")
}

/// Changed texts, folded, as unified diffs in fenced code.
fn contents(out: &mut dyn Write, report: &DriftReport, view: &View) -> io::Result<()> {
    let every = view.all || view.verbosity == Verbosity::Verbose;
    let is_shown = |diff: &&TextDiff| {
        every
            || report.changes.iter().any(|judged| {
                judged.disposition == Disposition::Drift
                    && matches!(&judged.change.subject, Subject::Path(path) if *path == diff.path)
            })
    };
    let shown: Vec<&TextDiff> = report.diffs.iter().filter(is_shown).collect();
    if shown.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Content: {}", format::count(shown.len(), "text"))?;
    for diff in shown {
        let path = html(&diff.path.to_string());
        writeln!(out, "\n<details><summary><code>{path}</code></summary>\n")?;
        if let Some(note) = &diff.note {
            writeln!(out, "{}\n", text(&format::escaped(note)))?;
        }
        let lines: Vec<String> =
            diff.lines.iter().map(|(kind, line)| format::text_line(*kind, line)).collect();
        let fence = "`".repeat(longest_run(&lines.join("\n")).max(2) + 1);
        if !lines.is_empty() {
            writeln!(out, "{fence}diff\n{}\n{fence}\n", lines.join("\n"))?;
        }
        writeln!(out, "</details>")?;
    }
    Ok(())
}

/// For what stands in an HTML element, where Markdown's escapes do not count.
fn html(plain: &str) -> String {
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// How many backticks stand beside each other at most.
fn longest_run(text: &str) -> usize {
    let mut longest = 0_usize;
    let mut run = 0_usize;
    for character in text.chars() {
        run = if character == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Writes an audit of build files: a table for each file.
pub(super) fn pins(pins: &Pins<'_>, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let report = pins.report;
    writeln!(out, "# {}", text(&pins::headline(report)))?;
    if view.verbosity == Verbosity::Quiet {
        return Ok(());
    }
    let mut file = None;
    for finding in &report.findings {
        if file != Some(&finding.file) {
            writeln!(out, "\n## {}", code(&format::escaped(&finding.file)))?;
            writeln!(out, "\n| line | severity | held | required | rule | finding |")?;
            writeln!(out, "|--:|---|---|---|---|---|")?;
            file = Some(&finding.file);
        }
        writeln!(
            out,
            "| {} | {} | {} | {} | `{}` | {} |",
            finding.start.line,
            finding.severity,
            finding.strength,
            finding.required,
            finding.rule,
            text(&format::escaped(&finding.message)),
        )?;
    }
    if pins.inventory {
        writeln!(out, "\n## Inputs: {}", format::length(report.inputs.len()))?;
        writeln!(out, "\n| held | required | ecosystem | input | version | where |")?;
        writeln!(out, "|---|---|---|---|---|---|")?;
        for judged in &report.inputs {
            let input = &judged.input;
            let clean = |plain: &str| {
                let plain = plain.replace(UNKNOWN, "…");
                if plain.is_empty() { String::new() } else { code(&format::escaped(&plain)) }
            };
            let place = format!("{}:{}", input.place.file, input.place.start.line);
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} |",
                input.held(),
                judged.required,
                input.ecosystem,
                clean(&input.subject),
                clean(&input.requested),
                clean(&place),
            )?;
        }
    }
    if !report.gaps.is_empty() {
        writeln!(out, "\n## Could not be read: {}\n", format::count(report.gaps.len(), "part"))?;
        for gap in &report.gaps {
            let place = code(&pins::gap_place(gap));
            writeln!(out, "- {place}: {}", text(&format::escaped(&gap.reason)))?;
        }
    }
    let rules = pins::rules_of(report);
    if !rules.is_empty() {
        writeln!(out, "\n## What to do\n")?;
        for rule in rules {
            writeln!(out, "- `{}`: {}", rule.id, text(rule.fix))?;
        }
    }
    Ok(())
}

/// A code span that also stands in a table cell. The text has no line breaks (it is escaped).
pub(super) fn code(text: &str) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    let edge = text.starts_with('`') || text.ends_with('`') || text.starts_with(' ');
    let pad = if edge || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', "\\|"))
}

/// A sentence with all markup taken out of force.
pub(super) fn text(plain: &str) -> String {
    let mut out = String::with_capacity(plain.len() + plain.len() / 8);
    for character in plain.chars() {
        match character {
            '@' | '#' => {
                out.push(character);
                out.push_str("<!-- -->");
            }
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '!' | '|' | '~' | '&'
            | '$' => {
                out.push('\\');
                out.push(character);
            }
            '\n' | '\r' => out.push(' '),
            // `http:` would become a link by itself, `:name:` a picture.
            ':' => out.push_str("\\:"),
            other => out.push(other),
        }
    }
    // `: ` in prose is neither.
    out.replace("\\: ", ": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{self, golden, render, render_as, render_pins};

    #[test]
    fn drift_as_markdown() {
        golden("drift.md", &render(drift, &testing::drift()));
        let all = View { all: true, ..View::PLAIN };
        let text = render_as(drift, &testing::drift(), all);
        assert!(text.contains("<details>"));
    }

    #[test]
    fn pins_as_markdown() {
        golden("pins.md", &render_pins(pins, true, View::PLAIN));
    }

    #[test]
    fn rows_keep_their_columns() {
        let verbose = View { verbosity: Verbosity::Verbose, ..View::PLAIN };
        let text = render_as(drift, &testing::drift(), verbose);
        for line in text.lines().filter(|line| line.starts_with("| ") && line.contains("script")) {
            let bare = line.replace("\\\\", "").replace("\\|", "");
            assert_eq!(bare.matches('|').count(), 5, "{line}");
        }
    }

    #[test]
    fn code_spans_and_sentences_are_inert() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("`a``b"), "``` `a``b ```");
        assert_eq!(code("a|b"), "`a\\|b`");
        let check = |plain: &str, expected: &str| assert_eq!(text(plain), expected);
        check("<img src=x>", "\\<img src=x\\>");
        check("@all #1", "@<!-- -->all #<!-- -->1");
        check("see https://x [a](b)", "see https\\://x \\[a\\](b)");
        check("size: 5", "size: 5");
    }
}
