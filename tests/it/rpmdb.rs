//! rpm databases against what is known of them: three fixtures in the three forms, and a database
//! that Debian's rpm makes here.

use crate::support::fixture;
use driftcheck::collect::View;
use driftcheck::collect::os_release::OsRelease;
use driftcheck::collect::packages::rpm::{self, Form, Header};
use driftcheck::filesystem::directory::DirectoryFilesystem;
use driftcheck::filesystem::memory::MemoryFilesystem;
use driftcheck::model::{Records, TreePath};
use std::collections::BTreeSet;
use std::process::Command;

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn check(folder: &str, file: &str, form: Form) {
    let Some(folder) = fixture(&format!("rpmdb/{folder}")) else { return };
    let mut packages = Vec::new();
    let mut files = Vec::new();
    let mut database = std::fs::read(folder.join(file)).unwrap();
    let faults = rpm::each_blob(form, &mut database, &mut |blob| {
        let header = Header::parse(blob).unwrap();
        let package = rpm::package(&header, &OsRelease::default(), &TreePath::root()).unwrap();
        let (epoch, rest) = match package.version.split_once(':') {
            Some((epoch, rest)) => (epoch, rest),
            None => ("(none)", package.version.as_str()),
        };
        let (version, release) = rest.rsplit_once('-').unwrap();
        let architecture = package.key.architecture.as_deref().unwrap_or("(none)");
        let detail = |key| package.details.get(key).map_or("", String::as_str);
        let installed = package.installed_at.unwrap().seconds;
        packages.push(format!(
            "{}\t{epoch}\t{version}\t{release}\t{architecture}\t{installed}\t{}\t{}",
            package.key.name,
            detail("vendor"),
            detail("licence"),
        ));
        for file in rpm::files(&header).unwrap() {
            files.push(format!(
                "{}\t{}\t{}\t{:o}\t{}\t{}",
                package.key.name,
                lossy(&file.path),
                lossy(file.digest),
                file.mode,
                lossy(file.user),
                lossy(file.group),
            ));
        }
    });
    assert!(faults.unwrap().is_empty());
    for (mut seen, truth) in [(packages, "packages.tsv"), (files, "files.tsv")] {
        let truth = std::fs::read_to_string(folder.join(truth)).unwrap();
        let mut truth: Vec<&str> = truth.lines().collect();
        truth.sort_unstable();
        seen.sort_unstable();
        let differing = seen.iter().zip(&truth).find(|(seen, truth)| seen != truth);
        assert_eq!(differing, None);
        assert_eq!(seen.len(), truth.len());
    }
}

#[test]
fn sqlite_is_as_known() {
    check("sqlite-cbl-mariner-2.0", "rpmdb.sqlite", Form::Sqlite);
}

#[test]
fn ndb_is_as_known() {
    check("ndb-sle15-bci", "Packages.db", Form::Ndb);
}

#[test]
fn berkeley_db_is_as_known() {
    check("bdb-libuuid", "Packages", Form::BerkeleyDb);
}

#[test]
fn damaged_databases_do_no_harm() {
    for (folder, file, form) in
        [("ndb-sle15-bci", "Packages.db", Form::Ndb), ("bdb-libuuid", "Packages", Form::BerkeleyDb)]
    {
        let Some(folder) = fixture(&format!("rpmdb/{folder}")) else { return };
        let whole = std::fs::read(folder.join(file)).unwrap();
        // A fixed sequence of places and values: the same every time.
        let mut state = 0x2545_f491_u32;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            usize::try_from(state).unwrap()
        };
        for _ in 0..60 {
            let mut damaged = whole[..64 * 1024].to_vec();
            for _ in 0..40 {
                let at = next() % damaged.len();
                damaged[at] = next().to_le_bytes()[0];
            }
            let mut tree = MemoryFilesystem::new();
            tree.file(&format!("/var/lib/rpm/{file}"), &damaged);
            let mut records = Records::default();
            (rpm::COLLECTOR.collect)(&View { filesystem: &tree, found: &[] }, &mut records);
            let _ = rpm::each_blob(form, &mut damaged, &mut |_| ());
        }
    }
}

