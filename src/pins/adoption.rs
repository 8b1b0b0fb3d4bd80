//! Findings that were there when the gate was switched on: a file of them that a person can review
//! and git can diff, so that from then on only what is new or weaker fails.
//!
//! One finding a line, sorted, words separated by blanks; `#` begins a comment:
//!
//! ```text
//! FINGERPRINT STRENGTH RULE FILE SUBJECT VERSION
//! ```
//!
//! The fingerprint has two halves: what it is (file, rule, ecosystem and subject) and the text of
//! its line. Lines may move freely. Where a line changed, or several are alike, entries are used up
//! one by one: a file with three accepted `curl` and four found has one finding, and it is the one
//! on the line that nobody accepted. A finding that is held less firmly than it was accepted stays
//! a finding. An entry that nothing uses up any more is reported.
//!
//! Paths count from the folder of the file, so that it does not matter where the gate is run.

use super::input::{Place, Remark};
use super::report::{PinFinding, PinReport, finding_of_remark};
use super::requirements::Requirements;
use super::span::LineIndex;
use super::strength::Strength;
use crate::model::Fault;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name under which it is looked for, in the root and above it.
pub const FILE: &str = "driftcheck-pins.baseline";

/// The rule of an entry that nothing uses up.
const RULE: &str = "pins/baseline";

const HEAD: &str = "\
# Findings of `driftcheck pins` that were accepted when this file was written: only new and weaker
# ones fail. Written by `driftcheck pins --write-baseline`; lines may be removed, sorted by file.
# FINGERPRINT STRENGTH RULE FILE SUBJECT VERSION
";

/// Larger files were not written by this.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The accepted findings.
#[derive(Clone, Debug, Default)]
pub struct Accepted {
    entries: Vec<Entry>,
    /// The file as reports show it.
    shown: Arc<str>,
    folder: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    file: String,
    rule: String,
    subject: String,
    requested: String,
    what: String,
    line: String,
    strength: Strength,
    /// Where it stands in the file of entries: line and byte range.
    place: (usize, usize, usize),
}

/// Reads build files once more, by the path that the report shows.
pub type Lines<'a> = &'a dyn Fn(&str) -> Option<Arc<[u8]>>;

