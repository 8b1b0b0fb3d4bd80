//! From members to a tree.

use super::acl::{self, Named};
use super::member::{Attributes, Data, Kind, Member, Members};
use super::pax::Pax;
use super::stream::Stream;
use super::{OpenedTar, Stored, TarFilesystem, TarOptions, UnresolvedLink};
use crate::block::BlockDevice;
use crate::filesystem::index::{IMPLIED_DIRECTORY, Index, Inode, InodeNumber, ROOT, Shape};
use crate::filesystem::resolve::read_file;
use crate::filesystem::{Carries, Metadata};
use crate::model::{
    DeviceNumber, Fault, FaultKind, FileKind, Gap, Name, Stage, TreePath, Xattr, path::Escaped,
};
use std::sync::Arc;

/// Targets of links beyond this no system follows; Linux ends at 4095.
const MAX_LINK_TARGET: usize = 64 * 1024;

/// More of `passwd` or `group` is not searched for the names of an ACL.
const MAX_ACCOUNTS: u64 = 16 << 20;

/// Reads an archive and builds its tree.
pub(super) fn build(
    device: Arc<dyn BlockDevice>,
    options: &TarOptions,
) -> Result<OpenedTar, Fault> {
    let stream = Stream::new(device, options.limits)?;
    let mut members = Members::new(stream, options.end_mark);
    let mut builder = Builder::default();
    while let Some(member) = members.next() {
        let path = TreePath::parse(&member.path);
        if let Err(fault) = builder.take(member) {
            let is_full = fault.kind == FaultKind::LimitExceeded;
            builder.gap(&path, &fault);
            if is_full {
                break;
            }
        }
    }
    let (has_pax, has_header) = (members.has_pax, members.has_header);
    let (stream, faults) = members.into_stream();
    if !has_header && let Some(first) = faults.first() {
        return Err(first.fault.clone());
    }
    for told in &faults {
        builder.gap(&told.path, &told.fault);
    }
    let guessed = Carries { xattrs: has_pax, ..Carries::ALL };
    builder.finish(stream.into_device()?, options.carries.unwrap_or(guessed))
}

/// The gap that a hard link to nothing is.
pub(super) fn dangling(link: &UnresolvedLink) -> Gap {
    let reason = format!("a hard link to {}, which is not in the archive", link.target);
    Gap { path: link.path.clone(), stage: Stage::Metadata, reason }
}

struct Builder {
    index: Index<Stored>,
    implied: Stored,
    links: Vec<UnresolvedLink>,
    /// ACLs with names that only the tree's own accounts can tell the numbers of.
    acls: Vec<(InodeNumber, Pax)>,
    gaps: Vec<Gap>,
}

impl Default for Builder {
    fn default() -> Self {
        let implied = Stored {
            metadata: Ok(IMPLIED_DIRECTORY),
            xattrs: Ok(Box::default()),
            data: Data::Stored(0),
        };
        Self {
            index: Index::new(implied.clone()),
            implied,
            links: Vec::new(),
            acls: Vec::new(),
            gaps: Vec::new(),
        }
    }
}

impl Builder {
    fn gap(&mut self, path: &TreePath, fault: &Fault) {
        let stage = if path.is_root() { Stage::Image } else { Stage::Metadata };
        self.gaps.push(Gap { path: path.clone(), stage, reason: fault.chain() });
    }

    fn take(&mut self, member: Member) -> Result<(), Fault> {
        if member.path.contains(&0) || member.link.contains(&0) {
            return Err(Fault::damaged("a name with a NUL in it"));
        }
        if member.link.len() > MAX_LINK_TARGET {
            return Err(Fault::damaged(format!("a link target of {} bytes", member.link.len())));
        }
        let path = TreePath::parse(&member.path);
        if member.kind == Kind::HardLink {
            return self.hard_link(&path, &member.link);
        }
        self.index.charge(member.pax.cost())?;
        let pax = member.pax.clone();
        let (shape, stored) = stored(member);
        let is_directory = matches!(shape, Shape::Directory(_));
        let Some((directory, name)) = self.place(&path)? else {
            if !is_directory {
                return Err(Fault::damaged("the root is no directory"));
            }
            self.index.set_directory(ROOT, stored);
            self.acls.extend(unresolved(ROOT, pax));
            return Ok(());
        };
        let known = self.index.names(directory)?.get(&name).copied();
        let known = known.filter(|number| is_directory && self.index.names(*number).is_ok());
        let number = match known {
            Some(number) => {
                self.index.set_directory(number, stored);
                number
            }
            None => self.index.insert(directory, &name, Inode::new(shape, stored))?,
        };
        self.acls.retain(|(other, _)| *other != number);
        self.acls.extend(unresolved(number, pax));
        Ok(())
    }

