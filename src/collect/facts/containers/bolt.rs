//! bbolt databases, as containerd keeps its metadata in: as much as finds keys and walks buckets.
//!
//! Format: go.etcd.io/bbolt, version 2. Two meta pages, of which the valid one with the higher
//! transaction counts; B+ trees of branch and leaf pages; a bucket is a leaf element whose value
//! names its root page, or holds that page itself where it is small. Numbers are in the byte order
//! of the machine that wrote them; little-endian ones are read. Nothing is written.

use crate::model::Fault;

const MAGIC: u32 = 0xed0c_daed;
const VERSION: u32 = 2;
const HEADER: usize = 16;

const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;

/// Of a leaf element that is a bucket.
const IS_BUCKET: u32 = 0x01;

/// Page sizes are those of machines: 4 KiB to 64 KiB.
const PAGE_SIZES: [usize; 5] = [4096, 8192, 16384, 32768, 65536];

/// Levels of one tree: with two keys a page already more than a file can hold.
const MAX_DEPTH: usize = 32;

/// Elements that one walk may see, so that pages which name each other end.
const MAX_ELEMENTS: usize = 1_000_000;

/// A database in memory.
#[derive(Clone, Copy, Debug)]
pub struct Database<'a> {
    bytes: &'a [u8],
    page_size: usize,
    root: u64,
}

/// A bucket: keys with values or further buckets.
#[derive(Clone, Copy, Debug)]
pub struct Bucket<'a> {
    database: Database<'a>,
    page: Page<'a>,
}

/// A page with all its overflow.
#[derive(Clone, Copy, Debug)]
struct Page<'a>(&'a [u8]);

/// A key with its flags and value.
type Element<'a> = (u32, &'a [u8], &'a [u8]);

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// FNV-1a of 64 bits, which guards the meta pages.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The meta page at an offset: page size, root page, transaction.
fn meta(bytes: &[u8], at: usize) -> Option<(usize, u64, u64)> {
    let meta = bytes.get(at.checked_add(HEADER)?..)?;
    let guarded = meta.get(..56)?;
    let known = u32_at(meta, 0)? == MAGIC && u32_at(meta, 4)? == VERSION;
    let page_size = usize::try_from(u32_at(meta, 8)?).ok()?;
    let fits = PAGE_SIZES.contains(&page_size) && u64_at(meta, 56)? == fnv(guarded);
    (known && fits).then_some((page_size, u64_at(meta, 16)?, u64_at(meta, 48)?))
}

impl<'a> Database<'a> {
    /// Finds the meta page that counts.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Fault> {
        let offsets = std::iter::once(0).chain(PAGE_SIZES);
        let metas = offsets.filter_map(|at| meta(bytes, at));
        let (page_size, root, _) = metas
            .max_by_key(|(_, _, transaction)| *transaction)
            .ok_or_else(|| Fault::damaged("no valid meta page of bbolt"))?;
        Ok(Self { bytes, page_size, root })
    }

    /// The bucket of all buckets; an unreadable root is an empty page, which the first look finds.
    pub fn root(&self) -> Bucket<'a> {
        let page = self.page(self.root).unwrap_or(Page(&[]));
        Bucket { database: *self, page }
    }

    fn page(&self, number: u64) -> Result<Page<'a>, Fault> {
        let find = || {
            let at = usize::try_from(number).ok()?.checked_mul(self.page_size)?;
            let page = self.bytes.get(at..)?;
            let more = usize::try_from(u32_at(page, 12)?).ok()?;
            let length = more.checked_add(1)?.checked_mul(self.page_size)?;
            (u64_at(page, 0)? == number).then(|| page.get(..length)).flatten()
        };
        find()
            .map(Page)
            .ok_or_else(|| Fault::damaged(format!("page {number} of bbolt is not there")))
    }
}

