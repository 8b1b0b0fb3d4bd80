//! Where a package's version comes from: a line of the files that build and customise images.

use super::PackageKey;

/// A line of a build file that let a package be another version than the baseline's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BuildLine {
    /// The package that drifted.
    pub package: PackageKey,
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// Of the word, from 1, in characters.
    pub column: usize,
    /// The line, blanks around it left out.
    pub text: String,
    /// The version as it is written, empty where none is.
    pub requested: String,
    /// How firmly the line holds it: a word of `pins`.
    pub strength: &'static str,
    /// The package that the line names, where the one that drifted came along with it.
    pub through: Option<String>,
    /// The word that would have held it.
    pub pin: Option<String>,
    /// The manifest that the pin's version is from.
    pub from: Option<String>,
}
