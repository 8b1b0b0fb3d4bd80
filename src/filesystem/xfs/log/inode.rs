//! An inode as the log has it, made into one as it lies on the device: the log's is in the order
//! of the machine that wrote it.
//!
//! Follows `xlog_recover_inode_commit_pass2` and `xfs_log_dinode_to_disk` in
//! `fs/xfs/xfs_inode_item_recover.c`.

use super::transaction::Item;
use crate::filesystem::bytes::{byte, le16, le32, le64, slice};
use crate::model::Fault;

/// `ilf_fields`: what follows the inode's own fields.
mod fields {
    pub const DATA: u32 = 0x2 | 0x4 | ROOT;
    pub const ROOT: u32 = 0x8;
    pub const DEVICE: u32 = 0x10;
    pub const ATTRIBUTES: u32 = 0x40 | 0x80 | ATTRIBUTES_ROOT;
    pub const ATTRIBUTES_ROOT: u32 = 0x100;
}
/// `di_flags2`.
const BIGTIME: u64 = 8;

/// Offsets and lengths of numbers up to `di_gen`. What version 2 has at 30 lies in eight bytes of
/// version 3.
const NUMBERS: [(usize, usize); 17] = [
    (0, 2),
    (2, 2),
    (6, 2),
    (8, 4),
    (12, 4),
    (16, 4),
    (20, 2),
    (22, 2),
    (56, 8),
    (64, 8),
    (72, 4),
    (76, 4),
    (80, 2),
    (84, 4),
    (88, 2),
    (90, 2),
    (92, 4),
];
/// Those of version 3 besides.
const NUMBERS_3: [(usize, usize); 6] = [(24, 8), (104, 8), (112, 8), (120, 8), (128, 4), (152, 8)];
const TIMES: [usize; 3] = [32, 40, 48];
/// When it was made, in version 3.
const MADE: usize = 144;
/// Bytes that are no numbers: version, format, offset and format of the attributes, padding, UUID.
const PLAIN: [(usize, usize); 2] = [(4, 2), (82, 2)];
const PLAIN_3: [(usize, usize); 2] = [(132, 12), (160, 16)];

/// Where an item's inode lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The buffer of inodes, in sectors.
    pub first: u64,
    /// Its length in sectors.
    pub length: u32,
    /// The inode in it, in bytes.
    pub offset: u64,
}

/// Reads where the inode lies.
pub fn place(item: &Item) -> Result<Place, Fault> {
    let format = region(item, 0)?;
    // On 32-bit machines there is no padding before the number.
    let at = if format.len() == 52 { 36 } else { 40 };
    Ok(Place {
        first: le64(format, at)?,
        length: le32(format, at.saturating_add(8))?,
        offset: le32(format, at.saturating_add(12))?.into(),
    })
}

/// Lays what the log has of an inode over its bytes.
pub fn apply(item: &Item, inode: &mut [u8]) -> Result<(), Fault> {
    let format = region(item, 0)?;
    let changed = le32(format, 4)?;
    let core = region(item, 1)?;
    let version = byte(core, 4)?;
    let begin: usize = if version == 3 { 176 } else { 100 };
    put_core(core, version, inode)?;
    let split = usize::from(byte(core, 82)?).saturating_mul(8);
    let end = if split == 0 { inode.len() } else { begin.saturating_add(split) };
    let mut next = 2;
    if changed & fields::DATA != 0 {
        let source = region(item, next)?;
        next = next.saturating_add(1);
        put_fork(source, changed & fields::ROOT != 0, version, room(inode, begin, end)?)?;
    }
    if changed & fields::DEVICE != 0 {
        let at = if format.len() == 52 { 20 } else { 24 };
        let number = le32(format, at)?.to_be_bytes();
        put_fork(&number, false, version, room(inode, begin, end)?)?;
    }
    if changed & fields::ATTRIBUTES != 0 {
        let source = region(item, next)?;
        let is_root = changed & fields::ATTRIBUTES_ROOT != 0;
        let length = inode.len();
        put_fork(source, is_root, version, room(inode, end, length)?)?;
    }
    Ok(())
}

fn region(item: &Item, index: usize) -> Result<&[u8], Fault> {
    let region = item.regions.get(index).map(Vec::as_slice);
    region.ok_or_else(|| Fault::damaged(format!("an item of the log without part {index}")))
}

fn room(inode: &mut [u8], from: usize, to: usize) -> Result<&mut [u8], Fault> {
    let length = inode.len();
    inode.get_mut(from..to).ok_or_else(|| {
        Fault::damaged(format!("a fork from {from} to {to} of an inode of {length} bytes"))
    })
}

