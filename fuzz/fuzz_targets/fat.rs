//! FAT12, FAT16 and FAT32: the input is the beginning of an image.

#![no_main]

use driftcheck::filesystem::fat::Fat;
use harness::{Input, walk};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(filesystem) = Fat::open(Arc::new(Input::new(bytes))) {
        walk(&filesystem);
    }
});
