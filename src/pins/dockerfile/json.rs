//! The JSON form of an instruction: an array of strings, each with its map through the escapes.

use crate::pins::span::{Fragment, FragmentBuilder};

/// Words of a command: it is judged by its first ones.
const MAX_WORDS: usize = 20_000;

/// The strings of `["a", "b"]`; `None` where the text is anything else, so that it is a shell's.
pub(super) fn strings(body: &Fragment) -> Option<Vec<Fragment>> {
    let text = body.text();
    let start = text.len().saturating_sub(text.trim_start().len());
    let mut at = start.saturating_add(1);
    if !text.trim_start().starts_with('[') || !text.trim_end().ends_with(']') {
        return None;
    }
    let mut found = Vec::new();
    loop {
        let rest = text.get(at..)?;
        let blank = rest.len().saturating_sub(rest.trim_start().len());
        at = at.saturating_add(blank);
        match text.get(at..)?.chars().next()? {
            ']' => {
                let behind = text.get(at.saturating_add(1)..)?;
                return behind.trim().is_empty().then_some(found);
            }
            ',' if !found.is_empty() => at = at.saturating_add(1),
            '"' => {
                let (string, end) = string(body, at.saturating_add(1))?;
                found.push(string);
                at = end;
                if found.len() >= MAX_WORDS {
                    return Some(found);
                }
            }
            _ => return None,
        }
    }
}

/// A string from behind its opening quote; the offset behind its closing one.
fn string(body: &Fragment, start: usize) -> Option<(Fragment, usize)> {
    let text = body.text();
    let mut builder = FragmentBuilder::default();
    let mut at = start;
    let mut done = start;
    loop {
        let character = text.get(at..)?.chars().next()?;
        match character {
            '"' => {
                builder.append_range(body, done..at);
                return Some((builder.finish(), at.saturating_add(1)));
            }
            '\\' => {
                builder.append_range(body, done..at);
                let code = text.get(at.saturating_add(1)..)?.chars().next()?;
                let mut end = at.saturating_add(1).saturating_add(code.len_utf8());
                let decoded = match code {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'u' => {
                        let digits = text.get(end..end.saturating_add(4))?;
                        end = end.saturating_add(4);
                        char::from_u32(u32::from_str_radix(digits, 16).ok()?).unwrap_or('\u{fffd}')
                    }
                    '"' | '\\' | '/' => code,
                    _ => return None,
                };
                builder.replaced(decoded.encode_utf8(&mut [0; 4]), body.raw_range(at..end));
                at = end;
                done = end;
            }
            _ => at = at.saturating_add(character.len_utf8()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_keep_their_place() {
        let check = |input: &str, expected: Option<&[&str]>| {
            let found = strings(&Fragment::verbatim(input, 0));
            let texts: Option<Vec<&str>> =
                found.as_ref().map(|f| f.iter().map(Fragment::text).collect());
            assert_eq!(texts.as_deref(), expected, "{input}");
        };
        check(r#" ["a", "b \"c\""] "#, Some(&["a", "b \"c\""]));
        check("[ -f x ] && y", None);
        check(r#"["a" "#, None);
        check("[]", Some(&[]));
        let found = strings(&Fragment::verbatim(r#"["a\tb", "curl"]"#, 10)).unwrap();
        assert_eq!(found[1].raw_whole(), 20..24);
        assert_eq!(found[0].raw_range(1..2), 13..15);
    }
}
