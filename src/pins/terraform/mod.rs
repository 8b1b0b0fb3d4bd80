//! Carrier: Terraform and OpenTofu, in HCL and JSON, and Terragrunt's `terraform { source }`.
//!
//! What it reads: `required_version`, providers with their lock file, modules by their sources,
//! machine images that are looked up or named, container images and charts, and every script that
//! a machine is given (`user_data` and its kin) or that a provisioner runs. A folder is one unit;
//! local modules are folders of their own and read as such.

mod containers;
mod images;
mod modules;
mod scripts;
mod versions;

use super::audit::Audit;
use super::carrier::Carrier;
use super::hcl::syntax::{Block, Body};
use super::hcl::{Evaluator, Module, Reader, Tool, read_file};
use super::repository::SourceFile;
use std::ops::{Deref, DerefMut};

/// Terraform files.
pub const CARRIER: Carrier = Carrier {
    name: "terraform",
    summary: "Terraform and OpenTofu: *.tf, *.tofu, *.tf.json, terragrunt.hcl",
    recognises: |path, _| {
        [".tf", ".tofu", ".tf.json", ".tofu.json", "terragrunt.hcl"]
            .iter()
            .any(|suffix| path.ends_with(suffix))
    },
    read,
};

/// Blocks in blocks deeper than this are not walked.
const MAX_DEPTH: usize = 24;

/// A file of a unit that is being read.
struct Configuration<'t, 'a>(Reader<'t, 'a>);

impl<'t, 'a> Deref for Configuration<'t, 'a> {
    type Target = Reader<'t, 'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Configuration<'_, '_> {
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
    let module = Module::around(repository, &file.path, Tool::Terraform);
    let evaluator = Evaluator::new(repository, module, &file.path);
    let mut configuration = Configuration(Reader { audit, evaluator });
    for block in &body.blocks {
        configuration.block(block);
    }
    configuration.implied_providers(&body);
}

impl Configuration<'_, '_> {
    fn block(&mut self, block: &Block) {
        match block.keyword.as_str() {
            "terraform" => self.terraform(block),
            "provider" => self.provider_block(block),
            "module" => {
                self.module(&block.body);
                self.user_data(&block.body, 0);
            }
            "data" => {
                self.looked_up(block);
                self.data_scripts(block);
            }
            "resource" => self.resource(block),
            _ => {}
        }
    }

    fn resource(&mut self, block: &Block) {
        let kind = block.label(0);
        self.named_images(kind, &block.body);
        self.versions_below(&block.body, 0);
        self.containers(kind, &block.body);
        self.workspace(kind, &block.body);
        self.user_data(&block.body, 0);
        self.resource_scripts(kind, &block.body);
        self.provisioners(&block.body);
    }
}

/// A body and all blocks and objects in it.
fn each_below(body: &Body, depth: usize, visit: &mut impl FnMut(&str, &Body)) {
    if depth > MAX_DEPTH {
        return;
    }
    let depth = depth.saturating_add(1);
    for block in &body.blocks {
        visit(&block.keyword, &block.body);
        each_below(&block.body, depth, visit);
    }
}
