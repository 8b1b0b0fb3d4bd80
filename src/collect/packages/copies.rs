//! Several copies of one name: which is the ordinary one, and by what the others are told apart.
//!
//! Language packages lie wherever somebody put them: for the system's interpreter, in a virtual
//! environment, below another package. The copy at an ordinary place has no instance, so that it
//! stays the same package when the interpreter is upgraded; all others are named by their place.

use crate::model::{Package, PackageKey, TreePath};
use std::collections::HashSet;

/// A package as it was found.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Without an instance yet.
    pub package: Package,
    /// The directory that packages of this kind are put into.
    pub place: TreePath,
    /// Whether it is one of the system's own places.
    pub is_ordinary: bool,
}

/// Gives each copy an instance where it needs one: the place, or where one place has a name twice,
/// the evidence. Copies are sorted by it, so that the result does not depend on who was found first.
pub fn tell_apart(copies: &mut [Copy]) {
    copies.sort_by(|a, b| {
        let key = |copy: &Copy| (!copy.is_ordinary, copy.place.clone());
        key(a).cmp(&key(b)).then_with(|| a.package.evidence.cmp(&b.package.evidence))
    });
    let mut taken = HashSet::<PackageKey>::new();
    for copy in copies {
        let key = &mut copy.package.key;
        if copy.is_ordinary && taken.insert(key.clone()) {
            continue;
        }
        key.instance = Some(copy.place.to_string());
        if !taken.insert(key.clone()) {
            key.instance = Some(copy.package.evidence.to_string());
            taken.insert(key.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::packages::installed;

    #[test]
    fn the_ordinary_copy_has_no_instance() {
        let copy = |place: &str, evidence: &str, is_ordinary| Copy {
            package: installed("pypi", "a".to_owned(), "1".to_owned(), &TreePath::parse(evidence)),
            place: TreePath::parse(place),
            is_ordinary,
        };
        let check = |copies: &[(&str, &str, bool)], expected: &[&str]| {
            let mut copies: Vec<Copy> = copies.iter().map(|(a, b, c)| copy(a, b, *c)).collect();
            tell_apart(&mut copies);
            let seen: Vec<String> = copies.iter().map(|c| c.package.key.to_string()).collect();
            assert_eq!(seen, expected);
        };
        check(&[("/srv", "/srv/1", false), ("/usr", "/usr/1", true)], &["a", "a [/srv]"]);
        check(&[("/usr/local", "/x", true), ("/usr", "/y", true)], &["a", "a [/usr/local]"]);
        check(
            &[("/usr", "/usr/3", true), ("/usr", "/usr/1", true), ("/usr", "/usr/2", true)],
            &["a", "a [/usr]", "a [/usr/3]"],
        );
    }
}
