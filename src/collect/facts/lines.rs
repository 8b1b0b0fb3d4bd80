//! What line-based configuration has in common: comments, continuations, lines that say nothing.

use crate::collect::packages::deb822::Damage;
use crate::model::ContentDigest;

/// Values of a file's lines with the lines that say nothing.
pub type Parsed<T> = (Vec<T>, Skipped);

/// Lines that say nothing to the program whose file it is: most pass over them, some refuse the
/// file. They were read, so they are no gap; that they are there is a fact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many.
    pub count: usize,
    /// What the first of them is not.
    pub reason: String,
    /// They themselves, each with a line break. Not to be shown: a misplaced line may be a secret.
    text: String,
}

impl Skipped {
    /// One more.
    pub fn push(&mut self, line: &str, reason: &str) {
        if self.count == 0 {
            reason.clone_into(&mut self.reason);
        }
        self.count = self.count.saturating_add(1);
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Lines of a file of stanzas, by their numbers.
    #[must_use]
    pub fn of_stanzas(text: &str, damages: &[Damage]) -> Self {
        let mut skipped = Self::default();
        for damage in damages {
            let line = damage.line.checked_sub(1).and_then(|index| text.lines().nth(index));
            skipped.push(line.unwrap_or_default().trim(), &damage.reason);
        }
        skipped
    }

    /// What may be told of them; the digest tells other lines in their place. `None` of none.
    #[must_use]
    pub fn attributes(&self) -> Option<[(&'static str, String); 3]> {
        let digest = ContentDigest::of(self.text.as_bytes()).to_string();
        let (lines, reason) = (self.count.to_string(), self.reason.clone());
        (self.count > 0).then_some([("lines", lines), ("reason", reason), ("digest", digest)])
    }
}

/// Reads line by line, `read` gets a line without surrounding white space, never an empty one nor
/// one that begins with `#`.
pub fn each<'t, T>(
    text: &'t str,
    mut read: impl FnMut(&'t str) -> Result<Option<T>, &'static str>,
) -> Parsed<T> {
    let (mut values, mut skipped) = (Vec::new(), Skipped::default());
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match read(line) {
            Ok(value) => values.extend(value),
            Err(reason) => skipped.push(line, reason),
        }
    }
    (values, skipped)
}

/// Lines without comments (`#` at their start, but not before a number, which is an id) and white
/// space; a backslash at the end joins the next line.
#[must_use]
pub fn joined(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        let comment = line.trim_start().strip_prefix('#');
        if open.is_empty()
            && comment.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        {
            continue;
        }
        if let Some(part) = line.strip_suffix('\\') {
            open.push_str(part);
            open.push(' ');
            continue;
        }
        open.push_str(line);
        if !open.trim().is_empty() {
            out.push(open.trim().to_owned());
        }
        open.clear();
    }
    if !open.trim().is_empty() {
        out.push(open.trim().to_owned());
    }
    out
}

/// One space between words.
#[must_use]
pub fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What stands before a `#`.
#[must_use]
pub fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_by_backslashes() {
        let check = |text: &str, expected: &[&str]| assert_eq!(joined(text), expected, "{text}");
        check("a \\\n  b\n# no \\\nc\n\n", &["a    b", "c"]);
        check("a\\", &["a"]);
        assert_eq!(single_spaced("a \t b"), "a b");
        assert_eq!(without_comment("a # b"), "a");
    }

    #[test]
    fn lines_that_say_nothing_are_told_by_their_bytes() {
        let numbers = |text| each(text, |line| line.parse::<u32>().map(Some).map_err(|_| "no"));
        let (values, skipped) = numbers("# x\n\n 1\nx\n");
        assert_eq!((values, skipped.count, skipped.reason.as_str()), (vec![1], 1, "no"));
        assert_eq!(skipped, numbers("x\n2\n").1, "wherever they stand");
        assert_ne!(skipped.attributes(), numbers("y\n").1.attributes());
        let damage = Damage { line: 2, reason: "no".into() };
        assert_eq!(Skipped::of_stanzas("a\nx\n", &[damage]), skipped);
    }
}
