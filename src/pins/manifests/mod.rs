//! Carriers: what projects declare (`package.json`, `pyproject.toml`, `Cargo.toml` …) with the
//! lockfiles beside it, and the files that name tools (`.tool-versions`, `rust-toolchain.toml` …).
//!
//! ```text
//! manifest -> declared dependencies --+
//! lockfile -> Lock (names, versions) -+-> held by the lock, or stale, or as it is written
//! ```
//!
//! A range is fine where a lock in step holds it: each declared dependency is in it at a version
//! that the range allows. What the lock lacks or contradicts is a finding of `pins/lock` at the
//! declaration; without a lock a range is a range. Whether a command enforces the lock is the shell
//! engine's to say, where the command stands.

mod cargo;
mod composer;
mod go;
mod locks;
mod node;
mod outline;
mod python;
mod ruby;
mod tools;
mod versions;

pub use cargo::CARRIER as CARGO;
pub use composer::CARRIER as COMPOSER;
pub use go::CARRIER as GO;
pub(super) use go::directives;
pub use node::CARRIER as NODE;
pub use python::{PIPFILE, PYPROJECT, REQUIREMENTS, SETUP_CFG};
pub use ruby::CARRIER as GEMFILE;
pub use tools::{BREWFILE, CONDA, TOOL_FILES};

use super::audit::Audit;
use super::classify;
use super::input::{Credit, Input, PinForm};
use super::repository;
use super::span::{Fragment, UNKNOWN};
use super::strength::{Ecosystem, Strength};
use locks::Lock;
use std::ops::Range;
use versions::Dialect;

/// Directories above a manifest in which the lock of its workspace is looked for.
const MAX_ABOVE: usize = 16;

/// A dependency as a manifest declares it.
struct Declared<'d> {
    ecosystem: Ecosystem,
    name: &'d str,
    /// Version or constraint, empty where there is none.
    requested: &'d str,
    strength: Strength,
    /// The offending word.
    at: Range<usize>,
    /// How versions are compared.
    dialect: Dialect,
    /// How a version is written in place of the word.
    form: Option<PinForm>,
}

impl<'d> Declared<'d> {
    /// One judged by its ecosystem.
    fn new(
        ecosystem: Ecosystem,
        dialect: Dialect,
        name: &'d str,
        requested: &'d str,
        at: Range<usize>,
    ) -> Self {
        let strength = classify::version(ecosystem, requested);
        Self { ecosystem, name, requested, strength, at, dialect, form: None }
    }

    /// The same, judged otherwise.
    fn held(mut self, strength: Strength) -> Self {
        self.strength = strength;
        self
    }

    /// The same, with the form of a pin where the word is written as it is.
    fn form(mut self, word: &Fragment, template: &str) -> Self {
        if word.is_verbatim(0..word.text().len()) && !word.text().is_empty() {
            let range = word.raw_whole();
            let template = template.to_owned();
            self.form = Some(PinForm { start_byte: range.start, end_byte: range.end, template });
        }
        self
    }

    /// Hands it in, held against the lock if there is one.
    fn push(self, lock: Option<&Lock>, audit: &mut Audit<'_>) {
        let place = audit.place(self.at.clone());
        let name = self.name.replace(UNKNOWN, "…");
        let mut input = Input::new(self.ecosystem, &name, self.strength, place)
            .requesting(&self.requested.replace(UNKNOWN, "…"));
        input.form = self.form.clone();
        match lock {
            Some(lock) => self.hold(lock, &mut input),
            None if matches!(self.strength, Strength::None | Strength::Range) => {
                input.note = Some("no lockfile holds it".to_owned());
            }
            None => {}
        }
        audit.push(input);
    }

    fn hold(&self, lock: &Lock, input: &mut Input) {
        let stale = |input: &mut Input, what: String| {
            input.rule = "pins/lock";
            input.strength = input.strength.min(Strength::Range);
            input.note = Some(format!("{} is stale: {what}", lock.file));
        };
        if lock.opaque {
            let why = format!("{} holds it", lock.file);
            input.credit = Some(Credit { strength: Strength::Exact, why });
            return;
        }
        let Some(entries) = lock.entries(self.name) else {
            return stale(input, "it does not have this dependency".to_owned());
        };
        if lock.asked(self.name, self.requested) {
            // The lock says itself that it was made for this very constraint.
        } else if !entries.iter().any(|entry| {
            versions::satisfies(self.dialect, self.requested, &entry.version).unwrap_or(true)
        }) {
            let versions: Vec<&str> = entries.iter().map(|entry| entry.version.as_str()).collect();
            return stale(input, format!("it has {}", versions.join(", ")));
        }
        let hashed = entries.iter().all(|entry| entry.hashed);
        let strength = if hashed { Strength::Content } else { Strength::Exact };
        let version = entries.first().map(|entry| entry.version.as_str()).unwrap_or_default();
        let why = format!("{} holds {version}", lock.file);
        input.credit = Some(Credit { strength, why });
    }
}

/// The first of some files in a manifest's directory, or above it as far as `accept` likes one.
fn find_lock<T>(
    audit: &Audit<'_>,
    names: &[&'static str],
    mut accept: impl FnMut(&str, &'static str, &[u8]) -> Option<T>,
) -> Option<T> {
    let own = audit.file().path.to_string();
    let mut directory = own.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
    for _ in 0..MAX_ABOVE {
        for name in names {
            let path = if directory.is_empty() {
                (*name).to_owned()
            } else {
                format!("{directory}/{name}")
            };
            if let Some(bytes) = audit.repository().read(&path)
                && let Some(found) = accept(&directory, name, &bytes)
            {
                return Some(found);
            }
        }
        if directory.is_empty() {
            return None;
        }
        directory = directory.rsplit_once('/').map_or(String::new(), |(above, _)| above.to_owned());
    }
    None
}

/// The manifest's directory as the lock in `above` writes it: empty for the same one.
fn relative(audit: &Audit<'_>, above: &str) -> String {
    let own = audit.file().path.to_string();
    let directory = own.rsplit_once('/').map_or("", |(directory, _)| directory);
    let rest = directory.strip_prefix(above).unwrap_or(directory);
    rest.trim_start_matches('/').to_owned()
}

/// A dependency that is taken from a repository.
fn git(
    audit: &mut Audit<'_>,
    address: &str,
    reference: &str,
    at: Range<usize>,
    locked: Option<&Lock>,
) {
    let strength = classify::git_ref(reference);
    let place = audit.place(at);
    let mut input = Input::new(Ecosystem::Git, &address.replace(UNKNOWN, "…"), strength, place)
        .requesting(&reference.replace(UNKNOWN, "…"));
    if let Some(lock) = locked {
        // Every lock writes down the commit of what comes from a repository.
        let why = format!("{} holds the commit", lock.file);
        input.credit = Some(Credit { strength: Strength::Content, why });
    }
    audit.push(input);
}

/// Whether a file has one of these names.
fn is_named(path: &str, names: &[&str]) -> bool {
    names.contains(&repository::file_name(path))
}
