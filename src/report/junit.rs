//! JUnit XML, the dialect that GitLab, Jenkins and Azure read: a failed test case for each finding,
//! one in error for each part that could not be read, one that passes where there is neither.
//!
//! No times and no host name are written: the same report gives the same bytes.

use super::View;
use super::pins::{self, Pins};
use super::sheet::{Place, Row, Sheet};
use crate::model::DriftReport;
use std::fmt::{self, Display};
use std::io::{self, Write};

/// Writes a comparison.
pub(super) fn drift(report: &DriftReport, _: &View, out: &mut dyn Write) -> io::Result<()> {
    write(&Sheet::of_drift(report), out)
}

/// Writes an audit of build files.
pub(super) fn pins(pins: &Pins<'_>, _: &View, out: &mut dyn Write) -> io::Result<()> {
    write(&pins::sheet(pins), out)
}

/// Writes any sheet as one test suite.
fn write(sheet: &Sheet, out: &mut dyn Write) -> io::Result<()> {
    let failures = sheet.rows.len();
    let errors = sheet.gaps.len();
    let tests = (failures + errors).max(1);
    let kind = sheet.kind;
    let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"");
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"driftcheck\" {counts}>")?;
    writeln!(out, "  <testsuite name=\"driftcheck {kind}\" {counts}>")?;
    for row in &sheet.rows {
        failure(row, kind, out)?;
    }
    for (place, reason) in &sheet.gaps {
        let (place, reason) = (Xml(place), Xml(reason));
        writeln!(out, "    <testcase classname=\"{kind}.gaps\" name=\"{place}\">")?;
        writeln!(out, "      <error type=\"gap\" message=\"{reason}\"/>")?;
        writeln!(out, "    </testcase>")?;
    }
    if failures + errors == 0 {
        let headline = Xml(&sheet.headline);
        writeln!(out, "    <testcase classname=\"{kind}\" name=\"{headline}\"/>")?;
    }
    writeln!(out, "  </testsuite>")?;
    writeln!(out, "</testsuites>")
}

fn failure(row: &Row, kind: &str, out: &mut dyn Write) -> io::Result<()> {
    let title = Xml(&row.title);
    let rule = match row.rule.strip_prefix(kind) {
        Some(_) => row.rule.clone(),
        None => format!("{kind}.{}", row.rule),
    };
    let rule = Xml(&rule);
    let details = row.details.join("\n");
    let mut place = String::new();
    if let Some(Place::File { path, region: Some(region) }) = row.places.first() {
        let path = String::from_utf8_lossy(path);
        place = format!(" file=\"{}\" line=\"{}\"", Xml(&path), region.start_line);
    }
    writeln!(out, "    <testcase classname=\"{rule}\" name=\"{title}\"{place}>")?;
    writeln!(
        out,
        "      <failure type=\"{}\" message=\"{title}\">{}</failure>",
        row.severity,
        Xml(&details)
    )?;
    writeln!(out, "    </testcase>")
}

/// Text for XML 1.0, in attributes and between tags: markup is written as entities, characters
/// that no XML document may hold become U+FFFD.
struct Xml<'a>(&'a str);

impl Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' => f.write_str("&#10;")?,
                '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{self, golden, render, render_pins};

    #[test]
    fn pins_as_junit() {
        golden("pins.junit", &render_pins(pins, false, View::PLAIN));
    }

    #[test]
    fn drift_as_junit() {
        golden("drift.junit", &render(drift, &testing::drift()));
        golden("clean.junit", &render(drift, &testing::clean()));
    }

    #[test]
    fn markup_is_text() {
        let check = |text: &str, expected: &str| assert_eq!(Xml(text).to_string(), expected);
        check("a<b>&\"c'", "a&lt;b&gt;&amp;&quot;c&#39;");
        check("a\u{0}\n\u{ffff}", "a\u{fffd}&#10;\u{fffd}");
    }
}
