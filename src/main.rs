//! The `driftcheck` binary.
fn main() {}
