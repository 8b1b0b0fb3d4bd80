//! Files with holes: where the bytes of a tar member belong in the file.
//!
//! Specification: the GNU tar manual, "Storing Sparse Files": the old GNU form in the header and
//! blocks after it, the pax forms 0.0 (`GNU.sparse.offset` and `numbytes`, repeated), 0.1
//! (`GNU.sparse.map`) and 1.0 (a list of decimal lines in front of the data).

use super::header::{BLOCK, Block, number};
use super::pax::decimal;
use crate::model::{Fault, path::Escaped};

/// More ranges of data than this in one file are refused: a file of 8 GiB of which every second
/// page is a hole has as many, and reading them takes 60 MB of memory for a while.
const MAX_EXTENTS: usize = 1 << 20;

/// A range of a file that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where in the file.
    pub(super) start: u64,
    /// How many bytes.
    pub(super) length: u64,
    /// Where in the archive.
    pub(super) stored: u64,
}

/// What the records `GNU.sparse.*` of one extended header say.
#[derive(Clone, Debug, Default)]
pub(super) struct PaxSparse {
    /// The member's own name; the header's is made up.
    pub(super) name: Option<Vec<u8>>,
    /// Length with holes.
    pub(super) real_size: Option<u64>,
    major: Option<u64>,
    /// Offsets and lengths in turn, forms 0.0 and 0.1.
    numbers: Vec<u64>,
    has_map: bool,
}

impl PaxSparse {
    /// Takes one record, its keyword without `GNU.sparse.`.
    pub(super) fn take(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), Fault> {
        match keyword {
            b"name" => self.name = (!value.is_empty()).then(|| value.to_vec()),
            b"size" | b"realsize" => self.real_size = decimal(value)?,
            b"major" => self.major = decimal(value)?,
            b"numblocks" => self.has_map = true,
            b"offset" | b"numbytes" => {
                self.has_map = true;
                let expects_offset = self.numbers.len().is_multiple_of(2);
                if expects_offset != (keyword == b"offset") {
                    return Err(Fault::damaged("a sparse map out of order"));
                }
                self.push(value)?;
            }
            b"map" => {
                self.has_map = true;
                self.numbers.clear();
                for part in value.split(|byte| *byte == b',').filter(|part| !part.is_empty()) {
                    self.push(part)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, value: &[u8]) -> Result<(), Fault> {
        let number = decimal(value)?.ok_or_else(|| Fault::damaged("an empty sparse number"))?;
        check_count(self.numbers.len() / 2)?;
        self.numbers.push(number);
        Ok(())
    }

    /// Whether a list of lines in front of the data is the map (form 1.0).
    pub(super) fn map_is_in_data(&self) -> bool {
        self.major == Some(1)
    }

    /// The pairs of forms 0.0 and 0.1; `None` where the member is not sparse.
    pub(super) fn pairs(&self) -> Result<Option<Vec<(u64, u64)>>, Fault> {
        if !self.has_map {
            return Ok(None);
        }
        pairs_of(&self.numbers).map(Some)
    }
}

fn check_count(extents: usize) -> Result<(), Fault> {
    if extents < MAX_EXTENTS {
        return Ok(());
    }
    Err(Fault::limit(format!("a sparse map of more than {MAX_EXTENTS} ranges")))
}

fn pairs_of(numbers: &[u64]) -> Result<Vec<(u64, u64)>, Fault> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Fault::damaged("a sparse map that ends in the middle of a pair"));
    }
    Ok(pairs.iter().map(|[offset, length]| (*offset, *length)).collect())
}

/// Reads the pairs of an old GNU header or of one of the blocks after it; empty ones end the list.
pub(super) fn gnu_pairs(field: &[u8], pairs: &mut Vec<(u64, u64)>) -> Result<(), Fault> {
    let (entries, _) = field.as_chunks::<24>();
    for entry in entries {
        let (offset, length) = entry.split_at(12);
        if offset.first() == Some(&0) && length.first() == Some(&0) {
            break;
        }
        let read = |field| {
            let value = number(field)?;
            u64::try_from(value).map_err(|_| Fault::damaged(format!("sparse number {value}")))
        };
        check_count(pairs.len())?;
        pairs.push((read(offset)?, read(length)?));
    }
    Ok(())
}

/// Reads a continuation block of the old GNU form; says whether another follows.
pub(super) fn gnu_continuation(block: &Block, pairs: &mut Vec<(u64, u64)>) -> Result<bool, Fault> {
    gnu_pairs(block.get(..504).unwrap_or_default(), pairs)?;
    Ok(block.get(504).is_some_and(|byte| *byte != 0))
}

/// Reads the map of form 1.0 a block at a time.
#[derive(Debug, Default)]
pub(super) struct DataMap {
    numbers: Vec<u64>,
    line: Vec<u8>,
    expected: Option<u64>,
}

