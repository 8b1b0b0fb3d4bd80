//! Where the parts of an executable lie: ELF (32 and 64 bits, both byte orders), PE and Mach-O.
//!
//! Only the tables that name sections and load segments are read, a few hundred bytes of each file.
//! Not read: objects that are not linked, fat Mach-O files, sections of ELF beyond 65,279.
//! <https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html>,
//! <https://learn.microsoft.com/windows/win32/debug/pe-format>

use crate::collect::bytes::Bytes;
use crate::model::Fault;

/// A part of the file, and where it lies in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// As written, without padding; empty for segments of ELF.
    pub name: Vec<u8>,
    /// Of the first byte in memory.
    pub address: u64,
    /// Of the first byte in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub size: u64,
    /// Whether it is data that the program may write.
    pub is_data: bool,
}

/// What was found of an executable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// The order of bytes in numbers.
    pub is_big_endian: bool,
    /// Bytes of a pointer, 4 or 8.
    pub pointer: usize,
    /// In the order of the file.
    pub sections: Vec<Part>,
    /// How the file is laid into memory; of PE the same as the sections.
    pub segments: Vec<Part>,
}

impl Object {
    /// The section of that name that has bytes in the file.
    #[must_use]
    pub fn section(&self, name: &[u8]) -> Option<&Part> {
        self.sections.iter().find(|section| section.name == name && section.size > 0)
    }

    /// Where an address in memory lies in the file.
    #[must_use]
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let inside = address.checked_sub(segment.address)?;
            (inside < segment.size).then(|| segment.offset.checked_add(inside))?
        })
    }
}

/// Whether a file that begins like this may be an executable that is read here.
#[must_use]
pub fn is_executable(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF") || head.starts_with(b"MZ") || mach_o(head).is_some()
}

/// Bytes of a table of sections or segments; the largest real ones have some hundred entries.
const MAX_TABLE: u64 = 4 * 1024 * 1024;

/// Bytes of the names of sections.
const MAX_NAMES: u64 = 1024 * 1024;

/// Covers the fixed header of each format.
const HEAD: u64 = 64;

/// Reads the tables; `None` for what is no executable.
pub fn read(file: &Bytes<'_>) -> Result<Option<Object>, Fault> {
    let head = file.up_to(0, HEAD)?;
    if head.starts_with(b"\x7fELF") {
        elf(file, &head)
    } else if head.starts_with(b"MZ") {
        pe(file, &head)
    } else if let Some(form) = mach_o(&head) {
        mach_o_parts(file, form)
    } else {
        Ok(None)
    }
}

/// Numbers of one byte order.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    is_big_endian: bool,
}

impl Numbers {
    /// The number of that many bytes at an offset.
    fn get(self, bytes: &[u8], at: usize, length: usize) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(length)?)?;
        let push = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        Some(match self.is_big_endian {
            true => bytes.iter().fold(0, push),
            false => bytes.iter().rev().fold(0, push),
        })
    }
}

/// `None` as a fault: a header that ends before its fields.
fn whole<T>(read: Option<T>) -> Result<T, Fault> {
    read.ok_or_else(|| Fault::damaged("a header that ends too early"))
}

fn length(number: u64) -> Result<usize, Fault> {
    usize::try_from(number).map_err(Fault::limit)
}

fn table(file: &Bytes<'_>, offset: u64, count: u64, size: u64) -> Result<Vec<u8>, Fault> {
    let length = whole(count.checked_mul(size))?;
    if length > MAX_TABLE {
        return Err(Fault::limit(format!("a table of {length} bytes, more than {MAX_TABLE}")));
    }
    file.exactly(offset, length)
}

/// Until the first NUL.
fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

/// Of linked files: programs and shared objects.
const ELF_TYPES: [u64; 2] = [2, 3];

fn elf(file: &Bytes<'_>, head: &[u8]) -> Result<Option<Object>, Fault> {
    let (Some(class), Some(order)) = (head.get(4), head.get(5)) else { return Ok(None) };
    let (is_64, is_big_endian) = match (class, order) {
        (1 | 2, 1 | 2) => (*class == 2, *order == 2),
        _ => return Ok(None),
    };
    let numbers = Numbers { is_big_endian };
    let word = if is_64 { 8 } else { 4 };
    let half = |at| whole(numbers.get(head, at, 2));
    if !ELF_TYPES.contains(&half(16)?) {
        return Ok(None);
    }
    let at = |wide, narrow| if is_64 { wide } else { narrow };
    let segments_at = whole(numbers.get(head, at(32, 28), word))?;
    let sections_at = whole(numbers.get(head, at(40, 32), word))?;
    let segment_size = length(half(at(54, 42))?)?;
    let segment_count = half(at(56, 44))?;
    let section_size = length(half(at(58, 46))?)?;
    let section_count = half(at(60, 48))?;
    let names_index = half(at(62, 50))?;
    let mut object =
        Object { is_big_endian, pointer: word, sections: Vec::new(), segments: Vec::new() };
    if section_count > 0 && section_size >= at(64, 40) {
        let rows = table(file, sections_at, section_count, section_size as u64)?;
        object.sections = elf_sections(file, numbers, &rows, section_size, names_index, is_64)?;
    }
    if segment_count > 0 && segment_size >= at(56, 32) {
        let rows = table(file, segments_at, segment_count, segment_size as u64)?;
        object.segments = elf_segments(numbers, &rows, segment_size, is_64);
    }
    Ok(Some(object))
}

