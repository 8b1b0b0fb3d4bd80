//! The functions that names, versions and scripts are made with. Encoders (`base64encode`,
//! `jsonencode`) give back what they are given: what it holds matters, not its envelope.

use super::evaluate::{Evaluator, Joined, Scope};
use super::module::locate;
use super::parse;
use super::syntax::Expr;
use super::value::{Text, Value};
use crate::pins::repository::SourceFile;
use crate::pins::span::{Fragment, FragmentBuilder};

/// More elements of one list are not put together.
const MAX_ELEMENTS: usize = 2_000;

/// The value of a call.
pub(super) fn call(
    evaluator: &Evaluator<'_>,
    name: &str,
    arguments: &[Expr],
    whole: &Expr,
    scope: Scope<'_>,
) -> Value {
    let value = |index: usize| {
        arguments.get(index).map_or(Value::Null, |expr| evaluator.evaluate(expr, scope))
    };
    let text = |index: usize| match value(index) {
        Value::Text(text) => Some(text.text().to_owned()),
        _ => None,
    };
    match name {
        "base64encode" | "base64gzip" | "textencodebase64" | "jsonencode" | "yamlencode"
        | "tostring" | "tonumber" | "tolist" | "toset" | "tomap" | "nonsensitive" | "sensitive"
        | "abspath" | "pathexpand" | "sort" | "distinct" | "compact" | "reverse" | "values"
        | "one" | "urlencode" => value(0),
        "trimspace" | "chomp" => trimmed(value(0)),
        "indent" => value(1),
        "concat" | "flatten" | "setunion" | "list" => {
            let mut found = Vec::new();
            for index in 0..arguments.len() {
                flat(value(index), &mut found, 0);
            }
            Value::List(found)
        }
        "merge" => {
            let mut entries: Vec<(String, Value)> = Vec::new();
            for index in 0..arguments.len() {
                if let Value::Object(more) = value(index) {
                    entries.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
                    entries.extend(more);
                }
            }
            Value::Object(entries)
        }
        "coalesce" | "try" | "coalescelist" => Value::Either(
            (0..arguments.len()).map(value).filter(|v| !matches!(v, Value::Null)).collect(),
        ),
        "lookup" | "element" => {
            let key = match value(1) {
                Value::Text(text) if !text.is_overridable() => Some(text.text().to_owned()),
                _ => None,
            };
            evaluator.pick(value(0), key)
        }
        "join" => join(evaluator, arguments, whole, scope),
        "format" => format(evaluator, arguments, scope),
        "split" => match (text(0), value(1)) {
            (Some(separator), Value::Text(text)) if !separator.is_empty() => {
                split(&separator, &text)
            }
            _ => Value::Unknown(None),
        },
        "lower" | "upper" | "replace" | "trim" | "trimprefix" | "trimsuffix" | "basename"
        | "dirname" | "substr" => computed(name, value(0), text(1), text(2), whole, scope),
        "file" | "filebase64" | "templatefile" | "templatestring" => {
            followed(evaluator, name, arguments, scope)
        }
        _ => Value::Unknown(None),
    }
}

fn trimmed(value: Value) -> Value {
    match value {
        Value::Text(text) => {
            let trimmed = text.text().trim();
            let start = text.text().len().saturating_sub(text.text().trim_start().len());
            let fragment = text.fragment.slice(start..start.saturating_add(trimmed.len()));
            Value::Text(Text { fragment, ..text })
        }
        other => other,
    }
}

fn flat(value: Value, found: &mut Vec<Value>, depth: usize) {
    match value {
        Value::List(values) | Value::Either(values) if depth < 16 => {
            for value in values {
                flat(value, found, depth.saturating_add(1));
            }
        }
        other if found.len() < MAX_ELEMENTS => found.push(other),
        _ => {}
    }
}

fn join(evaluator: &Evaluator<'_>, arguments: &[Expr], whole: &Expr, scope: Scope<'_>) -> Value {
    let Some((separator, lists)) = arguments.split_first() else { return Value::Unknown(None) };
    let Value::Text(separator) = evaluator.evaluate(separator, scope) else {
        return Value::Unknown(None);
    };
    let mut joined = Joined::new(scope.file);
    let mut first = true;
    for list in lists {
        let mut values = Vec::new();
        flat(evaluator.evaluate(list, scope), &mut values, 0);
        for value in values {
            if !first {
                let end = whole.range.end;
                joined.builder.replaced(separator.text(), end..end);
            }
            first = false;
            joined.append(&value, &list.range);
        }
    }
    joined.finish()
}

