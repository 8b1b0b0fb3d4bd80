//! Which files of a tree the gate reads: links, submodules, vendored, generated and hidden files,
//! what is ignored, odd names and encodings; and that each default can be changed.

use crate::support::{driftcheck, json, put};
use serde_json::Value;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What is found, as `file:line subject`, and the places of the gaps.
fn seen(root: &Path, arguments: &[&str]) -> (Vec<String>, Vec<String>) {
    let mut command = driftcheck(&root.join("no.db"));
    command.current_dir(root).arg("pins").args(arguments).args(["--format", "json"]);
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let mut found: Vec<String> = findings
        .map(|one| {
            format!("{}:{} {}", text(&one["file"]), one["start"]["line"], text(&one["subject"]))
        })
        .collect();
    found.sort();
    let gaps = report["gaps"].as_array().unwrap().iter();
    let gaps = gaps.map(|gap| format!("{}: {}", text(&gap["file"]), text(&gap["reason"])));
    (found, gaps.collect())
}

#[track_caller]
fn check(root: &Path, arguments: &[&str], expected: &[&str]) {
    let (found, gaps) = seen(root, arguments);
    assert_eq!(found, expected, "{arguments:?}");
    assert!(gaps.is_empty(), "{gaps:?}");
}

#[test]
fn links() {
    let outside = tempfile::tempdir().unwrap();
    put(outside.path(), &[("x.sh", "apk add outside\n"), ("more/y.sh", "apk add more\n")]);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, &[("a/one.sh", "apk add one\n"), ("a/build.txt", "FROM scratch\nRUN apk add two\n")]);
    let link = |target: &Path, name: &str| symlink(target, root.join(name)).unwrap();
    link(Path::new("a/one.sh"), "again.sh");
    link(Path::new("a/build.txt"), "Dockerfile");
    link(Path::new("a"), "folder");
    link(Path::new("."), "a/circle");
    link(Path::new("self.sh"), "self.sh");
    link(Path::new("nowhere"), "gone.sh");
    link(&outside.path().join("x.sh"), "out.sh");
    link(&outside.path().join("more"), "out");
    // A link that gives a file of the tree its only telling name is read, all others are not.
    check(root, &[], &["Dockerfile:2 two", "a/one.sh:1 one"]);
    // Whoever names a link means what it leads to.
    check(root, &["out.sh"], &["out.sh:1 outside"]);
    let (found, gaps) = seen(root, &["--follow"]);
    for one in ["out.sh:1 outside", "out/y.sh:1 more", "folder/one.sh:1 one", "again.sh:1 one"] {
        assert!(found.iter().any(|found| found == one), "{found:?}");
    }
    assert!(gaps.iter().any(|gap| gap.contains("loop")), "{gaps:?}");
}

#[test]
fn other_peoples_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(
        root,
        &[
            ("build.sh", "apk add own\n"),
            ("vendor/a.sh", "apk add vendored\n"),
            ("web/node_modules/x/b.sh", "apk add module\n"),
            (".gitmodules", "[submodule \"s\"]\n\tpath = sub/s\n\turl = https://example.org/s\n"),
            ("sub/s/.git", "gitdir: ../../.git/modules/s\n"),
            ("sub/s/c.sh", "apk add submodule\n"),
            ("sub/d.sh", "apk add beside\n"),
            (".gitattributes", "copied/** linguist-vendored\n*.gen.sh linguist-generated=true\n"),
            ("copied/e.sh", "apk add copied\n"),
            ("f.gen.sh", "apk add generated\n"),
        ],
    );
    let own = ["build.sh:1 own", "f.gen.sh:1 generated", "sub/d.sh:1 beside"];
    check(root, &[], &own);
    check(root, &["--exclude-generated"], &[own[0], own[2]]);
    check(
        root,
        &["--include-vendored"],
        &[
            own[0],
            "copied/e.sh:1 copied",
            own[1],
            own[2],
            "sub/s/c.sh:1 submodule",
            "vendor/a.sh:1 vendored",
            "web/node_modules/x/b.sh:1 module",
        ],
    );
    // What is named is read.
    check(root, &["vendor"], &["vendor/a.sh:1 vendored"]);
    check(root, &["sub/s"], &["sub/s/c.sh:1 submodule"]);
    check(root, &["copied/e.sh"], &["copied/e.sh:1 copied"]);
}

