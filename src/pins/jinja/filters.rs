//! Filters that keep words, choose between them or join them. Everything else is unknown.

use super::Found;
use super::evaluate::{Evaluator, entry};
use super::parser::Expr;
use crate::pins::hcl::value::{Text, Value};
use crate::pins::resource::either;
use crate::pins::span::{Fragment, UNKNOWN};

/// Filters that leave a value what it is, or a list's elements what they are.
const KEEPING: &[&str] = &[
    "string",
    "trim",
    "quote",
    "list",
    "unique",
    "sort",
    "flatten",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "int",
    "float",
    "mandatory",
    "safe",
    "to_yaml",
    "reverse",
    "shuffle",
    "difference",
    "intersect",
    "items",
    "sequence",
    "yaml_dquote",
    "yaml_encode",
    "yaml_squote",
    "json",
    "tojson",
    "yaml",
];

pub(super) fn apply(
    evaluator: &Evaluator<'_>,
    base: &Expr,
    name: &str,
    arguments: &[Expr],
) -> Found {
    let found = evaluator.evaluate(base);
    let argument = |at: usize| arguments.get(at).map(|argument| evaluator.evaluate(argument));
    let element = found.element;
    let value = match name {
        "default" | "d" => return default(evaluator, found, arguments),
        name if KEEPING.contains(&name) => found.value,
        "ternary" => {
            let values = [argument(0), argument(1)];
            return Found {
                value: either(values.into_iter().flatten().map(|found| found.value).collect()),
                element: true,
            };
        }
        "lower" | "upper" => cased(found.value, name == "lower", evaluator),
        "join" => {
            let separator = argument(0).map(|found| found.value);
            let separator = match &separator {
                Some(Value::Text(text)) => text.text().to_owned(),
                _ => String::new(),
            };
            joined(&found.value, &separator, evaluator)
        }
        "first" | "last" | "random" => match found.value {
            Value::List(mut values) if name == "first" && !values.is_empty() => values.remove(0),
            Value::List(mut values) if name == "last" => values.pop().unwrap_or(Value::Null),
            Value::List(values) => either(values),
            _ => Value::Unknown(None),
        },
        "union" | "zip" => match (found.value, argument(0).map(|found| found.value)) {
            (Value::List(mut values), Some(Value::List(more))) => {
                values.extend(more);
                Value::List(values)
            }
            (value, _) => value,
        },
        "map" => mapped(found.value, arguments, evaluator),
        "dict2items" => items(found.value, evaluator),
        _ => Value::Unknown(None),
    };
    Found { value, element }
}

/// A default counts where nothing in the files gives the value; who runs it may still give one.
fn default(evaluator: &Evaluator<'_>, found: Found, arguments: &[Expr]) -> Found {
    let Some(default) = arguments.first() else { return found };
    match &found.value {
        // A name that no file gives.
        Value::Unknown(Some(origin)) if origin.place.is_none() => {
            let mut default = evaluator.evaluate(default);
            let origin = origin.clone();
            default.value = from_outside(default.value, &origin);
            default
        }
        Value::Null => evaluator.evaluate(default),
        Value::Text(text) if text.text().is_empty() && arguments.len() > 1 => {
            evaluator.evaluate(default)
        }
        // An entry that an object lacks.
        Value::Unknown(None) if found.element => evaluator.evaluate(default),
        _ => found,
    }
}

fn from_outside(value: Value, origin: &crate::pins::input::Origin) -> Value {
    match value {
        Value::Text(mut text) if text.origin.is_none() => {
            text.origin = Some(origin.clone());
            Value::Text(text)
        }
        other => other,
    }
}

fn made(text: &str, from: &Text, evaluator: &Evaluator<'_>) -> Value {
    let fragment = Fragment::opaque(text, evaluator.fragment.raw_whole());
    let origin = from.origin.clone();
    Value::Text(Text { origin, ..Text::new(fragment, evaluator.file) })
}

fn cased(value: Value, lower: bool, evaluator: &Evaluator<'_>) -> Value {
    match value {
        Value::Text(text) => {
            let changed =
                if lower { text.text().to_lowercase() } else { text.text().to_uppercase() };
            if changed == text.text() {
                Value::Text(text)
            } else {
                made(&changed, &text, evaluator)
            }
        }
        Value::List(values) => {
            Value::List(values.into_iter().map(|value| cased(value, lower, evaluator)).collect())
        }
        other => other,
    }
}

fn joined(value: &Value, separator: &str, evaluator: &Evaluator<'_>) -> Value {
    let Value::List(values) = value else { return Value::Unknown(None) };
    let mut text = String::new();
    let mut origin = None;
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push_str(separator);
        }
        match value {
            Value::Text(part) if text.len() < super::MAX_TEXT => {
                text.push_str(part.text());
                origin = origin.or_else(|| part.origin.clone());
            }
            _ => text.push(UNKNOWN),
        }
    }
    let fragment = Fragment::opaque(&text, evaluator.fragment.raw_whole());
    Value::Text(Text { origin, ..Text::new(fragment, evaluator.file) })
}

/// `map(attribute='name')`, `map('trim')`, `map('extract', …)`.
fn mapped(value: Value, arguments: &[Expr], evaluator: &Evaluator<'_>) -> Value {
    let Value::List(values) = value else { return Value::Unknown(None) };
    let attribute = arguments.iter().find_map(|argument| match argument {
        Expr::Dict(entries) => match entries.first() {
            Some((Expr::Name(key), value)) if key == "attribute" => Some(value),
            _ => None,
        },
        _ => None,
    });
    if let Some(attribute) = attribute
        && let Value::Text(name) = evaluator.evaluate(attribute).value
    {
        return Value::List(values.iter().map(|value| entry(value, name.text())).collect());
    }
    let kept = arguments.first().is_some_and(|argument| match argument {
        Expr::Text(range) => KEEPING.contains(&evaluator.fragment.get(range.clone())),
        _ => false,
    });
    if kept { Value::List(values) } else { Value::List(vec![Value::Unknown(None)]) }
}

/// A dictionary as `{key, value}` entries.
pub(super) fn items(value: Value, evaluator: &Evaluator<'_>) -> Value {
    let Value::Object(entries) = value else { return Value::Unknown(None) };
    let entries = entries.into_iter().map(|(key, value)| {
        let fragment = Fragment::opaque(&key, evaluator.fragment.raw_whole());
        let key = Value::text(fragment, evaluator.file);
        Value::Object(vec![("key".to_owned(), key), ("value".to_owned(), value)])
    });
    Value::List(entries.collect())
}
