//! Conda packages as installed: `PREFIX/conda-meta/NAME-VERSION-BUILD.json`, with the files that
//! were linked into the environment and their digests as they should be there.
//!
//! A version is written `VERSION-BUILD`, as file names have it: the same version is built again and
//! again. Caches of packages (`pkgs`) have no `conda-meta` and are not installed.
//! <https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html>

use super::copies::{Copy, tell_apart};
use super::json::{word, words};
use super::place::{MAX_PATH, Places};
use super::purl::{Parts, purl};
use super::{hex, installed};
use crate::collect::facts::repositories::without_secrets;
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::{
    Claim, Expectation, Fault, FileKind, Package, Records, ShippedDigest, ShippedSource, Stage,
    TreePath,
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Reads conda's environments.
pub static COLLECTOR: Collector = Collector {
    name: "conda",
    version: 1,
    summary: "conda packages of every environment, with the digests of their files",
    wanted: &["conda-meta"],
    collect,
};

/// Packages with 100,000 files have some 30 MB.
const MAX_SIZE: u64 = 128 * 1024 * 1024;

/// Of all environments together.
const MAX_CLAIMS: usize = 5_000_000;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let mut copies = Vec::new();
    let mut files = Vec::new();
    for folder in view.found {
        let Some(place) = folder.parent() else { continue };
        for (name, node) in reader.list(folder) {
            if !name.as_bytes().ends_with(b".json") {
                continue;
            }
            let path = folder.join(&name);
            let Some(bytes) = reader.node(&path, &node) else { continue };
            let Some((mut package, paths)) = reader.keep(&path, parse(&bytes, &path)) else {
                continue;
            };
            installed_at(&mut reader, &path, &mut package);
            files.push((path, paths));
            // Environments are no part of the system; each is a place of its own.
            copies.push(Copy { package, place: place.clone(), is_ordinary: false });
        }
    }
    tell_apart(&mut copies);
    files.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    let mut places = Places::new(view.filesystem);
    for Copy { package, place, .. } in copies {
        let found = files.binary_search_by(|(path, _)| path.cmp(&package.evidence));
        let paths = found.ok().and_then(|index| files.get_mut(index));
        let paths = paths.map(|(_, paths)| std::mem::take(paths)).unwrap_or_default();
        if reader.records.claims.len().saturating_add(paths.len()) > MAX_CLAIMS {
            reader.gap(&package.evidence, format!("more than {MAX_CLAIMS} files of all packages"));
        } else {
            let key = Arc::new(package.key.clone());
            for (path, expectation) in paths {
                let path = [place.as_bytes(), b"/", path.as_bytes()].concat();
                if let Some(path) = places.entry(&path) {
                    let package = Arc::clone(&key);
                    reader.records.claims.push(Claim { path, package, expectation });
                }
            }
        }
        reader.records.packages.push(package);
    }
}

type Paths = Vec<(String, Expectation)>;

/// The package and what it linked; `None` for JSON of another kind.
fn parse(bytes: &[u8], path: &TreePath) -> Result<Option<(Package, Paths)>, Fault> {
    let Value::Object(fields) = serde_json::from_slice(bytes).map_err(Fault::damaged)? else {
        return Err(Fault::damaged("no object"));
    };
    let (Some(name), Some(version)) = (word(&fields, "name"), word(&fields, "version")) else {
        return Ok(None);
    };
    Ok(Some((package(&fields, name, &version, path), paths(&fields))))
}

fn package(fields: &Map<String, Value>, name: String, version: &str, path: &TreePath) -> Package {
    let build = word(fields, "build");
    let whole = match &build {
        Some(build) => format!("{version}-{build}"),
        None => version.to_owned(),
    };
    let mut package = installed("conda", name, whole, path);
    package.key.architecture = word(fields, "subdir");
    let address = word(fields, "url").map(|url| without_secrets(&url));
    let channel = word(fields, "channel").map(|channel| without_secrets(&channel));
    let short = channel.as_deref().map(|channel| short_channel(channel, &package));
    let kind = address
        .as_deref()
        .or(word(fields, "fn").as_deref())
        .and_then(|file| [".tar.bz2", ".conda"].into_iter().find(|end| file.ends_with(end)));
    let qualifiers = [
        ("build", build.as_deref()),
        ("channel", short.as_deref()),
        ("subdir", package.key.architecture.as_deref()),
        ("type", kind.map(|end| end.trim_start_matches('.'))),
    ];
    let name = package.key.name.to_ascii_lowercase();
    let parts =
        Parts { name: &name, version: Some(version), qualifiers: &qualifiers, ..Parts::default() };
    package.purl = purl("conda", parts);
    package.origin = address.or(channel);
    let mut keep = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            package.details.insert(word.to_owned(), value);
        }
    };
    keep("licence", word(fields, "license"));
    keep("depends", fields.get("depends").and_then(words));
    keep("archive-digest", word(fields, "sha256").map(|digits| format!("sha256={digits}")));
    let asked = word(fields, "requested_spec").filter(|spec| spec != "None");
    keep("requested", asked.map(|_| "yes".to_owned()));
    package
}

