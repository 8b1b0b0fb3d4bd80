//! Playbooks: plays with their variables, roles and tasks; what roles and includes are given.

use super::arguments::Arguments;
use super::scope::{self, Layer, Layout, Scope};
use super::tasks::{self, Tasks};
use crate::pins::audit::Audit;
use crate::pins::environment::Environment;
use crate::pins::yaml::Node;
use std::sync::Arc;

/// A file of plays or of tasks.
pub(super) fn read(documents: &[Node], audit: &mut Audit<'_>) {
    let layout = Layout::of(&audit.file().path);
    let mut environment = Environment::default();
    for document in documents {
        if is_plays(document) {
            for play in document.items() {
                let mut environment = Environment::default();
                self::play(play, &layout, &mut environment, audit);
            }
        } else {
            let scope = Scope::of(audit.repository(), &layout, &[]);
            run(document, scope, &layout, &mut environment, audit);
        }
    }
}

fn is_plays(document: &Node) -> bool {
    let keys = ["hosts", "import_playbook", "ansible.builtin.import_playbook"];
    document.items().iter().any(|item| keys.iter().any(|key| item.get(key).is_some()))
}

/// A list of tasks in the file that is being read.
fn run(
    list: &Node,
    mut scope: Scope,
    layout: &Layout,
    environment: &mut Environment,
    audit: &mut Audit<'_>,
) {
    let mut facts = Layer::new("fact", false);
    scope::facts(list, &audit.file().clone(), &mut facts, 0);
    scope.push_below(facts);
    let mut tasks = Tasks::new(environment, audit, scope, layout.clone());
    tasks.siblings = tasks::siblings(list);
    tasks.list(list);
}

fn play(play: &Node, layout: &Layout, environment: &mut Environment, audit: &mut Audit<'_>) {
    let source = audit.file().clone();
    let mut own = Layer::new("play variable", true);
    for file in play.get("vars_files").map(Node::items).unwrap_or_default() {
        let alternatives =
            if file.is_sequence() { file.items() } else { std::slice::from_ref(file) };
        for name in alternatives.iter().filter_map(Node::text) {
            let path = crate::pins::repository::resolve(&source.path, name);
            if path.is_some_and(|path| own.add_file(audit.repository(), &path)) {
                break;
            }
        }
    }
    if let Some(variables) = play.get("vars") {
        let parts = if variables.is_sequence() {
            variables.items()
        } else {
            std::slice::from_ref(variables)
        };
        for part in parts {
            own.replace(part, &source);
        }
    }
    for prompt in play.get("vars_prompt").map(Node::items).unwrap_or_default() {
        if let (Some(name), Some(default)) = (prompt.get("name"), prompt.get("default")) {
            own.define(name, default, &source);
        }
    }
    let given: Vec<Arc<Layer>> = if own.is_empty() { Vec::new() } else { vec![Arc::new(own)] };
    let scope = || Scope::of(audit.repository(), layout, &given);
    let (scope_before, scope_after) = (scope(), scope());
    let parts = |names: &[&str]| -> Vec<Node> {
        names.iter().filter_map(|name| play.get(name)).cloned().collect()
    };
    {
        let mut tasks = Tasks::new(environment, audit, scope_before, layout.clone());
        tasks.constants(play.get("environment"));
    }
    for list in parts(&["pre_tasks"]) {
        let scope = Scope::of(audit.repository(), layout, &given);
        run(&list, scope, layout, environment, audit);
    }
    let mut tasks = Tasks::new(environment, audit, scope_after, layout.clone());
    for role in play.get("roles").map(Node::items).unwrap_or_default() {
        tasks.role_entry(role);
    }
    for list in parts(&["tasks", "post_tasks", "handlers"]) {
        let scope = Scope::of(audit.repository(), layout, &given);
        run(&list, scope, layout, environment, audit);
    }
}

