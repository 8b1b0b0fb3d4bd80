//! What collectors recorded, remembered together with everything they looked at.
//!
//! A collector reads through a [`Recorder`], which notes each path that was asked for and each
//! directory that was listed. The memo holds the records and a fingerprint of all that was
//! noted, taken from the finished tree: a later scan whose tree gives the same fingerprint takes
//! the records over and does not read again. A collector need not declare its inputs, so none
//! can be forgotten; raising its version voids its memo.

use super::Keep;
use super::alternates::Verified;
use crate::collect::Collector;
use crate::filesystem::{Carries, DirectoryEntry, Filesystem, Listing, Metadata, Node};
use crate::model::encoding::{Canonical, Reader, Writer};
use crate::model::{
    Content, DirectoryContent, Entry, ExactId, Fault, Name, Records, ShippedId, Tree, TreePath,
    TreeSource, Xattr,
};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Tells memos from other encoded values.
const TAG: u8 = b'N';

/// What a collector asked of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    /// What lies there, down to its bytes.
    Entry,
    /// The names in it.
    Names,
}

/// Everything that one collector looked at.
pub(super) type Touched = BTreeSet<(TreePath, Asked)>;

/// A file system that notes what it is asked.
#[derive(Debug)]
pub(super) struct Recorder<'a> {
    inner: &'a dyn Filesystem,
    touched: Mutex<Touched>,
}

/// The state of a recorded node: the inner one and where it lies.
struct Place {
    node: Node,
    path: TreePath,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(inner: &'a dyn Filesystem) -> Self {
        Self { inner, touched: Mutex::default() }
    }

    pub(super) fn into_touched(self) -> Touched {
        self.touched.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, path: TreePath, asked: Asked) {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert((path, asked));
    }

    fn place<'n>(&self, node: &'n Node) -> Result<&'n Place, Fault> {
        let state = node.state.as_ref().and_then(|state| state.downcast_ref::<Place>());
        state.ok_or_else(|| Fault::damaged("a node of another file system"))
    }

    fn inner<'n>(&self, node: &'n Node) -> Result<&'n Node, Fault> {
        self.place(node).map(|place| &place.node)
    }
}

fn wrap(node: Node, path: TreePath) -> Node {
    Node { number: node.number, state: Some(Arc::new(Place { node, path })) }
}

impl Filesystem for Recorder<'_> {
    fn type_name(&self) -> &str {
        self.inner.type_name()
    }

    fn carries(&self) -> Carries {
        self.inner.carries()
    }

    fn root(&self) -> Node {
        wrap(self.inner.root(), TreePath::root())
    }

    fn metadata(&self, node: &Node) -> Result<Metadata, Fault> {
        self.inner.metadata(self.inner(node)?)
    }

    fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
        let place = self.place(node)?;
        self.note(place.path.clone(), Asked::Names);
        let listing = self.inner.read_directory(&place.node)?;
        let entry = |entry: DirectoryEntry| {
            let path = place.path.join(&entry.name);
            DirectoryEntry { name: entry.name, node: wrap(entry.node, path) }
        };
        let entries = listing.entries.into_iter().map(entry).collect();
        Ok(Listing { entries, faults: listing.faults })
    }

    fn lookup(&self, directory: &Node, name: &[u8]) -> Result<Option<Node>, Fault> {
        let place = self.place(directory)?;
        let Some(valid) = Name::new(name) else { return Ok(None) };
        let path = place.path.join(&valid);
        self.note(path.clone(), Asked::Entry);
        Ok(self.inner.lookup(&place.node, name)?.map(|node| wrap(node, path)))
    }

    fn open(&self, node: &Node) -> Result<Node, Fault> {
        let place = self.place(node)?;
        self.note(place.path.clone(), Asked::Entry);
        Ok(wrap(self.inner.open(&place.node)?, place.path.clone()))
    }

    fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.inner.read_at(self.inner(node)?, offset, buffer)
    }

    fn next_data(&self, node: &Node, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        self.inner.next_data(self.inner(node)?, offset)
    }

    fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault> {
        self.inner.read_link(self.inner(node)?)
    }

    fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>, Fault> {
        self.inner.xattrs(self.inner(node)?)
    }

    fn left_out(&self, directory: &Node) -> Option<String> {
        self.inner.left_out(self.inner(directory).ok()?)
    }
}

