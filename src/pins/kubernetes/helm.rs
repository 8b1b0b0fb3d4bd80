//! Carriers: Helm charts (`Chart.yaml` with its lock), values, helmfiles.
//!
//! Images in values are found by structure: `repository` with `tag` and `digest`, or one word. A
//! tag that is left empty is the chart's `appVersion`, by the convention of `helm create`.

use super::delivery::helm_chart;
use super::is_image;
use crate::pins::audit::Audit;
use crate::pins::carrier::Carrier;
use crate::pins::classify;
use crate::pins::image::{self, ImageRef};
use crate::pins::input::{Credit, Input};
use crate::pins::repository::{self, SourceFile};
use crate::pins::span::{Fragment, UNKNOWN};
use crate::pins::steps::Stage;
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::{self, Kind, Node};
use std::collections::HashMap;
use std::sync::Arc;

/// Charts.
pub const CHART: Carrier = Carrier {
    name: "helm-chart",
    summary: "Helm charts: Chart.yaml or requirements.yaml with their lock",
    recognises: |path, head| {
        let name = repository::file_name(path);
        let listed =
            || head.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"dependencies:"));
        ["Chart.yaml", "Chart.yml"].contains(&name) || name == "requirements.yaml" && listed()
    },
    read: read_chart,
};

/// Values.
pub const VALUES: Carrier = Carrier {
    name: "helm-values",
    summary: "Helm values: values.yaml, values-*.yaml",
    recognises: |path, _| {
        let name = repository::file_name(path);
        let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
        stem.is_some_and(|stem| {
            stem == "values"
                || ["values-", "values.", "values_"].iter().any(|own| stem.starts_with(own))
                || ["-values", ".values", "_values"].iter().any(|own| stem.ends_with(own))
        })
    },
    read: read_values,
};

/// Helmfiles.
pub const HELMFILE: Carrier = Carrier {
    name: "helmfile",
    summary: "helmfiles: helmfile.yaml, helmfile.d/*.yaml",
    recognises: |path, _| {
        let name = repository::file_name(path);
        let name = name.strip_suffix(".gotmpl").unwrap_or(name);
        let yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        yaml && (name.starts_with("helmfile.") || path.contains("helmfile.d/"))
    },
    read: |file, audit| {
        // Helmfiles are templates before they are YAML.
        for document in yaml::parse(&file.fragment()).documents {
            for release in document.get("releases").map(Node::items).unwrap_or_default() {
                if let Some(chart) = release.get("chart")
                    && chart.text().is_some_and(|chart| !is_local(chart))
                {
                    helm_chart(chart, release.get("version"), audit);
                }
            }
        }
    },
};

/// Mappings within mappings of values: deeper ones name no image.
const MAX_DEPTH: usize = 16;

fn is_local(chart: &str) -> bool {
    chart.starts_with(['.', '/', UNKNOWN])
        || chart.starts_with("charts/")
        || chart.starts_with("file:")
}

fn read_chart(file: &SourceFile, audit: &mut Audit<'_>) {
    let lock = ["Chart.lock", "requirements.lock"]
        .iter()
        .filter_map(|name| repository::resolve(&file.path, name))
        .find_map(|path| {
            Some((repository::file_name(&path).to_owned(), audit.repository().read(&path)?))
        });
    let documents = lock
        .as_ref()
        .map(|(_, bytes)| yaml::parse(&Fragment::of_file(bytes)).documents)
        .unwrap_or_default();
    let mut locked: HashMap<&str, Vec<&Node>> = HashMap::new();
    for entry in documents.iter().filter_map(|document| document.get("dependencies")) {
        for entry in entry.items() {
            if let Some(name) = entry.get("name").and_then(Node::text) {
                locked.entry(name).or_default().push(entry);
            }
        }
    }
    for document in yaml::parse(&file.fragment()).report(audit) {
        for dependency in document.get("dependencies").map(Node::items).unwrap_or_default() {
            let address = dependency.get("repository").and_then(Node::text).unwrap_or_default();
            // Without an address it lies in charts/.
            if address.is_empty() || address.starts_with("file:") {
                continue;
            }
            let Some(name) = dependency.get("name").and_then(Node::text) else { continue };
            let version = dependency.get("version").filter(|version| !version.is_null());
            let word = version.and_then(Node::text).unwrap_or_default();
            let at = version.or_else(|| dependency.get("name")).unwrap_or(dependency);
            let strength = classify::version(Ecosystem::Helm, word);
            let place = audit.place(at.range());
            let mut input = Input::new(Ecosystem::Helm, name, strength, place).requesting(word);
            if let Some((lock_name, _)) = &lock {
                let entries = locked.get(name).map(Vec::as_slice).unwrap_or_default();
                hold(&mut input, lock_name, entries, address);
            }
            audit.push(input);
        }
    }
}

