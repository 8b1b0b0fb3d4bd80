//! What version an input should have: asked of the user's digest map, of a lockfile beside the
//! file, and of the packages of a golden image, in this order.

use super::digests::{Digests, Entry};
use super::distribution::{Distribution, architecture};
use super::lock;
use crate::model::{Fact, Package};
use crate::pins::input::Input;
use crate::pins::span::UNKNOWN;
use crate::pins::strength::{Category, Ecosystem, Strength};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How an input is to be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// A package's version, as its manager writes it.
    Version(String),
    /// A digest of bytes, algorithm included.
    Digest(String),
    /// A commit, and what people call it.
    Commit {
        /// In hexadecimal.
        sha: String,
        /// A tag or branch.
        label: Option<String>,
    },
    /// A version that the map gives for a word that is no package.
    Word(String),
}

/// Where versions are known from.
#[derive(Debug, Default)]
pub struct Known {
    /// The golden image.
    pub packages: Option<Packages>,
    /// The user's map.
    pub digests: Option<Digests>,
}

/// The packages of a manifest, by manager and name.
#[derive(Debug)]
pub struct Packages {
    label: String,
    distribution: Option<Distribution>,
    architectures: BTreeSet<String>,
    by_name: BTreeMap<(String, String), Vec<Copy>>,
}

#[derive(Debug)]
struct Copy {
    version: String,
    architecture: Option<String>,
}

impl Packages {
    /// Of a manifest's records; `label` is its name in messages.
    #[must_use]
    pub fn new(label: &str, packages: &[Package], facts: &[Fact]) -> Self {
        let mut by_name: BTreeMap<_, Vec<Copy>> = BTreeMap::new();
        for package in packages.iter().filter(|package| is_installed(package)) {
            let key = &package.key;
            let copy =
                Copy { version: package.version.clone(), architecture: key.architecture.clone() };
            by_name
                .entry((key.manager.clone(), name_of(&key.manager, &key.name)))
                .or_default()
                .push(copy);
        }
        let system = facts.iter().find(|fact| fact.scope == "system" && fact.key == "architecture");
        let mut architectures: BTreeSet<String> = system
            .into_iter()
            .flat_map(|fact| fact.attributes.values())
            .map(|word| architecture(word).to_owned())
            .collect();
        if architectures.is_empty() {
            let own = packages.iter().filter_map(|package| package.key.architecture.as_deref());
            let own = own.filter(|word| !["all", "noarch", "any"].contains(word));
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for word in own {
                *counts.entry(architecture(word)).or_default() += 1;
            }
            let most = counts.into_iter().max_by_key(|(_, count)| *count);
            architectures.extend(most.map(|(word, _)| word.to_owned()));
        }
        let distribution = Distribution::of_facts(facts);
        Self { label: label.to_owned(), distribution, architectures, by_name }
    }

    /// The manifest's name.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Why the machine of an input cannot be this one, if it cannot.
    #[must_use]
    pub fn refuses(&self, input: &Input) -> Option<String> {
        let built = input.built.as_deref()?;
        if input.ecosystem.category() == Category::OsPackage
            && let Some(own) = &self.distribution
            && let Some(other) = Distribution::of_image(&built.base)
            && !own.fits(&other)
        {
            return Some(format!("{} is {own}, and this is built for {other}", self.label));
        }
        let platform = built.platform.as_deref().filter(|word| !word.contains([UNKNOWN, '$']))?;
        let wanted = architecture(platform);
        (!self.architectures.is_empty() && !self.architectures.contains(wanted)).then(|| {
            let own: Vec<&str> = self.architectures.iter().map(String::as_str).collect();
            format!("{} is {}, and this is built for {wanted}", self.label, own.join(", "))
        })
    }

