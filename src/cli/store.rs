//! `driftcheck store`.

use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use crate::report::format;
use crate::store::Access;
use std::path::PathBuf;

/// Verify, clean up, measure or export the manifest store
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck store verify
  driftcheck store export flat.db web-01 baseline:golden")]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, clap::Subcommand)]
enum StoreCommand {
    /// Recompute every digest and report what is damaged
    Verify,
    /// Drop what no manifest names and give the space back
    Gc,
    /// How much there is of what
    Stats,
    /// Forget a manifest
    Remove {
        /// A stored manifest
        manifest: String,
    },
    /// Write manifests as one flat SQLite file with a row per entry
    Export {
        /// The file to be made
        file: PathBuf,
        /// Stored manifests
        #[arg(required = true)]
        manifests: Vec<String>,
    },
}

pub(super) fn run(args: &StoreArgs, context: &Context) -> Result<Exit, CliError> {
    match &args.command {
        StoreCommand::Verify => verify(context),
        StoreCommand::Gc => gc(context),
        StoreCommand::Stats => stats(context),
        StoreCommand::Remove { manifest } => {
            let store = context.open_store(Access::Write)?;
            store.remove_manifest(&store.resolve(manifest)?)?;
            Ok(Exit::Clean)
        }
        StoreCommand::Export { file, manifests } => {
            let store = context.open_store(Access::Read)?;
            let ids: Result<Vec<_>, _> = manifests.iter().map(|word| store.resolve(word)).collect();
            store.export_flat(&ids?, file)?;
            Ok(Exit::Clean)
        }
    }
}

fn verify(context: &Context) -> Result<Exit, CliError> {
    let verified = context.open_store(Access::Read)?.verify()?;
    context.write(None, |out| {
        for (table, rows) in &verified.rows {
            writeln!(out, "{table}: {} verified", format::number(*rows))?;
        }
        for damage in &verified.damages {
            writeln!(out, "damaged: {} {}: {}", damage.place, damage.id, damage.reason)?;
        }
        Ok(())
    })?;
    if verified.damages.is_empty() {
        return Ok(Exit::Clean);
    }
    context.tell("what is damaged cannot be relied on: scan again, and `driftcheck store remove`");
    Ok(Exit::Unknown)
}

fn gc(context: &Context) -> Result<Exit, CliError> {
    let collected = context.open_store(Access::Write)?.gc()?;
    context.write(None, |out| {
        for (table, rows) in collected.rows.iter().filter(|(_, rows)| **rows > 0) {
            writeln!(out, "{table}: {} dropped", format::number(*rows))?;
        }
        let (before, after) = (collected.bytes_before, collected.bytes_after);
        writeln!(out, "{} -> {}", format::bytes(before), format::bytes(after))
    })?;
    Ok(Exit::Clean)
}

fn stats(context: &Context) -> Result<Exit, CliError> {
    let stats = context.open_store(Access::Read)?.stats()?;
    context.write(None, |out| {
        writeln!(out, "{}", context.store.display())?;
        for (name, bytes) in [
            ("file", stats.bytes),
            ("free pages", stats.free_bytes),
            ("trees", stats.tree_bytes),
            ("texts", stats.text_bytes),
            ("caches", stats.cache_bytes),
            ("described", stats.described_bytes),
        ] {
            writeln!(out, "{name:12} {:>12}", format::bytes(bytes))?;
        }
        for (table, rows) in &stats.rows {
            writeln!(out, "{table:20} {:>12}", format::number(*rows))?;
        }
        Ok(())
    })?;
    Ok(Exit::Clean)
}
