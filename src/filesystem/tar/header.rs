//! One header block: 512 bytes as v7, POSIX ustar, GNU and star write them.
//!
//! Specification: POSIX.1-2024 `pax` ("ustar Interchange Format"), the GNU tar manual ("Basic Tar
//! Format") and libarchive's tar(5) for v7 and star. A block whose checksum is wrong is not a
//! header, whatever else it says.

use crate::model::{Fault, path::Escaped};

/// All of a tar is made of blocks of this length.
pub(super) const BLOCK: usize = 512;

/// A block as it was read.
pub(super) type Block = [u8; BLOCK];

/// Whether it is all zeros: two of them end an archive.
pub(super) fn is_zero(block: &Block) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// A block whose checksum is right. Numbers are read when they are asked for, because a pax record
/// may stand in for a field that cannot hold the value.
#[derive(Clone)]
pub(super) struct Header {
    block: Box<Block>,
}

/// Who laid out the second half of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Nothing there.
    V7,
    /// A path prefix of 155 bytes.
    Ustar,
    /// A path prefix of 131 bytes, then times.
    Star,
    /// Times, sparse map.
    Gnu,
}

impl Header {
    /// Takes a block whose checksum is right; `None` for all others.
    pub(super) fn new(block: &Block) -> Option<Self> {
        let header = Self { block: Box::new(*block) };
        let stored = number(header.field(148, 8)).ok()?;
        let sums = checksums(block);
        (stored == sums.0 || stored == sums.1).then_some(header)
    }

    fn field(&self, offset: usize, length: usize) -> &[u8] {
        let rest = self.block.get(offset..).unwrap_or_default();
        rest.get(..length).unwrap_or_default()
    }

    fn text(&self, offset: usize, length: usize) -> &[u8] {
        until_nul(self.field(offset, length))
    }

    fn layout(&self) -> Layout {
        match self.field(257, 8) {
            b"ustar  \0" => Layout::Gnu,
            magic if magic.starts_with(b"ustar") => match self.field(508, 4) {
                b"tar\0" => Layout::Star,
                _ => Layout::Ustar,
            },
            _ => Layout::V7,
        }
    }

    /// What kind of member follows.
    pub(super) fn type_flag(&self) -> u8 {
        self.block.get(156).copied().unwrap_or_default()
    }

    /// The path, prefix included.
    pub(super) fn path(&self) -> Vec<u8> {
        let prefix = match self.layout() {
            Layout::Ustar => self.text(345, 155),
            Layout::Star => self.text(345, 131),
            Layout::V7 | Layout::Gnu => &[],
        };
        let name = self.text(0, 100);
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    /// What a link points to.
    pub(super) fn link_name(&self) -> Vec<u8> {
        self.text(157, 100).to_vec()
    }

    /// `st_mode & 07777`; writers of old put the file type beside it.
    pub(super) fn mode(&self) -> Result<u16, Fault> {
        let value = self.number(100, 8, "mode")?;
        u16::try_from(value & 0o7777).map_err(|_| Fault::damaged(format!("mode {value}")))
    }

    /// Owner.
    pub(super) fn uid(&self) -> Result<u32, Fault> {
        self.small(108, 8, "uid")
    }

    /// Group.
    pub(super) fn gid(&self) -> Result<u32, Fault> {
        self.small(116, 8, "gid")
    }

    /// Bytes of data that follow.
    pub(super) fn size(&self) -> Result<u64, Fault> {
        let value = self.number(124, 12, "size")?;
        u64::try_from(value).map_err(|_| Fault::damaged(format!("size {value}")))
    }

    /// Seconds since 1970.
    pub(super) fn mtime(&self) -> Result<i64, Fault> {
        self.number(136, 12, "mtime")
    }

    /// Major and minor number; v7 has none.
    pub(super) fn device(&self) -> Result<(u32, u32), Fault> {
        if self.layout() == Layout::V7 {
            return Ok((0, 0));
        }
        Ok((self.small(329, 8, "device major")?, self.small(337, 8, "device minor")?))
    }

    /// The sparse map of a GNU header of type `S`: 4 pairs of numbers.
    pub(super) fn gnu_sparse_pairs(&self) -> &[u8] {
        self.field(386, 96)
    }

    /// Whether blocks with more of the map follow.
    pub(super) fn gnu_sparse_continues(&self) -> bool {
        self.field(482, 1) != [0]
    }

    /// Length of a GNU sparse file with its holes.
    pub(super) fn gnu_real_size(&self) -> Result<u64, Fault> {
        let value = self.number(483, 12, "real size")?;
        u64::try_from(value).map_err(|_| Fault::damaged(format!("real size {value}")))
    }

    fn number(&self, offset: usize, length: usize, what: &str) -> Result<i64, Fault> {
        number(self.field(offset, length)).map_err(|fault| fault.within(what))
    }

    fn small(&self, offset: usize, length: usize, what: &str) -> Result<u32, Fault> {
        let value = self.number(offset, length, what)?;
        u32::try_from(value).map_err(|_| Fault::damaged(format!("{what} {value}")))
    }
}

/// The sum over the block with blanks in the place of the checksum: of unsigned bytes, and of
/// signed ones as some old writers have it.
fn checksums(block: &Block) -> (i64, i64) {
    let (mut unsigned, mut signed) = (0_i64, 0_i64);
    for (index, byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&index) { b' ' } else { *byte };
        unsigned = unsigned.saturating_add(i64::from(byte));
        signed = signed.saturating_add(i64::from(byte.cast_signed()));
    }
    (unsigned, signed)
}

