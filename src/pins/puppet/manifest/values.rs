//! Values of a manifest: literals, variables, lists and hashes, and functions that choose.

use super::super::lexer::Kind;
use super::{MAX_COPIED, MAX_DEPTH, MAX_TEXT, Manifest};
use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Origin;
use crate::pins::resource::{either, single_quoted, sited};
use crate::pins::span::{Fragment, FragmentBuilder, UNKNOWN};
use std::ops::Range;
use std::sync::Arc;

/// A longer expression in a string is none.
const MAX_REFERENCE: usize = 1000;

impl Manifest<'_, '_> {
    /// A value: as far as it is a literal, a known variable or a choice of such.
    pub(super) fn value(&mut self, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            self.at = self.at.saturating_add(1);
            return Value::Unknown(None);
        }
        let start = self.at;
        let mut value = self.primary(depth);
        loop {
            if self.take("?") {
                value = self.selector(depth);
            } else if self.is(0, "[") && self.is_index(start) {
                self.at = self.at.saturating_add(1);
                let key = self.value(depth.saturating_add(1));
                self.take("]");
                value = match (value, key) {
                    (Value::Object(entries), Value::Text(key)) => {
                        let found = entries.into_iter().find(|(name, _)| name == key.text());
                        found.map_or(Value::Unknown(None), |(_, value)| value)
                    }
                    _ => Value::Unknown(None),
                };
            } else if self.is(0, ".") {
                self.at = self.at.saturating_add(2);
                if self.is(0, "(") {
                    self.skip_group();
                }
                if self.is(0, "|") {
                    while self.token(0).is_some() && !self.is(0, "{") {
                        self.at = self.at.saturating_add(1);
                    }
                    self.skip_group();
                }
                value = Value::Unknown(None);
            } else if self.take("+") {
                let other = self.value(depth.saturating_add(1));
                value = match (value, other) {
                    (Value::List(mut values), Value::List(more)) => {
                        values.extend(more);
                        Value::List(values)
                    }
                    (Value::Object(mut entries), Value::Object(more)) => {
                        entries.extend(more);
                        Value::Object(entries)
                    }
                    _ => Value::Unknown(None),
                };
            } else {
                return value;
            }
        }
    }

    /// `$x['a']` without a blank between: a list after a value begins something else.
    fn is_index(&self, start: usize) -> bool {
        let before = self.at.checked_sub(1).filter(|before| *before >= start);
        let end = before.and_then(|before| self.tokens.get(before)).map(|token| token.range.end);
        self.token(0).is_some_and(|token| Some(token.range.start) == end)
    }

    fn primary(&mut self, depth: usize) -> Value {
        let Some(token) = self.token(0).cloned() else { return Value::Unknown(None) };
        let file = Arc::clone(&self.audit.file().path);
        let word = self.word(0).to_owned();
        match token.kind {
            Kind::Single => {
                self.at = self.at.saturating_add(1);
                Value::text(single_quoted(&self.fragment.slice(token.range)), &file)
            }
            Kind::Double => {
                self.at = self.at.saturating_add(1);
                self.interpolated(&token.range)
            }
            Kind::Variable => {
                self.at = self.at.saturating_add(1);
                let site = self.fragment.raw_range(token.range);
                self.variable(&word, &site)
            }
            Kind::Symbol if word == "[" => self.list(depth),
            Kind::Symbol if word == "{" => self.hash(depth),
            Kind::Symbol if word == "(" => {
                self.at = self.at.saturating_add(1);
                let value = self.value(depth.saturating_add(1));
                if self.take(")") {
                    return value;
                }
                while self.token(0).is_some() && !self.is(0, ")") {
                    self.at = self.at.saturating_add(1);
                }
                self.at = self.at.saturating_add(1);
                Value::Unknown(None)
            }
            Kind::Name if word == "undef" => {
                self.at = self.at.saturating_add(1);
                Value::Null
            }
            Kind::Name if self.is(1, "(") => {
                self.at = self.at.saturating_add(1);
                self.function(&word, depth)
            }
            Kind::Name if word == "if" || word == "case" => {
                // A branch as a value: which one is decided at run time.
                while self.token(0).is_some() && !self.is(0, "{") {
                    self.at = self.at.saturating_add(1);
                }
                self.skip_group();
                while self.word(0) == "elsif" || self.word(0) == "else" {
                    while self.token(0).is_some() && !self.is(0, "{") {
                        self.at = self.at.saturating_add(1);
                    }
                    self.skip_group();
                }
                Value::Unknown(None)
            }
            Kind::Name if word.starts_with(char::is_uppercase) => {
                self.at = self.at.saturating_add(1);
                if self.is(0, "[") {
                    self.skip_group();
                }
                Value::Unknown(None)
            }
            Kind::Name => {
                self.at = self.at.saturating_add(1);
                Value::text(self.fragment.slice(token.range), &file)
            }
            Kind::Symbol => {
                self.at = self.at.saturating_add(1);
                Value::Unknown(None)
            }
        }
    }

    /// Functions that choose or default: `pick($a, 'b')`, `lookup('key', default_value => 'x')`.
    fn function(&mut self, name: &str, depth: usize) -> Value {
        if !["pick", "pick_default", "lookup", "hiera", "join", "concat", "flatten", "unique"]
            .contains(&name)
        {
            self.skip_group();
            return Value::Unknown(None);
        }
        self.at = self.at.saturating_add(1);
        let mut arguments = Vec::new();
        while self.token(0).is_some() && !self.is(0, ")") {
            arguments.push(self.value(depth.saturating_add(1)));
            if !self.take(",") {
                break;
            }
        }
        let mut open = 1_usize;
        while self.token(0).is_some() && open > 0 {
            open = match self.word(0) {
                "(" if self.is(0, "(") => open.saturating_add(1),
                ")" if self.is(0, ")") => open.saturating_sub(1),
                _ => open,
            };
            self.at = self.at.saturating_add(1);
        }
        let mut arguments = arguments.into_iter();
        let first = arguments.next().unwrap_or(Value::Null);
        match name {
            "lookup" | "hiera" => {
                let known = match &first {
                    Value::Text(key) => self.hiera.get(key.text()).cloned(),
                    _ => None,
                };
                known.unwrap_or(Value::Unknown(None))
            }
            "pick" | "pick_default" => match first {
                Value::Unknown(_) | Value::Null => arguments.next_back().unwrap_or(Value::Null),
                known => known,
            },
            "concat" => match first {
                Value::List(mut values) => {
                    for more in arguments {
                        match more {
                            Value::List(more) => values.extend(more),
                            other => values.push(other),
                        }
                    }
                    Value::List(values)
                }
                other => other,
            },
            "flatten" | "unique" => first,
            _ => Value::Unknown(None),
        }
    }

    pub(super) fn list(&mut self, depth: usize) -> Value {
        self.at = self.at.saturating_add(1);
        let mut values = Vec::new();
        while self.token(0).is_some() && !self.is(0, "]") {
            let before = self.at;
            if self.take(",") {
                continue;
            }
            values.push(self.value(depth.saturating_add(1)));
            if self.at == before {
                self.at = self.at.saturating_add(1);
            }
        }
        self.at = self.at.saturating_add(1);
        Value::List(values)
    }

    fn hash(&mut self, depth: usize) -> Value {
        self.at = self.at.saturating_add(1);
        let mut entries = Vec::new();
        while self.token(0).is_some() && !self.is(0, "}") {
            if self.take(",") {
                continue;
            }
            let key = self.value(depth.saturating_add(1));
            if self.take("=>") {
                let value = self.value(depth.saturating_add(1));
                if let Value::Text(key) = key {
                    entries.push((key.text().to_owned(), value));
                }
            } else if !self.is(0, ",") && !self.is(0, "}") {
                self.at = self.at.saturating_add(1);
            }
        }
        self.at = self.at.saturating_add(1);
        Value::Object(entries)
    }

    /// `? { 'a' => 'x', default => 'y' }`.
    fn selector(&mut self, depth: usize) -> Value {
        if !self.is(0, "{") {
            return Value::Unknown(None);
        }
        match self.hash(depth) {
            Value::Object(entries) => either(entries.into_iter().map(|(_, value)| value).collect()),
            other => other,
        }
    }

    pub(super) fn variable(&self, word: &str, site: &Range<usize>) -> Value {
        let name = word.trim_start_matches('$').trim_start_matches("::");
        if let Some((_, value)) = self.elements.iter().rev().find(|(own, _)| own == name) {
            return value.clone();
        }
        let local = name.strip_prefix(&format!("{}::", self.class)).unwrap_or(name);
        let known = self.variables.get(local).or_else(|| self.hiera.get(name));
        match known {
            Some(value) => {
                let copied = self.copied.get().saturating_add(value.size());
                if copied > MAX_COPIED {
                    return Value::Unknown(None);
                }
                self.copied.set(copied);
                sited(value.clone(), site)
            }
            None => {
                let name = format!("${name}");
                Value::Unknown(Some(Origin { name, place: None, overridable: true }))
            }
        }
    }

    /// A double-quoted string: `$x`, `${x}`, escapes.
    fn interpolated(&self, range: &Range<usize>) -> Value {
        let file = &self.audit.file().path;
        let text = self.text.get(range.clone()).unwrap_or_default();
        if !text.contains(['$', '\\']) {
            return Value::text(self.fragment.slice(range.clone()), file);
        }
        let mut builder = FragmentBuilder::default();
        let mut spliced = Vec::new();
        let mut at = 0_usize;
        let mut element: Option<Text> = None;
        while let Some(skip) = text.get(at..).and_then(|rest| rest.find(['$', '\\'])) {
            let from = at.saturating_add(skip);
            let whole = |from: usize, to: usize| {
                range.start.saturating_add(from)..range.start.saturating_add(to)
            };
            builder.append_range(self.fragment, whole(at, from));
            let rest = text.get(from..).unwrap_or_default();
            if rest.starts_with('\\') {
                let next = rest.chars().nth(1);
                let length = 1_usize.saturating_add(next.map_or(0, char::len_utf8));
                let decoded = match next {
                    Some('n') => "\n".to_owned(),
                    Some('t') => "\t".to_owned(),
                    Some('s') => " ".to_owned(),
                    Some('\n') => String::new(),
                    Some(other) => other.to_string(),
                    None => String::new(),
                };
                let raw = self.fragment.raw_range(whole(from, from.saturating_add(length)));
                builder.replaced(&decoded, raw);
                at = from.saturating_add(length);
                continue;
            }
            let (name, length) = reference(rest);
            if name.is_empty() {
                builder.append_range(self.fragment, whole(from, from.saturating_add(1)));
                at = from.saturating_add(1);
                continue;
            }
            let end = from.saturating_add(length);
            let site = self.fragment.raw_range(whole(from, end));
            let whole_string = from == 0 && end == text.len();
            let value = self.variable(&name, &site);
            match value {
                value if whole_string => return value,
                Value::Text(value) if builder.text().len() < MAX_TEXT => {
                    builder.replaced(value.text(), site.clone());
                    if value.site.is_none() && value.origin.is_none() {
                        element.get_or_insert(value);
                    } else {
                        spliced.extend(value.origin.map(|origin| (site, origin)));
                    }
                }
                _ => builder.unknown(site),
            }
            at = end;
        }
        let start = range.start.saturating_add(at);
        builder.append_range(self.fragment, start..range.end);
        let fragment = builder.finish();
        if let Some(element) = element {
            let own = element.fragment.raw_whole();
            let fragment = Fragment::opaque(fragment.text(), own);
            return Value::Text(Text::new(fragment, &element.file));
        }
        Value::Text(Text { spliced, ..Text::new(fragment, file) })
    }
}

/// `${name}`, `$name`, and how long it is; an expression has no name but its length.
fn reference(text: &str) -> (String, usize) {
    if let Some(rest) = text.strip_prefix("${") {
        let near = rest.get(..rest.floor_char_boundary(MAX_REFERENCE)).unwrap_or_default();
        let Some(end) = near.find('}') else { return (String::new(), 0) };
        let inner = rest.get(..end).unwrap_or_default().trim().trim_start_matches('$');
        let plain = inner.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
        let name = if plain { inner.to_owned() } else { UNKNOWN.to_string() };
        return (name, end.saturating_add(3));
    }
    let rest = text.get(1..).unwrap_or_default();
    let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    let name = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default().trim_end_matches(':');
    (name.to_owned(), name.len().saturating_add(1))
}