/// `%s`, `%d`, `%v`, `%q` and padded numbers; anything else makes the whole unknown.
fn format(evaluator: &Evaluator<'_>, arguments: &[Expr], scope: Scope<'_>) -> Value {
    let Some((pattern, rest)) = arguments.split_first() else { return Value::Unknown(None) };
    let Value::Text(pattern) = evaluator.evaluate(pattern, scope) else {
        return Value::Unknown(None);
    };
    let mut joined = Joined::new(scope.file);
    let mut rest = rest.iter();
    let text = pattern.text();
    let mut at = 0_usize;
    while let Some(tail) = text.get(at..) {
        let plain = tail.find('%').unwrap_or(tail.len());
        let end = at.saturating_add(plain);
        if pattern.file == *scope.file {
            joined.builder.append_range(&pattern.fragment, at..end);
        } else {
            joined.builder.replaced(text.get(at..end).unwrap_or_default(), 0..0);
        }
        let Some(verb) = tail.get(plain.saturating_add(1)..) else { break };
        let length = verb.find(|c: char| c.is_ascii_alphabetic() || c == '%');
        let Some(length) = length else { break };
        if !verb.get(length..).is_some_and(|v| v.starts_with('%')) {
            let Some(argument) = rest.next() else { return Value::Unknown(None) };
            joined.splice(&evaluator.evaluate(argument, scope), &argument.range);
        } else {
            joined.builder.append_range(&pattern.fragment, end..end.saturating_add(1));
        }
        at = end.saturating_add(1).saturating_add(length).saturating_add(1);
    }
    joined.finish()
}

fn split(separator: &str, text: &Text) -> Value {
    let mut values = Vec::new();
    let mut at = 0_usize;
    for part in text.text().split(separator).take(MAX_ELEMENTS) {
        let end = at.saturating_add(part.len());
        let fragment = text.fragment.slice(at..end);
        values.push(Value::Text(Text { fragment, ..text.clone() }));
        at = end.saturating_add(separator.len());
    }
    Value::List(values)
}

/// Text that is made of another by a rule: it stands where the call stands.
fn computed(
    name: &str,
    value: Value,
    second: Option<String>,
    third: Option<String>,
    whole: &Expr,
    scope: Scope<'_>,
) -> Value {
    let Value::Text(text) = value else { return Value::Unknown(None) };
    let own = text.text();
    let answer = match (name, second, third) {
        ("lower", ..) => own.to_lowercase(),
        ("upper", ..) => own.to_uppercase(),
        ("basename", ..) => own.rsplit('/').next().unwrap_or_default().to_owned(),
        ("dirname", ..) => own.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned(),
        ("trimprefix", Some(prefix), _) => {
            own.strip_prefix(prefix.as_str()).unwrap_or(own).to_owned()
        }
        ("trimsuffix", Some(suffix), _) => {
            own.strip_suffix(suffix.as_str()).unwrap_or(own).to_owned()
        }
        ("trim", Some(cut), _) => own.trim_matches(|c| cut.contains(c)).to_owned(),
        ("replace", Some(from), Some(to)) if !from.starts_with('/') && !from.is_empty() => {
            own.replace(&from, &to)
        }
        _ => return Value::Unknown(None),
    };
    if answer.len() > crate::pins::environment::MAX_VALUE {
        return Value::Unknown(None);
    }
    let mut made = Text::new(Fragment::opaque(&answer, whole.range.clone()), scope.file);
    made.origin.clone_from(&text.origin);
    Value::Text(made)
}

/// A file of the repository, read as it is or as a template with its variables.
fn followed(evaluator: &Evaluator<'_>, name: &str, arguments: &[Expr], scope: Scope<'_>) -> Value {
    let Some(path) = arguments.first() else { return Value::Unknown(None) };
    let names = match arguments.get(1).map(|vars| evaluator.evaluate(vars, scope)) {
        Some(Value::Object(entries)) => entries,
        _ => Vec::new(),
    };
    let Value::Text(path) = evaluator.evaluate(path, scope) else { return Value::Unknown(None) };
    if name == "templatestring" {
        return Value::Text(path);
    }
    let repository = evaluator.repository;
    let Some(found) = locate(repository, scope.file, path.text()) else {
        return Value::Unknown(None);
    };
    let Some(bytes) = repository.read(&found) else { return Value::Unknown(None) };
    let source = SourceFile::new(&found, bytes);
    if name != "templatefile" {
        return Value::text(source.fragment(), &source.path);
    }
    let text = parse::text_of(&source.bytes);
    match parse::template(&text) {
        Some(parts) => {
            let scope = Scope { file: &source.path, names: &names, depth: scope.depth };
            evaluator.template(&parts, scope)
        }
        None => Value::text(unresolved(&text), &source.path),
    }
}

/// A template that does not parse, with every `${ … }` taken for unknown.
fn unresolved(text: &str) -> Fragment {
    let mut builder = FragmentBuilder::default();
    let mut at = 0_usize;
    while let Some(rest) = text.get(at..) {
        let Some(start) = rest.find("${") else { break };
        let Some(length) = rest.get(start..).and_then(|open| open.find('}')) else { break };
        let from = at.saturating_add(start);
        let end = from.saturating_add(length).saturating_add(1);
        builder.verbatim(text.get(at..from).unwrap_or_default(), at);
        builder.unknown(from..end);
        at = end;
    }
    builder.verbatim(text.get(at..).unwrap_or_default(), at);
    builder.finish()
}
