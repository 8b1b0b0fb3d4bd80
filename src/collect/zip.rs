//! Members of ZIP archives, for archives that nobody vouches for.
//!
//! Only the directory at the end is read, and of the members those that are asked for, each by its
//! own limit: an archive of gigabytes costs what its directory costs. Stored and deflated members
//! are read (all that Java writes), Zip64 and bytes before the archive (programs that unpack
//! themselves) are understood. Encrypted members and archives of several disks are refused.
//! Checksums of members are not compared: whoever asks reads text that must make sense anyway.
//!
//! Why not a crate (`zip` 9.8 and `rc-zip-sync` 4.4, weighed on the same files): both keep a record
//! of every member, of which a collector asks for one in a thousand, and both read an archive that
//! is stored in another into memory first, where a part of the file does. A shaded jar of 60,000
//! members took 0.5 ms here, 81 ms with `zip`, 626 ms with `rc-zip`; a fat jar with 60 stored
//! libraries 0.4, 4.4 and 9.0 ms, a war with 60 deflated ones 43, 88 and 72 ms. A directory of 1.5
//! million rows with one name took 83 MB here, which [`MAX_DIRECTORY`] bounds, 14 MB with `zip` and
//! 552 MB with `rc-zip`, which bound nothing. `zip` stays the writer of our tests.
//! <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>

use super::bytes::Bytes;
use crate::model::Fault;
use std::borrow::Cow;
use std::io::Read;

/// Bytes of the directory: a million members with names of ordinary length.
const MAX_DIRECTORY: u64 = 96 * 1024 * 1024;

/// Members of one archive that are kept; of what is asked for the largest have some thousand.
const MAX_MEMBERS: usize = 100_000;

/// The end record without its comment, and the longest comment.
const END: u64 = 22;
const MAX_COMMENT: u64 = 65_535;

/// The fixed parts of a directory row and of the header before a member's bytes.
const ROW: usize = 46;
const HEADER: u64 = 30;

/// Where an archive lies: in a file, in a part of one (stored in another archive), in memory.
#[derive(Debug)]
pub enum Source<'a> {
    /// A part of a file.
    File {
        /// The file.
        file: &'a Bytes<'a>,
        /// Of the first byte.
        start: u64,
        /// In bytes.
        size: u64,
    },
    /// What was inflated.
    Memory(Vec<u8>),
}

impl Source<'_> {
    fn size(&self) -> u64 {
        match self {
            Self::File { size, .. } => *size,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// At most `length` bytes, fewer only where the archive ends before.
    fn up_to(&self, offset: u64, length: u64) -> Result<Cow<'_, [u8]>, Fault> {
        let length = length.min(self.size().saturating_sub(offset));
        match self {
            Self::File { file, start, .. } => {
                file.up_to(start.saturating_add(offset), length).map(Cow::Owned)
            }
            Self::Memory(bytes) => {
                let range = usize::try_from(offset).ok().zip(usize::try_from(length).ok());
                let part = range.and_then(|(at, length)| bytes.get(at..at.checked_add(length)?));
                Ok(Cow::Borrowed(part.unwrap_or_default()))
            }
        }
    }

    fn exactly(&self, offset: u64, length: u64) -> Result<Cow<'_, [u8]>, Fault> {
        let bytes = self.up_to(offset, length)?;
        if bytes.len() as u64 == length {
            return Ok(bytes);
        }
        let size = self.size();
        Err(Fault::damaged(format!("{length} bytes at {offset} of an archive of {size}")))
    }
}

/// A member as the directory has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// With `/` between its parts, as written.
    pub name: Vec<u8>,
    /// Inflated; what the directory says, and not yet true.
    pub size: u64,
    packed: u64,
    method: u16,
    is_encrypted: bool,
    /// Of its header in the source.
    offset: u64,
}

