//! What language packages leave behind, and bills of materials: the first byte chooses the file,
//! the rest is its bytes.

#![no_main]

use driftcheck::collect::packages::bill;
use driftcheck::collect::{COLLECTORS, View};
use driftcheck::filesystem::memory::MemoryFilesystem;
use driftcheck::model::{Records, TreePath};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;

/// Behind the last one come bills.
const PATHS: [&str; 15] = [
    "/usr/lib/python3/dist-packages/a-1.dist-info/METADATA",
    "/usr/lib/python3/dist-packages/a-1.dist-info/RECORD",
    "/usr/lib/python3/dist-packages/a-1.dist-info/direct_url.json",
    "/usr/lib/python3/dist-packages/a.egg-info",
    "/srv/node_modules/a/package.json",
    "/srv/node_modules/.package-lock.json",
    "/usr/share/gems/specifications/a-1.gemspec",
    "/srv/vendor/composer/installed.json",
    "/srv/vendor/composer/installed.php",
    "/opt/conda/conda-meta/a-1-0.json",
    "/usr/lib/R/library/a/DESCRIPTION",
    "/usr/lib/perl5/auto/a/.packlist",
    "/usr/lib/perl5/perllocal.pod",
    "/srv/app/app.deps.json",
    "/usr/lib/node_modules/a/package.json",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let Some(path) = PATHS.get(usize::from(*first) % (PATHS.len() + 1)) else {
        let _ = bill::is_bill(rest);
        if let Ok(bill) = bill::parse(rest) {
            assert!(bill.packages.windows(2).all(|pair| pair[0].key < pair[1].key));
        }
        return;
    };
    let mut tree = MemoryFilesystem::new();
    // Without it nobody asks for its neighbours.
    let metadata = "/usr/lib/python3/dist-packages/a-1.dist-info/METADATA";
    tree.file(metadata, "Name: a\nVersion: 1\n").file(path, rest);
    let mut met = BTreeSet::new();
    for path in [metadata, path] {
        met.extend(path.match_indices('/').skip(1).map(|(end, _)| &path[..end]));
        met.insert(path);
    }
    for collector in COLLECTORS {
        let is_wanted = |path: &&&str| {
            let name = path.rsplit('/').next().unwrap_or_default();
            collector.wanted.iter().any(|pattern| match pattern.strip_prefix('*') {
                Some(end) => name.ends_with(end),
                None => name == *pattern,
            })
        };
        let found: Vec<TreePath> = met.iter().filter(is_wanted).map(TreePath::parse).collect();
        if !found.is_empty() {
            let view = View { filesystem: &tree, found: &found };
            (collector.collect)(&view, &mut Records::default());
        }
    }
});
        if is_wanted || collector.name == "python" {
            let view = View { filesystem: &tree, found: &found };
            (collector.collect)(&view, &mut Records::default());
        }
    }
});
