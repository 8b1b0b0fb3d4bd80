//! What an installed Debian package says of its files: `info/*.list`, `*.md5sums`, `*.conffiles`.
//!
//! dpkg records paths, and digests of what is neither a directory, a link nor a configuration
//! file; modes and owners it does not record, but for overrides. What maintainer scripts make is
//! in no list and is not claimed.

use super::overrides::{Diversions, Overrides};
use super::status::Conffile;
use crate::collect::packages::deb822::Damage;
use crate::collect::packages::hex::decode_array;
use crate::collect::packages::place::Places;
use crate::collect::packages::text;
use crate::model::{
    Claim, Expectation, FileKind, PackageKey, ShippedDigest, ShippedSource, TreePath,
};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The package's own files of the database; empty where it has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lists<'a> {
    /// `.list`: a path a line. `None` where there is no list: the digests name the paths then, as
    /// in distroless images.
    pub paths: Option<&'a [u8]>,
    /// `.md5sums`: `DIGEST  PATH` a line, the path without its first slash.
    pub digests: &'a [u8],
    /// `.conffiles`: a path a line.
    pub conffiles: &'a [u8],
}

/// What holds for all packages.
#[derive(Debug)]
pub struct Rules<'a, 'f> {
    /// Where other packages' files are put.
    pub diversions: Diversions<'a>,
    /// Other owners and modes.
    pub overrides: Overrides<'a>,
    /// Where paths lie.
    pub places: Places<'f>,
}

/// What kind of line a claim is made of.
#[derive(Clone, Copy)]
enum Line {
    Directory,
    File(ShippedSource, Option<ShippedDigest>),
    Other,
}

/// Appends a claim for each path of the package. The damages are of the digest file, by its lines.
pub fn claims<'a>(
    package: &Arc<PackageKey>,
    status_conffiles: &[Conffile<'a>],
    lists: Lists<'a>,
    rules: &mut Rules<'_, '_>,
    out: &mut Vec<Claim>,
) -> Vec<Damage> {
    let (mut digests, damages) = Digests::read(lists.digests);
    let mut conffiles = conffiles(status_conffiles, lists.conffiles, &mut digests);
    let Some(list) = lists.paths else {
        for (path, digest) in &digests.sorted {
            if !conffiles.contains_key(path) {
                let line = Line::File(ShippedSource::File, Some(ShippedDigest::Md5(*digest)));
                rules.claim(package, path, line, out);
            }
        }
        for (path, digest) in conffiles {
            let line = Line::File(ShippedSource::Configuration, digest);
            rules.claim(package, path, line, out);
        }
        return damages;
    };
    let mut parents = None;
    let mut paths = lines(list).map(bare).peekable();
    while let Some(bare) = paths.next() {
        let line = if let Some(digest) = conffiles.remove(bare) {
            Line::File(ShippedSource::Configuration, digest)
        } else if let Some(digest) = digests.get(bare) {
            Line::File(ShippedSource::File, Some(ShippedDigest::Md5(digest)))
        } else if paths.peek().is_some_and(|next| is_below(next, bare))
            || parents.get_or_insert_with(|| parents_of(list)).contains(bare)
        {
            Line::Directory
        } else {
            Line::Other
        };
        rules.claim(package, bare, line, out);
    }
    damages
}

impl Rules<'_, '_> {
    fn claim(&mut self, package: &Arc<PackageKey>, path: &[u8], line: Line, out: &mut Vec<Claim>) {
        let mut expectation = match line {
            Line::Directory | Line::Other => Expectation::owned(ShippedSource::File),
            Line::File(source, _) => Expectation::owned(source),
        };
        match line {
            Line::Directory => expectation.kind = Some(FileKind::Directory),
            Line::File(_, digest) => {
                expectation.kind = Some(FileKind::File);
                expectation.digest = digest;
            }
            Line::Other => {}
        }
        if !self.overrides.is_empty()
            && let Some(set) = self.overrides.get(absolute(path).as_slice())
        {
            expectation.user = Some(text(set.user));
            expectation.group = Some(text(set.group));
            expectation.mode = Some(set.mode);
        }
        let place = match line {
            Line::Directory => self.places.directory(path),
            _ => self.diverted(package, path),
        };
        if let Some(path) = place.filter(|path| !path.is_root()) {
            out.push(Claim { path, package: Arc::clone(package), expectation });
        }
    }

