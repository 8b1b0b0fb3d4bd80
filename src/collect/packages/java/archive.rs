//! What one Java archive says of itself and of what was packed into it, and so on inwards.
//!
//! Archives nest (a war with its libraries, Spring Boot's and others' fat jars). Libraries that were
//! unpacked into an archive are known by the `pom.properties` that they left. Depth, number and
//! bytes are limited over all that one file holds; what is beyond is a fault, and what was read
//! before it counts.

use super::text::{Coordinates, from_layout, manifest, pom_properties, split_name};
use crate::collect::packages::text;
use crate::collect::zip::{self, Member, Source};
use crate::model::Fault;
use std::collections::{BTreeMap, BTreeSet};

/// What archives are called.
pub const SUFFIXES: [&str; 10] =
    [".jar", ".war", ".ear", ".par", ".sar", ".nar", ".jpi", ".hpi", ".kar", ".lpkg"];

/// Archives in archives: an ear holds a war that holds jars, and one of these may be fat.
const MAX_DEPTH: usize = 5;

/// Archives in one file; the largest application servers have some thousand.
const MAX_ARCHIVES: usize = 20_000;

/// Bytes that may be inflated out of one file, all archives in it together.
const MAX_INFLATED: u64 = 1024 * 1024 * 1024;

/// Of one archive that is inflated into memory.
const MAX_NESTED: u64 = 256 * 1024 * 1024;

/// Of a manifest (signed ones list every class) and of a `pom.properties`.
const MAX_TEXT: u64 = 8 * 1024 * 1024;

/// What is told of one file; a hostile one has a fault in each of its members.
const MAX_FAULTS: usize = 50;

/// Libraries unpacked into one archive.
const MAX_POMS: usize = 5000;

/// One library or application.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Names of archives and of members in them, from the outermost file's on, that lead to the
    /// archive; empty for the file itself.
    pub inside: Vec<Vec<u8>>,
    /// Empty group where only its own name says what it is.
    pub coordinates: Coordinates,
    /// Whether it is the archive itself, and not unpacked into it.
    pub is_archive: bool,
    /// Licence, title and the like of the archive's manifest, by the words of reports.
    pub details: BTreeMap<&'static str, String>,
}

/// What was read of one file.
#[derive(Debug, Default)]
pub struct Reading {
    /// In the order in which it was met.
    pub found: Vec<Found>,
    /// What could not be read, with its place.
    pub faults: Vec<Fault>,
    archives: usize,
    inflated: u64,
}

/// Whether the name is that of an archive.
#[must_use]
pub fn is_archive(name: &[u8]) -> bool {
    stem(name).is_some()
}

/// Without its suffix.
fn stem(name: &[u8]) -> Option<&[u8]> {
    SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix.as_bytes()))
}

impl Reading {
    /// Reads a file and all that is in it. What a repository of Maven calls it, where a link there
    /// leads to it, is `layout`.
    #[must_use]
    pub fn of(source: &Source<'_>, path: &[&[u8]], layout: Option<Coordinates>) -> Self {
        let mut reading = Self::default();
        let name = path.last().copied().unwrap_or_default();
        reading.archive(source, &[], name, layout.or_else(|| from_layout(path)));
        reading
    }

    fn archive(
        &mut self,
        source: &Source<'_>,
        inside: &[Vec<u8>],
        name: &[u8],
        layout: Option<Coordinates>,
    ) {
        self.archives = self.archives.saturating_add(1);
        let wanted =
            |name: &[u8]| name.eq_ignore_ascii_case(MANIFEST) || is_pom(name) || is_archive(name);
        let members = match zip::members(source, wanted) {
            Ok(members) => members,
            Err(fault) => return self.fault(inside, fault),
        };
        let mut fields = BTreeMap::new();
        let mut poms = BTreeSet::new();
        for member in &members {
            if member.name.eq_ignore_ascii_case(MANIFEST) {
                fields = self.text(source, member, inside).map(|b| manifest(&b)).unwrap_or(fields);
            } else if self.inflated >= MAX_INFLATED {
                self.fault(inside, spent());
                break;
            } else if is_pom(&member.name) {
                let read = self.text(source, member, inside);
                poms.extend(read.and_then(|bytes| pom_properties(&bytes)));
                if poms.len() > MAX_POMS {
                    self.fault(inside, Fault::limit(format!("more than {MAX_POMS} libraries")));
                    break;
                }
            }
        }
        self.describe(inside, name, &fields, poms, layout);
        for member in members.iter().filter(|member| is_archive(&member.name)) {
            if !self.nested(source, inside, member) {
                break;
            }
        }
    }

