//! What packages' scripts and tools make, accounted for only where it can be traced to a package
//! that changed: links by where they lead, records by whose they are.

use super::cursor::{Cursor, absolute};
use super::packages::Packages;
use super::root::FIRST_PERSON;
use crate::collect::packages::portage::split_version;
use crate::model::encoding::encode_tree;
use crate::model::{
    Content, DirectoryContent, Entry, Fact, FileKind, PackageKey, ShippedTree, Side, Tree, TreePath,
};

/// What dpkg keeps of a package under `info/` (dpkg's `infodb`, deb-triggers, debconf).
const INFO: [&[u8]; 11] = [
    b"list",
    b"md5sums",
    b"shlibs",
    b"symbols",
    b"triggers",
    b"conffiles",
    b"config",
    b"templates",
    b"preinst",
    b"postinst",
    b"prerm",
];
const POSTRM: &[u8] = b"postrm";

/// What pacman keeps of a package in the folder named after it, and opkg under `info/`.
const PACMAN: [&[u8]; 5] = [b"desc", b"files", b"mtree", b"install", b"changelog"];
const OPKG: [&[u8]; 7] =
    [b"control", b"list", b"conffiles", b"preinst", b"postinst", b"prerm", POSTRM];

/// The case of all of them.
const RECORD: &str = "the database's own record of the package";

/// Where units lie, for those that are named without a path.
const UNIT_FOLDERS: [&str; 4] = [
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/etc/systemd/system",
    "/usr/lib/systemd/user",
];

/// One side with its two trees.
pub(super) struct Half<'a> {
    pub(super) tree: Cursor<'a, Tree>,
    pub(super) shipped: Cursor<'a, ShippedTree>,
    facts: &'a [Fact],
}

impl<'a> Half<'a> {
    pub(super) fn new(side: &Side<'a>) -> Self {
        Self {
            tree: Cursor::tree(side),
            shipped: Cursor::shipped(side),
            facts: &side.manifest.records.facts,
        }
    }

    /// The changed package that ships what lies there, directories not counted.
    pub(super) fn changed_owner(
        &mut self,
        path: &TreePath,
        packages: &Packages,
    ) -> Option<PackageKey> {
        let real = self.tree.real(path)?;
        let entry = self.shipped.get(&real)?;
        let mut owners = entry.claims.into_iter();
        owners
            .find(|(key, expectation)| {
                expectation.kind != Some(FileKind::Directory) && packages.step(key).is_some()
            })
            .map(|(key, _)| key)
    }

    /// The changed package that ships this directory.
    fn changed_owner_of_directory(
        &mut self,
        path: &TreePath,
        packages: &Packages,
    ) -> Option<PackageKey> {
        let claims = self.shipped.get(path)?.claims;
        // A directory that an unchanged package ships too is nobody's own.
        let all = claims.iter().all(|(key, _)| packages.step(key).is_some());
        claims.into_iter().next().filter(|_| all).map(|(key, _)| key)
    }

    /// Whether any package ships what lies there.
    pub(super) fn is_owned(&mut self, path: &TreePath) -> bool {
        let real = self.tree.real(path);
        real.and_then(|real| self.shipped.get(&real)).is_some_and(|one| !one.claims.is_empty())
    }
}

/// The changed package whose scripts made what lies at `path`, with the case.
pub(super) fn maker(
    path: &TreePath,
    entry: &Entry,
    half: &mut Half<'_>,
    packages: &Packages,
) -> Option<(PackageKey, &'static str)> {
    let names: Vec<&[u8]> = path.names().collect();
    let (name, parents) = names.split_last()?;
    if is_empty_directory(entry) && entry.uid < FIRST_PERSON && entry.mode & 0o6002 == 0 {
        let owner = half.changed_owner_of_directory(&path.parent()?, packages)?;
        return Some((owner, "an empty directory in one of the package's"));
    }
    if entry.uid != 0
        || (!matches!(entry.content, Content::Symlink { .. }) && entry.mode & 0o6022 != 0)
    {
        return None;
    }
    if let Content::Symlink { target } = &entry.content {
        return link(path, parents, name, target, half, packages);
    }
    match parents {
        [b"var", b"lib", b"dpkg", b"info"] => info(name, packages).map(|key| (key, RECORD)),
        [b"var", b"lib", b"pacman", b"local", folder] if PACMAN.contains(name) => {
            // NAME-VERSION-RELEASE
            let mut parts = folder.rsplitn(3, |b| *b == b'-').skip(2);
            packages.named("pacman", parts.next()?, None).map(|key| (key.clone(), RECORD))
        }
        [b"var", b"db", b"pkg", category, folder] => {
            let name = [category, b"/".as_slice(), split_version(folder)?.0].concat();
            packages.named("portage", &name, None).map(|key| (key.clone(), RECORD))
        }
        [b"usr" | b"var", b"lib", b"opkg", b"info"] => {
            let dot = name.iter().rposition(|b| *b == b'.')?;
            let (package, extension) = (name.get(..dot)?, name.get(dot.checked_add(1)?..)?);
            let key = packages.named("opkg", package, None).filter(|_| OPKG.contains(&extension));
            key.map(|key| (key.clone(), RECORD))
        }
        [b"var", b"lib", b"dpkg", b"alternatives"] => {
            alternatives(name, half, packages).map(|key| (key, "alternatives of the package"))
        }
        [b"var", b"lib", b"systemd", helper, ..] if helper.starts_with(b"deb-systemd-helper-") => {
            let unit = name.strip_suffix(b".dsh-also").unwrap_or(name);
            let owner = unit_owner(unit, half, packages);
            owner
                .or_else(|| alias_owner(unit, half, packages))
                .map(|key| (key, "state of the package's unit"))
        }
        [above @ .., b"__pycache__"] => bytecode(above, name, half, packages)
            .map(|key| (key, "bytecode of the package's module")),
        _ => None,
    }
}

