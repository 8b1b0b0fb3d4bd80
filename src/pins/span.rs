//! Where a word stands: byte ranges, lines and columns, and decoded text that still knows which
//! raw bytes it came from.
//!
//! A carrier decodes a string (YAML, JSON and HCL escapes, an indented heredoc, base64 …) into a
//! [`Fragment`]; what reads the fragment works on plain text and turns any range of it back into
//! the range of the raw file with [`Fragment::raw_range`]. Layers compose with
//! [`Fragment::compose`]. Where bytes map one to one the range is exact; where they don't (an
//! escape, base64, gzip) it is the smallest enclosing range of raw bytes.
//!
//! Nothing is ever searched for again in the raw file: a text that occurs twice would be found in
//! the wrong place.

use std::ops::Range;

/// The byte order mark of UTF-8.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

/// Runs of bytes that are no UTF-8: texts in older encodings have some thousands, and each costs an
/// entry of the map.
pub(super) const MAX_INVALID: usize = 50_000;

/// What filling in values may add to one text: a short name can stand for a long value, many times.
pub(super) const MAX_FILLED: usize = 1024 * 1024;

/// Stands, as one character of decoded text, for a value that comes from outside of what can be
/// read (a template expression, a variable without default). It is a noncharacter of Unicode, so
/// that no honest file contains it; a dishonest one gets `unknown`.
pub const UNKNOWN: char = '\u{10fffe}';

/// A place in a raw file as people count: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters (in bytes that are no UTF-8, all but those of the form
    /// `10xxxxxx` count).
    pub column: usize,
}

/// How many bytes lie between two counts of characters in a [`LineIndex`].
const STRIDE: usize = 1024;

/// The line starts of a raw file, so that offsets become positions. A position costs the same in a
/// line of a megabyte as in a short one.
#[derive(Clone, Debug)]
pub struct LineIndex {
    starts: Vec<usize>,
    /// How many characters begin before each multiple of [`STRIDE`].
    counts: Vec<usize>,
}

impl LineIndex {
    /// Finds the line starts; lines end at `\n`.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut starts = vec![0];
        for (offset, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' {
                starts.push(offset.saturating_add(1));
            }
        }
        let mut counts = Vec::new();
        let mut count = 0_usize;
        for chunk in bytes.chunks(STRIDE) {
            counts.push(count);
            count = count.saturating_add(characters(chunk));
        }
        counts.push(count);
        Self { starts, counts }
    }

    /// The position of a byte offset in the `bytes` that the index was made of. Offsets past the
    /// end give the end.
    #[must_use]
    pub fn position(&self, bytes: &[u8], offset: usize) -> Position {
        let offset = offset.min(bytes.len());
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        // Nobody counts the byte order mark.
        let mark = line == 1 && offset >= MARK.len() && bytes.starts_with(MARK);
        let start = if mark { MARK.len() } else { start };
        let column = self.before(bytes, offset).saturating_sub(self.before(bytes, start));
        Position { line, column: column.saturating_add(1) }
    }

    /// The line that an offset is in, without its end.
    #[must_use]
    pub fn line<'b>(&self, bytes: &'b [u8], offset: usize) -> &'b [u8] {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let end = self.starts.get(line).copied().unwrap_or(bytes.len());
        let whole = bytes.get(start..end).unwrap_or_default();
        let whole = whole.strip_suffix(b"\n").unwrap_or(whole);
        whole.strip_suffix(b"\r").unwrap_or(whole)
    }

    /// How many characters begin before an offset.
    fn before(&self, bytes: &[u8], offset: usize) -> usize {
        let stride = offset / STRIDE;
        let known = self.counts.get(stride).copied().unwrap_or(0);
        let rest = bytes.get(stride.saturating_mul(STRIDE)..offset).unwrap_or_default();
        known.saturating_add(characters(rest))
    }
}

