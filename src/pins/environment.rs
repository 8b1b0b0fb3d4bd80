//! What is known while a build file is read from top to bottom: constants, and the state of the
//! machine that is being built (files put there, repositories that were frozen, downloads that
//! nobody has verified yet).
//!
//! One environment lives as long as the machine that the commands run on: a Dockerfile's stage, a
//! shell script, all `runcmd` of one user-data, all provisioners of one Packer build.

use super::audit::InputId;
use super::classify;
use super::constants::Constants;
use super::input::{Built, Credit, Origin};
use super::platform;
use super::span::{Fragment, UNKNOWN};
use super::strength::Ecosystem;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

/// More constants than this are not remembered (a hostile file could define millions).
const MAX_CONSTANTS: usize = 20_000;

/// A longer value is not remembered: repeated expansion of it would explode.
pub const MAX_VALUE: usize = 64 * 1024;

/// A value with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// One fragment for a plain value, several for an array or a literal list.
    /// [`UNKNOWN`] stands for parts that come from outside.
    pub values: Vec<Fragment>,
    /// The file whose raw bytes the fragments count in.
    pub file: Arc<str>,
    /// Where it came from.
    pub origin: Origin,
    /// The current element of a loop or a positional argument: what is made of it is reported
    /// where the element stands, not where the variable is used.
    pub element: bool,
}

impl Constant {
    /// Whether it was only made ready (`url=`) and not given a value.
    fn is_empty(&self) -> bool {
        self.texts().all(str::is_empty)
    }

    /// Whether it is a list of names, as of packages: neither options nor a command.
    fn is_names(&self) -> bool {
        let verbs = ["add", "exec", "get", "install", "run", "sudo", "update", "upgrade"];
        let name = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_alphanumeric())
                && !word.contains([UNKNOWN, '$', '`', '"'])
                && !word.contains("://")
                && !verbs.contains(&word)
        };
        let count: usize = self.texts().map(|text| text.split_whitespace().count()).sum();
        count > 1 && self.texts().flat_map(str::split_whitespace).all(name)
    }

    /// The values as plain text.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(Fragment::text)
    }

    /// A value that nobody here can know.
    #[must_use]
    pub fn unknown(origin: Origin, file: &Arc<str>) -> Self {
        let value = Fragment::opaque(UNKNOWN.encode_utf8(&mut [0; 4]), 0..0);
        Self { values: vec![value], file: Arc::clone(file), origin, element: false }
    }
}

/// What lies in the machine under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineFile {
    /// Copied from the repository: its path there.
    Repository(String),
    /// Written by the build file itself (heredoc, `write_files`), with its map.
    Text(Arc<Fragment>, Arc<str>),
    /// Fetched; the input that fetched it.
    Downloaded(InputId),
    /// Made by a program that verified a signature: a list of checksums to be trusted.
    Verified,
}

/// Files of one machine that are remembered: names are looked for among all of them.
const MAX_FILES: usize = 500;

/// Files by their path in the machine.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<String, MachineFile>);

impl Files {
    /// Puts a file in, unless there are too many already.
    pub fn insert(&mut self, path: String, file: MachineFile) {
        if self.0.len() < MAX_FILES || self.0.contains_key(&path) {
            self.0.insert(path, file);
        }
    }

    /// Takes a file out.
    pub fn remove(&mut self, path: &str) {
        self.0.remove(path);
    }

    /// Takes out what a download brought.
    pub fn forget(&mut self, download: InputId) {
        self.0.retain(|_, file| *file != MachineFile::Downloaded(download));
    }
}

impl Deref for Files {
    type Target = BTreeMap<String, MachineFile>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// The state of the machine that is being built.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// A dated snapshot repository, by the ecosystem whose packages it holds from here on.
    pub snapshots: BTreeMap<Ecosystem, Credit>,
    /// Packages that a preferences file or version lock holds: name (or `*`) to the credit.
    pub held: BTreeMap<String, Credit>,
    /// What it is built from, where the file says so.
    pub built: Option<Arc<Built>>,
    /// The base image is pinned by digest.
    pub digest_base: bool,
    /// The package index was refreshed since the base.
    pub refreshed: bool,
    /// Files by their path in the machine, or by bare name where the directory is not known.
    pub files: Files,
    /// Inputs that installed an exact version, so that a later upgrade of everything is said to
    /// undo them.
    pub exact: Vec<InputId>,
    /// The working directory, absolute, where it is known.
    pub directory: Option<String>,
}

/// Constants and machine.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    constants: Constants,
    /// Shell functions by name: their bodies, and the file that the bodies' ranges count in.
    pub functions: BTreeMap<String, (Fragment, Arc<str>)>,
    /// The machine.
    pub machine: Machine,
}

impl Environment {
    /// Gives a name a value, replacing an older one.
    pub fn set(&mut self, name: &str, constant: Constant) {
        let length: usize = constant.values.iter().map(|value| value.text().len()).sum();
        if length <= MAX_VALUE
            && (self.constants.len() < MAX_CONSTANTS || self.constants.get(name).is_some())
        {
            self.constants.insert(name, Arc::new(constant));
        } else {
            self.constants.remove(name);
        }
    }