impl Accepted {
    /// Reads the file. `path` is where it lies.
    ///
    /// # Errors
    /// With the line that is none.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > MAX_BYTES {
            return Err(Fault::unsupported(format!("more than {MAX_BYTES} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(Fault::damaged)?;
        let mut entries = Vec::new();
        let mut start = 0_usize;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let number = index.saturating_add(1);
            let end = start.saturating_add(line.trim_end().len());
            if !line.trim().is_empty() && !line.starts_with('#') {
                let entry = entry(line, (number, start, end)).ok_or_else(|| {
                    Fault::damaged(format!("line {number} is no entry of six words"))
                })?;
                entries.push(entry);
            }
            start = start.saturating_add(line.len());
        }
        let folder = folder_of(path);
        Ok(Self { entries, shown: Arc::from(path.to_string_lossy()), folder })
    }

    /// The findings of a report as a file that will lie at `path`.
    #[must_use]
    pub fn write(path: &Path, findings: &[PinFinding], lines: Lines<'_>) -> String {
        let mut names = Names::new(folder_of(path), lines);
        let mut entries: Vec<Entry> = findings.iter().map(|finding| names.entry(finding)).collect();
        entries.sort();
        let mut text = HEAD.to_owned();
        for entry in &entries {
            let _ = writeln!(
                text,
                "{}-{} {} {} {} {} {}",
                entry.what,
                entry.line,
                entry.strength,
                entry.rule,
                word(&entry.file),
                word(&entry.subject),
                word(&entry.requested)
            );
        }
        text
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn stale(&self, entry: &Entry, requirements: &Requirements) -> PinFinding {
        let (line, start_byte, end_byte) = entry.place;
        let position = |column: usize| super::span::Position { line, column };
        let width = end_byte.saturating_sub(start_byte);
        let place = Place {
            file: Arc::clone(&self.shown),
            start_byte,
            end_byte,
            start: position(1),
            end: position(width.saturating_add(1)),
        };
        let message =
            format!("nothing in {} needs the entry for `{}` any more", entry.file, entry.subject);
        let subject = entry.subject.clone();
        let remark = Remark { rule: RULE, subject, place, carrier: "", message };
        finding_of_remark(remark, requirements)
    }
}

impl PinReport {
    /// Takes out what was accepted, and hands in the entries that nothing needs any more, of files
    /// below the `roots` that were looked at.
    pub fn accept(
        &mut self,
        accepted: &Accepted,
        lines: Lines<'_>,
        requirements: &Requirements,
        roots: &[PathBuf],
    ) {
        let mut names = Names::new(accepted.folder.clone(), lines);
        let mut open: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in &accepted.entries {
            open.entry(&entry.what).or_default().push(entry);
        }
        let found = std::mem::take(&mut self.findings);
        let own: Vec<Entry> = found.iter().map(|finding| names.entry(finding)).collect();
        let mut used: Vec<Option<Strength>> = vec![None; found.len()];
        // Lines that are the same first, then whatever is left.
        for exact in [true, false] {
            for (entry, used) in own.iter().zip(&mut used).filter(|(_, used)| used.is_none()) {
                let Some(entries) = open.get_mut(entry.what.as_str()) else { continue };
                let fits = |one: &&Entry| !exact || one.line == entry.line;
                if let Some(at) = entries.iter().position(fits) {
                    *used = Some(entries.remove(at).strength);
                }
            }
        }
        let mut kept = Vec::new();
        for (mut finding, used) in found.into_iter().zip(used) {
            match used {
                Some(before) if rank(finding.strength) >= rank(before) => {
                    self.accepted.push(finding);
                }
                Some(before) => {
                    let _ = write!(finding.message, "; it was {before} when it was accepted");
                    kept.push(finding);
                }
                None => kept.push(finding),
            }
        }
        let roots: Vec<PathBuf> =
            roots.iter().filter_map(|root| std::fs::canonicalize(root).ok()).collect();
        let seen = |entry: &&&Entry| {
            let path = accepted.folder.join(&entry.file);
            roots.iter().any(|root| path.starts_with(root))
        };
        let stale = open.values().flatten().filter(seen);
        kept.extend(stale.map(|entry| accepted.stale(entry, requirements)));
        self.set_findings(kept);
    }
}

/// Unknown is no weaker than nothing.
fn rank(strength: Strength) -> usize {
    let known = [Strength::None, Strength::Floating, Strength::Range, Strength::Exact];
    if strength == Strength::Unknown {
        return 0;
    }
    known.iter().position(|one| *one == strength).unwrap_or(known.len())
}

fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf())
}

/// Files as their entries name them, each looked at once.
struct Names<'a> {
    folder: PathBuf,
    lines: Lines<'a>,
    files: BTreeMap<String, Looked>,
}

/// A build file by the name that entries have for it, with its lines where it can be read.
type Looked = (String, Option<(Arc<[u8]>, LineIndex)>);

impl<'a> Names<'a> {
    fn new(folder: PathBuf, lines: Lines<'a>) -> Self {
        Self { folder, lines, files: BTreeMap::new() }
    }

    fn entry(&mut self, finding: &PinFinding) -> Entry {
        let (folder, lines) = (&self.folder, self.lines);
        let (file, bytes) = self.files.entry(finding.file.clone()).or_insert_with(|| {
            let bytes = lines(&finding.file).map(|bytes| {
                let index = LineIndex::new(&bytes);
                (bytes, index)
            });
            (from_folder(folder, &finding.file), bytes)
        });
        let line = bytes.as_ref().map(|(bytes, index)| index.line(bytes, finding.byte_range.0));
        let line = line.unwrap_or_default().trim_ascii();
        let hash = |bytes: &[u8], length: usize| -> String {
            blake3::hash(bytes).to_hex().chars().take(length).collect()
        };
        let what = format!("{file}\0{}\0{}\0{}", finding.rule, finding.ecosystem, finding.subject);
        Entry {
            file: file.clone(),
            rule: finding.rule.to_owned(),
            subject: finding.subject.clone(),
            requested: finding.requested.clone(),
            what: hash(what.as_bytes(), 16),
            line: hash(line, 8),
            strength: finding.strength,
            place: (0, 0, 0),
        }
    }
}