/// `conda-forge` of `https://conda.anaconda.org/conda-forge/linux-64`.
fn short_channel(channel: &str, package: &Package) -> String {
    let bare = channel.trim_end_matches('/');
    let subdir = package.key.architecture.as_deref().unwrap_or_default();
    let bare = bare.strip_suffix(subdir).unwrap_or(bare).trim_end_matches('/');
    bare.rsplit('/').next().unwrap_or(bare).to_owned()
}

/// `paths_data` where there is one, else the bare list of `files`.
fn paths(fields: &Map<String, Value>) -> Paths {
    let described = fields.get("paths_data").and_then(|data| data.get("paths")?.as_array());
    let bare = fields.get("files").and_then(Value::as_array);
    let fits = |path: &&str| !path.is_empty() && path.len() <= MAX_PATH;
    match described {
        Some(list) => list
            .iter()
            .filter_map(Value::as_object)
            .filter_map(|one| {
                let path = one.get("_path").and_then(Value::as_str).filter(fits)?;
                Some((path.to_owned(), expectation(one)))
            })
            .collect(),
        None => bare
            .into_iter()
            .flatten()
            .filter_map(|path| path.as_str().filter(fits))
            .map(|path| (path.to_owned(), Expectation::owned(ShippedSource::File)))
            .collect(),
    }
}

fn expectation(one: &Map<String, Value>) -> Expectation {
    let owned = Expectation::owned(ShippedSource::File);
    let digest = |name: &str| {
        let digits = one.get(name).and_then(Value::as_str)?;
        hex::decode_array(digits.as_bytes()).map(ShippedDigest::Sha256)
    };
    match one.get("path_type").and_then(Value::as_str) {
        Some("softlink") => Expectation { kind: Some(FileKind::Symlink), ..owned },
        Some("directory") => Expectation { kind: Some(FileKind::Directory), ..owned },
        Some("hardlink") => {
            // Where the prefix was written into the file, its bytes are those of the environment,
            // and `size_in_bytes` is that of the package.
            let has_placeholder =
                one.get("prefix_placeholder").is_some_and(|value| !value.is_null());
            let in_prefix = digest("sha256_in_prefix");
            let digest = if has_placeholder { in_prefix } else { in_prefix.or(digest("sha256")) };
            let size = one.get("size_in_bytes").and_then(Value::as_u64);
            let size = size.filter(|_| !has_placeholder);
            Expectation { kind: Some(FileKind::File), digest, size, ..owned }
        }
        // Compiled and generated by the installer.
        _ => owned,
    }
}

