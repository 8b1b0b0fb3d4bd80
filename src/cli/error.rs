//! What ends a command without an answer: a sentence, its causes, and a hint where there is one.

use crate::model::Fault;
use crate::policy::PolicyError;
use crate::store::{StoreError, StoreErrorKind};
use std::error::Error;
use std::fmt;
use std::io;

/// Ends a command with exit code 2.
#[derive(Debug)]
pub(super) struct CliError {
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl CliError {
    /// A sentence of our own.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, source: None }
    }

    /// What was being done when something below failed.
    pub(super) fn because(
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { message: message.into(), hint: None, source: Some(source.into()) }
    }

    /// What the person can do about it.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The hint, for display.
    pub(super) fn get_hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether the reader of our output went away, which is no error of ours.
    pub(super) fn is_broken_pipe(&self) -> bool {
        let mut source = self.source();
        while let Some(error) = source {
            let is_pipe = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
            if error.downcast_ref().is_some_and(is_pipe) {
                return true;
            }
            source = error.source();
        }
        false
    }

    /// The sentence with everything below it, joined by colons: the one place that prints chains.
    pub(super) fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut source = self.source();
        while let Some(error) = source {
            let part = error.to_string();
            if !part.is_empty() {
                text.push_str(": ");
                text.push_str(&part);
            }
            source = error.source();
        }
        text
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CliError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<Fault> for CliError {
    fn from(fault: Fault) -> Self {
        Self::because("cannot read the target", fault)
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::because("cannot write the output", error)
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let hint = match error.kind {
            StoreErrorKind::Newer => Some("use the driftcheck that made it, or a newer one"),
            StoreErrorKind::Damaged => Some("`driftcheck store verify` lists what is damaged"),
            StoreErrorKind::Busy => Some("try again when the other process is done"),
            StoreErrorKind::ReadOnly => Some("name another store with --store"),
            _ => None,
        };
        let error = Self::because("the manifest store", error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<PolicyError> for CliError {
    fn from(error: PolicyError) -> Self {
        Self::because("a policy cannot be read", error)
    }
}
