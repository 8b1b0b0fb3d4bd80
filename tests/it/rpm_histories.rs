//! Histories that dnf and zypper themselves wrote in a scratch root, joined with the packages that
//! they changed.

use super::vm_drift::Kept;
use driftcheck::attribute::{Collapsed, causes, collapse};
use driftcheck::compare::{Side, compare};
use driftcheck::filesystem::directory::DirectoryFilesystem;
use driftcheck::model::{CauseKind, Confidence, Manifest, Subject};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A program with the rpm database where distributions of rpm have it; Debian's own macro says
/// otherwise.
fn tool(program: &str, work: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("HOME", work.join("home")).env("LC_ALL", "C");
    command
}

/// Whether it ran well; what it said is printed where it did not.
fn ran(command: &mut Command) -> bool {
    let Ok(output) = command.output() else { return false };
    if !output.status.success() {
        println!("{command:?}\n{}", String::from_utf8_lossy(&output.stdout));
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

fn has(programs: &[&str]) -> bool {
    let missing =
        programs.iter().find(|program| Command::new(program).arg("--version").output().is_err());
    if let Some(missing) = missing {
        println!("skipped: no {missing}");
    }
    missing.is_none()
}

const SPEC: &str = "Name: tool\nVersion: %{ver}\nRelease: 1\nSummary: t\nLicense: MIT\n\
    BuildArch: noarch\n%description\nt\n%install\nmkdir -p %{buildroot}/usr/share/tool\n\
    echo %{ver} > %{buildroot}/usr/share/tool/version\n%files\n/usr/share/tool/version\n";

/// Builds both versions; `add` puts one into the repository.
fn build(work: &Path) -> bool {
    fs::create_dir_all(work.join("home")).unwrap();
    fs::create_dir_all(work.join("repo")).unwrap();
    fs::write(work.join("home/.rpmmacros"), "%_dbpath /var/lib/rpm\n").unwrap();
    fs::write(work.join("tool.spec"), SPEC).unwrap();
    ["1.0", "2.0"].iter().all(|version| {
        let top = format!("_topdir {}", work.join("build").display());
        let mut command = tool("rpmbuild", work);
        command.args(["-bb", "--define", &top, "--define", &format!("ver {version}")]);
        ran(command.arg(work.join("tool.spec")))
    })
}

fn add(work: &Path, version: &str) -> bool {
    let name = format!("tool-{version}-1.noarch.rpm");
    fs::copy(work.join("build/RPMS/noarch").join(&name), work.join("repo").join(&name)).unwrap();
    ran(tool("createrepo_c", work).arg("-q").arg(work.join("repo")))
}

/// Scans before and after the upgrade; the package's first cause must quote the history.
fn check(work: &Path, upgrade: impl Fn(&str) -> bool, history: &str, words: &str) {
    let root = work.join("root");
    let kept = Kept::default();
    let scan = |before: Option<&Manifest>| {
        let tree = DirectoryFilesystem::open(&root).unwrap();
        kept.scan(&tree, "web", before.map(|one| &one.header))
    };
    assert!(add(work, "1.0") && upgrade("install"));
    let golden = scan(None);
    // Times of histories have seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(add(work, "2.0") && upgrade("update"));
    let current = scan(Some(&golden));
    let before = Side { manifest: &golden, source: &kept };
    let after = Side { manifest: &current, source: &kept };
    let comparison = compare(&before, &after).unwrap();
    let Collapsed { mut changes, .. } = collapse(comparison.changes, &before, &after);
    causes(&mut changes, &current.records.events, &before, &after);
    let own = changes
        .iter()
        .find(|one| matches!(&one.change.subject, Subject::Package(key) if key.name == "tool"));
    let own = own.unwrap_or_else(|| panic!("{:?}", current.records.packages));
    let cause = own.causes.first().unwrap_or_else(|| panic!("{:?}", current.records.events));
    // Whoever was logged in while the tests run is told as a person.
    assert!(matches!(cause.kind, CauseKind::PackageManager | CauseKind::Human), "{cause:?}");
    assert!(cause.confidence >= Confidence::Strong);
    let line = cause.evidence.iter().find(|one| one.path.to_string() == history);
    let line = line.unwrap_or_else(|| panic!("{cause:?}"));
    assert!(line.text.contains(words), "{}", line.text);
}

#[test]
fn dnf_upgrades_a_package() {
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|one| std::os::unix::fs::MetadataExt::uid(&one) == 0);
    if !is_root || !has(&["dnf", "rpmbuild", "createrepo_c"]) {
        println!("skipped: dnf, rpmbuild and createrepo_c as root are needed");
        return;
    }
    let work = tempfile::tempdir().unwrap();
    if !build(work.path()) {
        println!("skipped: rpmbuild does not work here");
        return;
    }
    let dnf = |verb: &str| {
        let mut command = tool("dnf", work.path());
        command.arg("-y").arg(format!("--installroot={}", work.path().join("root").display()));
        command.arg(format!("--repofrompath=local,{}", work.path().join("repo").display()));
        command.args(["--releasever=1", "--setopt=reposdir=/nonexistent", "--disableplugin=*"]);
        command.args(["--setopt=local.gpgcheck=0", "--refresh"]);
        ran(command.args([if verb == "update" { "upgrade" } else { verb }, "tool"]))
    };
    check(work.path(), dnf, "/var/lib/dnf/history.sqlite", "upgrade tool");
}

#[test]
fn zypper_updates_a_package() {
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|one| std::os::unix::fs::MetadataExt::uid(&one) == 0);
    if !is_root || !has(&["zypper", "rpmbuild", "createrepo_c"]) {
        println!("skipped: zypper, rpmbuild and createrepo_c as root are needed");
        return;
    }
    let work = tempfile::tempdir().unwrap();
    if !build(work.path()) {
        println!("skipped: rpmbuild does not work here");
        return;
    }
    let root = work.path().join("root");
    fs::create_dir_all(&root).unwrap();
    let zypper = |verb: &str| {
        let mut command = tool("zypper", work.path());
        command.args(["-n", "--root"]).arg(&root).arg("--no-gpg-checks");
        if verb == "install" {
            let mut repository = tool("zypper", work.path());
            repository.args(["-n", "--root"]).arg(&root).args(["ar", "-G"]);
            let url = format!("file://{}", work.path().join("repo").display());
            if !ran(repository.args([&url, "local"])) {
                return false;
            }
        }
        let mut refresh = tool("zypper", work.path());
        refresh.args(["-n", "--root"]).arg(&root).args(["--no-gpg-checks", "ref", "-f"]);
        ran(&mut refresh) && ran(command.args([verb, "-y", "tool"]))
    };
    check(work.path(), zypper, "/var/log/zypp/history", "tool|2.0-1|noarch");
}
