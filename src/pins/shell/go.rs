//! `go install`, `go get`, `go run`: a package with a version, one that the module around the file
//! requires at a version of its own, one of that very module, or none of these.

use super::interpret::Interpreter;
use super::managers::Invocation;
use super::package::{Package, is_local};
use crate::pins::manifests::directives;
use crate::pins::repository::{self, Repository};
use crate::pins::span::UNKNOWN;
use crate::pins::strength::{Ecosystem, Strength};
use std::sync::Arc;

/// Reads the operands.
pub(super) fn go(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let run = invocation.subcommand == "run";
    let count = if run { 1 } else { invocation.arguments.operands.len() };
    for word in invocation.arguments.operands.iter().take(count) {
        let text = word.text();
        let host = text.split('/').next().unwrap_or_default();
        let remote = text.contains('/') && (host.contains('.') || host.contains(UNKNOWN));
        if is_local(text) || text.ends_with(".go") || !(remote || text.contains('@')) {
            continue;
        }
        let (name, version) = text.split_once('@').unwrap_or((text, ""));
        if version == "none" {
            // Takes the module away.
            continue;
        }
        let mut package =
            Package::new(Ecosystem::Go, word, name, version).form(format!("{name}@{{version}}"));
        if version.is_empty() && name.ends_with(UNKNOWN) {
            package.strength = Strength::Unknown;
        } else if version.is_empty()
            && let Some(module) = module(shell.audit.repository(), &shell.audit.file().path)
        {
            if contains(&module.path, name) {
                continue;
            }
            // `get` asks for what is newest, whatever is required now.
            let required = module.required.iter().any(|required| contains(required, name));
            if required && invocation.subcommand != "get" {
                package = package.credited(module.held, module.why);
            }
        }
        shell.package(package);
    }
}

/// What a `go.mod` says.
struct Module {
    path: String,
    required: Vec<String>,
    /// How firmly it holds what it requires, and by what.
    held: Strength,
    why: &'static str,
}

/// Whether a package is one of a module.
fn contains(module: &str, package: &str) -> bool {
    package.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The module that a file belongs to: of the nearest `go.mod` above it.
fn module(repository: &Repository, file: &str) -> Option<Arc<Module>> {
    let above = file.match_indices('/').map(|(at, _)| file.get(..=at).unwrap_or_default());
    let mut folders: Vec<&str> = std::iter::once("").chain(above).collect();
    folders.reverse();
    let folder = folders.into_iter().find(|folder| {
        let path = format!("{folder}go.mod");
        repository::resolve("", &path).is_some_and(|path| repository.exists(&path))
    })?;
    let made = repository.prepared(&format!("module of {folder}"), || {
        let bytes = repository.read(&format!("{folder}go.mod")).unwrap_or_default();
        let summed = repository.exists(&format!("{folder}go.sum"));
        parse(&String::from_utf8_lossy(&bytes), summed)
    });
    (!made.path.is_empty()).then_some(made)
}

fn parse(text: &str, summed: bool) -> Module {
    let (held, why) = if summed {
        (Strength::Content, "go.mod requires it, and go.sum holds its bytes")
    } else {
        (Strength::Exact, "go.mod requires one version of it")
    };
    let mut module = Module { path: String::new(), required: Vec::new(), held, why };
    for line in directives(text) {
        match (line.verb, line.words.as_slice()) {
            ("require", [path, _version]) => {
                module.required.push(path.trim_matches('"').to_owned());
            }
            ("module", [path]) => path.trim_matches('"').clone_into(&mut module.path),
            _ => {}
        }
    }
    module
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules() {
        let module = parse(
            "module e.org/own // x\n\nrequire e.org/a v1.0.0\nrequire (\n\te.org/b/v2 v2.0.0 // indirect\n)\nreplace (\n\te.org/c v1 => ../c\n)\n",
            false,
        );
        assert_eq!(module.path, "e.org/own");
        assert_eq!(module.required, ["e.org/a", "e.org/b/v2"]);
        assert!(contains("e.org/a", "e.org/a/cmd/x") && !contains("e.org/a", "e.org/ab"));
    }
}
