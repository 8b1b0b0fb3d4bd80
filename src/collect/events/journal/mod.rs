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
use crate::model::{EventTime, Records, Stage, TimeCertainty, Timestamp, TreePath};
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
        let result = log.open(filesystem).and_then(|node| {
            let mut journal = Journal::open(filesystem, node)?;
            let mut each = |number: u64, entry: &Entry| {
                let at = At { path: &path, line: Some(number) };
                take(at, entry, &mut sessions, &mut sink);
            };
            journal.each(is_of_interest, &mut each)
        });
        match result {
            Ok(0) => {}
            Ok(damaged) => {
                reader.gap(&path, format!("{damaged} entries of the journal are damaged"));
            }
            Err(fault) => reader.gap(&path, fault.chain()),
        }
    }
    sessions.finish(&mut sink);
    tell_dropped(reader, directory, sink.dropped);
    reader.records.events.extend(sink.into_events());
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
