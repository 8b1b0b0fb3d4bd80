//! A folder's files as one unit, the way Packer and Terraform read them: variables with their
//! defaults, values that variable files give them, locals.

use super::parse::{self, Fault};
use super::syntax::{Body, Expr, Kind, Part};
use crate::pins::input::{Origin, Place};
use crate::pins::repository::{Repository, SourceFile, resolve};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Files of a folder that are read for definitions; more are no unit that a person wrote.
const MAX_FILES: usize = 200;

/// Whose files they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pins) enum Tool {
    Packer,
    Terraform,
}

impl Tool {
    /// Endings of the files of a unit.
    fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Packer => &[".pkr.hcl", ".pkr.json"],
            Self::Terraform => &[".tf", ".tofu", ".tf.json", ".tofu.json"],
        }
    }

    /// Whether a file gives variables their values without being asked for.
    fn gives_values(self, name: &str) -> bool {
        match self {
            Self::Packer => name.ends_with(".auto.pkrvars.hcl"),
            Self::Terraform => name.ends_with(".auto.tfvars") || name == "terraform.tfvars",
        }
    }
}

/// A file of the unit.
#[derive(Debug)]
pub(in crate::pins) struct ModuleFile {
    pub source: SourceFile,
    pub body: Body,
}

/// Where a value is defined.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub file: Arc<str>,
    /// `None` where a variable has no default.
    pub value: Option<Expr>,
}

/// The unit.
#[derive(Debug, Default)]
pub(in crate::pins) struct Module {
    /// The files in the order of their names; only definitions and settings are read of them.
    pub files: Vec<ModuleFile>,
    pub(super) variables: BTreeMap<String, Definition>,
    pub(super) locals: BTreeMap<String, Definition>,
    values: Vec<SourceFile>,
    /// Providers that resources name, each with the first file that does. Only their lines are
    /// looked at: the files themselves are read one by one.
    pub used_providers: BTreeMap<String, Arc<str>>,
}

/// Blocks that matter to the other files of a folder.
fn shared(word: &str) -> bool {
    matches!(
        word,
        "variable" | "locals" | "local" | "variables" | "terraform" | "packer" | "provider"
    )
}

impl Module {
    /// The unit that a file belongs to; each folder is read once.
    pub fn around(repository: &Repository, file: &str, tool: Tool) -> Arc<Self> {
        let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
        let key = format!("hcl unit {tool:?} {directory}");
        repository.prepared(&key, || Self::load(repository, directory, tool))
    }

    /// A file that is a unit by itself.
    pub fn alone(source: &SourceFile, body: Body) -> Self {
        let file = ModuleFile { source: source.clone(), body };
        let mut module = Self { files: vec![file], ..Self::default() };
        module.define();
        module
    }

    fn load(repository: &Repository, directory: &str, tool: Tool) -> Self {
        let mut module = Self::default();
        let mut names = repository.list(directory);
        names.retain(|name| {
            tool.suffixes().iter().any(|suffix| name.ends_with(suffix)) || tool.gives_values(name)
        });
        names.truncate(MAX_FILES);
        let mut given = Vec::new();
        for name in names {
            let path = format!("{directory}/{name}");
            let path = path.trim_start_matches('/');
            let Some(bytes) = repository.read(path) else { continue };
            let source = SourceFile::new(path, bytes);
            let values = tool.gives_values(&name);
            if tool == Tool::Terraform && !values {
                for provider in named_providers(&source.bytes) {
                    let first = || Arc::clone(&source.path);
                    module.used_providers.entry(provider).or_insert_with(first);
                }
            }
            let body = read_shared(&source, values);
            let list = if values { &mut given } else { &mut module.files };
            list.push(ModuleFile { source, body });
        }
        module.define();
        for file in given {
            module.give(&file.source, &file.body);
            module.values.push(file.source);
        }
        module
    }

    fn define(&mut self) {
        for file in &self.files {
            let path = &file.source.path;
            let define =
                |value: Option<&Expr>| Definition { file: Arc::clone(path), value: value.cloned() };
            for block in file.body.blocks("variable") {
                let definition = define(block.body.get("default"));
                self.variables.insert(block.label(0).to_owned(), definition);
            }
            // Packer's `local "x" { expression = … }`.
            for block in file.body.blocks("local") {
                let definition = define(block.body.get("expression"));
                self.locals.insert(block.label(0).to_owned(), definition);
            }
            for block in file.body.blocks("locals") {
                for attribute in &block.body.attributes {
                    self.locals.insert(attribute.name.clone(), define(Some(&attribute.value)));
                }
            }
            for block in file.body.blocks("variables") {
                for attribute in &block.body.attributes {
                    self.variables.insert(attribute.name.clone(), define(Some(&attribute.value)));
                }
            }
        }
    }

