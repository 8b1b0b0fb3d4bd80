//! Devices laid end to end or striped: the extents of a VMDK, the segments of a logical volume.

use super::BlockDevice;
use super::mapped::{Extent, Mapped, MappedDevice, Place};
use crate::model::Fault;
use std::sync::Arc;

/// What one segment of a [`concatenation`] is made of.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Zeros.
    Zeros,
    /// A range of one device, by its index and the offset in it.
    Linear { store: usize, offset: u64 },
    /// Stripes of `size` bytes in turn from several devices, each by index and offset.
    Striped { stripes: Vec<(usize, u64)>, size: u64 },
}

/// One segment.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Bytes.
    pub(super) length: u64,
    pub(super) source: Source,
}

#[derive(Debug)]
struct Concatenation {
    stores: Vec<Arc<dyn BlockDevice>>,
    /// With the offset at which each begins.
    segments: Vec<(u64, Segment)>,
    length: u64,
}

/// A device of segments, end to end. Empty segments are dropped.
pub(super) fn concatenation(
    stores: Vec<Arc<dyn BlockDevice>>,
    segments: Vec<Segment>,
) -> Result<Arc<dyn BlockDevice>, Fault> {
    let mut placed = Vec::with_capacity(segments.len());
    let mut length = 0_u64;
    for segment in segments.into_iter().filter(|segment| segment.length > 0) {
        let start = length;
        length = length
            .checked_add(segment.length)
            .ok_or_else(|| Fault::damaged("segments of more than 2^64 bytes"))?;
        placed.push((start, segment));
    }
    Ok(Arc::new(MappedDevice(Concatenation { stores, segments: placed, length })))
}

/// Where byte `within` of a striped segment lies, and how much of its stripe follows.
fn striped(stripes: &[(usize, u64)], size: u64, within: u64) -> Option<(Place, u64)> {
    let count = stripes.len() as u64;
    let chunk = within.checked_div(size)?;
    let in_chunk = within.checked_rem(size)?;
    let stripe = usize::try_from(chunk.checked_rem(count)?).ok()?;
    let (store, base) = stripes.get(stripe)?;
    let row = chunk.checked_div(count)?;
    let offset = row.checked_mul(size)?.checked_add(in_chunk)?.checked_add(*base)?;
    Some((Place::Stored { store: *store, offset }, size.saturating_sub(in_chunk)))
}

impl Mapped for Concatenation {
    fn length(&self) -> u64 {
        self.length
    }

    fn locate(&self, offset: u64, _want: u64) -> Result<Extent, Fault> {
        let after = self.segments.partition_point(|(start, _)| *start <= offset);
        let lost = || Fault::damaged(format!("no segment at {offset}"));
        let (start, segment) =
            after.checked_sub(1).and_then(|index| self.segments.get(index)).ok_or_else(lost)?;
        let within = offset.saturating_sub(*start);
        let left = segment.length.saturating_sub(within);
        let (place, length) = match &segment.source {
            Source::Zeros => (Place::Zeros, left),
            Source::Linear { store, offset: base } => {
                let offset = base.checked_add(within).ok_or_else(lost)?;
                (Place::Stored { store: *store, offset }, left)
            }
            Source::Striped { stripes, size } => {
                let (place, length) = striped(stripes, *size, within).ok_or_else(lost)?;
                (place, length.min(left))
            }
        };
        Ok(Extent { place, length })
    }

    fn store(&self, index: usize) -> Option<&dyn BlockDevice> {
        self.stores.get(index).map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryDevice;
    use super::*;

    #[test]
    fn segments_follow_each_other() {
        let store = |first: u8| -> Arc<dyn BlockDevice> {
            Arc::new(MemoryDevice::new((first..first + 8).collect()))
        };
        let segments = vec![
            Segment { length: 3, source: Source::Linear { store: 1, offset: 2 } },
            Segment { length: 2, source: Source::Zeros },
            Segment {
                length: 8,
                source: Source::Striped { stripes: vec![(0, 0), (1, 4)], size: 2 },
            },
        ];
        let device = concatenation(vec![store(10), store(20)], segments).unwrap();
        assert_eq!(device.length(), 13);
        let mut buffer = [0xff; 13];
        device.read_at(0, &mut buffer).unwrap();
        assert_eq!(buffer, [22, 23, 24, 0, 0, 10, 11, 24, 25, 12, 13, 26, 27]);
        assert_eq!(device.next_data(3).unwrap().unwrap().start, 5);
    }
}
