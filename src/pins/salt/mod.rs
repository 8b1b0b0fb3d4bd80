//! Carrier: Salt states.
//!
//! ```text
//! *.sls -> render (Jinja: sets, loops over literal lists, both branches) -> YAML -> states
//! ```
//!
//! Names that a file, its imported maps or YAML files set are constants; pillar and grains are
//! unknown, but for the default that a look-up names. States of other renderers than Jinja and YAML
//! (`#!py`) are programs and are passed over.

mod render;
mod states;

use super::audit::Audit;
use super::carrier::Carrier;
use super::repository::{SourceFile, extension, file_name};
use super::yaml;

/// State files.
pub const CARRIER: Carrier = Carrier {
    name: "salt",
    summary: "Salt: states (*.sls) with Jinja",
    recognises: |path, head| {
        extension(path) == Some("sls")
            && file_name(path) != "top.sls"
            && !(head.starts_with(b"#!py") || head.starts_with(b"#!pydsl"))
    },
    read,
};

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let source = file.fragment();
    // Pillar has no states: what cannot be read of it is not missed.
    if !states::has_any(source.text()) {
        return;
    }
    let rendered = render::render(&source, file, audit.repository());
    let stream = yaml::parse(&rendered);
    let stream = if stream.faults.is_empty() {
        stream
    } else {
        let masked = yaml::parse(&source);
        if masked.faults.len() < stream.faults.len() { masked } else { stream }
    };
    let documents = stream.report(audit);
    states::read(&documents, audit);
}

#[cfg(test)]
mod tests;
