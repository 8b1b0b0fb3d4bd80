//! What the transactions of a log change, as sectors.
//!
//! Follows `xlog_recover_items_pass2`, `fs/xfs/xfs_buf_item_recover.c` and
//! `fs/xfs/xfs_inode_item_recover.c`: buffers first, then inodes; not the buffers that a later
//! transaction gave back, nor the inodes in them. The kernel leaves out what lies newer on the
//! device; all later changes of that are in the log too, so that the end is the same. Inodes that
//! were allocated and lists of deleted ones need nothing done: no directory names them.
//!
//! Changes in several transactions that were begun and not finished are finished by the kernel.
//! Those of free space and of counters of references do not show in a tree; those of a file's
//! extents and attributes are told.

use super::inode;
use super::patched::{SECTOR, Sectors};
use super::transaction::Item;
use crate::filesystem::bytes::{be16, le16, le32, le64, to_usize};
use crate::filesystem::xfs::volume::Volume;
use crate::model::{Fault, FaultKind};
use std::collections::{BTreeSet, HashMap};

/// Of a buffer (`XFS_MAX_BLOCKSIZE` for directories).
const MAX_BUFFER: u64 = 128;
/// Bytes for which one bit of a buffer's map stands.
const CHUNK: usize = 128;
/// Damaged items that are told one by one.
const MAX_FAULTS: usize = 100;
/// Of an inode.
const INODE_CRC: usize = 100;

/// `XFS_LI_*`.
mod kind {
    pub const INODE: u16 = 0x123b;
    pub const BUFFER: u16 = 0x123c;
    /// Begun and done: mappings of extents, attributes, exchanged ranges.
    pub const PAIRS: [(u16, u16, &str); 3] = [
        (0x1244, 0x1245, "a file's extents"),
        (0x1246, 0x1247, "a file's attributes"),
        (0x1248, 0x1249, "ranges that two files exchange"),
    ];
    /// Free space, lists of deleted inodes, quota, allocated inodes, reverse mappings, counters of
    /// references, and those of the realtime section.
    pub const UNSEEN: [u16; 17] = [
        0x1236, 0x1237, 0x1238, 0x123d, 0x123e, 0x123f, 0x1240, 0x1241, 0x1242, 0x1243, 0x124a,
        0x124b, 0x124c, 0x124d, 0x124e, 0x124f, 0x1250,
    ];
}

/// `blf_flags`.
mod flags {
    /// Inodes, of which only the lists of the deleted are logged.
    pub const INODES: u16 = 1;
    /// The buffer was given back.
    pub const CANCEL: u16 = 2;
    pub const QUOTA: u16 = 4 | 8 | 16;
}

/// What the log changes, and what of it could not be had.
#[derive(Debug, Default)]
pub struct Changes {
    pub sectors: Sectors,
    pub faults: Vec<Fault>,
}

/// Buffers that were given back: place and length, and how often.
type Cancelled = HashMap<(u64, u64), u32>;

/// Replays all transactions in their order.
pub fn replay(volume: &Volume, transactions: &[Vec<Item>]) -> Result<Changes, Fault> {
    let mut cancelled = Cancelled::new();
    for item in transactions.iter().flatten().filter(|item| is_cancel(item)) {
        let times = cancelled.entry(buffer_place(item)?).or_default();
        *times = times.saturating_add(1);
    }
    let mut run = Run { volume, cancelled, begun: BTreeSet::new(), changes: Changes::default() };
    for items in transactions {
        let is = |item: &&Item, wanted: u16| kind_of(item).is_ok_and(|kind| kind == wanted);
        let buffers = items.iter().filter(|item| is(item, kind::BUFFER));
        let (given_back, buffers): (Vec<_>, Vec<_>) = buffers.partition(|item| is_cancel(item));
        let others = items.iter().filter(|item| !is(item, kind::BUFFER));
        for item in buffers.into_iter().chain(others).chain(given_back) {
            if let Err(fault) = run.item(item) {
                if fault.kind == FaultKind::LimitExceeded {
                    return Err(fault);
                }
                if run.changes.faults.len() < MAX_FAULTS {
                    run.changes.faults.push(fault.within("a change in the log"));
                }
            }
        }
    }
    for (_, begun_as) in run.begun {
        let pair = kind::PAIRS.iter().find(|(begun, ..)| *begun == begun_as);
        let what = pair.map_or("something", |(.., what)| *what);
        run.changes.faults.push(Fault::unsupported(format!(
            "the log has a change of {what} that was begun and not finished; it is shown half done"
        )));
    }
    Ok(run.changes)
}

fn format_of(item: &Item) -> Result<&[u8], Fault> {
    item.regions.first().map(Vec::as_slice).ok_or_else(|| Fault::damaged("an item of nothing"))
}

fn kind_of(item: &Item) -> Result<u16, Fault> {
    le16(format_of(item)?, 0)
}

fn is_cancel(item: &Item) -> bool {
    kind_of(item).is_ok_and(|kind| kind == kind::BUFFER)
        && format_of(item).and_then(|f| le16(f, 4)).is_ok_and(|f| f & flags::CANCEL != 0)
}

/// First sector and number of sectors.
fn buffer_place(item: &Item) -> Result<(u64, u64), Fault> {
    let format = format_of(item)?;
    Ok((le64(format, 8)?, le16(format, 6)?.into()))
}

