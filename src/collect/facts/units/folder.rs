//! What one unit directory holds, and what one unit file says of its installation.

use crate::collect::facts::Sheet;
use crate::collect::packages::text;
use crate::filesystem::Node;
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::path::Escaped;
use crate::model::{FileKind, Name, TreePath};
use std::collections::BTreeMap;

/// Kinds of units, systemd(1).
const KINDS: [&str; 11] = [
    "automount",
    "device",
    "mount",
    "path",
    "scope",
    "service",
    "slice",
    "socket",
    "swap",
    "target",
    "timer",
];

/// One of the directories that systemd looks for units in.
#[derive(Debug, Default)]
pub struct Folder {
    /// By name.
    pub units: BTreeMap<String, Unit>,
    /// Links that make units wanted, in order.
    pub links: Vec<Link>,
    /// `UNIT.d/NAME` and where it lies.
    pub drop_ins: Vec<(String, TreePath)>,
}

/// A unit as it lies there.
#[derive(Debug)]
pub struct Unit {
    /// Where.
    pub path: TreePath,
    /// What lies there.
    pub node: Node,
    /// Whether it is a file of its own.
    pub kind: LinkKind,
}

/// What a unit leads to.
#[derive(Debug)]
pub enum LinkKind {
    /// It is a file.
    No,
    /// To `/dev/null`: masked.
    Null,
    /// Another name or place, as the link has it.
    To(String),
}

/// A link in a `.wants`, `.requires` or `.upholds` directory, or another name for the unit.
#[derive(Debug)]
pub struct Link {
    /// What is wanted.
    pub unit: String,
    /// By what: the unit that the directory belongs to, or the other name.
    pub by: String,
    /// The link.
    pub path: TreePath,
    /// Whether it is another name and not a wish.
    pub is_alias: bool,
    /// Whether the administrator's directory has it, which is what `enabled` means.
    pub is_local: bool,
}

impl Folder {
    /// Reads a directory and those in it.
    pub fn read(sheet: &mut Sheet<'_>, directory: &TreePath) -> Self {
        let is_local = directory.is_at_or_below(&TreePath::parse("/etc"));
        let mut folder = Self::default();
        for (name, node) in sheet.reader.list(directory) {
            let (text, path) = (text(name.as_bytes()), directory.join(&name));
            let kind = sheet.reader.filesystem.metadata(&node).map(|metadata| Some(metadata.kind));
            match sheet.reader.keep(&path, kind) {
                Some(FileKind::Directory) => folder.below(sheet, &text, &path, is_local),
                Some(FileKind::File) if is_unit(&text) => {
                    folder.units.insert(text, Unit { path, node, kind: LinkKind::No });
                }
                Some(FileKind::Symlink) if is_unit(&text) => {
                    folder.link(sheet, text, path, &node, is_local);
                }
                _ => {}
            }
        }
        folder
    }

    fn below(&mut self, sheet: &mut Sheet<'_>, name: &str, path: &TreePath, is_local: bool) {
        let Some((unit, kind)) = name.rsplit_once('.') else { return };
        for (entry, _) in sheet.reader.list(path) {
            let text = text(entry.as_bytes());
            match kind {
                "wants" | "requires" | "upholds" if is_unit(&text) => {
                    let (by, path) = (unit.to_owned(), path.join(&entry));
                    self.links.push(Link { unit: text, by, path, is_alias: false, is_local });
                }
                "d" if text.ends_with(".conf") => {
                    self.drop_ins.push((format!("{name}/{text}"), path.join(&entry)));
                }
                _ => {}
            }
        }
    }

    fn link(
        &mut self,
        sheet: &mut Sheet<'_>,
        name: String,
        path: TreePath,
        node: &Node,
        is_local: bool,
    ) {
        let target = sheet.reader.filesystem.read_link(node).map(Some);
        let Some(target) = sheet.reader.keep(&path, target) else { return };
        // Merged directories and `..` may stand before it.
        let reached = resolve(sheet.reader.filesystem, &path, LastLink::Follow).ok().flatten();
        let is_null = target == b"/dev/null"
            || reached.is_some_and(|found| found.path == TreePath::parse("/dev/null"));
        let kind = if is_null {
            LinkKind::Null
        } else {
            let last = target.rsplit(|b| *b == b'/').next().and_then(Name::new);
            let unit = last.map(|name| text(name.as_bytes())).unwrap_or_default();
            if unit != name && is_unit(&unit) {
                let (by, path) = (name.clone(), path.clone());
                self.links.push(Link { unit, by, path, is_alias: true, is_local });
            }
            LinkKind::To(Escaped(&target).to_string())
        };
        self.units.insert(name, Unit { path, node: node.clone(), kind });
    }
}

fn is_unit(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, kind)| !stem.is_empty() && KINDS.contains(&kind))
}

/// `disabled` where `[Install]` says how to enable it, `indirect` where it only names others,
/// `static` without.
#[must_use]
pub fn install_state(text: &str) -> &'static str {
    if !values(text, "Install", &["WantedBy", "RequiredBy", "UpheldBy", "Alias"]).is_empty() {
        "disabled"
    } else if !values(text, "Install", &["Also"]).is_empty() {
        "indirect"
    } else {
        "static"
    }
}

/// The settings of a section with these names, `NAME=VALUE` in the order of the file.
#[must_use]
pub fn values(text: &str, section: &str, names: &[&str]) -> String {
    let mut found = Vec::new();
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_inside = name == section;
        } else if let (true, Some((name, value))) = (is_inside, line.split_once('=')) {
            let (name, value) = (name.trim(), value.trim());
            if names.contains(&name) && !value.is_empty() {
                found.push(format!("{name}={value}"));
            }
        }
    }
    found.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_unit_says_of_its_installation() {
        let check =
            |text: &str, expected: &str| assert_eq!(install_state(text), expected, "{text}");
        check("[Install]\nWantedBy=a.target\n", "disabled");
        check("[Install]\n# WantedBy=a.target\nAlso = b.socket\n", "indirect");
        check("[Unit]\nWantedBy=a.target\n", "static");
        check("[Install]\nWantedBy=\n", "static");
    }
}
