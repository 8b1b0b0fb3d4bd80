//! Where Ansible runs: execution environments (ansible-builder, versions 1 to 3) and the platforms
//! that Molecule tests on.

use super::galaxy;
use crate::pins::audit::Audit;
use crate::pins::classify;
use crate::pins::environment::Environment;
use crate::pins::hcl::value::Text;
use crate::pins::input::Input;
use crate::pins::resource::{Host, Manager};
use crate::pins::shell::{self, Dialect};
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{Kind, Node};
use std::sync::Arc;

/// `execution-environment.yml`.
pub(super) fn execution(documents: &[Node], audit: &mut Audit<'_>) {
    let mut environment = Environment::default();
    for document in documents {
        let images = document.get("images").map(Node::pairs).unwrap_or_default();
        let arguments = document.get("build_arg_defaults").map(Node::pairs).unwrap_or_default();
        let images = images.iter().map(|(_, image)| image.get("name").unwrap_or(image));
        let arguments = arguments
            .iter()
            .filter(|(key, _)| key.text().is_some_and(|key| key.ends_with("_IMAGE")));
        for image in images.chain(arguments.map(|(_, image)| image)) {
            self::image(image, &mut environment, audit);
        }
        if let Some(dependencies) = document.get("dependencies") {
            self::dependencies(dependencies, &mut environment, audit);
        }
        let steps = document.get("additional_build_steps").map(Node::pairs).unwrap_or_default();
        for (_, lines) in steps {
            build_steps(lines, &mut environment, audit);
        }
    }
}

fn texts(node: &Node, audit: &Audit<'_>) -> Vec<Text> {
    let items = if node.is_sequence() { node.items() } else { std::slice::from_ref(node) };
    let file = Arc::clone(&audit.file().path);
    let fragments = items.iter().filter_map(Node::fragment);
    fragments.map(|fragment| Text::new(fragment.clone(), &file)).collect()
}

fn image(node: &Node, environment: &mut Environment, audit: &mut Audit<'_>) {
    for text in texts(node, audit) {
        let file = Arc::clone(&audit.file().path);
        let expanded = shell::expand_value(&text.fragment, environment, &file);
        if !expanded.text().trim().is_empty() {
            shell::image(&expanded, environment, audit);
        }
    }
}

/// Collections, Python and system packages that stand in the file; files beside it are read by
/// themselves.
fn dependencies(node: &Node, environment: &mut Environment, audit: &mut Audit<'_>) {
    if let Some(inline) = node.get("galaxy").filter(|galaxy| galaxy.is_mapping()) {
        galaxy::dictionary(inline, audit);
    }
    let python = node.get("python").filter(|python| python.is_sequence());
    let packages = ["ansible_core", "ansible_runner"]
        .iter()
        .filter_map(|key| node.get(key)?.get("package_pip"));
    for packages in python.into_iter().chain(packages) {
        let names = texts(packages, audit);
        let range = packages.range();
        Host { environment, audit }.packages(Manager::Pip, &names, None, &range, None);
    }
    for line in node.get("system").map(Node::items).unwrap_or_default() {
        // bindep: a name, and the platforms that it is for.
        let Some(fragment) = line.fragment() else { continue };
        let end = fragment.text().find([' ', '[']).unwrap_or(fragment.text().len());
        let file = Arc::clone(&audit.file().path);
        let name = Text::new(fragment.slice(0..end), &file);
        let range = line.range();
        Host { environment, audit }.packages(Manager::Dnf, &[name], None, &range, None);
    }
}

/// Lines of a Containerfile: those that run something or take an image.
fn build_steps(node: &Node, environment: &mut Environment, audit: &mut Audit<'_>) {
    for text in texts(node, audit) {
        let fragment = &text.fragment;
        let joined = fragment.text().to_owned();
        let mut at = 0_usize;
        let mut lines = joined.split_inclusive('\n').peekable();
        while let Some(first) = lines.next() {
            let start = at;
            at = at.saturating_add(first.len());
            let mut last = first;
            while last.trim_end().ends_with('\\') {
                let Some(next) = lines.next() else { break };
                at = at.saturating_add(next.len());
                last = next;
            }
            let whole = fragment.slice(start..at);
            let trimmed = whole.text().trim_start();
            let lead = whole.text().len().saturating_sub(trimmed.len());
            if let Some(command) = trimmed.strip_prefix("RUN ") {
                let from = whole.text().len().saturating_sub(command.len());
                let script = Text::new(whole.slice(from..whole.text().len()), &text.file);
                Host { environment: &mut *environment, audit: &mut *audit }
                    .script(&script, Dialect::Posix);
            } else if let Some(source) = trimmed.strip_prefix("COPY --from=") {
                let from = lead.saturating_add("COPY --from=".len());
                let length = source.find(char::is_whitespace).unwrap_or(source.len());
                let image = whole.slice(from..from.saturating_add(length));
                if image.text().contains(['/', ':', '.']) {
                    shell::image(&shell::Expanded::plain(image), environment, audit);
                }
            }
        }
    }
}

/// `molecule.yml`: images of containers, boxes of Vagrant.
pub(super) fn molecule(documents: &[Node], audit: &mut Audit<'_>) {
    let mut environment = Environment::default();
    for document in documents {
        for platform in document.get("platforms").map(Node::items).unwrap_or_default() {
            if let Some(image) =
                platform.get("image").filter(|i| matches!(i.kind(), Kind::Scalar { .. }))
            {
                self::image(image, &mut environment, audit);
            }
            if let Some(name) = platform.get("box").and_then(Node::text) {
                let version = platform.get("box_version").and_then(Node::text).unwrap_or_default();
                let at = platform.get("box").unwrap_or(platform);
                let strength = classify::version(Ecosystem::MachineImage, version);
                let strength = if name.contains("://") { Strength::None } else { strength };
                let place = audit.place(
                    at.fragment()
                        .map_or_else(|| at.range(), crate::pins::span::Fragment::raw_whole),
                );
                let input = Input::new(Ecosystem::MachineImage, name, strength, place);
                audit.push(input.requesting(version));
            }
        }
    }
}
