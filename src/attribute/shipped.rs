//! Every claim of every package against the tree, offline: `rpm -Va` and `debsums` in one.
//!
//! The tree of what was shipped is walked beside the tree of what is. Only what a database records
//! is compared, and nothing is excused: an edited configuration file is listed as one, and who
//! judges is the reader. Of what is only owned (`%ghost`) neither absence nor bytes matter. A
//! digest that was not computed is unverified, never "differs" and never "matches".
//!
//! Where it differs from others on purpose:
//!
//! - A path is the one where the file lies: `/usr/lib/x` and not `/lib/x`, which links to it, as
//!   dpkg may have recorded it; of a diverted file it is where the diversion put it, which debsums
//!   and `dpkg --verify` pass over.
//! - Another kind of file (a directory, a link to the same bytes) differs, where debsums follows
//!   links and both stop at a directory. A file below what is no directory any more is missing.
//! - Modes and owners are compared where the database or a statoverride records them. dpkg records
//!   neither, nor where links lead and which capabilities a maintainer script set, so of its
//!   packages only `compare` with an earlier manifest tells these.
//! - Times are no drift, nor are major and minor numbers, which `rpm -Va` has (`T`, `D`).
//! - A distribution of Python or Perl that came in another manager's package is that package's: its
//!   own list was written before the packager moved files and left others out.

use super::root::Root;
use super::verify::capability_bytes;
use crate::model::{
    Attribute, AttributeValue, Capabilities, Content, Deviation, DirectoryContent, Entry,
    Expectation, Fact, FileKind, PackageKey, ShippedDigest, ShippedId, ShippedSource, ShippedTree,
    Side, Tree, TreePath, TreeSource, Unverified, Verification,
};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// Compares all that was shipped.
#[must_use]
pub fn verify_shipped(side: &Side<'_>) -> Verification {
    let mut out = Verification::default();
    let Some(shipped) = side.manifest.header.shipped else { return out };
    let owners = Accounts::new(&side.manifest.records.facts);
    let lost = &side.manifest.header.not_carried;
    let lost = |name: &str| lost.iter().any(|lost| lost == name);
    let verifier = Verifier {
        source: side.source,
        owners,
        root: Root::of(&side.manifest.header),
        has_mode: !lost("mode"),
        has_user: !lost("uid"),
        has_group: !lost("gid"),
        has_xattrs: !lost("xattr"),
        brought: brought(side, &shipped),
    };
    let root = verifier.enter(&TreePath::root(), Some(&side.manifest.header.root), &mut out);
    let mut pending = Vec::new();
    if let Below::Tree(tree) = root {
        pending.push((TreePath::root(), Some(tree), shipped));
    }
    while let Some((path, tree, shipped)) = pending.pop() {
        verifier.directory(&path, tree.as_deref(), &shipped, &mut pending, &mut out);
    }
    out.deviations.sort_by(|a, b| (&a.path, &a.package).cmp(&(&b.path, &b.package)));
    out.unverified.sort_by(|a, b| (&a.path, &a.package).cmp(&(&b.path, &b.package)));
    out.unread.sort();
    out
}

/// A directory whose claims are still to be looked at; no tree where nothing lies there.
type Pending = (TreePath, Option<Arc<Tree>>, ShippedId);

/// What is below an entry.
enum Below {
    Tree(Arc<Tree>),
    /// It is missing, or no directory.
    Nothing,
    /// Nobody knows; said already.
    Unread,
}

struct Verifier<'a> {
    source: &'a dyn TreeSource,
    owners: Accounts<'a>,
    root: Root,
    has_mode: bool,
    has_user: bool,
    has_group: bool,
    has_xattrs: bool,
    /// Packages whose own lists do not count.
    brought: HashSet<PackageKey>,
}

/// Managers whose packages come in packages of others, lists and all.
const BROUGHT: [&str; 2] = ["pypi", "cpan"];

