//! Python distributions as installed: dist-info (PEP 376, 427, 610) and egg-info in its three forms.
//!
//! Found wherever they lie: a dist-info anywhere, an egg-info in a `site-packages` or
//! `dist-packages`, or where an egg-link leads. `RECORD` becomes claims; copies that another
//! package carries within itself (`_vendor`) claim nothing, since their records are not kept up by
//! those who copied them. Caches of installers are not installed. An egg that is a ZIP archive is looked
//! into where the interpreter looks for it, in a `site-packages` or `dist-packages`.

mod claims;
pub mod metadata;
pub mod record;

use self::claims::claims;
use self::metadata::{Metadata, normalized};
use super::copies::{Copy, tell_apart};
use super::place::{MAX_PATH, Places};
use super::purl::{Parts, purl};
use super::{installed, text};
use crate::collect::bytes::Bytes;
use crate::collect::facts::repositories::without_secrets;
use crate::collect::reader::{Reader, below};
use crate::collect::zip::{self, Source};
use crate::collect::{Collector, View};
use crate::filesystem::Filesystem;
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::{Fault, Package, Records, Stage, TreePath};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// Reads distributions.
pub static COLLECTOR: Collector = Collector {
    name: "python",
    version: 3,
    summary: "Python distributions with their recorded files, wherever they lie",
    wanted: &["*.dist-info", "*.egg-info", "EGG-INFO", "*.egg-link", "*.egg"],
    collect,
};

/// The longest RECORDs (of machine learning) have some MB.
const MAX_SIZE: u64 = 64 * 1024 * 1024;

/// Of all distributions together; ten times a machine with everything.
const MAX_CLAIMS: usize = 5_000_000;

/// Dependencies that are kept of one distribution; the longest real list has some hundred.
const MAX_REQUIRES: usize = 2000;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let linked = linked(&mut reader, view.found);
    let mut copies = Vec::new();
    for path in view.found {
        if let Some(form) = form_of(path, &linked) {
            copies.extend(read(&mut reader, path, form));
        }
    }
    tell_apart(&mut copies);
    let mut places = Places::new(view.filesystem);
    let mut environments = Environments::default();
    for copy in copies {
        let mut package = copy.package;
        environments.describe(&mut reader, &copy.place, &mut package);
        let key = Arc::new(package.key.clone());
        let claims = claims(&mut reader, &mut places, &key, &copy.place, &mut package);
        if reader.records.claims.len().saturating_add(claims.len()) > MAX_CLAIMS {
            let reason = format!("{key}: more than {MAX_CLAIMS} files of all distributions");
            reader.gap(&package.evidence, reason);
        } else {
            reader.records.claims.extend(claims);
        }
        reader.records.packages.push(package);
    }
}

/// In which form the metadata lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    DistInfo,
    EggInfo,
    /// Where an egg-link leads.
    Linked,
    /// In an archive.
    Zipped,
}

fn form_of(path: &TreePath, linked: &HashSet<TreePath>) -> Option<Form> {
    let name = path.file_name()?;
    let parent = path.parent()?;
    let is_cached = path.names().any(|name| name == b".cache") && !is_in_site(path);
    if name.ends_with(b".dist-info") && !is_cached {
        // What pip renames while it removes, and leaves where it fails, starts with a tilde.
        return (name.first() != Some(&b'~')).then_some(Form::DistInfo);
    }
    let is_egg = name == b"EGG-INFO" && parent.file_name().is_some_and(|n| n.ends_with(b".egg"));
    if name.ends_with(b".egg-info") && linked.contains(&parent) {
        return Some(Form::Linked);
    }
    let is_info = name.ends_with(b".egg-info") && parent.file_name().is_some_and(is_site);
    if name.ends_with(b".egg") && parent.file_name().is_some_and(is_site) {
        return Some(Form::Zipped);
    }
    (is_egg || is_info).then_some(Form::EggInfo)
}

fn is_site(name: &[u8]) -> bool {
    name == b"site-packages" || name == b"dist-packages"
}

