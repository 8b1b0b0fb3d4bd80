//! `driftcheck compare`.

use super::context::Context;
use super::drift::{self, DriftOptions};
use super::error::CliError;
use super::exit::Exit;
use super::scanning::ScanOptions;
use super::subject::Subject;

/// Compare two manifests, images or trees, in any mix
///
/// Nothing is stored: targets are scanned for this answer only. Stored manifests are named by
/// target (`web-01`, `web-01@2` for the second newest), by id or as `baseline:NAME`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck compare golden.qcow2 web-01.qcow2
  driftcheck compare baseline:golden dir:/mnt/image --format json")]
pub(super) struct CompareArgs {
    /// What it was
    before: String,
    /// What it is
    after: String,
    #[command(flatten)]
    scan: ScanOptions,
    #[command(flatten)]
    drift: DriftOptions,
}

pub(super) fn run(args: &CompareArgs, context: &Context) -> Result<Exit, CliError> {
    args.drift.check_format()?;
    let policies = args.drift.policies()?;
    let before = Subject::resolve(&args.before, context)?;
    let after = Subject::resolve(&args.after, context)?;
    let before = before.load(context, &args.scan, None, Some(&policies))?;
    let after = after.load(context, &args.scan, Some(&before), Some(&policies))?;
    let exit = drift::report(&before, &after, &args.drift, &policies, context);
    // Both were only read and the process ends here: giving back thousands of directories one by
    // one would only cost time (a twentieth of a compare of 100 changed paths).
    std::mem::forget((before, after));
    exit
}
