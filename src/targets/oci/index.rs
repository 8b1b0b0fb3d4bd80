//! From an image layout's index to one image's manifest.
//!
//! Specification: OCI image layout, image index and image manifest (1.1), and Docker's manifest
//! lists and schema 2, which have the same shape under other media types.

use super::blob::{Layout, parse};
use super::digest::Digest;
use crate::model::Fault;
use crate::targets::{OpenOptions, Platform};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Indexes name indexes, but none that is built is deeper than two.
const MAX_DEPTH: usize = 8;

/// More images in one layout, or layers in one image, than anybody builds (overlayfs stops at 500
/// layers).
const MAX_DESCRIPTORS: usize = 10_000;

/// The tag of an image in a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The full name that containerd and Docker put beside it.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// Marks what describes an image (provenance, a bill of materials) and is none.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// A reference to a blob.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: Option<String>,
    pub(super) digest: String,
    pub(super) size: Option<u64>,
    platform: Option<DescriptorPlatform>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Deserialize)]
struct DescriptorPlatform {
    architecture: String,
    os: String,
    variant: Option<String>,
}

/// An index or a manifest: which of the two its fields tell.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

/// One image's manifest.
#[derive(Debug)]
pub(super) struct ImageManifest {
    pub(super) digest: Digest,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    /// The tag or name that the layout gives it.
    pub(super) name: Option<String>,
}

impl Descriptor {
    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }

    fn name(&self) -> Option<&str> {
        self.annotation(IMAGE_NAME).or_else(|| self.annotation(REF_NAME))
    }

    fn is_called(&self, reference: &str) -> bool {
        let names = [self.annotation(REF_NAME), self.annotation(IMAGE_NAME)];
        self.digest == reference
            || names.into_iter().flatten().any(|name| {
                name == reference
                    || name.strip_suffix(reference).is_some_and(|rest| rest.ends_with([':', '/']))
            })
    }

    fn is_image(&self) -> bool {
        let is_unknown = |platform: &DescriptorPlatform| platform.os == "unknown";
        self.annotation(REFERENCE_TYPE).is_none() && !self.platform.as_ref().is_some_and(is_unknown)
    }

    fn platform(&self) -> Option<Platform> {
        let platform = self.platform.as_ref()?;
        Some(Platform {
            os: platform.os.clone(),
            architecture: platform.architecture.clone(),
            variant: platform.variant.clone(),
        })
    }

    /// As a person is asked to choose it.
    fn label(&self) -> String {
        let name = self.name().unwrap_or(&self.digest).to_owned();
        self.platform().map_or(name.clone(), |platform| format!("{name} ({platform})"))
    }
}

/// Finds the image that `reference` names, or the only one.
pub(super) fn select(
    layout: &Layout,
    reference: Option<&str>,
    options: &OpenOptions,
) -> Result<ImageManifest, Fault> {
    let document: Document = parse(&layout.document("/index.json")?, "index.json")?;
    let mut candidates = document.manifests.unwrap_or_default();
    if candidates.len() > MAX_DESCRIPTORS {
        return Err(Fault::limit(format!("index.json names more than {MAX_DESCRIPTORS} images")));
    }
    if let Some(reference) = reference {
        let found: Vec<_> = candidates.iter().filter(|d| d.is_called(reference)).cloned().collect();
        if found.is_empty() {
            let digest = Digest::parse(reference).ok();
            let by_digest = digest.filter(|digest| layout.document(&digest.blob_path()).is_ok());
            let Some(digest) = by_digest else {
                return Err(Fault::unsupported(format!(
                    "no image is called {reference}; there are: {}",
                    labels(&candidates)
                )));
            };
            return descend(layout, digest, None, options);
        }
        candidates = found;
    }
    let chosen = choose(&candidates, options)?;
    descend(layout, Digest::parse(&chosen.digest)?, chosen.name().map(str::to_owned), options)
}

/// Follows indexes down to a manifest.
fn descend(
    layout: &Layout,
    mut digest: Digest,
    mut name: Option<String>,
    options: &OpenOptions,
) -> Result<ImageManifest, Fault> {
    for _ in 0..MAX_DEPTH {
        let bytes = layout.verified(&digest)?;
        let document: Document = parse(&bytes, &digest.to_string())?;
        let media_type = document.media_type.as_deref().unwrap_or_default();
        if document.schema_version == Some(1) || media_type.contains("distribution.manifest.v1") {
            return Err(Fault::unsupported(
                "an image manifest of Docker's schema 1, which has no verifiable layers",
            ));
        }
        match (document.manifests, document.config, document.layers) {
            (Some(manifests), None, _) => {
                let chosen = choose(&manifests, options)?;
                name = name.or_else(|| chosen.name().map(str::to_owned));
                digest = Digest::parse(&chosen.digest)?;
            }
            (None, Some(config), Some(layers)) => {
                if layers.len() > MAX_DESCRIPTORS {
                    return Err(Fault::limit(format!("more than {MAX_DESCRIPTORS} layers")));
                }
                return Ok(ImageManifest { digest, config, layers, name });
            }
            _ => {
                return Err(Fault::damaged(format!("{digest} is neither an index nor a manifest")));
            }
        }
    }
    Err(Fault::damaged(format!("indexes name each other more than {MAX_DEPTH} deep")))
}

/// The one image among several that the platform leaves, or a fault that lists them.
fn choose<'a>(
    candidates: &'a [Descriptor],
    options: &OpenOptions,
) -> Result<&'a Descriptor, Fault> {
    let images: Vec<&Descriptor> = candidates.iter().filter(|d| d.is_image()).collect();
    let accepts = |wanted: &Platform, image: &Descriptor| {
        image.platform().is_none_or(|platform| wanted.accepts(&platform))
    };
    let here = Platform::here();
    let fitting: Vec<&Descriptor> = match &options.platform {
        Some(wanted) => images.iter().filter(|image| accepts(wanted, image)).copied().collect(),
        // The only one there is needs no choice.
        None if images.len() == 1 => images.clone(),
        None => images.iter().filter(|image| accepts(&here, image)).copied().collect(),
    };
    let mut digests: Vec<&str> = fitting.iter().map(|image| image.digest.as_str()).collect();
    digests.sort_unstable();
    digests.dedup();
    match (fitting.first(), digests.len()) {
        (Some(only), 1) => Ok(only),
        (None, _) if images.is_empty() => Err(Fault::damaged("an index without an image")),
        (None, _) => {
            let wanted = options.platform.as_ref().unwrap_or(&here);
            Err(Fault::unsupported(format!(
                "no image for {wanted}; there are: {}",
                labels(candidates)
            )))
        }
        _ => Err(Fault::unsupported(format!(
            "several images, name one of them: {}",
            labels(candidates)
        ))),
    }
}

fn labels(candidates: &[Descriptor]) -> String {
    let images = candidates.iter().filter(|d| d.is_image()).take(20);
    let text = images.map(Descriptor::label).collect::<Vec<_>>().join(", ");
    text.chars().flat_map(char::escape_default).collect()
}
