//! What all containers have in common: a map from offsets of the disk to places in files.
//!
//! A format says where an offset lies ([`Mapped::locate`]); reading over the borders of extents,
//! zeros, falling through to a parent and finding the next data are here, once.

use super::{BlockDevice, check_range};
use crate::model::Fault;
use std::fmt;
use std::ops::Range;

/// How much data [`BlockDevice::next_data`] puts into one range: enough to read on in one piece,
/// little enough that asking for it stays cheap.
const MAX_RUN: u64 = 16 << 20;

/// Where the bytes of an extent are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: they are zeros.
    Zeros,
    /// As they are, in one of the format's files.
    Stored {
        /// Which of [`Mapped::store`].
        store: usize,
        /// Offset in it.
        offset: u64,
    },
    /// Within a compressed cluster.
    Packed {
        /// Means something to [`Mapped::read_packed`].
        key: u64,
        /// Bytes of the inflated cluster before the first wanted one.
        skip: usize,
    },
    /// At the same offset of the parent; zeros where there is none or it is shorter.
    Parent,
}

/// From the asked offset on, so many bytes lie in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) place: Place,
    /// At least 1.
    pub(super) length: u64,
}

impl Extent {
    /// Appends the extent that follows where both are one run.
    pub(super) fn join(&mut self, next: Self) -> bool {
        let follows = match (self.place, next.place) {
            (Place::Zeros, Place::Zeros) | (Place::Parent, Place::Parent) => true,
            (Place::Stored { store, offset }, Place::Stored { store: other, offset: at }) => {
                store == other && offset.checked_add(self.length) == Some(at)
            }
            _ => false,
        };
        if follows {
            self.length = self.length.saturating_add(next.length);
        }
        follows
    }
}

/// A container's map.
pub(super) trait Mapped: Send + Sync + fmt::Debug {
    /// Length of the disk.
    fn length(&self) -> u64;

    /// Where `offset` lies, which is below the length. The extent may end beyond the disk's end;
    /// it need not be longer than `want`.
    fn locate(&self, offset: u64, want: u64) -> Result<Extent, Fault>;

    /// One of the files that extents lie in.
    fn store(&self, index: usize) -> Option<&dyn BlockDevice>;

    /// What is below.
    fn parent(&self) -> Option<&dyn BlockDevice> {
        None
    }

    /// Fills the buffer from a compressed cluster, from its byte `skip` on.
    fn read_packed(&self, key: u64, _skip: usize, _buffer: &mut [u8]) -> Result<(), Fault> {
        Err(Fault::damaged(format!("no compressed cluster {key}")))
    }
}

/// A container as a device.
#[derive(Debug)]
pub(super) struct MappedDevice<M>(pub(super) M);

impl<M: Mapped> MappedDevice<M> {
    fn missing_store(index: usize) -> Fault {
        Fault::damaged(format!("no file {index} in the image"))
    }

    fn fill(&self, place: Place, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        match place {
            Place::Zeros => buffer.fill(0),
            Place::Stored { store, offset } => {
                let store = self.0.store(store).ok_or_else(|| Self::missing_store(store))?;
                store.read_at(offset, buffer)?;
            }
            Place::Packed { key, skip } => self.0.read_packed(key, skip, buffer)?,
            Place::Parent => {
                let parent = self.0.parent();
                let there = parent.map_or(0, |p| p.length().saturating_sub(offset));
                let count = usize::try_from(there).unwrap_or(usize::MAX).min(buffer.len());
                let (below, beyond) = buffer.split_at_mut(count);
                if let (Some(parent), false) = (parent, below.is_empty()) {
                    parent.read_at(offset, below)?;
                }
                beyond.fill(0);
            }
        }
        Ok(())
    }

    /// The data within the extent at `offset`, as a range of this disk.
    fn data_of(&self, extent: Extent, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        let (device, start) = match extent.place {
            Place::Zeros => return Ok(None),
            Place::Packed { .. } => {
                return Ok(Some(offset..offset.saturating_add(extent.length)));
            }
            Place::Stored { store, offset } => {
                (self.0.store(store).ok_or_else(|| Self::missing_store(store))?, offset)
            }
            Place::Parent => match self.0.parent() {
                Some(parent) => (parent, offset),
                None => return Ok(None),
            },
        };
        let end = start.saturating_add(extent.length);
        if extent.place != Place::Parent && end > device.length() {
            // Whoever reads it is told what is wrong.
            return Ok(Some(offset..offset.saturating_add(extent.length)));
        }
        let Some(found) = device.next_data(start)? else { return Ok(None) };
        let here = |at: u64| offset.saturating_add(at.min(end).saturating_sub(start));
        let range = here(found.start)..here(found.end);
        Ok((range.start < range.end).then_some(range))
    }
}

impl<M: Mapped> BlockDevice for MappedDevice<M> {
    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        check_range(self.length(), offset, buffer.len())?;
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let extent = self.0.locate(at, rest.len() as u64)?;
            let count = usize::try_from(extent.length).unwrap_or(usize::MAX).min(rest.len());
            if count == 0 {
                return Err(Fault::damaged(format!("an empty extent at {at}")));
            }
            let (part, tail) = rest.split_at_mut(count);
            self.fill(extent.place, at, part)?;
            at = at.saturating_add(count as u64);
            rest = tail;
        }
        Ok(())
    }

    fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        let length = self.length();
        let mut run: Option<Range<u64>> = None;
        let mut at = offset;
        while at < length && run.as_ref().is_none_or(|r| r.end.saturating_sub(r.start) < MAX_RUN) {
            let extent = self.0.locate(at, MAX_RUN)?;
            let extent_end = at.saturating_add(extent.length.max(1));
            match (self.data_of(extent, at)?, run.as_mut()) {
                (Some(data), None) => {
                    at = data.end;
                    run = Some(data);
                }
                (Some(data), Some(run)) if data.start == run.end => {
                    at = data.end;
                    run.end = data.end;
                }
                (_, Some(_)) => break,
                (None, None) => at = extent_end,
            }
        }
        Ok(run.and_then(|run| {
            let end = run.end.min(length);
            (run.start < end).then_some(run.start..end)
        }))
    }
}
