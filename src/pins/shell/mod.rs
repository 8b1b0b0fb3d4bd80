//! The one shell engine: what a command installs or fetches, whatever wraps it.
//!
//! It works on a [`Fragment`], so that every carrier (a Dockerfile's `RUN`, a script, `runcmd`,
//! `user_data`, a CI step) gets the same verdict with the span of the offending word in its own
//! raw file.

use super::audit::Audit;
use super::environment::Environment;
use super::span::Fragment;

/// The language that the command is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// sh, bash, dash, ash, ksh, zsh as far as it is alike.
    #[default]
    Posix,
    /// Windows PowerShell and pwsh.
    PowerShell,
    /// cmd.exe.
    Cmd,
}

/// What the carrier knows about the place of a command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// The language.
    pub dialect: Dialect,
}

/// Longer texts are not parsed; the carrier's file is bounded, but decoded layers (gzip) are not.
const MAX_TEXT: usize = 5 * 1024 * 1024;

/// Audits the commands of `fragment`, whose raw ranges count in [`Audit::file`].
pub fn audit(
    fragment: &Fragment,
    environment: &mut Environment,
    audit: &mut Audit<'_>,
    context: Context,
) {
    if fragment.text().len() > MAX_TEXT {
        audit.gap(format!("a command of more than {MAX_TEXT} bytes was not judged"), None);
        return;
    }
    let _ = (environment, context);
}