/// One collector's memo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Memo {
    name: String,
    version: u64,
    touched: Touched,
    fingerprint: [u8; 32],
    /// Without claims; the shipped tree has them.
    pub(super) records: Records,
    /// Whether it claimed anything.
    pub(super) has_claims: bool,
}

/// All memos of one target, with the tree of shipped files that their claims made together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memos {
    pub(super) memos: Vec<Memo>,
    pub(super) shipped: Option<ShippedId>,
    /// What was verified as a whole.
    pub(super) verified: Option<Verified>,
}

impl Memo {
    /// Remembers; `None` where something that was looked at has no lasting identity (a gap).
    pub(super) fn new(
        collector: &Collector,
        found: &[TreePath],
        touched: Touched,
        records: &Records,
        root: &Entry,
        keep: &Keep<'_>,
    ) -> Option<Self> {
        let fingerprint = fingerprint(&touched, found, root, keep.source)?;
        Some(Self {
            name: collector.name.to_owned(),
            version: collector.version.into(),
            touched,
            fingerprint,
            records: Records { claims: Vec::new(), ..records.clone() },
            has_claims: !records.claims.is_empty(),
        })
    }

    /// Whether all that the collector would look at is as it was.
    pub(super) fn holds(
        &self,
        collector: &Collector,
        found: &[TreePath],
        root: &Entry,
        keep: &Keep<'_>,
    ) -> bool {
        self.name == collector.name
            && self.version == u64::from(collector.version)
            && fingerprint(&self.touched, found, root, keep.source) == Some(self.fingerprint)
    }
}

/// Looks up all paths in the finished tree, in order, each directory fetched once. `None` where
/// one of them could not be read by the scan, so that nobody knows what it holds.
fn fingerprint(
    touched: &Touched,
    found: &[TreePath],
    root: &Entry,
    source: &dyn TreeSource,
) -> Option<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    for path in found {
        hasher.update(path.as_bytes()).update(b"\n");
    }
    // The directories on the way to the current path.
    let mut trail: Vec<(Vec<u8>, Option<Arc<Tree>>)> = vec![(Vec::new(), fetch(root, source)?)];
    for (path, asked) in touched {
        let names: Vec<&[u8]> = path.names().collect();
        let (parents, last) = match (asked, names.split_last()) {
            (Asked::Entry, Some((last, parents))) => (parents, Some(*last)),
            (Asked::Entry, None) | (Asked::Names, _) => (names.as_slice(), None),
        };
        let shared = trail.iter().skip(1).zip(parents).take_while(|(a, b)| a.0 == **b).count();
        trail.truncate(shared.saturating_add(1));
        for name in parents.iter().skip(shared) {
            let entry = trail.last().and_then(|(_, tree)| tree.as_ref()?.get(name).cloned());
            let tree = match entry {
                Some(entry) => fetch(&entry, source)?,
                None => None,
            };
            trail.push((name.to_vec(), tree));
        }
        let directory = trail.last().and_then(|(_, tree)| tree.as_ref());
        let mut line = Writer::default();
        line.bytes(path.as_bytes());
        match last {
            Some(name) => line.option(directory.and_then(|tree| tree.get(name)), write_identity),
            None => line.option(directory, |line, tree| {
                line.list(&tree.entries, |line, entry| {
                    line.bytes(entry.name.as_ref().map_or(&[], |name| name.as_bytes()));
                    line.byte(entry.content.kind() as u8);
                });
            }),
        }
        hasher.update(&line.0);
    }
    Some(*hasher.finalize().as_bytes())
}

/// The tree of a directory; no tree for what is none, `None` where it was not read.
fn fetch(entry: &Entry, source: &dyn TreeSource) -> Option<Option<Arc<Tree>>> {
    match &entry.content {
        Content::Directory(DirectoryContent::Read { exact, .. }) => {
            source.tree(exact).ok().map(Some)
        }
        Content::Directory(DirectoryContent::Unread) => None,
        _ => Some(None),
    }
}

