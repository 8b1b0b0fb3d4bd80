//! What Go's linker writes into every program: the version of Go, the modules with theirs, and the
//! state of the repository that it was built from.
//!
//! A header of 32 bytes, aligned to 16, in a section of its own (in the writable data of PE): before
//! Go 1.18 it points to two strings in memory, since then they follow it, each with its length as a
//! variable-length number. <https://pkg.go.dev/debug/buildinfo>

use super::object::{Object, Part};
use crate::collect::bytes::Bytes;
use crate::collect::packages::purl::{Parts, purl};
use crate::collect::packages::{installed, text};
use crate::model::{Fault, Package, TreePath};
use std::collections::BTreeMap;

/// Sections that hold nothing else, of ELF and Mach-O.
const SECTIONS: [&[u8]; 2] = [b".go.buildinfo", b"__go_buildinfo"];

const MAGIC: &[u8] = b"\xff Go buildinf:";

const HEADER: usize = 32;

const ALIGNMENT: usize = 16;

/// Where there is no section for it, it lies this near to the start of the data.
const SEARCHED: u64 = 64 * 1024;

/// Of either string; the longest lists of modules have some hundred KB.
const MAX_STRING: u64 = 4 * 1024 * 1024;

/// What the linker wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// `go1.23.4`, or a longer text of a development version.
    pub version: Vec<u8>,
    /// Lines of fields with tabs between them; empty for a program without modules.
    pub modules: Vec<u8>,
}

/// Whether the file has such information.
pub fn is_there(file: &Bytes<'_>, object: &Object) -> Result<bool, Fault> {
    if SECTIONS.iter().any(|name| object.section(name).is_some()) {
        return Ok(true);
    }
    Ok(find(file, object)?.is_some())
}

/// Reads it; `None` where there is none.
pub fn read(file: &Bytes<'_>, object: &Object) -> Result<Option<BuildInfo>, Fault> {
    let Some((offset, header)) = find(file, object)? else { return Ok(None) };
    let (pointer, flags) = match header.get(14..16) {
        Some([pointer, flags]) if header.len() == HEADER => (usize::from(*pointer), *flags),
        _ => return Err(Fault::damaged("Go's build information ends in its header")),
    };
    let (version, modules) = if flags & 2 != 0 {
        let after = offset.saturating_add(HEADER as u64);
        let (version, next) = inline(file, after)?;
        (version, inline(file, next)?.0)
    } else {
        let string = |at: usize| pointed_to(file, object, &header, at, pointer, flags & 1 != 0);
        (string(16)?, string(pointer.saturating_add(16))?)
    };
    if version.is_empty() {
        return Err(Fault::damaged("Go's build information names no version"));
    }
    Ok(Some(BuildInfo { version, modules: unframed(&modules).to_vec() }))
}

/// The header and where it lies.
fn find(file: &Bytes<'_>, object: &Object) -> Result<Option<(u64, Vec<u8>)>, Fault> {
    let own = SECTIONS.iter().find_map(|name| object.section(name));
    let is_data = |part: &&Part| part.is_data && part.size > 0;
    // PE has no section for it, and what was stripped of all sections neither. In what has sections
    // that are told from segments (ELF, Mach-O) there is nothing to be searched.
    let has_own = !object.sections.is_empty() && object.sections != object.segments;
    let part = match own {
        Some(part) => part,
        None if has_own => return Ok(None),
        None => match object.segments.iter().find(is_data) {
            Some(part) => part,
            None => return Ok(None),
        },
    };
    let bytes = file.up_to(part.offset, part.size.min(SEARCHED))?;
    let at = bytes.chunks(ALIGNMENT).position(|chunk| chunk.starts_with(MAGIC));
    let Some(at) = at.and_then(|at| at.checked_mul(ALIGNMENT)) else { return Ok(None) };
    let header = bytes.get(at..).unwrap_or_default().iter().take(HEADER).copied().collect();
    Ok(Some((part.offset.saturating_add(at as u64), header)))
}

