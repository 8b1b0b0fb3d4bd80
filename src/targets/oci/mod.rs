//! Container images: an OCI image layout in a folder or a tar, and what `docker save` writes.
//!
//! An image is read as the tree that a container of it starts with: its layers merged, no mounts,
//! no volumes. Every blob is verified against the digest that names it; a layer that has another
//! one, or cannot be read, is a gap, a manifest or configuration is an error. The configuration
//! becomes facts. The image's own digests and no registry's are asked: nothing is fetched.
//!
//! Refused: Docker's schema 1, encrypted layers, artifacts that are no images. Files are read
//! through [`Filesystem`], whose links end at the folder or archive.

mod blob;
mod config;
mod digest;
mod docker;
mod index;

use super::archive::open_image_tar;
use super::spec::{file_name, stem};
use super::{ImageReference, OpenOptions, Target, TargetSpec};
use crate::block::BlockDevice;
use crate::filesystem::directory::DirectoryFilesystem;
use crate::filesystem::overlay::{Layer, OverlayFilesystem};
use crate::filesystem::resolve::{LastLink, resolve};
use crate::filesystem::tar::{EndMark, OpenedTar, TarOptions, read_tar};
use crate::filesystem::{Carries, Filesystem};
use crate::model::{Fault, Gap, Stage, TreePath};
use blob::{Layout, parse};
use config::{Config, LayerRecord};
use digest::Digest;
use index::Descriptor;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;

/// Whether this is an OCI image layout.
pub(super) fn is_layout(filesystem: &dyn Filesystem) -> bool {
    has(filesystem, "/oci-layout") && has(filesystem, "/index.json")
}

/// Whether this is what `docker save` writes: a root tree may well have a `manifest.json`.
pub(super) fn is_docker_archive(filesystem: &dyn Filesystem) -> bool {
    has(filesystem, "/manifest.json")
        && docker::saved_images(filesystem)
            .is_ok_and(|images| images.iter().any(|image| has(filesystem, &image.config)))
}

fn has(filesystem: &dyn Filesystem, path: &str) -> bool {
    matches!(resolve(filesystem, &TreePath::parse(path), LastLink::Follow), Ok(Some(_)))
}

/// Opens an image layout in a folder.
pub(super) fn open_layout(image: &ImageReference, options: &OpenOptions) -> Result<Target, Fault> {
    let filesystem = DirectoryFilesystem::open(&image.path)?;
    let name = file_name(filesystem.path());
    let spec = TargetSpec::Oci(image.clone());
    let layout = Layout(Arc::new(filesystem));
    from_layout(&spec, &name, image, &layout, options)
        .map_err(|fault| fault.within(image.path.display()))
}

/// Opens an image layout in a tar.
pub(super) fn open_oci_archive(
    image: &ImageReference,
    options: &OpenOptions,
) -> Result<Target, Fault> {
    from_oci_archive(image, open_image_tar(&image.path, options)?, options)
}

/// Likewise, where the archive is open already.
pub(super) fn from_oci_archive(
    image: &ImageReference,
    archive: OpenedTar,
    options: &OpenOptions,
) -> Result<Target, Fault> {
    let spec = TargetSpec::OciArchive(image.clone());
    let layout = Layout(Arc::new(archive.filesystem));
    let target = from_layout(&spec, &stem(&image.path), image, &layout, options);
    with_gaps(target, &image.path, archive.gaps)
}

/// Opens what `docker save` wrote.
pub(super) fn open_docker_archive(
    image: &ImageReference,
    options: &OpenOptions,
) -> Result<Target, Fault> {
    from_docker_archive(image, open_image_tar(&image.path, options)?, options)
}

/// Likewise, where the archive is open already.
pub(super) fn from_docker_archive(
    image: &ImageReference,
    archive: OpenedTar,
    options: &OpenOptions,
) -> Result<Target, Fault> {
    let layout = Layout(Arc::new(archive.filesystem));
    with_gaps(from_saved(image, &layout, options), &image.path, archive.gaps)
}

