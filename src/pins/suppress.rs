//! Exceptions that cannot rot: a comment beside the word, or an `[[ignore]]` in `driftcheck.toml`
//! for formats without comments.
//!
//! ```text
//! # driftcheck:ignore pins/os-package until=2027-01-31 reason="vendor mirror" pkg=curl
//! ```
//!
//! In the format's own comment (`#`, `//`, `/* */`, `<!-- -->`, `<# #>`, `;`, `REM`, `::`): behind
//! code it counts for its line, on a line of its own for the next line of code, with the lines that
//! continue it and, where it opens a block (`module "x" {`, `packages:`), the block. A rule (or several) and a
//! reason must stand there; `pkg` narrows it to subjects; `until` is the last day on which it
//! counts. A rule may also be `pins/` and an ecosystem (`pins/apt`). The first word that is no part
//! of it ends it, so that bots may append theirs. What is malformed, expired or hides nothing does
//! not count, and is a finding itself.
//!
//! There is no clock in here: the caller says what day it is.

use super::input::{Place, Remark};
use super::report::{PinFinding, PinReport, finding_of_remark};
use super::repository::SourceFile;
use super::requirements::Requirements;
use super::rules;
use super::strength::Ecosystem;
use jiff::civil::Date;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// The word that begins one.
const WORD: &str = "driftcheck:ignore";

/// The rule that they are judged by themselves.
const RULE: &str = "pins/suppression";

/// More of them in one file were not written by people.
const MAX_PER_FILE: usize = 2_000;

/// A longer block is excepted as far as this many lines.
const MAX_BLOCK: usize = 10_000;

/// Marks that begin a comment in the formats that are read.
const MARKS: &[&str] = &["<#", "#", "//", "/*", "<!--", "::", ";", "{#", "--"];

/// What an exception counts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// Where it stands.
    pub place: Place,
    /// The lines of its file that it counts for; `None` for files that a sidecar names.
    pub lines: Option<RangeInclusive<usize>>,
    /// Rule ids, or `pins/` and an ecosystem.
    pub rules: Vec<String>,
    /// Subjects; none means all.
    pub subjects: Vec<String>,
    /// The last day on which it counts.
    pub until: Option<Date>,
    /// Why.
    pub reason: String,
    /// What is wrong with it.
    pub fault: Option<String>,
}

/// A finding that an exception hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppressed {
    /// What would be shown.
    pub finding: PinFinding,
    /// Why it is not.
    pub reason: String,
    /// The last day on which it is not.
    pub until: Option<Date>,
    /// Whether a comment of its file says so; else the policy does.
    pub in_source: bool,
}

/// The comments of a file.
#[must_use]
pub fn scan(file: &SourceFile) -> Vec<Suppression> {
    let text = String::from_utf8_lossy(&file.bytes);
    // Replacement characters would move offsets: such a file has no comments that anyone wrote.
    if !text.contains(WORD) || text.len() != file.bytes.len() {
        return Vec::new();
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let next = next_code(&lines);
    let mut found = Vec::new();
    let mut start = 0_usize;
    for (index, line) in lines.iter().enumerate() {
        let here = line.find(WORD).filter(|_| found.len() < MAX_PER_FILE);
        if let Some(at) = here
            && let Some(code) = line.get(..at).and_then(before_mark)
        {
            let body = line.get(at.saturating_add(WORD.len())..).unwrap_or_default();
            let parsed = parse(body);
            let from = start.saturating_add(at);
            let to = from.saturating_add(WORD.len()).saturating_add(parsed.length);
            let (begin, end) = file.positions(&(from..to));
            let place = Place {
                file: std::sync::Arc::clone(&file.path),
                start_byte: from,
                end_byte: to,
                start: begin,
                end,
            };
            let alone = code.trim().is_empty();
            let number = index.saturating_add(1);
            let behind = next.get(number).copied().unwrap_or(lines.len());
            let first = if alone { behind.saturating_add(1) } else { number };
            // Within a command that goes on it is about the next line of it.
            let within = index.checked_sub(1).and_then(|before| lines.get(before));
            let within = within.is_some_and(|line| goes_on(line));
            let last = if alone && !within { last_of(&lines, first) } else { first };
            found.push(Suppression {
                place,
                lines: Some(first..=last),
                rules: parsed.rules,
                subjects: parsed.subjects,
                until: parsed.until,
                reason: parsed.reason,
                fault: parsed.fault,
            });
        }
        start = start.saturating_add(line.len());
    }
    found
}

/// The code before a comment mark that stands right before the directive.
fn before_mark(line: &str) -> Option<&str> {
    let line = line.trim_end();
    let marked = MARKS.iter().find_map(|mark| line.strip_suffix(mark));
    marked.map(|code| code.trim_end_matches(['#', '/', ';'])).or_else(|| {
        let start = line.len().checked_sub(3)?;
        let word = line.get(start..)?;
        let code = line.get(..start)?;
        (word.eq_ignore_ascii_case("rem") && !code.ends_with(char::is_alphanumeric)).then_some(code)
    })
}

/// For each line the index of the first one from it on that is neither blank nor a comment.
fn next_code(lines: &[&str]) -> Vec<usize> {
    let comment = |line: &str| {
        let line = line.trim();
        line.is_empty()
            || MARKS.iter().any(|mark| line.starts_with(mark))
            || line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("rem "))
    };
    let mut next = vec![lines.len(); lines.len()];
    let mut last = lines.len();
    for (index, line) in lines.iter().enumerate().rev() {
        if !comment(line) {
            last = index;
        }
        if let Some(own) = next.get_mut(index) {
            *own = last;
        }
    }
    next
}