    fn diverted(&mut self, package: &PackageKey, path: &[u8]) -> Option<TreePath> {
        if self.diversions.is_empty() {
            return self.places.entry(path);
        }
        match self.diversions.get(absolute(path).as_slice()) {
            Some(moved) if moved.keeper != Some(package.name.as_bytes()) => {
                self.places.entry(moved.to)
            }
            _ => self.places.entry(path),
        }
    }
}

/// Configuration files by bare path, with the digest of what was shipped.
fn conffiles<'a>(
    status: &[Conffile<'a>],
    list: &'a [u8],
    digests: &mut Digests<'a>,
) -> HashMap<&'a [u8], Option<ShippedDigest>> {
    let mut found = HashMap::new();
    for path in lines(list) {
        // Before a path stands what is to be done with it, today only `remove-on-upgrade`.
        if path.first() == Some(&b'/') {
            let digest = digests.get(bare(path)).map(ShippedDigest::Md5);
            found.insert(bare(path), digest);
        }
    }
    for conffile in status {
        if conffile.is_to_be_removed {
            found.remove(bare(conffile.path));
        } else {
            found.insert(bare(conffile.path), conffile.digest);
        }
    }
    found
}

/// Digests by bare path.
struct Digests<'a> {
    sorted: Vec<(&'a [u8], [u8; 16])>,
    /// Where the next one is looked for first: lists and digests are in nearly the same order.
    next: usize,
}

impl<'a> Digests<'a> {
    fn read(bytes: &'a [u8]) -> (Self, Vec<Damage>) {
        let mut sorted = Vec::with_capacity(bytes.len() / SHORT_DIGEST_LINE);
        let mut damages = Vec::new();
        for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
            let digest = line.get(..32).and_then(decode_array);
            let path = line.get(32..).unwrap_or_default().trim_ascii_start();
            match digest {
                Some(digest) if !path.is_empty() => sorted.push((bare(path), digest)),
                // One is enough to say that the file is damaged.
                _ if !line.is_empty() && damages.is_empty() => {
                    let line = index.saturating_add(1);
                    damages.push(Damage { line, reason: "no digest and path".to_owned() });
                }
                _ => {}
            }
        }
        if !sorted.is_sorted_by(|a, b| a.0 < b.0) {
            sorted.sort_by(|a, b| a.0.cmp(b.0));
            sorted.dedup_by(|later, earlier| later.0 == earlier.0);
        }
        (Self { sorted, next: 0 }, damages)
    }

    fn get(&mut self, path: &[u8]) -> Option<[u8; 16]> {
        let index = match self.position(path) {
            Ok(index) => index,
            Err(index) => {
                self.next = index;
                return None;
            }
        };
        self.next = index.saturating_add(1);
        self.sorted.get(index).map(|(_, digest)| *digest)
    }

    /// As a binary search would say it, without one where the neighbours of the expected place
    /// settle it.
    fn position(&self, path: &[u8]) -> Result<usize, usize> {
        let at_next = self.sorted.get(self.next).map(|(have, _)| (*have).cmp(path));
        let before = self.next.checked_sub(1).and_then(|index| self.sorted.get(index));
        match at_next {
            Some(Ordering::Equal) => Ok(self.next),
            Some(Ordering::Greater) | None if before.is_none_or(|(have, _)| *have < path) => {
                Err(self.next)
            }
            _ => self.sorted.binary_search_by(|(have, _)| (*have).cmp(path)),
        }
    }
}

/// A line is a digest, two blanks and a path: few are shorter than this.
const SHORT_DIGEST_LINE: usize = 64;

/// Bare paths that other lines lie below: these are directories for sure.
fn parents_of(list: &[u8]) -> HashSet<&[u8]> {
    let mut parents = HashSet::new();
    let mut last: &[u8] = &[];
    for path in lines(list).map(bare) {
        let parent = path.iter().rposition(|b| *b == b'/').and_then(|slash| path.get(..slash));
        // Neighbours mostly share their directory.
        if let Some(parent) = parent.filter(|parent| *parent != last) {
            last = parent;
            parents.insert(parent);
        }
    }
    parents
}

fn is_below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty())
}

/// Without `./` and `/` in front.
fn bare(path: &[u8]) -> &[u8] {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    path.strip_prefix(b"/").unwrap_or(path)
}

