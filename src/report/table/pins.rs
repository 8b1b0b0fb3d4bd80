//! `pins` for a person: every finding with the line it stands in and a caret below the offending
//! word, then what to do, once for each rule.

use super::Page;
use crate::model::Severity;
use crate::pins::PinFinding;
use crate::pins::encoding::Utf16;
use crate::pins::inventory;
use crate::report::pins::{Pins, gap_place, headline, rules_of};
use crate::report::{Verbosity, View, format};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use anstyle::AnsiColor;
use comfy_table::Cell;
use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

/// Longer lines (minified files, one-line JSON) are not quoted: nobody finds a word in them.
const LINE_LIMIT: usize = 2000;

/// The byte order mark of UTF-8: nobody sees it, and it has no column.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Writes the audit.
pub(in crate::report) fn write(
    pins: &Pins<'_>,
    view: &View,
    out: &mut dyn Write,
) -> io::Result<()> {
    let report = pins.report;
    let mut page = Page { view, out };
    if view.verbosity == Verbosity::Quiet {
        return writeln!(page.out, "{}", headline(report));
    }
    let mut quotes = Quotes { pins, files: HashMap::new() };
    let mut rest = report.findings.as_slice();
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|other| together(first, other)).count();
        let (group, after) = rest.split_at(same);
        writeln!(page.out, "{}\n", quotes.render(group, view))?;
        rest = after;
    }
    if pins.inventory {
        inventory(&mut page, pins)?;
    }
    against(&mut page, pins)?;
    fixes(&mut page, pins)?;
    gaps(&mut page, pins)?;
    let rules = rules_of(report);
    if !rules.is_empty() {
        page.heading("What to do", None)?;
        let rows = rules.iter().map(|rule| vec![Cell::new(rule.id), Cell::new(rule.fix)]);
        let rows = rows.collect();
        page.grid(rows, &[])?;
        page.blank()?;
    }
    let color = match (report.findings.is_empty(), report.gaps.is_empty()) {
        (false, _) => AnsiColor::Red,
        (true, false) => AnsiColor::Yellow,
        (true, true) => AnsiColor::Green,
    };
    page.heading(&headline(report), Some(color))
}

/// Whether two findings are shown as one: the same complaint about words of the same line.
fn together(a: &PinFinding, b: &PinFinding) -> bool {
    a.file == b.file && a.start.line == b.start.line && a.rule == b.rule && a.severity == b.severity
}

/// Build files, each read once.
struct Quotes<'a> {
    pins: &'a Pins<'a>,
    files: HashMap<String, Option<Source>>,
}

/// A build file as text.
enum Source {
    Plain(Arc<[u8]>),
    Utf16(Utf16),
}

impl Source {
    fn new(bytes: Arc<[u8]>) -> Self {
        Utf16::decode(&bytes).map_or(Self::Plain(bytes), Self::Utf16)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Utf16(utf16) => utf16.text().as_bytes(),
        }
    }

    /// Where an offset of the raw file stands in the text.
    fn offset(&self, raw: usize) -> usize {
        match self {
            Self::Plain(_) => raw,
            Self::Utf16(utf16) => utf16.offset(raw),
        }
    }
}

impl Quotes<'_> {
    /// One complaint about one or more words of a line.
    fn render(&mut self, group: &[PinFinding], view: &View) -> String {
        let Some(first) = group.first() else { return String::new() };
        let renderer = if view.color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.term_width(usize::from(view.width.max(super::MIN_WIDTH)));
        let level = match first.severity {
            Severity::Critical | Severity::High => Level::ERROR,
            Severity::Medium => Level::WARNING,
            Severity::Low => Level::NOTE,
            Severity::Info => Level::INFO,
        };
        let messages: Vec<String> =
            group.iter().map(|finding| format::escaped(&finding.message)).collect();
        let title = level
            .with_name(first.severity.as_str())
            .primary_title(messages.join("\n"))
            .id(first.rule);
        let file = format::escaped(&first.file);
        let Some((line, spans)) = self.line(group) else {
            let place = format!("{file}:{}:{}", first.start.line, first.start.column);
            let element = Level::NOTE.no_name().message(place);
            return renderer.render(&[title.element(element)]);
        };
        let annotations =
            spans.into_iter().map(|span| AnnotationKind::Primary.span(span).highlight_source(true));
        let snippet = Snippet::source(line.text.as_str())
            .line_start(first.start.line)
            .path(file)
            .annotations(annotations);
        renderer.render(&[title.element(snippet)])
    }

    /// The line in which findings begin and where they stand in it; `None` where its file is gone or
    /// the line too long.
    fn line(&mut self, group: &[PinFinding]) -> Option<(Line, Vec<Range<usize>>)> {
        let finding = group.first()?;
        let sources = self.pins.sources;
        let source = self
            .files
            .entry(finding.file.clone())
            .or_insert_with(|| sources(&finding.file).map(Source::new))
            .as_ref()?;
        let line = Line::around(source.bytes(), source.offset(finding.byte_range.0))?;
        let spans = group.iter().map(|finding| {
            let (from, to) = finding.byte_range;
            line.span(source.offset(from)..source.offset(to))
        });
        let spans = spans.collect();
        Some((line, spans))
    }
}

