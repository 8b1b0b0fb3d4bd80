//! driftcheck: is this machine still the image that was built, and if not, what changed it?
//!
//! The rooms, by floor; a room uses rooms on lower floors only, and rooms on one floor never use
//! each other:
//!
//! | floor | rooms |
//! |---|---|
//! | 0 | [`machine`], [`model`] |
//! | 1 | [`block`] |
//! | 2 | [`filesystem`] |
//! | 3 | [`targets`], [`collect`], [`pins`] |
//! | 4 | [`scan`], [`store`], [`compare`], [`attribute`], [`policy`], [`report`] |
//! | 5 | [`cli`] |

pub mod attribute;
pub mod block;
pub mod cli;
pub mod collect;
pub mod compare;
pub mod filesystem;
mod machine;
pub mod model;
pub mod pins;
pub mod policy;
pub mod report;
pub mod scan;
pub mod store;
pub mod targets;
