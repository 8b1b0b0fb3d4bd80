//! Recipes and custom resources: statements from top to bottom, loops over literal lists, local
//! variables, defaults of properties, and the resources that are declared.

use super::attributes::Attributes;
use super::resources::{self, Resource};
use super::ruby::{self, Evaluator, Names, Source, children};
use crate::pins::audit::Audit;
use crate::pins::environment::Environment;
use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Origin;
use crate::pins::repository::SourceFile;
use crate::pins::resource::{Budget, Host, Manager, either};
use std::collections::BTreeMap;
use std::sync::Arc;
use tree_sitter::Node;

/// Statements in statements.
const MAX_DEPTH: usize = 60;

/// Elements of a loop.
const MAX_ITEMS: usize = 300;

/// Resources declared by one file, loops unrolled.
const MAX_RESOURCES: usize = 20_000;

/// Bytes that names, statements and loops of one file may copy: lists that double, loops in loops.
const MAX_COPIED: usize = 32 * 1024 * 1024;

/// What a statement costs.
const STATEMENT_COST: usize = 128;

/// A recipe, a custom resource, a provider or a definition.
pub(super) fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let fragment = file.fragment();
    let Some(tree) = ruby::parse(fragment.text()) else {
        audit.gap("is too long or takes too long to parse", None);
        return;
    };
    let source = Source::new(fragment, &file.path, &tree);
    let cookbook = cookbook_of(&file.path);
    let mut environment = Environment::default();
    let names = Known {
        attributes: Attributes::of(audit.repository(), &cookbook),
        own: Attributes::default(),
        others: Vec::new(),
        locals: BTreeMap::new(),
        loops: Vec::new(),
        budget: Budget::new(MAX_COPIED),
    };
    let mut recipe = Recipe {
        source: &source,
        root: tree.root_node(),
        environment: &mut environment,
        audit,
        names,
        platform: None,
        cookbook,
        count: 0,
    };
    recipe.other_cookbooks();
    recipe.statements(tree.root_node(), 0);
    if recipe.names.budget.is_spent() || recipe.count > MAX_RESOURCES {
        recipe.audit.gap("judging it takes too much work: the rest was not judged", None);
    }
}

/// The folder of the cookbook that a file belongs to.
fn cookbook_of(path: &str) -> String {
    let names: Vec<&str> = path.split('/').collect();
    let own = ["recipes", "resources", "providers", "definitions"];
    let at =
        names.iter().rposition(|name| own.contains(name)).unwrap_or(names.len().saturating_sub(1));
    let folders = names.get(..at).unwrap_or_default();
    if folders.is_empty() { String::new() } else { format!("{}/", folders.join("/")) }
}

/// What names stand for while a recipe is read.
struct Known {
    attributes: Arc<Attributes>,
    /// What the recipe itself sets.
    own: Attributes,
    /// Cookbooks beside this one, by name.
    others: Vec<(String, Arc<Attributes>)>,
    locals: BTreeMap<String, Value>,
    loops: Vec<(String, Value)>,
    budget: Budget,
}

impl Known {
    fn copy(&self, value: &Value) -> Value {
        if self.budget.spend(value.size()) { value.clone() } else { Value::Unknown(None) }
    }
}

impl Names for Known {
    fn local(&self, name: &str) -> Option<(Value, bool)> {
        let element = self.loops.iter().rev().find(|(own, _)| own == name);
        if let Some((_, value)) = element {
            return Some((self.copy(value), true));
        }
        self.locals.get(name).map(|value| (self.copy(value), false))
    }

    fn attribute(&self, path: &[String]) -> Option<Value> {
        if self.budget.is_spent() {
            return None;
        }
        let found = self.own.get(path).or_else(|| self.attributes.get(path)).or_else(|| {
            let first = path.first()?;
            let other = self.others.iter().find(|(name, _)| name == first)?;
            other.1.get(path)
        })?;
        self.budget.spend(found.size());
        Some(found)
    }
}