    /// Takes a name away: what it means is unknown again.
    pub fn unset(&mut self, name: &str) {
        self.constants.remove(name);
    }

    /// What a name stands for; `None` where nothing in the files says.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Constant> {
        self.constants.get(name).map(Arc::as_ref)
    }

    /// The same constants on another machine, or in a shell of its own: functions are not
    /// inherited.
    #[must_use]
    pub fn constants_only(&self) -> Self {
        Self { constants: self.constants.clone(), ..Self::default() }
    }

    /// The constants that a text refers to as `${NAME}`, on another machine.
    #[must_use]
    pub fn named_in(&self, text: &str) -> Self {
        let mut constants = Constants::default();
        for name in text.split("${").skip(1).filter_map(|rest| rest.split('}').next()) {
            if let Some(value) = self.constants.get(name) {
                constants.insert(name, Arc::clone(value));
            }
        }
        Self { constants, ..Self::default() }
    }

    /// Puts back the constants of `before`, as when a shell of its own ends; the machine stays.
    pub fn restore_constants(&mut self, before: &Self) {
        self.constants.clone_from(&before.constants);
    }

    /// Joins what a branch made of the constants with what they were before it: a name that
    /// another branch gives another value is unknown from here on, a name that only one branch
    /// knows keeps that value.
    pub fn merge_branch(&mut self, before: &Self) {
        for name in self.constants.changed(&before.constants) {
            let Some(constant) = before.constants.get(&name) else { continue };
            match self.constants.get(&name) {
                Some(own) if Arc::ptr_eq(own, constant) => {}
                Some(own) if own.texts().eq(constant.texts()) || alike(own, constant) => {}
                Some(_) if constant.is_empty() => {}
                Some(own) if own.is_names() && constant.is_names() && own.file == constant.file => {
                    // What either installs is installed on some machine.
                    let mut both = Constant::clone(own);
                    let new = |value: &&Fragment| !own.texts().any(|text| text == value.text());
                    both.values.extend(constant.values.iter().filter(new).cloned());
                    self.set(&name, both);
                }
                Some(own) if !own.is_empty() => {
                    let (origin, file) = (own.origin.clone(), Arc::clone(&own.file));
                    self.set(&name, Constant::unknown(origin, &file));
                }
                _ => self.constants.insert(&name, Arc::clone(constant)),
            }
        }
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.constants.iter().map(|(name, _)| name)
    }
}

/// Package managers of distributions: a script that has one of them in a variable means whichever
/// there is.
const MANAGERS: &[&str] =
    &["apk", "apt", "apt-get", "brew", "dnf", "microdnf", "pacman", "tdnf", "yum", "zypper"];

/// Whether two values are the same kind of pin, so that it does not matter which branch was taken:
/// two digests, two versions, two addresses, each held equally firmly.
fn alike(one: &Constant, other: &Constant) -> bool {
    let ([one], [other]) = (one.values.as_slice(), other.values.as_slice()) else { return false };
    let (one, other) = (one.text(), other.text());
    let digest = |text: &str| text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let version = |text: &str| {
        text.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()) && text.contains('.')
    };
    let address = |text: &str| text.contains("://");
    let manager = |text: &str| {
        let mut words = text.split_whitespace().filter(|word| *word != "sudo");
        words.next().is_some_and(|first| MANAGERS.contains(&first))
    };
    (manager(one) && manager(other))
        || (digest(one) && digest(other))
        || (platform::is_word(one) && platform::is_word(other))
        || (address(one) && address(other) && classify::url(one) == classify::url(other))
        || (version(one)
            && version(other)
            && classify::constraint(one) == classify::constraint(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_that_agree_in_kind_stay_known() {
        let check = |one: &str, other: &str, expected: bool| {
            let origin = Origin { name: String::new(), place: None, overridable: false };
            let constant = |text: &str| {
                let mut constant = Constant::unknown(origin.clone(), &Arc::from("f"));
                constant.values = vec![Fragment::verbatim(text, 0)];
                constant
            };
            let mut before = Environment::default();
            before.set("V", constant(one));
            let mut after = Environment::default();
            after.set("V", constant(other));
            after.merge_branch(&before);
            let text: String = after.get("V").into_iter().flat_map(Constant::texts).collect();
            assert_eq!(!text.contains(UNKNOWN), expected, "{one} {other}");
        };
        check("1.2.3", "1.2.4", true);
        check("1.2.3", "latest", false);
        check("https://e.org/a-1.2.3.tgz", "https://e.org/b-1.2.3.tgz", true);
        check("https://e.org/a-1.2.3.tgz", "https://e.org/latest.tgz", false);
        check("x64", "arm64", true);
        check("x64", "1.2.3", false);
        check("", "x64", true);
        check("x64", "", true);
        check("apt-get install -y", "sudo yum install -y", true);
        check("curl git", "curl epel-release", true);
        check("a b install", "c d", false);
    }
}
