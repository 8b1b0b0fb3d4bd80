//! The resource types that install or fetch.

use super::manifest::{Manifest, Resource};
use crate::pins::classify;
use crate::pins::hcl::value::{Text, Value};
use crate::pins::input::Credit;
use crate::pins::resource::{self, Manager, made};
use crate::pins::shell::Dialect;
use crate::pins::strength::{Ecosystem, Strength};
use std::sync::Arc;

/// Reads a resource.
pub(super) type Reader = fn(&mut Manifest<'_, '_>, &Resource);

/// Why a package moves even where it is there already.
const LATEST: &str = "`ensure => latest` asks for whatever is newest at every run";

/// Who reads a resource of this type.
pub(super) fn reader_of(kind: &str) -> Option<Reader> {
    Some(match kind.trim_start_matches("::") {
        "package" => |m, r| m.package(None, r),
        "python::pip" => |m, r| m.package(Some(Manager::Pip), r),
        "nodejs::npm" | "npm::package" => |m, r| m.package(Some(Manager::Npm), r),
        "rbenv::gem" | "rvm_gem" => |m, r| m.package(Some(Manager::Gem), r),
        "jenkins::plugin" => |m, r| m.package(Some(Manager::Plugin), r),
        "snap" => |m, r| m.package(Some(Manager::Snap), r),
        "vcsrepo" => |m, r| m.checkout(r),
        "archive"
        | "wget::fetch"
        | "staging::file"
        | "staging::deploy"
        | "remote_file"
        | "archive::download"
        | "archive::artifactory"
        | "archive::nexus"
        | "file" => |m, r| m.download(r),
        "exec" => |m, r| m.exec(r),
        "docker::image" | "docker::run" => |m, r| m.image(r),
        "apt::source" | "yumrepo" | "zypprepo" => |m, r| m.repository(r),
        "apt::ppa" => |m, r| m.ppa(r),
        "apt::pin" => |m, r| m.pin(r),
        "class" => |m, r| m.class_version(r),
        _ => return None,
    })
}

impl Manifest<'_, '_> {
    fn texts(&self, value: &Value, resource: &Resource) -> Vec<Text> {
        resource::texts(value, &self.audit.file().path, &resource.at)
    }

    fn text(&self, resource: &Resource, names: &[&str]) -> Option<Text> {
        self.texts(resource.get(names)?, resource).into_iter().next()
    }

    fn given(&self, resource: &Resource, names: &[&str]) -> String {
        self.text(resource, names).map(|text| text.text().to_owned()).unwrap_or_default()
    }

    fn or_title(&self, resource: &Resource, names: &[&str]) -> Vec<Text> {
        self.texts(resource.get(names).unwrap_or(&resource.title), resource)
    }

    fn is_removal(&self, resource: &Resource) -> bool {
        let Some(ensure) = resource.get(&["ensure"]) else { return false };
        let states = self.texts(ensure, resource);
        let gone = |text: &Text| ["absent", "purged", "held", "false"].contains(&text.text());
        !states.is_empty() && states.iter().all(gone)
    }

    /// `package`: a version stands in `ensure`.
    fn package(&mut self, manager: Option<Manager>, resource: &Resource) {
        if self.is_removal(resource) {
            return;
        }
        let provider = self.given(resource, &["provider"]);
        let by_provider = match provider.as_str() {
            "gem" | "puppet_gem" | "puppetserver_gem" => Some(Manager::Gem),
            "pip" | "pip3" | "pip2" => Some(Manager::Pip),
            "npm" => Some(Manager::Npm),
            "chocolatey" => Some(Manager::Choco),
            "snap" => Some(Manager::Snap),
            "winget" => Some(Manager::Winget),
            "" => None,
            other => Some(Manager::of_platform(other).unwrap_or(Manager::System)),
        };
        let path = Arc::clone(&self.audit.file().path);
        let of_file = || Manager::of_file(path.trim_end_matches(".pp"));
        let manager = manager.or(by_provider).or(self.platform).or_else(of_file);
        let manager = manager.unwrap_or(Manager::System);
        let at = resource.at.clone();
        let names = self.or_title(resource, &["name", "pkgname", "package"]);
        let source = self.given(resource, &["source"]);
        if !source.is_empty() {
            if source.contains("://")
                && let Some(url) = self.text(resource, &["source"])
            {
                self.host().download(&url, "", None, &at);
            }
            return;
        }
        let states = resource.get(&["version", "channel", "ensure"]).cloned();
        let states = states.map(|states| self.texts(&states, resource)).unwrap_or_default();
        let plain = ["present", "installed", "true", ""];
        let mut done = false;
        for state in &states {
            if plain.contains(&state.text()) {
                continue;
            }
            done = true;
            if state.text() == "latest" {
                self.host().packages(manager, &names, None, &at, Some(LATEST));
            } else {
                self.host().packages(manager, &names, Some(state), &at, None);
            }
        }
        let bare = states.is_empty() || states.iter().any(|state| plain.contains(&state.text()));
        if bare || !done {
            self.host().packages(manager, &names, None, &at, None);
        }
    }

