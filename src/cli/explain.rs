//! `driftcheck explain`.

use super::check::find_baseline;
use super::context::Context;
use super::drift::{self, DriftOptions};
use super::error::CliError;
use super::exit::Exit;
use super::subject::{Loaded, Subject};
use crate::compare;
use crate::model::{DriftReport, Subject as Changed, TreePath};
use crate::pins::RULES;
use crate::report;
use crate::store::Access;

/// What is known about a path, a package or a rule, and why it was judged so
///
/// A path or a package is explained from the newest manifest of a target against its baseline;
/// nothing is scanned.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck explain /etc/ssh/sshd_config --in web-01
  driftcheck explain pins/os-package")]
pub(super) struct ExplainArgs {
    /// A path (`/etc/motd`), a package (`nginx`), a fact (`users/deploy`) or a rule
    subject: String,
    /// The manifest to look into [default: this host's newest]
    #[arg(long = "in", value_name = "MANIFEST")]
    manifest: Option<String>,
    /// What to compare it with [default: its baseline]
    #[arg(long, value_name = "MANIFEST")]
    against: Option<String>,
    #[command(flatten)]
    drift: DriftOptions,
}

pub(super) fn run(args: &ExplainArgs, context: &Context) -> Result<Exit, CliError> {
    if let Some(rule) = RULES.iter().find(|rule| rule.id == args.subject) {
        context.write(None, |out| {
            writeln!(out, "{}: {}\n\n{}\n", rule.id, rule.summary, rule.why)?;
            writeln!(out, "bad:\n{}\n\ngood:\n{}\n", indent(rule.bad), indent(rule.good))?;
            writeln!(out, "fix: {}", rule.fix)
        })?;
        return Ok(Exit::Clean);
    }
    let (before, after) = sides(args.manifest.as_deref(), args.against.as_deref(), context)?;
    let policies = args.drift.policies()?;
    let mut report = drift::judge(&before, &after, &args.drift.inputs(&policies), context)?;
    let subject = find(&report, &args.subject).ok_or_else(|| {
        CliError::new(format!(
            "{} is no rule, and is the same in {} and {}",
            args.subject, report.baseline.name, report.current.name
        ))
    })?;
    // What a package explains has its lines shown too when it is asked for by name.
    let change = report.changes.iter().find(|one| one.change.subject == subject);
    let diff = change.and_then(|one| {
        compare::text_diff(&one.change, before.source.as_ref(), after.source.as_ref())
    });
    report.diffs = diff.into_iter().collect();
    let view = context.view(None, true);
    context.write(None, |out| report::explain(&report, &subject, &view, out).map(drop))?;
    Ok(Exit::Clean)
}

/// A stored manifest and what it is compared with: its baseline, unless something else is named.
pub(super) fn sides(
    manifest: Option<&str>,
    against: Option<&str>,
    context: &Context,
) -> Result<(Loaded, Loaded), CliError> {
    let store = context.open_store(Access::Read)?;
    let load = |word: &str| match Subject::resolve(word, context)? {
        Subject::Stored(store, id) => Loaded::stored(store, &id),
        _ => Err(CliError::new(format!("{word} is no stored manifest"))
            .hint(format!("`driftcheck scan {word}` stores one"))),
    };
    let word = match manifest {
        Some(word) => word.to_owned(),
        None => super::scanning::host_name()?,
    };
    let after = load(&word)?;
    let before = match against {
        Some(word) => load(word)?,
        None => find_baseline(&store, None, &after.header.name)?,
    };
    Ok((before, after))
}

/// The changed subject that a person means: a path, a fact as `scope/key`, or a package by name.
fn find(report: &DriftReport, word: &str) -> Option<Changed> {
    let path = TreePath::parse(word);
    let fits = |subject: &&Changed| match subject {
        Changed::Path(one) => word.starts_with('/') && *one == path,
        Changed::Package(key) => key.name == word || key.to_string() == word,
        Changed::Fact { scope, key } => format!("{scope}/{key}") == word,
    };
    report.changes.iter().map(|judged| &judged.change.subject).find(fits).cloned()
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
