//! Changes that are drift, grouped into what a person looks at: one thing, one finding.
//!
//! What is critical stands alone. Of the rest, what a package owns and does not match is one
//! finding for the package, what came or went with a directory is one for the directory, and what
//! one rule says of several names of a directory is one for all of them, as far as they have the
//! same cause; so are the links of one init script in all runlevels.

use super::judge::Policies;
use super::{matcher, title};
use crate::model::path::Escaped;
use crate::model::{
    Cause, CauseKind, Change, ChangeKind, Disposition, FileKind, Finding, JudgedChange, PackageKey,
    Severity, Subject, TreePath,
};
use std::collections::BTreeMap;
use std::fmt::Write;

/// From here on a change of a path has a finding of its own.
const ALONE: Severity = Severity::Critical;

/// Up to here a path's severity is not worth more than the package or the directory it belongs to.
const MINOR: Severity = Severity::Low;

/// More names than this are counted in titles.
const MAX_NAMES: usize = 5;

/// Hexadecimal digits of a fingerprint: 128 bits.
const FINGERPRINT_DIGITS: usize = 32;

/// What belongs together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    /// By its position among the changes.
    Alone(usize),
    /// What a package owns and does not match.
    Residue(PackageKey),
    /// All that came or went with a directory.
    Whole(TreePath, ChangeKind),
    /// What one rule says of several names of one directory, and what caused them.
    Together(TreePath, String, ChangeKind, Option<(CauseKind, String)>),
    /// The links of one init script in all runlevels, and what caused them.
    Runlevels(String, Option<(CauseKind, String)>),
    /// What one rule says of several packages that a manager keeps in one place of the tree (a
    /// virtual environment, a `node_modules`), what befell them, and what caused it.
    Packages(String, String, String, ChangeKind, Option<(CauseKind, String)>),
    /// What one rule says of several facts of one scope, and what caused them.
    Facts(String, String, ChangeKind, Option<(CauseKind, String)>),
}

struct Member<'a> {
    judged: &'a JudgedChange,
    rule: String,
    severity: Severity,
    label: Option<&'a str>,
    became: Option<&'a str>,
    /// No rule of a policy spoke of it.
    is_unruled: bool,
}

/// The findings of all changes that are drift, in the order of their first change.
pub(super) fn make(changes: &[JudgedChange], policies: &Policies) -> Vec<Finding> {
    let mut groups: BTreeMap<Group, (usize, Vec<Member<'_>>)> = BTreeMap::new();
    let mut top: Option<(TreePath, ChangeKind)> = None;
    for (index, judged) in changes.iter().enumerate() {
        follow(&mut top, &judged.change);
        if judged.disposition != Disposition::Drift {
            continue;
        }
        let member = member(judged, policies);
        let group = group(index, &member, top.as_ref());
        groups.entry(group).or_insert_with(|| (index, Vec::new())).1.push(member);
    }
    let mut made: Vec<(usize, Finding)> = groups
        .into_iter()
        .map(|(group, (first, members))| (first, one(&group, &members)))
        .collect();
    made.sort_by_key(|(first, _)| *first);
    made.into_iter().map(|(_, finding)| finding).collect()
}

/// Most severe first, and numbered.
pub(super) fn order(findings: &mut [Finding]) {
    findings.sort_by_key(|one| std::cmp::Reverse(one.severity));
    for (index, finding) in findings.iter_mut().enumerate() {
        finding.id = format!("F{}", index.saturating_add(1));
    }
}

/// A finding about an entry of a policy rather than about a change.
pub(super) fn about_policy(rule: &str, title: String) -> Finding {
    let mut finding = Finding {
        id: String::new(),
        rule: rule.to_owned(),
        severity: Severity::Info,
        title,
        subjects: Vec::new(),
        causes: Vec::new(),
        fingerprint: String::new(),
    };
    finding.fingerprint = digest(&format!("{rule}\n{}", finding.title));
    finding
}

/// Keeps track of the topmost directory that came or went as a whole.
fn follow(top: &mut Option<(TreePath, ChangeKind)>, change: &Change) {
    let Subject::Path(path) = &change.subject else { return };
    if top.as_ref().is_some_and(|(above, _)| path.is_at_or_below(above)) {
        return;
    }
    let whole =
        change.kind != ChangeKind::Modified && matcher::kind(change) == Some(FileKind::Directory);
    *top = whole.then(|| (path.clone(), change.kind));
}

fn member<'a>(judged: &'a JudgedChange, policies: &'a Policies) -> Member<'a> {
    match policies.severity(judged) {
        Some(rule) => Member {
            judged,
            rule: rule.id.clone(),
            severity: rule.severity,
            label: rule.label.as_deref(),
            became: rule.became.as_deref(),
            is_unruled: false,
        },
        None => Member {
            judged,
            rule: default_rule(judged).to_owned(),
            severity: Severity::Low,
            label: None,
            became: None,
            is_unruled: true,
        },
    }
}

fn default_rule(judged: &JudgedChange) -> &'static str {
    match (&judged.change.subject, judged.change.kind) {
        (Subject::Package(_), _) => "package",
        (Subject::Fact { .. }, _) => "fact",
        (Subject::Path(_), ChangeKind::Added) => "path-added",
        (Subject::Path(_), ChangeKind::Removed) => "path-removed",
        (Subject::Path(_), ChangeKind::Modified) => "path-modified",
    }
}

