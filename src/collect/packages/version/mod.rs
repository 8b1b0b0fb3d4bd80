//! The order of versions, as each package manager has it: pure functions, for whoever wants to
//! know whether a change is an upgrade or a downgrade.

pub mod deb;
pub mod rpm;

use std::cmp::Ordering;

/// Which of two versions of a manager's package is the newer; `None` where the manager gives its
/// versions no order.
#[must_use]
pub fn order(manager: &str, a: &str, b: &str) -> Option<Ordering> {
    match manager {
        "dpkg" | "opkg" => Some(deb::compare(a, b)),
        "rpm" => Some(rpm::compare(a, b)),
        _ => None,
    }
}
