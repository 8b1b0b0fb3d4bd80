//! Reporters: a finished report and a sink in, bytes out.
//!
//! Goal: one report, read by people (`table`, `markdown`, `html`), by scripts (`json`, `ndjson`)
//! and by the machinery of CI (`sarif`, `junit`, `github`). Non-goals: reporters judge nothing,
//! drop nothing because of what it is, decide no exit code and read no clock. What a [`View`] asks
//! for is how much a person wants to see, never what is true.
//!
//! The structs that are written are not the model's types: they live beside their format, in
//! modules that bear the format's version (`json::drift_v1`), so that the model can move while the
//! contract stands. Every text that comes from a target is escaped by the rules of the format that
//! it is put into; the goldens under `snapshots/reports/` hold hostile names for that reason.
//!
//! To add a format: one file with functions of the types [`DriftFn`], [`ShowFn`], [`PinsFn`] where it has a
//! meaning for them, and a row in [`REPORTERS`].

#![warn(clippy::indexing_slicing)]

pub mod format;
mod github;
mod html;
mod json;
mod junit;
mod markdown;
mod narrow;
mod pins;
mod sarif;
mod sbom;
mod sheet;
mod show;
mod story;
mod table;
#[cfg(test)]
mod testing;
pub mod xattr;

pub use narrow::Narrow;
pub use pins::{Pins, Sources};
pub use show::{FileRow, Owners, Section, ShowReport, list_files};
pub use table::explain::explain;

use crate::model::DriftReport;
use std::io::{self, Write};

/// How much a person wants to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// One line.
    Quiet,
    /// Findings, and counts of the rest.
    #[default]
    Normal,
    /// Every change and all evidence.
    Verbose,
}

/// How a report is shown to a person. Formats for machines ignore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Columns of the terminal, or of the page that it is written for.
    pub width: u16,
    /// Whether colour codes may be written.
    pub color: bool,
    /// How much.
    pub verbosity: Verbosity,
    /// Whether what is expected, accepted or folded is listed too (`--all`).
    pub all: bool,
}

impl View {
    /// What a file or a pipe gets: 100 columns, no colours.
    pub const PLAIN: Self =
        Self { width: 100, color: false, verbosity: Verbosity::Normal, all: false };
}

/// Writes the answer of `compare` and `check`. Sinks are best buffered: rows come one by one.
pub type DriftFn = fn(&DriftReport, &View, &mut dyn Write) -> io::Result<()>;
/// Writes a part of a manifest for `show`.
pub type ShowFn = fn(&ShowReport<'_>, &View, &mut dyn Write) -> io::Result<()>;
/// Writes the answer of `pins`.
pub type PinsFn = fn(&Pins<'_>, &View, &mut dyn Write) -> io::Result<()>;

/// One format. A command that the format has no meaning for has [`None`] and refuses it.
pub struct Reporter {
    /// As `--format` names it.
    pub name: &'static str,
    /// For whom, in one line.
    pub summary: &'static str,
    /// For `compare` and `check`.
    pub drift: Option<DriftFn>,
    /// For `show`.
    pub show: Option<ShowFn>,
    /// For `pins`.
    pub pins: Option<PinsFn>,
}

/// All formats; the first is the default.
pub const REPORTERS: &[Reporter] = &[
    Reporter {
        name: "table",
        summary: "for people at a terminal",
        drift: Some(table::drift::write),
        show: Some(table::show::write),
        pins: Some(table::pins::write),
    },
    Reporter {
        name: "json",
        summary: "one JSON document: every change, stable schema",
        drift: Some(json::drift_v1::write),
        show: Some(json::show_v1::write),
        pins: Some(json::pins_v1::write),
    },
    Reporter {
        name: "ndjson",
        summary: "one JSON object per line, each with its type",
        drift: Some(json::drift_v1::write_lines),
        show: Some(json::show_v1::write_lines),
        pins: Some(json::pins_v1::write_lines),
    },
    Reporter {
        name: "markdown",
        summary: "for pull requests, tickets and job summaries",
        drift: Some(markdown::drift),
        show: None,
        pins: Some(markdown::pins),
    },
    Reporter {
        name: "html",
        summary: "one page to attach, archive and filter",
        drift: Some(html::drift),
        show: None,
        pins: None,
    },
    Reporter {
        name: "sarif",
        summary: "SARIF 2.1.0, for code scanning and editors",
        drift: Some(sarif::drift),
        show: None,
        pins: Some(sarif::pins),
    },
    Reporter {
        name: "junit",
        summary: "JUnit XML, for test result pages",
        drift: Some(junit::drift),
        show: None,
        pins: Some(junit::pins),
    },
    Reporter {
        name: "github",
        summary: "annotations of GitHub Actions",
        drift: Some(github::drift),
        show: None,
        pins: Some(github::pins),
    },
    Reporter {
        name: "cyclonedx",
        summary: "software bill of materials, CycloneDX 1.6",
        drift: None,
        show: Some(sbom::cyclonedx::write),
        pins: Some(sbom::inputs::write),
    },
    Reporter {
        name: "spdx",
        summary: "software bill of materials, SPDX 2.3 as JSON",
        drift: None,
        show: Some(sbom::spdx::write),
        pins: None,
    },
];

/// The format of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Reporter> {
    REPORTERS.iter().find(|reporter| reporter.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_the_contracts_words() {
        for (index, reporter) in REPORTERS.iter().enumerate() {
            assert!(REPORTERS.iter().skip(index + 1).all(|other| other.name != reporter.name));
            assert!(!reporter.summary.is_empty() && reporter.summary.len() < 60);
            assert_eq!(find(reporter.name).unwrap().summary, reporter.summary);
        }
        assert!(find("xml").is_none());
    }

    #[test]
    fn the_same_report_gives_the_same_bytes() {
        let report = testing::drift();
        for reporter in REPORTERS {
            let Some(write) = reporter.drift else { continue };
            let bytes = || {
                let mut out = Vec::new();
                write(&report, &View::PLAIN, &mut out).unwrap();
                out
            };
            assert_eq!(bytes(), bytes(), "{}", reporter.name);
        }
    }

    #[test]
    fn no_format_of_pins_lets_a_control_character_through() {
        for write in REPORTERS.iter().filter_map(|reporter| reporter.pins) {
            let text = testing::render_pins(write, true, View::PLAIN);
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
            assert_eq!(text, testing::render_pins(write, true, View::PLAIN));
        }
    }

    #[test]
    fn no_format_lets_a_control_character_through() {
        let report = testing::drift();
        for reporter in REPORTERS {
            let Some(write) = reporter.drift else { continue };
            for verbosity in [Verbosity::Quiet, Verbosity::Normal, Verbosity::Verbose] {
                let mut out = Vec::new();
                write(&report, &View { verbosity, all: true, ..View::PLAIN }, &mut out).unwrap();
                let text = String::from_utf8(out).unwrap();
                let bad = text.chars().find(|c| c.is_control() && *c != '\n');
                assert_eq!(bad, None, "{}", reporter.name);
            }
        }
    }
}
