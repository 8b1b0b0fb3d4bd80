//! Where configuration lies: drop-in directories with their masking, and patterns of paths.
//!
//! The order is that of systemd, sysctl.d(5) and modprobe.d(5): of files with the same name the
//! first directory's counts, and all that count are read in the order of their names.

use super::{Sheet, decode};
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::{Name, TreePath};
use globset::GlobBuilder;
use std::collections::BTreeMap;

/// Paths that one pattern may match, and directories that it may enter: `/*/*/*/*` in a hostile
/// include would list the whole tree.
const MAX_MATCHES: usize = 4096;

/// A file that counts.
pub struct DropIn {
    /// Its name.
    pub name: Name,
    /// Where it lies.
    pub path: TreePath,
    /// What it says; `None` where it is a link to `/dev/null`, or could not be read.
    pub text: Option<String>,
}

/// Whether a link, if there is one, leads to that file: then it is one file, and not two.
pub fn leads_to(sheet: &mut Sheet<'_>, link: &TreePath, path: &TreePath) -> bool {
    let found = resolve(sheet.reader.filesystem, link, LastLink::Follow);
    sheet.reader.keep(link, found).is_some_and(|found| found.path == *path)
}

/// The files of these directories, the first most important, whose names end with `suffix`.
pub fn drop_ins(sheet: &mut Sheet<'_>, directories: &[&str], suffix: &str) -> Vec<DropIn> {
    let mut found = BTreeMap::new();
    for directory in directories {
        let directory = TreePath::parse(directory);
        for (name, _) in sheet.reader.list(&directory) {
            if name.as_bytes().ends_with(suffix.as_bytes()) {
                found.entry(name).or_insert_with_key(|name| directory.join(name));
            }
        }
    }
    let mut files = Vec::new();
    for (name, path) in found {
        let text = sheet.reader.file(&path).map(|bytes| decode(&bytes));
        files.push(DropIn { name, path, text });
    }
    files
}

/// Paths that a shell pattern matches, sorted; a pattern without wild cards is its own path,
/// whether or not anything lies there. Names with a leading dot are matched only by one.
pub fn glob(sheet: &mut Sheet<'_>, pattern: &str) -> Vec<TreePath> {
    let mut reached = vec![TreePath::root()];
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        let is_wild = part.contains(['*', '?', '[']);
        let matcher = GlobBuilder::new(part).build().ok().filter(|_| is_wild);
        let mut next = Vec::new();
        for directory in reached {
            let Some(matcher) = &matcher else {
                let child = Name::new(part.as_bytes()).map(|name| directory.join(&name));
                next.push(child.unwrap_or_else(|| directory.parent().unwrap_or(directory)));
                continue;
            };
            let matcher = matcher.compile_matcher();
            for (name, _) in sheet.reader.list(&directory) {
                let Ok(text) = std::str::from_utf8(name.as_bytes()) else { continue };
                let is_hidden = text.starts_with('.') && !part.starts_with('.');
                if !is_hidden && matcher.is_match(text) {
                    next.push(directory.join(&name));
                }
            }
            if next.len() > MAX_MATCHES {
                sheet.reader.gap(&directory, format!("more than {MAX_MATCHES} match {pattern}"));
                next.truncate(MAX_MATCHES);
                break;
            }
        }
        reached = next;
    }
    reached.sort();
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::View;
    use crate::filesystem::memory::MemoryFilesystem;
    use crate::model::Records;

    #[test]
    fn the_first_directory_counts() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/etc/a.d/1.conf", "etc")
            .file("/lib/a.d/1.conf", "lib")
            .file("/lib/a.d/0.conf", "zero")
            .file("/lib/a.d/2.txt", "no")
            .symlink("/etc/a.d/3.conf", "/dev/null")
            .file("/lib/a.d/3.conf", "masked");
        let mut records = Records::default();
        let mut sheet = Sheet::new(&View { filesystem: &tree, found: &[] }, &mut records);
        let found = drop_ins(&mut sheet, &["/etc/a.d", "/none", "/lib/a.d"], ".conf");
        let shown: Vec<String> = found
            .iter()
            .map(|file| format!("{} {}", file.path, file.text.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(shown, ["/lib/a.d/0.conf zero", "/etc/a.d/1.conf etc", "/etc/a.d/3.conf -"]);
    }

    #[test]
    fn patterns_are_those_of_a_shell() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/a/x/1.conf", "").file("/a/y/2.conf", "").file("/a/y/.3.conf", "");
        let mut records = Records::default();
        let mut sheet = Sheet::new(&View { filesystem: &tree, found: &[] }, &mut records);
        let mut check = |pattern: &str, expected: &str| {
            let found: Vec<String> =
                glob(&mut sheet, pattern).iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected, "{pattern}");
        };
        check("/a/*/*.conf", "/a/x/1.conf /a/y/2.conf");
        check("/a/y/.*", "/a/y/.3.conf");
        check("/none/n", "/none/n");
        check("/a/x/../[y]/2*", "/a/y/2.conf");
        check("/none/*", "");
    }
}
