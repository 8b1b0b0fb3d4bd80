//! What names stand for: variables in the order of their precedence.
//!
//! A layer that always counts hides the weaker ones; one that counts for some hosts or in some
//! branches (another group's variables, a distribution's file, `set_fact`) stands beside them, and
//! all its values are possible.

use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::{Origin, Place};
use crate::pins::jinja::{self, Found, Names};
use crate::pins::repository::{Repository, SourceFile};
use crate::pins::span::Fragment;
use crate::pins::yaml::{self, Kind, Node};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Names looked up for one value: variables in variables in lists must not explode.
const MAX_LOOKUPS: usize = 2000;

/// The same for all values of one file.
const MAX_ALL_LOOKUPS: usize = 200_000;

/// Names that are being looked up at once, one for the value of the other.
const MAX_OPEN: usize = 64;

/// Definitions of one name that are looked at.
const MAX_DEFINITIONS: usize = 8;

/// Files of one folder of variables.
const MAX_FILES: usize = 60;

/// Collections in collections of a value.
const MAX_DEPTH: usize = 12;

/// Where a name is given a value.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    node: Node,
    source: SourceFile,
}

/// Variables of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    names: BTreeMap<String, Vec<Definition>>,
    /// Whether it always counts.
    sure: bool,
    /// How reports call it.
    what: &'static str,
}

impl Layer {
    pub fn new(what: &'static str, sure: bool) -> Self {
        Self { names: BTreeMap::new(), sure, what }
    }

    /// Adds the entries of a mapping.
    pub fn add(&mut self, mapping: &Node, source: &SourceFile) {
        for (key, value) in mapping.pairs() {
            let Some(name) = key.text() else { continue };
            let known = self.names.entry(name.to_owned()).or_default();
            if known.len() < MAX_DEFINITIONS {
                known.push(Definition { node: value.clone(), source: source.clone() });
            }
        }
    }

    /// Adds the entries of a mapping in the place of older ones.
    pub fn replace(&mut self, mapping: &Node, source: &SourceFile) {
        for (key, _) in mapping.pairs() {
            if let Some(name) = key.text() {
                self.names.remove(name);
            }
        }
        self.add(mapping, source);
    }

    /// Adds one name.
    pub fn define(&mut self, name: &Node, value: &Node, source: &SourceFile) {
        if let Some(name) = name.text() {
            self.define_named(name, value, source);
        }
    }

    /// Adds one name in the place of an older one.
    pub fn define_named(&mut self, name: &str, value: &Node, source: &SourceFile) {
        let definition = Definition { node: value.clone(), source: source.clone() };
        self.names.insert(name.to_owned(), vec![definition]);
    }

    /// Adds a file of variables.
    pub fn add_file(&mut self, repository: &Repository, path: &str) -> bool {
        let Some(bytes) = repository.read(path) else { return false };
        let source = SourceFile::new(path, bytes);
        for document in yaml::parse_verbatim(&source.fragment()).documents {
            self.add(&document, &source);
        }
        true
    }

