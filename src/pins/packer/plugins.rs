//! Packer's own version and its plugins.

use super::Template;
use crate::pins::classify;
use crate::pins::hcl::module::inside;
use crate::pins::hcl::syntax::{Block, Expr, Kind};
use crate::pins::strength::{Ecosystem, Strength};

impl Template<'_, '_> {
    pub(super) fn packer(&mut self, block: &Block) {
        match block.body.get("required_version") {
            Some(expr) => {
                if let Some(word) = self.evaluator.word(expr) {
                    let strength = classify::constraint(&word.text);
                    self.push(Ecosystem::Tool, "packer", strength, &word);
                }
            }
            // Said once for a folder, at its first `packer` block.
            None if self.is_first(block) => {
                let id = self.push_bare(Ecosystem::Tool, "packer", &block.keyword_range);
                self.note(id, "no required_version");
            }
            None => {}
        }
        for plugins in block.body.blocks("required_plugins") {
            for plugin in &plugins.body.attributes {
                self.plugin(&plugin.name, &plugin.name_range, &plugin.value);
            }
        }
    }

    /// Whether no file of the unit says a version, and this block is the first of all.
    fn is_first(&self, block: &Block) -> bool {
        let mut blocks = self.evaluator.module.blocks("packer");
        let said = blocks.any(|(_, block)| block.body.get("required_version").is_some());
        let first = self.evaluator.module.blocks("packer").next();
        !said
            && first.is_some_and(|(file, first)| {
                file.source.path == self.evaluator.file
                    && first.keyword_range == block.keyword_range
            })
    }

    fn plugin(&mut self, name: &str, range: &std::ops::Range<usize>, value: &Expr) {
        let version = match &value.kind {
            Kind::Object(_) => value.entry("version"),
            _ => Some(value),
        };
        let source = value.entry("source").and_then(|source| self.evaluator.text(source));
        let subject = source.unwrap_or_else(|| name.to_owned());
        let word = version.and_then(|version| self.evaluator.word(version));
        match word {
            Some(word) if !word.text.trim().is_empty() => {
                let strength = classify::constraint(&word.text);
                self.push(Ecosystem::PackerPlugin, &subject, strength, &word);
            }
            Some(_) | None => {
                let at = version.map_or_else(|| range.clone(), inside);
                let strength = version.map_or(Strength::None, |_| Strength::Unknown);
                let id = self.push_bare(Ecosystem::PackerPlugin, &subject, &at);
                if let Some(input) = self.audit.input_mut(id) {
                    input.strength = strength;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::inputs;

    #[test]
    fn plugins_and_version() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(inputs("a.pkr.hcl", text, &[]), expected, "{text}");
        };
        check(
            "packer {\n required_version = \">= 1.9\"\n required_plugins {\n  amazon = {\n   \
             version = \"~> 1.2\"\n   source = \"github.com/hashicorp/amazon\"\n  }\n  qemu = {\n   \
             source = \"github.com/hashicorp/qemu\"\n  }\n  docker = { version = \"= 1.0.8\", \
             source = \"github.com/hashicorp/docker\" }\n }\n}\n",
            &[
                "packer@>= 1.9:range|>= 1.9",
                "github.com/hashicorp/amazon@~> 1.2:range|~> 1.2",
                "github.com/hashicorp/qemu@:none|qemu",
                "github.com/hashicorp/docker@= 1.0.8:exact|= 1.0.8",
            ],
        );
        check("packer {\n}\n", &["packer@:none|packer"]);
        check("packer {\n required_version = \"1.10.0\"\n}\n", &["packer@1.10.0:exact|1.10.0"]);
    }
}
