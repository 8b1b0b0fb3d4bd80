//! The formats of the gate, held against what reads them: SARIF's edits and fingerprints, JUnit,
//! annotations and Markdown with hostile names, the table's carets; and the rules' pages.

use crate::support::{driftcheck, put, run};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

fn pins(root: &Path, arguments: &[&str]) -> Command {
    let mut command = driftcheck(&root.join("no.db"));
    command.current_dir(root).arg("pins").args(arguments);
    command
}

/// What is printed, whatever was found.
fn printed(root: &Path, arguments: &[&str]) -> String {
    let output = pins(root, arguments).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Names and words that mean something in the formats.
const HOSTILE: &[(&str, &str)] = &[
    ("a,b:c%/x&y.sh", "apt-get install -y 'x|y' \"<b>&amp;\" '`id`' 'a]](http://e.org)'\n"),
    (
        "*_~[x](y)/Dockerfile",
        "FROM debian:12 AS \"::error::x\"\nRUN pip install 'a%0A::error::b'\n",
    ),
    ("new\nline\r/b.sh", "apk add \u{202e}gpj.exe 'c\u{1b}[31m' \u{7}\n"),
    ("gap.yaml", "apiVersion: v1\nkind: Pod\nspec: [\n"),
    (
        "held.sh",
        "apk add hidden # driftcheck:ignore pins/apk reason=\"<x> & [y](z)\"\n# driftcheck:ignore x\n",
    ),
];

/// The results of a log as (rule, fingerprint, line).
fn results(root: &Path) -> Vec<(String, String, u64)> {
    let log: Value = serde_json::from_str(&printed(root, &["--format", "sarif"])).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let row = |one: &Value| {
        let region = &one["locations"][0]["physicalLocation"]["region"];
        let fingerprint = text(&one["partialFingerprints"]["driftcheck/v1"]);
        (text(&one["ruleId"]), fingerprint, region["startLine"].as_u64().unwrap())
    };
    results.map(row).collect()
}

#[test]
fn fingerprints_stay_where_lines_move() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let body = "apt-get install curl\npip install x\napt-get install curl\n";
    put(root, &[("x.sh", body)]);
    let before = results(root);
    assert_eq!(before.len(), 3);
    put(root, &[("x.sh", &format!("#!/bin/sh\n\n# y\n{}", body.replace("install", "install -q")))]);
    let after = results(root);
    let keys = |all: &[(String, String, u64)]| -> Vec<(String, String)> {
        all.iter().map(|(rule, key, _)| (rule.clone(), key.clone())).collect()
    };
    assert_eq!(keys(&before), keys(&after));
    assert!(before.iter().zip(&after).all(|(before, after)| after.2 == before.2 + 3));
    // One less, and the others keep theirs.
    put(root, &[("x.sh", &body.replace("pip install x\n", ""))]);
    let fewer = keys(&results(root));
    assert_eq!(fewer, [keys(&before)[0].clone(), keys(&before)[2].clone()]);
}

/// Applies the edits of a log to the files, by their byte offsets.
fn apply(root: &Path, log: &Value) -> usize {
    let mut edits: BTreeMap<String, Vec<(usize, usize, String)>> = BTreeMap::new();
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    for result in log["runs"][0]["results"].as_array().unwrap() {
        for change in result["fixes"].as_array().into_iter().flatten() {
            for change in change["artifactChanges"].as_array().unwrap() {
                let file = change["artifactLocation"]["uri"].as_str().unwrap().to_owned();
                for one in change["replacements"].as_array().unwrap() {
                    let region = &one["deletedRegion"];
                    let text = one["insertedContent"]["text"].as_str().unwrap().to_owned();
                    let start = number(&region["byteOffset"]);
                    let edit = (start, start + number(&region["byteLength"]), text);
                    edits.entry(file.clone()).or_default().push(edit);
                }
            }
        }
    }
    let mut count = 0;
    for (file, mut edits) in edits {
        let path = root.join(file);
        let mut bytes = fs::read(&path).unwrap();
        edits.sort();
        edits.dedup();
        count += edits.len();
        for (start, end, text) in edits.into_iter().rev() {
            bytes.splice(start..end, text.bytes());
        }
        fs::write(path, bytes).unwrap();
    }
    count
}

