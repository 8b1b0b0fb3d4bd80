//! From a word of a command to an input: subject, version, credits and the form of a pin.

use super::interpret::Interpreter;
use super::words::Word;
use crate::pins::audit::InputId;
use crate::pins::classify;
use crate::pins::input::{Credit, Input, PinForm};
use crate::pins::span::UNKNOWN;
use crate::pins::strength::{Ecosystem, Strength};
use std::ops::Range;

/// A package that a command asks for.
pub(super) struct Package<'w> {
    pub(super) ecosystem: Ecosystem,
    pub(super) word: &'w Word,
    /// The name within the word.
    pub(super) name: String,
    /// The version as written, operators included; empty where there is none.
    pub(super) requested: String,
    pub(super) strength: Strength,
    /// How a version would be written in place of the word.
    pub(super) template: Option<String>,
    /// The word that holds the version, where that is another one (`-v 1.2`).
    pub(super) version_word: Option<&'w Word>,
    pub(super) rule: Option<&'static str>,
    pub(super) note: Option<String>,
    pub(super) credit: Option<Credit>,
    pub(super) advice: Option<String>,
    /// The raw range, where it is not the word's.
    pub(super) range: Option<Range<usize>>,
}

impl<'w> Package<'w> {
    /// A package with a version, judged by its ecosystem.
    pub(super) fn new(ecosystem: Ecosystem, word: &'w Word, name: &str, requested: &str) -> Self {
        Self {
            ecosystem,
            word,
            name: name.to_owned(),
            requested: requested.to_owned(),
            strength: classify::version(ecosystem, requested),
            template: None,
            version_word: None,
            rule: None,
            note: None,
            credit: None,
            advice: None,
            range: None,
        }
    }

    /// With the form of a pin.
    pub(super) fn form(mut self, template: String) -> Self {
        self.template = Some(template);
        self
    }

    /// With the word of an option that holds the version.
    pub(super) fn version_word(mut self, word: Option<&'w Word>) -> Self {
        self.version_word = word;
        self
    }

    /// Judged otherwise.
    pub(super) fn held(mut self, strength: Strength) -> Self {
        self.strength = strength;
        self
    }

    /// It looks like a pin and is none.
    pub(super) fn fake(mut self, note: &str) -> Self {
        self.strength = Strength::None;
        self.rule = Some("pins/fake-pin");
        self.note = Some(note.to_owned());
        self
    }

    /// Under another rule family, with a remark.
    pub(super) fn under(mut self, rule: &'static str, note: &str) -> Self {
        self.rule = Some(rule);
        self.note = Some(note.to_owned());
        self
    }

    /// Held by something else.
    pub(super) fn credited(mut self, strength: Strength, why: &str) -> Self {
        self.credit = Some(Credit { strength, why: why.to_owned() });
        self
    }
}

impl Interpreter<'_, '_> {
    /// Hands in a package.
    pub(super) fn package(&mut self, package: Package<'_>) -> InputId {
        let word = package.word;
        let range = package.range.clone().unwrap_or_else(|| word.range());
        let mut subject = package.name;
        if subject.is_empty() || subject.chars().all(|c| c == UNKNOWN) {
            subject = self.raw_text(&range);
        }
        let subject = subject.replace(UNKNOWN, "…");
        let strength = package.strength;
        let mut input =
            Input::new(package.ecosystem, &subject, strength, self.audit.place(range.clone()))
                .requesting(&package.requested.replace(UNKNOWN, "…"));
        if let Some(rule) = package.rule {
            input.rule = rule;
        }
        input.note = package.note;
        input.built.clone_from(&self.environment.machine.built);
        input.origin.clone_from(&word.origin);
        let fake = input.rule == "pins/fake-pin";
        input.credit = package.credit.or_else(|| (!fake).then(|| self.credit(&input)).flatten());
        input.advice = package.advice.or_else(|| self.rot(&input));
        let (word, range, template) = match package.version_word {
            Some(version) => (version, version.range(), Some("{version}".to_owned())),
            None => (word, range, package.template),
        };
        let whole = 0..word.text().len();
        if word.origin.is_none() && word.site.is_none() && word.fragment.is_verbatim(whole) {
            input.form = template.map(|template| PinForm {
                start_byte: range.start,
                end_byte: range.end,
                template,
            });
        }
        let id = self.audit.push(input);
        if strength >= Strength::Exact && strength != Strength::Unknown {
            self.environment.machine.exact.push(id);
        }
        id
    }

    /// What the machine holds an operating system package by.
    fn credit(&self, input: &Input) -> Option<Credit> {
        let machine = &self.environment.machine;
        if let Some(snapshot) = machine.snapshots.get(&input.ecosystem) {
            return Some(snapshot.clone());
        }
        if matches!(input.ecosystem, Ecosystem::Apt | Ecosystem::Dnf | Ecosystem::Pip)
            && let Some(held) = machine.held.get(&input.subject)
        {
            return Some(held.clone());
        }
        (input.ecosystem == Ecosystem::Apt && machine.digest_base && !machine.refreshed).then(
            || Credit {
                strength: Strength::Exact,
                why: "the base image is pinned by digest and its package index is not refreshed"
                    .to_owned(),
            },
        )
    }

    /// An exact version on a live mirror will be gone from it one day.
    fn rot(&self, input: &Input) -> Option<String> {
        let rots = matches!(input.ecosystem, Ecosystem::Apt | Ecosystem::Apk)
            && input.strength == Strength::Exact
            && input.credit.is_none();
        rots.then(|| {
            "live mirrors drop old versions: this pin will stop resolving; a dated snapshot \
             repository keeps it"
                .to_owned()
        })
    }

    /// The raw bytes of a range as text.
    pub(super) fn raw_text(&self, range: &Range<usize>) -> String {
        let bytes = self.audit.file().bytes.get(range.clone()).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// Whether a value from outside may bring the version along: the word ends in it, and what stands
/// before is a whole name (`curl$V`), not the beginning of one (`linux-headers-$V`).
pub(super) fn may_hold_version(text: &str) -> bool {
    text.strip_suffix(UNKNOWN)
        .is_some_and(|name| name.is_empty() || name.ends_with(|c: char| c.is_alphanumeric()))
}

/// Whether a word names a file here and not a package from outside.
pub(super) fn is_local(text: &str) -> bool {
    text.starts_with(['.', '/', '~']) || text.starts_with("file:")
}

/// Whether a word is a URL of any kind.
pub(super) fn is_url(text: &str) -> bool {
    text.contains("://")
}
