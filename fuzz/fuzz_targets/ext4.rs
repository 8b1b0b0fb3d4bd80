//! ext2, ext3 and ext4: the input is the beginning of an image.

#![no_main]

use driftcheck::filesystem::ext4::Ext4;
use harness::{Input, walk};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(filesystem) = Ext4::open(Arc::new(Input::new(bytes))) {
        walk(&filesystem);
    }
});
