//! HCL for Packer and Terraform: files into bodies, folders into units, expressions into values
//! whose words still know their raw bytes.
//!
//! ```text
//! file -> split (items) -> parse (hcl-edit, one item at a time) -> syntax
//!                          json (jsonc-parser) ----------------------^
//! folder -> module (variables, locals, variable files)
//! expression -> evaluate, functions -> value -> words to judge, commands to run
//! ```
//!
//! It refuses to guess: what a run decides is several values or an unknown one. Follows the HCL
//! native syntax specification and its JSON form.

mod commands;
mod decode;
mod evaluate;
mod functions;
pub(crate) mod json;
pub(in crate::pins) mod module;
pub(in crate::pins) mod parse;
mod reader;
mod split;
pub(in crate::pins) mod syntax;
pub(in crate::pins) mod value;

pub(in crate::pins) use commands::{follow_script, run, run_in, within};
pub(in crate::pins) use evaluate::Evaluator;
pub(in crate::pins) use module::{Module, Tool, inside, locate, read_file};
pub(in crate::pins) use reader::{Reader, children, run_time};
