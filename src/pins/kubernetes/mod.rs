//! Carriers: Kubernetes manifests, Kustomize, Helm.
//!
//! A manifest is recognised by what it says (`apiVersion` and `kind` at its top), not by where it
//! lies. Images are found by structure, so that custom resources count as well: whatever has
//! `containers`, and a scalar `image` anywhere in a specification. Commands that are literal are
//! read, and so are scripts in config maps, user-data of virtual machines, and the sources that
//! Argo CD's and Flux's resources name.
//!
//! A file with Go templates in it (a chart's) is no YAML before it is rendered: what does not parse
//! of it is no damage.

mod delivery;
mod helm;
mod kustomize;

pub use helm::{CHART, HELMFILE, VALUES};
pub use kustomize::CARRIER as KUSTOMIZE;

use super::audit::Audit;
use super::carrier::Carrier;
use super::cloud_init;
use super::repository::{self, SourceFile};
use super::shell::Dialect;
use super::span::{Fragment, UNKNOWN};
use super::steps::Stage;
use super::yaml::{self, Kind, Node};

/// Manifests.
pub const CARRIER: Carrier = Carrier {
    name: "kubernetes",
    summary: "Kubernetes manifests: YAML or JSON with apiVersion and kind",
    recognises,
    read,
};

/// The tree below a document is walked no deeper: pods lie within ten levels of it.
const MAX_DEPTH: usize = 24;

/// Kinds that describe images or hold texts, and run nothing.
const INERT: &[&str] = &["CustomResourceDefinition", "Secret", "ImagePolicy", "ImageRepository"];

fn recognises(path: &str, head: &[u8]) -> bool {
    match repository::extension(path) {
        Some("yaml" | "yml") => {
            let starts = |line: &[u8], word: &[u8]| {
                let line = line.strip_prefix(b"- ").unwrap_or(line);
                line.starts_with(word)
            };
            let has =
                |word: &[u8]| head.split(|byte| *byte == b'\n').any(|line| starts(line, word));
            has(b"apiVersion:") && has(b"kind:")
        }
        Some("json") => {
            let text = String::from_utf8_lossy(head);
            text.trim_start().starts_with('{')
                && text.contains("\"apiVersion\"")
                && text.contains("\"kind\"")
        }
        _ => false,
    }
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let fragment = file.fragment();
    let json = repository::extension(&file.path) == Some("json");
    let mut stream = if json { yaml::json(&fragment) } else { yaml::parse(&fragment) };
    if json && stream.documents.is_empty() && fragment.text().len() <= yaml::MAX_NOTATION {
        // Several objects one after the other, as kubectl takes them.
        let objects = objects(fragment.text());
        let parts = objects.into_iter().map(|range| yaml::parse(&fragment.slice(range)));
        let parts: Vec<yaml::Stream> = parts.collect();
        if parts.len() > 1 && parts.iter().all(|part| part.faults.is_empty()) {
            let documents = parts.into_iter().flat_map(|part| part.documents).collect();
            stream = yaml::Stream { documents, faults: Vec::new() };
        }
    }
    let documents =
        if fragment.text().contains("{{") { stream.documents } else { stream.report(audit) };
    for document in documents {
        resource(&document, audit, 0);
    }
}

/// Where objects begin and end that stand one after the other, each brace on a line of its own.
fn objects(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut starts = vec![0];
    starts.extend(text.match_indices("\n{").map(|(at, _)| at.saturating_add(1)));
    let ends = starts.iter().skip(1).copied().chain([text.len()]).collect::<Vec<_>>();
    starts.into_iter().zip(ends).map(|(start, end)| start..end).collect()
}

/// Audits manifests that another file carries; their raw ranges count in [`Audit::file`].
pub(super) fn audit_text(text: &Fragment, audit: &mut Audit<'_>) {
    for document in yaml::parse(text).documents {
        resource(&document, audit, 0);
    }
}

/// Audits the values that another file gives a Helm chart, like [`audit_text`].
pub(super) fn audit_values(text: &Fragment, audit: &mut Audit<'_>) {
    helm::given_values(text, audit);
}

