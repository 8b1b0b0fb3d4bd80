//! VHDX: Hyper-V's container, fixed and dynamic.
//!
//! An image that was not closed has a log; it is replayed in memory ([`log`]). Refused by name:
//! differencing disks, unknown regions and metadata that are marked as required.
//! Specification: Microsoft, \[MS-VHDX\].

mod log;
mod patched;

use super::beside::Chain;
use super::bytes::{Fields, guid_text};
use super::mapped::{Extent, Mapped, MappedDevice, Place};
use super::{BlockDevice, read_vec};
use crate::model::Fault;
use std::sync::Arc;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const HEADERS: [u64; 2] = [64 * KIB, 128 * KIB];
const HEADER_BYTES: usize = 4 << 10;
const REGION_TABLES: [u64; 2] = [192 * KIB, 256 * KIB];
const REGION_TABLE_BYTES: usize = 64 << 10;
/// As many as fit into a region table.
const MAX_REGIONS: u32 = 2047;
const METADATA_TABLE_BYTES: usize = 64 << 10;
/// As many as fit into a metadata table.
const MAX_METADATA: u16 = 2047;

const BAT_REGION: &str = "2dc27766-f623-4200-9d64-115e9bfd4a08";
const METADATA_REGION: &str = "8b7ca206-4790-4b9a-b8fe-575f050f886e";
const FILE_PARAMETERS: &str = "caa16737-fa36-4d43-b3b6-33f0aa44e76b";
const DISK_SIZE: &str = "2fa54224-cd1b-4876-b211-5dbed83bf4b8";
const LOGICAL_SECTOR: &str = "8141bf1d-a96f-4709-ba47-f233a8faab5f";
const PHYSICAL_SECTOR: &str = "cda348c7-445d-4471-9cc9-e9885251c556";
const PAGE_83: &str = "beca12ab-b2e6-4523-93ef-c309e000c746";
const PARENT_LOCATOR: &str = "a8d35f2d-b30b-454d-abf7-d3d84834ab0c";

/// CRC-32C of a structure whose own checksum, at `at`, counts as zeros.
fn checksum_fits(bytes: &[u8], at: usize) -> Result<bool, Fault> {
    let stored = Fields::new("VHDX checksum", bytes).u32_le(at)?;
    let before = bytes.get(..at).unwrap_or_default();
    let after = bytes.get(at.saturating_add(4)..).unwrap_or_default();
    let sum = crc32c::crc32c(before);
    let sum = crc32c::crc32c_append(sum, &[0; 4]);
    Ok(crc32c::crc32c_append(sum, after) == stored)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    sequence: u64,
    log_guid: [u8; 16],
    log_length: u32,
    log_offset: u64,
}

fn parse_header(bytes: &[u8]) -> Result<Header, Fault> {
    let fields = Fields::new("VHDX header", bytes);
    if fields.slice(0, 4)? != b"head" || !checksum_fits(bytes, 4)? {
        return Err(Fault::damaged("VHDX: no valid header"));
    }
    let version = fields.u16_le(66)?;
    if version != 1 {
        return Err(Fault::unsupported(format!("VHDX version {version}")));
    }
    Ok(Header {
        sequence: fields.u64_le(8)?,
        log_guid: fields.array(48)?,
        log_length: fields.u32_le(68)?,
        log_offset: fields.u64_le(72)?,
    })
}

