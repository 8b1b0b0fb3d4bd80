//! The Berkeley DB hash that rpm kept its packages in up to RHEL 8: `Packages`.
//!
//! In either byte order. Every page of the hash is visited in the order of the file rather than by
//! bucket: all pairs are wanted, and a page that is damaged costs its own pairs only. Headers
//! mostly lie in chains of overflow pages. Berkeley DB's `dbinc/db_page.h`, versions 8 to 10 of
//! the hash. Databases with page checksums or encryption, which rpm never made, are refused.

use crate::model::Fault;
use std::borrow::Cow;

const HASH_MAGIC: u32 = 0x0006_1561;
const META_PAGE: u8 = 8;
/// Sorted and unsorted pages of pairs.
const HASH_PAGES: [u8; 2] = [13, 2];
const OVERFLOW_PAGE: u8 = 7;
const PAGE_HEADER: usize = 26;
const ON_PAGE: u8 = 1;
const OFF_PAGE: u8 = 3;

/// Of one value: `HEADER_DATA_MAX` of rpm, with its index.
const MAX_VALUE: usize = 264 * 1024 * 1024;

/// How many faults are told one by one: a file of noise has thousands.
const MAX_FAULTS: usize = 50;

/// Values, and what is damaged beside them.
pub type Blobs<'a> = (Vec<Cow<'a, [u8]>>, Vec<Fault>);

/// The header blobs of all packages.
pub fn blobs(file: &[u8]) -> Result<Blobs<'_>, Fault> {
    let database = Database::open(file)?;
    let mut blobs = Vec::new();
    let mut faults = Vec::new();
    // All chains together cannot hold more than the file, unless they share pages.
    let mut budget = file.len();
    for number in 1..database.pages {
        let Some(page) = database.page(number) else { break };
        if !HASH_PAGES.contains(&page.kind) {
            continue;
        }
        for pair in 0..page.entries / 2 {
            match database.pair(&page, pair, &mut budget) {
                Ok(Some(blob)) => blobs.push(blob),
                Ok(None) => {}
                Err(_) if faults.len() >= MAX_FAULTS => {}
                Err(fault) => faults.push(fault.within(format!("page {number}, pair {pair}"))),
            }
        }
    }
    Ok((blobs, faults))
}

struct Database<'a> {
    file: &'a [u8],
    is_big_endian: bool,
    page_size: usize,
    pages: usize,
}

struct Page<'a> {
    bytes: &'a [u8],
    next: usize,
    entries: usize,
    /// Bytes of an overflow page that are used.
    used: usize,
    kind: u8,
}

impl<'a> Database<'a> {
    fn open(file: &'a [u8]) -> Result<Self, Fault> {
        let is_big_endian = match file.get(12..16) {
            Some(magic) if magic == HASH_MAGIC.to_le_bytes() => false,
            Some(magic) if magic == HASH_MAGIC.to_be_bytes() => true,
            _ => return Err(Fault::damaged("no Berkeley DB hash")),
        };
        let mut database = Self { file, is_big_endian, page_size: 0, pages: 0 };
        let version = database.u32(file, 16).unwrap_or_default();
        if !(8..=10).contains(&version) {
            return Err(Fault::unsupported(format!("Berkeley DB hash version {version}")));
        }
        if file.get(25) != Some(&META_PAGE) {
            return Err(Fault::damaged("the first page is no hash's"));
        }
        if file.get(24) != Some(&0) || file.get(26).is_none_or(|flags| flags & 1 != 0) {
            return Err(Fault::unsupported("a Berkeley DB with encryption or checksums"));
        }
        let page_size = database.u32(file, 20).unwrap_or_default();
        if !(512..=65536).contains(&page_size) || !page_size.is_power_of_two() {
            return Err(Fault::damaged(format!("pages of {page_size} bytes")));
        }
        database.page_size = usize::try_from(page_size).unwrap_or(usize::MAX);
        database.pages = file.len().checked_div(database.page_size).unwrap_or_default();
        Ok(database)
    }

    fn u16(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let chunk = *bytes.get(at..)?.first_chunk()?;
        let decode = if self.is_big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
        Some(decode(chunk).into())
    }

    fn u32(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let chunk = *bytes.get(at..)?.first_chunk()?;
        let decode = if self.is_big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        Some(decode(chunk))
    }

    fn size(&self, bytes: &[u8], at: usize) -> Option<usize> {
        self.u32(bytes, at).and_then(|number| usize::try_from(number).ok())
    }

