//! `show --packages --verify` against `rpm -Va`, path by path and attribute by attribute, on a root
//! that Debian's rpm makes here from a package that it builds here.

use super::support::{driftcheck, json};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const SPEC: &str = "Name: sample\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n\
    BuildArch: noarch\nAutoReqProv: no\n%global __os_install_post %{nil}\n\
    %description\nd\n\
    %install\nmkdir -p %{buildroot}/etc %{buildroot}/usr/bin %{buildroot}/usr/share/dir\n\
    for n in conf noreplace optional; do echo $n > %{buildroot}/etc/$n; done\n\
    for n in ok size bytes mode setuid owner group gone kind becomes-link capable lost other \
    unchecked text all; do echo $n > %{buildroot}/usr/bin/$n; done\n\
    ln -s ok %{buildroot}/usr/bin/link\nln -s ok %{buildroot}/usr/bin/same-link\n\
    %files\n%config /etc/conf\n%config(noreplace) /etc/noreplace\n\
    %config(missingok) /etc/optional\n%ghost %attr(600,root,root) /etc/ghost\n\
    %ghost /etc/absent-ghost\n%dir %attr(750,root,adm) /usr/share/dir\n\
    /usr/bin/ok\n/usr/bin/size\n/usr/bin/bytes\n/usr/bin/mode\n/usr/bin/owner\n/usr/bin/group\n\
    %attr(4755,root,root) /usr/bin/setuid\n/usr/bin/gone\n/usr/bin/kind\n/usr/bin/becomes-link\n\
    %caps(cap_net_raw,cap_net_admin=ep) /usr/bin/capable\n%caps(cap_net_raw=ep) /usr/bin/lost\n\
    %caps(cap_chown=p) /usr/bin/other\n%caps(= cap_kill+ep) /usr/bin/text\n%caps(=ep) /usr/bin/all\n\
    %verify(not md5 size mtime) /usr/bin/unchecked\n/usr/bin/link\n/usr/bin/same-link\n";

/// Runs; says why it was skipped where that fails.
fn succeeds(command: &mut Command) -> bool {
    match command.env("LC_ALL", "C").output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            println!("skipped: {command:?}: {}", String::from_utf8_lossy(&output.stderr));
            false
        }
        Err(error) => {
            println!("skipped: {command:?}: {error}");
            false
        }
    }
}

fn rpm(root: &Path) -> Command {
    let mut command = Command::new("rpm");
    command.env("LC_ALL", "C").arg("--root").arg(root);
    command.args(["--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite"]);
    command
}

/// Builds the package and installs it, files and all.
fn installed(folder: &Path) -> Option<PathBuf> {
    let root = folder.join("root");
    let top = folder.join("build");
    fs::create_dir_all(root.join("var/lib/rpm")).unwrap();
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\nwww:x:33:33::/:/bin/sh\n").unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\nadm:x:4:\nwww:x:33:\n").unwrap();
    let spec = folder.join("sample.spec");
    fs::write(&spec, SPEC).unwrap();
    let top_dir = format!("_topdir {}", top.display());
    let mut build = Command::new("rpmbuild");
    build.args(["-bb", "--quiet", "--define", &top_dir]).arg(&spec);
    let made = top.join("RPMS/noarch/sample-1-1.noarch.rpm");
    let mut install = rpm(&root);
    install.args(["-i", "--nodeps", "--noscripts", "--nosignature"]).arg(made);
    (succeeds(&mut build) && succeeds(&mut install)).then_some(root)
}

/// What differs of each path: letters of rpm's, or `missing`.
type Rows = BTreeMap<String, String>;

/// Lines like `S.5....T.  c /etc/conf`, without the times, which are no drift.
fn verified_by_rpm(root: &Path) -> Rows {
    let output = rpm(root).args(["-Va", "--nodeps", "--noscripts"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{text}");
    let row = |line: &str| {
        let word = line.split_ascii_whitespace().next().unwrap();
        let path = line.split_once('/').unwrap().1.trim_end_matches(" (replaced)");
        let letters = match word {
            "missing" => word.to_owned(),
            _ => word.chars().filter(|c| !matches!(c, '.' | 'T' | '?')).collect(),
        };
        (format!("/{path}"), letters)
    };
    text.lines().map(row).filter(|(_, letters)| !letters.is_empty()).collect()
}

fn verified_here(folder: &Path, root: &Path, code: i32) -> Rows {
    let mut command = driftcheck(&folder.join("store"));
    command.arg("show").arg(root).args(["--packages", "--verify", "--format", "json"]);
    let report = json(&mut command, code);
    assert_eq!(report["unverified"].as_array().unwrap().len(), 0);
    let row = |row: &Value| {
        let attributes = row["attributes"].as_object().unwrap();
        // Another kind is another mode to rpm, a link in its place another target.
        let kind = attributes.get("kind").map(|kind| match kind["after"].as_str() {
            Some("symlink") => "target",
            _ => "mode",
        });
        let letter = |(name, letter): (&str, char)| {
            (attributes.contains_key(name) || kind == Some(name)).then_some(letter)
        };
        let order = [
            ("size", 'S'),
            ("mode", 'M'),
            ("digest", '5'),
            ("target", 'L'),
            ("user", 'U'),
            ("group", 'G'),
            ("capabilities", 'P'),
        ];
        let letters = match row["missing"] == true {
            true => "missing".to_owned(),
            false => order.into_iter().filter_map(letter).collect(),
        };
        (row["path"].as_str().unwrap().to_owned(), letters)
    };
    report["deviations"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn rpm_finds_the_same_attributes() {
    let folder = tempfile::tempdir().unwrap();
    let Some(root) = installed(folder.path()) else { return };
    let path = |name: &str| root.join("usr/bin").join(name);
    assert_eq!(verified_here(folder.path(), &root, 0), verified_by_rpm(&root));
    for name in ["etc/conf", "etc/noreplace", "usr/bin/size", "usr/bin/unchecked"] {
        fs::write(root.join(name), "other and longer\n").unwrap();
    }
    fs::write(path("bytes"), "BYTES\n").unwrap();
    fs::set_permissions(path("mode"), Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(path("setuid"), Permissions::from_mode(0o755)).unwrap();
    chown(path("owner"), Some(33), None).unwrap();
    chown(path("group"), None, Some(33)).unwrap();
    for name in ["etc/optional", "usr/bin/gone", "usr/bin/kind", "usr/bin/becomes-link"] {
        fs::remove_file(root.join(name)).unwrap();
    }
    fs::create_dir(path("kind")).unwrap();
    symlink("ok", path("becomes-link")).unwrap();
    fs::remove_file(path("link")).unwrap();
    symlink("size", path("link")).unwrap();
    fs::write(root.join("etc/ghost"), "anything\n").unwrap();
    fs::set_permissions(root.join("etc/ghost"), Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(root.join("usr/share/dir"), Permissions::from_mode(0o755)).unwrap();
    let set =
        |value: &str, name: &str| succeeds(Command::new("setcap").args([value]).arg(path(name)));
    if set("-r", "lost") {
        assert!(set("cap_kill=p", "other"));
        assert!(set("cap_kill=ep", "text"));
        assert!(set("cap_net_raw=ep", "ok"));
    }
    assert_eq!(verified_here(folder.path(), &root, 1), verified_by_rpm(&root));
}
