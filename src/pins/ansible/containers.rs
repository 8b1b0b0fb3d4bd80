//! Modules of container engines and Kubernetes, and machines of clouds.

use super::arguments::Arguments;
use super::tasks::Tasks;
use crate::pins::classify;
use crate::pins::hcl::value::Text;
use crate::pins::resource::{made, texts};
use crate::pins::span::UNKNOWN;
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{self, Kind, Node};

/// Objects in objects of a definition.
const MAX_DEPTH: usize = 24;

impl Tasks<'_, '_> {
    /// `docker_container`, `podman_container`, a swarm's service.
    pub(super) fn container(&mut self, arguments: &Arguments) {
        let state = self.word(arguments, &["state"]);
        if ["absent", "stopped"].contains(&state.as_str()) {
            return;
        }
        let Some(node) = arguments.get(&["image"]).cloned() else { return };
        for image in self.texts(&node) {
            self.host().image(&image, None, &node.range());
        }
    }

    /// `docker_image`, `podman_image`: pulled unless it is built or loaded.
    pub(super) fn container_image(&mut self, arguments: &Arguments) {
        let source = self.word(arguments, &["source"]);
        let local = ["build", "load", "local"].contains(&source.as_str());
        let built = ["build", "path", "load_path", "archive_path"]
            .iter()
            .any(|key| arguments.get(&[key]).is_some_and(|node| !node.is_null()));
        if self.is_removal(arguments) || local || (built && source != "pull") {
            return;
        }
        if self.word(arguments, &["state"]) == "build" {
            return;
        }
        let Some(node) = arguments.get(&["name"]).cloned() else { return };
        let tag = self.text(arguments, &["tag"]).map(|(text, _)| text);
        for image in self.texts(&node) {
            self.host().image(&image, tag.as_ref(), &node.range());
        }
    }

    /// Services that stand in the task itself.
    pub(super) fn compose(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        if let Some(definition) = arguments.get(&["definition"]).cloned() {
            self.images_below(&definition, 0);
        }
    }

    /// `image` of every object of a definition.
    fn images_below(&mut self, node: &Node, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let below = depth.saturating_add(1);
        match node.kind() {
            Kind::Mapping(pairs) => {
                for (key, value) in pairs {
                    match value.kind() {
                        Kind::Scalar { .. } if key.text() == Some("image") => {
                            for image in self.texts(value) {
                                self.host().image(&image, None, &value.range());
                            }
                        }
                        Kind::Scalar { .. } => {}
                        _ => self.images_below(value, below),
                    }
                }
            }
            Kind::Sequence(items) => {
                for item in items {
                    self.images_below(item, below);
                }
            }
            Kind::Scalar { fragment, .. } if depth == 0 => {
                // A manifest as text.
                if fragment.text().contains("image:") {
                    for document in yaml::parse_verbatim(fragment).documents {
                        self.images_below(&document, 1);
                    }
                }
            }
            Kind::Scalar { .. } => {}
        }
    }

    /// A manifest that stands in the task, or one by URL.
    pub(super) fn manifest(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        let definition = arguments.get(&["definition", "resource_definition", "inline"]);
        if let Some(definition) = definition.cloned() {
            self.images_below(&definition, 0);
        }
        let Some((url, range)) = self.text(arguments, &["src"]) else { return };
        if url.text().contains("://") {
            self.command_of(&["kubectl", "apply", "-f"], url, &range);
        }
    }

    fn command_of(&mut self, front: &[&str], last: Text, range: &std::ops::Range<usize>) {
        let start = last.fragment.raw_whole().start;
        let file = std::sync::Arc::clone(&last.file);
        let word = |text: &&str| Text::new(made(text, &(start..start)), &file);
        let words: Vec<Text> = front.iter().map(word).chain([last]).collect();
        self.host().words(&words, range);
    }

    /// `helm`: a chart of a repository by its version.
    pub(super) fn helm(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        let Some((chart, range)) = self.text(arguments, &["chart_ref", "chart"]) else { return };
        let version = self.word(arguments, &["chart_version", "version"]);
        let source = self.word(arguments, &["chart_repo_url"]);
        let text = chart.text();
        let local = text.starts_with(['/', '.', '~'])
            || text.ends_with(".tgz") && !text.contains("://")
            || text.starts_with(UNKNOWN) && version.is_empty() && source.is_empty();
        if local || !text.contains('/') && source.is_empty() {
            return;
        }
        let mut front = vec!["helm", "install", "release"];
        if !source.is_empty() {
            front.extend(["--repo", source.as_str()]);
        }
        if !version.is_empty() {
            front.extend(["--version", version.as_str()]);
        }
        self.command_of(&front, chart, &range);
    }

    pub(super) fn helm_plugin(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        let Some((plugin, range)) = self.text(arguments, &["plugin_path"]) else { return };
        if plugin.text().contains("://") {
            let version = self.word(arguments, &["plugin_version", "version"]);
            let mut front = vec!["helm", "plugin", "install"];
            if !version.is_empty() {
                front.extend(["--version", version.as_str()]);
            }
            self.command_of(&front, plugin, &range);
        }
    }

    /// The machine image of an instance: an id is its content.
    pub(super) fn ec2(&mut self, arguments: &Arguments) {
        if self.is_removal(arguments) {
            return;
        }
        let image = arguments.get(&["image_id"]).or_else(|| {
            let image = arguments.get(&["image"])?;
            image.get("id").or(Some(image).filter(|image| !image.is_mapping()))
        });
        let Some(node) = image.cloned() else { return };
        for text in self.texts(&node) {
            let strength = if text.text().starts_with("ami-") && !classify::is_unknown(text.text())
            {
                Strength::Content
            } else if classify::is_unknown(text.text()) {
                Strength::Unknown
            } else {
                Strength::Floating
            };
            let range = node.range();
            self.host().input(Ecosystem::MachineImage, &text, "", strength, &range, None);
        }
    }

    /// A search for machine images: a pattern finds whatever is newest.
    pub(super) fn ec2_images(&mut self, arguments: &Arguments) {
        let filters = arguments.get(&["filters"]).and_then(|filters| filters.get("name")).cloned();
        let Some(node) = filters else { return };
        let value = self.value(&node);
        for name in texts(&value, &self.audit.file().path.clone(), &node.range()) {
            let pattern = name.text().contains(['*', '?']);
            let strength = if pattern { Strength::Floating } else { Strength::Exact };
            let strength = if classify::is_unknown(name.text()) && !pattern {
                Strength::Unknown
            } else {
                strength
            };
            let note =
                pattern.then_some("the search finds another image when a newer one is there");
            let range = node.range();
            self.host().input(Ecosystem::MachineImage, &name, "", strength, &range, note);
        }
    }

    /// Azure: `image: {offer, publisher, sku, version}`.
    pub(super) fn azure_machine(&mut self, arguments: &Arguments) {
        let Some(image) = arguments.get(&["image"]).filter(|image| image.is_mapping()) else {
            return;
        };
        let Some(version) = image.get("version").cloned() else { return };
        let offer = image.get("offer").map(|node| self.text_of(node)).unwrap_or_default();
        for text in self.texts(&version) {
            let strength = classify::version(Ecosystem::Tool, text.text());
            let requested = text.text().to_owned();
            let fragment = made(&offer, &text.fragment.raw_whole());
            let subject = Text { fragment, ..text };
            let range = version.range();
            self.host().input(
                Ecosystem::MachineImage,
                &subject,
                &requested,
                strength,
                &range,
                None,
            );
        }
    }
}
