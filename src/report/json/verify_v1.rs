//! `driftcheck.verify/1`: what differs from what packages shipped, path by path.
//!
//! `ndjson` has a first line of type `manifest`, a line of type `summary`, then `deviation`,
//! `unverified` and `unread` lines.

use super::parts::{Attributes, PackageKey, Path, Side};
use super::{document, line};
use crate::model::{self, Manifest, ShippedSource, Verification};
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    manifest: Side<'a>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    summary: Summary,
    deviations: Vec<Deviation<'a>>,
    unverified: Vec<Unverified<'a>>,
    unread: Vec<Unread<'a>>,
}

#[derive(Serialize)]
struct Summary {
    claims: u64,
    digests: u64,
    deviations: usize,
    unverified: usize,
    unread: usize,
}

#[derive(Serialize)]
struct Deviation<'a> {
    #[serde(flatten)]
    path: Path<'a>,
    package: PackageKey<'a>,
    source: &'static str,
    missing: bool,
    attributes: Attributes<'a>,
}

#[derive(Serialize)]
struct Unverified<'a> {
    #[serde(flatten)]
    path: Path<'a>,
    package: PackageKey<'a>,
    reason: &'a str,
}

#[derive(Serialize)]
struct Unread<'a> {
    #[serde(flatten)]
    path: Path<'a>,
    reason: &'a str,
}

fn head(manifest: &Manifest) -> Head<'_> {
    Head { schema: "driftcheck.verify/1", manifest: manifest.into() }
}

impl From<&Verification> for Summary {
    fn from(all: &Verification) -> Self {
        Self {
            claims: all.claims,
            digests: all.digests,
            deviations: all.deviations.len(),
            unverified: all.unverified.len(),
            unread: all.unread.len(),
        }
    }
}

impl<'a> From<&'a model::Deviation> for Deviation<'a> {
    fn from(row: &'a model::Deviation) -> Self {
        Self {
            path: (&row.path).into(),
            package: (&row.package).into(),
            source: match row.source {
                ShippedSource::File => "file",
                ShippedSource::Configuration => "configuration",
                ShippedSource::Ghost => "ghost",
            },
            missing: row.is_missing,
            attributes: Attributes(&row.attributes),
        }
    }
}

impl<'a> From<&'a model::Unverified> for Unverified<'a> {
    fn from(row: &'a model::Unverified) -> Self {
        let package = (&row.package).into();
        Self { path: (&row.path).into(), package, reason: row.reason }
    }
}

fn unread(row: &(model::TreePath, String)) -> Unread<'_> {
    Unread { path: (&row.0).into(), reason: &row.1 }
}

/// `json`.
pub(super) fn write(
    manifest: &Manifest,
    all: &Verification,
    out: &mut dyn Write,
) -> io::Result<()> {
    let whole = Document {
        head: head(manifest),
        summary: all.into(),
        deviations: all.deviations.iter().map(Into::into).collect(),
        unverified: all.unverified.iter().map(Into::into).collect(),
        unread: all.unread.iter().map(unread).collect(),
    };
    document(&whole, out)
}

/// `ndjson`.
pub(super) fn write_lines(
    manifest: &Manifest,
    all: &Verification,
    out: &mut dyn Write,
) -> io::Result<()> {
    line("manifest", &head(manifest), out)?;
    line("summary", &Summary::from(all), out)?;
    all.deviations.iter().try_for_each(|row| line("deviation", &Deviation::from(row), out))?;
    all.unverified.iter().try_for_each(|row| line("unverified", &Unverified::from(row), out))?;
    all.unread.iter().try_for_each(|row| line("unread", &unread(row), out))
}
