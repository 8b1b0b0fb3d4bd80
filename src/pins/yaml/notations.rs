//! JSON (with comments and trailing commas, as editors' files have them) and TOML, read into the
//! tree that YAML is read into, so that whoever reads a manifest does not care how it is written.
//!
//! A file that does not parse is one fault at its place, and nothing of it is read: neither format
//! has a point where a reader could take up again.

use super::{Kind, MAX_DEPTH, MAX_NODES, Node, Stream};
use crate::pins::hcl::json::string;
use crate::pins::span::Fragment;
use jsonc_parser::ast::{ObjectPropName, Value as Json};
use jsonc_parser::common::Ranged;
use std::ops::Range;
use toml_edit::{Document, Item, Key, TableLike, Value as Toml};

/// Larger files are machine-written: locks are read by readers of their own.
pub const MAX_NOTATION: usize = 2 * 1024 * 1024;

/// Reads JSON. The fragment is a whole file: its text is the raw text.
#[must_use]
pub fn json(source: &Fragment) -> Stream {
    let text = source.text();
    let (text, base) = text.strip_prefix('\u{feff}').map_or((text, 0), |rest| (rest, 3));
    if text.len() > MAX_NOTATION {
        return too_large();
    }
    let options = jsonc_parser::ParseOptions::default();
    match jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &options) {
        Ok(result) => {
            let mut reader = Reader { text, source, base, nodes: 0 };
            let documents = result.value.iter().map(|value| reader.json(value, 0)).collect();
            Stream { documents, faults: Vec::new() }
        }
        Err(error) => {
            let at = base.saturating_add(error.range().start);
            fault(source, at, &format!("is no JSON from here on: {}", error.kind()))
        }
    }
}

/// Reads TOML. The fragment is a whole file.
#[must_use]
pub fn toml(source: &Fragment) -> Stream {
    let text = source.text();
    let (text, base) = text.strip_prefix('\u{feff}').map_or((text, 0), |rest| (rest, 3));
    if text.len() > MAX_NOTATION {
        return too_large();
    }
    match Document::parse(text) {
        Ok(document) => {
            let mut reader = Reader { text, source, base, nodes: 0 };
            let root = reader.table(document.as_table(), 0..text.len(), 0);
            Stream { documents: vec![root], faults: Vec::new() }
        }
        Err(error) => {
            let at = base.saturating_add(error.span().map_or(0, |span| span.start));
            let message = error.message().lines().next().unwrap_or_default();
            fault(source, at, &format!("is no TOML from here on: {message}"))
        }
    }
}

fn too_large() -> Stream {
    let reason = format!("is larger than {MAX_NOTATION} bytes, so that it was passed over");
    Stream { documents: Vec::new(), faults: vec![(0, reason)] }
}

fn fault(source: &Fragment, at: usize, reason: &str) -> Stream {
    let at = source.raw_range(at..at).start;
    Stream { documents: Vec::new(), faults: vec![(at, reason.to_owned())] }
}

struct Reader<'r> {
    text: &'r str,
    source: &'r Fragment,
    /// What was cut off before the text.
    base: usize,
    nodes: usize,
}

