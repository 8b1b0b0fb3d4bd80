//! What an expression comes to.

use super::lexer::tokens;
use super::parser::{Expr, Parser};
use super::{Found, Names, filters};
use crate::pins::environment::MAX_VALUE;
use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Origin;
use crate::pins::resource::either;
use crate::pins::span::Fragment;
use std::ops::Range;
use std::sync::Arc;

/// Evaluates expressions of one text.
pub(super) struct Evaluator<'e> {
    /// The text, whose raw ranges count in `file`.
    pub fragment: &'e Fragment,
    pub file: &'e Arc<str>,
    pub names: &'e dyn Names,
}

/// Values that a list or a mapping may consist of: what holds names twice would double for ever.
const MAX_WEIGHT: usize = 20_000;

/// Values as long as all together do not weigh too much.
fn bounded(values: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut left = MAX_WEIGHT;
    let mut found = Vec::new();
    for value in values {
        let weight = value.weight(left);
        if weight >= left {
            found.push(Value::Unknown(None));
            break;
        }
        left = left.saturating_sub(weight);
        found.push(value);
    }
    found
}

/// A value of the expression itself, which is reported where it stands.
fn own(value: Value) -> Found {
    Found { value, element: true }
}

fn unknown(name: &str) -> Value {
    let name = format!("variable `{name}`");
    Value::Unknown(Some(Origin { name, place: None, overridable: true }))
}

