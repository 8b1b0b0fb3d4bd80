//! Compressed files: the index of logical clusters, 4 or 8 bytes each or packed to 2, and the
//! extents that it makes.

use super::inode::{Inode, Layout};
use super::volume::Volume;
use crate::filesystem::bytes::{array, byte, le16, le32, le64, to_usize};
use crate::model::Fault;

/// Logical clusters of one file: 16 GiB of 4 KiB each.
const MAX_CLUSTERS: u64 = 4 << 20;
/// Linux's `Z_EROFS_PCLUSTER_MAX_SIZE`.
const MAX_STORED: u64 = 1 << 20;
/// Instead of a distance: how many blocks an extent has.
const BLOCK_COUNT: u32 = 1 << 11;

/// `h_advise`.
mod advise {
    pub(super) const TWO_BYTES: u16 = 1;
    pub(super) const BIG_FIRST: u16 = 2;
    pub(super) const BIG_SECOND: u16 = 4;
    pub(super) const INLINE: u16 = 8;
    pub(super) const INTERLACED: u16 = 0x10;
    pub(super) const FRAGMENT: u16 = 0x20;
}

/// How an extent is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    Plain,
    /// As it is, turned so that each byte has its place in a block.
    Interlaced,
    /// With the algorithm of that number.
    Compressed(u8),
    /// In the inode of all ends, at this place of its bytes.
    Fragment,
}

/// A part of a file that is unpacked as one; it ends where the next one starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its first byte in the file.
    pub start: u64,
    /// Where it lies on the device.
    pub place: u64,
    /// How many bytes it has there.
    pub stored: u64,
    /// How.
    pub packing: Packing,
}

/// What the index says of one logical cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cluster {
    /// An extent begins in it, at this byte of it and in this block.
    Head { kind: u8, within: u32, block: u64 },
    /// It goes on; the distance back, or a count of blocks.
    Inner(u32),
}

/// The header of the index.
struct Header {
    advise: u16,
    algorithms: u8,
    /// Bits of a logical cluster's size.
    bits: u8,
    /// Where the index begins.
    index: u64,
}

/// Reads the extents of a file; the last one ends with it.
pub fn read(volume: &Volume, inode: &Inode) -> Result<Vec<Extent>, Fault> {
    let at = inode.behind().next_multiple_of(8);
    let raw = volume.metadata(at, 8)?;
    let last = byte(&raw, 7)?;
    if last & 0x80 != 0 {
        let place = le64(&raw, 0)? & !(1 << 63);
        return Ok(vec![Extent { start: 0, place, stored: 0, packing: Packing::Fragment }]);
    }
    let padding = if inode.layout == Layout::Full { 16 } else { 8 };
    let header = Header {
        advise: le16(&raw, 4)?,
        algorithms: byte(&raw, 6)?,
        bits: volume.superblock.block_bits.saturating_add(last & 15),
        index: at.saturating_add(padding),
    };
    let is_compact = inode.layout == Layout::Compact;
    if header.bits > if is_compact { 14 } else { 16 } {
        return Err(Fault::unsupported(format!("logical clusters of {} bits", header.bits)));
    }
    let count = inode.size.div_ceil(1 << header.bits);
    if count > MAX_CLUSTERS {
        return Err(Fault::limit(format!("{count} logical clusters, more than {MAX_CLUSTERS}")));
    }
    let (mut extents, end) = walk(volume, &header, count, is_compact)?;
    // Where the end is packed behind the inode, a head that says so may stand at the file's end.
    while extents.pop_if(|extent| extent.start >= inode.size && extent.start > 0).is_some() {}
    if let Some(tail) = extents.last_mut() {
        if header.advise & advise::INLINE != 0 {
            let stored = u64::from(le16(&raw, 2)?);
            (tail.place, tail.stored) = (end, stored);
        } else if header.advise & advise::FRAGMENT != 0 {
            let mut place = u64::from(le32(&raw, 0)?);
            if !is_compact {
                place |= (tail.place >> volume.superblock.block_bits) << 32;
            }
            (tail.place, tail.packing) = (place, Packing::Fragment);
        }
    }
    // Only what lies in the inode of all ends has no blocks of its own.
    let is_empty = |extent: &Extent| extent.stored == 0 && extent.packing != Packing::Fragment;
    if let Some(extent) = extents.iter().find(|extent| is_empty(extent)) {
        return Err(Fault::damaged(format!("an extent of 0 blocks at {}", extent.start)));
    }
    Ok(extents)
}