impl Reader<'_> {
    fn raw(&self, range: Range<usize>) -> Range<usize> {
        let shift = |offset: usize| self.base.saturating_add(offset);
        self.source.raw_range(shift(range.start)..shift(range.end))
    }

    /// A fragment of the text carried down to the raw file.
    fn carried(&self, fragment: &Fragment) -> Fragment {
        if self.base == 0 {
            return fragment.compose(self.source);
        }
        let cut = self.source.slice(self.base..self.source.text().len());
        fragment.compose(&cut)
    }

    fn scalar(&mut self, fragment: &Fragment, plain: bool, range: Range<usize>) -> Node {
        let range = self.raw(range);
        Node::new(Kind::Scalar { fragment: self.carried(fragment), plain }, range, None)
    }

    fn word(&mut self, range: Range<usize>) -> Node {
        let word = self.text.get(range.clone()).unwrap_or_default();
        self.scalar(&Fragment::verbatim(word, range.start), true, range)
    }

    /// Whether there is still room for a collection.
    fn room(&mut self, depth: usize) -> bool {
        self.nodes = self.nodes.saturating_add(1);
        depth < MAX_DEPTH && self.nodes < MAX_NODES
    }

    fn json(&mut self, value: &Json<'_>, depth: usize) -> Node {
        let range = value.range().start..value.range().end;
        if !self.room(depth) {
            return self.word(range.start..range.start);
        }
        let inner = depth.saturating_add(1);
        let kind = match value {
            Json::StringLit(_) => {
                let fragment = string(self.text, &range);
                return self.scalar(&fragment, false, range);
            }
            Json::NumberLit(_) | Json::BooleanLit(_) | Json::NullKeyword(_) => {
                return self.word(range);
            }
            Json::Array(array) => {
                Kind::Sequence(array.elements.iter().map(|v| self.json(v, inner)).collect())
            }
            Json::Object(object) => Kind::Mapping(
                object
                    .properties
                    .iter()
                    .map(|property| {
                        let range = property.name.range().start..property.name.range().end;
                        let key = match &property.name {
                            ObjectPropName::String(_) => string(self.text, &range),
                            ObjectPropName::Word(word) => {
                                Fragment::verbatim(word.value, range.start)
                            }
                        };
                        (self.scalar(&key, false, range), self.json(&property.value, inner))
                    })
                    .collect(),
            ),
        };
        Node::new(kind, self.raw(range), None)
    }

    fn table(&mut self, table: &dyn TableLike, range: Range<usize>, depth: usize) -> Node {
        if !self.room(depth) {
            return self.word(range.start..range.start);
        }
        let inner = depth.saturating_add(1);
        let pairs = table.iter().map(|(name, item)| {
            let key = self.key(table.key(name), name, item);
            let value = self.item(item, inner);
            (key, value)
        });
        let pairs = pairs.collect();
        Node::new(Kind::Mapping(pairs), self.raw(range), None)
    }

    fn key(&mut self, key: Option<&Key>, name: &str, item: &Item) -> Node {
        let at = item.span().map_or(0, |span| span.start);
        let range = key.and_then(Key::span).unwrap_or(at..at);
        let fragment = self.decoded(name, &range);
        self.scalar(&fragment, false, range)
    }

    fn item(&mut self, item: &Item, depth: usize) -> Node {
        let range = item.span().unwrap_or(0..0);
        match item {
            Item::None => self.word(range.start..range.start),
            Item::Value(value) => self.value(value, depth),
            Item::Table(table) => self.table(table, range, depth),
            Item::ArrayOfTables(tables) => {
                let inner = depth.saturating_add(1);
                let items = tables.iter().map(|table| {
                    let range = table.span().unwrap_or(0..0);
                    self.table(table, range, inner)
                });
                let items = items.collect();
                Node::new(Kind::Sequence(items), self.raw(range), None)
            }
        }
    }

    fn value(&mut self, value: &Toml, depth: usize) -> Node {
        let range = value.span().unwrap_or(0..0);
        match value {
            Toml::String(text) => {
                let fragment = self.decoded(text.value(), &range);
                self.scalar(&fragment, false, range)
            }
            Toml::Array(array) => {
                if !self.room(depth) {
                    return self.word(range.start..range.start);
                }
                let inner = depth.saturating_add(1);
                let items = array.iter().map(|value| self.value(value, inner)).collect();
                Node::new(Kind::Sequence(items), self.raw(range), None)
            }
            Toml::InlineTable(table) => self.table(table, range, depth),
            Toml::Integer(_) | Toml::Float(_) | Toml::Boolean(_) | Toml::Datetime(_) => {
                self.word(range)
            }
        }
    }

    /// A decoded string with its map: byte for byte where nothing was escaped.
    fn decoded(&self, value: &str, range: &Range<usize>) -> Fragment {
        let raw = self.text.get(range.clone()).unwrap_or_default();
        for quote in ["\"\"\"\n", "'''\n", "\"\"\"", "'''", "\"", "'", ""] {
            let behind = quote.trim_end();
            let inner = raw.strip_prefix(quote).and_then(|rest| rest.strip_suffix(behind));
            if inner == Some(value) {
                return Fragment::verbatim(value, range.start.saturating_add(quote.len()));
            }
        }
        Fragment::opaque(value, range.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stream: Stream, text: &str, path: &[&str], word: &str) {
        assert!(stream.faults.is_empty(), "{:?}", stream.faults);
        let root = stream.documents.into_iter().next().unwrap();
        let node = path.iter().fold(root, |node, key| match key.parse::<usize>() {
            Ok(index) => node.items()[index].clone(),
            Err(_) => node.get(key).unwrap().clone(),
        });
        let fragment = node.fragment().unwrap();
        assert_eq!(fragment.text(), word, "{text}");
        let raw = fragment.raw_whole();
        assert!(text[raw.clone()].ends_with(&word[word.len() - 1..]), "{}", &text[raw]);
    }

    #[test]
    fn json_keeps_its_places() {
        let text = "\u{feff}{// why\n\t\"a\": [1, {\"b\": \"x\\ty\"}],\n}";
        check(json(&Fragment::verbatim(text, 0)), text, &["a", "1", "b"], "x\ty");
        check(json(&Fragment::verbatim(text, 0)), text, &["a", "0"], "1");
        assert_eq!(json(&Fragment::verbatim("{\"a\": ", 0)).faults.len(), 1);
    }

    #[test]
    fn toml_keeps_its_places() {
        let text = "[a.b]\nc = 'x'\nd = { e = \"1.2\" }\n[[f]]\ng = 3\n[[f]]\ng = 4\n";
        check(toml(&Fragment::verbatim(text, 0)), text, &["a", "b", "c"], "x");
        check(toml(&Fragment::verbatim(text, 0)), text, &["a", "b", "d", "e"], "1.2");
        check(toml(&Fragment::verbatim(text, 0)), text, &["f", "1", "g"], "4");
        assert_eq!(toml(&Fragment::verbatim("a = [", 0)).faults.len(), 1);
    }
}