/// What the lock says of a dependency: it is held by it, or the lock is stale.
fn hold(input: &mut Input, lock: &str, entries: &[&Node], address: &str) {
    let entry = entries.iter().find(|entry| {
        entry.get("repository").and_then(Node::text).is_none_or(|other| other == address)
    });
    match entry.and_then(|entry| entry.get("version")).and_then(Node::text) {
        Some(version)
            if input.strength != Strength::Exact
                || input.requested.trim_start_matches(['=', 'v', ' '])
                    == version.trim_start_matches('v') =>
        {
            let why = format!("{lock} holds {version}");
            input.credit = Some(Credit { strength: Strength::Exact, why });
        }
        found => {
            input.rule = "pins/lock";
            input.strength = input.strength.min(Strength::Range);
            input.note = Some(match found {
                Some(version) => format!("{lock} is stale: it has {version}"),
                None => format!("{lock} is stale: it does not have this dependency"),
            });
        }
    }
}

fn read_values(file: &SourceFile, audit: &mut Audit<'_>) {
    let fragment = file.fragment();
    let stream = yaml::parse(&fragment);
    let documents =
        if fragment.text().contains("{{") { stream.documents } else { stream.report(audit) };
    for document in documents {
        values(&document, audit, 0);
    }
}

/// The values that another file gives a chart.
pub(super) fn given_values(text: &Fragment, audit: &mut Audit<'_>) {
    for document in yaml::parse(text).documents {
        values(&document, audit, 0);
    }
}

fn values(node: &Node, audit: &mut Audit<'_>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let depth = depth.saturating_add(1);
    for item in node.items() {
        values(item, audit, depth);
    }
    for (key, value) in node.pairs() {
        let key = key.text().unwrap_or_default();
        let named = key == "image" || key.ends_with("Image") || key.ends_with("_image");
        match value.kind() {
            Kind::Scalar { fragment, plain } => {
                // A word alone may get its tag from the template; one with a tag has it.
                let word = fragment.text();
                let number = *plain && word.parse::<f64>().is_ok();
                if named && is_image(word) && !number && ImageRef::parse(word).tag.is_some()
                    || named && word.contains("@sha256:")
                {
                    Stage::new(audit).plain_image(fragment);
                } else if named && is_image(word) && !number {
                    let mut stage = Stage::new(audit);
                    match node.any(&["imageTag", "tag", "imageVersion", "version"]) {
                        Some(tag) if !tag.is_null() => stage.tagged(word, tag, fragment),
                        _ => {}
                    }
                }
            }
            Kind::Mapping(_) => {
                if !image_of(value, &mut Stage::new(audit)) {
                    values(value, audit, depth);
                }
            }
            Kind::Sequence(_) => values(value, audit, depth),
        }
    }
}

/// An image in its parts. Answers whether it was one.
pub(super) fn image_of(node: &Node, stage: &mut Stage<'_, '_>) -> bool {
    let Some(repository) = node.any(&["repository", "name"]).filter(|_| node.is_mapping()) else {
        return false;
    };
    let listed = node.get("repository").is_some();
    let beside = ["tag", "digest", "pullPolicy", "imagePullPolicy"];
    let Some(name) = repository.fragment().filter(|name| is_image(name.text())) else {
        return false;
    };
    if !beside.iter().any(|key| node.get(key).is_some()) || !listed && node.get("tag").is_none() {
        return false;
    }
    let registry =
        node.any(&["registry", "imageRegistry"]).and_then(Node::text).unwrap_or_default();
    let subject = if registry.is_empty() || registry.contains(UNKNOWN) {
        name.text().to_owned()
    } else {
        format!("{registry}/{}", name.text())
    };
    let set = |key: &str| {
        let value = node.get(key).filter(|value| !value.is_null())?;
        value.text().filter(|text| !text.trim().is_empty()).map(|_| value)
    };
    if let Some(digest) = set("digest").or_else(|| set("sha")) {
        let word = digest.text().unwrap_or_default();
        let word = if word.contains(':') { word.to_owned() } else { format!("sha256:{word}") };
        let strength = ImageRef { name: &subject, tag: None, digest: Some(&word) }.strength();
        let at = digest.fragment().map_or(digest.range(), Fragment::raw_whole);
        let input = stage.input(Ecosystem::Image, &subject, strength, at);
        stage.audit.push(input.requesting(&word));
    } else if let Some(tag) = set("tag") {
        stage.tagged(&subject, tag, name);
    } else if ImageRef::parse(name.text()).tag.is_some() {
        stage.plain_image(name);
    } else {
        stage.default_tag(&subject, name);
    }
    true
}

