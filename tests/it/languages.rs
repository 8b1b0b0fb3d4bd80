//! Language packages against who installed them, on this host: importlib.metadata, npm, RubyGems,
//! R, Go, and Python's reader of archives.

use driftcheck::collect::packages::{executables, gem, java, npm, python, r};
use driftcheck::collect::{Collector, View};
use driftcheck::filesystem::directory::DirectoryFilesystem;
use driftcheck::model::{Package, PackageKey, Records, TreePath};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Paths below some folders that the collector wants, as the walk would find them.
fn found(collector: &Collector, tops: &[PathBuf]) -> Vec<TreePath> {
    let is_wanted = |name: &[u8]| {
        collector.wanted.iter().any(|pattern| match pattern.strip_prefix('*') {
            Some(end) => name.ends_with(end.as_bytes()),
            None => name == pattern.as_bytes(),
        })
    };
    let mut found = BTreeSet::new();
    for top in tops {
        for entry in walkdir::WalkDir::new(top).into_iter().filter_map(Result::ok) {
            if is_wanted(entry.file_name().as_bytes()) {
                found.insert(TreePath::parse(entry.path().as_os_str().as_bytes()));
            }
        }
    }
    found.into_iter().collect()
}

fn collected(collector: &Collector, tops: &[PathBuf]) -> Records {
    let filesystem = DirectoryFilesystem::open(Path::new("/")).unwrap();
    let mut records = Records::default();
    let found = found(collector, tops);
    (collector.collect)(&View { filesystem: &filesystem, found: &found }, &mut records);
    records
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) if !output.stdout.is_empty() => {
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => {
            println!("skipped: {program}: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => {
            println!("skipped: {program}: {error}");
            None
        }
    }
}

/// Every distribution of the interpreter: where its metadata lie, its version, and how many
/// digests it records.
const DISTRIBUTIONS: &str = "
import csv, importlib.metadata, os
for d in importlib.metadata.distributions():
    path = os.path.realpath(str(d._path))
    if 'site-packages' in path or 'dist-packages' in path:
        rows = csv.reader((d.read_text('RECORD') or '').splitlines())
        files = sum(1 for row in rows if len(row) > 1 and row[1])
        print(path, d.metadata['Name'], d.version, files, sep='\\t')
";

#[test]
fn python_is_what_importlib_says() {
    let Some(expected) = output("python3", &["-c", DISTRIBUTIONS]) else { return };
    let rows: Vec<Vec<&str>> = expected.lines().map(|line| line.split('\t').collect()).collect();
    let tops: BTreeSet<PathBuf> =
        rows.iter().filter_map(|row| Path::new(row[0]).parent().map(Path::to_owned)).collect();
    let tops: Vec<PathBuf> = tops.into_iter().collect();
    let records = collected(&python::COLLECTOR, &tops);
    let metadata = |package: &Package| -> PathBuf {
        let evidence = Path::new(OsStr::from_bytes(package.evidence.as_bytes()));
        let is_file = evidence.extension().is_some_and(|end| end == "egg-info");
        if is_file { evidence.to_owned() } else { evidence.parent().unwrap().to_owned() }
    };
    let direct = |package: &&Package| {
        metadata(package).parent().is_some_and(|site| tops.iter().any(|top| top == site))
    };
    let mut digests = HashMap::<&PackageKey, usize>::new();
    for claim in records.claims.iter().filter(|claim| claim.expectation.digest.is_some()) {
        *digests.entry(&claim.package).or_default() += 1;
    }
    let seen: BTreeSet<String> = records
        .packages
        .iter()
        .filter(direct)
        .map(|package| {
            let count = digests.get(&package.key).copied().unwrap_or_default();
            format!("{}\t{}\t{count}", metadata(package).display(), package.version)
        })
        .collect();
    let expected: BTreeSet<String> =
        rows.iter().map(|row| format!("{}\t{}\t{}", row[0], row[2], row[3])).collect();
    assert_eq!(seen, expected);
}

#[test]
fn npm_reaches_no_further() {
    let Some(listed) = output("npm", &["ls", "--global", "--all", "--parseable"]) else { return };
    let mut lines = listed.lines();
    let Some(top) = lines.next() else { return };
    let top = PathBuf::from(top);
    let records = collected(&npm::COLLECTOR, std::slice::from_ref(&top));
    let seen: BTreeSet<PathBuf> = records
        .packages
        .iter()
        .map(|package| Path::new(OsStr::from_bytes(package.evidence.as_bytes())))
        .filter_map(|evidence| evidence.parent().map(Path::to_owned))
        .collect();
    let missing: Vec<&str> =
        lines.filter(|line| Path::new(line) != top && !seen.contains(Path::new(line))).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(records.packages.iter().all(|package| !package.purl.is_empty()));
}

