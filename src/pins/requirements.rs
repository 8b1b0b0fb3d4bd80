//! What strength policy asks for: `policies/pins.toml`, read and held against an input.
//!
//! The most specific word wins: an ecosystem over its category, and the last `[[path]]` block
//! that matches over all blocks before it.

use super::input::Input;
use super::strength::{Category, Ecosystem, Strength};
use crate::model::{Fault, Severity};
use globset::{Glob, GlobMatcher};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The policy that is shipped.
pub const DEFAULT: &str = include_str!("../../policies/pins.toml");

/// The file's own form; unknown keys are refused, so that a typo is no silent permission.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    require: BTreeMap<String, String>,
    #[serde(default)]
    severity: BTreeMap<String, String>,
    #[serde(default)]
    path: Vec<PathDocument>,
    fail_unknown: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PathDocument {
    glob: String,
    #[serde(default)]
    require: BTreeMap<String, String>,
}

/// Required strengths by scope.
#[derive(Clone, Debug, Default)]
struct Table {
    ecosystems: BTreeMap<Ecosystem, Strength>,
    categories: BTreeMap<Category, Strength>,
}

impl Table {
    fn get(&self, ecosystem: Ecosystem) -> Option<Strength> {
        let category = || self.categories.get(&ecosystem.category());
        self.ecosystems.get(&ecosystem).or_else(category).copied()
    }

    fn set(&mut self, scope: &str, strength: &str) -> Result<(), Fault> {
        let strength = Strength::parse(strength).ok_or_else(|| {
            Fault::damaged(format!(
                "`{strength}` is no strength: none floating range exact content"
            ))
        })?;
        if scope == "default" {
            for category in Category::ALL {
                self.categories.entry(category).or_insert(strength);
            }
        } else if let Some(category) = Category::ALL.iter().find(|c| c.as_str() == scope) {
            self.categories.insert(*category, strength);
        } else if let Some(ecosystem) = Ecosystem::ALL.iter().find(|e| e.as_str() == scope) {
            self.ecosystems.insert(*ecosystem, strength);
        } else {
            return Err(Fault::damaged(format!("`{scope}` is no ecosystem and no category")));
        }
        Ok(())
    }
}

/// What policy asks for.
#[derive(Clone, Debug, Default)]
pub struct Requirements {
    table: Table,
    paths: Vec<(GlobMatcher, Table)>,
    severities: BTreeMap<String, Severity>,
    /// Whether inputs whose value comes from outside are findings.
    pub fail_unknown: bool,
}

impl Requirements {
    /// The shipped policy.
    ///
    /// # Errors
    /// Never, as long as the test of the shipped file passes.
    pub fn shipped() -> Result<Self, Fault> {
        Self::parse(DEFAULT)
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// Where the text is no TOML, or names what does not exist.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut requirements = Self::default();
        requirements.add(text)?;
        Ok(requirements)
    }

    /// Lays another policy over this one: what it says wins, what it does not say stays.
    ///
    /// # Errors
    /// As [`Requirements::parse`].
    pub fn add(&mut self, text: &str) -> Result<(), Fault> {
        let document: Document = toml::from_str(text).map_err(Fault::damaged)?;
        if document.require.contains_key("default") {
            self.table = Table::default();
        }
        for (scope, strength) in &document.require {
            self.table.set(scope, strength)?;
        }
        for block in &document.path {
            let glob = Glob::new(&block.glob).map_err(Fault::damaged)?.compile_matcher();
            let mut table = Table::default();
            for (scope, strength) in &block.require {
                table.set(scope, strength)?;
            }
            self.paths.push((glob, table));
        }
        for (word, severity) in &document.severity {
            let severity = Severity::parse(severity)
                .ok_or_else(|| Fault::damaged(format!("`{severity}` is no severity")))?;
            self.severities.insert(word.clone(), severity);
        }
        if let Some(fail) = document.fail_unknown {
            self.fail_unknown = fail;
        }
        Ok(())
    }

    /// Overrides one scope (an ecosystem, a category, `default`), as `--require SCOPE=STRENGTH`.
    ///
    /// # Errors
    /// Where scope or strength do not exist.
    pub fn require(&mut self, scope: &str, strength: &str) -> Result<(), Fault> {
        if scope == "default" {
            self.table = Table::default();
        }
        self.table.set(scope, strength)
    }

    /// The strength that an input of this ecosystem needs in this file.
    #[must_use]
    pub fn required(&self, ecosystem: Ecosystem, file: &str) -> Strength {
        let by_path = self.paths.iter().rev().filter(|(glob, _)| glob.is_match(file));
        by_path
            .filter_map(|(_, table)| table.get(ecosystem))
            .next()
            .or_else(|| self.table.get(ecosystem))
            .unwrap_or(Strength::Exact)
    }

    /// Whether an input is held firmly enough.
    #[must_use]
    pub fn accepts(&self, input: &Input) -> bool {
        let required = self.required(input.ecosystem, &input.place.file);
        input.held().satisfies(required).unwrap_or(!self.fail_unknown)
    }

    /// How much it matters: by rule and strength (`pins/download:none`), by rule, by strength.
    #[must_use]
    pub fn severity(&self, rule: &str, held: Strength) -> Severity {
        let both = format!("{rule}:{held}");
        [both.as_str(), rule, held.as_str()]
            .iter()
            .find_map(|word| self.severities.get(*word).copied())
            .unwrap_or(Severity::Low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_policy_is_read() {
        let policy = Requirements::shipped().unwrap();
        let check = |ecosystem: Ecosystem, expected: Strength| {
            assert_eq!(policy.required(ecosystem, "Dockerfile"), expected, "{ecosystem}");
        };
        check(Ecosystem::Apt, Strength::Exact);
        check(Ecosystem::Pip, Strength::Exact);
        check(Ecosystem::Image, Strength::Content);
        check(Ecosystem::MachineImage, Strength::Content);
        check(Ecosystem::Download, Strength::Content);
        check(Ecosystem::TerraformModule, Strength::Exact);
        check(Ecosystem::PackerPlugin, Strength::Exact);
        assert!(!policy.fail_unknown);
    }

    #[test]
    fn the_most_specific_word_wins() {
        let mut policy = Requirements::shipped().unwrap();
        policy
            .add("[require]\napt = 'range'\n[[path]]\nglob = 'dev/**'\nrequire = { default = 'none' }")
            .unwrap();
        assert_eq!(policy.required(Ecosystem::Apt, "Dockerfile"), Strength::Range);
        assert_eq!(policy.required(Ecosystem::Apk, "Dockerfile"), Strength::Exact);
        assert_eq!(policy.required(Ecosystem::Apk, "dev/Dockerfile"), Strength::None);
        assert!(policy.add("[require]\nabt = 'range'").is_err());
        assert!(policy.add("requires = 1").is_err());
    }
}