const SPEC: &str = "Name: sample\nEpoch: 2\nVersion: 1.0~rc1\nRelease: 3\nSummary: s\nLicense: MIT\n\
    Vendor: Someone\nBuildArch: noarch\nRequires: bash >= 5\nAutoReqProv: no\n\
    %description\nd\n\
    %install\nmkdir -p %{buildroot}/etc %{buildroot}/usr/bin\n\
    echo conf > %{buildroot}/etc/sample.conf\necho tool > %{buildroot}/usr/bin/sample\n\
    ln -s sample %{buildroot}/usr/bin/link\n\
    %files\n%config(noreplace) %attr(640,root,adm) /etc/sample.conf\n\
    %attr(4755,root,root) /usr/bin/sample\n/usr/bin/link\n%ghost /etc/ghost\n";

fn run(command: &mut Command) -> Option<String> {
    match command.env("LC_ALL", "C").output() {
        Ok(output) if output.status.success() => Some(lossy(&output.stdout)),
        Ok(output) => {
            println!("skipped: {command:?}: {}", lossy(&output.stderr));
            None
        }
        Err(error) => {
            println!("skipped: {command:?}: {error}");
            None
        }
    }
}

#[test]
fn a_database_that_rpm_made_here() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let top = folder.path().join("build");
    std::fs::create_dir_all(root.join("var/lib/rpm")).unwrap();
    let spec = folder.path().join("sample.spec");
    std::fs::write(&spec, SPEC.replace("%ghost /etc/ghost\n", "")).unwrap();
    let top_dir = format!("_topdir {}", top.display());
    let mut build = Command::new("rpmbuild");
    build.args(["-bb", "--quiet", "--define", &top_dir]).arg(&spec);
    if run(&mut build).is_none() {
        return;
    }
    let made = top.join("RPMS/noarch/sample-1.0~rc1-3.noarch.rpm");
    let options = ["--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite"];
    let in_root = |command: &mut Command, arguments: &[&str]| {
        run(command.arg("--root").arg(&root).args(options).args(arguments))
    };
    let made = made.to_str().unwrap();
    let install = ["-i", "--justdb", "--nodeps", "--noscripts", "--nosignature", made];
    if in_root(&mut Command::new("rpm"), &install).is_none() {
        return;
    }
    let filesystem = DirectoryFilesystem::open(&root).unwrap();
    let mut records = Records::default();
    (rpm::COLLECTOR.collect)(&View { filesystem: &filesystem, found: &[] }, &mut records);
    assert_eq!(records.gaps, []);
    let [package] = records.packages.as_slice() else { panic!("{:?}", records.packages) };
    assert_eq!(package.version, "2:1.0~rc1-3");
    assert_eq!(package.details["depends"], "bash >= 5");
    let format = "[%{FILENAMES} %{FILEDIGESTS} %{FILESIZES}\n]";
    let query = ["-q", "--qf", format, "sample"];
    let Some(expected) = in_root(&mut Command::new("rpm"), &query) else { return };
    let paths = |line: &str| line.split(' ').next().unwrap().to_owned();
    let expected: BTreeSet<String> = expected.lines().map(paths).collect();
    let seen: BTreeSet<String> =
        records.claims.iter().map(|claim| claim.path.to_string()).collect();
    assert_eq!(seen, expected);
    let conf = records.claims.iter().find(|c| c.path.to_string() == "/etc/sample.conf").unwrap();
    assert_eq!(conf.expectation.mode, Some(0o640));
    assert_eq!(conf.expectation.group.as_deref(), Some("adm"));
    assert_eq!(conf.expectation.size, Some(5));
}
