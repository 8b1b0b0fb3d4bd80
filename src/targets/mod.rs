//! What a person names, opened: a host, a folder, an archive, a container image, a disk.
//!
//! A target is a tree and what its medium says of it. Arguments are parsed first ([`TargetSpec`],
//! pure) and resolved second ([`open`]); given bare, a path is recognised by looking at it, never
//! by its name. Stored manifests are no targets: whoever has the store resolves them before.
//! Nothing outside of the file or folder that was named is read.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod archive;
pub mod disk;
mod oci;
mod platform;
mod spec;

pub use platform::Platform;
pub use spec::{ImageReference, TargetSpec, stem};

use crate::filesystem::Filesystem;
use crate::filesystem::directory::DirectoryFilesystem;
use crate::filesystem::resolve::read_file;
use crate::filesystem::tar::UnpackLimits;
use crate::model::{Fact, Fault, Gap, Omission, TreePath};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

/// More than this is no host's name.
const MAX_HOSTNAME_FILE: u64 = 4096;

/// What may be chosen when a target is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Which image of a multi-platform one; [`None`]: this machine's where there is a choice.
    pub platform: Option<Platform>,
    /// How much a compressed archive or layer may unpack to.
    pub unpack: UnpackLimits,
    /// How disks are opened and put together.
    pub disk: disk::DiskOptions,
}

/// A target that can be scanned.
#[derive(Debug)]
pub struct Target {
    /// What its manifests are called unless the person chooses another name.
    pub name: String,
    /// What was asked for with the scheme that it was recognised as: `dir:/mnt/image`.
    pub spec: String,
    /// Its tree.
    pub filesystem: Arc<dyn Filesystem>,
    /// What the medium says of the system: an image's digest, layers, labels.
    pub facts: Vec<Fact>,
    /// What could not be read of the medium.
    pub gaps: Vec<Gap>,
    /// What was left out of the medium on purpose.
    pub omissions: Vec<Omission>,
}

impl Target {
    /// A target of which there is nothing to say beyond its tree.
    fn new(name: String, spec: &TargetSpec, filesystem: Arc<dyn Filesystem>) -> Self {
        Self {
            name,
            spec: spec.to_string(),
            filesystem,
            facts: Vec::new(),
            gaps: Vec::new(),
            omissions: Vec::new(),
        }
    }
}

/// Opens what was asked for.
pub fn open(spec: &TargetSpec, options: &OpenOptions) -> Result<Target, Fault> {
    match spec {
        TargetSpec::Bare(path) => open(&recognise(path)?, options),
        TargetSpec::Host => open_host(),
        TargetSpec::Directory(path) => {
            let filesystem = DirectoryFilesystem::open(path)?;
            let name = spec::file_name(filesystem.path());
            Ok(Target::new(name, spec, Arc::new(filesystem)))
        }
        TargetSpec::Tar(path) => archive::open_root(path, options),
        TargetSpec::Archive(path) => archive::open_any(path, options),
        TargetSpec::Oci(image) => oci::open_layout(image, options),
        TargetSpec::OciArchive(image) => oci::open_oci_archive(image, options),
        TargetSpec::DockerArchive(image) => oci::open_docker_archive(image, options),
        TargetSpec::Disk(path) => disk::open_disk(path, &options.disk),
        TargetSpec::Bill(path) => {
            let what = "a bill of materials has no files to scan";
            Err(Fault::unsupported(format!("{}: {what}", path.display())))
        }
    }
}

/// Looks at what lies at a path.
fn recognise(path: &Path) -> Result<TargetSpec, Fault> {
    let place = path.display();
    let metadata = std::fs::metadata(path).map_err(|error| Fault::unreadable(&place, error))?;
    if metadata.is_dir() {
        let is_layout = oci::is_layout(&DirectoryFilesystem::open(path)?);
        return Ok(if is_layout {
            TargetSpec::Oci(ImageReference { path: path.to_path_buf(), reference: None })
        } else {
            TargetSpec::Directory(path.to_path_buf())
        });
    }
    if metadata.file_type().is_block_device() {
        return Ok(TargetSpec::Disk(path.to_path_buf()));
    }
    if !metadata.is_file() {
        return Err(Fault::unsupported(format!("{place} is no file, folder or disk")));
    }
    if archive::is_archive(path)? {
        return Ok(TargetSpec::Archive(path.to_path_buf()));
    }
    Ok(TargetSpec::Disk(path.to_path_buf()))
}

fn open_host() -> Result<Target, Fault> {
    let filesystem = DirectoryFilesystem::open(Path::new("/"))?;
    let file = read_file(&filesystem, &TreePath::parse("/etc/hostname"), MAX_HOSTNAME_FILE);
    let written = file.ok().flatten().and_then(|bytes| parse_hostname(&bytes));
    let name = written
        .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
    Ok(Target::new(name, &TargetSpec::Host, Arc::new(filesystem)))
}

/// The name in `/etc/hostname` (hostname(5)): the first line that is no comment.
fn parse_hostname(file: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(file);
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostnames() {
        let check = |file: &str, expected: Option<&str>| {
            assert_eq!(parse_hostname(file.as_bytes()).as_deref(), expected);
        };
        check("web-01\n", Some("web-01"));
        check("# made by hand\n\n  web-01  \nweb-02\n", Some("web-01"));
        check("\n", None);
    }

    #[test]
    fn a_folder_is_a_target_under_its_last_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rootfs");
        std::fs::create_dir(&path).unwrap();
        let target = open(&TargetSpec::Bare(path.clone()), &OpenOptions::default()).unwrap();
        assert_eq!(
            (target.name.as_str(), target.spec),
            ("rootfs", format!("dir:{}", path.display()))
        );
        let missing = TargetSpec::Bare(path.join("missing"));
        assert!(open(&missing, &OpenOptions::default()).unwrap_err().is_not_found());
    }
}