/// Bytes that begin a character: all but the continuation bytes of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// A run of decoded text with one relation to the raw bytes. It reaches to the next segment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    /// Where it starts in the decoded text.
    start: usize,
    /// The raw bytes it came from.
    raw: Range<usize>,
    /// Byte for byte the same, so that offsets can be added.
    verbatim: bool,
}

/// Decoded text with a map back to the raw file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    text: String,
    segments: Vec<Segment>,
}

impl Fragment {
    /// The fragment with a text for each [`UNKNOWN`] that one is known for, by its raw range, as long
    /// as all of them together stay below [`MAX_FILLED`].
    #[must_use]
    pub fn filled(&self, mut known: impl FnMut(&Range<usize>) -> Option<String>) -> Self {
        let mut builder = FragmentBuilder::default();
        let (mut done, mut room) = (0_usize, MAX_FILLED);
        for (at, _) in self.text.match_indices(UNKNOWN) {
            let end = at.saturating_add(UNKNOWN.len_utf8());
            builder.append_range(self, done..at);
            let raw = self.raw_range(at..end);
            match known(&raw).filter(|value| value.len() <= room) {
                Some(value) => {
                    room = room.saturating_sub(value.len());
                    builder.replaced(&value, raw);
                }
                None => builder.unknown(raw),
            }
            done = end;
        }
        builder.append_range(self, done..self.text.len());
        builder.finish()
    }

    /// A whole file without its byte order mark; bytes that are no UTF-8 become U+FFFD, each run mapped to itself. A file with
    /// more than [`MAX_INVALID`] such runs is no text and ends there.
    #[must_use]
    pub fn of_file(bytes: &[u8]) -> Self {
        let mut builder = FragmentBuilder::default();
        let mut offset = if bytes.starts_with(MARK) { MARK.len() } else { 0 };
        let bytes = bytes.get(offset..).unwrap_or_default();
        for chunk in bytes.utf8_chunks().take(MAX_INVALID) {
            builder.verbatim(chunk.valid(), offset);
            offset = offset.saturating_add(chunk.valid().len());
            if !chunk.invalid().is_empty() {
                let end = offset.saturating_add(chunk.invalid().len());
                builder.replaced("\u{fffd}", offset..end);
                offset = end;
            }
        }
        builder.finish()
    }

    /// Text that stands in the raw file as it is, from the offset `raw_start` on.
    #[must_use]
    pub fn verbatim(text: &str, raw_start: usize) -> Self {
        let mut builder = FragmentBuilder::default();
        builder.verbatim(text, raw_start);
        builder.finish()
    }

    /// Text that was made of the raw bytes `raw` in a way that keeps no offsets (base64, gzip).
    #[must_use]
    pub fn opaque(text: &str, raw: Range<usize>) -> Self {
        let mut builder = FragmentBuilder::default();
        builder.replaced(text, raw);
        builder.finish()
    }

    /// The decoded text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The decoded text of a range, empty where the range is not inside or cuts a character.
    #[must_use]
    pub fn get(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    /// The raw bytes that a range of decoded offsets came from. An empty range gives an empty
    /// range at its place.
    #[must_use]
    pub fn raw_range(&self, range: Range<usize>) -> Range<usize> {
        let start = self.raw_start(range.start);
        if range.end <= range.start {
            return start..start;
        }
        let last = range.end.saturating_sub(1);
        let end = match self.segment_at(last) {
            Some(segment) if segment.verbatim => segment
                .raw
                .start
                .saturating_add(range.end.saturating_sub(segment.start))
                .min(segment.raw.end),
            Some(segment) => segment.raw.end,
            None => start,
        };
        start..end.max(start)
    }

    /// The raw bytes of the whole.
    #[must_use]
    pub fn raw_whole(&self) -> Range<usize> {
        self.raw_range(0..self.text.len())
    }

    /// A part with its map; empty where the range is not inside or cuts a character.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let mut builder = FragmentBuilder::default();
        if self.text.get(range.clone()).is_some() {
            self.copy_range(range, &mut builder);
        }
        builder.finish()
    }