impl DataMap {
    /// Takes the next block; the pairs once the list is whole, where the data begins with the
    /// block after.
    pub(super) fn take(&mut self, block: &Block) -> Result<Option<Vec<(u64, u64)>>, Fault> {
        for byte in block {
            if self.is_whole() {
                break;
            }
            match byte {
                b'\n' => self.end_line()?,
                b'0'..=b'9' if self.line.len() < 20 => self.line.push(*byte),
                _ => {
                    let shown = block.get(..40).unwrap_or_default();
                    return Err(Fault::damaged(format!("sparse map \"{}\"", Escaped(shown))));
                }
            }
        }
        if self.is_whole() { pairs_of(&self.numbers).map(Some) } else { Ok(None) }
    }

    fn is_whole(&self) -> bool {
        let found = self.numbers.len() as u64;
        self.expected.is_some_and(|expected| found >= expected)
    }

    fn end_line(&mut self) -> Result<(), Fault> {
        let number: u64 =
            decimal(&self.line)?.ok_or_else(|| Fault::damaged("an empty line in a sparse map"))?;
        self.line.clear();
        if self.expected.is_some() {
            self.numbers.push(number);
        } else {
            check_count(usize::try_from(number).unwrap_or(usize::MAX))?;
            self.expected = Some(number.saturating_mul(2));
        }
        Ok(())
    }
}

/// Lays out the stored bytes, which begin at `stored` and are `available` long, in a file of
/// `size`. The ranges must be in order, apart from each other, within the file, and no longer in
/// all than what is stored.
pub(super) fn extents(
    pairs: &[(u64, u64)],
    size: u64,
    mut stored: u64,
    available: u64,
) -> Result<Vec<Extent>, Fault> {
    let limit = stored.saturating_add(available);
    let mut extents = Vec::with_capacity(pairs.len());
    let mut reached = 0_u64;
    for (start, length) in pairs.iter().copied() {
        let damaged = || {
            Fault::damaged(format!(
                "sparse range of {length} at {start} in a file of {size}, {available} stored"
            ))
        };
        let end = start.checked_add(length).ok_or_else(damaged)?;
        let stored_end = stored.checked_add(length).ok_or_else(damaged)?;
        if start < reached || end > size || stored_end > limit {
            return Err(damaged());
        }
        if length > 0 {
            extents.push(Extent { start, length, stored });
        }
        reached = end;
        stored = stored_end;
    }
    Ok(extents)
}

/// The length of whole blocks that hold so many bytes.
pub(super) fn padded(size: u64) -> Option<u64> {
    size.checked_next_multiple_of(BLOCK as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_map(text: &str) -> Result<Option<Vec<(u64, u64)>>, Fault> {
        let mut map = DataMap::default();
        for chunk in text.as_bytes().chunks(BLOCK) {
            let mut block = [0; BLOCK];
            block[..chunk.len()].copy_from_slice(chunk);
            if let Some(pairs) = map.take(&block)? {
                return Ok(Some(pairs));
            }
        }
        Ok(None)
    }

    #[test]
    fn maps_in_the_data() {
        let check = |text: &str, expected: Option<Vec<(u64, u64)>>| {
            assert_eq!(data_map(text).ok().flatten(), expected, "{text}");
        };
        check("0\n", Some(vec![]));
        check("2\n0\n512\n4096\n0\n", Some(vec![(0, 512), (4096, 0)]));
        check("1\n0\n", None);
        check("1\n-1\n2\n", None);
        check("99999999999999999999\n", None);
        check("\n", None);
        let long = format!("200\n{}", (0..200).map(|i| format!("{i}\n1\n")).collect::<String>());
        assert_eq!(data_map(&long).unwrap().unwrap().len(), 200);
    }

    #[test]
    fn ranges_stay_in_order_and_in_bounds() {
        let check = |pairs: &[(u64, u64)], size, available, good: bool| {
            assert_eq!(extents(pairs, size, 1024, available).is_ok(), good, "{pairs:?}");
        };
        check(&[(0, 10), (20, 10), (40, 0)], 40, 20, true);
        check(&[(0, 10), (5, 10)], 40, 20, false);
        check(&[(0, 50)], 40, 60, false);
        check(&[(0, 30)], 40, 20, false);
        check(&[(u64::MAX, 2)], 40, 20, false);
    }

    #[test]
    fn pairs_of_the_pax_forms() {
        let mut zero = PaxSparse::default();
        for (keyword, value) in [("offset", "0"), ("numbytes", "5"), ("offset", "9")] {
            zero.take(keyword.as_bytes(), value.as_bytes()).unwrap();
        }
        assert!(zero.pairs().is_err());
        assert!(zero.take(b"offset", b"1").is_err());
        zero.take(b"numbytes", b"1").unwrap();
        assert_eq!(zero.pairs().unwrap(), Some(vec![(0, 5), (9, 1)]));
        let mut one = PaxSparse::default();
        one.take(b"map", b"0,5,9,1").unwrap();
        assert_eq!(one.pairs().unwrap(), Some(vec![(0, 5), (9, 1)]));
        assert_eq!(PaxSparse::default().pairs().unwrap(), None);
    }
}