/// The members for which `is_wanted` of their names holds, in the order of the directory.
pub fn members(
    source: &Source<'_>,
    is_wanted: impl Fn(&[u8]) -> bool,
) -> Result<Vec<Member>, Fault> {
    let directory = Directory::find(source)?;
    if directory.size > MAX_DIRECTORY {
        let size = directory.size;
        return Err(Fault::limit(format!(
            "a directory of {size} bytes, more than {MAX_DIRECTORY}"
        )));
    }
    let rows = source.exactly(directory.start, directory.size)?;
    let mut rest: &[u8] = &rows;
    let mut members = Vec::new();
    while rest.starts_with(b"PK\x01\x02") {
        let lengths = [28, 30, 32].map(|at| number(rest, at, 2).unwrap_or(0));
        let [name, extra, comment] = lengths.map(|length| usize::try_from(length).unwrap_or(0));
        let damaged = || Fault::damaged("the archive's directory ends within a member");
        let (row, after) = rest.split_at_checked(ROW).ok_or_else(damaged)?;
        let (name, after) = after.split_at_checked(name).ok_or_else(damaged)?;
        let (extra, after) = after.split_at_checked(extra).ok_or_else(damaged)?;
        rest = after.get(comment..).ok_or_else(damaged)?;
        if !is_wanted(name) {
            continue;
        }
        if members.len() >= MAX_MEMBERS {
            return Err(Fault::limit(format!("more than {MAX_MEMBERS} members of interest")));
        }
        members.push(member(row, name, extra, directory.base).ok_or_else(damaged)?);
    }
    Ok(members)
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

fn member(row: &[u8], name: &[u8], extra: &[u8], base: u64) -> Option<Member> {
    // What does not fit into 32 bits is all ones there, and stands in a field of its own.
    const WIDE: u64 = 0xffff_ffff;
    let mut wide = wide_numbers(extra);
    let mut field = |at: usize| -> Option<u64> {
        match number(row, at, 4)? {
            WIDE => wide.next(),
            narrow => Some(narrow),
        }
    };
    let (size, packed) = (field(24)?, field(20)?);
    let offset = field(42)?.checked_add(base)?;
    Some(Member {
        name: name.to_vec(),
        size,
        packed,
        method: u16::try_from(number(row, 10, 2)?).ok()?,
        is_encrypted: number(row, 8, 2)? & 1 != 0,
        offset,
    })
}

/// The numbers of the Zip64 field, in the order in which they are asked for.
fn wide_numbers(mut extra: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let mut found: &[u8] = &[];
    while let (Some(id), Some(length)) = (number(extra, 0, 2), number(extra, 2, 2)) {
        let end = usize::try_from(length).unwrap_or(0).saturating_add(4);
        if id == 1 {
            found = extra.get(4..end).unwrap_or_default();
            break;
        }
        extra = extra.get(end..).unwrap_or_default();
    }
    found.as_chunks().0.iter().copied().map(u64::from_le_bytes)
}

/// Where the directory lies.
#[derive(Clone, Copy, Debug)]
struct Directory {
    start: u64,
    size: u64,
    /// What is to be added to all offsets: bytes before the archive.
    base: u64,
}

impl Directory {
    fn find(source: &Source<'_>) -> Result<Self, Fault> {
        let none = || Fault::damaged("no ZIP archive: it has no directory at its end");
        // Most have no comment.
        for tail in [END, END.saturating_add(MAX_COMMENT)] {
            let start = source.size().saturating_sub(tail);
            let bytes = source.up_to(start, tail)?;
            let is_end = |at: &usize| {
                let end = bytes.get(*at..).unwrap_or_default();
                let comment = number(end, 20, 2).and_then(|length| length.checked_add(END));
                end.starts_with(b"PK\x05\x06") && comment.is_some_and(|l| l <= end.len() as u64)
            };
            if let Some(at) = (0..bytes.len()).rev().find(is_end) {
                let end = bytes.get(at..).unwrap_or_default();
                return Self::of(source, start.saturating_add(at as u64), end).ok_or_else(none)?;
            }
        }
        Err(none())
    }

    fn of(source: &Source<'_>, at: u64, end: &[u8]) -> Option<Result<Self, Fault>> {
        let (size, offset) = (number(end, 12, 4)?, number(end, 16, 4)?);
        let is_wide = [number(end, 10, 2)? == 0xffff, size == 0xffff_ffff, offset == 0xffff_ffff];
        if is_wide.contains(&true)
            && let Some(wide) = Self::wide(source, at)
        {
            return Some(Ok(wide));
        }
        if number(end, 4, 2)? != 0 {
            return Some(Err(Fault::unsupported("an archive of several disks")));
        }
        let start = at.checked_sub(size)?;
        Some(Ok(Self { start, size, base: start.checked_sub(offset)? }))
    }

    /// By the Zip64 records before the end record.
    fn wide(source: &Source<'_>, at: u64) -> Option<Self> {
        const LOCATOR: u64 = 20;
        const RECORD: u64 = 56;
        let locator_at = at.checked_sub(LOCATOR)?;
        let locator = source.exactly(locator_at, LOCATOR).ok()?;
        let said = number(&locator, 8, 8).filter(|_| locator.starts_with(b"PK\x06\x07"))?;
        // Where it says, or right before the locator where bytes stand before the archive.
        let right_before = locator_at.checked_sub(RECORD)?;
        let found = [said, right_before].into_iter().find_map(|at| {
            let record = source.exactly(at, RECORD).ok()?;
            record.starts_with(b"PK\x06\x06").then(|| (at, record.into_owned()))
        });
        let (record_at, record) = found?;
        let (size, offset) = (number(&record, 40, 8)?, number(&record, 48, 8)?);
        let base = record_at.checked_sub(said)?;
        Some(Self { start: offset.checked_add(base)?, size, base })
    }
}

/// The bytes of a member, inflated; more than `limit` is a fault.
pub fn read(source: &Source<'_>, member: &Member, limit: u64) -> Result<Vec<u8>, Fault> {
    let (start, packed) = place(source, member)?;
    let too_long = || {
        let name = crate::model::path::Escaped(&member.name);
        Fault::limit(format!("{name}: more than the {limit} bytes that are read"))
    };
    if member.size > limit || packed > limit {
        return Err(too_long());
    }
    let bytes = source.exactly(start, packed)?;
    match member.method {
        STORED => Ok(bytes.into_owned()),
        DEFLATED => {
            let mut out = Vec::new();
            let inflating = flate2::read::DeflateDecoder::new(&*bytes);
            let mut limited = inflating.take(limit.saturating_add(1));
            let name = crate::model::path::Escaped(&member.name);
            limited.read_to_end(&mut out).map_err(|e| Fault::damaged(format!("{name}: {e}")))?;
            if out.len() as u64 > limit { Err(too_long()) } else { Ok(out) }
        }
        method => Err(Fault::unsupported(format!("compression method {method}"))),
    }
}

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// A member as a source of its own: a part of the file where it is stored in one, else inflated up
/// to `limit`. How many bytes that took in memory is [`Source::Memory`]'s length.
pub fn inside<'a>(
    source: &'a Source<'a>,
    member: &Member,
    limit: u64,
) -> Result<Source<'a>, Fault> {
    if let (Source::File { file, start, .. }, STORED) = (source, member.method) {
        let (offset, size) = place(source, member)?;
        return Ok(Source::File { file, start: start.saturating_add(offset), size });
    }
    read(source, member, limit).map(Source::Memory)
}

