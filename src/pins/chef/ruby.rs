//! Ruby as far as recipes use it: text to syntax tree by tree-sitter's grammar, which is tolerant of
//! errors and bounded in time, and expressions to values.
//!
//! It runs nothing: a method that no row here knows gives an unknown value, and of every branch both
//! sides are possible.

use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Origin;
use crate::pins::resource::{either, single_quoted, sited};
use crate::pins::span::{Fragment, FragmentBuilder, UNKNOWN};
use crate::pins::syntax;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tree_sitter::{Node, Parser, Tree};

/// Expressions in expressions.
const MAX_DEPTH: usize = 40;

/// Alternatives of one value.
const MAX_ALTERNATIVES: usize = 16;

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
                    let level = [
                        "default",
                        "override",
                        "normal",
                        "force_default",
                        "set",
                        "force_override",
                        "automatic",
                        "default_unless",
                    ]
                    .contains(&name);
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
                    let own = [
                        "node",
                        "default",
                        "override",
                        "normal",
                        "force_default",
                        "set",
                        "force_override",
                        "default_unless",
                        "attributes",
                    ];
                    let name = self.source.text(at);
                    keys.reverse();
                    return (own.contains(&name) && !keys.is_empty()).then_some(keys);
                }
                _ => return None,
            }
            if keys.len() > MAX_DEPTH {
                return None;
            }
        }
    }

    fn call(&self, node: Node<'e>, depth: usize) -> Value {
        let Some(method) = node.child_by_field_name("method") else { return Value::Unknown(None) };
        let name = self.source.text(method);
        let arguments = node.child_by_field_name("arguments");
        let arguments: Vec<Node<'e>> = arguments.map(children).unwrap_or_default();
        let Some(receiver) = node.child_by_field_name("receiver") else {
            return self.function(node, name, &arguments, depth);
        };
        if ["read", "fetch", "dig"].contains(&name)
            && let Some(path) = self.attribute_path(node, depth)
            && let Some(value) = self.names.attribute(&path)
        {
            return sited(value, &self.source.range(node));
        }
        if self.source.text(receiver) == "new_resource" {
            return match self.names.local(name) {
                Some((value, _)) => sited(value, &self.source.range(node)),
                None => {
                    let name = format!("property `{name}`");
                    Value::Unknown(Some(Origin { name, place: None, overridable: true }))
                }
            };
        }
        if name == "join" && self.source.text(receiver).ends_with("File") {
            return self.path(node, &arguments, depth);
        }
        let base = self.evaluate(receiver, depth);
        match name {
            "to_s" | "strip" | "freeze" | "dup" | "to_str" | "chomp" | "to_a" | "flatten"
            | "uniq" | "sort" | "compact" | "reject" | "select" | "to_sym" | "clone"
            | "reverse" | "squeeze" | "to_h" => base,
            "join" => {
                let separator = arguments.first().map(|first| self.evaluate(*first, depth));
                let separator = match &separator {
                    Some(Value::Text(text)) => text.text().to_owned(),
                    _ => String::new(),
                };
                self.list_joined(&base, &separator, node)
            }
            "split" => match base {
                Value::Text(text) if arguments.is_empty() => Value::List(
                    crate::pins::resource::split(&text, ' ').into_iter().map(Value::Text).collect(),
                ),
                _ => Value::Unknown(None),
            },
            "concat" | "push" | "union" => match (base, arguments.first()) {
                (base, Some(more)) => self.joined(base, self.evaluate(*more, depth), node),
                (base, None) => base,
            },
            "first" | "last" => match base {
                Value::List(values) => either(values),
                _ => Value::Unknown(None),
            },
            "keys" => match base {
                Value::Object(entries) => {
                    let at = self.source.range(node);
                    let keys = entries.into_iter().map(|(key, _)| {
                        Value::text(Fragment::opaque(&key, at.clone()), &self.source.file)
                    });
                    Value::List(keys.collect())
                }
                _ => Value::Unknown(None),
            },
            _ => Value::Unknown(None),
        }
    }

    /// A call without receiver.
    fn function(&self, node: Node<'e>, name: &str, arguments: &[Node<'e>], depth: usize) -> Value {
        match name {
            "lazy" => node
                .child_by_field_name("block")
                .and_then(|block| block.child_by_field_name("body"))
                .map_or(Value::Unknown(None), |body| self.evaluate(body, depth)),
            "value_for_platform" | "value_for_platform_family" => {
                let mut values = Vec::new();
                for argument in arguments {
                    match argument.kind() {
                        "pair" => {
                            let value = argument.child_by_field_name("value");
                            values.extend(value.map(|value| self.evaluate(value, depth)));
                        }
                        _ => {
                            if let Value::Object(entries) = self.evaluate(*argument, depth) {
                                values.extend(entries.into_iter().map(|(_, value)| value));
                            }
                        }
                    }
                }
                // `value_for_platform` has a hash of versions in each.
                let flat = values.into_iter().flat_map(|value| match value {
                    Value::Object(entries) => entries.into_iter().map(|(_, v)| v).collect(),
                    other => vec![other],
                });
                either(flat.collect())
            }
            _ if arguments.is_empty() => self
                .names
                .local(name)
                .map_or(Value::Unknown(None), |(value, _)| sited(value, &self.source.range(node))),
            _ => Value::Unknown(None),
        }
    }

    /// `File.join(…)`.
    fn path(&self, node: Node<'e>, arguments: &[Node<'e>], depth: usize) -> Value {
        let mut path = String::new();
        for argument in arguments {
            if !path.is_empty() && !path.ends_with('/') {
                path.push('/');
            }
            match self.evaluate(*argument, depth) {
                Value::Text(text) => path.push_str(text.text().trim_start_matches('/')),
                _ => path.push(UNKNOWN),
            }
        }
        let absolute = arguments.first().is_some_and(|first| {
            matches!(self.evaluate(*first, depth), Value::Text(text) if text.text().starts_with('/'))
        });
        let path = if absolute { format!("/{path}") } else { path };
        Value::text(Fragment::opaque(&path, self.source.range(node)), &self.source.file)
    }

    fn binary(&self, node: Node<'e>, depth: usize) -> Value {
        let operator = node.child_by_field_name("operator").map(|node| self.source.text(node));
        let side = |field: &str| {
            node.child_by_field_name(field).map_or(Value::Null, |side| self.evaluate(side, depth))
        };
        match operator {
            Some("+" | "<<" | "|") => self.joined(side("left"), side("right"), node),
            Some("||" | "or") => match side("left") {
                known @ (Value::Text(_) | Value::List(_)) => known,
                Value::Unknown(Some(origin)) if origin.place.is_none() => {
                    from_outside(side("right"), &origin)
                }
                Value::Null => side("right"),
                other => either(vec![other, side("right")]),
            },
            Some("&&" | "and") => side("right"),
            _ => Value::Unknown(None),
        }
    }

    fn joined(&self, one: Value, other: Value, node: Node<'e>) -> Value {
        match (one, other) {
            (Value::List(mut values), Value::List(more)) => {
                values.extend(more);
                Value::List(values)
            }
            (Value::List(mut values), other) => {
                values.push(other);
                Value::List(values)
            }
            (Value::Object(mut entries), Value::Object(more)) => {
                entries.extend(more);
                Value::Object(entries)
            }
            (Value::Text(one), Value::Text(other))
                if one.file == other.file
                    && one.site.is_none()
                    && other.site.is_none()
                    && one.fragment.raw_whole().end <= other.fragment.raw_whole().start =>
            {
                let mut builder = FragmentBuilder::default();
                builder.append(&one.fragment);
                builder.append(&other.fragment);
                let mut spliced = one.spliced;
                spliced.extend(other.spliced);
                Value::Text(Text { fragment: builder.finish(), spliced, ..other })
            }
            (one @ (Value::Text(_) | Value::Unknown(_)), other) => {
                let mut draft = Draft::new(&self.source.file);
                let site = self.source.range(node);
                draft.put(&one, &site);
                draft.put(&other, &site);
                draft.finish()
            }
            _ => Value::Unknown(None),
        }
    }

    fn list_joined(&self, value: &Value, separator: &str, node: Node<'e>) -> Value {
        let Value::List(values) = value else { return Value::Unknown(None) };
        // Words that stand in the file one behind the other keep their places.
        let mut builder = FragmentBuilder::default();
        let mut spliced = Vec::new();
        let site = self.source.range(node);
        for (index, value) in values.iter().enumerate() {
            if builder.text().len() > MAX_TEXT {
                return Value::Unknown(None);
            }
            if index > 0 {
                builder.replaced(separator, site.start..site.start);
            }
            match value {
                Value::Text(text) if text.file == self.source.file && text.site.is_none() => {
                    builder.append(&text.fragment);
                    spliced.extend(text.spliced.iter().cloned());
                }
                Value::Text(text) => {
                    builder.replaced(text.text(), site.clone());
                    spliced.extend(text.origin.iter().map(|o| (site.clone(), o.clone())));
                }
                _ => builder.unknown(site.clone()),
            }
        }
        Value::Text(Text { spliced, ..Text::new(builder.finish(), &self.source.file) })
    }
}

