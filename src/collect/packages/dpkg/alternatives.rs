//! Alternatives, update-alternatives(1): which of several programs a generic name stands for.
//!
//! The administration files of Debian (`/var/lib/dpkg/alternatives`) and of Fedora and SUSE
//! (`/var/lib/alternatives`), which have the same form but for words after a priority. The value
//! is read from the link in `/etc/alternatives`; whether it fits is for others to judge.

use crate::collect::packages::text;
use crate::collect::reader::Reader;
use crate::collect::{Collector, View};
use crate::filesystem::Filesystem;
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::path::Escaped;
use crate::model::{Fact, Fault, FileKind, Name, Records, Stage, TreePath};
use std::collections::BTreeMap;

/// Reads the alternatives.
pub static COLLECTOR: Collector = Collector {
    name: "alternatives",
    version: 1,
    summary: "which program a generic name stands for, as update-alternatives keeps it",
    wanted: &[],
    collect,
};

const DATABASES: [&str; 2] = ["/var/lib/dpkg/alternatives", "/var/lib/alternatives"];
const LINKS: &str = "/etc/alternatives";

/// A file has a few dozen lines for each choice.
const MAX_SIZE: u64 = 1024 * 1024;

/// One administration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alternative<'a> {
    /// `auto` or `manual`.
    pub mode: &'a [u8],
    /// The generic path.
    pub link: &'a [u8],
    /// Names and generic paths that follow the choice (manual pages, …).
    pub followers: Vec<(&'a [u8], &'a [u8])>,
    /// Programs to choose from, with their priorities.
    pub choices: Vec<(&'a [u8], i64)>,
}

impl<'a> Alternative<'a> {
    /// What `auto` chooses: the first of the highest priority.
    #[must_use]
    pub fn best(&self) -> Option<&'a [u8]> {
        let highest = self.choices.iter().map(|(_, priority)| *priority).max()?;
        self.choices.iter().find(|(_, priority)| *priority == highest).map(|(path, _)| *path)
    }
}

/// Reads an administration file.
pub fn parse(bytes: &[u8]) -> Result<Alternative<'_>, Fault> {
    let mut lines = bytes.split(|b| *b == b'\n').enumerate();
    let mut next = |what: &str| {
        let line = lines.next().ok_or_else(|| Fault::damaged(format!("ends before {what}")))?;
        Ok((line.0.saturating_add(1), line.1))
    };
    let (_, mode) = next("its mode")?;
    if mode != b"auto" && mode != b"manual" {
        return Err(Fault::damaged(format!("line 1: mode \"{}\"", Escaped(mode))));
    }
    let (_, link) = next("its link")?;
    let mut alternative = Alternative { mode, link, ..Alternative::default() };
    loop {
        let (_, name) = next("the end of its followers")?;
        if name.is_empty() {
            break;
        }
        alternative.followers.push((name, next("a follower's link")?.1));
    }
    loop {
        let (_, path) = next("the end of its choices")?;
        if path.is_empty() {
            return Ok(alternative);
        }
        let (number, priority) = next("a priority")?;
        let priority = read_priority(priority).ok_or_else(|| {
            Fault::damaged(format!("line {number}: priority \"{}\"", Escaped(priority)))
        })?;
        alternative.choices.push((path, priority));
        for _ in &alternative.followers {
            next("a follower's target")?;
        }
    }
}

/// A number; Fedora may write `@family@` before it and a service after it.
fn read_priority(line: &[u8]) -> Option<i64> {
    let line = std::str::from_utf8(line).ok()?;
    let number = match line.strip_prefix('@') {
        Some(rest) => rest.split_once('@')?.1,
        None => line,
    };
    number.split_ascii_whitespace().next()?.parse().ok()
}

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Facts, MAX_SIZE);
    for database in DATABASES {
        let database = TreePath::parse(database);
        for (name, node) in reader.list(&database) {
            let path = database.join(&name);
            let Some(bytes) = reader.node(&path, &node) else { continue };
            let fact = fact(view.filesystem, &name, &bytes).map(Some);
            if let Some(fact) = reader.keep(&path, fact) {
                reader.records.facts.push(Fact { evidence: Some(path), ..fact });
            }
        }
    }
}

fn fact(filesystem: &dyn Filesystem, name: &Name, bytes: &[u8]) -> Result<Fact, Fault> {
    let alternative = parse(bytes)?;
    let mut attributes = BTreeMap::from([
        ("status".to_owned(), text(alternative.mode)),
        ("link".to_owned(), text(alternative.link)),
    ]);
    let choice = |(path, priority): &(&[u8], i64)| format!("{} ({priority})", text(path));
    let choices: Vec<String> = alternative.choices.iter().map(choice).collect();
    attributes.insert("choices".to_owned(), choices.join(", "));
    if let Some(best) = alternative.best() {
        attributes.insert("best".to_owned(), text(best));
    }
    let link = TreePath::parse(LINKS).join(name);
    if let Some(found) = resolve(filesystem, &link, LastLink::Keep)?
        && filesystem.metadata(&found.node)?.kind == FileKind::Symlink
    {
        let target = filesystem.read_link(&found.node)?;
        attributes.insert("value".to_owned(), text(&target));
    }
    Ok(Fact { scope: "alternatives".to_owned(), key: name.to_string(), attributes, evidence: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    const PAGER: &str = "auto\n/usr/bin/pager\npager.1.gz\n/usr/share/man/man1/pager.1.gz\n\n\
        /bin/more\n50\n/usr/share/man/man1/more.1.gz\n/usr/bin/less\n77\n\n\n";

    #[test]
    fn files_are_read() {
        let pager = parse(PAGER.as_bytes()).unwrap();
        assert_eq!(pager.choices.len(), 2);
        assert_eq!(pager.best(), Some(b"/usr/bin/less".as_slice()));
        let check = |input: &str, expected: Option<i64>| {
            let seen = parse(input.as_bytes()).ok().map(|a| a.choices.first().map_or(0, |c| c.1));
            assert_eq!(seen, expected, "{input}");
        };
        check("manual\n/a\n\n/b\n@family@30 service\n\n", Some(30));
        check("manual\n/a\n\n/b\n-5\n\n", Some(-5));
        check("auto\n/a\n\n\n", Some(0));
        check("other\n/a\n\n\n", None);
        check("auto\n/a\n\n/b\nx\n\n", None);
        check("auto\n/a\n\n/b\n1", None);
        check("", None);
    }

    #[test]
    fn the_link_is_the_value() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/var/lib/dpkg/alternatives/pager", PAGER)
            .file("/var/lib/dpkg/alternatives/bad", "x")
            .symlink("/etc/alternatives/pager", "/bin/more");
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        let attributes = &records.facts[0].attributes;
        assert_eq!(attributes["value"], "/bin/more");
        assert_eq!(attributes["best"], "/usr/bin/less");
        assert_eq!(attributes["choices"], "/bin/more (50), /usr/bin/less (77)");
        assert_eq!(records.gaps.len(), 1);
    }
}
