//! Perl distributions from CPAN, as far as their installers recorded them: `.packlist` (what was
//! installed), `perllocal.pod` (a journal with versions), and cpanm's `.meta/*/install.json`.
//!
//! Packagers of distributions remove all three, and a module without them is a file like others. A
//! packlist names no version; the journal or cpanm does, else it is not known. Files of a packlist
//! are claimed; no digests are recorded.
//! <https://perldoc.perl.org/ExtUtils::Packlist>, <https://perldoc.perl.org/perllocal>

use super::copies::{Copy, tell_apart};
use super::json::{needs, word};
use super::place::{MAX_PATH, Places};
use super::purl::{Parts, purl};
use super::{installed, text};
use crate::collect::reader::{Reader, below};
use crate::collect::{Collector, View};
use crate::model::{Claim, Expectation, Fault, Package, Records, ShippedSource, Stage, TreePath};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Reads what installers of Perl modules recorded.
pub static COLLECTOR: Collector = Collector {
    name: "cpan",
    version: 1,
    summary: "Perl distributions that CPAN clients recorded, with their files",
    wanted: &[".packlist", "perllocal.pod", "install.json"],
    collect,
};

/// The journal grows with every installation; some MB after years.
const MAX_SIZE: u64 = 32 * 1024 * 1024;

/// Of all packlists together.
const MAX_CLAIMS: usize = 1_000_000;

/// The system's own places.
const ORDINARY: [&str; 3] = ["/usr/local/lib", "/usr/local/share", "/usr/lib"];

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let (found, packlists) = gather(&mut reader, view.found);
    let ordinary = ORDINARY.map(TreePath::parse);
    let mut copies: Vec<Copy> = found
        .into_iter()
        .map(|((place, name), found)| {
            let is_ordinary = ordinary.iter().any(|top| place.is_at_or_below(top));
            Copy { package: found.package(name), place, is_ordinary }
        })
        .collect();
    tell_apart(&mut copies);
    let mut places = Places::new(view.filesystem);
    for Copy { package, place, .. } in copies {
        if let Some(path) = packlists.get(&(place, package.key.name.clone())) {
            claim(&mut reader, &mut places, path, &package);
        }
        reader.records.packages.push(package);
    }
}

/// What is known of one distribution in one place.
#[derive(Clone, Debug, Default)]
struct Found {
    version: Option<String>,
    /// Of CPAN, in capitals.
    author: Option<String>,
    needs: Option<String>,
    /// The best of the files that say so: cpanm's, then the packlist, then the journal.
    evidence: Option<TreePath>,
}

/// By place and distribution.
type ByName<T> = BTreeMap<(TreePath, String), T>;

/// Reads every kind of record; the packlists are only noted.
fn gather(reader: &mut Reader<'_>, paths: &[TreePath]) -> (ByName<Found>, ByName<TreePath>) {
    let mut found = ByName::<Found>::new();
    let mut packlists = ByName::new();
    let of = |name: &[u8]| -> Vec<&TreePath> {
        paths.iter().filter(|path| path.file_name() == Some(name)).collect()
    };
    for path in of(b"install.json") {
        let meta = path.parent().and_then(|folder| folder.parent());
        let Some(meta) = meta.filter(|meta| meta.file_name() == Some(b".meta")) else { continue };
        let (Some(place), Some(bytes)) = (meta.parent(), reader.file(path)) else { continue };
        let Some((name, mut read)) = reader.keep(path, install(&bytes)) else { continue };
        let mymeta = path.parent().map(|folder| below(&folder, "MYMETA.json"));
        if let Some(bytes) = mymeta.and_then(|path| reader.file(&path)) {
            read.needs = requires(&bytes);
        }
        read.evidence = Some(path.clone());
        found.insert((place, name), read);
    }
    for path in of(b".packlist") {
        let Some((place, name)) = of_packlist(path) else { continue };
        let entry = found.entry((place.clone(), name.clone())).or_default();
        entry.evidence.get_or_insert_with(|| path.clone());
        packlists.insert((place, name), path.clone());
    }
    for path in of(b"perllocal.pod") {
        let (Some(place), Some(bytes)) = (path.parent(), reader.file(path)) else { continue };
        for (name, version) in journal(&bytes) {
            let entry = found.entry((place.clone(), name)).or_default();
            entry.evidence.get_or_insert_with(|| path.clone());
            // cpanm names the distribution's version, the journal the module's.
            entry.version.get_or_insert(version);
        }
    }
    (found, packlists)
}