    /// The same text with its map carried one layer down: `self` was decoded from the text of
    /// `outer`, so its raw ranges are offsets in that text.
    #[must_use]
    pub fn compose(&self, outer: &Self) -> Self {
        let mut builder = FragmentBuilder::default();
        for (segment, text) in self.pieces() {
            if segment.verbatim && outer.text.get(segment.raw.clone()) == Some(text) {
                outer.copy_range(segment.raw.clone(), &mut builder);
            } else {
                builder.replaced(text, outer.raw_range(segment.raw.clone()));
            }
        }
        builder.finish()
    }

    /// Whether the text came from the raw file byte for byte, so that an edit of it can be
    /// written back.
    #[must_use]
    pub fn is_verbatim(&self, range: Range<usize>) -> bool {
        let raw = self.raw_range(range.clone());
        raw.len() == range.len()
            && self.segment_at(range.start).is_some_and(|segment| segment.verbatim)
            && self.slice(range).segments.iter().all(|segment| segment.verbatim)
    }

    fn raw_start(&self, offset: usize) -> usize {
        match self.segment_at(offset) {
            Some(segment) if segment.verbatim => segment
                .raw
                .start
                .saturating_add(offset.saturating_sub(segment.start))
                .min(segment.raw.end),
            Some(segment) if offset >= self.text.len() => segment.raw.end,
            Some(segment) => segment.raw.start,
            None => 0,
        }
    }

    fn segment_at(&self, offset: usize) -> Option<&Segment> {
        let after = self.segments.partition_point(|segment| segment.start <= offset);
        self.segments.get(after.checked_sub(1)?)
    }

    fn pieces(&self) -> impl Iterator<Item = (&Segment, &str)> {
        self.segments.iter().enumerate().map(|(index, segment)| {
            let next = index.saturating_add(1);
            let end = self.segments.get(next).map_or(self.text.len(), |next| next.start);
            (segment, self.text.get(segment.start..end).unwrap_or_default())
        })
    }

    /// Appends a range of this fragment, map and all.
    fn copy_range(&self, range: Range<usize>, builder: &mut FragmentBuilder) {
        let first = self.segments.partition_point(|s| s.start <= range.start).saturating_sub(1);
        for (index, segment) in self.segments.iter().enumerate().skip(first) {
            if segment.start >= range.end {
                break;
            }
            let next = index.saturating_add(1);
            let end = self.segments.get(next).map_or(self.text.len(), |next| next.start);
            let from = segment.start.max(range.start);
            let to = end.min(range.end);
            let Some(text) = self.text.get(from..to) else { continue };
            if segment.verbatim {
                let raw = segment.raw.start.saturating_add(from.saturating_sub(segment.start));
                builder.verbatim(text, raw);
            } else {
                builder.replaced(text, segment.raw.clone());
            }
        }
    }
}

/// Puts a [`Fragment`] together from left to right.
#[derive(Clone, Debug, Default)]
pub struct FragmentBuilder {
    fragment: Fragment,
}

impl FragmentBuilder {
    /// Appends text that stands in the raw file as it is, from `raw_start` on.
    pub fn verbatim(&mut self, text: &str, raw_start: usize) {
        if text.is_empty() {
            return;
        }
        let start = self.fragment.text.len();
        let raw = raw_start..raw_start.saturating_add(text.len());
        self.fragment.text.push_str(text);
        if let Some(last) = self.fragment.segments.last_mut()
            && last.verbatim
            && last.raw.end == raw.start
        {
            last.raw.end = raw.end;
            return;
        }
        self.fragment.segments.push(Segment { start, raw, verbatim: true });
    }

