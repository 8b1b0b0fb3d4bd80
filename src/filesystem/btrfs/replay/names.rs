//! Names of directories and the references of inodes to them, which have to agree.

use super::Replay;
use crate::filesystem::btrfs::checksum::{name_hash, reference_hash};
use crate::filesystem::btrfs::directory;
use crate::filesystem::btrfs::node::{Key, kind};
use crate::filesystem::bytes::{le16, le64, slice};
use crate::model::Fault;
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// One name of an inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    directory: u64,
    index: u64,
    name: Vec<u8>,
}

/// Reads a `struct btrfs_inode_ref` or `btrfs_inode_extref`, of which an item has several.
fn parse(key: Key, item: &[u8]) -> Result<Vec<Reference>, Fault> {
    let mut found = Vec::new();
    let mut rest = item;
    while !rest.is_empty() {
        let (directory, header) = match key.kind {
            kind::INODE_REF => (key.offset, 0),
            _ => (le64(rest, 0)?, 8),
        };
        let index = le64(rest, header)?;
        let length = usize::from(le16(rest, header.saturating_add(8))?);
        let at = header.saturating_add(10);
        let name = slice(rest, at, length)?.to_vec();
        rest = rest.get(at.saturating_add(length)..).unwrap_or_default();
        found.push(Reference { directory, index, name });
    }
    Ok(found)
}

/// The bytes of an item with these references.
fn packed(key: Key, references: &[Reference]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Reference { directory, index, name } in references {
        if key.kind == kind::INODE_EXTREF {
            bytes.extend(directory.to_le_bytes());
        }
        bytes.extend(index.to_le_bytes());
        // As long as it was read.
        bytes.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend(name);
    }
    bytes
}

/// The two items that may hold the reference of an inode to a name.
fn keys(inode: u64, directory: u64, name: &[u8]) -> [Key; 2] {
    [
        Key::new(inode, kind::INODE_REF, directory),
        Key::new(inode, kind::INODE_EXTREF, reference_hash(directory, name)),
    ]
}

fn inode(number: u64) -> Key {
    Key::new(number, kind::INODE_ITEM, 0)
}

fn name_key(directory: u64, name: &[u8]) -> Key {
    Key::new(directory, kind::DIR_ITEM, name_hash(name))
}

