//! Who stands for root.
//!
//! A tree that was unpacked without root belongs to whoever did it, and nothing in it to root.
//! Its top directory tells: on a system it is root's, so that a person who owns it stands for root
//! in all of that tree. Of hosts and disk images this is never taken: there it is drift.

use crate::model::{Entry, Header};

/// Users and groups below this are the system's own (Debian's and Fedora's first person is 1000).
pub(super) const FIRST_PERSON: u32 = 1000;

/// The numbers that stand for root's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Root {
    uid: u32,
    gid: u32,
}

impl Root {
    /// As the top directory says.
    pub fn of(header: &Header) -> Self {
        let is_unpacked = ["dir:", "tar:"].iter().any(|kind| header.target.starts_with(kind));
        let Entry { uid, gid, .. } = header.root;
        if is_unpacked && uid >= FIRST_PERSON { Self { uid, gid } } else { Self::default() }
    }

    /// The owner's number as it would be had root unpacked it.
    pub const fn uid(self, uid: u32) -> u32 {
        if uid == self.uid { 0 } else { uid }
    }

    /// The same of the group's.
    pub const fn gid(self, gid: u32) -> u32 {
        if gid == self.gid { 0 } else { gid }
    }

    /// An entry with both.
    pub fn entry(self, entry: Entry) -> Entry {
        Entry { uid: self.uid(entry.uid), gid: self.gid(entry.gid), ..entry }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::World;

    #[test]
    fn whoever_unpacked_a_tree() {
        let check = |target: &str, owner: u32, expected: [u32; 4]| {
            let (mut manifest, _) = World::new().build();
            manifest.header.target = target.to_owned();
            (manifest.header.root.uid, manifest.header.root.gid) = (owner, 50);
            let root = Root::of(&manifest.header);
            let found = [root.uid(0), root.uid(33), root.uid(1000), root.gid(50)];
            assert_eq!(found, expected, "{target} {owner}");
        };
        check("dir:/srv/tree", 0, [0, 33, 1000, 50]);
        check("dir:/srv/tree", 1000, [0, 33, 0, 0]);
        check("tar:tree.tar", 1000, [0, 33, 0, 0]);
        check("dir:/srv/tree", 33, [0, 33, 1000, 50]);
        check("host:", 1000, [0, 33, 1000, 50]);
        check("disk:a.qcow2", 1000, [0, 33, 1000, 50]);
    }
}
