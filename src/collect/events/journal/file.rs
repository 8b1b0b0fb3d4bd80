//! One journal file (<https://systemd.io/JOURNAL_FILE_FORMAT/>), regular and compact, its data
//! plain or compressed by xz, lz4 or zstd.

use crate::filesystem::{Filesystem, Node};
use crate::model::Fault;
use std::collections::{HashMap, VecDeque};
use std::io::Read;

const SIGNATURE: &[u8] = b"LPKSHHRH";
/// Up to the entry array's offset and a little more.
const HEADER: usize = 184;
const XZ: u32 = 1;
const LZ4: u32 = 2;
const KEYED: u32 = 4;
const ZSTD: u32 = 8;
const COMPACT: u32 = 16;

/// The state of a file that is being written.
const ONLINE: u8 = 1;

/// Of one message; the rest of a longer one is passed over.
const MAX_MESSAGE: usize = 64 * 1024;
/// Of one compressed field, packed and unpacked; journald's own limit is far above any message
/// that is of interest here.
const MAX_PACKED: usize = 1 << 20;
/// Fields of one entry (systemd's `ENTRY_FIELD_COUNT_MAX`).
const MAX_FIELDS: u64 = 1024;
/// Pages that are kept in memory, and their size: 4 MB.
const PAGES: usize = 64;
const PAGE: usize = 64 * 1024;
/// Fields that are remembered; most entries share them.
const MAX_KNOWN: usize = 50_000;

/// An entry with the fields that are of interest.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Microseconds since 1970.
    pub realtime: u64,
    /// `SYSLOG_IDENTIFIER`.
    pub identifier: String,
    /// `MESSAGE`.
    pub message: String,
    /// `_PID`, or what the sender says.
    pub pid: String,
    /// `_UID`: the sender's, by the kernel's word.
    pub uid: Option<u32>,
}

/// What a data object holds.
#[derive(Clone, Debug)]
enum Field {
    Identifier(String),
    Pid(String),
    SyslogPid(String),
    Uid(Option<u32>),
    Message,
    /// Unknown until it is unpacked.
    Packed,
    Other,
}

/// An open journal.
pub struct Journal<'a> {
    pages: Pages<'a>,
    is_compact: bool,
    /// Whether journald ended it; after a loss of power it did not.
    pub is_closed: bool,
    first_array: u64,
    known: HashMap<u64, Field>,
}

impl<'a> Journal<'a> {
    /// Reads the header.
    pub fn open(filesystem: &'a dyn Filesystem, node: Node) -> Result<Self, Fault> {
        let size = filesystem.metadata(&node)?.size;
        let mut pages =
            Pages { filesystem, node, size, pages: HashMap::new(), order: VecDeque::new() };
        let header = pages.read(0, HEADER)?;
        if header.get(..8) != Some(SIGNATURE) {
            return Err(Fault::damaged("no journal file"));
        }
        let flags = u32_at(&header, 12).unwrap_or(0);
        let unknown = flags & !(XZ | LZ4 | KEYED | ZSTD | COMPACT);
        if unknown != 0 {
            return Err(Fault::unsupported(format!("journal with unknown flags {unknown:#x}")));
        }
        let first_array = u64_at(&header, 176).unwrap_or(0);
        let is_closed = header.get(16) != Some(&ONLINE);
        let is_compact = flags & COMPACT != 0;
        Ok(Self { pages, is_compact, is_closed, first_array, known: HashMap::new() })
    }

    /// Hands over each entry whose identifier and message are of interest, with its number from
    /// 1; says how many were damaged.
    pub fn each(
        &mut self,
        is_of_interest: impl Fn(&str, &str) -> bool,
        mut take: impl FnMut(u64, &Entry),
    ) -> Result<u64, Fault> {
        let mut damaged = 0_u64;
        let mut number = 0_u64;
        let mut array = self.first_array;
        let width = if self.is_compact { 4 } else { 8 };
        while array != 0 {
            let Ok((6, _, size)) = self.header(array) else { return Ok(damaged.saturating_add(1)) };
            let next = self.pages.read(array.saturating_add(16), 8)?;
            let count = size.saturating_sub(24).checked_div(width).unwrap_or(0);
            for item in 0..count {
                let at = array.saturating_add(24).saturating_add(item.saturating_mul(width));
                let Ok(offset) = self.offset(at) else {
                    damaged = damaged.saturating_add(1);
                    break;
                };
                if offset == 0 {
                    break;
                }
                number = number.saturating_add(1);
                match self.entry(offset, &is_of_interest) {
                    Ok(Some(entry)) => take(number, &entry),
                    Ok(None) => {}
                    Err(_) => damaged = damaged.saturating_add(1),
                }
            }
            // Arrays are only ever appended, so a link that leads back is damage.
            let next = u64_at(&next, 0).unwrap_or(0);
            if next != 0 && next <= array {
                return Ok(damaged.saturating_add(1));
            }
            array = next;
        }
        Ok(damaged)
    }

