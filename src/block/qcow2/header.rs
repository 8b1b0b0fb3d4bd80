//! The header of a qcow2 image, its extensions and its snapshot table.
//! Specification: `docs/interop/qcow2.txt` of QEMU.

use super::super::bytes::Fields;
use super::super::inflate::Codec;
use crate::model::Fault;
use crate::model::path::Escaped;

/// Header fields and extensions lie in the first cluster, which has at least this.
pub(super) const HEADER_BYTES: usize = 64 << 10;
/// QEMU's own limit of the snapshot table is 64 MiB and 65,536 entries.
const MAX_SNAPSHOTS: u32 = 65_536;

const INCOMPATIBLE_DIRTY: u64 = 1;
const INCOMPATIBLE_CORRUPT: u64 = 1 << 1;
const INCOMPATIBLE_DATA_FILE: u64 = 1 << 2;
const INCOMPATIBLE_COMPRESSION: u64 = 1 << 3;
const INCOMPATIBLE_EXTENDED_L2: u64 = 1 << 4;
const INCOMPATIBLE_KNOWN: u64 = INCOMPATIBLE_DIRTY
    | INCOMPATIBLE_CORRUPT
    | INCOMPATIBLE_DATA_FILE
    | INCOMPATIBLE_COMPRESSION
    | INCOMPATIBLE_EXTENDED_L2;

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) cluster_bits: u32,
    /// Bytes of the disk.
    pub(super) size: u64,
    pub(super) l1_offset: u64,
    pub(super) l1_entries: u32,
    pub(super) snapshots: u32,
    pub(super) snapshots_offset: u64,
    pub(super) extended_l2: bool,
    pub(super) codec: Codec,
    pub(super) dirty: bool,
    pub(super) corrupt: bool,
    pub(super) backing_file: Option<Vec<u8>>,
    pub(super) backing_format: Option<Vec<u8>>,
    /// `Some` where the data is in another file; empty where that file is not named.
    pub(super) data_file: Option<Vec<u8>>,
}

/// Reads the start of an image, at most [`HEADER_BYTES`] of it.
pub(super) fn parse(bytes: &[u8]) -> Result<Header, Fault> {
    let fields = Fields::new("qcow2 header", bytes);
    let version = fields.u32_be(4)?;
    if !matches!(version, 2 | 3) {
        return Err(Fault::unsupported(format!("qcow version {version}")));
    }
    let (incompatible, header_length) =
        if version == 2 { (0, 72) } else { (fields.u64_be(72)?, fields.u32_be(100)?) };
    let unknown = incompatible & !INCOMPATIBLE_KNOWN;
    if unknown != 0 {
        return Err(Fault::unsupported(format!("qcow2 incompatible features {unknown:#x}")));
    }
    match fields.u32_be(32)? {
        0 => {}
        1 => return Err(Fault::unsupported("a qcow2 image encrypted with AES")),
        2 => return Err(Fault::unsupported("a qcow2 image encrypted with LUKS")),
        other => return Err(Fault::unsupported(format!("qcow2 encryption method {other}"))),
    }
    let cluster_bits = fields.u32_be(20)?;
    if !(9..=21).contains(&cluster_bits) {
        return Err(Fault::damaged(format!("qcow2 clusters of 2^{cluster_bits} bytes")));
    }
    let extended_l2 = incompatible & INCOMPATIBLE_EXTENDED_L2 != 0;
    if extended_l2 && cluster_bits < 14 {
        return Err(Fault::damaged(format!("qcow2 subclusters in 2^{cluster_bits} bytes")));
    }
    let compression =
        if incompatible & INCOMPATIBLE_COMPRESSION != 0 { fields.u8(104)? } else { 0 };
    let codec = match compression {
        0 => Codec::Deflate,
        1 => Codec::Zstd,
        other => return Err(Fault::unsupported(format!("qcow2 compression type {other}"))),
    };
    let mut header = Header {
        cluster_bits,
        size: fields.u64_be(24)?,
        l1_offset: fields.u64_be(40)?,
        l1_entries: fields.u32_be(36)?,
        snapshots: fields.u32_be(60)?,
        snapshots_offset: fields.u64_be(64)?,
        extended_l2,
        codec,
        dirty: incompatible & INCOMPATIBLE_DIRTY != 0,
        corrupt: incompatible & INCOMPATIBLE_CORRUPT != 0,
        backing_file: backing_file(fields)?,
        backing_format: None,
        data_file: (incompatible & INCOMPATIBLE_DATA_FILE != 0).then(Vec::new),
    };
    extensions(fields, header_length, &mut header)?;
    Ok(header)
}

