//! How a drift report is told to a person, whatever the format: findings by who caused them, the
//! unexplained first, then people, then tools, of each what nothing but the time or a mark speaks
//! for before what is sure; and what else was counted.
//!
//! This orders and counts. It leaves nothing out.

use super::format;
use crate::model::{
    BuildLine, CauseKind, Confidence, Disposition, DriftReport, Finding, JudgedChange, Outcome,
    Severity, Subject,
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Findings of one origin, most severe first.
pub(super) struct Group<'a> {
    pub(super) heading: String,
    pub(super) findings: Vec<&'a Finding>,
}

/// One line of what is not a finding: how many changes, and why they are none.
pub(super) struct Folded {
    pub(super) disposition: Disposition,
    pub(super) reason: String,
    pub(super) count: usize,
}

/// A report with its index.
pub(super) struct Story<'a> {
    pub(super) report: &'a DriftReport,
    pub(super) groups: Vec<Group<'a>>,
    by_subject: HashMap<&'a Subject, &'a JudgedChange>,
}

impl<'a> Story<'a> {
    pub(super) fn new(report: &'a DriftReport) -> Self {
        let by_subject = report.changes.iter().map(|j| (&j.change.subject, j)).collect();
        let mut ordered: Vec<&Finding> = report.findings.iter().collect();
        // Stable: within one severity the report's own order stands.
        ordered.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let mut groups: BTreeMap<usize, Group<'a>> = BTreeMap::new();
        for finding in ordered {
            let (rank, heading) = origin(finding);
            let group =
                groups.entry(rank).or_insert_with(|| Group { heading, findings: Vec::new() });
            group.findings.push(finding);
        }
        Self { report, groups: groups.into_values().collect(), by_subject }
    }

    /// The change of that subject, where the report has one.
    pub(super) fn change_of(&self, subject: &Subject) -> Option<&'a JudgedChange> {
        self.by_subject.get(subject).copied()
    }

    /// Tells what happened to each of a finding's subjects; the file is left out where all have
    /// the same, which the title names.
    pub(super) fn teller(&self, finding: &Finding) -> impl Fn(&Subject) -> Option<String> {
        let mut files = finding.subjects.iter().filter_map(|one| self.change_of(one));
        let first = files.next().map(|one| &one.file);
        let tell = match files.all(|one| Some(&one.file) == first) {
            true => without_file,
            false => what_happened,
        };
        move |subject| self.change_of(subject).map(tell)
    }

    /// The lines of build files that let the packages of a finding drift, a sentence each.
    pub(super) fn allowed(&self, finding: &Finding) -> Vec<String> {
        let lines = self.report.build_lines.iter();
        let own = lines.filter(|line| {
            finding.subjects.iter().any(|subject| match subject {
                Subject::Package(key) => *key == line.package,
                _ => false,
            })
        });
        own.map(allowed).collect()
    }

    /// The same for packages that no finding names.
    pub(super) fn allowed_elsewhere(&self) -> Vec<String> {
        let named: HashSet<&Subject> =
            self.report.findings.iter().flat_map(|finding| &finding.subjects).collect();
        let lines = self.report.build_lines.iter();
        let rest = lines.filter(|line| !named.contains(&Subject::Package(line.package.clone())));
        let tell = |line: &BuildLine| {
            format!("{}: {}", format::escaped(&line.package.to_string()), allowed(line))
        };
        rest.map(tell).collect()
    }

    /// One sentence: the answer.
    pub(super) fn headline(&self) -> String {
        let report = self.report;
        let current = format::escaped(&report.current.name);
        let baseline = format::escaped(&report.baseline.name);
        let findings = format::count(report.findings.len(), "finding");
        let changes = format::count(report.changes.len(), "change");
        match report.outcome {
            Outcome::Clean => {
                let below = match report.findings.len() {
                    0 => String::new(),
                    _ => format!("; {findings}{} below the limit", self.severities()),
                };
                format!("clean: {current} is {baseline} as it was approved ({changes}{below})")
            }
            Outcome::Drift => format!(
                "drift: {current} differs from {baseline}: {findings}{}, {changes}",
                self.severities()
            ),
            Outcome::Incomplete => format!(
                "incomplete: {} of {current} or {baseline} could not be read; {findings}{} and \
                 {changes} in the rest",
                format::count(report.gaps.len(), "part"),
                self.severities()
            ),
        }
    }

    /// ` (1 critical, 2 high)`, empty without findings.
    fn severities(&self) -> String {
        let parts: Vec<String> = Severity::ALL
            .into_iter()
            .rev()
            .filter_map(|severity| {
                let count = self.report.findings.iter().filter(|f| f.severity == severity).count();
                (count > 0).then(|| format!("{} {severity}", format::length(count)))
            })
            .collect();
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    }

    /// What is no finding, counted by disposition and by the rule or package that says so; the
    /// largest first.
    pub(super) fn folded(&self) -> Vec<Folded> {
        let mut counts: BTreeMap<(Disposition, String), usize> = BTreeMap::new();
        for judged in &self.report.changes {
            if judged.disposition != Disposition::Drift {
                *counts.entry((judged.disposition, reason(judged))).or_default() += 1;
            }
        }
        let mut folded: Vec<Folded> = counts
            .into_iter()
            .map(|((disposition, reason), count)| Folded { disposition, reason, count })
            .collect();
        folded.sort_by(|a, b| a.disposition.cmp(&b.disposition).then(b.count.cmp(&a.count)));
        folded
    }

    /// Drift that no cause was found for.
    pub(super) fn unexplained(&self) -> usize {
        let open = |j: &&JudgedChange| j.disposition == Disposition::Drift && j.causes.is_empty();
        self.report.changes.iter().filter(open).count()
    }
}

