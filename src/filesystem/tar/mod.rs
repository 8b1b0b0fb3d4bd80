//! A root tar as a tree: v7, ustar, GNU and pax, plain or compressed.
//!
//! Goal: what GNU tar, bsdtar, star and Go write reads as the tree that was archived, with the
//! same content ids as the tree itself. Non-goals: archives of several volumes, incremental dumps
//! (their directories are read, their deletions are not carried out), NFSv4 ACLs: they are told.
//!
//! One pass over the headers builds an index of names and inodes in memory; contents are read by
//! many threads from the archive in place, or, where it is compressed, from an unnamed temporary
//! file that the same pass unpacks it into. The alternative, seek points into the compressed
//! stream, needs no disk but inflates most bytes several times once threads read in their own
//! order. Our own header parser and not the `tar` crate: that one reads pax sparse files of
//! form 1.0 under a wrong name with wrong bytes, and ends at the first damaged header.
//!
//! Names stay inside of the tree: `/` in front and `..` lead nowhere else, links on the way are
//! followed within the archive. Of several members with one name the last counts.

mod acl;
mod build;
mod decompress;
mod header;
mod member;
mod pax;
mod sparse;
mod stream;

pub use decompress::{Compression, RATIO_GRACE, UnpackLimits};
pub use member::EndMark;

use super::index::Index;
use super::{Carries, Filesystem, Listing, Metadata, Node};
use crate::block::BlockDevice;
use crate::model::{Fault, FileKind, Gap, TreePath, Xattr};
use member::Data;
use sparse::Extent;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// How an archive is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TarOptions {
    /// How much it may unpack to.
    pub limits: UnpackLimits,
    /// Whether it must end with its mark.
    pub end_mark: EndMark,
    /// What its writer is known to carry. Otherwise extended attributes count as carried where the
    /// archive has any at all, and so do ACLs: GNU tar stores each only where it is told to, and
    /// nothing in an archive says what it was told. Sockets are never carried.
    pub carries: Option<Carries>,
}

impl Default for TarOptions {
    fn default() -> Self {
        Self { limits: UnpackLimits::default(), end_mark: EndMark::Required, carries: None }
    }
}

/// A hard link to something that is not in the archive. In a layer of a container image it is in a
/// layer below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnresolvedLink {
    /// The link.
    pub path: TreePath,
    /// What it links to.
    pub target: TreePath,
}

/// An archive that was opened.
#[derive(Debug)]
pub struct OpenedTar {
    /// Its tree.
    pub filesystem: TarFilesystem,
    /// What could not be read of its structure. Damage that concerns one file alone is told when
    /// that file is read.
    pub gaps: Vec<Gap>,
    /// Hard links that lead out of it; no part of the tree.
    pub links: Vec<UnresolvedLink>,
}

/// Opens an archive; its compression is recognised by its first bytes. Hard links to nothing are
/// among the gaps.
pub fn open_tar(path: &Path, options: &TarOptions) -> Result<OpenedTar, Fault> {
    let place = path.display();
    let device = stream::FileDevice::open(path)?;
    let mut opened =
        build::build(Arc::new(device), options).map_err(|fault| fault.within(place))?;
    opened.gaps.extend(opened.links.drain(..).map(|link| build::dangling(&link)));
    Ok(opened)
}

/// Whether bytes, 512 at least, begin with the header of a member.
#[must_use]
pub fn is_header(start: &[u8]) -> bool {
    start.first_chunk().is_some_and(|block| header::Header::new(block).is_some())
}

/// Opens an archive that lies on a device (inside of another archive, say).
pub fn read_tar(device: Arc<dyn BlockDevice>, options: &TarOptions) -> Result<OpenedTar, Fault> {
    build::build(device, options)
}

/// What is kept of an inode of an archive.
#[derive(Clone, Debug)]
struct Stored {
    metadata: Result<Metadata, Box<Fault>>,
    xattrs: Result<Box<[Xattr]>, Box<Fault>>,
    data: Data,
}

/// The tree that an archive would unpack to.
pub struct TarFilesystem {
    index: Index<Stored>,
    device: Arc<dyn BlockDevice>,
    carries: Carries,
}

