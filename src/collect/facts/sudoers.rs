//! Who may run what as whom: sudoers(5) with its includes.
//!
//! Scope `sudoers`, one fact a line: the key is who a rule is for, `Defaults` with its binding, or
//! the kind and name of an alias; the value is the rest of the line. Rules are recorded as they
//! are written and aliases are not expanded.

use super::lines::{joined, single_spaced};
use super::redact::redact;
use super::{Sheet, decode};
use crate::collect::{Collector, View};
use crate::model::{Records, TreePath};

/// Reads `/etc/sudoers` and what it includes.
pub static COLLECTOR: Collector = Collector {
    name: "sudoers",
    version: 1,
    summary: "rules, defaults and aliases of sudo",
    wanted: &[],
    collect,
};

/// As deep as sudo itself goes (`MAX_SUDOERS_DEPTH`).
const MAX_DEPTH: usize = 128;

/// Files in all; includes may fan out at each depth.
const MAX_FILES: usize = 4096;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    let mut left = MAX_FILES;
    let start = ["/etc/sudoers", "/usr/etc/sudoers"];
    for path in start.map(TreePath::parse) {
        if read(&mut sheet, &path, &mut left, &mut Vec::new()) {
            return;
        }
    }
}

/// Whether there was such a file.
fn read(
    sheet: &mut Sheet<'_>,
    path: &TreePath,
    left: &mut usize,
    open: &mut Vec<TreePath>,
) -> bool {
    if open.contains(path) || open.len() > MAX_DEPTH || *left == 0 {
        sheet.reader.gap(path, "includes itself, or includes are too many or too deep");
        return true;
    }
    *left = left.saturating_sub(1);
    let Some(bytes) = sheet.reader.file(path) else { return false };
    open.push(path.clone());
    for statement in parse(&decode(&bytes)) {
        match statement {
            Statement::Include(name) => {
                read(sheet, &beside(path, &name), left, open);
            }
            Statement::IncludeDirectory(name) => {
                let directory = beside(path, &name);
                for (name, _) in sheet.reader.list(&directory) {
                    // So that neither package leftovers nor backups of editors count.
                    let is_passed_over =
                        name.as_bytes().contains(&b'.') || name.as_bytes().ends_with(b"~");
                    if !is_passed_over {
                        read(sheet, &directory.join(&name), left, open);
                    }
                }
            }
            Statement::Entry { key, value } => {
                let free = if value.contains("NOPASSWD:") { "yes" } else { "" };
                sheet.add("sudoers", &key, path, &[("rule", &redact(&value)), ("nopasswd", free)]);
            }
        }
    }
    open.pop();
    true
}

/// Relative names lie beside the file that includes them.
fn beside(path: &TreePath, name: &str) -> TreePath {
    if name.starts_with('/') {
        return TreePath::parse(name);
    }
    let directory = path.parent().unwrap_or_else(TreePath::root);
    TreePath::parse([directory.as_bytes(), b"/", name.as_bytes()].concat())
}

/// A line of sudoers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Another file.
    Include(String),
    /// All files of a directory whose names have no dot and no `~` at the end.
    IncludeDirectory(String),
    /// A rule, a default or an alias.
    Entry {
        /// Who or what it is for.
        key: String,
        /// What is said of it.
        value: String,
    },
}

/// Reads one file.
#[must_use]
pub fn parse(text: &str) -> Vec<Statement> {
    // `#include` is no comment.
    let text: String = text
        .lines()
        .flat_map(|line| {
            let directive = line.trim_start().strip_prefix("#include");
            [
                directive.map_or_else(|| line.to_owned(), |rest| format!("@include{rest}")),
                "\n".into(),
            ]
        })
        .collect();
    joined(&text).iter().filter_map(|line| statement(line)).collect()
}