impl Stage<'_, '_> {
    /// An image whose tag stands elsewhere.
    fn tagged(&mut self, subject: &str, tag: &Node, name: &Fragment) {
        let Some(fragment) = tag.fragment() else { return };
        let word = fragment.text();
        let digest = word.split_once('@').map(|(_, digest)| digest);
        let strength = match digest {
            Some(digest) => ImageRef { name: subject, tag: None, digest: Some(digest) }.strength(),
            None => image::tag_strength(word),
        };
        let at = if fragment.text().is_empty() { name } else { fragment };
        let input = self.input(Ecosystem::Image, subject, strength, at.raw_whole());
        self.audit.push(input.requesting(word));
    }

    /// An image without a tag: the chart's own version of the application.
    fn default_tag(&mut self, subject: &str, name: &Fragment) {
        let own = Arc::clone(&self.audit.file().path);
        let repository = self.audit.repository();
        let version = repository::resolve(&own, "Chart.yaml").and_then(|path| {
            // Thousands of images may ask for it.
            let found = repository.prepared(&format!("appVersion of {path}"), || {
                let bytes = repository.read(&path)?;
                let documents = yaml::parse(&Fragment::of_file(&bytes)).documents;
                let found = documents.first()?.get("appVersion")?.text()?.to_owned();
                Some(found).filter(|version| !version.is_empty())
            });
            (*found).clone()
        });
        let strength = version.as_deref().map_or(Strength::Unknown, image::tag_strength);
        let note = match &version {
            Some(_) => "its tag is the chart's appVersion",
            None => "its tag is what the template makes of nothing",
        };
        let input = self.input(Ecosystem::Image, subject, strength, name.raw_whole());
        self.audit.push(input.requesting(&version.unwrap_or_default()).noting(note));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::steps::check_files;

    #[test]
    fn charts_and_their_lock() {
        let chart = "apiVersion: v2\nname: x\ndependencies:\n- {name: a, version: ^1.2, repository: 'https://e.org'}\n- {name: b, version: 1.x, repository: 'oci://e.org'}\n- {name: c, version: 2.0.1, repository: '@stable'}\n- {name: d, repository: 'file://../d'}\n- {name: e, repository: 'https://e.org'}\n";
        check_files(
            &CHART,
            &[("x/Chart.yaml", chart)],
            &["helm a range @^1.2", "helm b range @1.x", "helm c exact @2.0.1", "helm e none @e"],
        );
        let lock = "dependencies:\n- {name: a, repository: 'https://e.org', version: 1.3.0}\n- {name: c, repository: '@stable', version: 2.0.0}\n- {name: e, repository: 'https://e.org', version: 1.0.0}\ndigest: sha256:x\n";
        check_files(
            &CHART,
            &[("x/Chart.yaml", chart), ("x/Chart.lock", lock)],
            &["helm a exact @^1.2", "helm b range @1.x", "helm c range @2.0.1", "helm e exact @e"],
        );
    }

    #[test]
    fn values_by_structure() {
        let digest = "0123456789abcdef".repeat(4);
        let text = format!(
            "image:\n  registry: docker.io\n  repository: bitnami/redis\n  tag: 7.2.4-debian-12-r9\nweb:\n  image: {{repository: nginx, tag: '', pullPolicy: Always}}\n  sidecarImage: busybox:latest\ndb:\n  image: postgres\n  imageTag: '16'\nx: {{image: {{repository: a/b, tag: v1, digest: 'sha256:{digest}'}}}}\ny: {{image: plain, picture: a.png}}\n"
        );
        check_files(
            &VALUES,
            &[("x/values.yaml", &text), ("x/Chart.yaml", "appVersion: 1.2.3\n")],
            &[
                "container-image docker.io/bitnami/redis exact @7.2.4-debian-12-r9",
                "container-image nginx exact @nginx",
                "container-image busybox none @busybox:latest",
                "container-image postgres floating @16",
                &format!("container-image a/b content @sha256:{digest}"),
            ],
        );
    }

    #[test]
    fn helmfiles() {
        let text = "releases:\n- {name: a, chart: bitnami/x}\n- {name: b, chart: bitnami/y, version: 1.2.3}\n- {name: c, chart: ./c}\n{{ range .x }}\n{{ end }}\n";
        check_files(
            &HELMFILE,
            &[("helmfile.yaml", text)],
            &["helm bitnami/x none @bitnami/x", "helm bitnami/y exact @1.2.3"],
        );
    }
}