/// A length and as many bytes; and where the next begins.
fn inline(file: &Bytes<'_>, offset: u64) -> Result<(Vec<u8>, u64), Fault> {
    let bytes = file.up_to(offset, 10)?;
    let mut length = 0_u64;
    for (index, byte) in bytes.iter().enumerate() {
        let shifted = u32::try_from(index.saturating_mul(7)).ok();
        let part = shifted.and_then(|shift| u64::from(byte & 0x7f).checked_shl(shift));
        length |= part.unwrap_or(u64::MAX);
        if byte & 0x80 == 0 {
            let start = offset.saturating_add(index as u64).saturating_add(1);
            return Ok((limited(file, start, length)?, start.saturating_add(length)));
        }
    }
    Err(Fault::damaged(format!("a length of Go's build information at {offset} does not end")))
}

/// A string of Go (where its bytes are, how many they are) behind a pointer of the header.
fn pointed_to(
    file: &Bytes<'_>,
    object: &Object,
    header: &[u8],
    at: usize,
    pointer: usize,
    is_big_endian: bool,
) -> Result<Vec<u8>, Fault> {
    let number = |bytes: &[u8], at: usize| -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(pointer)?)?;
        let push = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        Some(match is_big_endian {
            true => bytes.iter().fold(0, push),
            false => bytes.iter().rev().fold(0, push),
        })
    };
    if pointer != 4 && pointer != 8 {
        return Err(Fault::damaged(format!("pointers of {pointer} bytes")));
    }
    let address = number(header, at).unwrap_or(0);
    if address == 0 {
        return Ok(Vec::new());
    }
    let lost = || Fault::damaged(format!("{address:#x} of Go's build information is nowhere"));
    let offset = object.offset_of(address).ok_or_else(lost)?;
    let string = file.exactly(offset, pointer.saturating_mul(2) as u64)?;
    let (Some(start), Some(length)) = (number(&string, 0), number(&string, pointer)) else {
        return Err(lost());
    };
    if length == 0 {
        return Ok(Vec::new());
    }
    limited(file, object.offset_of(start).ok_or_else(lost)?, length)
}

fn limited(file: &Bytes<'_>, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
    if length > MAX_STRING {
        let what = "of Go's build information, more than";
        return Err(Fault::limit(format!("{length} bytes {what} {MAX_STRING}")));
    }
    file.exactly(offset, length)
}

/// The list of modules stands between two marks of 16 bytes.
fn unframed(modules: &[u8]) -> &[u8] {
    let end = modules.len().checked_sub(16);
    let framed = end.and_then(|end| modules.get(16..end));
    framed.filter(|lines| lines.ends_with(b"\n")).unwrap_or_default()
}

/// A module as the list has it.
#[derive(Clone, Debug, Default)]
struct Module {
    path: String,
    version: String,
    sum: String,
    is_main: bool,
    replacement: Option<(String, String, String)>,
}

/// The modules of one program, the standard library, and for the main one how it was built.
#[must_use]
pub fn packages(info: &BuildInfo, path: &TreePath) -> Vec<Package> {
    let (modules, settings) = parse(&info.modules);
    let go = text(&info.version);
    let mut packages = vec![standard_library(&go, path)];
    let depends: Vec<&str> = modules
        .iter()
        .filter(|module| !module.is_main)
        .map(|module| module.path.as_str())
        .collect();
    let depends = [&["stdlib"], depends.as_slice()].concat().join(", ");
    for module in &modules {
        let mut package = described(module, path);
        if module.is_main {
            main_module(&mut package, &settings);
            package.details.insert("depends".to_owned(), depends.clone());
            package.details.insert("built-with".to_owned(), go.clone());
        }
        packages.push(package);
    }
    packages
}

/// Its version is Go's own.
fn standard_library(go: &str, path: &TreePath) -> Package {
    let word = go.split(' ').next().unwrap_or_default();
    let version = word.strip_prefix("go").unwrap_or(go).to_owned();
    let mut package = installed("golang", "stdlib".to_owned(), version, path);
    package.purl = url("stdlib", &package.version);
    package
}

