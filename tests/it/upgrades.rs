//! One package upgraded and then tampered with, for the managers beside dpkg (which
//! `package_drift` has): rpm where it can build and install here, apk, pacman and portage with
//! databases as they write them, and a wheel of Python. The report is one upgrade and three residues, and no
//! other path.

use super::support::{driftcheck, json, run};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

const VERSIONS: [&str; 2] = ["1.22.1-1", "1.22.2-1"];

/// What is then edited, deleted, and given another mode.
const PAGE: &str = "usr/share/web/index.html";
const STYLE: &str = "usr/share/web/style.css";
const PROGRAM: &str = "usr/sbin/web";

struct File {
    path: String,
    bytes: String,
    mode: u32,
}

const LINK: (&str, &str) = ("usr/lib/web/module.so.1", "module.so");

/// The files of a version: bytes differ, one comes and one goes.
fn files(version: &str) -> Vec<File> {
    let own = format!("usr/share/web/only-in-{version}");
    let rows = [
        ("etc/web/web.conf", format!("# settings of {version}\n"), 0o644),
        ("usr/lib/web/module.so", format!("module of {version}\n"), 0o755),
        (PROGRAM, format!("program of {version}\n"), 0o755),
        (PAGE, format!("page of {version}\n"), 0o644),
        (&own, String::new(), 0o644),
        ("usr/share/web/same", "same\n".to_owned(), 0o644),
        (STYLE, format!("style of {version}\n"), 0o644),
    ];
    rows.map(|(path, bytes, mode)| File { path: path.to_owned(), bytes, mode }).into()
}

fn put(root: &Path, path: &str, bytes: impl AsRef<[u8]>, mode: u32) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Writes what a manager keeps of a version with these files.
type Record = fn(&Path, &str, &[File]);

/// Lays a version out as its manager does, and its record with it.
fn install(root: &Path, release: &str, version: &str, record: Record) {
    put(root, "etc/os-release", release, 0o644);
    let files = files(version);
    for file in &files {
        put(root, &file.path, &file.bytes, file.mode);
    }
    let link = root.join(LINK.0);
    symlink(LINK.1, link).unwrap();
    record(root, version, &files);
}

fn tamper(after: &Path, page: &str, style: &str, program: &str) {
    fs::write(after.join(page), "defaced\n").unwrap();
    fs::remove_file(after.join(style)).unwrap();
    fs::set_permissions(after.join(program), Permissions::from_mode(0o700)).unwrap();
}

/// Compares, and looks for one upgrade and these three residues.
fn check(folder: &Path, manager: &str, residues: [&str; 3]) {
    let mut command = driftcheck(&folder.join("store"));
    command.arg("compare").arg(folder.join("before")).arg(folder.join("after"));
    let report = json(command.args(["--format", "json"]), 1);
    let changes = report["changes"].as_array().unwrap();
    let drift = |kind: &str, field: &str| -> Vec<String> {
        let of_kind = |one: &&Value| {
            one["disposition"] == "drift" && one["subject"]["type"].as_str() == Some(kind)
        };
        let name = |one: &Value| one["subject"][field].as_str().unwrap().to_owned();
        changes.iter().filter(of_kind).map(name).collect()
    };
    let name = if manager == "portage" { "www/web" } else { "web" };
    assert_eq!(drift("package", "name"), [name], "{manager}");
    assert_eq!(drift("path", "path"), residues.map(|path| format!("/{path}")), "{manager}");
    assert!(drift("fact", "key").is_empty(), "{manager}");
    let package = changes.iter().find(|one| one["subject"]["type"] == "package").unwrap();
    assert_eq!(package["subject"]["manager"], manager);
    assert_eq!(package["direction"], "upgraded", "{manager}");
    assert_eq!(report["gaps"].as_array().unwrap().len(), 0, "{manager}: {}", report["gaps"]);
    for path in residues {
        let subject = format!("/{path}");
        let one = changes.iter().find(|one| one["subject"]["path"] == subject.as_str()).unwrap();
        assert_eq!(one["package"]["name"], name, "{manager}: {one}");
    }
}

/// Directories of the files, from the top.
fn directories(files: &[File]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for file in files {
        for above in Path::new(&file.path).ancestors().skip(1) {
            let above = above.to_str().unwrap().to_owned();
            if !above.is_empty() && !all.contains(&above) {
                all.push(above);
            }
        }
    }
    all.sort();
    all
}

