//! Disk images through the binary, as an ordinary user: two hosts against the image that they were
//! booted from.

use crate::support::{driftcheck, fixture, json};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::Path;

/// An account without any rights of its own.
const NOBODY: u32 = 65_534;

/// The changes of the truth: path, then what happened and to which attributes.
fn truth(path: &Path) -> BTreeMap<String, (String, Vec<String>)> {
    let truth: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let changes = truth["changes"].as_array().unwrap().iter();
    changes
        .map(|change| {
            let names = change["attributes"].as_array().into_iter().flatten();
            let mut names: Vec<String> = names
                .map(|name| match text(name) {
                    name if name == "sha256" => "digest".to_owned(),
                    name => name,
                })
                .collect();
            names.sort();
            (text(&change["path"]), (text(&change["change"]), names))
        })
        .collect()
}

fn reported(report: &Value) -> BTreeMap<String, (String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let changes = report["changes"].as_array().unwrap().iter();
    changes
        .filter(|change| change["subject"]["type"] == "path")
        .map(|change| {
            let kind = text(&change["change"]);
            let names = change["attributes"].as_object().unwrap().keys();
            // The truth has one word for all extended attributes.
            let mut names: Vec<String> = names
                .map(|name| if name.starts_with("xattr:") { "xattrs" } else { name }.to_owned())
                .collect();
            names.sort();
            names.dedup();
            if kind != "modified" {
                names.clear();
            }
            (text(&change["subject"]["path"]), (kind, names))
        })
        .collect()
}

fn check(host: &str, packages: usize) {
    let (Some(golden), Some(image)) =
        (fixture("vm/golden.qcow2"), fixture(&format!("vm/{host}.qcow2")))
    else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let mut command = driftcheck(&work.path().join("store.db"));
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let report = json(command.arg("compare").args([golden, image]).args(["--format", "json"]), 1);
    let expected = truth(&fixture(&format!("vm/{host}.truth.json")).unwrap());
    let found = reported(&report);
    for (path, change) in &expected {
        assert_eq!(found.get(path), Some(change), "{path}");
    }
    for path in found.keys() {
        assert!(expected.contains_key(path), "{path} is no difference");
    }
    let changed = report["changes"].as_array().unwrap().iter();
    let changed = changed.filter(|change| change["subject"]["type"] == "package").count();
    assert_eq!(changed, packages);
    assert_eq!(report["gaps"].as_array().unwrap().len(), 0);
}

#[test]
fn web_01_differs_from_golden_as_the_truth_says() {
    check("web-01", 8);
}

#[test]
fn web_02_differs_from_golden_as_the_truth_says_once_its_journal_is_replayed() {
    check("web-02", 9);
}
