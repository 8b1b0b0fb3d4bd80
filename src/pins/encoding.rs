//! UTF-16, which PowerShell and editors of Windows write: read as UTF-8, reported in the raw file.
//!
//! A file counts as UTF-16 where a byte order mark says so. Everything that reads it works on the
//! UTF-8 text; only when the audit is done are its byte offsets turned into those of the raw file.
//! Lines and columns count characters and are right as they are.

use super::audit::Collected;
use super::input::Place;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Characters between two known offsets.
const STRIDE: usize = 256;

/// The length of the mark.
const MARK: usize = 2;

/// A UTF-16 file as UTF-8, with the way back.
#[derive(Clone, Debug)]
pub struct Utf16 {
    text: String,
    /// Offsets in the text and in the raw file of every [`STRIDE`]th character.
    marks: Vec<(usize, usize)>,
}

/// Whether bytes begin with the mark of UTF-16, and whether the low byte comes first.
fn mark(bytes: &[u8]) -> Option<bool> {
    match bytes {
        // UTF-32 with its low byte first begins alike.
        [0xff, 0xfe, 0, 0, ..] => None,
        [0xff, 0xfe, ..] => Some(true),
        [0xfe, 0xff, ..] => Some(false),
        _ => None,
    }
}

/// Whether bytes are UTF-16 by their mark.
#[must_use]
pub fn is_utf16(bytes: &[u8]) -> bool {
    mark(bytes).is_some()
}

impl Utf16 {
    /// Reads a file; `None` where no mark says that it is UTF-16. Halves of characters become
    /// U+FFFD, the mark is no part of the text.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let little = mark(bytes)?;
        let body = bytes.get(MARK..).unwrap_or_default();
        let units = body.chunks_exact(MARK).map(|pair| match pair {
            [low, high] if little => u16::from_le_bytes([*low, *high]),
            [high, low] => u16::from_be_bytes([*high, *low]),
            _ => 0xfffd,
        });
        let (mut text, mut marks, mut raw) = (String::new(), Vec::new(), MARK);
        for (count, character) in char::decode_utf16(units).enumerate() {
            if count.is_multiple_of(STRIDE) {
                marks.push((text.len(), raw));
            }
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            text.push(character);
            raw = raw.saturating_add(width(character));
        }
        Some(Self { text, marks })
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The offset in the raw file of an offset in the text.
    #[must_use]
    pub fn raw(&self, offset: usize) -> usize {
        let known = self.marks.partition_point(|(text, _)| *text <= offset);
        let last = known.checked_sub(1).and_then(|at| self.marks.get(at));
        let (from, raw) = last.copied().unwrap_or((0, MARK));
        let between = self.text.get(from..offset.min(self.text.len())).unwrap_or_default();
        between.chars().fold(raw, |raw, character| raw.saturating_add(width(character)))
    }

    /// The offset in the text of an offset in the raw file.
    #[must_use]
    pub fn offset(&self, raw: usize) -> usize {
        let known = self.marks.partition_point(|(_, own)| *own <= raw);
        let last = known.checked_sub(1).and_then(|at| self.marks.get(at));
        let (mut at, mut own) = last.copied().unwrap_or((0, MARK));
        for character in self.text.get(at..).unwrap_or_default().chars() {
            if own >= raw {
                break;
            }
            own = own.saturating_add(width(character));
            at = at.saturating_add(character.len_utf8());
        }
        at
    }
}

/// A character's bytes in UTF-16.
fn width(character: char) -> usize {
    character.len_utf16().saturating_mul(MARK)
}

/// Turns the places in UTF-16 files into those of the raw files. Such files are never edited: what
/// would be written into them is taken away.
pub(super) fn restore(collected: &mut Collected, known: &BTreeMap<String, Arc<Utf16>>) {
    if known.is_empty() {
        return;
    }
    let restored = |place: &mut Place| {
        let Some(utf16) = known.get(&*place.file) else { return false };
        place.start_byte = utf16.raw(place.start_byte);
        place.end_byte = utf16.raw(place.end_byte);
        true
    };
    for input in &mut collected.inputs {
        if restored(&mut input.place) {
            input.form = None;
        }
        if let Some(place) = input.origin.as_mut().and_then(|origin| origin.place.as_mut()) {
            restored(place);
        }
    }
    for remark in &mut collected.remarks {
        restored(&mut remark.place);
    }
    for suppression in &mut collected.suppressions {
        restored(&mut suppression.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
        units.flat_map(bytes).collect()
    }

    #[test]
    fn offsets_go_there_and_back() {
        let text = format!("a\u{e4}\u{1f600}b\r\n{}curl", "x\u{20ac}".repeat(400));
        for little in [true, false] {
            let bytes = utf16(&text, little);
            let decoded = Utf16::decode(&bytes).unwrap();
            assert_eq!(decoded.text(), text);
            for (at, character) in text.char_indices() {
                let raw = decoded.raw(at);
                assert_eq!(decoded.offset(raw), at);
                let mut own = [0; 2];
                let unit = character.encode_utf16(&mut own).first().copied().unwrap();
                let pair = [bytes[raw], bytes[raw + 1]];
                let read = if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) };
                assert_eq!(read, unit, "{at}");
            }
            assert_eq!(decoded.raw(text.len()), bytes.len());
            assert_eq!(decoded.raw(usize::MAX), bytes.len());
        }
    }

    #[test]
    fn other_encodings_are_left_alone() {
        let check = |bytes: &[u8], expected: Option<&str>| {
            let decoded = Utf16::decode(bytes);
            assert_eq!(decoded.as_ref().map(Utf16::text), expected, "{bytes:?}");
        };
        check(b"curl", None);
        check(b"\xef\xbb\xbfcurl", None);
        check(b"\xff\xfe\0\0c\0\0\0", None);
        check(b"\xff\xfec\0\0\xd8", Some("c\u{fffd}"));
        check(b"\xff\xfec\0x", Some("c"));
        check(b"\xff\xfe", Some(""));
    }
}