impl Replay<'_> {
    /// All names of an inode.
    pub(super) fn references_of(&mut self, inode: u64) -> Result<Vec<Reference>, Fault> {
        let mut found = Vec::new();
        for kind in [kind::INODE_REF, kind::INODE_EXTREF] {
            for (key, item) in self.of_inode(inode, kind, 0..=u64::MAX)? {
                found.extend(parse(key, &item)?);
            }
        }
        Ok(found)
    }

    /// Whether the log has the reference of an inode to a name.
    fn is_logged(&mut self, number: u64, directory: u64, name: &[u8]) -> Result<bool, Fault> {
        for key in keys(number, directory, name) {
            let item = self.logged(key)?.unwrap_or_default();
            let is_it = |found: &Reference| found.directory == directory && found.name == name;
            if parse(key, &item)?.iter().any(is_it) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a name of a directory names.
    fn named(&mut self, directory: u64, name: &[u8]) -> Result<Option<Key>, Fault> {
        let item = self.item(name_key(directory, name))?.unwrap_or_default();
        let entries = directory::entries(&item)?;
        Ok(entries.iter().find(|entry| entry.name == name).map(|entry| entry.location))
    }

    /// The name that a directory has at an index, and what it names.
    fn indexed(&mut self, directory: u64, index: u64) -> Result<Option<(Key, Vec<u8>)>, Fault> {
        let item = self.item(Key::new(directory, kind::DIR_INDEX, index))?.unwrap_or_default();
        let entries = directory::entries(&item)?;
        Ok(entries.first().map(|entry| (entry.location, entry.name.to_vec())))
    }

    /// Takes a name away from a directory and from the inode that has it.
    fn unlink(&mut self, directory: u64, location: Key, name: &[u8]) -> Result<(), Fault> {
        let number = location.object;
        let key = name_key(directory, name);
        let item = self.item(key)?.unwrap_or_default();
        let entries = directory::entries(&item)?;
        let others = entries.iter().filter(|entry| entry.name != name);
        let others: Vec<u8> = others.flat_map(|entry| entry.record).copied().collect();
        self.put_or_remove(key, others)?;
        for key in keys(number, directory, name) {
            let item = self.item(key)?.unwrap_or_default();
            let (gone, left): (Vec<_>, Vec<_>) = parse(key, &item)?
                .into_iter()
                .partition(|found| found.directory == directory && found.name == name);
            if gone.is_empty() {
                continue;
            }
            self.put_or_remove(key, packed(key, &left))?;
            for Reference { index, .. } in gone {
                self.remove_index(directory, index, name)?;
            }
        }
        self.counted.insert(number);
        Ok(())
    }

    fn remove_index(&mut self, directory: u64, index: u64, name: &[u8]) -> Result<(), Fault> {
        match self.indexed(directory, index)? {
            Some((_, found)) if found == name => {
                self.remove(Key::new(directory, kind::DIR_INDEX, index))
            }
            _ => Ok(()),
        }
    }

    /// Gives a directory a name for an inode.
    fn link(
        &mut self,
        directory: u64,
        index: u64,
        name: &[u8],
        location: Key,
    ) -> Result<(), Fault> {
        let record = directory::record(location, name)?;
        let key = name_key(directory, name);
        let mut item = self.item(key)?.unwrap_or_default();
        item.extend(&record);
        self.put(key, item)?;
        self.put(Key::new(directory, kind::DIR_INDEX, index), record)?;
        self.counted.insert(location.object);
        Ok(())
    }

    /// Removes what a logged directory has lost: in the ranges that the log has all names of.
    pub(super) fn remove_missing_names(&mut self, directory: u64) -> Result<(), Fault> {
        if self.item(inode(directory))?.is_none() {
            return Ok(());
        }
        let key = |offset| Key::new(directory, kind::DIR_LOG_INDEX, offset);
        for (key, item) in self.items(self.log, key(0), key(u64::MAX))? {
            self.remove_names(directory, key.offset..=le64(&item, 0)?, true)?;
        }
        Ok(())
    }

    /// Removes the names of a directory that lie in a range of indices, but for those that the log
    /// has, where that counts.
    pub(super) fn remove_names(
        &mut self,
        directory: u64,
        indices: RangeInclusive<u64>,
        keep_logged: bool,
    ) -> Result<(), Fault> {
        for (key, item) in self.of_inode(directory, kind::DIR_INDEX, indices)? {
            let logged =
                if keep_logged { self.logged(key)?.unwrap_or_default() } else { Vec::new() };
            let logged = directory::entries(&logged)?;
            for entry in directory::entries(&item)? {
                let is_kept = logged.iter().any(|logged| logged.name == entry.name);
                if !is_kept && entry.location.kind == kind::INODE_ITEM {
                    self.unlink(directory, entry.location, entry.name)?;
                    self.remove_index(directory, key.offset, entry.name)?;
                }
            }
        }
        Ok(())
    }

    /// A name of a directory that was logged with it.
    pub(super) fn logged_name(&mut self, key: Key, item: &[u8]) -> Result<(), Fault> {
        let (directory, index) = (key.object, key.offset);
        for entry in directory::entries(item)? {
            let (location, name) = (entry.location, entry.name);
            let exists = location.kind == kind::INODE_ITEM && self.item(location)?.is_some();
            let by_name = self.named(directory, name)?;
            let by_index = self.indexed(directory, index)?;
            let has_name = by_name == Some(location);
            let has_index = by_index.as_ref() == Some(&(location, name.to_vec()));
            // Without its inode nothing is put in the place of what is there. With a reference in
            // the log it comes with that.
            if (has_name && has_index) || !exists {
                continue;
            }
            if let Some(other) = by_name.filter(|other| *other != location) {
                self.unlink(directory, other, name)?;
            }
            if let Some((other, found)) = by_index
                && other != location
            {
                self.unlink(directory, other, &found)?;
            }
            let is_free =
                self.named(directory, name)?.is_none() && self.indexed(directory, index)?.is_none();
            if is_free && !self.is_logged(location.object, directory, name)? {
                self.link(directory, index, name, location)?;
                self.add_reference(location.object, directory, index, name)?;
            }
        }
        Ok(())
    }

    fn add_reference(
        &mut self,
        number: u64,
        directory: u64,
        index: u64,
        name: &[u8],
    ) -> Result<(), Fault> {
        let [key, _] = keys(number, directory, name);
        let mut item = self.item(key)?.unwrap_or_default();
        let reference = Reference { directory, index, name: name.to_vec() };
        item.extend(packed(key, &[reference]));
        self.put(key, item)
    }

    /// Names of an inode that was logged.
    pub(super) fn logged_references(&mut self, key: Key, item: &[u8]) -> Result<(), Fault> {
        let number = key.object;
        let location = inode(number);
        let logged = parse(key, item)?;
        // The top directory refers to itself, by a name that it does not list.
        if logged.iter().any(|found| found.directory == number) {
            return Ok(());
        }
        if self.item(location)?.is_none() {
            return Err(Fault::damaged(format!("a name of inode {number}, which is not there")));
        }
        for Reference { directory, index, name } in &logged {
            // Not every parent is logged; the name then comes with nothing.
            if self.item(inode(*directory))?.is_none() {
                return Ok(());
            }
            let by_name = self.named(*directory, name)?;
            let by_index = self.indexed(*directory, *index)?;
            if by_name == Some(location)
                && by_index.as_ref().is_some_and(|found| (found.0, &found.1) == (location, name))
            {
                continue;
            }
            self.make_room(number, *directory, *index, name)?;
            self.link(*directory, *index, name, location)?;
        }
        // Names in the same directory that it has no more.
        let kept: HashSet<(u64, &[u8])> =
            logged.iter().map(|found| (found.directory, found.name.as_slice())).collect();
        let before = self.item(key)?.unwrap_or_default();
        for old in parse(key, &before)? {
            if !kept.contains(&(old.directory, old.name.as_slice())) {
                self.unlink(old.directory, location, &old.name)?;
            }
        }
        self.put(key, item.to_vec())?;
        self.counted.insert(number);
        Ok(())
    }

    /// Removes what stands in the way of a name: older names of the inode, and other inodes that
    /// have the name or the index.
    fn make_room(
        &mut self,
        number: u64,
        directory: u64,
        index: u64,
        name: &[u8],
    ) -> Result<(), Fault> {
        let location = inode(number);
        for key in keys(number, directory, name) {
            let before = self.item(key)?.unwrap_or_default();
            for old in parse(key, &before)? {
                if !self.is_logged(number, old.directory, &old.name)? {
                    self.unlink(old.directory, location, &old.name)?;
                }
            }
        }
        if let Some((other, found)) = self.indexed(directory, index)? {
            self.unlink(directory, other, &found)?;
            self.remove_index(directory, index, &found)?;
        }
        if let Some(other) = self.named(directory, name)? {
            self.unlink(directory, other, name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_packed_as_they_were() {
        let check = |key: Key, item: &[u8], expected: &[(u64, u64, &[u8])]| {
            let found = parse(key, item).unwrap();
            let shown: Vec<_> =
                found.iter().map(|r| (r.directory, r.index, r.name.as_slice())).collect();
            assert_eq!(shown, expected);
            assert_eq!(packed(key, &found), item);
            assert!(parse(key, &item[..item.len() - 1]).is_err());
        };
        let two = b"\x07\0\0\0\0\0\0\0\x02\0ab\x08\0\0\0\0\0\0\0\x01\0c";
        check(Key::new(9, kind::INODE_REF, 256), two, &[(256, 7, b"ab"), (256, 8, b"c")]);
        let one = b"\x05\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x02\0ab";
        check(Key::new(9, kind::INODE_EXTREF, 1), one, &[(5, 7, b"ab")]);
    }
}
