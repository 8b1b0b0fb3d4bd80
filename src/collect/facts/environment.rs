//! What a machine calls itself, where it is, and what every session starts with.
//!
//! Scope `system`: `hostname`, `timezone` (timezone(5): where `/etc/localtime` leads), `locale`,
//! `console`, `clock`, and whether `machine-id` is set (machine-id(5)). Scope `environment`: the variables of
//! environment(5) files, without secrets. Scope `profile`: scripts that login shells read.

use super::redact::redact;
use super::search::{drop_ins, leads_to};
use super::{Sheet, decode};
use crate::collect::{Collector, View};
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::path::Escaped;
use crate::model::{FileKind, Records, TreePath};

/// Reads these files.
pub static COLLECTOR: Collector = Collector {
    name: "environment",
    version: 1,
    summary: "host name, time zone, locale, environment variables, profile scripts",
    wanted: &[],
    collect,
};

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    if let Some((path, text)) = sheet.file("/etc/hostname") {
        let name =
            text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        sheet.add("system", "hostname", &path, &[("name", name.unwrap_or_default())]);
    }
    if let Some((path, text)) = sheet.file("/etc/machine-id") {
        // The number itself is a machine's secret, says the manual.
        let state = match text.trim() {
            "" => "empty",
            "uninitialized" => "uninitialized",
            _ => "set",
        };
        sheet.add("system", "machine-id", &path, &[("state", state)]);
    }
    time_zone(&mut sheet);
    let settings = [
        ("locale", "/etc/locale.conf"),
        ("locale", "/etc/default/locale"),
        ("locale", "/etc/sysconfig/i18n"),
        ("console", "/etc/vconsole.conf"),
        ("console", "/etc/default/keyboard"),
    ];
    for (key, name) in settings {
        let Some((path, text)) = sheet.file(name) else { continue };
        let values = assignments(&text);
        let attributes: Vec<(&str, &str)> =
            values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        sheet.add("system", key, &path, &attributes);
    }
    if let Some((path, text)) = sheet.file("/etc/adjtime") {
        let mode = text.lines().nth(2).unwrap_or_default().trim();
        sheet.add("system", "clock", &path, &[("mode", mode)]);
    }
    let main = TreePath::parse("/etc/environment");
    if let Some(bytes) = sheet.reader.file(&main) {
        variables(&mut sheet, &main, &decode(&bytes));
    }
    for file in drop_ins(&mut sheet, &["/etc/environment.d", "/usr/lib/environment.d"], ".conf") {
        // systemd comes with a link from there to the file above.
        if !leads_to(&mut sheet, &file.path, &main) {
            variables(&mut sheet, &file.path, &file.text.unwrap_or_default());
        }
    }
    for directory in ["/etc/profile.d", "/usr/etc/profile.d"].map(TreePath::parse) {
        for (name, _) in sheet.reader.list(&directory) {
            let path = directory.join(&name);
            sheet.add("profile", &path.to_string(), &path, &[]);
        }
    }
}

/// The zone by the place in the zone database that the link names; of a copied file, what
/// `/etc/timezone` says.
fn time_zone(sheet: &mut Sheet<'_>) {
    let path = TreePath::parse("/etc/localtime");
    let found = resolve(sheet.reader.filesystem, &path, LastLink::Keep);
    if let Some(found) = sheet.reader.keep(&path, found) {
        let kind =
            sheet.reader.filesystem.metadata(&found.node).map(|metadata| Some(metadata.kind));
        if sheet.reader.keep(&path, kind) == Some(FileKind::Symlink) {
            let target = sheet.reader.filesystem.read_link(&found.node).map(Some);
            let target = sheet.reader.keep(&path, target).unwrap_or_default();
            let target = Escaped(&target).to_string();
            let zone = target.split_once("zoneinfo/").map_or(target.as_str(), |(_, zone)| zone);
            sheet.add("system", "timezone", &path, &[("zone", zone)]);
            return;
        }
    }
    if let Some((path, text)) = sheet.file("/etc/timezone") {
        sheet.add("system", "timezone", &path, &[("zone", text.trim())]);
    }
}

fn variables(sheet: &mut Sheet<'_>, path: &TreePath, text: &str) {
    for (name, value) in assignments(text) {
        let shown = redact(&format!("{name}={value}"));
        let value = shown.split_once('=').map_or("", |(_, value)| value);
        sheet.add("environment", &name, path, &[("value", value)]);
    }
}

/// `NAME=value` lines, quotes around a value taken off.
#[must_use]
pub fn assignments(text: &str) -> Vec<(String, String)> {
    let read = |line: &str| {
        let line = line.trim();
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let value = value.trim();
        let quoted = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
        (is_name && !name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    text.lines().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn what_a_machine_says_of_itself() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/etc/hostname", "web-01\n")
            .file("/etc/machine-id", "0123456789abcdef\n")
            .symlink("/etc/localtime", "../usr/share/zoneinfo/Europe/Berlin")
            .file("/etc/timezone", "Etc/UTC\n")
            .file("/etc/default/locale", "# c\nLANG=\"C.UTF-8\"\n")
            .file("/etc/environment", "PATH=/bin\nexport API_TOKEN=x\n")
            .symlink("/usr/lib/environment.d/99-environment.conf", "../../../etc/environment")
            .file("/etc/profile.d/app.sh", "");
        check(
            &COLLECTOR,
            &tree,
            &[
                "system/hostname name=web-01 @/etc/hostname",
                "system/machine-id state=set @/etc/machine-id",
                "system/timezone zone=Europe/Berlin @/etc/localtime",
                "system/locale LANG=C.UTF-8 @/etc/default/locale",
                "environment/PATH value=/bin @/etc/environment",
                "environment/API_TOKEN value=*** @/etc/environment",
                "profile//etc/profile.d/app.sh @/etc/profile.d/app.sh",
            ],
            &[],
        );
        tree.file("/etc/localtime", "TZif");
        tree.remove("/etc/hostname").remove("/etc/environment").remove("/etc/default/locale");
        tree.remove("/usr/lib/environment.d/99-environment.conf");
        tree.remove("/etc/profile.d/app.sh").remove("/etc/machine-id");
        check(&COLLECTOR, &tree, &["system/timezone zone=Etc/UTC @/etc/timezone"], &[]);
    }
}