    /// Adds `DIRECTORY/NAME.yml`, or every file of `DIRECTORY/NAME/`.
    fn add_named(&mut self, repository: &Repository, directory: &str, name: &str) {
        for ending in [".yml", ".yaml", ""] {
            if self.add_file(repository, &format!("{directory}{name}{ending}")) {
                return;
            }
        }
        for file in variable_files(repository, &format!("{directory}{name}")) {
            self.add_file(repository, &file);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// Files of variables directly in a folder.
fn variable_files(repository: &Repository, directory: &str) -> Vec<String> {
    let names = repository.list(directory).into_iter();
    let variable = |name: &String| name.ends_with(".yml") || name.ends_with(".yaml");
    names.filter(variable).take(MAX_FILES).map(|name| format!("{directory}/{name}")).collect()
}

/// The folder of a role (`""` is the root), and of the playbooks and the inventory around it: both
/// end in `/` unless they are the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub role: Option<String>,
    pub base: String,
}

impl Layout {
    /// By the path of a file of tasks or of a playbook.
    pub fn of(path: &str) -> Self {
        let names: Vec<&str> = path.split('/').collect();
        let folders = names.get(..names.len().saturating_sub(1)).unwrap_or_default();
        let joined = |parts: &[&str]| {
            if parts.is_empty() { String::new() } else { format!("{}/", parts.join("/")) }
        };
        let at = folders.iter().rposition(|name| ["tasks", "handlers"].contains(name));
        let Some(at) = at else {
            let playbooks =
                folders.last().is_some_and(|name| ["playbooks", "plays"].contains(name));
            let depth = folders.len().saturating_sub(usize::from(playbooks));
            return Self { role: None, base: joined(folders.get(..depth).unwrap_or_default()) };
        };
        let role = folders.get(..at).unwrap_or_default();
        let roles = role.iter().rposition(|name| *name == "roles");
        let base = roles.map_or(role, |roles| role.get(..roles).unwrap_or_default());
        Self { role: Some(joined(role)), base: joined(base) }
    }
}

/// The variables around a role or a playbook, weakest first; read once for all its files.
#[derive(Debug, Default)]
struct Around {
    defaults: Arc<Layer>,
    inventory: Vec<Arc<Layer>>,
    vars: Arc<Layer>,
    others: Arc<Layer>,
}

fn around(repository: &Repository, layout: &Layout) -> Arc<Around> {
    let key = format!("ansible scope {layout:?}");
    repository.prepared(&key, || {
        let mut defaults = Layer::new("role default", true);
        let mut vars = Layer::new("role variable", true);
        let mut others = Layer::new("variable of one platform", false);
        if let Some(role) = &layout.role {
            defaults.add_named(repository, &format!("{role}defaults/"), "main");
            vars.add_named(repository, &format!("{role}vars/"), "main");
            for file in variable_files(repository, &format!("{role}vars")) {
                if !["main.yml", "main.yaml"].iter().any(|main| file.ends_with(main)) {
                    others.add_file(repository, &file);
                }
            }
            facts_of_role(repository, role, &mut others);
        }
        let inventory = inventory(repository, &layout.base);
        let (defaults, vars, others) = (Arc::new(defaults), Arc::new(vars), Arc::new(others));
        Around { defaults, inventory, vars, others }
    })
}

/// What the tasks of a role set with `set_fact`.
fn facts_of_role(repository: &Repository, role: &str, layer: &mut Layer) {
    for path in variable_files(repository, &format!("{role}tasks")) {
        let Some(bytes) = repository.read(&path) else { continue };
        if !bytes.windows(8).any(|window| window == b"set_fact") {
            continue;
        }
        let source = SourceFile::new(&path, bytes);
        for document in yaml::parse_verbatim(&source.fragment()).documents {
            facts(&document, &source, layer, 0);
        }
    }
}

/// `set_fact` in tasks and blocks.
pub(super) fn facts(tasks: &Node, source: &SourceFile, layer: &mut Layer, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    for task in tasks.items() {
        for (key, value) in task.pairs() {
            match key.text() {
                Some("set_fact" | "ansible.builtin.set_fact") => layer.add(value, source),
                Some("block" | "rescue" | "always" | "tasks" | "pre_tasks" | "post_tasks") => {
                    facts(value, source, layer, depth.saturating_add(1));
                }
                _ => {}
            }
        }
    }
}

/// `group_vars` and `host_vars` beside the playbooks and in the inventories.
fn inventory(repository: &Repository, base: &str) -> Vec<Arc<Layer>> {
    let key = format!("ansible inventory {base}");
    let layers = repository.prepared(&key, || {
        let mut all = Layer::new("group variable", true);
        let mut some = Layer::new("variable of some hosts", false);
        let mut places = vec![base.to_owned()];
        for folder in ["inventory", "inventories", "environments", "playbooks"] {
            places.push(format!("{base}{folder}/"));
            if folder != "playbooks" {
                let inner = repository.list(&format!("{base}{folder}"));
                let inner = inner.iter().filter(|name| !name.contains('.')).take(MAX_FILES);
                places.extend(inner.map(|name| format!("{base}{folder}/{name}/")));
            }
        }
        for (index, place) in places.iter().enumerate() {
            let groups = format!("{place}group_vars/");
            let own = index == 0;
            let target = if own { &mut all } else { &mut some };
            target.add_named(repository, &groups, "all");
            for directory in ["group_vars", "host_vars"] {
                let directory = format!("{place}{directory}");
                for name in repository.list(&directory).into_iter().take(MAX_FILES) {
                    let stem = name.trim_end_matches(".yml").trim_end_matches(".yaml");
                    if stem != "all" {
                        some.add_named(repository, &format!("{directory}/"), stem);
                    }
                }
            }
        }
        vec![Arc::new(all), Arc::new(some)]
    });
    layers.to_vec()
}

/// The names that a task sees.
pub(super) struct Scope {
    /// Weakest first.
    layers: Vec<Arc<Layer>>,
    /// How many layers there are without what an include, a block or a task gives.
    own: usize,
    /// What the play gives.
    play: Vec<Arc<Layer>>,
    loops: Vec<(String, Value)>,
    budget: Cell<usize>,
    spent: Cell<usize>,
    open: RefCell<Vec<String>>,
}

impl Scope {
    /// The names that a file has by itself, with what a play gives below the role's own variables.
    pub fn of(repository: &Repository, layout: &Layout, play: &[Arc<Layer>]) -> Self {
        let around = around(repository, layout);
        let mut layers = vec![Arc::clone(&around.defaults)];
        layers.extend(around.inventory.iter().cloned());
        layers.extend(play.iter().cloned());
        layers.extend([Arc::clone(&around.vars), Arc::clone(&around.others)]);
        layers.retain(|layer| !layer.is_empty());
        let own = layers.len();
        let play = play.to_vec();
        let (budget, spent, open) = (Cell::default(), Cell::default(), RefCell::default());
        Self { layers, own, play, loops: Vec::new(), budget, spent, open }
    }

    /// Whether it knows more than a file by itself.
    pub fn is_extended(&self) -> bool {
        !self.play.is_empty() || self.layers.len() > self.own || !self.loops.is_empty()
    }

    /// How many layers lie over the file's own, to come back to.
    pub fn mark(&self) -> usize {
        self.layers.len().saturating_sub(self.own)
    }

    /// Lays variables over all others.
    pub fn push(&mut self, layer: Layer) {
        if !layer.is_empty() {
            self.layers.push(Arc::new(layer));
        }
    }

    /// Lays variables that a file sets itself over its own, below what a play or a task gives.
    pub fn push_below(&mut self, layer: Layer) {
        if !layer.is_empty() {
            self.layers.insert(self.own.min(self.layers.len()), Arc::new(layer));
            self.own = self.own.saturating_add(1);
        }
    }

    /// Takes off what was laid over since a mark.
    pub fn pop_to(&mut self, mark: usize) {
        self.layers.truncate(self.own.saturating_add(mark));
    }

    /// The names of another file of the same play, with everything that this one was given.
    pub fn handed_on(&self, repository: &Repository, layout: &Layout) -> Self {
        let mut scope = Self::of(repository, layout, &self.play);
        scope.layers.extend(self.layers.get(self.own..).unwrap_or_default().iter().cloned());
        scope.loops.clone_from(&self.loops);
        scope.spent.set(self.spent.get());
        scope
    }

    /// Binds the variable of a loop to an element.
    pub fn bind(&mut self, name: &str, value: Value) {
        self.loops.push((name.to_owned(), value));
    }

    /// Ends a loop's element.
    pub fn unbind(&mut self) {
        self.loops.pop();
    }

    /// What a node of `file` comes to.
    pub fn value(&self, node: &Node, file: &Arc<str>, statements: bool) -> Value {
        self.budget.set(MAX_LOOKUPS);
        self.convert(node, file, None, statements, 0)
    }

    fn convert(
        &self,
        node: &Node,
        file: &Arc<str>,
        origin: Option<&Origin>,
        statements: bool,
        depth: usize,
    ) -> Value {
        if depth > MAX_DEPTH {
            return Value::Unknown(None);
        }
        let inner =
            |node: &Node| self.convert(node, file, origin, statements, depth.saturating_add(1));
        match node.kind() {
            Kind::Scalar { .. } if node.is_null() => Value::Null,
            Kind::Scalar { .. } if node.tag() == Some("vault") => Value::Unknown(None),
            Kind::Scalar { fragment, .. } => {
                let value = jinja::render(fragment, file, self, statements);
                match origin {
                    Some(origin) => settled(value, file, &fragment.raw_whole(), origin),
                    None => value,
                }
            }
            Kind::Sequence(items) => Value::List(items.iter().map(inner).collect()),
            Kind::Mapping(pairs) => Value::Object(
                pairs
                    .iter()
                    .filter_map(|(key, value)| Some((key.text()?.to_owned(), inner(value))))
                    .collect(),
            ),
        }
    }

    fn defined(&self, name: &str) -> Option<Value> {
        let mut values = Vec::new();
        for layer in self.layers.iter().rev() {
            let Some(definitions) = layer.names.get(name) else { continue };
            for definition in definitions {
                let range = definition.node.range();
                let origin = Origin {
                    name: format!("{} `{name}`", layer.what),
                    place: Some(place(&definition.source, &range)),
                    overridable: layer.what == "role default",
                };
                let file = Arc::clone(&definition.source.path);
                values.push(self.convert(&definition.node, &file, Some(&origin), false, 0));
            }
            if layer.sure {
                break;
            }
        }
        // What a look-up gave back as unknown only because it names itself says nothing.
        if values.len() > 1 {
            let known = values.iter().any(|value| !matches!(value, Value::Unknown(None)));
            if known {
                values.retain(|value| !matches!(value, Value::Unknown(None)));
            }
        }
        values.truncate(MAX_DEFINITIONS);
        if values.len() > 1 {
            if values.iter().all(|value| matches!(value, Value::List(_) | Value::Null)) {
                let lists = values.into_iter().filter_map(|value| value.elements());
                return Some(Value::List(lists.flatten().collect()));
            }
            return Some(Value::Either(values));
        }
        values.pop()
    }
}

/// A place in a file that is not the one under audit.
fn place(source: &SourceFile, range: &Range<usize>) -> Place {
    let (start, end) = source.positions(range);
    let file = Arc::clone(&source.path);
    Place { file, start_byte: range.start, end_byte: range.end, start, end }
}

/// A value as its definition gives it: what a reference within the definition brought there counts
/// as written there.
fn settled(value: Value, file: &Arc<str>, whole: &Range<usize>, origin: &Origin) -> Value {
    match value {
        Value::Text(text) => {
            let here = text.file == *file && text.site.is_none();
            let range = text.site.clone().unwrap_or_else(|| whole.clone());
            let own = Some(origin.clone());
            let overridable = text.is_overridable();
            let mut text = if here {
                Text { origin: own, spliced: Vec::new(), ..text }
            } else if text.site.is_none() {
                // An element of a list elsewhere.
                text
            } else {
                let fragment = Fragment::opaque(text.text(), range);
                Text { origin: own, ..Text::new(fragment, file) }
            };
            if let Some(origin) = &mut text.origin {
                origin.overridable |= overridable;
            }
            Value::Text(text)
        }
        Value::Either(values) => Value::Either(
            values.into_iter().map(|value| settled(value, file, whole, origin)).collect(),
        ),
        other => other,
    }
}

impl Names for Scope {
    fn name(&self, name: &str) -> Option<Found> {
        if let Some((_, value)) = self.loops.iter().rev().find(|(own, _)| own == name) {
            return Some(Found { value: value.clone(), element: true });
        }
        let spent = self.budget.get().checked_sub(1);
        let Some(left) = spent else {
            return Some(Found { value: Value::Unknown(None), element: false });
        };
        self.budget.set(left);
        self.spent.set(self.spent.get().saturating_add(1));
        let open = self.open.borrow();
        let bounded = open.len() >= MAX_OPEN || self.spent.get() > MAX_ALL_LOOKUPS;
        if bounded || open.iter().any(|open| open == name) {
            return Some(Found { value: Value::Unknown(None), element: false });
        }
        drop(open);
        self.open.borrow_mut().push(name.to_owned());
        let value = self.defined(name);
        self.open.borrow_mut().pop();
        value.map(|value| Found { value, element: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders() {
        let check = |path: &str, role: Option<&str>, base: &str| {
            let expected = Layout { role: role.map(str::to_owned), base: base.to_owned() };
            assert_eq!(Layout::of(path), expected, "{path}");
        };
        check("site.yml", None, "");
        check("deploy/playbooks/site.yml", None, "deploy/");
        check("roles/web/tasks/main.yml", Some("roles/web/"), "");
        check("a/roles/web/tasks/debian/main.yml", Some("a/roles/web/"), "a/");
        check("tasks/main.yml", Some(""), "");
        check("handlers/main.yml", Some(""), "");
    }
}