fn goes_on(line: &str) -> bool {
    line.trim_end().ends_with(['\\', '`'])
}

/// The last line of what begins on line `first`: a line goes on behind a backslash or a backtick, a
/// block as far as lines stand deeper, and to the bracket that closes it.
fn last_of(lines: &[&str], first: usize) -> usize {
    let Some(start) = first.checked_sub(1).and_then(|at| lines.get(at)) else { return first };
    let indent = |line: &str| line.len().saturating_sub(line.trim_start().len());
    let own = indent(start);
    let behind = lines.iter().skip(first).take(MAX_BLOCK);
    if goes_on(start) {
        let comment = |line: &str| MARKS.iter().any(|mark| line.trim_start().starts_with(mark));
        let inner = behind.take_while(|line| goes_on(line) || comment(line)).count();
        return first.saturating_add(inner).saturating_add(1).min(lines.len());
    }
    if !start.trim_end().ends_with(['{', '[', '(', ':']) {
        return first;
    }
    let list = start.trim_end().ends_with(':');
    let deeper = |line: &str| {
        let text = line.trim();
        text.is_empty()
            || indent(line) > own
            || list && indent(line) == own && text.starts_with("- ")
            || indent(line) == own && text.starts_with(['}', ']', ')'])
    };
    first.saturating_add(behind.take_while(|line| deeper(line)).count())
}

/// What stands behind the word.
#[derive(Default)]
struct Parsed {
    rules: Vec<String>,
    subjects: Vec<String>,
    until: Option<Date>,
    reason: String,
    fault: Option<String>,
    length: usize,
}

fn parse(body: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut reason = None;
    let mut at = 0_usize;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let content = rest.trim_start_matches([' ', '\t', ',', '[', ']']);
        let start = at.saturating_add(rest.len().saturating_sub(content.len()));
        let word_end = content.find([' ', '\t', ',', ']', '\r', '\n']).unwrap_or(content.len());
        let word = content.get(..word_end).unwrap_or_default();
        if word.starts_with("pins/") {
            match check_rule(word) {
                Ok(()) => parsed.rules.push(word.to_owned()),
                Err(fault) => parsed.fault = Some(fault),
            }
            at = start.saturating_add(word_end);
        } else if let Some((key, after)) = key_of(content) {
            let value = match value_of(after) {
                Ok((value, length)) => {
                    at = start.saturating_add(key.len()).saturating_add(1).saturating_add(length);
                    value
                }
                Err(fault) => {
                    parsed.fault = Some(fault);
                    parsed.length = body.trim_end().len();
                    return parsed;
                }
            };
            match key {
                "reason" => reason = Some(value),
                "pkg" => parsed.subjects.extend(value.split(',').map(|one| one.trim().to_owned())),
                "until" => match value.parse::<Date>() {
                    Ok(day) => parsed.until = Some(day),
                    Err(_) => parsed.fault = Some(format!("`{value}` is no day like 2027-01-31")),
                },
                other if reason.is_none() => {
                    parsed.fault = Some(format!("`{other}=` means nothing here"));
                }
                _ => break,
            }
        } else {
            break;
        }
        parsed.length = at;
    }
    if parsed.fault.is_none() && parsed.rules.is_empty() {
        parsed.fault = Some("it names no rule".to_owned());
    }
    parsed.reason = reason.unwrap_or_default().trim().to_owned();
    if parsed.fault.is_none() && parsed.reason.is_empty() {
        parsed.fault = Some("it gives no reason".to_owned());
    }
    parsed
}

