//! Jinja in the strings of configuration files (playbooks, states): expressions come to values as
//! far as the files say, everything else is unknown.
//!
//! ```text
//! scalar -> pieces (text, {{ }}, {% %}, {# #}) -> expression (lexer, parser) -> Value
//! ```
//!
//! Names are looked up by whoever renders ([`Names`]). Conditions are never decided: both branches
//! count. What a filter makes is known for the few that keep or join words; `lookup`, facts and
//! everything that a run decides is unknown. Follows the template designer documentation of
//! Jinja 3.

mod evaluate;
mod filters;
mod lexer;
mod parser;

use super::hcl::value::{Text, Value};
use super::input::Origin;
use super::resource::{MAX_ALTERNATIVES, sited};
use super::span::{Fragment, FragmentBuilder};
use evaluate::Evaluator;
use std::ops::Range;
use std::sync::Arc;

/// A longer text is unknown: repeated expansion would explode.
const MAX_TEXT: usize = 64 * 1024;

/// What a name stands for.
pub(in crate::pins) struct Found {
    /// The value.
    pub value: Value,
    /// The element of a loop: what is made of it is reported where it stands, not where the name
    /// is used.
    pub element: bool,
}

/// Where names are looked up. Whoever implements it bounds the recursion.
pub(in crate::pins) trait Names {
    /// What a name stands for; `None` where nothing in the files says.
    fn name(&self, name: &str) -> Option<Found>;

    /// What a call of a function comes to (`salt['pillar.get']('a', 'b')`), by its name and its
    /// arguments; `None` where it is not known.
    fn call(&self, _name: &str, _arguments: &[Value]) -> Option<Value> {
        None
    }
}

/// Part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pins) enum Piece {
    /// Plain text.
    Literal(Range<usize>),
    /// The whole, and what stands between the braces.
    Expression(Range<usize>, Range<usize>),
    /// `{% … %}`.
    Statement(Range<usize>),
    /// `{# … #}`.
    Comment(Range<usize>),
}

/// What the expression in a range of a text comes to.
pub(in crate::pins) fn evaluate(
    fragment: &Fragment,
    range: Range<usize>,
    file: &Arc<str>,
    names: &dyn Names,
) -> Found {
    Evaluator { fragment, file, names }.expression(range)
}

/// What a text comes to. Statements (`{% %}`) in it stay where `keeps_statements`, so that the
/// shell engine sees both branches; otherwise they make what they surround unknown.
pub(in crate::pins) fn render(
    fragment: &Fragment,
    file: &Arc<str>,
    names: &dyn Names,
    keeps_statements: bool,
) -> Value {
    let text = fragment.text();
    if !text.contains('{') {
        return Value::text(fragment.clone(), file);
    }
    let pieces = pieces(text);
    if pieces.iter().all(|piece| matches!(piece, Piece::Literal(_))) {
        return Value::text(fragment.clone(), file);
    }
    let evaluator = Evaluator { fragment, file, names };
    let blank = |piece: &Piece| match piece {
        Piece::Literal(range) => text.get(range.clone()).is_some_and(|t| t.trim().is_empty()),
        Piece::Comment(_) => true,
        _ => false,
    };
    let mut others = pieces.iter().filter(|piece| !blank(piece));
    if let (Some(Piece::Expression(whole, inner)), None) = (others.next(), others.next()) {
        let found = evaluator.expression(inner.clone());
        let site = fragment.raw_range(whole.clone());
        return if found.element { found.value } else { sited(found.value, &site) };
    }
    joined(&evaluator, &pieces, keeps_statements)
}

/// One way in which a text may come out.
#[derive(Clone, Default)]
struct Draft {
    builder: FragmentBuilder,
    spliced: Vec<(Range<usize>, Origin)>,
    /// Where it is reported, if an element of a loop is part of it.
    element: Option<Text>,
}

