//! Pure data: what the other rooms hand to each other, and its canonical encoding.
//!
//! Nothing here does I/O, reads a clock or knows a file format that is not our own. The one format
//! that lives here is the canonical encoding of trees ([`encoding`]): the ids of everything that is
//! stored depend on it, so its bytes are pinned by constants in tests, and a change of it is a new
//! version of it.

pub mod baseline;
pub mod build_line;
pub mod capabilities;
pub mod cause;
pub mod change;
pub mod digest;
pub mod encoding;
pub mod entry;
pub mod event;
pub mod fact;
pub mod fault;
pub mod finding;
pub mod manifest;
pub mod package;
pub mod path;
pub mod records;
pub mod shipped;
#[cfg(test)]
pub mod testing;
pub mod text;
pub mod time;
pub mod tree;
pub mod verification;
pub mod words;

pub use baseline::Baseline;
pub use build_line::BuildLine;
pub use capabilities::Capabilities;
pub use cause::{Cause, CauseKind, Confidence, Evidence};
pub use change::{Attribute, AttributeValue, Change, ChangeKind, Subject};
pub use digest::{ContentDigest, ContentId, ExactId, ManifestId, SetId, ShippedId};
pub use entry::{Content, DeviceNumber, DirectoryContent, Entry, FileKind, Xattr};
pub use event::{Event, EventSubject, EventTime, TimeCertainty};
pub use fact::Fact;
pub use fault::{Fault, FaultKind};
pub use finding::{
    Disposition, DriftReport, Finding, JudgedChange, ManifestSummary, Outcome, Severity,
};
pub use manifest::{HardLinks, Header, Manifest, Omission, Sections, Side};
pub use package::{Direction, Package, PackageKey};
pub use path::{Name, TreePath};
pub use records::{Gap, Records, Stage};
pub use shipped::{
    AlternateDigests, Claim, Expectation, ShippedDigest, ShippedEntry, ShippedSource, ShippedTree,
};
pub use text::{LineKind, Text, TextDiff};
pub use time::Timestamp;
pub use tree::{Tree, TreeSource};
pub use verification::{Deviation, Unverified, Verification};