/// Packages as lines of a name and a version.
fn names_and_versions(records: &Records) -> BTreeSet<String> {
    let line = |package: &Package| format!("{} {}", package.key.name, package.version);
    records.packages.iter().map(line).collect()
}

#[test]
fn gems_are_what_rubygems_lists() {
    let script =
        "Gem::Specification.each { |s| puts [s.loaded_from, s.name, s.version].join(9.chr) }";
    let Some(listed) = output("ruby", &["-e", script]) else { return };
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    let tops: BTreeSet<PathBuf> =
        rows.iter().filter_map(|row| Path::new(row[0]).parent().map(Path::to_owned)).collect();
    let tops: Vec<PathBuf> = tops.into_iter().collect();
    let records = collected(&gem::COLLECTOR, &tops);
    let expected: BTreeSet<String> =
        rows.iter().map(|row| format!("{} {}", row[1], row[2])).collect();
    let seen = names_and_versions(&records);
    let missing: Vec<&String> = expected.difference(&seen).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(records.gaps.is_empty(), "{:?}", records.gaps);
}

#[test]
fn r_packages_are_what_r_lists() {
    let script = "write.table(installed.packages()[, c('LibPath', 'Package', 'Version')], \
                  sep = intToUtf8(9), quote = FALSE, row.names = FALSE, col.names = FALSE)";
    let Some(listed) = output("Rscript", &["-e", script]) else { return };
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    let tops: BTreeSet<PathBuf> = rows.iter().map(|row| PathBuf::from(row[0])).collect();
    let tops: Vec<PathBuf> = tops.into_iter().collect();
    let seen = names_and_versions(&collected(&r::COLLECTOR, &tops));
    let expected: BTreeSet<String> =
        rows.iter().map(|row| format!("{} {}", row[1], row[2])).collect();
    assert_eq!(seen, expected);
}

#[test]
fn build_information_is_what_go_reads() {
    let Some(root) = output("go", &["env", "GOROOT"]) else { return };
    let tools = Path::new(root.trim()).join("bin");
    let filesystem = DirectoryFilesystem::open(Path::new("/")).unwrap();
    for name in ["go", "gofmt"] {
        let Ok(program) = tools.join(name).canonicalize() else { continue };
        let Some(listed) = output("go", &["version", "-m", &program.to_string_lossy()]) else {
            return;
        };
        let mut records = Records::default();
        let found = [TreePath::parse(program.as_os_str().as_bytes())];
        let view = View { filesystem: &filesystem, found: &found };
        (executables::COLLECTOR.collect)(&view, &mut records);
        let mut expected = BTreeSet::new();
        for line in listed.lines() {
            let fields: Vec<&str> = line.trim().split('\t').collect();
            match fields.as_slice() {
                ["mod" | "dep", path, version, ..] => expected.insert(format!("{path} {version}")),
                [first] => first
                    .rsplit_once(": go")
                    .is_some_and(|(_, version)| expected.insert(format!("stdlib {version}"))),
                _ => false,
            };
        }
        let seen: BTreeSet<String> =
            records.packages.iter().map(|p| format!("{} {}", p.key.name, p.version)).collect();
        assert_eq!(seen, expected, "{}", program.display());
        assert!(records.gaps.is_empty());
    }
}

/// Every project that a jar of the system names, by another reader of archives.
const PROJECTS: &str = "
import glob, os, sys, zipfile
for path in glob.glob('/usr/share/java/**/*.jar', recursive=True):
    if os.path.islink(path):
        continue
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith('META-INF/maven/') and name.endswith('/pom.properties'):
                lines = archive.read(name).decode('utf-8', 'replace').splitlines()
                of = dict(line.split('=', 1) for line in lines if '=' in line and line[0] != '#')
                print(of['groupId'].strip() + ':' + of['artifactId'].strip(), of['version'].strip())
";

#[test]
fn jars_of_this_host_are_read() {
    let top = PathBuf::from("/usr/share/java");
    if !top.exists() {
        println!("skipped: no {}", top.display());
        return;
    }
    let Some(listed) = output("python3", &["-c", PROJECTS]) else { return };
    let records = collected(&java::COLLECTOR, &[top]);
    let seen = names_and_versions(&records);
    let expected: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    let missing: Vec<&String> = expected.difference(&seen).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(records.gaps.is_empty(), "{:?}", records.gaps);
}