/// The valid one of two copies; of headers, the one with the higher sequence number.
fn current_header(file: &dyn BlockDevice) -> Result<Header, Fault> {
    let [first, second] =
        HEADERS.map(|at| read_vec(file, at, HEADER_BYTES).and_then(|bytes| parse_header(&bytes)));
    match (first, second) {
        (Ok(first), Ok(second)) if first.sequence > second.sequence => Ok(first),
        (_, Ok(second)) => Ok(second),
        (first, Err(_)) => first,
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Regions {
    bat: (u64, u32),
    metadata: (u64, u32),
}

fn parse_regions(bytes: &[u8]) -> Result<Regions, Fault> {
    let fields = Fields::new("VHDX region table", bytes);
    if fields.slice(0, 4)? != b"regi" || !checksum_fits(bytes, 4)? {
        return Err(Fault::damaged("VHDX: no valid region table"));
    }
    let count = fields.u32_le(8)?.min(MAX_REGIONS);
    let mut regions = Regions::default();
    for at in (16_usize..).step_by(32).take(usize::try_from(count).unwrap_or(0)) {
        let entry = Fields::new("VHDX region", fields.slice(at, 32)?);
        let place = (entry.u64_le(16)?, entry.u32_le(24)?);
        match guid_text(entry.array(0)?).as_str() {
            BAT_REGION => regions.bat = place,
            METADATA_REGION => regions.metadata = place,
            other if entry.u32_le(28)? & 1 != 0 => {
                return Err(Fault::unsupported(format!("a VHDX region {other}")));
            }
            _ => {}
        }
    }
    if regions.bat.0 == 0 || regions.metadata.0 == 0 {
        return Err(Fault::damaged("VHDX: its block table or its metadata is not to be found"));
    }
    Ok(regions)
}

#[derive(Clone, Copy, Debug, Default)]
struct Parameters {
    block_size: u64,
    size: u64,
    sector: u64,
}

/// Reads the metadata region, of which `bytes` are the first part that items lie in.
fn parse_metadata(
    table: &[u8],
    mut item: impl FnMut(u64, usize) -> Result<Vec<u8>, Fault>,
) -> Result<Parameters, Fault> {
    let fields = Fields::new("VHDX metadata", table);
    if fields.slice(0, 8)? != b"metadata" {
        return Err(Fault::damaged("VHDX: no metadata table"));
    }
    let count = usize::from(fields.u16_le(10)?.min(MAX_METADATA));
    let mut parameters = Parameters::default();
    for at in (32_usize..).step_by(32).take(count) {
        let entry = Fields::new("VHDX metadata entry", fields.slice(at, 32)?);
        let mut value = |count: usize| item(u64::from(entry.u32_le(16)?), count);
        match guid_text(entry.array(0)?).as_str() {
            FILE_PARAMETERS => {
                let value = value(8)?;
                let value = Fields::new("VHDX file parameters", &value);
                parameters.block_size = u64::from(value.u32_le(0)?);
                if value.u32_le(4)? & 2 != 0 {
                    return Err(Fault::unsupported("a VHDX differencing disk"));
                }
            }
            DISK_SIZE => parameters.size = Fields::new("VHDX disk size", &value(8)?).u64_le(0)?,
            LOGICAL_SECTOR => {
                let size = Fields::new("VHDX sector size", &value(4)?).u32_le(0)?;
                parameters.sector = u64::from(size);
            }
            PARENT_LOCATOR => return Err(Fault::unsupported("a VHDX differencing disk")),
            PHYSICAL_SECTOR | PAGE_83 => {}
            other if entry.u32_le(24)? & 4 != 0 => {
                return Err(Fault::unsupported(format!("VHDX metadata {other}")));
            }
            _ => {}
        }
    }
    let block_fits = parameters.block_size.is_power_of_two()
        && (MIB..=256 * MIB).contains(&parameters.block_size);
    if !block_fits || !matches!(parameters.sector, 512 | 4096) {
        return Err(Fault::damaged(format!("VHDX: {parameters:?}")));
    }
    Ok(parameters)
}

/// Opens the image in `file`.
pub(super) fn open(
    chain: &mut Chain,
    file: Arc<dyn BlockDevice>,
    notes: &mut Vec<String>,
) -> Result<Arc<dyn BlockDevice>, Fault> {
    let header = current_header(file.as_ref())?;
    let file = if header.log_guid == [0; 16] {
        file
    } else {
        let entries =
            log::read(file.as_ref(), header.log_offset, header.log_length, header.log_guid)?;
        notes.push(format!("it was not closed; {} entries of its log are replayed", entries.len()));
        patched::replay(file, &entries)?
    };
    let [first, second] = REGION_TABLES
        .map(|at| read_vec(file.as_ref(), at, REGION_TABLE_BYTES).and_then(|b| parse_regions(&b)));
    let regions = first.or_else(|fault| second.map_err(|_| fault))?;
    let metadata = regions.metadata.0;
    let table = read_vec(file.as_ref(), metadata, METADATA_TABLE_BYTES)?;
    let parameters = parse_metadata(&table, |offset, count| {
        read_vec(file.as_ref(), metadata.saturating_add(offset), count)
    })?;
    let blocks = parameters.size.div_ceil(parameters.block_size);
    // At least 16, since both were checked.
    let ratio = (parameters.sector << 23).checked_div(parameters.block_size).unwrap_or(1);
    let entries = blocks.saturating_add(blocks.saturating_sub(1).checked_div(ratio).unwrap_or(0));
    let bytes = entries.saturating_mul(8);
    if bytes > u64::from(regions.bat.1) {
        return Err(Fault::damaged(format!(
            "VHDX: {entries} blocks do not fit into a table of {} bytes",
            regions.bat.1
        )));
    }
    chain.keep_table(bytes)?;
    let table =
        read_vec(file.as_ref(), regions.bat.0, usize::try_from(bytes).unwrap_or(usize::MAX))?;
    let table = table.as_chunks::<8>().0.iter().map(|entry| u64::from_le_bytes(*entry)).collect();
    Ok(Arc::new(MappedDevice(Vhdx { parameters, ratio, table, file })))
}

#[derive(Debug)]
struct Vhdx {
    parameters: Parameters,
    /// After so many entries of blocks, one of a sector bitmap.
    ratio: u64,
    table: Vec<u64>,
    file: Arc<dyn BlockDevice>,
}

impl Mapped for Vhdx {
    fn length(&self) -> u64 {
        self.parameters.size
    }

    fn locate(&self, offset: u64, _want: u64) -> Result<Extent, Fault> {
        let lost = || Fault::damaged(format!("VHDX: no block at {offset}"));
        let size = self.parameters.block_size;
        let block = offset.checked_div(size).ok_or_else(lost)?;
        let within = offset.checked_rem(size).ok_or_else(lost)?;
        let index = block.checked_div(self.ratio).and_then(|bitmaps| block.checked_add(bitmaps));
        let index = index.and_then(|index| usize::try_from(index).ok());
        let entry = *index.and_then(|index| self.table.get(index)).ok_or_else(lost)?;
        let place = match entry & 7 {
            0..=3 => Place::Zeros,
            6 => {
                let start = (entry >> 20).saturating_mul(MIB);
                Place::Stored { store: 0, offset: start.saturating_add(within) }
            }
            state => return Err(Fault::damaged(format!("VHDX: block {block} in state {state}"))),
        };
        Ok(Extent { place, length: size.saturating_sub(within) })
    }

    fn store(&self, index: usize) -> Option<&dyn BlockDevice> {
        (index == 0).then_some(self.file.as_ref())
    }
}
