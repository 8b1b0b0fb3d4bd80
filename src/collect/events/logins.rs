//! Logins as `wtmp` records them: `struct utmp` of glibc (utmp(5)), 384 bytes on all of Linux's
//! little-endian 64-bit and 32-bit machines; and the last login of each user in `lastlog`. `btmp`
//! is not read: who could not log in changed nothing.

use super::log::{at_path, each_record, rotated, tell_dropped};
use super::{At, Sink};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::filesystem::resolve::read_file;
use crate::model::{
    CauseKind, Event, EventTime, Records, Stage, TimeCertainty, Timestamp, TreePath,
};
use std::collections::BTreeMap;

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-logins",
    version: 2,
    summary: "logins and logouts from wtmp",
    wanted: &[],
    collect,
};

const RECORD: usize = 384;
const BOOT: i16 = 2;
const USER: i16 = 7;
const DEAD: i16 = 8;

/// `/etc/passwd` of a host with many users.
const MAX_PASSWD: u64 = 16 << 20;

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
    last(&mut reader, &mut sink);
    tell_dropped(&mut reader, &TreePath::parse("/var/log/wtmp"), sink.dropped);
    reader.records.events.extend(sink.into_events());
}

/// `struct lastlog` by user number: seconds, terminal (32), host (256).
const LAST_RECORD: u64 = 292;

/// Users that are looked up; the file is sparse and may claim to hold billions.
const MAX_USERS: usize = 5000;

/// The last login of each user, where nothing else tells it: `lastlog` is kept when wtmp is not.
fn last(reader: &mut Reader<'_>, sink: &mut Sink) {
    let path = TreePath::parse("/var/log/lastlog");
    let Some(log) = at_path(reader, &path) else { return };
    let passwd = read_file(reader.filesystem, &TreePath::parse("/etc/passwd"), MAX_PASSWD);
    let passwd = passwd.ok().flatten().unwrap_or_default();
    let filesystem = reader.filesystem;
    let Ok(node) = log.open(filesystem) else { return };
    for line in String::from_utf8_lossy(&passwd).lines().take(MAX_USERS) {
        let mut fields = line.split(':');
        let (Some(user), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse::<u32>))
        else {
            continue;
        };
        let mut record = [0; 292];
        let at = u64::from(id).saturating_mul(LAST_RECORD);
        let Ok(count) = filesystem.read_at(&node, at, &mut record) else { continue };
        let seconds = record.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        if count < record.len() || seconds == 0 {
            continue;
        }
        let text = |from: usize, to: usize| {
            let bytes = record.get(from..to).unwrap_or_default();
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
        };
        let (terminal, host) = (text(4, 36), text(36, 292));
        let (actor, detail) = match host.is_empty() || host.starts_with(':') {
            true => (CauseKind::Human, format!("{user} on the console")),
            false => (CauseKind::SshSession, format!("{user} from {host}")),
        };
        let told = format!("lastlog: {user} on {terminal} {host}");
        let mut event = At { path: &path, line: Some(u64::from(id)) }.event(
            actor,
            "last-login",
            &detail,
            &told,
        );
        let at = Timestamp::from_seconds(i64::from(seconds));
        event.time = Some(EventTime { at, certainty: TimeCertainty::Exact });
        sink.push(event);
    }
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
