//! What a cookbook takes: `metadata.rb`, `Berksfile`, `Policyfile.rb`, and what their locks hold.

use super::ruby::{self, Evaluator, Names, Source, children};
use crate::pins::audit::Audit;
use crate::pins::classify;
use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::{Credit, Input, PinForm};
use crate::pins::repository::{SourceFile, resolve};
use crate::pins::span::{Fragment, UNKNOWN};
use crate::pins::strength::{Ecosystem, Strength};
use std::collections::BTreeMap;
use tree_sitter::Node;

/// Statements in statements.
const MAX_DEPTH: usize = 40;

/// Cookbooks by name, and what holds them.
type Locked = BTreeMap<String, Credit>;

/// Nothing has a name here.
struct Nothing;

impl Names for Nothing {
    fn local(&self, _name: &str) -> Option<(Value, bool)> {
        None
    }

    fn attribute(&self, _path: &[String]) -> Option<Value> {
        None
    }
}

/// `depends 'apt', '~> 2.0'`, `gem 'x'`.
pub(super) fn metadata(file: &SourceFile, audit: &mut Audit<'_>) {
    let mut locked = berksfile_lock(audit);
    locked.extend(policyfile_lock(audit));
    calls(file, audit, &mut |name, call, audit| match name {
        "depends" => cookbook(call, &locked, audit),
        "gem" => call.push(Ecosystem::Gem, None, audit),
        _ => {}
    });
}

/// `cookbook 'apt', '~> 2.0'`, with sources.
pub(super) fn berksfile(file: &SourceFile, audit: &mut Audit<'_>) {
    let locked = berksfile_lock(audit);
    calls(file, audit, &mut |name, call, audit| {
        if name == "cookbook" {
            cookbook(call, &locked, audit);
        }
    });
}

/// The same in a policy.
pub(super) fn policyfile(file: &SourceFile, audit: &mut Audit<'_>) {
    let locked = policyfile_lock(audit);
    calls(file, audit, &mut |name, call, audit| {
        if name == "cookbook" {
            cookbook(call, &locked, audit);
        }
    });
}

/// A call's name, version and named arguments.
struct Call {
    name: Text,
    version: Option<Text>,
    options: Vec<(String, Value)>,
}

impl Call {
    fn option(&self, names: &[&str]) -> Option<&str> {
        let found = self.options.iter().find(|(own, _)| names.contains(&own.as_str()));
        match found {
            Some((_, Value::Text(text))) => Some(text.text()),
            Some((_, Value::Unknown(_))) => Some("\u{10fffe}"),
            _ => None,
        }
    }

    fn push(&self, ecosystem: Ecosystem, credit: Option<Credit>, audit: &mut Audit<'_>) {
        let requested = self.version.as_ref().map(Text::text).unwrap_or_default();
        let strength = classify::version(ecosystem, requested);
        let place = audit.place(self.name.fragment.raw_whole());
        let subject = self.name.text().replace(UNKNOWN, "…");
        let mut input = Input::new(ecosystem, &subject, strength, place).requesting(requested);
        input.credit = credit;
        let verbatim = |text: &&Text| text.fragment.is_verbatim(0..text.text().len());
        input.form = self.version.as_ref().filter(verbatim).map(|version| {
            let range = version.fragment.raw_whole();
            let template = "{version}".to_owned();
            PinForm { start_byte: range.start, end_byte: range.end, template }
        });
        audit.push(input);
    }
}

/// A cookbook from a server, from git or from a folder.
fn cookbook(call: &Call, locked: &Locked, audit: &mut Audit<'_>) {
    if call.option(&["path"]).is_some() {
        return;
    }
    let credit = locked.get(call.name.text()).cloned();
    let Some(url) = call.option(&["git", "github", "bitbucket", "gitlab"]) else {
        if call.option(&["artifactserver", "url"]).is_some() {
            return;
        }
        call.push(Ecosystem::Cookbook, credit, audit);
        return;
    };
    let reference = call.option(&["ref", "revision", "tag", "branch"]).unwrap_or_default();
    let tag = call.option(&["tag"]).is_some();
    let strength = match classify::git_ref(reference) {
        Strength::Floating if tag => Strength::Exact,
        other => other,
    };
    let place = audit.place(call.name.fragment.raw_whole());
    let mut input = Input::new(Ecosystem::Cookbook, call.name.text(), strength, place)
        .requesting(&reference.replace(UNKNOWN, "…"));
    if strength < Strength::Exact {
        input = input.noting(format!("taken from {}", url.replace(UNKNOWN, "…")));
    }
    input.credit = credit;
    audit.push(input);
}

