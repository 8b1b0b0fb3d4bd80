//! `pins --write-baseline`, `--baseline`: switching the gate on in a repository that was never
//! pinned.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::pins::adoption::FILE;
use crate::pins::{Accepted, PinReport, find_above};
use std::path::{Path, PathBuf};

/// What was accepted before.
#[derive(Debug, clap::Args)]
pub(super) struct AdoptionOptions {
    /// Accept today's findings: only new and weaker pins fail from then on
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    write_baseline: Option<String>,
    /// The accepted findings [default: driftcheck-pins.baseline]
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Judge as if nothing had been accepted
    #[arg(long, conflicts_with = "baseline")]
    no_baseline: bool,
}

impl AdoptionOptions {
    fn found(&self, paths: &[PathBuf]) -> Option<PathBuf> {
        self.baseline.clone().or_else(|| find_above(paths.first()?, FILE))
    }

    /// What was accepted.
    pub(super) fn read(&self, paths: &[PathBuf]) -> Result<Option<Accepted>, CliError> {
        if self.no_baseline || self.write_baseline.is_some() {
            return Ok(None);
        }
        let Some(path) = self.found(paths) else { return Ok(None) };
        let place = || format!("the accepted findings in {}", path.display());
        let bytes = std::fs::read(&path).map_err(|error| CliError::because(place(), error))?;
        let accepted = Accepted::parse(&path, &bytes);
        Ok(Some(accepted.map_err(|fault| CliError::because(place(), fault))?))
    }

    /// The file that is to be written.
    pub(super) fn file_to_write(&self, paths: &[PathBuf]) -> Option<PathBuf> {
        let asked = self.write_baseline.as_ref()?;
        if !asked.is_empty() {
            return Some(PathBuf::from(asked));
        }
        let first = paths.first().filter(|path| path.is_dir() && path.as_path() != Path::new("."));
        Some(self.found(paths).unwrap_or_else(|| match first {
            Some(first) => first.join(FILE),
            None => PathBuf::from(FILE),
        }))
    }
}

/// Writes all findings as accepted.
pub(super) fn write(path: &Path, report: &PinReport, context: &Context) -> Result<Exit, CliError> {
    let text = Accepted::write(path, &report.findings, &super::read);
    context.write(Some(path), |out| out.write_all(text.as_bytes()))?;
    let count = report.findings.len();
    let s = if count == 1 { "" } else { "s" };
    context.tell(&format!("{count} finding{s} accepted in {}", path.display()));
    Ok(Exit::Clean)
}
