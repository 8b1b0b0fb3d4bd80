//! Puppet's manifests and lists of modules: the first byte chooses the kind of file.

#![no_main]

#[path = "pins_common.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

const KINDS: common::Files = &[
    ("manifests/init.pp", b""),
    ("Puppetfile", b""),
    ("metadata.json", b"{\"name\": \"a-b\", \"dependencies\": ["),
    (".fixtures.yml", b"fixtures:\n"),
];

fuzz_target!(|bytes: &[u8]| common::audit_one_of(KINDS, bytes, &[]));