fn calls(
    file: &SourceFile,
    audit: &mut Audit<'_>,
    read: &mut dyn FnMut(&str, &Call, &mut Audit<'_>),
) {
    let fragment = file.fragment();
    let Some(tree) = ruby::parse(fragment.text()) else {
        audit.gap("is too long or takes too long to parse", None);
        return;
    };
    let source = Source::new(fragment, &file.path, &tree);
    walk(tree.root_node(), tree.root_node(), &source, audit, read, 0);
}

fn walk<'n>(
    node: Node<'n>,
    root: Node<'n>,
    source: &'n Source,
    audit: &mut Audit<'_>,
    read: &mut dyn FnMut(&str, &Call, &mut Audit<'_>),
    depth: usize,
) {
    if depth > MAX_DEPTH {
        return;
    }
    for child in children(node) {
        let method = child.child_by_field_name("method");
        let own = child.kind() == "call" && child.child_by_field_name("receiver").is_none();
        let arguments = child.child_by_field_name("arguments");
        if let (Some(method), Some(arguments), true) = (method, arguments, own) {
            let evaluator = Evaluator { source, names: &Nothing, root };
            let mut texts = Vec::new();
            let mut options = evaluator.pairs(arguments, 0);
            for argument in children(arguments) {
                match evaluator.value(argument) {
                    _ if argument.kind() == "pair" => {}
                    Value::Text(text) => texts.push(text),
                    // `depends 'x', '>= 1.0', '< 2.0'` in one list.
                    Value::List(values) => {
                        texts.extend(values.into_iter().filter_map(|value| match value {
                            Value::Text(text) => Some(text),
                            _ => None,
                        }));
                    }
                    Value::Object(entries) => options.extend(entries),
                    _ => {}
                }
            }
            let mut texts = texts.into_iter();
            if let Some(name) = texts.next() {
                let first = texts.next();
                let version = match (first, texts.next()) {
                    (Some(one), Some(other)) => {
                        let both = format!("{}, {}", one.text(), other.text());
                        let fragment = Fragment::opaque(&both, one.fragment.raw_whole());
                        Some(Text { fragment, ..one })
                    }
                    (first, _) => first,
                };
                read(source.text(method), &Call { name, version, options }, audit);
            }
        }
        walk(child, root, source, audit, read, depth.saturating_add(1));
    }
}

/// `Berksfile.lock`: the graph's names and versions.
fn berksfile_lock(audit: &Audit<'_>) -> Locked {
    let mut found = Locked::new();
    let path = resolve(&audit.file().path, "Berksfile.lock");
    let Some(bytes) = path.and_then(|path| audit.repository().read(&path)) else { return found };
    let text = String::from_utf8_lossy(&bytes);
    let graph = text.lines().skip_while(|line| line.trim() != "GRAPH").skip(1);
    for line in graph.filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        if let Some((name, version)) = line.trim().split_once(" (") {
            let version = version.trim_end_matches(')');
            let why = format!("Berksfile.lock holds it at {version}");
            found.insert(name.to_owned(), Credit { strength: Strength::Exact, why });
        }
    }
    found
}

/// `Policyfile.lock.json`: cookbooks by the identifier of their content.
fn policyfile_lock(audit: &Audit<'_>) -> Locked {
    let mut found = Locked::new();
    let path = resolve(&audit.file().path, "Policyfile.lock.json");
    let Some(bytes) = path.and_then(|path| audit.repository().read(&path)) else { return found };
    let Ok(lock) = serde_json::from_slice::<serde_json::Value>(&bytes) else { return found };
    let cookbooks = lock.get("cookbook_locks").and_then(serde_json::Value::as_object);
    for (name, entry) in cookbooks.into_iter().flatten() {
        let version = entry.get("version").and_then(serde_json::Value::as_str).unwrap_or_default();
        let identified = entry.get("identifier").is_some();
        let strength = if identified { Strength::Content } else { Strength::Exact };
        let why = format!("Policyfile.lock.json holds it at {version}");
        found.insert(name.clone(), Credit { strength, why });
    }
    found
}
