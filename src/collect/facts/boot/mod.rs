//! What kernels are started with: GRUB's defaults and menu, those of extlinux and systemd-boot,
//! `/etc/kernel/cmdline` (kernel-install(8)).
//!
//! Scope `cmdline`: a parameter is the key, its values in order are one value. Scope
//! `boot-entries`: of each entry of a menu kernel, options and initial file systems; those of
//! the Boot Loader Specification are read with the system. Scope `default-kernel`: which entry a
//! menu starts if nobody chooses. Menu passwords are not read.

mod extlinux;
mod grub;

use super::{Sheet, decode};
use crate::collect::{Collector, View};
use crate::model::{Records, TreePath};
use std::collections::BTreeMap;

/// Reads command lines and menus.
pub static COLLECTOR: Collector = Collector {
    name: "boot",
    version: 2,
    summary: "kernel command lines and entries of the boot menu",
    wanted: &[],
    collect,
};

/// What update-grub puts together, in its order.
const VARIABLES: [&str; 2] = ["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"];

/// Of one value, so that lines that double it again and again end.
const MAX_VALUE: usize = 64 * 1024;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    let mut parameters: BTreeMap<String, (String, TreePath)> = BTreeMap::new();
    let mut variables: BTreeMap<String, (String, TreePath)> = BTreeMap::new();
    let mut files = vec![TreePath::parse("/etc/default/grub")];
    files.extend(super::search::glob(&mut sheet, "/etc/default/grub.d/*.cfg"));
    for path in files {
        let Some(bytes) = sheet.reader.file(&path) else { continue };
        assign(&decode(&bytes), &path, &mut variables);
    }
    for name in VARIABLES {
        if let Some((value, path)) = variables.get(name) {
            add_parameters(value, path, &mut parameters);
        }
    }
    for name in ["/etc/kernel/cmdline", "/usr/lib/kernel/cmdline"] {
        if let Some((path, text)) = sheet.file(name) {
            add_parameters(&text, &path, &mut parameters);
            break;
        }
    }
    for (key, (value, path)) in &parameters {
        sheet.add("cmdline", key, path, &[("value", value)]);
    }
    for folder in ["/boot/grub", "/boot/grub2"] {
        grub_menu(&mut sheet, folder);
    }
    for name in
        ["/boot/extlinux/extlinux.conf", "/boot/extlinux.conf", "/boot/syslinux/syslinux.cfg"]
    {
        let Some((path, text)) = sheet.file(name) else { continue };
        let menu = extlinux::menu(&text);
        for (label, entry) in &menu.entries {
            add_entry(&mut sheet, label, entry, &path);
        }
        let linux = menu.entries.iter().find(|(label, _)| *label == menu.default);
        let linux = linux.map_or("", |(_, entry)| &entry.kernel);
        sheet.add("default-kernel", name, &path, &[("entry", &menu.default), ("linux", linux)]);
    }
    for name in LOADERS {
        let Some((path, text)) = sheet.file(name) else { continue };
        let values = text.lines().filter_map(|line| line.trim().split_once([' ', '\t']));
        let values = values.filter(|(key, _)| matches!(*key, "default" | "preferred" | "timeout"));
        let attributes: Vec<(&str, &str)> =
            values.map(|(key, value)| (key, value.trim())).collect();
        sheet.add("default-kernel", name, &path, &attributes);
    }
}

/// Settings of systemd-boot (loader.conf(5)).
const LOADERS: [&str; 3] =
    ["/boot/loader/loader.conf", "/boot/efi/loader/loader.conf", "/efi/loader/loader.conf"];

/// What a menu starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    /// The kernel.
    kernel: String,
    /// With which parameters.
    options: String,
    /// Initial file systems.
    initrd: String,
}

fn add_entry(sheet: &mut Sheet<'_>, title: &str, entry: &Entry, path: &TreePath) {
    let attributes =
        [("linux", entry.kernel.as_str()), ("options", &entry.options), ("initrd", &entry.initrd)];
    sheet.add("boot-entries", title, path, &attributes);
}

/// The entries of `grub.cfg`, and which of them is the default: by number, title or id, as the file
/// says or the environment block remembers. With the Boot Loader Specification the id is the name
/// of a file of its own.
fn grub_menu(sheet: &mut Sheet<'_>, folder: &str) {
    let name = format!("{folder}/grub.cfg");
    let Some((path, text)) = sheet.file(&name) else { return };
    let menu = grub::menu(&text);
    for one in &menu.entries {
        add_entry(sheet, one.title(), &one.entry, &path);
    }
    let default = match &menu.default {
        grub::Default::Fixed(entry) => entry.clone(),
        grub::Default::Saved => {
            let block = sheet.file(&format!("{folder}/grubenv")).map(|(_, text)| text);
            let saved = block.as_deref().and_then(grub::saved_entry);
            saved.unwrap_or("0").to_owned()
        }
    };
    let mut attributes = vec![("entry", default.as_str())];
    let specified;
    if let Some(one) = menu.find(&default) {
        attributes.extend([("title", one.title()), ("linux", &one.entry.kernel)]);
    } else if menu.is_specified && !default.contains('/') {
        specified = sheet.file(&format!("/boot/loader/entries/{default}.conf"));
        let lines = specified.as_ref().map_or("", |(_, text)| text).lines();
        let mut values = lines.filter_map(|line| line.trim().split_once([' ', '\t']));
        let linux = values.find(|(key, _)| *key == "linux").map_or("", |(_, value)| value.trim());
        attributes.push(("linux", linux));
    }
    sheet.add("default-kernel", &name, &path, &attributes);
}