fn elf_sections(
    file: &Bytes<'_>,
    numbers: Numbers,
    rows: &[u8],
    row: usize,
    names_index: u64,
    is_64: bool,
) -> Result<Vec<Part>, Fault> {
    /// Takes no bytes in the file.
    const NOBITS: u64 = 8;
    let word = if is_64 { 8 } else { 4 };
    let at = |wide, narrow| if is_64 { wide } else { narrow };
    let read = |bytes: &[u8]| -> Option<(u64, u64, Part)> {
        let field = |at| numbers.get(bytes, at, word);
        let flags = field(8)?;
        let part = Part {
            name: Vec::new(),
            address: field(at(16, 12))?,
            offset: field(at(24, 16))?,
            size: field(at(32, 20))?,
            is_data: flags & 1 != 0,
        };
        Some((numbers.get(bytes, 0, 4)?, numbers.get(bytes, 4, 4)?, part))
    };
    let parts: Vec<(u64, u64, Part)> = rows.chunks_exact(row).filter_map(read).collect();
    let names = usize::try_from(names_index).ok().and_then(|index| parts.get(index));
    let Some((_, _, names)) = names else { return Ok(Vec::new()) };
    if names.size > MAX_NAMES {
        return Err(Fault::limit(format!("{} bytes of section names", names.size)));
    }
    let names = file.exactly(names.offset, names.size)?;
    let named = parts.into_iter().filter(|(_, kind, _)| *kind != NOBITS).map(|(name, _, part)| {
        let name = usize::try_from(name).ok().and_then(|at| names.get(at..)).unwrap_or_default();
        Part { name: until_nul(name).to_vec(), ..part }
    });
    Ok(named.collect())
}

fn elf_segments(numbers: Numbers, rows: &[u8], row: usize, is_64: bool) -> Vec<Part> {
    /// Laid into memory.
    const LOAD: u64 = 1;
    const EXECUTE: u64 = 1;
    const WRITE: u64 = 2;
    let word = if is_64 { 8 } else { 4 };
    let at = |wide, narrow| if is_64 { wide } else { narrow };
    let read = |bytes: &[u8]| -> Option<Part> {
        let field = |at| numbers.get(bytes, at, word);
        let flags = numbers.get(bytes, at(4, 24), 4)?;
        (numbers.get(bytes, 0, 4)? == LOAD).then(|| {
            Some(Part {
                name: Vec::new(),
                offset: field(at(8, 4))?,
                address: field(at(16, 8))?,
                size: field(at(32, 16))?,
                is_data: flags & (EXECUTE | WRITE) == WRITE,
            })
        })?
    };
    rows.chunks_exact(row).filter_map(read).collect()
}

fn pe(file: &Bytes<'_>, head: &[u8]) -> Result<Option<Object>, Fault> {
    /// Initialised data, readable, writable.
    const DATA: u64 = 0x40 | 0x4000_0000 | 0x8000_0000;
    const ROW: usize = 40;
    let numbers = Numbers { is_big_endian: false };
    let Some(start) = numbers.get(head, 0x3c, 4) else { return Ok(None) };
    let header = file.up_to(start, 24 + 32)?;
    if !header.starts_with(b"PE\0\0") {
        return Ok(None);
    }
    let count = whole(numbers.get(&header, 6, 2))?;
    let optional = whole(numbers.get(&header, 20, 2))?;
    let (pointer, base) = match numbers.get(&header, 24, 2) {
        Some(0x10b) => (4, numbers.get(&header, 24 + 28, 4)),
        Some(0x20b) => (8, numbers.get(&header, 24 + 24, 8)),
        _ => return Ok(None),
    };
    let base = whole(base)?;
    let rows = table(file, start.saturating_add(24).saturating_add(optional), count, ROW as u64)?;
    let read = |bytes: &[u8]| -> Option<Part> {
        let field = |at| numbers.get(bytes, at, 4);
        Some(Part {
            name: until_nul(bytes.get(..8)?).to_vec(),
            address: base.checked_add(field(12)?)?,
            // On disk it is padded to whole sectors.
            size: field(16)?.min(field(8)?),
            offset: field(20)?,
            is_data: field(36)? & DATA == DATA,
        })
    };
    let sections: Vec<Part> = rows.chunks_exact(ROW).filter_map(read).collect();
    Ok(Some(Object { is_big_endian: false, pointer, segments: sections.clone(), sections }))
}

