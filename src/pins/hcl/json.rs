//! The JSON form (`*.tf.json`, `*.pkr.json`), and plain JSON with places, by `jsonc-parser`.
//!
//! The form does not tell blocks from attributes, so every object is both: who reads a body asks
//! for what it expects.

use super::parse::Fault;
use super::syntax::{Block, Body, Expr, Kind, Part};
use crate::pins::span::{Fragment, FragmentBuilder};
use jsonc_parser::ast::{ObjectPropName, Value};
use jsonc_parser::common::Ranged;
use std::ops::Range;

/// Deeper objects are not read: the walk is recursive.
const MAX_DEPTH: usize = 48;

/// Larger files are not parsed: the tree takes some hundred bytes for each of theirs.
const MAX_TEXT: usize = 2 * 1024 * 1024;

/// Whether `${ }` in strings means something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strings {
    Plain,
    Templates,
}

/// Reads a file in JSON form.
pub(in crate::pins) fn body(text: &str) -> (Body, Vec<Fault>) {
    let (value, faults) = parsed(text, Strings::Templates);
    let body = value.map(|value| body_of(&value, 0)).unwrap_or_default();
    (body, faults)
}

/// Reads plain JSON as one expression; strings are no templates.
pub(in crate::pins) fn value(text: &str) -> (Option<Expr>, Vec<Fault>) {
    parsed(text, Strings::Plain)
}

fn parsed(text: &str, strings: Strings) -> (Option<Expr>, Vec<Fault>) {
    if text.len() > MAX_TEXT {
        let reason = format!("is larger than {MAX_TEXT} bytes, so that it was passed over");
        return (None, vec![Fault { at: 0, reason }]);
    }
    let options = jsonc_parser::ParseOptions::default();
    match jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &options) {
        Ok(result) => (result.value.map(|value| expression(text, &value, strings, 0)), Vec::new()),
        Err(error) => {
            let (at, reason) = (error.range().start, error.kind().to_string());
            (None, vec![Fault { at, reason }])
        }
    }
}

fn expression(text: &str, value: &Value<'_>, strings: Strings, depth: usize) -> Expr {
    let range = value.range().start..value.range().end;
    if depth > MAX_DEPTH {
        return Expr { range, kind: Kind::Other };
    }
    let depth = depth.saturating_add(1);
    let kind = match value {
        Value::StringLit(_) => {
            let fragment = string(text, &range);
            match strings {
                Strings::Templates if fragment.text().contains("${") => templated(fragment),
                _ => Kind::Text(fragment),
            }
        }
        Value::NumberLit(number) => Kind::Word(number.value.to_owned()),
        Value::BooleanLit(boolean) => Kind::Word(boolean.value.to_string()),
        Value::NullKeyword(_) => Kind::Null,
        Value::Array(array) => Kind::List(
            array.elements.iter().map(|value| expression(text, value, strings, depth)).collect(),
        ),
        Value::Object(object) => Kind::Object(
            object
                .properties
                .iter()
                .map(|property| {
                    let range = property.name.range().start..property.name.range().end;
                    let key = match &property.name {
                        ObjectPropName::String(_) => string(text, &range),
                        ObjectPropName::Word(word) => Fragment::verbatim(word.value, range.start),
                    };
                    let key = Expr { range, kind: Kind::Text(key) };
                    (key, expression(text, &property.value, strings, depth))
                })
                .collect(),
        ),
    };
    Expr { range, kind }
}

/// A quoted string with its map.
pub(in crate::pins) fn string(text: &str, range: &Range<usize>) -> Fragment {
    let inside = range.start.saturating_add(1)..range.end.saturating_sub(1);
    let raw = text.get(inside.clone()).unwrap_or_default();
    let mut builder = FragmentBuilder::default();
    let mut at = 0_usize;
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        let plain = rest.find('\\').unwrap_or(rest.len());
        let offset = inside.start.saturating_add(at);
        builder.verbatim(rest.get(..plain).unwrap_or_default(), offset);
        let Some(escape) = rest.get(plain..).filter(|rest| !rest.is_empty()) else { break };
        let (decoded, length) = unescaped(escape);
        let start = offset.saturating_add(plain);
        let end = start.saturating_add(length);
        builder.replaced(decoded.encode_utf8(&mut [0; 4]), start..end);
        at = at.saturating_add(plain).saturating_add(length);
    }
    builder.finish()
}

/// The character of an escape and how many bytes it takes; a surrogate pair is one character.
fn unescaped(escape: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = escape.get(at..at.saturating_add(4))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let code = escape.chars().nth(1);
    match code {
        Some('n') => ('\n', 2),
        Some('t') => ('\t', 2),
        Some('r') => ('\r', 2),
        Some('b') => ('\u{8}', 2),
        Some('f') => ('\u{c}', 2),
        Some('u') => match (unit(2), unit(8)) {
            (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) => {
                let value = 0x10000_u32
                    .saturating_add(high.saturating_sub(0xd800).saturating_mul(0x400))
                    .saturating_add(low.saturating_sub(0xdc00));
                (char::from_u32(value).unwrap_or('\u{fffd}'), 12.min(escape.len()))
            }
            (Some(value), _) => (char::from_u32(value).unwrap_or('\u{fffd}'), 6),
            _ => ('\u{fffd}', 2.min(escape.len())),
        },
        Some(other) => (other, other.len_utf8().saturating_add(1)),
        None => ('\\', 1),
    }
}

