//! Homebrew: `Cellar/NAME/VERSION/INSTALL_RECEIPT.json`, as it lies in its usual prefixes.

use super::purl::{Parts, purl};
use super::{installed, text};
use crate::collect::reader::{Reader, below};
use crate::collect::{Collector, View};
use crate::model::{Package, Records, Stage, Timestamp, TreePath};
use serde_json::Value;

/// Reads Homebrew's cellars.
pub static COLLECTOR: Collector = Collector {
    name: "homebrew",
    version: 1,
    summary: "Homebrew formulae with their taps",
    wanted: &[],
    collect,
};

/// On Linux, on macOS, and where people put it by hand.
const CELLARS: [&str; 3] =
    ["/home/linuxbrew/.linuxbrew/Cellar", "/opt/homebrew/Cellar", "/usr/local/Cellar"];

/// A receipt has some KB.
const MAX_SIZE: u64 = 4 * 1024 * 1024;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    for cellar in CELLARS.map(TreePath::parse) {
        for (name, _) in reader.list_directories(&cellar) {
            let rack = cellar.join(&name);
            let versions = reader.list_directories(&rack);
            for (index, (version, _)) in versions.iter().enumerate() {
                let keg = rack.join(version);
                let path = below(&keg, "INSTALL_RECEIPT.json");
                let version = text(version.as_bytes());
                let mut package = installed("homebrew", text(name.as_bytes()), version, &path);
                // Older kegs that were not cleaned up stand beside the newest one.
                if index > 0 {
                    package.key.instance = Some(package.version.clone());
                }
                match reader.file(&path) {
                    Some(bytes) => match serde_json::from_slice(&bytes) {
                        Ok(receipt) => apply(&receipt, &mut package),
                        Err(error) => reader.gap(&path, error),
                    },
                    None => package.evidence = keg,
                }
                let parts = Parts {
                    namespace: package.origin.as_deref(),
                    name: &package.key.name,
                    version: Some(&package.version),
                    ..Parts::default()
                };
                package.purl = purl("brew", parts);
                reader.records.packages.push(package);
            }
        }
    }
}

fn apply(receipt: &Value, package: &mut Package) {
    package.installed_at = receipt.get("time").and_then(Value::as_i64).map(Timestamp::from_seconds);
    let tap = receipt.pointer("/source/tap").and_then(Value::as_str);
    package.origin = tap.map(|tap| text(tap.as_bytes()));
    let architecture = receipt.get("arch").and_then(Value::as_str);
    package.key.architecture = architecture.map(|word| text(word.as_bytes()));
    if receipt.get("installed_as_dependency") == Some(&Value::Bool(true)) {
        package.details.insert("automatic".to_owned(), "yes".to_owned());
    }
    let needed = receipt.get("runtime_dependencies").and_then(Value::as_array);
    let names: Vec<String> = needed
        .into_iter()
        .flatten()
        .filter_map(|one| one.get("full_name").and_then(Value::as_str))
        .map(|name| text(name.as_bytes()))
        .collect();
    if !names.is_empty() {
        package.details.insert("depends".to_owned(), names.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn a_cellar() {
        let cellar = CELLARS[0];
        let mut tree = MemoryFilesystem::new();
        tree.file(
            &format!("{cellar}/jq/1.6/INSTALL_RECEIPT.json"),
            r#"{"time": 5, "arch": "x86_64", "source": {"tap": "homebrew/core"},
                "runtime_dependencies": [{"full_name": "oniguruma", "version": "6"}]}"#,
        )
        .directory(&format!("{cellar}/jq/1.7_1"))
        .file(&format!("{cellar}/odd/1/INSTALL_RECEIPT.json"), "{");
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        let package = |p: &Package| format!("{} {} {:?}", p.key, p.purl, p.details.get("depends"));
        assert_eq!(
            records.packages.iter().map(package).collect::<Vec<_>>(),
            [
                "jq:x86_64 pkg:brew/homebrew/core/jq@1.6 Some(\"oniguruma\")",
                "jq [1.7_1] pkg:brew/jq@1.7_1 None",
                "odd pkg:brew/odd@1 None",
            ]
        );
        assert_eq!(records.gaps.len(), 1);
    }
}
