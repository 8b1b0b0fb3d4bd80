//! Files that an image names: backing files, extents, data files.
//!
//! An image is not trusted to name files of the scanning host. Unless allowed otherwise, a name
//! must be that of a regular file in the image's own folder, and a link there must not lead out
//! of it; whatever else it says is refused and named.

use super::FileDevice;
use super::cache::Cache;
use crate::model::Fault;
use crate::model::path::Escaped;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the files that an image names may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Beside {
    /// In the image's own folder and nowhere else.
    #[default]
    Only,
    /// Wherever the image says: for images that the person trusts.
    OrAnywhere,
}

/// Longer chains are hostile; real ones have a handful.
const MAX_DEPTH: usize = 64;
/// Files of one image with all below it: a 2 TB disk in 2 GB extents has 1,000.
const MAX_FILES: u32 = 1_000;
/// Tables of all files of an image together; 32 MiB is the largest that qemu reads of one.
const MAX_TABLE_BYTES: u64 = 128 << 20;
/// Second-level tables that are remembered: 64 GiB of disk per MiB at qcow2's usual cluster size.
const TABLE_CACHE: usize = 32 << 20;
/// Inflated clusters that are remembered: where metadata of a file system is read again and again.
const CLUSTER_CACHE: usize = 64 << 20;

/// What all files of one opened image share.
#[derive(Debug)]
pub(super) struct Caches {
    pub(super) tables: Cache<[u64]>,
    pub(super) clusters: Cache<[u8]>,
}

/// The state of opening one image with all that it names.
#[derive(Debug)]
pub(super) struct Chain {
    policy: Beside,
    pub(super) caches: Arc<Caches>,
    /// The images that are being opened, from the top down.
    above: Vec<(u64, u64)>,
    files: u32,
    table_bytes: u64,
}

impl Chain {
    pub(super) fn new(policy: Beside) -> Self {
        let caches = Arc::new(Caches {
            tables: Cache::new(TABLE_CACHE),
            clusters: Cache::new(CLUSTER_CACHE),
        });
        Self { policy, caches, above: Vec::new(), files: 0, table_bytes: 0 }
    }

    /// A number that tells this image from others in the caches.
    pub(super) fn next_layer(&mut self) -> u32 {
        self.files = self.files.saturating_add(1);
        self.files
    }

    /// Counts a table that is kept in memory.
    pub(super) fn keep_table(&mut self, bytes: u64) -> Result<(), Fault> {
        self.table_bytes = self.table_bytes.saturating_add(bytes);
        if self.table_bytes > MAX_TABLE_BYTES {
            return Err(Fault::limit(format!(
                "tables of {} bytes, more than the {MAX_TABLE_BYTES} that are kept",
                self.table_bytes
            )));
        }
        Ok(())
    }

    /// Goes down into an image; refuses to enter one twice.
    pub(super) fn enter(&mut self, file: &FileDevice) -> Result<(), Fault> {
        if self.above.contains(&file.identity()) {
            let name = file.path().display();
            return Err(Fault::damaged(format!("{name}: is its own backing file")));
        }
        if self.above.len() >= MAX_DEPTH {
            return Err(Fault::limit(format!("more than {MAX_DEPTH} images in a chain")));
        }
        self.above.push(file.identity());
        Ok(())
    }

    /// Comes back from an image.
    pub(super) fn leave(&mut self) {
        self.above.pop();
    }

    /// Opens a file that the image at `image` names.
    pub(super) fn open_named(&mut self, image: &Path, name: &[u8]) -> Result<FileDevice, Fault> {
        self.files = self.files.saturating_add(1);
        if self.files > MAX_FILES {
            return Err(Fault::limit(format!("an image of more than {MAX_FILES} files")));
        }
        let path =
            resolve(image, name, self.policy).map_err(|fault| fault.within(image.display()))?;
        FileDevice::open(&path)
    }
}

/// Whether a name is one of qemu's `protocol:rest` forms.
fn is_protocol(name: &[u8]) -> bool {
    let scheme = name.split(|b| matches!(b, b'/' | b'\\')).next().unwrap_or_default();
    // A drive letter is no protocol.
    scheme.iter().position(|b| *b == b':').is_some_and(|at| at > 1)
}

fn resolve(image: &Path, name: &[u8], policy: Beside) -> Result<PathBuf, Fault> {
    let shown = Escaped(name);
    if is_protocol(name) {
        return Err(Fault::unsupported(format!("names \"{shown}\", which is no plain file name")));
    }
    let text = std::str::from_utf8(name)
        .ok()
        .filter(|text| !text.is_empty() && !text.contains('\0'))
        .ok_or_else(|| Fault::unsupported(format!("names \"{shown}\", which is no file name")))?;
    let folder = match image.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let path = folder.join(text);
    if policy == Beside::OrAnywhere {
        return Ok(path);
    }
    let refused = |why: &str| {
        Fault::unsupported(format!(
            "names \"{shown}\", {why}; only files beside the image are read unless allowed"
        ))
    };
    let plain = text.strip_prefix("./").unwrap_or(text);
    if plain.contains(['/', '\\']) || matches!(plain, "" | "." | "..") {
        return Err(refused("which is not in its own folder"));
    }
    let unreadable = |error| Fault::unreadable(path.display(), error);
    let real = path.canonicalize().map_err(unreadable)?;
    let real_folder = folder.canonicalize().map_err(unreadable)?;
    if real.parent() != Some(&real_folder) {
        return Err(refused("a link that leads out of its folder"));
    }
    if !real.is_file() {
        return Err(refused("which is no regular file"));
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_beside_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("top.qcow2");
        std::fs::write(folder.path().join("base.raw"), b"base").unwrap();
        std::os::unix::fs::symlink("base.raw", folder.path().join("inner")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("outer")).unwrap();
        let check = |name: &str, expected: &str| {
            let found = match resolve(&image, name.as_bytes(), Beside::Only) {
                Ok(path) => path.file_name().unwrap().to_string_lossy().into_owned(),
                Err(fault) => fault.to_string(),
            };
            assert!(found.contains(expected), "{name}: {found}");
        };
        check("base.raw", "base.raw");
        check("./base.raw", "base.raw");
        check("inner", "base.raw");
        check("outer", "a link that leads out");
        check("/etc/passwd", "not in its own folder");
        check("../base.raw", "not in its own folder");
        check("..", "not in its own folder");
        check("", "no file name");
        check("none", "none");
        check("json:{\"driver\":\"raw\"}", "no plain file name");
        check("nbd://host/disk", "no plain file name");
        check("file:/etc/passwd", "no plain file name");
        assert!(resolve(&image, b"/etc/passwd", Beside::OrAnywhere).is_ok());
    }
}
