//! Package repositories: PPAs, repository lines, dated snapshots, preferences and version locks.

use super::interpret::Interpreter;
use super::managers::Invocation;
use super::package::Package;
use super::words::Word;
use crate::pins::classify;
use crate::pins::input::Credit;
use crate::pins::span::Fragment;
use crate::pins::strength::{Ecosystem, Strength};

/// Hosts of dated archives, and whose packages they hold.
const SNAPSHOTS: &[(&str, Ecosystem)] = &[
    ("snapshot.debian.org/archive/", Ecosystem::Apt),
    ("snapshot-cloudflare.debian.org/archive/", Ecosystem::Apt),
    ("snapshot.ubuntu.com/", Ecosystem::Apt),
    ("archive.archlinux.org/repos/", Ecosystem::Pacman),
    ("archive.archlinux.org/packages/", Ecosystem::Pacman),
    ("download.opensuse.org/history/", Ecosystem::Zypper),
];

/// Words of a repository's address that say that it moves.
const MOVING: &[&str] = &[
    "edge",
    "latest",
    "latest-stable",
    "testing",
    "unstable",
    "sid",
    "nightly",
    "rawhide",
    "experimental",
    "devel",
    "mainline",
    "current",
    "tumbleweed",
    "opensuse_tumbleweed",
    "opensuse_factory",
];

/// What is true of every PPA.
const PPA: &str = "a PPA keeps only its newest packages";

/// `add-apt-repository ppa:owner/name`, or a whole line.
pub(super) fn apt_repository(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    if invocation.arguments.has(&["-r", "--remove"]) {
        return;
    }
    for word in &invocation.arguments.operands {
        let text = word.text();
        if text.starts_with("ppa:") {
            let package = Package::new(Ecosystem::Repository, word, text, "");
            let mut package = package.held(Strength::Floating);
            package.note = Some(PPA.to_owned());
            shell.package(package);
        } else {
            repository_word(shell, word);
        }
    }
}

/// `zypper addrepo URL`, `dnf config-manager --add-repo URL`, `dnf copr enable owner/project`.
pub(super) fn rpm_repository(shell: &mut Interpreter<'_, '_>, invocation: &Invocation<'_>) {
    let arguments = &invocation.arguments;
    if invocation.subcommand == "copr enable" {
        for word in arguments.operands.iter().take(1) {
            let package = Package::new(Ecosystem::Repository, word, word.text(), "");
            let mut package = package.held(Strength::Floating);
            package.note = Some("a Copr project keeps only its newest builds".to_owned());
            shell.package(package);
        }
        return;
    }
    let values = arguments.options.iter().filter_map(|(_, value)| value.as_ref());
    for word in values.chain(&arguments.operands) {
        repository_word(shell, word);
    }
}

/// A repository's address or line.
pub(super) fn repository_word(shell: &mut Interpreter<'_, '_>, word: &Word) {
    let text = word.text().to_owned();
    if !text.contains("://") {
        return;
    }
    let (subject, requested) = address_of(&text);
    let mut package = Package::new(Ecosystem::Repository, word, &subject, "");
    requested.clone_into(&mut package.requested);
    let moving = text
        .split(|c: char| c == '/' || c.is_whitespace())
        .map(str::to_ascii_lowercase)
        .any(|part| MOVING.contains(&part.trim_end_matches("-backports")));
    if let Some((ecosystem, why)) = snapshot(&text) {
        shell.remember_snapshot(ecosystem, &why);
        package.strength = Strength::Content;
    } else if ["//ppa.launchpad.net/", "//ppa.launchpadcontent.net/"]
        .iter()
        .any(|host| text.contains(host))
    {
        package.strength = Strength::Floating;
        package.note = Some(PPA.to_owned());
    } else if moving {
        package.strength = Strength::Floating;
    } else {
        package = package.held(Strength::Floating).credited(
            Strength::Exact,
            "a release of a distribution or vendor: what is installed from it is judged by itself",
        );
    }
    shell.package(package);
}

/// The URL of a repository line and what follows it.
fn address_of(line: &str) -> (String, String) {
    let url = line.split_whitespace().find(|part| part.contains("://")).unwrap_or(line);
    let after = line.split_once(url).map(|(_, rest)| rest.trim().to_owned()).unwrap_or_default();
    (url.trim_start_matches("baseurl=").to_owned(), after)
}

/// A dated archive in a text.
fn snapshot(text: &str) -> Option<(Ecosystem, String)> {
    for (host, ecosystem) in SNAPSHOTS {
        if let Some((_, rest)) = text.split_once(host) {
            let digits = rest.bytes().take(80).filter(u8::is_ascii_digit).count();
            let unknown = classify::is_unknown(rest);
            if digits >= 8 && !unknown {
                return Some((*ecosystem, format!("packages come from the dated archive {host}")));
            }
        }
    }
    None
}

