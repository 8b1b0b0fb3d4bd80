//! `show --packages --verify` against dpkg's own and debsums', path by path, on a root with one
//! small package.

use super::support::{debian, driftcheck, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

type Rows = BTreeSet<String>;

/// `missing` or `changed`, `c` for a configuration file, and the path.
fn seen(store: &Path, root: &Path, code: i32) -> Rows {
    let mut command = driftcheck(store);
    command.arg("show").arg(root).args(["--packages", "--verify", "--format", "json"]);
    let report = json(&mut command, code);
    assert_eq!(report["unverified"].as_array().unwrap().len(), 0);
    let rows = report["deviations"].as_array().unwrap().iter();
    rows.map(|row| {
        let mark = if row["source"] == "configuration" { "c " } else { "" };
        let word = if row["missing"] == true { "missing" } else { "changed" };
        format!("{word} {mark}{}", row["path"].as_str().unwrap())
    })
    .collect()
}

/// Lines like `??5??????  c /etc/x` and `missing     /usr/x`.
fn dpkg(root: &Path) -> Rows {
    let root = format!("--root={}", root.display());
    let output = Command::new("dpkg").args([&root, "--verify"]).output().unwrap();
    let line = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        words.join(" ").replace("??5??????", "changed")
    };
    String::from_utf8_lossy(&output.stdout).lines().map(line).collect()
}

/// Changed files on standard output; those that are missing are complained about. Which of them
/// are configuration files it does not say.
fn debsums(root: &Path) -> Option<Rows> {
    let mut command = Command::new("debsums");
    let Ok(output) = command.args(["--all", "--changed", "--root"]).arg(root).output() else {
        println!("skipped: no debsums");
        return None;
    };
    let prefix = root.to_str().unwrap();
    let missing = String::from_utf8_lossy(&output.stderr).into_owned();
    let missing = missing.lines().filter_map(|line| {
        let rest = line.strip_prefix("debsums: missing file ")?;
        let path = rest.split(" (from").next()?;
        Some(format!("missing {}", path.strip_prefix(prefix)?))
    });
    let changed = String::from_utf8_lossy(&output.stdout).into_owned();
    let changed = changed.lines().filter_map(|line| line.strip_prefix(prefix));
    Some(missing.chain(changed.map(|path| format!("changed {path}"))).collect())
}

#[test]
fn dpkg_and_debsums_find_the_same_paths() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    debian::empty_root(&root);
    let package = debian::Package::new("t", "1")
        .file("etc/t.conf", "c\n", 0o644)
        .file("etc/gone.conf", "c\n", 0o644)
        .file("etc/kept.conf", "c\n", 0o644)
        .file("usr/share/t/a", "a\n", 0o644)
        .file("usr/share/t/b", "b\n", 0o644)
        .file("usr/share/t/c", "c\n", 0o644)
        .file("usr/share/t/with space", "d\n", 0o644)
        .file("usr/share/t/rights", "e\n", 0o644)
        .configuration("/etc/t.conf")
        .configuration("/etc/gone.conf")
        .configuration("/etc/kept.conf");
    let other = debian::Package::new("other", "2:1-1").file("usr/bin/other", "x\n", 0o755);
    if !debian::install(&folder.path().join("debs"), &root, &[&package, &other]) {
        return;
    }
    let store = folder.path().join("store");
    assert_eq!(seen(&store, &root, 0), Rows::new());
    assert_eq!(dpkg(&root), Rows::new());
    fs::write(root.join("usr/share/t/a"), "changed\n").unwrap();
    fs::remove_file(root.join("usr/share/t/b")).unwrap();
    fs::write(root.join("usr/share/t/with space"), "changed\n").unwrap();
    fs::write(root.join("etc/t.conf"), "changed\n").unwrap();
    fs::remove_file(root.join("etc/gone.conf")).unwrap();
    // Same length, same times as far as anybody can set them.
    fs::write(root.join("usr/bin/other"), "y\n").unwrap();
    let expected = dpkg(&root);
    assert_eq!(expected.len(), 6);
    assert_eq!(seen(&store, &root, 1), expected);
    if let Some(debsums) = debsums(&root) {
        let bare: Rows = expected.iter().map(|row| row.replace(" c /", " /")).collect();
        assert_eq!(debsums, bare);
    }
}
