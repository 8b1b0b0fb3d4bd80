//! The canonical encoding: the bytes that ids are made of and that stores keep.
//!
//! Version 1. Integers are LEB128 varints (signed ones zigzag), byte strings have their length in
//! front, lists their count, optional values a byte 0 or 1. One value has exactly one encoding;
//! readers refuse any other, so that an id always names one thing. Constants in the tests pin the
//! digests: who changes a byte here must raise [`VERSION`] and keep reading the old one.

mod records;
mod shipped;
mod tree;

pub use records::{Canonical, set_id};
pub use shipped::{decode_shipped, encode_shipped};
pub use tree::{EncodedTree, decode_tree, encode_tree, entry_ends};

use super::Fault;

/// The version of all encodings in this folder; the first byte of each encoded value.
pub const VERSION: u8 = 1;

/// Appends canonical values to a buffer.
#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// A writer that begins with the version and a byte that tells kinds of values apart.
    #[must_use]
    pub fn with_tag(tag: u8) -> Self {
        Self(vec![VERSION, tag])
    }

    /// One byte.
    pub fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// LEB128.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    /// Zigzag, then LEB128.
    pub fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// Length, then bytes.
    pub fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// Bytes whose length both sides know.
    pub fn fixed(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }

    /// 0, or 1 and the value.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// Count, then each.
    pub fn list<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(values.len() as u64);
        for value in values {
            write(self, value);
        }
    }
}

/// Reads canonical values; every refusal names the offset.
#[derive(Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads what [`Writer::with_tag`] began.
    pub fn with_tag(data: &'a [u8], tag: u8) -> Result<Self, Fault> {
        match data {
            [VERSION, found, ..] if *found == tag => Ok(Self { data, offset: 2 }),
            [VERSION, found, ..] => {
                Err(Fault::damaged(format!("expected a value of kind {tag}, found kind {found}")))
            }
            [version, ..] => Err(Fault::unsupported(format!("encoding version {version}"))),
            [] => Err(Fault::damaged("an empty value")),
        }
    }

    #[cold]
    fn damaged(&self, what: &str) -> Fault {
        Fault::damaged(format!("{what} at offset {} of {}", self.offset, self.data.len()))
    }

    /// Bytes whose length both sides know.
    #[inline]
    pub fn fixed(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let rest = self.data.get(self.offset..).unwrap_or_default();
        let Some(value) = rest.get(..length) else { return Err(self.damaged("cut off")) };
        self.offset += length;
        Ok(value)
    }

    /// An array of bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let bytes = self.fixed(N)?;
        bytes.try_into().map_err(|_| self.damaged("cut off"))
    }

    /// One byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, Fault> {
        let Some(value) = self.data.get(self.offset) else { return Err(self.damaged("cut off")) };
        self.offset += 1;
        Ok(*value)
    }

    /// LEB128, shortest form only.
    #[inline]
    pub fn number(&mut self) -> Result<u64, Fault> {
        match self.data.get(self.offset) {
            // Most numbers are small.
            Some(byte) if *byte < 0x80 => {
                self.offset += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, Fault> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(value);
            }
        }
        Err(self.damaged("a number that is not canonical"))
    }

    /// A number that must fit a smaller type.
    #[inline]
    pub fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Fault> {
        let value = self.number()?;
        T::try_from(value).map_err(|_| self.damaged("a number out of range"))
    }

    /// Zigzag.
    #[inline]
    pub fn signed(&mut self) -> Result<i64, Fault> {
        let value = self.number()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Length, then bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.small()?;
        self.fixed(length)
    }

    /// UTF-8.
    pub fn text(&mut self) -> Result<String, Fault> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.damaged("text that is not UTF-8"))
    }

    /// 0, or 1 and the value.
    #[inline]
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(self.damaged("neither 0 nor 1")),
        }
    }

    /// Count, then each.
    pub fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let count: usize = self.small()?;
        // Every element takes at least one byte: a count that promises more is a lie, and no
        // memory is set aside for it.
        if count > self.data.len().saturating_sub(self.offset) {
            return Err(self.damaged("a count beyond the end"));
        }
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(read(self)?);
        }
        Ok(values)
    }

    /// Whether all was read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.offset >= self.data.len()
    }

    /// Refuses what stands after the value.
    pub fn end(self) -> Result<(), Fault> {
        if self.is_at_end() { Ok(()) } else { Err(self.damaged("bytes after the end")) }
    }
}
