//! The bytes of files and of links' targets, and where they have any.

use super::compression::MAX_BYTES;
use super::extent::{Extent, Packed, Place};
use super::inode::Inode;
use super::node::{Key, kind};
use super::tree::{self, Tree};
use super::volume::Volume;
use crate::filesystem::bytes::to_usize;
use crate::filesystem::cache::Cache;
use crate::model::Fault;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// `PATH_MAX`: no link has a longer target.
const MAX_TARGET: u64 = 4096;
/// As many adjacent extents are told as one range; the caller asks again where it ends.
const MAX_MERGED: usize = 1000;
/// A file may have an extent several times (clones), and compressed ones grow up to 32 times; one
/// with more bytes than this many devices is made to be read for days.
const MAX_GROWTH: u64 = 64;

/// What is needed to read the files of a subvolume.
pub struct Reader<'a> {
    /// The device.
    pub volume: &'a Volume,
    /// Extents that were decompressed lately, by logical address.
    pub unpacked: &'a Cache,
    /// The subvolume's tree.
    pub tree: &'a Tree,
    /// The inode's number.
    pub number: u64,
    /// The inode.
    pub inode: &'a Inode,
}

/// Room for what is decompressed.
pub fn cache() -> Cache {
    Cache::new(usize::try_from(MAX_BYTES).unwrap_or(usize::MAX))
}

impl Reader<'_> {
    /// Hands the extents that touch the range to `visit`, in order, until it breaks. None
    /// overlaps the one before it.
    fn extents(
        &self,
        range: &Range<u64>,
        visit: &mut dyn FnMut(Extent<'_>) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        let key = |offset| Key::new(self.number, kind::EXTENT_DATA, offset);
        let before = tree::floor(self.volume, self.tree, key(range.start))?;
        let same = |found: &Key| (found.object, found.kind) == (self.number, kind::EXTENT_DATA);
        let from = before.filter(same).unwrap_or(key(range.start));
        let (sector, capacity) = (self.volume.superblock.sector, self.volume.capacity());
        let mut end = 0;
        let mut outcome = Ok(ControlFlow::Continue(()));
        let to = key(range.end.saturating_sub(1));
        tree::scan(self.volume, self.tree, from, to, &mut |key, item| {
            outcome = Extent::parse(item, key.offset, sector, capacity).and_then(|extent| {
                if extent.range.start < end {
                    return Err(Fault::damaged(format!("two extents at {}", extent.range.start)));
                }
                end = extent.range.end;
                visit(extent)
            });
            match &outcome {
                Ok(flow) => *flow,
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        outcome.map(|_| ())
    }

    /// Reads from a byte of the file on: as much as fits and is there.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let rest = self.inode.size.saturating_sub(offset);
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let wanted = buffer.get_mut(..length).unwrap_or_default();
        if wanted.is_empty() {
            return Ok(0);
        }
        let range = offset..offset.saturating_add(length as u64);
        // Up to where the buffer is filled.
        let mut done = offset;
        self.extents(&range, &mut |extent| {
            let start = extent.range.start.max(range.start);
            let end = extent.range.end.min(range.end);
            if start >= end {
                return Ok(ControlFlow::Continue(()));
            }
            let at = |offset: u64| to_usize(offset.saturating_sub(range.start));
            if let Some(gap) = wanted.get_mut(at(done)?..at(start)?) {
                gap.fill(0);
            }
            let part = wanted.get_mut(at(start)?..at(end)?).unwrap_or_default();
            self.read_extent(&extent, start.saturating_sub(extent.range.start), part)?;
            done = end;
            Ok(ControlFlow::Continue(()))
        })?;
        let filled = to_usize(done.saturating_sub(range.start))?;
        wanted.get_mut(filled..).unwrap_or_default().fill(0);
        Ok(length)
    }

    /// Fills the part from the `skip`th byte of an extent on.
    fn read_extent(&self, extent: &Extent<'_>, skip: u64, part: &mut [u8]) -> Result<(), Fault> {
        let sector = self.volume.superblock.sector;
        match &extent.place {
            Place::Hole => part.fill(0),
            Place::Plain(logical) => {
                let logical = logical.saturating_add(skip);
                self.volume.read_data(logical, part, self.inode.has_checksums)?;
            }
            Place::Inline { bytes, compression: None } => copy(bytes, skip, part),
            Place::Inline { bytes, compression: Some(compression) } => {
                copy(&compression.decompress(bytes, extent.range.end, sector)?, skip, part);
            }
            Place::Compressed(packed) => {
                copy(&self.unpack(packed)?, packed.skip.saturating_add(skip), part);
            }
        }
        Ok(())
    }

    fn unpack(&self, packed: &Packed) -> Result<Arc<[u8]>, Fault> {
        let known = self.unpacked.get(packed.logical);
        if let Some(known) = known.filter(|bytes| bytes.len() as u64 == packed.full) {
            return Ok(known);
        }
        let mut bytes = vec![0; to_usize(packed.length)?];
        self.volume.read_data(packed.logical, &mut bytes, self.inode.has_checksums)?;
        let sector = self.volume.superblock.sector;
        let full: Arc<[u8]> = packed
            .compression
            .decompress(&bytes, packed.full, sector)
            .map_err(|fault| fault.within(format_args!("extent {}", packed.logical)))?
            .into();
        self.unpacked.put(packed.logical, Arc::clone(&full));
        Ok(full)
    }

    /// The next range at or after `offset` that has bytes.
    pub fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        if offset >= self.inode.size {
            return Ok(None);
        }
        let mut found: Option<Range<u64>> = None;
        let mut merged = 0_usize;
        self.extents(&(offset..self.inode.size), &mut |extent| {
            let range = extent.range.start.max(offset)..extent.range.end.min(self.inode.size);
            if range.is_empty() || matches!(extent.place, Place::Hole) {
                return Ok(if found.is_some() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                });
            }
            merged = merged.saturating_add(1);
            match &mut found {
                Some(found) if found.end != range.start || merged > MAX_MERGED => {
                    return Ok(ControlFlow::Break(()));
                }
                Some(found) => found.end = range.end,
                None => found = Some(range),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

/// Refuses a file of more bytes than are reasonable for the device.
pub fn check_growth(reader: &Reader<'_>) -> Result<(), Fault> {
    let most = reader.volume.capacity().saturating_mul(MAX_GROWTH);
    if reader.inode.size <= most {
        return Ok(());
    }
    let (mut mapped, mut at) = (0_u64, 0);
    while let Some(range) = reader.next_data(at)? {
        mapped = mapped.saturating_add(range.end.saturating_sub(range.start));
        if mapped > most {
            return Err(Fault::limit(format!(
                "a file of more bytes than {MAX_GROWTH} times the device"
            )));
        }
        at = range.end;
    }
    Ok(())
}

/// The target of a symbolic link.
pub fn target(reader: &Reader<'_>) -> Result<Vec<u8>, Fault> {
    if reader.inode.size > MAX_TARGET {
        return Err(Fault::damaged(format!("a target of {} bytes", reader.inode.size)));
    }
    let mut bytes = vec![0; to_usize(reader.inode.size)?];
    reader.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Copies from the `skip`th byte on; zeros where there are no more.
fn copy(from: &[u8], skip: u64, to: &mut [u8]) {
    to.fill(0);
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    for (to, from) in to.iter_mut().zip(from.get(skip..).unwrap_or_default()) {
        *to = *from;
    }
}