/// `key` of `key=…`, and what stands behind the sign.
fn key_of(text: &str) -> Option<(&str, &str)> {
    let (key, after) = text.split_once('=')?;
    let word = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic());
    word.then_some((key, after))
}

/// A value with or without quotes, and its raw length.
fn value_of(text: &str) -> Result<(&str, usize), String> {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            let end = inner
                .find([quote, '\n'])
                .filter(|end| inner.get(*end..).is_some_and(|r| r.starts_with(quote)));
            let end = end.ok_or_else(|| "a quote is not closed".to_owned())?;
            return Ok((inner.get(..end).unwrap_or_default(), end.saturating_add(2)));
        }
    }
    let end = text.find([' ', '\t', ']', '\r', '\n']).unwrap_or(text.len());
    Ok((text.get(..end).unwrap_or_default(), end))
}

/// Whether a word is a rule's id, or `pins/` and an ecosystem.
///
/// # Errors
/// The sentence that says that it is none.
pub(super) fn check_rule(word: &str) -> Result<(), String> {
    let own = word.strip_prefix("pins/").unwrap_or_default();
    let ecosystem = Ecosystem::ALL.iter().any(|ecosystem| ecosystem.as_str() == own);
    if rules::rule(word).is_some() || ecosystem {
        Ok(())
    } else {
        Err(format!("there is no rule `{word}`"))
    }
}

impl Suppression {
    fn counts(&self, today: Option<Date>) -> bool {
        let expired = self.until.zip(today).is_some_and(|(until, today)| today > until);
        self.fault.is_none() && !expired
    }

    /// Whether it is about this rule and subject.
    fn names(&self, finding: &PinFinding) -> bool {
        let rule = self.rules.iter().any(|rule| {
            rule == finding.rule || rule.strip_prefix("pins/") == Some(finding.ecosystem)
        });
        let subject = self.subjects.is_empty() || self.subjects.contains(&finding.subject);
        rule && subject && finding.rule != RULE
    }

    fn covers(&self, finding: &PinFinding) -> bool {
        let meets = |own: &RangeInclusive<usize>| {
            *own.start() <= finding.end.line && finding.start.line <= *own.end()
        };
        self.lines.as_ref().is_some_and(meets)
            && *self.place.file == *finding.file
            && self.names(finding)
    }
}

