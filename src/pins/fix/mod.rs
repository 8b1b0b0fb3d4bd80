//! Pins that are written: edits in place, only where the version is known, byte-preserving
//! everywhere else.
//!
//! ```text
//! PinReport -> what is not held -> Known (golden image, digest map, lockfile) -> word -> Edit
//!           -> the files read again in memory -> only what is clean then stays
//! ```
//!
//! * [`known`]: what version an input should have, and why it is not known. No network.
//! * [`distribution`]: whether a manifest and a build file speak of the same distribution.
//! * [`digests`]: the user's map of digests, in lines, JSON or TOML.
//! * [`word`]: the word in the raw file and how it is written with a version, by package manager.
//! * [`diff`]: edits as a unified diff. [`write`](mod@write): edits onto the disk, whole or not at all.
//!
//! It refuses: to edit what does not stand in the file byte for byte (base64, a value made of
//! variables), a version with characters that any layer of quoting could read otherwise, and every
//! edit after which the item would still be a finding or another finding would appear. What it
//! leaves alone it names, with the reason.

pub mod diff;
pub mod digests;
pub mod distribution;
pub mod known;
pub mod lock;
pub mod word;
pub mod write;

use super::encoding;
use super::input::Input;
use super::report::{PinFinding, PinReport};
use super::span::Position;
use super::walk::{AuditOptions, audit_paths};
use known::{Known, Pin};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use word::Replacement;

/// Audits of one fix: an edit that has to be taken back costs another one.
const MAX_ROUNDS: usize = 6;

/// An input that was pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The finding that it settles.
    pub fingerprint: String,
    /// Path as the report shows it.
    pub file: String,
    /// Where the word begins.
    pub start: Position,
    /// The ecosystem's word.
    pub ecosystem: &'static str,
    /// What it is.
    pub subject: String,
    /// The version, commit or digest.
    pub pin: String,
    /// Who knew it: a manifest's name, the digest map, a lockfile.
    pub from: String,
    /// In the raw bytes of the file as it was, in order.
    pub edits: Vec<Replacement>,
}

/// An input that was left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The finding that stays.
    pub fingerprint: String,
    /// Path as the report shows it.
    pub file: String,
    /// Where the word begins.
    pub start: Position,
    /// The ecosystem's word.
    pub ecosystem: &'static str,
    /// What it is.
    pub subject: String,
    /// Why.
    pub reason: String,
}

/// A file before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedFile {
    /// Path as the report shows it, which is also where it lies.
    pub path: String,
    /// As it was read.
    pub before: Arc<[u8]>,
    /// As it should be.
    pub after: Arc<[u8]>,
}

/// What can be pinned, and what cannot.
#[derive(Clone, Debug, Default)]
pub struct Fixing {
    /// The report of the files as they were.
    pub before: PinReport,
    /// The report of the files as they would be.
    pub after: PinReport,
    /// By file and place.
    pub fixed: Vec<Fixed>,
    /// By file and place.
    pub left: Vec<Left>,
    /// Only files that change.
    pub files: Vec<FixedFile>,
}

/// One item on its way: the ways to write it, of which the first that is clean stays.
struct Item {
    input: Input,
    finding: PinFinding,
    pin: String,
    from: String,
    ways: Vec<Vec<Replacement>>,
    dropped: Option<String>,
}

impl Item {
    fn edits(&self) -> &[Replacement] {
        match (&self.dropped, self.ways.first()) {
            (None, Some(edits)) => edits,
            _ => &[],
        }
    }

    /// Goes on to the next way, or gives up.
    fn reject(&mut self, reason: &str) {
        if !self.ways.is_empty() {
            self.ways.remove(0);
        }
        if self.ways.is_empty() {
            self.dropped = Some(reason.to_owned());
        }
    }
}

/// Plans the pins of everything below `roots` that policy does not accept. Nothing is written.
#[must_use]
pub fn plan(roots: &[PathBuf], options: &AuditOptions, known: &Known) -> Fixing {
    plan_for(audit_paths(roots, options), roots, options, known)
}

/// The same for an audit that was made already, of which only the findings are looked at that it
/// still has.
#[must_use]
pub fn plan_for(
    before: PinReport,
    roots: &[PathBuf],
    options: &AuditOptions,
    known: &Known,
) -> Fixing {
    let mut sources = Sources::new(options);
    let mut items = items_of(&before, known, &mut sources);
    clashes(&mut items);
    let mut after = before.clone();
    for round in 0..=MAX_ROUNDS {
        let files = sources.edited(&items);
        if files.is_empty() {
            after = before.clone();
            break;
        }
        let mut overlay = options.overlay.clone();
        overlay.extend(files.iter().map(|file| (file.path.clone(), Arc::clone(&file.after))));
        let again = AuditOptions { overlay, ..options.clone() };
        after = audit_paths(roots, &again);
        if !reject_unclean(&mut items, &before, &after, round == MAX_ROUNDS) {
            break;
        }
    }
    let files = sources.edited(&items);
    if files.is_empty() {
        after = before.clone();
    }
    let (mut fixed, mut left) = (Vec::new(), Vec::new());
    for item in items {
        let edits = item.edits().to_vec();
        let Item { finding, pin, from, dropped, .. } = item;
        let PinFinding { fingerprint, file, start, ecosystem, subject, .. } = finding;
        match dropped {
            Some(reason) => {
                left.push(Left { fingerprint, file, start, ecosystem, subject, reason });
            }
            None => {
                fixed.push(Fixed {
                    fingerprint,
                    file,
                    start,
                    ecosystem,
                    subject,
                    pin,
                    from,
                    edits,
                });
            }
        }
    }
    Fixing { before, after, fixed, left, files }
}