pub(super) struct Recipe<'r, 'a> {
    source: &'r Source,
    root: Node<'r>,
    pub environment: &'r mut Environment,
    pub audit: &'r mut Audit<'a>,
    names: Known,
    /// The package manager of the platforms that the branch is for.
    pub platform: Option<Manager>,
    /// The cookbook's folder.
    pub cookbook: String,
    count: usize,
}

impl<'r, 'a> Recipe<'r, 'a> {
    /// Attributes of the cookbooks that lie beside this one, where the recipe names them.
    fn other_cookbooks(&mut self) {
        let text = self.source.fragment.text();
        let mut wanted: Vec<String> = Vec::new();
        for (at, _) in text.match_indices("node[") {
            let rest = text.get(at.saturating_add(5)..).unwrap_or_default();
            let name = rest.trim_start_matches(['\'', '"', ':']);
            let end = name.find(['\'', '"', ']']).unwrap_or(0);
            let name = name.get(..end).unwrap_or_default();
            if !name.is_empty() && wanted.len() < 20 && !wanted.iter().any(|own| own == name) {
                wanted.push(name.to_owned());
            }
        }
        let Some((outer, own)) = self.cookbook.trim_end_matches('/').rsplit_once('/') else {
            return;
        };
        for name in wanted.into_iter().filter(|name| name != own) {
            let folder = format!("{outer}/{name}/");
            let attributes = Attributes::of(self.audit.repository(), &folder);
            self.names.others.push((name, attributes));
        }
    }

    pub fn host(&mut self) -> Host<'_, 'a> {
        Host { environment: self.environment, audit: self.audit }
    }

    fn value(&self, node: Node<'r>) -> Value {
        Evaluator { source: self.source, names: &self.names, root: self.root }.value(node)
    }

    fn statements(&mut self, node: Node<'r>, depth: usize) {
        if depth > MAX_DEPTH || self.count > MAX_RESOURCES {
            return;
        }
        for child in children(node) {
            if !self.names.budget.spend(STATEMENT_COST) {
                return;
            }
            self.statement(child, depth.saturating_add(1));
        }
    }

    fn statement(&mut self, node: Node<'r>, depth: usize) {
        match node.kind() {
            "comment" | "heredoc_body" => {}
            "assignment" | "operator_assignment" => self.assignment(node, depth),
            "call" => self.call(node, depth),
            "if" | "unless" | "elsif" | "if_modifier" | "unless_modifier" => {
                let before = self.platform;
                if let Some(condition) = node.child_by_field_name("condition") {
                    let negated = node.kind().starts_with("unless");
                    let text = self.source.text(condition);
                    let other = negated || text.contains('!');
                    let platform = Manager::of_condition(text).filter(|_| !other);
                    self.platform = platform.or(before);
                }
                for part in ["consequence", "body"] {
                    if let Some(part) = node.child_by_field_name(part) {
                        if part.kind() == "then" {
                            self.statements(part, depth);
                        } else {
                            self.statement(part, depth);
                        }
                    }
                }
                self.platform = before;
                if let Some(other) = node.child_by_field_name("alternative") {
                    if other.kind() == "elsif" {
                        self.statement(other, depth);
                    } else {
                        self.statements(other, depth);
                    }
                }
            }
            "when" => {
                let before = self.platform;
                let patterns: Vec<&str> = children(node)
                    .into_iter()
                    .filter(|part| part.kind() == "pattern")
                    .map(|part| self.source.text(part))
                    .collect();
                self.platform = Manager::of_condition(&patterns.join(" ")).or(before);
                if let Some(body) = node.child_by_field_name("body") {
                    self.statements(body, depth);
                }
                self.platform = before;
            }
            "method" => {
                // A helper that answers with one value.
                if let (Some(name), Some(body)) =
                    (node.child_by_field_name("name"), node.child_by_field_name("body"))
                    && node.child_by_field_name("parameters").is_none()
                {
                    let value = self.value(body);
                    let name = self.source.text(name).to_owned();
                    let value = self.named(value, &name);
                    self.names.locals.insert(name, value);
                }
                self.statements(node, depth);
            }
            _ => self.statements(node, depth),
        }
    }

