//! A file with some of its sectors replaced in memory.

use super::super::{BlockDevice, check_range};
use super::log::{LogEntry, SECTOR, Write};
use crate::model::Fault;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Replaced sectors that are held: 64 MiB of them, more than a log can fill.
const MAX_SECTORS: usize = 16_384;
const SECTOR_LENGTH: u64 = SECTOR as u64;

/// A device on which the log's writes have been done.
#[derive(Debug)]
struct Patched {
    file: Arc<dyn BlockDevice>,
    /// By the sector's number; `None` is a sector of zeros.
    sectors: BTreeMap<u64, Option<Box<[u8]>>>,
    length: u64,
}

/// Does the writes in memory.
pub(super) fn replay(
    file: Arc<dyn BlockDevice>,
    entries: &[LogEntry],
) -> Result<Arc<dyn BlockDevice>, Fault> {
    let mut sectors = BTreeMap::new();
    let mut length = file.length();
    for entry in entries {
        if entry.flushed_length > file.length() {
            return Err(Fault::damaged(format!(
                "VHDX: {} bytes of {} that its log speaks of",
                file.length(),
                entry.flushed_length
            )));
        }
        for write in &entry.writes {
            let (offset, count) = match write {
                Write::Data { offset, .. } => (*offset, SECTOR_LENGTH),
                Write::Zeros { offset, length } => (*offset, *length),
            };
            let end = offset.checked_add(count).filter(|_| {
                offset.is_multiple_of(SECTOR_LENGTH) && count.is_multiple_of(SECTOR_LENGTH)
            });
            let end = end.ok_or_else(|| {
                Fault::damaged(format!("VHDX log: a write of {count} bytes at {offset}"))
            })?;
            for number in offset / SECTOR_LENGTH..end / SECTOR_LENGTH {
                let bytes = match write {
                    Write::Data { bytes, .. } => Some(bytes.clone()),
                    Write::Zeros { .. } => None,
                };
                sectors.insert(number, bytes);
                if sectors.len() > MAX_SECTORS {
                    return Err(Fault::limit("a VHDX log that writes more than 64 MiB"));
                }
            }
            length = length.max(end);
        }
    }
    Ok(Arc::new(Patched { file, sectors, length }))
}

impl BlockDevice for Patched {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        check_range(self.length, offset, buffer.len())?;
        let end = offset.saturating_add(buffer.len() as u64);
        let from_file = usize::try_from(self.file.length().saturating_sub(offset));
        let from_file = from_file.unwrap_or(usize::MAX).min(buffer.len());
        let (in_file, beyond) = buffer.split_at_mut(from_file);
        if !in_file.is_empty() {
            self.file.read_at(offset, in_file)?;
        }
        beyond.fill(0);
        for (number, bytes) in
            self.sectors.range(offset / SECTOR_LENGTH..end.div_ceil(SECTOR_LENGTH))
        {
            let start = number.saturating_mul(SECTOR_LENGTH);
            let (from, to) = (start.max(offset), start.saturating_add(SECTOR_LENGTH).min(end));
            let index = |at: u64, base: u64| usize::try_from(at.saturating_sub(base)).unwrap_or(0);
            let Some(target) = buffer.get_mut(index(from, offset)..index(to, offset)) else {
                continue;
            };
            let source = bytes.as_deref().and_then(|b| b.get(index(from, start)..index(to, start)));
            match source {
                Some(source) => target.copy_from_slice(source),
                None => target.fill(0),
            }
        }
        Ok(())
    }
}
