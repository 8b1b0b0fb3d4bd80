//! The main job through the binary: scan, approve, check, compare, explain.

use crate::support::{driftcheck, json, path_changes, put, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn a_host_is_scanned_approved_changed_and_checked() {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("web-01");
    let store = work.path().join("store.db");
    put(
        &root,
        &[
            ("etc/motd", "hello\n"),
            ("etc/crontab", "0 4 * * * root /usr/bin/tool\n"),
            ("usr/bin/tool", "elf"),
        ],
    );
    let target = format!("dir:{}", root.display());
    run(driftcheck(&store).args(["scan", &target]), 0);
    let missing = run(driftcheck(&store).args(["check", &target]), 2);
    let told = String::from_utf8(missing.stderr).unwrap();
    assert!(told.contains("driftcheck baseline set web-01"), "{told}");
    run(driftcheck(&store).args(["baseline", "set", "web-01"]), 0);
    let clean = json(driftcheck(&store).args(["check", &target, "--format", "json"]), 0);
    assert_eq!(clean["schema"], "driftcheck.drift/1");
    assert_eq!(clean["outcome"], "clean");
    put(&root, &[("etc/motd", "owned\n"), ("usr/bin/new", "elf")]);
    fs::set_permissions(root.join("usr/bin/new"), PermissionsExt::from_mode(0o4755)).unwrap();
    fs::remove_file(root.join("etc/crontab")).unwrap();
    let drift = json(driftcheck(&store).args(["check", &target, "--format", "json"]), 1);
    assert_eq!(
        path_changes(&drift),
        [("/etc/crontab", "removed"), ("/etc/motd", "modified"), ("/usr/bin/new", "added")]
            .map(|(path, change)| (path.to_owned(), change.to_owned()))
    );
    assert_eq!(drift["findings"][0]["subjects"][0]["path"], "/usr/bin/new");
    assert_eq!(drift["findings"][0]["severity"], "critical");
    // The same answer from what is stored, without the target.
    fs::rename(&root, work.path().join("gone")).unwrap();
    let compare = ["compare", "baseline:web-01", "web-01", "--format", "json"];
    let stored = json(driftcheck(&store).args(compare), 1);
    assert_eq!(stored["changes"], drift["changes"]);
    let explained = run(driftcheck(&store).args(["explain", "/etc/motd", "--in", "web-01"]), 0);
    assert!(String::from_utf8(explained.stdout).unwrap().contains("/etc/motd"));
}

#[test]
fn two_runs_over_the_same_input_give_the_same_bytes() {
    let work = tempfile::tempdir().unwrap();
    put(work.path(), &[("a/etc/x", "1"), ("b/etc/x", "2"), ("b/etc/y", "3")]);
    let (a, b) = (work.path().join("a"), work.path().join("b"));
    let store = work.path().join("store.db");
    for format in ["json", "ndjson", "table", "markdown", "html", "sarif", "junit", "github"] {
        let bytes = || {
            let mut command = driftcheck(&store);
            command.env("SOURCE_DATE_EPOCH", "1700000000").arg("compare").args([&a, &b]);
            run(command.args(["--format", format]), 1).stdout
        };
        assert_eq!(bytes(), bytes(), "{format}");
    }
}

#[test]
fn what_cannot_be_answered_is_exit_2_with_a_reason() {
    let work = tempfile::tempdir().unwrap();
    let store = work.path().join("store.db");
    let check = |arguments: &[&str], expected: &str| {
        let output = run(driftcheck(&store).args(arguments), 2);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(expected), "{arguments:?}: {told}");
    };
    check(&["frobnicate"], "unrecognized subcommand");
    check(&["scan", "dir:/nonexistent/root"], "/nonexistent/root");
    check(&["compare", "nothing", "here"], "neither a stored manifest nor a file");
    check(&["compare", "dir:/tmp", "dir:/tmp", "--format", "xml"], "no format xml");
    fs::write(&store, "this is no database, and it is long enough to have a header of one")
        .unwrap();
    check(&["scan", &format!("dir:{}", work.path().display())], "manifest store");
    assert!(fs::read_to_string(&store).unwrap().starts_with("this is no database"));
}

