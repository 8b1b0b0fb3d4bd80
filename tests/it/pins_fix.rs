//! `pins --fix` from the golden image: two tools in every carrier that can install them.

use crate::support::{driftcheck, fixture, put, run};
use std::fs;
use std::path::Path;
use std::process::Command;

/// How each carrier installs jq and nginx.
const FILES: &[(&str, &str)] = &[
    (
        "Dockerfile",
        "# tools\nFROM debian:12\nRUN apt-get update \\\n && apt-get install -y jq   nginx\n",
    ),
    ("user-data", "#cloud-config\r\npackages:\r\n  - jq\r\n  - 'nginx'  # web\r\n"),
    (
        "web.pkr.hcl",
        "build {\n  provisioner \"shell\" {\n    inline = [\"sudo apt-get install -y jq nginx\"]\n  }\n}\n",
    ),
    (
        "playbook.yml",
        "- hosts: all\n  tasks:\n    - name: tools\n      ansible.builtin.apt:\n        name:\n          - jq\n          - \"nginx\"\n    - name: again\n      apt: name=jq state=present\n    - apt:\n        name: \"{{ item }}\"\n      loop: [jq, nginx]\n",
    ),
    ("setup.sh", "#!/bin/sh\nset -e\nsudo apt-get install -y \"jq\" 'nginx' # both"),
];

fn pins(root: &Path, store: &Path) -> Command {
    let mut command = driftcheck(store);
    command.current_dir(root).args(["pins", "--from", "web-01"]);
    command
}

fn pinned(text: &str) -> String {
    let text = text.replace("jq", "jq=1.6-2.1+deb12u2");
    text.replace("nginx", "nginx=1.22.1-9+deb12u9")
}

#[test]
fn two_tools_from_a_golden_image() {
    let Some(image) = fixture("vm/web-01.qcow2") else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.db");
    run(driftcheck(&store).arg("scan").arg(image).args(["--name", "web-01"]), 0);
    let root = folder.path().join("repository");
    put(&root, FILES);
    put(&root, &[("lacks.sh", "apt-get install -y frobnicate\n")]);
    let diff = run(pins(&root, &store).arg("--diff"), 1);
    let diff = String::from_utf8(diff.stdout).unwrap();
    assert!(diff.contains("+  - 'nginx=1.22.1-9+deb12u9'  # web\r\n"), "{diff}");
    for (name, text) in FILES {
        assert_eq!(fs::read_to_string(root.join(name)).unwrap(), *text);
    }
    let output = run(pins(&root, &store).arg("--fix"), 1);
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("web-01 has no package frobnicate"), "{output}");
    let check = || {
        for (name, text) in FILES {
            assert_eq!(fs::read_to_string(root.join(name)).unwrap(), pinned(text), "{name}");
        }
        let left = fs::read_to_string(root.join("lacks.sh")).unwrap();
        assert_eq!(left, "apt-get install -y frobnicate\n");
    };
    check();
    run(pins(&root, &store).arg("--fix"), 1);
    check();
    // The diff is one that git and patch read.
    let patched = folder.path().join("patched");
    put(&patched, FILES);
    fs::write(folder.path().join("x.diff"), diff).unwrap();
    let patch = Command::new("patch")
        .args(["-p1", "--binary", "-i", "../x.diff"])
        .current_dir(&patched)
        .output();
    let Ok(patch) = patch else {
        println!("skipped: no patch program");
        return;
    };
    assert!(patch.status.success(), "{}", String::from_utf8_lossy(&patch.stdout));
    for (name, text) in FILES {
        assert_eq!(fs::read_to_string(patched.join(name)).unwrap(), pinned(text), "{name}");
    }
}
