//! What a system is: os-release, architecture, installed and default kernels, boot entries.

use super::fact;
use crate::collect::os_release;
use crate::collect::packages::text;
use crate::collect::reader::{Reader, below};
use crate::collect::{Collector, View};
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::{Fault, FileKind, Records, Stage, TreePath};
use std::collections::{BTreeMap, BTreeSet};

/// Reads what a system is.
pub static COLLECTOR: Collector = Collector {
    name: "system",
    version: 1,
    summary: "os-release, architecture, installed and default kernels, boot loader entries",
    wanted: &[],
    collect,
};

/// Boot entries and environments are short.
const MAX_SIZE: u64 = 1024 * 1024;

/// Programs that every system with a user space has one of.
const PROGRAMS: [&str; 4] = ["/usr/lib/systemd/systemd", "/bin/sh", "/usr/bin/env", "/bin/busybox"];

/// Links that name the kernel to boot.
const DEFAULT_LINKS: [&str; 3] = ["/vmlinuz", "/boot/vmlinuz", "/boot/vmlinux"];

/// The environment block that a boot menu remembers its choice in.
const ENVIRONMENTS: [&str; 3] =
    ["/boot/grub2/grubenv", "/boot/grub/grubenv", "/boot/efi/EFI/BOOT/grubenv"];

/// Of entries as the Boot Loader Specification has them.
const ENTRIES: [&str; 3] =
    ["/boot/loader/entries", "/boot/efi/loader/entries", "/efi/loader/entries"];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Facts, MAX_SIZE);
    system(&mut reader);
    architecture(&mut reader);
    kernels(&mut reader);
    default_kernel(&mut reader);
    for directory in ENTRIES.map(TreePath::parse) {
        for (name, node) in reader.list(&directory) {
            let path = directory.join(&name);
            if !name.as_bytes().ends_with(b".conf") {
                continue;
            }
            if let Some(bytes) = reader.node(&path, &node) {
                let entry = boot_entry(&bytes);
                let attributes = entry.iter().map(|(key, value)| (key.as_str(), value.clone()));
                let fact = fact("boot-entries", name.to_string(), attributes, &path);
                reader.records.facts.push(fact);
            }
        }
    }
}

fn system(reader: &mut Reader<'_>) {
    let release = os_release::read(reader.filesystem).map(Some);
    let Some(release) = reader.keep(&TreePath::parse("/etc/os-release"), release) else { return };
    if let Some(path) = &release.evidence {
        let attributes =
            release.fields.iter().map(|(key, value)| (key.as_str(), text(value.as_bytes())));
        reader.records.facts.push(fact("os-release", "os-release", attributes, path));
    }
}

fn architecture(reader: &mut Reader<'_>) {
    for path in PROGRAMS.map(TreePath::parse) {
        let read = || -> Result<Option<[u8; 20]>, Fault> {
            let Some(found) = resolve(reader.filesystem, &path, LastLink::Follow)? else {
                return Ok(None);
            };
            if reader.filesystem.metadata(&found.node)?.kind != FileKind::File {
                return Ok(None);
            }
            let node = reader.filesystem.open(&found.node)?;
            let mut start = [0; 20];
            let count = reader.filesystem.read_at(&node, 0, &mut start)?;
            Ok((count == start.len()).then_some(start))
        };
        let start = read();
        let machine = reader.keep(&path, start).and_then(|start| machine(&start));
        if let Some(machine) = machine {
            let foreign = reader.file(&TreePath::parse("/var/lib/dpkg/arch")).unwrap_or_default();
            let foreign = String::from_utf8_lossy(&foreign);
            let foreign: Vec<&str> = foreign.split_ascii_whitespace().collect();
            let attributes = [("machine", machine), ("packages", foreign.join(" "))];
            reader.records.facts.push(fact("system", "architecture", attributes, &path));
            return;
        }
    }
}

/// From an ELF header, in the words of `uname -m`.
fn machine(start: &[u8; 20]) -> Option<String> {
    let [0x7f, b'E', b'L', b'F', class, order, .., low, high] = *start else { return None };
    let number = match order {
        1 => u16::from_le_bytes([low, high]),
        2 => u16::from_be_bytes([low, high]),
        _ => return None,
    };
    let name = match (number, class, order) {
        (3, ..) => "i686",
        (8, ..) => "mips",
        (20, ..) => "ppc",
        (21, _, 1) => "ppc64le",
        (21, ..) => "ppc64",
        (22, ..) => "s390x",
        (40, ..) => "arm",
        (62, ..) => "x86_64",
        (183, ..) => "aarch64",
        (243, 1, _) => "riscv32",
        (243, ..) => "riscv64",
        (258, ..) => "loongarch64",
        (other, ..) => return Some(format!("elf-{other}")),
    };
    Some(name.to_owned())
}

