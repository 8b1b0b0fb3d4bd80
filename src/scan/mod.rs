//! A target's tree into a manifest: the walk, the bytes, the collectors, and what packages
//! shipped.
//!
//! The only room with threads. Directories are finished from the leaves up and handed out as soon
//! as they are, so that memory holds what is under way and not what exists. What cannot be read is
//! a gap; the walk goes on.

mod alternates;
mod beside;
mod bytes;
mod collect;
mod finish;
mod memo;
mod shipped;
mod streams;
mod trust;
mod walk;

pub use alternates::Verify;
pub use trust::Previous;

use crate::collect::Collector;
use crate::filesystem::Filesystem;
use crate::model::encoding::EncodedTree;
use crate::model::{
    AlternateDigests, ContentDigest, Header, Manifest, Records, ShippedId, Text, Timestamp,
    TreePath, TreeSource,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// As many reads in flight as make cold data fast: 16 doubled the rate of 2 on a disk, at no
/// warm cost.
const MIN_THREADS: usize = 16;

/// Which texts are kept to be shown as differences, and where they are put.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    /// Whether the text of a file at this path is wanted; asked for small files only.
    pub wanted: &'a (dyn Fn(&TreePath) -> bool + Sync),
    /// Takes a text under the digest of the file's bytes; called by many threads.
    pub take: &'a (dyn Fn(ContentDigest, &Text) + Sync),
}

/// Where a scan puts what it makes, and finds it again.
pub struct Keep<'a> {
    /// Takes a finished directory; called by many threads.
    pub tree: &'a (dyn Fn(EncodedTree) + Sync),
    /// Takes a directory of shipped files.
    pub shipped: &'a (dyn Fn(ShippedId, Vec<u8>) + Sync),
    /// Takes digests to be remembered.
    pub alternates: &'a (dyn Fn(ContentDigest, AlternateDigests) + Sync),
    /// Takes texts; `None` keeps none.
    pub texts: Option<Texts<'a>>,
    /// Finds all of these, and what earlier scans kept.
    pub source: &'a dyn TreeSource,
}

/// What to scan and how.
pub struct Options<'a> {
    /// The target's name.
    pub name: String,
    /// What was asked for, with its scheme.
    pub target: String,
    /// When the scan began.
    pub scanned_at: Timestamp,
    /// What an earlier scan of the same target may be trusted with.
    pub previous: Option<Previous<'a>>,
    /// A manifest that this one will be compared with: what equals it needs no verifying.
    pub reference: Option<&'a Header>,
    /// Which files get the digests that package databases record.
    pub verify: Verify,
    /// What is read besides the tree.
    pub collectors: &'a [&'a Collector],
    /// What the target already knows of itself (an image's labels, unplaced volumes).
    pub records: Records,
    /// Inodes (as [`crate::filesystem::Metadata::inode`]) that are left out, visibly, each with
    /// the reason: the store's own files.
    pub leave_out: &'a [((u64, u64), String)],
    /// Called now and then, by any thread, for a display.
    pub progress: &'a (dyn Fn(&Progress) + Sync),
}

/// How far a scan is.
#[derive(Debug)]
pub struct Progress {
    /// Entries met.
    pub entries: AtomicU64,
    /// Bytes of files read.
    pub bytes: AtomicU64,
    started: Instant,
    shown_at: AtomicU64,
}

impl Progress {
    /// Milliseconds between two calls for a display.
    const PERIOD: u64 = 100;

    fn new() -> Self {
        Self {
            entries: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            started: Instant::now(),
            shown_at: AtomicU64::new(0),
        }
    }

    /// Since the scan began.
    #[must_use]
    pub fn elapsed(&self) -> std::time::Duration {
        self.started.elapsed()
    }

