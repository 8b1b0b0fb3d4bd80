//! What strength policy asks for: `policies/pins.toml`, read and held against an input.
//!
//! The most specific word wins: an ecosystem over its category, and the last `[[path]]` block
//! that matches over all blocks before it.
//!
//! A `driftcheck.toml` says the same and more: `exclude` (globs of files that are not read) and
//! `[[ignore]]` (exceptions for files without comments, see [`super::suppress`]). Its globs are
//! held against a file's path from the policy, from the root that is audited, and as it is shown.

use super::input::Input;
use super::input::Place;
use super::repository::SourceFile;
use super::rules;
use super::strength::{Category, Ecosystem, Strength};
use super::suppress::{self, Suppression};
use crate::model::{Fault, Severity};
use globset::{Glob, GlobMatcher};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

/// The policy that is shipped.
pub const DEFAULT: &str = include_str!("../../policies/pins.toml");

/// The file's own form; unknown keys are refused, so that a typo is no silent permission.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    require: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    severity: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    path: Vec<PathDocument>,
    #[serde(default)]
    ignore: Vec<Spanned<IgnoreDocument>>,
    #[serde(default)]
    exclude: Vec<Spanned<String>>,
    fail_unknown: Option<bool>,
    rules: Option<Spanned<toml::Value>>,
}

