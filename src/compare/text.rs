//! Changed text files, line by line, as far as their texts were kept.

use crate::collect::texts::is_secret;
use crate::model::{
    AttributeValue, Change, ChangeKind, ContentDigest, FileKind, LineKind, Subject, Text, TextDiff,
    TreePath, TreeSource,
};
use similar::{ChangeTag, TextDiff as Lines};

/// Lines around a change.
const CONTEXT: usize = 3;

/// Lines of one side: what the algorithm needs grows with their product.
const MAX_LINES: usize = 5000;

/// Lines of one difference; who wants more has the files.
const MAX_SHOWN: usize = 400;

/// The difference of one change; `None` where it is no file's content, or nothing was kept of it.
#[must_use]
pub fn text_diff(
    change: &Change,
    before: &dyn TreeSource,
    after: &dyn TreeSource,
) -> Option<TextDiff> {
    let Subject::Path(path) = &change.subject else { return None };
    let digest = change.attribute("digest")?;
    let side = |value: &Option<AttributeValue>, source: &dyn TreeSource| match value {
        Some(AttributeValue::Digest(Some(digest))) => Side::of(digest, source),
        Some(_) => Side::Unknown,
        None => Side::None,
    };
    let (old, new) = (side(&digest.before, before), side(&digest.after, after));
    let is_file = change.attribute("kind").is_none_or(|kind| {
        [&kind.before, &kind.after]
            .into_iter()
            .flatten()
            .all(|kind| *kind == AttributeValue::Kind(FileKind::File))
    });
    let whole = |side: &Side| match side {
        Side::Kept(text) => Some(text.clone()),
        Side::None => Some(Text { text: String::new(), is_redacted: false }),
        Side::Unknown => None,
    };
    match (whole(&old), whole(&new)) {
        (Some(old), Some(new)) if is_file => Some(difference(path, &old, &new, change.kind)),
        _ if is_file && is_secret(path) => Some(TextDiff {
            path: path.clone(),
            lines: Vec::new(),
            note: Some("[redacted]: files that hold keys or passwords are not kept".into()),
        }),
        _ => None,
    }
}

enum Side {
    /// There was no file.
    None,
    Kept(Text),
    /// There was one, and nothing was kept of it.
    Unknown,
}

impl Side {
    fn of(digest: &ContentDigest, source: &dyn TreeSource) -> Self {
        if *digest == ContentDigest::of(b"") {
            return Self::Kept(Text { text: String::new(), is_redacted: false });
        }
        source.text(digest).ok().flatten().map_or(Self::Unknown, Self::Kept)
    }
}

fn difference(path: &TreePath, old: &Text, new: &Text, kind: ChangeKind) -> TextDiff {
    let mut notes: Vec<String> = Vec::new();
    if old.is_redacted || new.is_redacted {
        notes.push("what looks like a secret is hidden".into());
    }
    let mut lines = Vec::new();
    let is_long = |text: &Text| text.text.lines().count() > MAX_LINES;
    if is_long(old) || is_long(new) {
        notes.push(format!("more than {MAX_LINES} lines: not compared"));
    } else if old.text == new.text && kind == ChangeKind::Modified {
        notes.push("the two differ only in what is hidden".into());
    } else {
        let diff = Lines::from_lines(old.text.as_str(), new.text.as_str());
        for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
            lines.push((LineKind::Place, hunk.header().to_string().trim_end().to_owned()));
            for change in hunk.iter_changes() {
                let kind = match change.tag() {
                    ChangeTag::Equal => LineKind::Context,
                    ChangeTag::Delete => LineKind::Removed,
                    ChangeTag::Insert => LineKind::Added,
                };
                let line = change.value();
                lines.push((kind, line.strip_suffix('\n').unwrap_or(line).to_owned()));
            }
        }
        let no_end = |text: &Text| !text.text.is_empty() && !text.text.ends_with('\n');
        match (no_end(old), no_end(new)) {
            (true, false) if !new.text.is_empty() => {
                notes.push("the line end at the end is new".into());
            }
            (false, true) if !old.text.is_empty() => {
                notes.push("the line end at the end is gone".into());
            }
            _ => {}
        }
        if lines.len() > MAX_SHOWN {
            notes.push(format!("{} more lines", lines.len().saturating_sub(MAX_SHOWN)));
            lines.truncate(MAX_SHOWN);
        }
    }
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    TextDiff { path: path.clone(), lines, note }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AlternateDigests, Attribute, ExactId, Fault, ShippedId, ShippedTree, Tree};
    use std::collections::HashMap;
    use std::sync::Arc;

    #[derive(Default)]
    struct Texts(HashMap<ContentDigest, Text>);

    impl TreeSource for Texts {
        fn tree(&self, _: &ExactId) -> Result<Arc<Tree>, Fault> {
            Err(Fault::damaged("none"))
        }

        fn shipped(&self, _: &ShippedId) -> Result<Arc<ShippedTree>, Fault> {
            Err(Fault::damaged("none"))
        }

        fn alternate_digests(&self, _: &ContentDigest) -> Result<AlternateDigests, Fault> {
            Ok(AlternateDigests::default())
        }

        fn text(&self, content: &ContentDigest) -> Result<Option<Text>, Fault> {
            Ok(self.0.get(content).cloned())
        }
    }

    /// Texts before and after as they are kept; what begins with `?` is not.
    fn check(path: &str, before: Option<&str>, after: Option<&str>, expected: &str) {
        let mut kept = Texts::default();
        let mut side = |number: u8, text: Option<&str>| {
            let text = text?;
            let digest = ContentDigest::of(&[number]);
            if !text.starts_with('?') {
                let is_redacted = text.contains("[redacted]");
                kept.0.insert(digest, Text { text: text.to_owned(), is_redacted });
            }
            Some(AttributeValue::Digest(Some(digest)))
        };
        let digest =
            Attribute { name: "digest".into(), before: side(1, before), after: side(2, after) };
        let kind = match (before, after) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Modified,
        };
        let subject = Subject::Path(TreePath::parse(path));
        let change = Change { subject, kind, attributes: vec![digest] };
        let found = text_diff(&change, &kept, &kept).map(|diff| {
            let lines = diff.lines.iter().map(|(kind, line)| format!("{}{line}", kind.sign()));
            lines.chain(diff.note).collect::<Vec<_>>().join("|")
        });
        assert_eq!(found.as_deref().unwrap_or("none"), expected);
    }

    #[test]
    fn both_sides_line_by_line() {
        check("/e", Some("a\nb\nc\n"), Some("a\nB\nc\n"), "@@ -1,3 +1,3 @@| a|-b|+B| c");
        check("/e", None, Some("a\n"), "@@ -0,0 +1 @@|+a");
        check("/e", Some("a\n"), None, "@@ -1 +0,0 @@|-a");
        check("/e", Some("a"), Some("a\n"), "@@ -1 +1 @@|-a|+a|the line end at the end is new");
        check("/e", Some("?"), Some("a\n"), "none");
        check(
            "/e",
            Some("p=[redacted]\n"),
            Some("p=[redacted]\n"),
            "what looks like a secret is hidden; the two differ only in what is hidden",
        );
        check(
            "/etc/shadow",
            Some("?"),
            Some("?"),
            "[redacted]: files that hold keys or passwords are not kept",
        );
    }
}