/// Goes over the index once; returns also where what follows it begins.
fn walk(
    volume: &Volume,
    header: &Header,
    count: u64,
    is_compact: bool,
) -> Result<(Vec<Extent>, u64), Fault> {
    let mut extents: Vec<Extent> = Vec::new();
    let mut end = header.index;
    let mut pack = Pack::default();
    let mut is_after_head = false;
    for number in 0..count {
        let cluster = if is_compact {
            let (at, length, within) = pack_of(header, number, count);
            if pack.at != at {
                pack = Pack::read(volume, header, at, length)?;
            }
            end = at.saturating_add(length);
            pack.cluster(within, header)?
        } else {
            let at = header.index.saturating_add(number.saturating_mul(8));
            end = at.saturating_add(8);
            full(&volume.metadata(at, 8)?)?
        };
        match cluster {
            Cluster::Head { kind, within, block } => {
                extents.push(head(volume, header, extents.last(), (number, kind, within, block))?);
                is_after_head = true;
            }
            Cluster::Inner(distance) => {
                let tail = extents
                    .last_mut()
                    .ok_or_else(|| Fault::damaged("the first logical cluster is no head"))?;
                if is_after_head && is_big(header) && distance & BLOCK_COUNT != 0 {
                    let blocks = u64::from(distance & !BLOCK_COUNT);
                    tail.stored = blocks << volume.superblock.block_bits;
                    if tail.stored > MAX_STORED {
                        return Err(Fault::damaged(format!("an extent of {blocks} blocks")));
                    }
                }
                is_after_head = false;
            }
        }
    }
    Ok((extents, end))
}

const fn is_big(header: &Header) -> bool {
    header.advise & (advise::BIG_FIRST | advise::BIG_SECOND) != 0
}

fn head(
    volume: &Volume,
    header: &Header,
    before: Option<&Extent>,
    (number, kind, within, block): (u64, u8, u32, u64),
) -> Result<Extent, Fault> {
    let start = (number << header.bits).saturating_add(within.into());
    let is_next = before.map_or(start == 0, |before| before.start < start);
    if !is_next || u64::from(within) >= 1 << header.bits {
        return Err(Fault::damaged(format!("an extent at {start} of logical cluster {number}")));
    }
    let packing = match kind {
        0 if header.advise & advise::INTERLACED != 0 => Packing::Interlaced,
        0 => Packing::Plain,
        1 => Packing::Compressed(header.algorithms & 15),
        _ => Packing::Compressed(header.algorithms >> 4),
    };
    let place = block << volume.superblock.block_bits;
    Ok(Extent { start, place, stored: 1 << header.bits, packing })
}

/// An entry of 8 bytes.
fn full(raw: &[u8]) -> Result<Cluster, Fault> {
    Ok(match le16(raw, 0)? & 3 {
        2 => Cluster::Inner(le16(raw, 4)?.into()),
        kind => Cluster::Head {
            kind: u8::try_from(kind).unwrap_or(0),
            within: le16(raw, 2)?.into(),
            block: le32(raw, 4)?.into(),
        },
    })
}

/// Where the pack of a cluster lies, its length, and which of its entries the cluster has: first
/// pairs up to a multiple of 32 bytes, then packs of sixteen, then pairs again.
fn pack_of(header: &Header, number: u64, count: u64) -> (u64, u64, usize) {
    let first = (32_u64.saturating_sub(header.index % 32) / 4) & 7;
    let sixteens = match header.advise & advise::TWO_BYTES != 0 && first < count {
        true => count.saturating_sub(first) & !15,
        false => 0,
    };
    let pair = |base: u64, index: u64| {
        let at = base.saturating_add((index / 2).saturating_mul(8));
        (at, 8, usize::from(index % 2 == 1))
    };
    if number < first {
        return pair(header.index, number);
    }
    let base = header.index.saturating_add(first.saturating_mul(4));
    let index = number.saturating_sub(first);
    if index < sixteens {
        let at = base.saturating_add((index / 16).saturating_mul(32));
        return (at, 32, usize::try_from(index % 16).unwrap_or(0));
    }
    pair(base.saturating_add(sixteens.saturating_mul(2)), index.saturating_sub(sixteens))
}

/// Entries that share the number of a block.
#[derive(Default)]
struct Pack {
    at: u64,
    /// Type and low bits of each.
    entries: Vec<(u8, u32)>,
    block: u32,
}

impl Pack {
    fn read(volume: &Volume, header: &Header, at: u64, length: u64) -> Result<Self, Fault> {
        let raw = volume.metadata(at, to_usize(length)?)?;
        Self::parse(&raw, header.bits, at)
    }

    fn parse(raw: &[u8], bits: u8, at: u64) -> Result<Self, Fault> {
        let (count, width) = if raw.len() == 8 { (2_usize, 16_usize) } else { (16, 14) };
        let low_bits = u32::from(bits.max(12));
        if low_bits.saturating_add(2) > u32::try_from(width).unwrap_or(0) {
            return Err(Fault::damaged(format!("packed entries for clusters of {bits} bits")));
        }
        let mut entries = Vec::new();
        for index in 0..count {
            let bit = index.saturating_mul(width);
            // What lies behind an entry that is last is the block's number.
            let word = u32::from_le_bytes(array(raw, (bit / 8).min(raw.len().saturating_sub(4)))?);
            let shift =
                bit.saturating_sub((bit / 8).min(raw.len().saturating_sub(4)).saturating_mul(8));
            let value = word >> u32::try_from(shift).unwrap_or(0);
            let kind = u8::try_from((value >> low_bits) & 3).unwrap_or(0);
            entries.push((kind, value & (1_u32 << low_bits).saturating_sub(1)));
        }
        Ok(Self { at, entries, block: le32(raw, raw.len().saturating_sub(4))? })
    }

