//! What the targets of the build file readers share.
//!
//! The invariant: reading ends without a panic, every place lies within its file, and the report
//! can be judged.

use driftcheck::pins::{Audit, PinReport, Repository, Requirements, SourceFile, carrier};

/// Reads `bytes` as the file `path`, beside `others`.
pub fn audit(path: &str, bytes: &[u8], others: &[(&str, &[u8])]) {
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
}
