//! Fields of on-disk structures: fixed offsets in a slice, checked, in either byte order.

use crate::model::Fault;

/// Bytes of one structure, with the name that a fault gives it.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    what: &'static str,
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    /// A structure called `what` in faults.
    #[must_use]
    pub const fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, bytes }
    }

    /// `count` bytes at `at`.
    pub fn slice(&self, at: usize, count: usize) -> Result<&'a [u8], Fault> {
        at.checked_add(count).and_then(|end| self.bytes.get(at..end)).ok_or_else(|| {
            Fault::damaged(format!("{}: {count} bytes at {at} of {}", self.what, self.bytes.len()))
        })
    }

    /// `N` bytes at `at`.
    pub fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(at, N)?);
        Ok(array)
    }

    /// One byte.
    pub fn u8(&self, at: usize) -> Result<u8, Fault> {
        Ok(u8::from_le_bytes(self.array(at)?))
    }

    /// Little-endian.
    pub fn u16_le(&self, at: usize) -> Result<u16, Fault> {
        Ok(u16::from_le_bytes(self.array(at)?))
    }

    /// Little-endian.
    pub fn u32_le(&self, at: usize) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.array(at)?))
    }

    /// Little-endian.
    pub fn u64_le(&self, at: usize) -> Result<u64, Fault> {
        Ok(u64::from_le_bytes(self.array(at)?))
    }

    /// Big-endian.
    pub fn u16_be(&self, at: usize) -> Result<u16, Fault> {
        Ok(u16::from_be_bytes(self.array(at)?))
    }

    /// Big-endian.
    pub fn u32_be(&self, at: usize) -> Result<u32, Fault> {
        Ok(u32::from_be_bytes(self.array(at)?))
    }

    /// Big-endian.
    pub fn u64_be(&self, at: usize) -> Result<u64, Fault> {
        Ok(u64::from_be_bytes(self.array(at)?))
    }
}

/// A GUID as GPT and VHDX store it (first three groups little-endian), in its usual lower-case
/// text.
#[must_use]
pub fn guid_text(guid: [u8; 16]) -> String {
    let [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, e0, e1, e2, e3, e4, e5] = guid;
    let (a, b, c) = (
        u32::from_le_bytes([a0, a1, a2, a3]),
        u16::from_le_bytes([b0, b1]),
        u16::from_le_bytes([c0, c1]),
    );
    format!(
        "{a:08x}-{b:04x}-{c:04x}-{d0:02x}{d1:02x}-{e0:02x}{e1:02x}{e2:02x}{e3:02x}{e4:02x}{e5:02x}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_checked() {
        let fields = Fields::new("thing", &[1, 2, 3, 4]);
        assert_eq!(fields.u16_le(1).unwrap(), 0x0302);
        assert_eq!(fields.u32_be(0).unwrap(), 0x0102_0304);
        assert_eq!(fields.u32_le(1).unwrap_err().to_string(), "thing: 4 bytes at 1 of 4");
        assert!(fields.u64_le(usize::MAX).is_err());
    }

    #[test]
    fn guids_are_mixed_endian() {
        let esp = [
            0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e,
            0xc9, 0x3b,
        ];
        assert_eq!(guid_text(esp), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    }
}
