//! Two manifests into a report: compare, attribute, judge, write. What `compare` and `check` share.

use super::context::Context;
use super::error::CliError;
use super::exit::{Exit, Gaps};
use super::output::Output;
use super::sources::SourceOptions;
use super::subject::Loaded;
use crate::attribute;
use crate::compare;
use crate::model::{
    CauseKind, Disposition, DriftReport, Header, Manifest, ManifestSummary, Omission, Severity,
    Side,
};
use crate::policy::{self, Policies, Policy};
use crate::report::Narrow;
use std::path::PathBuf;

/// How changes are judged and shown.
#[derive(Debug, clap::Args)]
pub(super) struct DriftOptions {
    /// Add a policy of your own (TOML); may be given more than once
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Exit with 1 from this severity on: critical, high, medium, low, info
    #[arg(long, value_name = "SEVERITY", default_value = "low", value_parser = severity)]
    fail_on: Severity,
    /// Judge although parts could not be read
    #[arg(long)]
    allow_gaps: bool,
    /// List what is expected, accepted or folded too
    #[arg(long)]
    all: bool,
    /// Show only what has this cause (the exit code stays); may be repeated
    #[arg(long, value_name = "CAUSE", value_parser = cause)]
    cause: Vec<CauseKind>,
    /// Show only what has no known cause (the exit code stays)
    #[arg(long)]
    unexplained: bool,
    #[command(flatten)]
    sources: SourceOptions,
    #[command(flatten)]
    output: Output,
}

/// Reads a severity of the command line.
pub(super) fn severity(word: &str) -> Result<Severity, String> {
    Severity::parse(word).ok_or_else(|| "critical, high, medium, low or info".to_owned())
}

/// Reads a cause of the command line.
pub(super) fn cause(word: &str) -> Result<CauseKind, String> {
    CauseKind::parse(word).ok_or_else(|| CauseKind::ALL.map(CauseKind::as_str).join(", "))
}

impl DriftOptions {
    fn gaps(&self) -> Gaps {
        if self.allow_gaps { Gaps::Allow } else { Gaps::Refuse }
    }

    /// The shipped policy with the user's; refused before anything is scanned.
    pub(super) fn policies(&self) -> Result<Policies, CliError> {
        policies(&self.policy)
    }

    /// What judging needs of them.
    pub(super) fn inputs<'a>(&self, policies: &'a Policies) -> DriftInputs<'a> {
        DriftInputs { policies, fail_on: self.fail_on, gaps: self.gaps() }
    }

    /// Where the answer goes and how it is written.
    pub(super) fn output(&self) -> &Output {
        &self.output
    }

    /// Refuses a format that drift cannot be written in, before anything is scanned.
    pub(super) fn check_format(&self) -> Result<(), CliError> {
        self.output.drift_writer().map(drop)
    }
}

/// What judging needs besides two manifests.
pub(super) struct DriftInputs<'a> {
    /// All that hold.
    pub(super) policies: &'a Policies,
    /// From which severity on the outcome is drift.
    pub(super) fail_on: Severity,
    /// Whether parts that could not be read make it incomplete.
    pub(super) gaps: Gaps,
}

/// The shipped policy with these files.
pub(super) fn policies(files: &[PathBuf]) -> Result<Policies, CliError> {
    let mut policies = Policies::shipped()?;
    for path in files {
        let read = |error| CliError::because(format!("policy {}", path.display()), error);
        let text = std::fs::read_to_string(path).map_err(read)?;
        policies.add(Policy::parse(&text, &path.display().to_string())?);
    }
    Ok(policies)
}

/// Compares, judges and writes; the exit code says the outcome.
pub(super) fn report(
    before: &Loaded,
    after: &Loaded,
    options: &DriftOptions,
    policies: &Policies,
    context: &Context,
) -> Result<Exit, CliError> {
    let mut report = judge(before, after, &options.inputs(policies), context)?;
    options.sources.trace(&mut report, before, after, context)?;
    let write = options.output.drift_writer()?;
    let view = context.view(options.output.file(), options.all);
    let exit = Exit::of_report(&report, options.fail_on, options.gaps());
    let narrow =
        Narrow { causes: options.cause.clone(), unexplained: options.unexplained, at_least: None };
    let report = narrow.apply(report);
    context.write(options.output.file(), |out| write(&report, &view, out))?;
    Ok(exit)
}

/// Compares, attributes and judges.
pub(super) fn judge(
    before: &Loaded,
    after: &Loaded,
    inputs: &DriftInputs<'_>,
    context: &Context,
) -> Result<DriftReport, CliError> {
    let (old, new) =
        (before.manifest_against(&after.header)?, after.manifest_against(&before.header)?);
    let old_side = Side { manifest: &old, source: before.source.as_ref() };
    let new_side = Side { manifest: &new, source: after.source.as_ref() };
    let comparison = compare::compare(&old_side, &new_side)?;
    let mut collapsed = attribute::collapse(comparison.changes, &old_side, &new_side);
    let events = &new.records.events;
    let mut notes = comparison.notes;
    let attribution = attribute::causes(&mut collapsed.changes, events, &old_side, &new_side);
    let judged = policy::judge(collapsed.changes, inputs.policies, context.now);
    notes.extend(attribution.notes(&judged.changes, &old_side, &new_side));
    let mut gaps = [&old.records.gaps, &new.records.gaps, &comparison.gaps, &collapsed.gaps]
        .map(Vec::as_slice)
        .concat();
    gaps.sort();
    gaps.dedup();
    let is_incomplete = !gaps.is_empty() && inputs.gaps == Gaps::Refuse;
    let differing = judged.changes.iter().filter(|one| one.disposition != Disposition::Explained);
    let (old_texts, new_texts) = (before.source.as_ref(), after.source.as_ref());
    let diffs =
        differing.filter_map(|one| compare::text_diff(&one.change, old_texts, new_texts)).collect();
    Ok(DriftReport {
        baseline: summary(&old.header),
        current: summary(&new.header),
        outcome: policy::outcome(&judged.findings, inputs.fail_on, is_incomplete),
        changes: judged.changes,
        findings: judged.findings,
        diffs,
        build_lines: Vec::new(),
        gaps,
        omissions: omissions(&old, &new),
        notes,
    })
}

fn summary(header: &Header) -> ManifestSummary {
    ManifestSummary {
        name: header.name.clone(),
        id: header.id(),
        target: header.target.clone(),
        scanned_at: header.scanned_at,
        entries: header.entries,
    }
}

fn omissions(old: &Manifest, new: &Manifest) -> Vec<Omission> {
    let both = old.records.omissions.iter().chain(&new.records.omissions);
    let mut omissions: Vec<Omission> = both.cloned().collect();
    omissions.sort();
    omissions.dedup();
    omissions
}