/// A line of a file, made safe to print: every character that is not plain is one `U+FFFD`, so
/// that columns stay what they are.
struct Line {
    text: String,
    /// For each raw byte of the line, and its end, the offset in `text`.
    offsets: Vec<usize>,
    start: usize,
}

impl Line {
    fn around(bytes: &[u8], at: usize) -> Option<Self> {
        let before = bytes.get(..at)?;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |found| found + 1);
        let start = if start == 0 && bytes.starts_with(MARK) { MARK.len() } else { start };
        let rest = bytes.get(start..)?;
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let raw = rest.get(..length).filter(|raw| raw.len() <= LINE_LIMIT)?;
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        let mut text = String::with_capacity(raw.len());
        let mut offsets = Vec::with_capacity(raw.len() + 1);
        for chunk in raw.utf8_chunks() {
            for character in chunk.valid().chars() {
                offsets.resize(offsets.len() + character.len_utf8(), text.len());
                text.push(shown(character));
            }
            for _ in chunk.invalid() {
                offsets.push(text.len());
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        offsets.push(text.len());
        Some(Self { text, offsets, start })
    }

    /// Where a range of the file stands in the text; what goes beyond the line is cut off.
    fn span(&self, range: Range<usize>) -> Range<usize> {
        let end = self.text.len();
        let offset = |raw: usize| {
            let index = raw.saturating_sub(self.start);
            self.offsets.get(index).copied().unwrap_or(end)
        };
        let start = offset(range.start);
        start..offset(range.end).max(start)
    }
}

/// The character itself, or one that takes its place: control and direction characters do harm.
fn shown(character: char) -> char {
    let mut buffer = [0; 4];
    let plain = format::escaped(character.encode_utf8(&mut buffer)).chars().count() == 1;
    if plain || matches!(character, '\\' | '\t') { character } else { char::REPLACEMENT_CHARACTER }
}

fn inventory(page: &mut Page<'_>, pins: &Pins<'_>) -> io::Result<()> {
    let rows = pins.report.inputs.iter().map(|judged| {
        let input = &judged.input;
        let unknown = crate::pins::UNKNOWN;
        let clean = |text: &str| format::escaped(&text.replace(unknown, "…"));
        let place = format!("{}:{}", format::escaped(&input.place.file), input.place.start.line);
        vec![
            Cell::new(input.held().as_str()),
            Cell::new(judged.required.as_str()),
            Cell::new(input.ecosystem.as_str()),
            Cell::new(clean(&input.subject)),
            Cell::new(clean(&input.requested)),
            Cell::new(clean(&inventory::source(input))),
            Cell::new(clean(&inventory::consumer(input))),
            Cell::new(place),
        ]
    });
    let rows = rows.collect();
    let header = ["HELD", "REQUIRED", "ECOSYSTEM", "INPUT", "VERSION", "FROM", "CONSUMER", "WHERE"];
    page.table(Some(&header), rows, &[], None)?;
    page.blank()
}

/// What the golden image has that no build file accounts for: listed where a base is known, else
/// counted.
fn against(page: &mut Page<'_>, pins: &Pins<'_>) -> io::Result<()> {
    let Some(against) = pins.against else { return Ok(()) };
    let label = format::escaped(&against.label);
    let count = format::count(against.undeclared.len(), "package");
    page.heading(&format!("In {label} and in no build file: {count}"), Some(AnsiColor::Yellow))?;
    let mut parts = vec![
        format!("{} installed", format::length(against.installed)),
        format!("{} declared", format::length(against.declared)),
        format!("{} needed by those", format::length(against.needed)),
    ];
    parts.extend(against.base.map(|base| format!("{} as in the base", format::length(base))));
    writeln!(page.out, "  {}", parts.join(", "))?;
    if against.base.is_none() {
        let asked = format::length(against.asked_for);
        writeln!(
            page.out,
            "  {asked} of the rest were asked for by name; --base MANIFEST takes away what the base \
             image brought, -v lists all"
        )?;
    }
    if against.base.is_some() || page.view.verbosity == Verbosity::Verbose {
        let rows = against.undeclared.iter().map(|one| {
            let base = one.base.as_ref();
            vec![
                Cell::new(format::escaped(&one.name)),
                Cell::new(format::escaped(&one.version)),
                Cell::new(format::escaped(&one.manager)),
                Cell::new(base.map_or_else(String::new, |base| {
                    format!("the base has {}", format::escaped(base))
                })),
            ]
        });
        let rows = rows.collect();
        page.grid(rows, &[])?;
    }
    page.blank()
}

fn fixes(page: &mut Page<'_>, pins: &Pins<'_>) -> io::Result<()> {
    let Some(fixing) = pins.fixing else { return Ok(()) };
    let place = |file: &str, line: usize| Cell::new(format!("{}:{line}", format::escaped(file)));
    if !fixing.fixed.is_empty() {
        let done = if pins.is_fixed { "Pinned" } else { "Can be pinned (--fix)" };
        let count = format::count(fixing.fixed.len(), "input");
        page.heading(&format!("{done}: {count}"), Some(AnsiColor::Green))?;
        let rows = fixing.fixed.iter().map(|one| {
            vec![
                place(&one.file, one.start.line),
                Cell::new(format::escaped(&one.subject)),
                Cell::new(format::escaped(&one.pin)),
                Cell::new(format!("from {}", format::escaped(&one.from))),
            ]
        });
        let rows = rows.collect();
        page.grid(rows, &[])?;
        page.blank()?;
    }
    if !fixing.left.is_empty() {
        let count = format::count(fixing.left.len(), "input");
        page.heading(&format!("Left alone: {count}"), Some(AnsiColor::Yellow))?;
        let rows = fixing.left.iter().map(|one| {
            vec![
                place(&one.file, one.start.line),
                Cell::new(format::escaped(&one.subject)),
                Cell::new(format::escaped(&one.reason)),
            ]
        });
        let rows = rows.collect();
        page.grid(rows, &[])?;
        page.blank()?;
    }
    Ok(())
}

fn gaps(page: &mut Page<'_>, pins: &Pins<'_>) -> io::Result<()> {
    let gaps = &pins.report.gaps;
    if gaps.is_empty() {
        return Ok(());
    }
    let count = format::count(gaps.len(), "part");
    page.heading(&format!("Could not be read: {count}"), Some(AnsiColor::Yellow))?;
    let rows = gaps
        .iter()
        .map(|gap| vec![Cell::new(gap_place(gap)), Cell::new(format::escaped(&gap.reason))]);
    let rows = rows.collect();
    page.grid(rows, &[])?;
    page.blank()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{golden, render_pins};

    #[test]
    fn findings_with_their_lines() {
        let at = |width| View { width, ..View::PLAIN };
        golden("pins-80.txt", &render_pins(write, false, at(80)));
        golden("pins-160.txt", &render_pins(write, true, at(160)));
        let quiet = View { verbosity: Verbosity::Quiet, ..at(80) };
        assert_eq!(render_pins(write, false, quiet).lines().count(), 1);
    }

    #[test]
    fn a_line_is_harmless_and_keeps_its_columns() {
        let check = |bytes: &[u8], at: usize, expected: Option<&str>| {
            assert_eq!(Line::around(bytes, at).map(|line| line.text).as_deref(), expected);
        };
        check(b"one\ntwo\r\nthree", 5, Some("two"));
        check(b"a\x1b[2J\xff\xfe b", 0, Some("a\u{fffd}[2J\u{fffd}\u{fffd} b"));
        check("\u{202e}x\ty\\".as_bytes(), 0, Some("\u{fffd}x\ty\\"));
        check(b"", 0, Some(""));
        check(b"short", 6, None);
        check(&[b'x'; LINE_LIMIT + 1], 3, None);
    }
}
