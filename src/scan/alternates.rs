//! The digests that package databases record, computed only where somebody will ask for them, and
//! once per content.

use super::bytes::each_block;
use super::{Keep, Options};
use crate::filesystem::Filesystem;
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::{
    AlternateDigests, Content, ContentDigest, DirectoryContent, Entry, ExactId, Fault,
    ShippedDigest, ShippedId, ShippedSource, TreePath, TreeSource,
};
use rayon::prelude::*;
use sha2::Digest;
use std::collections::BTreeMap;

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

/// Computes and keeps the digests that will be asked for and are not known. A file that cannot be
/// read again stays unverified, which is what compare will say of it.
pub(super) fn remember(
    filesystem: &dyn Filesystem,
    root: &Entry,
    shipped: Option<&ShippedId>,
    options: &Options<'_>,
    keep: &Keep<'_>,
) {
    let reference = match (options.verify, options.reference) {
        (Verify::All, _) => None,
        (Verify::Changed, Some(header)) => Some(directory_of(&header.root)),
        (Verify::Changed, None) => return,
    };
    let (Some(shipped), Some(current)) = (shipped, directory_of(root)) else { return };
    let mut asked = BTreeMap::new();
    // A directory that cannot be fetched leaves its files unverified.
    let _ = ask(keep.source, current, reference.flatten(), *shipped, &mut asked);
    asked.into_values().collect::<Vec<_>>().par_iter().for_each(|asked| {
        if let Ok(digests) = compute(filesystem, asked) {
            (keep.alternates)(asked.content, digests);
        }
    });
}

fn directory_of(entry: &Entry) -> Option<ExactId> {
    match entry.content {
        Content::Directory(DirectoryContent::Read { exact, .. }) => Some(exact),
        _ => None,
    }
}

/// Walks the tree of what is and the tree of what was shipped together, past what equals the
/// reference.
fn ask(
    source: &dyn TreeSource,
    current: ExactId,
    reference: Option<ExactId>,
    shipped: ShippedId,
    asked: &mut BTreeMap<ContentDigest, Asked>,
) -> Result<(), Fault> {
    let mut pending = vec![(TreePath::root(), current, reference, shipped)];
    while let Some((path, current, reference, shipped)) = pending.pop() {
        let tree = source.tree(&current)?;
        let old = reference.map(|id| source.tree(&id)).transpose()?;
        let shipped = source.shipped(&shipped)?;
        for claimed in &shipped.entries {
            let Some(entry) = tree.get(claimed.name.as_bytes()) else { continue };
            let before = old.as_ref().and_then(|old| old.get(claimed.name.as_bytes()));
            let here = path.join(&claimed.name);
            match (&entry.content, before.map(|before| &before.content)) {
                (
                    Content::Directory(DirectoryContent::Read { content, .. }),
                    Some(Content::Directory(DirectoryContent::Read { content: old, .. })),
                ) if content == old => {}
                (Content::Directory(DirectoryContent::Read { exact, .. }), _) => {
                    if let Some(below) = claimed.below {
                        pending.push((here, *exact, before.and_then(directory_of), below));
                    }
                }
                (Content::File { size, digest: Some(digest) }, before)
                    if before != Some(&entry.content) =>
                {
                    let wanted: Vec<ShippedDigest> = claimed
                        .claims
                        .iter()
                        .filter(|(_, expectation)| expectation.source != ShippedSource::Ghost)
                        .filter_map(|(_, expectation)| expectation.digest)
                        .collect();
                    let known = source.alternate_digests(digest)?;
                    if wanted.iter().any(|wanted| known.matches(wanted).is_none()) {
                        let asking = Asked { path: here, size: *size, content: *digest, wanted };
                        asked
                            .entry(*digest)
                            .and_modify(|known| known.wanted.extend(&asking.wanted))
                            .or_insert(asking);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
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
