//! Carrier: Puppet's manifests, Puppetfiles and modules' metadata.
//!
//! A manifest is read as its resource declarations (`type { title: name => value }`), wherever they
//! stand: classes, defines, conditions and lambdas are walked through, and every branch counts.
//! Variables that a manifest sets, defaults of a class's parameters and the module's own Hiera data
//! are constants; facts and look-ups are unknown. Follows the language reference of Puppet 8.

mod lexer;
mod manifest;
mod modules;
mod resources;

use super::audit::Audit;
use super::carrier::Carrier;
use super::repository::{SourceFile, extension, file_name};

/// Manifests, Puppetfile, metadata.json.
pub const CARRIER: Carrier = Carrier {
    name: "puppet",
    summary: "Puppet: *.pp, Puppetfile, metadata.json of a module, .fixtures.yml",
    recognises: |path, head| kind_of(path, head).is_some(),
    read,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Manifest,
    Puppetfile,
    Metadata,
    Fixtures,
}

fn kind_of(path: &str, head: &[u8]) -> Option<FileKind> {
    let has = |word: &str| head.windows(word.len()).any(|window| window == word.as_bytes());
    match file_name(path) {
        "Puppetfile" => Some(FileKind::Puppetfile),
        ".fixtures.yml" | "fixtures.yml" if has("fixtures:") => Some(FileKind::Fixtures),
        "metadata.json" if has("\"version_requirement\"") || has("\"operatingsystem_support\"") => {
            Some(FileKind::Metadata)
        }
        // Pascal's units have the same ending.
        _ if extension(path) == Some("pp") => {
            let text = String::from_utf8_lossy(head);
            let pascal = text.lines().any(|line| {
                let line = line.trim().to_ascii_lowercase();
                (line.starts_with("unit ") || line.starts_with("program ")) && line.ends_with(';')
            });
            (!pascal).then_some(FileKind::Manifest)
        }
        _ => None,
    }
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let head = file.bytes.get(..super::carrier::HEAD.min(file.bytes.len())).unwrap_or_default();
    match kind_of(&file.path, head) {
        Some(FileKind::Puppetfile) => modules::puppetfile(file, audit),
        Some(FileKind::Metadata) => modules::metadata(file, audit),
        Some(FileKind::Fixtures) => modules::fixtures(file, audit),
        Some(FileKind::Manifest) | None => manifest::read(file, audit),
    }
}

#[cfg(test)]
mod tests;