/// Text while it is put together, in each way that it may come out.
struct Draft {
    ways: Vec<FragmentBuilder>,
    spliced: Vec<(Range<usize>, Origin)>,
    file: Arc<str>,
}

impl Draft {
    fn new(file: &Arc<str>) -> Self {
        Self { ways: vec![FragmentBuilder::default()], spliced: Vec::new(), file: Arc::clone(file) }
    }

    fn each(&mut self, write: impl Fn(&mut FragmentBuilder)) {
        for way in &mut self.ways {
            write(way);
        }
    }

    fn put(&mut self, value: &Value, site: &Range<usize>) {
        let options = options(value);
        let longest = options.iter().flatten().map(|text| text.text().len()).max().unwrap_or(0);
        let length = self.ways.iter().map(|way| way.text().len()).max().unwrap_or(0);
        let too_many = options.len().saturating_mul(self.ways.len()) > MAX_ALTERNATIVES;
        if too_many || length.saturating_add(longest) > MAX_TEXT {
            self.each(|way| way.unknown(site.clone()));
            return;
        }
        let write = |way: &mut FragmentBuilder, option: &Option<Text>| match option {
            Some(text) => way.replaced(text.text(), site.clone()),
            None => way.unknown(site.clone()),
        };
        if let [only] = options.as_slice() {
            self.each(|way| write(way, only));
        } else {
            let before = std::mem::take(&mut self.ways);
            for way in before {
                for option in &options {
                    let mut way = way.clone();
                    write(&mut way, option);
                    self.ways.push(way);
                }
            }
        }
        for text in options.iter().flatten() {
            self.spliced.extend(text.origin.iter().map(|origin| (site.clone(), origin.clone())));
            let inner = text.spliced.iter().map(|(_, origin)| (site.clone(), origin.clone()));
            self.spliced.extend(inner);
        }
    }

    fn finish(self) -> Value {
        let texts = self.ways.into_iter().map(|way| {
            let text = Text::new(way.finish(), &self.file);
            Value::Text(Text { spliced: self.spliced.clone(), ..text })
        });
        either(texts.collect())
    }
}

fn options(value: &Value) -> Vec<Option<Text>> {
    match value {
        Value::Text(text) => vec![Some(text.clone())],
        Value::Either(values) => values.iter().flat_map(options).collect(),
        Value::Null => vec![Some(Text::new(Fragment::default(), &Arc::from("")))],
        Value::List(_) | Value::Object(_) | Value::Unknown(_) => vec![None],
    }
}

fn from_outside(value: Value, origin: &Origin) -> Value {
    match value {
        Value::Text(mut text) if text.origin.is_none() => {
            text.spliced.push((text.fragment.raw_whole(), origin.clone()));
            Value::Text(text)
        }
        other => other,
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
