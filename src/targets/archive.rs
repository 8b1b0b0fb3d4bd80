//! Tar files: a root tree, or an image in one of its two layouts.

use super::{ImageReference, OpenOptions, Target, TargetSpec, oci, spec};
use crate::filesystem::tar::{Compression, OpenedTar, TarOptions, is_header, open_tar};
use crate::model::Fault;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Whether a file begins as a tar or as something compressed does.
pub(super) fn is_archive(path: &Path) -> Result<bool, Fault> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(512).read_to_end(&mut start));
    read.map_err(|error| Fault::unreadable(path.display(), error))?;
    let compression =
        Compression::recognise(&start).map_err(|fault| fault.within(path.display()))?;
    Ok(compression != Compression::None || is_header(&start))
}

fn options_of(options: &OpenOptions) -> TarOptions {
    TarOptions { limits: options.unpack, ..TarOptions::default() }
}

/// Opens an archive as a root tree, whatever is in it.
pub(super) fn open_root(path: &Path, options: &OpenOptions) -> Result<Target, Fault> {
    Ok(root_target(path, open_tar(path, &options_of(options))?))
}

fn root_target(path: &Path, opened: OpenedTar) -> Target {
    let spec = TargetSpec::Tar(path.to_path_buf());
    let target = Target::new(spec::stem(path), &spec, Arc::new(opened.filesystem));
    Target { gaps: opened.gaps, ..target }
}

/// Opens an archive as the image that it is, or else as a root tree.
pub(super) fn open_any(path: &Path, options: &OpenOptions) -> Result<Target, Fault> {
    let opened = open_tar(path, &options_of(options))?;
    let image = ImageReference { path: path.to_path_buf(), reference: None };
    if oci::is_layout(&opened.filesystem) {
        return oci::from_oci_archive(&image, opened, options);
    }
    if oci::is_docker_archive(&opened.filesystem) {
        return oci::from_docker_archive(&image, opened, options);
    }
    Ok(root_target(path, opened))
}

/// Opens the archive that an image is in.
pub(super) fn open_image_tar(path: &Path, options: &OpenOptions) -> Result<OpenedTar, Fault> {
    open_tar(path, &options_of(options))
}
