//! `driftcheck baseline`.

use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::scanning::ScanOptions;
use super::subject::{Loaded, Subject};
use crate::model::Baseline;
use crate::policy::Policies;
use crate::report::format::count;
use crate::report::{Owners, Section, ShowReport};
use crate::store::{Access, Spool, Store, export_text, import_text};
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

/// Name the approved manifest of a golden image
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck baseline set golden web-01        approve web-01's newest manifest as `golden`
  driftcheck baseline show golden --export > snapshots/manifests/golden.manifest")]
pub(super) struct BaselineArgs {
    #[command(subcommand)]
    command: BaselineCommand,
}

#[derive(Debug, clap::Subcommand)]
enum BaselineCommand {
    Set(SetArgs),
    /// List the baselines that are set
    List,
    Show(ShowArgs),
    Remove(RemoveArgs),
    Import(ImportArgs),
    Accept(super::accept::AcceptArgs),
}

/// Approve a manifest under a name
///
/// A target's baseline is the one of its own name, or one whose `--for` pattern fits it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck baseline set web-01
  driftcheck baseline set golden golden.qcow2 --for 'web-*' --note 'build 412'")]
struct SetArgs {
    /// The baseline's name
    name: String,
    /// The manifest, or a target to scan now; the newest manifest of that name if left out
    manifest: Option<String>,
    /// Targets that it is the baseline of, by a pattern of their names; may be repeated
    #[arg(long = "for", value_name = "PATTERN")]
    applies_to: Vec<String>,
    /// Why it was approved
    #[arg(long)]
    note: Option<String>,
    /// Approve a manifest although parts of it could not be read
    #[arg(long)]
    allow_gaps: bool,
    #[command(flatten)]
    scan: ScanOptions,
}

/// Show a baseline, or write its manifest as text that can be reviewed and diffed
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck baseline show golden
  driftcheck baseline show golden --export --output golden.manifest")]
struct ShowArgs {
    /// The baseline's name
    name: String,
    /// Write the manifest as text: one line per entry, sorted by path
    #[arg(long)]
    export: bool,
    #[command(flatten)]
    output: Output,
}

/// Forget a baseline; its manifest stays
#[derive(Debug, clap::Args)]
struct RemoveArgs {
    /// The baseline's name
    name: String,
}

/// Read an exported manifest into the store, to the same id
#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The exported manifest
    file: PathBuf,
    /// Approve it under this name
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
}

pub(super) fn run(args: &BaselineArgs, context: &Context) -> Result<Exit, CliError> {
    match &args.command {
        BaselineCommand::Set(args) => set(args, context),
        BaselineCommand::List => list(context),
        BaselineCommand::Show(args) => show(args, context),
        BaselineCommand::Remove(args) => remove(args, context),
        BaselineCommand::Import(args) => import(args, context),
        BaselineCommand::Accept(args) => super::accept::run(args, context),
    }
}

fn set(args: &SetArgs, context: &Context) -> Result<Exit, CliError> {
    let word = args.manifest.as_deref().unwrap_or(&args.name);
    let store = context.open_store(Access::Write)?;
    let loaded = match Subject::resolve(word, context)? {
        Subject::Stored(_, id) => Loaded::stored(store.clone(), &id)?,
        Subject::Exported(path) => store_import(&store, &path)?,
        Subject::Bill(path) => {
            let manifest = super::subject::read_bill(&path, context)?;
            let id = store.commit(&manifest, &Spool::new(), &[], None)?;
            Loaded::stored(store.clone(), &id)?
        }
        Subject::Target(spec) => {
            let opened = super::scanning::open(spec, None, &args.scan)?;
            super::scanning::scan_into(
                &store,
                opened,
                context,
                &args.scan,
                Some(&Policies::shipped()?),
            )?
        }
    };
    let gaps = store.gaps(&loaded.header.sections.gaps)?;
    if !gaps.is_empty() && !args.allow_gaps {
        let name = &loaded.header.name;
        return Err(CliError::new(format!(
            "{name} has {} that could not be read: a check against it can never be clean",
            count(gaps.len(), "part")
        ))
        .hint(format!("`driftcheck show {name} --gaps` lists them; --allow-gaps approves it")));
    }
    approve(&store, &args.name, &loaded, &args.applies_to, args.note.clone(), context)
}

