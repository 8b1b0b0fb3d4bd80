//! The JSON formats, one module for each schema and version, and the parts that they share.
//!
//! `snapshots/schema/` has a JSON Schema for each (and OASIS's of SARIF); a test holds every document against it. A
//! change that removes or renames a key is a new version in a new module; adding keys is not.

pub(crate) mod drift_v1;
mod parts;
pub(crate) mod pins_v1;
#[cfg(test)]
pub(super) mod schema;
pub(crate) mod show_v1;
mod verify_v1;

use serde::Serialize;
use std::io::{self, BufWriter, Write};

/// One document, indented, with a newline at its end.
pub(super) fn document(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    // The serializer writes token by token; the caller's sink may be a plain file.
    let mut out = BufWriter::new(out);
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// A value with its `type` in front, as ndjson has one on each line.
#[derive(Serialize)]
struct Line<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    value: &'a T,
}

fn line(kind: &'static str, value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Line { kind, value })?;
    line.push(b'\n');
    out.write_all(&line)
}
