//! Policy files: strict TOML, every refusal with its line and column.

use super::matcher::{Globs, Matcher, Possibility};
use crate::model::{CauseKind, ChangeKind, FileKind, Severity, Timestamp};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// The entries of one policy file, in its order.
#[derive(Debug)]
pub struct Policy {
    /// The file's name, as findings and refusals show it.
    pub(super) origin: String,
    pub(super) expect: Vec<Expect>,
    pub(super) accept: Vec<Accept>,
    pub(super) severity: Vec<SeverityRule>,
    /// `[[text]]`: files whose text is kept, to be shown as a difference.
    pub(super) text: Vec<Matcher>,
}

/// `[[expect]]`: what may happen without being drift.
#[derive(Debug)]
pub(super) struct Expect {
    pub(super) id: String,
    pub(super) matcher: Matcher,
    pub(super) may: Vec<Possibility>,
    /// Holds only where the same news is in this report as packages (`packages`) or as facts of
    /// this scope.
    pub(super) told_by: Option<String>,
}

/// `[[accept]]`: what a person has said yes to.
#[derive(Debug)]
pub(super) struct Accept {
    pub(super) id: String,
    pub(super) matcher: Matcher,
    pub(super) reason: String,
    /// The first moment at which it does not count any more.
    pub(super) expires: Option<Timestamp>,
}

/// `[[severity]]`: how much a change matters.
#[derive(Debug)]
pub(super) struct SeverityRule {
    pub(super) id: String,
    pub(super) matcher: Matcher,
    pub(super) severity: Severity,
    /// What the thing is called in titles, `cron job`.
    pub(super) label: Option<String>,
    /// What became of it when its mode changed, `world-writable`.
    pub(super) became: Option<String>,
}

/// Why a policy file was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The file's name.
    pub origin: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, in one line.
    pub message: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, line, column, message } = self;
        write!(f, "{origin}:{line}:{column}: {message}")
    }
}

impl std::error::Error for PolicyError {}

impl Policy {
    /// Reads a policy file. Unknown keys, keys of another kind of entry, malformed globs, dates
    /// and words are refused.
    pub fn parse(text: &str, origin: &str) -> Result<Self, PolicyError> {
        let refuse = |offset: usize, message: String| {
            let (line, column) = position(text, offset);
            PolicyError { origin: origin.to_owned(), line, column, message }
        };
        let raw: RawPolicy = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            refuse(offset, error.message().lines().collect::<Vec<_>>().join(" "))
        })?;
        Ok(Self {
            origin: origin.to_owned(),
            expect: each(raw.expect, "expect", &refuse, expect)?,
            accept: each(raw.accept, "accept", &refuse, accept)?,
            severity: each(raw.severity, "severity", &refuse, severity)?,
            text: each(raw.text, "text", &refuse, text_rule)?,
        })
    }
}

/// Line and column, from 1, the column in characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
    let column = before.get(line_start..).unwrap_or_default().chars().count();
    (before.matches('\n').count().saturating_add(1), column.saturating_add(1))
}

type Misplaced = (usize, String);

fn each<T>(
    entries: Vec<Spanned<RawEntry>>,
    table: &str,
    refuse: &dyn Fn(usize, String) -> PolicyError,
    make: impl Fn(String, RawEntry) -> Result<T, Misplaced>,
) -> Result<Vec<T>, PolicyError> {
    let mut made = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let start = entry.span().start;
        let entry = entry.into_inner();
        let id = match &entry.id {
            Some(id) => id.clone(),
            None => format!("{table}-{}", index.saturating_add(1)),
        };
        let one = make(id, entry)
            .map_err(|(at, message)| refuse(if at == 0 { start } else { at }, message))?;
        made.push(one);
    }
    Ok(made)
}

fn expect(id: String, raw: RawEntry) -> Result<Expect, Misplaced> {
    raw.belongs("expect", &["may", "told-by", "reason"])?;
    let Some(may) = raw.may.as_ref().map(|may| may.get_ref().clone()).filter(|m| !m.is_empty())
    else {
        return Err((0, "an [[expect]] entry says in `may` what may happen".into()));
    };
    let told_by = raw.told_by.clone().map(Spanned::into_inner);
    Ok(Expect { id, matcher: raw.matcher()?, may, told_by })
}

