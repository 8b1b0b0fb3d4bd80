//! Switching the gate on: accepted findings, changes between two commits, a frozen rule set.

use crate::support::{driftcheck, json, put, run};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

fn pins(root: &Path) -> Command {
    let mut command = driftcheck(&root.join("no.db"));
    command.current_dir(root).arg("pins");
    command
}

fn found(root: &Path, arguments: &[&str], code: i32) -> Vec<(String, u64, String)> {
    let report = json(pins(root).args(arguments).args(["--format", "json"]), code);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|one| {
            let line = one["start"]["line"].as_u64().unwrap();
            (text(&one["file"]), line, text(&one["subject"]))
        })
        .collect()
}

fn at(file: &str, line: u64, subject: &str) -> (String, u64, String) {
    (file.to_owned(), line, subject.to_owned())
}

#[test]
fn a_repository_with_five_hundred_findings() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for file in 0..20 {
        let mut text = String::from("#!/bin/sh\n");
        for line in 0..25 {
            let _ = writeln!(text, "apt-get install -y tool-{}", line / 2);
        }
        put(root, &[(&format!("images/{file}/build.sh"), &text)]);
    }
    assert_eq!(found(root, &[], 1).len(), 500);
    run(pins(root).arg("--write-baseline"), 0);
    let path = root.join("driftcheck-pins.baseline");
    let text = fs::read_to_string(&path).unwrap();
    let entries: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(entries.len(), 500);
    let file = |line: &str| line.split(' ').nth(3).unwrap().to_owned();
    assert!(entries.is_sorted_by_key(|line| file(line)));
    assert!(found(root, &[], 0).is_empty());
    // From above, from below and by its full path it is the same.
    let full = root.to_str().unwrap();
    assert!(found(root, &[full], 0).is_empty());
    assert!(found(&root.join("images/3"), &[], 0).is_empty());
    // One new line somewhere in the middle of many that are alike.
    let build = root.join("images/3/build.sh");
    let old = fs::read_to_string(&build).unwrap();
    let new = old.replacen("\napt-get", "\n\napt-get -q install tool-7\napt-get", 1);
    fs::write(&build, new).unwrap();
    assert_eq!(found(root, &[], 1), [at("images/3/build.sh", 3, "tool-7")]);
    assert_eq!(found(root, &["--no-baseline"], 1).len(), 501);
    // What is gone is told and fails nothing.
    fs::write(&build, old.replace("tool-5", "tool-5=1.2")).unwrap();
    let stale = found(root, &[], 0);
    assert_eq!(stale.len(), 2);
    assert!(stale.iter().all(|(file, ..)| file.ends_with("driftcheck-pins.baseline")));
    run(pins(root).arg("--write-baseline"), 0);
    assert!(found(root, &[], 0).is_empty());
}

fn git(root: &Path, arguments: &[&str]) -> Option<()> {
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.args(["-c", "user.name=x", "-c", "user.email=x@example.org"]);
    let done = command.current_dir(root).args(arguments).output();
    match done {
        Ok(done) if done.status.success() => Some(()),
        Ok(done) => panic!("{}", String::from_utf8_lossy(&done.stderr)),
        Err(error) => {
            println!("skipped: git: {error}");
            None
        }
    }
}

#[test]
fn only_what_a_change_touched() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let commit = |message| {
        git(root, &["add", "-A"])?;
        git(root, &["commit", "-qm", message])
    };
    put(
        root,
        &[
            ("a.sh", "apk add old\n"),
            ("b/Dockerfile", "ARG BASE=debian@sha256:x\nFROM scratch\nRUN apk add old\n"),
            ("broken.tf", "resource {{{\n"),
        ],
    );
    if git(root, &["init", "-q", "-b", "main"]).is_none() {
        return;
    }
    commit("one").unwrap();
    put(
        root,
        &[
            ("a.sh", "apk add old\napk add new\n"),
            ("b/Dockerfile", "ARG BASE=debian\nFROM $BASE\nRUN apk add old\n"),
            ("gr\u{fc}n \"x\".sh", "apk add fresh\n"),
        ],
    );
    commit("two").unwrap();
    let expected = [
        at("a.sh", 2, "new"),
        at("b/Dockerfile", 2, "debian"),
        at("gr\u{fc}n \"x\".sh", 1, "fresh"),
    ];
    assert_eq!(found(root, &["--diff", "HEAD~1..HEAD"], 1), expected);
    assert_eq!(found(root, &["--diff=HEAD~1.."], 1), expected);
    assert_eq!(found(root, &["--diff", "HEAD~1...HEAD", "a.sh"], 1), expected[..1]);
    assert_eq!(
        found(&root.join("b"), &["--diff", "HEAD~1..HEAD"], 1),
        [at("Dockerfile", 2, "debian")]
    );
    assert!(found(root, &["--diff", "HEAD..HEAD"], 0).is_empty());
    // What is not committed is no part of the change.
    put(root, &[("a.sh", "\n\n\n\napk add other\n")]);
    assert_eq!(found(root, &["--diff", "HEAD~1..HEAD", "a.sh"], 1), expected[..1]);
    // Nothing that the repository configures is run.
    let evil = root.join("evil.sh");
    put(root, &[("evil.sh", "#!/bin/sh\ntouch \"$(dirname \"$0\")/pwned\"\ncat\n")]);
    let mut mode = fs::metadata(&evil).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    fs::set_permissions(&evil, mode).unwrap();
    let program = evil.to_str().unwrap();
    for key in [
        "core.fsmonitor",
        "diff.external",
        "diff.x.textconv",
        "diff.x.command",
        "core.pager",
        "filter.x.clean",
        "core.sshCommand",
    ] {
        git(root, &["config", key, program]).unwrap();
    }
    put(root, &[(".git/info/attributes", "* diff=x filter=x\n")]);
    assert_eq!(found(root, &["--diff", "HEAD~1..HEAD"], 1), expected);
    assert!(!root.join("pwned").exists());
    let output = run(pins(root).args(["--diff", "nothing..HEAD"]), 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing"));
    let output = run(
        pins(root).env("PATH", "/nonexistent").args(["--diff", "HEAD~1.."]),
        if Path::new("/usr/bin/git").exists() { 1 } else { 2 },
    );
    drop(output);
}

#[test]
fn a_frozen_rule_set() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, &[("driftcheck.toml", "rules = \"1\"\n"), ("x.sh", "apk add jq\n")]);
    assert_eq!(found(root, &[], 1).len(), 1);
    put(root, &[("driftcheck.toml", "rules = 7\n")]);
    run(&mut pins(root), 2);
}
