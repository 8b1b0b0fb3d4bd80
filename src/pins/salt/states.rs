//! States that install or fetch.

use crate::pins::audit::Audit;
use crate::pins::classify;
use crate::pins::environment::Environment;
use crate::pins::hcl::follow_script;
use crate::pins::hcl::value::Text;
use crate::pins::repository::resolve;
use crate::pins::resource::{Host, Manager, made};
use crate::pins::shell::Dialect;
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{Kind, Node};
use std::ops::Range;
use std::sync::Arc;

/// Why a package moves even where it is there already.
const LATEST: &str = "`latest` asks for whatever is newest at every run";

/// Modules whose functions are read.
const MODULES: &[&str] = &[
    "pkg",
    "pip",
    "npm",
    "gem",
    "chocolatey",
    "cmd",
    "git",
    "hg",
    "svn",
    "archive",
    "file",
    "docker_image",
    "docker_container",
    "dockerng",
    "pkgrepo",
    "helm",
    "snap",
    "pecl",
    "composer",
    "cargo",
    "flatpak",
    "pip_state",
];

/// Whether a text may hold any of these states.
pub(super) fn has_any(text: &str) -> bool {
    text.lines().any(|line| {
        let content = line.trim_start();
        let word = content.trim_start_matches(['"', '\'']);
        MODULES.iter().any(|module| {
            let rest = word.strip_prefix(module).or_else(|| {
                word.split_once(": ").and_then(|(_, value)| value.strip_prefix(module))
            });
            rest.is_some_and(|rest| rest.starts_with(['.', ':']))
        })
    })
}

/// The states of rendered documents.
pub(super) fn read(documents: &[Node], audit: &mut Audit<'_>) {
    let mut environment = Environment::default();
    for document in documents {
        for (id, body) in document.pairs() {
            let mut states = States { environment: &mut environment, audit: &mut *audit };
            match body.kind() {
                // `nginx: pkg.installed`.
                Kind::Scalar { fragment, .. } => {
                    let name = fragment.text().to_owned();
                    if name.contains('.') {
                        states.state(&name, &State::new(id, &[]));
                    }
                }
                Kind::Mapping(pairs) => {
                    for (function, arguments) in pairs {
                        let Some(name) = function.text() else { continue };
                        let name = name.to_owned();
                        let items = arguments.items();
                        if name.contains('.') {
                            states.state(&name, &State::new(id, items));
                            continue;
                        }
                        // `pkg: [installed, {version: x}]`.
                        for item in items {
                            if let Some(function) = item.text() {
                                let whole = format!("{name}.{function}");
                                states.state(&whole, &State::new(id, items));
                            }
                        }
                    }
                }
                Kind::Sequence(_) => {}
            }
        }
    }
}

/// A state's arguments.
struct State<'s> {
    id: &'s Node,
    arguments: Vec<(&'s str, &'s Node)>,
}

impl<'s> State<'s> {
    fn new(id: &'s Node, items: &'s [Node]) -> Self {
        let pairs = items.iter().flat_map(Node::pairs);
        let arguments = pairs.filter_map(|(key, value)| Some((key.text()?, value))).collect();
        Self { id, arguments }
    }

    /// The values of an argument: of every branch that gives it.
    fn all(&self, names: &[&str]) -> Vec<&'s Node> {
        let own = self.arguments.iter().filter(|(own, _)| names.contains(own));
        own.map(|(_, value)| *value).collect()
    }

    fn get(&self, names: &[&str]) -> Option<&'s Node> {
        self.all(names).into_iter().find(|node| !node.is_null())
    }

    fn word(&self, names: &[&str]) -> &'s str {
        self.get(names).and_then(Node::text).unwrap_or_default()
    }

    /// `name`, `names`, or the state's id.
    fn names(&self) -> Vec<&'s Node> {
        let mut found = Vec::new();
        for node in self.all(&["name", "names"]) {
            if node.is_sequence() {
                found.extend(
                    node.items()
                        .iter()
                        .map(|item| item.pairs().first().map_or(item, |(key, _)| key)),
                );
            } else {
                found.push(node);
            }
        }
        if found.is_empty() { vec![self.id] } else { found }
    }

    fn is_true(&self, names: &[&str]) -> bool {
        self.get(names).and_then(Node::truth) == Some(true)
    }
}

struct States<'s, 'a> {
    environment: &'s mut Environment,
    audit: &'s mut Audit<'a>,
}

fn raw(node: &Node) -> Range<usize> {
    node.fragment().map_or_else(|| node.range(), crate::pins::span::Fragment::raw_whole)
}

