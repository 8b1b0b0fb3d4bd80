//! Judged changes: what reports are made of.

use super::{
    BuildLine, Cause, Change, Direction, Gap, ManifestId, Omission, PackageKey, Subject, TextDiff,
    Timestamp, TreePath,
};
use std::fmt;

/// How much a finding matters; ordered from `Info` up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the contract's own words")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// From the least to the most.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads the contract's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == word)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is to be done about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// To be looked at.
    Drift,
    /// Folded into a package change that was verified.
    Explained,
    /// The policy says so.
    Expected,
    /// A person said so.
    Accepted,
}

impl Disposition {
    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drift => "drift",
            Self::Explained => "explained",
            Self::Expected => "expected",
            Self::Accepted => "accepted",
        }
    }
}

/// A change with what attribution and policy say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedChange {
    /// The difference.
    pub change: Change,
    /// What is to be done about it.
    pub disposition: Disposition,
    /// The package that owns it or explains it.
    pub package: Option<PackageKey>,
    /// Strongest first; empty means unknown.
    pub causes: Vec<Cause>,
    /// The policy entry that decided, where one did.
    pub rule: Option<String>,
    /// Of packages: what happened to it.
    pub direction: Option<Direction>,
    /// A remark on the case in a few words (`matches what nginx 1.22.1-9 ships`, `derived,
    /// consistent`, `not what its package ships`).
    pub note: Option<String>,
    /// Of facts: the file that says so, or said so where the fact is gone.
    pub file: Option<TreePath>,
}

impl JudgedChange {
    /// Drift of which no more is known.
    #[must_use]
    pub const fn new(change: Change) -> Self {
        Self {
            change,
            disposition: Disposition::Drift,
            package: None,
            causes: Vec::new(),
            rule: None,
            direction: None,
            note: None,
            file: None,
        }
    }

    /// The file that a fact stands in, unless the fact is named by it, as many are.
    #[must_use]
    pub fn telling_file(&self) -> Option<&TreePath> {
        let named = self.change.subject.to_string();
        self.file.as_ref().filter(|file| !named.contains(&file.to_string()))
    }
}

/// What a person reads: one thing to look at, with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Unique in its report: `F1`, `F2`, … in the order of the report.
    pub id: String,
    /// The rule that made it.
    pub rule: String,
    /// How much it matters.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// What it is about.
    pub subjects: Vec<Subject>,
    /// Strongest first.
    pub causes: Vec<Cause>,
    /// Stable over runs as long as it is the same finding: hexadecimal.
    pub fingerprint: String,
}

/// The answer to "is it still the image that was built?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is.
    Clean,
    /// It is not.
    Drift,
    /// Parts could not be read, so that nobody can say.
    Incomplete,
}

impl Outcome {
    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Drift => "drift",
            Self::Incomplete => "incomplete",
        }
    }
}

/// Who was compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestSummary {
    /// The target's name.
    pub name: String,
    /// The manifest.
    pub id: ManifestId,
    /// What was scanned.
    pub target: String,
    /// When.
    pub scanned_at: Timestamp,
    /// Entries in its tree.
    pub entries: u64,
}

/// A finished report: reporters print it, whole, and decide nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftReport {
    /// The golden side.
    pub baseline: ManifestSummary,
    /// The side that was looked at.
    pub current: ManifestSummary,
    /// The answer.
    pub outcome: Outcome,
    /// Every difference exactly once: packages, then facts, then paths, each in order.
    pub changes: Vec<JudgedChange>,
    /// Most severe first.
    pub findings: Vec<Finding>,
    /// Line by line, of changed files whose texts were kept; in the order of the changes.
    pub diffs: Vec<TextDiff>,
    /// Lines of build files that let packages drift, sorted; empty where none were asked for.
    pub build_lines: Vec<BuildLine>,
    /// Of both sides.
    pub gaps: Vec<Gap>,
    /// Of both sides.
    pub omissions: Vec<Omission>,
    /// Sentences that belong to the whole: what was not comparable, the attribution horizon,
    /// policy entries that matched nothing or expired.
    pub notes: Vec<String>,
}