impl Tasks<'_, '_> {
    /// An entry of `roles`: a name, or a mapping with what the role is given.
    fn role_entry(&mut self, role: &Node) {
        let name = role.text().or_else(|| role.get("role").or(role.get("name"))?.text());
        let Some(name) = name.map(str::to_owned) else { return };
        let mut given = Layer::new("role parameter", true);
        let source = self.audit.file().clone();
        for (key, value) in role.pairs() {
            match key.text() {
                Some("role" | "name" | "tags" | "when" | "become" | "become_user") | None => {}
                Some("vars") => given.add(value, &source),
                Some(_) => given.define(key, value, &source),
            }
        }
        let mark = self.scope.mark();
        self.scope.push(given);
        self.role(&name, "main");
        self.scope.pop_to(mark);
    }

    /// Reads a role of the repository again, with what it is given here: by itself it is read
    /// anyway.
    fn role(&mut self, name: &str, from: &str) {
        if !self.scope.is_extended() || name.contains(crate::pins::span::UNKNOWN) {
            return;
        }
        let short = name.rsplit('.').next().unwrap_or(name);
        let Some(path) = [name, short].iter().find_map(|name| {
            let sibling = self.layout.role.as_ref().map(|role| format!("{role}../{name}/"));
            let own = format!("{}roles/{name}/", self.layout.base);
            let outer = format!("{}../roles/{name}/", self.layout.base);
            [Some(own), sibling, Some(outer)].into_iter().flatten().find_map(|folder| {
                [".yml", ".yaml", ""].iter().find_map(|ending| {
                    let path = format!("{folder}tasks/{from}{ending}");
                    let path = crate::pins::repository::resolve("", &path)?;
                    self.audit.repository().exists(&path).then_some(path)
                })
            })
        }) else {
            return;
        };
        let layout = Layout { base: self.layout.base.clone(), ..Layout::of(&path) };
        self.followed(&path, &layout);
    }

    /// Reads a file of tasks with what it is given.
    fn followed(&mut self, path: &str, layout: &Layout) {
        let environment = &mut *self.environment;
        let given = &self.scope;
        self.audit.follow(path, |audit| {
            let fragment = audit.file().fragment();
            for document in super::documents(&fragment, audit) {
                let scope = given.handed_on(audit.repository(), layout);
                run(&document, scope, layout, environment, audit);
            }
        });
    }

    pub(super) fn include_role(&mut self, arguments: &Arguments) {
        let name = self.word(arguments, &["name", "role"]);
        let from = self.word(arguments, &["tasks_from"]);
        let from = from.trim_end_matches(".yml").trim_end_matches(".yaml");
        self.role(&name, if from.is_empty() { "main" } else { from });
    }

    pub(super) fn include_tasks(&mut self, arguments: &Arguments) {
        let node = arguments.free.as_ref().or_else(|| arguments.get(&["file"])).cloned();
        let Some(node) = node else { return };
        let source = self.audit.file().clone();
        let mark = self.scope.mark();
        let mut given = Layer::new("include parameter", true);
        for (key, value) in &arguments.entries {
            if !["file", "apply", "tags", "when"].contains(&key.as_str()) {
                given.define_named(key, value, &source);
            }
        }
        self.scope.push(given);
        if self.scope.is_extended() {
            for text in self.texts(&node).iter().take(8) {
                let name = text.text().trim();
                if let Some(path) = self.locate(name, &["tasks"]) {
                    let own = Layout::of(&path);
                    let layout = if own.role.is_some() { own } else { self.layout.clone() };
                    self.followed(&path, &layout);
                }
            }
        }
        self.scope.pop_to(mark);
    }

    /// `include_vars`: what it names counts from here on, beside what was known.
    pub(super) fn include_vars(&mut self, arguments: &Arguments) {
        let node = arguments.free.as_ref().or_else(|| arguments.get(&["file"])).cloned();
        let Some(node) = node else { return };
        let mut layer = Layer::new("included variable", false);
        for text in self.texts(&node).iter().take(8) {
            if let Some(path) = self.locate(text.text().trim(), &["vars"]) {
                layer.add_file(self.audit.repository(), &path);
            }
        }
        self.scope.push_below(layer);
    }
}