    /// Type, flags and size of an object.
    fn header(&mut self, offset: u64) -> Result<(u8, u8, u64), Fault> {
        let bytes = self.pages.read(offset, 16)?;
        match (bytes.first(), bytes.get(1), u64_at(&bytes, 8)) {
            (Some(kind), Some(flags), Some(size)) if size >= 16 => Ok((*kind, *flags, size)),
            _ => Err(Fault::damaged(format!("journal object at {offset}"))),
        }
    }

    /// An offset as arrays and entries hold it.
    fn offset(&mut self, at: u64) -> Result<u64, Fault> {
        let bytes = self.pages.read(at, if self.is_compact { 4 } else { 8 })?;
        let offset = match self.is_compact {
            true => u32_at(&bytes, 0).map(u64::from),
            false => u64_at(&bytes, 0),
        };
        offset.ok_or_else(|| Fault::damaged(format!("journal offset at {at}")))
    }

    fn entry(
        &mut self,
        offset: u64,
        is_of_interest: &impl Fn(&str, &str) -> bool,
    ) -> Result<Option<Entry>, Fault> {
        let (3, _, size) = self.header(offset)? else {
            return Err(Fault::damaged(format!("journal entry at {offset}")));
        };
        let fixed = self.pages.read(offset, 64)?;
        let width: u64 = if self.is_compact { 4 } else { 16 };
        let count = size.saturating_sub(64).checked_div(width).unwrap_or(0).min(MAX_FIELDS);
        let mut entry = Entry { realtime: u64_at(&fixed, 24).unwrap_or(0), ..Entry::default() };
        let mut messages = Vec::new();
        for item in 0..count {
            let at = offset.saturating_add(64).saturating_add(item.saturating_mul(width));
            let data = self.offset(at)?;
            match self.field(data)? {
                Field::Identifier(text) => entry.identifier = text,
                Field::Pid(text) => entry.pid = text,
                Field::SyslogPid(text) if entry.pid.is_empty() => entry.pid = text,
                Field::Uid(uid) => entry.uid = uid,
                Field::Message | Field::Packed => messages.push(data),
                Field::SyslogPid(_) | Field::Other => {}
            }
        }
        if entry.identifier.is_empty() {
            return Ok(None);
        }
        // Most are told by their identifier alone, before the message is read.
        let by_python = entry.identifier.contains("python");
        if !by_python && !is_of_interest(&entry.identifier, "") {
            return Ok(None);
        }
        for data in messages {
            let payload = self.payload(data, MAX_MESSAGE)?;
            if let Some(text) = payload.strip_prefix(b"MESSAGE=") {
                entry.message = String::from_utf8_lossy(text).into_owned();
            }
        }
        Ok(is_of_interest(&entry.identifier, &entry.message).then_some(entry))
    }

    fn field(&mut self, offset: u64) -> Result<Field, Fault> {
        if let Some(field) = self.known.get(&offset) {
            return Ok(field.clone());
        }
        let (_, flags, _) = self.header(offset)?;
        let field = if flags & 7 != 0 {
            Field::Packed
        } else {
            let payload = self.payload(offset, 128)?;
            let text = |name: &[u8]| {
                payload.strip_prefix(name).map(|rest| String::from_utf8_lossy(rest).into_owned())
            };
            if payload.starts_with(b"MESSAGE=") {
                Field::Message
            } else if let Some(text) = text(b"SYSLOG_IDENTIFIER=") {
                Field::Identifier(text)
            } else if let Some(text) = text(b"_PID=") {
                Field::Pid(text)
            } else if let Some(text) = text(b"SYSLOG_PID=") {
                Field::SyslogPid(text)
            } else if let Some(text) = text(b"_UID=") {
                Field::Uid(text.parse().ok())
            } else {
                Field::Other
            }
        };
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(offset, field.clone());
        Ok(field)
    }