/// A string with `${ }` in it: parsed as a template, its places carried to the file.
fn templated(fragment: Fragment) -> Kind {
    let Some(parts) = super::parse::template(fragment.text()) else { return Kind::Text(fragment) };
    let mut parts: Vec<Part> = parts.into_iter().map(|part| moved(part, &fragment)).collect();
    if let [Part::Value(value, _)] = parts.as_slice()
        && !matches!(value.kind, Kind::Variable(_) | Kind::Access(..))
    {
        // Places within the expression count in the decoded text: it must not pass through.
        parts.insert(0, Part::Text(Fragment::default()));
    }
    Kind::Template(parts)
}

fn moved(part: Part, outer: &Fragment) -> Part {
    match part {
        Part::Text(text) => Part::Text(text.compose(outer)),
        Part::Value(mut value, range) => {
            let range = outer.raw_range(range);
            value.range = range.clone();
            Part::Value(value, range)
        }
        Part::Either(then, otherwise) => Part::Either(
            then.into_iter().map(|part| moved(part, outer)).collect(),
            otherwise.into_iter().map(|part| moved(part, outer)).collect(),
        ),
        Part::Repeat { key, value, collection, body } => {
            let body = body.into_iter().map(|part| moved(part, outer)).collect();
            Part::Repeat { key, value, collection, body }
        }
    }
}

/// How many labels a block of that keyword has.
fn labels_of(keyword: &str) -> usize {
    match keyword {
        "resource" | "data" | "source" | "ephemeral" => 2,
        "variable" | "output" | "module" | "provider" | "provisioner" | "post-processor" => 1,
        _ => 0,
    }
}

/// An object as a body: every entry is an attribute, and every object or list of objects in it is
/// a block (or several) as well.
fn body_of(value: &Expr, depth: usize) -> Body {
    let mut body = value.as_body().unwrap_or_default();
    if depth > MAX_DEPTH {
        return body;
    }
    for attribute in &body.attributes {
        let header = Header {
            keyword: &attribute.name,
            range: &attribute.name_range,
            labels: Vec::new(),
            wanted: labels_of(&attribute.name),
        };
        blocks_of(&attribute.value, header, depth, &mut body.blocks);
    }
    body
}

#[derive(Clone)]
struct Header<'h> {
    keyword: &'h str,
    range: &'h Range<usize>,
    labels: Vec<(String, Range<usize>)>,
    wanted: usize,
}

fn blocks_of(value: &Expr, header: Header<'_>, depth: usize, found: &mut Vec<Block>) {
    if depth > MAX_DEPTH {
        return;
    }
    let depth = depth.saturating_add(1);
    match &value.kind {
        Kind::List(values) => {
            for value in values {
                blocks_of(value, header.clone(), depth, found);
            }
        }
        Kind::Object(entries) if header.labels.len() < header.wanted => {
            for (key, inner) in entries {
                let mut header = header.clone();
                let range = super::module::inside(key);
                header.labels.push((key.key().unwrap_or_default().to_owned(), range));
                blocks_of(inner, header, depth, found);
            }
        }
        Kind::Object(_) => found.push(Block {
            keyword: header.keyword.to_owned(),
            keyword_range: header.range.start.saturating_add(1)..header.range.end.saturating_sub(1),
            labels: header.labels,
            body: body_of(value, depth),
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_labels() {
        let text =
            r#"{"resource":{"a":{"b":{"x":"y\u00e9 \ud83d\ude00 ${c.d} curl","n":[{"k":1}]}}}}"#;
        let (body, faults) = body(text);
        assert!(faults.is_empty());
        let block = &body.blocks[0];
        assert_eq!(
            (block.keyword.as_str(), block.label(0), block.label(1)),
            ("resource", "a", "b")
        );
        assert_eq!(block.body.blocks("n").count(), 1);
        let Some(Kind::Template(parts)) = block.body.get("x").map(|x| &x.kind) else { panic!() };
        let Some(Part::Text(last)) = parts.last() else { panic!() };
        let at = last.text().find("curl").unwrap();
        assert_eq!(last.raw_range(at..at + 4).start, text.find("curl").unwrap());
        let Some(Part::Text(first)) = parts.first() else { panic!() };
        assert_eq!(first.text(), "yé \u{1f600} ");
    }

    #[test]
    fn broken_json_says_where() {
        assert_eq!(body("{\"a\": }").1.len(), 1);
        assert!(!value(&"[".repeat(100_000)).1.is_empty());
    }
}
