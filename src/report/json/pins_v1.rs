//! `driftcheck.pins/1`: what could be another version next week, and with `--inventory` everything
//! that the build files take from outside.
//!
//! `ndjson` has a first line of type `report` and then one line for each `finding`, `suppressed`
//! finding, `input` and `gap`.

use super::{document, line};
use crate::pins::inventory;
use crate::pins::{
    Credit, Origin, PinFinding, PinGap, PinInput, Place, Position, Suppressed, UNKNOWN,
};
use crate::report::{Pins, View};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};

const SCHEMA: &str = "driftcheck.pins/1";

#[derive(Serialize)]
struct Head {
    schema: &'static str,
    summary: Summary,
}

#[derive(Serialize)]
struct Summary {
    findings: usize,
    #[serde(skip_serializing_if = "is_zero")]
    suppressed: usize,
    inputs: usize,
    gaps: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<usize>,
    files_read: usize,
    files_seen: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A finding that an exception hides.
#[derive(Serialize)]
struct Hidden<'a> {
    #[serde(flatten)]
    finding: Finding<'a>,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// `comment` or `policy`.
    by: &'static str,
}

impl<'a> From<&'a Suppressed> for Hidden<'a> {
    fn from(hidden: &'a Suppressed) -> Self {
        Self {
            finding: (&hidden.finding).into(),
            reason: &hidden.reason,
            until: hidden.until.map(|day| day.to_string()),
            by: if hidden.in_source { "comment" } else { "policy" },
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    head: Head,
    findings: Vec<Finding<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressed: Vec<Hidden<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<Vec<Input<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixes: Option<Vec<Fix<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Held<'a>>,
    gaps: Vec<Gap<'a>>,
}

/// The golden image that the files were held against.
#[derive(Serialize)]
struct Held<'a> {
    manifest: &'a str,
    installed: usize,
    declared: usize,
    needed: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<usize>,
    asked_for: usize,
    undeclared: Vec<Installed<'a>>,
}

/// A package that nothing accounts for.
#[derive(Serialize)]
struct Installed<'a> {
    manager: &'a str,
    name: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<&'a str>,
}

fn held<'a>(pins: &'a Pins<'_>) -> Option<Held<'a>> {
    let against = pins.against?;
    let undeclared = against.undeclared.iter().map(|one| Installed {
        manager: &one.manager,
        name: &one.name,
        version: &one.version,
        base: one.base.as_deref(),
    });
    Some(Held {
        manifest: &against.label,
        installed: against.installed,
        declared: against.declared,
        needed: against.needed,
        base: against.base,
        asked_for: against.asked_for,
        undeclared: undeclared.collect(),
    })
}

/// What was or would be pinned, or why it is left alone.
#[derive(Serialize)]
struct Fix<'a> {
    /// `fixed`, `fixable` or `left`.
    outcome: &'static str,
    file: &'a str,
    start: Point,
    ecosystem: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edits: Option<Vec<Edit<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    fingerprint: &'a str,
}

/// Raw bytes of the file as it was, and what takes their place.
#[derive(Serialize)]
struct Edit<'a> {
    byte_range: (usize, usize),
    text: &'a str,
}

fn fixes<'a>(pins: &'a Pins<'_>) -> Option<Vec<Fix<'a>>> {
    let fixing = pins.fixing?;
    let outcome = if pins.is_fixed { "fixed" } else { "fixable" };
    let fixed = fixing.fixed.iter().map(|one| Fix {
        outcome,
        file: &one.file,
        start: one.start.into(),
        ecosystem: one.ecosystem,
        subject: &one.subject,
        pin: Some(&one.pin),
        from: Some(&one.from),
        edits: Some(
            one.edits
                .iter()
                .map(|edit| Edit { byte_range: (edit.start_byte, edit.end_byte), text: &edit.text })
                .collect(),
        ),
        reason: None,
        fingerprint: &one.fingerprint,
    });
    let left = fixing.left.iter().map(|one| Fix {
        outcome: "left",
        file: &one.file,
        start: one.start.into(),
        ecosystem: one.ecosystem,
        subject: &one.subject,
        pin: None,
        from: None,
        edits: None,
        reason: Some(&one.reason),
        fingerprint: &one.fingerprint,
    });
    Some(fixed.chain(left).collect())
}

#[derive(Serialize)]
struct Point {
    line: usize,
    column: usize,
}

impl From<Position> for Point {
    fn from(position: Position) -> Self {
        Self { line: position.line, column: position.column }
    }
}

#[derive(Serialize)]
struct Finding<'a> {
    rule: &'a str,
    severity: &'static str,
    strength: &'static str,
    required: &'static str,
    file: &'a str,
    start: Point,
    end: Point,
    byte_range: (usize, usize),
    carrier: &'a str,
    ecosystem: &'a str,
    subject: &'a str,
    requested: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Source<'a>>,
    fingerprint: &'a str,
}

impl<'a> From<&'a PinFinding> for Finding<'a> {
    fn from(finding: &'a PinFinding) -> Self {
        Self {
            rule: finding.rule,
            severity: finding.severity.as_str(),
            strength: finding.strength.as_str(),
            required: finding.required.as_str(),
            file: &finding.file,
            start: finding.start.into(),
            end: finding.end.into(),
            byte_range: finding.byte_range,
            carrier: finding.carrier,
            ecosystem: finding.ecosystem,
            subject: &finding.subject,
            requested: &finding.requested,
            message: &finding.message,
            fix: finding.fix.as_deref(),
            origin: finding.origin.as_ref().map(Into::into),
            fingerprint: &finding.fingerprint,
        }
    }
}

