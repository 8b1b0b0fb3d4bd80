//! VHD: Virtual PC's container, fixed and dynamic.
//!
//! Refused by name: differencing disks. A damaged footer is replaced by its copy at the start of
//! a dynamic disk. The bitmaps of sectors before the blocks are passed over, as QEMU does: a block
//! is zeroed when it is made.
//! Specification: Microsoft, "Virtual Hard Disk Image Format Specification", 1.0.

use super::beside::Chain;
use super::bytes::Fields;
use super::mapped::{Extent, Mapped, MappedDevice, Place};
use super::{BlockDevice, Slice, read_vec};
use crate::model::Fault;
use std::sync::Arc;

const FOOTER_BYTES: usize = 512;
const HEADER_BYTES: usize = 1024;
const SECTOR: u64 = 512;
/// A block that was never written.
const UNUSED: u32 = u32::MAX;

#[derive(Debug)]
struct Footer {
    header_offset: u64,
    size: u64,
    kind: u32,
}

fn parse_footer(bytes: &[u8]) -> Result<Footer, Fault> {
    let fields = Fields::new("VHD footer", bytes);
    if fields.slice(0, 8)? != b"conectix" {
        return Err(Fault::damaged("VHD: no footer"));
    }
    // Checksum: the ones' complement of the sum of all other bytes.
    let all = fields.slice(0, FOOTER_BYTES)?.iter().map(|b| u32::from(*b));
    let own = fields.slice(64, 4)?.iter().map(|b| u32::from(*b));
    let sum = all.fold(0, u32::wrapping_add).wrapping_sub(own.fold(0, u32::wrapping_add));
    if !sum != fields.u32_be(64)? {
        return Err(Fault::damaged("VHD: the footer's checksum is wrong"));
    }
    Ok(Footer {
        header_offset: fields.u64_be(16)?,
        size: fields.u64_be(48)?,
        kind: fields.u32_be(60)?,
    })
}

/// Opens the image in `file`.
pub(super) fn open(
    chain: &mut Chain,
    file: Arc<dyn BlockDevice>,
) -> Result<Arc<dyn BlockDevice>, Fault> {
    let at_end = file.length().saturating_sub(FOOTER_BYTES as u64);
    let footer = read_vec(file.as_ref(), at_end, FOOTER_BYTES)
        .and_then(|bytes| parse_footer(&bytes))
        .or_else(|fault| {
            let copy = read_vec(file.as_ref(), 0, FOOTER_BYTES);
            copy.and_then(|bytes| parse_footer(&bytes)).map_err(|_| fault)
        })?;
    match footer.kind {
        2 => Ok(Arc::new(Slice::new(file, 0, footer.size)?)),
        3 => open_dynamic(chain, file, &footer),
        4 => Err(Fault::unsupported("a VHD differencing disk")),
        other => Err(Fault::unsupported(format!("VHD disk type {other}"))),
    }
}

fn open_dynamic(
    chain: &mut Chain,
    file: Arc<dyn BlockDevice>,
    footer: &Footer,
) -> Result<Arc<dyn BlockDevice>, Fault> {
    let header = read_vec(file.as_ref(), footer.header_offset, HEADER_BYTES)?;
    let fields = Fields::new("VHD dynamic header", &header);
    if fields.slice(0, 8)? != b"cxsparse" {
        return Err(Fault::damaged("VHD: no dynamic disk header"));
    }
    let (table_offset, entries) = (fields.u64_be(16)?, fields.u32_be(28)?);
    let block_size = u64::from(fields.u32_be(32)?);
    let mapped = u64::from(entries).saturating_mul(block_size);
    if block_size < SECTOR || !block_size.is_power_of_two() || mapped < footer.size {
        return Err(Fault::damaged(format!(
            "VHD: {entries} blocks of {block_size} bytes for a disk of {}",
            footer.size
        )));
    }
    // What lies beyond the disk's end is not needed.
    let needed = footer.size.div_ceil(block_size).saturating_mul(4);
    chain.keep_table(needed)?;
    let count = usize::try_from(needed).unwrap_or(usize::MAX);
    let table = read_vec(file.as_ref(), table_offset, count)
        .map_err(|fault| fault.within("VHD block table"))?;
    let table = table.as_chunks::<4>().0.iter().map(|entry| u32::from_be_bytes(*entry)).collect();
    let bitmap = (block_size / SECTOR).div_ceil(8).next_multiple_of(SECTOR);
    Ok(Arc::new(MappedDevice(Vhd { size: footer.size, block_size, bitmap, table, file })))
}

