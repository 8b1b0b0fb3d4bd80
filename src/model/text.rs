//! Texts of files that are kept to be shown, and their differences.

use super::TreePath;

/// What is kept of a text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The file's own text, or its lines with secrets hidden.
    pub text: String,
    /// Whether it differs from the bytes of the file.
    pub is_redacted: bool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// `@@ -1,3 +1,4 @@`: where the lines after it stand.
    Place,
    /// In both.
    Context,
    /// Only before.
    Removed,
    /// Only after.
    Added,
}

impl LineKind {
    /// What a unified diff writes before the line.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Place => "",
            Self::Context => " ",
            Self::Removed => "-",
            Self::Added => "+",
        }
    }
}

/// How the text of one file differs, as a unified diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextDiff {
    /// Which file.
    pub path: TreePath,
    /// Without line ends; not escaped.
    pub lines: Vec<(LineKind, String)>,
    /// What is to be said of it: that something is hidden, cut, or not kept.
    pub note: Option<String>,
}