    /// A value that a name of this file stands for.
    fn named(&self, value: Value, name: &str) -> Value {
        match value {
            Value::Text(mut text) if text.origin.is_none() => {
                let here = text.file == self.audit.file().path && text.site.is_none();
                let place = here.then(|| self.audit.place(text.fragment.raw_whole()));
                text.origin = Some(Origin { name: format!("`{name}`"), place, overridable: false });
                Value::Text(text)
            }
            other => other,
        }
    }

    fn assignment(&mut self, node: Node<'r>, depth: usize) {
        let (Some(left), Some(right)) =
            (node.child_by_field_name("left"), node.child_by_field_name("right"))
        else {
            return;
        };
        let value = self.value(right);
        if left.kind() == "identifier" {
            let name = self.source.text(left).to_owned();
            let value = self.named(value, &name);
            if node.kind() == "operator_assignment" {
                let before = self.names.locals.remove(&name).unwrap_or(Value::Null);
                let joined = match (before, value) {
                    (Value::List(mut values), Value::List(more)) => {
                        values.extend(more);
                        Value::List(values)
                    }
                    (Value::Null, value) => value,
                    (before, value) => either(vec![before, value]),
                };
                self.names.locals.insert(name, joined);
            } else if let Some(before) = self.names.locals.remove(&name) {
                // One branch gives it this value, another one that.
                self.names.locals.insert(name, either(vec![before, value]));
            } else {
                self.names.locals.insert(name, value);
            }
        } else {
            let path = Evaluator { source: self.source, names: &self.names, root: self.root }
                .attribute_path(left, 0);
            if let Some(path) = path {
                let value = self.named(value, &path.join("."));
                self.names.own.set(&path, value);
            }
        }
        // `x = package 'curl' do … end`, `code = <<~EOH`.
        if right.kind() == "call" {
            self.call(right, depth);
        }
    }

    fn call(&mut self, node: Node<'r>, depth: usize) {
        let Some(method) = node.child_by_field_name("method") else {
            self.statements(node, depth);
            return;
        };
        let name = self.source.text(method).to_owned();
        let block = node.child_by_field_name("block");
        let receiver = node.child_by_field_name("receiver");
        let arguments = node.child_by_field_name("arguments");
        let arguments: Vec<Node<'r>> = arguments.map(children).unwrap_or_default();
        if let (Some(receiver), Some(block)) = (receiver, block)
            && ["each", "each_pair", "map", "each_with_index", "each_value"]
                .contains(&name.as_str())
        {
            self.each(receiver, block, depth);
            return;
        }
        if receiver.is_none() && name == "property" || name == "attribute" {
            self.property(&arguments);
            return;
        }
        if receiver.is_none()
            && let Some(reader) = resources::reader_of(&name)
        {
            self.count = self.count.saturating_add(1);
            let resource = self.resource(method, &arguments, block);
            reader(self, &resource);
            return;
        }
        for part in [receiver, block].into_iter().flatten() {
            self.statements(part, depth);
        }
    }

