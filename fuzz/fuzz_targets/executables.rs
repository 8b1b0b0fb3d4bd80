//! Programs that say what they were built from: ELF, PE and Mach-O with Go's build information or
//! the list of cargo-auditable.
//!
//! The invariant: what the walk calls silent has no packages.

#![no_main]

use driftcheck::collect::View;
use driftcheck::collect::packages::executables::{COLLECTOR, is_executable, says_something};
use driftcheck::filesystem::Filesystem;
use driftcheck::filesystem::memory::MemoryFilesystem;
use driftcheck::model::{Records, TreePath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = TreePath::parse("/x");
    let mut tree = MemoryFilesystem::new();
    tree.file("/x", bytes);
    let Ok(Some(node)) = tree.lookup(&tree.root(), b"x") else { return };
    let speaks = is_executable(bytes) && says_something(&tree, &node, bytes.len() as u64);
    let mut records = Records::default();
    (COLLECTOR.collect)(&View { filesystem: &tree, found: &[path] }, &mut records);
    assert!(speaks || records.packages.is_empty(), "{:?}", records.packages);
});
