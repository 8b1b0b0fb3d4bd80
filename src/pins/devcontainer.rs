//! Carrier: development containers (containers.dev): the image, features with their lock and the
//! versions that they are asked for, arguments of the build, and the commands of the life cycle.

use super::audit::Audit;
use super::carrier::Carrier;
use super::compose::entries;
use super::image::ImageRef;
use super::input::{Credit, Input};
use super::repository::{self, SourceFile};
use super::shell::Dialect;
use super::span::Fragment;
use super::steps::{self, Stage};
use super::strength::{Ecosystem, Strength};
use super::yaml::{self, Kind, Node};

/// `devcontainer.json`.
pub const CARRIER: Carrier = Carrier {
    name: "devcontainer",
    summary: "development containers: devcontainer.json",
    recognises: |path, _| {
        ["devcontainer.json", ".devcontainer.json"].contains(&repository::file_name(path))
    },
    read,
};

/// Commands, in the order in which they run.
const COMMANDS: &[&str] = &[
    "initializeCommand",
    "onCreateCommand",
    "updateContentCommand",
    "postCreateCommand",
    "postStartCommand",
    "postAttachCommand",
];

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let lock = locked(file, audit);
    for document in yaml::json(&file.fragment()).report(audit) {
        let mut stage = Stage::new(audit);
        if let Some(image) = document.get("image") {
            stage.image(image);
        }
        for (name, options) in document.get("features").map(Node::pairs).unwrap_or_default() {
            stage.feature(name, options, lock.as_ref());
        }
        if let Some(build) = document.get("build") {
            let arguments = entries(build.get("args"));
            let name = build.any(&["dockerfile", "dockerFile"]).and_then(Node::text);
            if let Some(name) = name.filter(|_| !arguments.is_empty()) {
                // It is named from here; the context only says what it copies.
                stage.build_arguments(".", name, &arguments);
            }
        }
        stage.constants("containerEnv", document.get("containerEnv"));
        for key in COMMANDS {
            if let Some(command) = document.get(key) {
                stage.command(command);
            }
        }
    }
}

/// The lock beside the file.
fn locked(file: &SourceFile, audit: &Audit<'_>) -> Option<Node> {
    let hidden = file.name().starts_with('.');
    let name = if hidden { ".devcontainer-lock.json" } else { "devcontainer-lock.json" };
    let path = repository::resolve(&file.path, name)?;
    let bytes = audit.repository().read(&path)?;
    let document = yaml::json(&Fragment::of_file(&bytes)).documents.into_iter().next()?;
    document.get("features").cloned()
}

impl Stage<'_, '_> {
    /// A command line, a list of words, or several of either by name.
    fn command(&mut self, command: &Node) {
        match command.kind() {
            Kind::Scalar { fragment, .. } => self.run(fragment, Dialect::Posix),
            Kind::Sequence(words) => {
                let words: Vec<Fragment> =
                    words.iter().filter_map(|word| word.fragment().cloned()).collect();
                self.words(&words);
            }
            Kind::Mapping(pairs) => {
                for (_, value) in pairs.iter().filter(|(_, value)| !value.is_mapping()) {
                    self.command(value);
                }
            }
        }
    }

    /// A feature: an artifact of a registry, and which version of its tool it shall install.
    fn feature(&mut self, name: &Node, options: &Node, lock: Option<&Node>) {
        let Some(fragment) = name.fragment() else { return };
        let text = fragment.text();
        if text.starts_with(['.', '/']) {
            return;
        }
        let reference = ImageRef::parse(text);
        let strength = if text.starts_with("https://") {
            super::classify::url(text)
        } else {
            reference.strength()
        };
        let subject = if text.contains("://") { text } else { reference.name };
        let mut input = self
            .input(Ecosystem::Plugin, subject, strength, fragment.raw_whole())
            .requesting(&reference.requested());
        if let Some(lock) = lock {
            hold(&mut input, lock, text);
        }
        self.audit.push(input);
        let tool = reference.name.rsplit('/').next().unwrap_or_default().to_owned();
        let version = if options.is_mapping() { options.get("version") } else { Some(options) };
        let version = version.and_then(Node::fragment);
        if let Some(version) =
            version.filter(|v| !["", "none", "os-provided", "system"].contains(&v.text()))
        {
            let strength = steps::tool_version(version.text());
            let input = self.input(Ecosystem::Tool, &tool, strength, version.raw_whole());
            self.audit.push(input.requesting(version.text()));
        }
    }
}

/// What the lock says of a feature.
fn hold(input: &mut Input, lock: &Node, name: &str) {
    let entry = lock.get(name);
    let resolved = entry.and_then(|entry| entry.get("resolved")).and_then(Node::text);
    if let Some(resolved) = resolved.filter(|resolved| resolved.contains("@sha256:")) {
        let why = format!("devcontainer-lock.json holds {resolved}");
        input.credit = Some(Credit { strength: Strength::Content, why });
    } else if entry.is_none() {
        input.rule = "pins/lock";
        input.strength = input.strength.min(Strength::Range);
        input.note = Some("devcontainer-lock.json is stale: it does not have it".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[test]
    fn containers() {
        let text = "// editor's own\n{\n  \"image\": \"mcr.example.org/base:1-bookworm\",\n  \"features\": {\n    \"ghcr.io/a/features/node:1\": {\"version\": \"lts\"},\n    \"ghcr.io/a/features/go:1.2.3\": \"1.22.1\",\n    \"./own\": {},\n  },\n  \"postCreateCommand\": \"pip install x && npm ci\",\n  \"onCreateCommand\": {\"a\": [\"apt-get\", \"install\", \"curl\"]}\n}\n";
        check_files(
            &CARRIER,
            &[(".devcontainer/devcontainer.json", text)],
            &[
                "container-image mcr.example.org/base floating @mcr.example.org/base:1-bookworm",
                "plugin ghcr.io/a/features/node floating @ghcr.io/a/features/node:1",
                "tool node floating @lts",
                "plugin ghcr.io/a/features/go exact @ghcr.io/a/features/go:1.2.3",
                "tool go exact @1.22.1",
                "pip x none @x",
                "npm ci content @ci",
                "apt curl none @curl",
            ],
        );
    }

    #[test]
    fn locks() {
        let text = "{\"features\": {\"ghcr.io/a/b:1\": {}, \"ghcr.io/a/c:1\": {}}}";
        let lock = "{\"features\": {\"ghcr.io/a/b:1\": {\"version\": \"1.2.3\", \"resolved\": \"ghcr.io/a/b@sha256:00\"}}}";
        check_files(
            &CARRIER,
            &[("devcontainer.json", text), ("devcontainer-lock.json", lock)],
            &[
                "plugin ghcr.io/a/b content @ghcr.io/a/b:1",
                "plugin ghcr.io/a/c floating @ghcr.io/a/c:1",
            ],
        );
    }
}
