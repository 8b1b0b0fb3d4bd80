//! Where a cluster of a qcow2 image lies: L1 table, L2 tables, subclusters, compressed clusters.

use super::super::beside::Caches;
use super::super::inflate::Inflater;
use super::super::mapped::{Extent, Mapped, Place};
use super::super::{BlockDevice, read_vec};
use crate::model::Fault;
use std::sync::Arc;

/// Host offset in an L1 entry and in an L2 entry of a standard cluster.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
const READS_ZEROS: u64 = 1;
/// Subclusters in a cluster with an extended L2 entry.
const SUBCLUSTERS: u64 = 32;
/// Which of [`Mapped::store`] has the data.
const DATA: usize = 0;

/// Big-endian words.
pub(super) fn entries(bytes: &[u8]) -> Vec<u64> {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().map(|word| u64::from_be_bytes(*word)).collect()
}

/// One image of a chain.
#[derive(Debug)]
pub(super) struct Qcow2 {
    pub(super) layer: u32,
    pub(super) caches: Arc<Caches>,
    pub(super) inflater: Inflater,
    /// 9 to 21.
    pub(super) cluster_bits: u32,
    pub(super) extended: bool,
    pub(super) size: u64,
    pub(super) l1: Vec<u64>,
    pub(super) file: Arc<dyn BlockDevice>,
    pub(super) data: Option<Arc<dyn BlockDevice>>,
    pub(super) parent: Option<Arc<dyn BlockDevice>>,
}

impl Qcow2 {
    const fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Clusters that one L2 table maps: it is as large as a cluster, its entries 8 or 16 bytes.
    const fn l2_bits(&self) -> u32 {
        self.cluster_bits.saturating_sub(if self.extended { 4 } else { 3 })
    }

    /// Refuses an L1 table that is too short for the disk.
    pub(super) fn check_size(&self) -> Result<(), Fault> {
        let bits = self.cluster_bits.saturating_add(self.l2_bits());
        let needed = (self.size >> bits).saturating_add(1);
        let exact = self.size.trailing_zeros() >= bits;
        let needed = if exact { needed.saturating_sub(1) } else { needed };
        if needed > self.l1.len() as u64 {
            return Err(Fault::damaged(format!(
                "an L1 table of {} entries for {} bytes, which need {needed}",
                self.l1.len(),
                self.size
            )));
        }
        Ok(())
    }

    fn l2_table(&self, offset: u64) -> Result<Arc<[u64]>, Fault> {
        let key = (self.layer, offset);
        if let Some(table) = self.caches.tables.get(key) {
            return Ok(table);
        }
        let size = usize::try_from(self.cluster_size()).unwrap_or(0);
        let bytes =
            read_vec(self.file.as_ref(), offset, size).map_err(|fault| fault.within("L2 table"))?;
        let table: Arc<[u64]> = Arc::from(entries(&bytes));
        self.caches.tables.put(key, &table, size);
        Ok(table)
    }

    /// Where byte `within` of cluster `index` of a table lies.
    fn place(&self, table: &[u64], index: usize, within: u64) -> Result<Extent, Fault> {
        let first = if self.extended { index.saturating_mul(2) } else { index };
        let lost = || Fault::damaged(format!("no entry {index} in an L2 table"));
        let entry = *table.get(first).ok_or_else(lost)?;
        let length = self.cluster_size().saturating_sub(within);
        if entry & COMPRESSED != 0 {
            let skip = usize::try_from(within).unwrap_or(usize::MAX);
            return Ok(Extent { place: Place::Packed { key: entry & !COPIED, skip }, length });
        }
        let host = entry & OFFSET_MASK;
        // In a file of its own the data may well begin at offset 0.
        let allocated = host != 0 || (self.data.is_some() && entry & COPIED != 0);
        let stored = Place::Stored { store: DATA, offset: host.saturating_add(within) };
        if self.extended {
            let bitmap = *table.get(first.saturating_add(1)).ok_or_else(lost)?;
            return Ok(self.subcluster(bitmap, allocated, stored, within));
        }
        let place = match (entry & READS_ZEROS != 0, allocated) {
            (true, _) => Place::Zeros,
            (false, true) => stored,
            (false, false) => Place::Parent,
        };
        Ok(Extent { place, length })
    }