#[test]
fn what_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(
        root,
        &[
            (".git/HEAD", "ref: refs/heads/main\n"),
            (".git/info/exclude", "excluded.sh\n"),
            (".git/hooks/x.sh", "apk add hook\n"),
            (".gitignore", "out/\n*.tmp.sh\n"),
            (".ignore", "quiet/\n"),
            (".hidden/a.sh", "apk add hidden\n"),
            ("excluded.sh", "apk add excluded\n"),
            ("out/b.sh", "apk add out\n"),
            ("part/c.tmp.sh", "apk add temporary\n"),
            ("part/d.sh", "apk add part\n"),
            ("quiet/e.sh", "apk add quiet\n"),
        ],
    );
    check(root, &[], &[".hidden/a.sh:1 hidden", "part/d.sh:1 part"]);
    let all = [
        ".hidden/a.sh:1 hidden",
        "excluded.sh:1 excluded",
        "out/b.sh:1 out",
        "part/c.tmp.sh:1 temporary",
        "part/d.sh:1 part",
        "quiet/e.sh:1 quiet",
    ];
    check(root, &["--include-ignored"], &all);
    check(root, &["--no-ignore"], &all);
    // The rules of the repository hold for a part of it, unless they name that part itself.
    check(root, &["part"], &["part/d.sh:1 part"]);
    check(root, &["out"], &["out/b.sh:1 out"]);
    check(root, &["part/c.tmp.sh"], &["part/c.tmp.sh:1 temporary"]);
    fs::write(root.join("driftcheck.toml"), "exclude = ['.hidden/**']\n").unwrap();
    check(root, &[], &["part/d.sh:1 part"]);
}

#[test]
fn odd_names() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, &[("a\\b.sh", "apk add backslash\n"), ("new\nline.sh", "apk add line\n")]);
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.sh");
    fs::write(root.join(name), "apk add latin\n").unwrap();
    check(root, &[], &["a\\b.sh:1 backslash", "caf\u{fffd}.sh:1 latin", "new\nline.sh:1 line"]);
}

fn utf16(text: &str, little: bool) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
    units.flat_map(bytes).collect()
}

#[test]
fn encodings() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let put = |name: &str, bytes: &[u8]| fs::write(root.join(name), bytes).unwrap();
    put("a.ps1", &utf16("# \u{e4}\u{1f600}\r\n  choco install git\r\n", true));
    put("b.sh", &utf16("apk add big\n", false));
    put("requirements.txt", &utf16("\u{e9}x==1\r\nrequests>=2\r\n", true));
    put("user-data", &utf16("#cloud-config\r\npackages: [curl]\r\n", true));
    put("c.sh", b"\xef\xbb\xbfapk add mark\r\napk add curl\r\n");
    put("d.sh", b"# caf\xe9\napk add latin # \xe9\xe9\n");
    put(
        "e.yaml",
        b"\xef\xbb\xbfapiVersion: v1\r\nkind: Pod\r\nspec:\r\n  containers: [{image: x}]\r\n",
    );
    put("picture.sh", b"\x89PNG\0\0\0");
    let mut command = driftcheck(&root.join("no.db"));
    let report = json(command.current_dir(root).args(["pins", "--format", "json"]), 2);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let mut found = Vec::new();
    for one in report["findings"].as_array().unwrap() {
        let file = text(&one["file"]);
        let bytes = fs::read(root.join(&file)).unwrap();
        let range = &one["byte_range"];
        let raw = &bytes[number(&range[0])..number(&range[1])];
        let word: String = raw.iter().filter(|byte| **byte != 0).map(|b| char::from(*b)).collect();
        let start = &one["start"];
        found.push(format!("{file}:{}:{} {word}", start["line"], start["column"]));
    }
    assert_eq!(
        found,
        [
            "a.ps1:2:17 git",
            "b.sh:1:9 big",
            "c.sh:1:9 mark",
            "c.sh:2:9 curl",
            "d.sh:2:9 latin",
            "e.yaml:4:24 x",
            "requirements.txt:2:1 requests>=2",
            "user-data:2:12 curl",
        ]
    );
    let gaps = report["gaps"].as_array().unwrap();
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0]["file"], "picture.sh");
    // The line is shown as text, the caret below the word.
    let mut command = driftcheck(&root.join("no.db"));
    let output = command.current_dir(root).args(["pins", "a.ps1"]).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("  choco install git\n"), "{table}");
    assert!(table.contains("                ^^^\n"), "{table}");
}

#[test]
fn carriers_by_content_and_by_name() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let config = "#cloud-config\npackages:\n  - curl\n";
    put(
        root,
        &[
            ("images/web.json.tpl", "{\"builders\": [{\"type\": \"docker\", \"image\": \"a\"}]}"),
            ("images/app.pkr.json", "{\"source\": {\"docker\": {\"x\": {\"image\": \"b\"}}}}"),
            ("infra/main.tf.json", "{\"module\": {\"m\": {\"source\": \"a/c/d\"}}}"),
            ("infra/user_data.sh.tpl", "apt-get install -y ${name} d\n"),
            ("infra/first-boot.tftpl", config),
            ("etc/cloud/cloud.cfg.d/90_x.cfg", "packages: [e]\n"),
        ],
    );
    for name in ["user-data", "seed/userdata.gz"] {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(config.as_bytes()).unwrap();
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, encoder.finish().unwrap()).unwrap();
    }
    check(
        root,
        &[],
        &[
            "etc/cloud/cloud.cfg.d/90_x.cfg:1 e",
            "images/app.pkr.json:1 b",
            "images/web.json.tpl:1 a",
            "infra/first-boot.tftpl:3 curl",
            "infra/main.tf.json:1 a/c/d",
            "infra/user_data.sh.tpl:1 d",
            "seed/userdata.gz:1 curl",
            "user-data:1 curl",
        ],
    );
}