/// A shown path as it is from a folder; outside of it, as it is shown.
fn from_folder(folder: &Path, shown: &str) -> String {
    let path = Path::new(shown);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let real = std::fs::canonicalize(parent.unwrap_or(Path::new("."))).ok();
    let below = real.as_deref().and_then(|real| real.strip_prefix(folder).ok());
    match (below, path.file_name()) {
        (Some(below), Some(name)) => below.join(name).to_string_lossy().into_owned(),
        _ => shown.to_owned(),
    }
}

/// A text as one word: nothing is `-`, blanks and what is not plain are `%XX`.
fn word(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    let mut word = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() || c == '%' || (c == '-' && text == "-") {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(word, "%{byte:02X}");
            }
        } else {
            word.push(c);
        }
    }
    word
}

fn unword(word: &str) -> String {
    if word == "-" {
        return String::new();
    }
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind.get(..2).filter(|_| *first == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn entry(line: &str, place: (usize, usize, usize)) -> Option<Entry> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [fingerprint, strength, rule, file, subject, requested] = words.as_slice() else {
        return None;
    };
    let (what, line) = fingerprint.split_once('-')?;
    Some(Entry {
        file: unword(file),
        rule: (*rule).to_owned(),
        subject: unword(subject),
        requested: unword(requested),
        what: what.to_owned(),
        line: line.to_owned(),
        strength: Strength::parse(strength)?,
        place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::{AuditOptions, audit_paths};
    use std::fs;

    fn audit(root: &Path) -> PinReport {
        let requirements = Requirements::shipped().unwrap();
        let options = AuditOptions { requirements, ..AuditOptions::default() };
        audit_paths(&[root.to_path_buf()], &options)
    }

    fn read(path: &str) -> Option<Arc<[u8]>> {
        fs::read(path).ok().map(Arc::from)
    }

    /// What is found in `after` beside what was accepted in `before`, by subject and rule.
    fn check(before: &str, after: &str, expected: &[(&str, usize)]) {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("x.sh");
        fs::write(&file, before).unwrap();
        let path = root.path().join(FILE);
        let text = Accepted::write(&path, &audit(root.path()).findings, &read);
        let accepted = Accepted::parse(&path, text.as_bytes()).unwrap();
        let requirements = Requirements::shipped().unwrap();
        let mut same = audit(root.path());
        same.accept(&accepted, &read, &requirements, &[root.path().to_path_buf()]);
        assert!(same.findings.is_empty() && same.accepted.len() == accepted.len());
        fs::write(&file, after).unwrap();
        let mut report = audit(root.path());
        report.accept(&accepted, &read, &requirements, &[root.path().to_path_buf()]);
        let found: Vec<(&str, usize)> = report
            .findings
            .iter()
            .map(|finding| (finding.subject.as_str(), finding.start.line))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn only_what_is_new_or_weaker() {
        check("apk add curl\n", "\n\n# moved\napk add curl\n", &[]);
        check("apk add curl\n", "apk add --no-cache curl\n", &[]);
        check("apk add curl\n", "apk add jq\napk add curl\n", &[("jq", 1)]);
        check("apk add curl\n", "apk add -U curl\napk add curl\n", &[("curl", 1)]);
        check("apk add 'curl>7'\n", "apk add curl\n", &[("curl", 1)]);
        check("apk add curl\n", "apk add 'curl>7'\n", &[]);
    }

    #[test]
    fn what_nothing_needs_is_reported() {
        check("apk add curl jq\n", "apk add jq\n", &[("curl", 4)]);
    }

    #[test]
    fn any_text_is_one_word() {
        for text in ["", "-", "a b", "%20", "grün\t\u{1b}", "--"] {
            assert_eq!(unword(&word(text)), text);
            assert!(!word(text).contains(char::is_whitespace));
        }
        assert!(Accepted::parse(Path::new(FILE), b"a b c\n").is_err());
    }
}
