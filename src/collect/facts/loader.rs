//! What the dynamic loader loads and where it looks: ld.so(8), ld.so.conf as ldconfig(8) reads it.
//!
//! Scopes `ld-preload` (a library that every program loads is the key) and `ld-paths` (a
//! directory is).

use super::lines::without_comment;
use super::search::glob;
use super::{Sheet, decode};
use crate::collect::{Collector, View};
use crate::model::{Records, TreePath};

/// Reads the loader's files.
pub static COLLECTOR: Collector = Collector {
    name: "loader",
    version: 1,
    summary: "preloaded libraries and directories of libraries",
    wanted: &[],
    collect,
};

/// Files that one configuration may include in all.
const MAX_FILES: usize = 1024;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut sheet = Sheet::new(view, records);
    if let Some((path, text)) = sheet.file("/etc/ld.so.preload") {
        let separates = |c: char| c.is_whitespace() || c == ':';
        let names = text.lines().map(without_comment).flat_map(|line| line.split(separates));
        for name in names.filter(|name| !name.is_empty()) {
            sheet.add("ld-preload", name, &path, &[]);
        }
    }
    let mut pending = vec![TreePath::parse("/etc/ld.so.conf")];
    let mut read: Vec<TreePath> = Vec::new();
    while let Some(path) = pending.pop() {
        if read.contains(&path) {
            continue;
        }
        if read.len() >= MAX_FILES {
            sheet.reader.gap(&path, format!("more than {MAX_FILES} included files"));
            break;
        }
        read.push(path.clone());
        let Some(bytes) = sheet.reader.file(&path) else { continue };
        for line in decode(&bytes).lines().map(without_comment) {
            let mut words = line.split(|c: char| c.is_whitespace() || c == ',' || c == ':');
            match words.next().unwrap_or_default() {
                "" | "hwcap" => {}
                "include" => {
                    for pattern in words.filter(|word| !word.is_empty()) {
                        let pattern = match pattern.strip_prefix('/') {
                            Some(_) => pattern.to_owned(),
                            None => format!("/etc/{pattern}"),
                        };
                        let mut found = glob(&mut sheet, &pattern);
                        found.reverse();
                        pending.extend(found);
                    }
                }
                _ => {
                    let names = line.split(|c: char| c.is_whitespace() || c == ',' || c == ':');
                    for name in names.filter(|name| !name.is_empty()) {
                        sheet.add("ld-paths", name, &path, &[]);
                    }
                }
            }
        }
    }
    for path in glob(&mut sheet, "/etc/ld-musl-*.path") {
        let text = sheet.reader.file(&path).map(|bytes| decode(&bytes)).unwrap_or_default();
        for name in text.split(['\n', ':']).map(str::trim).filter(|name| !name.is_empty()) {
            sheet.add("ld-paths", name, &path, &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn libraries_and_their_directories() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/etc/ld.so.preload", "/lib/a.so:/lib/b.so # c\n/lib/c.so\n")
            .file("/etc/ld.so.conf", "include ld.so.conf.d/*.conf\n/opt/lib\ninclude ld.so.conf\n")
            .file("/etc/ld.so.conf.d/a.conf", "# c\n/usr/local/lib\n")
            .file("/etc/ld-musl-x86_64.path", "/lib:/usr/lib\n");
        check(
            &COLLECTOR,
            &tree,
            &[
                "ld-preload//lib/a.so @/etc/ld.so.preload",
                "ld-preload//lib/b.so @/etc/ld.so.preload",
                "ld-preload//lib/c.so @/etc/ld.so.preload",
                "ld-paths//opt/lib @/etc/ld.so.conf",
                "ld-paths//usr/local/lib @/etc/ld.so.conf.d/a.conf",
                "ld-paths//lib @/etc/ld-musl-x86_64.path",
                "ld-paths//usr/lib @/etc/ld-musl-x86_64.path",
            ],
            &[],
        );
    }
}
