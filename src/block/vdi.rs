//! VDI: VirtualBox's container, dynamic and fixed.
//!
//! Refused by name: differencing and undo images, whose parents are found by UUID only.
//! Reference: VirtualBox's `VDICore.h`; there is no other specification.

use super::beside::Chain;
use super::bytes::Fields;
use super::mapped::{Extent, Mapped, MappedDevice, Place};
use super::{BlockDevice, read_vec};
use crate::model::Fault;
use std::sync::Arc;

const HEADER_BYTES: usize = 512;
/// A block that was never written.
const FREE: u32 = u32::MAX;
/// A block that was discarded: zeros.
const ZERO: u32 = u32::MAX - 1;

#[derive(Debug)]
struct Header {
    map_offset: u32,
    data_offset: u32,
    size: u64,
    block_size: u32,
    block_extra: u32,
    blocks: u32,
}

fn parse(bytes: &[u8]) -> Result<Header, Fault> {
    let fields = Fields::new("VDI header", bytes);
    let version = fields.u32_le(68)?;
    if version >> 16 != 1 {
        return Err(Fault::unsupported(format!(
            "VDI version {}.{}",
            version >> 16,
            version & 0xffff
        )));
    }
    match fields.u32_le(76)? {
        1 | 2 => {}
        3 => return Err(Fault::unsupported("a VDI undo image")),
        4 => return Err(Fault::unsupported("a VDI differencing image")),
        other => return Err(Fault::unsupported(format!("VDI image type {other}"))),
    }
    let header = Header {
        map_offset: fields.u32_le(340)?,
        data_offset: fields.u32_le(344)?,
        size: fields.u64_le(368)?,
        block_size: fields.u32_le(376)?,
        block_extra: fields.u32_le(380)?,
        blocks: fields.u32_le(384)?,
    };
    let mapped = u64::from(header.blocks).saturating_mul(u64::from(header.block_size));
    if header.block_size < 512 || mapped < header.size {
        return Err(Fault::damaged(format!(
            "VDI: {} blocks of {} bytes for a disk of {}",
            header.blocks, header.block_size, header.size
        )));
    }
    Ok(header)
}

/// Opens the image in `file`.
pub(super) fn open(
    chain: &mut Chain,
    file: Arc<dyn BlockDevice>,
) -> Result<Arc<dyn BlockDevice>, Fault> {
    let header = parse(&read_vec(file.as_ref(), 0, HEADER_BYTES)?)?;
    let bytes = u64::from(header.blocks).saturating_mul(4);
    chain.keep_table(bytes)?;
    let count = usize::try_from(bytes).unwrap_or(usize::MAX);
    let bytes = read_vec(file.as_ref(), u64::from(header.map_offset), count)
        .map_err(|fault| fault.within("VDI block map"))?;
    let map = bytes.as_chunks::<4>().0.iter().map(|entry| u32::from_le_bytes(*entry)).collect();
    Ok(Arc::new(MappedDevice(Vdi { header, map, file })))
}

#[derive(Debug)]
struct Vdi {
    header: Header,
    map: Vec<u32>,
    file: Arc<dyn BlockDevice>,
}

impl Mapped for Vdi {
    fn length(&self) -> u64 {
        self.header.size
    }

    fn locate(&self, offset: u64, _want: u64) -> Result<Extent, Fault> {
        let size = u64::from(self.header.block_size);
        let lost = || Fault::damaged(format!("VDI: no block at {offset}"));
        let index = offset.checked_div(size).ok_or_else(lost)?;
        let within = offset.checked_rem(size).ok_or_else(lost)?;
        let entry = usize::try_from(index).ok().and_then(|index| self.map.get(index));
        let length = size.saturating_sub(within);
        let place = match *entry.ok_or_else(lost)? {
            FREE | ZERO => Place::Zeros,
            number => {
                let step = size.saturating_add(u64::from(self.header.block_extra));
                let offset = u64::from(number)
                    .saturating_mul(step)
                    .saturating_add(u64::from(self.header.block_extra))
                    .saturating_add(u64::from(self.header.data_offset))
                    .saturating_add(within);
                Place::Stored { store: 0, offset }
            }
        };
        Ok(Extent { place, length })
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

    fn sample(kind: u8) -> Vec<u8> {
        let mut image = vec![0; 2048];
        let mut put =
            |at: usize, value: u32| image[at..at + 4].copy_from_slice(&value.to_le_bytes());
        put(64, 0xbeda_107f);
        put(68, 0x1_0001);
        put(76, u32::from(kind));
        put(340, 512);
        put(344, 1024);
        put(368, 1536);
        put(376, 512);
        put(384, 3);
        put(512, 1);
        put(516, FREE);
        put(520, 0);
        image[1024..1536].fill(2);
        image[1536..].fill(1);
        image
    }

    #[test]
    fn blocks_lie_where_the_map_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::write(&path, sample(1)).unwrap();
        let device = open_image(&path, &OpenOptions::default()).unwrap().device;
        let bytes = read_vec(device.as_ref(), 0, 1536).unwrap();
        assert_eq!((bytes[0], bytes[512], bytes[1024]), (1, 0, 2));
        assert_eq!(device.next_data(512).unwrap(), Some(1024..1536));
        std::fs::write(&path, sample(4)).unwrap();
        let fault = open_image(&path, &OpenOptions::default()).unwrap_err();
        assert!(fault.detail.ends_with("a VDI differencing image"), "{fault}");
        survive_damage(folder.path(), &sample(1), 1024, 200);
    }
}
