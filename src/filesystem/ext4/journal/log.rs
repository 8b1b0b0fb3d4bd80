//! The journal's superblock, and its blocks by their place in the log.

use super::MAGIC;
use crate::filesystem::bytes::{array, be32, byte, slice};
use crate::filesystem::ext4::checksum::crc32c;
use crate::filesystem::ext4::map;
use crate::filesystem::ext4::volume::Volume;
use crate::filesystem::runs::Run;
use crate::model::Fault;

/// `s_feature_compat`: whole transactions have a CRC-32.
const COMPAT_CHECKSUM: u32 = 0x1;
const BITS_64: u32 = 0x2;
const ASYNC_COMMIT: u32 = 0x4;
const CSUM_V2: u32 = 0x8;
const CSUM_V3: u32 = 0x10;
const FAST_COMMIT: u32 = 0x20;
/// Revokes, and all above.
const KNOWN: u32 = 0x1 | BITS_64 | ASYNC_COMMIT | CSUM_V2 | CSUM_V3 | FAST_COMMIT;

const SUPERBLOCK_V1: u32 = 3;
const SUPERBLOCK_V2: u32 = 4;
const SUPERBLOCK_LENGTH: usize = 1024;
/// What a journal without a number for it keeps for fast commits.
const DEFAULT_FAST_COMMIT_BLOCKS: u32 = 256;
/// `mke2fs` makes none above 10 million blocks, and of more than 1 GiB only when told to. The
/// list of what is newer is kept in memory.
const MAX_BLOCKS: u32 = 2 << 20;

/// Which checksums blocks of the journal have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// None at all.
    None,
    /// CRC-32 of a transaction's descriptors and data, in its commit block.
    Version1,
    /// CRC-32C of each block, of data the low half.
    Version2,
    /// CRC-32C of each block.
    Version3,
}

/// The log of a volume.
pub struct Log<'a> {
    /// Where it lies.
    pub volume: &'a Volume,
    /// Its own blocks: runs with the block of the journal that each begins with.
    runs: Vec<(u64, Run)>,
    /// The first block of the log.
    first: u32,
    /// Behind its last block: here it goes on at the first.
    end: u32,
    /// Behind the fast commits, which lie from `end` on.
    pub fast_end: u32,
    /// The first transaction to be replayed.
    pub sequence: u32,
    /// Where that begins; 0 where there is nothing to replay.
    pub start: u32,
    /// See [`Checksums`].
    pub checksums: Checksums,
    /// Whether a damaged commit is an older one that was overwritten in part.
    pub async_commit: bool,
    /// Whether block numbers have 64 bits.
    pub is_64_bit: bool,
    /// Whether there may be fast commits.
    pub has_fast_commits: bool,
    seed: u32,
}

impl<'a> Log<'a> {
    /// Reads and checks the journal's superblock.
    pub fn open(volume: &'a Volume) -> Result<Self, Fault> {
        let inode = volume.inode(volume.superblock.journal_inode.into())?;
        let block_size = u64::from(volume.superblock.block_size);
        let blocks = inode.size.checked_div(block_size).unwrap_or(0).min(MAX_BLOCKS.into());
        let mut runs = Vec::new();
        let mut at = 0;
        let mut mapped = 0_u64;
        while at < blocks {
            for run in map::runs(volume, &inode, at)? {
                runs.push((at, run));
                at = at.saturating_add(run.blocks);
                mapped = mapped.saturating_add(run.first.map_or(0, |_| run.blocks));
            }
            // Its blocks are its own, and are all read.
            if mapped.saturating_mul(block_size) > volume.capacity() {
                return Err(Fault::damaged("it has more blocks than the file system"));
            }
        }
        let head = runs.first().and_then(|(_, run)| run.first);
        let head = head.ok_or_else(|| Fault::damaged("it begins with a hole"))?;
        let bytes = volume.block(head)?;
        let mut log = parse(volume, slice(&bytes, 0, SUPERBLOCK_LENGTH)?)?;
        if u64::from(log.fast_end) > inode.size.checked_div(block_size).unwrap_or(0) {
            return Err(Fault::damaged("its superblock says more blocks than its inode has"));
        }
        log.runs = runs;
        Ok(log)
    }

    /// The place after `position`.
    pub fn next(&self, position: u32) -> u32 {
        let next = position.saturating_add(1);
        if next >= self.end { self.first } else { next }
    }

    /// How many blocks the log has room for.
    pub const fn capacity(&self) -> u32 {
        self.end.saturating_sub(self.first)
    }

    /// Places of fast commits, in their order; the one between them and the log is not used.
    pub fn fast_positions(&self) -> std::ops::Range<u32> {
        self.end.saturating_add(1)..self.fast_end
    }

    /// Where on the device a block of the journal lies.
    pub fn physical(&self, position: u32) -> Result<u64, Fault> {
        let wanted = u64::from(position);
        let next = self.runs.partition_point(|(start, _)| *start <= wanted);
        let found = next.checked_sub(1).and_then(|index| self.runs.get(index));
        let (start, run) =
            found.ok_or_else(|| Fault::damaged(format!("block {position} of the journal")))?;
        let skipped = wanted.saturating_sub(*start);
        let first = run.first.filter(|_| skipped < run.blocks);
        first
            .map(|first| first.saturating_add(skipped))
            .ok_or_else(|| Fault::damaged(format!("a hole in the journal at {position}")))
    }

