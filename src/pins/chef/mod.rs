//! Carrier: Chef's recipes, custom resources, and the files that say which cookbooks they take.
//!
//! ```text
//! recipe -> syntax tree (ruby) -> calls (recipe) -> resources (table) -> resource room
//! attributes/*.rb -> values of node['…']
//! metadata.rb, Berksfile, Policyfile.rb and their locks, kitchen.yml
//! ```
//!
//! Constants are local variables, attributes of the cookbook and the defaults of properties; loops
//! over literal lists are run. Conditions are never decided: every branch counts, and the platforms
//! that a branch is for tell which package manager it speaks to.

mod attributes;
mod kitchen;
mod manifests;
mod recipe;
mod resources;
mod ruby;

use super::audit::Audit;
use super::carrier::Carrier;
use super::repository::{SourceFile, extension, file_name};

/// Recipes, resources and the files around them.
pub const CARRIER: Carrier = Carrier {
    name: "chef",
    summary: "Chef: recipes, resources, attributes, metadata.rb, Berksfile, Policyfile.rb, kitchen.yml",
    recognises: |path, head| kind_of(path, head).is_some(),
    read,
};

/// What a file of Chef is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Recipe,
    Metadata,
    Berksfile,
    Policyfile,
    Kitchen,
}

/// Calls that begin a line of a recipe and of no other Ruby.
const TELLING: &[&str] = &[
    "package",
    "apt_package",
    "yum_package",
    "dnf_package",
    "zypper_package",
    "gem_package",
    "chef_gem",
    "chocolatey_package",
    "windows_package",
    "snap_package",
    "homebrew_package",
    "remote_file",
    "apt_repository",
    "yum_repository",
    "docker_image",
    "docker_container",
    "include_recipe",
    "cookbook_file",
    "execute",
    "bash",
    "powershell_script",
    "ark",
    "git",
    "apt_update",
    "rpm_package",
    "dpkg_package",
    "pacman_package",
    "python_package",
];

fn kind_of(path: &str, head: &[u8]) -> Option<FileKind> {
    let name = file_name(path);
    match name {
        "Berksfile" => return Some(FileKind::Berksfile),
        "Policyfile.rb" => return Some(FileKind::Policyfile),
        "metadata.rb" => return Some(FileKind::Metadata),
        "kitchen.yml"
        | ".kitchen.yml"
        | "kitchen.dokken.yml"
        | ".kitchen.dokken.yml"
        | "kitchen.yaml"
        | ".kitchen.yaml"
        | "kitchen.local.yml"
        | ".kitchen.local.yml"
        | "kitchen.docker.yml"
        | ".kitchen.docker.yml" => return Some(FileKind::Kitchen),
        _ => {}
    }
    if extension(path) != Some("rb") || name.ends_with("_spec.rb") || name.ends_with("_test.rb") {
        return None;
    }
    let folders: Vec<&str> = path.rsplit('/').skip(1).collect();
    if folders.iter().any(|folder| ["spec", "libraries", "Formula", "Casks"].contains(folder)) {
        return None;
    }
    let own = ["recipes", "resources", "providers", "definitions"];
    let head = String::from_utf8_lossy(head);
    if folders.iter().any(|folder| own.contains(folder)) {
        // Other Ruby has such folders too (Rails, HashiCorp's site).
        let rails = head.contains("module Api") || head.contains("ActiveRecord");
        return (!rails).then_some(FileKind::Recipe);
    }
    let telling = head.lines().any(|line| {
        let content = line.trim_start();
        let word = content.split([' ', '(']).next().unwrap_or_default();
        let rest = content.get(word.len()..).unwrap_or_default().trim_start_matches([' ', '(']);
        let quoted = rest.starts_with(['\'', '"', '%', '[']);
        TELLING.contains(&word)
            && quoted
            && line.len().saturating_sub(content.len()) <= 4
            && (content.ends_with(" do") || word.contains('_') && word != "docker_image")
    });
    telling.then_some(FileKind::Recipe)
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let head = file.bytes.get(..super::carrier::HEAD.min(file.bytes.len())).unwrap_or_default();
    match kind_of(&file.path, head) {
        Some(FileKind::Kitchen) => kitchen::read(file, audit),
        Some(FileKind::Metadata) => manifests::metadata(file, audit),
        Some(FileKind::Berksfile) => manifests::berksfile(file, audit),
        Some(FileKind::Policyfile) => manifests::policyfile(file, audit),
        Some(FileKind::Recipe) | None => recipe::read(file, audit),
    }
}

#[cfg(test)]
mod tests;
