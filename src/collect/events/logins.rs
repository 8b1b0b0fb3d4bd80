//! Logins as `wtmp` records them: `struct utmp` of glibc (utmp(5)), 384 bytes on all of Linux's
//! little-endian 64-bit and 32-bit machines.

use super::log::{each_record, rotated, tell_dropped};
use super::{At, Sink};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{
    CauseKind, Event, EventTime, Records, Stage, TimeCertainty, Timestamp, TreePath,
};
use std::collections::BTreeMap;

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-logins",
    version: 1,
    summary: "logins and logouts from wtmp",
    wanted: &[],
    collect,
};

const RECORD: usize = 384;
const BOOT: i16 = 2;
const USER: i16 = 7;
const DEAD: i16 = 8;

/// Terminals that are open at one time.
const MAX_OPEN: usize = 4096;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, 0);
    let mut sink = Sink::default();
    for log in rotated(&mut reader, "/var/log", "wtmp") {
        let mut open = BTreeMap::new();
        each_record(&mut reader, &log, RECORD, |number, record| {
            let at = At { path: &log.path, line: Some(number) };
            take(at, record, &mut open, &mut sink);
        });
        open.into_values().for_each(|event| sink.push(event));
    }
    tell_dropped(&mut reader, &TreePath::parse("/var/log/wtmp"), sink.dropped);
    reader.records.events.extend(sink.into_events());
}

fn take(at: At<'_>, record: &[u8], open: &mut BTreeMap<String, Event>, sink: &mut Sink) {
    let text = |from: usize, to: usize| {
        let bytes = record.get(from..to).unwrap_or_default();
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
    };
    let number = |from: usize| {
        record
            .get(from..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |bytes| u32::from_le_bytes(*bytes))
    };
    let kind = record.first_chunk().map_or(0, |bytes| i16::from_le_bytes(*bytes));
    let (line, user, host) = (text(8, 40), text(44, 76), text(76, 332));
    let nanoseconds = number(344).min(999_999).saturating_mul(1000);
    let moment = Timestamp { seconds: i64::from(number(340)), nanoseconds };
    let time = EventTime { at: moment, certainty: TimeCertainty::Exact };
    match kind {
        BOOT => {
            // Whoever was logged in is not any more.
            while let Some((_, mut event)) = open.pop_first() {
                event.until = Some(time);
                sink.push(event);
            }
        }
        DEAD => {
            if let Some(mut event) = open.remove(&line) {
                event.until = Some(time);
                sink.push(event);
            }
        }
        USER => {
            let is_remote = !host.is_empty() && !host.starts_with(':');
            let (actor, detail) = match is_remote {
                true => (CauseKind::SshSession, format!("{user} from {host}")),
                false => (CauseKind::Human, format!("{user} on the console")),
            };
            let told = format!("wtmp: {user} on {line} {host}");
            let mut event = at.event(actor, "session", &detail, &told);
            event.time = Some(time);
            if open.len() >= MAX_OPEN {
                sink.push(event);
            } else if let Some(lost) = open.insert(line, event) {
                sink.push(lost);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: i16, line: &str, user: &str, host: &str, seconds: u32) -> Vec<u8> {
        let mut bytes = vec![0; RECORD];
        bytes[..2].copy_from_slice(&kind.to_le_bytes());
        bytes[8..8 + line.len()].copy_from_slice(line.as_bytes());
        bytes[44..44 + user.len()].copy_from_slice(user.as_bytes());
        bytes[76..76 + host.len()].copy_from_slice(host.as_bytes());
        bytes[340..344].copy_from_slice(&seconds.to_le_bytes());
        bytes
    }

    #[test]
    fn logins_end_by_logout_or_boot() {
        let path = TreePath::parse("/var/log/wtmp");
        let (mut open, mut sink) = (BTreeMap::new(), Sink::default());
        for record in [
            record(USER, "pts/0", "anna", "10.0.2.2", 10),
            record(USER, "tty1", "root", "", 11),
            record(DEAD, "pts/0", "", "", 20),
            record(BOOT, "~", "reboot", "6.1", 30),
            vec![7; 3],
        ] {
            take(At { path: &path, line: None }, &record, &mut open, &mut sink);
        }
        let shown: Vec<String> = sink
            .into_events()
            .iter()
            .map(|event| {
                format!("{} {} {}", event.actor, event.detail, event.until.unwrap().at.seconds)
            })
            .collect();
        assert_eq!(shown, ["ssh-session anna from 10.0.2.2 20", "human root on the console 30"]);
    }
}
