//! The digests that package databases record, computed only where somebody will ask for them, and
//! once per content.

use super::bytes::each_block;
use super::streams::{self, Digests, Job, Work};
use super::{Keep, Options};
use crate::collect::packages::aside::{Version, beside};
use crate::filesystem::resolve::{LastLink, resolve};
use crate::filesystem::{Filesystem, Node};
use crate::model::{
    AlternateDigests, Content, ContentDigest, ContentId, DirectoryContent, Entry, ExactId,
    Expectation, Fault, PackageKey, ShippedDigest, ShippedId, ShippedSource, ShippedTree, TreePath,
};
use rayon::Scope;
use rayon::prelude::*;
use sha2::Digest;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Which files get the digests that package databases record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Those that differ from the reference; none where there is no reference.
    Changed,
    /// All that packages claim.
    All,
}

/// A file whose digest somebody will ask for.
struct Asked {
    path: TreePath,
    size: u64,
    content: ContentDigest,
    wanted: Vec<ShippedDigest>,
}

/// What an earlier scan with [`Verify::All`] has seen to: below equal ids of both there is nothing
/// left to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verified {
    pub(super) root: ExactId,
    pub(super) shipped: ShippedId,
}

/// What [`remember`] did.
#[derive(Default)]
pub(super) struct Remembered {
    /// All that packages claim of the tree is known now.
    pub(super) verified: Option<Verified>,
    /// Something was taken to be known because the previous scan had seen to it.
    pub(super) relied_on_previous: bool,
}

/// Computes and keeps the digests that will be asked for and are not known. A file that cannot be
/// read again stays unverified, which is what compare will say of it.
pub(super) fn remember(
    filesystem: &dyn Filesystem,
    root: &Entry,
    shipped: Option<&ShippedId>,
    verified: Option<Verified>,
    fresh: &HashMap<ContentDigest, AlternateDigests>,
    options: &Options<'_>,
    keep: &Keep<'_>,
) -> Remembered {
    let past = match (options.verify, options.reference) {
        (Verify::All, _) => verified.map(|known| (known.root, Some(known.shipped))),
        (Verify::Changed, Some(header)) => directory_of(&header.root).map(|root| (root, None)),
        (Verify::Changed, None) => return Remembered::default(),
    };
    let (Some(shipped), Some(current)) = (shipped, directory_of(root)) else {
        return Remembered::default();
    };
    let asking = Asking { keep, fresh, asked: Mutex::default(), is_broken: AtomicBool::new(false) };
    let asked = asking.walk(&Place { path: TreePath::root(), current, shipped: *shipped, past });
    let count = compute_all(filesystem, &asked, keep);
    let is_whole =
        !asking.is_broken.into_inner() && count == asked.len() && options.verify == Verify::All;
    Remembered {
        verified: is_whole.then_some(Verified { root: current, shipped: *shipped }),
        relied_on_previous: options.verify == Verify::All && past.is_some(),
    }
}

fn directory_of(entry: &Entry) -> Option<ExactId> {
    match entry.content {
        Content::Directory(DirectoryContent::Read { exact, .. }) => Some(exact),
        _ => None,
    }
}

/// Collects what is to be computed, each content once.
struct Asking<'a> {
    keep: &'a Keep<'a>,
    /// What the walk has computed.
    fresh: &'a HashMap<ContentDigest, AlternateDigests>,
    asked: Mutex<HashMap<ContentDigest, Asked>>,
    /// A directory could not be fetched, which leaves its files unverified.
    is_broken: AtomicBool,
}

/// What lay at a directory before: its tree, and what was shipped into it where that matters too.
type Past = (ExactId, Option<ShippedId>);

/// A directory: its tree, what was shipped into it, and its past.
struct Place {
    path: TreePath,
    current: ExactId,
    shipped: ShippedId,
    past: Option<Past>,
}

