//! A difference between two manifests, before anybody judged it.

use super::{ContentDigest, DeviceNumber, FileKind, PackageKey, TreePath};
use std::fmt;

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// An entry of the tree.
    Path(TreePath),
    /// A package.
    Package(PackageKey),
    /// A fact.
    Fact {
        /// Its scope.
        scope: String,
        /// Its key.
        key: String,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Package(key) => write!(f, "{key} ({})", key.manager),
            Self::Fact { scope, key } => write!(f, "{scope}/{key}"),
        }
    }
}

/// How it differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// Only after.
    Added,
    /// Only before.
    Removed,
    /// In both, not alike.
    Modified,
}

impl ChangeKind {
    /// The contract's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Modified => "modified",
        }
    }
}

/// One side of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttributeValue {
    /// `kind`.
    Kind(FileKind),
    /// `mode`: `st_mode & 07777`, written as four octal digits.
    Mode(u16),
    /// `uid`, `gid`, `size`.
    Number(u64),
    /// `digest`; `None` where the bytes could not be read.
    Digest(Option<ContentDigest>),
    /// `target` and extended attributes.
    Bytes(Vec<u8>),
    /// `device`.
    Device(DeviceNumber),
    /// Attributes of packages and facts.
    Text(String),
}

/// One attribute that differs. At least one side is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute {
    /// The contract's name: `kind mode uid gid size digest target device xattr:NAME` for paths,
    /// `version architecture state` for packages, the fact's own for facts.
    pub name: String,
    /// In the baseline.
    pub before: Option<AttributeValue>,
    /// Now.
    pub after: Option<AttributeValue>,
}

/// One difference. Of something added or removed, every attribute is listed with one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What differs.
    pub subject: Subject,
    /// How.
    pub kind: ChangeKind,
    /// In what, in the contract's order.
    pub attributes: Vec<Attribute>,
}

impl Change {
    /// The attribute of that name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}
