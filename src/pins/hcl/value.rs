//! What expressions come to, as far as the files say.

use crate::pins::input::Origin;
use crate::pins::span::{Fragment, UNKNOWN};
use std::ops::Range;
use std::sync::Arc;

/// What a value takes beside its text.
const VALUE_SIZE: usize = 128;

/// A value.
#[derive(Clone, Debug)]
pub(in crate::pins) enum Value {
    Null,
    Text(Text),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
    /// One of these; which one is decided at run time.
    Either(Vec<Value>),
    /// Comes from outside (then by this name), or is made at run time.
    Unknown(Option<Origin>),
}

/// Text that knows where it was written and how it came here.
#[derive(Clone, Debug)]
pub(in crate::pins) struct Text {
    /// Its raw ranges count in `file`.
    pub fragment: Fragment,
    pub file: Arc<str>,
    /// Where the reference stands that brought it here, if one did: a range of the file in which
    /// the value is used.
    pub site: Option<Range<usize>>,
    /// What gave it, if it was not written where it is used.
    pub origin: Option<Origin>,
    /// Ranges of `file` that a value was put in for, and what gave that value.
    pub spliced: Vec<(Range<usize>, Origin)>,
}

/// A text as a word to judge.
#[derive(Clone, Debug)]
pub(in crate::pins) struct Word {
    pub text: String,
    /// Where it is reported.
    pub range: Range<usize>,
    pub origin: Option<Origin>,
    /// Whether the raw bytes of the range are the word itself.
    pub verbatim: bool,
}

impl Text {
    /// Text that is written here.
    pub fn new(fragment: Fragment, file: &Arc<str>) -> Self {
        let file = Arc::clone(file);
        Self { fragment, file, site: None, origin: None, spliced: Vec::new() }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        self.fragment.text()
    }

    /// Whether someone outside can make it another one.
    pub fn is_overridable(&self) -> bool {
        self.origin
            .iter()
            .chain(self.spliced.iter().map(|(_, origin)| origin))
            .any(|o| o.overridable)
    }

    /// The text as a word of `file`, reported at `range` unless it is written there.
    pub fn word(&self, file: &Arc<str>, range: &Range<usize>) -> Word {
        let here = self.site.is_none() && self.file == *file && !self.text().is_empty();
        let own = self.fragment.raw_whole();
        let range = match &self.site {
            Some(site) => site.clone(),
            None if here => own,
            None => range.clone(),
        };
        let origin = self.origin.clone().or_else(|| self.spliced.first().map(|(_, o)| o.clone()));
        let verbatim = here && self.fragment.is_verbatim(0..self.text().len());
        Word { text: self.text().to_owned(), range, origin, verbatim }
    }
}

impl Value {
    /// Text that is written here.
    pub fn text(fragment: Fragment, file: &Arc<str>) -> Self {
        Self::Text(Text::new(fragment, file))
    }

    /// The texts that it may be within another text; `None` for an unknown one.
    pub fn options(&self) -> Vec<Option<Text>> {
        match self {
            Self::Text(text) => vec![Some(text.clone())],
            Self::Either(values) => values.iter().flat_map(Self::options).collect(),
            Self::Null => vec![Some(Text::new(Fragment::default(), &Arc::from("")))],
            Self::List(_) | Self::Object(_) | Self::Unknown(_) => vec![None],
        }
    }

    /// How many values it consists of, counted as far as `limit`.
    pub fn weight(&self, limit: usize) -> usize {
        let add = |count: usize, inner: &Self| {
            let left = limit.saturating_sub(count);
            if left == 0 { count } else { count.saturating_add(inner.weight(left)) }
        };
        match self {
            Self::List(values) | Self::Either(values) => values.iter().fold(1, add),
            Self::Object(entries) => entries.iter().map(|(_, value)| value).fold(1, add),
            Self::Text(_) | Self::Null | Self::Unknown(_) => 1,
        }
    }

    /// What a copy of it costs, in bytes, roughly.
    pub fn size(&self) -> usize {
        let add = |sum: usize, inner: &Self| sum.saturating_add(inner.size());
        match self {
            Self::Text(text) => {
                let values = text.spliced.len().saturating_add(1);
                values.saturating_mul(VALUE_SIZE).saturating_add(text.text().len())
            }
            Self::List(values) | Self::Either(values) => values.iter().fold(VALUE_SIZE, add),
            Self::Object(entries) => entries.iter().map(|(_, value)| value).fold(VALUE_SIZE, add),
            Self::Null | Self::Unknown(_) => VALUE_SIZE,
        }
    }

    /// All texts in it, of lists and alternatives too, unknown ones not.
    pub fn texts(&self) -> Vec<&Text> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect<'v>(&'v self, found: &mut Vec<&'v Text>) {
        match self {
            Self::Text(text) => found.push(text),
            Self::List(values) | Self::Either(values) => {
                for value in values {
                    value.collect(found);
                }
            }
            Self::Null | Self::Object(_) | Self::Unknown(_) => {}
        }
    }

    /// All texts as words; what comes from outside is [`UNKNOWN`], what is made at run time is
    /// left out.
    pub fn words(&self, file: &Arc<str>, range: &Range<usize>) -> Vec<Word> {
        match self {
            Self::Text(text) => vec![text.word(file, range)],
            Self::List(values) | Self::Either(values) => {
                values.iter().flat_map(|value| value.words(file, range)).collect()
            }
            Self::Unknown(Some(origin)) => vec![Word {
                text: UNKNOWN.to_string(),
                range: range.clone(),
                origin: Some(origin.clone()),
                verbatim: false,
            }],
            Self::Null | Self::Object(_) | Self::Unknown(None) => Vec::new(),
        }
    }

    /// The same, brought here by a reference at `site`.
    pub fn referenced(self, origin: &Origin, site: &Range<usize>) -> Self {
        let inner = |value: Self| value.referenced(origin, site);
        match self {
            Self::Text(mut text) => {
                let overridable = text.is_overridable() || origin.overridable;
                let mut named = text.origin.take().unwrap_or_else(|| origin.clone());
                named.overridable = overridable;
                text.origin = Some(named);
                text.site = Some(site.clone());
                Self::Text(text)
            }
            Self::List(values) => Self::List(values.into_iter().map(inner).collect()),
            Self::Either(values) => Self::Either(values.into_iter().map(inner).collect()),
            Self::Object(entries) => {
                Self::Object(entries.into_iter().map(|(key, value)| (key, inner(value))).collect())
            }
            other => other,
        }
    }

    /// The elements of a list; `None` where it is none.
    pub fn elements(&self) -> Option<Vec<Self>> {
        match self {
            Self::List(values) => Some(values.clone()),
            Self::Object(entries) => Some(entries.iter().map(|(_, value)| value.clone()).collect()),
            _ => None,
        }
    }

    /// An entry of an object.
    pub fn entry(&self, name: &str) -> Option<&Self> {
        let Self::Object(entries) = self else { return None };
        entries.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}