fn described(module: &Module, path: &TreePath) -> Package {
    let mut package = installed("golang", module.path.clone(), module.version.clone(), path);
    let mut sum = &module.sum;
    package.purl = url(&module.path, &module.version);
    if let Some((other, version, own)) = &module.replacement {
        // What was compiled is the replacement; what is imported is still called as before.
        let is_folder = [".", "/"].iter().any(|start| other.starts_with(start));
        let whole = format!("{other} {version}");
        package.details.insert("replaced-by".to_owned(), whole.trim_end().to_owned());
        if !is_folder {
            package.version.clone_from(version);
            package.purl = url(other, version);
        }
        sum = own;
    }
    if !sum.is_empty() {
        package.details.insert("integrity".to_owned(), sum.clone());
    }
    package
}

/// The version of what was built from a repository without a tag is made as Go makes it: the
/// moment and the commit.
fn main_module(package: &mut Package, settings: &BTreeMap<String, String>) {
    let setting = |name: &str| settings.get(name).map(String::as_str);
    let is_dirty = setting("vcs.modified") == Some("true");
    if let (true, Some(time), Some(revision)) =
        (package.version == "(devel)", setting("vcs.time"), setting("vcs.revision"))
    {
        let digits: String = time.chars().filter(char::is_ascii_digit).take(14).collect();
        let short: String = revision.chars().take(12).collect();
        let dirty = if is_dirty { "+dirty" } else { "" };
        package.version = format!("v0.0.0-{digits}-{short}{dirty}");
        package.purl = url(&package.key.name, &package.version);
    }
    for (word, value) in [
        ("revision", setting("vcs.revision")),
        ("revision-time", setting("vcs.time")),
        ("modified", is_dirty.then_some("yes")),
        ("flags", setting("-ldflags")),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            package.details.insert(word.to_owned(), value.to_owned());
        }
    }
}

/// The specification has paths of modules in lower case.
fn url(path: &str, version: &str) -> String {
    let lower = path.to_ascii_lowercase();
    let (namespace, name) = match lower.rsplit_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, lower.as_str()),
    };
    let version = Some(version).filter(|version| *version != "(devel)");
    purl("golang", Parts { namespace, name, version, ..Parts::default() })
}

/// Modules, the main one first, and settings of the build; other lines say nothing of interest.
fn parse(lines: &[u8]) -> (Vec<Module>, BTreeMap<String, String>) {
    let mut modules: Vec<Module> = Vec::new();
    let mut settings = BTreeMap::new();
    for line in lines.split(|b| *b == b'\n') {
        let mut fields = line.split(|b| *b == b'\t').map(text);
        let kind = fields.next().unwrap_or_default();
        let mut next = || fields.next().unwrap_or_default();
        match kind.as_str() {
            "mod" | "dep" => {
                let is_main = kind == "mod";
                let (path, version, sum) = (next(), next(), next());
                if !path.is_empty() {
                    let replacement = None;
                    modules.push(Module { path, version, sum, is_main, replacement });
                }
            }
            "=>" => {
                if let Some(last) = modules.last_mut() {
                    last.replacement = Some((next(), next(), next()));
                }
            }
            "build" => {
                if let Some((name, value)) = next().split_once('=') {
                    settings.insert(name.to_owned(), unquoted(value));
                }
            }
            _ => {}
        }
    }
    (modules, settings)
}