fn is_empty_directory(entry: &Entry) -> bool {
    match entry.content {
        Content::Directory(DirectoryContent::Read { content, .. }) => {
            content == encode_tree(&Tree::default()).content
        }
        _ => false,
    }
}

/// `PACKAGE.EXTENSION` or `PACKAGE:ARCHITECTURE.EXTENSION`.
fn info(name: &[u8], packages: &Packages) -> Option<PackageKey> {
    let dot = name.iter().rposition(|b| *b == b'.')?;
    let (package, extension) = (name.get(..dot)?, name.get(dot.checked_add(1)?..)?);
    if !INFO.contains(&extension) && extension != POSTRM {
        return None;
    }
    let mut parts = package.splitn(2, |b| *b == b':');
    let (package, architecture) = (parts.next()?, parts.next());
    packages.named("dpkg", package, architecture).cloned()
}

/// One of the choices belongs to a changed package.
fn alternatives(name: &[u8], half: &mut Half<'_>, packages: &Packages) -> Option<PackageKey> {
    let fact = half
        .facts
        .iter()
        .find(|fact| fact.scope == "alternatives" && fact.key.as_bytes() == name)?;
    let choices = fact.attributes.get("choices")?;
    choices.split(", ").find_map(|choice| {
        let path = choice.rsplit_once(" (").map_or(choice, |(path, _)| path);
        half.changed_owner(&TreePath::parse(path), packages)
    })
}

fn unit_owner(unit: &[u8], half: &mut Half<'_>, packages: &Packages) -> Option<PackageKey> {
    UNIT_FOLDERS.iter().find_map(|folder| {
        let path = TreePath::parse([folder.as_bytes(), b"/", unit].concat());
        half.changed_owner(&path, packages)
    })
}

/// Another name of a unit is a link in `/etc/systemd/system`; the helper keeps its state too.
fn alias_owner(unit: &[u8], half: &mut Half<'_>, packages: &Packages) -> Option<PackageKey> {
    let folder = TreePath::parse("/etc/systemd/system");
    let alias = TreePath::parse([folder.as_bytes(), b"/", unit].concat());
    let Content::Symlink { target } = half.tree.get(&alias)?.content else { return None };
    half.changed_owner(&absolute(&folder, &target), packages)
}

/// `__pycache__/NAME.TAG.pyc` of `NAME.py` beside it (PEP 3147).
fn bytecode(
    above: &[&[u8]],
    name: &[u8],
    half: &mut Half<'_>,
    packages: &Packages,
) -> Option<PackageKey> {
    let stem = name.strip_suffix(b".pyc")?;
    let module = stem.split(|b| *b == b'.').next()?;
    let path = [above.join(b"/".as_slice()).as_slice(), b"/", module, b".py"].concat();
    half.changed_owner(&TreePath::parse(path), packages)
}

/// Links that scripts make, by the shape of their place, and only to what a changed package ships.
fn link(
    path: &TreePath,
    parents: &[&[u8]],
    name: &[u8],
    target: &[u8],
    half: &mut Half<'_>,
    packages: &Packages,
) -> Option<(PackageKey, &'static str)> {
    let target = absolute(&path.parent()?, target);
    let target_name = target.file_name()?.to_vec();
    let case = match parents {
        [b"etc", runlevel] if is_runlevel(runlevel) => {
            let rest = name.get(3..)?;
            let is_order = matches!(name, [b'S' | b'K', b'0'..=b'9', b'0'..=b'9', ..]);
            (is_order && rest == target_name).then_some("starts the package's service")?
        }
        [b"etc", b"systemd", _, wants]
            if wants.ends_with(b".wants") || wants.ends_with(b".requires") =>
        {
            same_unit(name, &target_name).then_some("enables the package's unit")?
        }
        [b"etc", b"systemd", b"system" | b"user"] => "another name of the package's unit",
        [b"etc", b"alternatives"] => "alternative of the package",
        [b"etc", .., enabled] if enabled.ends_with(b"-enabled") && name == target_name => {
            "enables what the package ships"
        }
        _ => {
            // The public name of an alternative leads to `/etc/alternatives`, and on from there.
            let folder = TreePath::parse("/etc/alternatives");
            if target.parent()? != folder {
                return None;
            }
            let Content::Symlink { target: next } = half.tree.get(&target)?.content else {
                return None;
            };
            let owner = half.changed_owner(&absolute(&folder, &next), packages)?;
            return Some((owner, "alternative of the package"));
        }
    };
    half.changed_owner(&target, packages).map(|owner| (owner, case))
}

/// `rc0.d` to `rc6.d` and `rcS.d`.
fn is_runlevel(name: &[u8]) -> bool {
    matches!(name, [b'r', b'c', b'0'..=b'6' | b'S', b'.', b'd'])
}

/// An instance `a@x.service` stands for its template `a@.service`.
fn same_unit(name: &[u8], target: &[u8]) -> bool {
    let template = || {
        let at = name.iter().position(|b| *b == b'@')?;
        let dot = name.iter().rposition(|b| *b == b'.')?;
        Some([name.get(..=at)?, name.get(dot..)?].concat())
    };
    name == target || template().is_some_and(|template| template == target)
}