    /// Whether a display is due; true for one caller in each period.
    fn is_due(&self) -> bool {
        let now = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.shown_at.load(Ordering::Relaxed);
        now.saturating_sub(last) >= Self::PERIOD
            && self
                .shown_at
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

/// What a scan made.
#[derive(Debug)]
pub struct Scanned {
    /// The manifest; its trees went to [`Keep`].
    pub manifest: Manifest,
    /// For [`Previous::cache`] of the next scan of the same target.
    pub cache: Vec<u8>,
    /// For [`Previous::memo`], likewise.
    pub memo: Vec<u8>,
    /// Whether trees of the previous scan were relied on, so that they must still be stored.
    pub relied_on_previous: bool,
}

/// Scans a tree. Never fails as a whole: what could not be read is in the manifest's gaps.
#[must_use]
pub fn scan(filesystem: &dyn Filesystem, mut options: Options<'_>, keep: &Keep<'_>) -> Scanned {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let readers = (2 * cores).max(MIN_THREADS);
    let wanted = walk::Wanted::new(options.collectors);
    let walk = |options: &_| in_pool(readers, || walk::walk(filesystem, options, &wanted, keep));
    let mut walked = walk(&options);
    let mut records = std::mem::take(&mut options.records);
    if let Some(contradiction) = walked.contradiction.take() {
        // Somebody changed bytes and set the times back: nothing of the cache can be trusted.
        options.previous = None;
        walked = walk(&options);
        records.facts.extend(contradiction.fact);
    }
    // What collectors read was read before: more threads than cores would only hold memory.
    let mut collected = in_pool(cores, || collect::collect(filesystem, &walked, &options, keep));
    records.extend(collected.records);
    records.gaps.append(&mut walked.gaps);
    records.omissions.append(&mut walked.omissions);
    let shipped = collected.shipped;
    let (root, verified) = (&walked.root, collected.verified);
    let remembered = in_pool(readers, || {
        let fresh = &walked.alternates;
        alternates::remember(filesystem, root, shipped.as_ref(), verified, fresh, &options, keep)
    });
    collected.memos.verified = remembered.verified;
    walked.relied_on_previous |= remembered.relied_on_previous;
    finish::assemble(filesystem, options, walked, records, shipped, &collected.memos)
}

/// Runs in threads of its own, which are gone with all that they held when it returns.
fn in_pool<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(run),
        // No threads to be had: the global pool, or at worst this thread alone.
        Err(_) => run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::View;
    use crate::filesystem::directory::DirectoryFilesystem;
    use crate::filesystem::memory::MemoryFilesystem;
    use crate::filesystem::{Listing, Metadata, Node};
    use crate::model::encoding::{decode_shipped, decode_tree};
    use crate::model::{
        Claim, Content, DirectoryContent, Entry, ExactId, Expectation, Fault, Name, PackageKey,
        ShippedDigest, ShippedSource, ShippedTree, Tree, TreePath, Xattr,
    };
    use std::collections::HashMap;
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Kept {
        trees: Mutex<HashMap<ExactId, Vec<u8>>>,
        shipped: Mutex<HashMap<ShippedId, Vec<u8>>>,
        alternates: Mutex<HashMap<ContentDigest, AlternateDigests>>,
    }

    impl TreeSource for Kept {
        fn tree(&self, id: &ExactId) -> Result<Arc<Tree>, Fault> {
            let trees = self.trees.lock().unwrap();
            let bytes = trees.get(id).ok_or_else(|| Fault::damaged("no such tree"))?;
            decode_tree(bytes).map(Arc::new)
        }

        fn shipped(&self, id: &ShippedId) -> Result<Arc<ShippedTree>, Fault> {
            let shipped = self.shipped.lock().unwrap();
            let bytes = shipped.get(id).ok_or_else(|| Fault::damaged("no such tree"))?;
            decode_shipped(bytes).map(Arc::new)
        }

        fn alternate_digests(&self, content: &ContentDigest) -> Result<AlternateDigests, Fault> {
            Ok(self.alternates.lock().unwrap().get(content).copied().unwrap_or_default())
        }
    }

    impl Kept {
        fn scan<'o>(
            &'o self,
            filesystem: &dyn Filesystem,
            change: impl FnOnce(&mut Options<'o>),
        ) -> Scanned {
            let tree = |tree: EncodedTree| {
                self.trees.lock().unwrap().insert(tree.exact, tree.bytes);
            };
            let shipped = |id, bytes| {
                self.shipped.lock().unwrap().insert(id, bytes);
            };
            let alternates = |content, digests| {
                self.alternates.lock().unwrap().insert(content, digests);
            };
            let keep = Keep {
                tree: &tree,
                shipped: &shipped,
                alternates: &alternates,
                texts: None,
                source: self,
            };
            let mut options = Options {
                name: "test".into(),
                target: "dir:test".into(),
                // Long after everything in the tree: nothing is too young to be trusted.
                scanned_at: Timestamp::from_seconds(4_000_000_000),
                previous: None,
                reference: None,
                verify: Verify::All,
                collectors: &[],
                records: Records::default(),
                leave_out: &[],
                progress: &|_| {},
            };
            change(&mut options);
            scan(filesystem, options, &keep)
        }

        fn entry(&self, scanned: &Scanned, path: &str) -> Option<Entry> {
            let mut entry = scanned.manifest.header.root.clone();
            for name in TreePath::parse(path).names() {
                let Content::Directory(DirectoryContent::Read { exact, .. }) = entry.content else {
                    return None;
                };
                entry = self.tree(&exact).unwrap().get(name)?.clone();
            }
            Some(entry)
        }
    }

    fn content(digest_of: &str) -> Content {
        let size = digest_of.len() as u64;
        Content::File { size, digest: Some(ContentDigest::of(digest_of.as_bytes())) }
    }

    #[test]
    fn a_tree_is_the_same_live_and_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let owner = std::fs::metadata(folder.path()).unwrap();
        let mut memory = MemoryFilesystem::new();
        let mut put = |path: &str, bytes: &str| {
            let live = folder.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(live.parent().unwrap()).unwrap();
            std::fs::write(&live, bytes).unwrap();
            std::fs::set_permissions(&live, PermissionsExt::from_mode(0o644)).unwrap();
            memory.file(path, bytes);
        };
        put("/etc/motd", "hello");
        put("/etc/deep/er/file", "");
        for number in 0..200 {
            put(&format!("/many/{number}"), &number.to_string());
        }
        std::os::unix::fs::symlink("motd", folder.path().join("etc/link")).unwrap();
        memory.symlink("/etc/link", "motd");
        for path in ["/", "/etc", "/etc/deep", "/etc/deep/er", "/many"] {
            let live = folder.path().join(path.trim_start_matches('/'));
            std::fs::set_permissions(live, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let kept = Kept::default();
        let live = DirectoryFilesystem::open(folder.path()).unwrap();
        let live = kept.scan(&live, |_| {});
        let mut own = |path: &str| {
            use std::os::unix::fs::MetadataExt;
            memory
                .change(path, |metadata| (metadata.uid, metadata.gid) = (owner.uid(), owner.gid()));
        };
        for path in ["/", "/etc", "/etc/deep", "/etc/deep/er", "/many", "/etc/motd", "/etc/link"] {
            own(path);
        }
        own("/etc/deep/er/file");
        (0..200).for_each(|number| own(&format!("/many/{number}")));
        let memory = kept.scan(&memory, |_| {});
        let id = |scanned: &Scanned| match scanned.manifest.header.root.content {
            Content::Directory(DirectoryContent::Read { content, .. }) => content,
            _ => panic!("not read"),
        };
        assert_eq!(id(&live), id(&memory));
        assert_eq!(live.manifest.header.entries, 208);
        assert_eq!(live.manifest.records.gaps, []);
    }

    /// A tree from which some entries are removed right after they were listed.
    #[derive(Debug)]
    struct Vanishing {
        tree: MemoryFilesystem,
        doomed: Vec<u64>,
        looked_at: Mutex<Vec<u64>>,
    }

    impl Vanishing {
        fn answer<T>(&self, node: &Node, answer: Result<T, Fault>) -> Result<T, Fault> {
            let is_gone = self.doomed.contains(&node.number)
                && self.looked_at.lock().unwrap().contains(&node.number);
            if is_gone {
                Err(Fault::unreadable("open", ErrorKind::NotFound.into()))
            } else {
                answer
            }
        }
    }

    impl Filesystem for Vanishing {
        fn type_name(&self) -> &str {
            self.tree.type_name()
        }

        fn root(&self) -> Node {
            self.tree.root()
        }

        fn metadata(&self, node: &Node) -> Result<Metadata, Fault> {
            let answer = self.answer(node, self.tree.metadata(node));
            self.looked_at.lock().unwrap().push(node.number);
            answer
        }

        fn read_directory(&self, node: &Node) -> Result<Listing, Fault> {
            self.answer(node, self.tree.read_directory(node))
        }

        fn open(&self, node: &Node) -> Result<Node, Fault> {
            self.answer(node, self.tree.open(node))
        }

        fn read_at(&self, node: &Node, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
            self.tree.read_at(node, offset, buffer)
        }

        fn read_link(&self, node: &Node) -> Result<Vec<u8>, Fault> {
            self.answer(node, self.tree.read_link(node))
        }

        fn xattrs(&self, node: &Node) -> Result<Vec<Xattr>, Fault> {
            self.answer(node, self.tree.xattrs(node))
        }
    }

    #[test]
    fn what_is_removed_during_the_scan_is_not_there() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/tmp/kept", "1").file("/tmp/file", "2").symlink("/tmp/link", "kept");
        tree.file("/tmp/directory/below", "3");
        let node = |path: &str| {
            let names = TreePath::parse(path);
            let start = tree.root();
            let step = |at: Node, name| tree.lookup(&at, name).unwrap().unwrap();
            names.names().fold(start, step).number
        };
        let doomed = ["/tmp/file", "/tmp/link", "/tmp/directory"].map(node).to_vec();
        let kept = Kept::default();
        let vanishing = Vanishing { tree, doomed, looked_at: Mutex::default() };
        let scanned = kept.scan(&vanishing, |_| {});
        assert_eq!(scanned.manifest.records.gaps, []);
        assert_eq!(scanned.manifest.header.entries, 3);
        assert_eq!(kept.entry(&scanned, "/tmp/kept").unwrap().content, content("1"));
        for path in ["/tmp/file", "/tmp/link", "/tmp/directory"] {
            assert_eq!(kept.entry(&scanned, path), None, "{path}");
        }
    }

    #[test]
    fn a_rescan_sees_every_change_and_takes_over_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for path in ["a/b/one", "a/b/two", "a/c/three", "d/four"] {
            std::fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            std::fs::write(at(path), path).unwrap();
        }
        let filesystem = DirectoryFilesystem::open(folder.path()).unwrap();
        let kept = Kept::default();
        let mut last = kept.scan(&filesystem, |_| {});
        let mut rescan = |kept: &Kept| {
            let previous = Previous { cache: &last.cache, memo: &last.memo, source: kept };
            let scanned = kept.scan(&filesystem, |options| options.previous = Some(previous));
            let full = kept.scan(&filesystem, |_| {});
            assert_eq!(scanned.manifest, full.manifest);
            assert_eq!(scanned.cache, full.cache);
            let relied = scanned.relied_on_previous;
            last = scanned;
            relied
        };
        assert!(rescan(&kept));
        std::fs::write(at("a/b/one"), "other").unwrap();
        assert!(rescan(&kept));
        std::fs::set_permissions(at("a/c"), PermissionsExt::from_mode(0o700)).unwrap();
        assert!(rescan(&kept));
        std::fs::write(at("a/c/five"), "new").unwrap();
        std::fs::remove_file(at("d/four")).unwrap();
        assert!(rescan(&kept));
        std::fs::rename(at("a/b/two"), at("d/two")).unwrap();
        std::fs::remove_dir_all(at("a/c")).unwrap();
        assert!(!rescan(&kept), "no directory is what it was");
        assert_eq!(kept.entry(&last, "/a/b/one").unwrap().content, content("other"));
        assert_eq!(kept.entry(&last, "/d/four"), None);
    }

