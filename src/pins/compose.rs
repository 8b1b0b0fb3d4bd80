//! Carrier: Compose files (compose-spec), and the stacks of swarms that look the same.
//!
//! What it takes for an input: the images of services (not the names of what a service builds
//! itself), images that build arguments put into the `FROM` of the service's own Dockerfile, build
//! contexts from elsewhere, inline Dockerfiles, included files from elsewhere, and what commands
//! install. `${VAR:-default}` is resolved by its default and by the `.env` beside the file.

use super::audit::Audit;
use super::carrier::Carrier;
use super::classify;
use super::dockerfile;
use super::environment::{Constant, Environment};
use super::image::ImageRef;
use super::input::Origin;
use super::repository::{self, SourceFile};
use super::shell::{self, Dialect, Expanded};
use super::span::{Fragment, FragmentBuilder};
use super::steps::Stage;
use super::strength::Ecosystem;
use super::yaml::{self, Kind, Node};
use std::sync::Arc;

/// Compose files.
pub const CARRIER: Carrier = Carrier {
    name: "compose",
    summary: "Compose files: compose.yaml, docker-compose*.yml, docker-stack.yml",
    recognises,
    read,
};

/// How their names begin; behind it come an ending or `-`, `.`, `_` and a word.
const NAMES: &[&str] =
    &["docker-compose", "compose", "podman-compose", "docker-stack", "container-compose"];

fn recognises(path: &str, head: &[u8]) -> bool {
    let name = repository::file_name(path).to_ascii_lowercase();
    let Some(stem) = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml")) else {
        return false;
    };
    let named = NAMES.iter().any(|own| {
        stem.strip_prefix(own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', '_']))
            || stem.strip_suffix(own).is_some_and(|rest| rest.ends_with(['-', '.', '_']))
    });
    let sure =
        name.contains("docker-compose") || ["compose.yml", "compose.yaml"].contains(&name.as_str());
    let has = |word: &[u8]| head.split(|byte| *byte == b'\n').any(|line| line.starts_with(word));
    named && (sure || has(b"services:") || has(b"include:"))
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let mut variables = Environment::default();
    for (name, constant) in dot_env(audit, file) {
        variables.set(&name, constant);
    }
    for document in yaml::parse(&file.fragment()).report(audit) {
        for entry in document.get("include").map(Node::items).unwrap_or_default() {
            let paths = entry.get("path").unwrap_or(entry);
            let paths =
                if paths.is_sequence() { paths.items() } else { std::slice::from_ref(paths) };
            let mut stage = Stage::new(audit);
            for path in paths {
                stage.remote(path);
            }
        }
        for (_, service) in document.get("services").map(Node::pairs).unwrap_or_default() {
            let environment = variables.clone();
            Stage { audit: &mut *audit, environment }.service(service);
        }
    }
}

/// Variables of a `.env`: each is looked up by name, and kept with its place.
const MAX_VARIABLES: usize = 10_000;

/// What an image costs that a service's Dockerfile starts from: thousands of services may build the
/// same long one.
const FROM_COST: usize = 1024;

/// The variables of the `.env` beside the file.
fn dot_env(audit: &mut Audit<'_>, file: &SourceFile) -> Vec<(String, Constant)> {
    let Some(path) = repository::resolve(&file.path, ".env") else { return Vec::new() };
    let read = |audit: &mut Audit<'_>| {
        let fragment = audit.file().fragment();
        let (mut found, mut at) = (Vec::new(), 0_usize);
        for line in fragment.text().split_inclusive('\n') {
            if found.len() == MAX_VARIABLES {
                break;
            }
            let start = at;
            at = at.saturating_add(line.len());
            let body = line.trim_start().strip_prefix("export ").unwrap_or(line);
            let Some((name, value)) =
                body.split_once('=').filter(|_| !body.trim().starts_with('#'))
            else {
                continue;
            };
            let value = value.trim();
            let bare = value.trim_matches(['"', '\'']);
            let offset = line.rfind(bare).unwrap_or(0);
            let from = start.saturating_add(offset);
            let text = fragment.slice(from..from.saturating_add(bare.len()));
            let place = Some(audit.place(text.raw_whole()));
            let name = name.trim();
            let origin = Origin { name: format!(".env {name}"), place, overridable: true };
            let file = Arc::clone(&audit.file().path);
            let constant = Constant { values: vec![text], file, origin, element: false };
            found.push((name.to_owned(), constant));
        }
        found
    };
    audit.follow(&path, read).unwrap_or_default()
}

