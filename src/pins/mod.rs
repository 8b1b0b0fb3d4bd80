//! The second door: what do the files that build and customise images take from outside, and how
//! firmly do they hold it?
//!
//! ```text
//! file -> Carrier (by path and first bytes) -> Audit { inputs, remarks, gaps } -> PinReport
//!             |                                   ^
//!             +-- Fragment of a command ----> shell::audit
//! ```
//!
//! * [`carrier`]: the table of kinds of files. **To add one**: one new file or folder with
//!   `pub const CARRIER: Carrier`, its `mod` line here, its row in [`carrier::CARRIERS`]. It reads
//!   its own format, hands in what it finds itself with [`Audit::push`], and gives every command
//!   that a shell runs to [`shell::audit`] as a [`span::Fragment`].
//! * [`span`]: decoded text that knows its raw bytes. A carrier never searches its file again for
//!   a word: it builds a fragment (`verbatim`, `replaced` for escapes and resolved expressions,
//!   `unknown` for what comes from outside) and asks it for the raw range.
//! * [`strength`], [`classify`], [`image`]: how firmly a word holds; the only place that knows.
//! * [`environment`]: constants and the state of the machine being built. One environment per
//!   machine, handed from command to command, so that a variable, a saved download or a frozen
//!   repository of one command counts in the next.
//! * [`repository`]: files beside the file; [`Audit::follow`] reads one within the same audit.
//! * [`rules`]: the rule families. [`requirements`]: what policy asks for. [`report`]: the judged
//!   report. [`walk`]: trees of files into one report.
//!
//! Tests that a new carrier joins: `tests/it/pins_matrix.rs` (the same command, the same verdict, at
//! the same word: one row says how a command is laid into the file), `pins_mutation.rs` (a pinned
//! sample is clean, each pin taken away is one finding), `pins_hostile.rs` (every carrier of the table
//! is in it by itself).
//!
//! It refuses: to execute, to ask the network, to leave the root, to call anything unpinned that
//! it does not understand ([`Strength::Unknown`] instead), and to let one bad file, or a bad part
//! of a file, hide another.

pub mod adoption;
pub mod against;
pub mod ansible;
pub mod audit;
pub mod carrier;
pub mod chef;
pub mod ci;
pub mod classify;
pub mod cloud_init;
pub mod compose;
mod consistency;
mod constants;
pub mod devcontainer;
pub mod dockerfile;
pub mod encoding;
pub mod environment;
pub mod fix;
pub mod github_actions;
pub mod hcl;
pub mod image;
pub mod input;
pub mod inventory;
mod jinja;
pub mod kubernetes;
pub mod machine_image;
pub mod makefile;
pub mod manifests;
pub mod packer;
mod platform;
pub mod pre_commit;
pub mod puppet;
pub mod report;
pub mod repository;
pub mod requirements;
mod resource;
pub mod rules;
pub mod salt;
pub mod script;
pub mod shell;
pub mod span;
mod steps;
pub mod strength;
pub mod suppress;
mod syntax;
pub mod terraform;
mod tree;
pub mod vagrant;
pub mod walk;
pub mod yaml;

pub use adoption::Accepted;
pub use audit::{Audit, Collected, InputId};
pub use carrier::{CARRIERS, Carrier};
pub use environment::{Constant, Environment, Machine, MachineFile};
pub use input::{Built, Credit, Input, Origin, PinForm, PinGap, Place, Remark};
pub use report::{PinFinding, PinInput, PinReport};
pub use repository::{MAX_FILE, Repository, SourceFile};
pub use requirements::Requirements;
pub use rules::{RULES, RuleFamily};
pub use span::{Fragment, FragmentBuilder, LineIndex, Position, UNKNOWN};
pub use strength::{Category, Ecosystem, Strength};
pub use suppress::Suppressed;
pub use walk::{AuditOptions, audit_paths, find_above, requirements_of};
