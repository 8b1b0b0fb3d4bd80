//! An image's configuration, and what is recorded of it.
//!
//! Specification: OCI image configuration (`application/vnd.oci.image.config.v1+json`), which
//! Docker's is the model of.

use crate::model::{Fact, path::Escaped};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The configuration as far as it is read. Go writes `null` for what is empty.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Config {
    pub(super) architecture: Option<String>,
    pub(super) os: Option<String>,
    pub(super) variant: Option<String>,
    created: Option<String>,
    author: Option<String>,
    config: Option<Execution>,
    rootfs: Option<RootFs>,
    history: Option<Vec<History>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Execution {
    user: Option<String>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
    stop_signal: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    volumes: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    diff_ids: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct History {
    created_by: Option<String>,
    empty_layer: Option<bool>,
}

/// What a manifest says of one layer.
#[derive(Clone, Debug, Default)]
pub(super) struct LayerRecord {
    pub(super) digest: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) media_type: Option<String>,
}

impl Config {
    /// The digests of the layers' unpacked bytes, the lowest first.
    pub(super) fn diff_ids(&self) -> &[String] {
        self.rootfs.as_ref().and_then(|rootfs| rootfs.diff_ids.as_deref()).unwrap_or_default()
    }

    /// What made each layer that is not empty.
    fn created_by(&self) -> Vec<&str> {
        let history = self.history.as_deref().unwrap_or_default();
        let full = history.iter().filter(|step| step.empty_layer != Some(true));
        full.map(|step| step.created_by.as_deref().unwrap_or_default()).collect()
    }

    /// Everything that is recorded: scopes `image`, `image-labels` and `image-layers`.
    pub(super) fn facts(
        &self,
        config_digest: &str,
        manifest_digest: Option<&str>,
        layers: &[LayerRecord],
    ) -> Vec<Fact> {
        let mut facts = vec![self.execution_fact(config_digest, manifest_digest)];
        if let Some(config) = &self.config {
            for variable in config.env.as_deref().unwrap_or_default() {
                facts.push(environment_fact(variable));
            }
            for (name, value) in config.labels.iter().flatten() {
                facts.push(fact("image-labels", name, &[("value", Some(plain(value)))]));
            }
        }
        let created_by = self.created_by();
        for (index, layer) in layers.iter().enumerate() {
            let attributes = [
                ("digest", layer.digest.clone()),
                ("diff_id", self.diff_ids().get(index).map(|id| plain(id))),
                ("size", layer.size.map(|size| size.to_string())),
                ("media_type", layer.media_type.as_deref().map(plain)),
                ("created_by", created_by.get(index).map(|command| plain(&masked(command)))),
            ];
            facts.push(fact("image-layers", &format!("{index:03}"), &attributes));
        }
        facts
    }

    fn execution_fact(&self, config_digest: &str, manifest_digest: Option<&str>) -> Fact {
        let none = Execution::default();
        let config = self.config.as_ref().unwrap_or(&none);
        let text = |value: &Option<String>| value.as_deref().filter(|v| !v.is_empty()).map(plain);
        let words = |value: &Option<Vec<String>>| {
            value.as_ref().filter(|words| !words.is_empty()).map(|words| {
                let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                format!("[{}]", quoted.join(", "))
            })
        };
        let names = |value: &Option<BTreeMap<String, serde_json::Value>>| {
            let map = value.as_ref().filter(|map| !map.is_empty())?;
            Some(plain(&map.keys().cloned().collect::<Vec<_>>().join(" ")))
        };
        fact(
            "image",
            "config",
            &[
                ("digest", Some(config_digest.to_owned())),
                ("manifest_digest", manifest_digest.map(str::to_owned)),
                ("architecture", text(&self.architecture)),
                ("os", text(&self.os)),
                ("variant", text(&self.variant)),
                ("created", text(&self.created)),
                ("author", text(&self.author)),
                ("user", text(&config.user)),
                ("entrypoint", words(&config.entrypoint)),
                ("command", words(&config.cmd)),
                ("working_directory", text(&config.working_dir)),
                ("stop_signal", text(&config.stop_signal)),
                ("exposed_ports", names(&config.exposed_ports)),
                ("volumes", names(&config.volumes)),
            ],
        )
    }
}

/// Words in the names of variables whose values are never kept.
const SECRET_WORDS: [&str; 6] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "CREDENTIAL", "_KEY"];

fn is_secret(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    SECRET_WORDS.iter().any(|word| upper.contains(word))
}

/// A command with the values of secret variables taken out.
fn masked(command: &str) -> String {
    let word = |word: &str| match word.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}=(not kept)"),
        _ => word.to_owned(),
    };
    command.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn environment_fact(variable: &str) -> Fact {
    let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
    let value = if is_secret(name) { "(not kept)".to_owned() } else { plain(value) };
    fact("image", &format!("env:{name}"), &[("value", Some(value))])
}

/// Text from an image, safe to show.
fn plain(text: &str) -> String {
    Escaped(text.as_bytes()).to_string()
}

fn fact(scope: &str, key: &str, attributes: &[(&str, Option<String>)]) -> Fact {
    let given = attributes.iter().filter_map(|(name, value)| {
        value.as_ref().map(|value| ((*name).to_owned(), value.clone()))
    });
    Fact { scope: scope.to_owned(), key: plain(key), attributes: given.collect(), evidence: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_recorded() {
        let config: Config = serde_json::from_str(
            r#"{"architecture":"amd64","os":"linux","config":{"User":"app","Env":["PATH=/bin",
            "DB_PASSWORD=hunter2"],"Entrypoint":["/run","a b"],"Cmd":null,"Labels":{"v":"1"}},
            "rootfs":{"type":"layers","diff_ids":["sha256:a","sha256:b"]},
            "history":[{"created_by":"ADD x"},{"created_by":"ENV","empty_layer":true},
            {"created_by":"RUN y"}]}"#,
        )
        .unwrap();
        let layers =
            [LayerRecord { size: Some(7), ..LayerRecord::default() }, LayerRecord::default()];
        let shown: Vec<String> = config
            .facts("sha256:c", None, &layers)
            .iter()
            .map(|fact| format!("{} {} {:?}", fact.scope, fact.key, fact.attributes))
            .collect();
        let expected = [
            r#"image config {"architecture": "amd64", "digest": "sha256:c", "entrypoint": "[\"/run\", \"a b\"]", "os": "linux", "user": "app"}"#,
            r#"image env:PATH {"value": "/bin"}"#,
            r#"image env:DB_PASSWORD {"value": "(not kept)"}"#,
            r#"image-labels v {"value": "1"}"#,
            r#"image-layers 000 {"created_by": "ADD x", "diff_id": "sha256:a", "size": "7"}"#,
            r#"image-layers 001 {"created_by": "RUN y", "diff_id": "sha256:b"}"#,
        ];
        assert_eq!(shown, expected);
    }
}
