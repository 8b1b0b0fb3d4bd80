//! cloud-init: its log (modules, commands, files written), the semaphores of what ran once, and
//! the user-data with the bytes that it had written.
//!
//! The formats: cloud-init's `handlers.py` (`start:` and `finish:` of `stage/config-module`),
//! `subp.py`, `util.py`; its documented cloud-config schema.

pub mod config;
pub mod log;
mod output;
mod scripts;

use super::log::{each_line, rotated, tell_dropped};
use super::zone::epoch;
use super::{At, Sink};
use crate::collect::reader::{Reader, below};
use crate::collect::{Collector, View};
use crate::model::{CauseKind, EventTime, Records, Stage, Timestamp, TreePath};
use std::collections::BTreeMap;

/// The row of the table.
pub static COLLECTOR: Collector = Collector {
    name: "events-cloud-init",
    version: 2,
    summary: "modules that cloud-init ran, its commands, the files it wrote",
    wanted: &[],
    collect,
};

/// User-data has at most 16 MiB anywhere (OpenStack 64 KiB, EC2 16 KiB).
const MAX_CONFIG: u64 = 16 << 20;

/// Instances whose state is kept; images that were booted many times have some.
const MAX_INSTANCES: usize = 100;

/// From when to when a module ran.
pub type Window = (EventTime, EventTime);

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Events, MAX_CONFIG);
    let mut sink = Sink::default();
    let mut parser = log::Parser::default();
    for file in rotated(&mut reader, "/var/log", "cloud-init.log") {
        each_line(&mut reader, &file, |number, line| {
            parser.take(At { path: &file.path, line: Some(number) }, line, &mut sink);
        });
    }
    if parser.windows.is_empty() {
        for file in rotated(&mut reader, "/var/log", "cloud-init-output.log") {
            let mut stages = output::Stages::default();
            each_line(&mut reader, &file, |number, line| {
                stages.take(At { path: &file.path, line: Some(number) }, line, &mut sink);
            });
        }
    }
    tell_dropped(&mut reader, &TreePath::parse("/var/log/cloud-init.log"), sink.dropped);
    scripts::of_machine(&mut reader, &parser.windows, &mut sink);
    let instances = TreePath::parse("/var/lib/cloud/instances");
    for (name, _) in reader.list_directories(&instances).into_iter().take(MAX_INSTANCES) {
        let directory = instances.join(&name);
        let mut windows = parser.windows.clone();
        semaphores(&mut reader, &below(&directory, "sem"), &mut windows, &mut sink);
        let mut is_merged = false;
        for file in ["cloud-config.txt", "user-data.txt", "vendor-cloud-config.txt"] {
            let path = below(&directory, file);
            if is_merged && file == "user-data.txt" {
                continue;
            }
            let Some(bytes) = reader.file(&path) else { continue };
            if let Err(fault) = config::events(&path, &bytes, &windows, &mut sink) {
                reader.gap(&path, fault.chain());
            }
            // The merged configuration holds all parts of the user-data.
            is_merged |= file == "cloud-config.txt" && !bytes.is_empty();
        }
        scripts::of_instance(&mut reader, &directory, is_merged, &windows, &mut sink);
    }
    reader.records.events.extend(sink.into_events());
}

/// `config_MODULE` holds `PID: EPOCH` of when the module began; used where the log does not say.
fn semaphores(
    reader: &mut Reader<'_>,
    directory: &TreePath,
    windows: &mut BTreeMap<String, Window>,
    sink: &mut Sink,
) {
    for (name, node) in reader.list(directory) {
        let path = directory.join(&name);
        let text = name.to_string();
        let Some(module) = text.strip_prefix("config_") else { continue };
        let module = module.strip_suffix(".once").unwrap_or(module).replace('-', "_");
        if windows.contains_key(&module) {
            continue;
        }
        let Some(bytes) = reader.node(&path, &node) else { continue };
        let line = String::from_utf8_lossy(&bytes).trim().to_owned();
        let Some(start) = line.split_once(": ").and_then(|(_, time)| epoch(time.trim())) else {
            continue;
        };
        let mut event =
            At { path: &path, line: Some(1) }.event(CauseKind::CloudInit, "module", &module, &line);
        event.time = Some(start);
        sink.push(event);
        // How long it ran is not said: until the file system is quiet is not known either.
        windows.insert(module, (start, later(start, 2)));
    }
}

fn later(time: EventTime, seconds: i64) -> EventTime {
    let at = Timestamp { seconds: time.at.seconds.saturating_add(seconds), ..time.at };
    EventTime { at, ..time }
}
