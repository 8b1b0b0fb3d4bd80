//! Lists of tasks: blocks, loops, variables of a task, and the call itself.

use super::arguments::{self, Arguments};
use super::scope::{Layer, Layout, Scope};
use crate::pins::audit::Audit;
use crate::pins::environment::{Constant, Environment};
use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Origin;
use crate::pins::repository::resolve;
use crate::pins::resource::{self, Host, Manager};
use crate::pins::span::{Fragment, UNKNOWN};
use crate::pins::yaml::Node;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Blocks in blocks.
const MAX_DEPTH: usize = 12;

/// Elements of a loop.
const MAX_ITEMS: usize = 500;

/// Tasks run from one file, loops unrolled.
const MAX_RUNS: usize = 20_000;

/// What a task costs: a role may be taken up again and again.
const RUN_COST: usize = 256;

/// Reads tasks of one machine.
pub(super) struct Tasks<'t, 'a> {
    pub environment: &'t mut Environment,
    pub audit: &'t mut Audit<'a>,
    pub scope: Scope,
    pub layout: Layout,
    /// The system's package manager, where the other tasks of the file tell it.
    pub siblings: Option<Manager>,
    /// The task that is being read.
    pub task: Option<Node>,
    depth: usize,
    runs: usize,
}

impl<'t, 'a> Tasks<'t, 'a> {
    pub fn new(
        environment: &'t mut Environment,
        audit: &'t mut Audit<'a>,
        scope: Scope,
        layout: Layout,
    ) -> Self {
        Self { environment, audit, scope, layout, siblings: None, task: None, depth: 0, runs: 0 }
    }