    /// `property :version, String, default: '1.2'`: what the resource takes unless it is told.
    fn property(&mut self, arguments: &[Node<'r>]) {
        let Some(Value::Text(name)) = arguments.first().map(|first| self.value(*first)) else {
            return;
        };
        let default = arguments.iter().find_map(|argument| {
            let key = argument.child_by_field_name("key")?;
            let value = argument.child_by_field_name("value")?;
            self.source.text(key).contains("default").then_some(value)
        });
        let Some(default) = default else { return };
        let value = match self.value(default) {
            Value::Text(text) if text.origin.is_none() => {
                let place = Some(self.audit.place(text.fragment.raw_whole()));
                let name = format!("property `{}`", name.text());
                let origin = Some(Origin { name, place, overridable: true });
                Value::Text(Text { origin, ..text })
            }
            other => other,
        };
        self.names.locals.insert(name.text().to_owned(), value);
    }

    /// `%w(a b).each do |name|`.
    fn each(&mut self, receiver: Node<'r>, block: Node<'r>, depth: usize) {
        let names: Vec<String> = block
            .child_by_field_name("parameters")
            .map(children)
            .unwrap_or_default()
            .into_iter()
            .map(|parameter| self.source.text(parameter).to_owned())
            .collect();
        let value = self.value(receiver);
        let items: Vec<Vec<Value>> = match value {
            Value::List(values) => values.into_iter().map(|value| vec![value]).collect(),
            Value::Object(entries) => {
                let at = self.source.range(receiver);
                let file = Arc::clone(&self.source.file);
                let each = entries.into_iter().map(|(key, value)| {
                    let key = crate::pins::resource::made(&key, &at);
                    vec![Value::text(key, &file), value]
                });
                each.collect()
            }
            Value::Either(values) => {
                let each = values.into_iter().filter_map(|value| value.elements());
                each.flatten().map(|value| vec![value]).collect()
            }
            _ => vec![vec![Value::Unknown(None); 2]],
        };
        let items = if items.is_empty() { vec![vec![Value::Unknown(None)]] } else { items };
        for item in items.into_iter().take(MAX_ITEMS) {
            let mark = self.names.loops.len();
            // A pair in a list of pairs.
            let item = match (item.as_slice(), names.len()) {
                ([Value::List(values)], count) if count > 1 => values.clone(),
                _ => item,
            };
            for (index, name) in names.iter().enumerate() {
                let value = item.get(index).cloned().unwrap_or(Value::Unknown(None));
                self.names.loops.push((name.clone(), value));
            }
            let sizes = self.names.locals.values().map(Value::size);
            if !self.names.budget.spend(sizes.fold(STATEMENT_COST, usize::saturating_add)) {
                self.names.loops.truncate(mark);
                return;
            }
            let locals = self.names.locals.clone();
            self.statements(block, depth);
            self.names.locals = locals;
            self.names.loops.truncate(mark);
        }
    }

    /// A declared resource with its properties.
    fn resource(
        &mut self,
        method: Node<'r>,
        arguments: &[Node<'r>],
        block: Option<Node<'r>>,
    ) -> Resource {
        let positional = arguments.iter().find(|argument| argument.kind() != "pair");
        let name = positional.map_or(Value::Null, |node| self.value(*node));
        let at = positional.map_or_else(|| self.source.range(method), |n| self.source.range(*n));
        let mut resource = Resource { name, at, properties: Vec::new() };
        for pair in arguments.iter().filter(|argument| argument.kind() == "pair") {
            let (key, value) = (pair.child_by_field_name("key"), pair.child_by_field_name("value"));
            if let (Some(key), Some(value)) = (key, value) {
                let key = self.source.text(key).trim_matches([':', '\'', '"']).to_owned();
                resource.properties.push((key, self.value(value)));
            }
        }
        if let Some(block) = block {
            self.properties(block, &mut resource, 0);
        }
        resource
    }

    fn properties(&mut self, node: Node<'r>, resource: &mut Resource, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        for child in children(node) {
            let call = child.kind() == "call" && child.child_by_field_name("receiver").is_none();
            if !call {
                if child.kind() == "assignment" {
                    self.assignment(child, depth);
                } else if !matches!(child.kind(), "comment" | "heredoc_body" | "string") {
                    self.properties(child, resource, depth.saturating_add(1));
                }
                continue;
            }
            let Some(method) = child.child_by_field_name("method") else { continue };
            let name = self.source.text(method).to_owned();
            let arguments = child.child_by_field_name("arguments");
            let arguments: Vec<Node<'r>> = arguments.map(children).unwrap_or_default();
            let block = child.child_by_field_name("block");
            let value = match (arguments.as_slice(), block) {
                ([], Some(block)) if name != "lazy" => {
                    // `not_if { … }`, or a resource within the block of another.
                    if !["not_if", "only_if", "block", "notifies", "subscribes"]
                        .contains(&name.as_str())
                    {
                        self.statements(block, depth);
                    }
                    continue;
                }
                ([], _) => continue,
                ([one], _) => self.value(*one),
                (several, _) => {
                    Value::List(several.iter().map(|argument| self.value(*argument)).collect())
                }
            };
            resource.properties.push((name, value));
        }
    }
}