    /// The version of an input's package.
    ///
    /// # Errors
    /// The sentence that says why there is none.
    pub fn version(&self, input: &Input) -> Result<String, String> {
        let Some(manager) = self.manager(input) else {
            return Err(format!("{} does not record {} inputs", self.label, input.ecosystem));
        };
        if let Some(reason) = self.refuses(input) {
            return Err(reason);
        }
        let subject = input.subject.as_str();
        let (name, wanted) = match (manager, subject.rsplit_once(':')) {
            ("dpkg", Some((name, wanted))) if wanted != "any" => (name, Some(wanted)),
            ("dpkg", Some((name, _))) => (name, None),
            _ => (subject, None),
        };
        let Some(copies) = self.copies(manager, name) else {
            return Err(format!("{} has no package {name}", self.label));
        };
        let fits = |copy: &&Copy| match (wanted, copy.architecture.as_deref()) {
            (Some(wanted), Some(own)) => wanted == own,
            (None, Some(own)) => {
                ["all", "noarch", "any"].contains(&own)
                    || self.architectures.is_empty()
                    || self.architectures.contains(architecture(own))
            }
            _ => true,
        };
        let versions: BTreeSet<&str> =
            copies.iter().filter(fits).map(|copy| copy.version.as_str()).collect();
        let versions: Vec<&str> = versions.into_iter().collect();
        match versions.as_slice() {
            [] => Err(format!("{} has {name} only for another architecture", self.label)),
            [only] => Ok((*only).to_owned()),
            several => Err(format!(
                "{} has more than one version of {name}: {}",
                self.label,
                several.join(", ")
            )),
        }
    }

    fn copies(&self, manager: &str, name: &str) -> Option<&Vec<Copy>> {
        let find = |name: &str| self.by_name.get(&(manager.to_owned(), name_of(manager, name)));
        if manager != "golang" {
            return find(name);
        }
        // A command lies somewhere in its module.
        let mut path = name;
        loop {
            if let Some(found) = find(path) {
                return Some(found);
            }
            path = path.rsplit_once('/')?.0;
        }
    }

    /// The database that knows the packages of an ecosystem.
    fn manager(&self, input: &Input) -> Option<&'static str> {
        let suse = self
            .distribution
            .as_ref()
            .map(|own| own.id.starts_with("opensuse") || own.id.starts_with("sle"));
        match input.ecosystem {
            Ecosystem::Dnf if suse == Some(true) => None,
            Ecosystem::Zypper if suse == Some(false) => None,
            other => manager_of(other),
        }
    }
}

/// The manifest's word for who installs the packages of an ecosystem.
#[must_use]
pub fn manager_of(ecosystem: Ecosystem) -> Option<&'static str> {
    Some(match ecosystem {
        Ecosystem::Apt => "dpkg",
        Ecosystem::Dnf | Ecosystem::Zypper => "rpm",
        Ecosystem::Apk => "apk",
        Ecosystem::Pacman => "pacman",
        Ecosystem::Pip => "pypi",
        Ecosystem::Npm => "npm",
        Ecosystem::Gem => "gem",
        Ecosystem::Go => "golang",
        Ecosystem::Cargo => "cargo",
        Ecosystem::Composer => "composer",
        Ecosystem::Nuget => "nuget",
        _ => return None,
    })
}

/// Whether a package is there, and not only its configuration.
#[must_use]
pub fn is_installed(package: &Package) -> bool {
    package.state.is_empty()
        || package.state.ends_with("installed") && !package.state.ends_with("not-installed")
}

/// A name as its ecosystem compares it.
#[must_use]
pub fn name_of(manager: &str, name: &str) -> String {
    match manager {
        // PEP 503.
        "pypi" => {
            let lower = name.to_ascii_lowercase();
            let parts = lower.split(['-', '_', '.']).filter(|part| !part.is_empty());
            parts.collect::<Vec<_>>().join("-")
        }
        "composer" | "nuget" => name.to_ascii_lowercase(),
        _ => name.to_owned(),
    }
}

