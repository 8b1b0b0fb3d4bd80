//! Installed software.

use super::{Timestamp, TreePath};
use std::collections::BTreeMap;
use std::fmt;

/// What makes two records of two manifests the same package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageKey {
    /// Who installed it, as purl names the type where it has one: `dpkg`, `rpm`, `apk`,
    /// `pacman`, `pypi`, `npm`, `gem`, `maven`, `golang`, `cargo`, …
    pub manager: String,
    /// As the manager writes it.
    pub name: String,
    /// As the manager writes it; `None` where it has no such notion.
    pub architecture: Option<String>,
    /// Tells several copies of one name apart where the manager allows them (a second version of
    /// a kernel, `node_modules` nested in another, a second virtualenv): the path of the copy or
    /// the version. `None` for the ordinary case.
    pub instance: Option<String>,
}

impl fmt::Display for PackageKey {
    /// `name`, `name:arch` where there is one, and the instance in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(architecture) = &self.architecture {
            write!(f, ":{architecture}")?;
        }
        if let Some(instance) = &self.instance {
            write!(f, " [{instance}]")?;
        }
        Ok(())
    }
}

/// The state of what is left of a removed package: its configuration, no software.
pub const REMNANT: &str = "config-files";

/// What happened to a package between two manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It was not there before, but for its configuration at most.
    Installed,
    /// It is not there any more, but for its configuration at most.
    Removed,
    /// A newer version, as its manager orders them.
    Upgraded,
    /// An older version.
    Downgraded,
    /// The same version with other content.
    Reinstalled,
    /// Another package does its work, or another version of which nobody knows which is the newer.
    Replaced,
    /// The same version in another state: unpacked, half configured.
    Reconfigured,
}

impl Direction {
    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Removed => "removed",
            Self::Upgraded => "upgraded",
            Self::Downgraded => "downgraded",
            Self::Reinstalled => "reinstalled",
            Self::Replaced => "replaced",
            Self::Reconfigured => "reconfigured",
        }
    }
}

/// One installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Who it is.
    pub key: PackageKey,
    /// As the ecosystem writes it (rpm: `[epoch:]version-release`, no epoch where there is none).
    pub version: String,
    /// `installed`, or the manager's word for less: `config-files`, `half-configured`,
    /// `unpacked`, …, with `hold` in front where it is held (`hold installed`).
    pub state: String,
    /// When it was put there, where the database or its files say so.
    pub installed_at: Option<Timestamp>,
    /// Where it came from: repository, vendor or URL, as far as it is recorded.
    pub origin: Option<String>,
    /// Package URL (<https://github.com/package-url/purl-spec>); empty where none can be formed.
    pub purl: String,
    /// The file that says so.
    pub evidence: TreePath,
    /// More that the database knows, by the words of reports: `source`, `licence`, `vendor`,
    /// `maintainer`, `depends` (as written), `modularity`, `signature`, …
    pub details: BTreeMap<String, String>,
}
