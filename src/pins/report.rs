//! A finished audit as plain data: the fields of `driftcheck.pins/1`. Reporters print it and
//! decide nothing.

use super::input::{Input, Origin, PinForm, PinGap, Remark};
use super::requirements::Requirements;
use super::rules;
use super::span::{Position, UNKNOWN};
use super::strength::Strength;
use super::suppress::Suppressed;
use crate::model::Severity;
use std::collections::BTreeMap;
use std::fmt::Write;

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinFinding {
    /// The rule family's id.
    pub rule: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// How firmly the input is held, credits included.
    pub strength: Strength,
    /// How firmly policy wants it held.
    pub required: Strength,
    /// Path as the report shows it.
    pub file: String,
    /// Of the first character.
    pub start: Position,
    /// Past the last character.
    pub end: Position,
    /// Half-open, in the raw file.
    pub byte_range: (usize, usize),
    /// The carrier that read it.
    pub carrier: &'static str,
    /// The ecosystem's word; empty for findings that are no inputs.
    pub ecosystem: &'static str,
    /// What it is about.
    pub subject: String,
    /// The version as written.
    pub requested: String,
    /// One sentence.
    pub message: String,
    /// What to do, in one line.
    pub fix: Option<String>,
    /// How a version would be written there.
    pub form: Option<PinForm>,
    /// Where the value came from, if not from the word itself.
    pub origin: Option<Origin>,
    /// Stable as long as it is the same input in the same file, wherever its line moves:
    /// hexadecimal.
    pub fingerprint: String,
}

/// One external input, pinned or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinInput {
    /// The input.
    pub input: Input,
    /// How firmly policy wants it held.
    pub required: Strength,
    /// Whether it is held firmly enough.
    pub accepted: bool,
}

/// The answer to "what could be another version next week?".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PinReport {
    /// By file and place.
    pub findings: Vec<PinFinding>,
    /// By file and place: everything that the files take from outside.
    pub inputs: Vec<PinInput>,
    /// What could not be read.
    pub gaps: Vec<PinGap>,
    /// What a suppression hides, by file and place.
    pub suppressed: Vec<Suppressed>,
    /// What was there when the gate was switched on, by file and place.
    pub accepted: Vec<PinFinding>,
    /// How many files a carrier read.
    pub files_read: usize,
    /// How many files were looked at.
    pub files_seen: usize,
}

impl PinReport {
    /// Judges what an audit collected. Inputs and remarks are sorted and freed from doubles here.
    #[must_use]
    pub fn judge(
        inputs: Vec<Input>,
        remarks: Vec<Remark>,
        mut gaps: Vec<PinGap>,
        requirements: &Requirements,
    ) -> Self {
        let mut findings = Vec::new();
        let mut judged = Vec::new();
        for input in without_doubles(inputs) {
            let required = requirements.required(input.ecosystem, &input.place.file);
            let accepted = requirements.accepts(&input);
            if !accepted {
                findings.push(finding_of(&input, required, requirements));
            }
            judged.push(PinInput { input, required, accepted });
        }
        let remarks = remarks.into_iter().filter(|remark| requirements.judges(remark.rule));
        findings.extend(remarks.map(|remark| finding_of_remark(remark, requirements)));
        gaps.sort();
        gaps.dedup();
        let mut report = Self { inputs: judged, gaps, ..Self::default() };
        report.set_findings(findings);
        report
    }

    /// Hands in findings that are no inputs.
    pub(super) fn remark(&mut self, remarks: Vec<Remark>, requirements: &Requirements) {
        let remarks = remarks.into_iter().filter(|remark| requirements.judges(remark.rule));
        let mut findings = std::mem::take(&mut self.findings);
        findings.extend(remarks.map(|remark| finding_of_remark(remark, requirements)));
        self.set_findings(findings);
    }

    /// Puts findings in, sorted and with their fingerprints.
    pub(super) fn set_findings(&mut self, mut findings: Vec<PinFinding>) {
        findings.sort_by(|a, b| {
            (&a.file, a.byte_range, a.rule, &a.subject).cmp(&(
                &b.file,
                b.byte_range,
                b.rule,
                &b.subject,
            ))
        });
        fingerprint_all(&mut findings);
        self.findings = findings;
    }

    /// Joins the report of another root: what both read is there once.
    pub(super) fn join(&mut self, other: Self) {
        let mut findings = std::mem::take(&mut self.findings);
        findings.extend(other.findings);
        self.set_findings(findings);
        let key = |finding: &PinFinding| {
            (finding.file.clone(), finding.byte_range, finding.rule, finding.subject.clone())
        };
        self.findings.dedup_by(|a, b| key(a) == key(b));
        self.suppressed.extend(other.suppressed);
        self.accepted.extend(other.accepted);
        self.inputs.extend(other.inputs);
        self.inputs.sort_by(|a, b| a.input.place.cmp(&b.input.place));
        self.inputs.dedup();
        self.gaps.extend(other.gaps);
        self.gaps.sort();
        self.gaps.dedup();
        self.files_read = self.files_read.saturating_add(other.files_read);
        self.files_seen = self.files_seen.saturating_add(other.files_seen);
    }
}