fn joined(evaluator: &Evaluator<'_>, pieces: &[Piece], keeps_statements: bool) -> Value {
    let fragment = evaluator.fragment;
    let own = fragment.raw_whole();
    let mut drafts = vec![Draft::default()];
    // Between the first and the last statement nothing is certain.
    let statement = |piece: &Piece| matches!(piece, Piece::Statement(_));
    let first = pieces.iter().position(statement).filter(|_| !keeps_statements);
    let last = pieces.iter().rposition(statement).filter(|_| !keeps_statements);
    for (index, piece) in pieces.iter().enumerate() {
        if let (Some(first), Some(last)) = (first, last)
            && (first..=last).contains(&index)
        {
            if index == first {
                for draft in &mut drafts {
                    draft.builder.unknown(own.clone());
                }
            }
            continue;
        }
        match piece {
            Piece::Literal(range) | Piece::Statement(range) => {
                for draft in &mut drafts {
                    draft.builder.append_range(fragment, range.clone());
                }
            }
            Piece::Comment(_) => {}
            Piece::Expression(whole, inner) => {
                let found = evaluator.expression(inner.clone());
                let site = fragment.raw_range(whole.clone());
                let options = found.value.options();
                if options.len().saturating_mul(drafts.len()) > MAX_ALTERNATIVES {
                    for draft in &mut drafts {
                        draft.builder.unknown(site.clone());
                    }
                    continue;
                }
                // The usual case, without a copy of all that stands before.
                if let [only] = options.as_slice() {
                    for draft in &mut drafts {
                        draft.put(only.as_ref(), &site, found.element, evaluator.file, &own);
                    }
                    continue;
                }
                let before = std::mem::take(&mut drafts);
                for draft in before {
                    for option in &options {
                        let mut draft = draft.clone();
                        draft.put(option.as_ref(), &site, found.element, evaluator.file, &own);
                        drafts.push(draft);
                    }
                }
            }
        }
    }
    let mut values = drafts.into_iter().map(|draft| draft.finish(evaluator.file));
    match (values.next(), values.next()) {
        (Some(only), None) => only,
        (first, second) => Value::Either(first.into_iter().chain(second).chain(values).collect()),
    }
}

impl Draft {
    fn put(
        &mut self,
        text: Option<&Text>,
        site: &Range<usize>,
        element: bool,
        file: &Arc<str>,
        own: &Range<usize>,
    ) {
        let Some(text) = text else {
            self.builder.unknown(site.clone());
            return;
        };
        if self.builder.text().len().saturating_add(text.text().len()) > MAX_TEXT {
            self.builder.unknown(site.clone());
            return;
        }
        let range = text.fragment.raw_whole();
        let literal = text.file == *file && own.start <= range.start && range.end <= own.end;
        if element && !literal && !text.text().is_empty() && self.element.is_none() {
            self.element = Some(text.clone());
        }
        self.builder.replaced(text.text(), site.clone());
        self.spliced.extend(text.origin.iter().map(|origin| (site.clone(), origin.clone())));
        self.spliced.extend(text.spliced.iter().map(|(_, origin)| (site.clone(), origin.clone())));
    }

    fn finish(self, file: &Arc<str>) -> Value {
        let fragment = self.builder.finish();
        let Some(element) = self.element else {
            return Value::Text(Text { spliced: self.spliced, ..Text::new(fragment, file) });
        };
        let range = element.site.clone().unwrap_or_else(|| element.fragment.raw_whole());
        let mut text = Text::new(Fragment::opaque(fragment.text(), range), &element.file);
        text.origin = element.origin.or_else(|| self.spliced.first().map(|(_, o)| o.clone()));
        Value::Text(text)
    }
}

