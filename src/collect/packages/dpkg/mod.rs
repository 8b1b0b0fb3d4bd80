//! Debian's package database, `/var/lib/dpkg`, and the one of distroless images, `status.d`.
//!
//! Read as dpkg would read it after a crash: the journal in `updates/` is applied to `status`.
//! Nothing is judged here. The layout is dpkg's own (deb-control(5), dpkg(1) "FILES"); a damaged
//! stanza, list or digest file is a gap of that part.

pub mod alternatives;
mod files;
mod overrides;
pub mod status;

use self::files::{Lists, Rules};
use self::status::{Record, StateSource};
use super::deb822::{self, Damage};
use super::place::Places;
use super::purl::system_purl;
use super::{tell, text};
use crate::collect::os_release::{self, OsRelease};
use crate::collect::reader::{Reader, below};
use crate::collect::{Collector, View};
use crate::filesystem::Node;
use crate::model::{Name, Package, PackageKey, Records, Stage, Timestamp, TreePath};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Reads `/var/lib/dpkg`.
pub static COLLECTOR: Collector = Collector {
    name: "dpkg",
    version: 2,
    summary: "Debian packages, their files, digests, configuration files and diversions",
    wanted: &[],
    collect,
};

const DATABASE: &str = "/var/lib/dpkg";

/// Of one file of the database. The status file of a machine with 5,000 packages has 6 MB, the
/// longest list of Debian 5 MB.
const MAX_SIZE: u64 = 128 * 1024 * 1024;

/// Of all packages together: ten times a machine with everything. A database that claims more is
/// made to use up memory.
const MAX_CLAIMS: usize = 5_000_000;

fn collect(view: &View<'_>, records: &mut Records) {
    let root = TreePath::parse(DATABASE);
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    if reader.directory(&root).is_none() {
        return;
    }
    let status = reader.file(&below(&root, "status"));
    let updates = reader.updates(&below(&root, "updates"));
    let distroless = reader.distroless(&below(&root, "status.d"));
    if status.is_none() && distroless.is_empty() {
        return;
    }
    let diversions_path = below(&root, "diversions");
    let overrides_path = below(&root, "statoverride");
    let diversions = reader.file(&diversions_path).unwrap_or_default();
    let overrides = reader.file(&overrides_path).unwrap_or_default();
    let (diversions, damaged) = overrides::read_diversions(&diversions);
    tell(&mut reader, &diversions_path, &damaged);
    let (overrides, damaged) = overrides::read_overrides(&overrides);
    tell(&mut reader, &overrides_path, &damaged);
    let extended = reader.file(&TreePath::parse("/var/lib/apt/extended_states"));
    let automatic = automatic(extended.as_deref().unwrap_or_default());
    let mut session = Session {
        rules: Rules { diversions, overrides, places: Places::new(view.filesystem) },
        // That the file cannot be read is said by the collector of its facts.
        system: os_release::read(view.filesystem).unwrap_or_default(),
        automatic,
        info: reader.list(&below(&root, "info")).into_iter().collect(),
        info_path: below(&root, "info"),
    };
    let status_path = below(&root, "status");
    let sources = status.iter().map(|bytes| (&status_path, bytes.as_slice()));
    let sources = sources.chain(updates.iter().map(|(path, bytes)| (path, bytes.as_slice())));
    for (record, evidence) in reader.records_of(sources, StateSource::Field) {
        session.add_installed(&mut reader, &record, evidence);
    }
    for file in &distroless {
        let source = std::iter::once((&file.path, file.stanza.as_slice()));
        for (record, evidence) in reader.records_of(source, StateSource::Presence) {
            session.add_distroless(&mut reader, &record, evidence, file);
        }
    }
}

/// A package of `status.d`.
struct DistrolessFile {
    path: TreePath,
    stanza: Vec<u8>,
    list: Option<Vec<u8>>,
    digests: Vec<u8>,
    mtime: Option<Timestamp>,
}