    #[test]
    fn executables_that_speak_are_remembered_where_nothing_is_read() {
        use crate::collect::packages::executables::{COLLECTOR, testing};
        static COLLECTORS: &[&Collector] = &[&COLLECTOR];
        let numbers = testing::Numbers { is_64: true, is_big: false };
        let program = |version: &str| {
            let info = testing::build_info(version, "");
            numbers.elf(&[(".go.buildinfo", 0x1000, info)], true)
        };
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        std::fs::create_dir_all(at("bin/sub")).unwrap();
        std::fs::write(at("bin/go"), program("go1.20")).unwrap();
        std::fs::write(at("bin/sub/text"), "\x7fELF, a text").unwrap();
        let filesystem = DirectoryFilesystem::open(folder.path()).unwrap();
        let kept = Kept::default();
        let scan = |previous: Option<&Scanned>| {
            kept.scan(&filesystem, |options| {
                options.collectors = COLLECTORS;
                options.previous = previous.map(|last| Previous {
                    cache: &last.cache,
                    memo: &last.memo,
                    source: &kept,
                });
            })
        };
        let mut last = scan(None);
        let mut check = |expected: &[&str]| {
            let scanned = scan(Some(&last));
            let full = scan(None);
            assert_eq!(scanned.manifest, full.manifest);
            assert_eq!(scanned.cache, full.cache);
            let packages = &scanned.manifest.records.packages;
            let seen: Vec<String> =
                packages.iter().map(|p| format!("{} {}", p.evidence, p.version)).collect();
            assert_eq!(seen, expected);
            last = scanned;
        };
        check(&["/bin/go 1.20"]);
        // Its directory is read again, and of it only what is new.
        std::fs::write(at("bin/a"), "1").unwrap();
        check(&["/bin/go 1.20"]);
        // Its directory is taken over but for what lies below.
        std::fs::write(at("bin/sub/other"), program("go1.22")).unwrap();
        check(&["/bin/go 1.20", "/bin/sub/other 1.22"]);
        // Taken over under another path.
        std::fs::rename(at("bin"), at("moved")).unwrap();
        check(&["/moved/go 1.20", "/moved/sub/other 1.22"]);
        std::fs::write(at("moved/go"), program("go1.21")).unwrap();
        check(&["/moved/go 1.21", "/moved/sub/other 1.22"]);
        std::fs::remove_file(at("moved/go")).unwrap();
        check(&["/moved/sub/other 1.22"]);
    }

