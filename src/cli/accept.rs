//! `driftcheck baseline accept`.

use super::context::Context;
use super::drift::{self, DriftInputs};
use super::error::CliError;
use super::exit::{Exit, Gaps};
use super::explain::sides;
use crate::model::{CauseKind, Severity, Timestamp};
use crate::policy::{Policy, accept_cause};
use crate::report::format;
use std::path::PathBuf;

/// Accept what one cause did, as policy entries that name exactly that
///
/// Each entry names one path with its content and attributes, one package with its version, or one
/// fact with its values: the next change of it is drift again. Only changes with no other sure
/// cause are taken. Review the entries, and give the file to `check` with --policy.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck baseline accept --cause cloud-init --reason 'first boot' --output accepted.toml
  driftcheck baseline accept --cause ansible --in web-01 --reason 'site.yml 1.4' --until 2026-12-31")]
pub(super) struct AcceptArgs {
    /// Whose changes: ansible, cloud-init, human …
    #[arg(long, value_name = "CAUSE", value_parser = drift::cause)]
    cause: CauseKind,
    /// Why they are as they should be
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The last day on which this counts, like 2026-12-31
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// The manifest to look into [default: this host's newest]
    #[arg(long = "in", value_name = "MANIFEST")]
    manifest: Option<String>,
    /// What to compare it with [default: its baseline]
    #[arg(long, value_name = "MANIFEST")]
    against: Option<String>,
    /// A policy that holds already; may be given more than once
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Add the entries to this file, instead of printing them
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &AcceptArgs, context: &Context) -> Result<Exit, CliError> {
    if args.reason.trim().is_empty() {
        return Err(CliError::new("an acceptance gives its reason").hint("--reason TEXT"));
    }
    let mut files = args.policy.clone();
    let old = match &args.output {
        Some(path) if path.exists() => {
            let failed = |error| CliError::because(format!("policy {}", path.display()), error);
            let text = std::fs::read_to_string(path).map_err(failed)?;
            // What is accepted in it already is not accepted twice.
            if !files.contains(path) {
                files.push(path.clone());
            }
            text
        }
        _ => String::new(),
    };
    let policies = drift::policies(&files)?;
    let (before, after) = sides(args.manifest.as_deref(), args.against.as_deref(), context)?;
    let inputs = DriftInputs { policies: &policies, fail_on: Severity::Low, gaps: Gaps::Allow };
    let report = drift::judge(&before, &after, &inputs, context)?;
    let made = accept_cause(&report.changes, args.cause, args.reason.trim(), args.until.as_deref());
    let (now, until) = (report.current.name.as_str(), report.baseline.name.as_str());
    let mut text = old;
    if made.count > 0 {
        if !text.is_empty() && !text.ends_with("\n\n") {
            text.push('\n');
        }
        text.push_str(&format!(
            "# {} by {} on {} against {}, accepted {}.\n\n{}",
            format::count(made.count, "change"),
            args.cause,
            format::escaped(now),
            format::escaped(until),
            format::moment(&Timestamp::from_seconds(context.now.seconds)),
            made.text
        ));
        let text = format!("{}\n", text.trim_end());
        // A wrong date is refused before anything is written.
        Policy::parse(&text, "the new entries")
            .map_err(|error| CliError::because("these entries cannot be used", error))?;
        context.write(args.output.as_deref(), |out| out.write_all(text.as_bytes()))?;
    }
    let place = match &args.output {
        Some(path) if made.count > 0 => format!(", in {}", path.display()),
        _ => String::new(),
    };
    context.tell(&format!(
        "{} by {} accepted{place}",
        format::count(made.count, "change"),
        args.cause
    ));
    if made.unnameable > 0 {
        context.tell(&format!(
            "{} more cannot be named in a policy (paths that are no text): they stay drift",
            format::length(made.unnameable)
        ));
    }
    Ok(Exit::Clean)
}
