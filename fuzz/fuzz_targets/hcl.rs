//! Packer and Terraform files, native and JSON: the first byte chooses the kind of file.
//!
//! The invariant: reading ends without a panic, and every input lies within the file.

#![no_main]

use driftcheck::pins::{Audit, CARRIERS, Repository, SourceFile};
use libfuzzer_sys::fuzz_target;

const PATHS: [&str; 5] = ["a.pkr.hcl", "a.pkrvars.hcl", "a.json", "a.tf", "a.tf.json"];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, text)) = bytes.split_first() else { return };
    let path = PATHS[usize::from(*first) % PATHS.len()];
    let head: &[u8] = b"\"builders\"";
    let Some(carrier) = CARRIERS.iter().find(|row| (row.recognises)(path, head)) else { return };
    let repository = Repository::of_files([(path, text)]);
    let file = SourceFile::new(path, text);
    let mut audit = Audit::new(&repository, file.clone(), carrier.name);
    (carrier.read)(&file, &mut audit);
    for input in audit.finish().inputs {
        assert!(input.place.start_byte <= input.place.end_byte);
        assert!(input.place.end_byte <= text.len());
    }
});
