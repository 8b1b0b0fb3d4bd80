//! An rpm header: an index of tagged, typed arrays over one block of data.
//!
//! The form that a database stores (without the lead magic of a package file): two big-endian
//! counts, 16 bytes an index entry, the data. Every access is checked against the block; a tag that
//! does not fit is as good as absent, and [`Header::parse`] refuses only what has no index.
//! rpm's `lib/header.c` and the RPM V4 package format.

use crate::model::Fault;

/// `HEADER_DATA_MAX` of rpm.
const MAX_DATA: usize = 256 * 1024 * 1024;

const ENTRY_SIZE: usize = 16;

/// Tags that are read (rpm's `rpmtag.h`).
pub mod tag {
    pub const SIG_PGP: u32 = 259;
    pub const SIG_GPG: u32 = 262;
    pub const DSA_HEADER: u32 = 267;
    pub const RSA_HEADER: u32 = 268;
    pub const OPENPGP: u32 = 278;
    pub const NAME: u32 = 1000;
    pub const VERSION: u32 = 1001;
    pub const RELEASE: u32 = 1002;
    pub const EPOCH: u32 = 1003;
    pub const SUMMARY: u32 = 1004;
    pub const INSTALL_TIME: u32 = 1008;
    pub const VENDOR: u32 = 1011;
    pub const LICENSE: u32 = 1014;
    pub const PACKAGER: u32 = 1015;
    pub const URL: u32 = 1020;
    pub const ARCH: u32 = 1022;
    pub const OLD_FILE_NAMES: u32 = 1027;
    pub const FILE_SIZES: u32 = 1028;
    pub const FILE_STATES: u32 = 1029;
    pub const FILE_MODES: u32 = 1030;
    pub const FILE_DIGESTS: u32 = 1035;
    pub const FILE_LINK_TOS: u32 = 1036;
    pub const FILE_FLAGS: u32 = 1037;
    pub const FILE_USER_NAME: u32 = 1039;
    pub const FILE_GROUP_NAME: u32 = 1040;
    pub const SOURCE_RPM: u32 = 1044;
    pub const FILE_VERIFY_FLAGS: u32 = 1045;
    pub const PROVIDE_NAME: u32 = 1047;
    pub const REQUIRE_FLAGS: u32 = 1048;
    pub const REQUIRE_NAME: u32 = 1049;
    pub const REQUIRE_VERSION: u32 = 1050;
    pub const OBSOLETE_NAME: u32 = 1090;
    pub const DIR_INDEXES: u32 = 1116;
    pub const BASE_NAMES: u32 = 1117;
    pub const DIR_NAMES: u32 = 1118;
    pub const LONG_FILE_SIZES: u32 = 5008;
    pub const FILE_CAPS: u32 = 5010;
    pub const MODULARITY_LABEL: u32 = 5096;
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u32,
    kind: u32,
    offset: usize,
    count: usize,
}

/// A parsed index over borrowed data.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    entries: Vec<Entry>,
    data: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads the index.
    pub fn parse(blob: &'a [u8]) -> Result<Self, Fault> {
        let number = |at: usize| be32(blob, at).and_then(|n| usize::try_from(n).ok());
        let too_short = || Fault::damaged(format!("a header of {} bytes", blob.len()));
        let count = number(0).ok_or_else(too_short)?;
        let length = number(4).ok_or_else(too_short)?;
        if length > MAX_DATA {
            return Err(Fault::limit(format!("a header with {length} bytes of data")));
        }
        let data_start = count.checked_mul(ENTRY_SIZE).and_then(|size| size.checked_add(8));
        let data = data_start
            .and_then(|start| blob.get(start..start.checked_add(length)?))
            .ok_or_else(|| {
                let have = blob.len();
                Fault::damaged(format!(
                    "a header of {count} tags and {length} bytes of data in {have} bytes"
                ))
            })?;
        let entries = (0..count).filter_map(|index| {
            let at = index.checked_mul(ENTRY_SIZE)?.checked_add(8)?;
            Some(Entry {
                tag: be32(blob, at)?,
                kind: be32(blob, at.checked_add(4)?)?,
                offset: number(at.checked_add(8)?)?,
                count: number(at.checked_add(12)?)?,
            })
        });
        Ok(Self { entries: entries.collect(), data })
    }

    /// The last entry of a tag: what was added at installation stands in place of what the
    /// package had.
    fn entry(&self, tag: u32) -> Option<(&Entry, &'a [u8])> {
        let entry = self.entries.iter().rev().find(|entry| entry.tag == tag)?;
        Some((entry, self.data.get(entry.offset..)?))
    }

    /// The bytes of an array of numbers `size` bytes wide.
    fn numbers(&self, tag: u32, kind: u32, size: usize) -> Option<&'a [u8]> {
        let (entry, data) = self.entry(tag)?;
        let length = entry.count.checked_mul(size)?;
        (entry.kind == kind).then(|| data.get(..length)).flatten()
    }

    /// An array of 16-bit numbers; empty where absent.
    #[must_use]
    pub fn u16s(&self, tag: u32) -> Vec<u16> {
        let chunks = self.numbers(tag, 3, 2).unwrap_or_default().as_chunks().0;
        chunks.iter().map(|chunk| u16::from_be_bytes(*chunk)).collect()
    }

    /// An array of 32-bit numbers; empty where absent.
    #[must_use]
    pub fn u32s(&self, tag: u32) -> Vec<u32> {
        let chunks = self.numbers(tag, 4, 4).unwrap_or_default().as_chunks().0;
        chunks.iter().map(|chunk| u32::from_be_bytes(*chunk)).collect()
    }

    /// An array of 64-bit numbers; empty where absent.
    #[must_use]
    pub fn u64s(&self, tag: u32) -> Vec<u64> {
        let chunks = self.numbers(tag, 5, 8).unwrap_or_default().as_chunks().0;
        chunks.iter().map(|chunk| u64::from_be_bytes(*chunk)).collect()
    }

    /// A block of bytes, or an array of characters.
    #[must_use]
    pub fn bytes(&self, tag: u32) -> Option<&'a [u8]> {
        [7, 1, 2].into_iter().find_map(|kind| self.numbers(tag, kind, 1))
    }

    /// A string; the first one of an array or of translations.
    #[must_use]
    pub fn string(&self, tag: u32) -> Option<&'a [u8]> {
        let (entry, data) = self.entry(tag)?;
        matches!(entry.kind, 6 | 8 | 9).then(|| terminated(data)).flatten().map(|(text, _)| text)
    }

    /// An array of strings; empty where absent or where it runs out of the data.
    #[must_use]
    pub fn strings(&self, tag: u32) -> Vec<&'a [u8]> {
        let Some((entry, mut data)) = self.entry(tag) else { return Vec::new() };
        // Each takes a byte at least.
        if !matches!(entry.kind, 6 | 8 | 9) || entry.count > data.len() {
            return Vec::new();
        }
        let mut strings = Vec::with_capacity(entry.count);
        for _ in 0..entry.count {
            let Some((text, rest)) = terminated(data) else { return Vec::new() };
            strings.push(text);
            data = rest;
        }
        strings
    }
}