    /// Whether more may follow.
    fn nested(&mut self, source: &Source<'_>, inside: &[Vec<u8>], member: &Member) -> bool {
        let mut place = inside.to_vec();
        place.push(member.name.clone());
        let limit = MAX_NESTED.min(MAX_INFLATED.saturating_sub(self.inflated));
        let refused = if place.len() > MAX_DEPTH {
            Some(format!("archives in archives, deeper than {MAX_DEPTH}"))
        } else if self.archives >= MAX_ARCHIVES {
            Some(format!("more than {MAX_ARCHIVES} archives in one file"))
        } else {
            None
        };
        let refused = refused.map(Fault::limit).or((limit == 0).then(spent));
        if let Some(fault) = refused {
            self.fault(inside, fault);
            return false;
        }
        match zip::inside(source, member, limit) {
            Ok(nested) => {
                if let Source::Memory(bytes) = &nested {
                    self.inflated = self.inflated.saturating_add(bytes.len() as u64);
                }
                let name = member.name.rsplit(|b| *b == b'/').next().unwrap_or_default();
                self.archive(&nested, &place, name, None);
            }
            Err(fault) => self.fault(&place, fault),
        }
        true
    }

    fn text(
        &mut self,
        source: &Source<'_>,
        member: &Member,
        inside: &[Vec<u8>],
    ) -> Option<Vec<u8>> {
        let limit = MAX_TEXT.min(MAX_INFLATED.saturating_sub(self.inflated));
        match zip::read(source, member, limit) {
            Ok(bytes) => {
                self.inflated = self.inflated.saturating_add(bytes.len() as u64);
                Some(bytes)
            }
            Err(fault) => {
                self.fault(inside, fault);
                None
            }
        }
    }

    fn fault(&mut self, inside: &[Vec<u8>], fault: Fault) {
        let fault = match self.faults.len() {
            MAX_FAULTS => Fault::limit(format!("more than {MAX_FAULTS} faults in one file")),
            more if more > MAX_FAULTS => return,
            _ => fault,
        };
        self.faults.push(match inside {
            [] => fault,
            inside => fault.within(text(&inside.join(b"!/".as_slice()))),
        });
    }

    /// The archive's own library, and those unpacked into it.
    fn describe(
        &mut self,
        inside: &[Vec<u8>],
        name: &[u8],
        fields: &BTreeMap<String, String>,
        mut poms: BTreeSet<Coordinates>,
        layout: Option<Coordinates>,
    ) {
        let stem = text(stem(name).unwrap_or(name));
        let by_name = by_name(&stem, fields);
        let coordinates = named(&stem, &poms)
            .or(layout)
            .or_else(|| only(&poms, fields, by_name.as_ref()))
            .or(by_name);
        if let Some(own) = &coordinates {
            poms.remove(own);
        }
        if let Some(coordinates) = coordinates {
            let details = details(fields);
            let inside = inside.to_vec();
            self.found.push(Found { inside, coordinates, is_archive: true, details });
        }
        self.found.extend(poms.into_iter().map(|coordinates| Found {
            inside: inside.to_vec(),
            coordinates,
            ..Found::default()
        }));
    }
}

fn spent() -> Fault {
    Fault::limit(format!("more than {MAX_INFLATED} bytes inflated out of one file"))
}

