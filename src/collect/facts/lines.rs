//! What line-based configuration has in common: comments, continuations, damage by line.

use crate::collect::packages::deb822::Damage;

/// How many damaged lines are told one by one: a file of another kind has one a line.
const MAX_DAMAGES: usize = 20;

/// Values of a file's lines with the lines that could not be understood.
pub type Parsed<T> = (Vec<T>, Vec<Damage>);

/// Reads line by line, `read` gets a line without surrounding white space, never an empty one nor
/// one that begins with `#`.
pub fn each<'t, T>(
    text: &'t str,
    mut read: impl FnMut(&'t str) -> Result<Option<T>, String>,
) -> Parsed<T> {
    let (mut values, mut damages) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match read(line) {
            Ok(value) => values.extend(value),
            Err(reason) if damages.len() < MAX_DAMAGES => {
                damages.push(Damage { line: index.saturating_add(1), reason });
            }
            Err(_) => {}
        }
    }
    (values, damages)
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
    fn damage_has_a_line_and_an_end() {
        let (values, damages) = each("# x\n\n 1\nx\n", |line| {
            line.parse::<u32>().map(Some).map_err(|error| error.to_string())
        });
        assert_eq!((values, damages[0].line), (vec![1], 4));
        let text = "x\n".repeat(1000);
        let (_, damages) = each(&text, |_| Err::<Option<()>, _>("no".into()));
        assert_eq!(damages.len(), MAX_DAMAGES);
    }
}
