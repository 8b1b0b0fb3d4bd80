//! ISO 9660: the input is the beginning of an image.

#![no_main]

use driftcheck::filesystem::iso9660::Iso9660;
use harness::{Input, walk};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(filesystem) = Iso9660::open(Arc::new(Input::new(bytes))) {
        walk(&filesystem);
    }
});