fn add_parameters(
    line: &str,
    path: &TreePath,
    parameters: &mut BTreeMap<String, (String, TreePath)>,
) {
    for word in line.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let (known, evidence) =
            parameters.entry(name.to_owned()).or_insert_with(|| (String::new(), path.clone()));
        if !known.is_empty() && !value.is_empty() {
            known.push(' ');
        }
        known.push_str(value);
        *evidence = path.clone();
    }
}

/// Shell assignments, with earlier ones expanded in double quotes and without any.
fn assign(text: &str, path: &TreePath, variables: &mut BTreeMap<String, (String, TreePath)>) {
    for line in text.lines().map(str::trim) {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else { continue };
        if !name.starts_with("GRUB_")
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+'))
        {
            continue;
        }
        let (added, name) = (name.ends_with('+'), name.trim_end_matches('+'));
        let value = value.trim();
        let mut value = match value.strip_prefix('\'') {
            Some(rest) => rest.split('\'').next().unwrap_or_default().to_owned(),
            None => {
                let inner = value.strip_prefix('"').map(|rest| rest.split('"').next());
                let bare = value.split_whitespace().next();
                expand(inner.unwrap_or(bare).unwrap_or_default(), variables)
            }
        };
        if let (true, Some((before, _))) = (added, variables.get(name)) {
            value = format!("{before}{value}");
        }
        if value.len() <= MAX_VALUE {
            variables.insert(name.to_owned(), (value, path.clone()));
        }
    }
}

/// `$NAME` and `${NAME}`; what is not known becomes nothing, as in a shell.
fn expand(value: &str, variables: &BTreeMap<String, (String, TreePath)>) -> String {
    let mut parts = value.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, rest) = match part.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((name, rest)) => (name, rest),
            None => part.split_at(part.find(|c| !is_name(c)).unwrap_or(part.len())),
        };
        if out.len() <= MAX_VALUE {
            out.push_str(variables.get(name).map_or("", |(value, _)| value));
        }
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn parameters_of_all_files() {
        let mut tree = MemoryFilesystem::new();
        tree.file(
            "/etc/default/grub",
            "GRUB_CMDLINE_LINUX=\"\"\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet console=tty0\" # c\n",
        )
        .file(
            "/etc/default/grub.d/15_timeout.cfg",
            "GRUB_CMDLINE_LINUX_DEFAULT=\"${GRUB_CMDLINE_LINUX_DEFAULT} console=ttyS0 $X\"\n",
        )
        .file(
            "/boot/grub/grub.cfg",
            "menuentry 'Debian' --class x {\n\techo\n\tlinux /vmlinuz-6 root=UUID=1 ro\n\
             \tinitrd /initrd-6\n}\nsubmenu 'More' {\n menuentry \"Old\" {\n linux\t/vmlinuz-5\n}}\n",
        );
        let drop_in = "/etc/default/grub.d/15_timeout.cfg";
        check(
            &COLLECTOR,
            &tree,
            &[
                &format!("cmdline/console value=tty0 ttyS0 @{drop_in}"),
                &format!("cmdline/quiet @{drop_in}"),
                "boot-entries/Debian initrd=/initrd-6 linux=/vmlinuz-6 options=root=UUID=1 ro @/boot/grub/grub.cfg",
                "boot-entries/Old linux=/vmlinuz-5 @/boot/grub/grub.cfg",
                "default-kernel//boot/grub/grub.cfg entry=0 linux=/vmlinuz-6 title=Debian \
                 @/boot/grub/grub.cfg",
            ],
            &[],
        );
    }

    #[test]
    fn values_that_double_end() {
        let line = "GRUB_CMDLINE_LINUX=\"x$GRUB_CMDLINE_LINUX$GRUB_CMDLINE_LINUX\"\n";
        let mut variables = BTreeMap::new();
        assign(&line.repeat(1000), &TreePath::root(), &mut variables);
        assert!(variables["GRUB_CMDLINE_LINUX"].0.len() <= MAX_VALUE);
    }

    #[test]
    fn what_is_started_by_default() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/boot/grub2/grub.cfg", "set default=\"${saved_entry}\"\nblscfg\n")
            .file("/boot/grub2/grubenv", "# GRUB\nsaved_entry=id-5.14\n###")
            .file("/boot/loader/entries/id-5.14.conf", "title Rocky\nlinux /vmlinuz-5.14\n")
            .file("/boot/loader/loader.conf", "#x\ntimeout 3\ndefault  id-*\n")
            .file("/boot/extlinux.conf", "DEFAULT lts\nLABEL lts\nLINUX vmlinuz-lts\n");
        check(
            &COLLECTOR,
            &tree,
            &[
                "default-kernel//boot/grub2/grub.cfg entry=id-5.14 linux=/vmlinuz-5.14 \
                 @/boot/grub2/grub.cfg",
                "boot-entries/lts linux=vmlinuz-lts @/boot/extlinux.conf",
                "default-kernel//boot/extlinux.conf entry=lts linux=vmlinuz-lts \
                 @/boot/extlinux.conf",
                "default-kernel//boot/loader/loader.conf default=id-* timeout=3 \
                 @/boot/loader/loader.conf",
            ],
            &[],
        );
    }
}
