//! Statements about a system, read from its configuration and compared by meaning.
//!
//! Each file is one topic with its `COLLECTOR`. A parser takes text and gives values; a thin
//! function reads the fixed places where that text lies. Only what is configured is recorded,
//! never what a running system made of it, and never a secret: of passwords whether there are
//! any, of keys their fingerprints, of command lines what is left by [`redact`].
//!
//! A fact's key names the thing and not its value, so that a change reads
//! `sshd/PasswordAuthentication: value no -> yes`. Its evidence is the file that decides.
//!
//! To add a topic: a file here with its `COLLECTOR`, its `mod` line, and its row in
//! [`super::COLLECTORS`].

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod accounts;
pub mod boot;
pub mod containers;
pub mod cron;
pub mod environment;
pub mod ini;
pub mod lines;
pub mod loader;
pub mod mounts;
pub mod network;
pub mod pam;
pub mod redact;
pub mod repositories;
pub mod search;
pub mod set_id;
pub mod ssh;
pub mod sudoers;
pub mod sysctl;
pub mod system;
pub mod trust;
pub mod units;
pub mod updates;

use self::lines::Skipped;
use super::View;
use super::reader::Reader;
use crate::model::path::Escaped;
use crate::model::{Fact, Records, Stage, TreePath};
use std::collections::HashMap;
use std::fmt::Write;

/// Of one configuration file: a hosts file that blocks all known advertisers has 10 MB.
const MAX_SIZE: u64 = 16 * 1024 * 1024;

/// What the key of [`Sheet::skipped`]'s facts begins with; the path follows.
pub const SKIPPED: &str = "malformed lines of ";

/// Of one collector: ten times the accounts of a machine that serves a university.
const MAX_FACTS: usize = 200_000;

/// A fact of some attributes; empty values are left out.
#[must_use]
pub fn fact<'a>(
    scope: &str,
    key: impl Into<String>,
    attributes: impl IntoIterator<Item = (&'a str, String)>,
    evidence: &TreePath,
) -> Fact {
    let attributes = attributes.into_iter().filter(|(_, value)| !value.is_empty());
    Fact {
        scope: scope.to_owned(),
        key: key.into(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value)).collect(),
        evidence: Some(evidence.clone()),
    }
}

/// Reads for one collector and records its facts.
pub struct Sheet<'a> {
    /// Reads, and makes gaps of what it cannot read.
    pub reader: Reader<'a>,
    /// How often a key was used.
    seen: HashMap<(&'static str, String), usize>,
}

impl<'a> Sheet<'a> {
    /// For one run of a collector.
    #[must_use]
    pub fn new(view: &View<'a>, records: &'a mut Records) -> Self {
        let reader = Reader::new(view, records, Stage::Facts, MAX_SIZE);
        Self { reader, seen: HashMap::new() }
    }

    /// A file of our own list as text (see [`decode`]), with its path.
    pub fn file(&mut self, path: &str) -> Option<(TreePath, String)> {
        let path = TreePath::parse(path);
        let bytes = self.reader.file(&path)?;
        Some((path, decode(&bytes)))
    }

    /// Records a fact; attributes without a value are left out. The second fact of a key has
    /// ` #2` after it, and so on.
    pub fn add(
        &mut self,
        scope: &'static str,
        key: &str,
        evidence: &TreePath,
        attributes: &[(&str, &str)],
    ) {
        if self.seen.len() >= MAX_FACTS {
            if self.seen.len() == MAX_FACTS {
                self.reader.gap(evidence, format!("{scope}: more than {MAX_FACTS} facts"));
                self.seen.insert(("", String::new()), 0);
            }
            return;
        }
        let count = self.seen.entry((scope, key.to_owned())).or_default();
        *count = count.saturating_add(1);
        let key = if *count > 1 { format!("{key} #{count}") } else { key.to_owned() };
        let attributes = attributes.iter().map(|(name, value)| (*name, (*value).to_owned()));
        self.reader.records.facts.push(fact(scope, key, attributes, evidence));
    }