    fn give(&mut self, source: &SourceFile, body: &Body) {
        for attribute in &body.attributes {
            let value = Some(attribute.value.clone());
            let definition = Definition { file: Arc::clone(&source.path), value };
            if self.variables.contains_key(&attribute.name) {
                self.variables.insert(attribute.name.clone(), definition);
            }
        }
    }

    fn source(&self, path: &str) -> Option<&SourceFile> {
        let own = self.files.iter().map(|file| &file.source);
        own.chain(&self.values).find(|source| &*source.path == path)
    }

    /// A range of one of the unit's files.
    pub fn place(&self, path: &str, range: &Range<usize>) -> Option<Place> {
        let source = self.source(path)?;
        let (start, end) = source.positions(range);
        let file = Arc::clone(&source.path);
        Some(Place { file, start_byte: range.start, end_byte: range.end, start, end })
    }

    /// What gave a value that is defined there.
    pub(super) fn origin(
        &self,
        name: String,
        definition: &Definition,
        overridable: bool,
    ) -> Origin {
        let place = definition
            .value
            .as_ref()
            .and_then(|value| self.place(&definition.file, &inside(value)));
        Origin { name, place, overridable }
    }

    /// Top blocks of a keyword in all files of the unit.
    pub fn blocks<'m>(
        &'m self,
        keyword: &'m str,
    ) -> impl Iterator<Item = (&'m ModuleFile, &'m super::syntax::Block)> {
        self.files
            .iter()
            .flat_map(move |file| file.body.blocks(keyword).map(move |block| (file, block)))
    }
}

/// Providers that the lines of a file name: `resource "aws_vpc" "x" {`, `provider = google-beta`.
fn named_providers(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = std::str::from_utf8(line).ok()?.trim_start();
        let kinds = ["resource \"", "data \"", "ephemeral \""];
        if let Some(rest) = kinds.iter().find_map(|kind| line.strip_prefix(kind)) {
            return Some(provider_of(rest.split('"').next().unwrap_or_default()).to_owned());
        }
        let value = line.strip_prefix("provider")?.trim_start().strip_prefix('=')?.trim();
        let name = value.trim_matches('"').split('.').next().unwrap_or_default();
        (!name.is_empty()).then(|| name.to_owned())
    })
}

/// The provider that a type of resource belongs to unless it says otherwise.
pub(in crate::pins) fn provider_of(kind: &str) -> &str {
    kind.split('_').next().unwrap_or_default()
}

fn read_shared(source: &SourceFile, everything: bool) -> Body {
    let text = parse::text_of(&source.bytes);
    if source.path.ends_with(".json") {
        return super::json::body(&text).0;
    }
    parse::body(&text, |word| everything || shared(word)).0
}

/// Reads a file whole.
pub(in crate::pins) fn read_file(source: &SourceFile) -> (Body, Vec<Fault>) {
    let text = parse::text_of(&source.bytes);
    if source.path.ends_with(".json") {
        return super::json::body(&text);
    }
    parse::body(&text, |_| true)
}

/// The raw range of a value without its quotes.
pub(in crate::pins) fn inside(value: &Expr) -> Range<usize> {
    match &value.kind {
        Kind::Text(fragment) if !fragment.text().is_empty() => fragment.raw_whole(),
        Kind::Template(parts) => {
            let place = |part: &Part| match part {
                Part::Text(fragment) if !fragment.text().is_empty() => Some(fragment.raw_whole()),
                Part::Value(_, range) => Some(range.clone()),
                _ => None,
            };
            let first = parts.iter().find_map(place).unwrap_or_else(|| value.range.clone());
            let last = parts.iter().rev().find_map(place).unwrap_or_else(|| value.range.clone());
            first.start..last.end.max(first.start)
        }
        _ => value.range.clone(),
    }
}

/// The path in the repository that a path in the file `from` means. Packer's paths count from
/// where it is started, which is mostly the folder of the template or one above it.
pub(in crate::pins) fn locate(repository: &Repository, from: &str, path: &str) -> Option<String> {
    let path = path.strip_prefix("file://").unwrap_or(path);
    let mut folder = Some(from);
    for _ in 0..5 {
        let base = folder?;
        if let Some(found) = resolve(base, path).filter(|path| repository.exists(path)) {
            return Some(found);
        }
        folder = base.rsplit_once('/').map(|(folder, _)| folder);
    }
    None
}
