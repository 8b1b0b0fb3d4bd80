//! EROFS: the input is the beginning of an image.

#![no_main]

use driftcheck::filesystem::erofs::Erofs;
use harness::{Input, walk};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(filesystem) = Erofs::open(Arc::new(Input::new(bytes))) {
        walk(&filesystem);
    }
});
