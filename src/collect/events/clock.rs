//! Local times of a package manager's log set right by what the package database knows.
//!
//! apt and dpkg write local time, and a host's zone is often changed after its first transactions:
//! read by today's zone those lie hours beside the truth. dpkg writes a package's list of files when
//! it unpacks it, so the list's own time of modification tells, in UTC, when the transaction was. A
//! transaction that a list contradicts by whole quarters of an hour is moved by them; one without a
//! list (a removal, a package that was upgraded later) is moved like the one before it.

use crate::collect::reader::Reader;
use crate::filesystem::Node;
use crate::model::{Event, EventSubject, EventTime, TreePath};
use std::collections::HashMap;

/// Zones differ by whole quarters of an hour, in seconds.
const QUARTER: i64 = 900;

/// Between the zones furthest apart (UTC-12 and UTC+14), in seconds.
const WIDEST: i64 = 26 * 3600;

/// A list is written within a transaction; so much may be between the clocks, in seconds.
const TOLERANCE: i64 = 3;

/// Packages of one transaction that are asked.
const MAX_ASKED: usize = 8;

/// Moves the events of one log, which are in its order.
pub fn settle(reader: &mut Reader<'_>, events: &mut [Event]) {
    if events.is_empty() {
        return;
    }
    let folder = TreePath::parse("/var/lib/dpkg/info");
    let lists: HashMap<Vec<u8>, Node> = reader
        .list(&folder)
        .into_iter()
        .filter_map(|(name, node)| Some((name.as_bytes().strip_suffix(b".list")?.to_vec(), node)))
        .collect();
    let filesystem = reader.filesystem;
    let written = |name: &str, architecture: Option<&str>| {
        let qualified = architecture.map(|architecture| format!("{name}:{architecture}"));
        let node = qualified.and_then(|name| lists.get(name.as_bytes()));
        // What cannot be read is told where the packages are.
        let metadata = filesystem.metadata(node.or_else(|| lists.get(name.as_bytes()))?).ok()?;
        Some(metadata.mtime.seconds)
    };
    let shifts: Vec<Option<i64>> = events.iter().map(|event| shift(event, &written)).collect();
    // Before the first that is known: like that one.
    let mut known = shifts.iter().flatten().next().copied().unwrap_or(0);
    for (event, own) in events.iter_mut().zip(shifts) {
        known = own.unwrap_or(known);
        for time in [&mut event.time, &mut event.until].into_iter().flatten() {
            move_by(time, known);
        }
    }
}

fn move_by(time: &mut EventTime, seconds: i64) {
    time.at.seconds = time.at.seconds.saturating_add(seconds);
}

/// By how much the lists of a transaction's packages contradict it.
fn shift(event: &Event, written: &impl Fn(&str, Option<&str>) -> Option<i64>) -> Option<i64> {
    let start = event.time?.at.seconds;
    let end = event.until.map_or(start, |until| until.at.seconds).max(start);
    let unpacked = event.subjects.iter().filter_map(|subject| match subject {
        EventSubject::Package { key, version: Some(_) } => Some(key),
        _ => None,
    });
    let mut times =
        unpacked.take(MAX_ASKED).filter_map(|key| written(&key.name, key.architecture.as_deref()));
    times.find_map(|time| {
        let behind = time.checked_sub(end)?;
        let quarters = behind.checked_add(QUARTER / 2)?.div_euclid(QUARTER);
        // A long transaction reaches over some quarters: the smallest move that fits.
        let candidates = [0, quarters, quarters.checked_add(1)?];
        candidates.into_iter().filter_map(|count| count.checked_mul(QUARTER)).find(|shift| {
            let at = time.saturating_sub(*shift);
            shift.abs() <= WIDEST
                && at >= start.saturating_sub(TOLERANCE)
                && at <= end.saturating_add(TOLERANCE)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::View;
    use crate::collect::events::{At, package};
    use crate::filesystem::memory::MemoryFilesystem;
    use crate::model::{CauseKind, Records, Stage, TimeCertainty, Timestamp};

    /// Transactions of ten seconds that name `jq`, `htop` and nothing known, as they are moved.
    fn check(jq: i64, htop: i64, starts: [i64; 3], expected: [i64; 3]) {
        let mut tree = MemoryFilesystem::new();
        for (name, seconds) in [("jq", jq), ("htop:amd64", htop)] {
            let path = format!("/var/lib/dpkg/info/{name}.list");
            tree.file(&path, "/.\n");
            tree.change(&path, |one| one.mtime = Timestamp::from_seconds(seconds));
        }
        let path = TreePath::parse("/var/log/apt/history.log");
        let names = ["jq", "htop:amd64", "gone"];
        let mut events: Vec<Event> = starts
            .iter()
            .zip(names)
            .map(|(start, name)| {
                let at = At { path: &path, line: None };
                let time = |seconds| {
                    let at = Timestamp::from_seconds(seconds);
                    Some(EventTime { at, certainty: TimeCertainty::LocalTime })
                };
                let mut event = at.event(CauseKind::PackageManager, "install", "apt", "");
                (event.time, event.until) = (time(*start), time(*start + 10));
                event.subjects = vec![package("dpkg", name, Some("1"))];
                event
            })
            .collect();
        let mut records = Records::default();
        let view = View { filesystem: &tree, found: &[] };
        let mut reader = Reader::new(&view, &mut records, Stage::Events, 0);
        settle(&mut reader, &mut events);
        let moved: Vec<i64> = events.iter().map(|one| one.time.unwrap().at.seconds).collect();
        assert_eq!(moved, expected);
    }

    #[test]
    fn transactions_of_another_zone_are_moved() {
        let hour = 3600;
        check(100_005, 200_009, [100_000, 200_000, 300_000], [100_000, 200_000, 300_000]);
        // The zone was changed between the two; what nothing is known of follows the one before.
        check(
            100_005 + 5 * hour,
            200_005,
            [100_000, 200_000, 300_000],
            [100_000 + 5 * hour, 200_000, 300_000],
        );
        check(
            100_005 - 2 * hour,
            900_000,
            [100_000, 200_000, 300_000],
            [100_000 - 2 * hour, 200_000 - 2 * hour, 300_000 - 2 * hour],
        );
        // Upgraded later: the list says nothing of it.
        check(100_400, 900_000, [100_000, 200_000, 300_000], [100_000, 200_000, 300_000]);
    }
}
