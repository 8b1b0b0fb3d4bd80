//! Explained paths have the causes of the package that explains them.
//!
//! What the package lists is proved by its bytes. What merely looks like its work (a copy of one of
//! its files, a link to one, a directory of such) may be another's: where something else names it
//! at its own time, that is told first, and where it changed at another time than the package, the
//! package is a guess.

use super::index::{Index, Window};
use super::moment::Moment;
use super::{Case, attribute, transactions};
use crate::attribute::cursor::Cursor;
use crate::model::{
    Cause, Confidence, Content, Disposition, JudgedChange, PackageKey, Side, Subject, TreePath,
};
use std::collections::{HashMap, HashSet};

/// The causes of one package's change, and when its transaction ran.
struct Origin {
    causes: Vec<Cause>,
    window: Option<Window>,
}

/// Hands causes from packages to what they explain.
pub fn inherit(
    changes: &mut [JudgedChange],
    moments: &[Option<Moment>],
    index: &Index<'_>,
    after: &Side<'_>,
) {
    let mut origins: HashMap<PackageKey, Origin> = HashMap::new();
    for change in changes.iter() {
        if let Subject::Package(key) = &change.change.subject {
            let case = Case { change, moment: None };
            let window = transactions::of(index, &case, key).and_then(|known| known.window);
            let origin = Origin { causes: change.causes.clone(), window };
            origins.insert(key.clone(), origin);
        }
    }
    let listed = listed(changes, after);
    for (change, moment) in changes.iter_mut().zip(moments) {
        if change.disposition != Disposition::Explained {
            continue;
        }
        let Some(origin) = change.package.as_ref().and_then(|key| origins.get(key)) else {
            continue;
        };
        let is_listed =
            matches!(&change.change.subject, Subject::Path(path) if listed.contains(path));
        change.causes = match moment.filter(|one| one.is_own && one.is_certain) {
            Some(moment) if !is_listed => made(index, change, moment, origin),
            Some(moment) => touched(index, change, moment, origin),
            _ => origin.causes.clone(),
        };
    }
}

/// The explained paths that a package lists.
fn listed(changes: &[JudgedChange], after: &Side<'_>) -> HashSet<TreePath> {
    let mut shipped = Cursor::shipped(after);
    let explained = changes.iter().filter(|one| one.disposition == Disposition::Explained);
    let paths = explained.filter_map(|one| match &one.change.subject {
        Subject::Path(path) => Some(path),
        _ => None,
    });
    let mut tree = Cursor::tree(after);
    // Of a directory a package lists no more than its name.
    let is_listed = |path: &&TreePath| {
        let is_directory =
            tree.get(path).is_some_and(|one| matches!(one.content, Content::Directory(_)));
        !is_directory && shipped.get(path).is_some_and(|one| !one.claims.is_empty())
    };
    paths.filter(is_listed).cloned().collect()
}

/// What a package lists, and something else touched later: by its bytes it is the package's, and
/// what names it and agrees with the time of its last change is told beside.
fn touched(
    index: &Index<'_>,
    change: &JudgedChange,
    moment: Moment,
    origin: &Origin,
) -> Vec<Cause> {
    let mut causes = origin.causes.clone();
    let is_later = |window: Window| moment.at.seconds > window.end;
    if origin.window.is_some_and(is_later) {
        let named = attribute(index, &Case { change, moment: Some(moment) }).into_iter();
        let is_new = |cause: &Cause| {
            cause.confidence > Confidence::Weak
                && !causes.iter().any(|one| one.kind == cause.kind && one.detail == cause.detail)
        };
        let named: Vec<Cause> = named.filter(is_new).collect();
        causes.extend(named);
    }
    causes
}

fn made(index: &Index<'_>, change: &JudgedChange, moment: Moment, origin: &Origin) -> Vec<Cause> {
    if origin.window.is_none_or(|window| window.contains(moment.at)) {
        return origin.causes.clone();
    }
    let mut causes = attribute(index, &Case { change, moment: Some(moment) });
    let guesses =
        origin.causes.iter().map(|cause| Cause { confidence: Confidence::Weak, ..cause.clone() });
    let is_named = causes.iter().any(|cause| cause.confidence > Confidence::Weak);
    if is_named {
        causes.extend(guesses);
        return causes;
    }
    // Nothing names it: whatever ran then is no better a guess than the package.
    guesses.chain(causes).collect()
}
