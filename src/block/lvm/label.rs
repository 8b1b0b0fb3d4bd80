//! The label of a physical volume and the ring in which its metadata lies.
//! Reference: `lib/format_text/layout.h` and `lib/label/label.c` of LVM2.

use super::super::bytes::Fields;
use super::super::{BlockDevice, read_vec};
use crate::model::Fault;

const SECTOR: usize = 512;
/// The label is in one of the first four sectors.
const LABEL_SECTORS: usize = 4;
/// The ring begins after its header.
const RING_HEADER: u64 = 512;
const RING_MAGIC: &[u8] = b" LVM2 x[5A%r0N*>";
/// A ring is 1 MiB unless somebody chose otherwise.
const MAX_TEXT_BYTES: u64 = 32 << 20;
/// More areas than LVM makes, which is two.
const MAX_AREAS: usize = 16;
const IGNORED: u32 = 1;

/// What the label says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    /// 32 characters, without the dashes.
    pub(super) uuid: String,
    /// Offset and length of each metadata area.
    areas: Vec<(u64, u64)>,
}

/// Finds and reads the label in the first sectors of a device.
pub(super) fn parse(head: &[u8]) -> Option<Result<Label, Fault>> {
    let sector = head.chunks(SECTOR).take(LABEL_SECTORS).find(|sector| {
        sector.starts_with(b"LABELONE") && sector.get(24..32) == Some(b"LVM2 001".as_slice())
    })?;
    Some(parse_label(sector))
}

fn parse_label(sector: &[u8]) -> Result<Label, Fault> {
    let fields = Fields::new("LVM label", sector);
    if crc(fields.slice(20, SECTOR.saturating_sub(20))?) != fields.u32_le(16)? {
        return Err(Fault::damaged("LVM label: its CRC is wrong"));
    }
    let start = usize::try_from(fields.u32_le(20)?).unwrap_or(usize::MAX);
    let uuid = String::from_utf8_lossy(fields.slice(start, 32)?).into_owned();
    // Two lists, each ended by an empty area: data, metadata.
    let mut at = start.saturating_add(40);
    let mut list = || -> Result<Vec<(u64, u64)>, Fault> {
        let mut areas = Vec::new();
        while areas.len() < MAX_AREAS {
            let area = (fields.u64_le(at)?, fields.u64_le(at.saturating_add(8))?);
            at = at.saturating_add(16);
            if area.0 == 0 {
                break;
            }
            areas.push(area);
        }
        Ok(areas)
    };
    let _data = list()?;
    Ok(Label { uuid, areas: list()? })
}

/// Reads the metadata text of a physical volume; `None` where it keeps none itself.
pub(super) fn text(device: &dyn BlockDevice, label: &Label) -> Result<Option<Vec<u8>>, Fault> {
    let mut first_fault = None;
    for (start, size) in &label.areas {
        match ring(device, *start, *size) {
            Ok(Some(text)) => return Ok(Some(text)),
            Ok(None) => {}
            Err(fault) => first_fault = first_fault.or(Some(fault)),
        }
    }
    first_fault.map_or(Ok(None), Err)
}

fn ring(device: &dyn BlockDevice, start: u64, size: u64) -> Result<Option<Vec<u8>>, Fault> {
    let header = read_vec(device, start, SECTOR)?;
    let fields = Fields::new("LVM metadata header", &header);
    if fields.slice(4, 16)? != RING_MAGIC
        || crc(fields.slice(4, SECTOR.saturating_sub(4))?) != fields.u32_le(0)?
    {
        return Err(Fault::damaged("LVM: no valid metadata header"));
    }
    let (offset, length) = (fields.u64_le(40)?, fields.u64_le(48)?);
    if length == 0 || fields.u32_le(60)? & IGNORED != 0 {
        return Ok(None);
    }
    if length > MAX_TEXT_BYTES || length > size {
        return Err(Fault::limit(format!("LVM metadata of {length} bytes")));
    }
    // What does not fit before the end of the ring goes on after its header.
    let first = size.saturating_sub(offset).min(length);
    let piece = |at: u64, count: u64| {
        let at = start.saturating_add(at);
        read_vec(device, at, usize::try_from(count).unwrap_or(usize::MAX))
    };
    let mut text = piece(offset, first)?;
    text.extend(piece(RING_HEADER, length.saturating_sub(first))?);
    if crc(&text) != fields.u32_le(56)? {
        return Err(Fault::damaged("LVM: the metadata's CRC is wrong"));
    }
    Ok(Some(text))
}

/// CRC-32 with LVM's own start value and no final inversion.
pub(super) fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    bytes.iter().fold(0xf597_a6cf, |crc: u32, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
