//! Finding a name in an indexed directory without reading all of it.
//!
//! Follows `Documentation/filesystems/ext4/directory.rst` (hash tree directories) and
//! `fs/ext4/hash.c`. Only the hash that every mke2fs chooses, half MD4, is computed. This is a
//! short cut and never an answer of "no": what is not found here is looked for in all blocks.

use super::directory;
use super::inode::{Inode, flags};
use super::map;
use super::volume::Volume;
use crate::filesystem::bytes::{byte, le16, le32, slice};
use crate::model::Fault;
use std::ops::ControlFlow;

const HALF_MD4: u8 = 1;
const HALF_MD4_UNSIGNED: u8 = 4;
/// Where the root's fields lie, behind `.` and `..`.
const ROOT_INFO: usize = 0x18;
/// Where a node's entries lie, behind what looks like an empty directory entry.
const NODE_ENTRIES: usize = 8;
const ENTRY_LENGTH: usize = 8;
/// `large_dir` has three levels below the root.
const MAX_LEVELS: u8 = 3;
/// The high bits of a block number are reserved.
const BLOCK_MASK: u32 = 0x0fff_ffff;

/// The inode that the index leads to; `None` says nothing.
pub fn find(volume: &Volume, inode: &Inode, name: &[u8]) -> Option<u32> {
    let indexed = inode.has(flags::INDEX)
        && !inode.has(flags::INLINE_DATA | flags::CASEFOLD)
        && !volume.changes.has_names(inode.number);
    if !indexed { None } else { search(volume, inode, name).ok().flatten() }
}

fn search(volume: &Volume, inode: &Inode, name: &[u8]) -> Result<Option<u32>, Fault> {
    let root = read(volume, inode, 0)?;
    let (version, levels) =
        (byte(&root, ROOT_INFO.saturating_add(4))?, byte(&root, ROOT_INFO.saturating_add(6))?);
    let unsigned = version == HALF_MD4_UNSIGNED || volume.superblock.unsigned_hash;
    if !matches!(version, HALF_MD4 | HALF_MD4_UNSIGNED) || levels > MAX_LEVELS {
        return Ok(None);
    }
    let wanted = half_md4(name, volume.superblock.hash_seed, unsigned);
    let info_length = usize::from(byte(&root, ROOT_INFO.saturating_add(5))?);
    let mut next = child(&root, ROOT_INFO.saturating_add(info_length), wanted)?;
    for _ in 0..levels {
        next = child(&read(volume, inode, next)?, NODE_ENTRIES, wanted)?;
    }
    let mut found = None;
    let leaf = read(volume, inode, next)?;
    let _ = directory::visit_checked(inode, next.into(), &leaf, &mut |number, other| {
        if other == name {
            found = Some(number);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn read(volume: &Volume, inode: &Inode, index: u32) -> Result<super::volume::Block, Fault> {
    let runs = map::runs(volume, inode, index.into())?;
    let first = runs.first().and_then(|run| run.first);
    volume.block(first.ok_or_else(|| Fault::damaged("a hole in a directory's index"))?)
}

/// The block of the last entry whose hash is not above `wanted`; the first has none.
fn child(node: &[u8], at: usize, wanted: u32) -> Result<u32, Fault> {
    let count = usize::from(le16(node, at.saturating_add(2))?);
    let entries = slice(node, at, count.saturating_mul(ENTRY_LENGTH))?;
    let (mut low, mut high) = (1, count);
    while low < high {
        let middle = low.midpoint(high);
        if le32(entries, middle.saturating_mul(ENTRY_LENGTH))? <= wanted {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    let entry = low.saturating_sub(1).saturating_mul(ENTRY_LENGTH);
    Ok(le32(entries, entry.saturating_add(4))? & BLOCK_MASK)
}

/// The hash of a name, its last bit 0: that marks collisions in the index.
fn half_md4(name: &[u8], seed: [u32; 4], unsigned: bool) -> u32 {
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    if seed != [0; 4] {
        state = seed;
    }
    let mut rest = name;
    while !rest.is_empty() {
        state = transform(state, words(rest, unsigned));
        rest = rest.get(32..).unwrap_or_default();
    }
    let hash = state[1] & !1;
    // The largest is the mark of the end.
    if hash == 0xffff_fffe { 0xffff_fffc } else { hash }
}

/// Up to 32 bytes as eight words, padded with the length.
fn words(bytes: &[u8], unsigned: bool) -> [u32; 8] {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let pad = length | length << 8;
    let pad = pad | pad << 16;
    let mut words = [pad; 8];
    for (word, part) in words.iter_mut().zip(bytes.chunks(4)) {
        *word = part.iter().fold(pad, |value, byte| {
            let byte = if unsigned {
                u32::from(*byte)
            } else {
                i32::from(byte.cast_signed()).cast_unsigned()
            };
            (value << 8).wrapping_add(byte)
        });
    }
    words
}

/// MD4 with its rounds cut to half.
fn transform(state: [u32; 4], input: [u32; 8]) -> [u32; 4] {
    type Mix = fn(u32, u32, u32) -> u32;
    let choose: Mix = |x, y, z| z ^ (x & (y ^ z));
    let majority: Mix = |x, y, z| (x & y).wrapping_add((x ^ y) & z);
    let parity: Mix = |x, y, z| x ^ y ^ z;
    let [i0, i1, i2, i3, i4, i5, i6, i7] = input;
    let rounds = [
        (choose, 0, [3, 7, 11, 19], [i0, i1, i2, i3, i4, i5, i6, i7]),
        (majority, 0x5a82_7999, [3, 5, 9, 13], [i1, i3, i5, i7, i0, i2, i4, i6]),
        (parity, 0x6ed9_eba1, [3, 9, 11, 15], [i3, i7, i2, i6, i1, i5, i0, i4]),
    ];
    let [mut a, mut b, mut c, mut d] = state;
    for (mix, constant, shifts, words) in rounds {
        for (word, shift) in words.into_iter().zip(shifts.into_iter().cycle()) {
            let sum = a.wrapping_add(mix(b, c, d)).wrapping_add(word).wrapping_add(constant);
            (a, b, c, d) = (d, sum.rotate_left(shift), b, c);
        }
    }
    let [e, f, g, h] = state;
    [e.wrapping_add(a), f.wrapping_add(b), g.wrapping_add(c), h.wrapping_add(d)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_debugfs() {
        let check = |name: &str, unsigned: bool, expected: u32| {
            assert_eq!(half_md4(name.as_bytes(), [0; 4], unsigned), expected, "{name}");
        };
        check("some-rather-long-name-that-is-over-thirty-two-bytes", false, 0x91ce_28de);
        check("grün", false, 0x095d_9284);
        check("grün", true, 0x1175_49e4);
    }

    #[test]
    fn children_are_found_by_their_hash() {
        let words = [0x0003_0008_u32, 11, 100, 12, 200, 13];
        let node: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let check = |wanted: u32, expected: u32| {
            assert_eq!(child(&node, 0, wanted).unwrap(), expected, "{wanted}");
        };
        check(0, 11);
        check(99, 11);
        check(100, 12);
        check(201, 13);
        assert!(child(&node[..20], 0, 1).is_err());
    }
}
