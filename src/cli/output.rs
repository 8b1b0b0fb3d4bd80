//! `--format` and `--output`, for every command that reports.

use super::error::CliError;
use crate::pins::{RuleFamily, rules};
use crate::report::{DriftFn, PinsFn, REPORTERS, Reporter, ShowFn, find};
use std::path::{Path, PathBuf};

/// Where a report goes and how it is written.
#[derive(Debug, clap::Args)]
pub(super) struct Output {
    /// table, json, ndjson, markdown, html, sarif, junit, github, cyclonedx or spdx
    #[arg(long, value_name = "FORMAT", default_value = "table", hide_default_value = true)]
    format: String,
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Output {
    /// The file, if one was named.
    pub(super) fn file(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    fn writer<F>(&self, of: impl Fn(&Reporter) -> Option<F>) -> Result<F, CliError> {
        find(&self.format).and_then(&of).ok_or_else(|| {
            let fitting: Vec<&str> =
                REPORTERS.iter().filter(|r| of(r).is_some()).map(|r| r.name).collect();
            CliError::new(format!("this command has no format {}", self.format))
                .hint(format!("it has {}", fitting.join(", ")))
        })
    }

    /// For `compare` and `check`.
    pub(super) fn drift_writer(&self) -> Result<DriftFn, CliError> {
        self.writer(|reporter| reporter.drift)
    }

    /// For `show` and `scan`.
    pub(super) fn show_writer(&self) -> Result<ShowFn, CliError> {
        self.writer(|reporter| reporter.show)
    }

    /// For `explain`.
    pub(super) fn rules_writer(&self) -> Result<fn(&RuleFamily) -> String, CliError> {
        match self.format.as_str() {
            "table" => Ok(rules::text),
            "markdown" => Ok(rules::page),
            other => Err(CliError::new(format!("this command has no format {other}"))
                .hint("it has table, markdown (of rules)")),
        }
    }

    /// For `pins`.
    pub(super) fn pins_writer(&self) -> Result<PinsFn, CliError> {
        self.writer(|reporter| reporter.pins)
    }
}
