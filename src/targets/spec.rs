//! What a person writes to name a target.

use crate::model::Fault;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// An image in a folder or archive that may hold several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    /// The folder or archive.
    pub path: PathBuf,
    /// A tag, a name with its tag, or a digest (`sha256:…`).
    pub reference: Option<String>,
}

/// A target as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetSpec {
    /// This host.
    Host,
    /// A folder that is the root of a tree.
    Directory(PathBuf),
    /// A disk image.
    Disk(PathBuf),
    /// A folder in OCI image layout.
    Oci(ImageReference),
    /// An OCI image layout in a tar.
    OciArchive(ImageReference),
    /// What `docker save` writes.
    DockerArchive(ImageReference),
    /// A tar of a root tree.
    Tar(PathBuf),
    /// A tar that may be an image or a root tree.
    Archive(PathBuf),
    /// A software bill of materials: packages and no files.
    Bill(PathBuf),
    /// Whatever lies there.
    Bare(PathBuf),
}

impl TargetSpec {
    /// Reads an argument. `SCHEME:REST` forces a reading; everything else is a path that will be
    /// looked at.
    pub fn parse(text: &OsStr) -> Result<Self, Fault> {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes == b"/" || bytes == b"host:" {
            return Ok(Self::Host);
        }
        let colon = bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len());
        let (scheme, rest) = bytes.split_at_checked(colon).unwrap_or((bytes, b""));
        let rest = rest.get(1..).unwrap_or_default();
        let known: &[&[u8]] =
            &[b"host", b"dir", b"disk", b"oci", b"oci-archive", b"docker-archive", b"tar", b"sbom"];
        if !known.contains(&scheme) || colon == bytes.len() {
            return Ok(Self::Bare(text.into()));
        }
        if scheme == b"host" {
            return Err(Fault::unsupported("host: is this host and takes nothing after it"));
        }
        if rest.is_empty() {
            let scheme = String::from_utf8_lossy(scheme);
            return Err(Fault::unsupported(format!("{scheme}: needs a path after it")));
        }
        let path = || PathBuf::from(OsString::from_vec(rest.to_vec()));
        Ok(match scheme {
            b"dir" => Self::Directory(path()),
            b"disk" => Self::Disk(path()),
            b"oci" => Self::Oci(ImageReference::parse(rest)?),
            b"oci-archive" => Self::OciArchive(ImageReference::parse(rest)?),
            b"docker-archive" => Self::DockerArchive(ImageReference::parse(rest)?),
            b"sbom" => Self::Bill(path()),
            _ => Self::Tar(path()),
        })
    }
}

impl ImageReference {
    /// Reads `PATH`, `PATH:REFERENCE` or `PATH@DIGEST`; the path ends at the first colon.
    fn parse(text: &[u8]) -> Result<Self, Fault> {
        let digest = text.windows(4).position(|part| part == b"@sha");
        let colon = text.iter().position(|byte| *byte == b':');
        let end = match (digest, colon) {
            (Some(at), Some(colon)) => at.min(colon),
            (_, Some(colon)) => colon,
            (_, None) => text.len(),
        };
        let (path, reference) = text.split_at_checked(end).unwrap_or((text, b""));
        let reference = reference.get(1..).unwrap_or_default();
        let reference = std::str::from_utf8(reference)
            .map_err(|_| Fault::unsupported("an image's tag is text"))?;
        Ok(Self {
            path: OsString::from_vec(path.to_vec()).into(),
            reference: (!reference.is_empty()).then(|| reference.to_owned()),
        })
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        match &self.reference {
            Some(digest) if digest.starts_with("sha") && digest.contains(':') => {
                write!(f, "@{digest}")
            }
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for TargetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host:"),
            Self::Directory(path) => write!(f, "dir:{}", path.display()),
            Self::Disk(path) => write!(f, "disk:{}", path.display()),
            Self::Oci(image) => write!(f, "oci:{image}"),
            Self::OciArchive(image) => write!(f, "oci-archive:{image}"),
            Self::DockerArchive(image) => write!(f, "docker-archive:{image}"),
            Self::Tar(path) => write!(f, "tar:{}", path.display()),
            Self::Bill(path) => write!(f, "sbom:{}", path.display()),
            Self::Archive(path) | Self::Bare(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The last component of a path, as a target's name.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// A file's name without the endings that say how it is packed.
pub fn stem(path: &Path) -> String {
    const ENDINGS: [&str; 22] = [
        ".gz", ".zst", ".xz", ".bz2", ".tgz", ".tzst", ".txz", ".tbz2", ".tar", ".oci", ".qcow2",
        ".raw", ".img", ".vmdk", ".vhd", ".vhdx", ".vdi", ".iso", ".json", ".cdx", ".spdx",
        ".syft",
    ];
    let mut name = file_name(path);
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)) {
        if shorter.is_empty() {
            break;
        }
        name = shorter.to_owned();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let image = |path: &str, reference: Option<&str>| ImageReference {
            path: path.into(),
            reference: reference.map(str::to_owned),
        };
        let check = |text: &str, expected: TargetSpec| {
            assert_eq!(TargetSpec::parse(OsStr::new(text)).unwrap(), expected, "{text}");
        };
        check("", TargetSpec::Host);
        check("/", TargetSpec::Host);
        check("host:", TargetSpec::Host);
        check("./rootfs", TargetSpec::Bare("./rootfs".into()));
        check("a:b", TargetSpec::Bare("a:b".into()));
        check("tar", TargetSpec::Bare("tar".into()));
        check("dir:/mnt/a:b", TargetSpec::Directory("/mnt/a:b".into()));
        check("disk:web.raw", TargetSpec::Disk("web.raw".into()));
        check("oci:./layout:v1", TargetSpec::Oci(image("./layout", Some("v1"))));
        check("oci:layout", TargetSpec::Oci(image("layout", None)));
        check("oci:l@sha256:ab", TargetSpec::Oci(image("l", Some("sha256:ab"))));
        check(
            "docker-archive:i.tar:localhost:5000/a/b:1",
            TargetSpec::DockerArchive(image("i.tar", Some("localhost:5000/a/b:1"))),
        );
        check("oci-archive:i.tar", TargetSpec::OciArchive(image("i.tar", None)));
        check("tar:x.tar", TargetSpec::Tar("x.tar".into()));
        for wrong in ["host:x", "dir:", "oci:"] {
            assert!(TargetSpec::parse(OsStr::new(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_shown_reads_as_the_same() {
        for text in ["host:", "dir:/a", "disk:a", "oci:a:t", "oci:a@sha256:ab", "tar:a"] {
            let spec = TargetSpec::parse(OsStr::new(text)).unwrap();
            assert_eq!(spec.to_string(), text);
        }
    }

    #[test]
    fn stems() {
        let check = |path: &str, expected: &str| assert_eq!(stem(Path::new(path)), expected);
        check("/a/rootfs.tar.zst", "rootfs");
        check("golden.qcow2", "golden");
        check("web-1.2.tgz", "web-1.2");
        check(".tar", ".tar");
        check("plain", "plain");
    }
}
