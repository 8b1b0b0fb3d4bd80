//! Expressions (`${{ }}`) whose value stands in the file: `matrix.x` with its literal axis,
//! `env.X`, a literal behind `||`. Everything else stays unknown.

use super::Job;
use crate::pins::input::Origin;
use crate::pins::shell::Expanded;
use crate::pins::span::{Fragment, FragmentBuilder, UNKNOWN};
use crate::pins::yaml::{Kind, Node};
use std::ops::Range;

/// Values that one word may stand for: larger matrices are cut off, their values are alike.
const MAX_VALUES: usize = 64;

/// A value that an expression may have.
#[derive(Clone, Debug)]
struct Value {
    text: Fragment,
    origin: Option<Origin>,
}

impl Job<'_, '_> {
    /// What a scalar may be, one entry for each value of its expressions. A scalar that is one
    /// expression is reported where its values stand, any other one where it stands itself.
    pub(super) fn values(&self, fragment: &Fragment) -> Vec<Expanded> {
        let text = fragment.text();
        if !text.contains(UNKNOWN) {
            return vec![Expanded::plain(fragment.clone())];
        }
        let whole = text.trim().chars().eq([UNKNOWN]);
        let mut found: Vec<(FragmentBuilder, Option<Origin>)> = vec![Default::default()];
        let mut done = 0_usize;
        for (at, _) in text.match_indices(UNKNOWN) {
            let end = at.saturating_add(UNKNOWN.len_utf8());
            let raw = fragment.raw_range(at..end);
            let values = self.values_of(&raw);
            let mut next = Vec::new();
            for (builder, origin) in &found {
                let mut builder = builder.clone();
                builder.append_range(fragment, done..at);
                if values.is_empty() {
                    builder.unknown(raw.clone());
                    next.push((builder, origin.clone()));
                    continue;
                }
                for value in values.iter().take(MAX_VALUES) {
                    let mut builder = builder.clone();
                    if whole {
                        builder.append(&value.text);
                    } else {
                        builder.replaced(value.text.text(), raw.clone());
                    }
                    next.push((builder, origin.clone().or_else(|| value.origin.clone())));
                }
            }
            next.truncate(MAX_VALUES);
            found = next;
            done = end;
        }
        let finish = |(mut builder, origin): (FragmentBuilder, Option<Origin>)| {
            builder.append_range(fragment, done..text.len());
            let own = Expanded::plain(builder.finish());
            let range = if whole && origin.is_some() { own.range } else { fragment.raw_whole() };
            // At its own place the origin says nothing new.
            let origin = if whole { None } else { origin };
            Expanded { fragment: own.fragment, range, origin }
        };
        found.into_iter().map(finish).collect()
    }

    /// A script with the expressions filled in that have one value, or several of one kind.
    pub(super) fn filled(&self, fragment: &Fragment) -> Fragment {
        let text = fragment.text();
        if !text.contains(UNKNOWN) {
            return fragment.clone();
        }
        fragment.filled(|raw| {
            let values = self.values_of(raw);
            let first = values.first().filter(|first| values.iter().all(|v| alike(first, v)))?;
            Some(first.text.text().to_owned())
        })
    }

    /// The literal values of the expression at a raw range; none where it comes from outside.
    fn values_of(&self, raw: &Range<usize>) -> Vec<Value> {
        let bytes = self.audit.file().bytes.get(raw.clone()).unwrap_or_default();
        let Ok(text) = std::str::from_utf8(bytes) else { return Vec::new() };
        let Some(body) = text.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")) else {
            return Vec::new();
        };
        let start = raw.start.saturating_add("${{".len());
        let (mut found, mut at) = (Vec::new(), start);
        for part in body.split("||") {
            let trimmed = part.trim();
            let lead = part.len().saturating_sub(part.trim_start().len());
            found.extend(self.operand(trimmed, at.saturating_add(lead)));
            at = at.saturating_add(part.len()).saturating_add(2);
        }
        found.retain(|value| !value.text.text().is_empty());
        found
    }

    /// One side of `||`; of `condition && value` what stands behind the condition.
    fn operand(&self, word: &str, at: usize) -> Vec<Value> {
        let last = word.rfind("&&").map_or(0, |found| found.saturating_add(2));
        let word_at = word.get(last..).unwrap_or_default();
        let lead = word_at.len().saturating_sub(word_at.trim_start().len());
        let at = at.saturating_add(last).saturating_add(lead);
        let word = word_at.trim();
        if let Some(inner) = word.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            if inner.contains('\'') {
                return Vec::new();
            }
            let text = Fragment::verbatim(inner, at.saturating_add(1));
            return vec![Value { text, origin: Some(self.origin("expression", at, word.len())) }];
        }
        if let Some(name) = word.strip_prefix("env.") {
            let constant = self.environment.get(name).into_iter();
            let known = constant.flat_map(|constant| {
                let origin = constant.origin.clone();
                let values = constant.values.iter().filter(|value| !value.text().contains(UNKNOWN));
                values.map(move |text| Value { text: text.clone(), origin: Some(origin.clone()) })
            });
            return known.collect();
        }
        let Some(path) = word.strip_prefix("matrix.") else { return Vec::new() };
        let Some(matrix) = &self.matrix else { return Vec::new() };
        let mut nodes = Vec::new();
        axis(matrix, path, &mut nodes);
        let value = |node: &Node| {
            let fragment = node.fragment()?;
            let place = Some(self.audit.place(fragment.raw_whole()));
            let origin = Origin { name: word.to_owned(), place, overridable: false };
            Some(Value { text: fragment.clone(), origin: Some(origin) })
        };
        nodes.iter().filter_map(value).collect()
    }

    fn origin(&self, name: &str, at: usize, length: usize) -> Origin {
        let place = Some(self.audit.place(at..at.saturating_add(length)));
        Origin { name: name.to_owned(), place, overridable: true }
    }
}

/// The values of `x` or `x.y` in a matrix: those of the axis and of the entries of `include`.
fn axis(matrix: &Node, path: &str, found: &mut Vec<Node>) {
    let mut names = path.split('.');
    let Some(first) = names.next() else { return };
    let rest: Vec<&str> = names.collect();
    let mut roots: Vec<&Node> = Vec::new();
    if let Some(values) = matrix.get(first) {
        if values.is_sequence() {
            roots.extend(values.items());
        } else {
            roots.push(values);
        }
    }
    let included = matrix.get("include").map(Node::items).unwrap_or_default();
    roots.extend(included.iter().filter_map(|entry| entry.get(first)));
    for root in roots {
        let end = rest.iter().try_fold(root, |node, name| node.get(name));
        match end.map(|node| (node, node.kind())) {
            Some((node, Kind::Scalar { .. })) => found.push(node.clone()),
            Some((node, Kind::Sequence(_))) => found.extend(node.items().iter().cloned()),
            _ => {}
        }
    }
    found.truncate(MAX_VALUES);
}

/// Whether it does not matter to a command which of two values it gets.
fn alike(one: &Value, other: &Value) -> bool {
    let (one, other) = (one.text.text(), other.text.text());
    let version =
        |text: &str| text.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    let strength = crate::pins::classify::constraint;
    one == other
        || version(one)
            && version(other)
            && strength(one) == strength(other)
            && one.matches('.').count() == other.matches('.').count()
}