fn is_in_site(path: &TreePath) -> bool {
    path.names().any(is_site)
}

/// The directories of sources that egg-links lead to.
fn linked(reader: &mut Reader<'_>, found: &[TreePath]) -> HashSet<TreePath> {
    let mut linked = HashSet::new();
    for path in found.iter().filter(|p| p.file_name().is_some_and(|n| n.ends_with(b".egg-link"))) {
        let Some(bytes) = reader.file(path) else { continue };
        let target = bytes.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii();
        if target.first() == Some(&b'/') && target.len() <= MAX_PATH {
            linked.insert(TreePath::parse(target));
        } else {
            reader.gap(path, "line 1: no absolute path");
        }
    }
    linked
}

/// One distribution; its claims are left for when its key is known.
fn read(reader: &mut Reader<'_>, path: &TreePath, form: Form) -> Option<Copy> {
    let (file, bytes) = match form {
        Form::DistInfo => {
            let file = below(path, "METADATA");
            let bytes = reader.file(&file);
            (file, bytes)
        }
        Form::EggInfo | Form::Linked => {
            let file = below(path, "PKG-INFO");
            match reader.file(&file) {
                Some(bytes) => (file, Some(bytes)),
                None => (path.clone(), reader.file(path)),
            }
        }
        Form::Zipped => {
            let bytes = zipped(reader.filesystem, path);
            (path.clone(), reader.keep(path, bytes))
        }
    };
    let Some(bytes) = bytes else {
        // Eggs that are folders are met by what is in them.
        if form != Form::Zipped {
            reader.gap(path, "no metadata");
        }
        return None;
    };
    let metadata = Metadata::parse(&bytes);
    // NAME-VERSION.dist-info, NAME-VERSION[-pyX.Y].egg-info, NAME.egg-info.
    let stem = path.file_name().unwrap_or_default();
    let ends: [&[u8]; 3] = [b".dist-info", b".egg-info", b".egg"];
    let stem = ends.iter().find_map(|end| stem.strip_suffix(*end)).unwrap_or(b"");
    let mut parts = stem.split(|b| *b == b'-');
    let (stem_name, stem_version) = (parts.next().unwrap_or_default(), parts.next());
    let name = metadata.get("Name").unwrap_or(stem_name);
    let version = metadata.get("Version").or(stem_version).unwrap_or_default();
    if metadata.get("Name").is_none() || metadata.get("Version").is_none() {
        reader.gap(&file, "no name or no version");
    }
    if name.is_empty() {
        return None;
    }
    let place = path.parent()?;
    let place = match form {
        // foo.egg/EGG-INFO: the egg lies in the site directory.
        Form::EggInfo if path.file_name() == Some(b"EGG-INFO") => place.parent()?,
        _ => place,
    };
    let mut package = installed("pypi", normalized(&text(name)), text(version), &file);
    describe(&metadata, &mut package);
    if package.key.name.as_bytes() != name {
        package.details.insert("name".to_owned(), text(name));
    }
    match form {
        Form::DistInfo => installer(reader, path, &mut package),
        Form::Linked => {
            package.details.insert("editable".to_owned(), "yes".to_owned());
        }
        Form::EggInfo | Form::Zipped => {}
    }
    if package.purl.is_empty() {
        package.purl = url(&package, &[]);
    }
    let is_ordinary = is_ordinary(&place);
    Some(Copy { package, place, is_ordinary })
}

/// The metadata of an egg that is an archive; `None` where the path is no file.
fn zipped(filesystem: &dyn Filesystem, path: &TreePath) -> Result<Option<Vec<u8>>, Fault> {
    let Some(file) = Bytes::open(filesystem, path)? else { return Ok(None) };
    let source = Source::File { file: &file, start: 0, size: file.size() };
    let members = zip::members(&source, |name| name == b"EGG-INFO/PKG-INFO")?;
    let Some(member) = members.first() else { return Err(Fault::damaged("no EGG-INFO/PKG-INFO")) };
    zip::read(&source, member, MAX_SIZE).map(Some)
}