fn statement(line: &str) -> Option<Statement> {
    let line = single_spaced(uncommented(line));
    let (first, rest) = line.split_once(' ').unwrap_or((&line, ""));
    let name = || rest.trim_matches('"').replace("\\ ", " ");
    match first {
        "" => None,
        "@include" => Some(Statement::Include(name())),
        "@includedir" => Some(Statement::IncludeDirectory(name())),
        "User_Alias" | "Runas_Alias" | "Host_Alias" | "Cmnd_Alias" | "Cmd_Alias" => {
            let (alias, value) = rest.split_once('=')?;
            let key = format!("{first} {}", alias.trim());
            Some(Statement::Entry { key, value: value.trim().to_owned() })
        }
        _ if first.starts_with("Defaults") => {
            let setting = rest.split(['=', '+', '-', ' ']).find(|part| !part.is_empty());
            let setting = setting.unwrap_or_default().trim_start_matches('!').trim_end_matches(',');
            Some(Statement::Entry { key: format!("{first} {setting}"), value: rest.to_owned() })
        }
        _ => {
            // Who is a list, and may have spaces after its commas.
            let mut end = first.len();
            while line.get(..end)?.ends_with(',') {
                let rest = line.get(end.saturating_add(1)..)?;
                let word = rest.split(' ').next().filter(|word| !word.is_empty())?;
                end = end.saturating_add(1).saturating_add(word.len());
            }
            let value = line.get(end..)?.trim().to_owned();
            Some(Statement::Entry { key: line.get(..end)?.replace(", ", ","), value })
        }
    }
}

/// The line up to a comment: a `#` that neither names an id (`#1000`) nor is quoted.
fn uncommented(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    let bytes = line.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        let next = index.checked_add(1).and_then(|next| bytes.get(next));
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'#' if !quoted && !next.is_some_and(|b| b.is_ascii_digit() || *b == b'-') => {
                return line.get(..index).unwrap_or(line);
            }
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn includes_and_rules() {
        let mut tree = MemoryFilesystem::new();
        tree.file(
            "/etc/sudoers",
            "# no\nDefaults\tenv_reset\nDefaults:ann !lecture, x\nroot ALL=(ALL:ALL) ALL # all\n\
             #1000 ALL=/bin/a, \\\n  /bin/b\n%sudo, bob ALL = ALL\nCmnd_Alias X = /bin/x\n\
             #includedir sudoers.d\n@include /etc/sudoers\n",
        )
        .file("/etc/sudoers.d/90-app", "deploy ALL=(ALL) NOPASSWD:ALL\n")
        .file("/etc/sudoers.d/README.txt", "no ALL=ALL")
        .file("/etc/sudoers.d/x~", "no ALL=ALL");
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        assert_eq!(records.gaps.len(), 1, "a file that includes itself ends");
        tree.file(
            "/etc/sudoers",
            "# no\nDefaults\tenv_reset\nDefaults:ann !lecture, x\nroot ALL=(ALL:ALL) ALL # all\n\
             #1000 ALL=/bin/a, \\\n  /bin/b\n%sudo, bob ALL = ALL\nCmnd_Alias X = /bin/x\n\
             #includedir sudoers.d\n",
        );
        check(
            &COLLECTOR,
            &tree,
            &[
                "sudoers/Defaults env_reset rule=env_reset @/etc/sudoers",
                "sudoers/Defaults:ann lecture rule=!lecture, x @/etc/sudoers",
                "sudoers/root rule=ALL=(ALL:ALL) ALL @/etc/sudoers",
                "sudoers/#1000 rule=ALL=/bin/a, /bin/b @/etc/sudoers",
                "sudoers/%sudo,bob rule=ALL = ALL @/etc/sudoers",
                "sudoers/Cmnd_Alias X rule=/bin/x @/etc/sudoers",
                "sudoers/deploy nopasswd=yes rule=ALL=(ALL) NOPASSWD:ALL @/etc/sudoers.d/90-app",
            ],
            &[],
        );
    }
}