impl Found {
    fn package(self, name: String) -> Package {
        let evidence = self.evidence.unwrap_or_else(TreePath::root);
        let mut package = installed("cpan", name, self.version.unwrap_or_default(), &evidence);
        if let Some(needs) = self.needs {
            package.details.insert("depends".to_owned(), needs);
        }
        let parts = Parts {
            namespace: self.author.as_deref(),
            name: &package.key.name,
            version: Some(&package.version),
            ..Parts::default()
        };
        package.purl = purl("cpan", parts);
        package
    }
}

/// `PLACE/auto/Foo/Bar/.packlist`; `None` for Perl's own, which has no `auto` around it.
fn of_packlist(path: &TreePath) -> Option<(TreePath, String)> {
    let names: Vec<&[u8]> = path.names().collect();
    let auto = names.iter().rposition(|name| *name == b"auto")?;
    let (place, module) = names.split_at_checked(auto)?;
    let module = module.get(1..module.len().checked_sub(1)?)?;
    let words: Vec<String> = module.iter().map(|word| text(word)).collect();
    let place = TreePath::parse(place.join(&b'/'));
    (!words.is_empty()).then(|| (place, words.join("-")))
}

/// What cpanm wrote of one distribution; `None` where the file is of somebody else.
fn install(bytes: &[u8]) -> Result<Option<(String, Found)>, Fault> {
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(bytes) else {
        return Err(Fault::damaged("no JSON object"));
    };
    let (Some(whole), Some(version)) = (word(&fields, "dist"), word(&fields, "version")) else {
        return Ok(None);
    };
    // Foo-Bar-1.02: versions are written in many ways, so the last hyphen is what counts.
    let name = whole.strip_suffix(&format!("-{version}"));
    let name = name.or(whole.rsplit_once('-').map(|(name, _)| name)).unwrap_or(&whole);
    // A/AU/AUTHOR/Foo-Bar-1.02.tar.gz
    let author = word(&fields, "pathname").and_then(|path| {
        let author = path.rsplit('/').nth(1)?.to_owned();
        let is_author = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
        author.bytes().all(is_author).then_some(author)
    });
    Ok(Some((name.to_owned(), Found { version: Some(version), author, ..Found::default() })))
}

/// What running the distribution takes (CPAN::Meta::Spec 2), by modules.
fn requires(bytes: &[u8]) -> Option<String> {
    let fields: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    needs(fields.get("prereqs")?.get("runtime")?.get("requires")?)
}

/// The last entry of each module in the journal:
/// `=head2 TIME: C<Module> L<Foo::Bar|Foo::Bar>`, then items with `C<VERSION: 1.02>`.
fn journal(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    let mut module = None;
    let between = |line: &[u8], open: &str, close: &[u8]| -> Option<String> {
        let open = open.as_bytes();
        let start = line.windows(open.len()).position(|w| w == open)?.checked_add(open.len())?;
        let rest = line.get(start..)?;
        let end = rest.iter().position(|b| close.contains(b))?;
        Some(text(rest.get(..end)?.trim_ascii()))
    };
    for line in bytes.split(|b| *b == b'\n') {
        if line.starts_with(b"=head2 ") {
            module = between(line, "C<Module> L<", b"|>").map(|name| name.replace("::", "-"));
        } else if let Some(version) = between(line, "C<VERSION: ", b">")
            && let Some(module) = module.as_ref().filter(|module| !module.is_empty())
        {
            versions.insert(module.clone(), version);
        }
    }
    versions
}

/// Every line is a path, with `NAME=VALUE` pairs behind it that say nothing of the bytes.
fn claim(reader: &mut Reader<'_>, places: &mut Places<'_>, path: &TreePath, package: &Package) {
    let Some(bytes) = reader.file(path) else { return };
    let key = Arc::new(package.key.clone());
    let lines: BTreeSet<&[u8]> = bytes.split(|b| *b == b'\n').map(path_of_line).collect();
    if reader.records.claims.len().saturating_add(lines.len()) > MAX_CLAIMS {
        reader.gap(path, format!("more than {MAX_CLAIMS} files of all packlists"));
        return;
    }
    for line in lines.into_iter().filter(|line| line.first() == Some(&b'/')) {
        if let Some(path) = places.entry(line).filter(|_| line.len() <= MAX_PATH) {
            let expectation = Expectation::owned(ShippedSource::File);
            reader.records.claims.push(Claim { path, package: Arc::clone(&key), expectation });
        }
    }
}

