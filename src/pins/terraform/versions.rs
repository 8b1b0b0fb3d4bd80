//! Terraform's own version, and providers with `.terraform.lock.hcl`.

use super::Configuration;
use crate::pins::classify;
use crate::pins::hcl::module::provider_of;
use crate::pins::hcl::parse;
use crate::pins::hcl::syntax::{Block, Body, Expr, Kind};
use crate::pins::hcl::value::Word;
use crate::pins::input::Credit;
use crate::pins::strength::{Ecosystem, Strength};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// A provider in the lock file.
#[derive(Clone)]
struct Locked {
    version: String,
    hashed: bool,
}

/// A lock file: its providers by their address, or the end of it.
#[derive(Default)]
struct Locks(HashMap<String, Locked>);

impl Configuration<'_, '_> {
    pub(super) fn terraform(&mut self, block: &Block) {
        if block.body.get("source").is_some() {
            self.module(&block.body);
            return;
        }
        match block.body.get("required_version") {
            Some(expr) => {
                if let Some(word) = self.evaluator.word(expr) {
                    let strength = classify::constraint(&word.text);
                    self.push(Ecosystem::Tool, "terraform", strength, &word);
                }
            }
            // Said once for a folder, at its first `terraform` block.
            None if self.is_first(block) => {
                let id = self.push_bare(Ecosystem::Tool, "terraform", &block.keyword_range);
                self.note(id, "no required_version");
            }
            None => {}
        }
        for providers in block.body.blocks("required_providers") {
            for provider in &providers.body.attributes {
                self.required(&provider.name, &provider.name_range, &provider.value);
            }
        }
    }

    /// A workspace of HCP Terraform says what version it runs.
    pub(super) fn workspace(&mut self, kind: &str, body: &Body) {
        let word = (kind == "tfe_workspace").then(|| body.get("terraform_version")).flatten();
        if let Some(word) = word.and_then(|expr| self.evaluator.word(expr)) {
            let strength = classify::constraint(&word.text);
            self.push(Ecosystem::Tool, "terraform", strength, &word);
        }
    }

    /// Whether no file of the unit says a version, and this block is the first of all.
    fn is_first(&self, block: &Block) -> bool {
        let module = &self.evaluator.module;
        let said = module
            .blocks("terraform")
            .any(|(_, block)| block.body.get("required_version").is_some());
        let first = module.blocks("terraform").next();
        !said
            && first.is_some_and(|(file, first)| {
                file.source.path == self.evaluator.file
                    && first.keyword_range == block.keyword_range
            })
    }

    fn required(&mut self, name: &str, range: &Range<usize>, value: &Expr) {
        let version = match &value.kind {
            Kind::Object(_) => value.entry("version"),
            _ => Some(value),
        };
        let source = value.entry("source").and_then(|source| self.evaluator.text(source));
        let word = version.and_then(|version| self.evaluator.word(version));
        self.provider(name, source.as_deref(), range, word);
    }

    /// `provider "x" { … }`: its version, if the old form is used; else nothing, unless no file of
    /// the unit requires one.
    pub(super) fn provider_block(&mut self, block: &Block) {
        let name = block.label(0);
        let word = block.body.get("version").and_then(|version| self.evaluator.word(version));
        let module = &self.evaluator.module;
        let required = module.blocks("terraform").any(|(_, terraform)| {
            terraform
                .body
                .blocks("required_providers")
                .any(|providers| providers.body.get(name).is_some())
        });
        let same = module.blocks("provider").find(|(_, other)| other.label(0) == name);
        let is_first = same.is_some_and(|(file, first)| {
            file.source.path == self.evaluator.file && first.keyword_range == block.keyword_range
        });
        let dressed = module
            .blocks("provider")
            .any(|(_, other)| other.label(0) == name && other.body.get("version").is_some());
        if word.is_some() || (!required && !dressed && is_first && name != "terraform") {
            self.provider(name, None, &block.label_range(0), word);
        }
    }

