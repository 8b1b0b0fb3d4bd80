//! The command line: arguments in, bytes and an exit code out.
//!
//! One file a command, each with its arguments, its help and its run. Arguments are parsed first
//! and resolved second ([`subject`]). Here the rooms of floor 4 meet, and only here is anything
//! printed.

mod accept;
mod baseline;
mod check;
mod compare;
mod completions;
mod context;
mod drift;
mod error;
mod exit;
mod explain;
mod list;
mod output;
mod pins;
mod progress;
mod scan;
mod scanning;
mod show;
mod sources;
mod store;
mod subject;

use clap::{Args, Parser, Subcommand, ValueEnum};
use context::Context;
use error::CliError;
use exit::Exit;
use std::path::PathBuf;
use std::process::ExitCode;

/// Is this machine still the image that was built, and if not, what changed it?
#[derive(Debug, Parser)]
#[command(name = "driftcheck", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Examples:
  driftcheck scan                       remember what this host looks like
  driftcheck compare golden.qcow2 web-01.qcow2

Exit codes: 0 clean, 1 findings, 2 no trustworthy answer.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args, Debug)]
struct Global {
    /// The manifest store [default: /var/lib/driftcheck/store.db for root,
    /// $XDG_STATE_HOME/driftcheck/store.db for others]
    #[arg(
        long,
        value_name = "FILE",
        env = "DRIFTCHECK_STORE",
        global = true,
        hide_env_values = true
    )]
    store: Option<PathBuf>,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    color: Color,
    /// Say less: one line
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more: every change, all evidence
    #[arg(short, long, global = true)]
    verbose: bool,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set; CLICOLOR_FORCE overrides.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Scan(scan::ScanArgs),
    Check(check::CheckArgs),
    Compare(compare::CompareArgs),
    Pins(pins::PinsArgs),
    Baseline(baseline::BaselineArgs),
    Show(show::ShowArgs),
    Explain(explain::ExplainArgs),
    List(list::ListArgs),
    Store(store::StoreArgs),
    Completions(completions::CompletionsArgs),
    Man(completions::ManArgs),
}

/// Runs the program with the process's own arguments.
#[must_use]
pub fn main() -> ExitCode {
    crate::machine::tune_allocator();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; everything else is a usage error, exit code 2.
            let _ = error.print();
            return if error.use_stderr() { Exit::Unknown.into() } else { Exit::Clean.into() };
        }
    };
    let context = Context::new(&cli.global);
    match run(cli.command, &context) {
        Ok(exit) => exit.into(),
        Err(error) if error.is_broken_pipe() => Exit::Clean.into(),
        Err(error) => {
            context.complain(&error);
            Exit::Unknown.into()
        }
    }
}

fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Scan(args) => scan::run(&args, context),
        Command::Check(args) => check::run(&args, context),
        Command::Compare(args) => compare::run(&args, context),
        Command::Pins(args) => pins::run(&args, context),
        Command::Baseline(args) => baseline::run(&args, context),
        Command::Show(args) => show::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
        Command::List(args) => list::run(&args, context),
        Command::Store(args) => store::run(&args, context),
        Command::Completions(args) => completions::completions(&args, context),
        Command::Man(args) => completions::man(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_fits_a_screen_and_shows_two_examples() {
        let mut command = Cli::command();
        command.build();
        for sub in command.get_subcommands_mut() {
            if sub.is_hide_set() || sub.get_name() == "help" {
                continue;
            }
            let help = sub.render_help().to_string();
            let name = sub.get_name();
            assert!(help.lines().count() <= 50, "{name}: {} lines", help.lines().count());
            let examples = help.split("Examples:").nth(1).unwrap_or_default();
            assert!(examples.matches("  driftcheck ").count() >= 2, "{name}: two examples");
        }
    }
}
