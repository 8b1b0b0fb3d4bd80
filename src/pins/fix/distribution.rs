//! Which distribution a build file and a manifest speak of.

use crate::model::Fact;

/// A distribution as os-release names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// `ID`: `debian`, `alpine`, `rocky`.
    pub id: String,
    /// `VERSION_ID`, as far as it is known.
    pub version: Option<String>,
}

/// Code names by distribution, with the version that they stand for.
const CODENAMES: &[(&str, &str, &str)] = &[
    ("buster", "debian", "10"),
    ("bullseye", "debian", "11"),
    ("bookworm", "debian", "12"),
    ("trixie", "debian", "13"),
    ("forky", "debian", "14"),
    ("bionic", "ubuntu", "18.04"),
    ("focal", "ubuntu", "20.04"),
    ("jammy", "ubuntu", "22.04"),
    ("noble", "ubuntu", "24.04"),
    ("oracular", "ubuntu", "24.10"),
    ("plucky", "ubuntu", "25.04"),
    ("questing", "ubuntu", "25.10"),
];

/// Image names (the last part of the path) and the `ID` of what they hold.
const NAMES: &[(&str, &str)] = &[
    ("debian", "debian"),
    ("ubuntu", "ubuntu"),
    ("alpine", "alpine"),
    ("fedora", "fedora"),
    ("rockylinux", "rocky"),
    ("rocky", "rocky"),
    ("almalinux", "almalinux"),
    ("centos", "centos"),
    ("oraclelinux", "ol"),
    ("amazonlinux", "amzn"),
    ("photon", "photon"),
    ("archlinux", "arch"),
    ("leap", "opensuse-leap"),
    ("tumbleweed", "opensuse-tumbleweed"),
    ("ubi7", "rhel"),
    ("ubi8", "rhel"),
    ("ubi9", "rhel"),
    ("ubi10", "rhel"),
    ("ubi", "rhel"),
    ("ubi-minimal", "rhel"),
    ("ubi-micro", "rhel"),
];

impl Distribution {
    /// Of a manifest's os-release.
    #[must_use]
    pub fn of_facts(facts: &[Fact]) -> Option<Self> {
        let release = facts.iter().find(|fact| fact.scope == "os-release")?;
        let field = |name: &str| release.attributes.get(name).cloned();
        Some(Self { id: field("ID")?, version: field("VERSION_ID") })
    }

    /// Of a base image's reference or a runner's label; `None` where the name does not say.
    #[must_use]
    pub fn of_image(reference: &str) -> Option<Self> {
        let image = crate::pins::image::ImageRef::parse(reference);
        let name = image.name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let tag = image.tag.unwrap_or_default().to_ascii_lowercase();
        let known = |id: &str, version: Option<&str>| {
            Some(Self { id: id.to_owned(), version: version.map(str::to_owned) })
        };
        let words = || tag.split(['-', '_']);
        let coded = CODENAMES.iter().find(|(code, ..)| words().any(|word| word == *code));
        // A runner's label: `ubuntu-22.04`.
        if let Some(version) = name.strip_prefix("ubuntu-") {
            return known("ubuntu", number(version));
        }
        if let Some((_, id)) = NAMES.iter().find(|(own, _)| *own == name) {
            if let Some((_, _, version)) = coded {
                return known(id, Some(version));
            }
            let digit = name.strip_prefix("ubi").and_then(number);
            return known(id, number(&tag).or(digit));
        }
        if let Some((_, id, version)) = coded {
            return known(id, Some(version));
        }
        if let Some(alpine) = words().find(|word| word.starts_with("alpine")) {
            return known("alpine", alpine.strip_prefix("alpine").and_then(number));
        }
        None
    }

    /// Whether both may be the same, as far as they are known: `12` is `12.5`, `22.04` is not
    /// `24.04`.
    #[must_use]
    pub fn fits(&self, other: &Self) -> bool {
        if self.id != other.id {
            return false;
        }
        match (&self.version, &other.version) {
            (Some(one), Some(other)) => one.split('.').zip(other.split('.')).all(|(a, b)| a == b),
            _ => true,
        }
    }
}

/// The leading number of a tag: `3.19.1-slim` has `3.19.1`, a date has none.
fn number(tag: &str) -> Option<&str> {
    let end = tag.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(tag.len());
    let number = tag.get(..end).unwrap_or_default().trim_end_matches('.');
    (!number.is_empty() && number.len() < 8).then_some(number)
}

impl std::fmt::Display for Distribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{} {version}", self.id),
            None => f.write_str(&self.id),
        }
    }
}

/// An architecture by the name that images have for it: `amd64`, `arm64`.
#[must_use]
pub fn architecture(word: &str) -> &str {
    let word = word.rsplit_once("linux/").map_or(word, |(_, word)| word);
    let word = word.split('/').next().unwrap_or(word);
    match word {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i486" | "i586" | "i686" | "x86" => "386",
        "armhf" | "armv7" | "armv7l" | "armv7hl" => "arm",
        "ppc64el" => "ppc64le",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_name_distributions() {
        let check = |image: &str, expected: &str| {
            let found = Distribution::of_image(image);
            assert_eq!(found.map(|one| one.to_string()).unwrap_or_default(), expected, "{image}");
        };
        check("debian:12", "debian 12");
        check("debian:12.5-slim", "debian 12.5");
        check("docker.io/library/debian:bookworm-20240101-slim", "debian 12");
        check("debian", "debian");
        check("debian:stable", "debian");
        check("ubuntu:jammy", "ubuntu 22.04");
        check("ubuntu-22.04", "ubuntu 22.04");
        check("ubuntu-latest", "ubuntu");
        check("python:3.12-slim-bookworm", "debian 12");
        check("python:3.12-slim", "");
        check("node:20-alpine3.19", "alpine 3.19");
        check("node:20-alpine", "alpine");
        check("alpine:3.19.1", "alpine 3.19.1");
        check("alpine:20240101", "alpine");
        check("rockylinux:9.3", "rocky 9.3");
        check("registry.access.redhat.com/ubi9/ubi-minimal:9.4", "rhel 9.4");
        check("ghcr.io/acme/base:1", "");
    }

    #[test]
    fn parts_of_a_version_fit() {
        let check = |one: &str, other: &str, expected: bool| {
            let (one, other) = (Distribution::of_image(one), Distribution::of_image(other));
            assert_eq!(one.unwrap().fits(&other.unwrap()), expected);
        };
        check("debian:12", "debian:12.5", true);
        check("debian:12", "debian:11", false);
        check("debian", "debian:11", true);
        check("debian:12", "ubuntu:22.04", false);
        check("alpine:3.19", "alpine:3.19.1", true);
        check("ubuntu:22.04", "ubuntu:22.10", false);
    }
}
