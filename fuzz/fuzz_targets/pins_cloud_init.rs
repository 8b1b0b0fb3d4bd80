//! cloud-init's user-data in all of its forms: the first byte chooses the beginning.

#![no_main]

#[path = "pins_common.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

const BEGINNINGS: [&[u8]; 4] = [
    b"#cloud-config\n",
    b"Content-Type: multipart/mixed; boundary=B\n\n--B\n",
    b"## template: jinja\n#cloud-config\n",
    b"",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let beginning = BEGINNINGS[usize::from(*first) % BEGINNINGS.len()];
    common::audit("user-data", &[beginning, rest].concat(), &[]);
});