/// Every finding that is an input, with the ways to pin it.
fn items_of(report: &PinReport, known: &Known, sources: &mut Sources<'_>) -> Vec<Item> {
    let mut findings: BTreeMap<(&str, usize, &str, String), &PinFinding> = BTreeMap::new();
    for finding in &report.findings {
        let start = finding.byte_range.0;
        let key = (finding.file.as_str(), start, finding.ecosystem, finding.subject.clone());
        findings.entry(key).or_insert(finding);
    }
    let mut items = Vec::new();
    for judged in &report.inputs {
        let input = &judged.input;
        let key = (
            &*input.place.file,
            input.place.start_byte,
            input.ecosystem.as_str(),
            input.subject.replace(super::span::UNKNOWN, "…"),
        );
        let Some(finding) = findings.get(&key).filter(|_| !judged.accepted) else { continue };
        let bytes = sources.read(&input.place.file);
        let answer = match bytes {
            Some(bytes) => ways(input, known, &bytes, sources),
            None => Err("the file cannot be read again".to_owned()),
        };
        let (pin, from, ways, dropped) = match answer {
            Ok((pin, from, ways)) => (pin, from, ways, None),
            Err(reason) => (String::new(), String::new(), Vec::new(), Some(reason)),
        };
        let finding = PinFinding::clone(finding);
        items.push(Item { input: input.clone(), finding, pin, from, ways, dropped });
    }
    items
}

/// An input's word as it would be written with a version, for people: as the edit would leave it,
/// else in the manager's own syntax.
#[must_use]
pub fn pinned_word(input: &Input, version: &str, bytes: &[u8]) -> String {
    let pin = Pin::Version(version.to_owned());
    let ways = word::ways(input, &pin, bytes).unwrap_or_default();
    let edits = ways.into_iter().next().unwrap_or_default();
    let range = input.place.range();
    let inside = |edit: &Replacement| edit.start_byte >= range.start && edit.end_byte <= range.end;
    let own = bytes.get(range.clone()).unwrap_or_default();
    if edits.is_empty() || !edits.iter().all(inside) {
        return word::plain(input, version);
    }
    let edits = edits.into_iter().map(|edit| Replacement {
        start_byte: edit.start_byte.saturating_sub(range.start),
        end_byte: edit.end_byte.saturating_sub(range.start),
        text: edit.text,
    });
    String::from_utf8_lossy(&word::apply(own, edits.collect())).into_owned()
}

type Ways = (String, String, Vec<Vec<Replacement>>);

fn ways(
    input: &Input,
    known: &Known,
    bytes: &Arc<[u8]>,
    sources: &mut Sources<'_>,
) -> Result<Ways, String> {
    if encoding::is_utf16(bytes) {
        return Err("the file is UTF-16: pins are written into UTF-8 only".to_owned());
    }
    if let Some(reason) = known::hopeless(input) {
        return Err(reason.to_owned());
    }
    let mut beside = |path: &str| sources.read(path);
    let (pin, from) = known.look_up(input, &mut beside)?;
    let text = match &pin {
        Pin::Version(text) | Pin::Word(text) | Pin::Digest(text) => text.clone(),
        Pin::Commit { sha, .. } => sha.clone(),
    };
    let ways = word::ways(input, &pin, bytes)?;
    Ok((text, from, ways))
}

/// Words that two inputs share (one loop that two managers install from) are left alone.
fn clashes(items: &mut [Item]) {
    let mut seen: BTreeMap<(String, usize), (usize, String)> = BTreeMap::new();
    let mut bad: BTreeSet<usize> = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        for edit in item.edits() {
            let key = (item.finding.file.clone(), edit.start_byte);
            match seen.get(&key) {
                Some((other, text)) if *text != edit.text => {
                    bad.insert(*other);
                    bad.insert(index);
                }
                Some(_) => {}
                None => {
                    seen.insert(key, (index, edit.text.clone()));
                }
            }
        }
    }
    for index in bad {
        if let Some(item) = items.get_mut(index) {
            item.dropped = Some("the same word is used for two things".to_owned());
        }
    }
}

