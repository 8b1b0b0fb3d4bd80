//! VMDK: VMware's container.
//!
//! Read: monolithicSparse, streamOptimized (compressed grains, markers, the footer that names the
//! grain directory), monolithicFlat, twoGbMaxExtentSparse and twoGbMaxExtentFlat, vmfs flat.
//! Extents are opened from beside the image only. Refused by name: deltas of a parent, `COWD`
//! (vmfsSparse) and seSparse extents, raw device mappings.
//! Specification: VMware, "Virtual Disk Format 5.0".

mod descriptor;
mod sparse;

use super::beside::Chain;
use super::concat::{Segment, Source, concatenation};
use super::{BlockDevice, read_vec};
use crate::model::Fault;
use descriptor::{ExtentKind, ExtentLine, MAX_DESCRIPTOR_BYTES};
use std::path::Path;
use std::sync::Arc;

/// Opens the image in `file`, which lies at `path`, with its extents.
pub(super) fn open(
    chain: &mut Chain,
    path: &Path,
    file: Arc<dyn BlockDevice>,
) -> Result<Arc<dyn BlockDevice>, Fault> {
    if !sparse::is_sparse(file.as_ref())? {
        let count = usize::try_from(file.length().min(MAX_DESCRIPTOR_BYTES)).unwrap_or(0);
        let extents = descriptor::parse(&read_vec(file.as_ref(), 0, count)?)?;
        return open_extents(chain, path, &extents);
    }
    let (device, descriptor) = sparse::open(chain, file)?;
    // One that describes itself has itself as its one extent. Its text is read for what it refuses.
    match descriptor.as_deref().map(descriptor::parse) {
        Some(Err(fault)) if fault.kind == crate::model::FaultKind::Unsupported => Err(fault),
        Some(Ok(extents)) if extents.len() > 1 => {
            Err(Fault::unsupported("a VMDK with a descriptor inside and extents outside"))
        }
        _ => Ok(device),
    }
}

fn open_extents(
    chain: &mut Chain,
    path: &Path,
    extents: &[ExtentLine],
) -> Result<Arc<dyn BlockDevice>, Fault> {
    let mut stores: Vec<Arc<dyn BlockDevice>> = Vec::new();
    let mut segments = Vec::new();
    for line in extents {
        let source = match &line.kind {
            ExtentKind::Zero => Source::Zeros,
            ExtentKind::Flat { file, offset } => {
                stores.push(Arc::new(chain.open_named(path, file)?));
                Source::Linear { store: stores.len().saturating_sub(1), offset: *offset }
            }
            ExtentKind::Sparse { file } => {
                let file = Arc::new(chain.open_named(path, file)?);
                let name = file.path().display().to_string();
                let opened = sparse::open(chain, file).map_err(|fault| fault.within(name));
                stores.push(opened?.0);
                Source::Linear { store: stores.len().saturating_sub(1), offset: 0 }
            }
        };
        segments.push(Segment { length: line.length, source });
    }
    concatenation(stores, segments)
}

#[cfg(test)]
mod tests {
    use super::super::testing::survive_damage;
    use super::super::{OpenOptions, open_image};
    use super::*;

    #[test]
    fn flat_extents_are_read_from_beside_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk.vmdk");
        std::fs::write(folder.path().join("a"), [1; 2048]).unwrap();
        let check = |extents: &str, expected: &str| {
            let text = format!("# Disk DescriptorFile\nparentCID=ffffffff\n{extents}\n");
            std::fs::write(&path, &text).unwrap();
            let shown = match open_image(&path, &OpenOptions::default()) {
                Ok(image) => {
                    let bytes = read_vec(image.device.as_ref(), 0, 1536).unwrap();
                    format!("{} {} {}", bytes[0], bytes[512], bytes[1024])
                }
                Err(fault) => fault.to_string(),
            };
            assert!(shown.contains(expected), "{shown}");
            survive_damage(folder.path(), text.as_bytes(), 1024, 50);
        };
        check("RW 1 ZERO\nRW 1 FLAT \"a\" 1\nRW 1 ZERO", "0 1 0");
        check("RW 1 FLAT \"/etc/passwd\" 0", "not in its own folder");
        check("RW 1 FLAT \"b\" 0", "b");
    }
}
