//! What cargo-auditable writes into a program: the crates that it was built from.
//!
//! JSON, compressed by zlib, in a section `.dep-v0`. Crates that only ran while it was built are in
//! the list and not in the program, and are left out.
//! <https://github.com/rust-secure-code/cargo-auditable/blob/master/cargo-auditable.schema.json>

use super::object::Object;
use crate::collect::bytes::Bytes;
use crate::collect::packages::installed;
use crate::collect::packages::json::word;
use crate::collect::packages::purl::{Parts, purl};
use crate::model::{Fault, Package, TreePath};
use serde_json::{Map, Value};
use std::io::Read;

const SECTION: &[u8] = b".dep-v0";

/// Compressed; a thousand crates have some 20 KB.
const MAX_PACKED: u64 = 4 * 1024 * 1024;

/// Inflated: what the format's own readers allow.
const MAX_JSON: u64 = 8 * 1024 * 1024;

/// Whether the file has such a list.
#[must_use]
pub fn is_there(object: &Object) -> bool {
    object.section(SECTION).is_some()
}

/// The list as JSON; `None` where there is none.
pub fn read(file: &Bytes<'_>, object: &Object) -> Result<Option<Vec<u8>>, Fault> {
    let Some(section) = object.section(SECTION) else { return Ok(None) };
    if section.size > MAX_PACKED {
        let size = section.size;
        return Err(Fault::limit(format!("{size} bytes of .dep-v0, more than {MAX_PACKED}")));
    }
    let packed = file.exactly(section.offset, section.size)?;
    let mut json = Vec::new();
    let inflating = flate2::read::ZlibDecoder::new(packed.as_slice());
    let mut limited = inflating.take(MAX_JSON.saturating_add(1));
    limited.read_to_end(&mut json).map_err(|e| Fault::damaged(format!(".dep-v0: {e}")))?;
    if json.len() as u64 > MAX_JSON {
        return Err(Fault::limit(format!(".dep-v0 inflates to more than {MAX_JSON} bytes")));
    }
    Ok(Some(json))
}

/// The crates in the program.
pub fn packages(json: &[u8], path: &TreePath) -> Result<Vec<Package>, Fault> {
    let damaged = |e| Fault::damaged(format!(".dep-v0: {e}"));
    let whole: Map<String, Value> = serde_json::from_slice(json).map_err(damaged)?;
    let Some(listed) = whole.get("packages").and_then(Value::as_array) else {
        return Err(Fault::damaged(".dep-v0: no list of packages"));
    };
    let name_of = |index: &Value| {
        let index = usize::try_from(index.as_u64()?).ok()?;
        word(listed.get(index)?.as_object()?, "name")
    };
    let package = |fields: &Map<String, Value>| -> Option<Package> {
        if word(fields, "kind").is_some_and(|kind| kind == "build") {
            return None;
        }
        let (name, version) = (word(fields, "name")?, word(fields, "version")?);
        let mut package = installed("cargo", name, version, path);
        let source = word(fields, "source").unwrap_or_default();
        let is_root = fields.get("root") == Some(&Value::Bool(true));
        // Of a folder or a repository nobody knows whether it is what is published by that name;
        // the program itself is called so, whoever built it.
        if is_root || !matches!(source.as_str(), "local" | "git") {
            let (name, version) = (&package.key.name, Some(package.version.as_str()));
            package.purl = purl("cargo", Parts { name, version, ..Parts::default() });
        }
        let needed = fields.get("dependencies").and_then(Value::as_array);
        let needed: Vec<String> = needed.into_iter().flatten().filter_map(name_of).collect();
        if !needed.is_empty() {
            package.details.insert("depends".to_owned(), needed.join(", "));
        }
        package.origin = Some(source).filter(|source| !source.is_empty());
        Some(package)
    };
    Ok(listed.iter().filter_map(Value::as_object).filter_map(package).collect())
}

#[cfg(test)]
mod tests {
    use super::super::object;
    use super::super::testing::Numbers;
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;
    use std::io::Write;

    const LIST: &str = r#"{"packages": [
        {"name": "demo", "version": "0.1.0", "source": "local", "root": true, "dependencies": [1, 2, 9]},
        {"name": "itoa", "version": "1.0.18", "source": "crates.io"},
        {"name": "own", "version": "0.2.0", "source": "git"},
        {"name": "cc", "version": "1.0.0", "source": "crates.io", "kind": "build"}, 7]}"#;

    fn packed(json: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(json).unwrap();
        out.finish().unwrap()
    }

    fn check(section: &[u8], expected: &[&str]) {
        let mut tree = MemoryFilesystem::new();
        let numbers = Numbers { is_64: true, is_big: false };
        tree.file("/f", numbers.elf(&[(".dep-v0", 0, section.to_vec())], true));
        let path = TreePath::parse("/f");
        let file = Bytes::open(&tree, &path).unwrap().unwrap();
        let object = object::read(&file).unwrap().unwrap();
        let found = read(&file, &object).and_then(|json| packages(&json.unwrap(), &path));
        let seen = match found {
            Ok(packages) => packages
                .iter()
                .map(|p| format!("{} {} {:?}", p.key.name, p.purl, p.details.get("depends")))
                .collect(),
            Err(fault) => vec![fault.detail],
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn crates_of_a_program() {
        check(
            &packed(LIST.as_bytes()),
            &[
                "demo pkg:cargo/demo@0.1.0 Some(\"itoa, own\")",
                "itoa pkg:cargo/itoa@1.0.18 None",
                "own  None",
            ],
        );
        check(&packed(b"{}"), &[".dep-v0: no list of packages"]);
    }

    #[test]
    fn a_bomb_is_stopped() {
        let bomb = packed(&vec![b' '; usize::try_from(MAX_JSON).unwrap() + 1]);
        check(&bomb, &[".dep-v0 inflates to more than 8388608 bytes"]);
    }
}
