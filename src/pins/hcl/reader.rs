//! A file that is being read: its attributes as words, its words as inputs.

use super::evaluate::Evaluator;
use super::module::inside;
use super::syntax::{Body, Expr, Kind};
use super::value::{Value, Word};
use crate::pins::audit::{Audit, InputId};
use crate::pins::environment::Environment;
use crate::pins::input::{Input, PinForm};
use crate::pins::shell::{self, Expanded};
use crate::pins::span::{Fragment, UNKNOWN};
use crate::pins::strength::{Ecosystem, Strength};
use std::ops::Range;

/// The sink of the audit and the values of the file.
pub(in crate::pins) struct Reader<'t, 'a> {
    pub audit: &'t mut Audit<'a>,
    pub evaluator: Evaluator<'a>,
}

impl Reader<'_, '_> {
    /// An attribute as one word.
    pub fn word(&self, body: &Body, name: &str) -> Option<Word> {
        self.evaluator.word(body.get(name)?)
    }

    /// An attribute that is there, as one word; what a run makes is an unknown word.
    pub fn present(&self, body: &Body, name: &str) -> Option<Word> {
        let expr = body.get(name)?;
        if matches!(expr.kind, Kind::Null) || matches!(self.evaluator.value(expr), Value::Null) {
            return None;
        }
        Some(self.evaluator.word(expr).unwrap_or_else(|| run_time(expr)))
    }

    /// Hands in an input at a word.
    pub fn push(
        &mut self,
        ecosystem: Ecosystem,
        subject: &str,
        strength: Strength,
        word: &Word,
    ) -> InputId {
        let place = self.audit.place(word.range.clone());
        let mut input = Input::new(ecosystem, &self.shown(subject, &word.range), strength, place);
        input.requested = word.text.replace(UNKNOWN, "…");
        input.origin.clone_from(&word.origin);
        if word.verbatim {
            input.form = Some(PinForm {
                start_byte: word.range.start,
                end_byte: word.range.end,
                template: "{version}".to_owned(),
            });
        }
        self.audit.push(input)
    }

    /// Hands in an input without a version at a range.
    pub fn push_bare(
        &mut self,
        ecosystem: Ecosystem,
        subject: &str,
        range: &Range<usize>,
    ) -> InputId {
        let place = self.audit.place(range.clone());
        self.audit.push(Input::new(ecosystem, &self.shown(subject, range), Strength::None, place))
    }

    pub fn note(&mut self, id: InputId, note: &str) {
        if let Some(input) = self.audit.input_mut(id) {
            input.note = Some(note.to_owned());
        }
    }

    /// Hands in a container image.
    pub fn container(&mut self, word: &Word) -> InputId {
        let fragment = if word.verbatim {
            Fragment::verbatim(&word.text, word.range.start)
        } else {
            Fragment::opaque(&word.text, word.range.clone())
        };
        let expanded =
            Expanded { fragment, range: word.range.clone(), origin: word.origin.clone() };
        shell::image(&expanded, &mut Environment::default(), self.audit)
    }

    /// A subject for people: what is wholly unknown is called as it is written.
    fn shown(&self, subject: &str, range: &Range<usize>) -> String {
        if subject.is_empty() || subject.chars().all(|c| c == UNKNOWN) {
            let bytes = self.audit.file().bytes.get(range.clone()).unwrap_or_default();
            return String::from_utf8_lossy(bytes).into_owned();
        }
        subject.replace(UNKNOWN, "…")
    }
}

/// Nested blocks of a name, and attributes whose value is an object or a list of objects.
pub(in crate::pins) fn children(body: &Body, name: &str) -> Vec<Body> {
    let mut found: Vec<Body> = body.blocks(name).map(|block| block.body.clone()).collect();
    if found.is_empty()
        && let Some(value) = body.get(name)
    {
        match &value.kind {
            Kind::List(values) => found.extend(values.iter().filter_map(Expr::as_body)),
            _ => found.extend(value.as_body()),
        }
    }
    found
}

/// A word for what only a run knows.
pub(in crate::pins) fn run_time(expr: &Expr) -> Word {
    Word { text: UNKNOWN.to_string(), range: inside(expr), origin: None, verbatim: false }
}
