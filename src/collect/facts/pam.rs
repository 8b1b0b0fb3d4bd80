//! Pluggable authentication: pam.d(5).
//!
//! Scope `pam`, the service is the key; each of `auth`, `account`, `password` and `session` has
//! its stack in order, `include` the files that Debian's `@include` names.

use super::Sheet;
use super::lines::{joined, single_spaced, without_comment};
use super::redact::redact;
use super::search::drop_ins;
use crate::collect::{Collector, View};
use crate::model::Records;
use std::collections::BTreeMap;

/// Reads the stacks.
pub static COLLECTOR: Collector = Collector {
    name: "pam",
    version: 1,
    summary: "authentication stacks by service",
    wanted: &[],
    collect,
};

const DIRECTORIES: [&str; 3] = ["/etc/pam.d", "/usr/etc/pam.d", "/usr/lib/pam.d"];

const KINDS: [&str; 4] = ["auth", "account", "password", "session"];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    let files = drop_ins(&mut sheet, &DIRECTORIES, "");
    if files.is_empty() {
        // Only where there is no directory, says the manual.
        let Some((path, text)) = sheet.file("/etc/pam.conf") else { return };
        let mut services: BTreeMap<&str, String> = BTreeMap::new();
        let lines = joined(&text);
        for line in &lines {
            if let Some((service, rest)) = line.split_once([' ', '\t']) {
                let stack = services.entry(service).or_default();
                stack.push_str(rest);
                stack.push('\n');
            }
        }
        for (service, text) in services {
            add(&mut sheet, service, &path, &text);
        }
    }
    for file in files {
        let text = file.text.unwrap_or_default();
        add(&mut sheet, &file.name.to_string(), &file.path, &text);
    }
}

fn add(sheet: &mut Sheet<'_>, service: &str, path: &crate::model::TreePath, text: &str) {
    let stacks = parse(text);
    let attributes: Vec<(&str, &str)> =
        stacks.iter().map(|(kind, stack)| (*kind, stack.as_str())).collect();
    sheet.add("pam", service, path, &attributes);
}

/// Stacks by kind, modules with `; ` between.
#[must_use]
pub fn parse(text: &str) -> BTreeMap<&'static str, String> {
    let mut stacks: BTreeMap<&'static str, String> = BTreeMap::new();
    for line in joined(text) {
        let line = single_spaced(without_comment(&line));
        let Some((first, rest)) = line.split_once(' ') else { continue };
        let bare = first.trim_start_matches('-').to_ascii_lowercase();
        let kind = match first {
            "@include" => Some("include"),
            _ => KINDS.into_iter().find(|kind| *kind == bare),
        };
        let Some(kind) = kind else { continue };
        let stack = stacks.entry(kind).or_default();
        if !stack.is_empty() {
            stack.push_str("; ");
        }
        if first.starts_with('-') {
            stack.push('-');
        }
        stack.push_str(&redact(rest));
    }
    stacks
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn stacks_in_their_order() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/etc/pam.conf", "su auth required a.so\nsu auth required b.so\n");
        check(&COLLECTOR, &tree, &["pam/su auth=required a.so; required b.so @/etc/pam.conf"], &[]);
        tree.file(
            "/etc/pam.d/sshd",
            "# c\nauth  [success=1 default=ignore]\tpam_unix.so nullok # x\nAUTH requisite \\\n \
             pam_deny.so\n@include common-account\n-session optional pam_systemd.so\njunk\n",
        )
        .file("/usr/lib/pam.d/sshd", "auth required hidden.so\n");
        check(
            &COLLECTOR,
            &tree,
            &[
                "pam/sshd auth=[success=1 default=ignore] pam_unix.so nullok; requisite pam_deny.so \
               include=common-account session=-optional pam_systemd.so @/etc/pam.d/sshd",
            ],
            &[],
        );
    }
}