/// Packages whose metadata are files of another manager's package.
fn brought(side: &Side<'_>, shipped: &ShippedId) -> HashSet<PackageKey> {
    let mut trees = HashMap::new();
    let mut claims_at = |path: &TreePath| -> Option<Vec<PackageKey>> {
        let mut id = *shipped;
        let mut names = path.names().peekable();
        while let Some(name) = names.next() {
            // What cannot be read is told where its claims are compared.
            let tree: &Option<Arc<ShippedTree>> =
                trees.entry(id).or_insert_with(|| side.source.shipped(&id).ok());
            let entry = tree.as_ref()?.get(name)?;
            if names.peek().is_none() {
                return Some(entry.claims.iter().map(|(key, _)| key.clone()).collect());
            }
            id = entry.below?;
        }
        None
    };
    let candidates = side.manifest.records.packages.iter();
    let candidates = candidates.filter(|one| BROUGHT.contains(&one.key.manager.as_str()));
    let mut found = HashSet::new();
    for package in candidates {
        let owners = claims_at(&package.evidence).unwrap_or_default();
        if owners.iter().any(|owner| owner.manager != package.key.manager) {
            found.insert(package.key.clone());
        }
    }
    found
}

impl Verifier<'_> {
    fn directory(
        &self,
        path: &TreePath,
        tree: Option<&Tree>,
        shipped: &ShippedId,
        pending: &mut Vec<Pending>,
        out: &mut Verification,
    ) {
        let shipped = match self.source.shipped(shipped) {
            Ok(shipped) => shipped,
            Err(fault) => {
                out.unread.push((path.clone(), fault.chain()));
                return;
            }
        };
        for claimed in &shipped.entries {
            let here = path.join(&claimed.name);
            let entry = tree.and_then(|tree| tree.get(claimed.name.as_bytes()));
            let claims = claimed.claims.iter();
            for (package, expectation) in claims.filter(|(key, _)| !self.brought.contains(key)) {
                out.claims += 1;
                self.claim(&here, package, expectation, entry, out);
            }
            let Some(below) = claimed.below else { continue };
            match self.enter(&here, entry, out) {
                Below::Tree(tree) => pending.push((here, Some(tree), below)),
                Below::Nothing => pending.push((here, None, below)),
                Below::Unread => {}
            }
        }
    }

    fn enter(&self, path: &TreePath, entry: Option<&Entry>, out: &mut Verification) -> Below {
        let reason = match entry.map(|entry| &entry.content) {
            Some(Content::Directory(DirectoryContent::Read { exact, .. })) => {
                match self.source.tree(exact) {
                    Ok(tree) => return Below::Tree(tree),
                    Err(fault) => fault.chain(),
                }
            }
            Some(Content::Directory(DirectoryContent::Unread)) => "it could not be read".to_owned(),
            Some(Content::Directory(DirectoryContent::LeftOut)) => "it was left out".to_owned(),
            _ => return Below::Nothing,
        };
        out.unread.push((path.clone(), reason));
        Below::Unread
    }

    fn claim(
        &self,
        path: &TreePath,
        package: &PackageKey,
        expectation: &Expectation,
        entry: Option<&Entry>,
        out: &mut Verification,
    ) {
        let source = expectation.source;
        let mut attributes = Vec::new();
        let Some(entry) = entry else {
            if source != ShippedSource::Ghost && !expectation.may_be_missing {
                let (path, package) = (path.clone(), package.clone());
                out.deviations.push(Deviation {
                    path,
                    package,
                    source,
                    is_missing: true,
                    attributes,
                });
            }
            return;
        };
        let mut unverified = None;
        if let Some(kind) = other_kind(expectation, entry) {
            attributes.push(kind);
        } else {
            match self.bytes(expectation, entry, &mut attributes) {
                Bytes::Compared => out.digests += 1,
                Bytes::Unverified(reason) => unverified = Some(reason),
                Bytes::Nothing => {}
            }
        }
        self.rights(expectation, entry, &mut attributes);
        if !attributes.is_empty() {
            let (path, package) = (path.clone(), package.clone());
            out.deviations.push(Deviation { path, package, source, is_missing: false, attributes });
        }
        if let Some(reason) = unverified {
            let (path, package) = (path.clone(), package.clone());
            out.unverified.push(Unverified { path, package, reason });
        }
    }

    fn bytes(
        &self,
        expectation: &Expectation,
        entry: &Entry,
        attributes: &mut Vec<Attribute>,
    ) -> Bytes {
        match &entry.content {
            _ if expectation.source == ShippedSource::Ghost => Bytes::Nothing,
            Content::Symlink { target } => {
                if let Some(expected) = expectation.target.as_ref().filter(|e| ***e != **target) {
                    let (before, after) = (expected.clone(), target.to_vec());
                    let bytes = AttributeValue::Bytes;
                    attributes.push(attribute("target", bytes(before), bytes(after)));
                }
                Bytes::Nothing
            }
            Content::File { size, digest } => {
                let other_size = expectation.size.filter(|expected| expected != size);
                if let Some(expected) = other_size {
                    let number = AttributeValue::Number;
                    attributes.push(attribute("size", number(expected), number(*size)));
                }
                let Some(shipped) = &expectation.digest else { return Bytes::Nothing };
                let unknown = |reason| match other_size {
                    Some(_) => Bytes::Nothing,
                    None => Bytes::Unverified(reason),
                };
                let Some(digest) = digest else { return unknown("its bytes were not read") };
                let known = self.source.alternate_digests(digest).unwrap_or_default();
                match known.matches(shipped) {
                    Some(true) => Bytes::Compared,
                    Some(false) => {
                        let found = found(shipped, &known).as_ref().map(written);
                        attributes.push(Attribute {
                            name: "digest".to_owned(),
                            before: Some(AttributeValue::Text(written(shipped))),
                            after: found.map(AttributeValue::Text),
                        });
                        Bytes::Compared
                    }
                    None => unknown("its digest was not computed"),
                }
            }
            _ => Bytes::Nothing,
        }
    }

    fn rights(&self, expectation: &Expectation, entry: &Entry, attributes: &mut Vec<Attribute>) {
        let is_link = entry.content.kind() == FileKind::Symlink;
        if let Some(mode) = expectation.mode.filter(|mode| *mode != entry.mode)
            && self.has_mode
            && !is_link
        {
            let mode_value = AttributeValue::Mode;
            attributes.push(attribute("mode", mode_value(mode), mode_value(entry.mode)));
        }
        let text = |text: &str| AttributeValue::Text(text.to_owned());
        if let Some(user) = &expectation.user
            && self.has_user
            && let Some(uid) = number(user, &self.owners.users)
            && uid != self.root.uid(entry.uid)
        {
            attributes.push(attribute("user", text(user), name(entry.uid, &self.owners.users)));
        }
        if let Some(group) = &expectation.group
            && self.has_group
            && let Some(gid) = number(group, &self.owners.groups)
            && gid != self.root.gid(entry.gid)
        {
            attributes.push(attribute("group", text(group), name(entry.gid, &self.owners.groups)));
        }
        if let Some(expected) = expectation.capabilities.as_deref().filter(|_| self.has_xattrs) {
            attributes.extend(capabilities(expected, entry));
        }
    }
}