    #[test]
    fn what_the_store_lost_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        std::fs::write(folder.path().join("a/b/file"), "1").unwrap();
        let filesystem = DirectoryFilesystem::open(folder.path()).unwrap();
        let kept = Kept::default();
        let first = kept.scan(&filesystem, |_| {});
        std::fs::write(folder.path().join("a/b/file"), "2").unwrap();
        let kept = Kept::default();
        let previous = Previous { cache: &first.cache, memo: &first.memo, source: &kept };
        let second = kept.scan(&filesystem, |options| options.previous = Some(previous));
        assert_eq!(kept.entry(&second, "/a/b/file").unwrap().content, content("2"));
    }

    #[test]
    fn directories_deeper_than_any_path_are_walked() {
        let folder = tempfile::tempdir().unwrap();
        let mut here = rustix::fs::open(
            folder.path(),
            rustix::fs::OFlags::DIRECTORY,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
        let depth = 3000;
        for _ in 0..depth {
            rustix::fs::mkdirat(&here, "dd", rustix::fs::Mode::RWXU).unwrap();
            let flags = rustix::fs::OFlags::DIRECTORY;
            here = rustix::fs::openat(&here, "dd", flags, rustix::fs::Mode::empty()).unwrap();
        }
        let filesystem = DirectoryFilesystem::open(folder.path()).unwrap();
        let scanned = Kept::default().scan(&filesystem, |_| {});
        assert_eq!(scanned.manifest.records.gaps, []);
        assert_eq!(scanned.manifest.header.entries, depth + 1);
    }

    #[test]
    fn what_is_left_out_is_seen_and_hard_links_are_grouped() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for path in ["store.db", "one"] {
            std::fs::write(at(path), path).unwrap();
        }
        std::fs::hard_link(at("one"), at("two")).unwrap();
        let filesystem = DirectoryFilesystem::open(folder.path()).unwrap();
        let node = filesystem.lookup(&filesystem.root(), b"store.db").unwrap().unwrap();
        let inode = filesystem.metadata(&node).unwrap().inode;
        let left_out = [(inode, "the store itself".to_owned())];
        let kept = Kept::default();
        let scanned = kept.scan(&filesystem, |options| options.leave_out = &left_out);
        assert_eq!(kept.entry(&scanned, "/store.db"), None);
        assert_eq!(scanned.manifest.records.omissions[0].path, TreePath::parse("/store.db"));
        assert_eq!(scanned.manifest.hard_links, [["/one", "/two"].map(TreePath::parse)]);
    }

    #[test]
    fn claimed_files_get_the_digest_that_was_recorded() {
        fn claims(_: &View<'_>, records: &mut Records) {
            let key = PackageKey {
                manager: "dpkg".into(),
                name: "p".into(),
                architecture: None,
                instance: None,
            };
            for path in ["/usr/bin/p", "/usr", "/usr/bin/gone"] {
                let mut expectation = Expectation::owned(ShippedSource::File);
                expectation.digest = Some(ShippedDigest::Md5([0; 16]));
                let path = TreePath::parse(path);
                records.claims.push(Claim { path, package: key.clone().into(), expectation });
            }
        }
        static COLLECTOR: Collector =
            Collector { name: "test", version: 1, summary: "", wanted: &[], collect: claims };
        static COLLECTORS: &[&Collector] = &[&COLLECTOR];
        let mut memory = MemoryFilesystem::new();
        memory.file("/usr/bin/p", "hello").file("/usr/bin/other", "hello");
        let kept = Kept::default();
        let scanned = kept.scan(&memory, |options| options.collectors = COLLECTORS);
        let digests = kept.alternate_digests(&ContentDigest::of(b"hello")).unwrap();
        assert_eq!(digests.md5.unwrap()[..4], [0x5d, 0x41, 0x40, 0x2a]);
        assert_eq!(digests.sha256, None);
        let root = kept.shipped(&scanned.manifest.header.shipped.unwrap()).unwrap();
        let usr = root.get(b"usr").unwrap();
        assert_eq!(usr.claims.len(), 1);
        let bin = kept.shipped(&usr.below.unwrap()).unwrap();
        let names = kept.shipped(&bin.get(b"bin").unwrap().below.unwrap()).unwrap();
        let names: Vec<&Name> = names.entries.iter().map(|entry| &entry.name).collect();
        assert_eq!(format!("{names:?}"), r#"["gone", "p"]"#);
    }

    #[test]
    fn the_walk_takes_the_digests_that_the_database_will_ask_for() {
        use sha2::Digest;
        fn claims(view: &View<'_>, records: &mut Records) {
            let key = PackageKey {
                manager: "any".into(),
                name: "p".into(),
                architecture: None,
                instance: None,
            };
            for path in view.found {
                let mut expectation = Expectation::owned(ShippedSource::File);
                // Any digest of the kind will do: none of them is right.
                expectation.digest = Some(match path.names().next() {
                    Some(b"md5") => ShippedDigest::Md5([0; 16]),
                    Some(b"sha1") => ShippedDigest::Sha1([0; 20]),
                    _ => ShippedDigest::Sha256([0; 32]),
                });
                let (path, package) = (path.clone(), key.clone().into());
                records.claims.push(Claim { path, package, expectation });
            }
        }
        static COLLECTOR: Collector =
            Collector { name: "test", version: 1, summary: "", wanted: &["f*"], collect: claims };
        static COLLECTORS: &[&Collector] = &[&COLLECTOR];
        let sizes = || {
            let long = [16 << 10, 64 << 10, (64 << 10) + 1, 200 << 10, (1 << 20) + 9];
            (0..200).map(|n| n * 7).chain(long.into_iter().cycle().take(40))
        };
        for database in ["/var/lib/dpkg/status", "/lib/apk/db/installed", "/var/lib/rpm/rpmdb"] {
            let mut memory = MemoryFilesystem::new();
            memory.file(database, "");
            let mut contents = Vec::new();
            for (number, size) in sizes().enumerate() {
                let kind = ["md5", "sha1", "sha256"][number % 3];
                let bytes: Vec<u8> =
                    (0..size).map(|at| (at * 31 + number).to_le_bytes()[0]).collect();
                memory.file(&format!("/{kind}/{}/f{number}", number % 5), &bytes);
                contents.push((kind, bytes));
            }
            let kept = Kept::default();
            let scanned = kept.scan(&memory, |options| options.collectors = COLLECTORS);
            assert_eq!(scanned.manifest.records.gaps, []);
            for (kind, bytes) in contents {
                let known = kept.alternate_digests(&ContentDigest::of(&bytes)).unwrap();
                let is_right = match kind {
                    "md5" => known.md5 == Some(md5::Md5::digest(&bytes).into()),
                    "sha1" => known.sha1 == Some(sha1::Sha1::digest(&bytes).into()),
                    _ => known.sha256 == Some(sha2::Sha256::digest(&bytes).into()),
                };
                assert!(is_right, "{database} {kind} {}", bytes.len());
            }
        }
    }

    #[test]
    fn collectors_run_again_only_where_they_would_see_something_else() {
        use crate::filesystem::resolve::read_file;
        use std::sync::atomic::AtomicUsize;
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        fn read_x(view: &View<'_>, records: &mut Records) {
            RUNS.fetch_add(1, Ordering::Relaxed);
            let path = TreePath::parse("/etc/x");
            let bytes = read_file(view.filesystem, &path, 100).unwrap().unwrap_or_default();
            records.gap(&path, crate::model::Stage::Facts, String::from_utf8_lossy(&bytes));
        }
        static COLLECTORS: &[&Collector] =
            &[&Collector { name: "x", version: 1, summary: "", wanted: &["y*"], collect: read_x }];
        let kept = Kept::default();
        let mut memory = MemoryFilesystem::new();
        memory.file("/etc/other", "1");
        let mut last = kept.scan(&memory, |options| options.collectors = COLLECTORS);
        let mut check = |memory: &MemoryFilesystem, runs: usize, expected: &str| {
            let previous = Previous { cache: &last.cache, memo: &last.memo, source: &kept };
            let scanned = kept.scan(memory, |options| {
                options.collectors = COLLECTORS;
                options.previous = Some(previous);
            });
            assert_eq!(scanned.manifest.records.gaps[0].reason, expected);
            assert_eq!(RUNS.load(Ordering::Relaxed), runs);
            last = scanned;
        };
        check(&memory, 1, "");
        check(memory.file("/etc/other", "2"), 1, "");
        check(memory.file("/etc/x", "now"), 2, "now");
        check(&memory, 2, "now");
        check(memory.file("/var/yes", ""), 3, "now");
        check(memory.remove("/etc/x"), 4, "");
    }

    #[test]
    fn this_hosts_interfaces_to_the_kernel_are_left_out() {
        if !Path::new("/proc/self/mountinfo").exists() {
            println!("skipped: no /proc here");
            return;
        }
        let filesystem = DirectoryFilesystem::open(Path::new("/")).unwrap();
        let proc = filesystem.lookup(&filesystem.root(), b"proc").unwrap().unwrap();
        filesystem.metadata(&proc).unwrap();
        assert!(filesystem.left_out(&proc).unwrap().starts_with("proc"));
    }
}