impl Stage<'_, '_> {
    fn service(&mut self, service: &Node) {
        let build = service.get("build").filter(|build| !build.is_null());
        if let Some(build) = build {
            self.build(build);
        } else if let Some(image) = service.get("image") {
            self.image(image);
        }
        for key in ["entrypoint", "command"] {
            if let Some(command) = service.get(key) {
                self.compose_command(command);
            }
        }
    }

    /// How a service's own image is built.
    fn build(&mut self, build: &Node) {
        let context = build.get("context").unwrap_or(build);
        if context.fragment().is_some() {
            self.remote(context);
        }
        for (_, extra) in entries(build.get("additional_contexts")) {
            let text = extra.text().to_owned();
            if let Some(image) = text.strip_prefix("docker-image://") {
                let from = text.len().saturating_sub(image.len());
                let word = Expanded::plain(extra.slice(from..text.len()));
                shell::image(&word, &mut self.environment, self.audit);
            } else {
                self.remote_word(&extra);
            }
        }
        if let Some(inline) = build.get("dockerfile_inline").and_then(Node::fragment) {
            dockerfile::audit_text(&undoubled(inline), self.audit);
        }
        let arguments = entries(build.get("args"));
        if !arguments.is_empty() {
            let folder = context.text().unwrap_or(".");
            let name = build.get("dockerfile").and_then(Node::text).unwrap_or("Dockerfile");
            self.build_arguments(folder, name, &arguments);
        }
    }

    /// Arguments that decide which image the service's Dockerfile starts from. `folder` is relative
    /// to the file, `name` to the folder.
    pub(super) fn build_arguments(
        &mut self,
        folder: &str,
        name: &str,
        arguments: &[(String, Fragment)],
    ) {
        let own = Arc::clone(&self.audit.file().path);
        let Some(path) = repository::resolve(&own, &format!("{folder}/{name}")) else { return };
        // The same Dockerfile may be built by thousands of services.
        if !self.audit.spend(FROM_COST) {
            return;
        }
        let Some(bytes) = self.audit.repository().read(&path) else { return };
        if !self.audit.spend(bytes.len()) {
            return;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let before = self.environment.constants_only();
        let mut resolved = Vec::new();
        for (name, value) in arguments {
            let word = shell::expand_value(value, &self.environment, &own);
            resolved.push((name, word));
        }
        for (name, word) in &resolved {
            self.constant("build argument", name, &word.fragment);
        }
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if !words.next().is_some_and(|word| word.eq_ignore_ascii_case("from")) {
                continue;
            }
            let image = words.find(|word| !word.starts_with("--")).unwrap_or_default();
            let used = resolved.iter().find(|(name, _)| {
                image.contains(&format!("${name}")) || image.contains(&format!("${{{name}"))
            });
            let Some((_, word)) = used else { continue };
            if !self.audit.spend(FROM_COST) {
                break;
            }
            let template = Fragment::opaque(image, word.range.clone());
            let image = shell::expand_value(&template, &self.environment, &own);
            let at = Expanded { range: word.range.clone(), origin: word.origin.clone(), ..image };
            shell::image(&at, &mut self.environment, self.audit);
        }
        self.environment.restore_constants(&before);
    }

    /// A string is split like a shell would, a list is run as it is.
    fn compose_command(&mut self, command: &Node) {
        match command.kind() {
            Kind::Scalar { fragment, .. } => self.run(&undoubled(fragment), Dialect::Posix),
            Kind::Sequence(words) => {
                let words: Vec<Fragment> =
                    words.iter().filter_map(|word| word.fragment().map(undoubled)).collect();
                self.words(&words);
            }
            Kind::Mapping(_) => {}
        }
    }

    /// A repository (`https://host/a.git#ref:folder`) in place of a folder of this one.
    fn remote(&mut self, node: &Node) {
        if let Some(fragment) = node.fragment() {
            self.remote_word(fragment);
        }
    }

    fn remote_word(&mut self, fragment: &Fragment) {
        let text = fragment.text().trim();
        if text.starts_with("oci://") {
            let image = ImageRef::parse(text);
            let (strength, requested) = (image.strength(), image.requested());
            let input = self.input(Ecosystem::Image, image.name, strength, fragment.raw_whole());
            self.audit.push(input.requesting(&requested));
            return;
        }
        let remote = ["https://", "http://", "git://", "ssh://", "git@", "github.com/"];
        if !remote.iter().any(|scheme| text.starts_with(scheme)) {
            return;
        }
        let (address, reference) = text.split_once('#').unwrap_or((text, ""));
        let reference = reference.split(':').next().unwrap_or_default();
        let strength = classify::git_ref(reference);
        let input = self.input(Ecosystem::Git, address, strength, fragment.raw_whole());
        self.audit.push(input.requesting(reference));
    }
}