impl PinReport {
    /// Takes out what comments and the policy's `[[ignore]]` entries except, and hands in those
    /// that do not count. `today` decides what has expired; without it nothing has.
    pub fn suppress(
        &mut self,
        comments: Vec<Suppression>,
        requirements: &Requirements,
        today: Option<Date>,
    ) {
        let mut seen = BTreeSet::new();
        let comments: Vec<Suppression> =
            comments.into_iter().filter(|one| seen.insert(one.place.clone())).collect();
        let sidecars = requirements.ignores();
        if comments.is_empty() && sidecars.is_empty() {
            return;
        }
        let mut used = vec![false; comments.len()];
        let mut used_sidecars = vec![false; sidecars.len()];
        let mut by_file: std::collections::BTreeMap<&str, Vec<usize>> = Default::default();
        for (index, comment) in comments.iter().enumerate() {
            by_file.entry(&comment.place.file).or_default().push(index);
        }
        let (mut kept, mut taken) = (Vec::new(), Vec::new());
        for finding in std::mem::take(&mut self.findings) {
            let mut hidden: Option<(&Suppression, bool)> = None;
            for index in by_file.get(finding.file.as_str()).into_iter().flatten() {
                let Some(one) = comments.get(*index) else { continue };
                if one.counts(today) && one.covers(&finding) {
                    hidden.get_or_insert((one, true));
                    if let Some(used) = used.get_mut(*index) {
                        *used = true;
                    }
                }
            }
            for ((glob, one), used) in sidecars.iter().zip(&mut used_sidecars) {
                let matches = || requirements.matches(glob, &finding.file);
                if one.counts(today) && one.names(&finding) && matches() {
                    hidden.get_or_insert((one, false));
                    *used = true;
                }
            }
            match hidden {
                Some((one, in_source)) => {
                    let (reason, until) = (one.reason.clone(), one.until);
                    taken.push(Suppressed { finding, reason, until, in_source });
                }
                None => kept.push(finding),
            }
        }
        self.suppressed = taken;
        let all = comments.iter().zip(used);
        let all = all.chain(sidecars.iter().map(|(_, one)| one).zip(used_sidecars));
        for (one, used) in all {
            if let Some(message) = one.complaint(used, today) {
                kept.push(one.finding(message, requirements));
            }
        }
        self.set_findings(kept);
    }
}

impl Suppression {
    /// What is wrong with it, if anything.
    fn complaint(&self, used: bool, today: Option<Date>) -> Option<String> {
        if let Some(fault) = &self.fault {
            return Some(format!("the suppression does not count: {fault}"));
        }
        if let Some((until, today)) = self.until.zip(today).filter(|(until, today)| today > until) {
            return Some(format!("the suppression expired on {until}; today is {today}"));
        }
        (!used).then(|| "the suppression hides nothing".to_owned())
    }

