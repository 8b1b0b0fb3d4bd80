//! A package as the unit of drift: a root whose package was upgraded and then tampered with, made
//! by dpkg here. The report is one upgrade and what does not match it, and no other path.

use super::support::{debian, driftcheck, json, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The package at a version: its files differ in bytes, one comes and one goes.
fn package(version: &str) -> debian::Package {
    let own = format!("usr/share/web/only-in-{version}");
    let named = |bytes: &str| format!("{bytes} of {version}\n");
    debian::Package::new("web", version)
        .file("usr/sbin/web", &named("program"), 0o755)
        .file("usr/share/web/index.html", &named("page"), 0o644)
        .file("usr/share/web/style.css", &named("style"), 0o644)
        .file("usr/share/web/same", "same\n", 0o644)
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
    println!("{titles:#?}");
    assert!(titles.iter().any(|title| title.contains("upgraded")), "{titles:?}");
}

fn compare(folder: &Path, before: &Path, after: &Path) -> serde_json::Value {
    let mut command = driftcheck(&folder.join("store"));
    command.arg("compare").arg(before).arg(after).args(["--format", "json"]);
    json(&mut command, 1)
}