    /// A block of the journal.
    pub fn read(&self, position: u32) -> Result<Vec<u8>, Fault> {
        let block = self.physical(position)?;
        self.volume.check_blocks(block, 1)?;
        let mut bytes = vec![0; self.volume.superblock.block_length()];
        let size = u64::from(self.volume.superblock.block_size);
        self.volume.read_bytes(block.saturating_mul(size), &mut bytes)?;
        Ok(bytes)
    }

    /// Whether the checksum at `at` of a block of the journal's own is right; yes where there is
    /// none.
    pub fn verifies(&self, block: &[u8], at: usize) -> bool {
        if !matches!(self.checksums, Checksums::Version2 | Checksums::Version3) {
            return true;
        }
        let (Ok(before), Ok(stored)) = (slice(block, 0, at), be32(block, at)) else {
            return false;
        };
        let computed = crc32c(crc32c(self.seed, before), &[0; 4]);
        let after = block.get(at.saturating_add(4)..).unwrap_or_default();
        crc32c(computed, after) == stored
    }

    /// The checksum of a block of data, as a tag has it.
    pub fn data_checksum(&self, sequence: u32, bytes: &[u8]) -> u32 {
        let computed = crc32c(crc32c(self.seed, &sequence.to_be_bytes()), bytes);
        if self.checksums == Checksums::Version2 { computed & 0xffff } else { computed }
    }
}

fn parse<'a>(volume: &'a Volume, bytes: &[u8]) -> Result<Log<'a>, Fault> {
    let (magic, kind) = (be32(bytes, 0)?, be32(bytes, 4)?);
    if magic != MAGIC || !matches!(kind, SUPERBLOCK_V1 | SUPERBLOCK_V2) {
        return Err(Fault::damaged("its superblock has no magic number"));
    }
    let feature = |at| if kind == SUPERBLOCK_V1 { Ok(0) } else { be32(bytes, at) };
    let (compat, incompat) = (feature(0x24)?, feature(0x28)?);
    if incompat & !KNOWN != 0 {
        return Err(Fault::unsupported(format!("journal features {:#x}", incompat & !KNOWN)));
    }
    let block_size = be32(bytes, 0xc)?;
    if block_size != volume.superblock.block_size {
        return Err(Fault::damaged(format!("it has blocks of {block_size} bytes")));
    }
    let checksums = match (incompat & CSUM_V3 != 0, incompat & CSUM_V2 != 0) {
        (true, true) => return Err(Fault::damaged("it has checksums of two versions")),
        (true, false) => Checksums::Version3,
        (false, true) => Checksums::Version2,
        (false, false) if compat & COMPAT_CHECKSUM != 0 => Checksums::Version1,
        (false, false) => Checksums::None,
    };
    let uuid: [u8; 16] = array(bytes, 0x30)?;
    let fast_end = be32(bytes, 0x10)?;
    if fast_end > MAX_BLOCKS {
        return Err(Fault::limit(format!("{fast_end} blocks, more than {MAX_BLOCKS}")));
    }
    let has_fast_commits = incompat & FAST_COMMIT != 0;
    let fast_blocks = match (has_fast_commits, be32(bytes, 0x54)?) {
        (false, _) => 0,
        (true, 0) => DEFAULT_FAST_COMMIT_BLOCKS,
        (true, count) => count,
    };
    let log = Log {
        volume,
        runs: Vec::new(),
        first: be32(bytes, 0x14)?,
        end: fast_end.saturating_sub(fast_blocks),
        fast_end,
        sequence: be32(bytes, 0x18)?,
        start: be32(bytes, 0x1c)?,
        checksums,
        async_commit: incompat & ASYNC_COMMIT != 0,
        is_64_bit: incompat & BITS_64 != 0,
        has_fast_commits,
        seed: crc32c(u32::MAX, &uuid),
    };
    if matches!(checksums, Checksums::Version2 | Checksums::Version3) {
        verify_superblock(bytes)?;
    }
    let inside = log.start == 0 || (log.first..log.end).contains(&log.start);
    if log.first == 0 || log.first >= log.end || !inside {
        return Err(Fault::damaged(format!(
            "it begins at {} of {} to {}",
            log.start, log.first, log.end
        )));
    }
    Ok(log)
}

fn verify_superblock(bytes: &[u8]) -> Result<(), Fault> {
    const AT: usize = 0xfc;
    // 4 is CRC-32C.
    let kind = byte(bytes, 0x50)?;
    let computed = crc32c(crc32c(u32::MAX, slice(bytes, 0, AT)?), &[0; 4]);
    let computed = crc32c(computed, bytes.get(AT + 4..).unwrap_or_default());
    let stored = be32(bytes, AT)?;
    if kind == 4 && computed == stored {
        return Ok(());
    }
    Err(Fault::damaged(format!(
        "its superblock's checksum of type {kind} is {stored:#x}, its bytes have {computed:#x}"
    )))
}