/// Where a value came from that does not stand at the word itself.
#[derive(Serialize)]
struct Source<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Point>,
    overridable: bool,
}

impl<'a> From<&'a Origin> for Source<'a> {
    fn from(origin: &'a Origin) -> Self {
        let place: Option<&Place> = origin.place.as_ref();
        Self {
            name: &origin.name,
            file: place.map(|place| &*place.file),
            start: place.map(|place| place.start.into()),
            overridable: origin.overridable,
        }
    }
}

#[derive(Serialize)]
struct Input<'a> {
    rule: &'a str,
    strength: &'static str,
    required: &'static str,
    accepted: bool,
    file: &'a str,
    start: Point,
    end: Point,
    byte_range: (usize, usize),
    carrier: &'a str,
    ecosystem: &'static str,
    category: &'static str,
    subject: Cow<'a, str>,
    requested: Cow<'a, str>,
    /// Where it is fetched from.
    source: String,
    /// The kind of file, and what the machine that it goes into is built from.
    consumer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Source<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credit: Option<Credited<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

/// What holds it more firmly than what is written.
#[derive(Serialize)]
struct Credited<'a> {
    strength: &'static str,
    why: &'a str,
}

impl<'a> From<&'a Credit> for Credited<'a> {
    fn from(credit: &'a Credit) -> Self {
        Self { strength: credit.strength.as_str(), why: &credit.why }
    }
}

impl<'a> From<&'a PinInput> for Input<'a> {
    fn from(judged: &'a PinInput) -> Self {
        let input = &judged.input;
        Self {
            rule: input.rule,
            strength: input.held().as_str(),
            required: judged.required.as_str(),
            accepted: judged.accepted,
            file: &input.place.file,
            start: input.place.start.into(),
            end: input.place.end.into(),
            byte_range: (input.place.start_byte, input.place.end_byte),
            carrier: input.carrier,
            ecosystem: input.ecosystem.as_str(),
            category: input.ecosystem.category().as_str(),
            subject: known(&input.subject),
            requested: known(&input.requested),
            source: inventory::source(input),
            consumer: inventory::consumer(input),
            purl: inventory::purl(input),
            origin: input.origin.as_ref().map(Into::into),
            credit: input.credit.as_ref().map(Into::into),
            advice: input.advice.as_deref(),
            note: input.note.as_deref(),
        }
    }
}

/// The mark for what comes from outside as people see it.
fn known(text: &str) -> Cow<'_, str> {
    if text.contains(UNKNOWN) {
        Cow::Owned(text.replace(UNKNOWN, "…"))
    } else {
        Cow::Borrowed(text)
    }
}

#[derive(Serialize)]
struct Gap<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    reason: &'a str,
}

impl<'a> From<&'a PinGap> for Gap<'a> {
    fn from(gap: &'a PinGap) -> Self {
        Self { file: &gap.file, line: gap.line, reason: &gap.reason }
    }
}

fn head(pins: &Pins<'_>) -> Head {
    let report = pins.report;
    let summary = Summary {
        findings: report.findings.len(),
        suppressed: report.suppressed.len(),
        inputs: report.inputs.len(),
        gaps: report.gaps.len(),
        accepted: Some(report.accepted.len()).filter(|accepted| *accepted > 0),
        files_read: report.files_read,
        files_seen: report.files_seen,
    };
    Head { schema: SCHEMA, summary }
}

/// `json`.
pub(in crate::report) fn write(pins: &Pins<'_>, _: &View, out: &mut dyn Write) -> io::Result<()> {
    let report = pins.report;
    let inputs = || report.inputs.iter().map(Into::into).collect();
    let value = Document {
        head: head(pins),
        findings: report.findings.iter().map(Into::into).collect(),
        suppressed: report.suppressed.iter().map(Into::into).collect(),
        inputs: pins.inventory.then(inputs),
        fixes: fixes(pins),
        against: held(pins),
        gaps: report.gaps.iter().map(Into::into).collect(),
    };
    document(&value, out)
}

/// `ndjson`.
pub(in crate::report) fn write_lines(
    pins: &Pins<'_>,
    _: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let report = pins.report;
    line("report", &head(pins), out)?;
    report.findings.iter().try_for_each(|row| line("finding", &Finding::from(row), out))?;
    let hidden = &report.suppressed;
    hidden.iter().try_for_each(|row| line("suppressed", &Hidden::from(row), out))?;
    if pins.inventory {
        report.inputs.iter().try_for_each(|row| line("input", &Input::from(row), out))?;
    }
    fixes(pins).into_iter().flatten().try_for_each(|row| line("fix", &row, out))?;
    held(pins).into_iter().try_for_each(|row| line("against", &row, out))?;
    report.gaps.iter().try_for_each(|row| line("gap", &Gap::from(row), out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json::schema;
    use crate::report::testing::{golden, render_pins};

    #[test]
    fn the_document_is_as_the_contract_says() {
        let text = render_pins(write, true, View::PLAIN);
        schema::check("pins-1.json", &text);
        golden("pins.json", &text);
        schema::check("pins-1.json", &render_pins(write, false, View::PLAIN));
    }

    #[test]
    fn lines_hold_the_same() {
        let text = render_pins(write_lines, true, View::PLAIN);
        let types: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|value| value["type"].as_str().unwrap().to_owned())
            .collect();
        let expected = [
            "report", "finding", "finding", "finding", "finding", "input", "input", "fix", "fix",
            "fix", "fix", "against", "gap",
        ];
        assert_eq!(types, expected);
    }
}