/// Takes a text apart. What is opened and never closed is text.
pub(in crate::pins) fn pieces(text: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut done = 0_usize;
    let mut at = 0_usize;
    let mut ends = Ends::of(text);
    while let Some(skip) = text.get(at..).and_then(|rest| rest.find('{')) {
        let open = at.saturating_add(skip);
        let inner = open.saturating_add(2);
        let close = match text.as_bytes().get(open.saturating_add(1)) {
            Some(b'{') => ends.expression(inner),
            Some(b'%') => ends.next(inner, "%}"),
            Some(b'#') if !text.get(..open).is_some_and(|before| before.ends_with('$')) => {
                ends.next(inner, "#}")
            }
            _ => None,
        };
        let Some(length) = close else {
            at = open.saturating_add(1);
            continue;
        };
        let body = inner..inner.saturating_add(length);
        let end = body.end.saturating_add(2);
        if done < open {
            found.push(Piece::Literal(done..open));
        }
        found.push(match text.as_bytes().get(open.saturating_add(1)) {
            Some(b'{') => Piece::Expression(open..end, body),
            Some(b'%') => Piece::Statement(open..end),
            _ => Piece::Comment(open..end),
        });
        done = end;
        at = end;
    }
    if done < text.len() {
        found.push(Piece::Literal(done..text.len()));
    }
    found
}

/// Where what is opened ends. A text that opens much and closes little would be searched to its end
/// each time: what was not found once is not searched again, and strings and braces are counted only
/// as long as [`Ends::left`] lasts.
struct Ends<'t> {
    text: &'t str,
    /// Marks that do not occur behind any later place.
    missing: Vec<&'static str>,
    /// How many bytes may still be searched for the end of an expression by counting.
    left: usize,
}

impl<'t> Ends<'t> {
    fn of(text: &'t str) -> Self {
        let left = text.len().saturating_mul(4).saturating_add(MAX_TEXT);
        Self { text, missing: Vec::new(), left }
    }

    /// How far the next mark is.
    fn next(&mut self, from: usize, mark: &'static str) -> Option<usize> {
        if self.missing.contains(&mark) {
            return None;
        }
        let found = self.text.get(from..).and_then(|rest| rest.find(mark));
        if found.is_none() {
            self.missing.push(mark);
        }
        found
    }

