//! Which system a tree holds: `os-release(5)`.
//!
//! Package URLs, repositories and facts all need it, so it is read in one place. A tree without
//! the file (an empty container) is no gap: it simply has no name.

use crate::filesystem::Filesystem;
use crate::filesystem::resolve::read_file;
use crate::model::{Fault, TreePath};
use std::collections::BTreeMap;

/// The search order that the specification gives.
const PATHS: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// The file has some twenty short lines.
const MAX_SIZE: u64 = 64 * 1024;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// Variable names to values, quotes taken off.
    pub fields: BTreeMap<String, String>,
    /// The file that was read.
    pub evidence: Option<TreePath>,
}

impl OsRelease {
    /// `ID`, the distribution in lower case (`debian`, `rhel`); `linux` where it is not given, as
    /// the specification says.
    #[must_use]
    pub fn id(&self) -> &str {
        self.fields.get("ID").map_or("linux", String::as_str)
    }

    /// `ID-VERSION_ID` (`debian-12`), as the `distro` of package URLs; `None` where there is no
    /// `ID`, and `ID` alone where the distribution rolls.
    #[must_use]
    pub fn distro(&self) -> Option<String> {
        let id = self.fields.get("ID")?;
        Some(match self.fields.get("VERSION_ID") {
            Some(version) => format!("{id}-{version}"),
            None => id.clone(),
        })
    }
}

/// Reads the target's own file; empty where it has none.
pub fn read(filesystem: &dyn Filesystem) -> Result<OsRelease, Fault> {
    for path in PATHS {
        let path = TreePath::parse(path);
        if let Some(bytes) = read_file(filesystem, &path, MAX_SIZE)? {
            return Ok(OsRelease { fields: parse(&bytes), evidence: Some(path) });
        }
    }
    Ok(OsRelease::default())
}

/// Shell assignments without expansion; other lines are passed over, as readers of this file do.
#[must_use]
pub fn parse(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let assignment = |line: &str| {
        let (name, value) = line.trim().split_once('=')?;
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        is_name(name).then(|| (name.to_owned(), unquote(value)))
    };
    text.lines().filter_map(assignment).collect()
}

/// Takes off one pair of quotes; a backslash keeps the character after it, but in single quotes.
fn unquote(value: &str) -> String {
    let quoted = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    if let Some(plain) = quoted('\'') {
        return plain.to_owned();
    }
    let mut characters = quoted('"').unwrap_or(value).chars();
    let mut out = String::new();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn values_lose_their_quotes() {
        let check = |line: &str, name: &str, expected: Option<&str>| {
            let fields = parse(line.as_bytes());
            assert_eq!(fields.get(name).map(String::as_str), expected, "{line}");
        };
        check("ID=debian", "ID", Some("debian"));
        check("NAME=\"Red \\\"Hat\\\"\"", "NAME", Some("Red \"Hat\""));
        check("X='a\\b'", "X", Some("a\\b"));
        check("# ID=no", "ID", None);
        check("IMAGE_ID=", "IMAGE_ID", Some(""));
    }

    #[test]
    fn etc_is_asked_first() {
        let mut tree = MemoryFilesystem::new();
        assert_eq!(read(&tree).unwrap().distro(), None);
        tree.file("/usr/lib/os-release", "ID=arch\n");
        assert_eq!(read(&tree).unwrap().distro().as_deref(), Some("arch"));
        tree.file("/usr/lib/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
        tree.symlink("/etc/os-release", "../usr/lib/os-release");
        assert_eq!(read(&tree).unwrap().distro().as_deref(), Some("debian-12"));
    }
}
