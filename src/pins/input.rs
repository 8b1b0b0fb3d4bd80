//! External inputs: what a build file takes from outside, and how firmly it holds it.

use super::span::Position;
use super::strength::{Ecosystem, Strength};
use std::ops::Range;
use std::sync::Arc;

/// A range of a raw file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Path relative to the root.
    pub file: Arc<str>,
    /// Half-open, in raw bytes.
    pub start_byte: usize,
    /// Past the last byte.
    pub end_byte: usize,
    /// Of the first character.
    pub start: Position,
    /// Past the last character.
    pub end: Position,
}

impl Place {
    /// The raw bytes.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start_byte..self.end_byte
    }
}

/// Where a value came from that was not written at the word itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// What gave it, as the file calls it: `ARG VERSION`, `shell variable PKGS`, `var.image`.
    pub name: String,
    /// Where it stands; `None` where it is not in a file of the repository.
    pub place: Option<Place>,
    /// Whether someone outside of the files can put another value there (`--build-arg`, `-var`,
    /// the environment), so that the strength holds only until they do.
    pub overridable: bool,
}

/// Why an input counts as held although no version stands at it, or more firmly than its version
/// says: a dated snapshot repository, an enforced lockfile, a verified checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    /// What it is held by.
    pub strength: Strength,
    /// In a few words.
    pub why: String,
}

/// How a version would be written here: replace the raw `range` by `template` with `{version}`
/// filled in. Only where the raw bytes are the word itself, so that an edit is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinForm {
    /// First raw byte to be replaced.
    pub start_byte: usize,
    /// Past the last raw byte to be replaced.
    pub end_byte: usize,
    /// The replacement, `{version}` (or `{digest}`) standing for what is to be filled in.
    pub template: String,
}

/// What the machine that an input is installed in is built from, as far as the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The base image's reference, or a runner's label.
    pub base: String,
    /// `linux/arm64` where the file asks for one.
    pub platform: Option<String>,
}

/// One external input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The rule family it is judged by ([`super::rules::RULES`]).
    pub rule: &'static str,
    /// Its world.
    pub ecosystem: Ecosystem,
    /// What it is: `curl`, `debian`, `https://…`.
    pub subject: String,
    /// The version, tag, constraint or ref as it is written (resolved), empty where there is none.
    pub requested: String,
    /// How firmly what is written holds it, before any credit.
    pub strength: Strength,
    /// Where the offending word stands in the raw file.
    pub place: Place,
    /// The carrier that read it.
    pub carrier: &'static str,
    /// Where the value came from, if not from the word itself.
    pub origin: Option<Origin>,
    /// How a version would be written.
    pub form: Option<PinForm>,
    /// What makes it more firmly held than it is written.
    pub credit: Option<Credit>,
    /// What is worth saying about it and is no finding: an exact pin that will leave its mirror.
    pub advice: Option<String>,
    /// What exactly is wrong, where the rule's own sentence does not say it.
    pub note: Option<String>,
    /// The machine that it is installed in, where the file says what that is.
    pub built: Option<Arc<Built>>,
}

impl Input {
    /// An input judged by the rule family of its ecosystem.
    #[must_use]
    pub fn new(ecosystem: Ecosystem, subject: &str, strength: Strength, place: Place) -> Self {
        Self {
            rule: super::rules::rule_of(ecosystem.category()),
            ecosystem,
            subject: subject.to_owned(),
            requested: String::new(),
            strength,
            place,
            carrier: "",
            origin: None,
            form: None,
            credit: None,
            advice: None,
            note: None,
            built: None,
        }
    }

    /// The same with what is written as its version.
    #[must_use]
    pub fn requesting(mut self, requested: &str) -> Self {
        requested.clone_into(&mut self.requested);
        self
    }

    /// The same under another rule family.
    #[must_use]
    pub fn under(mut self, rule: &'static str) -> Self {
        self.rule = rule;
        self
    }

    /// The same with a remark on what exactly is wrong.
    #[must_use]
    pub fn noting(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// How firmly it is held, credits included. A fake pin gets no credit.
    #[must_use]
    pub fn held(&self) -> Strength {
        match &self.credit {
            Some(credit)
                if self.strength == Strength::Unknown || credit.strength > self.strength =>
            {
                credit.strength
            }
            _ => self.strength,
        }
    }
}

/// A finding that is no input: a suppression that expired, a lock that is stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The rule family.
    pub rule: &'static str,
    /// What it is about.
    pub subject: String,
    /// Where.
    pub place: Place,
    /// The carrier that read it.
    pub carrier: &'static str,
    /// The sentence.
    pub message: String,
}

impl Remark {
    /// What is to be said of an input at its place.
    #[must_use]
    pub fn of(input: &Input, rule: &'static str, message: String) -> Self {
        let (subject, place) = (input.subject.clone(), input.place.clone());
        Self { rule, subject, place, carrier: input.carrier, message }
    }
}

/// A part of a build file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PinGap {
    /// Path relative to the root.
    pub file: String,
    /// Line from 1, where the trouble has one.
    pub line: Option<usize>,
    /// Why, in one line.
    pub reason: String,
}
