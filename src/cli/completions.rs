//! `driftcheck completions` and `driftcheck man`, made from the command definitions.

use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::PathBuf;

/// Write a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck completions bash > /etc/bash_completion.d/driftcheck
  driftcheck completions zsh > _driftcheck")]
pub(super) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Write the manual pages into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  driftcheck man /usr/local/share/man/man1
  driftcheck man . && man ./driftcheck.1")]
pub(super) struct ManArgs {
    /// The folder
    folder: PathBuf,
}

pub(super) fn completions(args: &CompletionsArgs, context: &Context) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "driftcheck", &mut script);
    context.write(None, |out| out.write_all(&script))?;
    Ok(Exit::Clean)
}

pub(super) fn man(args: &ManArgs) -> Result<Exit, CliError> {
    clap_mangen::generate_to(super::Cli::command(), &args.folder).map_err(|error| {
        CliError::because(format!("cannot write to {}", args.folder.display()), error)
    })?;
    Ok(Exit::Clean)
}
