//! `driftcheck show`.

use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::scanning::ScanOptions;
use super::subject::Subject;
use crate::attribute::verify_shipped;
use crate::model::{Side, Stage, TreePath, Verification};
use crate::report::format::count;
use crate::report::{Owners, Section, ShowReport, list_files};
use std::os::unix::ffi::OsStrExt;

/// Show packages, files, facts, events or gaps of one manifest
///
/// Of a target that is not stored, it is scanned for this answer only.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck show web-01 --packages --format json
  driftcheck show /srv/root --packages --verify
  driftcheck show baseline:golden --files /etc/ssh")]
pub(super) struct ShowArgs {
    /// A stored manifest (`web-01`, `web-01@2`, an id, `baseline:golden`) or a target
    manifest: String,
    #[command(flatten)]
    section: Sections,
    #[command(flatten)]
    scan: ScanOptions,
    #[command(flatten)]
    output: Output,
}

/// Which part; an overview if none is named.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Sections {
    /// Installed packages; with --verify, what differs from what they shipped
    #[arg(long)]
    packages: bool,
    /// Files at and below a path (default: all)
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "/")]
    files: Option<std::ffi::OsString>,
    /// Statements about the system
    #[arg(long)]
    facts: bool,
    /// What logs and other leavings say was done
    #[arg(long)]
    events: bool,
    /// What could not be read, and what was left out on purpose
    #[arg(long)]
    gaps: bool,
}

pub(super) fn run(args: &ShowArgs, context: &Context) -> Result<Exit, CliError> {
    let write = args.output.show_writer()?;
    let loaded =
        Subject::resolve(&args.manifest, context)?.load(context, &args.scan, None, None)?;
    let mut manifest = loaded.manifest()?;
    let rows;
    let verification;
    let mut exit = Exit::Clean;
    let sections = &args.section;
    let section = if let Some(top) = &sections.files {
        let top = TreePath::parse(top.as_bytes());
        let (listed, faults) = list_files(&manifest, loaded.source.as_ref(), &top);
        rows = listed;
        if rows.is_empty() {
            return Err(CliError::new(format!("{top} is not in {}", manifest.header.name)));
        }
        for (path, fault) in faults {
            manifest.records.gap(&path, Stage::List, fault.chain());
        }
        Section::Files(&rows)
    } else if sections.packages && args.scan.is_verifying() {
        let side = Side { manifest: &manifest, source: loaded.source.as_ref() };
        verification = verify_shipped(&side);
        exit = exit_of(&verification, &manifest.header.name)?;
        Section::Verification(&verification)
    } else if sections.packages {
        Section::Packages
    } else if sections.facts {
        Section::Facts
    } else if sections.events {
        Section::Events
    } else if sections.gaps {
        Section::Gaps
    } else {
        Section::Overview
    };
    let owners = Owners::from_facts(&manifest.records.facts);
    let report = ShowReport { manifest: &manifest, section, owners: &owners };
    let view = context.view(args.output.file(), false);
    context.write(args.output.file(), |out| write(&report, &view, out))?;
    tell_gaps(&report, &args.manifest, context);
    Ok(exit)
}

/// What is listed may not be all: said where the list itself does not say it.
fn tell_gaps(report: &ShowReport<'_>, manifest: &str, context: &Context) {
    let gaps = report.manifest.records.gaps.len();
    if gaps > 0 && !matches!(report.section, Section::Gaps | Section::Overview) {
        context.tell(&format!(
            "{} could not be read, of which nothing is listed here: see `driftcheck show {manifest} --gaps`",
            count(gaps, "part")
        ));
    }
}

/// Something differs, or nobody can say of all whether it does.
fn exit_of(verification: &Verification, name: &str) -> Result<Exit, CliError> {
    if verification.claims == 0 {
        return Err(CliError::new(format!("no package of {name} says what its files should be")));
    }
    if verification.digests == 0 && !verification.unverified.is_empty() {
        return Err(CliError::new(format!("{name} was scanned without its packages' digests"))
            .hint("`driftcheck scan --verify` computes them"));
    }
    if !verification.deviations.is_empty() {
        return Ok(Exit::Findings);
    }
    let is_known = verification.unverified.is_empty() && verification.unread.is_empty();
    Ok(if is_known { Exit::Clean } else { Exit::Unknown })
}
