//! The journal (JBD2), replayed in memory: which blocks of the file system are newer in it.
//!
//! Follows `Documentation/filesystems/ext4/journal.rst` and `fs/jbd2/recovery.c`: transactions are
//! taken from the first that is not checkpointed up to the last whose commit block is whole; a
//! revoked block is not taken from the revoking transaction and those before it. Versions 1 to 3
//! of the checksums, 64-bit numbers and escaped blocks are read.
//!
//! Fast commits, which are small changes instead of blocks, are handed on as such. An external
//! journal that is needed and a damaged journal are not replayed; the tree is shown as it is without
//! them and the root's listing has the fault that says so.

mod fast_commit;
mod log;
mod transaction;

pub use fast_commit::{Event, Step};

use super::superblock::incompat;
use super::volume::{JournalBlock, Overlay, Volume};
use crate::model::Fault;
use log::Log;
use std::collections::HashMap;
use transaction::{Tag, Transaction};

/// What every block of the journal's own begins with, big endian.
pub const MAGIC: u32 = 0xc03b_3998;

/// As many damaged blocks are told one by one.
const MAX_FAULTS: usize = 100;

/// What the journal changes, and what of it could not be had.
#[derive(Debug, Default)]
pub struct Replay {
    /// Newer blocks.
    pub overlay: Overlay,
    /// What fast commits change after that.
    pub steps: Vec<Step>,
    /// What the tree lacks.
    pub faults: Vec<Fault>,
}

/// Replays the journal where the file system was not unmounted.
pub fn replay(volume: &Volume) -> Replay {
    let superblock = &volume.superblock;
    if !superblock.has_journal() || !superblock.has(incompat::RECOVER) {
        return Replay::default();
    }
    let outcome = if superblock.journal_inode == 0 {
        Err(Fault::unsupported("it lies on another device"))
    } else {
        replay_log(volume)
    };
    outcome.unwrap_or_else(|fault| Replay {
        overlay: Overlay::new(),
        steps: Vec::new(),
        faults: vec![fault.within(
            "the journal holds changes that could not be replayed, the tree is shown without them",
        )],
    })
}

fn replay_log(volume: &Volume) -> Result<Replay, Fault> {
    let log = Log::open(volume)?;
    if log.start == 0 {
        return Ok(Replay::default());
    }
    let scan = transaction::scan(&log)?;
    let mut replay = Replay::default();
    let revoked = revoked(&scan.transactions);
    let mut untold = 0_usize;
    for transaction in &scan.transactions {
        for tag in &transaction.tags {
            let newer = revoked
                .get(&tag.block)
                .is_none_or(|revoking| is_after(transaction.sequence, *revoking));
            if newer && let Err(fault) = apply(&log, transaction.sequence, tag, &mut replay.overlay)
            {
                if replay.faults.len() < MAX_FAULTS {
                    replay.faults.push(fault.within("journal"));
                } else {
                    untold = untold.saturating_add(1);
                }
            }
        }
    }
    if untold > 0 {
        replay.faults.push(Fault::damaged(format!("journal: {untold} more damaged blocks")));
    }
    replay.faults.extend(scan.fault.map(|fault| fault.within("journal")));
    let (steps, fault) = fast_commit::steps(&log, scan.next_sequence);
    replay.steps = steps;
    replay.faults.extend(fault.map(|fault| fault.within("the journal's fast commits")));
    Ok(replay)
}

/// The last transaction that revoked each block.
fn revoked(transactions: &[Transaction]) -> HashMap<u64, u32> {
    let of_one = |transaction: &Transaction| {
        let sequence = transaction.sequence;
        transaction.revoked.iter().map(|block| (*block, sequence)).collect::<Vec<_>>()
    };
    transactions.iter().flat_map(of_one).collect()
}

/// Whether sequence number `one` comes after `other`; they wrap.
const fn is_after(one: u32, other: u32) -> bool {
    one.wrapping_sub(other).cast_signed() > 0
}

fn apply(log: &Log<'_>, sequence: u32, tag: &Tag, overlay: &mut Overlay) -> Result<(), Fault> {
    let place = || format!("block {} in transaction {sequence}", tag.block);
    log.volume.check_blocks(tag.block, 1).map_err(|fault| fault.within(place()))?;
    let block = log.physical(tag.position)?;
    if let Some(expected) = tag.checksum {
        let bytes = log.read(tag.position)?;
        let computed = log.data_checksum(sequence, &bytes);
        if computed != expected {
            return Err(Fault::damaged(format!(
                "its checksum is {expected:#x}, its bytes have {computed:#x}"
            ))
            .within(place()));
        }
    }
    overlay.insert(tag.block, JournalBlock { block, escaped: tag.escaped });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_wrap() {
        assert!(is_after(2, 1) && !is_after(1, 1) && !is_after(1, 2));
        assert!(is_after(1, u32::MAX) && !is_after(u32::MAX, 1));
    }
}
