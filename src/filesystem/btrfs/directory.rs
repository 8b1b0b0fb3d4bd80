//! `struct btrfs_dir_item`: names of directories and, in the same form, extended attributes.

use super::node::{KEY, Key};
use crate::filesystem::bytes::{le16, slice};
use crate::model::Fault;

/// A key, a transaction, two lengths and a type.
const HEADER: usize = KEY + 13;

/// One name with what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The item that it names, in the same tree or in the tree of trees.
    pub location: Key,
    /// Raw.
    pub name: &'a [u8],
    /// The value of an extended attribute.
    pub value: &'a [u8],
    /// All bytes of it.
    pub record: &'a [u8],
}

/// All entries of an item: several where hashes of names are equal.
pub fn entries(item: &[u8]) -> Result<Vec<Entry<'_>>, Fault> {
    let mut found = Vec::new();
    let mut rest = item;
    while !rest.is_empty() {
        let value_length = usize::from(le16(rest, 25)?);
        let name_length = usize::from(le16(rest, 27)?);
        let name = slice(rest, HEADER, name_length)?;
        let value_at = HEADER.saturating_add(name_length);
        let value = slice(rest, value_at, value_length)?;
        let length = value_at.saturating_add(value_length);
        let record = slice(rest, 0, length)?;
        found.push(Entry { location: Key::parse(rest, 0)?, name, value, record });
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(found)
}

/// An entry of a directory, as an item of its own or as a part of one.
pub fn record(location: Key, name: &[u8]) -> Result<Vec<u8>, Fault> {
    let length =
        u16::try_from(name.len()).map_err(|_| Fault::damaged("a name that is too long"))?;
    let mut bytes = Vec::with_capacity(HEADER.saturating_add(name.len()));
    bytes.extend(location.object.to_le_bytes());
    bytes.push(location.kind);
    bytes.extend(location.offset.to_le_bytes());
    // The transaction and the type of the inode, which nobody reads, and a value of no bytes.
    bytes.extend([0; 10]);
    bytes.extend(length.to_le_bytes());
    bytes.push(0);
    bytes.extend(name);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_entries_in_one_item() {
        let entry = |object: u8, name: &[u8], value: &[u8]| {
            let mut bytes = vec![0; HEADER];
            (bytes[0], bytes[8]) = (object, 1);
            bytes[25] = u8::try_from(value.len()).unwrap();
            bytes[27] = u8::try_from(name.len()).unwrap();
            [bytes.as_slice(), name, value].concat()
        };
        let item = [entry(5, b"name", b""), entry(6, b"user.x", b"value")].concat();
        let found = entries(&item).unwrap();
        assert_eq!((found[0].location, found[0].name), (Key::new(5, 1, 0), b"name".as_slice()));
        assert_eq!((found[1].name, found[1].value), (b"user.x".as_slice(), b"value".as_slice()));
        for length in [1, HEADER, HEADER + 3, item.len() - 1] {
            assert!(entries(&item[..length]).is_err(), "{length}");
        }
    }
}