impl Interpreter<'_, '_> {
    fn remember_snapshot(&mut self, ecosystem: Ecosystem, why: &str) {
        let credit = Credit { strength: Strength::Content, why: why.to_owned() };
        self.environment.machine.snapshots.insert(ecosystem, credit);
    }

    /// A dated archive in any argument of a command (`sed -i s|…|snapshot…|`).
    pub(super) fn snapshot_in(&mut self, words: &[Word]) {
        for word in words {
            if let Some((ecosystem, why)) = snapshot(word.text()) {
                self.remember_snapshot(ecosystem, &why);
            }
        }
    }

    /// `apt-get --snapshot 20240101T000000Z`, `dnf --releasever=2023.3.20240108`.
    pub(super) fn snapshot_options(&mut self, invocation: &Invocation<'_>) {
        let arguments = &invocation.arguments;
        let dated = |word: &Word| {
            word.text().bytes().filter(u8::is_ascii_digit).count() >= 8 && !word.is_unknown()
        };
        match invocation.manager.ecosystem {
            Ecosystem::Apt => {
                let option = arguments.value(&["-S", "--snapshot"]).is_some_and(dated);
                let setting = arguments
                    .values(&["-o", "--option"])
                    .any(|word| word.text().contains("APT::Snapshot=") && dated(word));
                if option || setting {
                    self.remember_snapshot(Ecosystem::Apt, "apt reads a dated snapshot");
                }
            }
            Ecosystem::Dnf if arguments.value(&["--releasever"]).is_some_and(dated) => {
                self.remember_snapshot(Ecosystem::Dnf, "--releasever names a dated release");
            }
            _ => {}
        }
    }

    /// What a file written by the build means for packages.
    pub(super) fn file_written(&mut self, name: &str, text: &Fragment) {
        let lines = lines(text);
        let apt_sources = name.contains("/apt/sources.list")
            || name.ends_with(".list")
            || name.ends_with(".sources");
        let others = name.contains("/yum.repos.d/")
            || name.contains("/zypp/repos.d/")
            || name.ends_with("/apk/repositories")
            || name.contains("/pacman.d/mirrorlist");
        if apt_sources || others {
            for line in &lines {
                let content = line.text().trim();
                let comment = content.starts_with('#') || content.is_empty();
                let is_address =
                    ["deb ", "deb-src ", "deb [", "baseurl", "http", "URIs:", "Server", "@"]
                        .iter()
                        .any(|start| content.starts_with(start));
                if !comment && is_address && content.contains("://") {
                    repository_word(self, line);
                }
                let dated = content.strip_prefix("Snapshot:").map(str::trim);
                if dated.is_some_and(|value| value.starts_with("20")) {
                    self.remember_snapshot(Ecosystem::Apt, "apt reads a dated snapshot");
                }
            }
        }
        if name.contains("/apt/preferences") {
            self.preferences(&lines);
        }
        if name.contains("/apt/apt.conf") && text.text().contains("APT::Snapshot \"20") {
            self.remember_snapshot(Ecosystem::Apt, "apt reads a dated snapshot");
        }
        if name.contains("versionlock.list") {
            for line in &lines {
                self.version_lock(line.text());
            }
        }
    }

    /// apt preferences: `Package: name` and `Pin: version 1.2-3`.
    fn preferences(&mut self, lines: &[Word]) {
        let mut names: Vec<String> = Vec::new();
        for line in lines {
            if let Some(packages) = line.text().strip_prefix("Package:") {
                names = packages.split_whitespace().map(str::to_owned).collect();
            } else if let Some(pin) = line.text().strip_prefix("Pin:") {
                let Some(version) = pin.trim().strip_prefix("version") else { continue };
                let strength = classify::version(Ecosystem::Apt, version.trim());
                for name in names.drain(..) {
                    let why = format!("apt preferences hold it at{version}");
                    self.environment.machine.held.insert(name, Credit { strength, why });
                }
            }
        }
    }

    /// `dnf versionlock add name-version`.
    pub(super) fn version_lock(&mut self, specification: &str) {
        let text = specification.trim();
        let at = text.match_indices('-').find(|(at, _)| {
            text.get(at.saturating_add(1)..)
                .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
        });
        if let Some((at, _)) = at {
            let name = text.get(..at).unwrap_or_default();
            let name = name.rsplit_once(':').map_or(name, |(_, name)| name);
            let why = format!("versionlock holds {text}");
            let credit = Credit { strength: Strength::Exact, why };
            self.environment.machine.held.insert(name.to_owned(), credit);
        }
    }
}

fn lines(text: &Fragment) -> Vec<Word> {
    let mut found = Vec::new();
    let mut at = 0_usize;
    for line in text.text().split_inclusive('\n') {
        let content = line.trim();
        let lead = line.len().saturating_sub(line.trim_start().len());
        let start = at.saturating_add(lead);
        found.push(Word::plain(text.slice(start..start.saturating_add(content.len()))));
        at = at.saturating_add(line.len());
    }
    found
}
