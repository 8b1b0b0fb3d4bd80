//! The order of versions, as each package manager has it: pure functions, for whoever wants to
//! know whether a change is an upgrade or a downgrade.

pub mod apk;
pub mod deb;
pub mod pacman;
pub mod pep440;
pub mod rpm;
pub mod semver;

use std::cmp::Ordering;

/// How `a` stands to `b` as versions of one package of a manager ([`crate::model::PackageKey`]'s
/// word); `None` where the manager gives its versions no order, or one of them is none.
#[must_use]
pub fn order(manager: &str, a: &str, b: &str) -> Option<Ordering> {
    match manager {
        "dpkg" | "opkg" => Some(deb::compare(a, b)),
        "rpm" => Some(rpm::compare(a, b)),
        "apk" => Some(apk::compare(a, b)),
        "pacman" => Some(pacman::compare(a, b)),
        "pypi" => pep440::compare(a, b),
        "npm" | "cargo" | "golang" | "gem" | "composer" | "nuget" | "maven" => {
            semver::compare(a, b)
        }
        // Revisions that count up.
        "snap" => {
            let revision = |text: &str| text.parse::<u64>().ok();
            Some(revision(a)?.cmp(&revision(b)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_manager_has_its_own_order() {
        let check = |manager: &str, a: &str, b: &str, expected: Option<Ordering>| {
            assert_eq!(order(manager, a, b), expected, "{manager} {a} {b}");
        };
        check("dpkg", "1.0~rc1", "1.0", Some(Ordering::Less));
        check("rpm", "1.0^git", "1.0", Some(Ordering::Greater));
        check("apk", "1.0_p1", "1.0", Some(Ordering::Greater));
        check("pacman", "1.0rc", "1.0", Some(Ordering::Less));
        check("pypi", "1.0.dev1", "1.0a1", Some(Ordering::Less));
        check("npm", "1.0.0-rc.1", "1.0.0", Some(Ordering::Less));
        check("snap", "9", "10", Some(Ordering::Less));
        check("flatpak", "a", "b", None);
    }
}