impl<'a> Bucket<'a> {
    /// The value of a key.
    pub fn value(&self, key: &[u8]) -> Result<Option<&'a [u8]>, Fault> {
        let found = self
            .elements()?
            .into_iter()
            .find(|(flags, own, _)| *own == key && flags & IS_BUCKET == 0);
        Ok(found.map(|(_, _, value)| value))
    }

    /// The bucket under a key.
    pub fn bucket(&self, key: &[u8]) -> Result<Option<Self>, Fault> {
        let found = self
            .elements()?
            .into_iter()
            .find(|(flags, own, _)| *own == key && flags & IS_BUCKET != 0);
        found.map(|(_, _, value)| self.below(value)).transpose()
    }

    /// All buckets in this one.
    pub fn buckets(&self) -> Result<Vec<(&'a [u8], Self)>, Fault> {
        let elements = self.elements()?.into_iter().filter(|(flags, ..)| flags & IS_BUCKET != 0);
        elements.map(|(_, key, value)| Ok((key, self.below(value)?))).collect()
    }

    fn below(&self, value: &'a [u8]) -> Result<Self, Fault> {
        let number =
            u64_at(value, 0).ok_or_else(|| Fault::damaged("a bucket of bbolt is cut off"))?;
        let page = match number {
            // The page follows its header.
            0 => Page(value.get(16..).unwrap_or_default()),
            number => self.database.page(number)?,
        };
        Ok(Self { database: self.database, page })
    }

    /// Everything in the tree of this bucket, in order.
    fn elements(&self) -> Result<Vec<Element<'a>>, Fault> {
        let mut found = Vec::new();
        let mut pending = vec![(self.page, 0_usize)];
        let mut seen = 0_usize;
        while let Some((page, depth)) = pending.pop() {
            let count = page.count();
            seen = seen.saturating_add(count).saturating_add(1);
            if depth > MAX_DEPTH || seen > MAX_ELEMENTS {
                return Err(Fault::limit("a tree of bbolt has no end"));
            }
            let cut_off = || Fault::damaged("an element of bbolt lies out of its page");
            match page.kind() {
                LEAF => {
                    for index in 0..count {
                        found.push(page.leaf(index).ok_or_else(cut_off)?);
                    }
                }
                BRANCH => {
                    for index in (0..count).rev() {
                        let number = page.child(index).ok_or_else(cut_off)?;
                        pending.push((self.database.page(number)?, depth.saturating_add(1)));
                    }
                }
                kind => return Err(Fault::damaged(format!("a page of bbolt of kind {kind}"))),
            }
        }
        Ok(found)
    }
}

impl<'a> Page<'a> {
    fn kind(&self) -> u16 {
        u16_at(self.0, 8).unwrap_or_default()
    }

    fn count(&self) -> usize {
        u16_at(self.0, 10).map_or(0, usize::from)
    }

    /// Where the elements of 16 bytes begin.
    fn element(index: usize) -> Option<usize> {
        index.checked_mul(16)?.checked_add(HEADER)
    }