    /// The payload of a data object, unpacked, at most `limit` bytes of it.
    fn payload(&mut self, offset: u64, limit: usize) -> Result<Vec<u8>, Fault> {
        let (1, flags, size) = self.header(offset)? else {
            return Err(Fault::damaged(format!("journal data at {offset}")));
        };
        let start = if self.is_compact { 72 } else { 64 };
        let length = usize::try_from(size.saturating_sub(start)).unwrap_or(usize::MAX);
        let at = offset.saturating_add(start);
        if flags & 7 == 0 {
            return self.pages.read(at, length.min(limit));
        }
        if length > MAX_PACKED {
            return Err(Fault::limit(format!("journal data of {length} packed bytes")));
        }
        let packed = self.pages.read(at, length)?;
        let mut bytes = unpack(&packed, flags)?;
        bytes.truncate(limit);
        Ok(bytes)
    }
}

/// Unpacks by the object's flag: 1 xz, 2 lz4 (the size before a block), 4 zstd.
fn unpack(packed: &[u8], flags: u8) -> Result<Vec<u8>, Fault> {
    let damaged = |error: &dyn std::fmt::Display| Fault::damaged(format!("journal data: {error}"));
    let limit = u64::try_from(MAX_PACKED).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    match flags & 7 {
        1 => {
            let stream = liblzma::stream::Stream::new_stream_decoder(64 << 20, 0)
                .map_err(|error| damaged(&error))?;
            let mut decoder = liblzma::read::XzDecoder::new_stream(packed, stream).take(limit);
            decoder.read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
        }
        2 => {
            let size = u64_at(packed, 0).and_then(|size| usize::try_from(size).ok());
            let (Some(size), Some(block)) = (size, packed.get(8..)) else {
                return Err(Fault::damaged("journal data: lz4 without a size"));
            };
            if size > MAX_PACKED {
                return Err(Fault::limit(format!("journal data of {size} bytes")));
            }
            bytes = lz4_flex::block::decompress(block, size).map_err(|error| damaged(&error))?;
        }
        4 => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)
                .map_err(|error| damaged(&error))?;
            decoder.window_log_max(23).map_err(|error| damaged(&error))?;
            decoder.take(limit).read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
        }
        _ => return Err(Fault::unsupported("journal data of two compressions")),
    }
    Ok(bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// The file in pages, the last used ones in memory.
struct Pages<'a> {
    filesystem: &'a dyn Filesystem,
    node: Node,
    size: u64,
    pages: HashMap<u64, Vec<u8>>,
    order: VecDeque<u64>,
}