/// Why a change is not drift: the package that explains it, the rule (with the person's reason
/// where one accepted it), else the note.
fn reason(judged: &JudgedChange) -> String {
    if judged.disposition == Disposition::Explained
        && let Some(package) = &judged.package
    {
        return format::escaped(&format!("{package} ({})", package.manager));
    }
    let reason = match (&judged.rule, &judged.note) {
        (Some(rule), Some(note)) if judged.disposition == Disposition::Accepted => {
            format!("{rule}: {note}")
        }
        (Some(reason), _) | (None, Some(reason)) => reason.clone(),
        (None, None) => "other".to_owned(),
    };
    format::escaped(&reason)
}

/// Where a finding stands in the report, and under what heading.
fn origin(finding: &Finding) -> (usize, String) {
    if finding.subjects.is_empty() {
        return (usize::MAX, "About the policy".to_owned());
    }
    let Some(cause) = finding.causes.first() else { return (0, "Unexplained".to_owned()) };
    let actor = match cause.kind {
        CauseKind::Human => "a person",
        CauseKind::SshSession => return (3, "In a remote session".to_owned()),
        CauseKind::SystemJob => {
            return (usize::MAX - 1, "While a job of the system ran".to_owned());
        }
        CauseKind::PackageManager => "the package manager",
        CauseKind::UnattendedUpgrades => "unattended upgrades",
        CauseKind::CloudInit => "cloud-init",
        CauseKind::Ansible => "Ansible",
        CauseKind::Chef => "Chef",
        CauseKind::Puppet => "Puppet",
        CauseKind::Salt => "Salt",
        CauseKind::Terraform => "Terraform",
        CauseKind::Packer => "Packer",
    };
    let place = match cause.kind {
        CauseKind::Human => 1,
        kind => {
            let place = CauseKind::ALL.iter().position(|one| *one == kind).unwrap_or_default();
            place.saturating_mul(2).saturating_add(4)
        }
    };
    match cause.confidence {
        Confidence::Weak => (place, format!("Perhaps by {actor}")),
        Confidence::Strong | Confidence::Proof => (place.saturating_add(1), format!("By {actor}")),
    }
}

/// Causes in one line: `ansible: template task (strong), human: deploy (weak)`; `unknown` for none.
pub(super) fn causes(causes: &[crate::model::Cause]) -> String {
    if causes.is_empty() {
        return "unknown".to_owned();
    }
    let parts: Vec<String> = causes
        .iter()
        .map(|cause| {
            let confidence = cause.confidence.as_str();
            let detail = format::escaped(&cause.detail);
            if detail.is_empty() {
                format!("{} ({confidence})", cause.kind)
            } else {
                format!("{}: {detail} ({confidence})", cause.kind)
            }
        })
        .collect();
    parts.join(", ")
}