    fn leaf(&self, index: usize) -> Option<Element<'a>> {
        let at = Self::element(index)?;
        let number = |offset: usize| -> Option<usize> {
            usize::try_from(u32_at(self.0, at.checked_add(offset)?)?).ok()
        };
        let key = at.checked_add(number(4)?)?;
        let value = key.checked_add(number(8)?)?;
        let end = value.checked_add(number(12)?)?;
        Some((u32_at(self.0, at)?, self.0.get(key..value)?, self.0.get(value..end)?))
    }

    fn child(&self, index: usize) -> Option<u64> {
        u64_at(self.0, Self::element(index)?.checked_add(8)?)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A page's header and elements; `flags` of leaves tell buckets.
    fn page(number: u64, kind: u16, elements: &[(u32, &[u8], &[u8])], pad: usize) -> Vec<u8> {
        let mut out = number.to_le_bytes().to_vec();
        out.extend(kind.to_le_bytes());
        out.extend(u16::try_from(elements.len()).unwrap().to_le_bytes());
        out.extend(0_u32.to_le_bytes());
        let mut data = Vec::new();
        for (index, (flags, key, value)) in elements.iter().enumerate() {
            let at =
                elements.len().saturating_sub(index).saturating_mul(16).saturating_add(data.len());
            let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
            if kind == LEAF {
                out.extend(flags.to_le_bytes());
                out.extend(u32::try_from(at).unwrap().to_le_bytes());
                out.extend(length(key));
                out.extend(length(value));
                data.extend_from_slice(key);
                data.extend_from_slice(value);
            } else {
                out.extend(u32::try_from(at).unwrap().to_le_bytes());
                out.extend(length(key));
                out.extend_from_slice(value);
                data.extend_from_slice(key);
            }
        }
        out.extend(data);
        out.resize(pad.max(out.len()), 0);
        out
    }

    fn bucket(root: u64, inline: &[u8]) -> Vec<u8> {
        [&root.to_le_bytes()[..], &[0; 8], inline].concat()
    }

    fn meta_page(number: u64, root: u64, transaction: u64) -> Vec<u8> {
        let mut out = page(number, 4, &[], 0);
        let mut meta = Vec::new();
        meta.extend(MAGIC.to_le_bytes());
        meta.extend(VERSION.to_le_bytes());
        meta.extend(4096_u32.to_le_bytes());
        meta.extend(0_u32.to_le_bytes());
        for value in [root, 0, 0, 9, transaction] {
            meta.extend(value.to_le_bytes());
        }
        let sum = fnv(&meta);
        meta.extend(sum.to_le_bytes());
        out.extend(meta);
        out.resize(4096, 0);
        out
    }

    /// One image of one namespace, with an inline bucket, a branch and a root of an older
    /// transaction that is not there.
    pub(in super::super) fn sample() -> Vec<u8> {
        let target = page(0, LEAF, &[(0, b"digest", b"sha256:q"), (0, b"size", b"\x01")], 0);
        let image =
            page(0, LEAF, &[(0, b"createdat", b"x"), (1, b"target", &bucket(0, &target))], 0);
        let images = page(0, LEAF, &[(1, b"docker.io/y:2", &bucket(0, &image))], 0);
        let namespace = page(5, LEAF, &[(1, b"images", &bucket(0, &images))], 4096);
        let version = page(4, LEAF, &[(1, b"k8s.io", &bucket(5, &[]))], 4096);
        let branch = page(3, BRANCH, &[(0, b"k8s.io", &4_u64.to_le_bytes())], 4096);
        let root = page(2, LEAF, &[(1, b"v1", &bucket(3, &[]))], 4096);
        [meta_page(0, 99, 1), meta_page(1, 2, 2), root, branch, version, namespace].concat()
    }

    #[test]
    fn damage_is_a_fault_and_no_end() {
        let sample = sample();
        let walk = |bytes: &[u8]| -> Result<usize, Fault> {
            let database = Database::open(bytes)?;
            let mut pending = database.root().buckets()?;
            let mut count = 0;
            while let Some((_, bucket)) = pending.pop() {
                count += 1;
                if count > 100 {
                    return Err(Fault::limit("too many"));
                }
                pending.extend(bucket.buckets()?);
            }
            Ok(count)
        };
        assert_eq!(walk(&sample).unwrap(), 5);
        assert!(Database::open(&sample[..70]).is_err());
        assert!(walk(&sample[..4096 * 4]).is_err());
        // A branch that names itself.
        let mut circle = sample.clone();
        circle[3 * 4096 + 24..][..8].copy_from_slice(&3_u64.to_le_bytes());
        assert!(walk(&circle).is_err());
        // Every byte of the pages turned: a result of either kind.
        for at in 4096 * 2..sample.len() {
            if sample[at] != 0 {
                let mut broken = sample.clone();
                broken[at] ^= 0xff;
                let _ = walk(&broken);
            }
        }
    }
}