fn accept(id: String, raw: RawEntry) -> Result<Accept, Misplaced> {
    raw.belongs("accept", &["reason", "until"])?;
    let reason = raw.reason.as_ref().map(|reason| reason.get_ref().trim().to_owned());
    let Some(reason) = reason.filter(|reason| !reason.is_empty()) else {
        return Err((0, "an [[accept]] entry gives its `reason`".into()));
    };
    let expires = raw.until.as_ref().map(|until| until.get_ref().0);
    let matcher = raw.matcher()?;
    Ok(Accept { id, matcher, reason, expires })
}

fn text_rule(_: String, raw: RawEntry) -> Result<Matcher, Misplaced> {
    raw.belongs("text", &["reason"])?;
    if raw.paths.is_none() {
        return Err((0, "a [[text]] entry has `paths`".into()));
    }
    raw.matcher()
}

fn severity(id: String, raw: RawEntry) -> Result<SeverityRule, Misplaced> {
    raw.belongs("severity", &["severity", "label", "became", "reason"])?;
    let Some(severity) = raw.severity.as_ref().map(|severity| severity.get_ref().0) else {
        return Err((0, "a [[severity]] entry has a `severity`".into()));
    };
    let label = raw.label.clone().map(Spanned::into_inner);
    let became = raw.became.clone().map(Spanned::into_inner);
    Ok(SeverityRule { id, matcher: raw.matcher()?, severity, label, became })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    #[serde(default)]
    expect: Vec<Spanned<RawEntry>>,
    #[serde(default)]
    accept: Vec<Spanned<RawEntry>>,
    #[serde(default)]
    severity: Vec<Spanned<RawEntry>>,
    #[serde(default)]
    text: Vec<Spanned<RawEntry>>,
}

/// All keys that any entry may have; [`RawEntry::belongs`] refuses those of another kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawEntry {
    id: Option<String>,
    paths: Option<Globs>,
    except: Option<Globs>,
    packages: Option<Globs>,
    managers: Option<Globs>,
    facts: Option<Globs>,
    owners: Option<Globs>,
    owned: Option<bool>,
    causes: Option<Vec<Word<CauseKind>>>,
    changes: Option<Vec<Word<ChangeKind>>>,
    kinds: Option<Vec<Word<FileKind>>>,
    attributes: Option<Globs>,
    mode_gains: Option<Bits>,
    after: Option<Globs>,
    exact: Option<BTreeMap<String, String>>,
    may: Option<Spanned<Vec<Possibility>>>,
    told_by: Option<Spanned<String>>,
    reason: Option<Spanned<String>>,
    until: Option<Spanned<LastDay>>,
    severity: Option<Spanned<Word<Severity>>>,
    label: Option<Spanned<String>>,
    became: Option<Spanned<String>>,
}

impl RawEntry {
    fn belongs(&self, table: &str, allowed: &[&str]) -> Result<(), Misplaced> {
        let start = |span: std::ops::Range<usize>| span.start;
        let given = [
            ("may", self.may.as_ref().map(Spanned::span).map(start)),
            ("told-by", self.told_by.as_ref().map(Spanned::span).map(start)),
            ("reason", self.reason.as_ref().map(Spanned::span).map(start)),
            ("until", self.until.as_ref().map(Spanned::span).map(start)),
            ("severity", self.severity.as_ref().map(Spanned::span).map(start)),
            ("label", self.label.as_ref().map(Spanned::span).map(start)),
            ("became", self.became.as_ref().map(Spanned::span).map(start)),
        ];
        for (name, at) in given {
            if let (Some(at), false) = (at, allowed.contains(&name)) {
                return Err((at, format!("`{name}` has no meaning in [[{table}]]")));
            }
        }
        Ok(())
    }

    fn matcher(self) -> Result<Matcher, Misplaced> {
        let words = |list: Vec<Word<FileKind>>| list.into_iter().map(|word| word.0).collect();
        let matcher = Matcher {
            paths: self.paths,
            except: self.except,
            packages: self.packages,
            managers: self.managers,
            facts: self.facts,
            owners: self.owners,
            owned: self.owned,
            causes: self.causes.map(|list| list.into_iter().map(|word| word.0).collect()),
            changes: self.changes.map(|list| list.into_iter().map(|word| word.0).collect()),
            kinds: self.kinds.map(words),
            attributes: self.attributes,
            mode_gains: self.mode_gains.map(|bits| bits.0),
            after: self.after,
            exact: self.exact,
        };
        if matcher.says_nothing() {
            return Err((0, "an entry says what it is about: paths, packages, facts, …".into()));
        }
        Ok(matcher)
    }
}

/// One of a closed set of words.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String", bound(deserialize = "T: Known"))]
struct Word<T>(T);

/// A closed set of words.
trait Known: Sized + Copy + 'static {
    fn all() -> Vec<(&'static str, Self)>;
}