    fn finding(&self, message: String, requirements: &Requirements) -> PinFinding {
        let (subject, place) = (self.rules.join(" "), self.place.clone());
        let remark = Remark { rule: RULE, subject, place, carrier: "", message };
        finding_of_remark(remark, requirements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::carrier::carrier_of;
    use crate::pins::repository::Repository;
    use crate::pins::walk::audit_source;

    /// What is left of a file on 2027-01-31, by rule and subject or message.
    #[track_caller]
    fn check(path: &str, text: &str, policy: &str, expected: &[&str]) {
        let file = SourceFile::new(path, text.as_bytes());
        let carrier = carrier_of(path, text.as_bytes()).unwrap();
        let collected = audit_source(&file, carrier, &Repository::of_files([]));
        let mut requirements = Requirements::shipped().unwrap();
        requirements.add(policy).unwrap();
        let (inputs, remarks, gaps) = (collected.inputs, collected.remarks, collected.gaps);
        let mut report = PinReport::judge(inputs, remarks, gaps, &requirements);
        let today = "2027-01-31".parse().ok();
        report.suppress(collected.suppressions, &requirements, today);
        let said: Vec<String> = report
            .findings
            .iter()
            .map(|finding| match finding.rule {
                RULE => format!("{} {}", finding.start.line, finding.message),
                rule => format!("{} {rule} {}", finding.start.line, finding.subject),
            })
            .collect();
        assert_eq!(said, expected, "{text}");
        assert!(report.findings.iter().all(|finding| !finding.fingerprint.is_empty()));
    }

    const FULL: &str =
        "driftcheck:ignore pins/os-package until=2027-01-31 reason=\"vendor mirror\"";

    #[test]
    fn blocks_and_lines_that_go_on() {
        let apt = "driftcheck:ignore pins/os-package reason=x";
        check(
            "Dockerfile",
            &format!(
                "FROM scratch\n# {apt}\nRUN apt-get install \\\n  a \\\n  # why\n  b\nRUN apk add c\n"
            ),
            "",
            &["7 pins/os-package c"],
        );
        check(
            "user-data",
            &format!(
                "#cloud-config\n# {apt}\npackages:\n- a\n\n- b\nsnap:\n  commands: [snap install c]\n"
            ),
            "",
            &["8 pins/os-package c"],
        );
        let module = "driftcheck:ignore pins/module-ref reason=x";
        let body = "module \"m\" {\n  source = \"github.com/a/b\"\n}\n";
        for comment in [format!("# {module}"), format!("// {module}"), format!("/* {module} */")] {
            check(
                "a.tf",
                &format!("{comment}\n{body}{body}"),
                "",
                &["6 pins/module-ref github.com/a/b"],
            );
        }
        let choco = "driftcheck:ignore pins/choco reason=x";
        check(
            "x.ps1",
            &format!("<# {choco} #>\nchoco install a\nchoco install b\n"),
            "",
            &["3 pins/os-package b"],
        );
    }

    #[test]
    fn lines_and_packages() {
        check("x.sh", &format!("apt-get install curl # {FULL}\n"), "", &[]);
        check("x.sh", &format!("# {FULL}\n\n# other\napt-get install curl\n"), "", &[]);
        check(
            "x.sh",
            &format!("# {FULL} pkg=curl renovate: x=y\napt-get install curl jq\n"),
            "",
            &["2 pins/os-package jq"],
        );
        check(
            "Dockerfile",
            &format!("FROM scratch\nRUN set -e; \\\n  # {FULL}\n  apt-get install curl \\\n  jq\n"),
            "",
            &["5 pins/os-package jq"],
        );
        check(
            "user-data",
            &format!("#cloud-config\npackages:\n  - curl # {FULL}\n  - jq\n"),
            "",
            &["4 pins/os-package jq"],
        );
        check("x.sh", "apt-get install curl # driftcheck:ignore pins/apt reason=x\n", "", &[]);
        check("x.ps1", &format!("choco install git # {FULL}\n"), "", &[]);
    }

    #[test]
    fn what_does_not_count_is_said() {
        let check = |directive: &str, expected: &[&str]| {
            check(
                "x.sh",
                &format!("apt-get install curl # driftcheck:ignore {directive}\n"),
                "",
                expected,
            );
        };
        let still = "1 pins/os-package curl";
        check(
            "pins/os-package until=2027-01-30 reason=x",
            &[still, "1 the suppression expired on 2027-01-30; today is 2027-01-31"],
        );
        check("pins/os-package", &[still, "1 the suppression does not count: it gives no reason"]);
        check(
            "pins/os-package until=soon reason=x",
            &[still, "1 the suppression does not count: `soon` is no day like 2027-01-31"],
        );
        check(
            "pins/os-packages reason=x",
            &[still, "1 the suppression does not count: there is no rule `pins/os-packages`"],
        );
        check("reason=x", &[still, "1 the suppression does not count: it names no rule"]);
        check(
            "pins/os-package reason=\"x",
            &[still, "1 the suppression does not count: a quote is not closed"],
        );
        check(
            "pins/os-package unti=2027-01-31 reason=x",
            &[still, "1 the suppression does not count: `unti=` means nothing here"],
        );
        check("pins/download reason=x", &[still, "1 the suppression hides nothing"]);
    }

    #[test]
    fn other_comments() {
        for line in ["// {}", "/* {} */", "<!-- {} -->", "  ; {}", "REM {}", ":: {}", "x /* {}*/"] {
            let line = line.replace("{}", FULL);
            let found = scan(&SourceFile::new("x", line.as_bytes()));
            assert_eq!(found.len(), 1, "{line}");
            assert_eq!(found[0].fault, None, "{line}");
        }
        assert!(scan(&SourceFile::new("x", format!("echo {FULL}").as_bytes())).is_empty());
    }

    #[test]
    fn sidecars() {
        let entry =
            |rest: &str| format!("[[ignore]]\npath = '*.sh'\nrule = 'pins/os-package'\n{rest}");
        let text = "apt-get install curl jq\n";
        check(
            "x.sh",
            text,
            &entry("subject = 'curl'\nuntil = 2027-01-31\nreason = 'x'"),
            &["1 pins/os-package jq"],
        );
        check(
            "x.sh",
            text,
            &entry("until = '2027-01-30'\nreason = 'x'"),
            &[
                "1 the suppression expired on 2027-01-30; today is 2027-01-31",
                "1 pins/os-package curl",
                "1 pins/os-package jq",
            ],
        );
        check("x.sh", "true\n", &entry("reason = 'x'"), &["1 the suppression hides nothing"]);
    }
}
