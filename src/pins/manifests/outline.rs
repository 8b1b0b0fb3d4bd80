//! Locks that are written as YAML by machines (pnpm, Yarn), line by line: a full parser would take
//! seconds for files of megabytes whose form never varies.

/// Nesting of what is read; deeper lines are passed over.
const MAX_DEPTH: usize = 16;

/// Calls `visit` for each line `key: value` with the keys above it.
pub(super) fn lines<'t>(text: &'t str, visit: &mut dyn FnMut(&[&'t str], &'t str, &'t str)) {
    let mut path: Vec<(usize, &str)> = Vec::new();
    for line in text.lines() {
        let content = line.trim_start_matches(' ');
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let indent = line.len().saturating_sub(content.len());
        while path.last().is_some_and(|(above, _)| *above >= indent) {
            path.pop();
        }
        let Some((key, value)) = split(content) else { continue };
        let above: Vec<&str> = path.iter().map(|(_, key)| *key).collect();
        visit(&above, key, value);
        if path.len() < MAX_DEPTH {
            path.push((indent, key));
        }
    }
}

/// Key and value of a line, quotes taken off. A key may hold colons (`a@npm:^1`) in quotes, and
/// without them where no blank follows.
fn split(line: &str) -> Option<(&str, &str)> {
    let quote = line.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (key, rest) = match quote {
        Some(quote) => {
            let body = line.get(1..)?;
            let end = body.find(quote)?;
            // Yarn's first format lists several keys, each in quotes of its own.
            let rest = body.get(end..).unwrap_or_default();
            let whole = line.strip_suffix(':').filter(|_| rest.contains(','));
            match whole {
                Some(whole) => (whole, ""),
                None => (body.get(..end)?, body.get(end.saturating_add(1)..)?.strip_prefix(':')?),
            }
        }
        None => match line.find(": ") {
            Some(at) => (line.get(..at)?, line.get(at.saturating_add(1)..)?),
            None => match line.strip_suffix(':') {
                Some(key) => (key, ""),
                // Yarn's first format writes `version "1.2.3"`.
                None => line.split_once(' ')?,
            },
        },
    };
    Some((key.trim(), rest.trim().trim_matches(['"', '\''])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values() {
        let text = "# c\nimporters:\n  .:\n    dependencies:\n      '@a/b':\n        specifier: ^1\n        version: 1.2.3(x@1)\n\"a@npm:^1, a@npm:^2\":\n  version: 1.2.0\nb@^1, b@^2:\n  version \"1.3.0\"\n\"@c/d@^1\", \"@c/d@^2\":\n  version \"2.0.0\"\n";
        let mut found = Vec::new();
        lines(text, &mut |above, key, value| {
            if !value.is_empty() {
                found.push(format!("{} {key}={value}", above.join("/")));
            }
        });
        assert_eq!(
            found,
            [
                "importers/./dependencies/@a/b specifier=^1",
                "importers/./dependencies/@a/b version=1.2.3(x@1)",
                "a@npm:^1, a@npm:^2 version=1.2.0",
                "b@^1, b@^2 version=1.3.0",
                "\"@c/d@^1\", \"@c/d@^2\" version=2.0.0",
            ]
        );
    }
}
