//! Changed texts line by line, without the secrets in them, and changes accepted by their cause.

use crate::support::{driftcheck, json, put, run};
use std::fs;
use std::path::{Path, PathBuf};

/// Two trees, scanned as `golden` (the baseline) and `web-01`; cloud-init wrote `/etc/motd`.
fn hosts(work: &Path) -> PathBuf {
    let log =
        "2026-01-02 03:04:05,100 - util.py[DEBUG]: Writing to /etc/motd - wb: [644] 4 bytes\n";
    put(
        work,
        &[
            ("golden/etc/motd", "hello\n"),
            ("golden/etc/app.conf", "port = 1\npassword = hunter2\n"),
            ("golden/etc/shadow", "root:$6$abc$defghijk:1::::::\n"),
            ("golden/srv/text", "one\n"),
            ("web/etc/motd", "bye\n"),
            ("web/etc/app.conf", "port = 2\npassword = hunter3\n"),
            ("web/etc/shadow", "root:$6$abc$lmnopqrs:1::::::\n"),
            ("web/srv/text", "two\n"),
            ("web/var/log/cloud-init.log", log),
        ],
    );
    let store = work.join("store.db");
    let dir = |name: &str| format!("dir:{}", work.join(name).display());
    run(driftcheck(&store).args(["scan", "--name", "golden", &dir("golden")]), 0);
    run(driftcheck(&store).args(["baseline", "set", "web-01", "golden"]), 0);
    run(driftcheck(&store).args(["scan", "--name", "web-01", &dir("web")]), 0);
    store
}

fn explained(store: &Path, path: &str) -> String {
    let output = run(driftcheck(store).args(["explain", path, "--in", "web-01"]), 0);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn texts_are_shown_without_secrets_and_survive_cleaning_up() {
    let work = tempfile::tempdir().unwrap();
    let store = hosts(work.path());
    for _ in 0..2 {
        let motd = explained(&store, "/etc/motd");
        assert!(motd.contains("  -hello\n  +bye\n"), "{motd}");
        let config = explained(&store, "/etc/app.conf");
        assert!(
            config.contains("  -port = 1\n  +port = 2\n   password = [redacted]\n"),
            "{config}"
        );
        assert!(!config.contains("hunter"), "{config}");
        let shadow = explained(&store, "/etc/shadow");
        assert!(shadow.contains("are not kept") && !shadow.contains("$6$"), "{shadow}");
        assert!(!explained(&store, "/srv/text").contains("Content"));
        run(driftcheck(&store).args(["store", "gc"]), 0);
        run(driftcheck(&store).args(["store", "verify"]), 0);
    }
    let stats =
        String::from_utf8(run(driftcheck(&store).args(["store", "stats"]), 0).stdout).unwrap();
    assert!(stats.lines().any(|line| line.starts_with("texts") && line.ends_with('4')), "{stats}");
    // Without a store too, and of what a policy names besides.
    let policy = work.path().join("own.toml");
    fs::write(&policy, "[[text]]\npaths = ['/srv/**']\n").unwrap();
    let (golden, web) = (work.path().join("golden"), work.path().join("web"));
    for (format, expected) in [
        ("markdown", "```diff\n@@ -1 +1 @@\n-one\n+two\n```"),
        ("html", "<span class=\"in\">+two</span>"),
    ] {
        let mut command = driftcheck(&work.path().join("none.db"));
        command.arg("compare").args([&golden, &web]).args(["--format", format, "--policy"]);
        let output = run(command.arg(&policy), 1);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(expected) && !text.contains("hunter"), "{text}");
    }
}

#[test]
fn what_one_cause_did_is_accepted_and_nothing_wider() {
    let work = tempfile::tempdir().unwrap();
    let store = hosts(work.path());
    let accepted = work.path().join("accepted.toml");
    let accept = |output: &Path, more: &[&str], code: i32| {
        let mut command = driftcheck(&store);
        command.args(["baseline", "accept", "--cause", "cloud-init", "--reason", "first boot"]);
        command.args(["--in", "web-01", "--output"]).arg(output).args(more);
        String::from_utf8(run(&mut command, code).stderr).unwrap()
    };
    assert!(accept(&accepted, &[], 0).starts_with("1 change by cloud-init accepted"));
    let text = fs::read_to_string(&accepted).unwrap();
    assert!(text.contains("paths = [\"/etc/motd\"]") && text.contains("digest"), "{text}");
    // A second time there is nothing left to accept.
    assert!(accept(&accepted, &[], 0).starts_with("0 changes"));
    assert_eq!(fs::read_to_string(&accepted).unwrap(), text);
    let check = |policy: &Path| {
        let mut command = driftcheck(&store);
        command.args(["check", "web-01", "--format", "json", "--policy"]).arg(policy);
        json(&mut command, 1)
    };
    let disposition = |report: &serde_json::Value| {
        let changes = report["changes"].as_array().unwrap();
        let motd = changes.iter().find(|one| one["subject"]["path"] == "/etc/motd").unwrap();
        motd["disposition"].as_str().unwrap().to_owned()
    };
    assert_eq!(disposition(&check(&accepted)), "accepted");
    let expired = work.path().join("expired.toml");
    accept(&expired, &["--until", "2020-01-31"], 0);
    let report = check(&expired);
    assert_eq!(disposition(&report), "drift");
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().any(|one| one["rule"] == "policy-expired"), "{findings:?}");
    accept(&expired, &["--until", "soon"], 2);
    // Other bytes by the same cause are drift again.
    fs::write(work.path().join("web/etc/motd"), "third\n").unwrap();
    let web = format!("dir:{}", work.path().join("web").display());
    run(driftcheck(&store).args(["scan", "--name", "web-01", &web]), 0);
    assert_eq!(disposition(&check(&accepted)), "drift");
}

#[test]
fn narrowing_changes_the_view_and_never_the_exit_code() {
    let work = tempfile::tempdir().unwrap();
    let store = hosts(work.path());
    let count = |more: &[&str]| {
        let mut command = driftcheck(&store);
        json(command.args(["check", "web-01", "--format", "json"]).args(more), 1)["changes"]
            .as_array()
            .unwrap()
            .len()
    };
    let all = count(&[]);
    assert_eq!(count(&["--cause", "cloud-init"]), 1);
    assert_eq!(count(&["--cause", "puppet"]), 0);
    let unexplained = count(&["--unexplained"]);
    assert!(unexplained > 0 && unexplained < all);
}