/// Takes back what is not clean when it is read again; whether anything was taken back.
fn reject_unclean(items: &mut [Item], before: &PinReport, after: &PinReport, last: bool) -> bool {
    let mut shifts: BTreeMap<String, Vec<(usize, isize)>> = BTreeMap::new();
    for item in items.iter() {
        for edit in item.edits() {
            let delta = edit.text.len().cast_signed()
                - edit.end_byte.saturating_sub(edit.start_byte).cast_signed();
            shifts.entry(item.finding.file.clone()).or_default().push((edit.end_byte, delta));
        }
    }
    for shift in shifts.values_mut() {
        shift.sort_unstable();
        shift.dedup();
    }
    let moved = |file: &str, at: usize| {
        let shift = shifts.get(file).map(Vec::as_slice).unwrap_or_default();
        let sum: isize = shift.iter().filter(|(end, _)| *end <= at).map(|(_, delta)| delta).sum();
        at.saturating_add_signed(sum)
    };
    let unaccepted: BTreeMap<(&str, usize, &str), &str> = after
        .findings
        .iter()
        .map(|f| ((f.file.as_str(), f.byte_range.0, f.ecosystem), f.message.as_str()))
        .collect();
    let accepted: BTreeSet<(&str, usize, &str)> = after
        .inputs
        .iter()
        .filter(|judged| judged.accepted)
        .map(|judged| &judged.input)
        .map(|input| (&*input.place.file, input.place.start_byte, input.ecosystem.as_str()))
        .collect();
    let mut rejected = false;
    for item in items.iter_mut().filter(|item| !item.edits().is_empty()) {
        // An insertion right before the word does not happen: edits start at it or behind.
        let start = moved(&item.finding.file, item.input.place.start_byte);
        let key = (item.finding.file.as_str(), start, item.finding.ecosystem);
        if let Some(message) = unaccepted.get(&key) {
            rejected = true;
            item.reject(&format!("written with {} it would still be judged: {message}", item.pin));
        } else if !accepted.contains(&key) {
            rejected = true;
            item.reject(&format!("written with {} it would not be read as a pin", item.pin));
        }
    }
    if rejected && !last {
        return true;
    }
    // What an edit brings along takes back all edits of its file.
    let count = |report: &PinReport| {
        let mut counts: BTreeMap<(String, &'static str, String), usize> = BTreeMap::new();
        // That other files pin another version is no reason to pin none here.
        let counted = report.findings.iter().filter(|f| f.rule != "pins/consistency");
        for finding in counted {
            let key = (finding.file.clone(), finding.rule, finding.subject.clone());
            *counts.entry(key).or_default() += 1;
        }
        counts
    };
    let old = count(before);
    let mut bad: BTreeMap<String, String> = BTreeMap::new();
    for ((file, rule, subject), number) in count(after) {
        let known = old.get(&(file.clone(), rule, subject.clone())).copied().unwrap_or(0);
        if number > known {
            bad.insert(file, format!("the edit would bring another finding: {subject} ({rule})"));
        }
    }
    for gap in after.gaps.iter().filter(|gap| !before.gaps.iter().any(|old| old.file == gap.file)) {
        bad.insert(gap.file.clone(), format!("the edited file could not be read: {}", gap.reason));
    }
    for item in items.iter_mut().filter(|item| !item.edits().is_empty()) {
        let reason = bad.get(&item.finding.file);
        if let Some(reason) = reason {
            rejected = true;
            item.ways.clear();
            item.dropped = Some(reason.clone());
        }
    }
    rejected
}

/// Build files as the audit read them, each read once more.
struct Sources<'a> {
    options: &'a AuditOptions,
    files: BTreeMap<String, Option<Arc<[u8]>>>,
}

impl<'a> Sources<'a> {
    fn new(options: &'a AuditOptions) -> Self {
        Self { options, files: BTreeMap::new() }
    }

    fn read(&mut self, shown: &str) -> Option<Arc<[u8]>> {
        if let Some(bytes) = self.options.overlay.get(shown) {
            return Some(Arc::clone(bytes));
        }
        let read = || write::read(Path::new(shown)).map(Arc::from);
        self.files.entry(shown.to_owned()).or_insert_with(read).clone()
    }

    /// The files that the items change.
    fn edited(&mut self, items: &[Item]) -> Vec<FixedFile> {
        let mut by_file: BTreeMap<&str, Vec<Replacement>> = BTreeMap::new();
        for item in items {
            if !item.edits().is_empty() {
                let edits = by_file.entry(&item.finding.file).or_default();
                edits.extend(item.edits().iter().cloned());
            }
        }
        let mut files = Vec::new();
        for (path, edits) in by_file {
            let Some(before) = self.read(path) else { continue };
            let after = word::apply(&before, edits);
            if *after != *before {
                files.push(FixedFile { path: path.to_owned(), before, after: Arc::from(after) });
            }
        }
        files
    }
}

#[cfg(test)]
mod tests;
