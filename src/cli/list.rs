//! `driftcheck list`.

use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use crate::collect::COLLECTORS;
use crate::pins::{CARRIERS, RULES};
use crate::report::{REPORTERS, format};
use clap::ValueEnum;
use std::io;

/// List what there is: targets, collectors, rules, reporters, manifests
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck list manifests
  driftcheck list rules")]
pub(super) struct ListArgs {
    /// What to list
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// How targets are named
    Targets,
    /// What is read out of a tree
    Collectors,
    /// Rules and carriers of the pin gate
    Rules,
    /// Formats
    Reporters,
    /// What is stored
    Manifests,
}

const TARGETS: &[(&str, &str)] = &[
    ("host:", "this host; also `/`, or nothing"),
    ("dir:PATH", "a root tree; a folder given bare"),
    ("disk:FILE", "a disk image: raw, qcow2, VMDK, VHD, VHDX, VDI"),
    ("oci:FOLDER[:TAG]", "a container image in OCI layout"),
    ("oci-archive:FILE[:TAG]", "the same in a tar"),
    ("docker-archive:FILE[:TAG]", "what `docker save` writes"),
    ("sbom:FILE", "a bill of materials: packages only, to compare with"),
    ("tar:FILE", "a root tree in a tar, plain or compressed with gzip, zstd, xz or bzip2"),
    ("NAME, NAME@2", "a stored manifest of that target: the newest, the second newest"),
    ("ID", "a stored manifest by the beginning of its id"),
    ("baseline:NAME", "an approved manifest"),
];

pub(super) fn run(args: &ListArgs, context: &Context) -> Result<Exit, CliError> {
    match args.what {
        What::Targets => print(context, TARGETS.iter().copied())?,
        What::Collectors => print(context, COLLECTORS.iter().map(|row| (row.name, row.summary)))?,
        What::Rules => {
            let rules = RULES.iter().map(|rule| (rule.id, rule.summary));
            print(context, rules.chain(CARRIERS.iter().map(|row| (row.name, row.summary))))?;
        }
        What::Reporters => print(context, REPORTERS.iter().map(|row| (row.name, row.summary)))?,
        What::Manifests => manifests(context)?,
    }
    Ok(Exit::Clean)
}

fn print<'t>(
    context: &Context,
    rows: impl Iterator<Item = (&'t str, &'t str)>,
) -> Result<(), CliError> {
    let rows: Vec<_> = rows.collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    context.write(None, |out| {
        rows.iter().try_for_each(|(name, summary)| writeln!(out, "{name:width$}  {summary}"))
    })
}

fn manifests(context: &Context) -> Result<(), CliError> {
    let list = match context.open_store_if_there()? {
        Some(store) => store.list()?,
        None => Vec::new(),
    };
    context.write(None, |out| {
        for one in list {
            let line: io::Result<()> = writeln!(
                out,
                "{}  {}  {}  {} entries  {} packages  {}{}",
                one.id.short(),
                format::escaped(&one.name),
                format::moment(&one.scanned_at),
                format::number(one.entries),
                format::number(one.packages),
                format::escaped(&one.target),
                one.baselines.iter().map(|name| format!("  baseline:{name}")).collect::<String>(),
            );
            line?;
        }
        Ok(())
    })
}
