//! Why something could not be had: the one error of the readers.

use std::fmt;
use std::io;
use std::sync::Arc;

/// What kind of no it is: each has another remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// The system would not let us read it: permissions, I/O errors, gone meanwhile.
    Unreadable,
    /// A feature that we do not know; nothing is wrong with the medium.
    Unsupported,
    /// The medium contradicts its own format.
    Damaged,
    /// It would cost more than a named limit allows; hostile or absurd.
    LimitExceeded,
}

/// A part that could not be read, with the place and the numbers in its text.
///
/// Cheap to clone. `Display` does not print the source; whoever shows a chain walks it.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which remedy applies.
    pub kind: FaultKind,
    /// What was read, where, and what was found there.
    pub detail: String,
    source: Option<Arc<io::Error>>,
}

impl Fault {
    /// The system refused.
    #[must_use]
    pub fn unreadable(what: impl fmt::Display, source: io::Error) -> Self {
        Self {
            kind: FaultKind::Unreadable,
            detail: what.to_string(),
            source: Some(Arc::new(source)),
        }
    }

    /// A feature that we do not know.
    #[must_use]
    pub fn unsupported(detail: impl fmt::Display) -> Self {
        Self { kind: FaultKind::Unsupported, detail: detail.to_string(), source: None }
    }

    /// A contradiction in the medium.
    #[must_use]
    pub fn damaged(detail: impl fmt::Display) -> Self {
        Self { kind: FaultKind::Damaged, detail: detail.to_string(), source: None }
    }

    /// A limit was reached; the text names it.
    #[must_use]
    pub fn limit(detail: impl fmt::Display) -> Self {
        Self { kind: FaultKind::LimitExceeded, detail: detail.to_string(), source: None }
    }

    /// The same fault with its place put before it.
    #[must_use]
    pub fn within(mut self, place: impl fmt::Display) -> Self {
        self.detail = format!("{place}: {}", self.detail);
        self
    }

    /// Whether the system said that there is no such file.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.source.as_ref().is_some_and(|e| e.kind() == io::ErrorKind::NotFound)
    }

    /// The detail and the chain below it in one line, as a gap records it.
    #[must_use]
    pub fn chain(&self) -> String {
        match &self.source {
            Some(source) if self.detail.is_empty() => source.to_string(),
            Some(source) => format!("{}: {source}", self.detail),
            None => self.detail.clone(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