    /// The directory and the name of a path; `None` for the root.
    fn place(&mut self, path: &TreePath) -> Result<Option<(InodeNumber, Name)>, Fault> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(Name::new))
        else {
            return Ok(None);
        };
        let directory = self.index.make_directory(&parent, &self.implied)?;
        Ok(Some((directory, name)))
    }

    fn hard_link(&mut self, path: &TreePath, target: &[u8]) -> Result<(), Fault> {
        let target = TreePath::parse(target);
        if target == *path {
            return Err(Fault::damaged("a hard link to itself"));
        }
        let Some(number) = self.index.find(&target) else {
            self.links.push(UnresolvedLink { path: path.clone(), target });
            return Ok(());
        };
        if self.index.names(number).is_ok() {
            return Err(Fault::damaged(format!("a hard link to the directory {target}")));
        }
        match self.place(path)? {
            Some((directory, name)) => self.index.link(directory, &name, number),
            None => Err(Fault::damaged("the root is no directory")),
        }
    }

    fn finish(
        mut self,
        device: Arc<dyn BlockDevice>,
        carries: Carries,
    ) -> Result<OpenedTar, Fault> {
        // A link may stand before what it links to.
        let mut links = Vec::new();
        for link in std::mem::take(&mut self.links) {
            match self.index.find(&link.target) {
                Some(_) if self.index.find(&link.path).is_none() => {
                    if let Err(fault) = self.hard_link(&link.path, link.target.as_bytes()) {
                        self.gap(&link.path, &fault);
                    }
                }
                // Something else has its name by now.
                _ if self.index.find(&link.path).is_some() => {}
                _ => links.push(link),
            }
        }
        self.index.count_links();
        let mut filesystem = TarFilesystem { index: self.index, device, carries };
        resolve_acls(&mut filesystem, &self.acls);
        Ok(OpenedTar { filesystem, gaps: self.gaps, links })
    }
}

/// Whether the ACLs of a member need names looked up.
fn unresolved(number: InodeNumber, pax: Pax) -> Option<(InodeNumber, Pax)> {
    let needs_names = pax.xattr_fault.is_none() && add_acls(&pax, &|_, _| None).is_err();
    needs_names.then_some((number, pax))
}

/// Looks the names of ACLs up in the tree's own accounts.
fn resolve_acls(filesystem: &mut TarFilesystem, acls: &[(InodeNumber, Pax)]) {
    if acls.is_empty() {
        return;
    }
    let read = |path: &str| {
        let found = read_file(filesystem, &TreePath::parse(path), MAX_ACCOUNTS);
        found.ok().flatten().unwrap_or_default()
    };
    let (passwd, group) = (read("/etc/passwd"), read("/etc/group"));
    let lookup = |named, name: &[u8]| match named {
        Named::User => acl::id_in(&passwd, name),
        Named::Group => acl::id_in(&group, name),
    };
    for (number, pax) in acls {
        filesystem.index.change(*number, |stored| {
            stored.xattrs = add_acls(pax, &lookup).map_err(Box::new);
        });
    }
}

/// The extended attributes of a member with its ACLs among them.
fn add_acls(
    pax: &Pax,
    lookup: &dyn Fn(Named, &[u8]) -> Option<u32>,
) -> Result<Box<[Xattr]>, Fault> {
    if let Some(fault) = &pax.xattr_fault {
        return Err(fault.clone());
    }
    let mut xattrs = pax.xattrs.clone();
    for (attribute, text) in [(acl::ACCESS, &pax.access_acl), (acl::DEFAULT, &pax.default_acl)] {
        let Some(text) = text else { continue };
        if xattrs.iter().any(|xattr| *xattr.name == *attribute) {
            continue;
        }
        let value = acl::to_xattr(text, attribute, lookup)
            .map_err(|fault| fault.within(Escaped(attribute)))?;
        if let Some(value) = value {
            xattrs.push(Xattr { name: attribute.into(), value: value.into() });
        }
    }
    xattrs.sort();
    Ok(xattrs.into())
}

fn stored(member: Member) -> (Shape, Stored) {
    let kind = file_kind(member.kind);
    let shape = match kind {
        FileKind::Directory => Shape::empty_directory(),
        FileKind::Symlink => Shape::Symlink(member.link.as_slice().into()),
        _ => Shape::Other,
    };
    let size = match kind {
        FileKind::File => member.size,
        FileKind::Symlink => member.link.len() as u64,
        _ => 0,
    };
    let metadata = member.attributes.map(|attributes| metadata(kind, size, attributes));
    let stored = Stored {
        metadata: metadata.map_err(Box::new),
        xattrs: add_acls(&member.pax, &|_, _| None).map_err(Box::new),
        data: member.data,
    };
    (shape, stored)
}

/// A hard link never comes here.
const fn file_kind(kind: Kind) -> FileKind {
    match kind {
        Kind::File | Kind::HardLink => FileKind::File,
        Kind::Symlink => FileKind::Symlink,
        Kind::CharacterDevice => FileKind::CharacterDevice,
        Kind::BlockDevice => FileKind::BlockDevice,
        Kind::Directory => FileKind::Directory,
        Kind::Fifo => FileKind::Fifo,
    }
}

fn metadata(kind: FileKind, size: u64, attributes: Attributes) -> Metadata {
    let (major, minor) = attributes.device;
    let is_device = matches!(kind, FileKind::CharacterDevice | FileKind::BlockDevice);
    Metadata {
        kind,
        // Linux has no other, whatever the writer thought.
        mode: if kind == FileKind::Symlink { 0o777 } else { attributes.mode },
        uid: attributes.uid,
        gid: attributes.gid,
        size,
        mtime: attributes.mtime,
        ctime: None,
        links: 1,
        device: is_device.then_some(DeviceNumber { major, minor }),
        inode: (0, 0),
    }
}
