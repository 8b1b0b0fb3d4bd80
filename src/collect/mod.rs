//! What is read out of a tree besides the tree itself: packages, facts, events.
//!
//! A collector is one file with one row in [`COLLECTORS`]. It parses bytes by pure functions, never
//! runs anything, and records; it does not judge, compare or subtract. What it cannot read is a
//! gap of that part and no more.

pub mod bytes;
pub mod events;
pub mod facts;
pub mod openpgp;
pub mod os_release;
pub mod packages;
pub mod reader;
pub mod sqlite;
pub mod texts;
pub mod zip;

use crate::filesystem::Filesystem;
use crate::model::{Records, TreePath};

/// What a collector may look at.
pub struct View<'a> {
    /// The target's tree.
    pub filesystem: &'a dyn Filesystem,
    /// Paths that the walk met whose names one of the collector's [`Collector::wanted`] patterns
    /// matches, sorted.
    pub found: &'a [TreePath],
}

/// Among [`Collector::wanted`]: regular files with the setuid or setgid bit, whatever they are called.
/// No name has a slash.
pub const SET_ID: &str = "/set-id";

/// Among [`Collector::wanted`]: executables that say what they were built from
/// ([`packages::executables::says_something`]), whatever they are called.
pub const BUILD_INFO: &str = "/build-info";

/// A row of the table.
pub struct Collector {
    /// As `driftcheck list collectors` shows it.
    pub name: &'static str,
    /// Raised whenever the same bytes would give other records, so that remembered ones are not
    /// used.
    pub version: u32,
    /// One line for people.
    pub summary: &'static str,
    /// File names (the last component, `*` at the start or the end as a wild card) that the walk
    /// reports wherever they lie; for what has no fixed place. Or [`SET_ID`], or [`BUILD_INFO`].
    pub wanted: &'static [&'static str],
    /// Reads and records.
    pub collect: fn(&View<'_>, &mut Records),
}

/// All of them, in the order in which they run.
pub static COLLECTORS: &[&Collector] = &[
    &packages::dpkg::COLLECTOR,
    &packages::dpkg::alternatives::COLLECTOR,
    &packages::rpm::COLLECTOR,
    &packages::apk::COLLECTOR,
    &packages::pacman::COLLECTOR,
    &packages::opkg::COLLECTOR,
    &packages::portage::COLLECTOR,
    &packages::snap::COLLECTOR,
    &packages::flatpak::COLLECTOR,
    &packages::nix::COLLECTOR,
    &packages::homebrew::COLLECTOR,
    &packages::python::COLLECTOR,
    &packages::npm::COLLECTOR,
    &packages::gem::COLLECTOR,
    &packages::composer::COLLECTOR,
    &packages::conda::COLLECTOR,
    &packages::r::COLLECTOR,
    &packages::cpan::COLLECTOR,
    &packages::dotnet::COLLECTOR,
    &packages::java::COLLECTOR,
    &packages::executables::COLLECTOR,
    &events::apt::COLLECTOR,
    &events::dpkg::COLLECTOR,
    &events::cloud_init::COLLECTOR,
    &events::syslog::COLLECTOR,
    &events::journal::COLLECTOR,
    &events::logins::COLLECTOR,
    &events::rpm::COLLECTOR,
    &events::pacman::COLLECTOR,
    &events::apk::COLLECTOR,
    &events::chef::COLLECTOR,
    &events::puppet::COLLECTOR,
    &events::salt::COLLECTOR,
    &events::history::COLLECTOR,
    &events::leavings::COLLECTOR,
    &events::agents::COLLECTOR,
    &events::markers::COLLECTOR,
    &facts::accounts::COLLECTOR,
    &facts::sudoers::COLLECTOR,
    &facts::ssh::COLLECTOR,
    &facts::units::COLLECTOR,
    &facts::cron::COLLECTOR,
    &facts::sysctl::COLLECTOR,
    &facts::mounts::COLLECTOR,
    &facts::network::COLLECTOR,
    &facts::pam::COLLECTOR,
    &facts::loader::COLLECTOR,
    &facts::trust::COLLECTOR,
    &facts::boot::COLLECTOR,
    &facts::environment::COLLECTOR,
    &facts::containers::COLLECTOR,
    &facts::set_id::COLLECTOR,
    &facts::system::COLLECTOR,
    &facts::repositories::COLLECTOR,
    &facts::updates::COLLECTOR,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_words() {
        let names: BTreeSet<&str> = COLLECTORS.iter().map(|collector| collector.name).collect();
        assert_eq!(names.len(), COLLECTORS.len());
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        for collector in COLLECTORS {
            assert!(collector.name.chars().all(is_word), "{}", collector.name);
            assert!(!collector.summary.is_empty() && collector.version > 0);
        }
    }
}