impl Pages<'_> {
    /// Exactly these bytes; past the end is damage.
    fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let end = offset.checked_add(u64::try_from(length).unwrap_or(u64::MAX));
        if end.is_none_or(|end| end > self.size) {
            return Err(Fault::damaged(format!(
                "journal: {length} bytes at {offset} of {}",
                self.size
            )));
        }
        let page_size = u64::try_from(PAGE).unwrap_or(1);
        let mut bytes = Vec::with_capacity(length);
        let mut at = offset;
        while bytes.len() < length {
            let number = at.div_euclid(page_size);
            let start = usize::try_from(at.rem_euclid(page_size)).unwrap_or(0);
            let rest = length.saturating_sub(bytes.len());
            let page = self.page(number)?;
            let end = start.saturating_add(rest).min(page.len());
            let Some(part) = page.get(start..end).filter(|part| !part.is_empty()) else {
                return Err(Fault::damaged(format!("journal: nothing at {at}")));
            };
            bytes.extend_from_slice(part);
            at = at.saturating_add(u64::try_from(part.len()).unwrap_or(0));
        }
        Ok(bytes)
    }

    fn page(&mut self, number: u64) -> Result<&[u8], Fault> {
        if !self.pages.contains_key(&number) {
            let mut page = vec![0; PAGE];
            let start = number.saturating_mul(u64::try_from(PAGE).unwrap_or(1));
            let mut length = 0_usize;
            while let Some(rest) = page.get_mut(length..).filter(|rest| !rest.is_empty()) {
                let at = start.saturating_add(u64::try_from(length).unwrap_or(0));
                let count = self.filesystem.read_at(&self.node, at, rest)?;
                if count == 0 {
                    break;
                }
                length = length.saturating_add(count);
            }
            page.truncate(length);
            if self.pages.len() >= PAGES
                && let Some(oldest) = self.order.pop_front()
            {
                self.pages.remove(&oldest);
            }
            self.order.push_back(number);
            self.pages.insert(number, page);
        }
        Ok(self.pages.get(&number).map(Vec::as_slice).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;
    use crate::filesystem::resolve::{LastLink, resolve};
    use crate::model::TreePath;

    /// A journal of one entry array, in either form; fields may be packed.
    fn journal(entries: &[&[(u8, &[u8])]], is_compact: bool) -> Vec<u8> {
        let mut file = vec![0; 256];
        file[..8].copy_from_slice(SIGNATURE);
        file[12] = if is_compact { 16 } else { 0 };
        let object = |file: &mut Vec<u8>, kind: u8, flags: u8, body: &[u8]| {
            file.resize(file.len().next_multiple_of(8), 0);
            let offset = file.len() as u64;
            file.extend([kind, flags, 0, 0, 0, 0, 0, 0]);
            file.extend((16 + body.len() as u64).to_le_bytes());
            file.extend(body);
            offset
        };
        let mut offsets = Vec::new();
        for (number, fields) in entries.iter().enumerate() {
            let mut body = vec![0; 48];
            body[8..16].copy_from_slice(&(1_000_000 * (number as u64 + 1)).to_le_bytes());
            for (flags, payload) in *fields {
                let mut data = vec![0; if is_compact { 56 } else { 48 }];
                data.extend(*payload);
                let offset = object(&mut file, 1, *flags, &data);
                if is_compact {
                    body.extend(u32::try_from(offset).unwrap().to_le_bytes());
                } else {
                    body.extend(offset.to_le_bytes());
                    body.extend([0; 8]);
                }
            }
            offsets.push(object(&mut file, 3, 0, &body));
        }
        let mut array = vec![0; 8];
        for offset in offsets {
            match is_compact {
                true => array.extend(u32::try_from(offset).unwrap().to_le_bytes()),
                false => array.extend(offset.to_le_bytes()),
            }
        }
        array.extend([0; 16]);
        let array = object(&mut file, 6, 0, &array);
        file[176..184].copy_from_slice(&array.to_le_bytes());
        file
    }

    fn read(file: &[u8]) -> Result<(Vec<String>, u64), Fault> {
        let mut tree = MemoryFilesystem::new();
        tree.file("/j", file);
        let found = resolve(&tree, &TreePath::parse("/j"), LastLink::Follow)?.unwrap();
        let mut journal = Journal::open(&tree, found.node)?;
        let mut shown = Vec::new();
        let damaged = journal.each(
            |tag, _| tag == "sshd",
            |number, entry| {
                let Entry { realtime, message, pid, uid, .. } = entry;
                shown.push(format!("{number} {realtime} {pid} {uid:?} {message}"));
            },
        )?;
        Ok((shown, damaged))
    }

    #[test]
    fn entries_in_both_forms_and_all_compressions() {
        let message = b"MESSAGE=hello hello hello hello";
        let zstd = zstd::encode_all(&message[..], 1).unwrap();
        let mut lz4 = (message.len() as u64).to_le_bytes().to_vec();
        lz4.extend(lz4_flex::block::compress(message));
        let mut xz = Vec::new();
        liblzma::read::XzEncoder::new(&message[..], 1).read_to_end(&mut xz).unwrap();
        let tag: (u8, &[u8]) = (0, b"SYSLOG_IDENTIFIER=sshd");
        let pid: (u8, &[u8]) = (0, b"_PID=7");
        let uid: (u8, &[u8]) = (0, b"_UID=0");
        for is_compact in [false, true] {
            let file = journal(
                &[
                    &[tag, pid, uid, (0, message)],
                    &[(0, b"SYSLOG_IDENTIFIER=other"), (0, message)],
                    &[tag, (4, &zstd)],
                    &[tag, (2, &lz4)],
                    &[tag, (1, &xz)],
                ],
                is_compact,
            );
            let text = "hello hello hello hello";
            let expected = [
                format!("1 1000000 7 Some(0) {text}"),
                format!("3 3000000  None {text}"),
                format!("4 4000000  None {text}"),
                format!("5 5000000  None {text}"),
            ];
            assert_eq!(read(&file).unwrap(), (expected.to_vec(), 0));
        }
    }

    #[test]
    fn damage_is_a_part_of_the_file() {
        let tag: (u8, &[u8]) = (0, b"SYSLOG_IDENTIFIER=sshd");
        let file = journal(&[&[tag, (0, b"MESSAGE=a")], &[tag, (4, b"no zstd")]], false);
        let (shown, damaged) = read(&file).unwrap();
        assert_eq!((shown.len(), damaged), (1, 1));
        assert!(read(b"LPKSHHRH").is_err());
        assert!(read(&[0; 300]).is_err());
        for at in 0..file.len() {
            let mut other = file.clone();
            other[at] ^= 0xff;
            let _ = read(&other);
            let _ = read(&file[..at]);
        }
    }
}
