//! Less of a report, because a person asked for less (`--cause`, `--unexplained`, a severity).
//!
//! This is about what is looked at, not about what is true: outcome and exit code are those of
//! the whole report, and the narrowed one says how much it leaves out.

use super::format;
use crate::model::{Cause, CauseKind, DriftReport, JudgedChange, Severity, Subject};

/// What is to be seen. The default is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    /// Only what one of these caused, or may have caused; empty for any cause.
    pub causes: Vec<CauseKind>,
    /// Only what has no known cause.
    pub unexplained: bool,
    /// Only findings from this severity up; changes are not narrowed by it.
    pub at_least: Option<Severity>,
}

impl Narrow {
    /// Whether nothing is left out.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// The report with only what is to be seen, and a note that says so.
    #[must_use]
    pub fn apply(&self, mut report: DriftReport) -> DriftReport {
        if self.is_everything() {
            return report;
        }
        let (findings, changes) = (report.findings.len(), report.changes.len());
        report.changes.retain(|judged| self.wants(&judged.causes));
        let changes_left = &report.changes;
        report.diffs.retain(|diff| {
            let is_own = |judged: &JudgedChange| {
                matches!(&judged.change.subject, Subject::Path(path) if *path == diff.path)
            };
            changes_left.iter().any(is_own)
        });
        report.findings.retain(|finding| {
            self.wants(&finding.causes)
                && self.at_least.is_none_or(|least| finding.severity >= least)
        });
        report.notes.push(format!(
            "narrowed on request: {} of {} and {} of {} are shown; the outcome is that of all",
            format::length(report.findings.len()),
            format::count(findings, "finding"),
            format::length(report.changes.len()),
            format::count(changes, "change"),
        ));
        report
    }

    fn wants(&self, causes: &[Cause]) -> bool {
        let known = self.causes.is_empty() || causes.iter().any(|c| self.causes.contains(&c.kind));
        known && (!self.unexplained || causes.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn less_is_shown_and_said() {
        let check = |narrow: Narrow, expected: &[&str]| {
            let report = narrow.apply(testing::drift());
            let ids: Vec<&str> = report.findings.iter().map(|finding| &*finding.id).collect();
            assert_eq!(ids, expected, "{narrow:?}");
            assert_eq!(report.outcome, testing::drift().outcome);
            let said = report.notes.iter().any(|note| note.starts_with("narrowed"));
            assert_eq!(said, !narrow.is_everything());
        };
        check(Narrow::default(), &["F1", "F2", "F3", "F4", "F5"]);
        check(Narrow { unexplained: true, ..Narrow::default() }, &["F1", "F2", "F5"]);
        check(Narrow { causes: vec![CauseKind::Ansible], ..Narrow::default() }, &["F3"]);
        let high = Some(Severity::High);
        check(Narrow { at_least: high, ..Narrow::default() }, &["F1", "F2"]);
    }
}