    /// Providers that resources need and no file of the unit requires: each is said once, at its
    /// first use.
    pub(super) fn implied_providers(&mut self, body: &Body) {
        let module = Arc::clone(&self.evaluator.module);
        let mut known: BTreeSet<String> = BTreeSet::from(["terraform".to_owned()]);
        known.extend(module.blocks("provider").map(|(_, block)| block.label(0).to_owned()));
        for (_, terraform) in module.blocks("terraform") {
            for providers in terraform.body.blocks("required_providers") {
                known.extend(providers.body.attributes.iter().map(|a| a.name.clone()));
            }
        }
        let elsewhere = |name: &str| {
            let first = module.used_providers.get(name);
            first.is_some_and(|first| *first != self.evaluator.file)
        };
        let kinds = ["resource", "data", "ephemeral"];
        let mut found = Vec::new();
        for block in body.blocks.iter().filter(|block| kinds.contains(&block.keyword.as_str())) {
            let own = block.body.get("provider").and_then(root_name);
            let name = own.unwrap_or_else(|| provider_of(block.label(0)).to_owned());
            if !name.is_empty() && known.insert(name.clone()) && !elsewhere(&name) {
                found.push((name, block.label_range(0)));
            }
        }
        for (name, range) in found {
            let before = self.audit.inputs().len();
            self.provider(&name, None, &range, None);
            for input in self.audit.inputs_since_mut(before) {
                let rest = input.note.take().map(|note| format!("; {note}")).unwrap_or_default();
                input.note = Some(format!("not in required_providers{rest}"));
            }
        }
    }

    fn provider(
        &mut self,
        name: &str,
        source: Option<&str>,
        range: &Range<usize>,
        version: Option<Word>,
    ) {
        let address = source.map_or_else(|| format!("hashicorp/{name}"), str::to_lowercase);
        // Built in.
        if address.ends_with("/builtin/terraform") || address.contains("terraform.io/builtin") {
            return;
        }
        let version = version.filter(|word| !word.text.trim().is_empty());
        let held = version.as_ref().map_or(Strength::None, |w| classify::constraint(&w.text));
        let subject = source.unwrap_or(name);
        let id = match &version {
            Some(word) => self.push(Ecosystem::TerraformProvider, subject, held, word),
            None => self.push_bare(Ecosystem::TerraformProvider, subject, range),
        };
        let locks = self.locks();
        let place = self.audit.place(version.map_or_else(|| range.clone(), |word| word.range));
        let missing = match locks {
            None if self.is_root() => "there is no .terraform.lock.hcl".to_owned(),
            None => return,
            Some(locks) => match locks.of(&address) {
                Some(Locked { version, hashed: true }) => {
                    let why = format!("{version} with its hashes in .terraform.lock.hcl");
                    if let Some(input) = self.audit.input_mut(id) {
                        input.credit = Some(Credit { strength: Strength::Content, why });
                    }
                    return;
                }
                Some(_) => ".terraform.lock.hcl has no hashes of it".to_owned(),
                None => ".terraform.lock.hcl does not cover it".to_owned(),
            },
        };
        if held == Strength::Exact {
            let message = format!("`{subject}`: {missing}, so that its content is not checked");
            self.audit.remark("pins/lock", subject, place, message);
        } else {
            self.note(id, &missing);
        }
    }

    /// The lock file beside the file, read once for all its providers.
    fn locks(&self) -> Option<Arc<Locks>> {
        let own = &self.evaluator.file;
        let directory = own.rsplit_once('/').map_or(String::new(), |(d, _)| format!("{d}/"));
        let path = format!("{directory}.terraform.lock.hcl");
        let repository = self.evaluator.repository;
        let made = repository.prepared(&format!("terraform lock {path}"), || {
            let bytes = repository.read(&path)?;
            Some(Arc::new(Locks::parse(&parse::text_of(&bytes))))
        });
        Option::clone(&made)
    }

    /// Whether the folder is applied by itself: only such folders have a lock file.
    fn is_root(&self) -> bool {
        let module = &self.evaluator.module;
        module.blocks("provider").next().is_some()
            || module.blocks("terraform").any(|(_, block)| {
                block.body.block("backend").is_some() || block.body.block("cloud").is_some()
            })
    }
}

/// The first name of a reference: `aws` of `aws.east` and of `"aws.east"`.
fn root_name(expr: &Expr) -> Option<String> {
    match &expr.kind {
        Kind::Variable(name) => Some(name.clone()),
        Kind::Access(base, _) => root_name(base),
        _ => expr.literal().map(|text| text.split('.').next().unwrap_or_default().to_owned()),
    }
}

