//! The sink of an audit: what carriers and the shell engine hand in.

use super::input::{Input, PinGap, Place, Remark};
use super::repository::{Repository, SourceFile};
use super::suppress::{self, Suppression};
use std::collections::BTreeSet;
use std::ops::Range;

/// More inputs than this in one file are cut off with a gap: no person wrote them.
const MAX_INPUTS: usize = 50_000;

/// More parts of one file that cannot be read say nothing new: it is not what it is taken for.
const MAX_GAPS: usize = 200;

/// Files followed from one file, in a chain.
const MAX_FOLLOW_DEPTH: usize = 8;

/// Files followed from one file, all together.
const MAX_FOLLOWED: usize = 200;

/// Work that one file may cause, in bytes that are parsed or unpacked and what else costs as much:
/// scripts within scripts and functions that call functions can repeat a short text for ever. Honest
/// files need a few times their size.
const MAX_WORK: usize = 10 * 1024 * 1024;

/// Names an input of the audit, so that a later command can change its verdict (a checksum that
/// is verified after the download).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputId(usize);

/// Collects what one file, and the files that it refers to, take from outside.
#[derive(Debug)]
pub struct Audit<'a> {
    repository: &'a Repository,
    file: SourceFile,
    carrier: &'static str,
    inputs: Vec<Input>,
    remarks: Vec<Remark>,
    gaps: Vec<PinGap>,
    chain: Vec<String>,
    followed: usize,
    full: bool,
    work: usize,
    suppressions: Vec<Suppression>,
    /// Names of container images that the file makes.
    made: BTreeSet<String>,
    /// Images that are run here, by the name that a file would make them by.
    run: Vec<(InputId, String)>,
}

/// What an audit collected.
#[derive(Debug, Default)]
pub struct Collected {
    /// In the order of the files.
    pub inputs: Vec<Input>,
    /// Findings that are no inputs.
    pub remarks: Vec<Remark>,
    /// What could not be read.
    pub gaps: Vec<PinGap>,
    /// Exceptions that stand in comments of the files.
    pub suppressions: Vec<Suppression>,
}

impl<'a> Audit<'a> {
    /// An audit of `file` by the carrier of that name.
    #[must_use]
    pub fn new(repository: &'a Repository, file: SourceFile, carrier: &'static str) -> Self {
        let chain = vec![file.path.to_string()];
        let suppressions = suppress::scan(&file);
        Self {
            repository,
            file,
            carrier,
            inputs: Vec::new(),
            remarks: Vec::new(),
            gaps: Vec::new(),
            chain,
            followed: 0,
            full: false,
            work: MAX_WORK,
            suppressions,
            made: BTreeSet::new(),
            run: Vec::new(),
        }
    }

