//! The bytes of files, however they are laid out.

use super::index::{self, Extent, Packing};
use super::inode::{Inode, Layout};
use super::lz4;
use super::superblock::incompat;
use super::volume::Volume;
use crate::filesystem::bytes::{le16, le32, slice, to_usize};
use crate::filesystem::unpack::{Codec, unpack_start};
use crate::model::Fault;
use std::ops::Range;
use std::sync::Arc;

/// Linux's `Z_EROFS_PCLUSTER_MAX_DSIZE`: what one extent may unpack to.
const MAX_EXTENT: u64 = 12 << 20;
/// Chunks of one file.
const MAX_CHUNKS: u64 = 4 << 20;
/// A chunk that is a hole.
const HOLE: u32 = u32::MAX;

/// Where the bytes of a file lie.
#[derive(Debug)]
pub struct Map {
    size: u64,
    places: Places,
}

#[derive(Debug)]
enum Places {
    /// From a place on; bytes from `tail.0` on lie at `tail.1`.
    Flat { start: u64, tail: Option<(u64, u64)> },
    /// Chunks of so many bits; `None` for a hole.
    Chunks { bits: u32, chunks: Vec<Option<u64>> },
    /// Compressed.
    Extents(Vec<Extent>),
}

/// Reads where a file's bytes lie.
pub fn read(volume: &Volume, inode: &Inode) -> Result<Map, Fault> {
    let bits = volume.superblock.block_bits;
    let start = u64::from(inode.value) << bits;
    let places = match inode.layout {
        Layout::Plain => Places::Flat { start, tail: None },
        Layout::Inline => {
            let size = volume.superblock.block_size();
            let blocks = inode.size.div_ceil(size).saturating_sub(1) << bits;
            let rest = inode.size.saturating_sub(blocks);
            let place = inode.behind();
            if (place & size.saturating_sub(1)).saturating_add(rest) > size {
                return Err(Fault::damaged(format!("an end of {rest} bytes behind the inode")));
            }
            Places::Flat { start, tail: Some((blocks, place)) }
        }
        Layout::Chunks => chunks(volume, inode)?,
        Layout::Full | Layout::Compact => Places::Extents(index::read(volume, inode)?),
    };
    Ok(Map { size: inode.size, places })
}

fn chunks(volume: &Volume, inode: &Inode) -> Result<Places, Fault> {
    let format = inode.value & 0xffff;
    if format & !0x3f != 0 {
        return Err(Fault::unsupported(format!("chunks of the format {format:#x}")));
    }
    let bits = u32::from(volume.superblock.block_bits).saturating_add(format & 0x1f);
    let unit = if format & 0x20 != 0 { 8_usize } else { 4 };
    let count = inode.size.div_ceil(1 << bits);
    if count > MAX_CHUNKS {
        return Err(Fault::limit(format!("{count} chunks, more than {MAX_CHUNKS}")));
    }
    let at = inode.behind().next_multiple_of(unit as u64);
    let length = to_usize(count)?.saturating_mul(unit);
    let mut chunks = Vec::new();
    for raw in volume.metadata(at, length)?.chunks_exact(unit) {
        let (device, block) = match unit {
            8 => (le16(raw, 2)?, le32(raw, 4)?),
            _ => (0, le32(raw, 0)?),
        };
        if device != 0 && block != HOLE {
            return Err(Fault::unsupported(format!("it lies on device {device} beside the image")));
        }
        let place = u64::from(block) << volume.superblock.block_bits;
        chunks.push(Some(place).filter(|_| block != HOLE));
    }
    Ok(Places::Chunks { bits, chunks })
}

