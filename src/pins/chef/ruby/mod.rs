//! Ruby as far as recipes use it: text to syntax tree by tree-sitter's grammar, which is tolerant of
//! errors and bounded in time, and expressions to values.
//!
//! It runs nothing: a method that no row here knows gives an unknown value, and of every branch both
//! sides are possible.

mod calls;
mod draft;

use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Origin;
use crate::pins::resource::{either, single_quoted, sited};
use crate::pins::span::{Fragment, FragmentBuilder, UNKNOWN};
use crate::pins::syntax;
use draft::Draft;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tree_sitter::{Node, Parser, Tree};

/// Expressions in expressions.
const MAX_DEPTH: usize = 40;

/// Precedence levels, by which attributes are set and asked for.
const LEVELS: [&str; 7] =
    ["default", "override", "normal", "force_default", "set", "force_override", "default_unless"];

/// A longer text is unknown.
const MAX_TEXT: usize = 64 * 1024;

thread_local! {
    static PARSER: RefCell<Option<Parser>> =
        RefCell::new(syntax::parser(&tree_sitter_ruby::LANGUAGE.into()));
}

/// Longer texts are no recipes that a person wrote: their trees take hundreds of bytes for each byte
/// of text at the worst.
const MAX_SOURCE: usize = 384 * 1024;

/// The tree of a text; `None` where it is too long or took too long.
pub(super) fn parse(text: &str) -> Option<Tree> {
    if text.len() > MAX_SOURCE {
        return None;
    }
    // Every byte that is not ASCII becomes a letter: offsets stay.
    let masked: Vec<u8> = text.bytes().map(|b| if b.is_ascii() { b } else { b'x' }).collect();
    PARSER.with_borrow_mut(|parser| syntax::parse(parser.as_mut()?, &masked))
}

/// The named children of a node.
pub(super) fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).collect()
}

/// A source text with its heredocs in order.
pub(super) struct Source {
    pub fragment: Fragment,
    pub file: Arc<str>,
    /// The body of the heredoc that begins at an offset.
    heredocs: BTreeMap<usize, Range<usize>>,
}

impl Source {
    pub fn new(fragment: Fragment, file: &Arc<str>, tree: &Tree) -> Self {
        let (mut begins, mut bodies) = (Vec::new(), Vec::new());
        let mut cursor = tree.walk();
        let mut done = false;
        while !done {
            let node = cursor.node();
            match node.kind() {
                "heredoc_beginning" => begins.push(node.start_byte()),
                "heredoc_body" => bodies.push(node.byte_range()),
                _ => {}
            }
            if cursor.goto_first_child() || cursor.goto_next_sibling() {
                continue;
            }
            loop {
                if !cursor.goto_parent() {
                    done = true;
                    break;
                }
                if cursor.goto_next_sibling() {
                    break;
                }
            }
        }
        begins.sort_unstable();
        bodies.sort_by_key(|body| body.start);
        let heredocs = begins.into_iter().zip(bodies).collect();
        Self { fragment, file: Arc::clone(file), heredocs }
    }

    /// The text of a node.
    pub fn text(&self, node: Node<'_>) -> &str {
        self.fragment.get(node.byte_range())
    }

    /// The raw bytes of a node.
    pub fn range(&self, node: Node<'_>) -> Range<usize> {
        self.fragment.raw_range(node.byte_range())
    }
}

/// Whether a string's content knows no escapes but those of its quotes.
fn is_raw(source: &Source, content: Node<'_>) -> bool {
    let string = content.parent().filter(|parent| parent.kind() == "string");
    string.is_some_and(|string| {
        let text = source.text(string);
        text.starts_with('\'') || text.starts_with("%q")
    })
}

/// What names stand for.
pub(super) trait Names {
    /// A local variable or a method without arguments, and whether it is the element of a loop:
    /// what is made of that is reported where the element stands.
    fn local(&self, name: &str) -> Option<(Value, bool)>;
    /// `node['a']['b']`.
    fn attribute(&self, path: &[String]) -> Option<Value>;
}

/// Evaluates expressions of one source.
pub(super) struct Evaluator<'e> {
    pub source: &'e Source,
    pub names: &'e dyn Names,
    /// The tree's root, in which the bodies of heredocs are found.
    pub root: Node<'e>,
}

impl<'e> Evaluator<'e> {
    /// What an expression comes to.
    pub fn value(&self, node: Node<'e>) -> Value {
        self.evaluate(node, 0)
    }

