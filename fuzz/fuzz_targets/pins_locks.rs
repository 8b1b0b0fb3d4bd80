//! Lockfiles beside a manifest that declares what they may hold: the first byte chooses.

#![no_main]

#[path = "pins_common.rs"]
mod common;

use libfuzzer_sys::fuzz_target;

const PACKAGE: &[u8] = b"{\"dependencies\": {\"a\": \"^1.2.0\", \"b\": \"~2\", \"@c/d\": \"*\"}}";
const PYTHON: &[u8] = b"[project]\ndependencies = [\"a>=1.2\", \"b~=2.0\"]\n\
                        [tool.poetry.dependencies]\na = \"^1.2\"\n";

/// A lock, its manifest, and what the manifest says.
const PAIRS: [(&str, &str, &[u8]); 14] = [
    ("package-lock.json", "package.json", PACKAGE),
    ("yarn.lock", "package.json", PACKAGE),
    ("pnpm-lock.yaml", "package.json", PACKAGE),
    ("bun.lock", "package.json", PACKAGE),
    ("poetry.lock", "pyproject.toml", PYTHON),
    ("uv.lock", "pyproject.toml", PYTHON),
    ("pdm.lock", "pyproject.toml", PYTHON),
    ("Pipfile.lock", "Pipfile", b"[packages]\na = \"*\"\n"),
    ("Gemfile.lock", "Gemfile", b"gem 'a', '~> 1.2'\n"),
    ("Cargo.lock", "Cargo.toml", b"[dependencies]\na = \"1.2\"\n"),
    ("composer.lock", "composer.json", b"{\"require\": {\"a/b\": \"^1.2\"}}"),
    ("go.sum", "go.mod", b"module x\n\nrequire example.org/a v1.2.0\n"),
    (".terraform.lock.hcl", "main.tf", b"terraform {\n  required_providers {\n    a = { source = \"h/a\", version = \"~> 1.2\" }\n  }\n}\n"),
    ("Chart.lock", "Chart.yaml", b"apiVersion: v2\nname: x\ndependencies:\n- name: a\n  version: ^1.2\n  repository: https://e.org\n"),
];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, lock)) = bytes.split_first() else { return };
    let (path, manifest, declared) = PAIRS[usize::from(*first) % PAIRS.len()];
    common::audit(manifest, declared, &[(path, lock)]);
});