fn approve(
    store: &Store,
    name: &str,
    loaded: &Loaded,
    applies_to: &[String],
    note: Option<String>,
    context: &Context,
) -> Result<Exit, CliError> {
    let id = loaded.header.id();
    store.set_baseline(&Baseline {
        name: name.to_owned(),
        manifest: id,
        applies_to: applies_to.to_vec(),
        set_at: context.now,
        note,
    })?;
    let header = &loaded.header;
    context.tell(&format!(
        "baseline {name}: {} of {}, scanned {}, {} entries",
        id.short(),
        header.name,
        header.scanned_at,
        header.entries
    ));
    Ok(Exit::Clean)
}

fn list(context: &Context) -> Result<Exit, CliError> {
    let baselines = match context.open_store_if_there()? {
        Some(store) => store.baselines()?,
        None => Vec::new(),
    };
    context.write(None, |out| {
        for baseline in baselines {
            write!(out, "{}  {}  {}", baseline.name, baseline.manifest.short(), baseline.set_at)?;
            if !baseline.applies_to.is_empty() {
                write!(out, "  for {}", baseline.applies_to.join(" "))?;
            }
            match baseline.note {
                Some(note) => writeln!(out, "  {}", crate::report::format::escaped(&note))?,
                None => writeln!(out)?,
            }
        }
        Ok(())
    })?;
    Ok(Exit::Clean)
}

fn show(args: &ShowArgs, context: &Context) -> Result<Exit, CliError> {
    let write = args.output.show_writer()?;
    let store = context.open_store(Access::Read)?;
    let baseline = store.baseline(&args.name)?.ok_or_else(|| unknown(&args.name))?;
    let loaded = Loaded::stored(store, &baseline.manifest)?;
    let manifest = loaded.manifest()?;
    if args.export {
        let mut failed = None;
        context.write(args.output.file(), |out| {
            let exported = export_text(&manifest, loaded.source.as_ref(), out);
            exported.map_err(|error| {
                let text = error.to_string();
                failed = Some(error);
                std::io::Error::other(text)
            })
        })?;
        return failed.map_or(Ok(Exit::Clean), |error| Err(error.into()));
    }
    let owners = Owners::from_facts(&manifest.records.facts);
    let report = ShowReport { manifest: &manifest, section: Section::Overview, owners: &owners };
    let view = context.view(args.output.file(), false);
    context.write(args.output.file(), |out| write(&report, &view, out))?;
    Ok(Exit::Clean)
}

fn unknown(name: &str) -> CliError {
    CliError::new(format!("there is no baseline {name}"))
        .hint("`driftcheck baseline list` shows those that are set")
}

fn remove(args: &RemoveArgs, context: &Context) -> Result<Exit, CliError> {
    let store = context.open_store(Access::Write)?;
    if !store.remove_baseline(&args.name)? {
        return Err(unknown(&args.name));
    }
    Ok(Exit::Clean)
}

fn import(args: &ImportArgs, context: &Context) -> Result<Exit, CliError> {
    let store = context.open_store(Access::Write)?;
    let loaded = store_import(&store, &args.file)?;
    let id = loaded.header.id();
    context.write(None, |out| writeln!(out, "{id}"))?;
    match &args.set {
        Some(name) => approve(&store, name, &loaded, &[], None, context),
        None => Ok(Exit::Clean),
    }
}

/// Reads an exported manifest into the store.
fn store_import(store: &Arc<Store>, path: &std::path::Path) -> Result<Loaded, CliError> {
    let spool = Spool::new();
    let manifest = read_export(path, &spool)?;
    let id = store.commit(&manifest, &spool, &[], None)?;
    Loaded::stored(store.clone(), &id)
}

/// Reads an exported manifest; its trees go to the spool.
pub(super) fn read_export(
    path: &std::path::Path,
    spool: &Spool,
) -> Result<crate::model::Manifest, CliError> {
    let place = format!("the exported manifest {}", path.display());
    let file = File::open(path).map_err(|error| CliError::because(place.clone(), error))?;
    import_text(&mut BufReader::new(file), spool).map_err(|error| CliError::because(place, error))
}
