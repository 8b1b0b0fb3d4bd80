//! Facts without evidence of their own have the causes of the file that says them.

use crate::model::{Cause, Confidence, JudgedChange, Side, Subject, TreePath};
use std::collections::{BTreeSet, HashMap};

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
    for change in changes.iter_mut().filter(|change| change.causes.is_empty()) {
        let Subject::Fact { scope, key } = &change.change.subject else { continue };
        let Some(paths) = evidence.get(&(scope.as_str(), key.as_str())) else { continue };
        let Some(causes) = paths.iter().find_map(|path| of_paths.get(*path)) else { continue };
        let mut causes = causes.clone();
        if causes.len() > 1 {
            causes.iter_mut().for_each(|cause| cause.confidence = Confidence::Weak);
        }
        change.causes = causes;
    }
}
