//! A package as the unit of drift: a root whose package was upgraded and then tampered with, made
//! by dpkg here. The report is one upgrade and what does not match it, and no other path.

use super::support::{debian, driftcheck, json, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What the package ships of another manager comes and goes with it.
const GEM: &str = "usr/share/rubygems-integration/all/specifications/web-gem.gemspec";

/// The package at a version: its files differ in bytes, one comes and one goes.
fn package(version: &str) -> debian::Package {
    let own = format!("usr/share/web/only-in-{version}");
    let named = |bytes: &str| format!("{bytes} of {version}\n");
    debian::Package::new("web", version)
        .file("usr/sbin/web", &named("program"), 0o755)
        .file("usr/share/web/index.html", &named("page"), 0o644)
        .file("usr/share/web/style.css", &named("style"), 0o644)
        .file("usr/share/web/same", "same\n", 0o644)
        .file(GEM, &format!("# stub: web-gem {version} ruby lib\n"), 0o644)
        .file("usr/lib/web/module.so", &named("module"), 0o644)
        .file("usr/lib/systemd/system/web.service", &named("[Service]\n#"), 0o644)
        .file("etc/web/web.conf", &named("# settings"), 0o644)
        .file(&own, "x\n", 0o644)
        .link("usr/lib/web/module.so.1", "module.so")
        .configuration("/etc/web/web.conf")
}

#[test]
fn an_upgrade_with_three_residues() {
    let folder = tempfile::tempdir().unwrap();
    let before = folder.path().join("before");
    let after = folder.path().join("after");
    let other = debian::Package::new("other", "1").file("usr/bin/other", "other\n", 0o755);
    let debs = folder.path().join("debs");
    debian::empty_root(&before);
    if !debian::install(&debs, &before, &[&package("1.22.1-9"), &other]) {
        return;
    }
    run(Command::new("cp").arg("-a").arg(&before).arg(&after), 0);
    assert!(debian::install(&debs, &after, &[&package("1.22.1-10")]));
    fs::write(after.join("usr/share/web/index.html"), "defaced\n").unwrap();
    fs::remove_file(after.join("usr/share/web/style.css")).unwrap();
    let program = after.join("usr/sbin/web");
    fs::set_permissions(program, fs::Permissions::from_mode(0o700)).unwrap();

    let report = compare(folder.path(), &before, &after);
    let drift = |kind: &str, field: &str| -> Vec<String> {
        let changes = report["changes"].as_array().unwrap().iter();
        let drift = changes
            .filter(|one| one["disposition"] == "drift" && one["subject"]["type"] == kind)
            .map(|one| one["subject"][field].as_str().unwrap().to_owned());
        drift.collect()
    };
    assert_eq!(drift("package", "name"), ["web"]);
    let changes = report["changes"].as_array().unwrap();
    let gem = changes.iter().find(|one| one["subject"]["name"] == "web-gem").unwrap();
    assert_eq!(gem["disposition"], "explained");
    assert_eq!(gem["package"]["name"], "web");
    assert_eq!(
        drift("path", "path"),
        ["/usr/sbin/web", "/usr/share/web/index.html", "/usr/share/web/style.css"]
    );
    assert!(drift("fact", "key").is_empty());
    let titles: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["title"].as_str().unwrap())
        .collect();
    assert!(titles.iter().any(|title| title.contains("upgraded")), "{titles:?}");
}

/// Where a person edited a configuration file, dpkg sets one version of it aside: which one is its
/// settings' affair, and neither is drift.
#[test]
fn a_version_that_was_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    let debs = folder.path().join("debs");
    debian::empty_root(&before);
    if !debian::install(&debs, &before, &[&package("1")]) {
        return;
    }
    fs::write(before.join("etc/web/web.conf"), "edited\n").unwrap();
    run(Command::new("cp").arg("-a").arg(&before).arg(&after), 0);
    assert!(debian::install(&debs, &after, &[&package("2")]));
    let aside = |ending: &str| after.join(format!("etc/web/web.conf.dpkg-{ending}")).exists();
    assert!(aside("dist") || aside("old"));
    let drift = || -> Vec<String> {
        let report = compare(folder.path(), &before, &after);
        let changes = report["changes"].as_array().unwrap().iter();
        let drift = changes.filter(|one| one["disposition"] == "drift");
        drift.map(|one| one["subject"].to_string()).collect()
    };
    assert_eq!(drift().len(), 1, "{:?}", drift());
    for ending in ["dist", "old"] {
        let path = after.join(format!("etc/web/web.conf.dpkg-{ending}"));
        if path.exists() {
            fs::write(path, "something else\n").unwrap();
        }
    }
    assert_eq!(drift().len(), 2, "{:?}", drift());
}

#[test]
fn every_direction_has_its_word() {
    let folder = tempfile::tempdir().unwrap();
    let before = folder.path().join("before");
    let after = folder.path().join("after");
    let tool = |name: &str, version: &str, bytes: &str| {
        debian::Package::new(name, version).file(&format!("usr/bin/{name}"), bytes, 0o755)
    };
    let (debs, newer) = (folder.path().join("1"), folder.path().join("2"));
    let old = [
        tool("up", "1", "a\n"),
        tool("down", "1:1", "a\n"),
        tool("again", "1", "a\n"),
        tool("mawk", "1", "a\n"),
        tool("gone", "1", "a\n"),
        tool("same", "1", "a\n"),
    ];
    debian::empty_root(&before);
    if !debian::install(&debs, &before, &old.each_ref()) {
        return;
    }
    run(Command::new("cp").arg("-a").arg(&before).arg(&after), 0);
    let new = [
        tool("up", "1+b1", "b\n"),
        tool("down", "2", "b\n"),
        tool("again", "1", "b\n"),
        tool("gawk", "5", "b\n").field("Provides: awk, mawk (= 1)"),
        tool("new", "1", "a\n"),
    ];
    assert!(debian::install(&newer, &after, &new.each_ref()));
    let root = format!("--root={}", after.display());
    run(Command::new("dpkg").args([&root, "--force-all", "--purge", "mawk", "gone"]), 0);
    let report = compare(folder.path(), &before, &after);
    let changes = report["changes"].as_array().unwrap().iter();
    let directions: Vec<String> = changes
        .clone()
        .filter(|one| one["subject"]["type"] == "package")
        .map(|one| {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let note = text(&one["note"]);
            let told = note.split(", all").next().unwrap().to_owned();
            format!("{}: {}, {told}", text(&one["subject"]["name"]), text(&one["direction"]))
        })
        .collect();
    assert_eq!(
        directions,
        [
            "again: reinstalled, reinstalled",
            "down: downgraded, downgraded",
            "gawk: installed, installed in place of mawk:all",
            "gone: removed, removed",
            "mawk: replaced, replaced by gawk:all",
            "new: installed, installed",
            "up: upgraded, upgraded",
        ]
    );
    let drift = |one: &&serde_json::Value| one["disposition"] == "drift";
    assert_eq!(changes.filter(drift).count(), directions.len());
    let title = |word: &str| {
        let mut titles = report["findings"].as_array().unwrap().iter();
        titles.any(|one| one["title"].as_str().unwrap().starts_with(word))
    };
    assert!(title("package reinstalled: again:all with other content (dpkg), all "));
    assert!(title("package replaced by gawk:all: mawk:all 1 (dpkg), all "));
}

fn compare(folder: &Path, before: &Path, after: &Path) -> serde_json::Value {
    let mut command = driftcheck(&folder.join("store"));
    command.arg("compare").arg(before).arg(after).args(["--format", "json"]);
    json(&mut command, 1)
}
