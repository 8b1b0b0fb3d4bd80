//! Files in Ruby: Chef's, Bundler's, Homebrew's and Vagrant's. The first byte chooses the kind of file.

#![no_main]

#[path = "pins_common.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

const KINDS: common::Files = &[
    ("cookbooks/a/recipes/default.rb", b""),
    ("cookbooks/a/attributes/default.rb", b""),
    ("cookbooks/a/metadata.rb", b"name 'a'\n"),
    ("Berksfile", b""),
    ("Policyfile.rb", b""),
    ("Gemfile", b""),
    ("Brewfile", b""),
    ("Vagrantfile", b""),
];

fuzz_target!(|bytes: &[u8]| common::audit_one_of(KINDS, bytes, &[("Gemfile.lock", b"GEM\n  specs:\n    rake (13.0.6)\n")]));
