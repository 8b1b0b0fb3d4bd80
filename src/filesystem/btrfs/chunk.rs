//! Where logical addresses lie on the device.
//!
//! A file system of one device has each chunk once (single) or several times (DUP); one that has a
//! copy of everything on each device (RAID1) is readable from any. Those that spread bytes over
//! several devices are refused with what they are.

use super::node::{KEY, Key, kind};
use crate::filesystem::bytes::{array, le16, le64};
use crate::model::Fault;
use std::collections::BTreeMap;

/// Before the stripes.
const HEADER: usize = 48;
/// Device, offset, UUID.
const STRIPE: usize = 32;
/// `RAID1C4` has four copies, DUP two; one more than those is damage.
const MAX_COPIES: usize = 4;
/// Chunks have about 1 GiB; this is far beyond what one device holds.
const MAX_CHUNKS: usize = 1 << 18;

/// Profiles whose stripes are not copies of each other.
const SPREAD: [(u64, &str); 4] =
    [(0x08, "RAID0"), (0x40, "RAID10"), (0x80, "RAID5"), (0x100, "RAID6")];

/// Logical addresses that lie in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chunk {
    length: u64,
    /// Where its copies begin on the device.
    copies: Vec<u64>,
}

/// All chunks, by where they begin.
#[derive(Debug, Default)]
pub struct Chunks(BTreeMap<u64, Chunk>);

impl Chunks {
    /// Those that the superblock holds, packed one behind the other.
    pub fn of_superblock(packed: &[u8], device: u64) -> Result<Self, Fault> {
        let mut chunks = Self::default();
        let mut rest = packed;
        while !rest.is_empty() {
            let key = Key::parse(rest, 0)?;
            let item = rest.get(KEY..).unwrap_or_default();
            let stripes = usize::from(le16(item, 44)?);
            if key.kind != kind::CHUNK_ITEM {
                return Err(Fault::damaged(format!("an item of type {} as a chunk", key.kind)));
            }
            chunks.add(key, item, device)?;
            let length = HEADER.saturating_add(stripes.saturating_mul(STRIPE));
            rest = item.get(length..).unwrap_or_default();
        }
        Ok(chunks)
    }

    /// Adds the chunk of an item; what is known already is known better.
    pub fn add(&mut self, key: Key, item: &[u8], device: u64) -> Result<(), Fault> {
        if self.0.len() >= MAX_CHUNKS {
            return Err(Fault::limit(format!("more than {MAX_CHUNKS} chunks")));
        }
        let chunk = parse(item, device)
            .map_err(|fault| fault.within(format_args!("chunk {}", key.offset)))?;
        self.0.entry(key.offset).or_insert(chunk);
        Ok(())
    }

    /// Where the copies of these bytes begin on the device.
    pub fn copies(&self, logical: u64, length: usize) -> Result<impl Iterator<Item = u64>, Fault> {
        let within = self.0.range(..=logical).next_back().and_then(|(start, chunk)| {
            let skip = logical.saturating_sub(*start);
            let end = skip.checked_add(length as u64)?;
            (end <= chunk.length).then_some((skip, chunk))
        });
        let (skip, chunk) = within.ok_or_else(|| {
            Fault::damaged(format!("{length} bytes at the logical address {logical} in no chunk"))
        })?;
        Ok(chunk.copies.iter().map(move |start| start.saturating_add(skip)))
    }
}

fn parse(item: &[u8], device: u64) -> Result<Chunk, Fault> {
    let (length, profile) = (le64(item, 0)?, le64(item, 24)?);
    let count = usize::from(le16(item, 44)?);
    if let Some((_, name)) = SPREAD.iter().find(|(flag, _)| profile & flag != 0 && count > 1) {
        return Err(Fault::unsupported(format!("{name} over {count} devices")));
    }
    if length == 0 || count == 0 || count > MAX_COPIES {
        return Err(Fault::damaged(format!("{length} bytes, {count} times")));
    }
    let mut copies = Vec::new();
    let mut elsewhere = Vec::new();
    for index in 0..count {
        let at = HEADER.saturating_add(index.saturating_mul(STRIPE));
        let (owner, offset) = (le64(item, at)?, le64(item, at.saturating_add(8))?);
        let _uuid: [u8; 16] = array(item, at.saturating_add(16))?;
        match owner == device {
            true => copies.push(offset),
            false => elsewhere.push(owner.to_string()),
        }
    }
    if copies.is_empty() {
        return Err(Fault::unsupported(format!(
            "it lies on device {} of the file system, and this is device {device}",
            elsewhere.join(", ")
        )));
    }
    Ok(Chunk { length, copies })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(logical: u64, profile: u64, stripes: &[(u64, u64)]) -> Vec<u8> {
        let mut bytes = 256_u64.to_le_bytes().to_vec();
        bytes.push(kind::CHUNK_ITEM);
        bytes.extend(logical.to_le_bytes());
        let mut item = vec![0; HEADER];
        item[..8].copy_from_slice(&1000_u64.to_le_bytes());
        item[24..32].copy_from_slice(&profile.to_le_bytes());
        item[44] = u8::try_from(stripes.len()).unwrap();
        for (device, offset) in stripes {
            item.extend(device.to_le_bytes());
            item.extend(offset.to_le_bytes());
            item.extend([0; 16]);
        }
        bytes.extend(item);
        bytes
    }

    #[test]
    fn copies_of_this_device_count() {
        let check = |profile: u64, stripes: &[(u64, u64)], expected: &str| {
            let shown = match Chunks::of_superblock(&packed(500, profile, stripes), 1) {
                Ok(chunks) => match chunks.copies(600, 900) {
                    Ok(copies) => format!("{:?}", copies.collect::<Vec<_>>()),
                    Err(fault) => fault.to_string(),
                },
                Err(fault) => fault.to_string(),
            };
            assert_eq!(shown, expected);
        };
        check(2, &[(1, 7)], "[107]");
        check(0x22, &[(1, 7), (1, 5000)], "[107, 5100]");
        check(0x12, &[(2, 7), (1, 5000)], "[5100]");
        check(0x0a, &[(1, 7), (2, 7)], "chunk 500: RAID0 over 2 devices");
        let elsewhere = "chunk 500: it lies on device 2 of the file system, and this is device 1";
        check(1, &[(2, 7)], elsewhere);
        check(1, &[], "chunk 500: 1000 bytes, 0 times");
        let chunks = Chunks::of_superblock(&packed(500, 1, &[(1, 0)]), 1).unwrap();
        assert!(chunks.copies(600, 901).is_err() && chunks.copies(499, 1).is_err());
    }
}