impl<T: Known> TryFrom<String> for Word<T> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let all = T::all();
        let found = all.iter().find(|(word, _)| *word == text).map(|(_, value)| Self(*value));
        found.ok_or_else(|| {
            let words: Vec<&str> = all.iter().map(|(word, _)| *word).collect();
            format!("`{text}` is none of {}", words.join(", "))
        })
    }
}

impl Known for Severity {
    fn all() -> Vec<(&'static str, Self)> {
        Self::ALL.into_iter().map(|one| (one.as_str(), one)).collect()
    }
}

impl Known for CauseKind {
    fn all() -> Vec<(&'static str, Self)> {
        Self::ALL.into_iter().map(|one| (one.as_str(), one)).collect()
    }
}

impl Known for ChangeKind {
    fn all() -> Vec<(&'static str, Self)> {
        [Self::Added, Self::Removed, Self::Modified]
            .into_iter()
            .map(|one| (one.as_str(), one))
            .collect()
    }
}

impl Known for FileKind {
    fn all() -> Vec<(&'static str, Self)> {
        [
            Self::File,
            Self::Directory,
            Self::Symlink,
            Self::Fifo,
            Self::Socket,
            Self::CharacterDevice,
            Self::BlockDevice,
        ]
        .into_iter()
        .map(|one| (one.as_str(), one))
        .collect()
    }
}

/// Permission bits in octal, as text (`"4000"`), because TOML's own numbers would be read as
/// decimal by people and machines alike.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Bits(u16);

impl TryFrom<String> for Bits {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bits = u16::from_str_radix(&text, 8).ok().filter(|bits| *bits != 0 && *bits <= 0o7777);
        bits.map(Self).ok_or_else(|| format!("`{text}` is no octal mode up to 7777"))
    }
}

/// A last day, kept as the moment at which it is over, in UTC.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "toml::Value")]
struct LastDay(Timestamp);

impl TryFrom<toml::Value> for LastDay {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Datetime(date) => date.to_string(),
            other => other.to_string(),
        };
        let day: jiff::civil::Date =
            text.parse().map_err(|_| format!("`{text}` is no day like 2026-12-31"))?;
        let over = day.tomorrow().and_then(|next| next.to_zoned(jiff::tz::TimeZone::UTC));
        let over = over.map_err(|_| format!("`{text}` is too far away"))?;
        Ok(Self(Timestamp::from_seconds(over.timestamp().as_second())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = match Policy::parse(text, "p.toml") {
            Ok(policy) => {
                let expect = policy.expect.iter().map(|one| one.id.clone());
                let accept = policy.accept.iter().map(|one| format!("{} {}", one.id, one.reason));
                let severity = policy.severity.iter().map(|one| one.id.clone());
                expect.chain(accept).chain(severity).collect::<Vec<_>>().join("; ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn entries_are_read() {
        check("", "");
        check("[[expect]]\nid='x'\npaths=['/a']\nmay=['content']", "x");
        check("[[accept]]\npaths=['/a']\nreason='so'\nuntil=2026-12-31", "accept-1 so");
        check("[[accept]]\ncauses=['cloud-init']\nreason='so'\nuntil='2026-12-31'", "accept-1 so");
        check("[[severity]]\nmode-gains='4000'\nseverity='high'\nlabel='x'", "severity-1");
    }

    #[test]
    fn refusals_name_the_place() {
        check(
            "x=1",
            "p.toml:1:1: unknown field `x`, expected one of `expect`, `accept`, `severity`, `text`",
        );
        check("[[accept]]\npaths=['/a']\n", "p.toml:1:1: an [[accept]] entry gives its `reason`");
        check(
            "[[accept]]\npaths=['/a']\nreason='so'\nmay=['content']",
            "p.toml:4:5: `may` has no meaning in [[accept]]",
        );
        check(
            "[[accept]]\nreason='so'",
            "p.toml:1:1: an entry says what it is about: paths, packages, facts, …",
        );
        check(
            "[[severity]]\npaths=['/a']\nseverity='severe'",
            "p.toml:3:10: `severe` is none of info, low, medium, high, critical",
        );
        check(
            "[[accept]]\npaths=['/a']\nreason='so'\nuntil='soon'",
            "p.toml:4:7: `soon` is no day like 2026-12-31",
        );
        check(
            "[[accept]]\nreason='é'\npaths=['/a', '/[']",
            "p.toml:3:7: error parsing glob '/[': unclosed character class; missing ']'",
        );
    }
}
