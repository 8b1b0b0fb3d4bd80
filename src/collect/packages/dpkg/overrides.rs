//! What an administrator or another package changed about shipped paths: dpkg-divert(1) and
//! dpkg-statoverride(1).
//!
//! dpkg compares these paths with the packed ones byte by byte, not with where a path lies once
//! links are followed; so does this.

use crate::collect::packages::deb822::Damage;
use std::collections::HashMap;

/// A path of other packages that is put elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diversion<'a> {
    /// Where it is put.
    pub to: &'a [u8],
    /// The package whose own file stays; `None` for a local diversion, which moves all.
    pub keeper: Option<&'a [u8]>,
}

/// Diversions by the path that is diverted.
pub type Diversions<'a> = HashMap<&'a [u8], Diversion<'a>>;

/// Reads `diversions`: three lines each (from, to, package or `:`).
#[must_use]
pub fn read_diversions(bytes: &[u8]) -> (Diversions<'_>, Vec<Damage>) {
    let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    let mut diversions = HashMap::new();
    let mut damages = Vec::new();
    for (index, chunk) in lines.chunks(3).enumerate() {
        match chunk {
            [from, to, package] if is_path(from) && is_path(to) && !package.is_empty() => {
                let keeper = (*package != b":").then_some(*package);
                diversions.insert(*from, Diversion { to, keeper });
            }
            // Three lines are one diversion: where one is missing, all that follow are shifted.
            _ => {
                let line = index.saturating_mul(3).saturating_add(1);
                damages.push(Damage { line, reason: "no diversion from here on".to_owned() });
                break;
            }
        }
    }
    (diversions, damages)
}

/// Owner and mode that are to be used in place of the packed ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override<'a> {
    /// Name, or number.
    pub user: &'a [u8],
    /// Name, or number.
    pub group: &'a [u8],
    /// Permission bits.
    pub mode: u16,
}

/// Overrides by path.
pub type Overrides<'a> = HashMap<&'a [u8], Override<'a>>;

/// Reads `statoverride`: `user group mode path` a line, numbers of users with `#` before them.
#[must_use]
pub fn read_overrides(bytes: &[u8]) -> (Overrides<'_>, Vec<Damage>) {
    let mut overrides = HashMap::new();
    let mut damages = Vec::new();
    for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        match read_override(line) {
            Some((path, one)) => {
                overrides.insert(path, one);
            }
            None => {
                let line = index.saturating_add(1);
                damages.push(Damage { line, reason: "no override".to_owned() });
            }
        }
    }
    (overrides, damages)
}

fn read_override(line: &[u8]) -> Option<(&[u8], Override<'_>)> {
    let mut parts = line.splitn(4, |b| *b == b' ');
    let (user, group, mode, path) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let mode = std::str::from_utf8(mode).ok()?;
    let mode = u16::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777)?;
    is_path(path).then(|| (path, Override { user: bare(user), group: bare(group), mode }))
}

/// Without the mark of a number.
fn bare(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"#").unwrap_or(name)
}

fn is_path(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diversions_are_three_lines() {
        let (seen, damages) = read_diversions(b"/a\n/a.real\npkg\n/b\n/b.local\n:\n/c\n/d\n");
        let expected = [
            (b"/a".as_slice(), Diversion { to: b"/a.real", keeper: Some(b"pkg") }),
            (b"/b".as_slice(), Diversion { to: b"/b.local", keeper: None }),
        ];
        assert_eq!(seen, HashMap::from(expected));
        assert_eq!(damages.iter().map(|d| d.line).collect::<Vec<_>>(), [7]);
        assert!(read_diversions(b"").0.is_empty());
    }

    #[test]
    fn overrides_are_lines() {
        let check = |line: &str, expected: Option<(&str, &str, u16)>| {
            let (seen, damages) = read_overrides(line.as_bytes());
            let seen = seen.get(b"/p q".as_slice());
            let expected = expected.map(|(user, group, mode)| Override {
                user: user.as_bytes(),
                group: group.as_bytes(),
                mode,
            });
            assert_eq!(seen, expected.as_ref(), "{line}");
            assert_eq!(damages.is_empty(), expected.is_some(), "{line}");
        };
        check("root ssl-cert 710 /p q\n", Some(("root", "ssl-cert", 0o710)));
        check("#0 #12 4755 /p q", Some(("0", "12", 0o4755)));
        check("root root 9 /p q", None);
        check("root root 70000 /p q", None);
        check("root root", None);
    }
}
