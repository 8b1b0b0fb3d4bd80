//! Attributes of a cookbook as constants: `default['a']['b'] = 'x'` in `attributes/*.rb`.

use super::ruby::{self, Evaluator, Names, Source, children};
use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::{Origin, Place};
use crate::pins::repository::{Repository, SourceFile};
use crate::pins::resource::{Budget, either};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tree_sitter::Node;

/// Attributes of one cookbook; a person writes no more.
const MAX_ATTRIBUTES: usize = 5000;

/// Values of one attribute (one per platform).
const MAX_VALUES: usize = 8;

/// Statements in statements.
const MAX_DEPTH: usize = 40;

/// Files of one cookbook.
const MAX_FILES: usize = 60;

/// Bytes that the values of other attributes may bring into one file's: lists can double line by
/// line.
const MAX_COPIED: usize = 16 * 1024 * 1024;

/// Attributes by their keys, joined with `/`.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    values: BTreeMap<String, Vec<Value>>,
}

impl Attributes {
    /// Of the cookbook in a folder (`""` or one that ends in `/`), read once for all its files.
    pub fn of(repository: &Repository, cookbook: &str) -> Arc<Self> {
        repository.prepared(&format!("chef attributes {cookbook}"), || {
            let mut attributes = Self::default();
            let folder = format!("{cookbook}attributes");
            let mut names = repository.list(&folder);
            names.retain(|name| name.ends_with(".rb"));
            // default.rb is loaded first.
            names.sort_by_key(|name| (name != "default.rb", name.clone()));
            for name in names.into_iter().take(MAX_FILES) {
                let path = format!("{folder}/{name}");
                if let Some(bytes) = repository.read(&path) {
                    attributes.read(&SourceFile::new(&path, bytes));
                }
            }
            attributes
        })
    }

    fn read(&mut self, file: &SourceFile) {
        let fragment = file.fragment();
        let Some(tree) = ruby::parse(fragment.text()) else { return };
        let source = Source::new(fragment, &file.path, &tree);
        let reading = Reading { source: &source, root: tree.root_node(), file };
        self.statements(tree.root_node(), &reading, &Budget::new(MAX_COPIED), 0);
    }

    fn statements<'n>(
        &mut self,
        node: Node<'n>,
        reading: &Reading<'n>,
        budget: &Budget,
        depth: usize,
    ) {
        if depth > MAX_DEPTH || self.values.len() > MAX_ATTRIBUTES {
            return;
        }
        let Reading { source, root, file } = *reading;
        for child in children(node) {
            if child.kind() != "assignment" && child.kind() != "operator_assignment" {
                self.statements(child, reading, budget, depth.saturating_add(1));
                continue;
            }
            let found = {
                let names = Own { attributes: &*self, budget };
                let evaluator = Evaluator { source, names: &names, root };
                let left = child.child_by_field_name("left");
                let path = left.and_then(|left| evaluator.attribute_path(left, 0));
                let right = child.child_by_field_name("right");
                path.zip(right.map(|right| (evaluator.value(right), source.range(right))))
            };
            if let Some((path, (value, range))) = found {
                self.set(&path, settled(value, &path, file, &range));
            }
        }
    }

    /// Adds a value; another one of the same name stands beside it.
    pub fn set(&mut self, path: &[String], value: Value) {
        let known = self.values.entry(path.join("/")).or_default();
        if known.len() < MAX_VALUES {
            known.push(value);
        }
    }

    /// What an attribute comes to.
    pub fn get(&self, path: &[String]) -> Option<Value> {
        if let Some(values) = self.values.get(&path.join("/")) {
            return Some(either(values.clone()));
        }
        // An entry of a hash that was set as a whole.
        let (last, outer) = path.split_last()?;
        let values = self.values.get(&outer.join("/"))?;
        values.iter().rev().find_map(|value| value.entry(last).cloned())
    }
}

/// A file while its attributes are read.
struct Reading<'n> {
    source: &'n Source,
    root: Node<'n>,
    file: &'n SourceFile,
}

/// Attributes that were set before.
struct Own<'o> {
    attributes: &'o Attributes,
    budget: &'o Budget,
}

impl Names for Own<'_> {
    fn local(&self, _name: &str) -> Option<(Value, bool)> {
        None
    }

    fn attribute(&self, path: &[String]) -> Option<Value> {
        if self.budget.is_spent() {
            return None;
        }
        let found = self.attributes.get(path)?;
        self.budget.spend(found.size());
        Some(found)
    }
}

/// A value as its attribute gives it.
fn settled(value: Value, path: &[String], file: &SourceFile, whole: &Range<usize>) -> Value {
    match value {
        Value::Text(text) => {
            let (start, end) = file.positions(whole);
            let place = Place {
                file: Arc::clone(&file.path),
                start_byte: whole.start,
                end_byte: whole.end,
                start,
                end,
            };
            let name = format!("attribute node['{}']", path.join("']['"));
            let origin = Some(Origin { name, place: Some(place), overridable: true });
            let fragment = match text.site {
                Some(site) => crate::pins::span::Fragment::opaque(text.fragment.text(), site),
                None => text.fragment,
            };
            Value::Text(Text { origin, ..Text::new(fragment, &file.path) })
        }
        Value::List(values) => {
            let each = values.into_iter().map(|value| settled(value, path, file, whole));
            Value::List(each.collect())
        }
        Value::Either(values) => {
            let each = values.into_iter().map(|value| settled(value, path, file, whole));
            Value::Either(each.collect())
        }
        Value::Object(entries) => {
            let each =
                entries.into_iter().map(|(key, value)| (key, settled(value, path, file, whole)));
            Value::Object(each.collect())
        }
        other => other,
    }
}
