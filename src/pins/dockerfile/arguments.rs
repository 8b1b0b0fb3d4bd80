//! Arguments of instructions: flags in front, `NAME=value` pairs.

use crate::pins::span::Fragment;

/// A fragment without the blanks around it.
pub(super) fn trimmed(fragment: &Fragment) -> Fragment {
    let text = fragment.text();
    let start = text.len().saturating_sub(text.trim_start().len());
    fragment.slice(start..start.saturating_add(text.trim().len()))
}

/// The `--flags` in front of an instruction's arguments, and the rest.
pub(super) fn flags(body: &Fragment) -> (Vec<Fragment>, Fragment) {
    let mut found = Vec::new();
    let text = body.text();
    let blanks = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        at.saturating_add(rest.len().saturating_sub(rest.trim_start().len()))
    };
    let mut at = blanks(0);
    while let Some(rest) = text.get(at..).filter(|rest| rest.starts_with("--")) {
        let end = at.saturating_add(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        found.push(body.slice(at..end));
        at = blanks(end);
    }
    (found, trimmed(&body.slice(at..text.len())))
}

/// The value of a flag with that prefix, its quotes taken off.
pub(super) fn strip(fragment: &Fragment, prefix: &str) -> Option<Fragment> {
    let rest = fragment.text().strip_prefix(prefix)?;
    let end = fragment.text().len();
    let start = end.saturating_sub(rest.len());
    let quoted = rest.len() >= 2 && rest.starts_with('"') && rest.ends_with('"');
    let inset = usize::from(quoted);
    Some(fragment.slice(start.saturating_add(inset)..end.saturating_sub(inset)))
}

/// `NAME=value NAME="other value" NAME`, as ARG and ENV write them; the values still quoted.
pub(super) fn pairs(body: &Fragment) -> Vec<(String, Option<Fragment>)> {
    let mut found = Vec::new();
    let text = body.text();
    let mut quote = None;
    let mut start = None;
    let mut escaped = false;
    let mut push = |range: std::ops::Range<usize>| {
        let word = text.get(range.clone()).unwrap_or_default();
        match word.find('=') {
            Some(at) => {
                let name = word.get(..at).unwrap_or_default().trim_matches('"').to_owned();
                let value = range.start.saturating_add(at).saturating_add(1)..range.end;
                found.push((name, Some(body.slice(value))));
            }
            None => found.push((word.to_owned(), None)),
        }
    };
    for (at, character) in text.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match (quote, character) {
            (_, '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, c) if c.is_whitespace() => {
                if let Some(from) = start.take() {
                    push(from..at);
                }
                continue;
            }
            _ => {}
        }
        start.get_or_insert(at);
    }
    if let Some(from) = start {
        push(from..text.len());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_in_front() {
        let check = |text: &str, expected: &[&str], rest: &str| {
            let (found, behind) = flags(&Fragment::verbatim(text, 0));
            let found: Vec<&str> = found.iter().map(Fragment::text).collect();
            assert_eq!((found.as_slice(), behind.text()), (expected, rest), "{text}");
        };
        check(" --a=b  --c d --e ", &["--a=b", "--c"], "d --e");
        check("--only", &["--only"], "");
        check(" x ", &[], "x");
        let many = "--mount=x ".repeat(100_000);
        assert_eq!(flags(&Fragment::verbatim(&many, 0)).0.len(), 100_000);
    }
}