fn apk(root: &Path, version: &str, files: &[File]) {
    let digest = |bytes: &[u8]| format!("Z:Q1{}\n", STANDARD.encode(sha1::Sha1::digest(bytes)));
    let version = version.replace('-', "-r");
    let mut text =
        format!("C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:web\nV:{version}\nA:x86_64\nL:MIT\no:web\n");
    for directory in directories(files) {
        let _ = write!(text, "F:{directory}\nM:0:0:0755\n");
        let is_here = |path: &str| path.rsplit_once('/').unwrap().0 == directory;
        for file in files.iter().filter(|file| is_here(&file.path)) {
            let name = file.path.rsplit('/').next().unwrap();
            let _ = write!(text, "R:{name}\na:0:0:{:o}\n", file.mode);
            text.push_str(&digest(file.bytes.as_bytes()));
        }
        if is_here(LINK.0) {
            let name = LINK.0.rsplit('/').next().unwrap();
            let _ = write!(text, "R:{name}\na:0:0:777\n");
            text.push_str(&digest(LINK.1.as_bytes()));
        }
    }
    text.push('\n');
    put(root, "lib/apk/db/installed", text, 0o644);
    put(root, "lib/apk/db/scripts.tar", format!("scripts of {version}"), 0o644);
    put(root, "lib/apk/db/triggers", "", 0o644);
    put(root, "etc/apk/world", "web\n", 0o644);
}

fn pacman(root: &Path, version: &str, files: &[File]) {
    let local = "var/lib/pacman/local";
    put(root, &format!("{local}/ALPM_DB_VERSION"), "9\n", 0o644);
    let folder = format!("{local}/web-{version}");
    let desc = format!(
        "%NAME%\nweb\n\n%VERSION%\n{version}\n\n%BASE%\nweb\n\n%ARCH%\nx86_64\n\n\
         %INSTALLDATE%\n1700000000\n\n%VALIDATION%\npgp\n\n"
    );
    put(root, &format!("{folder}/desc"), desc, 0o644);
    let mut list = "%FILES%\n".to_owned();
    let mut tree = "#mtree\n/set type=file uid=0 gid=0 mode=644\n".to_owned();
    let zeros = "0".repeat(64);
    let _ = writeln!(tree, "./.PKGINFO time=1700000000.0 size=300 sha256digest={zeros}");
    for directory in directories(files) {
        let _ = writeln!(list, "{directory}/");
        let _ = writeln!(tree, "./{directory} time=1700000000.0 mode=755 type=dir");
    }
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
    for File { path, bytes, mode } in files {
        let _ = writeln!(list, "{path}");
        let sha256 = hex(&Sha256::digest(bytes));
        let size = bytes.len();
        let _ = writeln!(
            tree,
            "./{path} time=1700000000.0 mode={mode:o} size={size} sha256digest={sha256}"
        );
    }
    let (path, target) = LINK;
    let _ = writeln!(list, "{path}");
    let _ = writeln!(tree, "./{path} time=1700000000.0 mode=777 type=link link={target}");
    let configuration = files.iter().find(|file| file.path.starts_with("etc/")).unwrap();
    let md5 = hex(&md5::Md5::digest(&configuration.bytes));
    let _ = write!(list, "\n%BACKUP%\n{}\t{md5}\n\n", configuration.path);
    put(root, &format!("{folder}/files"), list, 0o644);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(tree.as_bytes()).unwrap();
    put(root, &format!("{folder}/mtree"), packed.finish().unwrap(), 0o644);
}

fn portage(root: &Path, version: &str, files: &[File]) {
    let folder = format!("var/db/pkg/www/web-{}", version.replace('-', "-r"));
    let mut contents = String::new();
    for directory in directories(files) {
        let _ = writeln!(contents, "dir /{directory}");
    }
    for File { path, bytes, .. } in files {
        let md5: String = md5::Md5::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        let _ = writeln!(contents, "obj /{path} {md5} 1700000000");
    }
    let _ = writeln!(contents, "sym /{} -> {} 1700000000", LINK.0, LINK.1);
    let variables = [("CONTENTS", contents.as_str()), ("SLOT", "0\n"), ("COUNTER", version)];
    for (name, value) in variables {
        put(root, &format!("{folder}/{name}"), value, 0o644);
    }
}

#[test]
fn apk_pacman_and_portage() {
    let alpine = "ID=alpine\nVERSION_ID=3.20.1\n";
    let cases: [(&str, &str, Record); 3] = [
        ("apk", alpine, apk),
        ("pacman", "ID=arch\n", pacman),
        ("portage", "ID=gentoo\n", portage),
    ];
    for (manager, release, record) in cases {
        let folder = tempfile::tempdir().unwrap();
        for (name, version) in ["before", "after"].into_iter().zip(VERSIONS) {
            install(&folder.path().join(name), release, version, record);
        }
        tamper(&folder.path().join("after"), PAGE, STYLE, PROGRAM);
        check(folder.path(), manager, [PROGRAM, PAGE, STYLE]);
    }
}

const SITE: &str = "usr/lib/python3.12/site-packages";

