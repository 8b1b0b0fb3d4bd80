//! Java archives wherever they lie: jars, wars, ears and their likes, with what is packed into them.
//!
//! What an archive is says its `pom.properties`, else a Maven repository around it, else manifest
//! and file name; only the first two know the group, and without it there is no package URL. An
//! archive that names no version is a file like others. Class files are not looked into.

pub mod archive;
pub mod text;

use self::archive::{Found, Reading};
use self::text::{Coordinates, from_layout};
use super::copies::{Copy, tell_apart};
use super::installed;
use super::purl::{Parts, purl};
use crate::collect::bytes::Bytes;
use crate::collect::reader::Reader;
use crate::collect::zip::Source;
use crate::collect::{Collector, View};
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::{Package, PackageKey, Records, Stage, TreePath};
use std::collections::{HashMap, HashSet};

/// Reads Java archives.
pub static COLLECTOR: Collector = Collector {
    name: "java",
    version: 1,
    summary: "Java libraries in jars, wars and ears, nested ones too",
    wanted: &[
        "*.jar", "*.war", "*.ear", "*.par", "*.sar", "*.nar", "*.jpi", "*.hpi", "*.kar", "*.lpkg",
    ],
    collect,
};

/// Libraries of all archives together.
const MAX_PACKAGES: usize = 1_000_000;

/// The system's own places.
const ORDINARY: [&str; 4] =
    ["/usr/share/java", "/usr/lib/java", "/usr/local/share/java", "/usr/share/maven/lib"];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, 0);
    let ordinary = ORDINARY.map(TreePath::parse);
    let linked = linked(view);
    let mut copies = Vec::new();
    for path in view.found {
        let result = Bytes::open(reader.filesystem, path);
        let Some(file) = reader.keep(path, result) else { continue };
        let names: Vec<&[u8]> = path.names().collect();
        let source = Source::File { file: &file, start: 0, size: file.size() };
        let reading = Reading::of(&source, &names, linked.get(path).cloned());
        for fault in reading.faults {
            reader.gap(path, fault.chain());
        }
        if reading.found.len().saturating_add(copies.len()) > MAX_PACKAGES {
            reader.gap(path, format!("more than {MAX_PACKAGES} libraries of all archives"));
            break;
        }
        for found in reading.found {
            let place = place(path, &found);
            let is_ordinary = ordinary.contains(&place);
            copies.push(Copy { package: package(found, path), place, is_ordinary });
        }
    }
    tell_apart(&mut copies);
    let mut taken = HashSet::<PackageKey>::new();
    for Copy { mut package, .. } in copies {
        // Twice in one place: the version tells them apart, and the same twice is one.
        if !taken.insert(package.key.clone()) {
            let place = package.key.instance.unwrap_or_default();
            package.key.instance = Some(format!("{place} {}", package.version));
            if !taken.insert(package.key.clone()) {
                continue;
            }
        }
        reader.records.packages.push(package);
    }
}

/// What Maven calls archives that lie elsewhere: Debian's repository of Maven is made of links, and
/// has a version `debian` of what it has by its own.
fn linked(view: &View<'_>) -> HashMap<TreePath, Coordinates> {
    let mut linked = HashMap::<TreePath, Coordinates>::new();
    for path in view.found {
        let names: Vec<&[u8]> = path.names().collect();
        let Some(coordinates) = from_layout(&names) else { continue };
        // A link that leads nowhere is no archive.
        let Ok(Some(found)) = resolve(view.filesystem, path, LastLink::Follow) else { continue };
        if found.path != *path && coordinates.version != "debian" {
            linked.entry(found.path).or_insert(coordinates);
        }
    }
    linked
}

/// The folder of an archive, which stays when another version takes its place; of what was unpacked
/// into it the archive. Within archives `!/` leads inwards, as in Java's own URLs.
fn place(path: &TreePath, found: &Found) -> TreePath {
    let mut whole = path.as_bytes().to_vec();
    for inner in &found.inside {
        whole.extend_from_slice(b"!/");
        whole.extend_from_slice(inner);
    }
    let whole = TreePath::parse(whole);
    if found.is_archive { whole.parent().unwrap_or(whole) } else { whole }
}

