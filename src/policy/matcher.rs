//! Which changes an entry of a policy is about.

use crate::model::path::Escaped;
use crate::model::{
    AttributeValue, CauseKind, Change, ChangeKind, Confidence, FileKind, JudgedChange, Subject,
    TreePath,
};
use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

/// A longer pattern is refused: compiled, it stays far below the regex engine's own bound.
const MAX_PATTERN: usize = 2048;

/// Glob patterns of which one is to match: `*` and `?` stay within a component, `**` does not,
/// `{a,b}` is a choice, also of nothing (`{,a}`). They are checked when they are read and compiled
/// when a text first begins as one of them does, because most runs need few of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Vec<Pattern>")]
pub(super) struct Globs {
    patterns: Vec<Glob>,
    compiled: OnceLock<GlobSet>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Pattern(Glob);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() > MAX_PATTERN {
            return Err(format!("a pattern of {} bytes, more than {MAX_PATTERN}", text.len()));
        }
        let glob = GlobBuilder::new(&text)
            .literal_separator(true)
            .backslash_escape(true)
            .empty_alternates(true)
            .build();
        glob.map(Self).map_err(|error| error.to_string())
    }
}

impl TryFrom<Vec<Pattern>> for Globs {
    type Error = String;

    fn try_from(patterns: Vec<Pattern>) -> Result<Self, String> {
        if patterns.is_empty() {
            return Err("an empty list matches nothing".into());
        }
        let patterns = patterns.into_iter().map(|pattern| pattern.0).collect();
        Ok(Self { patterns, compiled: OnceLock::new() })
    }
}

impl Globs {
    fn has(&self, text: &[u8]) -> bool {
        let could_match = |pattern: &Glob| text.starts_with(literal_prefix(pattern.glob()));
        if !self.patterns.iter().any(could_match) {
            return false;
        }
        let compiled = self.compiled.get_or_init(|| {
            let mut set = GlobSetBuilder::new();
            for pattern in &self.patterns {
                set.add(pattern.clone());
            }
            // Cannot fail: each pattern was parsed, and none is long enough for the bound.
            set.build().unwrap_or_default()
        });
        compiled.is_match(Path::new(OsStr::from_bytes(text)))
    }
}

/// What every text begins with that a pattern matches.
fn literal_prefix(pattern: &str) -> &[u8] {
    let end = pattern.find(['*', '?', '[', '{', '\\']).unwrap_or(pattern.len());
    pattern.as_bytes().get(..end).unwrap_or_default()
}

/// What may happen to a path (or a fact) without being drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Possibility {
    /// It may appear.
    Added,
    /// It may disappear.
    Removed,
    /// Other bytes of whatever length; other values of a fact or a package.
    Content,
    /// Other bytes, but no fewer, unless the old ones were rotated into a sibling.
    Growth,
    /// A link may point elsewhere.
    Target,
    /// Permission bits.
    Mode,
    /// User and group.
    Owner,
    /// Extended attributes, capabilities excepted.
    Xattrs,
    /// A link may become a file and the like.
    Kind,
    /// What is never expected otherwise: setuid, setgid and world-writable files, device nodes,
    /// file capabilities.
    Special,
}

/// What an entry is about. All that is given must hold; of `paths`, `packages` and `facts` the one
/// that fits the subject.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    pub(super) paths: Option<Globs>,
    pub(super) except: Option<Globs>,
    pub(super) packages: Option<Globs>,
    pub(super) managers: Option<Globs>,
    /// Over `scope/key`.
    pub(super) facts: Option<Globs>,
    /// Names of the packages that own the path.
    pub(super) owners: Option<Globs>,
    /// Whether any package owns the path.
    pub(super) owned: Option<bool>,
    pub(super) causes: Option<Vec<CauseKind>>,
    pub(super) changes: Option<Vec<ChangeKind>>,
    pub(super) kinds: Option<Vec<FileKind>>,
    pub(super) attributes: Option<Globs>,
    /// At least one of these bits is set now and was not before.
    pub(super) mode_gains: Option<u16>,
    /// Over `name=value` of what is there now.
    pub(super) after: Option<Globs>,
    /// All that differs, with the values that are there now; nothing more and nothing else.
    pub(super) exact: Option<BTreeMap<String, String>>,
}

/// How much of a change its attributes must cover.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// One attribute that is named makes the entry apply: severities.
    Some,
    /// An attribute that is not named keeps the entry from applying: what is accepted.
    All,
}

impl Matcher {
    /// Whether nothing limits it, so that it would match every change.
    pub(super) fn says_nothing(&self) -> bool {
        let globs = [
            &self.paths,
            &self.packages,
            &self.managers,
            &self.facts,
            &self.owners,
            &self.attributes,
            &self.after,
        ];
        globs.iter().all(|globs| globs.is_none())
            && self.causes.is_none()
            && self.kinds.is_none()
            && self.mode_gains.is_none()
            && self.owned.is_none()
    }