/// As pip unpacks a wheel: no modes are recorded, and no digests of what it compiled.
fn wheel(root: &Path, version: &str) {
    put(root, "etc/os-release", "ID=fedora\nVERSION_ID=41\n", 0o644);
    let own = format!("web/only_in_{}.py", version.replace('.', "_"));
    let info = format!("web-{version}.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: web\nVersion: {version}\n");
    let rows = [
        ("../../../bin/web".to_owned(), format!("#!/usr/bin/python3\n# {version}\n"), 0o755),
        ("web/__init__.py".to_owned(), format!("version = '{version}'\n"), 0o644),
        ("web/page.html".to_owned(), format!("page of {version}\n"), 0o644),
        ("web/same.py".to_owned(), "same\n".to_owned(), 0o644),
        ("web/style.css".to_owned(), format!("style of {version}\n"), 0o644),
        (own, "x\n".to_owned(), 0o644),
        (format!("{info}/METADATA"), metadata, 0o644),
        (format!("{info}/INSTALLER"), "pip\n".to_owned(), 0o644),
        (format!("{info}/WHEEL"), "Wheel-Version: 1.0\nTag: py3-none-any\n".to_owned(), 0o644),
    ];
    let mut record = String::new();
    for (path, bytes, mode) in &rows {
        put(root, &format!("{SITE}/{path}"), bytes, *mode);
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(bytes));
        let _ = writeln!(record, "{path},sha256={digest},{}", bytes.len());
    }
    let compiled = "web/__pycache__/__init__.cpython-312.pyc";
    put(root, &format!("{SITE}/{compiled}"), format!("code of {version}"), 0o644);
    let _ = writeln!(record, "{compiled},,\n{info}/RECORD,,");
    put(root, &format!("{SITE}/{info}/RECORD"), record, 0o644);
}

#[test]
fn a_wheel() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join(format!("before/{SITE}/web"))).unwrap();
    for (name, version) in [("before", "1.22.1"), ("after", "1.22.2")] {
        let root = folder.path().join(name);
        // `..` goes up from where it is.
        fs::create_dir_all(root.join(SITE).join("web")).unwrap();
        wheel(&root, version);
    }
    let at = |name: &str| format!("{SITE}/web/{name}");
    let (page, style) = (at("page.html"), at("style.css"));
    tamper(&folder.path().join("after"), &page, &style, "usr/bin/web");
    check(folder.path(), "pypi", ["usr/bin/web", &page, &style]);
}

/// Builds a version with rpmbuild.
fn spec(version: &str) -> String {
    let (version, release) = version.split_once('-').unwrap();
    let mut text = format!(
        "Name: web\nVersion: {version}\nRelease: {release}\nSummary: s\nLicense: MIT\n\
         BuildArch: noarch\nAutoReqProv: no\n%global __os_install_post %{{nil}}\n\
         %description\nd\n%install\n"
    );
    let files = files(&format!("{version}-{release}"));
    for directory in directories(&files) {
        let _ = writeln!(text, "mkdir -p %{{buildroot}}/{directory}");
    }
    for File { path, bytes, mode } in &files {
        let line = bytes.trim_end();
        let end = if bytes.is_empty() { "" } else { "\\n" };
        let _ = writeln!(text, "printf '{line}{end}' > %{{buildroot}}/{path}");
        let _ = writeln!(text, "chmod {mode:o} %{{buildroot}}/{path}");
    }
    let _ = writeln!(text, "ln -s {} %{{buildroot}}/{}\n%files", LINK.1, LINK.0);
    for File { path, .. } in &files {
        let mark = if path.starts_with("etc/") { "%config(noreplace) " } else { "" };
        let _ = writeln!(text, "{mark}/{path}");
    }
    let _ = writeln!(text, "/{}\n%dir /usr/lib/web\n%dir /usr/share/web\n%dir /etc/web", LINK.0);
    text
}

fn rpm_installs(folder: &Path, root: &Path, version: &str) -> bool {
    let path = folder.join(format!("web-{version}.spec"));
    fs::write(&path, spec(version)).unwrap();
    let top = folder.join("build");
    let archive = top.join(format!("RPMS/noarch/web-{version}.noarch.rpm"));
    let mut build = Command::new("rpmbuild");
    build.args(["-bb", "--quiet", "--define", &format!("_topdir {}", top.display())]).arg(path);
    let mut install = Command::new("rpm");
    install.arg("--root").arg(root).args(["--dbpath", "/var/lib/rpm"]);
    install.args(["--define", "_db_backend sqlite", "-U", "--nodeps", "--noscripts"]);
    install.arg("--nosignature").arg(archive);
    for command in [&mut build, &mut install] {
        match command.env("LC_ALL", "C").output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                println!("skipped: {command:?}: {}", String::from_utf8_lossy(&output.stderr));
                return false;
            }
            Err(error) => {
                println!("skipped: {command:?}: {error}");
                return false;
            }
        }
    }
    true
}

#[test]
fn rpm() {
    let folder = tempfile::tempdir().unwrap();
    let [before, after] = ["before", "after"].map(|name| folder.path().join(name));
    put(&before, "etc/os-release", "ID=fedora\nVERSION_ID=41\n", 0o644);
    fs::create_dir_all(before.join("var/lib/rpm")).unwrap();
    let [old, new] = VERSIONS;
    if !rpm_installs(folder.path(), &before, old) {
        return;
    }
    run(Command::new("cp").arg("-a").arg(&before).arg(&after), 0);
    assert!(rpm_installs(folder.path(), &after, new));
    tamper(&after, PAGE, STYLE, PROGRAM);
    check(folder.path(), "rpm", [PROGRAM, PAGE, STYLE]);
}
