//! What kernels are started with: GRUB's defaults and menu, `/etc/kernel/cmdline` (kernel-install(8)).
//!
//! Scope `cmdline`: a parameter is the key, its values in order are one value. Scope
//! `boot-entries`: of each entry of GRUB's menu kernel, options and initial file systems; those of
//! the Boot Loader Specification are read with the system. Menu passwords are not read.

use super::lines::single_spaced;
use super::{Sheet, decode};
use crate::collect::{Collector, View};
use crate::model::{Records, TreePath};
use std::collections::BTreeMap;

/// Reads command lines and menus.
pub static COLLECTOR: Collector = Collector {
    name: "boot",
    version: 1,
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
    for name in ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"] {
        let Some((path, text)) = sheet.file(name) else { continue };
        for entry in menu(&text) {
            let attributes = [
                ("linux", entry.kernel.as_str()),
                ("options", &entry.options),
                ("initrd", &entry.initrd),
            ];
            sheet.add("boot-entries", &entry.title, &path, &attributes);
        }
    }
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

/// An entry of GRUB's menu.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// As the menu shows it.
    pub title: String,
    /// What is started.
    pub kernel: String,
    /// With which parameters.
    pub options: String,
    /// Initial file systems.
    pub initrd: String,
}

/// The entries of `grub.cfg` that start a Linux kernel.
#[must_use]
pub fn menu(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut open: Option<Entry> = None;
    for line in text.lines().map(single_spaced) {
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match (command, &mut open) {
            ("menuentry" | "submenu", _) => {
                entries.extend(open.take().filter(|entry| !entry.kernel.is_empty()));
                open = Some(Entry { title: title(rest).to_owned(), ..Entry::default() });
            }
            ("linux" | "linux16" | "linuxefi", Some(entry)) => {
                let (kernel, options) = rest.split_once(' ').unwrap_or((rest, ""));
                entry.kernel = kernel.to_owned();
                entry.options = options.to_owned();
            }
            ("initrd" | "initrd16" | "initrdefi", Some(entry)) => entry.initrd = rest.to_owned(),
            _ => {}
        }
    }
    entries.extend(open.filter(|entry| !entry.kernel.is_empty()));
    entries
}

fn title(rest: &str) -> &str {
    match rest.chars().next() {
        Some(quote @ ('\'' | '"')) => rest.split(quote).nth(1).unwrap_or_default(),
        _ => rest.split(' ').next().unwrap_or_default(),
    }
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
}