    /// Appends text that the raw bytes `raw` stand for: an escape, a resolved expression.
    pub fn replaced(&mut self, text: &str, raw: Range<usize>) {
        if text.is_empty() {
            return;
        }
        let start = self.fragment.text.len();
        self.fragment.text.push_str(text);
        self.fragment.segments.push(Segment { start, raw, verbatim: false });
    }

    /// Appends [`UNKNOWN`] for the raw bytes of something that nobody can resolve.
    pub fn unknown(&mut self, raw: Range<usize>) {
        self.replaced(UNKNOWN.encode_utf8(&mut [0; 4]), raw);
    }

    /// Appends another fragment with its map.
    pub fn append(&mut self, other: &Fragment) {
        other.copy_range(0..other.text.len(), self);
    }

    /// Appends a range of another fragment with its map.
    pub fn append_range(&mut self, other: &Fragment, range: Range<usize>) {
        if other.text.get(range.clone()).is_some() {
            other.copy_range(range, self);
        }
    }

    /// What has been appended so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.fragment.text
    }

    /// The fragment.
    #[must_use]
    pub fn finish(self) -> Fragment {
        self.fragment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let bytes = "ä curl\n\u{1F600}x\n".as_bytes();
        let index = LineIndex::new(bytes);
        let check = |offset: usize, line: usize, column: usize| {
            assert_eq!(index.position(bytes, offset), Position { line, column }, "{offset}");
        };
        check(0, 1, 1);
        check(3, 1, 3);
        check(8, 2, 1);
        check(12, 2, 2);
        check(99, 3, 1);
    }

    #[test]
    fn escapes_map_to_their_raw_bytes() {
        // Raw: `"a\tcurl"`, decoded: `a<TAB>curl`.
        let mut builder = FragmentBuilder::default();
        builder.verbatim("a", 1);
        builder.replaced("\t", 2..4);
        builder.verbatim("curl", 4);
        let fragment = builder.finish();
        assert_eq!(fragment.text(), "a\tcurl");
        assert_eq!(fragment.raw_range(2..6), 4..8);
        assert_eq!(fragment.raw_range(1..2), 2..4);
        assert_eq!(fragment.raw_range(0..6), 1..8);
        assert_eq!(fragment.raw_range(6..6), 8..8);
        assert!(fragment.is_verbatim(2..6) && !fragment.is_verbatim(1..6));
    }

    #[test]
    fn layers_compose() {
        // An indented block in a file at 10: two lines whose indentation of 2 is stripped.
        let mut block = FragmentBuilder::default();
        block.verbatim("apt \\\"x\\\"\n", 12);
        block.verbatim("curl\n", 24);
        let block = block.finish();
        // Within it a string escape is decoded: `\"` at 4..6 becomes `"`.
        let mut inner = FragmentBuilder::default();
        inner.verbatim("apt ", 0);
        inner.replaced("\"", 4..6);
        inner.verbatim("x", 6);
        inner.replaced("\"", 7..9);
        inner.verbatim("\ncurl\n", 9);
        let whole = inner.finish().compose(&block);
        assert_eq!(whole.text(), "apt \"x\"\ncurl\n");
        assert_eq!(whole.raw_range(8..12), 24..28);
        assert_eq!(whole.raw_range(4..5), 16..18);
        assert_eq!(whole.raw_range(4..7), 16..21);
        let opaque = Fragment::opaque("echo hi", 100..140).compose(&Fragment::default());
        assert_eq!(opaque.raw_range(0..4), 0..0);
        assert_eq!(Fragment::opaque("echo hi", 100..140).slice(5..7).raw_whole(), 100..140);
    }

    #[test]
    fn bytes_that_are_no_text_keep_their_place() {
        let fragment = Fragment::of_file(b"a\xff\xfecurl");
        assert!(fragment.text().ends_with("curl"));
        let at = fragment.text().find("curl").unwrap();
        assert_eq!(fragment.raw_range(at..at + 4), 3..7);
    }
}