fn backing_file(fields: Fields<'_>) -> Result<Option<Vec<u8>>, Fault> {
    let (offset, length) = (fields.u64_be(8)?, fields.u32_be(16)?);
    if offset == 0 || length == 0 {
        return Ok(None);
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= 1023);
    let length = length.ok_or_else(|| Fault::damaged("a backing file name of over 1023 bytes"))?;
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    Ok(Some(fields.slice(offset, length)?.to_vec()))
}

fn extensions(fields: Fields<'_>, header_length: u32, header: &mut Header) -> Result<(), Fault> {
    let mut at = usize::try_from(header_length).unwrap_or(usize::MAX);
    // Each step goes on by at least 8 bytes of a bounded slice.
    loop {
        let (Ok(kind), Ok(length)) = (fields.u32_be(at), fields.u32_be(at.saturating_add(4)))
        else {
            return Ok(());
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let start = at.saturating_add(8);
        match kind {
            0 => return Ok(()),
            0xe279_2aca => header.backing_format = Some(fields.slice(start, length)?.to_vec()),
            0x4441_5441 if header.data_file.is_some() => {
                header.data_file = Some(fields.slice(start, length)?.to_vec());
            }
            // Feature names, bitmaps and what is yet to come: nothing that reading needs.
            _ => {}
        }
        at = start.saturating_add(length.checked_next_multiple_of(8).unwrap_or(usize::MAX));
    }
}

/// An internal snapshot of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Unique in its image.
    pub id: String,
    /// As the person named it.
    pub name: String,
    /// When it was taken, in Unix time.
    pub seconds: u32,
    pub(super) l1_offset: u64,
    pub(super) l1_entries: u32,
    pub(super) size: Option<u64>,
}

/// Reads the snapshot table, of which `bytes` begin with the first entry.
pub(super) fn snapshots(bytes: &[u8], count: u32) -> Result<Vec<Snapshot>, Fault> {
    if count > MAX_SNAPSHOTS {
        return Err(Fault::limit(format!("{count} snapshots, more than {MAX_SNAPSHOTS}")));
    }
    let mut found = Vec::new();
    let mut at = 0_usize;
    for _ in 0..count {
        let entry = Fields::new("qcow2 snapshot", bytes.get(at..).unwrap_or_default());
        let id_length = usize::from(entry.u16_be(12)?);
        let name_length = usize::from(entry.u16_be(14)?);
        let extra = usize::try_from(entry.u32_be(36)?).unwrap_or(usize::MAX);
        let id_at = extra.saturating_add(40);
        let name_at = id_at.saturating_add(id_length);
        found.push(Snapshot {
            id: Escaped(entry.slice(id_at, id_length)?).to_string(),
            name: Escaped(entry.slice(name_at, name_length)?).to_string(),
            seconds: entry.u32_be(16)?,
            l1_offset: entry.u64_be(0)?,
            l1_entries: entry.u32_be(8)?,
            size: if extra >= 16 { Some(entry.u64_be(48)?) } else { None },
        });
        let length = name_at.saturating_add(name_length).checked_next_multiple_of(8);
        at = at.saturating_add(length.unwrap_or(usize::MAX));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(change: impl FnOnce(&mut Vec<u8>)) -> Result<Header, Fault> {
        let mut bytes = vec![0; 1024];
        bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        bytes[23] = 16;
        bytes[103] = 104;
        change(&mut bytes);
        parse(&bytes)
    }

    fn check(change: impl FnOnce(&mut Vec<u8>), expected: &str) {
        let shown = match header(change) {
            Ok(header) => format!("{header:?}"),
            Err(fault) => format!("{:?}: {fault}", fault.kind),
        };
        assert!(shown.contains(expected), "{shown}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        check(|_| {}, "cluster_bits: 16");
        check(|b| b[7] = 4, "Unsupported: qcow version 4");
        check(|b| b[35] = 2, "Unsupported: a qcow2 image encrypted with LUKS");
        check(|b| b[79] = 0x20, "Unsupported: qcow2 incompatible features 0x20");
        check(|b| b[23] = 30, "Damaged: qcow2 clusters of 2^30 bytes");
        check(|b| b[79] = 3, "dirty: true, corrupt: true");
        check(|b| b.truncate(60), "Damaged: qcow2 header");
    }

    #[test]
    fn extensions_name_formats_and_files() {
        let parsed = header(|b| {
            b[79] = 4;
            b[104..121].copy_from_slice(b"\xe2\x79\x2a\xca\0\0\0\x05qcow2\0\0\0\x44");
            b[120..136].copy_from_slice(b"DATA\0\0\0\x04disk\0\0\0\0");
        });
        let parsed = parsed.unwrap();
        assert_eq!(parsed.backing_format.as_deref(), Some(b"qcow2".as_slice()));
        assert_eq!(parsed.data_file.as_deref(), Some(b"disk".as_slice()));
    }
}
