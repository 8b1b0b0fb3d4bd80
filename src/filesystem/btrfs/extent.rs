//! `struct btrfs_file_extent_item`: a part of a file, in the item, on disk, or nowhere yet.

use super::compression::{Compression, MAX_BYTES};
use crate::filesystem::bytes::{byte, le16, le64};
use crate::model::Fault;
use std::ops::Range;

/// Where inline bytes begin.
const INLINE: usize = 21;

/// A part of a file.
#[derive(Debug)]
pub struct Extent<'a> {
    /// Which bytes of the file it is.
    pub range: Range<u64>,
    /// Where they are.
    pub place: Place<'a>,
}

/// Where the bytes of an extent are.
#[derive(Debug)]
pub enum Place<'a> {
    /// Nowhere: never written.
    Hole,
    /// In the item.
    Inline {
        /// As they lie there.
        bytes: &'a [u8],
        /// How they are compressed.
        compression: Option<Compression>,
    },
    /// On disk, plain, at this logical address.
    Plain(u64),
    /// On disk, compressed.
    Compressed(Packed),
}

/// A compressed extent on disk.
#[derive(Clone, Copy, Debug)]
pub struct Packed {
    /// How.
    pub compression: Compression,
    /// Logical address.
    pub logical: u64,
    /// Bytes there.
    pub length: u64,
    /// Bytes that it decompresses to.
    pub full: u64,
    /// How many of them lie before the part that the file has.
    pub skip: u64,
}

impl<'a> Extent<'a> {
    /// Reads the item of the part that begins at `start`. `sector` is the unit of data, `capacity`
    /// what the device holds.
    pub fn parse(item: &'a [u8], start: u64, sector: usize, capacity: u64) -> Result<Self, Fault> {
        let damaged = |what: &str| Err(Fault::damaged(format!("the extent at {start}: {what}")));
        let full = le64(item, 8)?;
        let compression = Compression::from_number(byte(item, 16)?)?;
        if byte(item, 17)? != 0 || le16(item, 18)? != 0 {
            return Err(Fault::unsupported("an encrypted or encoded extent"));
        }
        let kind = byte(item, 20)?;
        if kind == 0 {
            let bytes = item.get(INLINE..).unwrap_or_default();
            let length = if compression.is_some() { full } else { bytes.len() as u64 };
            if start != 0 || length > MAX_BYTES {
                return damaged("inline, and not a small file");
            }
            return Ok(Self { range: 0..length, place: Place::Inline { bytes, compression } });
        }
        let (logical, on_disk) = (le64(item, 21)?, le64(item, 29)?);
        let (skip, length) = (le64(item, 37)?, le64(item, 45)?);
        let is_aligned = |number: &u64| number.checked_rem(sector as u64) == Some(0);
        if length == 0 || ![start, logical, on_disk, skip, length].iter().all(is_aligned) {
            return damaged("not of whole sectors");
        }
        let Some(end) = start.checked_add(length) else {
            return damaged("beyond all files");
        };
        let range = start..end;
        let last = skip.saturating_add(length);
        let place = match (kind, logical, compression) {
            // Allocated and not written yet.
            (2, ..) | (1, 0, _) => Place::Hole,
            (1, _, None) if last > on_disk || on_disk > capacity => {
                return damaged("more than there is on disk");
            }
            (1, _, None) => Place::Plain(logical.saturating_add(skip)),
            (1, _, Some(_)) if last > full || full > MAX_BYTES || on_disk > MAX_BYTES => {
                return damaged("more than a compressed extent has");
            }
            (1, _, Some(compression)) => {
                Place::Compressed(Packed { compression, logical, length: on_disk, full, skip })
            }
            _ => return Err(Fault::unsupported(format!("an extent of type {kind}"))),
        };
        Ok(Self { range, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_stay_within_what_they_name() {
        let check = |kind: u8, compression: u8, full: u64, numbers: [u64; 4], expected: &str| {
            let mut item = vec![0; INLINE];
            item[8..16].copy_from_slice(&full.to_le_bytes());
            (item[16], item[20]) = (compression, kind);
            item.extend(numbers.into_iter().flat_map(u64::to_le_bytes));
            let shown = match Extent::parse(&item, 8192, 4096, 1 << 20) {
                Ok(extent) => format!("{:?} {:?}", extent.range, extent.place),
                Err(fault) => fault.to_string(),
            };
            assert!(shown.starts_with(expected), "{shown}");
        };
        check(1, 0, 8192, [65_536, 8192, 4096, 4096], "8192..12288 Plain(69632)");
        check(1, 0, 8192, [0, 0, 0, 1 << 40], "8192..1099511635968 Hole");
        check(2, 0, 8192, [65_536, 8192, 0, 8192], "8192..16384 Hole");
        check(1, 2, 131_072, [65_536, 4096, 8192, 4096], "8192..12288 Compressed(Packed {");
        check(1, 0, 8192, [65_536, 8192, 4096, 8192], "the extent at 8192: more than there is");
        check(1, 0, 8192, [65_536, 1 << 21, 0, 8192], "the extent at 8192: more than there is");
        check(1, 3, 1 << 20, [65_536, 4096, 0, 4096], "the extent at 8192: more than a compressed");
        check(1, 0, 8192, [65_536, 8192, 1, 4096], "the extent at 8192: not of whole sectors");
        check(0, 0, 8192, [0; 4], "the extent at 8192: inline");
        check(1, 9, 8192, [0, 0, 0, 4096], "an extent compressed by type 9");
        check(7, 0, 8192, [0, 0, 0, 4096], "an extent of type 7");
    }
}
