//! Which directory of which file system is the root of a system: found by looking.

use crate::filesystem::resolve::{LastLink, resolve};
use crate::filesystem::{Filesystem, Node};
use crate::model::{FileKind, TreePath};

/// How a directory looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// Nothing of a system.
    None,
    /// `/etc` and programs, but nothing that says which system it is.
    Tree,
    /// It says which system it is.
    System,
}

/// Names that installers give to the subvolume of the root: Ubuntu and openSUSE, Debian, Fedora.
const ROOT_SUBVOLUMES: [&str; 3] = ["/@", "/@rootfs", "/root"];

/// A directory that may be a root.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) likeness: Likeness,
    pub(super) node: Node,
}

/// Looks at the top of a file system and, on btrfs, at where its root may be below.
pub(super) fn look(filesystem: &dyn Filesystem) -> Candidate {
    let top = Candidate { likeness: likeness(filesystem, ""), node: filesystem.root() };
    if top.likeness == Likeness::System || filesystem.type_name() != "btrfs" {
        return top;
    }
    let below = ROOT_SUBVOLUMES.into_iter().filter_map(|prefix| {
        let found = resolve(filesystem, &TreePath::parse(prefix), LastLink::Keep).ok()??;
        Some(Candidate { likeness: likeness(filesystem, prefix), node: found.node })
    });
    below.fold(top, |best, next| if next.likeness > best.likeness { next } else { best })
}

fn likeness(filesystem: &dyn Filesystem, prefix: &str) -> Likeness {
    let kind = |path: &str| {
        let path = TreePath::parse(format!("{prefix}{path}"));
        // The last link is kept: `/etc/os-release` may point into a `/usr` that is elsewhere.
        let found = resolve(filesystem, &path, LastLink::Keep).ok().flatten()?;
        filesystem.metadata(&found.node).ok().map(|metadata| metadata.kind)
    };
    let has_etc = kind("/etc") == Some(FileKind::Directory);
    let names =
        ["/etc/os-release", "/usr/lib/os-release", "/etc/debian_version", "/etc/redhat-release"];
    if names.into_iter().any(|path| kind(path).is_some()) {
        return Likeness::System;
    }
    let has_programs = ["/usr", "/bin", "/sbin"].into_iter().any(|path| kind(path).is_some());
    if has_etc && (has_programs || kind("/etc/fstab").is_some()) {
        return Likeness::Tree;
    }
    Likeness::None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn systems_are_told_from_data() {
        let check = |build: fn(&mut MemoryFilesystem), expected: Likeness| {
            let mut tree = MemoryFilesystem::new();
            build(&mut tree);
            assert_eq!(look(&tree).likeness, expected);
        };
        let no = Likeness::None;
        check(|tree| _ = tree.file("/vmlinuz", ""), no);
        check(|tree| _ = tree.file("/lib/os-release", ""), no);
        check(|tree| _ = tree.file("/etc/passwd", "").directory("/usr"), Likeness::Tree);
        check(|tree| _ = tree.symlink("/etc/os-release", "../usr/none"), Likeness::System);
    }
}
