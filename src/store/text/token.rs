//! Fields of a line: written so that each value has one form, read with their columns.

use crate::model::path::Escaped;
use crate::model::{Timestamp, TreePath};
use crate::store::escape::unescape;

/// A line under construction.
#[derive(Debug, Default)]
pub(super) struct Line(pub(super) String);

impl Line {
    fn space(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with("  ") {
            self.0.push(' ');
        }
    }

    /// A word of ours, which needs no quotes.
    pub(super) fn word(&mut self, word: impl std::fmt::Display) -> &mut Self {
        self.space();
        self.0.push_str(&word.to_string());
        self
    }

    /// Any bytes.
    pub(super) fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.space();
        self.0.push_str(&quoted(bytes));
        self
    }

    /// Any bytes or none.
    pub(super) fn optional(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        match bytes {
            Some(bytes) => self.field(bytes),
            None => self.word("-"),
        }
    }

    /// `key=value`, any bytes both.
    pub(super) fn pair(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
        self.space();
        let key = Escaped(key).to_string().replace(' ', "\\x20").replace('"', "\\x22");
        self.0.push_str(&key.replace('=', "\\x3d"));
        self.0.push('=');
        self.0.push_str(&quoted(value));
        self
    }
}

fn quoted(bytes: &[u8]) -> String {
    let plain = Escaped(bytes).to_string();
    if plain.is_empty() || plain == "-" || plain.contains([' ', '"']) {
        format!("\"{}\"", plain.replace('"', "\\x22"))
    } else {
        plain
    }
}

/// RFC 3339 where that says all of it, else `@seconds+nanoseconds`.
pub(super) fn time_word(time: Timestamp) -> String {
    let word = time.to_string();
    if parse_time(&word) == Some(time) {
        word
    } else {
        format!("@{}+{}", time.seconds, time.nanoseconds)
    }
}

/// Reads [`time_word`].
pub(super) fn parse_time(word: &str) -> Option<Timestamp> {
    const NANOSECONDS: i128 = 1_000_000_000;
    if let Some((seconds, nanoseconds)) = word.strip_prefix('@').and_then(|w| w.split_once('+')) {
        let (seconds, nanoseconds) = (seconds.parse().ok()?, nanoseconds.parse().ok()?);
        return Some(Timestamp { seconds, nanoseconds });
    }
    let all = word.parse::<jiff::Timestamp>().ok()?.as_nanosecond();
    Some(Timestamp {
        seconds: i64::try_from(all.div_euclid(NANOSECONDS)).ok()?,
        nanoseconds: u32::try_from(all.rem_euclid(NANOSECONDS)).ok()?,
    })
}

/// What is wrong in a line, and where: columns count characters from 1.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) column: usize,
    pub(super) detail: String,
}

