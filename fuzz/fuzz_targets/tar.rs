//! Root tars, plain and compressed: the input is the beginning of an archive.

#![no_main]

use driftcheck::filesystem::tar::{TarOptions, UnpackLimits, read_tar};
use harness::{Input, walk};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

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

/// A bomb is one in seconds: an archive of an image may unpack to much more.
const MAX_UNPACKED: u64 = 16 << 20;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    seal(&mut bytes);
    let limits = UnpackLimits { bytes: MAX_UNPACKED, ..UnpackLimits::default() };
    let options = TarOptions { limits, ..TarOptions::default() };
    if let Ok(opened) = read_tar(Arc::new(Input::new(&bytes)), &options) {
        walk(&opened.filesystem);
    }
});
