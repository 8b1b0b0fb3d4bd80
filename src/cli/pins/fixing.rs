//! `pins --fix`, `--diff`: where versions are known from, and edits onto the disk.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::scanning::ScanOptions;
use crate::cli::subject::Subject;
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
    /// Show what --fix would write; with a range, judge only what that change touched
    #[arg(long, value_name = "BASE..HEAD", num_args = 0..=1, default_missing_value = "")]
    diff: Vec<String>,
    /// Pin packages to what this manifest of the golden image has
    #[arg(long, value_name = "MANIFEST")]
    from: Option<String>,
    /// Pin images, actions, refs and downloads by this map of digests
    #[arg(long, value_name = "FILE")]
    digests: Option<PathBuf>,
}

impl FixOptions {
    /// Whether files are written.
    pub(super) fn writes(&self) -> bool {
        self.fix && !self.shows()
    }

    /// The range of commits that is judged.
    pub(super) fn range(&self) -> Option<&str> {
        self.diff.iter().map(String::as_str).find(|word| is_range(word))
    }

    /// A word behind `--diff` that is no range was meant as a path.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.diff.iter().filter(|word| !word.is_empty() && !is_range(word)).map(PathBuf::from)
    }

    /// Whether a diff is all that is asked for.
    pub(super) fn shows(&self) -> bool {
        self.diff.iter().any(|word| !is_range(word))
    }

    /// What versions are known; `None` where nobody asked for pins.
    pub(super) fn known(&self, context: &Context) -> Result<Option<Known>, CliError> {
        if !self.fix && !self.shows() && self.from.is_none() && self.digests.is_none() {
            return Ok(None);
        }
        let mut known = Known::default();
        if let Some(word) = &self.from {
            let loaded = Subject::resolve(word, context)?.load(
                context,
                &ScanOptions::default(),
                None,
                None,
            )?;
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

/// Whether a word is a range of commits and not a path (`..`, `../x`, `./a..b`).
fn is_range(word: &str) -> bool {
    let starts = ["../", "./", "/"].iter().any(|start| word.starts_with(start));
    word.contains("..") && !starts && word != ".." && !Path::new(word).exists()
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

/// Writes the files.
pub(super) fn write(fixing: &Fixing, roots: &[PathBuf]) -> Result<(), CliError> {
    for file in &fixing.files {
        let failed = |error| CliError::because(format!("cannot write {}", file.path), error);
        disk::write(file, roots).map_err(failed)?;
    }
    Ok(())
}