/// An exception for files without comments.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct IgnoreDocument {
    path: Spanned<String>,
    rule: Spanned<String>,
    subject: Option<String>,
    until: Option<Spanned<toml::Value>>,
    reason: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PathDocument {
    glob: Spanned<String>,
    #[serde(default)]
    require: BTreeMap<String, Spanned<String>>,
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
    ignores: Vec<(GlobMatcher, Suppression)>,
    excludes: Vec<GlobMatcher>,
    /// What the root's own paths begin with where they are shown.
    shown: String,
    /// What they begin with seen from the policy.
    below: String,
    /// The rule set that is judged by, where an older one is frozen.
    rules: Option<u32>,
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
        self.add_file("driftcheck.toml", text)
    }

    /// The same, of a file whose `[[ignore]]` entries are shown under `path`.
    ///
    /// # Errors
    /// As [`Requirements::parse`], with line and column.
    pub fn add_file(&mut self, path: &str, text: &str) -> Result<(), Fault> {
        let document: Document = toml::from_str(text).map_err(Fault::damaged)?;
        let file = SourceFile::new(path, text.as_bytes());
        let glob = |word: &Spanned<String>| {
            let glob = Glob::new(word.get_ref());
            glob.map(|glob| glob.compile_matcher()).map_err(|e| at(&file, word.span(), &e))
        };
        if document.require.contains_key("default") {
            self.table = Table::default();
        }
        let set = |table: &mut Table, scope: &str, strength: &Spanned<String>| {
            table.set(scope, strength.get_ref()).map_err(|e| at(&file, strength.span(), &e))
        };
        for (scope, strength) in &document.require {
            set(&mut self.table, scope, strength)?;
        }
        for block in &document.path {
            let mut table = Table::default();
            for (scope, strength) in &block.require {
                set(&mut table, scope, strength)?;
            }
            self.paths.push((glob(&block.glob)?, table));
        }
        for (word, severity) in &document.severity {
            let parsed = Severity::parse(severity.get_ref()).ok_or_else(|| {
                let reason = format!("`{}` is no severity", severity.get_ref());
                at(&file, severity.span(), &reason)
            })?;
            self.severities.insert(word.clone(), parsed);
        }
        for exclude in &document.exclude {
            self.excludes.push(glob(exclude)?);
        }
        for entry in &document.ignore {
            let ignore = suppression(&file, entry)?;
            self.ignores.push((glob(&entry.get_ref().path)?, ignore));
        }
        if let Some(rules) = &document.rules {
            self.rules = Some(rule_set(&file, rules)?);
        }
        if let Some(fail) = document.fail_unknown {
            self.fail_unknown = fail;
        }
        Ok(())
    }

    /// Says how the paths of a root begin where they are shown, and seen from the policy.
    #[must_use]
    pub fn for_root(mut self, shown: &str, below: &str) -> Self {
        shown.clone_into(&mut self.shown);
        below.clone_into(&mut self.below);
        self
    }

    /// Whether a glob of the policy means a file, by the path that is shown.
    #[must_use]
    pub fn matches(&self, glob: &GlobMatcher, file: &str) -> bool {
        if glob.is_match(file) {
            return true;
        }
        let Some(own) = file.strip_prefix(&self.shown) else { return false };
        glob.is_match(own)
            || !self.below.is_empty() && glob.is_match(format!("{}{own}", self.below))
    }

    /// Whether the policy says that a file is not read.
    #[must_use]
    pub fn excludes(&self, file: &str) -> bool {
        self.excludes.iter().any(|glob| self.matches(glob, file))
    }

    /// The exceptions of the policy.
    #[must_use]
    pub fn ignores(&self) -> &[(GlobMatcher, Suppression)] {
        &self.ignores
    }

    /// Whether the frozen rule set, if one is, has a rule.
    #[must_use]
    pub fn judges(&self, rule: &str) -> bool {
        self.rules.is_none_or(|own| rules::rule(rule).is_none_or(|rule| rule.since <= own))
    }

    /// Whether the frozen rule set, if one is, reads the files of a carrier.
    #[must_use]
    pub fn reads(&self, carrier: &str) -> bool {
        self.rules.is_none_or(|own| rules::carrier_since(carrier) <= own)
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
        let by_path = self.paths.iter().rev().filter(|(glob, _)| self.matches(glob, file));
        by_path
            .filter_map(|(_, table)| table.get(ecosystem))
            .next()
            .or_else(|| self.table.get(ecosystem))
            .unwrap_or(Strength::Exact)
    }

    /// Whether an input is held firmly enough.
    #[must_use]
    pub fn accepts(&self, input: &Input) -> bool {
        if !self.judges(input.rule) {
            return true;
        }
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

/// A reason with its line and column.
fn at(file: &SourceFile, span: Range<usize>, reason: &dyn Display) -> Fault {
    let (start, _) = file.positions(&span);
    Fault::damaged(format!("line {}, column {}: {reason}", start.line, start.column))
}

/// The number of a rule set: `rules = "1"` or `rules = 1`.
fn rule_set(file: &SourceFile, word: &Spanned<toml::Value>) -> Result<u32, Fault> {
    let number = match word.get_ref() {
        toml::Value::String(text) => text.parse().ok(),
        toml::Value::Integer(number) => u32::try_from(*number).ok(),
        _ => None,
    };
    number.filter(|number| (1..=rules::RULE_SET).contains(number)).ok_or_else(|| {
        let newest = rules::RULE_SET;
        at(file, word.span(), &format!("there is no such rule set: 1 to {newest} are known"))
    })
}

/// An `[[ignore]]` entry.
fn suppression(file: &SourceFile, entry: &Spanned<IgnoreDocument>) -> Result<Suppression, Fault> {
    let document = entry.get_ref();
    let rule = &document.rule;
    suppress::check_rule(rule.get_ref()).map_err(|reason| at(file, rule.span(), &reason))?;
    if document.reason.get_ref().trim().is_empty() {
        return Err(at(file, document.reason.span(), &"it gives no reason"));
    }
    let until = match &document.until {
        None => None,
        Some(until) => {
            let text = match until.get_ref() {
                toml::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let day = text.parse();
            Some(day.map_err(|_| {
                at(file, until.span(), &format!("`{text}` is no day like 2027-01-31"))
            })?)
        }
    };
    let span = entry.span();
    let (start, end) = file.positions(&span);
    let path = Arc::clone(&file.path);
    Ok(Suppression {
        place: Place { file: path, start_byte: span.start, end_byte: span.end, start, end },
        lines: None,
        reason: document.reason.get_ref().trim().to_owned(),
        rules: vec![rule.get_ref().clone()],
        subjects: document.subject.iter().cloned().collect(),
        until,
        fault: None,
    })
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

    #[test]
    fn a_frozen_rule_set_knows_no_newer_rules() {
        let policy = Requirements::parse("rules = \"1\"").unwrap();
        assert!(policy.judges("pins/os-package") && !policy.judges("pins/consistency"));
        assert!(policy.reads("dockerfile") && !policy.reads("ansible"));
        let policy = Requirements::shipped().unwrap();
        assert!(policy.judges("pins/consistency") && policy.reads("ansible"));
        assert!(Requirements::parse("rules = 99").is_err());
    }

    #[test]
    fn errors_have_their_place() {
        let check = |text: &str, place: &str| {
            let fault = Requirements::parse(text).unwrap_err().to_string();
            assert!(fault.contains(place), "{fault}");
        };
        check("exclude = ['a']\n[require]\napt = 'exactt'\n", "line 3, column 7");
        check("[require]\nabt = 'exact'\n", "line 2, column 7");
        check("[[ignore]]\npath = '*'\nrule = 'pins/x'\nreason = 'y'\n", "line 3, column 8");
        check("[[ignore]]\npath = '*'\nrule = 'pins/download'\n", "reason");
        check("[[path]]\nglob = '['\n", "line 2, column 8");
        check("x = 1\n", "line 1, column 1");
    }

    #[test]
    fn globs_are_held_against_every_form_of_a_path() {
        let policy = Requirements::parse("exclude = ['dev/**', 'images/old/**']").unwrap();
        let policy = policy.for_root("../repo/images/", "images/");
        let check =
            |file: &str, expected: bool| assert_eq!(policy.excludes(file), expected, "{file}");
        check("../repo/images/dev/x.sh", true);
        check("../repo/images/old/x.sh", true);
        check("../repo/images/new/x.sh", false);
    }
}