    /// Records lines of a file that say nothing, in its scope, with no more than their digest.
    pub fn skipped(&mut self, scope: &'static str, path: &TreePath, lines: &Skipped) {
        if let Some(attributes) = lines.attributes() {
            let attributes = attributes.each_ref().map(|(name, value)| (*name, value.as_str()));
            self.add(scope, &format!("{SKIPPED}{path}"), path, &attributes);
        }
    }
}

/// Configuration as text: what is no UTF-8 and control characters are escaped, line breaks and
/// tabulators stay, carriage returns become spaces.
#[must_use]
pub fn decode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\t' => out.push(c),
                '\r' => out.push(' '),
                c if c.is_control() => {
                    let mut buffer = [0; 4];
                    // Writing to a string does not fail.
                    let _ = write!(out, "{}", Escaped(c.encode_utf8(&mut buffer).as_bytes()));
                }
                c => out.push(c),
            }
        }
        let _ = write!(out, "{}", Escaped(chunk.invalid()));
    }
    out
}

#[cfg(test)]
mod testing {
    use super::{Records, SKIPPED, View};
    use crate::collect::Collector;
    use crate::filesystem::memory::MemoryFilesystem;
    use crate::model::ContentDigest;

    /// How [`check`] shows a line that says nothing.
    pub(super) fn skipped(scope: &str, path: &str, reason: &str, line: &str) -> String {
        let digest = ContentDigest::of(format!("{line}\n").as_bytes());
        let key = format!("{SKIPPED}{path}");
        format!("{scope}/{key} digest={digest} lines=1 reason={reason} @{path}")
    }

    /// What is recorded of a tree with one file: scope, key and `name=value; …` of each fact.
    pub(super) fn of_file(
        collect: fn(&View<'_>, &mut Records),
        path: &str,
        bytes: &str,
    ) -> Vec<[String; 3]> {
        let mut tree = MemoryFilesystem::new();
        tree.file(path, bytes);
        let mut records = Records::default();
        collect(&View { filesystem: &tree, found: &[] }, &mut records);
        let shown = records.facts.into_iter().map(|fact| {
            let values: Vec<String> =
                fact.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
            [fact.scope, fact.key, values.join("; ")]
        });
        shown.collect()
    }

    /// What a collector records of a tree: `scope/key name=value … @evidence`, in its order.
    pub(super) fn check(
        collector: &Collector,
        tree: &MemoryFilesystem,
        facts: &[&str],
        gaps: &[&str],
    ) {
        let mut records = Records::default();
        (collector.collect)(&View { filesystem: tree, found: &[] }, &mut records);
        let shown = records.facts.iter().map(|fact| {
            let attributes: String =
                fact.attributes.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            let evidence = fact.evidence.as_ref().map(|path| format!(" @{path}"));
            format!("{}/{}{attributes}{}", fact.scope, fact.key, evidence.unwrap_or_default())
        });
        assert_eq!(shown.collect::<Vec<_>>(), facts);
        let shown = records.gaps.iter().map(|gap| format!("{} {}", gap.path, gap.reason));
        assert_eq!(shown.collect::<Vec<_>>(), gaps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::memory::MemoryFilesystem;

    #[test]
    fn text_is_safe_and_keeps_its_lines() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(decode(bytes), expected);
        check(b"a\tb\nc\\\n", "a\tb\nc\\\n");
        check(b"a\x1b[2J\xff\r\n", "a\\x1b[2J\\xff \n");
        check("grün".as_bytes(), "grün");
    }

    #[test]
    fn keys_stay_unique() {
        let tree = MemoryFilesystem::new();
        let mut records = Records::default();
        let mut sheet = Sheet::new(&View { filesystem: &tree, found: &[] }, &mut records);
        for value in ["1", ""] {
            sheet.add("s", "k", &TreePath::root(), &[("v", value)]);
        }
        let keys: Vec<&str> = records.facts.iter().map(|fact| fact.key.as_str()).collect();
        assert_eq!(keys, ["k", "k #2"]);
        assert!(records.facts[1].attributes.is_empty());
    }
}
