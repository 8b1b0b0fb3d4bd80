//! Python literals as `repr` writes them in logs: the strings of a list, and `key=value` rows.

/// Strings of one literal that are read; a list of packages has some hundreds.
const MAX_STRINGS: usize = 4000;

/// All strings of the list, tuple or string that `text` begins with, nested ones too.
#[must_use]
pub fn strings(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut chars = text.chars();
    let mut depth = 0_usize;
    while let Some(c) = chars.next() {
        match c {
            '[' | '(' | '{' => depth = depth.saturating_add(1),
            ']' | ')' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
            '\'' | '"' if found.len() < MAX_STRINGS => found.push(string(c, &mut chars)),
            _ => {}
        }
        if depth == 0 && !found.is_empty() {
            break;
        }
    }
    found
}

/// The rest of a string after its opening quote.
fn string(quote: char, chars: &mut std::str::Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(c) => text.push(c),
                None => break,
            },
            c if c == quote => break,
            c => text.push(c),
        }
    }
    text
}

/// `a=1 b=x y c=['z', 'w']` into names and raw values. A value reaches to the next ` name=` that
/// stands outside of brackets; the format itself cannot tell more.
#[must_use]
pub fn arguments(text: &str) -> Vec<(&str, &str)> {
    let mut starts: Vec<(usize, usize)> = Vec::new();
    let mut word = 0_usize;
    let mut depth = 0_usize;
    let mut is_name = true;
    for (at, c) in text.char_indices() {
        match c {
            ' ' => {
                word = at.saturating_add(1);
                is_name = true;
            }
            '=' if is_name && depth == 0 && at > word => {
                starts.push((word, at));
                is_name = false;
            }
            '[' | '{' => {
                is_name = false;
                depth = depth.saturating_add(1);
            }
            ']' | '}' => {
                is_name = false;
                depth = depth.saturating_sub(1);
            }
            c if c.is_ascii_alphanumeric() || c == '_' => {}
            _ => is_name = false,
        }
    }
    let ends = starts.iter().skip(1).map(|(start, _)| start.saturating_sub(1)).chain([text.len()]);
    let pairs = starts.iter().zip(ends).filter_map(|((start, equals), end)| {
        Some((text.get(*start..*equals)?, text.get(equals.saturating_add(1)..end)?))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        assert_eq!(strings("['a', \"b'c\", 'd\\'e'] with 'x'"), ["a", "b'c", "d'e"]);
        assert_eq!(strings("('resize2fs', '/dev/vda2') with"), ["resize2fs", "/dev/vda2"]);
        assert_eq!(strings("'one' 'two'"), ["one"]);
        assert_eq!(strings("[unclosed, 'a"), ["a"]);
        assert!(strings("").is_empty());
    }

    #[test]
    fn rows_of_arguments() {
        let found = arguments(
            "backup=True line=MaxAuthTries 3 path=/etc/x regexp=^#?M package=['a', 'b=c'] n=",
        );
        let expected = [
            ("backup", "True"),
            ("line", "MaxAuthTries 3"),
            ("path", "/etc/x"),
            ("regexp", "^#?M"),
            ("package", "['a', 'b=c']"),
            ("n", ""),
        ];
        assert_eq!(found, expected);
        assert!(arguments("none at all").is_empty());
    }
}
