//! Kernel settings that are applied at boot: sysctl.d(5), and what modules do: modules-load.d(5),
//! modprobe.d(5).
//!
//! Scope `sysctl`: for each setting the value that is set last, with the file that does it.
//! Scope `modules`: `load NAME`, `blacklist NAME`, `options NAME` and so on.

use super::lines::{joined, single_spaced};
use super::search::{DropIn, drop_ins, leads_to};
use super::{Sheet, decode};
use crate::collect::{Collector, View};
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::{Records, TreePath};
use std::collections::BTreeMap;

/// Reads the settings.
pub static COLLECTOR: Collector = Collector {
    name: "sysctl",
    version: 1,
    summary: "kernel settings, modules that are loaded, blacklisted or given options",
    wanted: &[],
    collect,
};

const SETTINGS: [&str; 4] =
    ["/etc/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];
const LOADED: [&str; 4] = [
    "/etc/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
    "/lib/modules-load.d",
];
const MODPROBE: [&str; 4] =
    ["/etc/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    settings(&mut sheet);
    for file in drop_ins(&mut sheet, &LOADED, ".conf") {
        load(&mut sheet, &file.path, &file.text.unwrap_or_default());
    }
    let old = TreePath::parse("/etc/modules");
    // Debian links to it from the directory.
    let is_linked =
        leads_to(&mut sheet, &TreePath::parse("/etc/modules-load.d/modules.conf"), &old);
    if let (false, Some(bytes)) = (is_linked, sheet.reader.file(&old)) {
        load(&mut sheet, &old, &decode(&bytes));
    }
    for file in drop_ins(&mut sheet, &MODPROBE, ".conf") {
        for (key, value) in modprobe(&file.text.unwrap_or_default()) {
            sheet.add("modules", &key, &file.path, &[("value", &value)]);
        }
    }
}

fn settings(sheet: &mut Sheet<'_>) {
    let mut files = drop_ins(sheet, &SETTINGS, ".conf");
    // systemd reads it only through a link of its directory, `sysctl --system` after all others.
    let main = TreePath::parse("/etc/sysctl.conf");
    let is_linked = files.iter().any(|file| {
        let found = resolve(sheet.reader.filesystem, &file.path, LastLink::Follow);
        found.is_ok_and(|found| found.is_some_and(|found| found.path == main))
    });
    if let (false, Some(bytes), Some(name)) =
        (is_linked, sheet.reader.file(&main), main.file_name().and_then(crate::model::Name::new))
    {
        files.push(DropIn { name, path: main, text: Some(decode(&bytes)) });
    }
    let mut values: BTreeMap<String, (String, TreePath)> = BTreeMap::new();
    for file in files {
        for (key, value) in assignments(&file.text.unwrap_or_default()) {
            values.insert(key, (value, file.path.clone()));
        }
    }
    for (key, (value, path)) in values {
        sheet.add("sysctl", &key, &path, &[("value", &value)]);
    }
}

/// `key = value` lines in order; `-key` without a value, which takes it out of patterns, has the
/// value `unset`.
#[must_use]
pub fn assignments(text: &str) -> Vec<(String, String)> {
    let read = |line: &str| {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            return None;
        }
        let is_lenient = line.starts_with('-');
        let line = line.strip_prefix('-').unwrap_or(line);
        match line.split_once('=') {
            Some((key, value)) => Some((name(key.trim()), single_spaced(value))),
            None => is_lenient.then(|| (name(line), "unset".to_owned())),
        }
    };
    text.lines().filter_map(read).collect()
}

/// In dots, as sysctl(8) shows it: whichever of `.` and `/` comes first separates.
fn name(key: &str) -> String {
    if key
        .find(['.', '/'])
        .is_some_and(|index| key.get(index..).is_some_and(|k| k.starts_with('/')))
    {
        let swap = |c| match c {
            '/' => '.',
            '.' => '/',
            c => c,
        };
        return key.chars().map(swap).collect();
    }
    key.to_owned()
}

fn load(sheet: &mut Sheet<'_>, path: &TreePath, text: &str) {
    for line in text.lines().map(str::trim) {
        // Debian's own file takes parameters after the name.
        let (module, parameters) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        if !module.is_empty() && !module.starts_with(['#', ';']) {
            let key = format!("load {module}");
            sheet.add("modules", &key, path, &[("value", parameters.trim())]);
        }
    }
}

/// Commands by `COMMAND MODULE`; `alias` by its pattern.
#[must_use]
pub fn modprobe(text: &str) -> Vec<(String, String)> {
    let read = |line: &String| {
        let line = single_spaced(line);
        let (command, rest) = line.split_once(' ')?;
        let (module, value) = rest.split_once(' ').unwrap_or((rest, ""));
        let known = ["alias", "blacklist", "install", "options", "remove", "softdep", "weakdep"];
        known.contains(&command).then(|| (format!("{command} {module}"), value.to_owned()))
    };
    joined(text).iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn the_last_value_counts() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/usr/lib/sysctl.d/50-a.conf", "net.ipv4.ip_forward=0\nkernel.x = 1  2\n")
            .file("/usr/lib/sysctl.d/60-masked.conf", "kernel.x=9\n")
            .symlink("/etc/sysctl.d/60-masked.conf", "/dev/null")
            .file("/etc/sysctl.d/99-app.conf", "; c\n-net/ipv4/ip_forward = 1\n-vm.y\njunk\n")
            .file("/etc/sysctl.conf", "kernel.x=3\n")
            .file("/etc/modules", "loop max_loop=8\n# no\n")
            .symlink("/etc/modules-load.d/modules.conf", "../modules")
            .file("/etc/modprobe.d/b.conf", "blacklist pcspkr\noptions kvm \\\n nested=1\nx y\n");
        let expected = [
            "sysctl/kernel.x value=1 2 @/usr/lib/sysctl.d/50-a.conf",
            "sysctl/net.ipv4.ip_forward value=1 @/etc/sysctl.d/99-app.conf",
            "sysctl/vm.y value=unset @/etc/sysctl.d/99-app.conf",
            "modules/load loop value=max_loop=8 @/etc/modules-load.d/modules.conf",
            "modules/blacklist pcspkr @/etc/modprobe.d/b.conf",
            "modules/options kvm value=nested=1 @/etc/modprobe.d/b.conf",
        ];
        let mut main = expected;
        main[0] = "sysctl/kernel.x value=3 @/etc/sysctl.conf";
        check(&COLLECTOR, &tree, &main, &[]);
        tree.symlink("/etc/sysctl.d/10-first.conf", "../sysctl.conf");
        check(&COLLECTOR, &tree, &expected, &[]);
    }

    #[test]
    fn names_are_in_dots() {
        let check = |key: &str, expected: &str| assert_eq!(name(key), expected);
        check("net.ipv4.conf.eth0/1.x", "net.ipv4.conf.eth0/1.x");
        check("net/ipv4/conf/eth0.1/x", "net.ipv4.conf.eth0/1.x");
        check("x", "x");
    }
}
