//! Carrier: Packer templates, HCL2 and the older JSON, and their variable files.
//!
//! What it reads: `required_version` and `required_plugins` (there is no lock file), the image that
//! every common builder starts from, data sources, ISO files with their checksums, and every
//! provisioner that runs commands, with the scripts it names. Post-processors are outputs; only
//! the commands they run are read.

mod builders;
mod legacy;
mod plugins;
mod provisioners;

use super::audit::Audit;
use super::carrier::Carrier;
use super::environment::Environment;
use super::hcl::syntax::Body;
use super::hcl::{Evaluator, Module, Reader, Tool, read_file};
use super::repository::SourceFile;
use std::ops::{Deref, DerefMut};

/// HCL2 templates and variable files.
pub const CARRIER: Carrier = Carrier {
    name: "packer",
    summary: "Packer templates: *.pkr.hcl, *.pkr.json, *.pkrvars.hcl",
    recognises: |path, _| {
        [".pkr.hcl", ".pkrvars.hcl", ".pkr.json"].iter().any(|suffix| path.ends_with(suffix))
    },
    read,
};

/// Older JSON templates and variable files.
pub const LEGACY: Carrier = Carrier {
    name: "packer-json",
    summary: "Packer's older JSON templates: *.json with `builders`",
    recognises: legacy::recognises,
    read: legacy::read,
};

/// A template that is being read.
struct Template<'t, 'a>(Reader<'t, 'a>);

impl<'t, 'a> Deref for Template<'t, 'a> {
    type Target = Reader<'t, 'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Template<'_, '_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

fn read(file: &SourceFile, audit: &mut Audit<'_>) {
    let (body, faults) = read_file(file);
    for fault in faults {
        audit.gap(fault.reason, Some(fault.at));
    }
    let repository = audit.repository();
    let module = Module::around(repository, &file.path, Tool::Packer);
    let evaluator = Evaluator::new(repository, module, &file.path);
    let mut template = Template(Reader { audit, evaluator });
    if file.path.ends_with(".pkrvars.hcl") {
        template.values(&body);
        return;
    }
    template.body(&body);
}

impl Template<'_, '_> {
    fn body(&mut self, body: &Body) {
        for block in &body.blocks {
            match block.keyword.as_str() {
                "packer" => self.packer(block),
                "source" => self.builder(block.label(0), block.label(1), &block.body),
                "data" => self.data(block),
                "build" => self.build(&block.body),
                _ => {}
            }
        }
    }

    fn build(&mut self, body: &Body) {
        let mut environment = Environment::default();
        environment.machine.directory = Some("/".to_owned());
        for block in &body.blocks {
            match block.keyword.as_str() {
                "source" => {
                    let (kind, name) =
                        block.label(0).split_once('.').unwrap_or((block.label(0), ""));
                    let kind = kind.trim_start_matches("source.").to_owned();
                    self.overridden(&kind, name, &block.body);
                }
                "provisioner" | "error-cleanup-provisioner" => {
                    let range = block.label_range(0);
                    self.provisioner(block.label(0), &range, &block.body, &mut environment);
                }
                "post-processor" => self.post_processor(block.label(0), &block.body),
                "post-processors" => {
                    for inner in block.body.blocks("post-processor") {
                        self.post_processor(inner.label(0), &inner.body);
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
pub(in crate::pins) mod tests {
    use crate::pins::walk::audit_source;
    use crate::pins::{Input, Repository, SourceFile, carrier};

    /// Each input as `subject@requested:strength|the raw word`, in the order of the file, without
    /// the providers that a sample takes for granted.
    pub(in crate::pins) fn inputs(path: &str, text: &str, others: &[(&str, &str)]) -> Vec<String> {
        inputs_where(path, text, others, |input| {
            let note = input.note.as_deref().unwrap_or_default();
            !note.starts_with("not in required_providers")
        })
    }

    /// All of them.
    pub(in crate::pins) fn all_inputs(
        path: &str,
        text: &str,
        others: &[(&str, &str)],
    ) -> Vec<String> {
        inputs_where(path, text, others, |_| true)
    }

    fn inputs_where(
        path: &str,
        text: &str,
        others: &[(&str, &str)],
        keep: fn(&Input) -> bool,
    ) -> Vec<String> {
        let files = others.iter().map(|(path, text)| (*path, text.as_bytes()));
        let files: Vec<(&str, &[u8])> =
            files.chain(std::iter::once((path, text.as_bytes()))).collect();
        let repository = Repository::of_files(files.clone());
        let carrier = carrier::carrier_of(path, text.as_bytes()).unwrap();
        let file = SourceFile::new(path, text.as_bytes());
        let collected = audit_source(&file, carrier, &repository);
        assert!(collected.gaps.is_empty(), "{:?}", collected.gaps);
        let mut found: Vec<_> = collected.inputs.iter().filter(|input| keep(input)).collect();
        found.sort_by_key(|input| (input.place.file.clone(), input.place.start_byte));
        found
            .iter()
            .map(|input| {
                let source = files.iter().find(|(path, _)| **path == *input.place.file).unwrap().1;
                let word = source.get(input.place.range()).unwrap();
                format!(
                    "{}@{}:{}|{}",
                    input.subject,
                    input.requested,
                    input.held(),
                    String::from_utf8_lossy(word)
                )
            })
            .collect()
    }

    #[test]
    fn every_kind_of_file_is_recognised() {
        let check = |path: &str, head: &str, expected: Option<&str>| {
            let found = carrier::carrier_of(path, head.as_bytes()).map(|carrier| carrier.name);
            assert_eq!(found, expected, "{path}");
        };
        check("a.pkr.hcl", "", Some("packer"));
        check("x.auto.pkrvars.hcl", "", Some("packer"));
        check("t.json", "{\"builders\": []}", Some("packer-json"));
        check("other.json", "{\"name\": 1}", None);
    }
}
