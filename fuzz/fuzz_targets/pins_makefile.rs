//! Makefiles.

#![no_main]

#[path = "pins_common.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    common::audit("Makefile", bytes, &[]);
});