fn group(index: usize, member: &Member<'_>, top: Option<&(TreePath, ChangeKind)>) -> Group {
    let judged = member.judged;
    let cause = judged.causes.first().map(|cause| (cause.kind, cause.detail.clone()));
    let path = match &judged.change.subject {
        Subject::Path(path) => path,
        Subject::Fact { scope, .. } if member.severity <= Severity::Medium => {
            return Group::Facts(scope.clone(), member.rule.clone(), judged.change.kind, cause);
        }
        Subject::Package(PackageKey { manager, instance: Some(place), .. })
            if place.starts_with('/') && member.severity <= Severity::Medium =>
        {
            let (manager, place, rule) = (manager.clone(), place.clone(), member.rule.clone());
            return Group::Packages(manager, place, rule, judged.change.kind, cause);
        }
        Subject::Fact { .. } | Subject::Package(_) => return Group::Alone(index),
    };
    if let Some(package) = &judged.package
        && member.severity <= Severity::Medium
    {
        return Group::Residue(package.clone());
    }
    if member.severity >= ALONE {
        return Group::Alone(index);
    }
    if let Some(script) = linked_script(path) {
        return Group::Runlevels(Escaped(script).to_string(), cause);
    }
    if let Some((above, kind)) = top
        && member.severity <= MINOR
        && path.is_at_or_below(above)
    {
        return Group::Whole(above.clone(), *kind);
    }
    // What no rule knows has nothing in common but its place, and in `/etc` each name means
    // something of its own.
    let Some(parent) = path.parent().filter(|_| !(member.is_unruled && is_in_etc(path))) else {
        return Group::Alone(index);
    };
    Group::Together(parent, member.rule.clone(), judged.change.kind, cause)
}

/// The init script that a link `/etc/rc2.d/S01nginx` starts or stops in a runlevel.
fn linked_script(path: &TreePath) -> Option<&[u8]> {
    let names: Vec<&[u8]> = path.names().collect();
    let ([b"etc", folder, link] | [b"etc", b"rc.d", folder, link]) = names.as_slice() else {
        return None;
    };
    match (folder, link) {
        ([b'r', b'c', b'0'..=b'6' | b'S', b'.', b'd'], [b'S' | b'K', tens, ones, script @ ..])
            if tens.is_ascii_digit() && ones.is_ascii_digit() && !script.is_empty() =>
        {
            Some(script)
        }
        _ => None,
    }
}

fn is_in_etc(path: &TreePath) -> bool {
    path.names().next() == Some(b"etc")
}

