//! Manifests made by hand, for the unit tests of the rooms that work on two of them.

use super::encoding::{encode_shipped, encode_tree, set_id};
use super::{
    AlternateDigests, Claim, Content, ContentDigest, DeviceNumber, DirectoryContent, Entry,
    ExactId, Expectation, Fact, Fault, Gap, Header, Manifest, Name, Package, PackageKey, Records,
    Sections, ShippedDigest, ShippedEntry, ShippedId, ShippedSource, ShippedTree, Timestamp, Tree,
    TreePath, TreeSource,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A small world that becomes a manifest.
#[derive(Clone, Debug, Default)]
pub struct World {
    entries: BTreeMap<TreePath, Entry>,
    alternates: BTreeMap<ContentDigest, AlternateDigests>,
    /// Go into the manifest; claims become the shipped tree.
    pub records: Records,
    /// Goes into the header.
    pub not_carried: Vec<String>,
}

/// Trees in memory.
#[derive(Clone, Debug, Default)]
pub struct Trees {
    trees: BTreeMap<ExactId, Arc<Tree>>,
    shipped: BTreeMap<ShippedId, Arc<ShippedTree>>,
    alternates: BTreeMap<ContentDigest, AlternateDigests>,
}

/// A pretended MD5 of these bytes: only equality matters to what is tested with it.
#[must_use]
pub fn md5(bytes: &[u8]) -> [u8; 16] {
    let mut digest = [0; 16];
    digest.copy_from_slice(&ContentDigest::of(bytes).as_bytes()[..16]);
    digest
}

/// The key of a dpkg package of amd64.
#[must_use]
pub fn key(name: &str) -> PackageKey {
    PackageKey {
        manager: "dpkg".into(),
        name: name.into(),
        architecture: Some("amd64".into()),
        instance: None,
    }
}

/// An installed dpkg package.
#[must_use]
pub fn package(name: &str, version: &str) -> Package {
    Package {
        key: key(name),
        version: version.into(),
        state: "installed".into(),
        installed_at: None,
        origin: None,
        purl: String::new(),
        evidence: TreePath::parse("/var/lib/dpkg/status"),
        details: BTreeMap::new(),
    }
}

/// A fact without evidence.
#[must_use]
pub fn fact(scope: &str, key: &str, attributes: &[(&str, &str)]) -> Fact {
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Fact {
        scope: scope.into(),
        key: key.into(),
        attributes: attributes.iter().map(text).collect(),
        evidence: None,
    }
}

impl World {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        let mut world = Self::default();
        world.put(&TreePath::root(), DIRECTORY, 0o755);
        world
    }

    fn put(&mut self, path: &TreePath, content: Content, mode: u16) {
        let mut above = path.parent();
        while let Some(parent) = above {
            if matches!(self.entries.get(&parent), Some(Entry { content: DIRECTORY, .. })) {
                break;
            }
            above = parent.parent();
            self.put_one(&parent, DIRECTORY, 0o755);
        }
        self.put_one(path, content, mode);
    }

    fn put_one(&mut self, path: &TreePath, content: Content, mode: u16) {
        let entry = Entry {
            name: path.file_name().and_then(Name::new),
            content,
            mode,
            uid: 0,
            gid: 0,
            xattrs: Some(vec![]),
            mtime: Timestamp::default(),
            ctime: None,
            links: 1,
        };
        self.entries.insert(path.clone(), entry);
    }

    /// A file of mode 0644; its directories are made.
    pub fn file(&mut self, path: &str, bytes: &str) -> &mut Self {
        let digest = ContentDigest::of(bytes.as_bytes());
        let known = AlternateDigests { md5: Some(md5(bytes.as_bytes())), ..Default::default() };
        self.alternates.insert(digest, known);
        let content = Content::File { size: bytes.len() as u64, digest: Some(digest) };
        self.put(&TreePath::parse(path), content, 0o644);
        self
    }

    /// A directory of mode 0755.
    pub fn directory(&mut self, path: &str) -> &mut Self {
        self.put(&TreePath::parse(path), DIRECTORY, 0o755);
        self
    }

    /// A symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) -> &mut Self {
        let content = Content::Symlink { target: target.as_bytes().into() };
        self.put(&TreePath::parse(path), content, 0o777);
        self
    }

    /// A character device.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) -> &mut Self {
        let content = Content::CharacterDevice(DeviceNumber { major, minor });
        self.put(&TreePath::parse(path), content, 0o600);
        self
    }

    /// Changes what lies there.
    pub fn change(&mut self, path: &str, change: impl FnOnce(&mut Entry)) -> &mut Self {
        change(self.entries.get_mut(&TreePath::parse(path)).expect("the path is there"));
        self
    }

    /// Takes away what lies there and below.
    pub fn remove(&mut self, path: &str) -> &mut Self {
        let path = TreePath::parse(path);
        self.entries.retain(|one, _| !one.is_at_or_below(&path));
        self
    }

    /// Makes a directory one that was not entered.
    pub fn close(&mut self, path: &str, content: DirectoryContent) -> &mut Self {
        let top = TreePath::parse(path);
        self.entries.retain(|one, _| *one == top || !one.is_at_or_below(&top));
        self.change(path, |entry| entry.content = Content::Directory(content))
    }

    /// Nobody computed MD5 of what lies there.
    pub fn forget_digests(&mut self) -> &mut Self {
        self.alternates.clear();
        self
    }

    /// Installs a package that ships these files with these bytes, and puts them there.
    pub fn install(&mut self, name: &str, version: &str, files: &[(&str, &str)]) -> &mut Self {
        self.records.packages.push(package(name, version));
        for (path, bytes) in files {
            self.file(path, bytes).claim(name, path, Some(bytes), ShippedSource::File);
        }
        self
    }

    /// Says that a package ships these bytes there, or owns the path.
    pub fn claim(
        &mut self,
        package: &str,
        path: &str,
        bytes: Option<&str>,
        source: ShippedSource,
    ) -> &mut Self {
        let digest = bytes.map(|bytes| ShippedDigest::Md5(md5(bytes.as_bytes())));
        let expectation = Expectation { digest, ..Expectation::owned(source) };
        self.claim_as(package, path, expectation)
    }

    /// Says what a package expects of a path.
    pub fn claim_as(&mut self, package: &str, path: &str, expectation: Expectation) -> &mut Self {
        let path = TreePath::parse(path);
        self.records.claims.push(Claim { path, package: key(package).into(), expectation });
        self
    }

    /// All paths with their entries; directories without ids.
    #[must_use]
    pub fn entries(&self) -> &BTreeMap<TreePath, Entry> {
        &self.entries
    }

    /// The manifest and its trees.
    #[must_use]
    pub fn build(&self) -> (Manifest, Trees) {
        let mut trees = Trees { alternates: self.alternates.clone(), ..Trees::default() };
        let mut entries = self.entries.clone();
        let mut open: BTreeMap<TreePath, Tree> = BTreeMap::new();
        let mut root = None;
        // From the end, so that all below a directory is done before it.
        while let Some((path, mut entry)) = entries.pop_last() {
            if entry.content == DIRECTORY {
                let mut tree = open.remove(&path).unwrap_or_default();
                tree.entries.reverse();
                let encoded = encode_tree(&tree);
                trees.trees.insert(encoded.exact, Arc::new(tree));
                let ids = (encoded.content, encoded.exact);
                let content = DirectoryContent::Read { content: ids.0, exact: ids.1 };
                entry.content = Content::Directory(content);
            }
            match path.parent() {
                Some(parent) => open.entry(parent).or_default().entries.push(entry),
                None => root = Some(entry),
            }
        }
        let mut records = self.records.clone();
        let claims = std::mem::take(&mut records.claims);
        records.packages.sort_by(|one, other| one.key.cmp(&other.key));
        let shipped = (!claims.is_empty()).then(|| trees.ship(&claims));
        let sections = Sections {
            packages: set_id(&records.packages),
            facts: set_id(&records.facts),
            events: set_id(&records.events),
            gaps: set_id::<Gap>(&records.gaps),
            omissions: set_id(&records.omissions),
            hard_links: set_id::<Vec<TreePath>>(&[]),
        };
        let header = Header {
            name: "world".into(),
            target: "memory".into(),
            scanned_at: Timestamp::default(),
            scanner: "test".into(),
            root: root.expect("there is always a root"),
            entries: self.entries.len() as u64,
            bytes: 0,
            shipped,
            sections,
            not_carried: self.not_carried.clone(),
        };
        (Manifest { header, records, hard_links: Vec::new() }, trees)
    }
}

