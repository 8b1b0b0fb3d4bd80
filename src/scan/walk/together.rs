//! Files read several at a time, because their MD5 will be asked for.
//!
//! A lane without a file takes as long as one with a file. Files of one directory are few and of
//! any length, so that most lanes would soon be empty: a file waits until there are enough of about
//! its length, of whatever directories.

use super::Walk;
use super::files::{Opened, ReadFile, Unread};
use super::pending::Pending;
use crate::collect::packages::executables;
use crate::collect::texts::MAX_TEXT;
use crate::model::{AlternateDigests, Fault};
use crate::scan::bytes::{Digested, copy_up_to_limit, is_unchanged};
use crate::scan::streams::{Digests, Job, Work, read_all};
use rayon::prelude::*;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// Files of about the same length.
struct Class {
    /// The shortest, in bytes.
    from: u64,
    /// As many are read by one thread: enough to fill the lanes, few enough to be shared out, and
    /// to keep their directories open for.
    together: usize,
}

/// Shortest first. Long files take long in whatever lane: they begin together, when all are known.
const CLASSES: [Class; 3] = [
    Class { from: 0, together: 128 },
    Class { from: 16 * 1024, together: 128 },
    Class { from: 128 * 1024, together: 512 },
];

/// Below this a file with holes is read like others: MD5 has to see the zeros anyway.
const SPARSE_FROM: u64 = 64 * 1024 * 1024;

/// Threads that what is left is shared out to: with more, lanes would stay empty.
const SHARES: usize = 2;

/// Files that wait, by [`CLASSES`].
pub(super) type Queues = [Vec<Waiting>; CLASSES.len()];

/// A file that waits for others, and its directory.
pub(super) struct Waiting {
    pending: Arc<Pending>,
    unread: Unread,
}

impl Walk<'_> {
    /// Puts files off until there are enough to go beside each other.
    pub(super) fn put_off(&self, pending: &Arc<Pending>, files: Vec<Unread>) {
        for unread in files {
            let size = unread.metadata.size;
            pending.remaining.fetch_add(1, Ordering::Relaxed);
            let mut queues = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let mut classes = queues.iter_mut().zip(&CLASSES).rev();
            let Some((queue, class)) = classes.find(|(_, class)| size >= class.from) else {
                return;
            };
            queue.push(Waiting { pending: pending.clone(), unread });
            let together =
                if queue.len() < class.together { Vec::new() } else { std::mem::take(queue) };
            drop(queues);
            self.read_waiting(together);
        }
    }

    /// Reads what still waits when all directories were seen.
    pub(super) fn read_rest(&self) {
        let queues =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut left: Vec<Waiting> = queues.into_iter().flatten().collect();
        left.sort_unstable_by_key(|waiting| waiting.unread.metadata.size);
        let mut shares = [const { Vec::new() }; SHARES];
        for (number, waiting) in left.into_iter().enumerate() {
            if let Some(share) = shares.get_mut(number % SHARES) {
                share.push(waiting);
            }
        }
        shares.into_par_iter().for_each(|share| self.read_waiting(share));
    }

    /// Reads files that waited.
    fn read_waiting(&self, mut waiting: Vec<Waiting>) {
        // The longest goes first, so that none is left alone for long.
        waiting.sort_unstable_by_key(|waiting| waiting.unread.metadata.size);
        let done = Vec::with_capacity(waiting.len());
        let mut reading = Together { walk: self, waiting, done };
        read_all(self.filesystem, &mut reading);
        for (pending, slot, read) in reading.done {
            self.hand_in(&pending, vec![(slot, read)]);
            self.part_done(&pending);
        }
    }
}

/// The files that one thread reads.
struct Together<'w, 'a> {
    walk: &'w Walk<'a>,
    waiting: Vec<Waiting>,
    done: Vec<(Arc<Pending>, usize, ReadFile)>,
}

/// A file that is being read.
struct Reading {
    pending: Arc<Pending>,
    slot: usize,
    opened: Opened,
    copy: Vec<u8>,
    is_executable: bool,
}

impl Work for Together<'_, '_> {
    type Key = Reading;

    fn next(&mut self) -> Option<Job<Reading>> {
        loop {
            let Waiting { pending, unread } = self.waiting.pop()?;
            let slot = unread.slot;
            let may_be_text = unread.metadata.size <= MAX_TEXT && self.walk.keep.texts.is_some();
            let directory = may_be_text.then(|| pending.path());
            match self.walk.open(&pending, directory.as_ref(), &unread) {
                Err(read) => self.done.push((pending, slot, *read)),
                Ok(opened) if self.has_holes(&opened) => {
                    let read = self.walk.read(&pending, slot, opened);
                    self.done.push((pending, slot, read));
                }
                Ok(opened) => {
                    let (node, size) = (opened.node.clone(), opened.metadata.size);
                    let copy = Vec::new();
                    let key = Reading { pending, slot, opened, copy, is_executable: false };
                    return Some(Job { key, node, size });
                }
            }
        }
    }

    fn piece(&mut self, key: &mut Reading, offset: u64, bytes: &[u8]) {
        if offset == 0 {
            key.is_executable = executables::is_executable(bytes);
        }
        if key.opened.text.is_some() {
            copy_up_to_limit(&mut key.copy, bytes);
        }
    }

    fn done(&mut self, job: Job<Reading>, result: Result<Digests, Fault>) {
        let Reading { pending, slot, opened, copy, is_executable } = job.key;
        let before = opened.metadata;
        let read = match (result, self.walk.filesystem.metadata(&job.node)) {
            (Ok(digests), Ok(metadata))
                if is_unchanged(&before, &metadata) && digests.count == before.size =>
            {
                let alternates = Some(AlternateDigests {
                    md5: Some(digests.md5),
                    ..AlternateDigests::default()
                });
                let digest = digests.blake3;
                let digested = Digested { metadata, digest, alternates, is_executable };
                self.walk.digested(opened, &digested, &copy)
            }
            // It changes, or cannot be read: again, by itself, with all that is said about that.
            _ => self.walk.read(&pending, slot, opened),
        };
        self.done.push((pending, slot, read));
    }
}

impl Together<'_, '_> {
    /// Holes are not read.
    fn has_holes(&self, opened: &Opened) -> bool {
        let size = opened.metadata.size;
        let data = || self.walk.filesystem.next_data(&opened.node, 0);
        size >= SPARSE_FROM
            && !matches!(data(), Ok(Some(data)) if data.start == 0 && data.end >= size)
    }
}