struct Run<'a> {
    volume: &'a Volume,
    cancelled: Cancelled,
    /// Number and kind of what was begun and is not done yet.
    begun: BTreeSet<(u64, u16)>,
    changes: Changes,
}

impl Run<'_> {
    fn item(&mut self, item: &Item) -> Result<(), Fault> {
        let found = kind_of(item)?;
        if found == kind::BUFFER {
            return self.buffer(item);
        }
        if found == kind::INODE {
            return self.inode(item);
        }
        for (begun, done, _) in kind::PAIRS {
            if found == begun {
                self.begun.insert((le64(format_of(item)?, 8)?, begun));
                return Ok(());
            }
            if found == done {
                self.begun.remove(&(le64(format_of(item)?, 8)?, begun));
                return Ok(());
            }
        }
        if kind::UNSEEN.contains(&found) {
            return Ok(());
        }
        Err(Fault::unsupported(format!("an item of the kind {found:#x}")))
    }

    /// What lies at a place as far as it was replayed.
    fn read(&self, (first, sectors): (u64, u64)) -> Result<Vec<u8>, Fault> {
        if sectors == 0 || sectors > MAX_BUFFER {
            return Err(Fault::damaged(format!("a buffer of {sectors} sectors")));
        }
        let offset = first.saturating_mul(SECTOR as u64);
        let mut bytes = vec![0; to_usize(sectors)?.saturating_mul(SECTOR)];
        self.volume.read_bytes(offset, &mut bytes)?;
        self.changes.sectors.lay_over(offset, &mut bytes);
        Ok(bytes)
    }

    fn buffer(&mut self, item: &Item) -> Result<(), Fault> {
        let place = buffer_place(item)?;
        let format = format_of(item)?;
        let flags = le16(format, 4)?;
        if flags & flags::CANCEL != 0 {
            if let Some(times) = self.cancelled.get_mut(&place) {
                *times = times.saturating_sub(1);
            }
            self.cancelled.retain(|_, times| *times > 0);
            return Ok(());
        }
        if flags & (flags::INODES | flags::QUOTA) != 0 || self.cancelled.contains_key(&place) {
            return Ok(());
        }
        let mut bytes = self.read(place)?;
        let words = to_usize(le32(format, 16)?)?;
        let map = format.get(20..).unwrap_or_default();
        let (words, _) = map.get(..words.saturating_mul(4)).unwrap_or(map).as_chunks::<4>();
        let bits = words.iter().flat_map(|word| {
            let word = u32::from_le_bytes(*word);
            (0..32_u32).map(move |bit| word & (1 << bit) != 0)
        });
        let bits: Vec<bool> = bits.collect();
        let mut at = 0_usize;
        for region in item.regions.iter().skip(1) {
            let rest = bits.get(at..).unwrap_or_default();
            let Some(skipped) = rest.iter().position(|bit| *bit) else {
                return Err(Fault::damaged("a buffer's item with more parts than bits"));
            };
            let first = at.saturating_add(skipped);
            let run = bits.iter().skip(first).take_while(|bit| **bit).count();
            // A run may be logged in parts.
            let run = run.min(region.len() / CHUNK);
            let (start, length) = (first.saturating_mul(CHUNK), run.saturating_mul(CHUNK));
            let target = bytes.get_mut(start..start.saturating_add(length));
            match (target, region.get(..length)) {
                (Some(target), Some(source)) if run > 0 => target.copy_from_slice(source),
                _ => return Err(Fault::damaged("a part of a buffer that lies behind its end")),
            }
            at = first.saturating_add(run);
        }
        if self.volume.superblock.has_checksums
            && let Some(crc) = crc_of(&bytes)
        {
            seal(&mut bytes, crc);
        }
        self.changes.sectors.put(place.0, &bytes)
    }

    fn inode(&mut self, item: &Item) -> Result<(), Fault> {
        let place = inode::place(item)?;
        let buffer = (place.first, u64::from(place.length));
        if self.cancelled.contains_key(&buffer) {
            return Ok(());
        }
        let mut bytes = self.read(buffer)?;
        let start = to_usize(place.offset)?;
        let end = start.saturating_add(self.volume.superblock.inode_size.into());
        let own = bytes.get_mut(start..end);
        let own = own.ok_or_else(|| Fault::damaged("an inode behind the end of its buffer"))?;
        inode::apply(item, own)?;
        if self.volume.superblock.has_checksums {
            seal(own, INODE_CRC);
        }
        self.changes.sectors.put(place.first, &bytes)
    }
}

/// Where a block that the tree is read from has its checksum; the kernel computes it when it
/// writes the block.
fn crc_of(bytes: &[u8]) -> Option<usize> {
    let magic = bytes.first_chunk::<4>()?;
    match magic {
        b"XFSB" => Some(224),
        b"BMA3" => Some(64),
        b"XSLM" | b"XARM" => Some(12),
        b"XDB3" | b"XDD3" | b"XDF3" => Some(4),
        _ => match be16(bytes, 8).ok()? {
            0x3bee | 0x3ebe | 0x3df1 | 0x3dff => Some(12),
            _ => None,
        },
    }
}

fn seal(bytes: &mut [u8], at: usize) {
    let end = at.saturating_add(4);
    if let Some(own) = bytes.get_mut(at..end) {
        own.fill(0);
    }
    let sum = crc32c::crc32c(bytes);
    if let Some(own) = bytes.get_mut(at..end) {
        own.copy_from_slice(&sum.to_le_bytes());
    }
}