fn installed_at(reader: &mut Reader<'_>, path: &TreePath, package: &mut Package) {
    if let Ok(Some(found)) = resolve(reader.filesystem, path, LastLink::Follow)
        && let Ok(metadata) = reader.filesystem.metadata(&found.node)
    {
        package.installed_at = Some(metadata.mtime);
        let basis = "time of its record in conda-meta".to_owned();
        package.details.insert("installed-at-basis".to_owned(), basis);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    /// As conda 23 writes it, shortened.
    const ZLIB: &str = r#"{
      "arch": null, "build": "hd590300_5", "build_number": 5,
      "channel": "https://conda.anaconda.org/conda-forge/linux-64", "constrains": ["zlib 1.2.13 *_5"],
      "depends": ["libgcc-ng >=12", "libzlib 1.2.13 hd590300_5"],
      "extracted_package_dir": "/opt/conda/pkgs/zlib-1.2.13-hd590300_5",
      "files": ["include/zlib.h", "lib/libz.so", "lib/pkgconfig/zlib.pc"],
      "fn": "zlib-1.2.13-hd590300_5.conda", "license": "Zlib",
      "link": {"source": "/opt/conda/pkgs/zlib-1.2.13-hd590300_5", "type": 1},
      "md5": "68c34ec6149623be41a1933ab996a209", "name": "zlib",
      "paths_data": {"paths": [
        {"_path": "include/zlib.h", "path_type": "hardlink", "size_in_bytes": 96829,
         "sha256": "7d2d5b8cd6d6c8c5d6d6c5d6d6c5d6d6c5d6d6c5d6d6c5d6d6c5d6d6c5d6d600",
         "sha256_in_prefix": "7d2d5b8cd6d6c8c5d6d6c5d6d6c5d6d6c5d6d6c5d6d6c5d6d6c5d6d6c5d6d600"},
        {"_path": "lib/libz.so", "path_type": "softlink", "size_in_bytes": 1,
         "sha256": "7d2d5b8cd6d6c8c5d6d6c5d6d6c5d6d6c5d6d6c5d6d6c5d6d6c5d6d6c5d6d600"},
        {"_path": "lib/pkgconfig/zlib.pc", "path_type": "hardlink", "size_in_bytes": 500,
         "file_mode": "text", "prefix_placeholder": "/home/conda/placehold",
         "sha256": "7d2d5b8cd6d6c8c5d6d6c5d6d6c5d6d6c5d6d6c5d6d6c5d6d6c5d6d6c5d6d600",
         "sha256_in_prefix": "001122334455667788990011223344556677889900112233445566778899aabb"}],
        "paths_version": 1},
      "requested_spec": "None", "sha256": "9e887fe4", "size": 92825, "subdir": "linux-64",
      "timestamp": 1686575179000,
      "url": "https://user:secret@conda.anaconda.org/conda-forge/linux-64/zlib-1.2.13-hd590300_5.conda",
      "version": "1.2.13"}"#;

    #[test]
    fn environments() {
        let meta = "/opt/conda/conda-meta";
        let mut tree = MemoryFilesystem::new();
        tree.file(&format!("{meta}/zlib-1.2.13-hd590300_5.json"), ZLIB)
            .file(&format!("{meta}/odd.json"), "{")
            .file(&format!("{meta}/history"), "==> 2024 <==\n")
            .file(&format!("{meta}/state.json"), r#"{"version": 1}"#)
            .file(
                "/opt/conda/envs/a/conda-meta/_x-1-0.json",
                r#"{"name": "_x", "version": "1",
                "build": "0", "channel": "defaults", "files": ["bin/x"]}"#,
            );
        let found = [meta, "/opt/conda/envs/a/conda-meta"].map(TreePath::parse);
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &found }, &mut records);
        let package = |p: &Package| format!("{} {} {}", p.key, p.version, p.purl);
        assert_eq!(
            records.packages.iter().map(package).collect::<Vec<_>>(),
            [
                "zlib:linux-64 [/opt/conda] 1.2.13-hd590300_5 pkg:conda/zlib@1.2.13?\
                 build=hd590300_5&channel=conda-forge&subdir=linux-64&type=conda",
                "_x [/opt/conda/envs/a] 1-0 pkg:conda/_x@1?build=0&channel=defaults",
            ]
        );
        let details = &records.packages[0].details;
        assert_eq!(details["depends"], "libgcc-ng >=12, libzlib 1.2.13 hd590300_5");
        assert!(!format!("{:?}", records.packages).contains("secret"));
        let claim = |c: &Claim| {
            let of = &c.expectation;
            let first = of.digest.map(|digest| match digest {
                ShippedDigest::Sha256(bytes) => bytes[0],
                _ => 0xff,
            });
            format!("{} {:?} {:?} {first:?}", c.path, of.kind, of.size)
        };
        assert_eq!(
            records.claims.iter().map(claim).collect::<Vec<_>>(),
            [
                "/opt/conda/include/zlib.h Some(File) Some(96829) Some(125)",
                "/opt/conda/lib/libz.so Some(Symlink) None None",
                "/opt/conda/lib/pkgconfig/zlib.pc Some(File) None Some(0)",
                "/opt/conda/envs/a/bin/x None None None",
            ]
        );
        assert_eq!(records.gaps.len(), 1);
    }
}