/// Values with spaces are quoted as Go quotes strings; quotes inside stay escaped.
fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(value).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::object;
    use super::super::testing::{Numbers, build_info, mach_o, old_build_info, pe};
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    const MODULES: &str = "path\texample.org/Cmd/tool\n\
mod\texample.org/Cmd\t(devel)\t\n\
dep\tgithub.com/BurntSushi/toml\tv1.2.0\th1:abc=\n\
dep\texample.org/old\tv1.0.0\n\
=>\texample.org/fork\tv1.0.1\th1:def=\n\
dep\texample.org/local\tv2.0.0+incompatible\n\
=>\t../local\t(devel)\t\n\
build\t-ldflags=\"-s -w\"\n\
build\tvcs=git\n\
build\tvcs.revision=15266585908d6ae6a0d3df8a6108422abba4a377\n\
build\tvcs.time=2026-11-23T05:28:06Z\n\
build\tvcs.modified=true\n";

    fn info(bytes: &[u8]) -> Result<Option<BuildInfo>, Fault> {
        let mut tree = MemoryFilesystem::new();
        tree.file("/f", bytes);
        let file = Bytes::open(&tree, &TreePath::parse("/f")).unwrap().unwrap();
        let object = object::read(&file)?.unwrap_or_default();
        let read = read(&file, &object);
        assert_eq!(is_there(&file, &object).unwrap(), !matches!(read, Ok(None)));
        read
    }

    fn check(bytes: &[u8], version: &str) {
        let expected = BuildInfo { version: version.into(), modules: MODULES.into() };
        assert_eq!(info(bytes).unwrap(), Some(expected));
    }

    #[test]
    fn every_format_of_files_and_of_the_information() {
        let new = build_info("go1.23.4", MODULES);
        for (is_64, is_big) in [(false, false), (false, true), (true, false), (true, true)] {
            let numbers = Numbers { is_64, is_big };
            check(&numbers.elf(&[(".go.buildinfo", 0x40_1000, new.clone())], true), "go1.23.4");
            let old = old_build_info(&numbers, 0x40_1000, "go1.15.6", MODULES);
            check(&numbers.elf(&[(".go.buildinfo", 0x40_1000, old.clone())], true), "go1.15.6");
            // Stripped of its sections.
            check(&numbers.elf(&[(".go.buildinfo", 0x40_1000, old)], false), "go1.15.6");
        }
        let shifted = [&[0; 48], new.as_slice()].concat();
        check(&pe(0x1_4000_1000, &shifted), "go1.23.4");
        check(&mach_o("__go_buildinfo", 0x1000, &new), "go1.23.4");
    }

    #[test]
    fn what_is_not_there_and_what_is_damaged() {
        let numbers = Numbers { is_64: true, is_big: false };
        let check = |name: &str, data: Vec<u8>, expected: &str| {
            let seen = match info(&numbers.elf(&[(name, 0x1000, data)], true)) {
                Ok(found) => format!("{:?}", found.map(|info| text(&info.version))),
                Err(fault) => fault.detail,
            };
            assert!(seen.starts_with(expected), "{seen}");
        };
        let new = build_info("go1.23.4", "");
        check(".data", new.clone(), "None");
        check(".go.buildinfo", new, "Some(\"go1.23.4\")");
        check(".go.buildinfo", build_info("", ""), "Go's build information names no version");
        let mut far = build_info("go1", "");
        far[32] = 0xff;
        far.truncate(33);
        far.extend([0xff, 0xff, 0xff, 0xff, 0x7f]);
        check(".go.buildinfo", far, "4398046511103 bytes of Go's build information, more than");
        let lost = old_build_info(&numbers, 0x9000, "go1.2", "");
        check(".go.buildinfo", lost, "0x9020 of Go's build information is nowhere");
    }

    #[test]
    fn modules_are_packages() {
        let info = BuildInfo { version: b"go1.23.4 X:a".to_vec(), modules: MODULES.into() };
        let packages = packages(&info, &TreePath::parse("/usr/bin/tool"));
        let seen: Vec<String> =
            packages.iter().map(|p| format!("{} {} {}", p.key.name, p.version, p.purl)).collect();
        let devel = "v0.0.0-20261123052806-152665859 08d+dirty".replace(' ', "");
        assert_eq!(
            seen,
            [
                "stdlib 1.23.4 pkg:golang/stdlib@1.23.4".to_owned(),
                format!(
                    "example.org/Cmd {devel} pkg:golang/example.org/cmd@{}",
                    devel.replace('+', "%2B")
                ),
                "github.com/BurntSushi/toml v1.2.0 pkg:golang/github.com/burntsushi/toml@v1.2.0"
                    .to_owned(),
                "example.org/old v1.0.1 pkg:golang/example.org/fork@v1.0.1".to_owned(),
                "example.org/local v2.0.0+incompatible \
                 pkg:golang/example.org/local@v2.0.0%2Bincompatible"
                    .to_owned(),
            ]
        );
        let main = &packages[1].details;
        assert_eq!(main["flags"], "-s -w");
        assert_eq!(main["modified"], "yes");
        assert!(main["depends"].starts_with("stdlib, github.com/BurntSushi/toml, "));
        assert_eq!(packages[2].details["integrity"], "h1:abc=");
        assert_eq!(packages[3].details["replaced-by"], "example.org/fork v1.0.1");
    }
}
