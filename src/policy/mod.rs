//! Judging: which changes are expected, which were accepted, and what a person is to look at.
//!
//! A policy is a TOML file of four kinds of entries. `[[expect]]` says *what may happen* to paths
//! (growth but not truncation, content but not mode), never just "ignore this path". `[[accept]]`
//! is a person's word with a reason and, if wanted, a last day. `[[severity]]` says how much a
//! change matters. `[[text]]` names the files whose text is kept, to be shown as a difference. The shipped entries lie in `policies/default.toml` and are embedded; those of
//! users come after them and are answerable: an entry that matched nothing or has expired is
//! itself a finding.
//!
//! No change is dropped here: every one leaves with exactly one disposition, and the findings are
//! made of those that are drift. A reporter adds nothing and hides nothing.

mod accept;
mod file;
mod findings;
mod judge;
mod matcher;
mod title;

pub use accept::{Accepted, accept_cause};
pub use file::{Policy, PolicyError};
pub use judge::{Judged, Policies, judge, outcome};