/// Damage of the archive around an image is the image's: a part of it may be missing.
fn with_gaps(target: Result<Target, Fault>, path: &Path, gaps: Vec<Gap>) -> Result<Target, Fault> {
    let mut target = target.map_err(|fault| fault.within(path.display()))?;
    target.gaps.extend(gaps.into_iter().map(|gap| Gap {
        reason: format!("{} in {}: {}", gap.path, path.display(), gap.reason),
        path: TreePath::root(),
        stage: Stage::Image,
    }));
    Ok(target)
}

/// A layer before it is read.
struct LayerSource {
    path: String,
    /// Of the blob as it lies there.
    digest: Option<Digest>,
    /// Of what it unpacks to.
    diff_id: Option<String>,
    record: LayerRecord,
}

fn from_layout(
    spec: &TargetSpec,
    layout_name: &str,
    image: &ImageReference,
    layout: &Layout,
    options: &OpenOptions,
) -> Result<Target, Fault> {
    let manifest = index::select(layout, image.reference.as_deref(), options)?;
    let config_digest = Digest::parse(&manifest.config.digest)?;
    let media_type = manifest.config.media_type.as_deref().unwrap_or_default();
    if !matches!(
        media_type,
        "" | "application/vnd.oci.image.config.v1+json"
            | "application/vnd.docker.container.image.v1+json"
    ) {
        return Err(Fault::unsupported(format!("no container image but {media_type:?}")));
    }
    let config: Config = parse(&layout.verified(&config_digest)?, "image configuration")?;
    check_platform(&config, options)?;
    let mut sources = Vec::new();
    for descriptor in &manifest.layers {
        let digest = Digest::parse(&descriptor.digest)?;
        sources.push(LayerSource {
            path: digest.blob_path(),
            digest: Some(digest),
            diff_id: None,
            record: record_of(descriptor),
        });
    }
    let name = match manifest.name.as_deref().or(image.reference.as_deref()) {
        Some(name) if name.starts_with("sha") => layout_name.to_owned(),
        Some(name) => display_name(name, layout_name),
        None => layout_name.to_owned(),
    };
    let manifest_digest = manifest.digest.to_string();
    let digests = (config_digest.to_string(), Some(manifest_digest.as_str()));
    Ok(assemble(name, spec, layout, &config, digests, &sources, options))
}

fn record_of(descriptor: &Descriptor) -> LayerRecord {
    LayerRecord {
        digest: Some(descriptor.digest.clone()),
        size: descriptor.size,
        media_type: descriptor.media_type.clone(),
    }
}

/// `NAME:TAG`: the last part of a full name, or the layout's own name with the tag.
fn display_name(name: &str, layout_name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { last.to_owned() } else { format!("{layout_name}:{last}") }
}

fn from_saved(
    image: &ImageReference,
    layout: &Layout,
    options: &OpenOptions,
) -> Result<Target, Fault> {
    let saved = docker::select(layout, image.reference.as_deref())?;
    let bytes = layout.document(&saved.config)?;
    let digest = saved.digest();
    if let Some(digest) = &digest {
        let checked = Digest::parse(digest)?.verify_bytes(&bytes);
        checked.map_err(|fault| fault.within(format!("{:?}", saved.config)))?;
    }
    let config: Config = parse(&bytes, "image configuration")?;
    check_platform(&config, options)?;
    if saved.layers.len() != config.diff_ids().len() {
        return Err(Fault::damaged(format!(
            "manifest.json names {} layers, the configuration {}",
            saved.layers.len(),
            config.diff_ids().len()
        )));
    }
    let pairs = saved.layers.iter().zip(config.diff_ids());
    let sources: Vec<LayerSource> = pairs
        .map(|(path, diff_id)| LayerSource {
            path: path.clone(),
            digest: None,
            diff_id: Some(diff_id.clone()),
            record: LayerRecord::default(),
        })
        .collect();
    let stem = stem(&image.path);
    let name = saved.name().map_or_else(|| stem.clone(), |name| display_name(name, &stem));
    let spec = TargetSpec::DockerArchive(image.clone());
    let computed = || {
        let hash = Sha256::digest(&bytes);
        hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    };
    let digests = (digest.unwrap_or_else(computed), None);
    Ok(assemble(name, &spec, layout, &config, digests, &sources, options))
}