fn one(group: &Group, members: &[Member<'_>]) -> Finding {
    // The most severe, the first among equals, speaks for all.
    let mut lead = 0;
    for (index, member) in members.iter().enumerate() {
        if members.get(lead).is_none_or(|best| member.severity > best.severity) {
            lead = index;
        }
    }
    let (rule, severity) = members
        .get(lead)
        .map_or((String::new(), Severity::Info), |one| (one.rule.clone(), one.severity));
    Finding {
        id: String::new(),
        title: headline(group, members, lead),
        subjects: members.iter().map(|one| one.judged.change.subject.clone()).collect(),
        causes: causes(members),
        fingerprint: fingerprint(&rule, members),
        rule,
        severity,
    }
}

fn headline(group: &Group, members: &[Member<'_>], lead: usize) -> String {
    let single = |index: usize| {
        let member = members.get(index)?;
        Some(title::single(member.judged, member.label, member.became))
    };
    let others = members.len().saturating_sub(1);
    let many = others > 0;
    match group {
        Group::Residue(key) if many => {
            let first = single(lead).unwrap_or_default();
            format!("{} files of {key} do not match their package; {first}", members.len())
        }
        Group::Whole(path, kind) if many => {
            let kind = kind.as_str();
            let is_top =
                |one: &Member<'_>| one.judged.change.subject == Subject::Path(path.clone());
            if members.first().is_some_and(is_top) {
                let noun = if others == 1 { "path" } else { "paths" };
                format!("directory {kind}: {path} with {others} {noun} below")
            } else {
                format!("{} paths {kind} below {path}", members.len())
            }
        }
        Group::Together(path, _, kind, _) if many => {
            let label = members.get(lead).and_then(|one| one.label).unwrap_or("path");
            let (count, kind) = (members.len(), kind.as_str());
            format!("{label}: {count} {kind} in {path}: {}", names(members))
        }
        Group::Runlevels(script, _) if many => {
            let label = members.get(lead).and_then(|one| one.label).unwrap_or("link");
            format!("{label}: {} links of {script} changed in the runlevels", members.len())
        }
        Group::Packages(manager, place, _, kind, _) if many => {
            let happened = match kind {
                ChangeKind::Added => "installed",
                ChangeKind::Removed => "removed",
                ChangeKind::Modified => "changed",
            };
            let (count, place) = (members.len(), Escaped(place.as_bytes()));
            format!("{count} {manager} packages {happened} in {place}: {}", names(members))
        }
        Group::Facts(scope, _, kind, _) if many => {
            let label = members.get(lead).and_then(|one| one.label).unwrap_or(scope);
            let files: Vec<_> = members.iter().map(|one| one.judged.telling_file()).collect();
            let place = match files.first() {
                Some(Some(file)) if files.iter().all(|own| *own == Some(file)) => {
                    let word = if *kind == ChangeKind::Removed { "from" } else { "in" };
                    format!(" {word} {file}")
                }
                _ => String::new(),
            };
            let (count, kind) = (members.len(), kind.as_str());
            format!("{label}: {count} {kind}{place}: {}", names(members))
        }
        _ => single(lead).unwrap_or_default(),
    }
}

/// The first names, escaped.
fn names(members: &[Member<'_>]) -> String {
    let names: Vec<String> = members.iter().take(MAX_NAMES).map(name).collect();
    let more = if members.len() > names.len() { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}

fn name(member: &Member<'_>) -> String {
    let escaped = |bytes: &[u8]| Escaped(bytes).to_string();
    match &member.judged.change.subject {
        Subject::Path(path) => path.file_name().map_or_else(|| "/".into(), escaped),
        Subject::Fact { key, .. } => escaped(key.as_bytes()),
        Subject::Package(key) => {
            format!("{} {}", Escaped(key.name.as_bytes()), title::version(&member.judged.change))
        }
    }
}

/// Of all members, each once, strongest first.
fn causes(members: &[Member<'_>]) -> Vec<Cause> {
    let mut all: Vec<Cause> = Vec::new();
    for cause in members.iter().flat_map(|member| &member.judged.causes) {
        let known =
            all.iter_mut().find(|one| (one.kind, &one.detail) == (cause.kind, &cause.detail));
        match known {
            Some(known) if known.confidence >= cause.confidence => {}
            Some(known) => *known = cause.clone(),
            None => all.push(cause.clone()),
        }
    }
    all.sort_by_key(|one| std::cmp::Reverse(one.confidence));
    all
}

/// Of the rule, what it is about and how that is now: the same in every run that finds the same.
fn fingerprint(rule: &str, members: &[Member<'_>]) -> String {
    let mut text = rule.to_owned();
    for member in members {
        let change = &member.judged.change;
        // Writing to a `String` cannot fail.
        let _ = write!(text, "\n{}\t{}", change.kind.as_str(), change.subject);
        for attribute in &change.attributes {
            let _ = write!(text, "\t{}={:?}", attribute.name, attribute.after);
        }
    }
    digest(&text)
}

fn digest(text: &str) -> String {
    let digits = crate::model::ContentDigest::of(text.as_bytes()).to_string();
    digits.chars().take(FINGERPRINT_DIGITS).collect()
}