    /// The tree around the file.
    #[must_use]
    pub fn repository(&self) -> &'a Repository {
        self.repository
    }

    /// The file that is being read now: another one while [`Audit::follow`] is at work.
    #[must_use]
    pub fn file(&self) -> &SourceFile {
        &self.file
    }

    /// A raw range of the file that is being read now.
    #[must_use]
    pub fn place(&self, range: Range<usize>) -> Place {
        let (start, end) = self.file.positions(&range);
        let file = std::sync::Arc::clone(&self.file.path);
        Place { file, start_byte: range.start, end_byte: range.end, start, end }
    }

    /// Hands in an input.
    pub fn push(&mut self, mut input: Input) -> InputId {
        if self.inputs.len() >= MAX_INPUTS {
            if !self.full {
                self.full = true;
                self.gap(format!("more than {MAX_INPUTS} inputs: the rest was not judged"), None);
            }
            return InputId(usize::MAX);
        }
        if input.carrier.is_empty() {
            input.carrier = self.carrier;
        }
        self.inputs.push(input);
        InputId(self.inputs.len().saturating_sub(1))
    }

    /// An input that was handed in, to change its verdict.
    pub fn input_mut(&mut self, id: InputId) -> Option<&mut Input> {
        self.inputs.get_mut(id.0)
    }

    /// An input that was handed in.
    #[must_use]
    pub fn input(&self, id: InputId) -> Option<&Input> {
        self.inputs.get(id.0)
    }

    /// How many inputs there are so far: those from here on have higher numbers.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The inputs handed in since there were `count` of them.
    pub fn inputs_since_mut(&mut self, count: usize) -> &mut [Input] {
        self.inputs.get_mut(count..).unwrap_or_default()
    }

    /// Hands in a finding that is no input.
    pub fn remark(&mut self, rule: &'static str, subject: &str, place: Place, message: String) {
        if self.remarks.len() < MAX_INPUTS {
            let subject = subject.to_owned();
            self.remarks.push(Remark { rule, subject, place, carrier: self.carrier, message });
        }
    }

    /// Says that a part could not be read; `at` is a raw offset.
    pub fn gap(&mut self, reason: impl Into<String>, at: Option<usize>) {
        if self.gaps.len() >= MAX_GAPS {
            return;
        }
        let line = at.map(|offset| self.file.positions(&(offset..offset)).0.line);
        let gap = PinGap { file: self.file.path.to_string(), line, reason: reason.into() };
        if self.gaps.contains(&gap) {
            return;
        }
        self.gaps.push(gap);
        if self.gaps.len() == MAX_GAPS.saturating_sub(1) {
            let reason = "too many parts cannot be read: the others are not listed".to_owned();
            self.gaps.push(PinGap { file: self.file.path.to_string(), line: None, reason });
        }
    }

    /// Takes `amount` of the work that the file may cause; false, and a gap, where none is left.
    pub fn spend(&mut self, amount: usize) -> bool {
        match self.work.checked_sub(amount) {
            Some(rest) if rest > 0 => self.work = rest,
            _ if self.work > 0 => {
                self.work = 0;
                self.gap("judging it takes too much work: the rest was not judged", None);
            }
            _ => {}
        }
        self.work > 0
    }

    /// Reads another file of the repository within this audit (a script that is copied and run, a
    /// variable file). `path` is relative to the root ([`super::repository::resolve`]). Returns
    /// `None` where it is not there, is on the chain already or the bounds are reached.
    pub fn follow<T>(&mut self, path: &str, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let known = self.chain.iter().any(|open| open == path);
        if known || self.chain.len() > MAX_FOLLOW_DEPTH || self.followed >= MAX_FOLLOWED {
            return None;
        }
        let bytes = self.repository.read(path)?;
        if !self.spend(bytes.len()) {
            return None;
        }
        self.followed = self.followed.saturating_add(1);
        self.chain.push(path.to_owned());
        let inner = SourceFile::new(path, bytes);
        self.suppressions.extend(suppress::scan(&inner));
        let outer = std::mem::replace(&mut self.file, inner);
        let answer = read(self);
        self.file = outer;
        self.chain.pop();
        Some(answer)
    }

    /// The file makes a container image of this name: whatever runs it, in whichever order they
    /// stand, fetches nothing.
    pub fn made_image(&mut self, name: String) {
        self.made.insert(name);
    }

    /// An image that was handed in is run under this name.
    pub fn run_image(&mut self, id: InputId, name: String) {
        self.run.push((id, name));
    }

    /// What was collected.
    #[must_use]
    pub fn finish(mut self) -> Collected {
        let own: BTreeSet<usize> = std::mem::take(&mut self.run)
            .into_iter()
            .filter(|(_, name)| self.made.contains(name))
            .map(|(id, _)| id.0)
            .collect();
        if !own.is_empty() {
            let mut at = 0_usize;
            self.inputs.retain(|_| {
                let keep = !own.contains(&at);
                at = at.saturating_add(1);
                keep
            });
        }
        Collected {
            inputs: self.inputs,
            remarks: self.remarks,
            gaps: self.gaps,
            suppressions: self.suppressions,
        }
    }
}