#[derive(Debug)]
struct Vhd {
    size: u64,
    block_size: u64,
    /// Bytes before each block's data.
    bitmap: u64,
    table: Vec<u32>,
    file: Arc<dyn BlockDevice>,
}

impl Mapped for Vhd {
    fn length(&self) -> u64 {
        self.size
    }

    fn locate(&self, offset: u64, _want: u64) -> Result<Extent, Fault> {
        let lost = || Fault::damaged(format!("VHD: no block at {offset}"));
        let index = offset.checked_div(self.block_size).ok_or_else(lost)?;
        let within = offset.checked_rem(self.block_size).ok_or_else(lost)?;
        let entry = usize::try_from(index).ok().and_then(|index| self.table.get(index));
        let place = match *entry.ok_or_else(lost)? {
            UNUSED => Place::Zeros,
            sector => Place::Stored {
                store: 0,
                offset: u64::from(sector)
                    .saturating_mul(SECTOR)
                    .saturating_add(self.bitmap)
                    .saturating_add(within),
            },
        };
        Ok(Extent { place, length: self.block_size.saturating_sub(within) })
    }

    fn store(&self, index: usize) -> Option<&dyn BlockDevice> {
        (index == 0).then_some(self.file.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::survive_damage;
    use super::super::{OpenOptions, open_image};
    use super::*;

    fn footer(kind: u32, size: u64) -> Vec<u8> {
        let mut bytes = vec![0; FOOTER_BYTES];
        bytes[..8].copy_from_slice(b"conectix");
        bytes[16..24].copy_from_slice(&512_u64.to_be_bytes());
        bytes[48..56].copy_from_slice(&size.to_be_bytes());
        bytes[60..64].copy_from_slice(&kind.to_be_bytes());
        let sum = bytes.iter().map(|b| u32::from(*b)).sum::<u32>();
        bytes[64..68].copy_from_slice(&(!sum).to_be_bytes());
        bytes
    }

    fn check(image: &[u8], expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::write(&path, image).unwrap();
        let shown = match open_image(&path, &OpenOptions::default()) {
            Ok(image) => {
                let mut byte = [0; 1];
                image.device.read_at(0, &mut byte).unwrap();
                format!("{} bytes, first {}", image.device.length(), byte[0])
            }
            Err(fault) => fault.to_string(),
        };
        assert!(shown.ends_with(expected), "{shown}");
        survive_damage(folder.path(), image, 2048, 200);
    }

    #[test]
    fn fixed_dynamic_and_what_is_refused() {
        check(&[vec![9; 1024], footer(2, 1024)].concat(), "1024 bytes, first 9");
        check(&[vec![9; 1024], footer(4, 1024)].concat(), "a VHD differencing disk");
        let mut header = vec![0; HEADER_BYTES];
        header[..8].copy_from_slice(b"cxsparse");
        header[16..24].copy_from_slice(&1536_u64.to_be_bytes());
        header[28..32].copy_from_slice(&1_u32.to_be_bytes());
        header[32..36].copy_from_slice(&4096_u32.to_be_bytes());
        let mut table = vec![0xff; 512];
        table[..4].copy_from_slice(&4_u32.to_be_bytes());
        let block = [vec![0xff; 512], vec![5; 4096]].concat();
        let image = [footer(3, 4096), header, table, block, footer(3, 4096)].concat();
        check(&image, "4096 bytes, first 5");
        let mut damaged = image;
        let end = damaged.len();
        damaged[end - 500] ^= 1;
        damaged[end - 512] = b'c';
        check(&damaged, "4096 bytes, first 5");
    }
}