/// What a collector can see of an entry: all but access and change times and what lies below.
fn write_identity(line: &mut Writer, entry: &Entry) {
    line.byte(entry.content.kind() as u8);
    line.number(entry.mode.into());
    line.number(entry.uid.into());
    line.number(entry.gid.into());
    if let Content::File { size, digest } = &entry.content {
        line.number(*size);
        // Unread bytes differ from themselves: nobody knows whether they changed.
        line.option(digest.as_ref(), |line, digest| line.fixed(digest.as_bytes()));
        line.signed(entry.mtime.seconds);
        line.number(entry.mtime.nanoseconds.into());
    }
    if let Content::Symlink { target } = &entry.content {
        line.bytes(target);
    }
}

impl Memos {
    /// The memo of a collector, if there is one that may hold.
    pub(super) fn get(&self, name: &str) -> Option<&Memo> {
        self.memos.iter().find(|memo| memo.name == name)
    }

    /// As the next scan gets it: encoded, then compressed.
    pub(super) fn pack(&self) -> Vec<u8> {
        let mut out = Writer::with_tag(TAG);
        out.option(self.shipped.as_ref(), |out, id| out.fixed(id.as_bytes()));
        out.option(self.verified.as_ref(), |out, verified| {
            out.fixed(verified.root.as_bytes());
            out.fixed(verified.shipped.as_bytes());
        });
        out.list(&self.memos, |out, memo| {
            out.bytes(memo.name.as_bytes());
            out.number(memo.version);
            out.fixed(&memo.fingerprint);
            out.byte(u8::from(memo.has_claims));
            out.number(memo.touched.len() as u64);
            for (path, asked) in &memo.touched {
                out.bytes(path.as_bytes());
                out.byte(u8::from(*asked == Asked::Names));
            }
            out.list(&memo.records.packages, |out, record| record.write(out));
            out.list(&memo.records.facts, |out, record| record.write(out));
            out.list(&memo.records.events, |out, record| record.write(out));
            out.list(&memo.records.gaps, |out, record| record.write(out));
            out.list(&memo.records.omissions, |out, record| record.write(out));
        });
        zstd::bulk::compress(&out.0, 1).unwrap_or_default()
    }

    /// Reads what [`Memos::pack`] made; nothing is remembered where it is damaged.
    pub(super) fn unpack(bytes: &[u8]) -> Self {
        /// More than any real host's memos; a damaged length asks for no more.
        const LIMIT: usize = 1 << 30;
        let length = zstd::zstd_safe::get_frame_content_size(bytes).ok().flatten();
        let length = length.and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|length| *length <= LIMIT) else {
            return Self::default();
        };
        let decoded = zstd::bulk::decompress(bytes, length).ok();
        decoded.and_then(|bytes| decode(&bytes).ok()).unwrap_or_default()
    }
}

fn decode(bytes: &[u8]) -> Result<Memos, Fault> {
    let mut reader = Reader::with_tag(bytes, TAG)?;
    let shipped = reader.option(|reader| Ok(ShippedId(reader.array()?)))?;
    let verified = reader.option(|reader| {
        Ok(Verified { root: ExactId(reader.array()?), shipped: ShippedId(reader.array()?) })
    })?;
    let memos = reader.list(|reader| {
        Ok(Memo {
            name: reader.text()?,
            version: reader.number()?,
            fingerprint: reader.array()?,
            has_claims: reader.byte()? == 1,
            touched: reader
                .list(|reader| {
                    let path = TreePath::parse(reader.bytes()?);
                    let asked = if reader.byte()? == 1 { Asked::Names } else { Asked::Entry };
                    Ok((path, asked))
                })?
                .into_iter()
                .collect(),
            records: Records {
                packages: reader.list(Canonical::read)?,
                facts: reader.list(Canonical::read)?,
                events: reader.list(Canonical::read)?,
                gaps: reader.list(Canonical::read)?,
                omissions: reader.list(Canonical::read)?,
                claims: Vec::new(),
            },
        })
    })?;
    reader.end()?;
    Ok(Memos { memos, shipped, verified })
}
