//! The exit codes of the contract.

use crate::model::{DriftReport, Severity};
use std::process::ExitCode;

/// How a run ends, whatever the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// 0: nothing at or above the threshold, and everything could be read.
    Clean,
    /// 1: findings.
    Findings,
    /// 2: no trustworthy answer.
    Unknown,
}

/// Whether gaps are accepted (`--allow-gaps`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gaps {
    /// A run with gaps is never clean.
    Refuse,
    /// Judge on the rest.
    Allow,
}

impl Exit {
    /// Of a report: gaps come before findings, since nobody knows what they hide.
    pub(super) fn of_report(report: &DriftReport, fail_on: Severity, gaps: Gaps) -> Self {
        if !report.gaps.is_empty() && gaps == Gaps::Refuse {
            return Self::Unknown;
        }
        let is_finding = report.findings.iter().any(|finding| finding.severity >= fail_on);
        if is_finding { Self::Findings } else { Self::Clean }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Clean => 0,
            Exit::Findings => 1,
            Exit::Unknown => 2,
        })
    }
}
