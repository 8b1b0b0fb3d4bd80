//! The bytes of files that are runs of whole blocks: reading them, and skipping their holes.

use super::bytes::to_usize;
use crate::model::Fault;
use std::ops::Range;

/// Consecutive blocks of a file that lie together or are a hole together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first block on the device; `None` for a hole and for what was never written.
    pub first: Option<u64>,
    /// How many, at least one.
    pub blocks: u64,
}

impl Run {
    /// A hole.
    pub const fn hole(blocks: u64) -> Self {
        Self { first: None, blocks }
    }
}

/// A file's blocks and the device that they lie on.
pub(super) trait Blocks {
    /// Bytes of a block.
    fn block_size(&self) -> u64;

    /// Consecutive runs from a block of the file on: as many as are known together, at least one.
    /// The last may reach beyond the end of the file.
    fn runs(&self, from: u64) -> Result<Vec<Run>, Fault>;

    /// Fills the buffer from a byte of the device on.
    fn read_bytes(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault>;
}

/// Fills the buffer from a byte of the file on; the caller has clipped it to the file's size.
pub(super) fn read(file: &impl Blocks, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        done = done.saturating_add(read_some(file, offset.saturating_add(done as u64), rest)?);
    }
    Ok(())
}

/// Reads what is known together, at least one byte.
fn read_some(file: &impl Blocks, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
    let size = file.block_size();
    let block = offset.checked_div(size).unwrap_or(0);
    // Only the first run is entered in its middle.
    let mut skip = offset.checked_rem(size).unwrap_or(0);
    let mut rest: &mut [u8] = buffer;
    let mut done = 0_usize;
    for run in file.runs(block)? {
        let bytes = run.blocks.saturating_mul(size).saturating_sub(skip);
        let length = usize::try_from(bytes).unwrap_or(usize::MAX).min(rest.len());
        let (part, after) = rest.split_at_mut_checked(length).unwrap_or_default();
        match run.first {
            Some(first) => {
                file.read_bytes(first.saturating_mul(size).saturating_add(skip), part)?;
            }
            None => part.fill(0),
        }
        done = done.saturating_add(length);
        skip = 0;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    if done == 0 {
        return Err(Fault::damaged("a map of blocks that leads nowhere"));
    }
    Ok(done)
}

/// The next range of a file of `length` bytes, at or after `offset`, that has blocks of its own.
pub(super) fn next_data(
    file: &impl Blocks,
    length: u64,
    offset: u64,
) -> Result<Option<Range<u64>>, Fault> {
    if offset >= length {
        return Ok(None);
    }
    let size = file.block_size();
    let clip = |blocks: &Range<u64>| {
        let start = blocks.start.saturating_mul(size).max(offset);
        start..blocks.end.saturating_mul(size).min(length).max(start)
    };
    let mut at = offset.checked_div(size).unwrap_or(0);
    let end = length.div_ceil(size);
    let mut found: Option<Range<u64>> = None;
    while at < end {
        for run in file.runs(at)? {
            let next = at.saturating_add(run.blocks);
            match (&mut found, run.first) {
                (None, Some(_)) => found = Some(at..next),
                (Some(range), Some(_)) => range.end = next,
                (Some(range), None) => return Ok(Some(clip(range)).filter(|r| !r.is_empty())),
                (None, None) => {}
            }
            at = next;
        }
        // What is known together is enough: the caller asks again where it ends.
        if found.is_some() {
            break;
        }
    }
    Ok(found.map(|range| clip(&range)).filter(|range| !range.is_empty()))
}

/// A file's blocks are its own: a map of more of them than `limit` bytes names one block many
/// times, and would be read for days.
pub(super) fn check_mapped(file: &impl Blocks, length: u64, limit: u64) -> Result<(), Fault> {
    if length <= limit {
        return Ok(());
    }
    let mut mapped = 0_u64;
    let mut at = 0;
    while let Some(range) = next_data(file, length, at)? {
        mapped = mapped.saturating_add(range.end.saturating_sub(range.start));
        if mapped > limit {
            return Err(Fault::damaged("more blocks than the file system has"));
        }
        at = range.end;
    }
    Ok(())
}

/// How much of a buffer a file of `length` bytes fills from `offset` on.
pub(super) fn clipped(length: u64, offset: u64, buffer: &mut [u8]) -> &mut [u8] {
    let rest = length.saturating_sub(offset);
    let count = to_usize(rest).unwrap_or(usize::MAX).min(buffer.len());
    buffer.get_mut(..count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of 4 bytes: two from block 10 on, a hole of one, one from block 20 on, a hole.
    struct Small;

    impl Blocks for Small {
        fn block_size(&self) -> u64 {
            4
        }

        fn runs(&self, from: u64) -> Result<Vec<Run>, Fault> {
            let known = |first, blocks| Run { first: Some(first), blocks };
            Ok(match from {
                0 => vec![known(10, 2)],
                1 => vec![known(11, 1)],
                2 => vec![Run::hole(1), known(20, 1), Run::hole(100)],
                3 => vec![known(20, 1), Run::hole(100)],
                _ => vec![Run::hole(100)],
            })
        }

        fn read_bytes(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
            for (byte, value) in buffer.iter_mut().zip(offset..) {
                *byte = u8::try_from(value).unwrap();
            }
            Ok(())
        }
    }

    #[test]
    fn bytes_come_from_runs_and_holes() {
        let mut bytes = [9; 14];
        read(&Small, 3, &mut bytes).unwrap();
        assert_eq!(bytes, [43, 44, 45, 46, 47, 0, 0, 0, 0, 80, 81, 82, 83, 0]);
    }

    #[test]
    fn holes_are_skipped() {
        let check = |length: u64, offset: u64, expected: Option<Range<u64>>| {
            assert_eq!(next_data(&Small, length, offset).unwrap(), expected, "{length} {offset}");
        };
        check(1000, 0, Some(0..8));
        check(1000, 5, Some(5..8));
        check(1000, 8, Some(12..16));
        check(14, 8, Some(12..14));
        check(1000, 16, None);
        check(8, 8, None);
        assert!(check_mapped(&Small, 1000, 12).is_ok());
        assert!(check_mapped(&Small, 1000, 11).is_err());
    }
}
