//! Partition tables: GPT, MBR with logical partitions, or none.
//!
//! What is damaged in one table entry is a fault of that partition only. The backup of a GPT is
//! used where the first is damaged.

mod gpt;
mod mbr;

use super::BlockDevice;
use crate::model::Fault;

/// Sizes of sectors that disks have.
const SECTOR_SIZES: [u64; 2] = [512, 4096];

/// Which table a disk has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// None: a file system or a physical volume lies directly on the device.
    None,
    /// GUID partition table.
    Gpt,
    /// DOS partition table.
    Mbr,
}

/// One partition, as its table has it; where it lies is not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// As Linux numbers it: from 1, logical ones from 5.
    pub number: u32,
    /// Bytes from the start of the disk.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// The type: a GUID in lower case, or an MBR's as `0x83`.
    pub kind: String,
    /// PARTUUID, lower case, as `blkid` shows it.
    pub uuid: Option<String>,
    /// PARTLABEL.
    pub name: Option<String>,
}

/// What a device's table says.
pub(super) type Table = (TableKind, Vec<Partition>, Vec<String>);

/// Reads the table of a device, with what a person should know of it.
pub(super) fn read(device: &dyn BlockDevice) -> Result<Table, Fault> {
    for sector in SECTOR_SIZES {
        if gpt::is_there(device, sector)
            && let Ok(found) = gpt::read(device, sector)
        {
            return Ok(found);
        }
    }
    match mbr::read(device)? {
        Some((_, partitions, _)) if partitions.is_empty() => {
            // Nothing but a protective entry.
            gpt::read(device, 512)
        }
        Some(table) => Ok(table),
        None => Ok((TableKind::None, Vec::new(), Vec::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryDevice;
    use super::*;

    fn record(bytes: &mut [u8], at: usize, slots: &[(u8, u32, u32)]) {
        for (number, (kind, start, sectors)) in slots.iter().enumerate() {
            let slot = at + 446 + number * 16;
            bytes[slot + 4] = *kind;
            bytes[slot + 8..slot + 12].copy_from_slice(&start.to_le_bytes());
            bytes[slot + 12..slot + 16].copy_from_slice(&sectors.to_le_bytes());
        }
        bytes[at + 510..at + 512].copy_from_slice(&[0x55, 0xaa]);
    }

    fn shown(bytes: &[u8]) -> String {
        match read(&MemoryDevice::new(bytes.to_vec())) {
            Ok((kind, partitions, notes)) => {
                let shown: Vec<String> = partitions
                    .iter()
                    .map(|p| {
                        format!("{}:{}+{}:{}", p.number, p.offset / 512, p.length / 512, p.kind)
                    })
                    .collect();
                format!("{kind:?} {} {notes:?}", shown.join(" "))
            }
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn logical_partitions_and_loops() {
        let mut disk = vec![0; 512 * 64];
        record(&mut disk, 0, &[(0x83, 1, 8), (0x05, 16, 40)]);
        record(&mut disk, 16 * 512, &[(0x83, 1, 8), (0x05, 16, 16)]);
        record(&mut disk, 32 * 512, &[(0x82, 1, 4)]);
        assert_eq!(shown(&disk), "Mbr 1:1+8:0x83 5:17+8:0x83 6:33+4:0x82 []");
        record(&mut disk, 32 * 512, &[(0x82, 1, 4), (0x05, 0, 16)]);
        assert!(shown(&disk).contains("lead back to themselves"), "{}", shown(&disk));
    }

    #[test]
    fn boot_sectors_of_file_systems_are_no_tables() {
        assert_eq!(shown(&[0; 512]), "None  []");
        assert_eq!(shown(b""), "None  []");
        let mut fat = vec![0; 4096];
        fat[446..510].fill(b'x');
        fat[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(shown(&fat), "None  []");
    }

    /// A disk with two partitions, its table at both ends.
    fn gpt(sector: usize) -> Vec<u8> {
        let crc = |bytes: &[u8]| {
            let mut crc = flate2::Crc::new();
            crc.update(bytes);
            crc.sum().to_le_bytes()
        };
        let sectors = 64;
        let mut disk = vec![0; sectors * sector];
        record(&mut disk, 0, &[(0xee, 1, 63)]);
        let mut table = vec![0; 4 * 128];
        for (number, (first, last)) in [(10_u64, 19_u64), (20, 20)].into_iter().enumerate() {
            let entry = &mut table[number * 256..number * 256 + 128];
            entry[..16].fill(0x11);
            entry[16..32].fill(0x22);
            entry[32..40].copy_from_slice(&first.to_le_bytes());
            entry[40..48].copy_from_slice(&last.to_le_bytes());
            entry[56..60].copy_from_slice(b"r\0t\0");
        }
        for (own, at) in [(1_usize, 2_usize), (sectors - 1, sectors - 2)] {
            let mut header = vec![0; 92];
            header[..8].copy_from_slice(b"EFI PART");
            header[12] = 92;
            header[24] = u8::try_from(own).unwrap();
            header[72] = u8::try_from(at).unwrap();
            header[80] = 4;
            header[84] = 128;
            header[88..92].copy_from_slice(&crc(&table));
            let sum = crc(&header);
            header[16..20].copy_from_slice(&sum);
            disk[own * sector..own * sector + 92].copy_from_slice(&header);
            disk[at * sector..at * sector + table.len()].copy_from_slice(&table);
        }
        disk
    }

    #[test]
    fn gpt_and_its_backup() {
        let kind = "11111111-1111-1111-1111-111111111111";
        let expected = format!("Gpt 1:10+10:{kind} 3:20+1:{kind} []");
        assert_eq!(shown(&gpt(512)), expected);
        let large = read(&MemoryDevice::new(gpt(4096))).unwrap().1;
        assert_eq!((large[0].offset, large[0].length), (40960, 40960));
        assert_eq!(large[0].uuid.as_deref(), Some("22222222-2222-2222-2222-222222222222"));
        assert_eq!(large[0].name.as_deref(), Some("rt"));
        let mut damaged = gpt(512);
        damaged[512 + 73] ^= 1;
        assert!(shown(&damaged).contains("those of the backup table"), "{}", shown(&damaged));
        damaged[512..1024].fill(0);
        assert!(shown(&damaged).contains("those of the backup table"), "{}", shown(&damaged));
        let end = damaged.len() - 512;
        damaged[end] = 0;
        assert_eq!(shown(&damaged), "GPT: no header at sector 1");
    }

    #[test]
    fn damage_ends() {
        let mut random = super::super::testing::Random(11);
        let mut chained = vec![0; 512 * 64];
        record(&mut chained, 0, &[(0x83, 1, 8), (0x05, 16, 40)]);
        record(&mut chained, 16 * 512, &[(0x83, 1, 8), (0x05, 16, 16)]);
        record(&mut chained, 32 * 512, &[(0x82, 1, 4), (0x05, 8, 8)]);
        for disk in [gpt(512), chained] {
            for _ in 0..500 {
                let mut damaged = disk.clone();
                for _ in 0..4 {
                    let at = random.below(4) * 512 + random.below(17 * 512);
                    damaged[at.min(disk.len() - 1)] = u8::try_from(random.below(256)).unwrap();
                }
                damaged.truncate(512 + random.below(disk.len() * 2));
                shown(&damaged);
            }
        }
    }
}
