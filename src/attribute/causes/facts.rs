//! Facts without evidence of their own have the causes of the file that says them, or of the file
//! that this one is a link to.

use crate::attribute::cursor::{Cursor, absolute};
use crate::model::{Cause, Confidence, Content, JudgedChange, Side, Subject, TreePath};
use std::collections::{BTreeSet, HashMap};

/// Whether a quoted line holds the key, or what stands after the user, file or kind in it.
fn tells(cause: &Cause, key: &str) -> bool {
    let key = key.rsplit_once(": ").map_or(key, |(_, key)| key);
    let key =
        key.rsplit_once(" /").map_or(key, |(before, _)| key.get(before.len()..).unwrap_or(key));
    let key = key.trim_start().to_lowercase();
    cause.evidence.iter().any(|line| line.text.to_lowercase().contains(&key))
}

/// Hands causes from files to facts. Of a file with several causes nobody knows which of them
/// caused this line of it.
pub fn inherit(changes: &mut [JudgedChange], before: &Side<'_>, after: &Side<'_>) {
    let mut of_paths: HashMap<TreePath, Vec<Cause>> = HashMap::new();
    for change in changes.iter().filter(|change| !change.causes.is_empty()) {
        if let Subject::Path(path) = &change.change.subject {
            of_paths.insert(path.clone(), change.causes.clone());
        }
    }
    let mut evidence: HashMap<(&str, &str), BTreeSet<&TreePath>> = HashMap::new();
    for fact in before.manifest.records.facts.iter().chain(&after.manifest.records.facts) {
        if let Some(path) = &fact.evidence {
            evidence.entry((&fact.scope, &fact.key)).or_default().insert(path);
        }
    }
    let mut tree = Cursor::tree(after);
    let mut leads_to = |path: &TreePath| match tree.get(path)?.content {
        Content::Symlink { target } => tree.real(&absolute(&path.parent()?, &target)),
        _ => None,
    };
    for change in changes.iter_mut().filter(|change| change.causes.is_empty()) {
        let Subject::Fact { scope, key } = &change.change.subject else { continue };
        let Some(paths) = evidence.get(&(scope.as_str(), key.as_str())) else { continue };
        let own = paths.iter().find_map(|path| of_paths.get(*path));
        let causes = own.or_else(|| {
            paths.iter().find_map(|path| leads_to(path).and_then(|path| of_paths.get(&path)))
        });
        let Some(mut causes) = causes.cloned() else { continue };
        if causes.len() > 1 {
            causes.iter_mut().for_each(|cause| cause.confidence = Confidence::Weak);
            // What quotes the fact's own name is the best guess of them.
            causes.sort_by_key(|cause| !tells(cause, key));
        }
        change.causes = causes;
    }
}