    /// A list of tasks.
    pub fn list(&mut self, tasks: &Node) {
        if self.depth > MAX_DEPTH {
            return;
        }
        self.depth = self.depth.saturating_add(1);
        for task in tasks.items() {
            self.task(task);
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// A task or a block.
    pub fn task(&mut self, task: &Node) {
        if !task.is_mapping() {
            return;
        }
        let mark = self.scope.mark();
        let before = self.environment.constants_only();
        self.variables(task.get("vars"), "variable");
        self.constants(task.get("environment"));
        if task.get("block").is_some() {
            for part in ["block", "rescue", "always"] {
                if let Some(tasks) = task.get(part) {
                    self.list(tasks);
                }
            }
        } else if let Some((arguments, reader)) = arguments::of(task) {
            self.task = Some(task.clone());
            self.each_item(task, |tasks| reader(tasks, &arguments));
        }
        self.environment.restore_constants(&before);
        self.scope.pop_to(mark);
    }

    /// Lays the variables of a mapping over all others.
    pub fn variables(&mut self, mapping: Option<&Node>, what: &'static str) {
        let Some(mapping) = mapping.filter(|mapping| mapping.is_mapping()) else { return };
        let mut layer = Layer::new(what, true);
        layer.add(mapping, &self.audit.file().clone());
        self.scope.push(layer);
    }

    /// `environment`: what commands see.
    pub fn constants(&mut self, mapping: Option<&Node>) {
        let file = Arc::clone(&self.audit.file().path);
        for (key, value) in mapping.map(Node::pairs).unwrap_or_default() {
            let (Some(name), Some(fragment)) = (key.text(), value.fragment()) else { continue };
            let place = Some(self.audit.place(fragment.raw_whole()));
            let origin = Origin { name: format!("environment {name}"), place, overridable: false };
            let text = self.text_of(value);
            let values = vec![resource::made(&text, &fragment.raw_whole())];
            let file = Arc::clone(&file);
            self.environment.set(name, Constant { values, file, origin, element: false });
        }
    }

    /// Runs a call once for each element of the task's loop.
    fn each_item(&mut self, task: &Node, mut run: impl FnMut(&mut Self)) {
        let Some((key, list)) = task.pairs().iter().find_map(|(key, value)| {
            let key = key.text()?;
            (key == "loop" || key.starts_with("with_")).then_some((key, value))
        }) else {
            self.runs = self.runs.saturating_add(1);
            if self.runs < MAX_RUNS && self.audit.spend(RUN_COST) {
                run(self);
            }
            return;
        };
        let control = task.get("loop_control");
        let variable = control.and_then(|control| control.get("loop_var")).and_then(Node::text);
        let variable = variable.unwrap_or("item").to_owned();
        let file = Arc::clone(&self.audit.file().path);
        let value = self.scope.value(list, &file, false);
        let items = elements(value, key, &file, &list.range());
        for item in items {
            self.runs = self.runs.saturating_add(1);
            if !self.audit.spend(RUN_COST) {
                return;
            }
            if self.runs >= MAX_RUNS {
                self.audit.gap("loops of more tasks than a person writes: not all read", None);
                return;
            }
            self.scope.bind(&variable, item);
            run(self);
            self.scope.unbind();
        }
    }

    /// What a node of this file comes to.
    pub fn value(&self, node: &Node) -> Value {
        self.scope.value(node, &Arc::clone(&self.audit.file().path), false)
    }

    /// All texts of an argument; nothing where it is not given.
    pub fn texts(&self, node: &Node) -> Vec<Text> {
        resource::texts(&self.value(node), &self.audit.file().path, &written(node))
    }

    /// The one text of an argument; empty where it is not given.
    pub fn text_of(&self, node: &Node) -> String {
        self.texts(node).first().map(|text| text.text().to_owned()).unwrap_or_default()
    }

    /// The first text of an argument.
    pub fn text(&self, arguments: &Arguments, names: &[&str]) -> Option<(Text, Range<usize>)> {
        let node = arguments.get(names)?;
        self.texts(node).into_iter().next().map(|text| (text, node.range()))
    }

    /// The same as words without their places.
    pub fn word(&self, arguments: &Arguments, names: &[&str]) -> String {
        arguments.get(names).map(|node| self.text_of(node)).unwrap_or_default()
    }

    /// The machine that the task runs on.
    pub fn host(&mut self) -> Host<'_, 'a> {
        Host { environment: self.environment, audit: self.audit }
    }

    /// Whether the task takes something away.
    pub fn is_removal(&self, arguments: &Arguments) -> bool {
        let Some(node) = arguments.get(&["state"]) else { return false };
        let gone = |text: &Text| {
            ["absent", "removed", "uninstalled", "deinstalled", "stopped", "disabled", "purged"]
                .contains(&text.text())
        };
        let states = self.texts(node);
        !states.is_empty() && states.iter().all(gone)
    }

    /// The package manager behind a module that takes the machine's own: by the task's condition,
    /// the file's name and its other tasks.
    pub fn system(&self) -> Manager {
        let condition = self.task.as_ref().and_then(|task| task.get("when"));
        let by_condition = condition.and_then(|when| {
            let own = if when.is_sequence() { when.items() } else { std::slice::from_ref(when) };
            own.iter().filter_map(Node::text).find_map(by_condition)
        });
        let path = Arc::clone(&self.audit.file().path);
        by_condition
            .or_else(|| Manager::of_file(&path))
            .or(self.siblings)
            .unwrap_or(Manager::System)
    }

    /// A file that a task names: beside it, in the role's or the playbook's folder.
    pub fn locate(&self, name: &str, folders: &[&str]) -> Option<String> {
        if name.is_empty() || name.contains(UNKNOWN) || name.contains("{{") {
            return None;
        }
        let repository = self.audit.repository();
        let own = self.audit.file().path.to_string();
        let role = self.layout.role.clone();
        let bases = [role, Some(self.layout.base.clone())];
        let inside = bases.into_iter().flatten().flat_map(|base| {
            let named = folders.iter().map(|folder| format!("{base}{folder}/{name}"));
            named.chain([format!("{base}{name}")]).collect::<Vec<_>>()
        });
        let beside = folders.iter().filter_map(|folder| resolve(&own, &format!("{folder}/{name}")));
        let candidates = [resolve(&own, name)]
            .into_iter()
            .flatten()
            .chain(beside)
            .chain(inside.filter_map(|path| resolve("", &path)));
        candidates.into_iter().find(|path| *path != own && repository.exists(path))
    }
}

/// The raw bytes of a value, without its quotes.
fn written(node: &Node) -> Range<usize> {
    node.fragment().map_or_else(|| node.range(), Fragment::raw_whole)
}

/// A condition that holds on the machines of one manager.
fn by_condition(when: &str) -> Option<Manager> {
    if when.contains("!=") || when.contains("not ") {
        return None;
    }
    let words = when.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let found: Vec<Manager> = words
        .filter(|word| !["apt", "yum", "dnf"].contains(word) || when.contains("pkg_mgr"))
        .filter_map(Manager::of_platform)
        .collect();
    let first = found.first()?;
    found.iter().all(|manager| manager == first).then_some(*first)
}

/// The elements of a loop, in the way of its key.
fn elements(value: Value, key: &str, file: &Arc<str>, at: &Range<usize>) -> Vec<Value> {
    let mut found = match (key, value) {
        ("loop", Value::List(values)) => values,
        (
            "with_items" | "with_list" | "with_flattened" | "with_random_choice",
            Value::List(values),
        ) => {
            let mut flat = Vec::new();
            for value in values {
                match value {
                    Value::List(inner) if key != "with_list" => flat.extend(inner),
                    other => flat.push(other),
                }
            }
            flat
        }
        ("with_items", Value::Either(values)) => {
            let each = values.into_iter();
            each.flat_map(|value| elements(value, key, file, at)).collect()
        }
        ("with_dict", Value::Object(entries)) => entries
            .into_iter()
            .map(|(key, value)| {
                let key = Value::text(resource::made(&key, at), file);
                Value::Object(vec![("key".to_owned(), key), ("value".to_owned(), value)])
            })
            .collect(),
        ("loop" | "with_items", text @ Value::Text(_)) => vec![text],
        (_, Value::Null) => Vec::new(),
        _ => vec![Value::Unknown(None)],
    };
    found.truncate(MAX_ITEMS);
    found
}

/// The system's package manager that the modules of a file name, if it is only one.
pub(super) fn siblings(tasks: &Node) -> Option<Manager> {
    let mut found = BTreeSet::new();
    gather(tasks, &mut found, 0);
    let mut names = found.into_iter();
    match (names.next(), names.next()) {
        (Some(name), None) => Manager::of_platform(name),
        _ => None,
    }
}

fn gather(node: &Node, found: &mut BTreeSet<&'static str>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    for item in node.items() {
        for (key, value) in item.pairs() {
            let own = key.text().map(super::modules::own_name).unwrap_or_default();
            let manager = match own {
                "apt" | "apt_repository" | "apt_key" | "deb822_repository" => Some("apt"),
                "yum" | "dnf" | "dnf5" | "yum_repository" | "rpm_key" => Some("dnf"),
                "zypper" | "zypper_repository" => Some("zypper"),
                "apk" => Some("apk"),
                "pacman" => Some("pacman"),
                _ => None,
            };
            found.extend(manager);
            if value.is_sequence() {
                gather(value, found, depth.saturating_add(1));
            }
        }
    }
}