#[test]
fn edits_of_sarif_are_those_of_fix() {
    let files = [
        ("Dockerfile", "# \u{e4}\u{1f600}\r\nFROM debian:12\r\nRUN true # \u{e4}\r\n"),
        ("compose.yaml", "services:\n  \u{e4}: {image: \"debian:12\"} # x\n"),
        ("job.yml", "apiVersion: batch/v1\nkind: Job\nspec: {x: {image: 'debian:12'}}\n"),
    ];
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [one.path(), other.path()] {
        put(folder, &files);
        put(folder, &[("map.json", &format!("{{\"debian:12\": \"{DIGEST}\"}}"))]);
    }
    let log = printed(one.path(), &["--digests", "map.json", "--format", "sarif"]);
    assert_eq!(apply(one.path(), &serde_json::from_str(&log).unwrap()), 3);
    run(&mut pins(other.path(), &["--digests", "map.json", "--fix"]), 0);
    for (name, before) in files {
        let read = |folder: &Path| fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(read(one.path()), read(other.path()));
        assert_eq!(read(one.path()).replace(&format!("@{DIGEST}"), ""), before);
    }
}

#[test]
fn junit_is_well_formed() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), HOSTILE);
    let file = folder.path().join("junit.xml");
    fs::write(&file, printed(folder.path(), &["--format", "junit"])).unwrap();
    // Elements, attributes and counts as Jenkins' and GitLab's readers want them.
    let program = r#"
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
allowed = {"testsuites": {"name", "tests", "failures", "errors"},
           "testsuite": {"name", "tests", "failures", "errors"},
           "testcase": {"name", "classname", "file", "line"},
           "failure": {"type", "message"}, "error": {"type", "message"}}
for one in root.iter():
    assert set(one.attrib) <= allowed[one.tag], (one.tag, one.attrib)
for suite in [root] + list(root):
    for tag, count in [("testcase", "tests"), ("failure", "failures"), ("error", "errors")]:
        assert len(list(suite.iter(tag))) == int(suite.get(count)), (tag, suite.attrib)
assert all(one.get("name") and one.get("classname") for one in root.iter("testcase"))
assert len(list(root.iter("failure"))) > 4 and len(list(root.iter("error"))) == 1
"#;
    match Command::new("python3").args(["-c", program]).arg(&file).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
        }
        Err(error) => println!("skipped: python3: {error}"),
    }
}

#[test]
fn annotations_hold_one_line_each() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), HOSTILE);
    let text = printed(folder.path(), &["--format", "github"]);
    let lines: Vec<&str> = text.lines().collect();
    let (last, commands) = lines.split_last().unwrap();
    assert!(last.starts_with("pins: "), "{last}");
    for line in commands {
        let (head, _) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
        let (level, properties) = head.split_once(' ').unwrap();
        assert!(["error", "warning", "notice"].contains(&level), "{line}");
        let names = properties.split(',').map(|one| one.split_once('=').unwrap().0);
        let known = ["file", "line", "endLine", "col", "endColumn", "title"];
        assert!(names.into_iter().all(|name| known.contains(&name)), "{line}");
    }
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}', '\r']), "{text}");
    assert!(text.contains("file=a%2Cb%3Ac%25/x&y.sh,line=1"), "{text}");
}

#[test]
fn tables_of_markdown_keep_their_columns() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), HOSTILE);
    let text = printed(folder.path(), &["--format", "markdown", "--inventory"]);
    let mut columns = None;
    for line in text.lines() {
        assert!(!line.contains("<b>") && !line.contains("[x](y)/") || line.contains('`'), "{line}");
        if !line.starts_with('|') {
            columns = None;
            continue;
        }
        let bars = line.replace("\\|", "").matches('|').count();
        assert_eq!(*columns.get_or_insert(bars), bars, "{line}");
    }
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}', '\r']), "{text}");
}

#[test]
fn rules_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let explain = |arguments: &[&str], code: i32| {
        let mut command = driftcheck(&folder.path().join("no.db"));
        let output = run(command.arg("explain").args(arguments), code);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    };
    let (one, _) = explain(&["pins/os-package"], 0);
    assert!(one.starts_with("pins/os-package: ") && one.contains("\nbad:\n    apt-get"), "{one}");
    let (all, _) = explain(&["--all"], 0);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let docs = fs::read_to_string(docs).unwrap();
    let ids: Vec<&str> = docs.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(ids.len() > 10 && ids.iter().all(|id| all.contains(&format!("\n{id}: "))
        || all.starts_with(&format!("{id}: "))), "{all}");
    assert!(all.contains(&one));
    let (pages, _) = explain(&["--all", "--format", "markdown"], 0);
    assert!(docs.ends_with(&pages), "{pages}");
    let (_, hint) = explain(&["pins/os-packge"], 2);
    assert!(hint.contains("pins/os-package"), "{hint}");
    let (_, hint) = explain(&["pins/nonsense"], 2);
    assert!(hint.contains("list rules"), "{hint}");
    let (_, hint) = explain(&["os-package"], 2);
    assert!(hint.contains("pins/os-package"), "{hint}");
    explain(&["pins/os-package", "--format", "sarif"], 2);
}
