//! Debian packages that are built and installed here, by dpkg's own tools.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// A package to be built.
pub(crate) struct Package {
    name: String,
    version: String,
    fields: String,
    files: Vec<(String, String, u32)>,
    links: Vec<(String, String)>,
    configuration: String,
}

impl Package {
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            fields: String::new(),
            files: Vec::new(),
            links: Vec::new(),
            configuration: String::new(),
        }
    }

    /// Another line of its control file.
    pub(crate) fn field(mut self, line: &str) -> Self {
        self.fields.push_str(line);
        self.fields.push('\n');
        self
    }

    pub(crate) fn file(mut self, path: &str, bytes: &str, mode: u32) -> Self {
        self.files.push((path.to_owned(), bytes.to_owned(), mode));
        self
    }

    pub(crate) fn link(mut self, path: &str, target: &str) -> Self {
        self.links.push((path.to_owned(), target.to_owned()));
        self
    }

    /// Makes a file of it a conffile.
    pub(crate) fn configuration(mut self, path: &str) -> Self {
        self.configuration.push_str(path);
        self.configuration.push('\n');
        self
    }

    /// Lays out what `dpkg-deb` packs, with the list of MD5 digests that debhelper writes.
    fn lay_out(&self, folder: &Path) {
        let Self { name, version, fields, .. } = self;
        let mut digests = String::new();
        for (path, bytes, mode) in &self.files {
            put(folder, path, bytes, *mode);
            if !self.configuration.lines().any(|one| one.strip_prefix('/') == Some(path)) {
                digests.push_str(&format!("{}  {path}\n", md5(bytes)));
            }
        }
        for (path, target) in &self.links {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
        }
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\n{fields}\
             Maintainer: A <a@b.example>\nDescription: x\n"
        );
        put(folder, "DEBIAN/control", &control, 0o644);
        put(folder, "DEBIAN/md5sums", &digests, 0o644);
        put(folder, "DEBIAN/conffiles", &self.configuration, 0o644);
    }
}

fn md5(bytes: &str) -> String {
    use md5::Digest;
    md5::Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn put(folder: &Path, path: &str, bytes: &str, mode: u32) {
    let path = folder.join(path);
    let parent = path.parent().unwrap();
    fs::create_dir_all(parent).unwrap();
    for above in parent.ancestors().take_while(|above| above.starts_with(folder)) {
        fs::set_permissions(above, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A root in which dpkg finds its database, empty.
pub(crate) fn empty_root(root: &Path) {
    for (path, bytes) in [("status", ""), ("available", ""), ("info/format", "1\n")] {
        put(root, &format!("var/lib/dpkg/{path}"), bytes, 0o644);
    }
    for folder in ["var/lib/dpkg/updates", "var/lib/dpkg/triggers", "var/log"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
}

/// Builds packages and installs them into a root; false where dpkg is not there or may not.
pub(crate) fn install(folder: &Path, root: &Path, packages: &[&Package]) -> bool {
    let mut archives = Vec::new();
    for package in packages {
        let laid = folder.join(format!("{}_{}", package.name, package.version));
        let archive = laid.with_added_extension("deb");
        package.lay_out(&laid);
        let mut build = Command::new("dpkg-deb");
        let built = build.arg("--root-owner-group").arg("-b").arg(&laid).arg(&archive).output();
        if !built.is_ok_and(|built| built.status.success()) {
            println!("skipped: no dpkg-deb");
            return false;
        }
        archives.push(archive);
    }
    let mut dpkg = Command::new("dpkg");
    dpkg.arg(format!("--root={}", root.display())).args(["--force-all", "--no-triggers", "-i"]);
    let installed = dpkg.args(&archives).output();
    let is_installed = installed.is_ok_and(|installed| installed.status.success());
    if !is_installed {
        println!("skipped: dpkg may not install into a folder (not root?)");
    }
    is_installed
}