impl Asking<'_> {
    /// Walks the tree of what is and the tree of what was shipped together, past what is as it was.
    /// Returns neighbours beside each other.
    fn walk(&self, root: &Place) -> Vec<Asked> {
        rayon::scope(|scope| self.visit(scope, root));
        let asked = std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        let mut asked: Vec<Asked> = asked.into_values().collect();
        asked.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        asked
    }

    fn visit<'s>(&'s self, scope: &Scope<'s>, place: &Place) {
        if place.past == Some((place.current, Some(place.shipped))) {
            return;
        }
        match self.directory(place) {
            Ok(below) => {
                for place in below {
                    scope.spawn(move |scope| self.visit(scope, &place));
                }
            }
            Err(_) => self.is_broken.store(true, Ordering::Relaxed),
        }
    }

    /// Sees to the files of a directory; returns the directories below it.
    fn directory(&self, place: &Place) -> Result<Vec<Place>, Fault> {
        let Place { path, current, shipped, past } = place;
        let tree = self.keep.source.tree(current)?;
        let shipped = self.keep.source.shipped(shipped)?;
        let old = past.map(|(tree, _)| self.keep.source.tree(&tree)).transpose()?;
        let old_shipped = past.and_then(|(_, shipped)| shipped);
        let old_shipped = old_shipped.map(|id| self.keep.source.shipped(&id)).transpose()?;
        let mut places = Vec::new();
        for entry in &tree.entries {
            self.set_aside(path, entry, &shipped)?;
        }
        for claimed in &shipped.entries {
            let name = claimed.name.as_bytes();
            let Some(entry) = tree.get(name) else { continue };
            let before = old.as_ref().and_then(|old| old.get(name));
            let claimed_before = old_shipped.as_ref().map(|old| old.get(name));
            match &entry.content {
                Content::Directory(DirectoryContent::Read { content, exact }) => {
                    let Some(below) = claimed.below else { continue };
                    let old_below = claimed_before.map(|old| old.and_then(|old| old.below));
                    if old_below.is_none_or(|old| old == Some(below)) && is_content(before, content)
                    {
                        continue;
                    }
                    // Without what was shipped the past of a directory tells nothing.
                    let past = before.and_then(directory_of).and_then(|id| match old_below {
                        None => Some((id, None)),
                        Some(old) => old.map(|old| (id, Some(old))),
                    });
                    let path = path.join(&claimed.name);
                    places.push(Place { path, current: *exact, shipped: below, past });
                }
                Content::File { size, digest: Some(digest) } => {
                    let same_claims = claimed_before
                        .is_none_or(|old| old.is_some_and(|old| old.claims == claimed.claims));
                    if same_claims && before.is_some_and(|old| old.content == entry.content) {
                        continue;
                    }
                    self.file(|| path.join(&claimed.name), *size, *digest, &claimed.claims)?;
                }
                _ => {}
            }
        }
        Ok(places)
    }

    /// A package's own version of a configuration file that was edited is to be known as such.
    fn set_aside(
        &self,
        path: &TreePath,
        entry: &Entry,
        shipped: &ShippedTree,
    ) -> Result<(), Fault> {
        let Some(name) = &entry.name else { return Ok(()) };
        let Some((base, Version::Shipped)) = beside(name.as_bytes()) else { return Ok(()) };
        match (&entry.content, shipped.get(base)) {
            (Content::File { size, digest: Some(digest) }, Some(claimed)) => {
                self.file(|| path.join(name), *size, *digest, &claimed.claims)
            }
            _ => Ok(()),
        }
    }

    fn file(
        &self,
        path: impl FnOnce() -> TreePath,
        size: u64,
        content: ContentDigest,
        claims: &[(PackageKey, Expectation)],
    ) -> Result<(), Fault> {
        let digests = claims
            .iter()
            .filter(|(_, expectation)| expectation.source != ShippedSource::Ghost)
            .filter_map(|(_, expectation)| expectation.digest);
        let mut wanted: Vec<ShippedDigest> = digests.collect();
        if let Some(fresh) = self.fresh.get(&content) {
            (self.keep.alternates)(content, *fresh);
            wanted.retain(|wanted| fresh.matches(wanted).is_none());
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let known = self.keep.source.alternate_digests(&content)?;
        if wanted.iter().all(|wanted| known.matches(wanted).is_some()) {
            return Ok(());
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = asked.entry(content).or_insert_with(|| {
            let wanted = Vec::new();
            Asked { path: path(), size, content, wanted }
        });
        asked.wanted.extend(wanted);
        Ok(())
    }
}

fn is_content(entry: Option<&Entry>, id: &ContentId) -> bool {
    matches!(
        entry.map(|entry| &entry.content),
        Some(Content::Directory(DirectoryContent::Read { content, .. })) if content == id
    )
}

/// A share of the work that one thread takes at a time: enough to be worth it, little enough to be
/// shared out.
const SHARE: usize = 64;

/// Computes and keeps; returns how many files it could do.
fn compute_all(filesystem: &dyn Filesystem, asked: &[Asked], keep: &Keep<'_>) -> usize {
    let count = AtomicUsize::new(0);
    let found = |content: &ContentDigest, digests| {
        (keep.alternates)(*content, digests);
        count.fetch_add(1, Ordering::Relaxed);
    };
    // Nearly all ask for MD5 alone.
    let is_md5 = |asked: &&Asked| asked.wanted.iter().all(|d| matches!(d, ShippedDigest::Md5(_)));
    let (plain, others): (Vec<&Asked>, Vec<&Asked>) = asked.iter().partition(is_md5);
    others.par_iter().for_each(|asked| {
        if let Ok(digests) = compute(filesystem, asked) {
            found(&asked.content, digests);
        }
    });
    let mut shares: Vec<&[&Asked]> = plain.chunks(SHARE).collect();
    // The heaviest are taken first, so that none is left for the end.
    shares.sort_by_key(|share| share.iter().map(|asked| asked.size).sum::<u64>());
    let threads = rayon::current_num_threads().min(shares.len());
    let shares = Mutex::new(shares);
    (0..threads).into_par_iter().for_each(|_| {
        let (own, directory) = ([].iter(), None);
        let mut again = Again { filesystem, shares: &shares, own, directory, found: &found };
        streams::read_all(filesystem, &mut again);
    });
    count.into_inner()
}

/// The files that one thread reads again, share by share.
struct Again<'a> {
    filesystem: &'a dyn Filesystem,
    shares: &'a Mutex<Vec<&'a [&'a Asked]>>,
    own: std::slice::Iter<'a, &'a Asked>,
    /// Opened last: files come in the order of their paths.
    directory: Option<(TreePath, Node)>,
    found: &'a (dyn Fn(&ContentDigest, AlternateDigests) + Sync),
}

impl<'a> Again<'a> {
    fn asked(&mut self) -> Option<&'a Asked> {
        if let Some(asked) = self.own.next() {
            return Some(asked);
        }
        let share = self.shares.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        self.own = share.iter();
        self.own.next().copied()
    }

    fn open(&mut self, path: &TreePath) -> Result<Node, Fault> {
        let gone = || Fault::damaged("gone meanwhile");
        let (parent, name) = path.parent().zip(path.file_name()).ok_or_else(gone)?;
        if self.directory.as_ref().is_none_or(|(path, _)| *path != parent) {
            let found = resolve(self.filesystem, &parent, LastLink::Keep)?.ok_or_else(gone)?;
            self.directory = Some((parent, self.filesystem.open(&found.node)?));
        }
        let (_, node) = self.directory.as_ref().ok_or_else(gone)?;
        self.filesystem.open(&self.filesystem.lookup(node, name)?.ok_or_else(gone)?)
    }
}