    fn evaluate(&self, node: Node<'e>, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            return Value::Unknown(None);
        }
        let below = depth.saturating_add(1);
        match node.kind() {
            "string" | "bare_string" | "subshell" => self.string(node, below),
            "chained_string" => {
                let parts: Vec<Value> =
                    children(node).into_iter().map(|part| self.evaluate(part, below)).collect();
                let mut parts = parts.into_iter();
                let first = parts.next().unwrap_or(Value::Null);
                parts.fold(first, |one, next| self.joined(one, next, node))
            }
            "simple_symbol" | "delimited_symbol" | "bare_symbol" | "hash_key_symbol" => {
                let range = node.byte_range();
                let colon = usize::from(self.source.text(node).starts_with(':'));
                let inner = range.start.saturating_add(colon)..range.end;
                Value::text(self.source.fragment.slice(inner), &self.source.file)
            }
            "integer" | "float" | "true" | "false" => {
                Value::text(self.source.fragment.slice(node.byte_range()), &self.source.file)
            }
            "nil" => Value::Null,
            "array" | "string_array" | "symbol_array" => Value::List(
                children(node).into_iter().map(|item| self.evaluate(item, below)).collect(),
            ),
            "hash" => Value::Object(self.pairs(node, below)),
            "heredoc_beginning" => self.heredoc(node),
            "parenthesized_statements"
            | "body_statement"
            | "block_body"
            | "then"
            | "else"
            | "do"
            | "begin"
            | "interpolation" => children(node)
                .into_iter()
                .rfind(|node| node.kind() != "comment")
                .map_or(Value::Null, |last| self.evaluate(last, below)),
            "identifier" | "constant" => self.named(node),
            "element_reference" => self.element(node, below),
            "call" => self.call(node, below),
            "binary" => self.binary(node, below),
            "conditional" | "if" | "unless" | "if_modifier" => {
                let parts = ["consequence", "alternative", "body"];
                let values = parts.iter().filter_map(|field| node.child_by_field_name(field));
                either(values.map(|value| self.evaluate(value, below)).collect())
            }
            "case" => {
                let branches = children(node).into_iter();
                let branches = branches.filter(|part| ["when", "else"].contains(&part.kind()));
                let bodies = branches.map(|part| part.child_by_field_name("body").unwrap_or(part));
                either(bodies.map(|body| self.evaluate(body, below)).collect())
            }
            "assignment" => node
                .child_by_field_name("right")
                .map_or(Value::Null, |right| self.evaluate(right, below)),
            _ => Value::Unknown(None),
        }
    }

    /// Entries of a hash, or named arguments.
    pub fn pairs(&self, node: Node<'e>, depth: usize) -> Vec<(String, Value)> {
        let pairs = children(node).into_iter().filter(|child| child.kind() == "pair");
        pairs
            .filter_map(|pair| {
                let key = pair.child_by_field_name("key")?;
                let value = pair.child_by_field_name("value")?;
                let name = match self.evaluate(key, depth) {
                    Value::Text(text) => text.text().to_owned(),
                    _ => return None,
                };
                Some((name, self.evaluate(value, depth.saturating_add(1))))
            })
            .collect()
    }

    /// A string with what is put into it.
    fn string(&self, node: Node<'e>, depth: usize) -> Value {
        let parts = children(node);
        if let [only] = parts.as_slice()
            && only.kind() == "interpolation"
        {
            let site = self.source.range(*only);
            return sited(self.evaluate(*only, depth), &site);
        }
        let mut draft = Draft::new(&self.source.file);
        for part in parts {
            self.part(part, &mut draft, depth);
        }
        draft.finish()
    }

    fn part(&self, part: Node<'e>, draft: &mut Draft, depth: usize) {
        let fragment = &self.source.fragment;
        match part.kind() {
            "interpolation" => {
                let site = self.source.range(part);
                draft.put(&self.evaluate(part, depth), &site);
            }
            "escape_sequence" => {
                let text = self.source.text(part);
                let decoded = match text.chars().nth(1) {
                    Some('n') => "\n".to_owned(),
                    Some('t') => "\t".to_owned(),
                    Some('\n') => String::new(),
                    Some(other) => other.to_string(),
                    None => String::new(),
                };
                let site = self.source.range(part);
                draft.each(|way| way.replaced(&decoded, site.clone()));
            }
            _ if is_raw(self.source, part) => {
                let content = single_quoted(&fragment.slice(part.byte_range()));
                draft.each(|way| way.append(&content));
            }
            _ => draft.each(|way| way.append_range(fragment, part.byte_range())),
        }
    }

    /// The body of a heredoc; `<<~` takes off the indentation that all lines share.
    fn heredoc(&self, node: Node<'e>) -> Value {
        let Some(range) = self.source.heredocs.get(&node.start_byte()) else {
            return Value::Unknown(None);
        };
        let Some(body) = self.root.descendant_for_byte_range(range.start, range.end) else {
            return Value::Unknown(None);
        };
        let body = if body.kind() == "heredoc_body" { Some(body) } else { body.parent() };
        let Some(body) = body.filter(|body| body.kind() == "heredoc_body") else {
            return Value::Unknown(None);
        };
        let mut draft = Draft::new(&self.source.file);
        for part in children(body) {
            if part.kind() != "heredoc_end" {
                self.part(part, &mut draft, 1);
            }
        }
        let value = draft.finish();
        let squiggly = self.source.text(node).starts_with("<<~");
        match value {
            Value::Text(text) if squiggly => {
                Value::Text(Text { fragment: dedented(&text.fragment), ..text })
            }
            other => other,
        }
    }

    fn named(&self, node: Node<'e>) -> Value {
        let name = self.source.text(node);
        let site = self.source.range(node);
        match self.names.local(name) {
            Some((value, true)) => value,
            Some((value, false)) => sited(value, &site),
            None => {
                let origin = Origin { name: format!("`{name}`"), place: None, overridable: true };
                Value::Unknown(Some(origin))
            }
        }
    }

    /// `node['a']['b']`, `versions['x']`.
    fn element(&self, node: Node<'e>, depth: usize) -> Value {
        if let Some(path) = self.attribute_path(node, depth) {
            return match self.names.attribute(&path) {
                Some(value) => sited(value, &self.source.range(node)),
                None => {
                    let name = format!("node['{}']", path.join("']['"));
                    Value::Unknown(Some(Origin { name, place: None, overridable: true }))
                }
            };
        }
        let Some(object) = node.child_by_field_name("object") else { return Value::Unknown(None) };
        let base = self.evaluate(object, depth);
        let index = children(node).into_iter().find(|child| *child != object);
        match (base, index.map(|index| self.evaluate(index, depth))) {
            (Value::Object(entries), Some(Value::Text(key))) => {
                let found = entries.iter().find(|(name, _)| name == key.text());
                found.map_or(Value::Unknown(None), |(_, value)| value.clone())
            }
            (Value::Object(entries), _) => {
                either(entries.into_iter().map(|(_, value)| value).collect())
            }
            (Value::List(values), Some(Value::Text(key))) => {
                let at = key.text().parse::<usize>().ok();
                at.and_then(|at| values.get(at).cloned()).unwrap_or(Value::Unknown(None))
            }
            _ => Value::Unknown(None),
        }
    }

    /// The keys of a chain of `[…]` on `node`, `default`, `override` and their kin.
    pub fn attribute_path(&self, node: Node<'e>, depth: usize) -> Option<Vec<String>> {
        let mut keys = Vec::new();
        let mut at = node;
        loop {
            match at.kind() {
                "element_reference" => {
                    let object = at.child_by_field_name("object")?;
                    let index = children(at).into_iter().find(|child| *child != object)?;
                    match self.evaluate(index, depth) {
                        Value::Text(key) if !key.text().contains(UNKNOWN) => {
                            keys.push(key.text().to_owned());
                        }
                        _ => return None,
                    }
                    at = object;
                }
                "call" => {
                    let method = at.child_by_field_name("method")?;
                    let receiver = at.child_by_field_name("receiver")?;
                    let name = self.source.text(method);
                    let level = name == "automatic" || LEVELS.contains(&name);
                    if name == "read" || name == "fetch" || name == "dig" {
                        let arguments = at.child_by_field_name("arguments")?;
                        for argument in children(arguments).into_iter().rev() {
                            match self.evaluate(argument, depth) {
                                Value::Text(key) => keys.push(key.text().to_owned()),
                                _ => return None,
                            }
                        }
                    } else if !level {
                        return None;
                    }
                    at = receiver;
                }
                "identifier" => {
                    let name = self.source.text(at);
                    let is_root = name == "node" || name == "attributes";
                    keys.reverse();
                    return ((is_root || LEVELS.contains(&name)) && !keys.is_empty())
                        .then_some(keys);
                }
                _ => return None,
            }
            if keys.len() > MAX_DEPTH {
                return None;
            }
        }
    }
}

/// Lines without the indentation that all of them share.
fn dedented(fragment: &Fragment) -> Fragment {
    let text = fragment.text();
    let indentation =
        |line: &str| line.len().saturating_sub(line.trim_start_matches([' ', '\t']).len());
    let lines = text.split_inclusive('\n').filter(|line| !line.trim().is_empty());
    let shared = lines.map(indentation).min().unwrap_or(0);
    let mut builder = FragmentBuilder::default();
    let mut at = 0_usize;
    for line in text.split_inclusive('\n') {
        let cut = shared.min(indentation(line));
        builder.append_range(fragment, at.saturating_add(cut)..at.saturating_add(line.len()));
        at = at.saturating_add(line.len());
    }
    builder.finish()
}
