//! Whether a version satisfies a constraint, in the dialects of the package managers whose locks
//! are read. It answers only what it is sure of: pre-releases and anything that is no number are
//! `None`, so that nothing is called stale by mistake.

use std::cmp::Ordering;

/// Whose constraints they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// node-semver: a bare version is that version, a part of one is a range.
    Npm,
    /// Cargo: a bare version is a caret range.
    Cargo,
    /// PEP 440, and Poetry's carets.
    Python,
    /// RubyGems: `~>`.
    Ruby,
    /// Composer: `~1.2` reaches to the next major version.
    Composer,
    /// Go: one version.
    Go,
}

/// Constraints of more parts than this were not written by people.
const MAX_PARTS: usize = 32;

/// Whether `version` satisfies `constraint`; `None` where that is not known here.
pub(super) fn satisfies(dialect: Dialect, constraint: &str, version: &str) -> Option<bool> {
    let version = version.trim().trim_start_matches(['v', '=']);
    let constraint = constraint.trim();
    if constraint.trim_start_matches(['v', '=', ' ']) == version {
        return Some(true);
    }
    if matches!(constraint, "" | "*" | "latest" | "x") {
        return Some(true);
    }
    if dialect == Dialect::Go {
        return Some(false);
    }
    let version = numbers(version)?;
    let mut known = true;
    for alternative in constraint.split("||").flat_map(|part| {
        let single = dialect == Dialect::Composer;
        part.split(if single { '|' } else { '\0' })
    }) {
        match all(dialect, alternative, &version) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => known = false,
        }
    }
    known.then_some(false)
}

/// Whether every part of one alternative holds.
fn all(dialect: Dialect, alternative: &str, version: &[u64]) -> Option<bool> {
    if alternative.contains(" - ") {
        return None;
    }
    // Blanks stand between parts, or between an operator and its version.
    let mut joined = alternative.trim().to_owned();
    for operator in [">=", "<=", "==", "!=", "~=", "~>", ">", "<", "^", "~", "="] {
        joined = joined.replace(&format!("{operator} "), operator);
    }
    let parts: Vec<&str> = joined.split([',', ' ']).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() || parts.len() > MAX_PARTS {
        return None;
    }
    let mut answer = Some(true);
    for part in parts {
        match one(dialect, part, version) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => answer = None,
        }
    }
    answer
}

fn one(dialect: Dialect, part: &str, version: &[u64]) -> Option<bool> {
    let end = part.find(|c: char| c.is_ascii_alphanumeric() || c == '*').unwrap_or(part.len());
    let (operator, word) = part.split_at_checked(end)?;
    let word = word.trim_start_matches('v');
    if matches!(word, "*" | "x" | "X") {
        return Some(true);
    }
    let (word, open) = match word.split_once(".*").or_else(|| word.split_once(".x")) {
        Some((word, rest)) if rest.chars().all(|c| ".*x".contains(c)) => (word, true),
        Some(_) => return None,
        None => (word, false),
    };
    let bound = numbers(word)?;
    let full = bound.len() >= 3;
    let prefix = || version.iter().chain(std::iter::repeat(&0)).zip(&bound).all(|(a, b)| a == b);
    let at_least = compare(version, &bound) != Ordering::Less;
    // Below the version that is made by raising the part at `index`.
    let below = |index: usize| {
        let mut upper: Vec<u64> = bound.iter().copied().take(index.saturating_add(1)).collect();
        while upper.len() <= index {
            upper.push(0);
        }
        if let Some(last) = upper.last_mut() {
            *last = last.saturating_add(1);
        }
        compare(version, &upper) == Ordering::Less
    };
    let caret = || {
        let first = bound.iter().position(|part| *part > 0);
        let index = first.unwrap_or(bound.len().saturating_sub(1));
        at_least && below(index)
    };
    Some(match (operator.trim(), dialect) {
        ("", _) if open => prefix(),
        ("==" | "=", _) if open => prefix(),
        ("!=", _) if open => !prefix(),
        ("", Dialect::Cargo) => caret(),
        ("", Dialect::Npm) if !full => prefix(),
        ("" | "=" | "==" | "===", _) => compare(version, &bound) == Ordering::Equal,
        ("!=", _) => compare(version, &bound) != Ordering::Equal,
        (">=", _) => at_least,
        (">", Dialect::Npm) if !full => at_least && !prefix(),
        (">", _) => compare(version, &bound) == Ordering::Greater,
        ("<", _) => compare(version, &bound) == Ordering::Less,
        ("<=", Dialect::Npm) if !full => compare(version, &bound) == Ordering::Less || prefix(),
        ("<=", _) => compare(version, &bound) != Ordering::Greater,
        ("^", _) => caret(),
        ("~", Dialect::Composer) | ("~>" | "~=", _) => {
            at_least && below(bound.len().saturating_sub(2))
        }
        ("~", _) => at_least && below(bound.len().saturating_sub(1).min(1)),
        _ => return None,
    })
}

/// The numbers of a release; `None` where anything else belongs to it. Build metadata is no part
/// of it.
fn numbers(word: &str) -> Option<Vec<u64>> {
    let word = word.split('+').next()?;
    word.split('.').map(|part| part.parse().ok()).collect()
}

fn compare(one: &[u64], other: &[u64]) -> Ordering {
    let length = one.len().max(other.len());
    let padded = |parts: &[u64]| -> Vec<u64> {
        parts.iter().copied().chain(std::iter::repeat(0)).take(length).collect()
    };
    padded(one).cmp(&padded(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints() {
        use Dialect::*;
        let check = |dialect: Dialect, constraint: &str, version: &str, expected: Option<bool>| {
            assert_eq!(satisfies(dialect, constraint, version), expected, "{constraint} {version}");
        };
        check(Npm, "^1.2.3", "1.9.0", Some(true));
        check(Npm, "^1.2.3", "2.0.0", Some(false));
        check(Npm, "^0.2.3", "0.3.0", Some(false));
        check(Npm, "~1.2.3", "1.2.9", Some(true));
        check(Npm, "~1.2.3", "1.3.0", Some(false));
        check(Npm, "~1", "1.9.0", Some(true));
        check(Npm, "1.2", "1.2.7", Some(true));
        check(Npm, "1.x || >=3 <4", "3.1.0", Some(true));
        check(Npm, "1.x || >= 3 < 4", "4.0.0", Some(false));
        check(Npm, "1.2.3 - 2", "1.5.0", None);
        check(Npm, "^1.0.0-beta.1", "1.0.0-beta.2", None);
        check(Npm, "1.2.3", "1.2.4", Some(false));
        check(Cargo, "1.2", "1.9.0", Some(true));
        check(Cargo, "0.2", "0.3.0", Some(false));
        check(Cargo, "=1.2.3", "1.2.3+build", Some(true));
        check(Python, ">=2,<3", "2.31.0", Some(true));
        check(Python, "==2.*", "3.0", Some(false));
        check(Python, "~=1.4.2", "1.4.9", Some(true));
        check(Python, "~=1.4.2", "1.5.0", Some(false));
        check(Python, "~=1.4", "1.9", Some(true));
        check(Python, "==1.0", "1.0.0", Some(true));
        check(Ruby, "~> 2.0", "2.9", Some(true));
        check(Ruby, "~> 2.0.1", "2.1.0", Some(false));
        check(Composer, "~1.2", "1.9.0", Some(true));
        check(Composer, "^7|^8", "8.0.1", Some(true));
        check(Go, "v1.2.3", "v1.2.3", Some(true));
    }
}
