//! Whole files, before and after.

use super::digests::Digests;
use super::known::{Known, Packages};
use super::*;
use crate::model::{Fact, Package, PackageKey, TreePath};
use crate::pins::Requirements;
use std::fs;

const SHA: &str = "11bd71901bbe5b1630ceea73d97a2d6c4d5a8d3a";
const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn package(manager: &str, name: &str, version: &str) -> Package {
    let (name, architecture) = match name.split_once(':') {
        Some((name, architecture)) => (name, architecture),
        None => (name, "amd64"),
    };
    let key = PackageKey {
        manager: manager.to_owned(),
        name: name.to_owned(),
        architecture: (!["pypi", "npm", "gem", "cargo"].contains(&manager))
            .then(|| architecture.to_owned()),
        instance: None,
    };
    Package {
        key,
        version: version.to_owned(),
        state: "installed".to_owned(),
        installed_at: None,
        origin: None,
        purl: String::new(),
        evidence: TreePath::parse("/x"),
        details: BTreeMap::new(),
    }
}

/// A golden image: `ID`, `VERSION_ID`, and packages.
fn golden(id: &str, version: &str, packages: &[(&str, &str, &str)]) -> Known {
    let packages: Vec<Package> =
        packages.iter().map(|(manager, name, version)| package(manager, name, version)).collect();
    let attributes = [("ID", id), ("VERSION_ID", version)];
    let facts = [Fact {
        scope: "os-release".to_owned(),
        key: "os-release".to_owned(),
        attributes: attributes.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        evidence: None,
    }];
    Known { packages: Some(Packages::new("golden", &packages, &facts)), digests: None }
}

fn debian() -> Known {
    golden(
        "debian",
        "12",
        &[
            ("dpkg", "jq", "1.6-2.1+deb12u2"),
            ("dpkg", "nginx", "1.22.1-9+deb12u9"),
            ("dpkg", "tzdata:all", "2024b-0+deb12u1"),
            ("dpkg", "evil", "1;reboot"),
            ("dpkg", "two", "1"),
            ("dpkg", "two", "2"),
            ("pypi", "Foo_Bar", "2.31.0"),
            ("npm", "@s/cli", "4.5.6"),
            ("gem", "rake", "13.0.6"),
            ("cargo", "ripgrep", "14.1.0"),
            ("golang", "golang.org/x/tools", "v0.20.0"),
        ],
    )
}

fn map(lines: &str) -> Known {
    let lines = lines.replace("SHA", SHA).replace("DIGEST", DIGEST);
    Known { packages: None, digests: Some(Digests::parse(lines.as_bytes()).unwrap()) }
}

/// One file: what it becomes, what is left alone, and that a second run changes nothing.
fn check(name: &str, before: &str, known: &Known, after: &str, left: &[&str]) {
    check_with(&[], name, before, known, after, left);
}

fn check_with(
    beside: &[(&str, &str)],
    name: &str,
    before: &str,
    known: &Known,
    after: &str,
    left: &[&str],
) {
    let after = after.replace("SHA", SHA).replace("DIGEST", DIGEST);
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    for (name, text) in beside {
        fs::write(root.path().join(name), text).unwrap();
    }
    fs::write(&path, before).unwrap();
    let mut requirements = Requirements::shipped().unwrap();
    // What is not asked about here.
    for scope in ["machine-image=none", "repo-source=none"] {
        let (scope, strength) = scope.split_once('=').unwrap();
        requirements.require(scope, strength).unwrap();
    }
    let options = AuditOptions { requirements, ..AuditOptions::default() };
    let roots = [root.path().to_path_buf()];
    let fixing = plan(&roots, &options, known);
    for file in &fixing.files {
        write::write(file, &roots).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), after, "{:?}", fixing.left);
    let reasons: Vec<String> =
        fixing.left.iter().map(|one| format!("{}: {}", one.subject, one.reason)).collect();
    assert_eq!(reasons.len(), left.len(), "{reasons:?}");
    for (reason, expected) in reasons.iter().zip(left) {
        assert!(reason.contains(expected), "{reason}");
    }
    assert_eq!(audit_paths(&roots, &options).findings, fixing.after.findings);
    assert!(plan(&roots, &options, known).files.is_empty());
}

