//! Carrier: Ansible playbooks, roles, requirements and the files around them.
//!
//! ```text
//! playbook -> plays -> tasks -> modules (table) -> resource (packages, downloads, images …)
//!                 \-> roles, includes (followed where the play gives them values)
//! scope: defaults, group_vars, host_vars, vars, vars_files, set_fact, loops
//! requirements.yml, galaxy.yml, meta/main.yml, execution-environment.yml, molecule.yml
//! ```
//!
//! Every file of tasks is read by itself, with the variables of its role and the inventory around
//! it; a playbook follows its roles and includes only to give them what it sets. Where a variable
//! may have several values (per group, per distribution), each of them is judged. Facts, registered
//! results and look-ups are unknown. Conditions are never decided: both branches count.

mod arguments;
mod commands;
mod containers;
mod environments;
mod fetch;
mod galaxy;
mod modules;
mod packages;
mod plays;
mod scope;
mod tasks;

use super::audit::Audit;
use super::carrier::Carrier;
use super::repository::{self, SourceFile, file_name};
use super::span::Fragment;
use super::yaml::{self, Node};

/// Playbooks, roles and their requirements.
pub const CARRIER: Carrier = Carrier {
    name: "ansible",
    summary: "Ansible: playbooks, roles, requirements.yml, galaxy.yml, execution environments, molecule.yml",
    recognises: |path, head| kind_of(path, head).is_some(),
    read,
};

/// What a file of Ansible is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    /// Plays or tasks.
    Playbook,
    Requirements,
    Galaxy,
    Meta,
    ExecutionEnvironment,
    Molecule,
}

/// By name and place first, by content where those leave it open.
fn kind_of(path: &str, head: &[u8]) -> Option<FileKind> {
    if !matches!(repository::extension(path), Some("yml" | "yaml")) {
        return None;
    }
    let name = file_name(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let head = String::from_utf8_lossy(head);
    let has = |key: &str| head.lines().any(|line| line.starts_with(key));
    match stem {
        "galaxy" if has("namespace:") => return Some(FileKind::Galaxy),
        "execution-environment" | "execution_environment" => {
            return Some(FileKind::ExecutionEnvironment);
        }
        "molecule" if has("platforms:") || has("driver:") || has("dependency:") => {
            return Some(FileKind::Molecule);
        }
        _ => {}
    }
    if stem.contains("requirements") && !has("dependencies:") && is_requirements(&head) {
        return Some(FileKind::Requirements);
    }
    let mut folders = path.rsplit('/').skip(1);
    let folder = folders.next().unwrap_or_default();
    if stem == "main" && folder == "meta" && (has("galaxy_info:") || has("dependencies:")) {
        return Some(FileKind::Meta);
    }
    let in_tasks = ["tasks", "handlers"].contains(&folder)
        || folders.any(|folder| ["tasks", "handlers"].contains(&folder));
    let first = head.lines().map(str::trim_end).find(|line| {
        let content = line.trim_start().trim_start_matches('\u{feff}');
        !(content.is_empty() || content.starts_with(['#', '%']) || content.starts_with("---"))
    });
    if !first.is_some_and(|line| line.trim_start().starts_with("- ") || line.trim() == "-") {
        return None;
    }
    let tasks = in_tasks && !head.contains("apiVersion:");
    (tasks || is_playbook(&head)).then_some(FileKind::Playbook)
}

fn is_requirements(head: &str) -> bool {
    if is_playbook(head) {
        return false;
    }
    let starts = ["collections:", "roles:", "- src:", "- name:", "- role:", "- include:", "- git+"];
    head.lines().any(|line| starts.iter().any(|start| line.starts_with(start)))
        || head.lines().any(|line| line.starts_with("- ") && line.contains("://"))
}

/// Whether a list of mappings is one of plays or tasks.
fn is_playbook(head: &str) -> bool {
    head.lines().any(|line| {
        let content = line.trim_start().trim_start_matches("- ").trim_start();
        let Some((key, _)) = content.split_once(':') else { return false };
        let key = key.trim_matches(['"', '\'']);
        let depth = line.len().saturating_sub(content.len());
        depth <= 4
            && (["hosts", "import_playbook", "ansible.builtin.import_playbook"].contains(&key)
                || key.contains('.') && modules::reader_of(key).is_some()
                || depth <= 2 && modules::is_telling(key))
    })
}

/// The documents of a file whose expressions are resolved later.
fn documents(fragment: &Fragment, audit: &mut Audit<'_>) -> Vec<Node> {
    yaml::parse_verbatim(fragment).report(audit)
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let head = file.bytes.get(..super::carrier::HEAD.min(file.bytes.len())).unwrap_or_default();
    let documents = documents(&file.fragment(), audit);
    match kind_of(&file.path, head) {
        Some(FileKind::Requirements) => galaxy::requirements(&documents, audit),
        Some(FileKind::Galaxy) => galaxy::collection(&documents, audit),
        Some(FileKind::Meta) => galaxy::meta(&documents, audit),
        Some(FileKind::ExecutionEnvironment) => environments::execution(&documents, audit),
        Some(FileKind::Molecule) => environments::molecule(&documents, audit),
        Some(FileKind::Playbook) | None => plays::read(&documents, audit),
    }
}

/// Reads the file that the audit is at as roles and collections, whatever it is called.
pub(in crate::pins) fn read_requirements(audit: &mut Audit<'_>) {
    let fragment = audit.file().fragment();
    let documents = documents(&fragment, audit);
    galaxy::requirements(&documents, audit);
}

#[cfg(test)]
mod tests;
