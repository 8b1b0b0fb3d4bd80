//! What `docker save` writes: `manifest.json` with names of a configuration and of layers.
//!
//! Specification: Docker image specification v1.2 ("Combined Image JSON + Filesystem Changeset
//! Format"). The archive has no digests of its layers as they lie there, so the configuration's
//! `diff_ids` vouch for them. Archives from before Docker 1.10, without a `manifest.json`, are
//! refused.

use super::blob::{Layout, document, parse};
use super::has;
use crate::filesystem::Filesystem;
use crate::model::{Fault, path::Escaped};
use serde::Deserialize;

/// One image of the archive.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SavedImage {
    /// A path; the name is the SHA-256 of the bytes, with or without an ending.
    pub(super) config: String,
    repo_tags: Option<Vec<String>>,
    /// Paths, the lowest first.
    pub(super) layers: Vec<String>,
}

impl SavedImage {
    fn tags(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }

    /// Its first name.
    pub(super) fn name(&self) -> Option<&str> {
        self.tags().first().map(String::as_str)
    }

    fn is_called(&self, reference: &str) -> bool {
        let by_tag = self.tags().iter().any(|tag| {
            tag == reference
                || tag.strip_suffix(reference).is_some_and(|rest| rest.ends_with([':', '/']))
        });
        by_tag || self.digest().is_some_and(|digest| digest == reference)
    }

    /// The configuration's digest as its name says it; other writers use other names.
    pub(super) fn digest(&self) -> Option<String> {
        let name = self.config.rsplit('/').next().unwrap_or_default();
        let name = name.strip_suffix(".json").unwrap_or(name);
        let is_hex = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| format!("sha256:{name}"))
    }
}

/// Reads `manifest.json`.
pub(super) fn saved_images(filesystem: &dyn Filesystem) -> Result<Vec<SavedImage>, Fault> {
    parse(&document(filesystem, "/manifest.json")?, "manifest.json")
}

/// Finds the image that `reference` names, or the only one.
pub(super) fn select(layout: &Layout, reference: Option<&str>) -> Result<SavedImage, Fault> {
    let filesystem = layout.0.as_ref();
    if !has(filesystem, "/manifest.json") && has(filesystem, "/repositories") {
        return Err(Fault::unsupported("an archive of Docker before 1.10: no manifest.json"));
    }
    let images = saved_images(filesystem)?;
    let fitting: Vec<&SavedImage> = match reference {
        Some(reference) => images.iter().filter(|image| image.is_called(reference)).collect(),
        None => images.iter().collect(),
    };
    let labels = || {
        let label = |image: &SavedImage| image.name().unwrap_or(&image.config).to_owned();
        let text = images.iter().take(20).map(label).collect::<Vec<_>>().join(", ");
        Escaped(text.as_bytes()).to_string()
    };
    match (fitting.as_slice(), reference) {
        ([only], _) => Ok((*only).clone()),
        ([], Some(reference)) => Err(Fault::unsupported(format!(
            "no image is called {reference}; there are: {}",
            labels()
        ))),
        ([], None) => Err(Fault::damaged("manifest.json names no image")),
        _ => Err(Fault::unsupported(format!("several images, name one of them: {}", labels()))),
    }
}
