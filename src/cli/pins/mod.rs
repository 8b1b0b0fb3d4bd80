//! `driftcheck pins`.

mod adoption;
mod fixing;
mod git;

use super::context::Context;
use super::error::CliError;
use super::exit::{Exit, Gaps};
use super::output::Output;
use super::scanning::ScanOptions;
use super::subject::Subject;
use crate::collect::packages::depends::Dependencies;
use crate::model::Severity;
use crate::pins::against::{self, Against};
use crate::pins::{AuditOptions, PinReport, Requirements, audit_paths, fix, requirements_of};
use crate::report::Pins;
use adoption::AdoptionOptions;
use fixing::FixOptions;
use git::Change;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Audit build files for unpinned versions: the CI gate
///
/// Reads everything that builds or customises images below the given paths and names each input
/// that could be another version next week, at the exact word.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck pins
  driftcheck pins images/ --require os-package=exact --format sarif --output pins.sarif
  driftcheck pins --fix --from baseline:golden images/")]
pub(super) struct PinsArgs {
    /// Files and folders
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    paths: Vec<PathBuf>,
    /// Require a strength of an ecosystem or a category (`apt=exact`, `default=content`)
    #[arg(long, value_name = "WHAT=STRENGTH")]
    require: Vec<String>,
    /// A policy instead of the `driftcheck.toml` of the repository
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// List everything that is taken from outside, pinned or not
    #[arg(long)]
    inventory: bool,
    /// Hold the files against this manifest of the golden image
    #[arg(long, value_name = "MANIFEST")]
    against: Option<String>,
    /// With --against: what the base image has counts for nothing
    #[arg(long, value_name = "MANIFEST", requires = "against")]
    base: Option<String>,
    /// Read vendored folders and submodules too
    #[arg(long)]
    include_vendored: bool,
    /// Read files that .gitignore or .ignore name too
    #[arg(long, visible_alias = "no-ignore")]
    include_ignored: bool,
    /// Pass over files that .gitattributes calls linguist-generated
    #[arg(long)]
    exclude_generated: bool,
    /// Follow symbolic links, wherever they lead
    #[arg(long)]
    follow: bool,
    /// Exit with 1 from this severity on: critical, high, medium, low, info
    #[arg(long, value_name = "SEVERITY", default_value = "low", value_parser = super::drift::severity)]
    fail_on: Severity,
    /// Judge although files could not be read
    #[arg(long)]
    allow_gaps: bool,
    #[command(flatten)]
    adoption: AdoptionOptions,
    #[command(flatten)]
    fix: FixOptions,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &PinsArgs, context: &Context) -> Result<Exit, CliError> {
    let write = args.output.pins_writer()?;
    let (requirements, require) = requirements(args)?;
    let today = jiff::Timestamp::from_second(context.now.seconds).ok();
    let mut options = AuditOptions {
        requirements,
        include_vendored: args.include_vendored,
        include_ignored: args.include_ignored,
        exclude_generated: args.exclude_generated,
        follow_links: args.follow,
        discover: args.policy.is_none(),
        require,
        today: today.map(|now| now.to_zoned(jiff::tz::TimeZone::UTC).date()),
        ..AuditOptions::default()
    };
    let mut paths = args.paths.clone();
    paths.extend(args.fix.paths());
    if args.fix.paths().next().is_some() && args.paths == [PathBuf::from(".")] {
        paths.remove(0);
    }
    for path in &paths {
        let look = |error| CliError::because(format!("cannot look at {}", path.display()), error);
        path.symlink_metadata().map_err(look)?;
    }
    let known = args.fix.known(context)?;
    let accepted = args.adoption.read(&paths)?;
    let change = args.fix.range().map(|range| Change::read(range, &paths)).transpose()?;
    if let Some(change) = &change {
        options.overlay.extend(change.files.clone());
    }
    let mut report = audit_paths(&paths, &options);
    if let Some(change) = &change {
        change.narrow(&mut report);
    }
    if let Some(file) = args.adoption.file_to_write(&paths) {
        return adoption::write(&file, &report, context);
    }
    let fixing = known.map(|known| fix::plan_for(report.clone(), &paths, &options, &known));
    if let Some(fixing) = fixing.as_ref().filter(|_| args.fix.writes()) {
        fixing::write(fixing, &paths)?;
        report = fixing.after.clone();
        if let Some(change) = &change {
            change.narrow(&mut report);
        }
    }
    if let Some(accepted) = &accepted {
        let first = paths.first().map_or(Path::new("."), PathBuf::as_path);
        let requirements = requirements_of(first, &options);
        let looked_at = if change.is_some() { &[] } else { paths.as_slice() };
        report.accept(accepted, &read, &requirements, looked_at);
    }
    let against = match &args.against {
        Some(word) => Some(hold(&mut report, word, args, &paths, &options, context)?),
        None => None,
    };
    let gaps = if args.allow_gaps { Gaps::Allow } else { Gaps::Refuse };
    if let Some(fixing) = fixing.as_ref().filter(|_| args.fix.shows()) {
        fixing::show(fixing, args.output.file(), context)?;
        return Ok(exit(&report, args.fail_on, gaps));
    }
    let pins = Pins {
        report: &report,
        sources: &read,
        inventory: args.inventory,
        against: against.as_ref(),
        fixing: fixing.as_ref(),
        is_fixed: args.fix.writes(),
    };
    let view = context.view(args.output.file(), false);
    context.write(args.output.file(), |out| write(&pins, &view, out))?;
    let unaccounted =
        against.is_some_and(|against| against.base.is_some() && !against.undeclared.is_empty());
    Ok(match exit(&report, args.fail_on, gaps) {
        Exit::Clean if unaccounted && args.fail_on <= Severity::Low => Exit::Findings,
        exit => exit,
    })
}

