//! Which files below a root are looked at.
//!
//! * Hidden files are, `.git` is not: CI lives in `.github`.
//! * What `.gitignore`, `.ignore` and `.git/info/exclude` name is not, those of the folders above
//!   the root included, unless they name the root itself: whoever names it wants it read.
//! * Vendored folders are not (by their name, by `linguist-vendored` in `.gitattributes`), and
//!   neither are submodules: they are other repositories with a gate of their own.
//! * Links are not followed, but a link to a file of the tree that is not looked at under its own
//!   name is one more name of it. Nothing outside of the root is read.
//!
//! Each of these can be asked for otherwise ([`super::AuditOptions`]).

use super::carrier::{self, HEAD};
use super::input::PinGap;
use super::walk::AuditOptions;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Folders that hold other people's files or a tool's own.
const VENDORED: &[&str] = &[
    ".bundle",
    ".git",
    ".hg",
    ".nox",
    ".svn",
    ".terraform",
    ".terragrunt-cache",
    ".tox",
    ".venv",
    "bower_components",
    "node_modules",
    "site-packages",
    "third_party",
    "vendor",
    "venv",
];

/// Directories above a root in which something is looked for.
pub(super) const MAX_ABOVE: usize = 32;

/// More links than this are not resolved.
const MAX_LINKS: usize = 10_000;

/// Files with attributes that are read, and how much of one.
const MAX_ATTRIBUTES: usize = 200;
const MAX_ATTRIBUTES_FILE: u64 = 256 * 1024;

/// A file of the tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TreeFile {
    /// Its path from the base, as the report shows it: `/` between the names, what is no UTF-8
    /// replaced.
    pub(super) shown: String,
    /// The path itself where that is another one.
    pub(super) real: Option<PathBuf>,
}

impl TreeFile {
    fn new(path: &Path) -> Self {
        match path.to_str() {
            Some(text) if cfg!(windows) => Self { shown: text.replace('\\', "/"), real: None },
            Some(text) => Self { shown: text.to_owned(), real: None },
            None => {
                Self { shown: path.to_string_lossy().into_owned(), real: Some(path.to_path_buf()) }
            }
        }
    }

    /// Where it lies below the base.
    pub(super) fn path(&self) -> &Path {
        self.real.as_deref().unwrap_or(Path::new(&self.shown))
    }
}

/// What lies below a root.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// What the files' paths begin at.
    pub(super) base: PathBuf,
    /// Sorted.
    pub(super) files: Vec<TreeFile>,
    /// What could not be listed.
    pub(super) gaps: Vec<PinGap>,
}

/// The files of a root: itself where it is one.
pub(super) fn below(root: &Path, options: &AuditOptions) -> Tree {
    let gap = |reason: String| PinGap { file: root.display().to_string(), line: None, reason };
    let base = root.to_path_buf();
    let Ok(metadata) = std::fs::metadata(root) else {
        let gaps = vec![gap("no such file or directory".into())];
        return Tree { base, gaps, ..Tree::default() };
    };
    if !metadata.is_dir() {
        let base = root.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = root.file_name().map(|name| TreeFile::new(Path::new(name)));
        let files = file.into_iter().collect();
        return Tree { base: base.to_path_buf(), files, gaps: Vec::new() };
    }
    let mut walked = walk(root, options);
    linked(root, &mut walked);
    let Walked { mut files, attributes, errors, .. } = walked;
    without_marked(root, &mut files, &attributes, options);
    files.sort();
    Tree { base, files, gaps: errors.into_iter().map(gap).collect() }
}

/// What a walk met.
#[derive(Default)]
struct Walked {
    files: Vec<TreeFile>,
    links: Vec<PathBuf>,
    /// Folders with a `.gitattributes`.
    attributes: Vec<PathBuf>,
    errors: Vec<String>,
}

fn walk(root: &Path, options: &AuditOptions) -> Walked {
    let found = Mutex::new(Walked::default());
    let include_vendored = options.include_vendored;
    let submodules = if include_vendored { BTreeSet::new() } else { submodules(root) };
    let respected = !options.include_ignored;
    let walker = ignore::WalkBuilder::new(root)
        .hidden(false)
        .parents(respected && !is_ignored(root))
        .ignore(respected)
        .git_ignore(respected)
        .git_exclude(respected)
        .git_global(false)
        .require_git(false)
        .follow_links(options.follow_links)
        .filter_entry(move |entry| {
            let directory = entry.file_type().is_some_and(|kind| kind.is_dir());
            let name = entry.file_name().to_str().unwrap_or_default();
            let skipped = name == ".git"
                || (!include_vendored && VENDORED.contains(&name))
                || submodules.contains(entry.path());
            !(directory && entry.depth() > 0 && skipped)
        })
        .build_parallel();
    walker.run(|| {
        Box::new(|entry| {
            let Ok(mut found) = found.lock() else { return ignore::WalkState::Quit };
            match entry {
                Ok(entry) => {
                    let kind = entry.file_type();
                    let Ok(path) = entry.path().strip_prefix(root) else {
                        return ignore::WalkState::Continue;
                    };
                    if kind.is_some_and(|kind| kind.is_symlink()) {
                        found.links.push(path.to_path_buf());
                    } else if kind.is_some_and(|kind| kind.is_file()) {
                        if entry.file_name() == ".gitattributes" {
                            let folder = path.parent().unwrap_or(Path::new(""));
                            found.attributes.push(folder.to_path_buf());
                        }
                        found.files.push(TreeFile::new(path));
                    }
                }
                Err(error) => found.errors.push(error.to_string()),
            }
            ignore::WalkState::Continue
        })
    });
    found.into_inner().unwrap_or_default()
}

