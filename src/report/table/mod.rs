//! The default format: what a person reads at a terminal, 80 columns or wider.
//!
//! Layout is comfy-table's, so that words wrap inside their column and paths longer than it are
//! broken rather than cut. Colours come only where the view allows them. Whatever came from a
//! target was escaped before it gets here.

pub(crate) mod drift;
pub(crate) mod explain;
pub(crate) mod pins;
pub(crate) mod show;

use super::View;
use crate::model::Severity;
use anstyle::{AnsiColor, Style};
use comfy_table::presets::NOTHING;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width,
};
use std::io::{self, Write};

/// Below this, tables are as wide as this: narrower ones cannot be read.
const MIN_WIDTH: u16 = 40;
/// Columns of a list's first word, with the space around it: the longest is `explained`.
const FIRST_WORD: u16 = 12;
/// From this width on, causes have a column of their own.
const WIDE: u16 = 120;

/// A sink with its view.
struct Page<'a> {
    view: &'a View,
    out: &'a mut dyn Write,
}

impl Page<'_> {
    /// A line in bold, and in `color` where one is given.
    fn heading(&mut self, text: &str, color: Option<AnsiColor>) -> io::Result<()> {
        let mut style = Style::new().bold();
        if let Some(color) = color {
            style = style.fg_color(Some(color.into()));
        }
        let wrapped = self.wrapped(text, 0);
        if self.view.color {
            writeln!(self.out, "{style}{wrapped}{style:#}")
        } else {
            writeln!(self.out, "{wrapped}")
        }
    }

    /// A paragraph, wrapped and indented.
    fn paragraph(&mut self, text: &str, indent: u16) -> io::Result<()> {
        let wrapped = self.wrapped(text, indent);
        writeln!(self.out, "{wrapped}")
    }

    fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    fn wrapped(&self, text: &str, indent: u16) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING).force_no_tty();
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(self.view.width.max(MIN_WIDTH));
        table.add_row([text]);
        if let Some(column) = table.column_mut(0) {
            column.set_padding((indent, 0));
        }
        table.trim_fmt()
    }

    /// Rows that begin with a word (severity, disposition, stage), which gets the same width in
    /// every list of a page so that they stand below each other.
    fn list(&mut self, rows: Vec<Vec<Cell>>) -> io::Result<()> {
        self.table(None, rows, &[], Some(FIRST_WORD))
    }

    /// Rows in columns, indented by two; nothing for no rows.
    fn grid(&mut self, rows: Vec<Vec<Cell>>, right: &[usize]) -> io::Result<()> {
        self.table(None, rows, right, None)
    }

    /// Rows in columns under a header; the columns of `right` are aligned to the right, and the
    /// first one is at least `first` columns wide with its padding.
    fn table(
        &mut self,
        header: Option<&[&str]>,
        rows: Vec<Vec<Cell>>,
        right: &[usize],
        first: Option<u16>,
    ) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(self.view.width.max(MIN_WIDTH));
        if self.view.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        if let Some(header) = header {
            let bold = |text: &&str| Cell::new(*text).add_attribute(Attribute::Bold);
            table.set_header(header.iter().map(bold).collect::<Vec<_>>());
        }
        for row in rows {
            table.add_row(row);
        }
        let indent = if header.is_some() { 0 } else { 2 };
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((if index == 0 { indent } else { 1 }, 1));
            if let Some(width) = first.filter(|_| index == 0) {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
            }
            if right.contains(&index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(self.out, "{}", table.trim_fmt())
    }
}

fn severity_cell(severity: Severity) -> Cell {
    let cell = Cell::new(severity.as_str());
    match severity {
        Severity::Critical => cell.fg(Color::Red).add_attribute(Attribute::Bold),
        Severity::High => cell.fg(Color::Red),
        Severity::Medium => cell.fg(Color::Yellow),
        Severity::Low => cell.fg(Color::Cyan),
        Severity::Info => cell,
    }
}