/// Splits at the first NUL.
fn terminated(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|b| *b == 0)?;
    Some((data.get(..end)?, data.get(end.checked_add(1)?..)?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_be_bytes(*chunk))
}

/// Puts headers together for tests.
#[cfg(test)]
pub mod testing {
    /// One tag: number, type, count, data.
    pub type Tag<'a> = (u32, u32, u32, &'a [u8]);

    /// A header blob with these tags.
    pub fn blob(tags: &[Tag<'_>]) -> Vec<u8> {
        let mut index = Vec::new();
        let mut data = Vec::new();
        for (tag, kind, count, bytes) in tags {
            for number in [*tag, *kind, u32::try_from(data.len()).unwrap(), *count] {
                index.extend(number.to_be_bytes());
            }
            data.extend_from_slice(bytes);
        }
        let count = u32::try_from(tags.len()).unwrap();
        let length = u32::try_from(data.len()).unwrap();
        [&count.to_be_bytes()[..], &length.to_be_bytes(), &index, &data].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_arrays() {
        let blob = testing::blob(&[
            (tag::NAME, 6, 1, b"old\0"),
            (tag::BASE_NAMES, 8, 2, b"a\0bc\0"),
            (tag::FILE_MODES, 3, 2, &[0x81, 0xa4, 0x41, 0xed]),
            (tag::EPOCH, 4, 1, &[0, 0, 1, 2]),
            (tag::LONG_FILE_SIZES, 5, 1, &[0, 0, 0, 1, 0, 0, 0, 0]),
            (tag::RSA_HEADER, 7, 2, &[9, 8]),
            (tag::NAME, 6, 1, b"new\0"),
        ]);
        let header = Header::parse(&blob).unwrap();
        assert_eq!(header.string(tag::NAME), Some(b"new".as_slice()));
        assert_eq!(header.strings(tag::BASE_NAMES), [b"a".as_slice(), b"bc"]);
        assert_eq!(header.u16s(tag::FILE_MODES), [0o100_644, 0o040_755]);
        assert_eq!(header.u32s(tag::EPOCH), [258]);
        assert_eq!(header.u64s(tag::LONG_FILE_SIZES), [1 << 32]);
        assert_eq!(header.bytes(tag::RSA_HEADER), Some([9, 8].as_slice()));
        assert!(header.u32s(tag::FILE_MODES).is_empty());
        assert_eq!(header.string(tag::VENDOR), None);
    }

    #[test]
    fn what_does_not_fit_is_absent() {
        let check = |tags: &[testing::Tag<'_>]| {
            let blob = testing::blob(tags);
            let header = Header::parse(&blob).unwrap();
            assert!(header.strings(tag::NAME).is_empty());
            assert!(header.u32s(tag::NAME).is_empty());
        };
        check(&[(tag::NAME, 8, 3, b"a\0b\0")]);
        check(&[(tag::NAME, 8, u32::MAX, b"a\0")]);
        check(&[(tag::NAME, 4, u32::MAX, b"abcd")]);
        check(&[(tag::NAME, 6, 1, b"endless")]);
        assert!(Header::parse(b"").is_err());
        assert!(Header::parse(&[0xff; 64]).is_err());
        assert!(Header::parse(&[0, 0, 0, 1, 0, 0, 0, 0, 0]).is_err());
    }
}