impl Reader<'_> {
    /// The journal of an interrupted run: files named by numbers of equal length, in their order.
    fn updates(&mut self, path: &TreePath) -> Vec<(TreePath, Vec<u8>)> {
        let mut updates = Vec::new();
        for (name, node) in self.list(path) {
            if name.as_bytes().iter().all(u8::is_ascii_digit) {
                let path = path.join(&name);
                if let Some(bytes) = self.node(&path, &node) {
                    updates.push((path, bytes));
                }
            }
        }
        updates
    }

    fn distroless(&mut self, path: &TreePath) -> Vec<DistrolessFile> {
        let entries = self.list(path);
        let by_name: HashMap<&[u8], &Node> =
            entries.iter().map(|(name, node)| (name.as_bytes(), node)).collect();
        let mut files = Vec::new();
        for (name, node) in &entries {
            let is_companion = COMPANIONS.iter().any(|end| name.as_bytes().ends_with(end));
            let file_path = path.join(name);
            let Some(stanza) = (!is_companion).then(|| self.node(&file_path, node)).flatten()
            else {
                continue;
            };
            let mut companion = |end: &[u8]| {
                let name = Name::new(&[name.as_bytes(), end].concat())?;
                let node = by_name.get(name.as_bytes())?;
                self.node(&path.join(&name), node)
            };
            files.push(DistrolessFile {
                list: companion(b".list"),
                digests: companion(b".md5sums").unwrap_or_default(),
                mtime: self.filesystem.metadata(node).ok().map(|metadata| metadata.mtime),
                path: file_path,
                stanza,
            });
        }
        files
    }

    /// The packages of some files, later ones in place of earlier ones of the same name.
    fn records_of<'b>(
        &mut self,
        sources: impl Iterator<Item = (&'b TreePath, &'b [u8])>,
        state: StateSource,
    ) -> Vec<Found<'b>> {
        let mut found = BTreeMap::<(&[u8], &[u8]), Found<'_>>::new();
        for (path, bytes) in sources {
            let (stanzas, damaged) = deb822::parse(bytes);
            tell(self, path, &damaged);
            for stanza in &stanzas {
                let complaints = match status::read(stanza, state) {
                    Ok(Some((record, complaints))) => {
                        found.insert((record.name, record.architecture), (record, path));
                        complaints
                    }
                    Ok(None) => {
                        let architecture = stanza.get("Architecture").unwrap_or_default();
                        found.remove(&(stanza.get("Package").unwrap_or_default(), architecture));
                        Vec::new()
                    }
                    Err(reason) => vec![reason],
                };
                let damage = |reason| Damage { line: stanza.line, reason };
                let damaged: Vec<_> = complaints.into_iter().map(damage).collect();
                tell(self, path, &damaged);
            }
        }
        found.into_values().collect()
    }
}

/// A package with the file that says so.
type Found<'a> = (Record<'a>, &'a TreePath);

/// Beside the stanzas of `status.d`.
const COMPANIONS: [&[u8]; 6] =
    [b".md5sums", b".list", b".conffiles", b".preinst", b".postinst", b".triggers"];

/// What is known while packages are added.
struct Session<'a> {
    rules: Rules<'a, 'a>,
    system: OsRelease,
    /// Names with architectures of what apt put there for others.
    automatic: HashSet<(&'a [u8], &'a [u8])>,
    /// The files of `info/`.
    info: HashMap<Name, Node>,
    info_path: TreePath,
}

impl Session<'_> {
    fn add_installed(&mut self, reader: &mut Reader<'_>, record: &Record<'_>, evidence: &TreePath) {
        let mut package = self.package(record, evidence);
        let list = self.info_file(record, b"list");
        if let Some((_, node)) = &list {
            // The list is written anew by each unpacking and by nothing else.
            let metadata = reader.filesystem.metadata(node);
            package.installed_at = metadata.ok().map(|metadata| metadata.mtime);
            let basis = "time of the file list".to_owned();
            package.details.insert("installed-at-basis".to_owned(), basis);
        }
        let mut read = |file: Option<(TreePath, Node)>| {
            let (path, node) = file?;
            reader.node(&path, &node)
        };
        let paths = read(list);
        let digests = read(self.info_file(record, b"md5sums")).unwrap_or_default();
        let conffiles = read(self.info_file(record, b"conffiles")).unwrap_or_default();
        if paths.is_none() {
            let reason = format!("{}: no file list", package.key);
            reader.gap(&self.info_path, reason);
        }
        let lists = Lists { paths: paths.as_deref(), digests: &digests, conffiles: &conffiles };
        let digests_path = self.info_file(record, b"md5sums").map(|(path, _)| path);
        self.claim(reader, &package.key, record, lists, digests_path.as_ref());
        reader.records.packages.push(package);
    }

    fn add_distroless(
        &mut self,
        reader: &mut Reader<'_>,
        record: &Record<'_>,
        evidence: &TreePath,
        file: &DistrolessFile,
    ) {
        let mut package = self.package(record, evidence);
        package.installed_at = file.mtime;
        let lists = Lists { paths: file.list.as_deref(), digests: &file.digests, conffiles: &[] };
        self.claim(reader, &package.key, record, lists, Some(evidence));
        reader.records.packages.push(package);
    }

    fn claim(
        &mut self,
        reader: &mut Reader<'_>,
        key: &PackageKey,
        record: &Record<'_>,
        lists: Lists<'_>,
        digests_path: Option<&TreePath>,
    ) {
        let claims = &mut reader.records.claims;
        if claims.len() > MAX_CLAIMS {
            let reason = format!("{key}: more than {MAX_CLAIMS} owned paths in all");
            reader.gap(&self.info_path, reason);
            return;
        }
        let key = Arc::new(key.clone());
        let damaged = files::claims(&key, &record.conffiles, lists, &mut self.rules, claims);
        if let Some(path) = digests_path {
            tell(reader, path, &damaged);
        }
    }

    /// `info/NAME:ARCH.KIND`, or `info/NAME.KIND` as packages of one architecture and databases
    /// of the first format have it.
    fn info_file(&self, record: &Record<'_>, kind: &[u8]) -> Option<(TreePath, Node)> {
        let qualified = [record.name, b":", record.architecture, b".", kind].concat();
        let plain = [record.name, b".", kind].concat();
        let names = if record.is_qualified { [qualified, plain] } else { [plain, qualified] };
        names.iter().find_map(|name| {
            let (name, node) = self.info.get_key_value(name.as_slice())?;
            Some((self.info_path.join(name), node.clone()))
        })
    }

    fn package(&self, record: &Record<'_>, evidence: &TreePath) -> Package {
        let name = text(record.name);
        let architecture = text(record.architecture);
        let mut details = record.details.clone();
        if self.automatic.contains(&(record.name, record.architecture)) {
            details.insert("automatic".to_owned(), "yes".to_owned());
        }
        let obsolete: Vec<String> =
            record.conffiles.iter().filter(|c| c.is_obsolete).map(|c| text(c.path)).collect();
        if !obsolete.is_empty() {
            details.insert("obsolete-conffiles".to_owned(), obsolete.join(" "));
        }
        let purl = system_purl(
            "deb",
            (&self.system, "debian"),
            &name,
            &record.version,
            Some(&architecture),
        );
        Package {
            key: PackageKey {
                manager: "dpkg".to_owned(),
                name,
                architecture: Some(architecture).filter(|text| !text.is_empty()),
                instance: None,
            },
            version: record.version.clone(),
            state: record.state.clone(),
            installed_at: None,
            origin: record.origin.clone(),
            purl,
            evidence: evidence.clone(),
            details,
        }
    }
}

