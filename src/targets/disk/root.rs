//! Which directory of which file system is the root of a system: found by looking.

use super::fstab;
use crate::filesystem::resolve::read_node;
use crate::filesystem::{Filesystem, Node, SubvolumeName};
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
const ROOT_SUBVOLUMES: [&str; 3] = ["@", "@rootfs", "root"];
/// Longer ones are no fstab.
const MAX_FSTAB: u64 = 1 << 20;

/// A directory that may be a root.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) likeness: Likeness,
    pub(super) node: Node,
}

/// Looks at the top of a file system and, on btrfs, at where its root may be below: where the
/// `/etc/fstab` of what looks like a root mounts another subvolume as `/`, and under the names that
/// installers give. Those count from the top level, whichever subvolume is the default.
pub(super) fn look(filesystem: &dyn Filesystem) -> Candidate {
    let candidate = |node: Node| Candidate { likeness: likeness(filesystem, &node), node };
    let top = candidate(filesystem.root());
    if filesystem.type_name() != "btrfs" {
        return top;
    }
    let by_name = ROOT_SUBVOLUMES.into_iter().filter_map(|name| {
        filesystem.subvolume(SubvolumeName::Path(name.as_bytes())).ok().map(candidate)
    });
    let best = match top.likeness {
        Likeness::System => top,
        _ => {
            by_name.fold(top, |best, next| if next.likeness > best.likeness { next } else { best })
        }
    };
    match booted(filesystem, &best.node).map(candidate) {
        Some(booted) if booted.likeness >= best.likeness => booted,
        _ => best,
    }
}

/// The subvolume that a system's own `/etc/fstab` mounts as `/`, as its boot loader does.
fn booted(filesystem: &dyn Filesystem, root: &Node) -> Option<Node> {
    let found = resolve_from(filesystem, root, &TreePath::parse("/etc/fstab"))?;
    let bytes = read_node(filesystem, &found, MAX_FSTAB).ok()??;
    let lines = fstab::parse(&bytes);
    let line = lines.iter().find(|line| line.path.is_root())?;
    filesystem.subvolume(line.subvolume().ok()??).ok()
}

/// What lies at a path below a directory, no link followed: those of a system lead from its root.
fn resolve_from(filesystem: &dyn Filesystem, root: &Node, path: &TreePath) -> Option<Node> {
    let step = |node: Node, name: &[u8]| filesystem.lookup(&node, name).ok().flatten();
    path.names().try_fold(root.clone(), step)
}

fn likeness(filesystem: &dyn Filesystem, root: &Node) -> Likeness {
    // The last link is kept: `/etc/os-release` may point into a `/usr` that is elsewhere.
    let kind = |path: &str| {
        let found = resolve_from(filesystem, root, &TreePath::parse(path))?;
        filesystem.metadata(&found).ok().map(|metadata| metadata.kind)
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
