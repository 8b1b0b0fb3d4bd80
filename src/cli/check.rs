//! `driftcheck check`.

use super::context::Context;
use super::drift::{self, DriftOptions};
use super::error::CliError;
use super::exit::Exit;
use super::scanning::{self, ScanOptions};
use super::subject::{Loaded, Subject};
use crate::store::{Access, Store};
use std::sync::Arc;

/// Scan a target, compare it with its baseline, judge: the everyday command
///
/// The baseline is the one named like the target, or one set `--for` it. The scan is stored.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck check                             this host against its baseline
  driftcheck check --baseline golden web-01.qcow2 --format sarif --output drift.sarif")]
pub(super) struct CheckArgs {
    /// What to check: a target, or a stored manifest; this host if nothing is named
    #[arg(value_name = "TARGET", default_value = "host:", hide_default_value = true)]
    target: String,
    /// Compare with this baseline
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// Call the target so, instead of by its host name or file name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    scan: ScanOptions,
    #[command(flatten)]
    drift: DriftOptions,
}

pub(super) fn run(args: &CheckArgs, context: &Context) -> Result<Exit, CliError> {
    args.drift.check_format()?;
    let policies = args.drift.policies()?;
    let wanted = args.baseline.as_deref();
    let (before, after) = match Subject::resolve(&args.target, context)? {
        Subject::Stored(store, id) => {
            let after = Loaded::stored(store.clone(), &id)?;
            (find_baseline(&store, wanted, &after.header.name)?, after)
        }
        apart @ (Subject::Exported(_) | Subject::Bill(_)) => {
            let after = apart.load(context, &args.scan, None, Some(&policies))?;
            let store = context.open_store(Access::Read)?;
            (find_baseline(&store, wanted, &after.header.name)?, after)
        }
        Subject::Target(spec) => {
            let opened = scanning::open(spec, args.name.as_deref(), &args.scan)?;
            let store = match context.open_store_if_there()? {
                Some(_) => context.open_store(Access::Write)?,
                None => return Err(no_baseline(wanted, &opened.target.name)),
            };
            let before = find_baseline(&store, wanted, &opened.target.name)?;
            (before, scanning::scan_into(&store, opened, context, &args.scan, Some(&policies))?)
        }
    };
    drift::report(&before, &after, &args.drift, &policies, context)
}

/// The approved manifest of a target, or the command that makes one.
pub(super) fn find_baseline(
    store: &Arc<Store>,
    wanted: Option<&str>,
    name: &str,
) -> Result<Loaded, CliError> {
    let found = match wanted {
        Some(wanted) => store.baseline(wanted)?,
        None => store.baseline_for(name)?,
    };
    match found {
        Some(baseline) => Loaded::stored(store.clone(), &baseline.manifest),
        None => Err(no_baseline(wanted, name)),
    }
}

fn no_baseline(wanted: Option<&str>, name: &str) -> CliError {
    match wanted {
        Some(wanted) => CliError::new(format!("there is no baseline {wanted}"))
            .hint("`driftcheck baseline list` shows those that are set"),
        None => CliError::new(format!("{name} has no baseline to be compared with")).hint(format!(
            "approve its present state: `driftcheck scan`, then `driftcheck baseline set {name}`"
        )),
    }
}