/// Names and values of a mapping, or of a list of `NAME=value`.
pub(super) fn entries(node: Option<&Node>) -> Vec<(String, Fragment)> {
    let Some(node) = node else { return Vec::new() };
    let from_pairs = node.pairs().iter().filter_map(|(key, value)| {
        Some((key.text()?.to_owned(), value.fragment().filter(|_| !value.is_null())?.clone()))
    });
    let from_items = node.items().iter().filter_map(|item| {
        let fragment = item.fragment()?;
        let (name, value) = fragment.text().split_once('=')?;
        let from = fragment.text().len().saturating_sub(value.len());
        Some((name.to_owned(), fragment.slice(from..fragment.text().len())))
    });
    from_pairs.chain(from_items).collect()
}

/// `$$` is a dollar that Compose leaves alone.
fn undoubled(fragment: &Fragment) -> Fragment {
    let text = fragment.text();
    if !text.contains("$$") {
        return fragment.clone();
    }
    let mut builder = FragmentBuilder::default();
    let mut done = 0_usize;
    for (at, _) in text.match_indices("$$") {
        let end = at.saturating_add(2);
        builder.append_range(fragment, done..at);
        builder.replaced("$", fragment.raw_range(at..end));
        done = end;
    }
    builder.append_range(fragment, done..text.len());
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        check_files(&CARRIER, &[("compose.yaml", text)], expected);
    }

    #[test]
    fn services() {
        check(
            "services:\n  a:\n    image: redis\n  b:\n    build: .\n    image: own/b\n  c:\n    image: ${IMG:-nginx:1.25}\n  d: {image: 'x/y:${TAG}', command: [sh, -c, 'pip install $$x z==1.0']}\n",
            &[
                "container-image redis none @redis",
                "container-image nginx floating @${IMG:-nginx:1.25}",
                "container-image x/y unknown @x/y:${TAG}",
                "pip $$x unknown @$$x",
                "pip z exact @z==1.0",
            ],
        );
        check(
            "x-a: &a\n  image: debian:12\nservices:\n  a: *a\n  b: {<<: *a}\ninclude:\n- oci://e.org/c:1\n- https://e.org/x.git#main:sub\n- other.yaml\n",
            &[
                "container-image debian floating @debian:12",
                "container-image debian floating @debian:12",
                "container-image e.org/c floating @oci://e.org/c:1",
                "git https://e.org/x.git none @https://e.org/x.git#main:sub",
            ],
        );
    }

    #[test]
    fn builds() {
        let digest = "0123456789abcdef".repeat(4);
        check_files(
            &CARRIER,
            &[
                (
                    "compose.yaml",
                    &format!(
                        "services:\n  a:\n    build:\n      context: app\n      args:\n        BASE: debian:12\n        TAG: ${{T}}\n        OTHER: latest\n      additional_contexts: [x=docker-image://alpine@sha256:{digest}]\n  b:\n    build:\n      dockerfile_inline: |\n        FROM debian\n        RUN apk add curl\n"
                    ),
                ),
                ("app/Dockerfile", "ARG BASE=x\nFROM ${BASE} AS a\nFROM --platform=x y:$TAG\n"),
                (".env", "# c\nT=1.2.3\n"),
            ],
            &[
                "container-image debian floating @debian:12",
                "container-image y exact @${T}",
                &format!("container-image alpine content @alpine@sha256:{digest}"),
                "container-image debian none @debian",
                "apk curl none @curl",
            ],
        );
    }

    #[test]
    fn services_that_build_the_same_are_bounded() {
        let service =
            |number: usize| format!("  s{number}:\n    build: {{context: ., args: {{A: b}}}}\n");
        let compose = format!("services:\n{}", (0..200).map(service).collect::<String>());
        let dockerfile = format!("ARG A\n{}", "FROM x:$A\n".repeat(100));
        let files = [("compose.yaml", compose.as_str()), ("Dockerfile", dockerfile.as_str())];
        let repository = crate::pins::Repository::of_files(
            files.iter().map(|(path, text)| (*path, text.as_bytes())),
        );
        let file = SourceFile::new("compose.yaml", compose.as_bytes());
        let collected = crate::pins::walk::audit_source(&file, &CARRIER, &repository);
        assert!(collected.gaps.iter().any(|gap| gap.reason.contains("too much work")));
    }
}
