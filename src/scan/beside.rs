//! Digests taken beside BLAKE3 while the walk reads, for the database that will ask for them.
//!
//! Which package claims which file is known only when the tree has been walked. What kind of digest
//! it will be is seen before: each kind of database names one for nearly all of its files. Taken at
//! once they cost no second reading; what is still missing then, [`super::alternates`] computes.

use crate::filesystem::Filesystem;
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::{AlternateDigests, Name, TreePath};
use sha2::Digest;

/// A digest that package databases name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
}

/// What databases name, where they lie; of several the first is the system's own.
const DATABASES: [(&str, Algorithm); 9] = [
    ("/var/lib/dpkg/status", Algorithm::Md5),
    ("/var/lib/dpkg/status.d", Algorithm::Md5),
    ("/var/db/pkg", Algorithm::Md5),
    ("/lib/apk/db/installed", Algorithm::Sha1),
    ("/usr/lib/apk/db/installed", Algorithm::Sha1),
    ("/var/lib/pacman/local", Algorithm::Sha256),
    ("/usr/lib/sysimage/rpm", Algorithm::Sha256),
    ("/usr/share/rpm", Algorithm::Sha256),
    ("/var/lib/rpm", Algorithm::Sha256),
];

/// What the databases of a tree will ask for.
pub(super) fn asked_for(filesystem: &dyn Filesystem) -> Option<Algorithm> {
    let lies_there = |path: &str| {
        matches!(resolve(filesystem, &TreePath::parse(path), LastLink::Follow), Ok(Some(_)))
    };
    DATABASES.iter().find(|(path, _)| lies_there(path)).map(|(_, algorithm)| *algorithm)
}

/// Directories of the root into which no package puts more than a few small files. What grows there
/// is often large.
const NOT_SHIPPED: [&[u8]; 10] =
    [b"home", b"lost+found", b"media", b"mnt", b"proc", b"root", b"run", b"srv", b"tmp", b"var"];

/// Whether packages may put files into a directory of this name, of the root or of another. What
/// Python has compiled counts as made here: so it is where the database names MD5.
pub(super) fn may_ship_into(is_in_root: bool, name: &Name) -> bool {
    let name = name.as_bytes();
    !(is_in_root && NOT_SHIPPED.contains(&name)) && name != b"__pycache__"
}

/// Whether a file of this name is made here from what packages shipped. These are among the longest
/// of a system, and the longest file of all decides how long reading together takes.
pub(super) fn is_made_here(name: &Name) -> bool {
    let name = name.as_bytes();
    matches!(name, b"hwdb.bin" | b"locale-archive")
        || name.starts_with(b"initrd.img-")
        || name.starts_with(b"initramfs-")
}

/// A digest of one stream.
pub(super) enum Beside {
    Nothing,
    Sha1(Box<sha1::Sha1>),
    Sha256(Box<sha2::Sha256>),
}

impl Beside {
    /// MD5 is not taken of one stream: see [`super::streams`].
    pub(super) fn new(algorithm: Option<Algorithm>) -> Self {
        match algorithm {
            None | Some(Algorithm::Md5) => Self::Nothing,
            Some(Algorithm::Sha1) => Self::Sha1(Box::default()),
            Some(Algorithm::Sha256) => Self::Sha256(Box::default()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Nothing => {}
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Option<AlternateDigests> {
        let none = AlternateDigests::default();
        match self {
            Self::Nothing => None,
            Self::Sha1(hasher) => {
                Some(AlternateDigests { sha1: Some(hasher.finalize().into()), ..none })
            }
            Self::Sha256(hasher) => {
                Some(AlternateDigests { sha256: Some(hasher.finalize().into()), ..none })
            }
        }
    }
}