impl Evaluator<'_> {
    /// What stands between the braces.
    pub fn expression(&self, range: Range<usize>) -> Found {
        let text = self.fragment.text();
        let tokens = tokens(text, range).unwrap_or_default();
        let parser = Parser { text, tokens: &tokens, at: 0, depth: 0 };
        match parser.whole() {
            Some(expr) => self.evaluate(&expr),
            None => Found { value: Value::Unknown(None), element: false },
        }
    }

    pub fn evaluate(&self, expr: &Expr) -> Found {
        match expr {
            Expr::Text(range) => own(self.literal(range)),
            Expr::Number(range) => own(Value::text(self.fragment.slice(range.clone()), self.file)),
            Expr::Name(name) => self.name(name),
            Expr::List(items) => {
                let values = items.iter().map(|item| self.evaluate(item).value);
                own(Value::List(bounded(values)))
            }
            Expr::Dict(entries) => {
                let entries = entries.iter().map(|(key, value)| {
                    let key = match key {
                        Expr::Name(name) => name.clone(),
                        Expr::Text(range) => self.fragment.get(range.clone()).to_owned(),
                        _ => String::new(),
                    };
                    (key, self.evaluate(value).value)
                });
                let (keys, values): (Vec<String>, Vec<Value>) = entries.unzip();
                own(Value::Object(keys.into_iter().zip(bounded(values)).collect()))
            }
            Expr::Attribute(base, name) => {
                let base = self.evaluate(base);
                Found { value: entry(&base.value, name), element: base.element }
            }
            Expr::Index(base, index) => self.index(base, index),
            Expr::Call(function, arguments) => self.call(function, arguments),
            Expr::Filter(base, name, arguments) => filters::apply(self, base, name, arguments),
            Expr::Choice(value, other) => {
                let other = other.as_ref().map_or(Value::Null, |other| self.evaluate(other).value);
                let value = self.evaluate(value);
                Found { value: either(vec![value.value, other]), element: value.element }
            }
            Expr::Or(value, other) => {
                let found = self.evaluate(value);
                match found.value {
                    Value::Text(_) | Value::List(_) => found,
                    value => {
                        let other = self.evaluate(other);
                        let value = either(vec![value, other.value]);
                        Found { value, element: other.element }
                    }
                }
            }
            Expr::Join(one, other) => self.join(one, other),
            Expr::Opaque => Found { value: Value::Unknown(None), element: false },
        }
    }

    /// A string: with escapes it stands for its range as a whole.
    fn literal(&self, range: &Range<usize>) -> Value {
        let fragment = self.fragment.slice(range.clone());
        let text = fragment.text();
        if !text.contains('\\') {
            return Value::text(fragment, self.file);
        }
        let mut decoded = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match (character, character == '\\') {
                (_, true) => match characters.next() {
                    Some('n') => decoded.push('\n'),
                    Some('t') => decoded.push('\t'),
                    Some(other) => decoded.push(other),
                    None => {}
                },
                (plain, false) => decoded.push(plain),
            }
        }
        Value::text(Fragment::opaque(&decoded, fragment.raw_whole()), self.file)
    }

    fn name(&self, name: &str) -> Found {
        match name {
            "omit" | "none" | "None" | "null" => own(Value::Null),
            "true" | "True" | "false" | "False" => {
                own(Value::text(Fragment::opaque(name, self.fragment.raw_whole()), self.file))
            }
            name => self.names.name(name).unwrap_or(Found { value: unknown(name), element: false }),
        }
    }

    fn index(&self, base: &Expr, index: &Expr) -> Found {
        let found = self.evaluate(base);
        let value = match (index, &found.value) {
            (Expr::Text(range), value) => entry(value, self.fragment.get(range.clone())),
            (Expr::Number(range), Value::List(values)) => {
                let number = self.fragment.get(range.clone()).parse::<usize>().ok();
                number
                    .and_then(|number| values.get(number))
                    .cloned()
                    .unwrap_or(Value::Unknown(None))
            }
            // Which entry is decided at run time: one of them.
            (_, Value::Object(entries)) => match self.evaluate(index).value {
                Value::Text(key) => entry(&found.value, key.text()),
                _ => either(entries.iter().map(|(_, value)| value.clone()).collect()),
            },
            _ => Value::Unknown(None),
        };
        Found { value, element: found.element }
    }

    fn call(&self, function: &Expr, arguments: &[Expr]) -> Found {
        let name = self.path(function);
        let values: Vec<Value> = arguments.iter().map(|a| self.evaluate(a).value).collect();
        if let Some(value) = self.names.call(&name, &values) {
            return Found { value, element: false };
        }
        // `map.items()` in a loop.
        if let Expr::Attribute(base, method) = function
            && ["items", "iteritems", "values", "keys"].contains(&method.as_str())
        {
            return self.evaluate(base);
        }
        // `item.get('version', 'latest')` of an object that stands in the files.
        if let Expr::Attribute(base, method) = function
            && method == "get"
            && let (Value::Object(entries), Some(Value::Text(key))) =
                (self.evaluate(base).value, values.first())
        {
            let known = entries.iter().find(|(own, _)| own == key.text());
            let default = || values.get(1).cloned().unwrap_or(Value::Null);
            let value = known.map_or_else(default, |(_, value)| value.clone());
            return Found { value, element: false };
        }
        Found { value: Value::Unknown(None), element: false }
    }

    /// The dotted name of a function: `salt['pillar.get']` is `salt.pillar.get`.
    fn path(&self, function: &Expr) -> String {
        match function {
            Expr::Name(name) => name.clone(),
            Expr::Attribute(base, name) => format!("{}.{name}", self.path(base)),
            Expr::Index(base, index) => match index.as_ref() {
                Expr::Text(range) => {
                    format!("{}.{}", self.path(base), self.fragment.get(range.clone()))
                }
                _ => String::new(),
            },
            _ => String::new(),
        }
    }

    /// `a ~ b`, `a + b`: lists to a list, texts to a text.
    fn join(&self, one: &Expr, other: &Expr) -> Found {
        let (one, other) = (self.evaluate(one), self.evaluate(other));
        let element = one.element && other.element;
        let value = match (one.value, other.value) {
            (Value::List(values), Value::List(more)) => {
                Value::List(bounded(values.into_iter().chain(more)))
            }
            (Value::List(mut values), unknown @ Value::Unknown(_))
            | (unknown @ Value::Unknown(_), Value::List(mut values)) => {
                values.push(unknown);
                Value::List(values)
            }
            (Value::Text(one), Value::Text(other))
                if one.text().len().saturating_add(other.text().len()) > MAX_VALUE =>
            {
                Value::Unknown(None)
            }
            (Value::Text(one), Value::Text(other)) => {
                let text = format!("{}{}", one.text(), other.text());
                let fragment = Fragment::opaque(&text, self.fragment.raw_whole());
                let origin = one.origin.or(other.origin);
                Value::Text(Text { origin, ..Text::new(fragment, self.file) })
            }
            (Value::Text(text), _) | (_, Value::Text(text)) => {
                let joined = format!("{}{}", text.text(), crate::pins::span::UNKNOWN);
                let fragment = Fragment::opaque(&joined, self.fragment.raw_whole());
                Value::text(fragment, self.file)
            }
            _ => Value::Unknown(None),
        };
        Found { value, element }
    }
}

/// An entry of an object, of every object that it may be.
pub(super) fn entry(value: &Value, name: &str) -> Value {
    match value {
        Value::Object(entries) => {
            let found = entries.iter().rev().find(|(key, _)| key == name);
            found.map_or(Value::Unknown(None), |(_, value)| value.clone())
        }
        Value::Either(values) => either(values.iter().map(|value| entry(value, name)).collect()),
        _ => Value::Unknown(None),
    }
}
