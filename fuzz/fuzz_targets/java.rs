//! Java archives, as the collector reads them: the first byte chooses what the file is called, the
//! rest is its bytes.

#![no_main]

use driftcheck::collect::View;
use driftcheck::collect::packages::java::COLLECTOR;
use driftcheck::filesystem::memory::MemoryFilesystem;
use driftcheck::model::{Records, TreePath};
use libfuzzer_sys::fuzz_target;

const PATHS: [&str; 4] =
    ["/a-1.jar", "/b.war", "/c.hpi", "/root/.m2/repository/org/x/lib/1/lib-1.jar"];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let path = PATHS[usize::from(*first) % PATHS.len()];
    let mut tree = MemoryFilesystem::new();
    tree.file(path, rest);
    let mut records = Records::default();
    (COLLECTOR.collect)(&View { filesystem: &tree, found: &[TreePath::parse(path)] }, &mut records);
    for package in records.packages {
        assert!(!package.key.name.is_empty() && !package.version.is_empty(), "{package:?}");
    }
});