enum Bytes {
    Compared,
    Unverified(&'static str),
    Nothing,
}

/// The kinds where they differ; a digest is of a file's bytes, a target of a link.
fn other_kind(expectation: &Expectation, entry: &Entry) -> Option<Attribute> {
    let kind = entry.content.kind();
    let implied = if expectation.digest.is_some() {
        Some(FileKind::File)
    } else {
        expectation.target.as_ref().map(|_| FileKind::Symlink)
    };
    let expected = expectation.kind.or(implied).filter(|expected| *expected != kind)?;
    Some(attribute("kind", AttributeValue::Kind(expected), AttributeValue::Kind(kind)))
}

fn capabilities(expected: &str, entry: &Entry) -> Option<Attribute> {
    // What could not be read is a gap of the scan.
    entry.xattrs.as_ref()?;
    let found = capability_bytes(entry);
    let found = found.map_or(Some(Capabilities::default()), Capabilities::from_xattr);
    let shipped = Capabilities::from_text(expected);
    if shipped.is_some() && shipped == found {
        return None;
    }
    let text = |sets: Option<Capabilities>, unknown: &str| {
        AttributeValue::Text(match sets {
            Some(sets) if sets.is_empty() => "none".to_owned(),
            Some(sets) => sets.to_string(),
            None => unknown.to_owned(),
        })
    };
    Some(attribute("capabilities", text(shipped, expected), text(found, "unknown")))
}

fn attribute(name: &str, before: AttributeValue, after: AttributeValue) -> Attribute {
    Attribute { name: name.to_owned(), before: Some(before), after: Some(after) }
}

/// Of the same algorithm as was shipped.
fn found(shipped: &ShippedDigest, known: &crate::model::AlternateDigests) -> Option<ShippedDigest> {
    match shipped {
        ShippedDigest::Md5(_) => known.md5.map(ShippedDigest::Md5),
        ShippedDigest::Sha1(_) => known.sha1.map(ShippedDigest::Sha1),
        ShippedDigest::Sha256(_) => known.sha256.map(ShippedDigest::Sha256),
        ShippedDigest::Sha512(_) => known.sha512.map(ShippedDigest::Sha512),
    }
}

fn written(digest: &ShippedDigest) -> String {
    let (name, bytes): (&str, &[u8]) = match digest {
        ShippedDigest::Md5(bytes) => ("md5", bytes),
        ShippedDigest::Sha1(bytes) => ("sha1", bytes),
        ShippedDigest::Sha256(bytes) => ("sha256", bytes),
        ShippedDigest::Sha512(bytes) => ("sha512", bytes),
    };
    let mut text = format!("{name}:");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Numbers of the target's own users and groups by name.
struct Accounts<'a> {
    users: HashMap<&'a str, u32>,
    groups: HashMap<&'a str, u32>,
}

impl<'a> Accounts<'a> {
    fn new(facts: &'a [Fact]) -> Self {
        let of = |scope: &str, attribute: &str| {
            let facts = facts.iter().filter(|fact| fact.scope == scope);
            let id = |fact: &'a Fact| {
                Some((fact.key.as_str(), fact.attributes.get(attribute)?.parse().ok()?))
            };
            facts.filter_map(id).collect::<HashMap<&'a str, u32>>()
        };
        Self { users: of("users", "uid"), groups: of("groups", "gid") }
    }
}