/// Byte order and width of a Mach-O file that is not a fat one.
fn mach_o(head: &[u8]) -> Option<(Numbers, bool)> {
    let (is_big_endian, is_64) = match head.get(..4)? {
        [0xce, 0xfa, 0xed, 0xfe] => (false, false),
        [0xcf, 0xfa, 0xed, 0xfe] => (false, true),
        [0xfe, 0xed, 0xfa, 0xce] => (true, false),
        [0xfe, 0xed, 0xfa, 0xcf] => (true, true),
        _ => return None,
    };
    Some((Numbers { is_big_endian }, is_64))
}

fn mach_o_parts(
    file: &Bytes<'_>,
    (numbers, is_64): (Numbers, bool),
) -> Result<Option<Object>, Fault> {
    const SEGMENT: u64 = 0x1;
    const SEGMENT_64: u64 = 0x19;
    let head = file.up_to(0, HEAD)?;
    let start = if is_64 { 32 } else { 28 };
    let commands = whole(numbers.get(&head, 20, 4))?;
    let bytes = table(file, start, commands, 1)?;
    let word = if is_64 { 8 } else { 4 };
    let mut object =
        Object { is_big_endian: numbers.is_big_endian, pointer: word, ..Object::default() };
    let mut rest = bytes.as_slice();
    while let (Some(kind), Some(length)) = (numbers.get(rest, 0, 4), numbers.get(rest, 4, 4)) {
        let Some((command, after)) =
            usize::try_from(length).ok().filter(|n| *n >= 8).and_then(|n| rest.split_at_checked(n))
        else {
            break;
        };
        rest = after;
        if kind == if is_64 { SEGMENT_64 } else { SEGMENT } {
            mach_o_segment(numbers, is_64, command, &mut object);
        }
    }
    Ok(Some(object))
}

fn mach_o_segment(numbers: Numbers, is_64: bool, command: &[u8], object: &mut Object) {
    let word = if is_64 { 8 } else { 4 };
    let at = |wide, narrow| if is_64 { wide } else { narrow };
    let segment = || -> Option<Part> {
        let name = until_nul(command.get(8..24)?).to_vec();
        Some(Part {
            is_data: name.starts_with(b"__DATA"),
            name,
            address: numbers.get(command, 24, word)?,
            offset: numbers.get(command, at(40, 32), word)?,
            size: numbers.get(command, at(48, 36), word)?,
        })
    };
    let Some(segment) = segment() else { return };
    let sections = command.get(at(72, 56)..).unwrap_or_default();
    let read = |bytes: &[u8]| -> Option<Part> {
        Some(Part {
            name: until_nul(bytes.get(..16)?).to_vec(),
            address: numbers.get(bytes, 32, word)?,
            size: numbers.get(bytes, at(40, 36), word)?,
            offset: numbers.get(bytes, at(48, 40), 4)?,
            is_data: segment.is_data,
        })
    };
    object.sections.extend(sections.chunks_exact(at(80, 68)).filter_map(read));
    object.segments.push(segment);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Numbers as Writing, mach_o, pe};
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;
    use crate::model::TreePath;

    fn object(bytes: &[u8]) -> Result<Option<Object>, Fault> {
        let mut tree = MemoryFilesystem::new();
        tree.file("/f", bytes);
        read(&Bytes::open(&tree, &TreePath::parse("/f")).unwrap().unwrap())
    }

    #[test]
    fn sections_of_every_format() {
        let check = |bytes: &[u8], name: &str, pointer: usize| {
            assert!(is_executable(bytes));
            let object = object(bytes).unwrap().unwrap();
            let part = object.section(name.as_bytes()).unwrap();
            let start = usize::try_from(part.offset).unwrap();
            assert_eq!(&bytes[start..start + 4], b"data", "{name}");
            assert_eq!((object.pointer, part.size, part.is_data), (pointer, 4, true));
            assert_eq!(object.offset_of(part.address + 3), Some(part.offset + 3));
            assert_eq!(object.offset_of(part.address + 4), None);
        };
        for (is_64, is_big) in [(false, false), (false, true), (true, false), (true, true)] {
            let sections =
                [(".text", 0x1000, b"code!".to_vec()), (".x", 0x40_0000, b"data".to_vec())];
            let bytes = Writing { is_64, is_big }.elf(&sections, true);
            check(&bytes, ".x", if is_64 { 8 } else { 4 });
        }
        check(&pe(0x1_4000_1000, b"data"), ".data", 8);
        check(&mach_o("__x", 0x1_0000_0000, b"data"), "__x", 8);
    }

    #[test]
    fn cut_and_changed_files_end_in_a_fault_or_nothing() {
        let sections = [(".x", 0x1000, b"data".to_vec())];
        let elf = Writing { is_64: true, is_big: false }.elf(&sections, true);
        for bytes in [elf, pe(0x1_4000_1000, b"data"), mach_o("__x", 0x1000, b"data")] {
            for cut in 0..bytes.len().min(0x200) {
                let _ = object(&bytes[..cut]);
                for value in [0, 0x7f, 0xff] {
                    let mut changed = bytes.clone();
                    changed[cut] = value;
                    let _ = object(&changed);
                }
            }
        }
        assert_eq!(object(b"MZ, a text").unwrap(), None);
        assert_eq!(object(b"\x7fELF").unwrap(), None);
    }
}