    fn entry(&self, index: usize) -> Result<(u8, u32), Fault> {
        self.entries.get(index).copied().ok_or_else(|| Fault::damaged("a pack of no such entry"))
    }

    fn cluster(&self, index: usize, header: &Header) -> Result<Cluster, Fault> {
        let (kind, low) = self.entry(index)?;
        if kind == 2 {
            return Ok(Cluster::Inner(low));
        }
        let blocks = self.blocks_before(index, is_big(header))?;
        let block = u64::from(self.block).saturating_add(blocks);
        Ok(Cluster::Head { kind, within: low, block })
    }

    /// How many blocks lie between the number of the pack and an entry's.
    fn blocks_before(&self, index: usize, is_big: bool) -> Result<u64, Fault> {
        let mut blocks = u64::from(!is_big);
        let mut at = index;
        while at > 0 {
            at = at.saturating_sub(1);
            let (kind, low) = self.entry(at)?;
            let back = to_usize(low)?;
            match (kind == 2, is_big) {
                (false, _) => blocks = blocks.saturating_add(1),
                (true, true) if low & BLOCK_COUNT != 0 => {
                    at = at.saturating_sub(1);
                    blocks = blocks.saturating_add(u64::from(low & !BLOCK_COUNT));
                }
                (true, true) if low <= 1 => {
                    return Err(Fault::damaged("a count of blocks is missing"));
                }
                (true, true) => at = at.saturating_sub(back.saturating_sub(2)),
                (true, false) => match at.checked_sub(back) {
                    Some(head) => {
                        at = head;
                        blocks = blocks.saturating_add(1);
                    }
                    None => break,
                },
            }
        }
        Ok(blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::MemoryDevice;
    use crate::model::{FileKind, Timestamp};
    use std::sync::Arc;

    #[test]
    fn pairs_are_unpacked() {
        let raw = [0x23, 0x11, 1, 0x20, 7, 0, 0, 0];
        let pack = Pack::parse(&raw, 12, 0).unwrap();
        assert_eq!(pack.entries, [(1, 0x123), (2, 1)]);
        assert_eq!(pack.block, 7);
        let header = Header { advise: 0, algorithms: 0, bits: 12, index: 0 };
        let head = Cluster::Head { kind: 1, within: 0x123, block: 8 };
        assert_eq!(pack.cluster(0, &header).unwrap(), head);
        assert_eq!(pack.cluster(1, &header).unwrap(), Cluster::Inner(1));
    }

    /// An index of three entries of 8 bytes: two extents, of which the second has `blocks`.
    fn extents(advise: u16, blocks: u8) -> Result<Vec<Extent>, Fault> {
        let mut raw = vec![0; 8192];
        raw[1024..1028].copy_from_slice(&0xe0f5_e1e2_u32.to_le_bytes());
        raw[1024 + 12] = 12;
        // Where it lies in the inode of all ends, the advice, and then the entries.
        raw[4096] = 100;
        raw[4100..4102].copy_from_slice(&advise.to_le_bytes());
        let entries = [[1, 0, 0, 0, 7, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]];
        raw[4112..4128].copy_from_slice(&entries.concat());
        raw[4128..4136].copy_from_slice(&[2, 0, 0, 0, blocks, 8, 1, 0]);
        let volume = Volume::open(Arc::new(MemoryDevice::new(raw))).unwrap();
        let inode = Inode {
            number: 1,
            kind: FileKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 3 * 4096,
            links: 1,
            mtime: Timestamp { seconds: 0, nanoseconds: 0 },
            layout: Layout::Full,
            value: 0,
            xattrs: (4096, 0),
        };
        read(&volume, &inode)
    }

    #[test]
    fn only_an_end_of_a_file_has_no_blocks() {
        let first =
            Extent { start: 0, place: 7 << 12, stored: 4096, packing: Packing::Compressed(0) };
        let big = advise::BIG_FIRST;
        let second =
            Extent { start: 4096, place: 0, stored: 8192, packing: Packing::Compressed(0) };
        assert_eq!(extents(big, 2).unwrap(), [first, second]);
        let second = Extent { place: 100, stored: 0, packing: Packing::Fragment, ..second };
        assert_eq!(extents(big | advise::FRAGMENT, 0).unwrap(), [first, second]);
        let fault = extents(big, 0).unwrap_err();
        assert_eq!(fault.to_string(), "an extent of 0 blocks at 4096");
    }

    #[test]
    fn packs_lie_after_each_other() {
        let header = Header { advise: advise::TWO_BYTES, algorithms: 0, bits: 12, index: 24 };
        let check = |number: u64, expected: (u64, u64, usize)| {
            assert_eq!(pack_of(&header, number, 40), expected, "{number}");
        };
        check(0, (24, 8, 0));
        check(1, (24, 8, 1));
        check(2, (32, 32, 0));
        check(33, (64, 32, 15));
        check(34, (96, 8, 0));
        check(37, (104, 8, 1));
    }
}