const MANIFEST: &[u8] = b"META-INF/MANIFEST.MF";

fn is_pom(name: &[u8]) -> bool {
    let inner = name.strip_prefix(b"META-INF/maven/");
    inner.is_some_and(|inner| inner.ends_with(b"/pom.properties"))
}

/// The project that an archive is named after.
fn named(stem: &str, poms: &BTreeSet<Coordinates>) -> Option<Coordinates> {
    let is_named = |pom: &&Coordinates| {
        let rest = stem.strip_prefix(&pom.artifact);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '.']))
    };
    poms.iter().filter(is_named).max_by_key(|pom| pom.artifact.len()).cloned()
}

/// The only project of a file that was given another name, unless the manifest says that it is
/// something else with a library in it.
fn only(
    poms: &BTreeSet<Coordinates>,
    fields: &BTreeMap<String, String>,
    by_name: Option<&Coordinates>,
) -> Option<Coordinates> {
    let mut all = poms.iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let says_version = ["implementation-version", "bundle-version", "plugin-version"]
        .iter()
        .any(|name| fields.contains_key(*name));
    let is_other = says_version && by_name.is_some_and(|own| own.version != only.version);
    (!is_other).then(|| only.clone())
}

/// By manifest and file name; `None` where neither names a version.
fn by_name(stem: &str, fields: &BTreeMap<String, String>) -> Option<Coordinates> {
    let field = |name: &str| fields.get(name).filter(|value| !value.contains("${"));
    let (name, in_name) = split_name(stem);
    // Plugins of Jenkins are called what they like.
    let artifact = field("short-name").filter(|_| field("plugin-version").is_some());
    let version = ["implementation-version", "plugin-version", "bundle-version"]
        .iter()
        .find_map(|name| field(name).cloned())
        .or(in_name.map(str::to_owned))
        .or(field("specification-version").cloned())?;
    // Some append the commit or the moment of the build.
    let version = version.split_ascii_whitespace().next().unwrap_or_default().to_owned();
    let artifact = artifact.map_or(name, String::as_str).to_owned();
    let is_known = !artifact.is_empty() && !version.is_empty();
    is_known.then(|| Coordinates { group: String::new(), artifact, version })
}