/// Sorted by place; of one input read twice (by itself and followed from another file) the one
/// that says more stays: a known strength over an unknown one, then the weaker.
fn without_doubles(mut inputs: Vec<Input>) -> Vec<Input> {
    inputs.sort_by(|a, b| {
        let key = |input: &Input| (input.place.clone(), input.ecosystem, input.subject.clone());
        key(a)
            .cmp(&key(b))
            .then_with(|| a.held().cmp(&b.held()))
            .then_with(|| a.carrier.cmp(b.carrier))
    });
    inputs.dedup_by(|later, kept| {
        later.place == kept.place
            && later.ecosystem == kept.ecosystem
            && later.subject == kept.subject
    });
    inputs
}

fn finding_of(input: &Input, required: Strength, requirements: &Requirements) -> PinFinding {
    let held = input.held();
    PinFinding {
        rule: input.rule,
        severity: requirements.severity(input.rule, held),
        strength: held,
        required,
        file: input.place.file.to_string(),
        start: input.place.start,
        end: input.place.end,
        byte_range: (input.place.start_byte, input.place.end_byte),
        carrier: input.carrier,
        ecosystem: input.ecosystem.as_str(),
        subject: input.subject.replace(UNKNOWN, "…"),
        requested: input.requested.replace(UNKNOWN, "…"),
        message: message(input, required),
        fix: rules::rule(input.rule).map(|rule| rule.fix.to_owned()),
        form: input.form.clone(),
        origin: input.origin.clone(),
        fingerprint: String::new(),
    }
}

/// The finding of a remark; without a fingerprint, which goes by its place among its like.
pub(super) fn finding_of_remark(remark: Remark, requirements: &Requirements) -> PinFinding {
    PinFinding {
        rule: remark.rule,
        severity: requirements.severity(remark.rule, Strength::None),
        strength: Strength::None,
        required: Strength::None,
        file: remark.place.file.to_string(),
        start: remark.place.start,
        end: remark.place.end,
        byte_range: (remark.place.start_byte, remark.place.end_byte),
        carrier: remark.carrier,
        ecosystem: "",
        subject: remark.subject,
        requested: String::new(),
        message: remark.message,
        fix: rules::rule(remark.rule).map(|rule| rule.fix.to_owned()),
        form: None,
        origin: None,
        fingerprint: String::new(),
    }
}

/// The sentence of a finding.
fn message(input: &Input, required: Strength) -> String {
    let subject = input.subject.replace(UNKNOWN, "…");
    let requested = input.requested.replace(UNKNOWN, "…");
    let mut text = match input.held() {
        Strength::None if requested.is_empty() => format!("`{subject}` has no version"),
        Strength::None => format!("`{subject}`: `{requested}` is no version"),
        Strength::Floating if requested.is_empty() => format!("`{subject}` moves on purpose"),
        Strength::Floating => format!("`{subject}`: `{requested}` moves on purpose"),
        Strength::Range => format!("`{subject}`: `{requested}` allows many versions"),
        Strength::Exact if requested.is_empty() => format!("`{subject}` can be replaced in place"),
        Strength::Exact => format!("`{subject}`: `{requested}` can be replaced in place"),
        Strength::Content => format!("`{subject}` is held by its content"),
        Strength::Unknown => format!("`{subject}`: the value comes from outside"),
    };
    if let Some(note) = &input.note {
        let _ = write!(text, " ({note})");
    }
    if let Some(origin) = &input.origin {
        let _ = write!(text, "; from {}", origin.name);
        if let Some(place) = &origin.place {
            let _ = write!(text, " at {}:{}", place.file, place.start.line);
        }
        if origin.overridable {
            text.push_str(", which can be overridden from outside");
        }
    }
    let _ = write!(text, "; policy asks for {required}");
    text
}

/// Fingerprints: file, rule, ecosystem and subject, and a counter for the same one more than once
/// in a file. Neither the line nor the version is in them.
fn fingerprint_all(findings: &mut [PinFinding]) {
    let mut seen: BTreeMap<[u8; 32], u32> = BTreeMap::new();
    for finding in findings {
        let text = format!(
            "{}\0{}\0{}\0{}",
            finding.file, finding.rule, finding.ecosystem, finding.subject
        );
        let base = blake3::hash(text.as_bytes());
        let count = seen.entry(*base.as_bytes()).or_default();
        *count = count.saturating_add(1);
        if !finding.fingerprint.is_empty() {
            continue;
        }
        let hash = blake3::hash(format!("{text}\0{count}").as_bytes());
        finding.fingerprint = hash.to_hex().chars().take(32).collect();
    }
}
