//! The rpm database, in each of the three forms in which it lies on disks.
//!
//! Only the table of header blobs is read; rpm's indexes repeat it. Where a directory holds several
//! forms (left over by a conversion) the newest form counts, as rpm itself chooses. Signatures and
//! header digests are recorded, not verified.

mod bdb;
mod header;
mod ndb;
mod needs;
mod package;

pub use self::header::Header;
pub use self::package::{FileRecord, files, package};

use self::needs::Needs;
use super::place::Places;
use super::version;
use crate::collect::os_release::{self, OsRelease};
use crate::collect::{Collector, View, sqlite};
use crate::filesystem::Filesystem;
use crate::filesystem::resolve::{LastLink, read_file, resolve};
use crate::model::{Claim, Expectation, Fault, FileKind, Name, Package, Records, Stage, TreePath};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Reads the rpm database.
pub static COLLECTOR: Collector = Collector {
    name: "rpm",
    version: 3,
    summary: "RPM packages and what they expect of their files, from SQLite, NDB and Berkeley DB",
    wanted: &[],
    collect,
};

/// Where distributions keep it; some of these are links to others.
const DIRECTORIES: [&str; 3] = ["/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm"];

/// The three forms, the one that wins first.
const FORMS: [(&str, Form); 3] =
    [("rpmdb.sqlite", Form::Sqlite), ("Packages.db", Form::Ndb), ("Packages", Form::BerkeleyDb)];

/// The database of a machine with 5,000 packages has 400 MB.
const MAX_SIZE: u64 = 1024 * 1024 * 1024;

/// Of all packages together; see the same limit of dpkg.
const MAX_CLAIMS: usize = 5_000_000;

/// How a database is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `rpmdb.sqlite`
    Sqlite,
    /// `Packages.db`
    Ndb,
    /// `Packages`
    BerkeleyDb,
}

/// Hands each header blob of a database to `each`; the faults are of single packages.
pub fn each_blob(
    form: Form,
    database: &mut [u8],
    each: &mut dyn FnMut(&[u8]),
) -> Result<Vec<Fault>, Fault> {
    match form {
        Form::Sqlite => each_row(&sqlite::connect(database)?, each),
        Form::Ndb => {
            let (blobs, faults) = ndb::blobs(database)?;
            blobs.into_iter().for_each(each);
            Ok(faults)
        }
        Form::BerkeleyDb => {
            let (blobs, faults) = bdb::blobs(database)?;
            blobs.iter().map(Cow::as_ref).for_each(each);
            Ok(faults)
        }
    }
}

fn each_row(
    connection: &rusqlite::Connection,
    each: &mut dyn FnMut(&[u8]),
) -> Result<Vec<Fault>, Fault> {
    let mut faults = Vec::new();
    let mut read = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare("SELECT blob FROM Packages ORDER BY hnum")?;
        let mut rows = statement.query([])?;
        loop {
            match rows.next() {
                Ok(Some(row)) => match row.get_ref(0)?.as_blob() {
                    Ok(blob) => each(blob),
                    Err(error) => faults.push(Fault::damaged(error)),
                },
                Ok(None) => return Ok(()),
                // Rows are found through one tree: past its damage there is no next one.
                Err(error) => {
                    faults.push(Fault::damaged(error));
                    return Ok(());
                }
            }
        }
    };
    read().map_err(Fault::damaged)?;
    Ok(faults)
}

fn collect(view: &View<'_>, records: &mut Records) {
    // That the file cannot be read is said by the collector of its facts.
    let system = os_release::read(view.filesystem).unwrap_or_default();
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for directory in DIRECTORIES {
        let directory = TreePath::parse(directory);
        for (file, form) in FORMS {
            let Some(name) = Name::new(file.as_bytes()) else { continue };
            let path = directory.join(&name);
            match resolve(view.filesystem, &path, LastLink::Follow) {
                Ok(Some(resolved)) => {
                    if seen.insert(resolved.path.clone()) {
                        read(view.filesystem, &resolved.path, form, &system, &mut found, records);
                    }
                    break;
                }
                Ok(None) => {}
                Err(fault) => records.gap(&path, Stage::Packages, fault.chain()),
            }
        }
    }
    tell_copies_apart(&mut found);
    let mut places = Places::new(view.filesystem);
    for (package, claims) in found {
        let key = Arc::new(package.key.clone());
        for (path, expectation) in claims {
            let is_directory = expectation.kind == Some(FileKind::Directory);
            let place = if is_directory { places.directory(&path) } else { places.entry(&path) };
            if let Some(path) = place.filter(|path| !path.is_root()) {
                records.claims.push(Claim { path, package: Arc::clone(&key), expectation });
            }
        }
        records.packages.push(package);
    }
}

/// A package with its paths as they were packed.
type Found = (Package, Vec<(Vec<u8>, Expectation)>);

fn read(
    filesystem: &dyn Filesystem,
    path: &TreePath,
    form: Form,
    system: &OsRelease,
    found: &mut Vec<Found>,
    records: &mut Records,
) {
    let first = found.len();
    let mut intake =
        Intake { system, path, found, needs: Needs::default(), claims: 0, gaps: Vec::new() };
    let mut each = |blob: &[u8]| {
        if let Err(fault) = intake.add(blob) {
            intake.gaps.push(fault.chain());
        }
    };
    let result = match form {
        Form::Sqlite => match sqlite::open(filesystem, path, MAX_SIZE) {
            Ok(Some(connection)) => each_row(&connection, &mut each),
            Ok(None) => Ok(Vec::new()),
            Err(fault) => Err(fault),
        },
        Form::Ndb | Form::BerkeleyDb => match read_file(filesystem, path, MAX_SIZE) {
            Ok(Some(mut bytes)) => each_blob(form, &mut bytes, &mut each),
            Ok(None) => Ok(Vec::new()),
            Err(fault) => Err(fault),
        },
    };
    let Intake { mut gaps, needs, found, .. } = intake;
    resolve_needs(needs, found.get_mut(first..).unwrap_or_default());
    match result {
        Ok(faults) => gaps.extend(faults.iter().map(Fault::chain)),
        Err(fault) => gaps.push(fault.chain()),
    }
    for reason in gaps {
        records.gap(path, Stage::Packages, reason);
    }
}

