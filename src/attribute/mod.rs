//! What a change belongs to: the package that shipped it, and later what caused it.
//!
//! Folding changes of files into the change of their package is not a filter. A path is explained
//! only where the package changed between the two sides, the bytes are what it ships (or, of what
//! its scripts make, the link leads to what it ships), and mode and owner are sane. Everything
//! else stays drift with a note that names the case, so that what was tampered with during an
//! upgrade is the first thing that is seen. What could not be verified is never explained.
//!
//! Nothing is hidden or judged here; what is drift and how much it matters is for the policy.

mod aside;
pub mod causes;
mod collapse;
mod cursor;
mod generated;
mod packages;
mod replaced;
mod root;
mod shipped;
mod verify;
mod whole;

pub use causes::causes;
pub use collapse::{Collapsed, collapse};
pub use cursor::{Cursor, Level};
pub use shipped::verify_shipped;