impl Map {
    /// Reads as much as fits and is there. `packed` holds the ends of files.
    pub fn read_at(
        &self,
        volume: &Volume,
        packed: Result<&Self, &Fault>,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Fault> {
        let rest = self.size.saturating_sub(offset);
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let mut wanted = buffer.get_mut(..length).unwrap_or_default();
        let mut at = offset;
        while !wanted.is_empty() {
            let end = self.piece_end(at)?.min(self.size);
            let count = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            let count = count.min(wanted.len());
            if count == 0 {
                return Err(Fault::damaged(format!("nothing is said of byte {at}")));
            }
            let (part, after) = wanted.split_at_mut_checked(count).unwrap_or_default();
            self.read_piece(volume, packed, at, part)?;
            at = at.saturating_add(count as u64);
            wanted = after;
        }
        Ok(length)
    }

    /// Where what is read as one ends.
    fn piece_end(&self, at: u64) -> Result<u64, Fault> {
        Ok(match &self.places {
            Places::Flat { tail: Some((tail, _)), .. } if at < *tail => *tail,
            Places::Flat { .. } => self.size,
            Places::Chunks { bits, .. } => {
                (at >> bits).saturating_add(1).checked_mul(1 << bits).unwrap_or(self.size)
            }
            Places::Extents(extents) => {
                let next = extents.partition_point(|extent| extent.start <= at);
                extents.get(next).map_or(self.size, |extent| extent.start)
            }
        })
    }

    fn read_piece(
        &self,
        volume: &Volume,
        packed: Result<&Self, &Fault>,
        at: u64,
        buffer: &mut [u8],
    ) -> Result<(), Fault> {
        match &self.places {
            Places::Flat { tail: Some((tail, place)), .. } if at >= *tail => {
                let within = at.saturating_sub(*tail);
                let bytes = volume.metadata(place.saturating_add(within), buffer.len())?;
                buffer.copy_from_slice(&bytes);
                Ok(())
            }
            Places::Flat { start, .. } => volume.read(start.saturating_add(at), buffer),
            Places::Chunks { bits, chunks } => {
                let within = at & (1_u64 << bits).saturating_sub(1);
                match chunks.get(to_usize(at >> bits)?) {
                    Some(Some(place)) => volume.read(place.saturating_add(within), buffer),
                    _ => {
                        buffer.fill(0);
                        Ok(())
                    }
                }
            }
            Places::Extents(extents) => {
                let index = extents.partition_point(|extent| extent.start <= at);
                let extent = extents
                    .get(index.saturating_sub(1))
                    .ok_or_else(|| Fault::damaged("a compressed file without extents"))?;
                let within = at.saturating_sub(extent.start);
                if extent.packing == Packing::Fragment {
                    return read_fragment(
                        volume,
                        packed,
                        extent.place.saturating_add(within),
                        buffer,
                    );
                }
                let end = extents.get(index).map_or(self.size, |next| next.start);
                let bytes = unpacked(volume, extent, end.saturating_sub(extent.start))?;
                buffer.copy_from_slice(slice(&bytes, to_usize(within)?, buffer.len())?);
                Ok(())
            }
        }
    }

    /// The next range that is no hole.
    pub fn next_data(&self, offset: u64) -> Result<Option<Range<u64>>, Fault> {
        if offset >= self.size {
            return Ok(None);
        }
        let Places::Chunks { bits, chunks } = &self.places else {
            return Ok(Some(offset..self.size));
        };
        let from = to_usize(offset >> bits)?;
        let rest = chunks.get(from..).unwrap_or_default();
        let Some(skipped) = rest.iter().position(Option::is_some) else { return Ok(None) };
        let rest = rest.get(skipped..).unwrap_or_default();
        let length = rest.iter().position(Option::is_none).unwrap_or(rest.len());
        let first = from.saturating_add(skipped);
        let bytes = |chunk: usize| (chunk as u64).saturating_mul(1 << bits);
        let end = bytes(first.saturating_add(length)).min(self.size);
        Ok(Some(bytes(first).max(offset)..end).filter(|range| !range.is_empty()))
    }
}

/// Ends of files lie in an inode of their own, which has none.
fn read_fragment(
    volume: &Volume,
    packed: Result<&Map, &Fault>,
    place: u64,
    buffer: &mut [u8],
) -> Result<(), Fault> {
    let map = packed.map_err(Clone::clone)?;
    let none = Fault::damaged("an end of a file in an end of a file");
    let count = map.read_at(volume, Err(&none), place, buffer)?;
    if count < buffer.len() {
        return Err(Fault::damaged(format!("{count} bytes at {place} of the ends of files")));
    }
    Ok(())
}

/// The bytes of an extent, `length` of them.
fn unpacked(volume: &Volume, extent: &Extent, length: u64) -> Result<Arc<[u8]>, Fault> {
    if length > MAX_EXTENT {
        return Err(Fault::damaged(format!("an extent of {length} bytes")));
    }
    let key = u32::try_from(length).unwrap_or(u32::MAX);
    if let Some(bytes) = volume.unpacked.get((key, extent.place)) {
        return Ok(bytes);
    }
    // What follows the last block of the device was not written.
    let there = volume.length().saturating_sub(extent.place).min(extent.stored);
    let stored = volume.bytes(extent.place, to_usize(there)?)?;
    let mut bytes = vec![0; to_usize(length)?];
    fill(volume, extent, &stored, &mut bytes)
        .map_err(|fault| fault.within(format_args!("the extent at {}", extent.place)))?;
    let bytes: Arc<[u8]> = bytes.into();
    // The same bytes may be stored in two ways at one place only in what is damaged.
    if extent.packing != Packing::Interlaced {
        volume.unpacked.put((key, extent.place), &bytes, bytes.len());
    }
    Ok(bytes)
}

fn fill(volume: &Volume, extent: &Extent, stored: &[u8], bytes: &mut [u8]) -> Result<(), Fault> {
    let codec = match extent.packing {
        Packing::Plain => {
            bytes.copy_from_slice(slice(stored, 0, bytes.len())?);
            return Ok(());
        }
        Packing::Interlaced => {
            let size = volume.superblock.block_size();
            let turned = to_usize(extent.start & size.saturating_sub(1))?;
            let right = to_usize(size)?.saturating_sub(turned).min(bytes.len());
            let (first, rest) = bytes.split_at_mut_checked(right).unwrap_or_default();
            first.copy_from_slice(slice(stored, turned, first.len())?);
            rest.copy_from_slice(slice(stored, 0, rest.len())?);
            return Ok(());
        }
        Packing::Compressed(0) if !volume.superblock.has(incompat::ZERO_PADDING) => {
            return lz4::unpack(stored, bytes);
        }
        Packing::Compressed(0) => None,
        Packing::Compressed(1) => Some(Codec::MicroLzma),
        Packing::Compressed(2) => Some(Codec::Deflate),
        Packing::Compressed(3) => Some(Codec::Zstd),
        Packing::Compressed(other) => {
            return Err(Fault::unsupported(format!("compressed with algorithm {other}")));
        }
        Packing::Fragment => return Err(Fault::damaged("an end of a file is no extent")),
    };
    // Compressed bytes end where their blocks end.
    let padding = stored.iter().position(|byte| *byte != 0).unwrap_or(stored.len());
    let packed = stored.get(padding..).unwrap_or_default();
    match codec {
        None => lz4::unpack(packed, bytes),
        Some(codec) => unpack_start(codec, packed, bytes),
    }
}
