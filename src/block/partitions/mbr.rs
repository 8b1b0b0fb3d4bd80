//! The partition table of PCs, with logical partitions.

use super::super::bytes::Fields;
use super::super::{BlockDevice, read_vec};
use super::{Partition, Table, TableKind};
use crate::model::Fault;

const SECTOR: u64 = 512;
const TABLE_AT: usize = 446;
/// Linux numbers no more; a chain of extended boot records that is longer is a loop.
const MAX_LOGICAL: u32 = 256;
/// Type of the entry that covers a disk with a GPT.
const PROTECTIVE: u8 = 0xee;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    kind: u8,
    start: u64,
    sectors: u64,
}

impl Slot {
    const fn is_extended(self) -> bool {
        matches!(self.kind, 0x05 | 0x0f | 0x85)
    }
}

/// The four entries of a boot record; `None` where it has no signature.
fn parse(sector: &[u8]) -> Result<Option<[Slot; 4]>, Fault> {
    let fields = Fields::new("boot record", sector);
    if fields.slice(510, 2)? != [0x55, 0xaa] {
        return Ok(None);
    }
    let slot = |number: usize| -> Result<Slot, Fault> {
        let entry = fields.slice(number.saturating_mul(16).saturating_add(TABLE_AT), 16)?;
        let entry = Fields::new("partition entry", entry);
        Ok(Slot {
            kind: entry.u8(4)?,
            start: u64::from(entry.u32_le(8)?),
            sectors: u64::from(entry.u32_le(12)?),
        })
    };
    Ok(Some([slot(0)?, slot(1)?, slot(2)?, slot(3)?]))
}

/// Whether the first sector looks like a partition table and not like the boot sector of a file
/// system: flags and types that make sense, and partitions that begin on the disk.
fn is_table(sector: &[u8], slots: &[Slot; 4], length: u64) -> bool {
    let flags_fit = (0..4_usize).all(|number| {
        let at = number.saturating_mul(16).saturating_add(TABLE_AT);
        matches!(sector.get(at), Some(0 | 0x80))
    });
    let mut used = slots.iter().filter(|slot| slot.kind != 0 && slot.sectors != 0);
    let starts_fit = used.clone().all(|slot| slot.start > 0);
    flags_fit && starts_fit && used.any(|slot| slot.start.saturating_mul(SECTOR) < length)
}

fn partition(number: u32, kind: u8, (start, sectors): (u64, u64), disk: u32) -> Partition {
    Partition {
        number,
        offset: start.saturating_mul(SECTOR),
        length: sectors.saturating_mul(SECTOR),
        kind: format!("{kind:#04x}"),
        uuid: Some(format!("{disk:08x}-{number:02x}")).filter(|_| disk != 0),
        name: None,
    }
}

/// Reads the table; `None` where there is none. A protective one is none either.
pub(super) fn read(device: &dyn BlockDevice) -> Result<Option<Table>, Fault> {
    let sector = match read_vec(device, 0, 512) {
        Ok(sector) => sector,
        Err(_) if device.length() < SECTOR => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let Some(slots) = parse(&sector)? else { return Ok(None) };
    if !is_table(&sector, &slots, device.length()) {
        return Ok(None);
    }
    let disk = Fields::new("boot record", &sector).u32_le(440)?;
    let mut found = Vec::new();
    let mut notes = Vec::new();
    for (slot, number) in slots.iter().zip(1_u32..) {
        if slot.kind == 0 || slot.sectors == 0 || slot.kind == PROTECTIVE {
            continue;
        }
        if slot.is_extended() {
            if let Err(fault) = logical(device, slot.start, disk, &mut found) {
                notes.push(format!("not all logical partitions could be read: {fault}"));
            }
        } else {
            found.push(partition(number, slot.kind, (slot.start, slot.sectors), disk));
        }
    }
    found.sort_by_key(|partition| partition.number);
    Ok(Some((TableKind::Mbr, found, notes)))
}

/// Walks the chain of extended boot records. The first entry of each is a partition relative to
/// the record, the second is the next record relative to the extended partition.
fn logical(
    device: &dyn BlockDevice,
    extended: u64,
    disk: u32,
    found: &mut Vec<Partition>,
) -> Result<(), Fault> {
    let mut at = extended;
    let mut number = 5_u32;
    let mut visited = Vec::new();
    loop {
        if visited.contains(&at) || number > MAX_LOGICAL {
            return Err(Fault::damaged("extended boot records that lead back to themselves"));
        }
        visited.push(at);
        let sector = read_vec(device, at.saturating_mul(SECTOR), 512)?;
        let Some([own, next, ..]) = parse(&sector)? else {
            return Err(Fault::damaged(format!("no extended boot record at sector {at}")));
        };
        if own.kind != 0 && own.sectors != 0 {
            let place = (at.saturating_add(own.start), own.sectors);
            found.push(partition(number, own.kind, place, disk));
            number = number.saturating_add(1);
        }
        if !next.is_extended() || next.sectors == 0 {
            return Ok(());
        }
        at = extended.saturating_add(next.start);
    }
}
