//! What collectors read: the first byte chooses a file of a system, the rest is its bytes. All
//! collectors run over a tree that has it.

#![no_main]

use driftcheck::collect::{COLLECTORS, View};
use driftcheck::filesystem::memory::MemoryFilesystem;
use driftcheck::model::Records;
use libfuzzer_sys::fuzz_target;

/// Files whose formats are more than lines of text come first.
const PATHS: [&str; 16] = [
    "/var/lib/rpm/Packages",
    "/var/lib/rpm/Packages.db",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/log/journal/0123456789abcdef0123456789abcdef/system.journal",
    "/var/log/wtmp",
    "/var/lib/dpkg/status",
    "/lib/apk/db/installed",
    "/var/lib/dnf/history.sqlite",
    "/etc/localtime",
    "/var/lib/snapd/state.json",
    "/var/lib/docker/image/overlay2/repositories.json",
    "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db",
    "/var/log/auth.log",
    "/var/log/cloud-init.log",
    "/var/lib/dpkg/alternatives/editor",
    "/etc/apt/trusted.gpg",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let mut tree = MemoryFilesystem::new();
    tree.file(PATHS[usize::from(*first) % PATHS.len()], rest);
    let view = View { filesystem: &tree, found: &[] };
    for collector in COLLECTORS {
        (collector.collect)(&view, &mut Records::default());
    }
});
