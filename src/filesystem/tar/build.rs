//! From members to a tree.

use super::acl::{self, Named};
use super::member::{Attributes, Data, Kind, Member, Members};
use super::pax::Pax;
use super::stream::Stream;
use super::{OpenedTar, Stored, TarFilesystem, TarOptions, UnresolvedLink};
use crate::block::BlockDevice;
use crate::filesystem::index::{IMPLIED_DIRECTORY, Index, Inode, InodeNumber, ROOT, Shape};
use crate::filesystem::resolve::read_file;
use crate::filesystem::xattrs::drop_stored_acls;
use crate::filesystem::{Carries, Kinds, Metadata};
use crate::model::{
    DeviceNumber, Fault, FaultKind, FileKind, Gap, Name, Stage, TreePath, Xattr, path::Escaped,
};
use std::sync::Arc;

/// Targets of links beyond this no system follows; Linux ends at 4095.
const MAX_LINK_TARGET: usize = 64 * 1024;

/// So many damaged members are told one by one; with more, the archive is what is damaged.
const MAX_GAPS: usize = 10_000;

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
    let has_header = members.has_header;
    let (xattrs, acls) = (members.has_xattrs, members.has_acls);
    let (stream, faults) = members.into_stream();
    if !has_header && let Some(first) = faults.first() {
        return Err(first.fault.clone());
    }
    for told in &faults {
        builder.gap(&told.path, &told.fault);
    }
    let guessed = Carries { xattrs, acls, ..Carries::ALL };
    let carries = Carries { kinds: Kinds::NoSockets, ..options.carries.unwrap_or(guessed) };
    builder.finish(stream.into_device()?, carries)
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
        if self.gaps.len() >= MAX_GAPS {
            return;
        }
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
        let extents = match &member.data {
            Data::Sparse(extents) => size_of_val(&**extents),
            Data::Stored(_) | Data::Unknown(_) => 0,
        };
        self.index.charge(member.pax.cost().saturating_add(extents))?;
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
        let Some(number) = self.index.find(&target)? else {
            let lengths = path.as_bytes().len().saturating_add(target.as_bytes().len());
            self.index.charge(lengths.saturating_add(80))?;
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
        // A link may stand before what it links to, and something else may have its name by now.
        let mut links = Vec::new();
        for link in std::mem::take(&mut self.links) {
            if self.index.find(&link.path).is_ok_and(|known| known.is_some()) {
                continue;
            }
            match self.index.find(&link.target) {
                Ok(None) => links.push(link),
                Ok(Some(_)) => {
                    if let Err(fault) = self.hard_link(&link.path, link.target.as_bytes()) {
                        self.gap(&link.path, &fault);
                    }
                }
                Err(fault) => self.gap(&link.path, &fault),
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
        if xattrs.contains_key(attribute) {
            continue;
        }
        let value = acl::to_xattr(text, attribute, lookup)
            .map_err(|fault| fault.within(Escaped(attribute)))?;
        if let Some(value) = value {
            xattrs.insert(attribute.into(), value.into());
        }
    }
    let mut xattrs = xattrs.into_iter().map(|(name, value)| Xattr { name, value }).collect();
    drop_stored_acls(&mut xattrs);
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

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may fail loudly")]
mod tests {
    use super::super::header::tests::{block, seal};
    use super::super::header::{BLOCK, Block};
    use super::super::stream::tests::Bytes;
    use super::super::{EndMark, UnpackLimits};
    use super::*;
    use crate::filesystem::{Filesystem, Node};
    use crate::model::path::escape;

    /// A header and data, padded.
    fn member(mut header: Block, data: &[u8], change: impl FnOnce(&mut Block)) -> Vec<u8> {
        change(&mut header);
        seal(&mut header);
        let mut bytes = header.to_vec();
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    fn file(name: &str, data: &str) -> Vec<u8> {
        member(block(name.as_bytes(), b'0', data.len() as u64), data.as_bytes(), |_| {})
    }

    fn link(name: &str, flag: u8, target: &str) -> Vec<u8> {
        member(block(name.as_bytes(), flag, 0), b"", |header| {
            header[157..157 + target.len()].copy_from_slice(target.as_bytes());
        })
    }

    /// An extended header of these records.
    fn pax(flag: u8, records: &[(&str, &str)]) -> Vec<u8> {
        let mut data = String::new();
        for (keyword, value) in records {
            let body = format!(" {keyword}={value}\n");
            let mut length = body.len() + 1;
            while length != body.len() + length.to_string().len() {
                length += 1;
            }
            data.push_str(&format!("{length}{body}"));
        }
        member(block(b"PaxHeaders/x", flag, data.len() as u64), data.as_bytes(), |_| {})
    }

    fn end() -> Vec<u8> {
        vec![0; 2 * BLOCK]
    }

    fn open(bytes: Vec<u8>) -> OpenedTar {
        build(Arc::new(Bytes(bytes)), &TarOptions::default()).unwrap()
    }

    /// `PATH=BYTES` of files, `PATH -> TARGET` of links, `PATH/` of empty directories, others with
    /// their kind; a fault instead of what cannot be read.
    fn show(filesystem: &TarFilesystem) -> Vec<String> {
        let mut shown = Vec::new();
        let mut pending = vec![(TreePath::root(), filesystem.root())];
        while let Some((path, node)) = pending.pop() {
            let line = match filesystem.metadata(&node).map(|metadata| metadata.kind) {
                Ok(FileKind::Directory) => {
                    let entries = filesystem.read_directory(&node).unwrap().entries;
                    let is_empty = entries.is_empty();
                    pending.extend(entries.into_iter().map(|e| (path.join(&e.name), e.node)));
                    if !is_empty {
                        continue;
                    }
                    format!("{path}/")
                }
                Ok(FileKind::Symlink) => {
                    let target = filesystem.read_link(&node).unwrap();
                    format!("{path} -> {}", Escaped(&target))
                }
                Ok(FileKind::File) => format!("{path}={}", text(filesystem, &node)),
                Ok(kind) => format!("{path} {kind}"),
                Err(fault) => format!("{path} ? {fault}"),
            };
            shown.push(line);
        }
        shown.sort();
        shown
    }

    fn text(filesystem: &TarFilesystem, node: &Node) -> String {
        let mut buffer = [0; 2000];
        match filesystem.read_at(node, 0, &mut buffer) {
            Ok(count) => {
                let mut text = String::new();
                escape(&buffer[..count], &mut text).unwrap();
                text
            }
            Err(fault) => format!("? {fault}"),
        }
    }

    fn check(parts: &[Vec<u8>], expected: &[&str], gaps: &[&str]) -> OpenedTar {
        let opened = open(parts.concat());
        assert_eq!(show(&opened.filesystem), expected);
        let told: Vec<String> =
            opened.gaps.iter().map(|gap| format!("{}: {}", gap.path, gap.reason)).collect();
        assert_eq!(told, gaps);
        opened
    }

    #[test]
    fn names_stay_inside() {
        check(
            &[
                file("./a", "1"),
                file("/b", "2"),
                file("../../c", "3"),
                file("d/../../e", "4"),
                link("out", b'2', "../../../up"),
                file("out/f", "5"),
                end(),
            ],
            &["/a=1", "/b=2", "/c=3", "/e=4", "/out -> ../../../up", "/up/f=5"],
            &[],
        );
    }

    #[test]
    fn the_last_of_a_name_counts() {
        let opened = check(
            &[
                file("a", "1"),
                link("b", b'1', "a"),
                file("a", "2"),
                file("d/x", "3"),
                member(block(b"d/", b'5', 0), b"", |h| h[100..107].copy_from_slice(b"0000700")),
                file("e", "4"),
                file("e/", ""),
                end(),
            ],
            &["/a=2", "/b=1", "/d/x=3", "/e/"],
            &[],
        );
        let fs = &opened.filesystem;
        let metadata =
            |name: &[u8]| fs.metadata(&fs.lookup(&fs.root(), name).unwrap().unwrap()).unwrap();
        assert_eq!((metadata(b"b").links, metadata(b"d").mode), (1, 0o700));
        assert_eq!(fs.metadata(&fs.root()).unwrap().mode, 0o755);
    }

    #[test]
    fn hard_links_share_an_inode() {
        let opened = check(
            &[
                link("early", b'1', "late"),
                file("a", "1"),
                member(block(b"b", b'1', 1), b"", |h| h[157] = b'a'),
                member(block(b"c", b'1', 1), b"1", |h| h[157] = b'a'),
                file("late", "2"),
                link("gone", b'1', "lower/x"),
                link("s", b'1', "s"),
                end(),
            ],
            &["/a=1", "/b=1", "/c=1", "/early=2", "/late=2"],
            &["/s: a hard link to itself"],
        );
        let fs = &opened.filesystem;
        let node = |name: &[u8]| fs.lookup(&fs.root(), name).unwrap().unwrap();
        let inodes: Vec<_> = [b"a", b"b", b"c"]
            .iter()
            .map(|name| fs.metadata(&node(*name)).map(|m| (m.inode, m.links)).unwrap())
            .collect();
        assert!(inodes[0] == inodes[1] && inodes[1] == inodes[2] && inodes[0].1 == 3);
        assert_eq!(opened.links.len(), 1);
        assert_eq!(opened.links[0].target.to_string(), "/lower/x");
    }

    #[test]
    fn extended_headers_override() {
        let opened = check(
            &[
                pax(b'g', &[("uid", "7"), ("comment", "x")]),
                pax(b'x', &[("path", "long/name"), ("size", "5"), ("mtime", "-0.5")]),
                member(block(b"short", b'0', 0), b"hello", |_| {}),
                pax(
                    b'x',
                    &[
                        ("LIBARCHIVE.xattr.user.n%20m", "aGk"),
                        ("RHT.security.selinux", "u:r:t"),
                        (
                            "SCHILY.acl.access",
                            "user::rw-,group::r--,other::r--,mask::r--,user:me:r--",
                        ),
                        ("uid", "4294967295"),
                    ],
                ),
                file("b", "2"),
                file("etc/passwd", "me:x:1000:1000::/:/bin/sh\n"),
                end(),
            ],
            &["/b=2", "/etc/passwd=me:x:1000:1000::/:/bin/sh\\x0a", "/long/name=hello"],
            &[],
        );
        let fs = &opened.filesystem;
        let b = fs.lookup(&fs.root(), b"b").unwrap().unwrap();
        let xattrs = fs.xattrs(&b).unwrap();
        let names: Vec<_> = xattrs.iter().map(|x| Escaped(&x.name).to_string()).collect();
        assert_eq!(names, ["security.selinux", "system.posix_acl_access", "user.n m"]);
        assert_eq!(&*xattrs[0].value, b"u:r:t\0");
        assert_eq!(xattrs[1].value[16..20], 1000_u32.to_le_bytes());
        assert_eq!(fs.metadata(&b).unwrap().uid, u32::MAX);
        let long = fs.lookup(&fs.root(), b"long").unwrap().unwrap();
        let name = fs.lookup(&long, b"name").unwrap().unwrap();
        let metadata = fs.metadata(&name).unwrap();
        assert_eq!((metadata.uid, metadata.mtime.seconds), (7, -1));
        assert!(
            fs.carries().xattrs
                && !open([file("a", ""), end()].concat()).filesystem.carries().xattrs
        );
    }

    #[test]
    fn gnu_long_names() {
        let long = "n/".repeat(150);
        let header = |flag| member(block(b"././@LongLink", flag, 301), long.as_bytes(), |_| {});
        check(
            &[header(b'K'), header(b'L'), link("cut", b'2', "cut"), end()],
            &[&format!("/{} -> {long}", long.trim_end_matches('/'))],
            &[],
        );
    }

    #[test]
    fn damage_is_told_and_the_rest_is_read() {
        let mut broken = file("broken", "xyz");
        broken[0] = b'B';
        check(
            &[file("a", "1"), broken, file("c", "3"), end()],
            &["/a=1", "/c=3"],
            &["/: 2 blocks before byte 2048 are no part of a member"],
        );
        check(
            &[
                member(block(b"odd", b'0', 0), b"", |h| h[108..115].copy_from_slice(b"nonsens")),
                pax(b'x', &[("SCHILY.acl.ace", "x")]),
                file("acl", ""),
                member(block(b"what", b'Q', 1), b"?", |_| {}),
                member(block(b"vol", b'M', 1), b"?", |_| {}),
                file("f", "1"),
                file("f/g", "1"),
                end(),
            ],
            &["/acl=", "/f=1", "/odd ? uid: \"nonsens\\x00\" is no number", "/what=?"],
            &[
                "/f/g: f, above it, is no directory",
                "/what: member type \"Q\", taken for a file",
                "/vol: the rest of a file from another volume",
            ],
        );
    }

    #[test]
    fn a_cut_archive_gives_what_is_before_the_cut() {
        let whole = [file("a", "1"), file("b", &"2".repeat(600))].concat();
        check(
            std::slice::from_ref(&whole),
            &["/a=1", &format!("/b={}", "2".repeat(600))],
            &["/: the end mark is missing: the archive may have been cut off at byte 2560"],
        );
        let opened = open(whole[..1700].to_vec());
        assert_eq!(show(&opened.filesystem).len(), 2);
        assert!(show(&opened.filesystem)[1].starts_with("/b=? "));
        assert_eq!(opened.gaps.len(), 1);
        assert!(open(whole[..1300].to_vec()).gaps[0].reason.contains("cut off at byte 1300"));
        assert!(build(Arc::new(Bytes(vec![7; 5000])), &TarOptions::default()).is_err());
        let lone = [file("a", "1"), vec![0; BLOCK], file("b", "2"), end()].concat();
        assert_eq!(open(lone).gaps.len(), 1);
        assert!(open(end()).gaps.is_empty());
    }

    #[test]
    fn old_sparse_files() {
        let sparse = member(block(b"s", b'S', 6), b"abcdef", |header| {
            header[257..265].copy_from_slice(b"ustar  \0");
            for (index, number) in [2_u64, 3, 1000, 3].iter().enumerate() {
                let field = format!("{number:011o}\0");
                header[386 + index * 12..398 + index * 12].copy_from_slice(field.as_bytes());
            }
            header[483..495].copy_from_slice(format!("{:011o}\0", 1003).as_bytes());
        });
        let opened = open([sparse, file("after", "1"), end()].concat());
        let fs = &opened.filesystem;
        let node = fs.lookup(&fs.root(), b"s").unwrap().unwrap();
        let mut buffer = [9; 1100];
        assert_eq!(fs.read_at(&node, 1, &mut buffer).unwrap(), 1002);
        assert_eq!(buffer[..5], *b"\0abc\0");
        assert_eq!(buffer[999..1002], *b"def");
        assert_eq!(fs.next_data(&node, 3).unwrap(), Some(3..5));
        assert_eq!(fs.next_data(&node, 5).unwrap(), Some(1000..1003));
        assert_eq!(fs.next_data(&node, 1003).unwrap(), None);
        assert!(opened.gaps.is_empty());
    }

    /// Everything that one archive can hold, for mutations.
    fn sample() -> Vec<u8> {
        [
            pax(b'g', &[("mtime", "5")]),
            member(block(b"d/", b'5', 0), b"", |_| {}),
            file("d/a", &"a".repeat(700)),
            link("d/b", b'1', "d/a"),
            link("c", b'2', "d"),
            file("c/x", "x"),
            pax(
                b'x',
                &[
                    ("GNU.sparse.major", "1"),
                    ("GNU.sparse.minor", "0"),
                    ("GNU.sparse.name", "sparse"),
                    ("GNU.sparse.realsize", "5000"),
                    ("SCHILY.xattr.user.x", "y"),
                    ("SCHILY.acl.access", "user:me:rwx,mask::r--"),
                ],
            ),
            member(block(b"GNUSparseFile.0/s", b'0', 515), b"1\n4000\n3\n", |_| {}),
            [b"abc".to_vec(), vec![0; 509]].concat(),
            member(block(b"././@LongLink", b'L', 150), &[b'l'; 150], |_| {}),
            file("cut", "1"),
            member(block(b"dev", b'3', 0), b"", |h| h[329..336].copy_from_slice(b"0000005")),
            end(),
        ]
        .concat()
    }

    /// Reads all that there is; must end and never panic.
    fn read_all(bytes: Vec<u8>) -> Option<OpenedTar> {
        let opened = build(Arc::new(Bytes(bytes)), &TarOptions::default()).ok()?;
        show(&opened.filesystem);
        Some(opened)
    }

    #[test]
    fn mutations_end_without_a_panic() {
        let good = sample();
        let opened = read_all(good.clone()).unwrap();
        assert!(opened.gaps.is_empty(), "{:?}", opened.gaps);
        assert_eq!(show(&opened.filesystem).len(), 7);
        for cut in (0..good.len()).step_by(37) {
            read_all(good[..cut].to_vec());
        }
        // With checksums made right again, so that what is behind them is reached.
        let mut state = 1_u64;
        for _ in 0..3000 {
            let mut bytes = good.clone();
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let position = usize::try_from(state >> 33).unwrap() % bytes.len();
            bytes[position] ^= state.to_le_bytes()[3] | 1;
            let start = position / BLOCK * BLOCK;
            if bytes[start + 257..].starts_with(b"ustar") {
                let header: &mut Block = bytes[start..].first_chunk_mut().unwrap();
                seal(header);
            }
            read_all(bytes);
        }
    }

    #[test]
    fn compressed_damage_is_never_silent() {
        // zstd has no checksum unless it is asked for.
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &sample()).unwrap();
        let good = encoder.finish().unwrap();
        let whole = show(&read_all(good.clone()).unwrap().filesystem);
        for position in 0..good.len() {
            let mut bytes = good.clone();
            bytes[position] ^= 0x10;
            if let Some(opened) = read_all(bytes) {
                let same = show(&opened.filesystem) == whole;
                assert!(same || !opened.gaps.is_empty(), "byte {position}");
            }
            if let Some(opened) = read_all(good[..position].to_vec()) {
                assert!(!opened.gaps.is_empty(), "cut at {position}");
            }
        }
    }

    #[test]
    fn bombs_are_stopped() {
        let header = block(b"zeros", b'0', (1 << 33) - 512);
        let mut packed = zstd::encode_all(header.as_slice(), 3).unwrap();
        let zeros = zstd::encode_all(std::io::Read::take(std::io::repeat(0), 64 << 20), 3).unwrap();
        for _ in 0..64 {
            packed.extend_from_slice(&zeros);
        }
        let limits = UnpackLimits { bytes: 200 << 20, ..UnpackLimits::default() };
        let options = TarOptions { limits, end_mark: EndMark::Required, carries: None };
        let opened = build(Arc::new(Bytes(packed)), &options).unwrap();
        assert!(opened.gaps[0].reason.contains("unpacks to more than 209715200 bytes"));
    }
}