    fn checkout(&mut self, resource: &Resource) {
        if self.is_removal(resource) {
            return;
        }
        let Some(url) = self.text(resource, &["source"]) else { return };
        let provider = self.given(resource, &["provider"]);
        let program = match provider.as_str() {
            "svn" => "svn",
            "hg" => "hg",
            _ => "git",
        };
        let reference = self.text(resource, &["revision", "branch"]);
        let at = resource.at.clone();
        self.host().checkout(program, &url, reference.as_ref(), &at);
    }

    fn download(&mut self, resource: &Resource) {
        if self.is_removal(resource) {
            return;
        }
        let Some(sources) = resource.get(&["source", "url"]).cloned() else {
            self.file(resource);
            return;
        };
        let at = resource.at.clone();
        let kind = self.given(resource, &["checksum_type"]);
        let checksum = self
            .text(resource, &["checksum_value", "checksum", "checksum_url"])
            .filter(|_| !["none", "md5", "md5lite", "mtime"].contains(&kind.as_str()))
            .filter(|text| !["md5", "sha256", "true", "false", "none"].contains(&text.text()));
        let target = self.or_title(resource, &["path", "destination", "target"]);
        let target = target.first().map(|text| text.text().to_owned()).unwrap_or_default();
        for url in self.texts(&sources, resource) {
            let text = url.text();
            if text.contains("://") && !text.starts_with("puppet:") && !text.starts_with("file:") {
                self.host().download(&url, &target, checksum.as_ref(), &at);
            }
        }
    }

    /// A file with its content: repositories, preferences, scripts that a command runs.
    fn file(&mut self, resource: &Resource) {
        let Some(content) = self.text(resource, &["content"]) else { return };
        if let Some(path) = self.or_title(resource, &["path"]).first() {
            let path = path.text().to_owned();
            self.host().file_written(&path, &content);
        }
    }

    fn exec(&mut self, resource: &Resource) {
        let before = self.environment.machine.directory.clone();
        let directory = self.given(resource, &["cwd"]);
        if !directory.is_empty() {
            self.environment.machine.directory = Some(directory);
        }
        match resource.get(&["command"]) {
            Some(Value::List(words)) => {
                let words: Vec<Text> =
                    words.iter().flat_map(|word| self.texts(word, resource)).collect();
                let at = resource.at.clone();
                self.host().words(&words, &at);
            }
            _ => {
                for script in self.or_title(resource, &["command"]) {
                    let windows = self.given(resource, &["provider"]) == "powershell";
                    let dialect = if windows { Dialect::PowerShell } else { Dialect::Posix };
                    self.host().script(&script, dialect);
                }
            }
        }
        self.environment.machine.directory = before;
    }

    fn image(&mut self, resource: &Resource) {
        if self.is_removal(resource) || resource.get(&["docker_file", "docker_dir"]).is_some() {
            return;
        }
        let at = resource.at.clone();
        let digest = self.text(resource, &["image_digest"]);
        let tag = digest.or_else(|| self.text(resource, &["image_tag"]));
        for image in self.or_title(resource, &["image"]) {
            self.host().image(&image, tag.as_ref(), &at);
        }
    }

    fn repository(&mut self, resource: &Resource) {
        if self.is_removal(resource) {
            return;
        }
        let at = resource.at.clone();
        let release = self.given(resource, &["release"]);
        for key in ["location", "baseurl", "mirrorlist", "metalink"] {
            let Some(address) = self.text(resource, &[key]) else { continue };
            let line = format!("deb {} {release}", address.text());
            let line = (key == "location").then_some(line.as_str());
            self.host().repository(&address, line, &at);
        }
    }

    fn ppa(&mut self, resource: &Resource) {
        if self.is_removal(resource) {
            return;
        }
        let at = resource.at.clone();
        for address in self.or_title(resource, &["name"]) {
            self.host().repository(&address, None, &at);
        }
    }

    /// apt preferences hold packages from here on.
    fn pin(&mut self, resource: &Resource) {
        let version = self.given(resource, &["version"]);
        if version.is_empty() {
            return;
        }
        let strength = classify::version(Ecosystem::Apt, &version);
        for name in self.or_title(resource, &["packages"]) {
            let why = format!("apt preferences hold it at {version}");
            let credit = Credit { strength, why };
            self.environment.machine.held.insert(name.text().to_owned(), credit);
        }
    }

    /// `class { 'docker': version => 'latest' }`: what a module is told to install.
    fn class_version(&mut self, resource: &Resource) {
        let names = ["version", "package_ensure", "package_version"];
        let Some(version) = self.text(resource, &names) else { return };
        let requested = version.text().to_owned();
        if ["present", "installed", "absent", ""].contains(&requested.as_str()) {
            return;
        }
        let strength = classify::version(Ecosystem::Tool, &requested);
        let strength =
            if requested.starts_with(['>', '<', '~']) { Strength::Range } else { strength };
        let title = self.texts(&resource.title, resource);
        let name = title.first().map(|text| text.text().to_owned()).unwrap_or_default();
        let range = version.fragment.raw_whole();
        let subject = Text { fragment: made(&name, &range), ..version };
        let at = resource.at.clone();
        self.host().input(Ecosystem::Tool, &subject, &requested, strength, &at, None);
    }
}