fn absolute(bare: &[u8]) -> Vec<u8> {
    [b"/", bare].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::packages::dpkg::overrides::{read_diversions, read_overrides};
    use crate::filesystem::memory::MemoryFilesystem;

    const DIGEST: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn check(lists: Lists<'_>, conffiles: &[Conffile<'_>], expected: &[&str]) {
        let mut filesystem = MemoryFilesystem::new();
        filesystem.directory("/usr/bin").symlink("/bin", "usr/bin");
        let (diversions, _) =
            read_diversions(b"/bin/d\n/bin/d.real\nother\n/bin/own\n/bin/own.x\npkg\n");
        let (overrides, _) = read_overrides(b"root #7 4755 /bin/s\n");
        let mut rules = Rules { diversions, overrides, places: Places::new(&filesystem) };
        let package = Arc::new(PackageKey {
            manager: "dpkg".into(),
            name: "pkg".into(),
            architecture: None,
            instance: None,
        });
        let mut out = Vec::new();
        claims(&package, conffiles, lists, &mut rules, &mut out);
        let mut seen: Vec<_> = out
            .iter()
            .map(|claim| {
                let e = &claim.expectation;
                let kind = e.kind.map_or("?", FileKind::as_str);
                let digest = if e.digest.is_some() { " md5" } else { "" };
                let source = if e.source == ShippedSource::Configuration { " conf" } else { "" };
                let group = e.group.as_deref().map(|g| format!(" {g}")).unwrap_or_default();
                let mode = e.mode.map(|m| format!(" {m:o}")).unwrap_or_default();
                format!("{} {kind}{source}{digest}{group}{mode}", claim.path)
            })
            .collect();
        seen.sort();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_list_with_all_that_dpkg_knows() {
        let list =
            b"/.\n/bin\n/bin/d\n/bin/own\n/bin/s\n/etc\n/etc/a\n/etc/new\n/etc/gone\n/empty\n";
        let digests = format!("{DIGEST}  bin/d\n{DIGEST}  bin/s\n{DIGEST}  bin/own\n");
        let conffile = |path: &'static str, digest: Option<&str>, is_to_be_removed| Conffile {
            path: path.as_bytes(),
            digest: digest.and_then(|d| decode_array(d.as_bytes())).map(ShippedDigest::Md5),
            is_obsolete: false,
            is_to_be_removed,
        };
        check(
            Lists {
                paths: Some(list),
                digests: digests.as_bytes(),
                conffiles: b"/etc/a\nremove-on-upgrade /etc/gone\n",
            },
            &[
                conffile("/etc/a", Some(DIGEST), false),
                conffile("/etc/new", None, false),
                conffile("/etc/gone", None, true),
            ],
            &[
                "/empty ?",
                "/etc directory",
                "/etc/a file conf md5",
                "/etc/gone ?",
                "/etc/new file conf",
                "/usr/bin directory",
                "/usr/bin/d.real file md5",
                "/usr/bin/own file md5",
                "/usr/bin/s file md5 7 4755",
            ],
        );
    }

    #[test]
    fn digests_alone_name_the_files() {
        let digests = format!("{DIGEST}  ./usr/bin/x\nnonsense\n{DIGEST}  etc/a\n");
        let lists = Lists { paths: None, digests: digests.as_bytes(), conffiles: b"/etc/a\n" };
        check(lists, &[], &["/etc/a file conf md5", "/usr/bin/x file md5"]);
        let (digests, damages) = Digests::read(digests.as_bytes());
        assert_eq!((digests.sorted.len(), damages.len()), (2, 1));
    }

    #[test]
    fn digests_are_found_in_any_order() {
        let lines: String =
            ["b", "d", "f"].iter().map(|path| format!("{DIGEST}  {path}\n")).collect();
        let (mut digests, _) = Digests::read(lines.as_bytes());
        let mut check = |path: &str, expected: bool| {
            assert_eq!(digests.get(path.as_bytes()).is_some(), expected, "{path}");
        };
        for path in ["a", "b", "c", "d", "e", "f", "g", "f", "b", "c", "a", "g", "d", "b"] {
            check(path, ["b", "d", "f"].contains(&path));
        }
        assert_eq!(Digests::read(b"").0.get(b"a"), None);
    }
}
