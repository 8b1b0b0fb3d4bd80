//! What projects declare, beside locks: the first byte chooses the kind of file.

#![no_main]

#[path = "pins_common.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

const KINDS: common::Files = &[
    ("requirements.txt", b""),
    ("pyproject.toml", b""),
    ("Pipfile", b""),
    ("setup.cfg", b""),
    ("package.json", b"{\"dependencies\": {"),
    ("go.mod", b"module a\n"),
    ("Cargo.toml", b"[dependencies]\n"),
    ("composer.json", b"{\"require\": {"),
    (".tool-versions", b""),
    ("mise.toml", b"[tools]\n"),
    ("environment.yml", b"dependencies:\n"),
    ("rust-toolchain.toml", b"[toolchain]\n"),
];

fuzz_target!(|bytes: &[u8]| common::audit_one_of(KINDS, bytes, &[]));
