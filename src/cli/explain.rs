//! `driftcheck explain`.

use super::check::find_baseline;
use super::context::Context;
use super::drift::{self, DriftOptions};
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::subject::{Loaded, Subject};
use crate::compare;
use crate::model::{DriftReport, Subject as Changed, TreePath};
use crate::pins::{RULES, RuleFamily, rules};
use crate::report;
use crate::store::Access;

/// What is known about a path, a package or a rule, and why it was judged so
///
/// A path or a package is explained from the newest manifest of a target against its baseline;
/// nothing is scanned.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck explain /etc/ssh/sshd_config --in web-01
  driftcheck explain pins/os-package
  driftcheck explain --all --format markdown --output rules.md")]
pub(super) struct ExplainArgs {
    /// A path (`/etc/motd`), a package (`nginx`), a fact (`users/deploy`) or a rule; with --all: all rules
    #[arg(required_unless_present = "all")]
    subject: Option<String>,
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
    let Some(word) = args.subject.as_deref() else {
        return rules(&RULES.iter().collect::<Vec<_>>(), args.drift.output(), context);
    };
    if let Some(rule) = rules::rule(word) {
        return rules(&[rule], args.drift.output(), context);
    }
    let meant = |error: CliError| match rules::nearest(word) {
        Some(id) => error.hint(format!("is the rule {id} meant?")),
        None => error,
    };
    if word.starts_with("pins/") {
        let error = CliError::new(format!("there is no rule {word}"));
        return Err(match rules::nearest(word) {
            Some(_) => meant(error),
            None => error.hint("`driftcheck list rules` lists them"),
        });
    }
    let file = args.drift.output().file();
    args.drift.output().rules_writer()?;
    let both = sides(args.manifest.as_deref(), args.against.as_deref(), context);
    let (before, after) = both.map_err(meant)?;
    let policies = args.drift.policies()?;
    let mut report = drift::judge(&before, &after, &args.drift.inputs(&policies), context)?;
    let subject = find(&report, word).ok_or_else(|| {
        meant(CliError::new(format!(
            "{word} is no rule, and is the same in {} and {}",
            report.baseline.name, report.current.name
        )))
    })?;
    // What a package explains has its lines shown too when it is asked for by name.
    let change = report.changes.iter().find(|one| one.change.subject == subject);
    let diff = change.and_then(|one| {
        compare::text_diff(&one.change, before.source.as_ref(), after.source.as_ref())
    });
    report.diffs = diff.into_iter().collect();
    let view = context.view(file, true);
    context.write(file, |out| report::explain(&report, &subject, &view, out).map(drop))?;
    Ok(Exit::Clean)
}

/// Writes rules: a blank line between them.
fn rules(all: &[&RuleFamily], output: &Output, context: &Context) -> Result<Exit, CliError> {
    let write = output.rules_writer()?;
    let pages: Vec<String> = all.iter().map(|rule| write(rule)).collect();
    context.write(output.file(), |out| out.write_all(pages.join("\n").as_bytes()))?;
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
