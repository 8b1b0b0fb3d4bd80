//! Package repositories: `apt`, `yum_repos`, `zypper`, `apk_repos`.
//!
//! A dated snapshot among them holds the packages that are installed later. A repository that
//! nothing signs is never taken for a vendor's release.

use super::Seed;
use crate::pins::classify;
use crate::pins::input::{Credit, Input};
use crate::pins::shell::{self, Expanded};
use crate::pins::span::Fragment;
use crate::pins::strength::{Ecosystem, Strength};
use crate::pins::yaml::Node;

/// Hosts whose keys every image of their distribution holds.
const DISTRIBUTIONS: &[&str] = &[
    "archive.ubuntu.com",
    "security.ubuntu.com",
    "ports.ubuntu.com",
    "snapshot.ubuntu.com",
    "deb.debian.org",
    "security.debian.org",
    "snapshot.debian.org",
    "ftp.debian.org",
    "esm.ubuntu.com",
];

impl Seed<'_, '_> {
    /// All repository modules.
    pub(super) fn sources(&mut self, config: &Node) {
        if let Some(apt) = config.get("apt") {
            self.apt(apt);
        }
        for source in config.get("apt_sources").map(Node::items).unwrap_or_default() {
            self.apt_source(source);
        }
        if let Some(mirror) = config.get("apt_mirror").and_then(Node::fragment) {
            self.repository(&mirror.clone());
        }
        for (_, repository) in config.get("yum_repos").map(Node::pairs).unwrap_or_default() {
            self.rpm_repository(repository);
        }
        let zypper = config.get("zypper").and_then(|zypper| zypper.get("repos"));
        for repository in zypper.map(Node::items).unwrap_or_default() {
            self.rpm_repository(repository);
        }
        if let Some(repositories) = config.get("apk_repos") {
            self.apk(repositories);
        }
    }

    fn repository(&mut self, address: &Fragment) {
        let word = Expanded::plain(address.clone());
        shell::repository(&word, self.environment, self.audit);
    }

    fn apt(&mut self, apt: &Node) {
        let selected = apt.get("mirror-selection");
        for mirrors in [Some(apt), selected].into_iter().flatten() {
            for key in ["primary", "security"] {
                for mirror in mirrors.get(key).map(Node::items).unwrap_or_default() {
                    if let Some(uri) = mirror.get("uri").and_then(Node::fragment) {
                        self.repository(&uri.clone());
                    }
                }
            }
        }
        if let Some(text) = apt.get("sources_list").and_then(Node::fragment) {
            let text = text.clone();
            shell::file_written("/etc/apt/sources.list", &text, self.environment, self.audit);
        }
        if let Some(text) = apt.get("conf").and_then(Node::fragment) {
            let text = text.clone();
            shell::file_written("/etc/apt/apt.conf", &text, self.environment, self.audit);
        }
        for (_, source) in apt.get("sources").map(Node::pairs).unwrap_or_default() {
            self.apt_source(source);
        }
        for preference in apt.get("preferences").map(Node::items).unwrap_or_default() {
            self.preference(preference);
        }
    }

    /// `{source, key | keyid}`: a PPA or a repository line.
    fn apt_source(&mut self, entry: &Node) {
        let Some(source) = entry.get("source").and_then(Node::fragment) else { return };
        let source = source.clone();
        let start = source.raw_whole().start;
        let before = self.audit.inputs().len();
        self.words(&[Self::made("add-apt-repository", &(start..start)), source.clone()]);
        let text = source.text();
        let keyed = entry.any(&["key", "keyid"]).is_some() || text.contains("signed-by");
        let known =
            text.starts_with("ppa:") || DISTRIBUTIONS.iter().any(|host| text.contains(host));
        let trusted = text.contains("trusted=yes");
        if trusted || !(keyed || known) {
            self.unsigned(before, "no signing key is named for it");
        }
    }

    /// Takes the credit of a vendor's release from the repositories handed in since.
    fn unsigned(&mut self, before: usize, note: &str) {
        for input in self.audit.inputs_since_mut(before) {
            if input.ecosystem == Ecosystem::Repository && input.strength != Strength::Content {
                input.credit = None;
                input.note = Some(note.to_owned());
            }
        }
    }

    /// apt preferences as curtin writes them: `{package, pin, pin-priority}`.
    fn preference(&mut self, preference: &Node) {
        let text = |key| preference.get(key).and_then(Node::text).unwrap_or_default();
        let Some(version) = text("pin").trim().strip_prefix("version") else { return };
        let strength = classify::version(Ecosystem::Apt, version.trim());
        for name in text("package").split_whitespace().take(1000) {
            let why = format!("apt preferences hold it at{version}");
            self.environment.machine.held.insert(name.to_owned(), Credit { strength, why });
        }
    }

    /// A section of a repository file: `{baseurl, gpgcheck}`.
    fn rpm_repository(&mut self, repository: &Node) {
        let address = repository.any(&["baseurl", "metalink", "mirrorlist"]);
        let Some(address) = address.and_then(Node::fragment) else { return };
        if repository.get("enabled").and_then(Node::truth) == Some(false) {
            // Nothing comes from it until somebody turns it on.
            return;
        }
        let before = self.audit.inputs().len();
        self.repository(&address.clone());
        if repository.get("gpgcheck").and_then(Node::truth) == Some(false) {
            self.unsigned(before, "its packages' signatures are not checked");
        }
    }

    /// `apk_repos`: the release in the repositories' addresses.
    fn apk(&mut self, repositories: &Node) {
        if let Some(alpine) = repositories.get("alpine_repo")
            && let Some(version) = alpine.get("version").and_then(Node::fragment)
        {
            let text = version.text().to_owned();
            let strength = match text.as_str() {
                "edge" | "latest-stable" | "latest" => Strength::Floating,
                _ if classify::is_unknown(&text) => Strength::Unknown,
                _ => Strength::Exact,
            };
            let place = self.audit.place(version.raw_whole());
            self.audit.push(
                Input::new(Ecosystem::Repository, "alpine", strength, place).requesting(&text),
            );
            if let Some((key, value)) = alpine.entry("testing_enabled")
                && value.truth() == Some(true)
            {
                let place = self.audit.place(key.range());
                self.audit.push(
                    Input::new(Ecosystem::Repository, "alpine testing", Strength::Floating, place)
                        .requesting("testing"),
                );
            }
        }
        if let Some(local) = repositories.get("local_repo_base_url").and_then(Node::fragment) {
            self.repository(&local.clone());
        }
    }
}
