//! `pins --fix`, `--diff`: where versions are known from, and edits onto the disk.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::scanning::ScanOptions;
use crate::cli::subject::Subject;
use crate::pins::PinReport;
use crate::pins::fix::digests::Digests;
use crate::pins::fix::known::{Known, Packages};
use crate::pins::fix::{Fixing, diff, write as disk};
use std::path::{Path, PathBuf};

/// What is to be pinned, and from where.
#[derive(Debug, clap::Args)]
pub(super) struct FixOptions {
    /// Write the pins that are known into the files, changing no other byte
    #[arg(long)]
    fix: bool,
    /// Show what --fix would write as a unified diff, and write nothing
    #[arg(long)]
    diff: bool,
    /// Pin packages to what this manifest (or image) of the golden image has
    #[arg(long, value_name = "MANIFEST")]
    from: Option<String>,
    /// Pin images, actions, refs and downloads by this map: lines of `KEY DIGEST`, JSON or TOML
    #[arg(long, value_name = "FILE")]
    digests: Option<PathBuf>,
}

impl FixOptions {
    /// Whether files are written.
    pub(super) fn writes(&self) -> bool {
        self.fix && !self.diff
    }

    /// Whether a diff is all that is asked for.
    pub(super) fn shows(&self) -> bool {
        self.diff
    }

    /// What versions are known; `None` where nobody asked for pins.
    pub(super) fn known(&self, context: &Context) -> Result<Option<Known>, CliError> {
        if !self.fix && !self.diff && self.from.is_none() && self.digests.is_none() {
            return Ok(None);
        }
        let mut known = Known::default();
        if let Some(word) = &self.from {
            let loaded =
                Subject::resolve(word, context)?.load(context, &ScanOptions::default(), None)?;
            let records = loaded.manifest()?.records;
            known.packages = Some(Packages::new(word, &records.packages, &records.facts));
        }
        if let Some(path) = &self.digests {
            let place = || format!("the digest map {}", path.display());
            let bytes = std::fs::read(path).map_err(|error| CliError::because(place(), error))?;
            let digests = Digests::parse(&bytes);
            known.digests = Some(digests.map_err(|fault| CliError::because(place(), fault))?);
        }
        Ok(Some(known))
    }
}

/// Shows the diff; what is left alone is told on standard error.
pub(super) fn show(
    fixing: &Fixing,
    output: Option<&Path>,
    context: &Context,
) -> Result<(), CliError> {
    context
        .write(output, |out| fixing.files.iter().try_for_each(|file| diff::unified(file, out)))?;
    for left in &fixing.left {
        let place = format!("{}:{}:{}", left.file, left.start.line, left.start.column);
        context.tell(&crate::report::format::escaped(&format!(
            "{place}: {} is left alone: {}",
            left.subject, left.reason
        )));
    }
    Ok(())
}

/// Writes the files; the report is of what they are now.
pub(super) fn write<'f>(fixing: &'f Fixing, roots: &[PathBuf]) -> Result<&'f PinReport, CliError> {
    for file in &fixing.files {
        let failed = |error| CliError::because(format!("cannot write {}", file.path), error);
        disk::write(file, roots).map_err(failed)?;
    }
    Ok(&fixing.after)
}