/// Why nothing that is known could pin an input.
#[must_use]
pub fn hopeless(input: &Input) -> Option<&'static str> {
    match input.rule {
        "pins/upgrade-all" => return Some("an upgrade of everything has no version to be written"),
        "pins/lock" => return Some("the command decides: use the one that enforces the lockfile"),
        "pins/repo-source" => {
            return Some("a repository has no version: use a dated snapshot of it");
        }
        _ => {}
    }
    if input.held() == Strength::Unknown || input.subject.contains('…') {
        return Some("its value comes from outside");
    }
    match input.ecosystem {
        Ecosystem::Pacman => Some("pacman has no syntax for a version"),
        Ecosystem::Brew => Some("brew has no syntax for a version"),
        _ => None,
    }
}

impl Known {
    /// The pin of an input and who knows it. `beside` reads a file by the path that the report
    /// would show.
    ///
    /// # Errors
    /// The sentence that says why nobody knows.
    pub fn look_up(
        &self,
        input: &Input,
        beside: &mut dyn FnMut(&str) -> Option<Arc<[u8]>>,
    ) -> Result<(Pin, String), String> {
        let mut reasons = Vec::new();
        if let Some(digests) = &self.digests {
            match in_map(digests, input) {
                Ok(pin) => return Ok((pin, "the digest map".to_owned())),
                Err(reason) => reasons.push(reason),
            }
        }
        match lock::look_up(input, beside) {
            Some((Ok(version), file)) => return Ok((Pin::Version(version), file)),
            Some((Err(reason), _)) => reasons.push(reason),
            None => {}
        }
        if manager_of(input.ecosystem).is_some()
            && let Some(packages) = &self.packages
        {
            match packages.version(input) {
                Ok(version) => return Ok((Pin::Version(version), packages.label.clone())),
                Err(reason) => reasons.insert(0, reason),
            }
        }
        if reasons.is_empty() {
            let what = match input.ecosystem.category() {
                Category::OsPackage | Category::LangPackage => {
                    "--from names no manifest that has it"
                }
                _ => "--digests gives no map that has it",
            };
            reasons.push(format!("nobody knows its version: {what}"));
        }
        Err(reasons.join("; "))
    }
}

/// What the map says of an input.
fn in_map(digests: &Digests, input: &Input) -> Result<Pin, String> {
    let (subject, requested) = (input.subject.as_str(), input.requested.as_str());
    let at =
        if requested.is_empty() { subject.to_owned() } else { format!("{subject}@{requested}") };
    let none = |key: &str| format!("the digest map has no {key}");
    match input.ecosystem {
        Ecosystem::Image => {
            let tag = requested.split('@').next().unwrap_or_default();
            let key = if tag.is_empty() { subject.to_owned() } else { format!("{subject}:{tag}") };
            let entry = digests.image(&key).ok_or_else(|| none(&key))?;
            digest(entry).ok_or_else(|| format!("the digest map has no digest for {key}"))
        }
        Ecosystem::Download => {
            let entry = digests.plain(subject).ok_or_else(|| none(subject))?;
            digest(entry).ok_or_else(|| format!("the digest map has no digest for {subject}"))
        }
        _ => {
            let by_ref = || digests.reference(&at).or_else(|| digests.reference(&head(subject)));
            let own = format!("{}:{subject}", input.ecosystem);
            let entry = digests
                .plain(&own)
                .or_else(|| digests.plain(&at))
                .or_else(by_ref)
                .ok_or_else(|| none(&at))?;
            let value = entry.value.clone();
            let hex = value.bytes().all(|byte| byte.is_ascii_hexdigit());
            Ok(if hex && matches!(value.len(), 40 | 64) {
                Pin::Commit { sha: value, label: entry.label.clone() }
            } else if manager_of(input.ecosystem).is_some() {
                Pin::Version(value)
            } else {
                Pin::Word(value)
            })
        }
    }
}

/// An address without a ref means its default branch.
fn head(subject: &str) -> String {
    if subject.contains('@') { subject.to_owned() } else { format!("{subject}@HEAD") }
}

fn digest(entry: &Entry) -> Option<Pin> {
    let value = entry.value.to_ascii_lowercase();
    let (algorithm, hex) = value.split_once(':').unwrap_or(("sha256", &value));
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return None,
    };
    let whole = hex.len() == length && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| Pin::Digest(format!("{algorithm}:{hex}")))
}
