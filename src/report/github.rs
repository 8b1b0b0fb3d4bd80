//! Workflow commands of GitHub Actions: one annotation for each finding and each gap.
//!
//! <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>: data escapes
//! `%`, CR and LF; properties `:` and `,` as well.

use super::View;
use super::pins::{self, Pins};
use super::sheet::{Place, Row, Sheet};
use crate::model::path::Escaped;
use crate::model::{DriftReport, Severity};
use std::io::{self, Write};

/// Writes a comparison. Paths inside a target are no files of the repository, so they stand in
/// the text and not in `file=`.
pub(super) fn drift(report: &DriftReport, _: &View, out: &mut dyn Write) -> io::Result<()> {
    write(&Sheet::of_drift(report), out)
}

/// Writes an audit of build files.
pub(super) fn pins(pins: &Pins<'_>, _: &View, out: &mut dyn Write) -> io::Result<()> {
    write(&pins::sheet(pins), out)
}

/// Writes any sheet.
fn write(sheet: &Sheet, out: &mut dyn Write) -> io::Result<()> {
    for row in &sheet.rows {
        let command = match row.severity {
            Severity::Critical | Severity::High => "error",
            Severity::Medium => "warning",
            Severity::Low | Severity::Info => "notice",
        };
        let place = place(row);
        let title = property(&format!("{}: {}", row.severity, row.rule));
        let mut text = row.title.clone();
        for detail in &row.details {
            text.push('\n');
            text.push_str(detail);
        }
        writeln!(out, "::{command} {place}title={title}::{}", data(&text))?;
    }
    for (place, reason) in &sheet.gaps {
        let title = property(&format!("not read: {place}"));
        writeln!(out, "::error title={title}::{}", data(reason))?;
    }
    writeln!(out, "{}", plain(&sheet.headline))
}

fn place(row: &Row) -> String {
    let Some(Place::File { path, region: Some(region) }) = row.places.first() else {
        return String::new();
    };
    let file = match std::str::from_utf8(path) {
        Ok(plain) if !plain.chars().any(char::is_control) => property(plain),
        _ => property(&Escaped(path).to_string()),
    };
    let mut place = format!("file={file},line={},endLine={}", region.start_line, region.end_line);
    if region.start_line == region.end_line {
        // The last column is the last character's, not the one behind it.
        let last = region.end_column.saturating_sub(1).max(region.start_column);
        place.push_str(&format!(",col={},endColumn={last}", region.start_column));
    }
    place.push(',');
    place
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A line that is no command: only `::` and the older `##[` at its start would make it one.
fn plain(text: &str) -> String {
    let command = text.trim_start().starts_with("::") || text.contains("##[");
    if command { format!("- {}", text.replace("##[", "## [")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{self, golden, render, render_pins};

    #[test]
    fn pins_as_github() {
        golden("pins.github", &render_pins(pins, false, View::PLAIN));
    }

    #[test]
    fn drift_as_annotations() {
        let text = render(drift, &testing::drift());
        golden("drift.github", &text);
        let report = testing::drift();
        let commands = text.lines().filter(|line| line.starts_with("::")).count();
        assert_eq!(commands, report.findings.len() + report.gaps.len());
    }

    #[test]
    fn nothing_ends_a_command_early() {
        let check = |text: &str, expected: &str| assert_eq!(property(text), expected);
        check("a,b:c%0A\n\r", "a%2Cb%3Ac%250A%0A%0D");
        assert_eq!(plain("::error::x"), "- ::error::x");
        assert_eq!(plain("drift: x"), "drift: x");
    }
}