/// One object, or a list of them.
fn resource(object: &Node, audit: &mut Audit<'_>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let depth = depth.saturating_add(1);
    for item in
        object.items().iter().chain(object.get("items").map(Node::items).unwrap_or_default())
    {
        if item.get("kind").is_some() {
            resource(item, audit, depth);
        }
    }
    let kind = object.get("kind").and_then(Node::text).unwrap_or_default();
    if INERT.contains(&kind) {
        return;
    }
    if kind == "ConfigMap" {
        scripts(object.get("data"), audit);
        return;
    }
    delivery::sources(object, kind, audit);
    for (key, value) in object.pairs() {
        let inert = ["metadata", "status", "data", "items", "apiVersion", "kind"];
        if !key.text().is_some_and(|key| inert.contains(&key)) {
            walk(value, key.text().unwrap_or_default(), audit, depth);
        }
    }
}

/// Scripts that lie in a config map.
fn scripts(data: Option<&Node>, audit: &mut Audit<'_>) {
    for (key, value) in data.map(Node::pairs).unwrap_or_default() {
        let Some(text) = value.fragment() else { continue };
        let named = key.text().is_some_and(|key| key.ends_with(".sh"));
        if named || super::script::is_shell_script(text.text().as_bytes()) {
            Stage::new(audit).run(text, Dialect::Posix);
        }
    }
}

/// Looks for containers, images and commands below a node that stands under `name`.
fn walk(node: &Node, name: &str, audit: &mut Audit<'_>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let depth = depth.saturating_add(1);
    for item in node.items() {
        walk(item, name, audit, depth);
    }
    if !node.is_mapping() {
        return;
    }
    // What a manifest says of other manifests' schemas and of pictures is no image.
    if ["metadata", "annotations", "labels", "openAPIV3Schema", "icon"].contains(&name) {
        return;
    }
    let mut stage = Stage::new(audit);
    stage.container(node);
    for (key, value) in node.pairs() {
        let key = key.text().unwrap_or_default();
        match value.kind() {
            Kind::Scalar { fragment, .. } => {
                if ["userData", "cloudInitUserData"].contains(&key) {
                    let mut stage = Stage::new(audit);
                    let machine = &mut stage.environment;
                    cloud_init::audit_user_data(fragment, None, machine, stage.audit);
                }
            }
            Kind::Sequence(lines) if key.ends_with("KubeadmCommands") => {
                for line in lines {
                    Stage::new(audit).script(line, Dialect::Posix);
                }
            }
            _ => walk(value, key, audit, depth),
        }
    }
}

impl Stage<'_, '_> {
    /// A container, or anything else that names an image beside what is run in it.
    fn container(&mut self, node: &Node) {
        if let Some(image) = node.get("image") {
            match image.kind() {
                Kind::Scalar { fragment, .. } if is_image(fragment.text()) => {
                    self.plain_image(fragment);
                }
                Kind::Mapping(_) => {
                    if let Some(reference) = image.get("reference").and_then(Node::fragment) {
                        self.plain_image(reference);
                    }
                    helm::image_of(image, self);
                }
                _ => {}
            }
        }
        for variable in node.get("env").map(Node::items).unwrap_or_default() {
            let value = variable.get("value").and_then(Node::fragment);
            if let (Some(name), Some(value)) = (variable.get("name").and_then(Node::text), value) {
                self.constant("env", name, value);
            }
        }
        // Tekton's and Argo's steps.
        if let Some(script) = node.get("script").or_else(|| node.get("source"))
            && node.get("image").is_some()
            && let Some(text) = script.fragment()
            && (!text.text().starts_with("#!")
                || super::script::is_shell_script(text.text().as_bytes()))
        {
            self.run(text, Dialect::Posix);
        }
        let words = |key: &str| -> Vec<Fragment> {
            let list = node.get(key).map(Node::items).unwrap_or_default();
            list.iter().filter_map(|word| word.fragment().cloned()).collect()
        };
        let mut command = words("command");
        let runs = !command.is_empty();
        command.extend(words("args"));
        // Arguments alone are those of a program that the image names.
        if runs {
            self.words(&command);
        }
    }

    /// An image as it is written: Kubernetes resolves nothing in it.
    pub(super) fn plain_image(&mut self, fragment: &Fragment) {
        if !fragment.text().trim().is_empty() {
            let word = super::shell::Expanded::plain(fragment.clone());
            super::shell::image(&word, &mut self.environment, self.audit);
        }
    }
}

