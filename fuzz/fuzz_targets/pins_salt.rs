//! States of Salt, and Jinja with them; a map beside them is imported.

#![no_main]

#[path = "pins_common.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

const KINDS: common::Files = &[
    ("salt/a/init.sls", b""),
    ("salt/a/init.sls", b"{% from 'a/map.jinja' import a with context %}\n"),
];

fuzz_target!(|bytes: &[u8]| common::audit_one_of(KINDS, bytes, &[("salt/a/map.jinja", b"{% set a = {'v': '1.2'} %}\n"), ("pillar/a.sls", b"a:\n  v: 1\n")]));
