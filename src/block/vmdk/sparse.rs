//! A VMDK extent with grain tables: plain or compressed grains.

use super::super::beside::{Caches, Chain};
use super::super::bytes::Fields;
use super::super::inflate::{Codec, Inflater};
use super::super::mapped::{Extent, Mapped, MappedDevice, Place};
use super::super::{BlockDevice, read_vec};
use super::descriptor::{MAX_DESCRIPTOR_BYTES, SECTOR};
use crate::model::Fault;
use std::sync::Arc;

const HEADER_BYTES: usize = 512;
const MAGIC: &[u8] = b"KDMV";
/// The grain directory is named by the footer, since the image was written in one stream.
const DIRECTORY_AT_END: u64 = u64::MAX;
const FLAG_ZERO_GRAINS: u32 = 1 << 2;
const FLAG_COMPRESSED: u32 = 1 << 16;
/// Grain of the disk, length of the compressed data.
const GRAIN_MARKER: u64 = 12;
/// Larger grains than anything writes (usually 64 KiB); QEMU stops at 64 MiB.
const MAX_GRAIN_BYTES: u64 = 8 << 20;
/// Entries of a grain table: 512 by the specification; QEMU allows no more either.
const MAX_TABLE_ENTRIES: u32 = 512;

/// Whether the file is a sparse extent; a `COWD` one is refused.
pub(super) fn is_sparse(file: &dyn BlockDevice) -> Result<bool, Fault> {
    let magic = read_vec(file, 0, 4)?;
    if magic == b"COWD" {
        return Err(Fault::unsupported("a VMDK extent of type VMFSSPARSE (COWD)"));
    }
    Ok(magic == MAGIC)
}

#[derive(Debug)]
struct Header {
    flags: u32,
    size: u64,
    grain_size: u64,
    descriptor: (u64, u64),
    table_entries: u32,
    directory: u64,
}

fn parse(bytes: &[u8]) -> Result<Header, Fault> {
    let fields = Fields::new("VMDK header", bytes);
    if fields.slice(0, 4)? != MAGIC {
        return Err(Fault::damaged("VMDK: no sparse extent header"));
    }
    let sectors = |at: usize| -> Result<u64, Fault> {
        let count = fields.u64_le(at)?;
        count.checked_mul(SECTOR).ok_or_else(|| Fault::damaged(format!("VMDK: sector {count}")))
    };
    let version = fields.u32_le(4)?;
    if !(1..=3).contains(&version) {
        return Err(Fault::unsupported(format!("VMDK extent version {version}")));
    }
    let directory = fields.u64_le(56)?;
    let header = Header {
        flags: fields.u32_le(8)?,
        size: sectors(12)?,
        grain_size: sectors(20)?,
        descriptor: (sectors(28)?, sectors(36)?),
        table_entries: fields.u32_le(44)?,
        directory: if directory == DIRECTORY_AT_END { directory } else { sectors(56)? },
    };
    let grain_fits = header.grain_size.is_power_of_two()
        && (SECTOR..=MAX_GRAIN_BYTES).contains(&header.grain_size);
    if !grain_fits || !(1..=MAX_TABLE_ENTRIES).contains(&header.table_entries) {
        return Err(Fault::damaged(format!(
            "VMDK: grains of {} bytes, {} in a table",
            header.grain_size, header.table_entries
        )));
    }
    let algorithm = fields.u16_le(77)?;
    if header.flags & FLAG_COMPRESSED != 0 && algorithm != 1 {
        return Err(Fault::unsupported(format!("VMDK compression algorithm {algorithm}")));
    }
    Ok(header)
}

/// An extent, with the descriptor that it contains.
pub(super) type Opened = (Arc<dyn BlockDevice>, Option<Vec<u8>>);

/// Opens a sparse extent.
pub(super) fn open(chain: &mut Chain, file: Arc<dyn BlockDevice>) -> Result<Opened, Fault> {
    let mut header = parse(&read_vec(file.as_ref(), 0, HEADER_BYTES)?)?;
    let descriptor = read_descriptor(file.as_ref(), header.descriptor)?;
    if header.directory == DIRECTORY_AT_END {
        // Before the end-of-stream marker, which is one sector.
        let footer = file.length().checked_sub(2 * SECTOR);
        let footer = footer.ok_or_else(|| Fault::damaged("VMDK: too short for its footer"))?;
        header = parse(&read_vec(file.as_ref(), footer, HEADER_BYTES)?)
            .map_err(|fault| fault.within("footer"))?;
    }
    let span = header.grain_size.saturating_mul(u64::from(header.table_entries));
    let bytes = header.size.div_ceil(span).saturating_mul(4);
    chain.keep_table(bytes)?;
    let directory =
        read_vec(file.as_ref(), header.directory, usize::try_from(bytes).unwrap_or(usize::MAX))
            .map_err(|fault| fault.within("VMDK grain directory"))?;
    let directory = words(&directory);
    let device = Sparse {
        layer: chain.next_layer(),
        caches: Arc::clone(&chain.caches),
        inflater: Inflater::new(Codec::Zlib),
        header,
        directory,
        file,
    };
    Ok((Arc::new(MappedDevice(device)), descriptor))
}

