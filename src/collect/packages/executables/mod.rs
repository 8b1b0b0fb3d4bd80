//! What executables say of what they were built from: Go's build information and the list that
//! cargo-auditable adds to Rust programs.
//!
//! Whether a file says anything is found out by the walk, while it has the file open to digest it
//! ([`says_something`], two short reads of what is an executable by its first bytes, whatever its
//! name and mode), and remembered with the directory; so every content is looked at once, and only
//! those few that speak are read here. Each package is told apart by the program's path.

pub mod go;
pub mod object;
pub mod rust;
#[cfg(test)]
pub(crate) mod testing;

use crate::collect::bytes::Bytes;
use crate::collect::reader::Reader;
use crate::collect::{BUILD_INFO, Collector, View};
use crate::filesystem::{Filesystem, Node};
use crate::model::{Fault, Package, Records, Stage, TreePath};
use std::collections::BTreeMap;

pub use object::is_executable;

/// Reads executables that say what they were built from.
pub static COLLECTOR: Collector = Collector {
    name: "executables",
    version: 1,
    summary: "Go modules and Rust crates that programs say they were built from",
    wanted: &[BUILD_INFO],
    collect,
};

/// Packages of all programs together; a machine full of Go programs has some ten thousand.
const MAX_PACKAGES: usize = 1_000_000;

/// Whether an open regular file says what it was built from. What cannot be read as an executable
/// says nothing: many files begin like one.
#[must_use]
pub fn says_something(filesystem: &dyn Filesystem, node: &Node, size: u64) -> bool {
    let file = Bytes::new(filesystem, node.clone(), size);
    let look = || -> Result<bool, Fault> {
        let Some(object) = object::read(&file)? else { return Ok(false) };
        Ok(rust::is_there(&object) || go::is_there(&file, &object)?)
    };
    look().unwrap_or(false)
}

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, 0);
    for path in view.found {
        let result = Bytes::open(reader.filesystem, path);
        let Some(file) = reader.keep(path, result) else { continue };
        let Some(object) = reader.keep(path, object::read(&file)) else { continue };
        let built = go::read(&file, &object);
        let mut packages =
            reader.keep(path, built).map(|info| go::packages(&info, path)).unwrap_or_default();
        let crates = rust::read(&file, &object);
        let crates =
            crates.and_then(|json| json.map(|json| rust::packages(&json, path)).transpose());
        packages.extend(reader.keep(path, crates).unwrap_or_default());
        if reader.records.packages.len().saturating_add(packages.len()) > MAX_PACKAGES {
            reader.gap(path, format!("more than {MAX_PACKAGES} packages of all programs"));
            continue;
        }
        name_instances(&mut packages, path);
        reader.records.packages.extend(packages);
    }
}

/// By the program; where one program has several versions of one name, by the version too.
fn name_instances(packages: &mut Vec<Package>, path: &TreePath) {
    let mut versions = BTreeMap::<(String, String), usize>::new();
    packages.sort_by(|a, b| (&a.key, &a.version).cmp(&(&b.key, &b.version)));
    packages.dedup_by(|a, b| (&a.key, &a.version) == (&b.key, &b.version));
    for package in packages.iter() {
        let name = (package.key.manager.clone(), package.key.name.clone());
        let count = versions.entry(name).or_default();
        *count = count.saturating_add(1);
    }
    for package in packages {
        let name = (package.key.manager.clone(), package.key.name.clone());
        package.key.instance = Some(match versions.get(&name) {
            Some(2..) => format!("{path} {}", package.version),
            _ => path.to_string(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;
    use testing::{Numbers, build_info};

    #[test]
    fn programs_are_told_apart_and_damage_stays_local() {
        let numbers = Numbers { is_64: true, is_big: false };
        let program = |info: Vec<u8>| numbers.elf(&[(".go.buildinfo", 0x1000, info)], true);
        let twice = "mod\ta.org/x\tv1\t\ndep\tb.org/y\tv1\t\ndep\tb.org/y\tv2\t\n";
        let mut tree = MemoryFilesystem::new();
        tree.file("/bin/a", program(build_info("go1.20", twice)))
            .file("/bin/b", program(build_info("go1.21", "")))
            .file("/bin/odd", program(b"\xff Go buildinf:\x08\x02".to_vec()));
        let found = ["/bin/a", "/bin/b", "/bin/gone", "/bin/odd"].map(TreePath::parse);
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &found }, &mut records);
        let seen: Vec<String> = records.packages.iter().map(|p| p.key.to_string()).collect();
        assert_eq!(
            seen,
            [
                "a.org/x [/bin/a]",
                "b.org/y [/bin/a v1]",
                "b.org/y [/bin/a v2]",
                "stdlib [/bin/a]",
                "stdlib [/bin/b]",
            ]
        );
        assert_eq!(records.gaps.len(), 1, "{:?}", records.gaps);
    }
}