    /// Whether the entry is about this change.
    pub(super) fn matches(&self, judged: &JudgedChange, reach: Reach) -> bool {
        let change = &judged.change;
        // What costs least first: patterns are compiled when they are first asked.
        self.changes.as_ref().is_none_or(|kinds| kinds.contains(&change.kind))
            && self.kinds.as_ref().is_none_or(|kinds| is_of(change, kinds))
            && self.mode_gains.is_none_or(|bits| mode_gained(change) & bits != 0)
            && self.owned.is_none_or(|owned| owned == judged.package.is_some())
            && self.causes.as_ref().is_none_or(|kinds| caused_by(judged, kinds))
            && self.subject(change)
            && self.attributes.as_ref().is_none_or(|globs| attributes(change, globs, reach))
            && self.after.as_ref().is_none_or(|globs| after(change, globs))
            && self.exact.as_ref().is_none_or(|exact| *exact == exact_values(change))
            && self.owners.as_ref().is_none_or(|globs| {
                judged.package.as_ref().is_some_and(|key| globs.has(key.name.as_bytes()))
            })
    }

    /// Whether it is about this path, as far as paths go.
    pub(super) fn has_path(&self, path: &TreePath) -> bool {
        let has = |globs: &Option<Globs>| globs.as_ref().is_some_and(|g| g.has(path.as_bytes()));
        has(&self.paths) && !has(&self.except)
    }

    fn subject(&self, change: &Change) -> bool {
        let given = self.paths.is_some()
            || self.packages.is_some()
            || self.managers.is_some()
            || self.facts.is_some();
        let hit = match &change.subject {
            Subject::Path(path) => {
                let own = self.paths.as_ref().map(|globs| globs.has(path.as_bytes()));
                let excepted = self.except.as_ref().is_some_and(|g| g.has(path.as_bytes()));
                own.map(|own| own && !excepted)
            }
            Subject::Package(key) => {
                let name = self.packages.as_ref().map(|globs| globs.has(key.name.as_bytes()));
                let manager = self.managers.as_ref().map(|g| g.has(key.manager.as_bytes()));
                [name, manager].into_iter().flatten().reduce(|one, other| one && other)
            }
            Subject::Fact { scope, key } => {
                let name = format!("{scope}/{key}");
                self.facts.as_ref().map(|globs| globs.has(name.as_bytes()))
            }
        };
        hit.unwrap_or(!given)
    }
}

/// The kind that a path has now, or had where it is gone; `None` where the change does not say,
/// which is when the kind did not change.
pub(super) fn kind(change: &Change) -> Option<FileKind> {
    let attribute = change.attribute("kind")?;
    match attribute.after.as_ref().or(attribute.before.as_ref()) {
        Some(AttributeValue::Kind(kind)) => Some(*kind),
        _ => None,
    }
}

/// Whether a path is of one of these kinds. A change of the mode alone does not say: then it may
/// be what most paths are.
fn is_of(change: &Change, kinds: &[FileKind]) -> bool {
    let Subject::Path(_) = change.subject else { return false };
    let has = |name: &str| change.attribute(name).is_some();
    let told = kind(change).or_else(|| {
        let file = (has("digest") || has("size")).then_some(FileKind::File);
        file.or_else(|| has("target").then_some(FileKind::Symlink))
    });
    match told {
        Some(kind) => kinds.contains(&kind),
        None if has("device") => false,
        None => kinds.iter().any(|kind| matches!(kind, FileKind::File | FileKind::Directory)),
    }
}

/// Permission bits that are set now and were not before; all of them of what is new.
pub(super) fn mode_gained(change: &Change) -> u16 {
    let Some(attribute) = change.attribute("mode") else { return 0 };
    let bits = |value: &Option<AttributeValue>| match value {
        Some(AttributeValue::Mode(mode)) => *mode,
        _ => 0,
    };
    bits(&attribute.after) & !bits(&attribute.before)
}

/// Every attribute that differs with its value now, in full; empty for what is gone.
pub(super) fn exact_values(change: &Change) -> BTreeMap<String, String> {
    let value = |value: &AttributeValue| match value {
        AttributeValue::Kind(kind) => kind.as_str().to_owned(),
        AttributeValue::Mode(mode) => format!("{mode:04o}"),
        AttributeValue::Number(number) => number.to_string(),
        AttributeValue::Digest(Some(digest)) => digest.to_string(),
        AttributeValue::Digest(None) => "unread".to_owned(),
        AttributeValue::Bytes(bytes) => Escaped(bytes).to_string(),
        AttributeValue::Device(number) => number.to_string(),
        AttributeValue::Text(text) => text.clone(),
    };
    let attributes = change.attributes.iter();
    attributes
        .map(|one| (one.name.clone(), one.after.as_ref().map(value).unwrap_or_default()))
        .collect()
}

fn attributes(change: &Change, globs: &Globs, reach: Reach) -> bool {
    let mut names = change.attributes.iter().map(|attribute| attribute.name.as_bytes());
    match reach {
        Reach::Some => names.any(|name| globs.has(name)),
        Reach::All => names.all(|name| globs.has(name)),
    }
}

fn after(change: &Change, globs: &Globs) -> bool {
    change.attributes.iter().any(|attribute| {
        let shown = attribute.after.as_ref().map(super::title::value);
        shown.is_some_and(|value| globs.has(format!("{}={value}", attribute.name).as_bytes()))
    })
}

/// Whether all that is known of its causes is among these. What rests on weak evidence does not
/// count, and a second cause is never covered by the first.
pub(super) fn caused_by(judged: &JudgedChange, kinds: &[CauseKind]) -> bool {
    let mut sure = judged.causes.iter().filter(|cause| cause.confidence > Confidence::Weak);
    let mut any = false;
    sure.all(|cause| {
        any = true;
        kinds.contains(&cause.kind)
    }) && any
}