fn put_core(core: &[u8], version: u8, inode: &mut [u8]) -> Result<(), Fault> {
    if le16(core, 0)? != 0x494e || !matches!(version, 1..=3) {
        return Err(Fault::damaged("no inode in an inode's item of the log"));
    }
    let is_3 = version == 3;
    let has_bigtime = is_3 && le64(core, 120)? & BIGTIME != 0;
    let mut turn = |at: usize, length: usize| copy(core, at, length, Order::Turned, inode);
    for (at, length) in NUMBERS {
        turn(at, length)?;
    }
    if is_3 {
        for (at, length) in NUMBERS_3 {
            turn(at, length)?;
        }
    } else {
        turn(30, 2)?;
    }
    for at in TIMES.into_iter().chain(is_3.then_some(MADE)) {
        // Seconds and nanoseconds, or one number.
        if has_bigtime {
            turn(at, 8)?;
        } else {
            turn(at, 4)?;
            turn(at.saturating_add(4), 4)?;
        }
    }
    let plain = PLAIN.into_iter().chain(PLAIN_3.into_iter().filter(|_| is_3));
    for (at, length) in plain {
        copy(core, at, length, Order::Kept, inode)?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Turned,
    Kept,
}

fn copy(
    core: &[u8],
    at: usize,
    length: usize,
    order: Order,
    inode: &mut [u8],
) -> Result<(), Fault> {
    let source = slice(core, at, length)?;
    let target = room(inode, at, at.saturating_add(length))?;
    target.copy_from_slice(source);
    if order == Order::Turned {
        target.reverse();
    }
    Ok(())
}

/// Writes a fork. The root of a tree has a longer header in memory, and its pointers lie elsewhere.
fn put_fork(source: &[u8], is_root: bool, version: u8, fork: &mut [u8]) -> Result<(), Fault> {
    let too_long = || Fault::damaged(format!("a fork of {} bytes in the log", source.len()));
    if !is_root {
        fork.get_mut(..source.len()).ok_or_else(too_long)?.copy_from_slice(source);
        return Ok(());
    }
    let header: usize = if version == 3 { 72 } else { 24 };
    let count = usize::from(u16::from_be_bytes([byte(source, 6)?, byte(source, 7)?]));
    let most = |length: usize, header: usize| length.saturating_sub(header) / 16;
    let (there, here) = (most(source.len(), header), most(fork.len(), 4));
    if count > there || count > here {
        return Err(too_long());
    }
    let length = count.saturating_mul(8);
    let keys = slice(source, header, length)?;
    let pointers = slice(source, header.saturating_add(there.saturating_mul(8)), length)?;
    let pointers_at = 4_usize.saturating_add(here.saturating_mul(8));
    for (at, bytes) in [(0, slice(source, 4, 4)?), (4, keys), (pointers_at, pointers)] {
        let end = at.saturating_add(bytes.len());
        fork.get_mut(at..end).ok_or_else(too_long)?.copy_from_slice(bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_turned() {
        let mut core: Vec<u8> = (0..176).collect();
        (core[0], core[1], core[4]) = (0x4e, 0x49, 3);
        core[120] = 0;
        let mut inode = vec![0xff; 512];
        put_core(&core, 3, &mut inode).unwrap();
        assert_eq!(inode[..12], [0x49, 0x4e, 3, 2, 3, 5, 7, 6, 11, 10, 9, 8]);
        // Two numbers where times are not one; neither the list of the deleted nor the checksum.
        assert_eq!(inode[32..40], [35, 34, 33, 32, 39, 38, 37, 36]);
        assert_eq!((&inode[96..104], inode[56]), (&[0xff; 8][..], 63));
        core[120] = 8;
        put_core(&core, 3, &mut inode).unwrap();
        assert_eq!(inode[32..40], [39, 38, 37, 36, 35, 34, 33, 32]);
        assert_eq!((inode[160], inode[82], inode[83]), (160, 82, 83));
        assert!(put_core(&core[..150], 3, &mut inode).is_err());
    }

    #[test]
    fn roots_of_trees_are_packed() {
        let mut root = vec![0; 72 + 4 * 16];
        (root[5], root[7]) = (1, 2);
        root[72..88].copy_from_slice(b"keykeykekeykeyke");
        root[72 + 4 * 8..][..16].copy_from_slice(b"pointerspointers");
        let mut fork = vec![b'.'; 4 + 3 * 16];
        put_fork(&root, true, 3, &mut fork).unwrap();
        let shown = fork.escape_ascii().to_string();
        assert_eq!(shown, "\\x00\\x01\\x00\\x02keykeykekeykeyke........pointerspointers........");
        root[7] = 4;
        assert!(put_fork(&root, true, 3, &mut fork).is_err());
    }
}
