//! Numbers out of on-disk structures: little and big endian, at an offset, checked.
//!
//! What lies outside of the bytes is damage: the structure that promised it lied.

use crate::model::Fault;

/// The `N` bytes at `at`.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Fault> {
    slice(bytes, at, N)?.try_into().map_err(|_| outside(bytes, at, N))
}

/// The `length` bytes at `at`.
pub(super) fn slice(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], Fault> {
    at.checked_add(length)
        .and_then(|end| bytes.get(at..end))
        .ok_or_else(|| outside(bytes, at, length))
}

fn outside(bytes: &[u8], at: usize, length: usize) -> Fault {
    Fault::damaged(format!("{length} bytes at {at} of a structure of {}", bytes.len()))
}

/// The byte at `at`.
pub(super) fn byte(bytes: &[u8], at: usize) -> Result<u8, Fault> {
    Ok(u8::from_le_bytes(array(bytes, at)?))
}

/// 16 bits, little endian.
pub(super) fn le16(bytes: &[u8], at: usize) -> Result<u16, Fault> {
    Ok(u16::from_le_bytes(array(bytes, at)?))
}

/// 32 bits, little endian.
pub(super) fn le32(bytes: &[u8], at: usize) -> Result<u32, Fault> {
    Ok(u32::from_le_bytes(array(bytes, at)?))
}

/// 64 bits, little endian.
pub(super) fn le64(bytes: &[u8], at: usize) -> Result<u64, Fault> {
    Ok(u64::from_le_bytes(array(bytes, at)?))
}

/// 16 bits, big endian.
pub(super) fn be16(bytes: &[u8], at: usize) -> Result<u16, Fault> {
    Ok(u16::from_be_bytes(array(bytes, at)?))
}

/// 32 bits, big endian.
pub(super) fn be32(bytes: &[u8], at: usize) -> Result<u32, Fault> {
    Ok(u32::from_be_bytes(array(bytes, at)?))
}

/// 64 bits, big endian.
pub(super) fn be64(bytes: &[u8], at: usize) -> Result<u64, Fault> {
    Ok(u64::from_be_bytes(array(bytes, at)?))
}

/// A number of the medium as a length in memory.
pub(super) fn to_usize(number: impl TryInto<usize>) -> Result<usize, Fault> {
    number.try_into().map_err(|_| Fault::limit("a number beyond the address space"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_where_they_lie() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(le16(&bytes, 1).unwrap(), 0x0302);
        assert_eq!(le32(&bytes, 0).unwrap(), 0x0403_0201);
        assert_eq!(be32(&bytes, 5).unwrap(), 0x0607_0809);
        assert_eq!(be64(&bytes, 0).unwrap(), 0x0102_0304_0506_0708);
        for at in [6, 9, usize::MAX] {
            assert!(le32(&bytes, at).is_err(), "{at}");
        }
    }
}