    fn page(&self, number: usize) -> Option<Page<'a>> {
        let start = number.checked_mul(self.page_size)?;
        let bytes = self.file.get(start..start.checked_add(self.page_size)?)?;
        Some(Page {
            bytes,
            next: self.size(bytes, 16)?,
            entries: self.u16(bytes, 20)?,
            used: self.u16(bytes, 22)?,
            kind: *bytes.get(25)?,
        })
    }

    /// The value of a pair; `None` for rpm's counter, which has the key 0.
    fn pair(
        &self,
        page: &Page<'a>,
        pair: usize,
        budget: &mut usize,
    ) -> Result<Option<Cow<'a, [u8]>>, Fault> {
        let outside = || Fault::damaged("an item outside of its page");
        let key_index = pair.saturating_mul(2);
        let key = self.item(page, key_index).ok_or_else(outside)?;
        let value = self.item(page, key_index.saturating_add(1)).ok_or_else(outside)?;
        if let Some((&ON_PAGE, key)) = key.split_first()
            && key.iter().all(|b| *b == 0)
        {
            return Ok(None);
        }
        match value.split_first() {
            Some((&ON_PAGE, value)) => Ok(Some(value.into())),
            Some((&OFF_PAGE, _)) => {
                let first = self.size(value, 4).ok_or_else(outside)?;
                let length = self.size(value, 8).ok_or_else(outside)?;
                self.chain(first, length, budget).map(|value| Some(value.into()))
            }
            kind => Err(Fault::damaged(format!("an item of type {:?}", kind.map(|k| k.0)))),
        }
    }

    /// Items lie from the end of the page downwards, each up to where the one before it starts.
    fn item(&self, page: &Page<'a>, index: usize) -> Option<&'a [u8]> {
        let offset =
            |index: usize| self.u16(page.bytes, index.checked_mul(2)?.checked_add(PAGE_HEADER)?);
        let start = offset(index)?;
        let end = match index.checked_sub(1) {
            Some(before) => offset(before)?,
            None => self.page_size,
        };
        page.bytes.get(start..end).filter(|item| !item.is_empty())
    }

    fn chain(&self, first: usize, length: usize, budget: &mut usize) -> Result<Vec<u8>, Fault> {
        if length > MAX_VALUE || length > *budget {
            return Err(Fault::damaged(format!("a value of {length} bytes")));
        }
        let mut value = Vec::with_capacity(length);
        let mut number = first;
        while value.len() < length {
            let page = self.page(number).filter(|page| page.kind == OVERFLOW_PAGE);
            let data = page
                .as_ref()
                .and_then(|page| page.bytes.get(PAGE_HEADER..PAGE_HEADER.checked_add(page.used)?));
            let (Some(page), Some(data)) = (&page, data.filter(|data| !data.is_empty())) else {
                let have = value.len();
                return Err(Fault::damaged(format!(
                    "page {number} does not go on with a value of {length} bytes after {have}"
                )));
            };
            let wanted = length.saturating_sub(value.len()).min(data.len());
            value.extend_from_slice(data.get(..wanted).unwrap_or_default());
            number = page.next;
        }
        *budget = budget.saturating_sub(length);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::arithmetic_side_effects, reason = "a test may fail loudly")]

    use super::*;

    const PAGE: usize = 512;

    /// Page 1 holds the counter, a pair on the page and one in a chain over pages 2 and 3.
    fn sample(is_big_endian: bool) -> Vec<u8> {
        let n16 = |n: u16| if is_big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
        let n32 = |n: u32| if is_big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
        let mut file = vec![0; PAGE * 4];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(12, &n32(HASH_MAGIC));
        put(16, &n32(9));
        put(20, &n32(512));
        put(25, &[META_PAGE]);
        let items: [&[u8]; 6] = [
            &[ON_PAGE, 0, 0, 0, 0],
            &[ON_PAGE, 9, 0, 0, 0],
            &[ON_PAGE, 1, 0, 0, 0],
            b"\x01small",
            &[ON_PAGE, 2, 0, 0, 0],
            &[&[OFF_PAGE, 0, 0, 0][..], &n32(2), &n32(490)].concat(),
        ];
        let mut end = PAGE;
        for (index, item) in items.iter().enumerate() {
            end -= item.len();
            put(PAGE + end, item);
            put(PAGE + PAGE_HEADER + index * 2, &n16(u16::try_from(end).unwrap()));
        }
        put(PAGE + 20, &n16(6));
        put(PAGE + 25, &[13]);
        for (page, next, used) in [(2, 3, 486_u16), (3, 0, 4)] {
            put(PAGE * page + 16, &n32(next));
            put(PAGE * page + 22, &n16(used));
            put(PAGE * page + 25, &[OVERFLOW_PAGE]);
            put(PAGE * page + PAGE_HEADER, &vec![b'x'; usize::from(used)]);
        }
        file
    }

    #[test]
    fn both_byte_orders() {
        for is_big_endian in [false, true] {
            let file = sample(is_big_endian);
            let (seen, faults) = blobs(&file).unwrap();
            let lengths: Vec<usize> = seen.iter().map(|blob| blob.len()).collect();
            assert_eq!((lengths.as_slice(), faults.len()), ([5, 490].as_slice(), 0));
            assert_eq!(seen[0].as_ref(), b"small");
        }
    }

    #[test]
    fn damage_stays_local() {
        let check = |change: fn(&mut Vec<u8>), expected: usize, damaged: usize| {
            let mut file = sample(false);
            change(&mut file);
            let (seen, faults) = blobs(&file).unwrap();
            assert_eq!((seen.len(), faults.len()), (expected, damaged));
        };
        check(|file| file[PAGE * 2 + 16] = 2, 2, 0);
        check(|file| file[PAGE * 2 + 16] = 1, 1, 1);
        check(|file| file[PAGE * 3 + 22] = 0, 1, 1);
        check(|file| file.truncate(PAGE * 3), 1, 1);
        check(|file| file[PAGE + 20] = 255, 2, MAX_FAULTS);
        check(|file| file[PAGE + 25] = 0, 0, 0);
    }

    #[test]
    fn other_files_are_refused() {
        let check = |change: fn(&mut Vec<u8>)| {
            let mut file = sample(false);
            change(&mut file);
            assert!(blobs(&file).is_err());
        };
        check(Vec::clear);
        check(|file| file[12] = 0);
        check(|file| file[16] = 7);
        check(|file| file[20] = 1);
        check(|file| file[24] = 1);
        check(|file| file[26] = 1);
    }
}
