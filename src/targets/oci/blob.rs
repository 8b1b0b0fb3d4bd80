//! Files of an image's folder or archive: JSON documents, and blobs as devices.

use super::digest::Digest;
use crate::block::BlockDevice;
use crate::filesystem::resolve::{LastLink, read_file, resolve};
use crate::filesystem::{Filesystem, Node};
use crate::model::{Fault, FileKind, TreePath};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Registries stop at 4 MiB for a manifest; configurations with a long history grow a bit larger.
const MAX_JSON: u64 = 16 << 20;

/// The folder or archive that holds images. Links in it lead nowhere else.
#[derive(Clone, Debug)]
pub(super) struct Layout(pub(super) Arc<dyn Filesystem>);

impl Layout {
    /// The bytes of a document.
    pub(super) fn document(&self, path: &str) -> Result<Vec<u8>, Fault> {
        document(self.0.as_ref(), path)
    }

    /// The bytes of a document that has this digest.
    pub(super) fn verified(&self, digest: &Digest) -> Result<Vec<u8>, Fault> {
        let bytes = self.document(&digest.blob_path())?;
        digest.verify_bytes(&bytes).map_err(|fault| fault.within(digest.blob_path()))?;
        Ok(bytes)
    }

    /// A file as a device.
    pub(super) fn device(&self, path: &str) -> Result<Arc<dyn BlockDevice>, Fault> {
        let filesystem = self.0.as_ref();
        let found = resolve(filesystem, &TreePath::parse(path), LastLink::Follow)?;
        let missing = || Fault::damaged(format!("{path} is missing"));
        let node = filesystem.open(&found.ok_or_else(missing)?.node)?;
        let metadata = filesystem.metadata(&node)?;
        if metadata.kind != FileKind::File {
            return Err(Fault::damaged(format!("{path} is a {}", metadata.kind)));
        }
        Ok(Arc::new(Blob { layout: self.clone(), node, length: metadata.size }))
    }
}

/// The bytes of a document.
pub(super) fn document(filesystem: &dyn Filesystem, path: &str) -> Result<Vec<u8>, Fault> {
    let bytes = read_file(filesystem, &TreePath::parse(path), MAX_JSON)?;
    bytes.ok_or_else(|| Fault::damaged(format!("{path} is missing")))
}

/// Reads a JSON document.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| Fault::damaged(format!("{what}: {error}")))
}

#[derive(Debug)]
struct Blob {
    layout: Layout,
    node: Node,
    length: u64,
}

impl BlockDevice for Blob {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        let mut filled = 0_usize;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let place = offset.saturating_add(filled as u64);
            match self.layout.0.read_at(&self.node, place, rest)? {
                0 => {
                    let detail = format!("byte {place} of a blob of {}", self.length);
                    return Err(Fault::damaged(detail));
                }
                count => filled = filled.saturating_add(count),
            }
        }
        Ok(())
    }
}