/// `None` for a name that the target does not know: nobody can say whose number it would be.
fn number(name: &str, names: &HashMap<&str, u32>) -> Option<u32> {
    match names.get(name) {
        Some(id) => Some(*id),
        None if name == "root" => Some(0),
        None => name.parse().ok(),
    }
}

fn name(id: u32, names: &HashMap<&str, u32>) -> AttributeValue {
    let fitting = names.iter().filter(|(_, known)| **known == id).map(|(name, _)| *name).min();
    AttributeValue::Text(fitting.map_or_else(|| id.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{World, fact, md5, package};
    use crate::model::{Claim, Xattr};

    fn check(world: &World, expected: &[&str], unverified: &[&str]) {
        let (manifest, trees) = world.build();
        let seen = verify_shipped(&Side { manifest: &manifest, source: &trees });
        let row = |row: &Deviation| {
            let names: Vec<&str> = row.attributes.iter().map(|a| a.name.as_str()).collect();
            let names = if row.is_missing { "missing".to_owned() } else { names.join(" ") };
            format!("{} {} {:?}: {names}", row.package.name, row.path, row.source)
        };
        assert_eq!(seen.deviations.iter().map(row).collect::<Vec<_>>(), expected);
        let paths: Vec<String> = seen.unverified.iter().map(|row| row.path.to_string()).collect();
        assert_eq!(paths, unverified);
    }

    fn shipped(bytes: &str) -> Expectation {
        Expectation {
            kind: Some(FileKind::File),
            digest: Some(ShippedDigest::Md5(md5(bytes.as_bytes()))),
            ..Expectation::owned(ShippedSource::File)
        }
    }

    #[test]
    fn bytes_and_kinds() {
        let mut world = World::new();
        world.file("/usr/ok", "ok").file("/usr/edited", "new").file("/etc/conf", "new");
        world.directory("/usr/kind").symlink("/usr/link", "b").file("/usr/ghost", "x");
        world.claim_as("a", "/usr/ok", shipped("ok"));
        world.claim_as("a", "/usr/edited", shipped("old"));
        let configuration = Expectation { source: ShippedSource::Configuration, ..shipped("old") };
        world.claim_as("a", "/etc/conf", configuration);
        world.claim_as("a", "/usr/kind", shipped("x"));
        world.claim_as("a", "/usr/gone/x", shipped("x"));
        world.claim_as(
            "b",
            "/usr/link",
            Expectation { target: Some(b"a".to_vec()), ..Expectation::owned(ShippedSource::File) },
        );
        let ghost = Expectation { source: ShippedSource::Ghost, ..shipped("old") };
        world.claim_as("b", "/usr/ghost", ghost.clone());
        world.claim_as("b", "/usr/nothing", ghost);
        let optional = Expectation { may_be_missing: true, ..shipped("x") };
        world.claim_as("b", "/usr/optional", optional);
        world.claim_as("b", "/usr/ok", Expectation { size: Some(9), ..shipped("ok") });
        let sha = Expectation { digest: Some(ShippedDigest::Sha512([0; 64])), ..shipped("") };
        world.claim_as("c", "/usr/ok", sha);
        check(
            &world,
            &[
                "a /etc/conf Configuration: digest",
                "a /usr/edited File: digest",
                "a /usr/gone/x File: missing",
                "a /usr/kind File: kind",
                "b /usr/link File: target",
                "b /usr/ok File: size",
            ],
            &["/usr/ok"],
        );
    }

    #[test]
    fn rights() {
        let mut world = World::new();
        world.file("/x", "x").change("/x", |entry| {
            (entry.mode, entry.uid, entry.gid) = (0o4755, 33, 7);
            let name = b"security.capability".to_vec();
            let value = [[1, 0, 0, 2], [0, 4, 0, 0], [0; 4], [0; 4], [0; 4]].concat();
            entry.xattrs = Some(vec![Xattr { name: name.into(), value: value.into() }]);
        });
        world.records.facts.push(fact("users", "www-data", &[("uid", "33")]));
        let full = |user: &str, group: &str, mode| Expectation {
            user: Some(user.to_owned()),
            group: Some(group.to_owned()),
            mode: Some(mode),
            capabilities: Some(String::new()),
            ..Expectation::owned(ShippedSource::File)
        };
        world.claim_as("a", "/x", full("root", "0", 0o755));
        world.claim_as("b", "/x", full("www-data", "unknown", 0o4755));
        let capable =
            Expectation { capabilities: Some("cap_net_raw=ep".into()), ..full("33", "7", 0o4755) };
        world.claim_as("c", "/x", capable.clone());
        let named = "= cap_net_bind_service+ep";
        world.claim_as("d", "/x", Expectation { capabilities: Some(named.into()), ..capable });
        check(
            &world,
            &[
                "a /x File: mode user group capabilities",
                "b /x File: capabilities",
                "c /x File: capabilities",
            ],
            &[],
        );
    }

    #[test]
    fn what_came_in_another_package_is_its() {
        let mut world = World::new();
        let site = "/usr/lib/python3/dist-packages";
        let names = ["a", "b"];
        for name in names {
            let info = format!("{site}/{name}.dist-info/METADATA");
            world.file(&info, "x").file(&format!("{site}/{name}.py"), "moved and patched");
            let mut distribution = package(name, "1");
            distribution.key.manager = "pypi".to_owned();
            distribution.evidence = TreePath::parse(&info);
            let key = Arc::new(distribution.key.clone());
            world.records.packages.push(distribution);
            for path in [info, format!("{site}/{name}.py"), format!("/usr/scripts/{name}")] {
                let (path, package) = (TreePath::parse(path), Arc::clone(&key));
                world.records.claims.push(Claim { path, package, expectation: shipped("x") });
            }
        }
        world.claim_as("python3-a", &format!("{site}/a.dist-info/METADATA"), shipped("x"));
        world.claim_as("python3-a", &format!("{site}/a.py"), shipped("moved and patched"));
        check(
            &world,
            &[
                "b /usr/lib/python3/dist-packages/b.py File: digest",
                "b /usr/scripts/b File: missing",
            ],
            &[],
        );
    }

    #[test]
    fn what_was_left_out_is_unread() {
        let mut world = World::new();
        world.directory("/proc").close("/proc", DirectoryContent::LeftOut);
        world.claim_as("a", "/proc/x", shipped("x"));
        let (manifest, trees) = world.build();
        let seen = verify_shipped(&Side { manifest: &manifest, source: &trees });
        assert!(seen.deviations.is_empty());
        assert_eq!(seen.unread.len(), 1);
    }
}
