//! Container images in tars: the input is an archive, as `docker save` and OCI tools write it.

#![no_main]

use driftcheck::targets::{ImageReference, OpenOptions, TargetSpec, open};
use harness::{OnDisk, walk};
use libfuzzer_sys::fuzz_target;

/// Writes right checksums, so that a mutation of a header is read and not passed over.
fn seal(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512) {
        if block[257..].starts_with(b"ustar") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    seal(&mut bytes);
    let file = OnDisk::new(&bytes);
    let image = ImageReference { path: file.path().to_owned(), reference: None };
    for spec in [TargetSpec::DockerArchive(image.clone()), TargetSpec::OciArchive(image)] {
        if let Ok(target) = open(&spec, &OpenOptions::default()) {
            walk(target.filesystem.as_ref());
        }
    }
});