/// By version: what has modules, an image, or both.
fn kernels(reader: &mut Reader<'_>) {
    let mut found: BTreeMap<String, (TreePath, BTreeSet<&str>, String)> = BTreeMap::new();
    for directory in ["/lib/modules", "/usr/lib/modules"].map(TreePath::parse) {
        for (name, _) in reader.list_directories(&directory) {
            let path = directory.join(&name);
            let image =
                reader.list(&path).into_iter().any(|(name, _)| name.as_bytes() == b"vmlinuz");
            let entry = found.entry(text(name.as_bytes()));
            let (_, parts, place) =
                entry.or_insert_with(|| (path.clone(), BTreeSet::new(), String::new()));
            parts.insert("modules");
            if image {
                parts.insert("image");
                *place = below(&path, "vmlinuz").to_string();
            }
        }
    }
    let boot = TreePath::parse("/boot");
    for (name, _) in reader.list(&boot) {
        let prefixes: [&[u8]; 3] = [b"vmlinuz-", b"vmlinux-", b"kernel-"];
        let version = prefixes.iter().find_map(|prefix| name.as_bytes().strip_prefix(*prefix));
        let Some(version) = version.filter(|version| version.iter().any(u8::is_ascii_digit)) else {
            continue;
        };
        let path = boot.join(&name);
        let entry = found.entry(text(version));
        let (_, parts, place) =
            entry.or_insert_with(|| (path.clone(), BTreeSet::new(), String::new()));
        parts.insert("image");
        *place = path.to_string();
    }
    for (version, (path, parts, image)) in found {
        let parts = parts.into_iter().collect::<Vec<_>>().join(" ");
        let attributes = [("parts", parts), ("image", image)];
        reader.records.facts.push(fact("kernels", version, attributes, &path));
    }
}

fn default_kernel(reader: &mut Reader<'_>) {
    for path in DEFAULT_LINKS.map(TreePath::parse) {
        let read = || -> Result<Option<Vec<u8>>, Fault> {
            let found = resolve(reader.filesystem, &path, LastLink::Keep)?;
            let Some(found) = found else { return Ok(None) };
            match reader.filesystem.metadata(&found.node)?.kind {
                FileKind::Symlink => reader.filesystem.read_link(&found.node).map(Some),
                _ => Ok(None),
            }
        };
        let target = read();
        if let Some(target) = reader.keep(&path, target) {
            let attributes = [("target", text(&target))];
            reader.records.facts.push(fact("default-kernel", path.to_string(), attributes, &path));
        }
    }
    for path in ENVIRONMENTS.map(TreePath::parse) {
        let Some(bytes) = reader.file(&path) else { continue };
        let block = String::from_utf8_lossy(&bytes).into_owned();
        let lines = block.lines().filter(|line| !line.starts_with('#'));
        let attributes = lines.filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            matches!(key, "saved_entry" | "next_entry" | "kernelopts")
                .then(|| (key, text(value.as_bytes())))
        });
        reader.records.facts.push(fact("default-kernel", path.to_string(), attributes, &path));
    }
}

/// `key value` lines; a key may stand more than once.
fn boot_entry(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut entry: BTreeMap<String, String> = BTreeMap::new();
    for line in bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii) {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let blank = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let (key, value) = line.split_at(blank);
        let value = text(value.trim_ascii());
        entry
            .entry(text(key))
            .and_modify(|own| {
                own.push(' ');
                own.push_str(&value);
            })
            .or_insert(value);
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn machines() {
        let check = |class: u8, order: u8, number: [u8; 2], expected: Option<&str>| {
            let mut start = [0; 20];
            start[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, order]);
            start[18..].copy_from_slice(&number);
            assert_eq!(machine(&start).as_deref(), expected);
        };
        check(2, 1, [62, 0], Some("x86_64"));
        check(2, 1, [183, 0], Some("aarch64"));
        check(2, 2, [0, 22], Some("s390x"));
        check(1, 1, [243, 0], Some("riscv32"));
        check(2, 1, [0xff, 0xff], Some("elf-65535"));
        check(2, 9, [62, 0], None);
    }

    #[test]
    fn a_system() {
        let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1];
        elf.resize(18, 0);
        elf.extend([62, 0]);
        let mut tree = MemoryFilesystem::new();
        tree.file("/etc/os-release", "ID=debian\nIMAGE_ID=web\nIMAGE_VERSION=7\n")
            .file("/bin/dash", elf)
            .symlink("/bin/sh", "dash")
            .directory("/lib/modules/6.1.0-9-amd64")
            .file("/boot/vmlinuz-6.1.0-9-amd64", "")
            .file("/boot/vmlinuz-6.1.0-8-amd64", "")
            .symlink("/vmlinuz", "boot/vmlinuz-6.1.0-9-amd64")
            .file("/boot/grub/grubenv", "# GRUB\nsaved_entry=0\n####")
            .file("/boot/loader/entries/a.conf", "title A\noptions ro\noptions quiet\n");
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        let show = |fact: &crate::model::Fact| {
            let values: Vec<String> =
                fact.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{} {}: {}", fact.scope, fact.key, values.join(", "))
        };
        assert_eq!(
            records.facts.iter().map(show).collect::<Vec<_>>(),
            [
                "os-release os-release: ID=debian, IMAGE_ID=web, IMAGE_VERSION=7",
                "system architecture: machine=x86_64",
                "kernels 6.1.0-8-amd64: image=/boot/vmlinuz-6.1.0-8-amd64, parts=image",
                "kernels 6.1.0-9-amd64: image=/boot/vmlinuz-6.1.0-9-amd64, parts=image modules",
                "default-kernel /vmlinuz: target=boot/vmlinuz-6.1.0-9-amd64",
                "default-kernel /boot/grub/grubenv: saved_entry=0",
                "boot-entries a.conf: options=ro quiet, title=A",
            ]
        );
        assert!(records.gaps.is_empty());
    }
}