    /// The lower half of the bitmap says which subclusters are allocated, the upper half which
    /// read as zeros.
    fn subcluster(&self, bitmap: u64, allocated: bool, stored: Place, within: u64) -> Extent {
        let size = self.cluster_size() / SUBCLUSTERS;
        let number = within.checked_div(size).unwrap_or(0);
        let is_set =
            |bit: u64| bitmap.checked_shr(u32::try_from(bit).unwrap_or(64)).unwrap_or(0) & 1 == 1;
        let place = if is_set(number.saturating_add(SUBCLUSTERS)) {
            Place::Zeros
        } else if is_set(number) && allocated {
            stored
        } else {
            Place::Parent
        };
        let end = number.saturating_add(1).saturating_mul(size);
        Extent { place, length: end.saturating_sub(within) }
    }

    /// Offset and length of a compressed cluster: the lower bits of the entry, with the number of
    /// further sectors above them.
    fn packed_range(&self, entry: u64) -> (u64, u64) {
        let offset_bits = 70_u32.saturating_sub(self.cluster_bits);
        let offset = entry & (1_u64 << offset_bits).saturating_sub(1);
        let sectors = ((entry & !COMPRESSED) >> offset_bits).saturating_add(1);
        (offset, sectors.saturating_mul(512).saturating_sub(offset & 511))
    }
}

impl Mapped for Qcow2 {
    fn length(&self) -> u64 {
        self.size
    }

    fn locate(&self, offset: u64, want: u64) -> Result<Extent, Fault> {
        let l2_bits = self.l2_bits();
        let span_bits = self.cluster_bits.saturating_add(l2_bits);
        let span = 1_u64 << span_bits;
        let l1_index = usize::try_from(offset >> span_bits).unwrap_or(usize::MAX);
        let l1_entry = *self
            .l1
            .get(l1_index)
            .ok_or_else(|| Fault::damaged(format!("no entry {l1_index} in the L1 table")))?;
        let span_left = span.saturating_sub(offset & span.saturating_sub(1));
        let table_offset = l1_entry & OFFSET_MASK;
        if table_offset == 0 {
            return Ok(Extent { place: Place::Parent, length: span_left });
        }
        let table = self.l2_table(table_offset)?;
        let in_span = offset & span.saturating_sub(1);
        let mut index = usize::try_from(in_span >> self.cluster_bits).unwrap_or(usize::MAX);
        let within = in_span & self.cluster_size().saturating_sub(1);
        let mut extent = self.place(&table, index, within)?;
        let mut at = in_span.saturating_add(extent.length);
        // What is nowhere is followed to the end of the table, what is stored only as far as wanted.
        while at < span
            && (extent.length < want || !matches!(extent.place, Place::Stored { .. }))
            && !matches!(extent.place, Place::Packed { .. })
        {
            index = usize::try_from(at >> self.cluster_bits).unwrap_or(usize::MAX);
            let within = at & self.cluster_size().saturating_sub(1);
            let next = self.place(&table, index, within)?;
            if !extent.join(next) {
                break;
            }
            at = at.saturating_add(next.length);
        }
        Ok(extent)
    }

    fn store(&self, index: usize) -> Option<&dyn BlockDevice> {
        (index == DATA).then(|| self.data.as_ref().unwrap_or(&self.file).as_ref())
    }

    fn parent(&self) -> Option<&dyn BlockDevice> {
        self.parent.as_deref()
    }

    fn read_packed(&self, key: u64, skip: usize, buffer: &mut [u8]) -> Result<(), Fault> {
        let size = usize::try_from(self.cluster_size()).unwrap_or(0);
        let (offset, length) = self.packed_range(key);
        let load = || {
            // The last cluster of a file may end before its last sector does.
            let there = self.file.length().saturating_sub(offset).min(length);
            read_vec(self.file.as_ref(), offset, usize::try_from(there).unwrap_or(0))
        };
        self.inflater
            .read(&self.caches.clusters, (self.layer, key), size, (skip, buffer), load)
            .map_err(|fault| fault.within(format!("cluster at {offset}")))
    }
}
