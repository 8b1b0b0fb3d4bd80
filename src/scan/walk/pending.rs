//! A directory that is being read, and what it tells its parent when it is done.

use crate::model::{DirectoryContent, Entry, ExactId, Name, TreePath, Xattr};
use crate::scan::beside;
use crate::scan::trust::Record;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a directory's task tells its parent.
#[derive(Clone)]
pub(super) struct Delivery {
    pub(super) content: DirectoryContent,
    /// `None` where they were known before, or could not be read.
    pub(super) xattrs: Option<Vec<Xattr>>,
    /// Whether it is what the previous scan saw, to the exact id.
    pub(super) is_unchanged: bool,
}

/// A directory that is being read.
pub(super) struct Pending {
    pub(super) parent: Option<(Arc<Pending>, usize)>,
    pub(super) name: Option<Name>,
    pub(super) inode: (u64, u64),
    /// Parts that are not finished: batches of files, directories, and the listing itself.
    pub(super) remaining: AtomicUsize,
    /// Whether something in it could not be read, or went away meanwhile.
    pub(super) is_partial: AtomicBool,
    /// Whether its own extended attributes are not known from its parent's tree.
    pub(super) needs_xattrs: bool,
    /// Whether packages may have put files here whose digests they name.
    pub(super) may_be_shipped: bool,
    pub(super) building: Mutex<Building>,
}

#[derive(Default)]
pub(super) struct Building {
    pub(super) entries: Vec<Entry>,
    pub(super) own_xattrs: Option<Vec<Xattr>>,
    /// Fingerprint and inodes of what was listed.
    pub(super) seen: ([u8; 16], Vec<u64>),
    /// Numbers of the entries that say what they were built from, in any order.
    pub(super) speaking: Vec<usize>,
    /// The record of the previous scan, where its tree is taken over but for these directories.
    pub(super) taken_over: Option<Record>,
    /// Names of directories of a tree that is taken over, with what they delivered.
    pub(super) delivered: Vec<(Name, Option<Delivery>)>,
    /// Entries that were removed after they were listed.
    pub(super) gone: Vec<Name>,
    /// What the previous scan saw, where all is read again.
    pub(super) previous: Option<ExactId>,
    /// Read although it could be trusted: must come out as before.
    pub(super) is_sampled: bool,
}

impl Pending {
    pub(super) fn new(
        parent: Option<(Arc<Self>, usize)>,
        name: Option<Name>,
        inode: (u64, u64),
        needs_xattrs: bool,
    ) -> Self {
        let may_be_shipped = match (&parent, &name) {
            (Some((parent, _)), Some(name)) => {
                parent.may_be_shipped && beside::may_ship_into(parent.parent.is_none(), name)
            }
            _ => true,
        };
        Self {
            parent,
            name,
            inode,
            remaining: AtomicUsize::new(1),
            is_partial: AtomicBool::new(false),
            needs_xattrs,
            may_be_shipped,
            building: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> TreePath {
        let mut names = Vec::new();
        let mut here = Some(self);
        while let Some(pending) = here {
            names.extend(pending.name.as_ref());
            here = pending.parent.as_ref().map(|(parent, _)| parent.as_ref());
        }
        let mut path = TreePath::root();
        for name in names.into_iter().rev() {
            path.push(name);
        }
        path
    }

    /// The name of one of its entries.
    pub(super) fn name_of(&self, slot: usize) -> Option<Name> {
        self.building().entries.get(slot)?.name.clone()
    }

    pub(super) fn building(&self) -> MutexGuard<'_, Building> {
        self.building.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parents are let go one after the other: a chain of a hundred thousand directories must not be
/// dropped by recursion.
impl Drop for Pending {
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some((parent, _)) = next {
            next = Arc::into_inner(parent).and_then(|mut parent| parent.parent.take());
        }
    }
}