fn package(found: Found, path: &TreePath) -> Package {
    let of = found.coordinates;
    let name = match of.group.as_str() {
        "" => of.artifact.clone(),
        group => format!("{group}:{}", of.artifact),
    };
    let mut package = installed("maven", name, of.version, path);
    let file = found.inside.last().map(Vec::as_slice).or(path.file_name()).unwrap_or_default();
    // Plain jars are the rule.
    let kind = ["war", "ear", "hpi", "nar", "kar"].into_iter().find(|kind| {
        found.is_archive
            && file.strip_suffix(kind.as_bytes()).is_some_and(|rest| rest.ends_with(b"."))
    });
    if !of.group.is_empty() {
        let parts = Parts {
            namespace: Some(&of.group),
            name: &of.artifact,
            version: Some(&package.version),
            qualifiers: &[("type", kind)],
        };
        package.purl = purl("maven", parts);
    }
    let details = found.details.into_iter().filter(|(_, value)| !value.is_empty());
    package.details.extend(details.map(|(word, value)| (word.to_owned(), value)));
    if !found.inside.is_empty() {
        let inside = super::text(&found.inside.join(b"!/".as_slice()));
        package.details.insert("inside".to_owned(), inside);
    }
    package
}

#[cfg(test)]
mod tests {
    use super::archive::tests::jar;
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn archives_of_a_system() {
        let pom = |artifact: &str, version: &str| {
            let text = format!("groupId=org.x\nartifactId={artifact}\nversion={version}\n");
            (format!("META-INF/maven/org.x/{artifact}/pom.properties"), text.into_bytes())
        };
        let (name, one) = pom("lib", "1");
        let (_, two) = pom("lib", "2");
        let lib = jar(&[(&name, &one)]);
        let newer = jar(&[(&name, &two)]);
        let app = jar(&[
            ("BOOT-INF/stored/lib-1.jar", &lib),
            ("BOOT-INF/stored/lib-2.jar", &newer),
            ("BOOT-INF/stored/lib-copy.jar", &lib),
        ]);
        let war = jar(&[(&name, &one)]);
        let files = [
            ("/opt/app-7.jar", app),
            ("/srv/lib.war", war),
            ("/usr/share/java/lib-1.jar", lib),
            ("/usr/share/java/odd.jar", b"PK".to_vec()),
        ];
        let mut tree = MemoryFilesystem::new();
        for (path, bytes) in &files {
            tree.file(path, bytes);
        }
        let debian = "/usr/share/maven-repo/org/z/zoo";
        tree.symlink("/usr/share/java/lib.jar", "lib-1.jar")
            .file("/usr/share/java/zoo-3.jar", jar(&[]))
            .symlink(&format!("{debian}/debian/zoo-debian.jar"), "/usr/share/java/zoo-3.jar")
            .symlink(&format!("{debian}/3/zoo-3.jar"), "../../../../../java/zoo-3.jar");
        let mut found: Vec<TreePath> =
            files.iter().map(|(path, _)| TreePath::parse(path)).collect();
        found.extend(["/usr/share/java/lib.jar", "/usr/share/java/zoo-3.jar"].map(TreePath::parse));
        found.push(TreePath::parse(format!("{debian}/3/zoo-3.jar")));
        found.push(TreePath::parse(format!("{debian}/debian/zoo-debian.jar")));
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &found }, &mut records);
        let package = |p: &Package| format!("{} {} {}", p.key, p.version, p.purl);
        assert_eq!(
            records.packages.iter().map(package).collect::<Vec<_>>(),
            [
                "org.x:lib 1 pkg:maven/org.x/lib@1",
                "org.z:zoo 3 pkg:maven/org.z/zoo@3",
                "app [/opt] 7 ",
                "org.x:lib [/opt/app-7.jar!/BOOT-INF/stored] 1 pkg:maven/org.x/lib@1",
                "org.x:lib [/opt/app-7.jar] 2 pkg:maven/org.x/lib@2",
                "org.x:lib [/opt/app-7.jar 1] 1 pkg:maven/org.x/lib@1",
                "org.x:lib [/srv] 1 pkg:maven/org.x/lib@1?type=war",
            ]
        );
        assert_eq!(records.gaps.len(), 1, "{:?}", records.gaps);
    }
}
