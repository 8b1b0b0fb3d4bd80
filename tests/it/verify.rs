//! `show --packages --verify` against dpkg's own, path by path, on a root with one small package.

use super::support::{driftcheck, json, put};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Builds a package and installs it into the root; false where dpkg is not there or may not.
fn install(folder: &Path, root: &Path) -> bool {
    put(
        folder,
        &[
            (
                "DEBIAN/control",
                "Package: t\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n",
            ),
            ("DEBIAN/conffiles", "/etc/t.conf\n"),
            (
                "DEBIAN/md5sums",
                "60b725f10c9c85c70d97880dfe8191b3  usr/share/t/a\n\
                 3b5d5c3712955042212316173ccf37be  usr/share/t/b\n\
                 2cd6ee2c70b0bde53fbe6cac3c8b8bb1  usr/share/t/c\n",
            ),
            ("etc/t.conf", "c\n"),
            ("usr/share/t/a", "a\n"),
            ("usr/share/t/b", "b\n"),
            ("usr/share/t/c", "c\n"),
        ],
    );
    put(root, &[("var/lib/dpkg/status", ""), ("var/lib/dpkg/available", "")]);
    fs::create_dir_all(root.join("var/lib/dpkg/info")).unwrap();
    fs::create_dir_all(root.join("var/lib/dpkg/updates")).unwrap();
    let archive = root.with_extension("deb");
    let build = Command::new("dpkg-deb").arg("-b").arg(folder).arg(&archive).output();
    if !build.is_ok_and(|build| build.status.success()) {
        println!("skipped: no dpkg-deb");
        return false;
    }
    let mut dpkg = Command::new("dpkg");
    dpkg.arg(format!("--root={}", root.display())).args(["--force-all", "--no-triggers", "-i"]);
    let installed = dpkg.arg(&archive).output();
    let is_installed = installed.is_ok_and(|installed| installed.status.success());
    if !is_installed {
        println!("skipped: dpkg may not install into a folder (not root?)");
    }
    is_installed
}

#[test]
fn dpkg_finds_the_same_paths() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    if !install(&folder.path().join("package"), &root) {
        return;
    }
    let show = |code| {
        let mut command = driftcheck(&folder.path().join("store"));
        command.arg("show").arg(&root).args(["--packages", "--verify", "--format", "json"]);
        json(&mut command, code)
    };
    assert_eq!(show(0)["summary"]["digests"], 4);
    fs::write(root.join("usr/share/t/a"), "changed\n").unwrap();
    fs::remove_file(root.join("usr/share/t/b")).unwrap();
    fs::write(root.join("etc/t.conf"), "changed\n").unwrap();
    let report = show(1);
    let seen: BTreeSet<String> = report["deviations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let is_configuration = row["source"] == "configuration";
            let mark = if is_configuration { "c " } else { "" };
            let word = if row["missing"] == true { "missing" } else { "??5??????" };
            format!("{word} {mark}{}", row["path"].as_str().unwrap())
        })
        .collect();
    let verify = Command::new("dpkg")
        .arg(format!("--root={}", root.display()))
        .arg("--verify")
        .output()
        .unwrap();
    let expected: BTreeSet<String> = String::from_utf8_lossy(&verify.stdout)
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(seen, expected);
}