fn url(package: &Package, qualifiers: &[(&str, Option<&str>)]) -> String {
    let (name, version) = (&package.key.name, Some(package.version.as_str()));
    purl("pypi", Parts { name, version, qualifiers, ..Parts::default() })
}

fn describe(metadata: &Metadata<'_>, package: &mut Package) {
    let mut keep = |word: &str, value: Option<&[u8]>| {
        if let Some(value) = value {
            package.details.insert(word.to_owned(), text(value));
        }
    };
    keep("licence", metadata.get("License-Expression").or(metadata.get("License")));
    keep("homepage", metadata.get("Home-page"));
    let author = metadata.get("Author").or(metadata.get("Author-email"));
    keep("maintainer", author);
    let requires: Vec<String> =
        metadata.all("Requires-Dist").take(MAX_REQUIRES).map(text).collect();
    if !requires.is_empty() {
        package.details.insert("depends".to_owned(), requires.join(", "));
    }
}

/// What the installer left beside the metadata.
fn installer(reader: &mut Reader<'_>, path: &TreePath, package: &mut Package) {
    if let Some(bytes) = reader.file(&below(path, "INSTALLER")) {
        package.details.insert("installer".to_owned(), text(bytes.trim_ascii()));
    }
    if reader.file(&below(path, "REQUESTED")).is_some() {
        package.details.insert("requested".to_owned(), "yes".to_owned());
    }
    let direct = below(path, "direct_url.json");
    if let Some(bytes) = reader.file(&direct) {
        match serde_json::from_slice(&bytes) {
            Ok(value) => direct_url(&value, package),
            Err(error) => reader.gap(&direct, error),
        }
    }
    let record = below(path, "RECORD");
    if let Ok(Some(found)) = resolve(reader.filesystem, &record, LastLink::Follow)
        && let Ok(metadata) = reader.filesystem.metadata(&found.node)
    {
        // Installers write it last, and build tools of distributions remove it.
        package.installed_at = Some(metadata.mtime);
        let basis = "time of RECORD".to_owned();
        package.details.insert("installed-at-basis".to_owned(), basis);
    }
}

/// Direct references, PEP 610.
fn direct_url(value: &Value, package: &mut Package) {
    let at = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    let Some(address) = at("/url").map(|url| without_secrets(&text(url.as_bytes()))) else {
        return;
    };
    if let Some(commit) = at("/vcs_info/commit_id").map(|commit| text(commit.as_bytes())) {
        let kind = text(at("/vcs_info/vcs").unwrap_or("git").as_bytes());
        let location = format!("{kind}+{address}@{commit}");
        package.purl = url(package, &[("vcs_url", Some(&location))]);
        package.details.insert("revision".to_owned(), commit);
    } else if value.get("archive_info").is_some() {
        package.purl = url(package, &[("download_url", Some(&address))]);
        if let Some(digest) = at("/archive_info/hash") {
            package.details.insert("archive-digest".to_owned(), text(digest.as_bytes()));
        }
    }
    if value.pointer("/dir_info/editable") == Some(&Value::Bool(true)) {
        package.details.insert("editable".to_owned(), "yes".to_owned());
    }
    package.origin = Some(address);
}

/// The system's own places: of Debian (`dist-packages`), of others, and below `/usr/local`.
fn is_ordinary(place: &TreePath) -> bool {
    let names: Vec<&[u8]> = place.names().collect();
    let names: &[&[u8]] = &names;
    let names = match names {
        [usr, local, rest @ ..] if *usr == b"usr" && *local == b"local" => rest,
        [usr, rest @ ..] if *usr == b"usr" => rest,
        _ => return false,
    };
    matches!(names, [lib, python, site] if lib.starts_with(b"lib") && is_python(python) && is_site(site))
}

fn is_python(name: &[u8]) -> bool {
    name.starts_with(b"python") || name.starts_with(b"pypy")
}

/// Virtual environments, each looked up once.
#[derive(Debug, Default)]
struct Environments {
    last: Option<(TreePath, Option<TreePath>)>,
}