/// A line of a build file and the pin that would have held the package.
fn allowed(line: &BuildLine) -> String {
    let place = format!("{}:{}", format::escaped(&line.file), line.line);
    let mut text = format!("allowed by {place}: {}", format::escaped(&line.text));
    if let Some(through) = &line.through {
        text.push_str(&format!(", through {}", format::escaped(through)));
    }
    if let Some(pin) = &line.pin {
        text.push_str(&format!("; {} would have held it", format::escaped(pin)));
        if let Some(from) = &line.from {
            text.push_str(&format!(" (the version of {})", format::escaped(from)));
        }
    }
    text
}

/// The change in a line, with its package, the remark on it and the file that says so.
pub(super) fn what_happened(judged: &JudgedChange) -> String {
    let mut text = without_file(judged);
    if let Some(file) = judged.telling_file() {
        text.push_str(&format!("; {file}"));
    }
    text
}

fn without_file(judged: &JudgedChange) -> String {
    let mut text = format::change(&judged.change);
    if let Some(package) = &judged.package {
        text.push_str(&format!("; package {}", format::escaped(&package.to_string())));
    }
    if let Some(note) = &judged.note {
        text.push_str(&format!("; {}", format::escaped(note)));
    }
    text
}

/// A piece of evidence in one line: `/var/log/syslog:812 2026-11-23 00:59:13Z: text`.
pub(super) fn evidence(evidence: &crate::model::Evidence) -> String {
    format!("{}: {}", place(evidence), format::escaped(&evidence.text))
}

/// Where a piece of evidence stands, and when it was written.
pub(super) fn place(evidence: &crate::model::Evidence) -> String {
    let mut text = evidence.path.to_string();
    if let Some(line) = evidence.line {
        text.push_str(&format!(":{line}"));
    }
    if let Some(time) = &evidence.time {
        text.push_str(&format!(" {}", format::moment(time)));
    }
    text
}

/// A subject, safe to print.
pub(super) fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Path(path) => path.to_string(),
        other => format::escaped(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn the_unexplained_comes_first_then_people_then_tools() {
        let report = testing::drift();
        let story = Story::new(&report);
        let headings: Vec<&str> = story.groups.iter().map(|group| group.heading.as_str()).collect();
        assert_eq!(headings, ["Unexplained", "Perhaps by a person", "By Ansible"]);
        let shown: usize = story.groups.iter().map(|group| group.findings.len()).sum();
        assert_eq!(shown, report.findings.len());
        for group in &story.groups {
            assert!(group.findings.is_sorted_by(|a, b| a.severity >= b.severity));
        }
    }

    #[test]
    fn what_is_not_sure_is_told_apart() {
        let mut report = testing::drift();
        let findings = report.findings.iter_mut();
        for cause in findings.filter_map(|finding| finding.causes.first_mut()) {
            cause.confidence = Confidence::Weak;
        }
        let story = Story::new(&report);
        let headings: Vec<&str> = story.groups.iter().map(|group| group.heading.as_str()).collect();
        assert_eq!(headings, ["Unexplained", "Perhaps by a person", "Perhaps by Ansible"]);
    }

    #[test]
    fn headlines() {
        let check = |report: &DriftReport, expected: &str| {
            assert_eq!(Story::new(report).headline(), expected);
        };
        check(
            &testing::drift(),
            "drift: web-01 differs from golden: 5 findings (1 critical, 1 high, 2 medium, 1 low), \
             11 changes",
        );
        check(&testing::clean(), "clean: web-01 is golden as it was approved (1 change)");
        let mut incomplete = testing::clean();
        incomplete.outcome = Outcome::Incomplete;
        incomplete.gaps = testing::drift().gaps;
        check(
            &incomplete,
            "incomplete: 2 parts of web-01 or golden could not be read; 0 findings and 1 change in \
             the rest",
        );
    }
}
