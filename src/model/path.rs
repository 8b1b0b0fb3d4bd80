//! Paths and names inside a target: bytes, never host paths, never assumed to be UTF-8.

use std::borrow::Borrow;
use std::fmt;

/// The name of one directory entry: any bytes but `/` and NUL, never empty, never `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Accepts what a directory may hold; `None` for what could only come from a damaged or
    /// hostile medium (empty, `.`, `..`, with `/` or NUL).
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let fits = !bytes.is_empty()
            && bytes != b"."
            && bytes != b".."
            && !bytes.iter().any(|b| matches!(b, b'/' | 0));
        fits.then(|| Self(bytes.into()))
    }

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(&self.0, f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// An absolute path inside a target: `/`, or `/` before each of its names and none at the end.
///
/// The order is by component, so that a directory is followed by what is below it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// The top of the tree, `/`.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Reads a path as lists and logs write it: a missing leading `/`, `./`, doubled and trailing
    /// slashes are accepted; `..` goes up and stops at the root.
    #[must_use]
    pub fn parse(bytes: impl AsRef<[u8]>) -> Self {
        let mut path = Self::root();
        for part in bytes.as_ref().split(|b| *b == b'/') {
            if part == b".." {
                path = path.parent().unwrap_or(path);
            } else if let Some(name) = Name::new(part) {
                path.push(&name);
            }
        }
        path
    }

    /// Appends a name in place.
    pub fn push(&mut self, name: &Name) {
        self.0.push(b'/');
        self.0.extend_from_slice(name.as_bytes());
    }

    /// This path with a name appended.
    #[must_use]
    pub fn join(&self, name: &Name) -> Self {
        let mut joined = Vec::with_capacity(self.0.len() + 1 + name.as_bytes().len());
        joined.extend_from_slice(&self.0);
        let mut joined = Self(joined);
        joined.push(name);
        joined
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory that holds this; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let slash = self.0.iter().rposition(|b| *b == b'/')?;
        Some(Self(self.0.get(..slash)?.to_vec()))
    }

    /// The last name; `None` for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&[u8]> {
        self.0.rsplit(|b| *b == b'/').next().filter(|n| !n.is_empty())
    }

    /// The names from the top down.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/').skip(1)
    }

    /// Whether this is `ancestor` or lies below it.
    #[must_use]
    pub fn is_at_or_below(&self, ancestor: &Self) -> bool {
        self.0
            .strip_prefix(ancestor.0.as_slice())
            .is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
    }

    /// The bytes as a person writes them: `/` for the root.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        if self.0.is_empty() { b"/" } else { &self.0 }
    }

    /// The path as text where it is plain: UTF-8 without control characters, which is when JSON
    /// needs no `path_base64` beside it.
    #[must_use]
    pub fn as_plain_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok().filter(|text| !text.chars().any(char::is_control))
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.names().cmp(other.names())
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.as_bytes(), f)
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Bytes from a target, shown safely: see [`escape`].
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.0, f)
    }
}

/// Writes bytes from a target so that no terminal, log or table can be attacked by them and so
/// that two different names never look the same: control characters, invalid UTF-8, backslashes
/// and the invisible and direction-changing characters of Unicode become `\xNN` or `\u{N}`.
pub fn escape(bytes: &[u8], out: &mut dyn fmt::Write) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => out.write_str("\\\\")?,
                c if c.is_ascii_control() => write!(out, "\\x{:02x}", u32::from(c))?,
                c if is_deceptive(c) => write!(out, "\\u{{{:x}}}", u32::from(c))?,
                c => out.write_char(c)?,
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// Characters that print as nothing, reorder what stands around them, or break a line.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised() {
        let check = |input: &str, expected: &str| {
            assert_eq!(TreePath::parse(input).to_string(), expected, "{input}");
        };
        check("", "/");
        check("/", "/");
        check("./etc//motd/", "/etc/motd");
        check("etc/../../usr/./bin", "/usr/bin");
    }

    #[test]
    fn order_keeps_a_directory_together() {
        let mut paths = ["/a-b", "/a/b", "/a", "/"].map(TreePath::parse);
        paths.sort();
        assert_eq!(paths.map(|p| p.to_string()), ["/", "/a", "/a/b", "/a-b"]);
    }

    #[test]
    fn hostile_bytes_are_escaped_and_stay_distinct() {
        let check = |input: &[u8], expected: &str| {
            assert_eq!(Escaped(input).to_string(), expected);
        };
        check("grün ☃".as_bytes(), "grün ☃");
        check(b"a\x1b[2Jb\n", "a\\x1b[2Jb\\x0a");
        check(b"a\xffb\\xff", "a\\xffb\\\\xff");
        check("\u{202e}gpj\u{85}".as_bytes(), "\\u{202e}gpj\\u{85}");
    }

    #[test]
    fn below_is_by_component() {
        let etc = TreePath::parse("/etc");
        assert!(TreePath::parse("/etc/motd").is_at_or_below(&etc));
        assert!(etc.is_at_or_below(&etc) && etc.is_at_or_below(&TreePath::root()));
        assert!(!TreePath::parse("/etcetera").is_at_or_below(&etc));
    }
}