/// Says of each package which others it needs.
fn resolve_needs(needs: Needs, found: &mut [Found]) {
    let names: Vec<&str> = found.iter().map(|(package, _)| package.key.name.as_str()).collect();
    let files = found.iter().enumerate().flat_map(|(index, (_, files))| {
        files.iter().map(move |(path, _)| (index, path.as_slice()))
    });
    let resolved = needs.resolve(&names, files);
    for ((package, _), needed) in found.iter_mut().zip(resolved) {
        if !needed.is_empty() {
            package.details.insert("needs".to_owned(), needed);
        }
    }
}

/// Takes in the headers of one database.
struct Intake<'a> {
    system: &'a OsRelease,
    path: &'a TreePath,
    found: &'a mut Vec<Found>,
    needs: Needs,
    claims: usize,
    gaps: Vec<String>,
}

impl Intake<'_> {
    /// A package whose file lists are damaged is a package all the same.
    fn add(&mut self, blob: &[u8]) -> Result<(), Fault> {
        let header = Header::parse(blob)?;
        let package = package(&header, self.system, self.path)?;
        let mut files = files(&header).unwrap_or_else(|fault| {
            self.gaps.push(format!("{}: {}", package.key, fault.chain()));
            Vec::new()
        });
        self.claims = self.claims.saturating_add(files.len());
        if self.claims > MAX_CLAIMS {
            self.gaps.push(format!("{}: more than {MAX_CLAIMS} files in all", package.key));
            files.clear();
        }
        let expected = |file: FileRecord<'_>| {
            let expectation = file.expectation()?;
            Some((file.path, expectation))
        };
        self.needs.add(&header);
        self.found.push((package, files.into_iter().filter_map(expected).collect()));
        Ok(())
    }
}

/// Of several versions of one package (kernels) the oldest has the plain key and the others are
/// named by their versions, so that a newer one beside it is an addition and not a change. The same
/// version twice, from two databases, is one package.
fn tell_copies_apart(found: &mut Vec<Found>) {
    let mut groups: BTreeMap<_, Vec<Found>> = BTreeMap::new();
    for one in found.drain(..) {
        groups.entry(one.0.key.clone()).or_default().push(one);
    }
    for mut group in groups.into_values() {
        group.sort_by(|(a, _), (b, _)| {
            version::rpm::compare(&a.version, &b.version).then_with(|| a.version.cmp(&b.version))
        });
        group.dedup_by(|(later, _), (earlier, _)| later.version == earlier.version);
        for (package, _) in group.iter_mut().skip(1) {
            package.key.instance = Some(package.version.clone());
        }
        found.append(&mut group);
    }
}

#[cfg(test)]
mod tests {
    use super::header::tag;
    use super::header::testing::{Tag, blob};
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    fn header(name: &[u8], version: &[u8]) -> Vec<u8> {
        let tags: &[Tag<'_>] = &[
            (tag::NAME, 6, 1, name),
            (tag::VERSION, 6, 1, version),
            (tag::RELEASE, 6, 1, b"1\0"),
            (tag::BASE_NAMES, 8, 1, b"x\0"),
            (tag::DIR_NAMES, 8, 1, b"/bin/\0"),
            (tag::DIR_INDEXES, 4, 1, &[0; 4]),
        ];
        blob(tags)
    }

    fn database(blobs: &[Vec<u8>]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        let schema = "create table Packages(hnum integer primary key, blob blob not null)";
        connection.execute_batch(schema).unwrap();
        for blob in blobs {
            connection.execute("insert into Packages(blob) values (?)", [blob]).unwrap();
        }
        drop(connection);
        std::fs::read(path).unwrap()
    }

    #[test]
    fn one_database_under_two_names() {
        let blobs = [
            header(b"kernel\0", b"6.2\0"),
            header(b"kernel\0", b"6.10\0"),
            b"junk".to_vec(),
            header(b"a\0", b"1\0"),
        ];
        let mut tree = MemoryFilesystem::new();
        tree.file("/usr/lib/sysimage/rpm/rpmdb.sqlite", database(&blobs))
            .file("/usr/lib/sysimage/rpm/Packages", "left over")
            .symlink("/var/lib/rpm", "../../usr/lib/sysimage/rpm")
            .directory("/usr/bin")
            .symlink("/bin", "usr/bin");
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        let packages: Vec<String> =
            records.packages.iter().map(|p| format!("{} {}", p.key, p.version)).collect();
        assert_eq!(packages, ["a 1-1", "kernel 6.2-1", "kernel [6.10-1] 6.10-1"]);
        assert!(records.claims.iter().all(|claim| claim.path.to_string() == "/usr/bin/x"));
        assert_eq!(records.claims.len(), 3);
        assert_eq!(records.gaps.len(), 1);
    }

    #[test]
    fn a_damaged_database_is_a_gap() {
        for name in ["rpmdb.sqlite", "Packages.db", "Packages"] {
            let mut tree = MemoryFilesystem::new();
            tree.file(&format!("/var/lib/rpm/{name}"), "junk");
            let mut records = Records::default();
            collect(&View { filesystem: &tree, found: &[] }, &mut records);
            assert_eq!(records.gaps.len(), 1, "{name}");
        }
    }
}
