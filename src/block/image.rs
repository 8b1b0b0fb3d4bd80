//! The door to images: a file, whatever container it is, as a device.

use super::beside::{Beside, Chain};
use super::qcow2::{self, Snapshot};
use super::recognise::{ImageFormat, recognise};
use super::{BlockDevice, FileDevice, vdi, vhd, vhdx, vmdk};
use crate::model::Fault;
use std::path::Path;
use std::sync::Arc;

/// How an image is to be opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Where the files that it names may lie.
    pub beside: Beside,
    /// The id or the name of an internal snapshot to read instead of the present state.
    pub snapshot: Option<String>,
    /// Take it for this format instead of looking at it.
    pub format: Option<ImageFormat>,
}

/// An opened image.
#[derive(Clone, Debug)]
pub struct Image {
    /// The disk.
    pub device: Arc<dyn BlockDevice>,
    /// What contains it.
    pub format: ImageFormat,
    /// The internal snapshots that it has.
    pub snapshots: Vec<Snapshot>,
    /// What a person should know of it: that it was not closed, and the like.
    pub notes: Vec<String>,
    /// Why what it holds may be wrong.
    pub faults: Vec<Fault>,
}

/// Opens a disk image, or a block device, with all files that it names.
pub fn open_image(path: &Path, options: &OpenOptions) -> Result<Image, Fault> {
    let mut chain = Chain::new(options.beside);
    let file = FileDevice::open(path)?;
    open_layer(&mut chain, file, options.format, options.snapshot.as_deref())
}

/// Opens one file of a chain, and what is below it.
pub(super) fn open_layer(
    chain: &mut Chain,
    file: FileDevice,
    format: Option<ImageFormat>,
    snapshot: Option<&str>,
) -> Result<Image, Fault> {
    let path = file.path().to_owned();
    chain.enter(&file)?;
    let format = match format {
        Some(format) => format,
        None => recognise(&file)?,
    };
    if let (Some(name), true) = (snapshot, format != ImageFormat::Qcow2) {
        return Err(Fault::unsupported(format!(
            "{}: a {format} image has no internal snapshots (\"{name}\" was asked for)",
            path.display()
        )));
    }
    let mut image = Image {
        device: Arc::new(file),
        format,
        snapshots: Vec::new(),
        notes: Vec::new(),
        faults: Vec::new(),
    };
    let file = Arc::clone(&image.device);
    let opened = match format {
        ImageFormat::Raw => Ok(file),
        ImageFormat::Qcow2 => qcow2::open(chain, &path, file, snapshot, &mut image),
        ImageFormat::Vmdk => vmdk::open(chain, &path, file),
        ImageFormat::Vhd => vhd::open(chain, file),
        ImageFormat::Vhdx => vhdx::open(chain, file, &mut image.notes),
        ImageFormat::Vdi => vdi::open(chain, file),
    };
    image.device = opened.map_err(|fault| fault.within(path.display()))?;
    chain.leave();
    Ok(image)
}
