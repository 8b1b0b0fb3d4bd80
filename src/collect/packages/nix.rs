//! The Nix store: every path in `/nix/store` is a package that was built or fetched, and its name
//! says which: `HASH-NAME-VERSION[-OUTPUT]`.
//!
//! Which profile uses a path is a matter of links, which the tree shows. Derivations and sources are
//! recipes and not recorded.

use super::purl::{Parts, purl};
use super::{installed, text};
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::model::{Package, Records, Stage, TreePath};
use std::collections::BTreeMap;

/// Reads the Nix store.
pub static COLLECTOR: Collector = Collector {
    name: "nix",
    version: 1,
    summary: "packages of the Nix store",
    wanted: &[],
    collect,
};

const STORE: &str = "/nix/store";

/// Nothing is read but names.
const MAX_SIZE: u64 = 0;

/// Of a store path's hash, in base 32.
const HASH_LENGTH: usize = 32;

/// Outputs of one package that have paths of their own, as nixpkgs names them.
const OUTPUTS: [&str; 9] = ["bin", "dev", "out", "lib", "man", "doc", "info", "debug", "devdoc"];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let store = TreePath::parse(STORE);
    let mut found: BTreeMap<String, Vec<Package>> = BTreeMap::new();
    for (file, _) in reader.list(&store) {
        let Some((hash, name, version, output)) = split(file.as_bytes()) else { continue };
        let mut package = installed("nix", name.to_owned(), version.to_owned(), &store.join(&file));
        package.details.insert("hash".to_owned(), hash.to_owned());
        if let Some(output) = output {
            package.details.insert("output".to_owned(), output.to_owned());
        }
        let parts = Parts {
            name: &package.key.name,
            version: Some(&package.version),
            qualifiers: &[("hash", Some(hash)), ("output", output)],
            ..Parts::default()
        };
        package.purl = purl("nix", parts);
        found.entry(package.key.name.clone()).or_default().push(package);
    }
    for mut group in found.into_values() {
        if group.len() > 1 {
            for package in &mut group {
                package.key.instance = package.details.get("hash").cloned();
            }
        }
        reader.records.packages.append(&mut group);
    }
}

/// Hash, name, version and output; `None` for what has no version or is no package.
fn split(file: &[u8]) -> Option<(&str, &str, &str, Option<&str>)> {
    let file = std::str::from_utf8(file).ok().filter(|file| *file == text(file.as_bytes()))?;
    let (hash, rest) = file.split_once('-')?;
    let is_hash = hash.len() == HASH_LENGTH && hash.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_recipe = [".drv", ".lock", ".patch", ".tar.gz", ".tar.xz", ".tar.bz2", ".zip"];
    if !is_hash || is_recipe.iter().any(|end| rest.ends_with(end)) {
        return None;
    }
    // The version starts at the first hyphen that no letter follows (builtins.parseDrvName).
    let is_start =
        |(_, pair): &(usize, &[u8])| matches!(pair, [b'-', next] if !next.is_ascii_alphabetic());
    let (at, _) = rest.as_bytes().windows(2).enumerate().find(is_start)?;
    let (name, version) = (rest.get(..at)?, rest.get(at.checked_add(1)?..)?);
    let output = OUTPUTS.iter().find_map(|output| {
        let bare = version.strip_suffix(output)?.strip_suffix('-')?;
        Some((bare, *output))
    });
    match output {
        Some((version, output)) => Some((hash, name, version, Some(output))),
        None => Some((hash, name, version, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn names_of_store_paths() {
        let hash = "0123456789abcdfghijklmnpqrsvwxyz";
        let check = |rest: &str, expected: Option<(&str, &str, Option<&str>)>| {
            let file = format!("{hash}-{rest}");
            let seen = split(file.as_bytes()).map(|(_, name, version, output)| {
                (name.to_owned(), version.to_owned(), output.map(str::to_owned))
            });
            let expected =
                expected.map(|(n, v, o)| (n.to_owned(), v.to_owned(), o.map(str::to_owned)));
            assert_eq!(seen, expected, "{rest}");
        };
        check("bash-5.2-p15", Some(("bash", "5.2-p15", None)));
        check("openssl-3.0.8-bin", Some(("openssl", "3.0.8", Some("bin"))));
        check("python3.11-numpy-1.24", Some(("python3.11-numpy", "1.24", None)));
        check("bash-5.2.drv", None);
        check("etc", None);
    }

    #[test]
    fn copies_are_told_apart_by_hash() {
        let hashes = ["0123456789abcdfghijklmnpqrsvwxyz", "1123456789abcdfghijklmnpqrsvwxyz"];
        let mut tree = MemoryFilesystem::new();
        for hash in hashes {
            tree.directory(&format!("/nix/store/{hash}-zlib-1.2.13"));
        }
        tree.directory(&format!("/nix/store/{}-jq-1.6", hashes[0])).file("/nix/store/.links/x", "");
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        let keys: Vec<String> = records.packages.iter().map(|p| p.key.to_string()).collect();
        let zlib = hashes.map(|hash| format!("zlib [{hash}]"));
        assert_eq!(keys, ["jq".to_owned(), zlib[0].clone(), zlib[1].clone()]);
        assert!(records.gaps.is_empty());
    }
}
