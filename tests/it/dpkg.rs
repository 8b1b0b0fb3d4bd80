//! Debian's package database against dpkg-query and the kernel's path resolution, on this host.

use super::ext4_journal::fixture;
use driftcheck::collect::View;
use driftcheck::collect::packages::dpkg;
use driftcheck::filesystem::Filesystem;
use driftcheck::filesystem::directory::DirectoryFilesystem;
use driftcheck::filesystem::resolve::read_file;
use driftcheck::model::{Records, TreePath};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn host() -> Records {
    collected(&DirectoryFilesystem::open(Path::new("/")).unwrap())
}

fn collected(filesystem: &dyn Filesystem) -> Records {
    let mut records = Records::default();
    (dpkg::COLLECTOR.collect)(&View { filesystem, found: &[] }, &mut records);
    records
}

fn query(arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("dpkg-query").env("LC_ALL", "C").args(arguments).output();
    match output {
        Ok(output) => Some(output.stdout),
        Err(error) => {
            println!("skipped: dpkg-query: {error}");
            None
        }
    }
}

#[test]
fn packages_are_those_of_dpkg_query() {
    let format = "${Package}\t${Architecture}\t${Version}\t${db:Status-Want} \
                  ${db:Status-Status}\t${Maintainer}\t${Depends}\n";
    let Some(expected) = query(&["-W", "-f", format]) else { return };
    let expected = String::from_utf8(expected).unwrap();
    let mut expected: Vec<String> = expected
        .lines()
        .filter(|line| !line.contains(" not-installed\t"))
        .map(str::to_owned)
        .collect();
    expected.sort();
    let mut seen = Vec::new();
    for package in host().packages {
        let detail = |key: &str| package.details.get(key).cloned().unwrap_or_default();
        let status = match package.state.strip_prefix("hold ") {
            Some(state) => format!("hold {state}"),
            None if package.state == "config-files" => "deinstall config-files".to_owned(),
            None => format!("install {}", package.state),
        };
        seen.push(
            [
                package.key.name.clone(),
                package.key.architecture.clone().unwrap_or_default(),
                package.version.clone(),
                status,
                detail("maintainer"),
                detail("depends"),
            ]
            .join("\t"),
        );
    }
    seen.sort();
    assert_eq!(seen, expected);
}

#[test]
fn packages_of_a_disk_image_are_those_of_dpkg_query() {
    let folder = tempfile::tempdir().unwrap();
    let Some(image) = fixture(folder.path(), "golden") else { return };
    let status = TreePath::parse("/var/lib/dpkg/status");
    let status = read_file(&image, &status, 1 << 30).unwrap().unwrap();
    std::fs::write(folder.path().join("status"), status).unwrap();
    let database = format!("--admindir={}", folder.path().display());
    let format = "${Package} ${Architecture} ${Version} ${db:Status-Status}\n";
    let Some(expected) = query(&[&database, "-W", "-f", format]) else { return };
    let records = collected(&image);
    assert_eq!(records.gaps, []);
    let seen: BTreeSet<String> = records
        .packages
        .iter()
        .map(|package| {
            let architecture = package.key.architecture.as_deref().unwrap_or_default();
            format!("{} {architecture} {} {}", package.key.name, package.version, package.state)
        })
        .collect();
    let expected = String::from_utf8(expected).unwrap();
    assert_eq!(seen, expected.lines().map(str::to_owned).collect());
    assert!(!records.claims.is_empty());
}

#[test]
fn owned_paths_are_those_of_the_lists_where_they_lie() {
    if !Path::new("/var/lib/dpkg/status").exists() {
        println!("skipped: no dpkg database");
        return;
    }
    let records = host();
    let seen: BTreeSet<Vec<u8>> =
        records.claims.iter().map(|claim| claim.path.as_bytes().to_vec()).collect();
    let mut lists = Vec::new();
    for entry in std::fs::read_dir("/var/lib/dpkg/info").unwrap() {
        let path = entry.unwrap().path();
        if path.extension() == Some(OsStr::new("list")) {
            lists.extend(std::fs::read(path).unwrap());
        }
    }
    let mut directories: HashMap<PathBuf, PathBuf> = HashMap::new();
    let mut expected = BTreeSet::new();
    for line in lists.split(|b| *b == b'\n').filter(|line| !line.is_empty() && *line != b"/.") {
        let path = Path::new(OsStr::from_bytes(line));
        let parent = path.parent().unwrap();
        let real = directories
            .entry(parent.to_owned())
            .or_insert_with(|| std::fs::canonicalize(parent).unwrap_or_else(|_| parent.to_owned()));
        let entry = real.join(path.file_name().unwrap());
        let followed = std::fs::canonicalize(&entry).unwrap_or_else(|_| entry.clone());
        let is_there = seen.contains(entry.as_os_str().as_bytes())
            || (followed.is_dir() && seen.contains(followed.as_os_str().as_bytes()));
        if !is_there {
            expected.insert(entry);
        }
    }
    // All that is missing is diverted: its other place is claimed.
    let diversions = std::fs::read("/var/lib/dpkg/diversions").unwrap_or_default();
    let diversions = String::from_utf8_lossy(&diversions).into_owned();
    let from: BTreeSet<&Path> = diversions.lines().step_by(3).map(Path::new).collect();
    expected.retain(|path| !from.contains(path.as_path()));
    assert!(expected.is_empty(), "{expected:?}");
    assert!(seen.len() > 100);
}
