//! The order of versions, as each package manager has it: pure functions, for whoever wants to
//! know whether a change is an upgrade or a downgrade.

pub mod apk;
pub mod deb;
pub mod dotted;
pub mod gem;
pub mod maven;
pub mod pacman;
pub mod pep440;
pub mod portage;
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
        "portage" => portage::compare(a, b),
        "pypi" => pep440::compare(a, b),
        "npm" | "cargo" | "golang" | "composer" | "nuget" => semver::compare(a, b),
        "gem" => gem::compare(a, b),
        "maven" => maven::compare(a, b),
        "cran" => dotted::compare_r(a, b),
        "cpan" => dotted::compare_perl(a, b),
        "conda" => dotted::compare_conda(a, b),
        // Revisions that count up.
        "snap" => {
            let revision = |text: &str| text.parse::<u64>().ok();
            Some(revision(a)?.cmp(&revision(b)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod testing {
    use std::cmp::Ordering;

    /// Asserts the order of two versions, and the reverse the other way round.
    pub(super) fn both_ways(compare: fn(&str, &str) -> Ordering) -> impl Fn(&str, Ordering, &str) {
        move |a, expected, b| {
            assert_eq!(compare(a, b), expected, "{a} {b}");
            assert_eq!(compare(b, a), expected.reverse(), "{b} {a}");
        }
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
        check("portage", "1.0_rc1-r1", "1.0", Some(Ordering::Less));
        check("pypi", "1.0.dev1", "1.0a1", Some(Ordering::Less));
        check("npm", "1.0.0-rc.1", "1.0.0", Some(Ordering::Less));
        check("gem", "1.0.rc1", "1.0", Some(Ordering::Less));
        check("maven", "1.0.Final", "1.0.1.Final", Some(Ordering::Less));
        check("cran", "1.0-9", "1.0-10", Some(Ordering::Less));
        check("cpan", "1.1", "1.02", Some(Ordering::Greater));
        check("conda", "1.0-0", "1.0-1", Some(Ordering::Less));
        check("golang", "v1.2.0", "v1.10.0", Some(Ordering::Less));
        check("snap", "9", "10", Some(Ordering::Less));
        check("flatpak", "a", "b", None);
    }
}
