//! Flatpaks of the whole system: `var/lib/flatpak/{app,runtime}/NAME/ARCH/BRANCH/active`.
//!
//! `active` is a link to the deployed commit, which is the version that can be told apart; the
//! remote it came from stands at the start of the commit's `deploy` file.

use super::purl::{Parts, purl};
use super::{installed, text};
use crate::collect::reader::{Reader, below};
use crate::collect::{Collector, View};
use crate::filesystem::resolve::{LastLink, resolve};
use crate::model::{FileKind, Records, Stage, TreePath};

/// Reads the deployments of flatpak.
pub static COLLECTOR: Collector = Collector {
    name: "flatpak",
    version: 1,
    summary: "flatpak applications and runtimes with branch, commit and remote",
    wanted: &[],
    collect,
};

const INSTALLATION: &str = "/var/lib/flatpak";

/// A `deploy` file has some KB.
const MAX_SIZE: u64 = 1024 * 1024;

fn collect(view: &View<'_>, records: &mut Records) {
    let mut reader = Reader::new(view, records, Stage::Packages, MAX_SIZE);
    let installation = TreePath::parse(INSTALLATION);
    for kind in ["app", "runtime"] {
        let directory = below(&installation, kind);
        for (name, _) in reader.list_directories(&directory) {
            let name_path = directory.join(&name);
            for (architecture, _) in reader.list_directories(&name_path) {
                let architecture_path = name_path.join(&architecture);
                for (branch, _) in reader.list_directories(&architecture_path) {
                    let names = [name.as_bytes(), architecture.as_bytes(), branch.as_bytes()];
                    deployment(
                        &mut reader,
                        kind,
                        names.map(text),
                        &architecture_path.join(&branch),
                    );
                }
            }
        }
    }
}

fn deployment(reader: &mut Reader<'_>, kind: &str, names: [String; 3], directory: &TreePath) {
    let [name, architecture, branch] = names;
    let active = below(directory, "active");
    let read = || -> Result<Option<Vec<u8>>, crate::model::Fault> {
        let Some(found) = resolve(reader.filesystem, &active, LastLink::Keep)? else {
            return Ok(None);
        };
        match reader.filesystem.metadata(&found.node)?.kind {
            FileKind::Symlink => reader.filesystem.read_link(&found.node).map(Some),
            _ => Ok(None),
        }
    };
    let target = read();
    // A branch without a deployment is left over.
    let Some(target) = reader.keep(&active, target) else { return };
    let commit = text(target.rsplit(|b| *b == b'/').next().unwrap_or_default());
    let mut package = installed("flatpak", name, commit, &active);
    package.key.architecture = Some(architecture);
    // Runtimes of several branches are there together as a rule.
    package.key.instance = (branch != "stable").then(|| branch.clone());
    let deploy = reader.file(&below(&active, "deploy")).unwrap_or_default();
    package.origin = deploy.split(|b| *b == 0).next().filter(|o| !o.is_empty()).map(text);
    let parts = Parts {
        name: &package.key.name,
        version: Some(&package.version),
        qualifiers: &[("arch", package.key.architecture.as_deref()), ("branch", Some(&branch))],
        ..Parts::default()
    };
    package.purl = purl("flatpak", parts);
    package.details.insert("branch".to_owned(), branch);
    package.details.insert("kind".to_owned(), kind.to_owned());
    reader.records.packages.push(package);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn deployments() {
        let mut tree = MemoryFilesystem::new();
        tree.symlink("/var/lib/flatpak/app/org.x.Y/x86_64/stable/active", "c0ffee")
            .file("/var/lib/flatpak/app/org.x.Y/x86_64/stable/c0ffee/deploy", "flathub\0rest")
            .symlink("/var/lib/flatpak/app/org.x.Y/current", "x86_64/stable")
            .symlink("/var/lib/flatpak/runtime/org.z/x86_64/23.08/active", "beef")
            .directory("/var/lib/flatpak/runtime/org.z/x86_64/22.08");
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        let package = |p: &crate::model::Package| format!("{} {} {:?}", p.key, p.version, p.origin);
        assert_eq!(
            records.packages.iter().map(package).collect::<Vec<_>>(),
            ["org.x.Y:x86_64 c0ffee Some(\"flathub\")", "org.z:x86_64 [23.08] beef None",]
        );
        assert!(records.gaps.is_empty());
    }
}