/// A path may hold spaces; what follows it are words like `type=file`.
fn path_of_line(line: &[u8]) -> &[u8] {
    let mut path = line.trim_ascii();
    while let Some(space) = path.iter().rposition(|b| *b == b' ') {
        let (before, word) = path.split_at(space);
        let name = word.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii();
        let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_lowercase);
        let is_pair = is_name && word.contains(&b'=');
        if !is_pair {
            break;
        }
        path = before.trim_ascii_end();
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    const JOURNAL: &str = "\
=head2 Tue Mar  5 10:00:00 2024: C<Module> L<Foo::Bar|Foo::Bar>\n\n=over 4\n\n=item *\n\n\
C<installed into: /usr/local/share/perl/5.36.0>\n\n=item *\n\nC<LINKTYPE: dynamic>\n\n=item *\n\n\
C<VERSION: 1.01>\n\n=item *\n\nC<EXE_FILES: bin/foo>\n\n=back\n\n\
=head2 Wed Mar  6 10:00:00 2024: C<Module> L<Foo::Bar|Foo::Bar>\n\nC<VERSION: 1.02>\n\n\
=head2 Wed Mar  6 10:00:01 2024: C<Other> x\n\nC<VERSION: 9>\n";

    #[test]
    fn what_records_say() {
        let seen = journal(JOURNAL.as_bytes());
        assert_eq!(seen, BTreeMap::from([("Foo-Bar".to_owned(), "1.02".to_owned())]));
        let check = |path: &str, expected: Option<(&str, &str)>| {
            let seen = of_packlist(&TreePath::parse(path));
            let seen = seen.as_ref().map(|(place, name)| (place.to_string(), name.as_str()));
            let expected = expected.map(|(place, name)| (place.to_owned(), name));
            assert_eq!(seen, expected, "{path}");
        };
        check(
            "/usr/local/lib/perl/5/auto/Foo/Bar/.packlist",
            Some(("/usr/local/lib/perl/5", "Foo-Bar")),
        );
        check("/usr/lib/perl/5/.packlist", None);
        check("/auto/.packlist", None);
        let check = |line: &str, expected: &str| {
            assert_eq!(text(path_of_line(line.as_bytes())), expected);
        };
        check("/usr/bin/foo type=file", "/usr/bin/foo");
        check("/a b/c from=/x type=link", "/a b/c");
        check("/a=b", "/a=b");
    }

    #[test]
    fn records_of_one_distribution_are_put_together() {
        let place = "/usr/local/lib/x86_64-linux-gnu/perl/5.36.0";
        let files = [
            (
                format!("{place}/.meta/Foo-Bar-1.02/install.json"),
                r#"{"dist": "Foo-Bar-1.02",
                "name": "Foo::Bar", "version": "1.02", "pathname": "M/ME/ME/Foo-Bar-1.02.tar.gz",
                "target": "Foo::Bar", "provides": {}}"#,
            ),
            (
                format!("{place}/auto/Foo/Bar/.packlist"),
                "/usr/local/share/perl/Foo/Bar.pm\n/usr/local/bin/foo type=file\n",
            ),
            (format!("{place}/perllocal.pod"), JOURNAL),
            ("/home/me/perl5/lib/perl5/x/auto/Baz/.packlist".to_owned(), ""),
            ("/srv/install.json".to_owned(), "{"),
            ("/srv/.meta/x/install.json".to_owned(), "{"),
        ];
        let mut tree = MemoryFilesystem::new();
        for (path, bytes) in &files {
            tree.file(path, bytes);
        }
        tree.file(
            &format!("{place}/.meta/Foo-Bar-1.02/MYMETA.json"),
            r#"{"prereqs": {"runtime": {"requires": {"perl": "5.008", "Carp": 0}}}}"#,
        );
        let found: Vec<TreePath> = files.iter().map(|(path, _)| TreePath::parse(path)).collect();
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &found }, &mut records);
        let package = |p: &Package| format!("{} {} {:?}", p.key, p.purl, p.details.get("depends"));
        assert_eq!(
            records.packages.iter().map(package).collect::<Vec<_>>(),
            [
                "Foo-Bar pkg:cpan/ME/Foo-Bar@1.02 Some(\"Carp *, perl 5.008\")",
                "Baz [/home/me/perl5/lib/perl5/x] pkg:cpan/Baz None",
            ]
        );
        let claims: Vec<String> = records.claims.iter().map(|c| c.path.to_string()).collect();
        assert_eq!(claims, ["/usr/local/bin/foo", "/usr/local/share/perl/Foo/Bar.pm"]);
        assert_eq!(records.gaps.len(), 1);
    }
}