#[test]
fn unreadable_parts_are_gaps_and_never_clean() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root to become another user");
        return;
    }
    let work = tempfile::tempdir().unwrap();
    fs::set_permissions(work.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let root = work.path().join("root");
    put(&root, &[("etc/motd", "x"), ("etc/shadow", "secret"), ("root/key", "secret")]);
    fs::set_permissions(root.join("etc/shadow"), PermissionsExt::from_mode(0o600)).unwrap();
    fs::set_permissions(root.join("root"), PermissionsExt::from_mode(0o700)).unwrap();
    let open = |path: &std::path::Path| {
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    };
    open(&root);
    open(&root.join("etc"));
    let target = format!("dir:{}", root.display());
    let store = work.path().join("store.db");
    let as_nobody = |arguments: &[&str], code| {
        use std::os::unix::process::CommandExt;
        let mut command = driftcheck(&store);
        json(command.uid(65534).gid(65534).args(arguments).args(["--format", "json"]), code)
    };
    let report = as_nobody(&["compare", &target, &target], 2);
    assert_eq!(report["outcome"], "incomplete");
    let mut gaps: Vec<&str> =
        report["gaps"].as_array().unwrap().iter().filter_map(|gap| gap["path"].as_str()).collect();
    // The bytes of shadow are missed twice: as a file and as facts.
    gaps.dedup();
    assert_eq!(gaps, ["/etc/shadow", "/root"]);
    let report = as_nobody(&["compare", &target, &target, "--allow-gaps"], 0);
    assert_eq!(report["outcome"], "clean");
}

#[test]
fn a_killed_scan_leaves_whole_manifests_only() {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    let files: Vec<(String, String)> =
        (0..600).map(|n| (format!("d{}/f{n}", n % 40), format!("{n}").repeat(200))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    put(&root, &files);
    let target = format!("dir:{}", root.display());
    let store = work.path().join("store.db");
    run(driftcheck(&store).args(["scan", &target]), 0);
    // The heavy form kills 200 times; `DRIFTCHECK_KILLS` says how often.
    let kills = std::env::var("DRIFTCHECK_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    for number in 0..kills {
        put(&root, &[("d0/changing", &number.to_string())]);
        let mut scan = driftcheck(&store);
        scan.args(["scan", "--full", &target]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = scan.spawn().unwrap();
        // Spread over the time that a scan takes, without a clock in any assertion.
        std::thread::sleep(Duration::from_micros(700 * (number * 37 % 97)));
        let _ = child.kill();
        child.wait().unwrap();
        run(driftcheck(&store).args(["store", "verify"]), 0);
    }
    let list = run(driftcheck(&store).args(["list", "manifests"]), 0);
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(!list.is_empty());
    for line in list.lines() {
        let id = line.split_whitespace().next().unwrap();
        run(driftcheck(&store).args(["show", id, "--files"]), 0);
    }
}

#[test]
fn two_scans_at_once_both_succeed() {
    let work = tempfile::tempdir().unwrap();
    put(work.path(), &[("a/etc/x", "1"), ("b/etc/x", "2")]);
    let store = work.path().join("store.db");
    let scan = |name: &str| {
        let target = format!("dir:{}", work.path().join(name).display());
        driftcheck(&store).args(["scan", &target]).stdout(Stdio::null()).spawn().unwrap()
    };
    let (mut one, mut two) = (scan("a"), scan("b"));
    assert!(one.wait().unwrap().success() && two.wait().unwrap().success());
    let list = run(driftcheck(&store).args(["list", "manifests"]), 0);
    assert_eq!(String::from_utf8(list.stdout).unwrap().lines().count(), 2);
}

#[test]
fn an_exported_manifest_comes_back_to_the_same_id() {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("image");
    put(&root, &[("etc/motd", "x"), ("etc/os-release", "ID=debian\nVERSION_ID=12\n")]);
    let (store, other) = (work.path().join("store.db"), work.path().join("other.db"));
    let export = work.path().join("image.manifest");
    run(driftcheck(&store).arg("scan").arg(&root), 0);
    run(driftcheck(&store).args(["baseline", "set", "golden", "image"]), 0);
    let mut show = driftcheck(&store);
    run(show.args(["baseline", "show", "golden", "--export", "--output"]).arg(&export), 0);
    let imported = run(driftcheck(&other).args(["baseline", "import"]).arg(&export), 0);
    let id = String::from_utf8(imported.stdout).unwrap();
    let list = run(driftcheck(&store).args(["list", "manifests"]), 0);
    assert!(id.starts_with(String::from_utf8(list.stdout).unwrap().split(' ').next().unwrap()));
    let mut compare = driftcheck(&store);
    run(compare.arg("compare").arg(&export).arg("baseline:golden"), 0);
}
