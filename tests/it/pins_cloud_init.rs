//! cloud-init user-data: pins that are stripped are found one by one; hostile files get an answer
//! or a gap.

use driftcheck::pins::walk::audit_source;
use driftcheck::pins::{
    AuditOptions, CARRIERS, PinReport, Repository, Requirements, SourceFile, audit_paths,
};
use std::fmt::Write;

fn report(path: &str, text: &str) -> PinReport {
    let carrier = CARRIERS.iter().find(|carrier| (carrier.recognises)(path, text.as_bytes()));
    let carrier = carrier.unwrap_or_else(|| panic!("no carrier for {path}"));
    assert_eq!(carrier.name, "cloud-init");
    let source = SourceFile::new(path, text.as_bytes());
    let collected = audit_source(&source, carrier, &Repository::of_files([]));
    let requirements = Requirements::shipped().unwrap();
    PinReport::judge(collected.inputs, collected.remarks, collected.gaps, &requirements)
}

const PINNED: &str = r#"#cloud-config
apt:
  sources:
    vendor: {source: "deb https://e.org/apt v1 main", keyid: ABCD}
packages:
  - curl=7.88.1-10
  - [jq, 1.6-2.1]
  - snap:
      - [core, --revision=24061]
snap:
  commands:
    - [install, lxd, --revision=24061]
write_files:
  - path: /opt/setup
    content: |
      #!/bin/sh
      pip install requests==2.31.0
chef: {install_type: omnibus, omnibus_version: "18.2.7"}
puppet: {install: true, version: "7.8.0"}
ansible:
  install_method: pip
  package_name: ansible-core==2.15.0
  galaxy:
    actions:
      - [ansible-galaxy, collection, install, "community.general:8.1.0"]
bootcmd:
  - npm install -g typescript@5.4.2
runcmd:
  - gem install rails -v 7.1.2
  - [pip, install, flask==3.0.0]
  - |
    docker pull nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
"#;

#[test]
fn each_pin_that_is_stripped_is_one_finding_on_its_word() {
    let whole = report("user-data", PINNED);
    assert!(whole.gaps.is_empty(), "{:?}", whole.gaps);
    let said: Vec<_> = whole.findings.iter().map(|f| (&f.subject, &f.message)).collect();
    assert!(said.is_empty(), "{said:?}");
    let digest = format!("@sha256:{}", "0123456789abcdef".repeat(4));
    for (pinned, stripped, word) in [
        ("keyid: ABCD", "filename: x", "deb https://e.org/apt v1 main"),
        ("curl=7.88.1-10", "curl", "curl"),
        ("[jq, 1.6-2.1]", "[jq]", "jq"),
        ("[core, --revision=24061]", "[core]", "core"),
        ("lxd, --revision=24061", "lxd", "lxd"),
        ("requests==2.31.0", "requests", "requests"),
        (", omnibus_version: \"18.2.7\"", "", "omnibus"),
        (", version: \"7.8.0\"", "", "puppet"),
        ("ansible-core==2.15.0", "ansible-core", "ansible-core"),
        ("community.general:8.1.0", "community.general", "community.general"),
        ("typescript@5.4.2", "typescript", "typescript"),
        ("rails -v 7.1.2", "rails", "rails"),
        ("flask==3.0.0", "flask", "flask"),
        (digest.as_str(), "", "nginx"),
    ] {
        assert_eq!(PINNED.matches(pinned).count(), 1, "{pinned}");
        let text = PINNED.replace(pinned, stripped);
        let found = report("user-data", &text).findings;
        let words: Vec<&str> = found
            .iter()
            .map(|finding| text.get(finding.byte_range.0..finding.byte_range.1).unwrap())
            .collect();
        assert_eq!(words, [word], "{pinned}");
    }
}

#[test]
fn hostile_files_get_an_answer_or_a_gap() {
    let mut bomb = "#cloud-config\na0: &a0 {runcmd: [apt install x, apt install y]}\n".to_owned();
    for level in 1..40 {
        let alias = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", [alias.as_str(); 10].join(", ")).unwrap();
    }
    bomb.push_str("runcmd: *a39\npackages: *a39\n");
    let words = "apt-get install curl jq ".repeat(45_000);
    let deep = format!("#cloud-config\nruncmd: {}", "[".repeat(1_000_000));
    let base64 = "A".repeat(4_000_000);
    for (text, gap) in [
        (bomb, true),
        (deep, true),
        (format!("#cloud-config\nruncmd: [\"{words}\"]\n"), false),
        (format!("#cloud-config\nx: {words}\n"), false),
        (format!("#cloud-config\n{}", "\u{1}\u{7f}{[%&*!".repeat(400_000)), false),
        (format!("#cloud-config\na: [{}", "\u{1}\u{7f}}[%&*!".repeat(400_000)), true),
        (base64, false),
        ("--b\n".repeat(500_000), false),
    ] {
        let found = report("user-data", &text);
        assert!(!gap || !found.gaps.is_empty(), "{text:.60}");
    }
}

#[test]
fn a_tree_with_a_policy() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("web/user-data", "#cloud-config\npackages: [curl, jq]\n");
    write("old/user-data", "#cloud-config\npackages: [wget]\n");
    write("garbage/user-data", &"\u{1}{[garbage".repeat(1_000_000));
    write(
        "driftcheck.toml",
        "exclude = ['old/**']\n[[ignore]]\npath = 'web/*'\nrule = 'pins/os-package'\nsubject = 'jq'\nreason = 'x'\n",
    );
    let requirements = Requirements::shipped().unwrap();
    let options = AuditOptions { requirements, discover: true, ..AuditOptions::default() };
    for root in [folder.path().to_path_buf(), folder.path().join("web")] {
        let report = audit_paths(std::slice::from_ref(&root), &options);
        let subjects: Vec<&str> = report.findings.iter().map(|f| f.subject.as_str()).collect();
        assert_eq!(subjects, ["curl"]);
        assert_eq!(report.suppressed.len(), 1);
        assert_eq!(report.gaps.len(), usize::from(!root.ends_with("web")));
    }
}