/// A platform that was asked for and an image for another one contradict each other.
fn check_platform(config: &Config, options: &OpenOptions) -> Result<(), Fault> {
    let (Some(wanted), Some(os), Some(architecture)) =
        (&options.platform, &config.os, &config.architecture)
    else {
        return Ok(());
    };
    let found = super::Platform {
        os: os.clone(),
        architecture: architecture.clone(),
        variant: config.variant.clone(),
    };
    if wanted.accepts(&found) {
        return Ok(());
    }
    let found = escape(&found.to_string());
    Err(Fault::unsupported(format!("the image is for {found}, not for {wanted}")))
}

fn assemble(
    name: String,
    spec: &TargetSpec,
    layout: &Layout,
    config: &Config,
    (config_digest, manifest_digest): (String, Option<&str>),
    sources: &[LayerSource],
    options: &OpenOptions,
) -> Target {
    let mut gaps = Vec::new();
    let mut layers = Vec::new();
    let mut records = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let mut record = source.record.clone();
        let mut tell = |fault: &Fault| {
            let reason = format!("layer {number} ({}): {}", escape(&source.path), fault.chain());
            gaps.push(Gap { path: TreePath::root(), stage: Stage::Image, reason });
        };
        match open_layer(layout, source, options, &mut tell) {
            Ok((mut opened, length)) => {
                record.size = Some(length);
                gaps.extend(
                    opened.gaps.drain(..).map(|gap| Gap {
                        reason: format!("layer {number}: {}", gap.reason),
                        ..gap
                    }),
                );
                layers.push(Layer::from(opened));
            }
            Err(fault) => tell(&fault),
        }
        records.push(record);
    }
    let (overlay, mut merge_gaps) = OverlayFilesystem::merge(&layers);
    gaps.append(&mut merge_gaps);
    let facts = config.facts(&config_digest, manifest_digest, &records);
    Target { facts, gaps, ..Target::new(name, spec, Arc::new(overlay)) }
}

fn escape(text: &str) -> String {
    crate::model::path::Escaped(text.as_bytes()).to_string()
}

/// Verifies a layer and reads its members; says how long its blob is.
fn open_layer(
    layout: &Layout,
    source: &LayerSource,
    options: &OpenOptions,
    tell: &mut dyn FnMut(&Fault),
) -> Result<(OpenedTar, u64), Fault> {
    let media_type = source.record.media_type.as_deref().unwrap_or_default();
    if media_type.ends_with("+encrypted") {
        return Err(Fault::unsupported("it is encrypted"));
    }
    let device = layout.device(&source.path)?;
    let length = device.length();
    if let Some(size) = source.record.size.filter(|size| *size != length) {
        tell(&Fault::damaged(format!("{length} bytes, not {size}")));
    }
    if let Some(digest) = &source.digest
        && let Err(fault) = digest.verify(device.as_ref())
    {
        tell(&fault);
    }
    let tar_options = TarOptions {
        limits: options.unpack,
        // Digests vouch for the end.
        end_mark: EndMark::Optional,
        // The specification of layers says how attributes are carried: none means none.
        carries: Some(Carries::ALL),
    };
    let opened = read_tar(device, &tar_options)?;
    if let Some(diff_id) = &source.diff_id
        && let Err(fault) = verify_diff_id(diff_id, opened.filesystem.device().as_ref())
    {
        tell(&fault);
    }
    Ok((opened, length))
}

fn verify_diff_id(diff_id: &str, device: &dyn BlockDevice) -> Result<(), Fault> {
    Digest::parse(diff_id)?.verify(device)
}