/// Whether a root is itself named by a `.gitignore` of the repository around it, or lies in none.
fn is_ignored(root: &Path) -> bool {
    let Ok(root) = std::fs::canonicalize(root) else { return true };
    let above: Vec<&Path> = root.ancestors().take(MAX_ABOVE).collect();
    let Some(top) = above.iter().position(|folder| folder.join(".git").exists()) else {
        return true;
    };
    above.iter().take(top.saturating_add(1)).skip(1).any(|folder| {
        [".gitignore", ".ignore"].iter().any(|name| {
            let (own, _) = Gitignore::new(folder.join(name));
            own.matched_path_or_any_parents(&root, true).is_ignore()
        })
    })
}

/// The folders of the submodules that a root names.
fn submodules(root: &Path) -> BTreeSet<PathBuf> {
    let text = read(&root.join(".gitmodules")).unwrap_or_default();
    let paths = text.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "path").then(|| root.join(value.trim().trim_matches('"')))
    });
    paths.filter(|path| path.join(".git").exists()).collect()
}

/// Adds links to files of the tree that nothing reads under their own name.
fn linked(root: &Path, walked: &mut Walked) {
    let Ok(real_root) = std::fs::canonicalize(root) else { return };
    walked.links.sort();
    let known: BTreeSet<&Path> = walked.files.iter().map(TreeFile::path).collect();
    let mut found = Vec::new();
    for link in walked.links.iter().take(MAX_LINKS) {
        // A link that leads nowhere, or round in circles, has no real path.
        let Ok(target) = std::fs::canonicalize(root.join(link)) else { continue };
        let Ok(inner) = target.strip_prefix(&real_root) else { continue };
        if inner.starts_with(".git") || !target.is_file() {
            continue;
        }
        let read_already = known.contains(inner) && {
            let mut head = Vec::new();
            let file = std::fs::File::open(&target);
            let limit = u64::try_from(HEAD).unwrap_or(u64::MAX);
            let read = file.and_then(|file| file.take(limit).read_to_end(&mut head));
            read.is_ok() && carrier::carrier_of(&inner.to_string_lossy(), &head).is_some()
        };
        if !read_already {
            found.push(TreeFile::new(link));
        }
    }
    walked.files.extend(found);
}

/// Takes out what `.gitattributes` marks as vendored, and as generated where that is asked for.
fn without_marked(
    root: &Path,
    files: &mut Vec<TreeFile>,
    attributes: &[PathBuf],
    options: &AuditOptions,
) {
    let mut marks = Vec::new();
    if !options.include_vendored {
        marks.push("linguist-vendored");
    }
    if options.exclude_generated {
        marks.push("linguist-generated");
    }
    let read = |folder: &PathBuf| read(&root.join(folder).join(".gitattributes"));
    let texts = attributes.iter().take(MAX_ATTRIBUTES);
    let texts: Vec<(&PathBuf, String)> =
        texts.filter_map(|folder| Some((folder, read(folder)?))).collect();
    for mark in marks {
        for (folder, text) in &texts {
            let Some(marked) = marked(folder, text, mark) else { continue };
            files.retain(|file| {
                let inside = file.path().starts_with(folder);
                !(inside && marked.matched(file.path(), false).is_ignore())
            });
        }
    }
}

/// What a file of attributes marks, by gitattributes(5): the last line that matches wins.
fn marked(folder: &Path, text: &str, mark: &str) -> Option<Gitignore> {
    let mut builder = GitignoreBuilder::new(folder);
    let mut any = false;
    for line in text.lines() {
        let line = line.trim();
        let (pattern, rest) = match line.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => line.split_once([' ', '\t']).unwrap_or((line, "")),
        };
        let word = rest.split_whitespace().rfind(|word| {
            let name = word.trim_start_matches(['-', '!']);
            name.split('=').next() == Some(mark)
        });
        let Some(word) = word.filter(|_| !pattern.starts_with(['#', '!'])) else { continue };
        let unset = word.starts_with(['-', '!']) || word.ends_with("=false");
        let pattern = if unset { format!("!{pattern}") } else { pattern.to_owned() };
        any |= builder.add_line(None, &pattern).is_ok();
    }
    any.then(|| builder.build().ok()).flatten()
}

/// A small text.
fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(MAX_ATTRIBUTES_FILE).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_mark_files() {
        let text = "# x linguist-generated\n*.lock linguist-generated=true\n/a/* linguist-vendored \
                    linguist-generated\n\"b c\" linguist-generated\na/keep -linguist-generated\n";
        let check = |mark: &str, path: &str, expected: bool| {
            let marked = marked(Path::new(""), text, mark).unwrap();
            assert_eq!(marked.matched(path, false).is_ignore(), expected, "{mark} {path}");
        };
        check("linguist-generated", "x/y.lock", true);
        check("linguist-generated", "a/b", true);
        check("linguist-generated", "a/keep", false);
        check("linguist-generated", "b c", true);
        check("linguist-generated", "other", false);
        check("linguist-vendored", "a/keep", true);
        check("linguist-vendored", "y.lock", false);
        assert!(marked(Path::new(""), "*.sh text eol=lf\n", "linguist-generated").is_none());
    }
}