impl<'a> States<'_, 'a> {
    fn host(&mut self) -> Host<'_, 'a> {
        Host { environment: self.environment, audit: self.audit }
    }

    fn text(&self, node: &Node) -> Option<Text> {
        let file = Arc::clone(&self.audit.file().path);
        node.fragment().map(|fragment| Text::new(fragment.clone(), &file))
    }

    fn state(&mut self, function: &str, state: &State<'_>) {
        match function {
            "pkg.installed" | "pkg.downloaded" | "pkg.group_installed" => {
                self.packages(Manager::System, state, None);
            }
            "pkg.latest" => self.packages(Manager::System, state, Some(LATEST)),
            "pkg.uptodate" | "pkg.patch_installed" => {
                if let Some(at) = self.text(state.id) {
                    self.host().upgrade_all(Manager::System, &at, "pkg.uptodate");
                }
            }
            "pip.installed" | "pip_state.installed" => self.pip(state),
            "npm.installed" => self.packages(Manager::Npm, state, None),
            "gem.installed" => self.packages(Manager::Gem, state, None),
            "chocolatey.installed" | "chocolatey.upgraded" => {
                self.packages(Manager::Choco, state, None);
            }
            "snap.installed" => self.packages(Manager::Snap, state, None),
            "flatpak.installed" => self.packages(Manager::Flatpak, state, None),
            "cargo.installed" => self.packages(Manager::Cargo, state, None),
            "pecl.installed" => self.packages(Manager::OtherLanguage, state, None),
            "cmd.run" | "cmd.wait" | "cmd.run_stdin" => self.command(state),
            "cmd.script" | "cmd.wait_script" => self.script(state),
            "git.latest" | "git.cloned" | "git.detached" => {
                self.checkout("git", state, &["rev", "branch", "ref"]);
            }
            "hg.latest" => self.checkout("hg", state, &["rev"]),
            "svn.latest" | "svn.export" => self.checkout("svn", state, &["rev"]),
            "archive.extracted" | "file.managed" | "file.cached" => self.file(state),
            "docker_image.present" | "dockerng.image_present" => self.image(state),
            "docker_container.running" | "dockerng.running" => {
                for image in state.all(&["image"]) {
                    if let Some(text) = self.text(image) {
                        self.host().image(&text, None, &raw(image));
                    }
                }
            }
            "pkgrepo.managed" => self.repository(state),
            "helm.release_present" => self.helm(state),
            _ => {}
        }
    }

    /// `pkgs` with versions, `sources` by URL, or names with one `version`.
    fn packages(&mut self, manager: Manager, state: &State<'_>, note: Option<&str>) {
        let manager = match state.word(&["provider"]) {
            "" => manager,
            provider => Manager::of_platform(provider.trim_end_matches("pkg")).unwrap_or(manager),
        };
        let at = raw(state.id);
        let lists = state.all(&["pkgs"]);
        for list in &lists {
            let items = if list.is_sequence() { list.items() } else { std::slice::from_ref(*list) };
            for item in items {
                let (name, version) = match item.kind() {
                    Kind::Mapping(pairs) => match pairs.first() {
                        Some((name, version)) => (name, Some(version)),
                        None => continue,
                    },
                    _ => (item, None),
                };
                let version = version.filter(|version| !version.is_null());
                let version = version.and_then(|version| self.text(version));
                self.one(manager, name, version.as_ref(), &at, note);
            }
        }
        for source in state.all(&["sources"]).into_iter().flat_map(Node::items) {
            for (_, url) in source.pairs() {
                if let Some(text) = self.text(url).filter(|text| text.text().contains("://"))
                    && !text.text().starts_with("salt:")
                {
                    self.host().download(&text, "", None, &raw(url));
                }
            }
        }
        if !lists.is_empty() || state.get(&["sources"]).is_some() {
            return;
        }
        let version = state.get(&["version", "channel"]).and_then(|version| self.text(version));
        for name in state.names() {
            self.one(manager, name, version.as_ref(), &at, note);
        }
    }

    fn one(
        &mut self,
        manager: Manager,
        name: &Node,
        version: Option<&Text>,
        at: &Range<usize>,
        note: Option<&str>,
    ) {
        let Some(text) = self.text(name) else { return };
        let latest = version.is_some_and(|version| version.text() == "latest");
        let (version, note) = if latest { (None, Some(LATEST)) } else { (version, note) };
        self.host().packages(manager, &[text], version, at, note);
    }

    fn pip(&mut self, state: &State<'_>) {
        if let Some(node) = state.get(&["requirements"])
            && let Some(text) = self.text(node).filter(|text| !text.text().starts_with("salt:"))
        {
            let range = raw(node);
            let file = Arc::clone(&self.audit.file().path);
            let word = |text: &str| Text::new(made(text, &(range.start..range.start)), &file);
            let words = [word("pip"), word("install"), word("-r"), text];
            self.host().words(&words, &range);
            if state.get(&["name", "pkgs"]).is_none() {
                return;
            }
        }
        let spaced = |text: &Text| -> Text {
            // `name: flask == 3.0.2`.
            let bare: String = text.text().split_whitespace().collect();
            let whole = text.fragment.raw_whole();
            if bare == text.text() {
                text.clone()
            } else {
                Text { fragment: made(&bare, &whole), ..text.clone() }
            }
        };
        let at = raw(state.id);
        let listed: Vec<&Node> = state.all(&["pkgs"]).into_iter().flat_map(Node::items).collect();
        let nodes = if listed.is_empty() { state.names() } else { listed };
        for node in nodes {
            if let Some(text) = self.text(node) {
                self.host().packages(Manager::Pip, &[spaced(&text)], None, &at, None);
            }
        }
    }

    fn command(&mut self, state: &State<'_>) {
        let before = self.environment.machine.directory.clone();
        if !state.word(&["cwd"]).is_empty() {
            self.environment.machine.directory = Some(state.word(&["cwd"]).to_owned());
        }
        let shell = state.word(&["shell"]);
        let dialect =
            if shell.contains("powershell") { Dialect::PowerShell } else { Dialect::Posix };
        for node in state.names() {
            if let Some(text) = self.text(node) {
                self.host().script(&text, dialect);
            }
        }
        self.environment.machine.directory = before;
    }

    /// A script of the state tree, or one by URL that is run at once.
    fn script(&mut self, state: &State<'_>) {
        let sources = state.all(&["source"]);
        let nodes = if sources.is_empty() { state.names() } else { sources };
        for node in nodes {
            let Some(text) = self.text(node) else { continue };
            if let Some(path) = text.text().strip_prefix("salt://") {
                let own = self.audit.file().path.to_string();
                if let Some(found) = located(self.audit, &own, path) {
                    follow_script(&found, self.environment, self.audit, Dialect::Posix);
                }
            } else if text.text().contains("://") {
                let note = "run without a check";
                let held = Strength::None;
                self.host().input(Ecosystem::Download, &text, "", held, &raw(node), Some(note));
            }
        }
    }

    fn checkout(&mut self, program: &str, state: &State<'_>, names: &[&str]) {
        let reference = state.get(names).and_then(|node| self.text(node));
        for node in state.names() {
            if let Some(url) = self.text(node) {
                self.host().checkout(program, &url, reference.as_ref(), &raw(node));
            }
        }
    }

    /// A file or an archive by URL, held by its `source_hash`.
    fn file(&mut self, state: &State<'_>) {
        let hash = state.get(&["source_hash"]).and_then(|node| self.text(node));
        let verified = hash.filter(|_| !state.is_true(&["skip_verify"]));
        let target = state.names().first().and_then(|node| node.text()).unwrap_or_default();
        let target = target.to_owned();
        for source in state.all(&["source"]) {
            let items =
                if source.is_sequence() { source.items() } else { std::slice::from_ref(source) };
            for item in items {
                let Some(text) = self.text(item) else { continue };
                let url = text.text();
                if let Some(path) = url.strip_prefix("salt://") {
                    let own = self.audit.file().path.to_string();
                    if let Some(found) = located(self.audit, &own, path) {
                        self.host().file_copied(&target, &found);
                    }
                } else if url.contains("://") && !url.starts_with("file:")
                    || classify::is_unknown(url) && verified.is_some()
                {
                    self.host().download(&text, &target, verified.as_ref(), &raw(item));
                }
            }
        }
        if let Some(content) = state.get(&["contents"]).and_then(|node| self.text(node)) {
            self.host().file_written(&target, &content);
        }
    }

    fn image(&mut self, state: &State<'_>) {
        if state.get(&["build", "load", "sls"]).is_some() {
            return;
        }
        let tag = state.get(&["tag"]).and_then(|node| self.text(node));
        for node in state.names() {
            if let Some(text) = self.text(node) {
                self.host().image(&text, tag.as_ref(), &raw(node));
            }
        }
    }

    fn repository(&mut self, state: &State<'_>) {
        if state.is_true(&["disabled"]) {
            return;
        }
        for node in state.all(&["ppa"]) {
            if let Some(text) = self.text(node) {
                let whole = format!("ppa:{}", text.text());
                let text = Text { fragment: made(&whole, &text.fragment.raw_whole()), ..text };
                self.host().repository(&text, None, &raw(node));
            }
        }
        let mut addresses = state.all(&["baseurl", "mirrorlist"]);
        addresses.extend(
            state
                .names()
                .into_iter()
                .filter(|node| node.text().is_some_and(|text| text.contains("://"))),
        );
        for node in addresses {
            if let Some(text) = self.text(node) {
                self.host().repository(&text, None, &raw(node));
            }
        }
    }

    fn helm(&mut self, state: &State<'_>) {
        let Some(node) = state.get(&["chart"]) else { return };
        let Some(chart) = self.text(node) else { return };
        let range = raw(node);
        let version = state.word(&["version"]);
        let file = Arc::clone(&self.audit.file().path);
        let mut front = vec!["helm", "install", "release"];
        if !version.is_empty() {
            front.extend(["--version", version]);
        }
        let word = |text: &&str| Text::new(made(text, &(range.start..range.start)), &file);
        let words: Vec<Text> = front.iter().map(word).chain([chart]).collect();
        self.host().words(&words, &range);
    }
}

/// A file of the state tree: from any folder above a state.
fn located(audit: &Audit<'_>, from: &str, path: &str) -> Option<String> {
    let mut from = from.to_owned();
    for _ in 0..8 {
        let candidate = resolve(&from, path)?;
        if audit.repository().exists(&candidate) {
            return Some(candidate);
        }
        from = from.rsplit_once('/')?.0.to_owned();
    }
    None
}