#[test]
fn a_dockerfile() {
    let digest = DIGEST;
    check(
        "Dockerfile",
        &"# syntax\nFROM debian:12@DIGEST\nRUN apt-get update && \\\n    apt-get install -y --no-install-recommends \\\n      jq   nginx='1.*' \\\n      tzdata missing\n".replace("DIGEST", digest),
        &debian(),
        "# syntax\nFROM debian:12@DIGEST\nRUN apt-get update && \\\n    apt-get install -y --no-install-recommends \\\n      jq=1.6-2.1+deb12u2   nginx=1.22.1-9+deb12u9 \\\n      tzdata=2024b-0+deb12u1 missing\n",
        &["missing: golden has no package missing"],
    );
}

#[test]
fn distribution_and_architecture_must_match() {
    let debian = debian();
    let keep = |from: &str, reason: &str| {
        let text = format!("FROM {from}\nRUN apt-get update && apt-get install -y jq\n");
        let text = text.replace("DIGEST", DIGEST);
        check("Dockerfile", &text, &debian, &text, &[reason]);
    };
    keep("ubuntu:22.04@DIGEST", "golden is debian 12, and this is built for ubuntu 22.04");
    keep("debian:11@DIGEST", "this is built for debian 11");
    keep("python:3.12-bullseye@DIGEST", "this is built for debian 11");
    keep("--platform=linux/arm64 debian:12@DIGEST", "this is built for arm64");
    let fixed = |from: &str| {
        let text = format!("FROM {from}\nRUN apt-get update && apt-get install -y jq\n");
        let text = text.replace("DIGEST", DIGEST);
        check("Dockerfile", &text, &debian, &text.replace(" jq", " jq=1.6-2.1+deb12u2"), &[]);
    };
    fixed("debian:12.5-slim@DIGEST");
    fixed("python:3.12-slim@DIGEST");
    fixed("ghcr.io/acme/base:1@DIGEST");
    fixed("--platform=linux/amd64 debian:bookworm@DIGEST");
    check("x.sh", "apk add jq\n", &debian, "apk add jq\n", &["no package jq"]);
}

#[test]
fn each_manager_in_its_own_syntax() {
    let el9 = golden("rocky", "9.3", &[("rpm", "nginx:x86_64", "1:1.20.1-14.el9")]);
    check(
        "x.sh",
        "sudo dnf -y install nginx\nyum install nginx.x86_64\nzypper in nginx\n",
        &el9,
        "sudo dnf -y install nginx-1:1.20.1-14.el9\nyum install nginx-1:1.20.1-14.el9.x86_64\nzypper in nginx\n",
        &["does not record zypper"],
    );
    let suse = golden("opensuse-leap", "15.6", &[("rpm", "jq:x86_64", "1.6-1.1")]);
    check("x.sh", "zypper -n in jq\n", &suse, "zypper -n in jq=1.6-1.1\n", &[]);
    let alpine = golden("alpine", "3.19.1", &[("apk", "jq:x86_64", "1.7.1-r0")]);
    check("x.sh", "apk add 'jq>1'\n", &alpine, "apk add 'jq=1.7.1-r0'\n", &[]);
    check(
        "x.sh",
        "pip install foo-bar 'foo.bar[x]>=2'\nnpm i -g @s/cli\ngem install rake\ngem install rake -v '~> 13'\ncargo install --locked ripgrep\ngo install golang.org/x/tools/cmd/stringer@latest\n",
        &debian(),
        "pip install foo-bar==2.31.0 'foo.bar[x]==2.31.0'\nnpm i -g @s/cli@4.5.6\ngem install rake:13.0.6\ngem install rake -v '13.0.6'\ncargo install --locked ripgrep@14.1.0\ngo install golang.org/x/tools/cmd/stringer@v0.20.0\n",
        &[],
    );
}

#[test]
fn what_is_not_known_is_named() {
    let text = "apt-get install -y evil two $X jq\napt-get upgrade\n";
    check(
        "x.sh",
        text,
        &debian(),
        &text.replace(" jq", " jq=1.6-2.1+deb12u2"),
        &["is no version", "more than one version of two: 1, 2", "upgrade of everything"],
    );
    let known = Known::default();
    check("x.sh", "apt-get install jq\n", &known, "apt-get install jq\n", &["--from"]);
}

#[test]
fn words_that_variables_brought() {
    let text = "for p in jq nginx; do\n  apt-get install -y \"$p\"\ndone\n";
    let after = "for p in jq=1.6-2.1+deb12u2 nginx=1.22.1-9+deb12u9; do\n  apt-get install -y \"$p\"\ndone\n";
    check("x.sh", text, &debian(), after, &[]);
    let text = "P=\"jq\"\napt-get install -y $P\ndpkg -s $P\n";
    check("x.sh", text, &debian(), text, &["used elsewhere"]);
    let text = "P='jq'\napt-get install -y ${P}\n";
    check("x.sh", text, &debian(), "P='jq=1.6-2.1+deb12u2'\napt-get install -y ${P}\n", &[]);
    let text = "P=\"jq nginx\"\napt-get install -y $P\n";
    let after = "P=\"jq=1.6-2.1+deb12u2 nginx=1.22.1-9+deb12u9\"\napt-get install -y $P\n";
    check("x.sh", text, &debian(), after, &[]);
    let text = format!("{text}apt-mark hold $P\n");
    check("x.sh", &text, &debian(), &text, &["used elsewhere", "used elsewhere"]);
}

