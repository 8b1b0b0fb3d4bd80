//! Arguments taken apart as `getopt` would: options with their values, and operands.

use super::words::Word;

/// How a program writes its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dashes {
    /// `-y`, `-yq`, `-oKEY`, `--name`, `--name=value`.
    Clusters,
    /// `-name`: one dash, never a cluster (go, PowerShell, choco).
    Whole,
}

/// The options and operands of a command.
#[derive(Clone, Debug, Default)]
pub(super) struct Arguments {
    /// Each option with its value, if it has one; the name with its dashes.
    pub(super) options: Vec<(String, Option<Word>)>,
    /// Everything else.
    pub(super) operands: Vec<Word>,
    /// How many operands stand before a `--`.
    pub(super) before_dashes: Option<usize>,
}

impl Arguments {
    /// Takes words apart; `valued` are the options that take the next word.
    pub(super) fn parse(words: &[Word], valued: &[&str], dashes: Dashes) -> Self {
        let mut found = Self::default();
        let mut words = words.iter().cloned();
        while let Some(word) = words.next() {
            let text = word.text().to_owned();
            if text == "--" {
                found.before_dashes = Some(found.operands.len());
                found.operands.extend(words);
                break;
            }
            if text.len() < 2 || !text.starts_with('-') || is_number(&text) {
                found.operands.push(word);
            } else if text.starts_with("--") || dashes == Dashes::Whole {
                let end = text.find('=').unwrap_or(text.len());
                let name = text.get(..end).unwrap_or_default().to_owned();
                let value = if end < text.len() {
                    Some(word.slice(end.saturating_add(1)..text.len()))
                } else if takes_value(valued, &name, dashes) {
                    words.next()
                } else {
                    None
                };
                found.options.push((name, value));
            } else {
                found.cluster(&word, valued, &mut words);
            }
        }
        found
    }

    fn cluster(&mut self, word: &Word, valued: &[&str], words: &mut impl Iterator<Item = Word>) {
        let text = word.text();
        if valued.contains(&text) && text.chars().count() > 2 {
            // A long option with one dash.
            self.options.push((text.to_owned(), words.next()));
            return;
        }
        for (offset, letter) in text.char_indices().skip(1) {
            let name = format!("-{letter}");
            let behind = offset.saturating_add(letter.len_utf8());
            if valued.contains(&name.as_str()) {
                let value = if behind < text.len() {
                    Some(word.slice(behind..text.len()))
                } else {
                    words.next()
                };
                self.options.push((name, value));
                return;
            }
            self.options.push((name, None));
        }
    }

    /// The value of the last option of one of these names.
    pub(super) fn value(&self, names: &[&str]) -> Option<&Word> {
        let found = self.options.iter().rfind(|(name, _)| matches(names, name));
        found.and_then(|(_, value)| value.as_ref())
    }

    /// All values of the options of these names.
    pub(super) fn values<'s>(&'s self, names: &'s [&str]) -> impl Iterator<Item = &'s Word> {
        self.options
            .iter()
            .filter(move |(name, _)| matches(names, name))
            .filter_map(|(_, value)| value.as_ref())
    }

    /// Whether one of these options is there.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.options.iter().any(|(name, _)| matches(names, name))
    }
}

fn matches(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name) && known.len() > 2 || *known == name)
}

fn takes_value(valued: &[&str], name: &str, dashes: Dashes) -> bool {
    match dashes {
        Dashes::Clusters => valued.contains(&name),
        Dashes::Whole => valued.iter().any(|known| known.eq_ignore_ascii_case(name)),
    }
}

/// `-10`, and not `-4`, `-1sLf`, which are curl's.
fn is_number(text: &str) -> bool {
    let digits = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.len() > 2 && text.strip_prefix('-').is_some_and(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::span::Fragment;

    #[test]
    fn options_never_become_operands() {
        let check = |command: &str, valued: &[&str], expected: &str| {
            let words = command.split(' ');
            let words: Vec<Word> =
                words.map(|word| Word::plain(Fragment::verbatim(word, 0))).collect();
            let arguments = Arguments::parse(&words, valued, Dashes::Clusters);
            let operands: Vec<&str> = arguments.operands.iter().map(Word::text).collect();
            assert_eq!(operands.join(" "), expected, "{command}");
        };
        check("-y -t sid curl", &["-t"], "curl");
        check("-ytsid curl", &["-t"], "curl");
        check("-qo A=b curl -- -x", &["-o"], "curl -x");
        check(
            "--no-cache --virtual .b curl",
            &["--virtual"],
            ".b curl".strip_prefix(".b ").unwrap(),
        );
        check("--index-url=x curl", &["--index-url"], "curl");
        check("-1sLf curl", &[], "curl");
        check("-4fsSLo x curl", &["-o"], "curl");
        check("-10 curl", &[], "-10 curl");
    }
}