/// Where a member's bytes begin, and how many they are as they lie there.
fn place(source: &Source<'_>, member: &Member) -> Result<(u64, u64), Fault> {
    let name = crate::model::path::Escaped(&member.name);
    if member.is_encrypted {
        return Err(Fault::unsupported(format!("{name} is encrypted")));
    }
    let header = source.exactly(member.offset, HEADER)?;
    let (Some(names), Some(extra)) = (number(&header, 26, 2), number(&header, 28, 2)) else {
        return Err(Fault::damaged(format!("{name} has no header")));
    };
    if !header.starts_with(b"PK\x03\x04") {
        return Err(Fault::damaged(format!("{name} has no header at {}", member.offset)));
    }
    let start = member.offset.saturating_add(HEADER).saturating_add(names).saturating_add(extra);
    if start.saturating_add(member.packed) > source.size() {
        return Err(Fault::damaged(format!("{name} ends behind the archive")));
    }
    Ok((start, member.packed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    fn archive(comment: &str, members: &[(&str, &[u8], CompressionMethod)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.set_comment(comment).unwrap();
        for (name, bytes, method) in members {
            let options = SimpleFileOptions::default().compression_method(*method);
            writer.start_file(*name, options.large_file(name.starts_with("large"))).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn whole(bytes: &[u8], limit: u64) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        let source = Source::Memory(bytes.to_vec());
        let one = |member: &Member| {
            let bytes = read(&source, member, limit)?;
            Ok((String::from_utf8_lossy(&member.name).into_owned(), bytes))
        };
        members(&source, |_| true)?.iter().map(one).collect()
    }

    #[test]
    fn members_as_another_program_writes_them() {
        let long = b"0123456789".repeat(1000);
        let members = [
            ("a.txt", b"hello".as_slice(), CompressionMethod::Stored),
            ("large/b", long.as_slice(), CompressionMethod::Deflated),
            ("empty", b"", CompressionMethod::Deflated),
        ];
        let expected: Vec<(String, Vec<u8>)> =
            members.iter().map(|(name, bytes, _)| ((*name).to_owned(), bytes.to_vec())).collect();
        for comment in ["", "a comment PK\u{5}\u{6}"] {
            let bytes = archive(comment, &members);
            assert_eq!(whole(&bytes, 1 << 20).unwrap(), expected);
            // A program before it that unpacks it.
            let prefixed = [b"#!/bin/sh\nexec java -jar $0\n".as_slice(), &bytes].concat();
            assert_eq!(whole(&prefixed, 1 << 20).unwrap(), expected);
        }
        let many: Vec<String> = (0..70_000).map(|number| number.to_string()).collect();
        let many: Vec<(&str, &[u8], CompressionMethod)> =
            many.iter().map(|name| (name.as_str(), &b"x"[..], CompressionMethod::Stored)).collect();
        assert_eq!(whole(&archive("", &many), 9).unwrap().len(), 70_000);
    }

    #[test]
    fn bombs_and_damage() {
        let zeros = vec![0; 1 << 20];
        let bomb = archive("", &[("bomb", &zeros, CompressionMethod::Deflated)]);
        assert!(bomb.len() < 2000);
        let fault = whole(&bomb, 1 << 16).unwrap_err();
        assert_eq!(fault.detail, "bomb: more than the 65536 bytes that are read");
        // The directory lies about the size: what inflates counts.
        let mut lying = bomb.clone();
        let row = lying.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
        lying[row + 24..row + 28].copy_from_slice(&[1, 0, 0, 0]);
        assert!(whole(&lying, 1 << 16).unwrap_err().detail.starts_with("bomb: more than"));
        let plain = archive("", &[("a", b"hello", CompressionMethod::Deflated)]);
        for at in 0..plain.len() {
            let _ = whole(&plain[..at], 1 << 16);
            for value in [0, 0x7f, 0xff] {
                let mut changed = plain.clone();
                changed[at] = value;
                let _ = whole(&changed, 1 << 16);
            }
        }
        assert!(whole(b"no archive", 9).is_err());
    }
}