/// The fields of a line that is being read.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    line: &'a str,
    at: usize,
    /// Where the field that was read last begins.
    last: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self { line, at: 0, last: 0 }
    }

    /// A refusal at the field that was read last.
    pub(super) fn wrong(&self, detail: impl std::fmt::Display) -> Wrong {
        let before = self.line.get(..self.last).unwrap_or_default();
        Wrong { column: before.chars().count() + 1, detail: detail.to_string() }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.line.len()
    }

    /// The next field as it stands.
    pub(super) fn raw(&mut self) -> Result<&'a str, Wrong> {
        self.last = self.at.min(self.line.len());
        let rest = self.line.get(self.at..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or_else(|| self.wrong("the line ends too early"))?;
        let mut in_quotes = false;
        let mut end = rest.len();
        for (index, byte) in rest.bytes().enumerate() {
            match byte {
                b'"' => in_quotes = !in_quotes,
                b' ' if !in_quotes => {
                    end = index;
                    break;
                }
                _ => {}
            }
        }
        if in_quotes {
            return Err(self.wrong("a quote that does not end"));
        }
        self.at += end + 1;
        Ok(rest.get(..end).unwrap_or_default())
    }

    /// What follows `prefix` in the next field, where that begins so.
    pub(super) fn take_if(&mut self, prefix: &str) -> Option<&'a str> {
        let begins = self.line.get(self.at..).is_some_and(|rest| rest.starts_with(prefix));
        begins.then(|| self.raw().ok()).flatten()?.strip_prefix(prefix)
    }

    /// All fields are read.
    pub(super) fn end(&mut self) -> Result<(), Wrong> {
        if self.is_at_end() && self.at != self.line.len() {
            return Ok(());
        }
        self.last = self.at.min(self.line.len());
        Err(self.wrong("more than belongs there"))
    }

    fn unquoted(&self, raw: &str) -> Result<Vec<u8>, Wrong> {
        let inner = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw);
        let bytes = unescape(inner).map_err(|_| self.wrong("an escape that is none"))?;
        // One form for one value, so that equal manifests are equal texts.
        if quoted(&bytes) == raw { Ok(bytes) } else { Err(self.wrong("not in its usual form")) }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, Wrong> {
        let raw = self.raw()?;
        self.unquoted(raw)
    }

    pub(super) fn text(&mut self) -> Result<String, Wrong> {
        String::from_utf8(self.bytes()?).map_err(|_| self.wrong("not UTF-8"))
    }

    pub(super) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Wrong> {
        if self.line.get(self.at..).is_some_and(|rest| rest == "-" || rest.starts_with("- ")) {
            self.raw()?;
            return Ok(None);
        }
        read(self).map(Some)
    }

    pub(super) fn path(&mut self) -> Result<TreePath, Wrong> {
        let bytes = self.bytes()?;
        self.as_path(&bytes)
    }

    pub(super) fn as_path(&self, bytes: &[u8]) -> Result<TreePath, Wrong> {
        let path = TreePath::parse(bytes);
        if path.as_bytes() == bytes { Ok(path) } else { Err(self.wrong("not an absolute path")) }
    }

    /// A word that one of our readers knows.
    pub(super) fn parse<T>(
        &mut self,
        what: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Wrong> {
        let raw = self.raw()?;
        read(raw).ok_or_else(|| self.wrong(format!("{raw:?} is no {what}")))
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self) -> Result<T, Wrong> {
        self.parse("number", |word| word.parse().ok())
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, Wrong> {
        self.parse("time", parse_time)
    }

    /// `key=value`.
    pub(super) fn pair(&mut self) -> Result<(Vec<u8>, Vec<u8>), Wrong> {
        let raw = self.raw()?;
        let (key, value) = raw.split_once('=').ok_or_else(|| self.wrong("no `key=value`"))?;
        let key = unescape(key).map_err(|_| self.wrong("an escape that is none"))?;
        Ok((key, self.unquoted(value)?))
    }

    /// Likewise, both text.
    pub(super) fn text_pair(&mut self) -> Result<(String, String), Wrong> {
        let (key, value) = self.pair()?;
        match (String::from_utf8(key), String::from_utf8(value)) {
            (Ok(key), Ok(value)) => Ok((key, value)),
            _ => Err(self.wrong("not UTF-8")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_come_back(one in any::<Vec<u8>>(), text in "[ \"=a-]{0,5}", time in any::<(i64, u32)>()) {
            let mut line = Line::default();
            line.field(&one).optional(Some(text.as_bytes())).optional(None).pair(&one, text.as_bytes());
            let mut fields = Fields::new(&line.0);
            prop_assert_eq!(fields.bytes().unwrap(), one.clone());
            prop_assert_eq!(fields.optional(Fields::text).unwrap(), Some(text.clone()));
            prop_assert_eq!(fields.optional(Fields::text).unwrap(), None);
            prop_assert_eq!(fields.pair().unwrap(), (one, text.into_bytes()));
            fields.end().unwrap();
            let time = Timestamp { seconds: time.0, nanoseconds: time.1 };
            prop_assert_eq!(parse_time(&time_word(time)), Some(time));
        }
    }

    #[test]
    fn times_are_words_of_people() {
        let check = |seconds, nanoseconds, expected: &str| {
            let time = Timestamp { seconds, nanoseconds };
            assert_eq!(time_word(time), expected);
            assert_eq!(parse_time(expected), Some(time));
        };
        check(0, 0, "1970-01-01T00:00:00Z");
        check(-1, 999_999_999, "1969-12-31T23:59:59.999999999Z");
        check(i64::MAX, 1, "@9223372036854775807+1");
    }
}