fn read_descriptor(
    file: &dyn BlockDevice,
    (offset, length): (u64, u64),
) -> Result<Option<Vec<u8>>, Fault> {
    if offset == 0 || length == 0 {
        return Ok(None);
    }
    if length > MAX_DESCRIPTOR_BYTES {
        return Err(Fault::limit(format!("a VMDK descriptor of {length} bytes")));
    }
    read_vec(file, offset, usize::try_from(length).unwrap_or(usize::MAX)).map(Some)
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|entry| u32::from_le_bytes(*entry)).collect()
}

#[derive(Debug)]
struct Sparse {
    layer: u32,
    caches: Arc<Caches>,
    inflater: Inflater,
    header: Header,
    directory: Vec<u32>,
    file: Arc<dyn BlockDevice>,
}

impl Sparse {
    fn table(&self, offset: u64) -> Result<Arc<[u64]>, Fault> {
        let key = (self.layer, offset);
        if let Some(table) = self.caches.tables.get(key) {
            return Ok(table);
        }
        let size = usize::try_from(self.header.table_entries).unwrap_or(0).saturating_mul(4);
        let bytes = read_vec(self.file.as_ref(), offset, size)
            .map_err(|fault| fault.within("VMDK grain table"))?;
        let table: Arc<[u64]> = words(&bytes).into_iter().map(u64::from).collect();
        self.caches.tables.put(key, &table, size.saturating_mul(2));
        Ok(table)
    }

    fn grain(&self, entry: u64, within: u64) -> Place {
        if entry == 0 || (entry == 1 && self.header.flags & FLAG_ZERO_GRAINS != 0) {
            return Place::Zeros;
        }
        let start = entry.saturating_mul(SECTOR);
        if self.header.flags & FLAG_COMPRESSED != 0 {
            let skip = usize::try_from(within).unwrap_or(usize::MAX);
            return Place::Packed { key: start, skip };
        }
        Place::Stored { store: 0, offset: start.saturating_add(within) }
    }

    fn load(&self, offset: u64) -> Result<Vec<u8>, Fault> {
        let marker = read_vec(self.file.as_ref(), offset, 12)?;
        let length = Fields::new("VMDK grain marker", &marker).u32_le(8)?;
        if u64::from(length) > self.header.grain_size.saturating_mul(2) {
            return Err(Fault::damaged(format!("a VMDK grain of {length} bytes")));
        }
        let count = usize::try_from(length).unwrap_or(usize::MAX);
        read_vec(self.file.as_ref(), offset.saturating_add(GRAIN_MARKER), count)
    }
}

impl Mapped for Sparse {
    fn length(&self) -> u64 {
        self.header.size
    }

    fn locate(&self, offset: u64, want: u64) -> Result<Extent, Fault> {
        let lost = || Fault::damaged(format!("VMDK: no grain at {offset}"));
        let size = self.header.grain_size;
        let entries = u64::from(self.header.table_entries);
        let number = offset.checked_div(size).ok_or_else(lost)?;
        let within = offset.checked_rem(size).ok_or_else(lost)?;
        let table = number.checked_div(entries).and_then(|n| usize::try_from(n).ok());
        let index = number.checked_rem(entries).and_then(|n| usize::try_from(n).ok());
        let (table, index) = table.zip(index).ok_or_else(lost)?;
        let table = *self.directory.get(table).ok_or_else(lost)?;
        let left = entries.saturating_sub(index as u64).saturating_mul(size);
        if table == 0 {
            return Ok(Extent { place: Place::Zeros, length: left.saturating_sub(within) });
        }
        let table = self.table(u64::from(table).saturating_mul(SECTOR))?;
        let mut grains = table.get(index..).unwrap_or_default().iter();
        let first = *grains.next().ok_or_else(lost)?;
        let length = size.saturating_sub(within);
        let mut extent = Extent { place: self.grain(first, within), length };
        for entry in grains {
            let next = Extent { place: self.grain(*entry, 0), length: size };
            if extent.length >= want || !extent.join(next) {
                break;
            }
        }
        Ok(extent)
    }

    fn store(&self, index: usize) -> Option<&dyn BlockDevice> {
        (index == 0).then_some(self.file.as_ref())
    }

    fn read_packed(&self, key: u64, skip: usize, buffer: &mut [u8]) -> Result<(), Fault> {
        let size = usize::try_from(self.header.grain_size).unwrap_or(0);
        self.inflater
            .read(&self.caches.clusters, (self.layer, key), size, (skip, buffer), || self.load(key))
            .map_err(|fault| fault.within(format!("grain at {key}")))
    }
}