/// Whether a word can be an image: names in lower case, a tag, a digest; no URL, no picture.
fn is_image(word: &str) -> bool {
    let word = word.trim();
    let name = word.split('@').next().unwrap_or_default();
    let path = name.rsplit_once('/').map_or(name, |(_, last)| last);
    let bare = path.split(':').next().unwrap_or_default();
    let pictures =
        [".png", ".svg", ".jpg", ".jpeg", ".gif", ".ico", ".qcow2", ".iso", ".img", ".raw"];
    !word.is_empty()
        && !word.contains("://")
        && !word.contains(char::is_whitespace)
        && !pictures.iter().any(|ending| word.ends_with(ending))
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-/:@+$(){}".contains(c) || c == UNKNOWN)
        && !bare.is_empty()
        && word.contains(|c: char| c.is_ascii_alphabetic() || c == UNKNOWN)
        && !["true", "false", "null", "~"].contains(&word)
        && !word.starts_with(['/', '.', '-', ':', '@'])
        && !word.contains("$(")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        check_files(&CARRIER, &[("k8s/app.yaml", text)], expected);
    }

    #[test]
    fn pods_wherever_they_are() {
        check(
            "apiVersion: batch/v1\nkind: CronJob\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          initContainers:\n          - {name: i, image: busybox}\n          containers:\n          - name: c\n            image: registry:5000/a/b:1.2.3\n            command: [sh, -c]\n            args: ['apt-get install -y curl']\n            env: [{name: V, value: '1.0'}]\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, spec: {containers: [{image: 'nginx:latest', args: [pip, install, x]}]}}\n",
            &[
                "container-image busybox none @busybox",
                "container-image registry:5000/a/b exact @registry:5000/a/b:1.2.3",
                "apt curl none @curl",
                "container-image nginx none @nginx:latest",
            ],
        );
        check(
            "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nspec:\n  image: quay.io/prometheus/prometheus:v2.53.0\n  logo: {image: https://e.org/a.png}\n",
            &[
                "container-image quay.io/prometheus/prometheus exact @quay.io/prometheus/prometheus:v2.53.0",
            ],
        );
        check(
            "apiVersion: v1\nkind: ConfigMap\ndata:\n  image: nginx\n  a.sh: |\n    pip install x\n---\nkind: CustomResourceDefinition\napiVersion: v1\nspec: {image: x}\n",
            &["pip x none @x"],
        );
    }

    #[test]
    fn templates_are_no_damage() {
        check(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  {{- include \"x\" . | nindent 4 }}\nspec:\n  containers:\n  - image: \"{{ .Values.image }}:{{ .Values.tag }}\"\n  - image: busybox:1\n",
            &[
                "container-image {{ .Values.image }}:{{ .Values.tag }} unknown @{{ .Values.image }}:{{ .Values.tag }}",
                "container-image busybox floating @busybox:1",
            ],
        );
        check("apiVersion: v1\nkind: Pod\nspec:\n  {{ if .x }}\n a: [\n", &[]);
    }

    #[test]
    fn objects_may_follow_each_other() {
        check_files(
            &CARRIER,
            &[(
                "a.json",
                "{\n \"apiVersion\": \"v1\", \"kind\": \"Pod\",\n \"spec\": {\"containers\": [{\"image\": \"nginx\"}]}\n}\n{\n \"kind\": \"Pod\", \"spec\": {\"image\": \"4\"}\n}\n",
            )],
            &["container-image nginx none @nginx"],
        );
    }

    #[test]
    fn other_yaml_is_left_alone() {
        let check = |path: &str, head: &str, expected: bool| {
            assert_eq!(recognises(path, head.as_bytes()), expected, "{path}");
        };
        check("a.yaml", "# c\napiVersion: v1\nkind: Pod\n", true);
        check("a.json", "{\"kind\": \"Pod\", \"apiVersion\": \"v1\"}", true);
        check("a.yaml", "swagger:\n  apiVersion: 1\n  kind: x\n", false);
        check("a.txt", "apiVersion: v1\nkind: Pod\n", false);
    }
}