/// Packages that apt marks as installed for others only.
fn automatic(extended_states: &[u8]) -> HashSet<(&[u8], &[u8])> {
    let (stanzas, _) = deb822::parse(extended_states);
    let marked = stanzas.iter().filter(|stanza| stanza.get("Auto-Installed") == Some(b"1"));
    marked
        .filter_map(|stanza| {
            Some((stanza.get("Package")?, stanza.get("Architecture").unwrap_or_default()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    const DIGEST: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn collected(tree: &MemoryFilesystem) -> Records {
        let mut records = Records::default();
        collect(&View { filesystem: tree, found: &[] }, &mut records);
        records
    }

    fn check(tree: &MemoryFilesystem, packages: &[&str], claims: &[&str], gaps: &[&str]) {
        let records = collected(tree);
        let package = |p: &Package| format!("{} {} {}", p.key, p.version, p.state);
        assert_eq!(records.packages.iter().map(package).collect::<Vec<_>>(), packages);
        let claim = |c: &crate::model::Claim| format!("{} {}", c.package, c.path);
        assert_eq!(records.claims.iter().map(claim).collect::<Vec<_>>(), claims);
        let gap = |g: &crate::model::Gap| format!("{} {}", g.path, g.reason);
        assert_eq!(records.gaps.iter().map(gap).collect::<Vec<_>>(), gaps);
    }

    #[test]
    fn a_host() {
        let mut tree = MemoryFilesystem::new();
        check(&tree, &[], &[], &[]);
        tree.file(
            "/var/lib/dpkg/status",
            "Package: a\nStatus: hold ok installed\nArchitecture: amd64\nMulti-Arch: same\n\
             Version: 1\n\nPackage: b\nStatus: install ok installed\nVersion: 2\n\
             junk\nArchitecture: all\n\nStatus: x\n",
        )
        .file(
            "/var/lib/dpkg/updates/0000",
            "Package: b\nStatus: install ok unpacked\nVersion: 3\nArchitecture: all\n",
        )
        .file("/var/lib/dpkg/updates/tmp.i", "Package: never\n")
        .file("/var/lib/dpkg/info/a:amd64.list", "/.\n/bin\n/bin/a\n")
        .file("/var/lib/dpkg/info/a:amd64.md5sums", format!("{DIGEST}  bin/a\nx\n"))
        .file("/usr/bin/a", "")
        .symlink("/bin", "usr/bin")
        .file("/etc/os-release", "ID=debian\nVERSION_ID=12\n");
        check(
            &tree,
            &["a:amd64 1 hold installed", "b:all 3 unpacked"],
            &["a:amd64 /usr/bin", "a:amd64 /usr/bin/a"],
            &[
                "/var/lib/dpkg/status line 10: a line that is no field",
                "/var/lib/dpkg/status line 13: a stanza without a package name",
                "/var/lib/dpkg/info/a:amd64.md5sums line 2: no digest and path",
                "/var/lib/dpkg/info b:all: no file list",
            ],
        );
        let package = &collected(&tree).packages[0];
        assert_eq!(package.purl, "pkg:deb/debian/a@1?arch=amd64&distro=debian-12");
        assert_eq!(package.evidence.to_string(), "/var/lib/dpkg/status");
    }

    #[test]
    fn a_distroless_image() {
        let mut tree = MemoryFilesystem::new();
        tree.file("/var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12\n")
            .file("/var/lib/dpkg/status.d/base.md5sums", format!("{DIGEST}  etc/issue\n"));
        check(&tree, &["base-files 12 installed"], &["base-files /etc/issue"], &[]);
    }
}