impl Locks {
    fn parse(text: &str) -> Self {
        let (body, _) = parse::body(text, |word| word == "provider");
        let mut found = Self::default();
        for block in body.blocks("provider") {
            let label = block.label(0).to_lowercase();
            let version = block.body.get("version").and_then(Expr::literal).unwrap_or_default();
            let hashes = block.body.get("hashes").map(|hashes| &hashes.kind);
            let hashed = matches!(hashes, Some(Kind::List(values)) if !values.is_empty());
            let locked = Locked { version: version.to_owned(), hashed };
            // Also without the registry's host, and by the type alone.
            let mut name = label.as_str();
            loop {
                found.0.entry(name.to_owned()).or_insert_with(|| locked.clone());
                match name.split_once('/') {
                    Some((_, rest)) => name = rest,
                    None => break,
                }
            }
        }
        found
    }

    /// What it says about a provider.
    fn of(&self, address: &str) -> Option<&Locked> {
        self.0.get(address)
    }
}

#[cfg(test)]
mod tests {
    use crate::pins::packer::tests::all_inputs as inputs;

    fn check(text: &str, others: &[(&str, &str)], expected: &[&str]) {
        assert_eq!(inputs("m/main.tf", text, others), expected, "{text}");
    }

    #[test]
    fn versions() {
        check("terraform {\n}\n", &[], &["terraform@:none|terraform"]);
        check(
            "terraform {\n required_version = \"~> 1.5\"\n required_providers {\n  aws = {\n   source \
             = \"hashicorp/aws\"\n   version = \">= 4.0\"\n  }\n  null = {\n   source = \
             \"hashicorp/null\"\n  }\n  x = \"1.2.3\"\n }\n}\n",
            &[],
            &[
                "terraform@~> 1.5:range|~> 1.5",
                "hashicorp/aws@>= 4.0:range|>= 4.0",
                "hashicorp/null@:none|null",
                "x@1.2.3:exact|1.2.3",
            ],
        );
        check("provider \"aws\" {\n}\n", &[], &["aws@:none|aws"]);
        check(
            "terraform {\n required_version = \"1.5.0\"\n required_providers {\n  aws = \
             \"5.1.0\"\n }\n}\nresource \"aws_vpc\" \"x\" {\n}\nresource \"tls_private_key\" \
             \"x\" {\n}\n",
            &[],
            &["terraform@1.5.0:exact|1.5.0", "aws@5.1.0:exact|5.1.0", "tls@:none|tls_private_key"],
        );
        check(
            "resource \"random_string\" \"x\" {\n}\ndata \"google_x\" \"x\" {\n provider = \
             google-beta\n}\nresource \"random_pet\" \"x\" {\n}\ndata \"terraform_remote_state\" \
             \"x\" {\n}\n",
            &[("m/z.tf", "resource \"random_pet\" \"y\" {\n}\n")],
            &["random@:none|random_string", "google-beta@:none|google_x"],
        );
        check(
            "resource \"random_pet\" \"x\" {\n}\n",
            &[("m/a.tf", "resource \"random_pet\" \"y\" {\n}\n")],
            &[],
        );
        check(
            "resource \"tfe_workspace\" \"x\" {\n provider = tfe.a\n terraform_version = \"~> 1.1\"\n}\n",
            &[(
                "m/z.tf",
                "terraform {\n required_version = \"1.5.0\"\n required_providers {\n  tfe = \"1.0.0\"\n }\n}\n",
            )],
            &["terraform@~> 1.1:range|~> 1.1"],
        );
        let other = ("m/versions.tf", "terraform {\n required_version = \"1.5.0\"\n}\n");
        check("terraform {\n}\n", &[other], &[]);
    }

    #[test]
    fn the_lock_file_holds_providers() {
        let lock = "provider \"registry.terraform.io/hashicorp/aws\" {\n version = \"5.1.0\"\n \
                    constraints = \">= 4.0\"\n hashes = [\"h1:abc=\"]\n}\n";
        check(
            "terraform {\n required_version = \"1.5.0\"\n required_providers {\n  aws = { source = \
             \"hashicorp/aws\", version = \">= 4.0\" }\n  tls = { source = \"hashicorp/tls\", \
             version = \"4.0.0\" }\n }\n}\n",
            &[("m/.terraform.lock.hcl", lock)],
            &[
                "terraform@1.5.0:exact|1.5.0",
                "hashicorp/aws@>= 4.0:content|>= 4.0",
                "hashicorp/tls@4.0.0:exact|4.0.0",
            ],
        );
    }
}
