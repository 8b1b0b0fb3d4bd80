//! `driftcheck scan`.

use super::context::Context;
use super::error::CliError;
use super::exit::{Exit, Gaps};
use super::output::Output;
use super::scanning::{self, ScanOptions};
use crate::report::format::count;
use crate::report::{Owners, Section, ShowReport};
use crate::store::Access;
use crate::targets::TargetSpec;
use std::ffi::OsString;
use std::path::PathBuf;

/// Read a target into the manifest store
///
/// Records every file with its metadata and digest, every package, fact and event of a running
/// host, a directory, a disk or container image or a root tar. A rescan of a running host reads
/// only what has changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck scan                                  this host
  driftcheck scan --name golden golden.qcow2       an image, under a name")]
pub(super) struct ScanArgs {
    /// What to read: a folder, an image, an archive; this host if nothing is named
    #[arg(value_name = "TARGET", default_value = "host:", hide_default_value = true)]
    target: OsString,
    /// Call it so, instead of by its host name or file name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    options: ScanOptions,
    /// A policy of your own, whose `[[text]]` entries name files to keep the text of
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Succeed although parts could not be read
    #[arg(long)]
    allow_gaps: bool,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &ScanArgs, context: &Context) -> Result<Exit, CliError> {
    let write = args.output.show_writer()?;
    let policies = super::drift::policies(&args.policy)?;
    let opened =
        scanning::open(TargetSpec::parse(&args.target)?, args.name.as_deref(), &args.options)?;
    let store = context.open_store(Access::Write)?;
    let loaded = scanning::scan_into(&store, opened, context, &args.options, Some(&policies))?;
    let manifest = loaded.manifest()?;
    let owners = Owners::from_facts(&manifest.records.facts);
    let report = ShowReport { manifest: &manifest, section: Section::Overview, owners: &owners };
    let view = context.view(args.output.file(), false);
    context.write(args.output.file(), |out| write(&report, &view, out))?;
    let gaps = if args.allow_gaps { Gaps::Allow } else { Gaps::Refuse };
    let has_gaps = !manifest.records.gaps.is_empty();
    if has_gaps && gaps == Gaps::Refuse {
        let parts = count(manifest.records.gaps.len(), "part");
        context.tell(&format!(
            "{parts} could not be read (see `driftcheck show {} --gaps`): exit code 2 \
             unless --allow-gaps accepts it",
            manifest.header.name
        ));
        return Ok(Exit::Unknown);
    }
    Ok(Exit::Clean)
}