/// What stands before the first NUL.
pub(super) fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number field: octal digits with blanks or NULs around, or (GNU, star) a big-endian
/// two's-complement number after a first bit of 1. An empty field is 0.
pub(super) fn number(field: &[u8]) -> Result<i64, Fault> {
    let damaged = || Fault::damaged(format!("\"{}\" is no number", Escaped(field)));
    if let Some((first, rest)) = field.split_first().filter(|(first, _)| **first & 0x80 != 0) {
        let low = i128::from(first & 0x3f);
        let mut value = if first & 0x40 == 0 { low } else { low.wrapping_sub(0x40) };
        for byte in rest {
            value = value.checked_mul(256).ok_or_else(damaged)?.wrapping_add(i128::from(*byte));
        }
        return i64::try_from(value).map_err(|_| damaged());
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_blank(byte)).unwrap_or(field.len());
    let digits = field.get(start..).unwrap_or_default();
    let mut value = 0_i64;
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'7' => {
                let digit = i64::from(byte.wrapping_sub(b'0'));
                value = value.checked_mul(8).ok_or_else(damaged)?.wrapping_add(digit);
            }
            _ if is_blank(byte) && index > 0 => break,
            _ => return Err(damaged()),
        }
    }
    Ok(value)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A ustar header with a right checksum, as tests of the other files need it.
    pub(in super::super) fn block(name: &[u8], type_flag: u8, size: u64) -> Block {
        let mut block = [0_u8; BLOCK];
        block[..name.len()].copy_from_slice(name);
        block[100..107].copy_from_slice(b"0000644");
        block[108..115].copy_from_slice(b"0000000");
        block[116..123].copy_from_slice(b"0000000");
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[136..147].copy_from_slice(b"00000000000");
        block[156] = type_flag;
        block[257..265].copy_from_slice(b"ustar\x0000");
        seal(&mut block);
        block
    }

    /// Writes the checksum.
    pub(in super::super) fn seal(block: &mut Block) {
        let sum = checksums(block).0;
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    #[test]
    fn numbers() {
        let check = |field: &[u8], expected: Option<i64>| {
            assert_eq!(number(field).ok(), expected, "{}", Escaped(field));
        };
        check(b"0000644\0", Some(0o644));
        check(b"   644 \0", Some(0o644));
        check(b"\0\0\0\0", Some(0));
        check(b"77777777777 ", Some(0o77_777_777_777));
        check(b"12345678", None);
        check(b"abc", None);
        check(b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(0x2_0000_0000));
        check(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1));
        check(b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", None);
        check(b"\x81\0\0\0\0\0\0\0\0\0\0\0", None);
    }

    #[test]
    fn only_a_right_checksum_makes_a_header() {
        let good = block(b"etc/motd", b'0', 5);
        let header = Header::new(&good).unwrap();
        assert_eq!((header.path(), header.size().unwrap()), (b"etc/motd".to_vec(), 5));
        for index in 0..BLOCK {
            let mut bad = good;
            bad[index] ^= 1;
            // The blanks and NULs around the checksum itself may be anything blank.
            assert!(Header::new(&bad).is_none() || (148..156).contains(&index), "byte {index}");
        }
    }

    #[test]
    fn a_prefix_belongs_to_ustar_only() {
        let mut ustar = block(b"motd", b'0', 0);
        ustar[345..348].copy_from_slice(b"etc");
        seal(&mut ustar);
        assert_eq!(Header::new(&ustar).unwrap().path(), b"etc/motd");
        ustar[257..265].copy_from_slice(b"ustar  \0");
        seal(&mut ustar);
        assert_eq!(Header::new(&ustar).unwrap().path(), b"motd");
    }
}
