//! What collectors hand in, and what could not be had.

use super::{Claim, Event, Fact, Omission, Package, TreePath};
use std::fmt;

/// Where in the pipeline something could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The medium: partition table, volume, file system.
    Image,
    /// Listing a directory.
    List,
    /// An entry's metadata.
    Metadata,
    /// A file's bytes.
    Content,
    /// Extended attributes.
    Xattrs,
    /// A package database.
    Packages,
    /// A fact.
    Facts,
    /// A log or another source of events.
    Events,
}

impl Stage {
    /// All of them, in the order of the pipeline.
    pub const ALL: [Self; 8] = [
        Self::Image,
        Self::List,
        Self::Metadata,
        Self::Content,
        Self::Xattrs,
        Self::Packages,
        Self::Facts,
        Self::Events,
    ];

    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::List => "list",
            Self::Metadata => "metadata",
            Self::Content => "content",
            Self::Xattrs => "xattrs",
            Self::Packages => "packages",
            Self::Facts => "facts",
            Self::Events => "events",
        }
    }

    /// Reads the word of reports.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == word)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A part that could not be read: unknown, which is not absent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Where.
    pub path: TreePath,
    /// At what.
    pub stage: Stage,
    /// Why, in one line, with the numbers.
    pub reason: String,
}

/// What the collectors of one scan recorded. Sorted and without doubles once the scan is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Installed software.
    pub packages: Vec<Package>,
    /// Statements about the system.
    pub facts: Vec<Fact>,
    /// What was done to it.
    pub events: Vec<Event>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// What was left out on purpose.
    pub omissions: Vec<Omission>,
    /// What packages say about their files; becomes the shipped tree, not a table.
    pub claims: Vec<Claim>,
}

impl Records {
    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.packages.extend(other.packages);
        self.facts.extend(other.facts);
        self.events.extend(other.events);
        self.gaps.extend(other.gaps);
        self.omissions.extend(other.omissions);
        self.claims.extend(other.claims);
    }

    /// Records that something could not be read.
    pub fn gap(&mut self, path: &TreePath, stage: Stage, reason: impl fmt::Display) {
        self.gaps.push(Gap { path: path.clone(), stage, reason: reason.to_string() });
    }
}
