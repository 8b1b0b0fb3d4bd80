//! What the targets of the build file readers share.
//!
//! The invariant: reading ends without a panic, every place lies within its file, and the report
//! can be judged and written in every format.

use driftcheck::pins::{Audit, PinReport, Repository, Requirements, SourceFile, carrier};
use driftcheck::report::{Pins, REPORTERS, View};
use std::sync::Arc;

/// Files within a tree, by their paths.
pub type Files<'a> = &'a [(&'a str, &'a [u8])];

/// Reads `bytes` as the file `path`, beside `others`.
pub fn audit(path: &str, bytes: &[u8], others: Files<'_>) {
    let head = &bytes[..bytes.len().min(carrier::HEAD)];
    let Some(carrier) = carrier::carrier_of(path, head) else { return };
    let files = others.iter().copied().chain([(path, bytes)]);
    let repository = Repository::of_files(files);
    let file = SourceFile::new(path, bytes);
    let mut audit = Audit::new(&repository, file.clone(), carrier.name);
    (carrier.read)(&file, &mut audit);
    let collected = audit.finish();
    let length = |name: &str| {
        let other = others.iter().find(|(path, _)| *path == name);
        other.map_or(bytes.len(), |(_, bytes)| bytes.len())
    };
    for input in &collected.inputs {
        let place = &input.place;
        assert!(place.start_byte <= place.end_byte, "{input:?}");
        assert!(place.end_byte <= length(&place.file), "{input:?}");
        if let Some(form) = &input.form {
            assert!(form.start_byte <= form.end_byte && form.end_byte <= length(&place.file));
        }
    }
    let requirements = Requirements::default();
    let (inputs, remarks, gaps) = (collected.inputs, collected.remarks, collected.gaps);
    let mut report = PinReport::judge(inputs, remarks, gaps, &requirements);
    report.suppress(collected.suppressions, &requirements, None);
    let sources = |file: &str| {
        let other = others.iter().find(|(path, _)| *path == file);
        Some(Arc::from(other.map_or(bytes, |(_, bytes)| bytes)))
    };
    let pins = Pins {
        report: &report,
        sources: &sources,
        inventory: false,
        against: None,
        fixing: None,
        is_fixed: false,
    };
    // Layout of thousands of rows costs time that finds nothing.
    if report.findings.len() + report.gaps.len() <= 40 {
        for write in REPORTERS.iter().filter_map(|reporter| reporter.pins) {
            write(&pins, &View::PLAIN, &mut std::io::sink()).expect("a sink takes all");
        }
    }
}

/// Reads bytes as one of several kinds of files, each with its beginning: the first byte chooses.
#[allow(dead_code, reason = "targets of one kind of file have no use for it")]
pub fn audit_one_of(kinds: Files<'_>, bytes: &[u8], others: Files<'_>) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let (path, beginning) = kinds[usize::from(*first) % kinds.len()];
    audit(path, &[beginning, rest].concat(), others);
}