#[test]
fn a_user_data_keeps_its_form() {
    check(
        "user-data",
        "#cloud-config\r\n# why\r\npackages:\r\n  - jq   # a tool\r\n  - 'nginx'\r\n  - [tzdata, 2020]\r\nruncmd:\r\n  - [apt-get, install, -y, jq]\r\n  - \"apt-get install -y \\\"jq\\\"\"",
        &debian(),
        "#cloud-config\r\n# why\r\npackages:\r\n  - jq=1.6-2.1+deb12u2   # a tool\r\n  - 'nginx=1.22.1-9+deb12u9'\r\n  - [tzdata, 2020]\r\nruncmd:\r\n  - [apt-get, install, -y, jq=1.6-2.1+deb12u2]\r\n  - \"apt-get install -y \\\"jq=1.6-2.1+deb12u2\\\"\"",
        &[],
    );
    check(
        "user-data",
        "\u{feff}#cloud-config\npackages: [jq, [nginx, '1.*']]\n",
        &debian(),
        "\u{feff}#cloud-config\npackages: [jq=1.6-2.1+deb12u2, [nginx, '1.22.1-9+deb12u9']]\n",
        &[],
    );
    let encoded = "#cloud-config\nwrite_files:\n- path: /x.sh\n  encoding: b64\n  content: IyEvYmluL3NoCmFwdC1nZXQgaW5zdGFsbCBqcQo=\nruncmd: [[sh, /x.sh]]\n";
    check("user-data", encoded, &debian(), encoded, &["encoded"]);
}

#[test]
fn packer_and_terraform() {
    check(
        "web.pkr.hcl",
        "build {\n  provisioner \"shell\" {\n    inline = [\"sudo apt-get install -y jq\", <<-EOT\n      apt-get install \\\n        nginx\n    EOT\n    ]\n  }\n}\n",
        &debian(),
        "build {\n  provisioner \"shell\" {\n    inline = [\"sudo apt-get install -y jq=1.6-2.1+deb12u2\", <<-EOT\n      apt-get install \\\n        nginx=1.22.1-9+deb12u9\n    EOT\n    ]\n  }\n}\n",
        &[],
    );
    check(
        "web.json",
        "{\"builders\": [], \"provisioners\": [{\"type\": \"shell\", \"inline\": [\"apt-get install -y \\\"jq\\\"\"]}]}",
        &debian(),
        "{\"builders\": [], \"provisioners\": [{\"type\": \"shell\", \"inline\": [\"apt-get install -y \\\"jq=1.6-2.1+deb12u2\\\"\"]}]}",
        &[],
    );
    let lock = "provider \"registry.terraform.io/hashicorp/aws\" {\n  version = \"5.1.0\"\n  constraints = \"~> 5.0\"\n  hashes = [\"h1:x\"]\n}\n";
    check_with(
        &[(".terraform.lock.hcl", lock)],
        "main.tf",
        "terraform {\n  required_version = \"1.5.7\"\n}\nmodule \"v\" {\n  source = \"git::https://github.com/acme/vpc.git?ref=main\" # old words\n}\n",
        &map("https://github.com/acme/vpc@main SHA v1.2.0"),
        "terraform {\n  required_version = \"1.5.7\"\n}\nmodule \"v\" {\n  source = \"git::https://github.com/acme/vpc.git?ref=SHA\" # v1.2.0 # old words\n}\n",
        &[],
    );
}

const WORKFLOW: &str = ".github/workflows/ci.yml";