fn details(fields: &BTreeMap<String, String>) -> BTreeMap<&'static str, String> {
    let words = [
        ("title", "implementation-title"),
        ("title", "bundle-name"),
        ("vendor", "implementation-vendor"),
        ("vendor", "bundle-vendor"),
        ("licence", "bundle-license"),
        ("symbolic-name", "bundle-symbolicname"),
        ("symbolic-name", "automatic-module-name"),
        ("revision", "implementation-build"),
    ];
    let mut details = BTreeMap::new();
    for (word, field) in words {
        if let Some(value) = fields.get(field) {
            // Directives follow a name.
            let value = if word == "symbolic-name" {
                value.split(';').next()
            } else {
                Some(value.as_str())
            };
            details.entry(word).or_insert_with(|| value.unwrap_or_default().trim().to_owned());
        }
    }
    details
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ::zip::write::SimpleFileOptions;
    use ::zip::{CompressionMethod, ZipWriter};
    use std::io::{Cursor, Write};

    /// An archive of these members; nested archives are stored, as Spring Boot has them.
    pub(in crate::collect::packages::java) fn jar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            let is_stored = name.contains("stored");
            let method =
                if is_stored { CompressionMethod::Stored } else { CompressionMethod::Deflated };
            let options = SimpleFileOptions::default().compression_method(method);
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn pom(artifact: &str, version: &str) -> (String, String) {
        let text = format!("groupId=org.x\nartifactId={artifact}\nversion={version}\n");
        (format!("META-INF/maven/org.x/{artifact}/pom.properties"), text)
    }

    fn check(file: &str, bytes: &[u8], expected: &[&str]) {
        let names: Vec<&[u8]> = file.split('/').map(str::as_bytes).collect();
        let reading = Reading::of(&Source::Memory(bytes.to_vec()), &names, None);
        let found = reading.found.iter().map(|found| {
            let Coordinates { group, artifact, version } = &found.coordinates;
            let place = text(&found.inside.join(b"!/".as_slice()));
            format!("{group}:{artifact}:{version} {} {place}", u8::from(found.is_archive))
        });
        let faults = reading.faults.iter().map(|fault| fault.detail.clone());
        let seen: Vec<String> = found.chain(faults).collect();
        assert_eq!(seen, expected, "{file}");
    }

    #[test]
    fn which_library_an_archive_is() {
        let (lib, lib_text) = pom("lib", "1.0");
        let (dep, dep_text) = pom("dep", "2.0");
        let manifest = b"Implementation-Version: 3.0 abc\nBundle-Version: 3.0.0.1\n";
        let lib = (lib.as_str(), lib_text.as_bytes());
        let dep = (dep.as_str(), dep_text.as_bytes());
        let manifest = (std::str::from_utf8(MANIFEST).unwrap(), manifest.as_slice());
        check("lib-1.0.jar", &jar(&[manifest, lib]), &["org.x:lib:1.0 1 "]);
        check("app.jar", &jar(&[lib]), &["org.x:lib:1.0 1 "]);
        check("app.jar", &jar(&[manifest, lib]), &[":app:3.0 1 ", "org.x:lib:1.0 0 "]);
        check("lib.jar", &jar(&[lib, dep]), &["org.x:lib:1.0 1 ", "org.x:dep:2.0 0 "]);
        check(
            "app-9.jar",
            &jar(&[manifest, lib, dep]),
            &[":app:3.0 1 ", "org.x:dep:2.0 0 ", "org.x:lib:1.0 0 "],
        );
        check("app-9.jar", &jar(&[]), &[":app:9 1 "]);
        check("app.jar", &jar(&[("x.class", b"")]), &[]);
        check("repository/a/b/lib/1/lib-1.jar", &jar(&[]), &["a.b:lib:1 1 "]);
        check("app-9.jar", b"text", &["no ZIP archive: it has no directory at its end"]);
    }

    #[test]
    fn archives_in_archives() {
        let (lib, lib_text) = pom("lib", "1.0");
        let inner = jar(&[(&lib, lib_text.as_bytes())]);
        let war = jar(&[("WEB-INF/lib/lib-1.0.jar", &inner), ("WEB-INF/lib/odd-1.jar", b"x")]);
        let ear = jar(&[("stored/app-2.war", &war), ("stored/lib-1.0.jar", &inner)]);
        check(
            "big-3.ear",
            &ear,
            &[
                ":big:3 1 ",
                ":app:2 1 stored/app-2.war",
                "org.x:lib:1.0 1 stored/app-2.war!/WEB-INF/lib/lib-1.0.jar",
                "org.x:lib:1.0 1 stored/lib-1.0.jar",
                "stored/app-2.war!/WEB-INF/lib/odd-1.jar: \
                 no ZIP archive: it has no directory at its end",
            ],
        );
    }

    #[test]
    fn a_fault_in_every_member() {
        let names: Vec<String> = (0..200).map(|number| format!("{number}.jar")).collect();
        let members: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
        let source = Source::Memory(jar(&members));
        let faults = Reading::of(&source, &[b"a.jar"], None).faults;
        assert_eq!(faults.len(), MAX_FAULTS + 1);
        assert_eq!(faults[MAX_FAULTS].detail, "50.jar: more than 50 faults in one file");
    }

    #[test]
    fn depth_is_limited() {
        let mut bytes = jar(&[]);
        for _ in 0..10 {
            bytes = jar(&[("a.jar", &bytes)]);
        }
        let place = ["a.jar"; MAX_DEPTH].join("!/");
        check("a.jar", &bytes, &[&format!("{place}: archives in archives, deeper than 5")]);
    }
}