impl fmt::Debug for TarFilesystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TarFilesystem({:?})", self.device)
    }
}

impl TarFilesystem {
    /// The nodes of directories that are only there because members lie below them: nothing says
    /// what their owners and modes are.
    #[must_use]
    pub fn implied_directories(&self) -> BTreeSet<u64> {
        self.index.implied().map(|number| number as u64).collect()
    }

    /// The whole archive, not compressed.
    #[must_use]
    pub fn device(&self) -> &Arc<dyn BlockDevice> {
        &self.device
    }

    fn file(&self, node: &Node) -> Result<(&Data, u64), Fault> {
        let stored = &self.index.of(node)?.value;
        let metadata = stored.metadata.as_ref().map_err(|fault| (**fault).clone())?;
        if metadata.kind != FileKind::File {
            return Err(Fault::damaged(format!("inode {} is no regular file", node.number)));
        }
        Ok((&stored.data, metadata.size))
    }
}

impl Filesystem for TarFilesystem {
    fn type_name(&self) -> &str {
        "tar"
    }

    fn carries(&self) -> Carries {
        self.carries
    }

    fn root(&self) -> Node {
        Node::new(0)
    }

    fn metadata(&self, node: &Node) -> Result<Metadata, Fault> {
        let stored = &self.index.of(node)?.value;
        match &stored.metadata {
            Ok(metadata) => self.index.complete(node, *metadata),
            Err(fault) => Err((**fault).clone()),
        }
    }

    fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
        self.index.listing(node)
    }

    fn lookup(&self, directory: &Node, name: &[u8]) -> Result<Option<Node>, Fault> {
        self.index.lookup(directory, name)
    }

    fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let (data, size) = self.file(node)?;
        let rest = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = buffer.len().min(rest);
        let buffer = buffer.get_mut(..count).unwrap_or_default();
        if buffer.is_empty() {
            return Ok(0);
        }
        match data {
            Data::Stored(start) => {
                let place = start.checked_add(offset);
                let place = place.ok_or_else(|| Fault::damaged("an offset beyond any file"))?;
                self.device.read_at(place, buffer)?;
            }
            Data::Sparse(extents) => {
                read_sparse(self.device.as_ref(), extents, offset, buffer)?;
            }
            Data::Unknown(fault) => return Err((**fault).clone()),
        }
        Ok(count)
    }

    fn next_data(&self, node: &Node, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        let (data, size) = self.file(node)?;
        let Data::Sparse(extents) = data else {
            return Ok((offset < size).then_some(offset..size));
        };
        let next = extents.get(first_after(extents, offset));
        Ok(next.map(|extent| extent.start.max(offset)..extent.start.saturating_add(extent.length)))
    }

    fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        self.index.link_target(node)
    }

    fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>, Fault> {
        let stored = &self.index.of(node)?.value;
        stored.xattrs.as_ref().map(|list| list.to_vec()).map_err(|fault| (**fault).clone())
    }
}

/// The index of the first extent that ends after `offset`.
fn first_after(extents: &[Extent], offset: u64) -> usize {
    extents.partition_point(|extent| extent.start.saturating_add(extent.length) <= offset)
}

fn read_sparse(
    device: &dyn BlockDevice,
    extents: &[Extent],
    offset: u64,
    buffer: &mut [u8],
) -> Result<(), Fault> {
    buffer.fill(0);
    let end = offset.saturating_add(buffer.len() as u64);
    for extent in extents.get(first_after(extents, offset)..).unwrap_or_default() {
        if extent.start >= end {
            break;
        }
        let from = extent.start.max(offset);
        let to = extent.start.saturating_add(extent.length).min(end);
        let range = usize::try_from(from.saturating_sub(offset)).unwrap_or(usize::MAX)
            ..usize::try_from(to.saturating_sub(offset)).unwrap_or(usize::MAX);
        let place = extent.stored.saturating_add(from.saturating_sub(extent.start));
        device.read_at(place, buffer.get_mut(range).unwrap_or_default())?;
    }
    Ok(())
}