#[test]
fn actions_and_their_comments() {
    let step = |line: &str| format!("jobs:\n  a:\n    runs-on: x\n    steps:\n    {line}");
    let pinned = |before: &str, after: &str| {
        let known = map(
            "actions/checkout@v4 SHA\nowner/tool@main SHA v1.2.3\nowner/tool@deadbee SHA v1.2.3\nalpine:3 DIGEST",
        );
        check(WORKFLOW, &step(before), &known, &step(after), &[]);
    };
    pinned("- uses: actions/checkout@v4\n", "- uses: actions/checkout@SHA # v4\n");
    pinned("- uses: actions/checkout@v4", "- uses: actions/checkout@SHA # v4");
    pinned("- uses:   'actions/checkout@v4'  \r\n", "- uses:   'actions/checkout@SHA' # v4  \r\n");
    pinned(
        "- \"uses\" : \"actions/checkout@v4\"\n",
        "- \"uses\" : \"actions/checkout@SHA\" # v4\n",
    );
    pinned("- uses: actions/checkout@v4 # v3\n", "- uses: actions/checkout@SHA # v4\n");
    pinned("- uses: actions/checkout@v4  #v4.0\n", "- uses: actions/checkout@SHA  #v4\n");
    pinned(
        "- uses: actions/checkout@v4 # tag=v3 old\n",
        "- uses: actions/checkout@SHA # tag=v4 old\n",
    );
    pinned("- uses: actions/checkout@v4 # fetch\n", "- uses: actions/checkout@SHA # v4 # fetch\n");
    pinned("- uses: owner/tool@main\n", "- uses: owner/tool@SHA # v1.2.3\n");
    pinned("- uses: Owner/tool/sub/dir@main\n", "- uses: Owner/tool/sub/dir@SHA # v1.2.3\n");
    pinned("- uses: owner/tool@deadbee # v1\n", "- uses: owner/tool@SHA # v1.2.3\n");
    pinned(
        "- { uses: actions/checkout@v4, with: { a: b } }\n",
        "- { uses: actions/checkout@SHA, with: { a: b } }\n",
    );
    pinned("- uses: docker://alpine:3\n", "- uses: docker://alpine:3@DIGEST\n");
    let unknown = step("- uses: a/b@v1\n");
    check(WORKFLOW, &unknown, &map(""), &unknown, &["the digest map has no a/b@v1"]);
}

#[test]
fn images_wherever_they_are_named() {
    let known = map(
        "debian:12 DIGEST\ndocker.io/library/node:20-slim@DIGEST\nlocalhost:5000/a/b DIGEST\nhttps://e.org/t-1.2.3.tgz DIGEST",
    );
    let pinned = |name: &str, before: &str, after: &str, left: &[&str]| {
        check(name, before, &known, after, left);
    };
    pinned("Dockerfile", "FROM debian:12\n", "FROM debian:12@DIGEST\n", &[]);
    pinned(
        "Dockerfile",
        "FROM  --platform=$BUILDPLATFORM node:20-slim   AS build # no comment\nFROM localhost:5000/a/b\nFROM build\n",
        "FROM  --platform=$BUILDPLATFORM node:20-slim@DIGEST   AS build # no comment\nFROM localhost:5000/a/b@DIGEST\nFROM build\n",
        &[],
    );
    pinned(
        "Dockerfile",
        "ARG BASE=\"debian:12\"\nFROM ${BASE} AS a\nFROM $BASE\n",
        "ARG BASE=\"debian:12@DIGEST\"\nFROM ${BASE} AS a\nFROM $BASE\n",
        &[],
    );
    pinned(
        "Dockerfile",
        "ARG V=12\nFROM debian:$V\n",
        "ARG V=12\nFROM debian:$V\n",
        &["variables"],
    );
    pinned(
        "Dockerfile",
        "FROM debian:12\nCOPY --from=node:20-slim /a /b\nRUN --mount=type=bind,from=debian:12,target=/x ls\n",
        "FROM debian:12@DIGEST\nCOPY --from=node:20-slim@DIGEST /a /b\nRUN --mount=type=bind,from=debian:12@DIGEST,target=/x ls\n",
        &[],
    );
    pinned(
        "Dockerfile",
        "FROM scratch\nADD --chown=1 https://e.org/t-1.2.3.tgz /t\n",
        "FROM scratch\nADD --chown=1 --checksum=DIGEST https://e.org/t-1.2.3.tgz /t\n",
        &[],
    );
    pinned(
        "x.sh",
        "docker run --rm debian:12 true\ncurl -O https://e.org/t-1.2.3.tgz\n",
        "docker run --rm debian:12@DIGEST true\ncurl -O https://e.org/t-1.2.3.tgz\n",
        &["no word here takes a checksum"],
    );
    pinned(
        WORKFLOW,
        "jobs:\n  a:\n    container: debian:12\n    services:\n      s: {image: \"node:20-slim\"}\n",
        "jobs:\n  a:\n    container: debian:12@DIGEST\n    services:\n      s: {image: \"node:20-slim@DIGEST\"}\n",
        &[],
    );
}
