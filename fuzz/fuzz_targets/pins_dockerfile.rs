//! Dockerfiles, with a script of the repository that they may copy and run.

#![no_main]

#[path = "pins_common.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    common::audit("Dockerfile", bytes, &[("x.sh", b"#!/bin/sh\napk add curl\n")]);
});