impl Environments {
    /// Says which interpreter a place belongs to: `PREFIX/lib/pythonX.Y/site-packages`.
    fn describe(&mut self, reader: &mut Reader<'_>, place: &TreePath, package: &mut Package) {
        let Some(version) = place.parent() else { return };
        let Some(word) = version.file_name().filter(|name| is_python(name)) else { return };
        package.details.insert("interpreter".to_owned(), text(word));
        if self.last.as_ref().is_none_or(|(known, _)| known != place) {
            let prefix = version.parent().and_then(|lib| lib.parent());
            let environment =
                prefix.filter(|prefix| reader.file(&below(prefix, "pyvenv.cfg")).is_some());
            self.last = Some((place.clone(), environment));
        }
        if let Some((_, Some(environment))) = &self.last {
            package.details.insert("environment".to_owned(), environment.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;
    use crate::model::Claim;

    const SITE: &str = "/usr/lib/python3.11/site-packages";
    const DIGEST: &str = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

    fn collected(tree: &MemoryFilesystem, found: &[&str]) -> Records {
        let found: Vec<TreePath> = found.iter().map(TreePath::parse).collect();
        let mut records = Records::default();
        collect(&View { filesystem: tree, found: &found }, &mut records);
        records
    }

    fn check(records: &Records, packages: &[&str], claims: &[&str], gaps: usize) {
        let package = |p: &Package| format!("{} {} {}", p.key, p.version, p.purl);
        assert_eq!(records.packages.iter().map(package).collect::<Vec<_>>(), packages);
        let claim = |c: &Claim| {
            let digest = if c.expectation.digest.is_some() { " digest" } else { "" };
            format!("{} {}{digest}", c.package, c.path)
        };
        assert_eq!(records.claims.iter().map(claim).collect::<Vec<_>>(), claims);
        assert_eq!(records.gaps.len(), gaps, "{:?}", records.gaps);
    }

    #[test]
    fn a_wheel_with_its_record() {
        let info = format!("{SITE}/Foo_Bar-1.0.dist-info");
        let mut tree = MemoryFilesystem::new();
        tree.file(
            &format!("{info}/METADATA"),
            "Name: Foo.Bar\nVersion: 1.0\nLicense: MIT\nRequires-Dist: a\nRequires-Dist: b>1\n",
        )
        .file(
            &format!("{info}/RECORD"),
            format!("../../../bin/foo,{DIGEST},0\nfoo.py,{DIGEST},0\nx\nfoo.pyc,,\n"),
        )
        .file(&format!("{info}/INSTALLER"), "pip\n")
        .file(
            &format!("{info}/direct_url.json"),
            r#"{"url": "https://user:secret@example.org/foo.git",
                "vcs_info": {"vcs": "git", "commit_id": "abc"}}"#,
        );
        let records = collected(&tree, &[&info]);
        let package = &records.packages[0];
        assert_eq!(package.details["depends"], "a, b>1");
        assert_eq!(package.details["installer"], "pip");
        assert_eq!(package.details["interpreter"], "python3.11");
        assert_eq!(package.details["name"], "Foo.Bar");
        assert!(!format!("{package:?}").contains("secret"));
        assert!(package.purl.starts_with("pkg:pypi/foo-bar@1.0?vcs_url="));
        assert_eq!(records.claims.len(), 3);
        assert_eq!(records.claims[0].path.to_string(), "/usr/bin/foo");
        assert_eq!(records.claims[1].expectation.size, Some(0));
        assert_eq!(records.gaps.len(), 1);
    }

    #[test]
    fn programs_of_a_target_folder() {
        let info = "/srv/app/vendor/foo-1.0.dist-info";
        let mut tree = MemoryFilesystem::new();
        tree.file(&format!("{info}/METADATA"), "Name: foo\nVersion: 1.0\n")
            .file(&format!("{info}/RECORD"), "../../bin/foo,,\n../../bin/gone,,\n")
            .file("/srv/app/vendor/bin/foo", "");
        let records = collected(&tree, &[info]);
        let paths: Vec<String> = records.claims.iter().map(|one| one.path.to_string()).collect();
        assert_eq!(paths, ["/srv/app/vendor/bin/foo", "/srv/bin/gone"]);
    }

    #[test]
    fn every_form_and_place() {
        let venv = "/srv/venv/lib/python3.12/site-packages";
        let mut tree = MemoryFilesystem::new();
        tree.file(&format!("{SITE}/a-1.egg-info"), "Name: a\nVersion: 1\n")
            .file(&format!("{venv}/a-2.dist-info/METADATA"), "Name: a\nVersion: 2\n")
            .file("/srv/venv/pyvenv.cfg", "home = /usr/bin\n")
            .file(&format!("{SITE}/b-1-py3.11.egg-info/PKG-INFO"), "Name: b\n")
            .file(&format!("{SITE}/b-1-py3.11.egg-info/installed-files.txt"), "../b.py\n")
            .file(&format!("{SITE}/c.egg-link"), "/home/me/c\n.")
            .file("/home/me/c/c.egg-info/PKG-INFO", "Name: c\nVersion: 3\n")
            .file("/home/me/d/d.egg-info/PKG-INFO", "Name: d\nVersion: 4\n")
            .file(&format!("{SITE}/e-1.egg/EGG-INFO/PKG-INFO"), "Name: e\nVersion: 1\n")
            .file("/root/.cache/uv/x/f-1.dist-info/METADATA", "Name: f\nVersion: 1\n")
            .file(&format!("{SITE}/a/_vendor/g-1.dist-info/METADATA"), "Name: g\nVersion: 1\n")
            .file(&format!("{SITE}/a/_vendor/g-1.dist-info/RECORD"), "g.py,,\n")
            .directory(&format!("{SITE}/h-1.dist-info"));
        let records = collected(
            &tree,
            &[
                &format!("{SITE}/a-1.egg-info"),
                &format!("{venv}/a-2.dist-info"),
                &format!("{SITE}/b-1-py3.11.egg-info"),
                &format!("{SITE}/c.egg-link"),
                "/home/me/c/c.egg-info",
                "/home/me/d/d.egg-info",
                &format!("{SITE}/e-1.egg/EGG-INFO"),
                "/root/.cache/uv/x/f-1.dist-info",
                &format!("{SITE}/a/_vendor/g-1.dist-info"),
                &format!("{SITE}/h-1.dist-info"),
            ],
        );
        check(
            &records,
            &[
                "a 1 pkg:pypi/a@1",
                "b 1 pkg:pypi/b@1",
                "e 1 pkg:pypi/e@1",
                "c [/home/me/c] 3 pkg:pypi/c@3",
                "a [/srv/venv/lib/python3.12/site-packages] 2 pkg:pypi/a@2",
                "g [/usr/lib/python3.11/site-packages/a/_vendor] 1 pkg:pypi/g@1",
            ],
            &["b /usr/lib/python3.11/site-packages/b.py"],
            2,
        );
        assert_eq!(records.packages[4].details["environment"], "/srv/venv");
    }

    #[test]
    fn eggs_that_are_archives() {
        let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = ::zip::write::SimpleFileOptions::default();
        writer.start_file("EGG-INFO/PKG-INFO", options).unwrap();
        std::io::Write::write_all(&mut writer, b"Name: A_b\nVersion: 1.post1\n").unwrap();
        let egg = writer.finish().unwrap().into_inner();
        let paths = [
            format!("{SITE}/A_b-1.post1-py3.11.egg"),
            format!("{SITE}/folder-1.egg"),
            format!("{SITE}/odd-1.egg"),
            "/src/dist/A_b-1.post1-py3.11.egg".to_owned(),
        ];
        let mut tree = MemoryFilesystem::new();
        tree.file(&paths[0], &egg).directory(&paths[1]).file(&paths[2], "x").file(&paths[3], &egg);
        let records = collected(&tree, &paths.each_ref().map(String::as_str));
        check(&records, &["a-b 1.post1 pkg:pypi/a-b@1.post1"], &[&format!("a-b {}", paths[0])], 1);
    }
}
