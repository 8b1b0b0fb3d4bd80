//! Text that commands put together from their words: `echo`, `printf`, `eval`, `xargs -I`.

use super::words::Word;
use crate::pins::span::{Fragment, FragmentBuilder};

/// Words with one blank between them, each keeping its map.
pub(super) fn space_joined(words: &[Word]) -> Fragment {
    let mut builder = FragmentBuilder::default();
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            let start = word.range().start;
            builder.replaced(" ", start..start);
        }
        builder.append(&word.fragment);
    }
    builder.finish()
}

/// What `echo` writes.
pub(super) fn echoed(words: &[Word]) -> Fragment {
    let mut rest = words.get(1..).unwrap_or_default();
    let mut escapes = false;
    while let Some(first) = rest.first() {
        match first.text() {
            "-n" => {}
            "-e" | "-ne" | "-en" => escapes = true,
            "-E" => {}
            _ => break,
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    let text = space_joined(rest);
    if escapes || text.text().contains("\\n") { with_escapes(&text) } else { text }
}

/// `printf FORMAT words`: the format, its `%s` filled in from left to right; a format that is used
/// up is used again.
pub(super) fn printed(words: &[Word]) -> Fragment {
    let Some(format) = words.get(1) else { return Fragment::default() };
    if format.text() == "--" {
        return printed(words.get(1..).unwrap_or_default());
    }
    let format = with_escapes(&format.fragment);
    let mut arguments = words.iter().skip(2).peekable();
    let mut builder = FragmentBuilder::default();
    for _ in 0..512 {
        let mut at = 0_usize;
        while let Some(found) = format.text().get(at..).and_then(|rest| rest.find("%s")) {
            let hole = at.saturating_add(found);
            builder.append_range(&format, at..hole);
            if let Some(word) = arguments.next() {
                builder.append(&word.fragment);
            }
            at = hole.saturating_add(2);
        }
        builder.append_range(&format, at..format.text().len());
        if arguments.peek().is_none() || !format.text().contains("%s") {
            break;
        }
    }
    builder.finish()
}

/// `\n` and `\t` as `printf` and `echo -e` read them.
fn with_escapes(fragment: &Fragment) -> Fragment {
    let text = fragment.text();
    let mut builder = FragmentBuilder::default();
    let mut at = 0_usize;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
        let start = at.saturating_add(found);
        builder.append_range(fragment, at..start);
        let end = start.saturating_add(2);
        match text.get(start..end) {
            Some("\\n") => builder.replaced("\n", fragment.raw_range(start..end)),
            Some("\\t") => builder.replaced("\t", fragment.raw_range(start..end)),
            Some(_) => builder.append_range(fragment, start..end),
            None => {
                builder.append_range(fragment, start..text.len());
                return builder.finish();
            }
        }
        at = end;
    }
    builder.append_range(fragment, at..text.len());
    builder.finish()
}

/// A word with a mark in it replaced by another word.
pub(super) fn replaced(word: &Word, mark: &str, item: &Word) -> Word {
    let Some(at) = word.text().find(mark).filter(|_| !mark.is_empty()) else { return word.clone() };
    let mut builder = FragmentBuilder::default();
    builder.append_range(&word.fragment, 0..at);
    builder.append(&item.fragment);
    builder.append_range(&word.fragment, at.saturating_add(mark.len())..word.text().len());
    Word { fragment: builder.finish(), site: Some(item.range()), ..item.clone() }
}

/// A script that is quoted once more (`["sh", "-c", "\"a | b\""]`), as it was meant.
pub(super) fn unquoted(script: &Fragment) -> Fragment {
    let text = script.text();
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if inner.contains(' ') && !inner.contains('"') => {
            script.slice(1..text.len().saturating_sub(1))
        }
        _ => script.clone(),
    }
}

/// Words as a shell's line: what is no operator is quoted where it must be.
pub(super) fn command_line(words: &[Fragment]) -> Fragment {
    let mut builder = FragmentBuilder::default();
    for word in words {
        let start = word.raw_whole().start;
        if !builder.text().is_empty() {
            builder.replaced(" ", start..start);
        }
        let text = word.text();
        let quote = text.contains([' ', '$', '"', '\\', '`', '*']) && !text.contains('\'');
        if quote {
            builder.replaced("'", start..start);
        }
        builder.append(word);
        if quote {
            builder.replaced("'", start..start);
        }
    }
    builder.finish()
}
