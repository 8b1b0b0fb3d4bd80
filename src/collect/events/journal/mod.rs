//! systemd's journal, read natively: the same messages as syslog's, with who truly wrote them.
//!
//! journald records the sender's user by the kernel's word (`_UID`, fields that begin with an
//! underscore), so a message of root's is not forgeable by others. Hash tables are not needed:
//! entries are read in the order of the file's entry arrays.

pub mod file;

use super::log::{at_path, tell_dropped};
use super::syslog::sessions::Sessions;
use super::syslog::{Message, is_of_interest};
use super::{At, Sink};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{EventTime, Omission, Records, Stage, TimeCertainty, Timestamp, TreePath};
use file::{Entry, Journal};

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-journal",
    version: 2,
    summary: "Ansible's tasks, sessions, sudo and accounts in systemd's journal",
    wanted: &[],
    collect,
};

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, 0);
    for top in ["/var/log/journal", "/run/log/journal"] {
        let top = TreePath::parse(top);
        for (name, _) in reader.list_directories(&top) {
            machine(&mut reader, &top.join(&name));
        }
    }
}

/// The journals of one machine: archived ones, users' and the current one, by name.
fn machine(reader: &mut Reader<'_>, directory: &TreePath) {
    let mut sink = Sink::default();
    let mut sessions = Sessions::default();
    for (name, _) in reader.list(directory) {
        let is_journal =
            name.as_bytes().ends_with(b".journal") || name.as_bytes().ends_with(b".journal~");
        let path = directory.join(&name);
        if !is_journal {
            continue;
        }
        let Some(log) = at_path(reader, &path) else { continue };
        let filesystem = reader.filesystem;
        // journald sets a file aside that it did not close itself, and reads of it what it can.
        let mut was_closed = !name.as_bytes().ends_with(b"~");
        let result = log.open(filesystem).and_then(|node| {
            let mut journal = Journal::open(filesystem, node)?;
            was_closed &= journal.is_closed;
            let mut each = |number: u64, entry: &Entry| {
                let at = At { path: &path, line: Some(number) };
                take(at, entry, &mut sessions, &mut sink);
            };
            journal.each(is_of_interest, &mut each)
        });
        match result {
            Ok(0) => {}
            Ok(damaged) => {
                tell_damage(reader, &path, was_closed, &format!("{damaged} entries are damaged"));
            }
            Err(fault) => tell_damage(reader, &path, was_closed, &fault.chain()),
        }
    }
    sessions.finish(&mut sink);
    tell_dropped(reader, directory, sink.dropped);
    reader.records.events.extend(sink.into_events());
}

/// A gap; of a journal that no journald closed (the machine was cut off), what journald itself
/// would pass over.
fn tell_damage(reader: &mut Reader<'_>, path: &TreePath, was_closed: bool, reason: &str) {
    if was_closed {
        reader.gap(path, format!("journal: {reason}"));
    } else {
        let reason = format!("journal, cut off while it was written: {reason}");
        reader.records.omissions.push(Omission { path: path.clone(), reason });
    }
}

fn take(at: At<'_>, entry: &Entry, sessions: &mut Sessions, sink: &mut Sink) {
    let seconds = i64::try_from(entry.realtime.div_euclid(1_000_000)).unwrap_or(i64::MAX);
    let nanoseconds = u32::try_from(entry.realtime.rem_euclid(1_000_000)).unwrap_or(0);
    let stamp = Timestamp { seconds, nanoseconds: nanoseconds.saturating_mul(1000) };
    let message = Message {
        at,
        time: EventTime { at: stamp, certainty: TimeCertainty::Exact },
        tag: &entry.identifier,
        pid: &entry.pid,
        text: &entry.message,
        forgeable: entry.uid != Some(0),
    };
    message.take(sessions, sink);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    /// Gaps and omissions of a journal whose entries lead nowhere.
    fn check(name: &str, state: u8, expected: (usize, usize)) {
        let mut file = vec![0; 256];
        file[..8].copy_from_slice(b"LPKSHHRH");
        file[16] = state;
        file[176] = 200;
        let mut tree = MemoryFilesystem::new();
        tree.file(&format!("/var/log/journal/m/{name}"), file);
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        assert_eq!((records.gaps.len(), records.omissions.len()), expected, "{name} {state}");
    }

    #[test]
    fn a_journal_that_was_cut_off_is_no_gap() {
        check("system.journal", 0, (1, 0));
        check("system@1.journal", 2, (1, 0));
        check("system.journal", 1, (0, 1));
        check("system@1.journal~", 0, (0, 1));
    }
}
