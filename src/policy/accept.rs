//! Entries of a policy that accept what one cause did: each names one change exactly, so that the
//! next change of the same path, by the same cause or another, is drift again.

use super::matcher::{caused_by, exact_values};
use crate::model::{CauseKind, ChangeKind, Disposition, JudgedChange, Subject};
use std::fmt::Write;

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// `[[accept]]` entries in TOML, to be reviewed.
    pub text: String,
    /// How many.
    pub count: usize,
    /// Changes of that cause that no entry can name: paths that are no text.
    pub unnameable: usize,
}

/// The entries for all drift of which this cause, and no other that is sure, is known.
#[must_use]
pub fn accept_cause(
    changes: &[JudgedChange],
    kind: CauseKind,
    reason: &str,
    until: Option<&str>,
) -> Accepted {
    let mut accepted = Accepted::default();
    let drift = changes.iter().filter(|one| one.disposition == Disposition::Drift);
    for judged in drift.filter(|one| caused_by(one, &[kind])) {
        match entry(judged, kind, reason, until) {
            Some(text) => {
                accepted.text.push_str(&text);
                accepted.count = accepted.count.saturating_add(1);
            }
            None => accepted.unnameable = accepted.unnameable.saturating_add(1),
        }
    }
    accepted
}

fn entry(
    judged: &JudgedChange,
    kind: CauseKind,
    reason: &str,
    until: Option<&str>,
) -> Option<String> {
    let change = &judged.change;
    let subject = match &change.subject {
        Subject::Path(path) => format!("paths = [{}]\n", quoted(&literal(path.as_plain_str()?))),
        Subject::Package(key) => format!(
            "packages = [{}]\nmanagers = [{}]\n",
            quoted(&literal(&key.name)),
            quoted(&literal(&key.manager))
        ),
        Subject::Fact { scope, key } => {
            format!("facts = [{}]\n", quoted(&literal(&format!("{scope}/{key}"))))
        }
    };
    let mut exact = exact_values(change);
    if let Subject::Package(key) = &change.subject
        && change.kind == ChangeKind::Removed
    {
        // Of what is gone the architecture tells which one it was.
        exact.extend(key.architecture.clone().map(|one| ("architecture".to_owned(), one)));
    }
    let detail = judged.causes.first().map(|cause| cause.detail.as_str()).unwrap_or_default();
    let mut digest = blake3::Hasher::new();
    digest.update(subject.as_bytes());
    for (name, value) in &exact {
        digest.update(name.as_bytes()).update(b"\0").update(value.as_bytes()).update(b"\0");
    }
    let digest = digest.finalize().to_hex();
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(text, "# {}: {}", kind.as_str(), comment(detail));
    let _ = writeln!(text, "[[accept]]");
    let _ = writeln!(text, "id = {}", quoted(&format!("{kind}-{}", digest.get(..12)?)));
    text.push_str(&subject);
    let _ = writeln!(text, "changes = [{}]", quoted(change.kind.as_str()));
    if change.kind != ChangeKind::Removed {
        let values: Vec<String> = exact
            .iter()
            .map(|(name, value)| format!("{} = {}", quoted(name), quoted(value)))
            .collect();
        let _ = writeln!(text, "exact = {{ {} }}", values.join(", "));
    }
    let _ = writeln!(text, "reason = {}", quoted(reason));
    if let Some(until) = until {
        let _ = writeln!(text, "until = {}", quoted(until));
    }
    text.push('\n');
    Some(text)
}

/// A glob that stands for this text only.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '!' | ',' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// One line without control characters.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Attribute, AttributeValue, Cause, Change, Confidence, ContentDigest, PackageKey, Timestamp,
        TreePath,
    };
    use crate::policy::{Policies, Policy, judge};

    fn judged(
        subject: Subject,
        attributes: &[(&str, AttributeValue)],
        cause: CauseKind,
    ) -> JudgedChange {
        let attributes = attributes.iter().map(|(name, value)| Attribute {
            name: (*name).to_owned(),
            before: None,
            after: Some(value.clone()),
        });
        let (kind, attributes) = (ChangeKind::Modified, attributes.collect());
        JudgedChange {
            causes: vec![Cause {
                kind: cause,
                detail: "copy".into(),
                confidence: Confidence::Strong,
                evidence: Vec::new(),
            }],
            ..JudgedChange::new(Change { subject, kind, attributes })
        }
    }

    fn file(path: &str, content: &str, cause: CauseKind) -> JudgedChange {
        let digest = AttributeValue::Digest(Some(ContentDigest::of(content.as_bytes())));
        let subject = Subject::Path(TreePath::parse(path));
        judged(subject, &[("digest", digest), ("mode", AttributeValue::Mode(0o644))], cause)
    }

    /// Which of the changes are accepted when judged with the entries that were written.
    fn accepted(entries: &str, changes: Vec<JudgedChange>) -> Vec<bool> {
        let mut policies = Policies::shipped().unwrap();
        policies.add(Policy::parse(entries, "own.toml").unwrap());
        let now = Timestamp::from_seconds(1_795_000_000);
        let judged = judge(changes, &policies, now).changes;
        judged.iter().map(|one| one.disposition == Disposition::Accepted).collect()
    }

    #[test]
    fn exactly_what_was_there_and_nothing_wider() {
        let package = |version: &str| {
            let key = PackageKey {
                manager: "dpkg".into(),
                name: "libc++1".into(),
                architecture: Some("amd64".into()),
                instance: None,
            };
            let version = AttributeValue::Text(version.into());
            judged(Subject::Package(key), &[("version", version)], CauseKind::Ansible)
        };
        let changes = [
            file("/etc/a[1]*", "x", CauseKind::Ansible),
            package("1.2"),
            file("/etc/b", "x", CauseKind::Human),
        ];
        let made = accept_cause(&changes, CauseKind::Ansible, "the \"role\"", Some("2026-12-31"));
        assert_eq!((made.count, made.unnameable), (2, 0));
        assert!(made.text.contains("reason = 'the \"role\"'"), "{}", made.text);
        let found = accepted(
            &made.text,
            vec![
                file("/etc/a[1]*", "x", CauseKind::Human),
                file("/etc/a[1]*", "y", CauseKind::Ansible),
                file("/etc/a1", "x", CauseKind::Ansible),
                package("1.2"),
                package("1.3"),
            ],
        );
        assert_eq!(found, [true, false, false, true, false]);
        let expired = accept_cause(&changes, CauseKind::Ansible, "r", Some("2026-01-31"));
        let found = accepted(&expired.text, vec![file("/etc/a[1]*", "x", CauseKind::Ansible)]);
        assert_eq!(found, [false]);
    }
}
