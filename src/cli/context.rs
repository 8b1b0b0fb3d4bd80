//! What a command knows of the world around it: the store's place, the clock, the terminal.

use super::error::CliError;
use super::{Color, Global};
use crate::model::Timestamp;
use crate::report::{Verbosity, View};
use crate::store::{Access, Store, StoreErrorKind};
use std::env;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Made once, handed to every command.
#[derive(Debug)]
pub(super) struct Context {
    /// `--store`, the environment, or the default; not opened yet.
    pub(super) store: PathBuf,
    /// When this run began; `SOURCE_DATE_EPOCH` overrides, for reproducible manifests.
    pub(super) now: Timestamp,
    /// `-q` or `-v`.
    pub(super) verbosity: Verbosity,
    color: Color,
}

impl Context {
    /// Reads the environment, nothing else.
    pub(super) fn new(global: &Global) -> Self {
        let verbosity = match (global.quiet, global.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        };
        let store = global.store.clone().unwrap_or_else(default_store);
        Self { store, now: now(), verbosity, color: global.color }
    }

    /// How to show a report on standard output, or in a file.
    pub(super) fn view(&self, output: Option<&Path>, all: bool) -> View {
        let on_terminal = output.is_none() && io::stdout().is_terminal();
        let width = match env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()) {
            Some(columns) => columns,
            None if on_terminal => rustix::termios::tcgetwinsize(io::stdout())
                .map_or(View::PLAIN.width, |size| size.ws_col),
            None => View::PLAIN.width,
        };
        View {
            width: width.max(40),
            color: self.is_colored(on_terminal),
            verbosity: self.verbosity,
            all,
        }
    }

    fn is_colored(&self, on_terminal: bool) -> bool {
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let is_forced = is_set("CLICOLOR_FORCE")
                    && env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
                let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
                is_forced || (on_terminal && !is_set("NO_COLOR") && !is_dumb)
            }
        }
    }

    /// The store; made where there is none, if it is to be written.
    pub(super) fn open_store(&self, access: Access) -> Result<Arc<Store>, CliError> {
        Ok(Arc::new(Store::open(&self.store, access)?))
    }

    /// The store for reading, if there is one.
    pub(super) fn open_store_if_there(&self) -> Result<Option<Arc<Store>>, CliError> {
        match Store::open(&self.store, Access::Read) {
            Ok(store) => Ok(Some(Arc::new(store))),
            Err(error) if error.kind == StoreErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a command's output to standard output or a file; a file appears whole or not at all.
    pub(super) fn write(
        &self,
        output: Option<&Path>,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), CliError> {
        let Some(path) = output else {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&mut out)?;
            return Ok(out.flush()?);
        };
        let failed = |error| CliError::because(format!("cannot write {}", path.display()), error);
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(name);
        let written = File::create(&part).and_then(|file| {
            let mut out = BufWriter::new(file);
            write(&mut out)?;
            out.flush()?;
            std::fs::rename(&part, path)
        });
        written.inspect_err(|_| drop(std::fs::remove_file(&part))).map_err(failed)
    }

    /// Prints an error with its chain and hint.
    pub(super) fn complain(&self, error: &CliError) {
        let colored = self.is_colored(io::stderr().is_terminal());
        let (bold, plain) = if colored { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        let mut text = format!("{bold}error{plain}: {}\n", error.chain());
        if let Some(hint) = error.get_hint() {
            text.push_str(&format!("  hint: {hint}\n"));
        }
        // Nobody is left to be told where standard error is closed.
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Tells something on standard error that is no error; nothing under `-q`.
    pub(super) fn tell(&self, text: &str) {
        if self.verbosity > Verbosity::Quiet {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

fn now() -> Timestamp {
    let fixed = env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    if let Some(seconds) = fixed {
        return Timestamp::from_seconds(seconds);
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: since.subsec_nanos(),
    }
}

fn default_store() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/driftcheck/store.db");
    }
    let state = env::var_os("XDG_STATE_HOME").filter(|path| Path::new(path).is_absolute());
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/".into()));
    state.map_or_else(|| home().join(".local/state"), PathBuf::from).join("driftcheck/store.db")
}