/// A directory whose ids are not known yet.
const DIRECTORY: Content = Content::Directory(DirectoryContent::Read {
    content: super::ContentId([0; 32]),
    exact: ExactId([0; 32]),
});

impl Trees {
    fn ship(&mut self, claims: &[Claim]) -> ShippedId {
        let mut paths: BTreeSet<TreePath> = claims.iter().map(|c| c.path.clone()).collect();
        for claim in claims {
            let mut path = claim.path.parent();
            while let Some(parent) = path {
                path = parent.parent();
                paths.insert(parent);
            }
        }
        let mut open: BTreeMap<TreePath, ShippedTree> = BTreeMap::new();
        while let Some(path) = paths.pop_last() {
            let below = open.remove(&path).map(|mut tree| {
                tree.entries.reverse();
                let (id, _) = encode_shipped(&tree);
                self.shipped.insert(id, Arc::new(tree));
                id
            });
            let Some(parent) = path.parent() else { return below.expect("claims have paths") };
            let name = path.file_name().and_then(Name::new).expect("a path that is not the root");
            let own = claims.iter().filter(|claim| claim.path == path);
            let claims =
                own.map(|claim| ((*claim.package).clone(), claim.expectation.clone())).collect();
            open.entry(parent).or_default().entries.push(ShippedEntry { name, claims, below });
        }
        unreachable!("the root is always among the paths")
    }

    /// Forgets the directory at this path, as a damaged store would.
    pub fn lose(&mut self, manifest: &Manifest, path: &str) {
        let mut content = manifest.header.root.content.clone();
        for name in TreePath::parse(path).names() {
            let Content::Directory(DirectoryContent::Read { exact, .. }) = content else { return };
            content = self.trees[&exact].get(name).expect("the path is there").content.clone();
        }
        if let Content::Directory(DirectoryContent::Read { exact, .. }) = content {
            self.trees.remove(&exact);
        }
    }
}

impl TreeSource for Trees {
    fn tree(&self, id: &ExactId) -> Result<Arc<Tree>, Fault> {
        self.trees.get(id).cloned().ok_or_else(|| Fault::damaged(format!("no tree {id}")))
    }

    fn shipped(&self, id: &ShippedId) -> Result<Arc<ShippedTree>, Fault> {
        self.shipped.get(id).cloned().ok_or_else(|| Fault::damaged(format!("no tree {id}")))
    }

    fn alternate_digests(&self, content: &ContentDigest) -> Result<AlternateDigests, Fault> {
        Ok(self.alternates.get(content).copied().unwrap_or_default())
    }
}