/// Holds a report against the golden image that `word` names.
fn hold(
    report: &mut PinReport,
    word: &str,
    args: &PinsArgs,
    paths: &[PathBuf],
    options: &AuditOptions,
    context: &Context,
) -> Result<Against, CliError> {
    let records = |word: &str| {
        let loaded =
            Subject::resolve(word, context)?.load(context, &ScanOptions::default(), None, None)?;
        loaded.manifest().map(|manifest| manifest.records)
    };
    let golden = records(word)?;
    let base = args.base.as_deref().map(records).transpose()?;
    let base = base.as_ref().map(|base| base.packages.as_slice());
    let first = paths.first().map_or(Path::new("."), PathBuf::as_path);
    let requirements = requirements_of(first, options);
    let graph = Dependencies::of(golden.packages.iter());
    let needs = |index: usize| graph.needs(index).collect();
    let both = (golden.packages.as_slice(), golden.facts.as_slice());
    Ok(against::hold(report, word, both, &needs, base, &requirements))
}

/// A build file once more, by the path that the report shows.
fn read(file: &str) -> Option<Arc<[u8]>> {
    std::fs::read(file).ok().map(Arc::from)
}

fn exit(report: &PinReport, fail_on: Severity, gaps: Gaps) -> Exit {
    if !report.gaps.is_empty() && gaps == Gaps::Refuse {
        Exit::Unknown
    } else if report.findings.iter().any(|finding| finding.severity >= fail_on) {
        Exit::Findings
    } else {
        Exit::Clean
    }
}

/// The shipped requirements and over them a policy's; and what goes over every policy.
fn requirements(args: &PinsArgs) -> Result<(Requirements, Vec<(String, String)>), CliError> {
    let mut requirements = Requirements::shipped()?;
    if let Some(path) = &args.policy {
        let place = || format!("the policy {}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| CliError::because(place(), e))?;
        let shown = path.to_string_lossy();
        let added = requirements.add_file(&shown, &text);
        added.map_err(|fault| CliError::because(place(), fault))?;
    }
    let mut overrides = Vec::new();
    for word in &args.require {
        let (scope, strength) = word.split_once('=').ok_or_else(|| {
            CliError::new(format!("--require {word}: no strength")).hint("--require apt=exact")
        })?;
        requirements
            .clone()
            .require(scope, strength)
            .map_err(|fault| CliError::because(format!("--require {word}"), fault))?;
        overrides.push((scope.to_owned(), strength.to_owned()));
    }
    Ok((requirements, overrides))
}