impl<'a> Work for Again<'a> {
    type Key = &'a Asked;

    fn next(&mut self) -> Option<Job<&'a Asked>> {
        loop {
            let key = self.asked()?;
            if let Ok(node) = self.open(&key.path) {
                return Some(Job { key, node, size: key.size });
            }
        }
    }

    fn done(&mut self, job: Job<&'a Asked>, result: Result<Digests, Fault>) {
        // Only of the bytes that the walk saw.
        if let Ok(digests) = result
            && digests.blake3 == job.key.content
        {
            let md5 = Some(digests.md5);
            (self.found)(&digests.blake3, AlternateDigests { md5, ..AlternateDigests::default() });
        }
    }
}

/// Reads a file again, with the digests that were asked for and BLAKE3, which says that the bytes
/// are still the same.
fn compute(filesystem: &dyn Filesystem, asked: &Asked) -> Result<AlternateDigests, Fault> {
    let found = resolve(filesystem, &asked.path, LastLink::Keep)?
        .ok_or_else(|| Fault::damaged("gone meanwhile"))?;
    let node = filesystem.open(&found.node)?;
    let want = |is: fn(&ShippedDigest) -> bool| asked.wanted.iter().any(is);
    let mut blake3 = blake3::Hasher::new();
    let mut md5 = want(|d| matches!(d, ShippedDigest::Md5(_))).then(md5::Md5::new);
    let mut sha1 = want(|d| matches!(d, ShippedDigest::Sha1(_))).then(sha1::Sha1::new);
    let mut sha256 = want(|d| matches!(d, ShippedDigest::Sha256(_))).then(sha2::Sha256::new);
    let mut sha512 = want(|d| matches!(d, ShippedDigest::Sha512(_))).then(sha2::Sha512::new);
    each_block(filesystem, &node, asked.size, &mut |block| {
        let bytes = block.bytes();
        blake3.update(bytes);
        md5.iter_mut().for_each(|hasher| hasher.update(bytes));
        sha1.iter_mut().for_each(|hasher| hasher.update(bytes));
        sha256.iter_mut().for_each(|hasher| hasher.update(bytes));
        sha512.iter_mut().for_each(|hasher| hasher.update(bytes));
    })?;
    if blake3.finalize().as_bytes() != asked.content.as_bytes() {
        return Err(Fault::damaged("other bytes than before"));
    }
    Ok(AlternateDigests {
        md5: md5.map(|hasher| hasher.finalize().into()),
        sha1: sha1.map(|hasher| hasher.finalize().into()),
        sha256: sha256.map(|hasher| hasher.finalize().into()),
        sha512: sha512.map(|hasher| hasher.finalize().into()),
    })
}
