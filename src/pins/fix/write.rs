//! Edited files onto the disk: a new file beside the old one, then renamed over it, so that
//! nobody ever sees half of one. Mode and owner stay.

use super::FixedFile;
use crate::pins::repository::MAX_FILE;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The bytes of a build file; `None` where it is none or too large.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes).ok()?;
    (u64::try_from(bytes.len()).ok()? <= MAX_FILE).then_some(bytes)
}

/// Writes one file. A link is followed as long as it stays below one of `roots`.
///
/// # Errors
/// Where it changed since it was read, leads out of the roots, or cannot be replaced.
pub fn write(file: &FixedFile, roots: &[PathBuf]) -> io::Result<()> {
    let real = fs::canonicalize(&file.path)?;
    let inside = roots.iter().filter_map(|root| fs::canonicalize(root).ok()).any(|root| {
        if root.is_dir() { real.starts_with(&root) } else { real == root && !is_link(&file.path) }
    });
    if !inside {
        return Err(io::Error::other("it is a link that leads out of what was audited"));
    }
    if read(&real).as_deref() != Some(&*file.before) {
        return Err(io::Error::other("it changed while it was being audited"));
    }
    let metadata = fs::metadata(&real)?;
    let mut name = real.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(name);
    let written = replace(&part, &real, &metadata, &file.after);
    written.inspect_err(|_| drop(fs::remove_file(&part)))
}

fn is_link(path: &str) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn replace(part: &Path, real: &Path, old: &fs::Metadata, bytes: &[u8]) -> io::Result<()> {
    let mut out = File::options().write(true).create_new(true).mode(0o600).open(part)?;
    out.write_all(bytes)?;
    let new = out.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        std::os::unix::fs::fchown(&out, Some(old.uid()), Some(old.gid()))?;
    }
    out.set_permissions(old.permissions())?;
    out.sync_all()?;
    fs::rename(part, real)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::Arc;

    fn edited(path: &Path, before: &str) -> FixedFile {
        let path = path.to_str().unwrap().to_owned();
        FixedFile { path, before: Arc::from(before.as_bytes()), after: Arc::from(&b"new"[..]) }
    }

    #[test]
    fn whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let roots = [root.path().to_path_buf()];
        let path = root.path().join("run.sh");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(write(&edited(&path, "other"), &roots).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write(&edited(&path, "old"), &roots).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o750);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_stay_inside() {
        let root = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let roots = [root.path().to_path_buf()];
        fs::write(other.path().join("out"), "old").unwrap();
        fs::write(root.path().join("in"), "old").unwrap();
        for (link, target) in [("a", other.path().join("out")), ("b", root.path().join("in"))] {
            symlink(target, root.path().join(link)).unwrap();
        }
        assert!(write(&edited(&root.path().join("a"), "old"), &roots).is_err());
        assert_eq!(fs::read(other.path().join("out")).unwrap(), b"old");
        write(&edited(&root.path().join("b"), "old"), &roots).unwrap();
        assert!(is_link(root.path().join("b").to_str().unwrap()));
        assert_eq!(fs::read(root.path().join("in")).unwrap(), b"new");
    }
}