    /// How far the `}}` is that closes an expression: not one within a string or a nested brace.
    fn expression(&mut self, from: usize) -> Option<usize> {
        // What closes somewhere may close here; a quote may never be closed (`{{ x }}'s`).
        let plain = self.next(from, "}}")?;
        let bytes = self.text.as_bytes().get(from..)?;
        let mut quote: Option<u8> = None;
        let mut depth = 0_usize;
        for (at, byte) in bytes.iter().enumerate() {
            let Some(left) = self.left.checked_sub(1) else { break };
            self.left = left;
            match (quote, byte) {
                (Some(open), byte) if *byte == open => quote = None,
                (Some(_), _) => {}
                (None, b'\'' | b'"') => quote = Some(*byte),
                (None, b'{') => depth = depth.saturating_add(1),
                (None, b'}') if depth > 0 => depth = depth.saturating_sub(1),
                (None, b'}') if bytes.get(at.saturating_add(1)) == Some(&b'}') => return Some(at),
                (None, _) => {}
            }
        }
        Some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::span::UNKNOWN;

    struct Few;

    impl Names for Few {
        fn name(&self, name: &str) -> Option<Found> {
            let text = |text: &str| {
                let fragment = Fragment::opaque(text, 1000..1000 + text.len());
                Value::text(fragment, &Arc::from("vars.yml"))
            };
            let value = match name {
                "v" => text("1.2.3"),
                "names" => Value::List(vec![text("a"), text("b")]),
                "either" => Value::Either(vec![text("x"), text("y")]),
                "item" => Value::Object(vec![("name".to_owned(), text("curl"))]),
                "outside" => Value::Unknown(None),
                _ => return None,
            };
            Some(Found { value, element: name == "item" })
        }
    }

    fn shown(value: &Value) -> String {
        match value {
            Value::Text(text) => text.text().replace(UNKNOWN, "?"),
            Value::List(values) => {
                format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(", "))
            }
            Value::Either(values) => values.iter().map(shown).collect::<Vec<_>>().join(" or "),
            Value::Object(entries) => {
                let entries = entries.iter().map(|(key, value)| format!("{key}: {}", shown(value)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
            Value::Null => "null".to_owned(),
            Value::Unknown(_) => "unknown".to_owned(),
        }
    }

    #[test]
    fn expressions() {
        let check = |text: &str, expected: &str| {
            let value = render(&Fragment::verbatim(text, 10), &Arc::from("f"), &Few, false);
            assert_eq!(shown(&value), expected, "{text}");
        };
        check("plain ${x} {y}", "plain ${x} {y}");
        check("nginx={{ v }}", "nginx=1.2.3");
        check("{{v}}", "1.2.3");
        check("a-{{ missing }}-b", "a-?-b");
        check("a-{{ missing | default('2.0') }}", "a-2.0");
        check("{{ missing | default(omit) }}", "null");
        check("{{ v | default('latest', true) | string }}", "1.2.3");
        check("{{ names }}", "[a, b]");
        check("{{ names | join(' ') }}", "a b");
        check("{{ names + ['c'] }}", "[a, b, c]");
        check("{{ names[0] ~ '-' ~ v }}", "a-1.2.3");
        check("{{ item.name }}={{ item['version'] | d('*') }}", "curl=*");
        check("{{ 'a' if x == 1 else 'b' }}", "a or b");
        check("p-{{ either }}", "p-x or p-y");
        check("{{ lookup('env', 'X') }}", "unknown");
        check("{{ x is defined | ternary('a', 'b') }}", "a or b");
        check("{{ {'a': 'x'}['a'] }}", "x");
        check("nginx{% if v %}={{ v }}{% endif %}", "nginx?");
        check("{{ 'it' 's' }}", "unknown");
        check("{{ v | regex_replace('^v', '') }}", "unknown");
        check("{{ v", "{{ v");
        check("{{ ((((((1)))))) }}", "1");
        check("{{ dict(a='x').a | upper }}{# c #}", "unknown");
        check("{{ item.missing }}", "unknown");
        check("{{ (v | split('.'))[0] }}", "unknown");
        check("{{ outside | default('a') }}", "unknown");
    }

    /// Texts that open much and close little: the pieces come in time that grows with the text.
    #[test]
    fn what_is_never_closed() {
        let check = |unit: &str, end: &str, expected: usize| {
            let text = format!("{}{end}", unit.repeat(200_000));
            assert_eq!(pieces(&text).len(), expected, "{unit}");
        };
        check("{%", "", 1);
        check("{{", "", 1);
        check("{#", "", 1);
        check("{{ { }}", "", 200_000);
        check("{{ ' }}{{ \" }}", "", 133_334);
        check("{{", "}}", 1);
    }

    /// Many expressions in one text: what stands before is not copied with each.
    #[test]
    fn many_expressions() {
        let text = "{{ v }} ".repeat(100_000);
        let value = render(&Fragment::verbatim(&text, 0), &Arc::from("f"), &Few, true);
        assert!(matches!(value, Value::Text(_)));
    }

    #[test]
    fn places() {
        let render =
            |text: &str| render(&Fragment::verbatim(text, 10), &Arc::from("f"), &Few, false);
        let Value::Text(text) = render("curl={{ v }}") else { panic!() };
        assert_eq!((text.fragment.raw_whole(), &*text.file), (10..22, "f"));
        let Value::Text(text) = render("{{ v }}") else { panic!() };
        assert_eq!((text.site, &*text.file), (Some(10..17), "vars.yml"));
        let Value::Text(text) = render("{{ item.name }}") else { panic!() };
        assert_eq!((text.site, &*text.file), (None, "vars.yml"));
        let Value::Text(text) = render("{{ item.name }}=1") else { panic!() };
        assert_eq!((text.fragment.raw_whole(), &*text.file), (1000..1004, "vars.yml"));
    }
}
